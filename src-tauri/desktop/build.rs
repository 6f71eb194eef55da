//! Names the window's commands, so that each needs a permission, and where its capabilities are.

use tauri_build::{AppManifest, Attributes};

const COMMANDS: &[&str] = &[
    "dashboard",
    "revision",
    "open_config",
    "pause_notifications",
    "gateway_warning",
    "add_gateway",
    "change_gateway",
    "remove_gateway",
    "make_default_gateway",
];

fn main() {
    println!("cargo:rerun-if-changed=src-tauri/desktop/capabilities");
    let attributes = Attributes::new()
        .capabilities_path_pattern("src-tauri/desktop/capabilities/*.json")
        .app_manifest(AppManifest::new().commands(COMMANDS));
    if let Err(error) = tauri_build::try_build(attributes) {
        panic!("cannot prepare the desktop build: {error:#}");
    }
}
