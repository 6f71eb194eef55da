//! The gateways that the engine stays connected to while it follows the logs: how things stand, what they push, and
//! what they are asked.

use crate::{
    api::{GatewayStatus, Problem},
    config::Config,
    dialects::openclaw::pushed::Pushed,
    environment::Environment,
    gateway::{
        self, Ask, Connections, Gateway, GatewayEvent, Inquiry, Moment, NOT_KEPT, State, Told,
        Topic, Unanswered,
    },
    ingest::Ingest,
    ledger::{Ledger, LedgerError, remote_days::RemoteAnswer},
    time::UnixMillis,
};
use jiff::{civil::Date, tz::TimeZone};
use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

/// Where what gateways tell goes, with a gateway's name.
pub(super) type Inbox = Arc<dyn Fn(&str, GatewayEvent) + Send + Sync>;

pub(super) struct Gateways {
    inbox: Inbox,
    /// Not before there is anything to connect to.
    connections: Option<Connections>,
    /// What is followed, once something was asked for.
    wanted: Option<Vec<Gateway>>,
    lines: Vec<Line>,
    /// Why there may be more.
    problems: Vec<Problem>,
    began: Instant,
}

/// One gateway, apart from the connection to it: how things stand, what it told until the ledger has it, what it is
/// to be asked. Its times are arguments, so that hours of it pass in no time.
#[derive(Debug)]
pub struct Line {
    gateway: Gateway,
    state: State,
    problems: Vec<Problem>,
    inquiry: Inquiry,
    /// Of when its own totals are, where the figures are made of them.
    told_at: Option<UnixMillis>,
    /// What it pushed, and what it answered, until the ledger has it.
    pushed: Vec<Pushed>,
    told: VecDeque<Told>,
}

/// What something that a gateway told makes necessary.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Upshot {
    /// Surfaces should hear of it.
    pub news: bool,
    /// The logs are to be looked at: what it pushed meanwhile was not heard.
    pub scan: bool,
}

impl Gateways {
    pub(super) fn new(inbox: Inbox) -> Self {
        Self {
            inbox,
            connections: None,
            wanted: None,
            lines: Vec::new(),
            problems: Vec::new(),
            began: Instant::now(),
        }
    }

    fn now(&self) -> Moment {
        Moment {
            elapsed: u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX),
            wall: UnixMillis::now(),
        }
    }

    /// Stays connected to the gateways there are now. Those that are as before keep their connection. True when
    /// surfaces should hear of it.
    pub(super) fn follow(
        &mut self,
        environment: &Environment,
        config: &Config,
        ledger: &mut Ledger,
    ) -> Result<bool, LedgerError> {
        let (wanted, mut problems) = gateway::gateways(environment, config);
        let as_before = self.wanted.as_ref() == Some(&wanted);
        if !as_before && let Err(problem) = self.connect_to(&wanted, environment) {
            problems.push(problem);
        } else if !as_before {
            let named = wanted.iter();
            let named = named.map(|one| (one.name.clone(), one.address.to_string()));
            ledger.follow_gateways(&named.collect::<Vec<_>>(), self.now().wall)?;
            let mut lines = std::mem::take(&mut self.lines);
            for gateway in &wanted {
                let same = lines.iter().position(|line| line.gateway == *gateway);
                self.lines.push(match same {
                    Some(at) => lines.swap_remove(at),
                    None => Line::new(gateway.clone(), ledger)?,
                });
            }
            self.wanted = Some(wanted);
        }
        let news = !as_before || self.problems != problems;
        self.problems = problems;
        Ok(news)
    }

    fn connect_to(&mut self, wanted: &[Gateway], environment: &Environment) -> Result<(), Problem> {
        if self.connections.is_none() && !wanted.is_empty() {
            let inbox = Arc::clone(&self.inbox);
            let tell = move |name: &str, event| inbox(name, event);
            let connections = Connections::start(environment.clone(), tell);
            self.connections = Some(connections.map_err(|error| Problem {
                code: "gateway".into(),
                message: format!("no connection to gateways can be made: {error}"),
                hint: "close other programs; Clawspend tries again by itself".into(),
                serious: true,
            })?);
        }
        if let Some(connections) = &self.connections {
            connections.follow(wanted.to_vec());
        }
        Ok(())
    }

    /// Takes in what a gateway told; [`Gateways::keep`] brings it into the ledger.
    pub(super) fn take(&mut self, name: &str, event: GatewayEvent) -> Upshot {
        let now = self.now();
        let line = self.lines.iter_mut();
        let mut line = line.filter(|line| line.gateway.name == name);
        line.next()
            .map_or_else(Upshot::default, |line| line.take(event, now))
    }

    /// Brings into the ledger what was told since the last time; true when surfaces should hear of it. What the ledger
    /// refuses is tried again.
    pub(super) fn keep(&mut self, ingest: &mut Ingest) -> Result<bool, LedgerError> {
        let now = UnixMillis::now();
        let mut news = false;
        for line in &mut self.lines {
            news |= line.keep(ingest, now)?;
        }
        Ok(news)
    }

    /// Asks what is due.
    pub(super) fn ask(&mut self, today: Date, zone: &str) {
        let now = self.now().elapsed;
        let Some(connections) = &self.connections else {
            return;
        };
        for line in &mut self.lines {
            for (number, ask) in line.ask(now, today, zone) {
                connections.ask(&line.gateway.name, number, ask);
            }
        }
    }

    /// How long nothing is to be asked.
    pub(super) fn patience(&self) -> Option<Duration> {
        let now = self.now().elapsed;
        let due = self.lines.iter().filter_map(Line::due);
        due.min()
            .map(|due| Duration::from_millis(due.saturating_sub(now)))
    }

    /// Everything is asked anew: the machine slept, or the days are of another zone.
    pub(super) fn hurry(&mut self) {
        let now = self.now().elapsed;
        for line in &mut self.lines {
            line.inquiry.hurry(now);
        }
    }

    /// How things stand with each, in words; the default one first.
    pub(super) fn status(&self, now: UnixMillis, zone: &TimeZone) -> Vec<GatewayStatus> {
        let mut all: Vec<GatewayStatus> = self
            .lines
            .iter()
            .map(|line| line.status(now, zone))
            .collect();
        all.sort_by_key(|gateway| !gateway.default);
        all
    }

    /// What stands in the way.
    pub(super) fn problems(&self) -> impl Iterator<Item = &Problem> {
        let lines = self.lines.iter().flat_map(|line| &line.problems);
        self.problems.iter().chain(lines)
    }
}

impl Line {
    /// A gateway to which no connection was made yet.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn new(gateway: Gateway, ledger: &Ledger) -> Result<Self, LedgerError> {
        let last = ledger.last_told(&gateway.name)?;
        let mut inquiry = Inquiry::default();
        inquiry.set_logs_here(last.is_some_and(|(_, logs_here)| logs_here));
        Ok(Self {
            gateway,
            state: State::Connecting,
            problems: Vec::new(),
            inquiry,
            told_at: last.filter(|(_, here)| !here).map(|(at, _)| at),
            pushed: Vec::new(),
            told: VecDeque::new(),
        })
    }

    /// Takes in what it told; [`Line::keep`] brings it into the ledger.
    pub fn take(&mut self, event: GatewayEvent, now: Moment) -> Upshot {
        let news = Upshot {
            news: true,
            scan: false,
        };
        match event {
            GatewayEvent::State(state) => {
                self.inquiry.state(&state, now.elapsed);
                if let State::Connected { .. } = state {
                    self.problems.retain(|problem| problem.code == NOT_KEPT);
                }
                self.state = state;
                news
            }
            GatewayEvent::Message(pushed) => {
                self.pushed.push(*pushed);
                if self.pushed.len() <= MOST_PUSHED {
                    return Upshot::default();
                }
                self.pushed.clear();
                self.take(GatewayEvent::Gap, now)
            }
            GatewayEvent::Gap => {
                self.inquiry.gap(now.elapsed);
                Upshot {
                    news: false,
                    scan: true,
                }
            }
            GatewayEvent::Answer { ask, answer } => {
                self.told.extend(self.inquiry.answered(ask, answer, now));
                Upshot::default()
            }
            GatewayEvent::Problem(problem) => {
                self.complain(problem);
                news
            }
        }
    }

    /// Brings into the ledger what it told since the last time; true when surfaces should hear of it. What the ledger
    /// refuses is tried again.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn keep(&mut self, ingest: &mut Ingest, now: UnixMillis) -> Result<bool, LedgerError> {
        let mut news = false;
        if !self.pushed.is_empty() {
            news |= ingest.hear(&self.gateway.name, &self.pushed)?;
            self.pushed.clear();
        }
        while let Some(told) = self.told.pop_front() {
            if let Err(error) = self.keep_told(&told, &mut ingest.ledger, now) {
                self.told.push_front(told);
                return Err(error);
            }
            news = true;
        }
        Ok(news)
    }

    /// What it is to be asked now, each under a number of its own.
    pub fn ask(&mut self, now: u64, today: Date, zone: &str) -> Vec<(u64, Ask)> {
        self.inquiry.ask(now, today, zone)
    }

    /// When there is something to ask; `None` while nothing can be.
    #[must_use]
    pub fn due(&self) -> Option<u64> {
        self.inquiry.due()
    }

    fn keep_told(
        &mut self,
        told: &Told,
        ledger: &mut Ledger,
        taken_at: UnixMillis,
    ) -> Result<(), LedgerError> {
        match told {
            Told::Days {
                days,
                zone,
                updated_at,
                sessions,
            } => {
                let logs_here = ledger.keep_remote_days(&RemoteAnswer {
                    gateway: &self.gateway.name,
                    zone,
                    updated_at: *updated_at,
                    taken_at,
                    days,
                    sessions,
                })?;
                self.inquiry.set_logs_here(logs_here);
                self.told_at = (!logs_here).then_some(taken_at);
                self.problems.retain(|problem| problem.code != NO_TOTALS);
            }
            Told::Quotas(quotas) => {
                ledger.keep_quotas(&self.gateway.name, quotas)?;
                self.problems.retain(|problem| problem.code != NO_QUOTAS);
            }
            // Those that are too old for quotas have none.
            Told::Nothing(Topic::Quotas, Unanswered::UnknownMethod) => {}
            Told::Nothing(topic, why) => {
                let (code, what) = match topic {
                    Topic::Quotas => (NO_QUOTAS, "how full the quotas are"),
                    Topic::Totals => (NO_TOTALS, "what it counts"),
                };
                self.complain(Problem {
                    code: code.into(),
                    message: format!(
                        "the gateway `{}` does not tell {what}: {}",
                        self.gateway.name,
                        why.words()
                    ),
                    hint: "what it told before stays; it is asked again in some minutes".into(),
                    serious: false,
                });
            }
        }
        Ok(())
    }

    /// Keeps the latest problem of each kind.
    fn complain(&mut self, problem: Problem) {
        self.problems.retain(|known| known.code != problem.code);
        self.problems.push(problem);
    }

    fn status(&self, now: UnixMillis, zone: &TimeZone) -> GatewayStatus {
        GatewayStatus::new(&self.gateway, &self.state, self.told_at, now, zone)
    }
}

/// Codes of what a gateway does not tell.
const NO_TOTALS: &str = "gateway_totals";
const NO_QUOTAS: &str = "gateway_quotas";

/// Messages kept at most while the ledger takes none: what is dropped is asked for later.
const MOST_PUSHED: usize = 1_000;
