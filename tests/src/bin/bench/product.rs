//! Processes to be measured.

use anyhow::{Context, Result, ensure};
use std::{
    io::Read,
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};
use wait4::Wait4;

/// The command line tool, and the home and data directory it is to use.
#[derive(Debug)]
pub(crate) struct Product {
    pub(crate) binary: PathBuf,
    pub(crate) home: PathBuf,
    pub(crate) data: PathBuf,
}

/// What one process took.
#[derive(Debug)]
pub(crate) struct Measured {
    pub(crate) wall: Duration,
    /// User and system time.
    pub(crate) cpu: Duration,
    pub(crate) peak_bytes: u64,
    pub(crate) stdout: Vec<u8>,
}

impl Product {
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.args(arguments);
        self.surround(&mut command);
        command
    }

    /// Nothing of this machine's user gets in: neither logs nor settings nor time zone.
    pub(crate) fn surround(&self, command: &mut Command) {
        let kept =
            ["PATH", "SystemRoot", "LD_LIBRARY_PATH"].map(|name| (name, std::env::var_os(name)));
        command.env_clear().envs(
            kept.into_iter()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        command.env("HOME", &self.home).env("TZ", "UTC");
        command
            .env("CLAWSPEND_DATA_DIR", &self.data)
            .env("CLAWSPEND_CONFIG_DIR", self.data.join("config"));
    }
}

/// Runs a process to its end.
pub(crate) fn measure(command: &mut Command) -> Result<Measured> {
    let start = Instant::now();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("starting {}", command.get_program().display()))?;
    let mut stdout = Vec::new();
    if let Some(mut pipe) = child.stdout.take() {
        pipe.read_to_end(&mut stdout)
            .context("reading what a process printed")?;
    }
    let ended = child.wait4().context("waiting for a process")?;
    let wall = start.elapsed();
    ensure!(
        ended.status.success(),
        "{} ended with {}",
        command.get_program().display(),
        ended.status
    );
    let cpu = ended.rusage.utime + ended.rusage.stime;
    Ok(Measured {
        wall,
        cpu,
        peak_bytes: ended.rusage.maxrss,
        stdout,
    })
}

/// The middle of some times, in milliseconds.
pub(crate) fn median(times: impl IntoIterator<Item = Duration>) -> f64 {
    let mut times: Vec<Duration> = times.into_iter().collect();
    times.sort_unstable();
    times
        .get(times.len() / 2)
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0)
}
