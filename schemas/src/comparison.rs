//! Output of `compare`: several ways to estimate a coefficient, on the same samples.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::card::GeneratorCard;
use crate::inference::Assumed;

/// Coverage of one standard deviation of a normal distribution.
pub const ONE_SIGMA: f64 = 0.682_689_492_137_085_9;

/// `results/compare/comparison.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Comparison {
    /// Name of the card.
    pub name: String,
    /// The coefficient that is estimated; C9 in files of version 1.
    #[serde(default = "c9")]
    pub coefficient: String,
    /// Events of a sample.
    pub events: usize,
    /// Samples at each value, at most.
    pub images: usize,
    /// Samples at each training value that the intervals were calibrated with; 0 where they are the estimators' own.
    pub calibration_images: usize,
    /// Fraction of background of the samples; absent without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<f64>,
    /// Assumptions of estimators and calibration about the samples.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assumed: Option<Assumed>,
    /// Source of the samples, where it is not what estimators and calibration assume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<SystematicShift>,
    /// The estimators.
    pub estimators: Vec<EstimatorResult>,
    /// The shifts that a wrong simulation makes, where they were looked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wrong: Vec<WrongSimulation>,
}

/// Samples that differ from the simulation which the estimators know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WrongSimulation {
    /// Difference of the samples from the simulation, in words.
    pub what: String,
    /// By estimator.
    pub shifts: Vec<WrongShift>,
}

/// Shift of an estimator by a wrong simulation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct WrongShift {
    /// The estimator.
    pub estimator: String,
    /// Mean over the values of the shift, in units of the width of the estimates of samples as simulated.
    pub shift: f64,
    /// Statistical error of that.
    pub error: f64,
    /// Value by value.
    pub values: Vec<ShiftAtValue>,
}

impl WrongShift {
    /// The least and the most of the shifts of all values.
    pub fn extremes(&self) -> [f64; 2] {
        let shifts = || self.values.iter().map(|value| value.shift);
        [shifts().fold(f64::INFINITY, f64::min), shifts().fold(f64::NEG_INFINITY, f64::max)]
    }
}

/// A shift by a wrong simulation at one value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ShiftAtValue {
    /// True shift of the coefficient.
    pub truth: f64,
    /// Pairs of samples, one as simulated and one that differs.
    pub samples: usize,
    /// Mean difference of their estimates over the width.
    pub shift: f64,
    /// Statistical error of that.
    pub error: f64,
}

fn c9() -> String {
    "c9".to_owned()
}

/// Samples of another model than the one that the estimators know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SystematicShift {
    /// The change, in words.
    pub description: String,
    /// Source of the samples.
    pub generator: GeneratorCard,
    /// The shift of delta C9 to expect from the information matrix, to first order, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_bias: Option<f64>,
    /// The delta C9 that it was computed at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_at: Option<f64>,
}

/// One estimator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EstimatorResult {
    /// `network`, `ratio`, `unbinned`, `template` or `moments`.
    pub name: String,
    /// Slope of the straight line through the mean estimates.
    pub slope: f64,
    /// Range of truths that the slope is taken over.
    pub range: [f64; 2],
    /// Mean over the values of `ratio_to_bound`.
    pub ratio_to_bound: f64,
    /// Mean over the values of `coverage_68`.
    pub coverage_68: f64,
    /// Mean over the values of `coverage_95`.
    pub coverage_95: f64,
    /// Whether the pulls are those of the estimator's own errors; else of the calibrated intervals.
    pub own_errors: bool,
    /// Time of one estimate on one core (ms), the shortest of nine, the sample and its image given.
    pub milliseconds: f64,
    /// Value by value.
    pub values: Vec<EstimatorValue>,
}

impl EstimatorResult {
    /// An estimator from its values, with the slope of the line through those in `range`.
    pub fn new(
        name: &str,
        slope: f64,
        range: [f64; 2],
        milliseconds: f64,
        values: Vec<EstimatorValue>,
    ) -> Self {
        let mean = |of: fn(&EstimatorValue) -> f64| values.iter().map(of).sum::<f64>() / values.len() as f64;
        Self {
            name: name.to_owned(),
            slope,
            range,
            ratio_to_bound: mean(|v| v.ratio_to_bound),
            coverage_68: mean(|v| v.coverage_68),
            coverage_95: mean(|v| v.coverage_95),
            own_errors: values.iter().any(|v| v.own_coverage_68.is_some()),
            milliseconds,
            values,
        }
    }
}

/// One estimator at one value.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EstimatorValue {
    /// True shift of the coefficient; `delta_c9` in files of version 1.
    #[serde(alias = "delta_c9")]
    pub truth: f64,
    /// Samples with an estimate.
    pub images: usize,
    /// Samples without one.
    pub failed: usize,
    /// Mean estimate.
    pub mean: f64,
    /// `mean - truth`.
    pub bias: f64,
    /// Left standard deviation, as of an ensemble.
    pub sigma_left: f64,
    /// Right standard deviation.
    pub sigma_right: f64,
    /// Standard deviation.
    pub sigma: f64,
    /// d (mean estimate)/d (truth) here.
    pub slope: f64,
    /// `sigma / |slope|`.
    pub width_over_slope: f64,
    /// Information bound: the smallest error of any unbiased method, for known K pi masses and the card's own generator; of learned
    /// ratios that of the truth of accepted events.
    pub bound: f64,
    /// `width_over_slope / bound`.
    pub ratio_to_bound: f64,
    /// Part of the samples whose calibrated 68.3 % interval holds the truth; where there is no calibration, of the own ones.
    pub coverage_68: f64,
    /// Part of the samples whose calibrated 95 % interval holds the truth.
    pub coverage_95: f64,
    /// Coverage of the estimator's own interval of one standard deviation, where it has one.
    pub own_coverage_68: Option<f64>,
    /// Mean of the calibrated estimates less the truth; absent where some lie outside the range of the calibration, of which
    /// only the others would count.
    pub calibrated_bias: Option<f64>,
    /// Mean of the pulls; absent without any, as where no interval ends inside the range.
    pub pull_mean: Option<f64>,
    /// Standard deviation of the pulls; absent with fewer than two.
    pub pull_width: Option<f64>,
}

impl EstimatorValue {
    /// The fields in the order of [`EstimatorValue::csv_row`], behind the truth.
    pub const CSV_HEADER: &str = "images,failed,mean,bias,sigma_left,sigma_right,sigma,slope,\
        width_over_slope,bound,ratio_to_bound,coverage_68,coverage_95,own_coverage_68,calibrated_bias,pull_mean,\
        pull_width";

    /// The fields, comma-separated; one that is absent is empty.
    pub fn csv_row(&self) -> String {
        let numbers = [
            self.mean,
            self.bias,
            self.sigma_left,
            self.sigma_right,
            self.sigma,
            self.slope,
            self.width_over_slope,
            self.bound,
            self.ratio_to_bound,
            self.coverage_68,
            self.coverage_95,
        ];
        let numbers = numbers.map(|x| x.to_string()).join(",");
        let text = |x: Option<f64>| x.map_or_else(String::new, |x| x.to_string());
        let (own, calibrated) = (text(self.own_coverage_68), text(self.calibrated_bias));
        let [pull_mean, pull_width] = [self.pull_mean, self.pull_width].map(text);
        let Self { truth, images, failed, .. } = self;
        format!("{truth},{images},{failed},{numbers},{own},{calibrated},{pull_mean},{pull_width}")
    }
}

/// One image of `predict --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PredictedImage {
    /// Place in the file, from 0.
    pub image: usize,
    /// The coefficient that is estimated.
    pub coefficient: String,
    /// Its shift that the file gives; absent where it is not known.
    pub label: Option<f64>,
    /// Output of the network.
    pub raw: f64,
    /// The shift whose median prediction this is; absent outside the calibrated range.
    pub value: Option<f64>,
    /// That value once more, where the coefficient is C9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delta_c9: Option<f64>,
    /// Lower end of the 68.3 % interval; absent where it lies outside the calibrated range.
    pub low_68: Option<f64>,
    /// Upper end.
    pub high_68: Option<f64>,
    /// Lower end of the 95 % interval.
    pub low_95: Option<f64>,
    /// Upper end.
    pub high_95: Option<f64>,
    /// `inside`, or `below` or `above` the predictions of every calibrated shift.
    pub range: String,
}
