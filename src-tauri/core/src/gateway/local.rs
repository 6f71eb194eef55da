//! What OpenClaw's own variables and files tell: a gateway on this machine, and the token that lets one in.

use super::{Address, Credentials, Gateway, Origin, Secret, Secrets, SecretsError};
use crate::{api::Problem, config::Config, environment::Environment};
use serde_json::Value;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

const PORT: u16 = 18_789;
const URL_VARIABLES: [&str; 2] = ["OPENCLAW_GATEWAY_URL", "OPENCLAW_BASE_URL"];
const TOKEN_VARIABLES: [&str; 2] = ["OPENCLAW_GATEWAY_TOKEN", "OPENCLAW_TOKEN"];
const TIMEOUT: u64 = super::TIMEOUT;

/// Credentials, and what stood in the way of better ones.
#[derive(Debug)]
pub struct Found {
    /// What is known.
    pub credentials: Credentials,
    /// What could not be read.
    pub problems: Vec<Problem>,
}

/// Every gateway to be connected to: those of the config, the one that a variable names, and the one on this machine.
#[must_use]
pub fn gateways(environment: &Environment, config: &Config) -> (Vec<Gateway>, Vec<Problem>) {
    let mut all = config.gateways.clone();
    let mut problems = Vec::new();
    match variable_address(environment) {
        Some((_, Ok(address))) => add(&mut all, "environment", address, Origin::Environment),
        Some((variable, Err(why))) => problems.push(Problem {
            code: "gateway_url".into(),
            message: format!("{variable} {why}"),
            hint: "set it to the gateway's address, or unset it".into(),
            serious: false,
        }),
        None => {}
    }
    if config.local_gateway {
        match OpenClaw::read(environment) {
            Ok(Some(openclaw)) => {
                let address = openclaw.address(environment);
                if let Some(address) = address {
                    add(&mut all, "local", address, Origin::Local);
                }
            }
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
    }
    if !all.iter().any(|gateway| gateway.default)
        && let Some(first) = all.first_mut()
    {
        first.default = true;
    }
    (all, problems)
}

/// Adds one that was found, unless it is known already.
fn add(all: &mut Vec<Gateway>, name: &str, address: Address, origin: Origin) {
    let same = |other: &Address| {
        let both_here = other.is_loopback() && address.is_loopback();
        *other == address || both_here && other.port() == address.port()
    };
    if all.iter().any(|gateway| same(&gateway.address)) {
        return;
    }
    let taken = |name: &str| all.iter().any(|gateway| gateway.name == name);
    let mut numbered = (2..).map(|number| format!("{name}-{number}"));
    let name = if taken(name) {
        numbered.find(|name| !taken(name)).unwrap_or_default()
    } else {
        name.to_owned()
    };
    all.push(Gateway {
        name,
        address,
        pin: None,
        default: false,
        timeout: TIMEOUT,
        origin,
    });
}

/// What lets us in: the token given to us, else one from a variable, else the local gateway's own.
///
/// A token is only ever sent where it belongs: that of a variable to the address a variable names, or to this machine
/// when none does; that of this machine's files to this machine's port.
///
/// # Errors
/// [`SecretsError`].
pub fn credentials(
    environment: &Environment,
    secrets: &Secrets,
    gateway: &Gateway,
) -> Result<Found, SecretsError> {
    let mut credentials = secrets.credentials(&gateway.address)?;
    let mut problems = Vec::new();
    if credentials.shared.is_none() {
        credentials.shared = variable_token(environment, &gateway.address);
    }
    if credentials.shared.is_none() && gateway.address.is_loopback() {
        match local_token(environment, &gateway.address) {
            Ok(token) => credentials.shared = token,
            Err(problem) => problems.push(problem),
        }
    }
    Ok(Found {
        credentials,
        problems,
    })
}

type Named = (&'static str, Result<Address, super::AddressError>);

fn variable_address(environment: &Environment) -> Option<Named> {
    URL_VARIABLES.into_iter().find_map(|name| {
        let typed = environment.text(name)?;
        Some((name, Address::parse(&typed)))
    })
}

fn variable_token(environment: &Environment, address: &Address) -> Option<Secret> {
    let belongs = match variable_address(environment) {
        Some((_, Ok(named))) => named == *address,
        Some((_, Err(_))) => false,
        None => address.is_loopback(),
    };
    let token = || {
        TOKEN_VARIABLES
            .into_iter()
            .find_map(|name| environment.text(name))
    };
    belongs
        .then(token)
        .flatten()
        .and_then(|token| Secret::new(&token))
}

fn local_token(environment: &Environment, address: &Address) -> Result<Option<Secret>, Problem> {
    let Some(openclaw) = OpenClaw::read(environment)? else {
        return Ok(None);
    };
    let own = openclaw.address(environment);
    if own.is_none_or(|own| own.port() != address.port()) {
        return Ok(None);
    }
    openclaw.token(environment)
}

/// OpenClaw's own settings on this machine.
struct OpenClaw {
    path: PathBuf,
    settings: Value,
}

impl OpenClaw {
    fn read(environment: &Environment) -> Result<Option<Self>, Problem> {
        let Some(path) = config_file(environment) else {
            return Ok(None);
        };
        let problem = |why: String| Problem {
            code: "openclaw_config".into(),
            message: format!("{} {why}", path.display()),
            hint: "the local gateway is not used until it can be read".into(),
            serious: false,
        };
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(problem(format!("cannot be read: {error}"))),
        };
        match json5::from_str(&text) {
            Ok(settings) => Ok(Some(Self { path, settings })),
            // The error's own words may quote the file.
            Err(_) => Err(problem("is not JSON5".into())),
        }
    }

    fn address(&self, environment: &Environment) -> Option<Address> {
        let port = environment
            .text("OPENCLAW_GATEWAY_PORT")
            .and_then(|port| port.parse().ok());
        let configured = self
            .settings
            .pointer("/gateway/port")
            .and_then(Value::as_u64);
        let port = port.or(configured.and_then(|port| u16::try_from(port).ok()));
        let tls = self.settings.pointer("/gateway/tls/enabled") == Some(&Value::Bool(true));
        Address::local(port.unwrap_or(PORT), tls)
    }

    fn token(&self, environment: &Environment) -> Result<Option<Secret>, Problem> {
        let auth = |key: &str| self.settings.pointer(&format!("/gateway/auth/{key}"));
        let mode = auth("mode").and_then(Value::as_str).unwrap_or_default();
        let (key, variable) = match mode {
            "none" => return Ok(None),
            "password" => ("password", "OPENCLAW_GATEWAY_PASSWORD"),
            _ => ("token", TOKEN_VARIABLES[0]),
        };
        let beside = |name: &str| {
            let own = environment.text(name);
            own.or_else(|| dotenv(&self.path.parent()?.join(".env"), name))
        };
        let reference = || Problem {
            code: "openclaw_secret_reference".into(),
            message: format!(
                "gateway.auth.{key} in {} is a reference to a secret, which only OpenClaw can look up",
                self.path.display()
            ),
            hint: "give it to Clawspend: clawspend gateway add NAME URL --token-stdin".into(),
            serious: false,
        };
        match auth(key) {
            None | Some(Value::Null) => Ok(beside(variable).and_then(|text| Secret::new(&text))),
            Some(Value::String(text)) => match variable_name(text) {
                // OpenClaw puts variables in place of ${NAME}.
                Some(name) => match beside(name) {
                    Some(text) => Ok(Secret::new(&text)),
                    None => Err(reference()),
                },
                None => Ok(Secret::new(text)),
            },
            Some(_) => Err(reference()),
        }
    }
}

fn variable_name(text: &str) -> Option<&str> {
    text.trim().strip_prefix("${")?.strip_suffix('}')
}

fn config_file(environment: &Environment) -> Option<PathBuf> {
    if let Some(path) = environment.text("OPENCLAW_CONFIG_PATH") {
        return Some(path.into());
    }
    let state = match environment.text("OPENCLAW_STATE_DIR") {
        Some(state) => PathBuf::from(state),
        None => {
            let given = environment.text("OPENCLAW_HOME").map(PathBuf::from);
            let home = given.or_else(|| environment.home.clone())?;
            let profile = environment
                .text("OPENCLAW_PROFILE")
                .filter(|name| name != "default");
            let new = match profile {
                Some(profile) => home.join(format!(".openclaw-{profile}")),
                None => home.join(".openclaw"),
            };
            let old = home.join(".clawdbot");
            if !new.exists() && old.exists() {
                old
            } else {
                new
            }
        }
    };
    let old = state.join("clawdbot.json");
    let new = state.join("openclaw.json");
    Some(if !new.exists() && old.exists() {
        old
    } else {
        new
    })
}

/// The value of a variable in a file of `NAME=value` lines.
fn dotenv(path: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    let value = text.lines().rev().find_map(|line| {
        let line = line.trim();
        let line = line.strip_prefix("export ").unwrap_or(line);
        let (key, value) = line.split_once('=')?;
        (key.trim() == name).then(|| value.trim())
    })?;
    let quoted = ['"', '\''].iter().find_map(|quote| {
        let rest = value.strip_prefix(*quote)?;
        rest.split_once(*quote).map(|(inside, _)| inside)
    });
    let plain = || {
        value
            .split_once(" #")
            .map_or(value, |(value, _)| value)
            .trim()
    };
    Some(quoted.unwrap_or_else(plain).to_owned())
}

#[cfg(test)]
mod tests;
