//! The tray icon, as the panel sees it over D-Bus.

use crate::support::{
    Desktop, Process, becomes, eventually,
    home::{Home, OLDER_SONNET, SONNET},
    monitor::Monitor,
    panel::{Panel, Tray},
};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};
use tauri::image::Image;

/// A running tray that has settled on what it shows.
async fn settled(home: Home, label: &str) -> (Desktop, Panel, Process, Tray) {
    let desktop = Desktop::start(home);
    let panel = Panel::start(&desktop).await;
    let app = desktop.app(&[]);
    let tray = panel.tray().await;
    becomes(label.to_owned(), async || tray.label().await).await;
    (desktop, panel, app, tray)
}

fn pixels(file: impl AsRef<Path>) -> Vec<u8> {
    Image::from_path(&file)
        .unwrap_or_else(|error| panic!("{}: {error}", file.as_ref().display()))
        .rgba()
        .to_vec()
}

#[tokio::test]
async fn shows_what_was_spent() {
    let (desktop, _panel, _app, tray) = settled(Home::with_spend(), "$4.50").await;
    assert_eq!(tray.property("Status").await, "Active");
    assert_eq!(tray.property("Id").await, "tray-icon tray app clawspend");

    let icon = tray.property("IconName").await;
    let cache = desktop.home.path().join("cache/dev.clawspend.desktop");
    assert_eq!(Path::new(&icon).parent(), Some(cache.as_path()));
    assert_eq!(
        pixels(&icon),
        pixels(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/icons/tray/normal.png"
        ))
    );

    becomes(true, async || {
        tray.figures()
            .await
            .iter()
            .any(|row| row.starts_with("Updated 1"))
    })
    .await;
    let menu = tray.menu().await;
    let labels: Vec<_> = menu.iter().map(|row| row.label.trim_end()).collect();
    assert_eq!(
        labels[..3],
        ["$4.50 today", "This week $4.50", "This month $4.50"]
    );
    assert_eq!(
        labels[3..6],
        ["", "claude-sonnet-5 $3.00", "claude-sonnet-4-6 $1.50"]
    );
    assert_eq!(
        labels[7..],
        [
            "",
            "Open dashboard",
            "Pause notifications",
            "Settings",
            "",
            "Quit"
        ]
    );
    let enabled: Vec<_> = menu
        .iter()
        .filter(|row| !row.label.is_empty())
        .map(|row| row.enabled)
        .collect();
    assert_eq!(
        enabled,
        [
            false, false, false, false, false, false, true, true, true, true
        ]
    );
}

#[tokio::test]
async fn follows_the_log() {
    let (desktop, _panel, _app, tray) = settled(Home::with_spend(), "$4.50").await;
    desktop.home.spend("next", 0, OLDER_SONNET, 200_000);
    becomes("$7.50".to_owned(), async || tray.label().await).await;
    becomes("claude-sonnet-4-6 $4.50".to_owned(), async || {
        tray.figures().await[3].clone()
    })
    .await;
    assert_eq!(tray.figures().await[0], "$7.50 today");
}

#[tokio::test]
async fn owns_up_to_what_has_no_price() {
    let home = Home::with_spend();
    home.spend("unknown", 0, "model-of-nobody", 1000);
    let (_desktop, _panel, _app, tray) = settled(home, "≥ $4.50").await;
    becomes("≥ $4.50 today (1 unpriced)".to_owned(), async || {
        tray.figures().await[0].clone()
    })
    .await;
}

#[tokio::test]
async fn shows_the_text_the_user_chose() {
    let (desktop, _panel, _app, tray) = settled(Home::with_spend(), "$4.50").await;
    for (choice, label, row) in [
        ("whole-dollars", "$5", "$4.50 today"),
        ("tokens", "400K", "400K tokens, $4.50 today"),
        ("icon-only", "", "$4.50 today"),
    ] {
        desktop
            .home
            .configure(&format!("[display]\ntray = \"{choice}\"\n"));
        becomes((label.to_owned(), row.to_owned()), async || {
            (tray.label().await, tray.figures().await[0].clone())
        })
        .await;
    }
}

#[tokio::test]
async fn pauses_notifications() {
    let (_desktop, _panel, _app, tray) = settled(Home::with_spend(), "$4.50").await;
    // What the menu says of a pause, and whether it offers to end it.
    let pause = async || {
        let menu = tray.menu().await;
        let submenu = menu
            .iter()
            .find(|row| row.label == "Pause notifications")
            .expect("a submenu");
        let choices: Vec<_> = submenu.below.iter().map(|row| row.label.as_str()).collect();
        assert_eq!(choices, ["For 1 hour", "Until tomorrow", "Resume"]);
        let said = menu
            .iter()
            .find(|row| row.label.starts_with("Notifications paused"));
        (said.map(|row| row.label.clone()), submenu.below[2].enabled)
    };
    becomes((None, false), pause).await;
    tray.click("Until tomorrow").await;
    becomes(
        (Some("Notifications paused until tomorrow".to_owned()), true),
        pause,
    )
    .await;
    tray.click("Resume").await;
    becomes((None, false), pause).await;
    tray.click("For 1 hour").await;
    becomes(true, async || {
        pause()
            .await
            .0
            .is_some_and(|said| said.starts_with("Notifications paused until 1"))
    })
    .await;
}

#[tokio::test]
async fn opens_the_config_file() {
    let desktop = Desktop::start(Home::with_spend());
    let panel = Panel::start(&desktop).await;
    // Stands in for the desktop's opener.
    let (folder, opened) = (
        desktop.home.path().join("bin"),
        desktop.home.path().join("opened"),
    );
    fs::create_dir(&folder).expect("a folder");
    let opener = folder.join("xdg-open");
    fs::write(
        &opener,
        format!("#!/bin/sh\necho \"$1\" > {}\n", opened.display()),
    )
    .expect("a script");
    fs::set_permissions(&opener, fs::Permissions::from_mode(0o755)).expect("to make it executable");
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let _app = Process::start(desktop.app_command().env("PATH", path));

    panel.tray().await.click("Settings").await;
    let file = format!("{}\n", desktop.home.config_file().display());
    becomes(file, async || {
        fs::read_to_string(&opened).unwrap_or_default()
    })
    .await;
    assert!(desktop.home.config_file().exists());
}

#[tokio::test]
async fn writes_nothing_while_nothing_happens() {
    let (desktop, _panel, _app, tray) = settled(Home::with_spend(), "$4.50").await;
    // The labels are published once more soon after the start.
    tokio::time::sleep(Duration::from_secs(5)).await;
    let monitor = Monitor::start(&desktop).await;
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(
        monitor.heard(|message| message.sender == tray.bus_name()),
        []
    );

    desktop.home.spend("next", 0, SONNET, 100_000);
    let new_label = || {
        monitor
            .heard(|message| message.member == "XAyatanaNewLabel")
            .len()
    };
    becomes(1, async || new_label()).await;
}

#[tokio::test]
async fn stays_calm_under_a_flood() {
    let (desktop, _panel, _app, tray) = settled(Home::with_spend(), "$4.50").await;
    let monitor = Monitor::start(&desktop).await;
    let start = std::time::Instant::now();
    for response in 0..80 {
        desktop
            .home
            .spend(&format!("flood-{response}"), 0, SONNET, 10_000);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    becomes("$12.50".to_owned(), async || tray.label().await).await;
    let most = start.elapsed().as_secs() / 2 + 2;
    let labels = monitor
        .heard(|message| message.member == "XAyatanaNewLabel")
        .len();
    assert!(
        (2..=most).contains(&(labels as u64)),
        "{labels} labels, allowed are {most}"
    );
}

#[tokio::test]
async fn appears_on_a_panel_that_comes_late() {
    let desktop = Desktop::start(Home::with_spend());
    let _app = desktop.app(&["--autostart"]);
    eventually("the app's own file", async || {
        desktop.home.config_file().exists().then_some(())
    })
    .await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let panel = Panel::start(&desktop).await;
    let tray = panel.tray().await;
    becomes("$4.50".to_owned(), async || tray.label().await).await;
}
