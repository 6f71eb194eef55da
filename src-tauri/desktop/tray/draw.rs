//! Writes a [`TrayView`] to the desktop's tray. The menu is built once and its items are kept: replacing it
//! would shut it in the face of whoever is reading it.

use super::view::{Icon, Row, TrayView};
use anyhow::Context;
use tauri::{
    App, AppHandle, Manager, Wry,
    image::Image,
    menu::{Menu, MenuItem, PredefinedMenuItem, Submenu},
    tray::{TrayIcon, TrayIconBuilder},
};

/// Also the name of the icon's file on Linux, where two apps with one id would delete each other's.
const ID: &str = "clawspend";

/// What a menu item does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Action {
    OpenDashboard,
    PauseForAnHour,
    PauseUntilTomorrow,
    Resume,
    OpenSettings,
    Quit,
}

const OPEN: &str = "open";
const PAUSE_HOUR: &str = "pause-hour";
const PAUSE_TOMORROW: &str = "pause-tomorrow";
const RESUME: &str = "resume";
const SETTINGS: &str = "settings";
const QUIT: &str = "quit";

impl Action {
    fn of(id: &str) -> Option<Self> {
        match id {
            OPEN => Some(Self::OpenDashboard),
            PAUSE_HOUR => Some(Self::PauseForAnHour),
            PAUSE_TOMORROW => Some(Self::PauseUntilTomorrow),
            RESUME => Some(Self::Resume),
            SETTINGS => Some(Self::OpenSettings),
            QUIT => Some(Self::Quit),
            _ => None,
        }
    }
}

/// The icon and its menu.
pub(crate) struct Tray {
    icon: TrayIcon,
    menu: Menu<Wry>,
    rows: Vec<MenuItem<Wry>>,
    resume: MenuItem<Wry>,
    /// In Windows pixels: the icon's edge at this display's scale.
    edge: u32,
}

impl Tray {
    /// Puts the icon into the tray, showing `view`.
    pub(crate) fn create(
        app: &App,
        view: &TrayView,
        act: fn(&AppHandle, Action),
    ) -> anyhow::Result<Self> {
        #[cfg(target_os = "linux")]
        super::host::load_indicator_library()?;

        let row = |row: Row| {
            let enabled = row.opens_dashboard();
            let id = if enabled { OPEN } else { "row" };
            MenuItem::with_id(
                app,
                id,
                view.row(row).unwrap_or_default(),
                enabled,
                None::<&str>,
            )
        };
        let item = |id: &str, text: &str| MenuItem::with_id(app, id, text, true, None::<&str>);
        let rows = Row::ALL
            .into_iter()
            .map(row)
            .collect::<tauri::Result<Vec<_>>>()?;
        let resume = MenuItem::with_id(
            app,
            RESUME,
            "Resume",
            view.row(Row::Paused).is_some(),
            None::<&str>,
        )?;
        let notifications = Submenu::with_items(
            app,
            "Pause notifications",
            true,
            &[
                &item(PAUSE_HOUR, "For 1 hour")?,
                &item(PAUSE_TOMORROW, "Until tomorrow")?,
                &resume,
            ],
        )?;
        let separator = || PredefinedMenuItem::separator(app);
        let menu = Menu::with_items(
            app,
            &[
                &separator()?,
                &separator()?,
                &item(OPEN, "Open dashboard")?,
                &notifications,
                &item(SETTINGS, "Settings")?,
                &separator()?,
                &item(QUIT, "Quit")?,
            ],
        )?;
        for row in Row::ALL {
            if view.row(row).is_some() {
                menu.insert(&rows[row as usize], position(row, view))?;
            }
        }

        let edge = icon_edge(app);
        let files = app
            .path()
            .app_cache_dir()
            .context("no cache folder for the icon's file")?;
        let mut builder = TrayIconBuilder::with_id(ID)
            .icon(image(view.icon, edge)?)
            .icon_as_template(true)
            .temp_dir_path(files)
            .tooltip(&view.tooltip)
            .menu(&menu)
            .on_menu_event(move |app, event| {
                if let Some(action) = Action::of(event.id().as_ref()) {
                    act(app, action);
                }
            });
        if !view.text.is_empty() {
            builder = builder.title(&view.text);
        }
        #[cfg(windows)]
        {
            builder = open_on_left_click(builder, act);
        }
        let icon = builder.build(app)?;
        let tray = Self {
            icon,
            menu,
            rows,
            resume,
            edge,
        };
        #[cfg(target_os = "linux")]
        tray.publish_labels_again();
        Ok(tray)
    }

    /// Makes the tray show `next`, writing only what differs from `drawn`, which follows each step. Main
    /// thread only.
    pub(crate) fn draw(&self, drawn: &mut TrayView, next: &TrayView) -> tauri::Result<()> {
        for row in Row::ALL {
            let item = &self.rows[row as usize];
            match (drawn.row(row), next.row(row)) {
                (old, new) if old == new => continue,
                (_, None) => self.menu.remove(item)?,
                (None, Some(text)) => {
                    item.set_text(escaped(text))?;
                    self.menu.insert(item, position(row, drawn))?;
                }
                (Some(_), Some(text)) => item.set_text(escaped(text))?,
            }
            drawn.rows[row as usize].clone_from(&next.rows[row as usize]);
            if row == Row::Paused {
                self.resume.set_enabled(next.row(row).is_some())?;
            }
        }
        if drawn.text != next.text {
            self.icon.set_title(Some(&next.text))?;
            drawn.text.clone_from(&next.text);
        }
        if drawn.tooltip != next.tooltip {
            self.icon.set_tooltip(Some(&next.tooltip))?;
            drawn.tooltip.clone_from(&next.tooltip);
        }
        if drawn.icon != next.icon {
            self.icon
                .set_icon_with_as_template(Some(image(next.icon, self.edge)?), true)?;
            drawn.icon = next.icon;
        }
        Ok(())
    }

    /// GNOME's panel loses the labels of a menu whose second description arrives right after the first, which
    /// the indicator library always sends. Changing each label for a moment sends them again.
    #[cfg(target_os = "linux")]
    fn publish_labels_again(&self) {
        use gtk::glib::timeout_add_local_once;
        use std::time::Duration;
        let menu = self.menu.clone();
        timeout_add_local_once(Duration::from_millis(1500), move || {
            for_each_label(&menu, |label| label + " ");
            timeout_add_local_once(Duration::from_millis(300), move || {
                for_each_label(&menu, |label| label.trim_end().to_owned());
            });
        });
    }
}

#[cfg(target_os = "linux")]
fn for_each_label(menu: &Menu<Wry>, change: impl Fn(String) -> String) {
    let items = menu.items().unwrap_or_default();
    for item in items.iter().filter_map(|item| item.as_menuitem()) {
        if let Err(error) = item.text().and_then(|label| item.set_text(change(label))) {
            tracing::warn!("cannot publish a menu label again: {error}");
        }
    }
}

/// Where `row` stands in a menu that shows `view`: after the shown rows before it, and after the separator
/// that follows the month.
fn position(row: Row, view: &TrayView) -> usize {
    let shown = view.rows[..row as usize].iter().flatten().count();
    shown + usize::from(row as usize > Row::Month as usize)
}

/// Menus read `&` as the mark of a key.
fn escaped(text: &str) -> String {
    text.replace('&', "&&")
}

macro_rules! glyph {
    ($icon:expr, $kind:literal) => {
        match $icon {
            Icon::Normal => {
                include_bytes!(concat!("../../../icons/tray/normal", $kind, ".png")).as_slice()
            }
            Icon::CatchingUp => {
                include_bytes!(concat!("../../../icons/tray/catching-up", $kind, ".png"))
            }
            Icon::Alert => include_bytes!(concat!("../../../icons/tray/alert", $kind, ".png")),
            Icon::Problem => include_bytes!(concat!("../../../icons/tray/problem", $kind, ".png")),
        }
    };
}

/// The picture for a state; only Windows, which does not scale well, has it in several sizes.
fn image(icon: Icon, edge: u32) -> tauri::Result<Image<'static>> {
    let _ = edge;
    #[cfg(target_os = "linux")]
    let png = glyph!(icon, "");
    #[cfg(target_os = "macos")]
    let png = glyph!(icon, "-template");
    #[cfg(windows)]
    let png = match edge {
        ..=16 => glyph!(icon, "-16"),
        17..=20 => glyph!(icon, "-20"),
        21..=24 => glyph!(icon, "-24"),
        _ => glyph!(icon, "-32"),
    };
    Image::from_bytes(png)
}

fn icon_edge(app: &App) -> u32 {
    let scale = app
        .primary_monitor()
        .ok()
        .flatten()
        .map_or(1.0, |monitor| monitor.scale_factor());
    (16.0 * scale).round() as u32
}

/// Windows users expect the window on the left click and the menu on the right one.
#[cfg(windows)]
fn open_on_left_click(
    builder: TrayIconBuilder<Wry>,
    act: fn(&AppHandle, Action),
) -> TrayIconBuilder<Wry> {
    use std::{
        sync::Mutex,
        time::{Duration, Instant},
    };
    use tauri::tray::{MouseButton, MouseButtonState, TrayIconEvent};
    let last = Mutex::new(None::<Instant>);
    builder
        .show_menu_on_left_click(false)
        .on_tray_icon_event(move |tray, event| {
            let TrayIconEvent::Click {
                button: MouseButton::Left,
                button_state: MouseButtonState::Up,
                ..
            } = event
            else {
                return;
            };
            // A double click is two clicks here.
            let before = super::lock(&last).replace(Instant::now());
            if before.is_none_or(|at| at.elapsed() > Duration::from_millis(300)) {
                act(tray.app_handle(), Action::OpenDashboard);
            }
        })
}
