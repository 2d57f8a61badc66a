//! Metadata of a data file: provenance, angle convention, axes, units.
//!
//! Files that others made say it under other names and in other spellings; what they say is honoured or refused, never
//! passed over.

use std::path::Path;

use humboldt_schemas::events::{CONVENTION, CONVENTION_KEY, PROVENANCE_KEY};
use humboldt_schemas::provenance::{FORMAT_VERSION, Provenance};
use humboldt_schemas::voxels::{Axis, BITMAP, IMAGES, SUMS};

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

/// An attribute, or an entry of the metadata.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// The column or dataset that it belongs to; empty for the file itself.
    pub(super) owner: String,
    pub(super) key: String,
    /// Its texts, several where it is an array; or what it holds in place of text.
    pub(super) value: Result<Vec<String>, String>,
}

/// pandas keeps `DataFrame.attrs` under this key, as JSON.
const PANDAS_KEY: &str = "PANDAS_ATTRS";

/// The entries of a table's metadata; those that mean nothing here left out.
pub(super) fn of_texts<'a>(owner: &str, texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<Entry> {
    let mut entries = Vec::new();
    for (key, text) in texts {
        if key == PANDAS_KEY
            && let Ok(serde_json::Value::Object(attrs)) = serde_json::from_str(text)
        {
            let text =
                |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            entries.extend(attrs.iter().map(|(key, value)| (key.clone(), text(value))));
        } else {
            entries.push((key.to_owned(), text.to_owned()));
        }
    }
    let entry = |(key, text)| Entry { owner: owner.to_owned(), key, value: Ok(vec![text]) };
    entries.into_iter().filter(|(key, _)| concerns(key)).map(entry).collect()
}

/// Subject of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Subject {
    Provenance,
    Convention,
    Axes,
    Unit,
}

fn subject(key: &str) -> Option<Subject> {
    if key == PROVENANCE_KEY {
        return Some(Subject::Provenance);
    }
    Some(match letters(key).as_str() {
        "angleconvention" | "anglesconvention" | "angularconvention" | "angleconventions"
        | "angularconventions" | "conventionofangles" | "convention" => Subject::Convention,
        "axes" | "axesorder" | "axisorder" | "axesnames" | "axisnames" | "axislabels" | "axeslabels"
        | "dimnames" | "dimensionnames" | "dimensionlabels" | "arraydimensions" | "dims" => Subject::Axes,
        "unit" | "units" => Subject::Unit,
        _ => return None,
    })
}

/// Whether an entry of this name is looked at.
pub(super) fn concerns(key: &str) -> bool {
    subject(key).is_some()
}

/// Letters and digits of a name, in lower case: people spell names in many ways.
fn letters(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

/// Checks what a file says, and gives its provenance; none in files that others made.
///
/// # Errors
/// [`PipelineError::Refused`] for another angle convention, order of axes or unit, for what is no text, and for a newer
/// format; [`PipelineError::Corrupt`] for a provenance that cannot be read.
pub(super) fn provenance(path: &Path, entries: &[Entry]) -> Result<Option<Provenance>, PipelineError> {
    let mut provenance = None;
    for entry in entries {
        let Entry { owner, key, value } = entry;
        let of = if owner.is_empty() { String::new() } else { format!(" of `{owner}`") };
        let refuse = |got: &str, allowed: &str| {
            PipelineError::refused(path, format!("`{key}`{of} = {got} is not allowed; allowed: {allowed}"))
        };
        let texts = value.as_ref().map_err(|what| refuse(what, "a text"))?;
        let shown = || if let [one] = &texts[..] { one.clone() } else { format!("[{}]", texts.join(", ")) };
        match subject(key) {
            Some(Subject::Provenance) if owner.is_empty() => {
                let one = texts.first().filter(|_| texts.len() == 1);
                provenance = Some(one.ok_or_else(|| refuse(&format!("{} texts", texts.len()), "one text"))?);
            }
            Some(Subject::Convention)
                if texts.is_empty()
                    || texts.iter().any(|text| !letters(text).eq_ignore_ascii_case(CONVENTION)) =>
            {
                let allowed = format!("{CONVENTION} (docs/conventions.md says how to convert)");
                return Err(refuse(&shown(), &allowed));
            }
            Some(Subject::Axes) if [IMAGES, BITMAP].contains(&owner.as_str()) && !in_order(texts) => {
                let allowed = format!("{} in this order", Axis::ALL.map(Axis::name).join(", "));
                return Err(refuse(&shown(), &allowed));
            }
            Some(Subject::Unit) => {
                if let Some((allowed, shown_as)) = units(owner)
                    && texts.iter().any(|text| !allowed.contains(&unit(text).as_str()))
                {
                    return Err(refuse(&shown(), shown_as));
                }
            }
            _ => {}
        }
    }
    provenance.map(|json| parsed(path, json)).transpose()
}

/// Entries of a file of images, of which those on axes and unit are said of its images.
pub(super) fn of_images(mut entries: Vec<Entry>) -> Vec<Entry> {
    for entry in &mut entries {
        if entry.owner.is_empty() && matches!(subject(&entry.key), Some(Subject::Axes | Subject::Unit)) {
            IMAGES.clone_into(&mut entry.owner);
        }
    }
    entries
}

/// Whether names are those of the axes of images in their order; an axis of images before them, and names left empty, are
/// accepted.
fn in_order(texts: &[String]) -> bool {
    let names: Vec<String> = match texts {
        [one] => one.split([',', ';', '/', ' ', '\t']).map(letters).filter(|name| !name.is_empty()).collect(),
        many => many.iter().map(|name| letters(name)).collect(),
    };
    if names.iter().all(String::is_empty) {
        return true;
    }
    let last = match names.len() {
        3 => &names[..],
        4 => &names[1..],
        _ => return false,
    };
    let same = |(name, axis): (&String, Axis)| name.is_empty() || *name == letters(axis.name());
    last.iter().zip(Axis::ALL).all(same)
}

/// The units that a column or dataset may be in, as [`unit`] spells them, and in words; none where it has none.
fn units(owner: &str) -> Option<(&'static [&'static str], &'static str)> {
    Some(match owner {
        "q2" | IMAGES | SUMS => (&["gev2", "gev2/c4"], "GeV^2"),
        "m_kpi" => (&["gev", "gev/c2"], "GeV"),
        "chi" => (&["rad", "radian", "radians"], "rad"),
        "cos_theta_l" | "cos_theta_k" => (&["", "1", "none", "dimensionless"], "1, for a cosine has no unit"),
        _ => return None,
    })
}

/// A unit without powers' signs, spaces and brackets.
fn unit(text: &str) -> String {
    let plain = text.trim().to_lowercase().replace('²', "2").replace('⁴', "4");
    plain
        .chars()
        .filter(|c| !matches!(c, '^' | '*' | ' ' | '[' | ']' | '(' | ')' | '{' | '}' | '$'))
        .collect()
}

fn parsed(path: &Path, json: &str) -> Result<Provenance, PipelineError> {
    let unreadable = |e| PipelineError::corrupt(path, format!("provenance: {e}"));
    // The version first: the rest of a newer provenance may have another shape.
    let content: serde_json::Value = serde_json::from_str(json).map_err(unreadable)?;
    match content.get("format_version").and_then(serde_json::Value::as_u64) {
        Some(version) if version > u64::from(FORMAT_VERSION) => {
            let what =
                format!("format version {version}, this program reads up to {FORMAT_VERSION}; update it");
            Err(PipelineError::refused(path, what))
        }
        Some(_) => serde_json::from_value(content).map_err(unreadable),
        None => Err(PipelineError::corrupt(path, "provenance: no format_version")),
    }
}

/// The values of [`known_entries`], out of a file.
pub(super) fn texts(entries: &[Entry]) -> Vec<String> {
    let text = |key: &str| {
        let entry = entries.iter().find(|entry| entry.owner.is_empty() && entry.key == key)?;
        entry.value.as_ref().ok()?.first().cloned()
    };
    [PROVENANCE_KEY, CONVENTION_KEY].into_iter().filter_map(text).collect()
}

/// Names in a row, not too many.
pub(super) fn listed(names: &[String]) -> String {
    const SHOWN: usize = 10;
    match names {
        [] => "nothing".to_owned(),
        names if names.len() <= SHOWN => names.join(", "),
        names => format!("{} and {} more", names[..SHOWN].join(", "), names.len() - SHOWN),
    }
}

/// A library's message without the details that follow it in further lines.
pub(super) fn first_line(error: &impl ToString) -> String {
    error.to_string().lines().next().unwrap_or_default().trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(owner: &str, key: &str, texts: &[&str]) -> Result<(), String> {
        let value = Ok(texts.iter().map(|&text| text.to_owned()).collect());
        let entry = Entry { owner: owner.to_owned(), key: key.to_owned(), value };
        provenance(Path::new("a"), &[entry]).map(|_| ()).map_err(|e| e.to_string())
    }

    #[test]
    fn conventions_axes_and_units_go_by_their_meaning() {
        for (owner, key, texts) in [
            ("", "angle_convention", &["LHCb"][..]),
            ("images", "Angle Convention", &["lhcb"]),
            ("images", "axes", &["cos_theta_l", "cos_theta_k", "chi"]),
            ("images", "DIMENSION_LABELS", &["image", "cos_theta_l", "cos_theta_k", "chi"]),
            ("images", "DIMENSION_LABELS", &["", "", "", ""]),
            ("images", "axes", &["['cosThetaL', 'cosThetaK', 'chi']"]),
            ("images", "units", &["GeV**2 / c**4"]),
            ("q2", "unit", &["GeV²"]),
            ("chi", "unit", &["rad"]),
            ("delta_c9", "unit", &["furlong"]),
            ("q2", "axes", &["anything"]),
            ("", "history", &["theory convention"]),
        ] {
            assert_eq!(check(owner, key, texts), Ok(()), "{owner} {key}");
        }
        for (owner, key, texts, message) in [
            (
                "",
                "angle_convention",
                &["EvtGen"][..],
                "`angle_convention` = EvtGen is not allowed; allowed: LHCb",
            ),
            ("images", "convention", &["LHCb", "theory"], "`convention` of `images` = [LHCb, theory] is not"),
            ("", "angularConvention", &[], "`angularConvention` = [] is not"),
            (
                "images",
                "axes",
                &["chi", "cos_theta_k", "cos_theta_l"],
                "= [chi, cos_theta_k, cos_theta_l] is",
            ),
            (
                "bitmap",
                "axes",
                &["cos_theta_k,cos_theta_l,chi"],
                "allowed: cos_theta_l, cos_theta_k, chi in this",
            ),
            ("images", "unit", &["MeV^2"], "`unit` of `images` = MeV^2 is not allowed; allowed: GeV^2"),
            ("chi", "units", &["degrees"], "allowed: rad"),
            ("m_kpi", "unit", &["MeV"], "allowed: GeV"),
        ] {
            let refused = check(owner, key, texts).unwrap_err();
            assert!(refused.contains(message), "{refused}");
        }
    }

    #[test]
    fn attributes_of_a_data_frame_are_found() {
        let attrs = r#"{"angle_convention": "theory", "author": "B. Meson"}"#;
        let entries = of_texts("", [("pandas", "{}"), ("PANDAS_ATTRS", attrs)]);
        assert_eq!((entries.len(), entries[0].key.as_str()), (1, "angle_convention"));
        assert!(provenance(Path::new("a"), &entries).unwrap_err().to_string().contains("= theory"));
    }
}
