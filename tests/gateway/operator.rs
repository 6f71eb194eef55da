//! A client of the gateway that may do everything, which Clawspend may not: it makes what Clawspend is to see.

use crate::home::PATIENCE;
use serde_json::{Value, json};
use std::{
    net::{SocketAddr, TcpStream},
    time::Instant,
};
use tungstenite::{Message, WebSocket};

/// What OpenClaw says when it gives up a turn because of itself.
const DISTURBED: &str = "Agent database cleanup failed";

pub(crate) struct Operator {
    socket: WebSocket<TcpStream>,
    requests: u32,
}

impl Operator {
    /// The gateway's error, where it does not let us in.
    pub(crate) fn connect(address: SocketAddr, token: &str) -> Result<Self, Value> {
        let stream = TcpStream::connect(address).expect("a gateway");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let (socket, _) = tungstenite::client(format!("ws://{address}"), stream).expect("a socket");
        let mut operator = Self {
            socket,
            requests: 0,
        };
        // Its challenge, which a client without a key of its own does not answer.
        assert_eq!(operator.frame()["event"], "connect.challenge");
        let hello = operator.ask(
            "connect",
            &json!({
                "minProtocol": 4,
                "maxProtocol": 4,
                "client": {"id": "gateway-client", "version": "1", "platform": "linux", "mode": "backend"},
                "role": "operator",
                "scopes": ["operator.admin", "operator.read", "operator.write", "operator.pairing"],
                "auth": {"token": token},
            }),
        )?;
        assert_eq!(hello["type"], "hello-ok");
        Ok(operator)
    }

    /// Asks for something and waits for it.
    pub(crate) fn call(&mut self, method: &str, params: &Value) -> Value {
        let answer = self.ask(method, params);
        answer.unwrap_or_else(|error| panic!("{method}: {error}"))
    }

    fn ask(&mut self, method: &str, params: &Value) -> Result<Value, Value> {
        self.requests += 1;
        let id = self.requests.to_string();
        let request = json!({"type": "req", "id": id, "method": method, "params": params});
        let sent = self.socket.send(Message::text(request.to_string()));
        sent.expect("a connected gateway");
        loop {
            let mut frame = self.frame();
            if frame["type"] == "res" && frame["id"] == id.as_str() {
                return if frame["ok"] == true {
                    Ok(frame["payload"].take())
                } else {
                    Err(frame["error"].take())
                };
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
        // On a busy machine OpenClaw's own tidying may come between, before the model is asked.
        let mut message = message.to_owned();
        for _ in 0..5 {
            let run = self.begin(session, model, &message);
            let end = self.end_of(&run);
            if end != DISTURBED {
                return end;
            }
            message += ", once more";
        }
        DISTURBED.into()
    }

    /// Waits for the end of what [`Self::begin`] began, until the gateway lets go of the session; says how it ended.
    pub(crate) fn end_of(&mut self, run: &str) -> String {
        let patience = u64::try_from(PATIENCE.as_millis()).expect("short");
        let end = self.call("agent.wait", &json!({"runId": run, "timeoutMs": patience}));
        let began = Instant::now();
        while self.call("sessions.list", &json!({"activeOnly": true}))["count"] != 0 {
            assert!(began.elapsed() < PATIENCE, "{run} does not end");
        }
        if end.to_string().contains(DISTURBED) {
            return DISTURBED.into();
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

    /// The paired devices: what they are, by what they may do.
    pub(crate) fn devices(&mut self) -> Vec<Value> {
        let list = self.call("device.pair.list", &json!({}));
        let devices = list["paired"].as_array().expect("devices").iter();
        let told = ["clientId", "clientMode", "platform", "roles", "scopes"];
        devices
            .map(|device| {
                told.iter()
                    .map(|key| (*key, device[*key].clone()))
                    .collect()
            })
            .collect()
    }

    /// The id of the only device.
    pub(crate) fn device(&mut self) -> Value {
        self.call("device.pair.list", &json!({}))["paired"][0]["deviceId"].take()
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
