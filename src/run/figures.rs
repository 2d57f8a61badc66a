//! The last stage of a run: everything that is drawn, always anew from the results.

use std::fs;
use std::path::Path;

use humboldt_physics::{Axes, Point, WilsonCoefficient, WilsonDirection};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::rng::StreamKey;
use humboldt_pipeline::scores::ScoreColumns;
use humboldt_schemas::card::{Effects, GeneratorCard, RunCard};
use humboldt_schemas::results::EpochMetrics;

use super::evaluation::{Evaluated, Evaluation, file};
use super::{RunFolder, compare};
use crate::campaign::make::ImageMaker;
use crate::campaign::of_point;
use crate::error::{AtPath, Error};
use crate::progress::note;
use crate::report::{self, ErrorBars, EventSample, ScoredSample, Sheet, VoxelImage, WidthReferences};
use crate::sampling;

/// Draws the figures of a run.
///
/// # Errors
/// When a result is missing or damaged, or a figure cannot be written.
pub fn draw(run: &RunFolder, evaluation: &Evaluation) -> Result<(), Error> {
    let results = run.results();
    let print = small_print(&run.card().generator, run.card().images.events, "an image");
    let first = evaluation.first().label();
    let sheet = |name: &str| Sheet::new(results.join(name), &print).of(&first);
    for (place, of) in evaluation.0.iter().enumerate() {
        for (name, errors) in [("linearity", ErrorBars::Unscaled), ("linearity_scaled", ErrorBars::OfTheMean)]
        {
            let sheet = sheet(&file(place, of.direction, name, ""));
            report::linearity(&sheet, &of.label(), &of.ensembles, of.training, &of.summary, errors)?;
        }
    }
    let Evaluated { ensembles, predictions, summary, training, .. } = evaluation.first();
    report::histograms(&sheet("predictions"), ensembles, predictions, *training)?;
    if summary.slope != 0.0 && ensembles.iter().any(|e| e.sigma.is_some_and(|sigma| sigma > 0.0)) {
        let effects = run.card().generator.effects.clone();
        if let Some(effects) = (Effects { s_wave: None, acceptance: None, ..effects }).names() {
            note(format!("the information bound is that of true signal, without {effects}"));
        }
        let bound = bound(run, evaluation)?;
        let references = WidthReferences { baseline: Some(summary.baseline_rmse), bound: &bound };
        report::width(&sheet("widths"), ensembles, *training, summary.slope, references)?;
    }
    report::training_curves(&sheet("training"), &metrics(&run.training().join("metrics.jsonl"))?)?;
    let architecture = run.card().architecture();
    report::network(&sheet("network"), &architecture.layers(run.card().images.bins, run.card().outputs()))?;
    phase_space(run)?;
    let views = compared_images(run)?;
    let bins = run.card().images.bins;
    let views: Vec<VoxelImage> =
        views.iter().map(|(truth, values)| VoxelImage { truth: *truth, images: 1, bins, values }).collect();
    report::voxel_views(&sheet("images"), &views)?;
    note(format!("figures in {}", results.display()));
    Ok(())
}

/// Small print of the figures of a run: decay, model, window, and so many events of something.
pub fn small_print(generator: &GeneratorCard, events: usize, of: &str) -> Vec<String> {
    let mut parts = report::small_print(generator);
    parts.push(format!("{} events {of}", report::count(events)));
    parts
}

/// Points of the information bound that are computed; the curve goes through them.
const BOUND_POINTS: usize = 7;
/// Points of the curve.
const CURVE_POINTS: usize = 61;

/// The information bound of the run's images against delta C9, over the range of its ensembles. Its logarithm is smooth:
/// a polynomial through few points. Kept in `results/bound.json`, unless the run is only read.
///
/// # Errors
/// When the physics refuses the card, or the file cannot be written.
pub(super) fn bound(run: &RunFolder, evaluation: &Evaluation) -> Result<Vec<(f64, f64)>, Error> {
    let truths = || evaluation.first().ensembles.iter().map(|e| e.truth);
    let (low, high) = (truths().fold(f64::INFINITY, f64::min), truths().fold(f64::NEG_INFINITY, f64::max));
    let path = run.results().join("bound.json");
    if let Ok(kept) = fs::read_to_string(&path)
        && let Ok(kept) = serde_json::from_str::<Vec<(f64, f64)>>(&kept)
        && kept.first().zip(kept.last()).is_some_and(|(a, b)| (a.0 - low).abs() + (b.0 - high).abs() < 1e-9)
    {
        return Ok(kept);
    }
    // Denser at the ends, as Chebyshev's: the polynomial does not swing there.
    let at = |k: usize| -(std::f64::consts::PI * (k as f64 + 0.5) / BOUND_POINTS as f64).cos();
    let nodes: Vec<f64> = (0..BOUND_POINTS).map(|k| 0.5 * (low + high + (high - low) * at(k))).collect();
    let logs: Vec<f64> = compare::bounds(run.card(), 0, &nodes)?.into_iter().map(f64::ln).collect();
    let lagrange = |x: f64| -> f64 {
        let factor = |k: usize| {
            let others = (0..BOUND_POINTS).filter(|j| *j != k);
            others.map(|j| (x - nodes[j]) / (nodes[k] - nodes[j])).product::<f64>()
        };
        logs.iter().enumerate().map(|(k, log)| log * factor(k)).sum::<f64>().exp()
    };
    let x = |i: usize| low + (high - low) * i as f64 / (CURVE_POINTS - 1) as f64;
    let curve: Vec<(f64, f64)> = (0..CURVE_POINTS).map(|i| (x(i), lagrange(x(i)))).collect();
    if !run.is_only_read() {
        report::write_json(&path, &curve)?;
    }
    Ok(curve)
}

/// The epochs of a training.
///
/// # Errors
/// When the file cannot be read, or is damaged.
pub(super) fn metrics(path: &Path) -> Result<Vec<EpochMetrics>, Error> {
    let text = fs::read_to_string(path).at(path)?;
    text.lines().map(|line| serde_json::from_str(line).at(path)).collect()
}

/// Events whose scores say where the information sits.
const SCORED: usize = 100_000;

/// The random stream of what is drawn at one point.
fn stream(card: &RunCard, point: &Point) -> StreamKey {
    of_point(StreamKey::new(card.seed).child("figures", 0), point)
}

/// The two points that are compared, by the shift of the first coefficient: those of the card for C9, the ends of the range
/// for another.
fn compared_points(card: &RunCard) -> Result<[(f64, Point); 2], Error> {
    let axes = card.axes()?;
    let first = &axes.iter().as_slice()[0];
    let c9 = WilsonDirection::real(WilsonCoefficient::C9);
    let values = if first.direction == c9 { card.figures.compare_delta_c9 } else { first.range };
    let first = Axes::new(vec![*first])?;
    Ok([(values[0], first.point(&values[..1])?), (values[1], first.point(&values[1..])?)])
}

/// One image at each of the two points.
///
/// # Errors
/// When the physics refuses the card.
pub(super) fn compared_images(run: &RunFolder) -> Result<Vec<(f64, Vec<f32>)>, Error> {
    let card = run.card();
    let mut maker = ImageMaker::new(card.images.bins)?;
    let mut image = |(shift, point): (f64, Point)| {
        let sampler = sampling::sampler_at(&card.generator, &point)?;
        let mut image = vec![0.0; card.images.bins.pow(3)];
        maker.dense(&sampler, stream(card, &point).child("image", 0), card.images.events, &mut image)?;
        Ok((shift, image))
    };
    compared_points(card)?.into_iter().map(&mut image).collect()
}

/// Distributions (the paper's Fig. 2) and information at the two points.
fn phase_space(run: &RunFolder) -> Result<(), Error> {
    let card = run.card();
    let line_shape = card.generator.line_shape;
    let mut batches = Vec::new();
    let direction = card.axes()?.directions()[0];
    for (shift, point) in compared_points(card)? {
        let sampler = sampling::sampler_at(&card.generator, &point)?;
        let (events, report) = sampler.generate(stream(card, &point), card.figures.events);
        sampling::check(&report)?;
        let scored = events.rows(0..events.len().min(SCORED));
        if !card.generator.effects.is_empty() {
            batches.push((shift, events, scored, Vec::new()));
            continue;
        }
        let decay = card.generator.decay(&point.on(card.generator.shifts()?))?;
        let columns = ScoreColumns::new(&decay, line_shape, sampler.windows(), &[direction])?;
        let scores = columns.of(&scored, 0)?.swap_remove(0);
        batches.push((shift, events, scored, scores));
    }
    let samples: Vec<EventSample> = batches.iter().map(|(x, events, ..)| event_sample(*x, events)).collect();
    let sheet = |name: &str, events: usize| {
        let print = small_print(&card.generator, events, "at each value");
        Sheet::new(run.results().join(name), &print).of(&direction.to_string())
    };
    report::distributions(&sheet("distributions", card.figures.events), &samples)?;
    // Scores are known of true events of K* alone.
    if !card.generator.effects.is_empty() {
        return Ok(());
    }
    let scored: Vec<ScoredSample> = batches
        .iter()
        .map(|(x, _, events, scores)| ScoredSample { events: event_sample(*x, events), scores })
        .collect();
    report::information(&sheet("information", card.figures.events.min(SCORED)), &scored)?;
    Ok(())
}

fn event_sample(truth: f64, b: &EventBatch) -> EventSample<'_> {
    EventSample { truth, q2: &b.q2, cos_theta_l: &b.cos_theta_l, cos_theta_k: &b.cos_theta_k, chi: &b.chi }
}
