//! The user's settings: as typed, then resolved; and where our own files live.

use crate::money::NanoUsd;
use std::path::PathBuf;

/// Where our own files live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// `CLAWSPEND_DATA_DIR`, else the platform's local data directory for Clawspend.
    pub data_dir: PathBuf,
    /// `CLAWSPEND_CONFIG_DIR`, else the platform's config directory for Clawspend.
    pub config_dir: PathBuf,
}

/// What the tray shows beside its icon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TrayText {
    /// Today's spend: "$12.34".
    Money,
    /// Today's spend in whole dollars: "$12".
    WholeDollars,
    /// Today's tokens: "1.2M".
    Tokens,
    /// Nothing: icon only.
    Nothing,
}

/// The settings in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// IANA zone name the user set; `None` follows the system.
    pub timezone: Option<String>,
    /// What the tray shows.
    pub tray_text: TrayText,
    /// Start at login.
    pub start_at_login: bool,
    /// Native notifications at all.
    pub notifications: bool,
    /// Daily budget; `None` when switched off.
    pub daily_budget: Option<NanoUsd>,
    /// Spike rule; `None` when switched off.
    pub spike: Option<SpikeConfig>,
    /// Further Claude Code roots.
    pub claude_roots: Vec<PathBuf>,
    /// Further OpenClaw state directories.
    pub openclaw_roots: Vec<PathBuf>,
}

/// When an hour's burn is a spike; all three must hold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SpikeConfig {
    /// At least this many times the usual, in thousandths (3x = 3000).
    pub ratio_milli: i64,
    /// At least this much above the usual.
    pub floor: NanoUsd,
    /// At least this many (robust) standard deviations above the usual, in thousandths.
    pub deviations_milli: i64,
}
