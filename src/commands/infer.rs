//! `humboldt infer`: delta C9 of a user's own events, by a trained network.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use humboldt_physics::wilson::Part;
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::layout::Signs;
use humboldt_pipeline::store::More;
use humboldt_pipeline::voxels::Voxeliser;
use humboldt_schemas::card::{AnyArchitecture, Elements, RunCard};
use humboldt_schemas::inference::{Inferred, InferredBackground, InferredCoefficient};

use super::arguments::DeviceArgument;
use super::layout::{LayoutArguments, doubts, open_unweighted};
use super::learned_bound::ranges;
use super::measured::background_fraction;
use super::model::{ModelArgument, card_of};

use crate::assumptions::{assumed, differences, emptiness, sentence};
use crate::guards;
use crate::infer::closure::STRANGE;
use crate::infer::density::EventFamily;
use crate::infer::estimator::Sample;
use crate::infer::mixture::Fraction;
use crate::learn::{Compute, Estimate, Model};
use crate::progress::{note, outln};
use crate::ratio::model::RatioModel;
use crate::ratio::table::Table;
use crate::run::estimators::Images;
use crate::sampling;

/// delta C9 of events, by a trained network: value and interval in seconds
#[derive(Debug, Args)]
pub(super) struct InferArguments {
    /// Events, .parquet, .arrow or .root (FILE.root:TREE), with columns q2, cos_theta_l, cos_theta_k and chi
    events: PathBuf,
    #[command(flatten)]
    layout: LayoutArguments,
    #[command(flatten)]
    model: ModelArgument,
    /// Leave out events outside the windows in q2 that the network learned from; without it they are refused
    #[arg(long)]
    select: bool,
    /// Of learned ratios: background's part of the events, a number, free, or as in 0.44+-0.02; by default as their card says
    #[arg(long, value_name = "X|free|X+-E", value_parser = background_fraction, allow_negative_numbers = true)]
    background_fraction: Option<Fraction>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgument,
}

impl InferArguments {
    pub(super) fn run(self) -> Result<()> {
        let compute = self.device.open()?;
        if let Some(ratios) = self.model.ratios(&compute)? {
            return self.by_ratios(&ratios);
        }
        ensure!(
            self.background_fraction.is_none(),
            "--background-fraction is not allowed with this network; allowed: with one of learned ratios (network.preset = \"ratio\")"
        );
        let model = self.model.open(&compute)?;
        let card = card_of(model.info())?;
        let (events, differences) = self.read(&card)?;
        let info = model.info();
        info.check_events(events.len())?;
        let estimate = match &info.architecture {
            AnyArchitecture::Set(set) if set.elements == Elements::Events => {
                model.estimate_events(&events)?
            }
            _ => of_image(&model, &compute, &events)?,
        };
        let mut warnings = differences;
        warnings.extend(empty_stretches(&card, &events, &estimate)?);
        warnings.extend(warning(&model, &estimate));
        let warning = (!warnings.is_empty()).then(|| warnings.join("; "));
        let parameters = model.info().parameters.iter().zip(&estimate.values);
        let parameters: Vec<InferredCoefficient> = parameters
            .map(|(parameter, found)| InferredCoefficient {
                name: parameter.coefficient.clone(),
                value: found.value,
                minus: found.minus,
                plus: found.plus,
            })
            .collect();
        let c9 = parameters.iter().find(|p| p.name == "c9");
        let inferred = Inferred {
            delta_c9: c9.map(|p| p.value),
            minus: c9.and_then(|p| p.minus),
            plus: c9.and_then(|p| p.plus),
            p_value: estimate.p_value,
            events: events.len(),
            background: None,
            simulated_events: None,
            parameters,
            correlation: estimate.correlation,
            assumed: assumed(&card.generator, &card.axes()?.directions())?,
            warning,
        };
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&inferred)?);
        } else {
            print(&inferred, &ranges(&card.axes()?));
        }
        Ok(())
    }

    /// By learned ratios.
    fn by_ratios(&self, model: &RatioModel) -> Result<()> {
        let card = &model.card;
        let (file, layout) = (self.events.display(), self.layout.read()?);
        let reader = open_unweighted(&self.events, layout.as_ref(), More::EverythingMeasured)?;
        let directions = card.axes()?.directions();
        let mut warnings = match reader.provenance().map(|p| p.generator.clone()) {
            Some(mut made) => {
                // What detector and selection of a simulation in files did, the card does not say.
                if card.simulation.as_ref().is_some_and(|simulation| !simulation.files.is_empty()) {
                    made.effects.clone_from(&card.generator.effects);
                }
                differences(&made, &card.generator, &directions)?
            }
            None => reader.notes().to_vec(),
        };
        let variables = model.variables();
        let table = Table::of(reader, &self.events, card, &variables)?;
        if table.outside() > 0 {
            let ranges = sampling::in_words(&sampling::resolved_windows(&card.generator)?);
            ensure!(
                self.select,
                "{file}: {} events lie outside q2 = {ranges}; allowed: events inside, or --select to leave others out",
                table.outside()
            );
            note(format!("{} of {} events left out, outside q2 = {ranges}", table.outside(), table.all));
        }
        let events = table.events.len();
        ensure!(events >= FEWEST, "{file}: {events} events are not allowed; allowed: at least {FEWEST}");
        // Detector and wrong tags are in what was learned.
        let signs = humboldt_pipeline::layout::signs(&self.events, layout.as_ref())?;
        warnings.extend(guards::of_signs(&Signs { smeared: 0, wrong_tags: 0, ..signs }));
        let mean = model.mean(&variables.numbers(&table.events, &table.own))?;
        let fitted = model.fitted(&mean, self.background_fraction)?;
        if fitted.p_value < STRANGE {
            warnings.push(format!(
                "the events do not look like those that the network learned from (p-value {:.1e}): the values mean little",
                fitted.p_value
            ));
        }
        if fitted.effective_events < 2.0 * events as f64 {
            warnings.push(format!(
                "effectively {:.0} simulated events for {events} of data there: they alone widen the intervals by {:.0} %, which these hold",
                fitted.effective_events,
                100.0 * ((1.0 + events as f64 / fitted.effective_events).sqrt() - 1.0)
            ));
        }
        for (axis, found) in card.axes()?.iter().zip(&fitted.parameters) {
            if !axis.contains(found.value) {
                let [low, high] = axis.range;
                warnings.push(format!(
                    "{} outside the values that the network learned, {low} to {high}",
                    found.name
                ));
            }
            if found.minus.is_none() || found.plus.is_none() {
                warnings.push(format!("the interval of {} is open", found.name));
            }
        }
        let c9 = fitted.parameters.iter().find(|p| p.name == "c9");
        let inferred = Inferred {
            delta_c9: c9.map(|p| p.value),
            minus: c9.and_then(|p| p.minus),
            plus: c9.and_then(|p| p.plus),
            p_value: Some(fitted.p_value),
            events,
            background: fitted.fraction.map(|(fraction, sigma)| InferredBackground { fraction, sigma }),
            simulated_events: Some(fitted.effective_events),
            parameters: fitted.parameters,
            correlation: fitted.correlation,
            assumed: assumed(&card.generator, &directions)?,
            warning: (!warnings.is_empty()).then(|| warnings.join("; ")),
        };
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&inferred)?);
        } else {
            print(&inferred, &ranges(&card.axes()?));
        }
        Ok(())
    }

    /// The events, and where the network does not assume what their file says.
    fn read(&self, card: &RunCard) -> Result<(EventBatch, Vec<String>)> {
        let file = self.events.display();
        let layout = self.layout.read()?;
        let reader = open_unweighted(&self.events, layout.as_ref(), More::MassIfThere)?;
        let mut different = match reader.provenance().map(|p| &p.generator) {
            Some(made) => differences(made, &card.generator, &card.axes()?.directions())?,
            None => Vec::new(),
        };
        let generator = &card.generator;
        let mut reader = reader.of_decay(&generator.decay(&generator.shifts()?)?);
        let events = reader.read_rest()?;
        different.extend(doubts(&reader, &self.events, layout.as_ref(), &events.q2)?);
        let windows = sampling::resolved_windows(generator)?;
        let keep: Vec<bool> = events.q2.iter().map(|q2| sampling::holds(&windows, *q2)).collect();
        let outside = keep.iter().filter(|keep| !**keep).count();
        if outside > 0 {
            let ranges = sampling::in_words(&windows);
            ensure!(
                self.select,
                "{file}: {outside} events lie outside q2 = {ranges}; allowed: events inside, or --select to leave others out"
            );
            note(format!("{outside} of {} events left out, outside q2 = {ranges}", events.len()));
        }
        let events = if outside > 0 { events.filtered(&keep) } else { events };
        ensure!(
            events.len() >= FEWEST,
            "{file}: {} events are not allowed; allowed: at least {FEWEST}",
            events.len()
        );
        Ok((events, different))
    }
}

/// Stretches without events at what the network found.
fn empty_stretches(card: &RunCard, events: &EventBatch, estimate: &Estimate) -> Result<Vec<String>> {
    let directions = card.axes()?.directions();
    let generator = &card.generator;
    let shifts = directions.iter().fold(generator.shifts()?, |shifts, direction| {
        let own = shifts.get(direction.coefficient);
        shifts.moved(*direction, if direction.part == Part::Real { -own.re } else { -own.im })
    });
    let decay = generator.decay(&shifts)?;
    let line_shape = generator.line_shape()?;
    let windows = sampling::windows(generator)?.of(&decay, line_shape)?;
    let family = EventFamily::new(&decay, line_shape, &windows, &directions)?;
    let found: Vec<f64> = estimate.values.iter().map(|found| found.value).collect();
    Ok(emptiness(&family, events, &found))
}

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

/// Reason that makes an answer doubtful.
fn warning(model: &Model, estimate: &Estimate) -> Option<String> {
    if let Some(p) = estimate.p_value.filter(|p| *p < STRANGE) {
        return Some(format!(
            "the events do not follow the density that the network learned from (p-value {p:.1e}): the value means little"
        ));
    }
    for (parameter, found) in model.info().parameters.iter().zip(&estimate.values) {
        let [low, high] = parameter.range;
        if !(low..=high).contains(&found.value) {
            let name = &parameter.coefficient;
            return Some(format!("{name} outside the values that the network learned, {low} to {high}"));
        }
    }
    let mut sides = estimate.values.iter().flat_map(|found| [found.minus, found.plus]);
    let known = sides.all(|side| side.is_some());
    (!known).then(|| match &model.info().calibration {
        Some(_) => "the interval is open: it leaves the range of the calibration".to_owned(),
        None => {
            "this network knows no interval; one whose loss is gaussian or quantile, or over events, does"
                .to_owned()
        }
    })
}

fn print(inferred: &Inferred, ranges: &str) {
    outln!("network of {ranges}: {}", sentence(&inferred.assumed));
    outln!("of another model or window it would be off by many times its error");
    let side = |x: Option<f64>| x.map_or_else(|| "?".to_owned(), |x| format!("{x:.4}"));
    for (i, found) in inferred.parameters.iter().enumerate() {
        let name = if found.name == "c9" { "C9" } else { &found.name };
        let (minus, plus) = (side(found.minus), side(found.plus));
        let from = if i == 0 { format!(" (68 %) from {} events", inferred.events) } else { String::new() };
        outln!("delta {name} = {:.4} -{minus} +{plus}{from}", found.value);
    }
    for (i, row) in inferred.correlation.iter().enumerate() {
        for (j, correlation) in row.iter().enumerate().take(i) {
            let (a, b) = (&inferred.parameters[j].name, &inferred.parameters[i].name);
            outln!("correlation of {a} and {b}: {correlation:.3}");
        }
    }
    if let Some(background) = &inferred.background {
        let sigma = background.sigma.map_or_else(|| " (fixed)".to_owned(), |sigma| format!(" +- {sigma:.4}"));
        outln!("background {:.4}{sigma} of the events", background.fraction);
    }
    if let Some(simulated) = inferred.simulated_events {
        outln!("calibrated by effectively {simulated:.0} simulated events there");
    }
    if let Some(p) = inferred.p_value {
        outln!("p-value of the network's statistics {p:.3}");
    }
    if let Some(warning) = &inferred.warning {
        outln!("WARNING: {warning}");
    }
}
