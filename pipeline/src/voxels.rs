//! Voxel images: the mean q2 of one sample's events in cells of the three angles.
//!
//! An image has `bins^3` cells of equal width, axes `cos_theta_l, cos_theta_k, chi` in memory order
//! ([`Axis::ALL`]); a cell holds the mean q2 \[GeV^2\] of its events and 0 where it has none. A cell includes its
//! lower edge; the last cell of an axis includes its upper edge as well. Angles are LHCb's, f32 as in files.
//!
//! Source: the voxel study (Dubey et al.), section 3: images of 50^3 cells with q2 as colour.

use std::f64::consts::PI;

use humboldt_schemas::voxels::Axis;
use rayon::prelude::*;

use crate::EventBatch;
use crate::PipelineError;

/// Events are binned in blocks whose cell indices stay in the first-level cache.
const BLOCK: usize = 1024;

/// Single precision sums at most this many events a cell (on average) before they go into a double.
const EVENTS_PER_CELL: usize = 16;

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
    fn columns(&self) -> [(&'static str, &'a [f32], f32, f32); 4] {
        let pi = PI as f32;
        [
            ("q2", self.q2, f32::MIN_POSITIVE, Q2_MAX),
            (Axis::CosThetaL.name(), self.cos_theta_l, -1.0, 1.0),
            (Axis::CosThetaK.name(), self.cos_theta_k, -1.0, 1.0),
            (Axis::Chi.name(), self.chi, -pi, pi),
        ]
    }

    fn check_lengths(&self) -> Result<(), PipelineError> {
        self.columns().iter().try_for_each(|(name, column, ..)| check_length(name, column.len(), self.len()))
    }

    /// Refuses NaN and what is out of range; rows are counted from `first_row`.
    fn check_ranges(&self, first_row: usize) -> Result<(), PipelineError> {
        for (name, column, low, high) in self.columns() {
            // No early exit: the compiler turns this into vector compares.
            if column.iter().filter(|&&x| !(x >= low && x <= high)).count() == 0 {
                continue;
            }
            let bad = column.iter().position(|&x| !(x >= low && x <= high)).unwrap_or_default();
            let allowed =
                if name == "q2" { format!("above 0, to {high} GeV^2") } else { format!("{low} to {high}") };
            return Err(PipelineError::out_of_range(
                &format!("{name} in row {}", first_row + bad),
                column[bad],
                allowed,
            ));
        }
        Ok(())
    }
}

#[derive(Debug, Clone, Copy, Default)]
struct Cell {
    sum: f32,
    /// Signed, as plain x86-64 converts vectors of signed integers only.
    events: i32,
}

/// Bins events into images of one size; holds the scratch memory, so that an image allocates nothing.
#[derive(Debug)]
pub struct Voxeliser {
    bins: u32,
    cells: Vec<Cell>,
    /// Sums of earlier passes, only where an image has more events than one pass may hold.
    totals: Vec<f64>,
}

impl Voxeliser {
    /// For images of `bins`^3 cells.
    ///
    /// # Errors
    /// `bins` outside 2 to 256.
    pub fn new(bins: usize) -> Result<Self, PipelineError> {
        check_bins(bins)?;
        Ok(Self::with_checked(bins))
    }

    fn with_checked(bins: usize) -> Self {
        Self { bins: bins as u32, cells: vec![Cell::default(); bins.pow(3)], totals: Vec::new() }
    }

    /// Writes the image of `events` over `image`.
    ///
    /// # Shapes
    /// `image`: `(cos_theta_l, cos_theta_k, chi)`, `bins`^3 values.
    ///
    /// # Errors
    /// An angle or q2 that is NaN or out of range, with its column, row and value; `image` or a column of another
    /// length. `image` is then unchanged.
    pub fn voxelise(&mut self, events: EventSlices, image: &mut [f32]) -> Result<(), PipelineError> {
        self.voxelise_from(events, 0, image)
    }

    /// [`Voxeliser::voxelise`] for events that are row `first_row` and on of a larger table.
    fn voxelise_from(
        &mut self,
        events: EventSlices,
        first_row: usize,
        image: &mut [f32],
    ) -> Result<(), PipelineError> {
        check_length("image", image.len(), self.cells.len())?;
        events.check_lengths()?;
        events.check_ranges(first_row)?;
        let pass = EVENTS_PER_CELL * self.cells.len();
        let one_pass = events.len() <= pass;
        if !one_pass {
            self.totals.clear();
            self.totals.resize(self.cells.len(), 0.0);
        }
        for start in (0..events.len()).step_by(pass) {
            self.add(events.part(start, pass.min(events.len() - start)));
            if !one_pass {
                for (total, cell) in self.totals.iter_mut().zip(&mut self.cells) {
                    *total += f64::from(cell.sum);
                    cell.sum = 0.0;
                }
            }
        }
        if one_pass {
            for (value, cell) in image.iter_mut().zip(&mut self.cells) {
                // Dividing an empty cell by 1 spares a branch.
                *value = cell.sum / cell.events.max(1) as f32;
                *cell = Cell::default();
            }
        } else {
            for ((value, total), cell) in image.iter_mut().zip(&self.totals).zip(&mut self.cells) {
                *value = (total / f64::from(cell.events.max(1))) as f32;
                *cell = Cell::default();
            }
        }
        Ok(())
    }

    /// Adds validated events to the cells: first all indices of a block (vector arithmetic), then the sums.
    fn add(&mut self, events: EventSlices) {
        let bins = f64::from(self.bins);
        let mut index = [0_u32; BLOCK];
        for start in (0..events.len()).step_by(BLOCK) {
            let block = events.part(start, BLOCK.min(events.len() - start));
            let angles = block.cos_theta_l.iter().zip(block.cos_theta_k).zip(block.chi);
            for (index, ((&cos_theta_l, &cos_theta_k), &chi)) in index.iter_mut().zip(angles) {
                let l = bin(cos_theta_l, 1.0, bins);
                let k = bin(cos_theta_k, 1.0, bins);
                let c = bin(chi, PI, bins);
                *index = (((l * bins + k) * bins + c) + TWO_POW_52).to_bits() as u32;
            }
            for (&index, &q2) in index.iter().zip(block.q2) {
                let cell = &mut self.cells[index as usize];
                cell.sum += q2;
                cell.events += 1;
            }
        }
    }
}

/// Adding 2^52 to a double below it rounds to an integer, which then stands in the low bits.
const TWO_POW_52: f64 = 4_503_599_627_370_496.0;

/// Bin of `x` in `bins` equal bins from `-half_width` to `half_width`, as a whole number.
///
/// `f64::floor` and casts to integers cost a branch or a call each on plain x86-64; adding and subtracting 2^52
/// rounds, a comparison mends that to a floor, and all of it is vector arithmetic.
#[inline]
fn bin(x: f32, half_width: f64, bins: f64) -> f64 {
    let y = (f64::from(x) + half_width) * (bins / (2.0 * half_width));
    let rounded = (y + TWO_POW_52) - TWO_POW_52;
    let floor = if rounded > y { rounded - 1.0 } else { rounded };
    // pi as f32 is larger than pi, so that -pi as f32 lies below the first edge.
    floor.max(0.0).min(bins - 1.0)
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
    voxelise_rows(events, 0, events_per_image, bins, images)
}

fn voxelise_rows(
    events: EventSlices,
    first_row: usize,
    events_per_image: usize,
    bins: usize,
    images: &mut [f32],
) -> Result<usize, PipelineError> {
    check_bins(bins)?;
    check_events_per_image(events_per_image)?;
    events.check_lengths()?;
    let (cells, count) = (bins.pow(3), events.len() / events_per_image);
    check_length("images", images.len(), count * cells)?;
    images
        .par_chunks_exact_mut(cells)
        .enumerate()
        .with_min_len(4)
        .map_init(
            || Voxeliser::with_checked(bins),
            |voxeliser, (i, image)| {
                let start = i * events_per_image;
                voxeliser.voxelise_from(events.part(start, events_per_image), first_row + start, image)
            },
        )
        .collect::<Vec<_>>()
        .into_iter()
        .collect::<Result<(), _>>()?;
    Ok(events.len() % events_per_image)
}

/// What [`voxelise_stream`] made of its events.
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
    check_bins(bins)?;
    check_events_per_image(events_per_image)?;
    let cells = bins.pow(3);
    let group = (GROUP_BYTES / (4 * cells)).clamp(1, 64);
    let (mut pending, mut images, mut made) = (EventBatch::default(), Vec::new(), 0);
    let mut flush = |pending: &mut EventBatch, at_least: usize| {
        while pending.len() >= at_least * events_per_image {
            let n = (pending.len() / events_per_image).min(group);
            images.resize(n * cells, 0.0);
            let events = pending.angles().part(0, n * events_per_image);
            voxelise_rows(events, made * events_per_image, events_per_image, bins, &mut images)?;
            sink(&images)?;
            pending.remove_first(n * events_per_image);
            made += n;
        }
        Ok::<_, PipelineError>(made)
    };
    for batch in batches {
        pending.append(&batch?);
        flush(&mut pending, group)?;
    }
    let images = flush(&mut pending, 1)?;
    Ok(Voxelised { images, dropped: pending.len() })
}

const BINS: &str = "2 to 256";

fn check_bins(bins: usize) -> Result<(), PipelineError> {
    if (2..=256).contains(&bins) { Ok(()) } else { Err(PipelineError::out_of_range("bins", bins, BINS)) }
}

fn check_events_per_image(events: usize) -> Result<(), PipelineError> {
    if events > 0 { Ok(()) } else { Err(PipelineError::out_of_range("events_per_image", 0, "1 and more")) }
}

fn check_length(name: &str, got: usize, wanted: usize) -> Result<(), PipelineError> {
    if got == wanted {
        Ok(())
    } else {
        Err(PipelineError::out_of_range(&format!("length of {name}"), got, wanted.to_string()))
    }
}
