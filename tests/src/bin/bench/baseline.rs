//! The measure for the first index: reading every file once, 256 KiB at a time.

use anyhow::{Context, Result};
use std::{fs::File, hint::black_box, io::Read, path::Path};

pub(crate) fn read(home: &Path) -> Result<()> {
    let mut buffer = vec![0; 256 << 10];
    for root in [".claude", ".openclaw"] {
        for entry in walkdir::WalkDir::new(home.join(root)) {
            let entry = entry.context("looking for logs")?;
            if !entry.file_type().is_file() {
                continue;
            }
            let mut file = File::open(entry.path())
                .with_context(|| format!("opening {}", entry.path().display()))?;
            while file
                .read(&mut buffer)
                .with_context(|| format!("reading {}", entry.path().display()))?
                > 0
            {
                black_box(&buffer);
            }
        }
    }
    Ok(())
}
