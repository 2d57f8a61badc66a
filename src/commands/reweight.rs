//! `humboldt reweight`: weights that turn a sample into one of other Wilson coefficients, model or inputs.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use clap::Args;
use humboldt_physics::{Flavour, ModelName};
use humboldt_pipeline::layout::{B0, B0BAR};
use humboldt_pipeline::rng::seeded;
use humboldt_pipeline::sample::{Sample, weighted};
use humboldt_pipeline::scores::{Reweighting, is_score};
use humboldt_pipeline::store::{EventFormat, EventReader, EventWriter};
use humboldt_pipeline::{EventBatch, PipelineError};
use humboldt_schemas::card::{GeneratorCard, hash_json};
use humboldt_schemas::events::{COMPONENTS, FLAVOUR_COLUMN, WEIGHT_COLUMN};
use humboldt_schemas::provenance::Provenance;
use rand::RngExt;

use super::arguments::{ForceArgument, InputArguments, ShiftArguments, count};
use super::generate::Format;
use super::sample::SourceArguments;
use crate::progress::{Progress, note};
use crate::sampling;

/// Give each event of a sample the weight that it has for other Wilson coefficients, or keep events by that weight
#[derive(Debug, Args)]
pub(super) struct ReweightArguments {
    /// Events, .parquet, .arrow or .root (FILE.root:TREE)
    events: PathBuf,
    #[command(flatten)]
    source: SourceArguments,
    #[command(flatten)]
    shifts: ShiftArguments,
    /// Amplitude model to go to; by default that of the sample
    #[arg(long, value_parser = ModelName::from_str)]
    model: Option<ModelName>,
    #[command(flatten)]
    inputs: InputArguments,
    /// Weights also carry the ratio of the rates, so that their sum is the number of events to expect
    #[arg(long, conflicts_with = "unweight")]
    with_rate: bool,
    /// Keep each event with a probability of its weight over the largest one: a smaller sample without weights
    #[arg(long)]
    unweight: bool,
    /// Seed of --unweight
    #[arg(long, default_value_t = 1, requires = "unweight", allow_negative_numbers = true, value_parser = count::<u64>(0..=u64::MAX))]
    seed: u64,
    /// File to write, .parquet, .arrow or .root; - for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Format to write, parquet, arrow or root, where the name does not say it; arrow by default to standard output and pipes
    #[arg(long, value_name = "NAME", value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    force: ForceArgument,
}

/// The densities of a sample, before and after; each event has those of its own flavour where the table tells it.
struct Weighing {
    own: Reweighting,
    /// The own flavour in a column of flavours.
    sign: i8,
    other: Option<Reweighting>,
    with_rate: bool,
    /// Whether events may be background, whose density does not change.
    background: bool,
}

impl Weighing {
    fn weights(&self, sample: &Sample, first_row: u64) -> Result<Vec<f64>, PipelineError> {
        let of = |reweighting: &Reweighting, events: &EventBatch| {
            let rate = if self.with_rate { reweighting.rate_ratio() } else { 1.0 };
            let weights = reweighting.weights(events, first_row)?;
            Ok::<_, PipelineError>(weights.into_iter().map(|weight| weight * rate).collect::<Vec<f64>>())
        };
        let mut weights = of(&self.own, sample.truth())?;
        if let (Some(other), Some(flavours)) = (&self.other, sample.flavours()) {
            let all = of(other, sample.truth())?;
            for ((weight, other), flavour) in weights.iter_mut().zip(all).zip(flavours) {
                if *flavour != self.sign {
                    *weight = other;
                }
            }
        }
        if let Some(components) = sample.components().filter(|_| self.background) {
            for (weight, component) in weights.iter_mut().zip(components) {
                // Exchanged hadrons are of a signal event, whose truth they have.
                if !matches!(COMPONENTS.get(*component as usize), Some(&("signal" | "swap"))) {
                    *weight = 1.0;
                }
            }
        }
        Ok(weights)
    }
}

/// Sums over the weights of a sample.
#[derive(Debug, Default)]
struct Sums {
    events: u64,
    weights: f64,
    squares: f64,
    largest: f64,
}

impl ReweightArguments {
    pub(super) fn run(self) -> Result<()> {
        self.table()?;
        self.force.allow(&self.out, std::slice::from_ref(&self.events))?;
        let (open, source) = self.source.read(&self.events, false)?;
        let reader = open()?;
        ensure!(
            !reader.is_weighted(),
            "{}: has a column `{WEIGHT_COLUMN}` already; reweight the sample that it was made from",
            self.events.display()
        );
        let columns: Vec<String> =
            reader.schema().fields().iter().map(|field| field.name().clone()).collect();
        let from = &source.generator;
        let to = self.target(from)?;
        let decay = from.own_decay()?;
        let windows = sampling::windows(from)?.of(&decay, from.line_shape)?;
        let densities = |flavour: Flavour| -> Result<Reweighting> {
            let of = |card: &GeneratorCard| card.of_flavour(flavour).own_decay();
            Ok(Reweighting::new(&of(from)?, &of(&to)?, from.line_shape, &windows, &from.effects)?)
        };
        let own = decay.flavour();
        let told = !own.is_charged() && columns.iter().any(|name| name == FLAVOUR_COLUMN);
        let reweighting = Weighing {
            own: densities(own)?,
            sign: if own.has_b_quark() { B0BAR } else { B0 },
            other: told.then(|| densities(own.conjugate())).transpose()?,
            with_rate: self.with_rate,
            background: from.effects.background.is_some(),
        };

        let hash = hash_json(&(&source.card_hash, &to, self.with_rate, self.unweight.then_some(self.seed)));
        let mut provenance = Provenance::new(hash, source.seed, to);
        provenance.reweighted_from = Some(source.generator.clone());
        let sums = if self.unweight {
            self.write_unweighted(open, &reweighting, &provenance)?
        } else {
            let schema = weighted(reader.schema());
            let mut writer = EventWriter::create_table(self.table()?, &self.out, &provenance, schema)?;
            let sums = self.each("reweight", reader, &reweighting, |sample, weights| {
                Ok(writer.write_table(&sample.weighted(weights)?)?)
            })?;
            writer.finish()?;
            sums
        };
        note(format!("wrote {}", self.out.display()));
        let scores: Vec<&str> = columns.iter().map(String::as_str).filter(|name| is_score(name)).collect();
        if !scores.is_empty() {
            note(format!(
                "kept {} of the sample that was reweighted, at its coefficients",
                scores.join(", ")
            ));
        }
        note(format!(
            "mean weight {:.5}, largest {:.3}; {:.0} of {} events' worth of statistics are left; ratio of the rates {:.5}",
            sums.weights / sums.events as f64,
            sums.largest,
            sums.weights * sums.weights / sums.squares,
            sums.events,
            reweighting.own.rate_ratio(),
        ));
        Ok(())
    }

    fn table(&self) -> Result<EventFormat> {
        let format = Format::of(&self.out, self.format, &[Format::Arrow, Format::Root, Format::Parquet])?;
        format.table().context("an event table")
    }

    /// The sample's card with what the arguments change.
    fn target(&self, from: &GeneratorCard) -> Result<GeneratorCard> {
        let mut to = GeneratorCard { wilson: self.shifts.by_name()?, ..from.clone() };
        if let Some(model) = self.model {
            to.model = model;
        }
        self.inputs.change(&mut to);
        Ok(to)
    }

    /// Goes through a sample with its weights, batch by batch.
    fn each(
        &self,
        label: &str,
        mut reader: EventReader,
        reweighting: &Weighing,
        mut sink: impl FnMut(&Sample, Vec<f64>) -> Result<()>,
    ) -> Result<Sums> {
        let progress = Progress::new(label, reader.len() as u64, "events");
        let mut sums = Sums::default();
        while let Some(sample) = reader.next_sample() {
            let sample = sample?;
            let weights = reweighting
                .weights(&sample, sums.events)
                .with_context(|| self.events.display().to_string())?;
            for weight in &weights {
                sums.weights += weight;
                sums.squares += weight * weight;
                sums.largest = sums.largest.max(*weight);
            }
            sums.events += sample.len() as u64;
            progress.advance(sample.len() as u64, "");
            sink(&sample, weights)?;
        }
        progress.finish();
        Ok(sums)
    }

    /// Finds the largest weight first, then decides.
    fn write_unweighted(
        &self,
        reader: impl Fn() -> Result<EventReader, PipelineError>,
        reweighting: &Weighing,
        provenance: &Provenance,
    ) -> Result<Sums> {
        let largest = self.each("largest weight", reader()?, reweighting, |_, _| Ok(()))?.largest;
        let schema = reader()?.schema().clone();
        let mut writer = EventWriter::create_table(self.table()?, &self.out, provenance, schema)?;
        let mut rng = seeded(self.seed);
        let mut kept = 0;
        let sums = self.each("unweight", reader()?, reweighting, |sample, weights| {
            let keep: Vec<bool> = weights.iter().map(|w| rng.random::<f64>() * largest < *w).collect();
            let chosen = sample.filtered(keep)?;
            kept += chosen.num_rows();
            Ok(writer.write_table(&chosen)?)
        })?;
        writer.finish()?;
        note(format!("kept {kept} events"));
        Ok(sums)
    }
}
