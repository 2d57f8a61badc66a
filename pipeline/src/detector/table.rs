//! Tables of measured events: what was measured in place of the truth, which stays under its own names. Where a table tells flavours,
//! those are measured too: by the charge of the kaon, and wrong where it was taken for the pion.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Float32Array, Int8Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Int8Type, Schema, SchemaRef};
use humboldt_schemas::events::{EVENT_COLUMNS, FLAVOUR_COLUMN, M_B_COLUMN, SWAPPED_COLUMN};

use super::Measured;
use crate::PipelineError;
use crate::sample::{Role, Sample};

/// The columns of a table of measured events: those of the table itself, the truth, the mass of the B, and whether kaon and
/// pion were taken for each other.
///
/// # Errors
/// When the table has columns of these names already: its events were measured before.
pub fn measured_schema(of: &Schema) -> Result<SchemaRef, PipelineError> {
    let truth = EVENT_COLUMNS.map(|name| Role::Truth.column(name));
    let new = || truth.iter().map(String::as_str).chain([M_B_COLUMN, SWAPPED_COLUMN]);
    if let Some(name) = new().find(|name| of.column_with_name(name).is_some()) {
        let allowed = "a table without it: this one was measured before";
        return Err(PipelineError::out_of_range("columns", name, allowed));
    }
    let fields = of.fields().iter().map(|field| {
        let measured = || Arc::new(Field::new(field.name(), DataType::Float32, false));
        if is_event(field.name()) { measured() } else { Arc::clone(field) }
    });
    let kept = of.fields().iter().filter(|field| is_measured(field.name()));
    let kept =
        kept.map(|field| Field::new(Role::Truth.column(field.name()), field.data_type().clone(), false));
    let more = [
        Field::new(M_B_COLUMN, DataType::Float32, false),
        Field::new(SWAPPED_COLUMN, DataType::Boolean, false),
    ];
    Ok(Arc::new(Schema::new(fields.chain(kept.chain(more).map(Arc::new)).collect::<Vec<_>>())))
}

fn is_event(name: &str) -> bool {
    EVENT_COLUMNS.contains(&name)
}

fn is_measured(name: &str) -> bool {
    is_event(name) || name == FLAVOUR_COLUMN
}

impl Measured {
    /// The rows of a table that were kept, with the columns of [`measured_schema`].
    ///
    /// # Errors
    /// When they are not of this table.
    pub fn table(self, of: &Sample, schema: &SchemaRef) -> Result<RecordBatch, PipelineError> {
        let mut keep = vec![false; of.len()];
        for row in &self.rows {
            keep[*row] = true;
        }
        let kept = of.filtered(keep)?;
        let fields = kept.schema();
        let truth = kept.columns().iter().zip(fields.fields()).filter(|(_, field)| is_measured(field.name()));
        let truth: Vec<ArrayRef> = truth.map(|(column, _)| Arc::clone(column)).collect();
        let measured = |name: &str| {
            let place = EVENT_COLUMNS.iter().position(|known| *known == name)?;
            Some(Arc::new(Float32Array::from(self.events.columns()[place].to_vec())) as ArrayRef)
        };
        let own = kept.columns().iter().zip(fields.fields());
        let own = own.map(|(column, field)| {
            let flavours = column.as_primitive_opt::<Int8Type>().filter(|_| field.name() == FLAVOUR_COLUMN);
            let flavours = flavours.map(|flavours| {
                let signs = flavours.values().iter().zip(&self.swapped);
                let signs = signs.map(|(sign, swapped)| if *swapped { -sign } else { *sign });
                Arc::new(Int8Array::from_iter_values(signs)) as ArrayRef
            });
            flavours.or_else(|| measured(field.name())).unwrap_or_else(|| Arc::clone(column))
        });
        let mut columns: Vec<ArrayRef> = own.collect();
        columns.extend(truth);
        columns.push(Arc::new(Float32Array::from(self.m_b)));
        columns.push(Arc::new(BooleanArray::from(self.swapped)));
        RecordBatch::try_new(Arc::clone(schema), columns)
            .map_err(|e| PipelineError::out_of_range("columns", e, "those of one table"))
    }
}
