//! What the user wants forgotten, and forgetting it.

use crate::{
    api::ApiError,
    config::Config,
    environment::Environment,
    ingest::{Ingest, Opened},
    ledger::{Ledger, LedgerError, query::Dimension, rests::Rest},
    pricing::Prices,
    report::{Column, Filter, passes},
    summary::Amount,
    usage::Source,
};
use jiff::{civil::Date, tz::TimeZone};
use std::{collections::BTreeMap, sync::Arc};

/// What is to be forgotten: what meets all conditions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForgetRequest {
    /// Made on an earlier day than this one.
    pub before: Option<Date>,
    /// See [`crate::report::ReportRequest::only`].
    pub only: Vec<Filter>,
    /// Whose days.
    pub zone: TimeZone,
}

/// What a request comes to.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Choice {
    /// The ids whose responses all meet it.
    pub ids: Vec<u64>,
    /// What meets it of what only gateways' totals tell.
    pub rests: Vec<Rest>,
    /// All those responses.
    pub chosen: Amount,
    /// The same by source and project.
    pub by_project: BTreeMap<(Source, Arc<str>), Amount>,
    /// Their first and their last day.
    pub days: Option<(Date, Date)>,
    /// Responses that meet it and stay, because they share an id with others that do not: only whole ids are forgotten.
    pub stay: Amount,
}

/// What was forgotten.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Forgotten {
    /// The responses.
    pub choice: Choice,
    /// No byte of them is left in the ledger's files. Else a reader stood in the way, and they are overwritten once it has
    /// ended.
    pub clean: bool,
}

/// Finds what a request comes to; changes nothing.
///
/// # Errors
/// [`LedgerError`].
pub fn choose(
    ledger: &mut Ledger,
    prices: &mut Prices,
    request: &ForgetRequest,
) -> Result<Choice, LedgerError> {
    let ForgetRequest { before, only, zone } = request;
    let mut choice = Choice::default();
    let passes = |day: Date, value: &dyn Fn(Column) -> String| {
        before.is_none_or(|before| day < before)
            && only
                .iter()
                .all(|filter| passes(only, filter.column, &value(filter.column)))
    };
    choice.rests = ledger.rests(Date::MIN, Date::MAX)?;
    choice
        .rests
        .retain(|rest| passes(rest.day, &|column| column.value_of_rest(rest, zone)));
    for rest in choice.rests.clone() {
        choice.add(Source::OpenClaw, "".into(), rest.day, rest.amount);
    }
    let mut after = None;
    loop {
        let page = ledger.list_after(after, 4096)?;
        let Some(last) = page.last() else {
            return Ok(choice);
        };
        after = Some(last.cluster);
        for listed in page {
            let mut meeting = listed.responses.clone();
            meeting.retain(|response| {
                passes(response.at.day(zone), &|column| {
                    column.value(response, zone)
                })
            });
            if meeting.is_empty() {
                continue;
            }
            let whole = meeting.len() == listed.responses.len();
            choice.ids.extend(whole.then_some(listed.cluster));
            for response in meeting {
                let amount = response.amount(prices.cost(response.priceable()));
                if !whole {
                    choice.stay += amount;
                    continue;
                }
                let project = response.name(Dimension::Project).into();
                choice.add(response.source, project, response.at.day(zone), amount);
            }
        }
    }
}

impl Choice {
    fn add(&mut self, source: Source, project: Arc<str>, day: Date, amount: Amount) {
        self.chosen += amount;
        *self.by_project.entry((source, project)).or_default() += amount;
        let (first, last) = self.days.unwrap_or((day, day));
        self.days = Some((first.min(day), last.max(day)));
    }
}

/// Forgets what the request comes to once everything that is new has been read.
///
/// # Errors
/// [`ApiError`]; `ledger_in_use` while another process follows the logs.
pub fn forget(
    environment: &Environment,
    config: &Config,
    request: &ForgetRequest,
) -> Result<Forgotten, ApiError> {
    let Opened::Ours { mut ingest, .. } = Ingest::open(environment, config)? else {
        return Err(ApiError {
            code: "ledger_in_use".into(),
            message: "nothing can be forgotten while another Clawspend follows the logs".into(),
            hint: "quit the tray app, end `clawspend today --watch`, then try again".into(),
        });
    };
    ingest.read_all(&mut |_| {})?;
    let basis = ingest.ledger.basis()?;
    let mut prices = Prices::new(basis.map(|basis| basis.terms).unwrap_or_default());
    let choice = choose(&mut ingest.ledger, &mut prices, request)?;
    let clean = ingest.forget(&choice)?;
    Ok(Forgotten { choice, clean })
}
