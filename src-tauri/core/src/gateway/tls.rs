//! Whose certificate is believed: what the operating system trusts, or the one certificate that was pinned.

use super::{Failure, identity::hex};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use sha2::{Digest as _, Sha256};
use std::{
    fmt, io,
    sync::{Arc, Mutex, PoisonError},
};

/// The SHA-256 of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pin([u8; 32]);

impl Pin {
    /// Reads 64 hexadecimal digits, as `openssl x509 -fingerprint -sha256` writes them or plain.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let digits = text.split_once([':', '=']).map_or(text, |(kind, rest)| {
            let kind = kind.to_ascii_lowercase();
            if kind.starts_with("sha256") {
                rest
            } else {
                text
            }
        });
        let digits: Vec<u8> = digits.bytes().filter(|byte| *byte != b':').collect();
        let mut pin = [0; 32];
        if digits.len() != 64 {
            return None;
        }
        for (byte, digits) in pin.iter_mut().zip(digits.chunks(2)) {
            if !digits.iter().all(u8::is_ascii_hexdigit) {
                return None;
            }
            *byte = u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?;
        }
        Some(Self(pin))
    }

    /// The pin of this certificate.
    #[must_use]
    pub fn of(certificate: &[u8]) -> Self {
        Self(Sha256::digest(certificate).into())
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex(&self.0))
    }
}

/// TLS for one connection.
pub(super) struct Tls {
    pub(super) config: Arc<ClientConfig>,
    judge: Arc<Judge>,
}

#[derive(Debug)]
struct Judge {
    trusted: Trusted,
    provider: Arc<CryptoProvider>,
    shown: Mutex<Option<Pin>>,
}

#[derive(Debug)]
enum Trusted {
    System(rustls_platform_verifier::Verifier),
    Only(Pin),
}

impl Tls {
    pub(super) fn new(pin: Option<Pin>) -> Result<Self, Failure> {
        let failed = |error: Error| Failure::System {
            reason: format!("TLS cannot be used: {error}"),
        };
        let provider = Arc::new(ring::default_provider());
        let trusted = match pin {
            Some(pin) => Trusted::Only(pin),
            None => Trusted::System(
                rustls_platform_verifier::Verifier::new(Arc::clone(&provider)).map_err(failed)?,
            ),
        };
        let judge = Arc::new(Judge {
            trusted,
            provider: Arc::clone(&provider),
            shown: Mutex::new(None),
        });
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(failed)?
            .dangerous()
            .with_custom_certificate_verifier(Arc::clone(&judge) as Arc<dyn ServerCertVerifier>)
            .with_no_client_auth();
        Ok(Self {
            config: Arc::new(config),
            judge,
        })
    }

    /// What a failed handshake means.
    pub(super) fn failure(&self, error: &io::Error) -> Failure {
        let shown = *self
            .judge
            .shown
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let fingerprint = shown.map(|pin| pin.to_string()).unwrap_or_default();
        let inner = error
            .get_ref()
            .and_then(|inner| inner.downcast_ref::<Error>());
        match inner {
            Some(Error::InvalidCertificate(why)) => match why {
                CertificateError::ApplicationVerificationFailure => {
                    Failure::WrongPin { fingerprint }
                }
                CertificateError::Expired
                | CertificateError::ExpiredContext { .. }
                | CertificateError::NotValidYet
                | CertificateError::NotValidYetContext { .. } => Failure::Expired,
                CertificateError::NotValidForName
                | CertificateError::NotValidForNameContext { .. } => Failure::WrongHost,
                _ => Failure::UntrustedCertificate { fingerprint },
            },
            Some(Error::InvalidMessage(_)) => Failure::NotTls,
            Some(_) => Failure::Tls,
            None if error.kind() == io::ErrorKind::InvalidData => Failure::NotTls,
            None => Failure::Lost,
        }
    }
}

impl ServerCertVerifier for Judge {
    fn verify_server_cert(
        &self,
        certificate: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let shown = Pin::of(certificate);
        *self.shown.lock().unwrap_or_else(PoisonError::into_inner) = Some(shown);
        match &self.trusted {
            Trusted::System(system) => {
                system.verify_server_cert(certificate, between, name, ocsp, now)
            }
            Trusted::Only(pin) if *pin == shown => Ok(ServerCertVerified::assertion()),
            Trusted::Only(_) => Err(CertificateError::ApplicationVerificationFailure.into()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, known)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let known = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, known)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_read_as_they_are_written() {
        let plain = "00ff".repeat(16);
        let colons = ["00:FF"; 16].join(":");
        for text in [
            plain.clone(),
            format!(" {} ", plain.to_uppercase()),
            format!("sha256:{plain}"),
            colons.clone(),
            format!("sha256 Fingerprint={colons}"),
        ] {
            let pin = Pin::parse(&text).map(|pin| pin.to_string());
            assert_eq!(pin, Some(plain.clone()), "{text}");
        }
        for text in [
            "",
            "sha256:",
            "00ff",
            &"g".repeat(64),
            &"+f".repeat(32),
            &"0".repeat(65),
        ] {
            assert_eq!(Pin::parse(text), None, "{text}");
        }
    }
}
