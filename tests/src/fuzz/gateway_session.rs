//! A gateway's connection as a state machine: any inputs, in any order, at any times.

use clawspend_core::{
    gateway::{
        Address, Ask, Credentials, DeviceKey, Failure, GatewayEvent, Input, Kept, Moment, Output,
        Secret, Session, State,
        frame::{self, Frame},
    },
    time::UnixMillis,
};
use jiff::{civil::date, tz::TimeZone};
use serde_json::Value;
use std::{
    collections::{BTreeSet, HashMap},
    hash::{DefaultHasher, Hash as _, Hasher as _},
    sync::Arc,
};

/// `data` is text, one thing a line, its first letter says what happens:
///
/// | line | what happens |
/// |---|---|
/// | `+250`, `-250` | so many milliseconds pass, or the counting clock is set back |
/// | `w-3600000` | the user's clock is set |
/// | `n7` | the next random numbers |
/// | `t` | time is told |
/// | `o`, `h` | the socket opened; a sign of life |
/// | `c`, `c4001` | it was closed, with that code |
/// | `f3`, `f503` | it failed in the third of some ways, or with that status |
/// | `a2` | the second of some questions is asked |
/// | `r`, `r31` | somebody wants it tried now, with the third shared secret and the first of the device's |
/// | `{…` or anything else | a frame; `@` stands for the last request's id |
///
/// The first line is the timeout, the credentials as after `r`, and how many milliseconds ago these were refused, if
/// they were.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n');
    let mut desk = Desk::new(data, lines.next().unwrap_or_default());
    desk.happens(Input::Timer);
    for line in lines.take(500) {
        desk.play(line);
    }
    desk.happens(Input::Failed(Failure::Lost));
    assert_eq!(desk.asked, BTreeSet::new(), "every question has an end");
}

/// A session, its clocks, and what it must not do.
struct Desk {
    session: Session,
    secrets: Secrets,
    now: Moment,
    random: u64,
    /// The latest time that was told: going back from it is standing still.
    latest: u64,
    /// The last request's id.
    request: String,
    /// A `connect` that waits for its answer: its id, and what it sent to be let in.
    greeting: Option<(String, Value)>,
    connected_at: Option<u64>,
    locked_until: u64,
    /// How often each secret was refused.
    refused: HashMap<String, u32>,
    questions: u64,
    asked: BTreeSet<u64>,
}

/// Secrets that no input can hold by chance.
struct Secrets {
    number: u64,
    key: Secret,
}

impl Secrets {
    fn text(&self, kind: char, index: char) -> String {
        format!("{kind}{:016x}{index}", self.number)
    }

    fn credentials(&self, text: &str) -> Credentials {
        let mut marks = text.trim().chars();
        let mut secret = |kind| {
            let mark = marks.next().filter(char::is_ascii_digit)?;
            Secret::new(&self.text(kind, mark)).filter(|_| mark != '0')
        };
        Credentials {
            shared: secret('s'),
            device: secret('d'),
        }
    }

    /// Puts secrets where a gateway has them, or may repeat them.
    fn plant(&self, frame: &str) -> String {
        let Ok(mut value) = serde_json::from_str::<Value>(frame) else {
            return frame.to_owned();
        };
        for (pointer, secret) in [
            ("/payload/auth/deviceToken", self.text('d', '9')),
            ("/error/message", self.text('s', '1')),
            ("/payload/message/content", self.text('d', '1')),
        ] {
            if let Some(place) = value.pointer_mut(pointer) {
                *place = secret.into();
            }
        }
        value.to_string()
    }

    fn are_in(&self, text: &str) -> bool {
        let number = format!("{:016x}", self.number);
        text.contains(&number) || text.contains(self.key.expose())
    }
}

impl Desk {
    fn new(data: &[u8], first: &str) -> Self {
        let mut hash = DefaultHasher::new();
        data.hash(&mut hash);
        let key = DeviceKey::from_seed(&[3; 32]);
        let secrets = Secrets {
            number: hash.finish(),
            key: key.to_text(),
        };
        let mut words = first.split(' ');
        let timeout = words.next().and_then(|word| word.parse::<u32>().ok());
        let credentials = secrets.credentials(words.next().unwrap_or_default());
        let now = Moment {
            elapsed: 0,
            wall: UnixMillis(1_795_178_000_000),
        };
        let refused_ago: Option<i64> = words.next().and_then(|word| word.parse().ok());
        let refused_at = refused_ago.map(|ago| UnixMillis(now.wall.0.saturating_sub(ago)));
        let timeout = timeout.unwrap_or(10_000).into();
        Self {
            session: Session::new("home", timeout, Arc::new(key), credentials, refused_at),
            secrets,
            now,
            random: 0,
            latest: 0,
            request: String::new(),
            greeting: None,
            connected_at: None,
            locked_until: 0,
            refused: HashMap::new(),
            questions: 0,
            asked: BTreeSet::new(),
        }
    }

    fn play(&mut self, line: &str) {
        let number = |text: &str| text.trim().parse::<i64>().unwrap_or(0);
        let rest = line.get(1..).unwrap_or_default();
        match line.as_bytes().first() {
            Some(b'+') => self.pass(number(rest).unsigned_abs()),
            Some(b'-') => {
                let back = number(rest).unsigned_abs();
                self.now.elapsed = self.now.elapsed.saturating_sub(back);
            }
            Some(b'w') => self.now.wall = self.now.wall.plus(number(rest)),
            Some(b'n') => self.random = number(rest).cast_unsigned(),
            Some(b't') => self.happens(Input::Timer),
            Some(b'o') => self.happens(Input::Opened),
            Some(b'h') => self.happens(Input::Heard),
            Some(b'c') => self.happens(Input::Closed {
                code: rest.trim().parse().ok(),
            }),
            Some(b'f') => self.happens(Input::Failed(failure(rest))),
            Some(b'a') => {
                self.questions += 1;
                self.asked.insert(self.questions);
                self.happens(Input::Ask(self.questions, question(rest)));
            }
            Some(b'r') => {
                self.refused.clear();
                let credentials = (!rest.trim().is_empty()).then(|| self.secrets.credentials(rest));
                self.happens(Input::Retry(credentials));
            }
            _ => {
                let frame = self.secrets.plant(&line.replace('@', &self.request));
                self.judged(&frame);
                self.happens(Input::Text(&frame));
            }
        }
    }

    /// No process runs for so many years.
    fn pass(&mut self, millis: u64) {
        self.now.elapsed = self.now.elapsed.saturating_add(millis).min(1 << 60);
        self.now.wall = self.now.wall.plus(millis.cast_signed());
    }

    /// Notes what the gateway thinks of the secrets it was just sent.
    fn judged(&mut self, frame: &str) {
        let Some(Frame::Answer { id, result }) = frame::decode(frame) else {
            return;
        };
        let Some((_, sent)) = self.greeting.take_if(|(request, _)| *request == id) else {
            return;
        };
        if result.is_ok() {
            self.refused.clear();
            return;
        }
        let value: Value = serde_json::from_str(frame).unwrap_or_default();
        let error = &value["error"];
        match error["details"]["code"].as_str() {
            Some("AUTH_TOKEN_MISMATCH" | "AUTH_PASSWORD_MISMATCH") => {
                self.refuse(&sent["token"], 1);
                self.refuse(&sent["deviceToken"], 1);
            }
            Some("AUTH_DEVICE_TOKEN_MISMATCH") => self.refuse(&sent["deviceToken"], 2),
            Some("AUTH_RATE_LIMITED") => {
                let asked_for = error["retryAfterMs"].as_u64().unwrap_or(300_000);
                let latest = self.latest.max(self.now.elapsed);
                self.locked_until = latest + asked_for.min(24 * 3_600_000);
            }
            _ => {}
        }
    }

    fn refuse(&mut self, secret: &Value, times: u32) {
        if let Some(secret) = secret.as_str() {
            *self.refused.entry(secret.to_owned()).or_default() += times;
        }
    }

    fn happens(&mut self, input: Input<'_>) {
        if let Input::Closed { .. } | Input::Failed(_) = input {
            self.greeting = None;
        }
        self.latest = self.latest.max(self.now.elapsed);
        let out = self.session.handle(input, self.now, self.random);
        assert!(out.len() <= 80, "{} outputs", out.len());
        for output in &out {
            self.check(output);
        }
        let due = self.session.due();
        assert_eq!(due.is_none(), self.session.is_stopped());
        assert!(due.is_none_or(|due| due > self.latest), "time is kept");
        let told = format!("{out:?} {:?}", self.session);
        assert!(!self.secrets.are_in(&told), "{told}");
    }

    fn check(&mut self, output: &Output) {
        match output {
            Output::Connect => {
                let spaced = self.connected_at.is_none_or(|at| self.latest - at >= 1_000);
                assert!(spaced, "a second passes between two connects");
                assert!(self.latest >= self.locked_until, "a lock-out is waited for");
                self.connected_at = Some(self.latest);
            }
            Output::Send(text) => self.sent(&text.0),
            Output::Close(_) => self.greeting = None,
            Output::Tell(GatewayEvent::Answer { ask, .. }) => {
                assert!(self.asked.remove(ask), "one answer to a question");
            }
            Output::Tell(GatewayEvent::State(state)) => self.told(state),
            Output::Keep(Kept::Refused { fingerprint, .. }) => {
                assert!(!self.secrets.are_in(fingerprint));
            }
            _ => {}
        }
    }

    fn sent(&mut self, text: &str) {
        let request: Value = serde_json::from_str(text).expect("JSON");
        request["id"]
            .as_str()
            .expect("an id")
            .clone_into(&mut self.request);
        if request["method"] != "connect" {
            return assert!(!self.secrets.are_in(text), "{text}");
        }
        assert!(!text.contains(self.secrets.key.expose()));
        let auth = request["params"]["auth"].clone();
        let refused = |secret: &Value| {
            let times = secret.as_str().and_then(|it| self.refused.get(it));
            times.copied().unwrap_or_default()
        };
        assert_eq!(refused(&auth["token"]), 0, "refused, and sent again");
        assert!(refused(&auth["deviceToken"]) <= 1, "once more, alone");
        self.greeting = Some((self.request.clone(), auth));
    }

    fn told(&self, state: &State) {
        let address = Address::parse("ws://h:1").expect("an address");
        let words = [
            state.sentence(&address, &TimeZone::UTC),
            state.brief(self.now.wall, &TimeZone::UTC),
            state.advice().unwrap_or_default(),
            serde_json::to_string(state).expect("JSON"),
        ];
        for text in words {
            assert!(!self.secrets.are_in(&text), "{text}");
            assert!(!text.contains(char::is_control), "{text:?}");
        }
    }
}

fn failure(text: &str) -> Failure {
    match text.trim().parse().unwrap_or(0) {
        status @ 100.. => Failure::Http { status },
        0 => Failure::Refused,
        1 => Failure::UnknownHost,
        2 => Failure::TimedOut,
        3 => Failure::TooLong,
        4 => Failure::Garbage,
        5 => Failure::Declined {
            code: "proxy_attribution_required".into(),
        },
        6 => Failure::WrongHost,
        _ => Failure::Lost,
    }
}

fn question(text: &str) -> Ask {
    let key = "agent:main:main".to_owned();
    match text.trim() {
        "1" => Ask::Usage {
            since: date(2026, 11, 14),
            until: date(2026, 11, 20),
            zone: "UTC".into(),
            sessions: 50,
        },
        "2" => Ask::Timeseries { key },
        "3" => Ask::Log { key, limit: 20 },
        _ => Ask::Quotas,
    }
}
