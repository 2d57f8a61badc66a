//! Pseudo-experiments of known coefficients: bias, width, coverage and pulls, beside the information of the accepted truth.

use std::fs;

use humboldt_schemas::card::Split;
use humboldt_schemas::results::{EnsembleResult, RatioEvaluation, RatioPoint};
use humboldt_schemas::voxels::label;

use super::estimators::{CoefficientEstimate, Estimated, Learned};
use super::experiments::World;
use super::information::Information;
use super::judged::AtPoint;
use super::model::RatioModel;
use super::source::{SimulatedSample, Source};
use super::work::{self, Wanted, Work};
use crate::error::{AtPath, Error, read_json};
use crate::infer::ensembles::{ensemble, summary};
use crate::progress::{Progress, note};
use crate::report;
use crate::run::RunFolder;
use crate::run::evaluation::file;
use crate::run::parts::Parts;

const FILE: &str = "ratio.json";

/// Every estimate.
const ESTIMATES: &str = "estimates.parquet";

/// Evaluated ratios.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluated {
    /// In numbers.
    pub numbers: RatioEvaluation,
    /// The pseudo-experiments one by one.
    pub points: Vec<AtPoint>,
}

/// The results of a run, where they are there.
///
/// # Errors
/// When they are damaged.
pub fn read(folder: &RunFolder) -> Result<Option<Evaluated>, Error> {
    let results = folder.results();
    let (path, estimates) = (results.join(FILE), results.join(ESTIMATES));
    if !path.exists() || !estimates.exists() {
        return Ok(None);
    }
    let numbers: RatioEvaluation = read_json(&path)?;
    let names = folder.card().axes()?.names();
    let columns = columns(&names);
    let columns: Vec<&str> = columns.iter().map(String::as_str).collect();
    let columns = report::read_columns_parquet(&estimates, &columns)?;
    let rows = columns.first().map_or(0, Vec::len);
    let mut next = 0;
    let mut point = |of: &RatioPoint| {
        let rows = next..next + of.experiments;
        next = rows.end;
        let one = |row: usize| {
            let of = |place: usize| {
                let [value, sigma, pull] = [1, 2, 3].map(|column| columns[1 + 4 * place + column][row]);
                CoefficientEstimate { value, sigma, pull }
            };
            let coefficients = (0..names.len()).map(of).collect();
            Some(Estimated { coefficients, p_value: Some(columns[0][row]) })
        };
        AtPoint {
            truth: of.coefficients.iter().map(|c| c.truth).collect(),
            events: of.events,
            bounds: of.coefficients.iter().map(|c| c.bound).collect(),
            found: rows.map(one).collect(),
        }
    };
    let all: usize = numbers.points.iter().map(|point| point.experiments).sum();
    let whole = numbers.points.iter().all(|point| point.coefficients.len() == names.len());
    if all != rows || !whole {
        return Err(Error::file(&estimates, format!("not the estimates of {FILE}")));
    }
    let points = numbers.points.iter().map(&mut point).collect();
    Ok(Some(Evaluated { numbers, points }))
}

/// The results of an evaluated run.
///
/// # Errors
/// When there are none, or they are damaged.
pub fn evaluated(folder: &RunFolder) -> Result<Evaluated, Error> {
    let results = folder.results();
    read(folder)?.ok_or_else(|| Error::file(&results, "no results yet; make them with `humboldt run`"))
}

/// Columns of a table of estimates.
fn columns(names: &[String]) -> Vec<String> {
    let of = |name: &String| ["true", "estimate", "sigma", "pull"].map(|what| format!("{what}_{name}"));
    ["p_value".to_owned()].into_iter().chain(names.iter().flat_map(of)).collect()
}

/// Evaluates a model at the points that its card tests, and writes tables; goes on from the points that an evaluation which was stopped had done.
///
/// # Errors
/// When events cannot be made, or a result cannot be written.
pub fn evaluate(
    folder: &RunFolder,
    source: &Source,
    model: &RatioModel,
    parts: &[SimulatedSample; 3],
) -> Result<Evaluated, Error> {
    let card = folder.card();
    let points: Vec<_> = card.data().points()?.into_iter().filter(|p| p.count(Split::Test) > 0).collect();
    let total: usize = points.iter().map(|p| p.count(Split::Test)).sum();
    let progress = Progress::new("evaluate", total as u64, "pseudo-experiments");
    let truth = Information::new(model, source, &parts[1])?;
    let (names, world) = (card.axes()?.names(), World::simulated(source));
    let done = Parts::open(&folder.results().join("parts"), &work::key(folder)?)?;
    let work = Work {
        source,
        sample: &parts[2],
        estimators: &[Box::new(Learned(model))],
        events: card.images.events,
        parts: &done,
        coefficients: names.len(),
        needs_all: true,
    };
    let (mut summaries, mut all) = (Vec::new(), Vec::new());
    for (number, point) in points.iter().enumerate() {
        let wanted = Wanted { shifts: point.shifts.clone(), count: point.count(Split::Test) };
        for at in work.of_point(&wanted, &world, &number.to_string(), &progress)? {
            let at = AtPoint { bounds: truth.bounds(&at.truth, at.events), ..at };
            let relative: Vec<f64> = at.truth.iter().zip(&source.origin).map(|(x, o)| x - o).collect();
            let expected = model.calibration.covariance(&relative, source.nominal, at.events).ok();
            let sigmas = expected.map(|all| all.diagonal().iter().map(|x| x.sqrt()).collect::<Vec<_>>());
            let effective = model.calibration.effective_events(&relative);
            summaries.push(at.summary(&names, sigmas.as_deref(), effective));
            all.push(at);
        }
    }
    progress.finish();
    let numbers = RatioEvaluation {
        name: card.name.clone(),
        fraction: source.nominal,
        fresh: !source.has_files(),
        loss: model.learned.info().loss,
        entropy: model.learned.info().entropy,
        points: summaries,
    };
    let evaluated = Evaluated { numbers, points: all };
    write(folder, &evaluated)?;
    done.remove()?;
    Ok(evaluated)
}

fn write(folder: &RunFolder, evaluated: &Evaluated) -> Result<(), Error> {
    let card = folder.card();
    let results = folder.results();
    fs::create_dir_all(&results).at(&results)?;
    let axes = card.axes()?;
    for (place, direction) in axes.directions().into_iter().enumerate() {
        let ensembles = evaluated.ensembles(place)?;
        let [first, .., last] = &ensembles[..] else {
            note(format!("{direction}: pseudo-experiments at fewer than two values: no linearity plot"));
            continue;
        };
        let range = [first.truth, last.truth];
        let path = |stem: &str, ending: &str| results.join(file(place, direction, stem, ending));
        report::write_ensembles_csv(&path("ensembles", ".csv"), &label(direction), &ensembles)?;
        report::write_json(&path("ensembles", ".json"), &ensembles)?;
        if let Ok(summary) = summary(&card.name, range, &ensembles) {
            report::write_json(&path("summary", ".json"), &summary)?;
        }
    }
    let names = columns(&axes.names());
    let mut table: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
    for point in &evaluated.points {
        for found in point.known() {
            let of = |(truth, e): (&f64, &CoefficientEstimate)| [*truth, e.value, e.sigma, e.pull];
            let numbers = point.truth.iter().zip(&found.coefficients).flat_map(of);
            let row = [found.p_value.unwrap_or(f64::NAN)].into_iter().chain(numbers);
            table.iter_mut().zip(row).for_each(|(column, x)| column.push(x));
        }
    }
    let table = names.iter().map(String::as_str).zip(table).collect();
    report::write_columns_parquet(&results.join(ESTIMATES), table)?;
    // Last: with it the results are whole.
    Ok(report::write_json(&results.join(FILE), &evaluated.numbers)?)
}

impl Evaluated {
    /// Ensembles of a coefficient in rising truth, of all points with more than one pseudo-experiment.
    ///
    /// # Errors
    /// For an estimate that is not finite.
    pub fn ensembles(&self, place: usize) -> Result<Vec<EnsembleResult>, Error> {
        let usable = self.points.iter().filter(|point| point.known().count() > 1);
        let of = |point: &AtPoint| {
            let values: Vec<f64> = point.of(place).iter().map(|e| e.value).collect();
            ensemble(point.truth[place], true, &values)
        };
        let mut all = usable.map(of).collect::<Result<Vec<_>, _>>()?;
        all.sort_by(|a, b| a.truth.total_cmp(&b.truth));
        Ok(all)
    }
}
