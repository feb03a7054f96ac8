//! What a history promises, on any database.

use std::future::Future;
use std::pin::Pin;

use perennial_history::{
    Content, Conversations, Ended, History, Json, NewConversation, NewTurn, Patch, Query, State, Turn,
};

use crate::{transfer, tree};

type Case = fn(String) -> Pin<Box<dyn Future<Output = ()> + Send>>;

macro_rules! cases {
    ($($module:ident::$name:ident),* $(,)?) => {
        const CASES: &[(&str, Case)] = &[$((stringify!($name), |url| Box::pin($module::$name(url)))),*];
    };
}

use crate::suite as here;

cases!(
    here::a_turn_comes_back_as_it_went_in,
    here::contents_are_kept_to_the_byte,
    here::a_turn_ends_once,
    here::lists_go_by_the_last_change_page_by_page,
    here::changes_are_whole_and_counted,
    here::owners_see_their_own_only,
    here::texts_are_found_by_their_words,
    here::what_is_gone_is_not_found,
    here::many_write_at_once,
    tree::branches_share_their_beginning,
    tree::what_follows_by_itself_comes_whole_and_once,
    tree::a_title_is_made_of_the_first_message,
    tree::names_are_completed,
    tree::what_does_not_fit_is_refused_whole,
    tree::random_trees_are_walked_right,
    transfer::an_export_comes_back_as_it_was,
    transfer::taken_names_are_replaced_everywhere,
    transfer::wrong_documents_are_refused_whole,
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

pub(crate) async fn open(url: &str) -> History {
    History::open(url).await.unwrap()
}

/// A conversation with a question and its whole answer, and the two turns.
pub(crate) async fn asked(of: &Conversations, question: &str, answer: &str) -> (String, Turn, Turn) {
    let id = of.create(&NewConversation::with_model("claude-x")).await.unwrap().id;
    let new = [NewTurn::user(Content::text(question)), NewTurn::assistant("claude-x")];
    let [user, assistant] = of.append(&id, None, &new).await.unwrap().try_into().unwrap();
    let assistant = of.end(&assistant.id, &completed(answer)).await.unwrap();
    (id, user, assistant)
}

pub(crate) fn completed(answer: &str) -> Ended {
    let mut ended = Ended::new(State::Completed);
    ended.content = Some(Content::text(answer));
    ended
}

pub(crate) async fn a_turn_comes_back_as_it_went_in(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let mut new = NewConversation::with_model("claude-x");
    new.system = Some("Be brief.\nAnd kind.".to_owned());
    new.settings = Json::from_json(r#"{"thinking": true,  "max_tokens": 1e3}"#).unwrap();
    let conversation = of.create(&new).await.unwrap();
    assert_eq!(conversation.settings, new.settings);
    assert_eq!((conversation.system.as_deref(), conversation.version), (Some("Be brief.\nAnd kind."), 1));
    assert_eq!(conversation.id.len(), "conv_".len() + 32);

    let mut tools = NewTurn::user(Content::from_json(r#"[{"type":"tool_result"}]"#).unwrap());
    tools.by = Some("tools".to_owned());
    let mut answer = NewTurn::assistant("claude-x");
    answer.stream = Some("strm_1".to_owned());
    let made = of.append(&conversation.id, None, &[tools, answer]).await.unwrap();
    assert_eq!(made[0].by.as_deref(), Some("tools"));
    let live = of.get(&conversation.id).await.unwrap();
    assert_eq!((live.live.as_deref(), live.head.as_ref()), (Some("strm_1"), Some(&made[1].id)));
    assert_eq!(of.turns(&conversation.id).await.unwrap(), made);

    let mut ended = completed("done");
    ended.stop_reason = Some("end_turn".to_owned());
    ended.timing = Some(Json::from_json(r#"{"elapsed_ms": 12}"#).unwrap());
    ended.usage = Some(Json::from_json(r#"{"output_tokens":5, "new": [1.0]}"#).unwrap());
    ended.cost = Some("0.0012300".parse().unwrap());
    ended.error = Some(Json::from_json(r#"{"type":"overloaded_error"}"#).unwrap());
    ended.model = Some("claude-x-20261101".to_owned());
    let turn = of.end(&made[1].id, &ended).await.unwrap();
    assert_eq!(turn, of.turn(&made[1].id).await.unwrap());
    assert_eq!((turn.state, turn.parent.as_ref()), (State::Completed, Some(&made[0].id)));
    assert_eq!((&turn.usage, &turn.error, &turn.timing), (&ended.usage, &ended.error, &ended.timing));
    assert_eq!(turn.cost.unwrap().to_string(), "0.0012300");
    assert_eq!(turn.model, ended.model);
    assert!(turn.ended.unwrap() >= turn.created);
    assert_eq!(of.get(&conversation.id).await.unwrap().live, None);

    // As JSON it is what the gateway shows, and can be read again.
    let json = serde_json::to_string(&turn).unwrap();
    assert!(json.starts_with(r#"{"type":"turn","id":"turn_"#), "{json}");
    assert!(
        json.contains(r#""cost":"0.0012300""#) && json.contains(r#"{"output_tokens":5, "new": [1.0]}"#),
        "{json}"
    );
    assert_eq!(serde_json::from_str::<Turn>(&json).unwrap(), turn);
    history.close().await;
}

pub(crate) async fn contents_are_kept_to_the_byte(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let id = of.create(&NewConversation::default()).await.unwrap().id;
    for text in [
        r#"[{"signature":"ErUB+/=\u00e9\/","thinking":"","type":"thinking"},{"type":"text","text":"x"}]"#,
        "[ {\"b\":1.10,\"a\":1e2,\"b\":[\t\n] } ]",
        r#"[{"type":"text","text":"\u0000 \ud83d\ude00 \ud800 😀"}]"#,
        "[]",
    ] {
        let content = Content::from_json(text).unwrap();
        let said =
            of.append(&id, None, &[NewTurn::user(content.clone()), NewTurn::assistant("m")]).await.unwrap();
        of.update(&said[1].id, &content).await.unwrap();
        assert_eq!(of.turn(&said[1].id).await.unwrap().content.as_str(), text);
        // An end without a content keeps what is there.
        of.end(&said[1].id, &Ended::new(State::Cancelled)).await.unwrap();
        for turn in of.path(&said[1].id).await.unwrap() {
            assert_eq!(turn.content.as_str(), text);
        }
    }
    let copied = of.export(&id).await.unwrap().to_json().unwrap();
    assert!(copied.contains("[ {\"b\":1.10,\"a\":1e2,\"b\":[\t\n] } ]"), "{copied}");
}

pub(crate) async fn a_turn_ends_once(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let id = of.create(&NewConversation::default()).await.unwrap().id;
    let mut queued = NewTurn::assistant("m");
    queued.state = State::Queued;
    let turn = of.append(&id, None, &[queued]).await.unwrap().remove(0);
    assert_eq!((turn.state, turn.ended), (State::Queued, None));
    of.start(&turn.id, Some("strm_2")).await.unwrap();
    let running = of.turn(&turn.id).await.unwrap();
    assert_eq!((running.state, running.stream.as_deref()), (State::Running, Some("strm_2")));
    assert!(of.end(&turn.id, &Ended::new(State::Running)).await.unwrap_err().is_invalid());

    let found = history.running().await.unwrap();
    assert_eq!((found.len(), &found[0].turn, found[0].owner.as_str()), (1, &running, "local"));
    // What this process writes is not lost.
    assert_eq!(of.settle_lost().await.unwrap(), []);

    let ended = of.end(&turn.id, &completed("whole")).await.unwrap();
    let version = of.get(&id).await.unwrap().version;
    assert_eq!(of.end(&turn.id, &Ended::new(State::Failed)).await.unwrap(), ended);
    for late in [of.update(&turn.id, &Content::empty()).await, of.start(&turn.id, None).await] {
        assert!(late.unwrap_err().is_conflict());
    }
    assert_eq!(of.turn(&turn.id).await.unwrap(), ended);
    assert_eq!(of.get(&id).await.unwrap().version, version);
    assert_eq!(history.running().await.unwrap(), []);
}

pub(crate) async fn lists_go_by_the_last_change_page_by_page(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let mut ids = Vec::new();
    for number in 0..7 {
        ids.push(asked(&of, &format!("question {number}"), "apples").await.0);
    }
    // The oldest comes to the front.
    of.rename(&ids[0], "again").await.unwrap();
    ids.rotate_left(1);
    ids.reverse();
    for limit in [1, 2, 3, 7, 100] {
        let mut query = Query::default();
        query.limit = limit;
        let (mut listed, mut found) = (Vec::new(), Vec::new());
        loop {
            let page = of.list(&query).await.unwrap();
            let hits = of.search("apples", &query).await.unwrap();
            assert!(page.data.len() <= limit);
            listed.extend(page.data.into_iter().map(|conversation| conversation.id));
            found.extend(hits.data.into_iter().map(|hit| hit.conversation.id));
            assert_eq!(hits.has_more, page.has_more);
            query.after = listed.last().cloned();
            if !page.has_more {
                break;
            }
        }
        assert_eq!((&listed, &found), (&ids, &ids), "{limit}");
    }
    let mut lost = Query::default();
    lost.after = Some("conv_0".to_owned());
    assert!(of.list(&lost).await.unwrap_err().is_not_found());
}

pub(crate) async fn changes_are_whole_and_counted(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let (id, user, _) = asked(&of, "question", "answer").await;
    let before = of.get(&id).await.unwrap();
    let mut patch = Patch::default();
    patch.title = Some("Title".to_owned());
    patch.model = Some("claude-y".to_owned());
    patch.system = Some(Some("System".to_owned()));
    patch.settings = Some(Json::from_json(r#"{"a":1}"#).unwrap());
    patch.head = Some(Some(user.id.clone()));
    let after = of.patch(&id, &patch).await.unwrap();
    assert_eq!((after.title.as_str(), after.model.as_str()), ("Title", "claude-y"));
    assert_eq!((after.system.as_deref(), after.settings.as_str()), (Some("System"), r#"{"a":1}"#));
    assert_eq!(after.head, Some(user.id));
    assert!(after.version > before.version && after.updated >= before.updated);
    assert_eq!(after.created, before.created);

    // What cannot all be done is not done at all.
    let mut wrong = Patch::title("Other");
    wrong.head = Some(Some("turn_none".to_owned()));
    assert!(of.patch(&id, &wrong).await.unwrap_err().is_not_found());
    let mut wrong = Patch::title("Other");
    wrong.settings = Some(Json::from_json("[]").unwrap());
    assert!(of.patch(&id, &wrong).await.unwrap_err().is_invalid());
    assert!(of.rename(&id, "a\0b").await.unwrap_err().is_invalid());
    assert_eq!(of.get(&id).await.unwrap(), after);

    let mut none = Patch::default();
    (none.system, none.head) = (Some(None), Some(None));
    let after = of.patch(&id, &none).await.unwrap();
    assert_eq!((after.system, after.head), (None, None));
}

pub(crate) async fn owners_see_their_own_only(url: String) {
    let history = open(&url).await;
    let (mine, yours) = (history.of("key_a"), history.of("key_b"));
    let (id, user, answer) = asked(&mine, "a secret question", "a secret answer").await;
    let running = mine.append(&id, Some(&answer.id), &[NewTurn::assistant("m")]).await.unwrap().remove(0);
    let before = mine.exported(&id).await.unwrap();
    let query = Query::default();
    assert_eq!(yours.list(&query).await.unwrap().data, []);
    assert_eq!(yours.search("secret", &query).await.unwrap().data, []);
    let content = Content::text("mine now");
    let results = [
        yours.get(&id).await.err(),
        yours.find(&id[..12]).await.err(),
        yours.find(&user.id).await.err(),
        yours.rename(&id, "x").await.err(),
        yours.set_head(&id, &user.id).await.err(),
        yours.append(&id, None, &[NewTurn::user(content.clone())]).await.err(),
        yours.update(&running.id, &content).await.err(),
        yours.start(&running.id, None).await.err(),
        yours.end(&running.id, &Ended::new(State::Cancelled)).await.err(),
        yours.turn(&user.id).await.err(),
        yours.path(&user.id).await.err(),
        yours.turns(&id).await.err(),
        yours.export(&id).await.err(),
        yours.delete(&id).await.err(),
    ];
    for (number, error) in results.into_iter().enumerate() {
        assert!(error.unwrap().is_not_found(), "{number}");
    }
    // A turn of one conversation is no parent in another.
    let other = mine.create(&NewConversation::default()).await.unwrap();
    assert!(
        mine.append(&other.id, Some(&user.id), &[NewTurn::user(content)]).await.unwrap_err().is_not_found()
    );
    assert!(mine.set_head(&other.id, &user.id).await.unwrap_err().is_not_found());
    assert_eq!(mine.exported(&id).await.unwrap(), before);
}

pub(crate) async fn texts_are_found_by_their_words(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let (id, user, answer) =
        asked(&of, "Why is the sky blue?", "Rayleigh scattering, said Lord Rayleigh.").await;
    asked(&of, "What is 100%?", "Everything; 東京都 \\ 'quoted' \"words\"").await;
    let hits = async |text: &str| of.search(text, &Query::default()).await.unwrap().data;
    for (text, found) in [
        ("rayleigh", 1),
        ("SCATTERING rayl", 1),
        ("rayleigh sky", 0),
        ("sky why", 1),
        ("ray", 1),
        ("ayleigh", 0),
        ("東京", 1),
        ("京都", 1),
        ("京東", 0),
        ("東京 everyth", 1),
        ("東京 nothing", 0),
        ("is", 2),
        ("what's", 0),
        ("' OR 1=1", 0),
        ("\"words\"", 1),
        ("quoted:* | & !", 1),
        ("", 0),
        (" %_* ", 0),
        ("NEAR(a b)", 0),
    ] {
        assert_eq!(hits(text).await.len(), found, "{text}");
    }
    let hit = hits("scattering").await.remove(0);
    assert_eq!((hit.conversation.id.as_str(), hit.turn.as_ref()), (id.as_str(), Some(&answer.id)));
    assert_eq!(hit.snippet, "Rayleigh scattering, said Lord Rayleigh.");
    assert_eq!(hit.marks, [(9, 19)]);
    assert_eq!(hits("blue").await[0].turn, None, "the title comes first");

    // What is found keeps step with what is there: titles, answers while they come and when they are over, deletions.
    of.rename(&id, "Colours").await.unwrap();
    assert_eq!(hits("colours").await.len(), 1);
    assert_eq!(hits("blue").await[0].turn.as_ref(), Some(&user.id), "the title is another one");
    let running = of.append(&id, Some(&answer.id), &[NewTurn::assistant("m")]).await.unwrap().remove(0);
    of.update(&running.id, &Content::text("zebras")).await.unwrap();
    of.end(&running.id, &Ended::new(State::Interrupted)).await.unwrap();
    assert_eq!(hits("zebras").await.len(), 1);
    of.delete(&id).await.unwrap();
    for text in ["zebras", "colours", "rayleigh", "blue"] {
        assert_eq!(hits(text).await, [], "{text}");
    }
    // A text that is more than the index takes.
    let long = "word ".repeat(400_000);
    let (id, ..) = asked(&of, "long", &format!("needle {long}")).await;
    assert_eq!(hits("needle").await[0].conversation.id, id);
}

pub(crate) async fn what_is_gone_is_not_found(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let (id, user, _) = asked(&of, "question", "answer").await;
    let running = of.append(&id, Some(&user.id), &[NewTurn::assistant("m")]).await.unwrap().remove(0);
    of.delete(&id).await.unwrap();
    assert!(of.update(&running.id, &Content::empty()).await.unwrap_err().is_not_found());
    assert!(of.end(&running.id, &Ended::new(State::Failed)).await.unwrap_err().is_not_found());
    assert!(of.turn(&user.id).await.unwrap_err().is_not_found());
    assert!(of.delete(&id).await.unwrap_err().is_not_found());
    assert_eq!(history.running().await.unwrap(), []);
    assert_eq!(of.list(&Query::default()).await.unwrap().data, []);
}

pub(crate) async fn many_write_at_once(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let id = of.create(&NewConversation::default()).await.unwrap().id;
    let tasks: Vec<_> = (0..8)
        .map(|task| {
            let (of, id) = (of.clone(), id.clone());
            tokio::spawn(async move {
                for round in 0..5 {
                    let turn = of.append(&id, None, &[NewTurn::assistant("m")]).await.unwrap().remove(0);
                    of.update(&turn.id, &Content::text("part")).await.unwrap();
                    of.end(&turn.id, &completed(&format!("{task} {round}"))).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(of.turns(&id).await.unwrap().len(), 40);
    assert_eq!(of.get(&id).await.unwrap().version, 1 + 3 * 40);
}
