//! Output of `humboldt global` with `--json`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One measurement and its prediction; LHCb convention, rates in GeV^-2.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Contribution {
    /// The process, as in `B0->K*0mumu`.
    pub process: String,
    /// The observable, as in `P5p`.
    pub observable: String,
    /// Lower end of the bin [GeV^2].
    pub q2_min: f64,
    /// Upper end of the bin [GeV^2].
    pub q2_max: f64,
    /// The measured value.
    pub measured: f64,
    /// Its upward error.
    pub error_plus: f64,
    /// Its downward error.
    pub error_minus: f64,
    /// The prediction.
    pub prediction: f64,
    /// Its theory error; 0 where none is taken into account.
    pub theory_error: f64,
    /// (measured - prediction) / error, the measured error on the side of the prediction and the theory error together.
    pub pull: f64,
    /// Contribution to chi-square: the square of the pull, if correlations are left out.
    pub contribution: f64,
    /// Source of the measurement.
    pub source: String,
}

/// A measurement that does not count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LeftOut {
    /// The process.
    pub process: String,
    /// The observable.
    pub observable: String,
    /// Lower end of the bin [GeV^2].
    pub q2_min: f64,
    /// Upper end of the bin [GeV^2].
    pub q2_max: f64,
    /// The measured value.
    pub measured: f64,
    /// Its upward error.
    pub error_plus: f64,
    /// Its downward error.
    pub error_minus: f64,
    /// Why it does not count.
    pub reason: String,
    /// Its source.
    pub source: String,
}

/// `global chi2 --json`: chi-square of one point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ChiSquareResult {
    /// Chi-square.
    pub chi2: f64,
    /// Measurements.
    pub n: usize,
    /// Probability of a chi-square at least as large, nothing having been fitted.
    pub p_value: f64,
    /// Every measurement.
    pub contributions: Vec<Contribution>,
    /// Reasons that make the numbers doubtful.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Measurements that the data hold and that do not count.
    pub left_out: Vec<LeftOut>,
}

/// A fitted parameter.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FittedParameter {
    /// Its name: `c9`, `c7_prime_im`, `a0`, `a0[P1]`.
    pub name: String,
    /// Its value at the minimum.
    pub value: f64,
    /// Standard deviation from the second derivatives; absent where they are not positive definite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigma: Option<f64>,
    /// Distance downwards at which its profile has risen by 1; absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minus: Option<f64>,
    /// Distance upwards at which its profile has risen by 1; absent where it does not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plus: Option<f64>,
}

/// `global fit --json`: the best fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FitResult {
    /// Chi-square at its minimum.
    pub chi2: f64,
    /// Measurements.
    pub n: usize,
    /// Measurements less free parameters.
    pub degrees_of_freedom: usize,
    /// Probability of a chi-square at least as large with so many degrees of freedom.
    pub p_value: f64,
    /// Chi-square with all free parameters 0: the Standard Model, unless others are fixed elsewhere.
    pub chi2_at_zero: f64,
    /// Distance in standard deviations, from the rise of chi-square in so many parameters; absent beyond 38.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigmas_from_zero: Option<f64>,
    /// The parameters.
    pub parameters: Vec<FittedParameter>,
    /// Correlation of each pair of parameters, from the second derivatives; absent where they are not positive definite.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Vec<Vec<f64>>>,
    /// Every measurement at the minimum.
    pub contributions: Vec<Contribution>,
    /// Reasons that make the numbers doubtful.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// Measurements that the data hold and that do not count.
    pub left_out: Vec<LeftOut>,
    /// Of a shift by ranges of q2: the fit of one value for all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub one_value: Option<OneValue>,
}

/// A shift that is the same in all ranges of q2.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct OneValue {
    /// Its value.
    pub value: f64,
    /// Chi-square.
    pub chi2: f64,
    /// Probability that values of their own in all ranges lower chi-square as much or more by chance.
    pub p_value: f64,
}

/// The fit of one set of measurements.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SetFit {
    /// The sets.
    pub data: Vec<String>,
    /// Measurements.
    pub n: usize,
    /// Chi-square at its minimum.
    pub chi2: f64,
    /// Probability of a chi-square at least as large.
    pub p_value: f64,
    /// The parameters at the minimum, with errors from the second derivatives.
    pub parameters: Vec<FittedParameter>,
}

/// `global compare --json`: whether two sets of measurements say the same.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CompareResult {
    /// The first, the second, and both together.
    pub fits: Vec<SetFit>,
    /// Chi-square of both together above the sum of each alone.
    pub rise: f64,
    /// Free parameters: the degrees of freedom of the rise.
    pub free: usize,
    /// Probability of a rise at least as large.
    pub p_value: f64,
}

/// A parameter's posterior density.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PosteriorParameter {
    /// Its name.
    pub name: String,
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sigma: f64,
    /// Median.
    pub median: f64,
    /// Quantile at 0.159.
    pub low: f64,
    /// Quantile at 0.841.
    pub high: f64,
    /// Steps after which the walkers' mean is independent of itself; absent where the chain is too short to tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_time: Option<f64>,
}

/// `global sample --json`: the posterior density.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PosteriorResult {
    /// Walkers of the ensemble.
    pub walkers: usize,
    /// Steps kept.
    pub steps: usize,
    /// Share of accepted moves.
    pub acceptance: f64,
    /// The parameters.
    pub parameters: Vec<PosteriorParameter>,
}
