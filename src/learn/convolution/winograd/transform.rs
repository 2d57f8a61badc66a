//! From cells to points and back, along an axis and along three.
//!
//! A convolution of 3 taps with m outputs is, turned around, a product of polynomials, which m + 2 points determine: 0, 3/4, -3/4, 3/2, -3/2 and
//! infinity for 4 outputs, all but -3/2 for 3. Weights at a point are the same for both. With these points rounding leaves 4e-6 of the largest
//! result in three axes, with 0, 1, -1, 2, -2 six times that.

#![expect(clippy::inline_always, reason = "only inlined code is compiled for the wide vectors")]

use pulp::{Simd, WithSimd};

/// Most points along an axis.
pub(super) const POINTS: usize = 6;
/// The points but 0 and infinity, of both signs, and their squares.
const B: f32 = 0.75;
const A: f32 = 1.5;
const B2: f32 = B * B;
const A2: f32 = A * A;
/// One over a point's distances from the others, multiplied: for 0, B and A.
const OF_0: f32 = 1.0 / (A2 * B2);
const OF_B: f32 = 1.0 / (2.0 * B2 * (B2 - A2));
const OF_A: f32 = 1.0 / (2.0 * A2 * (A2 - B2));
/// Taps at the points.
const WEIGHTS: [[f32; 3]; POINTS] = [
    [OF_0, 0.0, 0.0],
    [OF_B, OF_B * B, OF_B * B2],
    [OF_B, -OF_B * B, OF_B * B2],
    [OF_A, OF_A * A, OF_A * A2],
    [OF_A, -OF_A * A, OF_A * A2],
    [0.0, 0.0, 1.0],
];

/// Numbers of a tile, by their places along three axes.
pub(super) type Cube<T> = [[[T; POINTS]; POINTS]; POINTS];

/// A transformation along an axis, of tiles with 3 or 4 outputs; what is not used may be anything.
trait Along {
    /// Numbers before it and after it.
    fn lengths(outputs: usize) -> [usize; 2];
    fn three<S: Simd>(simd: S, x: [S::f32s; POINTS]) -> [S::f32s; POINTS];
    fn four<S: Simd>(simd: S, x: [S::f32s; POINTS]) -> [S::f32s; POINTS];
}

/// Inputs at the points.
struct Inputs;
/// Products at the points as outputs.
struct Products;
/// a x + c
macro_rules! add {
    ($simd:expr, $a:expr, $x:expr, $c:expr) => {
        $simd.mul_add_f32s($simd.splat_f32s($a), $x, $c)
    };
}

/// a x
macro_rules! scale {
    ($simd:expr, $a:expr, $x:expr) => {
        $simd.mul_f32s($simd.splat_f32s($a), $x)
    };
}

impl Along for Inputs {
    #[inline(always)]
    fn lengths(outputs: usize) -> [usize; 2] {
        [outputs + 2; 2]
    }

    #[inline(always)]
    fn three<S: Simd>(simd: S, [a, b, c, d, e, _]: [S::f32s; POINTS]) -> [S::f32s; POINTS] {
        let odd = add!(simd, -B2, b, d);
        let infinity = add!(simd, -A, odd, add!(simd, -B2, c, e));
        [
            add!(simd, -A, add!(simd, -B2, a, c), odd),
            add!(simd, -A * B, b, add!(simd, B - A, c, d)),
            add!(simd, A * B, b, add!(simd, -A - B, c, d)),
            odd,
            infinity,
            infinity,
        ]
    }

    #[inline(always)]
    fn four<S: Simd>(simd: S, [a, b, c, d, e, f]: [S::f32s; POINTS]) -> [S::f32s; POINTS] {
        let (even_b, odd_b) = (add!(simd, -A2, c, e), add!(simd, -A2, b, d));
        let (even_a, odd_a) = (add!(simd, -B2, c, e), add!(simd, -B2, b, d));
        [
            add!(simd, A2 * B2, a, add!(simd, -A2 - B2, c, e)),
            add!(simd, B, odd_b, even_b),
            add!(simd, -B, odd_b, even_b),
            add!(simd, A, odd_a, even_a),
            add!(simd, -A, odd_a, even_a),
            add!(simd, A2 * B2, b, add!(simd, -A2 - B2, d, f)),
        ]
    }
}

impl Along for Products {
    #[inline(always)]
    fn lengths(outputs: usize) -> [usize; 2] {
        [outputs + 2, outputs]
    }

    /// Without -A, each other point p has p + A for a factor.
    #[inline(always)]
    fn three<S: Simd>(simd: S, [a, b, c, d, e, _]: [S::f32s; POINTS]) -> [S::f32s; POINTS] {
        let (b, c, d) = (scale!(simd, A + B, b), scale!(simd, A - B, c), scale!(simd, 2.0 * A, d));
        let (sum, difference) = (simd.add_f32s(b, c), simd.sub_f32s(b, c));
        let first = add!(simd, A, a, simd.add_f32s(sum, d));
        let second = add!(simd, A, d, scale!(simd, B, difference));
        let third = add!(simd, B2, sum, add!(simd, A2, d, e));
        [first, second, third, third, third, third]
    }

    #[inline(always)]
    fn four<S: Simd>(simd: S, [a, b, c, d, e, f]: [S::f32s; POINTS]) -> [S::f32s; POINTS] {
        let (sum_b, difference_b) = (simd.add_f32s(b, c), simd.sub_f32s(b, c));
        let (sum_a, difference_a) = (simd.add_f32s(d, e), simd.sub_f32s(d, e));
        let first = simd.add_f32s(a, simd.add_f32s(sum_b, sum_a));
        let second = add!(simd, A, difference_a, scale!(simd, B, difference_b));
        let third = add!(simd, A2, sum_a, scale!(simd, B2, sum_b));
        let fourth = add!(simd, A2 * A, difference_a, add!(simd, B2 * B, difference_b, f));
        [first, second, third, fourth, fourth, fourth]
    }
}

#[inline(always)]
fn line<S: Simd, T: Along, const M: usize>(simd: S, x: [S::f32s; POINTS]) -> [S::f32s; POINTS] {
    if M == 3 { T::three(simd, x) } else { T::four(simd, x) }
}

/// Where a cube's numbers come from, and where they go; `n` counts neighbouring vectors.
trait Ends<S: Simd> {
    fn load(&self, at: [usize; 3], n: usize) -> S::f32s;
    fn store(&mut self, at: [usize; 3], n: usize, x: S::f32s);
}

/// Along the last axis of what comes.
#[inline(always)]
fn come<S: Simd, T: Along, const M: usize>(
    simd: S,
    cubes: &mut [Cube<S::f32s>],
    ends: &impl Ends<S>,
    [l, k]: [usize; 2],
) {
    for a in 0..l.min(POINTS) {
        for b in 0..k.min(POINTS) {
            for (n, cube) in cubes.iter_mut().enumerate() {
                let mut x = [simd.splat_f32s(0.0); POINTS];
                for (c, x) in x.iter_mut().enumerate().take(T::lengths(M)[0]) {
                    *x = ends.load([a, b, c], n);
                }
                cube[a][b] = line::<S, T, M>(simd, x);
            }
        }
    }
}

/// Along the middle axis.
#[inline(always)]
fn stay<S: Simd, T: Along, const M: usize>(simd: S, cubes: &mut [Cube<S::f32s>], [l, c]: [usize; 2]) {
    for plane in cubes.iter_mut().flat_map(|cube| cube.iter_mut().take(l)) {
        for i in 0..c.min(POINTS) {
            let mut x = [simd.splat_f32s(0.0); POINTS];
            for (x, row) in x.iter_mut().zip(&*plane).take(T::lengths(M)[0]) {
                *x = row[i];
            }
            let x = line::<S, T, M>(simd, x);
            for (x, row) in x.iter().zip(plane.iter_mut()).take(T::lengths(M)[1]) {
                row[i] = *x;
            }
        }
    }
}

/// Along the first axis of what goes.
#[inline(always)]
fn go<S: Simd, T: Along, const M: usize>(
    simd: S,
    cubes: &[Cube<S::f32s>],
    ends: &mut impl Ends<S>,
    [k, c]: [usize; 2],
) {
    for b in 0..k.min(POINTS) {
        for c in 0..c.min(POINTS) {
            for (n, cube) in cubes.iter().enumerate() {
                let mut x = [simd.splat_f32s(0.0); POINTS];
                for (x, plane) in x.iter_mut().zip(cube).take(T::lengths(M)[0]) {
                    *x = plane[b][c];
                }
                let x = line::<S, T, M>(simd, x);
                for (a, x) in x.iter().enumerate().take(T::lengths(M)[1]) {
                    ends.store([a, b, c], n, *x);
                }
            }
        }
    }
}

/// Calls a transformation along one axis for tiles of 3 or 4 outputs.
macro_rules! along {
    ($of:ident, $outputs:expr, $arguments:tt) => {
        if $outputs == 3 { $of::<S, T, 3> $arguments } else { $of::<S, T, 4> $arguments }
    };
}

/// Along all axes, for neighbouring vectors side by side.
#[inline(always)]
fn along_all<S: Simd, T: Along>(
    simd: S,
    outputs: [usize; 3],
    cubes: &mut [Cube<S::f32s>],
    ends: &mut impl Ends<S>,
) {
    let [l, k, c] = outputs.map(T::lengths);
    along!(come, outputs[2], (simd, cubes, ends, [l[0], k[0]]));
    along!(stay, outputs[1], (simd, cubes, [l[0], c[1]]));
    along!(go, outputs[0], (simd, cubes, ends, [k[1], c[1]]));
}

/// Steps along three axes from that along the last.
const fn steps([_, k, c]: [usize; 3], step: usize) -> [usize; 3] {
    [k * c * step, c * step, step]
}

/// Cells of a tile at its points, for all channels of some images.
pub(super) struct ToPoints<'a> {
    pub(super) outputs: [usize; 3],
    /// First number of each cell in x, none outside of the image.
    pub(super) cells: Cube<Option<usize>>,
    pub(super) x: &'a [f32],
    /// Numbers of a cell, and from one point to the next.
    pub(super) len: usize,
    pub(super) points: &'a mut [f32],
    pub(super) step: usize,
}

struct PointsEnds<'a, S: Simd> {
    simd: S,
    cells: &'a Cube<Option<usize>>,
    x: &'a [S::f32s],
    points: &'a mut [S::f32s],
    steps: [usize; 3],
    first: usize,
}

impl<S: Simd> Ends<S> for PointsEnds<'_, S> {
    #[inline(always)]
    fn load(&self, [a, b, c]: [usize; 3], n: usize) -> S::f32s {
        match self.cells[a][b][c] {
            Some(cell) => self.x[cell / S::F32_LANES + self.first + n],
            None => self.simd.splat_f32s(0.0),
        }
    }

    #[inline(always)]
    fn store(&mut self, [a, b, c]: [usize; 3], n: usize, x: S::f32s) {
        let [l, k, step] = self.steps;
        self.points[a * l + b * k + c * step + self.first + n] = x;
    }
}

impl WithSimd for ToPoints<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut cubes = [[[[simd.splat_f32s(0.0); POINTS]; POINTS]; POINTS]; 2];
        let mut ends = PointsEnds::<S> {
            simd,
            cells: &self.cells,
            x: S::as_simd_f32s(self.x).0,
            points: S::as_mut_simd_f32s(self.points).0,
            steps: steps(self.outputs.map(|n| n + 2), self.step / S::F32_LANES),
            first: 0,
        };
        let vectors = self.len / S::F32_LANES;
        for first in (0..vectors).step_by(2) {
            ends.first = first;
            along_all::<S, Inputs>(simd, self.outputs, &mut cubes[..2.min(vectors - first)], &mut ends);
        }
    }
}

/// Outputs of a tile from its products at the points.
pub(super) struct ToOutputs<'a, 'b> {
    pub(super) outputs: [usize; 3],
    /// Rows of `width` for each image, and numbers from one point to the next.
    pub(super) points: &'a [f32],
    pub(super) step: usize,
    pub(super) width: usize,
    pub(super) images: usize,
    /// Rows of `filters` for each cell, none outside of the image; the first number that is meant.
    pub(super) cells: &'a mut [Option<&'b mut [f32]>],
    pub(super) filters: usize,
    pub(super) first: usize,
}

struct OutputsEnds<'a, 'b, S: Simd> {
    points: &'a [S::f32s],
    from: [usize; 3],
    cells: &'a mut [Option<&'b mut [f32]>],
    to: [usize; 3],
    /// First vectors of an image's row at a point and in a cell.
    first: [usize; 2],
}

impl<S: Simd> Ends<S> for OutputsEnds<'_, '_, S> {
    #[inline(always)]
    fn load(&self, [a, b, c]: [usize; 3], n: usize) -> S::f32s {
        let [l, k, step] = self.from;
        self.points[a * l + b * k + c * step + self.first[0] + n]
    }

    #[inline(always)]
    fn store(&mut self, [a, b, c]: [usize; 3], n: usize, x: S::f32s) {
        let [l, k, step] = self.to;
        if let Some(cell) = &mut self.cells[a * l + b * k + c * step] {
            S::as_mut_simd_f32s(cell).0[self.first[1] + n] = x;
        }
    }
}

impl WithSimd for ToOutputs<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let mut cubes = [[[[simd.splat_f32s(0.0); POINTS]; POINTS]; POINTS]; 2];
        let [step, width, filters, first] =
            [self.step, self.width, self.filters, self.first].map(|numbers| numbers / S::F32_LANES);
        let mut ends = OutputsEnds::<S> {
            points: S::as_simd_f32s(self.points).0,
            from: steps(self.outputs.map(|n| n + 2), step),
            cells: self.cells,
            to: steps(self.outputs, 1),
            first: [0; 2],
        };
        for image in 0..self.images {
            ends.first = [image * width, image * filters + first];
            along_all::<S, Products>(simd, self.outputs, &mut cubes[..width], &mut ends);
        }
    }
}

/// Weights of some channels at the points of one place along the first axis.
pub(super) struct Slab<'a> {
    pub(super) at: usize,
    /// [source, tap, column]
    pub(super) taps: &'a [f32],
    pub(super) width: usize,
    /// [point, source, column], numbers from one point to the next.
    pub(super) points: &'a mut [f32],
    pub(super) step: usize,
}

/// Taps of an axis at its points.
#[inline(always)]
fn weights<S: Simd>(simd: S, [a, b, c]: [S::f32s; 3]) -> [S::f32s; POINTS] {
    let even_b = add!(simd, OF_B, a, scale!(simd, OF_B * B2, c));
    let even_a = add!(simd, OF_A, a, scale!(simd, OF_A * A2, c));
    [
        scale!(simd, OF_0, a),
        add!(simd, OF_B * B, b, even_b),
        add!(simd, -OF_B * B, b, even_b),
        add!(simd, OF_A * A, b, even_a),
        add!(simd, -OF_A * A, b, even_a),
        c,
    ]
}

impl WithSimd for Slab<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        let [f, g, h] = WEIGHTS[self.at];
        let (taps, _) = S::as_simd_f32s(self.taps);
        let (points, _) = S::as_mut_simd_f32s(self.points);
        let width = self.width / S::F32_LANES;
        let step = self.step / S::F32_LANES;
        for (source, taps) in taps.chunks_exact(27 * width).enumerate() {
            for v in 0..width {
                let mut columns = [[simd.splat_f32s(0.0); 3]; POINTS];
                for c in 0..3 {
                    let mut line = [simd.splat_f32s(0.0); 3];
                    for (b, number) in line.iter_mut().enumerate() {
                        let tap = |a: usize| taps[(9 * a + 3 * b + c) * width + v];
                        *number = add!(simd, h, tap(2), add!(simd, g, tap(1), scale!(simd, f, tap(0))));
                    }
                    for (column, number) in columns.iter_mut().zip(weights(simd, line)) {
                        column[c] = number;
                    }
                }
                for (a, column) in columns.into_iter().enumerate() {
                    for (b, number) in weights(simd, column).into_iter().enumerate() {
                        points[(a * POINTS + b) * step + source * width + v] = number;
                    }
                }
            }
        }
    }
}
