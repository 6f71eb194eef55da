use super::*;
use crate::usage::{Reason, Tokens};
use serde_json::{Value, json};

mod faults;
mod network;

const CASES: &str =
    include_str!("../../../../../tests/fixtures/gateway/handshake-cases/loopback.2026.9.6.jsonl");
const LIFE: &str = include_str!(
    "../../../../../tests/fixtures/gateway/handshake-cases/device-token-life.2026.9.6.txt"
);
const TURN: &str =
    include_str!("../../../../../tests/fixtures/gateway/events/turn-after-sessions.subscribe.json");
const CHALLENGE: &str =
    r#"{"type":"event","event":"connect.challenge","payload":{"nonce":"n","ts":1795178223424}}"#;

const SHARED: &str = "the-shared-token";
const DEVICE: &str = "the-device-token";

fn credentials(shared: bool, device: bool) -> Credentials {
    let secret = |there: bool, text| there.then(|| Secret::new(text)).flatten();
    Credentials {
        shared: secret(shared, SHARED),
        device: secret(device, DEVICE),
    }
}

/// A session, and its clocks.
struct Desk {
    session: Session,
    now: Moment,
}

impl Desk {
    fn new(credentials: Credentials) -> Self {
        let key = Arc::new(DeviceKey::from_seed(&[3; 32]));
        let now = Moment {
            elapsed: 0,
            wall: UnixMillis(1_795_178_000_000),
        };
        let session = Session::new("home", 10_000, key, credentials, None);
        Self { session, now }
    }

    fn say(&mut self, input: Input<'_>) -> Vec<Output> {
        self.session.handle(input, self.now, 0)
    }

    fn pass(&mut self, millis: u64) -> Vec<Output> {
        self.now.elapsed += millis;
        self.now.wall = self.now.wall.plus(millis.cast_signed());
        self.say(Input::Timer)
    }

    /// Lets time pass until something is due.
    fn wait(&mut self) -> Vec<Output> {
        self.pass(self.delay().expect("something is due"))
    }

    fn delay(&self) -> Option<u64> {
        self.session.due().map(|due| due - self.now.elapsed)
    }

    /// Opens the socket, and returns the frame that answers the challenge.
    fn connect(&mut self) -> Value {
        assert_eq!(self.wait(), [Output::Connect]);
        self.greet()
    }

    fn greet(&mut self) -> Value {
        assert_eq!(self.say(Input::Opened), []);
        let out = self.say(Input::Text(CHALLENGE));
        let [Output::Send(Text(text))] = out.as_slice() else {
            panic!("{out:?}")
        };
        serde_json::from_str(text).expect("JSON")
    }

    fn refuse(&mut self, request: &Value, error: &Value) -> Vec<Output> {
        let answer = json!({ "type": "res", "id": request["id"], "ok": false, "error": error });
        self.say(Input::Text(&answer.to_string()))
    }

    fn answer(&mut self, id: &Value, payload: &Value) -> Vec<Output> {
        let answer = json!({ "type": "res", "id": id, "ok": true, "payload": payload });
        self.say(Input::Text(&answer.to_string()))
    }

    fn event(&mut self, event: &str, seq: u64, payload: &Value) -> Vec<Output> {
        let event = json!({ "type": "event", "event": event, "seq": seq, "payload": payload });
        self.say(Input::Text(&event.to_string()))
    }

    /// Connected and subscribed, with `credentials`.
    fn connected(credentials: Credentials) -> Self {
        let mut desk = Self::new(credentials);
        let request = desk.connect();
        let out = desk.answer(&request["id"], &hello());
        let text = out.iter().find_map(|one| match one {
            Output::Send(Text(text)) => Some(text),
            _ => None,
        });
        let request: Value = serde_json::from_str(text.expect("a subscription")).expect("JSON");
        assert_eq!(request["method"], "sessions.subscribe");
        assert_eq!(
            desk.answer(&request["id"], &json!({ "subscribed": true })),
            [Output::Tell(GatewayEvent::Gap)]
        );
        desk
    }
}

fn hello() -> Value {
    json!({
        "type": "hello-ok", "protocol": 4, "server": { "version": "2026.9.6", "connId": "c" },
        "features": { "methods": ["sessions.subscribe", "usage.status"] },
        "auth": { "method": "token", "role": "operator", "scopes": ["operator.read"], "deviceToken": DEVICE },
        "policy": { "tickIntervalMs": 30_000 }, "novelty": [1],
    })
}

fn connected() -> State {
    State::Connected {
        server_version: "2026.9.6".into(),
        protocol: 4,
        scopes: vec!["operator.read".into()],
        paired: true,
        live: true,
    }
}

fn state(why: State) -> Output {
    Output::Tell(GatewayEvent::State(why))
}

fn error(detail: &str) -> Value {
    json!({ "code": "INVALID_REQUEST", "message": "m", "details": { "code": detail } })
}

/// One line for what a refusal leads to.
fn outcome(desk: &Desk) -> String {
    let next = match desk.delay() {
        Some(delay) => format!("again in {} s", delay / 1000),
        None => "no more".into(),
    };
    format!(
        "{}: {next}",
        serde_json::to_string(desk.session.state()).expect("JSON")
    )
}

#[test]
fn every_captured_refusal_has_its_own_outcome() {
    let mut told = String::new();
    for case in CASES
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
    {
        if case["ok"] == true {
            continue;
        }
        let mut desk = Desk::new(credentials(true, false));
        let request = desk.connect();
        assert_eq!(
            desk.refuse(&request, &case["error"])[0],
            Output::Close(1000)
        );
        told += &format!(
            "{}\n  {}\n",
            case["name"].as_str().expect("a name"),
            outcome(&desk)
        );
    }
    insta::assert_snapshot!(told, @r#"
    v1 payload (new device, nonce field present)
      {"kind":"connecting"}: again in 1 s
    v1 payload, no nonce field
      {"kind":"version-mismatch","expected":null}: again in 300 s
    v3 payload, no nonce field
      {"kind":"version-mismatch","expected":null}: again in 300 s
    v3 wrong nonce
      {"kind":"connecting"}: again in 1 s
    v3 signedAt -9min
      {"kind":"connecting"}: again in 1 s
    v3 signedAt -3min
      {"kind":"connecting"}: again in 1 s
    v3 signedAt -2:05
      {"kind":"connecting"}: again in 1 s
    v3 signedAt +2:05
      {"kind":"connecting"}: again in 1 s
    bad signature
      {"kind":"connecting"}: again in 1 s
    device id not matching key
      {"kind":"connecting"}: again in 1 s
    public key malformed
      {"kind":"connecting"}: again in 1 s
    platform uppercase in client, as-is signed
      {"kind":"connecting"}: again in 1 s
    bad shared token, no device
      {"kind":"unauthorized","why":"token-wrong"}: no more
    bad shared token, with device
      {"kind":"unauthorized","why":"token-wrong"}: no more
    no token at all, with device
      {"kind":"unauthorized","why":"token-missing"}: no more
    no token, no device
      {"kind":"unauthorized","why":"identity"}: again in 300 s
    good token, NO device, openclaw-tui/ui
      {"kind":"unauthorized","why":"identity"}: again in 300 s
    unknown client id
      {"kind":"version-mismatch","expected":null}: again in 300 s
    unknown mode
      {"kind":"version-mismatch","expected":null}: again in 300 s
    mode operator
      {"kind":"version-mismatch","expected":null}: again in 300 s
    extra unknown field in params
      {"kind":"version-mismatch","expected":null}: again in 300 s
    extra unknown field in client
      {"kind":"version-mismatch","expected":null}: again in 300 s
    protocol 3..3
      {"kind":"version-mismatch","expected":4}: again in 300 s
    protocol 5..5
      {"kind":"version-mismatch","expected":4}: again in 300 s
    unknown role
      {"kind":"version-mismatch","expected":null}: again in 300 s
    "#);
}

#[test]
fn captured_greetings_let_us_in() {
    let mut greeted = 0;
    for case in CASES
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("JSON"))
    {
        if case["ok"] != true {
            continue;
        }
        let mut desk = Desk::new(credentials(true, false));
        let request = desk.connect();
        let mut hello = hello();
        hello["auth"] = case["auth"].clone();
        desk.answer(&request["id"], &hello);
        let may_read = case["auth"]["scopes"].to_string().contains("operator.read");
        let word = if may_read {
            "connected"
        } else {
            "unauthorized"
        };
        assert_eq!(desk.session.state().word(), word, "{case}");
        greeted += 1;
    }
    assert_eq!(greeted, 18);
}

/// Each step of a device token's life, as a client that holds both tokens meets it.
#[test]
fn a_device_tokens_life_never_needs_more_than_one_further_try() {
    let mut refused = 0;
    for line in LIFE.lines().filter(|line| line.starts_with("{\"step\"")) {
        let step: Value = serde_json::from_str(line).expect("JSON");
        if step["ok"] == true {
            continue;
        }
        refused += 1;
        let mut desk = Desk::new(credentials(true, true));
        let request = desk.connect();
        desk.refuse(&request, &step["error"]);
        assert_eq!(desk.session.state(), &State::Connecting, "{line}");
        assert_eq!(desk.delay(), Some(SPACING), "{line}");
        let request = desk.connect();
        desk.refuse(&request, &step["error"]);
        assert!(desk.delay().is_none_or(|delay| delay >= SLOW), "{line}");
        assert_eq!(desk.session.state().word(), "unauthorized", "{line}");
    }
    assert_eq!(refused, 9);
}

#[test]
fn a_wrong_token_is_followed_by_the_devices_own_and_then_by_nothing() {
    let mut desk = Desk::new(credentials(true, true));
    let request = desk.connect();
    assert_eq!(
        request["params"]["auth"],
        json!({ "token": SHARED, "deviceToken": DEVICE })
    );
    assert_eq!(
        desk.refuse(&request, &error("AUTH_TOKEN_MISMATCH")),
        [Output::Close(1000)]
    );
    let request = desk.connect();
    assert_eq!(request["params"]["auth"], json!({ "deviceToken": DEVICE }));
    let out = desk.refuse(&request, &error("AUTH_DEVICE_TOKEN_MISMATCH"));
    let kept = Kept::Refused {
        fingerprint: credentials(true, false).fingerprint(),
        at: desk.now.wall,
    };
    let wrong = State::Unauthorized {
        why: Unauthorized::TokenWrong,
    };
    assert_eq!(
        out,
        [
            Output::Close(1000),
            Output::Keep(Kept::NoDeviceToken),
            Output::Keep(kept),
            state(wrong),
        ]
    );
    assert_eq!(desk.pass(24 * 3_600_000), []);
    assert!(desk.session.is_stopped());
}

#[test]
fn a_good_device_token_makes_up_for_a_wrong_shared_one() {
    let mut desk = Desk::new(credentials(true, true));
    let request = desk.connect();
    desk.refuse(&request, &error("AUTH_TOKEN_MISMATCH"));
    let request = desk.connect();
    let out = desk.answer(&request["id"], &hello());
    assert_eq!(out.last(), Some(&state(connected())));
}

#[test]
fn somebody_impatient_causes_no_lock_out() {
    let mut desk = Desk::new(credentials(true, false));
    let request = desk.connect();
    desk.refuse(&request, &error("AUTH_TOKEN_MISMATCH"));
    let mut tries = 0;
    for _ in 0..600 {
        // A click each second, for ten minutes.
        let out = [desk.say(Input::Retry(None)), desk.pass(1_000)].concat();
        if out.contains(&Output::Connect) {
            tries += 1;
            let request = desk.greet();
            desk.refuse(&request, &error("AUTH_TOKEN_MISMATCH"));
        }
    }
    assert_eq!(tries, 10, "one in a minute");
    let other = Credentials {
        shared: Secret::new("another"),
        device: None,
    };
    assert_eq!(
        desk.say(Input::Retry(Some(other))).last(),
        Some(&state(State::Connecting))
    );
    assert_eq!(desk.delay(), Some(SPACING));
}

/// The disk is full: what was given up still stands in the file, and is found there every few seconds.
#[test]
fn a_token_that_was_given_up_is_nothing_new() {
    let mut desk = Desk::new(credentials(true, true));
    for _ in 0..2 {
        let request = desk.connect();
        desk.refuse(&request, &error("AUTH_TOKEN_MISMATCH"));
    }
    assert!(desk.session.is_stopped());
    let found = credentials(true, true);
    assert!(desk.session.has(&found));
    assert_eq!(desk.say(Input::Retry(Some(found))), []);
    assert_eq!(desk.delay(), Some(REFUSED_FOR.cast_unsigned()));
    let request = desk.connect();
    assert_eq!(request["params"]["auth"], json!({ "token": SHARED }));
}

#[test]
fn what_another_process_was_just_refused_is_not_tried() {
    let mut desk = Desk::new(credentials(true, false));
    desk.session.refused_at = Some(desk.now.wall.plus(-59_000));
    let why = Unauthorized::TokenWrong;
    assert_eq!(desk.say(Input::Timer), [state(State::Unauthorized { why })]);
    assert_eq!(desk.delay(), None);

    let mut desk = Desk::new(credentials(true, false));
    desk.session.refused_at = Some(desk.now.wall.plus(-60_000));
    let request = desk.connect();
    let out = desk.answer(&request["id"], &hello());
    assert!(out.contains(&Output::Keep(Kept::NotRefused)), "{out:?}");
}

#[test]
fn a_lock_out_is_waited_for_to_the_end_whatever_anybody_says() {
    let mut desk = Desk::new(credentials(true, false));
    let request = desk.connect();
    let mut locked = error("AUTH_RATE_LIMITED");
    locked["retryAfterMs"] = json!(299_990);
    let until = desk.now.wall.plus(299_990);
    let out = desk.refuse(&request, &locked);
    assert_eq!(
        out,
        [Output::Close(1000), state(State::LockedOut { until })]
    );
    desk.pass(100_000);
    let other = Credentials {
        shared: Secret::new("another"),
        device: None,
    };
    assert_eq!(desk.say(Input::Retry(Some(other))), []);
    assert_eq!(desk.delay(), Some(199_990));
    assert_eq!(desk.pass(199_989), []);
    assert_eq!(desk.pass(1), [Output::Connect]);
}

#[test]
fn an_approval_is_waited_for_politely_and_goes_on_by_itself() {
    let mut desk = Desk::new(credentials(true, false));
    let mut pairing = error("PAIRING_REQUIRED");
    pairing["code"] = json!("NOT_PAIRED");
    pairing["details"]["reason"] = json!("not-paired");
    pairing["details"]["requestId"] = json!("1ab96fea");
    let request = desk.connect();
    let out = desk.refuse(&request, &pairing);
    let waiting = State::PairingRequired {
        request: Some("1ab96fea".into()),
        again: false,
    };
    assert_eq!(out, [Output::Close(1000), state(waiting.clone())]);
    assert_eq!(
        waiting.command().as_deref(),
        Some("openclaw devices approve 1ab96fea")
    );
    let mut tries = 0;
    while desk.now.elapsed < 3_600_000 {
        let request = desk.connect();
        assert_eq!(
            desk.refuse(&request, &pairing),
            [Output::Close(1000)],
            "it is told once"
        );
        tries += 1;
    }
    assert_eq!(tries, 87, "in an hour");
    let request = desk.connect();
    let out = desk.answer(&request["id"], &hello());
    assert_eq!(out.last(), Some(&state(connected())));
}

#[test]
fn a_restart_is_followed_quickly_and_told_once() {
    let mut desk = Desk::connected(credentials(true, true));
    desk.pass(40_000);
    desk.event("shutdown", 1, &json!({ "reason": "gateway stopping" }));
    let since = desk.now.wall;
    let why = Failure::Restarting;
    let out = desk.say(Input::Closed { code: Some(1012) });
    assert_eq!(out, [state(State::Unreachable { since, why })]);
    // Stopping, gone, starting: 23 seconds in all.
    let mut tries = 0;
    while desk.now.wall.0 - since.0 < 23_000 {
        assert_eq!(desk.wait(), [Output::Connect]);
        tries += 1;
        let failure = match tries {
            1..5 => Failure::Http { status: 503 },
            5..15 => Failure::Refused,
            _ => {
                let request = desk.greet();
                let starting = json!({
                    "code": "UNAVAILABLE", "message": "gateway starting; retry shortly", "retryable": true,
                    "retryAfterMs": 500, "details": { "reason": "startup-sidecars" },
                });
                desk.refuse(&request, &starting);
                continue;
            }
        };
        desk.say(Input::Failed(failure));
    }
    assert_eq!(tries, 23);
    let request = desk.connect();
    let out = desk.answer(&request["id"], &hello());
    assert_eq!(out.last(), Some(&state(connected())));
}

#[test]
fn a_gateway_that_stays_away_is_asked_less_and_less_often() {
    let mut desk = Desk::new(credentials(true, false));
    let mut delays = Vec::new();
    for _ in 0..8 {
        assert_eq!(desk.wait(), [Output::Connect]);
        desk.say(Input::Failed(Failure::Refused));
        delays.push(desk.delay().expect("a next try"));
    }
    assert_eq!(
        delays,
        [1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000, 20_000]
    );
    let longest = desk.session.backoff(&Turn {
        now: desk.now,
        random: 10_000,
        out: Vec::new(),
    });
    assert_eq!(longest, 30_000);
    let since = UnixMillis(1_795_178_000_000);
    let why = Failure::Refused;
    assert_eq!(
        desk.session.state(),
        &State::Unreachable { since, why },
        "since the first time"
    );
}

#[test]
fn silence_of_two_ticks_is_the_end_of_a_connection() {
    let mut desk = Desk::connected(credentials(true, true));
    assert_eq!(desk.pass(59_999), []);
    assert_eq!(desk.say(Input::Heard), []);
    assert_eq!(desk.pass(59_999), []);
    let (since, why) = (desk.now.wall.plus(1), Failure::Silent);
    let out = desk.pass(1);
    assert_eq!(
        out,
        [
            Output::Close(4000),
            state(State::Unreachable { since, why })
        ]
    );
    assert_eq!(desk.delay(), Some(1_000));
}

#[test]
fn after_sleep_the_socket_must_prove_that_it_lives() {
    let mut desk = Desk::connected(credentials(true, true));
    desk.pass(1_000);
    desk.now.wall = desk.now.wall.plus(8 * 3_600_000);
    assert_eq!(desk.say(Input::Timer), [Output::Ping]);
    assert_eq!(desk.delay(), Some(AFTER_SLEEP));
    assert_eq!(desk.say(Input::Heard), []);
    assert_eq!(desk.delay(), Some(60_000));
    desk.now.wall = desk.now.wall.plus(8 * 3_600_000);
    assert_eq!(desk.say(Input::Timer), [Output::Ping]);
    assert_eq!(desk.wait()[0], Output::Close(4000));
}

#[test]
fn after_sleep_a_gateway_out_of_reach_is_tried_at_once() {
    let mut desk = Desk::new(credentials(true, false));
    for _ in 0..6 {
        desk.wait();
        desk.say(Input::Failed(Failure::NoRoute));
    }
    assert_eq!(desk.delay(), Some(20_000));
    desk.now.wall = desk.now.wall.plus(3_600_000);
    desk.say(Input::Timer);
    assert_eq!(desk.delay(), Some(1_000));
}

#[test]
fn a_clock_that_is_set_back_stops_nothing() {
    let mut desk = Desk::connected(credentials(true, true));
    desk.now.wall = desk.now.wall.plus(-3_600_000);
    assert_eq!(desk.say(Input::Timer), []);
    assert_eq!(desk.delay(), Some(60_000));
}

#[test]
fn a_counting_clock_that_goes_back_stands_still() {
    let mut desk = Desk::connected(credentials(true, true));
    desk.pass(40_000);
    desk.now.elapsed = 0;
    assert_eq!(desk.say(Input::Heard), []);
    assert_eq!(desk.session.due(), Some(100_000));
    desk.say(Input::Closed { code: None });
    assert_eq!(desk.session.due(), Some(41_000));
}

#[test]
fn a_refusal_from_a_time_to_come_is_as_good_as_a_new_one() {
    let mut desk = Desk::new(credentials(true, false));
    let request = desk.connect();
    desk.refuse(&request, &error("AUTH_TOKEN_MISMATCH"));
    for wall in [i64::MIN, i64::MAX] {
        desk.now.wall = UnixMillis(wall);
        desk.say(Input::Retry(None));
        let longest = REFUSED_FOR.cast_unsigned();
        assert!(desk.delay().is_some_and(|delay| delay <= longest));
    }
}

#[test]
fn a_rotated_token_is_replaced_through_the_shared_one() {
    let mut desk = Desk::connected(credentials(true, true));
    desk.pass(40_000);
    let out = desk.say(Input::Closed { code: Some(4001) });
    assert_eq!(
        out,
        [Output::Keep(Kept::NoDeviceToken), state(State::Connecting)]
    );
    assert_eq!(desk.delay(), Some(1_000));
    let request = desk.connect();
    assert_eq!(request["params"]["auth"], json!({ "token": SHARED }));
    let mut hello = hello();
    hello["auth"]["deviceToken"] = json!("a-new-one");
    let out = desk.answer(&request["id"], &hello);
    let token = Secret::new("a-new-one").expect("a token");
    assert_eq!(out[0], Output::Keep(Kept::DeviceToken(token)));
}

#[test]
fn a_revoked_token_without_another_is_said_to_be_that() {
    let mut desk = Desk::connected(credentials(false, true));
    desk.pass(40_000);
    desk.say(Input::Closed { code: Some(4001) });
    let request = desk.connect();
    assert_eq!(request["params"]["auth"], json!({}));
    let out = desk.refuse(&request, &error("AUTH_TOKEN_MISSING"));
    let why = Unauthorized::DeviceTokenWrong;
    assert_eq!(
        out,
        [Output::Close(1000), state(State::Unauthorized { why })]
    );
}

#[test]
fn a_signature_is_tried_twice() {
    let mut desk = Desk::new(credentials(true, false));
    let request = desk.connect();
    let refusal = error("DEVICE_AUTH_SIGNATURE_EXPIRED");
    assert_eq!(desk.refuse(&request, &refusal), [Output::Close(1000)]);
    let request = desk.connect();
    let why = Unauthorized::Signature;
    let out = desk.refuse(&request, &refusal);
    assert_eq!(
        out,
        [Output::Close(1000), state(State::Unauthorized { why })]
    );
    assert_eq!(desk.delay(), Some(SLOW));
}

#[test]
fn a_gateway_of_another_time_is_told_apart() {
    for (protocol, update) in [
        (2, "update OpenClaw, or Clawspend"),
        (5, "update Clawspend"),
    ] {
        let mut desk = Desk::new(credentials(true, false));
        let request = desk.connect();
        let mut hello = hello();
        hello["protocol"] = json!(protocol);
        let expected = Some(protocol);
        let mismatch = State::VersionMismatch { expected };
        assert_eq!(mismatch.advice().as_deref(), Some(update));
        let out = desk.answer(&request["id"], &hello);
        assert_eq!(out, [Output::Close(1002), state(mismatch)]);
    }
    let mut desk = Desk::new(credentials(true, false));
    desk.connect();
    let out = desk.say(Input::Closed { code: Some(1002) });
    assert_eq!(out, [state(State::VersionMismatch { expected: None })]);
}

#[test]
fn something_else_on_the_port_is_no_gateway() {
    for why in [Failure::Http { status: 200 }, Failure::Garbage] {
        let mut desk = Desk::new(credentials(true, false));
        desk.wait();
        let out = desk.say(Input::Failed(why.clone()));
        assert_eq!(out, [state(State::NotAGateway { why })]);
    }
    let mut desk = Desk::new(credentials(true, false));
    desk.wait();
    desk.say(Input::Opened);
    let out = desk.say(Input::Text("hello, who is there?"));
    let why = Failure::Garbage;
    assert_eq!(
        out,
        [Output::Close(1000), state(State::NotAGateway { why })]
    );
}

#[test]
fn a_gateway_that_says_nothing_is_given_up_in_time() {
    let mut desk = Desk::new(credentials(true, false));
    assert_eq!(desk.wait(), [Output::Connect]);
    let why = Failure::TimedOut;
    let since = desk.now.wall.plus(10_000);
    let expected = [
        Output::Close(1000),
        state(State::Unreachable { since, why }),
    ];
    assert_eq!(desk.wait(), expected);
    desk.wait();
    desk.say(Input::Opened);
    assert_eq!(desk.wait(), [Output::Close(1000)]);
    desk.connect();
    assert_eq!(desk.wait(), [Output::Close(1000)]);
}

#[test]
fn a_response_is_told_with_its_gateway_and_without_a_word_of_it() {
    let mut desk = Desk::connected(credentials(true, true));
    let events: Vec<Value> = serde_json::from_str(TURN).expect("JSON");
    let mut responses = Vec::new();
    for (seq, event) in (1..).zip(&events) {
        let name = event["event"].as_str().expect("a name");
        for told in desk.event(name, seq, &event["payload"]) {
            let Output::Tell(GatewayEvent::Message(pushed)) = told else {
                panic!("{told:?}")
            };
            assert_eq!(pushed.key, "agent:main:main");
            match pushed.line {
                Line::Observation(one) => {
                    assert_eq!(one.gateway, "home");
                    responses.push((pushed.event, one.tokens, one.recorded.map(|cost| cost.0)));
                }
                other => assert_eq!(other, Line::Ignored(Reason::NotAssistant)),
            }
        }
    }
    let tokens = Tokens {
        input: 1_100,
        output: 120,
        cache_read: 800,
        ..Tokens::default()
    };
    let id = "4fba8df0-5075-4752-b801-00bb03894053".to_owned();
    assert_eq!(responses, [(id, tokens, Some(5_340_000))]);
}

#[test]
fn a_lost_event_is_told_as_a_gap_and_many_are_told_together() {
    let mut desk = Desk::connected(credentials(true, true));
    desk.pass(GAP_RESTS);
    let tick = json!({ "ts": 1 });
    let gap = [Output::Tell(GatewayEvent::Gap)];
    assert_eq!(desk.event("tick", 1, &tick), []);
    assert_eq!(desk.event("tick", 2, &tick), []);
    assert_eq!(desk.event("tick", 4, &tick), gap);
    assert_eq!(desk.event("tick", 5, &tick), []);
    assert_eq!(desk.event("tick", 7, &tick), []);
    assert_eq!(desk.event("tick", 3, &tick), []);
    assert_eq!(desk.delay(), Some(2 * GAP_RESTS));
    assert_eq!(desk.pass(2 * GAP_RESTS), gap);
    assert_eq!(desk.pass(2 * GAP_RESTS), []);
    // One whose numbers always have holes is asked for all less and less often.
    let mut desk = Desk::connected(credentials(true, true));
    let mut told = Vec::new();
    for second in 1..1_200 {
        let mut out = desk.pass(1_000);
        out.extend(desk.event("tick", 2 * second, &tick));
        if out.contains(&gap[0]) {
            told.push(second);
        }
    }
    let rests: Vec<u64> = told.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(rests, [10, 20, 40, 80, 160, 320, 320]);
}

#[test]
fn questions_are_answered_in_any_order_or_told_why_not() {
    let quota = |number: i64| json!({ "updatedAt": number, "providers": [] });
    let told = |ask, answer| Output::Tell(GatewayEvent::Answer { ask, answer });
    let answer = |number| {
        Ok(super::super::Answer::Quotas(super::super::Quotas {
            updated_at: UnixMillis(number),
            ..super::super::Quotas::default()
        }))
    };
    let mut desk = Desk::connected(credentials(true, true));
    let mut ids = Vec::new();
    for number in 1..=5 {
        let out = desk.say(Input::Ask(number, Ask::Quotas));
        let [Output::Send(Text(text))] = out.as_slice() else {
            panic!("{out:?}")
        };
        let request: Value = serde_json::from_str(text).expect("JSON");
        let expected =
            json!({ "type": "req", "id": request["id"], "method": "usage.status", "params": {} });
        assert_eq!(request, expected);
        ids.push(request["id"].clone());
    }
    assert_eq!(desk.answer(&ids[2], &quota(30)), [told(3, answer(30))]);
    assert_eq!(desk.answer(&ids[0], &quota(10)), [told(1, answer(10))]);
    assert_eq!(desk.answer(&ids[0], &quota(11)), [], "once");
    let refusal = json!({ "code": "FORBIDDEN", "details": { "code": "MISSING_SCOPE", "missingScope": "operator.read" } });
    let refused = Err(Unanswered::Refused("FORBIDDEN".into()));
    assert_eq!(
        desk.refuse(&json!({ "id": ids[1] }), &refusal),
        [told(2, refused)]
    );
    let unknown = json!({
        "code": "FORBIDDEN", "details": { "code": "MISSING_SCOPE", "missingScope": "operator.admin" },
    });
    let out = desk.say(Input::Ask(
        6,
        Ask::Log {
            key: "k".into(),
            limit: 1,
        },
    ));
    let [Output::Send(Text(text))] = out.as_slice() else {
        panic!("{out:?}")
    };
    let request = serde_json::from_str(text).expect("JSON");
    assert_eq!(
        desk.refuse(&request, &unknown),
        [told(6, Err(Unanswered::UnknownMethod))]
    );
    let unreadable = Err(Unanswered::Unreadable);
    assert_eq!(desk.answer(&ids[3], &json!([])), [told(4, unreadable)]);
    assert_eq!(desk.pass(PATIENCE), [told(5, Err(Unanswered::TimedOut))]);
    assert_eq!(desk.answer(&ids[4], &quota(50)), [], "too late");

    for number in 0..=MOST_ASKED as u64 {
        let out = desk.say(Input::Ask(number, Ask::Quotas));
        let too_many = number == MOST_ASKED as u64;
        assert_eq!(out == [told(number, Err(Unanswered::TooMany))], too_many);
    }
    let out = desk.say(Input::Closed { code: None });
    let given_up = out.iter().filter(|one| {
        matches!(
            one,
            Output::Tell(GatewayEvent::Answer {
                answer: Err(Unanswered::NotConnected),
                ..
            })
        )
    });
    assert_eq!(given_up.count(), MOST_ASKED);
    let not_connected = told(7, Err(Unanswered::NotConnected));
    assert_eq!(desk.say(Input::Ask(7, Ask::Quotas)), [not_connected]);
}

#[test]
fn a_gateway_that_ends_every_connection_at_once_is_asked_less_and_less_often() {
    let mut desk = Desk::new(credentials(true, true));
    let mut delays = Vec::new();
    for _ in 0..7 {
        let request = desk.connect();
        desk.answer(&request["id"], &hello());
        desk.say(Input::Closed { code: Some(4001) });
        delays.push(desk.delay().expect("a next try"));
    }
    assert_eq!(delays, [1_000, 2_000, 4_000, 8_000, 16_000, 20_000, 20_000]);
}

#[test]
fn a_gateway_that_cannot_report_live_is_still_asked() {
    let mut desk = Desk::new(credentials(true, true));
    let request = desk.connect();
    let mut hello = hello();
    hello["features"]["methods"] = json!(["usage.status"]);
    let out = desk.answer(&request["id"], &hello);
    let State::Connected {
        server_version,
        protocol,
        scopes,
        paired,
        ..
    } = connected()
    else {
        unreachable!()
    };
    let quiet = State::Connected {
        server_version,
        protocol,
        scopes,
        paired,
        live: false,
    };
    assert_eq!(out, [state(quiet)]);
}

#[test]
fn what_comes_at_the_wrong_time_is_passed_over() {
    let mut desk = Desk::new(credentials(true, false));
    desk.wait();
    for input in [Input::Text(CHALLENGE), Input::Heard, Input::Timer] {
        assert_eq!(desk.say(input), []);
    }
    desk.say(Input::Opened);
    assert_eq!(desk.say(Input::Opened), []);
    assert_eq!(desk.event("novelty", 1, &json!({})), []);
    desk.say(Input::Failed(Failure::Lost));
    for input in [
        Input::Closed { code: Some(4001) },
        Input::Failed(Failure::Refused),
        Input::Text(CHALLENGE),
        Input::Opened,
    ] {
        assert_eq!(desk.say(input), []);
    }
    assert_eq!(desk.delay(), Some(1_000));
}
