//! Files and OpenClaw databases -> complete records, remembering offsets.
//!
//! Events are hints, scans are the truth. Reading again is always safe, because the ledger merges observations
//! of one response; skipping never is. So every doubt is resolved by reading from the beginning.

pub mod archive;
mod database;
mod file;
pub mod kept;
pub mod lines;
pub mod openclaw_db;
mod queue;
pub mod roots;
pub mod search;
pub mod watch;
pub mod wsl;

pub use queue::Queue;

use crate::{
    api::{Problem, Root, RootState},
    ledger::{
        Ledger, LedgerError,
        files::{Known, path_text},
    },
    time::UnixMillis,
    usage::Source,
};
use file::Stat;
use roots::{Kind, LogFile, RootSpec};
use rustc_hash::{FxHashMap, FxHashSet};
use std::{
    cmp::Reverse,
    collections::{HashMap, HashSet},
    io,
    path::{Path, PathBuf},
};
use walkdir::WalkDir;

/// No log lies deeper below its root; Claude Desktop's stores are the deepest.
const DEEPEST: usize = 12;

/// Follows all logs below a set of roots.
#[derive(Debug)]
pub struct Follower {
    roots: Vec<RootSpec>,
    known: FxHashMap<String, Known>,
    by_identity: FxHashMap<(u64, u64), String>,
    /// Rows of the files that the last full scan met.
    met: FxHashSet<i64>,
    /// Agents' databases that OpenClaw's own list puts outside the roots.
    elsewhere: HashMap<PathBuf, LogFile>,
    /// Files whose last line has no newline yet.
    waiting: HashSet<PathBuf>,
    /// Databases that could not be read: when to try again, and how long to wait after that.
    blocked: HashMap<PathBuf, (UnixMillis, i64)>,
    /// By file row, what [`openclaw_db`] has read; a cache.
    cursors: HashMap<i64, openclaw_db::Cursors>,
    /// What went wrong at the last look, by path.
    problems: HashMap<PathBuf, Problem>,
}

/// A file with something new, as far as its outside tells.
#[derive(Debug, Clone)]
pub struct Pending {
    pub(crate) path: PathBuf,
    source: Source,
    log: LogFile,
    stat: Stat,
    known: Option<i64>,
    /// It is the file with that row by its identity, not by its path alone.
    same: bool,
    /// Bytes to read, as far as the outside tells.
    pub(crate) unread: u64,
    /// Found by a full scan: of a database, every session is compared.
    thorough: bool,
}

impl Pending {
    /// Its path, when it was changed since then.
    #[must_use]
    pub fn changed_since(&self, since: UnixMillis) -> Option<&Path> {
        (self.stat.mtime / 1_000_000 >= since.0).then_some(&self.path)
    }
}

impl Follower {
    /// Follows these roots, from where the ledger says.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn new(roots: Vec<RootSpec>, ledger: &Ledger) -> Result<Self, LedgerError> {
        let mut follower = Self::without_ledger(roots);
        follower.reload(ledger)?;
        Ok(follower)
    }

    /// Looks at these roots as if nothing had ever been read.
    #[must_use]
    pub fn without_ledger(roots: Vec<RootSpec>) -> Self {
        Self {
            roots,
            known: FxHashMap::default(),
            by_identity: FxHashMap::default(),
            met: FxHashSet::default(),
            elsewhere: HashMap::new(),
            waiting: HashSet::new(),
            blocked: HashMap::new(),
            cursors: HashMap::new(),
            problems: HashMap::new(),
        }
    }

    /// Takes all positions from the ledger again, for instance after a commit that failed.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn reload(&mut self, ledger: &Ledger) -> Result<(), LedgerError> {
        self.known.clear();
        self.by_identity.clear();
        self.cursors.clear();
        let files = ledger.known_files()?;
        self.known.reserve(files.len());
        self.by_identity.reserve(files.len());
        for known in files {
            self.remember(known);
        }
        Ok(())
    }

    fn remember(&mut self, known: Known) {
        if known.identity != (0, 0) {
            self.by_identity.insert(known.identity, known.path.clone());
        }
        self.known.insert(known.path.clone(), known);
    }

    /// The roots that are followed.
    #[must_use]
    pub fn roots(&self) -> &[RootSpec] {
        &self.roots
    }

    /// Whether a path below a root is a log, or belongs to one.
    #[must_use]
    pub fn is_log(&self, path: &Path) -> bool {
        let log = main_file(path);
        self.roots
            .iter()
            .any(|root| log.starts_with(&root.path) && roots::classify(root.source, &log).is_some())
    }

    /// What went wrong at the last look.
    #[must_use]
    pub fn problems(&self) -> Vec<Problem> {
        let mut problems: Vec<Problem> = self.problems.values().cloned().collect();
        let known = self.known.values();
        problems.extend(known.filter_map(database::half_known));
        problems.sort_by(|one, two| one.message.cmp(&two.message));
        problems
    }

    /// Files and folders that could not be read at the last look.
    #[must_use]
    pub fn cannot_read(&self) -> Vec<PathBuf> {
        self.problems.keys().cloned().collect()
    }

    /// Files that want a look soon, even without an event: those whose last line is not complete, and
    /// databases that could not be read.
    #[must_use]
    pub fn waiting(&self) -> Vec<PathBuf> {
        self.waiting
            .iter()
            .chain(self.blocked.keys())
            .cloned()
            .collect()
    }

    /// Walks all roots and finds what is new, most recently changed first. Also learns which files are gone.
    ///
    /// # Errors
    /// [`LedgerError`] while marking files as gone.
    pub fn scan(&mut self, ledger: Option<&mut Ledger>) -> Result<Vec<Pending>, LedgerError> {
        self.problems.clear();
        self.met.clear();
        self.met.reserve(self.known.len());
        let mut seen = FxHashSet::default();
        seen.reserve(self.known.len());
        let mut pending = Vec::new();
        for root in self.roots.clone() {
            self.walk(&root, &root.path, &mut seen, &mut pending);
        }
        self.find_elsewhere();
        for (path, log) in self.elsewhere.clone() {
            self.look(Source::OpenClaw, &path, log, &mut seen, &mut pending);
        }
        for file in &mut pending {
            file.thorough = true;
        }
        if let Some(ledger) = ledger {
            self.mark_gone(ledger)?;
        }
        Ok(in_order(pending))
    }

    /// The files that hold something that the ledger does not know. Unlike [`Follower::scan`] it takes a file's
    /// size for proof while the file is too fresh for its time to be one.
    ///
    /// # Errors
    /// As for [`Follower::scan`].
    pub fn unread(&mut self) -> Result<Vec<PathBuf>, LedgerError> {
        let mut pending = self.scan(None)?;
        pending.retain(|file| !self.has_read(file));
        Ok(pending.into_iter().map(|file| file.path).collect())
    }

    fn has_read(&self, file: &Pending) -> bool {
        let known = self.known.get(&path_text(&file.path));
        known.is_some_and(|known| match file.log.kind {
            Kind::OpenClawDb => openclaw_db::stamp(&file.path)
                .is_ok_and(|now| known.stamp == database::stamp_text(&now, false)),
            _ => (known.size, known.mtime) == (file.stat.size, 0),
        })
    }

    /// Looks at these paths only. A folder is looked at whole; a path outside the roots is passed over.
    pub fn examine(&mut self, paths: &[PathBuf], now: UnixMillis) -> Vec<Pending> {
        let mut seen = FxHashSet::default();
        let mut pending = Vec::new();
        for path in paths {
            let path = main_file(path);
            if self.blocked.get(&path).is_some_and(|(next, _)| *next > now) {
                continue;
            }
            if let Some(log) = self.elsewhere.get(&path).cloned() {
                self.look(Source::OpenClaw, &path, log, &mut seen, &mut pending);
                continue;
            }
            let Some(root) = self
                .roots
                .iter()
                .find(|root| path.starts_with(&root.path))
                .cloned()
            else {
                continue;
            };
            self.walk(&root, &path, &mut seen, &mut pending);
        }
        in_order(pending)
    }

    /// Asks OpenClaw's lists for agents' databases that walking the roots does not meet. A list that cannot be read
    /// takes nothing away.
    fn find_elsewhere(&mut self) {
        let roots = self.roots.iter();
        let states = roots
            .filter(|root| root.source == Source::OpenClaw)
            .filter_map(|root| root.path.parent().map(Path::to_owned));
        for state in states.collect::<Vec<_>>() {
            match openclaw_db::listed(&state) {
                Ok(listed) => {
                    let outside = listed.into_iter().filter(|(_, path)| {
                        !self.roots.iter().any(|root| path.starts_with(&root.path))
                    });
                    let logs = outside.map(|(agent, path)| (path, roots::database_of(agent)));
                    self.elsewhere.extend(logs.collect::<Vec<_>>());
                }
                Err(incomplete) => {
                    let problem =
                        database::problem(&state.join("state/openclaw.sqlite"), &incomplete);
                    self.problems.insert(state, problem);
                }
            }
        }
    }

    fn walk(
        &mut self,
        root: &RootSpec,
        from: &Path,
        seen: &mut FxHashSet<(u64, u64)>,
        pending: &mut Vec<Pending>,
    ) {
        let walk = WalkDir::new(from)
            .follow_links(true)
            .max_depth(DEEPEST)
            // Within one folder whole paths differ in their names alone, and bytes compare faster than names.
            .sort_by(|one, two| one.path().as_os_str().cmp(two.path().as_os_str()));
        for entry in walk {
            match entry {
                Ok(entry) if entry.file_type().is_file() => {
                    if let Some(log) = roots::classify(root.source, entry.path()) {
                        self.look(root.source, entry.path(), log, seen, pending);
                    }
                }
                Ok(_) => {}
                Err(error) => self.blame(&error, from),
            }
        }
    }

    /// An unreadable folder is a problem; one that is missing, a dangling link or a loop of links is not.
    fn blame(&mut self, error: &walkdir::Error, from: &Path) {
        let Some(cause) = error.io_error() else {
            return;
        };
        if cause.kind() != io::ErrorKind::NotFound {
            self.unreadable(error.path().unwrap_or(from), cause);
        }
    }

    fn unreadable(&mut self, path: &Path, cause: &io::Error) {
        let denied = cause.kind() == io::ErrorKind::PermissionDenied;
        let hint = if path.is_symlink() && !denied {
            "it is a link that leads to no file: remove or mend it"
        } else {
            "let your user read it; until then its figures stay as they were last seen"
        };
        let problem = Problem {
            code: "unreadable".into(),
            message: format!("cannot read {}: {cause}", path.display()),
            hint: hint.into(),
            serious: true,
        };
        self.problems.insert(path.to_owned(), problem);
    }

    fn look(
        &mut self,
        source: Source,
        path: &Path,
        log: LogFile,
        seen: &mut FxHashSet<(u64, u64)>,
        pending: &mut Vec<Pending>,
    ) {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return,
            Err(error) => return self.unreadable(path, &error),
        };
        let stat = Stat::of(&metadata);
        if stat.identity != (0, 0) && !seen.insert(stat.identity) {
            return;
        }
        let text = path_text(path);
        let known = self.known_as(&text, stat);
        let unchanged = known.is_some_and(|known| {
            let same = match log.kind {
                Kind::OpenClawDb => openclaw_db::stamp(path)
                    .is_ok_and(|now| known.stamp == database::stamp_text(&now, true)),
                _ => (known.size, known.mtime) == (stat.size, stat.mtime),
            };
            same && known.path == text && !known.gone
        });
        let unread = stat
            .size
            .saturating_sub(known.map_or(0, |known| known.size));
        let same = known.is_some_and(|known| known.identity == stat.identity);
        let known = known.map(|known| known.id);
        self.met.extend(known);
        if !unchanged {
            pending.push(Pending {
                path: path.to_owned(),
                source,
                known,
                same,
                log,
                stat,
                unread,
                thorough: false,
            });
        }
    }

    /// The file with this identity, wherever it was; else the one that was last seen at this path.
    fn known_as(&self, path: &str, stat: Stat) -> Option<&Known> {
        let identity = self.by_identity.get(&stat.identity);
        identity
            .and_then(|path| self.known.get(path))
            .filter(|known| known.identity == stat.identity)
            .or_else(|| self.known.get(path))
    }

    /// Files that are no longer where they were. What they told stays in the ledger.
    fn mark_gone(&mut self, ledger: &mut Ledger) -> Result<(), LedgerError> {
        let gone: Vec<(i64, String)> = self
            .known
            .values()
            .filter(|known| !known.gone && !self.met.contains(&known.id))
            .filter(|known| matches!(Path::new(&known.path).try_exists(), Ok(false)))
            .map(|known| (known.id, known.path.clone()))
            .collect();
        if gone.is_empty() {
            return Ok(());
        }
        let ids: Vec<i64> = gone.iter().map(|(id, _)| *id).collect();
        ledger.mark_gone(&ids, true)?;
        for (_, path) in gone {
            if let Some(known) = self.known.get_mut(&path) {
                known.gone = true;
            }
        }
        Ok(())
    }

    /// The roots with what was found below them, for the first-run page and doctor.
    #[must_use]
    pub fn root_report(&self) -> Vec<Root> {
        self.roots
            .iter()
            .map(|root| {
                let below = || {
                    self.known.values().filter(|known| {
                        !known.gone && Path::new(&known.path).starts_with(&root.path)
                    })
                };
                Root {
                    source: root.source,
                    path: path_text(&root.path),
                    origin: root.origin.to_owned(),
                    state: match std::fs::read_dir(&root.path) {
                        Ok(_) => RootState::Found,
                        Err(error) if error.kind() == io::ErrorKind::NotFound => RootState::Missing,
                        Err(error) => RootState::Unreadable {
                            reason: error.to_string(),
                        },
                    },
                    files: below().count() as u64,
                    bytes: below().map(|known| known.size).sum(),
                }
            })
            .collect()
    }
}

/// Most recently changed first. A renamed file keeps its row, so one that was found in its old place begins its own.
fn in_order(mut pending: Vec<Pending>) -> Vec<Pending> {
    let kept = pending.iter().filter(|file| file.same);
    let kept: FxHashSet<i64> = kept.filter_map(|file| file.known).collect();
    for file in pending.iter_mut().filter(|file| !file.same) {
        file.known = file.known.filter(|id| !kept.contains(id));
    }
    pending.sort_by_key(|file| Reverse(file.stat.mtime));
    pending
}

/// A database's own file, where the path is that of its log or journal.
fn main_file(path: &Path) -> PathBuf {
    let text = path.to_string_lossy();
    let main = ["-wal", "-shm", "-journal"]
        .iter()
        .find_map(|suffix| text.strip_suffix(suffix));
    match main {
        Some(main) if main.ends_with(".sqlite") => main.into(),
        _ => path.to_owned(),
    }
}
