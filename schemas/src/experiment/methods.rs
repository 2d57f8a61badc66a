//! The networks of the experiments and how they learn. Defaults are the study's, where it states them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Invalid;

/// A dense network from observables to parameters, by the mean square error.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RegressionCard {
    /// Neurons of the hidden layers, with `ReLU`.
    pub hidden: Vec<usize>,
    /// Points in a batch.
    pub batch_size: usize,
    /// Epochs at most.
    pub epochs: usize,
    /// Epochs without a lower validation error after which the training stops.
    pub early_stopping: usize,
    /// Share of the points that is held out for validation.
    pub validation: f64,
    /// Learning rate of Adam.
    pub learning_rate: f64,
    /// Whether each observable is shifted and scaled to mean 0 and width 1.
    pub standardise: bool,
}

impl Default for RegressionCard {
    fn default() -> Self {
        Self {
            hidden: vec![2],
            batch_size: 512,
            epochs: 100,
            early_stopping: 10,
            validation: 0.1,
            learning_rate: 0.01,
            standardise: false,
        }
    }
}

/// Layers of a generative adversarial network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum GanArchitecture {
    /// Dense layers.
    #[default]
    Dense,
    /// Convolutions on an image of 8 x 8 values.
    Convolutional,
}

/// A generative adversarial network of vectors (observables, C9, C10, polynomials, chi-square).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct GanCard {
    /// Dense or convolutional.
    pub architecture: GanArchitecture,
    /// Whether chi-square is a part of the vector.
    pub chi2: bool,
    /// Normal random numbers that the generator begins with.
    pub latent: usize,
    /// Neurons of the generator's hidden layers; filters of its convolutions but the last.
    pub generator: Vec<usize>,
    /// Neurons of the discriminator's hidden layers; filters of its convolutions.
    pub discriminator: Vec<usize>,
    /// Share of the discriminator's last hidden values that are left out while it learns; of convolutions after each.
    pub dropout: f64,
    /// Real vectors in a step; as many are generated.
    pub batch_size: usize,
    /// Steps, each of the discriminator and then of the generator.
    pub steps: usize,
    /// Learning rate of Adam, for both.
    pub learning_rate: f64,
    /// Adam's first momentum.
    pub beta_1: f64,
    /// Vectors that are generated in the end.
    pub samples: usize,
}

impl Default for GanCard {
    fn default() -> Self {
        Self {
            architecture: GanArchitecture::Dense,
            chi2: true,
            latent: 60,
            generator: vec![500, 500, 784],
            discriminator: vec![500, 500],
            dropout: 0.5,
            batch_size: 128,
            steps: 2000,
            learning_rate: 2e-4,
            beta_1: 0.5,
            samples: 10_000,
        }
    }
}

/// A mixture density network: from 37 observables to a sum of normal densities of (C9, C10).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PosteriorCard {
    /// Neurons of the hidden layers.
    pub hidden: Vec<usize>,
    /// Normal densities.
    pub components: usize,
    /// Fresh pseudo-data in a step.
    pub batch_size: usize,
    /// Steps.
    pub steps: usize,
    /// First learning rate of Adam; it falls to 0 along a cosine.
    pub learning_rate: f64,
    /// Pseudo-data on which the coverage is counted.
    pub pseudo_data: usize,
    /// Points along each axis of the grids of exact and learned densities.
    pub grid: usize,
}

impl Default for PosteriorCard {
    fn default() -> Self {
        Self {
            hidden: vec![128, 128],
            components: 3,
            batch_size: 512,
            steps: 8000,
            learning_rate: 2e-3,
            pseudo_data: 5000,
            grid: 201,
        }
    }
}

/// A conditional flow of vectors (37 observables, C9, C10, chi-square) given a temperature T: at T the shifts follow
/// `exp(-chi2/2T)`, at 1 their posterior density, below it the neighbourhood of the minimum.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FlowCard {
    /// Affine coupling layers of the shifts.
    pub couplings: usize,
    /// Neurons of each of the two hidden layers, in couplings and decoder.
    pub hidden: usize,
    /// Lowest and highest temperature.
    pub temperatures: [f64; 2],
    /// Temperatures between them that are learned, evenly spaced in their logarithm.
    pub levels: usize,
    /// Vectors in a step.
    pub batch_size: usize,
    /// Steps.
    pub steps: usize,
    /// First learning rate of Adam; it falls to 0 along a cosine.
    pub learning_rate: f64,
    /// Vectors that are generated at each temperature shown.
    pub samples: usize,
    /// Temperatures shown.
    pub show: Vec<f64>,
}

impl Default for FlowCard {
    fn default() -> Self {
        Self {
            couplings: 4,
            hidden: 64,
            temperatures: [0.1, 10.0],
            levels: 9,
            batch_size: 512,
            steps: 5000,
            learning_rate: 2e-3,
            samples: 10_000,
            show: vec![0.1, 1.0],
        }
    }
}

impl RegressionCard {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        layers("regression.hidden", &self.hidden, 0)?;
        within("regression.batch_size", self.batch_size, 1, 1_000_000)?;
        within("regression.epochs", self.epochs, 1, 1_000_000)?;
        within("regression.early_stopping", self.early_stopping, 1, 1_000_000)?;
        let share = self.validation > 0.0 && self.validation < 1.0;
        Invalid::unless(share, "regression.validation", self.validation, "between 0 and 1")?;
        positive("regression.learning_rate", self.learning_rate)
    }
}

impl GanCard {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        within("gan.latent", self.latent, 1, 10_000)?;
        layers("gan.generator", &self.generator, 1)?;
        layers("gan.discriminator", &self.discriminator, 1)?;
        let dropout = (0.0..1.0).contains(&self.dropout);
        Invalid::unless(dropout, "gan.dropout", self.dropout, "0 to below 1")?;
        within("gan.batch_size", self.batch_size, 1, 1_000_000)?;
        within("gan.steps", self.steps, 1, 100_000_000)?;
        positive("gan.learning_rate", self.learning_rate)?;
        let momentum = (0.0..1.0).contains(&self.beta_1);
        Invalid::unless(momentum, "gan.beta_1", self.beta_1, "0 to below 1")?;
        within("gan.samples", self.samples, 1, 10_000_000)
    }
}

impl PosteriorCard {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        layers("posterior.hidden", &self.hidden, 1)?;
        within("posterior.components", self.components, 1, 100)?;
        within("posterior.batch_size", self.batch_size, 1, 1_000_000)?;
        within("posterior.steps", self.steps, 1, 100_000_000)?;
        positive("posterior.learning_rate", self.learning_rate)?;
        within("posterior.pseudo_data", self.pseudo_data, 10, 10_000_000)?;
        within("posterior.grid", self.grid, 21, 2001)
    }
}

impl FlowCard {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        within("flow.couplings", self.couplings, 2, 100)?;
        layers("flow.hidden", &[self.hidden], 1)?;
        let [low, high] = self.temperatures;
        let sensible = low.is_finite() && high.is_finite() && 0.0 < low && low < high;
        let got = format!("[{low}, {high}]");
        Invalid::unless(sensible, "flow.temperatures", got, "[low, high], 0 < low < high")?;
        within("flow.levels", self.levels, 2, 1000)?;
        within("flow.batch_size", self.batch_size, 1, 1_000_000)?;
        within("flow.steps", self.steps, 1, 100_000_000)?;
        positive("flow.learning_rate", self.learning_rate)?;
        within("flow.samples", self.samples, 10, 10_000_000)?;
        let inside = !self.show.is_empty() && self.show.iter().all(|t| (low..=high).contains(t));
        let allowed = format!("at least one temperature, each from {low} to {high}");
        Invalid::unless(inside, "flow.show", format!("{:?}", self.show), allowed)
    }
}

/// Widths of layers.
fn layers(field: &str, widths: &[usize], least: usize) -> Result<(), Invalid> {
    let count = format!("{least} to 20 layers");
    Invalid::unless((least..=20).contains(&widths.len()), field, format!("{widths:?}"), count)?;
    widths.iter().try_for_each(|width| within(field, *width, 1, 100_000))
}

fn positive(field: &str, value: f64) -> Result<(), Invalid> {
    Invalid::unless(value.is_finite() && value > 0.0, field, value, "a positive number")
}

/// An integer between two limits, both allowed.
pub(super) fn within(field: &str, value: usize, min: usize, max: usize) -> Result<(), Invalid> {
    Invalid::unless((min..=max).contains(&value), field, value, format!("{min} to {max}"))
}
