//! The files of an archive, in memory: zip, tar, tar.gz, a folder, or one table alone.

use std::collections::BTreeMap;
use std::io::{Cursor, Read};
use std::path::Path;

use flate2::read::MultiGzDecoder;

use crate::error::{Invalid, SchemaError};

/// Bytes that all files of an archive may have together.
const LARGEST: u64 = 1 << 30;

/// Files by their names, without the folder that all of them may share.
#[derive(Debug)]
pub(super) struct Archive {
    /// Its name in messages.
    pub(super) name: String,
    files: BTreeMap<String, Vec<u8>>,
}

impl Archive {
    pub(super) fn read(path: &Path) -> Result<Self, SchemaError> {
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        let io = |source| SchemaError::Io { path: path.to_owned(), source };
        let files = if path.is_dir() {
            let mut files = BTreeMap::new();
            for entry in std::fs::read_dir(path).map_err(io)? {
                let entry = entry.map_err(io)?.path();
                if let (true, Some(file)) = (entry.is_file(), entry.file_name()) {
                    files.insert(file.to_string_lossy().into_owned(), std::fs::read(&entry).map_err(io)?);
                }
            }
            files
        } else {
            unpacked(&name, std::fs::read(path).map_err(io)?)?
        };
        Ok(Self { name, files })
    }

    /// The contents of a file; `None` where there is none of this name in any folder.
    pub(super) fn get(&self, file: &str) -> Option<&[u8]> {
        let inside = |known: &&String| known.as_str() == file || known.ends_with(&format!("/{file}"));
        self.files.keys().find(inside).and_then(|known| self.files.get(known)).map(Vec::as_slice)
    }

    /// Names of all files that may hold tables.
    pub(super) fn tables(&self) -> impl Iterator<Item = &str> {
        let known = [".yaml", ".yml", ".json"];
        self.files.keys().map(String::as_str).filter(move |name| known.iter().any(|end| name.ends_with(end)))
    }
}

fn unpacked(name: &str, bytes: Vec<u8>) -> Result<BTreeMap<String, Vec<u8>>, Invalid> {
    let damaged = |what: &str, error: &dyn std::fmt::Display| {
        Invalid::new(name, format!("{what} that cannot be unpacked ({error})"), "a whole archive")
    };
    if bytes.is_empty() {
        return Err(Invalid::new(
            name,
            "an empty file",
            "a HEPData archive (zip, tar.gz) or table (yaml, json)",
        ));
    }
    if bytes.starts_with(b"PK") {
        let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(|e| damaged("a zip file", &e))?;
        let mut files = BTreeMap::new();
        let mut left = LARGEST;
        for i in 0..archive.len() {
            let file = archive.by_index(i).map_err(|e| damaged("a zip file", &e))?;
            if file.is_file() {
                let inner = file.name().map_err(|e| damaged("a zip file", &e))?.into_owned();
                files.insert(
                    inner,
                    bounded(name, file, &mut left).map_err(|e| e.or(|e| damaged("a zip file", &e)))?,
                );
            }
        }
        return Ok(files);
    }
    if bytes.starts_with(&[0x1f, 0x8b]) {
        let mut left = LARGEST;
        let inner = bounded(name, MultiGzDecoder::new(Cursor::new(bytes)), &mut left)
            .map_err(|e| e.or(|e| damaged("a gzip file", &e)))?;
        return unpacked(name.trim_end_matches(".gz"), inner);
    }
    if bytes.get(257..262) == Some(b"ustar".as_slice()) {
        let mut files = BTreeMap::new();
        let mut left = LARGEST;
        let mut archive = tar::Archive::new(Cursor::new(bytes));
        for file in archive.entries().map_err(|e| damaged("a tar file", &e))? {
            let file = file.map_err(|e| damaged("a tar file", &e))?;
            if file.header().entry_type().is_file() {
                let inner = file.path().map_err(|e| damaged("a tar file", &e))?.display().to_string();
                files.insert(
                    inner,
                    bounded(name, file, &mut left).map_err(|e| e.or(|e| damaged("a tar file", &e)))?,
                );
            }
        }
        return Ok(files);
    }
    let known = [".yaml", ".yml", ".json"].iter().any(|end| name.ends_with(end));
    let allowed = "a HEPData archive (zip, tar.gz), its folder, or a table (yaml, json)";
    Invalid::unless(known, name, "neither an archive nor a table", allowed)?;
    Ok(BTreeMap::from([(name.to_owned(), bytes)]))
}

/// Too much, or not readable.
enum Unread {
    TooLarge(Invalid),
    Io(std::io::Error),
}

impl Unread {
    fn or(self, damaged: impl Fn(std::io::Error) -> Invalid) -> Invalid {
        match self {
            Self::TooLarge(invalid) => invalid,
            Self::Io(error) => damaged(error),
        }
    }
}

/// All that a reader has, if there are no more bytes than may still be `left`.
fn bounded(name: &str, reader: impl Read, left: &mut u64) -> Result<Vec<u8>, Unread> {
    let mut bytes = Vec::new();
    let read = reader.take(*left + 1).read_to_end(&mut bytes).map_err(Unread::Io)? as u64;
    if read > *left {
        let got = format!("more than {} MiB unpacked", LARGEST >> 20);
        return Err(Unread::TooLarge(Invalid::new(name, got, "a smaller archive")));
    }
    *left -= read;
    Ok(bytes)
}
