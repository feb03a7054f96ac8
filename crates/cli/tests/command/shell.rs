//! `perennial completions` and `perennial man`.

use std::process::{Command, Stdio};

use crate::rig::{run, run_with_input};

#[test]
fn t12_every_shell_gets_completions_of_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell"] {
        let ran = run(&["completions", shell]);
        assert_eq!((ran.code, &*ran.err), (0, ""), "{shell}");
        for command in ["ask", "attach", "completions", "decode", "logs", "replay", "serve", "tail"] {
            assert!(ran.out.contains(command), "{shell}: {command}");
        }
        assert!(ran.out.contains("base-url"), "{shell}");
    }
    assert_eq!(run(&["completions", "ksh"]).code, 2);
}

#[test]
fn the_shells_that_are_here_can_read_them() {
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        if Command::new(shell).arg("--version").stdout(Stdio::null()).status().is_err() {
            println!("skipped: no {shell} here");
            continue;
        }
        let folder = tempfile::tempdir().unwrap();
        let script = folder.path().join("completions");
        std::fs::write(&script, run(&["completions", shell]).out).unwrap();
        let read = Command::new(shell).arg(check).arg(&script).output().unwrap();
        assert!(read.status.success(), "{shell}: {}", String::from_utf8_lossy(&read.stderr));
        assert_eq!(String::from_utf8_lossy(&read.stderr), "", "{shell}");
    }
}

/// In bash itself: what stands on the line is completed.
#[test]
fn bash_completes_a_command_and_its_flags() {
    let complete = |words: &str, at: usize| {
        let script = format!(
            "{}\nCOMP_WORDS=({words}); COMP_CWORD={at}; _perennial perennial \"${{COMP_WORDS[{at}]}}\" \"${{COMP_WORDS[{}]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
            run(&["completions", "bash"]).out,
            at - 1
        );
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("script");
        std::fs::write(&file, script).unwrap();
        let ran = Command::new("bash").arg(&file).output().unwrap();
        String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(complete("perennial att", 1), ["attach"]);
    assert_eq!(complete("perennial replay --spe", 2), ["--speed"]);
    assert_eq!(complete("perennial logs sea", 2), ["search"]);
}

#[test]
fn there_is_a_page_for_every_command() {
    let page = run(&["man"]);
    assert_eq!((page.code, &*page.err), (0, ""));
    assert!(page.out.contains(".TH perennial 1") && page.out.contains("attach"), "{}", page.out);
    let folder = tempfile::tempdir().unwrap();
    let into = folder.path().join("man1");
    let ran = run(&["man", into.to_str().unwrap()]);
    assert_eq!((ran.code, &*ran.out), (0, ""), "{}", ran.err);
    for name in
        ["perennial.1", "perennial-ask.1", "perennial-logs.1", "perennial-logs-show.1", "perennial-tail.1"]
    {
        assert!(into.join(name).is_file(), "{name}");
    }
    let nowhere = folder.path().join("file");
    std::fs::write(&nowhere, "").unwrap();
    assert_eq!(run(&["man", nowhere.to_str().unwrap()]).code, 1);
    // No shell reads anything from here.
    assert_eq!(run_with_input(&["completions"], b"").code, 2);
}
