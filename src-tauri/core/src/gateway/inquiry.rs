//! When a gateway is asked what it counts and how full quotas are, and what is to be kept of its answers. Pure.

use super::{
    Answer, Ask, Freshness, Moment, Quotas, State, Unanswered, Usage,
    remote::{ActiveSession, Asking, RemoteDay, days, is_time, sessions},
};
use crate::time::{UnixMillis, add_days};
use jiff::civil::Date;

/// How often a gateway is asked that pushes what happens.
const REGULARLY: u64 = 300_000;
/// How often one is asked that does not.
const WITHOUT_PUSHES: u64 = 60_000;
/// How often one is asked whose logs are read here: then its own totals serve comparing only.
const FOR_COMPARING: u64 = 1_800_000;
/// Messages that went unheard are in a gateway's totals after so long: it computes them anew every 30 seconds.
const AFTER_GAP: u64 = 45_000;
/// How many days back its history is asked for; a gateway fills in the days of a year.
const HISTORY_DAYS: i64 = 365;
/// How often all of its history is asked for: sessions of long ago may be deleted.
const HISTORY: u64 = 24 * 3_600_000;
/// Sessions told of at most, of some days and of all; each is some two kilobytes.
const SESSIONS: (u32, u32) = (200, 500);
/// How long quotas take to be fetched, each time they are asked for again.
const FETCHING: [u64; 3] = [5_000, 10_000, 20_000];

/// What a gateway told that is to be kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// What it counts by itself.
    Days {
        /// Every day that was asked for.
        days: Vec<RemoteDay>,
        /// Whose days: an IANA name.
        zone: String,
        /// Of when it is, by the gateway's clock.
        updated_at: UnixMillis,
        /// Sessions in it.
        sessions: Vec<ActiveSession>,
    },
    /// How full quotas are.
    Quotas(Quotas),
    /// It cannot or will not tell what it was asked.
    Nothing(Topic, Unanswered),
}

/// What a gateway is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topic {
    /// What it counts by day.
    Totals,
    /// How full quotas are.
    Quotas,
}

/// The questions for one gateway. Milliseconds are those of [`Moment::elapsed`].
#[derive(Debug, Default)]
pub struct Inquiry {
    numbers: u64,
    /// We are connected; whether what happens is pushed.
    connected: Option<bool>,
    logs_here: bool,
    usage: Round<Question>,
    quotas: Round<usize>,
    /// Messages may have gone unheard since the totals were last asked for.
    missed: bool,
    /// When all its history was last told, and in which zone.
    history: Option<(u64, String)>,
    /// The last day that was told of.
    known_until: Option<Date>,
}

/// A question that is asked again and again.
#[derive(Debug)]
struct Round<T> {
    /// Not before this.
    due: u64,
    /// The number under which it was asked, until there is an answer.
    open: Option<u64>,
    /// What it is about, while the answer is no final one.
    about: Option<T>,
    /// The answer to come is not the last.
    once_more: bool,
}

impl<T> Default for Round<T> {
    fn default() -> Self {
        Self {
            due: 0,
            open: None,
            about: None,
            once_more: false,
        }
    }
}

impl<T> Round<T> {
    fn is_due(&self, now: u64) -> bool {
        self.open.is_none() && self.due <= now
    }

    /// It is to be asked now; an answer that is under way may be of before, so that it is asked once more after it.
    fn hurry(&mut self, now: u64) {
        if self.open.is_some() {
            self.once_more = true;
        } else {
            self.rest(now);
        }
    }

    /// There is nothing to ask before `due`.
    fn rest(&mut self, due: u64) {
        self.about = None;
        self.due = due;
    }
}

#[derive(Debug)]
struct Question {
    since: Date,
    until: Date,
    zone: String,
    /// It is about all history.
    whole: bool,
    ask: Ask,
    asking: Asking,
}

impl Inquiry {
    /// Things stand otherwise with the gateway.
    pub fn state(&mut self, state: &State, now: u64) {
        let connected = match state {
            State::Connected { live, .. } => Some(*live),
            _ => None,
        };
        if connected.is_some() && self.connected.is_none() {
            self.quotas.rest(now);
        }
        match connected {
            _ if connected == self.connected => {}
            // A gap tells from when on it pushes, and follows soon.
            Some(true) => self.usage.rest(u64::MAX),
            Some(false) => self.gap(now),
            None => {}
        }
        self.connected = connected;
    }

    /// Messages may have gone unheard.
    pub fn gap(&mut self, now: u64) {
        self.missed = true;
        self.usage.hurry(now);
    }

    /// Everything is asked anew: the machine slept, the zone is another one.
    pub fn hurry(&mut self, now: u64) {
        self.usage.hurry(now);
        self.quotas.hurry(now);
    }

    /// The gateway's logs are read on this machine, or not.
    pub const fn set_logs_here(&mut self, here: bool) {
        self.logs_here = here;
    }

    /// When there is something to ask; `None` while nothing can be.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.connected?;
        let usage = self.usage.open.is_none().then_some(self.usage.due);
        let quotas = self.quotas.open.is_none().then_some(self.quotas.due);
        usage.into_iter().chain(quotas).min()
    }

    /// What is to be asked now, each under a number of its own.
    pub fn ask(&mut self, now: u64, today: Date, zone: &str) -> Vec<(u64, Ask)> {
        let mut asked = Vec::new();
        if self.connected.is_none() {
            return asked;
        }
        if self.usage.is_due(now) {
            let question = match self.usage.about.take() {
                Some(question) => question,
                None => self.question(now, today, zone),
            };
            asked.push((self.next_number(), question.ask.clone()));
            self.usage.about = Some(question);
            self.usage.open = Some(self.numbers);
        }
        if self.quotas.is_due(now) {
            asked.push((self.next_number(), Ask::Quotas));
            self.quotas.open = Some(self.numbers);
        }
        asked
    }

    fn question(&self, now: u64, today: Date, zone: &str) -> Question {
        let known = self
            .history
            .as_ref()
            .is_some_and(|(at, of)| of == zone && now.saturating_sub(*at) < HISTORY);
        let yesterday = add_days(today, -1);
        let (since, sessions) = match self.known_until {
            Some(until) if known => (until.min(yesterday), SESSIONS.0),
            _ => (add_days(today, -HISTORY_DAYS), SESSIONS.1),
        };
        Question {
            since,
            until: today,
            zone: zone.to_owned(),
            whole: !known,
            ask: Ask::Usage {
                since,
                until: today,
                zone: zone.to_owned(),
                sessions,
            },
            asking: Asking::default(),
        }
    }

    const fn next_number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    /// An answer came. Returns what is to be kept of it.
    pub fn answered(
        &mut self,
        number: u64,
        answer: Result<Answer, Unanswered>,
        now: Moment,
    ) -> Option<Told> {
        if self.usage.open == Some(number) {
            self.usage.open = None;
            let question = self.usage.about.take()?;
            let told = self.usage_answered(question, answer, now);
            if std::mem::take(&mut self.usage.once_more) {
                self.gap(now.elapsed);
            }
            return told;
        }
        if self.quotas.open == Some(number) {
            self.quotas.open = None;
            let told = self.quotas_answered(answer, now);
            if std::mem::take(&mut self.quotas.once_more) {
                self.quotas.rest(now.elapsed);
            }
            return told;
        }
        None
    }

    fn usage_answered(
        &mut self,
        mut question: Question,
        answer: Result<Answer, Unanswered>,
        now: Moment,
    ) -> Option<Told> {
        let why = match answer {
            Ok(Answer::Usage(usage)) => return self.counted(question, &usage, now),
            Ok(_) | Err(Unanswered::NotConnected) => return None,
            Err(why) => why,
        };
        if why.is_for_now()
            && let Some(soon) = question.asking.again_in()
        {
            self.usage.due = now.elapsed + u64::from(soon);
            self.usage.about = Some(question);
            return None;
        }
        self.rest_usage(now.elapsed, false);
        Some(Told::Nothing(Topic::Totals, why))
    }

    fn quotas_answered(&mut self, answer: Result<Answer, Unanswered>, now: Moment) -> Option<Told> {
        let tries = self.quotas.about.take().unwrap_or_default();
        self.quotas.rest(now.elapsed + REGULARLY);
        let soon = match &answer {
            Ok(Answer::Quotas(quotas)) => quotas.refreshing,
            Ok(_) => false,
            Err(why) => why.is_for_now(),
        };
        let soon = FETCHING.get(tries).filter(|_| soon);
        if let Some(soon) = soon {
            self.quotas.due = now.elapsed + soon;
            self.quotas.about = Some(tries + 1);
        }
        match answer {
            Ok(Answer::Quotas(quotas)) if is_time(quotas.updated_at, now.wall) => {
                Some(Told::Quotas(quotas))
            }
            Err(Unanswered::NotConnected) => None,
            _ if soon.is_some() => None,
            Ok(_) => Some(Told::Nothing(Topic::Quotas, Unanswered::Unreadable)),
            Err(why) => Some(Told::Nothing(Topic::Quotas, why)),
        }
    }

    fn counted(&mut self, mut question: Question, usage: &Usage, now: Moment) -> Option<Told> {
        let verdict = question.asking.judge(usage, now.wall);
        let days = days(usage, question.since, question.until).filter(|_| verdict.keep);
        let told = days.map(|days| Told::Days {
            days,
            zone: question.zone.clone(),
            updated_at: usage.updated_at,
            sessions: sessions(usage),
        });
        if told.is_some() {
            if question.whole {
                self.history = Some((now.elapsed, question.zone.clone()));
            }
            self.known_until = Some(question.until);
        }
        match verdict.again_in {
            Some(millis) => {
                self.usage.due = now.elapsed + u64::from(millis);
                self.usage.about = Some(question);
            }
            None if told.is_some() => self.rest_usage(now.elapsed, true),
            // One that was never used never says that it has counted.
            None if usage.is_empty() && usage.freshness != Freshness::Fresh => {
                self.rest_usage(now.elapsed, false);
            }
            None => {
                self.rest_usage(now.elapsed, false);
                let why = match usage.freshness {
                    Freshness::Fresh => Unanswered::Unreadable,
                    _ => Unanswered::Counting,
                };
                return Some(Told::Nothing(Topic::Totals, why));
            }
        }
        told
    }

    /// Asks again when there is reason to; what was not told is asked for as if its logs were elsewhere.
    fn rest_usage(&mut self, now: u64, told: bool) {
        let pause = if std::mem::take(&mut self.missed) {
            AFTER_GAP
        } else if self.logs_here && told {
            FOR_COMPARING
        } else if self.logs_here || self.connected == Some(true) {
            REGULARLY
        } else {
            WITHOUT_PUSHES
        };
        self.usage.rest(now + pause);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::SessionUsage;
    use jiff::civil::date;

    const TODAY: Date = date(2026, 11, 20);

    fn at(elapsed: u64) -> Moment {
        let wall = UnixMillis(1_795_179_000_000).plus(elapsed.cast_signed());
        Moment { elapsed, wall }
    }

    fn connected(live: bool) -> State {
        State::Connected {
            server_version: String::new(),
            protocol: 4,
            scopes: Vec::new(),
            paired: true,
            live,
        }
    }

    fn usage(now: Moment, freshness: Freshness) -> Result<Answer, Unanswered> {
        Ok(Answer::Usage(Box::new(Usage {
            updated_at: now.wall,
            freshness,
            ..Usage::default()
        })))
    }

    fn quotas(refreshing: bool) -> Result<Answer, Unanswered> {
        Ok(Answer::Quotas(Quotas {
            updated_at: at(0).wall,
            refreshing,
            ..Quotas::default()
        }))
    }

    /// What is asked: the method, and the days.
    fn asked(inquiry: &mut Inquiry, now: u64) -> Vec<(u64, String)> {
        let asked = inquiry.ask(now, TODAY, "Europe/Berlin").into_iter();
        let told = |ask: &Ask| match ask {
            Ask::Usage {
                since,
                until,
                zone,
                sessions,
            } => format!("{since}..{until} {zone} {sessions}"),
            ask => ask.method().to_owned(),
        };
        asked.map(|(number, ask)| (number, told(&ask))).collect()
    }

    const ALL: &str = "2025-11-20..2026-11-20 Europe/Berlin 500";
    const LATELY: &str = "2026-11-19..2026-11-20 Europe/Berlin 200";

    /// Connected, and what is asked first is answered, at 1000.
    fn settled() -> Inquiry {
        let mut inquiry = Inquiry::default();
        inquiry.state(&connected(true), 1000);
        assert_eq!(asked(&mut inquiry, 1000), [(1, "usage.status".to_owned())]);
        inquiry.gap(1000);
        assert_eq!(asked(&mut inquiry, 1000), [(2, ALL.to_owned())]);
        let told = inquiry.answered(1, quotas(false), at(1000));
        let Ok(Answer::Quotas(expected)) = quotas(false) else {
            panic!("quotas")
        };
        assert_eq!(told, Some(Told::Quotas(expected)));
        let told = inquiry.answered(2, usage(at(1000), Freshness::Fresh), at(1000));
        let Some(Told::Days { days, zone, .. }) = told else {
            panic!("{told:?}")
        };
        assert_eq!((days.len(), zone.as_str()), (366, "Europe/Berlin"));
        inquiry
    }

    #[test]
    fn nothing_is_asked_before_there_is_a_connection() {
        let mut inquiry = Inquiry::default();
        assert_eq!(inquiry.due(), None);
        assert_eq!(asked(&mut inquiry, 1 << 40), []);
        inquiry.state(&State::Connecting, 5);
        inquiry.gap(5);
        assert_eq!(inquiry.due(), None);
    }

    #[test]
    fn history_first_then_soon_once_more_and_then_the_last_days_regularly() {
        let mut inquiry = settled();
        assert_eq!(inquiry.due(), Some(46_000));
        assert_eq!(asked(&mut inquiry, 45_999), []);
        assert_eq!(asked(&mut inquiry, 46_000), [(3, LATELY.to_owned())]);
        inquiry.answered(3, usage(at(46_000), Freshness::Fresh), at(46_000));
        assert_eq!(inquiry.due(), Some(301_000));
        assert_eq!(
            asked(&mut inquiry, 301_000),
            [(4, "usage.status".to_owned())]
        );
        inquiry.answered(4, quotas(false), at(301_000));
        assert_eq!(asked(&mut inquiry, 346_000), [(5, LATELY.to_owned())]);
        // A day later, all of it again.
        inquiry.answered(5, usage(at(346_000), Freshness::Fresh), at(346_000));
        let next_day = 24 * 3_600_000 + 1_000;
        let asked = asked(&mut inquiry, next_day);
        assert_eq!(asked[0], (6, ALL.to_owned()));
    }

    #[test]
    fn an_answer_that_cannot_be_believed_is_asked_for_again() {
        let mut inquiry = settled();
        inquiry.gap(2_000);
        assert_eq!(asked(&mut inquiry, 2_000), [(3, LATELY.to_owned())]);
        let told = inquiry.answered(3, usage(at(2_000), Freshness::Refreshing), at(2_000));
        assert_eq!((told, inquiry.due()), (None, Some(4_000)));
        // The day may have changed: it is the same question all the same.
        assert_eq!(asked(&mut inquiry, 4_000), [(4, LATELY.to_owned())]);
        inquiry.answered(4, usage(at(4_000), Freshness::Fresh), at(4_000));
        assert_eq!(inquiry.due(), Some(49_000));
    }

    #[test]
    fn an_answer_from_before_a_gap_is_asked_for_once_more() {
        let mut inquiry = settled();
        asked(&mut inquiry, 46_000);
        inquiry.gap(46_001);
        assert_eq!(asked(&mut inquiry, 46_001), []);
        let told = inquiry.answered(3, usage(at(46_000), Freshness::Fresh), at(46_002));
        assert!(matches!(told, Some(Told::Days { .. })), "{told:?}");
        assert_eq!(asked(&mut inquiry, 46_002), [(4, LATELY.to_owned())]);
        inquiry.answered(4, usage(at(46_003), Freshness::Fresh), at(46_003));
        assert_eq!(inquiry.due(), Some(46_003 + AFTER_GAP));
    }

    #[test]
    fn totals_that_are_never_to_be_believed_are_told_of() {
        for (freshness, why) in [
            (Freshness::Refreshing, Unanswered::Counting),
            (Freshness::Unknown, Unanswered::Counting),
        ] {
            let mut inquiry = settled();
            let mut told = None;
            let mut now = 46_000;
            for _ in 0..5 {
                let number = asked(&mut inquiry, now)[0].0;
                let mut answer = usage(at(now), freshness);
                if let Ok(Answer::Usage(usage)) = &mut answer {
                    usage.sessions.push(SessionUsage::default());
                }
                told = inquiry.answered(number, answer, at(now));
                now = inquiry.due().expect("it is asked again");
            }
            assert_eq!(told, Some(Told::Nothing(Topic::Totals, why)));
        }
        // What was never used has nothing to count, and need not say so.
        let mut unused = settled();
        let mut now = 46_000;
        for _ in 0..5 {
            let number = asked(&mut unused, now)[0].0;
            let told = unused.answered(number, usage(at(now), Freshness::Unknown), at(now));
            assert_eq!(told, None);
            now = unused.due().expect("it is asked again");
        }
    }

    #[test]
    fn after_a_lost_connection_it_waits_until_it_hears_again() {
        let mut inquiry = settled();
        asked(&mut inquiry, 46_000);
        let lost = inquiry.answered(3, Err(Unanswered::NotConnected), at(46_001));
        assert_eq!(lost, None);
        inquiry.state(&State::Connecting, 46_001);
        assert_eq!(asked(&mut inquiry, 400_000), []);
        inquiry.state(&connected(true), 400_000);
        assert_eq!(
            asked(&mut inquiry, 400_000),
            [(4, "usage.status".to_owned())]
        );
        inquiry.gap(400_001);
        assert_eq!(asked(&mut inquiry, 400_001), [(5, LATELY.to_owned())]);
    }

    #[test]
    fn how_often_depends_on_what_else_is_known() {
        // Its logs are read here.
        let mut inquiry = settled();
        inquiry.set_logs_here(true);
        asked(&mut inquiry, 46_000);
        inquiry.answered(3, usage(at(46_000), Freshness::Fresh), at(46_000));
        assert_eq!(inquiry.usage.due, 46_000 + FOR_COMPARING);
        // It pushes nothing.
        let mut inquiry = Inquiry::default();
        inquiry.state(&connected(false), 0);
        assert_eq!(
            asked(&mut inquiry, 0),
            [(1, ALL.to_owned()), (2, "usage.status".to_owned())]
        );
        inquiry.answered(1, usage(at(0), Freshness::Fresh), at(0));
        asked(&mut inquiry, AFTER_GAP);
        inquiry.answered(3, usage(at(AFTER_GAP), Freshness::Fresh), at(AFTER_GAP));
        assert_eq!(inquiry.usage.due, AFTER_GAP + WITHOUT_PUSHES);
    }

    #[test]
    fn a_refusal_is_told_and_the_question_rests() {
        let mut inquiry = settled();
        asked(&mut inquiry, 46_000);
        let why = Unanswered::Refused("FORBIDDEN".into());
        let told = inquiry.answered(3, Err(why.clone()), at(46_000));
        assert_eq!(told, Some(Told::Nothing(Topic::Totals, why)));
        assert_eq!(inquiry.usage.due, 46_000 + REGULARLY);
    }

    #[test]
    fn an_answer_of_no_time_is_told_as_one_that_cannot_be_understood() {
        let mut inquiry = settled();
        inquiry.gap(2_000);
        let mut now = 2_000;
        let timeless: Result<Answer, Unanswered> = Ok(Answer::Usage(Box::new(Usage {
            freshness: Freshness::Fresh,
            ..Usage::default()
        })));
        for pause in [2_000, 5_000, 10_000, 20_000] {
            let number = asked(&mut inquiry, now)[0].0;
            assert_eq!(inquiry.answered(number, timeless.clone(), at(now)), None);
            now += pause;
            assert_eq!(inquiry.due(), Some(now));
        }
        let number = asked(&mut inquiry, now)[0].0;
        let nothing = |topic| Some(Told::Nothing(topic, Unanswered::Unreadable));
        let told = inquiry.answered(number, timeless, at(now));
        assert_eq!(told, nothing(Topic::Totals));

        let mut inquiry = Inquiry::default();
        inquiry.state(&connected(true), 0);
        let number = asked(&mut inquiry, 0)[0].0;
        let timeless = Ok(Answer::Quotas(Quotas::default()));
        let told = inquiry.answered(number, timeless, at(0));
        assert_eq!(told, nothing(Topic::Quotas));
        // While they are being fetched there need not be any.
        let number = asked(&mut inquiry, REGULARLY)[0].0;
        let fetching = Ok(Answer::Quotas(Quotas {
            refreshing: true,
            ..Quotas::default()
        }));
        assert_eq!(inquiry.answered(number, fetching, at(REGULARLY)), None);
        assert_eq!(inquiry.quotas.due, REGULARLY + FETCHING[0]);
    }

    #[test]
    fn quotas_that_are_being_fetched_are_asked_for_again_a_few_times() {
        let mut inquiry = Inquiry::default();
        inquiry.state(&connected(true), 0);
        let (mut now, mut number) = (0, 0);
        let mut pauses = Vec::new();
        for _ in 0..4 {
            number += 1;
            assert_eq!(
                asked(&mut inquiry, now),
                [(number, "usage.status".to_owned())]
            );
            inquiry.answered(number, quotas(true), at(now));
            pauses.push(inquiry.quotas.due - now);
            now = inquiry.quotas.due;
        }
        assert_eq!(pauses, [5_000, 10_000, 20_000, REGULARLY]);
    }

    #[test]
    fn one_that_is_starting_is_asked_again_a_few_times_before_that_is_told() {
        let mut of_usage = settled();
        of_usage.gap(2_000);
        let mut of_quotas = Inquiry::default();
        of_quotas.state(&connected(true), 2_000);
        for (mut inquiry, question, topic, pauses) in [
            (
                of_usage,
                LATELY,
                Topic::Totals,
                &[2_000, 5_000, 10_000, 20_000][..],
            ),
            (of_quotas, "usage.status", Topic::Quotas, &FETCHING[..]),
        ] {
            let mut now = 2_000;
            let answer = |inquiry: &mut Inquiry, now| {
                let asked = asked(inquiry, now);
                assert_eq!((asked.len(), asked[0].1.as_str()), (1, question));
                let starting = Unanswered::Refused("UNAVAILABLE".into());
                inquiry.answered(asked[0].0, Err(starting), at(now))
            };
            for pause in pauses {
                assert_eq!(answer(&mut inquiry, now), None);
                now += pause;
                assert_eq!(inquiry.due(), Some(now));
            }
            let starting = Unanswered::Refused("UNAVAILABLE".into());
            let told = answer(&mut inquiry, now);
            assert_eq!(told, Some(Told::Nothing(topic, starting)));
        }
    }

    #[test]
    fn another_zone_means_all_of_its_days() {
        let mut inquiry = settled();
        inquiry.hurry(5_000);
        let asked = inquiry.ask(5_000, TODAY, "Asia/Tokyo");
        let Some((_, Ask::Usage { since, zone, .. })) = asked.first() else {
            panic!("{asked:?}")
        };
        assert_eq!((*since, zone.as_str()), (date(2025, 11, 20), "Asia/Tokyo"));
    }
}
