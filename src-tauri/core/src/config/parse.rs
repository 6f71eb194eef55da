//! Text -> [`Config`], or everything that is wrong with it.

use super::{
    Config, SpikeConfig, TrayText,
    values::{
        Refusal, TRAY_WORDS, did_you_mean, dollars, flag, folders, one_of, thousandths, zone,
    },
};
use crate::money::NanoUsd;
use std::{
    fmt,
    path::{Path, PathBuf},
};
use toml::de::{DeTable, DeValue};

/// One thing in the config file that cannot be understood or followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigFault {
    /// Where; `None` when the whole file is meant.
    pub place: Option<Place>,
    /// What is wrong.
    pub message: String,
    /// What the user may have meant.
    pub suggestion: Option<String>,
}

/// A place in the file; lines and columns (in characters) count from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line.
    pub line: usize,
    /// Column.
    pub column: usize,
}

/// `line 12, column 1: unknown key "daily_us" in [budget]; …`: one line, no full stop.
impl fmt::Display for ConfigFault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(Place { line, column }) = self.place {
            write!(out, "line {line}, column {column}: ")?;
        }
        out.write_str(&self.message)?;
        match &self.suggestion {
            Some(suggestion) => write!(out, "; {suggestion}"),
            None => Ok(()),
        }
    }
}

/// The settings as typed: each value is of the right kind and in range, none is interpreted yet.
#[derive(Debug)]
pub(super) struct RawConfig {
    timezone: Option<String>,
    tray: TrayText,
    start_at_login: bool,
    notifications: bool,
    daily: NanoUsd,
    spike_enabled: bool,
    spike: SpikeConfig,
    claude_code: Vec<PathBuf>,
    openclaw: Vec<PathBuf>,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            timezone: None,
            tray: TrayText::Money,
            start_at_login: false,
            notifications: true,
            daily: NanoUsd::dollars(10),
            spike_enabled: true,
            spike: SpikeConfig {
                ratio_milli: 3_000,
                floor: NanoUsd::dollars(2),
                deviations_milli: 4_000,
            },
            claude_code: Vec::new(),
            openclaw: Vec::new(),
        }
    }
}

impl RawConfig {
    pub(super) fn resolve(self) -> Config {
        Config {
            timezone: self.timezone,
            tray_text: self.tray,
            start_at_login: self.start_at_login,
            notifications: self.notifications,
            daily_budget: (self.daily > NanoUsd::ZERO).then_some(self.daily),
            spike: self.spike_enabled.then_some(self.spike),
            claude_roots: self.claude_code,
            openclaw_roots: self.openclaw,
        }
    }
}

/// A key the file may hold, and how its value is taken in.
struct Key {
    section: &'static str,
    name: &'static str,
    read: fn(&mut RawConfig, &DeValue<'_>, Option<&Path>) -> Result<(), Refusal>,
}

const fn key(
    section: &'static str,
    name: &'static str,
    read: fn(&mut RawConfig, &DeValue<'_>, Option<&Path>) -> Result<(), Refusal>,
) -> Key {
    Key {
        section,
        name,
        read,
    }
}

/// Every key there is.
const KEYS: &[Key] = &[
    key("display", "timezone", |raw, value, _| {
        zone(value).map(|zone| raw.timezone = zone)
    }),
    key("display", "tray", |raw, value, _| {
        one_of(value, TRAY_WORDS).map(|tray| raw.tray = tray)
    }),
    key("app", "start_at_login", |raw, value, _| {
        flag(value).map(|on| raw.start_at_login = on)
    }),
    key("notifications", "enabled", |raw, value, _| {
        flag(value).map(|on| raw.notifications = on)
    }),
    key("budget", "daily_usd", |raw, value, _| {
        dollars(value).map(|daily| raw.daily = daily)
    }),
    key("spike", "enabled", |raw, value, _| {
        flag(value).map(|on| raw.spike_enabled = on)
    }),
    key("spike", "ratio", |raw, value, _| {
        thousandths(value, 1_100..=1_000_000).map(|ratio| raw.spike.ratio_milli = ratio)
    }),
    key("spike", "floor_usd", |raw, value, _| {
        dollars(value).map(|floor| raw.spike.floor = floor)
    }),
    key("spike", "deviations", |raw, value, _| {
        thousandths(value, 0..=100_000).map(|count| raw.spike.deviations_milli = count)
    }),
    key("sources", "claude_code", |raw, value, home| {
        folders(value, home).map(|roots| raw.claude_code = roots)
    }),
    key("sources", "openclaw", |raw, value, home| {
        folders(value, home).map(|roots| raw.openclaw = roots)
    }),
];

/// Reads the file's text; `home` is what `~` in a folder stands for.
///
/// # Errors
/// Every fault of the file, in its order; a file with any fault is not to be used.
pub fn parse(text: &str, home: Option<&Path>) -> Result<Config, Vec<ConfigFault>> {
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut faults: Vec<ConfigFault> = errors
        .iter()
        .map(|error| ConfigFault {
            place: Some(place(text, error.span().map_or(0, |span| span.start))),
            message: error.message().to_owned(),
            suggestion: None,
        })
        .collect();
    let broken_lines: Vec<usize> = faults
        .iter()
        .filter_map(|fault| Some(fault.place?.line))
        .collect();

    let mut raw = RawConfig::default();
    let mut refuse = |start: usize, Refusal(message, suggestion): Refusal| {
        let place = place(text, start);
        // What the parser made of a line it could not read is not the user's doing.
        if !broken_lines.contains(&place.line) {
            faults.push(ConfigFault {
                place: Some(place),
                message,
                suggestion,
            });
        }
    };
    for (section, body) in document.get_ref() {
        let name = section.get_ref().as_ref();
        let known: Vec<&Key> = KEYS.iter().filter(|key| key.section == name).collect();
        match body.get_ref() {
            _ if known.is_empty() => refuse(section.span().start, unknown_section(name)),
            DeValue::Table(table) => {
                for (key, value) in table {
                    let typed = key.get_ref().as_ref();
                    let read = known
                        .iter()
                        .find(|key| key.name == typed)
                        .map(|key| key.read);
                    match read.map(|read| read(&mut raw, value.get_ref(), home)) {
                        Some(Ok(())) => {}
                        Some(Err(Refusal(why, suggestion))) => {
                            refuse(
                                value.span().start,
                                Refusal(format!("`{typed}` {why}"), suggestion),
                            );
                        }
                        None => refuse(key.span().start, unknown_key(name, typed)),
                    }
                }
            }
            _ => {
                let suggestion = Some(format!(
                    "write [{name}] on a line of its own, its keys below"
                ));
                refuse(
                    section.span().start,
                    Refusal(format!("`{name}` is a section, not a key"), suggestion),
                );
            }
        }
    }
    if faults.is_empty() {
        return Ok(raw.resolve());
    }
    faults.sort_by_key(|fault| fault.place);
    Err(faults)
}

fn place(text: &str, offset: usize) -> Place {
    let before = text.get(..offset).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    Place {
        line: before.matches('\n').count() + 1,
        column: before[line_start..].chars().count() + 1,
    }
}

fn unknown_section(name: &str) -> Refusal {
    let suggestion = match KEYS.iter().find(|key| key.name == name) {
        Some(key) => Some(format!("it belongs below [{}]", key.section)),
        None => did_you_mean(name, KEYS.iter().map(|key| key.section)),
    };
    let shown = name.escape_debug();
    Refusal(format!("unknown section `{shown}`"), suggestion)
}

fn unknown_key(section: &str, name: &str) -> Refusal {
    let siblings = KEYS
        .iter()
        .filter(|key| key.section == section)
        .map(|key| key.name);
    let elsewhere = || {
        let key = KEYS.iter().find(|key| key.name == name)?;
        Some(format!("it belongs below [{}]", key.section))
    };
    let suggestion = did_you_mean(name, siblings).or_else(elsewhere);
    let shown = name.escape_debug();
    Refusal(format!("unknown key `{shown}` in [{section}]"), suggestion)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::TEMPLATE;

    fn faults(text: &str) -> Vec<String> {
        let faults = parse(text, Some(Path::new("/home/ada")))
            .err()
            .unwrap_or_default();
        faults.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn the_template_holds_every_key_at_its_default() {
        assert_eq!(parse(TEMPLATE, None), Ok(Config::default()));
        let document = DeTable::parse(TEMPLATE).expect("valid TOML");
        let mut found: Vec<(String, String)> = Vec::new();
        for (section, body) in document.get_ref() {
            for key in body.get_ref().as_table().expect("a section").keys() {
                found.push((section.get_ref().to_string(), key.get_ref().to_string()));
            }
        }
        let mut known: Vec<_> = KEYS
            .iter()
            .map(|key| (key.section.to_owned(), key.name.to_owned()))
            .collect();
        found.sort();
        known.sort();
        assert_eq!(found, known);
        for (word, _) in TRAY_WORDS {
            assert!(
                TEMPLATE.contains(&format!("\"{word}\"")),
                "{word} is explained"
            );
        }
    }

    #[test]
    fn every_key_is_read() {
        let text = r#"
            display = { timezone = "europe/berlin", tray = "whole-dollars" }
            app.start_at_login = true
            notifications.enabled = false
            budget.daily_usd = 0.00
            [spike]
            ratio = 2.5
            floor_usd = 1_000.000000001
            deviations = 3
            [sources]
            claude_code = ["~/work/.claude", "/srv/claude"]
            openclaw = ["~"]
        "#;
        let expected = Config {
            timezone: Some("Europe/Berlin".to_owned()),
            tray_text: TrayText::WholeDollars,
            start_at_login: true,
            notifications: false,
            daily_budget: None,
            spike: Some(SpikeConfig {
                ratio_milli: 2_500,
                floor: NanoUsd(1_000_000_000_001),
                deviations_milli: 3_000,
            }),
            claude_roots: vec!["/home/ada/work/.claude".into(), "/srv/claude".into()],
            openclaw_roots: vec!["/home/ada".into()],
        };
        if cfg!(unix) {
            assert_eq!(parse(text, Some(Path::new("/home/ada"))), Ok(expected));
        }
        let off = Config {
            spike: None,
            ..Config::default()
        };
        assert_eq!(parse("[spike]\nenabled = false\nratio = 5", None), Ok(off));
        assert_eq!(parse("", None), Ok(Config::default()));
        assert_eq!(
            parse("\u{feff}[app]\r\nstart_at_login = false\r\n", None),
            Ok(Config::default())
        );
    }

    #[test]
    fn money_is_read_from_its_digits() {
        for (typed, nanos) in [
            ("12.34", 12_340_000_000),
            ("0.1", 100_000_000),
            ("+7", 7_000_000_000),
            ("1_234.5", 1_234_500_000_000),
            ("1e3", 1_000_000_000_000),
            ("1000000", 1_000_000_000_000_000),
            ("0.000000001", 1),
        ] {
            let config = parse(&format!("budget.daily_usd = {typed}"), None).expect(typed);
            assert_eq!(config.daily_budget, Some(NanoUsd(nanos)), "{typed}");
        }
        for typed in [
            "-0.01",
            "nan",
            "inf",
            "1000000.01",
            "1e300",
            "0x10",
            "true",
            "\"10\"",
            "[]",
        ] {
            assert_eq!(
                faults(&format!("budget.daily_usd = {typed}")),
                [
                    "line 1, column 20: `daily_usd` must be an amount in dollars from 0 to 1000000, such as 12.50"
                ],
                "{typed}"
            );
        }
    }

    #[test]
    fn each_fault_says_where_what_and_what_was_meant() {
        for (text, expected) in [
            (
                "[budgets]",
                "line 1, column 2: unknown section `budgets`; did you mean `budget`?",
            ),
            (
                "[weather]\nrain = 1",
                "line 1, column 2: unknown section `weather`",
            ),
            (
                "\"wea\\nther\" = 1",
                "line 1, column 1: unknown section `wea\\nther`",
            ),
            (
                "daily_usd = 5",
                "line 1, column 1: unknown section `daily_usd`; it belongs below [budget]",
            ),
            (
                "budget = 5",
                "line 1, column 1: `budget` is a section, not a key; write [budget] on a line of its own, its keys below",
            ),
            (
                "[[budget]]\ndaily_usd = 5",
                "line 1, column 3: `budget` is a section, not a key; write [budget] on a line of its own, its keys below",
            ),
            (
                "\n\n[budget]\n  daily-usd = 5",
                "line 4, column 3: unknown key `daily-usd` in [budget]; did you mean `daily_usd`?",
            ),
            (
                "[budget]\nratio = 5",
                "line 2, column 1: unknown key `ratio` in [budget]; it belongs below [spike]",
            ),
            (
                "[budget]\n\"\" = 5",
                "line 2, column 1: unknown key `` in [budget]",
            ),
            (
                "[display]\ntray = \"token\"",
                "line 2, column 8: `tray` must be one of \"money\", \"whole-dollars\", \"tokens\", \"icon-only\"; did you mean `tokens`?",
            ),
            (
                "[display]\ntray = 5",
                "line 2, column 8: `tray` must be one of \"money\", \"whole-dollars\", \"tokens\", \"icon-only\"",
            ),
            (
                "[display]\ntimezone = \"Europe/Berln\"",
                "line 2, column 12: `timezone` names the time zone \"Europe/Berln\", which is not known here; did you mean `Europe/Berlin`?",
            ),
            (
                "[display]\ntimezone = \"sytem\"",
                "line 2, column 12: `timezone` names the time zone \"sytem\", which is not known here; did you mean `system`?",
            ),
            (
                "[display]\ntimezone = 2",
                "line 2, column 12: `timezone` must be \"system\" or the name of a time zone, in quotes",
            ),
            (
                "[app]\nstart_at_login = 1",
                "line 2, column 18: `start_at_login` must be true or false",
            ),
            (
                "[spike]\nratio = 1",
                "line 2, column 9: `ratio` must be a number from 1.1 to 1000",
            ),
            (
                "[spike]\ndeviations = 1979-05-27",
                "line 2, column 14: `deviations` must be a number from 0 to 100",
            ),
            (
                "[sources]\nopenclaw = \"~/x\"",
                "line 2, column 12: `openclaw` must be a list of folders, each in quotes, such as [\"~/logs\"]",
            ),
            (
                "[sources]\nopenclaw = [\"\"]",
                "line 2, column 12: `openclaw` must be a list of folders, each in quotes, such as [\"~/logs\"]",
            ),
            (
                "[sources]\nopenclaw = [\"logs\"]",
                "line 2, column 12: `openclaw` holds \"logs\", which does not say where it begins; begin it with ~/ or give it in full",
            ),
        ] {
            assert_eq!(faults(text), [expected], "{text}");
        }
        let homeless = parse("sources.openclaw = [\"~/x\"]", None).expect_err("~ means nothing");
        assert_eq!(
            homeless[0].message,
            "`openclaw` holds \"~/x\", and no home folder is known"
        );
    }

    #[test]
    fn all_faults_are_reported_in_their_order() {
        let text = "[spike]\nratio = high\nfloor_usd = -1\nenabled = \"true\"\n[app\nx = 1\n[budget]\ndaily_usd = 5 5\ndaily = 1\n";
        insta::assert_snapshot!(faults(text).join("\n"), @r"
        line 2, column 9: string values must be quoted, expected literal string
        line 3, column 13: `floor_usd` must be an amount in dollars from 0 to 1000000, such as 12.50
        line 4, column 11: `enabled` must be true or false, without quotes
        line 5, column 5: unclosed table, expected `]`
        line 8, column 13: string values must be quoted, expected literal string
        line 9, column 1: unknown key `daily` in [budget]; did you mean `daily_usd`?
        ");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_either_a_config_or_faults_within_it(text in "[\\[\\]a-z_=.\"'#\n 0-9\u{e9}-]{0,80}") {
            if let Err(faults) = parse(&text, None) {
                proptest::prop_assert!(!faults.is_empty());
                for place in faults.iter().filter_map(|fault| fault.place) {
                    proptest::prop_assert!(place.line <= text.matches('\n').count() + 1);
                }
            }
        }
    }
}
