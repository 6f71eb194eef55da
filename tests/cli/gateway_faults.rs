//! What may be wrong with a gateway, its address, its token and OpenClaw's own settings: each has its sentence, and
//! what is known stays.

use crate::{
    gateway::{assert_refused, home_with, with_input},
    home::{Answer, Home, PATIENCE, Watch, ended, now},
};
use clawspend_tests::gateway::{ScriptedGateway, Step, friendly, http, refusal};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, time::Duration, time::Instant};

const CHECK: &str =
    "check host, port and path; a gateway listens on port 18789 unless told otherwise";

/// Settings and secrets, as they are.
fn kept(home: &Home) -> BTreeMap<String, String> {
    let files = fs::read_dir(home.path().join("config")).expect("the folder");
    let files = files.map(|file| {
        let path = file.expect("a file").path();
        let text = fs::read_to_string(&path).expect("text");
        (path.display().to_string(), text)
    });
    files.collect()
}

/// A home that knows a gateway `claw` at this URL, and its token.
fn home_at(url: &str) -> Home {
    let home = Home::new();
    let added = with_input(
        &home,
        &format!("gateway add claw {url} --token-stdin"),
        "sesame",
    );
    assert_eq!(added.code, Some(0), "{}", added.err);
    home
}

fn refused(message: &str, hint: &str) -> Answer {
    Answer {
        code: Some(1),
        out: String::new(),
        err: format!("clawspend: {message}\nHint: {hint}\n"),
    }
}

#[test]
fn whatever_answers_in_place_of_a_gateway_is_told() {
    let lost = |why: &str| format!("the gateway at URL cannot be reached since TIME: {why}");
    let foreign = |why: &str| format!("what answers at URL is not a gateway: {why}");
    let scripted = |steps: Vec<Step>| Some(ScriptedGateway::start(move |_| steps.clone()));
    let free = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let unused = format!("ws://{}", free.local_addr().expect("an address"));
    drop(free);
    for (server, url, state, sentence, advice) in [
        (
            None,
            "wss://no-such-host.invalid",
            "unreachable",
            lost("no such host is known"),
            "check the host's name and the network",
        ),
        (
            None,
            unused.as_str(),
            "unreachable",
            lost("nothing listens on that port"),
            "start the gateway (openclaw gateway), or check the port",
        ),
        (
            scripted(vec![http("200 OK", "<!doctype html><title>Router</title>")]),
            "",
            "not-a-gateway",
            foreign("an HTTP server answers there, with status 200"),
            CHECK,
        ),
        (
            scripted(vec![Step::Bytes("SSH-2.0-OpenSSH_9.6\r\n".into())]),
            "",
            "not-a-gateway",
            foreign("what it says is not the protocol"),
            CHECK,
        ),
        (
            scripted(vec![Step::Bytes("\0\u{1}\u{1b}[2J\u{7}\r\n\r\n".into())]),
            "",
            "not-a-gateway",
            foreign("what it says is not the protocol"),
            CHECK,
        ),
        (
            scripted(vec![Step::Say("{\"hello\":\"chat\"}".into())]),
            "",
            "not-a-gateway",
            foreign("what it says is not the protocol"),
            CHECK,
        ),
        (
            scripted(vec![http("400 Bad Request", "")]),
            "wss",
            "unreachable",
            lost("what answers there does not speak TLS"),
            "write ws:// in place of wss://, if the network can be trusted",
        ),
        (
            Some(ScriptedGateway::start_tls(&["127.0.0.1"], |_| friendly())),
            "ws",
            "not-a-gateway",
            foreign("what it says is not the protocol"),
            CHECK,
        ),
    ] {
        let url = match (&server, url) {
            (None, url) => url.to_owned(),
            (Some(server), "ws") => server.url().replace("wss://", "ws://"),
            (Some(server), "wss") => server.url().replace("ws://", "wss://"),
            (Some(server), _) => server.url(),
        };
        let home = home_at(&url);
        let before = kept(&home);
        let answer = home.run("gateway test claw --json");
        assert_refused(&answer, state, &sentence.replace("URL", &url), advice);
        assert_eq!(kept(&home), before, "{url}");
    }
}

#[cfg(target_os = "linux")]
#[test]
fn a_certificate_is_believed_when_the_system_trusts_its_authority_and_it_fits() {
    let here = ["127.0.0.1"];
    let never: fn(usize) -> Vec<Step> = |_| friendly();
    for (names, years, trusted, why, advice) in [
        (here, 2020..=2100, true, "", ""),
        (
            ["claw.example.org"],
            2020..=2100,
            true,
            "its certificate is of another host",
            "use the name that stands in the certificate",
        ),
        (
            here,
            2020..=2021,
            true,
            "its certificate is not valid today",
            "check the clock of both machines, or renew the certificate",
        ),
        (
            here,
            2098..=2099,
            true,
            "its certificate is not valid today",
            "check the clock of both machines, or renew the certificate",
        ),
        (
            here,
            2020..=2100,
            false,
            "its certificate is signed by nobody whom this system trusts",
            "if this fingerprint is the gateway's, put pin = \"PIN\" below its url in the config file",
        ),
    ] {
        let (gateway, authority) = ScriptedGateway::start_certified(&names, years.clone(), never);
        let (_, other) = ScriptedGateway::start_certified(&names, years, never);
        let home = home_at(&gateway.url());
        let authority = if trusted { authority } else { other };
        let authority = home.write("authority.pem", authority);
        let before = kept(&home);
        let mut command = home.command("gateway test claw --json");
        let answer = ended(command.env("SSL_CERT_FILE", authority));
        if why.is_empty() {
            assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
            continue;
        }
        let sentence = format!(
            "the gateway at {} cannot be reached since TIME: {why}",
            gateway.url()
        );
        let pin = gateway.pin().expect("a certificate").to_string();
        let advice = advice.replace("PIN", &pin);
        assert_refused(&answer, "unreachable", &sentence, &advice);
        assert_eq!(kept(&home), before);
        assert_eq!(gateway.connects(), [Value::Null; 0], "no token went there");
    }
}

#[test]
fn an_address_that_is_none_changes_nothing_and_is_not_repeated() {
    let home = home_at("ws://127.0.0.1:18789");
    let before = kept(&home);
    let malformed =
        "is not the address of a gateway; write it as ws://127.0.0.1:18789 or wss://host";
    let more = "holds more than an address; leave out user, password and everything from ? or #: the token is asked \
                for apart";
    for (url, why) in [
        ("127.0.0.1:18789", malformed),
        ("claw.example.org", malformed),
        ("ssh://claw.example.org", malformed),
        ("ws://claw.example.org:0", malformed),
        ("ws://claw.example.org:99999", malformed),
        ("ws://::1:18789", malformed),
        ("wss://", malformed),
        ("wss://claw\u{1b}[2J.example.org", malformed),
        ("wss://me:hush@claw.example.org", more),
        ("wss://hush@claw.example.org", more),
        ("wss://claw.example.org/?token=hush", more),
        ("wss://claw.example.org/#token=hush", more),
    ] {
        for name in ["claw", "other"] {
            let mut command = home.command("gateway add");
            let answer = ended(command.args([name, url]));
            let hint = "a gateway on this machine is at ws://127.0.0.1:18789";
            assert_eq!(answer, refused(&format!("the URL {why}"), hint), "{url}");
        }
        assert_eq!(kept(&home), before, "{url}");

        let mut command = home.command("gateway list");
        let answer = ended(command.env("OPENCLAW_GATEWAY_URL", url));
        let told = format!(
            "clawspend: OPENCLAW_GATEWAY_URL {why}\nHint: set it to the gateway's address, or unset it\n"
        );
        assert_eq!((answer.code, answer.err), (Some(0), told), "{url}");
        assert!(answer.out.contains("claw  ws://127.0.0.1:18789"));
    }
    for (url, shown) in [
        ("ws://[::1]:18789", "ws://[::1]:18789"),
        (
            "wss://BÜCHER.example.org/claw/",
            "wss://xn--bcher-kva.example.org/claw/",
        ),
    ] {
        let added = home.tell(&format!("gateway add there {url}"));
        assert!(added.starts_with("there is "), "{added}");
        let listed = home.json("gateway list --json");
        assert_eq!(listed["gateways"][1]["url"], shown);
    }
}

#[test]
fn a_url_in_the_config_file_that_holds_a_password_is_told_by_its_place_alone() {
    let home = Home::new();
    let file = home.write(
        "config/clawspend.toml",
        "[[gateways]]\nname = \"claw\"\nurl = \"wss://me:hush@claw.example.org\"\n",
    );
    let expected = refused(
        &format!(
            "{}: line 3, column 7: `url` holds more than an address; leave out user, password and everything from ? or \
             #: the token is asked for apart",
            file.display()
        ),
        "Correct the file and save it; until then the last good settings stay in force.",
    );
    assert_eq!(home.run("gateway test claw"), expected);
}

#[test]
fn a_config_file_with_two_gateways_of_one_name_takes_no_third_and_keeps_no_token() {
    let home = home_at("ws://127.0.0.1:18789");
    let twice = "[[gateways]]\nname = \"a\"\nurl = \"ws://127.0.0.1:1\"\n\n[[gateways]]\nname = \"A\"\nurl = \"ws://127.0.0.1:2\"\n";
    let file = home.write("config/clawspend.toml", twice);
    let before = kept(&home);
    let expected = refused(
        &format!(
            "{}: line 5, column 1: two gateways are called `A`; give one another name",
            file.display()
        ),
        "correct the config file; nothing was changed",
    );
    let add = "gateway add b wss://claw.example.org --token-stdin";
    assert_eq!(with_input(&home, add, "hush"), expected);
    assert_eq!(kept(&home), before);
}

#[test]
fn a_token_is_one_line() {
    let home = home_at("ws://127.0.0.1:18789");
    let before = kept(&home);
    let hint = "pass the token alone, as in: printf %s \"$TOKEN\" | clawspend gateway add NAME URL --token-stdin";
    let add = "gateway add claw ws://127.0.0.1:18789 --token-stdin";
    for (input, message) in [
        ("", "there is no token on standard input"),
        (" \r\n\t\n", "there is no token on standard input"),
        (
            "hush\nhush",
            "what is on standard input is no token: a token has one line",
        ),
        (
            "hush\u{1b}[2J",
            "what is on standard input is no token: a token has one line",
        ),
    ] {
        assert_eq!(with_input(&home, add, input), refused(message, hint));
        assert_eq!(kept(&home), before);
    }
    for (input, token) in [(" hush\r\n", "hush"), ("a pass phrase\n", "a pass phrase")] {
        let expected = Answer {
            code: Some(0),
            out: "claw has another token; try it: clawspend gateway test claw\n".into(),
            err: String::new(),
        };
        assert_eq!(with_input(&home, add, input), expected);
        let secrets = kept(&home).into_iter();
        let mut secrets = secrets.filter(|(name, _)| name.ends_with("gateway-secrets.json"));
        let (_, secrets) = secrets.next().expect("the file of secrets");
        let secrets: Value = serde_json::from_str(&secrets).expect("JSON");
        let expected = json!({ "ws://127.0.0.1:18789": { "token": token } });
        assert_eq!(secrets["gateways"], expected);
    }
}

#[test]
fn a_name_that_is_known_is_given_the_other_address_and_says_so() {
    let home = home_at("ws://127.0.0.1:18789");
    let again = "claw is as it was; try it: clawspend gateway test claw\n";
    assert_eq!(home.tell("gateway add claw http://127.0.0.1:18789/"), again);
    let other = "Claw is at wss://claw.example.org now; its tokens for ws://127.0.0.1:18789 do not go along; try it: \
                 clawspend gateway test Claw\n";
    assert_eq!(home.tell("gateway add Claw wss://claw.example.org"), other);
    let listed = home.json("gateway list --json");
    let expected = json!([{
        "name": "claw", "url": "wss://claw.example.org", "default": true, "origin": "config", "has_token": false,
        "paired": false, "warning": null,
    }]);
    assert_eq!(listed["gateways"], expected);
    assert!(!kept(&home).values().any(|text| text.contains("sesame")));
}

#[test]
fn openclaws_settings_that_cannot_be_read_leave_other_gateways_alone() {
    let scripted = ScriptedGateway::start(|_| friendly());
    let home = home_with(&scripted);
    let before = kept(&home);
    let settings = home.write(
        ".openclaw/openclaw.json",
        "{ gateway: { auth: { token: 'hush' }",
    );
    let note = format!(
        "clawspend: {} is not JSON5\nHint: the local gateway is not used until it can be read\n",
        settings.display()
    );
    let answer = home.run("gateway list");
    assert_eq!((answer.code, &answer.err), (Some(0), &note));
    assert!(answer.out.contains(&scripted.url()), "{}", answer.out);
    assert_eq!(kept(&home), before);
    let told = home.json("gateway test --json");
    assert_eq!(
        (&told["name"], &told["state"]),
        (&json!("claw"), &json!("connected"))
    );
    let problem = json!({
        "code": "openclaw_config", "message": format!("{} is not JSON5", settings.display()),
        "hint": "the local gateway is not used until it can be read", "serious": false,
    });
    assert_eq!(home.json("doctor --json")["problems"], json!([problem]));
}

#[test]
fn a_secret_that_only_openclaw_can_look_up_is_told_and_a_paired_device_needs_none() {
    let scripted = ScriptedGateway::start(|number| match number {
        0 => vec![
            Step::Challenge,
            Step::Refuse(refusal("INVALID_REQUEST", "AUTH_TOKEN_MISSING")),
        ],
        _ => friendly(),
    });
    let home = Home::new();
    let with = |token: &str| {
        let port = scripted.port();
        home.write(
            ".openclaw/openclaw.json",
            format!("{{ gateway: {{ port: {port}, auth: {{ token: {token} }} }} }}"),
        )
    };
    let settings = with("{ source: 'exec', provider: 'vault', id: 'gateway' }");
    let note = format!(
        "clawspend: gateway.auth.token in {} is a reference to a secret, which only OpenClaw can look up\n\
         Hint: give it to Clawspend: clawspend gateway add NAME URL --token-stdin\n",
        settings.display()
    );
    let answer = home.run("gateway test");
    let expected = format!(
        "{note}clawspend: the gateway at {} wants a token, and none is known\n\
         Hint: give it the gateway's own: clawspend gateway add NAME URL --token-stdin\n",
        scripted.url()
    );
    assert_eq!((answer.code, answer.err), (Some(1), expected));

    with("'sesame'");
    assert_eq!(home.json("gateway test --json")["paired"], true);
    with("{ source: 'exec', provider: 'vault', id: 'gateway' }");
    let answer = home.run("gateway test");
    assert_eq!((answer.code, answer.err), (Some(0), note));
    let auth: Vec<Value> = { scripted.connects().into_iter() }
        .map(|mut one| one["auth"].take())
        .collect();
    let expected = [
        json!({}),
        json!({ "token": "sesame" }),
        json!({ "deviceToken": "a-device-token" }),
    ];
    assert_eq!(auth, expected);
}

#[test]
fn a_clock_that_is_wrong_by_an_hour_keeps_nobody_out() {
    for hours in [-1, 1] {
        let at = now() + hours * 3_600_000;
        let scripted =
            ScriptedGateway::start(move |_| vec![Step::ChallengeAt(at), friendly().remove(1)]);
        let home = home_with(&scripted);
        assert_eq!(home.json("gateway test --json")["paired"], true);
        // What is signed is the gateway's own time.
        assert_eq!(scripted.connects()[0]["device"]["signedAt"], at);
    }
}

#[test]
fn each_gateway_has_its_own_patience_and_none_waits_for_another() {
    let late = || {
        ScriptedGateway::start(|_| {
            let mut steps = friendly();
            steps.insert(0, Step::Rest(Duration::from_secs(2)));
            steps
        })
    };
    let (patient, impatient) = (late(), late());
    let silent = ScriptedGateway::start(|_| vec![Step::Hang]);
    let garbage = ScriptedGateway::start(|_| vec![Step::Say("[1,2".into())]);
    let good = ScriptedGateway::start(|_| friendly());
    let home = Home::new();
    let gateways = [
        ("silent", &silent, 1),
        ("garbage", &garbage, 1),
        ("impatient", &impatient, 1),
        ("patient", &patient, 30),
        ("good", &good, 30),
    ];
    let tables = gateways.map(|(name, gateway, seconds)| {
        let url = gateway.url();
        format!("[[gateways]]\nname = \"{name}\"\nurl = \"{url}\"\ntimeout_seconds = {seconds}\n")
    });
    home.write("config/clawspend.toml", tables.concat());
    let _watch = Watch::start(&home);
    let states = || -> BTreeMap<String, String> {
        let answer = home.run("doctor --no-refresh --json");
        let Ok(told) = serde_json::from_str::<Value>(&answer.out) else {
            return BTreeMap::new();
        };
        let gateways = told["status"]["gateways"].as_array().cloned();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let gateways = gateways.unwrap_or_default().into_iter();
        let words = gateways.map(|one| {
            let sentence = text(&one["sentence"]);
            let why = sentence.rsplit(": ").next().unwrap_or_default();
            let why = if one["state"] == "connected" { "" } else { why };
            (text(&one["name"]), format!("{} {why}", text(&one["state"])))
        });
        words.collect()
    };
    let expected = [
        ("silent", "unreachable no answer came in time"),
        ("garbage", "not-a-gateway what it says is not the protocol"),
        ("impatient", "unreachable no answer came in time"),
        ("patient", "connected "),
        ("good", "connected "),
    ];
    let expected = expected.map(|(name, state)| (name.to_owned(), state.to_owned()));
    let expected = BTreeMap::from(expected);
    let began = Instant::now();
    while states() != expected {
        assert!(began.elapsed() < PATIENCE, "{:?}", states());
    }
    assert_eq!((good.connections(), patient.connections()), (1, 1));
}
