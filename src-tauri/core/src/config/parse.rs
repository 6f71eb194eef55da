//! Text -> [`Config`], or everything that is wrong with it.

use super::{
    Config, Plan, SpikeConfig, TrayText,
    gateways::gateways,
    prices::{own_prices, plan},
    values::{
        Refusal, TRAY_WORDS, did_you_mean, dollars, flag, folders, one_of, thousandths, zone,
    },
};
use crate::{
    gateway::Gateway,
    money::NanoUsd,
    pricing::{CostRule, Terms},
    usage::Source,
};
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
    gateways: Vec<Gateway>,
    local_gateway: bool,
    terms: Terms,
    plans: Vec<Plan>,
}

/// What reading a value may need besides it, and what is wrong inside it, each with its place.
pub(super) struct Reading<'h> {
    pub(super) home: Option<&'h Path>,
    pub(super) inside: Vec<(usize, Refusal)>,
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
            gateways: Vec::new(),
            local_gateway: true,
            terms: Terms::default(),
            plans: Vec::new(),
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
            gateways: self.gateways,
            local_gateway: self.local_gateway,
            terms: Some(self.terms),
            plans: self.plans,
        }
    }
}

type Read = fn(&mut RawConfig, &DeValue<'_>, &mut Reading<'_>) -> Result<(), Refusal>;

/// A key the file may hold, and how its value is taken in.
struct Key {
    section: &'static str,
    name: &'static str,
    read: Read,
}

const fn key(section: &'static str, name: &'static str, read: Read) -> Key {
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
    key("sources", "claude_code", |raw, value, reading| {
        folders(value, reading.home).map(|roots| raw.claude_code = roots)
    }),
    key("sources", "openclaw", |raw, value, reading| {
        folders(value, reading.home).map(|roots| raw.openclaw = roots)
    }),
    key("sources", "local_gateway", |raw, value, _| {
        flag(value).map(|on| raw.local_gateway = on)
    }),
    key("costs", "claude_code", |raw, value, _| {
        one_of(value, &CostRule::ALL).map(|rule| raw.terms.claude_code = rule)
    }),
    key("costs", "openclaw", |raw, value, _| {
        one_of(value, &CostRule::ALL).map(|rule| raw.terms.openclaw = rule)
    }),
    key("prices", "model", |raw, value, reading| {
        own_prices(value, reading).map(|own| raw.terms.own = own)
    }),
    key("plans", "claude_code", |raw, value, reading| {
        plan(value, Source::ClaudeCode, reading).map(|plan| raw.plans.extend(plan))
    }),
    key("plans", "openclaw", |raw, value, reading| {
        plan(value, Source::OpenClaw, reading).map(|plan| raw.plans.extend(plan))
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
            gateway if name == "gateways" => {
                let mut reading = Reading {
                    home,
                    inside: Vec::new(),
                };
                match gateways(gateway, &mut reading) {
                    Ok(gateways) => raw.gateways = gateways,
                    Err(refusal) => refuse(section.span().start, refusal),
                }
                for (start, refusal) in reading.inside {
                    refuse(start, refusal);
                }
            }
            _ if known.is_empty() => refuse(section.span().start, unknown_section(name)),
            DeValue::Table(table) => {
                for (key, value) in table {
                    let typed = key.get_ref().as_ref();
                    let read = known
                        .iter()
                        .find(|key| key.name == typed)
                        .map(|key| key.read);
                    let mut reading = Reading {
                        home,
                        inside: Vec::new(),
                    };
                    match read.map(|read| read(&mut raw, value.get_ref(), &mut reading)) {
                        Some(Ok(())) => {
                            for (start, refusal) in reading.inside {
                                refuse(start, refusal);
                            }
                        }
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
        None => {
            let sections = KEYS.iter().map(|key| key.section);
            did_you_mean(name, sections.chain(["gateways"]))
        }
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
    use crate::{
        config::TEMPLATE,
        gateway::{Address, Origin, Pin},
        money::Rate,
        pricing::Override,
    };
    use jiff::civil::date;

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
        // Own prices have no default; the template shows one.
        let mut known: Vec<_> = KEYS
            .iter()
            .filter(|key| key.section != "prices")
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
        for (word, _) in CostRule::ALL {
            assert!(
                TEMPLATE.contains(&format!("# \"{word}\""))
                    || TEMPLATE.contains(&format!("\"{word}\": ")),
                "{word} is explained"
            );
        }
        let (_, example) = TEMPLATE
            .split_once("# [[prices.model]]")
            .expect("an example");
        let example = format!("[[prices.model]]{}", example.replace("\n# ", "\n"));
        let rate = |cents: i64| Some(Rate(cents * 10_000_000));
        let expected = Override {
            model: "acme-coder-9".into(),
            provider: Some("acme".into()),
            from: Some(date(2026, 11, 1)),
            rates: [rate(300), rate(1_500), rate(30), rate(375), rate(600)],
        };
        assert_eq!(own(&format!("{TEMPLATE}\n{example}")), [expected]);
    }

    fn own(text: &str) -> Vec<Override> {
        let config = parse(text, None).expect("own prices");
        config.terms.expect("a config that was read").own
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
            local_gateway = false
            [costs]
            claude_code = "recorded-else-computed"
            openclaw = "recorded"
            [[prices.model]]
            model = " Acme-9 "
            input = 1
            output = 2.5
            [plans.claude_code]
            name = "Max 20x"
            monthly_usd = 200
            [plans]
            openclaw = { monthly_usd = 9.99 }
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
            gateways: Vec::new(),
            local_gateway: false,
            terms: Some(Terms {
                claude_code: CostRule::RecordedElseComputed,
                openclaw: CostRule::Recorded,
                own: vec![Override {
                    model: "acme-9".into(),
                    provider: None,
                    from: None,
                    rates: [
                        Some(Rate(1_000_000_000)),
                        Some(Rate(2_500_000_000)),
                        None,
                        None,
                        None,
                    ],
                }],
            }),
            plans: vec![
                Plan {
                    source: Source::ClaudeCode,
                    name: "Max 20x".into(),
                    monthly: NanoUsd::dollars(200),
                },
                Plan {
                    source: Source::OpenClaw,
                    name: "subscription".into(),
                    monthly: NanoUsd(9_990_000_000),
                },
            ],
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
    fn own_prices_and_plans_are_refused_with_their_lines() {
        for (text, expected) in [
            (
                "[costs]\nclaude_code = \"calculated\"",
                vec![
                    "line 2, column 15: `claude_code` must be one of \"computed\", \"recorded\", \"recorded-else-computed\"",
                ],
            ),
            (
                "[prices]\nmodel = \"x\"",
                vec![
                    "line 2, column 9: `model` must be a table for each model; begin each with a line [[prices.model]], its keys below",
                ],
            ),
            (
                "[[prices.model]]\nmodel = \"x\"\ninput = -1\noutput = 3000000\ncache_red = 1\ncache_read = \"1\"\nfrom = 2026-11-01T00:00:00Z",
                vec![
                    "line 3, column 9: `input` must be dollars per million tokens, from 0 to 1000, such as 3.00; 0 is free of charge",
                    "line 4, column 10: `output` must be dollars per million tokens, from 0 to 1000, such as 3.00; is it the price of more than a million tokens?",
                    "line 5, column 1: unknown key `cache_red`; did you mean `cache_read`?",
                    "line 6, column 14: `cache_read` must be dollars per million tokens, from 0 to 1000, such as 3.00",
                    "line 7, column 8: `from` must be a day, such as 2026-11-20",
                ],
            ),
            (
                "[[prices.model]]\nmodel = \" \"\ninput = 1\noutput = 1",
                vec!["line 2, column 9: `model` must be a name in quotes"],
            ),
            (
                "[[prices.model]]\ninput = 1",
                vec![
                    "line 1, column 1: `model` is missing in this [[prices.model]]",
                    "line 1, column 1: `output` is missing in this [[prices.model]]",
                ],
            ),
            (
                "[[prices.model]]\nmodel = \"x\"\ninput = 1\noutput = 1\n\n[[prices.model]]\nmodel = \"X\"\ninput = 2\noutput = 1",
                vec![
                    "line 6, column 1: `x` has two prices here that hold from the same day; give one of them a `from`, or remove it",
                ],
            ),
            (
                "[plans]\nclaude_code = 200",
                vec![
                    "line 2, column 15: `claude_code` must be a plan, such as { name = \"Max\", monthly_usd = 100.00 }",
                ],
            ),
            (
                "[plans.claude_code]\nname = 5\nmonthly = 3\nmonthly_usd = -3",
                vec![
                    "line 2, column 8: `name` must be a name in quotes",
                    "line 3, column 1: unknown key `monthly`; did you mean `monthly_usd`?",
                    "line 4, column 15: `monthly_usd` must be an amount in dollars from 0 to 1000000, such as 12.50",
                ],
            ),
        ] {
            assert_eq!(faults(text), expected, "{text}");
        }
    }

    #[test]
    fn gateways_are_read() {
        let text = "[[gateways]]\nname = \"home\"\nurl = \"http://127.0.0.1:18789\"\n\
                    [[gateways]]\nname = \"office\"\nurl = \"https://claw.example.org\"\ndefault = true\n\
                    pin = \"SHA256:00FF00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff00ff\"\n\
                    timeout_seconds = 120\n";
        let gateway = |name: &str, url: &str| Gateway {
            name: name.into(),
            address: Address::parse(url).expect("an address"),
            pin: None,
            default: false,
            timeout: 10_000,
            origin: Origin::Config,
        };
        let office = Gateway {
            pin: Pin::parse(&"00ff".repeat(16)),
            default: true,
            timeout: 120_000,
            ..gateway("office", "wss://claw.example.org")
        };
        let config = parse(text, None).expect("gateways");
        assert_eq!(
            config.gateways,
            [gateway("home", "ws://127.0.0.1:18789"), office]
        );
        let (_, example) = TEMPLATE.split_once("# [[gateways]]").expect("an example");
        let (example, _) = example.split_once("\n\n").expect("an end");
        let example = format!("[[gateways]]{}", example.replace("\n# ", "\n"));
        assert_eq!(
            parse(&example, None).map(|config| config.gateways.len()),
            Ok(1)
        );
    }

    #[test]
    fn faulty_gateways_are_told_with_their_places() {
        let text = "[[gateways]]\nname = \"a\"\nurl = \"ws://h\"\ndefault = true\n\
                    [[gateways]]\nname = \"A\"\nurl = \"ws://i\"\ndefault = true\n\
                    [[gateways]]\nname = \"-x\"\nurl = \"htps://h\"\ntoken = \"t\"\ntimeout_seconds = 0\npin = \"00\"\n\
                    [[gateways]]\nname = \"b\"\n[[gateways]]\nurl = \"wss://me:secret@h\"\nname = \"c\"\n";
        insta::assert_snapshot!(faults(text).join("\n"), @r"
        line 5, column 1: two gateways are called `A`; give one another name
        line 5, column 1: `A` is not the only gateway with `default = true`; only one can be meant where none is named
        line 10, column 8: `name` must be a name in quotes, of at most 40 letters, digits, dots, dashes and underscores
        line 11, column 7: `url` is not the address of a gateway; write it as ws://127.0.0.1:18789 or wss://host; did you mean `https`?
        line 12, column 1: unknown key `token`
        line 13, column 19: `timeout_seconds` must be a whole number from 1 to 120
        line 14, column 7: `pin` must be the SHA-256 of a certificate: 64 hexadecimal digits in quotes
        line 15, column 1: `url` is missing in this [[gateways]]
        line 18, column 7: `url` holds more than an address; leave out user, password and everything from ? or #: the token is asked for apart
        ");
        assert_eq!(
            faults("gateways = 5\n[gateway]\n"),
            [
                "line 1, column 1: `gateways` must be a table for each gateway; begin each with a line [[gateways]], its keys below",
                "line 2, column 2: unknown section `gateway`; did you mean `gateways`?",
            ]
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
