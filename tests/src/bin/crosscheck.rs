//! Compares `clawspend report` with ccusage on logs whose true answer is known.
//!
//! Where the logs hold nothing that ccusage is known to get wrong, both must give the truth to the token. Where they
//! hold more, Clawspend must, and how far ccusage is from it is printed (docs/accuracy.md explains).
#![allow(
    clippy::print_stdout,
    reason = "tables on standard output are what this program is for"
)]

use anyhow::{Context, Result, ensure};
use clap::Parser;
use clawspend_core::money::NanoUsd;
use clawspend_tests::corpus::{Corpus, Options, Pitfall, Truth, parse_bytes};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
};

#[derive(Parser)]
#[command(
    name = "crosscheck",
    about = "Compares Clawspend's figures with those of ccusage"
)]
struct Arguments {
    /// Bytes of logs, as in 64M or 1G
    #[arg(long, default_value = "128M", value_parser = parse_bytes)]
    bytes: u64,
    /// Log files
    #[arg(long, default_value_t = 600)]
    files: usize,
    #[arg(long, default_value_t = 7)]
    seed: u64,
}

const SOURCES: [&str; 2] = ["claude-code", "openclaw"];
/// ccusage does not tell the two kinds of cache writes apart.
const CLASSES: [&str; 4] = ["input", "output", "cache read", "cache write"];

/// What one tool says of a source.
#[derive(Debug, Default)]
struct Answer {
    /// By day and model.
    cells: BTreeMap<(String, String), [u64; 4]>,
    /// By model.
    costs: BTreeMap<String, NanoUsd>,
}

impl Answer {
    fn add(&mut self, day: &str, model: &str, tokens: [u64; 4], cost: NanoUsd) {
        let cell = self.cells.entry((day.into(), model.into())).or_default();
        for (sum, count) in cell.iter_mut().zip(tokens) {
            *sum += count;
        }
        *self.costs.entry(model.into()).or_default() += cost;
    }

    fn cost(&self) -> NanoUsd {
        self.costs.values().copied().sum()
    }

    fn total(&self, class: usize) -> u64 {
        self.cells.values().map(|tokens| tokens[class]).sum()
    }

    /// Cells of either that differ from the other's.
    fn differing<'a>(&'a self, other: &'a Self) -> Vec<&'a (String, String)> {
        let missing = other
            .cells
            .keys()
            .filter(|key| !self.cells.contains_key(*key));
        let mut keys: Vec<_> = self.cells.keys().chain(missing).collect();
        keys.retain(|key| self.cells.get(*key) != other.cells.get(*key));
        keys
    }
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    let whole = Options {
        seed: arguments.seed,
        bytes: arguments.bytes,
        files: arguments.files,
        ..Options::default()
    };
    let plain = Options {
        pitfalls: &[],
        ..whole
    };
    println!("## Without what ccusage is known to get wrong\n");
    for compared in compare(&plain)? {
        compared.must_agree()?;
        compared.print_costs();
    }
    // How often there is such a null is the generator's own choice, and it decides all other figures.
    let nulls = [Pitfall::NullSpeed, Pitfall::NullInToolInput];
    let but_nulls = Pitfall::ALL
        .iter()
        .copied()
        .filter(|pitfall| !nulls.contains(pitfall));
    let but_nulls = Options {
        pitfalls: but_nulls.collect::<Vec<_>>().leak(),
        ..whole
    };
    for (title, options) in [
        ("With everything but nulls", &but_nulls),
        ("With everything", &whole),
    ] {
        println!("## {title}\n");
        for compared in compare(options)? {
            compared.print_errors();
        }
    }
    println!("## One thing at a time\n");
    println!("| only this | source | wrong cells | input | output | cache read | cache write |");
    println!("|---|---|--:|--:|--:|--:|--:|");
    for pitfall in Pitfall::ALL {
        let only = Options {
            pitfalls: std::slice::from_ref(pitfall),
            bytes: whole.bytes / 4,
            ..plain
        };
        for compared in compare(&only)? {
            compared.print_line(&format!("{pitfall:?}"));
        }
    }
    Ok(())
}

/// Both tools' answers for one source, and the truth, to which Clawspend's has been found equal.
struct Compared {
    source: &'static str,
    truth: Answer,
    ours: Answer,
    theirs: Answer,
}

/// Writes logs and asks both tools.
fn compare(options: &Options) -> Result<Vec<Compared>> {
    let home = tempfile::tempdir().context("making a folder for logs")?;
    let truth = Corpus::plan(options.clone())
        .write(home.path())
        .context("writing the logs")?;
    let one = |source| {
        let compared = Compared {
            source,
            truth: true_answer(&truth, source),
            ours: clawspend(home.path(), &truth, source)?,
            theirs: ccusage(home.path(), source)?,
        };
        compared.ours_must_be_true(truth.costs[source])?;
        Ok(compared)
    };
    SOURCES.into_iter().map(one).collect()
}

impl Compared {
    fn ours_must_be_true(&self, cost: NanoUsd) -> Result<()> {
        let (wrong, said) = (self.ours.differing(&self.truth), self.ours.cost());
        ensure!(
            wrong.is_empty(),
            "Clawspend is wrong about {}: {wrong:?}",
            self.source
        );
        ensure!(
            said == cost,
            "{} cost ${cost}, Clawspend says ${said}",
            self.source
        );
        Ok(())
    }

    fn must_agree(&self) -> Result<()> {
        let wrong = self.theirs.differing(&self.truth);
        ensure!(
            wrong.is_empty(),
            "ccusage differs about {}: {wrong:?}",
            self.source
        );
        Ok(())
    }

    /// Equal tokens, model by model: the costs, which differ where the prices do.
    fn print_costs(&self) {
        let cells = self.ours.cells.len();
        println!(
            "{}: {cells} cells of day and model, all equal to the token\n",
            self.source
        );
        println!("| model | Clawspend | ccusage |\n|---|--:|--:|");
        for (model, cost) in &self.ours.costs {
            let other = self.theirs.costs.get(model).copied().unwrap_or_default();
            println!("| {model} | {} | {} |", cost.display(), other.display());
        }
        println!(
            "| all | {} | {} |\n",
            self.ours.cost().display(),
            self.theirs.cost().display()
        );
    }

    /// How far both are from the truth.
    fn print_errors(&self) {
        let (cells, wrong) = (
            self.truth.cells.len(),
            self.theirs.differing(&self.truth).len(),
        );
        println!(
            "{}: of {cells} cells Clawspend has 0 wrong, ccusage {wrong}\n",
            self.source
        );
        println!("| | truth | Clawspend | ccusage | error |\n|---|--:|--:|--:|--:|");
        for (class, name) in CLASSES.iter().enumerate() {
            let [truth, ours, theirs] =
                [&self.truth, &self.ours, &self.theirs].map(|it| it.total(class));
            println!(
                "| {name} | {truth} | {ours} | {theirs} | {} |",
                self.error(class)
            );
        }
        let [ours, theirs] = [&self.ours, &self.theirs].map(Answer::cost);
        let error = percent(theirs.0.into(), ours.0.into());
        let [ours, theirs] = [ours, theirs].map(NanoUsd::display);
        println!("| cost | {ours} | {ours} | {theirs} | {error} |\n");
    }

    fn print_line(&self, only: &str) {
        let wrong = self.theirs.differing(&self.truth).len();
        if wrong > 0 {
            let errors = [0, 1, 2, 3].map(|class| self.error(class)).join(" | ");
            println!(
                "| {only} | {} | {wrong} of {} | {errors} |",
                self.source,
                self.truth.cells.len()
            );
        }
    }

    fn error(&self, class: usize) -> String {
        percent(
            self.theirs.total(class).into(),
            self.truth.total(class).into(),
        )
    }
}

/// `found` is so much more than `right`: "+1.5 %".
fn percent(found: i128, right: i128) -> String {
    let tenths = (found - right) * 1000 / right.max(1);
    let sign = if found < right { '-' } else { '+' };
    format!("{sign}{}.{} %", tenths.abs() / 10, tenths.abs() % 10)
}

fn true_answer(truth: &Truth, source: &str) -> Answer {
    let mut answer = Answer::default();
    for row in truth.rows.iter().filter(|row| row.source == source) {
        let figures = &row.figures;
        let tokens = [
            figures.input_tokens,
            figures.output_tokens,
            figures.cache_read_tokens,
            figures.cache_write_5m_tokens + figures.cache_write_1h_tokens,
        ];
        answer.add(&row.day, &row.model, tokens, NanoUsd::ZERO);
    }
    answer
}

fn clawspend(home: &Path, truth: &Truth, source: &str) -> Result<Answer> {
    let me = std::env::current_exe().context("looking for this program's own file")?;
    let binary = match std::env::var_os("CLAWSPEND_BIN") {
        Some(path) => PathBuf::from(path),
        None => me
            .with_file_name("clawspend")
            .with_extension(std::env::consts::EXE_EXTENSION),
    };
    let mut command = Command::new(binary);
    command.args([
        "report",
        "--by",
        "day,source,model",
        "--timezone",
        "UTC",
        "--json",
    ]);
    command.args(["--since", &truth.since, "--until", &truth.until]);
    command
        .env("CLAWSPEND_DATA_DIR", home.join("ledger"))
        .env("CLAWSPEND_CONFIG_DIR", home.join("ledger/config"));
    let report = printed(command, home)?;
    let mut answer = Answer::default();
    for row in rows(&report, "rows")?
        .iter()
        .filter(|row| row["source"] == source)
    {
        let tokens = [
            count(row, "input_tokens")?,
            count(row, "output_tokens")?,
            count(row, "cache_read_tokens")?,
            count(row, "cache_write_5m_tokens")? + count(row, "cache_write_1h_tokens")?,
        ];
        let cost = NanoUsd::parse_decimal(text(row, "cost_usd")?).context("a cost")?;
        answer.add(text(row, "day")?, text(row, "model")?, tokens, cost);
    }
    Ok(answer)
}

fn ccusage(home: &Path, source: &str) -> Result<Answer> {
    let installed =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("crosscheck/node_modules/ccusage/src/cli.js");
    ensure!(
        installed.exists(),
        "ccusage is not installed; `make crosscheck` does that"
    );
    let mut command = Command::new("node");
    command.arg(installed);
    match source {
        "openclaw" => command.args(["openclaw", "daily"]),
        _ => command.args(["claude", "daily", "--breakdown"]),
    };
    // Without --offline it would ask for prices of the day.
    command.args(["--json", "--offline", "--timezone", "UTC"]);
    let report = printed(command, home)?;
    let mut answer = Answer::default();
    for day in rows(&report, "daily")? {
        for row in rows(day, "modelBreakdowns")? {
            let model = text(row, "modelName")?;
            let tokens = [
                count(row, "inputTokens")?,
                count(row, "outputTokens")?,
                count(row, "cacheReadTokens")?,
                count(row, "cacheCreationTokens")?,
            ];
            let cost = NanoUsd::parse_decimal(&row["cost"].to_string()).context("a cost")?;
            answer.add(
                text(day, "date")?,
                model.strip_prefix("[openclaw] ").unwrap_or(model),
                tokens,
                cost,
            );
        }
    }
    Ok(answer)
}

/// What a tool prints that knows of nothing but `home`.
fn printed(mut command: Command, home: &Path) -> Result<Value> {
    let program = command.get_program().to_owned();
    for (name, _) in std::env::vars_os() {
        if name != "PATH" && name != "SystemRoot" {
            command.env_remove(name);
        }
    }
    let output = command
        .env("HOME", home)
        .env("TZ", "UTC")
        .current_dir(home)
        .output()
        .with_context(|| format!("starting {}", program.display()))?;
    ensure!(
        output.status.success(),
        "{} ended with {}: {}",
        program.display(),
        output.status,
        String::from_utf8_lossy(&output.stderr)
    );
    serde_json::from_slice(&output.stdout)
        .with_context(|| format!("reading what {} printed", program.display()))
}

fn rows<'a>(value: &'a Value, name: &str) -> Result<&'a Vec<Value>> {
    value[name]
        .as_array()
        .with_context(|| format!("no rows {name:?}"))
}

fn count(row: &Value, name: &str) -> Result<u64> {
    row[name]
        .as_u64()
        .with_context(|| format!("no count {name:?}"))
}

fn text<'a>(row: &'a Value, name: &str) -> Result<&'a str> {
    row[name]
        .as_str()
        .with_context(|| format!("no text {name:?}"))
}
