//! `humboldt model`: trained networks, and those of PyTorch; the argument that names one.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::{Args, Subcommand};
use humboldt_pipeline::store::atomic::unique;
use humboldt_schemas::card::{AnyArchitecture, RunCard};
use serde::Serialize;

use super::arguments::ForceArgument;
use crate::Error;
use crate::infer::ratio::EventStatistic;
use crate::learn::built_in::{self, BUILT_IN, BuiltIn};
use crate::learn::model::{ModelInfo, Parameter, WEIGHTS_FILE, model_folder};
use crate::learn::{Compute, Imported, Model};
use crate::progress::{note, outln};
use crate::ratio::model::RatioModel;
use crate::run::training;
use crate::sampling;

/// Show a trained network; bring weights from PyTorch, or to it
#[derive(Debug, Args)]
pub(super) struct ModelArguments {
    #[command(subcommand)]
    command: ModelCommand,
}

#[derive(Debug, Subcommand)]
enum ModelCommand {
    /// List the networks that come with the program
    List {
        /// Print JSON: an array of {name, about, model, q2, events, parameters}
        #[arg(long)]
        json: bool,
    },
    /// Print what a network takes, its layers, and how it was trained
    Show {
        /// `builtin`, `builtin:NAME` (`humboldt model list`), or a folder (`RUN`, `RUN/model`)
        #[arg(default_value = BUILTIN)]
        model: PathBuf,
    },
    /// Make a network of a PyTorch state dict (.pt, .pth, .safetensors) of a card's [network]
    Import {
        /// Card, whose [network], [images] and training.loss describe the network
        card: PathBuf,
        /// The state dict
        weights: PathBuf,
        /// Scales of input and target, and the calibration, where the state dict does not say them: a network (RUN/model),
        /// or a file that `humboldt model export` wrote
        #[arg(long, value_name = "MODEL")]
        scales: Option<PathBuf>,
        /// Folder of the network, made anew
        #[arg(long, value_name = "MODEL")]
        out: PathBuf,
    },
    /// Write a network's weights with PyTorch's names and layout, as SafeTensors
    Export {
        /// `builtin`, `builtin:NAME` (`humboldt model list`), or a folder (`RUN`, `RUN/model`)
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
            ModelCommand::List { json } => list(json)?,
            ModelCommand::Show { model } => {
                let named = ModelArgument { model };
                match named.ratios(&compute)? {
                    Some(ratios) => show_ratio(&ratios)?,
                    None => show(&named.open(&compute)?),
                }
            }
            ModelCommand::Import { card, weights, scales, out } => {
                import(&card, &weights, scales.as_deref(), &out, &compute)?;
            }
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

/// A network that comes with the program, as `model list` prints it.
#[derive(Debug, Serialize)]
struct Listed {
    name: String,
    about: &'static str,
    /// Amplitudes.
    model: String,
    /// Windows in q2 (GeV^2).
    q2: Vec<(f64, f64)>,
    /// Number of events of its calibration.
    events: usize,
    parameters: Vec<ListedParameter>,
}

/// A coefficient that a network learned.
#[derive(Debug, Serialize)]
struct ListedParameter {
    name: String,
    /// Shifts of its training.
    range: [f64; 2],
}

impl Listed {
    fn of(own: &BuiltIn) -> Result<Self> {
        let info = own.info()?;
        let generator = card_of(&info)?.generator;
        let parameters = info.parameters.into_iter();
        Ok(Self {
            name: format!("builtin:{}", own.name),
            about: own.about,
            q2: sampling::resolved_windows(&generator)?,
            model: generator.model.to_string(),
            events: info.events,
            parameters: parameters.map(|p| ListedParameter { name: p.coefficient, range: p.range }).collect(),
        })
    }
}

fn list(json: bool) -> Result<()> {
    let all = BUILT_IN.iter().map(Listed::of).collect::<Result<Vec<_>>>()?;
    if json {
        outln!("{}", serde_json::to_string_pretty(&all)?);
        return Ok(());
    }
    for own in &all {
        outln!("{:<14} {}", own.name, own.about);
        let learned =
            own.parameters.iter().map(|p| format!("{} in [{}, {}]", p.name, p.range[0], p.range[1]));
        outln!("{:14} learned {}", "", learned.collect::<Vec<_>>().join(", "));
        outln!("{:14} {}, q2 = {} GeV^2", "", own.model, sampling::in_words(&own.q2));
    }
    Ok(())
}

fn show_ratio(model: &RatioModel) -> Result<()> {
    let info = model.learned.info();
    for (axis, origin) in model.card.axes()?.iter().zip(&model.origin) {
        let [low, high] = axis.range;
        outln!("learns    {}, shifts in [{low}, {high}], simulated at {origin}", axis.direction);
    }
    outln!("layers    {:?}, networks averaged {}", info.layers, info.members);
    if !info.slopes.is_empty() {
        outln!("begins    with the coefficients that the true density has at measured values");
    }
    outln!("leaves    {:.4} of the squared spread of the true coefficients", info.loss);
    if let Some(entropy) = info.entropy {
        outln!("tells     signal from background, cross-entropy {entropy:.4}");
    }
    let statistic = &model.calibration.statistic;
    outln!(
        "calibrated by {} simulated events: {} numbers of an event, {} with those that tell how well they fit",
        model.calibration.events,
        statistic.fitted(),
        statistic.components()
    );
    outln!("\n{}", model.card.to_toml()?);
    Ok(())
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
            for layer in a.layers(info.bins, info.outputs()) {
                outln!(
                    "{:<26} {:<20} {:>5} x {:>3}^3 {:>10}",
                    layer.name,
                    layer.kind,
                    layer.channels,
                    layer.size,
                    layer.parameters
                );
            }
            outln!("{} trained numbers", info.architecture.parameters(info.outputs()));
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
    if let Ok(text) = card_of(info).and_then(|card| Ok(card.to_toml()?)) {
        outln!("\n{text}");
    }
}

fn import(
    card_file: &Path,
    weights: &Path,
    scales: Option<&Path>,
    out: &Path,
    compute: &Compute,
) -> Result<()> {
    let card = RunCard::read(card_file)?;
    ensure!(
        !out.exists(),
        "--out = {} is not allowed; allowed: a folder that is not there yet",
        out.display()
    );
    let provenance = serde_json::json!({ "card": card, "weights": weights.display().to_string() });
    let mut info = ModelInfo { provenance, ..training::untrained(&card)? };
    match trained(weights, scales, compute)? {
        Some((trained, source)) => {
            if let Ok(theirs) = card_of(&trained) {
                ensure!(
                    theirs.generator == card.generator,
                    "{}: was trained on other events than the card's: [generator] differs",
                    source.display()
                );
            }
            info = info.trained_as(trained, source)?;
        }
        None => refuse_without_scales(&card, weights)?,
    }
    let Imported { model, aside } = Model::from_pytorch(info, weights, compute)?;
    if let Some(first) = aside.first() {
        note(format!("left aside: {} tensors that are not the network's, as {first}", aside.len()));
    }
    save_new(&model, out)?;
    note(format!("network in {}", out.display()));
    Ok(())
}

/// Description of the training of some weights, and the place where it stands.
fn trained<'a>(
    weights: &'a Path,
    scales: Option<&'a Path>,
    compute: &Compute,
) -> Result<Option<(ModelInfo, &'a Path)>> {
    let Some(source) = scales else {
        return Ok(ModelInfo::of_pytorch(weights)?.map(|info| (info, weights)));
    };
    if source.is_file() {
        let info = ModelInfo::of_pytorch(source)?;
        let missing = || {
            let source = source.display();
            format!(
                "--scales = {source} is not allowed; allowed: a network, or a file of `humboldt model export`"
            )
        };
        return Ok(Some((info.with_context(missing)?, source)));
    }
    Ok(Some((open_model(source, compute)?.info().clone(), source)))
}

/// A network whose scales nobody knows gives wrong numbers, and says nothing.
fn refuse_without_scales(card: &RunCard, weights: &Path) -> Result<()> {
    let scaled = [
        (card.training.standardise_input, "training.standardise_input"),
        (card.training.standardise_target, "training.standardise_target"),
        (card.architecture().is_calibrated(), "a calibration"),
    ];
    let lost: Vec<&str> = scaled.iter().filter(|(used, _)| *used).map(|(_, name)| *name).collect();
    ensure!(
        lost.is_empty(),
        "{}: does not say what belongs to the card's {}; allowed: a file of `humboldt model export` with its metadata, \
         or --scales MODEL",
        weights.display(),
        lost.join(", ")
    );
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
    /// The network: `builtin` or `builtin:NAME`, which come with the program (`humboldt model list`), or a folder (`RUN`, `RUN/model`)
    #[arg(long, value_name = "MODEL", default_value = BUILTIN)]
    pub(super) model: PathBuf,
}

/// The network that is taken where none is named.
const BUILTIN: &str = "builtin";

impl ModelArgument {
    /// The learned ratios, where it is these that the argument names.
    pub(super) fn ratios(&self, compute: &Compute) -> Result<Option<RatioModel>> {
        let folder = model_folder(&self.model);
        Ok(RatioModel::is_in(&folder).then(|| RatioModel::load(&folder, compute)).transpose()?)
    }

    /// Opens the network.
    pub(super) fn open(&self, compute: &Compute) -> Result<Model> {
        open_model(&self.model, compute)
    }
}

/// The network in a folder, or one that comes with the program.
pub(super) fn open_model(model: &Path, compute: &Compute) -> Result<Model> {
    ensure!(
        !RatioModel::is_in(&model_folder(model)),
        "--model = {} is not allowed here; allowed: a network over images or events, these are learned ratios, for `infer`, `bound` and `model show`",
        model.display()
    );
    Ok(built_in::open("--model", model, compute)?)
}

/// Refuses options, of which some are given, that learned ratios alone take; `this` is what has none.
pub(super) fn of_ratios_alone(options: &[(bool, &str)], this: &str) -> Result<()> {
    for (given, option) in options {
        ensure!(
            !given,
            "{option} is not allowed with {this}; allowed: with one of learned ratios (network.preset = \"ratio\")"
        );
    }
    Ok(())
}

/// The card that a network was trained by.
pub(super) fn card_of(info: &ModelInfo) -> Result<RunCard> {
    Ok(RunCard::of_provenance(&info.provenance).map_err(Error::NoCard)?)
}
