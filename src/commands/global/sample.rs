//! `humboldt global sample`: the posterior density of the free parameters.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use humboldt_schemas::global::{PosteriorParameter, PosteriorResult};

use super::setup::{Comparison, FreeParameters};
use crate::commands::arguments::{ForceArgument, count};
use crate::global::fit::minimum;
use crate::global::intervals::{Fitted, curvature};
use crate::global::sample::{Length, PosteriorSample, posterior};
use crate::global::statistic::ChiSquare;
use crate::progress::outln;
use crate::report::write_columns_parquet;

/// Sample the posterior density of shifts, and polynomials, by an ensemble of walkers; the prior is flat
#[derive(Debug, Args)]
pub(super) struct SampleArguments {
    #[command(flatten)]
    free: FreeParameters,
    #[command(flatten)]
    comparison: Comparison,
    /// Steps of each walker that are kept
    #[arg(long, value_name = "N", default_value_t = 5000, allow_negative_numbers = true, value_parser = count::<u32>(1..=10_000_000))]
    steps: u32,
    /// Steps of each walker before them
    #[arg(long, value_name = "N", default_value_t = 500, allow_negative_numbers = true, value_parser = count::<u32>(0..=10_000_000))]
    burn_in: u32,
    /// File .parquet to write all points to, a column a parameter
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgument,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl SampleArguments {
    pub(super) fn run(self) -> Result<()> {
        if let Some(out) = &self.out {
            let right = out.extension().is_some_and(|extension| extension == "parquet");
            ensure!(right, "--out = {} is not allowed; allowed: a file .parquet", out.display());
            self.force.allow(out, &[])?;
        }
        let setup = self.comparison.setup()?;
        let statistic = self.free.statistic(&setup)?;
        self.comparison.say(&setup)?;
        let best = minimum(&statistic)?;
        let fit = Fitted { curvature: curvature(&statistic, &best)?, best, intervals: Vec::new() };
        let length =
            Length { steps: self.steps as usize, burn_in: self.burn_in as usize, seed: self.comparison.seed };
        let sample = posterior(&statistic, &fit, length)?;
        if let Some(out) = &self.out {
            let names: Vec<String> = statistic.parameters().iter().map(ToString::to_string).collect();
            let column = |index: usize| sample.points.iter().map(|point| point[index]).collect();
            let columns = names.iter().enumerate().map(|(index, name)| (name.as_str(), column(index)));
            write_columns_parquet(out, columns.collect())?;
        }
        let result = result(&statistic, &sample, length);
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&result)?);
        } else {
            print(&result);
        }
        Ok(())
    }
}

fn result(statistic: &ChiSquare, sample: &PosteriorSample, length: Length) -> PosteriorResult {
    let parameters = statistic.parameters().iter().enumerate().map(|(index, parameter)| {
        let marginal = sample.marginal(index);
        let [low, median, high] = marginal.quantiles;
        let (mean, sigma, correlation_time) = (marginal.mean, marginal.sigma, marginal.correlation_time);
        PosteriorParameter { name: parameter.to_string(), mean, sigma, median, low, high, correlation_time }
    });
    PosteriorResult {
        walkers: sample.walkers,
        steps: length.steps,
        acceptance: sample.acceptance,
        parameters: parameters.collect(),
    }
}

fn print(result: &PosteriorResult) {
    outln!("{} walkers, {} steps, {:.2} accepted", result.walkers, result.steps, result.acceptance);
    outln!(
        "{:<28}{:>10}{:>10}{:>10}{:>10}{:>10}{:>12}",
        "parameter",
        "mean",
        "sigma",
        "0.159",
        "median",
        "0.841",
        "corr. time"
    );
    for p in &result.parameters {
        let time = p.correlation_time.map_or_else(|| "too short".to_owned(), |time| format!("{time:.1}"));
        outln!(
            "{:<28}{:>10.4}{:>10.4}{:>10.4}{:>10.4}{:>10.4}{time:>12}",
            p.name,
            p.mean,
            p.sigma,
            p.low,
            p.median,
            p.high
        );
    }
}
