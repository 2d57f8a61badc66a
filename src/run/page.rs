//! The report of a run: everything it has, in one HTML file.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use humboldt_schemas::card::{RunCard, Split, TrainingImages};
use humboldt_schemas::provenance::program;

use super::evaluation::{Evaluation, file};
use super::timing::Stage;
use super::{RunFolder, compared, figures, timing};
use crate::error::{AtPath, Error, read_json};
use crate::learn::model::NETWORK_FILE;
use crate::progress::{number, seconds};
use crate::report::page::{Figure, Image, Page, Place, Samples, page};
use crate::report::{self, TrainingValues};

/// Git commit that the program was built from; none outside a git repository.
const COMMIT: Option<&str> = option_env!("HUMBOLDT_COMMIT");

/// Name of the report in a run's folder.
pub const REPORT: &str = "report.html";

/// Figures that the page shows as they are, with what they say in markup; those that a run does not have are left out.
const FIGURES: [(&str, Place, &str); 4] = [
    ("linearity.svg", Place::Linearity, "Mean prediction against the truth"),
    ("widths.svg", Place::Width, "Width over slope against the truth"),
    ("training.svg", Place::Training, "Loss, validation error and learning rate against the epoch"),
    (
        "predictions.svg",
        Place::Predictions,
        "Predictions of the images of each ensemble less their truth, all on one scale.",
    ),
];
/// Those of a comparison.
pub const COMPARED: [(&str, Place, &str); 3] = [
    (
        "compare/width_over_bound.svg",
        Place::Figures,
        "Width over slope of each estimator, over the information bound",
    ),
    (
        "compare/coverage.svg",
        Place::Figures,
        "Part of the intervals of each estimator that holds the truth; the band is ±3 %",
    ),
    (
        "compare/pulls.svg",
        Place::Figures,
        "Pulls of each estimator; dashed: a normal distribution of width 1",
    ),
];
/// Those of what the network sees, and of itself.
const SEEN: [(&str, Place, &str); 3] = [
    (
        "information.svg",
        Place::Figures,
        "Place of the information on the first coefficient: share by bin, dashed: share of the events",
    ),
    ("distributions.svg", Place::Figures, "Distributions of events at two values, and below their ratios"),
    ("network.svg", Place::Figures, "The network, layer by layer"),
];

/// Writes the report of an evaluated run; gives its path.
///
/// # Errors
/// When a result is missing or damaged, or the file cannot be written.
pub fn write(run: &RunFolder, evaluation: &Evaluation, out: Option<&Path>) -> Result<PathBuf, Error> {
    let (card, results) = (run.card(), run.results());
    let comparison = compared::read(&results.join("compare"))?;
    let bound = figures::bound(run, evaluation)?;
    let metrics = figures::metrics(&run.training().join("metrics.jsonl"))?;
    let images: Vec<Image> = figures::compared_images(run)?
        .into_iter()
        .map(|(truth, values)| Image { truth, bins: card.images.bins, values })
        .collect();
    let also = evaluation.0.iter().enumerate().skip(1).map(|(place, of)| {
        let symbol = report::parameter_title(&of.direction.to_string());
        let words = format!("Predicted against true {symbol}, over all values of the others");
        (file(place, of.direction, "linearity", ".svg"), Place::Figures, words)
    });
    let own = FIGURES.into_iter().chain(COMPARED).chain(SEEN);
    let own = own.map(|(name, place, words)| (name.to_owned(), place, words.to_owned()));
    let figures: Vec<(String, Place, String)> = also.chain(own).collect();
    let shown = shown(&results, &figures)?;
    let stages = timing::read(run.root());
    let html = page(&Page {
        title: &card.name,
        symbol: report::shift_symbol(&evaluation.first().label()),
        question: question(card, evaluation.first().training)?,
        samples: Samples::Images,
        ensembles: &evaluation.first().ensembles,
        training: evaluation.first().training,
        predictions: &evaluation.first().predictions,
        summary: &evaluation.first().summary,
        bound: &bound,
        metrics: &metrics,
        tables: Vec::new(),
        comparison: comparison.as_ref(),
        images: &images,
        figures: &shown,
        durations: stages.iter().map(|(stage, s)| (stage.clone(), seconds(s.seconds))).collect(),
        provenance: provenance(run, &stages)?,
        card: card.to_toml()?,
    })?;
    let path = out.map_or_else(|| run.results().join(REPORT), Path::to_owned);
    report::write(&path, html.as_bytes())?;
    Ok(path)
}

/// Those of some figures that there are: files below `results`, their places, and what they show in markup.
///
/// # Errors
/// When one cannot be read.
pub fn shown<'a>(results: &Path, figures: &'a [(String, Place, String)]) -> Result<Vec<Figure<'a>>, Error> {
    let there = figures.iter().filter(|(name, ..)| results.join(name).exists());
    let read = |(name, place, words): &'a (String, Place, String)| {
        let path = results.join(name);
        let svg = fs::read(&path).at(&path)?;
        Ok(Figure { name, words, place: *place, svg })
    };
    there.map(read).collect()
}

/// The question of a run in one sentence of markup.
fn question(card: &RunCard, training: TrainingValues) -> Result<String, Error> {
    let g = &card.generator;
    let axes = card.axes()?;
    let names: Vec<String> = axes.directions().iter().map(|d| report::shift_symbol(&d.to_string())).collect();
    let of = if training == TrainingValues::Listed { "values of " } else { "" };
    let ranges: Vec<String> = names
        .iter()
        .zip(&axes)
        .map(|(name, axis)| format!("{of}{name} from {} to {}", axis.range[0], axis.range[1]))
        .collect();
    let number_of_events = card
        .training
        .events
        .map_or_else(|| card.images.events.to_string(), |[least, most]| format!("{least} to {most}"));
    let seen = if card.architecture().takes_events() {
        "the events themselves".to_owned()
    } else {
        format!("images of mean *q*^{{2}} in {}^{{3}} cells", card.images.bins)
    };
    let source = match card.training.images {
        TrainingImages::Stored => "stored",
        TrainingImages::Live => "fresh",
    };
    let question = format!(
        "What {} behind {number_of_events} events of {} ({}, model {})? Asked of {seen}, by a network trained on {} {source} \
         images an epoch with {}.",
        if names.len() == 1 { format!("is {}", names[0]) } else { format!("are {}", names.join(" and ")) },
        report::process_title(g),
        report::window(g),
        g.model,
        number(card.data().count(Split::Train) as f64),
        ranges.join(", ")
    );
    Ok(question.replace(" -", " −"))
}

/// Names and values of where the results come from.
fn provenance(run: &RunFolder, stages: &BTreeMap<String, Stage>) -> Result<Vec<(String, String)>, Error> {
    let card = run.card();
    let architecture = card.architecture();
    let path = run.model().join(NETWORK_FILE);
    let network: serde_json::Value = read_json(&path)?;
    let mut rows = common_provenance(run, stages);
    rows.extend(
        [
            ("weights of the network", architecture.parameters(card.outputs()).to_string()),
            ("epoch of the weights", network.get("epoch").map_or_else(String::new, ToString::to_string)),
            ("events of an image", card.images.events.to_string()),
            ("test images", card.data().count(Split::Test).to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    Ok(rows)
}

/// Names and values of where the results of any run come from.
pub fn common_provenance(run: &RunFolder, stages: &BTreeMap<String, Stage>) -> Vec<(String, String)> {
    let card = run.card();
    let done = |stage: &str| {
        let stage = stages.get(stage)?;
        let device = stage.device.as_ref().map_or_else(String::new, |device| format!(", on {device}"));
        Some(format!("{}{device}", stage.finished))
    };
    let unknown = || "not known".to_owned();
    [
        ("program", program()),
        ("commit of the program", COMMIT.map_or_else(unknown, str::to_owned)),
        ("trained", done("training").unwrap_or_else(unknown)),
        ("evaluated", done("evaluation").unwrap_or_else(unknown)),
        ("card", card.name.clone()),
        ("hash of the card (BLAKE3)", card.hash()),
        ("seed", card.seed.to_string()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}
