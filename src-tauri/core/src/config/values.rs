//! Reading one value of the config file: its kind, its range, and what to say when it is neither.

use super::TrayText;
use crate::money::NanoUsd;
use jiff::tz::TimeZone;
use std::{
    ops::RangeInclusive,
    path::{Path, PathBuf},
};
use toml::{Spanned, de::DeValue};

/// Why a value is refused, and what may have been meant.
pub(super) struct Refusal(pub(super) String, pub(super) Option<String>);

const MAX_DOLLARS: NanoUsd = NanoUsd::dollars(1_000_000);

pub(super) const TRAY_WORDS: &[(&str, TrayText)] = &[
    ("money", TrayText::Money),
    ("whole-dollars", TrayText::WholeDollars),
    ("tokens", TrayText::Tokens),
    ("icon-only", TrayText::Nothing),
];

/// The nearest candidate, unless even that is too far to have been meant.
pub(super) fn did_you_mean<'a>(
    typed: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<String> {
    let typed = typed.to_lowercase();
    candidates
        .into_iter()
        .map(|word| {
            (
                strsim::damerau_levenshtein(&typed, &word.to_lowercase()),
                word,
            )
        })
        .min()
        .filter(|(distance, word)| {
            *distance <= 1 + word.len() / 4 || (typed.len() > 2 && word.starts_with(&typed))
        })
        .map(|(_, word)| format!("did you mean `{word}`?"))
}

pub(super) fn flag(value: &DeValue<'_>) -> Result<bool, Refusal> {
    match value {
        DeValue::Boolean(on) => Ok(*on),
        DeValue::String(word) if matches!(word.as_ref(), "true" | "false") => Err(Refusal(
            "must be true or false, without quotes".to_owned(),
            None,
        )),
        _ => Err(Refusal("must be true or false".to_owned(), None)),
    }
}

pub(super) fn one_of<T: Copy>(value: &DeValue<'_>, words: &[(&str, T)]) -> Result<T, Refusal> {
    let list = words
        .iter()
        .map(|(word, _)| format!("\"{word}\""))
        .collect::<Vec<_>>()
        .join(", ");
    let typed = value.as_str();
    match words.iter().find(|(word, _)| Some(*word) == typed) {
        Some((_, meaning)) => Ok(*meaning),
        None => Err(Refusal(
            format!("must be one of {list}"),
            typed.and_then(|typed| did_you_mean(typed, words.iter().map(|(word, _)| *word))),
        )),
    }
}

/// `None` for "system".
pub(super) fn zone(value: &DeValue<'_>) -> Result<Option<String>, Refusal> {
    let Some(name) = value.as_str() else {
        return Err(Refusal(
            "must be \"system\" or the name of a time zone, in quotes".to_owned(),
            None,
        ));
    };
    if name == "system" {
        return Ok(None);
    }
    match TimeZone::get(name) {
        Ok(zone) => Ok(Some(zone.iana_name().unwrap_or(name).to_owned())),
        Err(_) => {
            let names: Vec<String> = jiff::tz::db()
                .available()
                .map(|name| name.as_str().to_owned())
                .collect();
            let candidates = names.iter().map(String::as_str).chain(["system"]);
            Err(Refusal(
                format!("names the time zone {name:?}, which is not known here"),
                did_you_mean(name, candidates),
            ))
        }
    }
}

pub(super) fn dollars(value: &DeValue<'_>) -> Result<NanoUsd, Refusal> {
    decimal(value)
        .filter(|amount| (NanoUsd::ZERO..=MAX_DOLLARS).contains(amount))
        .ok_or_else(|| {
            Refusal(
                "must be an amount in dollars from 0 to 1000000, such as 12.50".to_owned(),
                None,
            )
        })
}

pub(super) fn thousandths(value: &DeValue<'_>, range: RangeInclusive<i64>) -> Result<i64, Refusal> {
    decimal(value)
        .map(|number| number.0 / 1_000_000)
        .filter(|number| range.contains(number))
        .ok_or_else(|| {
            let show = |milli: &i64| NanoUsd(milli * 1_000_000).to_string();
            let [low, high] = [range.start(), range.end()].map(|milli| {
                show(milli)
                    .trim_end_matches('0')
                    .trim_end_matches('.')
                    .to_owned()
            });
            Refusal(format!("must be a number from {low} to {high}"), None)
        })
}

/// Reads a number from its own digits, so that no float comes between.
pub(super) fn decimal(value: &DeValue<'_>) -> Option<NanoUsd> {
    let digits = match value {
        DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
        DeValue::Float(number) => number.as_str(),
        _ => return None,
    };
    NanoUsd::parse_decimal(digits.strip_prefix('+').unwrap_or(digits))
}

pub(super) fn folders(value: &DeValue<'_>, home: Option<&Path>) -> Result<Vec<PathBuf>, Refusal> {
    let wrong = || {
        Refusal(
            "must be a list of folders, each in quotes, such as [\"~/logs\"]".to_owned(),
            None,
        )
    };
    let DeValue::Array(items) = value else {
        return Err(wrong());
    };
    let folder = |item: &Spanned<DeValue<'_>>| {
        let typed = item
            .get_ref()
            .as_str()
            .filter(|typed| !typed.trim().is_empty())
            .ok_or_else(wrong)?;
        let below_home = match typed.strip_prefix('~') {
            Some(rest) if rest.is_empty() || rest.starts_with(['/', '\\']) => Some(rest),
            _ => None,
        };
        let path = match below_home {
            Some(rest) => home
                .ok_or_else(|| {
                    Refusal(
                        format!("holds {typed:?}, and no home folder is known"),
                        None,
                    )
                })?
                .join(rest.trim_start_matches(['/', '\\'])),
            None => PathBuf::from(typed),
        };
        if path.is_absolute() {
            return Ok(path);
        }
        let suggestion = Some("begin it with ~/ or give it in full".to_owned());
        Err(Refusal(
            format!("holds {typed:?}, which does not say where it begins"),
            suggestion,
        ))
    };
    items.iter().map(folder).collect()
}
