//! Texts that are hard on parsers of markdown, each of about a given length.
#![allow(dead_code, missing_docs, unreachable_pub)]

fn repeat(part: &str, bytes: usize) -> String {
    part.repeat(bytes / part.len() + 1)
}

/// Names and texts.
pub fn texts(bytes: usize) -> Vec<(&'static str, String)> {
    let numbered = |part: &dyn Fn(usize) -> String| {
        let mut text = String::new();
        let mut number = 0;
        while text.len() < bytes {
            text.push_str(&part(number));
            number += 1;
        }
        text
    };
    vec![
        ("one fence", format!("```rust\n{}", repeat("let x = 1; // and so on\n", bytes))),
        ("one fence of one line", format!("```\n{}", repeat("abc ", bytes))),
        ("one list", repeat("- item of a list\n", bytes)),
        ("one loose list", repeat("- item of a list\n\n", bytes)),
        ("one numbered list", numbered(&|number| format!("{}. item\n", number + 1))),
        ("one item", format!("- a\n{}", repeat("\n  paragraph\n", bytes))),
        ("a fence in an item", format!("- a\n\n  ```\n{}", repeat("  line\n", bytes))),
        ("lists in lists", numbered(&|number| format!("{}- a\n", "  ".repeat(number % 40)))),
        ("a deep list", format!("{}a\n", repeat("- ", bytes))),
        ("one paragraph", repeat("a line of a paragraph\n", bytes)),
        ("one paragraph of one line", repeat("word ", bytes)),
        ("one table", format!("| a | b |\n|---|---|\n{}", repeat("| 1 | 2 |\n", bytes))),
        ("a wide table", {
            let wide = bytes / 8;
            format!("{}|\n{}|\n{}", "|a".repeat(wide), "|-".repeat(wide), repeat("|b\n", bytes / 2))
        }),
        ("one quote", repeat("> line of a quote\n>\n", bytes)),
        ("deep quotes", format!("{}a\n", repeat("> ", bytes))),
        ("quotes that deepen", numbered(&|number| format!("{}a\n", ">".repeat(number % 100)))),
        ("opening brackets", repeat("[", bytes)),
        ("brackets and closing ones", format!("{}{}", repeat("[", bytes / 2), repeat("]", bytes / 2))),
        ("links that are none", repeat("[a](", bytes)),
        ("images that are none", repeat("![a](b ", bytes)),
        ("stars", repeat("*", bytes)),
        ("stars and letters", repeat("*a ", bytes)),
        ("strong that never closes", repeat("**a ", bytes)),
        ("stars and underscores", repeat("*a_ ", bytes)),
        ("backticks that grow", numbered(&|number| format!("e{}", "`".repeat(number % 300 + 1)))),
        ("comments that never end", repeat("<!-- a ", bytes)),
        ("a block of HTML", format!("<div>\n{}", repeat("<p>line\n", bytes))),
        ("instructions that never end", repeat("<? ", bytes)),
        ("definitions", numbered(&|number| format!("[a{number}]: /url\n"))),
        ("definitions, parted", numbered(&|number| format!("[a{number}]: /url\n\n"))),
        ("references, then definitions", {
            let half = bytes / 24;
            let mut text: String = (0..half).map(|number| format!("[a{number}]\n\n")).collect();
            text.extend((0..half).map(|number| format!("[a{number}]: /u\n\n")));
            text
        }),
        ("references in one paragraph, then definitions", {
            let half = bytes / 24;
            let mut text: String = (0..half).map(|number| format!("[a{number}] ")).collect();
            text.push_str("\n\n");
            text.extend((0..half).map(|number| format!("[a{number}]: /u\n\n")));
            text
        }),
        ("footnotes", numbered(&|number| format!("a[^{number}]\n\n[^{number}]: b\n\n"))),
        ("one footnote", format!("[^1]: a\n{}", repeat("\n    paragraph\n", bytes))),
        ("blank lines", repeat("\n", bytes)),
        ("blanks", repeat(" ", bytes)),
        ("dollars", repeat("$a ", bytes)),
        ("braces in TeX", format!("${}", repeat("{a", bytes))),
        ("addresses", repeat("http://", bytes)),
        ("addresses in stars", repeat("*http://-", bytes)),
        ("entities", repeat("&amp", bytes)),
        ("backslashes", repeat("\\", bytes)),
        ("indented code", repeat("    line of code\n", bytes)),
        ("carriage returns", repeat("a\r", bytes)),
        ("underlines", repeat("a\n---\n", bytes)),
        ("pipes", repeat("|", bytes)),
        ("tildes", repeat("~~a ", bytes)),
        ("tags", repeat("<a ", bytes)),
        ("parentheses", format!("[a]({}", repeat("(", bytes))),
    ]
}
