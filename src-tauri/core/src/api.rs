//! What any door may ask: plain requests and replies. The window, the command line and the tray read
//! these and nothing else.

mod explain;
mod gateway_data;
pub mod gateways;

pub use gateways::GatewayStatus;

pub use explain::{Copies, Copy, Explained, Lesser, Subject};
pub use gateway_data::{NOTHING_TOLD, Reconciliation};

use crate::{
    completeness::{Completeness, SOON_DAYS, completeness},
    config::{Config, Plan},
    engine::with_cause,
    environment::{Environment, zone},
    follow::{Follower, kept::claude_days},
    forget::{self, Choice, ForgetRequest},
    ledger::{
        IngestLock, Ledger, LedgerError, Repriced,
        files::{Counts, path_text},
        looks::OldLogs,
        query::{Dimension, Name, Rollup},
        quotas::KeptQuota,
        seen::SeenModel,
        state,
    },
    money::NanoUsd,
    pricing::{Gap, PriceBook, Prices, Terms},
    report::{Report, ReportRequest, report},
    summary::{Amount, BreakdownRow, DayAmounts, Summary, by_model, days_needed, summarise},
    time::{Slot, UnixMillis, add_days, day_start},
    usage::{Fault, Source},
};
use jiff::{civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Everything the dashboard window shows, in one reply.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export, export_to = "types.ts"))]
pub struct Dashboard {
    /// Today and around it.
    pub summary: Summary,
    /// One entry for each of the asked days, oldest first, also for days without spend.
    pub days: Vec<DayAmounts>,
    /// Breakdown of those days, each in falling order of cost.
    pub by_model: Vec<BreakdownRow>,
    /// See `by_model`; at most 200 rows.
    pub by_project: Vec<BreakdownRow>,
    /// See `by_model`; at most 200 rows.
    pub by_session: Vec<BreakdownRow>,
    /// Models of those days with responses whose cost is not known, most such responses first.
    pub unpriced: Vec<Unpriced>,
    /// What the totals of those days may lack, in sentences: logs of a source were deleted before they could be read, or
    /// the user had responses forgotten.
    pub remarks: Vec<String>,
    /// What the engine is doing.
    pub status: Status,
    /// Where logs were looked for, for the first-run page.
    pub roots: Vec<Root>,
    /// The quotas that gateways tell of now, fullest first.
    pub quotas: Vec<KeptQuota>,
    /// Alerts of the last seven days, newest first.
    pub alerts: Vec<Alert>,
    /// The config file, for the "Settings" hint.
    pub config_path: String,
    /// Alerts make no notification until then.
    pub notifications_paused_until: Option<UnixMillis>,
    /// The ledger's change counter: the window asks again only when it has moved.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub revision: i64,
}

/// A model as logged with responses whose cost is not known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct Unpriced {
    /// The model as written.
    pub name: String,
    /// Provider as written; empty where the log names none.
    pub provider: String,
    /// Whose responses.
    pub source: Source,
    /// All its responses, those with a price too.
    pub amount: Amount,
    /// The beginning of the quarter hour of its latest response; of its day where a gateway counts it by day.
    pub last_at: UnixMillis,
    /// Why, and how many of them.
    pub gaps: Vec<GapCount>,
}

/// Responses without a cost, for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct GapCount {
    /// Why.
    pub gap: Gap,
    /// How many.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub responses: u64,
}

/// What the engine is doing; kept in the ledger so that every door tells the same story.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct Status {
    /// Its phase.
    pub phase: Phase,
    /// What stands in the way of a true number, each with advice; empty when all is well.
    pub problems: Vec<Problem>,
    /// When a scan last ended with everything read.
    pub caught_up_at: Option<UnixMillis>,
    /// The gateways that are followed, the default one first; empty while no process follows the logs.
    #[serde(default)]
    pub gateways: Vec<GatewayStatus>,
}

/// The engine's phase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Phase {
    /// No process is following the logs just now.
    Stopped,
    /// Reading what is new.
    CatchingUp(Progress),
    /// All that is there has been read; waiting for more.
    Live,
}

/// How far a catch-up has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct Progress {
    /// Files and databases read to their end.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub files_done: u64,
    /// Files and databases with something new.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub files_total: u64,
    /// Bytes read.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub bytes_done: u64,
    /// Bytes to read.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub bytes_total: u64,
    /// Estimated seconds left, once that can be told.
    #[cfg_attr(feature = "ts", ts(type = "number | null"))]
    pub eta_seconds: Option<u64>,
}

/// Something the user should know, in a sentence, with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct Problem {
    /// Stable name, such as `unreadable`, `disk_full`, `config`, `broken_lines`, `database_busy`.
    pub code: String,
    /// What was tried, on what, and what happened.
    pub message: String,
    /// What to do.
    pub hint: String,
    /// The tray shows its problem icon for these only; others are for doctor and the window.
    pub serious: bool,
}

/// A place where logs were looked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct Root {
    /// Whose logs live there.
    pub source: Source,
    /// The folder.
    pub path: String,
    /// Why it was looked at: "default", "CLAUDE_CONFIG_DIR", "config", …
    pub origin: String,
    /// What was found.
    pub state: RootState,
    /// Log files and databases known below it.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub files: u64,
    /// Their bytes.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub bytes: u64,
}

/// What looking at a root found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RootState {
    /// It exists and can be read.
    Found,
    /// There is no such folder.
    Missing,
    /// It is there and cannot be read.
    Unreadable {
        /// The operating system's reason.
        reason: String,
    },
}

/// An alert that fired: one per episode.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct Alert {
    /// The rule: `budget` or `spike`.
    pub rule: String,
    /// When the episode began.
    pub at: UnixMillis,
    /// When it ended; `None` while it goes on.
    pub ended: Option<UnixMillis>,
    /// One line, amount first.
    pub title: String,
    /// The usual amount, the top session and model.
    pub body: String,
    /// What was spent when it fired.
    pub amount: NanoUsd,
}

/// A record that could not be counted, and where it lies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct BrokenRecord {
    /// What is wrong.
    pub fault: Fault,
    /// The file or database.
    pub path: String,
    /// Byte offset of the line, or sequence number of the row.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub offset: u64,
}

/// What doctor tells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Doctor {
    /// Every root that was looked at.
    pub roots: Vec<Root>,
    /// What all records came to.
    pub counts: Counts,
    /// The first twenty records that could not be read.
    pub broken: Vec<BrokenRecord>,
    /// The ledger's file.
    pub ledger_path: String,
    /// Its size.
    pub ledger_bytes: u64,
    /// The responses in it.
    pub responses: u64,
    /// SQLite's own check of it: "ok" alone, or what is wrong.
    pub integrity: Vec<String>,
    /// The config file.
    pub config_path: String,
    /// Models with responses whose cost is not known, over the whole history.
    pub unpriced: Vec<Unpriced>,
    /// What computing all costs anew last came to.
    pub repriced: Option<Repriced>,
    /// Which days of each source are known whole.
    pub completeness: Vec<Completeness>,
    /// What the engine is doing.
    pub status: Status,
    /// What stands in the way of a true number, found by a look of our own.
    pub problems: Vec<Problem>,
}

/// Why a request was not answered: a stable code, what was tried, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export, export_to = "types.ts"))]
#[error("{message}")]
pub struct ApiError {
    /// Stable name, such as `ledger_missing`.
    pub code: String,
    /// One sentence.
    pub message: String,
    /// What to do.
    pub hint: String,
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        crate::ledger::note_damage(&error);
        let code = match error {
            LedgerError::Missing(_) => "ledger_missing",
            LedgerError::TooNew { .. } => "ledger_too_new",
            LedgerError::Foreign(_) => "ledger_foreign",
            LedgerError::Corrupt(_) => "ledger_damaged",
            LedgerError::Full(_) => "disk_full",
            LedgerError::Open { .. } => "ledger_unopenable",
            LedgerError::Sqlite { .. } => "ledger",
        };
        Self {
            code: code.into(),
            message: with_cause(&error),
            hint: error.hint().into(),
        }
    }
}

/// Rows of a breakdown table that the window gets at most.
const BREAKDOWN_ROWS: usize = 200;

/// All days.
const EVER: (Date, Date) = (Date::MIN, Date::MAX);

/// A reader of the ledger, as the window and the command line are.
#[derive(Debug)]
pub struct Reader {
    ledger: Ledger,
    environment: Environment,
    config: Config,
    zone: TimeZone,
    zone_name: String,
    prices: Prices,
}

impl Reader {
    /// Opens the ledger for reading.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn open(environment: Environment) -> Result<Self, ApiError> {
        let ledger = Ledger::open_reader(&environment.paths.ledger())?;
        let (config, _) = environment.config();
        let (zone, zone_name) = zone(&config);
        let prices = Prices::new(priced_by(&ledger, &config)?);
        Ok(Self {
            prices,
            ledger,
            environment,
            config,
            zone,
            zone_name,
        })
    }

    /// Moves when anything in the ledger has changed.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn revision(&self) -> Result<i64, ApiError> {
        Ok(self.ledger.data_version()?)
    }

    /// The figures around today.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn summary(&mut self, now: UnixMillis) -> Result<Summary, ApiError> {
        let Self {
            ledger,
            config,
            zone,
            zone_name,
            ..
        } = self;
        Ok(summary(ledger, now, zone, zone_name, &config.plans)?)
    }

    /// Sums by any dimensions.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn report(&mut self, request: ReportRequest) -> Result<Report, ApiError> {
        self.at_one_time(|it| Ok(report(&mut it.ledger, request)?))
    }

    /// Does `work` with the ledger as it is now: what another process commits meanwhile is not seen, so that all that is
    /// read agrees.
    ///
    /// # Errors
    /// Those of `work`, and [`ApiError`].
    pub fn at_one_time<T, E: From<ApiError>>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, E>,
    ) -> Result<T, E> {
        let begun = self.ledger.begin_reading().map_err(ApiError::from)?;
        let done = work(self);
        if begun {
            self.ledger.end_reading().map_err(ApiError::from)?;
        }
        done
    }

    /// What forgetting would come to.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn forgettable(&mut self, request: &ForgetRequest) -> Result<Choice, ApiError> {
        Ok(forget::choose(&mut self.ledger, &mut self.prices, request)?)
    }

    /// The zone whose days count, and its name.
    #[must_use]
    pub fn zone(&self) -> (&TimeZone, &str) {
        (&self.zone, &self.zone_name)
    }

    /// What all records came to.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn counts(&self) -> Result<Counts, ApiError> {
        Ok(self.ledger.counts()?)
    }

    /// The days of a chart, oldest first, also those without spend: the last `days` up to today.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn chart(&mut self, days: u32, now: UnixMillis) -> Result<Vec<DayAmounts>, ApiError> {
        let until = now.day(&self.zone);
        let since = add_days(until, 1 - i64::from(days));
        let rows = self
            .ledger
            .days(since, until, &self.zone, &self.zone_name)?;
        let mut chart = Vec::new();
        let mut rest = rows.as_slice();
        for offset in 0..i64::from(days) {
            let day = add_days(since, offset);
            let (of_day, later) = rest.split_at(rest.partition_point(|row| row.day <= day));
            rest = later;
            chart.push(DayAmounts {
                day,
                models: by_model(of_day.iter()),
            });
        }
        Ok(chart)
    }

    /// What the engine is doing; `Stopped` when no process follows the logs.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn status(&self) -> Result<Status, ApiError> {
        let stored = self
            .ledger
            .state(state::STATUS)?
            .and_then(|text| serde_json::from_str(&text).ok());
        let mut status = stored.unwrap_or(Status {
            phase: Phase::Stopped,
            problems: Vec::new(),
            caught_up_at: None,
            gateways: Vec::new(),
        });
        if !IngestLock::is_held(&self.environment.paths.ingest_lock()) {
            status.phase = Phase::Stopped;
            status.gateways.clear();
        }
        Ok(status)
    }

    /// Everything the dashboard window shows, for the last `days`.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn dashboard(&mut self, days: u32, now: UnixMillis) -> Result<Dashboard, ApiError> {
        // The system's zone may have changed as well as the config: people travel.
        let (config, _) = self.environment.config();
        (self.zone, self.zone_name) = zone(&config);
        let terms = priced_by(&self.ledger, &config)?;
        if terms != *self.prices.terms() {
            self.prices = Prices::new(terms);
        }
        self.config = config;
        // Before the figures: a change during the reading is then seen again.
        let revision = self.revision()?;
        self.at_one_time(|it| it.picture(days.clamp(1, 366), now, revision))
    }

    fn picture(
        &mut self,
        days: u32,
        now: UnixMillis,
        revision: i64,
    ) -> Result<Dashboard, ApiError> {
        let summary = self.summary(now)?;
        let chart = self.chart(days, now)?;
        let since = add_days(summary.day, 1 - i64::from(days));
        let mut models = Breakdown::default();
        let mut projects = Breakdown::default();
        let mut sessions = Breakdown::default();
        let zone = &self.zone;
        self.ledger.each_sum(since, summary.day, zone, |day, row| {
            // Of what a gateway counts by day, the hour is not known.
            let slot = row.slot.unwrap_or_else(|| day_start(day, zone).slot());
            let project = row.name(Dimension::Project);
            models.add(row.name(Dimension::Model), None, row, slot);
            projects.add(project, None, row, slot);
            sessions.add(row.name(Dimension::Session), Some(project), row, slot);
        })?;
        let by_model = models.rows(&mut self.ledger, usize::MAX)?;
        let unpriced = self.unpriced((since, summary.day))?;
        let roots = self
            .ledger
            .state(state::ROOTS)?
            .and_then(|text| serde_json::from_str(&text).ok());
        let remarks = self.remarks(since, summary.day, now)?;
        Ok(Dashboard {
            remarks,
            days: chart,
            by_model,
            by_project: projects.rows(&mut self.ledger, BREAKDOWN_ROWS)?,
            by_session: sessions.rows(&mut self.ledger, BREAKDOWN_ROWS)?,
            unpriced,
            status: self.status()?,
            roots: roots.unwrap_or_default(),
            quotas: self.ledger.quotas()?,
            alerts: self.ledger.alerts_since(now.plus(-7 * 86_400_000))?,
            config_path: path_text(&self.environment.paths.config_file()),
            notifications_paused_until: paused_until(&self.ledger, now)?,
            revision,
            summary,
        })
    }

    /// Everything doctor tells. Walks all roots, reads nothing from them.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn doctor(&mut self, now: UnixMillis) -> Result<Doctor, ApiError> {
        let (config, mut problems) = self.environment.config();
        let mut follower = Follower::new(self.environment.roots(&config), &self.ledger)?;
        follower.scan(None)?;
        problems.extend(follower.problems());
        let status = self.status()?;
        problems.extend(
            status
                .problems
                .iter()
                .filter(|problem| problem.code != "unreadable")
                .cloned(),
        );
        problems.extend(self.unused_prices()?);
        Ok(Doctor {
            unpriced: self.unpriced((Date::MIN, now.day(&self.zone)))?,
            repriced: self.ledger.repriced()?,
            completeness: self.completeness(now)?,
            roots: follower.root_report(),
            counts: self.ledger.counts()?,
            broken: self.ledger.broken_records(20)?,
            ledger_path: path_text(self.ledger.path()),
            ledger_bytes: self.ledger.bytes()?,
            responses: self.ledger.response_count()?,
            integrity: self.ledger.integrity()?,
            config_path: path_text(&self.environment.paths.config_file()),
            status,
            problems,
        })
    }

    /// Which days of each source that was ever looked at are known whole.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn completeness(&mut self, now: UnixMillis) -> Result<Vec<Completeness>, ApiError> {
        let roots = self.environment.roots(&self.config);
        let kept = claude_days(&roots);
        let looks = self.ledger.looks()?;
        let forgotten = self.ledger.forgotten()?;
        let mut told = Vec::new();
        for (source, kept) in [(Source::ClaudeCode, Some(kept)), (Source::OpenClaw, None)] {
            let old = match kept {
                Some(days) => {
                    let ends = i64::from(days) - i64::from(SOON_DAYS);
                    let before = now.plus(-ends.max(0) * 86_400_000);
                    self.ledger.old_logs(source, before)?
                }
                None => OldLogs::default(),
            };
            let first = self.ledger.first_slot_of(source)?;
            let first = first.map(|slot| slot.start().day(&self.zone));
            told.extend(completeness(
                source,
                &looks,
                kept,
                first,
                old,
                forgotten.get(&source).copied(),
                &self.zone,
            ));
        }
        Ok(told)
    }

    /// What a total over these days may lack, in sentences.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn remarks(
        &mut self,
        since: Date,
        until: Date,
        now: UnixMillis,
    ) -> Result<Vec<String>, ApiError> {
        let until = until.min(now.day(&self.zone));
        let known = self.completeness(now)?;
        let mut remarks: Vec<String> = known
            .iter()
            .flat_map(|it| it.remarks(since, until))
            .collect();
        remarks.extend(self.gateway_remarks(since, until, now)?);
        Ok(remarks)
    }

    /// Every model that the ledger has seen, dearest first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn models(&mut self) -> Result<Vec<SeenModel>, ApiError> {
        let (zone, prices) = (&self.zone, &mut self.prices);
        Ok(self.ledger.seen_models(EVER, zone, prices)?)
    }

    /// The subscriptions.
    #[must_use]
    pub fn plans(&self) -> &[Plan] {
        &self.config.plans
    }

    /// The prices by which the ledger's costs were computed.
    pub const fn prices(&mut self) -> &mut Prices {
        &mut self.prices
    }

    fn unpriced(&mut self, days: (Date, Date)) -> Result<Vec<Unpriced>, LedgerError> {
        let (zone, prices) = (&self.zone, &mut self.prices);
        let mut models = self.ledger.seen_models(days, zone, prices)?;
        models.retain(|model| !model.gaps.is_empty());
        models.sort_by_key(|model| std::cmp::Reverse(model.amount.unpriced_responses));
        let models = models.into_iter().map(|model| Unpriced {
            name: model.model.to_string(),
            provider: model.provider.to_string(),
            source: model.source,
            amount: model.amount,
            last_at: model.last.start(),
            gaps: model
                .gaps
                .into_iter()
                .map(|(gap, responses)| GapCount { gap, responses })
                .collect(),
        });
        Ok(models.collect())
    }

    /// Tells of prices of the user's own that hold for no model the ledger has seen: one may be misspelt.
    fn unused_prices(&mut self) -> Result<Option<Problem>, LedgerError> {
        if self.prices.terms().own.is_empty() {
            return Ok(None);
        }
        let (zone, prices) = (&self.zone, &mut self.prices);
        let seen = self.ledger.seen_models(EVER, zone, prices)?;
        let book = PriceBook::embedded();
        let own = self.prices.terms().own.iter().filter(|own| {
            let means = |seen: &SeenModel| own.matches(book, &seen.provider, &seen.model).is_some();
            !seen.iter().any(means)
        });
        let unused: Vec<&str> = own.map(|own| own.model.as_str()).collect();
        Ok((!unused.is_empty()).then(|| Problem {
            code: "unused_prices".into(),
            message: format!(
                "{} of your own prices hold for no model the ledger has seen: {}",
                unused.len(),
                unused.join(", ")
            ),
            hint: "`clawspend models` lists those it has; a `provider` that the log does not name keeps a price away too"
                .into(),
            serious: false,
        }))
    }

    /// Makes no notification until then; `None` ends a pause. The engine hears of it through the ledger.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn pause_notifications(&self, until: Option<UnixMillis>) -> Result<(), ApiError> {
        let mut ledger = Ledger::open_writer(&self.environment.paths.ledger())?;
        let text = until.map_or_else(String::new, |until| until.0.to_string());
        Ok(ledger.set_state(state::PAUSED_UNTIL, &text)?)
    }
}

/// The terms by which the ledger's costs were computed; in a new one those of the config.
fn priced_by(ledger: &Ledger, config: &Config) -> Result<Terms, LedgerError> {
    let terms = ledger.basis()?.map(|basis| basis.terms);
    Ok(terms.or_else(|| config.terms.clone()).unwrap_or_default())
}

/// What can be told when `trouble` keeps the ledger shut: the roots with the files that are there, and problems.
#[must_use]
pub fn doctor_without_ledger(environment: &Environment, trouble: Problem) -> Doctor {
    let (config, mut problems) = environment.config();
    let mut follower = Follower::without_ledger(environment.roots(&config));
    let found = follower.scan(None).unwrap_or_default();
    let mut roots = follower.root_report();
    for root in &mut roots {
        let below = || {
            found
                .iter()
                .filter(|file| file.path.starts_with(&root.path))
        };
        (root.files, root.bytes) = (
            below().count() as u64,
            below().map(|file| file.unread).sum(),
        );
    }
    problems.extend(follower.problems());
    let integrity = vec![trouble.message.clone()];
    problems.push(trouble);
    Doctor {
        roots,
        counts: Counts::default(),
        broken: Vec::new(),
        ledger_path: path_text(&environment.paths.ledger()),
        ledger_bytes: 0,
        responses: 0,
        integrity,
        config_path: path_text(&environment.paths.config_file()),
        unpriced: Vec::new(),
        repriced: None,
        completeness: Vec::new(),
        status: Status {
            phase: Phase::Stopped,
            problems: Vec::new(),
            caught_up_at: None,
            gateways: Vec::new(),
        },
        problems,
    }
}

/// The figures around today.
pub(crate) fn summary(
    ledger: &mut Ledger,
    now: UnixMillis,
    zone: &TimeZone,
    zone_name: &str,
    plans: &[Plan],
) -> Result<Summary, LedgerError> {
    let (since, until) = days_needed(now, zone);
    let rows = ledger.days(since, until, zone, zone_name)?;
    let first = ledger.first_day(zone)?;
    Ok(summarise(
        &rows,
        first,
        ledger.last_response()?,
        now,
        zone,
        zone_name,
        plans,
    ))
}

/// Until when notifications are paused; `None` once that has passed.
pub(crate) fn paused_until(
    ledger: &Ledger,
    now: UnixMillis,
) -> Result<Option<UnixMillis>, LedgerError> {
    let until = ledger
        .state(state::PAUSED_UNTIL)?
        .and_then(|text| text.parse().ok())
        .map(UnixMillis);
    Ok(until.filter(|until| *until > now))
}

/// Sums by one dimension, while the rollups go by.
#[derive(Default)]
struct Breakdown(HashMap<Name, Sum>);

struct Sum {
    detail: Option<Name>,
    source: Option<Source>,
    amount: Amount,
    last: Slot,
}

impl Breakdown {
    fn add(&mut self, name: Name, detail: Option<Name>, row: &Rollup, slot: Slot) {
        let sum = self.0.entry(name).or_insert(Sum {
            detail,
            source: Some(row.source),
            amount: Amount::default(),
            last: slot,
        });
        sum.source = sum.source.filter(|source| *source == row.source);
        sum.amount += row.amount;
        sum.last = sum.last.max(slot);
    }

    /// The dearest rows, their names looked up.
    fn rows(self, ledger: &mut Ledger, most: usize) -> Result<Vec<BreakdownRow>, LedgerError> {
        let mut sums: Vec<(Name, Sum)> = self.0.into_iter().collect();
        sums.sort_by_key(|(name, sum)| {
            std::cmp::Reverse((sum.amount.cost, sum.amount.tokens.total(), *name))
        });
        sums.truncate(most);
        sums.into_iter()
            .map(|(name, sum)| {
                Ok(BreakdownRow {
                    name: ledger.text(name)?.to_string(),
                    detail: match sum.detail {
                        Some(detail) => ledger.text(detail)?.to_string(),
                        None => String::new(),
                    },
                    source: sum.source,
                    amount: sum.amount,
                    last_at: sum.last.start(),
                })
            })
            .collect()
    }
}
