//! Compact images in HDF5: contiguous arrays, which the library only finds, and this program reads by their places.
//!
//! `bitmap` (n, bytes) u8, `sums` (cells) f32, `counts` (cells) u8, `offsets` (n + 1) u64, `overflow` (m, 2) u64, `events`
//! (n) u64, `labels/NAME` (n) f64 for each label, `digests` (n, 32) u8; attributes `bins` and `blake3`.

use std::io::{Read, Seek, Write};
use std::path::Path;

use bytemuck::Pod;
use hdf5::{Dataset, H5Type};
use humboldt_schemas::provenance::Provenance;
use humboldt_schemas::voxels::{
    BINS_KEY, BITMAP, CHECKSUM_KEY, COUNTS, DIGESTS, EVENTS, LABELS, OFFSETS, OVERFLOW, SUMS,
};
use ndarray::{ArrayView1, ArrayView2};
use tempfile::SpooledTempFile;

use super::atomic::PartFile;
use super::bytes::read_at;
use super::compact::{Compact, Digest, Encoded, Place, Tables};
use super::hdf5_file::{
    Hdf5File, UNIT, UNIT_KEY, begin, io_error, one_line, write_axes, write_labels, write_text,
};
use super::index::{Index, Source};
use super::labels::Labels;
use super::metadata;
use crate::PipelineError;
use crate::voxels::{CompactImage, bitmap_bytes};

/// Sums and counts wait in memory up to this size [bytes], and then in a file without a name.
const IN_MEMORY: usize = 16 << 20;

/// They are copied in pieces of this size [bytes].
const PIECE: usize = 1 << 20;

/// Fields are dropped in this order: the library's handles go before the file.
pub(super) struct Writer {
    bitmap: Dataset,
    file: hdf5::File,
    part: PartFile,
    bins: usize,
    sums: SpooledTempFile,
    counts: SpooledTempFile,
    tables: Tables,
    texts: Vec<String>,
}

impl Writer {
    pub(super) fn create(
        part: PartFile,
        n_images: usize,
        bins: usize,
        labels: Labels,
        provenance: Option<&Provenance>,
    ) -> Result<Self, PipelineError> {
        let path = part.path().to_owned();
        let entries = metadata::known_entries(&path, provenance)?;
        let create = || {
            let file = begin(&part, &entries)?;
            file.new_attr::<u64>().create(BINS_KEY)?.write_scalar(&(bins as u64))?;
            let bitmap = array::<u8>(&file, BITMAP, &[n_images, bitmap_bytes(bins)])?;
            write_axes(&bitmap)?;
            Ok((file, bitmap))
        };
        let (file, bitmap) = create().map_err(|e| io_error(&path, &e))?;
        let folder = part.part().parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let spool = || SpooledTempFile::new_in(IN_MEMORY, folder);
        let (sums, counts) = (spool(), spool());
        let texts = entries.into_iter().map(|(_, value)| value).collect();
        Ok(Self { bitmap, file, part, bins, sums, counts, tables: Tables::new(labels), texts })
    }

    pub(super) fn push_many(
        &mut self,
        path: &Path,
        images: &[(&CompactImage, Encoded)],
        labels: &[f64],
    ) -> Result<(), PipelineError> {
        let first = self.tables.labels.len();
        let bitmaps: Vec<u8> = images.iter().flat_map(|(image, _)| image.bitmap()).copied().collect();
        let shape = (images.len(), bitmap_bytes(self.bins));
        let write = || {
            let bitmaps = ArrayView2::from_shape(shape, &bitmaps)?;
            self.bitmap.write_slice(bitmaps, (first..first + images.len(), ..))
        };
        write().map_err(|e| io_error(path, &e))?;
        let width = self.tables.labels.width();
        for ((image, encoded), labels) in images.iter().zip(labels.chunks_exact(width)) {
            let mut spool = || {
                self.sums.write_all(bytemuck::cast_slice(image.sums()))?;
                self.counts.write_all(&encoded.counts)
            };
            spool().map_err(PipelineError::io(path))?;
            self.tables.push(encoded, labels);
        }
        Ok(())
    }

    pub(super) fn finish(self, path: &Path) -> Result<(), PipelineError> {
        let Self { bitmap, file, part, bins, mut sums, mut counts, tables, texts } = self;
        let (n, cells) = (tables.labels.len(), tables.cells() as usize);
        let library = |e: hdf5::Error| io_error(path, &e);
        let sums_array = array::<f32>(&file, SUMS, &[cells]).map_err(library)?;
        write_text(&sums_array, UNIT_KEY, UNIT).map_err(library)?;
        copy::<f32>(path, &mut sums, &sums_array, cells)?;
        let counts_array = array::<u8>(&file, COUNTS, &[cells]).map_err(library)?;
        copy::<u8>(path, &mut counts, &counts_array, cells)?;
        let close = || {
            write(&file, OFFSETS, &[n + 1], &tables.offsets)?;
            write(&file, OVERFLOW, &[tables.overflow.len(), 2], tables.overflow.as_flattened())?;
            write(&file, EVENTS, &[n], &tables.events)?;
            write(&file, DIGESTS, &[n, blake3::OUT_LEN], tables.digests.as_flattened())?;
            write_labels(&file, &tables.labels)?;
            let checksum = tables.checksum(bins, &texts);
            file.new_attr::<u8>().shape(checksum.len()).create(CHECKSUM_KEY)?.write_raw(&checksum)?;
            drop((bitmap, sums_array, counts_array));
            file.flush()?;
            file.close()
        };
        close().map_err(library)?;
        part.commit()
    }
}

/// A contiguous dataset.
fn array<T: H5Type>(group: &hdf5::Group, name: &str, shape: &[usize]) -> hdf5::Result<Dataset> {
    group.new_dataset::<T>().obj_track_times(false).shape(shape).no_chunk().create(name)
}

fn write<T: H5Type>(group: &hdf5::Group, name: &str, shape: &[usize], values: &[T]) -> hdf5::Result<()> {
    let dataset = array::<T>(group, name, shape)?;
    // The library has no selection of nothing.
    if values.is_empty() { Ok(()) } else { dataset.write_raw(values) }
}

/// Moves `n` numbers from a spool into a dataset.
fn copy<T: Pod + H5Type>(
    path: &Path,
    from: &mut SpooledTempFile,
    to: &Dataset,
    n: usize,
) -> Result<(), PipelineError> {
    from.rewind().map_err(PipelineError::io(path))?;
    let mut piece = vec![T::zeroed(); n.min(PIECE / size_of::<T>())];
    for start in (0..n).step_by(piece.len().max(1)) {
        let piece = &mut piece[..(n - start).min(PIECE / size_of::<T>())];
        from.read_exact(bytemuck::cast_slice_mut(piece)).map_err(PipelineError::io(path))?;
        let written = to.write_slice(ArrayView1::from(&*piece), start..start + piece.len());
        written.map_err(|e| io_error(path, &e))?;
    }
    Ok(())
}

/// Finds compact images in an HDF5 file that has the dataset `bitmap`.
pub(super) fn index(hdf5: &Hdf5File<'_>) -> Result<Index, PipelineError> {
    let Hdf5File { path, len, library, .. } = hdf5;
    let said = hdf5.said([(BITMAP, &hdf5.dataset(BITMAP)?), (SUMS, &hdf5.dataset(SUMS)?)]);
    let provenance = metadata::provenance(path, &said)?;
    let arrays = Arrays(hdf5);
    let corrupt = |e: hdf5::Error| PipelineError::corrupt(path, one_line(&e));
    let bins = library.attr(BINS_KEY).and_then(|a| a.read_scalar::<u64>()).map_err(corrupt)?;
    let bins = usize::try_from(bins).ok().filter(|bins| (2..=256).contains(bins));
    let bins = bins.ok_or_else(|| PipelineError::corrupt(path, "attribute `bins`: wanted 2 to 256"))?;
    let (n, cells) = (arrays.rows(BITMAP)?, arrays.rows(SUMS)?);
    let bitmap = arrays.find::<u8>(BITMAP, &[n, bitmap_bytes(bins)])?;
    let sums = arrays.find::<f32>(SUMS, &[cells])?;
    let counts = arrays.find::<u8>(COUNTS, &[cells])?;
    let mut labels = hdf5.labels();
    let columns = labels.names().into_iter().map(|name| arrays.read(&format!("{LABELS}/{name}"), &[n]));
    labels.extend_columns(&columns.collect::<Result<Vec<_>, _>>()?);
    let tables = Tables {
        offsets: arrays.read(OFFSETS, &[n + 1])?,
        overflow: arrays.read(OVERFLOW, &[arrays.rows(OVERFLOW)?, 2])?.as_chunks().0.to_vec(),
        events: arrays.read(EVENTS, &[n])?,
        labels,
        digests: arrays.read::<u8>(DIGESTS, &[n, blake3::OUT_LEN])?.as_chunks().0.to_vec(),
    };
    if tables.cells() != cells as u64 {
        let what = format!("`{OFFSETS}` ends at {}, but `{SUMS}` has {cells} numbers", tables.cells());
        return Err(PipelineError::corrupt(path, what));
    }
    let checksum = library.attr(CHECKSUM_KEY).and_then(|a| {
        let shape = a.shape();
        if shape == [blake3::OUT_LEN] { a.read_raw::<u8>() } else { Err(format!("shape {shape:?}").into()) }
    });
    let checksum: Digest = checksum.ok().and_then(|bytes| bytes.try_into().ok()).ok_or_else(|| {
        PipelineError::corrupt(path, format!("no attribute `{CHECKSUM_KEY}` of {} bytes", blake3::OUT_LEN))
    })?;
    let step = bitmap_bytes(bins) as u64;
    let place = |(i, &first): (usize, &u64)| Place {
        bitmap: bitmap + i as u64 * step,
        sums: sums.saturating_add(first.saturating_mul(4)),
        counts: counts.saturating_add(first),
    };
    let places = tables.offsets.iter().enumerate().take(n).map(place).collect();
    let texts = metadata::texts(&said);
    let (compact, labels) = Compact::new(path, *len, bins, tables, places, &checksum, &texts)?;
    Ok(Index { source: Source::Compact(compact), bins, labels, provenance })
}

/// The arrays of a file, which must lie in it in one piece each.
struct Arrays<'a>(&'a Hdf5File<'a>);

impl Arrays<'_> {
    fn dataset(&self, name: &str) -> Result<(Dataset, Vec<usize>), PipelineError> {
        let dataset = self.0.dataset(name)?;
        let shape = dataset.get_shape().map_err(|e| self.0.corrupt(&e))?;
        Ok((dataset, shape))
    }

    /// Length of the first axis.
    fn rows(&self, name: &str) -> Result<usize, PipelineError> {
        Ok(self.dataset(name)?.1.first().copied().unwrap_or_default())
    }

    /// Start of an array of this shape.
    fn find<T: H5Type>(&self, name: &str, shape: &[usize]) -> Result<u64, PipelineError> {
        let wrong = |what: String| PipelineError::refused(self.0.path, format!("`{name}` {what}"));
        let (dataset, found) = self.dataset(name)?;
        if found != shape {
            return Err(wrong(format!("has shape {found:?}, wanted {shape:?}")));
        }
        if !dataset.dtype().is_ok_and(|t| t.is::<T>()) {
            return Err(wrong(format!("is not of type {:?}", T::type_descriptor())));
        }
        if !self.0.is_own(&dataset) {
            return Err(wrong(format!(
                "is a link to {}; allowed: compact images in one file",
                dataset.filename()
            )));
        }
        let bytes = shape.iter().try_fold(size_of::<T>() as u64, |product, &n| product.checked_mul(n as u64));
        if bytes == Some(0) {
            return Ok(0);
        }
        let at = dataset.offset().ok_or_else(|| wrong("is not contiguous".to_owned()))?;
        match bytes.and_then(|bytes| at.checked_add(bytes)) {
            Some(end) if end <= self.0.len => Ok(at),
            _ => Err(PipelineError::corrupt(self.0.path, format!("`{name}` lies outside the file"))),
        }
    }

    /// All numbers of an array, which is then known to be no larger than the file.
    fn read<T: Pod + H5Type>(&self, name: &str, shape: &[usize]) -> Result<Vec<T>, PipelineError> {
        let at = self.find::<T>(name, shape)?;
        let mut values = vec![T::zeroed(); shape.iter().product()];
        read_at(self.0.path, self.0.file, at, bytemuck::cast_slice_mut(&mut values))?;
        Ok(values)
    }
}
