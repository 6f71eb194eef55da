//! What networks and other versions do, one at a time.

use super::*;

/// How far a connection has come.
fn desks() -> [(&'static str, Desk); 5] {
    let opening = || {
        let mut desk = Desk::new(credentials(true, true));
        assert_eq!(desk.wait(), [Output::Connect]);
        desk
    };
    let mut challenge = opening();
    challenge.say(Input::Opened);
    let mut greeting = opening();
    greeting.greet();
    let up = Desk::connected(credentials(true, true));
    let mut lasted = Desk::connected(credentials(true, true));
    lasted.pass(LASTED);
    [
        ("opening", opening()),
        ("challenge", challenge),
        ("greeting", greeting),
        ("up", up),
        ("lasted", lasted),
    ]
}

#[test]
fn every_close_code_has_its_own_outcome() {
    let codes = [
        0, 1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
        1015, 3000, 4000, 4001, 4008, 65_535,
    ];
    let mut told = String::new();
    for code in codes {
        let mut outcomes: Vec<(String, Vec<&str>)> = Vec::new();
        for (phase, mut desk) in desks() {
            let code = (code > 0).then_some(code);
            let out = desk.say(Input::Closed { code });
            let kept = out.contains(&Output::Keep(Kept::NoDeviceToken));
            let lost = if kept {
                ", the device's token is lost"
            } else {
                ""
            };
            let why = match desk.session.state() {
                State::Unreachable { why, .. } => serde_json::to_string(why).expect("JSON"),
                state => serde_json::to_string(state).expect("JSON"),
            };
            let outcome = format!("{why} {} ms{lost}", desk.delay().expect("a next try"));
            match outcomes.iter_mut().find(|(known, _)| *known == outcome) {
                Some((_, phases)) => phases.push(phase),
                None => outcomes.push((outcome, vec![phase])),
            }
        }
        for (outcome, phases) in outcomes {
            let phases = if phases.len() == 5 {
                "ever".into()
            } else {
                phases.join(", ")
            };
            told += &format!("{code} {phases}: {outcome}\n");
        }
    }
    insta::assert_snapshot!(told, @r#"
    0 ever: {"kind":"lost"} 1000 ms
    1000 ever: {"kind":"closed","code":1000} 1000 ms
    1001 ever: {"kind":"restarting"} 1000 ms
    1002 opening, challenge, greeting: {"kind":"version-mismatch","expected":null} 300000 ms
    1002 up, lasted: {"kind":"closed","code":1002} 1000 ms
    1003 ever: {"kind":"closed","code":1003} 1000 ms
    1005 ever: {"kind":"lost"} 1000 ms
    1006 ever: {"kind":"lost"} 1000 ms
    1007 ever: {"kind":"closed","code":1007} 1000 ms
    1008 ever: {"kind":"closed","code":1008} 1000 ms
    1009 ever: {"kind":"too-long"} 1000 ms
    1010 ever: {"kind":"closed","code":1010} 1000 ms
    1011 ever: {"kind":"closed","code":1011} 1000 ms
    1012 ever: {"kind":"restarting"} 1000 ms
    1013 ever: {"kind":"restarting"} 1000 ms
    1014 ever: {"kind":"closed","code":1014} 1000 ms
    1015 ever: {"kind":"closed","code":1015} 1000 ms
    3000 ever: {"kind":"closed","code":3000} 1000 ms
    4000 ever: {"kind":"closed","code":4000} 1000 ms
    4001 opening, challenge, greeting: {"kind":"closed","code":4001} 1000 ms
    4001 up, lasted: {"kind":"connecting"} 1000 ms, the device's token is lost
    4008 ever: {"kind":"closed","code":4008} 1000 ms
    65535 ever: {"kind":"closed","code":65535} 1000 ms
    "#);
}

#[test]
fn what_comes_late_but_in_time_is_taken() {
    let mut desk = Desk::new(credentials(true, true));
    assert_eq!(desk.wait(), [Output::Connect]);
    assert_eq!(desk.pass(9_999), []);
    assert_eq!(desk.say(Input::Opened), []);
    assert_eq!(desk.pass(9_999), []);
    let out = desk.say(Input::Text(CHALLENGE));
    let [Output::Send(_)] = out.as_slice() else {
        panic!("{out:?}")
    };
    assert_eq!(desk.pass(9_999), []);
    let out = desk.answer(&json!("1"), &hello());
    assert_eq!(out.last(), Some(&state(connected())));
    assert_eq!(desk.pass(PATIENCE - 1), []);
    let gap = [Output::Tell(GatewayEvent::Gap)];
    assert_eq!(
        desk.answer(&json!("2"), &json!({ "subscribed": true })),
        gap
    );
    desk.say(Input::Ask(7, Ask::Quotas));
    assert_eq!(desk.pass(PATIENCE - 1), []);
    let quotas = super::super::super::Quotas::default();
    let answer = Ok(super::super::super::Answer::Quotas(quotas));
    let told = Output::Tell(GatewayEvent::Answer { ask: 7, answer });
    assert_eq!(desk.answer(&json!("3"), &json!({})), [told]);
}

#[test]
fn a_subscription_that_is_never_answered_is_made_anew() {
    let mut desk = Desk::new(credentials(true, true));
    let request = desk.connect();
    desk.answer(&request["id"], &hello());
    assert_eq!(desk.pass(PATIENCE - 1), []);
    let (since, why) = (desk.now.wall.plus(1), Failure::TimedOut);
    let unreachable = state(State::Unreachable { since, why });
    assert_eq!(desk.pass(1), [Output::Close(1000), unreachable]);
}

/// Puts a member that nobody knows into every object whose members have fixed names.
fn renewed(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let renew = |(name, member): (&String, &Value)| {
                let is_map = name == "missingCostByModel";
                let member = if is_map {
                    member.clone()
                } else {
                    renewed(member)
                };
                (name.clone(), member)
            };
            let mut members: serde_json::Map<_, _> = members.iter().map(renew).collect();
            members.insert("aNovelty".into(), json!([{ "deep": null }, 1.5]));
            members.into()
        }
        Value::Array(items) => items.iter().map(renewed).collect(),
        other => other.clone(),
    }
}

#[test]
fn what_a_newer_gateway_adds_is_passed_over() {
    let answered = |method: &str| -> Value {
        let captured = match method {
            "usage.status" => {
                include_str!("../../../../../../tests/fixtures/gateway/rpc/usage.status.json")
            }
            "sessions.usage" => {
                include_str!(
                    "../../../../../../tests/fixtures/gateway/rpc/sessions.usage.allagents.json"
                )
            }
            "sessions.usage.timeseries" => {
                include_str!(
                    "../../../../../../tests/fixtures/gateway/rpc/sessions.usage.timeseries.json"
                )
            }
            _ => include_str!(
                "../../../../../../tests/fixtures/gateway/rpc/sessions.usage.logs.json"
            ),
        };
        let mut captured: Value = serde_json::from_str(captured).expect("JSON");
        captured["response"]["payload"].take()
    };
    let day = jiff::civil::date(2026, 11, 20);
    let key = || "agent:main:main".to_owned();
    let asks = [
        Ask::Quotas,
        Ask::Usage {
            since: day,
            until: day,
            zone: "UTC".into(),
            sessions: 50,
        },
        Ask::Timeseries { key: key() },
        Ask::Log {
            key: key(),
            limit: 20,
        },
    ];
    let life = |renew: &dyn Fn(&Value) -> Value| -> Vec<Output> {
        let mut desk = Desk::new(credentials(true, false));
        let mut out = desk.wait();
        out.extend(desk.say(Input::Opened));
        let hear = |desk: &mut Desk, frame: Value| {
            let text = renew(&frame).to_string();
            desk.say(Input::Text(&text))
        };
        let respond = |id: u64, payload: Value| json!({ "type": "res", "id": id.to_string(), "ok": true, "payload": payload });
        let challenge = serde_json::from_str(CHALLENGE).expect("JSON");
        out.extend(hear(&mut desk, challenge));
        out.extend(hear(&mut desk, respond(1, hello())));
        out.extend(hear(&mut desk, respond(2, json!({ "subscribed": true }))));
        let events: Vec<Value> = serde_json::from_str(TURN).expect("JSON");
        for (seq, mut event) in (1..).zip(events) {
            event["seq"] = json!(seq);
            out.extend(hear(&mut desk, event));
        }
        for (id, ask) in (3..).zip(&asks) {
            desk.say(Input::Ask(id, ask.clone()));
            out.extend(hear(&mut desk, respond(id, answered(ask.method()))));
        }
        let shutdown = json!({ "type": "event", "event": "shutdown", "payload": {} });
        out.extend(hear(&mut desk, shutdown));
        out.extend(desk.say(Input::Closed { code: None }));
        desk.wait();
        let request = desk.greet();
        let mut refusal = error("AUTH_RATE_LIMITED");
        refusal["retryAfterMs"] = json!(1_000);
        let refused = json!({ "type": "res", "id": request["id"], "ok": false, "error": refusal });
        out.extend(hear(&mut desk, refused));
        out
    };
    let today = life(&Value::clone);
    assert_eq!(life(&renewed), today);
    let answers = today.iter().filter(|one| {
        matches!(
            one,
            Output::Tell(GatewayEvent::Answer { answer: Ok(_), .. })
        )
    });
    assert_eq!(answers.count(), 4);
}

/// How many connects there are at most in an hour of always the same ending.
#[test]
fn no_storm_makes_us_hurry() {
    type End = fn(&mut Desk);
    let welcomed = |desk: &mut Desk| {
        let request = desk.greet();
        desk.answer(&request["id"], &hello());
    };
    let ends: [(&str, End); 9] = [
        ("nothing listens", |desk| {
            desk.say(Input::Failed(Failure::Refused));
        }),
        ("no answer", |desk| {
            desk.wait();
        }),
        ("no challenge", |desk| {
            desk.say(Input::Opened);
            desk.wait();
        }),
        ("another service", |desk| {
            desk.say(Input::Failed(Failure::Http { status: 200 }));
        }),
        ("always starting", |desk| {
            desk.say(Input::Failed(Failure::Http { status: 503 }));
        }),
        ("garbage", |desk| {
            desk.say(Input::Opened);
            desk.say(Input::Text("<html>"));
        }),
        ("an unknown refusal", |desk| {
            let request = desk.greet();
            desk.refuse(&request, &error("NOVELTY"));
        }),
        ("a login", |desk| {
            desk.say(Input::Failed(Failure::Http { status: 401 }));
        }),
        ("a refused token", |desk| {
            let request = desk.greet();
            desk.refuse(&request, &error("AUTH_TOKEN_MISMATCH"));
        }),
    ];
    let hour = |end: &dyn Fn(&mut Desk)| {
        let mut desk = Desk::new(credentials(true, true));
        let mut connects = 0;
        while let Some(delay) = desk.delay()
            && desk.now.elapsed + delay < 3_600_000
        {
            assert_eq!(desk.pass(delay), [Output::Connect]);
            connects += 1;
            end(&mut desk);
        }
        connects
    };
    let mut told: Vec<String> = ends
        .iter()
        .map(|(name, end)| format!("{name}: {}", hour(end)))
        .collect();
    for lasts in [0, 10_000, 29_999, 30_000] {
        for code in [1006, 1012, 4001] {
            let end = |desk: &mut Desk| {
                welcomed(desk);
                if lasts > 0 {
                    let id = json!(desk.session.requests.to_string());
                    desk.answer(&id, &json!({}));
                    desk.pass(lasts);
                }
                desk.say(Input::Closed { code: Some(code) });
            };
            told.push(format!("{code} after {lasts} ms: {}", hour(&end)));
        }
    }
    insta::assert_snapshot!(told.join("\n"), @"
    nothing listens: 184
    no answer: 123
    no challenge: 123
    another service: 184
    always starting: 212
    garbage: 184
    an unknown refusal: 184
    a login: 12
    a refused token: 2
    1006 after 0 ms: 184
    1012 after 0 ms: 212
    4001 after 0 ms: 184
    1006 after 10000 ms: 123
    1012 after 10000 ms: 142
    4001 after 10000 ms: 123
    1006 after 29999 ms: 74
    1012 after 29999 ms: 85
    4001 after 29999 ms: 74
    1006 after 30000 ms: 117
    1012 after 30000 ms: 117
    4001 after 30000 ms: 117
    ");
}
