//! "Settings" is the config file itself, in the editor the user's system has for it.

use anyhow::Context;
use clawspend_core::config::Paths;

/// Opens the config file.
pub(crate) fn open(paths: &Paths) -> anyhow::Result<()> {
    let file = paths.config_file();
    open::that_detached(&file).with_context(|| format!("cannot open {}", file.display()))
}
