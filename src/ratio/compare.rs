//! Estimators of measured events on the same pseudo-experiments, and the shifts that a wrong simulation makes.

use std::fs;
use std::path::{Path, PathBuf};

use humboldt_schemas::card::{DatasetPoint, Split};
use humboldt_schemas::comparison::{
    Comparison, EstimatorResult, ShiftAtValue, SystematicShift, WrongShift, WrongSimulation,
};

use super::estimators::{AngularMoments, Estimator, Known, Learned, NAMES, Unbinned};
use super::experiments::World;
use super::information::Information;
use super::judged::{AtPoint, result, shift};
use super::model::RatioModel;
use super::networks::Network;
use super::source::Source;
use super::work::{self, Wanted, Work, hash_of_weights};
use super::worlds::{Wrong, of_test};
use crate::assumptions::assumed;
use crate::error::{AtPath, Error};
use crate::learn::{Compute, Model};
use crate::progress::{Progress, note, seconds};
use crate::report::{self, Pulls, Sheet};
use crate::run::RunFolder;
use crate::run::compared::COMPARISON;
use crate::run::evaluation::file;
use crate::run::figures::small_print;
use crate::run::parts::Parts;

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
    let (points, names) = (wanted(run, plan)?, estimators(plan)?);
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
    let events = card.images.events;
    let is_wanted = |name: &str| names.iter().any(|wanted| wanted == name);
    let known = is_wanted(NAMES[1]).then(|| Known::new(&source, &samples)).transpose()?;
    let mut all: Vec<Box<dyn Estimator + '_>> = Vec::new();
    for name in &names {
        all.push(match (name.as_str(), &known) {
            ("unbinned", Some(known)) => Box::new(Unbinned::new(known)?),
            ("moments", _) => Box::new(AngularMoments::new(&model, &source, &samples[1], events)?),
            _ => Box::new(Learned(&model)),
        });
    }
    for network in networks {
        all.push(Box::new(network));
    }
    let (coefficients, parts) = (card.axes()?.names(), Parts::open(parts, &key(run, plan, &worlds)?)?);
    let work = Work {
        source: &source,
        sample: &samples[2],
        estimators: &all,
        events,
        parts: &parts,
        coefficients: coefficients.len(),
        needs_all: false,
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

/// Names of the estimators, by the plan or all.
fn estimators(plan: &RatioComparisonPlan) -> Result<Vec<String>, Error> {
    if let Some(name) = plan.estimators.iter().find(|name| !NAMES.contains(&name.as_str())) {
        return Err(Error::setting("estimators", name, NAMES.join(", ")));
    }
    let all = || NAMES.map(str::to_owned).to_vec();
    Ok(if plan.estimators.is_empty() { all() } else { plan.estimators.clone() })
}

/// Key of all that decides pseudo-experiments and estimates.
fn key(run: &RunFolder, plan: &RatioComparisonPlan, worlds: &[(String, World)]) -> Result<String, Error> {
    let networks =
        plan.networks.iter().map(|folder| hash_of_weights(folder)).collect::<Result<Vec<_>, _>>()?;
    let worlds: Vec<_> = worlds.iter().map(|(_, world)| (&world.generator, world.fraction)).collect();
    let plan = serde_json::json!([plan.estimators, networks, plan.values, plan.images, worlds]);
    Ok(format!("{} {plan}", work::key(run)?))
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
