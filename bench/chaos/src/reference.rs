//! The unbroken answers: what the simulator says to the same request when nothing goes wrong, and where in its bytes the content stands.

use std::collections::HashMap;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use parking_lot::Mutex;

use crate::shown::{End, Shown};
use crate::sse::Events;
use crate::subject::Subject;
use crate::world::{CLIENT_KEY, VERSION};

/// An answer that is whole.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) shown: Shown,
    /// Bytes of the body.
    pub(crate) bytes: Measure,
    /// Events of it.
    pub(crate) events: Measure,
}

/// Where the content of an answer stands, counted in bytes or in events.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Measure {
    /// Up to and with the first delta.
    pub(crate) first_delta: u64,
    /// Up to and with the last one.
    pub(crate) last_delta: u64,
    pub(crate) total: u64,
}

/// Where something happens to an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Where {
    /// Before the first delta is whole.
    Before,
    /// Between the first delta and the last.
    Within,
    /// After the last delta, before the end.
    Behind,
    /// Nothing is missing.
    After,
}

impl Measure {
    fn delta(&mut self, now: u64) {
        if self.first_delta == 0 {
            self.first_delta = now;
        }
        self.last_delta = now;
    }

    pub(crate) fn place(self, at: u64) -> Where {
        if at < self.first_delta {
            Where::Before
        } else if at < self.last_delta {
            Where::Within
        } else if at < self.total {
            Where::Behind
        } else {
            Where::After
        }
    }
}

/// References by subject and orders.
#[derive(Debug, Default)]
pub(crate) struct References {
    known: Mutex<HashMap<(String, String), Arc<Reference>>>,
}

impl References {
    /// The answer of the simulator to a subject, with these words in its orders.
    pub(crate) async fn get(
        &self,
        http: &reqwest::Client,
        simulator: &str,
        subject: &Subject,
        words: &str,
    ) -> Result<Arc<Reference>> {
        let key = (subject.name.clone(), words.to_owned());
        if let Some(known) = self.known.lock().get(&key) {
            return Ok(Arc::clone(known));
        }
        let body = ask(http, simulator, subject, words, "unbroken").await?;
        let reference = Arc::new(fold(&body));
        ensure!(
            reference.shown.ends.first() == Some(&End::Stop) && !reference.shown.blocks.is_empty(),
            "{} with `{words}` has no end of its own",
            subject.name
        );
        self.known.lock().insert(key, Arc::clone(&reference));
        Ok(reference)
    }

    /// The same for every subject without a fault, so that plans can be made.
    pub(crate) async fn all(
        &self,
        http: &reqwest::Client,
        simulator: &str,
        subjects: &[Subject],
    ) -> Result<Vec<Arc<Reference>>> {
        let mut all = Vec::new();
        for subject in subjects {
            all.push(self.get(http, simulator, subject, "").await.context("an unbroken answer")?);
        }
        Ok(all)
    }
}

async fn ask(
    http: &reqwest::Client,
    simulator: &str,
    subject: &Subject,
    words: &str,
    key: &str,
) -> Result<Vec<u8>> {
    let orders = [subject.orders, words].join(";");
    let request = http
        .post(format!("{simulator}/v1/messages"))
        .header("x-api-key", CLIENT_KEY)
        .header("anthropic-version", VERSION)
        .header(perennial_sim::HEADER, orders.trim_matches(';'))
        .header(perennial_sim::ATTEMPT_HEADER, key)
        .body(subject.streamed.clone());
    let mut response = request.send().await?;
    let status = response.status();
    let mut body = Vec::new();
    // The connection of an answer may break behind its end.
    while let Ok(Some(piece)) = response.chunk().await {
        body.extend_from_slice(&piece);
    }
    ensure!(status.is_success(), "{}: {status}: {}", subject.name, String::from_utf8_lossy(&body));
    Ok(body)
}

fn fold(body: &[u8]) -> Reference {
    let mut events = Events::default();
    let mut shown = Shown::default();
    let (mut bytes, mut counted) = (Measure::default(), Measure::default());
    // Byte by byte, so that each event is seen where it ends.
    for (at, byte) in body.iter().enumerate() {
        for event in events.take(std::slice::from_ref(byte)) {
            if !shown.ends.is_empty() {
                continue;
            }
            counted.total += 1;
            bytes.total = at as u64 + 1;
            if event.name == "content_block_delta" {
                bytes.delta(at as u64 + 1);
                counted.delta(counted.total);
            }
            shown.take(&event.name, &event.data);
        }
    }
    Reference { shown, bytes, events: counted }
}
