//! Shifts of estimates by a wrong simulation, a row for each thing that was wrong.

use std::path::PathBuf;

use humboldt_schemas::comparison::WrongSimulation;

use super::canvas::{Canvas, Font, Stroke};
use super::comparison::{estimator_words, look};
use super::legend::{self, Entry, Key};
use super::panel::{Panel, Rect};
use super::style::{GREY, LEGEND_PT, SKY};
use super::ticks::{Scale, Ticks};
use super::{ReportError, Sheet};

const FIGURE: &str = "shifts by a wrong simulation";
/// Height of a row, and of what is above and below all rows [mm].
const ROW: f64 = 12.0;
const TOP: f64 = 9.0;
const BOTTOM: f64 = 16.0;
/// Width of the figure, and of the words at its left [mm].
const WIDTH: f64 = 140.0;
const WORDS: f64 = 60.0;

/// Draws `stem.svg`, `stem.png` and `stem.csv`: mean shifts in widths of the estimates, with their statistical errors, by what was wrong and by
/// estimator.
///
/// # Errors
/// Without shifts, with numbers that are not finite, or when a file cannot be written.
pub fn wrong_simulation(sheet: &Sheet, wrong: &[WrongSimulation]) -> Result<Vec<PathBuf>, ReportError> {
    let all = || wrong.iter().flat_map(|wrong| &wrong.shifts);
    if all().next().is_none() {
        return Err(ReportError::NoData { figure: FIGURE, what: "shifts" });
    }
    ReportError::unless_finite(FIGURE, "a shift", all().flat_map(|shift| [shift.shift, shift.error]))?;
    let count = wrong.len() as f64;
    let reach = all().map(|shift| shift.shift.abs() + shift.error).fold(1.0, f64::max) * 1.1;
    let (x, y) = (Scale::linear(-reach, reach), Scale::linear(0.0, count));
    let size = (WIDTH, TOP + ROW * count + BOTTOM);
    let draw = |canvas: &Canvas| {
        let frame = Rect::new(WORDS, TOP, WIDTH - WORDS - 4.0, ROW * count);
        let panel = Panel::new(canvas, frame, x, y);
        canvas.rectangle(panel.at(-1.0, 0.0), panel.at(1.0, count), SKY, 0.2);
        panel.curve(&[(0.0, 0.0), (0.0, count)], Stroke::thin(GREY));
        let middle = |i: usize| count - 0.5 - i as f64;
        let mut keys: Vec<Entry> = Vec::new();
        for (i, wrong) in wrong.iter().enumerate() {
            if i > 0 {
                let at = count - i as f64;
                panel.curve(&[(-reach, at), (reach, at)], Stroke::thin(GREY));
            }
            let n = wrong.shifts.len() as f64;
            for (k, shift) in wrong.shifts.iter().enumerate() {
                let (colour, marker) = look(&shift.estimator);
                let at = middle(i) + 0.22 * (0.5 * (n - 1.0) - k as f64);
                let ends = [(shift.shift - shift.error, at), (shift.shift + shift.error, at)];
                panel.curve(&ends, Stroke::curve(colour));
                panel.marker(shift.shift, at, marker, colour);
                if i == 0 {
                    keys.push((Key::Marker(marker, colour), estimator_words(&shift.estimator).to_owned()));
                }
            }
        }
        let mut axes = panel.axes(Some("shift / *σ*"), Some(""));
        axes.y_ticks = Ticks {
            major: wrong.iter().enumerate().map(|(i, wrong)| (middle(i), wrong.what.clone())).collect(),
            minor: Vec::new(),
        };
        axes.text_scale = 0.85;
        panel.draw_axes(&axes);
        legend::draw_in_a_row(canvas, &keys, (size.0 / 2.0, 4.5), Font::new(LEGEND_PT));
    };
    let rows = wrong.iter().flat_map(|wrong| {
        let values = |estimator: &str, shift: f64, error: f64, truth: &str| {
            format!("{},{estimator},{truth},{shift},{error}", wrong.what.replace(',', ";"))
        };
        let of = move |shift: &humboldt_schemas::comparison::WrongShift| {
            let name = &shift.estimator;
            let mean = values(name, shift.shift, shift.error, "mean");
            let each = shift.values.iter().map(|v| values(name, v.shift, v.error, &v.truth.to_string()));
            [mean].into_iter().chain(each).collect::<Vec<_>>()
        };
        wrong.shifts.iter().flat_map(of).collect::<Vec<_>>()
    });
    let sheet = sheet.with("*σ*: width of the estimates").with("error bars: statistical");
    sheet.write("Shifts by a wrong simulation", size, draw, ("wrong,estimator,truth,shift,error", rows))
}

#[cfg(test)]
mod tests {
    use humboldt_schemas::comparison::{ShiftAtValue, WrongShift};

    use super::*;
    use crate::checks;

    fn wrong(what: &str, shift: f64) -> WrongSimulation {
        let one = |name: &str, k: f64| WrongShift {
            estimator: name.to_owned(),
            shift: shift + k,
            error: 0.1,
            values: vec![ShiftAtValue { truth: -1.0, samples: 30, shift: shift + k, error: 0.1 }],
        };
        WrongSimulation { what: what.to_owned(), shifts: vec![one("ratio", 0.0), one("unbinned", 0.3)] }
    }

    #[test]
    fn a_row_for_each_thing_that_was_wrong() {
        let all =
            [wrong("resolution 20 % worse than simulated", 0.2), wrong("an S-wave, not simulated", -1.4)];
        let svg = checks::figure("wrong", |sheet| wrong_simulation(sheet, &all));
        assert!(svg.contains("resolution 20 % worse") && svg.contains("learned ratios"));
        let sheet = &Sheet::new("never", &[]);
        assert!(matches!(wrong_simulation(sheet, &[]), Err(ReportError::NoData { .. })));
        assert!(matches!(wrong_simulation(sheet, &[wrong("", f64::NAN)]), Err(ReportError::Value { .. })));
    }
}
