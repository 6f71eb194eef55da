//! The user's settings: as typed, then resolved; and where our own files live.
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | [`Paths`] and [`Config`]: what the rest of the core sees |
//! | `template.toml` | the file a user finds: every key, explained, at its default |
//! | `parse.rs` | text -> [`Config`], or every [`ConfigFault`] in it; pure |
//! | `gateways.rs` | the list of gateways: tables of their own; pure |
//! | `prices.rs` | own prices and plans: tables within a section; pure |
//! | `values.rs` | one value: its kind and range, and what to say when it is neither; pure |
//! | `file.rs` | creating, reading and editing the file; the only part that touches the disk |

mod file;
mod gateways;
mod parse;
mod prices;
mod values;

pub use file::{Loaded, add_gateway, load_or_create, remove_gateway, set, set_default_gateway};
pub(crate) use file::{create_folder_of, replace_private};
pub(crate) use gateways::is_name as is_gateway_name;
pub use parse::{ConfigFault, Place, parse};

use crate::{gateway::Gateway, money::NanoUsd, pricing::Terms, usage::Source};
use parse::RawConfig;
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

/// The commented file written on first use: every key, at its default.
pub const TEMPLATE: &str = include_str!("template.toml");

/// Where our own files live.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// `CLAWSPEND_DATA_DIR`, else the platform's local data directory for Clawspend.
    pub data_dir: PathBuf,
    /// `CLAWSPEND_CONFIG_DIR`, else the platform's config directory for Clawspend. On macOS it is the same
    /// folder as `data_dir`, so no two of our files may share a name.
    pub config_dir: PathBuf,
}

/// The system names no home folder, so our own files have no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no home folder is known; set CLAWSPEND_DATA_DIR and CLAWSPEND_CONFIG_DIR")]
pub struct NoHome;

impl Paths {
    /// Reads the overrides from `env`; a variable that is empty counts as unset, a relative one starts at the
    /// current folder.
    ///
    /// # Errors
    /// When a variable is unset and the system names no home folder.
    pub fn from_env(env: impl Fn(&str) -> Option<OsString>) -> Result<Self, NoHome> {
        let platform = directories::ProjectDirs::from("dev", "Clawspend", "clawspend");
        let folder = |name, default: fn(&directories::ProjectDirs) -> &Path| {
            let given = env(name).filter(|value| !value.is_empty());
            match given {
                Some(given) => Ok(std::path::absolute(&given).unwrap_or_else(|_| given.into())),
                None => platform
                    .as_ref()
                    .map(|dirs| default(dirs).to_owned())
                    .ok_or(NoHome),
            }
        };
        Ok(Self {
            data_dir: folder(
                "CLAWSPEND_DATA_DIR",
                directories::ProjectDirs::data_local_dir,
            )?,
            config_dir: folder("CLAWSPEND_CONFIG_DIR", directories::ProjectDirs::config_dir)?,
        })
    }

    /// Our history.
    #[must_use]
    pub fn ledger(&self) -> PathBuf {
        self.data_dir.join("ledger.sqlite")
    }

    /// Held by the one process that ingests; never deleted.
    #[must_use]
    pub fn ingest_lock(&self) -> PathBuf {
        self.data_dir.join("ingest.lock")
    }

    /// The user's settings.
    #[must_use]
    pub fn config_file(&self) -> PathBuf {
        self.config_dir.join("clawspend.toml")
    }
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
    /// Gateways the user named.
    pub gateways: Vec<Gateway>,
    /// Connect to the gateway on this machine, when OpenClaw is set up here.
    pub local_gateway: bool,
    /// The user's say in what a response costs; `None` while no config could be read: then that of last time holds.
    pub terms: Option<Terms>,
    /// Subscriptions.
    pub plans: Vec<Plan>,
}

impl Config {
    /// What is in force while no config could be read.
    #[must_use]
    pub fn unread() -> Self {
        Self {
            terms: None,
            ..Self::default()
        }
    }
}

/// A subscription at a flat price; what is used under it is not billed by the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// Whose use it covers.
    pub source: Source,
    /// What the user calls it.
    pub name: String,
    /// Its price a month.
    pub monthly: NanoUsd,
}

/// The template's values.
impl Default for Config {
    fn default() -> Self {
        RawConfig::default().resolve()
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_move_our_files_and_empty_ones_do_not() {
        let here = std::env::current_dir().expect("a current folder");
        let absolute = here.join("elsewhere");
        let env = |name: &str| match name {
            "CLAWSPEND_DATA_DIR" => Some(absolute.clone().into_os_string()),
            "CLAWSPEND_CONFIG_DIR" => Some("relative".into()),
            _ => None,
        };
        let paths = Paths::from_env(env).expect("both are given");
        assert_eq!(
            paths,
            Paths {
                data_dir: absolute.clone(),
                config_dir: here.join("relative")
            }
        );
        assert_eq!(paths.ledger(), absolute.join("ledger.sqlite"));
        assert_eq!(paths.ingest_lock(), absolute.join("ingest.lock"));
        assert_eq!(
            paths.config_file(),
            here.join("relative").join("clawspend.toml")
        );
        assert_eq!(
            Paths::from_env(|_| Some(OsString::new())),
            Paths::from_env(|_| None)
        );
    }
}
