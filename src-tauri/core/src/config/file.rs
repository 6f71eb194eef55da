//! The config file on disk: created on first use, read, and edited one key at a time.

use super::{Config, ConfigFault, TEMPLATE, parse};
use crate::{api::Problem, gateway::Address};
use std::{
    fs, io,
    io::Write as _,
    path::{Path, PathBuf},
    time::Duration,
};
use tempfile::TempPath;
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, Value};

/// What reading the config file came to.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    /// The settings to put in force; `None` when the file cannot be used, and those in force stay so
    /// (at the start: the defaults).
    pub config: Option<Config>,
    /// What the user should know.
    pub faults: Vec<ConfigFault>,
}

impl Loaded {
    /// The faults as problems every door can show, for the file at `path`.
    #[must_use]
    pub fn problems(&self, path: &Path) -> Vec<Problem> {
        let hint = match self.config {
            Some(_) => {
                "The settings shown are in force; they cannot be kept until this is put right."
            }
            None => {
                "Correct the file and save it; until then the last good settings stay in force."
            }
        };
        let problem = |fault: &ConfigFault| Problem {
            code: "config".to_owned(),
            message: format!("{}: {fault}", path.display()),
            hint: hint.to_owned(),
            serious: self.config.is_none(),
        };
        self.faults.iter().map(problem).collect()
    }
}

/// Reads the config file, or writes the commented template when there is none. A file that cannot be read
/// or understood is left as it is; a folder that cannot be written to leaves the defaults in force.
/// `home` is what `~` stands for.
#[must_use]
pub fn load_or_create(path: &Path, home: Option<&Path>) -> Loaded {
    let first = read(path);
    let text = match first {
        Err(error) if missing(&error) => match create(path) {
            Ok(()) => Ok(TEMPLATE.to_owned()),
            // Another process was quicker.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => read(path),
            Err(error) => {
                let faults = vec![whole_file("the file could not be created", &error)];
                return Loaded {
                    config: Some(Config::default()),
                    faults,
                };
            }
        },
        other => other,
    };
    let parsed = text
        .map_err(|error| vec![whole_file("the file could not be read", &error)])
        .and_then(|text| parse(&text, home));
    match parsed {
        Ok(config) => Loaded {
            config: Some(config),
            faults: Vec::new(),
        },
        Err(faults) => Loaded {
            config: None,
            faults,
        },
    }
}

/// Gives one key a new value and leaves every comment in place. `value` is written as in the file: `true`,
/// `12.50`, `"tokens"`. The file is replaced as a whole or not at all; one that is missing is created.
///
/// # Errors
/// When the file is faulty already, when the key or value is not allowed, or when it cannot be written.
pub fn set(
    path: &Path,
    home: Option<&Path>,
    section: &str,
    key: &str,
    value: &str,
) -> Result<Config, Vec<ConfigFault>> {
    edit(path, home, |text| edited(text, section, key, value))
}

/// Adds a gateway to the list, or gives the one of this name another address.
///
/// # Errors
/// As [`set`].
pub fn add_gateway(
    path: &Path,
    home: Option<&Path>,
    name: &str,
    address: &Address,
) -> Result<Config, Vec<ConfigFault>> {
    edit(path, home, |text| {
        let url = address.to_string();
        let mut document = document(text)?;
        let tables = tables(&mut document)?;
        let known = tables.iter_mut().find(|table| is_called(table, name));
        if let Some(table) = known {
            let decor = table
                .get("url")
                .and_then(Item::as_value)
                .map(|url| url.decor().clone());
            let mut value = Value::from(url);
            *value.decor_mut() = decor.unwrap_or_else(|| toml_edit::Decor::new(" ", ""));
            table.insert("url", Item::Value(value));
            return Ok(document.to_string());
        }
        // At the very end, or comments there would come to stand behind it.
        let [name, url] = [name, &url].map(Value::from);
        let text = text.trim_end();
        Ok(format!(
            "{text}\n\n[[gateways]]\nname = {name}\nurl = {url}\n"
        ))
    })
}

/// Takes a gateway out of the list.
///
/// # Errors
/// As [`set`].
pub fn remove_gateway(
    path: &Path,
    home: Option<&Path>,
    name: &str,
) -> Result<Config, Vec<ConfigFault>> {
    edit(path, home, |text| {
        let mut document = document(text)?;
        let tables = tables(&mut document)?;
        let Some(at) = tables.iter().position(|table| is_called(table, name)) else {
            return Ok(text.to_owned());
        };
        let above = tables.get(at).and_then(comments_above).unwrap_or_default();
        tables.remove(at);
        if let Some(next) = tables.get_mut(at) {
            let own = comments_above(next).unwrap_or_default();
            next.decor_mut().set_prefix(above + &own);
        } else {
            if tables.is_empty() {
                document.remove("gateways");
            }
            let end = above + document.trailing().as_str().unwrap_or_default();
            document.set_trailing(end);
        }
        Ok(document.to_string().trim_end().to_owned() + "\n")
    })
}

/// Makes a gateway of the list the one that is meant where none is named.
///
/// # Errors
/// As [`set`].
pub fn set_default_gateway(
    path: &Path,
    home: Option<&Path>,
    name: &str,
) -> Result<Config, Vec<ConfigFault>> {
    edit(path, home, |text| {
        let mut document = document(text)?;
        for table in tables(&mut document)?.iter_mut() {
            if is_called(table, name) {
                table.insert("default", toml_edit::value(true));
            } else {
                table.remove("default");
            }
        }
        Ok(document.to_string())
    })
}

fn tables(document: &mut DocumentMut) -> Result<&mut ArrayOfTables, ConfigFault> {
    let list = document
        .entry("gateways")
        .or_insert(Item::ArrayOfTables(ArrayOfTables::new()));
    list.as_array_of_tables_mut().ok_or_else(|| ConfigFault {
        place: None,
        message: "the list of gateways is written on one line, which is not edited here".into(),
        suggestion: Some("begin each with a line [[gateways]], its keys below".into()),
    })
}

fn is_called(table: &Table, name: &str) -> bool {
    let own = table.get("name").and_then(Item::as_str);
    own.is_some_and(|own| own.eq_ignore_ascii_case(name))
}

fn comments_above(table: &Table) -> Option<String> {
    Some(table.decor().prefix()?.as_str()?.to_owned())
}

/// Replaces the file by what `change` makes of its text, if that is valid; one that is missing is created.
fn edit(
    path: &Path,
    home: Option<&Path>,
    change: impl FnOnce(&str) -> Result<String, ConfigFault>,
) -> Result<Config, Vec<ConfigFault>> {
    let before = match read(path) {
        Ok(text) => text,
        Err(error) if missing(&error) => TEMPLATE.to_owned(),
        Err(error) => return Err(vec![whole_file("the file could not be read", &error)]),
    };
    parse(&before, home)?;
    let after = change(&before).map_err(|fault| vec![fault])?;
    let config = parse(&after, home).map_err(|mut faults| {
        // Their places would be those of a text the user never sees.
        for fault in &mut faults {
            fault.place = None;
        }
        faults
    })?;
    if after != before || !path.exists() {
        replace(path, &after)
            .map_err(|error| vec![whole_file("the file could not be written", &error)])?;
    }
    Ok(config)
}

fn document(text: &str) -> Result<DocumentMut, ConfigFault> {
    text.parse()
        .map_err(|error: toml_edit::TomlError| ConfigFault {
            place: None,
            message: error.message().to_owned(),
            suggestion: None,
        })
}

/// `text`, which is valid, with one value changed.
fn edited(text: &str, section: &str, key: &str, value: &str) -> Result<String, ConfigFault> {
    let unreadable = |error: &toml_edit::TomlError| ConfigFault {
        place: None,
        message: format!("`{key}` cannot be set to {value}: {}", error.message()),
        suggestion: None,
    };
    let mut document: DocumentMut = text.parse().map_err(|error| unreadable(&error))?;
    let mut value: Value = value.parse().map_err(|error| unreadable(&error))?;
    let table = document.entry(section).or_insert(Item::Table(Table::new()));
    if let Some(table) = table.as_table_like_mut() {
        let item = table.entry(key).or_insert(Item::None);
        *value.decor_mut() = match item.as_value() {
            // Holds the comment behind the value.
            Some(old) => old.decor().clone(),
            None => toml_edit::Decor::new(" ", ""),
        };
        *item = Item::Value(value);
    }
    Ok(document.to_string())
}

fn whole_file(what: &str, error: &io::Error) -> ConfigFault {
    ConfigFault {
        place: None,
        message: format!("{what}: {error}"),
        suggestion: None,
    }
}

/// There is no such file; with a file where its folder should be, there cannot be one either.
fn missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn read(path: &Path) -> io::Result<String> {
    patiently(|| fs::read_to_string(path))
}

fn create(path: &Path) -> io::Result<()> {
    create_folder_of(path)?;
    written_beside(path, TEMPLATE)?.persist_noclobber(path)?;
    sync_folder(&folder_of(path))
}

/// Creates the folder of a file of ours, for the user alone.
pub(crate) fn create_folder_of(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder_of(path))
}

/// Replaces a file of ours as a whole or not at all; only the user can read it (0600).
pub(crate) fn replace_private(path: &Path, text: &str) -> io::Result<()> {
    create_folder_of(path)?;
    let new = written_beside(path, text)?;
    patiently(|| fs::rename(&new, path))?;
    sync_folder(&folder_of(path))
}

fn replace(path: &Path, text: &str) -> io::Result<()> {
    // The file itself, where `path` is a link to it.
    let path = &match fs::canonicalize(path) {
        Ok(target) => target,
        Err(error) if missing(&error) => {
            create(path)?;
            path.to_owned()
        }
        Err(error) => return Err(error),
    };
    let new = written_beside(path, text)?;
    fs::set_permissions(&new, fs::metadata(path)?.permissions())?;
    patiently(|| fs::rename(&new, path))?;
    sync_folder(&folder_of(path))
}

/// Writes `text` to a temporary file (0600) in the folder of `path`, down to the disk.
fn written_beside(path: &Path, text: &str) -> io::Result<TempPath> {
    let mut new = tempfile::Builder::new()
        .prefix(".clawspend-")
        .suffix(".tmp")
        .tempfile_in(folder_of(path))?;
    new.write_all(text.as_bytes())?;
    new.as_file().sync_all()?;
    Ok(new.into_temp_path())
}

fn folder_of(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_owned(),
        _ => PathBuf::from("."),
    }
}

/// Makes a rename in `folder` last through a power cut; Windows needs no such thing.
fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) {
        fs::File::open(folder)?.sync_all()
    } else {
        Ok(())
    }
}

/// Tries for up to a second while another program, such as a virus scanner, holds the file open on Windows.
fn patiently<T>(mut attempt: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    const ACCESS_DENIED: i32 = 5;
    const SHARING_VIOLATION: i32 = 32;
    for _ in 0..20 {
        match attempt() {
            Err(error)
                if cfg!(windows)
                    && matches!(
                        error.raw_os_error(),
                        Some(ACCESS_DENIED | SHARING_VIOLATION)
                    ) =>
            {
                std::thread::sleep(Duration::from_millis(50));
            }
            done => return done,
        }
    }
    attempt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::TrayText, money::NanoUsd};

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary folder")
    }

    fn listing(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        entries
            .map(|entry| {
                entry
                    .expect("an entry")
                    .file_name()
                    .to_string_lossy()
                    .into_owned()
            })
            .collect()
    }

    #[test]
    fn the_template_is_written_once_and_read_from_then_on() {
        let folder = folder();
        let path = folder.path().join("new").join("clawspend.toml");
        let defaults = Loaded {
            config: Some(Config::default()),
            faults: Vec::new(),
        };
        assert_eq!(load_or_create(&path, None), defaults);
        assert_eq!(fs::read_to_string(&path).expect("the new file"), TEMPLATE);
        assert_eq!(
            listing(path.parent().expect("a parent")),
            ["clawspend.toml"]
        );
        #[cfg(unix)]
        for (path, mode) in [
            (path.as_path(), 0o600),
            (path.parent().expect("a parent"), 0o700),
        ] {
            use std::os::unix::fs::PermissionsExt as _;
            let found = fs::metadata(path).expect("it exists").permissions().mode();
            assert_eq!(found & 0o777, mode, "{}", path.display());
        }
        fs::write(&path, "[budget]\ndaily_usd = 25\n").expect("an edit");
        let config = Config {
            daily_budget: Some(NanoUsd::dollars(25)),
            ..Config::default()
        };
        assert_eq!(
            load_or_create(&path, None),
            Loaded {
                config: Some(config),
                faults: Vec::new()
            }
        );
    }

    #[test]
    fn a_file_that_cannot_be_used_is_reported_and_left_alone() {
        let folder = folder();
        let path = folder.path().join("clawspend.toml");
        for (bytes, problem) in [
            (
                &b"[budget]\ndaily_us = 5\n"[..],
                "line 2, column 1: unknown key `daily_us` in [budget]; did you mean `daily_usd`?",
            ),
            (
                &b"\xff\xfe[\0"[..],
                "the file could not be read: stream did not contain valid UTF-8",
            ),
        ] {
            fs::write(&path, bytes).expect("a file");
            let loaded = load_or_create(&path, None);
            assert_eq!(loaded.config, None);
            let expected = Problem {
                code: "config".to_owned(),
                message: format!("{}: {problem}", path.display()),
                hint:
                    "Correct the file and save it; until then the last good settings stay in force."
                        .to_owned(),
                serious: true,
            };
            assert_eq!(loaded.problems(&path), [expected]);
            let refused = set(&path, None, "budget", "daily_usd", "5");
            assert_eq!(refused, Err(loaded.faults), "a faulty file is not edited");
            assert_eq!(fs::read(&path).expect("the file"), bytes);
        }
    }

    #[test]
    fn a_folder_that_cannot_be_made_leaves_the_defaults_in_force() {
        let folder = folder();
        let blocked = folder.path().join("a file");
        fs::write(&blocked, "").expect("a file");
        let loaded = load_or_create(&blocked.join("sub").join("clawspend.toml"), None);
        assert_eq!(loaded.config, Some(Config::default()));
        let [fault] = loaded.faults.as_slice() else {
            panic!("one fault: {:?}", loaded.faults)
        };
        assert!(
            fault.message.starts_with("the file could not be "),
            "{fault}"
        );
        assert!(!loaded.problems(&blocked)[0].serious);
    }

    #[test]
    fn an_edit_changes_one_value_and_keeps_every_comment() {
        let folder = folder();
        let path = folder.path().join("clawspend.toml");
        let text = "# mine\n[app] # here\nstart_at_login = false   # not yet\n\n[budget]\ndaily_usd = 7.50\n";
        fs::write(&path, text).expect("a file");
        let config = set(&path, None, "app", "start_at_login", "true").expect("an allowed value");
        assert_eq!(
            config,
            Config {
                start_at_login: true,
                daily_budget: Some(NanoUsd(7_500_000_000)),
                ..Config::default()
            }
        );
        set(&path, None, "display", "tray", "\"tokens\"").expect("a section that was not there");
        let expected = text.replace("= false ", "= true ") + "\n[display]\ntray = \"tokens\"\n";
        assert_eq!(fs::read_to_string(&path).expect("the file"), expected);
        assert_eq!(listing(folder.path()), ["clawspend.toml"]);

        for (section, key, value, why) in [
            (
                "app",
                "start_at_logn",
                "true",
                "unknown key `start_at_logn` in [app]; did you mean `start_at_login`?",
            ),
            (
                "app",
                "start_at_login",
                "\"true\"",
                "`start_at_login` must be true or false, without quotes",
            ),
            (
                "budget",
                "daily_usd",
                "-1",
                "`daily_usd` must be an amount in dollars from 0 to 1000000, such as 12.50",
            ),
        ] {
            let faults = set(&path, None, section, key, value).expect_err(why);
            assert_eq!(
                faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
                [why]
            );
            assert_eq!(fs::read_to_string(&path).expect("the file"), expected);
        }
        let faults = set(&path, None, "app", "start_at_login", "").expect_err("no value");
        assert!(
            faults[0]
                .message
                .starts_with("`start_at_login` cannot be set to "),
            "{faults:?}"
        );
    }

    #[test]
    fn an_edit_of_a_missing_file_begins_with_the_template() {
        let folder = folder();
        let path = folder.path().join("clawspend.toml");
        let config =
            set(&path, None, "display", "tray", "\"icon-only\"").expect("an allowed value");
        assert_eq!(
            config,
            Config {
                tray_text: TrayText::Nothing,
                ..Config::default()
            }
        );
        let expected = TEMPLATE.replace("tray = \"money\"", "tray = \"icon-only\"");
        assert_eq!(fs::read_to_string(&path).expect("the file"), expected);
    }

    #[test]
    fn the_list_of_gateways_is_edited_and_every_comment_stays() {
        let folder = folder();
        let path = folder.path().join("clawspend.toml");
        let address = |text: &str| Address::parse(text).expect("an address");
        let text = || fs::read_to_string(&path).expect("the file");
        let names = |config: Config| -> Vec<(String, String, bool)> {
            let gateways = config.gateways.into_iter();
            let gateways = gateways.map(|one| (one.name, one.address.to_string(), one.default));
            gateways.collect()
        };
        let row = |name: &str, url: &str, default| (name.to_owned(), url.to_owned(), default);
        fs::write(&path, "# mine\n\n# the end\n").expect("a file");
        let config = add_gateway(&path, None, "a", &address("http://127.0.0.1:1")).expect("added");
        assert_eq!(names(config), [row("a", "ws://127.0.0.1:1", false)]);
        let one = "# mine\n\n# the end\n\n[[gateways]]\nname = \"a\"\nurl = \"ws://127.0.0.1:1\"\n";
        assert_eq!(text(), one);
        add_gateway(&path, None, "b", &address("wss://b")).expect("added");
        fs::write(&path, text().replace(":1\"", ":1\" # here")).expect("a comment");
        add_gateway(&path, None, "a", &address("ws://127.0.0.1:2")).expect("changed");
        let config = set_default_gateway(&path, None, "b").expect("set");
        let both = [
            row("a", "ws://127.0.0.1:2", false),
            row("b", "wss://b", true),
        ];
        assert_eq!(names(config), both);
        let two = one.replace(":1\"", ":2\" # here")
            + "\n[[gateways]]\nname = \"b\"\nurl = \"wss://b\"\ndefault = true\n";
        assert_eq!(text(), two);
        let config = set_default_gateway(&path, None, "a").expect("set");
        assert_eq!(
            names(config),
            [
                row("a", "ws://127.0.0.1:2", true),
                row("b", "wss://b", false)
            ]
        );
        let config = remove_gateway(&path, None, "a").expect("removed");
        assert_eq!(names(config), [row("b", "wss://b", false)]);
        let left = "# mine\n\n# the end\n\n\n[[gateways]]\nname = \"b\"\nurl = \"wss://b\"\n";
        assert_eq!(text(), left);
        remove_gateway(&path, None, "b").expect("removed");
        assert_eq!(text(), "# mine\n\n# the end\n");
        fs::write(&path, "gateways = [{ name = \"a\", url = \"ws://h\" }]\n").expect("a file");
        let faults = remove_gateway(&path, None, "a").expect_err("on one line");
        let told = "the list of gateways is written on one line, which is not edited here; \
                    begin each with a line [[gateways]], its keys below";
        assert_eq!(
            faults.iter().map(ToString::to_string).collect::<Vec<_>>(),
            [told]
        );
    }

    #[cfg(unix)]
    #[test]
    fn an_edit_goes_through_a_link_and_keeps_the_modes() {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        let folder = folder();
        let (real, link) = (
            folder.path().join("dotfiles.toml"),
            folder.path().join("clawspend.toml"),
        );
        fs::write(&real, TEMPLATE).expect("a file");
        fs::set_permissions(&real, fs::Permissions::from_mode(0o640)).expect("its mode");
        symlink(&real, &link).expect("a link");
        set(&link, None, "app", "start_at_login", "true").expect("an allowed value");
        assert!(fs::symlink_metadata(&link).expect("the link").is_symlink());
        let expected = TEMPLATE.replace("start_at_login = false", "start_at_login = true");
        assert_eq!(fs::read_to_string(&real).expect("the file"), expected);
        assert_eq!(
            fs::metadata(&real).expect("the file").permissions().mode() & 0o777,
            0o640
        );
    }
}
