//! Columns of a file by one of several names, as numbers.

use std::path::Path;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, Schema};
use humboldt_schemas::events::EVENT_COLUMNS;
use humboldt_schemas::layout::FlavourColumn;

use crate::PipelineError;
use crate::columns::{B0, B0BAR};
use crate::store::arrow_file as table;

/// Variables of an event: those of [`EVENT_COLUMNS`].
pub(super) const VARIABLES: usize = EVENT_COLUMNS.len();

/// Rows of a file, and how messages name them.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) path: &'a Path,
    pub(super) batch: &'a RecordBatch,
    pub(super) first_row: usize,
    /// Whether only some rows are kept, which are then counted.
    pub(super) kept: bool,
}

impl Rows<'_> {
    /// That a value of a column is not allowed.
    pub(super) fn refuse(&self, name: &str, row: usize, got: &str, allowed: &str) -> PipelineError {
        let kept = if self.kept { "kept row" } else { "row" };
        let row = self.first_row + row;
        let what = format!("column `{name}` in {kept} {row} = {got} is not allowed; allowed: {allowed}");
        PipelineError::refused(self.path, what)
    }
}

/// The first of several names, with `|` between, that the file has.
///
/// # Errors
/// When the file has two columns of a name.
pub(super) fn find_any(path: &Path, schema: &Schema, names: &str) -> Result<Option<String>, PipelineError> {
    for name in names.split('|') {
        if table::find(path, schema, name)?.is_some() {
            return Ok(Some(name.to_owned()));
        }
    }
    Ok(None)
}

/// Column that [`find_any`] finds, where there must be one.
///
/// # Errors
/// As [`find_any`]; when there is none.
pub(super) fn any_of(path: &Path, schema: &Schema, names: &str) -> Result<String, PipelineError> {
    match find_any(path, schema, names)? {
        Some(name) => Ok(name),
        None => Err(missing(path, schema, names)),
    }
}

/// That a file has no column of these names.
pub(super) fn missing(path: &Path, schema: &Schema, names: &str) -> PipelineError {
    table::missing(path, schema, &names.replace('|', "` or `"))
}

/// That a column holds numbers, whole numbers or booleans.
pub(super) fn check_type(path: &Path, schema: &Schema, name: &str) -> Result<(), PipelineError> {
    let Some((_, field)) = table::find(path, schema, name)? else { return Ok(()) };
    let data_type = field.data_type();
    if data_type.is_integer() || data_type.is_floating() || *data_type == DataType::Boolean {
        return Ok(());
    }
    let what = format!("column `{name}` holds {data_type}; allowed: numbers, one in every row");
    Err(PipelineError::refused(path, what))
}

fn as_numbers(rows: &Rows<'_>, name: &str) -> Result<Float64Array, PipelineError> {
    let lost = || PipelineError::corrupt(rows.path, format!("no column `{name}` among those that were read"));
    let array: &ArrayRef = rows.batch.column_by_name(name).ok_or_else(lost)?;
    let array =
        cast(array, &DataType::Float64).map_err(|e| PipelineError::refused(rows.path, e.to_string()))?;
    Ok(array.as_primitive::<Float64Type>().clone())
}

/// A column as f64, all of them finite.
///
/// # Errors
/// For a null, NaN or infinity, by its row.
pub(super) fn numbers(rows: &Rows<'_>, name: &str) -> Result<Float64Array, PipelineError> {
    let array = as_numbers(rows, name)?;
    if let Some(row) =
        (array.null_count() > 0).then(|| (0..array.len()).find(|&i| array.is_null(i))).flatten()
    {
        return Err(rows.refuse(name, row, "null", "a number in every row (pandas writes NaN as null)"));
    }
    match array.values().iter().position(|x| !x.is_finite()) {
        Some(row) => {
            let got = format!("{:?}", array.value(row));
            Err(rows.refuse(name, row, &got, "a finite number in every row"))
        }
        None => Ok(array),
    }
}

/// A column as whole numbers, where it has such.
pub(super) fn whole_numbers(rows: &Rows<'_>, name: &str) -> Result<Vec<Option<i64>>, PipelineError> {
    let whole = |x: Option<f64>| x.filter(|x| x.fract() == 0.0 && x.abs() < 9e15).map(|x| x as i64);
    Ok(as_numbers(rows, name)?.iter().map(whole).collect())
}

/// Values of a column that tell flavours apart.
#[derive(Debug, Clone)]
pub(super) struct Labels {
    pub(super) column: String,
    b0: Vec<i64>,
    b0bar: Vec<i64>,
}

impl Labels {
    pub(super) fn new(column: String, said: &FlavourColumn) -> Self {
        Self { column, b0: said.b0.clone(), b0bar: said.b0bar.clone() }
    }

    /// The flavour of a label; none of one that means nothing.
    pub(super) fn flavour(&self, label: Option<i64>) -> Option<i8> {
        let label = label?;
        let is = |values: &[i64]| values.contains(&label);
        is(&self.b0bar).then_some(B0BAR).or_else(|| is(&self.b0).then_some(B0))
    }

    /// The flavour of each row.
    ///
    /// # Errors
    /// For a label that is none of them, by its row.
    pub(super) fn flavours(&self, rows: &Rows<'_>) -> Result<Vec<i8>, PipelineError> {
        let labels = whole_numbers(rows, &self.column)?;
        let flavour = |(row, label): (usize, Option<i64>)| {
            self.flavour(label).ok_or_else(|| {
                let list =
                    |values: &[i64]| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
                let allowed = format!("{} (B0) or {} (B0bar)", list(&self.b0), list(&self.b0bar));
                let got = as_numbers(rows, &self.column).map_or(f64::NAN, |values| values.value(row));
                rows.refuse(&self.column, row, &got.to_string(), &allowed)
            })
        };
        labels.into_iter().enumerate().map(flavour).collect()
    }
}
