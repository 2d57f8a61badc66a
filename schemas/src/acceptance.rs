//! An efficiency in q2 and the angles as a sum of Legendre polynomials: the file of `humboldt acceptance`.

use std::f64::consts::PI;
use std::path::Path;

use humboldt_physics::Efficiency;
use humboldt_physics::convention::DecayVariables;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::{Invalid, SchemaError};
use crate::read_json;

/// Highest order that is allowed.
pub const HIGHEST_ORDER: usize = 12;

/// `sum c_klmn P_k(cos_theta_l) P_l(cos_theta_k) P_m(chi/pi) P_n(q2)`, q2 scaled to [-1, 1]; its mean over phase space is 1.
///
/// # Source
/// LHCb, arXiv:1512.04442, section 6.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LegendreAcceptance {
    /// Range of q2 (GeV^2).
    pub q2: [f64; 2],
    /// Highest orders in `cos_theta_l`, `cos_theta_k`, chi and q2.
    pub orders: [usize; 4],
    /// Coefficients, the order in q2 running fastest, then that in chi.
    ///
    /// # Shapes
    /// `(orders[0] + 1, orders[1] + 1, orders[2] + 1, orders[3] + 1)` in a row.
    pub coefficients: Vec<f64>,
    /// Events that it was made of, and as many unweighted ones as would have its statistics.
    pub events: [f64; 2],
}

/// Legendre polynomials up to an order at a place in [-1, 1].
pub fn legendre(order: usize, x: f64) -> Vec<f64> {
    let mut values = vec![1.0, x];
    for n in 1..order {
        let n_f = n as f64;
        values.push(((2.0 * n_f + 1.0) * x * values[n] - n_f * values[n - 1]) / (n_f + 1.0));
    }
    values.truncate(order + 1);
    values
}

impl LegendreAcceptance {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// When it cannot be read, is none of these, or has another number of coefficients than its orders say.
    pub fn read(path: &Path) -> Result<Self, SchemaError> {
        let own: Self = read_json(path)?;
        own.check()?;
        Ok(own)
    }

    /// The places of an event in [-1, 1], in the order of the axes.
    pub fn places(q2: [f64; 2], event: &DecayVariables) -> [f64; 4] {
        let [low, high] = q2;
        let scaled = (2.0 * event.q2 - low - high) / (high - low);
        [event.cos_theta_l, event.cos_theta_k, event.chi / PI, scaled.clamp(-1.0, 1.0)]
    }

    /// The sum at an event; negative where the polynomials swing below 0.
    pub fn sum(&self, event: &DecayVariables) -> f64 {
        let places = Self::places(self.q2, event);
        let [l, k, chi, q2] = std::array::from_fn(|axis| legendre(self.orders[axis], places[axis]));
        let mut coefficients = self.coefficients.chunks_exact(q2.len());
        let mut sum = 0.0;
        for p_l in &l {
            for p_k in &k {
                let mut inner = 0.0;
                for (p_chi, row) in chi.iter().zip(&mut coefficients) {
                    inner += p_chi * row.iter().zip(&q2).map(|(c, p)| c * p).sum::<f64>();
                }
                sum += p_l * p_k * inner;
            }
        }
        sum
    }

    /// As the efficiency of a density: 0 where the sum is negative.
    pub fn efficiency(&self) -> Efficiency {
        let own = self.clone();
        Efficiency::new(move |q2, cos_theta_l, cos_theta_k, chi| {
            own.sum(&DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi: 0.0 }).max(0.0)
        })
    }

    /// The part of phase space where the sum is negative, and its lowest value, on a grid.
    pub fn negative(&self) -> (f64, f64) {
        const STEPS: usize = 14;
        let place =
            |i: usize, axis: u32| 2.0 * ((i / STEPS.pow(axis) % STEPS) as f64 + 0.5) / STEPS as f64 - 1.0;
        let (mut negative, mut lowest) = (0_usize, f64::INFINITY);
        let [low, high] = self.q2;
        for i in 0..STEPS.pow(4) {
            let event = DecayVariables {
                q2: 0.5 * (low + high) + 0.5 * (high - low) * place(i, 3),
                cos_theta_l: place(i, 0),
                cos_theta_k: place(i, 1),
                chi: PI * place(i, 2),
                m_kpi: 0.0,
            };
            let value = self.sum(&event);
            negative += usize::from(value < 0.0);
            lowest = lowest.min(value);
        }
        (negative as f64 / STEPS.pow(4) as f64, lowest)
    }

    /// Checks ranges and the number of coefficients.
    ///
    /// # Errors
    /// The first that is wrong.
    pub fn check(&self) -> Result<(), Invalid> {
        let [low, high] = self.q2;
        let range = format!("[{low}, {high}]");
        Invalid::unless(0.0 <= low && low < high && high < 30.0, "acceptance.q2", range, "a range in GeV^2")?;
        for order in self.orders {
            let allowed = format!("0 to {HIGHEST_ORDER}");
            Invalid::unless(order <= HIGHEST_ORDER, "acceptance.orders", order, allowed)?;
        }
        let wanted: usize = self.orders.iter().map(|order| order + 1).product();
        let (got, finite) = (self.coefficients.len(), self.coefficients.iter().all(|c| c.is_finite()));
        Invalid::unless(
            got == wanted && finite,
            "acceptance.coefficients",
            got,
            format!("{wanted} finite numbers"),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_products_of_polynomials() {
        let mut coefficients = vec![0.0; 3 * 2 * 2 * 2];
        // 1 + 0.5 P_2(cos_theta_l) P_1(chi/pi) - 0.25 P_1(cos_theta_k) P_1(q2).
        coefficients[0] = 1.0;
        coefficients[2 * 8 + 2] = 0.5;
        coefficients[4 + 1] = -0.25;
        let own =
            LegendreAcceptance { q2: [1.0, 5.0], orders: [2, 1, 1, 1], coefficients, events: [1.0, 1.0] };
        own.check().unwrap();
        let event = DecayVariables { q2: 4.0, cos_theta_l: 0.6, cos_theta_k: -0.4, chi: 1.0, m_kpi: 0.9 };
        let expected = 1.0 + 0.5 * (1.5 * 0.36 - 0.5) / PI + 0.25 * 0.4 * 0.5;
        assert!((own.sum(&event) - expected).abs() < 1e-14);
        assert!(own.negative().1 > 0.0);
        let short = LegendreAcceptance { coefficients: vec![1.0; 3], ..own };
        assert!(
            short.check().unwrap_err().to_string().contains("coefficients = 3 is not allowed; allowed: 24")
        );
    }

    #[test]
    fn polynomials_are_legendre_s() {
        let values = legendre(4, 0.3);
        for (got, expected) in values.iter().zip([1.0, 0.3, -0.365, -0.3825, 0.072_937_5]) {
            assert!((got - expected).abs() < 1e-12, "{values:?}");
        }
        assert_eq!((legendre(0, 0.3).len(), legendre(1, 0.3).len()), (1, 2));
    }
}
