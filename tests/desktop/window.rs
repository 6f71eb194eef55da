//! The dashboard window: its figures, its walls, its end.

use crate::support::{
    Desktop, becomes,
    browser::Window,
    home::{Home, SONNET},
    panel::Panel,
};
use serde_json::{Value, json};

#[tokio::test]
async fn shows_what_the_report_says() {
    let desktop = Desktop::start(Home::with_spend());
    let panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--autostart"]);
    let tray = panel.tray().await;
    becomes("$4.50".to_owned(), async || tray.label().await).await;

    let window = Window::open(&desktop).await;
    becomes("$4.50".to_owned(), async || {
        window.text("[data-testid=today]").await
    })
    .await;
    desktop.home.spend("next", 0, SONNET, 100_000);
    becomes("$5.50".to_owned(), async || {
        window.text("[data-testid=today]").await
    })
    .await;
    window.picture("dashboard").await;

    let report = desktop.home.cli(&["report", "--by", "day,model", "--json"]);
    let dashboard = window.invoke("dashboard", json!({ "days": 7 })).await["value"].take();
    assert_eq!(shown(&dashboard), reported(&report));
    assert_eq!(report["totals"]["cost_usd"], "5.500000000");
}

/// `(day, model, cost in nano-dollars, output tokens)` of each bar.
fn shown(dashboard: &Value) -> Vec<(String, String, i64, i64)> {
    let mut rows = Vec::new();
    for day in list(&dashboard["days"]) {
        for model in list(&day["models"]) {
            let amount = &model["amount"];
            rows.push((
                text(&day["day"]),
                text(&model["model"]),
                number(&amount["cost"]),
                number(&amount["tokens"]["output"]),
            ));
        }
    }
    rows.sort();
    rows
}

/// The same from the command line.
fn reported(report: &Value) -> Vec<(String, String, i64, i64)> {
    let mut rows: Vec<_> = list(&report["rows"])
        .iter()
        .map(|row| {
            let cost = text(&row["cost_usd"])
                .replace('.', "")
                .parse()
                .expect("a decimal with nine places");
            (
                text(&row["day"]),
                text(&row["model"]),
                cost,
                number(&row["output_tokens"]),
            )
        })
        .collect();
    rows.sort();
    rows
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("not a text: {value}"))
        .to_owned()
}

fn number(value: &Value) -> i64 {
    value
        .as_i64()
        .unwrap_or_else(|| panic!("not a number: {value}"))
}

#[tokio::test]
async fn can_do_no_more_than_it_needs() {
    let desktop = Desktop::start(Home::with_spend());
    desktop.home.cli(&["today", "--json"]);
    let window = Window::open(&desktop).await;
    becomes("$4.50".to_owned(), async || {
        window.text("[data-testid=today]").await
    })
    .await;

    for (what, script, expected) in [
        (
            "evaluating text as code",
            "try { return new Function('return 1')() } catch (error) { return error.name }",
            json!("EvalError"),
        ),
        (
            "reaching another address",
            "const refused = new Promise(done => document.addEventListener('securitypolicyviolation', event => done(event.effectiveDirective))); \
             fetch('http://127.0.0.1:9/').catch(() => {}); return await refused",
            json!("connect-src"),
        ),
        (
            "finding Tauri's global",
            "return typeof window.__TAURI__",
            json!("undefined"),
        ),
    ] {
        assert_eq!(
            window.run(script).await,
            json!({ "value": expected }),
            "{what}"
        );
    }
    for command in [
        "plugin:window|close",
        "plugin:event|listen",
        "plugin:window-state|save_window_state",
    ] {
        let refused = text(&window.invoke(command, json!({})).await["error"]);
        assert!(refused.contains("not allowed"), "{command}: {refused}");
    }
    assert!(number(&window.invoke("revision", json!({})).await["value"]) >= 0);
}

#[tokio::test]
async fn is_accessible_in_the_real_webview() {
    let axe = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/ui/node_modules/axe-core/axe.min.js"
    );
    let axe =
        std::fs::read_to_string(axe).expect("axe-core, one of the window's development packages");
    let desktop = Desktop::start(Home::with_spend());
    desktop.home.cli(&["today", "--json"]);
    let window = Window::open(&desktop).await;
    becomes("$4.50".to_owned(), async || {
        window.text("[data-testid=today]").await
    })
    .await;
    window.load(&axe).await;
    let found = window
        .run("return (await axe.run()).violations.map(violation => [violation.id, violation.nodes.map(node => node.html)])")
        .await;
    assert_eq!(found, json!({ "value": [] }));
}

#[tokio::test]
async fn leaves_nothing_behind() {
    let desktop = Desktop::start(Home::with_spend());
    let panel = Panel::start(&desktop).await;
    let mut app = desktop.app(&[]);
    let tray = panel.tray().await;
    becomes("$4.50".to_owned(), async || tray.label().await).await;
    assert_eq!(
        desktop.programs("WebKit"),
        Vec::<String>::new(),
        "the tray alone has no webview"
    );

    tray.click("Open dashboard").await;
    becomes(1, async || desktop.windows()).await;
    assert_eq!(desktop.programs("clawspend-desktop").len(), 2);
    desktop.picture("opened-from-the-tray");

    // A second wish brings the same window to the front.
    assert!(desktop.app(&["--window"]).ended().await.success());
    assert_eq!(desktop.windows(), 1);

    desktop.close_windows();
    becomes(1, async || desktop.programs("clawspend-desktop").len()).await;
    becomes(Vec::<String>::new(), async || desktop.programs("WebKit")).await;
    assert!(app.is_running());

    tray.click("Open dashboard").await;
    becomes(1, async || desktop.windows()).await;
}
