//! When the tray may be written to: differences only, and never often. Pure; time is an argument.
//!
//! Panels suffer under busy icons: some leak, some freeze, some close an open menu.

use super::view::{Icon, TrayView};
use std::time::{Duration, Instant};

/// Between two writes of text and menu.
const FIGURES_EVERY: Duration = Duration::from_secs(if cfg!(target_os = "macos") { 5 } else { 2 });
const TOOLTIP_EVERY: Duration = Duration::from_secs(15);
const ICON_EVERY: Duration = Duration::from_secs(30);

/// Decides what is drawn when. The first change after a quiet spell is drawn at once, the last one never lost.
pub(crate) struct Drawer {
    wanted: TrayView,
    drawn: TrayView,
    figures_at: Option<Instant>,
    tooltip_at: Option<Instant>,
    icon_at: Option<Instant>,
}

impl Drawer {
    /// The tray shows `drawn` already.
    pub(crate) fn new(drawn: TrayView) -> Self {
        Self {
            wanted: drawn.clone(),
            drawn,
            figures_at: None,
            tooltip_at: None,
            icon_at: None,
        }
    }

    /// What the tray shows, as far as is known.
    pub(crate) fn drawn(&self) -> &TrayView {
        &self.drawn
    }

    /// Sets what the tray should show.
    pub(crate) fn want(&mut self, view: TrayView) {
        self.wanted = view;
    }

    /// What to draw now, if anything; the caller then tells [`Drawer::reached`].
    pub(crate) fn due(&mut self, now: Instant) -> Option<TrayView> {
        let [figures, tooltip, icon] = self.waits(now).map(|wait| wait == Some(Duration::ZERO));
        let mut next = self.drawn.clone();
        if figures {
            next.text.clone_from(&self.wanted.text);
            next.rows.clone_from(&self.wanted.rows);
            self.figures_at = Some(now);
        }
        if tooltip {
            next.tooltip.clone_from(&self.wanted.tooltip);
            self.tooltip_at = Some(now);
        }
        if icon {
            next.icon = self.wanted.icon;
            self.icon_at = Some(now);
        }
        (figures || tooltip || icon).then_some(next)
    }

    /// What the tray shows after drawing; what failed differs still and is tried again when next due.
    pub(crate) fn reached(&mut self, view: TrayView) {
        self.drawn = view;
    }

    /// How long until something is due; `None` while the tray shows all that is wanted.
    pub(crate) fn wait(&self, now: Instant) -> Option<Duration> {
        self.waits(now).into_iter().flatten().min()
    }

    /// How long until figures, tooltip and icon are due, each `None` without a difference.
    fn waits(&self, now: Instant) -> [Option<Duration>; 3] {
        let Self { wanted, drawn, .. } = self;
        let icon_every = if wanted.icon == Icon::Alert {
            FIGURES_EVERY
        } else {
            ICON_EVERY
        };
        [
            (
                !wanted.tells_the_same(drawn),
                self.figures_at,
                FIGURES_EVERY,
            ),
            (
                wanted.tooltip != drawn.tooltip,
                self.tooltip_at,
                TOOLTIP_EVERY,
            ),
            (wanted.icon != drawn.icon, self.icon_at, icon_every),
        ]
        .map(|(differs, last, every)| {
            differs.then(|| {
                last.map_or(Duration::ZERO, |last| {
                    (last + every).saturating_duration_since(now)
                })
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tray::view::Row;

    fn view(text: &str, icon: Icon) -> TrayView {
        let mut view = TrayView {
            text: text.into(),
            tooltip: text.into(),
            icon,
            ..TrayView::starting()
        };
        view.rows[Row::Today as usize] = Some(format!("{text} today"));
        view
    }

    /// Feeds `(second, wanted view)` and lists the writes until all is drawn: `(second, text, tooltip, icon)`.
    fn writes(fed: &[(u64, TrayView)]) -> Vec<(u64, String, String, Icon)> {
        let start = Instant::now();
        let mut drawer = Drawer::new(view("", Icon::Normal));
        let mut written = Vec::new();
        for second in 0..100 {
            let now = start + Duration::from_secs(second);
            for (_, view) in fed.iter().filter(|(at, _)| *at == second) {
                drawer.want(view.clone());
            }
            if let Some(next) = drawer.due(now) {
                written.push((second, next.text.clone(), next.tooltip.clone(), next.icon));
                drawer.reached(next);
            }
        }
        assert_eq!(
            drawer.wait(start + Duration::from_secs(100)),
            None,
            "something was left undrawn"
        );
        written
    }

    fn write(second: u64, text: &str, tooltip: &str, icon: Icon) -> (u64, String, String, Icon) {
        (second, text.into(), tooltip.into(), icon)
    }

    #[test]
    fn the_first_change_shows_at_once_and_a_flood_every_other_second() {
        use Icon::Normal;
        let flood: Vec<_> = (10..=20)
            .map(|second| (second, view(&format!("${second}"), Normal)))
            .collect();
        let steps: u64 = if cfg!(target_os = "macos") { 5 } else { 2 };
        let mut expected: Vec<_> = (10..=20)
            .step_by(steps as usize)
            .map(|second| write(second, &format!("${second}"), "$10", Normal))
            .collect();
        expected.push(write(25, "$20", "$20", Normal));
        assert_eq!(writes(&flood), expected);
    }

    #[test]
    fn unchanged_figures_are_not_written_again() {
        let mut later = view("$1", Icon::Normal);
        later.rows[Row::Updated as usize] = Some("Updated 14:04".into());
        let fed = [
            (1, view("$1", Icon::Normal)),
            (9, view("$1", Icon::Normal)),
            (60, later),
        ];
        assert_eq!(writes(&fed), [write(1, "$1", "$1", Icon::Normal)]);
    }

    #[test]
    fn what_is_taken_back_in_time_is_never_written() {
        let fed = [
            (0, view("$1", Icon::Normal)),
            (1, view("$2", Icon::Normal)),
            (1, view("$1", Icon::Normal)),
        ];
        assert_eq!(writes(&fed), [write(0, "$1", "$1", Icon::Normal)]);
    }

    #[test]
    fn icons_change_half_a_minute_apart_except_into_alert() {
        use Icon::{Alert, CatchingUp, Normal};
        let fed = [
            (0, view("", CatchingUp)),
            (5, view("", Normal)),
            (40, view("", Alert)),
            (41, view("", Normal)),
        ];
        assert_eq!(
            writes(&fed),
            [
                write(0, "", "", CatchingUp),
                write(30, "", "", Normal),
                write(40, "", "", Alert),
                write(70, "", "", Normal)
            ]
        );
    }

    #[test]
    fn a_failed_write_is_tried_again() {
        let start = Instant::now();
        let mut drawer = Drawer::new(view("", Icon::Normal));
        drawer.want(view("$1", Icon::Normal));
        assert_eq!(drawer.due(start), Some(view("$1", Icon::Normal)));
        drawer.reached(view("", Icon::Normal));
        assert_eq!(drawer.due(start), None);
        assert_eq!(drawer.wait(start), Some(FIGURES_EVERY));
        let again = drawer.due(start + FIGURES_EVERY).map(|view| view.text);
        assert_eq!(again.as_deref(), Some("$1"));
    }
}
