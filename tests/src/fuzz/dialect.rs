//! What all dialects promise of a file's lines:
//!
//! - what a line means does not depend on the pieces in which the file is read, nor on restarts in between;
//! - a JSON object is never called broken JSON, any other JSON always is;
//! - a line that was cut short never counts;
//! - a line means the same when a JSON library has written it anew;
//! - what counts stays within the limits that keep sums from overflowing.

use clawspend_core::{
    dialects::{Carry, Context},
    follow::lines::{Lines, Piece},
    money::NanoUsd,
    usage::{Fault, Line, Observation, Source},
};
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};
use std::{fmt, io::Read};

pub(super) type Parse = for<'a> fn(&'a [u8], &'a Context, &mut Carry) -> Line<'a>;

/// A dialect, and what judging a line by itself takes.
pub(super) struct Dialect {
    pub(super) parse: Parse,
    /// What earlier lines said that a line needs to count.
    pub(super) carry: Carry,
    /// A line with this member is read whole.
    pub(super) telling: &'static [u8],
}

pub(super) fn check(data: &[u8], dialect: &Dialect) {
    let parse = dialect.parse;
    let whole = outcomes(data, data.len().max(1), parse);
    // Pieces of one byte are slow on long input.
    for step in [1 + data.len() / 256, 1 + data.len() / 3] {
        assert_eq!(
            outcomes(data, step, parse),
            whole,
            "read {step} bytes at a time"
        );
    }
    for line in data.split(|byte| *byte == b'\n') {
        promises(line, dialect);
    }
}

/// What each line comes to, and where it begins, with a restart after every line.
fn outcomes(data: &[u8], step: usize, parse: Parse) -> Vec<(u64, String)> {
    let context = context();
    let mut kept = String::from("{}");
    let mut told = Vec::new();
    let mut take = |piece: Piece<'_>| {
        let Piece::Line(at, line) = piece else {
            panic!("{piece:?} is too long for this test")
        };
        let mut carry: Carry = serde_json::from_str(&kept).expect("a carry that was kept");
        told.push((at, format!("{:?}", parse(line, &context, &mut carry))));
        kept = serde_json::to_string(&carry).expect("a carry is JSON");
    };
    let mut lines = Lines::new(Dribble(data, step), 0, Vec::new());
    while let Some(piece) = lines.next().expect("bytes in memory") {
        take(piece);
    }
    lines.rest().into_iter().for_each(take);
    told
}

/// Gives out at most so many bytes a read.
struct Dribble<'a>(&'a [u8], usize);

impl Read for Dribble<'_> {
    fn read(&mut self, to: &mut [u8]) -> std::io::Result<usize> {
        let length = self.1.min(to.len());
        (&mut self.0).take(length as u64).read(to)
    }
}

fn context() -> Context {
    Context {
        session: "session".into(),
        project: "project".into(),
        agent: "main".into(),
        ..Context::default()
    }
}

fn promises(line: &[u8], dialect: &Dialect) {
    let context = context();
    // Every line is judged with a time at hand, so that the lack of one hides nothing.
    let read = |line: &[u8], check: &mut dyn FnMut(Line<'_>)| {
        let mut carry = Carry {
            at: clawspend_core::time::UnixMillis::parse_rfc3339("2026-11-20T09:00:00Z"),
            ..dialect.carry.clone()
        };
        // Its bytes are its own, so that reading past them would be noticed.
        let line = line.to_vec();
        check((dialect.parse)(&line, &context, &mut carry));
    };
    read(line, &mut |outcome| {
        if let Line::Observation(observation) = &outcome {
            within_limits(observation);
            for cut in cuts(line) {
                read(cut, &mut |outcome| {
                    assert!(
                        !matches!(outcome, Line::Observation(_)),
                        "counts though cut short"
                    );
                });
            }
        }
        let is_broken = outcome == Line::Broken(Fault::NotJson);
        match serde_json::from_slice::<Distinct>(line) {
            Ok(Distinct(Value::Object(object))) => {
                assert!(!is_broken, "a JSON object is called broken");
                same_when_written_anew(line, &object, outcome, &read);
            }
            Ok(_) => assert!(is_broken, "JSON that is no object"),
            Err(error) if error.is_eof() && mentions(line, dialect.telling) => {
                assert!(is_broken, "JSON that ends too early");
            }
            // The field finder knows less grammar than a JSON parser: it may let pass what is not JSON.
            Err(_) => {}
        }
    });
}

type Reader<'a> = dyn Fn(&[u8], &mut dyn FnMut(Line<'_>)) + 'a;

fn same_when_written_anew(
    line: &[u8],
    object: &Map<String, Value>,
    outcome: Line<'_>,
    read: &Reader<'_>,
) {
    // Keys and words written with escapes are not recognized; nobody writes them so.
    if mentions(line, b"\\u00") {
        return;
    }
    let anew = serde_json::to_vec(object).expect("a map is JSON");
    let outcome = format!("{:?}", without_recorded(outcome));
    read(&anew, &mut |other| {
        assert_eq!(format!("{:?}", without_recorded(other)), outcome);
    });
}

/// The library reads dollars as floating point, so it writes others.
fn without_recorded(mut line: Line<'_>) -> Line<'_> {
    if let Line::Observation(observation) = &mut line {
        observation.recorded = None;
    }
    line
}

/// The line without its end, at up to 64 places and behind every closing brace.
fn cuts(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let line = line.trim_ascii_end();
    let every = line.len() / 64 + 1;
    let is_cut = move |at: &usize| at.is_multiple_of(every) || line[at - 1] == b'}';
    (1..line.len()).filter(is_cut).map(|at| &line[..at])
}

/// Sums of what passes here never overflow.
pub(super) fn within_limits(observation: &Observation<'_>) {
    let Observation {
        at,
        tokens,
        modifiers,
        recorded,
        extras,
        source,
        model,
        ..
    } = observation;
    let counts = [
        tokens.input,
        tokens.output,
        tokens.cache_read,
        tokens.cache_write_5m,
        tokens.cache_write_1h,
        tokens.unsplit,
    ];
    assert!(
        counts.iter().all(|count| *count <= 10_000_000_000),
        "{tokens:?}"
    );
    assert!(modifiers.web_searches <= 100_000);
    assert!(at.plausible().is_some(), "{at:?}");
    assert!(!model.is_empty());
    assert!(
        tokens.total() > 0 || modifiers.web_searches > 0 || !extras.is_empty(),
        "counts nothing"
    );
    // What Claude Code recorded is never summed.
    let dearest = NanoUsd::dollars(match source {
        Source::ClaudeCode => i64::MAX / 1_000_000_000,
        Source::OpenClaw => 100_000,
    });
    assert!(
        recorded.is_none_or(|cost| (NanoUsd::ZERO..=dearest).contains(&cost)),
        "{recorded:?}"
    );
    for extra in extras {
        assert!(extra.tokens.total() > 0 && extra.extras.is_empty());
        assert!(*source == Source::ClaudeCode && extra.cluster != observation.cluster);
        within_limits(extra);
    }
}

pub(super) fn mentions(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|window| window == word)
}

/// JSON in which no object has two members of one name.
pub(super) struct Distinct(pub(super) Value);

impl<'de> Deserialize<'de> for Distinct {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Value;

            fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Value, E> {
                Ok(Value::Null)
            }

            fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_str<E>(self, value: &str) -> Result<Value, E> {
                Ok(value.into())
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
                let mut array = Vec::new();
                while let Some(Distinct(item)) = items.next_element()? {
                    array.push(item);
                }
                Ok(array.into())
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
                let (mut object, mut twice) = (Map::new(), false);
                while let Some((key, Distinct(value))) = members.next_entry::<String, _>()? {
                    twice |= object.insert(key, value).is_some();
                }
                if twice {
                    return Err(A::Error::custom("a member twice"));
                }
                Ok(object.into())
            }
        }
        json.deserialize_any(Any).map(Distinct)
    }
}
