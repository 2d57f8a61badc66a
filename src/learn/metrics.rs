//! `metrics.csv` and `metrics.jsonl`: one line for each epoch.

use std::fmt::Write;
use std::path::Path;

use humboldt_schemas::results::EpochMetrics;

use super::error::LearnError;
use super::model::save_text;

const HEADER: &str = "epoch,learning_rate,train_loss,validation_mae,validation_loss,images_seen,best\n";

/// Writes the whole history anew, each file in one step.
pub(super) fn write(folder: &Path, history: &[EpochMetrics]) -> Result<(), LearnError> {
    let (mut csv, mut lines) = (HEADER.to_owned(), String::new());
    for m in history {
        // Writing to a string cannot fail.
        let _ = writeln!(
            csv,
            "{},{},{},{},{},{},{}",
            m.epoch,
            m.learning_rate,
            m.train_loss,
            m.validation_mae,
            m.validation_loss,
            m.images_seen,
            m.best
        );
        let path = folder.join("metrics.jsonl");
        let line = serde_json::to_string(m).map_err(|e| LearnError::corrupt(&path, e.to_string()))?;
        lines.push_str(&line);
        lines.push('\n');
    }
    save_text(&csv, &folder.join("metrics.csv"))?;
    save_text(&lines, &folder.join("metrics.jsonl"))
}
