//! Clawspend's desktop app: one binary with two roles, the tray and the dashboard window, each a process of
//! its own. This file chooses the role and nothing else.
#![cfg_attr(windows, windows_subsystem = "windows")]

mod role;
mod settings;
mod tray;
mod window;

use clawspend_core::environment::Environment;
use role::Role;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let filter =
        EnvFilter::try_from_env("CLAWSPEND_LOG").unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let role = match Role::parse(std::env::args().skip(1)) {
        Ok(role) => role,
        Err(unknown) => {
            eprintln!("unknown argument {unknown:?}\n{}", role::USAGE);
            return ExitCode::from(2);
        }
    };
    let environment = match Environment::of_process() {
        Ok(environment) => environment,
        Err(error) => {
            eprintln!("cannot start: {error}");
            return ExitCode::FAILURE;
        }
    };
    match (role, display_available()) {
        (Role::Tray(start), true) => tray::run(context(), environment, start),
        (Role::Tray(_), false) => tray::headless::run(environment),
        (Role::Window { no_tray }, true) => window::run(context(), environment, no_tray),
        (Role::Window { .. }, false) => {
            eprintln!(
                "cannot open the dashboard: no display\nHint: `clawspend today` shows the figures in a terminal"
            );
            ExitCode::FAILURE
        }
    }
}

/// The app's configuration and the page, embedded once.
fn context() -> tauri::Context {
    tauri::generate_context!()
}

/// Asks GTK, because the window library panics where there is no display.
fn display_available() -> bool {
    #[cfg(target_os = "linux")]
    return gtk::init().is_ok();
    #[cfg(not(target_os = "linux"))]
    true
}
