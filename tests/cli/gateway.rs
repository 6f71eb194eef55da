//! `clawspend gateway` against a gateway that follows a script.

use crate::home::{Answer, Home, PATIENCE, Watch};
use clawspend_tests::gateway::{ScriptedGateway, Step, friendly, hello, http, refusal};
use serde_json::{Value, json};
use std::{
    io::Write as _,
    process::{Output, Stdio},
    time::Instant,
};

pub(crate) fn with_input(home: &Home, arguments: &str, input: &str) -> Answer {
    let mut command = home.command(arguments);
    let piped = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = piped.spawn().expect("the command starts");
    // One that refuses its arguments does not wait for more.
    let _ = child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input.as_bytes());
    let Output {
        status,
        stdout,
        stderr,
    } = child.wait_with_output().expect("it ends");
    Answer {
        code: status.code(),
        out: String::from_utf8(stdout).expect("UTF-8"),
        err: String::from_utf8(stderr).expect("UTF-8"),
    }
}

/// A home that knows the scripted gateway as `claw`.
pub(crate) fn home_with(scripted: &ScriptedGateway) -> Home {
    let home = Home::new();
    let add = format!("gateway add claw {} --token-stdin", scripted.url());
    let expected = Answer {
        code: Some(0),
        out: "claw is added; try it: clawspend gateway test claw\n".into(),
        err: String::new(),
    };
    assert_eq!(with_input(&home, &add, "sesame\n"), expected);
    home
}

fn test(home: &Home) -> (Option<i32>, Value, String) {
    let answer = home.run("gateway test claw --json");
    let told = serde_json::from_str(&answer.out).expect("JSON");
    (answer.code, told, answer.err)
}

#[test]
fn a_gateway_that_lets_us_in_is_connected() {
    let scripted = ScriptedGateway::start(|_| friendly());
    let home = home_with(&scripted);
    let expected = json!({
        "schema": "clawspend.gateway/1", "name": "claw", "state": "connected", "paired": true,
        "scopes": ["operator.read"], "server_version": "2026.9.6", "protocol": 4, "hint": null,
    });
    assert_eq!(test(&home), (Some(0), expected, String::new()));
    let told = home.tell("gateway test");
    assert_eq!(
        told,
        format!("connected to OpenClaw 2026.9.6 at {}\n", scripted.url())
    );
    let auth: Vec<Value> = scripted
        .connects()
        .iter()
        .map(|one| one["auth"].clone())
        .collect();
    let both = json!({ "token": "sesame", "deviceToken": "a-device-token" });
    assert_eq!(auth, [json!({ "token": "sesame" }), both]);
}

#[test]
fn every_other_state_has_its_word_its_sentence_and_its_advice() {
    let refuse = |error: Value| vec![Step::Challenge, Step::Refuse(error)];
    let mut pairing = refusal("NOT_PAIRED", "PAIRING_REQUIRED");
    pairing["details"]["requestId"] = json!("1ab96fea-1");
    let mut locked = refusal("INVALID_REQUEST", "AUTH_RATE_LIMITED");
    locked["retryAfterMs"] = json!(299_990);
    let mut mismatch = refusal("INVALID_REQUEST", "PROTOCOL_MISMATCH");
    mismatch["details"]["expectedProtocol"] = json!(5);
    let mut unable = hello();
    unable["auth"]["scopes"] = json!([]);
    for (steps, state, sentence, advice) in [
        (
            refuse(pairing),
            "pairing-required",
            "the gateway at URL waits for somebody to approve this device",
            "on the gateway's machine, run: openclaw devices approve 1ab96fea-1",
        ),
        (
            refuse(refusal("INVALID_REQUEST", "AUTH_TOKEN_MISMATCH")),
            "unauthorized",
            "the gateway at URL refuses the token",
            "give it the gateway's own: clawspend gateway add NAME URL --token-stdin",
        ),
        (
            refuse(refusal("INVALID_REQUEST", "AUTH_PASSWORD_MISMATCH")),
            "unauthorized",
            "the gateway at URL refuses the password",
            "give it the gateway's password: clawspend gateway add NAME URL --token-stdin",
        ),
        (
            vec![Step::Challenge, Step::Greet(unable)],
            "unauthorized",
            "the gateway at URL lets this device in without the right to read",
            "on the gateway's machine, remove the device (openclaw devices list) and connect again",
        ),
        (
            refuse(locked),
            "locked-out",
            "the gateway at URL lets nobody in from here until TIME: too many wrong tokens",
            "wait: earlier tries only fail, even with the right token",
        ),
        (
            refuse(mismatch),
            "version-mismatch",
            "the gateway at URL speaks protocol 5, and this Clawspend is too old for it",
            "update Clawspend",
        ),
        (
            vec![Step::Challenge, Step::Reset],
            "unreachable",
            "the gateway at URL cannot be reached since TIME: the connection broke",
            "try again; the tray app does so by itself",
        ),
        (
            vec![http("200 OK", "<!doctype html><title>Control UI</title>")],
            "not-a-gateway",
            "what answers at URL is not a gateway: an HTTP server answers there, with status 200",
            "check host, port and path; a gateway listens on port 18789 unless told otherwise",
        ),
    ] {
        let scripted = ScriptedGateway::start(move |_| steps.clone());
        let home = home_with(&scripted);
        let sentence = sentence.replace("URL", &scripted.url());
        assert_refused(
            &home.run("gateway test claw --json"),
            state,
            &sentence,
            advice,
        );
    }
}

/// Asserts all that `gateway test claw --json` says where it is not let in. `TIME` stands for the time that is told.
pub(crate) fn assert_refused(answer: &Answer, state: &str, sentence: &str, advice: &str) {
    let told: Value = serde_json::from_str(&answer.out).expect("JSON");
    let hint = told["hint"].as_str().expect("a hint");
    let sentence = with_time_of(sentence, hint);
    let expected = json!({
        "schema": "clawspend.gateway/1", "name": "claw", "state": state, "paired": false, "scopes": [],
        "server_version": null, "protocol": null, "hint": format!("{sentence}: {advice}"),
    });
    assert_eq!((answer.code, &told), (Some(1), &expected));
    assert_eq!(
        answer.err,
        format!("clawspend: {sentence}\nHint: {advice}\n")
    );
}

/// Puts the time that stands in `told` in the place of `TIME`.
fn with_time_of(expected: &str, told: &str) -> String {
    let Some((before, _)) = expected.split_once("TIME") else {
        return expected.to_owned();
    };
    let time = told
        .get(before.len()..before.len() + "2026-11-21 16:40:12".len())
        .expect("a time");
    let shape = |text: &str| text.replace(|one: char| one.is_ascii_digit(), "0");
    assert_eq!(shape(time), "0000-00-00 00:00:00");
    expected.replace("TIME", time)
}

#[test]
fn a_refused_token_is_not_sent_again_however_often_somebody_asks() {
    let scripted = ScriptedGateway::start(|_| {
        vec![
            Step::Challenge,
            Step::Refuse(refusal("INVALID_REQUEST", "AUTH_TOKEN_MISMATCH")),
        ]
    });
    let home = home_with(&scripted);
    for _ in 0..12 {
        let (code, told, _) = test(&home);
        assert_eq!((code, &told["state"]), (Some(1), &json!("unauthorized")));
    }
    assert_eq!(scripted.connections(), 1);
}

#[test]
fn gateways_are_added_listed_chosen_and_removed() {
    let home = Home::new();
    assert_eq!(
        home.tell("gateway list"),
        "No gateway is known. Add one: clawspend gateway add NAME URL\n"
    );
    with_input(
        &home,
        "gateway add office https://claw.example.org --token-stdin",
        "sesame",
    );
    let answer = home.run("gateway add lab http://10.0.0.2:18789");
    let expected = Answer {
        code: Some(0),
        out: "lab is added; try it: clawspend gateway test lab\n".into(),
        err: "clawspend: ws://10.0.0.2:18789 is not encrypted: everybody on the way can read the token and what is \
              reported; use wss://, or an SSH tunnel to 127.0.0.1\n"
            .into(),
    };
    assert_eq!(answer, expected);
    home.write(
        ".openclaw/openclaw.json",
        "{ gateway: { port: 19001, auth: { token: 'sesame' } } }",
    );
    assert_eq!(
        home.tell("gateway default lab"),
        "lab is the default gateway\n"
    );
    let expected = "\
name    url                     known from  token  paired  default
──────  ──────────────────────  ──────────  ─────  ──────  ───────
office  wss://claw.example.org  config      yes
lab     ws://10.0.0.2:18789     config                     yes
local   ws://127.0.0.1:19001    local       yes
";
    assert_eq!(home.tell("gateway list"), expected);
    let listed = home.json("gateway list --json");
    let office = json!({
        "name": "office", "url": "wss://claw.example.org", "default": false, "origin": "config", "has_token": true,
        "paired": false, "warning": null,
    });
    assert_eq!(
        (&listed["schema"], &listed["gateways"][0]),
        (&json!("clawspend.gateways/1"), &office)
    );
    assert_eq!(
        home.tell("gateway remove office"),
        "office is removed, and its tokens are forgotten; the ledger keeps what it told\n"
    );
    let secrets = std::fs::read_to_string(home.path().join("config/gateway-secrets.json"));
    let secrets = secrets.expect("the file of secrets");
    assert!(!secrets.contains("sesame") && !secrets.contains("claw.example.org"));
    let names: Vec<Value> = home.json("gateway list --json")["gateways"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| one["name"].clone())
        .collect();
    assert_eq!(names, ["lab", "local"]);
}

#[test]
fn a_local_gateway_is_found_and_tested_without_being_added() {
    let scripted = ScriptedGateway::start(|_| friendly());
    let home = Home::new();
    let settings = format!(
        "{{ gateway: {{ port: {}, auth: {{ token: 'sesame' }} }} }}",
        scripted.port()
    );
    home.write(".openclaw/openclaw.json", settings);
    let told = home.json("gateway test --json");
    assert_eq!(
        (&told["name"], &told["state"]),
        (&json!("local"), &json!("connected"))
    );
    assert_eq!(scripted.connects()[0]["auth"], json!({ "token": "sesame" }));
}

#[test]
fn what_cannot_be_done_is_told_and_changes_nothing() {
    let home = Home::new();
    home.tell("gateway list");
    home.write(
        ".openclaw/openclaw.json",
        "{ gateway: { auth: { token: { source: 'exec', id: 'x' } } } }",
    );
    let config = home.path().join("config/clawspend.toml");
    let before = std::fs::read_to_string(&config).expect("the settings");
    let openclaw = home
        .path()
        .join(".openclaw/openclaw.json")
        .display()
        .to_string();
    for (arguments, input, message, hint) in [
        (
            "gateway add claw claw.example.org",
            "",
            "the URL is not the address of a gateway; write it as ws://127.0.0.1:18789 or wss://host".to_owned(),
            "a gateway on this machine is at ws://127.0.0.1:18789",
        ),
        (
            "gateway add claw wss://me:secret@claw.example.org",
            "",
            "the URL holds more than an address; leave out user, password and everything from ? or #: the token is asked \
             for apart"
                .to_owned(),
            "a gateway on this machine is at ws://127.0.0.1:18789",
        ),
        (
            "gateway add ../claw wss://claw.example.org",
            "",
            "that cannot be a gateway's name".to_owned(),
            "use at most 40 letters, digits, dots, dashes and underscores",
        ),
        (
            "gateway add claw wss://claw.example.org --token-stdin",
            " \n",
            "there is no token on standard input".to_owned(),
            "pass the token alone, as in: printf %s \"$TOKEN\" | clawspend gateway add NAME URL --token-stdin",
        ),
        (
            "gateway test nowhere",
            "",
            "no gateway is called \"nowhere\"".to_owned(),
            "there are: local",
        ),
        (
            "gateway remove local",
            "",
            "`local` was found on this machine; it does not stand in the config file".to_owned(),
            "add it under a name of your own, or set local_gateway = false below [sources] in the config file",
        ),
    ] {
        let expected = Answer {
            code: Some(1),
            out: String::new(),
            err: format!("clawspend: {message}\nHint: {hint}\n"),
        };
        assert_eq!(with_input(&home, arguments, input), expected, "{arguments}");
    }
    let listed = home.run("gateway list");
    let expected = format!(
        "clawspend: gateway.auth.token in {openclaw} is a reference to a secret, which only OpenClaw can look up\n\
         Hint: give it to Clawspend: clawspend gateway add NAME URL --token-stdin\n"
    );
    assert_eq!((listed.code, listed.err), (Some(0), expected));
    assert_eq!(
        std::fs::read_to_string(&config).expect("the settings"),
        before
    );
}

#[test]
fn a_faulty_list_of_gateways_is_refused_with_its_place() {
    let home = Home::new();
    let file = home.write(
        "config/clawspend.toml",
        "[[gateways]]\nname = \"a\"\nurl = \"ws://h\"\n\n[[gateways]]\nname = \"a\"\nurl = \"ws://i\"\n",
    );
    let answer = home.run("gateway test a --json");
    let expected = Answer {
        code: Some(1),
        out: String::new(),
        err: format!(
            "clawspend: {}: line 5, column 1: two gateways are called `a`; give one another name\nHint: Correct the \
             file and save it; until then the last good settings stay in force.\n",
            file.display()
        ),
    };
    assert_eq!(answer, expected);
}

#[cfg(unix)]
#[test]
fn a_file_of_secrets_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let scripted = ScriptedGateway::start(|_| friendly());
    let home = home_with(&scripted);
    let file = home.path().join("config/gateway-secrets.json");
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o604)).expect("another mode");
    let path = file.display();
    let expected = Answer {
        code: Some(1),
        out: String::new(),
        err: format!(
            "clawspend: {path} can be read by other users of this machine, so it is not used\n\
             Hint: run: chmod 600 {path}; if others may have read it, remove it and pair anew\n"
        ),
    };
    let config = home.path().join("config/clawspend.toml");
    let before = [&config, &file].map(|file| std::fs::read(file).expect("the file"));
    for arguments in [
        "gateway test claw --json",
        "gateway list",
        "gateway add claw wss://claw.example.org",
        "gateway add other wss://claw.example.org",
        "gateway remove claw",
        "session k",
    ] {
        assert_eq!(home.run(arguments), expected, "{arguments}");
    }
    assert_eq!(scripted.connections(), 0);
    let after = [&config, &file].map(|file| std::fs::read(file).expect("the file"));
    assert_eq!(after, before);
}

#[test]
fn doctor_tells_how_things_stand_while_somebody_is_connected() {
    let scripted = ScriptedGateway::start(|_| friendly());
    let waiting = ScriptedGateway::start(|_| {
        let mut pairing = refusal("NOT_PAIRED", "PAIRING_REQUIRED");
        pairing["details"]["requestId"] = json!("1ab96fea-1");
        vec![Step::Challenge, Step::Refuse(pairing)]
    });
    let home = home_with(&scripted);
    home.tell(&format!("gateway add office {}", waiting.url()));
    let gateways = || {
        let told = home.tell("doctor --no-refresh");
        let (_, told) = told.split_once("\nGateways\n\n").expect("gateways");
        let (told, _) = told.split_once("\n\n").expect("more");
        told.to_owned()
    };
    home.tell("today");
    let stopped = format!(
        "claw: {}\noffice: {}\nNobody is connected to them: the tray app is not running. `clawspend gateway test NAME` \
         tries one.",
        scripted.url(),
        waiting.url()
    );
    assert_eq!(gateways(), stopped);

    let watch = Watch::start(&home);
    watch.next();
    let began = Instant::now();
    let states = || {
        let status = &home.json("doctor --no-refresh --json")["status"];
        let gateways = status["gateways"].as_array().expect("a list").iter();
        let words = gateways.map(|one| one["state"].as_str().expect("a word").to_owned());
        words.collect::<Vec<_>>()
    };
    while states() != ["connected", "pairing-required"] {
        assert!(began.elapsed() < PATIENCE, "{:?}", states());
    }
    let connected = format!(
        "claw: connected to OpenClaw 2026.9.6 at {}\noffice: the gateway at {} waits for somebody to approve this device\n  \
         → on the gateway's machine, run: openclaw devices approve 1ab96fea-1",
        scripted.url(),
        waiting.url()
    );
    assert_eq!(gateways(), connected);
    let list = || {
        let told = home.tell("gateway list");
        let lines = told.lines().filter(|line| !line.starts_with('─'));
        let lines = lines.map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        lines.collect::<Vec<_>>()
    };
    let expected = [
        "name url known from token paired default state".to_owned(),
        format!("claw {} config yes yes yes connected", scripted.url()),
        format!("office {} config waiting for approval", waiting.url()),
    ];
    assert_eq!(list(), expected);
    drop(watch);
    assert_eq!(gateways(), stopped);
    assert_eq!(list()[0], "name url known from token paired default");
}

#[test]
fn no_token_is_ever_printed() {
    let scripted = ScriptedGateway::start(|_| friendly());
    let home = home_with(&scripted);
    for arguments in [
        "gateway test claw --json",
        "gateway test",
        "gateway list",
        "gateway list --json",
        "gateway default claw",
        "session k --log",
        "session k --log --json",
        "doctor --json",
        "gateway remove claw",
    ] {
        let mut command = home.command(arguments);
        let Output { stdout, stderr, .. } = command
            .env("RUST_LOG", "trace")
            .output()
            .expect("the command runs");
        let said = String::from_utf8_lossy(&[stdout, stderr].concat()).into_owned();
        assert!(
            !said.contains("sesame") && !said.contains("a-device-token"),
            "{said}"
        );
    }
}
