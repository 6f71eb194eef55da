//! What one start of the binary is asked to be.

pub(crate) const USAGE: &str = "usage: clawspend-desktop [--dashboard | --autostart | --window]
  (nothing)    the tray
  --dashboard  the tray, and its dashboard opened
  --autostart  the tray, started at login: opens no window by itself
  --window     the dashboard alone";

/// The tray's way of starting the dashboard.
pub(crate) const WINDOW: &str = "--window";
/// With [`WINDOW`]: the desktop shows no tray, and the dashboard should say so.
pub(crate) const NO_TRAY: &str = "--no-tray";
/// Written into the login entry.
pub(crate) const AUTOSTART: &str = "--autostart";
const DASHBOARD: &str = "--dashboard";

/// The process's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Engine, tray and notifications.
    Tray(Start),
    /// The dashboard window.
    Window { no_tray: bool },
}

/// How the tray came to be started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Start {
    /// By the user.
    ByHand,
    /// By the user, who wants the dashboard too.
    WithDashboard,
    /// At login.
    AtLogin,
}

impl Role {
    /// Reads the arguments after the program's name; an unknown one is the error.
    pub(crate) fn parse(arguments: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let (mut window, mut no_tray, mut start) = (false, false, Start::ByHand);
        for argument in arguments {
            match argument.as_str() {
                WINDOW => window = true,
                NO_TRAY => no_tray = true,
                AUTOSTART => start = Start::AtLogin,
                DASHBOARD => start = Start::WithDashboard,
                _ => return Err(argument),
            }
        }
        Ok(if window {
            Self::Window { no_tray }
        } else {
            Self::Tray(start)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_choose_the_role() {
        for (arguments, role) in [
            ("", Ok(Role::Tray(Start::ByHand))),
            ("--dashboard", Ok(Role::Tray(Start::WithDashboard))),
            ("--autostart", Ok(Role::Tray(Start::AtLogin))),
            ("--window", Ok(Role::Window { no_tray: false })),
            ("--window --no-tray", Ok(Role::Window { no_tray: true })),
            ("--windows", Err("--windows".to_owned())),
        ] {
            assert_eq!(
                Role::parse(arguments.split_whitespace().map(str::to_owned)),
                role,
                "{arguments}"
            );
        }
    }
}
