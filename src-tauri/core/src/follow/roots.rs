//! Where logs live: the folders to look in, and what a file is by its path.

use crate::{dialects::Context, usage::Source};
use std::{
    borrow::Cow,
    ffi::OsString,
    path::{MAIN_SEPARATOR, Path, PathBuf},
};

/// Standing of OpenClaw's stores among copies of one record, lower wins.
pub mod rank {
    /// The live database.
    pub const LIVE_DB: u8 = 0;
    /// A live transcript file.
    pub const LIVE_FILE: u8 = 1;
    /// The database's table of archived transcripts.
    pub const ARCHIVE_TABLE: u8 = 2;
    /// An archive file: reset, deleted or put into cold storage.
    pub const ARCHIVE_FILE: u8 = 3;
    /// What the move into the database set aside. Nearly all of it is in the database too.
    pub const IMPORT_ARCHIVE: u8 = 4;
    /// What a gateway reported: it does not say where the session works.
    pub const GATEWAY: u8 = 5;
}

/// A folder to look in; it need not exist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RootSpec {
    /// Whose logs live there.
    pub source: Source,
    /// The folder.
    pub path: PathBuf,
    /// Why it is looked at: "default", "legacy", "profile", "Claude Desktop", "WSL", "config" or a variable's name.
    pub origin: &'static str,
}

/// What a log file is and how to read it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFile {
    /// How to read it.
    pub kind: Kind,
    /// What its path says about its records.
    pub context: Context,
}

/// How a log file is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Claude Code's JSONL, appended to.
    ClaudeJsonl,
    /// OpenClaw's JSONL: live ones are appended to, archived ones just lie there.
    OpenClawJsonl,
    /// OpenClaw's JSONL packed with zstd; see [`super::archive`].
    OpenClawArchive,
    /// OpenClaw's live database; see [`super::openclaw_db`].
    OpenClawDb,
    /// OpenClaw's index of its JSONL sessions, rewritten whole; it tells of no usage.
    OpenClawIndex,
    /// A rollout of OpenClaw's Codex harness, appended to.
    CodexJsonl,
    /// One that Codex has packed with zstd.
    CodexArchive,
}

/// Lists every folder to look in, each once: not through a symlink again, and not inside another. Folders
/// that are missing stay in the list, so that people can be told where was looked.
///
/// `home` is the user's home; `guests` are the homes of Linux distributions inside Windows; `extra` are the folders
/// from the user's config.
#[must_use]
pub fn roots(
    env: &dyn Fn(&str) -> Option<OsString>,
    home: Option<&Path>,
    guests: &[PathBuf],
    extra: &[(Source, PathBuf)],
) -> Vec<RootSpec> {
    let env = |name: &str| env(name).filter(|value| !value.is_empty());
    let mut all = claude_roots(&env, home);
    all.extend(openclaw_roots(&env, home));
    for home in guests {
        all.extend(CLAUDE_FOLDERS.map(|folder| claude(&home.join(folder), "WSL")));
        all.push(openclaw(home.join(".openclaw"), "WSL"));
        all.extend(openclaw_profiles(home, "WSL"));
    }
    all.extend(extra.iter().map(|(source, path)| match source {
        Source::ClaudeCode => claude(path, "config"),
        Source::OpenClaw => openclaw(path.clone(), "config"),
    }));
    distinct(all)
}

/// Below a home.
const CLAUDE_FOLDERS: [&str; 2] = [".config/claude", ".claude"];

fn claude_roots(env: &dyn Fn(&str) -> Option<OsString>, home: Option<&Path>) -> Vec<RootSpec> {
    const VARIABLE: &str = "CLAUDE_CONFIG_DIR";
    if let Some(list) = env(VARIABLE) {
        // A list is text; a single folder may have a name that is not.
        let Some(list) = list.to_str() else {
            return vec![claude(Path::new(&list), VARIABLE)];
        };
        let folders = list
            .split(',')
            .map(str::trim)
            .filter(|folder| !folder.is_empty());
        return folders
            .map(|folder| claude(Path::new(folder), VARIABLE))
            .collect();
    }
    let xdg = env("XDG_CONFIG_HOME")
        .map(|folder| claude(&Path::new(&folder).join("claude"), "XDG_CONFIG_HOME"));
    let mut all: Vec<_> = xdg.into_iter().collect();
    if let Some(home) = home {
        all.extend(CLAUDE_FOLDERS.map(|folder| claude(&home.join(folder), "default")));
        if cfg!(target_os = "macos") {
            let desktop = home.join("Library/Application Support/Claude");
            all.extend(
                ["local-agent-mode-sessions", "claude-code-sessions"].map(|folder| RootSpec {
                    source: Source::ClaudeCode,
                    path: desktop.join(folder),
                    origin: "Claude Desktop",
                }),
            );
        }
    }
    all
}

/// `folder` is a config directory, or already its `projects` folder.
fn claude(folder: &Path, origin: &'static str) -> RootSpec {
    let path = if folder.ends_with("projects") {
        folder.into()
    } else {
        folder.join("projects")
    };
    RootSpec {
        source: Source::ClaudeCode,
        path,
        origin,
    }
}

fn openclaw_roots(env: &dyn Fn(&str) -> Option<OsString>, home: Option<&Path>) -> Vec<RootSpec> {
    if let Some(state) = env("OPENCLAW_STATE_DIR") {
        return vec![openclaw(state.into(), "OPENCLAW_STATE_DIR")];
    }
    let (home, origin) = match env("OPENCLAW_HOME") {
        Some(home) => (Some(PathBuf::from(home)), "OPENCLAW_HOME"),
        None => (home.map(Path::to_path_buf), "default"),
    };
    let Some(home) = home else {
        return Vec::new();
    };
    let mut all: Vec<RootSpec> = [
        (".openclaw", origin),
        (".clawdbot", "legacy"),
        (".moltbot", "legacy"),
        (".moldbot", "legacy"),
    ]
    .map(|(name, origin)| openclaw(home.join(name), origin))
    .into();
    // Other profiles count too: whoever started this process need not be who started the gateways.
    const VARIABLE: &str = "OPENCLAW_PROFILE";
    let named = env(VARIABLE).filter(|name| name != "default");
    all.extend(named.map(|name| {
        let mut folder = OsString::from(".openclaw-");
        folder.push(name);
        openclaw(home.join(folder), VARIABLE)
    }));
    all.extend(openclaw_profiles(&home, "profile"));
    all
}

/// State directories of OpenClaw's profiles, `.openclaw-<profile>`, that are there.
fn openclaw_profiles(home: &Path, origin: &'static str) -> Vec<RootSpec> {
    let entries = std::fs::read_dir(home).into_iter().flatten();
    let mut folders: Vec<PathBuf> = entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            let name = entry.file_name();
            let is_profile = name.as_encoded_bytes().starts_with(b".openclaw-");
            (is_profile && entry.path().join("agents").is_dir()).then(|| entry.path())
        })
        .collect();
    folders.sort();
    let folders = folders.into_iter();
    folders.map(|folder| openclaw(folder, origin)).collect()
}

/// Only the agents' folder: beside it lie workspaces of any size.
fn openclaw(state: PathBuf, origin: &'static str) -> RootSpec {
    let path = if state.ends_with("agents") {
        state
    } else {
        state.join("agents")
    };
    RootSpec {
        source: Source::OpenClaw,
        path,
        origin,
    }
}

/// Drops what another root of the same source already covers.
fn distinct(all: Vec<RootSpec>) -> Vec<RootSpec> {
    let places: Vec<_> = all
        .iter()
        .map(|root| root.path.canonicalize().ok())
        .collect();
    let covered = |index: usize| {
        all.iter()
            .enumerate()
            .filter(|(_, other)| other.source == all[index].source)
            .any(|(other, spec)| match (&places[index], &places[other]) {
                (Some(place), Some(around)) => {
                    place.starts_with(around) && (place != around || other < index)
                }
                (None, None) => other < index && spec.path == all[index].path,
                _ => false,
            })
    };
    let keep: Vec<_> = (0..all.len()).map(|index| !covered(index)).collect();
    all.into_iter()
        .zip(keep)
        .filter_map(|(root, keep)| keep.then_some(root))
        .collect()
}

/// Decides from its path what a file below a root of this source is; `None` for what holds no usage of its own.
#[must_use]
pub fn classify(source: Source, path: &Path) -> Option<LogFile> {
    let text = path
        .to_str()
        .map_or_else(|| path.to_string_lossy(), Cow::Borrowed);
    #[cfg(windows)]
    let text = text.replace('/', "\\");
    let mut names = Vec::with_capacity(16);
    names.extend(
        text.split(MAIN_SEPARATOR)
            .filter(|name| !matches!(*name, "" | ".")),
    );
    match source {
        Source::ClaudeCode => classify_claude(&names),
        Source::OpenClaw => classify_openclaw(&names),
    }
}

/// `…/projects/<slug>/<session>.jsonl` and `…/projects/<slug>/<session>/subagents/**/agent-<id>.jsonl`.
fn classify_claude(names: &[&str]) -> Option<LogFile> {
    let (file, folders) = names.split_last()?;
    let projects = folders.iter().rposition(|name| *name == "projects")?;
    let below = &folders[projects + 1..];
    let stem = file
        .strip_suffix(".jsonl")
        .filter(|stem| !stem.is_empty())?;
    let parent = below
        .iter()
        .position(|name| *name == "subagents")
        .and_then(|at| below.get(at.checked_sub(1)?));
    let context = Context {
        session: (*parent.unwrap_or(&stem)).into(),
        project: below.first().copied().unwrap_or_default().into(),
        ..Context::default()
    };
    Some(LogFile {
        kind: Kind::ClaudeJsonl,
        context,
    })
}

/// `…/agents/<agent>/{agent,sessions,session-sqlite-import-archive}/…`.
fn classify_openclaw(names: &[&str]) -> Option<LogFile> {
    let agents = names.iter().rposition(|name| *name == "agents")?;
    let (agent, below) = names[agents + 1..].split_first()?;
    let (session, packed, rank) = match *below {
        ["agent", "openclaw-agent.sqlite"] => return Some(database_of((*agent).into())),
        [
            "agent",
            "codex-home",
            "sessions" | "archived_sessions",
            ..,
            name,
        ] => {
            return rollout(name, agent);
        }
        ["sessions", "sessions.json"] => return Some(index(agent)),
        ["session-sqlite-import-archive", name] if name.contains(".sessions.json.imported-") => {
            return Some(index(agent));
        }
        ["sessions", name] => {
            let (session, tail) = transcript(name)?;
            let rank = if tail.is_empty() {
                rank::LIVE_FILE
            } else {
                rank::ARCHIVE_FILE
            };
            (session, tail.ends_with(".zst"), rank)
        }
        ["sessions", "cold", name] => {
            let (session, tail) = transcript(name)?;
            (session, tail.ends_with(".zst"), rank::ARCHIVE_FILE)
        }
        ["session-sqlite-import-archive", name] => {
            let (session, tail) = transcript(name.rsplit_once(".imported-")?.0)?;
            let session = session
                .rsplit_once('.')
                .map_or(session, |(_key, session)| session);
            (session, tail.ends_with(".zst"), rank::IMPORT_ARCHIVE)
        }
        _ => return None,
    };
    let session = session
        .split_once("-topic-")
        .map_or(session, |(session, _thread)| session);
    let context = Context {
        session: session.into(),
        agent: (*agent).into(),
        rank,
        ..Context::default()
    };
    let kind = if packed {
        Kind::OpenClawArchive
    } else {
        Kind::OpenClawJsonl
    };
    Some(LogFile { kind, context })
}

fn index(agent: &str) -> LogFile {
    LogFile {
        kind: Kind::OpenClawIndex,
        context: Context {
            agent: agent.into(),
            ..Context::default()
        },
    }
}

/// `rollout-<time>-<thread>.jsonl`; Codex packs old ones.
fn rollout(name: &str, agent: &str) -> Option<LogFile> {
    let stem = name.strip_prefix("rollout-")?;
    let (stem, kind) = match stem.strip_suffix(".jsonl.zst") {
        Some(stem) => (stem, Kind::CodexArchive),
        None => (stem.strip_suffix(".jsonl")?, Kind::CodexJsonl),
    };
    // The time looks like "2026-11-20T09-00-00-".
    let thread = stem.get(20..).unwrap_or(stem);
    let context = Context {
        session: thread.into(),
        agent: agent.into(),
        rank: rank::LIVE_FILE,
        ..Context::default()
    };
    Some(LogFile { kind, context })
}

/// The live database of this agent, wherever it lies.
pub(super) fn database_of(agent: String) -> LogFile {
    LogFile {
        kind: Kind::OpenClawDb,
        context: Context {
            agent,
            rank: rank::LIVE_DB,
            ..Context::default()
        },
    }
}

/// Splits a transcript's name at its extension: the session, and what archiving added behind.
fn transcript(name: &str) -> Option<(&str, &str)> {
    let at = name.find(".jsonl")?;
    let (head, tail) = (&name[..at], &name[at + ".jsonl".len()..]);
    let is_session =
        !head.is_empty() && !head.ends_with(".trajectory") && !head.contains(".checkpoint.");
    let archived = [".reset.", ".deleted."]
        .iter()
        .any(|reason| tail.starts_with(reason))
        && !tail.ends_with(".tmp");
    (is_session && (archived || tail.is_empty() || tail == ".zst")).then_some((head, tail))
}

#[cfg(test)]
mod tests;
