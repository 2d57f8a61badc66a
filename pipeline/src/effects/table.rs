//! Tables of events with what they were.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float32Array, Int32Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use humboldt_schemas::card::Effects;
use humboldt_schemas::events::{COMPONENT_COLUMN, EVENT_COLUMNS, M_B_COLUMN, SWAPPED_COLUMN};

use super::MeasuredEvents;
use crate::sample::Role;
use crate::{EventBatch, PipelineError};

/// Columns of events with effects: the truth where a detector or background makes it another, what a detector measures
/// besides, and the component where there is background.
pub fn measured_schema(effects: &Effects) -> SchemaRef {
    let (detector, background) = (effects.detector.is_some(), effects.background.is_some());
    let number = |name: String| Field::new(name, DataType::Float32, false);
    let mut fields: Vec<Field> = EVENT_COLUMNS.iter().map(|name| number((*name).to_owned())).collect();
    if detector || background {
        fields.extend(EVENT_COLUMNS.map(|name| number(Role::Truth.column(name))));
    }
    if detector {
        fields.push(number(M_B_COLUMN.to_owned()));
        fields.push(Field::new(SWAPPED_COLUMN, DataType::Boolean, false));
    }
    if background {
        fields.push(Field::new(COMPONENT_COLUMN, DataType::Int32, false));
    }
    Arc::new(Schema::new(fields))
}

impl MeasuredEvents {
    /// Number of events.
    pub const fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The rows of a table with the columns of [`measured_schema`].
    ///
    /// # Errors
    /// For a schema that is none of those.
    pub fn table(self, schema: &SchemaRef) -> Result<RecordBatch, PipelineError> {
        let events = |batch: &EventBatch| {
            batch.columns().map(|column| Arc::new(Float32Array::from(column.to_vec())) as ArrayRef)
        };
        let has = |name: &str| schema.column_with_name(name).is_some();
        let mut columns = events(&self.events).to_vec();
        if has(&Role::Truth.column(EVENT_COLUMNS[0])) {
            columns.extend(events(&self.truth));
        }
        if has(M_B_COLUMN) {
            columns.push(Arc::new(Float32Array::from(self.m_b)));
            columns.push(Arc::new(BooleanArray::from(self.swapped)));
        }
        if has(COMPONENT_COLUMN) {
            columns
                .push(Arc::new(Int32Array::from_iter_values(self.component.iter().map(|c| i32::from(*c)))));
        }
        RecordBatch::try_new(Arc::clone(schema), columns)
            .map_err(|e| PipelineError::out_of_range("columns", e, "those of one sample"))
    }
}
