//! The spellings of one model's name, from the one written to its bare form; never by substring.

use serde::Serialize;

/// How far a price's name of the model is from the one written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Match {
    /// It is the one written, capitals aside.
    Exact,
    /// Only a date was taken off.
    Dated,
    /// A relay's path, a region, a version or a mode was taken off too.
    Family,
}

/// One way to say a model's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spelling<'m> {
    pub(super) name: &'m str,
    /// A `-fast` was taken off: the bare model's price does not hold without its fast factor.
    pub(super) fast: bool,
    pub(super) how: Match,
}

/// Every spelling of `model` (in lower case), exact first, then without dates and versions, then without the names
/// of those who relay it.
pub(super) fn spellings(model: &str) -> impl Iterator<Item = Spelling<'_>> {
    std::iter::successors(Some(model), |name| without_prefix(name)).flat_map(move |name| {
        let how = if name.len() == model.len() {
            Match::Exact
        } else {
            Match::Family
        };
        let whole = Spelling {
            name,
            fast: false,
            how,
        };
        std::iter::successors(Some(whole), without_suffix)
    })
}

/// Takes off a relay's path ("openrouter/anthropic/"), then Bedrock's region and vendor ("us.anthropic.").
fn without_prefix(name: &str) -> Option<&str> {
    const REGIONS: [&str; 8] = [
        "us.", "eu.", "apac.", "global.", "au.", "jp.", "in.", "us-gov.",
    ];
    if let Some((_, rest)) = name.split_once('/') {
        return Some(rest);
    }
    REGIONS
        .iter()
        .find_map(|region| name.strip_prefix(region))
        .or_else(|| name.strip_prefix("anthropic."))
}

/// Takes off one suffix that does not change the price, or `-fast`, which does.
fn without_suffix<'m>(spelling: &Spelling<'m>) -> Option<Spelling<'m>> {
    const PLAIN: [&str; 6] = ["[1m]", "@default", "-latest", "-v1", "-thinking", "-high"];
    let name = spelling.name;
    if let Some(name) = name.strip_suffix("-fast") {
        return Some(Spelling {
            name,
            fast: true,
            how: Match::Family,
        });
    }
    if let Some(name) = without_date(name) {
        let how = spelling.how.max(Match::Dated);
        return Some(Spelling {
            name,
            how,
            ..*spelling
        });
    }
    PLAIN
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .or_else(|| without_version(name))
        .map(|name| Spelling {
            name,
            how: Match::Family,
            ..*spelling
        })
}

/// Takes off `-20260601`, `@20260601` or `-2026-06-01`.
fn without_date(name: &str) -> Option<&str> {
    ["-dddddddd", "@dddddddd", "-dddd-dd-dd"]
        .iter()
        .find_map(|pattern| {
            let (head, tail) = name.split_at_checked(name.len().checked_sub(pattern.len())?)?;
            let fits = |(byte, want): (u8, u8)| {
                if want == b'd' {
                    byte.is_ascii_digit()
                } else {
                    byte == want
                }
            };
            (tail.get(1..3) == Some("20") && tail.bytes().zip(pattern.bytes()).all(fits))
                .then_some(head)
        })
}

/// Takes off Bedrock's `-v2:0`.
fn without_version(name: &str) -> Option<&str> {
    let (head, version) = name.rsplit_once("-v")?;
    let (major, minor) = version.split_once(':')?;
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (number(major) && number(minor)).then_some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_shortened_step_by_step_and_never_inside() {
        for (model, expected) in [
            ("gpt-5-mini", vec!["gpt-5-mini"]),
            (
                "claude-sonnet-5@20260601",
                vec!["claude-sonnet-5@20260601", "claude-sonnet-5"],
            ),
            (
                "claude-sonnet-5-20260601",
                vec!["claude-sonnet-5-20260601", "claude-sonnet-5"],
            ),
            ("gpt-5-2025-08-07", vec!["gpt-5-2025-08-07", "gpt-5"]),
            (
                "claude-opus-5[1m]",
                vec!["claude-opus-5[1m]", "claude-opus-5"],
            ),
            (
                "claude-opus-5-thinking-high",
                vec![
                    "claude-opus-5-thinking-high",
                    "claude-opus-5-thinking",
                    "claude-opus-5",
                ],
            ),
            ("model-12345678", vec!["model-12345678"]),
            ("deepseek-v3", vec!["deepseek-v3"]),
            ("x-v2:y", vec!["x-v2:y"]),
            ("é-20260601", vec!["é-20260601", "é"]),
            ("日本語日本語", vec!["日本語日本語"]),
            ("", vec![""]),
            (
                "us.anthropic.claude-sonnet-5-v1:0",
                vec![
                    "us.anthropic.claude-sonnet-5-v1:0",
                    "us.anthropic.claude-sonnet-5",
                    "anthropic.claude-sonnet-5-v1:0",
                    "anthropic.claude-sonnet-5",
                    "claude-sonnet-5-v1:0",
                    "claude-sonnet-5",
                ],
            ),
            (
                "openrouter/anthropic/claude-sonnet-5",
                vec![
                    "openrouter/anthropic/claude-sonnet-5",
                    "anthropic/claude-sonnet-5",
                    "claude-sonnet-5",
                ],
            ),
        ] {
            assert_eq!(
                spellings(model)
                    .map(|spelling| spelling.name)
                    .collect::<Vec<_>>(),
                expected,
                "{model}"
            );
        }
    }

    #[test]
    fn each_says_how_far_it_is_from_the_one_written() {
        use Match::{Dated, Exact, Family};
        for (model, expected) in [
            ("gpt-5-2025-08-07", vec![Exact, Dated]),
            ("claude-opus-5-20260101", vec![Exact, Dated]),
            ("claude-opus-5-latest-20260101", vec![Exact, Dated, Family]),
            ("claude-opus-5-20260101-v1:0", vec![Exact, Family, Family]),
            ("relay/gpt-5-2025-08-07", vec![Exact, Dated, Family, Family]),
            ("us.gpt-5", vec![Exact, Family]),
        ] {
            let found: Vec<Match> = spellings(model).map(|spelling| spelling.how).collect();
            assert_eq!(found, expected, "{model}");
        }
    }

    #[test]
    fn fast_is_remembered_when_it_is_taken_off() {
        let found: Vec<_> = spellings("claude-opus-5-fast-20260601")
            .map(|s| (s.name, s.fast))
            .collect();
        assert_eq!(
            found,
            [
                ("claude-opus-5-fast-20260601", false),
                ("claude-opus-5-fast", false),
                ("claude-opus-5", true)
            ]
        );
    }
}
