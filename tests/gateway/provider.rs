//! A provider of models that answers as the test told it to, over the two streaming APIs that most providers have.

use serde_json::{Value, json};
use std::{
    collections::VecDeque,
    io::{self, BufRead as _, BufReader, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Instant,
};

/// What a model does with one request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// Says a text, and what that used.
    Text(String, Usage),
    /// Refuses it, which costs nothing.
    Refusal,
    /// Begins an answer and never ends it.
    Silence,
}

/// Tokens of four kinds, none counted twice.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Usage {
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) cache_read: u64,
    /// Only the Anthropic API tells it.
    pub(crate) cache_write: u64,
}

pub(crate) struct Provider {
    pub(crate) port: u16,
    replies: Arc<Mutex<VecDeque<Reply>>>,
    asked: Receiver<(String, Instant)>,
}

impl Provider {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("an address").port();
        let replies = Arc::new(Mutex::new(VecDeque::new()));
        let (sender, asked) = channel();
        let queue = Arc::clone(&replies);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (queue, sender) = (Arc::clone(&queue), sender.clone());
                // The gateway may hang up at any time: that is its test's matter.
                thread::spawn(move || serve(&stream, &queue, &sender));
            }
        });
        Self {
            port,
            replies,
            asked,
        }
    }

    /// What the next request will be answered with that no other reply is meant for.
    pub(crate) fn will(&self, reply: Reply) {
        self.replies.lock().expect("no panic").push_back(reply);
    }

    /// Waits for the next request that nobody has waited for, and says which model it was made to.
    pub(crate) fn asked(&self) -> String {
        self.answered().0
    }

    /// The same, and when it was answered.
    pub(crate) fn answered(&self) -> (String, Instant) {
        let asked = self.asked.recv_timeout(crate::home::PATIENCE);
        asked.expect("a request")
    }

    /// The models of all requests that nobody has waited for.
    pub(crate) fn all_asked(&self) -> Vec<String> {
        self.asked.try_iter().map(|(model, _)| model).collect()
    }
}

/// One request and its answer; the connection ends with it.
fn serve(
    mut stream: &TcpStream,
    replies: &Mutex<VecDeque<Reply>>,
    asked: &Sender<(String, Instant)>,
) -> io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first)?;
    let mut length = 0;
    loop {
        let mut header = String::new();
        if reader.read_line(&mut header)? <= 2 {
            break;
        }
        if let Some((name, value)) = header.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    if first.starts_with("GET /v1/usage ") {
        return stream.write_all(&answer("200 OK", "application/json", &quota().to_string()));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let (Some(model), true) = (request["model"].as_str(), first.starts_with("POST ")) else {
        return stream.write_all(&answer("404 Not Found", "application/json", "{}"));
    };

    let stream_of = if first.contains("/messages") {
        messages
    } else {
        completions
    };
    // A request that the test did not foresee is refused; the test sees that it was made.
    let next = replies.lock().expect("no panic").pop_front();
    let reply = next.unwrap_or(Reply::Refusal);
    let answered = Instant::now();
    stream.write_all(&match &reply {
        Reply::Text(text, usage) => {
            let body = stream_of(model, text, *usage);
            answer("200 OK", "text/event-stream", &body)
        }
        Reply::Refusal => {
            let error = json!({"error": {"type": "invalid_request_error", "message": "refused"}});
            answer("400 Bad Request", "application/json", &error.to_string())
        }
        Reply::Silence => b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n".to_vec(),
    })?;
    let _ = asked.send((model.to_owned(), answered));
    if matches!(reply, Reply::Silence) {
        // Until the other side hangs up.
        reader.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}

/// A budget of $50 for the last month of the century, of which $12.34 are gone.
fn quota() -> Value {
    json!({
        "budget": {
            "configured": true, "limitMicros": 50_000_000, "spentMicros": 12_340_000, "windowKey": "month/2099-12",
        },
        "usage": {"summary": {"requestCount": 321, "totalTokens": 1_234_567, "actualCostMicros": 12_340_000}},
    })
}

fn answer(status: &str, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
    )
    .into_bytes()
}

/// The stream of OpenAI's chat completions, whose prompt tokens include what the cache held.
fn completions(model: &str, text: &str, usage: Usage) -> String {
    let prompt = usage.input + usage.cache_read;
    let chunk = |choices: Value, usage: Value| {
        let chunk = json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": model,
            "choices": choices, "usage": usage,
        });
        format!("data: {chunk}\n\n")
    };
    let choice =
        |delta: Value, end: Value| json!([{"index": 0, "delta": delta, "finish_reason": end}]);
    let told = json!({
        "prompt_tokens": prompt,
        "completion_tokens": usage.output,
        "total_tokens": prompt + usage.output,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read},
    });
    [
        chunk(
            choice(json!({"role": "assistant", "content": text}), Value::Null),
            Value::Null,
        ),
        chunk(choice(json!({}), json!("stop")), Value::Null),
        chunk(json!([]), told),
        "data: [DONE]\n\n".to_owned(),
    ]
    .concat()
}

/// The stream of Anthropic's messages; the last event says how much was put out.
fn messages(model: &str, text: &str, usage: Usage) -> String {
    let events = [
        json!({"type": "message_start", "message": {
            "id": "msg_1", "type": "message", "role": "assistant", "model": model, "content": [],
            "stop_reason": null, "stop_sequence": null,
            "usage": {
                "input_tokens": usage.input,
                "output_tokens": 1,
                "cache_read_input_tokens": usage.cache_read,
                "cache_creation_input_tokens": usage.cache_write,
            },
        }}),
        json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        json!({"type": "content_block_stop", "index": 0}),
        json!({"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": usage.output}}),
        json!({"type": "message_stop"}),
    ];
    let text = |event: &Value| {
        format!(
            "event: {}\ndata: {event}\n\n",
            event["type"].as_str().unwrap_or_default()
        )
    };
    events.iter().map(text).collect()
}
