//! Answers of estimators for pseudo-experiments, kept point by point, so that work that was stopped goes on.

use std::fs;
use std::path::Path;
use std::time::Instant;

use humboldt_schemas::provenance::program;
use rayon::prelude::*;

use super::estimators::{CoefficientEstimate, Estimated, Estimator};
use super::experiments::{Experiment, Experiments, World};
use super::judged::AtPoint;
use super::source::{SimulatedSample, Source};
use crate::error::{AtPath, Error};
use crate::learn::model::WEIGHTS_FILE;
use crate::progress::Progress;
use crate::run::RunFolder;
use crate::run::parts::Parts;

/// Pseudo-experiments that are in memory at once.
const CHUNK: usize = 16;

/// Pseudo-experiments that the time of an estimate is measured with.
const TIMED: usize = 3;

/// A point, and how many pseudo-experiments are wanted there.
pub struct Wanted {
    /// Shifts of the coefficients.
    pub shifts: Vec<f64>,
    /// Pseudo-experiments.
    pub count: usize,
}

/// Key of a run's networks and of what they are asked about.
///
/// # Errors
/// When the weights cannot be read.
pub fn key(run: &RunFolder) -> Result<String, Error> {
    Ok(format!("{} {} {}", program(), run.card().hash(), hash_of_weights(&run.model())?))
}

/// Hash of the weights in the folder of a network.
///
/// # Errors
/// When they cannot be read.
pub fn hash_of_weights(folder: &Path) -> Result<String, Error> {
    let weights = folder.join(WEIGHTS_FILE);
    Ok(blake3::hash(&fs::read(&weights).at(&weights)?).to_hex().to_string())
}

/// Estimators, and the events that pseudo-experiments are made of.
pub struct Work<'a> {
    /// Simulated events.
    pub source: &'a Source,
    /// Those of files that pseudo-experiments are drawn from.
    pub sample: &'a SimulatedSample,
    /// Ways to find the coefficients.
    pub estimators: &'a [Box<dyn Estimator + 'a>],
    /// Events of each pseudo-experiment, as far as there are so many.
    pub events: usize,
    /// Points that are done.
    pub parts: &'a Parts,
    /// Number of coefficients.
    pub coefficients: usize,
    /// Whether a pseudo-experiment without an answer is an error.
    pub needs_all: bool,
}

/// Times that a pseudo-experiment takes.
pub struct Times {
    /// Seconds to make it, by the clock.
    pub of_sample: f64,
    /// Milliseconds of each estimator's estimate on one core.
    pub of_estimates: Vec<f64>,
}

impl Work<'_> {
    /// The points with no more pseudo-experiments than events of files allow.
    ///
    /// # Errors
    /// When a point is refused.
    pub fn possible(&self, mut points: Vec<Wanted>, world: &World) -> Result<Vec<Wanted>, Error> {
        if self.source.has_files() {
            for point in &mut points {
                let all = Experiments::new(self.source, self.sample, &point.shifts, self.events, world)?;
                point.count = point.count.min(all.most());
            }
        }
        Ok(points)
    }

    /// The shortest times of some pseudo-experiments, for other work on the machine only adds to them.
    ///
    /// # Errors
    /// When events cannot be made.
    pub fn times(&self, points: &[Wanted], world: &World) -> Result<Times, Error> {
        let mut times = Times { of_sample: 0.0, of_estimates: vec![0.0; self.estimators.len()] };
        let Some(point) = points.get(points.len() / 2) else { return Ok(times) };
        let experiments = Experiments::new(self.source, self.sample, &point.shifts, self.events, world)?;
        let count = TIMED.min(experiments.most());
        let start = Instant::now();
        let samples =
            (0..count).map(|number| experiments.get(number)).collect::<Result<Vec<Experiment>, Error>>()?;
        times.of_sample = start.elapsed().as_secs_f64() / count.max(1) as f64;
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
        for (time, estimator) in times.of_estimates.iter_mut().zip(self.estimators) {
            let one = |sample: &Experiment| {
                let start = Instant::now();
                // A result that is thrown away is computed all the same: the call is behind a trait.
                let _ = estimator.estimates(std::slice::from_ref(sample), &point.shifts);
                start.elapsed().as_secs_f64() * 1e3
            };
            let shortest = pool.install(|| samples.iter().map(one).fold(f64::INFINITY, f64::min));
            *time = if shortest.is_finite() { shortest } else { 0.0 };
        }
        Ok(times)
    }

    /// The pseudo-experiments of a point by each estimator; those that `name` stands for in the parts, where they are there.
    ///
    /// # Errors
    /// When events cannot be made, or a table cannot be written.
    pub fn of_point(
        &self,
        point: &Wanted,
        world: &World,
        name: &str,
        progress: &Progress,
    ) -> Result<Vec<AtPoint>, Error> {
        let experiments = Experiments::new(self.source, self.sample, &point.shifts, self.events, world)?;
        let count = point.count.min(experiments.most());
        progress.skip((point.count - count) as u64);
        let columns = self.columns();
        let table = if let Some(table) = self.parts.table(name, &columns, count) {
            progress.skip(count as u64);
            table
        } else {
            let mut table: Vec<Vec<f64>> = vec![Vec::with_capacity(count); columns.len()];
            for start in (0..count).step_by(CHUNK) {
                let range = start..count.min(start + CHUNK);
                let samples = range.clone().into_par_iter().map(|number| experiments.get(number));
                let samples = samples.collect::<Result<Vec<Experiment>, Error>>()?;
                for (columns, estimator) in table.chunks_mut(self.width()).zip(self.estimators) {
                    for found in estimator.estimates(&samples, &point.shifts) {
                        let found = if self.needs_all { Some(found?) } else { found.ok() };
                        let row = self.row(found.as_ref());
                        columns.iter_mut().zip(row).for_each(|(column, x)| column.push(x));
                    }
                }
                progress.advance(range.len() as u64, &format!("{:?}", point.shifts));
            }
            self.parts.keep_table(name, &columns, table.clone())?;
            table
        };
        let of = |columns: &[Vec<f64>]| AtPoint {
            truth: point.shifts.clone(),
            events: experiments.events,
            bounds: None,
            found: (0..count).map(|row| self.estimated(columns, row)).collect(),
        };
        Ok(table.chunks(self.width()).map(of).collect())
    }

    /// Numbers of an answer.
    const fn width(&self) -> usize {
        1 + 3 * self.coefficients
    }

    fn columns(&self) -> Vec<String> {
        let of = |i: usize| (0..self.width()).map(move |k| format!("number_{i}_{k}"));
        (0..self.estimators.len()).flat_map(of).collect()
    }

    fn row(&self, found: Option<&Estimated>) -> Vec<f64> {
        let Some(found) = found else { return vec![f64::NAN; self.width()] };
        let numbers = found.coefficients.iter().flat_map(|e| [e.value, e.sigma, e.pull]);
        [found.p_value.unwrap_or(f64::NAN)].into_iter().chain(numbers).collect()
    }

    /// The answer of a row; none where a number of a coefficient is none.
    fn estimated(&self, columns: &[Vec<f64>], row: usize) -> Option<Estimated> {
        let of = |i: usize| {
            let [value, sigma, pull] = [1, 2, 3].map(|k| columns[3 * i + k][row]);
            let known = [value, sigma, pull].iter().all(|x| x.is_finite());
            known.then_some(CoefficientEstimate { value, sigma, pull })
        };
        let coefficients = (0..self.coefficients).map(of).collect::<Option<_>>()?;
        Some(Estimated { coefficients, p_value: Some(columns[0][row]).filter(|p| !p.is_nan()) })
    }
}
