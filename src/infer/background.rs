//! The density of a background, smoothed from a sample of it.
//!
//! The logarithm of its ratio to a reference is a sum of products of Legendre polynomials in q2, both cosines and the
//! K pi mass, and harmonics of chi, up to a total order, and of the logarithm of the K*'s line shape: a background may have the
//! K*'s peak or, with a factor of -1, none, which polynomials cannot say. The factors are those of largest likelihood: the
//! smoothest ratio whose means of all these terms are the sample's. It is positive everywhere, and needs no binning.
//! The reference is uniform in q2 and the angles with K pi masses of the line shape. Where a detector selects it is what
//! the detector leaves of it: the accepted simulated signal, each event over its density before acceptance. An acceptance that
//! both share is then in the reference and need not be known, nor smooth. One that they do not share, as where the particles of a
//! sideband come from elsewhere, is more than a few polynomials tell: [`Background::disagreement`] sees it.

use std::f64::consts::PI;

use humboldt_physics::line_shape::Resonance;
use humboldt_physics::{Flavour, LineShape};
use humboldt_pipeline::EventBatch;
use humboldt_schemas::background::{BackgroundDensity, Terms, Variables};
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::InferError;
use super::density::EventFamily;
use super::goodness::probability;
use super::minimise::{Jet, Objective, inverse, minimise};
use super::weights::Weights;

/// Points of a uniform reference.
const POINTS: usize = 1 << 16;

/// Most simulated events that are looked at.
const SIMULATED: usize = 1 << 18;

/// Points of one sum: sums of sums do not depend on the number of threads.
const BLOCK: usize = 1024;

/// Largest order that is tried where none is asked for.
const HIGHEST: usize = 3;

/// Bins in which the density is compared with its sample, of one variable and of each of two.
const BINS: [usize; 2] = [20, 6];

/// Fewest expected events of such a bin.
const FEWEST: f64 = 10.0;

/// p-value below which they do not agree.
const UNLIKELY: f64 = 1e-4;

/// Fewest events for each factor.
const EVENTS_PER_FACTOR: usize = 20;

/// Curvature that holds factors of which a sample says nothing.
const HOLD: f64 = 1e-6;

/// Accepted simulated signal.
#[derive(Debug, Clone, Copy)]
pub struct Simulated<'a> {
    /// Its density before acceptance, at the point at which it was made.
    pub reference: &'a EventFamily,
    /// The events as they were measured.
    pub measured: &'a EventBatch,
    /// Their weights.
    pub weights: Option<&'a Weights>,
}

/// The density of a background.
#[derive(Debug, Clone)]
pub struct Background {
    features: Features,
    factors: DVector<f64>,
    /// Of each reference.
    norms: Vec<Norm>,
    covariance: DMatrix<f64>,
    /// Whether the reference is what a detector leaves.
    accepted: bool,
    events: usize,
    agreement: Vec<Agreement>,
}

/// Agreement of the density of a background with its sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// The variable, or two of them.
    pub variables: String,
    /// chi2 of the sample and the density in bins, the errors of the reference's own events included.
    pub chi2: f64,
    /// Bins less one.
    pub dof: usize,
    /// Probability of a larger one.
    pub p_value: f64,
    /// Parts of the sample and of the density in equal bins of the variables' ranges.
    ///
    /// # Shapes
    /// [bin, 2]
    pub parts: Vec<[f64; 2]>,
}

/// Norm of the ratio over one reference.
#[derive(Debug, Clone)]
struct Norm {
    /// The decay of the simulated events; none for a uniform reference.
    flavour: Option<Flavour>,
    /// Logarithm of the mean of the unnormalised ratio.
    log: f64,
    /// Means of the features.
    means: DVector<f64>,
}

/// The density of a background at events.
pub(super) struct AtEvents {
    /// In the unit in which a likelihood of signal holds `rate/(T A)`.
    pub(super) densities: Vec<f64>,
    /// The features less their means over the background.
    ///
    /// # Shapes
    /// [event, feature]
    pub(super) features: Vec<f64>,
}

impl Background {
    /// From a sample in the windows of `family`; of the order that the sample's size bears best (Akaike's criterion) where
    /// none is asked for. `simulated` holds accepted signal of each flavour, where a detector selects.
    ///
    /// # Errors
    /// For too few events; when the density has no maximum of likelihood, as for events on a line.
    pub fn new(
        family: &EventFamily,
        sample: &EventBatch,
        weights: Option<&Weights>,
        simulated: &[Simulated],
        order: Option<usize>,
    ) -> Result<Self, InferError> {
        let effective = weights.map_or(sample.len() as f64, |weights| weights.counted().effective);
        let first = Features::new(family, order.unwrap_or(1));
        first.check(effective)?;
        let samples = Samples::new(&first, family, sample, weights, simulated)?;
        let mut best = samples.fit(first, effective)?;
        for order in (2..=HIGHEST).filter(|_| order.is_none()) {
            let features = Features::new(family, order);
            if features.len() * EVENTS_PER_FACTOR > sample.len() {
                break;
            }
            features.check(effective)?;
            let other = samples.fit(features, effective)?;
            if other.criterion < best.criterion {
                best = other;
            }
        }
        Ok(samples.density(best))
    }

    /// Number of events of the sample.
    pub const fn events(&self) -> usize {
        self.events
    }

    /// The range of q2 (GeV^2) over which its polynomials go.
    pub const fn q2(&self) -> (f64, f64) {
        let [low, high] = self.features.q2;
        (low, high)
    }

    /// As a card takes it, in windows of q2 (GeV^2), for events that no detector's acceptance is known of.
    ///
    /// # Errors
    /// Where it was made of what a detector leaves.
    pub fn file(&self, windows: &[(f64, f64)], effective: f64) -> Result<BackgroundDensity, InferError> {
        if self.accepted {
            let allowed = "a density over a uniform one";
            return Err(InferError::out_of_range("background", "a density over accepted events", allowed));
        }
        let Features { terms, q2, m_kpi } = &self.features;
        let file = BackgroundDensity {
            windows: windows.iter().map(|(low, high)| [*low, *high]).collect(),
            q2: *q2,
            m_kpi: m_kpi.map(|Masses { range: (low, high), .. }| [low, high]),
            order: terms.order(),
            factors: self.factors.as_slice().to_vec(),
            largest: 0.0,
            events: [self.events as f64, effective],
        };
        Ok(BackgroundDensity { largest: file.largest_of_several(), ..file })
    }

    /// The largest order of the products.
    pub const fn order(&self) -> usize {
        self.features.terms.order()
    }

    /// Whether the density is that of its sample.
    pub fn describes_its_sample(&self) -> bool {
        self.disagreement().next().is_none()
    }

    /// Comparisons of density and sample in each variable, then in each two.
    pub fn agreement(&self) -> &[Agreement] {
        &self.agreement
    }

    /// Comparisons in which density and sample do not agree: a fit with it is biased.
    pub fn disagreement(&self) -> impl Iterator<Item = &Agreement> {
        self.agreement.iter().filter(|one| one.p_value < UNLIKELY)
    }

    /// Covariance of the factors, of the sample's size and of the simulation's.
    pub(super) const fn covariance(&self) -> &DMatrix<f64> {
        &self.covariance
    }

    /// The density at some rows of events that compete with signal of `family`.
    ///
    /// # Errors
    /// For an event outside windows or phase space; when the simulation has none of the family's flavour.
    pub(super) fn at(
        &self,
        family: &EventFamily,
        events: &EventBatch,
        rows: &[usize],
    ) -> Result<AtEvents, InferError> {
        let flavour = family.density.decay().flavour();
        let fits = |norm: &&Norm| norm.flavour.is_none_or(|own| own == flavour);
        let norm = self.norms.iter().find(fits).ok_or_else(|| {
            InferError::out_of_range("flavour of the events", flavour, "that of simulated events")
        })?;
        let volume: f64 = family.windows().iter().map(|(low, high)| high - low).sum::<f64>() * 8.0 * PI;
        let line: f64 = match self.features.m_kpi {
            Some(Masses { range, resonance }) => resonance.nodes_in(range).iter().map(|node| node.1).sum(),
            None => 1.0,
        };
        let unit = if self.accepted { 1.0 } else { (volume * line).recip() };
        let of = |row: &usize| {
            let features = DVector::from_vec(self.features.at(variables(events, *row)));
            let ratio = (self.factors.dot(&features) - norm.log).exp();
            Ok((ratio * unit / family.scale(events, *row)?, features - &norm.means))
        };
        let all: Vec<(f64, DVector<f64>)> = rows.par_iter().map(of).collect::<Result<_, InferError>>()?;
        let features = all.iter().flat_map(|(_, features)| features.iter().copied()).collect();
        Ok(AtEvents { densities: all.into_iter().map(|(density, _)| density).collect(), features })
    }
}

/// Products of polynomials and harmonics; behind them the logarithm of the line shape.
#[derive(Debug, Clone)]
struct Features {
    terms: Terms,
    /// Range of q2 (GeV^2) over which the polynomials go.
    q2: [f64; 2],
    /// `None` where all events have one K pi mass.
    m_kpi: Option<Masses>,
}

/// K pi masses (GeV) that events may have, and their line shape.
#[derive(Debug, Clone, Copy)]
struct Masses {
    range: (f64, f64),
    resonance: Resonance,
}

impl Masses {
    fn of(family: &EventFamily) -> Option<Self> {
        let masses =
            Self { range: family.density.m_kpi_range(), resonance: *family.density.decay().resonance() };
        (family.density.line_shape() == LineShape::BreitWigner).then_some(masses)
    }

    /// The logarithm of the line shape over its value at the pole; rounding may have put a mass out of the range.
    fn log_shape(&self, m_kpi: f64) -> f64 {
        let m_kpi = m_kpi.clamp(self.range.0, self.range.1);
        (self.resonance.density(m_kpi) / self.resonance.density(self.resonance.pole())).ln()
    }
}

impl Features {
    fn new(family: &EventFamily, order: usize) -> Self {
        let windows = family.windows();
        let low = windows.iter().map(|window| window.0).fold(f64::INFINITY, f64::min);
        let high = windows.iter().map(|window| window.1).fold(f64::NEG_INFINITY, f64::max);
        let m_kpi = Masses::of(family);
        let decay = family.density.decay();
        let q2 = [low.max(decay.q2_min()), high.min(decay.q2_max(family.density.m_kpi_range().0))];
        let range = m_kpi.map(|Masses { range: (low, high), .. }| [low, high]);
        Self { terms: Terms::new(order, q2, range), q2, m_kpi }
    }

    fn len(&self) -> usize {
        self.terms.products().len() + usize::from(self.m_kpi.is_some())
    }

    /// Refuses too few effective events for its factors.
    fn check(&self, effective: f64) -> Result<(), InferError> {
        let least = self.len() * EVENTS_PER_FACTOR;
        if effective >= least as f64 {
            return Ok(());
        }
        let allowed = format!(
            "at least {least}, {EVENTS_PER_FACTOR} for each of {} factors of order {}",
            self.len(),
            self.terms.order()
        );
        Err(InferError::out_of_range("events of the background", effective.round(), allowed))
    }

    fn at(&self, variables: Variables) -> Vec<f64> {
        let shape = self.m_kpi.map(|masses| masses.log_shape(variables[3]));
        self.terms.at(variables).chain(shape).collect()
    }

    /// Agreement of a sample with a tilted reference in each variable, and in each two of them.
    fn agreement(&self, sample: &Points, reference: &Points, factors: &DVector<f64>) -> Vec<Agreement> {
        const NAMES: [&str; 5] = ["q2", "cos_theta_l", "cos_theta_k", "m_kpi", "chi"];
        let places: Vec<usize> = (0..NAMES.len()).filter(|i| *i != 3 || self.m_kpi.is_some()).collect();
        let pairs =
            places.iter().flat_map(|a| places.iter().filter(move |b| a < *b).map(move |b| vec![*a, *b]));
        let all: Vec<Vec<usize>> = places.iter().map(|place| vec![*place]).chain(pairs).collect();
        let counts = reference.counts(self, factors);
        let compare = |axes: &Vec<usize>| {
            let bins = BINS[axes.len() - 1];
            let filled = |points: &Points, counts: &[f64]| {
                let mut filled = vec![[0.0; 2]; bins.pow(axes.len() as u32)];
                for (at, count) in points.at.iter().zip(counts) {
                    let units = self.terms.units(*at);
                    let step = |x: f64| ((f64::midpoint(x, 1.0) * bins as f64) as usize).min(bins - 1);
                    let bin = axes.iter().fold(0, |bin, axis| bin * bins + step(units[*axis]));
                    filled[bin][0] += count;
                    filled[bin][1] += count * count;
                }
                filled
            };
            let names: Vec<&str> = axes.iter().map(|axis| NAMES[*axis]).collect();
            Agreement::new(names.join(" and "), &filled(sample, &sample.weights), &filled(reference, &counts))
        };
        all.par_iter().map(compare).collect()
    }
}

impl Agreement {
    /// Of sums of weights and of their squares in bins.
    fn new(variables: String, sample: &[[f64; 2]], density: &[[f64; 2]]) -> Self {
        let total = |bins: &[[f64; 2]], i: usize| bins.iter().map(|bin| bin[i]).sum::<f64>();
        let (own, all) = (total(sample, 0), total(density, 0));
        // The weight of an event, in the mean of what adds to the variance.
        let weight = total(sample, 1) / own;
        let (mut chi2, mut bins) = (0.0, 0_usize);
        for (sample, density) in sample.iter().zip(density) {
            let expected = density[0] / all;
            // What is expected scatters, not what was counted: an empty bin does too.
            let variance = expected * weight / own + density[1] / (all * all);
            // Of too few events chi2 is none.
            if expected * own > FEWEST * weight {
                chi2 += (sample[0] / own - expected).powi(2) / variance;
                bins += 1;
            }
        }
        let dof = bins.saturating_sub(1);
        let parts = sample.iter().zip(density).map(|(a, b)| [a[0] / own, b[0] / all]).collect();
        Self { variables, chi2, dof, p_value: probability(chi2, dof as f64), parts }
    }
}

/// Variables and weights of events or of points.
struct Points {
    at: Vec<Variables>,
    weights: Vec<f64>,
    /// Norm of the ratio.
    total: f64,
}

impl Points {
    fn new(events: &EventBatch, weights: Option<&[f64]>) -> Self {
        let weights = weights.map_or_else(|| vec![1.0; events.len()], <[f64]>::to_vec);
        let total = weights.iter().sum();
        Self { at: (0..events.len()).map(|row| variables(events, row)).collect(), weights, total }
    }

    /// Of several sets.
    fn together<T>(sets: &[(T, Self)]) -> Self {
        Self {
            at: sets.iter().flat_map(|(_, set)| &set.at).copied().collect(),
            weights: sets.iter().flat_map(|(_, set)| &set.weights).copied().collect(),
            total: sets.iter().map(|(_, set)| set.total).sum(),
        }
    }

    /// Of some events at most, evenly spaced in the sample.
    fn of_simulation(simulated: &Simulated, most: usize) -> Result<Self, InferError> {
        let every = simulated.measured.len().div_ceil(most).max(1);
        let rows: Vec<usize> = (0..simulated.measured.len()).step_by(every).collect();
        let own = |row: usize| simulated.weights.map_or(1.0, |weights| weights.values()[row]);
        let rate = |row: &usize| Ok(own(*row) / simulated.reference.rate(simulated.measured, *row)?);
        let weights: Vec<f64> = rows.par_iter().map(rate).collect::<Result<_, InferError>>()?;
        let at = rows.iter().map(|row| variables(simulated.measured, *row)).collect();
        let total = rows.iter().map(|row| own(*row)).sum();
        Ok(Self { at, weights, total })
    }

    /// Points that fill the windows, the angles and the K pi masses evenly, each two of them too: Halton's sequence. They weigh as the line
    /// shape has it, nothing outside phase space.
    fn uniform(features: &Features, family: &EventFamily) -> Self {
        const BASES: [usize; 5] = [2, 3, 5, 7, 11];
        let decay = family.density.decay();
        let windows = family.windows();
        let length: f64 = windows.iter().map(|(low, high)| high - low).sum();
        let point = |index: usize| {
            let coordinate = |axis: usize| radical_inverse(index + 1, BASES[axis]);
            let (m_kpi, weight) = match features.m_kpi {
                Some(Masses { range: (low, high), resonance }) => {
                    let m_kpi = low + coordinate(4) * (high - low);
                    (m_kpi, resonance.density(m_kpi))
                }
                None => (family.density.m_kpi_range().0, 1.0),
            };
            let mut along = coordinate(0) * length;
            let mut q2 = windows[0].0;
            for (low, high) in windows {
                q2 = low + along;
                if q2 <= *high {
                    break;
                }
                along -= high - low;
            }
            let inside = q2 > decay.q2_min() && q2 < decay.q2_max(m_kpi);
            let [l, k, turn] = [1, 2, 3].map(|axis| 2.0 * coordinate(axis) - 1.0);
            ([q2, l, k, m_kpi, PI * turn], if inside { weight } else { 0.0 }, weight)
        };
        let points: Vec<(Variables, f64, f64)> = (0..POINTS).into_par_iter().map(point).collect();
        let weights = points.iter().map(|point| point.1).collect();
        let total = points.iter().map(|point| point.2).sum();
        Self { at: points.into_iter().map(|point| point.0).collect(), weights, total }
    }

    /// The features of some points, and each point's weight times `exp(factors . features)`.
    ///
    /// # Shapes
    /// [feature, point], [point]
    fn block(&self, block: usize, features: &Features, factors: &DVector<f64>) -> (DMatrix<f64>, Vec<f64>) {
        let range = block * BLOCK..self.at.len().min((block + 1) * BLOCK);
        let mut columns = DMatrix::zeros(features.len(), range.len());
        for (mut column, at) in columns.column_iter_mut().zip(&self.at[range.clone()]) {
            column.copy_from_slice(&features.at(*at));
        }
        let tilt = columns.tr_mul(factors);
        let counts = self.weights[range].iter().zip(&tilt).map(|(w, t)| w * t.exp()).collect();
        (columns, counts)
    }

    fn blocks(&self) -> rayon::range::Iter<usize> {
        (0..self.at.len().div_ceil(BLOCK)).into_par_iter()
    }

    /// Each point's weight times `exp(factors . features)`.
    fn counts(&self, features: &Features, factors: &DVector<f64>) -> Vec<f64> {
        self.blocks().flat_map_iter(|block| self.block(block, features, factors).1).collect()
    }

    /// Sums with each point counted `exp(factors . features)` times.
    fn tilted(&self, features: &Features, factors: &DVector<f64>, depth: Depth) -> Tilted {
        let n = features.len();
        let sums = |block: usize| {
            let (columns, counts) = self.block(block, features, factors);
            let squares = || counts.iter().map(|count| count * count).collect::<Vec<f64>>();
            let second = (depth == Depth::Squares).then(|| Sum::new(&columns, &squares(), true));
            (Sum::new(&columns, &counts, depth >= Depth::Spread), second)
        };
        let blocks: Vec<(Sum, Option<Sum>)> = self.blocks().map(sums).collect();
        let (mut sums, mut squares) = (Sum::zero(n), Sum::zero(n));
        for (own, square) in blocks {
            sums = sums.plus(&own);
            squares = square.into_iter().fold(squares, |sum, square| sum.plus(&square));
        }
        let means = &sums.first / sums.count;
        let spread = &sums.second / sums.count - &means * means.transpose();
        let cross = &squares.first * means.transpose();
        let about = squares.second - &cross - cross.transpose() + &means * means.transpose() * squares.count;
        Tilted { norm: sums.count / self.total, means, spread, squares: about / (sums.count * sums.count) }
    }
}

/// The digits of a number in a base, mirrored behind the point.
fn radical_inverse(mut number: usize, base: usize) -> f64 {
    let (mut value, mut unit) = (0.0, 1.0);
    while number > 0 {
        unit /= base as f64;
        value += unit * (number % base) as f64;
        number /= base;
    }
    value
}

/// The variables of an event; 0 for a K pi mass that is no column.
fn variables(events: &EventBatch, row: usize) -> Variables {
    let columns = [&events.q2, &events.cos_theta_l, &events.cos_theta_k, &events.m_kpi, &events.chi];
    columns.map(|column| column.get(row).map_or(0.0, |x| f64::from(*x)))
}

/// Terms of sums over points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Means,
    /// The covariance of the features too.
    Spread,
    /// And that of their means.
    Squares,
}

/// Sums of 1, the features and their products over points.
struct Sum {
    count: f64,
    first: DVector<f64>,
    second: DMatrix<f64>,
}

impl Sum {
    fn zero(n: usize) -> Self {
        Self { count: 0.0, first: DVector::zeros(n), second: DMatrix::zeros(n, n) }
    }

    /// Without products of features where these are not asked for.
    fn new(features: &DMatrix<f64>, counts: &[f64], products: bool) -> Self {
        let mut counted = features.clone();
        counted.column_iter_mut().zip(counts).for_each(|(mut column, count)| column *= *count);
        let n = features.nrows();
        let second = if products { &counted * features.transpose() } else { DMatrix::zeros(n, n) };
        Self { count: counts.iter().sum(), first: counted.column_sum(), second }
    }

    fn plus(mut self, other: &Self) -> Self {
        self.count += other.count;
        self.first += &other.first;
        self.second += &other.second;
        self
    }
}

/// A sample of background, and the references of its density.
struct Samples {
    own: Points,
    /// Each with the decay of its simulated events; none for a uniform one.
    references: Vec<(Option<Flavour>, Points)>,
    /// Of several references together.
    together: Option<Points>,
}

/// A density of largest likelihood.
struct Fitted {
    features: Features,
    factors: DVector<f64>,
    /// Covariance of the sample's means.
    spread: DMatrix<f64>,
    /// Akaike's.
    criterion: f64,
}

impl Samples {
    fn new(
        features: &Features,
        family: &EventFamily,
        sample: &EventBatch,
        weights: Option<&Weights>,
        simulated: &[Simulated],
    ) -> Result<Self, InferError> {
        let references = if simulated.is_empty() {
            vec![(None, Points::uniform(features, family))]
        } else {
            let of = |one: &Simulated| {
                let flavour = one.reference.density.decay().flavour();
                Ok((Some(flavour), Points::of_simulation(one, SIMULATED / simulated.len())?))
            };
            simulated.iter().map(of).collect::<Result<_, InferError>>()?
        };
        let together = (references.len() > 1).then(|| Points::together(&references));
        Ok(Self { own: Points::new(sample, weights.map(Weights::values)), references, together })
    }

    /// Of either flavour the same is left of each event over its density before acceptance.
    fn reference(&self) -> &Points {
        self.together.as_ref().unwrap_or(&self.references[0].1)
    }

    fn fit(&self, features: Features, effective: f64) -> Result<Fitted, InferError> {
        let n = features.len();
        let Tilted { means, squares: spread, .. } =
            self.own.tilted(&features, &DVector::zeros(n), Depth::Squares);
        let (free, scales): (Vec<usize>, Vec<f64>) = (0..n).map(|index| (index, 1.0)).unzip();
        let objective = Entropy { features: &features, reference: self.reference(), means: &means };
        let best = minimise(&objective, &vec![0.0; n], &free, &scales)?;
        if !(best.settled && best.value.is_finite()) {
            let reason = "the sample's events leave a part of the variables empty".to_owned();
            return Err(InferError::NoMinimum {
                coefficients: "the background's density".to_owned(),
                reason,
            });
        }
        let factors = DVector::from_vec(best.point);
        let norm = self.reference().tilted(&features, &factors, Depth::Means).norm;
        let criterion = 2.0 * (n as f64 - effective * (factors.dot(&means) - norm.ln()));
        Ok(Fitted { features, factors, spread, criterion })
    }

    /// Density for a fit from the one that was chosen.
    fn density(&self, chosen: Fitted) -> Background {
        let Fitted { features, factors, spread, .. } = chosen;
        let tilted = self.reference().tilted(&features, &factors, Depth::Squares);
        let n = features.len();
        let curved = inverse(&tilted.curvature(), &vec![1.0; n]);
        // Of the uniform reference there could be any number of points: it adds no error.
        let accepted = self.references[0].0.is_some();
        let spread = if accepted { spread + &tilted.squares } else { spread };
        let covariance = &curved * spread * &curved;
        let agreement = features.agreement(&self.own, self.reference(), &factors);
        let norm = |(flavour, reference): &(Option<Flavour>, Points)| {
            let tilted = reference.tilted(&features, &factors, Depth::Means);
            Norm { flavour: *flavour, log: tilted.norm.ln(), means: tilted.means }
        };
        let norms = self.references.iter().map(norm).collect();
        let events = self.own.at.len();
        Background { features, factors, norms, covariance, accepted, events, agreement }
    }
}

/// Sums over points that are counted by a density.
struct Tilted {
    /// Sum of the factors by which points are counted, over the points' total.
    norm: f64,
    means: DVector<f64>,
    /// Covariance of the features.
    spread: DMatrix<f64>,
    /// Covariance of their means, the points being a sample.
    squares: DMatrix<f64>,
}

impl Tilted {
    /// Second derivatives of [`Entropy`], whatever the sample's means.
    fn curvature(&self) -> DMatrix<f64> {
        let n = self.means.len();
        &self.spread + DMatrix::identity(n, n) * HOLD
    }
}

/// `-ln L` of a sample of known means, per event.
struct Entropy<'a> {
    features: &'a Features,
    reference: &'a Points,
    means: &'a DVector<f64>,
}

impl Entropy<'_> {
    fn of(&self, tilted: &Tilted, factors: &DVector<f64>) -> f64 {
        tilted.norm.ln() - factors.dot(self.means) + 0.5 * HOLD * factors.norm_squared()
    }
}

impl Objective for Entropy<'_> {
    type Error = InferError;

    fn value(&self, point: &[f64]) -> Result<f64, InferError> {
        let factors = DVector::from_column_slice(point);
        let tilted = self.reference.tilted(self.features, &factors, Depth::Means);
        Ok(self.of(&tilted, &factors))
    }

    /// Of all factors, which are always free together.
    fn jet(&self, point: &[f64], _: &[usize]) -> Result<Jet, InferError> {
        let factors = DVector::from_column_slice(point);
        let tilted = self.reference.tilted(self.features, &factors, Depth::Spread);
        let value = self.of(&tilted, &factors);
        let gradient = &tilted.means - self.means + &factors * HOLD;
        let hessian = tilted.curvature();
        Ok(Jet { value, gradient, hessian })
    }
}
