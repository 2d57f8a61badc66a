//! Networks over the events or the occupied cells of an image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Invalid;

/// Elements of a set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Elements {
    /// Events: q2 and the three angles of each.
    #[default]
    Events,
    /// The occupied cells of the image: mean q2 and the centre of each.
    Cells,
}

/// Target of the network over elements.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Supervision {
    /// delta C9 of the whole set, through a mean over its elements and a dense head (Deep Sets).
    Set,
    /// The exact score of each element, which the generator knows; the mean over a set is then calibrated.
    Score,
    /// delta C9 of the sample that each single event comes from; the mean over a set is then calibrated.
    Event,
}

/// A network over the elements of a set with every number filled in; saved beside the weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetArchitecture {
    /// Elements of a set.
    pub elements: Elements,
    /// Target.
    pub supervision: Supervision,
    /// Neurons of the layers that each element passes.
    pub layers: Vec<usize>,
    /// Numbers that each element brings to the mean.
    pub pooled: usize,
    /// `score`: delta C9 that scores are taken at.
    pub references: Vec<f64>,
    /// `set`: neurons of the dense layer behind the mean.
    pub dense: usize,
    /// Elements of an image that are learned from in one step; 0 for all.
    pub sample: usize,
}

impl SetArchitecture {
    /// Features of an element: q2/10 - 1, half its logarithm, cos_theta_l, cos_theta_k, cos chi, sin chi.
    pub const FEATURES: usize = 6;

    /// Whether the mean over a set is calibrated, in place of a head that is trained.
    pub fn is_calibrated(&self) -> bool {
        self.supervision != Supervision::Set
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        Invalid::unless(
            (1..=16).contains(&self.layers.len()) && self.layers.iter().all(|n| (1..=4096).contains(n)),
            "network.layers",
            format!("{:?}", self.layers),
            "1 to 16 layers, each 1 to 4096",
        )?;
        Invalid::unless((1..=1024).contains(&self.pooled), "network.pooled", self.pooled, "1 to 1024")?;
        if self.supervision == Supervision::Score {
            check_references(&self.references)?;
        }
        Invalid::unless(self.dense <= 100_000, "network.dense", self.dense, "0 to 100000")?;
        Invalid::unless(
            self.sample == 0 || (2..=10_000_000).contains(&self.sample),
            "network.sample",
            self.sample,
            "0 for all, or 2 to 10000000",
        )
    }
}

/// Refuses delta C9 that no scores can be learned at.
pub(super) fn check_references(references: &[f64]) -> Result<(), Invalid> {
    let ascending = references.windows(2).all(|w| w[0] < w[1]);
    let finite = references.iter().all(|x| x.is_finite() && x.abs() <= 100.0);
    Invalid::unless(
        ascending && finite && (1..=32).contains(&references.len()),
        "network.references",
        format!("{references:?}"),
        "1 to 32 ascending numbers between -100 and 100",
    )
}
