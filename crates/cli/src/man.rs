//! `perennial man`: the manual pages, made of the one table of arguments.

use std::path::{Path, PathBuf};

use clap::{Args as ClapArgs, CommandFactory as _};

use crate::Run;
use crate::args::Args;
use crate::exit::{Exit, Failure, say};
use crate::output::Answer;

#[derive(Debug, ClapArgs)]
pub(crate) struct ManArgs {
    /// Where the pages of all commands go, made if it is not there; without it the first page is printed
    #[arg(value_name = "DIR")]
    folder: Option<PathBuf>,
}

pub(crate) fn run(args: &ManArgs) -> Run {
    match &args.folder {
        Some(folder) => {
            let unwritable = |error| {
                Failure::new(Exit::Other, format!("{} cannot be written to: {error}", folder.display()))
            };
            let pages = write(folder).map_err(unwritable)?;
            say(format_args!("{pages} pages are in {}", folder.display()));
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(Args::command())
                .render(&mut page)
                .map_err(|error| Failure::writing(&error))?;
            let mut out = Answer::new();
            out.write(&page)?;
            out.flush()?;
        }
    }
    Ok(Exit::Done)
}

/// Writes them all and gives their number.
fn write(folder: &Path) -> std::io::Result<usize> {
    std::fs::create_dir_all(folder)?;
    clap_mangen::generate_to(Args::command(), folder)?;
    let pages = std::fs::read_dir(folder)?.flatten();
    Ok(pages.filter(|page| page.file_name().to_string_lossy().starts_with("perennial")).count())
}
