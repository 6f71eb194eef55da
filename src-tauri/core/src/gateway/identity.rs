//! Who we are to a gateway: an Ed25519 key, the id made of it, and what it signs.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// A token or key. Nothing prints it; [`Secret::expose`] is called where it is sent or stored, nowhere else.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// `None` for white space alone.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let text = text.trim();
        (!text.is_empty()).then(|| Self(text.to_owned()))
    }

    /// The secret itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Secret(…)")
    }
}

/// What is known that a gateway may let us in for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// The token or password that all of the gateway's clients share.
    pub shared: Option<Secret>,
    /// The token the gateway gave this device.
    pub device: Option<Secret>,
}

impl Credentials {
    /// Tells these credentials from others without telling what they are: it is kept beside a refusal, so that the
    /// same ones are not tried again and again.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let mut hash = Sha256::new_with_prefix("clawspend credentials");
        for secret in [&self.shared, &self.device] {
            let text = secret.as_ref().map_or("", Secret::expose);
            hash.update((text.len() as u64).to_le_bytes());
            hash.update(text);
        }
        hex(&hash.finalize()[..16])
    }
}

/// This installation's key, the same for every gateway.
#[derive(Clone)]
pub struct DeviceKey(SigningKey);

impl fmt::Debug for DeviceKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "DeviceKey({})", self.id())
    }
}

/// What a signature vouches for, besides who signs.
#[derive(Debug, Clone, Copy)]
pub struct Claim<'a> {
    /// One of the client ids a gateway knows.
    pub client: &'a str,
    /// The client's mode.
    pub mode: &'a str,
    /// The role that is asked for.
    pub role: &'a str,
    /// The scopes that are asked for.
    pub scopes: &'a [&'a str],
    /// The challenge's own time.
    pub signed_at: i64,
    /// The first token that is sent along; empty when none is.
    pub token: &'a str,
    /// The challenge's nonce.
    pub nonce: &'a str,
    /// The operating system; lower case, like the family.
    pub platform: &'a str,
    /// Kind of device; empty.
    pub family: &'a str,
}

impl DeviceKey {
    /// The key that grows from 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// Reads what [`DeviceKey::to_text`] wrote.
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        let seed = URL_SAFE_NO_PAD.decode(text).ok()?;
        Some(Self::from_seed(&seed.try_into().ok()?))
    }

    /// The private key, to be stored.
    #[must_use]
    pub fn to_text(&self) -> Secret {
        Secret(URL_SAFE_NO_PAD.encode(self.0.to_bytes()))
    }

    /// What gateways know the device by: SHA-256 of the public key, in hexadecimal.
    #[must_use]
    pub fn id(&self) -> String {
        hex(&Sha256::digest(self.0.verifying_key().as_bytes()))
    }

    /// The public key as a gateway wants it.
    #[must_use]
    pub fn public_key(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.verifying_key().as_bytes())
    }

    /// Signs the third version of the payload; older gateways than 2026.2 are not known to take it.
    #[must_use]
    pub fn sign(&self, claim: &Claim<'_>) -> String {
        let payload = self.payload(claim);
        URL_SAFE_NO_PAD.encode(self.0.sign(payload.as_bytes()).to_bytes())
    }

    fn payload(&self, claim: &Claim<'_>) -> String {
        let Claim {
            client,
            mode,
            role,
            scopes,
            signed_at,
            token,
            nonce,
            platform,
            family,
        } = claim;
        let (id, scopes) = (self.id(), scopes.join(","));
        format!(
            "v3|{id}|{client}|{mode}|{role}|{scopes}|{signed_at}|{token}|{nonce}|{platform}|{family}"
        )
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Value;

    /// Made by a gateway's own client.
    const VECTOR: &str = include_str!("../../../../tests/fixtures/gateway/signature-vector.json");

    #[test]
    fn the_signature_is_the_one_a_gateway_takes() {
        let vector: Value = serde_json::from_str(VECTOR).expect("JSON");
        let text = |pointer: &str| {
            let value = vector.pointer(pointer).expect("a member");
            value.as_str().expect("text")
        };
        let seed: Vec<u8> = (0..32).collect();
        assert_eq!(hex(&seed), text("/seedHex"));
        let key = DeviceKey::from_seed(&seed.try_into().expect("32 bytes"));
        assert_eq!(key.public_key(), text("/publicKeyBase64url"));
        assert_eq!(key.id(), text("/deviceId"));
        let claim = Claim {
            client: "gateway-client",
            mode: "ui",
            role: "operator",
            scopes: &["operator.read"],
            signed_at: 1_795_177_985_576,
            token: "example-gateway-token",
            nonce: "7445665d-2b15-4aca-a196-499a88a0c720",
            platform: "linux",
            family: "",
        };
        assert_eq!(key.payload(&claim), text("/v3/payload"));
        assert_eq!(key.sign(&claim), text("/v3/signatureBase64url"));
    }

    #[test]
    fn a_key_is_read_as_it_was_written() {
        let key = DeviceKey::from_seed(&[7; 32]);
        let again = DeviceKey::from_text(key.to_text().expose()).expect("a key");
        assert_eq!(again.id(), key.id());
        for text in ["", "BwcH", "not base64!", &"B".repeat(44)] {
            assert!(DeviceKey::from_text(text).is_none(), "{text}");
        }
    }

    #[test]
    fn nothing_secret_is_printed() {
        let key = DeviceKey::from_seed(&[7; 32]);
        assert_eq!(format!("{key:?}"), format!("DeviceKey({})", key.id()));
        let both = Credentials {
            shared: Secret::new(" sesame\n"),
            device: Secret::new("  "),
        };
        assert_eq!(
            format!("{both:?}"),
            "Credentials { shared: Some(Secret(…)), device: None }"
        );
        assert_eq!(both.shared.as_ref().map(Secret::expose), Some("sesame"));
    }

    #[test]
    fn a_fingerprint_tells_credentials_apart() {
        let of = |shared: &str, device: &str| {
            let (shared, device) = (Secret::new(shared), Secret::new(device));
            Credentials { shared, device }.fingerprint()
        };
        assert_eq!(of("a", "b"), of("a", "b"));
        let all = [
            of("", ""),
            of("a", ""),
            of("", "a"),
            of("a", "b"),
            of("ab", ""),
        ];
        for (index, one) in all.iter().enumerate() {
            assert_eq!(one.len(), 32);
            assert!(!all[..index].contains(one), "{index}");
        }
    }
}
