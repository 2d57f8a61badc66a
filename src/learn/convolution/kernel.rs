//! The innermost loops, in the widest vectors that the processor has.
//!
//! A tile of results stays in registers: up to [`TILE`] rows of one or two vectors, to which each step adds the product of a
//! column of the one factor and a row of the other.

#![expect(clippy::inline_always, reason = "only inlined code is compiled for the wide vectors")]

use std::ops::{Deref, DerefMut, Range};

use pulp::{Arch, Simd, WithSimd};

/// Most rows of a tile.
pub(super) const TILE: usize = 12;
/// Bytes of a cache line.
const LINE: usize = 64;

/// The vectors of a tile's columns, and how large it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    arch: Arch,
    /// One or two; of a single row up to eight.
    pub(super) vectors: usize,
    /// Columns.
    pub(super) width: usize,
    /// Most rows.
    rows: usize,
}

impl Shape {
    /// Tiles for a matrix of some columns: of two vectors, or of one where the last would stay empty.
    pub(super) fn of(columns: usize) -> Self {
        let arch = arch(columns);
        let lanes = arch.dispatch(Lanes);
        let vectors = 2 - columns.div_ceil(lanes) % 2;
        // AVX2 has sixteen registers, wider vectors come with 32.
        let rows = if vectors == 1 || lanes > 8 { TILE } else { TILE / 2 };
        Self { arch, vectors, width: vectors * lanes, rows }
    }

    /// One row of some columns, or of a part of them.
    pub(super) fn row(columns: usize) -> Self {
        let arch = arch(columns);
        let lanes = arch.dispatch(Lanes);
        let vectors = columns.div_ceil(lanes).clamp(1, 8);
        Self { arch, vectors, width: vectors * lanes, rows: 1 }
    }

    /// Lengths of at most so many rows that add up to `n` and differ by at most one.
    pub(super) fn tiles(self, n: usize) -> impl Iterator<Item = Range<usize>> {
        let count = n.div_ceil(self.rows);
        (0..count).map(move |i| i * n / count..(i + 1) * n / count)
    }

    /// A loop in these vectors.
    pub(super) fn run(self, work: impl WithSimd<Output = ()>) {
        self.arch.dispatch(work);
    }
}

/// The widest vectors that some columns fill.
fn arch(columns: usize) -> Arch {
    #[cfg(target_arch = "x86_64")]
    if columns <= 8
        && let Some(simd) = pulp::x86::V3::try_new()
    {
        return Arch::V3(simd);
    }
    Arch::new()
}

/// The processor's vectors: `AVX-512`, `AVX2`, or `vectors of N bits` elsewhere.
pub(super) fn vectors() -> String {
    match Arch::new() {
        #[cfg(target_arch = "x86_64")]
        Arch::V4(_) => "AVX-512".to_owned(),
        #[cfg(target_arch = "x86_64")]
        Arch::V3(_) => "AVX2".to_owned(),
        other => format!("vectors of {} bits", 32 * other.dispatch(Lanes)),
    }
}

/// Result of `f`, compiled for the widest vectors.
pub(super) fn wide<R>(f: impl FnOnce() -> R) -> R {
    Arch::new().dispatch(f)
}

struct Lanes;

impl WithSimd for Lanes {
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) -> usize {
        S::F32_LANES
    }
}

/// Calls `tile` of as many rows and vectors, numbers that the compiler is to know.
macro_rules! tile {
    ($shape:expr, $rows:expr, $of:ident, $arguments:tt) => {
        tile!($shape, $rows, $of, $arguments, 1 2 3 4 5 6 7 8 9 10 11 12)
    };
    ($shape:expr, $rows:expr, $of:ident, $arguments:tt, $($m:literal)*) => {
        match ($rows, $shape.vectors) {
            $(($m, 1) => $of.tile::<S, $m, 1>$arguments, ($m, _) => $of.tile::<S, $m, 2>$arguments,)*
            _ => {}
        }
    };
}

/// Zeros that begin on a cache line.
pub(super) struct Buffer<T> {
    data: Vec<T>,
    begin: usize,
    len: usize,
}

impl<T: Copy + Default> Buffer<T> {
    pub(super) fn zeros(len: usize) -> Self {
        let spare = LINE / size_of::<T>();
        let data = vec![T::default(); len + spare];
        let begin = data.as_ptr().align_offset(LINE).min(spare);
        Self { data, begin, len }
    }
}

impl<T> Deref for Buffer<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.data[self.begin..][..self.len]
    }
}

impl<T> DerefMut for Buffer<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.data[self.begin..][..self.len]
    }
}

/// Cells of a source that lie side by side and meet rows of the packed taps that do.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// From a position's first cell, in numbers.
    pub(super) offset: usize,
    /// In rows of the panel.
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
    pub(super) shape: Shape,
    pub(super) source: &'a [f32],
    /// Rows of the tile's columns.
    pub(super) panel: &'a [f32],
    pub(super) positions: &'a [Position],
    pub(super) runs: &'a [Run],
    pub(super) len: usize,
    /// Rows of the tile's columns.
    pub(super) output: &'a mut [f32],
}

impl WithSimd for Gather<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        let positions = self.positions;
        for range in self.shape.tiles(positions.len()) {
            let positions = &positions[range];
            tile!(self.shape, positions.len(), self, (simd, positions));
        }
    }
}

impl Gather<'_> {
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const V: usize>(&mut self, simd: S, positions: &[Position]) {
        let Ok(positions) = <&[Position; M]>::try_from(positions) else { return };
        let (output, _) = S::as_mut_simd_f32s(self.output);
        let (output, _) = output.as_chunks_mut::<V>();
        let (panel, _) = S::as_simd_f32s(self.panel);
        let (panel, _) = panel.as_chunks::<V>();
        let mut sums = [[simd.splat_f32s(0.0); V]; M];
        for (sum, position) in sums.iter_mut().zip(positions) {
            *sum = output[position.output];
        }
        for run in self.runs {
            let taps = &panel[run.row..][..self.len];
            let mut cells = [&self.source[..0]; M];
            for (cells, position) in cells.iter_mut().zip(positions) {
                *cells = &self.source[position.source + run.offset..][..taps.len()];
            }
            for (i, taps) in taps.iter().enumerate() {
                for (sum, cells) in sums.iter_mut().zip(&cells) {
                    let x = simd.splat_f32s(cells[i]);
                    for (sum, tap) in sum.iter_mut().zip(taps) {
                        *sum = simd.mul_add_f32s(x, *tap, *sum);
                    }
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

/// Adds to `sums` (`m` rows of the tile's columns) the outer products of rows of `left` (`m` columns) and of `right`.
pub(super) struct Reduce<'a> {
    pub(super) shape: Shape,
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
        tile!(self.shape, self.m, self, (simd));
    }
}

impl Reduce<'_> {
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const V: usize>(self, simd: S) {
        let (stored, _) = S::as_mut_simd_f32s(self.sums);
        let (stored, _) = stored.as_chunks_mut::<V>();
        let (left, _) = self.left.as_chunks::<M>();
        let (right, _) = S::as_simd_f32s(self.right);
        let (right, _) = right.as_chunks::<V>();
        let mut sums = [[simd.splat_f32s(0.0); V]; M];
        sums.copy_from_slice(&stored[..M]);
        for rows in self.rows {
            let (left, right) = (&left[rows.left..][..rows.count], &right[rows.right..][..rows.count]);
            for (left, right) in left.iter().zip(right) {
                for (sum, x) in sums.iter_mut().zip(left) {
                    let x = simd.splat_f32s(*x);
                    for (sum, y) in sum.iter_mut().zip(right) {
                        *sum = simd.mul_add_f32s(x, *y, *sum);
                    }
                }
            }
        }
        stored[..M].copy_from_slice(&sums);
    }
}

/// Product of `rows` rows of `left` and of `right`, put into `output` or added to it.
pub(super) struct Product<'a> {
    pub(super) shape: Shape,
    pub(super) left: &'a [f32],
    /// Numbers of `left` from a row to the next.
    pub(super) left_row: usize,
    pub(super) rows: usize,
    /// Rows of the tile's columns, as many as a row of `left` has numbers that are meant.
    pub(super) right: &'a [f32],
    /// Rows of the tile's columns.
    pub(super) output: &'a mut [f32],
    pub(super) adds: bool,
}

impl WithSimd for Product<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(mut self, simd: S) {
        for rows in self.shape.tiles(self.rows) {
            tile!(self.shape, rows.len(), self, (simd, rows.start));
        }
    }
}

impl Product<'_> {
    #[inline(always)]
    fn tile<S: Simd, const M: usize, const V: usize>(&mut self, simd: S, first: usize) {
        let (output, _) = S::as_mut_simd_f32s(self.output);
        let (output, _) = output.as_chunks_mut::<V>();
        let output = &mut output[first..][..M];
        let (right, _) = S::as_simd_f32s(self.right);
        let (right, _) = right.as_chunks::<V>();
        let mut left = [&self.left[..0]; M];
        for (i, left) in left.iter_mut().enumerate() {
            *left = &self.left[(first + i) * self.left_row..][..right.len()];
        }
        let mut sums = [[simd.splat_f32s(0.0); V]; M];
        if self.adds {
            sums.copy_from_slice(output);
        }
        for (i, right) in right.iter().enumerate() {
            for (sum, left) in sums.iter_mut().zip(&left) {
                let x = simd.splat_f32s(left[i]);
                for (sum, y) in sum.iter_mut().zip(right) {
                    *sum = simd.mul_add_f32s(x, *y, *sum);
                }
            }
        }
        output.copy_from_slice(&sums);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Small whole numbers, whose sums of products are exact in any order.
    fn numbers(n: usize) -> Vec<f32> {
        (0..n).map(|i| (i * 37 % 13) as f32 - 6.0).collect()
    }

    fn gather(shape: Shape) {
        let width = shape.width;
        let (source, panel) = (numbers(90), numbers(12 * width));
        let positions: Vec<_> = (0..13).map(|i| Position { source: 3 * i, output: 12 - i }).collect();
        let runs = [Run { offset: 40, row: 0 }, Run { offset: 0, row: 7 }];
        let mut output = numbers(13 * width);
        shape.run(Gather {
            shape,
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

    fn reduce(shape: Shape) {
        let width = shape.width;
        for m in 1..=shape.rows {
            let (left, right) = (numbers(20 * m), numbers(30 * width));
            let rows = [Rows { left: 2, right: 11, count: 9 }, Rows { left: 19, right: 0, count: 1 }];
            let mut sums = numbers(m * width);
            shape.run(Reduce { shape, left: &left, m, right: &right, rows: &rows, sums: &mut sums });
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
        let scalar = |vectors| Shape { arch: Arch::Scalar, vectors, width: vectors, rows: 5 };
        for shape in [1, 8, 9, 16, 17, 33].map(Shape::of).into_iter().chain([1, 2].map(scalar)) {
            gather(shape);
            reduce(shape);
        }
    }

    #[test]
    fn buffers_begin_on_a_cache_line() {
        for len in [1, 15, 16, 1000] {
            let buffer = Buffer::<f32>::zeros(len);
            assert_eq!((buffer.len(), buffer.as_ptr().align_offset(64)), (len, 0));
        }
    }
}
