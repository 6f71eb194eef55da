//! Reads all logs again, without remembering anything: for receipts, which tell every copy of a response.

use super::{
    Follower, Pending, archive,
    file::{leading_zeros, parse, with_note},
    lines::{Lines, Piece},
    openclaw_db::{self, Cursors, Survey},
    roots::{Kind, LogFile, RootSpec},
};
use crate::{
    api::Progress,
    dialects::{Carry, openclaw},
    usage::{Line, Observation, Source},
};
use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

/// Hands out every observation in the logs of one source that are there now, with its file or database and its place
/// in it. Returns what could not be read, with why.
pub fn each_observation(
    roots: &[RootSpec],
    source: Source,
    visit: &mut dyn FnMut(&Path, u64, &Observation<'_>),
    progress: &mut dyn FnMut(Progress),
) -> Vec<(PathBuf, String)> {
    let roots = roots.iter().filter(|root| root.source == source);
    let mut follower = Follower::without_ledger(roots.cloned().collect());
    let found = follower.scan(None).unwrap_or_default();
    let mut told = Progress {
        files_total: found.len() as u64,
        bytes_total: found.iter().map(|file| file.unread).sum(),
        ..Progress::default()
    };
    let mut unread = Vec::new();
    for file in found {
        if let Err(why) = read(&file, visit) {
            unread.push((file.path.clone(), why));
        }
        told.files_done += 1;
        told.bytes_done += file.unread;
        progress(told);
    }
    unread
}

fn read(file: &Pending, visit: &mut dyn FnMut(&Path, u64, &Observation<'_>)) -> Result<(), String> {
    let path = file.path.as_path();
    let mut take = |line: Line<'_>, offset| {
        if let Line::Observation(observation) = line {
            visit(path, offset, &observation);
        }
    };
    let log = &*with_note(path, &file.log);
    let done =
        match log.kind {
            Kind::OpenClawIndex => Ok(()),
            Kind::OpenClawDb => {
                let mut read = Cursors::default();
                loop {
                    let reading = openclaw_db::read_new(
                        path,
                        &log.context,
                        &read,
                        Survey::Thorough,
                        &mut |row, carry| {
                            if let Ok(json) = row.json {
                                take(openclaw::parse(json, row.context, carry), row.place);
                            }
                        },
                    );
                    match reading {
                        Ok(reading) if reading.more => read.advance(reading.moved),
                        done => return done.map(drop).map_err(|error| error.to_string()),
                    }
                }
            }
            Kind::OpenClawArchive | Kind::CodexArchive => archive::open(path)
                .and_then(|bytes| lines(Lines::new(bytes, 0, Vec::new()), log, take)),
            Kind::ClaudeJsonl | Kind::OpenClawJsonl | Kind::CodexJsonl => File::open(path)
                .and_then(|bytes| lines(Lines::new(bytes, 0, Vec::new()), log, take)),
        };
    done.map_err(|error| error.to_string())
}

fn lines(
    mut lines: Lines<impl Read>,
    log: &LogFile,
    mut take: impl FnMut(Line<'_>, u64),
) -> io::Result<()> {
    let mut carry = Carry::default();
    let mut take = |piece: Piece<'_>| {
        if let Piece::Line(offset, line) = piece {
            let zeros = leading_zeros(line);
            let record = parse(log.kind, &line[zeros..], &log.context, &mut carry);
            take(record, offset + zeros as u64);
        }
    };
    while let Some(piece) = lines.next()? {
        take(piece);
    }
    lines.rest().into_iter().for_each(take);
    Ok(())
}
