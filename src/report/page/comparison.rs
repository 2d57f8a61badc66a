//! Estimators on the same samples, as tables.

use humboldt_schemas::comparison::{Comparison, EstimatorResult, WrongSimulation};

use super::summary::with_error;
use super::tables::html_table;
use crate::comparison::estimator_words;
use crate::ticks::number;

pub(super) fn comparison(c: &Comparison) -> String {
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
