//! When a gateway is asked what it counts and how full quotas are, and what is to be kept of its answers. Pure.

use super::{
    Answer, Ask, Moment, Quotas, State, Unanswered, Usage,
    remote::{Asking, RemoteDay, days},
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
        /// Ids of sessions in it.
        sessions: Vec<String>,
    },
    /// How full quotas are.
    Quotas(Quotas),
    /// It cannot or will not tell what it was asked for, a method of its own.
    Nothing(&'static str, Unanswered),
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
}

impl<T> Default for Round<T> {
    fn default() -> Self {
        Self {
            due: 0,
            open: None,
            about: None,
        }
    }
}

impl<T> Round<T> {
    fn is_due(&self, now: u64) -> bool {
        self.open.is_none() && self.due <= now
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
        // One that pushes says by a gap from when on it does.
        if connected == Some(false) && self.connected != connected {
            self.gap(now);
        }
        self.connected = connected;
    }

    /// Messages may have gone unheard. An answer that is under way may be of before: it is asked again.
    pub fn gap(&mut self, now: u64) {
        self.missed = true;
        self.usage.rest(now);
    }

    /// Everything is asked anew: the machine slept, the zone is another one.
    pub fn hurry(&mut self, now: u64) {
        self.usage.rest(now);
        self.quotas.rest(now);
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
            // Else it was dropped meanwhile, and is asked anew.
            let question = self.usage.about.take()?;
            return match answer {
                Ok(Answer::Usage(usage)) => self.counted(question, &usage, now),
                Err(Unanswered::NotConnected) => None,
                Err(why) => {
                    self.rest_usage(now.elapsed);
                    Some(Told::Nothing(question.ask.method(), why))
                }
                Ok(_) => None,
            };
        }
        if self.quotas.open == Some(number) {
            self.quotas.open = None;
            let tries = self.quotas.about.take().unwrap_or_default();
            self.quotas.rest(now.elapsed + REGULARLY);
            return match answer {
                Ok(Answer::Quotas(quotas)) => {
                    if let Some(soon) = FETCHING.get(tries).filter(|_| quotas.refreshing) {
                        self.quotas.due = now.elapsed + soon;
                        self.quotas.about = Some(tries + 1);
                    }
                    Some(Told::Quotas(quotas))
                }
                Err(Unanswered::NotConnected) => None,
                Err(why) => Some(Told::Nothing(Ask::Quotas.method(), why)),
                Ok(_) => None,
            };
        }
        None
    }

    fn counted(&mut self, mut question: Question, usage: &Usage, now: Moment) -> Option<Told> {
        let verdict = question.asking.judge(usage, now.wall);
        let days = days(usage, question.since, question.until).filter(|_| verdict.keep);
        let told = days.map(|days| Told::Days {
            days,
            zone: question.zone.clone(),
            updated_at: usage.updated_at,
            sessions: usage
                .sessions
                .iter()
                .map(|session| session.session_id.clone())
                .collect(),
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
            None => self.rest_usage(now.elapsed),
        }
        told
    }

    fn rest_usage(&mut self, now: u64) {
        let pause = if std::mem::take(&mut self.missed) {
            AFTER_GAP
        } else if self.logs_here {
            FOR_COMPARING
        } else if self.connected == Some(true) {
            REGULARLY
        } else {
            WITHOUT_PUSHES
        };
        self.usage.rest(now + pause);
    }
}
