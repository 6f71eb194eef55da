//! Whether the ledger is what its logs tell: all of them are read again, into a ledger of its own, and compared.
//!
//! Every difference is explained by a proof, or it is said that nothing explains it.

use crate::{
    api::{ApiError, Progress},
    config::Config,
    environment::{Environment, zone},
    follow::Follower,
    ingest::{Ingest, Opened, catch_up},
    ledger::{
        Ledger, LedgerError, WrongSum,
        files::{Content, HEARD, path_text},
        listing::{Listed, Response, Trace},
        query::Dimension,
        state,
    },
    pricing::{Basis, Prices},
    summary::Amount,
    usage::Source,
};
use jiff::{civil::Date, tz::TimeZone};
use serde::Serialize;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap, HashSet, VecDeque},
    path::{Path, PathBuf},
    sync::Arc,
};

/// Why the ledger and its logs tell something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A file that told of it no longer exists.
    LogGone,
    /// A file that told of it has been given another content since, or OpenClaw took it out of its database.
    LogRewritten,
    /// A file that told of it cannot be read now.
    LogUnreadable,
    /// A file that told of it lies outside the folders that are looked at today.
    FolderNotLookedAt,
    /// A gateway told it, and no log here does: there is nothing to read again.
    HeardFromGateway,
    /// Only a gateway's own totals tell of it.
    GatewayTotals,
    /// The user had it forgotten.
    Forgotten,
    /// The process that follows the logs has not read that far yet.
    NotReadYet,
    /// The process that follows the logs computed the costs by other prices.
    PriceChanged,
    /// The kept sums are not what the responses come to.
    SumsWrong,
    /// None of these.
    Unexplained,
}

impl Cause {
    /// The sentence shown to people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::LogGone => "the log is gone; the ledger keeps what it told",
            Self::LogRewritten => "the log was rewritten, or OpenClaw dropped it",
            Self::LogUnreadable => "the log cannot be read now",
            Self::FolderNotLookedAt => "its folder is no longer looked at",
            Self::HeardFromGateway => "heard from a gateway; there is no file to read again",
            Self::GatewayTotals => "only a gateway's own totals tell of it",
            Self::Forgotten => "you had it forgotten",
            Self::NotReadYet => "the Clawspend that follows the logs has not read it yet",
            Self::PriceChanged => "the Clawspend that follows the logs goes by other prices",
            Self::SumsWrong => "the sums kept are not what the responses come to",
            Self::Unexplained => "nothing explains it",
        }
    }

    /// Whether all is as it should be with it.
    #[must_use]
    pub const fn is_explained(self) -> bool {
        !matches!(self, Self::SumsWrong | Self::Unexplained)
    }
}

/// What differs for one reason on one day, of one source and model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The reason.
    pub cause: Cause,
    /// The local day.
    pub day: Date,
    /// Whose responses.
    pub source: Source,
    /// The model as written.
    pub model: Arc<str>,
    /// What only the ledger says; of wrong sums, what they say.
    pub ledger: Amount,
    /// What only the logs say; of wrong sums, what they should say.
    pub logs: Amount,
}

/// What comparing came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// The zone whose days these are.
    pub timezone: String,
    /// Files and databases that were read again.
    pub files: u64,
    /// Responses in the ledger.
    pub ledger: u64,
    /// Responses in the logs.
    pub logs: u64,
    /// What differs, in order of reason, day, source and model. Empty when all is equal.
    pub differences: Vec<Difference>,
}

/// How often what nothing explains is looked at again while logs are being written.
const ROUNDS: u32 = 3;

/// Reads all logs again and compares what they tell with the ledger, which is brought up to date before and after.
///
/// # Errors
/// [`ApiError`].
pub fn verify(
    environment: &Environment,
    config: &Config,
    report: &mut dyn FnMut(Progress),
) -> Result<Verified, ApiError> {
    let folder = tempfile::tempdir().map_err(|error| ApiError {
        code: "no_temporary_folder".into(),
        message: format!("cannot make a temporary folder to read the logs into: {error}"),
        hint: "free some space, or set TMPDIR to a folder that can be written".into(),
    })?;
    let mut elsewhere = environment.clone();
    elsewhere.paths.data_dir = folder.path().to_owned();
    // Nobody else knows of the folder.
    let Opened::Ours { ingest, .. } = Ingest::open(&elsewhere, config)? else {
        return Err(LedgerError::Missing(elsewhere.paths.ledger()).into());
    };
    let mut logs = *ingest;
    logs.read_all(report)?;
    catch_up(environment, config, &mut |_| {})?;

    let mut kept = Ledger::open_reader(&environment.paths.ledger())?;
    let (zone, timezone) = zone(config);
    let known = kept.basis()?.map(|basis| basis.terms);
    let in_force = config.terms.clone().or(known).unwrap_or_default();
    let mut comparison = Comparison {
        prices: Prices::new(in_force.clone()),
        proofs: Proofs::new(environment, config, &kept, &logs)?,
        zone,
        differences: BTreeMap::new(),
    };
    let (ids, [in_ledger, in_logs]) = differing(&mut kept, &mut logs.ledger)?;
    let mut doubtful = comparison.judge(ids, &mut kept, &mut logs.ledger)?;
    for _ in 1..ROUNDS {
        if doubtful.is_empty() {
            break;
        }
        // What was written between the two readings is equal by now.
        logs.read_all(&mut |_| {})?;
        catch_up(environment, config, &mut |_| {})?;
        comparison.proofs = Proofs::new(environment, config, &kept, &logs)?;
        doubtful = comparison.judge(doubtful, &mut kept, &mut logs.ledger)?;
    }
    for id in doubtful {
        let left = logs.ledger.responses_not_forgotten(id, &kept)?;
        comparison.add(Cause::Unexplained, [kept.responses_of(id)?, left]);
        comparison.add_forgotten(id, &kept, &mut logs.ledger)?;
    }

    let mut of_gateways = 0;
    for rest in kept.rests(Date::MIN, Date::MAX)? {
        let difference =
            comparison.at(Cause::GatewayTotals, rest.day, Source::OpenClaw, rest.model);
        difference.ledger += rest.amount;
        of_gateways += rest.amount.responses;
    }

    let copy = folder.path().join("copy.sqlite");
    kept.copy_to(&copy)?;
    let (copy, _) = Ledger::open(&copy)?;
    let other_prices = copy.basis()?.is_some_and(|of| of != Basis::of(&in_force));
    comparison.add_wrong_sums(copy, &timezone, other_prices)?;
    Ok(Verified {
        timezone,
        files: logs.ledger.file_sizes()?.len() as u64,
        ledger: in_ledger + of_gateways,
        logs: in_logs,
        differences: comparison.differences.into_values().collect(),
    })
}

/// The ids that are not the same on both sides, and how many responses each side has. Both go by in the same order, a
/// page at a time.
fn differing(kept: &mut Ledger, logs: &mut Ledger) -> Result<(Vec<u64>, [u64; 2]), LedgerError> {
    let mut sides = [Pages::of(kept), Pages::of(logs)];
    let mut ids = Vec::new();
    let mut responses = [0; 2];
    loop {
        let [one, two] = &mut sides;
        let next = match (one.front()?, two.front()?) {
            (None, None) => return Ok((ids, responses)),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(two)) => one.cmp(&two),
        };
        let one = if next.is_le() { one.take() } else { None };
        let two = if next.is_ge() { two.take() } else { None };
        let id = one.as_ref().or(two.as_ref()).map(|it| it.cluster);
        let one = one.map_or(Vec::new(), |it| it.responses);
        let two = two.map_or(Vec::new(), |it| it.responses);
        responses[0] += one.len() as u64;
        responses[1] += two.len() as u64;
        let same = one.len() == two.len() && one.iter().zip(&two).all(|(one, two)| is(one, two));
        ids.extend(id.filter(|_| !same));
    }
}

/// A ledger's ids in its own order.
struct Pages<'l> {
    ledger: &'l mut Ledger,
    page: VecDeque<Listed>,
    after: Option<u64>,
}

impl<'l> Pages<'l> {
    fn of(ledger: &'l mut Ledger) -> Self {
        Self {
            ledger,
            page: VecDeque::new(),
            after: None,
        }
    }

    /// The next id, as the order goes.
    fn front(&mut self) -> Result<Option<i64>, LedgerError> {
        if self.page.is_empty() {
            self.page = self.ledger.list_after(self.after, 1024)?.into();
            self.after = self.page.back().map(|one| one.cluster).or(self.after);
        }
        Ok(self.page.front().map(|one| one.cluster.cast_signed()))
    }

    fn take(&mut self) -> Option<Listed> {
        self.page.pop_front()
    }
}

/// What a log tells of a response; the rest is told of its session, elsewhere and at any time.
const TOLD: [Dimension; 10] = [
    Dimension::Agent,
    Dimension::Project,
    Dimension::Session,
    Dimension::Branch,
    Dimension::Subagent,
    Dimension::Gateway,
    Dimension::Provider,
    Dimension::Model,
    Dimension::Api,
    Dimension::StopReason,
];

/// Whether both say the same, wherever they were read.
fn is(one: &Response, two: &Response) -> bool {
    let figures = |it: &Response| (it.source, it.at, it.tokens, it.modifiers, it.recorded);
    figures(one) == figures(two) && TOLD.iter().all(|of| one.name(*of) == two.name(*of))
}

/// The differences, as they are found.
struct Comparison {
    prices: Prices,
    proofs: Proofs,
    zone: TimeZone,
    differences: BTreeMap<(Cause, Date, Source, Arc<str>), Difference>,
}

impl Comparison {
    /// Adds the differences that something explains, and returns the ids of those that nothing does.
    fn judge(
        &mut self,
        ids: Vec<u64>,
        kept: &mut Ledger,
        logs: &mut Ledger,
    ) -> Result<Vec<u64>, LedgerError> {
        let mut doubtful = Vec::new();
        for id in ids {
            let sides = [
                kept.responses_of(id)?,
                logs.responses_not_forgotten(id, kept)?,
            ];
            let [one, two] = only(sides);
            if !(one.is_empty() && two.is_empty()) {
                let cause = self.proofs.cause(&kept.traces(id)?, &logs.traces(id)?);
                if !cause.is_explained() {
                    doubtful.push(id);
                    continue;
                }
                self.add(cause, [one, two]);
            }
            self.add_forgotten(id, kept, logs)?;
        }
        Ok(doubtful)
    }

    fn add_forgotten(
        &mut self,
        id: u64,
        kept: &Ledger,
        logs: &mut Ledger,
    ) -> Result<(), LedgerError> {
        let left = logs.responses_not_forgotten(id, kept)?;
        let [_, forgotten] = only([left, logs.responses_of(id)?]);
        self.add(Cause::Forgotten, [Vec::new(), forgotten]);
        Ok(())
    }

    fn add(&mut self, cause: Cause, sides: [Vec<Response>; 2]) {
        for (side, responses) in only(sides).into_iter().enumerate() {
            for response in responses {
                let amount = response.amount(self.prices.cost(response.priceable()));
                let day = response.at.day(&self.zone);
                let model = response.name(Dimension::Model).into();
                let difference = self.at(cause, day, response.source, model);
                let sum = [&mut difference.ledger, &mut difference.logs];
                *sum[side] += amount;
            }
        }
    }

    fn at(&mut self, cause: Cause, day: Date, source: Source, model: Arc<str>) -> &mut Difference {
        let cell = self.differences.entry((cause, day, source, model.clone()));
        cell.or_insert_with(|| Difference {
            cause,
            day,
            source,
            model,
            ledger: Amount::default(),
            logs: Amount::default(),
        })
    }

    /// Compares the kept sums with what the responses come to; uses up the copy.
    fn add_wrong_sums(
        &mut self,
        mut copy: Ledger,
        timezone: &str,
        other_prices: bool,
    ) -> Result<(), LedgerError> {
        // The process that follows the logs may count the days of another zone.
        let zone = match copy.state(state::ZONE)? {
            Some(name) if name != timezone => TimeZone::get(&name).ok(),
            _ => Some(self.zone.clone()),
        };
        let prices = &mut self.prices;
        let counted_in = zone.clone().unwrap_or(TimeZone::UTC);
        let wrong = copy.wrong_sums(&counted_in, &mut |one| prices.cost(one))?;
        // Where both kinds of sums are wrong, the finer ones tell how much.
        let mut told = HashSet::new();
        for WrongSum {
            table,
            day,
            source,
            model,
            kept,
            counted,
        } in wrong
        {
            let days = table == "days";
            let again = !told.insert((day, source, model.clone()));
            if days && (again || zone.is_none()) {
                continue;
            }
            let but_cost = |it: Amount| (it.responses, it.tokens);
            let cause = if other_prices && but_cost(kept) == but_cost(counted) {
                Cause::PriceChanged
            } else {
                Cause::SumsWrong
            };
            let difference = self.at(cause, day, source, model);
            difference.ledger += kept;
            difference.logs += counted;
        }
        Ok(())
    }
}

/// What each side has and the other has not.
fn only([mut one, two]: [Vec<Response>; 2]) -> [Vec<Response>; 2] {
    let mut rest = Vec::new();
    for response in two {
        match one.iter().position(|other| is(&response, other)) {
            Some(at) => drop(one.remove(at)),
            None => rest.push(response),
        }
    }
    [one, rest]
}

/// What explains differences: the state of the files that told of a response.
struct Proofs {
    roots: Vec<PathBuf>,
    /// What the ledger has read of each file, and what there is to read.
    contents: [HashMap<String, Content>; 2],
    unread: HashSet<String>,
    unreadable: Vec<PathBuf>,
    /// Of the files asked for so far.
    known: HashMap<Arc<str>, Option<Cause>>,
}

impl Proofs {
    fn new(
        environment: &Environment,
        config: &Config,
        kept: &Ledger,
        logs: &Ingest,
    ) -> Result<Self, LedgerError> {
        let roots = environment.roots(config);
        let unread = Follower::new(roots.clone(), kept)?.unread()?;
        Ok(Self {
            roots: roots.into_iter().map(|root| root.path).collect(),
            contents: [kept.contents()?, logs.ledger.contents()?],
            unread: unread.iter().map(|path| path_text(path)).collect(),
            unreadable: logs.follower.cannot_read(),
            known: HashMap::new(),
        })
    }

    /// Why the copies that the ledger remembers are not those that the logs tell of now.
    fn cause(&mut self, kept: &[Trace], now: &[Trace]) -> Cause {
        let (pushed, read): (Vec<&Trace>, _) =
            kept.iter().partition(|trace| trace.path.starts_with(HEARD));
        if !pushed.is_empty() && read.is_empty() && now.is_empty() {
            return Cause::HeardFromGateway;
        }
        let kept = read;
        let of_file = kept.iter().find_map(|trace| self.of_file(&trace.path));
        let removed = || {
            let of_database = kept.iter().filter(|trace| is_database(&trace.path));
            of_database.into_iter().any(|trace| !now.contains(trace))
        };
        let unread = || now.iter().any(|trace| self.unread.contains(&*trace.path));
        match of_file {
            Some(cause) => cause,
            None if removed() => Cause::LogRewritten,
            None if unread() => Cause::NotReadYet,
            None => Cause::Unexplained,
        }
    }

    fn of_file(&mut self, path: &Arc<str>) -> Option<Cause> {
        if let Some(known) = self.known.get(path) {
            return *known;
        }
        let file = Path::new(&**path);
        let [kept, now] = &self.contents;
        let rewritten = || {
            let (kept, now) = (kept.get(&**path)?, now.get(&**path)?);
            Some(if is_database(path) {
                // Later rows rely on what earlier ones said.
                now.counted < kept.counted
            } else {
                // The stamp is a note beside the log.
                kept.generation > 0 || now.stamp != kept.stamp
            })
        };
        let within = |folders: &[PathBuf]| folders.iter().any(|folder| file.starts_with(folder));
        let cause = if matches!(file.try_exists(), Ok(false)) {
            Some(Cause::LogGone)
        } else if !within(&self.roots) {
            Some(Cause::FolderNotLookedAt)
        } else if within(&self.unreadable) {
            Some(Cause::LogUnreadable)
        } else if rewritten() == Some(true) {
            Some(Cause::LogRewritten)
        } else {
            None
        };
        self.known.insert(path.clone(), cause);
        cause
    }
}

/// Rows come and go in a database; each is told apart by its place.
fn is_database(path: &str) -> bool {
    path.ends_with(".sqlite")
}
