//! The one way the tray opens the dashboard: start the window role, whose own guard brings a running one to
//! the front.

use crate::role::{NO_TRAY, WINDOW};
use anyhow::Context;
use std::{
    path::PathBuf,
    process::{Command, Stdio},
    thread,
};

/// How to start the dashboard's process.
#[derive(Debug, Clone)]
pub(crate) struct Dashboard {
    /// Found once at the start, for an upgrade moves the running binary away.
    pub(crate) program: PathBuf,
}

impl Dashboard {
    pub(crate) fn of_this_program() -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("cannot find this program's own path")?;
        Ok(Self { program })
    }

    /// Opens the dashboard, or brings it to the front. Never blocks, never fails aloud.
    pub(crate) fn open(&self) {
        self.start(&[WINDOW]);
    }

    /// The same, telling the user why a window came up.
    pub(crate) fn open_instead_of_tray(&self) {
        self.start(&[WINDOW, NO_TRAY]);
    }

    fn start(&self, arguments: &[&str]) {
        let mut command = Command::new(&self.program);
        command.args(arguments).stdin(Stdio::null());
        #[cfg(target_os = "linux")]
        command.envs(workaround::needed_here());
        // The thread waits for the process, or it would stay behind as a zombie.
        thread::spawn(move || match command.status() {
            Ok(status) if status.success() => {}
            Ok(status) => eprintln!("the dashboard ended with {status}"),
            Err(error) => eprintln!("cannot start the dashboard: {error}"),
        });
    }
}

/// Settings without which WebKit shows nothing on some NVIDIA drivers.
#[cfg(target_os = "linux")]
mod workaround {
    use std::{env, path::Path};

    pub(super) fn needed_here() -> Option<(&'static str, &'static str)> {
        let nvidia = Path::new("/proc/driver/nvidia/version").exists();
        let kwin = env::var("XDG_CURRENT_DESKTOP").is_ok_and(|desktop| desktop.contains("KDE"));
        let wayland = env::var_os("WAYLAND_DISPLAY").is_some();
        needed(nvidia, kwin && wayland, |name| env::var_os(name).is_some())
    }

    /// `None` also where the user has set anything of the kind.
    fn needed(
        nvidia: bool,
        kwin_on_wayland: bool,
        is_set: impl Fn(&str) -> bool,
    ) -> Option<(&'static str, &'static str)> {
        const EXPLICIT_SYNC: &str = "__NV_DISABLE_EXPLICIT_SYNC";
        const DMABUF: &str = "WEBKIT_DISABLE_DMABUF_RENDERER";
        if !nvidia || is_set(EXPLICIT_SYNC) || is_set(DMABUF) {
            return None;
        }
        Some((
            if kwin_on_wayland {
                EXPLICIT_SYNC
            } else {
                DMABUF
            },
            "1",
        ))
    }

    #[cfg(test)]
    #[test]
    fn only_nvidia_needs_help_and_the_user_comes_first() {
        let (sync, dmabuf) = (
            ("__NV_DISABLE_EXPLICIT_SYNC", "1"),
            ("WEBKIT_DISABLE_DMABUF_RENDERER", "1"),
        );
        for (nvidia, kwin, set, expected) in [
            (false, true, "", None),
            (true, true, "", Some(sync)),
            (true, false, "", Some(dmabuf)),
            (true, false, "WEBKIT_DISABLE_DMABUF_RENDERER", None),
            (true, true, "WEBKIT_DISABLE_DMABUF_RENDERER", None),
        ] {
            assert_eq!(
                needed(nvidia, kwin, |name| name == set),
                expected,
                "{nvidia} {kwin} {set}"
            );
        }
    }
}
