//! What a gateway pushes of a transcript: a `session.message` event, which wraps the message that the transcript
//! stores. Its message id is the stored event's id, so both are one response.

use super::{Cursor, Message, Record, Value, member, observe};
use crate::{
    dialects::{Carry, Context, name, tidy},
    time::UnixMillis,
    usage::{Fault, Line},
};

/// One pushed message; its text was passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The conversation, such as `agent:main:main`.
    pub key: String,
    /// The stored event's id.
    pub event: String,
    /// When the gateway stored it, by its own clock: the message's time is when the response began.
    pub stored: Option<UnixMillis>,
    /// What it counts; the gateway's name is for the caller to fill in.
    pub line: Line<'static>,
}

/// No response takes longer.
const LONGEST_MILLIS: i64 = 24 * 3_600_000;

/// Reads the event's payload. `rank` is the standing of what gateways push among copies.
#[must_use]
pub fn parse(payload: &[u8], rank: u8) -> Pushed {
    let Some(event) = Cursor::line(payload, Event::read) else {
        return Pushed {
            key: String::new(),
            event: String::new(),
            stored: None,
            line: Line::Broken(Fault::NotJson),
        };
    };
    let text = |value: Value<'_>| name(value.text().unwrap_or_default()).into_owned();
    let context = Context {
        session: text(event.session),
        agent: text(event.agent),
        rank,
        ..Context::default()
    };
    let record = Record {
        id: event.id,
        message: event.message,
        ..Record::default()
    };
    let own_time = record.message.timestamp.instant();
    let stored = record.message.stored.instant().filter(|stored| {
        own_time.is_some_and(|began| (0..=LONGEST_MILLIS).contains(&(stored.0 - began.0)))
    });
    let line = match observe(&record, own_time, &context, &Carry::default()) {
        Ok(observation) => {
            let mut observation = observation.into_owned();
            tidy(&mut observation);
            Line::Observation(Box::new(observation))
        }
        Err(Line::Ignored(reason)) => Line::Ignored(reason),
        Err(Line::Broken(fault)) => Line::Broken(fault),
        Err(Line::Observation(never)) => Line::Observation(Box::new(never.into_owned())),
    };
    Pushed {
        key: text(event.key),
        event: text(event.id),
        stored,
        line,
    }
}

#[derive(Default)]
struct Event<'a> {
    key: Value<'a>,
    agent: Value<'a>,
    id: Value<'a>,
    session: Value<'a>,
    message: Message<'a>,
}

impl<'a> Event<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut event = Self::default();
        cursor.members(|key, cursor| {
            match key {
                b"sessionKey" => event.key = cursor.value()?,
                b"agentId" => event.agent = cursor.value()?,
                b"messageId" => event.id = cursor.value()?,
                b"message" => event.message = Message::read(cursor)?,
                b"session" => event.session = member(cursor, b"sessionId")?,
                _ => drop(cursor.value()?),
            }
            Some(())
        })?;
        Some(event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        dialects::openclaw,
        money::NanoUsd,
        usage::{Observation, Reason, Tokens},
    };
    use serde_json::{Value as Json, json};

    /// What a gateway sent during one turn.
    const TURN: &str = include_str!(
        "../../../../../tests/fixtures/gateway/events/turn-after-sessions.subscribe.json"
    );

    fn payloads() -> Vec<Json> {
        let events: Vec<Json> = serde_json::from_str(TURN).expect("JSON");
        let messages = events
            .into_iter()
            .filter(|event| event["event"] == "session.message");
        messages.map(|mut event| event["payload"].take()).collect()
    }

    fn assistant() -> Json {
        let mut all = payloads().into_iter();
        all.find(|payload| payload["message"]["role"] == "assistant")
            .expect("an answer")
    }

    fn observation(payload: &Json) -> Observation<'static> {
        match parse(payload.to_string().as_bytes(), 5).line {
            Line::Observation(observation) => *observation,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_pushed_answer_is_the_stored_events_response() {
        let payload = assistant();
        let pushed = parse(payload.to_string().as_bytes(), 5);
        assert_eq!(pushed.key, "agent:main:main");
        assert_eq!(pushed.event, "4fba8df0-5075-4752-b801-00bb03894053");
        assert_eq!(pushed.stored, Some(UnixMillis(1_795_178_103_561)));
        let seen = observation(&payload);
        let tokens = Tokens {
            input: 1_100,
            output: 120,
            cache_read: 800,
            ..Tokens::default()
        };
        assert_eq!(
            (seen.tokens, seen.recorded),
            (tokens, Some(NanoUsd(5_340_000)))
        );
        assert_eq!((&*seen.provider, &*seen.model), ("mock", "mock-large"));
        let session = "0b243ddd-d81c-428f-8097-d4747d0a7f41";
        assert_eq!(
            (&*seen.agent, &*seen.session, seen.rank),
            ("main", session, 5)
        );

        let stored = json!({
            "type": "message", "id": payload["messageId"], "parentId": "e61f6c1a-0000-4000-8000-000000000000",
            "timestamp": "2026-11-20T12:35:03.561Z", "message": payload["message"],
        });
        let stored = stored.to_string();
        let context = Context {
            session: session.into(),
            agent: "main".into(),
            ..Context::default()
        };
        let Line::Observation(stored) =
            openclaw::parse(stored.as_bytes(), &context, &mut Carry::default())
        else {
            panic!("{stored}")
        };
        let expected = Observation {
            rank: 5,
            parent: 0,
            ..*stored
        };
        assert_eq!(seen, expected);
    }

    #[test]
    fn what_counts_nothing_says_why() {
        let mut user = assistant();
        user["message"]["role"] = json!("user");
        let mut zero = assistant();
        zero["message"]["usage"] = json!({ "input": 0, "output": 0 });
        let mut timeless = assistant();
        timeless["message"]["timestamp"] = json!("soon");
        for (payload, line) in [
            (user, Line::Ignored(Reason::NotAssistant)),
            (zero, Line::Ignored(Reason::ZeroUsage)),
            (timeless, Line::Broken(Fault::BadTimestamp)),
            (json!({}), Line::Ignored(Reason::NotAssistant)),
            (json!([]), Line::Broken(Fault::NotJson)),
        ] {
            assert_eq!(
                parse(payload.to_string().as_bytes(), 5).line,
                line,
                "{payload}"
            );
        }
    }

    #[test]
    fn when_it_was_stored_is_believed_where_it_can_be() {
        let began = 1_795_178_103_495_i64;
        for (stored, believed) in [
            (json!(began), Some(began)),
            (json!(began + 86_400_000), Some(began + 86_400_000)),
            (json!(began + 86_400_001), None),
            (json!(began - 1), None),
            (json!(0), None),
            (json!("soon"), None),
            (json!(null), None),
        ] {
            let mut payload = assistant();
            payload["message"]["__openclaw"]["recordTimestampMs"] = stored.clone();
            let pushed = parse(payload.to_string().as_bytes(), 5);
            assert_eq!(pushed.stored, believed.map(UnixMillis), "{stored}");
            assert_eq!(observation(&payload), observation(&assistant()), "{stored}");
        }
        let mut payload = assistant();
        payload["message"]["__openclaw"] = json!(7);
        assert_eq!(parse(payload.to_string().as_bytes(), 5).stored, None);
    }

    #[test]
    fn what_is_too_long_for_a_name_is_none() {
        let mut payload = assistant();
        let long = "long ".repeat(1_000);
        for member in ["sessionKey", "agentId", "messageId"] {
            payload[member] = json!(long);
        }
        let pushed = parse(payload.to_string().as_bytes(), 5);
        let seen = observation(&payload);
        for kept in [&*pushed.key, &pushed.event, &seen.agent] {
            assert_eq!(kept, format!("{}…", &long[..256]));
        }
    }

    #[test]
    fn no_text_of_a_message_is_held() {
        let mut payload = assistant();
        payload["message"]["content"] = json!([{ "type": "text", "text": "the secret plan" }]);
        payload["session"]["lastMessagePreview"] = json!("the secret plan");
        let pushed = format!("{:?}", parse(payload.to_string().as_bytes(), 5));
        assert!(!pushed.contains("secret"), "{pushed}");
    }
}
