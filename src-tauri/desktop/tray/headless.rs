//! Without a display: no tray, no window, but the ledger stays current and alerts are told.

use super::notify::{self, Console};
use clawspend_core::{
    engine::{self, Listener},
    environment::Environment,
};
use std::process::ExitCode;

/// SIGINT and SIGTERM.
#[cfg(target_os = "linux")]
pub(crate) const ENDING_SIGNALS: [i32; 2] = [2, 15];

/// Follows the logs until a signal ends it.
pub(crate) fn run(environment: Environment) -> ExitCode {
    eprintln!(
        "no display: following the logs without a tray; `clawspend today --watch` shows the figure"
    );
    let alerts = notify::start(Console);
    let engine = engine::start(environment, Listener::Notifier, move |update| {
        for alert in update.fired {
            let _ = alerts.send(alert);
        }
    });
    match engine {
        Ok(engine) => {
            wait_for_signal();
            drop(engine);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot follow the logs: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(target_os = "linux")]
fn wait_for_signal() {
    use gtk::glib::{ControlFlow, MainLoop, unix_signal_add};
    let until_signal = MainLoop::new(None, false);
    for signal in ENDING_SIGNALS {
        let until_signal = until_signal.clone();
        unix_signal_add(signal, move || {
            until_signal.quit();
            ControlFlow::Continue
        });
    }
    until_signal.run();
}

/// Other systems always have a display.
#[cfg(not(target_os = "linux"))]
fn wait_for_signal() {}
