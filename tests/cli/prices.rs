//! What models cost, whose price that is, and what became of the figures when prices changed.

use crate::home::{Answer, Home, NINE, now, response, zone_far_from_midnight};
use clawspend_core::pricing::PriceBook;
use clawspend_tests::corpus::{ClaudeLine, OpenClawLine};
use serde_json::{Value, json};

const OWN: &str = "
[[prices.model]]
model = \"acme-9\"
input = 3.00
output = 15.00

[[prices.model]]
model = \"acme-9\"
from = 2026-11-01
input = 1.00
output = 5.00
cache_read = 0.10
";

const UNPRICED: &str = "\
\n[[prices.model]]\nmodel = \"acme-9\"\ninput = \noutput = \ncache_read = \n";

fn line(number: u32, model: &str, at: i64) -> String {
    ClaudeLine {
        uuid: &format!("00000000-0000-4000-8000-{number:012}"),
        message_id: &format!("msg_{number:024}"),
        request_id: &format!("req_{number:024}"),
        model,
        at,
        ..ClaudeLine::default()
    }
    .to_string()
}

/// Two responses whose cost is known, one of a model nobody knows, and one of which only the total is told.
fn home() -> Home {
    let home = Home::new();
    home.claude(
        "p/a.jsonl",
        &[response(1, NINE, 123_456), line(2, "acme-9", NINE)],
    );
    let split = OpenClawLine::default();
    let unsplit = OpenClawLine {
        id: "fc550771",
        at: split.at + 1,
        usage: r#"{"totalTokens":222}"#,
        ..split
    };
    home.write(
        ".openclaw/agents/main/sessions/b.jsonl",
        format!("{split}\n{unsplit}\n"),
    );
    home
}

fn plain(text: &str) -> String {
    let lines = text.lines().map(|line| line.trim_end().to_owned() + "\n");
    lines.collect()
}

#[test]
fn a_model_of_the_book_has_its_history_told() {
    let home = Home::new();
    let book = PriceBook::embedded().generated_on();
    let expected = format!(
        "\
claude-sonnet-4-5-20250929 at 2026-04-01: anthropic/claude-sonnet-4-5 in the price book of {book}
Chosen because the name is the same; no seller with a price of its own is named, and the model is of anthropic.

   price  from        for                              input  output  cache read  5m write  1h write
─  ─────  ──────────  ───────────────────────────────  ─────  ──────  ──────────  ────────  ────────
▸  book   ever        any request                          3      15         0.3      3.75         6
   book   ever        above 200,000 tokens of context      6    22.5         0.6       7.5        12
   book   2026-04-30  any request                          3      15         0.3      3.75         6

▸: in force. US dollars per million tokens; *: not listed, derived from the input rate or the 5-minute write.
Besides: batch ×0.5, United States only ×1.1, web search $0.01 each.
"
    );
    let told = home.tell("prices claude-sonnet-4-5-20250929 --at 2026-04-01");
    assert_eq!(plain(&told), expected);
    let free = home.tell("prices llama3.3:70b --provider ollama");
    assert_eq!(
        free,
        "llama3.3:70b by ollama: free of charge, as it runs on your own machine or is given away\n"
    );
    assert!(!home.data().exists(), "no ledger is needed");
}

#[test]
fn own_prices_are_told_and_win_from_their_day_on() {
    let home = Home::new();
    home.write("config/clawspend.toml", OWN);
    for (at, latest, first) in [("2026-10-31", " ", "▸"), ("2026-11-01", "▸", " ")] {
        let expected = format!(
            "\
acme-9 by relay at {at}: acme-9 in your own prices
Chosen because the name is the same; your own price wins over the book.

   price  from        for          input  output  cache read  5m write  1h write
─  ─────  ──────────  ───────────  ─────  ──────  ──────────  ────────  ────────
{latest}  own    2026-11-01  any request      1       5         0.1        1*        1*
{first}  own    ever        any request      3      15          3*        3*        3*

▸: in force. US dollars per million tokens; *: not listed, derived from the input rate or the 5-minute write.
"
        );
        let told = home.tell(&format!("prices acme-9 --provider relay --at {at}"));
        assert_eq!(plain(&told), expected);
    }
}

#[test]
fn prices_as_json() {
    let home = Home::new();
    home.write("config/clawspend.toml", OWN);
    let told = home.json("prices acme-9-20260101 --at 2026-11-02T00:00:00Z --json");
    let rates = |amounts: [&str; 5], listed: [&str; 5]| -> Value {
        let classes = [
            "input",
            "output",
            "cache_read",
            "cache_write_5m",
            "cache_write_1h",
        ];
        let rates = classes.iter().zip(amounts).zip(listed);
        rates
            .map(|((class, usd), from)| json!({ "class": class, "usd": format!("{usd}0000000"), "from": from }))
            .collect()
    };
    let row = |from: Value, in_force: bool, rates: Value| {
        json!({
            "origin": "override", "provider": "", "model": "acme-9", "from": from, "in_force": in_force,
            "rates": rates, "tiers": [], "daily": null, "fast": null, "search_usd": null,
        })
    };
    let expected = json!({
        "schema": "clawspend.prices/1",
        "price_book": PriceBook::embedded().generated_on().to_string(),
        "unit": "US dollars per million tokens; search_usd: US dollars each",
        "models": [{
            "provider": "",
            "model": "acme-9-20260101",
            "at": 1_793_577_600_000_i64,
            "state": "priced",
            "chosen": {
                "match": "dated", "by_owner": false, "tier": null, "by_time_of_day": false,
                "why": "the name is the same but for a date; your own price wins over the book",
            },
            "rows": [
                row(
                    json!(1_793_491_200_000_i64), true,
                    rates(["1.00", "5.00", "0.10", "1.00", "1.00"], ["listed", "listed", "listed", "as_input", "as_input"]),
                ),
                row(
                    Value::Null, false,
                    rates(["3.00", "15.00", "3.00", "3.00", "3.00"], ["listed", "listed", "as_input", "as_input", "as_input"]),
                ),
            ],
            "batch": null,
            "us_only": null,
            "near": [],
        }],
    });
    assert_eq!(told, expected);
}

#[test]
fn a_model_without_a_price_is_told_with_what_may_be_meant() {
    let home = Home::new();
    let config = home.path().join("config/clawspend.toml");
    let paste = "[[prices.model]]\nmodel = \"claude-sonet-5\"\ninput = \noutput = \ncache_read =\n";
    // Which names are near changes with the book.
    let near = PriceBook::embedded().near("claude-sonet-5");
    assert_eq!(near[0], "claude-sonnet-5");
    let expected = Answer {
        code: Some(1),
        out: String::new(),
        err: format!(
            "clawspend: no price is known for claude-sonet-5\n\
             Hint: did you mean {}? else put its price into {}:\n\n{paste}",
            near.join(", "),
            config.display()
        ),
    };
    let told = home.run("prices claude-sonet-5");
    assert_eq!(told, expected);
    let told = home.run("prices claude-sonet-5 --json");
    assert_eq!((told.code, told.err), (expected.code, expected.err));
    let told: Value = serde_json::from_str(&told.out).expect("JSON");
    assert_eq!(told["models"][0]["state"], "unpriced");
    assert_eq!(told["models"][0]["near"], json!(near));
    let wrong = home.run("prices claude-sonnet-5 --at yesterday");
    assert_eq!(wrong.code, Some(2));
}

#[test]
fn without_a_model_the_rates_of_all_that_were_seen_are_told() {
    let home = home();
    let told = home.tell("prices --at 2026-11-20");
    let expected = "\
provider   model            price                         input  output  cache read  5m write  1h write
─────────  ───────────────  ────────────────────────────  ─────  ──────  ──────────  ────────  ────────
           claude-sonnet-5  book anthropic/claude-sonnet-5      2      10         0.2       2.5         4
anthropic  claude-sonnet-5  book anthropic/claude-sonnet-5      2      10         0.2       2.5         4
           acme-9           no price known for this model

US dollars per million tokens; *: not listed, derived from the input rate or the 5-minute write.
Models without a price: `clawspend models --unpriced`.
";
    let words = |text: &str| -> Vec<Vec<String>> {
        let lines = text.lines().filter(|line| !line.starts_with('─'));
        lines
            .map(|line| line.split_whitespace().map(str::to_owned).collect())
            .collect()
    };
    assert_eq!(words(&told), words(expected));
    let told = home.json("prices --at 2026-11-20 --json");
    let models = told["models"].as_array().expect("models");
    let states: Vec<(&Value, &Value, &Value)> = models
        .iter()
        .map(|model| (&model["provider"], &model["model"], &model["state"]))
        .collect();
    let expected = [
        (&json!(""), &json!("claude-sonnet-5"), &json!("priced")),
        (
            &json!("anthropic"),
            &json!("claude-sonnet-5"),
            &json!("priced"),
        ),
        (&json!(""), &json!("acme-9"), &json!("unpriced")),
    ];
    assert_eq!(states, expected);
}

#[test]
fn models_that_were_seen_are_a_table() {
    let expected = "\
source       provider   model            responses   tokens      cost  first       last
───────────  ─────────  ───────────────  ─────────  ───────  ────────  ──────────  ──────────
claude-code             claude-sonnet-5          1  123,558     $1.23  2026-11-20  2026-11-20
openclaw     anthropic  claude-sonnet-5          2    6,322  ≥ $0.006  2026-11-20  2026-11-20
claude-code             acme-9                   1      112   unknown  2026-11-20  2026-11-20
";
    assert_eq!(home().tell("models"), expected);
    assert_eq!(
        Home::new().tell("models --unpriced"),
        "The cost of every response is known.\n"
    );
}

#[test]
fn what_has_no_cost_is_told_with_why_and_what_to_do() {
    let home = home();
    let told = home.tell("models --unpriced").replace(&home.text(), "~");
    let expected = format!(
        "\
source       provider   model            without cost  of  why
───────────  ─────────  ───────────────  ────────────  ──  ───────────────────────────────────────
openclaw     anthropic  claude-sonnet-5             1   2  only the total of their tokens is known
claude-code             acme-9                      1   1  no price is known for the model

Where no price is known for the model: add its price to the config file, or wait for a newer Clawspend.

Where only the total of their tokens is known: nothing helps: their logs do not tell the classes apart.

To be put into ~/config/clawspend.toml, rates in US dollars per million tokens filled in:
{UNPRICED}"
    );
    assert_eq!(told, expected);
    let told = home.json("models --unpriced --json");
    let figures = |cost: &str, input: u64, output: u64, read: u64, unsplit: u64, responses: u64| {
        json!({
            "responses": responses, "input_tokens": input, "output_tokens": output, "cache_read_tokens": read,
            "cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0, "unsplit_tokens": unsplit, "cost_usd": cost,
            "unpriced_responses": 1,
        })
    };
    let model = |head: Value, figures: Value, rest: Value| -> Value {
        let mut object = serde_json::Map::new();
        for part in [head, figures, rest] {
            object.extend(part.as_object().expect("an object").clone());
        }
        object.into()
    };
    let expected = json!({ "schema": "clawspend.models/1", "models": [
        model(
            json!({ "source": "openclaw", "provider": "anthropic", "model": "claude-sonnet-5" }),
            figures("0.005600000", 800, 300, 5_000, 222, 2),
            json!({
                "first_at": 1_795_177_800_000_i64, "last_at": 1_795_177_800_000_i64,
                "gaps": [{
                    "gap": "unsplit_tokens", "responses": 1,
                    "why": "only the total of their tokens is known",
                    "advice": "nothing helps: their logs do not tell the classes apart",
                }],
                "addition": null,
            }),
        ),
        model(
            json!({ "source": "claude-code", "provider": "", "model": "acme-9" }),
            figures("0.000000000", 2, 10, 100, 0, 1),
            json!({
                "first_at": NINE, "last_at": NINE,
                "gaps": [{
                    "gap": "unknown_model", "responses": 1,
                    "why": "no price is known for the model",
                    "advice": "add its price to the config file, or wait for a newer Clawspend",
                }],
                "addition": UNPRICED.trim_start(),
            }),
        ),
    ]});
    assert_eq!(told, expected);
}

#[test]
fn a_new_price_is_used_at_once_and_said() {
    let home = home();
    let report = "report --by source --since 2026-11-20 --until 2026-11-20 --json";
    assert_eq!(home.json(report)["totals"]["cost_usd"], "1.240184000");
    home.write("config/clawspend.toml", OWN);
    let told = home.run(report);
    // 2 input, 10 output, 100 cache hits.
    let json: Value = serde_json::from_str(&told.out).expect("JSON");
    assert_eq!(json["totals"]["cost_usd"], "1.240246000");
    assert_eq!(
        told.err,
        "clawspend: all costs were computed anew: other prices of your own: $1.24 in all, $0.001 more than before; 4 responses, \
         1 of them without a price, 2 before\n"
    );
    assert_eq!(home.run(report).err, "", "it is said once");
    home.write(
        "config/clawspend.toml",
        format!("{OWN}\n[[prices.model]]\nmodel = \"acme-10\"\ninput = 1\noutput = 1\n"),
    );
    let doctor = home.tell("doctor");
    let said: Vec<&str> = doctor
        .lines()
        .skip_while(|line| !line.starts_with("All costs were computed anew on "))
        .collect();
    let [first, rest @ ..] = said.as_slice() else {
        panic!("{doctor}")
    };
    let (_, what) = first.split_once("Z: ").expect("a time");
    assert_eq!(
        what,
        "other prices of your own: $1.24 in all, as before; 4 responses, 1 of them without a price."
    );
    assert_eq!(
        rest,
        [
            "",
            "The cost of 1 of 2 responses of claude-sonnet-5 is not known: only the total of their tokens is known.",
            "",
            "1 of your own prices hold for no model the ledger has seen: acme-10",
            "  → `clawspend models` lists those it has; a `provider` that the log does not name keeps a price away too",
        ]
    );
    let json = home.json("doctor --json");
    assert_eq!(json["repriced"]["why"], json!(["own_prices"]));
    assert_eq!(json["repriced"]["after"]["unpriced_responses"], 1);
}

#[test]
fn a_faulty_price_is_refused_with_its_line_and_the_last_good_ones_hold() {
    let home = home();
    home.write("config/clawspend.toml", OWN);
    let report = "report --by source --since 2026-11-20 --until 2026-11-20 --json";
    let good = home.run(report).out;
    let faulty = home.write(
        "config/clawspend.toml",
        OWN.replace("input = 1.00", "input = -1.00"),
    );
    let told = home.run(report);
    assert_eq!(told.out, good);
    assert_eq!(
        told.err
            .replace(&faulty.display().to_string(), "clawspend.toml"),
        "clawspend: clawspend.toml: line 10, column 9: `input` must be dollars per million tokens, from 0 to 1000, \
         such as 3.00; 0 is free of charge\n\
         Hint: Correct the file and save it; until then the last good settings stay in force.\n"
    );
}

#[test]
fn what_a_subscription_covers_is_called_api_equivalent() {
    let mut home = Home::new();
    home.zone = zone_far_from_midnight();
    home.claude("p/a.jsonl", &[response(1, now(), 123_456)]);
    home.write(
        "config/clawspend.toml",
        "[plans.claude_code]\nname = \"Max\"\nmonthly_usd = 2.00\n",
    );
    let told = home.tell("today");
    let (head, rest) = told.split_once('\n').expect("a heading");
    assert!(head.starts_with("$1.23 today, API-equivalent ("), "{head}");
    let expected = "
yesterday                $0.00
this week                $1.23  API-equivalent
this month               $1.23  API-equivalent

Claude Code under Max, $2.00 a month: $1.23 API-equivalent this month, 61 % of that.

1 response: 2 input, 123,456 output, 100 cache read, 0 cache write tokens

model            responses   cost
───────────────  ─────────  ─────
claude-sonnet-5          1  $1.23
";
    assert_eq!(rest, expected);

    let line = OpenClawLine {
        at: now(),
        written_at: now(),
        ..OpenClawLine::default()
    };
    home.write(
        ".openclaw/agents/main/sessions/b.jsonl",
        format!("{line}\n"),
    );
    let told = home.tell("today");
    assert!(told.starts_with("$1.24 today, $1.23 of it API-equivalent ("));
    let told = home.tell(&format!("report --by source --timezone {}", home.zone));
    let table = told.split_once("\n\n").expect("a table").1;
    let expected = "\
source       responses  input   output  cache read  cache write    cost
───────────  ─────────  ─────  ───────  ──────────  ───────────  ──────
claude-code          1      2  123,456         100            0  $1.23*
openclaw             1    800      300       5,000            0  $0.006
───────────  ─────────  ─────  ───────  ──────────  ───────────  ──────
total                2    802  123,756       5,100            0  $1.24*

*: API-equivalent, all or some of it: Claude Code under Max, which nobody bills by the token.
";
    assert_eq!(table, expected);
    let told = home.tell("report --by model");
    assert!(told.contains("$1.24*\n"), "{told}");
}
