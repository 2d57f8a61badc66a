//! Event tables, Parquet or Arrow IPC: one row an event, columns of [`EVENT_COLUMNS`].

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Float32Type, Float64Type, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::writer::{FileWriter, StreamWriter};
use humboldt_schemas::events::{EVENT_COLUMNS, WEIGHT_COLUMN};
use humboldt_schemas::provenance::Provenance;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;

use super::arrow_batches::Columns;
use super::atomic::PartFile;
use super::index::read_at;
use super::parquet_table::ParquetTable;
use super::{arrow as arrow_file, metadata};
use crate::{EventBatch, PipelineError};

/// The first and the last bytes of a Parquet file.
const PARQUET_MAGIC: &[u8] = b"PAR1";

/// Rows of a row group or a record batch: what a writer holds in memory.
const ROWS: usize = 1 << 19;

/// Rows that a reader gives at a time.
const BATCH: usize = 1 << 16;

/// Columns that make an image.
const ANGULAR: usize = 4;

/// Writes events batch by batch, with bounded memory; the file appears under its name in
/// [`EventWriter::finish`], and not at all if that is never called.
pub struct EventWriter {
    path: PathBuf,
    schema: SchemaRef,
    sink: Sink,
    /// Columns behind [`EVENT_COLUMNS`].
    extra: usize,
}

enum Sink {
    Parquet(Box<ParquetTable>),
    Arrow(Box<FileWriter<PartFile>>),
    /// Without the footer, for which a stream would have to be whole before it is read.
    ArrowStream(Box<StreamWriter<PartFile>>),
}

/// Format of an event table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventFormat {
    /// Parquet.
    Parquet,
    /// Arrow IPC: a file, or its streaming format where a stream is written to.
    Arrow,
}

impl EventFormat {
    /// The format that a file's name ends in.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "parquet" => Some(Self::Parquet),
            "arrow" => Some(Self::Arrow),
            _ => None,
        }
    }
}

impl EventWriter {
    /// Starts a table; Parquet or Arrow IPC by the ending of `path`, `.parquet` or `.arrow`.
    ///
    /// # Errors
    /// Another ending; [`PipelineError::Io`] if the file cannot be written.
    pub fn create(path: &Path, provenance: &Provenance) -> Result<Self, PipelineError> {
        Self::create_with(path, provenance, &[])
    }

    /// The same with columns of f64 behind those of an event.
    ///
    /// # Errors
    /// As [`EventWriter::create`].
    pub fn create_with(
        path: &Path,
        provenance: &Provenance,
        extra: &[String],
    ) -> Result<Self, PipelineError> {
        let ending = || path.extension().map_or("none".into(), |ending| ending.to_string_lossy());
        let unknown = || PipelineError::out_of_range("ending of the file name", ending(), "parquet, arrow");
        Self::create_as(EventFormat::of(path).ok_or_else(unknown)?, path, provenance, extra)
    }

    /// The same in a format that the name need not say; Arrow can go to a stream, such as a named pipe.
    ///
    /// # Errors
    /// [`PipelineError::Io`] if the file cannot be written; [`PipelineError::OutOfRange`] of Parquet to a stream.
    pub fn create_as(
        format: EventFormat,
        path: &Path,
        provenance: &Provenance,
        extra: &[String],
    ) -> Result<Self, PipelineError> {
        let metadata = metadata::entries(path, provenance)?;
        let fields: Vec<_> = (EVENT_COLUMNS.iter().map(|&c| Field::new(c, DataType::Float32, false)))
            .chain(extra.iter().map(|c| Field::new(c, DataType::Float64, false)))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let sink = match format {
            EventFormat::Parquet => {
                let metadata = metadata.map(|(key, value)| KeyValue::new(key, value)).to_vec();
                // Bytes of the same place in the numbers compress better together; repeated values do not occur.
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_encoding(Encoding::BYTE_STREAM_SPLIT)
                    .set_dictionary_enabled(false)
                    .set_key_value_metadata(Some(metadata))
                    .build();
                // Without Arrow's own copy of the schema pyarrow shows the metadata with the schema.
                let options =
                    ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
                let table = ParquetTable::new(PartFile::create(path)?, &schema, options, ROWS);
                Sink::Parquet(Box::new(table.map_err(|e| parquet_io_error(path, e))?))
            }
            EventFormat::Arrow => {
                let with_metadata = schema.as_ref().clone().with_metadata(metadata);
                let part = PartFile::create_or_open(path)?;
                let failed = |e| arrow_file::io_error(path, e);
                if part.is_stream() {
                    let writer = StreamWriter::try_new(part, &with_metadata);
                    Sink::ArrowStream(Box::new(writer.map_err(failed)?))
                } else {
                    Sink::Arrow(Box::new(FileWriter::try_new(part, &with_metadata).map_err(failed)?))
                }
            }
        };
        Ok(Self { path: path.to_owned(), schema, sink, extra: extra.len() })
    }

    /// Adds events.
    ///
    /// # Errors
    /// Columns of unequal length; [`PipelineError::Io`], as when the disk is full.
    pub fn write(&mut self, events: &EventBatch) -> Result<(), PipelineError> {
        self.write_with(events, &[])
    }

    /// Adds events with the numbers of their further columns.
    ///
    /// # Errors
    /// Columns of unequal length, too many or too few; [`PipelineError::Io`], as when the disk is full.
    pub fn write_with(&mut self, events: &EventBatch, extra: &[Vec<f64>]) -> Result<(), PipelineError> {
        if extra.len() != self.extra {
            return Err(PipelineError::out_of_range("further columns", extra.len(), self.extra.to_string()));
        }
        let lengths = events.columns().map(<[f32]>::len).into_iter().chain(extra.iter().map(Vec::len));
        for (field, length) in self.schema.fields().iter().zip(lengths) {
            if length != events.len() {
                let allowed = format!("{}, as of q2", events.len());
                return Err(PipelineError::out_of_range(
                    &format!("length of {}", field.name()),
                    length,
                    allowed,
                ));
            }
        }
        for start in (0..events.len()).step_by(ROWS) {
            let end = events.len().min(start + ROWS);
            let columns = events
                .columns()
                .map(|column| Arc::new(Float32Array::from(column[start..end].to_vec())) as ArrayRef);
            let further =
                extra.iter().map(|c| Arc::new(Float64Array::from(c[start..end].to_vec())) as ArrayRef);
            let columns = columns.into_iter().chain(further).collect();
            let batch = RecordBatch::try_new(Arc::clone(&self.schema), columns)
                .map_err(|e| arrow_file::io_error(&self.path, e))?;
            match &mut self.sink {
                Sink::Parquet(w) => w.write(&batch).map_err(|e| parquet_io_error(&self.path, e))?,
                Sink::Arrow(w) => w.write(&batch).map_err(|e| arrow_file::io_error(&self.path, e))?,
                Sink::ArrowStream(w) => w.write(&batch).map_err(|e| arrow_file::io_error(&self.path, e))?,
            }
        }
        Ok(())
    }

    /// Completes the file, syncs it to the disk and gives it its name.
    ///
    /// # Errors
    /// [`PipelineError::Io`]; there is then no new file.
    pub fn finish(self) -> Result<(), PipelineError> {
        match self.sink {
            Sink::Parquet(table) => table.finish().map_err(|e| parquet_io_error(&self.path, e))?,
            Sink::Arrow(writer) => writer.into_inner().map_err(|e| arrow_file::io_error(&self.path, e))?,
            Sink::ArrowStream(writer) => {
                writer.into_inner().map_err(|e| arrow_file::io_error(&self.path, e))?
            }
        }
        .commit()
    }
}

type Batches = Box<dyn Iterator<Item = Result<RecordBatch, PipelineError>> + Send>;

/// Reads an event table batch by batch, in file order; an iterator of [`EventBatch`].
///
/// Columns may be f32 or f64, in any order and among others.
pub struct EventReader {
    path: PathBuf,
    batches: Batches,
    columns: &'static [&'static str],
    provenance: Option<Provenance>,
    weighted: bool,
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

impl EventReader {
    /// Opens a table with all of [`EVENT_COLUMNS`]; Parquet or Arrow IPC by its content.
    ///
    /// # Errors
    /// [`PipelineError::Io`]; [`PipelineError::Corrupt`] for anything else than a whole table with these columns.
    pub fn open(path: &Path) -> Result<Self, PipelineError> {
        Self::open_columns(path, &EVENT_COLUMNS)
    }

    /// Opens a table for its angles and q2 only: it need not have the K pi mass, which stays empty.
    ///
    /// # Errors
    /// As [`EventReader::open`].
    pub fn open_for_images(path: &Path) -> Result<Self, PipelineError> {
        Self::open_columns(path, &EVENT_COLUMNS[..ANGULAR])
    }

    /// Opens a table that may lack the K pi mass, which then stays empty.
    ///
    /// # Errors
    /// As [`EventReader::open`].
    pub fn open_with_any_mass(path: &Path) -> Result<Self, PipelineError> {
        match Self::open(path) {
            Err(PipelineError::Corrupt { .. }) => Self::open_for_images(path),
            other => other,
        }
    }

    fn open_columns(path: &Path, columns: &'static [&'static str]) -> Result<Self, PipelineError> {
        let file = File::open(path).map_err(PipelineError::io(path))?;
        let status = file.metadata().map_err(PipelineError::io(path))?;
        if status.is_dir() {
            return Err(PipelineError::io(path)(io::ErrorKind::IsADirectory.into()));
        }
        let len = status.len();
        let mut start = [0; 6];
        let known = len.min(6) as usize;
        read_at(path, &file, 0, &mut start[..known])?;
        let Opened { batches, provenance, weighted, rows } = if start.starts_with(PARQUET_MAGIC) {
            open_parquet(path, file, len, columns)?
        } else if start == arrow_file::MAGIC {
            open_arrow(path, file, len, columns)?
        } else {
            let what = if len == 0 { "empty" } else { "neither Parquet nor an Arrow IPC file" };
            return Err(PipelineError::corrupt(path, what));
        };
        Ok(Self { path: path.to_owned(), batches, columns, provenance, weighted, len: rows, read: 0 })
    }

    /// Number of events in the file.
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Where the file comes from; none in files that others made.
    pub const fn provenance(&self) -> Option<&Provenance> {
        self.provenance.as_ref()
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

    fn convert(&mut self, batch: &RecordBatch) -> Result<EventBatch, PipelineError> {
        let mut events = EventBatch::default();
        for (&name, column) in self.columns.iter().zip(events.columns_mut()) {
            let array = batch.column_by_name(name).ok_or_else(|| missing(&self.path, name))?;
            *column = numbers(array, self.read).map_err(|what| wrong_column(&self.path, name, &what))?;
        }
        self.read += batch.num_rows();
        Ok(events)
    }
}

impl Iterator for EventReader {
    type Item = Result<EventBatch, PipelineError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Parquet's decoder panics on some damaged pages: a page has no checksum that it could look at.
        let next = catch_unwind(AssertUnwindSafe(|| self.batches.next()));
        let next = next.unwrap_or_else(|_| Some(Err(PipelineError::corrupt(&self.path, "damaged page"))));
        match next {
            Some(Ok(batch)) => Some(self.convert(&batch)),
            Some(Err(e)) => {
                // What follows a damaged batch is not worth reading.
                self.batches = Box::new(std::iter::empty());
                self.read = self.len;
                Some(Err(e))
            }
            None if self.read != self.len => {
                let what = format!("{} rows, but its footer says {}", self.read, self.len);
                self.read = self.len;
                Some(Err(PipelineError::corrupt(&self.path, what)))
            }
            None => None,
        }
    }
}

/// A table whose head and foot are read.
struct Opened {
    batches: Batches,
    provenance: Option<Provenance>,
    weighted: bool,
    rows: usize,
}

fn open_parquet(path: &Path, file: File, len: u64, columns: &[&str]) -> Result<Opened, PipelineError> {
    let corrupt = |e: ParquetError| PipelineError::corrupt(path, metadata::first_line(&e));
    let mut end = [0; 4];
    let end_at = len.saturating_sub(4);
    read_at(path, &file, end_at, &mut end)?;
    if end_at < 8 || end != *PARQUET_MAGIC {
        return Err(PipelineError::corrupt(path, "truncated: the end of a Parquet file is missing"));
    }
    let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(corrupt)?;
    let metadata = builder.metadata().file_metadata();
    let rows = usize::try_from(metadata.num_rows())
        .map_err(|_| PipelineError::corrupt(path, format!("{} rows", metadata.num_rows())))?;
    let provenance = metadata::provenance(path, |key| {
        metadata.key_value_metadata()?.iter().find(|entry| entry.key == key)?.value.clone()
    })?;
    let chosen = positions(path, builder.schema(), columns)?;
    let weighted = builder.schema().index_of(WEIGHT_COLUMN).is_ok();
    let mask = ProjectionMask::roots(builder.parquet_schema(), chosen);
    let batches = builder.with_projection(mask).with_batch_size(BATCH).build().map_err(corrupt)?;
    let path = path.to_owned();
    let batches = batches.map(move |batch| batch.map_err(|e| read_error(&path, e)));
    Ok(Opened { batches: Box::new(batches), provenance, weighted, rows })
}

fn open_arrow(path: &Path, file: File, len: u64, columns: &[&str]) -> Result<Opened, PipelineError> {
    let (schema, blocks) = arrow_file::footer(path, &file, len)?;
    let provenance = metadata::provenance(path, |key| schema.metadata.get(key).map(ToString::to_string))?;
    let chosen = positions(path, &schema, columns)?;
    for &column in &chosen {
        check_type(schema.field(column).data_type())
            .map_err(|what| wrong_column(path, schema.field(column).name(), &what))?;
    }
    let rows = arrow_file::rows(path, &file, &blocks)?;
    let weighted = schema.index_of(WEIGHT_COLUMN).is_ok();
    let batches = Columns::new(path, file, &schema, blocks, chosen);
    Ok(Opened { batches: Box::new(batches), provenance, weighted, rows })
}

fn positions(path: &Path, schema: &Schema, columns: &[&str]) -> Result<Vec<usize>, PipelineError> {
    columns.iter().map(|name| schema.index_of(name).map_err(|_| missing(path, name))).collect()
}

fn missing(path: &Path, column: &str) -> PipelineError {
    PipelineError::corrupt(path, format!("no column `{column}`"))
}

fn wrong_column(path: &Path, column: &str, what: &str) -> PipelineError {
    PipelineError::corrupt(path, format!("column `{column}`{what}"))
}

fn check_type(data_type: &DataType) -> Result<(), String> {
    match data_type {
        DataType::Float32 | DataType::Float64 => Ok(()),
        other => Err(format!(" holds {other}, wanted Float32 or Float64")),
    }
}

/// A column as f32, or what is wrong with it; rows are counted from `first_row`.
fn numbers(array: &ArrayRef, first_row: usize) -> Result<Vec<f32>, String> {
    if array.null_count() > 0 {
        let row = (0..array.len()).find(|&row| array.is_null(row)).unwrap_or_default();
        return Err(format!(" has a null in row {}", first_row + row));
    }
    check_type(array.data_type())?;
    let numbers: Vec<f32> = match array.as_primitive_opt::<Float64Type>() {
        Some(doubles) => doubles.values().iter().map(|&x| x as f32).collect(),
        None => array.as_primitive::<Float32Type>().values().to_vec(),
    };
    match numbers.iter().position(|x| !x.is_finite()) {
        Some(row) => Err(format!(" is {} in row {}", numbers[row], first_row + row)),
        None => Ok(numbers),
    }
}

fn read_error(path: &Path, error: ArrowError) -> PipelineError {
    match error {
        ArrowError::IoError(_, source) if source.kind() != io::ErrorKind::UnexpectedEof => {
            PipelineError::io(path)(source)
        }
        other => PipelineError::corrupt(path, arrow_file::one_line(&other)),
    }
}

/// An error while writing: the system's own, where Parquet passes it on.
fn parquet_io_error(path: &Path, error: ParquetError) -> PipelineError {
    PipelineError::io(path)(match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => *source,
            Err(other) => io::Error::other(other),
        },
        other => io::Error::other(other),
    })
}
