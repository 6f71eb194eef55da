//! Native notifications. Delivery is never assumed: an alert is also a menu row and an entry in the dashboard.

use clawspend_core::{api::Alert, time::UnixMillis};
use notify_rust::{Notification, NotificationResponse};
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Sender},
    },
    thread,
};

/// How many notifications are waited on for a click; some desktops withdraw one when its sender lets go.
const KEPT: usize = 20;

/// Tells the user about an alert.
pub(super) trait Notifier: Send + 'static {
    fn notify(&mut self, alert: &Alert) -> anyhow::Result<()>;
}

/// Gives the notifier a thread of its own, for a notification service may take its time.
pub(super) fn start(mut notifier: impl Notifier) -> Sender<Alert> {
    let (sender, alerts) = mpsc::channel::<Alert>();
    thread::spawn(move || {
        for alert in alerts {
            if let Err(error) = notifier.notify(&alert) {
                eprintln!(
                    "cannot show a notification: {error:#}; the alert is in the menu and the dashboard"
                );
            }
        }
    });
    sender
}

/// Writes alerts to stderr.
pub(super) struct Console;

impl Notifier for Console {
    fn notify(&mut self, alert: &Alert) -> anyhow::Result<()> {
        eprintln!("{}: {}", alert.title, alert.body);
        Ok(())
    }
}

/// Shows alerts through the desktop; a click on one opens the dashboard.
pub(super) struct Native {
    on_click: Arc<dyn Fn() + Send + Sync>,
    /// The notification that shows each episode.
    ids: HashMap<(String, UnixMillis), u32>,
    waiting: Arc<AtomicUsize>,
    #[cfg(target_os = "linux")]
    skills: Option<Skills>,
}

impl Native {
    pub(super) fn new(on_click: impl Fn() + Send + Sync + 'static) -> Self {
        Self {
            on_click: Arc::new(on_click),
            ids: HashMap::new(),
            waiting: Arc::default(),
            #[cfg(target_os = "linux")]
            skills: None,
        }
    }

    fn wait_for_click(&self, handle: notify_rust::NotificationHandle) {
        let (waiting, on_click) = (self.waiting.clone(), self.on_click.clone());
        if waiting.fetch_add(1, Ordering::Relaxed) >= KEPT {
            waiting.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        thread::spawn(move || {
            let waited = handle.wait_for_response(|response: &NotificationResponse| {
                if !matches!(response, NotificationResponse::Closed(_)) {
                    on_click();
                }
            });
            if let Err(error) = waited {
                tracing::warn!("cannot wait for a click on a notification: {error}");
            }
            waiting.fetch_sub(1, Ordering::Relaxed);
        });
    }
}

impl Notifier for Native {
    fn notify(&mut self, alert: &Alert) -> anyhow::Result<()> {
        let mut notification = Notification::new();
        notification
            .appname("Clawspend")
            .summary(&alert.title)
            .body(&alert.body);
        let episode = (alert.rule.clone(), alert.at);
        if let Some(id) = self.ids.get(&episode) {
            notification.id(*id);
        }
        self.dress(&mut notification)?;
        let handle = notification.show()?;
        #[cfg(target_os = "linux")]
        self.ids.insert(episode, handle.id());
        self.wait_for_click(handle);
        Ok(())
    }
}

/// What the notification service can do, asked once.
#[cfg(target_os = "linux")]
struct Skills {
    actions: bool,
    markup: bool,
}

#[cfg(target_os = "linux")]
impl Native {
    fn dress(&mut self, notification: &mut Notification) -> anyhow::Result<()> {
        let skills = match self.skills.take() {
            Some(skills) => skills,
            None => {
                let able = notify_rust::get_capabilities()?;
                let can = |skill| able.iter().any(|able| able == skill);
                Skills {
                    actions: can("actions"),
                    markup: can("body-markup"),
                }
            }
        };
        // The names under which the package installs its icon and its desktop entry.
        notification
            .icon("clawspend-desktop")
            .hint(notify_rust::Hint::DesktopEntry("Clawspend".into()));
        if skills.actions {
            notification
                .action("default", "Open dashboard")
                .action("open", "Open dashboard");
        }
        if skills.markup {
            notification.body = without_markup(&notification.body);
        }
        self.skills = Some(skills);
        Ok(())
    }
}

#[cfg(target_os = "linux")]
fn without_markup(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(target_os = "macos")]
impl Native {
    fn dress(&mut self, _: &mut Notification) -> anyhow::Result<()> {
        // Without a name the system looks the app up and may hang; once set, asking again is an error.
        let _ = notify_rust::set_application(APP_ID);
        Ok(())
    }
}

#[cfg(windows)]
impl Native {
    fn dress(&mut self, notification: &mut Notification) -> anyhow::Result<()> {
        // Toasts of an unregistered app are accepted and thrown away.
        windows_registry::CURRENT_USER
            .create(format!(r"Software\Classes\AppUserModelId\{APP_ID}"))?
            .set_string("DisplayName", "Clawspend")?;
        notification.app_id(APP_ID).action("open", "Open dashboard");
        Ok(())
    }
}

/// The identifier in `tauri.conf.json`.
#[cfg(not(target_os = "linux"))]
const APP_ID: &str = "dev.clawspend.desktop";
