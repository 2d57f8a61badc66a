//! `humboldt fit`: Wilson coefficients from events, by unbinned maximum likelihood in four variables.

use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use clap::Args;
use humboldt_physics::WilsonDirection;
use humboldt_schemas::inference::{
    Assumed, FitResult, FittedBackground, FittedCoefficient, FittedSWave, GoodnessOfFit, SimulationUsed,
    SumOfWeights,
};
use rayon::prelude::*;

use super::arguments::count;
use super::measured::{KnownOfMeasured, MeasuredArguments};
use super::sample::{Sample, SampleArguments};
use crate::assumptions::{emptiness, print_warnings, sentence, small_p_value};
use crate::infer::InferError;
use crate::infer::background::Background;
use crate::infer::goodness::Goodness;
use crate::infer::mixture::Fraction;
use crate::infer::unbinned::{Fitted, Interval, fit, intervals};
use crate::infer::weights::Counted;
use crate::progress::{note, outln};

/// Fit Wilson coefficients to events: exact density in q2, both cosines and chi (and m_kpi), of its shape alone
#[derive(Debug, Args)]
pub(super) struct FitArguments {
    #[command(flatten)]
    sample: SampleArguments,
    #[command(flatten)]
    measured: MeasuredArguments,
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
        let sample = self.sample.read(&self.free, true)?;
        let known = self.measured.read(&sample, &self.free)?;
        let total = sample.events.len();
        let size = self.events_per_fit.map_or(total, |n| usize::try_from(n).unwrap_or(usize::MAX));
        ensure!(
            size <= total,
            "--events = {size} is not allowed; allowed: at most {total}, of which there are events"
        );
        let starts: Vec<usize> = (0..total / size).map(|k| k * size).collect();
        let of = |start: &usize| self.fit_one(&sample, &known, *start, size, starts.len());
        let fits: Vec<(FitResult, Option<Vec<f64>>)> = starts.par_iter().map(of).collect::<Result<_>>()?;
        let (mut results, fitted): (Vec<FitResult>, Vec<Option<Vec<f64>>>) = fits.into_iter().unzip();
        let mut common = sample.warnings.clone();
        common.extend(self.measured.unsaid(&sample));
        // Of weighted or selected events, and of background, nothing is known there.
        let plain = sample.weights.is_none() && known.is_plain();
        let fitted = fitted.iter().flatten().next();
        if let Some(point) = fitted.filter(|_| plain) {
            common.extend(emptiness(&known.families[0], &sample.events, point));
        }
        for result in &mut results {
            result.warnings.splice(0..0, common.iter().cloned());
        }
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&results)?);
        } else {
            outln!("assumed: {}", sentence(&sample.assumed));
            for result in &results {
                print(result, &common);
            }
            print_warnings(&common);
        }
        if total % size > 0 {
            note(format!("left out the last {} events, less than a sample", total % size));
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

    /// The fit of some events, and the parameters of the rate that it found.
    fn fit_one(
        &self,
        sample: &Sample,
        known: &KnownOfMeasured,
        start: usize,
        size: usize,
        fits: usize,
    ) -> Result<(FitResult, Option<Vec<f64>>)> {
        let rows = format!("events {start} to {}", start + size - 1);
        let events = sample.events.rows(start..start + size);
        let weights = sample.weights.as_ref().map(|weights| weights.rows(start..start + size)).transpose();
        let weights = weights.with_context(|| rows.clone())?;
        let mut likelihood = known.likelihood(sample, &events, start).with_context(|| rows.clone())?;
        if let Some(weights) = &weights {
            likelihood = likelihood.weighted(weights.clone())?;
        }
        let counted = likelihood.counted();
        let sum_of = weights.as_ref().map(|_| sum_of_weights(counted));
        let found = fit(&likelihood).and_then(|mut fitted| {
            let profile = if self.no_intervals { None } else { Some(intervals(&likelihood, &mut fitted)?) };
            Ok((fitted, profile))
        });
        let at = Rows { first: start as u64, count: size, fits };
        match found {
            Ok((fitted, profile)) => {
                let (n, of_rate) = (self.free.len(), likelihood.rate_parameters());
                let background = known
                    .background()
                    .map(|background| fitted_background(background, &fitted, of_rate, counted));
                let fraction = background.map_or(0.0, |background| background.fraction);
                let (point, shares) = (&fitted.values[..of_rate], sample.shares(start..start + size));
                let goodness = known.goodness(&events, weights.as_ref(), point, &shares, fraction)?;
                let signal = counted.effective * (1.0 - fraction);
                let (simulation, warnings) = known.simulation_used(&fitted, &likelihood, &shares, signal)?;
                let profile = profile.as_deref();
                let s_wave = known.fitted_s_wave(&fitted, n, profile);
                let mut result = result(&self.free, &fitted, profile, goodness, &at, sample.assumed.clone());
                result.warnings.extend(warnings);
                result.warnings.extend(s_wave.filter(|s_wave| s_wave.reversed).map(|_| REVERSED.to_owned()));
                let result = FitResult { weights: sum_of, simulation, s_wave, background, ..result };
                Ok((result, Some(point.to_vec())))
            }
            // One sample without a minimum takes nothing from the others.
            Err(InferError::NoMinimum { reason, .. }) => {
                let result = FitResult {
                    first_row: at.first,
                    events: at.count,
                    weights: sum_of,
                    simulation: None,
                    s_wave: None,
                    background: None,
                    coefficients: Vec::new(),
                    correlation: Vec::new(),
                    goodness: None,
                    failure: Some(reason),
                    assumed: sample.assumed.clone(),
                    warnings: Vec::new(),
                };
                Ok((result, None))
            }
            Err(error) => Err(error).with_context(|| rows),
        }
    }
}

/// What a negative strength of the S-wave means.
const REVERSED: &str = "the S-wave interferes with the opposite sign: its phase differs by about pi from the one that is assumed";

/// The background after a fit of `n` parameters of the rate.
fn fitted_background(
    (density, fraction): (&Background, Fraction),
    fitted: &Fitted,
    n: usize,
    counted: Counted,
) -> FittedBackground {
    let (value, sigma) = match fraction {
        Fraction::Fixed(value) => (value, None),
        Fraction::Free | Fraction::Constrained(..) => (fitted.values[n], Some(fitted.sigma()[n])),
    };
    FittedBackground {
        sample_events: density.events(),
        order: density.order(),
        fraction: value,
        fraction_sigma: sigma.filter(|sigma| sigma.is_finite()),
        events: counted.sum * value,
        signal_events: counted.sum * (1.0 - value),
    }
}

/// Weights as they are printed.
pub(super) const fn sum_of_weights(counted: Counted) -> SumOfWeights {
    SumOfWeights { sum: counted.sum, effective_events: counted.effective }
}

fn names(directions: &[WilsonDirection]) -> String {
    directions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// The events of a fit: row of the first, how many, and the number of fits of which it is one.
pub(super) struct Rows {
    pub(super) first: u64,
    pub(super) count: usize,
    pub(super) fits: usize,
}

/// A fit as it is printed; `profile` where one was asked for.
pub(super) fn result(
    directions: &[WilsonDirection],
    fitted: &Fitted,
    profile: Option<&[Interval]>,
    goodness: Goodness,
    rows: &Rows,
    assumed: Assumed,
) -> FitResult {
    let sigma = fitted.sigma();
    let interval = |i: usize| profile.map(|profile| profile[i]);
    let coefficient = |(i, direction): (usize, &WilsonDirection)| FittedCoefficient {
        name: direction.to_string(),
        value: fitted.values[i],
        sigma: Some(sigma[i]).filter(|sigma| sigma.is_finite()),
        minus: interval(i).and_then(|interval| interval.minus),
        plus: interval(i).and_then(|interval| interval.plus),
    };
    let n = directions.len();
    let correlation = |i: usize, j: usize| fitted.covariance[(i, j)] / (sigma[i] * sigma[j]);
    let known = sigma.iter().all(|sigma| sigma.is_finite());
    let doubt = |(i, direction): (usize, &WilsonDirection)| match (sigma[i].is_finite(), interval(i)) {
        (_, Some(Interval { minus: None, plus: None })) => Some(format!(
            "{direction} is not determined: -2 ln L rises by less than 1 on both sides, as far as it is followed"
        )),
        (false, Some(Interval { minus: None, .. } | Interval { plus: None, .. })) => Some(format!(
            "{direction} is not held on one side: the shape hardly changes where coefficients grow together, and only the profile's end means something"
        )),
        (false, _) => Some(format!(
            "{direction} has no standard deviation: the fit is not curved upwards along it there"
        )),
        (true, _) => None,
    };
    let mut warnings: Vec<String> = directions.iter().enumerate().filter_map(doubt).collect();
    warnings.extend(small_p_value(goodness.p_value, rows.fits));
    FitResult {
        first_row: rows.first,
        events: rows.count,
        weights: None,
        simulation: None,
        s_wave: None,
        background: None,
        coefficients: directions.iter().enumerate().map(coefficient).collect(),
        correlation: if known {
            (0..n).map(|i| (0..n).map(|j| correlation(i, j)).collect()).collect()
        } else {
            Vec::new()
        },
        goodness: Some(GoodnessOfFit {
            chi2: goodness.chi2,
            degrees_of_freedom: goodness.degrees_of_freedom,
            p_value: goodness.p_value,
        }),
        failure: None,
        assumed,
        warnings,
    }
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
