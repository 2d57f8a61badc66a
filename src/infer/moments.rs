//! Angular observables from events by the method of moments, and a chi-square fit of Wilson coefficients to them.
//!
//! `S_i = J_i/Gamma` of one sample (a meson or its antiparticle), LHCb convention, all twelve: no lepton mass is
//! neglected. The mean of a function dual to `f_i` is an unbiased estimate of `S_i`, whatever the number of events.
//!
//! # Source
//! Beaujean, Chrzaszcz, Serra, van Dyk, arXiv:1503.04100.

use std::cmp::Ordering;
use std::f64::consts::PI;
use std::sync::LazyLock;

use humboldt_physics::angular::angular_functions;
use humboldt_physics::convention::DecayVariables;
use humboldt_physics::density::Chebyshev;
use humboldt_physics::quadrature::nodes;
use humboldt_physics::{AngularCoefficients, Efficiency, Expansion, Quadratic, WilsonDirection};
use humboldt_pipeline::EventBatch;
use nalgebra::{DMatrix, DVector, SMatrix, SVector};
use rayon::prelude::*;

use super::InferError;
use super::density::EventFamily;
use super::form::Jet;
use super::functions::{Coefficients, FUNCTIONS, all_functions};
use super::goodness::{Goodness, probability};
use super::minimise::{Objective, minimise};
use super::unbinned::{FARTHEST, Fitted, covariance, scales_of};
use super::weights::{Counted, Weights};

/// Fewest events of a bin: twice the number of moments.
pub const FEWEST_EVENTS: usize = 24;

/// The inverse of `integral f_i f_j`: it turns the functions into their duals.
static DUAL: LazyLock<SMatrix<f64, 12, 12>> = LazyLock::new(|| {
    const TURN: usize = 8;
    let mut gram = SMatrix::<f64, 12, 12>::zeros();
    for (l, weight_l) in nodes(-1.0, 1.0, []) {
        for (k, weight_k) in nodes(-1.0, 1.0, []) {
            for n in 0..TURN {
                let chi = 2.0 * PI * (n as f64 + 0.5) / TURN as f64;
                let f = SVector::<f64, 12>::from(angular_functions(l, k, chi));
                gram += f * f.transpose() * (weight_l * weight_k * 2.0 * PI / TURN as f64);
            }
        }
    }
    gram.try_inverse().unwrap_or_else(|| unreachable!("the angular functions are independent"))
});

/// The moments of one bin.
#[derive(Debug, Clone, PartialEq)]
pub struct BinMoments {
    /// Ends of the bin in GeV^2.
    pub q2: (f64, f64),
    /// Events in it.
    pub events: usize,
    /// Sum of their weights, and effective number; the same as the number where all count once.
    pub counted: Counted,
    /// `S_1s..S_9`, in the order of [`AngularCoefficients::ORDER`].
    pub s: SVector<f64, 12>,
    /// Their covariance. Of rank 11: the rate is 1 in every sample.
    pub covariance: SMatrix<f64, 12, 12>,
}

impl BinMoments {
    /// A linear combination of the S_i with its standard deviation.
    pub fn combination(&self, factors: &[f64; 12]) -> (f64, f64) {
        let factors = SVector::<f64, 12>::from(*factors);
        (factors.dot(&self.s), factors.dot(&(self.covariance * factors)).max(0.0).sqrt())
    }

    /// `A_FB = 3/4 S_6s + 3/8 S_6c`.
    pub fn a_fb(&self) -> (f64, f64) {
        let j = AngularCoefficients { j6s: 0.75, j6c: 0.375, ..AngularCoefficients::ZERO };
        self.combination(&j.as_array())
    }

    /// `3/4 (2 S_1s + S_1c) - 1/4 (2 S_2s + S_2c)`: 1 of moments, the asymmetry of the rate of [`asymmetries`].
    pub fn rate(&self) -> (f64, f64) {
        let one = |i: usize| std::array::from_fn(|j| f64::from(u8::from(i == j)));
        self.combination(&std::array::from_fn(|i| AngularCoefficients::from_array(one(i)).rate()))
    }

    /// `F_L = -S_2c`.
    pub fn f_l(&self) -> (f64, f64) {
        let j = AngularCoefficients { j2c: -1.0, ..AngularCoefficients::ZERO };
        self.combination(&j.as_array())
    }
}

/// The moments of events in bins of q2 (GeV^2); events outside of all bins do not count.
///
/// # Errors
/// When a bin is not an interval, or holds fewer than [`FEWEST_EVENTS`].
pub fn moments(events: &EventBatch, bins: &[(f64, f64)]) -> Result<Vec<BinMoments>, InferError> {
    weighted_moments(events, None, bins)
}

/// The moments of events that count by their weights, `sum w d/sum w` of the dual functions d. Their covariance is
/// `sum w^2 (d - S)(d - S)^T/(sum w)^2`, as that of a mean is for weights of 1.
///
/// # Errors
/// When a bin is not an interval, holds effectively fewer than [`FEWEST_EVENTS`], or weights whose sum is near or below zero.
pub fn weighted_moments(
    events: &EventBatch,
    weights: Option<&Weights>,
    bins: &[(f64, f64)],
) -> Result<Vec<BinMoments>, InferError> {
    estimates(events, None, weights, bins)
}

/// The CP asymmetries `A_i = (J_i - Jbar_i)/(Gamma + Gammabar)` in place of the S_i, of events of both flavours in the LHCb
/// convention: +1 of a B0bar, -1 of a B0. An asymmetry of production or detection is part of them.
///
/// # Errors
/// As [`weighted_moments`]; when there are not as many flavours as events.
pub fn asymmetries(
    events: &EventBatch,
    flavours: &[i8],
    weights: Option<&Weights>,
    bins: &[(f64, f64)],
) -> Result<Vec<BinMoments>, InferError> {
    if flavours.len() != events.len() {
        return Err(InferError::out_of_range("flavours", flavours.len(), events.len().to_string()));
    }
    estimates(events, Some(flavours), weights, bins)
}

/// Events that are summed one after another; blocks of them are summed in parallel and added in order.
const BLOCK: usize = 1 << 16;

/// Weighted means of the dual functions, each times a sign.
fn estimates(
    events: &EventBatch,
    signs: Option<&[i8]>,
    weights: Option<&Weights>,
    bins: &[(f64, f64)],
) -> Result<Vec<BinMoments>, InferError> {
    if let Some((low, high)) = bins.iter().find(|(low, high)| low.partial_cmp(high) != Some(Ordering::Less)) {
        return Err(InferError::out_of_range("bins", format!("{low}:{high}"), "MIN:MAX with MIN < MAX"));
    }
    let block = |first: usize| {
        let mut sums = vec![Sums::default(); bins.len()];
        for row in first..events.len().min(first + BLOCK) {
            let q2 = f64::from(events.q2[row]);
            for (sums, _) in sums.iter_mut().zip(bins).filter(|(_, (low, high))| (*low..*high).contains(&q2))
            {
                let sign = signs.map_or(1.0, |signs| f64::from(signs[row]));
                let weight = weights.map_or(1.0, |weights| weights.values()[row]);
                sums.count(weight, &(functions(events, row) * sign));
            }
        }
        sums
    };
    let starts: Vec<usize> = (0..events.len()).step_by(BLOCK).collect();
    let blocks: Vec<Vec<Sums>> = starts.into_par_iter().map(block).collect();
    let bin = |(i, q2): (usize, &(f64, f64))| {
        let mut sums = Sums::default();
        for block in &blocks {
            sums.add(&block[i]);
        }
        sums.moments(*q2, weights.is_some())
    };
    bins.iter().enumerate().map(bin).collect()
}

/// Sums over events of a bin, of their weights `w` and their angular functions `f`.
#[derive(Debug, Clone, Default)]
struct Sums {
    events: usize,
    /// `sum w`.
    weight: f64,
    /// `sum w^2`.
    squares: f64,
    /// `sum w f`.
    first: SVector<f64, 12>,
    /// `sum w^2 f`.
    squared_first: SVector<f64, 12>,
    /// `sum w^2 f f^T`.
    squared_second: SMatrix<f64, 12, 12>,
}

impl Sums {
    fn count(&mut self, weight: f64, functions: &SVector<f64, 12>) {
        let weighted = functions * weight;
        self.events += 1;
        self.weight += weight;
        self.squares += weight * weight;
        self.first += weighted;
        self.squared_first += weighted * weight;
        self.squared_second += weighted * weighted.transpose();
    }

    fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.weight += other.weight;
        self.squares += other.squares;
        self.first += other.first;
        self.squared_first += other.squared_first;
        self.squared_second += other.squared_second;
    }

    fn moments(&self, q2: (f64, f64), weighted: bool) -> Result<BinMoments, InferError> {
        let effective = if self.squares > 0.0 { self.weight * self.weight / self.squares } else { 0.0 };
        if effective < FEWEST_EVENTS as f64 || self.weight <= 0.0 {
            let allowed = format!("at least {FEWEST_EVENTS}");
            let what = if weighted { "effective number of events" } else { "events" };
            let got = if self.weight < 0.0 { -effective } else { effective };
            return Err(InferError::out_of_range(
                &format!("{what} in the bin {}:{}", q2.0, q2.1),
                got,
                allowed,
            ));
        }
        let mean = self.first / self.weight;
        let cross = mean * self.squared_first.transpose();
        let scatter =
            self.squared_second - cross - cross.transpose() + mean * mean.transpose() * self.squares;
        let counted = Counted { events: self.events, sum: self.weight, effective };
        let scale = self.weight * (self.weight - self.weight / effective);
        let covariance = *DUAL * scatter * DUAL.transpose() / scale;
        Ok(BinMoments { q2, events: self.events, counted, s: *DUAL * mean, covariance })
    }
}

/// The dual functions at an event's angles.
pub(super) fn dual(events: &EventBatch, row: usize) -> SVector<f64, 12> {
    *DUAL * functions(events, row)
}

/// The angular functions at an event's angles.
pub(super) fn functions(events: &EventBatch, row: usize) -> SVector<f64, 12> {
    let [l, k, chi] = [&events.cos_theta_l, &events.cos_theta_k, &events.chi].map(|c| f64::from(c[row]));
    angular_functions(l.clamp(-1.0, 1.0), k.clamp(-1.0, 1.0), chi).into()
}

/// Coefficients that a fit uses: all but `S_1s`, which the others and the rate make.
const USED: usize = 11;

/// Points in q2 of a bin that integrals over the angles of accepted events are interpolated from.
const FOLDING_POINTS: usize = 12;

/// Predictions of the moments as functions of shifts: of the `S_i`, or, where an efficiency keeps events or they have an S-wave, of the
/// means that their dual functions then have.
#[derive(Debug, Clone)]
pub struct MomentPredictions {
    directions: Vec<WilsonDirection>,
    /// For each bin and each mass: its part of the line shape, its whole rate, and the integrals of `J_1s..J_9`.
    bins: Vec<Vec<Slice>>,
}

#[derive(Debug, Clone)]
struct Slice {
    part: f64,
    total: Quadratic<f64>,
    inside: Expansion,
}

impl MomentPredictions {
    /// In bins of q2 (GeV^2).
    ///
    /// # Errors
    /// When a bin misses the family's windows.
    pub fn new(family: &EventFamily, bins: &[(f64, f64)]) -> Result<Self, InferError> {
        let decay = family.density.decay();
        let slice = |(m_kpi, part): (f64, f64), windows: &[(f64, f64)], folding: Option<&Folding>| {
            let mut inside = Expansion::default();
            for (q2, weight) in decay.q2_nodes(m_kpi, windows) {
                let own = match folding {
                    Some(folding) => family.expansion(q2, m_kpi)?.map(|all| folding.fold(q2, &all)),
                    None => decay.expansion(q2, m_kpi, family.directions()),
                };
                inside += own.unwrap_or_default() * weight;
            }
            Ok(Slice { part, total: family.density.total(m_kpi), inside })
        };
        let of = |bin: &(f64, f64)| {
            let windows = family.windows_in(bin.0, bin.1);
            let folding = Folding::new(family, &windows);
            let slices: Vec<Slice> = family
                .line()
                .into_iter()
                .map(|point| slice(point, &windows, folding.as_ref()))
                .collect::<Result<_, InferError>>()?;
            let slices: Vec<Slice> =
                slices.into_iter().filter(|slice| !slice.inside.terms().is_empty()).collect();
            if slices.iter().any(|slice| slice.inside.constant().rate() > 0.0) {
                Ok(slices)
            } else {
                let got = format!("{}:{}", bin.0, bin.1);
                Err(InferError::out_of_range("bins", got, "bins that overlap the windows in q2"))
            }
        };
        let bins = bins.par_iter().map(of).collect::<Result<_, _>>()?;
        Ok(Self { directions: family.directions().to_vec(), bins })
    }

    /// The bins of another density of the same shifts behind these.
    #[must_use]
    pub fn and(mut self, other: Self) -> Self {
        self.bins.extend(other.bins);
        self
    }

    /// The shift of each coefficient that makes as much rate in the bins as there is.
    fn scales(&self) -> Result<Vec<f64>, InferError> {
        let mut rate = Quadratic::zero(self.directions.len());
        for slice in self.bins.iter().flatten() {
            rate.add(slice.part, &slice.inside.rate());
        }
        scales_of(&rate, &self.directions)
    }

    /// `S_1s..S_9`, or the means in their place, of each bin at given shifts.
    pub fn values(&self, shifts: &[f64]) -> Vec<SVector<f64, 12>> {
        let bin = |slices: &Vec<Slice>| {
            let weighted = |slice: &Slice| slice.inside.at(shifts) * (slice.part / slice.total.at(shifts));
            let sum: AngularCoefficients = slices.iter().map(weighted).sum();
            SVector::<f64, 12>::from(sum.as_array()) / sum.rate()
        };
        self.bins.iter().map(bin).collect()
    }
}

/// Means of the dual functions of events that an efficiency keeps, and that may have an S-wave, from the coefficients of the rate.
struct Folding {
    points: Chebyshev,
    /// At each point in q2: the integrals of each dual function times the efficiency and each of all functions.
    products: Vec<SMatrix<f64, 12, FUNCTIONS>>,
}

impl Folding {
    /// In windows of q2 (GeV^2); `None` for a family in which means of the dual functions are the K*'s coefficients.
    fn new(family: &EventFamily, windows: &[(f64, f64)]) -> Option<Self> {
        let (first, last) = windows.first().zip(windows.last())?;
        if family.efficiency.is_none() && family.s_wave.is_none() {
            return None;
        }
        // Without an efficiency products are the same at every q2.
        let few = if family.efficiency.is_some() { FOLDING_POINTS } else { 1 };
        let last = last.1.min(family.density.decay().q2_max(family.density.m_kpi_range().0));
        let points = Chebyshev::new((first.0, last), few);
        let products = points.points().iter().map(|q2| products(family.efficiency.as_ref(), *q2)).collect();
        Some(Self { points, products })
    }

    fn fold(&self, q2: f64, coefficients: &Quadratic<Coefficients>) -> Expansion {
        let shares = self.points.shares(q2);
        let parts = shares.iter().zip(&self.products).map(|(share, product)| product * *share);
        let product = parts.fold(SMatrix::zeros(), |sum: SMatrix<f64, 12, FUNCTIONS>, part| sum + part);
        let folded = |all: &Coefficients| {
            AngularCoefficients::from_array((product * SVector::<f64, FUNCTIONS>::from(all.0)).into())
        };
        coefficients.map(folded)
    }
}

/// Integrals over the angles of each dual function times an efficiency and each of all functions, at a q2 (GeV^2).
fn products(efficiency: Option<&Efficiency>, q2: f64) -> SMatrix<f64, 12, FUNCTIONS> {
    let (cosines, turn) = (nodes(-1.0, 1.0, []), nodes(-PI, PI, [0.0]));
    let mut sum = SMatrix::<f64, 12, FUNCTIONS>::zeros();
    for (l, weight_l) in &cosines {
        for (k, weight_k) in &cosines {
            for (chi, weight_chi) in &turn {
                let event =
                    DecayVariables { q2, cos_theta_l: *l, cos_theta_k: *k, chi: *chi, m_kpi: f64::NAN };
                let kept = efficiency.map_or(1.0, |efficiency| efficiency.of(&event));
                let all = SVector::<f64, FUNCTIONS>::from(all_functions(*l, *k, *chi));
                let own = all.fixed_rows::<12>(0) * (weight_l * weight_k * weight_chi * kept);
                sum += own * all.transpose();
            }
        }
    }
    *DUAL * sum
}

/// The chi-square fit of shifts to measured moments, with the covariance that was measured.
///
/// # Errors
/// When moments and predictions are of different bins, a covariance is singular, a coefficient does not matter, or no
/// minimum is found.
pub fn fit(
    predictions: &MomentPredictions,
    measured: &[BinMoments],
) -> Result<(Fitted, Goodness), InferError> {
    if predictions.bins.len() != measured.len() {
        let allowed = predictions.bins.len().to_string();
        return Err(InferError::out_of_range("bins", measured.len(), allowed));
    }
    let singular = |bin: &BinMoments| {
        let field = format!("covariance of the moments in {}:{}", bin.q2.0, bin.q2.1);
        InferError::out_of_range(&field, "singular", "enough events that it can be inverted")
    };
    let roots: Vec<Root> = measured
        .iter()
        .map(|bin| {
            let covariance = bin.covariance.fixed_view::<USED, USED>(1, 1).into_owned();
            covariance.cholesky().and_then(|root| root.l().try_inverse()).ok_or_else(|| singular(bin))
        })
        .collect::<Result<_, _>>()?;
    let scales = predictions.scales()?;
    let (free, start): (Vec<usize>, Vec<f64>) = (0..scales.len()).map(|index| (index, 0.0)).unzip();
    let objective = HalfChiSquare { predictions, measured, roots };
    let best = minimise(&objective, &start, &free, &scales)?;
    if !(best.settled && best.value.is_finite()) {
        let names: Vec<String> = predictions.directions.iter().map(ToString::to_string).collect();
        let reason = format!("chi-square {} still falls at {:.3?}", 2.0 * best.value, best.point);
        return Err(InferError::NoMinimum { coefficients: names.join(", "), reason });
    }
    let covariance = covariance(&objective.jet(&best.point, &free)?.hessian, &best.point, &scales);
    let chi2 = 2.0 * best.value;
    let degrees_of_freedom = (USED * measured.len()).saturating_sub(free.len());
    let p_value = probability(chi2, degrees_of_freedom as f64);
    let fitted = Fitted { values: best.point, curved: covariance.clone(), covariance, minimum: best.value };
    Ok((fitted, Goodness { chi2, degrees_of_freedom, p_value }))
}

/// The inverse of the lower-triangular root of a covariance.
type Root = SMatrix<f64, USED, USED>;

/// Half of the chi-square of predictions and measured moments.
struct HalfChiSquare<'a> {
    predictions: &'a MomentPredictions,
    measured: &'a [BinMoments],
    roots: Vec<Root>,
}

impl Objective for HalfChiSquare<'_> {
    type Error = InferError;

    fn value(&self, shifts: &[f64]) -> Result<f64, InferError> {
        let predicted = self.predictions.values(shifts);
        let bins = self.measured.iter().zip(&predicted).zip(&self.roots);
        let half = |((measured, predicted), root): ((&BinMoments, &SVector<f64, 12>), &Root)| {
            0.5 * (root * (predicted - measured.s).fixed_rows::<USED>(1)).norm_squared()
        };
        Ok(bins.map(half).sum())
    }

    /// Of all shifts, which are always free together.
    fn jet(&self, shifts: &[f64], _: &[usize]) -> Result<Jet, InferError> {
        let mut sum = Jet::zero(shifts.len());
        for ((slices, measured), root) in self.predictions.bins.iter().zip(self.measured).zip(&self.roots) {
            let predicted = jets(slices, shifts);
            let differences =
                SVector::<f64, USED>::from_fn(|i, _| predicted[i + 1].value - measured.s[i + 1]);
            let pulls = root * differences;
            let slopes = DMatrix::from_fn(USED, shifts.len(), |i, k| predicted[i + 1].gradient[k]);
            let slopes = DMatrix::from_column_slice(USED, USED, root.as_slice()) * slopes;
            sum.value += 0.5 * pulls.norm_squared();
            sum.gradient += slopes.tr_mul(&DVector::from_column_slice(pulls.as_slice()));
            sum.hessian += slopes.tr_mul(&slopes);
            for (weight, of) in root.tr_mul(&pulls).iter().zip(&predicted[1..]) {
                sum.hessian += &of.hessian * *weight;
            }
        }
        Ok(sum)
    }

    fn limit(&self) -> f64 {
        FARTHEST
    }
}

/// `S_1s..S_9` of a bin with their derivatives.
fn jets(slices: &[Slice], shifts: &[f64]) -> Vec<Jet> {
    let mut sums = vec![Jet::zero(shifts.len()); 12];
    for slice in slices {
        let total = Jet::of(&slice.total, shifts);
        for (i, sum) in sums.iter_mut().enumerate() {
            let one = slice.inside.map(|j| j.as_array()[i]);
            sum.add(slice.part, &Jet::of(&one, shifts).over(&total));
        }
    }
    let mut whole = Jet::zero(shifts.len());
    for (i, sum) in sums.iter().enumerate() {
        let mut one = [0.0; 12];
        one[i] = 1.0;
        whole.add(AngularCoefficients::from_array(one).rate(), sum);
    }
    sums.iter().map(|sum| sum.over(&whole)).collect()
}

#[cfg(test)]
mod tests {
    use humboldt_physics::{Decay, Flavour, Lepton, LineShape, ModelName, WilsonCoefficient, WilsonShifts};
    use humboldt_pipeline::generate::{EventSampler, Q2Windows};
    use humboldt_pipeline::rng::StreamKey;
    use humboldt_schemas::card::{AcceptanceCard, Effects, Polynomials, SWaveCard};

    use super::*;

    /// The dual functions pick one coefficient each out of a density.
    #[test]
    fn duals_pick_their_coefficients() {
        let j = [1.0, 0.9, 0.3, -0.8, -0.1, 0.2, -0.3, 0.4, 0.05, 0.02, -0.04, 0.06];
        let mut sum = SVector::<f64, 12>::zeros();
        for (l, weight_l) in nodes(-1.0, 1.0, []) {
            for (k, weight_k) in nodes(-1.0, 1.0, []) {
                for n in 0..8 {
                    let f = angular_functions(l, k, PI * (f64::from(n) + 0.5) / 4.0);
                    let p: f64 = f.iter().zip(&j).map(|(f, j)| f * j).sum();
                    sum += *DUAL * SVector::<f64, 12>::from(f) * (p * weight_l * weight_k * PI / 4.0);
                }
            }
        }
        assert!((sum - SVector::<f64, 12>::from(j)).amax() < 1e-11, "{sum}");
    }

    /// Means over generated events against those expected of an S-wave and an efficiency.
    #[test]
    fn means_know_of_efficiency_and_s_wave() {
        let (shape, window) = (LineShape::BreitWigner, (1.1, 6.0));
        let decay =
            |d| Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::delta_c9(d)).unwrap();
        let formula = Polynomials { cos_theta_k: vec![1.0, 0.3, -0.5], ..Polynomials::default() };
        let acceptance = AcceptanceCard { formula, ..AcceptanceCard::default() };
        let (card, efficiency) = (SWaveCard::default(), acceptance.efficiency());
        let effects =
            Effects { s_wave: Some(card.clone()), acceptance: Some(acceptance), ..Effects::default() };
        let windows = Q2Windows::new(&[(Some(window.0), Some(window.1))], &[]).unwrap();
        let sampler = EventSampler::new(&decay(-1.0), shape, &windows).unwrap();
        let sampler = sampler.with_effects(&effects, &decay(-1.0), shape).unwrap();
        let (events, _) = sampler.generate(StreamKey::new(5), 400_000);
        let bins = [(1.1, 2.5), (2.5, 6.0)];
        let measured = moments(&events, &bins).unwrap();

        let c9 = [WilsonDirection::real(WilsonCoefficient::C9)];
        let s_wave = card.of(&decay(0.0), shape).unwrap();
        let family =
            EventFamily::with_effects(&decay(0.0), shape, &[window], &c9, Some(efficiency), Some(s_wave))
                .unwrap();
        let predictions = MomentPredictions::new(&family, &bins).unwrap();
        let chi2: f64 = (predictions.values(&[-1.0]).iter().zip(&measured))
            .map(|(expected, measured)| {
                let covariance = measured.covariance.fixed_view::<USED, USED>(1, 1).into_owned();
                let off = (measured.s - expected).fixed_rows::<USED>(1).into_owned();
                off.dot(&(covariance.try_inverse().unwrap() * off))
            })
            .sum();
        assert!(chi2 < 50.0, "{chi2} for 22");
        let (fitted, _) = fit(&predictions, &measured).unwrap();
        assert!((fitted.values[0] + 1.0).abs() < 4.0 * fitted.sigma()[0], "{fitted:?}");
    }

    #[test]
    fn bins_are_refused_where_they_are_empty() {
        let mut events = EventBatch::default();
        for i in 0..30 {
            events.q2.push(2.0);
            events.cos_theta_l.push(0.03 * i as f32);
            events.cos_theta_k.push(-0.02 * i as f32);
            events.chi.push(0.1 * i as f32);
        }
        let message = |bins: &[(f64, f64)]| moments(&events, bins).unwrap_err().to_string();
        assert!(message(&[(3.0, 4.0)]).contains("events in the bin 3:4 = 0"));
        assert!(message(&[(4.0, 3.0)]).contains("bins = 4:3"));
        assert_eq!(moments(&events, &[(1.0, 3.0)]).unwrap()[0].events, 30);
    }
}
