//! `humboldt evaluate`: test ensembles through the network of a run.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use humboldt_schemas::results::{EnsembleResult, Summary};
use humboldt_schemas::voxels::DELTA_C9;

use super::arguments::{DeviceArgument, count};
use super::model::{card_of, open_model};
use crate::campaign::Task;
use crate::run::evaluation::Evaluation;
use crate::run::{RunFolder, evaluation, refuse_ratio, training};

use crate::progress::outln;

/// Predict delta C9 of the test ensembles: mean, sigma_L, sigma_R, bias, slope
#[derive(Debug, Args)]
pub(super) struct EvaluateArguments {
    /// Folder of a trained run
    #[arg(required_unless_present = "model")]
    run: Option<PathBuf>,
    /// A network without its run: `builtin`, which comes with the program, or a folder; on fresh images of its card's values
    #[arg(long, value_name = "MODEL", conflicts_with = "run")]
    model: Option<PathBuf>,
    /// With --model: images of each value
    #[arg(long, value_name = "N", default_value_t = 50, requires = "model", allow_negative_numbers = true, value_parser = count::<u32>(2..=1_000_000))]
    images: u32,
    /// Print the ensembles as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    device: DeviceArgument,
}

impl EvaluateArguments {
    pub(super) fn run(self) -> Result<()> {
        let evaluation = self.evaluate()?;
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&evaluation.first().ensembles)?);
            return Ok(());
        }
        let first = evaluation.first();
        print_ensembles(&words(&first.label()), &first.ensembles);
        print_all(&evaluation);
        Ok(())
    }
}

/// A table of ensembles of a coefficient.
fn print_ensembles(name: &str, ensembles: &[EnsembleResult]) {
    outln!("{name:>10} {:>7} {:>9} {:>9} {:>9} {:>9}", "images", "mean", "bias", "sigma_L", "sigma_R");
    for e in ensembles {
        let beside = if e.trained { "" } else { "  not trained on" };
        outln!(
            "{:>10.4} {:>7} {:>9.4} {:>+9.4} {:>9} {:>9}{beside}",
            e.truth,
            e.n_images,
            e.mean,
            e.bias,
            four(e.sigma_left),
            four(e.sigma_right)
        );
    }
}

/// Four decimals, or that the number is not known.
fn four(x: Option<f64>) -> String {
    x.map_or_else(|| "unknown".to_owned(), |x| format!("{x:.4}"))
}

/// An evaluation in a few lines, those of the further coefficients behind their tables.
pub(super) fn print_all(evaluation: &Evaluation) {
    let first = evaluation.first();
    print_summary(&words(&first.label()), &first.summary);
    for of in &evaluation.0[1..] {
        outln!();
        print_ensembles(&words(&of.label()), &of.ensembles);
        print_summary(&words(&of.label()), &of.summary);
    }
}

/// A coefficient as tables name its shift.
pub(super) fn words(label: &str) -> String {
    if label == DELTA_C9 { "delta C9".to_owned() } else { label.to_owned() }
}

impl EvaluateArguments {
    fn evaluate(&self) -> Result<Evaluation> {
        let compute = self.device.open()?;
        if let Some(model) = &self.model {
            let model = open_model(model, &compute)?;
            let mut card = card_of(model.info())?;
            card.dataset.test_each(self.images as usize);
            return Ok(evaluation::of_model(&model, &card)?);
        }
        let run = RunFolder::open(self.run.as_deref().unwrap_or(Path::new(".")))?;
        refuse_ratio(run.card())?;
        run.campaign()?.make(training::tested_splits(run.card()), Task::ALL)?;
        Ok(evaluation::evaluate(&run, &compute)?)
    }
}

/// A coefficient in five lines.
fn print_summary(name: &str, s: &Summary) {
    outln!("{name} in [{}, {}]:", s.range[0], s.range[1]);
    outln!("  slope                    {:>8.3}   (1 is perfect)", s.slope);
    outln!("  mean |bias|              {:>8.4}", s.mean_abs_bias);
    outln!("  mean sigma of an image   {:>8}", four(s.mean_sigma));
    outln!(
        "  RMSE / baseline          {:>8.4}   (baseline {:.4}: always the mean; 1 is nothing learned)",
        s.rmse_over_baseline,
        s.baseline_rmse
    );
    if let Some(width) = s.width_over_baseline {
        outln!("  width/slope / baseline   {width:>8.4}");
    }
}
