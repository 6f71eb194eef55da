//! OpenClaw gateways, from their sockets to the tray and the window.

use crate::support::{
    Desktop, becomes,
    browser::Window,
    home::Home,
    panel::{Panel, Tray},
};
use clawspend_tests::gateway::{ScriptedGateway, Step, friendly, refusal};
use jiff::Timestamp;
use serde_json::json;
use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tauri::image::Image;

const COMMAND: &str = "openclaw devices approve 1ab96fea-41d7-4b0e-9a3c-5d2e88aa3101";

/// Lets everybody in, and tells of a quota.
fn open_gateway() -> ScriptedGateway {
    let quotas = json!({
        "updatedAt": Timestamp::now().as_millisecond(),
        "providers": [{
            "provider": "anthropic", "displayName": "Claude",
            "windows": [{ "label": "Week", "usedPercent": 12 }, { "label": "5h", "usedPercent": 73.9 }],
        }],
    });
    ScriptedGateway::start(move |_| {
        let answers = vec![("usage.status", quotas.clone())];
        [friendly(), vec![Step::AnswerEach(answers)]].concat()
    })
}

/// Lets nobody in until somebody has approved.
fn shut_gateway(approved: &Arc<AtomicBool>) -> ScriptedGateway {
    let approved = Arc::clone(approved);
    ScriptedGateway::start(move |_| {
        if approved.load(Ordering::Relaxed) {
            return friendly();
        }
        let mut pairing = refusal("NOT_PAIRED", "PAIRING_REQUIRED");
        pairing["details"]["reason"] = json!("not-paired");
        pairing["details"]["requestId"] = json!(COMMAND.rsplit(' ').next());
        vec![Step::Challenge, Step::Refuse(pairing)]
    })
}

fn entry(name: &str, gateway: &ScriptedGateway) -> String {
    format!(
        "[[gateways]]\nname = \"{name}\"\nurl = \"{}\"\n",
        gateway.url()
    )
}

/// The rows below the models, but when the figures are of.
async fn told(tray: &Tray) -> Vec<String> {
    let rows = tray.figures().await.into_iter().skip(5);
    rows.filter(|row| !row.starts_with("Updated ")).collect()
}

async fn icon_becomes(tray: &Tray, name: &str) {
    let file = format!("{}/icons/tray/{name}.png", env!("CARGO_MANIFEST_DIR"));
    let wanted = Image::from_path(file).expect("our own icon");
    becomes(true, async || {
        let icon = Image::from_path(tray.property("IconName").await);
        icon.is_ok_and(|icon| icon.rgba() == wanted.rgba())
    })
    .await;
}

#[tokio::test]
async fn the_tray_and_the_window_say_how_gateways_stand() {
    let approved = Arc::new(AtomicBool::new(false));
    let (open, shut) = (open_gateway(), shut_gateway(&approved));
    let home = Home::with_spend();
    home.configure(&entry("home", &open));
    let desktop = Desktop::start(home);
    let panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--autostart"]);
    let tray = panel.tray().await;
    let quota = "Claude 5h quota 73 % used".to_owned();
    let connected = "home: connected".to_owned();
    becomes(vec![quota.clone(), connected.clone()], async || {
        told(&tray).await
    })
    .await;
    icon_becomes(&tray, "normal").await;

    let both = entry("home", &open) + &entry("office", &shut);
    desktop.home.configure(&both);
    let waiting = format!("office: waiting for approval, run: {COMMAND}");
    becomes(
        vec![quota.clone(), waiting, connected.clone()],
        async || told(&tray).await,
    )
    .await;
    icon_becomes(&tray, "problem").await;

    let window = Window::open(&desktop).await;
    let states = async || window.texts("[data-testid=gateway-state]").await;
    becomes(
        vec!["connected".to_owned(), "waiting for approval".to_owned()],
        states,
    )
    .await;
    assert_eq!(window.texts("[data-testid=command]").await, [COMMAND]);
    let quotas = window.texts("[data-testid=quota] .percent").await;
    assert_eq!(quotas, ["73 %", "12 %"]);
    window.click("Copy").await;
    becomes(vec!["Copied".to_owned()], async || {
        window.texts(".command [role=status]").await
    })
    .await;
    window.picture("gateways").await;

    approved.store(true, Ordering::Relaxed);
    let office = "office: connected".to_owned();
    becomes(vec![quota, connected, office], async || told(&tray).await).await;
    becomes(vec!["connected".to_owned(), "connected".to_owned()], states).await;
    assert_eq!(open.connections(), 1, "one process alone is connected");
}

#[tokio::test]
async fn the_window_adds_and_removes_a_gateway_and_opens_no_socket() {
    let gateway = open_gateway();
    let desktop = Desktop::start(Home::with_spend());
    desktop.home.cli(&["today", "--json"]);
    let window = Window::open(&desktop).await;
    let said = async || window.texts(".add [role=status]").await;
    let add = async |name: &str| {
        window.click("Add a gateway").await;
        window.fill("Name", name).await;
        window.fill("URL", &gateway.url()).await;
        window.fill("Token or password", "SECRET-TOKEN").await;
        window.click("Add").await;
    };
    add("office").await;
    becomes(
        vec!["office is added. Clawspend’s tray app connects to it by itself.".to_owned()],
        said,
    )
    .await;
    add("Office").await;
    becomes(
        vec!["A gateway is called office already. Give this one another name.".to_owned()],
        async || window.texts("[role=alert]").await,
    )
    .await;
    window.click("Cancel").await;
    // Nobody follows the gateways now, so nobody knows how they stand.
    assert_eq!(window.texts("[data-testid=gateway]").await, [""; 0]);
    assert_eq!(gateway.heard(), []);

    let panel = Panel::start(&desktop).await;
    let _app = desktop.app(&["--autostart"]);
    let tray = panel.tray().await;
    let connected = "office: connected".to_owned();
    becomes(
        vec!["Claude 5h quota 73 % used".to_owned(), connected],
        async || told(&tray).await,
    )
    .await;
    assert_eq!(gateway.connects()[0]["auth"]["token"], "SECRET-TOKEN");
    becomes(vec!["connected".to_owned()], async || {
        window.texts("[data-testid=gateway-state]").await
    })
    .await;
    let config = fs::read_to_string(desktop.home.config_file()).expect("the config");
    let page = window.texts("html, input").await.join("\n");
    for text in [config, page, desktop.said()] {
        assert!(!text.contains("SECRET"), "{text}");
    }

    window.click("Remove").await;
    window.click("Remove office").await;
    becomes(vec![], async || told(&tray).await).await;
    becomes(vec![], async || {
        window
            .texts("[data-testid=gateways], [data-testid=quotas]")
            .await
    })
    .await;
    let secrets = desktop
        .home
        .path()
        .join("config/clawspend/gateway-secrets.json");
    let secrets = fs::read_to_string(secrets).expect("keys and tokens");
    assert!(!secrets.contains("SECRET"), "{secrets}");
}
