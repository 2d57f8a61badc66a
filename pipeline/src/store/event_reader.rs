//! Reads event tables, Parquet or Arrow IPC, of this program and of others.
//!
//! All that is refused is refused here, for every command alike: columns that are missing, twice there or of another type,
//! rows without a number, numbers outside phase space, another convention or unit.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use humboldt_physics::{Decay, WilsonShifts};
use humboldt_schemas::events::{EVENT_COLUMNS, WEIGHT_COLUMN};
use humboldt_schemas::provenance::Provenance;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::arrow_batches::Columns;
use super::arrow_file;
use super::formats::{self, PARQUET_MAGIC};
use super::index::read_at;
use super::metadata::{self, Entry};
use crate::phase_space::PhaseSpace;
use crate::sample::{Role, Sample};
use crate::{EventBatch, PipelineError};

/// Rows that a reader gives at a time.
const BATCH: usize = 1 << 16;

/// Columns that make an image.
const ANGULAR: usize = 4;

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, PipelineError>> + Send>;

/// An event table that is read batch by batch, in file order; an iterator of [`EventBatch`].
///
/// Columns may be f32 or f64, in any order and among others.
pub struct EventReader {
    path: PathBuf,
    batches: Batches,
    schema: SchemaRef,
    provenance: Option<Provenance>,
    weighted: bool,
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
enum More {
    Nothing,
    Mass,
    MassIfThere,
    /// The mass, the truth where it is another, and a user's own columns.
    Everything,
}

impl EventReader {
    /// Opens a table with all of [`EVENT_COLUMNS`]; Parquet or Arrow IPC by its content.
    ///
    /// # Errors
    /// [`PipelineError::Io`]; [`PipelineError::Refused`] for anything else than a table with these columns, each once, of
    /// f32 or f64, in the LHCb convention; [`PipelineError::Corrupt`] for one that is not whole.
    pub fn open(path: &Path) -> Result<Self, PipelineError> {
        Self::open_with(path, More::Mass)
    }

    /// Opens a table for its angles and q2 only: it need not have the K pi mass, which stays empty.
    ///
    /// # Errors
    /// As [`EventReader::open`].
    pub fn open_for_images(path: &Path) -> Result<Self, PipelineError> {
        Self::open_with(path, More::Nothing)
    }

    /// Opens a table that may lack the K pi mass, which then stays empty.
    ///
    /// # Errors
    /// As [`EventReader::open`].
    pub fn open_with_any_mass(path: &Path) -> Result<Self, PipelineError> {
        Self::open_with(path, More::MassIfThere)
    }

    /// Opens a table with all of [`EVENT_COLUMNS`] and whatever else it has, for [`EventReader::next_sample`].
    ///
    /// # Errors
    /// As [`EventReader::open`].
    pub fn open_whole(path: &Path) -> Result<Self, PipelineError> {
        Self::open_with(path, More::Everything)
    }

    fn open_with(path: &Path, more: More) -> Result<Self, PipelineError> {
        let (file, len) = formats::open(path)?;
        let start: [u8; 6] = formats::start(path, &file, len)?;
        let opened = if start.starts_with(PARQUET_MAGIC) {
            open_parquet(path, file, len, more)?
        } else if start == arrow_file::MAGIC {
            open_arrow(path, file, len, more)?
        } else {
            return Err(formats::foreign(path, &file, len, "Parquet nor an Arrow IPC file"));
        };
        let Opened { batches, schema, provenance, weighted, rows } = opened;
        let phase_space = provenance.as_ref().map_or_else(PhaseSpace::any, |provenance| {
            let generator = &provenance.generator;
            generator
                .decay(&WilsonShifts::default())
                .map_or_else(|_| PhaseSpace::any(), |d| Ok(PhaseSpace::of(&d)))
        })?;
        let path = path.to_owned();
        Ok(Self { path, batches, schema, provenance, weighted, phase_space, len: rows, read: 0 })
    }

    /// Table of events of a decay; otherwise they are those of the file's own, or of any where it says nothing.
    #[must_use]
    pub fn of_decay(self, decay: &Decay) -> Self {
        Self { phase_space: PhaseSpace::of(decay), ..self }
    }

    /// Number of events in the file.
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

    /// Whether the table has a column of weights; they are not read.
    pub const fn is_weighted(&self) -> bool {
        self.weighted
    }

    /// Reads the rest of the table.
    ///
    /// # Errors
    /// Those of the iterator.
    pub fn read_all(self) -> Result<EventBatch, PipelineError> {
        self.into_iter().try_fold(EventBatch::default(), |mut all, batch| {
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
        // Parquet's decoder panics on some damaged pages: a page has no checksum that it could look at.
        let next = catch_unwind(AssertUnwindSafe(|| self.batches.next()));
        let next = next.unwrap_or_else(|_| Some(Err(PipelineError::corrupt(&self.path, "damaged page"))));
        let result = match next {
            Some(batch) => batch.and_then(|batch| {
                let first_row = self.read;
                self.read += batch.num_rows();
                Sample::new(batch, &self.phase_space, first_row)
                    .map_err(|e| PipelineError::refused(&self.path, e.to_string()))
            }),
            None if self.read != self.len => {
                let what = format!("{} rows, but its footer says {}", self.read, self.len);
                Err(PipelineError::corrupt(&self.path, what))
            }
            None => return None,
        };
        if result.is_err() {
            self.stop();
        }
        Some(result)
    }

    /// Reads no more: what follows a damaged batch, or a refused row, is not worth it.
    fn stop(&mut self) {
        self.batches = Box::new(std::iter::empty());
        self.read = self.len;
    }
}

impl Iterator for EventReader {
    type Item = Result<EventBatch, PipelineError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_sample().map(|sample| sample.map(Sample::into_features))
    }
}

/// A table whose head and foot are read.
struct Opened {
    batches: Batches,
    schema: SchemaRef,
    provenance: Option<Provenance>,
    weighted: bool,
    rows: usize,
}

/// The columns of a table that are read.
struct Chosen {
    /// In the order of the file.
    places: Vec<usize>,
    schema: SchemaRef,
    weighted: bool,
    provenance: Option<Provenance>,
}

/// Finds the columns of a table, and hears what it says of them.
fn choose(path: &Path, schema: &Schema, texts: Vec<Entry>, more: More) -> Result<Chosen, PipelineError> {
    let wanted = if more == More::Nothing { &EVENT_COLUMNS[..ANGULAR] } else { &EVENT_COLUMNS };
    let mut places = Vec::new();
    for name in wanted {
        let may_lack = more == More::MassIfThere && *name == EVENT_COLUMNS[ANGULAR];
        if !may_lack || arrow_file::find(path, schema, name)?.is_some() {
            places.push(arrow_file::column(path, schema, name)?.0);
        }
    }
    let truth = EVENT_COLUMNS.map(|name| Role::Truth.column(name));
    if more == More::Everything {
        for name in &truth {
            places.extend(arrow_file::find(path, schema, name)?.map(|(place, _)| place));
        }
    }
    for &place in &places {
        let field = schema.field(place);
        if !matches!(field.data_type(), DataType::Float32 | DataType::Float64) {
            let allowed = "allowed: Float32 or Float64 (pandas: astype(\"float64\"))";
            let what = format!("column `{}` holds {}; {allowed}", field.name(), field.data_type());
            return Err(PipelineError::refused(path, what));
        }
    }
    let weighted = arrow_file::find(path, schema, WEIGHT_COLUMN)?.is_some();
    let columns = places.iter().map(|&place| schema.field(place));
    let said: Vec<Entry> = texts.into_iter().chain(arrow_file::said(schema, columns)).collect();
    let provenance = metadata::provenance(path, &said)?;
    if more == More::Everything {
        places = (0..schema.fields().len()).collect();
    }
    places.sort_unstable();
    let schema =
        schema.project(&places).map_err(|e| PipelineError::corrupt(path, arrow_file::one_line(&e)))?;
    Ok(Chosen { places, schema: Arc::new(schema), weighted, provenance })
}

fn open_parquet(path: &Path, file: File, len: u64, more: More) -> Result<Opened, PipelineError> {
    let corrupt = |e: ParquetError| PipelineError::corrupt(path, metadata::first_line(&e));
    let mut end = [0; 4];
    let end_at = len.saturating_sub(4);
    read_at(path, &file, end_at, &mut end)?;
    if end_at >= 8 && end == *b"PARE" {
        return Err(PipelineError::refused(path, "encrypted Parquet; allowed: Parquet without encryption"));
    }
    if end_at < 8 || end != *PARQUET_MAGIC {
        return Err(PipelineError::corrupt(path, "truncated: the end of a Parquet file is missing"));
    }
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(corrupt)?;
    let footer = builder.metadata().file_metadata();
    let rows = usize::try_from(footer.num_rows())
        .map_err(|_| PipelineError::corrupt(path, format!("{} rows", footer.num_rows())))?;
    let texts = footer.key_value_metadata().into_iter().flatten();
    let texts = texts.filter_map(|entry| Some((entry.key.as_str(), entry.value.as_deref()?)));
    let texts = metadata::of_texts("", texts);
    let chosen = choose(path, builder.schema(), texts, more)?;
    check_codecs(path, builder.metadata(), &chosen.schema)?;
    let mask = ProjectionMask::roots(builder.parquet_schema(), chosen.places);
    let batches = builder.with_projection(mask).with_batch_size(BATCH).build().map_err(corrupt)?;
    let path = path.to_owned();
    let batches = Box::new(batches.map(move |batch| batch.map_err(|e| read_error(&path, e))));
    let Chosen { schema, weighted, provenance, .. } = chosen;
    Ok(Opened { batches, schema, provenance, weighted, rows })
}

/// Refuses compression that the library does not know, by name.
fn check_codecs(path: &Path, footer: &ParquetMetaData, schema: &Schema) -> Result<(), PipelineError> {
    let columns = footer.row_groups().iter().flat_map(parquet::file::metadata::RowGroupMetaData::columns);
    let is_read = |name: &str| schema.column_with_name(name).is_some();
    let mut read = columns.filter(|c| c.column_path().parts().first().is_some_and(|name| is_read(name)));
    match read.find(|column| column.compression() == Compression::LZO) {
        Some(column) => {
            let what = format!(
                "column `{}` is compressed with {}; allowed: zstd, snappy, gzip, lz4, brotli or none",
                column.column_path(),
                column.compression()
            );
            Err(PipelineError::refused(path, what))
        }
        None => Ok(()),
    }
}

fn open_arrow(path: &Path, file: File, len: u64, more: More) -> Result<Opened, PipelineError> {
    let (schema, blocks) = arrow_file::footer(path, &file, len)?;
    let chosen = choose(path, &schema, Vec::new(), more)?;
    let dictionary = |field: &&Arc<Field>| matches!(field.data_type(), DataType::Dictionary(..));
    if let Some(field) = chosen.schema.fields().iter().find(dictionary) {
        let what = format!(
            "column `{}` is a dictionary; allowed: plain columns, all of which are kept",
            field.name()
        );
        return Err(PipelineError::refused(path, what));
    }
    let rows = arrow_file::rows(path, &file, &blocks)?;
    let batches = Box::new(Columns::new(path, file, &schema, blocks, chosen.places));
    let Chosen { schema, weighted, provenance, .. } = chosen;
    Ok(Opened { batches, schema, provenance, weighted, rows })
}

fn read_error(path: &Path, error: ArrowError) -> PipelineError {
    match error {
        ArrowError::IoError(_, source) if source.kind() != io::ErrorKind::UnexpectedEof => {
            PipelineError::io(path)(source)
        }
        other => PipelineError::corrupt(path, arrow_file::one_line(&other)),
    }
}
