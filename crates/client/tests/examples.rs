//! Every example runs, against the simulator, and prints what it is there to show.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::path::{Path, PathBuf};
use std::process::{Command as Blocking, Output, Stdio};
use std::time::Duration;

use futures_util::future::join_all;
use perennial_sim::{Pace, Simulator};
use tokio::process::Command;
use tokio::time::timeout;

/// What each example's output has, in this order.
const EXAMPLES: &[(&str, &[&str])] = &[
    (
        "agent",
        &["--- turn 1", "[get_weather {", "[get_weather gave", "--- turn 2", "Sunny in Oslo", "--- Answered"],
    ),
    (
        "all_events",
        &[
            "message started: claude-opus-5-5",
            "block 0 started: thinking",
            "block 0 signature",
            "block 1 text: ",
            "block 1 finished: text",
            "message updated: Some(EndTurn)",
            "message finished: complete (end_turn)",
        ],
    ),
    (
        "attach",
        &["started strm_", "first reader: \"1, 2", "second reader: ", "19, 20", "whole: ", "completed"],
    ),
    ("batches", &["has 2 requests", "sum: 2 + 2 = **4**"]),
    ("cancel", &["...\n[truncated"]),
    ("count_tokens", &["input tokens", "claude-sonnet-5-5 (Claude Sonnet 5.5)"]),
    ("custom_transport", &["Hello from a file."]),
    (
        "deadlines",
        &[
            "the first-byte deadline passed",
            "the silence deadline",
            "the progress deadline",
            "the total deadline",
        ],
    ),
    ("documents", &["The sky is blue.", "from the text: \"The sky is blue.\""]),
    (
        "errors_and_retries",
        &[
            "status=529",
            "again, since the service answered 529",
            "complete (end_turn) at attempt 3",
            "status=429",
            "complete (end_turn) at attempt 2",
            "status=400",
            "-> mend the request",
            "overloaded_error",
            "-> later, perhaps; `1, 2",
        ],
    ),
    ("fan_out", &["reader 1: ", "reader 2: ", "reader 3: "]),
    ("long_answers", &[" words, Some(EndTurn)"]),
    ("lost_connection", &["kept: \"1, 2", "went on: ", "19, 20"]),
    ("multi_turn", &["> What is my name?", "Ada", "4 messages in the history"]),
    ("partial_tool_input", &["so far: {\"city\":\"", "whole: Oslo: "]),
    ("prompt_caching", &["read from it: 0,", "written to the cache: 0,"]),
    (
        "stop_reasons",
        &[
            "end_turn: whole",
            "max_tokens: cut",
            "stopped at Some(\"7\")",
            "refusal: declined",
            "pause_turn: paused",
        ],
    ),
    ("stream_text", &["blue"]),
    ("structured_output", &[" minutes, ", " ingredients"]),
    ("thinking", &["[thinking] ", "[answer] ", "[thinking] ", "[answer] "]),
    ("usage", &["output tokens (not final)", "output tokens\n", "request req_"]),
];

/// Where the examples are built: beside the folder that this test was built into.
fn built(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("examples").join(name)
}

/// Builds the examples where `cargo test --test examples` has not: it builds this test only.
fn build() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let changed = |path: &Path| path.metadata().and_then(|meta| meta.modified()).ok();
    let is_old = |name: &str| changed(&built(name)) < changed(&sources.join(format!("{name}.rs")));
    if !EXAMPLES.iter().any(|(name, _)| is_old(name)) {
        return;
    }
    let folder = built("").parent().and_then(Path::parent).unwrap().to_owned();
    let mut cargo = Blocking::new(env!("CARGO"));
    cargo.args(["build", "-p", "perennial", "--examples", "--target-dir"]).arg(folder);
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    assert!(
        cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status().unwrap().success(),
        "the examples do not build"
    );
}

/// Runs an example, with the simulator at `url` or without any service.
async fn run(name: &str, url: Option<&str>) -> Output {
    let mut command = Command::new(built(name));
    command.env_clear().stdin(Stdio::null()).kill_on_drop(true);
    if let Some(url) = url {
        command.env("ANTHROPIC_BASE_URL", url).env("ANTHROPIC_API_KEY", "sk-ant-test");
    }
    timeout(Duration::from_secs(60), command.output())
        .await
        .unwrap_or_else(|_| panic!("{name} hangs"))
        .unwrap()
}

/// What is wrong with an example's output.
fn check(name: &str, parts: &[&str], output: &Output) -> Result<(), String> {
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let shown = format!("{name}\n--- stdout\n{stdout}\n--- stderr\n{stderr}");
    if !output.status.success() {
        return Err(format!("{} from {shown}", output.status));
    }
    let mut rest = &*stdout;
    for part in parts {
        let (_, after) =
            rest.split_once(part).ok_or_else(|| format!("no {part:?} (in its turn) from {shown}"))?;
        rest = after;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_example_prints_what_it_shows() {
    tokio::task::spawn_blocking(build).await.unwrap();
    let simulator = Simulator::builder().seed(7).pace(Pace::instant()).spawn().await.unwrap();
    let url = simulator.url();
    let checked =
        join_all(EXAMPLES.iter().map(async |(name, parts)| check(name, parts, &run(name, Some(&url)).await)));
    let wrong: Vec<String> = checked.await.into_iter().filter_map(Result::err).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

#[tokio::test]
async fn an_example_without_a_service_runs_on_its_own_simulator_and_says_so() {
    tokio::task::spawn_blocking(build).await.unwrap();
    let output = run("multi_turn", None).await;
    check("multi_turn", &["Ada"], &output).unwrap();
    assert!(String::from_utf8_lossy(&output.stderr).contains("the simulator answers"));
}

#[test]
fn every_example_is_checked_here() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|file| Some(file.unwrap().file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        // A benchmark's program, with arguments and a test of its own.
        .filter(|name| name != "consume")
        .collect();
    names.sort();
    assert_eq!(names, EXAMPLES.iter().map(|(name, _)| *name).collect::<Vec<_>>());
}
