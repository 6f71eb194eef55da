//! Tells when something below the roots may have changed. Every backend loses events, so they are only hints.

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::ModifyKind};
use std::path::{Path, PathBuf};

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
    watched: Vec<PathBuf>,
    failures: Vec<(PathBuf, String)>,
}

impl Watch {
    /// A watch that calls `hint`, from a thread of its own, without a folder yet.
    #[must_use]
    pub fn new(hint: impl Fn(Hint) + Send + 'static) -> Self {
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if let Some(told) = translate(event) {
                hint(told);
            }
        });
        match watcher {
            Ok(watcher) => Self {
                watcher: Some(watcher),
                watched: Vec::new(),
                failures: Vec::new(),
            },
            Err(error) => Self {
                watcher: None,
                watched: Vec::new(),
                failures: vec![(PathBuf::new(), error.to_string())],
            },
        }
    }

    /// Watches the folders of `roots` that exist; true when one is newly watched and wants a scan.
    pub fn arm<'a>(&mut self, roots: impl Iterator<Item = &'a Path>) -> bool {
        let Some(watcher) = &mut self.watcher else {
            return false;
        };
        let mut armed = false;
        self.failures.clear();
        for root in roots {
            let exists = root.is_dir();
            let watched = self.watched.iter().position(|path| path == root);
            match (exists, watched) {
                (true, None) => match watcher.watch(root, RecursiveMode::Recursive) {
                    Ok(()) => {
                        self.watched.push(root.to_owned());
                        armed = true;
                    }
                    Err(error) => self.failures.push((root.to_owned(), error.to_string())),
                },
                // It was deleted; should it come back, it is another folder.
                (false, Some(at)) => {
                    let _ = watcher.unwatch(root);
                    self.watched.swap_remove(at);
                }
                _ => {}
            }
        }
        armed
    }

    /// Folders that cannot be watched, with the reason; they are scanned more often instead.
    #[must_use]
    pub fn failures(&self) -> &[(PathBuf, String)] {
        &self.failures
    }
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
        EventKind::Create(_) if event.paths.iter().any(|path| path.is_dir()) => {
            Some(Hint::Everything)
        }
        _ => Some(Hint::Paths(event.paths)),
    }
}
