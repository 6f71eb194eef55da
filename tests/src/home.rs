//! A home with logs, and everything the ledger knows of them.

use clawspend_core::{
    api::Reader,
    config::Config,
    engine::{self, Listener, Update},
    environment::Environment,
    ingest::{Ingest, Opened},
    ledger::{Ledger, query::Dimension},
    pricing::Prices,
    report::{Column, ReportRequest},
    summary::Amount,
    time::UnixMillis,
};
use jiff::{civil::date, tz::TimeZone};
use std::{
    collections::BTreeMap,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{Receiver, channel},
    },
    time::Duration,
};

/// A user's home that only this test knows.
#[derive(Debug)]
pub struct Home {
    folder: tempfile::TempDir,
    variables: BTreeMap<&'static str, OsString>,
}

impl Default for Home {
    fn default() -> Self {
        Self::new()
    }
}

impl Home {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            variables: BTreeMap::new(),
        }
    }

    /// Sets an environment variable for the processes to come.
    pub fn set(&mut self, name: &'static str, value: impl Into<OsString>) {
        self.variables.insert(name, value.into());
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// The folder of the ledger.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.path().join("clawspend-data")
    }

    /// Nothing of the machine's own environment comes in.
    #[must_use]
    pub fn environment(&self) -> Environment {
        let mut variables = self.variables.clone();
        variables.insert("CLAWSPEND_DATA_DIR", self.data().into());
        let config = self.path().join("clawspend-config");
        variables.insert("CLAWSPEND_CONFIG_DIR", config.into());
        let variables = move |name: &str| variables.get(name).cloned();
        Environment::new(Arc::new(variables), Some(self.path().to_owned()))
            .expect("folders are given")
    }

    /// The pipeline of a process that has just started.
    #[must_use]
    pub fn ingest(&self) -> Box<Ingest> {
        match Ingest::open(&self.environment(), &utc()).expect("a ledger") {
            Opened::Ours { ingest, .. } => ingest,
            Opened::Taken => panic!("somebody else has the ingest lock"),
        }
    }

    /// Where a log file of Claude Code lies, in a folder that is there.
    #[must_use]
    pub fn claude(&self, name: &str) -> PathBuf {
        let path = self
            .path()
            .join(".claude/projects/-home-dev-demo")
            .join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("can be created");
        path
    }

    /// What the ledger knows.
    #[must_use]
    pub fn everything(&self) -> Everything {
        everything(self.environment())
    }

    /// Reads what is new, as a process that has just started.
    pub fn catch_up(&self) -> Everything {
        drain(&mut self.ingest());
        self.everything()
    }
}

/// A zone in which midnight is hours away.
#[must_use]
pub fn zone_far_from_midnight() -> &'static str {
    match UnixMillis::now().0 / 3_600_000 % 24 {
        4..20 => "UTC",
        _ => "Etc/GMT-12",
    }
}

/// Settings with UTC's days.
#[must_use]
pub fn utc() -> Config {
    Config {
        timezone: Some("UTC".into()),
        ..Config::default()
    }
}

/// A full scan, and reading all that it finds; the clock stands an hour ahead, so that every file is quiet.
pub fn drain(ingest: &mut Ingest) {
    drain_at(ingest, UnixMillis::now().plus(3_600_000));
}

/// The same at a time of the test's choice.
pub fn drain_at(ingest: &mut Ingest, now: UnixMillis) {
    ingest.scan().expect("a scan");
    while ingest.is_behind() {
        ingest.step(now).expect("a batch");
    }
}

/// An engine that tells of alerts, and what it says.
pub fn started(home: &Home) -> (engine::Handle, Receiver<Update>) {
    let (sender, updates) = channel();
    let handle = engine::start(home.environment(), Listener::Notifier, move |update| {
        let _ = sender.send(update);
    });
    (handle.expect("a thread"), updates)
}

/// What an update says of today.
pub fn today(update: &Update) -> Amount {
    update
        .summary
        .as_ref()
        .map_or(Amount::default(), |summary| summary.today)
}

/// Waits for an update of this kind; the time is only a limit.
pub fn wait(updates: &Receiver<Update>, what: &str, wanted: impl Fn(&Update) -> bool) -> Update {
    let mut last = None;
    for _ in 0..10_000 {
        match updates.recv_timeout(Duration::from_secs(30)) {
            Ok(update) if wanted(&update) => return update,
            Ok(update) => last = Some(update),
            Err(_) => break,
        }
    }
    panic!("no update where {what}; the last was {last:#?}")
}

/// All that a report can tell, by every dimension, and the sums of all ranges that the window shows.
#[derive(Debug, PartialEq, Eq)]
pub struct Everything {
    /// Sums by day, hour, source, project, agent, session and model.
    pub rows: BTreeMap<Vec<String>, Amount>,
    /// All rows together.
    pub totals: Amount,
}

impl Everything {
    /// Sums by some of: day, hour, source, project, agent, session, model.
    #[must_use]
    pub fn by(&self, columns: &[usize]) -> BTreeMap<Vec<String>, Amount> {
        let mut sums: BTreeMap<Vec<String>, Amount> = BTreeMap::new();
        for (values, amount) in &self.rows {
            let key = columns
                .iter()
                .map(|column| values[*column].clone())
                .collect();
            *sums.entry(key).or_default() += *amount;
        }
        sums
    }
}

fn everything(environment: Environment) -> Everything {
    rollups_are_the_sum_of_responses(&environment);
    let mut reader = Reader::open(environment).expect("a ledger");
    let by = [
        Column::Day,
        Column::Hour,
        Column::Source,
        Column::Of(Dimension::Project),
        Column::Of(Dimension::Agent),
        Column::Of(Dimension::Session),
        Column::Of(Dimension::Model),
    ];
    let request = ReportRequest {
        by: by.to_vec(),
        only: Vec::new(),
        since: date(2020, 1, 1),
        until: date(2030, 1, 1),
        zone: TimeZone::UTC,
    };
    let report = reader.report(request).expect("a report");
    let rows = report
        .rows
        .into_iter()
        .map(|row| (row.values, row.amount))
        .collect();
    Everything {
        rows,
        totals: report.totals,
    }
}

/// The two kinds of sums, kept up with every change, must be what counting all responses anew comes to.
fn rollups_are_the_sum_of_responses(environment: &Environment) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let copy = folder.path().join("ledger.sqlite");
    let kept = Ledger::open_reader(&environment.paths.ledger()).expect("a ledger");
    kept.copy_to(&copy).expect("a copy of the ledger");
    let (mut copy, _) = Ledger::open(&copy).expect("a ledger");
    let known = copy.basis().expect("readable").map(|basis| basis.terms);
    let mut prices = Prices::new(known.unwrap_or_default());
    let wrong = copy.wrong_sums(&TimeZone::UTC, &mut |one| prices.cost(one));
    assert_eq!(wrong.expect("all responses counted anew"), []);
}
