//! Names of the formats that people have their data in, by a file's first bytes.

use std::fs::File;
use std::io;
use std::path::Path;

use super::bytes::read_at;
use super::{arrow_file, hdf5_file};
use crate::PipelineError;

/// The first and the last bytes of a Parquet file.
pub(super) const PARQUET_MAGIC: &[u8] = b"PAR1";

/// The first bytes of a ROOT file.
pub(super) const ROOT_MAGIC: &[u8] = b"root";

/// First bytes, the format, and how to get a file that is read.
const FORMATS: [(&[u8], &str, &str); 21] = [
    (PARQUET_MAGIC, "Parquet", "of which events are read"),
    (arrow_file::MAGIC, "Arrow IPC", ""),
    (&hdf5_file::SIGNATURE, "HDF5", "of which images are read; pandas: read_hdf(..).to_parquet(..)"),
    (b"PARE", "encrypted Parquet", "write it without encryption"),
    (b"FEA1", "Feather of version 1", "pandas: read_feather(..).to_parquet(..)"),
    (b"\xff\xff\xff\xff", "an Arrow IPC stream", "pyarrow.ipc.new_file in place of new_stream"),
    (ROOT_MAGIC, "ROOT", "of which events are read"),
    (b"ORC", "ORC", "pandas: read_orc(..).to_parquet(..)"),
    (b"Obj\x01", "Avro", "write Parquet"),
    (b"SQLite format 3", "SQLite", "pandas: read_sql(..).to_parquet(..)"),
    (b"\x93NUMPY", "NumPy", "pandas: DataFrame(..).to_parquet(..), or h5py for images"),
    (b"HepMC::", "HepMC", "humboldt writes it and does not read it"),
    (b"<LesHouchesEvents", "LHE", "it holds momenta; angles are needed"),
    (b"\x1f\x8b", "gzip", "unpack it"),
    (b"BZh", "bzip2", "unpack it"),
    (b"\xfd7zXZ", "xz", "unpack it"),
    (b"\x28\xb5\x2f\xfd", "zstd", "unpack it"),
    (b"PK\x03\x04", "zip, as of .npz and .xlsx", "unpack it"),
    (b"MATLAB", "MATLAB", "h5create and h5write make plain HDF5"),
    (b"\x80\x04\x95", "a Python pickle", "pandas: read_pickle(..).to_parquet(..)"),
    (b"\x80\x05\x95", "a Python pickle", "pandas: read_pickle(..).to_parquet(..)"),
];

/// Opens a file for reading at any place; its length.
///
/// # Errors
/// [`PipelineError::Io`]; [`PipelineError::Refused`] for what is no regular file, or empty.
pub(super) fn open(path: &Path) -> Result<(File, u64), PipelineError> {
    let status = std::fs::metadata(path).map_err(PipelineError::io(path))?;
    if status.is_dir() {
        return Err(PipelineError::io(path)(io::ErrorKind::IsADirectory.into()));
    }
    if !status.is_file() {
        let what = "a pipe or device; allowed: a regular file, for it is read in several places";
        return Err(PipelineError::refused(path, what));
    }
    if status.len() == 0 {
        return Err(PipelineError::refused(path, "empty"));
    }
    Ok((File::open(path).map_err(PipelineError::io(path))?, status.len()))
}

/// The first bytes of a file, at most `N`; the rest 0.
pub(super) fn start<const N: usize>(path: &Path, file: &File, len: u64) -> Result<[u8; N], PipelineError> {
    let mut start = [0; N];
    let known = len.min(N as u64) as usize;
    read_at(path, file, 0, &mut start[..known])?;
    Ok(start)
}

/// The error for a file that is not of the formats `wanted`: what it is in their place, and what to do.
pub(super) fn foreign(path: &Path, file: &File, len: u64, wanted: &str) -> PipelineError {
    let start = match start::<512>(path, file, len) {
        Ok(start) => start,
        Err(error) => return error,
    };
    let start = &start[..len.min(512) as usize];
    let known = FORMATS.iter().find(|(magic, ..)| start.starts_with(magic));
    let (what, how) = match (user_block(path, file, len), known) {
        (Some(size), _) => {
            (format!("HDF5 behind a user block of {size} bytes"), "write it without one, or use h5unjam")
        }
        (None, Some((_, name, how))) => ((*name).to_owned(), *how),
        (None, None) if is_text(start) => {
            ("text".to_owned(), "pandas: read_csv(..).to_parquet(..) makes events of a table")
        }
        (None, None) => return PipelineError::refused(path, format!("neither {wanted}")),
    };
    let how = if how.is_empty() { String::new() } else { format!(" ({how})") };
    PipelineError::refused(path, format!("{what}, neither {wanted}{how}"))
}

/// The bytes before an HDF5 file's own, where it has such: 512 or twice that, again and again.
fn user_block(path: &Path, file: &File, len: u64) -> Option<u64> {
    let sizes = std::iter::successors(Some(512_u64), |size| size.checked_mul(2));
    sizes.take_while(|&size| size + 8 <= len).find(|&size| {
        let mut bytes = [0; 8];
        read_at(path, file, size, &mut bytes).is_ok() && bytes == hdf5_file::SIGNATURE
    })
}

/// Whether bytes are those of a text, whose last character may be cut.
fn is_text(start: &[u8]) -> bool {
    let text = match std::str::from_utf8(start) {
        Ok(text) => text,
        Err(e) if e.valid_up_to() + 4 > start.len() => {
            std::str::from_utf8(&start[..e.valid_up_to()]).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !text.is_empty() && text.chars().all(|c| !c.is_control() || c.is_ascii_whitespace())
}
