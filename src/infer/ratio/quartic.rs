//! Squares of quadratic functions of shifts, by which squares of weights depend on them.

use std::iter::once;

/// Monomials of one order of `1` and all shifts, each by the places of its factors in that row, 0 for 1: in the order of
/// [`monomials`](humboldt_physics::quadratic::monomials).
fn multisets(shifts: usize, order: usize) -> Vec<Vec<usize>> {
    if order == 0 {
        return vec![Vec::new()];
    }
    let rest = multisets(shifts, order - 1);
    let with = |first: usize| {
        let behind = rest.iter().filter(move |own| own.first().is_none_or(|next| first <= *next));
        behind.map(move |own| once(first).chain(own.iter().copied()).collect::<Vec<_>>())
    };
    (0..=shifts).flat_map(with).collect()
}

/// Number of monomials up to fourth order.
pub(super) const fn count(shifts: usize) -> usize {
    (shifts + 1) * (shifts + 2) * (shifts + 3) * (shifts + 4) / 24
}

/// The monomials up to fourth order at given shifts, and their derivatives by each shift.
pub(super) fn monomials(shifts: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let at = |place: usize| if place == 0 { 1.0 } else { shifts[place - 1] };
    let all = multisets(shifts.len(), 4);
    let values = all.iter().map(|own| own.iter().map(|place| at(*place)).product()).collect();
    let slope = |by: usize, own: &[usize]| {
        let others = |left_out: usize| (0..own.len()).filter(move |k| *k != left_out);
        let places = (0..own.len()).filter(|k| own[*k] == by + 1);
        places.map(|k| others(k).map(|k| at(own[k])).product::<f64>()).sum()
    };
    (values, (0..shifts.len()).map(|by| all.iter().map(|own| slope(by, own)).collect()).collect())
}

/// Where products of two monomials up to second order stand among those up to fourth.
pub(super) struct Products {
    /// # Shapes
    /// [monomial, monomial]
    places: Vec<Vec<usize>>,
}

impl Products {
    pub(super) fn new(shifts: usize) -> Self {
        let (single, all) = (multisets(shifts, 2), multisets(shifts, 4));
        let place = |a: &Vec<usize>, b: &Vec<usize>| {
            let mut product = [a.as_slice(), b].concat();
            product.sort_unstable();
            all.partition_point(|own| *own < product)
        };
        Self { places: single.iter().map(|a| single.iter().map(|b| place(a, b)).collect()).collect() }
    }

    /// Adds the coefficients of a multiple of the square of a quadratic function to `out`.
    pub(super) fn add_square(&self, times: f64, terms: &[f64], out: &mut [f64]) {
        for (a, places) in terms.iter().zip(&self.places) {
            for (b, place) in terms.iter().zip(places) {
                out[*place] += times * a * b;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use humboldt_physics::quadratic;

    use super::*;

    /// Values and derivatives of the square of a function of one to four shifts against the function's own.
    #[test]
    fn squares_of_quadratic_functions() {
        for n in 1..=4 {
            let terms: Vec<f64> = (0..quadratic::count(n)).map(|i| (1.7 * i as f64).sin()).collect();
            let shifts = &[0.3, -1.2, 0.7, 2.1][..n];
            let function = quadratic::Quadratic::new(n, terms.clone());
            let mut square = vec![0.0; count(n)];
            Products::new(n).add_square(2.0, &terms, &mut square);
            let (values, slopes) = monomials(shifts);
            let dot = |by: &[f64]| square.iter().zip(by).map(|(a, b)| a * b).sum::<f64>();
            let value = function.at(shifts);
            assert!((dot(&values) - 2.0 * value * value).abs() < 1e-12 * square.len() as f64);
            for (i, by) in slopes.iter().enumerate() {
                assert!((dot(by) - 4.0 * value * function.slope(i, shifts)).abs() < 1e-10, "{n} {i}");
            }
        }
    }
}
