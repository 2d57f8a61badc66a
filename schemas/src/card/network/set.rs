//! Networks over the events or the occupied cells of an image.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NetworkCard;
use super::layers::{Layer, List};
use crate::error::Invalid;
use crate::events::EVENT_COLUMNS;

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
    /// Whether the K pi mass of an event is told, too.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub m_kpi: bool,
}

impl SetArchitecture {
    /// Number of features of an element but for a mass.
    pub const FEATURES: usize = 6;

    /// Number of features of an element: q2/10 - 1, half its logarithm, cos_theta_l, cos_theta_k, cos chi, sin chi, and where it is told
    /// the K pi mass, by 0.1 GeV from 0.9 GeV.
    pub const fn features(&self) -> usize {
        Self::FEATURES + self.m_kpi as usize
    }

    /// Whether the mean over a set is calibrated, in place of a head that is trained.
    pub fn is_calibrated(&self) -> bool {
        self.supervision != Supervision::Set
    }

    /// Network over elements of a card.
    pub(super) fn of(card: &NetworkCard, supervision: Supervision) -> Self {
        let references = card.references_or_default();
        let pooled = match supervision {
            Supervision::Set => card.pooled.unwrap_or(16),
            Supervision::Score => references.len(),
            Supervision::Event => 1,
        };
        let whole = supervision == Supervision::Set;
        Self {
            elements: card.elements.unwrap_or_default(),
            supervision,
            layers: card.layers.clone().unwrap_or_else(|| vec![64; 3]),
            pooled,
            references: if supervision == Supervision::Score { references } else { Vec::new() },
            dense: if whole { card.dense.unwrap_or(64) } else { 0 },
            sample: card.sample.unwrap_or(if whole { 0 } else { 1024 }),
            m_kpi: card.variables.as_ref().is_some_and(|own| own.iter().any(|name| name == EVENT_COLUMNS[4])),
        }
    }

    /// Layers in the order of the data, for a network that puts out so many numbers.
    pub fn layers(&self, outputs: usize) -> Vec<Layer> {
        let mut list = List { layers: Vec::new(), channels: self.features(), size: 1 };
        let element = match self.elements {
            Elements::Events => "event",
            Elements::Cells => "cell",
        };
        list.add(format!("each {element}"), "input".into(), 0);
        for (i, &neurons) in self.layers.iter().enumerate() {
            list.dense(&format!("each {element}, dense {}", i + 1), neurons);
            list.add(format!("each {element}"), "relu".into(), 0);
        }
        list.dense(&format!("each {element}, outputs"), self.pooled);
        list.add(format!("over all {element}s, mean"), "mean".into(), 0);
        if self.is_calibrated() {
            list.channels = 1;
            list.add(format!("over all {element}s, calibration"), "calibration".into(), 0);
            return list.layers;
        }
        list.channels += 1;
        list.add(format!("over all {element}s, number"), "number".into(), 0);
        if self.dense > 0 {
            list.dense("dense", self.dense);
            list.add("head".into(), "relu".into(), 0);
        }
        list.dense("output", outputs);
        list.layers
    }

    /// Whether a network has these numbers: those of a file need not be a card's.
    pub(super) fn is_sound(&self) -> bool {
        let masses = !self.m_kpi || self.elements == Elements::Events;
        self.pooled > 0 && self.layers.iter().all(|x| *x > 0) && masses
    }

    /// Refuses numbers outside their ranges, and variables that are not those of an event.
    pub(super) fn validate(&self, variables: Option<&[String]>) -> Result<(), Invalid> {
        check_layers(&self.layers)?;
        if let Some(variables) = variables {
            let known = self.elements == Elements::Events
                && [4, 5].iter().any(|n| variables.iter().eq(&EVENT_COLUMNS[..*n]));
            let allowed =
                "q2, cos_theta_l, cos_theta_k, chi, and behind them m_kpi, of elements that are events";
            Invalid::unless(known, "network.variables", variables.join(", "), allowed)?;
        }
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

/// Refuses layers that are none, too many or too wide.
pub(super) fn check_layers(layers: &[usize]) -> Result<(), Invalid> {
    Invalid::unless(
        (1..=16).contains(&layers.len()) && layers.iter().all(|n| (1..=4096).contains(n)),
        "network.layers",
        format!("{layers:?}"),
        "1 to 16 layers, each 1 to 4096",
    )
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
