//! The minimum of a chi-square.

use super::GlobalError;
use super::statistic::{ChiSquare, Parameter};
use crate::infer::minimise::minimise;

/// A point in the space of all parameters, and its chi-square.
#[derive(Debug, Clone, PartialEq)]
pub struct Point {
    /// The parameters' values, in the order of [`ChiSquare::parameters`].
    pub values: Vec<f64>,
    /// Chi-square.
    pub chi2: f64,
}

/// The lowest minimum that is found from the Standard Model and from one step up and down along each shift.
///
/// # Errors
/// When no start leads to a minimum.
pub fn minimum(statistic: &ChiSquare) -> Result<Point, GlobalError> {
    let free: Vec<usize> = (0..statistic.parameters().len()).collect();
    let mut best: Option<Point> = None;
    let mut failure = String::new();
    for start in starts(statistic.parameters()) {
        match minimum_from(statistic, &start, &free) {
            // A later start must be lower by more than rounding.
            Ok(point) if best.as_ref().is_none_or(|best| point.chi2 < best.chi2 - 1e-6) => best = Some(point),
            Ok(_) => {}
            Err(error) => failure = error.to_string(),
        }
    }
    best.ok_or_else(|| no_minimum(statistic, &free, failure))
}

fn starts(parameters: &[Parameter]) -> Vec<Vec<f64>> {
    let mut starts = vec![vec![0.0; parameters.len()]];
    for (index, parameter) in parameters.iter().enumerate() {
        if matches!(parameter, Parameter::Shift(_)) {
            for sign in [-1.0, 1.0] {
                let mut start = starts[0].clone();
                start[index] = sign * parameter.scale();
                starts.push(start);
            }
        }
    }
    starts
}

/// The minimum in the parameters of the given indices that a start leads to; all others stay.
///
/// # Errors
/// When chi-square is not finite or falls without end, or the start has the wrong length.
pub fn minimum_from(statistic: &ChiSquare, start: &[f64], free: &[usize]) -> Result<Point, GlobalError> {
    let found = minimise(statistic, start, free, &statistic.scales())?;
    if !found.value.is_finite() {
        return Err(no_minimum(statistic, free, "chi-square is not finite".to_owned()));
    }
    if !found.settled {
        let reason = format!("chi-square {} still falls at {:.3?}", found.value, found.point);
        return Err(no_minimum(statistic, free, reason));
    }
    Ok(Point { values: found.point, chi2: found.value })
}

fn no_minimum(statistic: &ChiSquare, free: &[usize], reason: String) -> GlobalError {
    let names: Vec<String> = free.iter().map(|index| statistic.parameters()[*index].to_string()).collect();
    GlobalError::NoMinimum { parameters: names.join(", "), reason }
}
