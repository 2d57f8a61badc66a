//! `humboldt evaluate`: test ensembles through the network of a run.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use humboldt_schemas::results::Summary;

use super::arguments::DeviceArgument;
use crate::campaign::Task;
use crate::run::{RunFolder, evaluation, training};

use crate::progress::outln;

/// Predict delta C9 of the test ensembles: mean, sigma_L, sigma_R, bias, slope
#[derive(Debug, Args)]
pub(super) struct EvaluateArguments {
    /// Folder of a trained run
    run: PathBuf,
    /// Print the ensembles as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgument,
}

impl EvaluateArguments {
    pub(super) fn run(self) -> Result<()> {
        let run = RunFolder::open(&self.run)?;
        let compute = self.device.open()?;
        run.campaign()?.make(training::tested_splits(run.card()), Task::ALL)?;
        let evaluation = evaluation::evaluate(&run, &compute)?;
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&evaluation.ensembles)?);
            return Ok(());
        }
        outln!(
            "{:>10} {:>7} {:>9} {:>9} {:>9} {:>9}",
            "delta C9",
            "images",
            "mean",
            "bias",
            "sigma_L",
            "sigma_R"
        );
        for e in &evaluation.ensembles {
            let between = if e.trained { "" } else { "  in between" };
            outln!(
                "{:>10.4} {:>7} {:>9.4} {:>+9.4} {:>9.4} {:>9.4}{between}",
                e.delta_c9,
                e.n_images,
                e.mean,
                e.bias,
                e.sigma_left,
                e.sigma_right
            );
        }
        print_summary(&evaluation.summary);
        Ok(())
    }
}

/// The run in five lines.
pub(super) fn print_summary(s: &Summary) {
    outln!("delta C9 in [{}, {}]:", s.range[0], s.range[1]);
    outln!("  slope                    {:>8.3}   (1 is perfect)", s.slope);
    outln!("  mean |bias|              {:>8.4}", s.mean_abs_bias);
    outln!("  mean sigma of an image   {:>8.4}", s.mean_sigma);
    outln!(
        "  RMSE / baseline          {:>8.4}   (baseline {:.4}: always the mean; 1 is nothing learned)",
        s.rmse_over_baseline,
        s.baseline_rmse
    );
    if let Some(width) = s.width_over_baseline {
        outln!("  width/slope / baseline   {width:>8.4}");
    }
}
