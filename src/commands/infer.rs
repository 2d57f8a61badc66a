//! `humboldt infer`: delta C9 of a user's own events, by a trained network.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::voxels::Voxeliser;
use humboldt_schemas::card::{AnyArchitecture, Elements, RunCard};
use humboldt_schemas::inference::{Inferred, InferredCoefficient};

use super::arguments::DeviceArgument;
use super::model::{ModelArgument, card_of};
use super::sample::open_unweighted;
use crate::infer::estimator::Sample;
use crate::learn::{Compute, Estimate, Model};
use crate::progress::{note, outln};
use crate::run::estimators::Images;
use crate::sampling;

/// Below this probability the events do not look like those that the network learned from.
const STRANGE: f64 = 1e-3;

/// delta C9 of events, by a trained network: value and interval in seconds
#[derive(Debug, Args)]
pub(super) struct InferArguments {
    /// Events, .parquet or .arrow, with columns q2, cos_theta_l, cos_theta_k and chi
    events: PathBuf,
    #[command(flatten)]
    model: ModelArgument,
    /// Leave out events outside the windows in q2 that the network learned from; without it they are refused
    #[arg(long)]
    select: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgument,
}

impl InferArguments {
    pub(super) fn run(self) -> Result<()> {
        let compute = self.device.open()?;
        let model = self.model.open(&compute)?;
        let card = card_of(&model)?;
        let events = self.read(&card)?;
        let info = model.info();
        ensure!(
            info.takes(events.len()),
            "{} events are not allowed; allowed: {}",
            events.len(),
            info.taken()
        );
        let estimate = match &info.architecture {
            AnyArchitecture::Set(set) if set.elements == Elements::Events => {
                model.estimate_events(&events)?
            }
            _ => of_image(&model, &compute, &events)?,
        };
        let warning = warning(&model, &card, &estimate);
        let also = model.info().also.iter().zip(&estimate.also).map(|(also, found)| InferredCoefficient {
            coefficient: also.coefficient.clone(),
            value: found.value,
            minus: found.minus,
            plus: found.plus,
        });
        let inferred = Inferred {
            delta_c9: estimate.delta_c9,
            minus: estimate.minus,
            plus: estimate.plus,
            p_value: estimate.p_value,
            events: events.len(),
            also: also.collect(),
            correlation: estimate.correlation,
            warning,
        };
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&inferred)?);
        } else {
            print(&inferred);
        }
        Ok(())
    }

    fn read(&self, card: &RunCard) -> Result<EventBatch> {
        let file = self.events.display();
        let reader = open_unweighted(&self.events)?;
        if let Some(made) = reader.provenance().map(|p| &p.generator) {
            let (own, trained) = (&made.flavour, &card.generator.flavour);
            if own != trained {
                note(format!("{file} holds decays of {own}, the network learned those of {trained}"));
            }
        }
        let events = reader.read_all()?;
        let generator = &card.generator;
        let decay = generator.decay(&generator.shifts()?)?;
        let windows = sampling::windows(generator)?.of(&decay, generator.line_shape()?)?;
        // Values at an edge may have been rounded beyond it.
        let inside = |q2: f32| {
            let q2 = f64::from(q2);
            windows.iter().any(|(low, high)| q2 >= low * (1.0 - ROUNDING) && q2 <= high * (1.0 + ROUNDING))
        };
        let keep: Vec<bool> = events.q2.iter().map(|q2| inside(*q2)).collect();
        let outside = keep.iter().filter(|keep| !**keep).count();
        if outside > 0 {
            let ranges: Vec<String> = windows.iter().map(|(low, high)| format!("{low}:{high}")).collect();
            ensure!(
                self.select,
                "{file}: {outside} events lie outside q2 = {}; allowed: events inside, or --select to leave others out",
                ranges.join(", ")
            );
            note(format!(
                "{outside} of {} events left out, outside q2 = {}",
                events.len(),
                ranges.join(", ")
            ));
        }
        let events = if outside > 0 { events.filtered(&keep) } else { events };
        ensure!(
            events.len() >= FEWEST,
            "{file}: {} events are not allowed; allowed: at least {FEWEST}",
            events.len()
        );
        Ok(events)
    }
}

/// Relative error of single precision.
const ROUNDING: f64 = 1e-6;

/// With fewer events the mean of a statistic is not Gaussian.
const FEWEST: usize = 100;

/// By a network over images or cells.
fn of_image(model: &Model, compute: &Compute, events: &EventBatch) -> Result<Estimate> {
    let info = model.info();
    let mut sample = Sample { events: events.clone(), image: vec![0.0; info.bins.pow(3)] };
    Voxeliser::new(info.bins)?.voxelise(events.angles(), &mut sample.image)?;
    let images = Images { samples: std::slice::from_ref(&sample), bins: info.bins };
    let estimates = model.estimates(&images, &())?;
    estimates.and_then(|all| all.into_iter().next()).with_context(|| format!("{}: no answer", compute.name()))
}

/// What makes an answer doubtful.
fn warning(model: &Model, card: &RunCard, estimate: &Estimate) -> Option<String> {
    let points = card.dataset.points();
    let trained = points.iter().map(|p| p.delta_c9);
    let (low, high) = trained.fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
    if let Some(p) = estimate.p_value.filter(|p| *p < STRANGE) {
        return Some(format!(
            "the events do not follow the density that the network learned from (p-value {p:.1e}): the value means little"
        ));
    }
    if !(low..=high).contains(&estimate.delta_c9) {
        return Some(format!("outside the values that the network learned, {low} to {high}"));
    }
    for (also, found) in model.info().also.iter().zip(&estimate.also) {
        let [low, high] = also.range;
        if !(low..=high).contains(&found.value) {
            let name = &also.coefficient;
            return Some(format!("{name} outside the values that the network learned, {low} to {high}"));
        }
    }
    let sides = estimate.also.iter().flat_map(|also| [also.minus, also.plus]);
    let known = [estimate.minus, estimate.plus].into_iter().chain(sides).all(|side| side.is_some());
    (!known).then(|| match &model.info().calibration {
        Some(_) => "the interval is open: it leaves the range of the calibration".to_owned(),
        None => {
            "this network knows no interval; one whose loss is gaussian or quantile, or over events, does"
                .to_owned()
        }
    })
}

fn print(inferred: &Inferred) {
    let side = |x: Option<f64>| x.map_or_else(|| "?".to_owned(), |x| format!("{x:.4}"));
    outln!(
        "delta C9 = {:.4} -{} +{} (68 %) from {} events",
        inferred.delta_c9,
        side(inferred.minus),
        side(inferred.plus),
        inferred.events
    );
    for also in &inferred.also {
        outln!("delta {} = {:.4} -{} +{}", also.coefficient, also.value, side(also.minus), side(also.plus));
    }
    for (also, correlation) in
        inferred.also.iter().zip(inferred.correlation.first().into_iter().flatten().skip(1))
    {
        outln!("correlation of C9 and {}: {correlation:.3}", also.coefficient);
    }
    if let Some(p) = inferred.p_value {
        outln!("p-value of the network's statistics {p:.3}");
    }
    if let Some(warning) = &inferred.warning {
        outln!("WARNING: {warning}");
    }
}
