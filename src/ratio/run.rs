//! The stages of a run: networks, calibration, pseudo-experiments. One that finds its output whole is skipped.

use std::fs;
use std::ops::Range;
use std::path::Path;
use std::time::Instant;

use humboldt_physics::Axis;
use humboldt_schemas::card::RunCard;

use super::evaluation::{self, Evaluated, evaluate};
use super::model::{RatioModel, ratios, variables_of};
use super::nuisances::VariedDensities;
use super::source::{Events, Parts, SimulatedSample, Source, doubt};
use super::{figures, page};
use crate::error::{AtPath, Error};
use crate::infer::nuisances::Nuisance;
use crate::infer::ratio::{EventStatistic, RatioCalibration, Ratios, Statistic, Truth};
use crate::infer::weights::Counted;
use crate::learn::Compute;
use crate::learn::ratio::{Examples, LearnedRatios, RatioTraining};
use crate::progress::{Progress, note};
use crate::report;
use crate::run::{RunFolder, timing};

/// Events, evenly spaced, by which it is seen how far effects of nuisance parameters are not linear.
const BEYOND_LINEAR: usize = 1 << 16;

/// Parts of a training that are counted.
const STEPS: u64 = 1000;

/// Places of references along the range of a coefficient that is learned alone, and of each of several besides the middle of all.
const PLACES: [&[f64]; 2] = [&[0.02, 0.26, 0.5, 0.74, 0.98], &[0.15, 0.85]];

/// Trains, calibrates and evaluates the ratios of a card in the folder of a run, as far as that is not done. A new folder is made only
/// after all events were read.
///
/// # Errors
/// When the folder is another card's, a file of events cannot be used, the training diverges, or a result cannot be written.
pub fn run(card: RunCard, out: &Path, compute: &Compute) -> Result<(RunFolder, Evaluated), Error> {
    let source = Source::new(&card)?;
    let parts = if out.exists() { None } else { Some(source.read()?) };
    let folder = RunFolder::for_card(out, card)?;
    let evaluated = stages(&folder, &source, parts, compute)?;
    figures::draw(&folder, &evaluated)?;
    if evaluated.ensembles(0)?.len() > 1 {
        page::write(&folder, &evaluated, None)?;
    }
    Ok((folder, evaluated))
}

fn stages(
    folder: &RunFolder,
    source: &Source,
    parts: Option<Parts>,
    compute: &Compute,
) -> Result<Evaluated, Error> {
    if let Some(done) = evaluation::read(folder)? {
        note(format!("ratio: finished before; the results are in {}", folder.results().display()));
        return Ok(done);
    }
    let parts = parts.map_or_else(|| source.read(), Ok)?;
    if let Some(closure) = &parts.closure {
        let results = folder.results();
        fs::create_dir_all(&results).at(&results)?;
        report::write_json(&results.join("truth.json"), closure)?;
    }
    let model = trained(folder, source, &parts, compute)?;
    let start = Instant::now();
    let evaluated = evaluate(folder, source, &model, &parts.samples)?;
    timing::record(folder.root(), "evaluation", start.elapsed(), Some(compute.name().to_string()))?;
    Ok(evaluated)
}

/// Networks with their calibration.
fn trained(
    folder: &RunFolder,
    source: &Source,
    parts: &Parts,
    compute: &Compute,
) -> Result<RatioModel, Error> {
    let Parts { samples, closure } = parts;
    let (card, model) = (folder.card(), folder.model());
    if RatioModel::is_whole(&model) {
        note("ratio: networks and calibration are there");
        return RatioModel::load(&model, compute);
    }
    let start = Instant::now();
    let learned = if RatioModel::is_in(&model) {
        note("ratio: the networks are there");
        LearnedRatios::load(&model, compute)?
    } else {
        let learned = learn(card, source, &samples[0], compute)?;
        learned.save(&model)?;
        timing::record(folder.root(), "training", start.elapsed(), Some(compute.name().to_string()))?;
        learned
    };
    let deviations = closure.iter().flat_map(|closure| &closure.deviations);
    let doubts = deviations.map(|deviation| doubt(&deviation.words)).collect();
    let calibrated = RatioModel { doubts, ..calibrate(card, source, &samples[1], learned)? };
    calibrated.save_calibration(&model)?;
    Ok(calibrated)
}

fn learn(
    card: &RunCard,
    source: &Source,
    part: &SimulatedSample,
    compute: &Compute,
) -> Result<LearnedRatios, Error> {
    let networks = card.network.ratios();
    let settings = RatioTraining {
        card: &card.training,
        layers: &networks.layers,
        members: networks.members,
        seed: card.seed,
        compute,
    };
    let told = part.signal.told(&source.variables);
    let background =
        part.background.as_ref().map(|events| source.variables.numbers(&events.measured, &events.own));
    let nuisances = if networks.nuisances.is_empty() {
        Vec::new()
    } else {
        VariedDensities::new(source, &networks.nuisances)?.at_origin(&part.signal.truth)?
    };
    let examples = Examples {
        features: &told.numbers,
        terms: &part.signal.terms,
        guesses: &told.as_measured,
        nuisances: &nuisances,
        weights: &part.signal.weights,
        background: background.as_deref(),
    };
    let progress = Progress::new("train", STEPS, "parts of 1000");
    let mut report =
        |done: f64, loss: f64| progress.reach((done * STEPS as f64) as u64, &format!("loss {loss:.5}"));
    let learned = settings.train(&examples, source.variables.width(), source.terms(), &mut report)?;
    progress.finish();
    let info = learned.info();
    let entropy =
        info.entropy.map_or_else(String::new, |x| format!(", cross-entropy of signal and background {x:.4}"));
    note(format!(
        "trained with {} events: {:.4} of the coefficients' squares left{entropy}",
        part.signal.len(),
        info.loss
    ));
    Ok(learned.with_provenance(
        serde_json::json!({ "card": card, "program": humboldt_schemas::provenance::program() }),
    ))
}

fn calibrate(
    card: &RunCard,
    source: &Source,
    part: &SimulatedSample,
    learned: LearnedRatios,
) -> Result<RatioModel, Error> {
    let axes = card.axes()?;
    let relative = |axis: &Axis, place: f64, origin: f64| axis.range[0] + place * axis.width() - origin;
    let centre: Vec<f64> = axes.iter().zip(&source.origin).map(|(axis, x)| relative(axis, 0.5, *x)).collect();
    let places = PLACES[usize::from(axes.len() > 1)];
    let mut references = if axes.len() > 1 { vec![centre.clone()] } else { Vec::new() };
    for (i, (axis, origin)) in axes.iter().zip(&source.origin).enumerate() {
        for place in places {
            let mut point = centre.clone();
            point[i] = relative(axis, *place, *origin);
            references.push(point);
        }
    }
    let variables = variables_of(&learned, card, &source.origin)?;
    let of = |events: &Events| ratios(&learned, &events.told(&variables));
    let signal = of(&part.signal)?;
    let background = part.background.as_ref().map(of).transpose()?;
    let features = learned.info().features.len();
    let statistic = Statistic::new(
        (&signal, &part.signal.weights),
        background.as_ref().zip(source.fraction),
        references,
        features,
    )?;
    let truth = Truth { terms: &part.signal.terms, weights: &part.signal.weights };
    let calibration = RatioCalibration::new(statistic, &signal, truth, background.as_ref());
    let groups = card.network.ratios().nuisances;
    let calibration = if groups.is_empty() {
        calibration
    } else {
        with_nuisances(calibration, source, &groups, &signal, &part.signal)?
    };
    note(format!(
        "calibrated by {} events, effectively {:.0} at their point: {} numbers of an event, {} in all with those that tell how well they fit",
        part.signal.len(),
        Counted::of(part.signal.weights.iter().copied()).effective,
        calibration.statistic.fitted(),
        calibration.statistic.components()
    ));
    Ok(RatioModel {
        card: card.clone(),
        variables,
        learned,
        calibration,
        origin: source.origin.clone(),
        fraction: source.fraction,
        doubts: Vec::new(),
    })
}

/// The calibration with the effects of some groups of nuisance parameters on simulated signal, together and, where there are several, each alone.
fn with_nuisances(
    calibration: RatioCalibration,
    source: &Source,
    groups: &[Nuisance],
    signal: &Ratios,
    events: &Events,
) -> Result<RatioCalibration, Error> {
    let varied = VariedDensities::new(source, groups)?;
    let progress = Progress::new("nuisances", events.len() as u64, "events");
    let mut calibration = calibration.with_nuisances(&varied.groups, signal, &events.weights, |rows| {
        progress.advance(rows.len() as u64, "");
        varied.changes(&events.truth, rows)
    })?;
    progress.finish();
    let alone = groups.iter().map(std::slice::from_ref).filter(|_| groups.len() > 1);
    let every = events.len().div_ceil(BEYOND_LINEAR).max(1);
    let some = events.truth.gathered(&(0..events.len()).step_by(every).collect::<Vec<_>>());
    for groups in alone.chain([groups]) {
        let drawn = varied.drawn(groups)?;
        let coefficients = |rows: Range<usize>| drawn.coefficients(&some, rows);
        let weights = (&events.weights[..], every);
        calibration = calibration.with_draws(groups, drawn.values.clone(), signal, weights, coefficients)?;
    }
    Ok(calibration)
}
