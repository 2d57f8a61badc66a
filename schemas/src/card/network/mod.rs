//! `[network]`: a preset, and any number of it replaced. Families of networks are told apart here, and each has its numbers, their
//! defaults, ranges and layers in a file of its own.

mod layers;
mod ratio;
mod residual;
mod set;

use schemars::JsonSchema;
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

pub use layers::Layer;
pub use ratio::{Nuisance, RatioNetworks};
pub use residual::{Architecture, Channel, ImageSupervision, MapCells, strided};
pub use set::{Elements, SetArchitecture, Supervision};

use super::training::Loss;
use crate::error::Invalid;

/// The network as a user writes it: a preset, and fields that replace the preset's.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NetworkCard {
    /// Over images: `resnet34` (the paper's), `resnet18` or `resnet10`; over events or cells: `set`, `score` or `event`; over measured events, from
    /// simulated ones: `ratio`.
    pub preset: Preset,
    /// Input channels (paper: mean q2 alone).
    pub channels: Option<Vec<Channel>>,
    /// Cells along an axis that are merged into one before the first layer (paper: 1, none).
    pub downsample: Option<usize>,
    /// q2 [GeV^2] that becomes 1 at the input.
    pub q2_scale: Option<f64>,
    /// q2 [GeV^2] at which the bands of `q2_bands` stand, ascending.
    pub q2_bands: Option<Vec<f64>>,
    /// Filters of the first convolution.
    pub stem_filters: Option<usize>,
    /// Kernel of the first convolution.
    pub stem_kernel: Option<usize>,
    /// Stride of the first convolution.
    pub stem_stride: Option<usize>,
    /// Kernel of the max pooling after it; 1 leaves it out.
    pub pool_kernel: Option<usize>,
    /// Stride of the max pooling.
    pub pool_stride: Option<usize>,
    /// Whether chi, an angle, goes on at its other end: convolutions and max pooling then see no edge there (paper: no).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub circular_chi: Option<bool>,
    /// Residual blocks of each stage.
    pub blocks: Option<Vec<usize>>,
    /// Filters of each stage.
    pub filters: Option<Vec<usize>>,
    /// Neurons of the dense layer before the output; 0 leaves it out.
    pub dense: Option<usize>,
    /// Dropout probability after the dense layer.
    pub dropout: Option<f64>,
    /// Over images: `label`; `score`, the mean score of the image's events at each of `references`; `score_map`, the sum of
    /// the scores in each cell that the last stage leaves, whose mean is the same; or `score_pyramid`, such maps of the cells
    /// behind the stem and behind each stage. All three are calibrated to delta C9, and have no dense layer (`score` may).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supervision: Option<ImageSupervision>,
    /// `set`, `score`, `event`: `events`, or the occupied `cells` of the image.
    pub elements: Option<Elements>,
    /// `set`, `score`, `event`: neurons of the layers that each element passes.
    pub layers: Option<Vec<usize>>,
    /// `set`: numbers that each element brings to the mean.
    pub pooled: Option<usize>,
    /// `score`, and over images with supervision by scores: delta C9 that scores are taken at.
    pub references: Option<Vec<f64>>,
    /// `set`, `score`, `event`: elements of an image that are learned from in one step; 0 for all.
    pub sample: Option<usize>,
    /// `ratio`: variables of an event that it is told, of q2, cos_theta_l, cos_theta_k, chi, m_kpi, m_b of a `[detector]`, and columns of files; by
    /// default the first four, and m_kpi unless the line shape is narrow. `set`, `score`, `event` over events: the first four (default) or five.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<Vec<String>>,
    /// `ratio`: networks that are averaged, 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<usize>,
    /// `ratio`: nuisance parameters whose effects on the density are learned too, so that data constrain what is profiled: `form-factors`, `charm`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nuisances: Vec<Nuisance>,
}

/// A named set of layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Preset {
    /// Stages of 3, 4, 6, 3 blocks with 64, 128, 256, 512 filters.
    #[default]
    Resnet34,
    /// Stages of 2, 2, 2, 2 blocks with 64, 128, 256, 512 filters.
    Resnet18,
    /// Stages of 1, 1, 1, 1 blocks with 16, 32, 64, 128 filters, for a CPU.
    Resnet10,
    /// Deep Sets (Zaheer et al., arXiv:1703.06114): layers for each element, a mean over the set, a dense head.
    Set,
    /// Layers of `set` that learn each element's exact score; its mean over the set is calibrated to delta C9.
    Score,
    /// Layers of `set` that learn delta C9 from single events, which the voxel study reports as failing; calibrated too.
    Event,
    /// Layers of `set` that learn how the density of measured events depends on all coefficients, from simulated events of one point
    /// of them; calibrated by others of these.
    Ratio,
}

impl Preset {
    /// The name used in cards and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resnet34 => "resnet34",
            Self::Resnet18 => "resnet18",
            Self::Resnet10 => "resnet10",
            Self::Set => "set",
            Self::Score => "score",
            Self::Event => "event",
            Self::Ratio => "ratio",
        }
    }

    /// The family that it is of.
    pub(super) const fn family(self) -> Family {
        match self {
            Self::Resnet34 | Self::Resnet18 | Self::Resnet10 => Family::Images,
            Self::Set => Family::Elements(Supervision::Set),
            Self::Score => Family::Elements(Supervision::Score),
            Self::Event => Family::Elements(Supervision::Event),
            Self::Ratio => Family::Ratio,
        }
    }
}

/// Family of networks, whose fields of `[network]` no other has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    /// Over images.
    Images,
    /// Over the elements of an image, for a target.
    Elements(Supervision),
    /// Over measured events.
    Ratio,
}

/// A network of any kind with every number filled in; saved beside the weights.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[serde(untagged)]
pub enum AnyArchitecture {
    /// Over images.
    Residual(Architecture),
    /// Over sets.
    Set(SetArchitecture),
}

impl<'de> Deserialize<'de> for AnyArchitecture {
    /// A file says its family by its fields; which of them is wrong is said of the family that it is.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = serde_json::Value::deserialize(deserializer)?;
        let read = if value.get("elements").is_some() {
            SetArchitecture::deserialize(value).map(Self::Set)
        } else {
            Architecture::deserialize(value).map(Self::Residual)
        };
        read.map_err(D::Error::custom)
    }
}

impl AnyArchitecture {
    /// Layers in the order of the data, for images of `bins` cells an axis and so many numbers that the network puts out.
    pub fn layers(&self, bins: usize, outputs: usize) -> Vec<Layer> {
        match self {
            Self::Residual(a) => a.layers(bins, outputs),
            Self::Set(a) => a.layers(outputs),
        }
    }

    /// Trained numbers of the whole network.
    pub fn parameters(&self, outputs: usize) -> usize {
        self.layers(1, outputs).iter().map(|layer| layer.parameters).sum()
    }

    /// Whether a network has these numbers, for images of `bins` cells an axis: those of a file need not be a card's.
    pub fn is_sound(&self, bins: usize) -> bool {
        match self {
            Self::Residual(a) => a.is_sound(bins),
            Self::Set(a) => a.is_sound(),
        }
    }

    /// Inputs whose mean and deviation may be taken out: channels of images, but for coordinates.
    pub fn scaled_inputs(&self) -> usize {
        match self {
            Self::Residual(a) => a.scaled_channels(),
            Self::Set(_) => 0,
        }
    }

    /// Scores that are learned of an image of `bins` cells an axis, those of each map apart; the architecture is sound.
    pub fn scores(&self, bins: usize) -> usize {
        match self {
            Self::Residual(a) => a.references.len() * a.maps(bins).len().max(1),
            Self::Set(a) if a.supervision == Supervision::Score => a.pooled,
            Self::Set(_) => 0,
        }
    }

    /// Whether it takes events as they are, and not their cells.
    pub fn takes_events(&self) -> bool {
        matches!(self, Self::Set(a) if a.elements == Elements::Events)
    }

    /// References of the scores that are learned, for the axes of a card to move.
    pub(super) const fn references_mut(&mut self) -> &mut Vec<f64> {
        match self {
            Self::Residual(a) => &mut a.references,
            Self::Set(a) => &mut a.references,
        }
    }

    /// Numbers that the network puts out for an image of so many labels; those for each element where single ones are learned.
    pub fn outputs(&self, loss: Loss, labels: usize) -> usize {
        match self {
            Self::Residual(a) if !a.references.is_empty() => a.references.len(),
            Self::Set(a) if a.is_calibrated() => a.pooled,
            _ => loss.outputs() * labels,
        }
    }

    /// Components of the statistic of an image, where that is calibrated; of cells their number is one more.
    pub fn components(&self) -> usize {
        match self {
            Self::Residual(a) => a.references.len(),
            Self::Set(a) => a.pooled + usize::from(a.elements == Elements::Cells),
        }
    }

    /// delta C9 that scores are learned at; empty where labels are.
    pub fn references(&self) -> &[f64] {
        match self {
            Self::Residual(a) => &a.references,
            Self::Set(a) => &a.references,
        }
    }

    /// Whether the network is told how many events an image has, and learns what holds for any number.
    pub fn takes_number_of_events(&self) -> bool {
        match self {
            Self::Residual(a) => a.channels.contains(&Channel::Events) && a.references.is_empty(),
            Self::Set(a) => a.supervision == Supervision::Set && a.sample == 0,
        }
    }

    /// Whether what is learned is a statistic that images of known delta C9 calibrate, and not delta C9 itself.
    pub fn is_calibrated(&self) -> bool {
        match self {
            Self::Residual(a) => !a.references.is_empty(),
            Self::Set(a) => a.is_calibrated(),
        }
    }
}

impl From<Architecture> for AnyArchitecture {
    fn from(architecture: Architecture) -> Self {
        Self::Residual(architecture)
    }
}

impl From<SetArchitecture> for AnyArchitecture {
    fn from(architecture: SetArchitecture) -> Self {
        Self::Set(architecture)
    }
}

impl NetworkCard {
    /// The preset with the given fields replaced; of `ratio` it is the network that each event passes.
    pub fn any_architecture(&self) -> AnyArchitecture {
        match self.preset.family() {
            Family::Images => Architecture::of(self).into(),
            Family::Elements(supervision) => SetArchitecture::of(self, supervision).into(),
            Family::Ratio => SetArchitecture::of(self, Supervision::Score).into(),
        }
    }

    /// The residual network of a preset, with the given fields replaced; `resnet34` where the preset is none of those.
    pub fn architecture(&self) -> Architecture {
        Architecture::of(self)
    }

    /// `ratio`: the networks over measured events.
    pub fn ratios(&self) -> RatioNetworks {
        RatioNetworks::of(self)
    }

    fn learns_scores_of_images(&self) -> bool {
        self.supervision.is_some_and(|s| s != ImageSupervision::Label)
    }

    /// delta C9 that scores are taken at.
    fn references_or_default(&self) -> Vec<f64> {
        self.references.clone().unwrap_or_else(|| vec![-2.0, -1.25, -0.5, 0.25, 1.0])
    }

    /// Refuses fields that the preset does not know.
    fn validate_fields(&self) -> Result<(), Invalid> {
        const IMAGES: &str = "resnet34, resnet18, resnet10";
        const ELEMENTS: &str = "set, score, event";
        let family = self.preset.family();
        let images = family == Family::Images;
        let elements = matches!(family, Family::Elements(_));
        let ratio = family == Family::Ratio;
        let whole = family == Family::Elements(Supervision::Set);
        let scores = family == Family::Elements(Supervision::Score) || self.learns_scores_of_images();
        // A field that is added has to say whose it is, or this does not compile.
        let Self {
            preset,
            channels,
            downsample,
            q2_scale,
            q2_bands,
            stem_filters,
            stem_kernel,
            stem_stride,
            pool_kernel,
            pool_stride,
            circular_chi,
            blocks,
            filters,
            dense,
            dropout,
            supervision,
            elements: kind,
            layers,
            pooled,
            references,
            sample,
            variables,
            members,
            nuisances,
        } = self;
        for (field, given, known, presets) in [
            ("channels", channels.is_some(), images, IMAGES),
            ("downsample", downsample.is_some(), images, IMAGES),
            ("q2_scale", q2_scale.is_some(), images, IMAGES),
            ("q2_bands", q2_bands.is_some(), images, IMAGES),
            ("stem_filters", stem_filters.is_some(), images, IMAGES),
            ("stem_kernel", stem_kernel.is_some(), images, IMAGES),
            ("stem_stride", stem_stride.is_some(), images, IMAGES),
            ("pool_kernel", pool_kernel.is_some(), images, IMAGES),
            ("pool_stride", pool_stride.is_some(), images, IMAGES),
            ("circular_chi", circular_chi.is_some(), images, IMAGES),
            ("blocks", blocks.is_some(), images, IMAGES),
            ("filters", filters.is_some(), images, IMAGES),
            ("dropout", dropout.is_some(), images, IMAGES),
            ("supervision", supervision.is_some(), images, IMAGES),
            ("elements", kind.is_some(), elements, ELEMENTS),
            ("sample", sample.is_some(), elements, ELEMENTS),
            ("layers", layers.is_some(), elements || ratio, "set, score, event, ratio"),
            ("variables", variables.is_some(), elements || ratio, "set, score, event, ratio"),
            ("members", members.is_some(), ratio, "ratio"),
            ("nuisances", !nuisances.is_empty(), ratio, "ratio"),
            ("pooled", pooled.is_some(), whole, "set"),
            (
                "references",
                references.is_some(),
                scores,
                "score, and resnet34, resnet18, resnet10 with supervision = \"score\", \"score_map\" or \"score_pyramid\"",
            ),
            ("dense", dense.is_some(), images || whole, "resnet34, resnet18, resnet10, set"),
        ] {
            let (field, got) =
                (format!("network.{field}"), format!("a value with preset `{}`", preset.name()));
            Invalid::unless(!given || known, &field, got, format!("with the presets {presets}"))?;
        }
        Ok(())
    }

    pub(super) fn validate(&self, bins: usize) -> Result<(), Invalid> {
        self.validate_fields()?;
        match self.preset.family() {
            Family::Images => Architecture::of(self).validate(self, bins),
            Family::Elements(supervision) => {
                SetArchitecture::of(self, supervision).validate(self.variables.as_deref())
            }
            Family::Ratio => self.ratios().validate(self.variables.as_deref()),
        }
    }
}
