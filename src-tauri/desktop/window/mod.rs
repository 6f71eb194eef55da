//! Role 2: the dashboard, a process that lives as long as its window. Closing it gives back all its memory, and
//! a webview that crashes leaves the tray alone.

mod commands;

use clawspend_core::environment::Environment;
use commands::Door;
use std::process::ExitCode;
use tauri::{
    AppHandle, Context, Manager, WebviewUrl, WebviewWindowBuilder, generate_handler,
    webview::PageLoadEvent,
};
use tauri_plugin_window_state::StateFlags;

/// The window's label; `capabilities/dashboard.json` names it too.
const LABEL: &str = "dashboard";

/// Shows the dashboard until it is closed. `no_tray` makes it say that the desktop shows no tray.
pub(crate) fn run(mut context: Context, environment: Environment, no_tray: bool) -> ExitCode {
    // A guard of its own: the tray's belongs to the tray.
    context.config_mut().identifier.push_str(".window");
    let app = tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(|app, _, _| {
            bring_to_front(app);
        }))
        .plugin(
            tauri_plugin_window_state::Builder::new()
                .with_state_flags(remembered())
                .build(),
        )
        .invoke_handler(generate_handler![
            commands::dashboard,
            commands::revision,
            commands::open_config,
            commands::pause_notifications,
            commands::gateway_warning,
            commands::add_gateway,
            commands::change_gateway,
            commands::remove_gateway,
            commands::make_default_gateway
        ])
        .manage(Door::new(environment, no_tray))
        .setup(|app| {
            #[cfg(target_os = "macos")]
            app.set_activation_policy(tauri::ActivationPolicy::Regular);
            #[cfg(target_os = "linux")]
            crate::tray::exit_on_signals(app.handle());
            WebviewWindowBuilder::new(app, LABEL, WebviewUrl::default())
                .title("Clawspend")
                .inner_size(1080.0, 760.0)
                .min_inner_size(480.0, 360.0)
                .visible(false)
                .on_page_load(|window, page| {
                    if page.event() == PageLoadEvent::Finished {
                        bring_to_front(window.app_handle());
                    }
                })
                .build()?;
            Ok(())
        })
        .build(context);
    match app {
        Ok(app) => {
            app.run(|_, _| {});
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("cannot open the dashboard: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What is kept from one window to the next. Wayland has no positions to keep.
fn remembered() -> StateFlags {
    let flags = StateFlags::SIZE | StateFlags::MAXIMIZED;
    if std::env::var_os("WAYLAND_DISPLAY").is_some() {
        flags
    } else {
        flags | StateFlags::POSITION
    }
}

fn bring_to_front(app: &AppHandle) {
    let Some(window) = app.get_webview_window(LABEL) else {
        return;
    };
    let shown = window
        .show()
        .and_then(|()| window.unminimize())
        .and_then(|()| window.set_focus());
    if let Err(error) = shown {
        tracing::warn!("cannot bring the dashboard to the front: {error}");
    }
}
