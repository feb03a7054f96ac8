use proptest::prelude::*;

use super::*;
use crate::fault::Expect;

fn place() -> impl Strategy<Value = Place> {
    prop_oneof![
        Just(Place::Headers),
        pick().prop_map(Place::Event),
        pick().prop_map(Place::Byte),
        "[a-z_]{1,20}".prop_map(Place::After),
    ]
}

fn pick() -> impl Strategy<Value = Pick> {
    (0u64..5_000, 0u64..50).prop_map(|(from, more)| Pick { from, to: from + more })
}

fn in_stream() -> impl Strategy<Value = Place> {
    prop_oneof![pick().prop_map(Place::Event), "[a-z_]{1,20}".prop_map(Place::After)]
}

fn in_body() -> impl Strategy<Value = Place> {
    prop_oneof![in_stream(), pick().prop_map(Place::Byte)]
}

fn which() -> impl Strategy<Value = Which> {
    prop_oneof![
        proptest::sample::select(&EVENT_NAMES[..]).prop_map(|name| Which::Named(name.to_owned())),
        pick().prop_map(Which::Numbered),
    ]
}

fn stall_span() -> impl Strategy<Value = Option<Duration>> {
    proptest::option::of((0u64..100_000_000).prop_map(Duration::from_micros))
}

fn status() -> impl Strategy<Value = Status> {
    let texts = (proptest::option::of("[ -~é]{0,12}"), proptest::option::of("[0-9.]{1,6}"));
    let names = (proptest::option::of("[a-z_]{1,12}"), proptest::option::of("[a-z_]{1,12}"));
    let body = prop_oneof![Just(ErrorBody::Json), Just(ErrorBody::Html), Just(ErrorBody::Empty)];
    (STATUS, texts, any::<Option<bool>>(), names, body).prop_map(
        |(code, texts, should_retry, names, body)| Status {
            retry_after: texts.0,
            retry_after_ms: texts.1,
            should_retry,
            error_type: names.0,
            error_code: names.1,
            body,
            ..Status::new(code)
        },
    )
}

fn fault() -> impl Strategy<Value = Fault> {
    let bytes = 1usize..1_000_000;
    prop_oneof![
        status().prop_map(Fault::Status),
        place().prop_map(Fault::Fin),
        place().prop_map(Fault::Rst),
        in_body().prop_map(Fault::End),
        (stall_span(), place()).prop_map(|(span, place)| Fault::Stall { span, pings: false, place }),
        (stall_span(), in_stream()).prop_map(|(span, place)| Fault::Stall { span, pings: true, place }),
        ("[a-z_]{1,12}", in_stream()).prop_map(|(kind, place)| Fault::Error { kind, place }),
        (bytes.clone(), in_body()).prop_map(|(bytes, place)| Fault::Garbage { bytes, place }),
        pick().prop_map(|pick| Fault::NotJson(Place::Event(pick))),
        (bytes.clone(), pick()).prop_map(|(bytes, pick)| Fault::Huge { bytes, place: Place::Event(pick) }),
        which().prop_map(Fault::Drop),
        which().prop_map(Fault::Duplicate),
        (1u32..1_000, in_stream()).prop_map(|(times, place)| Fault::Repeat { times, place }),
        bytes.prop_map(Fault::Writes),
        (1u32..100_000).prop_map(|rate| Fault::Drip(f64::from(rate) / 100.0)),
        proptest::sample::select(vec![
            Fault::Body(WrongBody::Json),
            Fault::Body(WrongBody::Html),
            Fault::Body(WrongBody::Empty),
            Fault::TwoMessages,
            Fault::Unknown(Unknown::Event),
            Fault::Unknown(Unknown::Block),
            Fault::Unknown(Unknown::Delta),
            Fault::Unknown(Unknown::StopReason),
            Fault::NoUsage,
            Fault::NoNames,
            Fault::WrongNames,
            Fault::Lines(Lines::CrLf),
            Fault::Lines(Lines::Cr),
            Fault::Bom,
            Fault::Comments,
        ]),
    ]
}

fn clause() -> impl Strategy<Value = Clause> {
    let rate = proptest::option::of((0u32..=1_000).prop_map(|rate| f64::from(rate) / 1_000.0));
    (proptest::collection::vec(fault(), 1..4), proptest::option::of(1u32..9), rate)
        .prop_map(|(faults, times, rate)| Clause { faults, times, rate })
}

proptest! {
    #[test]
    fn faults_read_as_they_are_written(clauses in proptest::collection::vec(clause(), 0..4)) {
        let faults = Faults { clauses };
        let text = faults.to_string();
        prop_assert_eq!(text.parse::<Faults>(), Ok(faults), "{}", text);
    }

    #[test]
    fn no_text_is_too_strange(text in "[a-z=@,;\"\\\\. 0-9]{0,40}|\\PC{0,40}") {
        if let Ok(faults) = text.parse::<Faults>() {
            prop_assert_eq!(faults.to_string().parse::<Faults>(), Ok(faults));
        }
    }
}

#[test]
fn wrong_words_say_what_would_be_right() {
    for (text, part) in [
        ("fim@event=5", "`fim` is no fault; did you mean `fin`?"),
        ("fin", "fin@PLACE; a PLACE is headers, event=K"),
        ("fin=3@event=5", "is not how `fin` is written"),
        ("fin@event=five", "event=K"),
        ("fin@event=9..3", "event=K"),
        ("end@headers", "`end@headers` is not how `end` is written"),
        ("error=overloaded_error@byte=5", "is not how `error` is written"),
        ("status=200", "status=400..599"),
        ("retry-after=1", "belongs to a status"),
        ("times=2", "limit a fault of the same clause"),
        ("status=529,rate=2", "rate=0..1"),
        ("drop=message_stopp", "did you mean `message_stop`?"),
        ("named=fin-mid-txt", "did you mean `fin-mid-text`?"),
        ("lines=lf", "lines=crlf|cr"),
        ("stall=5@event=1", "stall[=DURATION]@PLACE"),
        ("error=\"a b\"@event=1", "is not how `error` is written"),
        ("fin@event=1,\"", "no fault"),
    ] {
        let message = text.parse::<Faults>().unwrap_err().to_string();
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn the_catalogue_is_written_in_the_grammar() {
    let mut names = std::collections::HashSet::new();
    for named in Fault::catalogue() {
        assert!(names.insert(named.name), "{} stands there twice", named.name);
        let faults = named.faults().unwrap_or_else(|error| panic!("{}: {error}", named.name));
        assert_eq!(faults.to_string().parse::<Faults>(), Ok(faults.clone()), "{}", named.name);
        assert_eq!(format!("named={}", named.name).parse::<Faults>(), Ok(faults.clone()), "{}", named.name);
        let retried = named.expect == Expect::Retried;
        assert_eq!(retried, faults.clauses.iter().any(|clause| clause.times.is_some()), "{}", named.name);
    }
}

#[test]
fn ranges_times_and_rates_are_decided_by_the_seed() {
    let faults: Faults = "status=529,times=2; fin@event=3..40; rst@event=9,rate=0.5".parse().unwrap();
    let met = |attempt, seed| faults.met(attempt, &mut fastrand::Rng::with_seed(seed));
    assert_eq!(met(0, 1), met(0, 1));
    let has = |attempt, seed, wanted: fn(&Fault) -> bool| met(attempt, seed).iter().any(wanted);
    assert!(has(1, 1, |fault| matches!(fault, Fault::Status(_))));
    assert!(!has(2, 1, |fault| matches!(fault, Fault::Status(_))));
    let resets = (0..1_000).filter(|seed| has(0, *seed, |fault| matches!(fault, Fault::Rst(_)))).count();
    assert!((430..570).contains(&resets), "{resets} of 1000 at a rate of 0.5");
    let mut places = std::collections::HashSet::new();
    for seed in 0..1_000 {
        for fault in met(0, seed) {
            if let Fault::Fin(Place::Event(pick)) = fault {
                assert!((3..=40).contains(&pick.from) && pick.from == pick.to);
                places.insert(pick.from);
            }
        }
    }
    assert_eq!(places.len(), 38, "every place of the range");
}
