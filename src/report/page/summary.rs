//! The run in a few numbers.

use super::{Page, Samples};
use crate::ticks::{number, short};
use crate::width::relative_error;

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
pub(super) fn with_error((value, error): (f64, f64)) -> String {
    format!("{} ± {}", number(value, 2), number(error, 2))
}

pub(super) fn answer(content: &Page) -> String {
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

pub(super) fn summary_rows(content: &Page) -> Vec<(String, String)> {
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
