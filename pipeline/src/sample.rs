//! Rows of an event table: columns by name and role, over Arrow buffers.
//!
//! The columns of an event are features: what was measured. Where a detector stands between, the values at generation have
//! columns of their own, under the same names behind [`TRUTH_PREFIX`](humboldt_schemas::events::TRUTH_PREFIX); weights come from these. Whatever else a user has in
//! the table stays in it.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, PrimitiveArray, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Int8Type, Int32Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use humboldt_schemas::events::{COMPONENT_COLUMN, EVENT_COLUMNS, FLAVOUR_COLUMN, WEIGHT_COLUMN};

pub use crate::columns::Role;
use crate::columns::{B0, B0BAR};
use crate::phase_space::PhaseSpace;
use crate::{EventBatch, PipelineError};

/// Rows of a table, of which features and truth are checked.
#[derive(Debug, Clone)]
pub struct Sample {
    table: RecordBatch,
    features: EventBatch,
    /// True values, where they are others.
    truth: Option<EventBatch>,
    /// +1 of a B0bar, -1 of a B0.
    flavours: Option<Vec<i8>>,
    weights: Option<Vec<f64>>,
}

impl Sample {
    /// Row `first_row` and following ones of a table, of events in a phase space.
    ///
    /// # Errors
    /// [`PipelineError::OutOfRange`] for a feature, the truth of one or a weight that is null, not finite or out of range,
    /// with its column and row.
    pub fn new(table: RecordBatch, space: &PhaseSpace, first_row: usize) -> Result<Self, PipelineError> {
        let of_role = |role: Role, otherwise: Option<&EventBatch>| {
            let mut events = otherwise.cloned().unwrap_or_default();
            let mut found = false;
            for (&name, column) in EVENT_COLUMNS.iter().zip(events.columns_mut()) {
                let name = role.column(name);
                if let Some(array) = table.column_by_name(&name) {
                    let values = numbers(&name, array, first_row)?;
                    (*column, found) = (values.into_iter().map(|x| x as f32).collect(), true);
                }
            }
            space.admit(&mut events, role, first_row)?;
            Ok::<_, PipelineError>(found.then_some(events))
        };
        let features = of_role(Role::Feature, None)?.unwrap_or_default();
        let truth = of_role(Role::Truth, Some(&features))?;
        let flavours =
            table.column_by_name(FLAVOUR_COLUMN).and_then(|array| array.as_primitive_opt::<Int8Type>());
        let flavours = flavours.map(|array| signs(array, first_row)).transpose()?;
        let weights = table.column_by_name(WEIGHT_COLUMN);
        let weights = weights.map(|array| numbers(WEIGHT_COLUMN, array, first_row)).transpose()?;
        Ok(Self { table, features, truth, flavours, weights })
    }

    /// The rows with all columns that were read.
    pub const fn table(&self) -> &RecordBatch {
        &self.table
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.table.num_rows()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The events as they were generated: their features where the table has nothing else.
    pub fn truth(&self) -> &EventBatch {
        self.truth.as_ref().unwrap_or(&self.features)
    }

    /// Flavour of each event, +1 of a B0bar, -1 of a B0; `None` where the table does not say it.
    pub fn flavours(&self) -> Option<&[i8]> {
        self.flavours.as_deref()
    }

    /// Place of each event's origin in [`COMPONENTS`](humboldt_schemas::events::COMPONENTS); `None` where the table does not say it.
    pub fn components(&self) -> Option<&[i32]> {
        let column = self.table.column_by_name(COMPONENT_COLUMN)?.as_primitive_opt::<Int32Type>()?;
        Some(column.values())
    }

    /// The weights of the events, of either sign; `None` where each counts as one.
    pub fn weights(&self) -> Option<&[f64]> {
        self.weights.as_deref()
    }

    /// Another column of numbers, as it is in the table.
    ///
    /// # Errors
    /// [`PipelineError::OutOfRange`] when there is none of this name, or for a value that is not a finite number.
    pub fn column(&self, name: &str, first_row: usize) -> Result<Vec<f64>, PipelineError> {
        let array = self.table.column_by_name(name).ok_or_else(|| {
            let schema = self.table.schema();
            let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
            PipelineError::out_of_range("column", name, format!("one of {}", names.join(", ")))
        })?;
        numbers(name, array, first_row)
    }

    /// The events as they were measured.
    pub fn features(&self) -> &EventBatch {
        &self.features
    }

    /// The events as they were measured.
    pub fn into_features(self) -> EventBatch {
        self.features
    }

    /// The rows with a column of weights behind all others.
    ///
    /// # Errors
    /// When there are not as many weights as events.
    pub fn weighted(&self, weights: Vec<f64>) -> Result<RecordBatch, PipelineError> {
        self.with_columns(&[WEIGHT_COLUMN], vec![weights])
    }

    /// The rows with further columns of f64 behind all others.
    ///
    /// # Errors
    /// When a column has not as many numbers as there are events.
    pub fn with_columns(&self, names: &[&str], more: Vec<Vec<f64>>) -> Result<RecordBatch, PipelineError> {
        let schema = with_columns(self.table.schema_ref(), names);
        let more = more.into_iter().map(|column| Arc::new(Float64Array::from(column)) as ArrayRef);
        let columns = self.table.columns().iter().cloned().chain(more).collect();
        RecordBatch::try_new(schema, columns).map_err(|e| refused(&e))
    }

    /// A sample of the rows whose entry of `keep` is true.
    ///
    /// # Errors
    /// When there are not as many entries as events.
    pub fn chosen(self, keep: Vec<bool>) -> Result<Self, PipelineError> {
        fn of<T: Copy>(all: &[T], keep: &[bool]) -> Vec<T> {
            all.iter().zip(keep).filter_map(|(x, keep)| keep.then_some(*x)).collect()
        }
        Ok(Self {
            features: self.features.filtered(&keep),
            truth: self.truth.as_ref().map(|truth| truth.filtered(&keep)),
            flavours: self.flavours.as_deref().map(|flavours| of(flavours, &keep)),
            weights: self.weights.as_deref().map(|weights| of(weights, &keep)),
            table: self.filtered(keep)?,
        })
    }

    /// The rows whose entry of `keep` is true.
    ///
    /// # Errors
    /// When there are not as many entries as events.
    pub fn filtered(&self, keep: Vec<bool>) -> Result<RecordBatch, PipelineError> {
        filter_record_batch(&self.table, &BooleanArray::from(keep)).map_err(|e| refused(&e))
    }
}

/// A table with a column of weights behind all others.
pub fn weighted(schema: &Schema) -> SchemaRef {
    with_columns(schema, &[WEIGHT_COLUMN])
}

/// A table with further columns of f64 behind all others.
pub fn with_columns(schema: &Schema, names: &[&str]) -> SchemaRef {
    let more = names.iter().map(|name| Arc::new(Field::new(*name, DataType::Float64, false)));
    Arc::new(Schema::new(schema.fields().iter().cloned().chain(more).collect::<Vec<_>>()))
}

fn refused(error: &ArrowError) -> PipelineError {
    PipelineError::out_of_range("columns", error, "of one length")
}

/// A column of flavours.
fn signs(array: &PrimitiveArray<Int8Type>, first_row: usize) -> Result<Vec<i8>, PipelineError> {
    let wrong = array.iter().position(|sign| !matches!(sign, Some(B0 | B0BAR)));
    match wrong {
        Some(row) => {
            let got = if array.is_null(row) { "null".to_owned() } else { array.value(row).to_string() };
            let name = format!("{FLAVOUR_COLUMN} in row {}", first_row + row);
            Err(PipelineError::out_of_range(&name, got, "1 (B0bar) or -1 (B0)"))
        }
        None => Ok(array.values().to_vec()),
    }
}

/// A column of f32 or f64, all of which are finite.
fn numbers(name: &str, array: &ArrayRef, first_row: usize) -> Result<Vec<f64>, PipelineError> {
    let refuse = |row: usize, got: String, allowed: &str| {
        Err(PipelineError::out_of_range(&format!("{name} in row {}", first_row + row), got, allowed))
    };
    if array.null_count() > 0 {
        let row = (0..array.len()).find(|&row| array.is_null(row)).unwrap_or_default();
        return refuse(row, "null".to_owned(), "a number in every row (pandas writes NaN as null)");
    }
    let doubles = array.as_primitive_opt::<Float64Type>().map(arrow::array::PrimitiveArray::values);
    let numbers: Vec<f64> = match (doubles, array.as_primitive_opt::<Float32Type>()) {
        (Some(doubles), _) => doubles.to_vec(),
        (None, Some(singles)) => singles.values().iter().copied().map(f64::from).collect(),
        (None, None) => {
            let allowed = "Float32 or Float64";
            return Err(PipelineError::out_of_range(&format!("type of {name}"), array.data_type(), allowed));
        }
    };
    // Features are held as f32, in which what is too large is infinite.
    match numbers.iter().position(|x| !(*x as f32).is_finite()) {
        Some(row) => refuse(row, format!("{:?}", numbers[row]), "a finite number in every row"),
        None => Ok(numbers),
    }
}
