//! `perennial record`, `ask --tee-sse` and `perennial replay`.

use std::io::Write as _;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use tokio::time::Instant;

use crate::rig::{Ran, Service, fixtures, perennial, run, run_with_input};
use crate::services::{STREAM, request};

const STREAM_TEXT: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"one two three four five six seven eight nine ten \"}}\n\n";

fn sim(arguments: &[&str]) -> Ran {
    Ran::from(perennial(arguments).output().unwrap())
}

/// The recording without the times.
fn plain(recording: &str) -> String {
    recording.split_inclusive('\n').filter(|line| !line.starts_with(": t=")).collect()
}

fn times(recording: &str) -> Vec<f64> {
    recording.lines().filter_map(|line| line.strip_prefix(": t=")).map(|time| time.parse().unwrap()).collect()
}

/// A whole message with these pieces of text.
fn message(pieces: &[&str]) -> String {
    let mut stream = "event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"m\",\"content\":[],\"stop_reason\":null,\"usage\":{\"input_tokens\":1,\"output_tokens\":1}}}\n\nevent: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n".to_owned();
    pieces.iter().for_each(|piece| stream.push_str(piece));
    stream
        + "event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"end_turn\"},\"usage\":{\"output_tokens\":2}}\n\nevent: message_stop\ndata: {\"type\":\"message_stop\"}\n\n"
}

#[test]
fn a_question_is_recorded_and_every_reader_takes_the_recording() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.sse");
    let path = file.to_str().unwrap();
    let pace = ["--sim", "--pace", "ttft=100ms,tps=100,jitter=0"];
    let asked = sim(&[&["record", path, "--", "hello"][..], &pace].concat());
    assert_eq!(asked.code, 0, "{}", asked.err);
    let recording = std::fs::read_to_string(&file).unwrap();
    let recorded = times(&recording);
    assert!(recorded.len() > 5 && recorded.is_sorted() && recorded[0] > 0.05, "{recorded:?}");
    assert_eq!(run(&["decode", "--text", path]).out, asked.out);
    assert_eq!((run(&["decode", "--lint", path]).code, &*run(&["decode", "--lint", path]).out), (0, ""));

    // The simulator gives it out, times and all, and the same comes back.
    let folder = folder.path().to_str().unwrap();
    let service = Service::start(&mut perennial(&[
        "sim",
        "--listen",
        "127.0.0.1:0",
        "--pace",
        "instant",
        "--replay",
        folder,
    ]));
    let question = STREAM.replace("claude-opus-4-6", "replay:one");
    let answer = request(&service.url, "POST /v1/messages HTTP/1.1\r\nx-api-key: k\r\nx-rest:", &question);
    assert!(plain(&answer).contains("event: message_stop"), "{answer}");
    assert_eq!(times(&answer), recorded);

    // The flag of `ask` makes the same.
    let teed = file.with_file_name("two.sse");
    let asked = sim(&[&["ask", "--tee-sse", teed.to_str().unwrap(), "hello"][..], &pace].concat());
    assert_eq!(asked.code, 0, "{}", asked.err);
    assert_eq!(run(&["decode", "--text", teed.to_str().unwrap()]).out, asked.out);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        assert_eq!(std::fs::metadata(&teed).unwrap().permissions().mode() & 0o777, 0o600);
    }
}

#[test]
fn standard_input_is_recorded_as_it_comes() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.sse");
    let stream = message(&[STREAM_TEXT, STREAM_TEXT]);
    let mut child = perennial(&["record", file.to_str().unwrap()]).stdin(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    let (first, second) = stream.split_at(stream.len() / 2);
    input.write_all(first.as_bytes()).unwrap();
    // It is in the file before the rest comes, and the rest comes later.
    let began = Instant::now();
    while !std::fs::read_to_string(&file).is_ok_and(|there| plain(&there) == first) {
        assert!(began.elapsed() < Duration::from_secs(120));
        std::thread::yield_now();
    }
    let wrote = Instant::now();
    while wrote.elapsed() < Duration::from_millis(150) {
        std::thread::yield_now();
    }
    input.write_all(second.as_bytes()).unwrap();
    drop(input);
    let ran = Ran::from(child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.out), (0, stream.clone()));
    let recording = std::fs::read_to_string(&file).unwrap();
    assert_eq!(plain(&recording), stream);
    let times = times(&recording);
    assert!(times.last().unwrap() - times[0] > 0.14, "{times:?}");
}

#[test]
fn a_recording_takes_the_time_that_it_took() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.sse");
    let stream = message(&[STREAM_TEXT; 8]);
    // Twelve events in 2.4 seconds. (When each of them is due, and not later, is a unit test.)
    let mut recording = String::new();
    for (number, event) in stream.split_inclusive("\n\n").enumerate() {
        recording.push_str(&format!(": t={:.6}\n{event}", (number + 1) as f64 * 0.2));
    }
    std::fs::write(&file, &recording).unwrap();
    let path = file.to_str().unwrap();
    let last = *times(&recording).last().unwrap();
    let took = |arguments: &[&str]| {
        let began = Instant::now();
        let ran = run(&[&["replay", path][..], arguments].concat());
        assert_eq!((ran.code, &*ran.err), (0, ""), "{arguments:?}");
        (began.elapsed().as_secs_f64(), ran.out)
    };
    for (arguments, expected) in
        [(&[][..], last), (&["--speed", "4"], last / 4.0), (&["--speed", "inf"], 0.0)]
    {
        let (took, text) = took(arguments);
        println!("{arguments:?}: {took:.2} s of {expected:.2}");
        assert!(took > expected * 0.95, "{arguments:?}: {took} of {expected}");
        assert_eq!(text, format!("{}\n", "one two three four five six seven eight nine ten ".repeat(8)));
    }
    // By tokens: ten words and some blanks, eight times.
    let tokens = perennial_tokens::count("one two three four five six seven eight nine ten ") as f64 * 8.0;
    let (took, _) = took(&["--tps", "200"]);
    println!("{took:.2} s for {tokens} tokens");
    assert!(took > tokens / 200.0 * 0.95, "{took} for {tokens} tokens");
}

#[test]
fn a_plain_capture_is_paced_evenly_and_every_form_is_there() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("plain.sse");
    let stream = message(&[STREAM_TEXT]);
    std::fs::write(&file, &stream).unwrap();
    let path = file.to_str().unwrap();
    assert_eq!(run(&["replay", path, "--speed", "inf", "--sse"]).out, stream);
    let events = run(&["replay", path, "--speed", "inf", "--events"]).out;
    assert_eq!(events, run(&["decode", "--events", path]).out);
    let began = Instant::now();
    assert_eq!(run(&["replay", path]).code, 0);
    assert!(began.elapsed() > Duration::from_millis(100));
    // A cut one ends as a cut answer does.
    std::fs::write(&file, &stream[..stream.len() / 2]).unwrap();
    let cut = run(&["replay", path, "--speed", "inf"]);
    assert_eq!(cut.code, 5, "{}", cut.err);
    for (content, said) in [(None, "cannot be read"), (Some("<html>\n\n"), "no event stream")] {
        match content {
            Some(content) => std::fs::write(&file, content).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let ran = run(&["replay", path]);
        assert_eq!((ran.code, &*ran.out), (2, ""));
        assert!(ran.err.contains(said), "{}", ran.err);
    }
    for wrong in ["0", "-1", "x", "nan"] {
        assert_eq!(run(&["replay", path, &format!("--speed={wrong}")]).code, 2, "{wrong}");
    }
}

#[test]
fn what_cannot_be_recorded_is_said() {
    let nowhere = Path::new("nowhere").join("at.sse");
    let ran = run_with_input(&["record", nowhere.to_str().unwrap()], b"data: 1\n\n");
    assert_eq!((ran.code, &*ran.out), (1, ""), "{}", ran.err);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("one.sse");
    let wrong = run(&["record", file.to_str().unwrap(), "--", "--nonsense"]);
    assert_eq!(wrong.code, 2);
    assert!(!file.exists(), "nothing is asked, so nothing is overwritten");
}

#[test]
fn recorded_streams_are_replayed_to_the_byte() {
    let Some(folder) = fixtures("recorded") else { return };
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        // What stands behind the end, such as a second answer, is no part of the first.
        let bytes = std::fs::read_to_string(&path).unwrap();
        if bytes.matches("event: message_start").count() != 1 || bytes.len() > 200_000 {
            continue;
        }
        let ran = run(&["replay", path.to_str().unwrap(), "--speed", "inf", "--sse"]);
        let has_end = ran.out.trim_end().ends_with("}") && ran.out.contains("message_stop");
        assert!(has_end && bytes.starts_with(ran.out.trim_end()), "{}", path.display());
        seen += 1;
    }
    assert!(seen > 0);
}
