//! Results of a run: `results/ensembles.json` and its relatives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The predictions of one test ensemble; `results/ensembles.json` is an array of them in rising truth.
///
/// With predictions x_k of n images and their mean, `sigma_left^2` is the mean of (x_k - mean)^2 over those below
/// the mean, `sigma_right^2` the same over those above.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EnsembleResult {
    /// True shift of the coefficient; `delta_c9` in files of version 1.
    #[serde(alias = "delta_c9")]
    pub truth: f64,
    /// Images in the ensemble.
    pub n_images: usize,
    /// Mean prediction.
    pub mean: f64,
    /// Left standard deviation; this and the other two are null of one image, which has no spread.
    pub sigma_left: Option<f64>,
    /// Right standard deviation.
    pub sigma_right: Option<f64>,
    /// Standard deviation over all (n - 1 in the denominator).
    pub sigma: Option<f64>,
    /// `mean - truth`.
    pub bias: f64,
    /// Whether the network was trained on images of this value.
    pub trained: bool,
}

/// `results/summary.json`: the run in a few numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Summary {
    /// Name of the card.
    pub name: String,
    /// Range of delta C9 that slope and bias are taken over.
    pub range: [f64; 2],
    /// Slope of the straight line through the ensemble means, each with the same weight.
    pub slope: f64,
    /// Its intercept at delta C9 = 0.
    pub intercept: f64,
    /// Mean of |bias| over the ensembles.
    pub mean_abs_bias: f64,
    /// Root mean square of prediction - truth over all images of the range.
    pub rmse: f64,
    /// Mean of sigma over the ensembles of more than one image; null without such.
    pub mean_sigma: Option<f64>,
    /// RMSE of always predicting the mean of the range: what a network that learned nothing has.
    pub baseline_rmse: f64,
    /// `rmse / baseline_rmse`: 1 is nothing learned, 0 is perfect.
    pub rmse_over_baseline: f64,
    /// Mean of sigma / |slope| over the ensembles, over the baseline; absent where the slope is exactly 0 or no width is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub width_over_baseline: Option<f64>,
}

/// `results/ratio.json`: pseudo-experiments of learned ratios.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RatioEvaluation {
    /// Name of the card.
    pub name: String,
    /// Fraction of background of all pseudo-experiments.
    pub fraction: f64,
    /// Whether their events were made for them alone; otherwise those of a point share none among each other, but those of other
    /// points are partly the same.
    pub fresh: bool,
    /// Part of the true coefficients' squared spread that the networks leave, at the end of their training.
    pub loss: f64,
    /// Cross-entropy of signal and background, where they are told apart.
    pub entropy: Option<f64>,
    /// By point of the coefficients.
    pub points: Vec<RatioPoint>,
}

/// Pseudo-experiments of one point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RatioPoint {
    /// Number of pseudo-experiments.
    pub experiments: usize,
    /// Events of each.
    pub events: usize,
    /// Effective number of simulated events of the calibration there, `(sum w)^2/sum w^2`.
    pub effective_events: f64,
    /// Part of the pseudo-experiments with a p-value below 5 %.
    pub p_value_below_5: Option<f64>,
    /// By coefficient.
    pub coefficients: Vec<RatioCoefficient>,
}

/// A coefficient at one point. Of fewer than two pseudo-experiments hardly anything is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RatioCoefficient {
    /// Its name.
    pub name: String,
    /// Its true shift.
    pub truth: f64,
    /// Mean of the estimates.
    pub mean: Option<f64>,
    /// Their standard deviation.
    pub sigma: Option<f64>,
    /// Mean of their stated standard deviations.
    pub error: Option<f64>,
    /// Mean of the pulls, by the profile of the likelihood.
    pub pull_mean: Option<f64>,
    /// Their standard deviation.
    pub pull_width: Option<f64>,
    /// Part of the intervals of 68.3 % that hold the truth.
    pub coverage: Option<f64>,
    /// Part of the intervals of 95 % that holds the truth.
    pub coverage_95: Option<f64>,
    /// Standard deviation that the calibration expects, the fraction of background known.
    pub expected: Option<f64>,
    /// Smallest one that the truth of as many accepted events would leave, background told apart as well as it is learned, fraction and
    /// simulation known.
    pub bound: Option<f64>,
}

/// One value of `observe --json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ObservableValue {
    /// The process, as in `B0->K*0mumu`.
    pub process: String,
    /// The observable, as in `F_L`.
    pub observable: String,
    /// Lower end of the bin [GeV^2].
    pub q2_min: f64,
    /// Upper end of the bin [GeV^2].
    pub q2_max: f64,
    /// Its value; dBR_dq2 in GeV^-2, dGamma_dq2 in GeV^-1.
    pub value: f64,
    /// Its theory uncertainty, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<f64>,
    /// The correlation of its uncertainty with that of each value of the array, in order, where asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<Vec<f64>>,
    /// Reason that makes the value doubtful, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caution: Option<String>,
}

/// `inputs --json`: one physical input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InputValue {
    /// Its name, as `--inputs NAME=VALUE` takes it.
    pub name: String,
    /// Central value in `unit`.
    pub value: f64,
    /// Symmetric standard deviation in `unit`; 0 where the value is exact or fixed by definition.
    pub uncertainty: f64,
    /// Unit; "1" for a pure number.
    pub unit: String,
    /// Source of the numbers.
    pub source: String,
}

/// One line of `training/metrics.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct EpochMetrics {
    /// Epoch, from 1.
    pub epoch: usize,
    /// Learning rate at the end of the epoch.
    pub learning_rate: f64,
    /// Mean loss over the training batches.
    pub train_loss: f64,
    /// Mean absolute error on the validation images, in units of delta C9.
    pub validation_mae: f64,
    /// Loss on the validation images.
    pub validation_loss: f64,
    /// Images seen so far.
    pub images_seen: u64,
    /// Whether this epoch is the best so far.
    pub best: bool,
}

impl EpochMetrics {
    /// The fields in the order of [`EpochMetrics::csv_row`].
    pub const CSV_HEADER: &str =
        "epoch,learning_rate,train_loss,validation_mae,validation_loss,images_seen,best";

    /// The fields, comma-separated.
    pub fn csv_row(&self) -> String {
        let Self { epoch, learning_rate, train_loss, validation_mae, validation_loss, images_seen, best } =
            self;
        format!(
            "{epoch},{learning_rate},{train_loss},{validation_mae},{validation_loss},{images_seen},{best}"
        )
    }
}
