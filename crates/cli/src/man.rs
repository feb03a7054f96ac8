//! `perennial man`: the manual pages, made of the one table of arguments.

use std::path::{Path, PathBuf};

use clap::{Args, Command};

use crate::Run;
use crate::exit::{Exit, Failure, say};
use crate::output::Answer;

#[derive(Debug, Args)]
pub(crate) struct ManArgs {
    /// Where the pages of all commands go, made if it is not there; without it the first page is printed
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

/// `table` is what the command line is.
pub(crate) fn run(args: &ManArgs, table: Command) -> Run {
    match &args.folder {
        Some(folder) => {
            let unwritable = |error| {
                Failure::new(Exit::Other, format!("{} cannot be written to: {error}", folder.display()))
            };
            let pages = write(folder, table).map_err(unwritable)?;
            say(format_args!("{pages} pages are in {}", folder.display()));
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(table).render(&mut page).map_err(|error| Failure::writing(&error))?;
            let mut out = Answer::new();
            out.write(&page)?;
            out.flush()?;
        }
    }
    Ok(Exit::Done)
}

/// Writes them all and gives their number.
fn write(folder: &Path, table: Command) -> std::io::Result<usize> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(table, folder)?;
    let pages = std::fs::read_dir(folder)?.flatten();
    Ok(pages.filter(|page| page.file_name().to_string_lossy().starts_with("perennial")).count())
}
