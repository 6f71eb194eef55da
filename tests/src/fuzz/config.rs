//! The settings file: every fault is told with its place, and what is in force is in range.

use clawspend_core::{
    config::{Config, ConfigFault, parse, set},
    money::NanoUsd,
};
use std::{fs, path::Path};

/// `data` is the file.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let home = Path::new(if cfg!(windows) {
        r"C:\Users\ada"
    } else {
        "/home/ada"
    });
    let parsed = parse(text, Some(home));
    match &parsed {
        Ok(config) => in_range(config),
        Err(faults) => are_told(faults, text),
    }
    let is_toml = text.parse::<toml_edit::DocumentMut>().is_ok();
    assert!(is_toml || parsed.is_err(), "in force though it is not TOML");
    if let Ok(before) = parsed {
        one_value_changes(text, home, before);
    }
}

fn in_range(config: &Config) {
    let dollars = NanoUsd::ZERO..=NanoUsd::dollars(1_000_000);
    if let Some(budget) = config.daily_budget {
        assert!(budget > NanoUsd::ZERO && dollars.contains(&budget));
    }
    if let Some(spike) = config.spike {
        assert!((1_100..=1_000_000).contains(&spike.ratio_milli));
        assert!((0..=100_000).contains(&spike.deviations_milli));
        assert!(dollars.contains(&spike.floor));
    }
    assert!(
        config
            .claude_roots
            .iter()
            .chain(&config.openclaw_roots)
            .all(|root| root.is_absolute())
    );
}

/// Each in one line, at a place that the text has, in the order of their places.
fn are_told(faults: &[ConfigFault], text: &str) {
    assert!(!faults.is_empty());
    assert!(faults.is_sorted_by_key(|fault| fault.place));
    for fault in faults {
        let told = fault.to_string();
        assert!(!told.contains(char::is_control), "{told:?}");
        let place = fault.place.expect("a place in the text");
        let line = text
            .split('\n')
            .nth(place.line - 1)
            .expect("a line of the text");
        assert!(
            (1..=line.chars().count() + 1).contains(&place.column),
            "{told}"
        );
    }
}

/// What a door sets is what is read afterwards, and nothing else has changed.
fn one_value_changes(text: &str, home: &Path, before: Config) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("clawspend.toml");
    fs::write(&path, text).expect("written");
    let changed =
        set(&path, Some(home), "budget", "daily_usd", "12.50").expect("a value that is allowed");
    let expected = Config {
        daily_budget: Some(NanoUsd(12_500_000_000)),
        ..before
    };
    assert_eq!(changed, expected);
    let written = fs::read_to_string(&path).expect("read");
    assert_eq!(parse(&written, Some(home)), Ok(expected));
}
