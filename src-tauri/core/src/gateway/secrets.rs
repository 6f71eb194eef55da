//! The file of keys and tokens: beside the settings, and for the user's eyes alone.
//!
//! Tokens belong to an address, not to a name: a name that is given to another gateway takes no token along.

use super::{Address, Credentials, DeviceKey, Kept, Secret};
use crate::{
    config::{Paths, replace_private},
    time::UnixMillis,
};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions},
    io,
    path::{Path, PathBuf},
};

/// See the module.
#[derive(Debug, Clone)]
pub struct Secrets {
    path: PathBuf,
}

/// Why the file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SecretsError {
    /// Its mode lets others read it.
    #[error("{} can be read by other users of this machine, so it is not used", .0.display())]
    Exposed(PathBuf),
    /// It is damaged, or of another version.
    #[error("{} cannot be understood", .0.display())]
    Malformed(PathBuf),
    /// The operating system says so.
    #[error("{} cannot be used: {source}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl SecretsError {
    /// What to do.
    #[must_use]
    pub fn hint(&self) -> String {
        match self {
            Self::Exposed(path) => {
                format!(
                    "run: chmod 600 {}; if others may have read it, remove it and pair anew",
                    path.display()
                )
            }
            Self::Malformed(path) => format!(
                "remove {}: gateways must then be approved anew, and their tokens be given again",
                path.display()
            ),
            Self::Io { .. } => "check the folder's permissions and the disk".into(),
        }
    }
}

/// The file's content.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    schema: String,
    device_key: String,
    #[serde(default)]
    gateways: BTreeMap<String, Entry>,
}

#[derive(Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Entry {
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_token: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refused: Option<Refusal>,
}

#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Refusal {
    fingerprint: String,
    at: UnixMillis,
}

const SCHEMA: &str = "clawspend.gateway-secrets/1";

impl Secrets {
    /// Those of this user.
    #[must_use]
    pub fn new(paths: &Paths) -> Self {
        Self {
            path: paths.config_dir.join("gateway-secrets.json"),
        }
    }

    /// This installation's key; made on first use.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn key(&self) -> Result<DeviceKey, SecretsError> {
        let content = match self.read()? {
            Some(content) => content,
            None => self.change(|_| ())?,
        };
        let key = DeviceKey::from_text(&content.device_key);
        key.ok_or_else(|| SecretsError::Malformed(self.path.clone()))
    }

    /// What is known for the gateway at this address.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn credentials(&self, address: &Address) -> Result<Credentials, SecretsError> {
        let entry = self.entry(address)?;
        let secret = |text: Option<String>| text.as_deref().and_then(Secret::new);
        Ok(Credentials {
            shared: secret(entry.token),
            device: secret(entry.device_token),
        })
    }

    /// When the gateway at this address last refused these credentials.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn refused_at(
        &self,
        address: &Address,
        credentials: &Credentials,
    ) -> Result<Option<UnixMillis>, SecretsError> {
        let refused = self.entry(address)?.refused;
        let same = |refusal: &Refusal| refusal.fingerprint == credentials.fingerprint();
        Ok(refused.filter(same).map(|refusal| refusal.at))
    }

    /// Keeps the token that all clients of the gateway share; `None` forgets it.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn set_shared(
        &self,
        address: &Address,
        token: Option<&Secret>,
    ) -> Result<(), SecretsError> {
        let token = token.map(|token| token.expose().to_owned());
        self.change_entry(address, |entry| entry.token = token)
    }

    /// Keeps what a session says must be kept.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn keep(&self, address: &Address, kept: &Kept) -> Result<(), SecretsError> {
        self.change_entry(address, |entry| match kept {
            Kept::DeviceToken(token) => entry.device_token = Some(token.expose().to_owned()),
            Kept::NoDeviceToken => entry.device_token = None,
            Kept::Refused { fingerprint, at } => {
                let (fingerprint, at) = (fingerprint.clone(), *at);
                entry.refused = Some(Refusal { fingerprint, at });
            }
            Kept::NotRefused => entry.refused = None,
        })
    }

    /// Forgets all about the gateway at this address.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn forget(&self, address: &Address) -> Result<(), SecretsError> {
        self.change_entry(address, |entry| *entry = Entry::default())
    }

    fn entry(&self, address: &Address) -> Result<Entry, SecretsError> {
        let content = self.read()?;
        let entry = content.and_then(|mut content| content.gateways.remove(&address.to_string()));
        Ok(entry.unwrap_or_default())
    }

    fn change_entry(
        &self,
        address: &Address,
        change: impl FnOnce(&mut Entry),
    ) -> Result<(), SecretsError> {
        let name = address.to_string();
        self.change(|gateways| {
            let entry = gateways.entry(name.clone()).or_default();
            change(entry);
            if *entry == Entry::default() {
                gateways.remove(&name);
            }
        })?;
        Ok(())
    }

    /// Reads, changes and writes the file while no other process does.
    fn change(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, Entry>),
    ) -> Result<Content, SecretsError> {
        let failed = |source| SecretsError::Io {
            path: self.path.clone(),
            source,
        };
        let _lock = self.lock().map_err(failed)?;
        let before = self.read()?;
        let mut content = match before {
            Some(content) => content,
            None => Content {
                schema: SCHEMA.into(),
                device_key: new_key().map_err(failed)?,
                gateways: BTreeMap::new(),
            },
        };
        change(&mut content.gateways);
        let text = serde_json::to_string_pretty(&content).map_err(|error| failed(error.into()))?;
        replace_private(&self.path, &(text + "\n")).map_err(failed)?;
        Ok(content)
    }

    fn lock(&self) -> io::Result<File> {
        let path = self.path.with_extension("lock");
        crate::config::create_folder_of(&path)?;
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(path)?;
        file.lock()?;
        Ok(file)
    }

    fn read(&self) -> Result<Option<Content>, SecretsError> {
        let failed = |source| SecretsError::Io {
            path: self.path.clone(),
            source,
        };
        let malformed = || SecretsError::Malformed(self.path.clone());
        let text = match std::fs::read_to_string(&self.path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err(malformed()),
            Err(error) => return Err(failed(error)),
        };
        if is_exposed(&self.path).map_err(failed)? {
            return Err(SecretsError::Exposed(self.path.clone()));
        }
        let content: Content = serde_json::from_str(&text).map_err(|_| malformed())?;
        if content.schema != SCHEMA {
            return Err(malformed());
        }
        Ok(Some(content))
    }
}

fn new_key() -> io::Result<String> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(io::Error::other)?;
    Ok(DeviceKey::from_seed(&seed).to_text().expose().to_owned())
}

#[cfg(unix)]
fn is_exposed(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(std::fs::metadata(path)?.permissions().mode() & 0o077 != 0)
}

/// A user's folder is the user's own there.
#[cfg(not(unix))]
fn is_exposed(_: &Path) -> io::Result<bool> {
    Ok(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn home() -> (tempfile::TempDir, Secrets) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let paths = Paths {
            data_dir: folder.path().into(),
            config_dir: folder.path().join("config"),
        };
        let secrets = Secrets::new(&paths);
        (folder, secrets)
    }

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    #[test]
    fn what_is_kept_is_there_for_the_next_process_and_for_its_address_alone() {
        let (_folder, secrets) = home();
        let (here, there) = (address("ws://127.0.0.1:1"), address("wss://there"));
        let id = secrets.key().expect("a key").id();
        assert_eq!(secrets.key().expect("the same key").id(), id);
        let (token, device) = (
            Secret::new("t").expect("one"),
            Secret::new("d").expect("one"),
        );
        secrets.set_shared(&here, Some(&token)).expect("kept");
        secrets
            .keep(&here, &Kept::DeviceToken(device.clone()))
            .expect("kept");
        let both = Credentials {
            shared: Some(token),
            device: Some(device),
        };
        assert_eq!(secrets.credentials(&here).expect("kept"), both);
        assert_eq!(
            secrets.credentials(&there).expect("none"),
            Credentials::default()
        );
        let (fingerprint, at) = (both.fingerprint(), UnixMillis(7));
        secrets
            .keep(&here, &Kept::Refused { fingerprint, at })
            .expect("kept");
        assert_eq!(secrets.refused_at(&here, &both).expect("kept"), Some(at));
        let other = Credentials::default();
        assert_eq!(secrets.refused_at(&here, &other).expect("not those"), None);
        secrets.keep(&here, &Kept::NotRefused).expect("kept");
        assert_eq!(secrets.refused_at(&here, &both).expect("no more"), None);
        secrets.keep(&here, &Kept::NoDeviceToken).expect("kept");
        assert_eq!(secrets.credentials(&here).expect("kept").device, None);
        secrets.forget(&here).expect("kept");
        assert_eq!(
            secrets.credentials(&here).expect("none"),
            Credentials::default()
        );
        assert_eq!(secrets.key().expect("the key stays").id(), id);
    }

    #[cfg(unix)]
    #[test]
    fn the_file_is_for_the_users_eyes_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let (_folder, secrets) = home();
        secrets.key().expect("a key");
        let mode = |path: &Path| {
            let metadata = std::fs::metadata(path).expect("it exists");
            metadata.permissions().mode() & 0o777
        };
        let folder = secrets.path.parent().expect("a folder").to_owned();
        assert_eq!((mode(&secrets.path), mode(&folder)), (0o600, 0o700));
        std::fs::set_permissions(&secrets.path, std::fs::Permissions::from_mode(0o640))
            .expect("another mode");
        let before = std::fs::read(&secrets.path).expect("the file");
        for refused in [
            secrets.key().map(drop),
            secrets.set_shared(&address("ws://h"), Secret::new("t").as_ref()),
            secrets.credentials(&address("ws://h")).map(drop),
        ] {
            let error = refused.expect_err("others can read it");
            let path = secrets.path.display();
            assert_eq!(
                (error.to_string(), error.hint()),
                (
                    format!("{path} can be read by other users of this machine, so it is not used"),
                    format!(
                        "run: chmod 600 {path}; if others may have read it, remove it and pair anew"
                    ),
                )
            );
        }
        assert_eq!(std::fs::read(&secrets.path).expect("the file"), before);
    }

    #[test]
    fn a_file_that_cannot_be_understood_is_left_alone() {
        let (_folder, secrets) = home();
        for text in [
            "",
            "{}",
            "not JSON",
            r#"{"schema":"clawspend.gateway-secrets/2","device_key":"","gateways":{}}"#,
            r#"{"schema":"clawspend.gateway-secrets/1","device_key":"short","gateways":{}}"#,
        ] {
            replace_private(&secrets.path, text).expect("a file");
            assert!(
                matches!(secrets.key(), Err(SecretsError::Malformed(_))),
                "{text}"
            );
            assert_eq!(
                std::fs::read_to_string(&secrets.path).expect("the file"),
                text
            );
        }
    }

    #[test]
    fn processes_that_write_at_once_lose_nothing() {
        let (_folder, secrets) = home();
        std::thread::scope(|scope| {
            for number in 0..8 {
                let secrets = &secrets;
                scope.spawn(move || {
                    let address = address(&format!("ws://host-{number}"));
                    secrets
                        .set_shared(&address, Secret::new("t").as_ref())
                        .expect("kept");
                });
            }
        });
        let content = secrets.read().expect("readable").expect("a file");
        assert_eq!(content.gateways.len(), 8);
    }
}
