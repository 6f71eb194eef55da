use super::*;
use crate::config::SpikeConfig;
use jiff::civil::date;
use proptest::prelude::*;

const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const START: UnixMillis = UnixMillis(1_795_165_200_000);

fn usd(text: &str) -> NanoUsd {
    NanoUsd::parse_decimal(text).expect("an amount")
}

fn situation(now: UnixMillis, today: &str, last_hour: &str, usual: &[&str]) -> Situation {
    Situation {
        now,
        day: date(2026, 11, 20),
        today: usd(today),
        usual_day: None,
        today_top: Top::default(),
        hour: HourBurn {
            spent: usd(last_hour),
            same_hours: usual.iter().map(|amount| usd(amount)).collect(),
            busy_hours: Vec::new(),
            busy_days: 0,
        },
        hour_top: Top::default(),
    }
}

const USUAL: &[&str] = &["1.50", "2.00", "2.05", "2.10", "2.20"];

/// Plays situations one after the other, as an engine that restarts after each; returns the rules that fired
/// at each step and the final episodes.
fn play(steps: impl IntoIterator<Item = (Situation, Config)>) -> (Vec<Vec<String>>, Vec<Episode>) {
    let mut episodes = Vec::new();
    let mut fired = Vec::new();
    for (situation, config) in steps {
        let outcome = evaluate(&situation, &config, &episodes);
        let stored = serde_json::to_string(&outcome.episodes).expect("episodes are plain data");
        episodes = serde_json::from_str(&stored).expect("what was stored is read back");
        assert_eq!(episodes, outcome.episodes);
        fired.push(outcome.fired.into_iter().map(|alert| alert.rule).collect());
    }
    (fired, episodes)
}

/// Plays the last hour's spend every `step` milliseconds; returns the steps at which a spike was told.
fn spikes(step: i64, last_hours: &[&str]) -> Vec<usize> {
    let (fired, _) = play((0..).zip(last_hours).map(|(index, spent)| {
        (
            situation(START.plus(index * step), "0", spent, USUAL),
            Config::default(),
        )
    }));
    (0..fired.len())
        .filter(|index| !fired[*index].is_empty())
        .collect()
}

#[test]
fn a_spike_needs_history_ratio_floor_and_deviation() {
    let alike = ["1"; 5];
    for (case, usual, last_hour, expected) in [
        (
            "ten times nothing much is still nothing much",
            &["0.01"; 5][..],
            "0.10",
            false,
        ),
        ("ten times a real usual", &["0.50"; 5], "5.00", true),
        ("the first day has nothing to exceed", &[], "90.00", false),
        (
            "four days are too few for this hour",
            &["0.50"; 4],
            "5.00",
            false,
        ),
        ("exactly on the line", &alike, "3.00", true),
        ("a nano-dollar below it", &alike, "2.999999999", false),
        (
            "dollars above, but not three times",
            &["10"; 5],
            "29.00",
            false,
        ),
        (
            "three times, but hours differ that much",
            &["1", "1", "1", "4", "5"],
            "3.50",
            false,
        ),
        ("an hour without spend", &alike, "0", false),
    ] {
        let outcome = evaluate(
            &situation(START, "0", last_hour, usual),
            &Config::default(),
            &[],
        );
        assert_eq!(!outcome.fired.is_empty(), expected, "{case}");
    }
}

#[test]
fn at_an_odd_hour_the_busy_hours_are_the_measure() {
    for (last_hour, expected) in [("4.00", false), ("12.00", true)] {
        let mut night = situation(START, "0", last_hour, &["0.01"]);
        night.hour.busy_hours = vec![usd("3.00"); 9];
        night.hour.busy_days = 3;
        assert_eq!(
            !evaluate(&night, &Config::default(), &[]).fired.is_empty(),
            expected,
            "{last_hour}"
        );
    }
}

#[test]
fn the_text_says_amount_usual_session_and_model() {
    let mut now = situation(START, "12.40", "8.20", USUAL);
    now.usual_day = Some(usd("6.10"));
    let session = session_label(
        "/home/ada/src/clawspend/",
        "3f2a91c0-77de-4b7e-9d55-0c1d2e3f4a5b",
    );
    now.today_top = Top {
        session: Some((session.clone(), usd("7.20"))),
        model: Some(("claude-opus-4-5\nwith a line break".to_owned(), usd("9"))),
    };
    now.hour_top = Top {
        session: Some((session, usd("5"))),
        model: None,
    };
    let outcome = evaluate(&now, &Config::default(), &[]);
    let alert = |rule: &str, amount, title: &str, body: &str| Alert {
        rule: rule.to_owned(),
        at: START,
        ended: None,
        title: title.to_owned(),
        body: body.to_owned(),
        amount: usd(amount),
    };
    let expected = [
        alert(
            "budget",
            "12.40",
            "$12.40 today: daily budget of $10.00 crossed",
            "Usual day: $6.10. Top session: clawspend 3f2a91c0, $7.20. Top model: claude-opus-4-5with a line break, $9.00.",
        ),
        alert(
            "spike",
            "8.20",
            "$8.20 in the last hour, 4× the usual $2.05",
            "Usual at this time: $2.05. Top session: clawspend 3f2a91c0, $5.00.",
        ),
    ];
    assert_eq!(outcome.fired, expected);
    assert_eq!(
        outcome
            .episodes
            .iter()
            .map(Episode::alert)
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(
        outcome.open_alert().map(|alert| alert.rule),
        Some("spike".to_owned())
    );
}

#[test]
fn sessions_are_known_by_folder_and_short_id() {
    for (project, session, label) in [
        ("/home/ada/clawspend", "3f2a91c0-77de", "clawspend 3f2a91c0"),
        (
            r"C:\Users\ada\clawspend\",
            "3f2a91c0-77de",
            "clawspend 3f2a91c0",
        ),
        ("", "abc", "abc"),
        ("/", "", ""),
        ("x\u{7}y", "\u{1b}[31mabcdefgh", "xy [31mabc"),
    ] {
        assert_eq!(session_label(project, session), label, "{project}");
    }
    assert_eq!(
        session_label(&"é".repeat(60), ""),
        format!("{}…", "é".repeat(48))
    );
}

#[test]
fn a_burn_around_the_line_is_told_once() {
    // The spike line of USUAL is 6.15, the calm line 4.10.
    assert_eq!(
        spikes(
            MINUTE,
            &["6.14", "6.15", "6.00", "7", "4.00", "7", "0", "9", "90"]
        ),
        [1]
    );
    let flapping: Vec<&str> = ["7", "2"].into_iter().cycle().take(300).collect();
    assert_eq!(spikes(10 * MINUTE, &flapping), [0]);
    assert_eq!(spikes(MINUTE, &["7"; 500]), [0]);
}

#[test]
fn a_spike_is_over_after_an_hour_below_the_calm_line() {
    let mut hours = vec!["7"];
    hours.extend(["4.09"; 6]);
    hours.push("7");
    assert_eq!(spikes(10 * MINUTE, &hours), [0, 7]);
    hours[3] = "4.10";
    assert_eq!(spikes(10 * MINUTE, &hours), [0]);

    let (_, episodes) = play([0, 1, 70].map(|minute| {
        let spent = if minute < 70 { "7" } else { "0" };
        (
            situation(START.plus(minute * MINUTE), "0", spent, USUAL),
            Config::default(),
        )
    }));
    assert_eq!(
        episodes[0].ended,
        Some(START.plus(MINUTE)),
        "it lasted as long as the burn was high"
    );
}

#[test]
fn a_spike_found_again_after_a_long_sleep_is_a_new_one() {
    assert_eq!(spikes(59 * MINUTE, &["7", "7"]), [0]);
    assert_eq!(spikes(60 * MINUTE, &["7", "7"]), [0, 1]);
}

#[test]
fn a_clock_set_back_tells_nothing_twice() {
    let at = |minutes: i64, spent| {
        (
            situation(START.plus(minutes * MINUTE), "12", spent, USUAL),
            Config::default(),
        )
    };
    let yesterday = |spent| {
        let (mut situation, config) = at(-24 * 60, spent);
        situation.day = date(2026, 11, 19);
        situation.today = usd("3");
        (situation, config)
    };
    let told = vec!["budget".to_owned(), "spike".to_owned()];
    let (fired, _) = play([
        at(0, "7"),
        at(90, "0"),
        at(5, "7"),
        at(30, "8"),
        at(95, "0"),
    ]);
    assert_eq!(
        fired,
        [told.clone(), vec![], vec![], vec![], vec![]],
        "after it had ended"
    );
    let (fired, episodes) = play([at(0, "7"), yesterday("7"), yesterday("7"), at(1, "7")]);
    assert_eq!(
        fired,
        [told, vec![], vec![], vec![]],
        "while it went on, and forward again"
    );
    assert_eq!(episodes[0].ended, None, "the budget's day is back");
}

#[test]
fn a_spike_told_under_a_clock_years_ahead_ends_under_the_right_one() {
    let at = |minutes: i64, spent| {
        let now = START.plus(minutes * MINUTE);
        (situation(now, "0", spent, USUAL), Config::default())
    };
    let years = 4 * 365 * 24 * 60;
    let (fired, _) = play([
        at(years, "7"),
        at(0, "7"),
        at(30, "0"),
        at(60, "0"),
        at(90, "7"),
    ]);
    assert_eq!(
        fired.iter().map(Vec::len).collect::<Vec<_>>(),
        [1, 0, 0, 0, 1]
    );
}

#[test]
fn the_ledger_is_given_what_changed_and_a_week_is_remembered() {
    let at = |minutes: i64, spent| situation(START.plus(minutes * MINUTE), "12", spent, USUAL);
    let config = Config::default();
    let began = evaluate(&at(0, "7"), &config, &[]);
    assert_eq!(began.changed(&[]), began.fired);
    let high = evaluate(&at(1, "7"), &config, &began.episodes);
    assert_ne!(high.episodes, began.episodes, "the last high is noted");
    assert_eq!(high.changed(&began.episodes), []);
    let ended = evaluate(&at(61, "0"), &config, &high.episodes);
    let expected = Alert {
        ended: Some(START.plus(MINUTE)),
        ..began.fired[1].clone()
    };
    assert_eq!(ended.changed(&high.episodes), [expected]);

    let week = 7 * 24 * 60;
    for (minutes, left) in [(week, 2), (week + 1, 1)] {
        let later = evaluate(&at(minutes, "0"), &config, &ended.episodes);
        assert_eq!(
            later.episodes.len(),
            left,
            "the budget's goes on; the spike's ended after a minute"
        );
    }
}

#[test]
fn a_rule_switched_off_ends_its_episode_and_repeats_nothing_for_an_hour() {
    let off = Config {
        spike: None,
        ..Config::default()
    };
    let at = |minutes: i64| situation(START.plus(minutes * MINUTE), "0", "7", USUAL);
    let on = Config::default;
    let (fired, episodes) = play([
        (at(0), on()),
        (at(5), off),
        (at(6), on()),
        (at(64), on()),
        (at(65), on()),
    ]);
    assert_eq!(
        fired.iter().map(Vec::len).collect::<Vec<_>>(),
        [1, 0, 0, 0, 1]
    );
    assert_eq!(episodes[0].ended, Some(START.plus(5 * MINUTE)));
}

#[test]
fn the_budget_is_told_once_a_day_and_again_when_raised() {
    let budget = |dollars| Config {
        daily_budget: Some(NanoUsd::dollars(dollars)),
        ..Config::default()
    };
    let off = Config {
        daily_budget: None,
        ..Config::default()
    };
    let today = |amount| situation(START, amount, "0", &[]);
    let tomorrow = |amount| Situation {
        day: date(2026, 11, 21),
        ..today(amount)
    };
    let mut open = Vec::new();
    let mut episodes = Vec::new();
    for (case, situation, config, title) in [
        ("below", today("9.999999999"), budget(10), None),
        (
            "reached",
            today("10"),
            budget(10),
            Some("$10.00 today: daily budget of $10.00 crossed"),
        ),
        ("more", today("12"), budget(10), None),
        ("corrected downwards", today("9"), budget(10), None),
        ("and up again", today("12"), budget(10), None),
        ("lowered", today("12"), budget(5), None),
        ("raised above", today("12"), budget(20), None),
        (
            "the new one reached",
            today("21"),
            budget(20),
            Some("$21.00 today: daily budget of $20.00 crossed"),
        ),
        ("lowered to the old one", today("21"), budget(10), None),
        ("switched off", today("50"), off, None),
        ("and on again", today("50"), budget(20), None),
        (
            "raised, but not above",
            today("50"),
            budget(30),
            Some("$50.00 today: daily budget of $30.00 crossed"),
        ),
        ("midnight", tomorrow("0"), budget(30), None),
        (
            "the next day",
            tomorrow("31"),
            budget(30),
            Some("$31.00 today: daily budget of $30.00 crossed"),
        ),
        ("the day before again", today("60"), budget(30), None),
    ] {
        let outcome = evaluate(&situation, &config, &episodes);
        let titles: Vec<&str> = outcome
            .fired
            .iter()
            .map(|alert| alert.title.as_str())
            .collect();
        assert_eq!(titles, title.into_iter().collect::<Vec<_>>(), "{case}");
        open.push(
            outcome
                .episodes
                .iter()
                .filter(|episode| episode.ended.is_none())
                .count(),
        );
        episodes = outcome.episodes;
    }
    assert_eq!(open, [0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1, 0, 1, 1]);
}

fn any_config() -> impl Strategy<Value = Config> {
    let budget = prop_oneof![4 => (1..30i64).prop_map(|dollars| Some(NanoUsd::dollars(dollars))), 1 => Just(None)];
    let rule = (1_100..10_000i64, 0..5i64, 0..6_000i64).prop_map(
        |(ratio_milli, floor, deviations_milli)| SpikeConfig {
            ratio_milli,
            floor: NanoUsd::dollars(floor),
            deviations_milli,
        },
    );
    (budget, proptest::option::weighted(0.9, rule)).prop_map(|(daily_budget, spike)| Config {
        daily_budget,
        spike,
        ..Config::default()
    })
}

fn any_situation(minutes: std::ops::Range<i64>) -> impl Strategy<Value = Situation> {
    let dollars = || (0..40_000i64).prop_map(|milli| NanoUsd(milli * 1_000_000));
    let hours = || proptest::collection::vec(dollars(), 0..9);
    (
        minutes,
        0..3i8,
        dollars(),
        dollars(),
        hours(),
        hours(),
        0..5usize,
    )
        .prop_map(
            |(minutes, day, today, spent, same_hours, busy_hours, busy_days)| Situation {
                now: START.plus(minutes * MINUTE),
                day: date(2026, 11, 19 + day),
                today,
                hour: HourBurn {
                    spent,
                    same_hours,
                    busy_hours,
                    busy_days,
                },
                ..situation(START, "0", "0", &[])
            },
        )
}

proptest! {
    /// Whatever the clock, the spend and the settings do: each episode is told once, when it begins.
    #[test]
    fn no_episode_is_told_twice(
        steps in proptest::collection::vec((any_situation(-3_000..3_000), any_config()), 1..60),
    ) {
        let mut episodes: Vec<Episode> = Vec::new();
        for (situation, config) in steps {
            let outcome = evaluate(&situation, &config, &episodes);
            let known = |list: &[Episode]| list.iter().map(Episode::key).collect::<Vec<_>>();
            let keys = known(&outcome.episodes);
            prop_assert_eq!(&keys[..episodes.len()], &known(&episodes)[..], "nothing is lost");
            prop_assert_eq!(keys.len() - episodes.len(), outcome.fired.len(), "told = begun");
            let unique: std::collections::HashSet<&String> = keys.iter().collect();
            prop_assert_eq!(unique.len(), keys.len(), "no key is used twice");
            prop_assert_eq!(
                evaluate(&situation, &config, &outcome.episodes),
                Outcome { episodes: outcome.episodes.clone(), fired: Vec::new() },
                "a second look changes nothing"
            );
            for rule in ["budget", "spike"] {
                let open = outcome.episodes.iter().filter(|it| it.ended.is_none() && it.alert().rule == rule);
                prop_assert!(open.count() <= 1, "one open {} at most", rule);
            }
            for episode in &outcome.episodes {
                prop_assert!(episode.ended.is_none_or(|ended| ended >= episode.began));
            }
            episodes = outcome.episodes;
        }
    }

    /// With a clock that runs forward and settings left alone, an hour lies between two spikes and a day
    /// between two budgets.
    #[test]
    fn alerts_keep_their_distance(
        steps in proptest::collection::vec(any_situation(1..45), 1..80),
        config in any_config(),
    ) {
        let mut now = START;
        let mut day = 0;
        let (fired, episodes) = play(steps.into_iter().map(|mut situation| {
            now = now.plus(situation.now.0 - START.0);
            day = day.max(situation.day.day());
            situation.now = now;
            situation.day = date(2026, 11, day);
            (situation, config.clone())
        }));
        let spikes: Vec<i64> = episodes.iter().filter(|it| it.alert().rule == "spike").map(|it| it.began.0).collect();
        for pair in spikes.windows(2) {
            prop_assert!(pair[1] - pair[0] >= HOUR);
        }
        let budgets = fired.iter().flatten().filter(|rule| *rule == "budget").count();
        prop_assert!(budgets <= 3, "{} days had spend", 3);
    }
}
