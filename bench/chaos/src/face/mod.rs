//! One stream, read on the face that its plan names, to whatever end it has.

mod dropin;
mod kept;
mod library;

use std::time::Duration;

use anyhow::Result;
use tokio::time::{Instant, timeout};

use crate::plan::{Face, Plan};
use crate::shown::Shown;
use crate::world::{CLIENT_KEY, PATIENCE, UPSTREAM_KEY, World};

/// What a reader saw.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    /// Of the answer that the stream came in, or was refused with.
    pub(crate) status: u16,
    pub(crate) shown: Shown,
    pub(crate) close: Close,
    /// `error.type`, wherever an error was told.
    pub(crate) error: Option<String>,
    /// What was wrong about the way it came.
    pub(crate) wrongs: Vec<String>,
    /// A key stood somewhere in what came.
    pub(crate) secret: Option<&'static str>,
    /// How often the reader came back.
    pub(crate) returns: u32,
    pub(crate) took: Duration,
}

/// How a reading ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Close {
    /// As HTTP wants it.
    #[default]
    Clean,
    /// The body was broken off.
    Broken,
    /// There was no end, within a time in which there should have been.
    Hang,
}

/// Reads the stream of a plan.
pub(crate) async fn read(world: &World, plan: &Plan) -> Result<Seen> {
    let began = Instant::now();
    let mut seen = Seen::default();
    let reading = async {
        match plan.face {
            Face::DropIn | Face::DropInBack => dropin::stream(world, plan, &mut seen).await,
            Face::Json => dropin::message(world, plan, &mut seen).await,
            Face::Events | Face::Lines | Face::Text | Face::Poll => kept::read(world, plan, &mut seen).await,
            Face::Library => library::read(&world.library, world, plan, &mut seen).await,
            Face::Direct => library::read(&world.direct, world, plan, &mut seen).await,
        }
    };
    match timeout(PATIENCE, reading).await {
        Ok(read) => read?,
        Err(_) => seen.close = Close::Hang,
    }
    seen.took = began.elapsed();
    Ok(seen)
}

impl Seen {
    /// Looks for keys in what came.
    fn search(&mut self, bytes: &[u8]) {
        for key in [UPSTREAM_KEY, CLIENT_KEY] {
            if memchr::memmem::find(bytes, key.as_bytes()).is_some() {
                self.secret = Some(key);
            }
        }
    }

    fn search_head(&mut self, response: &reqwest::Response) {
        self.status = response.status().as_u16();
        self.search(format!("{:?}", response.headers()).as_bytes());
    }

    /// An answer that is no stream: an error, in the service's form.
    async fn refused(&mut self, response: reqwest::Response) {
        match response.bytes().await {
            Ok(body) => {
                self.search(&body);
                let value: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
                self.error = value["error"]["type"].as_str().map(str::to_owned);
            }
            Err(_) => self.close = Close::Broken,
        }
    }

    fn wrong(&mut self, what: impl Into<String>) {
        self.wrongs.push(what.into());
    }
}
