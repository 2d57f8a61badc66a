//! Unbinned fits of a sample, or of parts of it.

use humboldt_physics::WilsonDirection;
use humboldt_schemas::inference::{
    Assumed, FitResult, FittedBackground, FittedCoefficient, GoodnessOfFit, SumOfWeights,
};
use rayon::prelude::*;

use super::{Known, KnownBackground, MeasuredSample};
use crate::Error;
use crate::assumptions::{emptiness, small_p_value};
use crate::error::Place;
use crate::infer::InferError;
use crate::infer::goodness::Goodness;
use crate::infer::mixture::Fraction;
use crate::infer::unbinned::{Fitted, Interval, fit, intervals};
use crate::infer::weights::{Counted, Weights};

/// The sentence about a negative strength of the S-wave.
const REVERSED: &str = "the S-wave interferes with the opposite sign: its phase differs by about pi from the one that is assumed";

/// Fits of parts of one sample.
#[derive(Debug, Clone)]
pub struct Fits {
    /// One for each part; one without a minimum says so in `failure`.
    pub results: Vec<FitResult>,
    /// Warnings that hold for all, which each of them has as well.
    pub warnings: Vec<String>,
    /// Last events of the sample, too few for a part.
    pub left_over: usize,
}

/// Fits a sample, so many events at a time where a number is given, with profile intervals where they are asked for.
///
/// # Errors
/// When there are fewer events than in one part, or events that the density does not allow.
pub fn fits(
    sample: &MeasuredSample,
    known: &Known,
    free: &[WilsonDirection],
    events: Option<usize>,
    profiles: bool,
) -> Result<Fits, Error> {
    let total = sample.events.len();
    let size = events.unwrap_or(total);
    if !(1..=total).contains(&size) {
        return Err(Error::setting("events", size, format!("1 to {total}, of which there are events")));
    }
    let parts = total / size;
    let of = |part: usize| {
        let rows = Rows { first: part * size, count: size, fits: parts };
        let place = || format!("events {} to {}", rows.first, rows.first + size - 1);
        fit_one(sample, known, free, &rows, profiles).place(place)
    };
    let fitted: Vec<(FitResult, Option<Vec<f64>>)> =
        (0..parts).into_par_iter().map(of).collect::<Result<_, _>>()?;
    let (mut results, points): (Vec<FitResult>, Vec<Option<Vec<f64>>>) = fitted.into_iter().unzip();
    let mut warnings = sample.warnings.clone();
    let in_mixture = known.background().filter(|background| !background.subtracted);
    warnings.extend(in_mixture.and_then(KnownBackground::warning));
    // Of weighted or selected events, and of background, nothing is known there.
    let plain = sample.weights.is_none() && known.is_plain();
    if let Some(point) = points.iter().flatten().next().filter(|_| plain) {
        warnings.extend(emptiness(&known.families[0], &sample.events, point));
    }
    for result in &mut results {
        result.warnings.splice(0..0, warnings.iter().cloned());
    }
    Ok(Fits { results, warnings, left_over: total % size })
}

/// The fit of some events, and the parameters of the rate that it found.
fn fit_one(
    sample: &MeasuredSample,
    known: &Known,
    free: &[WilsonDirection],
    rows: &Rows,
    profiles: bool,
) -> Result<(FitResult, Option<Vec<f64>>), Error> {
    let range = rows.first..rows.first + rows.count;
    let events = sample.events.rows(range.clone());
    let weights = sample.weights.as_ref().map(|weights| weights.rows(range.clone())).transpose()?;
    let likelihood = known.likelihood(sample, &events, rows.first, weights.as_ref())?;
    let each = Counted { events: rows.count, sum: rows.count as f64, effective: rows.count as f64 };
    let counted = weights.as_ref().map_or(each, Weights::counted);
    let sum_of = weights.as_ref().map(|_| sum_of_weights(counted));
    let found = fit(&likelihood).and_then(|mut fitted| {
        let profile = if profiles { Some(intervals(&likelihood, &mut fitted)?) } else { None };
        Ok((fitted, profile))
    });
    let (fitted, profile) = match found {
        Ok(found) => found,
        // One sample without a minimum takes nothing from the others.
        Err(InferError::NoMinimum { reason, .. }) => {
            let nothing = empty_result(rows, sample.assumed.clone());
            return Ok((FitResult { weights: sum_of, failure: Some(reason), ..nothing }, None));
        }
        Err(error) => return Err(error.into()),
    };
    let (n, of_rate) = (free.len(), likelihood.rate_parameters());
    let background =
        known.background().map(|background| fitted_background(background, &fitted, of_rate, counted));
    let fraction = background.map_or(0.0, |background| background.fraction);
    let (point, shares) = (&fitted.values[..of_rate], sample.shares(range));
    let goodness = known.goodness(&events, weights.as_ref(), point, &shares, fraction)?;
    let signal = counted.effective * (1.0 - fraction);
    let (simulation, warnings) = known.simulation_used(&fitted, &likelihood, &shares, signal)?;
    let profile = profile.as_deref();
    let s_wave = known.fitted_s_wave(&fitted, n, profile);
    let mut result = fit_result(free, &fitted, profile, goodness, rows, sample.assumed.clone());
    result.warnings.extend(warnings);
    result.warnings.extend(s_wave.filter(|s_wave| s_wave.reversed).map(|_| REVERSED.to_owned()));
    let result = FitResult { weights: sum_of, simulation, s_wave, background, ..result };
    Ok((result, Some(point.to_vec())))
}

/// The background after a fit of `n` parameters of the rate.
fn fitted_background(
    KnownBackground { density, fraction, subtracted, .. }: &KnownBackground,
    fitted: &Fitted,
    n: usize,
    counted: Counted,
) -> FittedBackground {
    let (value, sigma) = match *fraction {
        Fraction::Fixed(value) => (value, None),
        Fraction::Constrained(value, sigma) if *subtracted => (value, Some(sigma)),
        Fraction::Free | Fraction::Constrained(..) => (fitted.values[n], Some(fitted.sigma()[n])),
    };
    FittedBackground {
        sample_events: density.events(),
        order: (!subtracted).then(|| density.order()),
        fraction: value,
        fraction_sigma: sigma.filter(|sigma| sigma.is_finite()),
        events: counted.sum * value,
        signal_events: counted.sum * (1.0 - value),
    }
}

/// Weights as results name them.
pub(crate) const fn sum_of_weights(counted: Counted) -> SumOfWeights {
    SumOfWeights { sum: counted.sum, effective_events: counted.effective }
}

/// The events of a fit.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows {
    /// Row of the first.
    pub(crate) first: usize,
    /// Number of them.
    pub(crate) count: usize,
    /// Number of fits of which it is one.
    pub(crate) fits: usize,
}

/// A fit that says nothing.
fn empty_result(rows: &Rows, assumed: Assumed) -> FitResult {
    FitResult {
        first_row: rows.first as u64,
        events: rows.count,
        weights: None,
        simulation: None,
        s_wave: None,
        background: None,
        coefficients: Vec::new(),
        correlation: Vec::new(),
        goodness: None,
        failure: None,
        assumed,
        warnings: Vec::new(),
    }
}

/// A fit of coefficients; `profile` where one was asked for.
pub(crate) fn fit_result(
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
        warnings,
        ..empty_result(rows, assumed)
    }
}
