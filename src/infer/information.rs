//! The information bound: how well any unbiased method can do with N events, `sigma >= 1/sqrt(N I)`.
//!
//! `I = E[s s^T]` with `s = d ln p / d theta` of the normalised density; by quadrature here, and as a mean over events.
//! Nuisance parameters of known size add a unit matrix to N I; the bound on the shifts is then that after profiling.

use humboldt_physics::convention::DecayVariables;
use humboldt_physics::density::MassRule;
use humboldt_physics::quadrature::nodes;
use humboldt_physics::{AngularCoefficients, Decay, Density, LineShape, WilsonDirection};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::scores::ScoreColumns;
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::InferError;
use super::angles::Sphere;
use super::nuisances::Nuisances;
use super::tabulated::Angular;

/// Interpolation points in the K pi mass for each piece.
const MASSES: usize = 8;

/// Knowledge of the K pi mass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MassKnowledge {
    /// All events have the pole mass.
    #[default]
    Pole,
    /// Masses follow the line shape and are known event by event.
    Known,
    /// Masses follow the line shape, and nobody looks at them.
    Ignored,
}

/// Fisher information of one event.
#[derive(Debug, Clone, PartialEq)]
pub struct Information {
    /// Of the shape: shifts first, then nuisance parameters.
    ///
    /// # Shapes
    /// [parameter, parameter]
    pub shape: DMatrix<f64>,
    /// Derivative of the logarithm of the rate in the windows by each parameter.
    pub rate_slope: DVector<f64>,
    /// Number of shifts.
    pub shifts: usize,
}

impl Information {
    /// Of N events; with the rate, N is what is expected, and the number of events a further measurement.
    pub fn of_events(&self, events: f64, with_rate: bool) -> DMatrix<f64> {
        let rate = if with_rate { 1.0 } else { 0.0 };
        (&self.shape + &self.rate_slope * self.rate_slope.transpose() * rate) * events
    }

    /// Bound with all shifts but the first known.
    #[must_use]
    pub fn with_first_shift_only(&self) -> Self {
        let kept: Vec<usize> = (0..self.shape.nrows()).filter(|i| *i == 0 || *i >= self.shifts).collect();
        let shape = self.shape.select_rows(&kept).select_columns(&kept);
        Self { shape, rate_slope: self.rate_slope.select_rows(&kept), shifts: 1 }
    }

    /// The smallest covariance of the shifts that N events allow with the nuisance parameters known.
    ///
    /// # Errors
    /// When the events do not tell the shifts apart.
    pub fn bound(&self, events: f64, with_rate: bool) -> Result<DMatrix<f64>, InferError> {
        let n = self.shifts;
        inverse(&self.of_events(events, with_rate).view((0, 0), (n, n)).into_owned())
    }

    /// Bound with the nuisance parameters profiled, each constrained to its unit variance.
    ///
    /// # Errors
    /// When the events do not tell the shifts apart.
    pub fn profiled_bound(&self, events: f64, with_rate: bool) -> Result<DMatrix<f64>, InferError> {
        let n = self.shifts;
        let mut matrix = self.of_events(events, with_rate);
        for i in n..matrix.nrows() {
            matrix[(i, i)] += 1.0;
        }
        Ok(inverse(&matrix)?.view((0, 0), (n, n)).into_owned())
    }
}

pub(super) fn inverse(matrix: &DMatrix<f64>) -> Result<DMatrix<f64>, InferError> {
    let diagonal: Vec<f64> = matrix.diagonal().iter().copied().collect();
    // Scaled to a unit diagonal: near-degenerate shifts show there.
    let scales = DVector::from_iterator(diagonal.len(), diagonal.iter().map(|x| x.sqrt().recip()));
    let scaled =
        DMatrix::from_fn(diagonal.len(), diagonal.len(), |i, j| matrix[(i, j)] * scales[i] * scales[j]);
    let root = if scaled.iter().all(|x| x.is_finite()) { scaled.cholesky() } else { None };
    let unscaled = |root: nalgebra::Cholesky<f64, nalgebra::Dyn>| {
        let inverse = root.inverse();
        DMatrix::from_fn(diagonal.len(), diagonal.len(), |i, j| inverse[(i, j)] * scales[i] * scales[j])
    };
    root.map(unscaled).ok_or_else(|| {
        InferError::out_of_range("coefficients", "degenerate", "coefficients that the events can tell apart")
    })
}

/// `J_1s..J_9` at a point, and their derivatives by all parameters.
type Tangents = (Angular, Vec<Angular>);

/// The information of events of `decay` in windows of q2 (GeV^2), by quadrature, at the decay's own shifts.
///
/// # Errors
/// When no window overlaps phase space.
pub fn by_quadrature(
    decay: &Decay,
    masses: MassKnowledge,
    windows: &[(f64, f64)],
    directions: &[WilsonDirection],
    nuisances: &Nuisances,
) -> Result<Information, InferError> {
    let tangents = |q2: f64, m_kpi: f64| -> Option<Tangents> {
        let expansion = decay.expansion(q2, m_kpi, directions)?;
        let mut derivatives: Vec<Angular> =
            (0..directions.len()).map(|i| expansion.linear(i).as_array()).collect();
        derivatives.extend(nuisances.derivatives(q2, m_kpi));
        Some((expansion.constant().as_array(), derivatives))
    };
    let parameters = directions.len() + nuisances.len();
    let narrow = masses == MassKnowledge::Pole;
    let line_shape = if narrow { LineShape::Narrow } else { LineShape::BreitWigner };
    let rule = MassRule::new(decay, line_shape, windows, MASSES);
    let points = rule.points();
    let totals: Vec<Sums> = points
        .par_iter()
        .map(|(m_kpi, _)| {
            let everything = [(0.0, f64::INFINITY)];
            let mut total = Sums::zero(parameters);
            let range: &[(f64, f64)] = if narrow { &[] } else { &everything };
            for (q2, weight) in decay.q2_nodes(*m_kpi, range) {
                if let Some((a, b)) = tangents(q2, *m_kpi) {
                    total.add(weight, &a, &b, None);
                }
            }
            if narrow {
                total.rate = 1.0;
            }
            total
        })
        .collect();

    let sphere = Sphere::new(masses != MassKnowledge::Known);
    let mut sum = Average::zero(parameters);
    if masses == MassKnowledge::Ignored {
        sum.add(
            1.0,
            &Sums { rate: 1.0, ..Sums::zero(parameters) },
            &ignoring_masses(decay, windows, &rule, &totals, &sphere, &tangents),
        );
    } else {
        for ((m_kpi, part), total) in points.iter().zip(&totals) {
            let of = |(q2, weight): &(f64, f64)| {
                let mut inside = Sums::zero(parameters);
                if let Some((a, b)) = tangents(*q2, *m_kpi) {
                    inside.add(*weight, &a, &b, Some(&sphere));
                }
                inside
            };
            let nodes = decay.q2_nodes(*m_kpi, windows);
            sum.add(*part, total, &Sums::total(parameters, nodes.par_iter().map(of).collect()));
        }
    }
    let text: Vec<String> = windows.iter().map(|(low, high)| format!("{low}:{high}")).collect();
    sum.information(directions.len())
        .ok_or_else(|| InferError::out_of_range("q2", text.join(","), "windows that overlap phase space"))
}

/// The density averaged over the line shape at each q2.
fn ignoring_masses(
    decay: &Decay,
    windows: &[(f64, f64)],
    rule: &MassRule,
    totals: &[Sums],
    sphere: &Sphere,
    tangents: &(impl Fn(f64, f64) -> Option<Tangents> + Sync),
) -> Sums {
    let parameters = totals[0].slopes.len();
    let resonance = decay.resonance();
    let (low, high) = resonance.range(LineShape::BreitWigner);
    let norm: f64 = resonance.nodes(high).iter().map(|(_, weight)| weight).sum();
    let of = |(q2, weight): &(f64, f64)| {
        let mut mean = [0.0; 12];
        let mut slopes = vec![[0.0; 12]; parameters];
        let end = (decay.m_b_meson() - q2.sqrt()).min(high);
        for (m_kpi, weight) in if low < end { resonance.nodes(end) } else { Vec::new() } {
            let Some((a, b)) = tangents(*q2, m_kpi) else { continue };
            let (first, shares) = rule.shares(m_kpi);
            let total = shares.iter().zip(&totals[first..]).fold(
                Sums::zero(parameters),
                |mut sum, (share, total)| {
                    sum.rate += share * total.rate;
                    sum.slopes.axpy(*share, &total.slopes, 1.0);
                    sum
                },
            );
            let part = weight / norm / total.rate;
            mean.iter_mut().zip(&a).for_each(|(mean, a)| *mean += part * a);
            for ((slope, b), of_total) in slopes.iter_mut().zip(&b).zip(&total.slopes) {
                let shrunk = of_total / total.rate;
                slope.iter_mut().zip(b.iter().zip(&a)).for_each(|(s, (b, a))| *s += part * (b - shrunk * a));
            }
        }
        let mut sums = Sums::zero(parameters);
        if rate(&mean) > 0.0 {
            sums.add(*weight, &mean, &slopes, Some(sphere));
        }
        sums
    };
    let everywhere: Vec<(f64, f64)> = windows
        .iter()
        .flat_map(|(a, b)| {
            let (a, b) = (a.max(decay.q2_min()), b.min(decay.q2_max(low)));
            if a < b { nodes(a, b, decay.q2_breaks(a, b)) } else { Vec::new() }
        })
        .collect();
    Sums::total(parameters, everywhere.par_iter().map(of).collect())
}

fn rate(j: &Angular) -> f64 {
    AngularCoefficients::from_array(*j).rate()
}

/// Integrals over q2 and the angles: of the rate, its derivatives, and products of two derivatives over the rate.
#[derive(Debug, Clone)]
struct Sums {
    rate: f64,
    slopes: DVector<f64>,
    squares: DMatrix<f64>,
}

impl Sums {
    fn zero(n: usize) -> Self {
        Self { rate: 0.0, slopes: DVector::zeros(n), squares: DMatrix::zeros(n, n) }
    }

    fn add(&mut self, weight: f64, a: &Angular, b: &[Angular], sphere: Option<&Sphere>) {
        self.rate += weight * rate(a);
        self.slopes.iter_mut().zip(b).for_each(|(slope, b)| *slope += weight * rate(b));
        if let Some(sphere) = sphere.filter(|_| rate(a) > 0.0) {
            let b = DMatrix::from_fn(12, b.len(), |i, k| b[k][i]);
            self.squares += b.tr_mul(&(sphere.gram(a) * &b)) * weight;
        }
    }

    /// In the order of the parts, whatever the threads did.
    fn total(n: usize, parts: Vec<Self>) -> Self {
        parts.into_iter().fold(Self::zero(n), |mut sum, part| {
            sum.rate += part.rate;
            sum.slopes += part.slopes;
            sum.squares += part.squares;
            sum
        })
    }
}

/// Averages over the line shape. The score is `u - o(m) - alpha`: that of the rate, of the slice's normalisation, and of
/// what the windows accept.
struct Average {
    accepted: f64,
    mean: DVector<f64>,
    square: DMatrix<f64>,
    rate: f64,
    slopes: DVector<f64>,
}

impl Average {
    fn zero(n: usize) -> Self {
        let (mean, square, slopes) = (DVector::zeros(n), DMatrix::zeros(n, n), DVector::zeros(n));
        Self { accepted: 0.0, mean, square, rate: 0.0, slopes }
    }

    fn add(&mut self, part: f64, total: &Sums, inside: &Sums) {
        let own = &total.slopes / total.rate;
        let part_of_total = part / total.rate;
        let cross = &inside.slopes * own.transpose();
        self.accepted += part_of_total * inside.rate;
        self.mean += (&inside.slopes - &own * inside.rate) * part_of_total;
        self.square += (&inside.squares - &cross - cross.transpose() + &own * own.transpose() * inside.rate)
            * part_of_total;
        self.rate += part * inside.rate;
        self.slopes += &inside.slopes * part;
    }

    fn information(self, shifts: usize) -> Option<Information> {
        (self.accepted > 0.0).then(|| {
            let mean = self.mean / self.accepted;
            let shape = self.square / self.accepted - &mean * mean.transpose();
            Information { shape, rate_slope: self.slopes / self.rate, shifts }
        })
    }
}

/// The information of one event in the shape, as the mean of the squared score over events, and its standard deviations.
///
/// # Shapes
/// [shift, shift]
///
/// # Errors
/// Without events, when one lies outside phase space, or no window overlaps it.
pub fn by_events(
    decay: &Decay,
    line_shape: LineShape,
    windows: &[(f64, f64)],
    directions: &[WilsonDirection],
    events: &EventBatch,
) -> Result<(DMatrix<f64>, DMatrix<f64>), InferError> {
    at_least_two(events)?;
    let columns = ScoreColumns::new(decay, line_shape, windows, directions)
        .and_then(|scores| scores.of(events, 0))
        .map_err(|error| InferError::Events { what: error.to_string() })?;
    // Four columns a direction, the score first.
    let scores: Vec<&Vec<f64>> = columns.iter().step_by(4).collect();
    Ok(mean_squares(&scores))
}

/// Information of any density, at its own shifts, from events that follow it: of events that a detector keeps, and with an S-wave.
///
/// # Errors
/// With fewer than two events.
pub fn by_events_of(
    density: &Density,
    events: &EventBatch,
) -> Result<(DMatrix<f64>, DMatrix<f64>), InferError> {
    at_least_two(events)?;
    let scores = |row: usize| {
        let [q2, cos_theta_l, cos_theta_k, chi, m_kpi] =
            events.columns().map(|column| f64::from(column[row]));
        density.scores(&DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi })
    };
    let rows: Vec<Vec<f64>> = (0..events.len()).into_par_iter().map(scores).collect();
    let column = |i: usize| rows.iter().map(|row| row[i]).collect();
    let columns: Vec<Vec<f64>> = (0..density.directions().len()).map(column).collect();
    Ok(mean_squares(&columns.iter().collect::<Vec<_>>()))
}

fn at_least_two(events: &EventBatch) -> Result<(), InferError> {
    let enough = || InferError::out_of_range("events", events.len(), "at least two events");
    if events.len() < 2 { Err(enough()) } else { Ok(()) }
}

/// Means of products of two scores over events, and their standard deviations.
fn mean_squares(scores: &[&Vec<f64>]) -> (DMatrix<f64>, DMatrix<f64>) {
    let (n, events) = (scores.len(), scores.first().map_or(0, |score| score.len()) as f64);
    let mean = |i: usize, j: usize, power: i32| {
        let products = scores[i].iter().zip(scores[j]).map(|(a, b)| (a * b).powi(power));
        products.sum::<f64>() / events
    };
    let information = DMatrix::from_fn(n, n, |i, j| mean(i, j, 1));
    let error = DMatrix::from_fn(n, n, |i, j| {
        ((mean(i, j, 2) - information[(i, j)].powi(2)) / (events - 1.0)).sqrt()
    });
    (information, error)
}
