//! What happened to a stream, when: told from the log, without a word of what was asked or answered.

use serde_json::Value;

use crate::rig::{MODEL, question, receive};

#[tokio::test]
async fn the_timeline_tells_what_was_tried_and_nothing_of_the_answer() {
    let rig = crate::retry::rig().await;
    let mut body = question(MODEL, true);
    body["max_tokens"] = 4_000.into();
    // Refused once, then broken in mid-sentence, then well.
    let orders = "status=529,times=1; rst@event=25,times=2";
    let request =
        rig.post(&rig.gateway.url(), body.to_string(), orders).header("perennial-sim-key", "timeline");
    let answer = receive(request).await;
    let stream = answer.header("perennial-stream");
    let told = receive(rig.http.get(format!("{}/v1/streams/{stream}/timeline", rig.gateway.url()))).await;
    assert_eq!(told.status, 200, "{}", told.text());
    let timeline = told.json();
    let entries = timeline["entries"].as_array().unwrap();
    let of = |what: &str| entries.iter().filter(|entry| entry["what"] == what).collect::<Vec<&Value>>();

    let attempts: Vec<_> = of("attempt_failed")
        .iter()
        .map(|entry| (&entry["attempt"], &entry["failure"], &entry["next"]))
        .collect();
    let expected = [(1, "overloaded_error", "retry"), (2, "cut", "continue")];
    assert_eq!(attempts.len(), 2, "{entries:#?}");
    for ((attempt, failure, next), expected) in attempts.into_iter().zip(expected) {
        assert_eq!(
            (attempt.as_u64(), failure.as_str(), next.as_str()),
            (Some(expected.0), Some(expected.1), Some(expected.2))
        );
    }
    // Each is found again in the upstream's own log.
    let asked: Vec<String> =
        rig.sim.journal().entries().iter().map(|entry| entry.request_id.clone()).collect();
    for entry in of("attempt_failed").iter().chain(&of("attempt_answered")) {
        assert_eq!(entry["upstream"], "main");
        assert!(asked.iter().any(|id| entry["request_id"] == **id), "{entry}");
    }
    let [seam] = of("seam")[..] else { panic!("{entries:#?}") };
    assert_eq!((&seam["mode"], &seam["attempt"]), (&"quote".into(), &3.into()));
    let cut = usize::try_from(seam["cut"].as_u64().unwrap()).unwrap();
    assert!(cut > 0 && cut < answer.transcript().text().len());
    assert_eq!(entries.last().unwrap()["outcome"], "completed");
    let times: Vec<f64> = entries.iter().map(|entry| entry["at_ms"].as_f64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    let figures = &timeline["figures"];
    assert_eq!(figures["attempts"], 3);
    assert!(figures["withheld"].as_u64().unwrap() > 0 && figures["first_content_ms"].is_f64());
    for words in ["two hundred words on the sea", "A simulator knows nothing"] {
        assert!(!told.text().contains(words), "{words}");
    }
}
