//! A run in one HTML file without network: text and tables are in the HTML, plots and the image viewer are drawn by the
//! scripts beside this file, with the plotting library uPlot (MIT licence, `vendor/`).

mod comparison;
mod content;
mod data;
mod figures;
mod summary;
mod tables;

pub use content::{Figure, Image, Page, Place, Samples, Table};

use self::comparison::comparison;
use self::data::data;
use self::figures::placed;
use self::summary::{answer, summary_rows};
use self::tables::{filled, rows, section};
use super::ReportError;
use super::markup::{escaped, html};
use super::ticks::short;

const PAGE: &str = include_str!("page.html");

const IMAGES: &str = include_str!("images.html");

const PARTS: [(&str, &str); 7] = [
    ("uplot_css", include_str!("vendor/uPlot.min.css")),
    ("uplot_licence", include_str!("vendor/LICENSE-uPlot")),
    ("uplot", include_str!("vendor/uPlot.iife.min.js")),
    ("style", include_str!("style.css")),
    ("plots", include_str!("plots.js")),
    ("viewer", include_str!("viewer.js")),
    ("main", include_str!("main.js")),
];

/// The HTML of the page.
///
/// # Errors
/// Without ensembles, with images of nothing, and where neither epochs nor a figure show the training.
pub fn page(content: &Page) -> Result<String, ReportError> {
    let nothing = |what| ReportError::NoData { figure: "report", what };
    if content.ensembles.is_empty() {
        return Err(nothing("ensembles"));
    }
    let has_figure = content.figures.iter().any(|figure| figure.place == Place::Training);
    if content.metrics.is_empty() && !has_figure {
        return Err(nothing("epochs"));
    }
    let empty = |image: &Image| image.values.iter().all(|x| *x == 0.0);
    if !content.images.is_empty() && content.images.iter().all(empty) {
        return Err(nothing("images"));
    }
    let [low, high] = content.summary.range;
    let mut parts: Vec<(&str, String)> =
        PARTS.iter().map(|(name, text)| (*name, (*text).to_owned())).collect();
    parts.extend([
        ("title", escaped(content.title)),
        ("question", html(&content.question)),
        ("answer", html(&answer(content))),
        ("symbol", html(&content.symbol)),
        ("range_low", short(low, 3)),
        ("range_high", short(high, 3)),
        ("summary_rows", rows(&summary_rows(content))),
        ("links", links(content)),
        ("sample", content.samples.one().to_owned()),
        ("samples", content.samples.many().to_owned()),
        ("tables", content.tables.iter().map(section).collect::<Vec<_>>().join("\n")),
        ("comparison", content.comparison.map_or_else(String::new, comparison)),
        ("images", if content.images.is_empty() { String::new() } else { with_symbol(IMAGES, content) }),
        ("linearity_figure", placed(content, Place::Linearity)),
        ("width_figure", placed(content, Place::Width)),
        ("training", training(content)),
        ("training_figure", placed(content, Place::Training)),
        ("predictions", placed(content, Place::Predictions)),
        ("figures", placed(content, Place::Figures)),
        ("card", escaped(&content.card)),
        ("provenance_rows", rows(&content.provenance)),
        ("data", data(content)?),
    ]);
    Ok(filled(PAGE, &parts))
}

/// Links to the sections that not all pages have.
fn links(content: &Page) -> String {
    let tables = content.tables.iter().map(|table| (table.id, table.title));
    let comparison = content.comparison.map(|_| ("comparison", "Comparison"));
    let images = (!content.images.is_empty()).then_some(("images", "Images"));
    let all = tables.chain(comparison).chain(images);
    all.map(|(id, title)| format!("<a href=\"#{id}\">{title}</a> ")).collect::<Vec<_>>().concat()
}

/// A part of the page that names the shifts.
fn with_symbol(part: &str, content: &Page) -> String {
    filled(part, &[("symbol", html(&content.symbol))])
}

/// Words about the training, and the place of its plot where scripts draw it.
fn training(content: &Page) -> String {
    let plot =
        if content.metrics.is_empty() { "" } else { "\n<div id=\"training-plot\" class=\"plot\"></div>" };
    format!("<p>{}</p>{plot}", content.samples.of_training())
}

#[cfg(test)]
mod tests {
    use humboldt_infer::ensembles::summary;
    use humboldt_schemas::results::EpochMetrics;

    use super::*;
    use crate::{Predictions, TrainingValues, checks};

    #[test]
    fn what_is_put_in_is_escaped_and_not_filled_again() {
        let parts = [("a", escaped("<b> & {{c}}")), ("c", "never".to_owned())];
        assert_eq!(filled("x {{a}} y {{gone}} z", &parts), "x &lt;b&gt; &amp; {{c}} y  z");
    }

    #[test]
    fn a_page_holds_its_run() {
        let (ensembles, values) = checks::ensembles(9);
        let predictions: Vec<Predictions> =
            ensembles.iter().zip(values).map(|(e, values)| Predictions { truth: e.truth, values }).collect();
        let summary = summary("test", [-2.0, 0.0], &ensembles).unwrap();
        let metrics = [EpochMetrics {
            epoch: 1,
            learning_rate: 0.01,
            train_loss: 0.5,
            validation_mae: 0.4,
            validation_loss: 0.3,
            images_seen: 10,
            best: true,
        }];
        let image = Image { truth: -2.0, bins: 2, values: vec![0.0, 1.0, 0.0, 0.0, 3.0, 0.0, 0.0, 0.0] };
        let bound = [(-2.0, 0.03), (0.0, 0.07)];
        let figure = |place| Figure { name: "a.svg", words: "δ*C*_{9}", place, svg: b"<svg/>".to_vec() };
        let figures = [Place::Linearity, Place::Predictions, Place::Figures].map(figure);
        let content = Page {
            title: "a <test>",
            symbol: "δ*C*_{9}".to_owned(),
            question: "*B\u{304}*^{0}?".to_owned(),
            samples: Samples::Images,
            tables: Vec::new(),
            ensembles: &ensembles,
            training: TrainingValues::Uniform([-2.1, 0.1]),
            predictions: &predictions,
            summary: &summary,
            bound: &bound,
            metrics: &metrics,
            comparison: None,
            images: &[image],
            figures: &figures,
            durations: [("training".to_owned(), "3 s".to_owned())].into(),
            provenance: vec![("seed".to_owned(), "5".to_owned())],
            card: "name = \"</script>\"".to_owned(),
        };
        let html = page(&content).unwrap();
        assert!(html.starts_with("<!DOCTYPE html>") && html.contains("a &lt;test&gt;"));
        assert!(html.contains("times the information bound") && html.contains("time for training"));
        // Issue 13: typeset words, errors of widths, a figure for paper, predictions apart.
        assert!(html.contains("<i>B\u{304}</i><sup>0</sup>?") && html.contains("alt=\"δC₉\""));
        assert!(html.contains(" ± 0.") && html.contains("inside the training’s range"));
        assert!(html.contains("<figure class=\"paper\">") && html.contains("<h2>Predictions</h2>"));
        assert_eq!(html.matches("</script>").count(), 5, "data must not end its script");
        assert!(!html.contains("{{") && !html.contains("http://") || html.contains("w3.org"));
        assert!(!html.contains("src=\"http") && !html.contains("href=\"http"));
        assert!(html.contains("id=\"viewers\"") && html.contains("id=\"training-plot\""));
        // Without images and epochs a figure shows the training, and a table stands in a section.
        let figures = [figure(Place::Training)];
        let table = Table {
            id: "experiments",
            title: "Pseudo-experiments",
            words: "By *x*".to_owned(),
            head: vec!["x".to_owned(), "bias".to_owned()],
            rows: vec![vec!["<1>".to_owned(), "0.5".to_owned()]],
        };
        let samples = Samples::Experiments;
        let other =
            Page { samples, metrics: &[], images: &[], figures: &figures, tables: vec![table], ..content };
        let html = page(&other).unwrap();
        assert!(!html.contains("id=\"viewers\"") && !html.contains("id=\"training-plot\""));
        assert!(html.contains("<figure class=\"shown\">") && html.contains("one pseudo-experiment measures"));
        assert!(
            html.contains("<a href=\"#experiments\">") && html.contains("<th scope=\"row\">&lt;1&gt;</th>")
        );
        let empty = Page { figures: &[], ..other };
        assert!(matches!(page(&empty), Err(ReportError::NoData { .. })));
    }
}
