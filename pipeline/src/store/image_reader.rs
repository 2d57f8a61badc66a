//! Reads voxel images with labels from HDF5 or Arrow IPC, compact or dense: one reader for all.

use std::cell::RefCell;
use std::fs::File;
use std::path::{Path, PathBuf};

use humboldt_physics::WilsonDirection;
use humboldt_schemas::provenance::Provenance;
use humboldt_schemas::voxels::{BITMAP, IMAGES};
use rayon::prelude::*;

use super::compact::Compact;
use humboldt_schemas::card::ImageLayout as Layout;

use super::hdf5_file::{self, Hdf5File};
use super::image_writer::check_length;
use super::index::{Index, Source, read_dense};
use super::{arrow, arrow_compact, arrow_file, formats, hdf5, hdf5_compact};
use crate::PipelineError;
use crate::voxels::CompactImage;

/// Reads images in any order, from any number of threads.
///
/// Images that lie in the file as they are, compact ones and those of Arrow, are read by their places (`pread`), which
/// costs one copy out of the system's cache: as much as a mapped file that is then copied, and without `unsafe`.
pub struct ImageReader {
    path: PathBuf,
    file: File,
    index: Index,
    cells: usize,
}

impl std::fmt::Debug for ImageReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ImageReader")
            .field("path", &self.path)
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

impl ImageReader {
    /// Opens a file of images; HDF5 or Arrow IPC by its content.
    ///
    /// # Errors
    /// [`PipelineError::Io`]; [`PipelineError::Refused`] for anything else than images; [`PipelineError::Corrupt`] for
    /// damaged ones.
    pub fn open(path: &Path) -> Result<Self, PipelineError> {
        let (file, len) = formats::open(path)?;
        let start: [u8; 8] = formats::start(path, &file, len)?;
        let index = if start == hdf5_file::SIGNATURE {
            let hdf5 = Hdf5File::open(path, &file, len)?;
            let compact = !hdf5.has(IMAGES) && hdf5.has(BITMAP);
            if compact { hdf5_compact::index(&hdf5)? } else { hdf5::index(&hdf5)? }
        } else if start.starts_with(arrow_file::MAGIC) {
            let (schema, blocks) = arrow_file::footer(path, &file, len)?;
            let has = |name| schema.column_with_name(name).is_some();
            if !has(IMAGES) && has(BITMAP) {
                arrow_compact::index(path, (&file, len), &schema, &blocks)?
            } else {
                arrow::index(path, &file, &schema, &blocks)?
            }
        } else {
            return Err(formats::foreign(path, &file, len, "HDF5 nor an Arrow IPC file"));
        };
        index.validate(path, len)?;
        let cells = index.bins.pow(3);
        Ok(Self { path: path.to_owned(), file, index, cells })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.index.labels.len()
    }

    /// Never true: a file without images is refused.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bins of each axis.
    pub fn bins(&self) -> usize {
        self.index.bins
    }

    /// Directions that the images are labelled by: C9 first where it is among them, the others by name.
    pub fn directions(&self) -> &[WilsonDirection] {
        self.index.labels.directions()
    }

    /// The shifts of all images; NaN where one is not known.
    ///
    /// # Shapes
    /// [image, direction]
    pub fn labels(&self) -> &[f64] {
        self.index.labels.values()
    }

    /// The shifts of image `i`, one a direction; none where there is no such image.
    pub fn label(&self, i: usize) -> &[f64] {
        self.labels().chunks_exact(self.directions().len()).nth(i).unwrap_or_default()
    }

    /// Storage of the images.
    pub fn layout(&self) -> Layout {
        if matches!(self.index.source, Source::Compact(_)) { Layout::Compact } else { Layout::Dense }
    }

    /// Number of events of each image; none in dense files, which do not say it.
    pub fn events(&self) -> Option<&[u64]> {
        match &self.index.source {
            Source::Compact(compact) => Some(compact.events()),
            _ => None,
        }
    }

    /// Provenance of the file; none in files that others made.
    pub fn provenance(&self) -> Option<&Provenance> {
        self.index.provenance.as_ref()
    }

    /// Reads image `i` over `image`.
    ///
    /// # Shapes
    /// `image`: `(cos_theta_l, cos_theta_k, chi)`.
    ///
    /// # Errors
    /// [`PipelineError::Corrupt`] for a damaged image or one with values that are not finite;
    /// [`PipelineError::Io`]; `i` or the length of `image` out of range.
    pub fn read(&self, i: usize, image: &mut [f32]) -> Result<(), PipelineError> {
        check_length(image.len(), self.cells)?;
        self.check_number(i)?;
        match &self.index.source {
            Source::Dense(offsets) => read_dense(&self.path, &self.file, offsets[i], image)?,
            Source::Library(decoder) => decoder.decode(i, image)?,
            Source::Compact(compact) => {
                return self.with_compact(compact, i, |compact| compact.to_dense(image));
            }
        }
        // No early exit: the compiler turns this into vector compares.
        if image.iter().fold(true, |ok, x| ok & x.is_finite()) {
            Ok(())
        } else {
            Err(PipelineError::refused(&self.path, format!("image {i} has values that are not finite")))
        }
    }

    /// Reads the number of events of each cell of image `i` over `counts`.
    ///
    /// # Shapes
    /// As [`ImageReader::read`].
    ///
    /// # Errors
    /// As [`ImageReader::read`]; a dense file, which has no counts.
    pub fn read_counts(&self, i: usize, counts: &mut [f32]) -> Result<(), PipelineError> {
        check_length(counts.len(), self.cells)?;
        self.check_number(i)?;
        self.with_compact(self.compact()?, i, |compact| compact.counts_to_dense(counts))
    }

    /// Reads sums and counts of image `i` over `image`, whatever its bins were.
    ///
    /// # Errors
    /// As [`ImageReader::read_counts`]. `image` is then of no use but to be read over.
    pub fn read_compact(&self, i: usize, image: &mut CompactImage) -> Result<(), PipelineError> {
        self.check_number(i)?;
        self.compact()?.read(&self.path, &self.file, i, image)
    }

    fn compact(&self) -> Result<&Compact, PipelineError> {
        match &self.index.source {
            Source::Compact(compact) => Ok(compact),
            _ => Err(PipelineError::out_of_range("layout", Layout::Dense, "compact, which has counts")),
        }
    }

    /// Runs `f` with image `i`, in this thread's memory for one.
    fn with_compact(
        &self,
        compact: &Compact,
        i: usize,
        f: impl FnOnce(&CompactImage) -> Result<(), PipelineError>,
    ) -> Result<(), PipelineError> {
        thread_local! {
            static IMAGE: RefCell<CompactImage> = RefCell::new(CompactImage::with_checked(2));
        }
        IMAGE.with_borrow_mut(|image| {
            compact.read(&self.path, &self.file, i, image)?;
            f(image)
        })
    }

    fn check_number(&self, i: usize) -> Result<(), PipelineError> {
        if i < self.len() {
            Ok(())
        } else {
            Err(PipelineError::out_of_range("image", i, format!("0 to {}", self.len() - 1)))
        }
    }

    /// Reads the images `chosen`, in that order and in parallel, over `images`.
    ///
    /// # Shapes
    /// `images`: `(chosen, cos_theta_l, cos_theta_k, chi)`.
    ///
    /// # Errors
    /// As [`ImageReader::read`], of the first image that fails.
    pub fn read_many(&self, chosen: &[usize], images: &mut [f32]) -> Result<(), PipelineError> {
        check_length(images.len(), chosen.len() * self.cells)?;
        images
            .par_chunks_exact_mut(self.cells)
            .zip(chosen)
            .map(|(image, &i)| self.read(i, image))
            .collect::<Vec<_>>()
            .into_iter()
            .collect()
    }

    /// Reads `count` images from image `start` on, in parallel; see [`ImageReader::read_many`].
    ///
    /// # Errors
    /// As [`ImageReader::read`], of the first image that fails.
    pub fn read_range(&self, start: usize, count: usize, images: &mut [f32]) -> Result<(), PipelineError> {
        self.read_many(&(start..start + count).collect::<Vec<_>>(), images)
    }
}
