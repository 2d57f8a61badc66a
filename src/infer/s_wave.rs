//! An S-wave in the density that is fitted: K pi pairs of spin 0 under the K*.
//!
//! What is fitted is a factor g on the amplitudes of a given S-wave, in which the rate is a polynomial. Its part of the Standard
//! Model's rate is `F_S = r g^2/(1 + r g^2)`, r the ratio of the rates of both for g = 1: known as a function of g alone, while
//! F_S at 0 is no place where a likelihood has derivatives. A negative g is an interference of the opposite sign.

use humboldt_physics::quadratic::count;
use humboldt_physics::s_wave::{S_WAVE_FUNCTIONS, S_WAVE_RATE};
use humboldt_physics::{Decay, Density, LineShape, SWave, WilsonDirection};
use rayon::prelude::*;

use super::mixture::{Fraction, check};
use super::normalisation::Slice;
use super::{InferError, Interval};

/// The largest F_S that is looked for.
const LARGEST: f64 = 0.9;

/// The strength of an S-wave, and what is known of its F_S.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Strength {
    /// Rate of the S-wave over that of the K* for g = 1.
    ratio: f64,
    known: Fraction,
}

impl Strength {
    /// Of an S-wave whose rate is `ratio` of that of the K*, where F_S is to be `known`.
    ///
    /// # Errors
    /// For an F_S outside 0 to 0.9, an error that is not above 0, an S-wave without any rate.
    pub fn new(ratio: f64, known: Fraction) -> Result<Self, InferError> {
        check(known, "F_S")?;
        let value = match known {
            Fraction::Fixed(value) | Fraction::Constrained(value, _) => value,
            Fraction::Free => 0.0,
        };
        if value > LARGEST {
            return Err(InferError::out_of_range("F_S", value, format!("0 to {LARGEST}")));
        }
        if !(ratio > 1e-9 && ratio.is_finite()) {
            return Err(InferError::out_of_range("F_S of the S-wave that is given", ratio, "above 0"));
        }
        Ok(Self { ratio, known })
    }

    /// Knowledge of F_S.
    pub const fn known(&self) -> Fraction {
        self.known
    }

    /// F_S of a strength.
    pub fn fraction(&self, g: f64) -> f64 {
        self.ratio * g * g / (1.0 + self.ratio * g * g)
    }

    /// The strength, not negative, that has an F_S.
    pub fn of_fraction(&self, fraction: f64) -> f64 {
        (fraction / (1.0 - fraction) / self.ratio).sqrt()
    }

    /// The derivative of F_S by g.
    pub fn slope(&self, g: f64) -> f64 {
        2.0 * self.ratio * g / (1.0 + self.ratio * g * g).powi(2)
    }

    /// The interval of F_S that belongs to one of g.
    pub fn interval(&self, g: f64, of_g: Interval) -> Interval {
        let (own, at) = (self.fraction(g), |end: f64| self.fraction(end));
        // Where g may vanish, so may F_S; beyond, it rises again.
        let far = |a: f64, b: f64| if a * b > 0.0 { at(a).min(at(b)) } else { 0.0 };
        let (low, high) = (of_g.minus.map(|minus| g - minus), of_g.plus.map(|plus| g + plus));
        let lowest = match (low, high) {
            (Some(low), Some(high)) => Some(far(low, high)),
            (Some(low), None) if low > 0.0 => Some(at(low)),
            (None, Some(high)) if high < 0.0 => Some(at(high)),
            _ => None,
        };
        let highest = low.zip(high).map(|(low, high)| at(low).max(at(high)));
        Interval { minus: lowest.map(|x| own - x), plus: highest.map(|x| x - own) }
    }

    /// The strength that a fit starts from.
    pub(super) fn start(&self) -> f64 {
        match self.known {
            Fraction::Free => 1.0,
            Fraction::Fixed(value) | Fraction::Constrained(value, _) => self.of_fraction(value),
        }
    }

    /// The strength of the largest F_S.
    pub(super) fn largest(&self) -> f64 {
        self.of_fraction(LARGEST)
    }

    /// `(F_S - F)^2/2 sigma^2` with its first and second derivatives by g, where F_S is known to be F within sigma.
    pub(super) fn constraint(&self, g: f64) -> (f64, f64, f64) {
        let Fraction::Constrained(value, sigma) = self.known else { return (0.0, 0.0, 0.0) };
        let (off, slope) = (self.fraction(g) - value, self.slope(g));
        let square = self.ratio * g * g;
        let bend = 2.0 * self.ratio * (1.0 - 3.0 * square) / (1.0 + square).powi(3);
        let inverse = sigma.powi(-2);
        (0.5 * inverse * off * off, inverse * off * slope, inverse * (slope * slope + off * bend))
    }

    /// The variance of the constraint's derivative by g.
    pub(super) fn information(&self, g: f64) -> f64 {
        match self.known {
            Fraction::Constrained(_, sigma) => (self.slope(g) / sigma).powi(2),
            Fraction::Fixed(_) | Fraction::Free => 0.0,
        }
    }
}

/// The S-wave of a family of densities.
#[derive(Debug, Clone)]
pub(super) struct OfFamily {
    pub(super) s_wave: SWave,
    /// Absent where the S-wave is as it is given.
    pub(super) strength: Option<Strength>,
    /// The strength where it is no parameter.
    pub(super) fixed: Option<f64>,
}

impl OfFamily {
    pub(super) fn new(s_wave: SWave, strength: Strength) -> Self {
        let fixed = match strength.known {
            Fraction::Fixed(value) => Some(strength.of_fraction(value)),
            Fraction::Free | Fraction::Constrained(..) => None,
        };
        Self { s_wave, strength: Some(strength), fixed }
    }

    pub(super) const fn as_given(s_wave: SWave) -> Self {
        Self { s_wave, strength: None, fixed: Some(1.0) }
    }

    /// Adds the S-wave to the coefficients `own` of the K*'s rate at a q2 (GeV^2) and K pi mass (GeV), for given functions of the
    /// angles or their integrals; where the strength is a parameter, what belongs to it and its square goes to `added`. Whether
    /// the place is inside phase space.
    pub(super) fn add(
        &self,
        decay: &Decay,
        (q2, m_kpi): (f64, f64),
        directions: &[WilsonDirection],
        functions: &[f64; S_WAVE_FUNCTIONS],
        own: &mut [f64],
        added: &mut [f64],
    ) -> bool {
        let Some(terms) = self.s_wave.terms(decay, q2, m_kpi, directions) else { return false };
        let n = own.len();
        for (i, terms) in terms.terms().iter().enumerate() {
            let [mixed, alone] = terms.parts(functions);
            if let Some(g) = self.fixed {
                own[i] += g * (mixed + g * alone);
            } else {
                (added[i], added[n + i]) = (mixed, alone);
            }
        }
        true
    }

    /// Adds the S-wave to the slices of a density of the K*.
    pub(super) fn add_to(&self, density: &Density, slices: &mut [Slice]) {
        let decay = density.decay();
        let range = density.m_kpi_range();
        let masses: Vec<f64> = match density.line_shape() {
            LineShape::Narrow => vec![range.0],
            LineShape::BreitWigner => decay.resonance().nodes_in(range).into_iter().map(|(m, _)| m).collect(),
        };
        let n = count(density.directions().len());
        let blocks = if self.fixed.is_some() { 0 } else { 2 };
        masses.into_par_iter().zip(slices).for_each(|(m_kpi, slice)| {
            let mut added = vec![0.0; blocks * n];
            let (mut own, mut more) = (vec![0.0; n], vec![0.0; blocks * n]);
            for (q2, weight) in decay.q2_nodes(m_kpi, density.windows()) {
                own.fill(0.0);
                if self.add(decay, (q2, m_kpi), density.directions(), &S_WAVE_RATE, &mut own, &mut more) {
                    slice.inside.iter_mut().zip(&own).for_each(|(sum, x)| *sum += weight * x);
                    added.iter_mut().zip(&more).for_each(|(sum, x)| *sum += weight * x);
                }
            }
            slice.inside.extend(added);
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fractions_and_strengths_are_each_others_inverse() {
        let of = |known| Strength::new(0.12, known).unwrap();
        let strength = of(Fraction::Constrained(0.1, 0.02));
        assert!((strength.fraction(1.0) - 0.12 / 1.12).abs() < 1e-15);
        for fraction in [0.0, 0.05, 0.3, 0.9] {
            assert!((strength.fraction(strength.of_fraction(fraction)) - fraction).abs() < 1e-14);
        }
        let h = 1e-5;
        for g in [-0.5, 0.0, 0.3, 1.2] {
            let [below, own, above] = [g - h, g, g + h].map(|g| strength.constraint(g));
            assert!(
                (strength.slope(g) - (strength.fraction(g + h) - strength.fraction(g - h)) / (2.0 * h)).abs()
                    < 1e-8
            );
            assert!((own.1 - (above.0 - below.0) / (2.0 * h)).abs() < 1e-6, "{g}: {own:?}");
            assert!((own.2 - (above.1 - below.1) / (2.0 * h)).abs() < 1e-6, "{g}: {own:?}");
        }
        assert_eq!(of(Fraction::Free).constraint(0.7), (0.0, 0.0, 0.0));
        let refused = |known| Strength::new(0.12, known).unwrap_err().to_string();
        assert!(refused(Fraction::Fixed(0.95)).contains("F_S = 0.95"));
        assert!(refused(Fraction::Constrained(0.1, 0.0)).contains("F_S = 0"));
    }

    #[test]
    fn an_interval_that_holds_no_strength_begins_at_zero() {
        let strength = Strength::new(0.1, Fraction::Free).unwrap();
        let of = |g, minus, plus| strength.interval(g, Interval { minus, plus });
        let around = of(0.2, Some(0.3), Some(0.4));
        assert_eq!(around.minus, Some(strength.fraction(0.2)));
        assert!((around.plus.unwrap() - (strength.fraction(0.6) - strength.fraction(0.2))).abs() < 1e-15);
        let away = of(1.0, Some(0.1), Some(0.1));
        assert!((away.minus.unwrap() - (strength.fraction(1.0) - strength.fraction(0.9))).abs() < 1e-15);
        assert_eq!(of(1.0, None, Some(0.1)), Interval { minus: None, plus: None });
    }
}
