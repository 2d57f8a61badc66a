//! HEPData submissions to files of measurements.
//!
//! A submission is a folder, a zip or a tar.gz with `submission.yaml`, which names tables (yaml, json) of values in bins of
//! q2 and of correlations. What a column means is read from its name, its unit from its header, the process from its
//! reaction; nothing here knows a particular record.
//!
//! # Source
//! HEPData's submission format, hepdata-submission.readthedocs.io.

mod archive;
mod names;
mod table;
mod yaml;

use std::collections::BTreeMap;
use std::path::Path;

use humboldt_physics::ValueConvention;
use serde_json::Value;

use self::archive::Archive;
use self::table::{Column, Entry, Table, text};
use crate::correlation::Correlation;
use crate::error::{Invalid, SchemaError};
use crate::measurements::{Measurement, MeasurementFile, MeasurementGroup};

/// Settings that an archive does not say of itself.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// Names of tables, with `*` for any characters; all where it is empty.
    pub tables: Vec<String>,
    /// Matrix of several of a table, by a part of its name; `total` where nothing is said.
    pub correlation: Option<String>,
    /// Whose signs and factors the values have.
    pub convention: ValueConvention,
    /// The process, where the record does not name its reaction.
    pub process: Option<String>,
    /// Source of the numbers, in place of what the record says.
    pub source: Option<String>,
    /// The experiment.
    pub experiment: Option<String>,
    /// Names of the events behind the numbers.
    pub events: Vec<String>,
    /// Lower end [GeV^2] from which bins were fitted without the mass of the lepton; `None` for nowhere.
    pub massless_from: Option<f64>,
}

/// A file of measurements, and what a reader of the archive should know.
#[derive(Debug, Clone, PartialEq)]
pub struct Import {
    /// The measurements, in the record's own convention.
    pub file: MeasurementFile,
    /// Notes of what was left out or taken for granted, a line each.
    pub notes: Vec<String>,
}

/// A table as the submission names it.
#[derive(Debug)]
struct Listed {
    name: String,
    file: String,
    reactions: Vec<String>,
    resources: Vec<String>,
}

/// Labels and rows of a correlation matrix, and which table it stands in.
struct Matrix {
    table: String,
    labels: Vec<String>,
    rows: Vec<Vec<f64>>,
    bin: Option<[f64; 2]>,
    /// The bins that `_binN` of its labels counts.
    bins: Vec<[f64; 2]>,
}

/// A measurement, the table it stands in, and one spelling of its name.
struct Found {
    measurement: Measurement,
    table: String,
    plain: String,
}

/// Reads an archive.
///
/// # Errors
/// When it cannot be read or holds no table of values, a table is not chosen clearly, or a value is refused; one line that
/// names table, column and value.
pub fn import(path: &Path, choice: &Choice) -> Result<Import, SchemaError> {
    let archive = Archive::read(path)?;
    let (listed, record) = listed(&archive)?;
    let chosen: Vec<&Listed> =
        listed.iter().filter(|t| choice.tables.is_empty() || choice.tables.iter().any(|p| t.is(p))).collect();
    for pattern in &choice.tables {
        if !listed.iter().any(|table| table.is(pattern)) {
            let known: Vec<&str> = listed.iter().map(|table| table.name.as_str()).collect();
            return Err(Invalid::new("--table", pattern, some(&known)).into());
        }
    }
    let mut reading = Reading { choice, notes: Vec::new(), found: Vec::new(), sources: Vec::new() };
    let mut matrices = Vec::new();
    let mut skipped = Vec::new();
    for listed in &chosen {
        match parsed(&archive, &listed.file, &listed.name)? {
            Table::Values { bins, columns } => {
                matrices.extend(resource(&archive, listed, &bins, choice)?);
                reading.values(listed, &bins, columns)?;
            }
            Table::Matrix { labels, rows, bin } => {
                matrices.push(Matrix { table: listed.name.clone(), labels, rows, bin, bins: Vec::new() });
            }
            // Of all tables of a record, those of other things are passed over; one that was asked for is not.
            Table::Other(_) if choice.tables.is_empty() && chosen.len() > 1 => {
                skipped.push(listed.name.as_str());
            }
            Table::Other(what) => {
                let field = format!("{}: {}", archive.name, listed.name);
                return Err(Invalid::new(&field, what, "values in bins of q2, or correlations").into());
            }
        }
    }
    // Tables of values were chosen: any matrix of the record may be theirs.
    if !choice.tables.is_empty() && matrices.is_empty() {
        for listed in listed.iter().filter(|l| !chosen.iter().any(|c| c.name == l.name)) {
            if let Table::Matrix { labels, rows, bin } = parsed(&archive, &listed.file, &listed.name)? {
                matrices.push(Matrix { table: listed.name.clone(), labels, rows, bin, bins: Vec::new() });
            }
        }
    }
    if !skipped.is_empty() {
        reading
            .notes
            .push(format!("passed over {}: neither values in bins of q2 nor correlations", some(&skipped)));
    }
    if reading.found.is_empty() {
        let allowed = "a record with a table of measured values in bins of q2";
        return Err(Invalid::new(&archive.name, "no measured values", allowed).into());
    }
    if reading.found.iter().all(|found| found.measurement.nuisance) {
        let names: std::collections::BTreeSet<&str> =
            reading.found.iter().map(|found| found.measurement.observable.as_str()).collect();
        let names: Vec<&str> = names.into_iter().collect();
        let allowed = "a record with an observable that has a prediction here (humboldt observe)";
        return Err(Invalid::new(&archive.name, some(&names), allowed).into());
    }
    let groups = reading.groups(&matrices)?;
    let tables: Vec<&str> = chosen.iter().map(|table| table.name.as_str()).collect();
    let source = choice.source.clone().unwrap_or_else(|| {
        format!(
            "HEPData {}, {}",
            if record.is_empty() { archive.name.clone() } else { record },
            some(&tables)
        )
    });
    let file = MeasurementFile {
        source,
        experiment: choice.experiment.clone(),
        events: choice.events.clone(),
        convention: choice.convention.name().to_owned(),
        sources: reading.sources,
        common: Vec::new(),
        groups,
    };
    file.validate()?;
    Ok(Import { file, notes: reading.notes })
}

impl Listed {
    /// Whether a pattern names the table or its file.
    fn is(&self, pattern: &str) -> bool {
        let stem = self.file.rsplit('/').next().unwrap_or_default();
        let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem);
        matches(pattern, &self.name) || matches(pattern, stem)
    }
}

/// Whether a text follows a pattern, in which `*` stands for any characters.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern.eq_ignore_ascii_case(text),
        Some((start, rest)) => {
            let head = text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start));
            head && (start.len()..=text.len())
                .filter(|place| text.is_char_boundary(*place))
                .any(|place| matches(rest, &text[place..]))
        }
    }
}

/// The first names of a list, and how many follow.
fn some(names: &[&str]) -> String {
    const SHOWN: usize = 8;
    let shown = names[..names.len().min(SHOWN)].join(", ");
    if names.len() > SHOWN { format!("{shown} and {} more", names.len() - SHOWN) } else { shown }
}

/// The tables of a submission, or all files where nothing lists them; and its DOI.
fn listed(archive: &Archive) -> Result<(Vec<Listed>, String), Invalid> {
    let Some(submission) = archive.get("submission.yaml") else {
        let files = archive.tables().map(|file| {
            let name = file.rsplit('/').next().unwrap_or(file);
            let name = name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned();
            Listed { name, file: file.to_owned(), reactions: Vec::new(), resources: Vec::new() }
        });
        let files: Vec<Listed> = files.collect();
        Invalid::unless(!files.is_empty(), &archive.name, "no tables", "an archive with yaml or json files")?;
        return Ok((files, String::new()));
    };
    let field = format!("{}: submission.yaml", archive.name);
    let documents =
        yaml::documents(submission).map_err(|e| Invalid::new(&field, e, "HEPData's submission.yaml"))?;
    let record =
        documents.iter().map(|d| text(&d["hepdata_doi"])).find(|doi| !doi.is_empty()).unwrap_or_default();
    let words =
        |value: &Value| value.as_array().map_or_else(Vec::new, |list| list.iter().map(text).collect());
    let tables = documents.iter().filter(|document| document["data_file"].is_string()).map(|document| {
        let keywords = document["keywords"].as_array().map_or(&[][..], Vec::as_slice);
        let reactions = keywords.iter().filter(|k| text(&k["name"]).trim() == "reactions");
        let resources = document["additional_resources"].as_array().map_or(&[][..], Vec::as_slice);
        Listed {
            name: text(&document["name"]),
            file: text(&document["data_file"]),
            reactions: reactions.flat_map(|k| words(&k["values"])).collect(),
            resources: resources.iter().map(|r| text(&r["location"])).collect(),
        }
    });
    let tables: Vec<Listed> = tables.collect();
    Invalid::unless(!tables.is_empty(), &field, "no data_file", "a submission with tables")?;
    Ok((tables, record))
}

fn parsed(archive: &Archive, file: &str, name: &str) -> Result<Table, Invalid> {
    let field = format!("{}: {name}", archive.name);
    let bytes = archive.get(file).ok_or_else(|| {
        Invalid::new(&field, format!("{file}, which is not in the archive"), "a whole archive")
    })?;
    let documents = yaml::documents(bytes).map_err(|e| Invalid::new(&field, e, "YAML or JSON"))?;
    match &documents[..] {
        [document] => table::table(document, &field),
        other => Err(Invalid::new(&field, format!("{} documents", other.len()), "one table")),
    }
}

/// The correlation matrix among a table's additional resources.
fn resource(
    archive: &Archive,
    listed: &Listed,
    bins: &[[f64; 2]],
    choice: &Choice,
) -> Result<Option<Matrix>, Invalid> {
    let wanted = choice.correlation.as_deref().unwrap_or("total").to_lowercase();
    let mut files: Vec<&String> =
        listed.resources.iter().filter(|file| file.to_lowercase().contains("corr")).collect();
    files.retain(|file| [".yaml", ".yml", ".json"].iter().any(|end| file.ends_with(end)));
    let meant = |file: &&String| file.to_lowercase().contains(&wanted);
    let named: Vec<&String> = files.iter().copied().filter(meant).collect();
    let candidates = if named.is_empty() && choice.correlation.is_none() { files.clone() } else { named };
    let stems: std::collections::BTreeSet<&str> =
        candidates.iter().map(|file| file.rsplit_once('.').map_or(file.as_str(), |(stem, _)| stem)).collect();
    let known: Vec<&str> = files.iter().map(|file| file.as_str()).collect();
    if files.is_empty() {
        return Ok(None);
    }
    if stems.len() != 1 {
        return Err(Invalid::new("--correlation", &wanted, format!("a part of one of {}", some(&known))));
    }
    let file = candidates.iter().find(|file| archive.get(file).is_some()).copied();
    let file = file.ok_or_else(|| {
        let field = format!("{}: {}", archive.name, listed.name);
        Invalid::new(&field, format!("{}, which is not in the archive", some(&known)), "a whole archive")
    })?;
    match parsed(archive, file, file)? {
        Table::Matrix { labels, rows, bin } => {
            Ok(Some(Matrix { table: file.clone(), labels, rows, bin, bins: bins.to_vec() }))
        }
        Table::Values { .. } | Table::Other(_) => {
            Err(Invalid::new(&format!("{}: {file}", archive.name), "no matrix", "correlations"))
        }
    }
}

/// Rows that have been read so far.
struct Reading<'a> {
    choice: &'a Choice,
    notes: Vec<String>,
    found: Vec<Found>,
    /// Labels of the errors.
    sources: Vec<String>,
}

impl Reading<'_> {
    fn values(&mut self, listed: &Listed, bins: &[[f64; 2]], columns: Vec<Column>) -> Result<(), Invalid> {
        let (mut theory, mut unknown) = (Vec::new(), Vec::new());
        for column in columns {
            let measured = |entry: &Entry| !entry.errors.iter().any(|(label, _)| label.starts_with("theo"));
            if !column.entries.iter().flatten().all(measured) {
                theory.push(column.name);
                continue;
            }
            let plain = names::plain(&column.name);
            let observable = names::observable(&plain);
            if observable.is_none() {
                unknown.push(column.name.clone());
            }
            let power = names::power_of_ten(&column.units).ok_or_else(|| {
                let field = format!("{}: {}: units", listed.name, column.name);
                Invalid::new(&field, &column.units, "a power of ten, as 0.1 or 10^-8")
            })?;
            let process = self.process(listed, &column)?;
            let name = observable.map_or_else(|| column.name.clone(), |o| o.name().to_owned());
            let plain = observable.map_or_else(|| names::nuisance(&plain), |o| o.name().to_owned());
            for (bin, entry) in bins.iter().zip(&column.entries) {
                let Some(entry) = entry else { continue };
                let nothing = entry.errors.iter().all(|(_, [up, down])| *up == 0.0 && *down == 0.0);
                if nothing && entry.value == 0.0 {
                    continue;
                }
                let mut measurement =
                    self.measurement(entry, power, &format!("{}: {}", listed.name, column.name))?;
                let massless = self.choice.massless_from.is_some_and(|from| bin[0] >= from);
                measurement.process.clone_from(&process);
                measurement.observable.clone_from(&name);
                [measurement.q2_min, measurement.q2_max] = *bin;
                measurement.massless = massless && observable.is_some();
                measurement.nuisance = observable.is_none();
                self.add(Found { measurement, table: listed.name.clone(), plain: plain.clone() })?;
            }
        }
        if !theory.is_empty() {
            let names: Vec<&str> = theory.iter().map(String::as_str).collect();
            self.notes.push(format!("{}: left out the predictions {}", listed.name, some(&names)));
        }
        if !unknown.is_empty() {
            let names: Vec<&str> = unknown.iter().map(String::as_str).collect();
            self.notes.push(format!("{}: no prediction of {}: nuisances", listed.name, names.join(", ")));
        }
        Ok(())
    }

    fn process(&self, listed: &Listed, column: &Column) -> Result<String, Invalid> {
        if let Some(process) = &self.choice.process {
            return Ok(process.clone());
        }
        let mut reactions = column.reactions.iter().chain(&listed.reactions);
        reactions.clone().find_map(|reaction| names::process(reaction)).ok_or_else(|| {
            let field = format!("{}: {}: reaction", listed.name, column.name);
            let got = reactions.next().map_or("none", String::as_str);
            Invalid::new(&field, got, "B -> K(*) l l, or --process, as in --process \"B0->K*0mumu\"")
        })
    }

    /// Value and errors in units of 1; labels of errors become sources.
    fn measurement(&mut self, entry: &Entry, power: i32, field: &str) -> Result<Measurement, Invalid> {
        let scaled = |x: f64| scale(x, power);
        let is_part = |label: &str| label.starts_with("stat") || label.starts_with("sys");
        let total = entry.errors.iter().find(|(label, _)| label == "total");
        let parts = entry.errors.iter().filter(|(label, _)| match total {
            Some(_) => is_part(label),
            None => true,
        });
        let parts: Vec<&(String, [f64; 2])> = parts.collect();
        let labels: Vec<String> = parts
            .iter()
            .enumerate()
            .map(|(i, (label, _))| if label.is_empty() { format!("error {}", i + 1) } else { label.clone() })
            .collect();
        if self.sources.is_empty() {
            self.sources.clone_from(&labels);
        }
        let known = self.sources.join(", ");
        Invalid::unless(
            labels.is_empty() || labels == self.sources,
            field,
            format!("errors {}", labels.join(", ")),
            format!("the same in all columns: {known}"),
        )?;
        let nothing = entry.errors.iter().all(|(_, [up, down])| *up == 0.0 || *down == 0.0);
        Invalid::unless(!nothing, field, format!("{} without errors", entry.value), "a measured value")?;
        Ok(Measurement {
            value: Some(scaled(entry.value)),
            errors: parts.iter().map(|(_, pair)| pair.map(scaled)).collect(),
            total: total.map(|(_, pair)| pair.map(scaled)),
            ..Measurement::default()
        })
    }

    /// One more; the same numbers in a second table are the same measurement.
    fn add(&mut self, new: Found) -> Result<(), Invalid> {
        let m = &new.measurement;
        let same = |known: &&Found| {
            let k = &known.measurement;
            (&k.process, &known.plain, k.q2_min, k.q2_max) == (&m.process, &new.plain, m.q2_min, m.q2_max)
        };
        match self.found.iter().find(same) {
            None => self.found.push(new),
            Some(known) if known.measurement == new.measurement => {}
            Some(known) => {
                let got = format!(
                    "`{}` and `{}`, which both hold {} of {} in [{}, {}]",
                    known.table, new.table, m.observable, m.process, m.q2_min, m.q2_max
                );
                return Err(Invalid::new("--table", got, "tables that hold each quantity once"));
            }
        }
        Ok(())
    }

    /// Groups by matrix, and one of all that is in none.
    fn groups(&mut self, matrices: &[Matrix]) -> Result<Vec<MeasurementGroup>, Invalid> {
        let mut owner: BTreeMap<usize, &str> = BTreeMap::new();
        let mut groups = Vec::new();
        for matrix in matrices {
            let places: Vec<Option<usize>> =
                matrix.labels.iter().map(|label| self.place(matrix, label)).collect();
            let inside: Vec<(usize, usize)> = places
                .iter()
                .enumerate()
                .filter_map(|(row, place)| place.map(|place| (row, place)))
                .collect();
            let here = format!("{} of {} labels", inside.len(), matrix.labels.len());
            if inside.len() < 2 || (matrix.bin.is_some() && inside.len() < matrix.labels.len()) {
                continue;
            }
            if inside.len() < matrix.labels.len() {
                self.notes.push(format!("{}: {here} have a value; the others are left out", matrix.table));
            }
            for (_, place) in &inside {
                if let Some(first) = owner.insert(*place, &matrix.table) {
                    let m = &self.found[*place].measurement;
                    let got = format!(
                        "`{first}` and `{}`, both of {} in [{}, {}]",
                        matrix.table, m.observable, m.q2_min, m.q2_max
                    );
                    return Err(Invalid::new("--table", got, "one matrix for each measurement, by its name"));
                }
            }
            let correlation = inside
                .iter()
                .map(|(i, _)| inside.iter().map(|(j, _)| matrix.rows[*i][*j]).collect())
                .collect();
            let measurements =
                inside.iter().map(|(_, place)| self.found[*place].measurement.clone()).collect();
            groups.push(MeasurementGroup { correlation: Some(Correlation(correlation)), measurements });
        }
        let alone: Vec<Measurement> = (0..self.found.len())
            .filter(|place| !owner.contains_key(place))
            .map(|place| self.found[place].measurement.clone())
            .collect();
        if !alone.is_empty() {
            if !groups.is_empty() {
                let names: Vec<String> =
                    alone.iter().map(|m| format!("{} [{}, {}]", m.observable, m.q2_min, m.q2_max)).collect();
                let names: Vec<&str> = names.iter().map(String::as_str).collect();
                self.notes.push(format!("in no matrix: {}", some(&names)));
            }
            groups.push(MeasurementGroup { correlation: None, measurements: alone });
        }
        Ok(groups)
    }

    /// The measurement that a label of a matrix means.
    fn place(&self, matrix: &Matrix, label: &str) -> Option<usize> {
        let (name, bin) = match (matrix.bin, label.rsplit_once("_bin")) {
            (Some(bin), _) => (label, bin),
            (None, Some((name, index))) => (name, *matrix.bins.get(index.parse::<usize>().ok()?)?),
            (None, None) => return None,
        };
        let plain = names::plain(name);
        let wanted =
            names::observable(&plain).map_or_else(|| names::nuisance(&plain), |o| o.name().to_owned());
        self.found.iter().position(|found| {
            let m = &found.measurement;
            (m.q2_min.to_bits(), m.q2_max.to_bits()) == (bin[0].to_bits(), bin[1].to_bits())
                && found.plain == wanted
        })
    }
}

/// A number times a power of ten, rounded as the decimal number that it is.
fn scale(x: f64, power: i32) -> f64 {
    if power == 0 { x } else { format!("{x}e{power}").parse().unwrap_or(f64::NAN) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_and_powers_of_ten() {
        assert!(
            matches("Table*", "Table 12") && matches("*_P_*", "corr_P_bin0") && matches("table 2", "Table 2")
        );
        assert!(!matches("Table 2", "Table 20") && !matches("*x", "Table"));
        assert_eq!(scale(2.38, -1).to_bits(), 0.238_f64.to_bits());
        assert_eq!(scale(-10.42, -8).to_bits(), (-1.042e-7_f64).to_bits());
    }
}
