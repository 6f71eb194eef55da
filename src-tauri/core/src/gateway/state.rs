//! How things stand with a gateway, and how that is said to people.

use super::{Address, frame::NEWEST_PROTOCOL};
use crate::time::UnixMillis;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};

/// How things stand with a gateway. Only these are told; what goes on between two of them is the session's own business.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "ts",
    derive(ts_rs::TS),
    ts(export, rename = "GatewayState", export_to = "types.ts")
)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum State {
    /// Nothing is known yet.
    Connecting,
    /// We are in.
    Connected {
        /// The gateway's version; empty when it does not say.
        server_version: String,
        /// The protocol that is spoken.
        protocol: u32,
        /// What we may do.
        scopes: Vec<String>,
        /// The gateway gave this device a token of its own.
        paired: bool,
        /// Responses are reported as they are made; else only when asked.
        live: bool,
    },
    /// Somebody must approve this device on the gateway's machine.
    PairingRequired {
        /// The request to approve.
        request: Option<String>,
        /// The device was approved before, for something else.
        again: bool,
    },
    /// The gateway does not let us in, and asking again would not help.
    Unauthorized {
        /// Why.
        why: Unauthorized,
    },
    /// Too many wrong tokens came from this machine's address.
    LockedOut {
        /// Until then.
        until: UnixMillis,
    },
    /// We and the gateway speak no common protocol.
    VersionMismatch {
        /// The protocol the gateway speaks, where it says so.
        expected: Option<u32>,
    },
    /// It cannot be reached, or did not stay.
    Unreachable {
        /// Since then.
        since: UnixMillis,
        /// Why.
        why: Failure,
    },
    /// Something else answers there.
    NotAGateway {
        /// What it did.
        why: Failure,
    },
}

/// Why a gateway does not let us in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
#[serde(rename_all = "kebab-case")]
pub enum Unauthorized {
    /// It wants a token and none is known.
    TokenMissing,
    /// The token is wrong.
    TokenWrong,
    /// It wants a password and none is known.
    PasswordMissing,
    /// The password is wrong.
    PasswordWrong,
    /// The token it once gave this device is no longer good, and no other is known.
    DeviceTokenWrong,
    /// We are let in without the right to read.
    NoReadScope,
    /// It does not believe our signature.
    Signature,
    /// It takes us for a browser, or wants a device where one was named: a fault of ours.
    Identity,
    /// It stands behind a proxy it was not told to trust.
    UntrustedProxy,
    /// A proxy before it wants a login.
    Proxy,
}

/// What went wrong with a connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(
    feature = "ts",
    derive(ts_rs::TS),
    ts(rename = "GatewayFailure", export_to = "types.ts")
)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Failure {
    /// No such host is known.
    UnknownHost,
    /// Nothing listens on the port.
    Refused,
    /// No way leads there.
    NoRoute,
    /// No answer in time.
    TimedOut,
    /// The connection broke.
    Lost,
    /// Nothing was heard for two of its signs of life.
    Silent,
    /// The gateway is starting or stopping.
    Restarting,
    /// The gateway ended the connection.
    Closed {
        /// With this code.
        code: u16,
    },
    /// The gateway refused for a reason of its own.
    Declined {
        /// Its code.
        code: String,
    },
    /// A frame longer than is read.
    TooLong,
    /// What was said is not the protocol.
    Garbage,
    /// An answer of HTTP in place of a WebSocket.
    Http {
        /// Its status.
        status: u16,
    },
    /// What answers does not speak TLS.
    NotTls,
    /// The certificate is signed by nobody whom this system trusts.
    UntrustedCertificate {
        /// Its SHA-256, in hexadecimal.
        fingerprint: String,
    },
    /// The certificate is of another host.
    WrongHost,
    /// The certificate has expired, or is not valid yet; the clock may be wrong too.
    Expired,
    /// The certificate is not the pinned one.
    WrongPin {
        /// The SHA-256 of the one that was shown, in hexadecimal.
        fingerprint: String,
    },
    /// Another failure of TLS.
    Tls,
    /// Something else the operating system said.
    System {
        /// Its words.
        reason: String,
    },
}

impl Failure {
    /// Whether it shows that something else than a gateway is there.
    #[must_use]
    pub const fn is_foreign(&self) -> bool {
        matches!(self, Self::Garbage | Self::Http { .. })
    }

    /// What happened, in words that go on from "…: ".
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::UnknownHost => "no such host is known".into(),
            Self::Refused => "nothing listens on that port".into(),
            Self::NoRoute => "no way leads there".into(),
            Self::TimedOut => "no answer came in time".into(),
            Self::Lost => "the connection broke".into(),
            Self::Silent => "nothing more was heard".into(),
            Self::Restarting => "it is starting or stopping".into(),
            Self::Closed { code } => format!("it closed the connection with code {code}"),
            Self::Declined { code } if code.is_empty() => "it refused without a reason".into(),
            Self::Declined { code } => format!("it refused with {code}"),
            Self::TooLong => "it sent a frame longer than 32 MiB".into(),
            Self::Garbage => "what it says is not the protocol".into(),
            Self::Http { status } => format!("an HTTP server answers there, with status {status}"),
            Self::NotTls => "what answers there does not speak TLS".into(),
            Self::UntrustedCertificate { .. } => {
                "its certificate is signed by nobody whom this system trusts".into()
            }
            Self::WrongHost => "its certificate is of another host".into(),
            Self::Expired => "its certificate is not valid today".into(),
            Self::WrongPin { .. } => "its certificate is not the pinned one".into(),
            Self::Tls => "TLS failed".into(),
            Self::System { reason } => reason.clone(),
        }
    }

    fn advice(&self) -> String {
        match self {
            Self::UnknownHost => "check the host's name and the network".into(),
            Self::Refused => "start the gateway (openclaw gateway), or check the port".into(),
            Self::NotTls => "write ws:// in place of wss://, if the network can be trusted".into(),
            Self::UntrustedCertificate { fingerprint } => format!(
                "if this fingerprint is the gateway's, put pin = \"{fingerprint}\" below its url in the config file"
            ),
            Self::WrongHost => "use the name that stands in the certificate".into(),
            Self::Expired => "check the clock of both machines, or renew the certificate".into(),
            Self::WrongPin { fingerprint } => format!(
                "if the gateway has a new certificate, its fingerprint should be {fingerprint}: make that the pin"
            ),
            Self::Http { .. } | Self::Garbage => {
                "check host, port and path; a gateway listens on port 18789 unless told otherwise"
                    .into()
            }
            _ => "try again; the tray app does so by itself".into(),
        }
    }
}

impl State {
    /// The word used in JSON.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Connecting => "connecting",
            Self::Connected { .. } => "connected",
            Self::PairingRequired { .. } => "pairing-required",
            Self::Unauthorized { .. } => "unauthorized",
            Self::LockedOut { .. } => "locked-out",
            Self::VersionMismatch { .. } => "version-mismatch",
            Self::Unreachable { .. } => "unreachable",
            Self::NotAGateway { .. } => "not-a-gateway",
        }
    }

    /// What to run on the gateway's machine so that it lets us in.
    #[must_use]
    pub fn command(&self) -> Option<String> {
        match self {
            Self::PairingRequired {
                request: Some(id), ..
            } => Some(format!("openclaw devices approve {id}")),
            Self::PairingRequired { request: None, .. } => Some("openclaw devices list".into()),
            _ => None,
        }
    }

    /// How things stand, in one sentence without a full stop. Times are the user's own.
    #[must_use]
    pub fn sentence(&self, address: &Address, zone: &TimeZone) -> String {
        let time = |at: UnixMillis| {
            let at = zone.to_datetime(at.timestamp());
            at.strftime("%Y-%m-%d %H:%M:%S").to_string()
        };
        match self {
            Self::Connecting => format!("connecting to {address}"),
            Self::Connected {
                server_version,
                live,
                ..
            } => {
                let version = match server_version.as_str() {
                    "" => "a gateway of unknown version",
                    version => &format!("OpenClaw {version}"),
                };
                let live = if *live {
                    ""
                } else {
                    ", which reports only when asked"
                };
                format!("connected to {version} at {address}{live}")
            }
            Self::PairingRequired { again: false, .. } => {
                format!("the gateway at {address} waits for somebody to approve this device")
            }
            Self::PairingRequired { again: true, .. } => format!(
                "the gateway at {address} knows this device and wants it to be approved again"
            ),
            Self::Unauthorized { why } => format!("the gateway at {address} {}", why.words()),
            Self::LockedOut { until } => format!(
                "the gateway at {address} lets nobody in from here until {}: too many wrong tokens",
                time(*until)
            ),
            Self::VersionMismatch {
                expected: Some(theirs),
            } if *theirs > NEWEST_PROTOCOL => format!(
                "the gateway at {address} speaks protocol {theirs}, and this Clawspend is too old for it"
            ),
            Self::VersionMismatch {
                expected: Some(theirs),
            } => format!(
                "the gateway at {address} speaks protocol {theirs}, and is too old for this Clawspend"
            ),
            Self::VersionMismatch { expected: None } => {
                format!("the gateway at {address} does not understand this version of Clawspend")
            }
            Self::Unreachable { since, why } => format!(
                "the gateway at {address} cannot be reached since {}: {}",
                time(*since),
                why.words()
            ),
            Self::NotAGateway { why } => {
                format!(
                    "what answers at {address} is not a gateway: {}",
                    why.words()
                )
            }
        }
    }

    /// The same in a few words, for a menu. Times are the user's own; `now` tells whether they are of today.
    #[must_use]
    pub fn brief(&self, now: UnixMillis, zone: &TimeZone) -> String {
        let time = |at: UnixMillis| {
            let same_day = at.day(zone) == now.day(zone);
            let form = if same_day { "%H:%M" } else { "%Y-%m-%d %H:%M" };
            zone.to_datetime(at.timestamp()).strftime(form).to_string()
        };
        match self {
            Self::Connecting => "connecting".into(),
            Self::Connected { live: true, .. } => "connected".into(),
            Self::Connected { live: false, .. } => "connected, reports only when asked".into(),
            Self::PairingRequired { .. } => "waiting for approval".into(),
            Self::Unauthorized { why } => why.brief().into(),
            Self::LockedOut { until } => format!("locked out until {}", time(*until)),
            Self::VersionMismatch {
                expected: Some(theirs),
            } if *theirs > NEWEST_PROTOCOL => "this Clawspend is too old for it".into(),
            Self::VersionMismatch { .. } => "version too old".into(),
            Self::Unreachable { since, .. } => format!("offline since {}", time(*since)),
            Self::NotAGateway { .. } => "not a gateway".into(),
        }
    }

    /// Whether nothing gets better unless somebody does something.
    #[must_use]
    pub const fn needs_user(&self) -> bool {
        matches!(
            self,
            Self::PairingRequired { .. }
                | Self::Unauthorized { .. }
                | Self::VersionMismatch { .. }
                | Self::NotAGateway { .. }
        )
    }

    /// What to do about it; `None` where there is nothing to do.
    #[must_use]
    pub fn advice(&self) -> Option<String> {
        match self {
            Self::Connecting | Self::Connected { .. } => None,
            Self::PairingRequired { .. } => self
                .command()
                .map(|command| format!("on the gateway's machine, run: {command}")),
            Self::Unauthorized { why } => Some(why.advice().into()),
            Self::LockedOut { .. } => {
                Some("wait: earlier tries only fail, even with the right token".into())
            }
            Self::VersionMismatch {
                expected: Some(theirs),
            } if *theirs > NEWEST_PROTOCOL => Some("update Clawspend".into()),
            Self::VersionMismatch { .. } => Some("update OpenClaw, or Clawspend".into()),
            Self::Unreachable { why, .. } | Self::NotAGateway { why } => Some(why.advice()),
        }
    }
}

impl Unauthorized {
    const fn words(self) -> &'static str {
        match self {
            Self::TokenMissing => "wants a token, and none is known",
            Self::TokenWrong => "refuses the token",
            Self::PasswordMissing => "wants a password, and none is known",
            Self::PasswordWrong => "refuses the password",
            Self::DeviceTokenWrong => "no longer takes the token it gave this device",
            Self::NoReadScope => "lets this device in without the right to read",
            Self::Signature => "does not believe this device's signature",
            Self::Identity => "does not take this program for what it is",
            Self::UntrustedProxy => "stands behind a proxy it was not told to trust",
            Self::Proxy => "stands behind a proxy that wants a login",
        }
    }

    const fn brief(self) -> &'static str {
        match self {
            Self::TokenMissing => "token missing",
            Self::TokenWrong | Self::DeviceTokenWrong => "wrong token",
            Self::PasswordMissing => "password missing",
            Self::PasswordWrong => "wrong password",
            Self::NoReadScope => "no right to read",
            Self::Signature => "signature not believed",
            Self::Identity => "refused as another program",
            Self::UntrustedProxy | Self::Proxy => "stopped by a proxy",
        }
    }

    const fn advice(self) -> &'static str {
        match self {
            Self::TokenMissing | Self::TokenWrong | Self::DeviceTokenWrong => {
                "give it the gateway's own: clawspend gateway add NAME URL --token-stdin"
            }
            Self::PasswordMissing | Self::PasswordWrong => {
                "give it the gateway's password: clawspend gateway add NAME URL --token-stdin"
            }
            Self::NoReadScope => {
                "on the gateway's machine, remove the device (openclaw devices list) and connect again"
            }
            Self::Signature => "check the clocks of both machines, then try again",
            Self::Identity => "update Clawspend",
            Self::UntrustedProxy => {
                "set gateway.trustedProxies in the gateway's openclaw.json, or connect without the proxy"
            }
            Self::Proxy => "use an address that leads to the gateway itself",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_has_its_own_sentence() {
        let at = UnixMillis(1_795_178_000_000);
        let connected = |server_version: &str, live| State::Connected {
            server_version: server_version.into(),
            protocol: 4,
            scopes: Vec::new(),
            paired: true,
            live,
        };
        let pairing = |request: Option<&str>, again| State::PairingRequired {
            request: request.map(str::to_owned),
            again,
        };
        let mismatch = |expected| State::VersionMismatch { expected };
        let (code, fingerprint, reason) =
            ("X".to_owned(), "00ff".to_owned(), "no memory".to_owned());
        let mut states = vec![
            State::Connecting,
            connected("2026.9.6", true),
            connected("", false),
            pairing(Some("1ab9"), false),
            pairing(None, true),
            State::LockedOut { until: at },
            mismatch(Some(5)),
            mismatch(Some(2)),
            mismatch(None),
        ];
        states.extend(
            [
                Unauthorized::TokenMissing,
                Unauthorized::TokenWrong,
                Unauthorized::PasswordMissing,
                Unauthorized::PasswordWrong,
                Unauthorized::DeviceTokenWrong,
                Unauthorized::NoReadScope,
                Unauthorized::Signature,
                Unauthorized::Identity,
                Unauthorized::UntrustedProxy,
                Unauthorized::Proxy,
            ]
            .map(|why| State::Unauthorized { why }),
        );
        states.extend(
            [
                Failure::UnknownHost,
                Failure::Refused,
                Failure::NoRoute,
                Failure::TimedOut,
                Failure::Lost,
                Failure::Silent,
                Failure::Restarting,
                Failure::Closed { code: 1008 },
                Failure::Declined {
                    code: String::new(),
                },
                Failure::Declined { code },
                Failure::TooLong,
                Failure::NotTls,
                Failure::UntrustedCertificate {
                    fingerprint: fingerprint.clone(),
                },
                Failure::WrongHost,
                Failure::Expired,
                Failure::WrongPin { fingerprint },
                Failure::Tls,
                Failure::System { reason },
            ]
            .map(|why| State::Unreachable { since: at, why }),
        );
        states.extend(
            [Failure::Garbage, Failure::Http { status: 200 }].map(|why| State::NotAGateway { why }),
        );
        let address = Address::parse("ws://h:1").expect("an address");
        let berlin = TimeZone::get("Europe/Berlin").expect("a zone");
        let told: Vec<String> = states
            .iter()
            .map(|state| {
                let sentence = state.sentence(&address, &berlin);
                let advice = state.advice().unwrap_or_default();
                let brief = state.brief(at.plus(3_600_000), &berlin);
                let mark = if state.needs_user() { "!" } else { "" };
                format!("{}{mark} ({brief}): {sentence} -> {advice}", state.word())
            })
            .collect();
        insta::assert_snapshot!(told.join("\n"), @r#"
        connecting (connecting): connecting to ws://h:1 -> 
        connected (connected): connected to OpenClaw 2026.9.6 at ws://h:1 -> 
        connected (connected, reports only when asked): connected to a gateway of unknown version at ws://h:1, which reports only when asked -> 
        pairing-required! (waiting for approval): the gateway at ws://h:1 waits for somebody to approve this device -> on the gateway's machine, run: openclaw devices approve 1ab9
        pairing-required! (waiting for approval): the gateway at ws://h:1 knows this device and wants it to be approved again -> on the gateway's machine, run: openclaw devices list
        locked-out (locked out until 13:33): the gateway at ws://h:1 lets nobody in from here until 2026-11-20 13:33:20: too many wrong tokens -> wait: earlier tries only fail, even with the right token
        version-mismatch! (this Clawspend is too old for it): the gateway at ws://h:1 speaks protocol 5, and this Clawspend is too old for it -> update Clawspend
        version-mismatch! (version too old): the gateway at ws://h:1 speaks protocol 2, and is too old for this Clawspend -> update OpenClaw, or Clawspend
        version-mismatch! (version too old): the gateway at ws://h:1 does not understand this version of Clawspend -> update OpenClaw, or Clawspend
        unauthorized! (token missing): the gateway at ws://h:1 wants a token, and none is known -> give it the gateway's own: clawspend gateway add NAME URL --token-stdin
        unauthorized! (wrong token): the gateway at ws://h:1 refuses the token -> give it the gateway's own: clawspend gateway add NAME URL --token-stdin
        unauthorized! (password missing): the gateway at ws://h:1 wants a password, and none is known -> give it the gateway's password: clawspend gateway add NAME URL --token-stdin
        unauthorized! (wrong password): the gateway at ws://h:1 refuses the password -> give it the gateway's password: clawspend gateway add NAME URL --token-stdin
        unauthorized! (wrong token): the gateway at ws://h:1 no longer takes the token it gave this device -> give it the gateway's own: clawspend gateway add NAME URL --token-stdin
        unauthorized! (no right to read): the gateway at ws://h:1 lets this device in without the right to read -> on the gateway's machine, remove the device (openclaw devices list) and connect again
        unauthorized! (signature not believed): the gateway at ws://h:1 does not believe this device's signature -> check the clocks of both machines, then try again
        unauthorized! (refused as another program): the gateway at ws://h:1 does not take this program for what it is -> update Clawspend
        unauthorized! (stopped by a proxy): the gateway at ws://h:1 stands behind a proxy it was not told to trust -> set gateway.trustedProxies in the gateway's openclaw.json, or connect without the proxy
        unauthorized! (stopped by a proxy): the gateway at ws://h:1 stands behind a proxy that wants a login -> use an address that leads to the gateway itself
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: no such host is known -> check the host's name and the network
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: nothing listens on that port -> start the gateway (openclaw gateway), or check the port
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: no way leads there -> try again; the tray app does so by itself
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: no answer came in time -> try again; the tray app does so by itself
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: the connection broke -> try again; the tray app does so by itself
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: nothing more was heard -> try again; the tray app does so by itself
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: it is starting or stopping -> try again; the tray app does so by itself
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: it closed the connection with code 1008 -> try again; the tray app does so by itself
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: it refused without a reason -> try again; the tray app does so by itself
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: it refused with X -> try again; the tray app does so by itself
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: it sent a frame longer than 32 MiB -> try again; the tray app does so by itself
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: what answers there does not speak TLS -> write ws:// in place of wss://, if the network can be trusted
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: its certificate is signed by nobody whom this system trusts -> if this fingerprint is the gateway's, put pin = "00ff" below its url in the config file
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: its certificate is of another host -> use the name that stands in the certificate
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: its certificate is not valid today -> check the clock of both machines, or renew the certificate
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: its certificate is not the pinned one -> if the gateway has a new certificate, its fingerprint should be 00ff: make that the pin
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: TLS failed -> try again; the tray app does so by itself
        unreachable (offline since 13:33): the gateway at ws://h:1 cannot be reached since 2026-11-20 13:33:20: no memory -> try again; the tray app does so by itself
        not-a-gateway! (not a gateway): what answers at ws://h:1 is not a gateway: what it says is not the protocol -> check host, port and path; a gateway listens on port 18789 unless told otherwise
        not-a-gateway! (not a gateway): what answers at ws://h:1 is not a gateway: an HTTP server answers there, with status 200 -> check host, port and path; a gateway listens on port 18789 unless told otherwise
        "#);
        let tomorrow = at.plus(86_400_000);
        let offline = states.iter().find(|it| it.word() == "unreachable");
        let brief = offline.map(|it| it.brief(tomorrow, &berlin));
        assert_eq!(brief.as_deref(), Some("offline since 2026-11-20 13:33"));
        let mut distinct = told.clone();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), told.len());
    }
}
