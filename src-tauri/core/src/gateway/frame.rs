//! The gateway's frames: JSON text -> [`Frame`], and back. Unknown members are passed over, and so is all text of
//! messages: payloads are borrowed from the frame and only what is wanted of them is ever copied.

use super::identity::{Claim, Credentials, DeviceKey, Secret};
use serde::Deserialize;
use serde_json::{Value, json, value::RawValue};
use std::borrow::Cow;

/// The longest frame that is read; a gateway itself sends at most 25 MiB.
pub const LONGEST_FRAME: usize = 32 << 20;
/// The oldest protocol we speak.
pub const OLDEST_PROTOCOL: u32 = 3;
/// The newest.
pub const NEWEST_PROTOCOL: u32 = 4;
/// All we ever ask to be allowed. More would need another approval, and a wider one would stay.
pub const SCOPE: &str = "operator.read";

const CLIENT: &str = "gateway-client";
const MODE: &str = "ui";
const ROLE: &str = "operator";
/// A constant without a version: a device whose platform changes must be approved again.
const PLATFORM: &str = if cfg!(target_os = "macos") {
    "macos"
} else if cfg!(windows) {
    "windows"
} else {
    "linux"
};

/// What a gateway said.
#[derive(Debug)]
pub enum Frame<'a> {
    /// The first thing it says: sign this.
    Challenge(Challenge),
    /// The answer to a request.
    Answer {
        /// The request's id.
        id: Cow<'a, str>,
        /// What it came to.
        result: Result<&'a RawValue, Refused>,
    },
    /// Something happened.
    Event {
        /// What.
        event: Event<'a>,
        /// Its place among the events of this connection.
        seq: Option<u64>,
    },
    /// A frame of another kind, which a newer gateway may send.
    Other,
}

/// What to sign, and when that was said.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Challenge {
    /// To be signed, and said again.
    pub nonce: String,
    /// The gateway's clock; the signature's time must be close to it.
    #[serde(rename = "ts")]
    pub at: i64,
}

/// Events that mean something here.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A message was stored: the payload for [`crate::dialects::openclaw::pushed`].
    Message(&'a RawValue),
    /// The gateway is about to stop.
    Shutdown,
    /// A sign of life, or something that nobody here needs.
    Other,
}

/// Why a request was refused; only what can be acted on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Refused {
    /// `UNAVAILABLE`, `NOT_PAIRED`, `INVALID_REQUEST` …
    pub code: String,
    /// The finer code, such as `AUTH_TOKEN_MISMATCH`; empty when there is none.
    pub detail: String,
    /// Why in particular, such as `scope-upgrade`.
    pub reason: String,
    /// How long to wait, in milliseconds.
    pub retry_after: Option<u64>,
    /// Of a pairing: the request to be approved.
    pub request: Option<String>,
    /// Of a method that asks for a right which this connection has not: that right.
    pub missing_scope: Option<String>,
    /// Of another protocol: the one the gateway speaks.
    pub expected_protocol: Option<u32>,
}

#[derive(Deserialize)]
struct Wire<'a> {
    #[serde(rename = "type", borrow)]
    kind: Cow<'a, str>,
    #[serde(default, borrow)]
    id: Option<Cow<'a, str>>,
    #[serde(default)]
    ok: Option<bool>,
    #[serde(default, borrow)]
    payload: Option<&'a RawValue>,
    #[serde(default, borrow)]
    error: Option<&'a RawValue>,
    #[serde(default, borrow)]
    event: Option<Cow<'a, str>>,
    #[serde(default)]
    seq: Option<u64>,
}

/// Reads a frame; `None` for what is none.
#[must_use]
pub fn decode(text: &str) -> Option<Frame<'_>> {
    // serde would take an array for an object, too.
    let object = Some(text).filter(|text| text.trim_ascii_start().starts_with('{'))?;
    let wire: Wire<'_> = serde_json::from_str(object).ok()?;
    match (&*wire.kind, wire.event.as_deref()) {
        ("event", Some("connect.challenge")) => Some(Frame::Challenge(
            serde_json::from_str(wire.payload?.get()).ok()?,
        )),
        ("event", Some(name)) => {
            let event = match (name, wire.payload) {
                ("session.message", Some(payload)) => Event::Message(payload),
                ("shutdown", _) => Event::Shutdown,
                _ => Event::Other,
            };
            let seq = wire.seq;
            Some(Frame::Event { event, seq })
        }
        ("res", _) => {
            let result = match wire.ok? {
                true => Ok(wire.payload.unwrap_or(RawValue::NULL)),
                false => Err(Refused::read(wire.error)),
            };
            Some(Frame::Answer {
                id: wire.id?,
                result,
            })
        }
        ("event", None) => None,
        _ => Some(Frame::Other),
    }
}

impl Refused {
    /// Member by member: what one of them holds must not hide the others.
    fn read(error: Option<&RawValue>) -> Self {
        let error = error.and_then(|error| serde_json::from_str(error.get()).ok());
        let error: Value = error.unwrap_or_default();
        let details = &error["details"];
        let word = |value: &Value| value.as_str().and_then(|text| word(text.to_owned()));
        let known = |value| word(value).unwrap_or_default();
        let expected = details["expectedProtocol"].as_u64();
        Self {
            code: known(&error["code"]),
            detail: known(&details["code"]),
            reason: known(&details["reason"]),
            retry_after: error["retryAfterMs"].as_u64(),
            request: word(&details["requestId"]),
            missing_scope: word(&details["missingScope"]),
            expected_protocol: expected.and_then(|protocol| protocol.try_into().ok()),
        }
    }
}

/// A name or number from a gateway that people are shown, and may paste into a shell: nothing but letters, digits
/// and a few marks.
pub(super) fn word(text: String) -> Option<String> {
    let plain =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b'+');
    let fits = (1..=64).contains(&text.len()) && !text.starts_with('-');
    (fits && text.bytes().all(plain)).then_some(text)
}

/// A greeting: we are in.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Hello<'a> {
    /// `hello-ok`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The protocol that is spoken from now on.
    pub protocol: u32,
    server: Server,
    #[serde(borrow)]
    features: Features<'a>,
    auth: Auth,
    policy: Policy,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Server {
    version: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Features<'a> {
    #[serde(borrow)]
    methods: Vec<Cow<'a, str>>,
}

#[derive(Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Auth {
    scopes: Option<Vec<String>>,
    device_token: Option<String>,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Auth({:?})", self.scopes)
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Policy {
    tick_interval_ms: Option<u64>,
}

impl<'a> Hello<'a> {
    /// Reads the answer to `connect`; `None` when it is no greeting.
    #[must_use]
    pub fn read(payload: &'a RawValue) -> Option<Self> {
        let hello: Self = serde_json::from_str(payload.get()).ok()?;
        (hello.kind == "hello-ok").then_some(hello)
    }

    /// The gateway's version; empty when it does not say.
    #[must_use]
    pub fn version(&self) -> String {
        word(self.server.version.clone()).unwrap_or_default()
    }

    /// What this connection may do.
    #[must_use]
    pub fn scopes(&self) -> Vec<String> {
        match &self.auth.scopes {
            Some(scopes) => scopes.iter().cloned().filter_map(word).collect(),
            None => vec![SCOPE.to_owned()],
        }
    }

    /// The token this device may come back with.
    #[must_use]
    pub fn device_token(&self) -> Option<Secret> {
        self.auth.device_token.as_deref().and_then(Secret::new)
    }

    /// Whether the gateway has this method; one that lists none is taken to have it.
    #[must_use]
    pub fn has(&self, method: &str) -> bool {
        let methods = &self.features.methods;
        methods.is_empty() || methods.iter().any(|known| known == method)
    }

    /// Milliseconds between signs of life.
    #[must_use]
    pub fn tick(&self) -> u64 {
        self.policy
            .tick_interval_ms
            .unwrap_or(30_000)
            .clamp(1_000, 120_000)
    }
}

/// A frame to be sent. It may hold a token and is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Text(pub String);

impl std::fmt::Debug for Text {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Text({} bytes)", self.0.len())
    }
}

/// The first frame: who we are, proven by signing the challenge, and what lets us in. A gateway takes the shared token
/// where it is right, else the device's own; the signature covers the one that comes first.
#[must_use]
pub fn connect(
    id: &str,
    key: &DeviceKey,
    credentials: &Credentials,
    challenge: &Challenge,
) -> Text {
    let [shared, device] = [&credentials.shared, &credentials.device]
        .map(|secret| secret.as_ref().map(Secret::expose));
    let mut auth = serde_json::Map::new();
    auth.extend(shared.map(|token| ("token".to_owned(), token.into())));
    auth.extend(device.map(|token| ("deviceToken".to_owned(), token.into())));
    let claim = Claim {
        client: CLIENT,
        mode: MODE,
        role: ROLE,
        scopes: &[SCOPE],
        signed_at: challenge.at,
        token: shared.or(device).unwrap_or_default(),
        nonce: &challenge.nonce,
        platform: PLATFORM,
        family: "",
    };
    let params = json!({
        "minProtocol": OLDEST_PROTOCOL,
        "maxProtocol": NEWEST_PROTOCOL,
        "client": {
            "id": CLIENT,
            "version": env!("CARGO_PKG_VERSION"),
            "platform": PLATFORM,
            "mode": MODE,
            "displayName": "Clawspend",
        },
        "role": ROLE,
        "scopes": [SCOPE],
        "caps": ["session-scoped-events", "usage-refreshing"],
        "auth": auth,
        "device": {
            "id": key.id(),
            "publicKey": key.public_key(),
            "signature": key.sign(&claim),
            "signedAt": challenge.at,
            "nonce": challenge.nonce,
        },
    });
    request(id, "connect", &params)
}

/// A request.
#[must_use]
pub fn request(id: &str, method: &str, params: &Value) -> Text {
    Text(json!({ "type": "req", "id": id, "method": method, "params": params }).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    const HANDSHAKE: &str = include_str!("../../../../tests/fixtures/gateway/handshake.json");

    fn member(name: &str) -> String {
        let handshake: Value = serde_json::from_str(HANDSHAKE).expect("JSON");
        handshake[name].to_string()
    }

    #[test]
    fn a_captured_handshake_is_read() {
        let challenge = member("challenge");
        let Some(Frame::Challenge(challenge)) = decode(&challenge) else {
            panic!("{challenge}")
        };
        let expected = Challenge {
            nonce: "c7a8a1f2-7139-4022-95a3-85f616477489".into(),
            at: 1_795_178_752_498,
        };
        assert_eq!(challenge, expected);
        let answer = member("helloOk");
        let Some(Frame::Answer {
            id,
            result: Ok(payload),
        }) = decode(&answer)
        else {
            panic!("{answer}")
        };
        assert_eq!(id, "r1");
        let hello = Hello::read(payload).expect("a greeting");
        assert_eq!((hello.protocol, hello.version().as_str()), (4, "2026.9.6"));
        assert_eq!(hello.scopes(), ["operator.read"]);
        assert!(hello.device_token().is_some());
        assert_eq!(hello.tick(), 30_000);
        assert!(hello.has("sessions.subscribe") && !hello.has("no.such.method"));
        let printed = format!("{hello:?}");
        let token = hello.device_token().expect("a token");
        assert!(!printed.contains(token.expose()), "{printed}");
    }

    #[test]
    fn we_say_what_a_gateway_wants_to_hear_and_no_more() {
        let key = DeviceKey::from_seed(&[1; 32]);
        let challenge = Challenge {
            nonce: "n".into(),
            at: 5,
        };
        let said = |shared: Option<&str>, device: Option<&str>| -> Value {
            let credentials = Credentials {
                shared: shared.and_then(Secret::new),
                device: device.and_then(Secret::new),
            };
            let text = connect("1", &key, &credentials, &challenge);
            assert_eq!(format!("{text:?}"), format!("Text({} bytes)", text.0.len()));
            serde_json::from_str(&text.0).expect("JSON")
        };
        let mut all = said(Some("shared"), Some("device"));
        let signed = |token: &str| {
            key.sign(&Claim {
                client: "gateway-client",
                mode: "ui",
                role: "operator",
                scopes: &["operator.read"],
                signed_at: 5,
                token,
                nonce: "n",
                platform: PLATFORM,
                family: "",
            })
        };
        assert_eq!(
            all["params"]["device"]["signature"].take(),
            signed("shared")
        );
        let expected = json!({
            "type": "req", "id": "1", "method": "connect", "params": {
                "minProtocol": 3, "maxProtocol": 4,
                "client": {
                    "id": "gateway-client", "version": env!("CARGO_PKG_VERSION"), "platform": PLATFORM, "mode": "ui",
                    "displayName": "Clawspend",
                },
                "role": "operator", "scopes": ["operator.read"],
                "caps": ["session-scoped-events", "usage-refreshing"],
                "auth": { "token": "shared", "deviceToken": "device" },
                "device": {
                    "id": key.id(), "publicKey": key.public_key(), "signature": null, "signedAt": 5, "nonce": "n",
                },
            },
        });
        assert_eq!(all, expected);
        for (shared, device, auth, token) in [
            (Some("s"), None, json!({ "token": "s" }), "s"),
            (None, Some("d"), json!({ "deviceToken": "d" }), "d"),
            (None, None, json!({}), ""),
        ] {
            let said = said(shared, device);
            assert_eq!(said["params"]["auth"], auth);
            assert_eq!(said["params"]["device"]["signature"], signed(token));
        }
    }

    #[test]
    fn what_is_no_frame_is_none_and_what_is_new_is_passed_over() {
        for text in [
            "",
            "null",
            "[]",
            "{}",
            "{\"type\":7}",
            "[\"event\",null,null,null,null,\"tick\",1]",
            "{\"type\":\"event\"}",
            "{\"type\":\"res\",\"ok\":true}",
            "{\"type\":\"res\",\"id\":\"1\"}",
            "{\"type\":\"event\",\"event\":\"connect.challenge\"}",
            "{\"type\":\"event\",\"event\":\"connect.challenge\",\"payload\":{\"nonce\":5,\"ts\":1}}",
            "{\"type\":\"event\",\"event\":\"tick\",\"payload\":{}",
            "<!doctype html>",
        ] {
            assert!(decode(text).is_none(), "{text}");
        }
        assert!(matches!(
            decode("{\"type\":\"novelty\",\"x\":[{}]}"),
            Some(Frame::Other)
        ));
        let event =
            "{\"type\":\"event\",\"event\":\"novelty\",\"payload\":[1],\"seq\":7,\"extra\":{}}";
        let Some(Frame::Event {
            event: Event::Other,
            seq: Some(7),
        }) = decode(event)
        else {
            panic!("{event}")
        };
    }

    #[test]
    fn a_refusal_holds_what_can_be_acted_on_and_nothing_to_paste_blindly() {
        let refused = |error: Value| {
            let text = json!({ "type": "res", "id": "1", "ok": false, "error": error }).to_string();
            match decode(&text) {
                Some(Frame::Answer {
                    result: Err(refused),
                    ..
                }) => refused,
                other => panic!("{other:?}"),
            }
        };
        let pairing = json!({
            "code": "NOT_PAIRED", "message": "m", "details": {
                "code": "PAIRING_REQUIRED", "reason": "not-paired", "requestId": "1ab96fea-1", "deviceId": "a7f2",
            },
        });
        let expected = Refused {
            code: "NOT_PAIRED".into(),
            detail: "PAIRING_REQUIRED".into(),
            reason: "not-paired".into(),
            request: Some("1ab96fea-1".into()),
            ..Refused::default()
        };
        assert_eq!(refused(pairing.clone()), expected);
        for id in ["$(rm -rf ~)", "a b", "--all", "", "x;y", &"a".repeat(65)] {
            let mut pairing = pairing.clone();
            pairing["details"]["requestId"] = id.into();
            assert_eq!(refused(pairing).request, None, "{id}");
        }
        for error in [
            json!(null),
            json!("no"),
            json!({ "details": 5 }),
            json!({ "code": 5 }),
        ] {
            assert_eq!(refused(error), Refused::default());
        }
        for wait in [json!(-1), json!(299_990.5), json!("soon")] {
            let error = json!({
                "code": "INVALID_REQUEST", "retryAfterMs": wait,
                "details": { "code": "AUTH_TOKEN_MISMATCH", "reason": 5, "expectedProtocol": 1e9 },
            });
            let expected = Refused {
                code: "INVALID_REQUEST".into(),
                detail: "AUTH_TOKEN_MISMATCH".into(),
                ..Refused::default()
            };
            assert_eq!(refused(error), expected, "one member hides no other");
        }
    }
}
