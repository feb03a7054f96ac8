//! What is to become of each stream: how it is made, under which policy, and who reads it. By the seed.

use fastrand::Rng;
use serde_json::json;

use crate::reader::{Face, Order};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// `POST /v1/streams`.
    Created,
    /// `POST /v1/messages`; its client goes after so many records, or stays.
    DropIn { leaves_after: Option<usize> },
}

/// One stream.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) number: usize,
    pub(crate) way: Way,
    pub(crate) policy: &'static str,
    pub(crate) body: String,
    /// How the simulator is to answer, without its pace.
    pub(crate) manners: String,
    pub(crate) pace: String,
    /// The face of each reader, and after how many records of the first one it comes.
    faces: Vec<(Face, usize)>,
    /// Chooses the streams that are read together with this one.
    others: u64,
}

impl Plan {
    pub(crate) fn new(number: usize, random: &mut Rng) -> Self {
        let pick = |words: &[&'static str], random: &mut Rng| words[random.usize(..words.len())];
        let (way, policy) = if random.bool() {
            (Way::Created, pick(&["detach", "detach", "grace=60"], random))
        } else {
            let leaves_after = (random.u8(..3) == 0).then(|| random.usize(..40));
            (Way::DropIn { leaves_after }, pick(&["cancel", "grace=60", "detach"], random))
        };
        let body = json!({
            "model": "claude-opus-4-8",
            "max_tokens": 400,
            "stream": true,
            "messages": [{"role": "user", "content": format!("Stream {number}: write about the sea.")}],
        });
        let faces = [Face::Sse, Face::Ndjson, Face::Many, Face::Poll];
        let readers = random.usize(1..=4);
        // Some think for a while behind the start of the message.
        let thinks = if random.bool() { "stall=800ms@event=1," } else { "" };
        Self {
            number,
            way,
            policy,
            body: body.to_string(),
            manners: format!("tokens={}", random.u32(50..140)),
            pace: format!("{thinks}ttft={}ms,tps={}", random.u32(50..400), random.u32(40..90)),
            faces: (0..readers).map(|_| (faces[random.usize(..faces.len())], random.usize(..50))).collect(),
            others: random.u64(..),
        }
    }

    /// Whether the answer is wanted although nobody reads it, and is asked for again after a crash.
    pub(crate) fn outlives_readers(&self) -> bool {
        self.policy != "cancel"
    }

    /// The readers of this stream, which is called `stream`; some read others with it.
    pub(crate) fn readers(&self, stream: &str, others: &[String]) -> Vec<Order> {
        let mut random = Rng::with_seed(self.others);
        let mut first = None;
        let mut orders = Vec::new();
        for (index, (face, after)) in self.faces.iter().enumerate() {
            let mut streams = vec![stream.to_owned()];
            if *face == Face::Many && !others.is_empty() {
                for _ in 0..random.usize(..3) {
                    let other = &others[random.usize(..others.len())];
                    if !streams.contains(other) {
                        streams.push(other.clone());
                    }
                }
            }
            let progress = (index == 0).then(|| {
                let (progress, watched) = tokio::sync::watch::channel(0);
                first = Some(watched);
                progress
            });
            let comes_after = if index == 0 { None } else { first.clone().map(|first| (first, *after)) };
            orders.push(Order { streams, face: *face, progress, comes_after });
        }
        orders
    }
}
