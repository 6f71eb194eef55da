//! What the page may ask: each command one call of core's API. None of them opens a socket: how a gateway stands, the
//! process that follows the logs tells.
#![expect(
    clippy::needless_pass_by_value,
    reason = "Tauri hands a command its state by value"
)]

use crate::settings;
use clawspend_core::{
    api::{ApiError, Dashboard, Problem, Reader, gateways},
    environment::Environment,
    gateway::Secret,
    time::UnixMillis,
};
use std::sync::{Mutex, PoisonError};
use tauri::{State, command};

/// The window's reader, opened when first asked and again after a failure.
pub(crate) struct Door {
    environment: Environment,
    no_tray: bool,
    reader: Mutex<Option<Reader>>,
}

impl Door {
    pub(crate) fn new(environment: Environment, no_tray: bool) -> Self {
        Self {
            environment,
            no_tray,
            reader: Mutex::new(None),
        }
    }

    fn ask<T>(
        &self,
        question: impl FnOnce(&mut Reader) -> Result<T, ApiError>,
    ) -> Result<T, ApiError> {
        let mut reader = self.reader.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = match reader.take() {
            Some(open) => open,
            None => Reader::open(self.environment.clone())?,
        };
        let answer = question(&mut open)?;
        *reader = Some(open);
        Ok(answer)
    }
}

#[command(async)]
pub(crate) fn dashboard(days: u32, door: State<'_, Door>) -> Result<Dashboard, ApiError> {
    let mut dashboard = door.ask(|reader| reader.dashboard(days, UnixMillis::now()))?;
    dashboard
        .status
        .problems
        .extend(door.no_tray.then(no_tray_problem));
    Ok(dashboard)
}

#[command(async)]
pub(crate) fn revision(door: State<'_, Door>) -> Result<i64, ApiError> {
    door.ask(|reader| reader.revision())
}

#[command(async)]
pub(crate) fn pause_notifications(
    until: Option<UnixMillis>,
    door: State<'_, Door>,
) -> Result<(), ApiError> {
    door.ask(|reader| reader.pause_notifications(until))
}

#[command(async)]
pub(crate) fn open_config(door: State<'_, Door>) -> Result<(), ApiError> {
    settings::open(&door.environment.paths).map_err(|error| ApiError {
        code: "open_config".into(),
        message: format!("{error:#}"),
        hint: format!(
            "open {} in an editor",
            door.environment.paths.config_file().display()
        ),
    })
}

/// What to be warned of before a token is given to a gateway at this URL.
#[command(async)]
pub(crate) fn gateway_warning(url: String) -> Result<Option<String>, ApiError> {
    gateways::warning(&url)
}

#[command(async)]
pub(crate) fn add_gateway(
    name: String,
    url: String,
    token: String,
    door: State<'_, Door>,
) -> Result<(), ApiError> {
    gateways::add_new(&door.environment, &name, &url, Secret::new(&token).as_ref()).map(drop)
}

/// Gives a gateway another address, or another token; with an empty one, that of the same address stays.
#[command(async)]
pub(crate) fn change_gateway(
    name: String,
    url: String,
    token: String,
    door: State<'_, Door>,
) -> Result<(), ApiError> {
    gateways::add(&door.environment, &name, &url, Secret::new(&token).as_ref()).map(drop)
}

#[command(async)]
pub(crate) fn remove_gateway(name: String, door: State<'_, Door>) -> Result<(), ApiError> {
    gateways::remove(&door.environment, &name)
}

#[command(async)]
pub(crate) fn make_default_gateway(name: String, door: State<'_, Door>) -> Result<(), ApiError> {
    gateways::make_default(&door.environment, &name)
}

fn no_tray_problem() -> Problem {
    Problem {
        code: "no_tray".into(),
        message: "this desktop shows no tray icons, so Clawspend has no place in the panel".into(),
        hint: "on GNOME install the AppIndicator extension; starting Clawspend again opens this window".into(),
        serious: false,
    }
}
