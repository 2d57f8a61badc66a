//! Images of a generative network beside those it learned from (the study's Figs. 11 and 12).

use std::path::PathBuf;

use humboldt_schemas::experiment::ImageRow;

use super::canvas::{Align, Canvas, Font};
use super::colour_map::{colour_bar, viridis};
use super::panel::Rect;
use super::style::TITLE_PT;
use super::ticks::Scale;
use super::{ReportError, Sheet};

const FIGURE: &str = "images";
/// Side of an image, distance between images, height of a row's title [mm].
const SIDE: f64 = 15.0;
const GAP: f64 = 2.5;
const TITLE: f64 = 6.5;

/// Draws `stem.svg`, `stem.png` and `stem.csv`: square images of values between 0 and 1, a row for each kind.
///
/// # Errors
/// Without images, when one is not a square, with numbers that are not finite, or when a file cannot be written.
pub fn image_rows(sheet: &Sheet, rows: &[ImageRow]) -> Result<Vec<PathBuf>, ReportError> {
    if rows.is_empty() || rows.iter().any(|row| row.images.is_empty()) {
        return Err(ReportError::NoData { figure: FIGURE, what: "images" });
    }
    for image in rows.iter().flat_map(|row| &row.images) {
        let (got, expected) = (image.len(), image.len().isqrt().pow(2).max(1));
        if got != expected {
            return Err(ReportError::Length { figure: FIGURE, what: "an image", got, expected });
        }
        ReportError::unless_finite(FIGURE, "a cell", image.iter().map(|x| f64::from(*x)))?;
    }
    let columns = rows.iter().map(|row| row.images.len()).max().unwrap_or(1) as f64;
    let height = (SIDE + GAP + TITLE) * rows.len() as f64;
    let size = (columns * (SIDE + GAP) + 26.0, height + 4.0);
    let draw = |canvas: &Canvas| {
        for (i, row) in rows.iter().enumerate() {
            let top = 2.0 + (SIDE + GAP + TITLE) * i as f64;
            canvas.text(&row.name, (4.0, top + 4.2), Font::new(TITLE_PT), Align::Left);
            for (j, image) in row.images.iter().enumerate() {
                draw(canvas, (4.0 + (SIDE + GAP) * j as f64, top + TITLE), image);
            }
        }
        let bar = Rect::new(size.0 - 21.0, 2.0 + TITLE, 3.5, height - TITLE - GAP);
        colour_bar(canvas, bar, Scale::linear(0.0, 1.0), "scaled value");
    };
    let lines = rows.iter().flat_map(|row| {
        row.images.iter().enumerate().flat_map(move |(number, image)| {
            let side = image.len().isqrt();
            let cells = image.iter().enumerate();
            cells.map(move |(i, x)| format!("{},{number},{},{},{x}", row.name, i / side, i % side))
        })
    });
    let header = "images,number,row,column,value";
    sheet.write("Images of observables and parameters", size, draw, (header, lines))
}

fn draw(canvas: &Canvas, (left, top): (f64, f64), image: &[f32]) {
    let side = image.len().isqrt();
    let cell = SIDE / side as f64;
    for (i, x) in image.iter().enumerate() {
        let (row, column) = ((i / side) as f64, (i % side) as f64);
        let a = (left + column * cell, top + row * cell);
        // A little overlap, so that no light shines through between neighbours.
        canvas.rectangle(a, (a.0 + cell + 0.02, a.1 + cell + 0.02), viridis((*x).into()), 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    #[test]
    fn rows_of_images() {
        let row = |name: &str, n: usize| ImageRow {
            name: name.to_owned(),
            images: (0..n).map(|k| (0..64).map(|i| ((i + k) % 8) as f32 / 8.0).collect()).collect(),
        };
        let svg =
            checks::figure("images", |sheet| image_rows(sheet, &[row("training set", 5), row("new", 4)]));
        assert!(svg.matches("<polygon").count() >= 9 * 64);
    }

    #[test]
    fn what_cannot_be_shown_is_refused() {
        let sheet = &Sheet::new("never", &[]);
        assert!(matches!(image_rows(sheet, &[]), Err(ReportError::NoData { .. })));
        let odd = ImageRow { name: "odd".to_owned(), images: vec![vec![0.0; 5]] };
        assert!(matches!(image_rows(sheet, &[odd]), Err(ReportError::Length { .. })));
    }
}
