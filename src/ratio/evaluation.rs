//! Pseudo-experiments of known coefficients: bias, width, coverage and pulls, beside the information of the accepted truth.

use std::fs;
use std::ops::Range;

use anyhow::{Context, Result};
use humboldt_physics::quadratic::monomials;
use humboldt_pipeline::generate::EventSampler;
use humboldt_schemas::card::Split;
use humboldt_schemas::results::{RatioCoefficient, RatioEvaluation, RatioPoint};
use humboldt_schemas::voxels::label;
use nalgebra::{DMatrix, DVector};
use rayon::prelude::*;

use super::model::{FEWEST, RatioModel, ratios};
use super::source::{Events, Sample, Source};
use crate::infer::ensembles::{ensemble, summary};
use crate::infer::ratio::{Ratios, along, slopes};
use crate::progress::{Progress, note};
use crate::report::{self, ErrorBars, Sheet, TrainingValues};
use crate::run::RunFolder;
use crate::run::evaluation::file;

/// Pseudo-experiments of a point that events of files are shared among, at least.
const EXPERIMENTS: usize = 20;

/// Deviations within which 95 % of normal numbers lie.
const TWO_SIDES: f64 = 1.959_964;

const FILE: &str = "ratio.json";

/// The results of a run, where they are there.
///
/// # Errors
/// When they are damaged.
pub fn read(folder: &RunFolder) -> Result<Option<RatioEvaluation>> {
    let path = folder.results().join(FILE);
    if !path.exists() {
        return Ok(None);
    }
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    Ok(Some(serde_json::from_str(&text).with_context(|| path.display().to_string())?))
}

/// One pseudo-experiment: of each coefficient its estimate, its standard deviation and its pull; and the p-value.
struct Found {
    estimates: Vec<(f64, f64, f64)>,
    p_value: f64,
}

/// Evaluates a model at the points that its card tests, and writes tables and figures.
///
/// # Errors
/// When events cannot be made, or a result cannot be written.
pub fn evaluate(
    folder: &RunFolder,
    source: &Source,
    model: &RatioModel,
    parts: &[Sample; 3],
) -> Result<RatioEvaluation> {
    let card = folder.card();
    let points: Vec<_> = card.data().points()?.into_iter().filter(|p| p.count(Split::Test) > 0).collect();
    let total: usize = points.iter().map(|p| p.count(Split::Test)).sum();
    let progress = Progress::new("evaluate", total as u64, "pseudo-experiments");
    let directions = card.axes()?.directions();
    let truth = Information::new(model, source, &parts[1])?;
    let mut results = Vec::new();
    let mut estimates: Vec<Vec<(f64, Vec<f64>)>> = vec![Vec::new(); directions.len()];
    for point in &points {
        let experiments = Experiments::new(source, &parts[2], &point.shifts, card.images.events)?;
        let count = point.count(Split::Test).min(experiments.most());
        let mut found = Vec::with_capacity(count);
        for number in 0..count {
            let numbers = experiments.numbers(number)?;
            found.push(one(model, &numbers, &point.shifts)?);
            progress.advance(1, &format!("{:?}", point.shifts));
        }
        progress.skip((point.count(Split::Test) - count) as u64);
        let events = experiments.events;
        if found.len() > 1 {
            for (i, all) in estimates.iter_mut().enumerate() {
                all.push((point.shifts[i], found.iter().map(|f| f.estimates[i].0).collect()));
            }
        }
        results.push(of_point(model, source, &truth, &point.shifts, events, &found)?);
    }
    progress.finish();
    let evaluation = RatioEvaluation {
        name: card.name.clone(),
        fraction: source.nominal,
        fresh: !source.has_files(),
        loss: model.learned.info().loss,
        entropy: model.learned.info().entropy,
        points: results,
    };
    write(folder, &evaluation, estimates)?;
    Ok(evaluation)
}

/// Fits one pseudo-experiment.
fn one(model: &RatioModel, numbers: &[f32], truth: &[f64]) -> Result<Found> {
    let mean = model.mean(numbers)?;
    let fit = model.fit(&mean, None)?;
    let (values, covariance) = (fit.values(), fit.covariance());
    let mut estimates = Vec::new();
    for (i, (truth, origin)) in truth.iter().zip(&model.origin).enumerate() {
        let pull = fit.pull(i, truth - origin)?;
        estimates.push((origin + values[i], covariance[(i, i)].sqrt(), pull));
    }
    Ok(Found { estimates, p_value: fit.p_value() })
}

/// Events of pseudo-experiments at one point.
struct Experiments<'a> {
    source: &'a Source,
    point: &'a [f64],
    events: usize,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Fresh(Box<EventSampler>),
    Drawn {
        signal: &'a Events,
        rows: Vec<usize>,
        background: Option<&'a Events>,
        shares: Vec<[Range<usize>; 2]>,
    },
}

impl<'a> Experiments<'a> {
    fn new(source: &'a Source, part: &'a Sample, point: &'a [f64], events: usize) -> Result<Self> {
        if !source.has_files() {
            let kind = Kind::Fresh(Box::new(source.sampler(point)?));
            return Ok(Self { source, point, events, kind });
        }
        let rows = source.drawn_at(&part.signal, point)?;
        let background = part.background.as_ref();
        let fraction = source.nominal;
        // As many as each kind has for so many experiments.
        let of_signal = (rows.len() / EXPERIMENTS) as f64 / (1.0 - fraction);
        let of_background = background.map_or(f64::INFINITY, |b| (b.len() / EXPERIMENTS) as f64 / fraction);
        let events = (of_signal.min(of_background) as usize).min(events);
        let mut shares = Vec::new();
        if events >= FEWEST {
            let mut begin = [0, 0];
            for number in 0.. {
                let of_background = source.background_of(point, number, events)?;
                let counts = [events - of_background, of_background];
                let share = [0, 1].map(|kind| begin[kind]..begin[kind] + counts[kind]);
                let there = [rows.len(), background.map_or(0, Events::len)];
                if share.iter().zip(there).any(|(range, there)| range.end > there) {
                    break;
                }
                begin = share.each_ref().map(|range| range.end);
                shares.push(share);
            }
        }
        Ok(Self {
            source,
            point,
            events,
            kind: Kind::Drawn { signal: &part.signal, rows, background, shares },
        })
    }

    /// How many there can be that share no event.
    fn most(&self) -> usize {
        match &self.kind {
            Kind::Fresh(_) => usize::MAX,
            Kind::Drawn { shares, .. } => shares.len(),
        }
    }

    fn numbers(&self, number: usize) -> Result<Vec<f32>> {
        let width = self.source.variables.width();
        match &self.kind {
            Kind::Fresh(sampler) => self.source.fresh(sampler, self.point, number, self.events),
            Kind::Drawn { signal, rows, background, shares } => {
                let [of_signal, of_background] = shares[number].clone();
                let mut numbers = Vec::with_capacity(self.events * width);
                for row in &rows[of_signal] {
                    numbers.extend_from_slice(&signal.numbers[row * width..(row + 1) * width]);
                }
                if let Some(background) = background {
                    let range = of_background.start * width..of_background.end * width;
                    numbers.extend_from_slice(&background.numbers[range]);
                }
                Ok(numbers)
            }
        }
    }
}

/// What the truth of accepted simulated events knows of the coefficients.
struct Information<'a> {
    signal: &'a Events,
    ratios: Ratios,
    origin: &'a [f64],
    fraction: f64,
    model: &'a RatioModel,
}

impl<'a> Information<'a> {
    fn new(model: &'a RatioModel, source: &'a Source, part: &'a Sample) -> Result<Self> {
        let ratios = ratios(&model.learned, &part.signal.numbers)?;
        Ok(Self { signal: &part.signal, ratios, origin: &source.origin, fraction: source.nominal, model })
    }

    /// Fisher information of one event of signal and background: the mean square of the true score of accepted signal, times the
    /// probability that the event is signal where there is background.
    fn at(&self, point: &[f64]) -> DMatrix<f64> {
        const BLOCK: usize = 4096;
        let shifts: Vec<f64> = point.iter().zip(self.origin).map(|(x, origin)| x - origin).collect();
        let (values, slopes) = (monomials(&shifts), slopes(&shifts));
        let (n, terms) = (shifts.len(), values.len() - 1);
        let row_of = |row: usize| &self.signal.terms[row * terms..(row + 1) * terms];
        let events = self.signal.len();
        let starts: Vec<usize> = (0..events).step_by(BLOCK).collect();
        let range = |start: &usize| *start..events.min(start + BLOCK);
        // Rate and derivatives, for the normalisation.
        let sums: Vec<(f64, DVector<f64>)> = starts
            .par_iter()
            .map(|start| {
                let mut sum = (0.0, DVector::zeros(n));
                for row in range(start) {
                    let weight = self.signal.weights[row];
                    sum.0 += weight * (1.0 + along(row_of(row), &values));
                    for (i, slope) in slopes.iter().enumerate() {
                        sum.1[i] += weight * along(row_of(row), slope);
                    }
                }
                sum
            })
            .collect();
        let (total, total_slopes) =
            sums.into_iter().fold((0.0, DVector::zeros(n)), |a, b| (a.0 + b.0, a.1 + b.1));
        let total_slopes = total_slopes / total;
        let statistic = &self.model.calibration.statistic;
        let signal_part = statistic.signal_parts(&self.ratios, &shifts, self.fraction);
        let sums: Vec<DMatrix<f64>> = starts
            .par_iter()
            .map(|start| {
                let mut sum = DMatrix::zeros(n, n);
                for row in range(start) {
                    let rate = 1.0 + along(row_of(row), &values);
                    if rate <= 0.0 {
                        continue;
                    }
                    let score =
                        DVector::from_fn(n, |i, _| along(row_of(row), &slopes[i]) / rate - total_slopes[i]);
                    sum.ger(self.signal.weights[row] * rate * signal_part(row), &score, &score, 1.0);
                }
                sum
            })
            .collect();
        let sum = sums.iter().fold(DMatrix::zeros(n, n), |a, b| a + b);
        sum * ((1.0 - self.fraction) / total)
    }
}

fn of_point(
    model: &RatioModel,
    source: &Source,
    truth: &Information,
    point: &[f64],
    events: usize,
    found: &[Found],
) -> Result<RatioPoint> {
    let shifts: Vec<f64> = point.iter().zip(&source.origin).map(|(x, origin)| x - origin).collect();
    let bound = (truth.at(point) * events as f64).try_inverse();
    let expected = model.calibration.covariance(&shifts, source.nominal, events).ok();
    let names = model.card.axes()?.names();
    let n = found.len() as f64;
    let mean = |of: &dyn Fn(&Found) -> f64| found.iter().map(of).sum::<f64>() / n;
    let known = |x: f64| Some(x).filter(|x| x.is_finite());
    let coefficients = names
        .into_iter()
        .enumerate()
        .map(|(i, name)| {
            let average = mean(&|f| f.estimates[i].0);
            let pull = mean(&|f| f.estimates[i].2);
            let spread = |of: &dyn Fn(&Found) -> f64, average: f64| {
                (found.iter().map(|f| (of(f) - average).powi(2)).sum::<f64>() / (n - 1.0)).sqrt()
            };
            RatioCoefficient {
                name,
                truth: point[i],
                mean: known(average),
                sigma: known(spread(&|f| f.estimates[i].0, average)),
                error: known(mean(&|f| f.estimates[i].1)),
                pull_mean: known(pull),
                pull_width: known(spread(&|f| f.estimates[i].2, pull)),
                coverage: known(mean(&|f| f64::from(u8::from(f.estimates[i].2.abs() <= 1.0)))),
                coverage_95: known(mean(&|f| f64::from(u8::from(f.estimates[i].2.abs() <= TWO_SIDES)))),
                expected: expected.as_ref().and_then(|c| known(c[(i, i)].sqrt())),
                bound: bound.as_ref().and_then(|c| known(c[(i, i)].sqrt())),
            }
        })
        .collect();
    Ok(RatioPoint {
        experiments: found.len(),
        events,
        effective_events: model.calibration.effective_events(&shifts),
        p_value_below_5: known(mean(&|f| f64::from(u8::from(f.p_value < 0.05)))),
        coefficients,
    })
}

fn write(
    folder: &RunFolder,
    evaluation: &RatioEvaluation,
    estimates: Vec<Vec<(f64, Vec<f64>)>>,
) -> Result<()> {
    let card = folder.card();
    let results = folder.results();
    fs::create_dir_all(&results).with_context(|| results.display().to_string())?;
    for (place, (direction, mut all)) in card.axes()?.directions().into_iter().zip(estimates).enumerate() {
        all.sort_by(|a, b| a.0.total_cmp(&b.0));
        if all.len() < 2 {
            note(format!("{direction}: pseudo-experiments at fewer than two values: no linearity plot"));
            continue;
        }
        let ensembles = all
            .iter()
            .map(|(truth, values)| ensemble(*truth, true, values))
            .collect::<Result<Vec<_>, _>>()?;
        let range = [all[0].0, all[all.len() - 1].0];
        let path = |stem: &str, ending: &str| results.join(file(place, direction, stem, ending));
        report::write_ensembles_csv(&path("ensembles", ".csv"), &label(direction), &ensembles)?;
        report::write_json(&path("ensembles", ".json"), &ensembles)?;
        let Ok(summary) = summary(&card.name, range, &ensembles) else { continue };
        report::write_json(&path("summary", ".json"), &summary)?;
        let print = report::small_print(&card.generator);
        let sheet = Sheet::new(path("linearity", ""), &print).of(&direction.to_string());
        let training = TrainingValues::Uniform(range);
        report::linearity(
            &sheet,
            &label(direction),
            &ensembles,
            training,
            &summary,
            ErrorBars::OfExperiments,
        )?;
    }
    // Last: with it the results are whole.
    Ok(report::write_json(&results.join(FILE), evaluation)?)
}
