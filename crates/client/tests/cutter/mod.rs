//! A wire between client and gateway that breaks after a number of bytes.
#![allow(dead_code, reason = "each test binary uses a part of it")]

use std::net::SocketAddr;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use socket2::SockRef;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// Closes each connection after so many bytes from the gateway, by FIN and by RST in turn.
pub(crate) struct Cutter {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: AbortHandle,
}

struct Shared {
    target: Mutex<Option<SocketAddr>>,
    random: Mutex<fastrand::Rng>,
    after: Range<usize>,
    most: AtomicU64,
    connections: AtomicU64,
    cuts: AtomicU64,
}

impl Cutter {
    pub(crate) async fn to(target: SocketAddr, seed: u64, after: Range<usize>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            target: Mutex::new(Some(target)),
            random: Mutex::new(fastrand::Rng::with_seed(seed)),
            after,
            most: AtomicU64::new(u64::MAX),
            connections: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
        });
        let task = tokio::spawn(accept(listener, Arc::clone(&shared))).abort_handle();
        Self { address, shared, task }
    }

    /// Cuts so often, and no more.
    pub(crate) fn at_most(self, cuts: u64) -> Self {
        self.shared.most.store(cuts, Ordering::SeqCst);
        self
    }

    /// Leads to somebody else from now on, or to nobody.
    pub(crate) fn aim(&self, target: Option<SocketAddr>) {
        *self.shared.target.lock() = target;
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn connections(&self) -> u64 {
        self.shared.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn cuts(&self) -> u64 {
        self.shared.cuts.load(Ordering::SeqCst)
    }
}

impl Drop for Cutter {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let (client, _) = listener.accept().await.unwrap();
        let Some(target) = *shared.target.lock() else { continue };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        tokio::spawn(carry(client, target, Arc::clone(&shared)));
    }
}

async fn carry(client: TcpStream, target: SocketAddr, shared: Arc<Shared>) {
    let Ok(gateway) = TcpStream::connect(target).await else { return };
    let is_cut = shared.cuts.load(Ordering::SeqCst) < shared.most.load(Ordering::SeqCst);
    let (mut left, by_reset) = {
        let mut random = shared.random.lock();
        let after = random.usize(shared.after.clone());
        (if is_cut { after } else { usize::MAX }, random.bool())
    };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_gateway, mut to_gateway) = gateway.into_split();
    let up = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_gateway).await });
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = from_gateway.read(&mut buffer).await {
        let pass = read.min(left);
        if to_client.write_all(&buffer[..pass]).await.is_err() {
            break;
        }
        left -= pass;
        if left == 0 {
            shared.cuts.fetch_add(1, Ordering::SeqCst);
            if by_reset {
                let reset = SockRef::from(to_client.as_ref()).set_linger(Some(std::time::Duration::ZERO));
                reset.unwrap();
            }
            break;
        }
    }
    up.abort();
}
