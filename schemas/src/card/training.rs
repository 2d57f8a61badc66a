//! `[training]` and `[evaluation]`.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ranges;
use super::simulation::beside;
use crate::error::Invalid;

/// Settings of the fit of the network. The defaults are the paper's, where it states them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingCard {
    /// Network whose weights and scales the training starts from, in place of first weights of the seed: `builtin`, `builtin:NAME`, or beside the card the
    /// folder of a run or of a network. Of the same layers, loss, cells and coefficients.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<String>,
    /// `stored`: the same images in every epoch, from the campaign; `live`: fresh images for each batch, never stored.
    pub images: TrainingImages,
    /// delta C9 of live images: `grid`, as `[dataset]` says, or `uniform` between its smallest and largest value.
    pub prior: Prior,
    /// `uniform`: how far delta C9, and each further coefficient, reaches beyond these values at each end, of their range. A network that knows where the
    /// range ends draws its predictions inwards there.
    #[schemars(range(min = 0, max = 1))]
    pub margin: f64,
    /// Smallest and largest number of events of live training images, spread evenly in its logarithm; default always
    /// `images.events`, which validation and test images have. The network must be told the number: `set`, or channel `events`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<[usize; 2]>,
    /// Batches between two checkpoints within an epoch; 0 for one after each epoch only.
    #[schemars(range(max = 1_000_000_000))]
    pub checkpoint_batches: usize,
    /// Images in a batch (paper: 128).
    #[schemars(range(min = 2, max = 65_536))]
    pub batch_size: usize,
    /// Images of a batch that are computed at once; default the whole batch. On a CPU its threads share these parts. Each
    /// part has its own statistics in batch norms.
    #[schemars(range(min = 2))]
    pub micro_batch: Option<usize>,
    /// Of what convolutions multiply: `single`, `bf16` (on the CPU fast where it has a matrix unit, AMX), or `f16` on a GPU that has it; weights, norms, losses and sums stay in single precision.
    #[serde(skip_serializing_if = "Precision::is_single")]
    pub precision: Precision,
    /// Most epochs to train (the paper states none).
    #[schemars(range(min = 1, max = 1_000_000))]
    pub epochs: usize,
    /// Epochs without a better validation loss before training stops (paper: 20).
    #[schemars(range(min = 1, max = 1_000_000))]
    pub early_stopping: usize,
    /// Loss (paper: mean absolute error).
    pub loss: Loss,
    /// `huber`: where it goes straight on, in units of the target's deviation if `standardise_target`.
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub huber_delta: f64,
    /// Images of calibration where scores or single events are learned, at each of 33 values of delta C9 (165, 330 or 660 points with one, two or
    /// three further coefficients) from which the statistic is calibrated.
    #[schemars(range(min = 20, max = 1_000_000))]
    pub calibration_images: usize,
    /// Optimiser (paper: stochastic gradient descent).
    pub optimiser: Optimiser,
    /// Momentum of `sgd` (the paper states none).
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub momentum: f64,
    /// Weight decay (the paper states none).
    #[schemars(range(min = 0), extend("exclusiveMaximum" = 1))]
    pub weight_decay: f64,
    /// Learning rate at the start (not known from the paper).
    #[schemars(extend("exclusiveMinimum" = 0))]
    pub learning_rate: f64,
    /// Decay of the learning rate.
    pub schedule: Schedule,
    /// `step`: epochs between two cuts of the learning rate (paper: 5).
    #[schemars(range(min = 1, max = 1_000_000))]
    pub step_epochs: usize,
    /// `step`: factor by which the learning rate is divided at each cut. The paper's value is not known;
    /// 2 is our choice.
    #[schemars(range(min = 1))]
    pub step_factor: f64,
    /// Epochs in which the learning rate rises linearly from 0 to `learning_rate`; 0 for none.
    #[schemars(range(min = 0))]
    pub warmup_epochs: f64,
    /// Largest norm of the whole gradient; 0 for no limit.
    #[schemars(range(min = 0))]
    pub clip_gradient: f64,
    /// Regress the label after subtracting the training labels' mean and dividing by their spread, which are
    /// undone at the output. The paper regresses the label as it is.
    pub standardise_target: bool,
    /// Subtract each input channel's mean over the training images and divide by its deviation. The paper does not.
    pub standardise_input: bool,
    /// Epochs after which batch norms keep the statistics that they have, and use them in training too; default never
    /// (as the paper). A batch's own statistics mix its labels: delta C9 shifts the mean of a channel.
    pub freeze_norms_after: Option<usize>,
}

impl Default for TrainingCard {
    fn default() -> Self {
        Self {
            start: None,
            images: TrainingImages::Stored,
            prior: Prior::Grid,
            margin: 0.0,
            events: None,
            checkpoint_batches: 1000,
            batch_size: 128,
            micro_batch: None,
            precision: Precision::Single,
            epochs: 100,
            early_stopping: 20,
            loss: Loss::Mae,
            huber_delta: 1.0,
            calibration_images: 100,
            optimiser: Optimiser::Sgd,
            momentum: 0.9,
            weight_decay: 0.0,
            learning_rate: 0.01,
            schedule: Schedule::Step,
            step_epochs: 5,
            step_factor: 2.0,
            warmup_epochs: 0.0,
            clip_gradient: 0.0,
            standardise_target: false,
            standardise_input: false,
            freeze_norms_after: None,
        }
    }
}

impl TrainingCard {
    /// Settings of preset `ratio`: batches count events.
    pub fn of_ratios() -> Self {
        Self {
            batch_size: 2048,
            epochs: 10,
            loss: Loss::Mse,
            optimiser: Optimiser::AdamW,
            learning_rate: 0.004,
            schedule: Schedule::OneCycle,
            clip_gradient: 1.0,
            ..Self::default()
        }
    }

    /// Refuses settings that preset `ratio` does not know.
    pub(super) fn check_ratio(&self) -> Result<(), Invalid> {
        let known = Self {
            batch_size: self.batch_size,
            epochs: self.epochs,
            optimiser: self.optimiser,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            learning_rate: self.learning_rate,
            schedule: self.schedule,
            step_epochs: self.step_epochs,
            step_factor: self.step_factor,
            warmup_epochs: self.warmup_epochs,
            clip_gradient: self.clip_gradient,
            ..Self::of_ratios()
        };
        let (own, known) = (toml::Table::try_from(self), toml::Table::try_from(known));
        let (own, known) = (own.unwrap_or_default(), known.unwrap_or_default());
        let other = own.iter().find(|(key, value)| known.get(*key) != Some(value));
        let Some((key, value)) = other else { return Ok(()) };
        let allowed = "epochs, batch_size, optimiser, momentum, weight_decay, learning_rate, schedule, step_epochs, step_factor, \
                       warmup_epochs, clip_gradient with preset `ratio`";
        Err(Invalid::new(&format!("training.{key}"), value, allowed))
    }
}

/// Whether a name is that of a network that comes with the program.
fn is_built_in(name: &str) -> bool {
    name == "builtin" || name.starts_with("builtin:")
}

/// Of the numbers that convolutions multiply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// 32 bits.
    #[default]
    Single,
    /// 16 bits with the exponent of 32: nothing under- or overflows that does not in single precision.
    Bf16,
    /// 16 bits, more digits and a smaller range; losses are scaled by 1024 on their way back.
    F16,
}

impl Precision {
    /// The name used in cards.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Bf16 => "bf16",
            Self::F16 => "f16",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's form")]
    fn is_single(&self) -> bool {
        *self == Self::Single
    }
}

/// Source of training images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum TrainingImages {
    /// The campaign.
    Stored,
    /// The generator.
    Live,
}

/// Distribution of delta C9 among live images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Prior {
    /// The values of `[dataset]`, as often as it says.
    Grid,
    /// Any value between the smallest and the largest of `[dataset]`, other ones in each epoch.
    Uniform,
}

/// The loss of one image, averaged over the batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Loss {
    /// |prediction - truth|.
    Mae,
    /// (prediction - truth)^2.
    Mse,
    /// (prediction - truth)^2 / 2 up to a distance of `huber_delta`, and straight on from there.
    Huber,
    /// -ln of a Gaussian whose mean and width the network both predicts.
    Gaussian,
    /// Of the 15.87 %, 50 % and 84.13 % quantiles, which the network predicts.
    Quantile,
}

impl Loss {
    /// Numbers that the network puts out for it: a value, value and ln width, three quantiles.
    pub const fn outputs(self) -> usize {
        match self {
            Self::Mae | Self::Mse | Self::Huber => 1,
            Self::Gaussian => 2,
            Self::Quantile => 3,
        }
    }

    /// The name used in cards.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mae => "mae",
            Self::Mse => "mse",
            Self::Huber => "huber",
            Self::Gaussian => "gaussian",
            Self::Quantile => "quantile",
        }
    }
}

/// Rule from gradients to weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Optimiser {
    /// Stochastic gradient descent with momentum.
    Sgd,
    /// Adam; its weight decay is part of the gradient.
    Adam,
    /// Adam with decoupled weight decay.
    AdamW,
}

/// Decay of the learning rate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Schedule {
    /// It stays.
    Constant,
    /// Divided by `step_factor` every `step_epochs`.
    Step,
    /// Half a cosine from `learning_rate` to 0 over `epochs`.
    Cosine,
    /// One cycle: half a cosine from a 25th of `learning_rate` up to it in the first three tenths of `epochs`, then one down
    /// to 0 (Smith, arXiv:1708.07120).
    #[serde(rename = "one_cycle")]
    OneCycle,
}

impl TrainingCard {
    /// The name of the network it starts from, by which it is found from any folder.
    pub(super) fn load(&mut self, folder: &Path) {
        if let Some(start) = self.start.as_mut().filter(|name| !is_built_in(name)) {
            *start = beside(start, folder);
        }
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        ranges::check(self, "training")?;
        if let Some(micro) = self.micro_batch {
            Invalid::unless(
                micro <= self.batch_size,
                "training.micro_batch",
                micro,
                format!("2 to training.batch_size, {}", self.batch_size),
            )?;
        }
        Invalid::unless(
            self.prior == Prior::Grid || self.images == TrainingImages::Live,
            "training.prior",
            "`uniform` with stored images",
            "grid, or images = \"live\"",
        )?;
        Invalid::unless(
            self.margin == 0.0 || self.prior == Prior::Uniform,
            "training.margin",
            self.margin,
            "0, or prior = \"uniform\"",
        )?;
        if let Some([least, most]) = self.events {
            Invalid::unless(
                (1..most).contains(&least) && most <= 100_000_000,
                "training.events",
                format!("{:?}", [least, most]),
                "two ascending numbers from 1 to 100000000",
            )?;
            Invalid::unless(
                self.images == TrainingImages::Live,
                "training.events",
                "a range with stored images",
                "images = \"live\"",
            )?;
        }
        Ok(())
    }
}

/// Figures that are drawn beside the results.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct FiguresCard {
    /// The two delta C9 whose distributions and images are compared (paper's Figs. 2 and 3).
    pub compare_delta_c9: [f64; 2],
    /// Events of each in the distributions.
    #[schemars(range(min = 1, max = 100_000_000))]
    pub events: usize,
}

impl Default for FiguresCard {
    fn default() -> Self {
        Self { compare_delta_c9: [-2.0, 0.0], events: 300_000 }
    }
}

impl FiguresCard {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        for value in self.compare_delta_c9 {
            Invalid::unless(
                value.is_finite() && value.abs() <= 100.0,
                "figures.compare_delta_c9",
                value,
                "-100 to 100",
            )?;
        }
        ranges::check(self, "figures")
    }
}
