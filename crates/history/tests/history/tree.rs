//! Branches, titles and names.

use std::collections::HashMap;

use perennial_history::{Content, Ended, NewConversation, NewTurn, Query, State};

use crate::suite::{asked, completed, open};

pub(crate) async fn branches_share_their_beginning(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let (id, user, first) = asked(&of, "question", "first answer").await;
    // Another answer to the same question.
    let second = of.append(&id, Some(&user.id), &[NewTurn::assistant("m")]).await.unwrap().remove(0);
    let second = of.end(&second.id, &completed("second answer")).await.unwrap();
    // The question, edited: another root.
    let edited = of.append(&id, None, &[NewTurn::user(Content::text("other"))]).await.unwrap().remove(0);
    let mut cut = NewTurn::assistant("m");
    cut.continues = Some(first.id.clone());
    let on = of.append(&id, Some(&first.id), &[cut]).await.unwrap().remove(0);
    assert_eq!(on.continues.as_ref(), Some(&first.id));

    assert_eq!(of.path(&second.id).await.unwrap(), [user.clone(), second.clone()]);
    assert_eq!(of.path(&on.id).await.unwrap(), [user.clone(), first.clone(), on.clone()]);
    assert_eq!(of.path(&edited.id).await.unwrap(), std::slice::from_ref(&edited));
    assert_eq!(of.turns(&id).await.unwrap(), [user, first.clone(), second, edited, on.clone()]);
    assert_eq!(of.get(&id).await.unwrap().head, Some(on.id));
    assert_eq!(of.set_head(&id, &first.id).await.unwrap().head, Some(first.id));
}

pub(crate) async fn what_follows_by_itself_comes_whole_and_once(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let id = of.create(&NewConversation::default()).await.unwrap().id;
    let asked = [NewTurn::user(Content::text("question")), NewTurn::assistant("m")];
    let asked = of.append(&id, None, &asked).await.unwrap();
    let mut waiting = NewTurn::assistant("m");
    waiting.state = State::Queued;
    let waiting = [NewTurn::user(Content::text("and then")), waiting];
    let waiting = of.append(&id, Some(&asked[1].id), &waiting).await.unwrap();
    let mut called = Ended::new(State::Completed);
    called.content = Some(Content::text("let me see"));
    called.owes = true;
    let called = of.end(&asked[1].id, &called).await.unwrap();
    // It is found until that is there, whoever asks, and has ended all the same.
    let left = |running: Vec<perennial_history::Running>| {
        running.into_iter().map(|running| (running.turn.id, running.turn.state)).collect::<Vec<_>>()
    };
    let open_turn = (waiting[1].id.clone(), State::Queued);
    assert_eq!(
        left(history.running().await.unwrap()),
        [(called.id.clone(), State::Completed), open_turn.clone()]
    );
    assert_eq!(of.settle_lost().await.unwrap(), []);

    // What cannot be written whole is not written at all, and is still owed.
    let step = [NewTurn::user(Content::text("given")), NewTurn::assistant("m")];
    for (who, waits) in
        [(&of, "turn_0"), (&of, &asked[0].id.replace("turn_", "turn_0")), (&history.of("else"), "x")]
    {
        assert!(who.follow(&called.id, &step, Some(waits)).await.unwrap_err().is_not_found(), "{waits}");
    }
    assert_eq!(of.turns(&id).await.unwrap().len(), 4);
    assert_eq!(history.running().await.unwrap().len(), 2);

    let before = of.get(&id).await.unwrap();
    let step = of.follow(&called.id, &step, Some(&waiting[0].id)).await.unwrap();
    let after = of.get(&id).await.unwrap();
    assert!(after.version > before.version);
    assert_eq!(after.head, Some(waiting[1].id.clone()), "the branch that is shown is the one that was");
    let branch: Vec<_> = of.path(&waiting[1].id).await.unwrap().into_iter().map(|turn| turn.id).collect();
    assert_eq!(branch[2..], [&step[0], &step[1], &waiting[0], &waiting[1]].map(|turn| turn.id.clone()));
    // Once.
    let again = [NewTurn::user(Content::text("given again"))];
    assert!(of.follow(&called.id, &again, None).await.unwrap_err().is_conflict());
    assert_eq!(left(history.running().await.unwrap()), [open_turn, (step[1].id.clone(), State::Running)]);

    // Where the branch ended here it grows; and nothing has to follow.
    let mut called = Ended::new(State::Completed);
    called.owes = true;
    of.end(&step[1].id, &called).await.unwrap();
    of.set_head(&id, &step[1].id).await.unwrap();
    let last = of.follow(&step[1].id, &[NewTurn::assistant("m")], None).await.unwrap().remove(0);
    assert_eq!(of.get(&id).await.unwrap().head.as_ref(), Some(&last.id));
    of.end(&last.id, &called).await.unwrap();
    of.owe_nothing(&last.id).await.unwrap();
    assert_eq!(history.running().await.unwrap().len(), 1);
    assert!(of.follow(&last.id, &again, None).await.unwrap_err().is_conflict());
    assert!(of.owe_nothing("turn_0").await.unwrap_err().is_not_found());
}

pub(crate) async fn a_title_is_made_of_the_first_message(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let (id, _, answer) = asked(&of, "\n  How   do I\tsort? \n\nThanks", "So.").await;
    assert_eq!(of.get(&id).await.unwrap().title, "How do I sort?");
    of.append(&id, Some(&answer.id), &[NewTurn::user(Content::text("And then?"))]).await.unwrap();
    assert_eq!(of.get(&id).await.unwrap().title, "How do I sort?");
    let mut named = NewConversation::default();
    named.title = "Named".to_owned();
    let named = of.create(&named).await.unwrap();
    of.append(&named.id, None, &[NewTurn::user(Content::text("Other"))]).await.unwrap();
    assert_eq!(of.get(&named.id).await.unwrap().title, "Named");
}

pub(crate) async fn names_are_completed(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let (one, user, _) = asked(&of, "one", "1").await;
    let (other, ..) = asked(&of, "other", "2").await;
    for whole in [one.as_str(), &one["conv_".len()..], &user.id] {
        assert_eq!(of.find(whole).await.unwrap().id, one, "{whole}");
    }
    // Both begin with the time.
    let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    assert!(of.find(&one[..same]).await.unwrap_err().is_conflict());
    assert_eq!(of.find(&one[..=same]).await.unwrap().id, one);
    assert_eq!(of.find(&other["conv_".len()..=same]).await.unwrap().id, other);
    for none in ["", "conv_", "zz", "conv_0%", "turn_0", "CONV_0"] {
        assert!(of.find(none).await.unwrap_err().is_not_found(), "{none}");
    }
}

pub(crate) async fn what_does_not_fit_is_refused_whole(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let (id, user, _) = asked(&of, "question", "answer").await;
    let before = of.exported(&id).await.unwrap();
    let text = || NewTurn::user(Content::text("more"));
    let mut again = text();
    again.id.clone_from(&user.id);
    assert!(of.append(&id, None, &[text(), again]).await.unwrap_err().is_conflict());
    assert!(of.append(&id, Some("turn_none"), &[text()]).await.unwrap_err().is_not_found());
    let mut continuing = text();
    continuing.continues = Some("turn_none".to_owned());
    assert!(of.append(&id, None, &[text(), continuing]).await.unwrap_err().is_not_found());
    assert!(of.append("conv_none", None, &[text()]).await.unwrap_err().is_not_found());
    assert_eq!(of.append(&id, None, &[]).await.unwrap(), []);
    assert_eq!(of.exported(&id).await.unwrap(), before);
    let mut none = Query::default();
    none.limit = 0;
    assert!(of.list(&none).await.unwrap().has_more);
}

/// Against a model: a map from turns to parents.
pub(crate) async fn random_trees_are_walked_right(url: String) {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let history = open(&url).await;
    let of = history.of("local");
    let id = of.create(&NewConversation::default()).await.unwrap().id;
    let mut parents: HashMap<String, Option<String>> = HashMap::new();
    let mut names: Vec<String> = Vec::new();
    for number in 0..60 {
        let parent = if random.u8(..8) == 0 { None } else { random.choice(&names).cloned() };
        let new = NewTurn::user(Content::text(&number.to_string()));
        let turn = of.append(&id, parent.as_deref(), &[new]).await.unwrap().remove(0);
        names.push(turn.id.clone());
        parents.insert(turn.id, parent);
    }
    for name in &names {
        let mut expected = vec![name.clone()];
        while let Some(parent) = &parents[expected.last().unwrap()] {
            expected.push(parent.clone());
        }
        expected.reverse();
        let path: Vec<_> = of.path(name).await.unwrap().into_iter().map(|turn| turn.id).collect();
        assert_eq!(path, expected);
    }
    let all: Vec<_> = of.turns(&id).await.unwrap().into_iter().map(|turn| turn.id).collect();
    assert_eq!(all, names);
}
