//! What the tray shows, as plain data: a pure function of the engine's [`Update`].

use clawspend_core::{
    api::{GatewayStatus, Phase, Progress},
    config::TrayText,
    engine::Update,
    ledger::quotas::KeptQuota,
    money::NanoUsd,
    summary::{Amount, Summary},
    time::UnixMillis,
};
use jiff::tz::TimeZone;

/// Longest tooltip in UTF-16 units: Windows keeps 128 with their end mark.
const TOOLTIP_UNITS: usize = 120;
/// Longest menu row in characters.
const ROW_CHARS: usize = 80;
/// The same for rows of which nothing may be missing, such as a command to be typed.
const WHOLE_ROW_CHARS: usize = 160;
/// A quota that was told of longer ago than this says since when.
const QUOTA_FRESH_MILLIS: i64 = 30 * 60_000;
/// The same for a gateway's own totals.
const TOTALS_FRESH_MILLIS: i64 = 15 * 60_000;

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
    Quota,
    FirstGateway,
    SecondGateway,
    ThirdGateway,
    MoreGateways,
    Updated,
    Paused,
}

impl Row {
    /// All rows, top to bottom.
    pub(crate) const ALL: [Self; 15] = [
        Self::Today,
        Self::Alert,
        Self::Problem,
        Self::Week,
        Self::Month,
        Self::FirstModel,
        Self::SecondModel,
        Self::ThirdModel,
        Self::Quota,
        Self::FirstGateway,
        Self::SecondGateway,
        Self::ThirdGateway,
        Self::MoreGateways,
        Self::Updated,
        Self::Paused,
    ];
    const MODELS: [Self; 3] = [Self::FirstModel, Self::SecondModel, Self::ThirdModel];
    const GATEWAYS: [Self; 3] = [Self::FirstGateway, Self::SecondGateway, Self::ThirdGateway];

    /// Opens the dashboard, which tells more; the others are only to be read.
    pub(crate) const fn opens_dashboard(self) -> bool {
        matches!(
            self,
            Self::Alert
                | Self::Problem
                | Self::FirstGateway
                | Self::SecondGateway
                | Self::ThirdGateway
                | Self::MoreGateways
        )
    }

    const fn most_chars(self) -> usize {
        match self {
            Self::Quota | Self::FirstGateway | Self::SecondGateway | Self::ThirdGateway => {
                WHOLE_ROW_CHARS
            }
            _ => ROW_CHARS,
        }
    }
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
        let now = Now::of(summary);
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
        let updated = format!("Updated {}", now.clock(now.at));
        self.set(Row::Updated, &updated);
    }

    /// Those that need somebody first. `now` is not known without figures.
    fn set_gateways(&mut self, gateways: &[GatewayStatus], now: Option<&Now>) {
        let mut gateways: Vec<_> = gateways.iter().collect();
        gateways.sort_by_key(|gateway| !gateway.needs_user);
        for (row, gateway) in Row::GATEWAYS.into_iter().zip(&gateways) {
            self.set(row, &gateway_row(gateway, now));
        }
        let more = gateways.len().saturating_sub(Row::GATEWAYS.len());
        if more > 0 {
            self.set(
                Row::MoreGateways,
                &format!("and {more} more in the dashboard"),
            );
        }
    }

    fn set(&mut self, row: Row, text: &str) {
        self.rows[row as usize] = Some(one_line(text, row.most_chars()));
    }
}

impl From<&Update> for TrayView {
    fn from(update: &Update) -> Self {
        let Update {
            summary,
            status,
            open_alert,
            paused_until,
            quota,
            config,
            ..
        } = update;
        let now = summary.as_ref().map(Now::of);
        let problem = status.problems.iter().find(|problem| problem.serious);
        let mut view = Self {
            icon: match status.phase {
                _ if open_alert.is_some() => Icon::Alert,
                _ if problem.is_some()
                    || status.gateways.iter().any(|gateway| gateway.needs_user) =>
                {
                    Icon::Problem
                }
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
        view.set_gateways(&status.gateways, now.as_ref());
        if let (Some(quota), Some(now)) = (quota, &now)
            && !quota.is_over(now.at)
        {
            view.set(Row::Quota, &quota_row(quota, now));
        }
        if let (Some(until), Some(now)) = (*paused_until, &now) {
            let until = if now.is_today(until) {
                now.clock(until)
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

fn gateway_row(gateway: &GatewayStatus, now: Option<&Now>) -> String {
    let GatewayStatus { name, brief, .. } = gateway;
    let mut row = format!("{name}: {brief}");
    if let Some(command) = &gateway.command {
        row += &format!(", run: {command}");
    }
    // While connected they are told anew every few minutes.
    if let (Some(told_at), Some(now)) = (gateway.told_at, now)
        && (gateway.state != "connected" || told_at.plus(TOTALS_FRESH_MILLIS) < now.at)
    {
        row += &format!(", totals as of {}", now.date_and_clock(told_at));
    }
    row
}

fn quota_row(quota: &KeptQuota, now: &Now) -> String {
    let plan = quota.plan.as_ref().map(|plan| format!("({plan})"));
    let words = [
        quota.title.as_str(),
        plan.as_deref().unwrap_or_default(),
        &quota.label,
        &quota.group,
        "quota",
    ];
    let words: Vec<_> = words.into_iter().filter(|word| !word.is_empty()).collect();
    let mut row = format!(
        "{} {} % used",
        words.join(" "),
        quota.used_milli_percent / 1_000
    );
    if quota.until.plus(QUOTA_FRESH_MILLIS) < now.at {
        row += &format!(" as of {}", now.date_and_clock(quota.until));
    }
    if let Some(at) = quota.reset_at {
        row += &format!(", resets {}", now.date_and_clock(at));
    }
    row
}

/// The time of the figures, where the user is.
struct Now {
    at: UnixMillis,
    zone: TimeZone,
}

impl Now {
    fn of(summary: &Summary) -> Self {
        Self {
            at: summary.as_of,
            zone: TimeZone::get(&summary.timezone).unwrap_or(TimeZone::UTC),
        }
    }

    fn is_today(&self, at: UnixMillis) -> bool {
        at.day(&self.zone) == self.at.day(&self.zone)
    }

    fn clock(&self, at: UnixMillis) -> String {
        self.write(at, "%H:%M")
    }

    /// The date only where it is not today's.
    fn date_and_clock(&self, at: UnixMillis) -> String {
        let form = if self.is_today(at) {
            "%H:%M"
        } else {
            "%Y-%m-%d %H:%M"
        };
        self.write(at, form)
    }

    fn write(&self, at: UnixMillis, form: &str) -> String {
        let at = at.timestamp().to_zoned(self.zone.clone());
        at.strftime(form).to_string()
    }
}

/// Names out of logs may hold anything; a menu row holds one line.
fn one_line(text: &str, most_chars: usize) -> String {
    let line: String = text
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    match line.char_indices().nth(most_chars) {
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
        gateway::{Address, Failure, Gateway, Origin, State, Unauthorized},
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

    /// How things stand with a gateway of the config, as the engine tells it.
    fn gateway(name: &str, state: &State) -> GatewayStatus {
        known(Origin::Config, name, state)
    }

    fn known(origin: Origin, name: &str, state: &State) -> GatewayStatus {
        let gateway = Gateway {
            name: name.into(),
            address: Address::parse("wss://claw.example.org").expect("an address"),
            pin: None,
            default: false,
            timeout: 10_000,
            origin,
        };
        let zone = TimeZone::get("Europe/Berlin").expect("a zone");
        GatewayStatus::new(&gateway, state, None, NOW, &zone)
    }

    fn connected() -> State {
        State::Connected {
            server_version: "2026.9.6".into(),
            protocol: 4,
            scopes: vec!["operator.read".into()],
            paired: true,
            live: true,
        }
    }

    fn waiting(request: Option<&str>) -> State {
        State::PairingRequired {
            request: request.map(str::to_owned),
            again: false,
        }
    }

    fn offline(since: UnixMillis) -> State {
        State::Unreachable {
            since,
            why: Failure::Refused,
        }
    }

    const WRONG_TOKEN: State = State::Unauthorized {
        why: Unauthorized::TokenWrong,
    };

    #[test]
    fn each_state_of_a_gateway_is_told_in_words() {
        let mismatch = |expected| State::VersionMismatch { expected };
        for (state, row, icon) in [
            (State::Connecting, "home: connecting", Icon::Normal),
            (connected(), "home: connected", Icon::Normal),
            (
                waiting(Some("1ab96fea-41d7-4b0e-9a3c-5d2e88aa3101")),
                "home: waiting for approval, run: openclaw devices approve 1ab96fea-41d7-4b0e-9a3c-5d2e88aa3101",
                Icon::Problem,
            ),
            (
                waiting(None),
                "home: waiting for approval, run: openclaw devices list",
                Icon::Problem,
            ),
            (WRONG_TOKEN, "home: wrong token", Icon::Problem),
            (
                State::LockedOut {
                    until: NOW.plus(300_000),
                },
                "home: locked out until 14:08",
                Icon::Normal,
            ),
            (mismatch(Some(2)), "home: version too old", Icon::Problem),
            (
                mismatch(Some(9)),
                "home: this Clawspend is too old for it",
                Icon::Problem,
            ),
            (offline(NOW), "home: offline since 14:03", Icon::Normal),
            (
                offline(NOW.plus(-86_400_000)),
                "home: offline since 2026-11-19 14:03",
                Icon::Normal,
            ),
            (
                State::NotAGateway {
                    why: Failure::Http { status: 200 },
                },
                "home: not a gateway",
                Icon::Problem,
            ),
        ] {
            let mut update = update();
            let plain = TrayView::from(&update);
            update.status.gateways = vec![gateway("home", &state)];
            let view = TrayView::from(&update);
            assert_eq!((view.row(Row::FirstGateway), view.icon), (Some(row), icon));
            assert_eq!(view.tooltip, plain.tooltip);
            assert!(!view.tells_the_same(&plain));
        }
    }

    #[test]
    fn three_gateways_have_rows_and_those_that_need_somebody_come_first() {
        let mut update = update();
        update.status.gateways = vec![
            gateway("home", &connected()),
            gateway("office", &offline(NOW)),
            gateway("lab", &WRONG_TOKEN),
            gateway("attic", &connected()),
            gateway("cellar", &waiting(None)),
        ];
        assert_eq!(
            rows(&update)[3..],
            [
                "claude-sonnet-5 $10.00",
                "a b $2.34",
                "lab: wrong token",
                "cellar: waiting for approval, run: openclaw devices list",
                "home: connected",
                "and 2 more in the dashboard",
                "Updated 14:03",
            ]
        );
    }

    #[test]
    fn a_gateway_that_was_only_found_is_no_problem() {
        for (state, row) in [
            (offline(NOW), "local: offline since 14:03"),
            (WRONG_TOKEN, "local: wrong token"),
        ] {
            let mut update = update();
            update.status.gateways = vec![known(Origin::Local, "local", &state)];
            let view = TrayView::from(&update);
            assert_eq!(
                (view.row(Row::FirstGateway), view.icon),
                (Some(row), Icon::Normal)
            );
        }
    }

    #[test]
    fn totals_that_may_be_old_say_of_when_they_are() {
        for (state, told_at, row) in [
            (connected(), NOW.plus(-900_000), "home: connected"),
            (
                connected(),
                NOW.plus(-900_001),
                "home: connected, totals as of 13:47",
            ),
            (
                offline(NOW),
                NOW.plus(-300_000),
                "home: offline since 14:03, totals as of 13:58",
            ),
            (
                WRONG_TOKEN,
                NOW.plus(-86_400_000),
                "home: wrong token, totals as of 2026-11-19 14:03",
            ),
        ] {
            let mut update = update();
            let mut gateway = gateway("home", &state);
            gateway.told_at = Some(told_at);
            update.status.gateways = vec![gateway];
            let view = TrayView::from(&update);
            assert_eq!(view.row(Row::FirstGateway), Some(row));
            // In whose times, nobody knows without figures.
            update.summary = None;
            let brief = row.split(", totals").next();
            assert_eq!(TrayView::from(&update).row(Row::FirstGateway), brief);
        }
    }

    #[test]
    fn no_gateways_name_costs_its_command_a_character() {
        let name = "a".repeat(40);
        let mut update = update();
        update.status.gateways = vec![gateway(
            &name,
            &waiting(Some("1ab96fea-41d7-4b0e-9a3c-5d2e88aa3101")),
        )];
        let view = TrayView::from(&update);
        let row = format!(
            "{name}: waiting for approval, run: openclaw devices approve 1ab96fea-41d7-4b0e-9a3c-5d2e88aa3101"
        );
        assert_eq!(view.row(Row::FirstGateway), Some(row.as_str()));
    }

    #[test]
    fn the_fullest_quota_says_how_full_it_is_and_until_when() {
        const HOUR: i64 = 3_600_000;
        let quota = KeptQuota {
            gateway: "home".into(),
            provider: "anthropic".into(),
            title: "Claude".into(),
            plan: None,
            label: "5h".into(),
            group: String::new(),
            used_milli_percent: 73_999,
            reset_at: Some(NOW.plus(2 * HOUR)),
            since: NOW,
            until: NOW,
        };
        let changed = |change: fn(&mut KeptQuota)| {
            let mut quota = quota.clone();
            change(&mut quota);
            quota
        };
        for (quota, row) in [
            (
                quota.clone(),
                Some("Claude 5h quota 73 % used, resets 16:03"),
            ),
            (
                changed(|quota| {
                    quota.plan = Some("Max".into());
                    quota.label = "Week".into();
                    quota.group = "Opus".into();
                    quota.used_milli_percent = 100_000;
                    quota.reset_at = Some(NOW.plus(48 * HOUR));
                }),
                Some("Claude (Max) Week Opus quota 100 % used, resets 2026-11-22 14:03"),
            ),
            (
                changed(|quota| quota.reset_at = None),
                Some("Claude 5h quota 73 % used"),
            ),
            (
                changed(|quota| quota.until = NOW.plus(-HOUR)),
                Some("Claude 5h quota 73 % used as of 13:03, resets 16:03"),
            ),
            (changed(|quota| quota.reset_at = Some(NOW)), None),
        ] {
            let mut update = update();
            update.quota = Some(quota);
            update.status.gateways = vec![gateway("home", &connected())];
            let view = TrayView::from(&update);
            assert_eq!((view.row(Row::Quota), view.icon), (row, Icon::Normal));
            let after_the_models = row.into_iter().chain(["home: connected", "Updated 14:03"]);
            let told = rows(&update);
            assert_eq!(told[5..], after_the_models.collect::<Vec<_>>());
        }
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
