//! Images in HDF5: dataset `images` `(image, cos_theta_l, cos_theta_k, chi)` f32, datasets `labels/NAME` f64 (`delta_c9`,
//! `c10`, ..), and attributes on the file.
//!
//! Equal images make equal files to the last bit: nothing in one tells the time.
//! Without gzip the images are contiguous; with gzip a chunk is one image. The library serves for the structure
//! only: images are compressed, and read, without its process-wide lock.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use flate2::{Compress, Compression, FlushCompress, Status};
use hdf5::Dataset;
use hdf5::filters::Filter;
use hdf5::plist::dataset_create::Layout;
use humboldt_schemas::provenance::Provenance;
use humboldt_schemas::voxels::{IMAGES, LABELS};
use ndarray::ArrayView4;
use rayon::prelude::*;

use super::atomic::PartFile;
use super::bytes::{inflate, with_scratch};
use super::hdf5_chunks::{read_chunk, write_chunk};
use super::hdf5_file::{
    Hdf5File, UNIT, UNIT_KEY, begin, io_error, one_line, write_axes, write_labels, write_text,
};
use super::index::{Decode, Index, Source};
use super::labels::Labels;
use super::metadata;
use crate::PipelineError;

/// Compressed images that wait to be written, for each thread.
const COMPRESSED_PER_THREAD: usize = 4;

/// Fields are dropped in this order: the library's handles go before the file.
#[derive(Debug)]
pub(super) struct Writer {
    images: Dataset,
    file: hdf5::File,
    part: PartFile,
    bins: usize,
    gzip: u8,
    labels: Labels,
}

impl Writer {
    pub(super) fn create(
        part: PartFile,
        n_images: usize,
        bins: usize,
        gzip: u8,
        labels: Labels,
        provenance: Option<&Provenance>,
    ) -> Result<Self, PipelineError> {
        let path = part.path().to_owned();
        let entries = metadata::known_entries(&path, provenance)?;
        let create = || {
            let file = begin(&part, &entries)?;
            let builder =
                file.new_dataset::<f32>().obj_track_times(false).shape((n_images, bins, bins, bins));
            let builder = match gzip {
                0 => builder.no_chunk(),
                level => builder.chunk((1, bins, bins, bins)).deflate(level),
            };
            let images = builder.create(IMAGES)?;
            write_axes(&images)?;
            write_text(&images, UNIT_KEY, UNIT)?;
            Ok((file, images))
        };
        let (file, images) = create().map_err(|e| io_error(&path, &e))?;
        Ok(Self { images, file, part, bins, gzip, labels })
    }

    pub(super) fn push_many(
        &mut self,
        path: &Path,
        images: &[f32],
        labels: &[f64],
    ) -> Result<(), PipelineError> {
        let first = self.labels.len();
        if self.gzip == 0 {
            self.write_dense(first, images).map_err(|e| io_error(path, &e))?;
        } else {
            let cells = self.bins.pow(3);
            let group = COMPRESSED_PER_THREAD * rayon::current_num_threads();
            for (g, group_images) in images.chunks(group * cells).enumerate() {
                let deflated: Vec<_> = group_images
                    .par_chunks_exact(cells)
                    .map_init(|| Compress::new(Compression::new(self.gzip.into()), true), deflate)
                    .collect::<Result<_, _>>()
                    .map_err(PipelineError::io(path))?;
                for (i, bytes) in deflated.iter().enumerate() {
                    let image = first + g * group + i;
                    write_chunk(&self.images, image, bytes).map_err(|e| io_error(path, &e))?;
                }
            }
        }
        self.labels.extend(labels);
        Ok(())
    }

    fn write_dense(&self, first: usize, images: &[f32]) -> hdf5::Result<()> {
        let n = images.len() / self.bins.pow(3);
        let view = ArrayView4::from_shape((n, self.bins, self.bins, self.bins), images)?;
        self.images.write_slice(view, (first..first + n, .., .., ..))
    }

    pub(super) fn finish(self, path: &Path) -> Result<(), PipelineError> {
        let Self { images, file, part, labels, .. } = self;
        let close = || {
            write_labels(&file, &labels)?;
            drop(images);
            file.flush()?;
            file.close()
        };
        close().map_err(|e| io_error(path, &e))?;
        part.commit()
    }
}

/// One image as a zlib stream; the same bytes whatever was compressed before.
fn deflate(compress: &mut Compress, image: &[f32]) -> io::Result<Vec<u8>> {
    let bytes: Vec<u8>;
    let bytes: &[u8] = if cfg!(target_endian = "little") {
        bytemuck::cast_slice(image)
    } else {
        bytes = image.iter().flat_map(|x| x.to_le_bytes()).collect();
        &bytes
    };
    compress.reset();
    let mut deflated = Vec::new();
    loop {
        // What does not compress grows by an eighth at most (nine bits a byte at level 1).
        deflated.reserve(bytes.len() + bytes.len() / 8 + 64);
        let rest = &bytes[compress.total_in() as usize..];
        if compress.compress_vec(rest, &mut deflated, FlushCompress::Finish)? == Status::StreamEnd {
            deflated.shrink_to_fit();
            return Ok(deflated);
        }
    }
}

/// Finds dense images, labels and provenance in an HDF5 file.
pub(super) fn index(hdf5: &Hdf5File<'_>) -> Result<Index, PipelineError> {
    let refused = |what: String| PipelineError::refused(hdf5.path, what);
    let images = hdf5.dataset(IMAGES)?;
    let mut labels = hdf5.labels();
    let names = labels.names();
    let columns = names.iter().map(|name| hdf5.dataset(&format!("{LABELS}/{name}")));
    let columns: Vec<Dataset> = columns.collect::<Result<_, _>>()?;
    let said = names.iter().map(String::as_str).zip(&columns).chain([(IMAGES, &images)]);
    let provenance = metadata::provenance(hdf5.path, &hdf5.said(said))?;
    let shape = images.get_shape().map_err(|e| hdf5.corrupt(&e))?;
    let (n, bins) = match shape[..] {
        [n, a, b, c] if a == b && b == c && (2..=256).contains(&a) => (n, a),
        _ => {
            return Err(refused(format!(
                "`{IMAGES}` has shape {shape:?}, wanted (n, bins, bins, bins) with 2 to 256 bins"
            )));
        }
    };
    let column = |(name, column): (&String, &Dataset)| {
        let shape = column.get_shape().map_err(|e| hdf5.corrupt(&e))?;
        if shape != [n] {
            return Err(refused(format!("{n} images, but `{LABELS}/{name}` has shape {shape:?}")));
        }
        column.read_raw::<f64>().map_err(|e| hdf5.corrupt(&e))
    };
    labels.extend_columns(&names.iter().zip(&columns).map(column).collect::<Result<Vec<_>, _>>()?);
    let own = hdf5.is_own(&images);
    let source = source(hdf5.path, images, own, n, bins).map_err(|e| hdf5.corrupt(&e))?;
    Ok(Index { source, bins, labels, provenance })
}

/// Way to read the images: contiguous f32 of this file need no library, and f32 with one image to a chunk only its index.
fn source(path: &Path, images: Dataset, own: bool, n: usize, bins: usize) -> hdf5::Result<Source> {
    let path = path.to_owned();
    let foreign =
        |images| Ok(Source::Library(Box::new(Foreign { path: path.clone(), images: Mutex::new(images) })));
    if !images.dtype()?.is::<f32>() || cfg!(target_endian = "big") {
        return foreign(images);
    }
    let properties = images.create_plist()?;
    match (properties.get_layout()?, images.offset()) {
        (Layout::Contiguous, Some(offset)) if own => {
            let size = 4 * bins.pow(3) as u64;
            Ok(Source::Dense((0..n as u64).map(|i| offset.saturating_add(i * size)).collect()))
        }
        (Layout::Chunked, _) if properties.get_chunk()? == Some(vec![1, bins, bins, bins]) => {
            match properties.get_filters()?[..] {
                [] => Ok(Source::Library(Box::new(Chunks { path, images, deflated: false }))),
                [Filter::Deflate(_)] => {
                    Ok(Source::Library(Box::new(Chunks { path, images, deflated: true })))
                }
                _ => foreign(images),
            }
        }
        _ => foreign(images),
    }
}

/// Images of one chunk each, which the library finds and this program inflates.
struct Chunks {
    path: PathBuf,
    images: Dataset,
    deflated: bool,
}

impl Decode for Chunks {
    fn decode(&self, i: usize, image: &mut [f32]) -> Result<(), PipelineError> {
        with_scratch(|scratch, inflater| {
            let corrupt = |what| PipelineError::corrupt(&self.path, format!("image {i}: {what}"));
            let dense: &mut [u8] = bytemuck::cast_slice_mut(image);
            let skipped =
                read_chunk(&self.images, i, 2 * dense.len(), scratch).map_err(|e| corrupt(one_line(&e)))?;
            if self.deflated && skipped == 0 {
                return inflate(inflater, scratch, dense).map_err(corrupt);
            }
            if scratch.len() != dense.len() {
                return Err(corrupt(format!("{} bytes, wanted {}", scratch.len(), dense.len())));
            }
            dense.copy_from_slice(scratch);
            Ok(())
        })
    }
}

/// Images in a layout that only the library understands: other chunks, filters or number types.
struct Foreign {
    path: PathBuf,
    images: Mutex<Dataset>,
}

impl Decode for Foreign {
    fn decode(&self, i: usize, image: &mut [f32]) -> Result<(), PipelineError> {
        let images = self.images.lock().unwrap_or_else(PoisonError::into_inner);
        let array = images
            .read_slice::<f32, _, ndarray::Ix3>((i, .., .., ..))
            .map_err(|e| PipelineError::corrupt(&self.path, format!("image {i}: {}", one_line(&e))))?;
        for (value, &read) in image.iter_mut().zip(&array) {
            *value = read;
        }
        Ok(())
    }
}
