//! A day at work: asking for today's number, and waiting for it to change.

use crate::{
    product::{Product, measure, median},
    table::Table,
};
use anyhow::{Context, Result, ensure};
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

/// Appended line to printed new total in a running engine. Returns the median in milliseconds.
pub(crate) fn append(product: &Product, table: &mut Table, history: &str) -> Result<f64> {
    let mut command = product.command(&["today", "--watch", "--json"]);
    let mut watch = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the watch")?;
    let times = append_to(&mut watch, product);
    watch.kill().context("ending the watch")?;
    watch.wait().context("waiting for the watch to end")?;
    let times = times?;
    let worst = times.iter().max().copied();
    let median = median(times);
    table.at_most(
        &format!("appended line to printed new total, {history}"),
        median,
        "ms",
        10.0,
    );
    table.figure(
        "  the slowest",
        worst.map_or(f64::NAN, |time| time.as_secs_f64() * 1_000.0),
        "ms",
    );
    Ok(median)
}

fn append_to(watch: &mut Child, product: &Product) -> Result<Vec<Duration>> {
    let (sender, lines) = channel();
    let printed = BufReader::new(watch.stdout.take().context("the watch prints")?);
    std::thread::spawn(move || {
        for line in printed.lines().map_while(Result::ok) {
            if sender.send((Instant::now(), line)).is_err() {
                break;
            }
        }
    });
    let mut total = responses(
        &lines
            .recv_timeout(Duration::from_secs(60))
            .context("waiting for the first total")?
            .1,
    )?;
    while let Ok((_, line)) = lines.recv_timeout(Duration::from_secs(1)) {
        total = responses(&line)?;
    }
    let mut times = Vec::new();
    for number in 1..=RUNS {
        // Apart, and never in step with a clock of the engine.
        std::thread::sleep(Duration::from_millis(150 + 37 * number as u64 % 200));
        let start = Instant::now();
        respond(&product.home, number)?;
        times.push(wait_for(&lines, total + 1)?.duration_since(start));
        total += 1;
    }
    Ok(times)
}

/// When the total of `wanted` responses was printed.
fn wait_for(lines: &Receiver<(Instant, String)>, wanted: u64) -> Result<Instant> {
    loop {
        let wait = lines.recv_timeout(Duration::from_secs(10));
        let (at, line) =
            wait.with_context(|| format!("waiting for the total of {wanted} responses"))?;
        let total = responses(&line)?;
        ensure!(
            total <= wanted,
            "{total} responses were counted instead of {wanted}"
        );
        if total == wanted {
            return Ok(at);
        }
    }
}

fn responses(line: &str) -> Result<u64> {
    let today: Value = serde_json::from_str(line).with_context(|| format!("reading {line}"))?;
    today["responses"]
        .as_u64()
        .with_context(|| format!("no responses in {line}"))
}
