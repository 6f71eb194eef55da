//! Tells when something below the roots may have changed. Every backend loses events, so they are only hints.

use super::file::Stat;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::ModifyKind};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

/// What the operating system told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// These paths may have changed.
    Paths(Vec<PathBuf>),
    /// Events were lost, or a folder appeared that may have been filled before it was watched.
    Everything,
}

/// Watches folders until dropped.
#[derive(Debug)]
pub struct Watch {
    watcher: Option<RecommendedWatcher>,
    /// With what each was when it was watched.
    watched: Vec<(PathBuf, Folder)>,
    /// Folders in which one that is not there yet will appear.
    parents: BTreeSet<PathBuf>,
    names: Arc<Mutex<Names>>,
    failures: Vec<(PathBuf, String)>,
}

/// Device, file number and birth of a folder: the number of a deleted one may be given out again.
type Folder = ((u64, u64), Option<SystemTime>);

/// The real path of a folder and the path it was asked for by: some systems report real paths only.
type Names = Vec<(PathBuf, PathBuf)>;

impl Watch {
    /// A watch that calls `hint`, from a thread of its own, without a folder yet.
    #[must_use]
    pub fn new(hint: impl Fn(Hint) + Send + 'static) -> Self {
        let names: Arc<Mutex<Names>> = Arc::default();
        let known = names.clone();
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Some(told) = translate(event) {
                hint(as_asked(
                    told,
                    &known.lock().unwrap_or_else(PoisonError::into_inner),
                ));
            }
        });
        let (watcher, failures) = match watcher {
            Ok(watcher) => (Some(watcher), Vec::new()),
            Err(error) => (None, vec![(PathBuf::new(), error.to_string())]),
        };
        Self {
            watcher,
            watched: Vec::new(),
            parents: BTreeSet::new(),
            names,
            failures,
        }
    }

    /// Watches the folders of `roots` that exist, and for those that will appear where their parent exists; true when
    /// one is newly watched and wants a scan.
    pub fn arm<'a>(&mut self, roots: impl Iterator<Item = &'a Path>) -> bool {
        let Some(watcher) = &mut self.watcher else {
            return false;
        };
        let mut armed = false;
        let mut parents = BTreeSet::new();
        self.failures.clear();
        for root in roots {
            let there = std::fs::metadata(root)
                .ok()
                .filter(std::fs::Metadata::is_dir);
            let identity =
                there.map(|metadata| (Stat::of(&metadata).identity, metadata.created().ok()));
            let watched = self.watched.iter().position(|(path, _)| path == root);
            if let Some(at) = watched {
                if identity == Some(self.watched[at].1) {
                    continue;
                }
                // Deleted; should it be there again, it is another folder.
                let _ = watcher.unwatch(root);
                self.watched.swap_remove(at);
            }
            let Some(identity) = identity else {
                parents.extend(root.parent().filter(|it| it.is_dir()).map(Path::to_owned));
                continue;
            };
            if let Ok(real) = root.canonicalize()
                && real != root
            {
                let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
                names.retain(|(_, asked)| asked != root);
                names.push((real, root.to_owned()));
            }
            match watcher.watch(root, RecursiveMode::Recursive) {
                Ok(()) => {
                    self.watched.push((root.to_owned(), identity));
                    armed = true;
                }
                Err(error) => self.failures.push((root.to_owned(), error.to_string())),
            }
        }
        parents.retain(|parent| self.watched.iter().all(|(path, _)| path != parent));
        for parent in self.parents.difference(&parents) {
            if self.watched.iter().all(|(path, _)| path != parent) {
                let _ = watcher.unwatch(parent);
            }
        }
        // Where this fails, the root is found by looking for it now and then.
        for parent in parents.difference(&self.parents) {
            let _ = watcher.watch(parent, RecursiveMode::NonRecursive);
        }
        self.parents = parents;
        armed
    }

    /// Folders that cannot be watched, with the reason; they are scanned more often instead.
    #[must_use]
    pub fn failures(&self) -> &[(PathBuf, String)] {
        &self.failures
    }
}

/// The paths as they would be without links on the way to the watched folder.
fn as_asked(hint: Hint, names: &Names) -> Hint {
    let Hint::Paths(mut paths) = hint else {
        return hint;
    };
    for path in &mut paths {
        let asked = names
            .iter()
            .find_map(|(real, asked)| path.strip_prefix(real).ok().map(|below| asked.join(below)));
        *path = asked.unwrap_or_else(|| std::mem::take(path));
    }
    Hint::Paths(paths)
}

fn translate(event: notify::Result<notify::Event>) -> Option<Hint> {
    let Ok(event) = event else {
        return Some(Hint::Everything);
    };
    if event.need_rescan() {
        return Some(Hint::Everything);
    }
    match event.kind {
        // Our own reading makes these.
        EventKind::Access(_) | EventKind::Modify(ModifyKind::Metadata(_)) => None,
        EventKind::Create(_) | EventKind::Modify(ModifyKind::Name(_))
            if event.paths.iter().any(|path| path.is_dir()) =>
        {
            Some(Hint::Everything)
        }
        _ => Some(Hint::Paths(event.paths)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{fs, sync::mpsc::channel, time::Duration};

    #[test]
    fn a_folder_that_appears_is_told_of() {
        let home = tempfile::tempdir().expect("a folder");
        let home = home.path().canonicalize().expect("a path");
        let roots = [home.join("a/logs"), home.join("b/logs")];
        fs::create_dir(home.join("a")).expect("a folder");
        let (sender, hints) = channel();
        let mut watch = Watch::new(move |hint| {
            let _ = sender.send(hint);
        });
        let arm = |watch: &mut Watch| watch.arm(roots.iter().map(PathBuf::as_path));
        assert!(!arm(&mut watch));
        assert!(!arm(&mut watch));
        fs::create_dir(&roots[0]).expect("a folder");
        let hint = hints.recv_timeout(Duration::from_secs(60));
        assert_eq!(hint, Ok(Hint::Everything));
        assert!(arm(&mut watch));
        assert_eq!(watch.failures(), []);
        fs::write(roots[0].join("x"), "").expect("a file");
        let hint = hints.recv_timeout(Duration::from_secs(60));
        assert_eq!(hint, Ok(Hint::Paths(vec![roots[0].join("x")])));
    }

    #[cfg(unix)]
    #[test]
    fn f35_a_folder_made_anew_is_watched_anew() {
        let home = tempfile::tempdir().expect("a folder");
        let root = home.path().join("projects");
        let mut watch = Watch::new(|_| {});
        let mut arm = || watch.arm(std::iter::once(root.as_path()));
        assert!(!arm(), "there is none");
        for _ in 0..50 {
            std::fs::create_dir(&root).expect("made");
            assert!(arm());
            assert!(!arm(), "it is watched already");
            std::fs::remove_dir(&root).expect("deleted");
        }
    }

    #[test]
    fn real_paths_are_told_as_they_were_asked_for() {
        let names = vec![("/private/var/x".into(), "/var/x".into())];
        let told = [
            "/private/var/x/a.jsonl",
            "/var/x/b.jsonl",
            "/private/var/xy",
        ];
        let asked = ["/var/x/a.jsonl", "/var/x/b.jsonl", "/private/var/xy"];
        let paths = |texts: [&str; 3]| Hint::Paths(texts.map(PathBuf::from).to_vec());
        assert_eq!(as_asked(paths(told), &names), paths(asked));
        assert_eq!(as_asked(Hint::Everything, &names), Hint::Everything);
    }
}
