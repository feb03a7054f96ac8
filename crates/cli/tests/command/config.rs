//! The file of settings: found, checked, overruled, and read again while the gateway runs.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use tempfile::TempDir;

use crate::rig::{Ran, Service, Sim, perennial, run};
use crate::services::{STREAM, request, send};

/// A folder with this file of settings.
fn folder(text: &str) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("perennial.toml"), text).unwrap();
    folder
}

fn file(folder: &TempDir) -> String {
    folder.path().join("perennial.toml").display().to_string()
}

fn check(text: &str) -> Ran {
    run(&["config", "check", &file(&folder(text))])
}

#[test]
fn an_example_has_everything_and_passes() {
    let example = run(&["config", "example"]);
    assert_eq!((example.code, &*example.err), (0, ""));
    for part in ["[[upstream]]", "[clocks]", "ping = \"15s\"", "durability = \"process\""] {
        assert!(example.out.contains(part), "{part}");
    }
    let checked = check(&example.out);
    assert_eq!((checked.code, &*checked.out), (0, ""), "{}", checked.err);
    // Found in the folder, too.
    let folder = folder(&example.out);
    let found: Ran = perennial(&["config", "check"]).current_dir(folder.path()).output().unwrap().into();
    assert_eq!(found.code, 0, "{}", found.err);
    let none = tempfile::tempdir().unwrap();
    let none: Ran = perennial(&["config", "check"]).current_dir(none.path()).output().unwrap().into();
    assert_eq!(none.code, 2, "{}", none.err);
}

#[test]
fn what_is_wrong_is_said_with_its_line_and_no_secret() {
    for (text, parts) in [
        ("[clocks]\nsilense = 3", &["perennial.toml:2: clocks.silense", "did you mean silence?"][..]),
        ("\n[clocks]\nping = \"soon\"", &["perennial.toml:3: clocks.ping", "\"500ms\""]),
        ("client_keys = [\"env:NO_SUCH_VARIABLE\"]", &["perennial.toml:1: client_keys", "NO_SUCH_VARIABLE"]),
        ("client_keys = [\"file:nowhere\"]", &["perennial.toml:1: client_keys", "nowhere"]),
        ("client_keys = [\"sk-secret\\u0007\"]", &["perennial.toml:1: client_keys", "cannot be sent"]),
        ("[[upstream]]\nkey = \"sk-secret", &["perennial.toml:2"]),
        ("listen = \"0.0.0.0:0\"", &["set client keys"]),
        ("[ledger]\nprices = \"none.toml\"", &["none.toml"]),
    ] {
        for ran in [check(text), run(&["serve", "--config", &file(&folder(text))])] {
            assert_eq!((ran.code, &*ran.out), (3, ""), "{text}: {}", ran.err);
            assert!(parts.iter().all(|part| ran.err.contains(part)), "{text}: {}", ran.err);
            assert!(!ran.err.contains("sk-secret"), "{}", ran.err);
        }
    }
    let twice = check("a = 1\nb = 2");
    assert!(twice.err.contains(":1: a: ") && twice.err.contains(":2: b: "), "{}", twice.err);
    assert_eq!(run(&["serve", "--config", "nowhere.toml"]).code, 3);
}

#[test]
fn a_flag_goes_before_the_environment_before_the_file() {
    let (of_file, of_env, of_flag) = (Sim::new(), Sim::new(), Sim::new());
    let text = format!(
        "listen = \"127.0.0.1:0\"\nclient_keys = [\"of-file\"]\n[[upstream]]\nurl = \"{}\"\nkey = \"file:key\"\n",
        of_file.handle.url()
    );
    let folder = folder(&text);
    fs::write(folder.path().join("key"), "sk-of-file\n").unwrap();
    let ask = |service: &Service, key: &str| {
        let head = format!("POST /v1/messages HTTP/1.1\r\nx-api-key: {key}\r\nx-rest:");
        request(&service.url, &head, STREAM).split(' ').nth(1).unwrap().to_owned()
    };
    let asked = || [&of_file, &of_env, &of_flag].map(|sim| sim.handle.journal().entries().len());
    let serve = |change: fn(&mut std::process::Command, &[String; 2])| {
        let mut serve = perennial(&["serve"]);
        serve.current_dir(folder.path());
        change(&mut serve, &[of_env.handle.url(), of_flag.handle.url()]);
        Service::start(&mut serve)
    };
    let service = serve(|_, _| {});
    assert_eq!((ask(&service, "of-file"), ask(&service, "other")), ("200".into(), "401".into()));
    assert_eq!(asked(), [1, 0, 0]);
    let service = serve(|serve, [env, _]| {
        serve.env("ANTHROPIC_BASE_URL", env).env("PERENNIAL_CLIENT_KEYS", "of-env");
        serve.env("ANTHROPIC_API_KEY", "sk");
    });
    assert_eq!((ask(&service, "of-env"), ask(&service, "of-file")), ("200".into(), "401".into()));
    assert_eq!(asked(), [1, 1, 0]);
    let service = serve(|serve, [env, flag]| {
        serve.env("ANTHROPIC_BASE_URL", env).env("PERENNIAL_CLIENT_KEYS", "of-env");
        serve.env("ANTHROPIC_API_KEY", "sk").args(["--upstream", flag, "--client-key", "of-flag"]);
    });
    assert_eq!((ask(&service, "of-flag"), ask(&service, "of-env")), ("200".into(), "401".into()));
    assert_eq!(asked(), [1, 1, 1]);
    // A key of the environment does not go to whoever the file names.
    let mut quiet = perennial(&["serve"]);
    let service = Service::start(quiet.current_dir(folder.path()).env("ANTHROPIC_API_KEY", "sk-of-env"));
    assert_eq!(ask(&service, "of-file"), "200");
    let keys: Vec<_> = of_file.handle.journal().entries().iter().map(|entry| entry.key.clone()).collect();
    assert_eq!(keys[0], keys[1]);
}

#[test]
fn new_flags_do_what_they_say() {
    let failing = Sim::with(perennial_sim::Simulator::builder().orders("status=500"));
    let url = failing.handle.url();
    let arguments = ["serve", "--listen", "127.0.0.1:0", "--upstream", &url, "--recovery", "off", "--cache"];
    let words = ["--fallback-answer", "We are sorry.", "--total", "20", "--progress", "9"];
    let service = Service::start(perennial(&arguments).args(words).env("PERENNIAL_RETRY_MAX_RETRIES", "0"));
    let answer = request(&service.url, "POST /v1/messages HTTP/1.1\r\nx-api-key: k\r\nx-rest:", STREAM);
    assert!(answer.contains("perennial-stand-in: default") && answer.contains("sorry."), "{answer}");
    assert_eq!(failing.handle.journal().entries().len(), 1);
    let ran = run(&["serve", "--recovery", "maybe"]);
    assert!(ran.code == 2 && ran.err.contains("on or off"), "{}", ran.err);
}

#[test]
fn the_ledger_of_the_file_is_found_by_all_commands() {
    let folder =
        folder("listen = \"127.0.0.1:0\"\n[store]\ndata = \"kept\"\n[ledger]\nurl = \"env:LEDGER\"\n");
    let ledger = format!("sqlite:{}", folder.path().join("own.db").display());
    let here = |arguments: &[&str]| {
        let mut command = perennial(arguments);
        command.current_dir(folder.path()).env("LEDGER", &ledger);
        command
    };
    let made: Ran = here(&["keys", "create", "team"]).output().unwrap().into();
    assert_eq!(made.code, 0, "{}", made.err);
    let service = Service::start(&mut here(&["serve", "--pace", "instant"]));
    assert!(request(&service.url, "POST /v1/messages", STREAM).starts_with("HTTP/1.1 401 "));
    let head = format!("POST /v1/messages HTTP/1.1\r\nx-api-key: {}\r\nx-rest:", made.out.trim());
    assert!(request(&service.url, &head, STREAM).starts_with("HTTP/1.1 200 "));
    assert!(folder.path().join("own.db").is_file() && !folder.path().join("kept/ledger.db").exists());
}

/// A gateway that says when it has read its file again.
struct Reloading {
    service: Service,
    said: BufReader<std::process::ChildStderr>,
}

impl Reloading {
    fn start(folder: &Path) -> Self {
        let mut service = Service::start(perennial(&["serve", "--recovery", "off"]).current_dir(folder));
        let said = BufReader::new(service.child.stderr.take().unwrap());
        Self { service, said }
    }

    /// Sends the signal and gives all that is said until it is over.
    fn reload(&mut self) -> String {
        self.service.signal("HUP");
        let mut said = String::new();
        while !said.contains("was read again") {
            assert!(self.said.read_line(&mut said).unwrap() > 0, "it ended: {said}");
        }
        said
    }

    fn status(&self, key: &str) -> String {
        let head = format!("POST /v1/messages HTTP/1.1\r\nx-api-key: {key}\r\nx-rest:");
        request(&self.service.url, &head, STREAM).split(' ').nth(1).unwrap().to_owned()
    }
}

#[test]
fn a_file_is_read_again_while_streams_run() {
    let (first, second) = (Sim::new(), Sim::new());
    let text = |sim: &Sim, key: &str| {
        format!(
            "listen = \"127.0.0.1:0\"\nclient_keys = [\"{key}\"]\n[[upstream]]\nurl = \"{}\"\nkey = \"up\"\n",
            sim.handle.url()
        )
    };
    let folder = folder(&text(&first, "one"));
    let write = |text: &str| fs::write(folder.path().join("perennial.toml"), text).unwrap();
    let mut gateway = Reloading::start(folder.path());
    // A stream stands still in its middle while all settings change around it.
    let head = "POST /v1/messages HTTP/1.1\r\nx-api-key: one\r\nperennial-sim: stall=2s@event=5\r\nx-rest:";
    let mut running = send(&gateway.service.url, head, STREAM);
    let mut answer = vec![0; 1];
    running.read_exact(&mut answer).unwrap();
    write(&text(&second, "two").replace("\"127.0.0.1:0\"", "\"127.0.0.1:1\""));
    let said = gateway.reload();
    assert!(said.contains("listen has changed, which counts from the next start"), "{said}");
    assert_eq!((gateway.status("one"), gateway.status("two")), ("401".into(), "200".into()));
    assert_eq!(second.handle.journal().entries().len(), 1, "the new upstream");
    // A file that is wrong changes nothing, whatever else is in it.
    for (wrong, part) in [
        (text(&first, "three") + "[clocks]\npimg = 1\n", "did you mean ping?"),
        (text(&first, "three") + "[ledger]\nprices = \"none.toml\"\n", "none.toml"),
        (text(&first, "env:NO_SUCH_VARIABLE"), "NO_SUCH_VARIABLE"),
        (text(&first, "three").replace("listen", "lisen"), "did you mean listen?"),
    ] {
        write(&wrong);
        let said = gateway.reload();
        assert!(said.contains(part) && said.contains("nothing has changed"), "{said}");
        assert_eq!((gateway.status("three"), gateway.status("two")), ("401".into(), "200".into()));
    }
    fs::remove_file(folder.path().join("perennial.toml")).unwrap();
    assert!(gateway.reload().contains("cannot be read"));
    assert_eq!(gateway.status("two"), "200");
    running.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (_, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(body.contains("event: message_stop") && !body.contains("event: error"), "{body}");
    assert_eq!(first.handle.journal().entries().len(), 1);
    gateway.service.signal("TERM");
    let mut rest = String::new();
    gateway.said.read_to_string(&mut rest).unwrap();
    assert_eq!(gateway.service.child.wait().unwrap().code(), Some(0), "{rest}");
}
