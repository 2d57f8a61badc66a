//! Numbers that the scripts draw, as JSON.

use humboldt_schemas::comparison::Comparison;
use humboldt_schemas::results::{EnsembleResult, EpochMetrics, Summary};
use serde::Serialize;

use super::{Image, Page};
use crate::colour_map::viridis;
use crate::markup::plain;
use crate::style::Colour;
use crate::{Predictions, ReportError};

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
pub(super) fn data(content: &Page) -> Result<String, ReportError> {
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
pub(super) fn base64(bytes: &[u8]) -> String {
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

    #[test]
    fn base64_is_that_of_the_standard() {
        let of = |text: &str| base64(text.as_bytes());
        assert_eq!(
            [of(""), of("f"), of("fo"), of("foo"), of("foobar")],
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYmFy"]
        );
    }
}
