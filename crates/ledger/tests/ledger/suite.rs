//! What a ledger promises, on any database.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use perennial_ledger::{
    Accuracy, Ask, By, Decimal, Ledger, NewKey, Options, Outcome, Row, Tokens, UsageQuery, UsageSum,
};

type Case = fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! cases {
    ($($name:ident),* $(,)?) => {
        const CASES: &[(&str, Case)] = &[$((stringify!($name), |url| Box::pin($name(url)))),*];
    };
}

cases!(
    rows_come_back_as_they_went_in,
    a_row_is_there_once,
    sums_are_exact_by_everything,
    rows_from_everywhere_at_once_are_all_there,
    what_was_spent_is_known_after_a_restart,
    processes_know_of_each_other,
    keys_are_made_found_rotated_and_revoked,
    a_secret_is_nowhere_in_the_database,
);

pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    CASES.iter().map(|(name, _)| *name)
}

/// Each case with a database of its own.
pub(crate) async fn run(url: impl Fn(&str) -> String) {
    for (name, case) in CASES {
        println!("{name}");
        case(url(name)).await;
    }
}

fn row(stream: &str, attempt: u32, model: &str, usage: &str) -> Row {
    let mut row = Row::new(stream, attempt, model, "claude");
    row.outcome = Outcome::Completed;
    row.measured(&serde_json::from_str(usage).unwrap());
    row
}

/// A dollar: 100,000 output tokens at 10 dollars for a million.
const DOLLAR: &str = r#"{"output_tokens":100000}"#;
const MODEL: &str = "claude-sonnet-5-5";

async fn open(url: &str) -> Ledger {
    let mut options = Options::default();
    options.refresh = Duration::from_millis(20);
    Ledger::open_with(url, options).await.unwrap()
}

async fn rows_come_back_as_they_went_in(url: String) {
    let ledger = open(&url).await;
    let mut full = row(
        "strm_1",
        1,
        "claude-opus-5-5",
        r#"{"input_tokens":1,"output_tokens":5,"cache_creation_input_tokens":5,"cache_read_input_tokens":4,
            "cache_creation":{"ephemeral_5m_input_tokens":2,"ephemeral_1h_input_tokens":3},"service_tier":"standard",
            "server_tool_use":{"web_search_requests":1,"web_fetch_requests":2},"output_tokens_details":{"thinking_tokens":4}}"#,
    );
    full.key = Some("local".to_owned());
    full.started = "2026-11-20T10:00:00.000001Z".parse().unwrap();
    full.ended = "2026-11-20T10:00:09.5Z".parse().unwrap();
    full.request_id = Some("req_1".to_owned());
    full.stop_reason = Some("end_turn".to_owned());
    ledger.record(full.clone());
    let mut cut = Row::new("strm_1", 2, "claude-next", "other");
    cut.outcome = Outcome::Cut;
    cut.estimated(&serde_json::from_str(r#"{"input_tokens":7,"output_tokens":1}"#).unwrap());
    ledger.record(cut);
    ledger.record(Row::new("strm_1", 3, MODEL, "claude"));
    ledger.flush().await.unwrap();
    let rows = ledger.attempts("strm_1").await.unwrap();
    let [first, second, third] = &rows[..] else { panic!("{rows:?}") };
    assert_eq!(first.tokens(), full.tokens());
    assert_eq!((first.started, first.ended), (full.started, full.ended));
    assert_eq!(
        (&first.key, &first.request_id, &first.stop_reason),
        (&full.key, &full.request_id, &full.stop_reason)
    );
    assert_eq!((first.outcome, first.accuracy()), (Outcome::Completed, Accuracy::Measured));
    // 1 x 4 + 2 x 5 + 3 x 8 + 4 x 0.2 + 5 x 20 millionths, and one search.
    assert_eq!(first.cost().unwrap().to_string(), "0.0101388");
    assert_eq!(first.prices().unwrap().to_string(), "2026-09-01");
    assert_eq!((second.cost(), second.outcome, second.accuracy()), (None, Outcome::Cut, Accuracy::Estimated));
    assert_eq!((third.cost(), third.outcome), (Some(Decimal::ZERO), Outcome::Failed));
    assert!(ledger.attempts("strm_none").await.unwrap().is_empty());
    ledger.close().await.unwrap();
}

async fn a_row_is_there_once(url: String) {
    let ledger = open(&url).await;
    let (key, _) = ledger.create_key(&NewKey::named("twice")).await.unwrap();
    for output in [1000, 1000, 5] {
        let mut row = row("strm_1", 1, MODEL, &format!(r#"{{"output_tokens":{output}}}"#));
        row.key = Some(key.id.clone());
        ledger.record(row);
    }
    ledger.flush().await.unwrap();
    let mut again = row("strm_1", 1, MODEL, DOLLAR);
    again.key = Some(key.id.clone());
    ledger.record(again);
    ledger.flush().await.unwrap();
    let rows = ledger.attempts("strm_1").await.unwrap();
    assert_eq!((rows.len(), rows[0].tokens().output), (1, 1000), "the first counts");
    assert_eq!(ledger.spending(&key.id).day.to_string(), "0.01");
    ledger.close().await.unwrap();
    // What the next process reads is the same.
    let ledger = open(&url).await;
    assert_eq!(ledger.spending(&key.id).day.to_string(), "0.01");
    ledger.close().await.unwrap();
}

fn named<'a>(sums: &'a [UsageSum], name: &str) -> &'a UsageSum {
    sums.iter().find(|sum| sum.name == name).unwrap_or_else(|| panic!("no {name} in {sums:?}"))
}

async fn sums_are_exact_by_everything(url: String) {
    let ledger = open(&url).await;
    assert!(ledger.usage(&UsageQuery::default()).await.unwrap().is_empty());
    let day = |text: &str| text.parse::<Timestamp>().unwrap();
    for (number, (model, ended, usage, is_measured)) in [
        (MODEL, "2026-11-01T00:00:00Z", r#"{"input_tokens":1,"output_tokens":3}"#, true),
        (MODEL, "2026-11-01T23:59:59Z", r#"{"input_tokens":10,"output_tokens":30}"#, false),
        ("claude-haiku-5-5", "2026-11-02T00:00:00Z", r#"{"cache_read_input_tokens":1}"#, true),
        ("claude-next", "2026-11-02T00:00:00Z", r#"{"output_tokens":5}"#, true),
    ]
    .into_iter()
    .enumerate()
    {
        let usage = serde_json::from_str(usage).unwrap();
        let mut row = Row::new(format!("strm_{number}"), 1, model, "claude");
        row.ended = day(ended);
        row.key = (number == 0).then(|| "key_1".to_owned());
        if is_measured {
            row.measured(&usage);
        } else {
            row.estimated(&usage);
        }
        ledger.record(row);
    }
    ledger.flush().await.unwrap();
    let by = async |by| ledger.usage(&UsageQuery::by(by)).await.unwrap();
    let models = by(By::Model).await;
    let sum = named(&models, MODEL);
    assert_eq!((sum.attempts, sum.estimated, sum.unknown), (2, 1, 0));
    assert_eq!(sum.tokens, Tokens { input: 11, output: 33, ..Tokens::default() });
    assert_eq!(
        (sum.cost_measured.to_string(), sum.cost_estimated.to_string()),
        ("0.000032".into(), "0.00032".into())
    );
    assert_eq!(named(&models, "claude-haiku-5-5").cost_measured.to_string(), "0.00000001");
    assert_eq!(
        (named(&models, "claude-next").unknown, named(&models, "claude-next").cost_measured),
        (1, Decimal::ZERO)
    );
    let days = by(By::Day).await;
    assert_eq!((named(&days, "2026-11-01").attempts, named(&days, "2026-11-02").attempts), (2, 2));
    let keys = by(By::Key).await;
    assert_eq!((named(&keys, "key_1").attempts, named(&keys, "").attempts), (1, 3));
    assert_eq!(named(&by(By::Upstream).await, "claude").attempts, 4);
    assert_eq!(named(&by(By::Outcome).await, "failed").attempts, 4);
    let mut query = UsageQuery::by(By::Model);
    (query.since, query.until) = (Some(day("2026-11-01T23:59:59Z")), Some(day("2026-11-02T00:00:00Z")));
    let sums = ledger.usage(&query).await.unwrap();
    assert_eq!((sums.len(), named(&sums, MODEL).tokens.output), (1, 30));
    let mut query = UsageQuery::by(By::Day);
    query.key = Some("key_1".to_owned());
    assert_eq!(ledger.usage(&query).await.unwrap()[0].attempts, 1);
    ledger.close().await.unwrap();
}

async fn rows_from_everywhere_at_once_are_all_there(url: String) {
    let ledger = Arc::new(open(&url).await);
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let ledger = Arc::clone(&ledger);
            tokio::spawn(async move {
                for number in 0..300 {
                    ledger.record(row(&format!("strm_{task}_{number}"), 1, MODEL, r#"{"output_tokens":7}"#));
                    if number % 50 == 0 {
                        tokio::task::yield_now().await;
                    }
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    // Not flushed: that is what closing does.
    ledger.close().await.unwrap();
    let ledger = open(&url).await;
    let sums = ledger.usage(&UsageQuery::default()).await.unwrap();
    assert_eq!((sums[0].attempts, sums[0].tokens.output), (2400, 2400 * 7));
    assert_eq!(sums[0].cost_measured.to_string(), "0.168");
    ledger.close().await.unwrap();
}

async fn what_was_spent_is_known_after_a_restart(url: String) {
    let ledger = open(&url).await;
    let mut new = NewKey::named("two dollars");
    new.rules.usd_per_month = Some(Decimal::from(2));
    let (key, secret) = ledger.create_key(&new).await.unwrap();
    let mut reservation = ledger.reserve(Some(&key), &Ask::new(MODEL, 150_000)).unwrap();
    reservation.settle(row("strm_1", 1, MODEL, DOLLAR));
    drop(reservation);
    ledger.close().await.unwrap();
    let ledger = open(&url).await;
    let key = ledger.keys().find(secret.expose().as_bytes()).unwrap().unwrap();
    assert_eq!(ledger.spending(&key.id).month.to_string(), "1");
    assert!(ledger.reserve(Some(&key), &Ask::new(MODEL, 100_000)).is_ok());
    assert_eq!(ledger.reserve(Some(&key), &Ask::new(MODEL, 100_001)).unwrap_err().status(), 402);
    ledger.close().await.unwrap();
}

/// Until `what` holds; other processes are known of after a moment.
async fn until(what: impl Fn() -> bool) {
    let waited = tokio::time::timeout(Duration::from_secs(120), async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("it should have come to be known");
}

async fn processes_know_of_each_other(url: String) {
    let (one, two) = tokio::join!(open(&url), open(&url));
    let (key, secret) = one.create_key(&NewKey::named("shared")).await.unwrap();
    until(|| two.keys().find(secret.expose().as_bytes()).is_ok_and(|key| key.is_some())).await;
    let mut spent = row("strm_1", 1, MODEL, DOLLAR);
    spent.key = Some(key.id.clone());
    two.record(spent);
    until(|| one.spending(&key.id).day == Decimal::ONE).await;
    one.revoke_key(&key.id).await.unwrap();
    until(|| two.keys().find(secret.expose().as_bytes()).is_err()).await;
    tokio::join!(async { one.close().await.unwrap() }, async { two.close().await.unwrap() });
}

async fn keys_are_made_found_rotated_and_revoked(url: String) {
    let ledger = open(&url).await;
    assert!(ledger.keys().is_empty());
    let mut new = NewKey::named("team");
    new.owner = Some("search".to_owned());
    new.rules.models = vec!["claude-*".to_owned()];
    new.rules.usd_per_day = Some("2.50".parse().unwrap());
    let (key, first) = ledger.create_key(&new).await.unwrap();
    assert_eq!((key.owner.as_deref(), &key.rules), (Some("search"), &new.rules));
    let find = |secret: &str| ledger.keys().find(secret.as_bytes());
    assert_eq!(find(first.expose()).unwrap().unwrap().id, key.id);
    assert!(find(&first.expose()[..40]).unwrap().is_none());
    assert!(find("pk-perennial-AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").unwrap().is_none());
    // Both secrets are taken while they overlap; without an overlap the older is refused at once, in words.
    let (same, second) = ledger.rotate_key(&key.id, Duration::from_secs(3600)).await.unwrap();
    assert_eq!((same.id == key.id, same.secrets.len()), (true, 2));
    assert_eq!(same.secrets[0].rotated_from.as_deref(), Some(&*same.secrets[1].prefix));
    assert!(find(first.expose()).unwrap().is_some() && find(second.expose()).unwrap().is_some());
    let (_, third) = ledger.rotate_key(&key.id, Duration::ZERO).await.unwrap();
    for old in [&first, &second] {
        let denied = find(old.expose()).unwrap_err();
        assert_eq!(denied.status(), 401);
        assert!(denied.message().contains("newer"), "{denied}");
    }
    assert!(find(third.expose()).unwrap().is_some());
    let revoked = ledger.revoke_key(&key.id).await.unwrap();
    assert_eq!(ledger.revoke_key(&key.id).await.unwrap().revoked, revoked.revoked, "the first time counts");
    assert!(find(third.expose()).unwrap_err().message().contains("revoked"));
    assert_eq!(ledger.reserve(Some(&revoked), &Ask::new(MODEL, 1)).unwrap_err().status(), 401);
    assert!(ledger.rotate_key(&key.id, Duration::ZERO).await.unwrap_err().is_invalid());
    // An end in a moment.
    let mut brief = NewKey::named("brief");
    brief.expires = Some(Timestamp::now() + Duration::from_millis(300));
    let (brief, secret) = ledger.create_key(&brief).await.unwrap();
    until(|| find(secret.expose()).is_err_and(|denied| denied.message().contains("expired"))).await;
    assert_eq!(ledger.keys().list().iter().map(|key| &*key.id).collect::<Vec<_>>(), [&*key.id, &*brief.id]);
    // What makes no sense is refused with a reason.
    assert!(ledger.revoke_key("key_none").await.unwrap_err().is_not_found());
    assert!(ledger.rotate_key("key_none", Duration::ZERO).await.unwrap_err().is_not_found());
    assert!(ledger.create_key(&NewKey::named(" ")).await.unwrap_err().is_invalid());
    let mut past = NewKey::named("past");
    past.expires = Some(Timestamp::UNIX_EPOCH);
    assert!(ledger.create_key(&past).await.unwrap_err().is_invalid());
    ledger.close().await.unwrap();
}

async fn a_secret_is_nowhere_in_the_database(url: String) {
    let ledger = open(&url).await;
    let (_, secret) = ledger.create_key(&NewKey::named("hidden")).await.unwrap();
    ledger.close().await.unwrap();
    let random = secret.expose().strip_prefix("pk-perennial-").unwrap();
    if let Some(file) = url.strip_prefix("sqlite:") {
        let file = std::fs::read(file).unwrap();
        assert!(!file.windows(12).any(|window| random.as_bytes()[6..].starts_with(window)));
        assert!(
            file.windows(6).any(|window| random.as_bytes().starts_with(window)),
            "what it is recognised by"
        );
    } else {
        sqlx::any::install_default_drivers();
        let pool = sqlx::AnyPool::connect(&url).await.unwrap();
        let rows = sqlx::query("SELECT hash, prefix FROM secrets").fetch_all(&pool).await.unwrap();
        for row in &rows {
            for column in 0..2 {
                let text: String = sqlx::Row::get(row, column);
                assert!(!text.contains(&random[6..18]), "{text}");
            }
        }
        assert_eq!(rows.len(), 1);
        pool.close().await;
    }
}
