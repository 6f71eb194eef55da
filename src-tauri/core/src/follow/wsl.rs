//! Homes inside the Linux distributions of a Windows machine: agents run there, and OpenClaw's installer for Windows
//! puts its gateway into a distribution of its own.
//!
//! Only distributions that run are looked at, since touching a path of another would start it.

use std::path::PathBuf;

/// The homes of the running distributions, as network paths.
#[cfg(windows)]
#[must_use]
pub fn homes() -> Vec<PathBuf> {
    use std::os::windows::process::CommandExt as _;
    const CREATE_NO_WINDOW: u32 = 0x0800_0000;
    // A full path: a file of that name in the current folder must not be run.
    let Some(windows) = std::env::var_os("SystemRoot") else {
        return Vec::new();
    };
    let listed = std::process::Command::new(PathBuf::from(windows).join(r"System32\wsl.exe"))
        .args(["--list", "--running", "--quiet"])
        .creation_flags(CREATE_NO_WINDOW)
        .output();
    let Ok(listed) = listed.map(|output| output.stdout) else {
        return Vec::new();
    };
    distributions(&listed)
        .iter()
        .flat_map(|name| {
            let root = PathBuf::from(format!(r"\\wsl.localhost\{name}"));
            let users = std::fs::read_dir(root.join("home")).into_iter().flatten();
            let users = users.filter_map(|user| Some(user.ok()?.path()));
            users.chain([root.join("root")]).collect::<Vec<_>>()
        })
        .collect()
}

/// There are none elsewhere.
#[cfg(not(windows))]
#[must_use]
pub const fn homes() -> Vec<PathBuf> {
    Vec::new()
}

/// The names in what `wsl.exe --list --quiet` prints: a line each, in UTF-16 unless `WSL_UTF8` is set. What says that
/// nothing runs is a sentence, and no distribution's name has a space.
#[cfg(any(windows, test))]
fn distributions(listed: &[u8]) -> Vec<String> {
    let text = if listed.contains(&0) {
        let units = listed
            .chunks_exact(2)
            .map(|pair| u16::from_le_bytes([pair[0], pair[1]]));
        String::from_utf16_lossy(&units.collect::<Vec<_>>())
    } else {
        String::from_utf8_lossy(listed).into_owned()
    };
    text.trim_start_matches('\u{feff}')
        .lines()
        .map(str::trim)
        .filter(|name| !name.is_empty() && !name.contains(' '))
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distributions_are_listed_in_either_encoding() {
        let utf16 = |text: &str| {
            text.encode_utf16()
                .flat_map(u16::to_le_bytes)
                .collect::<Vec<_>>()
        };
        let two = ["Ubuntu-24.04", "openclaw"];
        assert_eq!(distributions(&utf16("Ubuntu-24.04\r\nopenclaw\r\n")), two);
        assert_eq!(
            distributions(&utf16("\u{feff}Ubuntu-24.04\r\nopenclaw\r\n")),
            two
        );
        assert_eq!(distributions(b"Ubuntu-24.04\nopenclaw\n"), two);
        let none: [&str; 0] = [];
        assert_eq!(
            distributions(&utf16("There are no running distributions.\r\n")),
            none
        );
        assert_eq!(distributions(b""), none);
    }
}
