//! The generator itself: repeatable, realistic, and right about what it wrote.

mod recount;

use clawspend_tests::corpus::{ClaudeLine, Corpus, OpenClawLine, Options, Truth, parse_bytes};
use serde_json::Value;
use std::{collections::BTreeMap, fs, path::Path};
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_128;

const TRAPS: &[&str] = &[
    "archive tier",
    "archived in table and file",
    "branched",
    "branched, each line twice",
    "constant id",
    "deleted file",
    "delivery mirror",
    "failed call",
    "forked rows",
    "largest line first",
    "live file",
    "live file with reset copy",
    "model from model_change",
    "nested in progress",
    "no ids",
    "no request id",
    "over midnight",
    "repeated line without ids",
    "reset file",
    "resumed",
    "resumed without request ids",
    "rewound rows",
    "rows",
    "rows with imported file",
    "rows with live file",
    "side-question replay",
    "split above total",
    "streamed in several lines",
    "subagent",
    "synthetic",
    "tool result with usage",
    "total only",
    "truncated tail",
];

fn written(options: Options) -> (TempDir, Truth) {
    let home = TempDir::new().expect("a temporary folder");
    let truth = Corpus::plan(options).write(home.path()).expect("a corpus");
    (home, truth)
}

fn small(seed: u64) -> Options {
    Options {
        seed,
        bytes: 4 << 20,
        files: 60,
        ..Options::default()
    }
}

fn hashes(home: &Path) -> BTreeMap<String, u128> {
    let files = recount::files(home).into_iter().map(|path| {
        let hash = xxh3_128(&fs::read(&path).expect("a file of the corpus"));
        (
            path.strip_prefix(home)
                .expect("a path below home")
                .to_string_lossy()
                .into_owned(),
            hash,
        )
    });
    files.collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes() {
    let [(first, truth), (second, same_truth), (third, other_truth)] =
        [7, 7, 8].map(|seed| written(small(seed)));
    assert_eq!(hashes(first.path()), hashes(second.path()));
    assert_eq!(truth, same_truth);
    assert_ne!(hashes(first.path()), hashes(third.path()));
    assert_ne!(truth, other_truth);
}

#[test]
fn the_truth_is_what_a_naive_reader_finds() {
    for seed in 1..=5 {
        let (home, truth) = written(Options {
            bytes: 1 << 20,
            ..small(seed)
        });
        assert_eq!(recount::rows(home.path()), truth.rows, "seed {seed}");
    }
}

#[test]
fn every_trap_is_laid() {
    let (_home, truth) = written(small(7));
    assert_eq!(truth.traps.keys().collect::<Vec<_>>(), TRAPS);
}

#[test]
fn files_and_lines_are_of_real_sizes() {
    let (home, truth) = written(Options {
        bytes: 12 << 20,
        ..small(7)
    });
    let mut lengths = Vec::new();
    for path in recount::files(home.path())
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "jsonl"))
    {
        let bytes = fs::read(path).expect("a transcript");
        lengths.extend(
            bytes
                .split(|byte| *byte == b'\n')
                .map(<[u8]>::len)
                .filter(|length| *length > 0),
        );
    }
    lengths.sort_unstable();
    let (median, longest) = (lengths[lengths.len() / 2], lengths[lengths.len() - 1]);
    assert!((1_300..=1_700).contains(&median), "median {median}");
    assert!((200_000..=900_000).contains(&longest), "longest {longest}");
    assert_eq!(truth.files, 60);
    assert!(
        (11 << 20..=14 << 20).contains(&truth.bytes),
        "bytes {}",
        truth.bytes
    );
    assert_eq!(
        (truth.since.as_str(), truth.until.as_str()),
        ("2026-05-25", "2026-11-20")
    );
}

#[test]
fn a_source_can_be_left_out() {
    let (home, truth) = written(Options {
        databases: false,
        ..small(7)
    });
    assert!(
        recount::files(home.path())
            .iter()
            .all(|path| path.extension().is_none_or(|end| end != "sqlite"))
    );
    assert_eq!((truth.files, truth.rows), (60, recount::rows(home.path())));
    let (home, truth) = written(Options {
        openclaw: false,
        ..small(7)
    });
    assert!(!home.path().join(".openclaw").exists());
    assert_eq!((truth.files, truth.rows), (60, recount::rows(home.path())));
}

#[test]
fn hand_made_lines_are_json() {
    let claude = ClaudeLine {
        uuid: "u2",
        parent: "u1",
        request_id: "",
        ..ClaudeLine::default()
    };
    let line: Value = serde_json::from_str(&claude.to_string()).expect("a JSON object");
    assert_eq!(
        line,
        serde_json::json!({
            "parentUuid": "u1", "isSidechain": false, "userType": "external", "cwd": "/home/dev/demo",
            "sessionId": "00000000-0000-4000-8000-00000000000a", "version": "2.1.280", "gitBranch": "main",
            "message": {
                "model": "claude-sonnet-5", "id": "msg_011111111111111111111111", "type": "message",
                "role": "assistant", "content": [{"type": "text", "text": "Done."}], "stop_reason": "end_turn",
                "stop_sequence": null,
                "usage": {
                    "input_tokens": 2, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100,
                    "output_tokens": 10, "service_tier": "standard", "inference_geo": "not_available"
                }
            },
            "type": "assistant", "uuid": "u2", "timestamp": "2026-11-20T09:00:01.250Z"
        })
    );
    let line: Value =
        serde_json::from_str(&OpenClawLine::default().to_string()).expect("a JSON object");
    assert_eq!(
        line,
        serde_json::json!({
            "type": "message", "id": "fc550770", "parentId": "d1ac42b8", "timestamp": "2026-11-20T12:38:12.221Z",
            "message": {
                "role": "assistant", "content": [{"type": "text", "text": "Done."}], "api": "anthropic-messages",
                "provider": "anthropic", "model": "claude-sonnet-5",
                "usage": {
                    "input": 800, "output": 300, "cacheRead": 5000, "cacheWrite": 0, "totalTokens": 6100,
                    "cost": {"total": 0.0056}
                },
                "stopReason": "stop", "timestamp": 1_795_178_292_160_u64
            }
        })
    );
}

#[test]
fn sizes_are_read() {
    let cases = [
        ("500", Some(500)),
        ("3K", Some(3 << 10)),
        ("64M", Some(64 << 20)),
        ("1G", Some(1 << 30)),
        ("x", None),
    ];
    for (text, bytes) in cases {
        assert_eq!(parse_bytes(text).ok(), bytes, "{text}");
    }
}
