//! Starting at login, if the config file says so.

use super::dashboard::Dashboard;
use crate::role::AUTOSTART;
use auto_launch::{AutoLaunch, AutoLaunchBuilder};
use clawspend_core::config::Paths;
use std::{fs, path::PathBuf};

/// The system's login entry, and what we last wrote into it.
pub(super) struct Entry {
    program: String,
    /// Remembers the program last registered, so that a user who takes the entry away elsewhere is obeyed.
    record: PathBuf,
    followed: Option<bool>,
}

#[derive(Debug, PartialEq, Eq)]
enum Step {
    Register,
    Remove,
    Nothing,
}

impl Entry {
    pub(super) fn of(paths: &Paths, dashboard: &Dashboard) -> Self {
        let program = dashboard.program.display().to_string();
        Self {
            program,
            record: paths.data_dir.join("login-entry"),
            followed: None,
        }
    }

    /// Brings the entry in line with the setting. A debug build leaves the user's login alone.
    pub(super) fn follow(&mut self, wanted: bool) {
        if cfg!(debug_assertions) || self.followed == Some(wanted) {
            return;
        }
        self.followed = Some(wanted);
        let recorded = fs::read_to_string(&self.record).ok();
        let done = match step(wanted, recorded.as_deref(), &self.program) {
            Step::Register => self.system().and_then(|entry| {
                entry.enable()?;
                Ok(fs::write(&self.record, &self.program)?)
            }),
            Step::Remove => self.system().and_then(|entry| {
                entry.disable()?;
                Ok(fs::remove_file(&self.record)?)
            }),
            Step::Nothing => Ok(()),
        };
        if let Err(error) = done {
            eprintln!("cannot change what starts at login: {error:#}");
        }
    }

    fn system(&self) -> anyhow::Result<AutoLaunch> {
        let program = if cfg!(windows) {
            format!("\"{}\"", self.program)
        } else if cfg!(target_os = "linux") {
            desktop_entry_quoted(&self.program)
        } else {
            self.program.clone()
        };
        let entry = AutoLaunchBuilder::new()
            .set_app_name("Clawspend")
            .set_app_path(&program)
            .set_args(&[AUTOSTART])
            .build()?;
        Ok(entry)
    }
}

/// What to do about the entry: only a change of the setting, or of the program's place, touches it.
fn step(wanted: bool, recorded: Option<&str>, program: &str) -> Step {
    match (wanted, recorded) {
        (true, Some(recorded)) if recorded == program => Step::Nothing,
        (true, _) => Step::Register,
        (false, Some(_)) => Step::Remove,
        (false, None) => Step::Nothing,
    }
}

/// Quotes one argument for the `Exec` key: by the rule for arguments, then by the one for strings.
fn desktop_entry_quoted(argument: &str) -> String {
    let mut quoted = String::from('"');
    for character in argument.chars() {
        match character {
            '"' | '`' | '$' => quoted.push_str("\\\\"),
            '\\' => quoted.push_str("\\\\\\"),
            '%' => quoted.push('%'),
            _ => {}
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_entry_follows_the_setting_and_the_program() {
        for (wanted, recorded, expected) in [
            (true, None, Step::Register),
            (true, Some("/old/clawspend-desktop"), Step::Register),
            (true, Some("/clawspend-desktop"), Step::Nothing),
            (false, Some("/clawspend-desktop"), Step::Remove),
            (false, None, Step::Nothing),
        ] {
            assert_eq!(
                step(wanted, recorded, "/clawspend-desktop"),
                expected,
                "{wanted} {recorded:?}"
            );
        }
    }

    #[test]
    fn paths_survive_the_desktop_entry() {
        for (path, quoted) in [
            (
                "/usr/bin/clawspend-desktop",
                r#""/usr/bin/clawspend-desktop""#,
            ),
            ("/home/a b/clawspend", r#""/home/a b/clawspend""#),
            ("/tmp/100%/$x", r#""/tmp/100%%/\\$x""#),
            (r"/tmp/a\b", r#""/tmp/a\\\\b""#),
        ] {
            assert_eq!(desktop_entry_quoted(path), quoted);
        }
    }
}
