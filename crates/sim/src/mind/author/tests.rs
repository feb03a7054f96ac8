use super::super::conversation::{self, Request};
use super::*;

/// The last answer of a conversation in which the user says these contents.
fn said(contents: &[serde_json::Value]) -> String {
    let mut messages = Vec::new();
    let mut text = String::new();
    for content in contents {
        messages.push(serde_json::json!({"role": "user", "content": content}));
        let request = serde_json::json!({"messages": messages});
        let turns = Request::new(&request).turns();
        text = write(conversation::fingerprint(7, &turns), &turns, &Manners::default());
        messages.push(serde_json::json!({"role": "assistant", "content": text}));
    }
    text
}

/// As the command sends standard input.
fn piped(context: &str, instruction: &str) -> serde_json::Value {
    serde_json::json!([
        {"type": "text", "text": format!("<stdin>\n{context}\n</stdin>")},
        {"type": "text", "text": instruction},
    ])
}

fn check(context: &str, instruction: &str, parts: &[&str]) {
    let answer = said(&[piped(context, instruction)]);
    for part in parts {
        assert!(answer.contains(part), "{instruction:?}, no {part:?} in: {answer}");
    }
    assert!(!answer.contains("stdin"), "{instruction:?}: {answer}");
}

const STORY: &str = "The parser was slow in March. Ada found the cause: a loop that copied the buffer for every event. \
                     She fixed it in April. Since then it takes 400 instructions per event. Nobody has complained.";
const CODE: &str = "fn reverse(text: &str) -> String {\n    for c in text.chars() {\n        drop(c); // TODO\n    }\n    return out;\n}";

#[test]
fn an_instruction_uses_the_text_that_came_along() {
    check("2+2?", "answer this", &["2 + 2 = **4**"]);
    check("Why is the sky blue?", "please answer", &["scatters"]);
    check(STORY, "summarise this", &["of 35 words", "Ada found the cause"]);
    check(STORY, "tl;dr in 1 sentence", &["The parser was slow in March."]);
    check(STORY, "who fixed the parser?", &["> She fixed it in April."]);
    let log = "disk full\n".repeat(9);
    assert_eq!(said(&[piped(&log, "is any disk broken?")]).matches("> disk full").count(), 1);
    check(STORY, "is the moon round?", &["nothing about that", "The parser was slow"]);
    check(STORY, "review", &["nothing catches the eye"]);
    check("the the cat", "proofread this", &["“the the”"]);
    check("one\ntwo\nthree", "count the lines", &["**3 lines**"]);
    check("one two\nthree", "how many words and characters?", &["**3 words** and **13 characters**"]);
    check("one\ntwo", "what does this say?", &["> one\n> two"]);
    check("good morning", "translate to French", &["Bonjour"]);
    check("Der Zug kommt.", "translate", &["would take a real model", "> Der Zug kommt."]);
    check(CODE, "explain this code", &["**Rust**, 6 lines", "function `reverse`", "Line 2 loops"]);
    check(CODE, "review this", &["Line 3: `TODO`"]);
    check(CODE, "which language is this?", &["**Rust**"]);
    check("disk full\nERROR: gave up", "what went wrong?", &["Line 2: `ERROR: gave up`"]);
    check("{\"name\": \"Ada\", \"tags\": [1, 2]}", "what is this?", &["**JSON**", "`tags`: a list of 2"]);
}

#[test]
fn an_instruction_with_a_subject_of_its_own_is_about_that() {
    check(STORY, "explain SSE", &["Server-sent events let"]);
    check(STORY, "write a haiku about rain", &["Drop after drop"]);
    check(STORY, "what is 12*37", &["**444**"]);
    check(CODE, "write a Python function for the Fibonacci numbers", &["```python"]);
}

#[test]
fn a_text_without_an_instruction_says_what_to_do() {
    for (text, part) in [
        ("<question>\nWhat is 2+3?\n</question>", "**5**"),
        ("```python\nprint(1)\n```", "**Python**, 1 line"),
        ("<docs><q>What is 2+3?</q></docs>", "**5**"),
        ("diff --git a/x b/x\n--- a/x\n+++ b/x\n-old\n+new", "1 line added, 1 line removed"),
        ("summarise this", "nothing came along"),
    ] {
        let answer = said(&[text.into()]);
        assert!(answer.contains(part), "{text}: {answer}");
    }
    let again = said(&[piped("Explain black holes", "answer this"), "Explain photosynthesis, too".into()]);
    assert!(again.contains("*black holes*") && !again.contains("stdin"), "{again}");
}

#[test]
fn what_people_try_first_reads_well() {
    for (asked, parts, longest) in [
        ("hello", &["simulator"][..], 200),
        ("how are you?", &["thank you"], 200),
        ("a haiku about rivers", &["the way to the sea."], 100),
        ("write a Rust function that reverses a string", &["chars().rev()"], 800),
        ("write a Python script that renames my photos", &["cannot write that one"], 1_200),
        ("compare Rust and Go in a table", &["| | Rust | Go |", "goroutines"], 1_000),
        ("compare Berlin and Munich", &["| | Berlin | Munich |", "does not know how the two differ"], 900),
        ("plan a trip to Kyoto", &["## 3 days in Kyoto", "Fushimi Inari"], 1_200),
        ("explain SSE to a child", &["Imagine"], 600),
        ("日本の文化について教えてください", &["## 日本の文化\n"], 1_200),
        ("🎉", &["no word in it"], 200),
        ("give me JSON with name and age", &["```json", "\"name\": \"", "\"age\": 34"], 100),
        ("count from 1 to 12", &["1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12"], 40),
        ("translate 'good morning' to French", &["**Bonjour**"], 100),
        ("write an email about a day off", &["**Subject:** A day off"], 600),
        ("why?", &["about what?"], 200),
    ] {
        let answer = said(&[asked.into()]);
        assert!(answer.len() <= longest, "{asked}: {} bytes: {answer}", answer.len());
        for part in parts {
            assert!(answer.contains(part), "{asked}: no {part:?} in: {answer}");
        }
    }
    let bees = said(&["write exactly 5 bullet points about bees".into()]);
    assert_eq!(bees.lines().filter(|line| line.starts_with("- ")).count(), 5, "{bees}");
    assert!(bees.starts_with("- **Pollination**"), "{bees}");
    assert_eq!(said(&["what is 12*37".into(), "and divided by 4?".into()]), "444 ÷ 4 = **111**");
}

#[test]
fn the_question_in_other_places_has_no_tags_either() {
    let request =
        serde_json::json!({"messages": [{"role": "user", "content": piped("2+2?", "answer this")}]});
    let turns = Request::new(&request).turns();
    assert_eq!(last_question(&turns), "2+2?");
    assert!(last_words(&turns).contains("<stdin>"), "tools may need every word");
}
