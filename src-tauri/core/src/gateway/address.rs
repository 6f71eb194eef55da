//! Where a gateway is: a WebSocket URL, however it was typed.

use std::fmt;
use url::{Host, Url};

/// A gateway's address: `ws://` or `wss://`, and nothing secret in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(Url);

/// Why a text is no [`Address`]; the text itself is not repeated, because it may hold a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not a URL, or one of another kind.
    #[error("is not the address of a gateway; write it as ws://127.0.0.1:18789 or wss://host")]
    Malformed,
    /// `user:password@`, `?token=…` or `#…`.
    #[error(
        "holds more than an address; leave out user, password and everything from ? or #: the token is asked for apart"
    )]
    NotOnlyAnAddress,
}

impl Address {
    /// Reads what a person typed; `http://` and `https://` stand for `ws://` and `wss://`.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn parse(text: &str) -> Result<Self, AddressError> {
        let mut url = Url::parse(text.trim()).map_err(|_| AddressError::Malformed)?;
        let scheme = match url.scheme() {
            "http" | "ws" => "ws",
            "https" | "wss" => "wss",
            _ => return Err(AddressError::Malformed),
        };
        let changed = url.set_scheme(scheme);
        if changed.is_err() || !url.has_host() || url.port() == Some(0) {
            return Err(AddressError::Malformed);
        }
        let secret = !url.username().is_empty() || url.password().is_some();
        if secret || url.query().is_some() || url.fragment().is_some() {
            return Err(AddressError::NotOnlyAnAddress);
        }
        Ok(Self(url))
    }

    /// The gateway that listens on this port of this machine.
    #[must_use]
    pub fn local(port: u16, tls: bool) -> Option<Self> {
        let scheme = if tls { "wss" } else { "ws" };
        Self::parse(&format!("{scheme}://127.0.0.1:{port}")).ok()
    }

    /// Whether it is on this machine, where what is sent cannot be overheard.
    #[must_use]
    pub fn is_loopback(&self) -> bool {
        match self.0.host() {
            Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        }
    }

    /// Whether it is spoken to through TLS.
    #[must_use]
    pub fn is_encrypted(&self) -> bool {
        self.0.scheme() == "wss"
    }

    /// What to warn of: a token and figures that anybody on the way can read.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        (!self.is_loopback() && !self.is_encrypted()).then(|| {
            format!(
                "{self} is not encrypted: everybody on the way can read the token and what is reported; \
                 use wss://, or an SSH tunnel to 127.0.0.1"
            )
        })
    }

    /// The host as it stands in the URL, without the brackets of IPv6.
    #[must_use]
    pub fn host(&self) -> String {
        match self.0.host() {
            Some(Host::Domain(name)) => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            None => String::new(),
        }
    }

    /// The port, the scheme's own when none was typed.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.0.port_or_known_default().unwrap_or_default()
    }
}

impl fmt::Display for Address {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.as_str();
        out.write_str(match self.0.path() {
            "/" => text.trim_end_matches('/'),
            _ => text,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_type_them() {
        for (typed, read) in [
            ("ws://127.0.0.1:18789", Ok("ws://127.0.0.1:18789")),
            (" http://LocalHost:18789/ ", Ok("ws://localhost:18789")),
            ("https://claw.example.org", Ok("wss://claw.example.org")),
            (
                "wss://claw.example.org:443/gw/",
                Ok("wss://claw.example.org/gw/"),
            ),
            ("ws://[::1]:9", Ok("ws://[::1]:9")),
            ("127.0.0.1:18789", Err(AddressError::Malformed)),
            ("localhost:18789", Err(AddressError::Malformed)),
            ("ftp://host", Err(AddressError::Malformed)),
            ("ws://", Err(AddressError::Malformed)),
            ("ws://host:99999", Err(AddressError::Malformed)),
            ("ws://host:0", Err(AddressError::Malformed)),
            ("ws://host:-1", Err(AddressError::Malformed)),
            ("ws://my host", Err(AddressError::Malformed)),
            ("ws://::1:18789", Err(AddressError::Malformed)),
            ("ws://[::1", Err(AddressError::Malformed)),
            (
                "wss://BÜCHER.example:9",
                Ok("wss://xn--bcher-kva.example:9"),
            ),
            ("wss://a\u{202e}b.example", Err(AddressError::Malformed)),
            ("", Err(AddressError::Malformed)),
            ("wss://me:secret@host", Err(AddressError::NotOnlyAnAddress)),
            (
                "wss://host/?token=secret",
                Err(AddressError::NotOnlyAnAddress),
            ),
            (
                "wss://host/#token=secret",
                Err(AddressError::NotOnlyAnAddress),
            ),
        ] {
            let found = Address::parse(typed).map(|address| address.to_string());
            assert_eq!(found, read.map(str::to_owned), "{typed}");
        }
    }

    #[test]
    fn only_what_leaves_the_machine_in_the_clear_is_warned_of() {
        for (typed, warned) in [
            ("ws://127.9.9.9:1", false),
            ("ws://[::1]:1", false),
            ("ws://claw.localhost:1", false),
            ("wss://10.0.0.2", false),
            ("ws://10.0.0.2", true),
            ("ws://localhost.example.org", true),
        ] {
            let address = Address::parse(typed).expect("an address");
            assert_eq!(address.warning().is_some(), warned, "{typed}");
        }
    }
}
