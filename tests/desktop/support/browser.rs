//! The dashboard in its real webview, driven by WebDriver.

use super::{APP, Desktop, Process, eventually};
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::net::{TcpListener, TcpStream};

/// The window role, started by a WebDriver.
pub(crate) struct Window {
    client: Client,
    _driver: Process,
}

impl Window {
    pub(crate) async fn open(desktop: &Desktop) -> Self {
        let port = TcpListener::bind("127.0.0.1:0")
            .and_then(|free| free.local_addr())
            .expect("a free port")
            .port();
        let mut driver = desktop.command("WebKitWebDriver");
        let driver = Process::start(
            driver
                .arg(format!("--port={port}"))
                .env("TAURI_WEBVIEW_AUTOMATION", "true"),
        );
        eventually("the WebDriver", async || {
            TcpStream::connect(("127.0.0.1", port)).ok()
        })
        .await;
        let options =
            json!({ "webkitgtk:browserOptions": { "binary": APP, "args": ["--window"] } });
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(options.as_object().expect("an object").clone())
            .connect(&format!("http://127.0.0.1:{port}"))
            .await
            .expect("a WebDriver session");
        Self {
            client,
            _driver: driver,
        }
    }

    /// The text of the element, empty while there is none.
    pub(crate) async fn text(&self, selector: &str) -> String {
        let script = "const found = document.querySelector(arguments[0]); return found ? found.innerText.trim() : ''";
        let text = self
            .client
            .execute(script, vec![json!(selector)])
            .await
            .expect("a script to run");
        text.as_str().unwrap_or_default().to_owned()
    }

    /// The texts of all such elements; of fields, what is in them.
    pub(crate) async fn texts(&self, selector: &str) -> Vec<String> {
        let script = "return [...document.querySelectorAll(arguments[0])].map(found => (found.value ?? found.innerText).trim())";
        let texts = self
            .client
            .execute(script, vec![json!(selector)])
            .await
            .expect("a script to run");
        serde_json::from_value(texts).expect("texts")
    }

    /// Clicks the first button that says this.
    pub(crate) async fn click(&self, label: &str) {
        let button = format!("//button[normalize-space()={label:?}]");
        let button = self.client.wait().for_element(Locator::XPath(&button));
        button
            .await
            .expect("a button")
            .click()
            .await
            .expect("a click");
    }

    /// Types into the field below this label.
    pub(crate) async fn fill(&self, label: &str, text: &str) {
        let field = format!("//label[contains(., {label:?})]//input");
        let field = self.client.wait().for_element(Locator::XPath(&field));
        field
            .await
            .expect("a field")
            .send_keys(text)
            .await
            .expect("to type");
    }

    /// Runs the body of an asynchronous function; its arguments are `a`, `b` and so on.
    pub(crate) async fn run(&self, body: &str) -> Value {
        let script = format!(
            "const done = arguments[arguments.length - 1]; \
             (async () => {{ {body} }})().then(value => done({{value}}), error => done({{error: String(error.message ?? error)}}))"
        );
        self.client
            .execute_async(&script, Vec::new())
            .await
            .expect("a script to run")
    }

    /// What a command of ours answers, or how it is refused.
    pub(crate) async fn invoke(&self, command: &str, arguments: Value) -> Value {
        self.run(&format!(
            "return await window.__TAURI_INTERNALS__.invoke({}, {arguments})",
            json!(command)
        ))
        .await
    }

    /// Loads a library into the page past its content security policy, as WebDriver may.
    pub(crate) async fn load(&self, library: &str) {
        self.client
            .execute(library, Vec::new())
            .await
            .expect("the library to load");
    }

    pub(crate) async fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("CLAWSPEND_PICTURES") {
            let png = self.client.screenshot().await.expect("a picture");
            std::fs::write(
                std::path::Path::new(&folder)
                    .join(name)
                    .with_extension("png"),
                png,
            )
            .expect("a file");
        }
    }
}
