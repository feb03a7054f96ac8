//! Where the ledger is: an address, or a file in the folder for data.

use std::path::{Path, PathBuf};

use clap::Args;
use perennial_ledger::{Error, Ledger, Options, Prices};

use crate::exit::{Exit, Failure};
use crate::store::{self, StoreArgs};

/// For commands that look into a ledger.
#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    /// Where the ledger is: sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE; without it `ledger.db` in the folder for data
    #[arg(long, value_name = "URL", env = "PERENNIAL_LEDGER", hide_env_values = true, global = true)]
    ledger: Option<String>,
    /// The folder for data, as of `perennial serve`
    #[arg(long, value_name = "DIR", env = "PERENNIAL_DATA", global = true)]
    data: Option<PathBuf>,
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
    pub(crate) async fn open(&self) -> Result<Ledger, Failure> {
        let url = match given(&self.ledger) {
            Some(url) => url,
            None => in_folder(self.data.as_deref())?,
        };
        open(&url, Options::default()).await
    }
}

impl MoneyArgs {
    pub(crate) async fn open(&self, store: &StoreArgs) -> Result<Ledger, Failure> {
        let mut options = Options::default();
        if let Some(file) = self.prices.as_ref().filter(|file| !file.as_os_str().is_empty()) {
            options.prices = Prices::embedded()
                .overridden_from(file)
                .map_err(|error| Failure::new(Exit::Configuration, error))?;
        }
        let url = match given(&self.ledger) {
            Some(url) => url,
            // What is kept of streams is kept of their cost.
            None if store.is_memory() => "sqlite::memory:".to_owned(),
            None => in_folder(store.data())?,
        };
        open(&url, options).await
    }
}

/// A failure of the ledger, once it is open.
pub(crate) fn failure(error: &Error) -> Failure {
    Failure::new(if error.is_invalid() { Exit::Usage } else { Exit::Other }, error)
}

async fn open(url: &str, options: Options) -> Result<Ledger, Failure> {
    Ledger::open_with(url, options).await.map_err(|error| Failure::new(Exit::Configuration, error))
}

fn in_folder(named: Option<&Path>) -> Result<String, Failure> {
    let folder = store::folder(named)?;
    store::make_private(&folder)
        .map_err(|error| Failure::new(Exit::Configuration, format!("{}: {error}", folder.display())))?;
    Ok(format!("sqlite:{}", folder.join(store::LEDGER).display()))
}

/// An empty variable of the environment is none.
fn given(url: &Option<String>) -> Option<String> {
    url.clone().filter(|url| !url.trim().is_empty())
}
