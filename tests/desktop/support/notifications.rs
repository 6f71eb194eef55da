//! A notification service that remembers, and lets a test click.

use super::{Desktop, eventually};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use zbus::{Connection, interface, object_server::SignalEmitter, zvariant::OwnedValue};

const PATH: &str = "/org/freedesktop/Notifications";

/// See the module.
pub(crate) struct Notifications {
    connection: Connection,
    shown: Arc<Mutex<Vec<Shown>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shown {
    pub(crate) id: u32,
    pub(crate) sender: String,
    pub(crate) app: String,
    pub(crate) desktop_entry: Option<String>,
    pub(crate) summary: String,
    pub(crate) body: String,
    pub(crate) actions: Vec<String>,
}

struct Service {
    shown: Arc<Mutex<Vec<Shown>>>,
}

#[interface(name = "org.freedesktop.Notifications")]
impl Service {
    #[expect(
        clippy::too_many_arguments,
        clippy::needless_pass_by_value,
        reason = "the specification's own signature"
    )]
    fn notify(
        &self,
        app: String,
        _replaces: u32,
        _icon: &str,
        summary: String,
        body: String,
        actions: Vec<String>,
        mut hints: HashMap<String, OwnedValue>,
        _expire: i32,
        #[zbus(header)] header: zbus::message::Header<'_>,
    ) -> u32 {
        let mut shown = self.shown.lock().expect("no panic elsewhere");
        let id = u32::try_from(shown.len()).expect("few notifications") + 1;
        let sender = header
            .sender()
            .expect("a sender on every message")
            .to_string();
        let desktop_entry = hints
            .remove("desktop-entry")
            .and_then(|hint| hint.try_into().ok());
        shown.push(Shown {
            id,
            sender,
            app,
            desktop_entry,
            summary,
            body,
            actions,
        });
        id
    }

    fn close_notification(&self, _id: u32) {}

    fn get_capabilities(&self) -> Vec<&'static str> {
        vec!["body", "actions"]
    }

    fn get_server_information(&self) -> (&str, &str, &str, &str) {
        ("private", "clawspend tests", "1", "1.2")
    }

    #[zbus(signal)]
    async fn action_invoked(emitter: &SignalEmitter<'_>, id: u32, action: &str)
    -> zbus::Result<()>;
}

impl Notifications {
    pub(crate) async fn start(desktop: &Desktop) -> Self {
        let shown = Arc::default();
        let service = Service {
            shown: Arc::clone(&shown),
        };
        let connection = desktop
            .connection()
            .serve_at(PATH, service)
            .and_then(|builder| builder.name("org.freedesktop.Notifications"))
            .expect("valid names")
            .build()
            .await
            .expect("the private bus without another service");
        Self { connection, shown }
    }

    pub(crate) fn shown(&self) -> Vec<Shown> {
        self.shown.lock().expect("no panic elsewhere").clone()
    }

    /// The first notification, once it is there.
    pub(crate) async fn first(&self) -> Shown {
        eventually("a notification", async || self.shown().first().cloned()).await
    }

    /// Whether its sender still holds its connection; some desktops withdraw the notification otherwise.
    pub(crate) async fn sender_is_there(&self, shown: &Shown) -> bool {
        let bus = zbus::fdo::DBusProxy::new(&self.connection)
            .await
            .expect("the bus itself");
        bus.name_has_owner(shown.sender.as_str().try_into().expect("a bus name"))
            .await
            .expect("an answer")
    }

    /// Clicks the notification.
    pub(crate) async fn click(&self, shown: &Shown) {
        let service = self
            .connection
            .object_server()
            .interface::<_, Service>(PATH)
            .await
            .expect("our own service");
        Service::action_invoked(service.signal_emitter(), shown.id, "default")
            .await
            .expect("a click");
    }
}
