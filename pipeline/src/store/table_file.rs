//! One file of a table, Parquet, Arrow IPC or ROOT by its content: schema, metadata, rows, and batches of chosen columns.

use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Metadata, Schema, SchemaRef};
use arrow::error::ArrowError;
use arrow::ipc::Block;
use humboldt_root::{RootError, TreeReader};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::errors::ParquetError;
use parquet::file::metadata::ParquetMetaData;

use super::arrow_batches::Columns;
use super::arrow_file::{self, REFUSED};
use super::bytes::read_at;
use super::formats::{self, PARQUET_MAGIC, ROOT_MAGIC};
use super::memory;
use super::metadata::{self, Entry};
use super::table_address::Address;
use crate::PipelineError;

/// Rows that a reader of Parquet or ROOT gives at a time.
const BATCH: usize = 1 << 16;

type Inner = Box<dyn Iterator<Item = Result<RecordBatch, PipelineError>> + Send>;

/// A file whose head and foot are read.
pub(super) struct TableFile {
    path: PathBuf,
    schema: SchemaRef,
    texts: Vec<Entry>,
    rows: usize,
    source: Source,
}

enum Source {
    Parquet(Box<ParquetRecordBatchReaderBuilder<File>>),
    Arrow(File, Vec<Block>),
    Root(TreeReader),
    Memory(Vec<RecordBatch>),
}

impl TableFile {
    /// Opens a file by its content.
    ///
    /// # Errors
    /// [`PipelineError::Io`]; [`PipelineError::Refused`] for another format; [`PipelineError::Corrupt`] for a file that is
    /// not whole.
    pub(super) fn open(address: &Address) -> Result<Self, PipelineError> {
        let Address { file: path, tree } = address;
        if let Some(table) = memory::find(path) {
            let (schema, rows) = (table.schema.clone(), table.rows());
            let source = Source::Memory(table.batches);
            return Ok(Self { path: path.clone(), schema, texts: Vec::new(), rows, source });
        }
        let (file, len) = formats::open(path)?;
        let start: [u8; 6] = formats::start(path, &file, len)?;
        if start.starts_with(ROOT_MAGIC) {
            return Self::root(path, tree.as_deref());
        }
        if let Some(tree) = tree {
            let what = format!("tree `{tree}` of a file that is not ROOT; allowed: FILE.root:TREE");
            return Err(PipelineError::refused(path, what));
        }
        if start.starts_with(PARQUET_MAGIC) {
            Self::parquet(path, file, len)
        } else if start == arrow_file::MAGIC {
            Self::arrow(path, file, len)
        } else {
            Err(formats::foreign(path, &file, len, "Parquet, Arrow IPC nor ROOT"))
        }
    }

    fn root(path: &Path, tree: Option<&str>) -> Result<Self, PipelineError> {
        let tree = TreeReader::open(path, tree).map_err(|e| root_error(path, e))?;
        let texts = tree.texts().iter().map(|(key, text)| (key.as_str(), text.as_str()));
        let texts = metadata::of_texts("", texts);
        // So that a branch that is there and cannot be read is not taken for a missing one.
        let refused = tree.refused().iter().map(|(name, why)| (format!("{REFUSED}{name}"), why.clone()));
        let schema = Arc::new(tree.schema().as_ref().clone().with_metadata(refused.collect::<Metadata>()));
        let rows = usize::try_from(tree.rows())
            .map_err(|_| PipelineError::corrupt(path, format!("{} rows", tree.rows())))?;
        Ok(Self { path: path.to_owned(), schema, texts, rows, source: Source::Root(tree) })
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
    pub(super) const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Number of rows.
    pub(super) const fn rows(&self) -> usize {
        self.rows
    }

    /// The file.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Entries in which the file tells of itself and of its columns.
    pub(super) fn said(&self) -> Vec<Entry> {
        let columns = self.schema.fields().iter().map(AsRef::as_ref);
        self.texts.iter().cloned().chain(arrow_file::said(&self.schema, columns)).collect()
    }

    /// Rows of some columns, in the order of the file, batch by batch; `columns` ascend.
    ///
    /// # Errors
    /// For a compression or an encoding that is not read.
    pub(super) fn batches(self, columns: &[usize]) -> Result<Batches, PipelineError> {
        let Self { path, schema, rows, source, .. } = self;
        let inner: Inner = match source {
            Source::Parquet(builder) => {
                check_codecs(&path, builder.metadata(), &schema, columns)?;
                let mask = ProjectionMask::roots(builder.parquet_schema(), columns.iter().copied());
                let batches = builder.with_projection(mask).with_batch_size(BATCH).build();
                let batches = batches.map_err(|e| parquet_error(&path, &e))?;
                let path = path.clone();
                Box::new(batches.map(move |batch| batch.map_err(|e| read_error(&path, e))))
            }
            Source::Arrow(file, blocks) => {
                check_plain(&path, &schema, columns)?;
                Box::new(Columns::new(&path, file, &schema, blocks, columns.to_vec()))
            }
            Source::Memory(batches) => {
                check_plain(&path, &schema, columns)?;
                let (path, columns) = (path.clone(), columns.to_vec());
                let chosen =
                    move |batch: RecordBatch| batch.project(&columns).map_err(|e| read_error(&path, e));
                Box::new(batches.into_iter().map(chosen))
            }
            Source::Root(tree) => {
                let batches = tree.batches(columns, BATCH);
                let path = path.clone();
                Box::new(batches.map(move |batch| batch.map_err(|e| root_error(&path, e))))
            }
        };
        Ok(Batches { path, inner, rows, read: 0 })
    }
}

/// Batches of rows in file order; ends behind the first error.
pub(super) struct Batches {
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

/// An error of a ROOT file with its name.
pub(super) fn root_error(path: &Path, error: RootError) -> PipelineError {
    match error {
        RootError::Io(source) => PipelineError::io(path)(source),
        RootError::Corrupt(what) => PipelineError::corrupt(path, what),
        other => PipelineError::refused(path, other.to_string()),
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
