//! The ledger is the same in whatever order, pieces and copies the logs come; and only what changed is read.

use crate::support::{A, append, claude, counts, message, openclaw, opening, response, telling_of};
use clawspend_core::{ingest::Ingest, ledger::files::Counts, time::UnixMillis};
use clawspend_tests::{
    corpus::{Corpus, Options},
    home::{Home, drain},
};
use proptest::{prelude::*, sample::Index};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A small corpus with every trap in it.
fn corpus(seed: u64) -> Corpus {
    Corpus::plan(Options {
        seed,
        bytes: 600_000,
        files: 44,
        days: 5,
        ..Options::default()
    })
}

/// All logs of a home.
fn logs(home: &Home) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for below in [".claude", ".openclaw"] {
        for entry in walkdir::WalkDir::new(home.path().join(below)) {
            let entry = entry.expect("readable");
            if entry.file_type().is_file() {
                files.push(entry.into_path());
            }
        }
    }
    files.sort();
    files
}

fn all_counts(ingest: &Ingest) -> Counts {
    ingest.ledger.counts().expect("counts")
}

/// Whether a file appears whole, rather than growing.
fn appears_whole(path: &Path) -> bool {
    let name = path.to_string_lossy();
    name.ends_with(".sqlite") || name.ends_with(".zst")
}

fn read_what_is_queued(ingest: &mut Ingest) {
    let later = UnixMillis::now().plus(3_600_000);
    while ingest.is_behind() {
        ingest.step(later).expect("a batch");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 50, max_shrink_iters: 0, ..ProptestConfig::default() })]

    #[test]
    fn x01_any_order_of_files(order in Just((0..200).collect::<Vec<usize>>()).prop_shuffle()) {
        let (shuffled, at_once) = (Home::new(), Home::new());
        let plan = Corpus::plan(Options { bytes: 150_000, files: 44, days: 5, ..Options::default() });
        plan.write(shuffled.path()).expect("a corpus");
        plan.write(at_once.path()).expect("a corpus");
        let files = logs(&shuffled);
        prop_assert!(files.len() < order.len());
        let mut ingest = shuffled.ingest();
        for at in order {
            if let Some(path) = files.get(at) {
                ingest.examine(std::slice::from_ref(path));
                read_what_is_queued(&mut ingest);
            }
        }
        let found = all_counts(&ingest);
        drop(ingest);
        let mut whole = at_once.ingest();
        drain(&mut whole);
        prop_assert_eq!(found, all_counts(&whole));
        prop_assert_eq!(shuffled.everything(), at_once.everything());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, max_shrink_iters: 40, ..ProptestConfig::default() })]

    /// Files grow in pieces that end at any byte, by turns, with looks and restarts in between; the ledger ends as if
    /// everything had been read at once, and so do its counters.
    #[test]
    fn x02_any_pieces_any_restarts(
        seed in 0_u64..1000,
        steps in prop::collection::vec((any::<Index>(), 1_usize..40_000, 0_u8..8), 40..120),
    ) {
        let (whole, growing) = (Home::new(), Home::new());
        corpus(seed).write(whole.path()).expect("a corpus");
        let mut left: Vec<(PathBuf, Vec<u8>)> = logs(&whole)
            .into_iter()
            .map(|path| {
                let bytes = fs::read(&path).expect("readable");
                let relative = path.strip_prefix(whole.path()).expect("below the home");
                (growing.path().join(relative), bytes)
            })
            .collect();
        let mut ingest = growing.ingest();
        for (which, length, then) in steps {
            if left.is_empty() {
                break;
            }
            let at = which.index(left.len());
            let (path, bytes) = &mut left[at];
            let length = if appears_whole(path) { bytes.len() } else { length.min(bytes.len()) };
            append(path, &bytes[..length]);
            bytes.drain(..length);
            if bytes.is_empty() {
                left.swap_remove(at);
            }
            match then {
                0 => {
                    drop(ingest);
                    ingest = growing.ingest();
                    drain(&mut ingest);
                }
                1 | 2 => drain(&mut ingest),
                _ => {}
            }
        }
        for (path, bytes) in left {
            append(&path, &bytes);
        }
        drain(&mut ingest);
        let counts = all_counts(&ingest);
        drop(ingest);
        let mut at_once = whole.ingest();
        drain(&mut at_once);
        prop_assert_eq!(counts, all_counts(&at_once));
        prop_assert_eq!(growing.everything(), whole.everything());
    }

    /// Files are copied beside themselves, whole or cut at any byte, before or after the originals are read, touched,
    /// and taken away again: nothing changes.
    #[test]
    fn x02_any_copies(
        seed in 0_u64..1000,
        copies in prop::collection::vec((any::<Index>(), any::<Index>(), 0_u8..4), 1..30),
    ) {
        let (home, plain) = (Home::new(), Home::new());
        corpus(seed).write(home.path()).expect("a corpus");
        corpus(seed).write(plain.path()).expect("a corpus");
        let files: Vec<PathBuf> = logs(&home).into_iter().filter(|path| !appears_whole(path)).collect();
        let mut ingest = home.ingest();
        for (which, cut, then) in copies {
            let path = &files[which.index(files.len())];
            let bytes = fs::read(path).expect("readable");
            let name = path.file_name().expect("a name").to_string_lossy();
            let copy = path.with_file_name(format!("zz-{name}"));
            fs::write(&copy, &bytes[..cut.index(bytes.len() + 1)]).expect("writable");
            match then {
                0 => drain(&mut ingest),
                1 => {
                    fs::write(&copy, &bytes).expect("writable");
                    drop(ingest);
                    ingest = home.ingest();
                    drain(&mut ingest);
                    fs::remove_file(&copy).expect("there");
                }
                2 => fs::write(path, &bytes).expect("writable"),
                _ => {}
            }
        }
        drain(&mut ingest);
        drop(ingest);
        prop_assert_eq!(home.everything(), plain.catch_up());
    }
}

/// Any bytes, and lines that nearly tell something: a byte changed, some left out.
fn damaged(good: String) -> impl Strategy<Value = Vec<u8>> {
    let nearly =
        (any::<Index>(), any::<Index>(), any::<u8>()).prop_map(move |(at, length, byte)| {
            let mut bytes = good.clone().into_bytes();
            let at = at.index(bytes.len());
            let end = at + length.index(bytes.len() - at + 1).min(40);
            bytes.splice(at..end, [byte]);
            bytes
        });
    let line = prop_oneof![prop::collection::vec(any::<u8>(), 0..80), nearly];
    line.prop_map(|mut line| {
        line.retain(|byte| *byte != b'\n');
        line
    })
}

fn lines_of(damaged: &[Vec<u8>], good: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in damaged.iter().map(Vec::as_slice).chain([good.as_bytes()]) {
        bytes.extend_from_slice(line);
        bytes.push(b'\n');
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, max_shrink_iters: 100, ..ProptestConfig::default() })]

    /// Every line of every dialect and every kind of file ends in one counter, and hides no other.
    #[test]
    fn x04_any_bytes(
        claudes in prop::collection::vec(damaged(response(A, "req_A", 10).to_string()), 0..6),
        claws in prop::collection::vec(damaged(message("e1").to_string()), 0..6),
    ) {
        let home = Home::new();
        let mut file = claude("s1.jsonl", [""; 0]);
        file.bytes = lines_of(&claudes, &response("msg_01GGGGGGGGGGGGGGGGGGGGGG", "req", 10).to_string());
        file.write(&home);
        let names = ["main/sessions/s1.jsonl", "main/sessions/s1.jsonl.deleted.2026-11-20T12-39-34.760Z.g.zst"];
        for name in names {
            let mut file = openclaw(name, [""; 0]);
            file.bytes = lines_of(&claws, &message("good").to_string());
            if name.ends_with(".zst") {
                file.bytes = zstd::encode_all(file.bytes.as_slice(), 1).expect("packed in memory");
            }
            file.write(&home);
        }
        let mut ingest = home.ingest();
        drain(&mut ingest);
        let Counts { counted, no_usage, not_assistant, synthetic, zero_usage, blank, broken } = all_counts(&ingest);
        let sum = counted + no_usage + not_assistant + synthetic + zero_usage + blank + broken;
        // Zeros that a record follows are a record of their own: they are what a power cut left.
        let records = |lines: &[Vec<u8>]| {
            let split = lines.iter().filter(|line| line.first() == Some(&0) && line.iter().any(|byte| *byte != 0));
            lines.len() + split.count() + 1
        };
        prop_assert_eq!(sum, (records(&claudes) + 2 * records(&claws)) as u64);
        let places = ingest.ledger.broken_records(100).expect("records").len();
        prop_assert_eq!(places as u64, broken, "each with its place");
        prop_assert_eq!(ingest.follower.problems(), vec![]);
        drop(ingest);
        let everything = home.everything();
        let sources: Vec<String> = everything.by(&[2]).into_keys().flatten().collect();
        prop_assert_eq!(sources, ["claude-code", "openclaw"]);
    }
}

/// All files but one are replaced by garbage of the same size and time: whoever read a byte of them would see.
#[test]
fn x03_only_the_changed_file_is_read() {
    let home = Home::new();
    let sessions = 200_u64;
    for session in 0..sessions {
        let id = format!("msg_{session:024}");
        claude(&format!("s{session}.jsonl"), [response(&id, "req", 10)]).write(&home);
    }
    openclaw("main/sessions/s1.jsonl", [opening("s1"), message("e1")]).write(&home);
    let mut ingest = home.ingest();
    drain(&mut ingest);
    assert_eq!(counts(all_counts(&ingest)), "counted 201, no_usage 1");
    for path in logs(&home) {
        let before = fs::metadata(&path).expect("there");
        fs::write(
            &path,
            vec![b'#'; usize::try_from(before.len()).expect("small")],
        )
        .expect("writable");
        let time = before.modified().expect("a time");
        filetime::set_file_mtime(&path, time.into()).expect("settable");
    }
    let added = format!("{}\n", response(A, "req_A", 10));
    let changed = home.path().join(".claude/projects/-w-demo/s7.jsonl");
    let original = format!("{}\n", response(&format!("msg_{:024}", 7), "req", 10));
    fs::write(&changed, format!("{original}{added}")).expect("writable");

    ingest.scan().expect("a scan");
    let progress = ingest.progress();
    assert_eq!(
        (progress.files_total, progress.bytes_total),
        (1, added.len() as u64)
    );
    read_what_is_queued(&mut ingest);
    let told = telling_of(&home, &mut ingest);
    assert_eq!(
        told.last().map(String::as_str),
        Some("counted 202, no_usage 1")
    );
    assert_eq!(home.everything().totals.responses, sessions + 2);
    // A new process knows as well what has been read.
    drop(ingest);
    let mut ingest = home.ingest();
    ingest.scan().expect("a scan");
    assert!(!ingest.is_behind());
}
