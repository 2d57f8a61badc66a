//! Writes event tables, Parquet, Arrow IPC or ROOT: one row an event, columns of [`EVENT_COLUMNS`].

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::writer::{FileWriter, StreamWriter};
use humboldt_root::TreeWriter;
use humboldt_schemas::events::EVENT_COLUMNS;
use humboldt_schemas::provenance::Provenance;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::metadata::KeyValue;
use parquet::file::properties::WriterProperties;
use parquet::schema::types::ColumnPath;

use super::atomic::PartFile;
use super::memory::{self, MemoryTable};
use super::parquet_table::ParquetTable;
use super::table_file::root_error;
use super::{arrow_file, metadata};
use crate::{EventBatch, PipelineError};

/// Rows of a row group or a record batch: what a writer holds in memory.
const ROWS: usize = 1 << 19;

/// Name of the tree in a ROOT file.
const TREE: &str = "events";

/// Writes events batch by batch, with bounded memory; the file appears under its name in
/// [`EventWriter::finish`], and not at all if that is never called.
pub struct EventWriter {
    path: PathBuf,
    schema: SchemaRef,
    sink: Sink,
}

enum Sink {
    Parquet(Box<ParquetTable>),
    Arrow(Box<FileWriter<PartFile>>),
    /// Without the footer, for which a stream would have to be whole before it is read.
    ArrowStream(Box<StreamWriter<PartFile>>),
    Root(Box<TreeWriter<PartFile>>),
    Memory(MemoryTable),
}

/// Format of an event table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventFormat {
    /// Parquet.
    Parquet,
    /// Arrow IPC: a file, or its streaming format where a stream is written to.
    Arrow,
    /// A ROOT file with one flat TTree, `events`.
    Root,
}

impl EventFormat {
    /// The format that a file's name ends in.
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "parquet" => Some(Self::Parquet),
            "arrow" => Some(Self::Arrow),
            "root" => Some(Self::Root),
            _ => None,
        }
    }
}

impl EventWriter {
    /// Starts a table; Parquet, Arrow IPC or ROOT by the ending of `path`, `.parquet`, `.arrow` or `.root`.
    ///
    /// # Errors
    /// Another ending; [`PipelineError::Io`] if the file cannot be written.
    pub fn create(path: &Path, provenance: &Provenance) -> Result<Self, PipelineError> {
        Self::create_with(path, provenance, &[])
    }

    /// Table with columns of f64 behind those of an event.
    ///
    /// # Errors
    /// As [`EventWriter::create`].
    pub fn create_with(
        path: &Path,
        provenance: &Provenance,
        extra: &[String],
    ) -> Result<Self, PipelineError> {
        let ending = || path.extension().map_or("none".into(), |ending| ending.to_string_lossy());
        let unknown =
            || PipelineError::out_of_range("ending of the file name", ending(), "parquet, arrow, root");
        Self::create_as(EventFormat::of(path).ok_or_else(unknown)?, path, provenance, extra)
    }

    /// Writer of a format that the name need not say; Arrow can go to a stream, such as a named pipe.
    ///
    /// # Errors
    /// [`PipelineError::Io`] if the file cannot be written; [`PipelineError::OutOfRange`] of Parquet or ROOT to a stream.
    pub fn create_as(
        format: EventFormat,
        path: &Path,
        provenance: &Provenance,
        extra: &[String],
    ) -> Result<Self, PipelineError> {
        let fields: Vec<_> = (EVENT_COLUMNS.iter().map(|&c| Field::new(c, DataType::Float32, false)))
            .chain(extra.iter().map(|c| Field::new(c, DataType::Float64, false)))
            .collect();
        Self::create_table(format, path, provenance, Arc::new(Schema::new(fields)))
    }

    /// Writer for [`EventWriter::write_table`], with any columns.
    ///
    /// # Errors
    /// As [`EventWriter::create_as`].
    pub fn create_table(
        format: EventFormat,
        path: &Path,
        provenance: &Provenance,
        schema: SchemaRef,
    ) -> Result<Self, PipelineError> {
        Self::create_saying(format, path, metadata::entries(path, provenance)?.to_vec(), schema)
    }

    /// Creates a file that says nothing of itself, as those of experiments.
    ///
    /// # Errors
    /// As [`EventWriter::create_as`].
    pub fn create_silent(format: EventFormat, path: &Path, schema: SchemaRef) -> Result<Self, PipelineError> {
        Self::create_saying(format, path, Vec::new(), schema)
    }

    fn create_saying(
        format: EventFormat,
        path: &Path,
        metadata: Vec<(String, String)>,
        schema: SchemaRef,
    ) -> Result<Self, PipelineError> {
        let sink = match format {
            EventFormat::Parquet => {
                let metadata = metadata.into_iter().map(|(key, value)| KeyValue::new(key, value)).collect();
                // Bytes of the same place in the numbers compress better together; repeated values do not occur.
                let properties = WriterProperties::builder()
                    .set_compression(Compression::ZSTD(ZstdLevel::default()))
                    .set_dictionary_enabled(false)
                    .set_key_value_metadata(Some(metadata));
                let numbers = schema.fields().iter().filter(|field| field.data_type().is_floating());
                let properties = numbers.fold(properties, |properties, field| {
                    let column = ColumnPath::new(vec![field.name().clone()]);
                    properties.set_column_encoding(column, Encoding::BYTE_STREAM_SPLIT)
                });
                let properties = properties.build();
                // Without Arrow's own copy of the schema pyarrow shows the metadata with the schema.
                let options =
                    ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
                let table = ParquetTable::new(PartFile::create(path)?, &schema, options, ROWS);
                Sink::Parquet(Box::new(table.map_err(|e| parquet_io_error(path, e))?))
            }
            EventFormat::Arrow => {
                let metadata: BTreeMap<String, String> = metadata.into_iter().collect();
                let with_metadata = schema.as_ref().clone().with_metadata(metadata);
                if memory::is_one(path) {
                    let table = MemoryTable { schema: Arc::new(with_metadata), batches: Vec::new() };
                    return Ok(Self { path: path.to_owned(), schema, sink: Sink::Memory(table) });
                }
                let part = PartFile::create_or_open(path)?;
                let failed = |e| arrow_file::io_error(path, e);
                if part.is_stream() {
                    let writer = StreamWriter::try_new(part, &with_metadata);
                    Sink::ArrowStream(Box::new(writer.map_err(failed)?))
                } else {
                    Sink::Arrow(Box::new(FileWriter::try_new(part, &with_metadata).map_err(failed)?))
                }
            }
            EventFormat::Root => {
                let writer = TreeWriter::new(PartFile::create(path)?, TREE, &schema, &metadata);
                Sink::Root(Box::new(writer.map_err(|e| root_error(path, e))?))
            }
        };
        Ok(Self { path: path.to_owned(), schema, sink })
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
        let further = self.schema.fields().len() - EVENT_COLUMNS.len().min(self.schema.fields().len());
        if extra.len() != further {
            return Err(PipelineError::out_of_range("further columns", extra.len(), further.to_string()));
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
            self.write_rows(&batch)?;
        }
        Ok(())
    }

    /// Whether the table stays in memory, where columns can be moved into it whole.
    pub const fn is_in_memory(&self) -> bool {
        matches!(self.sink, Sink::Memory(_))
    }

    /// Adds events without a copy of their columns.
    ///
    /// # Errors
    /// As [`EventWriter::write`].
    pub fn take(&mut self, events: EventBatch) -> Result<(), PipelineError> {
        let EventBatch { q2, cos_theta_l, cos_theta_k, chi, m_kpi } = events;
        let columns = [q2, cos_theta_l, cos_theta_k, chi, m_kpi];
        let columns = columns.map(|column| Arc::new(Float32Array::from(column)) as ArrayRef);
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns.to_vec());
        self.write_rows(&rows.map_err(|e| arrow_file::io_error(&self.path, e))?)
    }

    /// Adds rows of a table.
    ///
    /// # Errors
    /// Columns other than those that it was created with; [`PipelineError::Io`], as when the disk is full.
    pub fn write_table(&mut self, rows: &RecordBatch) -> Result<(), PipelineError> {
        if rows.schema_ref().fields() != self.schema.fields() {
            return Err(PipelineError::out_of_range("columns", rows.schema_ref(), self.schema.to_string()));
        }
        (0..rows.num_rows())
            .step_by(ROWS)
            .try_for_each(|start| self.write_rows(&rows.slice(start, ROWS.min(rows.num_rows() - start))))
    }

    fn write_rows(&mut self, rows: &RecordBatch) -> Result<(), PipelineError> {
        match &mut self.sink {
            Sink::Parquet(w) => w.write(rows).map_err(|e| parquet_io_error(&self.path, e)),
            Sink::Arrow(w) => w.write(rows).map_err(|e| arrow_file::io_error(&self.path, e)),
            Sink::ArrowStream(w) => w.write(rows).map_err(|e| arrow_file::io_error(&self.path, e)),
            Sink::Root(w) => w.write(rows).map_err(|e| root_error(&self.path, e)),
            Sink::Memory(table) => {
                let rows = RecordBatch::try_new(Arc::clone(&table.schema), rows.columns().to_vec());
                table.batches.push(rows.map_err(|e| arrow_file::io_error(&self.path, e))?);
                Ok(())
            }
        }
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
            Sink::Root(writer) => writer.finish().map_err(|e| root_error(&self.path, e))?,
            Sink::Memory(table) => {
                memory::put(&self.path, table);
                return Ok(());
            }
        }
        .commit()
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
