//! The head of a file, its folders and what lies in them.

use std::collections::HashSet;

use crate::RootError;
use crate::cursor::Cursor;
use crate::error::{corrupt, refused};
use crate::payload::Key;
use crate::source::{Source, Window};

pub(crate) const MAGIC: &[u8] = b"root";

/// Version of a file from which on its places have 8 bytes.
pub(crate) const LONG_FILE: u32 = 1_000_000;

/// Version of a folder from which on its places have 8 bytes.
const LONG_FOLDER: u16 = 1000;

/// The most bytes of the head of a file, and of the record of a folder.
const HEAD: u64 = 100;

/// Folders in folders that are followed.
const DEEPEST: usize = 100;

/// A key and the folder that it lies in, as `a/b/`.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) folder: String,
    pub(crate) key: Key,
}

impl Entry {
    /// The name with its folders, as `a/b/tree`.
    pub(crate) fn path(&self) -> String {
        format!("{}{}", self.folder, self.key.name)
    }
}

/// All that lies in the folders of a file, in their order; of several cycles, all.
pub(crate) fn entries(source: &Source) -> Result<Vec<Entry>, RootError> {
    let head = source.head(HEAD)?;
    let mut c = Cursor::new(&head);
    if c.take(MAGIC.len())? != MAGIC {
        return refused("no ROOT file: it does not begin with `root`");
    }
    let long = c.u32()? >= LONG_FILE;
    let begin = u64::from(c.u32()?);
    let end = c.seek(long)?;
    c.seek(long)?;
    c.count()?;
    c.count()?;
    let named = c.count()? as u64;
    if end > source.len() {
        return corrupt(format!("truncated: {} bytes of {end}", source.len()));
    }
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    let mut folders = vec![(String::new(), begin.saturating_add(named), 0)];
    while let Some((folder, at, depth)) = folders.pop() {
        let keys = keys(source, at)?;
        if depth > DEEPEST || !seen.insert(at) {
            return corrupt(format!("folder `{folder}` lies in itself"));
        }
        let inner = keys.iter().filter(|key| matches!(&*key.class, "TDirectory" | "TDirectoryFile"));
        let inner =
            inner.map(|key| (format!("{folder}{}/", key.name), key.at.saturating_add(key.len), depth + 1));
        folders.extend(inner.rev().collect::<Vec<_>>());
        found.extend(keys.into_iter().map(|key| Entry { folder: folder.clone(), key }));
    }
    Ok(found)
}

/// Keys of the folder whose record begins at `at`.
fn keys(source: &Source, at: u64) -> Result<Vec<Key>, RootError> {
    let record = source.bytes(at, HEAD.min(source.len().saturating_sub(at)))?;
    let mut c = Cursor::new(&record);
    let long = c.u16()? > LONG_FOLDER;
    c.take(8)?;
    let size = c.count()? as u64;
    c.count()?;
    c.seek(long)?;
    c.seek(long)?;
    let list = c.seek(long)?;
    if list == 0 {
        return refused(
            "a file or a folder that was never closed: it lists nothing; `rootls` or ROOT recovers it",
        );
    }
    let (key, _) = Key::read(source, list, source.len(), &mut Window::new())?;
    let bytes = source.bytes(list, size)?;
    let mut c = Cursor::new(&bytes);
    c.move_to(key.len as usize)?;
    (0..c.count()?).map(|_| Key::parse(&mut c)).collect()
}
