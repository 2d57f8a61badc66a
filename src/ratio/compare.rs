//! Estimators of measured events on the same pseudo-experiments, and the shifts that a wrong simulation makes.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use humboldt_schemas::card::{DatasetPoint, Split};
use humboldt_schemas::comparison::{
    Comparison, EstimatorResult, ShiftAtValue, SystematicShift, WrongShift, WrongSimulation,
};
use humboldt_schemas::provenance::program;

use super::estimators::{CoefficientEstimate, Estimated, Estimator, Known, Learned, NAMES, is_possible};
use super::experiments::{Experiment, Experiments, World};
use super::information::Information;
use super::judged::{AtPoint, result, shift};
use super::model::RatioModel;
use super::networks::Network;
use super::source::{SimulatedSample, Source};
use super::worlds::{Wrong, of_test};
use crate::assumptions::assumed;
use crate::error::{AtPath, Error};
use crate::learn::model::WEIGHTS_FILE;
use crate::learn::{Compute, Model};
use crate::progress::{Progress, note, seconds};
use crate::report::{self, Pulls, Sheet};
use crate::run::RunFolder;
use crate::run::compared::COMPARISON;
use crate::run::evaluation::file;
use crate::run::figures::small_print;
use crate::run::parts::Parts;

/// Pseudo-experiments that are in memory at once.
const CHUNK: usize = 16;

/// Pseudo-experiments that the time of an estimate is measured with.
const TIMED: usize = 3;

/// Plan of what is to be computed.
#[derive(Debug, Clone)]
pub struct RatioComparisonPlan {
    /// Names of estimators; none for all that can be used.
    pub estimators: Vec<String>,
    /// Folders of other networks that learned from events of the same measurements.
    pub networks: Vec<PathBuf>,
    /// Values of the only coefficient; none for the points that the card tests.
    pub values: Vec<f64>,
    /// Pseudo-experiments at each point, as far as there are events for them; as many as the card tests where it is none.
    pub images: Option<usize>,
    /// Errors of the simulation that are looked at; none for all that the card's events can have.
    pub wrong: Option<Vec<Wrong>>,
    /// Data of another generator.
    pub test: Option<SystematicShift>,
}

/// Result of a comparison.
pub struct Compared {
    /// The numbers of tables and figures, by coefficient.
    pub comparisons: Vec<Comparison>,
    /// Pseudo-experiments as simulated: by estimator, point by point.
    points: Vec<Vec<AtPoint>>,
    /// Values that are done already, to be removed once all is written.
    pub parts: Parts,
}

/// A point, and how many pseudo-experiments are wanted there.
struct Wanted {
    shifts: Vec<f64>,
    count: usize,
}

/// Runs the comparison; goes on from what an earlier one left in `parts`.
///
/// # Errors
/// When the run's networks are missing, a value lies outside of what they learned, an estimator cannot know what was simulated, or has no answer for
/// most pseudo-experiments.
pub fn compare(
    run: &RunFolder,
    plan: &RatioComparisonPlan,
    compute: &Compute,
    parts: &Path,
) -> Result<Compared, Error> {
    let card = run.card();
    if !RatioModel::is_whole(&run.model()) {
        return Err(Error::file(&run.model(), "no calibrated networks yet; make them with `humboldt run`"));
    }
    let (points, names) = (wanted(run, plan)?, estimators(plan, run)?);
    let model = RatioModel::load(&run.model(), compute)?;
    let source = Source::new(card)?;
    let worlds = worlds(&source, plan)?;
    let mut networks: Vec<Network> = Vec::new();
    for folder in &plan.networks {
        let network = Network::new(Model::load(folder, compute)?, &source, card.images.events)?;
        let others = networks.iter().map(Estimator::name);
        if others.chain(NAMES).any(|other| other == network.name()) {
            let allowed = "networks of cards with names of their own";
            return Err(Error::setting("networks", network.name(), allowed));
        }
        networks.push(network);
    }
    let samples = source.read()?.samples;
    let truth = Information::new(&model, &source, &samples[1])?;
    let known =
        if names.iter().any(|name| name != NAMES[0]) { Some(Known::new(&source, &samples)?) } else { None };
    let mut all: Vec<Box<dyn Estimator + '_>> = names
        .iter()
        .map(|name| match &known {
            Some(known) if name != NAMES[0] => known.estimator(name, card.images.events),
            _ => Ok(Box::new(Learned(&model)) as Box<dyn Estimator + '_>),
        })
        .collect::<Result<_, Error>>()?;
    all.extend(networks.into_iter().map(|network| Box::new(network) as Box<dyn Estimator + '_>));
    let (coefficients, parts) = (card.axes()?.names(), Parts::open(parts, &key(run, plan, &worlds)?)?);
    let work = Work {
        source: &source,
        sample: &samples[2],
        estimators: &all,
        events: card.images.events,
        parts: &parts,
        coefficients: coefficients.len(),
    };
    let points = work.possible(points, &worlds[0].1)?;
    let times = work.times(&points, &worlds[0].1)?;
    let total: usize = worlds.len() * points.iter().map(|point| point.count).sum::<usize>();
    let each = times.of_sample + times.of_estimates.iter().sum::<f64>() / 1e3;
    note(format!("compare: {total} pseudo-experiments, about {}", seconds(total as f64 * each)));
    let progress = Progress::new("compare", total as u64, "pseudo-experiments");
    // [world][estimator][point]
    let mut found: Vec<Vec<Vec<AtPoint>>> = Vec::new();
    for (place, (_, world)) in worlds.iter().enumerate() {
        let mut of_world: Vec<Vec<AtPoint>> = vec![Vec::new(); all.len()];
        for (number, point) in points.iter().enumerate() {
            let own = work.of_point(point, world, &format!("{place}_{number}"), &progress)?;
            for (of_world, at) in of_world.iter_mut().zip(own) {
                let bounds = truth.bounds(&at.truth, at.events);
                of_world.push(AtPoint { bounds, ..at });
            }
        }
        found.push(of_world);
    }
    progress.finish();
    let mut comparisons = Vec::new();
    for (place, direction) in card.axes()?.directions().into_iter().enumerate() {
        let results = all.iter().zip(&found[0]).zip(&times.of_estimates);
        let results = results.map(|((one, points), time)| result(one.name(), place, points, *time));
        let estimators = results.collect::<Result<Vec<EstimatorResult>, Error>>()?;
        let wrong = worlds[1..].iter().zip(&found[1..]).map(|((what, _), other)| WrongSimulation {
            what: what.clone(),
            shifts: (0..all.len())
                .filter_map(|i| shifts(all[i].name(), place, &found[0][i], &other[i]))
                .collect(),
        });
        comparisons.push(Comparison {
            name: card.name.clone(),
            coefficient: direction.to_string(),
            events: found[0].iter().flatten().map(|point| point.events).max().unwrap_or(0),
            images: estimators.iter().flat_map(|e| &e.values).map(|v| v.images + v.failed).max().unwrap_or(0),
            calibration_images: 0,
            background: Some(source.nominal).filter(|fraction| *fraction > 0.0),
            assumed: Some(assumed(&card.generator, &card.axes()?.directions())?),
            test: None,
            estimators,
            wrong: wrong.collect(),
        });
    }
    let points = found.swap_remove(0);
    Ok(Compared { comparisons, points, parts })
}

/// The points, by the plan or as the card tests them.
fn wanted(run: &RunFolder, plan: &RatioComparisonPlan) -> Result<Vec<Wanted>, Error> {
    let (card, axes) = (run.card(), run.card().axes()?);
    let tested: Vec<DatasetPoint> =
        card.data().points()?.into_iter().filter(|point| point.count(Split::Test) > 0).collect();
    let most = tested.iter().map(|point| point.count(Split::Test)).max().unwrap_or(0);
    let count = |own: usize| plan.images.unwrap_or(own);
    if plan.values.is_empty() {
        let point =
            |point: DatasetPoint| Wanted { count: count(point.count(Split::Test)), shifts: point.shifts };
        return Ok(tested.into_iter().map(point).collect());
    }
    let [axis] = axes.iter().as_slice() else {
        let with = format!("parameters {}", axes.names().join(", "));
        return Err(Error::With { setting: "values", with, allowed: "one" });
    };
    if let Some(value) = plan.values.iter().find(|value| !axis.contains(**value)) {
        let [low, high] = axis.range;
        return Err(Error::setting("values", value, format!("{low} to {high}, which the networks learned")));
    }
    Ok(plan.values.iter().map(|value| Wanted { shifts: vec![*value], count: count(most) }).collect())
}

/// Data as simulated, and behind them those that differ, with words.
fn worlds(source: &Source, plan: &RatioComparisonPlan) -> Result<Vec<(String, World)>, Error> {
    let mut worlds = vec![("as simulated".to_owned(), World::simulated(source))];
    for wrong in plan.wrong.clone().unwrap_or_else(|| Wrong::ALL.to_vec()) {
        match wrong.world(source)? {
            Some(world) => worlds.push(world),
            None if plan.wrong.is_some() => {
                let allowed = "what the events of this card can have, with its own [detector] and [background] or files of background";
                return Err(Error::setting("wrong", wrong.name(), allowed));
            }
            None => {}
        }
    }
    if let Some(test) = &plan.test {
        if source.has_files() {
            let (with, allowed) = ("simulation.files".to_owned(), "a card's own generator");
            return Err(Error::With { setting: "test", with, allowed });
        }
        worlds.push(of_test(source, test));
    }
    Ok(worlds)
}

/// Names of the estimators, by the plan or all that can be used.
fn estimators(plan: &RatioComparisonPlan, run: &RunFolder) -> Result<Vec<String>, Error> {
    let possible = |name: &str| is_possible(name, &run.card().generator);
    if let Some(name) = plan.estimators.iter().find(|name| !possible(name)) {
        let allowed = format!("without [s_wave] in the card, of which {name} know nothing");
        return Err(Error::setting("estimators", name, allowed));
    }
    if !plan.estimators.is_empty() {
        return Ok(plan.estimators.clone());
    }
    let (possible, others): (Vec<&str>, Vec<&str>) = NAMES.into_iter().partition(|name| possible(name));
    if !others.is_empty() {
        note(format!("compare: without {}, which know nothing of the S-wave", others.join(", ")));
    }
    Ok(possible.into_iter().map(str::to_owned).collect())
}

/// Key of all that decides pseudo-experiments and estimates.
fn key(run: &RunFolder, plan: &RatioComparisonPlan, worlds: &[(String, World)]) -> Result<String, Error> {
    let hash = |folder: &Path| -> Result<String, Error> {
        let weights = folder.join(WEIGHTS_FILE);
        Ok(blake3::hash(&fs::read(&weights).at(&weights)?).to_hex().to_string())
    };
    let weights = hash(&run.model())?;
    let networks = plan.networks.iter().map(|folder| hash(folder)).collect::<Result<Vec<_>, _>>()?;
    let worlds: Vec<_> = worlds.iter().map(|(_, world)| (&world.generator, world.fraction)).collect();
    let plan = serde_json::json!([plan.estimators, networks, plan.values, plan.images, worlds]);
    Ok(format!("{} {} {weights} {plan}", program(), run.card().hash()))
}

/// Data that all pseudo-experiments of a comparison have in common.
struct Work<'a> {
    source: &'a Source,
    sample: &'a SimulatedSample,
    estimators: &'a [Box<dyn Estimator + 'a>],
    events: usize,
    parts: &'a Parts,
    coefficients: usize,
}

/// Times that a pseudo-experiment takes.
struct Times {
    /// Seconds to make it, by the clock.
    of_sample: f64,
    /// Milliseconds of each estimator's estimate on one core.
    of_estimates: Vec<f64>,
}

impl Work<'_> {
    /// The points with no more pseudo-experiments than events of files allow.
    fn possible(&self, mut points: Vec<Wanted>, world: &World) -> Result<Vec<Wanted>, Error> {
        if self.source.has_files() {
            for point in &mut points {
                let all = Experiments::new(self.source, self.sample, &point.shifts, self.events, world)?;
                point.count = point.count.min(all.most());
            }
        }
        Ok(points)
    }

    /// The shortest times of some pseudo-experiments, for other work on the machine only adds to them.
    fn times(&self, points: &[Wanted], world: &World) -> Result<Times, Error> {
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

    /// The pseudo-experiments of a point by each estimator.
    fn of_point(
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
                let samples = range.clone().map(|number| experiments.get(number));
                let samples = samples.collect::<Result<Vec<Experiment>, Error>>()?;
                for (columns, estimator) in table.chunks_mut(self.width()).zip(self.estimators) {
                    for found in estimator.estimates(&samples, &point.shifts) {
                        let row = self.row(found.ok().as_ref());
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

/// The shifts of an estimator that data make which differ; none where there are no pairs.
fn shifts(name: &str, place: usize, simulated: &[AtPoint], other: &[AtPoint]) -> Option<WrongShift> {
    let at = |(simulated, other): (&AtPoint, &AtPoint)| {
        let (samples, shift, error) = shift(simulated, other, place)?;
        Some(ShiftAtValue { truth: simulated.truth[place], samples, shift, error })
    };
    let mut values: Vec<ShiftAtValue> = simulated.iter().zip(other).filter_map(at).collect();
    values.sort_by(|a, b| a.truth.total_cmp(&b.truth));
    let n = values.len() as f64;
    (n > 0.0).then(|| WrongShift {
        estimator: name.to_owned(),
        shift: values.iter().map(|v| v.shift).sum::<f64>() / n,
        error: values.iter().map(|v| v.error * v.error).sum::<f64>().sqrt() / n,
        values,
    })
}

/// Writes everything into a folder, which is made where it is missing; the numbers of all last.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Path, compared: &Compared, run: &RunFolder) -> Result<(), Error> {
    fs::create_dir_all(folder).at(folder)?;
    let directions = run.card().axes()?.directions();
    for (place, (comparison, direction)) in compared.comparisons.iter().zip(directions).enumerate().rev() {
        let print = small_print(&run.card().generator, comparison.events, "a pseudo-experiment");
        let named = |stem: &str, ending: &str| folder.join(file(place, direction, stem, ending));
        let sheet = |stem: &str| Sheet::new(named(stem, ""), &print).of(&comparison.coefficient);
        report::width_over_bound(&sheet("width_over_bound"), comparison)?;
        report::coverage(&sheet("coverage"), comparison)?;
        let pulls: Vec<Vec<f64>> = compared
            .points
            .iter()
            .map(|points| points.iter().flat_map(|point| point.of(place)).map(|e| e.pull).collect())
            .collect();
        let shown = comparison.estimators.iter().zip(&pulls);
        let shown: Vec<Pulls> =
            shown.map(|(e, pulls)| Pulls { name: &e.name, own_errors: true, pulls }).collect();
        report::estimator_pulls(&sheet("pulls"), &shown)?;
        if !comparison.wrong.is_empty() {
            report::wrong_simulation(&sheet("wrong_simulation"), &comparison.wrong)?;
        }
        report::write_comparison_csv(&named("comparison", ".csv"), comparison)?;
        let path = if place == 0 { folder.join(COMPARISON) } else { named("comparison", ".json") };
        report::write_json(&path, comparison)?;
    }
    Ok(())
}
