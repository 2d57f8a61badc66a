//! Reads one or several files of a table, whatever their columns mean: schema, metadata, rows, and batches of chosen columns.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use humboldt_schemas::events::PROVENANCE_KEY;
use serde_json::Value;

use super::metadata::Entry;
use super::table_address::{Address, addresses};
use super::table_file::{self, TableFile};
use crate::PipelineError;

/// A table whose files were opened, with the same columns in each.
pub(crate) struct TableReader {
    first: TableFile,
    later: Vec<Address>,
    /// Entries of the later files.
    said: Vec<Entry>,
    rows: usize,
}

impl TableReader {
    /// Opens what a path stands for: a file, by its content; `FILE.root:TREE`; a pattern or a list, separated by commas.
    ///
    /// # Errors
    /// [`PipelineError::Io`]; [`PipelineError::Refused`] for another format, or for a file with other columns than the
    /// first; [`PipelineError::Corrupt`] for a file that is not whole.
    pub(crate) fn open(path: &Path) -> Result<Self, PipelineError> {
        let mut later = addresses(path)?;
        let first = TableFile::open(&later.remove(0))?;
        let (mut rows, mut said) = (first.rows(), first.said());
        for address in &later {
            let file = open_like(address, &first)?;
            rows += file.rows();
            said.extend(file.said());
        }
        let files = later.len() + 1;
        Ok(Self { first, later, said: one_provenance(said, files), rows })
    }

    /// All columns of the table.
    pub(crate) const fn schema(&self) -> &SchemaRef {
        self.first.schema()
    }

    /// Number of rows.
    pub(crate) const fn rows(&self) -> usize {
        self.rows
    }

    /// Entries in which the files tell of themselves and of some of their columns. Files that were generated in different ways have no
    /// provenance together.
    pub(super) fn said(&self, columns: &[usize]) -> Vec<Entry> {
        let is_meant = |name: &str| columns.iter().any(|&place| self.schema().field(place).name() == name);
        let entries = self.said.iter().filter(|entry| entry.owner.is_empty() || is_meant(&entry.owner));
        entries.cloned().collect()
    }

    /// Rows of some columns, in the order of the files, batch by batch; `columns` ascend.
    ///
    /// # Errors
    /// For a compression or an encoding that is not read.
    pub(crate) fn batches(self, columns: Vec<usize>) -> Result<Batches, PipelineError> {
        let (path, schema) = (self.first.path().to_owned(), self.schema().clone());
        let current = self.first.batches(&columns)?;
        Ok(Batches { current, later: self.later.into_iter(), path, schema, columns })
    }
}

/// Batches of rows in the order of the files; ends behind the first error.
pub(crate) struct Batches {
    current: table_file::Batches,
    /// Opened when their turn comes: a pattern may have more files than a process may hold.
    later: std::vec::IntoIter<Address>,
    path: PathBuf,
    schema: SchemaRef,
    columns: Vec<usize>,
}

impl Batches {
    /// Reads no more: what follows a damaged batch, or a refused row, is not worth it.
    pub(crate) fn stop(&mut self) {
        self.current.stop();
        self.later = Vec::new().into_iter();
    }

    fn turn_to(&mut self, address: &Address) -> Result<(), PipelineError> {
        let file = TableFile::open(address)?;
        check_columns(address, file.schema(), &self.path, &self.schema)?;
        self.current = file.batches(&self.columns)?;
        Ok(())
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, PipelineError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut next = self.current.next();
        while next.is_none() {
            let address = self.later.next()?;
            next = match self.turn_to(&address) {
                Ok(()) => self.current.next(),
                Err(error) => Some(Err(error)),
            };
        }
        if matches!(next, Some(Err(_))) {
            self.stop();
        }
        next
    }
}

fn open_like(address: &Address, first: &TableFile) -> Result<TableFile, PipelineError> {
    let file = TableFile::open(address)?;
    check_columns(address, file.schema(), first.path(), first.schema())?;
    Ok(file)
}

/// Refuses a file with other columns than the first, and names one that differs.
fn check_columns(
    address: &Address,
    found: &Schema,
    path: &Path,
    wanted: &Schema,
) -> Result<(), PipelineError> {
    let column = |schema: &Schema, place: usize| {
        let field = schema.fields().get(place)?;
        Some(format!("`{}` of {}", field.name(), field.data_type()))
    };
    let count = found.fields().len().max(wanted.fields().len());
    let differs = (0..count).find(|&place| column(found, place) != column(wanted, place));
    differs.map_or(Ok(()), |place| {
        let shown = |schema| column(schema, place).unwrap_or_else(|| "missing".to_owned());
        let what = format!(
            "column {} is {}; allowed: {}, as in {}, for files that are one table have the same columns",
            place + 1,
            shown(found),
            shown(wanted),
            path.display()
        );
        Err(PipelineError::refused(&address.file, what))
    })
}

/// Leaves one provenance where all of so many files were generated alike, which they may be with different seeds; else none.
fn one_provenance(said: Vec<Entry>, files: usize) -> Vec<Entry> {
    let is_provenance = |entry: &Entry| entry.owner.is_empty() && entry.key == PROVENANCE_KEY;
    let generation = |entry: &Entry| {
        let text = entry.value.as_ref().ok()?.first()?;
        let value: Value = serde_json::from_str(text).ok()?;
        Some((value.get("generator")?.clone(), value.get("reweighted_from").cloned()))
    };
    if files == 1 {
        return said;
    }
    let (of_files, mut others): (Vec<_>, Vec<_>) = said.into_iter().partition(is_provenance);
    let first = of_files.first().map(generation);
    if of_files.len() == files && of_files.iter().all(|entry| Some(generation(entry)) == first) {
        others.extend(of_files.into_iter().take(1));
    }
    others
}
