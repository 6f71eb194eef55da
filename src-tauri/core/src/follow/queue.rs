//! The files that wait to be read, and reading them into the ledger, a batch at a time.

use super::{
    Follower, Pending, database,
    file::{self, Ended, ReadError, Room},
    roots::Kind,
};
use crate::{
    api::Progress,
    ledger::{
        Batch, Ledger, LedgerError, Pricer,
        files::{FileState, Known, path_text},
    },
    time::UnixMillis,
};
use jiff::tz::TimeZone;
use rustc_hash::FxHashSet;
use std::{collections::VecDeque, io, path::Path};

/// One transaction takes in at most this much, so that the first figures come early and memory stays small.
const BATCH: Room = Room {
    bytes: 512 * 1024 * 1024,
    clusters: 28_000,
};

/// Files waiting to be read, and how far reading them has come.
#[derive(Debug, Default)]
pub struct Queue {
    files: VecDeque<Pending>,
    progress: Progress,
    bytes_of_front: u64,
    buffer: Vec<u8>,
}

impl Queue {
    /// Nothing is left to read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// Adds what a look found and is not waiting already.
    pub fn extend(&mut self, mut pending: Vec<Pending>) {
        if self.files.is_empty() {
            self.progress = Progress::default();
        } else {
            let queued: FxHashSet<&Path> =
                self.files.iter().map(|file| file.path.as_path()).collect();
            pending.retain(|file| !queued.contains(file.path.as_path()));
        }
        for file in pending {
            self.progress.files_total += 1;
            self.progress.bytes_total += file.unread;
            self.files.push_back(file);
        }
    }

    fn finish_front(&mut self) {
        if let Some(file) = self.files.pop_front() {
            self.progress.files_done += 1;
            self.progress.bytes_done += file.unread;
            self.bytes_of_front = 0;
        }
    }

    /// How far it has come; `elapsed_millis` since the first file was queued.
    #[must_use]
    pub fn progress(&self, elapsed_millis: u64) -> Progress {
        let unread = self.files.front().map_or(0, |file| file.unread);
        let done = self.progress.bytes_done + self.bytes_of_front.min(unread);
        let left = self.progress.bytes_total.saturating_sub(done);
        let eta = (elapsed_millis * left)
            .checked_div(done * 1000)
            .filter(|_| elapsed_millis >= 500);
        Progress {
            bytes_done: done,
            eta_seconds: eta,
            ..self.progress
        }
    }
}

impl Follower {
    /// Reads the next batch of the queue into the ledger, in one transaction. True when any response changed.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing of the batch remains, and the positions are the ledger's again.
    pub fn read_batch(
        &mut self,
        queue: &mut Queue,
        ledger: &mut Ledger,
        zone: &TimeZone,
        price: &mut Pricer<'_>,
        now: UnixMillis,
    ) -> Result<bool, LedgerError> {
        let done = self.read_some(queue, ledger, zone, price, now);
        if done.is_err() {
            self.reload(ledger)?;
        }
        done
    }

    fn read_some(
        &mut self,
        queue: &mut Queue,
        ledger: &mut Ledger,
        zone: &TimeZone,
        price: &mut Pricer<'_>,
        now: UnixMillis,
    ) -> Result<bool, LedgerError> {
        let mut batch = ledger.batch()?;
        let mut room = BATCH;
        let mut read: Vec<FileState> = Vec::new();
        let mut half_read = None;
        while let Some(file) = queue.files.front() {
            if room.bytes == 0 || batch.pending() >= room.clusters {
                break;
            }
            if file.log.kind == Kind::OpenClawDb && !read.is_empty() {
                // A reading of a database that fails takes its whole batch with it.
                break;
            }
            let before = room.bytes;
            self.waiting.remove(&file.path);
            match self.read_one(file, &mut batch, &mut room, &mut queue.buffer, now) {
                Ok((state, ended)) => {
                    self.problems.remove(&file.path);
                    self.blocked.remove(&file.path);
                    queue.bytes_of_front += before - room.bytes;
                    if ended == Ended::More {
                        half_read = state.id;
                        read.push(state);
                        break;
                    }
                    read.push(state);
                    if ended == Ended::Waiting {
                        self.waiting.insert(file.path.clone());
                    }
                }
                Err(ReadError::Ledger(error)) => return Err(error),
                // It vanished between the look and the read; what it told before stays.
                Err(ReadError::Io(error)) if error.kind() == io::ErrorKind::NotFound => {}
                Err(ReadError::Io(error)) => {
                    let path = file.path.clone();
                    self.unreadable(&path, &error);
                }
                Err(ReadError::Incomplete(problem)) => {
                    let (_, wait) = self
                        .blocked
                        .get(&file.path)
                        .copied()
                        .unwrap_or((now, 2_000));
                    let next = (now.plus(wait), (2 * wait).min(60_000));
                    self.blocked.insert(file.path.clone(), next);
                    self.problems.insert(file.path.clone(), problem);
                    queue.finish_front();
                    // Its rows are dropped with the batch, so its cursors must not stay ahead of them.
                    self.cursors.clear();
                    return Ok(false);
                }
            }
            queue.finish_front();
        }
        let changed = batch.commit(zone, price)?;
        if let Some(front) = queue.files.front_mut().filter(|_| half_read.is_some()) {
            front.known = half_read;
        }
        for state in read {
            self.remember_state(state);
        }
        Ok(changed)
    }

    /// Reads one file as far as the batch has room.
    fn read_one(
        &mut self,
        pending: &Pending,
        batch: &mut Batch<'_>,
        room: &mut Room,
        buffer: &mut Vec<u8>,
        now: UnixMillis,
    ) -> Result<(FileState, Ended), ReadError> {
        let text = path_text(&pending.path);
        let here = self.known.get(&text);
        let here = here.filter(|known| known.identity == pending.stat.identity);
        let known = pending.known.or(here.map(|known| known.id));
        let known = known.map(|id| batch.file(id)).transpose()?.flatten();
        let mut state =
            known.unwrap_or_else(|| FileState::new(String::new(), pending.source, (0, 0)));
        state.path = text;
        let ended = match pending.log.kind {
            Kind::OpenClawDb => database::read(pending, &mut state, batch, &mut self.cursors, now)?,
            _ => file::read(
                &pending.path,
                &pending.log,
                &mut state,
                batch,
                room,
                buffer,
                now,
            )?,
        };
        Ok((state, ended))
    }

    fn remember_state(&mut self, state: FileState) {
        let Some(id) = state.id else { return };
        // A renamed file leaves its old path.
        if let Some(old) = self
            .by_identity
            .get(&state.identity)
            .filter(|old| self.known.get(*old).is_some_and(|known| known.id == id))
            .cloned()
        {
            self.known.remove(&old);
        }
        self.remember(Known {
            id,
            path: state.path,
            identity: state.identity,
            size: state.size,
            mtime: state.mtime,
            stamp: state.stamp,
            unknown: state.unknown,
            gone: false,
        });
    }
}
