//! Where the images lie in a file, so that they can be read without the file format's library.
//!
//! Both formats keep one image in one piece, as f32 or deflated f32. With a table of these pieces any number of
//! threads reads at once, without HDF5's process-wide lock and without Arrow's batches.

use std::cell::RefCell;
use std::fs::File;
use std::io;
use std::path::Path;

use flate2::{Decompress, FlushDecompress, Status};
use humboldt_schemas::provenance::Provenance;

use crate::PipelineError;

/// One image in its file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) offset: u64,
    /// Bytes in the file.
    pub(super) size: u64,
    /// Whether they are a zlib stream.
    pub(super) deflated: bool,
}

/// Reads images whose layout only the format's library understands.
pub(super) trait Decode: Send + Sync {
    /// Reads image `i` (checked) into `image` (of the right length).
    fn decode(&self, i: usize, image: &mut [f32]) -> Result<(), PipelineError>;
}

/// How images are read.
pub(super) enum Source {
    Extents(Vec<Extent>),
    Library(Box<dyn Decode>),
}

/// What a format's reader finds in a file.
pub(super) struct Index {
    pub(super) source: Source,
    pub(super) bins: usize,
    pub(super) labels: Vec<f64>,
    pub(super) provenance: Option<Provenance>,
}

impl Index {
    /// Refuses what no writer makes, before anything relies on it.
    pub(super) fn validate(&self, path: &Path, file_len: u64) -> Result<(), PipelineError> {
        if self.labels.is_empty() {
            return Err(PipelineError::corrupt(path, "no images in it"));
        }
        if let Some(i) = self.labels.iter().position(|x| !x.is_finite()) {
            return Err(PipelineError::corrupt(path, format!("delta_c9 of image {i} is {}", self.labels[i])));
        }
        let Source::Extents(extents) = &self.source else { return Ok(()) };
        let dense = 4 * self.bins.pow(3) as u64;
        for (i, extent) in extents.iter().enumerate() {
            let end = extent.offset.checked_add(extent.size);
            if end.is_none_or(|end| end > file_len) || (!extent.deflated && extent.size != dense) {
                return Err(PipelineError::corrupt(path, format!("image {i} is not where the file says")));
            }
        }
        Ok(())
    }
}

thread_local! {
    static SCRATCH: RefCell<(Vec<u8>, Decompress)> = RefCell::new((Vec::new(), Decompress::new(true)));
}

/// Reads image `i`, which lies at `extent`.
pub(super) fn read_extent(
    path: &Path,
    file: &File,
    i: usize,
    extent: Extent,
    image: &mut [f32],
) -> Result<(), PipelineError> {
    if extent.deflated {
        SCRATCH.with_borrow_mut(|(deflated, inflater)| {
            deflated.resize(extent.size as usize, 0);
            read_at(path, file, extent.offset, deflated)?;
            inflater.reset(true);
            let bytes: &mut [u8] = bytemuck::cast_slice_mut(image);
            let status = inflater.decompress(deflated, bytes, FlushDecompress::Finish);
            let whole = inflater.total_out() == bytes.len() as u64;
            match status {
                Ok(Status::StreamEnd) if whole => Ok(()),
                Ok(_) => {
                    Err(PipelineError::corrupt(path, format!("image {i} has another size than the others")))
                }
                Err(e) => Err(PipelineError::corrupt(path, format!("image {i}: {e}"))),
            }
        })?;
    } else {
        read_at(path, file, extent.offset, bytemuck::cast_slice_mut(image))?;
    }
    for value in image {
        // Files are little-endian; nothing happens here on machines that are.
        *value = f32::from_bits(u32::from_le(value.to_bits()));
    }
    Ok(())
}

/// Fills `bytes` from `offset` on.
pub(super) fn read_at(path: &Path, file: &File, offset: u64, bytes: &mut [u8]) -> Result<(), PipelineError> {
    read_exact_at(file, bytes, offset).map_err(|e| match e.kind() {
        io::ErrorKind::UnexpectedEof => PipelineError::corrupt(path, "truncated"),
        _ => PipelineError::io(path)(e),
    })
}

#[cfg(unix)]
fn read_exact_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn read_exact_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        let n = std::os::windows::fs::FileExt::seek_read(file, bytes, offset)?;
        if n == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        bytes = &mut bytes[n..];
        offset += n as u64;
    }
    Ok(())
}
