//! How long the stages of a run took, for its report. The one file of a run that differs from one machine to another,
//! and so hidden beside its lock.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Result;
use humboldt_pipeline::store::atomic::write_atomically;

const FILE: &str = ".timing.json";

fn path(root: &Path) -> PathBuf {
    root.join(FILE)
}

/// Seconds of each stage, of its last start that did work; nothing where they are not known.
pub fn read(root: &Path) -> BTreeMap<String, f64> {
    let text = fs::read_to_string(path(root)).unwrap_or_default();
    // Of no weight for any result: a damaged file says nothing.
    serde_json::from_str(&text).unwrap_or_default()
}

/// Notes how long a stage took.
///
/// # Errors
/// When the file cannot be written.
pub fn record(root: &Path, stage: &str, time: Duration) -> Result<()> {
    let mut stages = read(root);
    stages.insert(stage.to_owned(), (time.as_secs_f64() * 10.0).round() / 10.0);
    Ok(write_atomically(&path(root), serde_json::to_string(&stages)?.as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_kept_and_a_damaged_file_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).is_empty());
        record(folder.path(), "images", Duration::from_millis(1234)).unwrap();
        record(folder.path(), "training", Duration::from_millis(60_020)).unwrap();
        assert_eq!(read(folder.path()), [("images".to_owned(), 1.2), ("training".to_owned(), 60.0)].into());
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(read(folder.path()).is_empty());
    }
}
