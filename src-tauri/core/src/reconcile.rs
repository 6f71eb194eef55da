//! Why a gateway's own total of a day is another than ours. Pure.
//!
//! From our sum to the gateway's there is one step for each cause, so the amounts add up to the difference whatever
//! the figures are; what no step accounts for is said to be unexplained.

use crate::{
    gateway::remote::{Figures, RemoteModel},
    ledger::remote_days::KeptDay,
    money::NanoUsd,
    time::UnixMillis,
};
use jiff::{civil::Date, tz::TimeZone};
use serde::Serialize;
use std::collections::BTreeMap;

/// Why a gateway's own total is another than ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Its figures are of another zone's day.
    OtherZone,
    /// Responses made after its figures were computed.
    NotFresh,
    /// Responses that no log tells of any more; the ledger keeps them.
    DeletedSessions,
    /// A fork copies what was said before into the new session, and so may a rewind; the gateway counts each copy.
    ForkedCopies,
    /// It knows no price for responses that have one here.
    PriceMissingThere,
    /// It knows a price for responses that have none here.
    PriceMissingHere,
    /// The same responses at another price.
    OtherPrices,
    /// Responses whose logs are not read on this machine.
    LogsMissing,
    /// Amounts are kept here to the billionth of a dollar, and there as binary fractions.
    Rounding,
    /// None of these.
    Unexplained,
}

impl Cause {
    /// The sentence shown to people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::OtherZone => "the gateway's figures are of another time zone's day",
            Self::NotFresh => "made after the gateway computed its figures",
            Self::DeletedSessions => "no log tells of them any more; the ledger keeps them",
            Self::ForkedCopies => "copies in forked sessions, which the gateway counts again",
            Self::PriceMissingThere => "the gateway knows no price for them",
            Self::PriceMissingHere => "the gateway knows a price for them, Clawspend does not",
            Self::OtherPrices => "the same responses at another price",
            Self::LogsMissing => "their logs are not read on this machine",
            Self::Rounding => "billionths of a dollar that rounding loses",
            Self::Unexplained => "nothing explains it",
        }
    }
}

/// One of our responses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mine {
    /// When it was made.
    pub at: UnixMillis,
    /// Provider as written.
    pub provider: String,
    /// Model as written.
    pub model: String,
    /// All classes together.
    pub tokens: u64,
    /// The cost that counts; `None` when it is not known.
    pub cost: Option<NanoUsd>,
    /// The cost that the log states.
    pub recorded: Option<NanoUsd>,
    /// Conversations whose logs have it.
    pub conversations: u32,
    /// Sessions whose logs have it; a rewind begins a session in the same conversation.
    pub sessions: u32,
}

/// A day of a gateway, both totals, and why they differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reconciled {
    /// The gateway's name.
    pub gateway: String,
    /// The day.
    pub day: Date,
    /// What the ledger says.
    pub ours: NanoUsd,
    /// That part of it which only the gateway's own totals tell.
    pub rest: NanoUsd,
    /// What the gateway says.
    pub theirs: NanoUsd,
    /// Of when its figures are.
    pub updated_at: UnixMillis,
    /// What it has more than we (less, where negative), by cause; adds up to the difference.
    pub causes: BTreeMap<Cause, NanoUsd>,
}

/// Explains a day. `mine` are our responses of the gateway, of this day in both zones at least; `rests` is what the
/// ledger has of it from the gateway's own totals alone; `all_read` tells that every log of this machine could be read.
#[must_use]
pub fn reconcile(
    kept: &KeptDay,
    zone: &TimeZone,
    mine: &[Mine],
    rests: &[RemoteModel],
    all_read: bool,
) -> Reconciled {
    let day = kept.figures.day;
    let sum = |mine: &[&Mine]| mine.iter().filter_map(|it| it.cost).sum::<NanoUsd>();
    let in_zone = |zone: &TimeZone| -> Vec<&Mine> {
        mine.iter().filter(|it| it.at.day(zone) == day).collect()
    };
    let mut steps = Steps::default();
    let ours = in_zone(zone);
    let ours = sum(&ours);
    let there = TimeZone::get(&kept.zone).unwrap_or_else(|_| zone.clone());
    let mut of_day = in_zone(&there);
    steps.add(Cause::OtherZone, sum(&of_day) - ours);
    let mut leave = |cause, leaves: &dyn Fn(&Mine) -> bool| {
        let (left, stay): (Vec<&Mine>, _) = of_day.iter().partition(|it| leaves(it));
        of_day = stay;
        steps.add(cause, NanoUsd::ZERO - sum(&left));
    };
    leave(Cause::NotFresh, &|it| it.at > kept.updated_at);
    if kept.logs_here && all_read {
        leave(Cause::DeletedSessions, &|it| it.sessions == 0);
    }

    let mut models: BTreeMap<(&str, &str), (Vec<&Mine>, Figures)> = BTreeMap::new();
    for it in of_day {
        models
            .entry((&it.provider, &it.model))
            .or_default()
            .0
            .push(it);
    }
    let mut told = NanoUsd::ZERO;
    for row in &kept.figures.models {
        let of_model = models.entry((&row.provider, &row.model)).or_default();
        of_model.1 += row.figures;
        told += row.figures.cost;
    }
    // The rest is theirs and ours alike: what is left of theirs is to be compared with what was heard.
    let mut rest = NanoUsd::ZERO;
    for row in rests {
        let of_model = models.entry((&row.provider, &row.model)).or_default();
        of_model.1 = of_model.1.without(row.figures);
        rest += row.figures.cost;
    }
    let rounding = models.len() as u64;
    for (mine, theirs) in models.values() {
        steps.model(mine, theirs, kept.logs_here && all_read);
    }
    steps.rest(Cause::Unexplained, kept.figures.cost - told, rounding);
    steps.0.retain(|_, amount| *amount != NanoUsd::ZERO);
    Reconciled {
        gateway: kept.gateway.clone(),
        day,
        ours: ours + rest,
        rest,
        theirs: kept.figures.cost,
        updated_at: kept.updated_at,
        causes: steps.0,
    }
}

/// What our responses of a model come to, each counted so many times.
#[derive(Debug, Default, Clone, Copy)]
struct Counted {
    tokens: u64,
    cost: NanoUsd,
    responses: u64,
    /// Those whose log states no cost, and what they cost here.
    unstated: u64,
    unstated_cost: NanoUsd,
    /// Those without a cost, and those with another than the log states.
    unpriced: u64,
    computed: u64,
}

impl Counted {
    fn of(mine: &[&Mine], times: impl Fn(&Mine) -> u32) -> Self {
        let mut sum = Self::default();
        for it in mine {
            sum.add(it, times(it));
        }
        sum
    }

    fn add(&mut self, it: &Mine, times: u32) {
        let times = u64::from(times);
        let cost = it.cost.unwrap_or_default();
        let cost = NanoUsd(cost.0.saturating_mul(times.cast_signed()));
        self.tokens += times * it.tokens;
        self.cost += cost;
        self.responses += times;
        if it.recorded.is_none() {
            self.unstated += times;
            self.unstated_cost += cost;
        }
        match it.cost {
            None => self.unpriced += times,
            cost if cost != it.recorded => self.computed += times,
            Some(_) => {}
        }
    }

    /// The ways in which a gateway may count copies, likeliest first: those in forks; those up to where a session was
    /// rewound to as well, which stay visible in the new one; none, where it counted before they were made.
    fn ways(mine: &[&Mine]) -> Vec<Self> {
        // What was only pushed by the gateway is in no log of this machine.
        let forked = |it: &Mine| it.conversations.max(1);
        let mut sum = Self::of(mine, forked);
        let mut ways = vec![sum];
        let mut in_order = mine.to_vec();
        in_order.sort_by_key(|it| it.at);
        for it in in_order {
            let rewound = it.sessions.saturating_sub(forked(it));
            if rewound > 0 {
                sum.add(it, rewound);
                ways.push(sum);
            }
        }
        ways.push(Self::of(mine, |_| 1));
        ways
    }
}

#[derive(Debug, Default)]
struct Steps(BTreeMap<Cause, NanoUsd>);

impl Steps {
    fn add(&mut self, cause: Cause, amount: NanoUsd) {
        *self.0.entry(cause).or_default() += amount;
    }

    /// Adds what is left; up to a billionth for each of so many amounts is rounding.
    fn rest(&mut self, cause: Cause, amount: NanoUsd, amounts: u64) {
        let is_rounding = amount.0.unsigned_abs() <= amounts;
        self.add(if is_rounding { Cause::Rounding } else { cause }, amount);
    }

    /// Goes from our figures of a model to the gateway's.
    fn model(&mut self, mine: &[&Mine], theirs: &Figures, all_logs: bool) {
        // Which copies the gateway counts is proven by its tokens, whatever their price.
        let ways = Counted::ways(mine);
        let same = ways.iter().find(|way| way.tokens == theirs.tokens);
        let counted = same.unwrap_or(&ways[0]);
        let once = Counted::of(mine, |_| 1);
        self.add(Cause::ForkedCopies, counted.cost - once.cost);
        let mut left = theirs.cost - counted.cost;
        let unpriced_there = theirs.missing > 0 && theirs.missing == counted.unstated;
        if same.is_some() && unpriced_there {
            self.add(
                Cause::PriceMissingThere,
                NanoUsd::ZERO - counted.unstated_cost,
            );
            left += counted.unstated_cost;
        }
        let cause = if same.is_some() && theirs.missing == 0 {
            match (counted.unpriced, counted.computed) {
                (0, 0) => Cause::Unexplained,
                (_, 0) => Cause::PriceMissingHere,
                _ => Cause::OtherPrices,
            }
        } else if !all_logs && theirs.tokens > counted.tokens {
            Cause::LogsMissing
        } else {
            Cause::Unexplained
        };
        self.rest(cause, left, counted.responses);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        gateway::remote::{RemoteDay, RemoteModel},
        usage::Tokens,
    };
    use jiff::civil::date;
    use proptest::prelude::*;

    /// 2026-11-20T09:00:00Z.
    const NINE: UnixMillis = UnixMillis(1_795_165_200_000);
    const HOUR: i64 = 3_600_000;

    /// 100 tokens at 1000 billionths, of which the log tells, in one session.
    fn mine() -> Mine {
        Mine {
            at: NINE,
            provider: "mock".into(),
            model: "large".into(),
            tokens: 100,
            cost: Some(NanoUsd(1_000)),
            recorded: Some(NanoUsd(1_000)),
            conversations: 1,
            sessions: 1,
        }
    }

    /// Tokens, cost, responses and those without a price, all of one model.
    fn theirs(tokens: u64, cost: i64, responses: u64, missing: u64) -> KeptDay {
        let figures = Figures {
            tokens,
            cost: NanoUsd(cost),
            responses,
            missing,
        };
        KeptDay {
            gateway: "home".into(),
            zone: "UTC".into(),
            updated_at: NINE.plus(8 * HOUR),
            taken_at: NINE.plus(8 * HOUR),
            logs_here: true,
            figures: RemoteDay {
                day: date(2026, 11, 20),
                tokens: Tokens::default(),
                cost: NanoUsd(cost),
                missing,
                models: vec![RemoteModel {
                    agent: "main".into(),
                    provider: "mock".into(),
                    model: "large".into(),
                    figures,
                }],
            },
        }
    }

    fn causes(kept: &KeptDay, mine: &[Mine]) -> Vec<(Cause, i64)> {
        let told = reconcile(kept, &TimeZone::UTC, mine, &[], true);
        let difference = told.theirs - told.ours;
        assert_eq!(told.causes.values().copied().sum::<NanoUsd>(), difference);
        let causes = told.causes.into_iter();
        causes.map(|(cause, amount)| (cause, amount.0)).collect()
    }

    #[test]
    fn what_is_equal_needs_no_cause() {
        assert_eq!(causes(&theirs(200, 2_000, 2, 0), &[mine(), mine()]), []);
        assert_eq!(causes(&theirs(0, 0, 1, 0), &[]), []);
    }

    #[test]
    fn each_cause_is_named() {
        use Cause::{
            DeletedSessions, ForkedCopies, LogsMissing, NotFresh, OtherPrices, OtherZone,
            PriceMissingHere, PriceMissingThere, Rounding, Unexplained,
        };
        let forked = || Mine {
            conversations: 3,
            sessions: 3,
            ..mine()
        };
        let rewound = || Mine {
            sessions: 2,
            ..mine()
        };
        let rewound_of = |at, tokens: u32| {
            let cost = Some(NanoUsd(10 * i64::from(tokens)));
            Mine {
                at,
                tokens: tokens.into(),
                cost,
                recorded: cost,
                ..rewound()
            }
        };
        let late = || Mine {
            at: NINE.plus(9 * HOUR),
            ..mine()
        };
        let deleted = || Mine {
            conversations: 0,
            sessions: 0,
            ..mine()
        };
        let unstated = || Mine {
            recorded: None,
            ..mine()
        };
        let unpriced = || Mine {
            recorded: None,
            cost: None,
            ..mine()
        };
        let elsewhere = |kept: KeptDay| KeptDay {
            logs_here: false,
            ..kept
        };
        // The day ends at 11:00 UTC.
        let auckland = |kept: KeptDay| KeptDay {
            zone: "Pacific/Auckland".into(),
            ..kept
        };
        let after = || Mine {
            at: NINE.plus(3 * HOUR),
            ..mine()
        };
        let before = || Mine {
            at: NINE.plus(-16 * HOUR),
            ..mine()
        };
        let unlisted = |mut kept: KeptDay| {
            kept.figures.models.clear();
            kept
        };
        let of_two = theirs(200, 2_000, 2, 0);
        let cases = [
            (
                "two forks",
                theirs(400, 4_000, 4, 0),
                vec![mine(), forked()],
                vec![(ForkedCopies, 2_000)],
            ),
            (
                "a fork after it was counted",
                of_two.clone(),
                vec![mine(), forked()],
                vec![],
            ),
            (
                "a rewind to the beginning",
                of_two.clone(),
                vec![mine(), rewound()],
                vec![],
            ),
            (
                "a rewind to a later place",
                theirs(160, 1_600, 3, 0),
                vec![
                    rewound_of(NINE, 100),
                    rewound_of(NINE.plus(-2), 10),
                    rewound_of(NINE.plus(-1), 20),
                ],
                vec![(ForkedCopies, 300)],
            ),
            (
                "every row",
                theirs(300, 3_000, 3, 0),
                vec![mine(), rewound()],
                vec![(ForkedCopies, 1_000)],
            ),
            (
                "made later",
                of_two.clone(),
                vec![mine(), mine(), late()],
                vec![(NotFresh, -1_000)],
            ),
            (
                "deleted",
                of_two.clone(),
                vec![mine(), mine(), deleted()],
                vec![(DeletedSessions, -1_000)],
            ),
            (
                "no price there",
                theirs(200, 1_000, 2, 1),
                vec![mine(), unstated()],
                vec![(PriceMissingThere, -1_000)],
            ),
            (
                "a price only there",
                of_two.clone(),
                vec![mine(), unpriced()],
                vec![(PriceMissingHere, 1_000)],
            ),
            (
                "a price nowhere",
                theirs(200, 1_000, 2, 1),
                vec![mine(), unpriced()],
                vec![],
            ),
            (
                "an edited price",
                theirs(200, 2_500, 2, 0),
                vec![mine(), unstated()],
                vec![(OtherPrices, 500)],
            ),
            (
                "a stated cost that is no longer",
                theirs(200, 2_500, 2, 0),
                vec![mine(), mine()],
                vec![(Unexplained, 500)],
            ),
            (
                "more than the logs have",
                theirs(300, 3_000, 3, 0),
                vec![mine(), mine()],
                vec![(Unexplained, 1_000)],
            ),
            (
                "less than the logs have",
                theirs(100, 1_000, 1, 0),
                vec![mine(), mine()],
                vec![(Unexplained, -1_000)],
            ),
            (
                "logs elsewhere",
                elsewhere(theirs(300, 3_000, 3, 0)),
                vec![deleted()],
                vec![(LogsMissing, 2_000)],
            ),
            (
                "a billionth each",
                theirs(200, 2_002, 2, 0),
                vec![mine(), mine()],
                vec![(Rounding, 2)],
            ),
            (
                "more than rounding",
                theirs(200, 2_003, 2, 0),
                vec![mine(), mine()],
                vec![(Unexplained, 3)],
            ),
            (
                "a day elsewhere",
                auckland(theirs(300, 3_000, 3, 0)),
                vec![mine(), before(), before(), after()],
                vec![(OtherZone, 1_000)],
            ),
            (
                "a total of no model",
                unlisted(of_two),
                vec![],
                vec![(Unexplained, 2_000)],
            ),
        ];
        for (what, kept, mine, expected) in cases {
            assert_eq!(causes(&kept, &mine), expected, "{what}");
        }
    }

    /// Of four responses two were heard, and one of them costs 400 more here than its gateway says.
    #[test]
    fn what_only_the_gateways_totals_tell_is_ours_too_and_needs_no_cause() {
        let kept = KeptDay {
            logs_here: false,
            ..theirs(400, 4_000, 4, 0)
        };
        let dearer = Mine {
            cost: Some(NanoUsd(1_400)),
            ..mine()
        };
        let rests = theirs(200, 2_000, 2, 0).figures.models;
        let told = reconcile(&kept, &TimeZone::UTC, &[mine(), dearer], &rests, true);
        let expected = Reconciled {
            gateway: "home".into(),
            day: date(2026, 11, 20),
            ours: NanoUsd(4_400),
            rest: NanoUsd(2_000),
            theirs: NanoUsd(4_000),
            updated_at: kept.updated_at,
            causes: BTreeMap::from([(Cause::OtherPrices, NanoUsd(-400))]),
        };
        assert_eq!(told, expected);
    }

    fn any_mine() -> impl Strategy<Value = Mine> {
        let cost = || prop::option::of((0..5_000_i64).prop_map(NanoUsd));
        let figures = (0..300_u64, cost(), cost(), 0..3_u32, 0..3_u32);
        (-30..30_i64, "[ab]", figures).prop_map(|(hours, model, figures)| {
            let (tokens, cost, recorded, conversations, more) = figures;
            Mine {
                at: NINE.plus(hours * HOUR),
                model,
                tokens,
                cost,
                recorded,
                conversations,
                sessions: conversations + more,
                ..mine()
            }
        })
    }

    proptest! {
        #[test]
        fn the_causes_add_up_whatever_the_figures_are(
            mine in prop::collection::vec(any_mine(), 0..12),
            (tokens, cost, total) in (0..900_u64, 0..9_000_i64, 0..9_000_i64),
            (missing, logs_here, all_read) in (0..3_u64, any::<bool>(), any::<bool>()),
            zone in prop::sample::select(vec!["UTC", "Asia/Kathmandu", "Pacific/Auckland", "nowhere"]),
            rest in prop::option::of(0..9_000_i64),
        ) {
            let mut kept = KeptDay { zone: zone.into(), logs_here, ..theirs(tokens, cost, 3, missing) };
            kept.figures.models[0].model = "a".into();
            kept.figures.cost = NanoUsd(total);
            let rests = rest.map(|cost| theirs(100, cost, 1, 0).figures.models);
            let rests = rests.unwrap_or_default();
            let told = reconcile(&kept, &TimeZone::UTC, &mine, &rests, all_read);
            let sum: NanoUsd = told.causes.values().copied().sum();
            prop_assert_eq!(sum, told.theirs - told.ours);
        }
    }
}
