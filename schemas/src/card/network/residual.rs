//! Residual networks over images.

use std::iter;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::layers::{Layer, List};
use super::set::check_references;
use super::{NetworkCard, Preset};
use crate::error::Invalid;

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
    pub(super) const fn is_map(self) -> bool {
        matches!(self, Self::ScoreMap | Self::ScorePyramid)
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
    /// Residual network of a card, `resnet34` where its preset is none of those over images.
    pub(super) fn of(card: &NetworkCard) -> Self {
        let (blocks, filters): (&[usize], &[usize]) = match card.preset {
            Preset::Resnet18 => (&[2, 2, 2, 2], &[64, 128, 256, 512]),
            Preset::Resnet10 => (&[1, 1, 1, 1], &[16, 32, 64, 128]),
            _ => (&[3, 4, 6, 3], &[64, 128, 256, 512]),
        };
        let filters = card.filters.clone().unwrap_or_else(|| filters.to_vec());
        let scores = card.learns_scores_of_images();
        let (dense, dropout) = if scores { (0, 0.0) } else { (1000, 0.5) };
        Self {
            channels: card.channels.clone().unwrap_or_else(|| vec![Channel::MeanQ2]),
            downsample: card.downsample.unwrap_or(1),
            q2_scale: card.q2_scale.unwrap_or(20.0),
            q2_bands: card.q2_bands.clone().unwrap_or_else(|| vec![0.0, 1.0, 4.0, 8.0, 13.0, 19.0]),
            stem_filters: card.stem_filters.or(filters.first().copied()).unwrap_or(64),
            stem_kernel: card.stem_kernel.unwrap_or(7),
            stem_stride: card.stem_stride.unwrap_or(2),
            pool_kernel: card.pool_kernel.unwrap_or(3),
            pool_stride: card.pool_stride.unwrap_or(2),
            blocks: card.blocks.clone().unwrap_or_else(|| blocks.to_vec()),
            filters,
            dense: card.dense.unwrap_or(dense),
            dropout: card.dropout.unwrap_or(dropout),
            references: if scores { card.references_or_default() } else { Vec::new() },
            circular_chi: card.circular_chi.unwrap_or(false),
            score_map: card.supervision.is_some_and(ImageSupervision::is_map),
            score_pyramid: card.supervision == Some(ImageSupervision::ScorePyramid),
        }
    }

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

    /// Refuses what no network over images of `bins` cells an axis has; `card` says what was given.
    pub(super) fn validate(&self, card: &NetworkCard, bins: usize) -> Result<(), Invalid> {
        let unique = self.channels.iter().enumerate().all(|(i, c)| !self.channels[..i].contains(c));
        Invalid::unless(
            !self.channels.is_empty() && unique,
            "network.channels",
            format!("{:?}", self.channels),
            "one or more of mean_q2, occupancy, q2_bands, coordinates, events, each once",
        )?;
        Invalid::unless(
            self.channels.iter().any(|c| !matches!(c, Channel::Coordinates | Channel::Events)),
            "network.channels",
            format!("{:?} alone", self.channels),
            "mean_q2, occupancy or q2_bands among the channels",
        )?;
        Invalid::unless(
            (1..=bins / 2).contains(&self.downsample),
            "network.downsample",
            self.downsample,
            format!("1 to {}", bins / 2),
        )?;
        Invalid::unless(
            self.q2_scale.is_finite() && self.q2_scale > 0.0,
            "network.q2_scale",
            self.q2_scale,
            "a positive number [GeV^2]",
        )?;
        Invalid::unless(
            (2..=64).contains(&self.q2_bands.len())
                && self.q2_bands.iter().all(|q2| q2.is_finite())
                && self.q2_bands.windows(2).all(|w| w[0] < w[1]),
            "network.q2_bands",
            format!("{:?}", self.q2_bands),
            "2 to 64 ascending numbers [GeV^2]",
        )?;
        for (field, value, max) in [
            ("network.stem_filters", self.stem_filters, 4096),
            ("network.stem_kernel", self.stem_kernel, 31),
            ("network.stem_stride", self.stem_stride, 8),
            ("network.pool_kernel", self.pool_kernel, 15),
            ("network.pool_stride", self.pool_stride, 8),
        ] {
            Invalid::unless((1..=max).contains(&value), field, value, format!("1 to {max}"))?;
        }
        for (field, kernel) in
            [("network.stem_kernel", self.stem_kernel), ("network.pool_kernel", self.pool_kernel)]
        {
            Invalid::unless(kernel % 2 == 1, field, kernel, "an odd number")?;
        }
        for (field, list, max) in
            [("network.blocks", &self.blocks, 64), ("network.filters", &self.filters, 4096)]
        {
            Invalid::unless(
                (1..=8).contains(&list.len()) && list.iter().all(|x| (1..=max).contains(x)),
                field,
                format!("{list:?}"),
                format!("1 to 8 stages, each 1 to {max}"),
            )?;
        }
        Invalid::unless(
            self.blocks.len() == self.filters.len(),
            "network.blocks",
            format!("{} stages", self.blocks.len()),
            format!("as many stages as network.filters, {}", self.filters.len()),
        )?;
        Invalid::unless(self.dense <= 100_000, "network.dense", self.dense, "0 to 100000")?;
        Invalid::unless((0.0..1.0).contains(&self.dropout), "network.dropout", self.dropout, "0 to below 1")?;
        let size = self.input_size(bins);
        let fits = self.stem_kernel / 2 <= size
            && self.pool_kernel / 2 <= strided(size, self.stem_kernel, self.stem_stride);
        Invalid::unless(
            !self.circular_chi || (bins.is_multiple_of(self.downsample) && fits),
            "network.circular_chi",
            "true",
            "false where downsample leaves a remainder, or half of a kernel is wider than the image",
        )?;
        Invalid::unless(
            self.dense > 0 || card.dropout.is_none_or(|p| p == 0.0),
            "network.dropout",
            self.dropout,
            "0 without a dense layer, which it follows",
        )?;
        Invalid::unless(
            !self.score_map || self.dense == 0,
            "network.dense",
            format!("{} where maps of scores are learned", self.dense),
            "0: each cell's outputs are those of the pooled image",
        )?;
        if card.learns_scores_of_images() { check_references(&self.references) } else { Ok(()) }
    }

    /// Whether a network has these numbers, for images of `bins` cells an axis: those of a file need not be a card's.
    pub(super) fn is_sound(&self, bins: usize) -> bool {
        let sizes = [
            self.downsample,
            self.stem_filters,
            self.stem_kernel,
            self.stem_stride,
            self.pool_kernel,
            self.pool_stride,
        ];
        let filled = self.channels.iter().any(|c| !matches!(c, Channel::Coordinates | Channel::Events));
        let bands = !self.q2_bands.is_empty() && self.q2_bands.windows(2).all(|w| w[0] < w[1]);
        let stages = !self.blocks.is_empty() && self.blocks.len() == self.filters.len();
        let mapped = (self.score_map || !self.score_pyramid)
            && (!self.score_map || (self.dense == 0 && !self.references.is_empty()));
        filled && bands && stages && mapped && bins > 0 && sizes.iter().chain(&self.filters).all(|x| *x > 0)
    }

    /// Tensor channels whose mean and deviation may be taken out: all but coordinates.
    pub(super) fn scaled_channels(&self) -> usize {
        let coordinates = self.channels.contains(&Channel::Coordinates);
        self.input_channels() - if coordinates { Channel::Coordinates.width(0) } else { 0 }
    }

    /// Layers in the order of the data, for images of `bins` cells an axis.
    pub fn layers(&self, bins: usize, outputs: usize) -> Vec<Layer> {
        let mut list =
            List { layers: Vec::new(), channels: self.input_channels(), size: self.input_size(bins) };
        list.add("input".into(), "input".into(), 0);
        list.conv("stem", self.stem_filters, self.stem_kernel, self.stem_stride);
        list.add("stem".into(), "relu".into(), 0);
        if self.score_pyramid {
            list.map(outputs);
        }
        if self.pool_kernel > 1 {
            list.size = strided(list.size, self.pool_kernel, self.pool_stride);
            list.add("stem".into(), format!("max pool {}^3 / {}", self.pool_kernel, self.pool_stride), 0);
        }
        for (stage, (&count, &filters)) in self.blocks.iter().zip(&self.filters).enumerate() {
            for block in 0..count {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                list.block(&format!("stage {}, block {}", stage + 1, block + 1), filters, stride);
            }
            if self.score_pyramid && stage + 1 < self.blocks.len() {
                list.map(outputs);
            }
        }
        list.size = 1;
        list.add("head".into(), "global average pool".into(), 0);
        if self.dense > 0 {
            list.dense("dense", self.dense);
            list.add("head".into(), "relu".into(), 0);
            list.add("head".into(), format!("dropout {}", self.dropout), 0);
        }
        list.dense("output", outputs);
        if !self.references.is_empty() {
            list.channels = 1;
            list.add("head".into(), "calibration".into(), 0);
        }
        list.layers
    }
}

/// Cells of an axis behind windows of `kernel` cells, padded by half of that, each `stride` further.
pub const fn strided(size: usize, kernel: usize, stride: usize) -> usize {
    (size + 2 * (kernel / 2) - kernel) / stride + 1
}
