//! `clawspend gateway`: which OpenClaw gateways there are, and whether they let us in.

use crate::{
    Failure, environment, note, note_all, print,
    table::{Align, table},
};
use clawspend_core::{
    api::{
        ApiError, Reader,
        gateways::{self, KnownGateway, Tried},
    },
    environment::{Environment, zone},
    gateway::{Secret, State},
};
use serde_json::{Value, json};
use std::{collections::HashMap, io::Read as _};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Add a gateway, or change its address or token
    Add {
        /// What you call it
        name: String,
        /// Where it is, such as ws://127.0.0.1:18789 or wss://claw.example.org
        url: String,
        /// Read its token or password from standard input; it is kept apart from the settings and never shown again
        #[arg(long)]
        token_stdin: bool,
    },
    /// List the gateways
    List {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Connect to a gateway once, and say how that went
    Test {
        /// Its name; the default gateway when left out
        name: Option<String>,
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
    /// Remove a gateway, and forget its tokens
    Remove {
        /// Its name
        name: String,
    },
    /// Make a gateway the one that is meant where none is named
    Default {
        /// Its name
        name: String,
    },
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = environment()?;
    match &arguments.command {
        Command::Add {
            name,
            url,
            token_stdin,
        } => {
            let token = token_stdin.then(read_token).transpose()?;
            let before = address(&environment, name);
            if let Some(warning) = gateways::add(&environment, name, url, token.as_ref())? {
                note(&warning);
            }
            let done = match (before, address(&environment, name)) {
                (Some(before), Some(now)) if before != now => {
                    format!("is at {now} now; its tokens for {before} do not go along")
                }
                (Some(_), _) if *token_stdin => "has another token".into(),
                (Some(_), _) => "is as it was".into(),
                (None, _) => "is added".into(),
            };
            print(&format!(
                "{name} {done}; try it: clawspend gateway test {name}\n"
            ))
        }
        Command::List { json } => {
            let (all, problems) = gateways::list(&environment)?;
            note_all(&problems);
            print(&if *json {
                list_json(&all)
            } else {
                list_text(&all, &states(environment))
            })
        }
        Command::Test { name, json } => {
            let tried = gateways::test(&environment, name.as_deref())?;
            note_all(&tried.problems);
            if let Some(warning) = tried.gateway.address.warning() {
                note(&warning);
            }
            let (zone, _) = zone(&environment.config().0);
            let refusal = tried.refusal(&zone);
            if *json {
                print(&test_json(&tried, refusal.as_ref()))?;
            }
            match refusal {
                Some(refusal) => Err(refusal.into()),
                None if *json => Ok(()),
                None => print(&format!(
                    "{}\n",
                    tried.state.sentence(&tried.gateway.address, &zone)
                )),
            }
        }
        Command::Remove { name } => {
            gateways::remove(&environment, name)?;
            print(&format!(
                "{name} is removed, and its tokens are forgotten; the ledger keeps what it told\n"
            ))
        }
        Command::Default { name } => {
            gateways::make_default(&environment, name)?;
            print(&format!("{name} is the default gateway\n"))
        }
    }
}

/// Where the config says that a gateway is.
fn address(environment: &Environment, name: &str) -> Option<String> {
    let mut gateways = environment.config().0.gateways.into_iter();
    let known = gateways.find(|known| known.name.eq_ignore_ascii_case(name))?;
    Some(known.address.to_string())
}

/// At most 64 KiB: no token is longer.
fn read_token() -> Result<Secret, Failure> {
    let mut text = String::new();
    let read = std::io::stdin()
        .lock()
        .take(64 << 10)
        .read_to_string(&mut text);
    let failure = |message: String| {
        Failure {
        message,
        hint: "pass the token alone, as in: printf %s \"$TOKEN\" | clawspend gateway add NAME URL --token-stdin"
            .into(),
    }
    };
    read.map_err(|error| failure(format!("standard input cannot be read: {error}")))?;
    match Secret::new(&text) {
        None => Err(failure("there is no token on standard input".into())),
        // A password may have spaces.
        Some(token) if token.expose().contains(char::is_control) => Err(failure(
            "what is on standard input is no token: a token has one line".into(),
        )),
        Some(token) => Ok(token),
    }
}

/// `clawspend.gateway/1`.
fn test_json(tried: &Tried, refusal: Option<&ApiError>) -> String {
    let (scopes, version, protocol) = match &tried.state {
        State::Connected {
            server_version,
            protocol,
            scopes,
            ..
        } => {
            let version = Some(server_version).filter(|version| !version.is_empty());
            (scopes.clone(), version.cloned(), Some(*protocol))
        }
        _ => (Vec::new(), None, None),
    };
    let state = match &tried.state {
        State::Connecting => "unreachable",
        state => state.word(),
    };
    let hint = refusal.map(|refusal| format!("{}: {}", refusal.message, refusal.hint));
    let told: Value = json!({
        "schema": "clawspend.gateway/1",
        "name": tried.gateway.name,
        "state": state,
        "paired": tried.paired,
        "scopes": scopes,
        "server_version": version,
        "protocol": protocol,
        "hint": hint,
    });
    format!("{told}\n")
}

/// `clawspend.gateways/1`.
fn list_json(all: &[KnownGateway]) -> String {
    format!(
        "{}\n",
        json!({ "schema": "clawspend.gateways/1", "gateways": all })
    )
}

/// How things stand with the gateways, in a few words; nothing while no process is connected to them.
fn states(environment: Environment) -> HashMap<String, String> {
    let status = Reader::open(environment).and_then(|reader| reader.status());
    let gateways = status.map(|status| status.gateways).unwrap_or_default();
    let states = gateways.into_iter().map(|one| (one.name, one.brief));
    states.collect()
}

fn list_text(all: &[KnownGateway], states: &HashMap<String, String>) -> String {
    if all.is_empty() {
        return "No gateway is known. Add one: clawspend gateway add NAME URL\n".into();
    }
    let yes = |flag: bool| if flag { "yes" } else { "" }.to_owned();
    let rows = all.iter().map(|one| {
        let mut row = vec![
            one.name.clone(),
            one.url.clone(),
            one.origin.clone(),
            yes(one.has_token),
            yes(one.paired),
            yes(one.default),
        ];
        row.extend(states.get(&one.name).cloned());
        row
    });
    let mut heads = vec![
        ("name", Align::Left),
        ("url", Align::Left),
        ("known from", Align::Left),
        ("token", Align::Left),
        ("paired", Align::Left),
        ("default", Align::Left),
    ];
    heads.extend((!states.is_empty()).then_some(("state", Align::Left)));
    table(&heads, &rows.collect::<Vec<_>>(), None)
}
