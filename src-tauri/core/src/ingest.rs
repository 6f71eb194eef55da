//! The pipeline that only one process at a time runs: look at the roots, read what is new, merge, price.

use crate::{
    api::{Phase, Problem, Progress, Status},
    config::Config,
    dialects::openclaw::pushed::Pushed,
    environment::{Environment, zone},
    follow::{Follower, Queue, kept::claude_days},
    forget::Choice,
    ledger::{IngestLock, Ledger, LedgerError, Repriced, state},
    pricing::{Basis, Prices},
    time::UnixMillis,
    usage::Source,
};
use jiff::tz::TimeZone;
use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

/// The ledger open for writing, with the logs that flow into it.
#[derive(Debug)]
pub struct Ingest {
    /// The ledger.
    pub ledger: Ledger,
    /// The logs.
    pub follower: Follower,
    /// Costs were computed anew when it was opened, or last configured.
    pub repriced: Option<Repriced>,
    queue: Queue,
    began: Instant,
    zone: TimeZone,
    prices: Prices,
    _lock: IngestLock,
}

/// What asking for the ingest came to.
#[derive(Debug)]
pub enum Opened {
    /// It is ours.
    Ours {
        /// The pipeline.
        ingest: Box<Ingest>,
        /// A damaged ledger was found and is kept there; this one begins anew.
        set_aside: Option<PathBuf>,
    },
    /// Another process has it; its ledger can be read.
    Taken,
}

impl Ingest {
    /// Takes the ingest lock and opens the ledger, creating and upgrading it where necessary.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn open(environment: &Environment, config: &Config) -> Result<Opened, LedgerError> {
        let path = environment.paths.ledger();
        let lock = IngestLock::try_take(&environment.paths.ingest_lock()).map_err(|source| {
            LedgerError::Open {
                path: path.clone(),
                source: source.into(),
            }
        })?;
        let Some(lock) = lock else {
            return Ok(Opened::Taken);
        };
        let (mut ledger, set_aside) = Ledger::open(&path)?;
        let (zone, zone_name) = zone(config);
        ledger.set_zone(&zone, &zone_name)?;
        let (prices, repriced) = priced(&mut ledger, config, &zone)?;
        let follower = Follower::new(environment.roots(config), &ledger)?;
        let ingest = Self {
            ledger,
            follower,
            repriced,
            queue: Queue::default(),
            began: Instant::now(),
            zone,
            prices,
            _lock: lock,
        };
        Ok(Opened::Ours {
            ingest: Box::new(ingest),
            set_aside,
        })
    }

    /// Follows a changed config: other roots, another zone, other prices.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn configure(
        &mut self,
        environment: &Environment,
        config: &Config,
    ) -> Result<(), LedgerError> {
        let (zone, zone_name) = zone(config);
        self.ledger.set_zone(&zone, &zone_name)?;
        (self.prices, self.repriced) = priced(&mut self.ledger, config, &zone)?;
        self.zone = zone;
        self.follower = Follower::new(environment.roots(config), &self.ledger)?;
        self.queue = Queue::default();
        Ok(())
    }

    /// Looks at all roots and queues what is new. Returns the files that somebody is writing just now: those
    /// changed in the last ten minutes.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn scan(&mut self) -> Result<Vec<PathBuf>, LedgerError> {
        let pending = self.follower.scan(Some(&mut self.ledger))?;
        let now = UnixMillis::now();
        self.note_looks(now)?;
        let since = now.plus(-600_000);
        let hot = pending.iter().filter_map(|file| file.changed_since(since));
        let hot = hot.map(Path::to_owned).collect();
        self.enqueue(pending);
        Ok(hot)
    }

    /// Notes which sources' logs have been looked at, for telling which days are known whole.
    fn note_looks(&mut self, now: UnixMillis) -> Result<(), LedgerError> {
        if !self.follower.problems().is_empty() {
            return Ok(());
        }
        let kept = i64::from(claude_days(self.follower.roots())) * 86_400_000;
        for (source, gap) in [(Source::ClaudeCode, kept), (Source::OpenClaw, i64::MAX)] {
            let roots = self.follower.roots().iter();
            if roots
                .filter(|root| root.source == source)
                .any(|root| root.path.is_dir())
            {
                self.ledger.note_look(source, now, gap)?;
            }
        }
        Ok(())
    }

    /// Looks at these paths and queues what is new.
    pub fn examine(&mut self, paths: &[PathBuf]) {
        let pending = self.follower.examine(paths, UnixMillis::now());
        self.enqueue(pending);
    }

    /// Takes in what a gateway pushed; true when any response changed.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing of it remains then.
    pub fn hear(&mut self, gateway: &str, pushed: &[Pushed]) -> Result<bool, LedgerError> {
        let Self {
            ledger,
            zone,
            prices,
            ..
        } = self;
        ledger.hear(gateway, pushed, zone, &mut |response| prices.cost(response))
    }

    fn enqueue(&mut self, pending: Vec<crate::follow::Pending>) {
        if self.queue.is_empty() {
            self.began = Instant::now();
        }
        self.queue.extend(pending);
    }

    /// Whether something is queued.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        !self.queue.is_empty()
    }

    /// How far reading the queue has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.queue
            .progress(u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX))
    }

    /// Reads one batch of what is queued; true when any response changed.
    ///
    /// # Errors
    /// [`LedgerError`]; nothing of the batch remains then, and what was not read stays queued.
    pub fn step(&mut self, now: UnixMillis) -> Result<bool, LedgerError> {
        let Self {
            ledger,
            follower,
            queue,
            zone,
            prices,
            ..
        } = self;
        follower.read_batch(
            queue,
            ledger,
            zone,
            &mut |response| prices.cost(response),
            now,
        )
    }
}

impl Ingest {
    /// Reads everything that is new.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn read_all(&mut self, report: &mut dyn FnMut(Progress)) -> Result<(), LedgerError> {
        self.scan()?;
        while self.is_behind() {
            self.step(UnixMillis::now())?;
            report(self.progress());
        }
        Ok(())
    }

    /// Forgets what was chosen; see [`Ledger::forget`].
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn forget(&mut self, choice: &Choice) -> Result<bool, LedgerError> {
        let Self {
            ledger,
            zone,
            prices,
            ..
        } = self;
        ledger.forget(&choice.ids, &choice.rests, zone, &mut |one| {
            prices.cost(one)
        })
    }
}

/// The prices in force, by which all costs in the ledger are computed from now on. While the config has never been
/// readable, they are those of last time.
fn priced(
    ledger: &mut Ledger,
    config: &Config,
    zone: &TimeZone,
) -> Result<(Prices, Option<Repriced>), LedgerError> {
    let terms = match &config.terms {
        Some(terms) => terms.clone(),
        None => ledger.basis()?.map(|basis| basis.terms).unwrap_or_default(),
    };
    let basis = Basis::of(&terms);
    let mut prices = Prices::new(terms);
    let repriced = ledger.reprice(&basis, zone, &mut |one| prices.cost(one), UnixMillis::now())?;
    if let Some(repriced) = &repriced {
        tracing::info!("costs computed anew: {}", repriced.describe());
    }
    Ok((prices, repriced))
}

/// What catching up came to, for a door that runs once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaughtUp {
    /// Everything that is there has been read; else another process follows the logs and stood still for ten
    /// seconds before it had.
    pub whole: bool,
    /// What stands in the way of a true number.
    pub problems: Vec<Problem>,
    /// All costs were computed anew.
    pub repriced: Option<Repriced>,
}

/// Brings the ledger up to date: reads what is new, or waits until the process that follows the logs has.
///
/// # Errors
/// [`LedgerError`].
pub fn catch_up(
    environment: &Environment,
    config: &Config,
    report: &mut dyn FnMut(Progress),
) -> Result<CaughtUp, LedgerError> {
    let (patience, pause) = (Duration::from_secs(10), Duration::from_millis(100));
    let mut last = (usize::MAX, Instant::now());
    loop {
        if let Opened::Ours {
            mut ingest,
            set_aside,
        } = Ingest::open(environment, config)?
        {
            ingest.read_all(report)?;
            let mut problems = Vec::from_iter(set_aside.map(|path| damaged(&path)));
            problems.extend(ingest.follower.problems());
            return Ok(CaughtUp {
                whole: true,
                problems,
                repriced: ingest.repriced,
            });
        }
        let (left, problems) = unread(&environment.paths.ledger(), environment, config)?;
        // As long as the other process gets on, it is worth waiting for.
        if last.0 != left {
            last = (left, Instant::now());
        }
        // Once it has read all it can, what it has not read is what it cannot read, and its problems say so.
        let live = other_is_live(&environment.paths.ledger());
        if left == 0 || live && last.1.elapsed() > 10 * pause || last.1.elapsed() > patience {
            let whole = left == 0 || live;
            return Ok(CaughtUp {
                whole,
                problems,
                repriced: None,
            });
        }
        std::thread::sleep(if left == 1 { pause / 10 } else { pause });
    }
}

/// Whether the process that follows the logs says that it has read everything.
fn other_is_live(path: &Path) -> bool {
    let status = Ledger::open_reader(path).and_then(|ledger| ledger.state(state::STATUS));
    let status = status.ok().flatten();
    status
        .and_then(|text| serde_json::from_str::<Status>(&text).ok())
        .is_some_and(|status| status.phase == Phase::Live)
}

/// How many files have something that the ledger does not know yet, and what cannot be looked at.
fn unread(
    path: &Path,
    environment: &Environment,
    config: &Config,
) -> Result<(usize, Vec<Problem>), LedgerError> {
    match Ledger::open_reader(path) {
        Ok(ledger) => {
            let mut follower = Follower::new(environment.roots(config), &ledger)?;
            let left = follower.unread()?.len();
            Ok((left, follower.problems()))
        }
        // The other process is just creating it.
        Err(LedgerError::Missing(_)) => Ok((usize::MAX, Vec::new())),
        Err(error) => Err(error),
    }
}

/// Tells of a damaged ledger that is kept at `path`.
pub(crate) fn damaged(path: &Path) -> Problem {
    Problem {
        code: "ledger_rebuilt".into(),
        message: format!(
            "the ledger was damaged; it is kept as {} and has been rebuilt from the logs",
            path.display()
        ),
        hint: "figures of logs that no longer exist are only in the old file".into(),
        serious: true,
    }
}
