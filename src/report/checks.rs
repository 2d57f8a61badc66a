//! Requirements on every figure, and predictions to draw.

use std::fs;
use std::path::PathBuf;

use humboldt_schemas::results::EnsembleResult;
use resvg::tiny_skia::Pixmap;

use super::style::PNG_DPI;
use super::{ReportError, Sheet, raster};
use humboldt_infer::ensembles::ensemble;

/// Draws a figure twice into a fresh folder; gives its SVG.
///
/// The SVG parses, the PNG has the SVG's size and is not white, the CSV has rows of equal length, both drawings are
/// equal to the byte, and no other file is left.
pub(super) fn figure(name: &str, draw: impl Fn(&Sheet) -> Result<Vec<PathBuf>, ReportError>) -> String {
    let folder = tempfile::tempdir().unwrap();
    let print = ["model full".to_owned(), "24,613 events an image".to_owned()];
    let [paths, again] =
        [name, "again"].map(|stem| draw(&Sheet::new(folder.path().join(stem), &print)).unwrap());
    assert_eq!(paths.len(), 3);
    for (a, b) in paths.iter().zip(&again) {
        assert!(fs::read(a).unwrap() == fs::read(b).unwrap(), "{} differs when drawn again", a.display());
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 6);

    let svg = fs::read_to_string(&paths[0]).unwrap();
    assert!(svg.contains(">model full · 24,613 events an image"), "no small print");
    assert!(!svg.contains("214748364"), "a position beyond all paper");
    let size = raster::parse(&svg, name).unwrap().size();
    let png = Pixmap::decode_png(&fs::read(&paths[1]).unwrap()).unwrap();
    for (pixels, length) in [(png.width(), size.width()), (png.height(), size.height())] {
        assert!(
            (pixels as f32 - length * PNG_DPI / 96.0).abs() <= 4.0,
            "{pixels} pixels for a length of {length}"
        );
    }
    let dark = png.pixels().iter().filter(|p| p.red() < 128).count();
    assert!(dark > 1000, "only {dark} dark pixels");

    let csv = fs::read_to_string(&paths[2]).unwrap();
    let commas = |line: &str| line.matches(',').count();
    let header = csv.lines().next().unwrap();
    assert!(csv.lines().count() > 1 && csv.lines().all(|line| commas(line) == commas(header)));
    svg
}

/// Ensembles from -2 upwards in steps of 0.15, every second one trained on, with their predictions: skewed, about 0.06
/// wide, slightly biased.
pub(super) fn ensembles(n: usize) -> (Vec<EnsembleResult>, Vec<Vec<f64>>) {
    let predictions = |i: usize| -> Vec<f64> {
        let truth = -2.0 + 0.15 * i as f64;
        (0..60)
            .map(|k| 0.96 * truth - 0.03 + 0.06 * (f64::from(k) + 0.5).mul_add(1.0 / 30.0, -1.0).exp())
            .collect()
    };
    let values: Vec<Vec<f64>> = (0..n).map(predictions).collect();
    let ensembles = values
        .iter()
        .enumerate()
        .map(|(i, values)| ensemble(-2.0 + 0.15 * i as f64, i % 2 == 0, values).unwrap())
        .collect();
    (ensembles, values)
}
