//! `perennial config`: whether a file is right, and an example of one.

use std::io::Write as _;
use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::example::example;
use super::{file, wrong::Wrongs};
use crate::Run;
use crate::exit::{EXIT_CODES, Exit, Failure, say};
use crate::serve;

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct ConfigArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// See whether a file of settings is right, and what is wrong with it
    Check {
        /// The file; without it the one of PERENNIAL_CONFIG, else perennial.toml in this folder
        #[arg(value_name = "FILE", env = "PERENNIAL_CONFIG")]
        file: Option<PathBuf>,
    },
    /// Print a file with all settings, their meaning and their defaults
    Example,
}

pub(crate) fn run(args: &ConfigArgs) -> Run {
    match &args.what {
        What::Example => {
            let mut out = std::io::stdout().lock();
            out.write_all(example().as_bytes())
                .and_then(|()| out.flush())
                .map_err(|error| Failure::writing(&error))?;
        }
        What::Check { file } => {
            let file = file::find(file.as_deref()).ok_or_else(|| {
                Failure::new(Exit::Usage, "there is no perennial.toml in this folder: name a file")
            })?;
            let config = file::read(Some(&file)).map_err(Wrongs::failure)?;
            serve::check(&config)?;
            say(format_args!("{}: right", file.name()));
        }
    }
    Ok(Exit::Done)
}
