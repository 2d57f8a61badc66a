//! `humboldt sweights`: weights of signal from a mass spectrum.

use std::path::PathBuf;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use clap::Args;
use humboldt_pipeline::sample::with_columns;
use humboldt_pipeline::store::{EventFormat, EventReader, EventWriter, More};
use humboldt_schemas::card::Q2Range;
use humboldt_schemas::events::{SWEIGHT_PREFIX, WEIGHT_COLUMN};
use humboldt_schemas::inference::{SWeightsResult, Yield};

use super::arguments::ForceArgument;
use super::generate::Format;
use crate::infer::sweights::{MassModel, SWeights, Shape, sweights};
use crate::progress::{note, outln};

/// Weigh events as signal by a mass (sWeights); `fit` and `moments` then use the weights
#[derive(Debug, Args)]
pub(super) struct SWeightsArguments {
    /// Events, .parquet, .arrow or .root
    events: PathBuf,
    /// Column that tells signal from background
    #[arg(long, value_name = "COLUMN")]
    mass: String,
    /// Range of the mass, as in 5.17:5.5; events outside are left out
    #[arg(long, value_name = "MIN:MAX", value_parser = Q2Range::from_str, allow_hyphen_values = true)]
    range: Q2Range,
    /// Density of signal: gaussian:mean=..,width=.. or crystal-ball:mean=..,width=..,alpha_low=..,n_low=..,alpha_high=..,n_high=..
    #[arg(long, value_name = "SHAPE", value_parser = Shape::from_str)]
    signal: Shape,
    /// Density of background: exponential:slope=..
    #[arg(long, value_name = "SHAPE", value_parser = Shape::from_str)]
    background: Shape,
    /// Parameters of the shapes that are fitted, as in mean,width,slope; none by default
    #[arg(long, value_name = "NAME,...", value_delimiter = ',')]
    free: Vec<String>,
    /// File to write: all columns, the weights of signal as `weight`, those of background as `sweight_background`
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    #[command(flatten)]
    force: ForceArgument,
    /// Format of the file where its name does not say it
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl SWeightsArguments {
    pub(super) fn run(self) -> Result<()> {
        let format = Format::of(&self.out, self.format, &[Format::Arrow, Format::Parquet])?;
        let format = format.table().context("an event table")?;
        self.force.allow(&self.out, std::slice::from_ref(&self.events))?;
        let file = self.events.display();
        let (Some(low), Some(high)) = (self.range.min, self.range.max) else {
            anyhow::bail!("--range is open; allowed: MIN:MAX");
        };
        let inside = |m: &f64| (low..=high).contains(m);

        let mut reader = self.reader()?;
        ensure!(
            !reader.is_weighted(),
            "{file}: has a column `{WEIGHT_COLUMN}` already; allowed: events without weights"
        );
        let (mut masses, mut read) = (Vec::new(), 0);
        while let Some(sample) = reader.next_sample() {
            let sample = sample?;
            masses.extend(sample.column(&self.mass, read).with_context(|| file.to_string())?);
            read += sample.len();
        }
        masses.retain(inside);
        let (signal, background) = (self.signal.clone(), self.background.clone());
        let model = MassModel { range: (low, high), signal, background, free: self.free.clone() };
        let found = sweights(&model, &masses).with_context(|| file.to_string())?;
        self.write(format, &found, inside)?;
        if read > masses.len() {
            note(format!("{} of {read} events left out, outside {low}:{high}", read - masses.len()));
        }
        note(format!("wrote {}", self.out.display()));
        let result = printed(&found, masses.len());
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&result)?);
        } else {
            print(&result);
        }
        Ok(())
    }

    fn reader(&self) -> Result<EventReader> {
        Ok(EventReader::open_as(&self.events, None, More::EverythingThereIs)?)
    }

    fn write(&self, format: EventFormat, found: &SWeights, inside: impl Fn(&f64) -> bool) -> Result<()> {
        let other = format!("{SWEIGHT_PREFIX}background");
        let names = [WEIGHT_COLUMN, other.as_str()];
        let mut reader = self.reader()?;
        let schema = with_columns(reader.schema(), &names);
        let mut writer = match reader.provenance() {
            Some(provenance) => EventWriter::create_table(format, &self.out, provenance, schema)?,
            None => EventWriter::create_silent(format, &self.out, schema)?,
        };
        let (mut read, mut written) = (0, 0);
        while let Some(sample) = reader.next_sample() {
            let sample = sample?;
            let keep: Vec<bool> = sample.column(&self.mass, read)?.iter().map(&inside).collect();
            read += sample.len();
            let end = written + keep.iter().filter(|keep| **keep).count();
            let chosen = sample.chosen(keep)?;
            let columns = [&found.signal, &found.background].map(|weights| weights[written..end].to_vec());
            writer.write_table(&chosen.with_columns(&names, columns.to_vec())?)?;
            written = end;
        }
        Ok(writer.finish()?)
    }
}

fn printed(found: &SWeights, events: usize) -> SWeightsResult {
    let of = |x: usize, name: &str| Yield {
        name: name.to_owned(),
        value: found.yields[x],
        sigma: found.covariance[(x, x)].sqrt(),
        closure: found.closure[x],
    };
    let shapes = [("signal", &found.model.signal), ("background", &found.model.background)];
    let named = |(component, shape): (&str, &Shape)| {
        let component = component.to_owned();
        let parameters = shape.parameters().map(|(name, value)| (format!("{component}.{name}"), value));
        parameters.collect::<Vec<_>>()
    };
    SWeightsResult {
        events,
        yields: vec![of(0, "signal"), of(1, "background")],
        correlation: found.covariance[(0, 1)] / (found.covariance[(0, 0)] * found.covariance[(1, 1)]).sqrt(),
        parameters: shapes.into_iter().flat_map(named).collect(),
        sum_of_squares: found.signal.iter().map(|weight| weight * weight).sum(),
    }
}

fn print(result: &SWeightsResult) {
    outln!("{} events", result.events);
    for Yield { name, value, sigma, closure } in &result.yields {
        outln!("  {name:<12}{value:>10.1} +- {sigma:.1}   sum of p/N {closure:.10}");
    }
    outln!("  correlation {:.3}", result.correlation);
    for (name, value) in &result.parameters {
        outln!("  {name:<20}{value:>12.6}");
    }
    let sum = result.yields[0].value;
    outln!("  weights of signal: as good as {:.1} events of signal alone", sum * sum / result.sum_of_squares);
}
