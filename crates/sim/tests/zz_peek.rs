use perennial_sim::mind::{Manners, Mind};
use perennial_sim::answer::Block;
#[test]
fn peek() {
    let mind = Mind::new(7);
    for q in std::fs::read_to_string("/tmp/simB/q.txt").unwrap().lines() {
        let r = serde_json::json!({"model":"claude-sonnet-4-5","max_tokens":64000,"messages":[{"role":"user","content":q}]});
        let a = mind.answer(&r, &Manners::default());
        println!("=== {q}  [{} tok]", a.usage.output_tokens);
        for b in &a.blocks { if let Block::Text{text,..} = b { println!("{}", text.chars().take(2500).collect::<String>()); } else { println!("{b:?}"); } }
    }
}
