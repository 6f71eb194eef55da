//! Killed at any moment, the ledger ends up as if nothing had happened.

use crate::home::{Home, PATIENCE, Watch, append, now, response, zone_far_from_midnight};
use clawspend_tests::corpus::{Figures, Options, Row};
use rusqlite::Connection;
use serde_json::Value;
use std::{
    hash::{BuildHasher as _, RandomState},
    process::Stdio,
    thread,
    time::{Duration, Instant},
};

const REPORT: &str =
    "report --by day,source,model --since 2026-01-01 --until 2027-12-31 --timezone UTC --json";

/// Everything that a response is told apart by.
const DETAILS: &str = "report --by hour,source,project,agent,session,model --since 2026-01-01 --until 2027-12-31 \
                       --timezone UTC --json --no-refresh";

/// Numbers from a seed (xorshift64*).
struct Random(u64);

impl Random {
    /// From `CLAWSPEND_TEST_SEED`, else a new one; it is printed.
    fn new() -> Self {
        let given = std::env::var("CLAWSPEND_TEST_SEED").ok();
        let seed = given
            .and_then(|seed| seed.parse().ok())
            .unwrap_or_else(|| RandomState::new().hash_one(0));
        eprintln!("CLAWSPEND_TEST_SEED={seed}");
        Self(seed | 1)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % bound
    }
}

fn sound(home: &Home) {
    let answer: String = Connection::open(home.ledger())
        .and_then(|ledger| ledger.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
        .expect("a ledger");
    assert_eq!(answer, "ok");
}

#[test]
fn a_first_index_killed_again_and_again_ends_up_as_a_clean_one() {
    let mut random = Random::new();
    let home = Home::new();
    let options = Options {
        seed: random.below(1 << 32),
        bytes: 60 << 20,
        files: 240,
        ..Options::default()
    };
    let truth = home.corpus(options);
    let began = Instant::now();
    let expected = home.tell(REPORT);
    let took = began.elapsed();
    let details = home.tell(DETAILS);
    std::fs::remove_dir_all(home.data()).expect("the ledger");

    let mut kills = 0;
    let told = loop {
        let mut child = home
            .command(REPORT)
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("the command starts");
        // Ever longer, so that an end is reached on any machine.
        let most = took.mul_f64(0.1 * f64::from(kills + 1));
        let delay = random.below(u64::try_from(most.as_micros()).expect("short").max(1));
        thread::sleep(Duration::from_micros(delay));
        child.kill().expect("our child");
        let output = child.wait_with_output().expect("it ends");
        if output.status.success() {
            break String::from_utf8(output.stdout).expect("UTF-8");
        }
        kills += 1;
        if home.ledger().exists() && kills % 4 == 0 {
            sound(&home);
        }
    };
    eprintln!("{kills} kills, a clean run took {took:?}");
    assert!(kills > 0);
    sound(&home);
    assert_eq!(told, expected);
    assert_eq!(home.tell(REPORT), expected);
    assert!(home.tell(DETAILS) == details, "sessions differ");
    let report: Value = serde_json::from_str(&expected).expect("JSON");
    let rows: Vec<Row> = serde_json::from_value(report["rows"].clone()).expect("rows");
    assert_eq!(rows, truth.rows);
    let totals: Figures = serde_json::from_value(report["totals"].clone()).expect("totals");
    assert_eq!(totals, truth.totals);
}

#[test]
fn a_watch_killed_while_a_writer_appends_loses_and_doubles_nothing() {
    const LINES: u32 = 300;
    let mut random = Random::new();
    let mut home = Home::new();
    home.zone = zone_far_from_midnight();
    let log = home.claude("p/a.jsonl", &[response(0, now(), 10)]);
    let at = now();
    let pauses: Vec<u64> = (0..LINES).map(|_| random.below(8)).collect();
    let writer = thread::spawn(move || {
        for (number, pause) in (1..=LINES).zip(pauses) {
            append(&log, &response(number, at, 10));
            thread::sleep(Duration::from_millis(pause));
        }
    });
    let began = Instant::now();
    while !writer.is_finished() && began.elapsed() < PATIENCE {
        let watch = Watch::start(&home);
        let (told, _) = watch.next();
        assert!(told <= u64::from(LINES) + 1, "{told}");
        thread::sleep(Duration::from_millis(random.below(200)));
    }
    writer.join().expect("the writer ends");
    let today = home.json("today --json");
    assert_eq!(today["responses"], LINES + 1);
    assert_eq!(
        home.json("doctor --json")["diagnostics"]["counted_lines"],
        LINES + 1
    );
    sound(&home);
}
