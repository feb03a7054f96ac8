//! `perennial keys`: the keys that a gateway gives out.

mod rules;
mod shown;

use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use perennial_ledger::{Ledger, NewKey, Shown, VirtualKey};

use self::rules::RuleArgs;
use crate::exit::{Exit, Failure, say};
use crate::ledger::{LedgerArgs, failure};
use crate::moment::{self, Moment};
use crate::output::Answer;
use crate::{Run, listen};

#[derive(Debug, Args)]
pub(crate) struct KeysArgs {
    #[command(subcommand)]
    command: Command,
    #[command(flatten)]
    place: LedgerArgs,
    /// JSON, one line for each key
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make a key; its secret is the answer, and is shown this once
    Create(CreateArgs),
    /// Show the keys, their rules and what they spent
    List(ListArgs),
    /// Take a key back: whoever shows it is refused
    Revoke(KeyArg),
    /// Give a key a new secret, which is the answer; the key stays the same one
    Rotate(RotateArgs),
}

#[derive(Debug, Args)]
struct CreateArgs {
    /// What people call the key
    name: String,
    /// Whose it is, in words
    #[arg(long, value_name = "TEXT")]
    owner: Option<String>,
    /// From when on it is refused: 90d from now, or a day
    #[arg(long, value_name = "WHEN", value_parser = moment::moment)]
    expires: Option<Moment>,
    #[command(flatten, next_help_heading = "Rules; what is not set is not limited")]
    rules: RuleArgs,
}

#[derive(Debug, Args)]
struct ListArgs {
    /// Expired and revoked ones too
    #[arg(long)]
    all: bool,
}

#[derive(Debug, Args)]
struct KeyArg {
    /// Its id, or its name if no other key has that
    key: String,
}

#[derive(Debug, Args)]
struct RotateArgs {
    #[command(flatten)]
    key: KeyArg,
    /// How long the secrets are still taken that it had
    #[arg(long, value_name = "SPAN", default_value = "24h", value_parser = moment::span)]
    overlap: Duration,
}

pub(crate) fn run(args: &KeysArgs) -> Run {
    listen::runtime()?.block_on(async {
        let ledger = args.place.open().await?;
        let done = act(args, &ledger).await;
        // What was done is done, and nothing waits to be written.
        drop(ledger.close().await);
        done.map(|()| Exit::Done)
    })
}

async fn act(args: &KeysArgs, ledger: &Ledger) -> Result<(), Failure> {
    let mut answer = Answer::new();
    match &args.command {
        Command::Create(create) => {
            let mut new = NewKey::named(&create.name);
            new.owner.clone_from(&create.owner);
            new.expires = create.expires.map(|expires| expires.after(jiff::Timestamp::now()));
            new.rules = create.rules.rules();
            let (key, secret) = ledger.create_key(&new).await.map_err(|error| failure(&error))?;
            tell(&mut answer, args.json, &key, &secret)?;
            say(format!("{} is made; its secret is shown this once", key.id));
        }
        Command::Rotate(rotate) => {
            let key = find(ledger, &rotate.key.key)?;
            let rotated = ledger.rotate_key(&key.id, rotate.overlap).await;
            let (key, secret) = rotated.map_err(|error| failure(&error))?;
            tell(&mut answer, args.json, &key, &secret)?;
            say(format!("{} has a new secret, shown this once; those it had end soon or have ended", key.id));
        }
        Command::Revoke(revoke) => {
            let key = find(ledger, &revoke.key)?;
            let key = ledger.revoke_key(&key.id).await.map_err(|error| failure(&error))?;
            if args.json {
                answer.json(&*key)?;
            }
            say(format!("{} is revoked; streams that run go on", key.id));
        }
        Command::List(list) => {
            let now = jiff::Timestamp::now();
            let keys = ledger.keys().list();
            let listed: Vec<_> = keys.iter().filter(|key| list.all || key.is_usable(now)).cloned().collect();
            shown::list(&mut answer, ledger, &listed, now, args.json)?;
            if listed.len() < keys.len() {
                say(format!("{} expired or revoked; --all shows them", keys.len() - listed.len()));
            }
        }
    }
    answer.flush()
}

/// The secret, and with JSON the key beside it.
fn tell(answer: &mut Answer, json: bool, key: &VirtualKey, secret: &Shown) -> Result<(), Failure> {
    if json {
        return answer.json(&shown::WithSecret { secret: secret.expose(), key });
    }
    answer.write(format!("{}\n", secret.expose()).as_bytes())
}

/// The key of an id or of a name that no other has; expired and revoked ones go by their id.
fn find(ledger: &Ledger, named: &str) -> Result<Arc<VirtualKey>, Failure> {
    if let Some(key) = ledger.keys().get(named) {
        return Ok(key);
    }
    let now = jiff::Timestamp::now();
    let keys = ledger.keys().list();
    let mut of_name = keys.into_iter().filter(|key| key.name == named && key.is_usable(now));
    match (of_name.next(), of_name.next()) {
        (Some(key), None) => Ok(key),
        (None, _) => Err(Failure::new(
            Exit::Other,
            format!("there is no key `{named}`; `perennial keys list` shows all"),
        )),
        (Some(_), Some(_)) => {
            Err(Failure::new(Exit::Usage, format!("several keys are called `{named}`: give the id of one")))
        }
    }
}
