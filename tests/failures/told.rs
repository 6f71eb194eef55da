//! Lines of known worth, and all that is known after they were read.

use clawspend_core::{
    api::Problem, ingest::Ingest, ledger::files::Counts, summary::Amount, usage::Fault,
};
use clawspend_tests::corpus::{ClaudeLine, ClaudeUsage};
use clawspend_tests::home::{Home, drain};
use std::{collections::BTreeMap, fs, path::Path};

/// A line of its own response; its output is a power of two, so that a sum tells which lines it is made of.
/// Lines 4, 5 and 6 have the same length, and so have 7, 8 and 9.
pub(crate) fn line(number: u32) -> String {
    let id = format!("msg_{number:024}");
    let uuid = format!("00000000-0000-4000-8000-{number:012}");
    let usage = ClaudeUsage {
        input: 10,
        output: 1 << number,
        ..ClaudeUsage::default()
    };
    let line = ClaudeLine {
        message_id: &id,
        uuid: &uuid,
        parent: "",
        usage,
        ..ClaudeLine::default()
    };
    format!("{line}\n")
}

pub(crate) fn lines(numbers: impl IntoIterator<Item = u32>) -> String {
    numbers.into_iter().map(line).collect()
}

pub(crate) fn write(path: &Path, content: impl AsRef<[u8]>) {
    fs::write(path, content).expect("writable");
}

/// All that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// By day, hour, source, project, agent, session and model.
    pub(crate) rows: BTreeMap<Vec<String>, Amount>,
    /// What the lines came to.
    pub(crate) counts: Counts,
    /// File name and offset of what could not be read.
    pub(crate) broken: Vec<(Fault, String, u64)>,
    pub(crate) problems: Vec<Problem>,
}

/// What these lines come to when each is read once, from one file that nothing happens to.
pub(crate) fn once(numbers: impl IntoIterator<Item = u32>) -> Told {
    let home = Home::new();
    write(&home.claude("a.jsonl"), lines(numbers));
    read(&home)
}

/// Reads what is new, as a process that has just started.
pub(crate) fn read(home: &Home) -> Told {
    let mut ingest = home.ingest();
    drain(&mut ingest);
    told(home, &ingest)
}

pub(crate) fn told(home: &Home, ingest: &Ingest) -> Told {
    let broken = ingest.ledger.broken_records(100).expect("places");
    Told {
        rows: home.everything().rows,
        counts: ingest.ledger.counts().expect("counts"),
        broken: broken
            .into_iter()
            .map(|record| (record.fault, name(&record.path), record.offset))
            .collect(),
        problems: ingest.follower.problems(),
    }
}

/// File name, generation, offset and whether it is gone, of all files ever met.
pub(crate) fn positions(home: &Home) -> Vec<(String, u32, u64, bool)> {
    let ledger = rusqlite::Connection::open(home.data().join("ledger.sqlite")).expect("a ledger");
    let mut statement = ledger
        .prepare("SELECT path, generation, offset, gone FROM files ORDER BY path")
        .expect("SQL");
    let rows = statement.query_map([], |row| {
        let path: String = row.get(0)?;
        let offset = row.get::<_, i64>(2)?.cast_unsigned();
        Ok((name(&path), row.get(1)?, offset, row.get(3)?))
    });
    rows.expect("rows")
        .collect::<Result<_, _>>()
        .expect("positions")
}

fn name(path: &str) -> String {
    let name = Path::new(path).file_name().expect("a name");
    name.to_string_lossy().into_owned()
}

/// What everything else here is compared with.
#[test]
fn lines_read_once_are_worth_what_they_say() {
    let told = once(0..3);
    let row = [
        "2026-11-20",
        "2026-11-20T09:00+00:00",
        "claude-code",
        "/home/dev/demo",
        "main",
        "00000000-0000-4000-8000-00000000000a",
        "claude-sonnet-5",
    ];
    // $2 and $10 per million tokens.
    let amount = Amount {
        responses: 3,
        cost: clawspend_core::money::NanoUsd(3 * 10 * 2_000 + 7 * 10_000),
        tokens: clawspend_core::usage::Tokens {
            input: 30,
            output: 7,
            ..clawspend_core::usage::Tokens::default()
        },
        ..Amount::default()
    };
    assert_eq!(
        told,
        Told {
            rows: [(row.map(str::to_owned).to_vec(), amount)].into(),
            counts: Counts {
                counted: 3,
                ..Counts::default()
            },
            broken: vec![],
            problems: vec![],
        }
    );
    let lengths: Vec<usize> = (0..10).map(|number| line(number).len()).collect();
    assert_eq!((lengths[4], lengths[7]), (lengths[6], lengths[9]));
}
