//! Several processes on one ledger.

use crate::home::{HOUR, Home, NINE, Watch, append, now, response, zone_far_from_midnight};
use clawspend_tests::corpus::{Corpus, Options};
use std::process::Stdio;

const REPORT: &str = "report --since 2026-01-01 --until 2027-12-31 --timezone UTC --json";

#[test]
fn f23_two_reports_at_once_are_both_right() {
    let [home, alone] = [(), ()].map(|()| {
        let home = Home::new();
        let options = Options {
            bytes: 4 << 20,
            files: 60,
            ..Options::default()
        };
        Corpus::plan(options).write(home.path()).expect("a corpus");
        home
    });
    let clean = alone.tell(REPORT);
    let children: Vec<_> = (0..3)
        .map(|_| {
            let mut command = home.command(REPORT);
            command.stdout(Stdio::piped()).stderr(Stdio::piped());
            command.spawn().expect("the command starts")
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "");
        assert_eq!(String::from_utf8_lossy(&output.stdout), clean);
    }
}

#[test]
fn f23_a_report_beside_a_watch_is_up_to_date() {
    let mut home = Home::new();
    home.zone = zone_far_from_midnight();
    let log = home.claude("p/a.jsonl", &[response(1, now(), 10)]);
    let watch = Watch::start(&home);
    assert_eq!(watch.next().0, 1);
    for number in 2..=4 {
        append(&log, &response(number, now(), 10));
        let report = home.json(REPORT);
        assert_eq!(report["totals"]["responses"], number);
    }
}

#[test]
fn f23_a_second_watch_reads_and_takes_over() {
    let mut home = Home::new();
    home.zone = zone_far_from_midnight();
    let log = home.claude(
        "p/a.jsonl",
        &[response(1, now(), 10), response(2, NINE - HOUR, 10)],
    );
    let first = Watch::start(&home);
    assert_eq!(first.next().0, 1);
    let second = Watch::start(&home);
    assert_eq!(second.next().0, 1);
    append(&log, &response(3, now(), 10));
    assert_eq!((first.next().0, second.next().0), (2, 2));
    drop(first);
    append(&log, &response(4, now(), 10));
    assert_eq!(second.next().0, 3);
}

/// Makes commands in a home that run as somebody for whom modes count: `nobody`, when this is root.
#[cfg(unix)]
pub(crate) fn unprivileged(home: &Home) -> impl Fn(&str) -> std::process::Command {
    use std::os::unix::{fs::MetadataExt as _, process::CommandExt as _};
    const NOBODY: u32 = 65_534;
    let root = std::fs::metadata(home.path()).expect("home").uid() == 0;
    let program = home.path().join("clawspend");
    if root {
        // By another process: a file that this one has open for writing, even in a child just forked, cannot be run.
        let mut copy = std::process::Command::new("cp");
        let copied = copy
            .arg(env!("CARGO_BIN_EXE_clawspend"))
            .arg(&program)
            .status();
        assert!(copied.expect("cp").success());
        give(home.path(), NOBODY);
    }
    move |arguments| {
        let mut command = home.command(arguments);
        if root {
            command = std::process::Command::new(&program);
            command.args(arguments.split_whitespace());
            home.prepare(&mut command);
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

#[cfg(unix)]
fn give(path: &std::path::Path, user: u32) {
    std::os::unix::fs::chown(path, Some(user), Some(user)).expect("root may");
    if path.is_dir() {
        for entry in std::fs::read_dir(path).expect("a folder") {
            give(&entry.expect("an entry").path(), user);
        }
    }
}
