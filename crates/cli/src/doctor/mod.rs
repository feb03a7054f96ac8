//! `perennial doctor`: whether things are in place, in words; with `--live`, whether the real service is what we take it for.

mod assume;
mod inquiry;
mod plain;
mod report;
mod seen;
mod wire;

use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;

use clap::Args;

use crate::Run;
use crate::exit::{EXIT_CODES, Exit, Failure, say};
use crate::output::Answer;
use report::Report;
use wire::Wire;

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct DoctorArgs {
    /// Where to ask, without /v1 [env: ANTHROPIC_BASE_URL]
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Hold the real service against what this version assumes of it. Costs a few cents, and asks first
    #[arg(long)]
    live: bool,
    /// Do not ask before --live
    #[arg(short, long, requires = "live")]
    yes: bool,
    /// Only these models; without it one of each generation
    #[arg(short, long, value_name = "MODEL", requires = "live")]
    model: Vec<String>,
    /// Where the report of --live goes; it holds no key and no answer, and can be sent to the project
    #[arg(long, value_name = "FILE", requires = "live", default_value = "perennial-live-report.json")]
    report: PathBuf,
}

pub(crate) fn run(args: &DoctorArgs) -> Run {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Other, format!("no runtime could be started: {error}")))?;
    runtime.block_on(async {
        let mut out = Answer::new();
        let wire = Wire::from_env(args.base_url.as_deref())?;
        let exit = plain::look(&wire, &mut out).await?;
        out.flush()?;
        if !args.live || exit != Exit::Done {
            return Ok(exit);
        }
        if wire.lacks_key() {
            return Err(Failure::new(
                Exit::Configuration,
                "doctor --live needs a key: set ANTHROPIC_API_KEY",
            ));
        }
        live(args, &wire, &mut out).await
    })
}

async fn live(args: &DoctorArgs, wire: &Wire, out: &mut Answer) -> Run {
    let models = inquiry::models(wire, &args.model).await;
    let requests = inquiry::requests(&models);
    if !args.yes && !agreed(wire.base(), requests, models.len())? {
        say("nothing was asked");
        return Ok(Exit::Done);
    }
    let checks = inquiry::inquire(wire, &models, |name| say(format_args!("asking: {name}"))).await;
    let report = Report::new(wire.base(), checks);
    out.write(report.markdown().as_bytes())?;
    out.flush()?;
    let json = report.json();
    std::fs::write(&args.report, json).map_err(|error| {
        Failure::new(Exit::Other, format!("{} cannot be written: {error}", args.report.display()))
    })?;
    say(format_args!("the report is in {}; it holds no key and no answer", args.report.display()));
    Ok(if report.all_as_assumed() { Exit::Done } else { Exit::Other })
}

fn agreed(base: &str, requests: usize, models: usize) -> Result<bool, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::new(
            Exit::Usage,
            "doctor --live spends money: say --yes where nobody can be asked",
        ));
    }
    let mut errors = io::stderr().lock();
    drop(write!(
        errors,
        "About {requests} short requests go to {base}, to {models} models; that costs a few cents. Go on? [y/N] "
    ));
    drop(errors.flush());
    let mut line = String::new();
    drop(io::stdin().lock().read_line(&mut line));
    Ok(matches!(line.trim(), "y" | "Y" | "yes"))
}
