//! Copies the chosen nodes and their maps, rows of eight numbers, into one array a number.
//!
//! Closures and `array::map` are not compiled for the wide vectors: hence the loops.

#![expect(clippy::inline_always, reason = "only inlined code is compiled for the wide vectors")]

use pulp::NullaryFnOnce;

use super::table::Table;

/// Candidates at a time: the arrays stay in the first-level cache.
pub(crate) const CHUNK: usize = 128;

/// One number of each candidate.
pub(crate) type Column = [f32; CHUNK];

/// Numbers of a row, and rows at a time.
const ROW: usize = 8;

type Square = [[f32; ROW]; ROW];

/// Columns of the chosen nodes; see [`super::table::Node`] and [`super::table::PatchMap`].
#[derive(Debug, Clone)]
pub(crate) struct Gathered {
    pub(crate) even: [Column; ROW],
    pub(crate) harmonics: [Column; ROW],
    pub(crate) map: [Column; ROW],
}

impl Gathered {
    pub(crate) const fn new() -> Self {
        let zeros = [[0.0; CHUNK]; ROW];
        Self { even: zeros, harmonics: zeros, map: zeros }
    }

    /// Takes in the numbers of nodes `chosen`.
    pub(crate) fn fill(&mut self, table: &Table, chosen: &[u32; CHUNK]) {
        #[cfg(target_arch = "x86_64")]
        if let Some(simd) = pulp::x86::V3::try_new() {
            simd.vectorize(Fill { transpose: wide::Registers(simd), gathered: self, table, chosen });
            return;
        }
        self.fill_narrow(table, chosen);
    }

    /// Gathering without vectors.
    pub(crate) fn fill_narrow(&mut self, table: &Table, chosen: &[u32; CHUNK]) {
        Fill { transpose: Plain, gathered: self, table, chosen }.call();
    }
}

trait Transpose: Copy {
    fn transposed(self, rows: &Square) -> Square;
}

struct Fill<'a, T> {
    transpose: T,
    gathered: &'a mut Gathered,
    table: &'a Table,
    chosen: &'a [u32; CHUNK],
}

impl<T: Transpose> NullaryFnOnce for Fill<'_, T> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        let Self { transpose, gathered, table, chosen } = self;
        for (group, chosen) in chosen.as_chunks::<ROW>().0.iter().enumerate() {
            let mut rows = [[[0.0; ROW]; ROW]; 3];
            for (k, node) in chosen.iter().enumerate() {
                let node = &table.nodes[*node as usize];
                rows[0][k] = node.even;
                rows[1][k] = node.harmonics;
                rows[2][k] = table.maps[node.patch()].0;
            }
            let columns = [&mut gathered.even, &mut gathered.harmonics, &mut gathered.map];
            for (columns, rows) in columns.into_iter().zip(&rows) {
                let numbers = transpose.transposed(rows);
                for i in 0..ROW {
                    columns[i].as_chunks_mut().0[group] = numbers[i];
                }
            }
        }
    }
}

#[derive(Clone, Copy)]
struct Plain;

impl Transpose for Plain {
    #[inline(always)]
    fn transposed(self, rows: &Square) -> Square {
        let mut columns = [[0.0; ROW]; ROW];
        for i in 0..ROW {
            for k in 0..ROW {
                columns[i][k] = rows[k][i];
            }
        }
        columns
    }
}

#[cfg(target_arch = "x86_64")]
mod wide {
    use std::arch::x86_64::__m256;

    use bytemuck::cast;
    use pulp::x86::V3;

    use super::{ROW, Square, Transpose};

    /// Registers of eight numbers.
    #[derive(Clone, Copy)]
    pub(super) struct Registers(pub(super) V3);

    impl Transpose for Registers {
        /// Pairs of rows, then fours, then the halves of all eight.
        #[inline(always)]
        fn transposed(self, rows: &Square) -> Square {
            let avx = self.0.avx;
            let mut fours = [[avx._mm256_setzero_ps(); 4]; 2];
            for (four, rows) in fours.iter_mut().zip(rows.as_chunks::<4>().0) {
                let (a, b, c, d): (__m256, __m256, __m256, __m256) =
                    (cast(rows[0]), cast(rows[1]), cast(rows[2]), cast(rows[3]));
                let (ab, cd) = (avx._mm256_unpacklo_ps(a, b), avx._mm256_unpacklo_ps(c, d));
                four[0] = avx._mm256_shuffle_ps::<0b01_00_01_00>(ab, cd);
                four[1] = avx._mm256_shuffle_ps::<0b11_10_11_10>(ab, cd);
                let (ab, cd) = (avx._mm256_unpackhi_ps(a, b), avx._mm256_unpackhi_ps(c, d));
                four[2] = avx._mm256_shuffle_ps::<0b01_00_01_00>(ab, cd);
                four[3] = avx._mm256_shuffle_ps::<0b11_10_11_10>(ab, cd);
            }
            let [upper, lower] = fours;
            let mut columns = [[0.0; ROW]; ROW];
            for i in 0..4 {
                columns[i] = cast(avx._mm256_permute2f128_ps::<0x20>(upper[i], lower[i]));
                columns[4 + i] = cast(avx._mm256_permute2f128_ps::<0x31>(upper[i], lower[i]));
            }
            columns
        }
    }
}
