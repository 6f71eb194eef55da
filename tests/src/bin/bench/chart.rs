//! A chart over 180 days by model, asked of the ledger as the window does.

use crate::{
    product::{Product, measure as run, median},
    table::Table,
};
use anyhow::{Context, Result};
use std::{
    hint::black_box,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

const DAYS: u32 = 180;
const RUNS: usize = 50;

/// Runs [`print_median`] in the product's surroundings.
pub(crate) fn measure(me: &Path, product: &Product, table: &mut Table) -> Result<()> {
    let mut command = Command::new(me);
    product.surround(command.arg("chart"));
    let printed =
        String::from_utf8(run(&mut command)?.stdout).context("reading the chart's time")?;
    let millis: f64 = printed.trim().parse().context("reading the chart's time")?;
    table.at_most("chart over 180 days by model", millis, "ms", 1.0);
    Ok(())
}

/// Prints the median time of one chart in milliseconds.
pub(crate) fn print_median() -> Result<()> {
    let environment =
        clawspend_core::environment::Environment::of_process().context("looking for the ledger")?;
    let mut reader =
        clawspend_core::api::Reader::open(environment).context("opening the ledger")?;
    let now = clawspend_core::time::UnixMillis::now();
    let mut times: Vec<Duration> = Vec::new();
    for _ in 0..RUNS {
        let start = Instant::now();
        black_box(reader.chart(DAYS, now).context("asking for the chart")?);
        times.push(start.elapsed());
    }
    println!("{}", median(times));
    Ok(())
}
