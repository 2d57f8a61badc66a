//! `[network]`: a preset, and any number of it replaced.

use std::iter;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::set::{Elements, SetArchitecture, Supervision, check_references};
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
    /// default the first four, and m_kpi unless the line shape is narrow.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub variables: Option<Vec<String>>,
    /// `ratio`: networks that are averaged, 1 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub members: Option<usize>,
}

/// Target of a network over images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImageSupervision {
    /// delta C9 of the image (paper).
    #[default]
    Label,
    /// The mean of the exact scores of its events, which the generator knows: of one image it says much more.
    Score,
    /// The sum of the exact scores of the events in each cell that the last stage leaves: as many targets as cells.
    #[serde(rename = "score_map")]
    ScoreMap,
    /// Such sums for the cells behind the stem and behind each stage, where each map adds to what the finer ones found.
    #[serde(rename = "score_pyramid")]
    ScorePyramid,
}

impl ImageSupervision {
    /// Whether cells are learned, and not whole images.
    const fn is_map(self) -> bool {
        matches!(self, Self::ScoreMap | Self::ScorePyramid)
    }
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

    /// Target of a network over sets, of which `ratio` has the layers; `None` for those over images.
    pub const fn supervision(self) -> Option<Supervision> {
        match self {
            Self::Resnet34 | Self::Resnet18 | Self::Resnet10 => None,
            Self::Set => Some(Supervision::Set),
            Self::Score | Self::Ratio => Some(Supervision::Score),
            Self::Event => Some(Supervision::Event),
        }
    }
}

/// Value that a cell of the image brings to the input of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// Mean q2 of the cell's events over `q2_scale`, 0 if empty; with `downsample` the mean over the merged cells.
    MeanQ2,
    /// Whether the cell holds events; with `downsample` the occupied fraction of the merged cells.
    Occupancy,
    /// One channel for each band of `q2_bands`: the occupancy by cells whose mean q2 lies there; between two bands a
    /// cell counts for both, in proportion, outside for the outermost. With `downsample` it keeps what a mean q2 over merged cells loses.
    #[serde(rename = "q2_bands")]
    Q2Bands,
    /// Four channels: cos_theta_l, cos_theta_k, cos chi and sin chi of the cell's centre.
    Coordinates,
    /// The logarithm of the image's number of events over `images.events`, the same in every cell. With it the other channels
    /// of merged cells count per event: they are divided by that number.
    Events,
}

impl Channel {
    /// Number of tensor channels, with this number of bands.
    pub const fn width(self, bands: usize) -> usize {
        match self {
            Self::MeanQ2 | Self::Occupancy | Self::Events => 1,
            Self::Q2Bands => bands,
            Self::Coordinates => 4,
        }
    }
}

/// A network of any kind with every number filled in; saved beside the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum AnyArchitecture {
    /// Over images.
    Residual(Architecture),
    /// Over sets.
    Set(SetArchitecture),
}

impl AnyArchitecture {
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

/// The residual network with every number filled in; saved beside the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Architecture {
    /// Input channels.
    pub channels: Vec<Channel>,
    /// Cells along an axis that are merged into one before the first layer.
    pub downsample: usize,
    /// q2 [GeV^2] that becomes 1 at the input.
    pub q2_scale: f64,
    /// q2 [GeV^2] at which the bands of `q2_bands` stand, ascending.
    pub q2_bands: Vec<f64>,
    /// Filters of the first convolution.
    pub stem_filters: usize,
    /// Kernel of the first convolution.
    pub stem_kernel: usize,
    /// Stride of the first convolution.
    pub stem_stride: usize,
    /// Kernel of the max pooling after it; 1 leaves it out.
    pub pool_kernel: usize,
    /// Stride of the max pooling.
    pub pool_stride: usize,
    /// Residual blocks of each stage.
    pub blocks: Vec<usize>,
    /// Filters of each stage.
    pub filters: Vec<usize>,
    /// Neurons of the dense layer before the output; 0 leaves it out.
    pub dense: usize,
    /// Dropout probability after the dense layer.
    pub dropout: f64,
    /// delta C9 that the scores are taken at which are learned; empty where labels are.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub references: Vec<f64>,
    /// Whether chi goes on at its other end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub circular_chi: bool,
    /// Whether scores are learned cell by cell, and not their mean over the image.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub score_map: bool,
    /// Whether they are learned behind the stem and every stage, and not behind the last alone.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub score_pyramid: bool,
}

/// Cells of a map of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MapCells {
    /// Their number along an axis.
    pub size: usize,
    /// Cells of the input along an axis that one of them holds; the last may hold fewer.
    pub stride: usize,
}

impl MapCells {
    /// Their number.
    pub const fn count(self) -> usize {
        self.size.pow(3)
    }
}

impl Architecture {
    /// Cells behind the stem and behind each stage, for images of `bins` cells an axis.
    fn stages(&self, bins: usize) -> Vec<MapCells> {
        let size = strided(self.input_size(bins), self.stem_kernel, self.stem_stride);
        let mut all = vec![MapCells { size, stride: self.stem_stride }];
        let pool = if self.pool_kernel > 1 { (self.pool_kernel, self.pool_stride) } else { (1, 1) };
        for (kernel, stride) in iter::once(pool).chain(iter::repeat_n((3, 2), self.blocks.len() - 1)) {
            let before = all[all.len() - 1];
            all.push(MapCells { size: strided(before.size, kernel, stride), stride: before.stride * stride });
        }
        all
    }

    /// Cells of the maps of scores that are learned, the finest first; none where whole images are.
    pub fn maps(&self, bins: usize) -> Vec<MapCells> {
        let mut all = self.stages(bins);
        if !self.score_map {
            all.clear();
        } else if !self.score_pyramid {
            all.drain(..all.len() - 1);
        }
        all
    }

    /// Tensor channels at the input.
    pub fn input_channels(&self) -> usize {
        self.channels.iter().map(|c| c.width(self.q2_bands.len())).sum()
    }

    /// Cells of an axis at the input of the first layer, for images of `bins` cells an axis; a remainder is
    /// padded with empty cells.
    pub fn input_size(&self, bins: usize) -> usize {
        bins.div_ceil(self.downsample)
    }
}

/// Cells of an axis behind windows of `kernel` cells, padded by half of that, each `stride` further.
pub const fn strided(size: usize, kernel: usize, stride: usize) -> usize {
    (size + 2 * (kernel / 2) - kernel) / stride + 1
}

impl NetworkCard {
    /// `ratio`: neurons of the layers that each event passes.
    pub fn ratio_layers(&self) -> Vec<usize> {
        self.layers.clone().unwrap_or_else(|| vec![64; 3])
    }

    /// The preset with the given fields replaced.
    pub fn any_architecture(&self) -> AnyArchitecture {
        match self.preset.supervision() {
            None => self.architecture().into(),
            Some(supervision) => self.set(supervision).into(),
        }
    }

    /// The set network of a preset with every number filled in.
    fn set(&self, supervision: Supervision) -> SetArchitecture {
        let references = self.references_or_default();
        let pooled = match supervision {
            Supervision::Set => self.pooled.unwrap_or(16),
            Supervision::Score => references.len(),
            Supervision::Event => 1,
        };
        let sample = if supervision == Supervision::Set { 0 } else { 1024 };
        SetArchitecture {
            elements: self.elements.unwrap_or_default(),
            supervision,
            layers: self.layers.clone().unwrap_or_else(|| vec![64; 3]),
            pooled,
            references: if supervision == Supervision::Score { references } else { Vec::new() },
            dense: if supervision == Supervision::Set { self.dense.unwrap_or(64) } else { 0 },
            sample: self.sample.unwrap_or(sample),
        }
    }

    /// The residual network of a preset, with the given fields replaced; `resnet34` where the preset is none of those.
    pub fn architecture(&self) -> Architecture {
        let (blocks, filters): (&[usize], &[usize]) = match self.preset {
            Preset::Resnet18 => (&[2, 2, 2, 2], &[64, 128, 256, 512]),
            Preset::Resnet10 => (&[1, 1, 1, 1], &[16, 32, 64, 128]),
            _ => (&[3, 4, 6, 3], &[64, 128, 256, 512]),
        };
        let filters = self.filters.clone().unwrap_or_else(|| filters.to_vec());
        let scores = self.learns_scores_of_images();
        let (dense, dropout) = if scores { (0, 0.0) } else { (1000, 0.5) };
        Architecture {
            channels: self.channels.clone().unwrap_or_else(|| vec![Channel::MeanQ2]),
            downsample: self.downsample.unwrap_or(1),
            q2_scale: self.q2_scale.unwrap_or(20.0),
            q2_bands: self.q2_bands.clone().unwrap_or_else(|| vec![0.0, 1.0, 4.0, 8.0, 13.0, 19.0]),
            stem_filters: self.stem_filters.or(filters.first().copied()).unwrap_or(64),
            stem_kernel: self.stem_kernel.unwrap_or(7),
            stem_stride: self.stem_stride.unwrap_or(2),
            pool_kernel: self.pool_kernel.unwrap_or(3),
            pool_stride: self.pool_stride.unwrap_or(2),
            blocks: self.blocks.clone().unwrap_or_else(|| blocks.to_vec()),
            filters,
            dense: self.dense.unwrap_or(dense),
            dropout: self.dropout.unwrap_or(dropout),
            references: if scores { self.references_or_default() } else { Vec::new() },
            circular_chi: self.circular_chi.unwrap_or(false),
            score_map: self.supervision.is_some_and(ImageSupervision::is_map),
            score_pyramid: self.supervision == Some(ImageSupervision::ScorePyramid),
        }
    }

    fn learns_scores_of_images(&self) -> bool {
        self.supervision.is_some_and(|s| s == ImageSupervision::Score || s.is_map())
    }

    /// delta C9 that scores are taken at.
    pub(super) fn references_or_default(&self) -> Vec<f64> {
        self.references.clone().unwrap_or_else(|| vec![-2.0, -1.25, -0.5, 0.25, 1.0])
    }

    /// Refuses fields that the preset does not know.
    fn validate_fields(&self) -> Result<(), Invalid> {
        let set = self.preset.supervision();
        let images = [
            ("network.channels", self.channels.is_some()),
            ("network.downsample", self.downsample.is_some()),
            ("network.q2_scale", self.q2_scale.is_some()),
            ("network.q2_bands", self.q2_bands.is_some()),
            ("network.stem_filters", self.stem_filters.is_some()),
            ("network.stem_kernel", self.stem_kernel.is_some()),
            ("network.stem_stride", self.stem_stride.is_some()),
            ("network.pool_kernel", self.pool_kernel.is_some()),
            ("network.pool_stride", self.pool_stride.is_some()),
            ("network.circular_chi", self.circular_chi.is_some()),
            ("network.blocks", self.blocks.is_some()),
            ("network.filters", self.filters.is_some()),
            ("network.dropout", self.dropout.is_some()),
            ("network.supervision", self.supervision.is_some()),
        ];
        let ratio = self.preset == Preset::Ratio;
        let sets = [("network.elements", self.elements.is_some()), ("network.sample", self.sample.is_some())];
        let rows =
            images.into_iter().map(|(f, given)| (f, given, set.is_none(), "resnet34, resnet18, resnet10"));
        let sets = sets.map(|(f, given)| (f, given, set.is_some() && !ratio, "set, score, event"));
        let rows = rows.chain(sets).chain([
            ("network.layers", self.layers.is_some(), set.is_some(), "set, score, event, ratio"),
            ("network.variables", self.variables.is_some(), ratio, "ratio"),
            ("network.members", self.members.is_some(), ratio, "ratio"),
            ("network.pooled", self.pooled.is_some(), set == Some(Supervision::Set), "set"),
            (
                "network.references",
                self.references.is_some(),
                (set == Some(Supervision::Score) && !ratio) || self.learns_scores_of_images(),
                "score, and resnet34, resnet18, resnet10 with supervision = \"score\", \"score_map\" or \"score_pyramid\"",
            ),
            (
                "network.dense",
                self.dense.is_some(),
                matches!(set, None | Some(Supervision::Set)),
                "resnet34, resnet18, resnet10, set",
            ),
        ]);
        for (field, given, known, presets) in rows {
            let got = format!("a value with preset `{}`", self.preset.name());
            Invalid::unless(!given || known, field, got, format!("with the presets {presets}"))?;
        }
        Ok(())
    }

    pub(super) fn validate(&self, bins: usize) -> Result<(), Invalid> {
        self.validate_fields()?;
        let members = self.members.unwrap_or(1);
        Invalid::unless((1..=64).contains(&members), "network.members", members, "1 to 64")?;
        if let Some(variables) = &self.variables {
            let twice = variables.iter().enumerate().find(|(i, name)| variables[..*i].contains(name));
            let got = twice.map_or_else(|| format!("{variables:?}"), |(_, name)| format!("`{name}` twice"));
            let sound = twice.is_none()
                && (1..=64).contains(&variables.len())
                && variables.iter().all(|v| !v.is_empty());
            Invalid::unless(sound, "network.variables", got, "1 to 64 names, each once")?;
        }
        let a = match self.any_architecture() {
            AnyArchitecture::Set(set) => return set.validate(),
            AnyArchitecture::Residual(a) => a,
        };
        let unique = a.channels.iter().enumerate().all(|(i, c)| !a.channels[..i].contains(c));
        Invalid::unless(
            !a.channels.is_empty() && unique,
            "network.channels",
            format!("{:?}", a.channels),
            "one or more of mean_q2, occupancy, q2_bands, coordinates, events, each once",
        )?;
        Invalid::unless(
            a.channels.iter().any(|c| !matches!(c, Channel::Coordinates | Channel::Events)),
            "network.channels",
            format!("{:?} alone", a.channels),
            "mean_q2, occupancy or q2_bands among the channels",
        )?;
        Invalid::unless(
            (1..=bins / 2).contains(&a.downsample),
            "network.downsample",
            a.downsample,
            format!("1 to {}", bins / 2),
        )?;
        Invalid::unless(
            a.q2_scale.is_finite() && a.q2_scale > 0.0,
            "network.q2_scale",
            a.q2_scale,
            "a positive number [GeV^2]",
        )?;
        Invalid::unless(
            (2..=64).contains(&a.q2_bands.len())
                && a.q2_bands.iter().all(|q2| q2.is_finite())
                && a.q2_bands.windows(2).all(|w| w[0] < w[1]),
            "network.q2_bands",
            format!("{:?}", a.q2_bands),
            "2 to 64 ascending numbers [GeV^2]",
        )?;
        for (field, value, max) in [
            ("network.stem_filters", a.stem_filters, 4096),
            ("network.stem_kernel", a.stem_kernel, 31),
            ("network.stem_stride", a.stem_stride, 8),
            ("network.pool_kernel", a.pool_kernel, 15),
            ("network.pool_stride", a.pool_stride, 8),
        ] {
            Invalid::unless((1..=max).contains(&value), field, value, format!("1 to {max}"))?;
        }
        for (field, kernel) in
            [("network.stem_kernel", a.stem_kernel), ("network.pool_kernel", a.pool_kernel)]
        {
            Invalid::unless(kernel % 2 == 1, field, kernel, "an odd number")?;
        }
        for (field, list, max) in [("network.blocks", &a.blocks, 64), ("network.filters", &a.filters, 4096)] {
            Invalid::unless(
                (1..=8).contains(&list.len()) && list.iter().all(|x| (1..=max).contains(x)),
                field,
                format!("{list:?}"),
                format!("1 to 8 stages, each 1 to {max}"),
            )?;
        }
        Invalid::unless(
            a.blocks.len() == a.filters.len(),
            "network.blocks",
            format!("{} stages", a.blocks.len()),
            format!("as many stages as network.filters, {}", a.filters.len()),
        )?;
        Invalid::unless(a.dense <= 100_000, "network.dense", a.dense, "0 to 100000")?;
        Invalid::unless((0.0..1.0).contains(&a.dropout), "network.dropout", a.dropout, "0 to below 1")?;
        let size = a.input_size(bins);
        let fits =
            a.stem_kernel / 2 <= size && a.pool_kernel / 2 <= strided(size, a.stem_kernel, a.stem_stride);
        Invalid::unless(
            !a.circular_chi || (bins.is_multiple_of(a.downsample) && fits),
            "network.circular_chi",
            "true",
            "false where downsample leaves a remainder, or half of a kernel is wider than the image",
        )?;
        Invalid::unless(
            a.dense > 0 || self.dropout.is_none_or(|p| p == 0.0),
            "network.dropout",
            a.dropout,
            "0 without a dense layer, which it follows",
        )?;
        Invalid::unless(
            !a.score_map || a.dense == 0,
            "network.dense",
            format!("{} where maps of scores are learned", a.dense),
            "0: each cell's outputs are those of the pooled image",
        )?;
        if self.learns_scores_of_images() { check_references(&a.references) } else { Ok(()) }
    }
}
