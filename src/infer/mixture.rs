//! The likelihood of events that count by weights, or of which a part is background.
//!
//! Event by event `L = (1 - f) S(d) + f B`, S and B the densities of signal and background in one unit, f the fraction of
//! background; `-ln L` is the sum of `-w ln L`, and `(f - f0)^2/2 sigma^2` where f is known to be `f0 +- sigma`.

use humboldt_pipeline::EventBatch;
pub use humboldt_schemas::Fraction;
use nalgebra::{DMatrix, DVector};

use super::InferError;
use super::background::Background;
use super::density::EventFamily;
use super::form::{Jet, Monomials};
use super::likelihood::{Likelihood, Part};
use super::simulation::Coupling;
use super::weights::Weights;

/// Refuses what is no fraction; `name` is the field's.
///
/// # Errors
/// For a value outside 0 to 1, or an error that is not above 0.
pub fn check(fraction: Fraction, name: &str) -> Result<(), InferError> {
    fraction.fault().map_or(Ok(()), |(got, allowed)| Err(InferError::out_of_range(name, got, allowed)))
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
    /// Of events that follow densities of signal in some of their rows each.
    pub(super) fn new(
        parts: &[(&EventFamily, &[usize])],
        events: &EventBatch,
        background: &Background,
        fraction: Fraction,
    ) -> Result<Self, InferError> {
        check(fraction, "background fraction")?;
        let covariance = background.covariance().clone();
        let n = covariance.nrows();
        let (mut densities, mut features) = (vec![0.0; events.len()], vec![0.0; events.len() * n]);
        for (family, rows) in parts {
            let own = background.at(family, events, rows)?;
            for ((row, density), centred) in rows.iter().zip(own.densities).zip(own.features.chunks(n.max(1)))
            {
                densities[*row] = density;
                features[row * n..(row + 1) * n].copy_from_slice(centred);
            }
        }
        Ok(Self { fraction, densities, features, covariance })
    }
}

/// `ln S` of one event with its derivatives, in memory that is used again.
struct Signal {
    value: f64,
    gradient: Vec<f64>,
    hessian: DMatrix<f64>,
}

/// A point of parameters, with all that the events of a density have in common there.
struct At<'a> {
    of: &'a Part<'a>,
    monomials: Monomials,
    /// `ln A`.
    accepted: Jet,
    /// `ln T` at each K pi mass of the interpolation.
    totals: Vec<Jet>,
}

impl<'a> At<'a> {
    fn new(of: &'a Part, point: &[f64]) -> Self {
        let normalisation = of.normalisation;
        let own = &point[..normalisation.form.parameters()];
        let totals = normalisation.totals.iter().map(|total| Jet::of(total, own).ln()).collect();
        let accepted = normalisation.accepted(own).ln();
        Self { of, monomials: normalisation.form.at(own), accepted, totals }
    }

    fn signal(&self) -> Signal {
        let n = self.monomials.slopes.len();
        Signal { value: 0.0, gradient: vec![0.0; n], hessian: DMatrix::zeros(n, n) }
    }

    fn rate(&self, event: usize) -> f64 {
        self.monomials.values.iter().zip(&self.of.columns).map(|(value, column)| value * column[event]).sum()
    }

    /// Each total rate with its share in the event's.
    fn totals_of(&self, event: usize) -> impl Iterator<Item = (f64, &Jet)> {
        let masses = self.totals.len();
        let shares = self.of.shares.get(event * masses..(event + 1) * masses);
        let share = move |k: usize| shares.map_or(1.0, |shares| shares[k]);
        self.totals.iter().enumerate().map(move |(k, total)| (share(k), total))
    }

    /// `ln S`; NaN where the event is impossible.
    fn value(&self, event: usize) -> f64 {
        let totals: f64 = self.totals_of(event).map(|(share, total)| share * total.value).sum();
        self.rate(event).ln() - totals - self.accepted.value
    }

    /// Value and gradient of `ln S`; the second derivatives too, where they are asked for.
    fn fill(&self, event: usize, signal: &mut Signal, with_hessian: bool) {
        let n = self.monomials.slopes.len();
        let inverse = self.rate(event).recip();
        signal.value = -self.accepted.value - inverse.ln();
        for (gradient, slopes) in signal.gradient.iter_mut().zip(&self.monomials.slopes) {
            let slope = slopes.iter().zip(&self.of.columns).map(|(slope, c)| slope * c[event]);
            *gradient = slope.sum::<f64>() * inverse;
        }
        if with_hessian {
            for i in 0..n {
                for j in i..n {
                    signal.hessian[(i, j)] =
                        -signal.gradient[i] * signal.gradient[j] - self.accepted.hessian[(i, j)];
                }
            }
            for bend in &self.monomials.bends {
                let terms = bend.terms.iter().map(|(term, factor)| factor * self.of.columns[*term][event]);
                signal.hessian[(bend.by[0], bend.by[1])] += terms.sum::<f64>() * inverse;
            }
        }
        for (i, gradient) in signal.gradient.iter_mut().enumerate() {
            *gradient -= self.accepted.gradient[i];
        }
        for (share, total) in self.totals_of(event) {
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

    /// Constraint on the fraction of background: value and inverse variance.
    pub(super) fn constraint(&self) -> Option<(f64, f64)> {
        match self.mixture.as_ref()?.fraction {
            Fraction::Constrained(value, sigma) => Some((value, sigma.powi(-2))),
            Fraction::Fixed(_) | Fraction::Free => None,
        }
    }

    /// The fraction of background at a point.
    pub(super) fn fraction(&self, point: &[f64]) -> f64 {
        let free = point.get(self.form().parameters()).copied();
        self.mixture.as_ref().map_or(0.0, |mixture| free.unwrap_or_else(|| mixture.fraction.start()))
    }

    /// For each event the derivatives of `ln S` by the parameters of the rate, and the probability that it is background.
    ///
    /// # Shapes
    /// [parameter, event], [event]
    pub(super) fn signals(&self, point: &[f64]) -> (DMatrix<f64>, Vec<f64>) {
        let fraction = self.fraction(point);
        let mut slopes = DMatrix::zeros(self.form().parameters(), self.events);
        let mut of_background = vec![0.0; self.events];
        for part in &self.parts {
            let at = At::new(part, point);
            let mut signal = at.signal();
            for (event, &row) in part.rows.iter().enumerate() {
                at.fill(event, &mut signal, false);
                slopes.column_mut(row).copy_from_slice(&signal.gradient);
                if let Some(mixture) = &self.mixture {
                    of_background[row] =
                        1.0 - Mixed::new(signal.value, mixture.densities[row], fraction).signal;
                }
            }
        }
        (slopes, of_background)
    }

    pub(super) fn mixed_value(&self, point: &[f64]) -> f64 {
        let fraction = self.fraction(point);
        let mut sum = 0.0;
        for part in &self.parts {
            let at = At::new(part, point);
            for (event, row) in part.rows.iter().enumerate() {
                let signal = at.value(event);
                let value = match &self.mixture {
                    Some(mixture) => Mixed::new(signal, mixture.densities[*row], fraction).value,
                    None => signal,
                };
                sum -= self.weight(*row) * value;
            }
        }
        if let Some((value, inverse)) = self.constraint() {
            sum += 0.5 * inverse * (fraction - value).powi(2);
        }
        // An impossible event is impossible, whatever the sign of its weight.
        if sum.is_finite() && fraction < 1.0 { sum } else { f64::INFINITY }
    }

    pub(super) fn mixed_jet(&self, point: &[f64]) -> Jet {
        let mut sum = Jet::zero(point.len());
        let fraction = self.fraction(point);
        self.parts.iter().for_each(|part| self.add(part, point, fraction, &mut sum));
        if let Some((value, inverse)) = self.constraint() {
            let last = point.len() - 1;
            sum.value += 0.5 * inverse * (fraction - value).powi(2);
            sum.gradient[last] += inverse * (fraction - value);
            sum.hessian[(last, last)] += inverse;
        }
        sum.hessian.fill_lower_triangle_with_upper_triangle();
        sum
    }

    /// Adds the events of one density.
    fn add(&self, part: &Part, point: &[f64], fraction: f64, sum: &mut Jet) {
        let at = At::new(part, point);
        let mut signal = at.signal();
        let (n, last) = (signal.gradient.len(), point.len() - 1);
        for (event, row) in part.rows.iter().enumerate() {
            at.fill(event, &mut signal, true);
            let weight = self.weight(*row);
            let mixed = self.mixture.as_ref().map(|m| Mixed::new(signal.value, m.densities[*row], fraction));
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
    }

    /// The covariance of the score at a point, `-d ln L / d parameters`, whose second derivatives are `hessian`: of events that
    /// count once the second derivatives themselves; of weighted ones the sum of squares, where a constraint stands with
    /// its own inverse variance; then what the finite samples of simulation and background add.
    ///
    /// # Shapes
    /// [parameter, parameter]
    pub(super) fn score_covariance(&self, point: &[f64], hessian: &DMatrix<f64>) -> DMatrix<f64> {
        let of_rate = &point[..self.form().parameters()];
        if self.is_plain() {
            let value = vec![0.0; point.len()];
            let mut sum = hessian.clone();
            for part in &self.parts {
                if let Some(simulation) = part.normalisation.simulation() {
                    let coupling = Coupling { slope: part.len() as f64, value: &value };
                    sum += simulation.covariance(of_rate, &coupling);
                }
            }
            return sum;
        }
        let scores = Scores::new(self, point);
        let mut sum = self.weights.as_ref().map_or_else(|| hessian.clone(), |_| scores.squares(self, point));
        for (part, of) in self.parts.iter().zip(&scores.of_parts) {
            if let Some(simulation) = part.normalisation.simulation() {
                let value: Vec<f64> = of.of_background.iter().map(|x| -x).collect();
                let coupling = Coupling { slope: of.signal, value: &value };
                sum += simulation.covariance(of_rate, &coupling);
            }
        }
        if let Some(mixture) = &self.mixture {
            sum += &scores.by_features * &mixture.covariance * scores.by_features.transpose();
        }
        if let Some((first, deviation)) = self.scaled {
            let weights = DVector::from_fn(self.events - first, |row, _| self.weight(first + row));
            let pull = scores.by_event.columns_range(first..) * weights;
            sum.ger(deviation * deviation, &pull, &pull, 1.0);
        }
        sum
    }
}

/// Sums over the events of one density.
struct OfPart {
    /// Sum of weights, each times the probability that the event is signal.
    signal: f64,
    /// Derivatives of the score by the logarithm of the background's density, the same at all events.
    of_background: Vec<f64>,
}

/// The derivatives of all events' `ln L` at a point.
struct Scores {
    /// # Shapes
    /// [parameter, event]
    by_event: DMatrix<f64>,
    of_parts: Vec<OfPart>,
    /// Derivatives of the score by the factors of the background's features.
    ///
    /// # Shapes
    /// [parameter, feature]
    by_features: DMatrix<f64>,
}

impl Scores {
    fn new(of: &Likelihood, point: &[f64]) -> Self {
        let features = of.mixture.as_ref().map_or(0, |mixture| mixture.covariance.nrows());
        let mut scores = Self {
            by_event: DMatrix::zeros(point.len(), of.events),
            of_parts: Vec::new(),
            by_features: DMatrix::zeros(point.len(), features),
        };
        let fraction = of.fraction(point);
        for part in &of.parts {
            let sums = scores.add(of, part, point, fraction);
            scores.of_parts.push(sums);
        }
        scores
    }

    /// The events of one density.
    fn add(&mut self, of: &Likelihood, part: &Part, point: &[f64], fraction: f64) -> OfPart {
        let at = At::new(part, point);
        let (parameters, features) = (point.len(), self.by_features.ncols());
        let mut sums = OfPart { signal: 0.0, of_background: vec![0.0; parameters] };
        let mut signal = at.signal();
        let n = signal.gradient.len();
        let mut change = DVector::zeros(parameters);
        for (event, &row) in part.rows.iter().enumerate() {
            at.fill(event, &mut signal, false);
            let weight = of.weight(row);
            let mixture = of.mixture.as_ref();
            let mixed = mixture.map(|m| Mixed::new(signal.value, m.densities[row], fraction));
            let part = mixed.as_ref().map_or(1.0, |mixed| mixed.signal);
            sums.signal += weight * part;
            for (i, slope) in signal.gradient.iter().enumerate() {
                self.by_event[(i, row)] = part * slope;
                change[i] = -weight * part * (1.0 - part) * slope;
            }
            let (Some(mixture), Some(mixed)) = (mixture, mixed) else { continue };
            if parameters > n {
                self.by_event[(n, row)] = mixed.slope;
                change[n] = weight * mixed.product;
            }
            sums.of_background.iter_mut().zip(&change).for_each(|(sum, x)| *sum += x);
            let own = DVector::from_column_slice(&mixture.features[row * features..(row + 1) * features]);
            self.by_features.ger(1.0, &change, &own, 1.0);
        }
        sums
    }

    /// The sum of `w^2 s s^T`, and a constraint's inverse variance. sWeights come from a matrix that is a sum over the events
    /// too, which takes `sum w^2 t t^T` away: t of an event is the sum over all other components of their share of the
    /// density there, times the sum of all events' scores with that component's weights.
    fn squares(&self, of: &Likelihood, point: &[f64]) -> DMatrix<f64> {
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
        if let Some(strength) = of.strength() {
            let place = of.form().shifts();
            sum[(place, place)] += strength.information(point[place]);
        }
        sum
    }
}
