//! Voxel images with labels, HDF5 or Arrow IPC: one writer and one reader for both.

use std::fs::File;
use std::path::{Path, PathBuf};

use humboldt_schemas::card::{ImageFormat, ImagesCard};
use humboldt_schemas::provenance::Provenance;
use rayon::prelude::*;

use super::atomic::PartFile;
use super::index::{Index, Source, read_at, read_dense};
use super::{arrow, hdf5};
use crate::PipelineError;

/// Writes images one after another, with bounded memory; the file appears under its name in
/// [`ImageWriter::finish`], and not at all if that is never called.
pub struct ImageWriter {
    path: PathBuf,
    sink: Sink,
    cells: usize,
    n_images: usize,
    written: usize,
}

enum Sink {
    Hdf5(hdf5::Writer),
    Arrow(Box<arrow::Writer>),
}

impl ImageWriter {
    /// Starts a file of `n_images` images with the bins, format and gzip level of `card` (gzip is for HDF5 only).
    ///
    /// # Errors
    /// [`PipelineError::Io`] if the file cannot be written; no images, or bins or gzip out of range.
    pub fn create(
        path: &Path,
        card: &ImagesCard,
        n_images: usize,
        provenance: &Provenance,
    ) -> Result<Self, PipelineError> {
        let unless = |ok, field, got: usize, allowed: &str| {
            if ok { Ok(()) } else { Err(PipelineError::out_of_range(field, got, allowed)) }
        };
        unless((2..=256).contains(&card.bins), "bins", card.bins, "2 to 256")?;
        unless(card.gzip <= 9, "gzip", card.gzip.into(), "0 to 9")?;
        unless(n_images > 0, "number of images", n_images, "1 and more")?;
        let part = PartFile::create(path)?;
        let sink = match card.format {
            ImageFormat::Hdf5 => {
                Sink::Hdf5(hdf5::Writer::create(part, n_images, card.bins, card.gzip, provenance)?)
            }
            ImageFormat::Arrow => Sink::Arrow(Box::new(arrow::Writer::create(part, card.bins, provenance)?)),
        };
        Ok(Self { path: path.to_owned(), sink, cells: card.bins.pow(3), n_images, written: 0 })
    }

    /// Adds one image.
    ///
    /// # Shapes
    /// `image`: `(cos_theta_l, cos_theta_k, chi)`.
    ///
    /// # Errors
    /// As [`ImageWriter::push_many`].
    pub fn push(&mut self, image: &[f32], delta_c9: f64) -> Result<(), PipelineError> {
        self.push_many(image, &[delta_c9])
    }

    /// Adds one image for each of the labels `delta_c9`; they are compressed in parallel.
    ///
    /// # Shapes
    /// `images`: `(image, cos_theta_l, cos_theta_k, chi)`.
    ///
    /// # Errors
    /// [`PipelineError::Io`], as when the disk is full; more images than announced, a wrong length, or a label
    /// that is not finite.
    pub fn push_many(&mut self, images: &[f32], delta_c9: &[f64]) -> Result<(), PipelineError> {
        check_length(images.len(), delta_c9.len() * self.cells)?;
        let total = self.written + delta_c9.len();
        if total > self.n_images {
            return Err(PipelineError::out_of_range("number of images", total, format!("{}", self.n_images)));
        }
        if let Some(bad) = delta_c9.iter().find(|x| !x.is_finite()) {
            return Err(PipelineError::out_of_range("delta_c9", bad, "finite numbers"));
        }
        match &mut self.sink {
            Sink::Hdf5(writer) => writer.push_many(&self.path, images, delta_c9)?,
            Sink::Arrow(writer) => writer.push_many(&self.path, images, delta_c9)?,
        }
        self.written = total;
        Ok(())
    }

    /// Completes the file, syncs it to the disk and gives it its name.
    ///
    /// # Errors
    /// [`PipelineError::Io`]; fewer images than announced. There is then no new file.
    pub fn finish(self) -> Result<(), PipelineError> {
        if self.written != self.n_images {
            let allowed = self.n_images.to_string();
            return Err(PipelineError::out_of_range("number of images", self.written, allowed));
        }
        match self.sink {
            Sink::Hdf5(writer) => writer.finish(&self.path),
            Sink::Arrow(writer) => writer.finish(&self.path),
        }
    }
}

/// Reads images in any order, from any number of threads.
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
    /// [`PipelineError::Io`]; [`PipelineError::Corrupt`] for anything else than a whole file of images.
    pub fn open(path: &Path) -> Result<Self, PipelineError> {
        let file = File::open(path).map_err(PipelineError::io(path))?;
        let metadata = file.metadata().map_err(PipelineError::io(path))?;
        if metadata.is_dir() {
            return Err(PipelineError::io(path)(std::io::ErrorKind::IsADirectory.into()));
        }
        let len = metadata.len();
        if len == 0 {
            return Err(PipelineError::corrupt(path, "empty"));
        }
        let mut start = [0; 8];
        let known = len.min(8) as usize;
        read_at(path, &file, 0, &mut start[..known])?;
        let index = if start == hdf5::SIGNATURE {
            hdf5::index(path, &file, len)?
        } else if start.starts_with(arrow::MAGIC) {
            arrow::index(path, &file, len)?
        } else {
            return Err(PipelineError::corrupt(path, "neither HDF5 nor an Arrow IPC file"));
        };
        index.validate(path, len)?;
        let cells = index.bins.pow(3);
        Ok(Self { path: path.to_owned(), file, index, cells })
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.index.labels.len()
    }

    /// Never true: a file without images is refused.
    pub fn is_empty(&self) -> bool {
        self.index.labels.is_empty()
    }

    /// Bins of each axis.
    pub fn bins(&self) -> usize {
        self.index.bins
    }

    /// The shift of C9 of each image.
    pub fn labels(&self) -> &[f64] {
        &self.index.labels
    }

    /// Where the file comes from; none in files that others made.
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
        if i >= self.len() {
            return Err(PipelineError::out_of_range("image", i, format!("0 to {}", self.len() - 1)));
        }
        match &self.index.source {
            Source::Dense(offsets) => read_dense(&self.path, &self.file, offsets[i], image)?,
            Source::Library(decoder) => decoder.decode(i, image)?,
        }
        // No early exit: the compiler turns this into vector compares.
        if image.iter().fold(true, |ok, x| ok & x.is_finite()) {
            Ok(())
        } else {
            Err(PipelineError::corrupt(&self.path, format!("image {i} has values that are not finite")))
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

fn check_length(got: usize, wanted: usize) -> Result<(), PipelineError> {
    if got == wanted {
        Ok(())
    } else {
        Err(PipelineError::out_of_range("length of images", got, format!("{wanted} (images times bins^3)")))
    }
}
