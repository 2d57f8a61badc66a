//! The posterior density of the parameters, proportional to `exp(-chi2/2)`, flat where shifts and coefficients lie within
//! ten of their scales of zero, by an ensemble of walkers (Goodman and Weare, CAMCoS 5, 65, 2010).
//!
//! The stretch move does not care how parameters are scaled or correlated, and it needs no derivatives, which the
//! asymmetric errors do not have everywhere.

use hammer_and_sample::{MinChainLen, Model, Serial, Stretch, auto_corr_time};
use humboldt_pipeline::rng::seeded;
use humboldt_schemas::Invalid;
use statrs::statistics::{Data, OrderStatistics, Statistics};

use super::GlobalError;
use super::intervals::Fitted;
use super::statistic::ChiSquare;
use crate::infer::variation::unit_normals;

/// Half the width of the flat prior, in units of [`super::statistic::Parameter::scale`].
pub const PRIOR: f64 = 10.0;

/// Length of the sampling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// Steps that are kept.
    pub steps: usize,
    /// Steps before them that are not.
    pub burn_in: usize,
    /// Seed of all walkers.
    pub seed: u64,
}

/// A sample of the posterior density.
#[derive(Debug, Clone, PartialEq)]
pub struct PosteriorSample {
    /// Values of the parameters, step by step, within a step walker by walker.
    pub points: Vec<Vec<f64>>,
    /// Walkers of the ensemble.
    pub walkers: usize,
    /// Share of the moves that were accepted, of all steps.
    pub acceptance: f64,
}

/// One parameter's posterior density in a few numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Marginal {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sigma: f64,
    /// Quantiles at 0.1587, 0.5 and 0.8413: what one standard deviation is for a normal density.
    pub quantiles: [f64; 3],
    /// Steps after which the ensemble's mean is independent of itself; `None` where the chain is shorter than 50 of them,
    /// which is too short to trust.
    pub correlation_time: Option<f64>,
}

struct Posterior<'a>(&'a ChiSquare);

impl Model for Posterior<'_> {
    type Params = Vec<f64>;

    fn log_prob(&self, values: &Vec<f64>) -> f64 {
        let inside = self.0.parameters().iter().zip(values).all(|(p, x)| x.abs() <= PRIOR * p.scale());
        let chi2 = if inside { self.0.value(values).ok() } else { None };
        chi2.filter(|chi2| chi2.is_finite()).map_or(f64::NEG_INFINITY, |chi2| -0.5 * chi2)
    }
}

/// Samples the posterior density, from around a fit. The same seed gives the same sample.
///
/// # Errors
/// Without parameters or steps, or when the fit lies outside the prior.
pub fn posterior(
    statistic: &ChiSquare,
    fit: &Fitted,
    length: Length,
) -> Result<PosteriorSample, GlobalError> {
    let parameters = statistic.parameters();
    Invalid::unless(!parameters.is_empty(), "free", "nothing", "at least one parameter")?;
    Invalid::unless(length.steps >= 1, "steps", length.steps, "1 or more")?;
    for (parameter, value) in parameters.iter().zip(&fit.best.values) {
        let limit = PRIOR * parameter.scale();
        let field = format!("best fit of {parameter}");
        Invalid::unless(
            value.abs() < limit,
            &field,
            value,
            format!("inside the prior, -{limit} to {limit}"),
        )?;
    }
    // Even, at least twice the dimension, and enough for a mean per step.
    let walkers = (4 * parameters.len()).max(32);
    let spread: Vec<f64> = (0..parameters.len()).map(|i| width(statistic, fit, i)).collect();
    let stream = seeded(length.seed);
    let start = |k: usize| {
        // 2^64 words of the stream for each walker.
        let mut rng = stream.clone();
        rng.advance((k as u128) << 64);
        let normals = unit_normals(&mut rng, parameters.len());
        let place = |i: usize| {
            let limit = 0.99 * PRIOR * parameters[i].scale();
            (fit.best.values[i] + 0.5 * spread[i] * normals[i]).clamp(-limit, limit)
        };
        ((0..parameters.len()).map(place).collect(), rng)
    };
    let total = (length.burn_in + length.steps) * walkers;
    let model = Posterior(statistic);
    let (chain, accepted) = hammer_and_sample::sample(
        &model,
        &Stretch::default(),
        (0..walkers).map(start),
        MinChainLen(total),
        Serial,
    );
    let acceptance = accepted as f64 / chain.len() as f64;
    Ok(PosteriorSample { points: chain[length.burn_in * walkers..total].to_vec(), walkers, acceptance })
}

/// A parameter's standard deviation as the fit has it, or its scale.
fn width(statistic: &ChiSquare, fit: &Fitted, index: usize) -> f64 {
    let scale = statistic.parameters()[index].scale();
    let sigma = fit.curvature.sigma[index];
    if sigma.is_finite() { sigma.min(scale) } else { 0.1 * scale }
}

impl PosteriorSample {
    /// Mean, width, quantiles of a parameter.
    pub fn marginal(&self, parameter: usize) -> Marginal {
        let values: Vec<f64> = self.points.iter().map(|point| point[parameter]).collect();
        let means: Vec<f64> = values.chunks(self.walkers).map(Statistics::mean).collect();
        let (mean, sigma) = ((&values).mean(), (&values).std_dev());
        let mut ordered = Data::new(values);
        let quantiles = [0.158_655, 0.5, 0.841_345].map(|p| ordered.quantile(p));
        Marginal { mean, sigma, quantiles, correlation_time: auto_corr_time(means.into_iter(), None, None) }
    }
}

#[cfg(test)]
mod tests {
    use humboldt_physics::{
        MeasurementSet, ModelName, Parameters, Theory, WilsonCoefficient, WilsonDirection,
    };
    use humboldt_schemas::measurements::MeasurementFile;

    use super::*;
    use crate::global::data::Data as Measured;
    use crate::global::intervals::fitted;
    use crate::global::polynomials::Polynomials;
    use crate::global::statistic::Errors;

    fn statistic() -> ChiSquare {
        let data = Measured::new(&MeasurementFile::built_in(MeasurementSet::Lhcb2021).unwrap()).unwrap();
        let directions = [WilsonCoefficient::C9, WilsonCoefficient::C10].map(WilsonDirection::real);
        let theory = Theory::new(ModelName::Bare, Parameters::standard());
        ChiSquare::new(&theory, data, &directions, Polynomials::default(), &Errors::default()).unwrap()
    }

    /// With this much data the density is close to the normal one of the curvature.
    #[test]
    fn the_posterior_has_the_mean_and_width_of_the_fit() {
        let statistic = statistic();
        let fit = fitted(&statistic).unwrap();
        let curvature = fit.curvature.clone();
        let length = Length { steps: 4000, burn_in: 200, seed: 3 };
        let sample = posterior(&statistic, &fit, length).unwrap();
        assert_eq!(sample.points.len(), 4000 * sample.walkers);
        assert!((0.4..0.9).contains(&sample.acceptance), "{}", sample.acceptance);
        for index in 0..2 {
            let marginal = sample.marginal(index);
            let sigma = curvature.sigma[index];
            // Some 4000 x 32 / (2 x 20) independent points: 2 % of sigma; and the density is not quite normal.
            assert!((marginal.mean - fit.best.values[index]).abs() < 0.1 * sigma, "{marginal:?}");
            assert!((marginal.sigma / sigma - 1.0).abs() < 0.05, "{marginal:?} {sigma}");
            assert!((marginal.quantiles[2] - marginal.quantiles[0]) / (2.0 * sigma) - 1.0 < 0.05);
            assert!(
                marginal.correlation_time.is_some_and(|steps| (2.0..60.0).contains(&steps)),
                "{marginal:?}"
            );
        }
        let again = posterior(&statistic, &fit, length).unwrap();
        assert!(again == sample, "the same seed gave another sample");
        let other = posterior(&statistic, &fit, Length { seed: 4, ..length }).unwrap();
        assert!(other != sample);
    }

    #[test]
    fn a_fit_outside_the_prior_is_refused() {
        let statistic = statistic();
        let mut fit = fitted(&statistic).unwrap();
        fit.best.values[0] = -11.0;
        let error =
            posterior(&statistic, &fit, Length { steps: 1, burn_in: 0, seed: 1 }).unwrap_err().to_string();
        assert!(error.contains("c9") && error.contains("-11") && error.contains("-10 to 10"), "{error}");
    }
}
