//! `humboldt fit`: Wilson coefficients from events, by unbinned maximum likelihood in four variables.

use std::str::FromStr;

use anyhow::Result;
use clap::Args;
use humboldt_physics::WilsonDirection;
use humboldt_schemas::inference::{FitResult, FittedBackground, FittedSWave, SimulationUsed, SumOfWeights};

use super::arguments::{as_options, count};
use super::measured::{MeasuredArguments, MethodArguments};
use super::sample::SampleArguments;
use crate::assumptions::{print_warnings, sentence};
use crate::infer::InferError;
use crate::measured::{Fits, fits};
use crate::progress::{note, outln};

/// Fit Wilson coefficients to events: exact density in q2, both cosines and chi (and m_kpi), of its shape alone
#[derive(Debug, Args)]
pub(super) struct FitArguments {
    #[command(flatten)]
    sample: SampleArguments,
    #[command(flatten)]
    measured: MeasuredArguments,
    #[command(flatten)]
    method: MethodArguments,
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
        let mut sample = self.sample.read(&self.free, true)?;
        let known = self.measured.read(&sample, &self.free, self.method.given())?;
        sample.warnings.extend(self.measured.unsaid(&sample));
        let size = self.events_per_fit.map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        let fitted = fits(&sample, &known, &self.free, size, !self.no_intervals).map_err(as_options)?;
        let Fits { results, warnings, left_over } = fitted;
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&results)?);
        } else {
            outln!("assumed: {}", sentence(&sample.assumed));
            for result in &results {
                print(result, &warnings);
            }
            print_warnings(&warnings);
        }
        if left_over > 0 {
            note(format!("left out the last {left_over} events, less than a sample"));
        }
        let failed: Vec<&FitResult> = results.iter().filter(|result| result.failure.is_some()).collect();
        match failed.first() {
            Some(first) if failed.len() == results.len() => {
                return Err(InferError::NoMinimum {
                    coefficients: names(&self.free),
                    reason: first.failure.clone().unwrap_or_default(),
                }
                .into());
            }
            Some(_) => note(format!("{} of {} samples have no fit", failed.len(), results.len())),
            None => {}
        }
        Ok(())
    }
}

fn names(directions: &[WilsonDirection]) -> String {
    directions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// As `   profile -0.01 +0.02`; nothing where neither end is known.
fn profile_in_words(minus: Option<f64>, plus: Option<f64>) -> String {
    let end = |x: Option<f64>| x.map_or_else(|| "no end".to_owned(), |x| format!("{x:.5}"));
    match (minus, plus) {
        (None, None) => String::new(),
        (minus, plus) => format!("   profile -{} +{}", end(minus), end(plus)),
    }
}

fn line_of_s_wave(s_wave: &FittedSWave) -> String {
    let FittedSWave { fraction, fraction_sigma, minus, plus, m_kpi: [low, high], .. } = s_wave;
    let sigma = fraction_sigma.map_or_else(|| "fixed".to_owned(), |sigma| format!("+- {sigma:.5}"));
    let profile = profile_in_words(*minus, *plus);
    format!(
        "  S-wave F_S {fraction:.5} {sigma}{profile}   of the Standard Model's rate, K pi mass in {low}:{high} GeV"
    )
}

/// A fit with its own warnings, those in `elsewhere` left out.
pub(super) fn print(result: &FitResult, elsewhere: &[String]) {
    outln!("{} events from row {}", result.events, result.first_row);
    if let Some(weights) = &result.weights {
        let SumOfWeights { sum, effective_events } = weights;
        outln!("  sum of weights {sum:.1}, as good as {effective_events:.1} events without");
    }
    if let Some(simulation) = &result.simulation {
        let SimulationUsed { events, effective_events, .. } = simulation;
        outln!(
            "  normalised over {events} accepted simulated events, as good as {effective_events:.1} without weights"
        );
    }
    if let Some(s_wave) = &result.s_wave {
        outln!("{}", line_of_s_wave(s_wave));
    }
    if let Some(background) = &result.background {
        let FittedBackground { fraction, events, signal_events, .. } = background;
        let sigma =
            background.fraction_sigma.map_or_else(|| "fixed".to_owned(), |sigma| format!("+- {sigma:.5}"));
        outln!(
            "  background {fraction:.5} {sigma} of them: {signal_events:.1} signal, {events:.1} background"
        );
    }
    if let Some(failure) = &result.failure {
        outln!("  no fit: {failure}");
    }
    for (i, c) in result.coefficients.iter().enumerate() {
        let interval = profile_in_words(c.minus, c.plus);
        let row: Vec<String> = match result.correlation.get(i) {
            Some(row) => row[..i].iter().map(|x| format!("{x:7.3}")).collect(),
            None => Vec::new(),
        };
        let correlation =
            if row.is_empty() { String::new() } else { format!("   correlation {}", row.join("")) };
        let sigma = c.sigma.map_or_else(|| "?".to_owned(), |sigma| format!("{sigma:.5}"));
        outln!("  {:<12}{:>9.5} +- {sigma}{interval}{correlation}", c.name, c.value);
    }
    if let Some(goodness) = &result.goodness {
        outln!(
            "  chi2 {:.1} for {} degrees of freedom, p = {:.4}",
            goodness.chi2,
            goodness.degrees_of_freedom,
            goodness.p_value
        );
    }
    let own: Vec<String> = result.warnings.iter().filter(|own| !elsewhere.contains(own)).cloned().collect();
    print_warnings(&own);
}
