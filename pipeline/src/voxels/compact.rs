//! Images as they are stored: only the cells that have events, with the sum of q2 and the number of events of each.
//!
//! Unlike means, sums and counts can be added and binned more coarsely. An image cannot be split into two: its events
//! are gone. A *set* of images can, into several files: see [`crate::store::export`].

use super::{EventSlices, Voxeliser, check_bins, check_length};
use crate::PipelineError;

/// One image: which cells are occupied, and what is in them.
///
/// # Shapes
/// Cells are numbered in row-major order, `(cos_theta_l * bins + cos_theta_k) * bins + chi`. `bitmap`: a bit a cell, cell
/// `i` in bit `i % 8` (of value `1 << i % 8`) of byte `i / 8`; `sums`, `counts`: one an occupied cell, in that order.
#[derive(Debug, Clone, PartialEq)]
pub struct CompactImage {
    bins: usize,
    bitmap: Vec<u8>,
    sums: Vec<f32>,
    counts: Vec<u32>,
}

impl CompactImage {
    /// An image without events.
    ///
    /// # Errors
    /// `bins` outside 2 to 256.
    pub fn new(bins: usize) -> Result<Self, PipelineError> {
        check_bins(bins)?;
        Ok(Self::with_checked(bins))
    }

    pub(crate) fn with_checked(bins: usize) -> Self {
        let bitmap = vec![0; bitmap_bytes(bins)];
        Self { bins, bitmap, sums: Vec::new(), counts: Vec::new() }
    }

    /// The image of `events`; for many images, [`Voxeliser::voxelise_compact`] spares the memory.
    ///
    /// # Errors
    /// As [`Voxeliser::voxelise`]; `bins` outside 2 to 256.
    pub fn of(events: EventSlices, bins: usize) -> Result<Self, PipelineError> {
        let mut image = Self::new(bins)?;
        Voxeliser::with_checked(bins).voxelise_compact(events, &mut image)?;
        Ok(image)
    }

    /// An image of these parts.
    ///
    /// # Errors
    /// Lengths that do not belong together, a bit behind the last cell, a count of 0, a sum that is not finite; `bins`
    /// outside 2 to 256.
    pub fn from_parts(
        bins: usize,
        bitmap: Vec<u8>,
        sums: Vec<f32>,
        counts: Vec<u32>,
    ) -> Result<Self, PipelineError> {
        check_bins(bins)?;
        let image = Self { bins, bitmap, sums, counts };
        image.check()?;
        Ok(image)
    }

    /// Bins of each axis.
    pub fn bins(&self) -> usize {
        self.bins
    }

    /// Bits of the occupied cells; see [`CompactImage`].
    pub fn bitmap(&self) -> &[u8] {
        &self.bitmap
    }

    /// Sum of q2 [GeV^2] of the events of each occupied cell.
    pub fn sums(&self) -> &[f32] {
        &self.sums
    }

    /// Number of events of each occupied cell.
    pub fn counts(&self) -> &[u32] {
        &self.counts
    }

    /// Number of events.
    pub fn events(&self) -> u64 {
        self.counts.iter().map(|&count| u64::from(count)).sum()
    }

    /// Writes the mean q2 of each cell over `image`, 0 where there are no events.
    ///
    /// # Shapes
    /// `image`: `(cos_theta_l, cos_theta_k, chi)`, `bins`^3 values.
    ///
    /// # Errors
    /// `image` of another length.
    pub fn to_dense(&self, image: &mut [f32]) -> Result<(), PipelineError> {
        let means = self.sums.iter().zip(&self.counts).map(|(&sum, &count)| mean(sum, count));
        self.scatter(means, image)
    }

    /// Writes the number of events of each cell over `image`.
    ///
    /// # Shapes
    /// As [`CompactImage::to_dense`].
    ///
    /// # Errors
    /// `image` of another length.
    pub fn counts_to_dense(&self, image: &mut [f32]) -> Result<(), PipelineError> {
        self.scatter(self.counts.iter().map(|&count| count as f32), image)
    }

    /// Adds the events of `other`. Counts are exact; sums are rounded to single precision each time, so that the order
    /// of several merges can matter in the last bits.
    ///
    /// # Errors
    /// `other` of other bins; more than 2^32 - 1 events in a cell. The image is then unchanged.
    pub fn merge(&mut self, other: &Self) -> Result<(), PipelineError> {
        if other.bins != self.bins {
            return Err(PipelineError::out_of_range(
                "bins of the other image",
                other.bins,
                self.bins.to_string(),
            ));
        }
        let mut both = Self::with_checked(self.bins);
        for (both, (ours, theirs)) in both.bitmap.iter_mut().zip(self.bitmap.iter().zip(&other.bitmap)) {
            *both = ours | theirs;
        }
        let (mut ours, mut theirs, mut overflow) = (self.occupied(), other.occupied(), false);
        both.fill(|cell| {
            let next = |image: &Self, cells: &mut dyn Iterator<Item = (f32, u32)>| {
                if image.has(cell) { cells.next().unwrap_or_default() } else { (0.0, 0) }
            };
            let ((sum, count), (more, events)) = (next(self, &mut ours), next(other, &mut theirs));
            overflow |= count.checked_add(events).is_none();
            (sum + more, count.wrapping_add(events))
        });
        drop((ours, theirs));
        if overflow {
            return Err(too_many());
        }
        *self = both;
        Ok(())
    }

    /// Events of the image in fewer, wider bins. The cells are those of binning the events anew, but for events within
    /// the rounding of a double next to an edge.
    ///
    /// # Errors
    /// `bins` that does not divide the bins of this image, or is outside 2 to 256; more than 2^32 - 1 events in a cell.
    pub fn rebin(&self, bins: usize) -> Result<Self, PipelineError> {
        check_bins(bins)?;
        if !self.bins.is_multiple_of(bins) {
            return Err(PipelineError::out_of_range("bins", bins, format!("a divisor of {}", self.bins)));
        }
        let width = self.bins / bins;
        let mut cells = vec![(0.0_f64, 0_u64); bins.pow(3)];
        for (cell, (sum, count)) in ones(&self.bitmap).zip(self.occupied()) {
            let (l, k, c) = (cell / (self.bins * self.bins), cell / self.bins % self.bins, cell % self.bins);
            let coarse = &mut cells[((l / width) * bins + k / width) * bins + c / width];
            *coarse = (coarse.0 + f64::from(sum), coarse.1 + u64::from(count));
        }
        if cells.iter().any(|(_, count)| u32::try_from(*count).is_err()) {
            return Err(too_many());
        }
        let mut image = Self::with_checked(bins);
        for (cell, _) in cells.iter().enumerate().filter(|(_, cell)| cell.1 > 0) {
            image.bitmap[cell / 8] |= 1 << (cell % 8);
        }
        image.fill(|cell| (cells[cell].0 as f32, cells[cell].1 as u32));
        Ok(image)
    }

    /// The parts, to be filled by a reader that then calls [`CompactImage::check`].
    pub(crate) fn parts_mut(&mut self, bins: usize) -> (&mut Vec<u8>, &mut Vec<f32>, &mut Vec<u32>) {
        self.bins = bins;
        (&mut self.bitmap, &mut self.sums, &mut self.counts)
    }

    /// Refuses parts that do not belong together.
    pub(crate) fn check(&self) -> Result<(), PipelineError> {
        check_length("bitmap", self.bitmap.len(), bitmap_bytes(self.bins))?;
        let occupied: u64 = words(&self.bitmap).map(|word| u64::from(word.count_ones())).sum();
        check_length("sums", self.sums.len(), occupied as usize)?;
        check_length("counts", self.counts.len(), occupied as usize)?;
        let used = self.bins.pow(3) % 8;
        let last = self.bitmap.last().copied().unwrap_or_default();
        if used > 0 && last >> used != 0 {
            return Err(PipelineError::out_of_range("last byte of bitmap", last, format!("{used} bits")));
        }
        // No early exits: the compiler turns these into vector compares.
        if self.counts.iter().fold(0, |empty, &count| empty | u32::from(count == 0)) > 0 {
            return Err(PipelineError::out_of_range("count of an occupied cell", 0, "1 and more"));
        }
        if self.sums.iter().fold(0, |bad, sum| bad | u32::from(!sum.is_finite())) > 0 {
            return Err(PipelineError::out_of_range("sum of q2", "NaN or infinity", "finite values"));
        }
        Ok(())
    }

    /// Marks the cells that are occupied, in words of 64; [`CompactImage::fill`] must follow.
    pub(super) fn mark(&mut self, bins: usize, occupied: impl Iterator<Item = u64>) {
        self.bins = bins;
        self.bitmap.clear();
        self.bitmap.extend(occupied.flat_map(u64::to_le_bytes));
        self.bitmap.truncate(bitmap_bytes(bins));
    }

    /// Sets the sum and the count of each cell that is marked.
    #[inline]
    pub(super) fn fill(&mut self, mut cell: impl FnMut(usize) -> (f32, u32)) {
        let occupied = words(&self.bitmap).map(|word| word.count_ones() as usize).sum();
        self.sums.resize(occupied, 0.0);
        self.counts.resize(occupied, 0);
        let mut cells = self.sums.iter_mut().zip(&mut self.counts);
        for (i, mut rest) in words(&self.bitmap).enumerate() {
            while rest != 0 {
                if let Some((sum, count)) = cells.next() {
                    (*sum, *count) = cell(64 * i + rest.trailing_zeros() as usize);
                }
                rest &= rest - 1;
            }
        }
    }

    /// Whether a cell has events.
    fn has(&self, cell: usize) -> bool {
        self.bitmap[cell / 8] >> (cell % 8) & 1 == 1
    }

    fn occupied(&self) -> impl Iterator<Item = (f32, u32)> {
        self.sums.iter().copied().zip(self.counts.iter().copied())
    }

    fn scatter(&self, mut values: impl Iterator<Item = f32>, image: &mut [f32]) -> Result<(), PipelineError> {
        check_length("image", image.len(), self.bins.pow(3))?;
        image.fill(0.0);
        for (cells, mut rest) in image.chunks_mut(64).zip(words(&self.bitmap)) {
            while rest != 0 {
                if let (Some(cell), Some(value)) =
                    (cells.get_mut(rest.trailing_zeros() as usize), values.next())
                {
                    *cell = value;
                }
                rest &= rest - 1;
            }
        }
        Ok(())
    }
}

/// Bytes of the bitmap of an image.
pub(crate) const fn bitmap_bytes(bins: usize) -> usize {
    bins.pow(3).div_ceil(8)
}

/// Mean q2 of a cell that has events; everywhere the same rounding.
#[inline]
pub(super) fn mean(sum: f32, count: u32) -> f32 {
    sum / count as f32
}

/// Eight bytes at a time, the first in the lowest bits; what is missing of the last eight is 0.
#[inline]
pub(super) fn words(bytes: &[u8]) -> impl Iterator<Item = u64> {
    let (whole, rest) = bytes.as_chunks();
    let last =
        (!rest.is_empty()).then(|| rest.iter().rev().fold(0, |word, &byte| word << 8 | u64::from(byte)));
    whole.iter().map(|&eight| u64::from_le_bytes(eight)).chain(last)
}

/// The numbers of the bits that are set, in order.
fn ones(bitmap: &[u8]) -> impl Iterator<Item = usize> {
    let bits = |byte: u8| (0..8).filter(move |bit| byte >> bit & 1 == 1);
    bitmap.iter().enumerate().flat_map(move |(i, &byte)| bits(byte).map(move |bit| 8 * i + bit))
}

fn too_many() -> PipelineError {
    PipelineError::out_of_range("events in a cell", "2^32 or more", "up to 2^32 - 1")
}
