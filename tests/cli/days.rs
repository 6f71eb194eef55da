//! Days, hours, weeks and months are those of the asked zone.

use crate::home::{Home, response};

/// A home with a response at each of these instants.
fn home(instants: &[&str]) -> Home {
    let home = Home::new();
    let lines: Vec<String> = (1..)
        .zip(instants)
        .map(|(number, at)| {
            let at: jiff::Timestamp = at.parse().expect("an instant");
            response(number, at.as_millisecond(), 10)
        })
        .collect();
    home.claude("p/a.jsonl", &lines);
    home
}

fn rows(home: &Home, column: &str, zone: &str) -> Vec<(String, u64)> {
    let report = home.json(&format!(
        "report --by {column} --since 2026-01-01 --until 2027-12-31 --timezone {zone} --json"
    ));
    let rows = report["rows"].as_array().expect("rows");
    rows.iter()
        .map(|row| {
            (
                row[column].as_str().expect("a value").to_owned(),
                row["responses"].as_u64().expect("a count"),
            )
        })
        .collect()
}

#[test]
fn a_day_is_the_zones_own() {
    let home = home(&[
        "2026-11-19T15:00:00Z",
        "2026-11-19T23:30:00Z",
        "2026-11-20T07:59:59.999Z",
        "2026-11-20T08:00:00Z",
    ]);
    for (zone, nineteenth, twentieth) in [
        ("UTC", 2, 2),
        ("Asia/Tokyo", 0, 4),
        ("America/Los_Angeles", 3, 1),
        ("Asia/Kathmandu", 1, 3),
    ] {
        let days = [("2026-11-19", nineteenth), ("2026-11-20", twentieth)];
        let expected: Vec<(String, u64)> = days
            .iter()
            .filter(|(_, responses)| *responses > 0)
            .map(|(day, responses)| ((*day).to_owned(), *responses))
            .collect();
        assert_eq!(rows(&home, "day", zone), expected, "{zone}");
    }
}

#[test]
fn an_hour_that_comes_twice_is_two_rows() {
    let home = home(&[
        "2026-10-24T23:30:00Z",
        "2026-10-25T00:00:00Z",
        "2026-10-25T00:59:59Z",
        "2026-10-25T01:00:00Z",
        "2026-10-25T02:00:00Z",
    ]);
    let expected = [
        ("2026-10-25T01:00+02:00", 1),
        ("2026-10-25T02:00+02:00", 2),
        ("2026-10-25T02:00+01:00", 1),
        ("2026-10-25T03:00+01:00", 1),
    ];
    assert_eq!(
        rows(&home, "hour", "Europe/Berlin"),
        expected.map(|(hour, responses)| (hour.to_owned(), responses))
    );
    assert_eq!(
        rows(&home, "day", "Europe/Berlin"),
        [("2026-10-25".to_owned(), 5)]
    );
}

#[test]
fn an_hour_that_never_was_has_no_row() {
    let home = home(&["2026-03-29T00:59:00Z", "2026-03-29T01:00:00Z"]);
    let expected = ["2026-03-29T01:00+01:00", "2026-03-29T03:00+02:00"];
    assert_eq!(
        rows(&home, "hour", "Europe/Berlin"),
        expected.map(|hour| (hour.to_owned(), 1))
    );
}

#[test]
fn hours_of_zones_off_the_hour_begin_on_the_local_hour() {
    let home = home(&["2026-11-20T00:14:00Z", "2026-11-20T00:15:00Z"]);
    let expected = ["2026-11-20T05:00+05:45", "2026-11-20T06:00+05:45"];
    assert_eq!(
        rows(&home, "hour", "Asia/Kathmandu"),
        expected.map(|hour| (hour.to_owned(), 1))
    );
}

#[test]
fn weeks_are_iso_weeks_and_months_are_local() {
    let home = home(&[
        "2026-12-27T12:00:00Z",
        "2026-12-28T12:00:00Z",
        "2026-12-31T23:30:00Z",
        "2027-01-03T12:00:00Z",
        "2027-01-04T12:00:00Z",
    ]);
    let named = |rows: &[(&str, u64)]| -> Vec<(String, u64)> {
        rows.iter()
            .map(|(name, responses)| ((*name).to_owned(), *responses))
            .collect()
    };
    assert_eq!(
        rows(&home, "week", "UTC"),
        named(&[("2026-W52", 1), ("2026-W53", 3), ("2027-W01", 1)])
    );
    assert_eq!(
        rows(&home, "month", "UTC"),
        named(&[("2026-12", 3), ("2027-01", 2)])
    );
    assert_eq!(
        rows(&home, "month", "Europe/Berlin"),
        named(&[("2026-12", 2), ("2027-01", 3)])
    );
}

/// Whose midnight is fifteen seconds ahead, as a rule for `TZ`, which counts westwards. No real zone's midnight falls
/// between quarter hours, so what is made after it cannot be asked for here.
#[cfg(unix)]
fn zone_just_before_midnight() -> String {
    use crate::home::now;
    const DAY: i64 = 86_400;
    let ahead = DAY - 15 - now() / 1000 % DAY;
    let east = if ahead > DAY / 2 { ahead - DAY } else { ahead };
    let (sign, west) = if east > 0 { ("-", east) } else { ("", -east) };
    format!(
        "HERE{sign}{}:{:02}:{:02}",
        west / 3600,
        west / 60 % 60,
        west % 60
    )
}

/// One is open all the time, the other stands still over midnight, as when the machine sleeps.
#[cfg(unix)]
#[test]
fn c36_today_begins_anew_while_it_is_watched() {
    use crate::home::{Watch, now};
    let signal = |watch: &Watch, signal: &str| {
        let mut kill = std::process::Command::new("kill");
        kill.args([signal, &watch.child.id().to_string()]);
        assert!(kill.status().expect("it runs").success());
    };
    let zone: &'static str = zone_just_before_midnight().leak();
    let homes = [(); 2].map(|()| {
        let mut home = Home::new();
        home.zone = zone;
        home
    });
    for home in &homes {
        home.claude("p/a.jsonl", &[response(1, now(), 10)]);
    }
    let [awake, asleep] = homes.each_ref().map(Watch::start);
    assert_eq!((awake.next().0, asleep.next().0), (1, 1));
    signal(&asleep, "-STOP");
    assert_eq!(awake.next().0, 0, "at midnight");
    signal(&asleep, "-CONT");
    assert_eq!(asleep.next().0, 0, "on waking up");
}
