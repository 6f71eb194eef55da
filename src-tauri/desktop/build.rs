//! Declares the window's commands, so that each needs a permission, and where the capabilities are.
fn main() {
    println!("cargo:rerun-if-changed=src-tauri/desktop/capabilities");
    let attributes = tauri_build::Attributes::new()
        .capabilities_path_pattern("src-tauri/desktop/capabilities/*.json")
        .app_manifest(tauri_build::AppManifest::new().commands(&["dashboard"]));
    if let Err(error) = tauri_build::try_build(attributes) {
        panic!("cannot prepare the desktop build: {error:#}");
    }
}
