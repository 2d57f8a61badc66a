//! Images in HDF5: dataset `images` (image, cos_theta_l, cos_theta_k, chi) f32, dataset `labels/delta_c9` f64, and
//! attributes on the file.
//!
//! Without gzip the images are contiguous; with gzip a chunk is one image. The library serves for the structure
//! only: images are compressed, and read, without its process-wide lock.

use std::fs::File;
use std::io;
use std::path::Path;
use std::sync::Mutex;

use flate2::{Compress, Compression, FlushCompress, Status};
use hdf5::filters::Filter;
use hdf5::plist::dataset_create::Layout;
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, Location};
use humboldt_schemas::provenance::Provenance;
use humboldt_schemas::voxels::{Axis, DELTA_C9, IMAGES, LABELS};
use ndarray::ArrayView4;
use rayon::prelude::*;

use super::atomic::PartFile;
use super::hdf5_chunks::{chunk_at, write_chunk};
use super::index::{Decode, Extent, Index, Source, read_at};
use super::metadata;
use crate::PipelineError;

/// The first bytes of an HDF5 file.
pub(super) const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// Compressed images that wait to be written, for each thread.
const COMPRESSED_PER_THREAD: usize = 4;

/// Attributes of `images` that say what it is.
const AXES_KEY: &str = "axes";
const UNIT_KEY: &str = "unit";
const UNIT: &str = "GeV^2";

/// Fields are dropped in this order: the library's handles go before the file.
#[derive(Debug)]
pub(super) struct Writer {
    images: Dataset,
    file: hdf5::File,
    part: PartFile,
    bins: usize,
    gzip: u8,
    labels: Vec<f64>,
}

impl Writer {
    pub(super) fn create(
        part: PartFile,
        n_images: usize,
        bins: usize,
        gzip: u8,
        provenance: &Provenance,
    ) -> Result<Self, PipelineError> {
        let path = part.path().to_owned();
        let entries = metadata::entries(&path, provenance)?;
        let create = || {
            let file = hdf5::File::create(part.part())?;
            for (key, value) in &entries {
                write_text(&file, key, value)?;
            }
            // The same images give the same file, so that files can be compared by their hashes.
            let builder =
                file.new_dataset::<f32>().obj_track_times(false).shape((n_images, bins, bins, bins));
            let builder = match gzip {
                0 => builder.no_chunk(),
                level => builder.chunk((1, bins, bins, bins)).deflate(level),
            };
            let images = builder.create(IMAGES)?;
            let axes = Axis::ALL.map(|a| text(a.name())).into_iter().collect::<hdf5::Result<Vec<_>>>()?;
            images.new_attr::<VarLenUnicode>().shape(axes.len()).create(AXES_KEY)?.write_raw(&axes)?;
            write_text(&images, UNIT_KEY, UNIT)?;
            Ok((file, images))
        };
        let (file, images) = create().map_err(|e| io_error(&path, &e))?;
        Ok(Self { images, file, part, bins, gzip, labels: Vec::with_capacity(n_images) })
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
        self.labels.extend_from_slice(labels);
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
            let group = file.create_group(LABELS)?;
            let builder = group.new_dataset::<f64>().obj_track_times(false).shape(labels.len());
            builder.no_chunk().create(DELTA_C9)?.write_raw(&labels)?;
            drop((group, images));
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
    // Zlib's own bound on what it can need, rounded up.
    let mut deflated = Vec::with_capacity(bytes.len() + bytes.len() / 1000 + 64);
    match compress.compress_vec(bytes, &mut deflated, FlushCompress::Finish)? {
        Status::StreamEnd => {
            deflated.shrink_to_fit();
            Ok(deflated)
        }
        status => Err(io::Error::other(format!("zlib stopped with {status:?}"))),
    }
}

/// Finds images, labels and provenance in the HDF5 file `path` of `len` bytes.
pub(super) fn index(path: &Path, file: &File, len: u64) -> Result<Index, PipelineError> {
    check_size(path, file, len)?;
    let corrupt = |e: hdf5::Error| PipelineError::corrupt(path, one_line(&e));
    let hdf5_file = hdf5::File::open(path).map_err(corrupt)?;
    let provenance = metadata::provenance(path, |key| read_text(&hdf5_file, key))?;
    let missing = |name: &str| PipelineError::corrupt(path, format!("no dataset `{name}`"));
    let images = hdf5_file.dataset(IMAGES).map_err(|_| missing(IMAGES))?;
    let delta_c9 = format!("{LABELS}/{DELTA_C9}");
    let labels = hdf5_file.dataset(&delta_c9).map_err(|_| missing(&delta_c9))?;

    let shape = images.get_shape().map_err(corrupt)?;
    let (n, bins) = match shape[..] {
        [n, a, b, c] if a == b && b == c && (2..=256).contains(&a) => (n, a),
        _ => {
            let what =
                format!("`images` has shape {shape:?}, wanted (n, bins, bins, bins) with 2 to 256 bins");
            return Err(PipelineError::corrupt(path, what));
        }
    };
    let label_shape = labels.get_shape().map_err(corrupt)?;
    if label_shape != [n] {
        let what = format!("{n} images, but `{delta_c9}` has shape {label_shape:?}");
        return Err(PipelineError::corrupt(path, what));
    }
    let labels = labels.read_raw::<f64>().map_err(corrupt)?;
    let source = match extents(path, &images, n, bins)? {
        Some(extents) => Source::Extents(extents),
        None => Source::Library(Box::new(Foreign { path: path.to_owned(), images: Mutex::new(images) })),
    };
    Ok(Index { source, bins, labels, provenance })
}

/// Where the images are, if they are f32 and contiguous, or one to a chunk with gzip or nothing.
fn extents(
    path: &Path,
    images: &Dataset,
    n: usize,
    bins: usize,
) -> Result<Option<Vec<Extent>>, PipelineError> {
    let corrupt = |e: hdf5::Error| PipelineError::corrupt(path, one_line(&e));
    let size = 4 * bins.pow(3) as u64;
    let little_endian_f32 = images.dtype().map_err(corrupt)?.is::<f32>() && cfg!(target_endian = "little");
    let properties = images.create_plist().map_err(corrupt)?;
    if !little_endian_f32 {
        return Ok(None);
    }
    match properties.get_layout().map_err(corrupt)? {
        Layout::Contiguous => Ok(images.offset().map(|offset| {
            (0..n as u64).map(|i| Extent { offset: offset + i * size, size, deflated: false }).collect()
        })),
        Layout::Chunked if properties.get_chunk().map_err(corrupt)? == Some(vec![1, bins, bins, bins]) => {
            let deflated = match properties.get_filters().map_err(corrupt)?[..] {
                [] => false,
                [Filter::Deflate(_)] => true,
                _ => return Ok(None),
            };
            (0..n)
                .map(|i| {
                    let never = || PipelineError::corrupt(path, format!("image {i} was never written"));
                    let (offset, size, skipped) = chunk_at(images, i).map_err(corrupt)?.ok_or_else(never)?;
                    Ok(Extent { offset, size, deflated: deflated && skipped == 0 })
                })
                .collect::<Result<_, _>>()
                .map(Some)
        }
        _ => Ok(None),
    }
}

/// Compares the size that the file's superblock records with the size that it has, before the library, which
/// trusts what it reads, sees the file.
///
/// Source: HDF5 file format specification 3.0, II.A.
fn check_size(path: &Path, file: &File, len: u64) -> Result<(), PipelineError> {
    let mut block = [0_u8; 52];
    let got = len.min(52) as usize;
    read_at(path, file, 0, &mut block[..got])?;
    let (offset_size, addresses) = match block[8] {
        0 => (block[13], 24),
        1 => (block[13], 28),
        2 | 3 => (block[9], 12),
        version => {
            return Err(PipelineError::corrupt(path, format!("HDF5 superblock of version {version}")));
        }
    };
    let number = |k: usize| {
        let mut bytes = [0; 8];
        bytes.copy_from_slice(&block[addresses + 8 * k..addresses + 8 * (k + 1)]);
        u64::from_le_bytes(bytes)
    };
    if got == block.len() && (offset_size != 8 || number(0) != 0) {
        return Err(PipelineError::corrupt(
            path,
            "HDF5 with a user block or short addresses is not supported",
        ));
    }
    // The addresses are: base, free space or extension, end of file.
    let recorded = if got == block.len() { number(2) } else { u64::MAX };
    if len < recorded {
        let whole = if got == block.len() { format!(" of {recorded}") } else { String::new() };
        return Err(PipelineError::corrupt(path, format!("truncated: {len}{whole} bytes")));
    }
    Ok(())
}

/// Images in a layout that only the library understands: other chunks, filters or number types.
struct Foreign {
    path: std::path::PathBuf,
    images: Mutex<Dataset>,
}

impl Decode for Foreign {
    fn decode(&self, i: usize, image: &mut [f32]) -> Result<(), PipelineError> {
        let images = self.images.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let array = images
            .read_slice::<f32, _, ndarray::Ix3>((i, .., .., ..))
            .map_err(|e| PipelineError::corrupt(&self.path, format!("image {i}: {}", one_line(&e))))?;
        for (value, &read) in image.iter_mut().zip(&array) {
            *value = read;
        }
        Ok(())
    }
}

fn text(value: &str) -> hdf5::Result<VarLenUnicode> {
    value.parse().map_err(|e| hdf5::Error::Internal(format!("{e}")))
}

fn write_text(location: &Location, key: &str, value: &str) -> hdf5::Result<()> {
    location.new_attr::<VarLenUnicode>().create(key)?.write_scalar(&text(value)?)
}

fn read_text(location: &Location, key: &str) -> Option<String> {
    let value = location.attr(key).and_then(|a| a.read_scalar::<VarLenUnicode>());
    value.ok().map(|v| v.as_str().to_owned())
}

fn one_line(error: &hdf5::Error) -> String {
    format!("HDF5: {}", error.to_string().replace('\n', " "))
}

/// An error while writing: the system's own, where the library passes it on.
fn io_error(path: &Path, error: &hdf5::Error) -> PipelineError {
    let message = one_line(error);
    let errno = message
        .split_once("errno = ")
        .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    PipelineError::io(path)(errno.map_or_else(|| io::Error::other(message), io::Error::from_raw_os_error))
}
