//! A gateway that follows a script, on a real socket of this machine.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use clawspend_core::gateway::Pin;
use futures_util::{SinkExt as _, StreamExt as _};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    ops::RangeInclusive,
    sync::{Arc, Mutex, PoisonError},
    thread::JoinHandle,
    time::{Duration, Instant},
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::{Notify, oneshot},
};
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async,
    tungstenite::{
        Message,
        handshake::server::{Request, Response},
        protocol::CloseFrame,
    },
};

/// How long anything may take before a test gives up.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// What a gateway does next on one connection. When nothing is left to do, it reads on, and answers requests other than
/// `connect` with an empty object.
#[derive(Debug, Clone)]
pub enum Step {
    /// Answers the upgrade with this in place of a WebSocket; only as the first step.
    Bytes(String),
    /// Says the challenge.
    Challenge,
    /// Says the challenge by a clock that shows this.
    ChallengeAt(i64),
    /// Waits for `connect`, and greets.
    Greet(Value),
    /// Waits for `connect`, refuses with this error and closes.
    Refuse(Value),
    /// Waits for a request, and answers it with this.
    Answer(Value),
    /// Waits for a request, and refuses it with this error.
    AnswerError(Value),
    /// Waits for this many requests, and answers them in reverse order, each with its method and number.
    AnswerBackwards(usize),
    /// Waits for a request of each of these methods, in any order, and answers it with this.
    AnswerEach(Vec<(&'static str, Value)>),
    /// Waits for the test's word.
    Await(Arc<Notify>),
    /// Sends this text.
    Say(String),
    /// Sends a frame of so many bytes.
    SayMuch(usize),
    /// Sends a ping.
    Ping,
    /// Does nothing for a while.
    Rest(Duration),
    /// Closes with this code.
    Close(u16),
    /// Ends the connection without a word.
    Reset,
    /// Neither reads nor writes any more, and keeps the connection.
    Hang,
}

/// What a scripted gateway heard.
#[derive(Debug, Clone, PartialEq)]
pub enum Heard {
    /// A connection began, with these headers.
    Upgrade(Vec<(String, String)>),
    /// A frame.
    Frame(Value),
    /// The answer to a ping.
    Pong,
    /// The connection was closed, with this code.
    Closed(Option<u16>),
}

/// See the module; it stops when it is dropped.
#[derive(Debug)]
pub struct ScriptedGateway {
    address: SocketAddr,
    heard: Arc<Mutex<Vec<(usize, Heard)>>>,
    pin: Option<Pin>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

type Log = Arc<Mutex<Vec<(usize, Heard)>>>;
type Acceptor = Option<tokio_rustls::TlsAcceptor>;

impl ScriptedGateway {
    /// Starts it; `script` tells what it does on its first connection, its second …
    pub fn start(script: impl Fn(usize) -> Vec<Step> + Send + 'static) -> Self {
        Self::listen(None, None, script)
    }

    /// The same through TLS, with a certificate of its own making for these names.
    pub fn start_tls(names: &[&str], script: impl Fn(usize) -> Vec<Step> + Send + 'static) -> Self {
        Self::start_certified(names, 2020..=2100, script).0
    }

    /// The same with a certificate that is valid in these years; the authority that signed it is told in PEM.
    pub fn start_certified(
        names: &[&str],
        years: RangeInclusive<i32>,
        script: impl Fn(usize) -> Vec<Step> + Send + 'static,
    ) -> (Self, String) {
        let keys = || KeyPair::generate().expect("a key");
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let authority = CertifiedIssuer::self_signed(authority, keys()).expect("an authority");

        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = date_time_ymd(*years.start(), 1, 1);
        params.not_after = date_time_ymd(*years.end(), 12, 31);
        let key = keys();
        let certificate = params.signed_by(&key, &authority).expect("a certificate");
        let certificate: CertificateDer<'static> = certificate.der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
        let pin = Pin::of(&certificate);
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .expect("a certificate and its key");
        let tls = Some(Arc::new(config).into());
        let pem = format!(
            "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
            STANDARD.encode(authority.der())
        );
        (Self::listen(tls, Some(pin), script), pem)
    }

    fn listen(
        tls: Acceptor,
        pin: Option<Pin>,
        script: impl Fn(usize) -> Vec<Step> + Send + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        listener.set_nonblocking(true).expect("a socket");
        let address = listener.local_addr().expect("an address");
        let heard = Log::default();
        let log = Arc::clone(&heard);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = { runtime }.enable_all().build().expect("a runtime");
            runtime.block_on(async {
                tokio::select! {
                    () = accept(listener, tls, script, log) => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            address,
            heard,
            pin,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.pin.is_some() { "wss" } else { "ws" };
        format!("{scheme}://{}", self.address)
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its certificate's fingerprint.
    #[must_use]
    pub fn pin(&self) -> Option<Pin> {
        self.pin
    }

    /// All it heard, with the number of the connection.
    #[must_use]
    pub fn heard(&self) -> Vec<(usize, Heard)> {
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The `connect` requests' parameters, in order.
    #[must_use]
    pub fn connects(&self) -> Vec<Value> {
        let heard = self.heard().into_iter();
        let frames = heard.filter_map(|(_, heard)| match heard {
            Heard::Frame(frame) if frame["method"] == "connect" => Some(frame["params"].clone()),
            _ => None,
        });
        frames.collect()
    }

    /// How many connections there were.
    #[must_use]
    pub fn connections(&self) -> usize {
        let heard = self.heard();
        let upgrades = heard
            .iter()
            .filter(|(_, heard)| matches!(heard, Heard::Upgrade(_)));
        upgrades.count()
    }

    /// Waits until it has heard something.
    pub fn wait_for(&self, wanted: impl Fn(&[(usize, Heard)]) -> bool) {
        let began = Instant::now();
        while !wanted(&self.heard()) {
            assert!(
                began.elapsed() < PATIENCE,
                "it only heard {:?}",
                self.heard()
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for ScriptedGateway {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What a friendly gateway does.
#[must_use]
pub fn friendly() -> Vec<Step> {
    vec![Step::Challenge, Step::Greet(hello())]
}

/// The greeting of a gateway that gives the device a token.
#[must_use]
pub fn hello() -> Value {
    json!({
        "type": "hello-ok", "protocol": 4,
        "server": { "version": "2026.9.6", "connId": "7e1a5918", "novelty": {} },
        // A gateway does not name `sessions.usage` and what is below it, and has them.
        "features": { "methods": ["sessions.subscribe", "usage.status"], "events": [] },
        "auth": {
            "method": "token", "role": "operator", "scopes": ["operator.read"],
            "deviceToken": "a-device-token", "issuedAtMs": 1_795_179_171_911_i64,
        },
        "policy": { "maxPayload": 26_214_400, "tickIntervalMs": 30_000 },
    })
}

/// A refusal's error.
#[must_use]
pub fn refusal(code: &str, detail: &str) -> Value {
    json!({ "code": code, "message": "some words", "details": { "code": detail } })
}

/// A plain HTTP answer.
#[must_use]
pub fn http(status: &str, body: &str) -> Step {
    Step::Bytes(format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    ))
}

async fn accept(
    listener: std::net::TcpListener,
    tls: Acceptor,
    script: impl Fn(usize) -> Vec<Step>,
    log: Log,
) {
    let listener = TcpListener::from_std(listener).expect("a socket");
    for number in 0.. {
        let Ok((stream, _)) = listener.accept().await else {
            return;
        };
        let (steps, log, tls) = (script(number), Arc::clone(&log), tls.clone());
        tokio::spawn(async move {
            match tls {
                None => serve(stream, steps, number, log).await,
                Some(tls) => {
                    if let Ok(stream) = tls.accept(stream).await {
                        serve(stream, steps, number, log).await;
                    }
                }
            }
        });
    }
}

async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    steps: Vec<Step>,
    number: usize,
    log: Log,
) {
    let hear = |heard| {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        log.push((number, heard));
    };
    if let Some(Step::Bytes(bytes)) = steps.first() {
        hear(Heard::Upgrade(Vec::new()));
        let mut asked = [0; 4096];
        let _ = stream.read(&mut asked).await;
        let _ = stream.write_all(bytes.as_bytes()).await;
        let _ = stream.shutdown().await;
        return;
    }
    if let Some(Step::Hang) = steps.first() {
        hear(Heard::Upgrade(Vec::new()));
        return std::future::pending().await;
    }
    #[expect(clippy::result_large_err, reason = "the library's own type")]
    let note = |request: &Request, response: Response| {
        let headers = request.headers().iter();
        let headers = headers.map(|(name, value)| {
            let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), value)
        });
        hear(Heard::Upgrade(headers.collect()));
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, note).await else {
        return;
    };
    for step in steps {
        if !play(&mut socket, step, &hear).await {
            return;
        }
    }
    while let Some(request) = frame(&mut socket, &hear).await {
        let answer = json!({ "type": "res", "id": request["id"], "ok": true, "payload": {} });
        if socket
            .send(Message::text(answer.to_string()))
            .await
            .is_err()
        {
            return;
        }
    }
}

/// Does one step; false when the connection is over.
async fn play<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    step: Step,
    hear: &impl Fn(Heard),
) -> bool {
    let answer = |request: &Value, payload: &Value| {
        let answer = json!({ "type": "res", "id": request["id"], "ok": true, "payload": payload });
        Message::text(answer.to_string())
    };
    let close = |code: u16| {
        let reason = "".into();
        Message::Close(Some(CloseFrame {
            code: code.into(),
            reason,
        }))
    };
    let sent = match step {
        Step::Bytes(_) => panic!("only as the first step"),
        Step::Challenge => socket.send(challenge(1_795_178_752_498)).await,
        Step::ChallengeAt(at) => socket.send(challenge(at)).await,
        Step::Greet(payload) | Step::Answer(payload) => {
            let Some(request) = frame(socket, hear).await else {
                return false;
            };
            socket.send(answer(&request, &payload)).await
        }
        Step::AnswerError(error) => {
            let Some(request) = frame(socket, hear).await else {
                return false;
            };
            let refusal =
                json!({ "type": "res", "id": request["id"], "ok": false, "error": error });
            socket.send(Message::text(refusal.to_string())).await
        }
        Step::Refuse(error) => {
            let Some(request) = frame(socket, hear).await else {
                return false;
            };
            let code = if error["details"]["code"] == "PROTOCOL_MISMATCH" {
                1002
            } else {
                1008
            };
            let refusal =
                json!({ "type": "res", "id": request["id"], "ok": false, "error": error });
            let _ = socket.send(Message::text(refusal.to_string())).await;
            let _ = socket.send(close(code)).await;
            while frame(socket, hear).await.is_some() {}
            return false;
        }
        Step::AnswerBackwards(count) => {
            let mut requests = Vec::new();
            for _ in 0..count {
                let Some(request) = frame(socket, hear).await else {
                    return false;
                };
                requests.push(request);
            }
            for (at, request) in requests.iter().enumerate().rev() {
                let payload = json!({ "updatedAt": at, "providers": [] });
                if socket.send(answer(request, &payload)).await.is_err() {
                    return false;
                }
            }
            Ok(())
        }
        Step::AnswerEach(mut answers) => {
            while !answers.is_empty() {
                let Some(request) = frame(socket, hear).await else {
                    return false;
                };
                let asked = answers
                    .iter()
                    .position(|(method, _)| request["method"] == *method);
                let payload = asked.map_or(json!({}), |at| answers.swap_remove(at).1);
                if socket.send(answer(&request, &payload)).await.is_err() {
                    return false;
                }
            }
            Ok(())
        }
        Step::Await(word) => {
            word.notified().await;
            Ok(())
        }
        Step::Say(text) => socket.send(Message::text(text)).await,
        Step::SayMuch(bytes) => socket.send(Message::text("x".repeat(bytes))).await,
        Step::Ping => socket.send(Message::Ping(b"there?".to_vec().into())).await,
        Step::Rest(time) => {
            tokio::time::sleep(time).await;
            Ok(())
        }
        Step::Close(code) => {
            let _ = socket.send(close(code)).await;
            while frame(socket, hear).await.is_some() {}
            return false;
        }
        Step::Reset => return false,
        Step::Hang => std::future::pending().await,
    };
    sent.is_ok()
}

fn challenge(at: i64) -> Message {
    let payload = json!({ "nonce": "c7a8a1f2-7139-4022-95a3-85f616477489", "ts": at });
    let event = json!({ "type": "event", "event": "connect.challenge", "payload": payload });
    Message::text(event.to_string())
}

/// The next frame; `None` when the connection is over.
async fn frame<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
    hear: &impl Fn(Heard),
) -> Option<Value> {
    loop {
        match socket.next().await? {
            Ok(Message::Text(text)) => {
                let frame: Value = serde_json::from_str(&text).expect("a frame of JSON");
                hear(Heard::Frame(frame.clone()));
                return Some(frame);
            }
            Ok(Message::Pong(_)) => hear(Heard::Pong),
            Ok(Message::Close(frame)) => {
                hear(Heard::Closed(frame.map(|frame| frame.code.into())));
            }
            Ok(_) => {}
            Err(_) => return None,
        }
    }
}
