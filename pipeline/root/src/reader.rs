//! Reads a tree of a file as a table.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use rayon::prelude::*;

use crate::RootError;
use crate::column::{Column, Stored};
use crate::cursor::Cursor;
use crate::directory::{self, Entry};
use crate::error::refused;
use crate::objects;
use crate::source::Source;

/// Classes of trees.
const TREES: [&str; 3] = ["TTree", "TNtuple", "TNtupleD"];

/// End of the class name of trees that are stored in a newer way.
const RNTUPLE: &str = "RNTuple";

/// The most bytes of a text beside a tree.
const LONGEST_TEXT: u64 = 1 << 24;

/// Names that are listed where another was asked for.
const LISTED: usize = 20;

/// A tree of a file, whose columns are its branches of one number a row.
///
/// Flat branches of Float_t, Double_t, Bool_t and of integers of any width become columns. Others are known by name, with
/// the reason why they are not read. Friends of a tree are not looked at.
#[derive(Debug, Clone)]
pub struct TreeReader {
    source: Arc<Source>,
    /// The record of the tree, which holds some of its baskets.
    record: Arc<Vec<u8>>,
    name: String,
    rows: u64,
    schema: SchemaRef,
    columns: Vec<Arc<Stored>>,
    refused: Vec<(String, String)>,
    texts: Vec<(String, String)>,
}

impl TreeReader {
    /// Opens the tree `tree`, as `dir/tree`, of the highest cycle; without a name, the only one of the file.
    ///
    /// # Errors
    /// [`RootError::Io`]; [`RootError::Refused`] for a file that is none of ROOT, without the tree, with several where no
    /// name is given, or with an RNTuple; [`RootError::Corrupt`] for one that is damaged.
    pub fn open(path: &Path, tree: Option<&str>) -> Result<Self, RootError> {
        let source = Source::open(path)?;
        let mut entries = directory::entries(&source)?;
        keep_highest_cycles(&mut entries);
        let entry = choose(path, &entries, tree)?;
        let record = entry.key.object(&source)?;
        let found = objects::tree(&entry.key.class, &record, entry.key.len as usize)?;
        let (mut columns, mut others) = (Vec::new(), Vec::new());
        for branch in found.branches {
            let objects::Branch { name, kind, baskets } = branch;
            match kind {
                Ok(kind) => columns.push(Arc::new(Stored { name, kind, baskets })),
                Err(why) => others.push((name, why)),
            }
        }
        let fields = columns.iter().map(|column| Field::new(&column.name, column.kind.data_type(), false));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let beside = entries.iter().filter(|other| other.folder == entry.folder);
        let texts = beside.map(|entry| text(&source, entry)).collect::<Result<Vec<_>, _>>()?;
        Ok(Self {
            name: entry.path(),
            record: Arc::new(record),
            rows: found.entries,
            schema,
            columns,
            refused: others,
            texts: texts.into_iter().flatten().collect(),
            source: Arc::new(source),
        })
    }

    /// The tree's name, with its folders.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The columns that can be read, in the tree's order.
    pub const fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Branches that are not read, each with the reason.
    pub fn refused(&self) -> &[(String, String)] {
        &self.refused
    }

    /// Number of rows.
    pub const fn rows(&self) -> u64 {
        self.rows
    }

    /// Names and contents of the TNamed and TObjString that lie beside the tree.
    pub fn texts(&self) -> &[(String, String)] {
        &self.texts
    }

    /// Rows of some columns, by their places in the schema, in the order of the file. The columns are unpacked side by
    /// side, on all threads of the current pool; memory is bounded by what covers a batch. Ends behind the first error.
    pub fn batches(&self, columns: &[usize], rows_per_batch: usize) -> Batches {
        let fields = columns.iter().map(|&place| self.schema.field(place).clone());
        Batches {
            schema: Arc::new(Schema::new(fields.collect::<Vec<_>>())),
            columns: columns.iter().map(|&place| Column::new(Arc::clone(&self.columns[place]))).collect(),
            source: Arc::clone(&self.source),
            record: Arc::clone(&self.record),
            left: self.rows,
            size: rows_per_batch.max(1),
        }
    }
}

/// Batches of rows in the order of the file.
#[derive(Debug)]
pub struct Batches {
    source: Arc<Source>,
    record: Arc<Vec<u8>>,
    schema: SchemaRef,
    columns: Vec<Column>,
    left: u64,
    size: usize,
}

impl Batches {
    fn batch(&mut self, rows: usize) -> Result<RecordBatch, RootError> {
        let (source, record) = (&*self.source, &**self.record);
        let columns = self.columns.par_iter_mut().map(|column| column.read(source, record, rows));
        let columns = columns.collect::<Result<Vec<_>, _>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options);
        batch.map_err(|e| RootError::Corrupt(e.to_string()))
    }
}

impl Iterator for Batches {
    type Item = Result<RecordBatch, RootError>;

    fn next(&mut self) -> Option<Self::Item> {
        let rows = self.left.min(self.size as u64);
        if rows == 0 {
            return None;
        }
        self.left -= rows;
        let batch = self.batch(rows as usize);
        if batch.is_err() {
            self.left = 0;
        }
        Some(batch)
    }
}

/// Whether a class is that of a tree in ROOT's newer format.
fn is_rntuple(entry: &Entry) -> bool {
    entry.key.class.rsplit("::").next() == Some(RNTUPLE)
}

/// Leaves of each name the highest cycle, at the place of the first.
fn keep_highest_cycles(entries: &mut Vec<Entry>) {
    let mut kept: Vec<Entry> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for entry in entries.drain(..) {
        match places.get(&entry.path()) {
            Some(&place) if kept[place].key.cycle >= entry.key.cycle => {}
            Some(&place) => kept[place] = entry,
            None => {
                places.insert(entry.path(), kept.len());
                kept.push(entry);
            }
        }
    }
    *entries = kept;
}

fn choose<'a>(path: &Path, entries: &'a [Entry], tree: Option<&str>) -> Result<&'a Entry, RootError> {
    let trees: Vec<_> = entries.iter().filter(|entry| TREES.contains(&&*entry.key.class)).collect();
    let named = tree.map(|name| name.trim_matches('/'));
    let is_meant = |entry: &&Entry| named.is_none_or(|name| entry.path() == name);
    let mut meant = trees.iter().copied().filter(is_meant);
    match (meant.next(), meant.next()) {
        (Some(entry), None) => return Ok(entry),
        (Some(_), Some(_)) => {
            return refused(format!(
                "several trees; allowed: one of them, as FILE.root:TREE: {}",
                listed(&trees)
            ));
        }
        (None, _) => {}
    }
    if let Some(entry) = entries.iter().filter(|entry| is_rntuple(entry)).find(is_meant) {
        let (file, name) = (path.display(), entry.path());
        return refused(format!(
            "`{name}` is an RNTuple; allowed: a TTree. In Python: import uproot; a = uproot.open(\"{file}\")[\"{name}\"]\
             .arrays(); uproot.recreate(\"ttree.root\").mktree(\"{name}\", dict(zip(a.fields, map(a.__getitem__, a.fields))))"
        ));
    }
    match named {
        Some(name) if !trees.is_empty() => refused(format!("no tree `{name}`; allowed: {}", listed(&trees))),
        _ => refused("no TTree in it; allowed: a file with one"),
    }
}

/// Names of trees, of which a line holds some.
fn listed(trees: &[&Entry]) -> String {
    let mut names: Vec<_> = trees.iter().take(LISTED).map(|entry| entry.path()).collect();
    if trees.len() > LISTED {
        names.push(format!("and {} more", trees.len() - LISTED));
    }
    names.join(", ")
}

/// Name and content of a TNamed or a TObjString.
fn text(source: &Source, entry: &Entry) -> Result<Option<(String, String)>, RootError> {
    let key = &entry.key;
    if !matches!(&*key.class, "TNamed" | "TObjString") || key.size > LONGEST_TEXT {
        return Ok(None);
    }
    let object = key.object(source)?;
    let mut c = Cursor::new(&object);
    let content = if key.class == "TNamed" {
        c.named()?.1
    } else {
        c.version()?;
        c.skip_tobject()?;
        c.text()?
    };
    Ok(Some((key.name.clone(), content)))
}
