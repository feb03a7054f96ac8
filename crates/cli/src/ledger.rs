//! Where the ledger is: an address, or a file in the folder for data.

use std::path::PathBuf;

use clap::Args;
use perennial_ledger::{Error, Ledger, Options};

use crate::exit::{Exit, Failure};
use crate::store;

#[derive(Debug, Args)]
pub(crate) struct LedgerArgs {
    /// Where the ledger is: sqlite:FILE or postgres://USER:PASSWORD@HOST/DATABASE; without it `ledger.db` in the folder for data
    #[arg(long, value_name = "URL", env = "PERENNIAL_LEDGER", hide_env_values = true, global = true)]
    ledger: Option<String>,
    /// The folder for data, as of `perennial serve`
    #[arg(long, value_name = "DIR", env = "PERENNIAL_DATA", global = true)]
    data: Option<PathBuf>,
}

impl LedgerArgs {
    pub(crate) async fn open(&self) -> Result<Ledger, Failure> {
        let url = match self.ledger.as_deref().filter(|url| !url.trim().is_empty()) {
            Some(url) => url.to_owned(),
            None => {
                let folder = store::folder(self.data.as_deref())?;
                store::make_private(&folder).map_err(|error| {
                    Failure::new(Exit::Configuration, format!("{}: {error}", folder.display()))
                })?;
                format!("sqlite:{}", folder.join("ledger.db").display())
            }
        };
        Ledger::open_with(&url, Options::default())
            .await
            .map_err(|error| Failure::new(Exit::Configuration, error))
    }
}

/// A failure of the ledger, once it is open.
pub(crate) fn failure(error: &Error) -> Failure {
    Failure::new(if error.is_invalid() { Exit::Usage } else { Exit::Other }, error)
}
