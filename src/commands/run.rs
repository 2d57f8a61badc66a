//! `humboldt run`: from a card to a linearity plot.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use humboldt_schemas::card::{RunCard, Split};

use super::arguments::DeviceArgument;
use super::evaluate::print_summary;
use crate::progress::note;
use crate::run::{RunFolder, evaluation, figures, images, training};
use crate::sampling;

/// Generate, voxelise, train, evaluate and plot; goes on where it stopped
#[derive(Debug, Args)]
pub(super) struct RunArguments {
    /// Card, as in cards/quickstart.toml
    card: PathBuf,
    /// Folder of the run, made if it does not exist
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    #[command(flatten)]
    device: DeviceArgument,
}

impl RunArguments {
    pub(super) fn run(self) -> Result<()> {
        let run = open(&self.card, &self.out)?;
        let compute = self.device.open()?;
        images::make(&run, &Split::ALL)?;
        training::train(&run, &compute)?;
        let evaluation = evaluation::evaluate(&run, &compute)?;
        figures::draw(&run, &evaluation)?;
        print_summary(&evaluation.summary);
        note(format!("linearity plot: {}", run.results().join("linearity.png").display()));
        Ok(())
    }
}

/// The folder of a card's run, after everything in the card was checked.
pub(super) fn open(card: &std::path::Path, out: &std::path::Path) -> Result<RunFolder> {
    let card = RunCard::read(card)?;
    if let Some(point) = card.dataset.points().first() {
        // Whether the windows lie inside phase space is known to the decay only.
        sampling::sampler_at(&card.generator, point.delta_c9)?;
    }
    RunFolder::for_card(out, card)
}
