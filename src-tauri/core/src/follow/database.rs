//! Reads what is new in one OpenClaw database into a batch.

use super::{
    Pending,
    file::{Ended, Intake, ReadError},
    openclaw_db::{self, Cursors, Incomplete, Stamp, Survey},
};
use crate::{
    api::Problem,
    dialects::openclaw,
    ledger::{
        Batch, LedgerError,
        files::{FileState, Known},
    },
    time::UnixMillis,
};
use std::{
    collections::{HashMap, hash_map::Entry},
    path::Path,
};

/// Reads rows and archives; how far that went is committed with them. `known` holds the cursors in memory,
/// so that a look does not cost more the longer the history; it is to be emptied when a commit fails.
pub(super) fn read(
    pending: &Pending,
    state: &mut FileState,
    batch: &mut Batch<'_>,
    known: &mut HashMap<i64, Cursors>,
    now: UnixMillis,
) -> Result<Ended, ReadError> {
    let path = &pending.path;
    let before = openclaw_db::stamp(path)?;
    // New files need their row first: the cursors hang on it.
    let id = match state.id {
        Some(id) => id,
        None => batch.set_file(state)?,
    };
    let cursors = match known.entry(id) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(new) => new.insert(batch.cursors(id)?),
    };
    let survey = if pending.thorough {
        Survey::Thorough
    } else {
        Survey::Quick
    };
    let mut failed: Option<LedgerError> = None;
    let mut intake = Intake::new(batch, state)?;
    let reading = openclaw_db::read_new(
        path,
        &pending.log.context,
        cursors,
        survey,
        &mut |row, carry| {
            if failed.is_some() {
                return;
            }
            let counts = intake.state.counts;
            let taken = match row.json {
                Ok(json) => intake.take(openclaw::parse(json, row.context, carry), row.place),
                Err(fault) => intake.broken(fault, row.place),
            };
            if row.again {
                intake.state.counts = counts;
            }
            failed = taken.err();
        },
    );
    if let Some(error) = failed {
        return Err(error.into());
    }
    let reading =
        reading.map_err(|incomplete| ReadError::Incomplete(problem(path, &incomplete)))?;
    for (session, facts) in &reading.sessions {
        batch.describe_session(state.source, session, facts)?;
    }
    batch.move_cursors(id, &reading.moved)?;
    cursors.advance(reading.moved);
    state.counts.no_usage += reading.passed_over;
    state.identity = pending.stat.identity;
    state.size = pending.stat.size;
    state.unknown = reading.unknown.join(", ");
    state.stamp = if reading.more {
        String::new()
    } else {
        stamp_text(&before, before.rested(now))
    };
    batch.set_file(state)?;
    Ok(if reading.more {
        Ended::More
    } else {
        Ended::End
    })
}

/// A stamp as the ledger keeps it. One that had not rested never equals one that had: it is looked at again.
pub(super) fn stamp_text(stamp: &Stamp, rested: bool) -> String {
    let text = serde_json::to_string(stamp).unwrap_or_default();
    if rested { text } else { format!("~{text}") }
}

/// A database of which something was not read, because this Clawspend does not know its form.
pub(super) fn half_known(known: &Known) -> Option<Problem> {
    let tells = !known.unknown.is_empty() && !known.gone;
    tells.then(|| Problem {
        code: "database_half_known".into(),
        message: format!(
            "{} keeps {} in a form that is not known; the rest of it was read",
            known.path, known.unknown
        ),
        hint: "update Clawspend: the figures may leave out what only stands there".into(),
        serious: true,
    })
}

/// Tells of a database that could not be read.
pub(super) fn problem(path: &Path, incomplete: &Incomplete) -> Problem {
    Problem {
        code: if incomplete.passes() {
            "database_busy"
        } else {
            "database_unknown"
        }
        .into(),
        message: format!("{}: {incomplete}", path.display()),
        hint: if incomplete.passes() {
            "nothing to do: its figures stay as they were last read, and it is tried again"
        } else {
            "update Clawspend: this OpenClaw keeps its transcripts in a form it does not know"
        }
        .into(),
        serious: true,
    }
}
