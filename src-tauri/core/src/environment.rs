//! What a process is started with: its variables, the user's home, and where our own files are.

use crate::{
    api::Problem,
    config::{self, Config, NoHome, Paths},
    follow::{
        roots::{self, RootSpec},
        wsl,
    },
    usage::Source,
};
use jiff::tz::TimeZone;
use std::{ffi::OsString, fmt, path::PathBuf, sync::Arc};

/// Looks up an environment variable.
pub type Variables = dyn Fn(&str) -> Option<OsString> + Send + Sync;

/// See the module.
#[derive(Clone)]
pub struct Environment {
    /// Where our own files are.
    pub paths: Paths,
    /// The user's home.
    pub home: Option<PathBuf>,
    variables: Arc<Variables>,
}

impl fmt::Debug for Environment {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Variables may hold secrets.
        out.debug_struct("Environment")
            .field("paths", &self.paths)
            .field("home", &self.home)
            .finish()
    }
}

impl Environment {
    /// That of this process.
    ///
    /// # Errors
    /// [`NoHome`].
    pub fn of_process() -> Result<Self, NoHome> {
        Self::new(
            Arc::new(|name: &str| std::env::var_os(name)),
            std::env::home_dir(),
        )
    }

    /// One with these variables and home.
    ///
    /// # Errors
    /// [`NoHome`].
    pub fn new(variables: Arc<Variables>, home: Option<PathBuf>) -> Result<Self, NoHome> {
        Ok(Self {
            paths: Paths::from_env(|name| variables(name))?,
            home,
            variables,
        })
    }

    /// A variable's text; `None` where it is empty, or not text.
    #[must_use]
    pub fn text(&self, variable: &str) -> Option<String> {
        let value = (self.variables)(variable)?.into_string().ok()?;
        (!value.trim().is_empty()).then_some(value)
    }

    /// The settings in the config file, which is created on first use; the defaults where it cannot be used,
    /// and what is wrong with it.
    #[must_use]
    pub fn config(&self) -> (Config, Vec<Problem>) {
        let file = self.paths.config_file();
        let loaded = config::load_or_create(&file, self.home.as_deref());
        let problems = loaded.problems(&file);
        (loaded.config.unwrap_or_else(Config::unread), problems)
    }

    /// Every folder in which logs are looked for.
    #[must_use]
    pub fn roots(&self, config: &Config) -> Vec<RootSpec> {
        let of = |source, folders: &[PathBuf]| {
            folders
                .iter()
                .map(|folder| (source, folder.clone()))
                .collect()
        };
        let mut extra: Vec<(Source, PathBuf)> = of(Source::ClaudeCode, &config.claude_roots);
        extra.extend::<Vec<_>>(of(Source::OpenClaw, &config.openclaw_roots));
        let env = |name: &str| (self.variables)(name);
        roots::roots(&env, self.home.as_deref(), &wsl::homes(), &extra)
    }
}

/// The zone whose days count, and its name: the configured one, else the system's.
#[must_use]
pub fn zone(config: &Config) -> (TimeZone, String) {
    let zone = match &config.timezone {
        Some(name) => TimeZone::get(name).unwrap_or(TimeZone::UTC),
        None => TimeZone::system(),
    };
    // A zone given by a rule alone, such as TZ=EST5EDT4, has no name.
    let name = zone
        .iana_name()
        .map_or_else(|| format!("{zone:?}"), str::to_owned);
    (zone, name)
}
