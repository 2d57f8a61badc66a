//! `humboldt predict`: coefficients of images, with intervals.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use humboldt_schemas::comparison::PredictedImage;

use super::arguments::DeviceArgument;
use crate::progress::outln;
use crate::run::{RunFolder, predict, refuse_ratio};

/// Predict the coefficients of a file of images by a run's network, with calibrated 68.3 % and 95 % intervals
#[derive(Debug, Args)]
pub(super) struct PredictArguments {
    /// Folder of an evaluated run
    run: PathBuf,
    /// Images, .h5 or .arrow, of the same kind as the run's
    images: PathBuf,
    /// Print a JSON array, one entry an image
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgument,
}

impl PredictArguments {
    pub(super) fn run(self) -> Result<()> {
        let run = RunFolder::read(&self.run)?;
        refuse_ratio(run.card())?;
        let predicted = predict::predict(&run, &self.images, &self.device.open()?)?;
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&predicted)?);
            return Ok(());
        }
        outln!(
            "{:>7} {:<12} {:>9} {:>9} {:>9}   {:<20} {:<20}",
            "image",
            "coefficient",
            "label",
            "raw",
            "value",
            "68.3 %",
            "95 %"
        );
        for p in &predicted {
            print(p);
        }
        Ok(())
    }
}

fn print(p: &PredictedImage) {
    let number = |x: Option<f64>| x.map_or_else(|| "?".to_owned(), |x| format!("{x:.4}"));
    let interval = |low: Option<f64>, high: Option<f64>| match (low, high) {
        (None, None) => "none".to_owned(),
        (low, high) => format!("[{}, {}]", number(low), number(high)),
    };
    let marked = match p.range.as_str() {
        "below" => "  below all that was calibrated",
        "above" => "  above all that was calibrated",
        _ => "",
    };
    outln!(
        "{:>7} {:<12} {:>9} {:>9.4} {:>9}   {:<20} {:<20}{marked}",
        p.image,
        p.coefficient,
        number(p.label),
        p.raw,
        number(p.value),
        interval(p.low_68, p.high_68),
        interval(p.low_95, p.high_95)
    );
}
