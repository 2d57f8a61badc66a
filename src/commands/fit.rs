//! `humboldt fit`: Wilson coefficients from events, by unbinned maximum likelihood in four variables.

use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use clap::Args;
use humboldt_physics::WilsonDirection;
use humboldt_pipeline::EventBatch;
use humboldt_schemas::inference::{FitResult, FittedCoefficient, GoodnessOfFit};
use rayon::prelude::*;

use super::arguments::count;
use super::sample::SampleArguments;
use crate::infer::density::EventFamily;
use crate::infer::goodness::{Goodness, goodness};
use crate::infer::likelihood::Likelihood;
use crate::infer::unbinned::{Fitted, Interval, fit, intervals};
use crate::progress::{note, outln};

/// Fit Wilson coefficients to events: exact density in q2, both cosines and chi (and m_kpi), of its shape alone
#[derive(Debug, Args)]
pub(super) struct FitArguments {
    #[command(flatten)]
    sample: SampleArguments,
    /// Coefficients to fit, as in c9,c10,c7_im
    #[arg(long, value_name = "NAME,...", default_value = "c9", value_delimiter = ',', value_parser = WilsonDirection::from_str)]
    free: Vec<WilsonDirection>,
    /// Cut the file into samples of N events and fit each; all events in one fit by default
    #[arg(long = "events", value_name = "N", allow_negative_numbers = true, value_parser = count::<u64>(1..=1_000_000_000_000))]
    events_per_fit: Option<u64>,
    /// No profile intervals
    #[arg(long)]
    no_intervals: bool,
    /// Print a JSON array, one entry a fit
    #[arg(long)]
    json: bool,
}

impl FitArguments {
    pub(super) fn run(self) -> Result<()> {
        let sample = self.sample.read(&self.free)?;
        let family = EventFamily::new(&sample.decay, sample.line_shape, &sample.windows, &self.free)?;
        let total = sample.events.len();
        let size = self.events_per_fit.map_or(total, |n| usize::try_from(n).unwrap_or(usize::MAX));
        ensure!(
            size <= total,
            "--events = {size} is not allowed; allowed: at most {total}, of which there are events"
        );
        let starts: Vec<usize> = (0..total / size).map(|k| k * size).collect();
        let of = |start: &usize| {
            let rows = sample.events.rows(*start..start + size);
            self.fit_one(&family, &rows, *start as u64)
                .with_context(|| format!("events {start} to {}", start + size - 1))
        };
        let results: Vec<FitResult> = starts.par_iter().map(of).collect::<Result<_>>()?;
        if total % size > 0 {
            note(format!("left out the last {} events, less than a sample", total % size));
        }
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&results)?);
        } else {
            print(&results);
        }
        Ok(())
    }

    fn fit_one(&self, family: &EventFamily, events: &EventBatch, first_row: u64) -> Result<FitResult> {
        let likelihood = Likelihood::new(family, events, first_row)?;
        let mut fitted = fit(&likelihood)?;
        let profile = if self.no_intervals { Vec::new() } else { intervals(&likelihood, &mut fitted)? };
        let goodness = goodness(family, events, &fitted.values)?;
        Ok(result(family.directions(), &fitted, &profile, goodness, first_row, events.len()))
    }
}

/// A fit as it is printed.
pub(super) fn result(
    directions: &[WilsonDirection],
    fitted: &Fitted,
    profile: &[Interval],
    goodness: Goodness,
    first_row: u64,
    events: usize,
) -> FitResult {
    let sigma = fitted.sigma();
    let coefficient = |(i, direction): (usize, &WilsonDirection)| FittedCoefficient {
        name: direction.to_string(),
        value: fitted.values[i],
        sigma: sigma[i],
        minus: profile.get(i).and_then(|interval| interval.minus),
        plus: profile.get(i).and_then(|interval| interval.plus),
    };
    let n = sigma.len();
    let correlation = |i: usize, j: usize| fitted.covariance[(i, j)] / (sigma[i] * sigma[j]);
    FitResult {
        first_row,
        events,
        coefficients: directions.iter().enumerate().map(coefficient).collect(),
        correlation: (0..n).map(|i| (0..n).map(|j| correlation(i, j)).collect()).collect(),
        goodness: GoodnessOfFit {
            chi2: goodness.chi2,
            degrees_of_freedom: goodness.degrees_of_freedom,
            p_value: goodness.p_value,
        },
    }
}

pub(super) fn print(results: &[FitResult]) {
    for result in results {
        outln!("{} events from row {}", result.events, result.first_row);
        for (i, c) in result.coefficients.iter().enumerate() {
            let end = |x: Option<f64>| x.map_or_else(|| "no end".to_owned(), |x| format!("{x:.5}"));
            let interval = match (c.minus, c.plus) {
                (None, None) => String::new(),
                (minus, plus) => format!("   profile -{} +{}", end(minus), end(plus)),
            };
            let row: Vec<String> = result.correlation[i][..i].iter().map(|x| format!("{x:7.3}")).collect();
            let correlation =
                if row.is_empty() { String::new() } else { format!("   correlation {}", row.join("")) };
            outln!("  {:<12}{:>9.5} +- {:.5}{interval}{correlation}", c.name, c.value, c.sigma);
        }
        let goodness = &result.goodness;
        outln!(
            "  chi2 {:.1} for {} degrees of freedom, p = {:.4}",
            goodness.chi2,
            goodness.degrees_of_freedom,
            goodness.p_value
        );
    }
}
