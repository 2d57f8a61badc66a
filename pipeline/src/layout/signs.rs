//! Signs that a sample went through a detector, or is not what it is taken for: in the first rows of a file.

use std::path::Path;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float64Type, Int8Type, Schema};
use humboldt_schemas::SchemaError;
use humboldt_schemas::events::{EVENT_COLUMNS, FLAVOUR_COLUMN, SWEIGHT_PREFIX};
use humboldt_schemas::layout::{Layout, WrongTags};

use super::columns::{Rows, find_any, whole_numbers};
use super::{Mass, Translation, Wanted};
use crate::PipelineError;
use crate::sample::Role;
use crate::store::table_reader::TableReader;

/// Names under which experiments count the candidates of an event, where a layout says nothing.
const CANDIDATES: &str = "__ncandidates__|totCandidates|nCandidates";

/// A measured value that is another than the true one by more, in GeV^2, GeV or radians, is not a rounded one.
const ROUNDED: f64 = 1e-4;

/// Ends of chi beyond these, in turns, are no rounding.
const BEYOND: f64 = 0.01;

/// Signs in the first rows of a file that its events are not at truth level.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Signs {
    /// Rows that were looked at.
    pub rows: usize,
    /// Columns of weights that nothing reads, and are not all 1.
    pub unused_weights: Vec<String>,
    /// Rows of events with several candidates, and the column that says so.
    pub candidates: Option<(usize, String)>,
    /// Rows whose measured variables are not the true ones.
    pub smeared: usize,
    /// Rows whose true flavour is the other one, where the layout keeps them with the others.
    pub wrong_tags: usize,
    /// Values of chi below 0 and others above half a turn: of two ranges.
    pub chi_of_two_ranges: bool,
    /// A chi that is said to be in degrees and never leaves what radians have.
    pub chi_in_radians: bool,
}

/// Looks at the first rows of a file; without a layout at humboldt's own columns.
///
/// # Errors
/// As [`crate::store::EventReader::open`].
pub fn signs(path: &Path, layout: Option<&Layout>) -> Result<Signs, PipelineError> {
    let own;
    let layout = if let Some(layout) = layout {
        layout
    } else {
        own =
            Layout::find("humboldt").map_err(|e: SchemaError| PipelineError::refused(path, e.to_string()))?;
        &own
    };
    let table = TableReader::open(path)?;
    let schema = table.schema().clone();
    let wanted = Wanted { mass: Mass::IfThere, truth: true, extras: false };
    let translation = Translation::new(path, &schema, layout, wanted)?;
    let weights = weights(&schema, translation.weight.as_deref());
    let count = layout.candidates.as_ref().and_then(|candidates| candidates.count.as_deref());
    let count = find_any(path, &schema, count.unwrap_or(CANDIDATES))?;
    let index = layout.candidates.as_ref().and_then(|candidates| candidates.column.as_deref());
    let index = index.map(|index| find_any(path, &schema, index)).transpose()?.flatten();
    let places: Vec<usize> = {
        let used = translation.used();
        let read = |name: &String| {
            used.contains(name)
                || weights.contains(name)
                || [&count, &index].iter().any(|c| c.as_ref() == Some(name))
        };
        (0..schema.fields().len()).filter(|&place| read(schema.field(place).name())).collect()
    };
    let Some(batch) = table.batches(places)?.next().transpose()? else { return Ok(Signs::default()) };
    let batch = translation.kept(batch)?;
    let rows = Rows { path, batch: &batch, first_row: 0, kept: false };
    let mut found = Signs { rows: batch.num_rows(), ..Signs::default() };
    let varies =
        |name: &String| whole_numbers(&rows, name).is_ok_and(|all| all.iter().any(|x| *x != Some(1)));
    found.unused_weights = weights.into_iter().filter(varies).collect();
    // The number of candidates, or where a file only numbers them, that one is not the first.
    for (name, several) in [(count, 2), (index, 1)] {
        let Some(name) = name.filter(|_| found.candidates.is_none()) else { continue };
        let of = whole_numbers(&rows, &name)?.into_iter().filter(|n| n.is_some_and(|n| n >= several)).count();
        found.candidates = (of > 0).then_some((of, name));
    }
    if let Some((low, high)) = translation.features.turns(&rows) {
        found.chi_of_two_ranges = low < -BEYOND && high > 0.5 + BEYOND;
        let radians = 2.0 * std::f64::consts::PI / 360.0;
        found.chi_in_radians = translation.features.in_degrees()
            && high > 0.0
            && low.abs().max(high) <= radians * (1.0 + BEYOND);
    }
    // A truth that is not of all rows has no say; the features are refused where they are read.
    if let Ok(events) = translation.apply(batch.clone(), 0) {
        found.smeared = smeared(&events);
        found.wrong_tags = if translation.wrong_tags == WrongTags::Keep { wrong_tags(&events) } else { 0 };
    }
    Ok(found)
}

/// Columns of numbers whose names are those of weights, but the one that is read and, beside it, those that `sweights` writes.
fn weights(schema: &Schema, read: Option<&str>) -> Vec<String> {
    let is_weight = |name: &str| {
        let name = name.to_lowercase();
        name.contains("weight") || name.ends_with("_sw") || matches!(name.as_str(), "sw" | "wgt" | "w")
    };
    let fields = schema.fields().iter().filter(|field| field.data_type().is_numeric());
    fields
        .map(|field| field.name().clone())
        .filter(|name| is_weight(name) && Some(name.as_str()) != read)
        .filter(|name| read.is_none() || !name.starts_with(SWEIGHT_PREFIX))
        .collect()
}

fn smeared(events: &RecordBatch) -> usize {
    let mut smeared = vec![false; events.num_rows()];
    for name in EVENT_COLUMNS {
        let column = |role: Role| {
            events
                .column_by_name(&role.column(name))
                .map(|array| array.as_primitive::<Float64Type>().values())
        };
        let (Some(measured), Some(truth)) = (column(Role::Feature), column(Role::Truth)) else { continue };
        for (differs, (a, b)) in smeared.iter_mut().zip(measured.iter().zip(truth)) {
            let turns = if name == "chi" { ((a - b) / std::f64::consts::TAU).round() } else { 0.0 };
            *differs |= (a - b - turns * std::f64::consts::TAU).abs() > ROUNDED;
        }
    }
    smeared.into_iter().filter(|differs| *differs).count()
}

fn wrong_tags(events: &RecordBatch) -> usize {
    let column = |role: Role| {
        events.column_by_name(&role.column(FLAVOUR_COLUMN)).map(|a| a.as_primitive::<Int8Type>().values())
    };
    match (column(Role::Feature), column(Role::Truth)) {
        (Some(measured), Some(truth)) => measured.iter().zip(truth).filter(|(a, b)| a != b).count(),
        _ => 0,
    }
}
