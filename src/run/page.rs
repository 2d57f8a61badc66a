//! The report of a run: everything it has, in one HTML file.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use humboldt_physics::{Part, WilsonCoefficient, WilsonDirection};
use humboldt_schemas::card::{AnyArchitecture, Elements, RunCard, Split, TrainingImages, layers};
use humboldt_schemas::provenance::program;

use super::evaluation::{Evaluation, file};
use super::{RunFolder, compared, figures, timing};
use crate::learn::model::NETWORK_FILE;
use crate::progress::{number, seconds};
use crate::report::page::{Figure, Image, Page, page};
use crate::report::{self};

/// Name of the report in a run's folder.
pub const REPORT: &str = "report.html";

/// Figures that the page shows as they are, with what they say; those that a run does not have are left out.
const FIGURES: [(&str, &str); 6] = [
    ("compare/width_over_bound.svg", "Width over slope of each estimator, over the information bound"),
    ("compare/coverage.svg", "Which part of the calibrated intervals holds the truth; the band is ±3 %"),
    ("compare/pulls.svg", "Pulls of each estimator; dashed: a normal distribution of width 1"),
    ("information.svg", "Where the information on C9 sits: share by bin, dashed: share of the events"),
    ("distributions.svg", "What changes with C9: distributions of events, below their ratios"),
    ("network.svg", "The network, layer by layer"),
];

/// Writes the report of an evaluated run; gives its path.
///
/// # Errors
/// When a result is missing or damaged, or the file cannot be written.
pub fn write(run: &RunFolder, evaluation: &Evaluation, out: Option<&Path>) -> Result<PathBuf> {
    let (card, results) = (run.card(), run.results());
    let comparison = compared::read(&results.join("compare"))?;
    let bound = figures::bound(run, evaluation)?;
    let metrics = figures::metrics(&run.training().join("metrics.jsonl"))?;
    let images: Vec<Image> = figures::compared_images(run)?
        .into_iter()
        .map(|(delta_c9, values)| Image { delta_c9, bins: card.images.bins, values })
        .collect();
    let mut shown = Vec::new();
    let also = evaluation.0.iter().enumerate().skip(1).map(|(place, of)| {
        let words =
            format!("Predicted against true shift of {}, over all values of the others", of.direction);
        (file(place, of.direction, "linearity", ".svg"), words)
    });
    let figures: Vec<(String, String)> =
        also.chain(FIGURES.map(|(name, words)| (name.to_owned(), words.to_owned()))).collect();
    for (name, words) in &figures {
        let path = results.join(name);
        if path.exists() {
            let svg = fs::read(&path).with_context(|| path.display().to_string())?;
            shown.push(Figure { name, words, svg });
        }
    }
    let html = page(&Page {
        title: &card.name,
        question: question(card)?,
        ensembles: &evaluation.first().ensembles,
        predictions: &evaluation.first().predictions,
        summary: &evaluation.first().summary,
        bound: &bound,
        metrics: &metrics,
        comparison: comparison.as_ref(),
        images: &images,
        figures: &shown,
        durations: timing::read(run.root()).into_iter().map(|(stage, s)| (stage, seconds(s))).collect(),
        provenance: provenance(run)?,
        card: card.to_toml()?,
    })?;
    let path = out.map_or_else(|| run.results().join(REPORT), Path::to_owned);
    report::write(&path, html.as_bytes())?;
    Ok(path)
}

/// What was asked, in one sentence.
fn question(card: &RunCard) -> Result<String> {
    let g = &card.generator;
    let windows: Vec<String> = g.q2.iter().map(|w| String::from(*w)).collect();
    let windows = if windows.is_empty() {
        "all q²".to_owned()
    } else {
        format!("q² in {} GeV²", windows.join(", "))
    };
    let axes = card.axes()?;
    let names: Vec<String> = axes.directions().iter().map(|d| coefficient_words(*d)).collect();
    let ranges: Vec<String> = names
        .iter()
        .zip(&axes)
        .map(|(name, axis)| format!("{name} from {} to {}", axis.range[0], axis.range[1]))
        .collect();
    let number_of_events = card
        .training
        .events
        .map_or_else(|| card.images.events.to_string(), |[least, most]| format!("{least} to {most}"));
    let seen = match card.architecture() {
        AnyArchitecture::Set(set) if set.elements == Elements::Events => "the events themselves".to_owned(),
        _ => format!("images of mean q² in {}³ cells", card.images.bins),
    };
    let source = match card.training.images {
        TrainingImages::Stored => "stored",
        TrainingImages::Live => "fresh",
    };
    Ok(format!(
        "What {} behind {number_of_events} events of {} → K* {}{} ({windows}, model {})? Asked of {seen}, by a network trained \
         on {} {source} images an epoch with {}.",
        if names.len() == 1 { format!("is {}", names[0]) } else { format!("are {}", names.join(" and ")) },
        g.flavour,
        if g.lepton == "mu" { "μ" } else { "e" },
        if g.lepton == "mu" { "μ" } else { "e" },
        g.model,
        number(card.data().count(Split::Train) as f64),
        ranges.join(", ")
    ))
}

/// A shift as prose writes it: δC₉, Im δC₁₀′.
fn coefficient_words(direction: WilsonDirection) -> String {
    use WilsonCoefficient as W;
    let name = match direction.coefficient {
        W::C7 => "δC₇",
        W::C9 => "δC₉",
        W::C10 => "δC₁₀",
        W::C7Prime => "δC₇′",
        W::C9Prime => "δC₉′",
        W::C10Prime => "δC₁₀′",
        W::CS => "δC_S",
        W::CP => "δC_P",
    };
    if direction.part == Part::Imaginary { format!("Im {name}") } else { name.to_owned() }
}

/// Names and values of where the results come from.
fn provenance(run: &RunFolder) -> Result<Vec<(String, String)>> {
    let card = run.card();
    let architecture = card.architecture();
    let path = run.model().join(NETWORK_FILE);
    let text = fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let network: serde_json::Value =
        serde_json::from_str(&text).with_context(|| format!("{} is damaged", path.display()))?;
    let rows = [
        ("program", program()),
        ("card", card.name.clone()),
        ("hash of the card (BLAKE3)", card.hash()),
        ("seed", card.seed.to_string()),
        ("weights of the network", layers::parameters(&architecture, card.outputs()).to_string()),
        ("epoch of the weights", network.get("epoch").map_or_else(String::new, ToString::to_string)),
        ("events of an image", card.images.events.to_string()),
        ("test images", card.data().count(Split::Test).to_string()),
    ];
    Ok(rows.map(|(name, value)| (name.to_owned(), value)).into())
}
