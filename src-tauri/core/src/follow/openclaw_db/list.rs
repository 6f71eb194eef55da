//! OpenClaw's own list of its agents' databases: the config may have put one anywhere.

use super::{
    Incomplete,
    guest::{BUSY_TIMEOUT, Guest},
};
use std::path::{Path, PathBuf};

/// The agents' databases that `state/openclaw.sqlite` lists, with the agent of each. None without such a file, which
/// older versions do not have.
///
/// # Errors
/// [`Incomplete`].
pub fn listed(state_dir: &Path) -> Result<Vec<(String, PathBuf)>, Incomplete> {
    let list = state_dir.join("state/openclaw.sqlite");
    if !list.try_exists()? {
        return Ok(Vec::new());
    }
    let rows = Guest::open(&list, BUSY_TIMEOUT)?.transaction(|tx| {
        let table = "SELECT count(*) FROM pragma_table_info('agent_databases') WHERE name IN ('agent_id', 'path')";
        if tx.query_row(table, [], |row| row.get::<_, i64>(0))? < 2 {
            return Ok(Vec::new());
        }
        let mut rows = tx.prepare("SELECT agent_id, path FROM agent_databases")?;
        let rows = rows.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
        rows.collect::<rusqlite::Result<Vec<(String, String)>>>()
    })?;
    // Paths are relative to the state directory. Other kinds of databases may be listed too.
    let databases = rows
        .into_iter()
        .map(|(agent, path)| (agent, state_dir.join(path)));
    Ok(databases
        .filter(|(_, path)| path.ends_with("openclaw-agent.sqlite"))
        .collect())
}
