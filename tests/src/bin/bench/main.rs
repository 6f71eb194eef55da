//! The promises about speed and weight, measured in one run on a corpus whose true answer is known.
//!
//! Ratios compare with what the same machine does at the same time, so they hold on a slow or busy one too.
#![allow(
    clippy::print_stdout,
    reason = "a table on standard output is what this program is for"
)]

mod baseline;
mod chart;
mod index;
mod live;
mod product;
mod table;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use clawspend_tests::corpus::{Corpus, Options, Truth, parse_bytes};
use product::Product;
use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};
use table::Table;

#[derive(Parser)]
#[command(
    name = "bench",
    about = "Measures what Clawspend promises about its speed and weight"
)]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    /// Bytes of logs, as in 64M or 1G
    #[arg(long, default_value = "1G", value_parser = parse_bytes)]
    bytes: u64,
    /// Log files
    #[arg(long, default_value_t = 2_400)]
    files: usize,
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// 64 MB instead of 1 GB: for a first look, not for the promises
    #[arg(long)]
    quick: bool,
    /// Where the logs are kept for the next run [default: bench-corpus in the target folder]
    #[arg(long, value_name = "DIR")]
    keep: Option<PathBuf>,
}

/// What runs in a process of its own, to be measured from outside.
#[derive(Subcommand)]
enum Part {
    #[command(hide = true)]
    ReadBaseline { dir: PathBuf },
    #[command(hide = true)]
    Chart,
}

/// Logs that an earlier version of the generator wrote are made anew.
const GENERATION: u32 = 3;

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    match arguments.part {
        Some(Part::ReadBaseline { dir }) => baseline::read(&dir).map(|()| ExitCode::SUCCESS),
        Some(Part::Chart) => chart::print_median().map(|()| ExitCode::SUCCESS),
        None => bench(&arguments),
    }
}

fn bench(arguments: &Arguments) -> Result<ExitCode> {
    let me = std::env::current_exe().context("looking for this program's own file")?;
    let folder = me.parent().context("looking for this program's folder")?;
    let binary = match std::env::var_os("CLAWSPEND_BIN") {
        Some(path) => PathBuf::from(path),
        None => folder
            .join("clawspend")
            .with_extension(std::env::consts::EXE_EXTENSION),
    };
    let kept = arguments
        .keep
        .clone()
        .unwrap_or_else(|| folder.join("../bench-corpus"));
    let bytes = if arguments.quick {
        64 << 20
    } else {
        arguments.bytes
    };
    let whole = Options {
        seed: arguments.seed,
        bytes,
        files: arguments.files,
        ..Options::default()
    };
    let quarter = Options {
        bytes: bytes / 4,
        files: arguments.files / 4,
        ..whole
    };
    let (home, truth) = corpus(&kept, whole)?;
    let (quarter_home, quarter_truth) = corpus(&kept, quarter)?;
    let ledgers = tempfile::tempdir_in(&kept).context("making a folder for ledgers")?;
    let product = Product {
        binary,
        home,
        data: ledgers.path().join("whole"),
    };
    let small = Product {
        binary: product.binary.clone(),
        home: quarter_home,
        data: ledgers.path().join("quarter"),
    };

    let mut table = Table::default();
    println!(
        "{} files, {} MB, {} responses",
        truth.files,
        truth.bytes >> 20,
        truth.totals.responses
    );
    index::measure(&me, &product, &truth, &mut table)?;
    index::check(&small, &quarter_truth)?;
    live::start(&product, &mut table)?;
    live::append(&product, &small, &mut table)?;
    chart::measure(&me, &product, &mut table)?;
    Ok(table.verdict())
}

/// The logs for these options, made unless an earlier run left them.
fn corpus(kept: &Path, options: Options) -> Result<(PathBuf, Truth)> {
    let name = format!(
        "v{GENERATION}-seed{}-{}files-{}",
        options.seed, options.files, options.bytes
    );
    let home = kept.join(name);
    let truth = home.join("truth.json");
    if !truth.exists() {
        println!(
            "writing {} MB of logs to {} ...",
            options.bytes >> 20,
            home.display()
        );
        if home.exists() {
            fs::remove_dir_all(&home).context("removing logs written in part")?;
        }
        let written = Corpus::plan(options)
            .write(&home)
            .context("writing the logs")?;
        fs::write(&truth, serde_json::to_vec(&written)?).context("writing truth.json")?;
    }
    live::forget(&home)?;
    let truth = serde_json::from_slice(&fs::read(&truth).context("reading truth.json")?)?;
    Ok((home.canonicalize().context("looking for the logs")?, truth))
}
