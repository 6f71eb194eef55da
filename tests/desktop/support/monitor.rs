//! Everything that passes on the bus, overheard.

use super::Desktop;
use std::sync::{Arc, Mutex};
use zbus::{MessageStream, export::ordered_stream::OrderedStreamExt, fdo::MonitoringProxy};

/// See the module.
pub(crate) struct Monitor {
    heard: Arc<Mutex<Vec<Message>>>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) sender: String,
    pub(crate) interface: String,
    pub(crate) member: String,
}

impl Monitor {
    pub(crate) async fn start(desktop: &Desktop) -> Self {
        let connection = desktop.connect().await;
        let mut messages = MessageStream::from(&connection);
        let monitoring = MonitoringProxy::new(&connection)
            .await
            .expect("the bus itself");
        monitoring
            .become_monitor(&[], 0)
            .await
            .expect("leave to listen");
        let heard: Arc<Mutex<Vec<Message>>> = Arc::default();
        let ear = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Some(Ok(message)) = messages.next().await {
                let header = message.header();
                let text = |part: Option<String>| part.unwrap_or_default();
                ear.lock().expect("no panic elsewhere").push(Message {
                    sender: text(header.sender().map(ToString::to_string)),
                    interface: text(header.interface().map(ToString::to_string)),
                    member: text(header.member().map(ToString::to_string)),
                });
            }
        });
        Self { heard }
    }

    /// The messages heard so far that `wanted` picks.
    pub(crate) fn heard(&self, wanted: impl Fn(&Message) -> bool) -> Vec<Message> {
        self.heard
            .lock()
            .expect("no panic elsewhere")
            .iter()
            .filter(|message| wanted(message))
            .cloned()
            .collect()
    }

    /// How often a notification was asked for.
    pub(crate) fn notify_calls(&self) -> usize {
        self.heard(|message| {
            message.interface == "org.freedesktop.Notifications" && message.member == "Notify"
        })
        .len()
    }
}
