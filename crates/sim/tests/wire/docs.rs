//! The page about the simulator is in step with the code.

use perennial_sim::{Expect, Fault, PaceChange, mind::Manners};

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

fn row(word: &str, takes: &str, about: &str, sign: &str) -> String {
    let takes = match takes.strip_prefix('[') {
        _ if takes.is_empty() => String::new(),
        Some(rest) if !sign.is_empty() => format!("[{sign}{rest}"),
        _ => format!("{sign}{takes}"),
    };
    format!("| `{}` | {} |\n", cell(&format!("{word}{takes}")), cell(about))
}

#[test]
fn every_word_and_every_fault_has_its_row() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/simulator.md");
    let Ok(page) = std::fs::read_to_string(page) else {
        eprintln!("skipped: the page about the simulator is not here");
        return;
    };
    let head = "| word | what it does |\n| --- | --- |\n".to_owned();
    let table = |words: &[(&str, &str, &str)], sign: &str| -> String {
        words
            .iter()
            .map(|(word, takes, about)| row(word, takes, about, sign))
            .fold(head.clone(), |all, row| all + &row)
    };
    let mut catalogue =
        "| name | orders | what happens | a right client |\n| --- | --- | --- | --- |\n".to_owned();
    for named in Fault::catalogue() {
        let expect = match named.expect {
            Expect::Whole => "whole",
            Expect::Retried => "retried",
            Expect::Refused => "refused",
            Expect::Cut => "cut",
            Expect::Overdue => "overdue",
        };
        let (words, about) = (cell(named.words), cell(named.about));
        catalogue.push_str(&format!("| `{}` | `{words}` | {about} | {expect} |\n", named.name));
    }
    let tables =
        [table(Fault::WORDS, ""), table(PaceChange::WORDS, "="), table(Manners::WORDS, "="), catalogue];
    for table in tables {
        assert!(page.contains(&table), "docs/simulator.md should have this table:\n{table}");
    }
}
