//! Index of a file of images, as a format's reader finds it, and reading an image by it.
//!
//! A table of places suffices for images that lie in the file as they are: any number of threads reads at once,
//! without HDF5's process-wide lock and without Arrow's batches.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::Path;

use flate2::{Decompress, FlushDecompress, Status};
use humboldt_root::read_exact_at;
use humboldt_schemas::provenance::Provenance;

use super::compact::Compact;
use super::labels::Labels;
use crate::PipelineError;

/// Reads images that are compressed or lie in pieces.
pub(super) trait Decode: Send + Sync {
    /// Reads image `i` (checked) into `image` (of the right length).
    fn decode(&self, i: usize, image: &mut [f32]) -> Result<(), PipelineError>;
}

/// Ways to read images.
pub(super) enum Source {
    /// Start of each image, as f32 from its first cell to its last.
    Dense(Vec<u64>),
    Compact(Compact),
    Library(Box<dyn Decode>),
}

/// Index of a file as a format's reader finds it.
pub(super) struct Index {
    pub(super) source: Source,
    pub(super) bins: usize,
    pub(super) labels: Labels,
    pub(super) provenance: Option<Provenance>,
}

impl Index {
    /// Refuses what no writer makes, before anything relies on it.
    pub(super) fn validate(&self, path: &Path, file_len: u64) -> Result<(), PipelineError> {
        self.labels.validate(path)?;
        let Source::Dense(offsets) = &self.source else { return Ok(()) };
        let size = 4 * self.bins.pow(3) as u64;
        match offsets.iter().position(|at| at.checked_add(size).is_none_or(|end| end > file_len)) {
            Some(i) => Err(PipelineError::corrupt(path, format!("image {i} is not where the file says"))),
            None => Ok(()),
        }
    }
}

/// Reads the image that begins at `offset`.
pub(super) fn read_dense(
    path: &Path,
    file: &File,
    offset: u64,
    image: &mut [f32],
) -> Result<(), PipelineError> {
    read_at(path, file, offset, bytemuck::cast_slice_mut(image))?;
    for value in image {
        // Files are little-endian; nothing happens here on machines that are.
        *value = f32::from_bits(u32::from_le(value.to_bits()));
    }
    Ok(())
}

/// Runs `f` with this thread's buffer for compressed bytes and its decompressor.
pub(super) fn with_scratch<T>(f: impl FnOnce(&mut Vec<u8>, &mut Decompress) -> T) -> T {
    thread_local! {
        static SCRATCH: RefCell<(Vec<u8>, Decompress)> = RefCell::new((Vec::new(), Decompress::new(true)));
    }
    SCRATCH.with_borrow_mut(|(bytes, inflater)| f(bytes, inflater))
}

/// Fills `dense` from a zlib stream, or says what is wrong with the stream.
pub(super) fn inflate(inflater: &mut Decompress, deflated: &[u8], dense: &mut [u8]) -> Result<(), String> {
    inflater.reset(true);
    match inflater.decompress(deflated, dense, FlushDecompress::Finish) {
        Ok(Status::StreamEnd) if inflater.total_out() == dense.len() as u64 => Ok(()),
        Ok(_) => Err("another size than the other images".to_owned()),
        Err(e) => Err(e.to_string()),
    }
}

/// Fills `bytes` from `offset` on.
pub(super) fn read_at(path: &Path, file: &File, offset: u64, bytes: &mut [u8]) -> Result<(), PipelineError> {
    read_exact_at(file, bytes, offset).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => PipelineError::corrupt(path, "truncated"),
        _ => PipelineError::io(path)(e),
    })
}
