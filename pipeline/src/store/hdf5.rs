//! Images in HDF5: dataset `images` `(image, cos_theta_l, cos_theta_k, chi)` f32, dataset `labels/delta_c9` f64, and
//! attributes on the file.
//!
//! The same images make the same file to the last bit: nothing in it tells the time.
//! Without gzip the images are contiguous; with gzip a chunk is one image. The library serves for the structure
//! only: images are compressed, and read, without its process-wide lock.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use flate2::{Compress, Compression, FlushCompress, Status};
use hdf5::filters::Filter;
use hdf5::plist::dataset_create::Layout;
use hdf5::plist::file_access::{FileAccessBuilder, LibraryVersion};
use hdf5::types::VarLenUnicode;
use hdf5::{Dataset, Location};
use humboldt_schemas::events::{CONVENTION_KEY, PROVENANCE_KEY};
use humboldt_schemas::provenance::Provenance;
use humboldt_schemas::voxels::{Axis, BITMAP, DELTA_C9, IMAGES, LABELS};
use ndarray::ArrayView4;
use rayon::prelude::*;

use super::atomic::PartFile;
use super::hdf5_chunks::{read_chunk, write_chunk};
use super::index::{Decode, Index, Source, inflate, read_at, with_scratch};
use super::metadata;
use super::{hdf5_compact, hdf5_heap};
use crate::PipelineError;

/// The first bytes of an HDF5 file.
pub(super) const SIGNATURE: [u8; 8] = *b"\x89HDF\r\n\x1a\n";

/// Compressed images that wait to be written, for each thread.
const COMPRESSED_PER_THREAD: usize = 4;

/// Attributes of `images` that say what it is.
pub(super) const AXES_KEY: &str = "axes";
pub(super) const UNIT_KEY: &str = "unit";
pub(super) const UNIT: &str = "GeV^2";

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
            let group = file.create_group_builder().with_gcpl(|p| p.obj_track_times(false)).create(LABELS)?;
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

/// A file that says where it comes from, and neither when nor what it is.
pub(super) fn begin(part: &PartFile, entries: &[(String, String)]) -> hdf5::Result<hdf5::File> {
    let file = hdf5::FileBuilder::new()
        .with_fapl(checksummed)
        .with_fcpl(|properties| properties.obj_track_times(false))
        .create(part.part())?;
    for (key, value) in entries {
        write_text(&file, key, value)?;
    }
    Ok(file)
}

/// Names the axes of an image.
pub(super) fn write_axes(dataset: &Dataset) -> hdf5::Result<()> {
    let axes = Axis::ALL.map(|a| text(a.name())).into_iter().collect::<hdf5::Result<Vec<_>>>()?;
    dataset.new_attr::<VarLenUnicode>().shape(axes.len()).create(AXES_KEY)?.write_raw(&axes)
}

/// The format of HDF5 1.10, whose structures carry checksums: the older one lets the library follow damaged
/// pointers.
pub(super) fn checksummed(properties: &mut FileAccessBuilder) -> &mut FileAccessBuilder {
    unlocked(properties).libver_bounds(LibraryVersion::V110, LibraryVersion::V110)
}

/// Without the library's lock, which some file systems do not have: what is read is not changed, and what is written
/// has a name of its own. Libraries before 1.10.7 and 1.12.1 lock unless `HDF5_USE_FILE_LOCKING` is FALSE.
fn unlocked(properties: &mut FileAccessBuilder) -> &mut FileAccessBuilder {
    #[cfg(hdf5_file_locking)]
    properties.file_locking(false);
    properties
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

/// Finds images, labels and provenance in the HDF5 file `path` of `len` bytes.
pub(super) fn index(path: &Path, file: &File, len: u64) -> Result<Index, PipelineError> {
    check_size(path, file, len)?;
    let corrupt = |e: hdf5::Error| PipelineError::corrupt(path, one_line(&e));
    let opened = hdf5::FileBuilder::new().with_fapl(unlocked).open(path);
    let hdf5_file = opened.map_err(|e| in_use(path, &e).unwrap_or_else(|| corrupt(e)))?;
    hdf5_heap::check(path, file, len, &[PROVENANCE_KEY, CONVENTION_KEY])?;
    if !hdf5_file.link_exists(IMAGES) && hdf5_file.link_exists(BITMAP) {
        return hdf5_compact::index(path, file, len, &hdf5_file);
    }
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
    let source = source(path, images, n, bins).map_err(corrupt)?;
    Ok(Index { source, bins, labels, provenance })
}

/// How to read the images: contiguous f32 need no library, and f32 with one image to a chunk only its index.
fn source(path: &Path, images: Dataset, n: usize, bins: usize) -> hdf5::Result<Source> {
    let path = path.to_owned();
    let foreign =
        |images| Ok(Source::Library(Box::new(Foreign { path: path.clone(), images: Mutex::new(images) })));
    if !images.dtype()?.is::<f32>() || cfg!(target_endian = "big") {
        return foreign(images);
    }
    let properties = images.create_plist()?;
    match (properties.get_layout()?, images.offset()) {
        (Layout::Contiguous, Some(offset)) => {
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

pub(super) fn text(value: &str) -> hdf5::Result<VarLenUnicode> {
    value.parse().map_err(|e| hdf5::Error::Internal(format!("{e}")))
}

pub(super) fn write_text(location: &Location, key: &str, value: &str) -> hdf5::Result<()> {
    location.new_attr::<VarLenUnicode>().create(key)?.write_scalar(&text(value)?)
}

pub(super) fn read_text(location: &Location, key: &str) -> Option<String> {
    let value = location.attr(key).and_then(|a| a.read_scalar::<VarLenUnicode>());
    value.ok().map(|v| v.as_str().to_owned())
}

pub(super) fn one_line(error: &hdf5::Error) -> String {
    format!("HDF5: {}", error.to_string().replace('\n', " "))
}

/// What the library says of a whole file that another program writes, or wrote when it was killed.
fn in_use(path: &Path, error: &hdf5::Error) -> Option<PipelineError> {
    let message = error.to_string();
    let what = if message.contains("unable to lock file") {
        "another program holds its lock; close it there, or set HDF5_USE_FILE_LOCKING=FALSE"
    } else if message.contains("already open for write") {
        "another program has it open for writing, or was killed so; close it there, or clear that mark by `h5clear -s`"
    } else {
        return None;
    };
    Some(PipelineError::InUse { path: path.to_owned(), what })
}

/// An error while writing: the system's own, where the library passes it on.
pub(super) fn io_error(path: &Path, error: &hdf5::Error) -> PipelineError {
    if let Some(error) = in_use(path, error) {
        return error;
    }
    let message = one_line(error);
    let errno = message
        .split_once("errno = ")
        .and_then(|(_, rest)| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok());
    PipelineError::io(path)(errno.map_or_else(|| io::Error::other(message), io::Error::from_raw_os_error))
}
