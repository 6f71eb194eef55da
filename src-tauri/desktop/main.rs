//! Clawspend's desktop app.
fn main() {
    let app = tauri::Builder::default()
        .plugin(tauri_plugin_single_instance::init(|_, _, _| {}))
        .plugin(tauri_plugin_autostart::Builder::new().build())
        .plugin(tauri_plugin_window_state::Builder::new().build())
        .build(tauri::generate_context!("../../tauri.conf.json"))
        .expect("a valid app");
    app.run(|_, _| {});
}
