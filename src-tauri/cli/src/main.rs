//! `clawspend`: what your AI coding agents spent, on the command line.

mod doctor;
mod explain;
mod forget;
mod gateway;
mod host;
mod json;
mod models;
mod prices;
mod quota;
mod reconcile;
mod report;
mod session;
mod table;
mod today;
mod verify;

use clap::{CommandFactory as _, Parser, Subcommand, error::ErrorKind};
use clawspend_core::{
    api::{ApiError, Problem, Progress},
    environment::Environment,
    ingest::catch_up,
    ledger::LedgerError,
};
use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};
use table::visible_lines;

/// What your AI coding agents spent: OpenClaw and Claude Code, read from their logs, on this machine only.
#[derive(Debug, Parser)]
#[command(name = "clawspend", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Today's spend
    Today(today::Arguments),
    /// Sums over a range of days, by any dimensions
    Report(report::Arguments),
    /// Why a day, a session or a response costs what it costs
    Explain(explain::Arguments),
    /// What models cost, by which price, and why that one
    Prices(prices::Arguments),
    /// The models seen, and what is missing for those without a price
    Models(models::Arguments),
    /// OpenClaw gateways: add, list, test, remove, choose the default
    Gateway(gateway::Arguments),
    /// What a session used, response by response, as its gateway tells it
    Session(session::Arguments),
    /// Where was looked, what was found, and what stands in the way of a true number
    Doctor(doctor::Arguments),
    /// Read all logs again and tell where the ledger says something else, and why
    Verify(verify::Arguments),
    /// Take responses out of the ledger for good; only shows which, unless --yes is given
    Forget(forget::Arguments),
    /// Why what a gateway itself counts is another total than ours
    Reconcile(reconcile::Arguments),
    /// How full the providers' quotas are, as gateways report them
    Quota(quota::Arguments),
    /// The version of Clawspend and of its price book
    Version(VersionArguments),
}

#[derive(Debug, clap::Args)]
struct VersionArguments {
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Why a command failed: one sentence and a hint.
#[derive(Debug)]
struct Failure {
    message: String,
    hint: String,
}

impl From<ApiError> for Failure {
    fn from(error: ApiError) -> Self {
        Self {
            message: error.message,
            hint: error.hint,
        }
    }
}

impl From<LedgerError> for Failure {
    fn from(error: LedgerError) -> Self {
        ApiError::from(error).into()
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Self {
        Self {
            message: format!("cannot write the answer: {error}"),
            hint: "check where the output goes".into(),
        }
    }
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Today(arguments) => today::run(&arguments),
        Command::Report(arguments) => report::run(&arguments),
        Command::Explain(arguments) => explain::run(&arguments),
        Command::Prices(arguments) => prices::run(&arguments),
        Command::Models(arguments) => models::run(&arguments),
        Command::Gateway(arguments) => gateway::run(&arguments),
        Command::Session(arguments) => session::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Verify(arguments) => verify::run(&arguments),
        Command::Forget(arguments) => forget::run(&arguments),
        Command::Reconcile(arguments) => reconcile::run(&arguments),
        Command::Quota(arguments) => quota::run(&arguments),
        Command::Version(arguments) => version(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { message, hint }) => {
            let (message, hint) = (visible_lines(&message), visible_lines(&hint));
            let _ = writeln!(std::io::stderr(), "clawspend: {message}\nHint: {hint}");
            ExitCode::FAILURE
        }
    }
}

/// Ends the program as for any other argument that is wrong.
fn wrong_usage(command: &str, why: &str) -> ! {
    let mut all = Arguments::command();
    all.build();
    let known = all.find_subcommand_mut(command);
    let error = match known {
        Some(command) => command.error(ErrorKind::ValueValidation, why),
        None => all.error(ErrorKind::ValueValidation, why),
    };
    error.exit()
}

fn environment() -> Result<Environment, Failure> {
    Environment::of_process().map_err(|error| Failure {
        message: error.to_string(),
        hint: "or set HOME".into(),
    })
}

/// Prints to standard output; a reader that has gone away, as in `| head`, is no failure.
fn print(text: &str) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        written => Ok(written?),
    }
}

/// Says something on standard error that is not the answer.
fn note(text: &str) {
    let _ = writeln!(std::io::stderr(), "clawspend: {}", visible_lines(text));
}

/// Says what stands in the way of a true number.
fn note_all(problems: &[Problem]) {
    for problem in problems {
        note(&format!("{}\nHint: {}", problem.message, problem.hint));
    }
}

/// A progress bar, once there is something to wait for and somebody watches. It goes when it is dropped.
struct Bar {
    what: &'static str,
    shown: Option<indicatif::ProgressBar>,
}

impl Bar {
    const fn new(what: &'static str) -> Self {
        Self { what, shown: None }
    }

    fn show(&mut self, progress: Progress) {
        if !std::io::stderr().is_terminal() || progress.files_done >= progress.files_total {
            return;
        }
        let bar = self.shown.get_or_insert_with(|| {
            let style = "{prefix} {bar:30} {bytes}/{total_bytes}, {eta} left";
            let style = indicatif::ProgressStyle::with_template(style)
                .unwrap_or_else(|_| indicatif::ProgressStyle::default_bar());
            let bar = indicatif::ProgressBar::new(progress.bytes_total).with_style(style);
            bar.with_prefix(self.what)
        });
        bar.set_position(progress.bytes_done);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Some(bar) = &self.shown {
            bar.finish_and_clear();
        }
    }
}

/// Reads what is new, with a progress bar when somebody watches and it takes a moment. Returns what stands in
/// the way of a true number.
fn refresh(environment: &Environment) -> Result<Vec<Problem>, Failure> {
    let (config, mut problems) = environment.config();
    let mut bar = Bar::new("Reading logs");
    let caught_up = catch_up(environment, &config, &mut |progress| bar.show(progress));
    drop(bar);
    let caught_up = caught_up.inspect_err(|_| note_all(&problems))?;
    if !caught_up.whole {
        note("another Clawspend is still reading the logs; these are the figures so far");
    }
    if let Some(repriced) = caught_up.repriced.filter(|it| it.before != it.after) {
        note(&format!(
            "all costs were computed anew: {}",
            repriced.describe()
        ));
    }
    problems.extend(caught_up.problems);
    Ok(problems)
}

fn version(arguments: &VersionArguments) -> Result<(), Failure> {
    let book = clawspend_core::pricing::PriceBook::embedded();
    print(&if arguments.json {
        json::version(book)
    } else {
        format!(
            "clawspend {}\nprice book of {} ({})\n",
            env!("CARGO_PKG_VERSION"),
            book.generated_on(),
            book.version()
        )
    })
}
