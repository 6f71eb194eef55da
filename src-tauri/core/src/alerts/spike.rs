//! The last hour cost far more than usual.
//!
//! **What it is compared with.** The hours that end at the same local time on the last 14 days, those without
//! any spend left out: the question is not whether the user works now but whether this hour of work costs
//! more than such an hour does. With the idle hours in, one evening at the desk would be "infinitely" above
//! a usual of nothing. Where fewer than five such hours exist (a night shift, irregular hours, the first
//! week) all hours with spend of those days stand in: at an odd time, the user's ordinary pace is no news
//! and a runaway agent still is. With fewer than three days of those, nothing is usual yet and the rule
//! is silent; the budget needs no history. Today is never part of its own measure, or a slow leak would
//! raise the bar it should be held to. Fourteen days follow a change of habits within one week, yet hold
//! ten working days.
//!
//! **How far above is far.** Three conditions, all required, since each alone nags somebody:
//! - *ratio*: without it, a heavy user's ordinary swing is dollars wide;
//! - *floor*: without it, ten cents after a week of cents is "ten times the usual";
//! - *deviation*: without it, whoever alternates between light and heavy hours hears of every heavy one.
//!
//! The median and the median absolute deviation (MAD) are used because one runaway hour last week must
//! neither hide the next nor count as usual. Spend is skewed, with a long tail upwards, so the deviation is
//! taken from the dearer half of the hours only; the whole sample's would be too small. Times 1.4826 it
//! estimates a standard deviation. Where all hours are equal it is zero and ratio and floor decide.
//!
//! **When it is over.** The line for the end lies halfway between usual and spike, and only a whole hour
//! without a look above it ends the episode. As an hour is also what is measured, no dollar is ever told
//! of twice, however the burn swings around the line.

use super::{Episode, Rule, Situation, body};
use crate::{
    config::SpikeConfig,
    money::NanoUsd,
    time::{Slot, UnixMillis, add_days, day_start},
};
use jiff::tz::TimeZone;
use std::{collections::HashMap, ops::Range};

const PAST_DAYS: i64 = 14;
const ENOUGH_SAME_HOURS: usize = 5;
const ENOUGH_DAYS: usize = 3;
const SLOTS_PER_HOUR: i64 = 4;
const HOUR_MILLIS: i64 = 60 * 60 * 1000;
/// `last_high` is not stored more often than this.
const NOTED_EVERY_MILLIS: i64 = 60 * 1000;

/// The last hour and the hours it is compared with.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct HourBurn {
    /// Spent in the last hour: this quarter-hour so far and the three before it.
    pub spent: NanoUsd,
    /// The hours ending at the same local time on the past days, as far as anything was spent in them.
    pub same_hours: Vec<NanoUsd>,
    /// All clock hours of the past days in which anything was spent.
    pub busy_hours: Vec<NanoUsd>,
    /// How many days those came from.
    pub busy_days: usize,
}

impl HourBurn {
    /// The slots [`measure`](Self::measure) needs to see.
    #[must_use]
    pub fn slots(now: UnixMillis, zone: &TimeZone) -> Range<i64> {
        let first = day_start(add_days(now.day(zone), -PAST_DAYS), zone)
            .slot()
            .0;
        first - SLOTS_PER_HOUR..now.slot().0 + 1
    }

    /// Measures it on what was spent in which slot; a slot may occur many times or not at all.
    #[must_use]
    pub fn measure(now: UnixMillis, zone: &TimeZone, slots: &[(Slot, NanoUsd)]) -> Self {
        let mut spent: HashMap<i64, NanoUsd> = HashMap::new();
        for (slot, amount) in slots {
            *spent.entry(slot.0).or_default() += *amount;
        }
        let hour_from = |first: i64| -> NanoUsd {
            (first..first + SLOTS_PER_HOUR)
                .filter_map(|slot| spent.get(&slot).copied())
                .sum()
        };
        let hour_until = |last: Slot| hour_from(last.0 - SLOTS_PER_HOUR + 1);
        let mut burn = Self {
            spent: hour_until(now.slot()),
            ..Self::default()
        };

        let local = zone.to_datetime(now.timestamp());
        for days in 1..=PAST_DAYS {
            let day = add_days(local.date(), -days);
            if let Ok(then) = day.to_datetime(local.time()).to_zoned(zone.clone()) {
                burn.same_hours.push(hour_until(
                    UnixMillis(then.timestamp().as_millisecond()).slot(),
                ));
            }
            let day_slots =
                day_start(day, zone).slot().0..day_start(add_days(day, 1), zone).slot().0;
            let before = burn.busy_hours.len();
            let hours = day_slots.step_by(SLOTS_PER_HOUR as usize).map(hour_from);
            burn.busy_hours
                .extend(hours.filter(|hour| *hour > NanoUsd::ZERO));
            burn.busy_days += usize::from(burn.busy_hours.len() > before);
        }
        burn.same_hours.retain(|hour| *hour > NanoUsd::ZERO);
        burn
    }

    /// The hours to compare with, and what they are called; `None` while nothing is usual yet.
    fn yardstick(&self) -> Option<(&[NanoUsd], &'static str)> {
        if self.same_hours.len() >= ENOUGH_SAME_HOURS {
            Some((&self.same_hours, "Usual at this time"))
        } else if self.busy_days >= ENOUGH_DAYS {
            Some((&self.busy_hours, "Usual in a busy hour"))
        } else {
            None
        }
    }
}

/// What is usual, and from where on it is a spike.
#[derive(Debug, PartialEq, Eq)]
struct Lines {
    usual: NanoUsd,
    spike: NanoUsd,
}

impl Lines {
    fn of(hours: &[NanoUsd], rule: SpikeConfig) -> Option<Self> {
        let mut sorted = hours.to_vec();
        sorted.sort_unstable();
        let usual = median(&sorted)?;
        // By rank, so that many hours equal to the median do not hide the dear ones.
        let above: Vec<NanoUsd> = sorted[sorted.len() / 2..]
            .iter()
            .map(|hour| *hour - usual)
            .collect();
        let deviation = times(median(&above)?, 14_826, 10_000);
        let spike = times(usual, rule.ratio_milli, 1_000)
            .max(usual + rule.floor)
            .max(usual + times(deviation, rule.deviations_milli, 1_000));
        Some(Self { usual, spike })
    }

    /// Below it, a spike is dying down.
    fn calm(&self) -> NanoUsd {
        self.usual + NanoUsd((self.spike - self.usual).0 / 2)
    }
}

/// Carries on or ends the open spike in `episodes`; returns one that has just begun.
pub(super) fn step(
    situation: &Situation,
    rule: Option<SpikeConfig>,
    episodes: &mut [Episode],
) -> Option<Episode> {
    let (now, spent) = (situation.now, situation.hour.spent);
    let yardstick = situation.hour.yardstick();
    let lines = rule.and_then(|rule| Lines::of(yardstick?.0, rule));
    for episode in &mut *episodes {
        let Rule::Spike { last_high } = &mut episode.rule else {
            continue;
        };
        if episode.ended.is_some() {
            continue;
        }
        // Where the clock was set back, the hour is counted anew.
        *last_high = now.min(*last_high);
        let quiet_millis = now.0.saturating_sub(last_high.0);
        if rule.is_none() {
            episode.end(now);
        } else if quiet_millis >= HOUR_MILLIS {
            let at = *last_high;
            episode.end(at);
        } else if quiet_millis >= NOTED_EVERY_MILLIS
            && lines.as_ref().is_some_and(|lines| spent >= lines.calm())
        {
            *last_high = now;
        }
    }

    let lines = lines.filter(|lines| spent >= lines.spike)?;
    if episodes.iter().any(|episode| covers(episode, now)) {
        return None;
    }
    let usual = lines.usual.display();
    Some(Episode::begin(
        Rule::Spike { last_high: now },
        now,
        spent,
        format!(
            "{} in the last hour, {} the usual {usual}",
            spent.display(),
            how_many_times(spent, lines.usual)
        ),
        body(
            yardstick.map(|(_, name)| format!("{name}: {usual}.")),
            &situation.hour_top,
        ),
    ))
}

/// Whether the spike `episode` has told of the money spent in the hour before `now` already.
fn covers(episode: &Episode, now: UnixMillis) -> bool {
    matches!(episode.rule, Rule::Spike { .. })
        && match episode.ended {
            None => true,
            Some(ended) => (episode.began.0..ended.0.saturating_add(HOUR_MILLIS)).contains(&now.0),
        }
}

/// The middle one of sorted amounts, or the mean of the middle two.
fn median(sorted: &[NanoUsd]) -> Option<NanoUsd> {
    let upper = sorted.get(sorted.len() / 2)?;
    let lower = sorted[(sorted.len() - 1) / 2];
    Some(NanoUsd(lower.0.midpoint(upper.0)))
}

/// `amount` times `numerator / denominator`, rounded down.
fn times(amount: NanoUsd, numerator: i64, denominator: i64) -> NanoUsd {
    let product = i128::from(amount.0) * i128::from(numerator) / i128::from(denominator);
    NanoUsd(i64::try_from(product).unwrap_or(i64::MAX))
}

/// "4×", "3.5×", of the amounts as they are shown; beyond a hundred the number says nothing any more.
fn how_many_times(spent: NanoUsd, usual: NanoUsd) -> String {
    let [spent, usual] = [spent, usual].map(|amount| i128::from(amount.shown().0));
    let usual = usual.max(1);
    let tenths = (spent * 10 + usual / 2) / usual;
    match tenths {
        1000.. => "far above".to_owned(),
        100.. => format!("{}×", (spent + usual / 2) / usual),
        _ if tenths % 10 == 0 => format!("{}×", tenths / 10),
        _ => format!("{}.{}×", tenths / 10, tenths % 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    const RULE: SpikeConfig = SpikeConfig {
        ratio_milli: 3_000,
        floor: NanoUsd::dollars(2),
        deviations_milli: 4_000,
    };

    fn usd(text: &str) -> NanoUsd {
        NanoUsd::parse_decimal(text).expect("an amount")
    }

    fn amounts(texts: &[&str]) -> Vec<NanoUsd> {
        texts.iter().map(|text| usd(text)).collect()
    }

    #[test]
    fn the_ratio_is_that_of_the_amounts_beside_it() {
        for (spent, usual, expected) in [
            ("0.0033", "0.0011", "2×"),
            ("12.50", "2.50", "5×"),
            ("0.014", "0.0100001", "1×"),
            ("17.5", "5", "3.5×"),
            ("300", "5", "60×"),
            ("6000", "5", "far above"),
            ("6000", "0", "far above"),
        ] {
            let (spent, usual) = (usd(spent), usd(usual));
            assert_eq!(
                how_many_times(spent, usual),
                expected,
                "{} {}",
                spent.display(),
                usual.display()
            );
        }
    }

    #[test]
    fn the_dearest_of_three_conditions_draws_the_line() {
        for (case, hours, usual, spike) in [
            (
                "the ratio, where hours are alike",
                &["5", "5", "5", "5", "5"][..],
                "5",
                "15",
            ),
            (
                "the floor, where they are cheap",
                &["0.01", "0.01", "0.02", "0.01", "0.01"],
                "0.01",
                "2.01",
            ),
            // The hours above the median lie 0, 3 and 6 above it.
            (
                "the deviation, where they differ",
                &["1", "2", "4", "7", "10"],
                "4",
                "21.7912",
            ),
            (
                "the mean of the middle two",
                &["1", "2", "4", "8"],
                "3",
                "20.7912",
            ),
            (
                "hours equal to the median do not hide the dear ones",
                &["5", "1", "4", "1", "1"],
                "1",
                "18.7912",
            ),
            (
                "one runaway hour changes nothing",
                &["1", "1", "1", "1", "400"],
                "1",
                "3",
            ),
        ] {
            let expected = Lines {
                usual: usd(usual),
                spike: usd(spike),
            };
            assert_eq!(Lines::of(&amounts(hours), RULE), Some(expected), "{case}");
        }
        assert_eq!(Lines::of(&[], RULE), None);
    }

    #[test]
    fn ratios_are_shown_for_people() {
        for (spent, usual, text) in [
            ("8.20", "2.05", "4×"),
            ("7", "2", "3.5×"),
            ("7.99", "2", "4×"),
            ("12.4", "1", "12×"),
            ("99.94", "1", "100×"),
            ("100", "1", "far above"),
            ("5", "0.000000001", "far above"),
        ] {
            assert_eq!(
                how_many_times(usd(spent), usd(usual)),
                text,
                "{spent} / {usual}"
            );
        }
    }

    #[test]
    fn an_hour_is_measured_against_the_same_hours_of_the_past_days() {
        let zone = TimeZone::get("Europe/Berlin").expect("a zone of the IANA database");
        let at = |day, hour, minute| {
            let then = date(2026, 10, day)
                .at(hour, minute, 0, 0)
                .to_zoned(zone.clone())
                .expect("a time");
            UnixMillis(then.timestamp().as_millisecond())
        };
        let now = at(27, 10, 50);
        let slots: Vec<(Slot, NanoUsd)> = [
            (at(27, 9, 59), "64"), // just before the hour
            (at(27, 10, 0), "1"),
            (at(27, 10, 49), "1.5"),
            (at(27, 10, 49), "0.5"),
            (at(26, 10, 59), "4"), // later in the same quarter
            (at(26, 11, 0), "8"),
            (at(24, 10, 15), "16"), // the clocks changed on the 25th
            (at(13, 10, 30), "32"),
            (at(12, 10, 30), "128"), // too long ago
        ]
        .map(|(at, amount)| (at.slot(), usd(amount)))
        .to_vec();
        let range = HourBurn::slots(now, &zone);
        assert_eq!(range, at(13, 0, 0).slot().0 - 4..now.slot().0 + 1);
        assert_eq!(
            HourBurn::measure(now, &zone, &slots),
            HourBurn {
                spent: usd("3"),
                same_hours: amounts(&["4", "16", "32"]),
                busy_hours: amounts(&["4", "8", "16", "32"]),
                busy_days: 3,
            }
        );
    }

    #[test]
    fn what_is_usual_needs_enough_hours_or_days() {
        for (same, busy_days, expected) in [
            (0, 0, None),
            (4, 2, None),
            (4, 3, Some("Usual in a busy hour")),
            (0, 9, Some("Usual in a busy hour")),
            (5, 0, Some("Usual at this time")),
        ] {
            let burn = HourBurn {
                same_hours: vec![usd("1"); same],
                busy_days,
                ..HourBurn::default()
            };
            assert_eq!(
                burn.yardstick().map(|(_, name)| name),
                expected,
                "{same} hours, {busy_days} days"
            );
        }
    }
}
