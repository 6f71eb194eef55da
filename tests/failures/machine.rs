//! Any story of files, told by chance: the ledger knows every line that was whole when somebody looked, once each, and
//! its counters are those of what lies there at the end.

use clawspend_core::time::UnixMillis;
use clawspend_tests::corpus::{ClaudeLine, ClaudeUsage};
use clawspend_tests::home::{Home, drain, drain_at};
use proptest::prelude::*;
use std::{
    collections::{BTreeSet, HashMap},
    fs,
    path::PathBuf,
};

#[derive(Debug, Clone, Copy)]
enum Act {
    /// Some lines at the end, the last cut short by some bytes.
    Append {
        lines: u8,
        cut: usize,
        newline_first: bool,
    },
    Truncate(usize),
    /// Other lines in the same file.
    Rewrite(u8),
    /// Another file of this name.
    Replace(u8),
    RenameTo(usize),
    CopyTo(usize),
    Delete,
    /// At once, or when all files have been quiet.
    Look {
        quiet: bool,
    },
    /// The process ends after a look, before it has read.
    Kill,
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (1_u8..4, prop_oneof![4 => Just(0_usize), 1 => Just(1), 1 => 1_usize..700], any::<bool>())
            .prop_map(|(lines, cut, newline_first)| Act::Append { lines, cut, newline_first }),
        1 => (0_usize..4000).prop_map(Act::Truncate),
        1 => (0_u8..4).prop_map(Act::Rewrite),
        1 => (0_u8..4).prop_map(Act::Replace),
        2 => (0_usize..3).prop_map(Act::RenameTo),
        1 => (0_usize..3).prop_map(Act::CopyTo),
        1 => Just(Act::Delete),
        6 => any::<bool>().prop_map(|quiet| Act::Look { quiet }),
        1 => Just(Act::Kill),
        1 => Just(Act::Restart),
    ]
}

/// The lines written so far.
#[derive(Default)]
struct Writer {
    numbers: HashMap<Vec<u8>, u64>,
}

impl Writer {
    fn lines(&mut self, count: u8) -> Vec<u8> {
        let mut text = Vec::new();
        for _ in 0..count {
            let number = self.numbers.len() as u64 + 1;
            let usage = ClaudeUsage {
                input: number * number,
                output: number,
                ..ClaudeUsage::default()
            };
            let line = ClaudeLine {
                message_id: &format!("msg_{number:024}"),
                uuid: &format!("00000000-0000-4000-8000-{number:012}"),
                usage,
                ..ClaudeLine::default()
            };
            let line = line.to_string().into_bytes();
            text.extend_from_slice(&line);
            text.push(b'\n');
            self.numbers.insert(line, number);
        }
        text
    }

    /// The lines that are whole in this file; the last one, without newline, once it is quiet.
    fn whole(&self, path: &PathBuf, quiet: bool) -> Vec<u64> {
        let bytes = fs::read(path).unwrap_or_default();
        let mut parts: Vec<&[u8]> = bytes.split(|byte| *byte == b'\n').collect();
        if !quiet {
            parts.pop();
        }
        parts
            .into_iter()
            .filter_map(|part| self.numbers.get(part).copied())
            .collect()
    }
}

/// Per file that is there: its name, how many lines counted, were blank, are broken, and where those are.
fn counters(home: &Home) -> Vec<(String, [i64; 3], String)> {
    let ledger = rusqlite::Connection::open(home.data().join("ledger.sqlite")).expect("a ledger");
    let mut statement = ledger
        .prepare(
            "SELECT path, counted, blank, broken, (SELECT group_concat(offset) FROM broken WHERE file = files.id)
             FROM files WHERE NOT gone ORDER BY path",
        )
        .expect("SQL");
    let rows = statement.query_map([], |row| {
        let path: PathBuf = row.get::<_, String>(0)?.into();
        let name = path.file_name().expect("a name").to_string_lossy();
        Ok((
            name.into_owned(),
            [row.get(1)?, row.get(2)?, row.get(3)?],
            row.get::<_, Option<String>>(4)?.unwrap_or_default(),
        ))
    });
    let mut rows: Vec<_> = rows
        .expect("rows")
        .collect::<Result<_, _>>()
        .expect("counters");
    rows.retain(|row| row.1 != [0, 0, 0]);
    rows
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, max_shrink_iters: 400, ..ProptestConfig::default() })]

    #[test]
    fn every_line_seen_whole_counts_once(story in proptest::collection::vec((0_usize..3, act()), 8..40)) {
        let home = Home::new();
        let paths = ["a.jsonl", "b.jsonl", "c.jsonl"].map(|name| home.claude(name));
        let mut writer = Writer::default();
        let mut seen: BTreeSet<u64> = BTreeSet::new();
        let mut ingest = home.ingest();
        for (which, act) in story {
            let path = &paths[which];
            let mut bytes = fs::read(path).unwrap_or_default();
            match act {
                Act::Append { lines, cut, newline_first } => {
                    // Behind a whole record even a hasty writer puts a newline.
                    let last = bytes.split(|byte| *byte == b'\n').next_back().unwrap_or_default();
                    if newline_first && !last.is_empty() || writer.numbers.contains_key(last) {
                        bytes.push(b'\n');
                    }
                    bytes.extend(writer.lines(lines));
                    bytes.truncate(bytes.len() - cut);
                    fs::write(path, bytes).expect("writable");
                }
                Act::Truncate(length) => {
                    bytes.truncate(length);
                    fs::write(path, bytes).expect("writable");
                }
                Act::Rewrite(lines) => fs::write(path, writer.lines(lines)).expect("writable"),
                Act::Replace(lines) => {
                    let other = home.path().join("new");
                    fs::write(&other, writer.lines(lines)).expect("writable");
                    fs::rename(other, path).expect("renamed");
                }
                Act::RenameTo(to) => drop(fs::rename(path, &paths[to])),
                Act::CopyTo(to) if to != which => drop(fs::copy(path, &paths[to])),
                Act::CopyTo(_) => {}
                Act::Delete => drop(fs::remove_file(path)),
                Act::Look { quiet } => {
                    drain_at(&mut ingest, UnixMillis::now().plus(if quiet { 3_600_000 } else { 0 }));
                    seen.extend(paths.iter().flat_map(|path| writer.whole(path, quiet)));
                }
                Act::Kill | Act::Restart => {
                    if matches!(act, Act::Kill) {
                        ingest.scan().expect("a look");
                    }
                    drop(ingest);
                    ingest = home.ingest();
                }
            }
        }
        drain(&mut ingest);
        drop(ingest);
        seen.extend(paths.iter().flat_map(|path| writer.whole(path, true)));
        let totals = home.everything().totals;
        prop_assert_eq!(
            (totals.responses, totals.tokens.output, totals.tokens.input),
            (
                seen.len() as u64,
                seen.iter().sum(),
                seen.iter().map(|number| number * number).sum(),
            ),
            "{:?}", seen
        );
        let fresh = Home::new();
        for path in paths.iter().filter(|path| path.exists()) {
            let name = path.file_name().expect("a name").to_string_lossy();
            fs::copy(path, fresh.claude(&name)).expect("copied");
        }
        fresh.catch_up();
        prop_assert_eq!(counters(&home), counters(&fresh));
    }
}
