//! All estimators of a run on the same samples, fresh ones that no network has seen.
//!
//! Two sets of samples are drawn: at the training values, from which each estimator's intervals are calibrated, and at
//! values between them, on which it is judged. Every sample has a random stream of its own, of which neither the training
//! nor another set has any part.

use std::fs;
use std::path::Path;
use std::time::Instant;

use humboldt_physics::{Axis, Density, LineShape, Point};
use humboldt_pipeline::generate::{EventSampler, GenerationReport};
use humboldt_pipeline::rng::StreamKey;
use humboldt_pipeline::voxels::Voxeliser;
use humboldt_schemas::card::{GeneratorCard, RunCard};
use humboldt_schemas::comparison::{Comparison, EstimatorResult, EstimatorValue, ONE_SIGMA, SystematicShift};
use humboldt_schemas::provenance::program;
use nalgebra::DVector;
use rayon::prelude::*;

use super::estimators::{self, training_values};
use super::parts::{OfValue, Parts, Purpose};
use super::{RunFolder, limits};
use crate::assumptions::assumed;
use crate::campaign::of_point;
use crate::error::{Error, Place};
use crate::infer::ensembles::{ensemble, line};
use crate::infer::estimator::{Estimate, Estimator, ImagedSample};
use crate::infer::information::{Information, MassKnowledge, by_events_of, by_quadrature};
use crate::infer::neyman::{Belt, NeymanCalibration, Span, too_few_for_coverage};
use crate::infer::nuisances::Nuisances;
use crate::learn::{Compute, model};
use crate::progress::{Progress, note, seconds};
use crate::sampling;

/// Samples that are in memory at once.
const CHUNK: usize = 64;

/// Samples that the time of an estimate is measured with.
const TIMED: usize = 9;

/// Generated events whose mean squared score is the information of a density with an S-wave or an acceptance.
const BOUND_EVENTS: usize = 100_000;

/// Range of shifts that slopes are quoted for: where the paper quotes them for C9. That of all values where fewer than two lie
/// in it.
const QUOTED_RANGE: [f64; 2] = [-2.0, 0.0];

/// Plan of what is to be computed.
#[derive(Debug, Clone)]
pub struct ComparisonPlan {
    /// Names of estimators, of [`estimators::NAMES`].
    pub estimators: Vec<String>,
    /// delta C9 of the samples that estimators are judged on; inside the range of the training values.
    pub values: Vec<f64>,
    /// Samples at each of them.
    pub images: usize,
    /// Samples at each training value.
    pub calibration_images: usize,
    /// Source of the samples in place of the card's generator.
    pub test: Option<SystematicShift>,
}

/// Result of a comparison.
pub struct Compared {
    /// The numbers of tables and figures.
    pub comparison: Comparison,
    /// Each estimator's samples, in the order of the comparison's.
    pub estimates: Vec<Judged>,
    /// Values that are done already, to be removed once all is written.
    pub parts: Parts,
}

/// One estimator's calibration and all of its estimates.
pub struct Judged {
    /// (delta C9, estimates) at the training values.
    pub calibration: Vec<(f64, Vec<f64>)>,
    /// (delta C9, estimates) at the values it is judged on.
    pub values: Vec<(f64, Vec<Estimate>)>,
    /// Belts of 68.3 % and 95 %.
    pub belts: [Belt; 2],
}

/// Ten values (or as many as there are) in the middle between neighbouring training values, spread over their range.
///
/// # Errors
/// When the card is refused.
pub fn values_between(card: &RunCard) -> Result<Vec<f64>, Error> {
    const MOST: usize = 10;
    let training = training_values(card)?;
    // Nine decimals: values are named in tables.
    let middle = |pair: &[f64]| (0.5e9 * (pair[0] + pair[1])).round() / 1e9;
    let all: Vec<f64> = training.windows(2).map(middle).collect();
    let n = all.len().min(MOST);
    Ok((0..n).map(|k| all[if n > 1 { k * (all.len() - 1) / (n - 1) } else { 0 }]).collect())
}

/// The random stream of one sample. Its path differs from that of every training, validation, test and live image.
pub fn stream(seed: u64, purpose: Purpose, point: &Point, sample: usize) -> StreamKey {
    let name = match purpose {
        Purpose::Calibration => "compare calibration",
        Purpose::Judgement => "compare judgement",
    };
    of_point(StreamKey::new(seed).child(name, 0), point).child("image", sample as u64)
}

/// Runs the comparison; goes on from what an earlier one left in `parts`.
///
/// # Errors
/// When the run's network is missing or of other images, there are too few training values, a value lies outside of them,
/// or fewer than two samples of a value have an estimate.
pub fn compare(
    run: &RunFolder,
    plan: &ComparisonPlan,
    compute: &Compute,
    parts: &Path,
) -> Result<Compared, Error> {
    let card = run.card();
    let directions = card.axes()?.directions();
    let [direction] = directions[..] else {
        let allowed = "cards of one coefficient, which is all that is compared";
        return Err(Error::Parameters { names: card.axes()?.names(), allowed });
    };
    limits::known_values(card, "`predict` and `compare`")?;
    let training = training_values(card)?;
    let (low, high) = (training[0], training[training.len() - 1]);
    if let Some(value) = plan.values.iter().find(|value| !(low..=high).contains(*value)) {
        let allowed = format!("{low} to {high}, the range of the training values");
        return Err(Error::setting("values", value, allowed));
    }
    let family = estimators::family(card)?;
    let all: Vec<Box<dyn Estimator + '_>> = plan
        .estimators
        .iter()
        .map(|name| estimators::estimator(name, run, &family, compute))
        .collect::<Result<_, Error>>()?;
    if let Some(few) = too_few_for_coverage(plan.calibration_images, "samples") {
        note(few.replace("will do", "(--calibration-images) will do"));
    }
    let Times { of_sample, of_estimates: times } = times(card, plan.values[0], &all)?;
    let parts = Parts::open(parts, &key(run, plan))?;
    let own = &card.generator;
    let other = plan.test.as_ref().map_or(own, |test| &test.generator);
    let sets = [
        Set {
            generator: own,
            purpose: Purpose::Calibration,
            values: &training,
            samples: plan.calibration_images,
        },
        Set { generator: other, purpose: Purpose::Judgement, values: &plan.values, samples: plan.images },
    ];
    let total: usize = sets.iter().map(|set| set.samples * set.values.len()).sum();
    let left: usize = sets.iter().map(|set| set.missing(&parts, all.len())).sum();
    let each = of_sample + times.iter().sum::<f64>() / 1e3 / rayon::current_num_threads() as f64;
    let begun = if left < total { format!("goes on with {left} of ") } else { String::new() };
    note(format!("compare: {begun}{total} samples, about {}", seconds(left as f64 * each)));
    let progress = Progress::new("compare", total as u64, "samples");
    let [calibration, judged] = sets.map(|set| estimate(card, &set, &all, &parts, &progress));
    let (calibration, judged) = (calibration?, judged?);
    progress.finish();
    let bounds = bounds(card, 0, &plan.values)?;

    let mut comparison = Comparison {
        name: card.name.clone(),
        coefficient: direction.to_string(),
        events: card.images.events,
        images: plan.images,
        calibration_images: plan.calibration_images,
        background: None,
        assumed: Some(assumed(&card.generator, &directions)?),
        test: plan.test.clone(),
        estimators: Vec::new(),
        wrong: Vec::new(),
    };
    let mut estimates = Vec::new();
    for (((one, known), fresh), milliseconds) in all.iter().zip(calibration).zip(judged).zip(times) {
        let known: Vec<(f64, Vec<f64>)> = known
            .into_iter()
            .map(|(truth, estimates)| (truth, estimates.into_iter().flatten().map(|e| e.value).collect()))
            .collect();
        let calibrated = NeymanCalibration::new(&known).place(|| format!("estimator {}", one.name()))?;
        let belts = [calibrated.belt(ONE_SIGMA), calibrated.belt(0.95)];
        let mut values = Vec::new();
        for ((truth, all), bound) in fresh.iter().zip(&bounds) {
            let value = judge(*truth, all, *bound, &calibrated, &belts);
            let value = value.place(|| format!("estimator {}", one.name()))?;
            if !value.ratio_to_bound.is_finite() {
                return Err(Error::Flat { estimator: one.name().to_owned(), truth: *truth });
            }
            values.push(value);
        }
        comparison.estimators.push(summary(one.name(), values, milliseconds));
        let values =
            fresh.into_iter().map(|(truth, all)| (truth, all.into_iter().flatten().collect())).collect();
        estimates.push(Judged { calibration: known, values, belts });
    }
    Ok(Compared { comparison, estimates, parts })
}

/// Key of all that decides samples and estimates.
fn key(run: &RunFolder, plan: &ComparisonPlan) -> String {
    let weights = run.model().join(model::WEIGHTS_FILE);
    // Without the network no training is needed.
    let weights =
        fs::read(weights).map_or_else(|_| String::new(), |bytes| blake3::hash(&bytes).to_hex().to_string());
    let ComparisonPlan { estimators, values, images, calibration_images, test } = plan;
    let plan = serde_json::json!([estimators, values, images, calibration_images, test]);
    format!("{} {} {weights} {plan}", program(), run.card().hash())
}

/// Samples of one purpose.
struct Set<'a> {
    generator: &'a GeneratorCard,
    purpose: Purpose,
    values: &'a [f64],
    samples: usize,
}

impl Set<'_> {
    /// Samples that have no estimates yet.
    fn missing(&self, parts: &Parts, estimators: usize) -> usize {
        let there = |value: &&f64| parts.read(self.purpose, **value, (self.samples, estimators)).is_none();
        self.samples * self.values.iter().filter(there).count()
    }
}

/// For each estimator and value the estimates of all samples, `None` where there is none.
type Estimates = Vec<Vec<(f64, Vec<Option<Estimate>>)>>;

fn estimate(
    card: &RunCard,
    set: &Set,
    estimators: &[Box<dyn Estimator + '_>],
    parts: &Parts,
    progress: &Progress,
) -> Result<Estimates, Error> {
    let mut all: Estimates = vec![Vec::new(); estimators.len()];
    for value in set.values {
        let found = if let Some(found) = parts.read(set.purpose, *value, (set.samples, estimators.len())) {
            progress.skip(set.samples as u64);
            found
        } else {
            let found = of_value(card, set, *value, estimators, progress)?;
            parts.keep(set.purpose, *value, &found)?;
            found
        };
        for (all, found) in all.iter_mut().zip(found) {
            all.push((*value, found));
        }
    }
    Ok(all)
}

/// The estimates of the samples of one value.
fn of_value(
    card: &RunCard,
    set: &Set,
    value: f64,
    estimators: &[Box<dyn Estimator + '_>],
    progress: &Progress,
) -> Result<OfValue, Error> {
    let point = card.axes()?.point(&[value])?;
    let sampler = sampling::sampler_at(set.generator, &point)?;
    let mut found: OfValue = vec![Vec::with_capacity(set.samples); estimators.len()];
    for start in (0..set.samples).step_by(CHUNK) {
        let range = start..set.samples.min(start + CHUNK);
        let key = |i| stream(card.seed, set.purpose, &point, i);
        let samples = samples(card, &sampler, key, range.clone())?;
        for (found, estimator) in found.iter_mut().zip(estimators) {
            found.extend(estimator.estimates(&samples).into_iter().map(Result::ok));
        }
        progress.advance(range.len() as u64, &point.to_string());
    }
    Ok(found)
}

/// Samples of a card's size, with their images.
///
/// # Errors
/// When an event lies outside the image: a bug of the generator.
pub fn samples(
    card: &RunCard,
    sampler: &EventSampler,
    stream: impl Fn(usize) -> StreamKey + Sync,
    range: std::ops::Range<usize>,
) -> Result<Vec<ImagedSample>, Error> {
    let (bins, events) = (card.images.bins, card.images.events);
    let empty = Voxeliser::new(bins)?;
    let one = |voxeliser: &mut Voxeliser, i: usize| {
        let mut sample = ImagedSample { image: vec![0.0; bins.pow(3)], ..ImagedSample::default() };
        let report = sampler.fill(stream(i), events, &mut sample.events);
        voxeliser.voxelise(sample.events.angles(), &mut sample.image)?;
        Ok((sample, report))
    };
    let made = range.into_par_iter().map_init(|| empty.clone(), one).collect::<Result<Vec<_>, Error>>()?;
    sampling::check(&made.iter().fold(GenerationReport::default(), |sum, (_, report)| sum.merge(*report)))?;
    Ok(made.into_iter().map(|(sample, _)| sample).collect())
}

/// The information bound of a card's signal, before detector and background, at some values of one of its coefficients, K pi
/// masses known; the others that are learned are not known, and in the middle of their ranges.
///
/// # Errors
/// When the physics refuses a value.
pub fn bounds(card: &RunCard, place: usize, values: &[f64]) -> Result<Vec<f64>, Error> {
    let masses = match card.generator.line_shape {
        LineShape::Narrow => MassKnowledge::Pole,
        LineShape::BreitWigner => MassKnowledge::Known,
    };
    let (windows, axes) = (sampling::windows(&card.generator)?, card.axes()?);
    let bound = |value: &f64| -> Result<f64, Error> {
        let mut shifts: Vec<f64> = axes.iter().map(Axis::centre).collect();
        shifts[place] = *value;
        let decay = card.generator.decay(&axes.point(&shifts)?.on(card.generator.shifts()?))?;
        let line_shape = card.generator.line_shape;
        let windows = windows.of(&decay, line_shape)?;
        let (efficiency, s_wave) = sampling::effects_of_signal(&card.generator, &decay)?;
        let information = if efficiency.is_none() && s_wave.is_none() {
            by_quadrature(&decay, masses, &windows, &axes.directions(), &Nuisances::default())?
        } else {
            let directions = axes.directions();
            let density =
                Density::with_effects(&decay, line_shape, &windows, &directions, efficiency, s_wave)?;
            let stream = StreamKey::new(card.seed).child("bound", value.to_bits());
            let events = sampling::accepted_signal(&card.generator, &decay, stream, BOUND_EVENTS)?;
            let (shape, _) = by_events_of(&density, &events)?;
            let rate_slope = DVector::zeros(directions.len());
            Information { shape, rate_slope, shifts: directions.len() }
        };
        Ok(information.bound(card.images.events as f64, false)?[(place, place)].sqrt())
    };
    values.par_iter().map(bound).collect()
}

/// Times that a sample takes.
struct Times {
    /// Seconds to draw it, by the clock.
    of_sample: f64,
    /// Milliseconds of each estimator's estimate on one core.
    of_estimates: Vec<f64>,
}

/// The shortest times of some samples, for other work on the machine only adds to them.
fn times(card: &RunCard, value: f64, estimators: &[Box<dyn Estimator + '_>]) -> Result<Times, Error> {
    let point = card.axes()?.point(&[value])?;
    let sampler = sampling::sampler_at(&card.generator, &point)?;
    let start = Instant::now();
    let samples = samples(card, &sampler, |i| stream(card.seed, Purpose::Calibration, &point, i), 0..TIMED)?;
    let of_sample = start.elapsed().as_secs_f64() / TIMED as f64;
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    let one = |estimator: &dyn Estimator| {
        let time = |sample: &ImagedSample| {
            let start = Instant::now();
            // A result that is thrown away is computed all the same: the call is behind a trait.
            let _ = estimator.estimates(std::slice::from_ref(sample));
            start.elapsed().as_secs_f64() * 1e3
        };
        samples.iter().map(time).fold(f64::INFINITY, f64::min)
    };
    let of_estimates = pool.install(|| estimators.iter().map(|estimator| one(estimator.as_ref())).collect());
    Ok(Times { of_sample, of_estimates })
}

fn judge(
    truth: f64,
    estimates: &[Option<Estimate>],
    bound: f64,
    calibration: &NeymanCalibration,
    belts: &[Belt; 2],
) -> Result<EstimatorValue, Error> {
    let known: Vec<Estimate> = estimates.iter().flatten().copied().collect();
    let values: Vec<f64> = known.iter().map(|e| e.value).collect();
    let e = ensemble(truth, false, &values)?;
    let (Some(sigma_left), Some(sigma_right), Some(sigma)) = (e.sigma_left, e.sigma_right, e.sigma) else {
        return Err(Error::Estimates { got: known.len(), samples: estimates.len(), truth });
    };
    let n = known.len() as f64;
    let part = |hits: usize| hits as f64 / n;
    let covered = |belt: &Belt| part(values.iter().filter(|x| belt.covers(truth, **x)).count());
    let own = |e: &Estimate| {
        e.interval.map(|interval| {
            let (low, high) = (truth - e.value, e.value - truth);
            if low > 0.0 {
                interval.plus.is_none_or(|plus| low <= plus)
            } else {
                interval.minus.is_none_or(|minus| high <= minus)
            }
        })
    };
    let own: Vec<bool> = known.iter().filter_map(own).collect();
    let calibrated: Vec<f64> = values.iter().filter_map(|x| calibration.calibrated(*x)).collect();
    let pulls: Vec<f64> = known.iter().filter_map(|e| pull(e, truth, calibration, &belts[0])).collect();
    let (pull_mean, pull_width) = mean_and_width(&pulls);
    let slope = calibration.slope(truth);
    let width_over_slope = sigma / slope.abs();
    Ok(EstimatorValue {
        truth,
        images: known.len(),
        failed: estimates.len() - known.len(),
        mean: e.mean,
        bias: e.bias,
        sigma_left,
        sigma_right,
        sigma,
        slope,
        width_over_slope,
        bound,
        ratio_to_bound: width_over_slope / bound,
        coverage_68: covered(&belts[0]),
        coverage_95: covered(&belts[1]),
        own_coverage_68: (!own.is_empty()).then(|| part(own.iter().filter(|hit| **hit).count())),
        calibrated_bias: (calibrated.len() == known.len())
            .then(|| mean_and_width(&calibrated).0)
            .flatten()
            .map(|mean| mean - truth),
        pull_mean,
        pull_width,
    })
}

/// (estimate - truth) over the error on the truth's side: the estimator's own, else that of the calibrated interval.
pub fn pull(estimate: &Estimate, truth: f64, calibration: &NeymanCalibration, belt: &Belt) -> Option<f64> {
    if estimate.interval.is_some() {
        return estimate.sigma_towards(truth).map(|sigma| (estimate.value - truth) / sigma);
    }
    let value = calibration.calibrated(estimate.value)?;
    let Span { low, high } = belt.interval(estimate.value)?;
    let sigma = if truth < value { value - low? } else { high? - value };
    (sigma > 0.0).then(|| (value - truth) / sigma)
}

/// Mean and standard deviation, as far as there are values for them.
fn mean_and_width(values: &[f64]) -> (Option<f64>, Option<f64>) {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let square = values.iter().map(|x| (x - mean).powi(2)).sum::<f64>();
    ((!values.is_empty()).then_some(mean), (values.len() > 1).then(|| (square / (n - 1.0)).sqrt()))
}

fn summary(name: &str, values: Vec<EstimatorValue>, milliseconds: f64) -> EstimatorResult {
    let quoted = |v: &&EstimatorValue| (QUOTED_RANGE[0]..=QUOTED_RANGE[1]).contains(&v.truth);
    let inside: Vec<&EstimatorValue> = values.iter().filter(quoted).collect();
    let chosen = if inside.len() >= 2 { inside } else { values.iter().collect() };
    let means: Vec<_> = chosen.iter().filter_map(|v| ensemble(v.truth, false, &[v.mean]).ok()).collect();
    let ends = |f: fn(f64, f64) -> f64| chosen.iter().map(|v| v.truth).reduce(f).unwrap_or_default();
    let range = [ends(f64::min), ends(f64::max)];
    let slope = line(&means).map_or_else(|| chosen[0].slope, |line| line.slope);
    EstimatorResult::new(name, slope, range, milliseconds, values)
}

/// Says what a comparison was refused or marked for.
pub fn note_failures(comparison: &Comparison) {
    for estimator in &comparison.estimators {
        let failed: usize = estimator.values.iter().map(|v| v.failed).sum();
        if failed > 0 {
            note(format!("{}: no estimate for {failed} samples, left out of its numbers", estimator.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    const CARD: &str = "[generator]\nq2 = [\"1:8\"]\n[images]\nevents = 400\nbins = 4\n[[dataset.groups]]\n\
                        delta_c9 = [-2.0, -1.0, 0.0, 1.0]\ntrain = 2\nvalidation = 1\ntest = 1";

    #[test]
    fn no_event_is_in_two_samples() {
        let card = RunCard::parse(CARD, "card").unwrap();
        let mut seen = HashSet::new();
        let mut events = 0;
        for value in [-1.0, -0.5] {
            let point = card.axes().unwrap().point(&[value]).unwrap();
            let sampler = sampling::sampler_at(&card.generator, &point).unwrap();
            for purpose in [Purpose::Calibration, Purpose::Judgement] {
                let key = |i| stream(card.seed, purpose, &point, i);
                for sample in samples(&card, &sampler, key, 0..20).unwrap() {
                    let e = &sample.events;
                    for row in 0..e.len() {
                        let event = [e.q2[row], e.cos_theta_l[row], e.cos_theta_k[row], e.chi[row]];
                        seen.insert(event.map(f32::to_bits));
                        events += 1;
                    }
                }
            }
        }
        assert_eq!(events, 2 * 2 * 20 * 400);
        assert_eq!(seen.len(), events, "an event came twice");
    }

    #[test]
    fn streams_of_all_sets_differ() {
        let (axes, mut keys) = (RunCard::parse(CARD, "card").unwrap().axes().unwrap(), HashSet::new());
        for purpose in [Purpose::Calibration, Purpose::Judgement] {
            for value in [-1.0, -0.5] {
                for i in 0..100 {
                    assert!(keys.insert(stream(3, purpose, &axes.point(&[value]).unwrap(), i)));
                }
            }
        }
        for split in humboldt_schemas::card::Split::ALL {
            for i in 0..100 {
                let key = StreamKey::new(3).child(split.name(), 0).child("delta_c9", (-1.0_f64).to_bits());
                assert!(keys.insert(key.child("image", i)));
            }
        }
    }

    #[test]
    fn values_lie_between_those_of_the_training() {
        let card = RunCard::parse(CARD, "card").unwrap();
        assert_eq!(values_between(&card).unwrap(), [-1.5, -0.5, 0.5]);
        let many = CARD.replace("[-2.0, -1.0, 0.0, 1.0]", &format!("{:?}", (0..22).collect::<Vec<_>>()));
        let card = RunCard::parse(&many.replace("[0, 1,", "[0.0, 1,"), "card").unwrap();
        let values = values_between(&card).unwrap();
        assert_eq!((values.len(), values[0], values[9]), (10, 0.5, 20.5));
    }

    #[test]
    fn issue_13_6_what_no_pull_says_is_not_0() {
        assert_eq!(mean_and_width(&[]), (None, None));
        assert_eq!(mean_and_width(&[0.5]), (Some(0.5), None));
        assert_eq!(mean_and_width(&[0.5, 1.5]), (Some(1.0), Some(0.5_f64.sqrt())));
    }

    /// Half a standard deviation off, with errors that say so: what a pull is.
    #[test]
    fn pulls_use_the_error_towards_the_truth() {
        let known: Vec<(f64, Vec<f64>)> = (0..5)
            .map(|k| (f64::from(k), (0..200).map(|i| f64::from(k) + (f64::from(i) - 99.5) * 0.002).collect()))
            .collect();
        let calibration = NeymanCalibration::new(&known).unwrap();
        let belt = calibration.belt(ONE_SIGMA);
        let own = crate::infer::Interval { minus: Some(0.2), plus: Some(0.1) };
        let of = |value, interval| pull(&Estimate { value, interval }, 2.0, &calibration, &belt).unwrap();
        assert!((of(2.1, Some(own)) - 0.5).abs() < 1e-12);
        assert!((of(1.9, Some(own)) + 1.0).abs() < 1e-12);
        // The calibrated interval is 0.4 * 0.683/2 on either side.
        assert!((of(2.1, None) - 0.1 / 0.1365).abs() < 0.02, "{}", of(2.1, None));
    }
}
