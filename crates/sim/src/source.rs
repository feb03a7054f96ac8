//! What a Messages request is answered from: the mind, a recording, a synthetic stream, or the words of a scenario.

use http::HeaderMap;
use serde_json::Value;

use crate::answer::{Answer, Refused, Usage};
use crate::bench::Bench;
use crate::desk::Desk;
use crate::events;
use crate::frame::Frames;
use crate::mind::{Manners, digest};
use crate::pace::Pace;
use crate::replay::Recorded;
use crate::scenario::Script;

/// A prefix of `model`: answer with a recording.
const REPLAY: &str = "replay:";
/// A prefix of `model`: answer with a synthetic stream.
const BENCH: &str = "bench:";

pub(crate) enum Source {
    Answer(Box<Answer>),
    Recorded { recorded: Box<Recorded>, folded: Option<Value> },
    Bench { bench: Bench, model: String },
}

impl Source {
    /// Finds the source, once the request is known to be valid.
    pub(crate) async fn find(
        desk: &Desk,
        headers: &HeaderMap,
        request: &Value,
        manners: &Manners,
        script: Option<&Script>,
    ) -> Result<Self, Refused> {
        desk.mind.validate(request, headers)?;
        let model = request.get("model").and_then(Value::as_str).unwrap_or_default();
        if let Some(name) = script.and_then(|script| script.replay.as_deref()).or(model.strip_prefix(REPLAY))
        {
            return Self::recorded(desk, name).await;
        }
        if let Some(shape) = model.strip_prefix(BENCH) {
            return Ok(Self::Bench { bench: Bench::parse(shape)?, model: model.to_owned() });
        }
        let mut manners = manners.clone();
        manners.at = desk.started.elapsed();
        let mut answer = desk.mind.answer(request, &manners);
        if let Some(script) = script.filter(|script| script.is_written()) {
            script.rewrite(&mut answer);
            desk.mind.sign(request, &mut answer.blocks);
        }
        Ok(Self::Answer(Box::new(answer)))
    }

    async fn recorded(desk: &Desk, name: &str) -> Result<Self, Refused> {
        let Some(recordings) = desk.recordings.clone() else {
            let message =
                format!("model: replay:{name}: this simulator has no recordings; start it with --replay DIR");
            return Err(Refused::not_found(message));
        };
        let name = name.to_owned();
        let read = tokio::task::spawn_blocking(move || {
            let recorded = Box::new(recordings.load(&name)?);
            Ok(Self::Recorded { recorded, folded: recordings.message(&name) })
        });
        read.await.unwrap_or_else(|error| Err(Refused::new(500, "api_error", error.to_string())))
    }

    /// The pace that the source comes with: that of the simulator, unless the source is about pace.
    pub(crate) fn pace(&self, desk: &Desk) -> Pace {
        match self {
            Self::Bench { bench, .. } => bench.pace(),
            Self::Answer(_) | Self::Recorded { .. } => desk.pace.clone(),
        }
    }

    /// As events: the id of the message, what it costs, and the events.
    pub(crate) fn play(self, seed: u64) -> (Option<String>, Usage, Frames) {
        match self {
            Self::Answer(answer) => {
                let (id, usage) = (answer.id.clone(), answer.usage.clone());
                let seed = digest::of(seed, &[&id, "events"]);
                (Some(id), usage, events::frames(*answer, seed))
            }
            Self::Recorded { recorded, .. } => {
                (recorded.message_id, recorded.usage, Box::new(recorded.frames.into_iter()))
            }
            Self::Bench { bench, model } => {
                let id = digest::id("msg_", digest::of(seed, &[&model]));
                (Some(id.clone()), bench.usage(), bench.frames(id, model, seed))
            }
        }
    }

    /// As one JSON body, and what it costs.
    pub(crate) fn fold(self) -> Result<(Value, Usage), Refused> {
        match self {
            Self::Answer(answer) => Ok((events::message(&answer), answer.usage)),
            Self::Recorded { folded: Some(message), recorded } => Ok((message, recorded.usage)),
            Self::Recorded { .. } | Self::Bench { .. } => Err(Refused::invalid(
                "model: recordings and synthetic streams are answered as streams only; ask with \"stream\": true, \
                 or put the folded message beside the recording as NAME.json",
            )),
        }
    }
}
