//! Output of `bound`, `fit`, `moments` and `infer` with `--json`.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::background::BackgroundDensity;
use crate::complex::ComplexValue;

/// The density that a command takes a sample to follow.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Assumed {
    /// Amplitude model.
    pub model: String,
    /// Decaying meson.
    pub flavour: String,
    /// Lepton.
    pub lepton: String,
    /// K pi mass: `breit-wigner`, or `narrow` for the pole.
    pub line_shape: String,
    /// Windows in q2 [GeV^2], vetoes taken out.
    ///
    /// # Shapes
    /// [window, (low, high)]
    pub q2: Vec<[f64; 2]>,
    /// Window in the K pi mass (GeV); absent where all masses of the line shape are taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub m_kpi: Option<[f64; 2]>,
    /// Shifts that are held fixed, by coefficient; all others that are not fitted are 0.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub fixed: BTreeMap<String, ComplexValue>,
    /// Physical inputs other than the built-in ones.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub inputs: BTreeMap<String, f64>,
    /// Charmonium resonances in place of the charm loop: scale and phase.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charmonium: Option<BTreeMap<String, [f64; 2]>>,
    /// Names of those that neither the file nor an option says.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub by_default: Vec<String>,
}

/// Output of `check --json`: whether events follow the density that they are said to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Closure {
    /// Whether they do, as far as so many events tell.
    pub follows: bool,
    /// Probability that a sample of the density looks at least as strange.
    pub p_value: f64,
    /// Events that were tested.
    pub events: usize,
    /// The density.
    pub assumed: Assumed,
    /// Deviations that were found; none where the events follow the density.
    pub deviations: Vec<Deviation>,
}

/// One thing that is off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Deviation {
    /// `mirrored_chi`, `leptons`, `flavour`, `window`, `units`, `coefficients` or `other`.
    pub kind: String,
    /// Its meaning, and a remedy.
    pub words: String,
    /// Windows that the events are in, of kind `window` (GeV^2).
    ///
    /// # Shapes
    /// [window, (low, high)]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub q2: Vec<[f64; 2]>,
    /// Coefficients that they follow, of kind `coefficients`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coefficients: Vec<FittedCoefficient>,
}

/// The information bound at one point.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct BoundResult {
    /// Shift of C9 at the point.
    pub delta_c9: f64,
    /// Number of events.
    pub events: f64,
    /// Lower end of the window in GeV^2; of several, the lowest.
    pub q2_min: f64,
    /// Upper end of the window in GeV^2; of several, the highest.
    pub q2_max: f64,
    /// Smallest standard deviation of the shift of C9, `1/sqrt(N I)`, everything else known.
    pub sigma: f64,
    /// Bound with I as the mean squared score of generated events; absent where K pi masses are ignored.
    pub sigma_by_events: Option<f64>,
    /// Its statistical error.
    pub sigma_by_events_error: Option<f64>,
    /// Whether the number of events counts as a measurement of the rate.
    pub with_rate: bool,
    /// `pole`, `known` or `ignored`: what is known of the K pi mass.
    pub masses: String,
    /// The coefficients of the covariances.
    pub coefficients: Vec<String>,
    /// Smallest covariance of the shifts together, all else known.
    pub covariance: Vec<Vec<f64>>,
    /// S-wave, acceptance and background of the events, as a card names them; none where they are of K* alone and all kept.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub effects: Vec<String>,
    /// The nuisance parameters that are profiled: form factors, charm; strength of the S-wave, fraction of background.
    pub nuisances: Vec<String>,
    /// `sigma` with the nuisance parameters profiled, other coefficients known; absent without any.
    pub sigma_profiled: Option<f64>,
    /// Its statistical error, where it comes from simulated events.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_profiled_error: Option<f64>,
    /// `covariance` with the nuisance parameters profiled; absent without any.
    pub covariance_profiled: Option<Vec<Vec<f64>>>,
}

/// Knowledge of the coefficients at one point that the statistic of a network has: `bound --model MODEL`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LearnedBound {
    /// Number of measured events, background included.
    pub events: f64,
    /// Background's part of them; absent of a network that knows none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<LearnedBackground>,
    /// By coefficient that the network learned.
    pub coefficients: Vec<LearnedWidth>,
    /// Covariance of the shifts that are fitted together, with the fraction of background where that is fitted.
    pub covariance: Vec<Vec<f64>>,
    /// Effective number of simulated events of the calibration there; absent of a network that learned scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated_events: Option<f64>,
    /// The nuisance parameters that are fitted besides, with all of the widths: form factors, charm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nuisances: Vec<String>,
    /// The density that the network learned from.
    pub assumed: Assumed,
}

/// Background in [`LearnedBound`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LearnedBackground {
    /// Its part of the events.
    pub fraction: f64,
    /// Whether it is fitted with the coefficients.
    pub fitted: bool,
}

/// A coefficient in [`LearnedBound`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct LearnedWidth {
    /// Its name.
    pub name: String,
    /// Its shift.
    pub value: f64,
    /// Standard deviation by the statistic, all else known.
    pub sigma: f64,
    /// Error of that by the finite simulation; absent where it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_error: Option<f64>,
    /// Standard deviation with the other coefficients fitted, and the fraction of background where that is.
    pub sigma_fitted: f64,
    /// Error of that by the finite simulation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma_fitted_error: Option<f64>,
    /// Standard deviation with what the finite simulation of the calibration leaves open: the width of `infer`; absent where that is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<f64>,
}

/// The fit of one sample of events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FitResult {
    /// Row of its first event in the table.
    pub first_row: u64,
    /// Number of events.
    pub events: usize,
    /// Sums over their weights; absent where each counts once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<SumOfWeights>,
    /// Accepted simulated events that the density is normalised over; absent where it is by integrals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulation: Option<SimulationUsed>,
    /// The S-wave; absent where all signal is taken to be of K*.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub s_wave: Option<FittedSWave>,
    /// The background; absent where all events are taken to be signal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<FittedBackground>,
    /// The fitted shifts.
    pub coefficients: Vec<FittedCoefficient>,
    /// Correlation of each pair; absent where a coefficient has no standard deviation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub correlation: Vec<Vec<f64>>,
    /// Agreement of the fit with the events; absent without a fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub goodness: Option<GoodnessOfFit>,
    /// Why there is no fit; absent where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// Assumptions about the sample.
    pub assumed: Assumed,
    /// Reasons that make the numbers doubtful.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Sums over the weights of a sample.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SumOfWeights {
    /// Sum of the weights.
    pub sum: f64,
    /// `(sum w)^2/sum w^2`: events without weights of the same statistics.
    pub effective_events: f64,
}

/// Accepted simulated events of a fit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SimulationUsed {
    /// Number of them.
    pub events: usize,
    /// `(sum w)^2/sum w^2` of their weights.
    pub effective_events: f64,
    /// Shift of each coefficient if the true values of these events were replaced by the measured ones: a measure of what
    /// the resolution, which the fit does not know of, does.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolution_shifts: Vec<f64>,
}

/// S-wave of a fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FittedSWave {
    /// Its part F_S of the Standard Model's rate, in the windows in q2 and `m_kpi`.
    pub fraction: f64,
    /// Standard deviation of that; absent where it is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction_sigma: Option<f64>,
    /// Profile interval, downwards; absent where it has no end, or none was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minus: Option<f64>,
    /// Profile interval, upwards.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plus: Option<f64>,
    /// Whether it interferes with the opposite sign of what its phase says.
    pub reversed: bool,
    /// Range of K pi masses (GeV) that the fraction is of.
    pub m_kpi: [f64; 2],
    /// Phase (rad) besides that of the line shapes.
    pub phase: f64,
}

/// Background of a fit.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FittedBackground {
    /// Events of the sample that its density is smoothed from.
    pub sample_events: usize,
    /// Highest order of the polynomials that smooth it; null where the sample is subtracted.
    pub order: Option<usize>,
    /// Its part of the events.
    pub fraction: f64,
    /// Standard deviation of that; absent where it is fixed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fraction_sigma: Option<f64>,
    /// Events, or weights, that are background.
    pub events: f64,
    /// Events, or weights, that are signal.
    pub signal_events: f64,
}

/// A background's smoothed density beside the sample that it is of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct DescribedBackground {
    /// The density, as a card takes it.
    pub density: BackgroundDensity,
    /// Comparisons of the two in bins of each variable, then in each two.
    pub agreement: Vec<AgreementOfBackground>,
    /// Reasons to doubt the density.
    pub warnings: Vec<String>,
}

/// A comparison of a background's smoothed density with its sample.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AgreementOfBackground {
    /// The variable, or two of them.
    pub variables: String,
    /// chi2 of sample and density in bins.
    pub chi2: f64,
    /// Bins less one.
    pub dof: usize,
    /// Probability of a larger one.
    pub p_value: f64,
}

/// One fitted shift.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct FittedCoefficient {
    /// The coefficient, with `_im` behind it for an imaginary part.
    pub name: String,
    /// Its shift.
    pub value: f64,
    /// Standard deviation from second derivatives; absent where the function is not curved upwards along it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sigma: Option<f64>,
    /// Profile interval, downwards; absent where it has no end, or none was asked for.
    pub minus: Option<f64>,
    /// Profile interval, upwards.
    pub plus: Option<f64>,
}

/// `humboldt sweights --json`: yields of the components of a mass spectrum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SWeightsResult {
    /// Number of events in the range of the mass.
    pub events: usize,
    /// Signal and background.
    pub yields: Vec<Yield>,
    /// Correlation of both.
    pub correlation: f64,
    /// Parameters of the shapes, as fitted or given.
    pub parameters: Vec<(String, f64)>,
    /// Sum of the squared weights of signal.
    pub sum_of_squares: f64,
}

/// The yield of a component.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Yield {
    /// The component.
    pub name: String,
    /// Number of events.
    pub value: f64,
    /// Standard deviation.
    pub sigma: f64,
    /// Sum over all events of the component's density over that of all components: 1 where the likelihood is largest.
    pub closure: f64,
}

/// A chi-square.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct GoodnessOfFit {
    /// Its value.
    pub chi2: f64,
    /// Degrees of freedom.
    pub degrees_of_freedom: usize,
    /// Probability of a larger one.
    pub p_value: f64,
}

/// Angular moments in bins, and the fit to them if one was asked for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MomentsResult {
    /// Bin by bin.
    pub bins: Vec<MomentsBin>,
    /// The chi-square fit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fit: Option<FitResult>,
    /// Reasons that make the moments doubtful; with a fit they are among its own.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// Moments of one bin, LHCb convention.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MomentsBin {
    /// Lower end in GeV^2.
    pub q2_min: f64,
    /// Upper end in GeV^2.
    pub q2_max: f64,
    /// Events in it.
    pub events: usize,
    /// Sums over their weights; absent where each counts once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weights: Option<SumOfWeights>,
    /// Name, value and standard deviation: F_L, A_FB and the S_i; of a sample of both flavours these are CP averages, and A_CP
    /// and the A_i follow.
    pub observables: Vec<(String, f64, f64)>,
}

/// `humboldt infer --json`: the coefficients of a sample of events, by a network.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Inferred {
    /// The coefficients that the network learned.
    pub parameters: Vec<InferredCoefficient>,
    /// Correlation of their errors, in this order; absent where it is not known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub correlation: Vec<Vec<f64>>,
    /// Probability that events of these values look no more like them than these do; absent where the network does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub p_value: Option<f64>,
    /// Number of events.
    pub events: usize,
    /// Background among them, of learned ratios.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub background: Option<InferredBackground>,
    /// Effective number of simulated events that learned ratios are calibrated by there, `(sum w)^2/sum w^2`; their finite number is
    /// in all errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub simulated_events: Option<f64>,
    /// The nuisance parameters that are profiled: form factors, charm.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nuisances: Vec<String>,
    /// The shift of C9 once more, as in files of version 1; absent where the network did not learn it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta_c9: Option<f64>,
    /// Reach of the interval of `delta_c9` downwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minus: Option<f64>,
    /// Reach of that interval upwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plus: Option<f64>,
    /// Assumptions of the network about the sample: the density that it learned from.
    pub assumed: Assumed,
    /// Reasons that make the answer doubtful, if there are any, separated by semicolons.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
}

/// Background in [`Inferred`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InferredBackground {
    /// Its part of the events.
    pub fraction: f64,
    /// Standard deviation of that; absent where it is fixed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sigma: Option<f64>,
}

/// A coefficient in [`Inferred`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct InferredCoefficient {
    /// Its name, as in `c9` or `c10_im`.
    pub name: String,
    /// Its shift.
    pub value: f64,
    /// Reach of its interval of 68 % downwards; absent where the network does not know.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minus: Option<f64>,
    /// Reach of that interval upwards.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub plus: Option<f64>,
}
