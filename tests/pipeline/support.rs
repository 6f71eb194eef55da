//! A home with logs, and everything the ledger knows of them.

use clawspend_core::{
    api::Reader,
    config::Config,
    engine::{self, Listener, Update},
    environment::Environment,
    ingest::{Ingest, Opened, Prices},
    ledger::Ledger,
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
pub(crate) struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    pub(crate) fn new() -> Self {
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path().join("clawspend-data")
    }

    /// Nothing of the machine's own environment comes in.
    pub(crate) fn environment(&self) -> Environment {
        let (data, config) = (self.data(), self.path().join("clawspend-config"));
        let variables = move |name: &str| -> Option<OsString> {
            match name {
                "CLAWSPEND_DATA_DIR" => Some(data.clone().into()),
                "CLAWSPEND_CONFIG_DIR" => Some(config.clone().into()),
                _ => None,
            }
        };
        Environment::new(Arc::new(variables), Some(self.path().to_owned()))
            .expect("folders are given")
    }

    pub(crate) fn ingest(&self) -> Box<Ingest> {
        match Ingest::open(&self.environment(), &utc()).expect("a ledger") {
            Opened::Ours { ingest, .. } => ingest,
            Opened::Taken => panic!("somebody else has the ingest lock"),
        }
    }

    /// Writes a log file of Claude Code below this project's folder.
    pub(crate) fn claude(&self, name: &str) -> PathBuf {
        let path = self
            .path()
            .join(".claude/projects/-home-dev-demo")
            .join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("can be created");
        path
    }

    pub(crate) fn everything(&self) -> Everything {
        everything(self.environment())
    }

    /// Reads what is new, as a process that has just started.
    pub(crate) fn catch_up(&self) -> Everything {
        drain(&mut self.ingest());
        self.everything()
    }
}

pub(crate) fn utc() -> Config {
    Config {
        timezone: Some("UTC".into()),
        ..Config::default()
    }
}

/// A full scan, and reading all that it finds; the clock stands an hour ahead, so that every file is quiet.
pub(crate) fn drain(ingest: &mut Ingest) {
    drain_at(ingest, UnixMillis::now().plus(3_600_000));
}

/// The same at a time of the test's choice.
pub(crate) fn drain_at(ingest: &mut Ingest, now: UnixMillis) {
    ingest.scan().expect("a scan");
    while ingest.is_behind() {
        ingest.step(now).expect("a batch");
    }
}

/// An engine that tells of alerts, and what it says.
pub(crate) fn started(home: &Home) -> (engine::Handle, Receiver<Update>) {
    let (sender, updates) = channel();
    let handle = engine::start(home.environment(), Listener::Notifier, move |update| {
        let _ = sender.send(update);
    });
    (handle.expect("a thread"), updates)
}

pub(crate) fn today(update: &Update) -> Amount {
    update
        .summary
        .as_ref()
        .map_or(Amount::default(), |summary| summary.today)
}

/// Waits for an update of this kind; the time is only a limit.
pub(crate) fn wait(
    updates: &Receiver<Update>,
    what: &str,
    wanted: impl Fn(&Update) -> bool,
) -> Update {
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
pub(crate) struct Everything {
    pub(crate) rows: BTreeMap<Vec<String>, Amount>,
    pub(crate) totals: Amount,
}

impl Everything {
    /// Sums by some of: day, hour, source, project, agent, session, model.
    pub(crate) fn by(&self, columns: &[usize]) -> BTreeMap<Vec<String>, Amount> {
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
        Column::Project,
        Column::Agent,
        Column::Session,
        Column::Model,
    ];
    let request = ReportRequest {
        by: by.to_vec(),
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
    let kept = rusqlite::Connection::open(environment.paths.ledger()).expect("a ledger");
    let copied = kept.execute("VACUUM INTO ?1", [copy.to_str().expect("Unicode")]);
    copied.expect("a copy of the ledger");
    let (mut ledger, _) = Ledger::open(&copy).expect("a ledger");
    let mut prices = Prices::default();
    let counted = ledger.reprice("another book", &TimeZone::UTC, &mut |one| prices.cost(one));
    assert!(counted.expect("all responses counted anew"));
    drop(ledger);
    let anew = rusqlite::Connection::open(copy).expect("a ledger");
    for (table, key) in [
        ("rollups", "slot, owner, model"),
        ("days", "day, source, model"),
    ] {
        let rows = |ledger: &rusqlite::Connection| -> Vec<Vec<i64>> {
            let mut statement = ledger
                .prepare(&format!("SELECT * FROM {table} ORDER BY {key}"))
                .expect("SQL");
            let columns = statement.column_count();
            let rows = statement.query_map([], |row| (0..columns).map(|at| row.get(at)).collect());
            rows.expect("rows")
                .collect::<Result<_, _>>()
                .expect("numbers")
        };
        assert_eq!(rows(&kept), rows(&anew), "{table}");
    }
}
