//! Export and import.

use perennial_history::{Content, Document, Holder, NewTurn, Query, State};

use crate::suite::{asked, completed, open};

pub(crate) async fn an_export_comes_back_as_it_was(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let (id, user, _) = asked(&of, "question", "answer").await;
    let other = of.append(&id, Some(&user.id), &[NewTurn::assistant("m")]).await.unwrap().remove(0);
    of.end(&other.id, &completed("another")).await.unwrap();
    let document = of.export(&id).await.unwrap();
    let text = document.to_json().unwrap();
    assert!(text.starts_with(r#"{"type":"perennial_conversations","format":1,"#), "{text}");
    of.delete(&id).await.unwrap();

    let read = Document::from_json(&text).unwrap();
    assert_eq!(read, document);
    let imported = of.import(&read).await.unwrap();
    assert_eq!((imported[0].id.as_str(), imported[0].was.as_str()), (id.as_str(), id.as_str()));
    // Even the version and the times.
    assert_eq!(of.export(&id).await.unwrap(), document);
    assert_eq!(of.search("another", &Query::default()).await.unwrap().data.len(), 1);
}

pub(crate) async fn taken_names_are_replaced_everywhere(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let (id, _, answer) = asked(&of, "question", "answer").await;
    let mut on = NewTurn::assistant("m");
    on.continues = Some(answer.id.clone());
    let on = of.append(&id, Some(&answer.id), &[on]).await.unwrap().remove(0);
    let document = of.export(&id).await.unwrap();
    // By somebody else, too: a name is of one only.
    for taker in [&of, &history.of("other")] {
        let imported = taker.import(&document).await.unwrap().remove(0);
        assert_ne!(imported.id, id);
        let copy = taker.exported(&imported.id).await.unwrap();
        let path = taker.path(copy.conversation.head.as_deref().unwrap()).await.unwrap();
        let texts: Vec<_> = path.iter().map(|turn| turn.content.visible_text()).collect();
        assert_eq!(texts, ["question", "answer", ""]);
        assert_eq!(path[2].continues.as_ref(), Some(&path[1].id));
        // What wrote it is not here.
        assert_eq!((path[2].state, path[2].ended.is_some()), (State::Interrupted, true));
        assert!(path.iter().all(|turn| turn.conversation == imported.id));
        assert!(document.conversations[0].turns.iter().all(|old| path.iter().all(|new| new.id != old.id)));
    }
    let running = history.running().await.unwrap();
    assert_eq!(running.len(), 1);
    assert_eq!(running[0].turn.id, on.id);
    assert!(matches!(running[0].holder, Holder::This | Holder::Unknown));
    assert_eq!(of.list(&Query::default()).await.unwrap().data.len(), 2);
}

pub(crate) async fn wrong_documents_are_refused_whole(url: String) {
    let history = open(&url).await;
    let of = history.of("local");
    let (id, user, answer) = asked(&of, "question", "answer").await;
    let whole = of.export(&id).await.unwrap();
    of.delete(&id).await.unwrap();

    let (first, second) = (user.id.as_str(), answer.id.as_str());
    let text = whole.to_json().unwrap();
    let parent = format!(r#""parent":"{first}""#);
    for (wrong, why) in [
        (text.replace(&parent, r#""parent":"turn_none""#), "a parent that is missing"),
        (text.replace(r#""parent":null"#, &format!(r#""parent":"{second}""#)), "a ring"),
        (text.replace(&format!(r#""head":"{second}""#), r#""head":"turn_none""#), "a head that is missing"),
        (text.replacen(&format!(r#""id":"{second}""#), &format!(r#""id":"{first}""#), 1), "a turn twice"),
    ] {
        assert_ne!(wrong, text, "{why}");
        // Behind one that is right: that one is not taken either.
        let mut document = whole.clone();
        document.conversations.extend(Document::from_json(&wrong).unwrap().conversations);
        assert!(of.import(&document).await.unwrap_err().is_invalid(), "{why}");
    }
    for wrong in [
        "",
        "[]",
        r#"{"type":"other","format":1,"conversations":[]}"#,
        r#"{"type":"perennial_conversations","format":2,"conversations":"later"}"#,
        &text.replace(r#""role":"user""#, r#""role":"system""#),
        &text.replace(r#""content":["#, r#""content":[1,"#),
    ] {
        let error = Document::from_json(wrong).unwrap_err();
        assert!(error.is_invalid(), "{wrong}");
    }
    assert!(
        Document::from_json(r#"{"type":"perennial_conversations","format":2}"#)
            .unwrap_err()
            .to_string()
            .contains("form 2")
    );
    assert_eq!(of.list(&Query::default()).await.unwrap().data, []);
    // The content of a name that is none of ours is taken under a new one.
    let renamed = Document::from_json(&text.replace(&id, "mine")).unwrap();
    let imported = of.import(&renamed).await.unwrap().remove(0);
    assert_eq!((imported.was.as_str(), imported.id.len()), ("mine", "conv_".len() + 32));
    let said = of.turn(first).await.unwrap();
    assert_eq!((said.conversation, said.content), (imported.id, Content::text("question")));
}
