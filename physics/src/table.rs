//! Complex functions of q2 that are known at points: a smooth interpolation.
//!
//! Cubic Hermite pieces in `ln q2` with the slopes of the parabola through each three neighbours: continuous with its
//! first derivative, exact at the points. Beyond either end it goes on as a straight line in `ln q2`, which is how the
//! logarithms of massless quark loops behave at small q2.

use num_complex::Complex64;
use serde::Deserialize;

use crate::parameters::built_in_data;

/// One point: `ln q2`, values and slopes.
#[derive(Debug, Clone, Copy)]
struct Point<const N: usize> {
    x: f64,
    value: [Complex64; N],
    slope: [Complex64; N],
}

/// `N` functions known at the same points.
#[derive(Debug, Clone)]
pub(crate) struct Table<const N: usize>(Vec<Point<N>>);

impl<const N: usize> Table<N> {
    /// From `(q2, values)` in rising q2 > 0, at least three.
    pub(crate) fn new(points: &[(f64, [Complex64; N])]) -> Self {
        let x: Vec<f64> = points.iter().map(|(q2, _)| q2.ln()).collect();
        let secant = |i: usize, n: usize| (points[i + 1].1[n] - points[i].1[n]) / (x[i + 1] - x[i]);
        let last = points.len() - 1;
        // Slope at point `at` of the parabola through the points around `middle`.
        let parabola = |middle: usize, at: usize, n: usize| {
            let curvature = (secant(middle, n) - secant(middle - 1, n)) / (x[middle + 1] - x[middle - 1]);
            secant(middle - 1, n) + curvature * (2.0 * x[at] - x[middle - 1] - x[middle])
        };
        let point = |i: usize| Point {
            x: x[i],
            value: points[i].1,
            slope: std::array::from_fn(|n| parabola(i.clamp(1, last - 1), i, n)),
        };
        Self((0..points.len()).map(point).collect())
    }

    /// The functions at `q2 = exp(ln_q2)` GeV^2.
    pub(crate) fn at(&self, ln_q2: f64) -> [Complex64; N] {
        let above = self.0.partition_point(|point| point.x <= ln_q2);
        match (above.checked_sub(1).map(|i| &self.0[i]), self.0.get(above)) {
            (Some(a), Some(b)) => {
                let width = b.x - a.x;
                let t = (ln_q2 - a.x) / width;
                let s = 1.0 - t;
                let (h0, h1) = (s * s * (1.0 + 2.0 * t), t * t * (1.0 + 2.0 * s));
                let (d0, d1) = (width * t * s * s, -width * t * t * s);
                std::array::from_fn(|n| a.value[n] * h0 + b.value[n] * h1 + a.slope[n] * d0 + b.slope[n] * d1)
            }
            (Some(end), None) | (None, Some(end)) => {
                std::array::from_fn(|n| end.value[n] + end.slope[n] * (ln_q2 - end.x))
            }
            (None, None) => [Complex64::ZERO; N],
        }
    }
}

/// A built-in file of rows of numbers; the first column is q2, then come real and imaginary parts for B0bar and B0.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ByFlavour {
    #[expect(dead_code, reason = "for the reader of the file")]
    source: String,
    #[expect(dead_code, reason = "for the reader of the file")]
    unit: String,
    /// The weak phase that the rows were made with.
    xi_u_over_xi_t: [f64; 2],
    columns: Vec<String>,
    rows: Vec<Vec<f64>>,
}

impl ByFlavour {
    /// The built-in file's rows as functions `(t, u)` of `t + xi_u/xi_t u`, which is what B0bar sees; B0 sees the
    /// complex conjugate of `xi_u/xi_t`. Pairs in the order of the file's columns.
    pub(crate) fn separated<const N: usize>(
        file: &str,
        text: &str,
    ) -> Vec<(f64, [(Complex64, Complex64); N])> {
        let data: Self = built_in_data(file, text);
        assert_eq!(data.columns.len(), 4 * N + 1, "built-in data file {file}: columns");
        let phase = Complex64::new(data.xi_u_over_xi_t[0], data.xi_u_over_xi_t[1]);
        let row = |row: &Vec<f64>| {
            assert_eq!(row.len(), data.columns.len(), "built-in data file {file}: row at q2 = {}", row[0]);
            let number = |i: usize| Complex64::new(row[1 + 2 * i], row[2 + 2 * i]);
            let pairs = std::array::from_fn(|n| {
                let (b_bar, b) = (number(n), number(N + n));
                let u = (b_bar - b) / (phase - phase.conj());
                (b_bar - phase * u, u)
            });
            (row[0], pairs)
        };
        data.rows.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exact_at_the_points_and_for_parabolas_and_smooth_between() {
        let f = |x: f64| Complex64::new(0.3 - 1.2 * x + 0.4 * x * x, 2.0 * x);
        let q2 = [0.045, 0.095, 0.2, 0.995, 1.0, 1.1, 3.0];
        let table = Table::new(&q2.map(|q2: f64| (q2, [f(q2.ln())])));
        for q2 in q2.into_iter().chain([0.05, 0.5, 0.997, 2.0]) {
            assert!((table.at(q2.ln())[0] - f(q2.ln())).norm() < 1e-13, "q2 = {q2}");
        }
        // A straight line beyond the ends.
        let (a, b, c) = (table.at(-8.0)[0], table.at(-9.0)[0], table.at(-10.0)[0]);
        assert!((a - b * 2.0 + c).norm() < 1e-12);
    }
}
