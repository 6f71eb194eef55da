//! Gateways, as doors ask for them: which there are, adding and removing them, trying one, asking one for a session.

use super::{ApiError, Problem};
use crate::{
    config::{self, Config, ConfigFault},
    environment::{Environment, zone},
    gateway::{
        self, Address, Answer, Ask, Connections, Entry, Gateway, GatewayEvent, Origin, Point,
        Secret, Secrets, SecretsError, State, Unanswered,
    },
    ledger::{Ledger, LedgerError},
    money::NanoUsd,
    time::UnixMillis,
};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::{sync::mpsc, time::Duration};

/// A gateway as doors show it. No token is ever among it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export, export_to = "types.ts"))]
pub struct KnownGateway {
    /// What the user calls it.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// It is meant where no gateway is named.
    pub default: bool,
    /// See [`Origin::word`].
    pub origin: String,
    /// A token or password for it is known.
    pub has_token: bool,
    /// It gave this device a token of its own.
    pub paired: bool,
    /// What to be warned of.
    pub warning: Option<String>,
}

/// A gateway that the engine stays connected to, and how things stand with it, in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct GatewayStatus {
    /// What the user calls it.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// It is meant where no gateway is named.
    pub default: bool,
    /// See [`Origin::word`].
    pub origin: String,
    /// See [`State::word`].
    pub state: String,
    /// A few words, such as `connected`, `wrong token` or `offline since 14:03`.
    pub brief: String,
    /// One sentence without a full stop.
    pub sentence: String,
    /// What to do about it; `None` where there is nothing to do.
    pub advice: Option<String>,
    /// What to run on the gateway's machine so that it lets us in.
    pub command: Option<String>,
    /// What to be warned of.
    pub warning: Option<String>,
    /// Nothing gets better unless somebody does something. A gateway that was merely found on this machine needs nobody.
    pub needs_user: bool,
    /// When it last told its own totals, where its logs are not on this machine and its days are counted by those.
    pub told_at: Option<UnixMillis>,
}

impl GatewayStatus {
    /// How things stand with `gateway`, told at `now` in the user's own times.
    #[must_use]
    pub fn new(
        gateway: &Gateway,
        state: &State,
        told_at: Option<UnixMillis>,
        now: UnixMillis,
        zone: &TimeZone,
    ) -> Self {
        Self {
            name: gateway.name.clone(),
            url: gateway.address.to_string(),
            default: gateway.default,
            origin: gateway.origin.word().into(),
            state: state.word().into(),
            brief: state.brief(now, zone),
            sentence: state.sentence(&gateway.address, zone),
            advice: state.advice(),
            command: state.command(),
            warning: gateway.address.warning(),
            needs_user: state.needs_user() && gateway.origin != Origin::Local,
            told_at,
        }
    }
}

/// What trying a gateway came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tried {
    /// The gateway.
    pub gateway: Gateway,
    /// How things stand.
    pub state: State,
    /// It gave this device a token of its own, now or before.
    pub paired: bool,
    /// What else stood in the way.
    pub problems: Vec<Problem>,
}

impl Tried {
    /// Why we are not let in; `None` when we are.
    #[must_use]
    pub fn refusal(&self, zone: &TimeZone) -> Option<ApiError> {
        let address = &self.gateway.address;
        let (message, hint) = match &self.state {
            State::Connected { .. } => return None,
            State::Connecting => (
                format!("{address} did not answer in time"),
                Some("try again".into()),
            ),
            state => (state.sentence(address, zone), state.advice()),
        };
        Some(ApiError {
            code: self.state.word().into(),
            message,
            hint: hint.unwrap_or_default(),
        })
    }
}

/// A session as its gateway tells it: never what was said in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToldSession {
    /// The gateway.
    pub gateway: Gateway,
    /// What was used, in order of time; [`ToldSession::is_merged`] says what a point is. A gateway says 0 for what it
    /// knows no price of: here that is no cost.
    pub points: Vec<Point>,
    /// The latest messages, in order of time, where they were asked for.
    pub log: Option<Vec<Entry>>,
    /// What else stood in the way.
    pub problems: Vec<Problem>,
}

impl ToldSession {
    /// Whether a point may stand for several responses: a gateway merges those of a session with more than 200 of
    /// them, which leaves more than 100 points.
    #[must_use]
    pub const fn is_merged(&self) -> bool {
        self.points.len() > 100
    }
}

impl From<SecretsError> for ApiError {
    fn from(error: SecretsError) -> Self {
        Self {
            code: "gateway_secrets".into(),
            message: error.to_string(),
            hint: error.hint(),
        }
    }
}

/// All gateways there are, the user's own first, and what stood in the way of finding more.
///
/// # Errors
/// [`ApiError`].
pub fn list(environment: &Environment) -> Result<(Vec<KnownGateway>, Vec<Problem>), ApiError> {
    let (gateways, mut problems) = known(environment);
    let secrets = Secrets::new(&environment.paths);
    let mut all = Vec::new();
    for gateway in gateways {
        let found = gateway::credentials(environment, &secrets, &gateway)?;
        problems.extend(found.problems);
        all.push(KnownGateway {
            has_token: found.credentials.shared.is_some(),
            paired: found.credentials.device.is_some(),
            warning: gateway.address.warning(),
            url: gateway.address.to_string(),
            default: gateway.default,
            origin: gateway.origin.word().into(),
            name: gateway.name,
        });
    }
    problems.dedup();
    Ok((all, problems))
}

/// What to be warned of before a token is given to a gateway at this URL.
///
/// # Errors
/// [`ApiError`] when no gateway can be there.
pub fn warning(url: &str) -> Result<Option<String>, ApiError> {
    Ok(address(url)?.warning())
}

fn address(url: &str) -> Result<Address, ApiError> {
    Address::parse(url).map_err(|error| ApiError {
        code: "gateway_url".into(),
        message: format!("the URL {error}"),
        hint: "a gateway on this machine is at ws://127.0.0.1:18789".into(),
    })
}

/// Adds a gateway, or gives the one of this name another address; a token is kept apart from the settings, and those
/// for an address that is no longer used are forgotten. Returns what to be warned of.
///
/// # Errors
/// [`ApiError`].
pub fn add(
    environment: &Environment,
    name: &str,
    url: &str,
    token: Option<&Secret>,
) -> Result<Option<String>, ApiError> {
    let address = address(url)?;
    if !config::is_gateway_name(name) {
        return Err(ApiError {
            code: "gateway_name".into(),
            message: "that cannot be a gateway's name".into(),
            hint: "use at most 40 letters, digits, dots, dashes and underscores".into(),
        });
    }
    let secrets = Secrets::new(&environment.paths);
    let file = environment.paths.config_file();
    // What either file refuses must change neither: one is looked at first, the other is written first.
    secrets.credentials(&address)?;
    let mut before = environment.config().0.gateways.into_iter();
    let before = before.find(|known| known.name.eq_ignore_ascii_case(name));
    let config = config::add_gateway(&file, environment.home.as_deref(), name, &address)
        .map_err(|faults| refused(environment, &faults))?;
    if let Some(before) = before {
        forget_unused(environment, &config, &before.address)?;
    }
    if token.is_some() {
        secrets.set_shared(&address, token)?;
    }
    Ok(address.warning())
}

/// Adds a gateway under a name that no other has; see [`add`].
///
/// # Errors
/// [`ApiError`].
pub fn add_new(
    environment: &Environment,
    name: &str,
    url: &str,
    token: Option<&Secret>,
) -> Result<Option<String>, ApiError> {
    let (gateways, _) = known(environment);
    if let Some(other) = gateways
        .iter()
        .find(|gateway| gateway.name.eq_ignore_ascii_case(name))
    {
        return Err(ApiError {
            code: "gateway_name".into(),
            message: format!("a gateway is called {} already", other.name),
            hint: "give this one another name".into(),
        });
    }
    add(environment, name, url, token)
}

/// Removes a gateway, and forgets its tokens unless another has the same address.
///
/// # Errors
/// [`ApiError`].
pub fn remove(environment: &Environment, name: &str) -> Result<(), ApiError> {
    let gateway = added(environment, name)?;
    // Tokens that cannot be forgotten must not be left behind.
    Secrets::new(&environment.paths).credentials(&gateway.address)?;
    let file = environment.paths.config_file();
    let left = config::remove_gateway(&file, environment.home.as_deref(), &gateway.name)
        .map_err(|faults| refused(environment, &faults))?;
    forget_unused(environment, &left, &gateway.address)?;
    // While no process follows the logs, nobody else would see that its quotas are of the past.
    let (left, _) = known(environment);
    let left: Vec<&str> = left.iter().map(|one| one.name.as_str()).collect();
    match Ledger::open_writer(&environment.paths.ledger()) {
        Ok(mut ledger) => Ok(ledger.keep_quotas_of(&left)?),
        Err(LedgerError::Missing(_)) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

/// Forgets the tokens for an address at which there is no gateway any more.
fn forget_unused(
    environment: &Environment,
    config: &Config,
    address: &Address,
) -> Result<(), ApiError> {
    if !config.gateways.iter().any(|one| one.address == *address) {
        Secrets::new(&environment.paths).forget(address)?;
    }
    Ok(())
}

/// Makes a gateway the one that is meant where none is named.
///
/// # Errors
/// [`ApiError`].
pub fn make_default(environment: &Environment, name: &str) -> Result<(), ApiError> {
    let gateway = added(environment, name)?;
    let file = environment.paths.config_file();
    config::set_default_gateway(&file, environment.home.as_deref(), &gateway.name)
        .map_err(|faults| refused(environment, &faults))?;
    Ok(())
}

/// Connects to a gateway, once, and says how that went. `None` is the default gateway.
///
/// # Errors
/// [`ApiError`] when there is no such gateway, or our own keys cannot be used.
pub fn test(environment: &Environment, name: Option<&str>) -> Result<Tried, ApiError> {
    Ok(Visit::begin(environment, name)?.tried)
}

/// Asks a gateway for a session, by its key, and for its latest messages where `messages` says how many. `None` is the
/// default gateway.
///
/// # Errors
/// [`ApiError`]: as [`test()`]; with the state's word where the gateway does not let us in; `not_found` for a session
/// that it does not know, and `gateway_answer` for whatever else is no answer.
pub fn session(
    environment: &Environment,
    name: Option<&str>,
    key: &str,
    messages: Option<u32>,
) -> Result<ToldSession, ApiError> {
    let visit = Visit::begin(environment, name)?;
    let (zone, _) = zone(&environment.config().0);
    if let Some(refusal) = visit.tried.refusal(&zone) {
        return Err(refusal);
    }
    let unanswered = |why| unanswered(&visit.tried.gateway, key, &why);
    let ask = Ask::Timeseries { key: key.into() };
    let Answer::Timeseries(mut points) = visit.ask(ask).map_err(unanswered)? else {
        return Err(unanswered(Unanswered::Unreadable));
    };
    for point in &mut points {
        let tokens = [
            point.input,
            point.output,
            point.cache_read,
            point.cache_write,
        ];
        point.cost = point
            .cost
            .filter(|cost| *cost != NanoUsd::ZERO || tokens == [0; 4]);
    }
    let log = match messages {
        None => None,
        Some(limit) => match visit.ask(Ask::Log {
            key: key.into(),
            limit,
        }) {
            Ok(Answer::Log(log)) => Some(log),
            Ok(_) => return Err(unanswered(Unanswered::Unreadable)),
            Err(why) => return Err(unanswered(why)),
        },
    };
    Ok(ToldSession {
        gateway: visit.tried.gateway,
        points,
        log,
        problems: visit.tried.problems,
    })
}

/// One connection to one gateway, made once; dropping it closes it.
struct Visit {
    tried: Tried,
    connections: Connections,
    events: mpsc::Receiver<GatewayEvent>,
}

impl Visit {
    /// Connects, and waits until it is known how things stand.
    fn begin(environment: &Environment, name: Option<&str>) -> Result<Self, ApiError> {
        let mut gateway = named(environment, name)?;
        gateway.default = true;
        // A second try belongs to it, when the first token is wrong.
        let patience = Duration::from_millis(8 * gateway.timeout);
        let (sender, events) = mpsc::channel();
        let connections = Connections::start(environment.clone(), move |_, event| {
            let _ = sender.send(event);
        })
        .map_err(|error| ApiError {
            code: "gateway".into(),
            message: format!("no connection can be made: {error}"),
            hint: "close other programs, and try again".into(),
        })?;
        connections.follow(vec![gateway.clone()]);
        let mut problems = Vec::new();
        let state = loop {
            match events.recv_timeout(patience) {
                Ok(GatewayEvent::State(State::Connecting)) => {}
                Ok(GatewayEvent::State(state)) => break state,
                Ok(GatewayEvent::Problem(problem)) if problem.code == "gateway_secrets" => {
                    return Err(ApiError {
                        code: problem.code,
                        message: problem.message,
                        hint: problem.hint,
                    });
                }
                Ok(GatewayEvent::Problem(problem)) => problems.push(problem),
                Ok(_) => {}
                Err(_) => break State::Connecting,
            }
        };
        // What there was to keep was kept before the state was told.
        let credentials = Secrets::new(&environment.paths).credentials(&gateway.address)?;
        let tried = Tried {
            paired: credentials.device.is_some(),
            gateway,
            state,
            problems,
        };
        Ok(Self {
            tried,
            connections,
            events,
        })
    }

    fn ask(&self, ask: Ask) -> Result<Answer, Unanswered> {
        self.connections.ask(&self.tried.gateway.name, 0, ask);
        loop {
            // The session answers every question in time, whatever the gateway does.
            match self.events.recv() {
                Ok(GatewayEvent::Answer { answer, .. }) => return answer,
                Ok(_) => {}
                Err(_) => return Err(Unanswered::NotConnected),
            }
        }
    }
}

fn unanswered(gateway: &Gateway, key: &str, why: &Unanswered) -> ApiError {
    let address = &gateway.address;
    let (code, message) = match why {
        Unanswered::Refused(code) if code == "INVALID_REQUEST" => (
            "not_found",
            format!("the gateway at {address} knows no session {key:?}"),
        ),
        _ => (
            "gateway_answer",
            format!(
                "the gateway at {address} does not tell of the session: {}",
                why.words()
            ),
        ),
    };
    let hint = match why {
        _ if code == "not_found" => {
            "give its key as `clawspend report --by session_key` tells it; that of a deleted session is \
             agent:AGENT:SESSION-ID"
        }
        Unanswered::UnknownMethod | Unanswered::Refused(_) => "update OpenClaw, then try again",
        Unanswered::Unreadable => {
            "update Clawspend; if that does not help, report it with the version of OpenClaw"
        }
        Unanswered::NotConnected
        | Unanswered::TooMany
        | Unanswered::TimedOut
        | Unanswered::Counting => "try again",
    };
    ApiError {
        code: code.into(),
        message,
        hint: hint.into(),
    }
}

fn known(environment: &Environment) -> (Vec<Gateway>, Vec<Problem>) {
    let (config, mut problems): (Config, Vec<Problem>) = environment.config();
    let (gateways, more) = gateway::gateways(environment, &config);
    problems.extend(more);
    (gateways, problems)
}

/// The gateway of this name, or the default one.
fn named(environment: &Environment, name: Option<&str>) -> Result<Gateway, ApiError> {
    let (gateways, problems) = known(environment);
    let wanted = |gateway: &&Gateway| match name {
        Some(name) => gateway.name.eq_ignore_ascii_case(name),
        None => gateway.default,
    };
    if let Some(gateway) = gateways.iter().find(wanted) {
        return Ok(gateway.clone());
    }
    // A config that cannot be read hides gateways.
    if let Some(problem) = problems.into_iter().next() {
        return Err(ApiError {
            code: problem.code,
            message: problem.message,
            hint: problem.hint,
        });
    }
    let names: Vec<&str> = gateways
        .iter()
        .map(|gateway| gateway.name.as_str())
        .collect();
    Err(ApiError {
        code: "gateway_unknown".into(),
        message: match name {
            Some(name) => format!("no gateway is called {name:?}"),
            None => "no gateway is known".into(),
        },
        hint: if names.is_empty() {
            "add one: clawspend gateway add NAME URL".into()
        } else {
            format!("there are: {}", names.join(", "))
        },
    })
}

/// The same, when it stands in the config.
fn added(environment: &Environment, name: &str) -> Result<Gateway, ApiError> {
    let gateway = named(environment, Some(name))?;
    let (how, hint) = match gateway.origin {
        Origin::Config => return Ok(gateway),
        Origin::Environment => (
            "comes from OPENCLAW_GATEWAY_URL",
            "unset that variable, or add the gateway under a name of your own",
        ),
        Origin::Local => (
            "was found on this machine",
            "add it under a name of your own, or set local_gateway = false below [sources] in the config file",
        ),
    };
    Err(ApiError {
        code: "gateway_found".into(),
        message: format!(
            "`{}` {how}; it does not stand in the config file",
            gateway.name
        ),
        hint: hint.into(),
    })
}

fn refused(environment: &Environment, faults: &[ConfigFault]) -> ApiError {
    let told: Vec<String> = faults.iter().map(ToString::to_string).collect();
    let file = environment.paths.config_file();
    ApiError {
        code: "config".into(),
        message: format!("{}: {}", file.display(), told.join("; ")),
        hint: "correct the config file; nothing was changed".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_how_a_gateway_is_known_and_how_things_stand() {
        let gateway = Gateway {
            name: "office".into(),
            address: Address::parse("ws://claw.example.org").expect("an address"),
            pin: None,
            default: true,
            timeout: gateway::TIMEOUT,
            origin: Origin::Environment,
        };
        let state = State::PairingRequired {
            request: Some("1ab96fea".into()),
            again: false,
        };
        let at = UnixMillis(1_795_178_000_000);
        assert_eq!(
            GatewayStatus::new(&gateway, &state, Some(at), at, &TimeZone::UTC),
            GatewayStatus {
                name: "office".into(),
                url: "ws://claw.example.org".into(),
                default: true,
                origin: "environment".into(),
                state: "pairing-required".into(),
                brief: "waiting for approval".into(),
                sentence: "the gateway at ws://claw.example.org waits for somebody to approve this device".into(),
                advice: Some("on the gateway's machine, run: openclaw devices approve 1ab96fea".into()),
                command: Some("openclaw devices approve 1ab96fea".into()),
                warning: Some(
                    "ws://claw.example.org is not encrypted: everybody on the way can read the token and what is \
                     reported; use wss://, or an SSH tunnel to 127.0.0.1"
                        .into()
                ),
                needs_user: true,
                told_at: Some(at),
            }
        );
        let found = Gateway {
            origin: Origin::Local,
            ..gateway
        };
        let status = GatewayStatus::new(&found, &state, None, at, &TimeZone::UTC);
        assert_eq!(
            (status.origin.as_str(), status.needs_user),
            ("local", false)
        );
    }

    #[test]
    fn a_url_is_judged_before_a_token_is_given_away() {
        assert_eq!(warning("ws://localhost:18789"), Ok(None));
        assert_eq!(warning("https://claw.example.org"), Ok(None));
        let warned = warning("http://claw.example.org").expect("an address");
        assert!(
            warned.is_some_and(
                |warning| warning.starts_with("ws://claw.example.org is not encrypted")
            ),
        );
        assert_eq!(
            warning("claw"),
            Err(ApiError {
                code: "gateway_url".into(),
                message: "the URL is not the address of a gateway; write it as ws://127.0.0.1:18789 or wss://host"
                    .into(),
                hint: "a gateway on this machine is at ws://127.0.0.1:18789".into(),
            })
        );
    }
}
