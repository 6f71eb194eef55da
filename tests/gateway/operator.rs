//! A client of the gateway that may do everything, which Clawspend may not: it makes what Clawspend is to see.

use crate::{gateway::TOKEN, home::PATIENCE};
use serde_json::{Value, json};
use std::{net::TcpStream, time::Instant};
use tungstenite::{Message, WebSocket};

pub(crate) struct Operator {
    socket: WebSocket<TcpStream>,
    requests: u32,
}

impl Operator {
    pub(crate) fn connect(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("a gateway");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let (socket, _) =
            tungstenite::client(format!("ws://127.0.0.1:{port}"), stream).expect("a socket");
        let mut operator = Self {
            socket,
            requests: 0,
        };
        // Its challenge, which a client without a key of its own does not answer.
        assert_eq!(operator.frame()["event"], "connect.challenge");
        let hello = operator.call(
            "connect",
            &json!({
                "minProtocol": 4,
                "maxProtocol": 4,
                "client": {"id": "gateway-client", "version": "1", "platform": "linux", "mode": "backend"},
                "role": "operator",
                "scopes": ["operator.admin", "operator.read", "operator.write", "operator.pairing"],
                "auth": {"token": TOKEN},
            }),
        );
        assert_eq!(hello["type"], "hello-ok");
        operator
    }

    /// Asks for something and waits for it.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        self.requests += 1;
        let id = self.requests.to_string();
        let request = json!({"type": "req", "id": id, "method": method, "params": params});
        let sent = self.socket.send(Message::text(request.to_string()));
        sent.expect("a connected gateway");
        loop {
            let mut frame = self.frame();
            if frame["type"] == "res" && frame["id"] == id.as_str() {
                assert_eq!(frame["ok"], true, "{method}: {}", frame["error"]);
                return frame["payload"].take();
            }
        }
    }

    /// Has the agent of a session (`agent:<agent>:<name>`) answer a message; returns without waiting.
    pub(crate) fn begin(&mut self, session: &str, model: &str, message: &str) -> String {
        let run = format!("{session} {model} {message}");
        let turn = json!({"sessionKey": session, "model": format!("mock/{model}"), "message": message, "idempotencyKey": run});
        assert_eq!(self.call("agent", &turn)["status"], "accepted");
        run
    }

    /// The same, until it is done; says how it ended.
    pub(crate) fn turn(&mut self, session: &str, model: &str, message: &str) -> String {
        let run = self.begin(session, model, message);
        self.end_of(&run)
    }

    /// Waits for the end of what [`Self::begin`] began, until the gateway lets go of the session.
    pub(crate) fn end_of(&mut self, run: &str) -> String {
        let patience = u64::try_from(PATIENCE.as_millis()).expect("short");
        let end = self.call("agent.wait", &json!({"runId": run, "timeoutMs": patience}));
        let began = Instant::now();
        while self.call("sessions.list", &json!({"activeOnly": true}))["count"] != 0 {
            assert!(began.elapsed() < PATIENCE, "{run} does not end");
        }
        end["status"].as_str().expect("a status").to_owned()
    }

    /// The ids of a session's messages by the user.
    pub(crate) fn messages_of_user(&mut self, session: &str) -> Vec<String> {
        let mut transcript = self.call("sessions.get", &json!({"key": session}));
        let messages = transcript["messages"].take();
        let messages = messages.as_array().expect("messages").iter();
        messages
            .filter(|message| message["role"] == "user")
            .map(|message| {
                message["__openclaw"]["id"]
                    .as_str()
                    .expect("an id")
                    .to_owned()
            })
            .collect()
    }

    fn frame(&mut self) -> Value {
        loop {
            match self.socket.read().expect("a connected gateway") {
                Message::Text(text) => return serde_json::from_str(&text).expect("JSON"),
                Message::Ping(_) | Message::Pong(_) => {}
                other => panic!("{other}"),
            }
        }
    }
}
