//! Starting twice, and ending.

use crate::support::{APP, Desktop, becomes, home::Home, panel::Panel};
use std::process::Command;

#[tokio::test]
async fn a_second_launch_opens_the_dashboard_of_the_first() {
    let desktop = Desktop::start(Home::with_spend());
    let panel = Panel::start(&desktop).await;
    let mut first = desktop.app(&[]);
    let tray = panel.tray().await;
    becomes("$4.50".to_owned(), async || tray.label().await).await;

    assert!(desktop.app(&["--autostart"]).ended().await.success());
    assert_eq!(
        desktop.windows(),
        0,
        "a second start at login wants nothing"
    );
    assert!(desktop.app(&[]).ended().await.success());
    becomes(1, async || desktop.windows()).await;
    assert!(first.is_running());
}

#[tokio::test]
async fn quit_and_signals_end_it_in_order() {
    let desktop = Desktop::start(Home::with_spend());
    let panel = Panel::start(&desktop).await;
    let mut app = desktop.app(&[]);
    let tray = panel.tray().await;
    becomes("$4.50".to_owned(), async || tray.label().await).await;
    tray.click("Quit").await;
    assert_eq!(app.ended().await.code(), Some(0));
    assert_eq!(desktop.said(), "");

    let desktop = Desktop::start(Home::with_spend());
    let panel = Panel::start(&desktop).await;
    let mut app = desktop.app(&[]);
    panel.tray().await;
    app.terminate();
    assert_eq!(app.ended().await.code(), Some(0));
}

#[test]
fn an_unknown_argument_is_refused() {
    let output = Command::new(APP)
        .arg("--windw")
        .output()
        .expect("the app to start");
    assert_eq!(output.status.code(), Some(2));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        said.starts_with("unknown argument \"--windw\"\nusage: clawspend-desktop"),
        "{said}"
    );
}
