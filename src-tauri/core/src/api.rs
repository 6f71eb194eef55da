//! What any door may ask: plain requests and replies. The window, the command line and the tray read
//! these and nothing else.

use crate::{
    money::NanoUsd,
    summary::{BreakdownRow, DayAmounts, Summary},
    time::UnixMillis,
    usage::{Fault, Source},
};
use serde::{Deserialize, Serialize};

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
    /// Models of those days that have no price, most tokens first.
    pub unpriced: Vec<BreakdownRow>,
    /// What the engine is doing.
    pub status: Status,
    /// Where logs were looked for, for the first-run page.
    pub roots: Vec<Root>,
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
