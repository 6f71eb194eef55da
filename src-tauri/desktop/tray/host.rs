//! Whether this Linux desktop can show a tray icon at all.

use super::dashboard::Dashboard;
use anyhow::bail;
use libloading::Library;
use std::{thread, time::Duration};
use zbus::blocking::{Connection, Proxy};

const WATCHER: &str = "org.kde.StatusNotifierWatcher";
/// A desktop that has just started may take this long to set up its panel.
const PATIENCE: Duration = Duration::from_secs(10);

/// Finds the library that draws the icon, whose loader would otherwise end the process.
pub(super) fn load_indicator_library() -> anyhow::Result<()> {
    let names = [
        "libayatana-appindicator3.so.1",
        "libappindicator3.so.1",
        "libayatana-appindicator3.so",
        "libappindicator3.so",
    ];
    for name in names {
        // SAFETY: the indicator libraries only register GObject types when loaded, and GTK is initialised.
        if let Ok(library) = unsafe { Library::new(name) } {
            std::mem::forget(library);
            return Ok(());
        }
    }
    bail!("the library {} is not installed", names[0])
}

/// Opens the dashboard, and says why, if nothing shows the icon after a while.
pub(super) fn if_missing(dashboard: Dashboard) {
    thread::spawn(move || {
        thread::sleep(PATIENCE);
        if !present().unwrap_or(false) {
            eprintln!(
                "no tray on this desktop: opening the dashboard; on GNOME install the AppIndicator extension"
            );
            dashboard.open_instead_of_tray();
        }
    });
}

fn present() -> zbus::Result<bool> {
    let bus = Connection::session()?;
    Proxy::new(&bus, WATCHER, "/StatusNotifierWatcher", WATCHER)?
        .get_property("IsStatusNotifierHostRegistered")
}
