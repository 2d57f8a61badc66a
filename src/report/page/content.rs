//! Content of the page.

use std::collections::BTreeMap;

use humboldt_schemas::comparison::Comparison;
use humboldt_schemas::results::{EnsembleResult, EpochMetrics, Summary};

use crate::{Predictions, TrainingValues};

/// Content of the page.
#[derive(Debug)]
pub struct Page<'a> {
    /// Name of the run.
    pub title: &'a str,
    /// Symbol of the shifts, in markup.
    pub symbol: String,
    /// The question, in a sentence of markup.
    pub question: String,
    /// Kind of the samples that an ensemble is of.
    pub samples: Samples,
    /// Ensembles of test images, or of pseudo-experiments.
    pub ensembles: &'a [EnsembleResult],
    /// The delta C9 that the network was trained at.
    pub training: TrainingValues,
    /// Their predictions.
    pub predictions: &'a [Predictions],
    /// The run in a few numbers.
    pub summary: &'a Summary,
    /// (delta C9, information bound), in rising delta C9.
    pub bound: &'a [(f64, f64)],
    /// The epochs of the training; none where a figure alone shows it.
    pub metrics: &'a [EpochMetrics],
    /// Tables, each a section.
    pub tables: Vec<Table>,
    /// All estimators on the same samples, where they were compared.
    pub comparison: Option<&'a Comparison>,
    /// Images side by side; none where the network sees none.
    pub images: &'a [Image],
    /// Figures as they are.
    pub figures: &'a [Figure<'a>],
    /// Names of stages and how long they took, in words.
    pub durations: BTreeMap<String, String>,
    /// Names and values of where the results come from.
    pub provenance: Vec<(String, String)>,
    /// The card.
    pub card: String,
}

/// Kind of the samples that an ensemble is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Samples {
    /// Test images.
    Images,
    /// Pseudo-experiments of measured events.
    Experiments,
}

impl Samples {
    pub(super) const fn one(self) -> &'static str {
        match self {
            Self::Images => "image",
            Self::Experiments => "pseudo-experiment",
        }
    }

    pub(super) const fn many(self) -> &'static str {
        match self {
            Self::Images => "test images",
            Self::Experiments => "pseudo-experiments",
        }
    }

    /// The words before the curves of the training.
    pub(super) const fn of_training(self) -> &'static str {
        match self {
            Self::Images => {
                "Loss and validation error against the epoch; the best epoch's weights are the network."
            }
            Self::Experiments => {
                "Mean loss over the events of each epoch; the weights of the last one are the network."
            }
        }
    }
}

/// A table in a section of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// Name of the section in links.
    pub id: &'static str,
    /// Its title.
    pub title: &'static str,
    /// Its subject, in markup.
    pub words: String,
    /// Titles of its columns.
    pub head: Vec<String>,
    /// Cells, row by row; the first of each names the row.
    pub rows: Vec<Vec<String>>,
}

/// One voxel image.
#[derive(Debug, Clone)]
pub struct Image {
    /// Shift of C9.
    pub truth: f64,
    /// Cells of an axis.
    pub bins: usize,
    /// Mean q2 (GeV^2) of the cells, 0 where empty; `(cos_theta_l, cos_theta_k, chi)`.
    pub values: Vec<f32>,
}

/// One figure that is shown as it is.
#[derive(Debug, Clone)]
pub struct Figure<'a> {
    /// Its file.
    pub name: &'a str,
    /// Its subject, in markup.
    pub words: &'a str,
    /// Its place on the page.
    pub place: Place,
    /// Its SVG.
    pub svg: Vec<u8>,
}

/// Part of the page that a figure belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On paper in place of the plot that the scripts draw on a screen.
    Linearity,
    /// On paper in place of the plot of widths.
    Width,
    /// On paper in place of the plot of the training.
    Training,
    /// A section and a printed page of its own.
    Predictions,
    /// Among all others.
    Figures,
}
