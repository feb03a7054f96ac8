//! What only a file has: several processes, a process that is killed, modes.
//!
//! A child is this test program again, told by the environment what to do.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use perennial_history::{Content, History, Holder, NewConversation, NewTurn, Query, State};
use sqlx::Connection as _;

use crate::suite::completed;

const CHILD: &str = "PERENNIAL_TEST_CHILD";
const FILE: &str = "PERENNIAL_TEST_FILE";

fn child(what: &str, file: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["file::a_child", "--exact", "--nocapture"])
        .env(CHILD, what)
        .env(FILE, file)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

/// What a child does; nothing in the test program itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_child() {
    let (Ok(what), Ok(file)) = (std::env::var(CHILD), std::env::var(FILE)) else { return };
    let history = History::open_file(file).await.unwrap();
    let of = history.of("local");
    let id = of.create(&NewConversation::with_model(what.clone())).await.unwrap().id;
    if what == "killed" {
        let turn = of.append(&id, None, &[NewTurn::assistant("m")]).await.unwrap().remove(0);
        println!("\nturn {}", turn.id);
        for number in 1_u64.. {
            of.update(&turn.id, &Content::text(&number.to_string())).await.unwrap();
            println!("\nwritten {number}");
        }
    }
    for number in 0..20 {
        let turn = of.append(&id, None, &[NewTurn::assistant("m")]).await.unwrap().remove(0);
        of.update(&turn.id, &Content::text("part")).await.unwrap();
        of.end(&turn.id, &completed(&number.to_string())).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_processes_make_and_use_one_file_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.db");
    let children: Vec<_> = (0..4).map(|number| child(&format!("writer {number}"), &file)).collect();
    for child in children {
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stdout));
    }
    let history = History::open_file(&file).await.unwrap();
    let of = history.of("local");
    let made = of.list(&Query::default()).await.unwrap().data;
    assert_eq!(made.len(), 4);
    for conversation in made {
        let turns = of.turns(&conversation.id).await.unwrap();
        let texts: Vec<_> = turns.iter().map(|turn| turn.content.visible_text()).collect();
        assert_eq!(texts, (0..20).map(|number: u64| number.to_string()).collect::<Vec<_>>());
        assert_eq!(conversation.version, 61);
    }
    assert_eq!(of.search("19", &Query::default()).await.unwrap().data.len(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_is_killed_loses_its_last_update_at_most() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.db");
    for _ in 0..5 {
        let mut child = child("killed", &file);
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let turn = lines.find_map(|line| line.strip_prefix("turn ").map(str::to_owned)).unwrap();
        let last = random.u64(1..40);
        let written = |line: String| line.strip_prefix("written ")?.parse::<u64>().ok();
        lines.by_ref().filter_map(written).find(|number| *number == last).unwrap();

        // While it lives, its turn is its own.
        let history = History::open_file(&file).await.unwrap();
        let of = history.of("local");
        let running = history.running().await.unwrap();
        assert_eq!((running.len(), running[0].holder), (1, Holder::Other));
        assert_eq!(of.settle_lost().await.unwrap(), []);

        // Child::kill is SIGKILL.
        child.kill().unwrap();
        let last = lines.filter_map(written).last().unwrap_or(last);
        child.wait().unwrap();
        let running = history.running().await.unwrap();
        assert_eq!((running[0].turn.id.as_str(), running[0].holder), (turn.as_str(), Holder::Gone));
        let settled = of.settle_lost().await.unwrap();
        assert_eq!((settled.len(), settled[0].state), (1, State::Interrupted));
        let kept: u64 = settled[0].content.visible_text().parse().unwrap();
        // One may have been written and not yet told.
        assert!(kept == last || kept == last + 1, "{kept} is kept, {last} was written");
        assert_eq!(history.running().await.unwrap(), []);
        history.close().await;
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_file_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("data/perennial");
    let history = History::open_file(inside.join("history.db")).await.unwrap();
    let of = history.of("local");
    let id = of.create(&NewConversation::default()).await.unwrap().id;
    of.append(&id, None, &[NewTurn::assistant("m")]).await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&inside), 0o700);
    let mut seen = 0;
    for entry in std::fs::read_dir(&inside).unwrap() {
        let entry = entry.unwrap();
        let expected = if entry.file_type().unwrap().is_dir() { 0o700 } else { 0o600 };
        assert_eq!(mode(&entry.path()), expected, "{:?}", entry.path());
        seen += 1;
    }
    // The database, its log, its index, the folder of writers.
    assert_eq!(seen, 4);
}

#[tokio::test]
async fn a_later_version_is_told_from_damage() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("history.db");
    std::fs::write(&file, "this is no database, however long it may be read").unwrap();
    let error = History::open_file(&file).await.unwrap_err();
    assert!(error.is_database() && !error.is_busy(), "{error}");
    assert!(error.to_string().contains("history.db cannot be opened: file is not a database"), "{error}");

    let file = folder.path().join("later.db");
    History::open_file(&file).await.unwrap().close().await;
    let mut later = sqlx::SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    let step = "INSERT INTO perennial_history_migrations SELECT 99, 'later', installed_on, true, checksum, 0 \
        FROM perennial_history_migrations WHERE version = 1";
    sqlx::query(step).execute(&mut later).await.unwrap();
    later.close().await.unwrap();
    let error = History::open_file(&file).await.unwrap_err();
    assert!(error.is_invalid() && error.to_string().contains("later version"), "{error}");
    for wrong in ["", "sqlite:", "mysql://a/b"] {
        assert!(History::open(wrong).await.unwrap_err().is_invalid(), "{wrong}");
    }
}
