//! What every data file says about itself: provenance and angle convention.

use std::path::Path;

use humboldt_schemas::events::{CONVENTION, CONVENTION_KEY, PROVENANCE_KEY};
use humboldt_schemas::provenance::{FORMAT_VERSION, Provenance};

use crate::PipelineError;

/// The metadata of a new file, as key and value.
pub(super) fn entries(path: &Path, provenance: &Provenance) -> Result<[(String, String); 2], PipelineError> {
    let json = serde_json::to_string(provenance).map_err(|e| PipelineError::io(path)(e.into()))?;
    Ok([(PROVENANCE_KEY.to_owned(), json), convention()])
}

/// [`entries`], without provenance where the images come from a file that has none.
pub(super) fn known_entries(
    path: &Path,
    provenance: Option<&Provenance>,
) -> Result<Vec<(String, String)>, PipelineError> {
    Ok(match provenance {
        Some(provenance) => entries(path, provenance)?.to_vec(),
        None => vec![convention()],
    })
}

fn convention() -> (String, String) {
    (CONVENTION_KEY.to_owned(), CONVENTION.to_owned())
}

/// The values of [`known_entries`], out of a file.
pub(super) fn texts(value: impl Fn(&str) -> Option<String>) -> Vec<String> {
    [PROVENANCE_KEY, CONVENTION_KEY].into_iter().filter_map(value).collect()
}

/// Provenance out of a file's metadata; none in files that others made.
///
/// # Errors
/// [`PipelineError::Corrupt`] for a newer format, another angle convention, or a provenance that cannot be read.
pub(super) fn provenance(
    path: &Path,
    value: impl Fn(&str) -> Option<String>,
) -> Result<Option<Provenance>, PipelineError> {
    if let Some(convention) = value(CONVENTION_KEY).filter(|c| c != CONVENTION) {
        let what = format!("angle convention `{convention}`, this program reads `{CONVENTION}`");
        return Err(PipelineError::corrupt(path, what));
    }
    let Some(json) = value(PROVENANCE_KEY) else { return Ok(None) };
    let unreadable = |e| PipelineError::corrupt(path, format!("provenance: {e}"));
    // The version first: the rest of a newer provenance may have another shape.
    let content: serde_json::Value = serde_json::from_str(&json).map_err(unreadable)?;
    match content.get("format_version").and_then(serde_json::Value::as_u64) {
        Some(version) if version > u64::from(FORMAT_VERSION) => {
            let what =
                format!("format version {version}, this program reads up to {FORMAT_VERSION}; update it");
            Err(PipelineError::corrupt(path, what))
        }
        Some(_) => serde_json::from_value(content).map(Some).map_err(unreadable),
        None => Err(PipelineError::corrupt(path, "provenance: no format_version")),
    }
}

/// A library's message without the details that follow it in further lines.
pub(super) fn first_line(error: &impl ToString) -> String {
    error.to_string().lines().next().unwrap_or_default().trim().to_owned()
}
