//! What OpenClaw says of its sessions beside their transcripts: the names of conversations, and the index
//! `sessions.json` that it kept before it had databases.

use super::{name, word};
use crate::usage::SessionFacts;
use serde::{Deserialize, de::IgnoredAny};
use std::{borrow::Cow, collections::HashMap};

/// Adds what the conversation's name tells and nothing else does. Names look like `agent:<agent>:main`,
/// `agent:<agent>:<channel>:<group, channel or direct>:<peer>`, `agent:<agent>:subagent:<id>`,
/// `agent:<agent>:cron:<job>` and `agent:<agent>:…:heartbeat`.
#[must_use]
pub fn completed(mut facts: SessionFacts) -> SessionFacts {
    let parts: Vec<&str> = facts.key.split(':').collect();
    let parts = match parts.as_slice() {
        ["agent", _agent, rest @ ..] => rest,
        all => all,
    };
    let created = match parts {
        // Heartbeats have no word of their own among those that OpenClaw keeps.
        [.., "heartbeat"] => "heartbeat",
        _ if !facts.created.is_empty() => &facts.created,
        ["subagent", ..] => "spawn",
        ["cron", ..] => "cron",
        ["hook", ..] => "hook",
        _ => "",
    };
    let chat = parts.iter().skip(1).find_map(|part| match *part {
        "dm" | "direct" => Some("direct"),
        "group" => Some("group"),
        "channel" => Some("channel"),
        _ => None,
    });
    let (created, chat, channel) = (
        created.to_owned(),
        chat.map(str::to_owned),
        parts.first().map(|channel| (*channel).to_owned()),
    );
    facts.created = created;
    if let (Some(chat), Some(channel)) = (chat, channel) {
        for (fact, told) in [(&mut facts.chat_type, chat), (&mut facts.channel, channel)] {
            if fact.is_empty() {
                *fact = told;
            }
        }
    }
    for text in [&mut facts.key, &mut facts.label, &mut facts.parent] {
        *text = name(std::mem::take(text).into()).into_owned();
    }
    for text in [&mut facts.channel, &mut facts.chat_type, &mut facts.created] {
        *text = word(std::mem::take(text).into()).into_owned();
    }
    facts
}

/// Reads `sessions.json`: the facts of each session id. Its token counts are of the last run only and are left alone.
/// `None` when it is not a whole JSON object; entries without a session id are passed over.
#[must_use]
pub fn index(json: &[u8]) -> Option<Vec<(String, SessionFacts)>> {
    let entries: HashMap<Cow<'_, str>, Option<Entry<'_>>> = serde_json::from_slice(json).ok()?;
    let mut sessions: Vec<(String, SessionFacts)> = entries
        .into_iter()
        .filter_map(|(key, entry)| {
            let entry = entry?;
            let origin = entry.origin.known().unwrap_or_default();
            let facts = completed(SessionFacts {
                key: key.into_owned(),
                label: entry.label.text(),
                channel: first([entry.channel, origin.provider, entry.last_channel]),
                chat_type: first([entry.chat_type, origin.chat_type]),
                created: entry.created_via.text(),
                parent: first([entry.spawned_by, entry.parent]),
            });
            Some((entry.session.text(), facts))
        })
        .filter(|(session, _)| !session.is_empty())
        .collect();
    sessions.sort_by(|(one, _), (two, _)| one.cmp(two));
    Some(sessions)
}

/// The members of an entry that matter; of any other kind than expected they tell nothing.
#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Entry<'a> {
    #[serde(borrow, rename = "sessionId")]
    session: Maybe<Cow<'a, str>>,
    #[serde(borrow)]
    label: Maybe<Cow<'a, str>>,
    #[serde(borrow)]
    channel: Maybe<Cow<'a, str>>,
    #[serde(borrow)]
    last_channel: Maybe<Cow<'a, str>>,
    #[serde(borrow)]
    chat_type: Maybe<Cow<'a, str>>,
    #[serde(borrow)]
    created_via: Maybe<Cow<'a, str>>,
    #[serde(borrow)]
    spawned_by: Maybe<Cow<'a, str>>,
    #[serde(borrow, rename = "parentSessionKey")]
    parent: Maybe<Cow<'a, str>>,
    #[serde(borrow)]
    origin: Maybe<Origin<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Origin<'a> {
    #[serde(borrow)]
    provider: Maybe<Cow<'a, str>>,
    #[serde(borrow)]
    chat_type: Maybe<Cow<'a, str>>,
}

/// A value of the expected kind, or one that is not looked at.
#[derive(Deserialize)]
#[serde(untagged)]
enum Maybe<T> {
    Known(T),
    Other(IgnoredAny),
}

impl<T> Default for Maybe<T> {
    fn default() -> Self {
        Self::Other(IgnoredAny)
    }
}

impl<T> Maybe<T> {
    fn known(self) -> Option<T> {
        match self {
            Self::Known(value) => Some(value),
            Self::Other(_) => None,
        }
    }
}

impl Maybe<Cow<'_, str>> {
    fn text(self) -> String {
        self.known().map(Cow::into_owned).unwrap_or_default()
    }
}

fn first<const N: usize>(spellings: [Maybe<Cow<'_, str>>; N]) -> String {
    let texts = spellings.into_iter().map(Maybe::text);
    texts
        .into_iter()
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(of: [&str; 6]) -> SessionFacts {
        let [key, label, channel, chat_type, created, parent] = of.map(str::to_owned);
        SessionFacts {
            key,
            label,
            channel,
            chat_type,
            created,
            parent,
        }
    }

    #[test]
    fn a_name_tells_what_nothing_else_does() {
        for (key, created, expected) in [
            ("agent:main:main", "run", ["", "", "run"]),
            ("agent:main:main", "", ["", "", ""]),
            (
                "agent:main:main:heartbeat",
                "internal",
                ["", "", "heartbeat"],
            ),
            ("agent:main:subagent:7d02", "", ["", "", "spawn"]),
            ("agent:ops:cron:nightly:run:9", "", ["", "", "cron"]),
            ("cron:nightly", "", ["", "", "cron"]),
            ("hook:7d02", "", ["", "", "hook"]),
            (
                "agent:main:telegram:group:-100",
                "",
                ["telegram", "group", ""],
            ),
            (
                "agent:main:discord:channel:5",
                "channel",
                ["discord", "channel", "channel"],
            ),
            (
                "agent:main:whatsapp:work:direct:+49",
                "",
                ["whatsapp", "direct", ""],
            ),
            ("agent:main:signal:dm:+49", "", ["signal", "direct", ""]),
            ("group", "", ["", "", ""]),
            ("", "", ["", "", ""]),
        ] {
            let [channel, chat_type, becomes] = expected;
            assert_eq!(
                completed(facts([key, "", "", "", created, ""])),
                facts([key, "", channel, chat_type, becomes, ""]),
                "{key}"
            );
        }
        let known = facts([
            "agent:main:telegram:group:7",
            "",
            "matrix",
            "direct",
            "talk",
            "",
        ]);
        assert_eq!(completed(known.clone()), known);
    }

    #[test]
    fn the_index_tells_of_every_session_whatever_else_stands_there() {
        let json = br#"{
            "agent:main:main": {"sessionId": "s2", "label": null, "inputTokens": 500, "skillsSnapshot": {"a": [1]},
                "origin": {"provider": "webchat", "chatType": "direct"}, "lastChannel": "slack"},
            "agent:main:telegram:group:7": {"sessionId": "s1", "label": "Ops \"room\"", "channel": 7, "spawnedBy": "agent:main:main"},
            "agent:main:gone": {"updatedAt": 7},
            "agent:main:null": null
        }"#;
        assert_eq!(
            index(json),
            Some(vec![
                (
                    "s1".to_owned(),
                    facts([
                        "agent:main:telegram:group:7",
                        "Ops \"room\"",
                        "telegram",
                        "group",
                        "",
                        "agent:main:main"
                    ])
                ),
                (
                    "s2".to_owned(),
                    facts(["agent:main:main", "", "webchat", "direct", "", ""])
                ),
            ])
        );
        for broken in [
            &b""[..],
            b"{",
            b"[]",
            b"{\"a\": {\"sessionId\": \"s\"}",
            b"{\"a\": 7}",
        ] {
            assert_eq!(index(broken), None, "{}", String::from_utf8_lossy(broken));
        }
        assert_eq!(index(b"{}"), Some(Vec::new()));
    }
}
