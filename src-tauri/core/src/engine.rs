//! The only loop: what happened -> pipeline -> [`Update`].

use crate::{
    api::{Alert, Status},
    config::{Config, Paths},
    summary::Summary,
    time::UnixMillis,
};

/// All that a surface needs after something changed; always whole, never a difference.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// The figures.
    pub summary: Summary,
    /// What the engine is doing.
    pub status: Status,
    /// Alerts that have just fired: notify once for each. Empty while notifications are paused or off.
    pub fired: Vec<Alert>,
    /// The newest episode that goes on; the tray shows it until it ends.
    pub open_alert: Option<Alert>,
    /// Notifications are paused until then.
    pub paused_until: Option<UnixMillis>,
    /// The settings in force.
    pub config: Config,
}

/// A running engine; dropping it stops the loop and waits for it.
#[derive(Debug)]
pub struct Handle {}

/// Opens the ledger and starts the loop in a thread of its own. `on_update` is called from that thread: once
/// at once with the ledger's last figures, then after every change.
///
/// # Errors
/// When the ledger can be neither opened nor rebuilt.
pub fn start(
    _paths: Paths,
    _on_update: impl FnMut(Update) + Send + 'static,
) -> Result<Handle, String> {
    Ok(Handle {})
}

impl Handle {
    /// Makes no notification until `until`; `None` ends a pause.
    pub fn pause_notifications(&self, _until: Option<UnixMillis>) {}

    /// Scans all roots now.
    pub fn refresh(&self) {}
}
