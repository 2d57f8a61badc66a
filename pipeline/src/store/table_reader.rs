//! Reads tables, Parquet or Arrow IPC by their content, whatever their columns mean: schema, metadata, rows, and batches
//! of chosen columns.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::Block;
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
use crate::PipelineError;

/// Rows that a reader of Parquet gives at a time.
const BATCH: usize = 1 << 16;

type Inner = Box<dyn Iterator<Item = Result<RecordBatch, PipelineError>> + Send>;

/// A table whose head and foot are read.
pub(crate) struct TableReader {
    path: PathBuf,
    schema: SchemaRef,
    texts: Vec<Entry>,
    rows: usize,
    source: Source,
}

enum Source {
    Parquet(Box<ParquetRecordBatchReaderBuilder<File>>),
    Arrow(File, Vec<Block>),
}

impl TableReader {
    /// Opens a table by its content.
    ///
    /// # Errors
    /// [`PipelineError::Io`]; [`PipelineError::Refused`] for another format; [`PipelineError::Corrupt`] for a file that is
    /// not whole.
    pub(crate) fn open(path: &Path) -> Result<Self, PipelineError> {
        let (file, len) = formats::open(path)?;
        let start: [u8; 6] = formats::start(path, &file, len)?;
        if start.starts_with(PARQUET_MAGIC) {
            Self::parquet(path, file, len)
        } else if start == arrow_file::MAGIC {
            Self::arrow(path, file, len)
        } else {
            Err(formats::foreign(path, &file, len, "Parquet nor an Arrow IPC file"))
        }
    }

    fn parquet(path: &Path, file: File, len: u64) -> Result<Self, PipelineError> {
        let mut end = [0; 4];
        let end_at = len.saturating_sub(4);
        read_at(path, &file, end_at, &mut end)?;
        if end_at >= 8 && end == *b"PARE" {
            return Err(PipelineError::refused(
                path,
                "encrypted Parquet; allowed: Parquet without encryption",
            ));
        }
        if end_at < 8 || end != *PARQUET_MAGIC {
            return Err(PipelineError::corrupt(path, "truncated: the end of a Parquet file is missing"));
        }
        let builder = ParquetRecordBatchReaderBuilder::try_new(file).map_err(|e| parquet_error(path, &e))?;
        let footer = builder.metadata().file_metadata();
        let rows = usize::try_from(footer.num_rows())
            .map_err(|_| PipelineError::corrupt(path, format!("{} rows", footer.num_rows())))?;
        let texts = footer.key_value_metadata().into_iter().flatten();
        let texts = texts.filter_map(|entry| Some((entry.key.as_str(), entry.value.as_deref()?)));
        let texts = metadata::of_texts("", texts);
        let schema = builder.schema().clone();
        Ok(Self { path: path.to_owned(), schema, texts, rows, source: Source::Parquet(Box::new(builder)) })
    }

    fn arrow(path: &Path, file: File, len: u64) -> Result<Self, PipelineError> {
        let (schema, blocks) = arrow_file::footer(path, &file, len)?;
        let rows = arrow_file::rows(path, &file, &blocks)?;
        let source = Source::Arrow(file, blocks);
        Ok(Self { path: path.to_owned(), schema: Arc::new(schema), texts: Vec::new(), rows, source })
    }

    /// All columns of the file.
    pub(crate) const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Number of rows.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// What the file says of itself and of some of its columns.
    pub(super) fn said(&self, columns: &[usize]) -> Vec<Entry> {
        let columns = columns.iter().map(|&place| self.schema.field(place));
        self.texts.iter().cloned().chain(arrow_file::said(&self.schema, columns)).collect()
    }

    /// Rows of some columns, in the order of the file, batch by batch; `columns` ascend.
    ///
    /// # Errors
    /// For a compression or an encoding that is not read.
    pub(crate) fn batches(self, columns: Vec<usize>) -> Result<Batches, PipelineError> {
        let Self { path, schema, rows, source, .. } = self;
        let inner: Inner = match source {
            Source::Parquet(builder) => {
                check_codecs(&path, builder.metadata(), &schema, &columns)?;
                let mask = ProjectionMask::roots(builder.parquet_schema(), columns);
                let batches = builder.with_projection(mask).with_batch_size(BATCH).build();
                let batches = batches.map_err(|e| parquet_error(&path, &e))?;
                let path = path.clone();
                Box::new(batches.map(move |batch| batch.map_err(|e| read_error(&path, e))))
            }
            Source::Arrow(file, blocks) => {
                check_plain(&path, &schema, &columns)?;
                Box::new(Columns::new(&path, file, &schema, blocks, columns))
            }
        };
        Ok(Batches { path, inner, rows, read: 0 })
    }
}

/// Batches of rows in file order; ends behind the first error.
pub(crate) struct Batches {
    path: PathBuf,
    inner: Inner,
    rows: usize,
    read: usize,
}

impl Batches {
    /// Reads no more: what follows a damaged batch, or a refused row, is not worth it.
    pub(super) fn stop(&mut self) {
        self.inner = Box::new(std::iter::empty());
        self.read = self.rows;
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, PipelineError>;

    fn next(&mut self) -> Option<Self::Item> {
        // Parquet's decoder panics on some damaged pages: a page has no checksum that it could look at.
        let next = catch_unwind(AssertUnwindSafe(|| self.inner.next()));
        let next = next.unwrap_or_else(|_| Some(Err(PipelineError::corrupt(&self.path, "damaged page"))));
        let batch = match next {
            Some(batch) => batch,
            None if self.read != self.rows => {
                let what = format!("{} rows, but its footer says {}", self.read, self.rows);
                Err(PipelineError::corrupt(&self.path, what))
            }
            None => return None,
        };
        match &batch {
            Ok(batch) => self.read += batch.num_rows(),
            Err(_) => self.stop(),
        }
        Some(batch)
    }
}

/// Refuses compression that the library does not know, by name.
fn check_codecs(
    path: &Path,
    footer: &ParquetMetaData,
    schema: &Schema,
    chosen: &[usize],
) -> Result<(), PipelineError> {
    let columns = footer.row_groups().iter().flat_map(parquet::file::metadata::RowGroupMetaData::columns);
    let is_read = |name: &str| chosen.iter().any(|&place| schema.field(place).name() == name);
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

/// Refuses dictionaries, which are not read.
fn check_plain(path: &Path, schema: &Schema, chosen: &[usize]) -> Result<(), PipelineError> {
    let dictionary = |field: &&Field| matches!(field.data_type(), DataType::Dictionary(..));
    match chosen.iter().map(|&place| schema.field(place)).find(dictionary) {
        Some(field) => {
            let what = format!(
                "column `{}` is a dictionary; allowed: plain columns, all of which are kept",
                field.name()
            );
            Err(PipelineError::refused(path, what))
        }
        None => Ok(()),
    }
}

fn parquet_error(path: &Path, error: &ParquetError) -> PipelineError {
    PipelineError::corrupt(path, metadata::first_line(error))
}

fn read_error(path: &Path, error: ArrowError) -> PipelineError {
    match error {
        ArrowError::IoError(_, source) if source.kind() != io::ErrorKind::UnexpectedEof => {
            PipelineError::io(path)(source)
        }
        other => PipelineError::corrupt(path, arrow_file::one_line(&other)),
    }
}
