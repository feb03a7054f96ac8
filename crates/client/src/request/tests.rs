use perennial_protocol::Raw;
use serde_json::json;

use super::*;

#[test]
fn placeholder() {
    let request = MessageRequest::new("m", 1).user("Hi");
    assert_eq!(
        serde_json::to_value(&request).unwrap(),
        json!({"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "Hi"}]})
    );
    let _ = Raw::default();
}
