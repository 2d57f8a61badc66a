//! `humboldt model`: trained networks, and those of PyTorch; the argument that names one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use humboldt_pipeline::store::atomic::unique;
use humboldt_schemas::card::{AnyArchitecture, RunCard, layers};

use super::arguments::ForceArgument;
use crate::learn::model::{ModelInfo, NETWORK_FILE, Parameter, WEIGHTS_FILE};
use crate::learn::{Compute, Model};
use crate::progress::{note, outln};

/// Show a trained network; bring weights from PyTorch, or to it
#[derive(Debug, Args)]
pub(super) struct ModelArguments {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// Print what a network takes, its layers, and how it was trained
    Show {
        /// `builtin`, or a folder (`RUN/model`)
        #[arg(default_value = BUILTIN)]
        model: PathBuf,
    },
    /// Make a network of a PyTorch state dict (.pt, .pth, .safetensors) of a card's [network]
    Import {
        /// Card, whose [network], [images] and training.loss describe the network
        card: PathBuf,
        /// The state dict
        weights: PathBuf,
        /// Folder of the network, made anew
        #[arg(long, value_name = "MODEL")]
        out: PathBuf,
    },
    /// Write a network's weights with PyTorch's names and layout, as SafeTensors
    Export {
        /// `builtin`, or a folder (`RUN/model`)
        model: PathBuf,
        /// File to write
        #[arg(long, value_name = "FILE.safetensors")]
        out: PathBuf,
        #[command(flatten)]
        force: ForceArgument,
    },
}

impl ModelArguments {
    pub(super) fn run(self) -> Result<()> {
        let compute = Compute::cpu();
        match self.command {
            ModelCommand::Show { model } => show(&open_model(&model, &compute)?),
            ModelCommand::Import { card, weights, out } => import(&card, &weights, &out, &compute)?,
            ModelCommand::Export { model, out, force } => {
                ensure!(
                    out.extension().is_some_and(|ending| ending == "safetensors"),
                    "--out = {} is not allowed; allowed: a name that ends in .safetensors",
                    out.display()
                );
                force.allow(&out, &[model.join(WEIGHTS_FILE)])?;
                open_model(&model, &compute)?.to_pytorch(&out)?;
            }
        }
        Ok(())
    }
}

fn show(model: &Model) {
    let info = model.info();
    let events = info.event_range.map_or_else(|| info.events.to_string(), |[a, b]| format!("{a} to {b}"));
    outln!("images    {}^3 cells of {events} events", info.bins);
    for Parameter { coefficient, range: [low, high], .. } in &info.parameters {
        outln!("learns    {coefficient}, shifts in [{low}, {high}]");
    }
    match &info.architecture {
        AnyArchitecture::Residual(a) => {
            outln!("channels  {:?}", a.channels);
            for layer in layers::layers(a, info.bins, info.outputs()) {
                outln!(
                    "{:<26} {:<20} {:>5} x {:>3}^3 {:>10}",
                    layer.name,
                    layer.kind,
                    layer.channels,
                    layer.size,
                    layer.parameters
                );
            }
            outln!("{} trained numbers", layers::parameters(&info.architecture, info.outputs()));
        }
        AnyArchitecture::Set(a) => {
            outln!("takes     {:?}", a.elements);
            outln!("by        {:?}, layers {:?}, {} numbers an element", a.supervision, a.layers, a.pooled);
        }
    }
    outln!("loss      {}", info.loss.name());
    if let Some(c) = &info.calibration {
        let ranges: Vec<String> =
            c.ranges.iter().map(|[low, high]| format!("[{low:.3}, {high:.3}]")).collect();
        outln!("calibrated from {} images, shifts in {}", c.images, ranges.join(", "));
    }
    if info.epoch > 0 {
        outln!("epoch     {}", info.epoch);
    }
    if let Ok(text) = card_of(model).and_then(|card| Ok(card.to_toml()?)) {
        outln!("\n{text}");
    }
}

fn import(card_file: &Path, weights: &Path, out: &Path, compute: &Compute) -> Result<()> {
    let card = RunCard::read(card_file)?;
    ensure!(
        !out.exists(),
        "--out = {} is not allowed; allowed: a folder that is not there yet",
        out.display()
    );
    let (architecture, events) = (card.architecture(), card.images.events);
    let parameters = card.axes()?.iter().map(Parameter::plain).collect();
    let mut info =
        ModelInfo::untrained(architecture, card.training.loss, card.images.bins, events, parameters);
    info.event_range = card.training.events;
    info.provenance = serde_json::json!({ "card": card, "weights": weights.display().to_string() });
    save_new(&Model::from_pytorch(info, weights, compute)?, out)?;
    note(format!("network in {}", out.display()));
    Ok(())
}

/// Writes a network into a folder that appears when it is whole.
fn save_new(model: &Model, out: &Path) -> Result<()> {
    let part = unique(out).with_context(|| format!("--out {}", out.display()))?;
    let saved = model.save(&part).map_err(anyhow::Error::from);
    let saved =
        saved.and_then(|()| fs::rename(&part, out).with_context(|| format!("--out {}", out.display())));
    if saved.is_err() {
        // Nothing can be done about a failure here.
        let _ = fs::remove_dir_all(&part);
    }
    saved
}

/// A trained network.
#[derive(Debug, Args)]
pub(super) struct ModelArgument {
    /// The network: `builtin`, which comes with the program, or a folder (`RUN/model`)
    #[arg(long, value_name = "MODEL", default_value = BUILTIN)]
    model: PathBuf,
}

/// Name of the network that comes with the program.
const BUILTIN: &str = "builtin";

impl ModelArgument {
    /// Opens the network.
    pub(super) fn open(&self, compute: &Compute) -> Result<Model> {
        open_model(&self.model, compute)
    }
}

/// The network in a folder, or `builtin`.
pub(super) fn open_model(model: &Path, compute: &Compute) -> Result<Model> {
    if model == Path::new(BUILTIN) {
        return Ok(Model::builtin(compute)?);
    }
    ensure!(
        model.join(NETWORK_FILE).exists(),
        "--model = {} is not allowed; allowed: {BUILTIN}, or a folder with a {NETWORK_FILE}, as RUN/model",
        model.display()
    );
    Ok(Model::load(model, compute)?)
}

/// The card that a network was trained by.
pub(super) fn card_of(model: &Model) -> Result<RunCard> {
    let card = model.info().provenance.get("card").cloned().unwrap_or_default();
    serde_json::from_value(card).context("the network does not say by which card it was trained")
}
