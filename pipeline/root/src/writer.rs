//! Writes a table as a flat TTree.

use std::io::{Seek, SeekFrom, Write};

use arrow::array::{Array, RecordBatch};
use arrow::datatypes::Schema;
use rayon::prelude::*;

use crate::RootError;
use crate::compression::{self, ZLIB_1};
use crate::directory::{LONG_FILE, MAGIC};
use crate::encode::{BEGIN, DATE, Encoder, Header, LONG, SHORT};
use crate::error::refused;
use crate::kind::Kind;
use crate::tree_record::{self, Branch, ROWS};

/// Version of ROOT that the classes are as in, and that `streamer_info.bin` is of.
const ROOT_VERSION: u32 = 64_000;

/// ROOT's description of the classes in the file; `data/make_streamer_info.py` makes it.
const STREAMER_INFO: &[u8] = include_bytes!("../data/streamer_info.bin");

/// Name of the file in its own head, which readers do not look at.
const NAME: &str = "table.root";

/// Bytes of the record of the folder behind the file's names.
const FOLDER: usize = 60;

/// Writes batches to a tree with a branch for each column, with bounded memory. Any reader of ROOT's knows its format:
/// version 20 of TTree, compressed by zlib. The same batches make the same bytes.
#[derive(Debug)]
pub struct TreeWriter<W> {
    sink: W,
    /// Place of the sink's next byte.
    at: u64,
    tree: String,
    branches: Vec<Branch>,
    /// Rows in the baskets that are being filled.
    pending: usize,
    rows: u64,
    texts: Vec<(String, String)>,
    /// ROOT's description of the classes: at the beginning, since its own references count from a key with places of 4 bytes.
    info: Place,
}

impl<W: Write + Seek> TreeWriter<W> {
    /// Starts a file with the tree `tree`; `texts`, names and contents, become TNamed beside it.
    ///
    /// # Errors
    /// [`RootError::Refused`] for a column of another type than numbers and truth values, or without a name;
    /// [`RootError::Io`].
    pub fn new(sink: W, tree: &str, schema: &Schema, texts: &[(String, String)]) -> Result<Self, RootError> {
        let branches = schema.fields().iter().map(|field| match Kind::of_column(field.data_type()) {
            Some(kind) if !field.name().is_empty() => Ok(Branch::new(field.name(), kind)),
            Some(_) => refused("a column without a name; allowed: names of branches"),
            None => refused(format!(
                "column `{}` holds {}; allowed: floats of 32 or 64 bits, integers or booleans",
                field.name(),
                field.data_type()
            )),
        });
        let branches = branches.collect::<Result<Vec<_>, _>>()?;
        let mut writer = Self {
            sink,
            at: 0,
            tree: tree.to_owned(),
            branches,
            pending: 0,
            rows: 0,
            texts: texts.to_vec(),
            info: Place::default(),
        };
        writer.append(&[0; BEGIN as usize])?;
        writer.append(&folder(Place::default())?)?;
        writer.info = writer.streamer_info()?;
        Ok(writer)
    }

    /// Adds rows; what is full goes to the file.
    ///
    /// # Errors
    /// [`RootError::Refused`] for other columns than the first ones, or a null; [`RootError::Io`].
    pub fn write(&mut self, batch: &RecordBatch) -> Result<(), RootError> {
        if batch.num_columns() != self.branches.len() {
            return refused(format!("{} columns; allowed: {}", batch.num_columns(), self.branches.len()));
        }
        for (branch, column) in self.branches.iter().zip(batch.columns()) {
            if Kind::of_column(column.data_type()) != Some(branch.kind) || column.null_count() > 0 {
                return refused(format!(
                    "column `{}` holds {} with {} nulls; allowed: {} without",
                    branch.name,
                    column.data_type(),
                    column.null_count(),
                    branch.kind.data_type()
                ));
            }
        }
        let mut start = 0;
        while start < batch.num_rows() {
            let rows = (batch.num_rows() - start).min(ROWS - self.pending);
            let columns = self.branches.par_iter_mut().zip(batch.columns());
            columns.for_each(|(branch, column)| {
                branch.kind.encode(&column.slice(start, rows), &mut branch.pending);
            });
            start += rows;
            self.pending += rows;
            if self.pending == ROWS {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Writes what is left, the tree and the lists of the file.
    ///
    /// # Errors
    /// [`RootError::Io`]; [`RootError::Refused`] for names or texts that ROOT cannot hold.
    pub fn finish(mut self) -> Result<W, RootError> {
        if self.pending > 0 {
            self.flush()?;
        }
        let (tree, branches) = (std::mem::take(&mut self.tree), std::mem::take(&mut self.branches));
        let header = self.header("TTree", &tree, "");
        let mut keys =
            vec![self.record(&header, &tree_record::encode(&tree, header.len(), &branches, self.rows))?];
        for (name, content) in std::mem::take(&mut self.texts) {
            let mut e = Encoder::default();
            e.named(&name, &content);
            keys.push(self.record(&self.header("TNamed", &name, ""), &e.bytes)?);
        }
        let list = self.list(&keys)?;
        let free = self.free()?;
        let end = self.at;
        self.seek(0)?;
        self.append(&head(end, free, self.info))?;
        self.seek(BEGIN)?;
        self.append(&folder(list)?)?;
        self.seek(end)?;
        self.sink.flush()?;
        Ok(self.sink)
    }

    /// Compresses the pending numbers of all branches side by side, and writes them.
    fn flush(&mut self) -> Result<(), RootError> {
        let packed: Vec<_> =
            self.branches.par_iter().map(|branch| compression::deflate(&branch.pending)).collect();
        let mut branches = std::mem::take(&mut self.branches);
        for (branch, packed) in branches.iter_mut().zip(packed) {
            let stored = packed.as_deref().unwrap_or(&branch.pending);
            let header = Header {
                class: "TBasket",
                name: &branch.name,
                title: &self.tree,
                at: self.at,
                object: branch.pending.len(),
                stored: stored.len(),
                more: tree_record::BASKET,
            };
            let mut e = header.encode()?;
            tree_record::basket(&mut e, branch.kind, self.pending, header.len() + branch.pending.len());
            let (at, len) = (self.at, header.len());
            e.bytes.extend(stored);
            let unpacked = (len + branch.pending.len()) as u64;
            self.append(&e.bytes)?;
            branch.add(at, e.bytes.len(), unpacked, self.pending);
        }
        self.branches = branches;
        self.rows += self.pending as u64;
        self.pending = 0;
        Ok(())
    }

    /// Header of the next record.
    const fn header<'a>(&self, class: &'a str, name: &'a str, title: &'a str) -> Header<'a> {
        Header { class, name, title, at: self.at, object: 0, stored: 0, more: 0 }
    }

    /// Writes a record of one object, compressed where that makes it smaller; its key.
    fn record(&mut self, header: &Header<'_>, object: &[u8]) -> Result<Vec<u8>, RootError> {
        let packed = (object.len() <= compression::LARGEST).then(|| compression::deflate(object)).flatten();
        let stored = packed.as_deref().unwrap_or(object);
        let header = Header { object: object.len(), stored: stored.len(), ..header.clone() };
        self.append_record(&header, stored)?;
        Ok(header.encode()?.bytes)
    }

    fn append_record(&mut self, header: &Header<'_>, stored: &[u8]) -> Result<Place, RootError> {
        let (at, key) = (self.at, header.encode()?.bytes);
        self.append(&key)?;
        self.append(stored)?;
        Ok(Place { at, size: key.len() + stored.len() })
    }

    fn streamer_info(&mut self) -> Result<Place, RootError> {
        let object = compression::Block::parse(&STREAMER_INFO[..compression::HEADER])?.unpacked;
        let header = self.header("TList", "StreamerInfo", "Doubly linked list");
        self.append_record(&Header { object, stored: STREAMER_INFO.len(), ..header }, STREAMER_INFO)
    }

    /// The record of the keys of the only folder.
    fn list(&mut self, keys: &[Vec<u8>]) -> Result<Place, RootError> {
        let count = (keys.len() as u32).to_be_bytes();
        let list: Vec<u8> = count.into_iter().chain(keys.iter().flatten().copied()).collect();
        self.append_record(&of_file(self.at, list.len()), &list)
    }

    /// The record of what is free: all behind the end.
    fn free(&mut self) -> Result<Place, RootError> {
        let long = self.at + 2 * BEGIN > SHORT;
        let header = of_file(self.at, if long { 18 } else { 10 });
        let end = self.at + (header.len() + header.object) as u64;
        let mut e = Encoder::default();
        e.u16(if long { LONG + 1 } else { 1 });
        e.seek(end, long);
        e.seek(if long { end + SHORT } else { SHORT }, long);
        self.append_record(&header, &e.bytes)
    }

    fn append(&mut self, bytes: &[u8]) -> Result<(), RootError> {
        self.sink.write_all(bytes)?;
        self.at += bytes.len() as u64;
        Ok(())
    }

    fn seek(&mut self, at: u64) -> Result<(), RootError> {
        self.sink.seek(SeekFrom::Start(at))?;
        self.at = at;
        Ok(())
    }
}

/// Place of a record.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    at: u64,
    size: usize,
}

/// Header of a record of the file itself, whose object is stored as it is.
const fn of_file(at: u64, object: usize) -> Header<'static> {
    Header { class: "TFile", name: NAME, title: "", at, object, stored: object, more: 0 }
}

/// Bytes from the key of the file to its folder: the key, and its texts once more.
fn named() -> usize {
    of_file(BEGIN, 0).len() + NAME.len() + 2
}

/// The head of a file that ends at `end`.
fn head(end: u64, free: Place, info: Place) -> Vec<u8> {
    let long = end > SHORT;
    let mut e = Encoder::default();
    e.bytes.extend(MAGIC);
    e.u32(if long { ROOT_VERSION + LONG_FILE } else { ROOT_VERSION });
    e.u32(BEGIN as u32);
    e.seek(end, long);
    e.seek(free.at, long);
    e.u32s([free.size as u32, 1, named() as u32]);
    e.u8(if long { 8 } else { 4 });
    e.u32(ZLIB_1);
    e.seek(info.at, long);
    e.u32(info.size as u32);
    uuid(&mut e);
    e.bytes
}

/// The record of the file and its only folder, whose keys are those of `list`.
fn folder(list: Place) -> Result<Vec<u8>, RootError> {
    let mut e = of_file(BEGIN, NAME.len() + 2 + FOLDER).encode()?;
    e.text(NAME);
    e.text("");
    let long = list.at > SHORT;
    e.u16(if long { LONG + 5 } else { 5 });
    e.u32s([DATE, DATE, list.size as u32, named() as u32]);
    for place in [BEGIN, 0, list.at] {
        e.seek(place, long);
    }
    uuid(&mut e);
    e.bytes.resize(named() + FOLDER, 0);
    Ok(e.bytes)
}

/// An identifier that names nothing: equal tables are equal files.
fn uuid(e: &mut Encoder) {
    e.u16(1);
    e.bytes.extend([0; 16]);
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;
    use crate::TreeReader;

    #[test]
    fn places_behind_2_gb_are_written_and_read() -> Result<(), Box<dyn std::error::Error>> {
        let folder = tempfile::tempdir()?;
        let path = folder.path().join("long.root");
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..100_000));
        let batch = RecordBatch::try_from_iter([("n", numbers)])?;
        let texts = [("note".to_owned(), "text".to_owned())];
        let mut writer = TreeWriter::new(File::create(&path)?, "events", &batch.schema(), &texts)?;
        writer.write(&batch.slice(0, ROWS))?;
        // A hole in the file takes no room.
        writer.seek(3 * SHORT)?;
        writer.write(&batch.slice(ROWS, 100_000 - ROWS))?;
        writer.finish()?;
        // uproot 5.7.7 and ROOT find the classes by references that count from a short key.
        let mut head = [0; 53];
        File::open(&path)?.read_exact(&mut head)?;
        let info = head.last_chunk().map(|place| u64::from_be_bytes(*place));
        assert!(info.is_some_and(|info| info < 1000), "{info:?}");
        let tree = TreeReader::open(&path, None)?;
        assert_eq!(tree.texts(), texts);
        assert_eq!(tree.batches(&[0], 100_000).collect::<Result<Vec<_>, _>>()?, [batch]);
        Ok(())
    }
}
