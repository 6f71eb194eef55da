//! The loop: what a surface hears when something happens.

use clawspend_core::{
    api::Phase,
    engine::{self, Listener},
    time::UnixMillis,
};
use clawspend_tests::corpus::{ClaudeLine, ClaudeUsage};
use clawspend_tests::home::{Home, started, today, wait};
use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    sync::mpsc::channel,
};

fn append(path: &Path, number: u32, output: u64) {
    let id = format!("msg_{number:024}");
    let usage = ClaudeUsage {
        output,
        ..ClaudeUsage::default()
    };
    let at = UnixMillis::now().0;
    let line = ClaudeLine {
        message_id: &id,
        at,
        usage,
        model: "claude-opus-5",
        ..ClaudeLine::default()
    };
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)
        .expect("writable");
    writeln!(file, "{line}").expect("written");
}

fn config(home: &Home, text: &str) {
    let folder = home.path().join("clawspend-config");
    fs::create_dir_all(&folder).expect("can be created");
    fs::write(folder.join("clawspend.toml"), text).expect("writable");
}

#[test]
fn an_appended_line_changes_the_figure() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    append(&path, 1, 1000);
    let (_engine, updates) = started(&home);
    let live = wait(&updates, "all is read", |update| {
        update.status.phase == Phase::Live
    });
    assert_eq!(today(&live).responses, 1);
    append(&path, 2, 1000);
    let more = wait(&updates, "the second line counts", |update| {
        today(update).responses == 2
    });
    assert_eq!(today(&more).cost.0, 2 * today(&live).cost.0);
    // A new file in a new folder: the folder may be filled before it is watched.
    let other = home.claude("s/subagents/agent-1.jsonl");
    append(&other, 3, 1000);
    wait(&updates, "the new folder's line counts", |update| {
        today(update).responses == 3
    });
}

#[test]
fn f35_a_root_that_appears_later_is_found() {
    let home = Home::new();
    let (engine, updates) = started(&home);
    let first = wait(&updates, "there is nothing", |update| {
        update.status.phase == Phase::Live
    });
    assert_eq!(today(&first).responses, 0);
    append(&home.claude("a.jsonl"), 1, 10);
    engine.refresh();
    wait(&updates, "its line counts", |update| {
        today(update).responses == 1
    });
}

#[test]
fn another_choice_of_which_cost_counts_holds_at_once_and_a_faulty_one_never() {
    let home = Home::new();
    append(&home.claude("a.jsonl"), 1, 1000);
    let (_engine, updates) = started(&home);
    let computed = wait(&updates, "all is read", |update| {
        today(update).responses == 1
    });
    assert_eq!(
        (today(&computed).cost.0, today(&computed).unpriced_responses),
        (25_000_000, 0)
    );
    config(&home, "[costs]\nclaude_code = \"recorded\"\n");
    let recorded = wait(&updates, "nothing is recorded", |update| {
        today(update).unpriced_responses == 1
    });
    assert_eq!(today(&recorded).cost.0, 0);
    config(&home, "[costs]\nclaude_code = \"computed\"\nx = 1\n");
    let faulty = wait(&updates, "the fault is told", |update| {
        !update.status.problems.is_empty()
    });
    assert_eq!(today(&faulty).unpriced_responses, 1);
    config(&home, "[costs]\nclaude_code = \"computed\"\n");
    wait(&updates, "the computed cost counts again", |update| {
        today(update).cost.0 == 25_000_000
    });
}

#[test]
fn the_budget_is_told_of_once_and_a_restart_repeats_nothing() {
    let home = Home::new();
    config(
        &home,
        "[budget]\ndaily_usd = 1.00\n[spike]\nenabled = false\n",
    );
    let path = home.claude("a.jsonl");
    // $25 per million output tokens.
    append(&path, 1, 50_000);
    let fired = {
        let (_engine, updates) = started(&home);
        let update = wait(&updates, "the budget is crossed", |update| {
            !update.fired.is_empty()
        });
        append(&path, 2, 50_000);
        let more = wait(&updates, "the next line counts", |update| {
            today(update).responses == 2
        });
        assert_eq!(more.fired, [], "one notification for one episode");
        assert_eq!(
            more.open_alert.map(|alert| alert.rule),
            Some("budget".to_owned())
        );
        update.fired
    };
    assert_eq!(fired.len(), 1);
    assert_eq!(fired[0].rule, "budget");
    assert!(fired[0].title.starts_with("$1.25"), "{}", fired[0].title);
    let (_engine, updates) = started(&home);
    let mut heard = Vec::new();
    let live = wait(&updates, "all is read", |update| {
        update.status.phase == Phase::Live
    });
    heard.extend(live.fired);
    append(&path, 3, 10);
    let last = wait(&updates, "the third line counts", |update| {
        today(update).responses == 3
    });
    heard.extend(last.fired);
    assert_eq!(heard, []);
}

#[test]
fn a_pause_silences_and_is_kept() {
    let home = Home::new();
    config(&home, "[budget]\ndaily_usd = 1.00\n");
    let until = UnixMillis::now().plus(3_600_000);
    {
        let (engine, updates) = started(&home);
        engine.pause_notifications(Some(until));
        wait(&updates, "the pause is told", |update| {
            update.paused_until == Some(until)
        });
    }
    append(&home.claude("a.jsonl"), 1, 50_000);
    let (engine, updates) = started(&home);
    let update = wait(&updates, "the alert is open", |update| {
        update.open_alert.is_some()
    });
    assert_eq!((update.fired, update.paused_until), (vec![], Some(until)));
    engine.pause_notifications(None);
    wait(&updates, "the pause has ended", |update| {
        update.paused_until.is_none()
    });
}

#[test]
fn a_typo_in_the_config_is_told_and_the_last_good_settings_stay() {
    let home = Home::new();
    config(&home, "[budget]\ndaily_usd = 3.00\n");
    let (_engine, updates) = started(&home);
    let good = wait(&updates, "all is read", |update| {
        update.status.phase == Phase::Live
    });
    assert_eq!(good.status.problems, []);
    config(&home, "[budget]\ndaily_uds = 4.00\n");
    let bad = wait(&updates, "the typo is told", |update| {
        !update.status.problems.is_empty()
    });
    assert_eq!(bad.config, good.config);
    let problem = &bad.status.problems[0];
    assert_eq!(problem.code, "config");
    assert!(
        problem.message.contains("daily_uds") && problem.message.contains("daily_usd"),
        "{problem:?}"
    );
    config(&home, "[budget]\ndaily_usd = 4.00\n");
    let mended = wait(&updates, "it is mended", |update| {
        update.status.problems.is_empty()
    });
    assert_eq!(
        mended.config.daily_budget.map(|usd| usd.to_string()),
        Some("4.000000000".to_owned())
    );
}

#[test]
fn f23_a_second_engine_reads_and_takes_over() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    append(&path, 1, 10);
    let (first, first_updates) = started(&home);
    wait(&first_updates, "the first is live", |update| {
        update.status.phase == Phase::Live
    });
    let (_second, updates) = started(&home);
    wait(&updates, "the second sees the figure", |update| {
        today(update).responses == 1
    });
    append(&path, 2, 10);
    wait(&updates, "the second hears of the next line", |update| {
        today(update).responses == 2
    });
    drop(first);
    append(&path, 3, 10);
    wait(&updates, "the second took over", |update| {
        today(update).responses == 3
    });
}

#[test]
fn f31_a_folder_moved_in_is_followed() {
    let home = Home::new();
    append(&home.claude("a.jsonl"), 1, 10);
    let (_engine, updates) = started(&home);
    wait(&updates, "all is read", |update| {
        update.status.phase == Phase::Live
    });
    let stage = home.path().join("stage");
    fs::create_dir(&stage).expect("can be created");
    append(&stage.join("b.jsonl"), 2, 10);
    let projects = home.path().join(".claude/projects");
    fs::rename(&stage, projects.join("moved-in")).expect("moved");
    wait(&updates, "the folder that was moved in counts", |update| {
        today(update).responses == 2
    });
}

#[test]
fn an_alert_waits_for_somebody_who_notifies() {
    let home = Home::new();
    config(&home, "[budget]\ndaily_usd = 1.00\n");
    append(&home.claude("a.jsonl"), 1, 50_000);
    let (sender, seen) = channel();
    let viewer = engine::start(home.environment(), Listener::Viewer, move |update| {
        let _ = sender.send(update);
    });
    let open = wait(&seen, "the viewer sees the alert", |update| {
        update.open_alert.is_some()
    });
    assert_eq!(open.fired, []);
    // The viewer goes on following the logs; the notifier is a reader beside it.
    let (_notifier, updates) = started(&home);
    let told = wait(&updates, "the notifier is given it", |update| {
        !update.fired.is_empty()
    });
    assert_eq!(told.fired.len(), 1);
    assert_eq!(Some(&told.fired[0]), told.open_alert.as_ref());
    drop(viewer);
}
