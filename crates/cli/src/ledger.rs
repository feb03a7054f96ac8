//! Where the ledger is: an address, or a file in the folder for data.

use std::path::{Path, PathBuf};

use clap::Args;
use perennial_ledger::{Error, Ledger, Options, Prices};
use perennial_log::Durability;

use crate::config::{self, Config, Secret};
use crate::exit::{Exit, Failure};
use crate::store;

/// For commands that look into a ledger.
#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    /// Where the ledger is: sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE; without it `ledger.db` in the folder for data
    #[arg(long, value_name = "URL", env = "PERENNIAL_LEDGER", hide_env_values = true, global = true)]
    ledger: Option<String>,
    /// The folder for data, as of `perennial serve`
    #[arg(long, value_name = "DIR", env = "PERENNIAL_DATA", global = true)]
    data: Option<PathBuf>,
    /// The file of settings of `perennial serve` [default: perennial.toml in this folder, if there is one]
    #[arg(long, value_name = "FILE", env = "PERENNIAL_CONFIG", global = true)]
    config: Option<PathBuf>,
}

/// For the gateway, which writes it.
#[derive(Debug, Args)]
pub(crate) struct MoneyArgs {
    /// Where every attempt is written down and virtual keys are: sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE; without it `ledger.db` in the folder for data
    #[arg(long, value_name = "URL", env = "PERENNIAL_LEDGER", hide_env_values = true)]
    ledger: Option<String>,
    /// A file of prices over those that come with this version; docs/money.md has its form
    #[arg(long, value_name = "FILE", env = "PERENNIAL_PRICES")]
    prices: Option<PathBuf>,
}

impl LedgerArgs {
    /// The ledger that `perennial serve` with the same settings writes.
    pub(crate) async fn open(&self) -> Result<Ledger, Failure> {
        let file = config::find(self.config.as_deref());
        let mut config = config::read(file.as_ref()).map_err(config::Wrongs::failure)?;
        if let Some(url) = given(self.ledger.as_ref()) {
            config.ledger.url = Some(url);
        }
        if let Some(data) = self.data.as_ref().filter(|data| !data.as_os_str().is_empty()) {
            config.store.data = Some(data.clone());
        }
        // One in memory is the gateway's alone: what others kept is looked for where it would be.
        config.store.durability = Durability::default();
        open(&config.ledger, &config.store, Options::default()).await
    }
}

impl MoneyArgs {
    /// Takes what is said here over what is there.
    pub(crate) fn over(&self, there: &mut config::Money) {
        there.url = given(self.ledger.as_ref()).or(there.url.take());
        if let Some(prices) = self.prices.as_ref().filter(|file| !file.as_os_str().is_empty()) {
            there.prices = Some(prices.clone());
        }
    }
}

/// The ledger of a gateway with these settings.
pub(crate) async fn of(config: &Config) -> Result<Ledger, Failure> {
    let mut options = Options::default();
    options.prices = prices(&config.ledger)?;
    open(&config.ledger, &config.store, options).await
}

/// The prices that come with this version, and over them those of the operator's.
pub(crate) fn prices(money: &config::Money) -> Result<Prices, Failure> {
    let embedded = Prices::embedded();
    match &money.prices {
        Some(file) => {
            embedded.overridden_from(file).map_err(|error| Failure::new(Exit::Configuration, error))
        }
        None => Ok(embedded),
    }
}

/// A failure of the ledger, once it is open.
pub(crate) fn failure(error: &Error) -> Failure {
    Failure::new(if error.is_invalid() { Exit::Usage } else { Exit::Other }, error)
}

/// The ledger that is named, else the one in the folder for data; without a folder, one in memory.
async fn open(money: &config::Money, store: &config::Store, options: Options) -> Result<Ledger, Failure> {
    let url = match &money.url {
        Some(url) => url.reveal().map_err(|wrong| Failure::new(Exit::Configuration, wrong))?,
        // What is kept of streams is kept of their cost.
        None if store.is_memory() => "sqlite::memory:".to_owned(),
        None => in_folder(store.data())?,
    };
    Ledger::open_with(&url, options).await.map_err(|error| Failure::new(Exit::Configuration, error))
}

fn in_folder(named: Option<&Path>) -> Result<String, Failure> {
    let folder = store::folder(named)?;
    store::make_private(&folder)
        .map_err(|error| Failure::new(Exit::Configuration, format!("{}: {error}", folder.display())))?;
    Ok(format!("sqlite:{}", folder.join(store::LEDGER).display()))
}

/// An empty variable of the environment is none.
fn given(url: Option<&String>) -> Option<Secret> {
    Secret::read(url?, Path::new(""), "--ledger")
}
