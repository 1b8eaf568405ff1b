//! What somebody at a terminal relies on: help whose examples work, completions, and colour only where it is wanted.
#![cfg(unix)]

use std::fs;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::Stdio;
use std::thread;

use assert_cmd::Command;
use assert_cmd::cargo::{CommandCargoExt as _, cargo_bin};
use nix::pty::openpty;

const SUBCOMMANDS: [&str; 10] =
    ["run", "sweep", "merge", "compare", "scenarios", "explain", "trace", "powercut", "completions", "help"];

fn help_of(arguments: &[&str]) -> String {
    let output = Command::cargo_bin("pawl-sim")
        .unwrap()
        .args(arguments)
        .assert()
        .success()
        .get_output()
        .stdout
        .clone();
    String::from_utf8(output).unwrap()
}

/// The commands of a help's examples, in their order. What follows two spaces is a description; a line that ends with a
/// backslash goes on.
fn examples(help: &str) -> Vec<String> {
    let Some((_, rest)) = help.split_once("Examples:\n") else {
        return Vec::new();
    };
    let lines = rest.lines().take_while(|line| !line.is_empty());
    let mut examples: Vec<String> = Vec::new();
    let mut goes_on = false;
    for line in lines {
        let line = line.trim_start();
        let command = if line.ends_with('\\') { line } else { line.split("  ").next().unwrap_or(line) };
        let text = command.trim_end_matches('\\');
        match examples.last_mut().filter(|_| goes_on) {
            Some(last) => last.push_str(text),
            // A line that is too wide goes on in the next, as no example begins.
            None => {
                assert!(
                    ["pawl-sim ", "echo ", "source "]
                        .iter()
                        .any(|first| format!("{text} ").starts_with(first)),
                    "{line}\nin\n{help}"
                );
                examples.push(text.to_owned());
            }
        }
        goes_on = command.ends_with('\\');
    }
    examples
}

/// Runs a line as a shell would, in a folder that looks like the repository.
fn run(line: &str, folder: &Path) {
    let binary = cargo_bin("pawl-sim");
    let path = format!("{}:{}", binary.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let output = std::process::Command::new("bash")
        .args(["-o", "pipefail", "-c", line])
        .current_dir(folder)
        .env("PATH", path)
        .env_remove("SLURM_ARRAY_TASK_ID")
        .env_remove("JOB_COMPLETION_INDEX")
        .stdin(Stdio::null())
        .output()
        .expect("there is bash");
    // What an explained content comes to is in the exit status too: 3 and 4 are answers.
    let answers = if line.contains("pawl-sim explain") { 0..=4 } else { 0..=0 };
    let status = output.status.code().unwrap_or(-1);
    assert!(
        answers.contains(&status) && status != 2 && status != 1,
        "{line}\nexits with {status} and says:\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn each_example_of_each_help_works() {
    let folder = tempfile::tempdir().unwrap();
    let traces = folder.path().join("sim-host/traces");
    fs::create_dir_all(&traces).unwrap();
    let redacted = Path::new(env!("CARGO_MANIFEST_DIR")).join("traces/redacted.jsonl");
    fs::copy(redacted, traces.join("redacted.jsonl")).unwrap();

    let mut all = examples(&help_of(&["--help"]));
    assert!(all.len() >= 4);
    for subcommand in SUBCOMMANDS.iter().filter(|subcommand| **subcommand != "help") {
        let of_subcommand = examples(&help_of(&[subcommand, "--help"]));
        assert!(of_subcommand.len() >= 2, "{subcommand} teaches nothing");
        all.extend(of_subcommand);
    }
    for line in all {
        run(&line, folder.path());
    }
}

#[test]
fn the_help_names_each_command_and_each_command_says_its_exit_status() {
    let help = help_of(&["--help"]);
    let commands = help.split_once("Commands:\n").unwrap().1.split("\n\n").next().unwrap();
    let named: Vec<&str> = commands.lines().filter_map(|line| line.split_whitespace().next()).collect();
    let named: Vec<&str> = named.into_iter().filter(|name| SUBCOMMANDS.contains(name)).collect();
    assert_eq!(named.len(), SUBCOMMANDS.len(), "{commands}");
    for subcommand in SUBCOMMANDS.iter().filter(|subcommand| !["help", "completions"].contains(subcommand)) {
        assert!(help_of(&[subcommand, "--help"]).contains("Exit status: "), "{subcommand}");
    }
}

#[test]
fn completions_know_every_command_and_its_options() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let completions = help_of(&["completions", shell]);
        for word in SUBCOMMANDS.into_iter().chain(["save-every", "limits-period-ms"]) {
            assert!(completions.contains(word), "{shell}: {word}");
        }
    }
    // Bash itself completes with them.
    let folder = tempfile::tempdir().unwrap();
    run(
        "source <(pawl-sim completions bash) && complete -p pawl-sim >it && grep -q -- '-F _pawl_sim' it",
        folder.path(),
    );
    run(
        "source <(pawl-sim completions bash) && COMP_WORDS=(pawl-sim sweep --sh) COMP_CWORD=2 && \
         _pawl_sim pawl-sim --sh sweep && printf '%s\\n' \"${COMPREPLY[@]}\" | grep -qx -- --shards",
        folder.path(),
    );
    for (command, previous) in
        [("run pub", "run"), ("sweep drawn pub", "drawn"), ("scenarios pub", "scenarios")]
    {
        let line = format!(
            "source <(pawl-sim completions bash) && COMP_WORDS=(pawl-sim {command}) && \
             COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)) && _pawl_sim pawl-sim pub {previous} && \
             printf '%s\\n' \"${{COMPREPLY[@]}}\" | grep -qx public-room"
        );
        run(&line, folder.path());
    }
}

// ---- colour ----

const CONTENT: &str = r#"{"algorithm":"m.megolm.v1.aes-sha2","rotation_period_msgs":0}"#;

/// What a command prints when a terminal shows it.
fn on_a_terminal(arguments: &[&str], variables: &[(&str, &str)], folder: &Path) -> String {
    let pty = openpty(None, None).expect("there are terminals");
    let mut command = std::process::Command::cargo_bin("pawl-sim").unwrap();
    command.args(arguments).current_dir(folder);
    for variable in ["NO_COLOR", "CLICOLOR", "CLICOLOR_FORCE", "CI"] {
        command.env_remove(variable);
    }
    command.env("TERM", "xterm-256color").envs(variables.iter().copied());
    let terminal = || -> OwnedFd { pty.slave.try_clone().unwrap() };
    command.stdin(Stdio::null()).stdout(terminal()).stderr(terminal());
    let mut master = fs::File::from(pty.master);
    let reader = thread::spawn(move || {
        let mut text = Vec::new();
        // When the last one who could write is gone, reading is an error.
        let _gone = master.read_to_end(&mut text);
        String::from_utf8_lossy(&text).into_owned()
    });
    let mut child = command.spawn().unwrap();
    drop((command, pty.slave));
    child.wait().unwrap();
    reader.join().unwrap()
}

/// Whether anything is coloured, bold or underlined; moving about, as a progress bar does, is neither.
fn is_coloured(text: &str) -> bool {
    text.split("\x1b[").skip(1).any(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(rest.len());
        rest[end..].starts_with('m')
    })
}

#[test]
fn colour_is_for_terminals_and_for_those_who_want_it() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("content.json"), CONTENT).unwrap();
    let coloured: [&[&str]; 4] = [
        &["explain", "content.json"],
        &["run", "--help"],
        &["run", "--no-such-option"],
        &["run", "small-table", "--crypto", "none"],
    ];
    for arguments in coloured {
        let terminal = |variables: &[(&str, &str)]| on_a_terminal(arguments, variables, folder.path());
        assert!(is_coloured(&terminal(&[])), "{arguments:?}");
        for variables in [[("NO_COLOR", "1")], [("CLICOLOR", "0")], [("TERM", "dumb")]] {
            let text = terminal(&variables);
            assert!(!text.is_empty() && !is_coloured(&text), "{arguments:?} with {variables:?}: {text:?}");
        }
    }
    for arguments in coloured {
        let mut command = Command::cargo_bin("pawl-sim").unwrap();
        let output =
            command.args(arguments).current_dir(folder.path()).env_remove("CLICOLOR_FORCE").output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        assert!(!is_coloured(&String::from_utf8(text).unwrap()), "{arguments:?} in a file");
    }
}

#[test]
fn progress_goes_to_terminals_alone_and_a_list_of_names_has_no_colour() {
    let folder = tempfile::tempdir().unwrap();
    let sweep = ["sweep", "small-table", "--seeds", "3"];
    let shown = on_a_terminal(&sweep, &[], folder.path());
    assert!(shown.contains("of 3 seeds") && shown.contains("No violation."), "{shown}");
    assert!(!is_coloured(&on_a_terminal(&["scenarios"], &[], folder.path())));
    let output = Command::cargo_bin("pawl-sim").unwrap().args(sweep).output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(!output.stdout.contains(&b'\x1b'));
}
