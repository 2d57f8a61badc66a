//! Cells of events, in vector arithmetic.
//!
//! Only comparisons and exactly rounded arithmetic are used: cells are the same whatever the width of the vectors.

#![expect(clippy::inline_always, reason = "only inlined code is compiled for the wide vectors")]

use std::f64::consts::PI;

use super::EventSlices;

/// Events are binned in blocks whose columns and cell numbers stay in the first-level cache.
pub(super) const BLOCK: usize = 1024;

/// Adding 2^52 to a double from zero to it rounds to an integer, which then stands in the low bits.
const TWO_POW_52: f64 = 4_503_599_627_370_496.0;

/// Adding this and subtracting it again rounds a double of either sign, below 2^51, to an integer.
const ROUNDER: f64 = 1.5 * TWO_POW_52;

/// Finds the cell of each of at most [`BLOCK`] events, in the widest vectors that this processor has; whether all
/// values are in their ranges. The cells exist, whatever the values.
pub(super) fn locate(events: EventSlices, bins: u32, cells: &mut [u32; BLOCK]) -> bool {
    pulp::Arch::new().dispatch(Locate { events, bins, cells })
}

/// Constants that are compiled once for each kind of vectors.
struct Locate<'a> {
    events: EventSlices<'a>,
    bins: u32,
    cells: &'a mut [u32; BLOCK],
}

impl pulp::NullaryFnOnce for Locate<'_> {
    type Output = bool;

    #[inline(always)]
    fn call(self) -> bool {
        let EventSlices { cos_theta_l, cos_theta_k, chi, .. } = self.events;
        let (bins, middle) = (f64::from(self.bins), f64::from(self.bins / 2));
        let angles = cos_theta_l.iter().zip(cos_theta_k).zip(chi);
        for (cell, ((&cos_theta_l, &cos_theta_k), &chi)) in self.cells.iter_mut().zip(angles) {
            let l = bin(cos_theta_l, 1.0, bins, middle);
            let k = bin(cos_theta_k, 1.0, bins, middle);
            let c = bin(chi, PI, bins, middle);
            *cell = (((l * bins + k) * bins + c) + TWO_POW_52).to_bits() as u32;
        }
        self.events.columns().iter().fold(true, |ok, &(_, column, low, high)| ok & within(column, low, high))
    }
}

/// Whether all of `column` is in range, NaN not. No early exit: the compiler turns this into vector compares.
#[inline(always)]
pub(super) fn within(column: &[f32], low: f32, high: f32) -> bool {
    column.iter().fold(0_u32, |bad, &x| bad | u32::from(!(x >= low && x <= high))) == 0
}

/// Bin of `x` in `bins` equal bins from `-half_width` to `half_width`, as a whole number.
///
/// Bins are counted from the middle of the axis, an edge or the middle of a bin: a cosine's distance to every edge is
/// then exact, and zero lies on its edge for pi as well (no other edge in pi is near a number in single precision).
///
/// `f64::floor`, `max` and casts to integers cost a branch or a call each on plain x86-64; adding and subtracting
/// a large number rounds, a comparison mends that to a floor, and all of it is vector arithmetic.
#[inline(always)]
fn bin(x: f32, half_width: f64, bins: f64, middle: f64) -> f64 {
    let y = f64::from(x) * (bins / (2.0 * half_width)) + (0.5 * bins - middle);
    let rounded = (y + ROUNDER) - ROUNDER;
    let bin = middle + if rounded > y { rounded - 1.0 } else { rounded };
    // pi as f32 is larger than pi, so that -pi as f32 lies below the first edge.
    let bin = if bin > 0.0 { bin } else { 0.0 };
    if bin < bins - 1.0 { bin } else { bins - 1.0 }
}

#[cfg(test)]
mod tests {
    use pulp::NullaryFnOnce;

    use super::*;

    /// Numbers spread over the whole range and past its ends, with NaN and infinities among them.
    fn column(half_width: f32, shift: usize) -> Vec<f32> {
        let odd = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, f32::MAX, half_width, -half_width];
        let spread = (0..BLOCK - 7).map(|i| {
            let x = ((i * 7919 + shift) % 100_003) as f32 / 100_003.0;
            1.1 * half_width * (2.0 * x - 1.0)
        });
        odd.into_iter().chain(spread).collect()
    }

    #[test]
    fn vectors_of_any_width_find_the_same_cells() {
        let (q2, l, k, chi) = (column(28.0, 1), column(1.0, 2), column(1.0, 3), column(PI as f32, 4));
        let events = EventSlices { q2: &q2, cos_theta_l: &l, cos_theta_k: &k, chi: &chi };
        for bins in [2, 10, 50, 256] {
            let (mut wide, mut narrow) = ([0; BLOCK], [0; BLOCK]);
            assert!(!locate(events, bins, &mut wide));
            assert!(!Locate { events, bins, cells: &mut narrow }.call());
            assert_eq!(wide, narrow);
            assert!(wide.iter().all(|&cell| cell < bins.pow(3)));
        }
    }
}
