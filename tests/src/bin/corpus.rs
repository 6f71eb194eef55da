//! `corpus OUT_DIR --bytes 1G --seed 7 --files 2400`: writes a corpus and its `truth.json`.

use anyhow::{Context, Result};
use clap::Parser;
use clawspend_tests::corpus::{Corpus, Options, Pitfall, parse_bytes};
use std::path::PathBuf;

#[derive(Parser)]
#[command(
    about = "Writes session logs as Claude Code and OpenClaw do, with the true answer in truth.json"
)]
struct Arguments {
    /// The home directory to fill; truth.json is put beside .claude and .openclaw
    out_dir: PathBuf,
    /// Bytes of all files, as in 500K, 64M or 1G
    #[arg(long, default_value = "1G", value_parser = parse_bytes)]
    bytes: u64,
    #[arg(long, default_value_t = 7)]
    seed: u64,
    /// Transcripts and databases
    #[arg(long, default_value_t = 2_400)]
    files: usize,
    /// Without what other tools are known to get wrong
    #[arg(long)]
    plain: bool,
}

fn main() -> Result<()> {
    let Arguments {
        out_dir,
        bytes,
        seed,
        files,
        plain,
    } = Arguments::parse();
    let corpus = Corpus::plan(Options {
        seed,
        bytes,
        files,
        pitfalls: if plain { &[] } else { Pitfall::ALL },
        ..Options::default()
    });
    let truth = corpus
        .write(&out_dir)
        .with_context(|| format!("writing the corpus to {}", out_dir.display()))?;
    std::fs::write(
        out_dir.join("truth.json"),
        serde_json::to_vec_pretty(&truth)?,
    )
    .context("writing truth.json")
}
