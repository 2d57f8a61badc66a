//! Voxel images: the mean q2 of one sample's events in cells of the three angles.
//!
//! An image has `bins^3` cells of equal width, axes `cos_theta_l, cos_theta_k, chi` in memory order
//! ([`Axis::ALL`]); a cell holds the mean q2 \[GeV^2\] of its events and 0 where it has none. A cell includes its
//! lower edge; the last cell of an axis includes its upper edge as well, and what rounding has put beyond it. Angles are LHCb's, f32 as in files.
//!
//! Source: the voxel study (Dubey et al.), section 3: images of 50^3 cells with q2 as colour.

mod cells;
mod compact;
mod voxeliser;

use std::f64::consts::PI;

use humboldt_schemas::voxels::Axis;
use rayon::prelude::*;

use crate::phase_space::{ROUNDING, outside};
use crate::{EventBatch, PipelineError};

use cells::{BLOCK, locate};
pub use compact::CompactImage;
pub(crate) use compact::bitmap_bytes;
pub use voxeliser::Voxeliser;

/// Images are made in groups of at most this size [bytes], so that memory stays bounded.
const GROUP_BYTES: usize = 32 << 20;

/// No B decay reaches q2 [GeV^2] above `m_B^2` = 27.9; what is above is in other units.
const Q2_MAX: f32 = 28.0;

/// The columns that make an image; all of the same length.
#[derive(Debug, Clone, Copy)]
pub struct EventSlices<'a> {
    /// Lepton pair mass squared [GeV^2].
    pub q2: &'a [f32],
    /// Cosine of the lepton helicity angle.
    pub cos_theta_l: &'a [f32],
    /// Cosine of the K* helicity angle.
    pub cos_theta_k: &'a [f32],
    /// Decay-plane angle, -pi to pi.
    pub chi: &'a [f32],
}

impl<'a> EventSlices<'a> {
    /// Number of events.
    pub const fn len(&self) -> usize {
        self.q2.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.q2.is_empty()
    }

    /// Events `start` to `start + n`.
    fn part(&self, start: usize, n: usize) -> Self {
        let range = start..start + n;
        Self {
            q2: &self.q2[range.clone()],
            cos_theta_l: &self.cos_theta_l[range.clone()],
            cos_theta_k: &self.cos_theta_k[range.clone()],
            chi: &self.chi[range],
        }
    }

    /// The columns with their names and what they may hold.
    #[inline]
    fn columns(&self) -> [(&'static str, &'a [f32], f32, f32); 4] {
        let (one, pi) = ((1.0 + ROUNDING) as f32, (PI * (1.0 + ROUNDING)) as f32);
        [
            ("q2", self.q2, f32::MIN_POSITIVE, Q2_MAX),
            (Axis::CosThetaL.name(), self.cos_theta_l, -one, one),
            (Axis::CosThetaK.name(), self.cos_theta_k, -one, one),
            (Axis::Chi.name(), self.chi, -pi, pi),
        ]
    }

    fn check_lengths(&self) -> Result<(), PipelineError> {
        self.columns().iter().try_for_each(|(name, column, ..)| check_length(name, column.len(), self.len()))
    }

    /// The error for the first value that is NaN or out of range; rows are counted from `first_row`.
    #[cold]
    fn out_of_range(&self, first_row: usize) -> PipelineError {
        let bad = self.columns().into_iter().find_map(|(name, column, low, high)| {
            let row = column.iter().position(|&x| !(x >= low && x <= high))?;
            let allowed = match name {
                "q2" => format!("above 0, to {Q2_MAX}, in GeV^2"),
                "chi" => "-pi to pi, in radians".to_owned(),
                _ => "-1 to 1".to_owned(),
            };
            Some(outside(name, first_row + row, column[row], allowed))
        });
        bad.unwrap_or_else(|| PipelineError::out_of_range("events", "out of range", "values in range"))
    }
}

/// The cell of each event in an image of `bins`^3, as its index `(l * bins + k) * bins + c`.
///
/// # Errors
/// When an event lies outside the axes, or the columns differ in length.
pub fn cells(events: EventSlices, bins: usize) -> Result<Vec<u32>, PipelineError> {
    check_bins(bins)?;
    events.check_lengths()?;
    let mut all = Vec::with_capacity(events.len());
    let mut cells = [0_u32; BLOCK];
    for start in (0..events.len()).step_by(BLOCK) {
        let block = events.part(start, BLOCK.min(events.len() - start));
        if !locate(block, bins as u32, &mut cells) {
            return Err(events.out_of_range(0));
        }
        all.extend_from_slice(&cells[..block.len()]);
    }
    Ok(all)
}

/// Bins the events of many images in parallel: image `i` has events `i * events_per_image` and on. What is left
/// after the last whole image is dropped; the number of events dropped is returned.
///
/// # Shapes
/// `images`: `(image, cos_theta_l, cos_theta_k, chi)`, with `events.len() / events_per_image` images.
///
/// # Errors
/// As [`Voxeliser::voxelise`], of the first bad image; no events in an image; `bins` outside 2 to 256.
pub fn voxelise_many(
    events: EventSlices,
    events_per_image: usize,
    bins: usize,
    images: &mut [f32],
) -> Result<usize, PipelineError> {
    let sizes = Sizes::new(events_per_image, bins)?;
    check_length("images", images.len(), sizes.images(events) * bins.pow(3))?;
    sizes.dense(events, 0, images)?;
    Ok(events.len() % events_per_image)
}

/// [`voxelise_many`] with compact images, as many as the events make, over `images`.
///
/// # Errors
/// As [`voxelise_many`].
pub fn voxelise_many_compact(
    events: EventSlices,
    events_per_image: usize,
    bins: usize,
    images: &mut Vec<CompactImage>,
) -> Result<usize, PipelineError> {
    Sizes::new(events_per_image, bins)?.compact(events, 0, images)?;
    Ok(events.len() % events_per_image)
}

/// Account of what [`voxelise_stream`] made of its events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Voxelised {
    /// Images made.
    pub images: usize,
    /// Events left over after the last image, and dropped.
    pub dropped: usize,
}

/// Bins a stream of event batches of any size and gives the images, some at a time and in order, to `sink`.
/// Memory stays bounded whatever the number of events.
///
/// # Shapes
/// `sink` gets `(image, cos_theta_l, cos_theta_k, chi)` with one image or more.
///
/// # Errors
/// As [`voxelise_many`], with rows counted from the first batch; the errors of the batches and of `sink`.
pub fn voxelise_stream(
    batches: impl IntoIterator<Item = Result<EventBatch, PipelineError>>,
    events_per_image: usize,
    bins: usize,
    mut sink: impl FnMut(&[f32]) -> Result<(), PipelineError>,
) -> Result<Voxelised, PipelineError> {
    let (sizes, mut images) = (Sizes::new(events_per_image, bins)?, Vec::new());
    sizes.stream(batches, |events, first_row| {
        images.resize(sizes.images(events) * bins.pow(3), 0.0);
        sizes.dense(events, first_row, &mut images)?;
        sink(&images)
    })
}

/// [`voxelise_stream`] with compact images.
///
/// # Errors
/// As [`voxelise_stream`].
pub fn voxelise_stream_compact(
    batches: impl IntoIterator<Item = Result<EventBatch, PipelineError>>,
    events_per_image: usize,
    bins: usize,
    mut sink: impl FnMut(&[CompactImage]) -> Result<(), PipelineError>,
) -> Result<Voxelised, PipelineError> {
    let (sizes, mut images) = (Sizes::new(events_per_image, bins)?, Vec::new());
    sizes.stream(batches, |events, first_row| {
        sizes.compact(events, first_row, &mut images)?;
        sink(&images)
    })
}

/// Binning of events into images; checked.
#[derive(Debug, Clone, Copy)]
struct Sizes {
    events_per_image: usize,
    bins: usize,
}

impl Sizes {
    fn new(events_per_image: usize, bins: usize) -> Result<Self, PipelineError> {
        check_bins(bins)?;
        if events_per_image == 0 {
            return Err(PipelineError::out_of_range("events_per_image", 0, "1 and more"));
        }
        Ok(Self { events_per_image, bins })
    }

    /// Whole images in `events`.
    fn images(self, events: EventSlices) -> usize {
        events.len() / self.events_per_image
    }

    fn dense(self, events: EventSlices, first_row: usize, images: &mut [f32]) -> Result<(), PipelineError> {
        let images = images.par_chunks_exact_mut(self.bins.pow(3));
        self.each(events, first_row, images, Voxeliser::voxelise_from)
    }

    fn compact(
        self,
        events: EventSlices,
        first_row: usize,
        images: &mut Vec<CompactImage>,
    ) -> Result<(), PipelineError> {
        images.resize_with(self.images(events), || CompactImage::with_checked(self.bins));
        self.each(events, first_row, images.par_iter_mut(), Voxeliser::voxelise_compact_from)
    }

    /// Bins each image's events; of several errors the first.
    fn each<T: Send>(
        self,
        events: EventSlices,
        first_row: usize,
        images: impl IndexedParallelIterator<Item = T>,
        bin: impl Fn(&mut Voxeliser, EventSlices, usize, T) -> Result<(), PipelineError> + Sync,
    ) -> Result<(), PipelineError> {
        events.check_lengths()?;
        images
            .enumerate()
            .with_min_len(4)
            .map_init(
                || Voxeliser::with_checked(self.bins),
                |voxeliser, (i, image)| {
                    let start = i * self.events_per_image;
                    bin(voxeliser, events.part(start, self.events_per_image), first_row + start, image)
                },
            )
            .collect::<Vec<_>>()
            .into_iter()
            .collect()
    }

    /// Gives the events of a group of images, and the row of the first, to `flush`.
    fn stream(
        self,
        batches: impl IntoIterator<Item = Result<EventBatch, PipelineError>>,
        mut flush: impl FnMut(EventSlices, usize) -> Result<(), PipelineError>,
    ) -> Result<Voxelised, PipelineError> {
        let group = (GROUP_BYTES / (4 * self.bins.pow(3))).clamp(1, 64);
        let (mut pending, mut made) = (EventBatch::default(), 0);
        let mut whole_images = |pending: &mut EventBatch, at_least: usize| {
            while pending.len() >= at_least * self.events_per_image {
                let n = self.images(pending.angles()).min(group);
                flush(pending.angles().part(0, n * self.events_per_image), made * self.events_per_image)?;
                pending.remove_first(n * self.events_per_image);
                made += n;
            }
            Ok::<_, PipelineError>(made)
        };
        for batch in batches {
            pending.append(&batch?);
            whole_images(&mut pending, group)?;
        }
        let images = whole_images(&mut pending, 1)?;
        Ok(Voxelised { images, dropped: pending.len() })
    }
}

const BINS: &str = "2 to 256";

fn check_bins(bins: usize) -> Result<(), PipelineError> {
    if (2..=256).contains(&bins) { Ok(()) } else { Err(PipelineError::out_of_range("bins", bins, BINS)) }
}

fn check_length(name: &str, got: usize, wanted: usize) -> Result<(), PipelineError> {
    if got == wanted {
        Ok(())
    } else {
        Err(PipelineError::out_of_range(&format!("length of {name}"), got, wanted.to_string()))
    }
}
