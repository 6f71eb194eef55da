//! Exit codes and messages: 2 for what was typed wrong, 1 with a sentence and a hint for what failed.

use crate::home::{Answer, Home, NINE, response};
use std::process::Stdio;

#[test]
fn what_is_typed_wrong_ends_with_2_and_says_why() {
    let home = Home::new();
    for (arguments, why) in [
        ("", "Usage: clawspend"),
        ("spend", "unrecognized subcommand 'spend'"),
        ("report --bye day", "unexpected argument '--bye' found"),
        (
            "report --by day,modle",
            "invalid value 'modle' for '--by <BY>': there is no such column; choose from day, hour, week, month, \
             source, gateway, agent, subagent, project, branch, session, session_key, label, parent, created, channel, \
             chat_type, provider, model, api, stop_reason",
        ),
        (
            "report --where opus",
            "invalid value 'opus' for '--where <COLUMN=VALUE>': write it as COLUMN=VALUE, such as model=claude-opus-5",
        ),
        (
            "report --where source=codex",
            "invalid value 'source=codex' for '--where <COLUMN=VALUE>': there is no such source; choose from \
             claude-code, openclaw",
        ),
        (
            "forget --yes --where source=claude",
            "invalid value 'source=claude' for '--where <COLUMN=VALUE>': there is no such source; choose from \
             claude-code, openclaw",
        ),
        (
            "report --since 2026-11-21 --until 2026-11-20",
            "error: the first day 2026-11-21 is after the last day 2026-11-20\n\nUsage: clawspend report [OPTIONS]\n",
        ),
        (
            "report --since 20.11.2026",
            "invalid value '20.11.2026' for '--since <SINCE>': write the day as 2026-11-20",
        ),
        (
            "report --since 2026-11-20T10:00:00",
            "invalid value '2026-11-20T10:00:00' for '--since <SINCE>': write the day as 2026-11-20",
        ),
        (
            "report --until 2026-02-30",
            "invalid value '2026-02-30' for '--until <UNTIL>': write the day as 2026-11-20",
        ),
        (
            "report --timezone Europe/Berln",
            "invalid value 'Europe/Berln' for '--timezone <TIMEZONE>': there is no such time zone; write it as \
             Europe/Berlin",
        ),
        (
            "forget --yes",
            "the following required arguments were not provided:\n  <--before <DAY>|--where <COLUMN=VALUE>>",
        ),
        (
            "forget --before yesterday",
            "invalid value 'yesterday' for '--before <DAY>': write the day as 2026-11-20",
        ),
        (
            "forget --where colour=red",
            "invalid value 'colour=red' for '--where <COLUMN=VALUE>': there is no such column; choose from day, hour",
        ),
        (
            "verify --no-refresh",
            "unexpected argument '--no-refresh' found",
        ),
        (
            "today --watch --no-refresh",
            "the argument '--watch' cannot be used with '--no-refresh'",
        ),
    ] {
        let answer = home.run(arguments);
        assert_eq!(
            (answer.code, answer.out.as_str()),
            (Some(2), ""),
            "{arguments}"
        );
        assert!(answer.err.contains(why), "{arguments}: {}", answer.err);
    }
    assert!(!home.data().exists(), "nothing is done for a wrong command");
}

#[test]
fn nothing_is_no_name() {
    let home = Home::new();
    for (command, why) in [
        (
            "explain",
            "invalid value '' for '<WHAT>': name a day (2026-11-20), a session or a response",
        ),
        (
            "prices",
            "invalid value '' for '[MODEL]': name a model, such as claude-opus-5",
        ),
    ] {
        assert_eq!(
            crate::home::ended(home.command(command).arg("")),
            Answer {
                code: Some(2),
                out: String::new(),
                err: format!("error: {why}\n\nFor more information, try '--help'.\n"),
            }
        );
    }
}

#[test]
fn help_and_version_are_no_failures() {
    let home = Home::new();
    let help = home.tell("--help");
    for command in [
        "today", "report", "explain", "prices", "models", "doctor", "verify", "forget", "version",
    ] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
    }
    let version = concat!("clawspend ", env!("CARGO_PKG_VERSION"), "\n");
    assert_eq!(home.tell("--version"), version);
    assert!(home.tell("version").starts_with(version));
}

#[test]
fn what_fails_ends_with_1_a_sentence_and_a_hint() {
    let home = Home::new();
    assert_eq!(
        home.run("report --no-refresh"),
        Answer {
            code: Some(1),
            out: String::new(),
            err: format!(
                "clawspend: there is no ledger at {} yet\n\
                 Hint: start the tray app, or run `clawspend report` once\n",
                home.ledger().display()
            ),
        }
    );
}

/// The reader closes the pipe before anything was written to it.
#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let home = Home::new();
    home.claude("p/a.jsonl", &[response(1, NINE, 10)]);
    let mut child = home
        .command("report --by day,model --json")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).as_ref()
        ),
        (Some(0), "")
    );
}

#[test]
fn a_wrong_setting_is_told_with_its_line_and_the_defaults_stay() {
    let home = Home::new();
    let config = home.write(
        "config/clawspend.toml",
        "[display]\ntimezone = \"Asia/Tokyo\"\n\n[budget]\ndaily_usd = 5.0\ndialy_usd = 7.0\n",
    );
    home.claude("p/a.jsonl", &[response(1, NINE, 10)]);
    let answer = home.run("report --since 2026-11-20 --until 2026-11-20 --json");
    assert_eq!(answer.code, Some(0));
    assert_eq!(
        answer
            .err
            .replace(&config.display().to_string(), "clawspend.toml"),
        "clawspend: clawspend.toml: line 6, column 1: unknown key `dialy_usd` in [budget]; \
         did you mean `daily_usd`?\n\
         Hint: Correct the file and save it; until then the last good settings stay in force.\n"
    );
    assert!(answer.out.contains(r#""timezone":"UTC""#), "{}", answer.out);
    assert!(answer.out.contains(r#""responses":1"#), "{}", answer.out);
}
