//! The report of a run of learned ratios: everything it has, in one HTML file.

use std::path::{Path, PathBuf};

use humboldt_schemas::results::RatioPoint;

use super::evaluation::Evaluated;
use super::figures::info;
use crate::error::Error;
use crate::infer::ensembles::summary;
use crate::progress::seconds;
use crate::report::page::{Page, Place, Samples, Table, page};
use crate::report::{self, Predictions, TrainingValues};
use crate::run::evaluation::file;
use crate::run::page::{COMPARED, REPORT, common_provenance, shown};
use crate::run::{RunFolder, compared, timing};

/// Figures that the page shows as they are, with what they say in markup; those that a run does not have are left out.
const FIGURES: [(&str, Place, &str); 5] = [
    (
        "training.svg",
        Place::Training,
        "Squared error of the coefficients over their squared spread, and cross-entropy of signal and background, against the epoch",
    ),
    (
        "width_over_bound.svg",
        Place::Figures,
        "Width of the estimates over the information of the accepted truth",
    ),
    ("coverage.svg", Place::Figures, "Part of the intervals that holds the truth; the band is ±3 %"),
    ("pulls.svg", Place::Figures, "Pulls; dashed: a normal distribution of width 1"),
    (
        "p_values.svg",
        Place::Figures,
        "Goodness of fit: how often a sample of the simulation looks less like it than this one",
    ),
];

/// Of a comparison.
const WRONG: (&str, Place, &str) = (
    "compare/wrong_simulation.svg",
    Place::Figures,
    "Shifts by a wrong simulation, in widths of the estimates",
);

/// Heads of columns of pseudo-experiments at a point: how many, their size, and what became of a coefficient.
pub const COLUMNS: [&str; 10] =
    ["sets", "events", "bias", "width", "expected", "bound", "pull", "pulls", "68.3 %", "95 %"];

/// Writes the report of an evaluated run; gives its path.
///
/// # Errors
/// Where there are pseudo-experiments at fewer than two values; when a result is damaged, or the file cannot be written.
pub fn write(run: &RunFolder, evaluated: &Evaluated, out: Option<&Path>) -> Result<PathBuf, Error> {
    let (card, results) = (run.card(), run.results());
    let directions = card.axes()?.directions();
    let ensembles = evaluated.ensembles(0)?;
    let [first, .., last] = &ensembles[..] else {
        return Err(Error::file(
            run.root(),
            "pseudo-experiments at fewer than two values are no report; allowed: a card with dataset.test of two and more at some points",
        ));
    };
    let range = [first.truth, last.truth];
    let summary = summary(&card.name, range, &ensembles)?;
    let comparison = compared::read(&results.join("compare"))?;
    let mut bound: Vec<(f64, f64)> = evaluated
        .points
        .iter()
        .filter_map(|point| Some((point.truth[0], point.bounds.as_ref()?[0])))
        .collect();
    bound.sort_by(|a, b| a.0.total_cmp(&b.0));
    if bound.is_empty() {
        return Err(Error::file(run.root(), "no value has an information bound"));
    }
    let predictions: Vec<Predictions> = evaluated
        .points
        .iter()
        .map(|point| Predictions {
            truth: point.truth[0],
            values: point.of(0).iter().map(|e| e.value).collect(),
        })
        .collect();
    let of_coefficient = |place: usize| {
        let direction = directions[place];
        let symbol = report::parameter_title(&direction.to_string());
        [
            ("linearity", "Predicted against true"),
            ("width_over_bound", "Width over bound of"),
            ("coverage", "Coverage of"),
            ("pulls", "Pulls of"),
        ]
        .map(|(stem, words)| {
            (file(place, direction, stem, ".svg"), Place::Figures, format!("{words} {symbol}"))
        })
    };
    let own = [("linearity.svg".to_owned(), Place::Linearity, "Mean estimate against the truth".to_owned())];
    let listed = FIGURES
        .into_iter()
        .chain(COMPARED)
        .chain([WRONG])
        .map(|(name, place, words)| (name.to_owned(), place, words.to_owned()));
    let figures: Vec<(String, Place, String)> =
        own.into_iter().chain(listed).chain((1..directions.len()).flat_map(of_coefficient)).collect();
    let stages = timing::read(run.root());
    let html = page(&Page {
        title: &card.name,
        symbol: report::shift_symbol(&directions[0].to_string()),
        question: question(run, evaluated)?,
        samples: Samples::Experiments,
        ensembles: &ensembles,
        training: TrainingValues::Uniform(range),
        predictions: &predictions,
        summary: &summary,
        bound: &bound,
        metrics: &[],
        tables: tables(run, evaluated)?,
        comparison: comparison.as_ref(),
        images: &[],
        figures: &shown(&results, &figures)?,
        durations: stages.iter().map(|(stage, s)| (stage.clone(), seconds(s.seconds))).collect(),
        provenance: provenance(run, evaluated)?,
        card: card.to_toml()?,
    })?;
    let path = out.map_or_else(|| results.join(REPORT), Path::to_owned);
    report::write(&path, html.as_bytes())?;
    Ok(path)
}

/// The question of a run in one sentence of markup.
fn question(run: &RunFolder, evaluated: &Evaluated) -> Result<String, Error> {
    let card = run.card();
    let (g, axes) = (&card.generator, card.axes()?);
    let names: Vec<String> = axes.directions().iter().map(|d| report::shift_symbol(&d.to_string())).collect();
    let ranges: Vec<String> = names
        .iter()
        .zip(&axes)
        .map(|(name, axis)| format!("{name} from {} to {}", axis.range[0], axis.range[1]))
        .collect();
    let background = match evaluated.numbers.fraction {
        fraction if fraction > 0.0 => {
            format!(", {} % of them background", report::short(100.0 * fraction, 3))
        }
        _ => String::new(),
    };
    let source =
        if evaluated.numbers.fresh { "the card’s own simulation" } else { "simulated events of a user" };
    let events = evaluated.points.iter().map(|point| point.events).max().unwrap_or(0);
    let same = evaluated.points.iter().all(|point| point.events == events);
    let events = if same { events.to_string() } else { format!("up to {events}") };
    let question = format!(
        "What {} behind {events} measured events of {} ({}, model {}){background}? Asked of learned ratios of densities, which know {source}, \
         with {}.",
        if names.len() == 1 { format!("is {}", names[0]) } else { format!("are {}", names.join(" and ")) },
        report::process_title(g),
        report::window(g),
        g.model,
        ranges.join(", ")
    );
    Ok(question.replace(" -", " −"))
}

/// Pseudo-experiments by coefficient.
fn tables(run: &RunFolder, evaluated: &Evaluated) -> Result<Vec<Table>, Error> {
    let names = run.card().axes()?.names();
    let head = ["true shift"].into_iter().chain(COLUMNS).chain(["p < 5 %", "simulated"]);
    let known =
        |x: Option<f64>, decimals: usize| x.map_or_else(|| "–".to_owned(), |x| report::number(x, decimals));
    let percent =
        |x: Option<f64>| x.map_or_else(|| "–".to_owned(), |x| format!("{} %", report::number(100.0 * x, 1)));
    let row = |point: &RatioPoint, place: usize| {
        let c = &point.coefficients[place];
        vec![
            format!("{} = {}", c.name, report::number(c.truth, 4)),
            point.experiments.to_string(),
            point.events.to_string(),
            known(c.mean.map(|mean| mean - c.truth), 4),
            known(c.sigma, 4),
            known(c.expected, 4),
            known(c.bound, 4),
            known(c.pull_mean, 2),
            known(c.pull_width, 2),
            percent(c.coverage),
            percent(c.coverage_95),
            percent(point.p_value_below_5),
            report::count(point.effective_events.round() as usize),
        ]
    };
    let points = &evaluated.numbers.points;
    let rows = (0..names.len()).flat_map(|place| points.iter().map(move |point| row(point, place)));
    let words = "Samples of measured events at known coefficients. *expected*: the width that the calibration expects; *bound*: that of the truth of \
                 as many accepted events; *pull*, *pulls*: mean and width of the pulls; then the parts of the intervals that hold the truth, \
                 and the part of the samples whose goodness of fit is below 5 %; *simulated*: effective number of simulated events of the calibration there.";
    let head = head.map(str::to_owned).collect();
    let rows = rows.collect();
    Ok(vec![Table { id: "experiments", title: "Pseudo-experiments", words: words.to_owned(), head, rows }])
}

/// Names and values of where the results come from.
fn provenance(run: &RunFolder, evaluated: &Evaluated) -> Result<Vec<(String, String)>, Error> {
    let info = info(run)?;
    let mut rows = common_provenance(run, &timing::read(run.root()));
    let sets: usize = evaluated.points.iter().map(|point| point.found.len()).sum();
    let layers = info.layers.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    rows.extend(
        [
            ("layers of each network", layers),
            ("networks averaged", info.members.to_string()),
            ("squared spread of the coefficients that is left", report::number(info.loss, 4)),
            (
                "cross-entropy of signal and background",
                info.entropy.map_or_else(|| "none".to_owned(), |x| report::number(x, 4)),
            ),
            ("pseudo-experiments", sets.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    Ok(rows)
}
