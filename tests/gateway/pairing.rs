//! How a gateway on another machine lets Clawspend in, and when it does not.

use crate::{
    elsewhere::{between, time},
    gateway::{Gateway, TOKEN, version},
    home::{Home, ended},
    operator::Operator,
    running::{Running, home_far_from_midnight},
    turns::{begin_with, reply},
    way::Way,
};
use clawspend_core::{api::GatewayStatus, time::UnixMillis};
use serde_json::{Value, json};
use std::{fs, iter, net::SocketAddr, process::Stdio, thread, time::Duration};

/// Adds a gateway by a token that is typed, or gives it another; `what` it then has, or is. Returns the warning.
pub(crate) fn add(home: &Home, name: &str, url: &str, token: &str, what: &str) -> String {
    let typed = home.write("token", token);
    let mut command = home.command(&format!("gateway add {name} {url} --token-stdin"));
    command.stdin(Stdio::from(fs::File::open(typed).expect("a file")));
    let answer = ended(&mut command);
    let told = format!("{name} {what}; try it: clawspend gateway test {name}\n");
    assert_eq!((answer.code, answer.out), (Some(0), told));
    answer.err
}

/// What a gateway lists of us: a device that may read, and nothing else.
pub(crate) fn reader() -> Value {
    json!({
        "clientId": "gateway-client", "clientMode": "ui", "platform": "linux", "roles": ["operator"],
        "scopes": ["operator.read"],
    })
}

/// The status of a gateway that nothing is wrong with.
pub(crate) fn connected(name: &str, url: &str) -> GatewayStatus {
    GatewayStatus {
        name: name.into(),
        url: url.into(),
        default: true,
        origin: "config".into(),
        state: "connected".into(),
        brief: "connected".into(),
        sentence: format!("connected to OpenClaw {} at {url}", version()),
        advice: None,
        command: None,
        needs_user: false,
        told_at: None,
        warning: None,
    }
}

/// The request that waits for approval at the gateway.
fn request(operator: &mut Operator) -> String {
    let list = operator.call("device.pair.list", &json!({}));
    let pending = list["pending"].as_array().expect("requests");
    assert_eq!(pending.len(), 1, "{pending:?}");
    pending[0]["requestId"].as_str().expect("an id").to_owned()
}

#[test]
fn from_elsewhere_somebody_approves_it_and_wrong_tokens_of_others_are_waited_for() {
    let (_home, provider, gateway) = begin_with(Gateway::start_outside);
    let viewer = home_far_from_midnight();
    let way = Way::to(gateway.address());
    let url = way.url();
    let mut engine = Running::start(&viewer, 0, "0");
    let warning = format!(
        "{url} is not encrypted: everybody on the way can read the token and what is reported; use wss://, or an SSH \
         tunnel to 127.0.0.1"
    );
    assert_eq!(
        add(&viewer, "far", &url, TOKEN, "is added"),
        format!("clawspend: {warning}\n")
    );
    let connected = GatewayStatus {
        warning: Some(warning),
        ..connected("far", &url)
    };

    let mut operator = gateway.operator();
    for again in [false, true] {
        let waits = engine.stands("pairing-required");
        let command = format!("openclaw devices approve {}", request(&mut operator));
        let sentence = if again {
            format!("the gateway at {url} knows this device and wants it to be approved again")
        } else {
            format!("the gateway at {url} waits for somebody to approve this device")
        };
        let expected = GatewayStatus {
            state: "pairing-required".into(),
            brief: "waiting for approval".into(),
            sentence,
            advice: Some(format!("on the gateway's machine, run: {command}")),
            command: Some(command.clone()),
            needs_user: true,
            ..connected.clone()
        };
        assert_eq!(waits, expected);
        gateway.run(&command);
        assert_eq!(
            GatewayStatus {
                told_at: None,
                ..engine.stands("connected")
            },
            connected
        );
        assert_eq!(operator.devices(), [reader()]);

        let (number, cost) = if again { (2, "0.006") } else { (1, "0.003") };
        provider.will(reply("short", [1_000, 0, 0, 0]));
        let message = format!("message {number}");
        let turn = operator.turn("agent:main:main", "mock-large", &message);
        assert_eq!(turn, "ok");
        engine.spends(number, cost);
        let device = operator.device();
        gateway.run(&format!(
            "openclaw devices revoke --device {device} --role operator"
        ));
    }
    let waits = engine.stands("pairing-required");

    // Some wrong tokens are allowed, from any device behind one address. Ours was right, and is locked out with them.
    let codes = iter::repeat_with(|| refused(gateway.address(), "not-its-token"));
    let mut others = codes
        .take(50)
        .skip_while(|code| code == "AUTH_TOKEN_MISMATCH");
    assert_eq!(others.next(), Some(json!("AUTH_RATE_LIMITED")));
    assert_eq!(
        refused(gateway.address(), TOKEN),
        json!("AUTH_RATE_LIMITED")
    );
    let locked = engine.stands("locked-out");
    let connections = way.connections();
    let until = between(
        &locked.sentence,
        &format!("the gateway at {url} lets nobody in from here until "),
        ": too many wrong tokens",
    );
    let until = time(&viewer, until);
    let left = until.timestamp().as_millisecond() - UnixMillis::now().0;
    assert!((240_000..300_000).contains(&left), "{left}");
    let expected = GatewayStatus {
        state: "locked-out".into(),
        brief: until.strftime("locked out until %H:%M").to_string(),
        sentence: locked.sentence.clone(),
        advice: Some("wait: earlier tries only fail, even with the right token".into()),
        command: None,
        needs_user: false,
        ..waits
    };
    assert_eq!(locked, expected);
    // Longer than it waits between two tries after anything else.
    thread::sleep(Duration::from_secs(7));
    assert_eq!(way.connections(), connections);
}

/// Why a gateway does not let somebody else in.
fn refused(gateway: SocketAddr, token: &str) -> Value {
    match Operator::connect(gateway, token) {
        Ok(_) => panic!("it was let in"),
        Err(mut error) => error["details"]["code"].take(),
    }
}
