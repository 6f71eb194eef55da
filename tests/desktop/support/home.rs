//! A user's home: Claude Code logs, our config file, and the truth about both from the command line.

use super::APP;
use jiff::{Timestamp, ToSpan, tz::TimeZone};
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// $10 per million output tokens.
pub(crate) const SONNET: &str = "claude-sonnet-5";
/// $15 per million output tokens.
pub(crate) const OLDER_SONNET: &str = "claude-sonnet-4-6";

/// See the module. Its clock shows early afternoon, so that no test meets midnight.
pub(crate) struct Home {
    folder: TempDir,
    zone: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder");
        for name in ["run", "data", "config", "cache", ".claude/projects/-w-demo"] {
            fs::create_dir_all(folder.path().join(name)).expect("a folder in the home");
        }
        let hours_east = 13 - Timestamp::now().to_zoned(TimeZone::UTC).hour();
        // The sign of these names is the other way round.
        let zone = if hours_east > 0 {
            format!("Etc/GMT-{hours_east}")
        } else {
            format!("Etc/GMT+{}", -hours_east)
        };
        Self { folder, zone }
    }

    /// A home with $4.50 spent today: $3.00 and $1.50 by two models.
    pub(crate) fn with_spend() -> Self {
        let home = Self::new();
        for response in 0..3 {
            home.spend(&format!("first-{response}"), 0, SONNET, 100_000);
        }
        home.spend("first-3", 0, OLDER_SONNET, 100_000);
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn variables(&self) -> Vec<(&'static str, PathBuf)> {
        let inside = |name: &str| self.path().join(name);
        vec![
            ("HOME", self.path().to_owned()),
            ("TZ", PathBuf::from(&self.zone)),
            ("XDG_RUNTIME_DIR", inside("run")),
            ("XDG_DATA_HOME", inside("data")),
            ("XDG_CONFIG_HOME", inside("config")),
            ("XDG_CACHE_HOME", inside("cache")),
            ("CLAWSPEND_DATA_DIR", inside("data/clawspend")),
            ("CLAWSPEND_CONFIG_DIR", inside("config/clawspend")),
            ("CLAUDE_CONFIG_DIR", inside(".claude")),
            ("OPENCLAW_STATE_DIR", inside(".openclaw")),
        ]
    }

    /// Appends one response to the log, made `days` ago at this time of day.
    pub(crate) fn spend(&self, id: &str, days: i64, model: &str, output_tokens: u64) {
        let at = Timestamp::now() - (24 * days).hours();
        let line = json!({
            "type": "assistant", "uuid": format!("uuid-{id}"), "parentUuid": null, "sessionId": "session-1",
            "isSidechain": false, "requestId": format!("req_{id}"), "timestamp": format!("{at:.3}"),
            "cwd": "/w/demo", "gitBranch": "main", "version": "2.1.280",
            "message": {
                "id": format!("msg_{id}_of_this_test"), "role": "assistant", "model": model, "stop_reason": "end_turn",
                "content": [{"type": "text", "text": "SECRET-MESSAGE-TEXT"}],
                "usage": {
                    "input_tokens": 0, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0,
                    "output_tokens": output_tokens, "service_tier": "standard",
                },
            },
        });
        let path = self.path().join(".claude/projects/-w-demo/session-1.jsonl");
        let mut log = File::options()
            .create(true)
            .append(true)
            .open(path)
            .expect("a log");
        log.write_all(format!("{line}\n").as_bytes())
            .expect("room for a line");
    }

    pub(crate) fn config_file(&self) -> PathBuf {
        self.path().join("config/clawspend/clawspend.toml")
    }

    /// Replaces the whole config file.
    pub(crate) fn configure(&self, text: &str) {
        let file = self.config_file();
        fs::create_dir_all(file.parent().expect("a folder")).expect("the config folder");
        // In one step: the engine may look at any moment.
        let written = file.with_extension("new");
        fs::write(&written, text)
            .and_then(|()| fs::rename(&written, &file))
            .expect("the config file to be written");
    }

    /// What `clawspend` prints as JSON.
    pub(crate) fn cli(&self, arguments: &[&str]) -> Value {
        self.try_cli(arguments)
            .unwrap_or_else(|said| panic!("{said}"))
    }

    /// The same, or what it says when it fails.
    pub(crate) fn try_cli(&self, arguments: &[&str]) -> Result<Value, String> {
        let program = Path::new(APP).with_file_name("clawspend");
        assert!(
            program.exists(),
            "build the command line first: cargo build -p clawspend-cli"
        );
        let output = Command::new(program)
            .args(arguments)
            .envs(self.variables())
            .output()
            .expect("the command line to start");
        if !output.status.success() {
            return Err(String::from_utf8_lossy(&output.stderr).into_owned());
        }
        Ok(serde_json::from_slice(&output.stdout).expect("JSON from the command line"))
    }
}
