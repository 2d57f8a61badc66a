//! Chi-square on a grid of two parameters, all others minimised, and its contours.

use contour::ContourBuilder;
use humboldt_schemas::Invalid;
use rayon::prelude::*;
use statrs::distribution::{ChiSquared, ContinuousCDF, Normal};

use super::GlobalError;
use super::fit::{Point, minimum_from};
use super::statistic::ChiSquare;

/// Evenly spaced values of one parameter, both ends included.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Axis {
    /// Index of the parameter in [`ChiSquare::parameters`].
    pub parameter: usize,
    /// First value.
    pub low: f64,
    /// Last value.
    pub high: f64,
    /// Their number.
    pub points: usize,
}

impl Axis {
    /// The values.
    pub fn values(&self) -> Vec<f64> {
        let step = self.step();
        (0..self.points)
            .map(|i| if i + 1 == self.points { self.high } else { self.low + step * i as f64 })
            .collect()
    }

    fn step(&self) -> f64 {
        (self.high - self.low) / (self.points - 1) as f64
    }
}

/// Chi-square on a grid.
#[derive(Debug, Clone, PartialEq)]
pub struct Scan {
    /// The first parameter.
    pub x: Axis,
    /// The second.
    pub y: Axis,
    /// Chi-square, lowest over all other parameters.
    ///
    /// # Shapes
    /// [y, x]
    pub chi2: Vec<Vec<f64>>,
}

impl Scan {
    /// Of two parameters. All others start from their values at the best fit, and along a row from their neighbour's.
    ///
    /// # Errors
    /// When an axis has fewer than two points, no length or no parameter, both have the same, or a minimisation fails.
    pub fn new(statistic: &ChiSquare, best: &Point, x: Axis, y: Axis) -> Result<Self, GlobalError> {
        let count = statistic.parameters().len();
        for axis in [x, y] {
            Invalid::unless(axis.points >= 2, "points", axis.points, "2 or more")?;
            let finite = axis.low.is_finite() && axis.high.is_finite() && axis.low < axis.high;
            Invalid::unless(finite, "range", format!("{}:{}", axis.low, axis.high), "MIN:MAX, MIN < MAX")?;
            Invalid::unless(axis.parameter < count, "parameter", axis.parameter, format!("below {count}"))?;
        }
        Invalid::unless(x.parameter != y.parameter, "axes", "the same parameter twice", "two parameters")?;
        let others: Vec<usize> = (0..count).filter(|i| *i != x.parameter && *i != y.parameter).collect();
        let row = |y_value: f64| {
            let mut start = best.values.clone();
            start[y.parameter] = y_value;
            x.values()
                .into_iter()
                .map(|x_value| {
                    start[x.parameter] = x_value;
                    let point = minimum_from(statistic, &start, &others)?;
                    start = point.values;
                    Ok(point.chi2)
                })
                .collect::<Result<Vec<f64>, GlobalError>>()
        };
        let chi2 = y.values().into_par_iter().map(row).collect::<Result<_, _>>()?;
        Ok(Self { x, y, chi2 })
    }

    /// The closed lines around the region where chi-square is below a level; along the border where it leaves the grid.
    ///
    /// # Shapes
    /// [line, point], each point (x, y)
    pub fn contour(&self, level: f64) -> Vec<Vec<(f64, f64)>> {
        let (nx, ny) = (self.x.points, self.y.points);
        // The library takes the region above a threshold, and node i to lie at i + 1/2.
        let heights: Vec<f64> = self.chi2.iter().flatten().map(|chi2| -chi2).collect();
        let lines = ContourBuilder::new(nx, ny, true).lines(&heights, &[-level]);
        let along =
            |axis: &Axis, place: f64| (axis.low + (place - 0.5) * axis.step()).clamp(axis.low, axis.high);
        lines
            .iter()
            .flatten()
            .flat_map(|line| &line.geometry().0)
            .map(|line| line.0.iter().map(|p| (along(&self.x, p.x), along(&self.y, p.y))).collect())
            .collect()
    }
}

/// By how much chi-square rises at the edge of the region that holds the true values with the probability of `sigmas`
/// standard deviations of a normal distribution: 2.30, 6.18, 11.83 for one to three in two parameters.
pub fn rise(sigmas: f64, parameters: u32) -> f64 {
    let outside = 2.0 * Normal::standard().sf(sigmas);
    ChiSquared::new(f64::from(parameters))
        .map_or(f64::NAN, |distribution| distribution.inverse_cdf(1.0 - outside))
}

/// Standard deviations that a rise of chi-square in some parameters is worth: the inverse of [`rise`].
pub fn sigmas(rise: f64, parameters: u32) -> f64 {
    let outside = ChiSquared::new(f64::from(parameters))
        .map_or(f64::NAN, |distribution| distribution.sf(rise.max(0.0)));
    // Below the smallest double this is infinite; then only a lower limit would be known.
    -Normal::standard().inverse_cdf(0.5 * outside)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rotated ellipse off the centre of the grid.
    fn ellipse() -> Scan {
        let axis = |parameter, low, high, points| Axis { parameter, low, high, points };
        let (x, y) = (axis(0, -2.0, 1.0, 151), axis(1, -1.0, 1.0, 101));
        let row = |b: f64| x.values().into_iter().map(|a| quadratic(a, b)).collect();
        Scan { x, y, chi2: y.values().into_iter().map(row).collect() }
    }

    fn quadratic(a: f64, b: f64) -> f64 {
        let (a, b) = ((a + 0.6) / 0.3, (b - 0.1) / 0.2);
        20.0 + (a * a - a * b + b * b) / 0.75
    }

    #[test]
    fn contours_lie_at_their_level() {
        let lines = ellipse().contour(20.0 + rise(1.0, 2));
        assert_eq!(lines.len(), 1);
        assert!(lines[0].len() > 100);
        for (x, y) in &lines[0] {
            assert!((quadratic(*x, *y) - 22.2957).abs() < 0.01, "{x}, {y}");
        }
        let width = lines[0].iter().map(|p| p.0).fold(f64::MIN, f64::max)
            - lines[0].iter().map(|p| p.0).fold(f64::MAX, f64::min);
        // The projection of the ellipse: 2 sigma sqrt(2.30).
        assert!((width - 2.0 * 0.3 * rise(1.0, 2).sqrt()).abs() < 0.005, "{width}");
    }

    #[test]
    fn a_contour_that_leaves_the_grid_follows_its_border() {
        let lines = ellipse().contour(70.0);
        let on_border =
            lines.iter().flatten().filter(|(x, y)| (*x - 1.0).abs() < 1e-12 || (*y - 1.0).abs() < 1e-12);
        assert!(on_border.count() > 10);
        assert!(ellipse().contour(10.0).is_empty());
    }

    #[test]
    fn rises_are_those_of_tables() {
        for (sigmas_expected, parameters, expected) in
            [(1.0, 1, 1.0), (1.0, 2, 2.2957), (2.0, 2, 6.1801), (3.0, 2, 11.8292)]
        {
            assert!((rise(sigmas_expected, parameters) - expected).abs() < 1e-3);
            assert!((sigmas(expected, parameters) - sigmas_expected).abs() < 1e-3);
        }
        assert!((sigmas(100.0, 1) - 10.0).abs() < 1e-3);
    }
}
