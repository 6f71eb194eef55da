//! The real desktop binary on a private desktop: its own X server, session bus, panel, notification service and
//! home. Nothing touches the developer's session; tests run side by side.
//!
//! Needs Xvfb, dbus-daemon, WebKitWebDriver and dunst, and `ui` built before the binary.
#![cfg(target_os = "linux")]

mod support;

mod adversity;
mod alerts;
mod gateways;
mod life;
mod tray;
mod window;
