//! From a log line to a notification.

use crate::support::{
    Desktop, Process, becomes,
    home::{Home, SONNET},
    monitor::Monitor,
    notifications::Notifications,
    panel::Panel,
};
use std::process::Stdio;
use tauri::image::Image;

/// A home whose hours at this time of day cost a dollar, and no budget in the way.
fn home_with_a_usual_dollar() -> Home {
    let home = Home::new();
    home.configure("[budget]\ndaily_usd = 0\n");
    for days in 1..=10 {
        home.spend(&format!("past-{days}"), days, SONNET, 100_000);
    }
    home
}

#[tokio::test]
async fn a_crossed_budget_is_told_once_and_a_click_opens_the_dashboard() {
    let desktop = Desktop::start(Home::with_spend());
    let panel = Panel::start(&desktop).await;
    let notifications = Notifications::start(&desktop).await;
    let app = desktop.app(&[]);
    let tray = panel.tray().await;
    becomes("$4.50".to_owned(), async || tray.label().await).await;
    assert_eq!(notifications.shown(), []);

    desktop.home.spend("dear-0", 0, SONNET, 700_000);
    let shown = notifications.first().await;
    assert_eq!(
        (shown.app.as_str(), shown.desktop_entry.as_deref()),
        ("Clawspend", Some("Clawspend"))
    );
    assert_eq!(
        shown.actions,
        ["default", "Open dashboard", "open", "Open dashboard"]
    );
    assert!(shown.summary.contains("$11.50"), "{shown:?}");
    assert!(
        shown.body.contains(SONNET) && !shown.body.contains("SECRET"),
        "{shown:?}"
    );

    becomes(true, async || {
        tray.figures().await[1] == format!("Alert: {}", shown.summary)
    })
    .await;
    let alert = Image::from_path(concat!(env!("CARGO_MANIFEST_DIR"), "/icons/tray/alert.png"))
        .expect("our own icon");
    becomes(true, async || {
        let icon = Image::from_path(tray.property("IconName").await);
        icon.is_ok_and(|icon| icon.rgba() == alert.rgba())
    })
    .await;
    desktop.home.spend("dear-1", 0, SONNET, 100_000);
    becomes("$12.50".to_owned(), async || tray.label().await).await;

    assert!(
        notifications.sender_is_there(&shown).await,
        "some desktops withdraw what nobody holds"
    );
    notifications.click(&shown).await;
    becomes(1, async || desktop.windows()).await;

    // A restart repeats nothing.
    drop(app);
    let _app = desktop.app(&["--autostart"]);
    let tray = panel.tray_of_another_than(tray.bus_name()).await;
    becomes("$12.50".to_owned(), async || tray.label().await).await;
    becomes(true, async || {
        tray.figures().await[1].starts_with("Alert: ")
    })
    .await;
    assert_eq!(notifications.shown(), [shown]);
}

#[tokio::test]
async fn a_spike_makes_exactly_one_notification_in_a_real_service() {
    let desktop = Desktop::start(home_with_a_usual_dollar());
    let panel = Panel::start(&desktop).await;
    let _dunst = Process::start(
        desktop
            .command("dunst")
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    );
    let dunst = async |question: &str| {
        let output = desktop
            .command("dunstctl")
            .args(["count", question])
            .output()
            .expect("dunstctl to run");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    becomes("0".to_owned(), async || dunst("displayed").await).await;
    let monitor = Monitor::start(&desktop).await;
    let _app = desktop.app(&[]);
    let tray = panel.tray().await;
    becomes("$0.00".to_owned(), async || tray.label().await).await;

    desktop.home.spend("usual", 0, SONNET, 100_000);
    becomes("$1.00".to_owned(), async || tray.label().await).await;
    assert_eq!(monitor.notify_calls(), 0, "an hour like any other");

    desktop.home.spend("runaway-0", 0, SONNET, 900_000);
    becomes("1".to_owned(), async || dunst("displayed").await).await;
    desktop.picture("notification");
    for response in 1..4 {
        desktop
            .home
            .spend(&format!("runaway-{response}"), 0, SONNET, 900_000);
    }
    becomes("$37.00".to_owned(), async || tray.label().await).await;
    becomes(true, async || {
        tray.figures().await[1].starts_with("Alert: $")
    })
    .await;
    assert_eq!(
        (monitor.notify_calls(), dunst("displayed").await.as_str()),
        (1, "1")
    );
}

#[tokio::test]
async fn a_pause_keeps_quiet() {
    let desktop = Desktop::start(Home::with_spend());
    let panel = Panel::start(&desktop).await;
    let notifications = Notifications::start(&desktop).await;
    let _app = desktop.app(&[]);
    let tray = panel.tray().await;
    becomes("$4.50".to_owned(), async || tray.label().await).await;
    tray.click("For 1 hour").await;
    becomes(true, async || {
        tray.menu()
            .await
            .iter()
            .any(|row| row.label.starts_with("Notifications paused"))
    })
    .await;
    desktop.home.spend("dear", 0, SONNET, 700_000);
    becomes(true, async || {
        tray.figures().await[1].starts_with("Alert: ")
    })
    .await;
    assert_eq!(notifications.shown(), []);
}
