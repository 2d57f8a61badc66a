//! Everything that is drawn of a run of learned ratios, always anew from its results.

use humboldt_schemas::comparison::Comparison;
use humboldt_schemas::experiment::{CurveLine, CurvePanel};
use humboldt_schemas::voxels::label;

use super::estimators::NAMES;
use super::evaluation::Evaluated;
use super::judged::result;
use crate::error::{Error, read_json};
use crate::infer::ensembles::summary;
use crate::learn::ratio::{RATIO_FILE, RatioInfo};
use crate::report::{self, ErrorBars, Pulls, Sheet, TrainingValues};
use crate::run::RunFolder;
use crate::run::evaluation::file;
use crate::run::figures::small_print;

/// Draws the figures of a run.
///
/// # Errors
/// When a result cannot be read, or a figure cannot be written.
pub fn draw(run: &RunFolder, evaluated: &Evaluated) -> Result<(), Error> {
    let (card, results) = (run.card(), run.results());
    let events = evaluated.points.iter().map(|point| point.events).max().unwrap_or(0);
    let same = evaluated.points.iter().all(|point| point.events == events);
    let of = if same { "a pseudo-experiment" } else { "a pseudo-experiment at most" };
    let print = small_print(&card.generator, events, of);
    for (place, direction) in card.axes()?.directions().into_iter().enumerate() {
        let sheet = |stem: &str| {
            Sheet::new(results.join(file(place, direction, stem, "")), &print).of(&direction.to_string())
        };
        let ensembles = evaluated.ensembles(place)?;
        if let [first, .., last] = &ensembles[..]
            && let Ok(summary) = summary(&card.name, [first.truth, last.truth], &ensembles)
        {
            let training = TrainingValues::Uniform([first.truth, last.truth]);
            let errors = ErrorBars::OfExperiments;
            report::linearity(
                &sheet("linearity"),
                &label(direction),
                &ensembles,
                training,
                &summary,
                errors,
            )?;
        }
        let Ok(own) = result(NAMES[0], place, &evaluated.points, 0.0) else { continue };
        let comparison = Comparison {
            name: card.name.clone(),
            coefficient: direction.to_string(),
            events,
            images: own.values.iter().map(|value| value.images).max().unwrap_or(0),
            calibration_images: 0,
            background: Some(evaluated.numbers.fraction).filter(|fraction| *fraction > 0.0),
            assumed: None,
            test: None,
            estimators: vec![own],
            wrong: Vec::new(),
        };
        report::width_over_bound(&sheet("width_over_bound"), &comparison)?;
        report::coverage(&sheet("coverage"), &comparison)?;
        let pulls: Vec<f64> =
            evaluated.points.iter().flat_map(|point| point.of(place)).map(|e| e.pull).collect();
        let shown = Pulls { name: NAMES[0], own_errors: true, pulls: &pulls };
        report::estimator_pulls(&sheet("pulls"), &[shown])?;
    }
    let p_values: Vec<f64> =
        evaluated.points.iter().flat_map(|point| point.known().filter_map(|found| found.p_value)).collect();
    if !p_values.is_empty() {
        report::p_values(&Sheet::new(results.join("p_values"), &print), &p_values)?;
    }
    let panels = panels(&info(run)?);
    if !panels.is_empty() {
        let print = report::small_print(&card.generator);
        report::curves(&Sheet::new(results.join("training"), &print), &panels, false)?;
    }
    Ok(())
}

/// Description of the networks of a run.
///
/// # Errors
/// When it is missing or damaged.
pub fn info(run: &RunFolder) -> Result<RatioInfo, Error> {
    read_json(&run.model().join(RATIO_FILE))
}

/// Losses against the epoch, of each kind of network a panel.
fn panels(info: &RatioInfo) -> Vec<CurvePanel> {
    let kinds = [(&info.losses, "relative squared error"), (&info.entropies, "cross-entropy")];
    let line = |(number, losses): (usize, &Vec<f64>)| CurveLine {
        name: format!("network {}", number + 1),
        points: losses.iter().enumerate().map(|(epoch, loss)| ((epoch + 1) as f64, *loss)).collect(),
    };
    let panel = |(losses, y): (&Vec<Vec<f64>>, &str)| CurvePanel {
        x: "epoch".to_owned(),
        y: y.to_owned(),
        logarithmic: false,
        lines: losses.iter().enumerate().map(line).collect(),
    };
    let told = kinds.into_iter().filter(|(losses, _)| losses.iter().any(|own| !own.is_empty()));
    told.map(panel).collect()
}
