//! `humboldt global nn` and `humboldt global gan`: experiments with networks, each a card.

use std::cell::Cell;
use std::path::PathBuf;
use std::time::Instant;

use anyhow::{Result, bail};
use clap::Args;
use humboldt_schemas::experiment::{ExperimentCard, Method};

use crate::Error;
use crate::commands::arguments::DeviceArgument;
use crate::global::networks::{self, built_in, experiment::Experiment, folder, tables};
use crate::progress::{Progress, note, outln, seconds};

/// Train a network that gives Wilson coefficients of observables: regressions (4.1.1, 4.1.2 of the study), or the posterior
/// density
#[derive(Debug, Args)]
pub(super) struct NnArguments {
    #[command(flatten)]
    network: NetworkArguments,
    /// Card that comes with the program, in place of a file: 4.1.1, 4.1.2, posterior, and nn-default, posterior-default on the
    /// recommended measurements
    #[arg(long, value_name = "NAME", value_parser = built_in::names(&built_in::NN))]
    experiment: Option<String>,
}

/// Train a network that generates fits: adversarial ones (4.2.2 to 4.2.5 of the study), or a conditional flow
#[derive(Debug, Args)]
pub(super) struct GanArguments {
    #[command(flatten)]
    network: NetworkArguments,
    /// Card that comes with the program, in place of a file: 4.2.2, 4.2.3, 4.2.4, 4.2.5, flow, and gan-default on the
    /// recommended measurements
    #[arg(long, value_name = "NAME", value_parser = built_in::names(&built_in::GAN))]
    experiment: Option<String>,
}

#[derive(Debug, Args)]
struct NetworkArguments {
    /// Card, as in cards/global
    #[arg(required_unless_present = "experiment", conflicts_with = "experiment")]
    card: Option<PathBuf>,
    /// Folder to write to, made if it does not exist: card.toml, result.json, points.csv, numbers.csv, samples.parquet,
    /// figures
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArgument,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl NnArguments {
    pub(super) fn run(self) -> Result<()> {
        let built_in = self.experiment.as_deref().map(|name| built_in::card(&built_in::NN, name));
        let card = self.network.card(built_in.transpose()?.flatten())?;
        if !matches!(card.method()?, Method::Regression(_) | Method::Posterior(_)) {
            bail!(
                "card = one of [gan] or [flow] is not allowed; allowed: [regression] or [posterior] (`global gan`)"
            );
        }
        self.network.run(&card)
    }
}

impl GanArguments {
    pub(super) fn run(self) -> Result<()> {
        let built_in = self.experiment.as_deref().map(|name| built_in::card(&built_in::GAN, name));
        let card = self.network.card(built_in.transpose()?.flatten())?;
        if !matches!(card.method()?, Method::Gan(_) | Method::Flow(_)) {
            bail!(
                "card = one of [regression] or [posterior] is not allowed; allowed: [gan] or [flow] (`global nn`)"
            );
        }
        self.network.run(&card)
    }
}

impl NetworkArguments {
    fn card(&self, built_in: Option<ExperimentCard>) -> Result<ExperimentCard> {
        match (&self.card, built_in) {
            (_, Some(card)) => Ok(card),
            (Some(path), None) => Ok(ExperimentCard::read(path)?),
            (None, None) => bail!("no card is given; allowed: a file, or --experiment"),
        }
    }

    /// An error, of the folder itself by its option.
    fn out_option(&self, error: Error) -> anyhow::Error {
        match error {
            Error::Io { path, source } if path == self.out => {
                anyhow::Error::new(source).context(format!("--out {}", path.display()))
            }
            other => other.into(),
        }
    }

    fn run(&self, card: &ExperimentCard) -> Result<()> {
        folder::check(&self.out, card).map_err(|error| self.out_option(error))?;
        let experiment = Experiment::new(card)?;
        let compute = self.device.open()?;
        let start = Instant::now();
        let progress = Cell::new(None);
        let trained = Cell::new(start);
        let watch = |done: usize, steps: usize, loss: f64| {
            let shown = progress.take().unwrap_or_else(|| Progress::new("training", steps as u64, "steps"));
            shown.reach(done as u64, &format!("loss {loss:.4}"));
            progress.set(Some(shown));
            trained.set(Instant::now());
        };
        let outcome = networks::run(&experiment, &compute, &watch)?;
        if let Some(progress) = progress.take() {
            progress.finish();
        }
        folder::save(&self.out, card, &outcome).map_err(|error| self.out_option(error))?;
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&outcome.result)?);
        } else {
            outln!("{}", tables::text(&outcome.result));
        }
        let [training, all] =
            [trained.get() - start, start.elapsed()].map(|time| seconds(time.as_secs_f64()));
        note(format!("wrote {}; trained after {training}, all after {all}", self.out.display()));
        Ok(())
    }
}
