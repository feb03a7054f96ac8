//! The rules of a key as flags.

use clap::Args;
use perennial_gateway::OnDisconnect;
use perennial_ledger::{Decimal, Rules};

#[derive(Debug, Args)]
pub(super) struct RuleArgs {
    /// The most US dollars in a day (UTC)
    #[arg(long, value_name = "USD")]
    usd_per_day: Option<Decimal>,
    /// The most US dollars in a month (UTC)
    #[arg(long, value_name = "USD")]
    usd_per_month: Option<Decimal>,
    /// The most requests in a minute
    #[arg(long, value_name = "N")]
    requests_per_minute: Option<u64>,
    /// The most tokens that go in in a minute, those from a cache not counted
    #[arg(long, value_name = "N")]
    input_tokens_per_minute: Option<u64>,
    /// The most tokens that come out in a minute
    #[arg(long, value_name = "N")]
    output_tokens_per_minute: Option<u64>,
    /// The most streams at once
    #[arg(long, value_name = "N")]
    max_streams: Option<u64>,
    /// A model that it may ask, or a beginning and `*`; may be given several times, or with commas
    #[arg(long = "model", value_name = "MODEL", value_delimiter = ',')]
    models: Vec<String>,
    /// What becomes of a stream whose client goes: cancel, grace=SECONDS or detach. A request may say otherwise
    #[arg(long, value_name = "POLICY")]
    on_disconnect: Option<OnDisconnect>,
    /// The most US dollars that a request may cost at worst which runs on without a reader
    #[arg(long, value_name = "USD")]
    detached_usd: Option<Decimal>,
}

impl RuleArgs {
    pub(super) fn rules(&self) -> Rules {
        let mut rules = Rules::default();
        rules.usd_per_day = self.usd_per_day;
        rules.usd_per_month = self.usd_per_month;
        rules.requests_per_minute = self.requests_per_minute;
        rules.input_tokens_per_minute = self.input_tokens_per_minute;
        rules.output_tokens_per_minute = self.output_tokens_per_minute;
        rules.max_streams = self.max_streams;
        rules.models.clone_from(&self.models);
        rules.on_disconnect = self.on_disconnect.map(|policy| policy.to_string());
        rules.detached_usd = self.detached_usd;
        rules
    }
}
