//! `perennial keys` and `perennial usage`.

use std::path::Path;

use perennial_ledger::{Ledger, Outcome, Row};
use serde_json::Value;

use crate::rig::{Ran, Service, perennial, run};
use crate::services::{STREAM, request};

/// A folder for data of one test.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn run(&self, arguments: &[&str]) -> Ran {
        let mut all = arguments.to_vec();
        let data = self.path().join("data");
        all.extend(["--data", data.to_str().unwrap()]);
        run(&all)
    }

    /// Puts rows into the ledger that the commands read.
    fn record(&self, rows: Vec<Row>) {
        let url = format!("sqlite:{}", self.path().join("data/ledger.db").display());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let ledger = Ledger::open(&url).await.unwrap();
            for row in rows {
                ledger.record(row);
            }
            ledger.close().await.unwrap();
        });
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn row(stream: &str, model: &str, key: Option<&str>, ended: &str, usage: &str) -> Row {
    let mut row = Row::new(stream, 1, model, "claude");
    row.outcome = Outcome::Completed;
    row.key = key.map(str::to_owned);
    row.ended = ended.parse().unwrap();
    row.measured(&serde_json::from_str(usage).unwrap());
    row
}

#[test]
fn a_key_is_made_listed_rotated_and_revoked() {
    let place = Place::new();
    let made = place.run(&[
        "keys",
        "create",
        "search",
        "--owner",
        "team a",
        "--usd-per-day",
        "2.50",
        "--model",
        "claude-haiku-*,m",
    ]);
    assert_eq!(made.code, 0, "{}", made.err);
    assert!(
        made.out.starts_with("pk-perennial-") && made.out.lines().count() == 1,
        "the secret and nothing else"
    );
    assert!(made.err.contains("shown this once"), "{}", made.err);
    let listed = place.run(&["keys", "list", "--json"]);
    let [key] = &lines(&listed.out)[..] else { panic!("{}", listed.out) };
    let id = key["id"].as_str().unwrap();
    assert_eq!(
        (&key["name"], &key["owner"], &key["state"]),
        (&"search".into(), &"team a".into(), &"usable".into())
    );
    assert_eq!(key["rules"], serde_json::json!({"usd_per_day": "2.50", "models": ["claude-haiku-*", "m"]}));
    assert!(!listed.out.contains(made.out.trim()), "a secret is shown once");
    let people = place.run(&["keys", "list"]).out;
    assert!(people.contains("search") && people.contains("$2.50/day") && people.contains(id), "{people}");
    let rotated = place.run(&["keys", "rotate", "search", "--overlap", "0s", "--json"]);
    let rotated = &lines(&rotated.out)[0];
    assert_eq!(rotated["id"], id);
    assert_ne!(rotated["secret"], made.out.trim());
    let revoked = place.run(&["keys", "revoke", id]);
    assert_eq!((revoked.code, revoked.out.as_str()), (0, ""));
    let after = place.run(&["keys", "list"]);
    assert!(!after.out.contains(id) && after.err.contains("--all"), "{} {}", after.out, after.err);
    assert!(place.run(&["keys", "list", "--all"]).out.contains("revoked"));
}

#[test]
fn what_makes_no_sense_is_refused_with_a_reason() {
    let place = Place::new();
    for (arguments, code, word) in [
        (&["keys", "revoke", "nobody"][..], 1, "no key `nobody`"),
        (&["keys", "create", " "], 2, "needs a name"),
        (&["keys", "create", "a", "--usd-per-day=-1"], 2, "usd_per_day"),
        (&["keys", "create", "a", "--expires", "2020-01-01"], 2, "expire"),
        (&["keys", "create", "a", "--expires", "soon"], 2, "such as 7d"),
        (&["keys", "create", "a", "--max-streams", "0"], 2, "max_streams"),
        (&["keys", "create", "a", "--on-disconnect", "keep"], 2, "grace=SECONDS"),
        (&["usage", "--by", "colour"], 2, "key, model, day"),
        (&["usage", "--json", "--csv"], 2, "cannot be used"),
        (&["usage", "--ledger", "mysql://h"], 3, "sqlite:FILE"),
    ] {
        let ran = place.run(arguments);
        assert!(
            ran.code == code && ran.err.contains(word) && ran.out.is_empty(),
            "{arguments:?}: {} {}",
            ran.code,
            ran.err
        );
    }
    // The password of an address is in no error.
    let ran = place.run(&["usage", "--ledger", "postgres://user:hush@127.0.0.1:1/none"]);
    assert!(ran.code == 3 && !ran.err.contains("hush"), "{}", ran.err);
    for twice in ["one", "two"] {
        assert_eq!(place.run(&["keys", "create", "same", "--owner", twice]).code, 0);
    }
    assert!(place.run(&["keys", "revoke", "same"]).err.contains("give the id"));
}

#[test]
fn usage_is_summed_up_for_people_and_programs() {
    let place = Place::new();
    let empty = place.run(&["usage"]);
    assert_eq!((empty.code, empty.out.as_str()), (0, ""));
    assert!(empty.err.contains("nothing was used"));
    place.run(&["keys", "create", "search"]);
    let id = lines(&place.run(&["keys", "list", "--json"]).out)[0]["id"].as_str().unwrap().to_owned();
    let mut estimated =
        row("strm_3", "claude-sonnet-5-5", None, "2026-11-02T10:00:00Z", r#"{"input_tokens":0}"#);
    estimated.estimated(&serde_json::from_str(r#"{"output_tokens":100}"#).unwrap());
    place.record(vec![
        row("strm_1", "claude-sonnet-5-5", Some(&id), "2026-11-01T10:00:00Z", r#"{"output_tokens":100000}"#),
        row("strm_2", "odd, \"model\"", None, "2026-11-02T10:00:00Z", r#"{"input_tokens":5}"#),
        estimated,
    ]);
    let all = ["--since", "2026-11-01"];
    let usage = |more: &[&str]| place.run(&[&["usage"], &all[..], more].concat()).out;
    let people = usage(&[]);
    assert!(people.starts_with("MODEL ") && people.contains("$1 + ~$0.001 estimated\n"), "{people}");
    assert!(
        people.contains("$0 + 1 unknown") && people.contains("$1 + ~$0.001 estimated + 1 unknown"),
        "{people}"
    );
    assert!(usage(&["--by", "key"]).contains(&format!("search {id}")));
    let days = lines(&usage(&["--by", "day", "--json"]));
    assert_eq!((&days[0]["name"], &days[0]["cost_measured"]), (&"2026-11-01".into(), &"1".into()));
    assert_eq!((&days[1]["attempts"], &days[1]["unknown"]), (&2.into(), &1.into()));
    assert_eq!(
        usage(&["--csv", "--until", "2026-11-02T23:00:00Z"]).lines().collect::<Vec<_>>()[1..],
        [
            "claude-sonnet-5-5,2,0,0,0,0,100100,0,0,0,1,0.001,1,0",
            "\"odd, \"\"model\"\"\",1,5,0,0,0,0,0,0,0,0,0,0,1",
        ]
    );
    assert_eq!(lines(&usage(&["--key", &id, "--json"])).len(), 1);
    assert_eq!(usage(&["--until", "2026-11-01"]), "");
}

#[cfg(unix)]
#[test]
fn the_ledger_is_readable_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt as _;
    let place = Place::new();
    place.run(&["usage"]);
    let mode = |path: &str| std::fs::metadata(place.path().join(path)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("data"), mode("data/ledger.db")), (0o700, 0o600));
}

#[test]
fn a_gateway_takes_the_keys_that_the_command_made_and_no_others() {
    let place = Place::new();
    let secret = place.run(&["keys", "create", "search", "--model", "claude-opus-*"]).out;
    let data = place.path().join("data");
    let arguments =
        ["serve", "--listen", "127.0.0.1:0", "--pace", "instant", "--durability", "process", "--data"];
    let service = Service::start(perennial(&arguments).arg(&data));
    let ask = |key: &str| {
        let head = format!("POST /v1/messages HTTP/1.1\r\nx-api-key: {key}\r\nx-rest:");
        let answer = request(&service.url, &head, STREAM);
        answer.split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(ask(secret.trim()), "200");
    assert_eq!(ask("pk-perennial-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), "401");
    assert_eq!(ask("anything"), "401");
    // Another process takes it back; the gateway knows after a moment.
    assert_eq!(place.run(&["keys", "revoke", "search"]).code, 0);
    let patience = std::time::Duration::from_secs(120);
    let began = tokio::time::Instant::now();
    while ask(secret.trim()) != "401" {
        assert!(began.elapsed() < patience, "the key was revoked");
        std::thread::yield_now();
    }
    service.signal("TERM");
    assert_eq!(service.end().0, 0);
}

#[test]
fn prices_of_ones_own_are_read_or_refused() {
    let place = Place::new();
    let prices = place.path().join("prices.toml");
    std::fs::write(&prices, "[[model]]\nnames = [\"m\"]\ninput = 3\n").unwrap();
    let ran: Ran =
        perennial(&["serve", "--listen", "127.0.0.1:0", "--prices"]).arg(&prices).output().unwrap().into();
    assert!(ran.code == 3 && ran.err.contains("prices.toml") && ran.out.is_empty(), "{}", ran.err);
}
