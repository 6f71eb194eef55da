//! What the desktop around us offers: a place for the tray icon, notifications, a gateway.

use clawspend_core::{
    environment::Environment,
    gateway::{Origin, gateways},
};
use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Something that may be there or not, and what to do when it is not.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Finding {
    pub(crate) name: &'static str,
    /// `None` where it cannot be told.
    pub(crate) present: Option<bool>,
    pub(crate) detail: String,
    pub(crate) advice: String,
}

/// Everything that is looked for.
pub(crate) fn findings(environment: &Environment) -> Vec<Finding> {
    let mut findings = desktop();
    findings.push(gateway(environment));
    findings
}

#[cfg(target_os = "linux")]
fn desktop() -> Vec<Finding> {
    let bus = zbus::blocking::Connection::session();
    let owned = |name: &str| -> Option<bool> {
        let proxy = zbus::blocking::fdo::DBusProxy::new(bus.as_ref().ok()?).ok()?;
        let name = zbus::names::BusName::try_from(name.to_owned()).ok()?;
        // A service that the bus can start on demand is as good as a running one.
        let started = proxy.name_has_owner(name.clone()).ok()?;
        Some(
            started
                || proxy
                    .list_activatable_names()
                    .ok()?
                    .iter()
                    .any(|other| other.as_str() == name.as_str()),
        )
    };
    let detail = |present: Option<bool>, name: &str| match (present, &bus) {
        (Some(true), _) => format!("{name} is on the session bus"),
        (Some(false), _) => format!("nobody owns {name} on the session bus"),
        (None, Err(error)) => format!("no session bus: {error}"),
        (None, Ok(_)) => "the session bus does not answer".into(),
    };
    let look = |title, name: &str, advice: &str| {
        let present = owned(name);
        Finding {
            name: title,
            present: Some(present == Some(true)),
            detail: detail(present, name),
            advice: if present == Some(true) {
                String::new()
            } else {
                advice.into()
            },
        }
    };
    vec![
        look(
            "tray host",
            "org.kde.StatusNotifierWatcher",
            "on GNOME install the AppIndicator extension; elsewhere add a system tray to the panel; \
             the dashboard and `clawspend today --watch` work without",
        ),
        look(
            "notification service",
            "org.freedesktop.Notifications",
            "start a notification daemon such as dunst; alerts stay visible in the tray menu and the dashboard",
        ),
    ]
}

#[cfg(not(target_os = "linux"))]
fn desktop() -> Vec<Finding> {
    ["tray host", "notification service"]
        .map(|name| Finding {
            name,
            present: Some(true),
            detail: "part of the operating system".into(),
            advice: String::new(),
        })
        .to_vec()
}

/// Asks the health page of the gateway on this machine; OpenClaw's config may name another port.
fn gateway(environment: &Environment) -> Finding {
    let (config, _) = environment.config();
    let (known, _) = gateways(environment, &config);
    let local = known.iter().find(|it| it.origin == Origin::Local);
    let port = local.map_or(18_789, |gateway| gateway.address.port());
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let (present, detail) = match health(address) {
        Ok(true) => (true, format!("an OpenClaw gateway answers on {address}")),
        Ok(false) => (false, format!("something else answers on {address}")),
        Err(error) => (false, format!("nothing answers on {address}: {error}")),
    };
    Finding {
        name: "gateway",
        present: Some(present),
        detail,
        advice: if present {
            String::new()
        } else {
            "none is needed: logs are read from disk".into()
        },
    }
}

/// `GET /healthz`; other pages answer with a web interface whatever is asked.
fn health(address: SocketAddr) -> std::io::Result<bool> {
    let patience = Duration::from_millis(500);
    let mut stream = TcpStream::connect_timeout(&address, patience)?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    write!(
        stream,
        "GET /healthz HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    stream.take(64 * 1024).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let body = answer.split("\r\n\r\n").nth(1).unwrap_or_default();
    Ok(body.contains("\"ok\":true"))
}
