//! The recorded answers hold no loop: what people asked real models for raises no false alarm.

mod support;

use perennial_protocol::{ContentBlock, Repetition};
use support::{fixtures, fold, streams};

#[test]
fn no_recorded_answer_is_taken_for_a_loop() {
    let Some(root) = fixtures() else { return };
    let mut bytes = 0;
    for stream in streams(&root.join("recorded")) {
        for block in fold(&stream.bytes).message().content {
            let text = match block {
                ContentBlock::Text(block) => block.text,
                ContentBlock::Thinking(block) => block.thinking,
                _ => continue,
            };
            bytes += text.len();
            assert_eq!(Repetition::default().push(&text), None, "{}", stream.name);
        }
    }
    assert!(bytes > 1_000, "{bytes} bytes of text were looked at");
}
