//! The list of gateways: a table for each.

use super::{
    parse::Reading,
    prices::fields,
    values::{Refusal, did_you_mean, flag},
};
use crate::gateway::{Address, Gateway, Origin, Pin, TIMEOUT};
use toml::de::{DeTable, DeValue};

const KEYS: [&str; 5] = ["name", "url", "default", "pin", "timeout_seconds"];

/// Every `[[gateways]]`.
pub(super) fn gateways(
    value: &DeValue<'_>,
    reading: &mut Reading<'_>,
) -> Result<Vec<Gateway>, Refusal> {
    let wrong = || {
        let suggestion = "begin each with a line [[gateways]], its keys below".to_owned();
        Refusal(
            "`gateways` must be a table for each gateway".into(),
            Some(suggestion),
        )
    };
    let DeValue::Array(items) = value else {
        return Err(wrong());
    };
    let mut found: Vec<Gateway> = Vec::new();
    for item in items {
        let DeValue::Table(table) = item.get_ref() else {
            return Err(wrong());
        };
        let Some(one) = gateway(table, item.span().start, reading) else {
            continue;
        };
        let mut refuse = |why: String, suggestion: &str| {
            let refusal = Refusal(why, Some(suggestion.to_owned()));
            reading.inside.push((item.span().start, refusal));
        };
        if found
            .iter()
            .any(|other| other.name.eq_ignore_ascii_case(&one.name))
        {
            refuse(
                format!("two gateways are called `{}`", one.name),
                "give one another name",
            );
        }
        if one.default && found.iter().any(|other| other.default) {
            refuse(
                format!(
                    "`{}` is not the only gateway with `default = true`",
                    one.name
                ),
                "only one can be meant where none is named",
            );
        }
        found.push(one);
    }
    Ok(found)
}

fn gateway(table: &DeTable<'_>, start: usize, reading: &mut Reading<'_>) -> Option<Gateway> {
    let (mut name, mut address, mut default, mut pin) = (None, None, false, None);
    let mut timeout = TIMEOUT;
    let faults = reading.inside.len();
    fields(table, reading, &KEYS, |key, value| match key {
        "name" => gateway_name(value).map(|text| name = Some(text)),
        "url" => url(value).map(|url| address = Some(url)),
        "default" => flag(value).map(|on| default = on),
        "pin" => fingerprint(value).map(|fingerprint| pin = Some(fingerprint)),
        _ => seconds(value).map(|seconds| timeout = seconds * 1_000),
    });
    if reading.inside.len() == faults {
        for (key, found) in [("name", name.is_some()), ("url", address.is_some())] {
            if !found {
                let refusal = Refusal(format!("`{key}` is missing in this [[gateways]]"), None);
                reading.inside.push((start, refusal));
            }
        }
    }
    Some(Gateway {
        name: name?,
        address: address?,
        pin,
        default,
        timeout,
        origin: Origin::Config,
    })
}

/// Whether a text can be a gateway's name.
pub(crate) fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let begins = text
        .bytes()
        .next()
        .is_some_and(|byte| byte.is_ascii_alphanumeric());
    begins && text.len() <= 40 && text.bytes().all(plain)
}

fn gateway_name(value: &DeValue<'_>) -> Result<String, Refusal> {
    match value.as_str() {
        Some(text) if is_name(text) => Ok(text.to_owned()),
        _ => Err(Refusal(
            "must be a name in quotes, of at most 40 letters, digits, dots, dashes and underscores"
                .into(),
            None,
        )),
    }
}

fn url(value: &DeValue<'_>) -> Result<Address, Refusal> {
    let Some(text) = value.as_str() else {
        let why = "must be an address in quotes, such as \"wss://claw.example.org\"";
        return Err(Refusal(why.into(), None));
    };
    Address::parse(text).map_err(|error| {
        let scheme = text.split_once("://").map(|(scheme, _)| scheme);
        let known = ["ws", "wss", "http", "https"];
        let suggestion = scheme.filter(|scheme| !known.contains(scheme));
        Refusal(
            error.to_string(),
            suggestion.and_then(|scheme| did_you_mean(scheme, known)),
        )
    })
}

fn fingerprint(value: &DeValue<'_>) -> Result<Pin, Refusal> {
    value.as_str().and_then(Pin::parse).ok_or_else(|| {
        let why = "must be the SHA-256 of a certificate: 64 hexadecimal digits in quotes";
        Refusal(why.into(), None)
    })
}

fn seconds(value: &DeValue<'_>) -> Result<u64, Refusal> {
    let digits = value.as_integer().map(|number| number.as_str().parse());
    match digits {
        Some(Ok(seconds @ 1..=120)) => Ok(seconds),
        _ => Err(Refusal("must be a whole number from 1 to 120".into(), None)),
    }
}
