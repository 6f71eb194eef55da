//! The gateways that the engine stays connected to while it follows the logs: how things stand, what they push, and
//! what they are asked.

use crate::{
    api::{GatewayStatus, Problem},
    config::Config,
    dialects::openclaw::pushed::Pushed,
    environment::Environment,
    gateway::{self, Connections, Gateway, GatewayEvent, Inquiry, Moment, Origin, State, Told},
    ingest::Ingest,
    ledger::{Ledger, LedgerError, remote_days::RemoteAnswer},
    time::UnixMillis,
};
use jiff::{civil::Date, tz::TimeZone};
use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

/// Where what gateways tell goes, with a gateway's name.
pub(super) type Inbox = Arc<dyn Fn(&str, GatewayEvent) + Send + Sync>;

pub(super) struct Gateways {
    inbox: Inbox,
    /// Not before there is anything to connect to.
    connections: Option<Connections>,
    lines: Vec<Line>,
    /// Why there may be more.
    problems: Vec<Problem>,
    began: Instant,
}

struct Line {
    gateway: Gateway,
    state: State,
    problems: Vec<Problem>,
    inquiry: Inquiry,
    /// Of when its own totals are, where the figures are made of them.
    told_at: Option<UnixMillis>,
    /// What it pushed, and what it answered, until the ledger has it.
    pushed: Vec<Pushed>,
    told: Vec<Told>,
}

/// What something that a gateway told makes necessary.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Upshot {
    /// Surfaces should hear of it.
    pub(super) news: bool,
    /// The logs are to be looked at: what it pushed meanwhile was not heard.
    pub(super) scan: bool,
}

impl Gateways {
    pub(super) fn new(inbox: Inbox) -> Self {
        Self {
            inbox,
            connections: None,
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
        let (wanted, problems) = gateway::gateways(environment, config);
        let mut news = self.problems != problems;
        self.problems = problems;
        let known: Vec<&Gateway> = self.lines.iter().map(|line| &line.gateway).collect();
        if self.connections.is_some() && known.into_iter().eq(&wanted) {
            return Ok(news);
        }
        let names: Vec<&str> = wanted.iter().map(|one| one.name.as_str()).collect();
        ledger.keep_quotas_of(&names)?;
        if self.connections.is_none() && !wanted.is_empty() {
            match self.connect(environment) {
                Ok(connections) => self.connections = Some(connections),
                Err(error) => {
                    self.problems.push(Problem {
                        code: "gateway".into(),
                        message: format!("no connection to gateways can be made: {error}"),
                        hint: "close other programs, and start Clawspend again".into(),
                        serious: true,
                    });
                    return Ok(true);
                }
            }
        }
        if let Some(connections) = &self.connections {
            connections.follow(wanted.clone());
        }
        let mut before = std::mem::take(&mut self.lines);
        for gateway in wanted {
            let same = before.iter().position(|line| line.gateway == gateway);
            self.lines.push(match same {
                Some(at) => before.swap_remove(at),
                None => Line::new(gateway, ledger)?,
            });
            news = true;
        }
        Ok(news || !before.is_empty())
    }

    fn connect(&self, environment: &Environment) -> io::Result<Connections> {
        let inbox = Arc::clone(&self.inbox);
        Connections::start(environment.clone(), move |name, event| inbox(name, event))
    }

    /// Takes in what a gateway told; [`Gateways::keep`] brings it into the ledger.
    pub(super) fn take(&mut self, name: &str, event: GatewayEvent) -> Upshot {
        let now = self.now();
        let Some(line) = self.lines.iter_mut().find(|line| line.gateway.name == name) else {
            return Upshot::default();
        };
        let news = Upshot {
            news: true,
            scan: false,
        };
        match event {
            GatewayEvent::State(state) => {
                line.inquiry.state(&state, now.elapsed);
                if let State::Connected { .. } = state {
                    line.problems.clear();
                }
                line.state = state;
                news
            }
            GatewayEvent::Message(pushed) => {
                line.pushed.push(*pushed);
                Upshot::default()
            }
            GatewayEvent::Gap => {
                line.inquiry.gap(now.elapsed);
                Upshot {
                    news: false,
                    scan: true,
                }
            }
            GatewayEvent::Answer { ask, answer } => {
                line.told.extend(line.inquiry.answered(ask, answer, now));
                Upshot::default()
            }
            GatewayEvent::Problem(problem) => {
                line.complain(problem);
                news
            }
        }
    }

    /// Brings into the ledger what was told since the last time; true when surfaces should hear of it. What the ledger
    /// refuses is tried again.
    pub(super) fn keep(&mut self, ingest: &mut Ingest) -> Result<bool, LedgerError> {
        let mut news = false;
        for line in &mut self.lines {
            if !line.pushed.is_empty() {
                news |= ingest.hear(&line.gateway.name, &line.pushed)?;
                line.pushed.clear();
            }
            while let Some(told) = line.told.first() {
                news |= line.keep(&told.clone(), &mut ingest.ledger)?;
                line.told.remove(0);
            }
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
            for (number, ask) in line.inquiry.ask(now, today, zone) {
                connections.ask(&line.gateway.name, number, ask);
            }
        }
    }

    /// How long nothing is to be asked.
    pub(super) fn patience(&self) -> Option<Duration> {
        let now = self.now().elapsed;
        let due = self.lines.iter().filter_map(|line| line.inquiry.due());
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
    fn new(gateway: Gateway, ledger: &Ledger) -> Result<Self, LedgerError> {
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
            told: Vec::new(),
        })
    }

    fn keep(&mut self, told: &Told, ledger: &mut Ledger) -> Result<bool, LedgerError> {
        match told {
            Told::Days {
                days,
                zone,
                updated_at,
                sessions,
            } => {
                let sessions: Vec<&str> = sessions.iter().map(String::as_str).collect();
                let taken_at = UnixMillis::now();
                let logs_here = ledger.keep_remote_days(&RemoteAnswer {
                    gateway: &self.gateway.name,
                    zone,
                    updated_at: *updated_at,
                    taken_at,
                    days,
                    sessions: &sessions,
                })?;
                self.inquiry.set_logs_here(logs_here);
                self.told_at = (!logs_here).then_some(taken_at);
                self.problems.retain(|problem| problem.code != SILENT);
                Ok(true)
            }
            Told::Quotas(quotas) => {
                ledger.keep_quotas(&self.gateway.name, quotas)?;
                Ok(true)
            }
            Told::Nothing(method, why) => {
                self.complain(Problem {
                    code: SILENT.into(),
                    message: format!(
                        "the gateway `{}` does not answer {method}: {}",
                        self.gateway.name,
                        why.words()
                    ),
                    hint: "what it told before stays; it is asked again in some minutes".into(),
                    serious: false,
                });
                Ok(true)
            }
        }
    }

    /// Keeps the latest problem of each kind.
    fn complain(&mut self, problem: Problem) {
        self.problems.retain(|known| known.code != problem.code);
        self.problems.push(problem);
    }

    fn status(&self, now: UnixMillis, zone: &TimeZone) -> GatewayStatus {
        let Self { gateway, state, .. } = self;
        GatewayStatus {
            name: gateway.name.clone(),
            url: gateway.address.to_string(),
            default: gateway.default,
            state: state.word().into(),
            brief: state.brief(now, zone),
            sentence: state.sentence(&gateway.address, zone),
            advice: state.advice(),
            command: state.command(),
            needs_user: state.needs_user() && gateway.origin != Origin::Local,
            told_at: self.told_at,
        }
    }
}

/// A question that is not answered.
const SILENT: &str = "gateway_silent";
