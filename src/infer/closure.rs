//! Closure of a sample's truth: whether events follow the density that they are said to, and what is off where they do not.
//!
//! Three kinds of tests, each with a probability: angular moments in layers of q2 and counts in cells of all four variables,
//! against what is expected; a fit of coefficients, against those that are claimed; and for each known mistake the ratio of the
//! likelihoods with and without it, which exceeds `e^D` with a probability of at most `e^-D` where there is no mistake.

use std::f64::consts::PI;

use humboldt_physics::angular::angular_functions;
use humboldt_physics::convention::DecayVariables;
use humboldt_physics::{Decay, Density, LineShape, WilsonCoefficient, WilsonDirection};
use humboldt_pipeline::EventBatch;
use nalgebra::SVector;
use rayon::prelude::*;

use super::InferError;
use super::density::EventFamily;
use super::goodness::{empty_stretches, goodness, probability};
use super::likelihood::Likelihood;
use super::moments::{FEWEST_EVENTS, MomentPredictions, moments};
use super::unbinned;

/// Below this probability events do not follow a density.
pub const STRANGE: f64 = 1e-3;

/// Events that are looked at, the first of a sample: beyond, the finite precision of what is compared shows.
pub const MOST_EVENTS: usize = 1_000_000;

/// Most layers of q2.
const LAYERS: usize = 8;

/// Coefficients that are fitted.
const FREE: [WilsonDirection; 3] = [
    WilsonDirection::real(WilsonCoefficient::C9),
    WilsonDirection::real(WilsonCoefficient::C10),
    WilsonDirection::real(WilsonCoefficient::C7),
];

/// No shift beyond the claimed ones.
const CLAIMED: [f64; FREE.len()] = [0.0; FREE.len()];

/// Mistake in the angles of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mistake {
    /// chi of the opposite sign, and with it S7, S8 and S9, as EvtGen's new-physics model has them.
    MirroredChi,
    /// theta_l measured from the other lepton, or both leptons exchanged.
    Leptons,
    /// The angles of the antiparticle's definition; or B0 and B0bar in one sample, told by nothing.
    Flavour,
}

impl Mistake {
    /// Its name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::MirroredChi => "mirrored_chi",
            Self::Leptons => "leptons",
            Self::Flavour => "flavour",
        }
    }

    /// Its meaning, and a remedy.
    pub const fn words(self) -> &'static str {
        match self {
            Self::MirroredChi => {
                "chi has the opposite sign, and with it S7, S8 and S9, as in EvtGen's BTOSLLNP model: mirror it in truth and \
                 measurement alike"
            }
            Self::Leptons => {
                "theta_l is measured from the other lepton than in the LHCb convention, or both are exchanged"
            }
            Self::Flavour => {
                "the angles are those of the antiparticle's definition, or B0 and B0bar are in one sample and nothing tells them \
                 apart: read the flavour (a layout's [flavour])"
            }
        }
    }
}

/// Changes of the angles that undo a mistake: factors of cos_theta_l and cos_theta_k, and chi becomes `offset + factor chi`.
const CHANGES: [(Mistake, [f64; 2], [f64; 2]); 6] = [
    (Mistake::MirroredChi, [1.0, 1.0], [0.0, -1.0]),
    (Mistake::Leptons, [-1.0, 1.0], [PI, 1.0]),
    (Mistake::Leptons, [-1.0, 1.0], [0.0, 1.0]),
    // The convention of theory for a B0.
    (Mistake::Leptons, [-1.0, 1.0], [0.0, -1.0]),
    (Mistake::Flavour, [-1.0, 1.0], [PI, -1.0]),
    // Kaon and pion exchanged as well.
    (Mistake::Flavour, [-1.0, -1.0], [0.0, -1.0]),
];

/// Number of tests: counts, moments and a fit, and a ratio of likelihoods for each mistake.
const TESTS: f64 = CHANGES.len() as f64 + 4.0;

/// Difference between events and the density that they are said to follow.
#[derive(Debug, Clone, PartialEq)]
pub enum Deviation {
    /// Of angles.
    Angles(Mistake),
    /// Of the windows in q2 (GeV^2): where the events lie.
    Window(Vec<(f64, f64)>),
    /// Of Wilson coefficients: direction, fitted shift beyond the claimed one, and its standard deviation.
    Coefficients(Vec<(WilsonDirection, f64, f64)>),
    /// None of these, alone or together.
    Other,
}

/// Answer of a closure test.
#[derive(Debug, Clone, PartialEq)]
pub struct Closure {
    /// Probability that a sample of the density looks at least as strange, as small as the strangest of the tests makes it.
    pub p_value: f64,
    /// Events that were tested.
    pub events: usize,
    /// The fewest that explain the sample; none where it follows the density.
    pub deviations: Vec<Deviation>,
}

/// Whether events follow the density of a decay with K pi masses of a line shape, in windows of q2 (GeV^2); and what is off.
///
/// # Errors
/// With fewer than 500 events; when an event lies outside phase space.
pub fn closure(
    decay: &Decay,
    line_shape: LineShape,
    windows: &[(f64, f64)],
    events: &EventBatch,
) -> Result<Closure, InferError> {
    const FEWEST: usize = 500;
    if events.len() < FEWEST {
        return Err(InferError::out_of_range("events", events.len(), format!("at least {FEWEST}")));
    }
    let events = events.rows(0..events.len().min(MOST_EVENTS));
    let claimed = EventFamily::new(decay, line_shape, windows, &FREE)?;
    let seen = support(&claimed, &events);
    let (family, window) = match &seen {
        None => (claimed, None),
        Some(seen) => {
            (EventFamily::new(decay, line_shape, seen, &FREE)?, Some(Deviation::Window(seen.clone())))
        }
    };
    let count = events.len();
    let of = |p_value: f64, deviations: Vec<Deviation>| {
        let p_value = if window.is_some() { 0.0 } else { p_value };
        let deviations = window.iter().cloned().chain(deviations).collect();
        Ok(Closure { p_value, events: count, deviations })
    };
    let tests = Tests::new(&family, &events)?;
    let plain = fitted(&family, &events)?;
    let as_likely = plain.as_ref().map_or(1.0, |fit| probability(2.0 * fit.gain, FREE.len() as f64));
    let p_value = tests.p_value(&events, &CLAIMED)?.min(TESTS * as_likely);
    if p_value >= STRANGE {
        return of(p_value, Vec::new());
    }
    // The fewest deviations; of several explanations the likeliest.
    let samples: Vec<(Deviation, EventBatch)> = CHANGES
        .iter()
        .map(|(mistake, cosines, chi)| (Deviation::Angles(*mistake), changed(&events, *cosines, *chi)))
        .collect();
    let mut found: Vec<(f64, Vec<Deviation>)> = Vec::new();
    for (mistake, sample) in &samples {
        if tests.p_value(sample, &CLAIMED)? >= STRANGE {
            found.push((log_likelihood(&tests.claimed, sample), vec![mistake.clone()]));
        }
    }
    if let Some(likelihood) = tests.half_mirrored(&events)? {
        found.push((likelihood, vec![Deviation::Angles(Mistake::Flavour)]));
    }
    if let Some(fit) = plain
        && tests.p_value(&events, &fit.values)? >= STRANGE
    {
        found.push((log_likelihood(&tests.claimed, &events) + fit.gain, vec![fit.deviation()]));
    }
    if found.is_empty() {
        for (mistake, sample) in &samples {
            if let Some(fit) = fitted(&family, sample)?
                && tests.p_value(sample, &fit.values)? >= STRANGE
            {
                let likelihood = log_likelihood(&tests.claimed, sample) + fit.gain;
                found.push((likelihood, vec![mistake.clone(), fit.deviation()]));
            }
        }
    }
    let likeliest = found.into_iter().max_by(|a, b| a.0.total_cmp(&b.0));
    of(p_value, likeliest.map_or_else(|| vec![Deviation::Other], |(_, deviations)| deviations))
}

/// Mistake in the angles of accepted events.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Suspicion {
    /// The mistake.
    pub mistake: Mistake,
    /// Part of the events that have it, and its standard deviation.
    pub part: (f64, f64),
    /// Gain of `ln L` where it is undone.
    pub gain: f64,
}

/// The mistake in the angles of true values of accepted events, which may be weighted, that makes them likelier than they are without by
/// a factor of a billion; none where there is none.
///
/// The acceptance drops out of a ratio of likelihoods as long as it is even under the change that a mistake makes, and nothing
/// else of it need be known. A part of events that have the mistake is found from `t = (p - p')/(p + p')`, p' the density of the changed
/// event: its mean is that of t^2 without the mistake, and the opposite with it.
pub fn suspicion(density: &Density, truth: &EventBatch, weights: &[f64]) -> Option<Suspicion> {
    // e^20.7
    const BEYOND_DOUBT: f64 = 20.7;
    let rows = 0..truth.len().min(MOST_ACCEPTED);
    let (truth, weights) = (truth.rows(rows.clone()), &weights[rows]);
    let (sum, squares) = weights.iter().fold((0.0, 0.0), |(a, b), w| (a + w, b + w * w));
    // Weighted events count in units in which the sum of weights is its variance.
    let unit = if squares > 0.0 { sum / squares } else { 0.0 };
    let own = densities(density, &truth);
    let mut found: Option<Suspicion> = None;
    for (mistake, cosines, chi) in CHANGES {
        let other = densities(density, &changed(&truth, cosines, chi));
        let mut sums = [0.0; 4];
        for ((p, q), w) in own.iter().zip(&other).zip(weights) {
            let (t, w) = ((p - q) / (p + q), w * unit);
            // Rates of 0 are those of events at an edge of phase space.
            if p * q > 0.0 {
                let logs = [(q / p).ln(), (0.5 * (1.0 + q / p)).ln()];
                for (sum, x) in sums.iter_mut().zip([logs[0], logs[1], t, t * t]) {
                    *sum += w * x;
                }
            }
        }
        let [all, half, t, t2] = sums;
        // Half of the events have it where B0 and B0bar stand side by side.
        let (mistake, gain) = match mistake {
            Mistake::MirroredChi if half > all => (Mistake::Flavour, half),
            _ => (mistake, all),
        };
        if gain > found.map_or(BEYOND_DOUBT, |found| found.gain) {
            found = Some(Suspicion { mistake, part: (0.5 * (1.0 - t / t2), 0.5 / t2.sqrt()), gain });
        }
    }
    found
}

/// Accepted events that are looked at.
const MOST_ACCEPTED: usize = 300_000;

/// The rate at each event, up to a constant of q2 and mass.
fn densities(density: &Density, events: &EventBatch) -> Vec<f64> {
    let rate = |row: usize| {
        let [q2, cos_theta_l, cos_theta_k, chi, m_kpi] =
            events.columns().map(|column| f64::from(column[row]));
        density.rate_at(&DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi }).constant()
    };
    (0..events.len()).into_par_iter().map(rate).collect()
}

/// The windows in which the events are, where they are not the family's: less stretches without events, more where events lie
/// outside.
fn support(family: &EventFamily, events: &EventBatch) -> Option<Vec<(f64, f64)>> {
    let windows = family.windows();
    let (low, high) = events.q2.iter().fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), q2| {
        (low.min(f64::from(*q2)), high.max(f64::from(*q2)))
    });
    let inside = |q2: f64| windows.iter().any(|(a, b)| (a * (1.0 - 1e-6)..=b * (1.0 + 1e-6)).contains(&q2));
    let mut seen = if events.q2.iter().all(|q2| inside(f64::from(*q2))) {
        windows.to_vec()
    } else {
        vec![(low.min(windows[0].0), high.max(windows[windows.len() - 1].1))]
    };
    let wider = seen != windows;
    let empty: Vec<(f64, f64)> = if wider {
        gaps(events)
    } else {
        empty_stretches(family, &events.q2, &CLAIMED).iter().map(|s| (s.low, s.high)).collect()
    };
    for (from, to) in &empty {
        let cut = |(a, b): (f64, f64)| [(a, b.min(*from)), (a.max(*to), b)];
        seen = seen.into_iter().flat_map(cut).filter(|(a, b)| a < b).collect();
    }
    (wider || !empty.is_empty()).then_some(seen)
}

/// Stretches of q2 (GeV^2) without events, far longer than those around them: between neighbours a thousand times as far apart
/// as on average.
fn gaps(events: &EventBatch) -> Vec<(f64, f64)> {
    let mut q2: Vec<f64> = events.q2.iter().map(|q2| f64::from(*q2)).collect();
    q2.sort_by(f64::total_cmp);
    let (first, last) = (q2[0], q2[q2.len() - 1]);
    let far = (last - first) * (1000.0 / q2.len() as f64).min(0.2);
    let mut gaps = vec![(f64::NEG_INFINITY, first), (last, f64::INFINITY)];
    gaps.extend(q2.windows(2).filter(|pair| pair[1] - pair[0] > far).map(|pair| (pair[0], pair[1])));
    gaps
}

/// A fit of the coefficients.
struct Fit {
    /// Shifts beyond the claimed ones.
    values: Vec<f64>,
    sigma: Vec<f64>,
    /// Gain of `ln L` over the claimed ones.
    gain: f64,
}

impl Fit {
    fn deviation(&self) -> Deviation {
        let shifts = FREE.iter().zip(&self.values).zip(&self.sigma);
        Deviation::Coefficients(shifts.map(|((direction, x), sigma)| (*direction, *x, *sigma)).collect())
    }
}

/// The fit of a sample; none where there is no minimum.
fn fitted(family: &EventFamily, events: &EventBatch) -> Result<Option<Fit>, InferError> {
    let likelihood = Likelihood::new(family, events, 0)?;
    match unbinned::fit(&likelihood) {
        Ok(fit) => {
            let gain = (likelihood.value(&CLAIMED) - fit.minimum).max(0.0);
            Ok(Some(Fit { sigma: fit.sigma(), values: fit.values, gain }))
        }
        Err(InferError::NoMinimum { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Events with their angles changed as in [`CHANGES`].
fn changed(events: &EventBatch, [l, k]: [f64; 2], [offset, factor]: [f64; 2]) -> EventBatch {
    let mut events = events.clone();
    events.cos_theta_l.iter_mut().for_each(|x| *x *= l as f32);
    events.cos_theta_k.iter_mut().for_each(|x| *x *= k as f32);
    for x in &mut events.chi {
        *x = ((offset + factor * f64::from(*x) + PI).rem_euclid(2.0 * PI) - PI) as f32;
    }
    events
}

/// Tests of samples of one q2 spectrum, whatever their angles.
struct Tests<'a> {
    family: &'a EventFamily,
    /// Layers of q2 (GeV^2) and the angular moments that are expected in them; none for small samples.
    layers: Vec<(f64, f64)>,
    expected: Option<MomentPredictions>,
    /// q2 (GeV^2) and K pi mass (GeV) of each event.
    places: Vec<(f64, f64)>,
    /// `J_1s..J_9` of each event at the claimed shifts.
    claimed: Vec<[f64; 12]>,
}

impl<'a> Tests<'a> {
    fn new(family: &'a EventFamily, events: &EventBatch) -> Result<Self, InferError> {
        let layers = layers(family, events);
        let expected = if layers.is_empty() { None } else { Some(MomentPredictions::new(family, &layers)?) };
        let pole = family.density.m_kpi_range().0;
        let mass = |row: usize| match family.density.line_shape() {
            LineShape::Narrow => pole,
            LineShape::BreitWigner => events.m_kpi[row].into(),
        };
        let places = (0..events.len()).map(|row| (events.q2[row].into(), mass(row))).collect();
        let mut tests = Self { family, layers, expected, places, claimed: Vec::new() };
        tests.claimed = tests.coefficients(&CLAIMED);
        Ok(tests)
    }

    /// Probability that a sample of some shifts looks at least as strange.
    fn p_value(&self, events: &EventBatch, shifts: &[f64]) -> Result<f64, InferError> {
        let fitted;
        let coefficients = if shifts == CLAIMED {
            &self.claimed
        } else {
            fitted = self.coefficients(shifts);
            &fitted
        };
        let half = log_likelihood_of_half_mirrored(coefficients, events);
        let likeliest = half.max(highest_changed(coefficients, events));
        let ratio = (log_likelihood(coefficients, events) - likeliest).exp();
        if TESTS * ratio < STRANGE {
            return Ok(TESTS * ratio);
        }
        let cells = goodness(self.family, events, shifts)?.p_value;
        let of_moments = self.of_moments(events, shifts, |_| ())?;
        Ok((TESTS * ratio.min(cells).min(of_moments)).min(1.0))
    }

    /// `ln L` where chi of each event has either sign and nothing says which, if this is likelier than all else and S7, S8, S9
    /// vanish.
    fn half_mirrored(&self, events: &EventBatch) -> Result<Option<f64>, InferError> {
        let own = log_likelihood_of_half_mirrored(&self.claimed, events);
        let likeliest = log_likelihood(&self.claimed, events).max(highest_changed(&self.claimed, events));
        let vanish = |s: &mut SVector<f64, 12>| s.fixed_rows_mut::<3>(9).fill(0.0);
        let fits = own > likeliest && TESTS * self.of_moments(events, &CLAIMED, vanish)? >= STRANGE;
        Ok(fits.then_some(own))
    }

    /// Probability of the angular moments, with the expected ones altered.
    fn of_moments(
        &self,
        events: &EventBatch,
        shifts: &[f64],
        alter: impl Fn(&mut SVector<f64, 12>),
    ) -> Result<f64, InferError> {
        let Some(expected) = &self.expected else { return Ok(1.0) };
        let (mut chi2, mut degrees) = (0.0, 0.0);
        for (bin, mut expected) in moments(events, &self.layers)?.iter().zip(expected.values(shifts)) {
            alter(&mut expected);
            // S_1s follows from the others and the rate.
            let difference = (expected - bin.s).fixed_rows::<11>(1).into_owned();
            if let Some(root) = bin.covariance.fixed_view::<11, 11>(1, 1).into_owned().cholesky() {
                chi2 += difference.dot(&root.solve(&difference));
                degrees += 11.0;
            }
        }
        Ok(probability(chi2, degrees))
    }

    /// `J_1s..J_9` of each event.
    fn coefficients(&self, shifts: &[f64]) -> Vec<[f64; 12]> {
        let density = &self.family.density;
        let of = |(q2, m_kpi): &(f64, f64)| {
            let expansion = density.decay().expansion(*q2, *m_kpi, self.family.directions());
            expansion.map_or([f64::NAN; 12], |expansion| expansion.at(shifts).as_array())
        };
        self.places.par_iter().map(of).collect()
    }
}

/// The rate at each event of these coefficients, up to a constant.
fn rates(coefficients: &[[f64; 12]], events: &EventBatch) -> Vec<f64> {
    let rate = |row: usize| {
        let [l, k, chi] =
            [&events.cos_theta_l, &events.cos_theta_k, &events.chi].map(|column| f64::from(column[row]));
        coefficients[row].iter().zip(angular_functions(l, k, chi)).map(|(j, f)| j * f).sum::<f64>()
    };
    (0..events.len()).into_par_iter().map(rate).collect()
}

/// `ln L` of a sample, up to a constant of the shifts.
fn log_likelihood(coefficients: &[[f64; 12]], events: &EventBatch) -> f64 {
    rates(coefficients, events).iter().map(|rate| rate.ln()).sum()
}

/// `ln L` of events where chi of each has either sign and nothing says which.
fn log_likelihood_of_half_mirrored(coefficients: &[[f64; 12]], events: &EventBatch) -> f64 {
    let (_, cosines, chi) = CHANGES[0];
    let mirrored = rates(coefficients, &changed(events, cosines, chi));
    rates(coefficients, events).iter().zip(mirrored).map(|(a, b)| (0.5 * (a + b)).ln()).sum()
}

/// The highest of the likelihoods of a sample with its angles changed.
fn highest_changed(coefficients: &[[f64; 12]], events: &EventBatch) -> f64 {
    let of = |(_, cosines, chi): &(Mistake, [f64; 2], [f64; 2])| {
        log_likelihood(coefficients, &changed(events, *cosines, *chi))
    };
    CHANGES.iter().map(of).fold(f64::NEG_INFINITY, f64::max)
}

/// Layers of q2 (GeV^2) with about the same number of events, each inside one window.
fn layers(family: &EventFamily, events: &EventBatch) -> Vec<(f64, f64)> {
    let each = (events.len() / LAYERS).max(20 * FEWEST_EVENTS);
    let of_window = |(low, high): &(f64, f64)| {
        let mut inside: Vec<f64> =
            events.q2.iter().map(|q2| f64::from(*q2)).filter(|q2| (*low..*high).contains(q2)).collect();
        inside.sort_by(f64::total_cmp);
        let parts = inside.len() / each;
        let edge = |k: usize| match k {
            0 => *low,
            k if k == parts => *high,
            k => inside[k * inside.len() / parts],
        };
        (0..parts).map(|k| (edge(k), edge(k + 1))).filter(|(a, b)| a < b).collect::<Vec<_>>()
    };
    family.windows().iter().flat_map(of_window).collect()
}

#[cfg(test)]
mod tests {
    use humboldt_physics::{Flavour, Lepton, ModelName, WilsonShifts};
    use humboldt_pipeline::generate::{EventSampler, Q2Windows};
    use humboldt_pipeline::rng::StreamKey;

    use super::*;

    /// With S7, S8 and S9 that can be seen.
    fn decay(delta_c9: f64) -> Decay {
        let shifts = WilsonShifts::delta_c9(delta_c9)
            .with_part(WilsonDirection::imaginary(WilsonCoefficient::C10), 2.0);
        Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &shifts).unwrap()
    }

    fn sample(delta_c9: f64, windows: &[(f64, f64)], events: usize) -> EventBatch {
        let ranges: Vec<_> = windows.iter().map(|(a, b)| (Some(*a), Some(*b))).collect();
        let windows = Q2Windows::new(&ranges, &[]).unwrap();
        let sampler = EventSampler::new(&decay(delta_c9), LineShape::BreitWigner, &windows).unwrap();
        sampler.generate(StreamKey::new(5), events).0
    }

    fn found(events: &EventBatch) -> Closure {
        closure(&decay(-0.5), LineShape::BreitWigner, &WINDOWS, events).unwrap()
    }

    const WINDOWS: [(f64, f64); 1] = [(1.0, 8.0)];

    #[test]
    fn a_sample_follows_its_own_density() {
        let found = found(&sample(-0.5, &WINDOWS, 30_000));
        assert!(found.p_value > STRANGE && found.deviations.is_empty(), "{found:?}");
    }

    #[test]
    fn mistakes_are_named_alone_and_with_other_coefficients() {
        let events = sample(-0.5, &WINDOWS, 30_000);
        for (mistake, cosines, chi) in CHANGES {
            let found = found(&changed(&events, cosines, chi));
            assert_eq!(found.deviations, [Deviation::Angles(mistake)], "{cosines:?} {chi:?}");
            assert!(found.p_value < STRANGE);
        }
        let (_, cosines, chi) = CHANGES[1];
        let found = found(&changed(&sample(0.3, &WINDOWS, 30_000), cosines, chi));
        let [Deviation::Angles(Mistake::Leptons), Deviation::Coefficients(shifts)] = &found.deviations[..]
        else {
            panic!("{found:?}")
        };
        assert!((shifts[0].1 - 0.8).abs() < 5.0 * shifts[0].2, "{shifts:?}");
    }

    /// Without knowledge of an acceptance: even, or odd in the lepton's angle by more than any detector's.
    #[test]
    fn mistakes_of_accepted_events_are_named() {
        let density = Density::new(&decay(-0.5), LineShape::BreitWigner, &[], &[]).unwrap();
        let events = sample(-0.5, &WINDOWS, 60_000);
        let accepted = |odd: f64| {
            let part = |i: usize| (i as f64 * 0.618_034).fract();
            let kept = |i: usize| {
                let (k, l) = (f64::from(events.cos_theta_k[i]), f64::from(events.cos_theta_l[i]));
                part(i) < (1.0 - 0.6 * k.max(0.0)) * (1.0 - 0.3 * l * l) * 0.8 * (1.0 + odd * l)
            };
            events.filtered(&(0..events.len()).map(kept).collect::<Vec<_>>())
        };
        let of = |events: &EventBatch| suspicion(&density, events, &vec![1.0; events.len()]);
        for odd in [0.0, 0.05, -0.05] {
            assert_eq!(of(&accepted(odd)), None, "{odd}");
        }
        let even = accepted(0.0);
        for (mistake, cosines, chi) in CHANGES {
            let found = of(&changed(&even, cosines, chi)).unwrap();
            assert_eq!(found.mistake, mistake, "{found:?}");
            assert!((found.part.0 - 1.0).abs() < 5.0 * found.part.1 && found.part.1 < 0.1, "{found:?}");
        }
        let mut half = even;
        half.chi.iter_mut().step_by(2).for_each(|chi| *chi = -*chi);
        let found = of(&half).unwrap();
        assert_eq!(found.mistake, Mistake::Flavour);
        assert!((found.part.0 - 0.5).abs() < 5.0 * found.part.1, "{found:?}");
    }

    #[test]
    fn both_flavours_in_one_sample_are_named() {
        let mut events = sample(-0.5, &WINDOWS, 30_000);
        events.chi.iter_mut().step_by(2).for_each(|chi| *chi = -*chi);
        let found = found(&events);
        assert_eq!(found.deviations, [Deviation::Angles(Mistake::Flavour)], "{found:?}");
    }

    #[test]
    fn other_coefficients_are_measured() {
        let found = found(&sample(-1.0, &WINDOWS, 30_000));
        let [Deviation::Coefficients(shifts)] = &found.deviations[..] else { panic!("{found:?}") };
        assert!((shifts[0].1 + 0.5).abs() < 5.0 * shifts[0].2 && shifts[0].2 < 0.3, "{shifts:?}");
    }

    #[test]
    fn other_windows_are_said() {
        for windows in [vec![(1.0, 6.0)], vec![(0.5, 8.0)], vec![(1.0, 3.0), (5.0, 8.0)]] {
            let found = found(&sample(-0.5, &windows, 30_000));
            let [Deviation::Window(seen)] = &found.deviations[..] else { panic!("{windows:?}: {found:?}") };
            assert_eq!(seen.len(), windows.len(), "{seen:?}");
            for (seen, own) in seen.iter().zip(&windows) {
                assert!((seen.0 - own.0).abs() < 0.01 && (seen.1 - own.1).abs() < 0.01, "{seen:?} {own:?}");
            }
        }
    }

    #[test]
    fn what_nothing_explains_is_said() {
        let mut events = sample(-0.5, &WINDOWS, 30_000);
        // A detector that loses slow pions.
        let keep: Vec<bool> = events.cos_theta_k.iter().map(|x| *x < 0.6).collect();
        events = events.filtered(&keep);
        assert_eq!(found(&events).deviations, [Deviation::Other]);
        assert!(closure(&decay(0.0), LineShape::Narrow, &WINDOWS, &events.rows(0..499)).is_err());
    }
}
