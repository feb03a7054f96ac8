//! An upstream behind TLS, as the real one is: a simulator behind a server with a certificate of its own.

use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use perennial_sim::{Entry, Outcome};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;

use crate::rig::{Ran, Service, Sim, perennial};
use crate::services::{STREAM, request, send};

/// Less than any clock of the gateway that could notice behind the head of an answer instead of the connection.
const PATIENCE: Duration = Duration::from_secs(50);

/// TLS in front of a simulator.
struct Tls {
    url: String,
    folder: TempDir,
    /// The protocol that each connection agreed on.
    agreed: Arc<Mutex<Vec<String>>>,
}

impl Tls {
    fn before(sim: &Sim, protocols: &[&str]) -> Self {
        let names = ["127.0.0.1".to_owned(), "api.anthropic.com".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("trusted.pem"), made.cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let mut config = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let agreed: Arc<Mutex<Vec<String>>> = Arc::default();
        let listener = sim.runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let url = format!("https://{}", listener.local_addr().unwrap());
        let (log, behind) = (Arc::clone(&agreed), sim.handle.url().replace("http://", ""));
        sim.runtime.spawn(async move {
            loop {
                let (mut socket, _) = listener.accept().await.unwrap();
                let (acceptor, log, behind) = (acceptor.clone(), Arc::clone(&log), behind.clone());
                tokio::spawn(async move {
                    be_proxy_if_asked(&mut socket).await;
                    // A client that does not trust the certificate ends here.
                    let Ok(mut tls) = acceptor.accept(socket).await else { return };
                    let protocol = tls.get_ref().1.alpn_protocol().unwrap_or_default();
                    log.lock().push(String::from_utf8(protocol.to_vec()).unwrap());
                    let mut plain = TcpStream::connect(behind).await.unwrap();
                    // Either end may break off; what is asserted is what the other one sees.
                    drop(tokio::io::copy_bidirectional(&mut tls, &mut plain).await);
                });
            }
        });
        Self { url, folder, agreed }
    }

    /// A command for which this is the Claude API: its proxy is this server, and it trusts it.
    fn as_claude_api(&self, arguments: &[&str]) -> Command {
        let mut command = perennial(arguments);
        command.env("HTTPS_PROXY", self.url.replace("https://", "http://"));
        command.env("SSL_CERT_FILE", self.folder.path().join("trusted.pem"));
        command
    }

    fn serve(&self) -> Service {
        Service::start(
            perennial(&["serve", "--listen", "127.0.0.1:0", "--ping", "3600", "--upstream", &self.url])
                .env("SSL_CERT_FILE", self.folder.path().join("trusted.pem")),
        )
    }
}

/// Takes a `CONNECT` and is itself whatever host it asks for.
async fn be_proxy_if_asked(socket: &mut TcpStream) {
    let mut first = [0; 1];
    if socket.peek(&mut first).await.is_ok() && &first == b"C" {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.unwrap());
        }
        assert!(head.starts_with(b"CONNECT api.anthropic.com:443 "), "{}", String::from_utf8_lossy(&head));
        socket.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
    }
}

fn ordered(orders: &str) -> String {
    format!("POST /v1/messages HTTP/1.1\r\nx-api-key: k\r\nperennial-sim: {orders}\r\nx-rest:")
}

#[test]
fn the_gateway_relays_folds_and_tells_of_a_cut() {
    let sim = Sim::new();
    let tls = Tls::before(&sim, &["h2", "http/1.1"]);
    let service = tls.serve();
    let streamed = request(&service.url, &ordered(""), STREAM);
    assert!(streamed.starts_with("HTTP/1.1 200 OK\r\n"), "{streamed}");
    assert!(
        streamed.contains("event: message_stop") && streamed.contains("\r\nrequest-id: req_"),
        "{streamed}"
    );
    let message = request(&service.url, &ordered(""), &STREAM.replace("true", "false"));
    assert!(message.contains("\"stop_reason\":\"end_turn\""), "{message}");
    for orders in ["end@event=4", "fin@event=4", "rst@event=4"] {
        let cut = request(&service.url, &ordered(orders), STREAM);
        assert!(cut.contains("the answer is incomplete") && cut.contains("event: error"), "{orders}: {cut}");
        let cut = request(&service.url, &ordered(orders), &STREAM.replace("true", "false"));
        assert!(cut.starts_with("HTTP/1.1 502 "), "{orders}: {cut}");
    }
    // One connection for each stream that runs. Over HTTP/2 all streams would share one, with its limit of about a hundred, and
    // one client that does not read would hold up the others.
    let agreed = tls.agreed.lock().clone();
    assert!(agreed.iter().all(|protocol| protocol == "http/1.1"), "{agreed:?}");
}

#[test]
fn a_client_that_leaves_takes_the_upstream_along() {
    let sim = Sim::new();
    let tls = Tls::before(&sim, &["h2", "http/1.1"]);
    let service = tls.serve();
    for orders in ["stall@headers", "stall@event=0", "stall@event=4"] {
        sim.handle.journal().clear();
        let socket = send(&service.url, &ordered(&format!("{orders}; ping=never")), STREAM);
        sim.runtime.block_on(async {
            let asked = sim.handle.journal().wait_for(|_| true);
            tokio::time::timeout(PATIENCE, asked).await.expect("the upstream is asked");
            let left = Instant::now();
            drop(socket);
            let over = sim.handle.journal().wait_for(Entry::is_over);
            let entry = tokio::time::timeout(PATIENCE, over).await.expect("the upstream is closed");
            assert_eq!(entry.outcome, Outcome::ClientLeft, "{orders}");
            println!("{orders}: the upstream is closed after {:?}", left.elapsed());
        });
    }
}

#[test]
fn a_certificate_that_nobody_vouches_for_is_refused() {
    let sim = Sim::new();
    let tls = Tls::before(&sim, &["http/1.1"]);
    let service =
        Service::start(&mut perennial(&["serve", "--listen", "127.0.0.1:0", "--upstream", &tls.url]));
    let answer = request(&service.url, &ordered(""), STREAM);
    assert!(answer.starts_with("HTTP/1.1 502 ") && answer.contains("no connection"), "{answer}");
    service.signal("TERM");
    let (_, said) = service.end();
    assert!(said.contains("certificate"), "the log says why: {said}");
    assert!(sim.handle.journal().entries().is_empty());
}

#[test]
fn ask_and_doctor_speak_tls() {
    let sim = Sim::new();
    let tls = Tls::before(&sim, &["http/1.1"]);
    let run = |arguments: &[&str], trusts: bool| {
        let mut command = perennial(arguments);
        command.args(["--base-url", &tls.url]).env("ANTHROPIC_API_KEY", "sk-ant-secret-key");
        if trusts {
            command.env("SSL_CERT_FILE", tls.folder.path().join("trusted.pem"));
        }
        Ran::from(command.output().unwrap())
    };
    let asked = run(&["ask", "-q", "Say hello"], true);
    assert_eq!(asked.code, 0, "{}", asked.err);
    assert!(!asked.out.is_empty());
    let looked = run(&["doctor"], true);
    assert_eq!(looked.code, 0, "{}", looked.out);
    for arguments in [&["ask", "-q", "--retries", "0", "Say hello"][..], &["doctor"]] {
        let ran = run(arguments, false);
        assert_eq!(ran.code, 5, "{}{}", ran.out, ran.err);
        let said = ran.out + &ran.err;
        assert!(said.contains("certificate"), "{said}");
    }
}

#[test]
fn with_a_key_or_a_token_serve_asks_the_claude_api() {
    let sim = Sim::new();
    let tls = Tls::before(&sim, &["h2", "http/1.1"]);
    let service = Service::start(
        tls.as_claude_api(&["serve", "--listen", "127.0.0.1:0"])
            .env("ANTHROPIC_API_KEY", "sk-ant-secret-key"),
    );
    let streamed = request(&service.url, "POST /v1/messages", STREAM);
    assert!(streamed.contains("event: message_stop"), "{streamed}");
    let service = Service::start(
        tls.as_claude_api(&["serve", "--listen", "127.0.0.1:0"]).env("ANTHROPIC_AUTH_TOKEN", "secret-token"),
    );
    let streamed = request(&service.url, "POST /v1/messages", STREAM);
    assert!(streamed.contains("event: message_stop"), "{streamed}");
    let page = request(&service.url, "GET /", "");
    assert!(page.contains("Answers come from the Claude API") && !page.contains("secret"), "{page}");
}

#[test]
fn doctor_looks_for_the_claude_api_without_a_key_too() {
    let sim = Sim::new();
    let tls = Tls::before(&sim, &["http/1.1"]);
    let there = Ran::from(tls.as_claude_api(&["doctor"]).output().unwrap());
    assert_eq!(there.code, 0, "{}{}", there.out, there.err);
    for part in ["embedded simulator", "ok   network", "ok   clock", "refused, as it should be"] {
        assert!(there.out.contains(part), "{part}: {}", there.out);
    }
    let live = Ran::from(tls.as_claude_api(&["doctor", "--live", "--yes"]).output().unwrap());
    assert_eq!(live.code, 3, "{}{}", live.out, live.err);
    assert!(live.err.contains("needs a key"), "{}", live.err);
}
