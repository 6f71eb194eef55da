//! One session, as the gateway itself tells it.

use crate::{
    gateway::Gateway,
    home::{Answer, Home},
    provider::{Provider, Reply, Usage},
};
use serde_json::{Value, json};

#[test]
fn a_session_is_told_as_it_was_used_and_not_what_was_said() {
    let home = Home::new();
    let provider = Provider::start();
    let gateway = Gateway::start(&home, &provider);
    let mut operator = gateway.operator();
    let mut turn = |session, model, input, output, cache_read| {
        let usage = Usage {
            input,
            output,
            cache_read,
            cache_write: 0,
        };
        provider.will(Reply::Text("a secret answer".into(), usage));
        let question = format!("a secret question of {input}");
        assert_eq!(operator.turn(session, model, &question), "ok");
    };
    turn("agent:main:main", "mock-large", 1_000, 100, 0);
    turn("agent:main:main", "mock-large", 400, 50, 800);
    turn("agent:main:main", "mock-free", 7, 8, 9);
    turn("agent:main:desk", "mock-large", 10, 20, 30);

    let without_times = |session: &str| {
        let mut told = home.json(&format!("session {session} --log --json"));
        for list in ["points", "log"] {
            for one in told[list].as_array_mut().expect("a list") {
                assert!(one["at"].take().as_i64() > Some(1_795_000_000_000));
            }
        }
        told
    };
    let point = |input: u64, output: u64, cache_read: u64, cost: Value, so_far: &str| {
        json!({
            "at": null, "input_tokens": input, "output_tokens": output, "cache_read_tokens": cache_read,
            "cache_write_tokens": 0, "cost_usd": cost, "cost_so_far_usd": so_far,
        })
    };
    let totals = |points: u64, [input, output, cache_read]: [u64; 3], cost: &str, unknown: u64| {
        json!({
            "points": points, "input_tokens": input, "output_tokens": output, "cache_read_tokens": cache_read,
            "cache_write_tokens": 0, "cost_usd": cost, "points_without_cost": unknown,
        })
    };
    let user = json!({ "at": null, "role": "user", "tokens": null, "cost_usd": null });
    let assistant = |tokens: u64, cost: Value| json!({ "at": null, "role": "assistant", "tokens": tokens, "cost_usd": cost });
    // 1,000 x 3 + 100 x 15; 400 x 3 + 50 x 15 + 800 x 0.3; and one without a price.
    let expected = json!({
        "schema": "clawspend.session/1", "gateway": "local", "session_key": "agent:main:main", "merged": false,
        "points": [
            point(1_000, 100, 0, json!("0.004500000"), "0.004500000"),
            point(400, 50, 800, json!("0.002190000"), "0.006690000"),
            point(7, 8, 9, Value::Null, "0.006690000"),
        ],
        "totals": totals(3, [1_407, 158, 809], "0.006690000", 1),
        "log": [
            user, assistant(1_100, json!("0.004500000")),
            user, assistant(1_250, json!("0.002190000")),
            user, assistant(24, Value::Null),
        ],
    });
    assert_eq!(without_times("agent:main:main"), expected);
    let text = home.tell("session agent:main:main --log");
    assert!(
        text.contains("assistant") && !text.contains("secret"),
        "{text}"
    );

    // A deleted session goes by its id.
    let sessions = home.json("report --by session,session_key --since 2020-01-01 --json");
    let rows = sessions["rows"].as_array().expect("rows").iter();
    let mut desk = rows.filter(|row| row["session_key"] == "agent:main:desk");
    let id = desk.next().expect("its row")["session"].clone();
    operator.call("sessions.delete", &json!({ "key": "agent:main:desk" }));
    let by_id = format!("agent:main:{}", id.as_str().expect("an id"));
    let told = without_times(&by_id);
    assert_eq!(told["totals"], totals(1, [10, 20, 30], "0.000339000", 0));
    let unknown = Answer {
        code: Some(1),
        out: String::new(),
        err: format!(
            "clawspend: the gateway at ws://127.0.0.1:{} knows no session \"agent:main:desk\"\n\
             Hint: give its key as `clawspend report --by session_key` tells it; that of a deleted session is \
             agent:AGENT:SESSION-ID\n",
            gateway.port
        ),
    };
    assert_eq!(home.run("session agent:main:desk"), unknown);
}
