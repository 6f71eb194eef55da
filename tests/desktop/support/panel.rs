//! A panel that shows tray icons, and the icon as the panel sees it.

use super::{Desktop, eventually};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex},
};
use zbus::{
    Connection, Proxy, interface,
    message::Header,
    object_server::SignalEmitter,
    proxy::{self, CacheProperties},
    zvariant::{OwnedObjectPath, OwnedValue, Structure, Value},
};

/// Owns the name by which apps find a panel.
pub(crate) struct Panel {
    connection: Connection,
    items: Arc<Mutex<Vec<Item>>>,
}

#[derive(Clone)]
struct Item {
    bus_name: String,
    path: String,
}

struct Watcher {
    items: Arc<Mutex<Vec<Item>>>,
}

#[interface(name = "org.kde.StatusNotifierWatcher")]
impl Watcher {
    async fn register_status_notifier_item(
        &self,
        service: &str,
        #[zbus(header)] header: Header<'_>,
        #[zbus(signal_emitter)] emitter: SignalEmitter<'_>,
    ) {
        let sender = header
            .sender()
            .expect("a sender on every message")
            .to_string();
        let item = match service.starts_with('/') {
            true => Item {
                bus_name: sender,
                path: service.into(),
            },
            false => Item {
                bus_name: service.into(),
                path: "/StatusNotifierItem".into(),
            },
        };
        let name = format!("{}{}", item.bus_name, item.path);
        self.items.lock().expect("no panic elsewhere").push(item);
        let _ = emitter.status_notifier_item_registered(&name).await;
    }

    fn register_status_notifier_host(&self, _service: &str) {}

    #[zbus(property)]
    fn registered_status_notifier_items(&self) -> Vec<String> {
        let items = self.items.lock().expect("no panic elsewhere");
        items
            .iter()
            .map(|item| format!("{}{}", item.bus_name, item.path))
            .collect()
    }

    #[zbus(property)]
    fn is_status_notifier_host_registered(&self) -> bool {
        true
    }

    #[zbus(property)]
    fn protocol_version(&self) -> i32 {
        0
    }

    #[zbus(signal)]
    async fn status_notifier_item_registered(
        emitter: &SignalEmitter<'_>,
        service: &str,
    ) -> zbus::Result<()>;
}

impl Panel {
    pub(crate) async fn start(desktop: &Desktop) -> Self {
        let items = Arc::default();
        let watcher = Watcher {
            items: Arc::clone(&items),
        };
        let connection = desktop
            .connection()
            .serve_at("/StatusNotifierWatcher", watcher)
            .and_then(|builder| builder.name("org.kde.StatusNotifierWatcher"))
            .expect("valid names")
            .build()
            .await
            .expect("the private bus without another panel");
        Self { connection, items }
    }

    /// The app's icon, once it is there.
    pub(crate) async fn tray(&self) -> Tray {
        self.tray_of_another_than("").await
    }

    /// The icon of an app other than the one on the bus under `gone`.
    pub(crate) async fn tray_of_another_than(&self, gone: &str) -> Tray {
        let item = eventually("a tray icon", async || {
            let items = self.items.lock().expect("no panic elsewhere");
            items.iter().find(|item| item.bus_name != gone).cloned()
        });
        Tray {
            connection: self.connection.clone(),
            item: item.await,
        }
    }
}

/// The tray icon.
pub(crate) struct Tray {
    connection: Connection,
    item: Item,
}

/// One row of its menu. A separator has no label.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MenuRow {
    pub(crate) id: i32,
    pub(crate) label: String,
    pub(crate) enabled: bool,
    pub(crate) below: Vec<MenuRow>,
}

/// A menu's node as D-Bus has it: id, properties, children.
type Node = (i32, HashMap<String, OwnedValue>, Vec<OwnedValue>);

impl Tray {
    /// The connection the app holds.
    pub(crate) fn bus_name(&self) -> &str {
        &self.item.bus_name
    }

    async fn proxy<'a>(&'a self, path: &'a str, interface: &'a str) -> Proxy<'a> {
        // The indicator library announces new labels in its own way, so nothing may be cached.
        proxy::Builder::new(&self.connection)
            .destination(self.item.bus_name.as_str())
            .and_then(|builder| builder.path(path))
            .and_then(|builder| builder.interface(interface))
            .expect("valid names")
            .cache_properties(CacheProperties::No)
            .build()
            .await
            .expect("a proxy")
    }

    /// A property of the icon; empty when the app is gone.
    pub(crate) async fn property(&self, name: &str) -> String {
        let proxy = self
            .proxy(&self.item.path, "org.kde.StatusNotifierItem")
            .await;
        proxy.get_property(name).await.unwrap_or_default()
    }

    /// What stands beside the icon.
    pub(crate) async fn label(&self) -> String {
        self.property("XAyatanaLabel").await
    }

    async fn menu_path(&self) -> OwnedObjectPath {
        let proxy = self
            .proxy(&self.item.path, "org.kde.StatusNotifierItem")
            .await;
        proxy.get_property("Menu").await.expect("a menu")
    }

    pub(crate) async fn menu(&self) -> Vec<MenuRow> {
        let path = self.menu_path().await;
        let proxy = self.proxy(&path, "com.canonical.dbusmenu").await;
        let (_revision, root): (u32, Node) = proxy
            .call("GetLayout", &(0_i32, -1_i32, Vec::<&str>::new()))
            .await
            .expect("the menu's layout");
        row(root).below
    }

    /// The labels of the figures: the rows above the first action.
    pub(crate) async fn figures(&self) -> Vec<String> {
        let labels = self.menu().await.into_iter().map(|row| row.label);
        labels
            .take_while(|label| label != "Open dashboard")
            .filter(|label| !label.is_empty())
            .collect()
    }

    /// Clicks the row with this label, also in a submenu.
    pub(crate) async fn click(&self, label: &str) {
        let id = eventually(&format!("a menu row {label:?}"), async || {
            let rows = self.menu().await;
            let all = rows
                .iter()
                .flat_map(|row| std::iter::once(row).chain(&row.below));
            all.filter(|row| row.label == label)
                .map(|row| row.id)
                .next()
        })
        .await;
        let path = self.menu_path().await;
        let proxy = self.proxy(&path, "com.canonical.dbusmenu").await;
        // Without waiting for an answer: "Quit" ends the app before it gives one.
        proxy
            .call_noreply("Event", &(id, "clicked", Value::from(0_i32), 0_u32))
            .await
            .expect("a click");
    }
}

fn row((id, mut properties, children): Node) -> MenuRow {
    let label = properties
        .remove("label")
        .and_then(|value| String::try_from(value).ok());
    let enabled = properties
        .remove("enabled")
        .and_then(|value| bool::try_from(value).ok());
    let below = children.into_iter().map(|child| {
        let child: Structure<'static> = child.try_into().expect("a menu node");
        row(child.try_into().expect("a menu node"))
    });
    MenuRow {
        id,
        label: label.unwrap_or_default(),
        enabled: enabled.unwrap_or(true),
        below: below.collect(),
    }
}
