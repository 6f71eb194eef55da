//! Any sequence of inputs, and hours of faults.

use super::*;
use proptest::{collection::vec, prelude::*};

/// `@` stands for the id of the last request.
fn ids() -> impl Strategy<Value = String> {
    prop_oneof![3 => Just("@".to_owned()), 1 => (0..20u64).prop_map(|id| id.to_string())]
}

/// What a gateway may say, sensible or not.
fn frames() -> impl Strategy<Value = String> {
    let codes = prop::sample::select(vec![
        "AUTH_TOKEN_MISMATCH",
        "AUTH_TOKEN_MISSING",
        "AUTH_PASSWORD_MISMATCH",
        "AUTH_PASSWORD_MISSING",
        "AUTH_DEVICE_TOKEN_MISMATCH",
        "AUTH_SCOPE_MISMATCH",
        "AUTH_RATE_LIMITED",
        "AUTH_NOVELTY",
        "PAIRING_REQUIRED",
        "DEVICE_IDENTITY_REQUIRED",
        "DEVICE_AUTH_NONCE_MISMATCH",
        "PROTOCOL_MISMATCH",
        "MISSING_SCOPE",
        "NOVELTY",
        "",
    ]);
    let words = prop::sample::select(vec![
        "UNAVAILABLE",
        "NOT_PAIRED",
        "INVALID_REQUEST",
        "FORBIDDEN",
        "",
    ]);
    let refusal = (ids(), words, codes, any::<Option<u64>>()).prop_map(|(id, code, detail, wait)| {
        json!({
            "type": "res", "id": id, "ok": false,
            "error": { "code": code, "message": SHARED, "retryAfterMs": wait, "details": { "code": detail } },
        })
        .to_string()
    });
    let greeting = (ids(), 2..6u32, any::<bool>()).prop_map(|(id, protocol, read)| {
        let mut hello = hello();
        hello["protocol"] = json!(protocol);
        if !read {
            hello["auth"]["scopes"] = json!([]);
        }
        json!({ "type": "res", "id": id, "ok": true, "payload": hello }).to_string()
    });
    let event = (any::<u64>(), "[a-z.]{0,20}").prop_map(|(seq, name)| {
        let payload = json!({ "message": { "role": "assistant", "content": DEVICE, "usage": { "input": 5 } } });
        json!({ "type": "event", "event": name, "seq": seq, "payload": payload }).to_string()
    });
    let events: Vec<Value> = serde_json::from_str(TURN).expect("JSON");
    let turn = prop::sample::select(events).prop_map(|event| event.to_string());
    let any = "[\\[\\]{}\":,a-z0-9]{0,60}";
    prop_oneof![
        3 => Just(CHALLENGE.to_owned()),
        3 => greeting,
        3 => refusal,
        1 => event,
        1 => turn,
        1 => ".{0,40}",
        1 => any,
    ]
}

fn failures() -> impl Strategy<Value = Failure> {
    prop_oneof![
        Just(Failure::Refused),
        Just(Failure::UnknownHost),
        Just(Failure::TooLong),
        (100..600u16).prop_map(|status| Failure::Http { status }),
    ]
}

#[derive(Debug, Clone)]
enum Happens {
    Opened,
    Heard,
    Text(String),
    Closed(Option<u16>),
    Failed(Failure),
    Ask,
    Retry(bool),
}

fn happenings() -> impl Strategy<Value = (Happens, u64, i64)> {
    let code = prop_oneof![
        Just(None),
        prop::sample::select(vec![1000, 1002, 1005, 1008, 1009, 1012, 4001]).prop_map(Some),
        any::<u16>().prop_map(Some),
    ];
    let happens = prop_oneof![
        3 => Just(Happens::Opened),
        1 => Just(Happens::Heard),
        8 => frames().prop_map(Happens::Text),
        1 => code.prop_map(Happens::Closed),
        1 => failures().prop_map(Happens::Failed),
        1 => Just(Happens::Ask),
        1 => any::<bool>().prop_map(Happens::Retry),
    ];
    let passed = prop_oneof![3 => Just(0u64), 3 => 0..2_000u64, 1 => 0..400_000u64];
    let set = prop_oneof![9 => Just(0i64), 1 => -10_000_000..10_000_000i64];
    (happens, passed, set)
}

proptest! {
    #[test]
    fn whatever_happens_there_is_no_panic_no_hurry_and_no_secret(
        happenings in vec(happenings(), 0..200),
        (shared, device) in any::<(bool, bool)>(),
        random in any::<u64>(),
    ) {
        let mut desk = Desk::new(credentials(shared, device));
        let mut connected_at: Option<u64> = None;
        let mut last = String::new();
        let mut check = |desk: &Desk, out: &[Output], last: &mut String| -> Result<(), TestCaseError> {
            for one in out {
                if let Output::Send(Text(text)) = one {
                    let request: Value = serde_json::from_str(text).expect("JSON");
                    request["id"].as_str().expect("an id").clone_into(last);
                }
                if *one == Output::Connect {
                    let now = desk.now.elapsed;
                    prop_assert!(connected_at.is_none_or(|before| now - before >= SPACING));
                    connected_at = Some(now);
                }
                let printed = format!("{one:?} {:?}", desk.session);
                prop_assert!(!printed.contains(SHARED) && !printed.contains(DEVICE), "{}", printed);
            }
            Ok(())
        };
        for (happens, passed, set) in &happenings {
            desk.now.elapsed += passed;
            desk.now.wall = desk.now.wall.plus(passed.cast_signed() + set);
            let out = desk.session.handle(Input::Timer, desk.now, random);
            check(&desk, &out, &mut last)?;
            prop_assert!(desk.session.due().is_none_or(|due| due > desk.now.elapsed), "time is kept");
            let text = match happens {
                Happens::Text(text) => text.replace('@', &last),
                _ => String::new(),
            };
            let input = match happens {
                Happens::Opened => Input::Opened,
                Happens::Heard => Input::Heard,
                Happens::Text(_) => Input::Text(&text),
                Happens::Closed(code) => Input::Closed { code: *code },
                Happens::Failed(why) => Input::Failed(why.clone()),
                Happens::Ask => Input::Ask(1, Ask::Quotas),
                Happens::Retry(true) => Input::Retry(Some(credentials(shared, device))),
                Happens::Retry(false) => Input::Retry(None),
            };
            let out = desk.session.handle(input, desk.now, random);
            check(&desk, &out, &mut last)?;
            prop_assert!(desk.session.due().is_none_or(|due| due > desk.now.elapsed), "time is kept");
        }
    }
}

/// A gateway and the network before it, in one place and with all their faults.
struct Gateway {
    fault: Fault,
    fault_ends: u64,
    device: Option<String>,
    rotations: u64,
    seq: u64,
    connects: u32,
    wrong: u32,
    is_open: bool,
    is_up: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Refused,
    /// Packets vanish, both ways.
    HalfOpen,
    /// Stopping, gone and starting, a third of the time each.
    Restart(u64),
    Rotation,
    Reset,
    Garbage,
    LockedOut,
    LostEvents,
}

const FAULTS: [Fault; 8] = [
    Fault::Refused,
    Fault::HalfOpen,
    Fault::Restart(0),
    Fault::Rotation,
    Fault::Reset,
    Fault::Garbage,
    Fault::LockedOut,
    Fault::LostEvents,
];

impl Gateway {
    /// What the fault does when it begins; and the whole answer to what the session does.
    fn begin(&mut self, fault: Fault, now: u64, lasts: u64) -> Option<Input<'static>> {
        self.fault = fault;
        self.fault_ends = now + lasts;
        let was_open = std::mem::take(&mut self.is_open);
        self.is_up &= !matches!(
            fault,
            Fault::Restart(_) | Fault::Rotation | Fault::Reset | Fault::LockedOut
        );
        match fault {
            Fault::Restart(_) => {
                self.fault = Fault::Restart(now);
                was_open.then_some(Input::Closed { code: Some(1012) })
            }
            Fault::Rotation => {
                self.rotations += 1;
                self.device = None;
                self.fault = Fault::None;
                was_open.then_some(Input::Closed { code: Some(4001) })
            }
            Fault::Reset | Fault::LockedOut => was_open.then_some(Input::Failed(Failure::Lost)),
            Fault::LostEvents => {
                self.seq += 3;
                self.fault = Fault::None;
                self.is_open = was_open;
                None
            }
            _ => {
                self.is_open = was_open;
                None
            }
        }
    }

    /// What comes back of one output.
    fn answer(&mut self, output: &Output, now: u64) -> Vec<Reply> {
        let lost = self.fault == Fault::HalfOpen;
        match output {
            Output::Connect => {
                self.connects += 1;
                let (open, reply) = match self.fault {
                    Fault::HalfOpen => (false, vec![]),
                    Fault::Refused => (false, vec![Reply::Failed(Failure::Refused)]),
                    Fault::Restart(began) => {
                        let third = (self.fault_ends - began) / 3;
                        match (now - began) / third.max(1) {
                            0 => (false, vec![Reply::Failed(Failure::Http { status: 503 })]),
                            1 => (false, vec![Reply::Failed(Failure::Refused)]),
                            _ => (true, vec![Reply::Opened, Reply::Text(CHALLENGE.into())]),
                        }
                    }
                    Fault::Garbage => (
                        true,
                        vec![Reply::Opened, Reply::Text("\u{1f4a5}<html>".into())],
                    ),
                    _ => (true, vec![Reply::Opened, Reply::Text(CHALLENGE.into())]),
                };
                self.is_open = open;
                self.is_up = false;
                reply
            }
            Output::Close(_) => {
                self.is_open = false;
                self.is_up = false;
                vec![]
            }
            Output::Ping if self.is_open && !lost => vec![Reply::Heard],
            Output::Send(Text(text)) if self.is_open && !lost => {
                let request: Value = serde_json::from_str(text).expect("JSON");
                vec![Reply::Text(self.respond(&request, now).to_string())]
            }
            _ => vec![],
        }
    }

    fn respond(&mut self, request: &Value, now: u64) -> Value {
        let refuse = |error: Value| json!({ "type": "res", "id": request["id"], "ok": false, "error": error });
        if request["method"] != "connect" {
            return json!({ "type": "res", "id": request["id"], "ok": true, "payload": {} });
        }
        match self.fault {
            Fault::Restart(_) => {
                return refuse(
                    json!({ "code": "UNAVAILABLE", "retryable": true, "retryAfterMs": 500 }),
                );
            }
            Fault::LockedOut => {
                let mut error = error("AUTH_RATE_LIMITED");
                error["retryAfterMs"] = json!(self.fault_ends - now);
                return refuse(error);
            }
            _ => {}
        }
        let auth = &request["params"]["auth"];
        let device = self.device.as_deref();
        if auth["token"] != SHARED && (device.is_none() || auth["deviceToken"].as_str() != device) {
            self.wrong += 1;
            return refuse(error("AUTH_TOKEN_MISMATCH"));
        }
        self.is_up = true;
        self.seq = 0;
        let token = format!("device-token-{}", self.rotations);
        let mut hello = hello();
        hello["auth"]["deviceToken"] = json!(token);
        self.device = Some(token);
        json!({ "type": "res", "id": request["id"], "ok": true, "payload": hello })
    }
}

enum Reply {
    Opened,
    Heard,
    Failed(Failure),
    Text(String),
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]
    #[test]
    fn an_hour_of_faults_ends_connected_without_hurry(
        faults in vec((0..FAULTS.len(), 0..200u64, 1..90u64), 1..60),
        random in any::<u64>(),
    ) {
        let mut desk = Desk::new(credentials(true, false));
        let mut gateway = Gateway {
            fault: Fault::None, fault_ends: 0, device: None, rotations: 0, seq: 0, connects: 0, wrong: 0,
            is_open: false, is_up: false,
        };
        let mut faults = faults.into_iter();
        let mut next = faults.next();
        let mut rests_until = 0;
        let (mut began, mut connects_by_fault) = (0u32, 0u64);
        let mut random = random | 1;
        let (mut gaps, mut ready_since) = (0u32, None);
        // An hour, a quarter of a second at a time; its last six minutes are free of faults.
        for step in 0..14_400u64 {
            let now = step * 250;
            desk.now = Moment { elapsed: now, wall: UnixMillis(1_795_178_000_000 + now.cast_signed()) };
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            if gateway.fault != Fault::None && now >= gateway.fault_ends {
                gateway.fault = Fault::None;
            }
            let mut replies = Vec::new();
            if gateway.fault == Fault::None
                && (rests_until..3_240_000).contains(&now)
                && let Some((fault, rests, lasts)) = next.take()
            {
                let lasts = (lasts * 1_000).min(3_240_000 - now);
                if let Some(input) = gateway.begin(FAULTS[fault], now, lasts) {
                    replies.push(desk.session.handle(input, desk.now, random >> 33));
                }
                rests_until = now + lasts + rests * 1_000;
                next = faults.next();
                began += 1;
                connects_by_fault += lasts / LONGEST_STEP + 8;
                if let Fault::Restart(_) = FAULTS[fault] {
                    connects_by_fault += u64::from(QUICK_TRIES);
                }
            }
            if gateway.is_up && gateway.fault != Fault::HalfOpen && step % 120 == 0 {
                gateway.seq += 1;
                let tick = json!({ "type": "event", "event": "tick", "seq": gateway.seq, "payload": { "ts": now } });
                replies.push(desk.say(Input::Text(&tick.to_string())));
            }
            replies.push(desk.session.handle(Input::Timer, desk.now, random >> 33));
            // Answers come at once, and what they lead to is answered at once.
            while let Some(outputs) = replies.pop() {
                for output in &outputs {
                    gaps += u32::from(*output == Output::Tell(GatewayEvent::Gap));
                    for reply in gateway.answer(output, now) {
                        let input = match &reply {
                            Reply::Opened => Input::Opened,
                            Reply::Heard => Input::Heard,
                            Reply::Failed(why) => Input::Failed(why.clone()),
                            Reply::Text(text) => Input::Text(text),
                        };
                        replies.push(desk.session.handle(input, desk.now, random >> 33));
                    }
                }
            }
            if now >= 3_240_000 && desk.session.state().word() == "connected" {
                ready_since.get_or_insert(now);
            }
        }
        prop_assert_eq!(desk.session.state(), &connected());
        prop_assert!(ready_since.is_some_and(|at| at <= 3_330_000), "{:?}: a minute and a half is enough", ready_since);
        prop_assert!(u64::from(gateway.connects) <= 1 + connects_by_fault, "{} of {}", gateway.connects, connects_by_fault);
        prop_assert_eq!(gateway.wrong, 0, "{} faults: no secret was ever tried in vain", began);
        prop_assert!(gaps >= 1);
    }
}
