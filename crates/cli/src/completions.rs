//! `perennial completions`: what a shell needs to complete this command, made of the one table of arguments.

use clap::CommandFactory as _;
use clap_complete::Shell;

use crate::Run;
use crate::args::Args;
use crate::exit::Exit;
use crate::output::Answer;

#[derive(Debug, clap::Args)]
pub(crate) struct CompletionsArgs {
    /// bash, zsh, fish, powershell or elvish
    #[arg(value_name = "SHELL", hide_possible_values = true)]
    shell: Shell,
}

pub(crate) fn run(args: &CompletionsArgs) -> Run {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Args::command(), "perennial", &mut script);
    let mut out = Answer::new();
    out.write(&script)?;
    out.flush()?;
    Ok(Exit::Done)
}
