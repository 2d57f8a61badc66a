//! `humboldt train`: images and network of a card.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::arguments::DeviceArgument;
use crate::campaign::Task;
use crate::run::training;

/// Make the images of a card and train its network; goes on from the last checkpoint
#[derive(Debug, Args)]
pub(super) struct TrainArguments {
    /// Card, as in cards/quickstart.toml
    card: PathBuf,
    /// Folder of the run, made if it does not exist
    #[arg(long, value_name = "RUN")]
    out: PathBuf,
    /// Use the images of this campaign of the same card, in place of making them
    #[arg(long, value_name = "CAMPAIGN")]
    images: Option<PathBuf>,
    #[command(flatten)]
    device: DeviceArgument,
}

impl TrainArguments {
    pub(super) fn run(self) -> Result<()> {
        let compute = self.device.open()?;
        let run = super::run::open(&self.card, &self.out, self.images.as_deref(), &compute)?;
        let (campaign, splits) = (run.campaign()?, training::stored_splits(run.card()));
        campaign.make(splits, Task::ALL)?.note_finished(&campaign, splits);
        Ok(training::train(&run, &compute)?)
    }
}
