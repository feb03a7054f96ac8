//! `perennial serve`: the gateway as a service.

mod args;
mod target;

use std::sync::Arc;

use perennial_gateway::{Gateway, Reloader};
use perennial_history::History;
use perennial_ledger::Ledger;
use tokio::sync::oneshot;

pub(crate) use self::args::ServeArgs;
use self::target::Simulator;
use crate::config::{self, Config, File};
use crate::exit::{Exit, Failure, say};
use crate::listen::{self, Hangups, Signals};
use crate::{Run, ledger, store};

/// What runs, and what it was told.
struct Running<'a> {
    args: &'a ServeArgs,
    file: Option<File>,
    /// With what it was started: some of it cannot change.
    started: Config,
    simulator: Simulator,
    ledger: Arc<Ledger>,
    reloader: Reloader,
    address: std::net::SocketAddr,
}

pub(crate) fn run(args: &ServeArgs) -> Run {
    listen::runtime()?.block_on(Box::pin(serve(args)))
}

/// Whether a gateway can be made of these settings: every secret is there, every upstream an address.
pub(crate) fn check(config: &Config) -> Result<(), Failure> {
    ledger::prices(&config.ledger)?;
    config.simulator.builder()?;
    build(target::of(config, &config.upstreams)?)?
        .may_listen(config.listen)
        .map_err(|error| Failure::new(Exit::Configuration, error))
}

fn build(builder: perennial_gateway::Builder) -> Result<Gateway, Failure> {
    builder.build().map_err(|error| Failure::new(Exit::Configuration, error))
}

/// Where conversations are kept: what is named, else a file in the folder for data; without a folder, in memory.
async fn conversations(config: &Config) -> Result<History, Failure> {
    let unusable = |error: perennial_history::Error| Failure::new(Exit::Configuration, error);
    match &config.conversations.url {
        Some(url) => {
            let url = url.reveal().map_err(|wrong| Failure::new(Exit::Configuration, wrong))?;
            History::open(&url).await.map_err(unusable)
        }
        // What is kept of streams is kept of conversations.
        None if config.store.is_memory() => History::open("sqlite::memory:").await.map_err(unusable),
        None => {
            let file = store::folder(config.store.data())?.join(store::CONVERSATIONS);
            History::open_file(file).await.map_err(unusable)
        }
    }
}

async fn serve(args: &ServeArgs) -> Run {
    let file = config::find(args.config.as_deref());
    let config = args.over(file.as_ref())?;
    config.log.start();
    // The embedded simulator lives as long as this.
    let mut simulator = Simulator::default();
    let builder = target::builder(&config, &mut simulator).await?;
    let store = config.store.open().await?;
    let ledger = Arc::new(ledger::of(&config).await?);
    // The folder is this process's alone, and so is its secret.
    let history = conversations(&config).await?.at(&store.secret.place());
    let gateway = build(
        builder
            .log(Arc::clone(&store.log))
            .ledger(Arc::clone(&ledger))
            .history(history.clone())
            .secret(store.secret)
            .threads(std::thread::available_parallelism().map_or(1, usize::from)),
    )?;
    let unusable = |error| Failure::new(Exit::Configuration, error);
    gateway.may_listen(config.listen).map_err(unusable)?;
    let listener = listen::bind(config.listen).await?;
    let address = listener.local_addr().map_err(|error| Failure::new(Exit::Other, error))?;
    target::is_elsewhere(&config.upstreams, address)?;
    // Caught before anyone can know that it runs.
    let mut signals = Signals::catch()?;
    // Without a file a terminal that closes ends it, as it ends any program.
    let mut hangups = Hangups::catch(file.is_some())?;
    listen::announce(&listener)?;
    let reloader = gateway.reloader();
    let mut running =
        Running { args, file, started: config, simulator, ledger: Arc::clone(&ledger), reloader, address };
    let (stop, stopped) = oneshot::channel::<()>();
    let mut serving = std::pin::pin!(gateway.run(listener, async { drop(stopped.await) }));
    let served = loop {
        tokio::select! {
            served = &mut serving => break served,
            () = hangups.next() => running.reload().await,
            () = signals.next() => {
                say("stopping: no new requests; running streams may end (a second signal ends them now)");
                drop(stop);
                tokio::select! {
                    served = &mut serving => break served,
                    // What still runs is settled at the next start.
                    () = signals.next() => return Ok(Exit::Interrupted),
                }
            }
        }
    };
    history.close().await;
    // The last rows are those of the streams that ended just now.
    ledger.close().await.map_err(|error| Failure::new(Exit::Other, error))?;
    store.log.close().await.map_err(|error| Failure::new(Exit::Other, error))?;
    served.map(|()| Exit::Done).map_err(unusable)
}

impl Running<'_> {
    /// Reads the file again. What is wrong changes nothing, and is said.
    async fn reload(&mut self) {
        let name = self.file.as_ref().map(File::name).unwrap_or_default();
        match self.apply().await {
            Ok(kept) => {
                for path in kept {
                    say(format_args!("{name}: {path} has changed, which counts from the next start"));
                }
                say(format_args!("{name} was read again; what is asked from now on has its settings"));
            }
            Err(failure) => {
                failure.report();
                say(format_args!("{name} was read again and is wrong; nothing has changed"));
            }
        }
    }

    /// Applies what can be changed, and gives the rest.
    async fn apply(&mut self) -> Result<Vec<&'static str>, Failure> {
        let config = self.args.over(self.file.as_ref())?;
        let prices = ledger::prices(&config.ledger)?;
        target::is_elsewhere(&config.upstreams, self.address)?;
        let builder = target::builder(&config, &mut self.simulator).await?;
        self.reloader.reload(builder).map_err(|error| Failure::new(Exit::Configuration, error))?;
        self.ledger.set_prices(prices);
        Ok(config::changed_at_start(&self.started, &config))
    }
}
