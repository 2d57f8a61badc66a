//! A run in one HTML file without network: text and tables are in the HTML, plots and the image viewer are drawn by the
//! scripts beside this file, with the plotting library uPlot (MIT licence, `vendor/`).

use std::collections::BTreeMap;

use humboldt_schemas::comparison::{Comparison, EstimatorResult, WrongSimulation};
use humboldt_schemas::results::{EnsembleResult, EpochMetrics, Summary};
use serde::Serialize;

use super::colour_map::viridis;
use super::comparison::estimator_words;
use super::markup::{escaped, html, plain};
use super::style::Colour;
use super::ticks::{number, short};
use super::width::relative_error;
use super::{Predictions, ReportError, TrainingValues};

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

/// Content of the page.
#[derive(Debug)]
pub struct Page<'a> {
    /// Name of the run.
    pub title: &'a str,
    /// Symbol of the shifts, in markup.
    pub symbol: String,
    /// The question, in a sentence of markup.
    pub question: String,
    /// What an ensemble is of.
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

/// What ensembles are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Samples {
    /// Test images.
    Images,
    /// Pseudo-experiments of measured events.
    Experiments,
}

impl Samples {
    const fn one(self) -> &'static str {
        match self {
            Self::Images => "image",
            Self::Experiments => "pseudo-experiment",
        }
    }

    const fn many(self) -> &'static str {
        match self {
            Self::Images => "test images",
            Self::Experiments => "pseudo-experiments",
        }
    }

    /// The words before the curves of the training.
    const fn of_training(self) -> &'static str {
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
    /// What it shows, in markup.
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

fn section(table: &Table) -> String {
    let Table { id, title, words, head, rows } = table;
    format!(
        "<section id=\"{id}\">\n<h2>{title}</h2>\n<p>{}</p>\n{}\n</section>",
        html(words),
        html_table(head, rows)
    )
}

/// A table; all but the first column are numbers.
fn html_table(head: &[String], rows: &[Vec<String>]) -> String {
    let cell = |i: usize, text: &str, of_head: bool| {
        let (text, n) = (escaped(text), if i == 0 { "" } else { " class=\"n\"" });
        match (of_head, i) {
            (true, _) => format!("<th scope=\"col\"{n}>{text}</th>"),
            (false, 0) => format!("<th scope=\"row\">{text}</th>"),
            (false, _) => format!("<td{n}>{text}</td>"),
        }
    };
    let row = |row: &[String], of_head: bool| {
        let cells = row.iter().enumerate().map(|(i, text)| cell(i, text, of_head));
        format!("<tr>{}</tr>", cells.collect::<String>())
    };
    let body: Vec<String> = rows.iter().map(|cells| row(cells, false)).collect();
    format!(
        "<div class=\"scroll\"><table>\n<thead>{}</thead>\n<tbody>\n{}\n</tbody>\n</table></div>",
        row(head, true),
        body.join("\n")
    )
}

/// A template with its `{{name}}` replaced, in one pass: what is put in is not looked at again.
fn filled(template: &str, parts: &[(&str, String)]) -> String {
    let mut page =
        String::with_capacity(template.len() + parts.iter().map(|(_, text)| text.len()).sum::<usize>());
    let mut pieces = template.split("{{");
    page.push_str(pieces.next().unwrap_or_default());
    for piece in pieces {
        let (name, rest) = piece.split_once("}}").unwrap_or((piece, ""));
        if let Some((_, text)) = parts.iter().find(|(known, _)| *known == name) {
            page.push_str(text);
        }
        page.push_str(rest);
    }
    page
}

fn rows(pairs: &[(String, String)]) -> String {
    let row = |(name, value): &(String, String)| {
        format!("<tr><th scope=\"row\">{}</th><td>{}</td></tr>", escaped(name), escaped(value))
    };
    pairs.iter().map(row).collect::<Vec<_>>().join("\n")
}

/// Mean over the ensembles of the quoted range of width over slope over the bound, and its statistical error.
fn ratio_to_bound(content: &Page) -> Option<(f64, f64)> {
    let [low, high] = content.summary.range;
    let bound = |x: f64| {
        let above = content.bound.partition_point(|p| p.0 < x).clamp(1, content.bound.len().max(2) - 1);
        let (a, b) = (content.bound.get(above - 1)?, content.bound.get(above)?);
        Some(a.1 + (b.1 - a.1) * (x - a.0) / (b.0 - a.0))
    };
    let inside = content.ensembles.iter().filter(|e| (low..=high).contains(&e.truth));
    let ratios: Vec<(f64, f64)> = inside
        .filter_map(|e| {
            let sigma = e.sigma.filter(|sigma| *sigma > 0.0)?;
            Some((sigma / content.summary.slope.abs() / bound(e.truth)?, e.n_images))
        })
        .filter(|(ratio, _)| ratio.is_finite())
        .map(|(ratio, images)| (ratio, (ratio * relative_error(images)).powi(2)))
        .collect();
    let n = ratios.len() as f64;
    let (sum, squares) = ratios.iter().fold((0.0, 0.0), |(sum, squares), r| (sum + r.0, squares + r.1));
    (n > 0.0).then(|| (sum / n, squares.sqrt() / n))
}

/// A value and its error with two places.
fn with_error((value, error): (f64, f64)) -> String {
    format!("{} ± {}", number(value, 2), number(error, 2))
}

fn answer(content: &Page) -> String {
    let (s, symbol) = (content.summary, &content.symbol);
    let [low, high] = s.range.map(|x| short(x, 3));
    let learned = if s.rmse_over_baseline >= 0.95 {
        "The network learned nothing that always predicting the mean would not give. ".to_owned()
    } else {
        String::new()
    };
    let bound = ratio_to_bound(content)
        .map_or_else(String::new, |ratio| format!(", {} times the information bound", with_error(ratio)));
    let width = match s.mean_sigma {
        None => format!("that is not known (ensembles of one {})", content.samples.one()),
        Some(_) if s.slope == 0.0 => number(f64::INFINITY, 4),
        Some(sigma) => number(sigma / s.slope.abs(), 4),
    };
    format!(
        "{learned}Between {symbol} = {low} and {high} the mean prediction follows the truth with slope {}; one {} measures \
         {symbol} with a width (σ over slope) of {width}{bound}. Bias: {} on average.",
        number(s.slope, 3),
        content.samples.one(),
        number(s.mean_abs_bias, 4)
    )
}

fn summary_rows(content: &Page) -> Vec<(String, String)> {
    let s = content.summary;
    let mut rows = vec![
        ("slope (1 is perfect)".to_owned(), number(s.slope, 4)),
        ("mean |bias|".to_owned(), number(s.mean_abs_bias, 4)),
        (
            format!(
                "mean σ of {} {}",
                if content.samples == Samples::Images { "an" } else { "a" },
                content.samples.one()
            ),
            s.mean_sigma.map_or_else(|| "not known".to_owned(), |x| number(x, 4)),
        ),
        ("RMSE / baseline (1: nothing learned)".to_owned(), number(s.rmse_over_baseline, 4)),
    ];
    if let Some(width) = s.width_over_baseline {
        rows.push(("width / slope / baseline".to_owned(), number(width, 4)));
    }
    if let Some(ratio) = ratio_to_bound(content) {
        rows.push(("width / slope / information bound".to_owned(), with_error(ratio)));
    }
    let images: usize = content.ensembles.iter().map(|e| e.n_images).sum();
    rows.push((
        content.samples.many().to_owned(),
        format!("{images} in {} ensembles", content.ensembles.len()),
    ));
    rows.extend(content.durations.iter().map(|(stage, time)| (format!("time for {stage}"), time.clone())));
    rows
}

fn comparison(c: &Comparison) -> String {
    let values = c.estimators.first().map_or(0, |e| e.values.len());
    let words = if c.calibration_images == 0 {
        format!(
            "All estimators on the same pseudo-experiments, at most {} of {} events at each of {values} values; intervals are \
             their own. Ratio: width over slope over the information of the accepted truth.",
            c.images, c.events
        )
    } else {
        format!(
            "All estimators on the same {} samples of {} events at each of {values} values between the training values; \
             intervals are calibrated by Neyman’s construction with {} samples at each training value. Ratio: width over slope \
             over the information bound.",
            c.images, c.events, c.calibration_images
        )
    };
    let head = ["estimator", "slope", "ratio", "68.3 % covers", "95 % covers", "bias", "pull width", "ms"];
    let row = |e: &EstimatorResult| {
        let n = e.values.len().max(1) as f64;
        let bias = e.values.iter().map(|v| v.bias).sum::<f64>() / n;
        vec![
            estimator_words(&e.name).to_owned(),
            number(e.slope, 3),
            number(e.ratio_to_bound, 3),
            format!("{} %", number(100.0 * e.coverage_68, 1)),
            format!("{} %", number(100.0 * e.coverage_95, 1)),
            number(bias, 4),
            known_mean(e.values.iter().filter_map(|v| v.pull_width))
                .map_or_else(String::new, |x| number(x, 3)),
            number(e.milliseconds, 1),
        ]
    };
    let rows: Vec<Vec<String>> = c.estimators.iter().map(row).collect();
    format!(
        "<section id=\"comparison\">\n<h2>Comparison</h2>\n<p>{words}</p>\n{}\n{}</section>",
        html_table(&head.map(str::to_owned), &rows),
        wrong_simulation(&c.wrong)
    )
}

/// The shifts that a wrong simulation makes.
fn wrong_simulation(wrong: &[WrongSimulation]) -> String {
    let Some(first) = wrong.first() else { return String::new() };
    let names = first.shifts.iter().map(|shift| estimator_words(&shift.estimator).to_owned());
    let head: Vec<String> = ["what was wrong".to_owned()].into_iter().chain(names).collect();
    let row = |wrong: &WrongSimulation| {
        let shifts = wrong.shifts.iter().map(|shift| {
            let [least, most] = shift.extremes().map(|x| number(x, 2));
            format!("{}, {least} to {most}", with_error((shift.shift, shift.error)))
        });
        [wrong.what.clone()].into_iter().chain(shifts).collect()
    };
    let rows: Vec<Vec<String>> = wrong.iter().map(row).collect();
    format!(
        "<h3>A wrong simulation</h3>\n<p>Shift of the estimates, in widths of theirs, where data differ from the simulation: mean over the values, and from the least to the most.</p>\n{}\n",
        html_table(&head, &rows)
    )
}

/// The mean of what is known.
fn known_mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (n, sum) = values.fold((0_u32, 0.0), |(n, sum), x| (n + 1, sum + x));
    (n > 0).then(|| sum / f64::from(n))
}

/// The figures of one place; scripts draw what they show as well, but for a training without epochs.
fn placed(content: &Page, place: Place) -> String {
    let here = content.figures.iter().filter(|figure| figure.place == place);
    let drawn = place != Place::Training || !content.metrics.is_empty();
    here.map(|own| figure(own, drawn)).collect::<Vec<_>>().join("\n")
}

fn figure(figure: &Figure, drawn: bool) -> String {
    let (words, alt, svg) = (html(figure.words), escaped(&plain(figure.words)), base64(&figure.svg));
    let image = format!("<img alt=\"{alt}\" decoding=\"sync\" src=\"data:image/svg+xml;base64,{svg}\">");
    match figure.place {
        Place::Linearity | Place::Width | Place::Training if drawn => {
            format!("<figure class=\"paper\">{image}</figure>")
        }
        Place::Linearity | Place::Width | Place::Training => {
            format!("<figure class=\"shown\">{image}</figure>")
        }
        Place::Predictions => format!(
            "<section id=\"predictions\">\n<h2>Predictions</h2>\n<p>{words}</p>\n<figure class=\"shown\">{image}\
             </figure>\n</section>"
        ),
        Place::Figures => {
            format!("<figure class=\"shown\"><figcaption>{words}</figcaption>{image}</figure>")
        }
    }
}

/// The numbers that the scripts draw. Fields of tables keep their order: downloads have them as columns.
#[derive(Serialize)]
struct Data<'a> {
    symbol: String,
    ensembles: &'a [EnsembleResult],
    /// Words for ensembles that were trained on and for the others, where there are any.
    kinds: Vec<(bool, String)>,
    predictions: Vec<Rounded>,
    summary: &'a Summary,
    bound: &'a [(f64, f64)],
    metrics: &'a [EpochMetrics],
    comparison: Option<&'a Comparison>,
    images: Vec<Packed>,
    palette: Vec<[u8; 3]>,
    card: &'a str,
}

/// Predictions of one ensemble, to six decimals.
#[derive(Serialize)]
struct Rounded {
    truth: f64,
    values: Vec<f64>,
}

/// The occupied cells of an image: their numbers (u32) and mean q2 (f32), little-endian, in Base64.
#[derive(Serialize)]
struct Packed {
    truth: f64,
    bins: usize,
    cells: String,
    q2: String,
}

/// As JSON that is safe inside a script element.
fn data(content: &Page) -> Result<String, ReportError> {
    let image = |image: &Image| {
        let occupied = || image.values.iter().enumerate().filter(|(_, q2)| **q2 != 0.0);
        let cells: Vec<u8> = occupied().flat_map(|(cell, _)| (cell as u32).to_le_bytes()).collect();
        let q2: Vec<u8> = occupied().flat_map(|(_, q2)| q2.to_le_bytes()).collect();
        Packed { truth: image.truth, bins: image.bins, cells: base64(&cells), q2: base64(&q2) }
    };
    let rounded = |p: &Predictions| {
        let values = p.values.iter().map(|x| (x * 1e6).round() / 1e6).collect();
        Rounded { truth: p.truth, values }
    };
    let colour = |i: u32| {
        let Colour(r, g, b) = viridis(f64::from(i) / 127.0);
        [r, g, b]
    };
    let kinds = content.training.kinds(content.ensembles);
    let all = Data {
        symbol: plain(&content.symbol),
        ensembles: content.ensembles,
        kinds: kinds.into_iter().map(|kind| (kind.trained, kind.words)).collect(),
        predictions: content.predictions.iter().map(rounded).collect(),
        summary: content.summary,
        bound: content.bound,
        metrics: content.metrics,
        comparison: content.comparison,
        images: content.images.iter().map(image).collect(),
        palette: (0..128).map(colour).collect(),
        card: &content.card,
    };
    let text = serde_json::to_string(&all);
    let text =
        text.map_err(|e| ReportError::Drawing { figure: "report".to_owned(), message: e.to_string() })?;
    Ok(text.replace('<', "\\u003c"))
}

/// Base64 of RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for three in bytes.chunks(3) {
        let word =
            three.iter().fold(0_u32, |word, byte| word << 8 | u32::from(*byte)) << (8 * (3 - three.len()));
        for i in 0..4 {
            let digit = DIGITS[(word >> (18 - 6 * i) & 63) as usize];
            text.push(if i <= three.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;
    use humboldt_infer::ensembles::summary;

    #[test]
    fn base64_is_that_of_the_standard() {
        let of = |text: &str| base64(text.as_bytes());
        assert_eq!(
            [of(""), of("f"), of("fo"), of("foo"), of("foobar")],
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYmFy"]
        );
    }

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
