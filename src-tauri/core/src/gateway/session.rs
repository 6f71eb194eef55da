//! One gateway's connection as a state machine: what happened, and when -> what to do. It holds no socket and no
//! clock, so every fault of a network can be tried in no time.
//!
//! Three rules hold whatever happens: a second passes between two connects; a refused secret is not sent again until
//! somebody says so (ten wrong ones lock the whole address out); and what has been told before is not told again.

use super::{
    GatewayEvent,
    answers::{Ask, Unanswered},
    frame::{
        self, Challenge, Event, Frame, Hello, NEWEST_PROTOCOL, OLDEST_PROTOCOL, Refused, SCOPE,
        Text,
    },
    identity::{Credentials, DeviceKey, Secret},
    state::{Failure, State, Unauthorized},
};
use crate::{dialects::openclaw::pushed, follow::roots::rank, time::UnixMillis, usage::Line};
use serde_json::{json, value::RawValue};
use std::{borrow::Cow, collections::BTreeMap, mem, sync::Arc};

/// Milliseconds between two connects, at least.
const SPACING: u64 = 1_000;
/// A connection that lasted so long was a good one: what went wrong before it is forgotten.
const LASTED: u64 = 30_000;
/// The longest step of the back-off; half of it may be added by chance.
const LONGEST_STEP: u64 = 20_000;
/// Quick tries while a gateway restarts, which takes it some twenty seconds.
const QUICK_TRIES: u32 = 30;
/// How often a refusal that only a change on either side can end is tried again.
const SLOW: u64 = 300_000;
/// How long a lock-out lasts that does not say.
const LOCKED_OUT: u64 = 300_000;
/// No gateway is believed that asks for more patience.
const LONGEST_LOCK_OUT: u64 = 24 * 3_600_000;
/// A secret that was refused is not sent again so soon, not even by another process.
const REFUSED_FOR: i64 = 60_000;
/// The clock moved so much further than time passed: the machine slept.
const SLEPT: i64 = 10_000;
/// How soon something must be heard after that.
const AFTER_SLEEP: u64 = 5_000;
/// How long a question may take, at least.
const PATIENCE: u64 = 30_000;
/// Questions that may wait at once.
const MOST_ASKED: usize = 64;
/// Milliseconds between two [`GatewayEvent::Gap`]s of one connection; twice as long each time, up to the longest, as a
/// gateway whose numbers have holes by nature would have all asked for again all the time.
const GAP_RESTS: u64 = 5_000;
const LONGEST_GAP_REST: u64 = 320_000;

/// The two clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Milliseconds since some beginning; never set, and may stand still while the machine sleeps.
    pub elapsed: u64,
    /// What the user's clock shows.
    pub wall: UnixMillis,
}

/// What happened.
#[derive(Debug)]
pub enum Input<'a> {
    /// The socket is open.
    Opened,
    /// A text frame came.
    Text(&'a str),
    /// Another sign of life came: a ping, a pong.
    Heard,
    /// The gateway closed the socket.
    Closed {
        /// With this code, if any.
        code: Option<u16>,
    },
    /// The socket could not be opened, or broke; it is gone.
    Failed(Failure),
    /// Time passed.
    Timer,
    /// Somebody asks.
    Ask(u64, Ask),
    /// Somebody wants it tried now, perhaps with other credentials.
    Retry(Option<Credentials>),
}

/// What to do, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// Open a socket; say [`Input::Opened`] or [`Input::Failed`].
    Connect,
    /// Send a text frame.
    Send(Text),
    /// Send a ping.
    Ping,
    /// Close the socket, with this code, or stop opening it. Nothing more of it is to be told.
    Close(u16),
    /// Keep or forget something beyond this process.
    Keep(Kept),
    /// Tell the owner.
    Tell(GatewayEvent),
}

/// What is kept beyond this process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// The token the gateway gave this device.
    DeviceToken(Secret),
    /// That token is no longer good.
    NoDeviceToken,
    /// These credentials were refused.
    Refused {
        /// See [`Credentials::fingerprint`].
        fingerprint: String,
        /// When.
        at: UnixMillis,
    },
    /// They were taken after all.
    NotRefused,
}

/// See the module.
#[derive(Debug)]
pub struct Session {
    name: String,
    timeout: u64,
    key: Arc<DeviceKey>,
    credentials: Credentials,
    /// A device's token that was given up. Where it could not be removed from the file, it is found there again.
    given_up: Option<Secret>,
    /// When these credentials were last refused.
    refused_at: Option<UnixMillis>,
    state: State,
    phase: Phase,
    tries: Tries,
    /// When a socket was last asked for.
    opened: Option<u64>,
    /// Not before this does a lock-out end.
    locked_until: u64,
    /// Requests made so far; the last one's id.
    requests: u64,
    last: Option<Moment>,
}

#[derive(Debug)]
enum Phase {
    /// There is no socket; the next one is opened then, or when somebody says so.
    Idle { until: Option<u64> },
    /// The socket is being opened.
    Opening { until: u64 },
    /// The gateway has the word.
    Challenge { until: u64 },
    /// `connect` was sent.
    Greeting { until: u64, request: String },
    /// We are in.
    Up(Up),
}

#[derive(Debug)]
struct Up {
    since: u64,
    tick: u64,
    /// Something must be heard before this.
    silent: u64,
    seq: u64,
    stopping: bool,
    waiting: BTreeMap<u64, Waiting>,
    /// A gap is to be told then.
    gap: Option<u64>,
    gap_told: Option<u64>,
    gap_rest: u64,
}

#[derive(Debug)]
struct Waiting {
    until: u64,
    /// `None` for our own subscription.
    ask: Option<(u64, Ask)>,
}

/// What was tried since the last good connection.
#[derive(Debug, Default)]
struct Tries {
    failures: u32,
    /// Quick tries left, once the gateway was seen to restart.
    quick: Option<u32>,
    /// The device's token was tried without the shared one.
    device_alone: bool,
    /// The device's token was given up.
    device_lost: bool,
    /// A signature was refused and is tried again.
    signed_again: bool,
    /// Since when somebody's approval is waited for.
    waits_since: Option<u64>,
}

/// One call of [`Session::handle`].
struct Turn {
    now: Moment,
    random: u64,
    out: Vec<Output>,
}

impl Turn {
    fn up_to(&self, most: u64) -> u64 {
        self.random % (most + 1)
    }

    fn tell(&mut self, event: GatewayEvent) {
        self.out.push(Output::Tell(event));
    }
}

impl Session {
    /// A session that connects with its first [`Input::Timer`]. `timeout` is how many milliseconds connecting and each
    /// step of the handshake may take; `refused_at` is when these credentials were last refused.
    #[must_use]
    pub fn new(
        name: &str,
        timeout: u64,
        key: Arc<DeviceKey>,
        credentials: Credentials,
        refused_at: Option<UnixMillis>,
    ) -> Self {
        Self {
            name: name.to_owned(),
            timeout: timeout.max(1),
            key,
            credentials,
            given_up: None,
            refused_at,
            state: State::Connecting,
            phase: Phase::Idle { until: Some(0) },
            tries: Tries::default(),
            opened: None,
            locked_until: 0,
            requests: 0,
            last: None,
        }
    }

    /// How things stand.
    #[must_use]
    pub const fn state(&self) -> &State {
        &self.state
    }

    /// Whether it has stopped until somebody says [`Input::Retry`].
    #[must_use]
    pub const fn is_stopped(&self) -> bool {
        matches!(self.phase, Phase::Idle { until: None })
    }

    /// Whether these are the credentials it tries.
    #[must_use]
    pub fn has(&self, credentials: &Credentials) -> bool {
        let Credentials { shared, device } = credentials;
        let device = device
            .as_ref()
            .filter(|it| self.given_up.as_ref() != Some(it));
        self.credentials.shared == *shared && self.credentials.device.as_ref() == device
    }

    /// Another process was let in with the credentials that were refused here.
    pub const fn pardon(&mut self) {
        self.refused_at = None;
    }

    /// When [`Input::Timer`] is due, on the clock of [`Moment::elapsed`].
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        match &self.phase {
            Phase::Idle { until } => *until,
            Phase::Opening { until }
            | Phase::Challenge { until }
            | Phase::Greeting { until, .. } => Some(*until),
            Phase::Up(up) => {
                let waiting = up.waiting.values().map(|one| one.until);
                waiting.chain(up.gap).chain([up.silent]).min()
            }
        }
    }

    /// Takes in what happened. `random` is any number: it spreads tries over time.
    pub fn handle(&mut self, input: Input<'_>, now: Moment, random: u64) -> Vec<Output> {
        // Should the first clock go back after all, it stands still.
        let elapsed = self.last.map_or(0, |last| last.elapsed).max(now.elapsed);
        let now = Moment { elapsed, ..now };
        let out = Vec::new();
        let mut turn = Turn { now, random, out };
        self.notice_sleep(&mut turn);
        self.last = Some(now);
        match input {
            Input::Timer => {}
            Input::Opened => {
                if let Phase::Opening { .. } = self.phase {
                    let until = now.elapsed + self.timeout;
                    self.phase = Phase::Challenge { until };
                }
            }
            Input::Heard => self.heard(&turn),
            Input::Text(text) => {
                self.heard(&turn);
                self.text(text, &mut turn);
            }
            Input::Closed { code } => self.closed(code, &mut turn),
            Input::Failed(why) => self.failed(why, &mut turn),
            Input::Ask(number, ask) => self.ask(number, ask, &mut turn),
            Input::Retry(credentials) => self.retry(credentials, &mut turn),
        }
        self.keep_time(&mut turn);
        turn.out
    }

    /// Does what is due.
    fn keep_time(&mut self, turn: &mut Turn) {
        let now = turn.now.elapsed;
        match &mut self.phase {
            Phase::Idle { until: Some(until) } if *until <= now => self.open(turn),
            Phase::Opening { until }
            | Phase::Challenge { until }
            | Phase::Greeting { until, .. }
                if *until <= now =>
            {
                self.drop_socket(1000, Failure::TimedOut, turn);
            }
            Phase::Up(up) => {
                if up.silent <= now {
                    return self.drop_socket(4000, Failure::Silent, turn);
                }
                if up.gap.is_some_and(|at| at <= now) {
                    up.tell_gap(turn);
                }
                let (mut late, mut subscription) = (Vec::new(), false);
                up.waiting.retain(|_, one| {
                    let waits = one.until > now;
                    if !waits {
                        subscription |= one.ask.is_none();
                        late.extend(one.ask.take().map(|(ask, _)| ask));
                    }
                    waits
                });
                for ask in late {
                    let answer = Err(Unanswered::TimedOut);
                    turn.tell(GatewayEvent::Answer { ask, answer });
                }
                if subscription {
                    self.drop_socket(1000, Failure::TimedOut, turn);
                }
            }
            _ => {}
        }
    }

    fn open(&mut self, turn: &mut Turn) {
        let now = turn.now;
        // Another process may have just learned that these secrets are wrong.
        let lately = |at: UnixMillis| (0..REFUSED_FOR).contains(&now.wall.0.saturating_sub(at.0));
        if self.opened.is_none() && self.refused_at.is_some_and(lately) {
            self.phase = Phase::Idle { until: None };
            let why = Unauthorized::TokenWrong;
            return self.become_state(State::Unauthorized { why }, turn);
        }
        self.opened = Some(now.elapsed);
        let until = now.elapsed + self.timeout;
        self.phase = Phase::Opening { until };
        turn.out.push(Output::Connect);
    }

    fn heard(&mut self, turn: &Turn) {
        if let Phase::Up(up) = &mut self.phase {
            up.silent = turn.now.elapsed + 2 * up.tick;
        }
    }

    /// While a machine sleeps its sockets die unseen, and what was waited for has long passed.
    fn notice_sleep(&mut self, turn: &mut Turn) {
        let Some(last) = self.last else { return };
        let passed = turn.now.elapsed.saturating_sub(last.elapsed).cast_signed();
        let shown = turn.now.wall.0.saturating_sub(last.wall.0);
        if shown.saturating_sub(passed) < SLEPT {
            return;
        }
        let soon = turn.now.elapsed + SPACING + turn.up_to(SPACING);
        match &mut self.phase {
            Phase::Up(up) => {
                turn.out.push(Output::Ping);
                up.silent = up.silent.min(turn.now.elapsed + AFTER_SLEEP);
            }
            Phase::Idle { until: Some(until) }
                if matches!(self.state, State::Unreachable { .. }) =>
            {
                *until = soon.max(self.locked_until).min(*until);
            }
            _ => {}
        }
    }

    fn text(&mut self, text: &str, turn: &mut Turn) {
        let frame = frame::decode(text);
        match &self.phase {
            Phase::Idle { .. } | Phase::Opening { .. } => {}
            Phase::Challenge { .. } => match frame {
                Some(Frame::Challenge(challenge)) => self.greet(&challenge, turn),
                Some(_) => {}
                None => self.drop_socket(1000, Failure::Garbage, turn),
            },
            Phase::Greeting { request, .. } => match frame {
                Some(Frame::Answer { id, result }) if id == *request => match result {
                    Ok(payload) => self.greeted(payload, turn),
                    Err(refused) => self.refused(&refused, turn),
                },
                Some(_) => {}
                None => self.drop_socket(1000, Failure::Garbage, turn),
            },
            Phase::Up(_) => match frame {
                Some(Frame::Answer { id, result }) => self.answered(&id, result, turn),
                Some(Frame::Event { event, seq }) => self.happened(event, seq, turn),
                // What cannot be read is found out by the next event's number.
                _ => {}
            },
        }
    }

    fn greet(&mut self, challenge: &Challenge, turn: &mut Turn) {
        let request = self.next_request().to_string();
        let alone;
        let credentials = if self.tries.device_alone {
            let device = self.credentials.device.clone();
            alone = Credentials {
                shared: None,
                device,
            };
            &alone
        } else {
            &self.credentials
        };
        let text = frame::connect(&request, &self.key, credentials, challenge);
        turn.out.push(Output::Send(text));
        let until = turn.now.elapsed + self.timeout;
        self.phase = Phase::Greeting { until, request };
    }

    fn greeted(&mut self, payload: &RawValue, turn: &mut Turn) {
        let Some(hello) = Hello::read(payload) else {
            return self.drop_socket(1000, Failure::Garbage, turn);
        };
        let protocol = hello.protocol;
        if !(OLDEST_PROTOCOL..=NEWEST_PROTOCOL).contains(&protocol) {
            turn.out.push(Output::Close(1002));
            let expected = Some(protocol);
            return self.slow(State::VersionMismatch { expected }, turn);
        }
        let scopes = hello.scopes();
        if !scopes.iter().any(|scope| scope == SCOPE) {
            turn.out.push(Output::Close(1000));
            let why = Unauthorized::NoReadScope;
            return self.slow(State::Unauthorized { why }, turn);
        }
        if let Some(token) = hello.device_token()
            && self.credentials.device.as_ref() != Some(&token)
        {
            self.credentials.device = Some(token.clone());
            turn.out.push(Output::Keep(Kept::DeviceToken(token)));
        }
        if self.refused_at.take().is_some() {
            turn.out.push(Output::Keep(Kept::NotRefused));
        }
        self.tries = Tries {
            failures: self.tries.failures,
            quick: self.tries.quick,
            ..Tries::default()
        };
        let now = turn.now.elapsed;
        let mut up = Up {
            since: now,
            tick: hello.tick(),
            silent: now + 2 * hello.tick(),
            seq: 0,
            stopping: false,
            waiting: BTreeMap::new(),
            gap: None,
            gap_told: None,
            gap_rest: 0,
        };
        let live = hello.has("sessions.subscribe");
        if live {
            let id = self.next_request();
            let (until, ask) = (now + PATIENCE, None);
            up.waiting.insert(id, Waiting { until, ask });
            let text = frame::request(&id.to_string(), "sessions.subscribe", &json!({}));
            turn.out.push(Output::Send(text));
        }
        self.phase = Phase::Up(up);
        let state = State::Connected {
            server_version: hello.version(),
            protocol,
            scopes,
            paired: self.credentials.device.is_some(),
            live,
        };
        self.become_state(state, turn);
    }

    /// Every refusal there is, and what it leads to.
    fn refused(&mut self, refused: &Refused, turn: &mut Turn) {
        turn.out.push(Output::Close(1000));
        let Credentials { shared, device } = &self.credentials;
        let (shared, device) = (shared.is_some(), device.is_some());
        let alone = self.tries.device_alone;
        match refused.detail.as_str() {
            "AUTH_TOKEN_MISMATCH" | "AUTH_PASSWORD_MISMATCH" if shared && device && !alone => {
                self.tries.device_alone = true;
                self.soon(turn);
            }
            "AUTH_DEVICE_TOKEN_MISMATCH" | "AUTH_SCOPE_MISMATCH" if shared && device && !alone => {
                self.forget_device(turn);
                self.soon(turn);
            }
            // The token is good: asking again now and then locks nobody out.
            "AUTH_SCOPE_MISMATCH" => {
                let why = Unauthorized::NoReadScope;
                self.slow(State::Unauthorized { why }, turn);
            }
            "AUTH_TOKEN_MISSING" if self.tries.device_lost => {
                self.stop(Unauthorized::DeviceTokenWrong, turn);
            }
            "AUTH_TOKEN_MISSING" => self.stop(Unauthorized::TokenMissing, turn),
            "AUTH_PASSWORD_MISSING" => self.stop(Unauthorized::PasswordMissing, turn),
            "AUTH_RATE_LIMITED" => self.locked_out(refused.retry_after, turn),
            "AUTH_PASSWORD_MISMATCH" => self.secret_refused(Unauthorized::PasswordWrong, turn),
            "PAIRING_REQUIRED" => self.unpaired(refused, turn),
            "PROTOCOL_MISMATCH" => {
                let expected = refused.expected_protocol;
                self.slow(State::VersionMismatch { expected }, turn);
            }
            "DEVICE_IDENTITY_REQUIRED"
            | "CONTROL_UI_ORIGIN_NOT_ALLOWED"
            | "CONTROL_UI_DEVICE_IDENTITY_REQUIRED" => {
                let why = Unauthorized::Identity;
                self.slow(State::Unauthorized { why }, turn);
            }
            detail if detail.starts_with("DEVICE_AUTH_") => {
                if mem::replace(&mut self.tries.signed_again, true) {
                    let why = Unauthorized::Signature;
                    self.slow(State::Unauthorized { why }, turn);
                } else {
                    self.soon(turn);
                }
            }
            // A refusal of a kind not known here may count towards a lock-out, too.
            detail if detail.starts_with("AUTH_") => {
                let why = if shared {
                    Unauthorized::TokenWrong
                } else {
                    Unauthorized::DeviceTokenWrong
                };
                self.secret_refused(why, turn);
            }
            detail => match refused.code.as_str() {
                "UNAVAILABLE" => self.lose(Failure::Restarting, refused.retry_after, turn),
                "NOT_PAIRED" => self.unpaired(refused, turn),
                "INVALID_REQUEST" if detail.is_empty() => {
                    self.slow(State::VersionMismatch { expected: None }, turn);
                }
                code => {
                    let code = if detail.is_empty() { code } else { detail };
                    let code = code.to_owned();
                    self.lose(Failure::Declined { code }, refused.retry_after, turn);
                }
            },
        }
    }

    fn unpaired(&mut self, refused: &Refused, turn: &mut Turn) {
        let now = turn.now.elapsed;
        let since = *self.tries.waits_since.get_or_insert(now);
        let delay = (now.saturating_sub(since) / 10).clamp(5_000, 60_000) + turn.up_to(1_000);
        self.wait(delay, turn);
        let again = !matches!(refused.reason.as_str(), "not-paired" | "");
        let request = refused.request.clone();
        self.become_state(State::PairingRequired { request, again }, turn);
    }

    fn locked_out(&mut self, retry_after: Option<u64>, turn: &mut Turn) {
        let delay = retry_after.unwrap_or(LOCKED_OUT).min(LONGEST_LOCK_OUT);
        self.locked_until = turn.now.elapsed + delay;
        self.wait(delay + turn.up_to(SPACING), turn);
        let until = turn.now.wall.plus(delay.cast_signed());
        self.become_state(State::LockedOut { until }, turn);
    }

    /// Stops, and makes sure that no other process sends the same secret at once.
    fn secret_refused(&mut self, why: Unauthorized, turn: &mut Turn) {
        if self.tries.device_alone || self.credentials.shared.is_none() {
            self.forget_device(turn);
        }
        let (at, fingerprint) = (turn.now.wall, self.credentials.fingerprint());
        self.refused_at = Some(at);
        turn.out
            .push(Output::Keep(Kept::Refused { fingerprint, at }));
        self.stop(why, turn);
    }

    fn forget_device(&mut self, turn: &mut Turn) {
        if let Some(device) = self.credentials.device.take() {
            self.given_up = Some(device);
            self.tries.device_alone = false;
            self.tries.device_lost = true;
            turn.out.push(Output::Keep(Kept::NoDeviceToken));
        }
    }

    fn answered(&mut self, id: &str, result: Result<&RawValue, Refused>, turn: &mut Turn) {
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        let waiting = id.parse().ok().and_then(|id: u64| up.waiting.remove(&id));
        // Late answers, and answers to nobody, are nobody's.
        let Some(Waiting { ask, .. }) = waiting else {
            return;
        };
        if let Some((number, ask)) = ask {
            let answer = match result {
                Ok(payload) => ask.read(payload),
                Err(refused) => Err(match refused.missing_scope {
                    // What it does not know it takes for what administrators may do.
                    Some(scope) if scope != SCOPE => Unanswered::UnknownMethod,
                    _ => Unanswered::Refused(refused.code),
                }),
            };
            let ask = number;
            return turn.tell(GatewayEvent::Answer { ask, answer });
        }
        match result {
            Ok(_) => up.tell_gap(turn),
            Err(refused) if refused.code == "UNAVAILABLE" => {
                self.drop_socket(1000, Failure::Restarting, turn);
            }
            Err(refused) if refused.detail == "MISSING_SCOPE" => {
                turn.out.push(Output::Close(1000));
                self.end_questions(turn);
                let why = Unauthorized::NoReadScope;
                self.slow(State::Unauthorized { why }, turn);
            }
            Err(_) => {
                let mut state = self.state.clone();
                if let State::Connected { live, .. } = &mut state {
                    *live = false;
                }
                self.become_state(state, turn);
            }
        }
    }

    fn happened(&mut self, event: Event<'_>, seq: Option<u64>, turn: &mut Turn) {
        let Phase::Up(up) = &mut self.phase else {
            return;
        };
        if let Some(seq) = seq {
            if seq != up.seq.wrapping_add(1) {
                up.want_gap(turn.now.elapsed);
            }
            up.seq = seq;
        }
        match event {
            Event::Message(payload) => {
                let mut pushed = pushed::parse(payload.get().as_bytes(), rank::GATEWAY);
                if let Line::Observation(observation) = &mut pushed.line {
                    observation.gateway = Cow::Owned(self.name.clone());
                }
                turn.tell(GatewayEvent::Message(Box::new(pushed)));
            }
            Event::Shutdown => up.stopping = true,
            Event::Other => {}
        }
    }

    fn closed(&mut self, code: Option<u16>, turn: &mut Turn) {
        let stopping = matches!(&self.phase, Phase::Up(up) if up.stopping);
        match (&self.phase, code) {
            (Phase::Idle { .. }, _) => {}
            (Phase::Up(up), Some(4001)) => {
                let lasted = turn.now.elapsed - up.since >= LASTED;
                self.end_questions(turn);
                self.forget_device(turn);
                let delay = if lasted { SPACING } else { self.backoff(turn) };
                self.wait(delay, turn);
                self.become_state(State::Connecting, turn);
            }
            (
                Phase::Opening { .. } | Phase::Challenge { .. } | Phase::Greeting { .. },
                Some(1002),
            ) => {
                self.slow(State::VersionMismatch { expected: None }, turn);
            }
            (_, Some(1001 | 1012 | 1013)) => self.lose(Failure::Restarting, None, turn),
            _ if stopping => self.lose(Failure::Restarting, None, turn),
            (_, None | Some(1005 | 1006)) => self.lose(Failure::Lost, None, turn),
            (_, Some(1009)) => self.lose(Failure::TooLong, None, turn),
            (_, Some(code)) => self.lose(Failure::Closed { code }, None, turn),
        }
    }

    fn failed(&mut self, why: Failure, turn: &mut Turn) {
        if let Phase::Idle { .. } = self.phase {
            return;
        }
        match why {
            Failure::Http { status: 503 } => self.lose(Failure::Restarting, None, turn),
            Failure::Http { status: 502 | 504 } => self.lose(Failure::Refused, None, turn),
            Failure::Http {
                status: 401 | 403 | 407,
            } => {
                let why = Unauthorized::Proxy;
                self.slow(State::Unauthorized { why }, turn);
            }
            Failure::Declined { code } if code == "proxy_attribution_required" => {
                let why = Unauthorized::UntrustedProxy;
                self.slow(State::Unauthorized { why }, turn);
            }
            why => self.lose(why, None, turn),
        }
    }

    fn ask(&mut self, number: u64, ask: Ask, turn: &mut Turn) {
        let id = self.next_request();
        let refuse = |why, turn: &mut Turn| {
            let (ask, answer) = (number, Err(why));
            turn.tell(GatewayEvent::Answer { ask, answer });
        };
        let Phase::Up(up) = &mut self.phase else {
            return refuse(Unanswered::NotConnected, turn);
        };
        if up.waiting.len() >= MOST_ASKED {
            return refuse(Unanswered::TooMany, turn);
        }
        let text = frame::request(&id.to_string(), ask.method(), &ask.params());
        turn.out.push(Output::Send(text));
        let until = turn.now.elapsed + self.timeout.max(PATIENCE);
        let ask = Some((number, ask));
        up.waiting.insert(id, Waiting { until, ask });
    }

    fn retry(&mut self, credentials: Option<Credentials>, turn: &mut Turn) {
        if let Some(credentials) = credentials
            && !self.has(&credentials)
        {
            self.credentials = credentials;
            self.refused_at = None;
            self.tries = Tries {
                failures: self.tries.failures,
                quick: self.tries.quick,
                ..Tries::default()
            };
            // What is under way was sent with the old ones.
            if let Phase::Greeting { .. } = self.phase {
                turn.out.push(Output::Close(1000));
                self.phase = Phase::Idle { until: None };
            }
        }
        if let Phase::Idle { .. } = self.phase {
            // Asking again and again with a wrong token is how a lock-out comes about.
            let refused = self.refused_at.map_or(0, |at| {
                let passed = turn.now.wall.0.saturating_sub(at.0);
                let left = REFUSED_FOR.saturating_sub(passed);
                left.clamp(0, REFUSED_FOR).cast_unsigned()
            });
            self.wait(refused, turn);
            if refused == 0 && self.locked_until <= turn.now.elapsed {
                self.become_state(State::Connecting, turn);
            }
        }
    }

    /// Closes the socket ourselves, for this reason.
    fn drop_socket(&mut self, code: u16, why: Failure, turn: &mut Turn) {
        turn.out.push(Output::Close(code));
        self.lose(why, None, turn);
    }

    /// The socket is gone: waits for the next try.
    fn lose(&mut self, why: Failure, retry_after: Option<u64>, turn: &mut Turn) {
        let was_up = matches!(self.phase, Phase::Up(_));
        if let Phase::Up(up) = &self.phase
            && turn.now.elapsed - up.since >= LASTED
        {
            self.tries = Tries::default();
        }
        self.end_questions(turn);
        if why == Failure::Restarting {
            self.tries.quick.get_or_insert(QUICK_TRIES);
        }
        let least = retry_after.unwrap_or(0).min(SLOW);
        let delay = self.backoff(turn).max(least);
        self.wait(delay, turn);
        let since = match self.state {
            State::Unreachable { since, .. } => since,
            _ => turn.now.wall,
        };
        let state = if why.is_foreign() && !was_up {
            State::NotAGateway { why }
        } else {
            State::Unreachable { since, why }
        };
        self.become_state(state, turn);
    }

    fn end_questions(&mut self, turn: &mut Turn) {
        if let Phase::Up(up) = &mut self.phase {
            for (ask, _) in mem::take(&mut up.waiting)
                .into_values()
                .filter_map(|one| one.ask)
            {
                let answer = Err(Unanswered::NotConnected);
                turn.tell(GatewayEvent::Answer { ask, answer });
            }
        }
    }

    /// A second, then twice as long each time, and up to half of it more by chance.
    fn backoff(&mut self, turn: &Turn) -> u64 {
        if let Some(left @ 1..) = &mut self.tries.quick {
            *left -= 1;
            return SPACING + turn.up_to(SPACING / 2);
        }
        let step = (SPACING << self.tries.failures.min(5)).min(LONGEST_STEP);
        self.tries.failures += 1;
        step + turn.up_to(step / 2)
    }

    fn soon(&mut self, turn: &Turn) {
        self.wait(0, turn);
    }

    /// Connects again after `delay`, a second after the last time at the earliest, and not during a lock-out.
    fn wait(&mut self, delay: u64, turn: &Turn) {
        let spaced = self.opened.map_or(0, |opened| opened + SPACING);
        let until = (turn.now.elapsed + delay)
            .max(spaced)
            .max(self.locked_until);
        self.phase = Phase::Idle { until: Some(until) };
    }

    /// Tries again every few minutes: only a change on either side can help.
    fn slow(&mut self, state: State, turn: &mut Turn) {
        self.wait(SLOW + turn.up_to(SLOW / 10), turn);
        self.become_state(state, turn);
    }

    /// Does nothing more until somebody says so.
    fn stop(&mut self, why: Unauthorized, turn: &mut Turn) {
        self.phase = Phase::Idle { until: None };
        self.become_state(State::Unauthorized { why }, turn);
    }

    fn become_state(&mut self, state: State, turn: &mut Turn) {
        if state != self.state {
            self.state = state.clone();
            turn.tell(GatewayEvent::State(state));
        }
    }

    const fn next_request(&mut self) -> u64 {
        self.requests += 1;
        self.requests
    }
}

impl Up {
    /// Tells a gap now, or a while after the last one.
    fn want_gap(&mut self, now: u64) {
        let rested = self.gap_told.map_or(now, |told| told + self.gap_rest);
        self.gap.get_or_insert(rested.max(now));
    }

    fn tell_gap(&mut self, turn: &mut Turn) {
        self.gap = None;
        self.gap_rest = if self.gap_told.is_some() {
            (2 * self.gap_rest).min(LONGEST_GAP_REST)
        } else {
            GAP_RESTS
        };
        self.gap_told = Some(turn.now.elapsed);
        turn.tell(GatewayEvent::Gap);
    }
}

#[cfg(test)]
mod tests;
