//! Today's spend reached the daily budget: told once per local day and height of the budget.
//!
//! What was told is the highest budget whose crossing the user has heard of today. Raising the budget
//! above it arms the rule again; lowering it, or switching the rule off and on, repeats nothing.

use super::{Episode, Rule, Situation, body};
use crate::money::NanoUsd;

/// Ends and reopens the budget episodes in `episodes`; returns one that has just begun.
pub(super) fn step(
    situation: &Situation,
    budget: Option<NanoUsd>,
    episodes: &mut [Episode],
) -> Option<Episode> {
    let reached = budget.filter(|budget| situation.today >= *budget);
    let told = episodes
        .iter()
        .filter_map(|episode| limit_today(episode, situation))
        .max();
    let news = reached.filter(|budget| told.is_none_or(|told| told < *budget));

    for episode in episodes
        .iter_mut()
        .filter(|episode| matches!(episode.rule, Rule::Budget { .. }))
    {
        let speaks_for_today =
            limit_today(episode, situation).is_some_and(|limit| Some(limit) == told);
        if reached.is_some() && news.is_none() && speaks_for_today {
            episode.ended = None;
        } else {
            episode.end(situation.now);
        }
    }

    let limit = news?;
    Some(Episode::begin(
        Rule::Budget {
            day: situation.day,
            limit,
        },
        situation.now,
        situation.today,
        format!(
            "{} today: daily budget of {} crossed",
            situation.today.display(),
            limit.display()
        ),
        body(
            situation
                .usual_day
                .map(|usual| format!("Usual day: {}.", usual.display())),
            &situation.today_top,
        ),
    ))
}

fn limit_today(episode: &Episode, situation: &Situation) -> Option<NanoUsd> {
    match episode.rule {
        Rule::Budget { day, limit } if day == situation.day => Some(limit),
        _ => None,
    }
}
