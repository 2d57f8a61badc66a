//! Tables in memory under a path: whatever reads or writes files of events reads and writes these too.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use humboldt_schemas::provenance::Provenance;

use super::{arrow_file, metadata};
use crate::PipelineError;

/// Rows of a table, and what it says of itself in the metadata of its schema, as in an Arrow file.
#[derive(Debug, Clone)]
pub struct MemoryTable {
    /// Columns, and the entries of the table and of each.
    pub schema: SchemaRef,
    /// Its rows, in batches of any size.
    pub batches: Vec<RecordBatch>,
}

impl MemoryTable {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Origin of the table's events as it says; none of others' tables.
    ///
    /// # Errors
    /// As of a file: for another angle convention, or a newer format.
    pub fn provenance(&self) -> Result<Option<Provenance>, PipelineError> {
        metadata::provenance(Path::new("table"), &arrow_file::said(&self.schema, []))
    }
}

/// Tables by their paths; none at one that is still to be written.
static TABLES: Mutex<BTreeMap<PathBuf, Option<MemoryTable>>> = Mutex::new(BTreeMap::new());

/// Number of the next path.
static NEXT: AtomicU64 = AtomicU64::new(0);

fn tables() -> MutexGuard<'static, BTreeMap<PathBuf, Option<MemoryTable>>> {
    TABLES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Path of a table in memory, which is there as long as this lives. It goes before a file of the same name.
#[derive(Debug)]
pub struct MemoryPath(PathBuf);

impl MemoryPath {
    /// The path of a table that is to be read.
    pub fn of(table: MemoryTable) -> Self {
        Self::holding(Some(table))
    }

    /// A path to write to, in the format of Arrow.
    pub fn to_write() -> Self {
        Self::holding(None)
    }

    fn holding(table: Option<MemoryTable>) -> Self {
        let path = PathBuf::from(format!("table {} in memory.arrow", NEXT.fetch_add(1, Ordering::Relaxed)));
        tables().insert(path.clone(), table);
        Self(path)
    }

    /// The path itself.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The table, if one was written or given.
    pub fn take(&self) -> Option<MemoryTable> {
        tables().get_mut(&self.0)?.take()
    }
}

impl Drop for MemoryPath {
    fn drop(&mut self) {
        tables().remove(&self.0);
    }
}

/// Whether a path is that of a table in memory.
pub(super) fn is_one(path: &Path) -> bool {
    tables().contains_key(path)
}

/// The table at a path; none where there is no table in memory.
pub(super) fn find(path: &Path) -> Option<MemoryTable> {
    tables().get(path).cloned().flatten()
}

/// Gives a path its table.
pub(super) fn put(path: &Path, table: MemoryTable) {
    if let Some(place) = tables().get_mut(path) {
        *place = Some(table);
    }
}
