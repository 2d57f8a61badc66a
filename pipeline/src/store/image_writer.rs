//! Writes voxel images with labels, HDF5 or Arrow IPC, compact or dense: one writer for all.

use std::path::{Path, PathBuf};

use humboldt_physics::WilsonDirection;
use humboldt_schemas::card::{ImageFormat, ImageLayout as Layout, ImagesCard};
use humboldt_schemas::provenance::Provenance;
use humboldt_schemas::voxels::label;
use rayon::prelude::*;

use super::atomic::PartFile;
use super::compact::Encoded;
use super::labels::{C9, Labels};
use super::{arrow, arrow_compact, hdf5, hdf5_compact};
use crate::PipelineError;
use crate::voxels::CompactImage;

/// Images are encoded in groups of at most this number for each thread.
const ENCODED_PER_THREAD: usize = 4;

/// Shape and layout of a file of images.
#[derive(Debug, Clone, Copy)]
pub(super) struct Form {
    pub(super) layout: Layout,
    pub(super) format: ImageFormat,
    pub(super) bins: usize,
    pub(super) gzip: u8,
}

/// Writes images one after another, with bounded memory; the file appears under its name in
/// [`ImageWriter::finish`], and not at all if that is never called.
pub struct ImageWriter {
    path: PathBuf,
    sink: Sink,
    bins: usize,
    /// Directions of the labels.
    directions: Vec<WilsonDirection>,
    n_images: usize,
    written: usize,
}

enum Sink {
    Hdf5(hdf5::Writer),
    Arrow(Box<arrow::Writer>),
    Hdf5Compact(Box<hdf5_compact::Writer>),
    ArrowCompact(Box<arrow_compact::Writer>),
}

impl ImageWriter {
    /// Starts a file of `n_images` images, each labelled by its shift of C9, with the bins, format, layout and gzip level of
    /// `card`; gzip is for dense HDF5 only.
    ///
    /// # Errors
    /// As [`ImageWriter::create_labelled`].
    pub fn create(
        path: &Path,
        card: &ImagesCard,
        n_images: usize,
        provenance: &Provenance,
    ) -> Result<Self, PipelineError> {
        Self::create_labelled(path, card, n_images, &[C9], provenance)
    }

    /// As [`ImageWriter::create`], with a label for each of some directions: C9 first, the others by name.
    ///
    /// # Errors
    /// [`PipelineError::Io`] if the file cannot be written; no images, or bins or gzip out of range; directions in another order.
    pub fn create_labelled(
        path: &Path,
        card: &ImagesCard,
        n_images: usize,
        directions: &[WilsonDirection],
        provenance: &Provenance,
    ) -> Result<Self, PipelineError> {
        let form = Form { layout: card.layout, format: card.format, bins: card.bins, gzip: card.gzip };
        Self::start(path, form, n_images, directions, Some(provenance))
    }

    pub(super) fn start(
        path: &Path,
        form: Form,
        n_images: usize,
        directions: &[WilsonDirection],
        provenance: Option<&Provenance>,
    ) -> Result<Self, PipelineError> {
        let Form { layout, format, bins, gzip } = form;
        let unless = |ok, field, got: usize, allowed: &str| {
            if ok { Ok(()) } else { Err(PipelineError::out_of_range(field, got, allowed)) }
        };
        unless((2..=256).contains(&bins), "bins", bins, "2 to 256")?;
        unless(gzip <= 9, "gzip", gzip.into(), "0 to 9")?;
        unless(n_images > 0, "number of images", n_images, "1 and more")?;
        let labels = Labels::new(directions)?;
        let part = PartFile::create(path)?;
        let sink = match (format, layout) {
            (ImageFormat::Hdf5, Layout::Dense) => {
                Sink::Hdf5(hdf5::Writer::create(part, n_images, bins, gzip, labels, provenance)?)
            }
            (ImageFormat::Arrow, Layout::Dense) => {
                Sink::Arrow(Box::new(arrow::Writer::create(part, bins, labels, provenance)?))
            }
            (ImageFormat::Hdf5, Layout::Compact) => Sink::Hdf5Compact(Box::new(
                hdf5_compact::Writer::create(part, n_images, bins, labels, provenance)?,
            )),
            (ImageFormat::Arrow, Layout::Compact) => {
                Sink::ArrowCompact(Box::new(arrow_compact::Writer::create(part, bins, labels, provenance)?))
            }
        };
        Ok(Self { path: path.to_owned(), sink, bins, directions: directions.to_vec(), n_images, written: 0 })
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

    /// Adds images with their labels, NaN where a shift is not known; compresses them in parallel.
    ///
    /// # Shapes
    /// `images`: `(image, cos_theta_l, cos_theta_k, chi)`; `labels`: `(image, direction)`.
    ///
    /// # Errors
    /// [`PipelineError::Io`], as when the disk is full; more images than announced, a wrong length, or an infinite
    /// label; a compact file, which needs [`ImageWriter::push_compact`].
    pub fn push_many(&mut self, images: &[f32], labels: &[f64]) -> Result<(), PipelineError> {
        let total = self.check_labels(labels)?;
        check_length(images.len(), (total - self.written) * self.bins.pow(3))?;
        match &mut self.sink {
            Sink::Hdf5(writer) => writer.push_many(&self.path, images, labels)?,
            Sink::Arrow(writer) => writer.push_many(&self.path, images, labels)?,
            Sink::Hdf5Compact(_) | Sink::ArrowCompact(_) => {
                let allowed = "dense; a compact file needs sums and counts (push_compact)";
                return Err(PipelineError::out_of_range("layout", Layout::Compact, allowed));
            }
        }
        self.written = total;
        Ok(())
    }

    /// Adds images with their labels, NaN where a shift is not known, to a file of any layout; encodes them in parallel.
    ///
    /// # Shapes
    /// `labels`: `(image, direction)`.
    ///
    /// # Errors
    /// As [`ImageWriter::push_many`]; images of other bins than the file's.
    pub fn push_compact(&mut self, images: &[CompactImage], labels: &[f64]) -> Result<(), PipelineError> {
        let labelled = self.check_labels(labels)? - self.written;
        if images.len() != labelled {
            let allowed = format!("{labelled}, as many as have labels");
            return Err(PipelineError::out_of_range("number of images", images.len(), allowed));
        }
        if let Some(other) = images.iter().find(|image| image.bins() != self.bins) {
            let allowed = format!("{}, the bins of the file", self.bins);
            return Err(PipelineError::out_of_range("bins of an image", other.bins(), allowed));
        }
        let group = ENCODED_PER_THREAD * rayon::current_num_threads();
        images
            .chunks(group)
            .zip(labels.chunks(group * self.directions.len()))
            .try_for_each(|(images, labels)| self.group(images, labels))
    }

    /// Adds some compact images, checked.
    fn group(&mut self, images: &[CompactImage], labels: &[f64]) -> Result<(), PipelineError> {
        let encode = || images.par_iter().map(|image| (image, Encoded::of(image))).collect::<Vec<_>>();
        match &mut self.sink {
            Sink::Hdf5Compact(writer) => writer.push_many(&self.path, &encode(), labels)?,
            Sink::ArrowCompact(writer) => writer.push_many(&self.path, &encode(), labels)?,
            Sink::Hdf5(_) | Sink::Arrow(_) => {
                let cells = self.bins.pow(3);
                let mut dense = vec![0.0; images.len() * cells];
                let pairs = dense.par_chunks_exact_mut(cells).zip(images);
                pairs.map(|(dense, image)| image.to_dense(dense)).collect::<Result<(), _>>()?;
                return self.push_many(&dense, labels);
            }
        }
        self.written += images.len();
        Ok(())
    }

    /// The number of images with those of these labels.
    fn check_labels(&self, labels: &[f64]) -> Result<usize, PipelineError> {
        let width = self.directions.len();
        if !labels.len().is_multiple_of(width) {
            let allowed = format!("a multiple of {width}, one of each direction for each image");
            return Err(PipelineError::out_of_range("number of labels", labels.len(), allowed));
        }
        let total = self.written + labels.len() / width;
        if total > self.n_images {
            return Err(PipelineError::out_of_range("number of images", total, self.n_images.to_string()));
        }
        match labels.iter().position(|x| x.is_infinite()) {
            Some(at) => {
                let name = label(self.directions[at % width]);
                Err(PipelineError::out_of_range(&name, labels[at], "finite numbers, NaN for unknown"))
            }
            None => Ok(total),
        }
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
            Sink::Hdf5Compact(writer) => writer.finish(&self.path),
            Sink::ArrowCompact(writer) => writer.finish(&self.path),
        }
    }
}

pub(super) fn check_length(got: usize, wanted: usize) -> Result<(), PipelineError> {
    if got == wanted {
        Ok(())
    } else {
        Err(PipelineError::out_of_range("length of images", got, format!("{wanted} (images times bins^3)")))
    }
}
