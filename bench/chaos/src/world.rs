//! What all streams share: the simulator, the gateway before it, clients, and the answers that are known.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use perennial::{Client, Deadlines, MaxHops, RetryBudget, RetryPolicy};
use perennial_sim::{JournalLimits, Pace, Scenario, Simulator};

use crate::closing;
use crate::gate::{Gate, SILENCE};
use crate::plan::Plan;
use crate::reference::{Reference, References};
use crate::subject::{self, Subject};

/// What goes up; nobody who asks may ever see it.
pub(crate) const UPSTREAM_KEY: &str = "sk-chaos-upstream-5d1f0c";
/// What clients show; it must not come back.
pub(crate) const CLIENT_KEY: &str = "sk-chaos-client-a83be2";
pub(crate) const VERSION: &str = "2026-10-21";
/// Nothing takes longer, unless it hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) sim: perennial_sim::Handle,
    pub(crate) gate: Gate,
    pub(crate) http: reqwest::Client,
    pub(crate) subjects: Vec<Subject>,
    pub(crate) references: Vec<Arc<Reference>>,
    known: References,
    /// The client library, at the gateway and at the simulator.
    pub(crate) library: Client,
    pub(crate) direct: Client,
}

impl World {
    pub(crate) async fn new(seed: u64, program: Option<&Path>) -> Result<Self> {
        // Larger than any round of streams and its attempts.
        let limits = JournalLimits { entries: 1_000_000, content_bytes: 0 };
        let scenario = Scenario::parse(closing::SCENARIO)?;
        let simulator = Simulator::builder().seed(seed).pace(Pace::instant()).scenario(scenario);
        let sim = simulator.journal(limits).spawn().await?;
        let gate = match program {
            Some(path) => Gate::program(path, &sim.url()).await?,
            None => Gate::inside(&sim.url()).await?,
        };
        // Given up before the gateway does: one that is closed as it is used again is no answer, and nobody's fault.
        let idle = Duration::from_secs(3);
        let http = reqwest::Client::builder()
            .no_proxy()
            .pool_idle_timeout(idle)
            .pool_max_idle_per_host(512)
            .build()?;
        let subjects = subject::all();
        let known = References::default();
        let references = known.all(&http, &sim.url(), &subjects).await?;
        // At a gateway it is the gateway whose clocks are tested.
        let (library, direct) = (client(gate.url(), 5)?, client(&sim.url(), 1)?);
        Ok(Self { sim, gate, http, subjects, references, known, library, direct })
    }

    /// What an unbroken answer says, for this plan.
    pub(crate) async fn whole(&self, plan: &Plan) -> Result<Arc<Reference>> {
        let subject = &self.subjects[plan.subject];
        if !plan.fault.alters {
            return Ok(Arc::clone(&self.references[plan.subject]));
        }
        self.known.get(&self.http, &self.sim.url(), subject, &plan.fault.words).await
    }

    /// A request of a plan, at the gateway.
    pub(crate) fn post(&self, path: &str, plan: &Plan) -> reqwest::RequestBuilder {
        let subject = &self.subjects[plan.subject];
        self.http
            .post(format!("{}{path}", self.gate.url()))
            .header("x-api-key", CLIENT_KEY)
            .header("anthropic-version", VERSION)
            .header("content-type", "application/json")
            .header(perennial_sim::HEADER, plan.orders(subject))
            .header(perennial_sim::ATTEMPT_HEADER, plan.key())
    }

    pub(crate) fn get(&self, path: &str) -> reqwest::RequestBuilder {
        self.http.get(format!("{}{path}", self.gate.url())).header("x-api-key", CLIENT_KEY)
    }
}

fn client(url: &str, patience: u32) -> Result<Client> {
    let deadlines = Deadlines {
        first_byte: SILENCE * patience,
        silence: SILENCE * patience,
        progress: SILENCE * patience * 2,
        ..Deadlines::default()
    };
    let retries = RetryPolicy { first_delay: Duration::from_millis(20), ..RetryPolicy::default() };
    // Here nearly every request fails: what is meant for healthy traffic would end all retries at once.
    let budget = RetryBudget { share: 3.0, per_second: 1000.0, reserve: 1e6 };
    // At a gateway it is the gateway that goes on.
    let hops = if patience > 1 { MaxHops(0) } else { MaxHops::default() };
    let builder = Client::builder().base_url(url).api_key(CLIENT_KEY).version(VERSION).continuing(hops);
    Ok(builder.deadlines(deadlines).retries(retries).retry_budget(budget).build()?)
}
