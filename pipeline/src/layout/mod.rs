//! Columns of experiments' files, as a [`Layout`] names them, in place of humboldt's own.
//!
//! What comes out has humboldt's columns: q2 (GeV^2), cosines, chi [-pi, pi], K pi mass (GeV) in the LHCb convention, the
//! same of the truth behind `true_`, `weight`, `flavour` (+1 of a B0bar, -1 of a B0), all f64 but the last, which is i8; and
//! whatever else the file has.

mod columns;
mod momenta;
mod signs;
mod variables;
mod written;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int8Array, RecordBatch};
use arrow::compute::filter_record_batch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use humboldt_schemas::events::{EVENT_COLUMNS, FLAVOUR_COLUMN, WEIGHT_COLUMN};
use humboldt_schemas::layout::{Layout, WrongTags};

use self::columns::{any_of, find_any, numbers, whole_numbers};
pub use self::signs::{Signs, signs};
use self::variables::Variables;
pub use self::written::{ExportColumns, ExportRows};
use crate::PipelineError;
use crate::columns::Role;
pub use crate::columns::{B0, B0BAR};

/// Columns to read of a file besides angles and q2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) mass: Mass,
    /// The truth.
    pub(crate) truth: bool,
    /// A user's own columns.
    pub(crate) extras: bool,
}

/// Whether the K pi mass is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mass {
    No,
    IfThere,
    Required,
}

/// Makes humboldt's columns of those of a file.
#[derive(Debug)]
pub(crate) struct Translation {
    path: PathBuf,
    features: Variables,
    truth: Option<Variables>,
    weight: Option<String>,
    keep: Vec<(String, Vec<i64>)>,
    wrong_tags: WrongTags,
    /// The columns that come out.
    schema: SchemaRef,
    /// Names of those that stay as they are.
    extras: Vec<String>,
    notes: Vec<String>,
}

impl Translation {
    /// Finds the columns in the schema of a file.
    ///
    /// # Errors
    /// [`PipelineError::Refused`] for columns that are missing, twice there, or without numbers.
    pub(crate) fn new(
        path: &Path,
        schema: &Schema,
        layout: &Layout,
        wanted: Wanted,
    ) -> Result<Self, PipelineError> {
        let mut notes = Vec::new();
        let features = Variables::features(path, schema, layout, wanted, &mut notes)?;
        let wrong_tags = layout.flavour.as_ref().map_or(WrongTags::Keep, |flavour| flavour.wrong_tags);
        let truth = layout.whole_truth();
        let truth = match (&truth, wanted.truth) {
            (Some(truth), true) => Variables::truth(path, schema, layout, truth)?,
            (Some(truth), false) if wrong_tags != WrongTags::Keep => {
                Variables::flavour_only(path, schema, truth)?
            }
            _ => None,
        };
        if wrong_tags != WrongTags::Keep {
            let known = features.labels.is_some() && truth.as_ref().is_some_and(|t| t.labels.is_some());
            if !known {
                let what = "flavour.wrong_tags of the layout needs the columns of [flavour] and [truth.flavour], \
                    one of which the file lacks";
                return Err(PipelineError::refused(path, what));
            }
        }
        let weight = layout.weight.as_deref().map(|name| find_any(path, schema, name)).transpose()?.flatten();
        let keep =
            layout.keep.iter().map(|(column, values)| Ok((any_of(path, schema, column)?, values.clone())));
        let keep = keep.collect::<Result<Vec<_>, PipelineError>>()?;
        let mut this = Self {
            path: path.to_owned(),
            features,
            truth,
            weight,
            keep,
            wrong_tags,
            schema: Arc::new(Schema::empty()),
            extras: Vec::new(),
            notes,
        };
        for name in this.used() {
            columns::check_type(path, schema, &name)?;
        }
        let made = this.made();
        if wanted.extras {
            let is_made = |name: &str| made.iter().any(|field| field.name() == name);
            let names = schema.fields().iter().map(|field| field.name()).filter(|name| !is_made(name));
            this.extras = names.cloned().collect();
        }
        let extras = this.extras.iter().filter_map(|name| schema.field_with_name(name).ok().cloned());
        this.schema = Arc::new(Schema::new(made.into_iter().chain(extras).collect::<Vec<_>>()));
        Ok(this)
    }

    /// Columns that are made, in order.
    fn made(&self) -> Vec<Field> {
        let number = |name: String| Field::new(name, DataType::Float64, false);
        let variables = |variables: &Variables, role: Role| {
            let names = EVENT_COLUMNS.iter().zip(variables.there());
            names.filter(|(_, there)| *there).map(|(name, _)| number(role.column(name))).collect::<Vec<_>>()
        };
        let flavour = |variables: &Variables, role: Role| {
            variables.labels.is_some().then(|| Field::new(role.column(FLAVOUR_COLUMN), DataType::Int8, false))
        };
        let mut made = variables(&self.features, Role::Feature);
        made.extend(flavour(&self.features, Role::Feature));
        if let Some(truth) = &self.truth {
            made.extend(variables(truth, Role::Truth));
            made.extend(flavour(truth, Role::Truth));
        }
        made.extend(self.weight.is_some().then(|| number(WEIGHT_COLUMN.to_owned())));
        made
    }

    /// Names of the columns of the file that are computed with.
    fn used(&self) -> Vec<String> {
        let mut used = self.features.used();
        used.extend(self.truth.iter().flat_map(Variables::used));
        used.extend(self.weight.clone());
        used.extend(self.keep.iter().map(|(name, _)| name.clone()));
        used
    }

    /// Places of the columns to read, in the order of the file.
    pub(crate) fn places(&self, schema: &Schema) -> Vec<usize> {
        let used = self.used();
        let read = |name: &String| used.contains(name) || self.extras.contains(name);
        let names = schema.fields().iter().enumerate().filter(|(_, field)| read(field.name()));
        names.map(|(place, _)| place).collect()
    }

    /// The columns that come out.
    pub(crate) const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether some rows are left out.
    pub(crate) fn selects(&self) -> bool {
        !self.keep.is_empty() || self.wrong_tags != WrongTags::Keep
    }

    /// Whether there are weights.
    pub(crate) const fn is_weighted(&self) -> bool {
        self.weight.is_some()
    }

    /// Words on facts that the file does not tell, and on what is assumed in their place.
    pub(crate) fn notes(&self) -> &[String] {
        &self.notes
    }

    /// Makes the columns of some rows, the first of which is row `first_row` of those that are kept.
    ///
    /// # Errors
    /// [`PipelineError::Refused`] for nulls, numbers that are not finite and labels that mean nothing, by column and row.
    pub(crate) fn apply(&self, batch: RecordBatch, first_row: usize) -> Result<RecordBatch, PipelineError> {
        let batch = self.kept(batch)?;
        let refuse = |e: arrow::error::ArrowError| PipelineError::refused(&self.path, e.to_string());
        let at = columns::Rows { path: &self.path, batch: &batch, first_row, kept: self.selects() };
        let flavours = self.features.flavours(&at)?;
        let mut made: Vec<ArrayRef> = Vec::with_capacity(self.schema.fields().len());
        let numbers_of = |values: Vec<f64>| Arc::new(Float64Array::from(values)) as ArrayRef;
        made.extend(self.features.values(&at, flavours.as_deref())?.into_iter().map(numbers_of));
        made.extend(flavours.clone().map(|flavours| Arc::new(Int8Array::from(flavours)) as ArrayRef));
        let mut right_tag = None;
        if let Some(truth) = &self.truth {
            let own = truth.flavours(&at)?;
            let flavour = own.as_deref().or(flavours.as_deref());
            made.extend(truth.values(&at, flavour)?.into_iter().map(numbers_of));
            if let (Some(own), Some(measured)) = (&own, &flavours) {
                right_tag = Some(own.iter().zip(measured).map(|(a, b)| a == b).collect::<Vec<bool>>());
            }
            made.extend(own.map(|flavours| Arc::new(Int8Array::from(flavours)) as ArrayRef));
        }
        if let Some(weight) = &self.weight {
            made.push(Arc::new(numbers(&at, weight)?));
        }
        made.extend(self.extras.iter().filter_map(|name| batch.column_by_name(name).cloned()));
        let rows = RecordBatch::try_new(self.schema.clone(), made).map_err(refuse)?;
        match (self.wrong_tags, right_tag) {
            (WrongTags::Keep, _) | (_, None) => Ok(rows),
            (wanted, Some(right)) => {
                let mask =
                    right.into_iter().map(|right| right == (wanted == WrongTags::Drop)).collect::<Vec<_>>();
                filter_record_batch(&rows, &BooleanArray::from(mask)).map_err(refuse)
            }
        }
    }

    /// The rows that `keep` of the layout takes.
    fn kept(&self, batch: RecordBatch) -> Result<RecordBatch, PipelineError> {
        if self.keep.is_empty() {
            return Ok(batch);
        }
        let at = columns::Rows { path: &self.path, batch: &batch, first_row: 0, kept: false };
        let mut mask = vec![true; batch.num_rows()];
        for (name, values) in &self.keep {
            for (keep, value) in mask.iter_mut().zip(whole_numbers(&at, name)?) {
                *keep &= value.is_some_and(|value| values.contains(&value));
            }
        }
        filter_record_batch(&batch, &BooleanArray::from(mask))
            .map_err(|e| PipelineError::refused(&self.path, e.to_string()))
    }
}
