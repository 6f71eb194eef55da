use super::*;
use std::{collections::BTreeMap, ffi::OsString, sync::Arc};

/// A home, and variables.
struct Machine {
    folder: tempfile::TempDir,
    variables: BTreeMap<&'static str, String>,
}

impl Machine {
    fn new(variables: &[(&'static str, &str)]) -> Self {
        let variables = variables
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()));
        Self {
            folder: tempfile::tempdir().expect("a temporary folder"),
            variables: variables.collect(),
        }
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.folder.path().join(name);
        fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        fs::write(path, text).expect("a file");
    }

    fn environment(&self) -> Environment {
        let mut variables = self.variables.clone();
        let own = self.folder.path().join("own").display().to_string();
        variables.insert("CLAWSPEND_DATA_DIR", own.clone());
        variables.insert("CLAWSPEND_CONFIG_DIR", own);
        let look = move |name: &str| variables.get(name).map(OsString::from);
        Environment::new(Arc::new(look), Some(self.folder.path().into())).expect("folders")
    }

    /// Names, addresses and defaults.
    fn gateways(&self, config: &str) -> (Vec<String>, Vec<Problem>) {
        let config = crate::config::parse(config, None).expect("a config");
        let (gateways, problems) = gateways(&self.environment(), &config);
        let told = gateways.iter().map(|one| {
            let default = if one.default { " (default)" } else { "" };
            format!("{} {}{default}", one.name, one.address)
        });
        (told.collect(), problems)
    }

    /// The shared token for an address, and the problems' codes.
    fn token(&self, url: &str) -> (Option<String>, Vec<String>) {
        let gateway = Gateway {
            name: "g".into(),
            address: Address::parse(url).expect("an address"),
            pin: None,
            default: true,
            timeout: TIMEOUT,
            origin: Origin::Config,
        };
        let environment = self.environment();
        let secrets = Secrets::new(&environment.paths);
        let found = credentials(&environment, &secrets, &gateway).expect("readable");
        let token = found
            .credentials
            .shared
            .map(|token| token.expose().to_owned());
        (
            token,
            found
                .problems
                .into_iter()
                .map(|problem| problem.code)
                .collect(),
        )
    }
}

const HERE: &str = "ws://127.0.0.1:18789";
const SETTINGS: &str = ".openclaw/openclaw.json";

fn known(token: &str) -> (Option<String>, Vec<String>) {
    (Some(token.into()), Vec::new())
}

fn none() -> (Option<String>, Vec<String>) {
    (None, Vec::new())
}

#[test]
fn the_gateway_of_this_machine_is_found_by_openclaws_own_settings() {
    let machine = Machine::new(&[]);
    assert_eq!(machine.gateways("").0, [""; 0]);
    machine.write(
        SETTINGS,
        "// mine\n{ gateway: { port: 19001, auth: { token: 'sesame', }, }, }",
    );
    let here = "local ws://127.0.0.1:19001";
    assert_eq!(machine.gateways("").0, [format!("{here} (default)")]);
    assert_eq!(machine.gateways("sources.local_gateway = false").0, [""; 0]);
    let office = "[[gateways]]\nname = \"local\"\nurl = \"wss://office\"\n";
    let expected = [
        "local wss://office (default)",
        "local-2 ws://127.0.0.1:19001",
    ];
    assert_eq!(machine.gateways(office).0, expected);
    let same = "[[gateways]]\nname = \"mine\"\nurl = \"http://localhost:19001\"\n";
    assert_eq!(
        machine.gateways(same).0,
        ["mine ws://localhost:19001 (default)"]
    );
    assert_eq!(machine.token("ws://127.0.0.1:19001"), known("sesame"));
    assert_eq!(machine.token("ws://[::1]:19001"), known("sesame"));
    assert_eq!(machine.token(HERE), none(), "another port is another's");
    assert_eq!(
        machine.token("wss://office:19001"),
        none(),
        "it never leaves the machine"
    );
}

#[test]
fn a_variable_names_a_gateway_and_its_token() {
    for (url, token) in [
        ("OPENCLAW_GATEWAY_URL", "OPENCLAW_GATEWAY_TOKEN"),
        ("OPENCLAW_BASE_URL", "OPENCLAW_TOKEN"),
    ] {
        let machine = Machine::new(&[(url, "https://claw.example.org"), (token, "sesame")]);
        assert_eq!(
            machine.gateways("").0,
            ["environment wss://claw.example.org (default)"]
        );
        assert_eq!(machine.token("wss://claw.example.org"), known("sesame"));
        assert_eq!(machine.token("wss://other.example.org"), none());
        assert_eq!(machine.token(HERE), none());
    }
    let machine = Machine::new(&[("OPENCLAW_GATEWAY_TOKEN", "sesame")]);
    assert_eq!(machine.token(HERE), known("sesame"));
    assert_eq!(machine.token("ws://10.0.0.2:18789"), none());
    let machine = Machine::new(&[("OPENCLAW_GATEWAY_URL", "wss://me:hush@host")]);
    let (found, problems) = machine.gateways("");
    assert_eq!(found, [""; 0]);
    let told = "OPENCLAW_GATEWAY_URL holds more than an address; leave out user, password and everything from ? or #: \
                the token is asked for apart";
    assert_eq!(problems[0].message, told);
}

#[test]
fn the_first_place_that_knows_a_token_counts() {
    let mut machine = Machine::new(&[("OPENCLAW_GATEWAY_TOKEN", "of a variable")]);
    machine.write(
        SETTINGS,
        r#"{"gateway":{"auth":{"mode":"token","token":"of the settings"}}}"#,
    );
    machine.write(
        ".openclaw/.env",
        "A=b\nexport OPENCLAW_GATEWAY_TOKEN=\"of .env\" # note\n",
    );
    let secrets = Secrets::new(&machine.environment().paths);
    let here = Address::parse(HERE).expect("an address");
    secrets
        .set_shared(&here, Secret::new("our own").as_ref())
        .expect("kept");
    assert_eq!(machine.token(HERE), known("our own"));
    secrets.set_shared(&here, None).expect("kept");
    assert_eq!(machine.token(HERE), known("of a variable"));
    machine.variables.clear();
    assert_eq!(machine.token(HERE), known("of the settings"));
    machine.write(SETTINGS, "{gateway:{}}");
    assert_eq!(machine.token(HERE), known("of .env"));
    machine.write(".openclaw/.env", "OPENCLAW_GATEWAY_TOKEN=plain # note\n");
    assert_eq!(machine.token(HERE), known("plain"));
}

#[test]
fn passwords_open_gateways_and_some_want_nothing() {
    let machine = Machine::new(&[]);
    machine.write(
        SETTINGS,
        r#"{"gateway":{"auth":{"mode":"password","password":"p","token":"t"}}}"#,
    );
    assert_eq!(machine.token(HERE), known("p"));
    machine.write(
        SETTINGS,
        r#"{"gateway":{"auth":{"mode":"none","token":"t"}}}"#,
    );
    assert_eq!(machine.token(HERE), none());
}

#[test]
fn a_token_that_only_openclaw_can_look_up_is_told() {
    let mut machine = Machine::new(&[]);
    let reference = (None, vec!["openclaw_secret_reference".to_owned()]);
    let object =
        r#"{"gateway":{"auth":{"token":{"source":"exec","provider":"vault","id":"gateway"}}}}"#;
    machine.write(SETTINGS, object);
    assert_eq!(machine.token(HERE), reference);
    machine.write(SETTINGS, r#"{"gateway":{"auth":{"token":"${MY_TOKEN}"}}}"#);
    assert_eq!(machine.token(HERE), reference);
    machine.variables.insert("MY_TOKEN", "sesame".into());
    assert_eq!(machine.token(HERE), known("sesame"));
}

#[test]
fn settings_that_cannot_be_read_are_told_and_never_quoted() {
    let machine = Machine::new(&[]);
    machine.write(SETTINGS, "{gateway:{auth:{token:\"sesame\" oops");
    let (found, problems) = machine.gateways("");
    let expected = Problem {
        code: "openclaw_config".into(),
        message: format!(
            "{} is not JSON5",
            machine.folder.path().join(SETTINGS).display()
        ),
        hint: "the local gateway is not used until it can be read".into(),
        serious: false,
    };
    assert_eq!((found.len(), problems), (0, vec![expected]));
    assert_eq!(machine.token(HERE), (None, vec!["openclaw_config".into()]));
}

#[test]
fn openclaws_settings_are_looked_for_where_openclaw_does() {
    let token = |name: &str| format!("{{gateway:{{auth:{{token:'{name}'}}}}}}");
    let machine = Machine::new(&[]);
    machine.write(".clawdbot/clawdbot.json", &token("oldest"));
    assert_eq!(machine.token(HERE), known("oldest"));
    machine.write(".openclaw/clawdbot.json", &token("old"));
    assert_eq!(machine.token(HERE), known("old"));
    machine.write(SETTINGS, &token("new"));
    assert_eq!(machine.token(HERE), known("new"));
    let home = machine.folder.path().display().to_string();
    for (name, value, file) in [
        (
            "OPENCLAW_PROFILE",
            "work".to_owned(),
            ".openclaw-work/openclaw.json",
        ),
        (
            "OPENCLAW_STATE_DIR",
            format!("{home}/state"),
            "state/openclaw.json",
        ),
        (
            "OPENCLAW_HOME",
            format!("{home}/other"),
            "other/.openclaw/openclaw.json",
        ),
        (
            "OPENCLAW_CONFIG_PATH",
            format!("{home}/my.json5"),
            "my.json5",
        ),
    ] {
        let mut machine = Machine::new(&[]);
        let value = value.replace(&home, &machine.folder.path().display().to_string());
        machine.variables.insert(name, value);
        machine.write(file, &token(name));
        machine.write(".openclaw/.keep", "");
        assert_eq!(machine.token(HERE), known(name));
    }
}
