//! What a gateway says, one frame at a time.

use super::dialect::{Distinct, mentions, within_limits};
use clawspend_core::{
    dialects::{
        Carry, Context,
        openclaw::{self, pushed},
    },
    follow::roots::rank,
    gateway::{
        Ask, Credentials, DeviceKey, Input, Moment, Output, Secret, Session,
        frame::{self, Event, Frame, Hello, Text},
    },
    time::UnixMillis,
    usage::{Line, Observation},
};
use jiff::civil::date;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use std::sync::Arc;

/// `data` is the text of a frame.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    match frame::decode(text) {
        None => {}
        Some(_) if !text.trim_ascii_start().starts_with('{') => panic!("no object, yet a frame"),
        Some(_) if serde_json::from_str::<IgnoredAny>(text).is_err() => panic!("not JSON"),
        Some(Frame::Answer {
            result: Ok(payload),
            ..
        }) => greeting_in_limits(Hello::read(payload)),
        Some(Frame::Answer {
            result: Err(refused),
            ..
        }) => {
            for word in [refused.code, refused.detail, refused.reason] {
                assert!(is_word(&word) || word.is_empty(), "{word:?}");
            }
            assert!(refused.request.is_none_or(|id| is_word(&id)));
        }
        Some(Frame::Event {
            event: Event::Message(payload),
            ..
        }) => message_keeps_its_promises(payload.get()),
        Some(_) => {}
    }
    // Keys and words written with escapes are not recognized in messages; nobody writes them so.
    if !mentions(data, b"\\u00")
        && let Ok(Distinct(value)) = serde_json::from_str(text)
    {
        assert_eq!(meaning(&value.to_string()), meaning(text), "written anew");
    }
    if let Ok(mut value) = serde_json::from_str::<Value>(text) {
        plant(&mut value);
        let kept = kept(&value);
        assert!(!kept.contains(PLANTED), "{kept}");
    }
}

fn is_word(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-')
}

/// What was longer ends in a mark.
fn is_name(text: &str) -> bool {
    text.len() <= 256 + "…".len()
}

fn greeting_in_limits(hello: Option<Hello<'_>>) {
    let Some(hello) = hello else { return };
    assert!((1_000..=120_000).contains(&hello.tick()));
    assert!(is_word(&hello.version()) || hello.version().is_empty());
    assert!(hello.scopes().iter().all(|scope| is_word(scope)));
}

/// What counts is within limits, and is the same response that the transcript's own record tells.
fn message_keeps_its_promises(payload: &str) {
    let pushed = pushed::parse(payload.as_bytes(), rank::GATEWAY);
    assert!(is_name(&pushed.key) && is_name(&pushed.event));
    let Line::Observation(seen) = pushed.line else {
        return;
    };
    within_limits(&seen);
    assert!(is_name(&seen.agent) && is_name(&seen.session));
    let Ok(Distinct(payload)) = serde_json::from_str(payload) else {
        return;
    };
    let stored = json!({
        "type": "message", "id": payload["messageId"], "message": payload["message"], "timestamp": "2026-11-20T09:00:00Z",
    });
    if mentions(payload.to_string().as_bytes(), b"\\u00") || !payload["messageId"].is_string() {
        return;
    }
    let context = Context {
        session: seen.session.to_string(),
        agent: seen.agent.to_string(),
        rank: rank::GATEWAY,
        ..Context::default()
    };
    let stored = stored.to_string();
    let line = openclaw::parse(stored.as_bytes(), &context, &mut Carry::default());
    assert_eq!(
        without_recorded(line),
        without_recorded(Line::Observation(seen))
    );
}

/// The library reads dollars as floating point, so it writes others.
fn without_recorded(line: Line<'_>) -> Line<'_> {
    match line {
        Line::Observation(seen) => Line::Observation(Box::new(Observation {
            recorded: None,
            ..*seen
        })),
        line => line,
    }
}

/// All that is read of a frame.
fn meaning(text: &str) -> Option<String> {
    Some(match frame::decode(text)? {
        Frame::Answer {
            id,
            result: Ok(payload),
        } => {
            let hello = Hello::read(payload);
            let token = hello.as_ref().and_then(Hello::device_token);
            format!("{id} {hello:?} {:?}", token.as_ref().map(Secret::expose))
        }
        Frame::Event {
            event: Event::Message(payload),
            seq,
        } => {
            let pushed = pushed::parse(payload.get().as_bytes(), rank::GATEWAY);
            let line = without_recorded(pushed.line);
            format!("{seq:?} {} {} {line:?}", pushed.key, pushed.event)
        }
        other => format!("{other:?}"),
    })
}

const PLANTED: &str = "what was said between them";

/// Puts words where a gateway has the words of a conversation.
fn plant(value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match name.as_str() {
                    "content" | "text" | "thinking" | "arguments" | "lastMessagePreview" => {
                        *member = PLANTED.into();
                    }
                    _ => plant(member),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(plant),
        _ => {}
    }
}

/// All that a session tells of a frame, and what it is afterwards: when the frame comes by itself, and when what it
/// holds is the answer to a question.
fn kept(frame: &Value) -> String {
    let mut desk = Desk::connected();
    let mut kept = format!("{:?}", desk.say(Input::Text(&frame.to_string())));
    let payload = frame.get("payload").unwrap_or(frame);
    let key = || "agent:main:main".to_owned();
    for ask in [
        Ask::Quotas,
        Ask::Usage {
            since: date(2026, 11, 14),
            until: date(2026, 11, 20),
            zone: "UTC".into(),
            sessions: 50,
        },
        Ask::Timeseries { key: key() },
        Ask::Log {
            key: key(),
            limit: 20,
        },
    ] {
        let out = desk.say(Input::Ask(1, ask));
        if let [Output::Send(request)] = out.as_slice() {
            let answer = answer(request, payload);
            kept += &format!("{:?}", desk.say(Input::Text(&answer)));
        }
    }
    kept + &format!("{:?}", desk.0)
}

fn answer(request: &Text, payload: &Value) -> String {
    let request: Value = serde_json::from_str(&request.0).expect("JSON");
    json!({ "type": "res", "id": request["id"], "ok": true, "payload": payload }).to_string()
}

/// A session in the middle of its life.
struct Desk(Session);

impl Desk {
    fn connected() -> Self {
        let key = Arc::new(DeviceKey::from_seed(&[3; 32]));
        let session = Session::new("home", 10_000, key, Credentials::default(), None);
        let mut desk = Self(session);
        assert_eq!(desk.say(Input::Timer), [Output::Connect]);
        assert_eq!(desk.say(Input::Opened), []);
        let challenge = json!({ "type": "event", "event": "connect.challenge", "payload": { "nonce": "n", "ts": 1 } });
        let out = desk.say(Input::Text(&challenge.to_string()));
        let [Output::Send(connect)] = out.as_slice() else {
            panic!("{out:?}")
        };
        let greeting = answer(connect, &crate::gateway::hello());
        desk.say(Input::Text(&greeting));
        assert_eq!(desk.0.state().word(), "connected");
        desk
    }

    fn say(&mut self, input: Input<'_>) -> Vec<Output> {
        let now = Moment {
            elapsed: 0,
            wall: UnixMillis(1_795_178_000_000),
        };
        self.0.handle(input, now, 0)
    }
}
