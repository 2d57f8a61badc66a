//! The innermost loops, in the widest vectors that the processor has.
//!
//! A tile of results stays in registers: up to [`TILE`] rows of [`width`] columns, to which each step adds the product
//! of a column of the one factor and a row of the other. On AVX2 that is 6 by 16, twelve of sixteen registers.

#![expect(clippy::inline_always, reason = "only inlined code is compiled for the wide vectors")]

use std::ops::{Deref, DerefMut};

use pulp::{Arch, Simd, WithSimd};

/// Most rows of a tile.
pub(super) const TILE: usize = 6;
/// Numbers in a cache line.
const LINE: usize = 64 / size_of::<f32>();

/// Columns of a tile: two vectors.
pub(super) fn width() -> usize {
    struct Width;
    impl WithSimd for Width {
        type Output = usize;
        #[inline(always)]
        fn with_simd<S: Simd>(self, _: S) -> usize {
            2 * S::F32_LANES
        }
    }
    Arch::new().dispatch(Width)
}

/// Lengths of at most [`TILE`] that add up to `n` and differ by at most one.
pub(super) fn tiles(n: usize) -> impl Iterator<Item = std::ops::Range<usize>> {
    let count = n.div_ceil(TILE);
    (0..count).map(move |i| i * n / count..(i + 1) * n / count)
}

/// Zeros that begin on a cache line.
pub(super) struct Buffer {
    data: Vec<f32>,
    begin: usize,
    len: usize,
}

impl Buffer {
    pub(super) fn zeros(len: usize) -> Self {
        let data = vec![0.0; len + LINE];
        let begin = data.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        Self { data, begin, len }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.data[self.begin..][..self.len]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.data[self.begin..][..self.len]
    }
}

/// Cells of a source that lie side by side and meet rows of the packed taps that do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// From a position's first cell, in numbers.
    pub(super) offset: usize,
    /// In rows of [`width`] numbers.
    pub(super) row: usize,
}

/// A result and where it comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Position {
    /// First number of its source.
    pub(super) source: usize,
    /// Row of the output.
    pub(super) output: usize,
}

/// Adds to rows of `output` what `runs` of `len` numbers of the source give by the taps of `panel`.
pub(super) struct Gather<'a> {
    pub(super) source: &'a [f32],
    /// Rows of [`width`] columns.
    pub(super) panel: &'a [f32],
    pub(super) positions: &'a [Position],
    pub(super) runs: &'a [Run],
    pub(super) len: usize,
    /// Rows of [`width`] columns.
    pub(super) output: &'a mut [f32],
}

impl WithSimd for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let positions = self.positions;
        for range in tiles(positions.len()) {
            let positions = &positions[range];
            match positions.len() {
                6 => self.tile::<S, 6>(simd, positions),
                5 => self.tile::<S, 5>(simd, positions),
                4 => self.tile::<S, 4>(simd, positions),
                3 => self.tile::<S, 3>(simd, positions),
                2 => self.tile::<S, 2>(simd, positions),
                _ => self.tile::<S, 1>(simd, positions),
            }
        }
    }
}

impl Gather<'_> {
    #[inline(always)]
    fn tile<S: Simd, const M: usize>(&mut self, simd: S, positions: &[Position]) {
        let Ok(positions) = <&[Position; M]>::try_from(positions) else { return };
        let (output, _) = S::as_mut_simd_f32s(self.output);
        let (output, _) = output.as_chunks_mut::<2>();
        let (panel, _) = S::as_simd_f32s(self.panel);
        let (panel, _) = panel.as_chunks::<2>();
        let mut sums = [[simd.splat_f32s(0.0); 2]; M];
        for (sum, position) in sums.iter_mut().zip(positions) {
            *sum = output[position.output];
        }
        for run in self.runs {
            let taps = &panel[run.row..][..self.len];
            let mut cells = [&self.source[..0]; M];
            for (cells, position) in cells.iter_mut().zip(positions) {
                *cells = &self.source[position.source + run.offset..][..taps.len()];
            }
            for (i, [tap0, tap1]) in taps.iter().enumerate() {
                for (sum, cells) in sums.iter_mut().zip(&cells) {
                    let x = simd.splat_f32s(cells[i]);
                    sum[0] = simd.mul_add_f32s(x, *tap0, sum[0]);
                    sum[1] = simd.mul_add_f32s(x, *tap1, sum[1]);
                }
            }
        }
        for (sum, position) in sums.iter().zip(positions) {
            output[position.output] = *sum;
        }
    }
}

/// Rows of two factors that are to be multiplied and added up.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rows {
    pub(super) left: usize,
    pub(super) right: usize,
    pub(super) count: usize,
}

/// Adds to `sums` (`m` rows of [`width`] columns) the outer products of rows of `left` (`m` columns) and of `right`.
pub(super) struct Reduce<'a> {
    pub(super) left: &'a [f32],
    pub(super) m: usize,
    pub(super) right: &'a [f32],
    pub(super) rows: &'a [Rows],
    pub(super) sums: &'a mut [f32],
}

impl WithSimd for Reduce<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.m {
            6 => self.tile::<S, 6>(simd),
            5 => self.tile::<S, 5>(simd),
            4 => self.tile::<S, 4>(simd),
            3 => self.tile::<S, 3>(simd),
            2 => self.tile::<S, 2>(simd),
            _ => self.tile::<S, 1>(simd),
        }
    }
}

impl Reduce<'_> {
    #[inline(always)]
    fn tile<S: Simd, const M: usize>(self, simd: S) {
        let (stored, _) = S::as_mut_simd_f32s(self.sums);
        let (stored, _) = stored.as_chunks_mut::<2>();
        let (left, _) = self.left.as_chunks::<M>();
        let (right, _) = S::as_simd_f32s(self.right);
        let (right, _) = right.as_chunks::<2>();
        let mut sums = [[simd.splat_f32s(0.0); 2]; M];
        sums.copy_from_slice(&stored[..M]);
        for rows in self.rows {
            let (left, right) = (&left[rows.left..][..rows.count], &right[rows.right..][..rows.count]);
            for (left, [right0, right1]) in left.iter().zip(right) {
                for (sum, x) in sums.iter_mut().zip(left) {
                    let x = simd.splat_f32s(*x);
                    sum[0] = simd.mul_add_f32s(x, *right0, sum[0]);
                    sum[1] = simd.mul_add_f32s(x, *right1, sum[1]);
                }
            }
        }
        stored[..M].copy_from_slice(&sums);
    }
}

#[cfg(test)]
mod tests {
    use pulp::Scalar;

    use super::*;

    /// Small whole numbers, whose sums of products are exact in any order.
    fn numbers(n: usize) -> Vec<f32> {
        (0..n).map(|i| (i * 37 % 13) as f32 - 6.0).collect()
    }

    fn gather(width: usize, compute: impl Fn(Gather)) {
        let (source, panel) = (numbers(90), numbers(12 * width));
        let positions: Vec<_> = (0..13).map(|i| Position { source: 3 * i, output: 12 - i }).collect();
        let runs = [Run { offset: 40, row: 0 }, Run { offset: 0, row: 7 }];
        let mut output = numbers(13 * width);
        compute(Gather {
            source: &source,
            panel: &panel,
            positions: &positions,
            runs: &runs,
            len: 5,
            output: &mut output,
        });
        let mut expected = numbers(13 * width);
        for position in &positions {
            for run in &runs {
                for i in 0..5 {
                    for column in 0..width {
                        let x = source[position.source + run.offset + i];
                        expected[position.output * width + column] +=
                            x * panel[(run.row + i) * width + column];
                    }
                }
            }
        }
        assert_eq!(output, expected);
    }

    fn reduce(width: usize, compute: impl Fn(Reduce)) {
        for m in 1..=TILE {
            let (left, right) = (numbers(20 * m), numbers(30 * width));
            let rows = [Rows { left: 2, right: 11, count: 9 }, Rows { left: 19, right: 0, count: 1 }];
            let mut sums = numbers(m * width);
            compute(Reduce { left: &left, m, right: &right, rows: &rows, sums: &mut sums });
            let mut expected = numbers(m * width);
            for (l, r) in rows.iter().flat_map(|r| (0..r.count).map(move |i| (r.left + i, r.right + i))) {
                for (i, sum) in expected.iter_mut().enumerate() {
                    *sum += left[l * m + i / width] * right[r * width + i % width];
                }
            }
            assert_eq!(sums, expected, "{m} rows");
        }
    }

    #[test]
    fn vectors_of_any_width_do_what_plain_loops_do() {
        gather(2, |g| g.with_simd(Scalar::new()));
        gather(width(), |g| Arch::new().dispatch(g));
        reduce(2, |r| r.with_simd(Scalar::new()));
        reduce(width(), |r| Arch::new().dispatch(r));
    }

    #[test]
    fn buffers_begin_on_a_cache_line() {
        for len in [1, 15, 16, 1000] {
            let buffer = Buffer::zeros(len);
            assert_eq!((buffer.len(), buffer.as_ptr().align_offset(64)), (len, 0));
        }
    }
}
