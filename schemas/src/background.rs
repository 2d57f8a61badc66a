//! The density of a background, smoothed from a sample of it: the file of `humboldt background`.

use std::f64::consts::PI;
use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::acceptance::legendre;
use crate::error::{Invalid, SchemaError};
use crate::read_json;

/// Highest total order that is allowed.
pub const HIGHEST_ORDER: usize = 6;

/// q2 (GeV^2), `cos_theta_l`, `cos_theta_k`, the K pi mass (GeV) and chi (rad).
pub type Variables = [f64; 5];

/// Terms of the logarithm of a density: products of Legendre polynomials in q2, both cosines and the K pi mass, and of harmonics of
/// chi, up to a total order, 1 excepted.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    order: usize,
    q2: [f64; 2],
    m_kpi: Option<[f64; 2]>,
    products: Vec<[usize; 5]>,
}

impl Terms {
    /// Up to a total order; q2 (GeV^2) and K pi masses (GeV) have their ranges from -1 to 1. Without masses all events have one.
    pub fn new(order: usize, q2: [f64; 2], m_kpi: Option<[f64; 2]>) -> Self {
        let heaviest = if m_kpi.is_some() { order } else { 0 };
        let mut products = Vec::new();
        for of_q2 in 0..=order {
            for l in 0..=order - of_q2 {
                for k in 0..=order - of_q2 - l {
                    for m in 0..=heaviest.min(order - of_q2 - l - k) {
                        // Harmonics 1, cos, sin, cos 2, sin 2 ...
                        let harmonics = 2 * (order - of_q2 - l - k - m);
                        products.extend((0..=harmonics).map(|chi| [of_q2, l, k, m, chi]));
                    }
                }
            }
        }
        products.retain(|product| *product != [0; 5]);
        Self { order, q2, m_kpi, products }
    }

    /// The total order.
    pub const fn order(&self) -> usize {
        self.order
    }

    /// Orders in q2, `cos_theta_l`, `cos_theta_k`, the K pi mass, and place of the harmonic of chi.
    pub fn products(&self) -> &[[usize; 5]] {
        &self.products
    }

    /// The variables in their ranges, each from -1 to 1, chi by pi; 0 for a K pi mass that all events have.
    pub fn units(&self, [q2, l, k, m_kpi, chi]: Variables) -> Variables {
        let unit = |x: f64, [low, high]: [f64; 2]| (2.0 * (x - low) / (high - low) - 1.0).clamp(-1.0, 1.0);
        [unit(q2, self.q2), l, k, self.m_kpi.map_or(0.0, |range| unit(m_kpi, range)), chi / PI]
    }

    /// Functions of each variable by their order, at an event.
    pub fn functions(&self, variables: Variables) -> [Vec<f64>; 5] {
        let chi = variables[4];
        let [q2, l, k, mass, _] = self.units(variables);
        let [q2, l, k, mass] = [q2, l, k, mass].map(|x| legendre(self.order, x));
        let harmonic = |place: usize| {
            let n = place.div_ceil(2) as f64;
            if place.is_multiple_of(2) { (n * chi).sin() } else { (n * chi).cos() }
        };
        let mut harmonics = vec![1.0];
        harmonics.extend((1..=2 * self.order).map(harmonic));
        [q2, l, k, mass, harmonics]
    }

    /// All terms at an event.
    pub fn at(&self, variables: Variables) -> impl Iterator<Item = f64> {
        let functions = self.functions(variables);
        self.products.iter().map(move |orders| product(orders, &functions))
    }
}

/// `exp(sum of factors times terms)` over a density that is uniform in q2 and the angles, with K pi masses of the K*'s line shape.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackgroundDensity {
    /// Windows in q2 (GeV^2) that it was made in.
    pub windows: Vec<[f64; 2]>,
    /// Range of q2 (GeV^2) over which its polynomials go.
    pub q2: [f64; 2],
    /// Range of K pi masses (GeV); none where all events have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub m_kpi: Option<[f64; 2]>,
    /// Highest total order.
    pub order: usize,
    /// Factors of the terms: of rising orders in q2, `cos_theta_l`, `cos_theta_k` and the K pi mass, the harmonics 1, cos, sin, cos 2, sin 2, ..
    /// of chi fastest, without that of 1. With K pi masses one of the logarithm of the line shape stands behind them.
    pub factors: Vec<f64>,
    /// Largest sum of the terms of two and more variables, below whose exponential events are drawn.
    pub largest: f64,
    /// Events that it was made of, and as many unweighted ones as would have their statistics.
    pub events: [f64; 2],
}

impl BackgroundDensity {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read, is none of these, or has another number of factors than its order says.
    pub fn read(path: &Path) -> Result<Self, SchemaError> {
        let own: Self = read_json(path)?;
        own.check()?;
        Ok(own)
    }

    /// The terms of its logarithm.
    pub fn terms(&self) -> Terms {
        Terms::new(self.order, self.q2, self.m_kpi)
    }

    /// The factor of the logarithm of the line shape; 0 where all events have one K pi mass.
    pub fn factor_of_line_shape(&self) -> f64 {
        self.m_kpi.and_then(|_| self.factors.last().copied()).unwrap_or_default()
    }

    /// Terms of one variable by their factors, and those of two and more.
    pub fn apart(&self) -> [Vec<([usize; 5], f64)>; 2] {
        let all = self.terms().products.into_iter().zip(self.factors.iter().copied());
        let (one, more) =
            all.partition(|(product, _)| product.iter().filter(|order| **order > 0).count() < 2);
        [one, more]
    }

    /// Largest sum of the terms of two and more variables on a grid, with a margin for what lies between its points.
    pub fn largest_of_several(&self) -> f64 {
        const STEPS: usize = 7;
        const TURNS: usize = 24;
        let (terms, [_, more]) = (self.terms(), self.apart());
        let ends = [self.q2, [-1.0, 1.0], [-1.0, 1.0], self.m_kpi.unwrap_or_default(), [-PI, PI]];
        let mut largest = 0.0_f64;
        for i in 0..STEPS.pow(4) * TURNS {
            let event: Variables = std::array::from_fn(|axis| {
                let (step, steps) = match axis {
                    4 => (i / STEPS.pow(4), TURNS),
                    _ => (i / STEPS.pow(axis as u32) % STEPS, STEPS - 1),
                };
                let [low, high] = ends[axis];
                low + (high - low) * step as f64 / steps as f64
            });
            largest = largest.max(sum(&more, &terms.functions(event)));
        }
        largest + 0.02 + 0.05 * largest
    }

    /// Checks ranges and the number of factors.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn check(&self) -> Result<(), Invalid> {
        let rising = |[low, high]: [f64; 2], most: f64| 0.0 <= low && low < high && high < most;
        let text = |range: [f64; 2]| format!("[{}, {}]", range[0], range[1]);
        for range in self.windows.iter().chain([&self.q2]) {
            let fine = rising(*range, 30.0);
            Invalid::unless(fine, "background.density: q2", text(*range), "ranges in GeV^2")?;
        }
        Invalid::unless(!self.windows.is_empty(), "background.density: windows", "none", "one and more")?;
        if let Some(range) = self.m_kpi {
            let fine = rising(range, 5.0);
            Invalid::unless(fine, "background.density: m_kpi", text(range), "a range in GeV")?;
        }
        let (order, allowed) = (self.order, format!("1 to {HIGHEST_ORDER}"));
        Invalid::unless((1..=HIGHEST_ORDER).contains(&order), "background.density: order", order, allowed)?;
        let wanted = self.terms().products().len() + usize::from(self.m_kpi.is_some());
        let (got, finite) = (self.factors.len(), self.factors.iter().all(|factor| factor.is_finite()));
        let allowed = format!("{wanted} finite numbers");
        Invalid::unless(got == wanted && finite, "background.density: factors", got, allowed)?;
        let (largest, allowed) = (self.largest, "0 to 20");
        Invalid::unless((0.0..=20.0).contains(&largest), "background.density: largest", largest, allowed)
    }
}

/// A sum of some terms by their factors, of functions of each variable as of [`Terms::functions`].
pub fn sum(terms: &[([usize; 5], f64)], functions: &[Vec<f64>; 5]) -> f64 {
    terms.iter().map(|(orders, factor)| factor * product(orders, functions)).sum()
}

fn product(orders: &[usize; 5], functions: &[Vec<f64>; 5]) -> f64 {
    functions.iter().zip(orders).map(|(function, order)| function[*order]).product()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_products_up_to_their_order() {
        let terms = Terms::new(2, [1.0, 5.0], Some([0.8, 1.0]));
        // Of total order 1: four polynomials and two harmonics; of 2: ten products of polynomials, eight with a harmonic, two harmonics.
        assert_eq!(terms.products().len(), 6 + 10 + 8 + 2);
        let at: Vec<f64> = terms.at([4.0, 0.6, -0.4, 0.95, 0.3]).collect();
        let of = |orders: [usize; 5]| at[terms.products().iter().position(|p| *p == orders).unwrap()];
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        close(of([1, 0, 0, 0, 0]), 0.5);
        close(of([0, 2, 0, 0, 0]), 1.5 * 0.36 - 0.5);
        close(of([0, 1, 0, 0, 2]), 0.6 * 0.3_f64.sin());
        close(of([0, 0, 1, 1, 0]), -0.4 * 0.5);
        close(of([0, 0, 0, 0, 3]), 0.6_f64.cos());
        assert_eq!(Terms::new(2, [1.0, 5.0], None).products().iter().filter(|p| p[3] > 0).count(), 0);
    }

    #[test]
    fn products_of_several_variables_stay_below_their_largest() {
        let mut own = BackgroundDensity {
            windows: vec![[1.0, 5.0]],
            q2: [1.0, 5.0],
            m_kpi: Some([0.8, 1.0]),
            order: 2,
            factors: vec![0.0; 27],
            largest: 0.0,
            events: [100.0, 100.0],
        };
        for (factor, i) in own.factors.iter_mut().zip(0_u8..) {
            *factor = 0.3 * (1.7 * f64::from(i)).sin();
        }
        let [one, more] = own.apart();
        assert_eq!((one.len(), more.len()), (4 + 2 + 4 + 2, 6 + 8));
        let (terms, largest) = (own.terms(), own.largest_of_several());
        let mut found = 0.0_f64;
        for i in 0..40_000_u32 {
            let part = |step: f64| (f64::from(i) * step).fract();
            let event = [
                1.0 + 4.0 * part(0.618_034),
                2.0 * part(0.754_878) - 1.0,
                2.0 * part(0.569_84) - 1.0,
                0.8 + 0.2 * part(0.819_173),
                PI * (2.0 * part(0.671_044) - 1.0),
            ];
            found = found.max(sum(&more, &terms.functions(event)));
            let all: f64 = terms.at(event).zip(&own.factors).map(|(term, factor)| term * factor).sum();
            let apart = sum(&more, &terms.functions(event)) + sum(&one, &terms.functions(event));
            assert!((all - apart).abs() < 1e-12);
        }
        assert!((0.8 * largest..largest).contains(&found), "{found} {largest}");
    }

    #[test]
    fn files_with_other_numbers_are_refused() {
        let fine = BackgroundDensity {
            windows: vec![[1.0, 5.0]],
            q2: [1.0, 5.0],
            m_kpi: None,
            order: 1,
            factors: vec![0.1; 5],
            largest: 0.0,
            events: [100.0, 100.0],
        };
        fine.check().unwrap();
        let wrong = |edit: &dyn Fn(&mut BackgroundDensity), word: &str| {
            let mut own = fine.clone();
            edit(&mut own);
            let said = own.check().unwrap_err().to_string();
            assert!(said.contains(word), "{said}");
        };
        wrong(&|own| own.factors.push(0.0), "factors = 6 is not allowed; allowed: 5 finite numbers");
        wrong(&|own| own.factors[0] = f64::NAN, "finite");
        wrong(&|own| own.order = 7, "order = 7");
        wrong(&|own| own.windows.clear(), "windows");
        wrong(&|own| own.m_kpi = Some([1.0, 0.8]), "m_kpi");
    }
}
