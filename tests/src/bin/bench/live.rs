//! A day at work: asking for today's number, and waiting for it to change.

use crate::{
    product::{Product, measure, median},
    table::Table,
};
use anyhow::{Context, Result, bail};
use clawspend_tests::corpus::ClaudeLine;
use serde_json::Value;
use std::{
    fs::{self, OpenOptions},
    io::{BufRead, BufReader, Write},
    path::{Path, PathBuf},
    process::{Child, Stdio},
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

const RUNS: usize = 25;

/// A session that is going on now. It is no part of the corpus.
fn session(home: &Path) -> PathBuf {
    home.join(".claude/projects/-home-dev-live/11111111-1111-4111-8111-111111111111.jsonl")
}

/// Removes what an earlier run appended.
pub(crate) fn forget(home: &Path) -> Result<()> {
    match fs::remove_file(session(home)) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).context("removing the live session")
        }
        _ => Ok(()),
    }
}

/// Appends one response made now.
fn respond(home: &Path, number: usize) -> Result<()> {
    let path = session(home);
    fs::create_dir_all(path.parent().context("a session has a folder")?)
        .context("making the live session")?;
    let [uuid, id] = [
        format!("22222222-2222-4222-8222-{number:012}"),
        format!("msg_bench_{number:016}"),
    ];
    let at = jiff::Timestamp::now().as_millisecond();
    let line = ClaudeLine {
        uuid: &uuid,
        message_id: &id,
        request_id: "",
        at,
        ..ClaudeLine::default()
    };
    let mut file = OpenOptions::new()
        .append(true)
        .create(true)
        .open(&path)
        .context("opening the live session")?;
    file.write_all(format!("{line}\n").as_bytes())
        .context("appending to the live session")
}

/// A fresh process to today's number, with nothing changed; beside a process that does nothing.
pub(crate) fn start(product: &Product, table: &mut Table) -> Result<()> {
    respond(&product.home, 0)?;
    measure(&mut product.command(&["today", "--json"]))?;
    let (mut idle, mut today) = (Vec::new(), Vec::new());
    for _ in 0..RUNS {
        idle.push(measure(&mut product.command(&["version"]))?.wall);
        today.push(measure(&mut product.command(&["today", "--json"]))?.wall);
    }
    table.at_most(
        "fresh process to today's number, nothing changed",
        median(today.clone()),
        "ms",
        25.0,
    );
    table.figure(
        "  against `clawspend version`",
        median(today) / median(idle),
        "x",
    );
    Ok(())
}

/// Appended line to printed new total in running engines, one over the whole history and one over a quarter of it.
/// They take turns, so that what else the machine does meets both.
pub(crate) fn append(whole: &Product, quarter: &Product, table: &mut Table) -> Result<()> {
    let mut watches = [Watch::start(whole)?, Watch::start(quarter)?];
    let mut times = [Vec::new(), Vec::new()];
    for number in 1..=RUNS {
        for (watch, times) in watches.iter_mut().zip(&mut times) {
            // Apart, and never in step with a clock of the engine.
            std::thread::sleep(Duration::from_millis(100 + 37 * number as u64 % 200));
            times.push(watch.append(number)?);
        }
    }
    let slowest = times[0].iter().max().copied().unwrap_or_default();
    let [whole, quarter] = times.map(median);
    table.at_most("appended line to printed new total", whole, "ms", 10.0);
    table.figure(
        "  the slowest of all",
        slowest.as_secs_f64() * 1_000.0,
        "ms",
    );
    table.figure("  with a quarter of the history", quarter, "ms");
    table.at_most("  the one against the other", whole / quarter, "x", 2.0);
    Ok(())
}

/// A running `clawspend today --watch --json`; ends with this value.
struct Watch<'a> {
    child: Child,
    home: &'a Path,
    printed: Receiver<(Instant, String)>,
    /// Responses in the total printed last.
    total: u64,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to do.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl<'a> Watch<'a> {
    fn start(product: &'a Product) -> Result<Self> {
        let mut command = product.command(&["today", "--watch", "--json"]);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the watch")?;
        let stdout = BufReader::new(child.stdout.take().context("the watch prints")?);
        let (sender, printed) = channel();
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                if sender.send((Instant::now(), line)).is_err() {
                    break;
                }
            }
        });
        let mut watch = Self {
            child,
            home: &product.home,
            printed,
            total: 0,
        };
        let first = watch
            .printed
            .recv_timeout(Duration::from_secs(60))
            .context("waiting for the first total")?;
        watch.total = responses(&first.1)?;
        while let Ok((_, line)) = watch.printed.recv_timeout(Duration::from_secs(1)) {
            watch.total = responses(&line)?;
        }
        Ok(watch)
    }

    /// Appends a response and waits until it is in the total.
    fn append(&mut self, number: usize) -> Result<Duration> {
        let wanted = self.total + 1;
        let start = Instant::now();
        respond(self.home, number)?;
        while self.total < wanted {
            let (at, line) = self
                .printed
                .recv_timeout(Duration::from_secs(10))
                .with_context(|| format!("waiting for the total of {wanted} responses"))?;
            self.total = responses(&line)?;
            if self.total == wanted {
                return Ok(at.duration_since(start));
            }
        }
        bail!("{} responses were counted instead of {wanted}", self.total)
    }
}

fn responses(line: &str) -> Result<u64> {
    let today: Value = serde_json::from_str(line).with_context(|| format!("reading {line}"))?;
    today["responses"]
        .as_u64()
        .with_context(|| format!("no responses in {line}"))
}
