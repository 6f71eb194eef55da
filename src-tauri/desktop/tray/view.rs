//! What the tray shows, as plain data: a pure function of the engine's [`Update`].

use clawspend_core::{
    api::{Phase, Progress},
    config::TrayText,
    engine::Update,
    money::NanoUsd,
    summary::{Amount, Summary},
    time::UnixMillis,
};
use jiff::tz::TimeZone;

/// Longest tooltip in UTF-16 units: Windows keeps 128 with their end mark.
const TOOLTIP_UNITS: usize = 120;
/// Longest menu row in characters.
const ROW_CHARS: usize = 80;

/// The icon's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Icon {
    Normal,
    CatchingUp,
    Alert,
    Problem,
}

/// A menu row that tells something, in the menu's order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Row {
    Today,
    Alert,
    Problem,
    Week,
    Month,
    FirstModel,
    SecondModel,
    ThirdModel,
    Updated,
    Paused,
}

impl Row {
    /// All rows, top to bottom.
    pub(crate) const ALL: [Self; 10] = [
        Self::Today,
        Self::Alert,
        Self::Problem,
        Self::Week,
        Self::Month,
        Self::FirstModel,
        Self::SecondModel,
        Self::ThirdModel,
        Self::Updated,
        Self::Paused,
    ];
    const MODELS: [Self; 3] = [Self::FirstModel, Self::SecondModel, Self::ThirdModel];
}

/// Everything the tray shows; all of it comes from one snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TrayView {
    /// Beside the icon; empty shows the icon alone.
    pub(crate) text: String,
    /// Where the platform has tooltips.
    pub(crate) tooltip: String,
    pub(crate) icon: Icon,
    /// By [`Row`]; `None` is not in the menu.
    pub(crate) rows: [Option<String>; Row::ALL.len()],
}

impl TrayView {
    /// Before the engine's first word.
    pub(crate) fn starting() -> Self {
        let mut view = Self {
            text: String::new(),
            tooltip: "Clawspend".into(),
            icon: Icon::Normal,
            rows: Default::default(),
        };
        view.set(Row::Today, "Opening the ledger…");
        view
    }

    /// When there will be no engine.
    pub(crate) fn without_engine(reason: &str) -> Self {
        let mut view = Self {
            icon: Icon::Problem,
            tooltip: "Clawspend cannot start".into(),
            ..Self::starting()
        };
        view.set(Row::Today, "Today's spend is not known");
        view.set(Row::Problem, &format!("Problem: {reason}"));
        view
    }

    /// The row's text.
    pub(crate) fn row(&self, row: Row) -> Option<&str> {
        self.rows[row as usize].as_deref()
    }

    /// Whether a reader would see other figures. "Updated" alone is no news.
    pub(crate) fn tells_the_same(&self, other: &Self) -> bool {
        let told = |view: &Self| {
            let mut rows = view.rows.clone();
            rows[Row::Updated as usize] = None;
            (view.text.clone(), rows)
        };
        told(self) == told(other)
    }

    fn set_figures(&mut self, summary: &Summary, phase: &Phase, style: TrayText) {
        let zone = TimeZone::get(&summary.timezone).unwrap_or(TimeZone::UTC);
        self.text = text(&summary.today, style);
        let mut today = spent(&summary.today) + " today";
        if style == TrayText::Tokens {
            today = format!("{} tokens, {today}", tokens(summary.today.tokens.total()));
        }
        if summary.today.unpriced_responses > 0 {
            today += &format!(" ({} unpriced)", summary.today.unpriced_responses);
        }
        if let Phase::CatchingUp(progress) = *phase {
            today += &format!(", catching up{}", percent(progress));
        }
        self.set(Row::Today, &today);
        self.set(Row::Week, &format!("This week {}", spent(&summary.week)));
        self.set(Row::Month, &format!("This month {}", spent(&summary.month)));
        for (row, model) in Row::MODELS.into_iter().zip(&summary.models) {
            self.set(row, &format!("{} {}", model.model, spent(&model.amount)));
        }
        let updated = format!("Updated {}", clock(summary.as_of, &zone));
        self.set(Row::Updated, &updated);
    }

    fn set(&mut self, row: Row, text: &str) {
        self.rows[row as usize] = Some(one_line(text));
    }
}

impl From<&Update> for TrayView {
    fn from(update: &Update) -> Self {
        let Update {
            summary,
            status,
            open_alert,
            paused_until,
            config,
            ..
        } = update;
        let problem = status.problems.iter().find(|problem| problem.serious);
        let mut view = Self {
            icon: match status.phase {
                _ if open_alert.is_some() => Icon::Alert,
                _ if problem.is_some() => Icon::Problem,
                Phase::CatchingUp(progress) if takes_a_while(progress) => Icon::CatchingUp,
                _ => Icon::Normal,
            },
            ..Self::starting()
        };
        match summary {
            Some(summary) => view.set_figures(summary, &status.phase, config.tray_text),
            None => view.set(Row::Today, "Today's spend is not known"),
        }
        if let Some(alert) = open_alert {
            view.set(Row::Alert, &format!("Alert: {}", alert.title));
        }
        if let Some(problem) = problem {
            view.set(Row::Problem, &format!("Problem: {}", problem.message));
        }
        if let (Some(until), Some(summary)) = (*paused_until, summary) {
            let zone = TimeZone::get(&summary.timezone).unwrap_or(TimeZone::UTC);
            let today = until.day(&zone) == summary.day;
            let until = if today {
                clock(until, &zone)
            } else {
                "tomorrow".into()
            };
            view.set(Row::Paused, &format!("Notifications paused until {until}"));
        }

        let lines = [Row::Today, Row::Week, Row::Month, Row::Alert, Row::Problem];
        let lines: Vec<_> = lines.into_iter().filter_map(|row| view.row(row)).collect();
        view.tooltip = cut_to_units(&lines.join("\n"), TOOLTIP_UNITS);
        view
    }
}

/// What stands beside the icon.
fn text(today: &Amount, style: TrayText) -> String {
    match style {
        TrayText::Money => spent(today),
        TrayText::WholeDollars => about(today, whole_dollars),
        TrayText::Tokens => tokens(today.tokens.total()),
        TrayText::Nothing => String::new(),
    }
}

fn spent(amount: &Amount) -> String {
    about(amount, NanoUsd::display)
}

/// An amount that owns up to what it leaves out: "≥ $1.20" with some responses unpriced, "$?" with all.
fn about(amount: &Amount, display: impl Fn(NanoUsd) -> String) -> String {
    match (amount.unpriced_responses, amount.cost) {
        (0, cost) => display(cost),
        (_, NanoUsd::ZERO) => "$?".into(),
        (_, cost) => format!("≥ {}", display(cost)),
    }
}

fn whole_dollars(cost: NanoUsd) -> String {
    if cost > NanoUsd::ZERO && cost < NanoUsd::dollars(1) {
        return "<$1".into();
    }
    let dollars = NanoUsd::dollars(1).0;
    let rounded = NanoUsd((cost.0 + dollars / 2).div_euclid(dollars) * dollars);
    rounded.display().trim_end_matches(".00").to_owned()
}

/// A count in three digits or so: "987", "12.3K", "4.5M".
fn tokens(count: u64) -> String {
    let (unit, name) = match count {
        0..1_000 => return count.to_string(),
        1_000..1_000_000 => (1_000, "K"),
        1_000_000..1_000_000_000 => (1_000_000, "M"),
        _ => (1_000_000_000, "B"),
    };
    match (count / unit, count % unit * 10 / unit) {
        (whole, tenths) if whole < 100 && tenths > 0 => format!("{whole}.{tenths}{name}"),
        (whole, _) => format!("{whole}{name}"),
    }
}

/// A short catch-up, such as after every appended line, is not worth a change of icon.
fn takes_a_while(progress: Progress) -> bool {
    progress.eta_seconds.is_some_and(|seconds| seconds >= 5)
}

/// " 42 %", or nothing before the size of the task is known.
fn percent(progress: Progress) -> String {
    let Progress {
        bytes_done,
        bytes_total,
        ..
    } = progress;
    let percent = u128::from(bytes_done) * 100 / u128::from(bytes_total.max(1));
    if bytes_total == 0 {
        String::new()
    } else {
        format!(" {} %", percent.min(99))
    }
}

fn clock(at: UnixMillis, zone: &TimeZone) -> String {
    at.timestamp()
        .to_zoned(zone.clone())
        .strftime("%H:%M")
        .to_string()
}

/// Names out of logs may hold anything; a menu row holds one line.
fn one_line(text: &str) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match line.char_indices().nth(ROW_CHARS) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

fn cut_to_units(text: &str, units: usize) -> String {
    let mut left = units;
    let kept = text.chars().take_while(|c| {
        let fits = c.len_utf16() <= left;
        left = left.saturating_sub(c.len_utf16());
        fits
    });
    kept.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use clawspend_core::{
        api::{Alert, Problem, Status},
        config::Config,
        summary::ModelAmount,
        usage::Tokens,
    };
    use jiff::civil::date;

    /// 2026-11-20, 14:03:00 in Berlin.
    const NOW: UnixMillis = UnixMillis(1_795_179_780_000);

    fn amount(cents: i64, unpriced_responses: u64) -> Amount {
        let tokens = Tokens {
            output: 1_234_567,
            ..Tokens::default()
        };
        Amount {
            cost: NanoUsd(cents * 10_000_000),
            responses: 12,
            unpriced_responses,
            tokens,
        }
    }

    fn model(name: &str, cents: i64, unpriced: u64) -> ModelAmount {
        ModelAmount {
            model: name.into(),
            amount: amount(cents, unpriced),
        }
    }

    fn update() -> Update {
        Update {
            summary: Some(Summary {
                plans: Vec::new(),
                as_of: NOW,
                timezone: "Europe/Berlin".into(),
                day: date(2026, 11, 20),
                today: amount(1234, 0),
                yesterday: amount(0, 0),
                median_7d: None,
                week: amount(5000, 0),
                month: amount(123_456, 0),
                models: vec![model("claude-sonnet-5", 1000, 0), model("a\nb", 234, 0)],
                last_response: Some(NOW),
            }),
            status: Status {
                phase: Phase::Live,
                problems: Vec::new(),
                caught_up_at: Some(NOW),
                gateways: Vec::new(),
            },
            fired: Vec::new(),
            open_alert: None,
            paused_until: None,
            quota: None,
            config: Config {
                timezone: None,
                tray_text: TrayText::Money,
                start_at_login: false,
                notifications: true,
                daily_budget: None,
                spike: None,
                claude_roots: Vec::new(),
                openclaw_roots: Vec::new(),
                gateways: Vec::new(),
                local_gateway: true,
                terms: None,
                plans: Vec::new(),
            },
        }
    }

    fn rows(update: &Update) -> Vec<String> {
        TrayView::from(update).rows.into_iter().flatten().collect()
    }

    fn today(change: impl FnOnce(&mut Update)) -> (String, String) {
        let mut update = update();
        change(&mut update);
        let view = TrayView::from(&update);
        (
            view.text.clone(),
            view.row(Row::Today).unwrap_or_default().to_owned(),
        )
    }

    fn pair(text: &str, row: &str) -> (String, String) {
        (text.into(), row.into())
    }

    #[test]
    fn a_plain_day() {
        let view = TrayView::from(&update());
        assert_eq!((view.text.as_str(), view.icon), ("$12.34", Icon::Normal));
        assert_eq!(
            view.tooltip,
            "$12.34 today\nThis week $50.00\nThis month $1,234.56"
        );
        assert_eq!(
            rows(&update()),
            [
                "$12.34 today",
                "This week $50.00",
                "This month $1,234.56",
                "claude-sonnet-5 $10.00",
                "a b $2.34",
                "Updated 14:03"
            ]
        );
    }

    #[test]
    fn what_is_not_known_is_not_hidden() {
        for (cents, unpriced, expected) in [
            (1234, 3, pair("≥ $12.34", "≥ $12.34 today (3 unpriced)")),
            (0, 3, pair("$?", "$? today (3 unpriced)")),
            (0, 0, pair("$0.00", "$0.00 today")),
        ] {
            assert_eq!(
                today(|update| update.summary.as_mut().expect("figures").today =
                    amount(cents, unpriced)),
                expected
            );
        }
    }

    #[test]
    fn the_text_is_what_the_user_chose() {
        for (style, cents, expected) in [
            (TrayText::WholeDollars, 1250, pair("$13", "$12.50 today")),
            (
                TrayText::WholeDollars,
                123_449,
                pair("$1,234", "$1,234.49 today"),
            ),
            (TrayText::WholeDollars, 40, pair("<$1", "$0.40 today")),
            (TrayText::WholeDollars, 0, pair("$0", "$0.00 today")),
            (
                TrayText::Tokens,
                1234,
                pair("1.2M", "1.2M tokens, $12.34 today"),
            ),
            (TrayText::Nothing, 1234, pair("", "$12.34 today")),
        ] {
            let shown = today(|update| {
                update.config.tray_text = style;
                update.summary.as_mut().expect("figures").today.cost = NanoUsd(cents * 10_000_000);
            });
            assert_eq!(shown, expected);
        }
    }

    #[test]
    fn token_counts_are_short() {
        for (count, text) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1K"),
            (12_345, "12.3K"),
            (999_999, "999K"),
            (1_050_000, "1M"),
            (345_678_901, "345M"),
            (2_500_000_000, "2.5B"),
        ] {
            assert_eq!(tokens(count), text);
        }
    }

    #[test]
    fn catching_up_says_how_far_and_changes_the_icon_when_it_takes_a_while() {
        for (bytes_done, bytes_total, eta_seconds, row, icon) in [
            (0, 0, None, "$12.34 today, catching up", Icon::Normal),
            (
                42,
                100,
                Some(4),
                "$12.34 today, catching up 42 %",
                Icon::Normal,
            ),
            (
                42,
                100,
                Some(5),
                "$12.34 today, catching up 42 %",
                Icon::CatchingUp,
            ),
            (
                100,
                100,
                None,
                "$12.34 today, catching up 99 %",
                Icon::Normal,
            ),
        ] {
            let mut update = update();
            update.status.phase = Phase::CatchingUp(Progress {
                bytes_done,
                bytes_total,
                eta_seconds,
                ..Progress::default()
            });
            let view = TrayView::from(&update);
            assert_eq!((view.row(Row::Today), view.icon), (Some(row), icon));
        }
    }

    #[test]
    fn alerts_and_serious_problems_have_rows_of_their_own() {
        let problem = |serious, message: &str| Problem {
            code: "config".into(),
            message: message.into(),
            hint: "fix it".into(),
            serious,
        };
        let mut update = update();
        update.status.problems = vec![
            problem(false, "one broken line"),
            problem(true, "the disk is full"),
        ];
        assert_eq!(TrayView::from(&update).icon, Icon::Problem);
        assert_eq!(rows(&update)[1], "Problem: the disk is full");

        update.open_alert = Some(Alert {
            rule: "spike".into(),
            at: NOW,
            ended: None,
            title: "$9.00 this hour".into(),
            body: "usually $1.00".into(),
            amount: NanoUsd::dollars(9),
        });
        assert_eq!(TrayView::from(&update).icon, Icon::Alert);
        assert_eq!(
            rows(&update)[1..3],
            ["Alert: $9.00 this hour", "Problem: the disk is full"]
        );
    }

    #[test]
    fn a_pause_says_when_it_ends() {
        for (until, row) in [
            (None, None),
            (
                Some(NOW.plus(3_600_000)),
                Some("Notifications paused until 15:03"),
            ),
            (
                Some(NOW.plus(12 * 3_600_000)),
                Some("Notifications paused until tomorrow"),
            ),
        ] {
            let mut update = update();
            update.paused_until = until;
            assert_eq!(TrayView::from(&update).row(Row::Paused), row);
        }
    }

    #[test]
    fn long_names_are_cut_where_a_character_ends() {
        let mut update = update();
        update.summary.as_mut().expect("figures").models = vec![model(&"é".repeat(200), 1, 0)];
        update.status.problems = vec![Problem {
            code: String::new(),
            message: "😀".repeat(100),
            hint: String::new(),
            serious: true,
        }];
        let view = TrayView::from(&update);
        assert_eq!(
            view.row(Row::FirstModel),
            Some(format!("{}…", "é".repeat(ROW_CHARS)).as_str())
        );
        let units = view.tooltip.encode_utf16().count();
        assert!(
            (TOOLTIP_UNITS - 1..=TOOLTIP_UNITS).contains(&units),
            "{units} units"
        );
        assert!(
            view.tooltip.starts_with("$12.34 today\n"),
            "{}",
            view.tooltip
        );
    }

    #[test]
    fn only_the_time_of_update_is_no_news() {
        let (one, mut other) = (update(), update());
        other.summary.as_mut().expect("figures").as_of = NOW.plus(60_000);
        assert!(TrayView::from(&one).tells_the_same(&TrayView::from(&other)));
        other.summary.as_mut().expect("figures").week.cost = NanoUsd(1);
        assert!(!TrayView::from(&one).tells_the_same(&TrayView::from(&other)));
    }
}
