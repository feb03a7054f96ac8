//! Who is asked: the service, a gateway, or the simulator in this process.

use perennial::{Client, ClientBuilder, Deadlines, MaxHops, RetryPolicy};

use super::AskArgs;
use crate::embedded;
use crate::exit::{Exit, Failure, say};
use crate::record::Tee;
use crate::show::Paid;

pub(super) struct Service {
    pub(super) client: Client,
    pub(super) paid: Paid,
    /// Answers until this is dropped.
    _simulator: Option<perennial_sim::Handle>,
}

pub(super) async fn of(args: &AskArgs) -> Result<Service, Failure> {
    let service = &args.service;
    let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let keyed = set("ANTHROPIC_API_KEY") || set("ANTHROPIC_AUTH_TOKEN");
    let addressed = service.base_url.is_some() || set("ANTHROPIC_BASE_URL");
    let wrong = |error: perennial::Error| Failure::new(Exit::Configuration, error);
    let mut simulator = None;
    let mut builder = if service.sim || !(keyed || addressed) {
        let started = embedded::start(&args.simulator).await?;
        let builder = Client::builder().base_url(started.url()).api_key(embedded::KEY);
        simulator = Some(started);
        if !service.sim && !args.answer.quiet {
            say(
                "no key and no base URL: the embedded simulator answers (set ANTHROPIC_API_KEY for the real thing)",
            );
        }
        builder
    } else if let Some(url) = &service.base_url {
        let builder = ClientBuilder::from_env();
        // Without a key the environment names no service; the flag does.
        let builder = if keyed { builder.map_err(wrong)? } else { Client::builder() };
        builder.base_url(url)
    } else {
        ClientBuilder::from_env().map_err(wrong)?
    };
    for header in &args.headers {
        let (name, value) = header
            .split_once(':')
            .ok_or_else(|| Failure::new(Exit::Usage, format!("--header `{header}` is not `NAME: VALUE`")))?;
        builder = builder.header(name.trim(), value.trim());
    }
    if service.recover > 0 {
        builder = builder.continuing(MaxHops(service.recover));
    }
    if let Some(file) = &args.answer.tee_sse {
        builder = builder.transport(Tee::new(Deadlines::default().connect, file.clone())?);
    }
    let deadlines = Deadlines { total: service.timeout, ..Deadlines::default() };
    let retries = RetryPolicy { max_retries: service.retries, ..RetryPolicy::default() };
    let client = builder.deadlines(deadlines).retries(retries).build().map_err(wrong)?;
    let paid = if simulator.is_some() { Paid::Nobody } else { Paid::Service };
    Ok(Service { client, paid, _simulator: simulator })
}
