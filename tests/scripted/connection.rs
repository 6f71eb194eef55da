use clawspend_core::{
    environment::Environment,
    gateway::{
        Address, Answer, Ask, Connections, Failure, Gateway, GatewayEvent, Kept, Origin, Pin,
        Secret, Secrets, State, TIMEOUT, Unauthorized,
    },
    usage::Line,
};
use clawspend_tests::{
    gateway::{Heard, PATIENCE, ScriptedGateway, Step, friendly, hello, http, refusal},
    home::Home,
};
use serde_json::{Value, json};
use std::{
    sync::mpsc::{Receiver, channel},
    time::{Duration, Instant},
};

const CASES: &str = include_str!("../fixtures/gateway/handshake-cases/loopback.2026.9.6.jsonl");
const TURN: &str = include_str!("../fixtures/gateway/events/turn-after-sessions.subscribe.json");

/// A client that is told what its one gateway tells.
struct Client {
    connections: Connections,
    events: Receiver<GatewayEvent>,
    gateway: Gateway,
}

impl Client {
    fn start(environment: Environment, gateway: Gateway) -> Self {
        let (sender, events) = channel();
        let connections = Connections::start(environment, move |name, event| {
            assert_eq!(name, "home");
            let _ = sender.send(event);
        });
        let connections = connections.expect("a thread");
        connections.follow(vec![gateway.clone()]);
        Self {
            connections,
            events,
            gateway,
        }
    }

    fn next(&self) -> GatewayEvent {
        self.events
            .recv_timeout(PATIENCE)
            .expect("something is told")
    }

    /// The next state that is not [`State::Connecting`].
    fn state(&self) -> State {
        loop {
            match self.next() {
                GatewayEvent::State(State::Connecting) => {}
                GatewayEvent::State(state) => return state,
                _ => {}
            }
        }
    }
}

fn gateway(url: &str) -> Gateway {
    Gateway {
        name: "home".into(),
        address: Address::parse(url).expect("an address"),
        pin: None,
        default: true,
        timeout: TIMEOUT,
        origin: Origin::Config,
    }
}

fn secrets(home: &Home) -> Secrets {
    Secrets::new(&home.environment().paths)
}

/// A home that knows the shared token of this gateway.
fn home_with_token(scripted: &ScriptedGateway) -> Home {
    let home = Home::new();
    let token = Secret::new("sesame");
    let address = gateway(&scripted.url()).address;
    secrets(&home)
        .set_shared(&address, token.as_ref())
        .expect("kept");
    home
}

fn connect(scripted: &ScriptedGateway) -> (Home, Client) {
    let home = home_with_token(scripted);
    let client = Client::start(home.environment(), gateway(&scripted.url()));
    (home, client)
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

#[test]
fn a_local_gateway_pairs_by_itself_and_the_device_token_is_kept() {
    let scripted = ScriptedGateway::start(|_| friendly());
    let (home, client) = connect(&scripted);
    assert_eq!(client.next(), GatewayEvent::State(connected()));
    assert_eq!(client.next(), GatewayEvent::Gap);
    let address = &client.gateway.address;
    let kept = secrets(&home).credentials(address).expect("readable");
    assert_eq!(kept.device, Secret::new("a-device-token"));
    let heard = scripted.heard();
    let Heard::Upgrade(headers) = &heard[0].1 else {
        panic!("{heard:?}")
    };
    assert!(
        headers.iter().all(|(name, _)| name != "origin"),
        "{headers:?}"
    );
    let first = scripted.connects()[0]["auth"].clone();
    assert_eq!(first, json!({ "token": "sesame" }));
    drop(client);
    scripted.wait_for(|heard| heard.contains(&(0, Heard::Closed(Some(1000)))));

    let again = Client::start(home.environment(), gateway(&scripted.url()));
    assert_eq!(again.state(), connected());
    let second = &scripted.connects()[1];
    assert_eq!(
        second["auth"],
        json!({ "token": "sesame", "deviceToken": "a-device-token" })
    );
    assert_eq!(
        second["device"]["id"],
        scripted.connects()[0]["device"]["id"]
    );
}

#[test]
fn every_captured_handshake_has_the_same_outcome_over_a_socket() {
    for line in CASES.lines() {
        let case: Value = serde_json::from_str(line).expect("JSON");
        let (ok, error, auth) = (
            case["ok"] == true,
            case["error"].clone(),
            case["auth"].clone(),
        );
        let scripted = ScriptedGateway::start(move |_| {
            let mut hello = hello();
            hello["auth"] = auth.clone();
            let answer = if ok {
                Step::Greet(hello)
            } else {
                Step::Refuse(error.clone())
            };
            vec![Step::Challenge, answer]
        });
        let (_home, client) = connect(&scripted);
        let detail = case["error"]["details"]["code"].as_str();
        let detail = detail.unwrap_or_default();
        let unauthorized = |why| State::Unauthorized { why };
        let expected = match detail {
            "" if case["auth"]["scopes"].to_string().contains("operator.read") => {
                let scopes = case["auth"]["scopes"].clone();
                State::Connected {
                    server_version: "2026.9.6".into(),
                    protocol: 4,
                    scopes: serde_json::from_value(scopes).expect("names"),
                    paired: case["auth"]["deviceToken"].is_string(),
                    live: true,
                }
            }
            "" if ok => unauthorized(Unauthorized::NoReadScope),
            "" => State::VersionMismatch { expected: None },
            "PROTOCOL_MISMATCH" => State::VersionMismatch { expected: Some(4) },
            "AUTH_TOKEN_MISSING" => unauthorized(Unauthorized::TokenMissing),
            "AUTH_TOKEN_MISMATCH" => unauthorized(Unauthorized::TokenWrong),
            detail if detail.starts_with("DEVICE_AUTH_") => unauthorized(Unauthorized::Signature),
            _ => unauthorized(Unauthorized::Identity),
        };
        assert_eq!(client.state(), expected, "{line}");
        let tries = if detail.starts_with("DEVICE_AUTH_") {
            2
        } else {
            1
        };
        assert_eq!(scripted.connects().len(), tries, "{line}");
    }
}

#[test]
fn a_response_is_told_as_it_is_made() {
    let scripted = ScriptedGateway::start(|_| {
        let events: Vec<Value> = serde_json::from_str(TURN).expect("JSON");
        let mut steps = friendly();
        steps.push(Step::Answer(json!({ "subscribed": true })));
        steps.extend(events.into_iter().enumerate().map(|(at, mut event)| {
            event["seq"] = json!(at + 1);
            Step::Say(event.to_string())
        }));
        steps
    });
    let (_home, client) = connect(&scripted);
    let message = loop {
        match client.next() {
            GatewayEvent::Message(message) => break message,
            GatewayEvent::State(state) => assert_eq!(state, connected()),
            other => assert_eq!(other, GatewayEvent::Gap),
        }
    };
    let Line::Observation(response) = message.line else {
        panic!("{message:?}")
    };
    assert_eq!(message.event, "4fba8df0-5075-4752-b801-00bb03894053");
    assert_eq!(
        (&*response.gateway, &*response.agent, &*response.model),
        ("home", "main", "mock-large")
    );
    assert_eq!(response.tokens.total(), 2_020);
}

#[test]
fn questions_are_answered_whatever_the_order() {
    let scripted = ScriptedGateway::start(|_| {
        let mut steps = friendly();
        steps.push(Step::Answer(json!({})));
        steps.push(Step::AnswerBackwards(20));
        steps
    });
    let (_home, client) = connect(&scripted);
    while client.next() != GatewayEvent::Gap {}
    for number in 0..20 {
        client.connections.ask("home", number, Ask::Quotas);
    }
    for number in (0..20u64).rev() {
        let GatewayEvent::Answer {
            ask,
            answer: Ok(Answer::Quotas(quotas)),
        } = client.next()
        else {
            panic!("no answer to {number}")
        };
        assert_eq!((ask, quotas.updated_at.0), (number, number.cast_signed()));
    }
}

#[test]
fn pings_are_answered_and_garbage_is_passed_over() {
    let scripted = ScriptedGateway::start(|_| {
        let mut steps = friendly();
        let garbage = [
            "",
            "null",
            "[1,2",
            "{\"type\":\"event\"}",
            "{\"type\":\"novelty\"}",
        ];
        steps.extend(garbage.map(|text| Step::Say(text.into())));
        steps.push(Step::Ping);
        steps
    });
    let (_home, client) = connect(&scripted);
    assert_eq!(client.state(), connected());
    scripted.wait_for(|heard| heard.contains(&(0, Heard::Pong)));
    assert_eq!(scripted.connections(), 1);
}

#[test]
fn what_ends_a_connection_is_followed_by_another() {
    let seq =
        |seq: u64| Step::Say(json!({ "type": "event", "event": "tick", "seq": seq }).to_string());
    let restart = Step::Say(json!({ "type": "event", "event": "shutdown", "seq": 1 }).to_string());
    for (end, why) in [
        (vec![restart, Step::Close(1012)], Failure::Restarting),
        (vec![Step::Close(1012)], Failure::Restarting),
        (vec![Step::Close(1008)], Failure::Closed { code: 1008 }),
        (vec![Step::Close(1009)], Failure::TooLong),
        (vec![Step::Reset], Failure::Lost),
        (
            vec![seq(1), Step::SayMuch((32 << 20) + 1)],
            Failure::TooLong,
        ),
    ] {
        let scripted = ScriptedGateway::start(move |number| {
            let mut steps = friendly();
            if number == 0 {
                steps.push(Step::Answer(json!({})));
                steps.extend(end.clone());
            }
            steps
        });
        let (_home, client) = connect(&scripted);
        assert_eq!(client.state(), connected());
        let State::Unreachable { why: told, .. } = client.state() else {
            panic!("{why:?}")
        };
        assert_eq!(told, why);
        assert_eq!(client.state(), connected(), "{why:?}");
        while client.next() != GatewayEvent::Gap {}
    }
}

#[test]
fn a_rotated_device_token_is_replaced() {
    let scripted = ScriptedGateway::start(|number| {
        let mut greeting = hello();
        greeting["auth"]["deviceToken"] = json!(format!("token-{number}"));
        let mut steps = vec![Step::Challenge, Step::Greet(greeting)];
        if number == 0 {
            steps.extend([Step::Answer(json!({})), Step::Close(4001)]);
        }
        steps
    });
    let (home, client) = connect(&scripted);
    assert_eq!(client.state(), connected());
    assert_eq!(client.state(), connected());
    while client.next() != GatewayEvent::Gap {}
    let kept = secrets(&home)
        .credentials(&client.gateway.address)
        .expect("readable");
    assert_eq!(kept.device, Secret::new("token-1"));
    let auth: Vec<Value> = scripted
        .connects()
        .iter()
        .map(|one| one["auth"].clone())
        .collect();
    assert_eq!(
        auth,
        [json!({ "token": "sesame" }), json!({ "token": "sesame" })]
    );
}

#[test]
fn a_wrong_token_ends_it_until_there_is_another() {
    let scripted = ScriptedGateway::start(|number| match number {
        0 => vec![
            Step::Challenge,
            Step::Refuse(refusal("INVALID_REQUEST", "AUTH_TOKEN_MISMATCH")),
        ],
        _ => friendly(),
    });
    let (home, client) = connect(&scripted);
    let why = Unauthorized::TokenWrong;
    assert_eq!(client.state(), State::Unauthorized { why });
    // Another process, and an impatient user: the same token is not sent again.
    let other = Client::start(home.environment(), gateway(&scripted.url()));
    assert_eq!(other.state(), State::Unauthorized { why });
    drop(other);
    client.connections.retry("home");
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(scripted.connections(), 1);
    let right = Secret::new("the right one");
    secrets(&home)
        .set_shared(&client.gateway.address, right.as_ref())
        .expect("kept");
    client.connections.retry("home");
    assert_eq!(client.state(), connected());
    assert_eq!(
        scripted.connects()[1]["auth"],
        json!({ "token": "the right one" })
    );
}

#[test]
fn a_gateway_that_was_put_right_is_tried_again_once_another_process_was_let_in() {
    let scripted = ScriptedGateway::start(|number| match number {
        0 => vec![
            Step::Challenge,
            Step::Refuse(refusal("INVALID_REQUEST", "AUTH_TOKEN_MISMATCH")),
        ],
        _ => friendly(),
    });
    let (home, client) = connect(&scripted);
    let why = Unauthorized::TokenWrong;
    assert_eq!(client.state(), State::Unauthorized { why });
    let address = &client.gateway.address;
    secrets(&home)
        .keep(address, &Kept::NotRefused)
        .expect("kept");
    assert_eq!(client.state(), connected());
    let auth: Vec<Value> = scripted
        .connects()
        .iter()
        .map(|one| one["auth"].clone())
        .collect();
    assert_eq!(
        auth,
        [json!({ "token": "sesame" }), json!({ "token": "sesame" })]
    );
}

#[test]
fn a_token_that_somebody_gives_later_is_found() {
    let scripted = ScriptedGateway::start(|number| match number {
        0 => vec![
            Step::Challenge,
            Step::Refuse(refusal("INVALID_REQUEST", "AUTH_TOKEN_MISSING")),
        ],
        _ => friendly(),
    });
    let home = Home::new();
    let client = Client::start(home.environment(), gateway(&scripted.url()));
    let why = Unauthorized::TokenMissing;
    assert_eq!(client.state(), State::Unauthorized { why });
    let token = Secret::new("sesame");
    secrets(&home)
        .set_shared(&client.gateway.address, token.as_ref())
        .expect("kept");
    assert_eq!(client.state(), connected());
}

#[test]
fn an_approval_is_waited_for() {
    let scripted = ScriptedGateway::start(|number| {
        let mut pairing = refusal("NOT_PAIRED", "PAIRING_REQUIRED");
        pairing["details"]["requestId"] = json!("1ab96fea-0000-4000-8000-000000000000");
        pairing["details"]["reason"] = json!("not-paired");
        match number {
            0 => vec![Step::Challenge, Step::Refuse(pairing)],
            _ => friendly(),
        }
    });
    let (_home, client) = connect(&scripted);
    let waiting = client.state();
    let command = "openclaw devices approve 1ab96fea-0000-4000-8000-000000000000";
    assert_eq!(waiting.command().as_deref(), Some(command));
    assert_eq!(client.state(), connected());
}

#[test]
fn a_gateway_that_is_starting_is_waited_for() {
    let scripted = ScriptedGateway::start(|number| match number {
        0 => vec![http("503 Service Unavailable", "")],
        1 => vec![
            Step::Challenge,
            Step::Refuse(json!({ "code": "UNAVAILABLE", "retryAfterMs": 500 })),
        ],
        _ => friendly(),
    });
    let (_home, client) = connect(&scripted);
    let State::Unreachable { why, .. } = client.state() else {
        panic!("it cannot be reached")
    };
    assert_eq!(why, Failure::Restarting);
    assert_eq!(client.state(), connected());
}

#[test]
fn what_is_no_gateway_is_told_apart() {
    let html = "<!doctype html><title>Control UI</title>";
    for (step, why) in [
        (http("200 OK", html), Failure::Http { status: 200 }),
        (http("404 Not Found", ""), Failure::Http { status: 404 }),
        (
            Step::Bytes("220 mail.example.org ESMTP\r\n".into()),
            Failure::Garbage,
        ),
        (Step::Say("welcome to the chat".into()), Failure::Garbage),
    ] {
        let scripted = ScriptedGateway::start(move |_| vec![step.clone()]);
        let (_home, client) = connect(&scripted);
        assert_eq!(client.state(), State::NotAGateway { why });
    }
    for (status, body, why) in [
        (
            "403 Forbidden",
            "{\"error\":\"proxy_attribution_required\"}",
            Unauthorized::UntrustedProxy,
        ),
        ("401 Unauthorized", "", Unauthorized::Proxy),
    ] {
        let scripted = ScriptedGateway::start(move |_| vec![http(status, body)]);
        let (_home, client) = connect(&scripted);
        assert_eq!(client.state(), State::Unauthorized { why });
    }
}

#[test]
fn what_cannot_be_reached_says_why() {
    let unused = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.local_addr().expect("an address").port()
    };
    for (url, why) in [
        (format!("ws://127.0.0.1:{unused}"), Failure::Refused),
        (
            "wss://no-such-host.invalid".to_owned(),
            Failure::UnknownHost,
        ),
    ] {
        let home = Home::new();
        let client = Client::start(home.environment(), gateway(&url));
        let State::Unreachable { why: told, .. } = client.state() else {
            panic!("{url}")
        };
        assert_eq!(told, why, "{url}");
    }
}

#[test]
fn a_frame_too_long_at_any_time_ends_the_connection() {
    let too_long = Step::SayMuch((32 << 20) + 1);
    let scripted = ScriptedGateway::start(move |number| match number {
        0 => vec![too_long.clone()],
        1 => vec![Step::Challenge, too_long.clone()],
        _ => friendly(),
    });
    let (_home, client) = connect(&scripted);
    let State::Unreachable { why, .. } = client.state() else {
        panic!("nobody reads so much")
    };
    assert_eq!(why, Failure::TooLong);
    assert_eq!(client.state(), connected(), "told once, and tried on");
    assert_eq!(scripted.connections(), 3);
}

#[test]
fn a_half_open_socket_is_given_up() {
    let scripted = ScriptedGateway::start(|number| match number {
        0 => vec![Step::Hang],
        1 => vec![Step::Challenge, Step::Hang],
        2 => {
            let mut quick = hello();
            quick["policy"]["tickIntervalMs"] = json!(1_000);
            vec![
                Step::Challenge,
                Step::Greet(quick),
                Step::Answer(json!({})),
                Step::Hang,
            ]
        }
        _ => friendly(),
    });
    let home = home_with_token(&scripted);
    let impatient = Gateway {
        timeout: 300,
        ..gateway(&scripted.url())
    };
    let client = Client::start(home.environment(), impatient);
    for expected in [Some(Failure::TimedOut), None, Some(Failure::Silent), None] {
        match (client.state(), expected) {
            (State::Unreachable { why, .. }, Some(expected)) => assert_eq!(why, expected),
            (state, None) => assert_eq!(state, connected()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(scripted.connections(), 4);
}

#[test]
fn certificates_are_believed_by_their_pin_alone_when_there_is_one() {
    let scripted = ScriptedGateway::start_tls(&["localhost", "127.0.0.1"], |_| friendly());
    let shown = scripted.pin().expect("a certificate");
    let home = home_with_token(&scripted);
    let try_with = |pin: Option<Pin>| {
        let gateway = Gateway {
            pin,
            ..gateway(&scripted.url())
        };
        let state = Client::start(home.environment(), gateway).state();
        match state {
            State::Unreachable { why, .. } => Err(why),
            state => Ok(state),
        }
    };
    let fingerprint = shown.to_string();
    assert_eq!(try_with(Some(shown)), Ok(connected()));
    let other = Some(Pin::of(b"another certificate"));
    assert_eq!(
        try_with(other),
        Err(Failure::WrongPin {
            fingerprint: fingerprint.clone()
        })
    );
    // On a machine without any trusted authority nothing can be judged at all.
    match try_with(None) {
        Err(Failure::UntrustedCertificate { fingerprint: told }) => assert_eq!(told, fingerprint),
        Err(Failure::System { reason }) => {
            assert!(reason.starts_with("TLS cannot be used"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(scripted.connects().len(), 1, "no token went to a stranger");
}

#[test]
fn tls_where_there_is_none_and_none_where_there_is() {
    // What a gateway's HTTP server says to a greeting of TLS.
    let plain = ScriptedGateway::start(|_| vec![http("400 Bad Request", "")]);
    let url = plain.url().replace("ws://", "wss://");
    let home = Home::new();
    let pinned = Gateway {
        pin: Some(Pin::of(b"any")),
        ..gateway(&url)
    };
    let State::Unreachable { why, .. } = Client::start(home.environment(), pinned).state() else {
        panic!("TLS cannot work")
    };
    assert_eq!(why, Failure::NotTls);
    let tls = ScriptedGateway::start_tls(&["localhost"], |_| friendly());
    let url = tls.url().replace("wss://", "ws://");
    let state = Client::start(home.environment(), gateway(&url)).state();
    assert!(
        matches!(state.word(), "not-a-gateway" | "unreachable"),
        "{state:?}"
    );
}

#[test]
fn a_storm_of_ended_connections_is_answered_with_patience() {
    let scripted = ScriptedGateway::start(|_| {
        let mut steps = friendly();
        steps.push(Step::Reset);
        steps
    });
    let began = Instant::now();
    let (_home, _client) = connect(&scripted);
    scripted.wait_for(|_| scripted.connections() == 3);
    assert!(
        began.elapsed() >= Duration::from_secs(3),
        "a second, then two"
    );
}

#[test]
fn gateways_do_not_disturb_each_other() {
    let (good, bad) = (
        ScriptedGateway::start(|_| friendly()),
        ScriptedGateway::start(|_| vec![Step::Challenge, Step::Hang]),
    );
    let home = home_with_token(&good);
    let (sender, events) = channel();
    let connections = Connections::start(home.environment(), move |name, event| {
        let _ = sender.send((name.to_owned(), event));
    });
    let connections = connections.expect("a thread");
    let named = |name: &str, url: &str| Gateway {
        name: name.into(),
        ..gateway(url)
    };
    let both = vec![named("bad", &bad.url()), named("good", &good.url())];
    connections.follow(both.clone());
    let next = || events.recv_timeout(PATIENCE).expect("something is told");
    assert_eq!(next(), ("good".into(), GatewayEvent::State(connected())));
    assert_eq!(next(), ("good".into(), GatewayEvent::Gap));
    connections.follow(both[1..].to_vec());
    connections.ask("bad", 7, Ask::Quotas);
    let (name, event) = next();
    assert!(
        name == "bad"
            && matches!(
                event,
                GatewayEvent::Answer {
                    ask: 7,
                    answer: Err(_)
                }
            ),
        "{event:?}"
    );
    assert_eq!(good.connections(), 1, "it kept its connection");
}

#[cfg(unix)]
#[test]
fn a_file_of_secrets_that_others_can_read_is_not_used() {
    use std::os::unix::fs::PermissionsExt as _;
    let scripted = ScriptedGateway::start(|_| friendly());
    let home = home_with_token(&scripted);
    let file = home
        .environment()
        .paths
        .config_dir
        .join("gateway-secrets.json");
    let open = |mode| std::fs::set_permissions(&file, std::fs::Permissions::from_mode(mode));
    open(0o644).expect("another mode");
    let client = Client::start(home.environment(), gateway(&scripted.url()));
    let GatewayEvent::Problem(problem) = client.next() else {
        panic!("a problem")
    };
    assert_eq!(problem.code, "gateway_secrets");
    assert_eq!(scripted.connections(), 0);
    open(0o600).expect("the right mode");
    client.connections.retry("home");
    assert_eq!(client.state(), connected());
}
