//! A user's home made by hand, and the command run in it.

use clawspend_tests::corpus::{ClaudeLine, ClaudeUsage};
pub(crate) use clawspend_tests::home::zone_far_from_midnight;
use serde_json::Value;
use std::{
    fs,
    io::{BufRead as _, BufReader, Write as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::mpsc::{Receiver, channel},
    thread,
    time::{Duration, SystemTime},
};
use tempfile::TempDir;

/// 2026-11-20T09:00:00Z, a Friday.
pub(crate) const NINE: i64 = 1_795_165_200_000;
pub(crate) const MINUTE: i64 = 60_000;
pub(crate) const HOUR: i64 = 60 * MINUTE;

/// How long anything may take before a test gives up.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) struct Home {
    folder: TempDir,
    /// The zone of the processes run here.
    pub(crate) zone: &'static str,
}

/// What a command that ended said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self {
            folder: TempDir::new().expect("a temporary folder"),
            zone: "UTC",
        };
        // What is old when a test runs was not deleted before.
        home.keep_logs(36_500);
        home
    }

    /// Sets for how many days Claude Code keeps its logs.
    pub(crate) fn keep_logs(&self, days: u32) {
        self.write(
            ".claude/settings.json",
            format!("{{\"cleanupPeriodDays\":{days}}}"),
        );
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn text(&self) -> String {
        self.path().display().to_string()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    pub(crate) fn ledger(&self) -> PathBuf {
        self.data().join("ledger.sqlite")
    }

    /// Writes a file below home, its folders too.
    pub(crate) fn write(&self, relative: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(relative);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(&path, content).expect("a file");
        path
    }

    /// Writes a transcript of Claude Code; its last line is complete.
    pub(crate) fn claude(&self, relative: &str, lines: &[impl ToString]) -> PathBuf {
        let lines: String = lines.iter().map(|line| line.to_string() + "\n").collect();
        self.write(&format!(".claude/projects/{relative}"), lines)
    }

    /// The fixture's databases and archives, as in a state directory of OpenClaw.
    pub(crate) fn openclaw_fixture(&self) {
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("../../tests/fixtures/openclaw-sqlite/agents");
        copy(&fixture, &self.path().join(".openclaw/agents"));
    }

    /// The command with nothing of this process's environment but what its system needs.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_clawspend"));
        command.args(arguments.split_whitespace());
        self.prepare(&mut command);
        command
    }

    pub(crate) fn prepare(&self, command: &mut Command) {
        let needed = ["PATH", "SystemRoot"].map(|name| (name, std::env::var_os(name)));
        command
            .env_clear()
            .envs(
                needed
                    .into_iter()
                    .filter_map(|(name, value)| Some((name, value?))),
            )
            .env("HOME", self.path())
            .env("USERPROFILE", self.path())
            .env("CLAWSPEND_DATA_DIR", self.data())
            .env("CLAWSPEND_CONFIG_DIR", self.path().join("config"))
            .env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent/bus")
            .env("TZ", self.zone)
            .stdin(Stdio::null());
    }

    pub(crate) fn run(&self, arguments: &str) -> Answer {
        ended(&mut self.command(arguments))
    }

    /// Runs a command that has nothing to say but its answer.
    pub(crate) fn tell(&self, arguments: &str) -> String {
        let answer = self.run(arguments);
        assert_eq!(
            (answer.code, answer.err.as_str()),
            (Some(0), ""),
            "{arguments}"
        );
        answer.out
    }

    /// Runs a command that prints JSON.
    pub(crate) fn json(&self, arguments: &str) -> Value {
        serde_json::from_str(&self.tell(arguments)).expect("JSON")
    }
}

pub(crate) fn ended(command: &mut Command) -> Answer {
    let output = loop {
        match command.output() {
            // A process that another test is just starting still holds a fresh copy of the program open for writing.
            Err(error) if error.kind() == std::io::ErrorKind::ExecutableFileBusy => {
                thread::sleep(Duration::from_millis(10));
            }
            output => break output.expect("the command starts"),
        }
    };
    Answer {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).expect("UTF-8"),
        err: String::from_utf8(output.stderr).expect("UTF-8"),
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("the fixture") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

/// A response of claude-sonnet-5 with 2 input tokens and 100 cache hits; `number` tells it from others.
pub(crate) fn response(number: u32, at: i64, output: u64) -> String {
    ClaudeLine {
        uuid: &format!("00000000-0000-4000-8000-{number:012}"),
        message_id: &format!("msg_{number:024}"),
        request_id: &format!("req_{number:024}"),
        at,
        usage: ClaudeUsage {
            output,
            ..ClaudeLine::default().usage
        },
        ..ClaudeLine::default()
    }
    .to_string()
}

/// The clock, for tests of today.
pub(crate) fn now() -> i64 {
    let since = SystemTime::UNIX_EPOCH.elapsed().expect("after 1970");
    i64::try_from(since.as_millis()).expect("a near time")
}

pub(crate) fn append(path: &Path, line: &str) {
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(path)
        .expect("an existing file");
    file.write_all(format!("{line}\n").as_bytes())
        .expect("room");
}

/// A running `today --watch --json`, killed when dropped.
pub(crate) struct Watch {
    pub(crate) child: Child,
    lines: Receiver<String>,
}

impl Watch {
    pub(crate) fn start(home: &Home) -> Self {
        Self::of(&mut home.command("today --watch --json"))
    }

    pub(crate) fn of(command: &mut Command) -> Self {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the command starts");
        let out = BufReader::new(child.stdout.take().expect("a pipe"));
        let (sender, lines) = channel();
        thread::spawn(move || {
            for line in out.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { child, lines }
    }

    /// The next line.
    pub(crate) fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }

    /// The responses and cost of the next line.
    pub(crate) fn next(&self) -> (u64, String) {
        let line: Value = serde_json::from_str(&self.line()).expect("JSON");
        (
            line["responses"].as_u64().expect("a count"),
            line["cost_usd"].as_str().expect("a cost").to_owned(),
        )
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
