//! Which days are known whole, which logs end soon, and that totals say when they concern other days.

use crate::home::{HOUR, Home, now, response};
use jiff::{Timestamp, ToSpan as _, civil::Date, tz::TimeZone};
use serde_json::{Value, json};
use std::{
    fs::File,
    path::Path,
    time::{Duration, SystemTime},
};

const DAY: i64 = 24 * HOUR;

fn day(millis: i64) -> Date {
    let at = Timestamp::from_millisecond(millis).expect("a time");
    at.to_zoned(TimeZone::UTC).date()
}

fn age(path: &Path, days: u64) {
    let then = SystemTime::now() - Duration::from_secs(days * 86_400);
    let file = File::options().write(true).open(path).expect("a file");
    file.set_modified(then).expect("a time of its own");
}

fn known(home: &Home) -> Value {
    home.json("doctor --json --no-refresh")["completeness"].take()
}

#[test]
fn days_are_known_as_far_back_as_logs_are_kept_and_old_logs_are_counted() {
    let home = Home::new();
    home.keep_logs(20);
    for (name, days) in [("a", 1), ("b", 12), ("c", 14), ("d", 15)] {
        let at = now() - DAY * i64::try_from(days).expect("few");
        let path = home.claude(
            &format!("p/{name}.jsonl"),
            &[response(u32::from(name.as_bytes()[0]), at, 10)],
        );
        age(&path, days);
    }
    home.tell("report --json");
    let today = day(now());
    let mut told = known(&home);
    let since = told[0]["collected_since"].take();
    assert!(
        (since.as_i64().expect("a time") - now()).abs() < HOUR,
        "{since}"
    );
    let expected = json!([{
        "source": "claude-code",
        "collected_since": null,
        "whole": [[today - 19.days(), today]],
        "forgotten": null,
        "kept_days": 20,
        "ending_logs": 2,
        "ending_unread": 0,
    }]);
    assert_eq!(told, expected);
    let text = home.tell("doctor --no-refresh");
    let told = format!(
        "\nHow complete it is\n\nClaude Code: known whole: {} to {today} (it deletes logs after 20 days without change)\n  \
         2 logs will be deleted in the next 7 days; the ledger holds what they tell\nIn no log: ",
        today - 19.days()
    );
    assert!(text.contains(&told), "{text}");
}

#[test]
fn a_gap_between_looks_is_told_and_a_total_over_it_too() {
    let home = Home::new();
    home.keep_logs(20);
    home.claude("p/a.jsonl", &[response(1, now(), 123_456)]);
    home.tell("report --json");
    // As if the looks before had been in spring.
    let ledger = rusqlite::Connection::open(home.ledger()).expect("a ledger");
    let (since, until) = (now() - 200 * DAY, now() - 190 * DAY);
    ledger
        .execute(
            "INSERT INTO looks (source, since, until) VALUES (0, ?1, ?2)",
            [since, until],
        )
        .expect("another time of looks");
    drop(ledger);
    let today = day(now());
    let whole = json!([
        [day(since) - 19.days(), day(until)],
        [today - 19.days(), today],
    ]);
    assert_eq!(known(&home)[0]["whole"], whole);
    let note = format!(
        "\nClaude Code: not all of these days are known whole ({} to {}, {} to {today}); what was deleted before it could \
         be read is missing.\n",
        day(since) - 19.days(),
        day(until),
        today - 19.days()
    );
    for (first, concerned) in [(today - 19.days(), false), (today - 20.days(), true)] {
        let report = home.tell(&format!("report --no-refresh --by source --since {first}"));
        assert_eq!(report.ends_with(&note), concerned, "{report}");
        assert_eq!(report.contains("known whole"), concerned, "{report}");
    }
    // Not of a source that does not count.
    let first = today - 20.days();
    let report = |source: &str| {
        home.tell(&format!(
            "report --no-refresh --by source --since {first} --where source={source}"
        ))
    };
    assert_eq!(
        report("openclaw"),
        format!("{first} to {today}, days of UTC\n\nNo response matches source=openclaw.\n")
    );
    assert!(report("claude-*").ends_with(&note));
    let told = home.tell("explain yesterday --no-refresh");
    assert_eq!(told, "No response is known.\n", "that day is known");
    let told = home.tell(&format!("explain {} --no-refresh", today - 20.days()));
    assert_eq!(told, format!("No response is known.\n{note}"));
    // The next look goes on where the last one was.
    home.tell("report --json");
    assert_eq!(known(&home)[0]["whole"], whole);
}

#[test]
fn days_of_which_responses_were_forgotten_are_told() {
    let home = Home::new();
    home.keep_logs(20);
    let lines = [1, 2, 3, 9].map(|days| {
        let number = u32::try_from(days).expect("few");
        response(number, now() - days * DAY, 10)
    });
    home.claude("p/a.jsonl", &lines);
    let today = day(now());
    let day = |days: i64| today - days.days();
    let whole = json!([[day(19), today]]);
    let told = |home: &Home| {
        let known = known(home);
        [known[0]["whole"].clone(), known[0]["forgotten"].clone()]
    };
    home.tell("report --json");
    assert_eq!(told(&home), [whole.clone(), Value::Null]);
    home.tell(&format!("forget --yes --before {}", day(8)));
    assert_eq!(told(&home), [whole.clone(), json!([day(9), day(9)])]);
    // All of them together are told as one stretch.
    home.tell(&format!("forget --yes --before {}", day(1)));
    assert_eq!(told(&home), [whole, json!([day(9), day(2)])]);
    let doctor = home.tell("doctor --no-refresh");
    let line = format!(
        " without change)\n  you had responses forgotten: {} to {}\nIn no log: ",
        day(9),
        day(2)
    );
    assert!(doctor.contains(&line), "{doctor}");
    let note = format!(
        "\nClaude Code: you had responses of these days forgotten ({} to {}).\n",
        day(9),
        day(2)
    );
    for (first, last, concerned) in [(9, 0, true), (2, 2, true), (1, 0, false), (15, 10, false)] {
        let (first, last) = (day(first), day(last));
        let report = home.tell(&format!(
            "report --by source --since {first} --until {last}"
        ));
        assert_eq!(report.ends_with(&note), concerned, "{report}");
        assert_eq!(report.contains("forgotten"), concerned, "{report}");
    }
}
