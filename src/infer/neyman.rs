//! From a raw prediction to an interval of delta C9 with stated coverage, by Neyman's construction.
//!
//! For each known delta C9 an ensemble says where the predictions of an estimator fall. Their quantiles, made smooth in
//! delta C9, are the edges of a belt; the interval of a prediction is every delta C9 whose part of the belt holds it. It
//! is asymmetric where the belt is, and grows where the predictions hardly follow the truth. Only the order of the
//! predictions matters: bias and slope of the estimator are taken out.
//!
//! Beyond the smallest and the largest known delta C9 nothing is said: an interval that reaches there has no end.
//!
//! # Source
//! J. Neyman, Phil. Trans. Roy. Soc. Lond. A 236 (1937) 333.

use nalgebra::{Matrix3, Vector3};
use statrs::distribution::{ContinuousCDF, Normal};
use statrs::statistics::{Data, OrderStatistics};

use super::InferError;
use super::ensembles::SAME_TRUTH;

/// Fewest predictions of one known delta C9.
pub const FEWEST_PREDICTIONS: usize = 20;

/// Fewest known delta C9.
pub const FEWEST_TRUTHS: usize = 3;

/// Known delta C9 that one point of an edge is smoothed over.
const NEIGHBOURS: usize = 6;

/// Points of a belt between the smallest and the largest known delta C9.
const POINTS: usize = 400;

/// The largest part of the predictions that a belt covers, of so many at each known delta C9: its edges are the smallest and
/// the largest of them at most.
pub fn largest_coverage(predictions: usize) -> f64 {
    let n = predictions as f64;
    (n - 1.0) / (n + 1.0)
}

/// Why so many predictions (in words, `what`) at each known delta C9 are too few for intervals of 95 %, if they are.
pub fn too_few_for_coverage(predictions: usize, what: &str) -> Option<String> {
    const ENOUGH: usize = 39;
    (predictions < ENOUGH).then(|| {
        format!(
            "WARNING: {predictions} {what} at each training value are too few for 95 % intervals, which cover {:.1} % at most; \
             {ENOUGH} or more will do",
            100.0 * largest_coverage(predictions)
        )
    })
}

/// The predictions of ensembles at known delta C9, in rising order of both.
#[derive(Debug, Clone)]
pub struct NeymanCalibration {
    truths: Vec<f64>,
    predictions: Vec<Vec<f64>>,
    means: Vec<f64>,
    medians: Vec<(f64, [f64; 2])>,
}

/// Every delta C9 that agrees with a prediction; an end is `None` where it lies outside the known values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Span {
    /// Lower end.
    pub low: Option<f64>,
    /// Upper end.
    pub high: Option<f64>,
}

impl NeymanCalibration {
    /// Of (delta C9, predictions) pairs.
    ///
    /// # Errors
    /// With fewer than [`FEWEST_TRUTHS`] different delta C9 or [`FEWEST_PREDICTIONS`] predictions of one, or numbers that
    /// are not finite.
    pub fn new(ensembles: &[(f64, Vec<f64>)]) -> Result<Self, InferError> {
        let mut ensembles: Vec<&(f64, Vec<f64>)> = ensembles.iter().collect();
        ensembles.sort_by(|a, b| a.0.total_cmp(&b.0));
        for (truth, predictions) in &ensembles {
            if let Some(got) = [*truth].iter().chain(predictions).find(|x| !x.is_finite()) {
                return Err(InferError::NotFinite { truth: *truth, got: *got });
            }
            if predictions.len() < FEWEST_PREDICTIONS {
                let field = format!("predictions at a true shift of {truth}");
                let allowed = format!("at least {FEWEST_PREDICTIONS}");
                return Err(InferError::out_of_range(&field, predictions.len(), allowed));
            }
        }
        let distinct = 1 + ensembles.windows(2).filter(|pair| pair[1].0 - pair[0].0 > SAME_TRUTH).count();
        if distinct < FEWEST_TRUTHS || distinct < ensembles.len() {
            let allowed = format!("at least {FEWEST_TRUTHS}, each once");
            return Err(InferError::out_of_range(
                "known delta C9 of a Neyman construction",
                ensembles.len(),
                allowed,
            ));
        }
        let truths = ensembles.iter().map(|ensemble| ensemble.0).collect();
        let sorted = |ensemble: &&(f64, Vec<f64>)| {
            let mut predictions = ensemble.1.clone();
            predictions.sort_by(f64::total_cmp);
            predictions
        };
        let predictions: Vec<Vec<f64>> = ensembles.iter().map(sorted).collect();
        let means = predictions.iter().map(|all| all.iter().sum::<f64>() / all.len() as f64).collect();
        let mut calibration = Self { truths, predictions, means, medians: Vec::new() };
        calibration.medians = calibration.belt(0.0).grid;
        Ok(calibration)
    }

    /// Smallest and largest known delta C9.
    pub fn range(&self) -> (f64, f64) {
        (self.truths[0], self.truths[self.truths.len() - 1])
    }

    /// d (mean prediction)/d (delta C9) of the smoothed means.
    pub fn slope(&self, truth: f64) -> f64 {
        smoothed(&self.truths, &self.means, truth)[1]
    }

    /// The belt of a probability, such as `ONE_SIGMA` or 0.95, with as much left out above as below.
    pub fn belt(&self, coverage: f64) -> Belt {
        let edge = |part: f64| -> Vec<f64> {
            self.predictions
                .iter()
                .map(|all| Data::new(all.clone()).quantile(expected(part, all.len())))
                .collect()
        };
        let tail = 0.5 * (1.0 - coverage);
        Belt { truths: self.truths.clone(), edges: [edge(tail), edge(1.0 - tail)], grid: Vec::new() }.filled()
    }

    /// The delta C9 whose median prediction a prediction is; `None` outside the known values.
    pub fn calibrated(&self, prediction: f64) -> Option<f64> {
        let span = self.medians.windows(2).find_map(|pair| {
            let [(a, [low, _]), (b, [high, _])] = [pair[0], pair[1]];
            let inside = (low - prediction) * (high - prediction) <= 0.0 && (high - low).abs() > 0.0;
            inside.then(|| a + (b - a) * (prediction - low) / (high - low))
        });
        span.filter(|x| x.is_finite())
    }

    /// Probability of a prediction at least as far from the median as the given one, were `truth` true: twice the
    /// smaller tail. Between the known values tails are interpolated.
    pub fn p_value(&self, truth: f64, prediction: f64) -> f64 {
        let above = |all: &Vec<f64>| {
            // Half of a count more on either side: no tail is quoted as impossible.
            let k = all.len() - all.partition_point(|x| *x < prediction);
            (k as f64 + 0.5) / (all.len() as f64 + 1.0)
        };
        let normal = Normal::standard();
        // Tails are smooth on the scale of standard deviations.
        let scores: Vec<f64> = self.predictions.iter().map(|all| normal.inverse_cdf(above(all))).collect();
        let tail = normal.cdf(interpolated(&self.truths, &scores, truth));
        2.0 * tail.min(1.0 - tail)
    }
}

/// The part whose quantile of n predictions has, on average over predictions, the wanted part below it: statrs's quantiles
/// have it in their median (type 8 of Hyndman and Fan), those wanted here in their mean (type 6).
fn expected(part: f64, n: usize) -> f64 {
    let n = n as f64;
    ((part * (n + 1.0) - 1.0 / 3.0) / (n + 1.0 / 3.0)).clamp(0.0, 1.0)
}

/// Edges of the predictions as functions of delta C9.
#[derive(Debug, Clone)]
pub struct Belt {
    truths: Vec<f64>,
    /// Lower and upper quantile at each known delta C9.
    edges: [Vec<f64>; 2],
    /// (delta C9, edges) along the range.
    grid: Vec<(f64, [f64; 2])>,
}

impl Belt {
    fn filled(mut self) -> Self {
        let (low, high) = (self.truths[0], self.truths[self.truths.len() - 1]);
        let at = |k: usize| low + (high - low) * k as f64 / POINTS as f64;
        self.grid = (0..=POINTS).map(|k| (at(k), self.edges_at(at(k)))).collect();
        self
    }

    /// Smallest and largest prediction that belong to a delta C9.
    pub fn edges_at(&self, truth: f64) -> [f64; 2] {
        [0, 1].map(|i| smoothed(&self.truths, &self.edges[i], truth)[0])
    }

    /// Whether the interval of a prediction holds a delta C9.
    pub fn covers(&self, truth: f64, prediction: f64) -> bool {
        let [low, high] = self.edges_at(truth);
        (low..=high).contains(&prediction)
    }

    /// The interval of a prediction: from the smallest to the largest delta C9 that agrees with it. `None` where none
    /// does: the prediction is lower or higher than any known delta C9 makes it.
    pub fn interval(&self, prediction: f64) -> Option<Span> {
        let inside = |(_, [low, high]): &(f64, [f64; 2])| (*low..=*high).contains(&prediction);
        let first = self.grid.iter().position(inside);
        let Some((first, last)) = first.zip(self.grid.iter().rposition(inside)) else {
            return self.between(prediction);
        };
        // Where the edge that lets the prediction in or out crosses it, between two points.
        let crossing = |outside: usize, inside: usize| {
            let ((a, from), (b, to)) = (self.grid[outside], self.grid[inside]);
            let edge = usize::from(prediction > from[1]);
            a + (b - a) * ((prediction - from[edge]) / (to[edge] - from[edge])).clamp(0.0, 1.0)
        };
        let low = (first > 0).then(|| crossing(first - 1, first));
        let high = (last < POINTS).then(|| crossing(last + 1, last));
        Some(Span { low, high })
    }

    /// A belt narrower than the distance of two points: the prediction passes it between them.
    fn between(&self, prediction: f64) -> Option<Span> {
        self.grid.windows(2).find_map(|pair| {
            let [(a, from), (b, to)] = [pair[0], pair[1]];
            let cross = |edge: usize| {
                let part = (prediction - from[edge]) / (to[edge] - from[edge]);
                (0.0..=1.0).contains(&part).then_some(a + (b - a) * part)
            };
            let ends = [cross(1)?, cross(0)?];
            Some(Span { low: Some(ends[0].min(ends[1])), high: Some(ends[0].max(ends[1])) })
        })
    }
}

/// Value and slope at `x` of a curve through points, by a local parabola over [`NEIGHBOURS`] of them, the near ones with
/// more weight; through all of them where there are three.
fn smoothed(xs: &[f64], ys: &[f64], x: f64) -> [f64; 2] {
    let mut distances: Vec<f64> = xs.iter().map(|at| (at - x).abs()).collect();
    let reach = if xs.len() > NEIGHBOURS {
        distances.sort_by(f64::total_cmp);
        distances[NEIGHBOURS]
    } else {
        f64::INFINITY
    };
    let scale = if reach.is_finite() { reach } else { xs[xs.len() - 1] - xs[0] };
    let (mut matrix, mut vector) = (Matrix3::zeros(), Vector3::zeros());
    for (at, y) in xs.iter().zip(ys) {
        let distance = (at - x).abs() / reach;
        let weight = (1.0 - distance.powi(3)).max(0.0).powi(3);
        let t = (at - x) / scale;
        let powers = Vector3::new(1.0, t, t * t);
        matrix += powers * powers.transpose() * weight;
        vector += powers * (weight * y);
    }
    match matrix.cholesky() {
        Some(root) => {
            let solution = root.solve(&vector);
            [solution[0], solution[1] / scale]
        }
        None => [interpolated(xs, ys, x), 0.0],
    }
}

/// On the straight line between the two neighbours; the end's value outside.
fn interpolated(xs: &[f64], ys: &[f64], x: f64) -> f64 {
    let above = xs.partition_point(|at| *at < x);
    if above == 0 || above == xs.len() {
        return ys[above.min(xs.len() - 1)];
    }
    let part = (x - xs[above - 1]) / (xs[above] - xs[above - 1]);
    ys[above - 1] + part * (ys[above] - ys[above - 1])
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;
    use rand_pcg::Pcg64;

    use humboldt_schemas::comparison::ONE_SIGMA;

    use super::*;
    use crate::variation::unit_normals;

    /// Predictions that flatten towards positive truths, with a width that depends on the truth.
    fn predictions(truth: f64, n: usize, seed: u64) -> Vec<f64> {
        let mut rng = Pcg64::seed_from_u64(seed ^ truth.to_bits());
        let centre = truth - 0.12 * (truth + 1.0).max(0.0).powi(2);
        unit_normals(&mut rng, n)
            .iter()
            .map(|z| centre + (0.08 + 0.02 * truth) * z * (1.0 + 0.1 * z))
            .collect()
    }

    fn calibration(n: usize) -> NeymanCalibration {
        let truths = (0..22).map(|k| -2.0 + 0.15 * f64::from(k));
        NeymanCalibration::new(&truths.map(|truth| (truth, predictions(truth, n, 1))).collect::<Vec<_>>())
            .unwrap()
    }

    #[test]
    fn intervals_cover_between_the_known_values_where_the_slope_flattens() {
        let calibration = calibration(3000);
        for (coverage, allowed) in [(ONE_SIGMA, 0.025), (0.95, 0.015)] {
            let belt = calibration.belt(coverage);
            for truth in [-1.93, -1.62, -0.88, -0.31, 0.04, 0.47, 0.93] {
                let fresh = predictions(truth, 4000, 2);
                let covered = fresh.iter().filter(|x| {
                    let Some(span) = belt.interval(**x) else { return false };
                    span.low.is_none_or(|low| low <= truth) && span.high.is_none_or(|high| truth <= high)
                });
                let got = covered.count() as f64 / 4000.0;
                assert!((got - coverage).abs() < allowed, "{coverage} at {truth}: {got}");
            }
        }
    }

    #[test]
    fn bias_is_taken_out_and_intervals_are_asymmetric() {
        let calibration = calibration(3000);
        let truth = 0.5;
        let raw = 0.5 - 0.12 * 1.5 * 1.5;
        assert!((calibration.calibrated(raw).unwrap() - truth).abs() < 0.02);
        assert!((calibration.slope(0.5) - (1.0 - 0.24 * 1.5)).abs() < 0.05);
        let span = calibration.belt(ONE_SIGMA).interval(raw).unwrap();
        let (down, up) = (truth - span.low.unwrap(), span.high.unwrap() - truth);
        // Width over slope, and more of it below, for predictions have their longer tail above.
        assert!(up > 0.12 && down > 1.02 * up, "{down} {up}");
    }

    #[test]
    fn what_lies_outside_has_no_end() {
        let calibration = calibration(500);
        let belt = calibration.belt(ONE_SIGMA);
        let edge = belt.interval(-2.0).unwrap();
        assert!(edge.low.is_none() && edge.high.is_some_and(|high| high > -2.0));
        assert_eq!(belt.interval(-5.0), None);
        assert_eq!(calibration.calibrated(-5.0), None);
    }

    #[test]
    fn p_values_are_uniform() {
        let calibration = calibration(2000);
        let mut p: Vec<f64> =
            predictions(-0.6, 2000, 3).iter().map(|x| calibration.p_value(-0.6, *x)).collect();
        p.sort_by(f64::total_cmp);
        let largest = p.iter().enumerate().map(|(k, p)| (p - k as f64 / 2000.0).abs()).fold(0.0, f64::max);
        assert!(largest < 0.06, "{largest}");
        assert!(calibration.p_value(-0.6, 3.0) < 1e-3);
    }

    #[test]
    fn three_values_are_enough_and_two_are_not() {
        let of = |truths: &[f64], n: usize| {
            NeymanCalibration::new(&truths.iter().map(|t| (*t, predictions(*t, n, 1))).collect::<Vec<_>>())
        };
        let three = of(&[-2.0, -1.0, 0.0], 200).unwrap();
        let span = three.belt(ONE_SIGMA).interval(-1.0).unwrap();
        assert!(span.low.unwrap() < -1.0 && span.high.unwrap() > -1.0);
        assert!(of(&[-2.0, -1.0], 200).unwrap_err().to_string().contains("at least 3"));
        assert!(of(&[-2.0, -1.0, -1.0], 200).is_err());
        assert!(of(&[-2.0, -1.0, 0.0], 19).unwrap_err().to_string().contains("= 19"));
        assert!(NeymanCalibration::new(&[(0.0, vec![f64::NAN; 30])]).is_err());
    }

    /// A belt of 95 % over few predictions, and what it covers of fresh ones.
    #[test]
    fn issue_13_26_few_predictions_limit_the_coverage() {
        assert_eq!(too_few_for_coverage(39, "samples"), None);
        assert!(too_few_for_coverage(38, "samples").unwrap().contains("cover 94.9 % at most"));
        assert!((largest_coverage(39) - 0.95).abs() < 1e-12);
        for n in [20, 38, 39, 80] {
            let covered = |seed: u64| {
                let truths = [-2.0, -1.0, 0.0].map(|truth| (truth, predictions(truth, n, seed)));
                let belt = NeymanCalibration::new(&truths).unwrap().belt(0.95);
                let fresh = predictions(-1.0, 100, 10_000 + seed);
                fresh.iter().filter(|x| belt.covers(-1.0, **x)).count()
            };
            let part = (0..2000).map(covered).sum::<usize>() as f64 / 2e5;
            let expected = largest_coverage(n).min(0.95);
            assert!((part - expected).abs() < 0.006, "{n}: {part} in place of {expected}");
        }
    }
}
