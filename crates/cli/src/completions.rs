//! `perennial completions`: what a shell needs to complete this command, made of the one table of arguments.

use clap::{Args, Command};
use clap_complete::Shell;

use crate::Run;
use crate::exit::Exit;
use crate::output::Answer;

#[derive(Debug, Args)]
pub(crate) struct CompletionsArgs {
    /// bash, zsh, fish, powershell or elvish
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    shell: Shell,
}

/// `table` is what the command line is.
pub(crate) fn run(args: &CompletionsArgs, mut table: Command) -> Run {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut table, "perennial", &mut script);
    let mut out = Answer::new();
    out.write(&script)?;
    out.flush()?;
    Ok(Exit::Done)
}
