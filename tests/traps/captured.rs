//! What two versions of OpenClaw wrote to disk, and the same after everything an upgrade, a deletion and a clean-up
//! do with it: the sums stay.

use crate::support::{Agent, AgentList, Line, amount, counts, openclaw, packed, rows};
use clawspend_core::ledger::Ledger;
use clawspend_tests::home::{Home, drain};
use rusqlite::Connection;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// A home with this fixture as its `~/.openclaw`.
fn installed(name: &str) -> Home {
    let home = Home::new();
    copy(&fixture(name).join("agents"), &agents(&home));
    home
}

fn agents(home: &Home) -> PathBuf {
    home.path().join(".openclaw/agents")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("can be created");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("readable");
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        if from.is_dir() {
            copy(&from, &to);
        } else {
            fs::copy(from, to).expect("copied");
        }
    }
}

/// What the logs of this home come to: for the ledger it has, and for one that begins now.
fn rows_old_and_new(home: &Home) -> [Vec<String>; 2] {
    drain(&mut home.ingest());
    let old = rows(&home.everything());
    let fresh = Home::new();
    copy(
        &home.path().join(".openclaw"),
        &fresh.path().join(".openclaw"),
    );
    drain(&mut fresh.ingest());
    [old, rows(&fresh.everything())]
}

/// Something that happens to an install, and its name.
type Step<'s> = (&'s str, &'s dyn Fn(&Home));

/// Asserts these rows after each step.
fn after_each_step(home: &Home, expected: &[&str], steps: &[Step<'_>]) {
    for (what, step) in steps {
        step(home);
        let [old, fresh] = rows_old_and_new(home);
        assert_eq!(old, expected, "{what}: the ledger that saw it happen");
        assert_eq!(fresh, expected, "{what}: one that begins afterwards");
    }
}

fn rename(home: &Home, from: &str, to: &str) {
    let (from, to) = (agents(home).join(from), agents(home).join(to));
    fs::create_dir_all(to.parent().expect("a folder")).expect("can be created");
    fs::rename(from, to).expect("renamed");
}

fn counters(home: &Home) -> String {
    let ledger = Ledger::open_reader(&home.data().join("ledger.sqlite")).expect("a ledger");
    counts(ledger.counts().expect("counts"))
}

const LIVE: &str = "f741c399-d23c-4edd-a974-9d3adcb35a55";
const RESET: &str = "4b3b898e-3d19-45f3-86f8-6aa6965fa685";
const DELETED: &str = "5459a1bf-a70d-42fa-b33e-041596346ec3";
const RESET_FILE: &str =
    "main/sessions/4b3b898e-3d19-45f3-86f8-6aa6965fa685.jsonl.reset.2026-11-20T12-39-25.525Z";
const DELETED_FILE: &str =
    "main/sessions/5459a1bf-a70d-42fa-b33e-041596346ec3.jsonl.deleted.2026-11-20T12-39-25.905Z";

const OF_FILES: [&str; 3] = [
    "2026-11-20 openclaw /home/user/workspace main 4b3b898e-3d19-45f3-86f8-6aa6965fa685 mock-large | 2 | 2700 290 1600 0 0 | 0.012930000",
    "2026-11-20 openclaw /home/user/workspace main 5459a1bf-a70d-42fa-b33e-041596346ec3 mock-claude | 1 | 1500 160 800 64 0 | 0.012300000",
    "2026-11-20 openclaw /home/user/workspace main f741c399-d23c-4edd-a974-9d3adcb35a55 mock-large | 1 | 500 60 800 0 0 | 0.002640000",
];

#[test]
fn files_of_2026_7_give_their_true_total() {
    let home = installed("openclaw-jsonl");
    drain(&mut home.ingest());
    assert_eq!(rows(&home.everything()), OF_FILES);
    assert_eq!(
        amount(&home.everything().totals),
        "4 | 4700 510 3200 64 0 | 0.027870000"
    );
    assert_eq!(counters(&home), "counted 4, no_usage 16");
}

/// The text of a transcript among the fixture's files.
fn transcript(name: &str) -> String {
    fs::read_to_string(fixture("openclaw-jsonl/agents").join(name)).expect("readable")
}

fn events(name: &str) -> Vec<Line> {
    let text = transcript(name);
    text.lines()
        .map(|line| Line(serde_json::from_str(line).expect("JSON")))
        .collect()
}

#[test]
fn files_of_2026_7_stay_the_same_through_an_upgrade() {
    let live_file = format!("main/sessions/{LIVE}.jsonl");
    let copies = |home: &Home| {
        let mut lines = events(&live_file);
        lines.truncate(4);
        let checkpoint = "checkpoint.0b243ddd-d81c-428f-8097-d4747d0a7f41.jsonl";
        for tail in [checkpoint, "trajectory.jsonl", "jsonl.bak.1795177724011"] {
            openclaw(&format!("main/sessions/{LIVE}.{tail}"), &lines).write(home);
        }
    };
    let imported = |home: &Home| {
        let agent = Agent::new(home, "main");
        // Without the header: the import writes its own.
        agent.session(LIVE, events(&live_file).into_iter().skip(1));
        let header = &events(&live_file)[0];
        agent.run(
            "UPDATE transcript_events SET event_json = ?1 WHERE seq = 0",
            [header.to_string()],
        );
        rename(
            home,
            &live_file,
            &format!(
                "main/session-sqlite-import-archive/agent-main-main.{LIVE}.jsonl.imported-1795178824841"
            ),
        );
        rename(
            home,
            "main/sessions/sessions.json",
            "main/session-sqlite-import-archive/legacy-store.sessions.json.imported-1795178824841",
        );
    };
    let archived_in_the_table = |home: &Home| {
        let database = agents(home).join("main/agent/openclaw-agent.sqlite");
        let agent = Agent {
            owner: Connection::open(database).expect("a database"),
        };
        agent.archive(RESET, "identity", &transcript(RESET_FILE));
        agent.archive(DELETED, "zstd", &transcript(DELETED_FILE));
    };
    let files_of_the_table = |home: &Home| {
        for (session, reason, file) in [
            (RESET, "reset", RESET_FILE),
            (DELETED, "deleted", DELETED_FILE),
        ] {
            let name = format!(
                "main/sessions/{session}.jsonl.{reason}.2026-11-20T12-39-34.760Z.{session}.zst"
            );
            packed(&name, events(file)).write(home);
        }
    };
    let old_files_gone = |home: &Home| {
        for name in [RESET_FILE, DELETED_FILE] {
            fs::remove_file(agents(home).join(name)).expect("there");
        }
    };
    let into_the_import_archive = |home: &Home| {
        let name = format!("{RESET}.jsonl.reset.2026-11-20T12-39-34.760Z.{RESET}.zst");
        let to = format!(
            "main/session-sqlite-import-archive/archive-tier.{name}.imported-1795178824841"
        );
        rename(home, &format!("main/sessions/{name}"), &to);
    };
    let into_the_cold = |home: &Home| {
        let name =
            format!("main/sessions/{DELETED}.jsonl.deleted.2026-11-20T12-39-34.760Z.{DELETED}.zst");
        rename(
            home,
            &name,
            &format!("main/sessions/cold/{DELETED}.jsonl.zst"),
        );
    };
    let home = installed("openclaw-jsonl");
    after_each_step(
        &home,
        &OF_FILES,
        &[
            ("as it was", &|_| {}),
            (
                "with checkpoints, trajectories and backups beside it",
                &copies,
            ),
            (
                "with the live session imported into the database",
                &imported,
            ),
            ("with the archives in the table", &archived_in_the_table),
            (
                "with the packed files made from the table",
                &files_of_the_table,
            ),
            ("without the files of the older era", &old_files_gone),
            ("with a packed file moved aside", &into_the_import_archive),
            ("with a packed file in cold storage", &into_the_cold),
        ],
    );
}

const OF_DATABASES: [&str; 9] = [
    "2026-11-20 openclaw /home/user/ops ops d1d48c5e-4fda-4cca-aab2-1ad660fc6669 mock-large | 3 | 1500 180 2400 0 0 | 0.007920000",
    "2026-11-20 openclaw /home/user/workspace main 09589ff0-0a54-4933-a9ee-241dded721d3 mock-free | 1 | 700 80 800 0 0 | 0.000000000 and 1 unpriced",
    "2026-11-20 openclaw /home/user/workspace main 0b243ddd-d81c-428f-8097-d4747d0a7f41 mock-large | 7 | 6800 750 5600 0 0 | 0.033330000",
    "2026-11-20 openclaw /home/user/workspace main 5add32a2-5d59-4b2c-b477-8907f1f012cc mock-large | 1 | 1700 180 800 0 0 | 0.008040000",
    "2026-11-20 openclaw /home/user/workspace main 5d816a09-7d49-42f1-a51e-a9c2d6e6b82c mock-large | 1 | 1600 170 800 0 0 | 0.007590000",
    "2026-11-20 openclaw /home/user/workspace main 7d02bd37-cc09-4690-96e5-4cbb8e191caa mock-claude | 1 | 800 90 800 64 0 | 0.007050000",
    "2026-11-20 openclaw /home/user/workspace main ed3717ef-44d6-4ec9-9819-b641cb87d835 mock-large | 1 | 1800 190 800 0 0 | 0.008490000",
    "2026-11-20 openclaw /home/user/workspace main eec973ac-8cfd-4fe1-a357-5cc939b256af mock-large | 1 | 1900 200 800 0 0 | 0.008940000",
    "2026-11-20 openclaw /home/user/workspace main ff59efde-d259-4b24-a9d4-bbae14d014a3 mock-large | 1 | 600 70 800 0 0 | 0.003090000",
];

/// A fork and a rewind hold copies, a deleted session lies in a table and in a file, some events are packed.
#[test]
fn databases_of_2026_9_give_their_true_total() {
    let home = installed("openclaw-sqlite");
    drain(&mut home.ingest());
    let everything = home.everything();
    assert_eq!(rows(&everything), OF_DATABASES);
    let by_agent = everything.by(&[4]);
    let by_agent: Vec<_> = by_agent
        .iter()
        .map(|(agent, sum)| (agent[0].as_str(), amount(sum)))
        .collect();
    assert_eq!(
        by_agent,
        [
            (
                "main",
                "14 | 15900 1730 11200 64 0 | 0.076530000 and 1 unpriced".to_owned()
            ),
            ("ops", "3 | 1500 180 2400 0 0 | 0.007920000".to_owned()),
        ]
    );
    let totals = "17 | 17400 1910 13600 64 0 | 0.084450000 and 1 unpriced";
    assert_eq!(amount(&everything.totals), totals);
}

const ARCHIVE: &str = "main/sessions/09589ff0-0a54-4933-a9ee-241dded721d3.jsonl.deleted.2026-11-20T12-39-34.760Z.f6462a0f3b1740808df9290e393a5996.zst";

#[test]
fn databases_of_2026_9_stay_the_same_through_whatever_happens() {
    let database = |home: &Home| {
        Connection::open(agents(home).join("main/agent/openclaw-agent.sqlite")).expect("a database")
    };
    let plain_archive = |home: &Home| {
        let packed = fs::read(agents(home).join(ARCHIVE)).expect("readable");
        let plain = zstd::decode_all(packed.as_slice()).expect("a whole archive");
        database(home)
            .execute(
                "UPDATE session_transcript_archives SET encoding = 'identity', archive_blob = ?1",
                [plain],
            )
            .expect("written");
    };
    let only_the_table = |home: &Home| fs::remove_file(agents(home).join(ARCHIVE)).expect("there");
    let imported_files = |home: &Home| {
        let database = database(home);
        let mut events = database
            .prepare("SELECT session_id, event_json FROM transcript_events WHERE event_json IS NOT NULL ORDER BY session_id, seq")
            .expect("SQL");
        let events = events
            .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
            .expect("rows");
        let events: Vec<(String, String)> = events.collect::<Result<_, _>>().expect("rows");
        for session in events.chunk_by(|one, two| one.0 == two.0) {
            let (id, lines) = (&session[0].0, session.iter().map(|event| &event.1));
            let aside =
                format!("main/session-sqlite-import-archive/k.{id}.jsonl.imported-1795178824841");
            openclaw(&aside, lines.clone()).write(home);
            openclaw(&format!("main/sessions/{id}.jsonl"), lines).write(home);
        }
    };
    let deleted = |home: &Home| {
        let database = database(home);
        database
            .execute_batch("PRAGMA foreign_keys = off; DELETE FROM transcript_events; DELETE FROM session_windows")
            .expect("deleted");
    };
    let moved_by_config = |home: &Home| {
        AgentList::new(home).add("ops", "stores/ops/openclaw-agent.sqlite");
        rename(home, "ops/agent", "../stores/ops");
    };
    let live_files_gone = |home: &Home| {
        rename(home, "main/sessions", "main/sessions-of-yesterday");
    };
    let home = installed("openclaw-sqlite");
    after_each_step(
        &home,
        &OF_DATABASES,
        &[
            ("as it was", &|_| {}),
            ("with a plain archive in the table", &plain_archive),
            ("without the archive's file", &only_the_table),
            (
                "with the files it was imported from, live and moved aside",
                &imported_files,
            ),
            ("with all sessions deleted", &deleted),
            ("with a database moved by the config", &moved_by_config),
            ("with the imported files alone", &live_files_gone),
        ],
    );
}
