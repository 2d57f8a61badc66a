//! Reads event tables, Parquet or Arrow IPC, of this program and of others.
//!
//! All that is refused is refused here, for every command alike: columns that are missing, twice there or of another type,
//! rows without a number, numbers outside phase space, another convention or unit.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::datatypes::{DataType, SchemaRef};
use humboldt_physics::{Decay, WilsonShifts};
use humboldt_schemas::events::{EVENT_COLUMNS, FLAVOUR_COLUMN, WEIGHT_COLUMN};
use humboldt_schemas::layout::Layout;
use humboldt_schemas::provenance::Provenance;

use super::table_reader::{Batches, TableReader};
use super::{arrow_file, metadata};
use crate::layout::{Mass, Translation, Wanted};
use crate::phase_space::PhaseSpace;
use crate::sample::{Role, Sample};
use crate::{EventBatch, PipelineError};

/// Columns that make an image.
const ANGULAR: usize = 4;

/// An event table that is read batch by batch, in file order; an iterator of [`EventBatch`].
///
/// Columns may be f32 or f64, in any order and among others.
pub struct EventReader {
    path: PathBuf,
    batches: Batches,
    schema: SchemaRef,
    provenance: Option<Provenance>,
    weighted: bool,
    translation: Option<Translation>,
    phase_space: PhaseSpace,
    len: usize,
    read: usize,
}

impl std::fmt::Debug for EventReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("EventReader")
            .field("path", &self.path)
            .field("len", &self.len)
            .finish_non_exhaustive()
    }
}

/// Columns that are read besides angles and q2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// None: the K pi mass stays empty.
    Nothing,
    /// The K pi mass, which must be there.
    Mass,
    /// The K pi mass where there is one.
    MassIfThere,
    /// The mass, the truth where it is another, and a user's own columns.
    Everything,
    /// All of [`More::Everything`] that is there: a table may lack the mass.
    EverythingThereIs,
    /// All that is there but the truth, of which a layout may name columns that the table lacks.
    EverythingMeasured,
}

impl More {
    const fn may_lack_mass(self) -> bool {
        matches!(self, Self::MassIfThere | Self::EverythingThereIs | Self::EverythingMeasured)
    }

    const fn is_everything(self) -> bool {
        matches!(self, Self::Everything | Self::EverythingThereIs | Self::EverythingMeasured)
    }

    const fn wanted(self) -> Wanted {
        let mass = match self {
            Self::Nothing => Mass::No,
            Self::Mass | Self::Everything => Mass::Required,
            Self::MassIfThere | Self::EverythingThereIs | Self::EverythingMeasured => Mass::IfThere,
        };
        let truth = matches!(self, Self::Everything | Self::EverythingThereIs);
        Wanted { mass, truth, extras: self.is_everything() }
    }
}

impl EventReader {
    /// Opens a table with all of [`EVENT_COLUMNS`]; Parquet or Arrow IPC by its content.
    ///
    /// # Errors
    /// [`PipelineError::Io`]; [`PipelineError::Refused`] for anything else than a table with these columns, each once, of
    /// f32 or f64, in the LHCb convention; [`PipelineError::Corrupt`] for one that is not whole.
    pub fn open(path: &Path) -> Result<Self, PipelineError> {
        Self::open_as(path, None, More::Mass)
    }

    /// Opens a table for its angles and q2 only: it need not have the K pi mass, which stays empty.
    ///
    /// # Errors
    /// As [`EventReader::open`].
    pub fn open_for_images(path: &Path) -> Result<Self, PipelineError> {
        Self::open_as(path, None, More::Nothing)
    }

    /// Opens a table that may lack the K pi mass, which then stays empty.
    ///
    /// # Errors
    /// As [`EventReader::open`].
    pub fn open_with_any_mass(path: &Path) -> Result<Self, PipelineError> {
        Self::open_as(path, None, More::MassIfThere)
    }

    /// Opens a table with all of [`EVENT_COLUMNS`] and whatever else it has, for [`EventReader::next_sample`].
    ///
    /// # Errors
    /// As [`EventReader::open`].
    pub fn open_whole(path: &Path) -> Result<Self, PipelineError> {
        Self::open_as(path, None, More::Everything)
    }

    /// Opens a table whose columns are those of a layout; humboldt's own without one.
    ///
    /// # Errors
    /// As [`EventReader::open`], and for columns of the layout that the file lacks.
    pub fn open_as(path: &Path, layout: Option<&Layout>, more: More) -> Result<Self, PipelineError> {
        let table = TableReader::open(path)?;
        let Chosen { places, schema, weighted, provenance, translation } = match layout {
            Some(layout) => translate(path, &table, layout, more)?,
            None => choose(path, &table, more)?,
        };
        let rows = table.rows();
        let batches = table.batches(places)?;
        let phase_space = provenance.as_ref().map_or_else(PhaseSpace::any, |provenance| {
            let generator = &provenance.generator;
            generator
                .decay(&WilsonShifts::default())
                .map_or_else(|_| PhaseSpace::any(), |d| Ok(PhaseSpace::of(&d)))
        })?;
        let path = path.to_owned();
        Ok(Self { path, batches, schema, provenance, weighted, translation, phase_space, len: rows, read: 0 })
    }

    /// Table of events of a decay; otherwise they are those of the file's own, or of any where it says nothing.
    #[must_use]
    pub fn of_decay(self, decay: &Decay) -> Self {
        Self { phase_space: PhaseSpace::of(decay), ..self }
    }

    /// Table of numbers in whatever unit, which are not checked.
    #[must_use]
    pub fn unchecked(self) -> Self {
        Self { phase_space: PhaseSpace::unbounded(), ..self }
    }

    /// Number of rows in the file, of which a layout may leave some out ([`Self::selects`]).
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Provenance of the file; none in files that others made.
    pub const fn provenance(&self) -> Option<&Provenance> {
        self.provenance.as_ref()
    }

    /// The columns that are read.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Whether the table has a column of weights.
    pub const fn is_weighted(&self) -> bool {
        self.weighted
    }

    /// Whether the layout leaves rows out.
    pub fn selects(&self) -> bool {
        self.translation.as_ref().is_some_and(Translation::selects)
    }

    /// Assumptions in the place of what the file does not say under its layout.
    pub fn notes(&self) -> &[String] {
        self.translation.as_ref().map_or(&[], Translation::notes)
    }

    /// Reads the rest of the table.
    ///
    /// # Errors
    /// Those of the iterator.
    pub fn read_all(mut self) -> Result<EventBatch, PipelineError> {
        self.read_rest()
    }

    /// All events that are left, of a reader that is asked more afterwards.
    ///
    /// # Errors
    /// Those of the iterator.
    pub fn read_rest(&mut self) -> Result<EventBatch, PipelineError> {
        self.try_fold(EventBatch::default(), |mut all, batch| {
            all.append(&batch?);
            Ok(all)
        })
    }

    /// The next rows with all columns that were opened.
    ///
    /// # Errors
    /// [`PipelineError::Refused`] for a null, or a number outside phase space; [`PipelineError::Corrupt`];
    /// [`PipelineError::Io`].
    pub fn next_sample(&mut self) -> Option<Result<Sample, PipelineError>> {
        let result = self.batches.next()?.and_then(|batch| {
            let first_row = self.read;
            let batch = match &self.translation {
                Some(translation) => translation.apply(batch, first_row)?,
                None => batch,
            };
            self.read += batch.num_rows();
            Sample::new(batch, &self.phase_space, first_row)
                .map_err(|e| PipelineError::refused(&self.path, e.to_string()))
        });
        if result.is_err() {
            self.batches.stop();
        }
        Some(result)
    }
}

impl Iterator for EventReader {
    type Item = Result<EventBatch, PipelineError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_sample().map(|sample| sample.map(Sample::into_features))
    }
}

/// The columns of a table that are read.
struct Chosen {
    /// In the order of the file.
    places: Vec<usize>,
    schema: SchemaRef,
    weighted: bool,
    provenance: Option<Provenance>,
    translation: Option<Translation>,
}

/// Finds the columns that a layout names.
fn translate(path: &Path, table: &TableReader, layout: &Layout, more: More) -> Result<Chosen, PipelineError> {
    let file = table.schema();
    let translation = Translation::new(path, file, layout, more.wanted())?;
    // Columns are what the layout says; what they say of units themselves may be of another program's mind.
    let provenance = metadata::provenance(path, &table.said(&[]))?;
    let (places, schema) = (translation.places(file), translation.schema().clone());
    let weighted = translation.is_weighted();
    Ok(Chosen { places, schema, weighted, provenance, translation: Some(translation) })
}

/// Finds the columns of a table, and hears what it says of them.
fn choose(path: &Path, table: &TableReader, more: More) -> Result<Chosen, PipelineError> {
    let schema = table.schema();
    let wanted = if more == More::Nothing { &EVENT_COLUMNS[..ANGULAR] } else { &EVENT_COLUMNS };
    let mut places = Vec::new();
    for name in wanted {
        let may_lack = more.may_lack_mass() && *name == EVENT_COLUMNS[ANGULAR];
        if !may_lack || arrow_file::find(path, schema, name)?.is_some() {
            places.push(arrow_file::column(path, schema, name)?.0);
        }
    }
    let truth = EVENT_COLUMNS.map(|name| Role::Truth.column(name));
    if more.is_everything() {
        for name in &truth {
            places.extend(arrow_file::find(path, schema, name)?.map(|(place, _)| place));
        }
    }
    let weight = arrow_file::find(path, schema, WEIGHT_COLUMN)?.map(|(place, _)| place);
    if more != More::Nothing {
        places.extend(weight);
    }
    for &place in &places {
        let field = schema.field(place);
        if !matches!(field.data_type(), DataType::Float32 | DataType::Float64) {
            let allowed = "allowed: Float32 or Float64 (pandas: astype(\"float64\"))";
            let what = format!("column `{}` holds {}; {allowed}", field.name(), field.data_type());
            return Err(PipelineError::refused(path, what));
        }
    }
    let flavour = arrow_file::find(path, schema, FLAVOUR_COLUMN)?;
    let flavour = flavour.filter(|(_, field)| *field.data_type() == DataType::Int8);
    places.extend(flavour.map(|(place, _)| place).filter(|_| more != More::Nothing));
    let provenance = metadata::provenance(path, &table.said(&places))?;
    if more.is_everything() {
        places = (0..schema.fields().len()).collect();
    }
    places.sort_unstable();
    let schema =
        schema.project(&places).map_err(|e| PipelineError::corrupt(path, arrow_file::one_line(&e)))?;
    Ok(Chosen { places, schema: Arc::new(schema), weighted: weight.is_some(), provenance, translation: None })
}
