//! What a desktop lacks, the app says and goes without.

use crate::support::{
    APP, Desktop, Process, becomes,
    browser::Window,
    eventually,
    home::{Home, SONNET},
    panel::Panel,
};
use std::{
    fs::{self, File},
    process::Command,
};

#[tokio::test]
async fn without_a_panel_the_dashboard_says_why_it_came() {
    let (by_hand, at_login) = (
        Desktop::start(Home::with_spend()),
        Desktop::start(Home::with_spend()),
    );
    let mut started_at_login = at_login.app(&["--autostart"]);
    let mut started_by_hand = by_hand.app(&[]);
    becomes(1, async || by_hand.windows()).await;
    assert!(
        by_hand.said().contains("no tray on this desktop"),
        "{}",
        by_hand.said()
    );
    assert!(by_hand.programs("clawspend-desktop").len() == 2 && started_by_hand.is_running());
    by_hand.picture("no-panel");
    assert!(at_login.windows() == 0 && started_at_login.is_running());
}

#[tokio::test]
async fn without_a_notification_service_the_alert_is_in_the_menu() {
    let desktop = Desktop::start(Home::with_spend());
    let panel = Panel::start(&desktop).await;
    let mut app = desktop.app(&[]);
    let tray = panel.tray().await;
    becomes("$4.50".to_owned(), async || tray.label().await).await;
    desktop.home.spend("dear", 0, SONNET, 700_000);
    becomes(true, async || {
        tray.figures().await[1].starts_with("Alert: $11.50")
    })
    .await;
    becomes(1, async || {
        desktop.said().matches("cannot show a notification").count()
    })
    .await;
    assert!(app.is_running());
    tray.click(&tray.figures().await[1].clone()).await;
    becomes(1, async || desktop.windows()).await;
}

#[tokio::test]
async fn without_a_display_it_follows_the_logs() {
    let home = Home::with_spend();
    let log = home.path().join("app.stderr");
    let mut command = Command::new(APP);
    command
        .envs(home.variables())
        .env_remove("DISPLAY")
        .env_remove("WAYLAND_DISPLAY")
        .env_remove("DBUS_SESSION_BUS_ADDRESS")
        .stderr(File::create(&log).expect("a log file"));
    let mut app = Process::start(&mut command);
    eventually("the ledger to have the figure", async || {
        let today = home.try_cli(&["today", "--no-refresh", "--json"]).ok()?;
        (today["cost_usd"] == "4.500000000").then_some(())
    })
    .await;
    home.spend("dear", 0, SONNET, 700_000);
    let said = || fs::read_to_string(&log).unwrap_or_default();
    becomes(true, async || said().contains("$11.50")).await;
    assert!(
        said().contains("no display: following the logs without a tray"),
        "{}",
        said()
    );
    assert!(app.is_running());
    app.terminate();
    assert_eq!(app.ended().await.code(), Some(0));
}

#[tokio::test]
async fn without_a_session_bus_it_opens_the_dashboard() {
    let desktop = Desktop::start(Home::with_spend());
    let mut command = desktop.app_command();
    let mut app = Process::start(command.env("DBUS_SESSION_BUS_ADDRESS", "unix:path=/nonexistent"));
    becomes(1, async || desktop.windows()).await;
    assert!(app.is_running());
}

#[tokio::test]
async fn a_slip_in_the_config_file_is_reported_and_the_last_good_settings_stay() {
    let desktop = Desktop::start(Home::with_spend());
    let panel = Panel::start(&desktop).await;
    let _app = desktop.app(&[]);
    let tray = panel.tray().await;
    desktop
        .home
        .configure("[display]\ntray = \"whole-dollars\"\n");
    becomes("$5".to_owned(), async || tray.label().await).await;
    desktop
        .home
        .configure("[display]\ntray = \"whole-dolars\"\n");
    let window = Window::open(&desktop).await;
    let reported = "line 2, column 8: tray must be one of";
    becomes(true, async || window.text("main").await.contains(reported)).await;
    window.picture("config-slip").await;
    assert_eq!(tray.label().await, "$5");
}
