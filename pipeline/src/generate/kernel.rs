//! Draws candidates in chunks, one array a quantity, so that the compiler turns the loops into vector instructions.
//!
//! Only additions, multiplications, divisions, square roots, comparisons and conversions of f32 are used: all are
//! exactly rounded, so the events are the same bits whatever the width of the vectors.

#![expect(clippy::inline_always, reason = "only inlined code is compiled for the wide vectors")]

use std::f32::consts::FRAC_PI_2;
use std::hint::select_unpredictable;

use super::gather::{CHUNK, Column, Gathered};
use super::table::{AliasColumn, CandidatePoint, DOUBT_FLOOR, Table};
use crate::rng::BlockRng;

/// Random words for each candidate.
const WORDS: usize = 10;

/// The largest f32 below pi: chi must not leave its range by rounding.
const BELOW_PI: f32 = 3.141_592_5;

/// Candidates and what they were drawn from.
#[derive(Debug, Clone)]
pub(crate) struct Chunk {
    words: [[u32; CHUNK]; WORDS],
    gathered: Gathered,
    node: [u32; CHUNK],
    x: Column,
    y: Column,
    pub(crate) q2: Column,
    pub(crate) cos_theta_l: Column,
    pub(crate) cos_theta_k: Column,
    pub(crate) chi: Column,
    pub(crate) m_kpi: Column,
    /// 1 where the bounds do not settle whether the candidate is an event.
    pub(crate) open: [u32; CHUNK],
}

impl Chunk {
    pub(crate) const fn new() -> Self {
        let zeros = [0.0; CHUNK];
        Self {
            words: [[0; CHUNK]; WORDS],
            gathered: Gathered::new(),
            node: [0; CHUNK],
            x: zeros,
            y: zeros,
            q2: zeros,
            cos_theta_l: zeros,
            cos_theta_k: zeros,
            chi: zeros,
            m_kpi: zeros,
            open: [0; CHUNK],
        }
    }

    /// Draws all candidates anew, in the widest vectors that this processor has.
    pub(crate) fn draw(&mut self, table: &Table, rng: &mut BlockRng) {
        let arch = pulp::Arch::new();
        arch.dispatch(Choice { chunk: self, table, rng });
        self.gathered.fill(table, &self.node);
        arch.dispatch(Arithmetic { chunk: self, table });
    }

    /// Nodes by the alias table, from word 0.
    #[inline(always)]
    fn choose_nodes(&mut self, table: &Table) {
        let columns = table.alias.len() as u64;
        for i in 0..CHUNK {
            let product = u64::from(self.words[0][i]) * columns;
            let own = (product >> 32) as u32;
            let AliasColumn { threshold, other } = table.alias[own as usize];
            self.node[i] = select_unpredictable((product as u32) < threshold, own, other);
        }
    }

    /// (x, y) from the nodes' hat functions (words 2 and 3), and the masses there.
    #[inline(always)]
    fn draw_masses(&mut self, table: &Table) {
        let step_x = if table.nodes_x > 1 { 1.0 / (table.nodes_x - 1) as f32 } else { 0.0 };
        let step_y = 1.0 / (super::grid::NODES - 1) as f32;
        let m_b = table.exact.decay.m_b_meson() as f32;
        let resonance = table.exact.decay.resonance();
        let pole = resonance.pole() as f32;
        let width = 2.0 * resonance.half_width() as f32;
        let [t_low, t_span, q2_low, q2_high, c0, c1, c2, _] = &self.gathered.map;
        let (node_x, node_y) = (&self.gathered.even[7], &self.gathered.harmonics[6]);
        for i in 0..CHUNK {
            let x = folded(node_x[i] + step_x * triangular(self.words[2][i]));
            let y = folded(node_y[i] + step_y * triangular(self.words[3][i]));
            let t = t_low[i] + t_span[i] * x;
            let m = pole + width * t / (1.0 - t * t);
            let end_point = (m_b - m) * (m_b - m) * (1.0 - 4.0 * f32::EPSILON);
            let high = smaller(q2_high[i], end_point);
            let z = c0[i] + y * (c1[i] + y * c2[i]);
            self.q2[i] = larger(q2_low[i], smaller(high, q2_low[i] + (high - q2_low[i]) * z));
            self.m_kpi[i] = m;
            self.x[i] = x;
            self.y[i] = y;
        }
    }

    /// The cosines from one of the six products (word 1), as order statistics of words 4 to 7.
    #[inline(always)]
    fn draw_cosines(&mut self) {
        let [t0, t1, t2, l0, l1, l2, ..] = &self.gathered.even;
        for i in 0..CHUNK {
            let t_sum = 2.0 * (t0[i] + t1[i] + t2[i]);
            let weight = t_sum + (l0[i] + l1[i] + l2[i]);
            let pick = unit24(self.words[1][i]) * weight;
            let transverse = pick < t_sum;

            let (a, b, c) = three(self.words[4][i], self.words[5][i]);
            let (low, high) = (smaller(a, b), larger(a, b));
            let middle = larger(low, smaller(high, c));
            let of_two = if a.abs() > b.abs() { a } else { b };
            let farthest = if of_two.abs() > c.abs() { of_two } else { c };
            self.cos_theta_k[i] = if transverse { middle } else { farthest };

            let (a, b, c) = three(self.words[6][i], self.words[7][i]);
            let (low, high) = (smaller(a, b), larger(a, b));
            let (first, middle, last) = (smaller(low, c), larger(low, smaller(high, c)), larger(high, c));
            let pick = if transverse { 0.5 * pick } else { pick - t_sum };
            let to_first = if transverse { t0[i] } else { l0[i] };
            let to_middle = to_first + if transverse { t1[i] } else { l1[i] };
            let not_first = if pick < to_middle { middle } else { last };
            self.cos_theta_l[i] = if pick < to_first { first } else { not_first };
        }
    }

    /// Chi from words 8 and 9: uniform modulo pi/2, then one of four; and whether the exact density has to decide.
    #[inline(always)]
    fn draw_chi(&mut self) {
        let [t0, t1, t2, l0, l1, l2, doubt, _] = &self.gathered.even;
        let [j3, j4, j5, j7, j8, j9, ..] = &self.gathered.harmonics;
        for i in 0..CHUNK {
            let (c_l, c_k) = (self.cos_theta_l[i], self.cos_theta_k[i]);
            let phi = FRAC_PI_2 * (unit24(self.words[8][i]) - 0.5);
            let (sin, cos) = sin_cos(phi);

            let (sin2_l, sin2_k, cos2_k) = ((1.0 - c_l) * (1.0 + c_l), (1.0 - c_k) * (1.0 + c_k), c_k * c_k);
            let (b0, b1, b2) =
                (0.25 * (1.0 - c_l) * (1.0 - c_l), 0.5 * sin2_l, 0.25 * (1.0 + c_l) * (1.0 + c_l));
            let even = sin2_k * (t0[i] * b0 + t1[i] * b1 + t2[i] * b2)
                + cos2_k * (l0[i] * b0 + l1[i] * b1 + l2[i] * b2);
            let double = sin2_k * sin2_l;
            let single = 2.0 * c_k * double.sqrt();
            let cos_1 = single * (2.0 * c_l * j4[i] + j5[i]);
            let sin_1 = single * (2.0 * c_l * j8[i] + j7[i]);
            let second = double * (j3[i] * (cos - sin) * (cos + sin) + 2.0 * j9[i] * sin * cos);
            let here = cos_1 * cos + sin_1 * sin;
            let quarter = sin_1 * cos - cos_1 * sin;

            // Densities at phi, phi + pi/2, phi + pi, phi - pi/2; they sum to 4 even.
            let p0 = even + here + second;
            let p1 = even + quarter - second;
            let p2 = even - here + second;
            let p3 = even - quarter - second;
            let pick = unit24(self.words[9][i]) * (4.0 * even);
            let (to_1, to_2, to_3) = (p0, p0 + p1, p0 + p1 + p2);
            let opposite = if phi > 0.0 { phi - BELOW_PI } else { phi + BELOW_PI };
            let upper = if pick < to_3 { opposite } else { phi - FRAC_PI_2 };
            let upper_start = if pick < to_3 { to_2 } else { to_3 };
            let upper_density = if pick < to_3 { p2 } else { p3 };
            let lower = if pick < to_1 { phi } else { phi + FRAC_PI_2 };
            let lower_start = if pick < to_1 { 0.0 } else { to_1 };
            let lower_density = if pick < to_1 { p0 } else { p1 };
            self.chi[i] = if pick < to_2 { lower } else { upper };
            let start = if pick < to_2 { lower_start } else { upper_start };
            let density = if pick < to_2 { lower_density } else { upper_density };

            let weight = 2.0 * (t0[i] + t1[i] + t2[i]) + (l0[i] + l1[i] + l2[i]);
            let bound = doubt[i] * (even + DOUBT_FLOOR as f32 * weight);
            self.open[i] = u32::from(pick - start >= density - 2.0 * bound);
        }
    }

    /// One candidate in full precision.
    pub(crate) fn point(&self, table: &Table, i: usize) -> CandidatePoint {
        CandidatePoint {
            patch: table.nodes[self.node[i] as usize].patch(),
            x: f64::from(self.x[i]),
            y: f64::from(self.y[i]),
            cos_theta_l: f64::from(self.cos_theta_l[i]),
            cos_theta_k: f64::from(self.cos_theta_k[i]),
            chi: f64::from(self.chi[i]),
        }
    }

    /// Fills the place of candidate `hole` with candidate `last`.
    pub(crate) fn replace(&mut self, hole: usize, last: usize) {
        let columns =
            [&mut self.q2, &mut self.cos_theta_l, &mut self.cos_theta_k, &mut self.chi, &mut self.m_kpi];
        for column in columns {
            column[hole] = column[last];
        }
    }
}

/// Step that needs random words alone; compiled once for each kind of vectors.
struct Choice<'a> {
    chunk: &'a mut Chunk,
    table: &'a Table,
    rng: &'a mut BlockRng,
}

impl pulp::NullaryFnOnce for Choice<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.rng.fill_words(self.chunk.words.as_flattened_mut());
        self.chunk.choose_nodes(self.table);
    }
}

/// Step that needs the nodes; compiled once for each kind of vectors.
struct Arithmetic<'a> {
    chunk: &'a mut Chunk,
    table: &'a Table,
}

impl pulp::NullaryFnOnce for Arithmetic<'_> {
    type Output = ();

    #[inline(always)]
    fn call(self) {
        self.chunk.draw_masses(self.table);
        self.chunk.draw_cosines();
        self.chunk.draw_chi();
    }
}

// `f32::min` and `max` also look for NaN, which costs; there is none here.
#[inline(always)]
fn smaller(a: f32, b: f32) -> f32 {
    if a < b { a } else { b }
}

#[inline(always)]
fn larger(a: f32, b: f32) -> f32 {
    if a > b { a } else { b }
}

/// Back into [0, 1] at whichever edge a hat function sticks out.
#[inline(always)]
fn folded(x: f32) -> f32 {
    1.0 - (1.0 - x.abs()).abs()
}

/// The upper 24 bits of a word as a number in [0, 1).
#[inline(always)]
fn unit24(bits: u32) -> f32 {
    const STEP: f32 = 1.0 / 16_777_216.0;
    (bits >> 8).cast_signed() as f32 * STEP
}

/// The sum of two uniform numbers of 16 bits, centred: in (-1, 1) with a density of triangular shape.
#[inline(always)]
fn triangular(bits: u32) -> f32 {
    const STEP: f32 = 1.0 / 65_536.0;
    ((bits & 0xffff) + (bits >> 16)).cast_signed() as f32 * STEP + (STEP - 1.0)
}

/// Three uniform numbers in (-1, 1) of 21 bits each, of two words.
#[inline(always)]
fn three(low: u32, high: u32) -> (f32, f32, f32) {
    const STEP: f32 = 1.0 / 1_048_576.0;
    let centred = |bits: u32| bits.cast_signed() as f32 * STEP + (0.5 * STEP - 1.0);
    (centred(low >> 11), centred(high >> 11), centred((low & 0x7ff) << 10 | (high & 0x3ff)))
}

/// Sine and cosine on [-pi/4, pi/4] by their Taylor series, to the rounding of f32.
#[inline(always)]
fn sin_cos(x: f32) -> (f32, f32) {
    let x2 = x * x;
    let sin =
        x * (1.0 + x2 * (-1.0 / 6.0 + x2 * (1.0 / 120.0 + x2 * (-1.0 / 5040.0 + x2 * (1.0 / 362_880.0)))));
    let cos = 1.0 + x2 * (-0.5 + x2 * (1.0 / 24.0 + x2 * (-1.0 / 720.0 + x2 * (1.0 / 40_320.0))));
    (sin, cos)
}

#[cfg(test)]
mod tests {
    use humboldt_physics::{Decay, Flavour, Lepton, LineShape, ModelName, WilsonShifts};
    use pulp::NullaryFnOnce;

    use super::*;
    use crate::rng::StreamKey;

    #[test]
    fn vectors_of_any_width_give_the_same_bits() {
        let decay =
            Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::default()).unwrap();
        let table = Table::new(&decay, LineShape::BreitWigner, &[(0.1, 19.0)], 1.0).unwrap();
        let (mut wide, mut narrow) = (Chunk::new(), Chunk::new());
        let mut rng_wide = StreamKey::new(1).block(0);
        let mut rng_narrow = rng_wide.clone();
        for _ in 0..500 {
            wide.draw(&table, &mut rng_wide);
            Choice { chunk: &mut narrow, table: &table, rng: &mut rng_narrow }.call();
            narrow.gathered.fill_narrow(&table, &narrow.node);
            Arithmetic { chunk: &mut narrow, table: &table }.call();
            assert_eq!(wide.open, narrow.open);
            let columns = |chunk: &Chunk| {
                [chunk.q2, chunk.cos_theta_l, chunk.cos_theta_k, chunk.chi, chunk.m_kpi, chunk.x, chunk.y]
                    .map(|column| column.map(f32::to_bits))
            };
            assert!(columns(&wide) == columns(&narrow));
        }
    }

    #[test]
    fn sine_and_cosine_to_the_last_digits() {
        for i in -1000..=1000 {
            let x = std::f32::consts::FRAC_PI_4 * i as f32 / 1000.0;
            let (sin, cos) = sin_cos(x);
            assert!((f64::from(sin) - f64::from(x).sin()).abs() < 1.5e-7, "sin {x}");
            assert!((f64::from(cos) - f64::from(x).cos()).abs() < 1.5e-7, "cos {x}");
        }
    }
}
