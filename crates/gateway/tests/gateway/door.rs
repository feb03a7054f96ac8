//! A door between gateway and simulator: what lies behind it comes when a test opens it, and not when a clock rings.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use perennial_gateway::{Builder, Gateway, Recovery};
use perennial_sim::Pace;

use crate::rig::{Rig, simulator};

pub(crate) struct Door {
    url: String,
    is_open: watch::Sender<bool>,
}

/// Inside an event in the middle of the text.
pub(crate) const IN_TEXT: usize = 1_200;

impl Door {
    /// Not even a head comes through.
    pub(crate) const SHUT: usize = usize::MAX;

    /// Lets the head of each answer through, and so many bytes behind it.
    pub(crate) async fn before(upstream: &str, bytes: usize) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let behind = upstream.replace("http://", "");
        let is_open = watch::Sender::new(false);
        let opened = is_open.subscribe();
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let upstream = TcpStream::connect(&behind).await.unwrap();
                tokio::spawn(pass(socket, upstream, bytes, opened.clone()));
            }
        });
        Self { url, is_open }
    }

    pub(crate) fn open(&self) {
        self.is_open.send_replace(true);
    }
}

/// Either side that ends ends the other.
async fn pass(socket: TcpStream, upstream: TcpStream, bytes: usize, mut opened: watch::Receiver<bool>) {
    let ((mut asked, mut answered), (mut answer, mut question)) =
        (socket.into_split(), upstream.into_split());
    let answers = async {
        let mut came = Vec::new();
        let mut held = 0;
        while answer.read_buf(&mut came).await? > 0 {
            if bytes == Door::SHUT {
                break;
            }
            let head = came.windows(4).position(|window| window == b"\r\n\r\n").map(|at| at + 4);
            let free = head.map_or(0, |head| came.len().min(head + bytes));
            answered.write_all(&came[held..free]).await?;
            held = free;
            if held < came.len() && head.is_some() {
                break;
            }
        }
        // A test that is over leaves it shut.
        drop(opened.wait_for(|is_open| *is_open).await);
        answered.write_all(&came[held..]).await?;
        tokio::io::copy(&mut answer, &mut answered).await
    };
    tokio::select! {
        _ = tokio::io::copy(&mut asked, &mut question) => {}
        _ = answers => {}
    }
}

impl Rig {
    /// With a door before the simulator, for answers that run as long as a test wants them to.
    pub(crate) async fn behind_door(bytes: usize, change: impl FnOnce(Builder) -> Builder) -> (Self, Door) {
        let sim = simulator().pace(Pace::instant()).spawn().await.unwrap();
        let door = Door::before(&sim.url(), bytes).await;
        let gateway = change(Gateway::builder(door.url.clone()).recovery(Recovery::none()));
        let gateway = gateway.build().unwrap().spawn().await.unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        (Self { sim, gateway, http }, door)
    }
}
