//! Listening: an address, the one line that says where, and the signals that end it.

use std::io::Write as _;
use std::net::{SocketAddr, ToSocketAddrs as _};

use tokio::net::TcpListener;

use crate::exit::{Exit, Failure};

/// Binds `address`.
pub(crate) async fn bind(address: SocketAddr) -> Result<TcpListener, Failure> {
    TcpListener::bind(address).await.map_err(|error| {
        let hint = match error.kind() {
            std::io::ErrorKind::AddrInUse => "; choose another with --listen, port 0 takes any free one",
            _ => "",
        };
        Failure::new(Exit::Configuration, format!("cannot listen on {address}: {error}{hint}"))
    })
}

/// An address to listen on, such as `127.0.0.1:8787`, `[::1]:0` or `localhost:8787`.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let resolved = text.to_socket_addrs().map_err(|error| format!("not HOST:PORT ({error})"))?;
    let addresses: Vec<SocketAddr> = resolved.collect();
    let first = addresses.iter().find(|address| address.is_ipv4()).or(addresses.first());
    first.copied().ok_or_else(|| "the host has no address".to_owned())
}

/// Prints the one line that programs wait for.
pub(crate) fn announce(listener: &TcpListener) -> Result<(), Failure> {
    let address = listener.local_addr().map_err(|error| Failure::new(Exit::Other, error))?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "listening on http://{address}")
        .and_then(|()| out.flush())
        .map_err(|error| Failure::writing(&error))
}

/// The signals that ask to stop, SIGINT and SIGTERM; caught from when this is made.
#[derive(Debug)]
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

impl Signals {
    pub(crate) fn catch() -> Result<Self, Failure> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let caught = |kind| {
                signal(kind).map_err(|error| Failure::new(Exit::Other, format!("no signals: {error}")))
            };
            Ok(Self {
                interrupt: caught(SignalKind::interrupt())?,
                terminate: caught(SignalKind::terminate())?,
            })
        }
        #[cfg(not(unix))]
        Ok(Self {})
    }

    /// The next one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
        #[cfg(not(unix))]
        if tokio::signal::ctrl_c().await.is_err() {
            // Only the end of the process ends it.
            std::future::pending::<()>().await;
        }
    }
}

/// The signal that asks to pause, SIGTSTP (Ctrl-Z): caught, so that a screen can be tidied up before.
#[derive(Debug)]
pub(crate) struct Pauses {
    #[cfg(unix)]
    pause: Option<tokio::signal::unix::Signal>,
}

impl Pauses {
    /// Where it cannot be caught, the system pauses the process by itself.
    pub(crate) fn catch() -> Self {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let kind = SignalKind::from_raw(rustix::process::Signal::TSTP.as_raw());
            Self { pause: signal(kind).ok() }
        }
        #[cfg(not(unix))]
        Self {}
    }

    /// The next one. [`pause`](Self::pause) is then to be called.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(pause) = &mut self.pause
            && pause.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }

    /// Pauses this process, until the shell lets it go on.
    pub(crate) fn pause() {
        #[cfg(unix)]
        {
            use rustix::process::{Signal, getpid, kill_process};
            use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
            // What is typed for the shell is to be seen, also where it is not for this process.
            let stdin = std::io::stdin();
            let modes = tcgetattr(&stdin).ok().filter(|modes| !modes.local_modes.contains(LocalModes::ECHO));
            if let Some(quiet) = &modes {
                let mut shown = quiet.clone();
                shown.local_modes.insert(LocalModes::ECHO);
                let _ = tcsetattr(&stdin, OptionalActions::Now, &shown);
            }
            // What cannot be paused goes on.
            let _ = kill_process(getpid(), Signal::STOP);
            if let Some(quiet) = &modes {
                let _ = tcsetattr(&stdin, OptionalActions::Now, quiet);
            }
        }
    }
}

/// The signal that asks to read the settings again, SIGHUP; where it is caught.
#[derive(Debug)]
pub(crate) struct Hangups {
    #[cfg(unix)]
    hangup: Option<tokio::signal::unix::Signal>,
}

impl Hangups {
    pub(crate) fn catch(wanted: bool) -> Result<Self, Failure> {
        #[cfg(unix)]
        {
            use tokio::signal::unix::{SignalKind, signal};
            let caught = wanted.then(|| signal(SignalKind::hangup())).transpose();
            let hangup = caught.map_err(|error| Failure::new(Exit::Other, format!("no signals: {error}")))?;
            Ok(Self { hangup })
        }
        #[cfg(not(unix))]
        {
            let _ = wanted;
            Ok(Self {})
        }
    }

    /// The next one.
    pub(crate) async fn next(&mut self) {
        #[cfg(unix)]
        if let Some(hangup) = &mut self.hangup
            && hangup.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

/// A runtime for the services: one worker for each core, and as many files as the system lets this process have.
pub(crate) fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    raise_file_limit();
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::new(Exit::Other, format!("no runtime could be started: {error}")))
}

/// Each stream has two sockets, and the usual soft limit is 1,024 files: kept low for programs that use `select`, which this one does not.
fn raise_file_limit() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, getrlimit, setrlimit};
        let mut limit = getrlimit(Resource::Nofile);
        limit.current = limit.maximum;
        // Where it may not be raised it stays, and an accept that fails says so in the log.
        let _ = setrlimit(Resource::Nofile, limit);
    }
}
