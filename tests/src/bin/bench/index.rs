//! The first index of everything, against reading the same files; and whether its answer is the true one.

use crate::{
    product::{Measured, Product, measure as run, median},
    table::Table,
};
use anyhow::{Context, Result, bail};
use clawspend_tests::corpus::{Row, Truth};
use serde::Deserialize;
use std::{fs, path::Path, process::Command};

const ROUNDS: usize = 3;

/// The part of `clawspend report --json` that has a truth.
#[derive(Deserialize)]
struct Report {
    rows: Vec<Row>,
}

/// Leaves the ledger of the last round in `product.data`.
pub(crate) fn measure(
    me: &Path,
    product: &Product,
    truth: &Truth,
    table: &mut Table,
) -> Result<()> {
    let baseline = || run(Command::new(me).arg("read-baseline").arg(&product.home));
    baseline().context("reading the logs for the first time")?;
    let (mut reads, mut indexes) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        reads.push(baseline()?);
        indexes.push(check(product, truth)?);
    }
    let cpu = |runs: &[Measured]| median(runs.iter().map(|run| run.cpu));
    let peak = indexes.iter().map(|run| run.peak_bytes).max().unwrap_or(0);
    table.figure("reading all logs, CPU", cpu(&reads), "ms");
    table.figure("first index, CPU", cpu(&indexes), "ms");
    table.figure(
        "first index, until the report is printed",
        median(indexes.iter().map(|run| run.wall)),
        "ms",
    );
    table.at_most(
        "first index against reading, CPU",
        cpu(&indexes) / cpu(&reads),
        "x",
        3.0,
    );
    table.at_most("first index, peak memory", mebibytes(peak), "MiB", 48.0);
    let ledger: u64 = walkdir::WalkDir::new(&product.data)
        .into_iter()
        .filter_map(|entry| entry.ok()?.metadata().ok())
        .filter(fs::Metadata::is_file)
        .map(|file| file.len())
        .sum();
    table.figure("ledger on disk", mebibytes(ledger), "MiB");
    Ok(())
}

/// Indexes everything into a fresh ledger and compares the report with the truth, row by row.
pub(crate) fn check(product: &Product, truth: &Truth) -> Result<Measured> {
    if product.data.exists() {
        fs::remove_dir_all(&product.data).context("removing the ledger of the round before")?;
    }
    fs::create_dir_all(&product.data).context("making a data directory")?;
    let Truth { since, until, .. } = truth;
    let by = [
        "report",
        "--by",
        "day,source,model",
        "--timezone",
        "UTC",
        "--json",
        "--since",
        since,
        "--until",
        until,
    ];
    let measured = run(&mut product.command(&by))?;
    let report: Report = serde_json::from_slice(&measured.stdout).context("reading the report")?;
    if report.rows == truth.rows {
        return Ok(measured);
    }
    let missing: Vec<&Row> = truth
        .rows
        .iter()
        .filter(|row| !report.rows.contains(row))
        .collect();
    let wrong: Vec<&Row> = report
        .rows
        .iter()
        .filter(|row| !truth.rows.contains(row))
        .collect();
    bail!(
        "the report is not the truth: {} rows missing, such as {:?}; {} rows wrong, such as {:?}",
        missing.len(),
        missing.first(),
        wrong.len(),
        wrong.first()
    )
}

#[expect(clippy::cast_precision_loss, reason = "for a table")]
fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
