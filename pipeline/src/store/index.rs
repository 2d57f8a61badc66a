//! Index of a file of images, as a format's reader finds it, and reading an image by it.
//!
//! A table of places suffices for images that lie in the file as they are: any number of threads reads at once,
//! without HDF5's process-wide lock and without Arrow's batches.

use std::fs::File;
use std::path::Path;

use humboldt_schemas::provenance::Provenance;

use super::bytes::read_at;
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
