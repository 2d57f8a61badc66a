//! `metrics.csv` and `metrics.jsonl`: one line for each epoch.

use std::path::Path;

use humboldt_schemas::results::EpochMetrics;

use super::error::LearnError;
use super::model::save_text;

/// Writes the whole history anew, each file in one step.
pub(super) fn write(folder: &Path, history: &[EpochMetrics]) -> Result<(), LearnError> {
    let (mut csv, mut lines) = (format!("{}\n", EpochMetrics::CSV_HEADER), String::new());
    for m in history {
        csv.push_str(&m.csv_row());
        csv.push('\n');
        let path = folder.join("metrics.jsonl");
        let line = serde_json::to_string(m).map_err(|e| LearnError::corrupt(&path, e.to_string()))?;
        lines.push_str(&line);
        lines.push('\n');
    }
    save_text(&csv, &folder.join("metrics.csv"))?;
    save_text(&lines, &folder.join("metrics.jsonl"))
}
