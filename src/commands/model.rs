//! `humboldt model`: trained networks, and those of PyTorch; the argument that names one.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use clap::Args;
use humboldt_schemas::card::RunCard;

use crate::learn::model::NETWORK_FILE;
use crate::learn::{Compute, Model};

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
