//! From events to one image.

use super::cells::{BLOCK, locate};
use super::compact::{CompactImage, mean, words};
use super::{EventSlices, check_bins, check_length};
use crate::PipelineError;

/// A cell's sum in single precision, and its count in a byte, take so many events before they go into a wider pair.
const SPILL: u8 = 64;

/// Cells are looked through in groups of so many, the bits of a word.
const WORD: usize = 64;

/// Events that a cell had beyond what its narrow counters hold.
#[derive(Debug, Clone, Copy, Default)]
struct Spilled {
    sum: f64,
    events: u32,
}

/// Bins events into images of one size; holds the scratch memory, so that an image allocates nothing.
#[derive(Debug, Clone)]
pub struct Voxeliser {
    bins: u32,
    /// Of whole words.
    sums: Vec<f32>,
    /// Of whole words, all below [`SPILL`].
    counts: Vec<u8>,
    /// Up to the last cell that has many events.
    spilled: Vec<Spilled>,
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

    pub(super) fn with_checked(bins: usize) -> Self {
        let room = bins.pow(3).next_multiple_of(WORD);
        Self { bins: bins as u32, sums: vec![0.0; room], counts: vec![0; room], spilled: Vec::new() }
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

    /// Writes the image of `events` over `image`, with the sum and the count of each occupied cell.
    /// [`CompactImage::to_dense`] then gives what [`Voxeliser::voxelise`] gives, to the last bit.
    ///
    /// # Errors
    /// As [`Voxeliser::voxelise`]. `image` is then unchanged.
    pub fn voxelise_compact(
        &mut self,
        events: EventSlices,
        image: &mut CompactImage,
    ) -> Result<(), PipelineError> {
        self.voxelise_compact_from(events, 0, image)
    }

    /// [`Voxeliser::voxelise`] for events that are row `first_row` and on of a larger table.
    pub(super) fn voxelise_from(
        &mut self,
        events: EventSlices,
        first_row: usize,
        image: &mut [f32],
    ) -> Result<(), PipelineError> {
        check_length("image", image.len(), self.cells())?;
        self.fill(events, first_row)?;
        if self.spilled.is_empty() {
            pulp::Arch::new().dispatch(|| means(&self.sums, &self.counts, image));
        } else {
            for (i, value) in image.iter_mut().enumerate() {
                let (sum, events) = self.total(i);
                *value = mean(sum, events.max(1));
            }
        }
        self.clear();
        Ok(())
    }

    /// [`Voxeliser::voxelise_compact`] for events that are row `first_row` and on of a larger table.
    pub(super) fn voxelise_compact_from(
        &mut self,
        events: EventSlices,
        first_row: usize,
        image: &mut CompactImage,
    ) -> Result<(), PipelineError> {
        self.fill(events, first_row)?;
        let words = self.counts.as_chunks::<WORD>().0.iter().enumerate();
        image.mark(self.bins as usize, words.map(|(i, counts)| occupied(counts) | self.spilled_in(i)));
        if self.spilled.is_empty() {
            image.fill(|cell| (self.sums[cell], self.counts[cell].into()));
        } else {
            image.fill(|cell| self.total(cell));
        }
        self.clear();
        Ok(())
    }

    fn cells(&self) -> usize {
        (self.bins as usize).pow(3)
    }

    /// Adds `events` to empty cells; leaves them empty on an error.
    fn fill(&mut self, events: EventSlices, first_row: usize) -> Result<(), PipelineError> {
        events.check_lengths()?;
        let mut cells = [0_u32; BLOCK];
        for start in (0..events.len()).step_by(BLOCK) {
            let block = events.part(start, BLOCK.min(events.len() - start));
            if !locate(block, self.bins, &mut cells) {
                self.clear();
                return Err(events.out_of_range(first_row));
            }
            self.add(&cells, block.q2);
        }
        Ok(())
    }

    fn add(&mut self, cells: &[u32; BLOCK], q2: &[f32]) {
        let Self { sums, counts, spilled, .. } = self;
        let (sums, counts) = (&mut sums[..], &mut counts[..]);
        for (&cell, &q2) in cells.iter().zip(q2) {
            let cell = cell as usize;
            let (sum, count) = (&mut sums[cell], &mut counts[cell]);
            *sum += q2;
            *count += 1;
            if *count == SPILL {
                spill(spilled, cell, sum, count);
            }
        }
    }

    /// Sum of q2 and number of events of a cell.
    #[inline]
    fn total(&self, cell: usize) -> (f32, u32) {
        let (sum, count) = (self.sums[cell], u32::from(self.counts[cell]));
        match self.spilled.get(cell) {
            None => (sum, count),
            Some(spilled) => ((spilled.sum + f64::from(sum)) as f32, spilled.events + count),
        }
    }

    /// Which of the 64 cells of a word have spilled.
    fn spilled_in(&self, word: usize) -> u64 {
        let cells = self.spilled.iter().skip(word * WORD).take(WORD);
        cells.enumerate().fold(0, |all, (bit, cell)| all | u64::from(cell.events > 0) << bit)
    }

    fn clear(&mut self) {
        self.sums.fill(0.0);
        self.counts.fill(0);
        self.spilled.clear();
    }
}

#[cold]
#[inline(never)]
fn spill(all: &mut Vec<Spilled>, cell: usize, sum: &mut f32, count: &mut u8) {
    if all.len() <= cell {
        all.resize(cell + 1, Spilled::default());
    }
    all[cell].sum += f64::from(std::mem::take(sum));
    all[cell].events += u32::from(std::mem::take(count));
}

/// Means of cells that have not spilled.
#[inline]
fn means(sums: &[f32], counts: &[u8], image: &mut [f32]) {
    for (value, (&sum, &count)) in image.iter_mut().zip(sums.iter().zip(counts)) {
        // Dividing an empty cell by 1 spares a branch.
        *value = sum / f32::from(count.max(1));
    }
}

/// Which of 64 cells have events, the first in the lowest bit. Counts are below 128.
fn occupied(counts: &[u8; WORD]) -> u64 {
    words(counts).enumerate().fold(0, |all, (i, eight)| {
        // The highest bit of each byte that is not 0, moved to its lowest, then all eight moved side by side.
        let ones = ((eight + 0x7f7f_7f7f_7f7f_7f7f) >> 7) & 0x0101_0101_0101_0101;
        all | (ones.wrapping_mul(0x0102_0408_1020_4080) >> 56) << (8 * i)
    })
}
