//! The files of a figure: `stem.svg`, `stem.png`, `stem.csv`, and the small print that all of them have.

use std::path::PathBuf;

use super::canvas::{Align, Canvas, Font};
use super::style::{DELTA_C9, shift_symbol};
use super::{ReportError, files, raster, tables};

/// Distance of the small print from the left and right edge [mm].
const MARGIN: f64 = 4.0;

/// Place of a figure, and what its small print says: model, number of events, window.
#[derive(Debug, Clone)]
pub struct Sheet {
    stem: PathBuf,
    print: Vec<String>,
    symbol: String,
    /// Name of the shifts in tables.
    label: String,
}

impl Sheet {
    /// A figure to be written as `stem.svg`, `stem.png` and `stem.csv`, with parts of its small print in markup.
    pub fn new(stem: impl Into<PathBuf>, print: &[String]) -> Self {
        Self {
            stem: stem.into(),
            print: print.to_vec(),
            symbol: DELTA_C9.to_owned(),
            label: tables::DELTA_C9.to_owned(),
        }
    }

    /// The sheet for shifts of a coefficient other than C9, by its name.
    #[must_use]
    pub fn of(self, coefficient: &str) -> Self {
        let label = tables::shift_label(coefficient).to_owned();
        Self { symbol: shift_symbol(coefficient), label, ..self }
    }

    /// Name of the shifts in tables.
    pub(super) fn label(&self) -> &str {
        &self.label
    }

    /// Symbol of the shifts, in markup.
    pub(super) fn symbol(&self) -> &str {
        &self.symbol
    }

    /// The sheet with one more part in its small print, which explains the figure.
    #[must_use]
    pub(super) fn with(&self, part: &str) -> Self {
        Self { print: self.print.iter().cloned().chain([part.to_owned()]).collect(), ..self.clone() }
    }

    /// Draws a figure of a width and height [mm], the small print below it, and writes its table; gives the three paths.
    pub(super) fn write(
        &self,
        title: &str,
        (width, height): (f64, f64),
        draw: impl FnOnce(&Canvas),
        (header, rows): (impl AsRef<str>, impl IntoIterator<Item = String>),
    ) -> Result<Vec<PathBuf>, ReportError> {
        let canvas = Canvas::default();
        draw(&canvas);
        let font = Font::small_print();
        let lines = self.lines(font, width - 2.0 * MARGIN);
        for (i, line) in lines.iter().enumerate() {
            let baseline = height + font.cap_height() + i as f64 * font.line_height();
            canvas.text(line, (MARGIN, baseline), font, Align::Left);
        }
        let foot = if lines.is_empty() { 0.0 } else { lines.len() as f64 * font.line_height() + 1.2 };
        let svg = canvas.svg((width, height + foot), title);
        let png = raster::png(&svg, title)?;
        let [svg_path, png_path, csv_path] =
            [".svg", ".png", ".csv"].map(|end| files::with_suffix(&self.stem, end));
        files::write(&svg_path, svg.as_bytes())?;
        files::write(&png_path, &png)?;
        files::write_csv(&csv_path, header.as_ref(), rows)?;
        Ok(vec![svg_path, png_path, csv_path])
    }

    /// The small print in lines that fit a width [mm].
    fn lines(&self, font: Font, width: f64) -> Vec<String> {
        let mut lines: Vec<String> = Vec::new();
        for part in &self.print {
            match lines.last_mut() {
                Some(line) if font.width(&format!("{line} · {part}")) <= width => {
                    line.push_str(" · ");
                    line.push_str(part);
                }
                _ => lines.push(part.clone()),
            }
        }
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_print_is_broken_between_its_parts() {
        let parts = ["model full", "24,613 events", "*q*^{2} from 0.1 to 19.2 GeV^{2}"].map(str::to_owned);
        let font = Font::small_print();
        let lines = |width| Sheet::new("never", &parts).lines(font, width);
        assert_eq!(lines(200.0), [parts.join(" · ")]);
        assert_eq!(lines(1.0 + font.width("model full · 24,613 events")).len(), 2);
        assert_eq!(lines(1.0), parts);
    }

    #[test]
    fn issue_13_every_figure_ends_with_its_small_print() {
        let folder = tempfile::tempdir().unwrap();
        let draw = |name: &str, print: &[String]| {
            let sheet = Sheet::new(folder.path().join(name), print);
            sheet.write("a figure", (60.0, 20.0), |_| {}, ("a", ["1".to_owned()])).unwrap();
            std::fs::read_to_string(folder.path().join(format!("{name}.svg"))).unwrap()
        };
        let svg = draw("with", &["model full".to_owned()]);
        assert!(svg.contains("height=\"2") && svg.contains(">model full</text>"), "{svg}");
        assert!(draw("without", &[]).contains("height=\"20mm\""));
    }
}
