//! The ledger's file: its schema, its age, its damage.

use clawspend_core::{
    api::Reader,
    ingest::{Ingest, Opened},
    ledger::LedgerError,
    time::UnixMillis,
};
use clawspend_tests::corpus::ClaudeLine;
use clawspend_tests::home::{Home, drain, utc};
use rusqlite::Connection;
use std::fs;

fn with_one_response() -> Home {
    let home = Home::new();
    fs::write(
        home.claude("a.jsonl"),
        format!("{}\n", ClaudeLine::default()),
    )
    .expect("writable");
    home.catch_up();
    home
}

fn open(home: &Home) -> Result<Opened, LedgerError> {
    Ingest::open(&home.environment(), &utc())
}

/// Version and statements, as the golden files have them.
fn schema(ledger: &Connection) -> String {
    let mut statement = ledger
        .prepare("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY type DESC, name")
        .expect("SQL");
    let schema: Vec<String> = statement
        .query_map([], |row| row.get(0))
        .expect("rows")
        .map(|row| row.expect("text"))
        .collect();
    let version: i64 = ledger
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .expect("a number");
    format!("-- version {version}\n{};\n", schema.join(";\n"))
}

#[test]
fn the_schema_is_the_golden_one() {
    let home = with_one_response();
    let ledger = Connection::open(home.data().join("ledger.sqlite")).expect("a ledger");
    let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/golden/schema.sql");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        fs::write(golden, schema(&ledger)).expect("writable");
    }
    assert_eq!(
        schema(&ledger),
        fs::read_to_string(golden).expect("the golden schema")
    );
}

#[test]
fn a_ledger_of_the_first_version_is_brought_up_to_date_and_loses_nothing() {
    let home = with_one_response();
    let ledger = Connection::open(home.data().join("ledger.sqlite")).expect("a ledger");
    let now = schema(&ledger);
    for table in [
        "gateways",
        "heard",
        "remote_sessions",
        "rests",
        "stored",
        "tellers",
        "told_sessions",
    ] {
        ledger
            .execute(&format!("DROP TABLE {table}"), [])
            .expect("dropped");
    }
    ledger.pragma_update(None, "user_version", 1).expect("set");
    assert_eq!(schema(&ledger), include_str!("../golden/schema-1.sql"));
    // A reader neither upgrades it nor reads it.
    let error = Reader::open(home.environment()).expect_err("too old");
    assert_eq!(error.code, "ledger_missing");
    let ingest = home.ingest();
    assert_eq!(schema(&ledger), now);
    assert_eq!(ingest.ledger.response_count().expect("a count"), 1);
}

#[test]
fn sqlite_has_no_lost_commit_bug() {
    // Before 3.51.3 a checkpoint that raced a reset of the write-ahead log could lose commits.
    assert!(
        rusqlite::version_number() >= 3_051_003,
        "{}",
        rusqlite::version()
    );
}

#[cfg(unix)]
#[test]
fn only_the_user_can_read_it() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = with_one_response();
    let _open = home.ingest();
    for entry in fs::read_dir(home.data()).expect("a folder") {
        let entry = entry.expect("readable");
        let mode = entry.metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", entry.path().display());
    }
}

#[test]
fn a_newer_ledger_is_refused_and_left_alone() {
    let home = with_one_response();
    let path = home.data().join("ledger.sqlite");
    let ledger = Connection::open(&path).expect("a ledger");
    ledger
        .pragma_update(None, "user_version", 99)
        .expect("written");
    drop(ledger);
    let before = fs::read(&path).expect("readable");
    assert!(matches!(
        open(&home),
        Err(LedgerError::TooNew {
            found: 99,
            known: 2,
            ..
        })
    ));
    assert_eq!(fs::read(&path).expect("readable"), before);
}

#[test]
fn another_programs_database_is_refused_and_left_alone() {
    let home = Home::new();
    fs::create_dir_all(home.data()).expect("can be created");
    let path = home.data().join("ledger.sqlite");
    let other = Connection::open(&path).expect("a database");
    other
        .execute_batch("CREATE TABLE recipes (name TEXT)")
        .expect("created");
    drop(other);
    assert!(matches!(open(&home), Err(LedgerError::Foreign(_))));
    let other = Connection::open(&path).expect("a database");
    let tables: i64 = other
        .query_row("SELECT COUNT(*) FROM sqlite_master", [], |row| row.get(0))
        .expect("a count");
    assert_eq!(tables, 1);
}

#[test]
fn f22_a_damaged_ledger_is_set_aside_and_rebuilt_from_the_logs() {
    let home = with_one_response();
    let whole = home.everything();
    let path = home.data().join("ledger.sqlite");
    for garbage in [
        b"this is no database, and long enough to be looked at".repeat(100),
        vec![0xA5; 8192],
    ] {
        fs::write(&path, &garbage).expect("writable");
        let Ok(Opened::Ours {
            mut ingest,
            set_aside: Some(aside),
        }) = open(&home)
        else {
            panic!("the damage was not noticed")
        };
        drain(&mut ingest);
        drop(ingest);
        assert_eq!(fs::read(&aside).expect("kept"), garbage);
        assert_eq!(home.everything(), whole);
        fs::remove_file(aside).expect("there");
    }
}

#[test]
fn f23_one_process_ingests_the_others_read() {
    let home = with_one_response();
    let first = home.ingest();
    assert!(matches!(open(&home), Ok(Opened::Taken)));
    assert_eq!(
        home.everything().totals.responses,
        1,
        "a reader is not in its way"
    );
    drop(first);
    assert!(
        matches!(open(&home), Ok(Opened::Ours { .. })),
        "it takes over when the first has ended"
    );
}

#[test]
fn f22_damage_met_while_reading_is_noted_and_mended_by_the_next_ingester() {
    let home = with_one_response();
    let whole = home.everything();
    let path = home.data().join("ledger.sqlite");
    let ledger = Connection::open(&path).expect("a ledger");
    let page: u64 = ledger
        .query_row(
            "SELECT rootpage FROM sqlite_master WHERE name = 'rollups'",
            [],
            |row| row.get::<_, i64>(0).map(i64::cast_unsigned),
        )
        .expect("a page");
    drop(ledger);
    let mut bytes = fs::read(&path).expect("readable");
    let at = usize::try_from((page - 1) * 4096).expect("small");
    bytes[at..at + 4096].fill(0xA5);
    fs::write(&path, &bytes).expect("writable");

    let mut reader = Reader::open(home.environment()).expect("its first page is sound");
    let error = reader
        .summary(UnixMillis::now())
        .expect_err("a damaged page");
    assert_eq!(error.code, "ledger_damaged");
    drop(reader);
    let Ok(Opened::Ours {
        mut ingest,
        set_aside: Some(aside),
    }) = open(&home)
    else {
        panic!("the damage was not dealt with")
    };
    drain(&mut ingest);
    drop(ingest);
    assert_eq!(fs::read(aside).expect("kept"), bytes);
    assert_eq!(home.everything(), whole);
}
