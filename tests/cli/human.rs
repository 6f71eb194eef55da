//! What people read.

use crate::home::{Home, NINE, now, response, zone_far_from_midnight};
#[cfg(target_os = "linux")]
use clawspend_core::pricing::PriceBook;
use clawspend_tests::corpus::{ClaudeLine, OpenClawLine};

fn unknown_model(at: i64) -> String {
    ClaudeLine {
        uuid: "00000000-0000-4000-8000-0000000000aa",
        message_id: "msg_0aaaaaaaaaaaaaaaaaaaaaaa",
        request_id: "req_0aaaaaaaaaaaaaaaaaaaaaaa",
        model: "acme-9",
        at,
        ..ClaudeLine::default()
    }
    .to_string()
}

#[test]
fn a_report_is_a_table() {
    let home = Home::new();
    home.claude(
        "p/a.jsonl",
        &[response(1, NINE, 123_456), unknown_model(NINE)],
    );
    let told = home.tell("report --since 2026-11-20 --until 2026-11-20 --timezone Europe/Berlin");
    let expected = "\
2026-11-20 to 2026-11-20, days of Europe/Berlin

day         source       model            responses  input   output  cache read  cache write     cost
──────────  ───────────  ───────────────  ─────────  ─────  ───────  ──────────  ───────────  ───────
2026-11-20  claude-code  acme-9                   1      2       10         100            0  unknown
2026-11-20  claude-code  claude-sonnet-5          1      2  123,456         100            0    $1.23
──────────  ───────────  ───────────────  ─────────  ─────  ───────  ──────────  ───────────  ───────
total                                             2      4  123,466         200            0  ≥ $1.23

≥: the price of 1 response is not known; tokens are counted, cost is not.
";
    assert_eq!(told, expected);
}

#[test]
fn a_report_shows_a_column_once_and_says_which_filters_nothing_matches() {
    let home = Home::new();
    home.claude("p/a.jsonl", &[response(1, NINE, 10)]);
    let report = |more: &str| {
        let days = "--since 2026-11-20 --until 2026-11-20 --timezone UTC";
        home.tell(&format!("report {days} {more}"))
    };
    assert_eq!(
        report("--by source,day,source --where source=claude-*"),
        report("--by source,day")
    );
    assert_eq!(
        report("--where source=openclaw --where model=gpt-*"),
        "2026-11-20 to 2026-11-20, days of UTC\n\nNo response matches source=openclaw, model=gpt-*.\n"
    );
}

#[test]
fn what_would_steer_the_terminal_is_spelt_out() {
    let home = Home::new();
    let line = ClaudeLine {
        cwd: r"/w/\u202egnp.exe",
        branch: r"a\u001b[2J\nb",
        model: r"acme\u001b]0;9\u0007",
        at: NINE,
        ..ClaudeLine::default()
    };
    home.claude("p/a.jsonl", &[line]);
    home.write(
        "config/clawspend.toml",
        "[plans.claude_code]\nname = \"Max\\u001B[5m\"\nmonthly_usd = 2.00\n",
    );
    let told = home.tell("report --since 2026-11-20 --until 2026-11-20 --by project,branch,model");
    let expected = r"2026-11-20 to 2026-11-20, days of UTC

project             branch            model                responses  input  output  cache read  cache write      cost
──────────────────  ────────────────  ───────────────────  ─────────  ─────  ──────  ──────────  ───────────  ────────
/w/\u{202e}gnp.exe  a\u{1b}[2J\u{a}b  acme\u{1b}]0;9\u{7}          1      2      10         100            0  unknown*
──────────────────  ────────────────  ───────────────────  ─────────  ─────  ──────  ──────────  ───────────  ────────
total                                                              1      2      10         100            0  unknown*

≥: the price of 1 response is not known; tokens are counted, cost is not.

*: API-equivalent, all or some of it: Claude Code under Max\u{1b}[5m, which nobody bills by the token.
";
    assert_eq!(told, expected);
}

#[test]
fn tokens_of_unknown_kind_are_shown() {
    let mut home = Home::new();
    home.zone = zone_far_from_midnight();
    let line = |id, at, usage| OpenClawLine {
        id,
        at,
        written_at: at,
        usage,
        ..OpenClawLine::default()
    };
    let unsplit = r#"{"totalTokens":12222}"#;
    let lines = [
        line("00000001", NINE, unsplit),
        line("00000002", NINE, OpenClawLine::default().usage),
        line("00000003", now(), unsplit),
    ];
    let lines: String = lines.iter().map(|line| format!("{line}\n")).collect();
    home.write(".openclaw/agents/main/sessions/s1.jsonl", lines);
    let told = home.tell("report --by model --since 2026-11-20 --until 2026-11-20 --timezone UTC");
    let expected = "\
2026-11-20 to 2026-11-20, days of UTC

model            responses  input  output  cache read  cache write  unsplit      cost
───────────────  ─────────  ─────  ──────  ──────────  ───────────  ───────  ────────
claude-sonnet-5          2    800     300       5,000            0   12,222  ≥ $0.006
───────────────  ─────────  ─────  ──────  ──────────  ───────────  ───────  ────────
total                    2    800     300       5,000            0   12,222  ≥ $0.006

≥: the price of 1 response is not known; tokens are counted, cost is not.

unsplit: tokens of which the log says only the sum, not the kind.
";
    assert_eq!(told, expected);
    let told = home.tell("today");
    let line = told.lines().find(|line| line.starts_with("1 response"));
    assert_eq!(
        line,
        Some("1 response: 0 input, 0 output, 0 cache read, 0 cache write, 12,222 unsplit tokens")
    );
}

#[test]
fn an_empty_report_is_an_empty_table() {
    let told = Home::new().tell("report --since 2026-11-20 --until 2026-11-20 --by model");
    let expected = "\
2026-11-20 to 2026-11-20, days of UTC

model  responses  input  output  cache read  cache write   cost
─────  ─────────  ─────  ──────  ──────────  ───────────  ─────
─────  ─────────  ─────  ──────  ──────────  ───────────  ─────
total          0      0       0           0            0  $0.00
";
    assert_eq!(told, expected);
}

#[test]
fn today_is_a_figure_and_what_is_around_it() {
    let mut home = Home::new();
    home.zone = zone_far_from_midnight();
    home.claude(
        "p/a.jsonl",
        &[response(1, now(), 123_456), unknown_model(now())],
    );
    let told = home.tell("today");
    let (head, rest) = told.split_once('\n').expect("a heading");
    let (figure, day) = head.split_once(" (").expect("a day");
    assert_eq!(figure, "≥ $1.23 today");
    assert!(day.ends_with(&format!(", {})", home.zone)), "{day}");
    let expected = "
yesterday                $0.00
this week              ≥ $1.23
this month             ≥ $1.23

2 responses: 4 input, 123,466 output, 200 cache read, 0 cache write tokens

model            responses     cost
───────────────  ─────────  ───────
claude-sonnet-5          1    $1.23
acme-9                   1  unknown
";
    assert_eq!(rest, expected);
}

#[cfg(target_os = "linux")]
#[test]
fn doctor_says_what_to_do() {
    let home = Home::new();
    home.claude(
        "p/a.jsonl",
        &[
            unknown_model(NINE),
            r#"{"type":"assistant","message":{"usage":{"input_to"#.to_owned(),
        ],
    );
    home.write(
        ".openclaw/openclaw.json",
        "{\n  // nothing listens there\n  gateway: { port: 1 },\n}",
    );
    let told = home.tell("doctor").replace(&home.text(), "~");
    // Columns are as wide as the paths of this machine.
    let told: Vec<String> = told
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .filter(|line| !line.starts_with('─'))
        .collect();
    let ledger = told
        .iter()
        .find(|line| line.starts_with("Ledger ~/data/ledger.sqlite ("));
    let ledger = ledger.expect("a line on the ledger");
    assert!(ledger.ends_with("B, 1 response), sound"), "{ledger}");
    let whole = told
        .iter()
        .find(|line| line.starts_with("Claude Code: known whole: 19"));
    let whole = whole.expect("a line on what is known");
    let book = PriceBook::embedded();
    let told = told
        .join("\n")
        .replace(ledger, "Ledger …")
        .replace(whole, "Claude Code: known whole: …");
    let expected = format!(
        "\
Where logs are looked for

agent folder why state files size
Claude Code ~/.config/claude/projects default not there 0 0 B
Claude Code ~/.claude/projects default found 1 762 B
OpenClaw ~/.openclaw/agents default not there 0 0 B
OpenClaw ~/.clawdbot/agents legacy not there 0 0 B
OpenClaw ~/.moltbot/agents legacy not there 0 0 B
OpenClaw ~/.moldbot/agents legacy not there 0 0 B

Lines read

counted 1
ignored: mention no usage 0
ignored: usage not on an assistant message 0
ignored: written by the client itself 0
ignored: all zero 0
ignored: blank 0
broken 1
not a complete JSON object at 712 in ~/.claude/projects/p/a.jsonl

How complete it is

Claude Code: known whole: …
In no log: recaps, titles, quota probes and some compaction calls are billed and leave no usage in any log; taxes, credits, discounts and plan limits are not known either.

Gateways

local: ws://127.0.0.1:1
Nobody is connected to them: the tray app is not running. `clawspend gateway test NAME` tries one.

Ledger …
Settings ~/config/clawspend.toml
Price book {} ({})
Following no: the tray app is not running

no tray host: no session bus: Failed to connect to address `unix:path=/nonexistent/bus`: No such file or directory (os error 2)
→ on GNOME install the AppIndicator extension; elsewhere add a system tray to the panel; the dashboard and `clawspend today --watch` work without
no notification service: no session bus: Failed to connect to address `unix:path=/nonexistent/bus`: No such file or directory (os error 2)
→ start a notification daemon such as dunst; alerts stay visible in the tray menu and the dashboard
no gateway: nothing answers on 127.0.0.1:1: Connection refused (os error 111)
→ none is needed: logs are read from disk

No price is known for acme-9: 1 response, 112 tokens.",
        book.generated_on(),
        book.version()
    );
    assert_eq!(told, expected);
}
