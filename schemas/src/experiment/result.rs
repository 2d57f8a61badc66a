//! Content of an experiment's `result.json`: tables, and the numbers of its figures.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::card::StudyPoint;
use crate::global::Contribution;

/// `global nn` and `global gan`: `result.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ExperimentResult {
    /// The card's name.
    pub name: String,
    /// BLAKE3 hash of the card.
    pub card: String,
    /// Points of parameter space beside those of the study.
    pub points: Vec<PointRow>,
    /// Coefficients of polynomials over generated samples beside their prior: mean and width.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spreads: Vec<SpreadRow>,
    /// Single numbers.
    pub numbers: Vec<NumberRow>,
    /// Numbers of the figures.
    pub figures: Figures,
}

/// A point and its chi-square.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PointRow {
    /// Its name in words.
    pub what: String,
    /// Shift of C9.
    pub c9: f64,
    /// Shift of C10.
    pub c10: f64,
    /// Chi-square of the prediction at the point.
    pub chi2: f64,
    /// Names and values of the coefficients of polynomials.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub coefficients: Vec<(String, f64)>,
    /// Numbers that the study prints.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub study: Option<StudyPoint>,
}

/// Mean and width of a parameter in the training set and in generated samples.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct SpreadRow {
    /// The parameter.
    pub name: String,
    /// In the training set, or exactly.
    pub expected: Statistics,
    /// In the samples, or of the network.
    pub found: Statistics,
}

/// Mean and standard deviation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Statistics {
    /// Mean.
    pub mean: f64,
    /// Standard deviation.
    pub sigma: f64,
}

/// One number.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NumberRow {
    /// Its name in words.
    pub what: String,
    /// Its value.
    pub value: f64,
}

/// The numbers behind the figures.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Figures {
    /// Losses and accuracies while learning.
    pub losses: Vec<CurvePanel>,
    /// Chi-square of many points, by name; the lowest first, at most 20,000 of each.
    pub chi2: Vec<(String, Vec<f64>)>,
    /// Points whose observables are shown: the Standard Model and another.
    pub observables: Vec<ComparedPoint>,
    /// Images of 8 x 8 values between 0 and 1, rows of equal kind.
    pub images: Vec<ImageRow>,
    /// Regions of (C9, C10).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regions: Option<RegionsFigure>,
    /// Share of pseudo-data whose truth lies in regions of a probability, against that probability.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub coverage: Option<CurvePanel>,
}

/// Curves in one pair of axes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurvePanel {
    /// Title of the horizontal axis.
    pub x: String,
    /// Title of the vertical axis.
    pub y: String,
    /// Whether the vertical axis is logarithmic.
    pub logarithmic: bool,
    /// The curves.
    pub lines: Vec<CurveLine>,
}

/// One curve.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct CurveLine {
    /// Its name.
    pub name: String,
    /// Points (x, y).
    pub points: Vec<(f64, f64)>,
}

/// A point with all its predictions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ComparedPoint {
    /// Its name in words.
    pub name: String,
    /// Every measurement.
    pub contributions: Vec<Contribution>,
}

/// Images of one kind.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct ImageRow {
    /// Their source.
    pub name: String,
    /// Each image, row by row.
    ///
    /// # Shapes
    /// [image, 64]
    pub images: Vec<Vec<f32>>,
}

/// Regions of (C9, C10) with points in them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RegionsFigure {
    /// Range of the shift of C9.
    pub c9: [f64; 2],
    /// Range of the shift of C10.
    pub c10: [f64; 2],
    /// Regions, by whose density and which probability.
    pub regions: Vec<RegionRow>,
    /// Generated points by name.
    pub samples: Vec<(String, Vec<(f64, f64)>)>,
    /// The best fit.
    pub best: (f64, f64),
}

/// The region of highest density that holds a probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RegionRow {
    /// Whose density: `exact` or `network`.
    pub name: String,
    /// The probability.
    pub probability: f64,
    /// Closed lines around it, points (C9, C10).
    pub lines: Vec<Vec<(f64, f64)>>,
}
