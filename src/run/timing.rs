//! Duration, date and device of the stages of a run, for its report. The one file of a run that differs from one machine
//! to another, and so hidden beside its lock.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use humboldt_pipeline::store::atomic::write_atomically;
use serde::{Deserialize, Serialize};

use crate::error::Error;

const FILE: &str = ".timing.json";

/// The last start of a stage that did work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// Its duration in seconds.
    pub seconds: f64,
    /// Date and time of its end, as in `2026-11-28 20:15 UTC`.
    pub finished: String,
    /// The device that it computed on, where it had a choice.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
}

fn path(root: &Path) -> PathBuf {
    root.join(FILE)
}

/// The stages of a run by name; nothing where they are not known.
pub fn read(root: &Path) -> BTreeMap<String, Stage> {
    let text = fs::read_to_string(path(root)).unwrap_or_default();
    // Of no weight for any result: a damaged file says nothing.
    serde_json::from_str(&text).unwrap_or_default()
}

/// Notes how long a stage took that ends now, and on which device.
///
/// # Errors
/// When the file cannot be written.
pub fn record(root: &Path, stage: &str, time: Duration, device: Option<String>) -> Result<(), Error> {
    let mut stages = read(root);
    let seconds = (time.as_secs_f64() * 10.0).round() / 10.0;
    stages.insert(stage.to_owned(), Stage { seconds, finished: date(SystemTime::now()), device });
    // A map with names for keys is always JSON.
    let text = serde_json::to_string(&stages).unwrap_or_default();
    Ok(write_atomically(&path(root), text.as_bytes())?)
}

/// A moment to the minute, in UTC.
pub fn date(time: SystemTime) -> String {
    let seconds = time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let (days, minutes) = (seconds / 86_400, seconds / 60 % 1440);
    // Years that begin in March, in eras of 400 of them (Hinnant, "chrono-compatible low-level date algorithms").
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = 400 * era + year + next;
    format!("{year}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stages_are_kept_and_a_damaged_file_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).is_empty());
        record(folder.path(), "images", Duration::from_millis(1234), None).unwrap();
        record(folder.path(), "training", Duration::from_millis(60_020), Some("cpu".to_owned())).unwrap();
        let stages = read(folder.path());
        assert_eq!((stages["images"].seconds, stages["training"].seconds), (1.2, 60.0));
        assert_eq!(stages["training"].device.as_deref(), Some("cpu"));
        assert!(stages["images"].finished.ends_with(" UTC") && stages["images"].device.is_none());
        fs::write(folder.path().join(FILE), "{").unwrap();
        assert!(read(folder.path()).is_empty());
    }

    /// `date -u -d @SECONDS "+%F %R"`.
    #[test]
    fn dates_are_those_of_the_calendar() {
        for (seconds, words) in [
            (0, "1970-01-01 00:00 UTC"),
            (951_782_399, "2000-02-28 23:59 UTC"),
            (951_782_400, "2000-02-29 00:00 UTC"),
            (1_735_689_599, "2024-12-31 23:59 UTC"),
            (4_107_542_400, "2100-03-01 00:00 UTC"),
        ] {
            assert_eq!(date(UNIX_EPOCH + Duration::from_secs(seconds)), words);
        }
    }
}
