//! How long Claude Code keeps its transcripts: a setting of the user's, in `settings.json` beside `projects`.

use super::roots::RootSpec;
use crate::usage::Source;

/// Without a setting; see <https://code.claude.com/docs/en/settings>.
const DEFAULT_DAYS: u32 = 30;

/// The days that every one of these roots keeps an untouched transcript.
#[must_use]
pub fn claude_days(roots: &[RootSpec]) -> u32 {
    let roots = roots
        .iter()
        .filter(|root| root.source == Source::ClaudeCode);
    let settings =
        roots.filter_map(|root| std::fs::read(root.path.parent()?.join("settings.json")).ok());
    settings
        .map(|json| days(&json))
        .min()
        .unwrap_or(DEFAULT_DAYS)
}

fn days(settings: &[u8]) -> u32 {
    let settings: serde_json::Value = serde_json::from_slice(settings).unwrap_or_default();
    let days = settings["cleanupPeriodDays"].as_u64();
    days.map_or(DEFAULT_DAYS, |days| {
        u32::try_from(days).unwrap_or(u32::MAX).min(36_500)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_of_all_settings_counts() {
        let home = tempfile::tempdir().expect("a temporary folder");
        let roots = ["a", "b", "c"].map(|name| RootSpec {
            source: Source::ClaudeCode,
            path: home.path().join(name).join("projects"),
            origin: "default",
        });
        assert_eq!(claude_days(&roots), 30, "none is set");
        for (name, settings, expected) in [
            ("a", r#"{"cleanupPeriodDays": 365, "model": "opus"}"#, 365),
            ("b", r#"{"model": "opus"}"#, 30),
            ("c", r#"{"cleanupPeriodDays": 7}"#, 7),
            ("a", r#"{"cleanupPeriodDays": "#, 7),
            ("c", r#"{"cleanupPeriodDays": -1}"#, 30),
        ] {
            let folder = home.path().join(name);
            std::fs::create_dir_all(&folder).expect("a folder");
            std::fs::write(folder.join("settings.json"), settings).expect("settings");
            assert_eq!(claude_days(&roots), expected, "{name}: {settings}");
        }
    }
}
