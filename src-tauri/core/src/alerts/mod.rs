//! When to speak up. Pure: what is spent and what was told before go in, what to tell now comes out.
//!
//! | file | holds |
//! |---|---|
//! | `budget.rs` | today's spend reached the daily budget |
//! | `spike.rs` | the last hour cost far more than usual, and what "usual" is |
//! | `episode.rs` | [`Episode`]: one continuous alert, told once |
//!
//! An alert that cries wolf is switched off, and then it is of no use on the one night it matters. Hence:
//! each rule tells once per [`Episode`]; episodes are kept in the ledger, so a restart repeats nothing; and
//! where there is too little history to say what is usual, only the budget speaks, which needs none.

mod budget;
mod episode;
mod spike;

pub use episode::{Episode, Rule};
pub use spike::HourBurn;

use crate::{api::Alert, config::Config, money::NanoUsd, time::UnixMillis};
use jiff::civil::Date;

/// How long an ended episode is remembered: a week.
const KEPT_MILLIS: i64 = 7 * 24 * 60 * 60 * 1000;

/// What the rules look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Situation {
    /// The present.
    pub now: UnixMillis,
    /// The user's local day.
    pub day: Date,
    /// Spent on it.
    pub today: NanoUsd,
    /// Median of the days before; `None` while there are too few.
    pub usual_day: Option<NanoUsd>,
    /// What cost most today.
    pub today_top: Top,
    /// The last hour and the hours it is compared with.
    pub hour: HourBurn,
    /// What cost most in the last hour.
    pub hour_top: Top,
}

/// What cost most in some time: a label and its amount.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Top {
    /// The dearest session, as [`session_label`] puts it.
    pub session: Option<(String, NanoUsd)>,
    /// The dearest model.
    pub model: Option<(String, NanoUsd)>,
}

/// What a look at a [`Situation`] came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The episodes passed in, in their new state, and those that have just begun; to be stored in place
    /// of the old. Those that ended over a week ago are left out.
    pub episodes: Vec<Episode>,
    /// Alerts to tell now, whether or not notifications are paused or off: that is the caller's to know.
    pub fired: Vec<Alert>,
}

impl Outcome {
    /// The alerts that began, ended or go on again since the episodes were `before`.
    #[must_use]
    pub fn changed(&self, before: &[Episode]) -> Vec<Alert> {
        let now = self.episodes.iter().map(Episode::alert);
        let before: Vec<Alert> = before.iter().map(Episode::alert).collect();
        now.filter(|alert| !before.contains(alert)).collect()
    }

    /// The newest episode that goes on.
    #[must_use]
    pub fn open_alert(&self) -> Option<Alert> {
        let open = self
            .episodes
            .iter()
            .filter(|episode| episode.ended.is_none());
        open.max_by_key(|episode| episode.began).map(Episode::alert)
    }
}

/// Applies every rule. `before` is what the last call returned, ended episodes included: they are what keeps
/// a restart or a clock set back from telling the same thing twice.
#[must_use]
pub fn evaluate(situation: &Situation, config: &Config, before: &[Episode]) -> Outcome {
    let kept = |episode: &&Episode| {
        episode
            .ended
            .is_none_or(|ended| ended.plus(KEPT_MILLIS) > situation.now)
    };
    let mut episodes: Vec<Episode> = before.iter().filter(kept).cloned().collect();
    let begun: Vec<Episode> = [
        budget::step(situation, config.daily_budget, &mut episodes),
        spike::step(situation, config.spike, &mut episodes),
    ]
    .into_iter()
    .flatten()
    .collect();
    let fired = begun.iter().map(Episode::alert).collect();
    episodes.extend(begun);
    Outcome { episodes, fired }
}

/// What people know a session by: its project's folder and the beginning of its id, "clawspend 3f2a91c0".
#[must_use]
pub fn session_label(project: &str, session: &str) -> String {
    let folder = project
        .rsplit(['/', '\\'])
        .find(|part| !part.is_empty())
        .unwrap_or_default();
    let id: String = session.chars().take(8).collect();
    [plain(folder), plain(&id)]
        .into_iter()
        .filter(|part| !part.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

/// The sentences of a notification's body.
fn body(usual: Option<String>, top: &Top) -> String {
    let named = |what, entry: &Option<(String, NanoUsd)>| {
        let (name, amount) = entry
            .as_ref()
            .filter(|(_, amount)| *amount > NanoUsd::ZERO)?;
        Some(format!("{what}: {}, {}.", plain(name), amount.display()))
    };
    let sentences = [
        usual,
        named("Top session", &top.session),
        named("Top model", &top.model),
    ];
    sentences
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" ")
}

/// A name from a log, fit for one line: no control characters, at most 48 characters.
fn plain(name: &str) -> String {
    let mut visible = name.chars().filter(|character| !character.is_control());
    let mut short: String = visible.by_ref().take(48).collect();
    if visible.next().is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
