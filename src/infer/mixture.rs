//! The likelihood of events that count by weights, or of which a part is background.
//!
//! Event by event `L = (1 - f) S(d) + f B`, S and B the densities of signal and background in one unit, f the fraction of
//! background; `-ln L` is the sum of `-w ln L`, and `(f - f0)^2/2 sigma^2` where f is known to be `f0 +- sigma`.

use humboldt_physics::quadratic::{monomials, place};
use humboldt_pipeline::EventBatch;
use nalgebra::{DMatrix, DVector};

use super::InferError;
use super::background::Background;
use super::density::EventFamily;
use super::form::{Jet, second, slopes};
use super::likelihood::Likelihood;
use super::simulation::Coupling;
use super::weights::Weights;

/// What is known of the fraction of background.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fraction {
    /// Exactly.
    Fixed(f64),
    /// Nothing: it is fitted.
    Free,
    /// Value and standard deviation of another measurement; it is fitted.
    Constrained(f64, f64),
}

/// Where a free fraction starts.
const START: f64 = 0.3;

impl Fraction {
    /// Whether it is a parameter of the fit.
    pub const fn is_free(self) -> bool {
        !matches!(self, Self::Fixed(_))
    }

    pub(super) const fn start(self) -> f64 {
        match self {
            Self::Fixed(value) | Self::Constrained(value, _) => value,
            Self::Free => START,
        }
    }

    /// Refuses what is no fraction.
    ///
    /// # Errors
    /// For a value outside 0 to 1, or an error that is not above 0.
    pub fn check(self) -> Result<(), InferError> {
        let (value, sigma) = match self {
            Self::Fixed(value) => (value, 1.0),
            Self::Free => (START, 1.0),
            Self::Constrained(value, sigma) => (value, sigma),
        };
        let refuse = |got: f64, allowed: &str| InferError::out_of_range("background fraction", got, allowed);
        if !(0.0..1.0).contains(&value) {
            return Err(refuse(value, "0 to 1, 1 excluded"));
        }
        (sigma > 0.0 && sigma.is_finite()).then_some(()).ok_or_else(|| refuse(sigma, "an error above 0"))
    }
}

/// The background at the events of a sample.
#[derive(Debug, Clone)]
pub(super) struct Mixture {
    pub(super) fraction: Fraction,
    /// Its density in units of `rate/(T A)`, rates as the likelihood holds them.
    densities: Vec<f64>,
    /// The features of which the logarithm of its density is a sum, less their means.
    ///
    /// # Shapes
    /// [event, feature]
    features: Vec<f64>,
    /// Covariance of the factors of that sum.
    covariance: DMatrix<f64>,
}

impl Mixture {
    pub(super) fn new(
        family: &EventFamily,
        events: &EventBatch,
        background: &Background,
        fraction: Fraction,
    ) -> Result<Self, InferError> {
        fraction.check()?;
        let densities = background.densities(family, events)?;
        let features = background.centred_features(events);
        Ok(Self { fraction, densities, features, covariance: background.covariance().clone() })
    }
}

/// `ln S` of one event with its derivatives, in memory that is used again.
struct Signal {
    value: f64,
    gradient: Vec<f64>,
    hessian: DMatrix<f64>,
}

/// A point of parameters, with all that events have in common there.
struct At<'a> {
    of: &'a Likelihood<'a>,
    fraction: f64,
    values: Vec<f64>,
    slopes: Vec<Vec<f64>>,
    /// `ln A`.
    accepted: Jet,
    /// `ln T` at each K pi mass of the interpolation.
    totals: Vec<Jet>,
}

impl<'a> At<'a> {
    fn new(of: &'a Likelihood, point: &[f64]) -> Self {
        let (shifts, rest) = point.split_at(of.names().len());
        let fraction =
            of.mixture.as_ref().map_or(0.0, |mixture| *rest.first().unwrap_or(&mixture.fraction.start()));
        let totals = of.normalisation.totals.iter().map(|total| Jet::of(total, shifts).ln()).collect();
        let accepted = of.normalisation.accepted(shifts).ln();
        Self { of, fraction, values: monomials(shifts), slopes: slopes(shifts), accepted, totals }
    }

    fn signal(&self) -> Signal {
        let n = self.slopes.len();
        Signal { value: 0.0, gradient: vec![0.0; n], hessian: DMatrix::zeros(n, n) }
    }

    fn rate(&self, row: usize) -> f64 {
        self.values.iter().zip(&self.of.columns).map(|(value, column)| value * column[row]).sum()
    }

    /// Each total rate with its share in the event's.
    fn totals_of(&self, row: usize) -> impl Iterator<Item = (f64, &Jet)> {
        let masses = self.totals.len();
        let shares = self.of.shares.get(row * masses..(row + 1) * masses);
        let share = move |k: usize| shares.map_or(1.0, |shares| shares[k]);
        self.totals.iter().enumerate().map(move |(k, total)| (share(k), total))
    }

    /// `ln S`; NaN where the event is impossible.
    fn value(&self, row: usize) -> f64 {
        let totals: f64 = self.totals_of(row).map(|(share, total)| share * total.value).sum();
        self.rate(row).ln() - totals - self.accepted.value
    }

    /// Value and gradient of `ln S`; the second derivatives too, where they are asked for.
    fn fill(&self, row: usize, signal: &mut Signal, with_hessian: bool) {
        let n = self.slopes.len();
        let inverse = self.rate(row).recip();
        signal.value = -self.accepted.value - inverse.ln();
        for (i, gradient) in signal.gradient.iter_mut().enumerate() {
            let slope = self.slopes[i].iter().zip(&self.of.columns).map(|(slope, c)| slope * c[row]);
            *gradient = slope.sum::<f64>() * inverse;
        }
        if with_hessian {
            for i in 0..n {
                for j in i..n {
                    let bend = second(i, j) * self.of.columns[place(n, i, j)][row] * inverse;
                    signal.hessian[(i, j)] =
                        bend - signal.gradient[i] * signal.gradient[j] - self.accepted.hessian[(i, j)];
                }
            }
        }
        for (i, gradient) in signal.gradient.iter_mut().enumerate() {
            *gradient -= self.accepted.gradient[i];
        }
        for (share, total) in self.totals_of(row) {
            signal.value -= share * total.value;
            for i in 0..n {
                signal.gradient[i] -= share * total.gradient[i];
                if with_hessian {
                    (i..n).for_each(|j| signal.hessian[(i, j)] -= share * total.hessian[(i, j)]);
                }
            }
        }
    }
}

/// An event of a mixture.
struct Mixed {
    /// `ln L`.
    value: f64,
    /// Probability that it is signal.
    signal: f64,
    /// `(B - S)/L`.
    slope: f64,
    /// `S B/L^2`.
    product: f64,
}

impl Mixed {
    fn new(ln_signal: f64, background: f64, fraction: f64) -> Self {
        let signal = ln_signal.exp();
        let sum = (1.0 - fraction) * signal + fraction * background;
        Self {
            value: sum.ln(),
            signal: (1.0 - fraction) * signal / sum,
            slope: (background - signal) / sum,
            product: signal * background / (sum * sum),
        }
    }
}

impl Likelihood<'_> {
    /// The weight of an event in the units of [`super::weights`].
    fn weight(&self, row: usize) -> f64 {
        self.weights.as_ref().map_or(1.0, |weights| weights.values()[row] * weights.scale())
    }

    fn constraint(&self) -> Option<(f64, f64)> {
        match self.mixture.as_ref()?.fraction {
            Fraction::Constrained(value, sigma) => Some((value, sigma.powi(-2))),
            Fraction::Fixed(_) | Fraction::Free => None,
        }
    }

    pub(super) fn mixed_value(&self, point: &[f64]) -> f64 {
        let at = At::new(self, point);
        let mut sum = 0.0;
        for row in 0..self.events {
            let signal = at.value(row);
            let value = match &self.mixture {
                Some(mixture) => Mixed::new(signal, mixture.densities[row], at.fraction).value,
                None => signal,
            };
            sum -= self.weight(row) * value;
        }
        if let Some((value, inverse)) = self.constraint() {
            sum += 0.5 * inverse * (at.fraction - value).powi(2);
        }
        // An impossible event is impossible, whatever the sign of its weight.
        if sum.is_finite() && at.fraction < 1.0 { sum } else { f64::INFINITY }
    }

    pub(super) fn mixed_jet(&self, point: &[f64]) -> Jet {
        let at = At::new(self, point);
        let (n, last) = (at.slopes.len(), point.len() - 1);
        let mut sum = Jet::zero(point.len());
        let mut signal = at.signal();
        for row in 0..self.events {
            at.fill(row, &mut signal, true);
            let weight = self.weight(row);
            let mixed =
                self.mixture.as_ref().map(|m| Mixed::new(signal.value, m.densities[row], at.fraction));
            let part = mixed.as_ref().map_or(1.0, |mixed| mixed.signal);
            sum.value -= weight * mixed.as_ref().map_or(signal.value, |mixed| mixed.value);
            for i in 0..n {
                let slope = signal.gradient[i];
                sum.gradient[i] -= weight * part * slope;
                for j in i..n {
                    let bend = signal.hessian[(i, j)] + (1.0 - part) * slope * signal.gradient[j];
                    sum.hessian[(i, j)] -= weight * part * bend;
                }
                if let Some(mixed) = mixed.as_ref().filter(|_| last == n) {
                    sum.hessian[(i, last)] += weight * mixed.product * slope;
                }
            }
            if let Some(mixed) = mixed.filter(|_| last == n) {
                sum.gradient[last] -= weight * mixed.slope;
                sum.hessian[(last, last)] += weight * mixed.slope * mixed.slope;
            }
        }
        if let Some((value, inverse)) = self.constraint() {
            sum.value += 0.5 * inverse * (at.fraction - value).powi(2);
            sum.gradient[last] += inverse * (at.fraction - value);
            sum.hessian[(last, last)] += inverse;
        }
        sum.hessian.fill_lower_triangle_with_upper_triangle();
        sum
    }

    /// The covariance of the score at a point, `-d ln L / d parameters`, whose second derivatives are `hessian`: of events that
    /// count once the second derivatives themselves; of weighted ones the sum of squares, where a constraint stands with
    /// its own inverse variance; then what the finite samples of simulation and background add.
    ///
    /// # Shapes
    /// [parameter, parameter]
    pub(super) fn score_covariance(&self, point: &[f64], hessian: &DMatrix<f64>) -> DMatrix<f64> {
        let simulation = self.normalisation.simulation();
        if self.is_plain() {
            let Some(simulation) = simulation else { return hessian.clone() };
            let value = vec![0.0; point.len()];
            let coupling = Coupling { slope: self.events as f64, value: &value };
            return hessian + simulation.covariance(point, &coupling);
        }
        let scores = Scores::new(self, point);
        let mut sum = self.weights.as_ref().map_or_else(|| hessian.clone(), |_| scores.squares(self));
        if let Some(simulation) = simulation {
            let value: Vec<f64> = scores.of_background.iter().map(|x| -x).collect();
            let coupling = Coupling { slope: scores.signal, value: &value };
            sum += simulation.covariance(&point[..self.names().len()], &coupling);
        }
        if let Some(mixture) = &self.mixture {
            sum += &scores.by_features * &mixture.covariance * scores.by_features.transpose();
        }
        sum
    }
}

/// The derivatives of all events' `ln L` at a point.
struct Scores {
    /// # Shapes
    /// [parameter, event]
    by_event: DMatrix<f64>,
    /// Sum of weights, each times the probability that the event is signal.
    signal: f64,
    /// Derivatives of the score by the logarithm of the background's density, the same at all events.
    of_background: Vec<f64>,
    /// Its derivatives by the factors of the background's features.
    ///
    /// # Shapes
    /// [parameter, feature]
    by_features: DMatrix<f64>,
}

impl Scores {
    fn new(of: &Likelihood, point: &[f64]) -> Self {
        let at = At::new(of, point);
        let (n, parameters) = (at.slopes.len(), point.len());
        let features = of.mixture.as_ref().map_or(0, |mixture| mixture.covariance.nrows());
        let mut scores = Self {
            by_event: DMatrix::zeros(parameters, of.events),
            signal: 0.0,
            of_background: vec![0.0; parameters],
            by_features: DMatrix::zeros(parameters, features),
        };
        let mut signal = at.signal();
        let mut change = DVector::zeros(parameters);
        for row in 0..of.events {
            at.fill(row, &mut signal, false);
            let weight = of.weight(row);
            let mixture = of.mixture.as_ref();
            let mixed = mixture.map(|m| Mixed::new(signal.value, m.densities[row], at.fraction));
            let part = mixed.as_ref().map_or(1.0, |mixed| mixed.signal);
            scores.signal += weight * part;
            for (i, slope) in signal.gradient.iter().enumerate() {
                scores.by_event[(i, row)] = part * slope;
                change[i] = -weight * part * (1.0 - part) * slope;
            }
            let (Some(mixture), Some(mixed)) = (mixture, mixed) else { continue };
            if parameters > n {
                scores.by_event[(n, row)] = mixed.slope;
                change[n] = weight * mixed.product;
            }
            scores.of_background.iter_mut().zip(&change).for_each(|(sum, x)| *sum += x);
            let own = DVector::from_column_slice(&mixture.features[row * features..(row + 1) * features]);
            scores.by_features.ger(1.0, &change, &own, 1.0);
        }
        scores
    }

    /// The sum of `w^2 s s^T`, and a constraint's inverse variance. sWeights come from a matrix that is a sum over the events
    /// too, which takes `sum w^2 t t^T` away: t of an event is the sum over all other components of their share of the
    /// density there, times the sum of all events' scores with that component's weights.
    fn squares(&self, of: &Likelihood) -> DMatrix<f64> {
        let weights: Vec<f64> = (0..of.events).map(|row| of.weight(row)).collect();
        let squares = |scores: &DMatrix<f64>| {
            let mut weighted = scores.clone();
            weighted.column_iter_mut().zip(&weights).for_each(|(mut column, weight)| column *= *weight);
            &weighted * weighted.transpose()
        };
        let mut sum = squares(&self.by_event);
        let mut of_matrix = DMatrix::zeros(self.by_event.nrows(), self.by_event.ncols());
        for (weights, shares) in of.weights.iter().flat_map(Weights::others) {
            let pull = &self.by_event * DVector::from_column_slice(weights);
            of_matrix.ger(1.0, &pull, &DVector::from_column_slice(shares), 1.0);
        }
        sum -= squares(&of_matrix);
        if let Some((_, inverse)) = of.constraint() {
            let last = sum.nrows() - 1;
            sum[(last, last)] += inverse;
        }
        sum
    }
}
