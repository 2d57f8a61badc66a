//! Integrals over the three angles of products of the angular functions, over the density.
//!
//! With `p = sum_i a_i f_i` and scores `u = sum_i b_i f_i / p`, all that information needs is the matrix of
//! `integral f_i f_j / p`: 78 numbers, whatever the number of scores. In chi the functions are harmonics, so that nine
//! moments of 1/p replace them.

use std::f64::consts::PI;
use std::sync::LazyLock;

use humboldt_physics::angular::{HARMONIC, polar_functions};
use humboldt_physics::quadrature::nodes;
use nalgebra::SMatrix;

use super::tabulated::Angular;

/// Steps of chi.
const TURN: usize = 64;

/// `cos k chi` for k = 1..4, then `sin k chi`.
static HARMONICS: LazyLock<[[f64; TURN]; 8]> = LazyLock::new(|| {
    let chi = |n: usize| 2.0 * PI * (n as f64 + 0.5) / TURN as f64;
    let row = |k: usize| match k {
        0..4 => std::array::from_fn(|n| ((k + 1) as f64 * chi(n)).cos()),
        _ => std::array::from_fn(|n| ((k - 3) as f64 * chi(n)).sin()),
    };
    std::array::from_fn(row)
});

/// A matrix of pairs of angular functions.
pub(super) type Gram = SMatrix<f64, 12, 12>;

/// Points that the integrals are evaluated at.
#[derive(Debug, Clone)]
pub(super) struct Sphere {
    /// Cosines of both polar angles with their weights.
    cosines: Vec<(f64, f64)>,
}

impl Sphere {
    /// 64 nodes in each cosine, or half as many.
    pub(super) fn new(fine: bool) -> Self {
        let cosines = if fine { nodes(-1.0, 1.0, [0.0]) } else { nodes(-1.0, 1.0, []) };
        Self { cosines }
    }

    /// `integral f_i f_j / sum_k a_k f_k` over all angles.
    pub(super) fn gram(&self, a: &Angular) -> Gram {
        let mut gram = Gram::zeros();
        for (l, weight_l) in &self.cosines {
            for (k, weight_k) in &self.cosines {
                let functions = polar_functions(*l, *k);
                let pairs = pairs(&moments(a, &functions));
                let weight = weight_l * weight_k * 2.0 * PI / TURN as f64;
                for i in 0..12 {
                    for j in i..12 {
                        let pair = pairs[HARMONIC[i]][HARMONIC[j]];
                        gram[(i, j)] += weight * functions[i] * functions[j] * pair;
                    }
                }
            }
        }
        gram.fill_lower_triangle_with_upper_triangle();
        gram
    }
}

/// Sums over chi of `1/p` times `1`, `cos k chi` (k = 1..4), `sin k chi`.
fn moments(a: &Angular, functions: &Angular) -> [f64; 9] {
    let harmonics = &*HARMONICS;
    let mut parts = [0.0; 5];
    for ((a, f), harmonic) in a.iter().zip(functions).zip(HARMONIC) {
        parts[harmonic] += a * f;
    }
    let [even, cos_1, sin_1, cos_2, sin_2] = parts;
    // Rounding must not make a rate of zero negative.
    let floor = 1e-13 * even;
    let inverse: [f64; TURN] = std::array::from_fn(|n| {
        let p = even
            + cos_1 * harmonics[0][n]
            + sin_1 * harmonics[4][n]
            + cos_2 * harmonics[1][n]
            + sin_2 * harmonics[5][n];
        1.0 / p.max(floor)
    });
    let mut sums = [0.0; 9];
    sums[0] = inverse.iter().sum();
    for (sum, harmonic) in sums[1..].iter_mut().zip(harmonics) {
        *sum = inverse.iter().zip(harmonic).map(|(x, h)| x * h).sum();
    }
    sums
}

/// Sums over chi of products of two harmonics over p, by the moments.
fn pairs(m: &[f64; 9]) -> [[f64; 5]; 5] {
    let [one, c1, c2, c3, c4, s1, s2, s3, s4] = *m;
    let half = |x: f64| 0.5 * x;
    let upper = [
        [one, c1, s1, c2, s2],
        [0.0, half(one + c2), half(s2), half(c1 + c3), half(s3 + s1)],
        [0.0, 0.0, half(one - c2), half(s3 - s1), half(c1 - c3)],
        [0.0, 0.0, 0.0, half(one + c4), half(s4)],
        [0.0, 0.0, 0.0, 0.0, half(one - c4)],
    ];
    std::array::from_fn(|i| std::array::from_fn(|j| if i <= j { upper[i][j] } else { upper[j][i] }))
}

#[cfg(test)]
mod tests {
    use humboldt_physics::AngularCoefficients;
    use humboldt_physics::angular::angular_functions;

    use super::*;

    /// `sum_k a_k f_k` over itself is 1: the matrix times `a` is the integral of each function.
    #[test]
    fn matrix_times_its_own_density_gives_the_integrals() {
        let a = [3.0, 4.0, 0.9, -3.8, -0.3, 0.8, -0.9, 1.5, 0.0, 0.1, -0.2, 0.15];
        let gram = Sphere::new(false).gram(&a);
        let product = gram * SMatrix::<f64, 12, 1>::from_row_slice(&a);
        for i in 0..12 {
            let mut unit = [0.0; 12];
            unit[i] = 1.0;
            let rate = AngularCoefficients::from_array(unit).rate();
            assert!((product[i] - rate).abs() < 1e-5, "{i}: {} {rate}", product[i]);
        }
    }

    /// One element, by a plain sum over a fine grid.
    #[test]
    fn an_element_agrees_with_a_plain_sum() {
        let a = [3.0, 4.0, 0.9, -2.8, -0.3, 0.6, -0.7, 1.0, 0.1, 0.1, -0.2, 0.15];
        let gram = Sphere::new(true).gram(&a);
        let steps = 120;
        let mut sums = [0.0; 3];
        for l in 0..steps {
            for k in 0..steps {
                for n in 0..steps {
                    let middle = |i: i32| 2.0 * (f64::from(i) + 0.5) / f64::from(steps) - 1.0;
                    let f = angular_functions(middle(l), middle(k), PI * middle(n));
                    let p: f64 = f.iter().zip(&a).map(|(f, a)| f * a).sum();
                    for (sum, (i, j)) in sums.iter_mut().zip([(5, 11), (6, 6), (7, 10)]) {
                        *sum += f[i] * f[j] / p * PI * (2.0 / f64::from(steps)).powi(3);
                    }
                }
            }
        }
        for (sum, (i, j)) in sums.iter().zip([(5, 11), (6, 6), (7, 10)]) {
            assert!((gram[(i, j)] - sum).abs() < 2e-3 * gram[(6, 6)], "{i} {j}: {} {sum}", gram[(i, j)]);
        }
    }
}
