//! What gateways count by themselves: the quotas of the providers, and why their totals are not ours.

use super::{ApiError, Progress, Reader};
use crate::{
    follow::search,
    gateway::{gateways, remote::RemoteModel},
    ledger::{query::Dimension, quotas::KeptQuota, remote_days::KeptDay, rests::Rest},
    money::grouped,
    reconcile::{Mine, Reconciled, reconcile},
    summary::Amount,
    time::{UnixMillis, add_days, day_start},
    usage::Source,
};
use jiff::civil::Date;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    path::PathBuf,
    sync::Arc,
};

/// Both totals of each day of each gateway.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reconciliation {
    /// In order of gateway and day; only days that the gateway told of.
    pub days: Vec<Reconciled>,
    /// Logs that could not be searched for copies, with why.
    pub unread: Vec<(PathBuf, String)>,
}

/// By id and tokens of a response, which tell apart those that share an id: the sessions whose logs have it.
type Sessions = HashMap<(u64, u64), BTreeSet<String>>;

impl Reader {
    /// The quotas that gateways tell of now, fullest first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn quotas(&self) -> Result<Vec<KeptQuota>, ApiError> {
        Ok(self.ledger.quotas()?)
    }

    /// How full quotas were over time.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn quota_history(&self) -> Result<Vec<KeptQuota>, ApiError> {
        Ok(self.ledger.quota_history()?)
    }

    /// What gateways count on these days, in order of gateway and day; with its age, and by agent and model.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn gateway_days(&self, since: Date, until: Date) -> Result<Vec<KeptDay>, ApiError> {
        Ok(self.ledger.remote_days(since, until)?)
    }

    /// What gateways count of these days beyond what was heard from them, in order of day, gateway, provider, model and
    /// agent.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn rests(&mut self, since: Date, until: Date) -> Result<Vec<Rest>, ApiError> {
        Ok(self.ledger.rests(since, until)?)
    }

    /// What a total over these days may lack of gateways whose logs are elsewhere, or has from their own totals alone, in
    /// sentences.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn gateway_remarks(
        &mut self,
        since: Date,
        until: Date,
        now: UnixMillis,
    ) -> Result<Vec<String>, ApiError> {
        let mut remarks = Vec::new();
        let mut sums: BTreeMap<Arc<str>, Amount> = BTreeMap::new();
        for rest in self.ledger.rests(since, until)? {
            *sums.entry(rest.gateway).or_default() += rest.amount;
        }
        for (gateway, amount) in &sums {
            remarks.push(format!(
                "OpenClaw: {} known from the totals of the gateway {gateway} alone; they count copies in forked sessions \
                 again, which cannot be seen from outside.",
                told(amount)
            ));
        }
        let until = day_start(add_days(until, 1), &self.zone).min(now.plus(-OLD_MILLIS));
        let mut latest = self.ledger.remote_latest()?;
        latest.retain(|(_, updated_at)| *updated_at < until);
        if latest.is_empty() {
            return Ok(remarks);
        }
        let (followed, _) = gateways(&self.environment, &self.config);
        for (gateway, updated_at) in latest {
            if followed.iter().any(|it| it.name == gateway) {
                remarks.push(format!(
                    "OpenClaw: the gateway {gateway} last told what it counts at {}; what was spent there since and not heard \
                     is not in.",
                    self.clock(updated_at)
                ));
            }
        }
        Ok(remarks)
    }

    /// A time for people, to the minute.
    fn clock(&self, at: UnixMillis) -> String {
        let local = at.timestamp().to_zoned(self.zone.clone());
        local.strftime("%Y-%m-%d %H:%M").to_string()
    }

    /// Compares what gateways count on these days with the ledger; searches the logs for copies where they are here.
    ///
    /// # Errors
    /// [`ApiError`]: `not_found` for a gateway that never told anything, or what is wrong with the ledger.
    pub fn reconcile(
        &mut self,
        gateway: Option<&str>,
        since: Date,
        until: Date,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Reconciliation, ApiError> {
        if let Some(name) = gateway {
            self.expect_told(name)?;
        }
        let mut days = self.ledger.remote_days(since, until)?;
        days.retain(|day| gateway.is_none_or(|name| day.gateway == name));
        if days.is_empty() {
            return Ok(Reconciliation::default());
        }
        // A day of any zone lies within these.
        let around = (add_days(since, -1), add_days(until, 1));
        let (sessions, unread) = if days.iter().any(|day| day.logs_here) {
            self.sessions_of_copies(around, progress)
        } else {
            (Sessions::new(), Vec::new())
        };
        let by_gateway = self.mine(around, &sessions)?;
        let rests = self.ledger.rests(since, until)?;
        let days = days.iter().map(|day| {
            let here = if day.logs_here {
                by_gateway.get("")
            } else {
                None
            };
            let pushed = by_gateway.get(&*day.gateway);
            let mine: Vec<Mine> = here.into_iter().chain(pushed).flatten().cloned().collect();
            let of_day = |it: &&Rest| *it.gateway == *day.gateway && it.day == day.figures.day;
            let rests: Vec<RemoteModel> = rests.iter().filter(of_day).map(Rest::told).collect();
            reconcile(day, &self.zone, &mine, &rests, unread.is_empty())
        });
        Ok(Reconciliation {
            days: days.collect(),
            unread,
        })
    }

    fn expect_told(&self, gateway: &str) -> Result<(), ApiError> {
        let known = self.ledger.remote_gateways()?;
        if known.iter().any(|name| name == gateway) {
            return Ok(());
        }
        let hint = if known.is_empty() {
            NOTHING_TOLD.into()
        } else {
            format!("these have told theirs: {}", known.join(", "))
        };
        Err(ApiError {
            code: "not_found".into(),
            message: format!("no gateway named {gateway:?} has told its own figures yet"),
            hint,
        })
    }

    fn sessions_of_copies(
        &self,
        (first, last): (Date, Date),
        progress: &mut dyn FnMut(Progress),
    ) -> (Sessions, Vec<(PathBuf, String)>) {
        let mut sessions = Sessions::new();
        let roots = self.environment.roots(&self.config);
        let mut visit = |_: &std::path::Path, _, observation: &crate::usage::Observation<'_>| {
            for one in std::iter::once(observation).chain(&observation.extras) {
                if (first..=last).contains(&one.at.day(&self.zone)) {
                    let copies = sessions
                        .entry((one.cluster, one.tokens.total()))
                        .or_default();
                    copies.insert(one.session.to_string());
                }
            }
        };
        let unread = search::each_observation(&roots, Source::OpenClaw, &mut visit, progress);
        (sessions, unread)
    }

    /// OpenClaw's responses of these days by the gateway that pushed them; by the empty name those of logs.
    fn mine(
        &mut self,
        (first, last): (Date, Date),
        sessions: &Sessions,
    ) -> Result<HashMap<String, Vec<Mine>>, ApiError> {
        let keys = self.ledger.session_keys(Source::OpenClaw)?;
        let Self {
            ledger,
            prices,
            zone,
            ..
        } = self;
        let nowhere = BTreeSet::new();
        let tellers = ledger.tellers()?;
        let mut by_gateway: HashMap<String, Vec<Mine>> = HashMap::new();
        ledger.each_response(|response| {
            let of_days = (first..=last).contains(&response.at.day(zone));
            if response.source != Source::OpenClaw || !of_days {
                return;
            }
            let tokens = response.tokens.total();
            let copies = sessions
                .get(&(response.id.cluster, tokens))
                .unwrap_or(&nowhere);
            // A session whose key is not known is a conversation of its own.
            let conversations: BTreeSet<&String> =
                copies.iter().map(|id| keys.get(id).unwrap_or(id)).collect();
            let gateway = tellers.gateway(response.name(Dimension::Gateway), response.at);
            let of_gateway = by_gateway.entry(gateway.into());
            of_gateway.or_default().push(Mine {
                at: response.at,
                provider: response.name(Dimension::Provider).into(),
                model: response.name(Dimension::Model).into(),
                tokens,
                cost: prices.cost(response.priceable()),
                recorded: response.recorded,
                conversations: u32::try_from(conversations.len()).unwrap_or(u32::MAX),
                sessions: u32::try_from(copies.len()).unwrap_or(u32::MAX),
            });
        })?;
        Ok(by_gateway)
    }
}

/// A connected gateway is asked every few minutes; what it told longer ago than this is worth a word.
const OLD_MILLIS: i64 = 15 * 60_000;

/// What some responses came to, and the verb behind them.
fn told(amount: &Amount) -> String {
    let (plural, are) = match amount.responses {
        1 => ("", "is"),
        _ => ("s", "are"),
    };
    let cost = match amount.unpriced_responses {
        0 => amount.cost.display(),
        all if all == amount.responses => "cost unknown".to_owned(),
        _ => format!("at least {}", amount.cost.display()),
    };
    let responses = grouped(amount.responses);
    format!("{responses} response{plural} of these days ({cost}) {are}")
}

/// What to do when no gateway has told anything.
pub const NOTHING_TOLD: &str = "Clawspend asks a gateway while it is connected: add one with `clawspend gateway add`, and \
     let the tray app run";
