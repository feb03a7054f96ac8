//! A door before a simulator: what lies behind it comes when a test opens it, and not when a clock rings.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub(crate) struct Door {
    pub(crate) url: String,
    is_open: watch::Sender<bool>,
}

/// What of each answer comes through a door that is shut.
#[derive(Clone, Copy, Debug)]
#[allow(dead_code, reason = "not every suite holds in each way")]
pub(crate) enum Shut {
    /// Not even its head.
    Entirely,
    /// Its head, and so many bytes of its body as it is on the wire.
    After(usize),
    /// So many events.
    Events(usize),
}

impl Shut {
    /// How much of these bytes may pass, and whether that is all for now.
    fn passes(self, came: &[u8]) -> (usize, bool) {
        let ends = |pattern: &'static [u8]| {
            let windows = came.windows(pattern.len()).enumerate();
            windows.filter(move |(_, window)| *window == pattern).map(move |(at, _)| at + pattern.len())
        };
        let free = match self {
            Self::Entirely => Some(0),
            Self::After(bytes) => ends(b"\r\n\r\n").next().map(|head| head + bytes),
            Self::Events(count) => ends(b"\n\n").nth(count.saturating_sub(1)),
        };
        match free {
            Some(free) if free < came.len() => (free, true),
            Some(_) => (came.len(), false),
            // The head is not there yet, or events are to come.
            None if matches!(self, Self::Events(_)) => (came.len(), false),
            None => (0, false),
        }
    }
}

impl Door {
    pub(crate) async fn before(upstream: &str, shut: Shut) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behind = upstream.replace("http://", "");
        let is_open = watch::Sender::new(false);
        let opened = is_open.subscribe();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let upstream = TcpStream::connect(&behind).await.unwrap();
                tokio::spawn(pass(socket, upstream, shut, opened.clone()));
            }
        });
        Self { url, is_open }
    }

    pub(crate) fn open(&self) {
        self.is_open.send_replace(true);
    }
}

/// Either side that ends ends the other.
async fn pass(socket: TcpStream, upstream: TcpStream, shut: Shut, mut opened: watch::Receiver<bool>) {
    let ((mut asked, mut answered), (mut answer, mut question)) =
        (socket.into_split(), upstream.into_split());
    let answers = async {
        let (mut came, mut passed) = (Vec::new(), 0);
        while answer.read_buf(&mut came).await? > 0 {
            let (free, is_all) = shut.passes(&came);
            answered.write_all(&came[passed..free]).await?;
            passed = free;
            if is_all {
                break;
            }
        }
        // A test that is over leaves it shut.
        drop(opened.wait_for(|is_open| *is_open).await);
        answered.write_all(&came[passed..]).await?;
        tokio::io::copy(&mut answer, &mut answered).await
    };
    tokio::select! {
        _ = tokio::io::copy(&mut asked, &mut question) => {}
        _ = answers => {}
    }
}
