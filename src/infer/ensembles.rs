//! Ensembles of test images: the predictions for one true delta C9, and what all ensembles say together.
//!
//! Definition of the two widths (the paper names them without a formula): with the predictions x of one ensemble and
//! their mean m, the square of `sigma_left` is the mean of (x - m)^2 over the x below m, that of `sigma_right` the
//! same over those above. For a symmetric distribution both equal its standard deviation. A prediction equal to the
//! mean counts on neither side; a side without predictions has width 0. One prediction has no width: it is not known.

use humboldt_schemas::results::{EnsembleResult, Summary};
use statrs::statistics::Statistics;

use super::InferError;

/// Two truths closer than this are one value; labels come from decimal cards.
pub(super) const SAME_TRUTH: f64 = 1e-9;

/// Mean, widths and bias of one ensemble, given the predictions of its images.
///
/// One image has no widths: nothing is known about its spread.
///
/// # Errors
/// Without predictions, or when the truth or a prediction is not finite.
///
/// # Source
/// "Training Deep 3D Convolutional Neural Networks to Extract BSM Physics Parameters Directly from HEP Data",
/// section 6.
pub fn ensemble(truth: f64, trained: bool, predictions: &[f64]) -> Result<EnsembleResult, InferError> {
    if predictions.is_empty() {
        return Err(InferError::NoPredictions { truth });
    }
    if let Some(&got) = [truth].iter().chain(predictions).find(|x| !x.is_finite()) {
        return Err(InferError::NotFinite { truth, got });
    }
    // Relative to the first value, so that equal predictions have exactly that mean and exactly no width.
    let first = predictions[0];
    let mean = first + predictions.iter().map(|x| x - first).sum::<f64>() / predictions.len() as f64;
    let known = predictions.len() > 1;
    Ok(EnsembleResult {
        truth,
        n_images: predictions.len(),
        mean,
        sigma_left: known.then(|| one_sided(predictions, mean, |x| x < mean)),
        sigma_right: known.then(|| one_sided(predictions, mean, |x| x > mean)),
        sigma: known.then(|| predictions.std_dev()),
        bias: mean - truth,
        trained,
    })
}

/// Root mean square of x - mean over the x on one side.
fn one_sided(predictions: &[f64], mean: f64, on_this_side: impl Fn(f64) -> bool) -> f64 {
    let side = predictions.iter().copied().filter(|&x| on_this_side(x)).map(|x| (x - mean).powi(2));
    let n = side.clone().count();
    if n == 0 { 0.0 } else { (side.sum::<f64>() / n as f64).sqrt() }
}

/// Straight line y = slope x + intercept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Line {
    /// dy/dx.
    pub slope: f64,
    /// y at x = 0.
    pub intercept: f64,
}

/// Least-squares line through the ensemble means, each with the same weight; `None` with fewer than two truths.
pub fn line(ensembles: &[EnsembleResult]) -> Option<Line> {
    if distinct_truths(ensembles) < 2 {
        return None;
    }
    let x_mean = ensembles.iter().map(|e| e.truth).mean();
    let y_mean = ensembles.iter().map(|e| e.mean).mean();
    let covariance: f64 = ensembles.iter().map(|e| (e.truth - x_mean) * (e.mean - y_mean)).sum();
    let variance: f64 = ensembles.iter().map(|e| (e.truth - x_mean).powi(2)).sum();
    let slope = covariance / variance;
    Some(Line { slope, intercept: y_mean - slope * x_mean })
}

/// The run in a few numbers, over the ensembles with a truth in `range` (both ends belong to it).
///
/// `Summary::range` is what the run has of the range: its lowest and highest truth in it. RMSE and baseline are taken
/// over images, slope, bias and sigma over ensembles. The baseline predicts the mean truth of the same images: its
/// RMSE is the spread of the truth.
///
/// # Errors
/// With fewer than two different truths in the range.
pub fn summary(name: &str, range: [f64; 2], ensembles: &[EnsembleResult]) -> Result<Summary, InferError> {
    let [low, high] = range;
    let inside: Vec<EnsembleResult> = ensembles
        .iter()
        .filter(|e| e.truth >= low - SAME_TRUTH && e.truth <= high + SAME_TRUTH)
        .cloned()
        .collect();
    let Some(Line { slope, intercept }) = line(&inside) else {
        return Err(InferError::TooFewEnsembles { low, high, got: distinct_truths(&inside) });
    };
    let over_images = |f: &dyn Fn(&EnsembleResult) -> f64| {
        let images: usize = inside.iter().map(|e| e.n_images).sum();
        inside.iter().map(|e| e.n_images as f64 * f(e)).sum::<f64>() / images as f64
    };
    let mean_truth = over_images(&|e| e.truth);
    let baseline_rmse = over_images(&|e| (e.truth - mean_truth).powi(2)).sqrt();
    // sum (x - truth)^2 = (n - 1) sigma^2 + n bias^2, so that the single predictions are not needed.
    let rmse =
        over_images(&|e| (1.0 - 1.0 / e.n_images as f64) * e.sigma.unwrap_or(0.0).powi(2) + e.bias.powi(2))
            .sqrt();
    let truths: Vec<f64> = inside.iter().map(|e| e.truth).collect();
    let known: Vec<f64> = inside.iter().filter_map(|e| e.sigma).collect();
    let mean_sigma = (!known.is_empty()).then(|| known.mean());
    Ok(Summary {
        name: name.to_owned(),
        range: [(&truths).min(), (&truths).max()],
        slope,
        intercept,
        mean_abs_bias: inside.iter().map(|e| e.bias.abs()).mean(),
        rmse,
        mean_sigma,
        baseline_rmse,
        rmse_over_baseline: rmse / baseline_rmse,
        width_over_baseline: mean_sigma.filter(|_| slope != 0.0).map(|s| s / slope.abs() / baseline_rmse),
    })
}

fn distinct_truths(ensembles: &[EnsembleResult]) -> usize {
    let mut truths: Vec<f64> = ensembles.iter().map(|e| e.truth).collect();
    truths.sort_by(f64::total_cmp);
    truths.dedup_by(|a, b| (*a - *b).abs() < SAME_TRUTH);
    truths.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn close(got: f64, want: f64) {
        assert!((got - want).abs() <= 1e-12 * (1.0 + want.abs()), "{got} instead of {want}");
    }

    /// Mean 1; below it 0, 0 and 0.5: sqrt((1 + 1 + 0.25)/3); above it 3.5: 2.5; 1 itself is on neither side.
    #[test]
    fn widths_of_a_skewed_sample_follow_the_definition() {
        let e = ensemble(0.75, true, &[0.0, 3.5, 0.0, 0.5, 1.0]).unwrap();
        close(e.mean, 1.0);
        close(e.sigma_left.unwrap(), 0.75_f64.sqrt());
        close(e.sigma_right.unwrap(), 2.5);
        close(e.sigma.unwrap(), (8.5_f64 / 4.0).sqrt());
        close(e.bias, 0.25);
        assert_eq!((e.n_images, e.trained, e.truth), (5, true, 0.75));
    }

    #[test]
    fn issue_13_6_the_width_of_one_image_is_not_known_and_that_of_equal_predictions_is_0() {
        for (sample, width) in [(vec![0.1], None), (vec![0.1; 7], Some(0.0))] {
            let e = ensemble(0.0, false, &sample).unwrap();
            assert_eq!((e.mean, e.sigma, e.sigma_left, e.sigma_right), (0.1, width, width, width));
        }
        // Widths are means over the ensembles that have one.
        let of = |truth, sample: &[f64]| ensemble(truth, true, sample).unwrap();
        let some = [of(-2.0, &[-2.0]), of(-1.0, &[-1.1, -0.9]), of(0.0, &[0.0])];
        let s = summary("some", [-2.0, 0.0], &some).unwrap();
        close(s.mean_sigma.unwrap(), 0.02_f64.sqrt());
        close(s.rmse, (0.02_f64 / 4.0).sqrt());
        let none = summary("none", [-2.0, 0.0], &[of(-2.0, &[-1.8]), of(0.0, &[0.1])]).unwrap();
        assert_eq!((none.mean_sigma, none.width_over_baseline), (None, None));
        assert_eq!(serde_json::from_str::<Summary>(&serde_json::to_string(&none).unwrap()).unwrap(), none);
    }

    #[test]
    fn samples_without_a_meaning_are_refused() {
        assert_eq!(ensemble(-0.5, true, &[]), Err(InferError::NoPredictions { truth: -0.5 }));
        assert!(matches!(ensemble(-0.5, true, &[0.0, f64::NAN]), Err(InferError::NotFinite { .. })));
        assert!(matches!(ensemble(f64::INFINITY, true, &[0.0]), Err(InferError::NotFinite { .. })));
    }

    /// Predictions truth/2 + 0.1 -+ 0.3 at -2, -1 and 0, and one ensemble outside the range.
    fn straight() -> Vec<EnsembleResult> {
        [-2.0, -1.0, 0.0, 1.0]
            .iter()
            .map(|&t: &f64| {
                let centre = if t > 0.5 { 40.0 } else { 0.5 * t + 0.1 };
                ensemble(t, true, &[centre - 0.3, centre + 0.3]).unwrap()
            })
            .collect()
    }

    #[test]
    fn summary_of_a_straight_line() {
        let s = summary("line", [-2.0, 0.0], &straight()).unwrap();
        close(s.slope, 0.5);
        close(s.intercept, 0.1);
        close(s.mean_abs_bias, (1.1 + 0.6 + 0.1) / 3.0);
        close(s.rmse, ((1.21 + 0.36 + 0.01) / 3.0 + 0.09_f64).sqrt());
        close(s.mean_sigma.unwrap(), 0.18_f64.sqrt());
        close(s.baseline_rmse, (2.0_f64 / 3.0).sqrt());
        close(s.rmse_over_baseline, s.rmse / s.baseline_rmse);
        close(s.width_over_baseline.unwrap(), s.mean_sigma.unwrap() / 0.5 / s.baseline_rmse);
        let range =
            |low, high| summary("line", [low, high], &straight()).unwrap().range.map(|x| x.to_string());
        assert_eq!(
            (range(-2.0, 0.0), range(-1.5, 0.3)),
            (["-2", "0"].map(Into::into), ["-1", "0"].map(Into::into))
        );
    }

    #[test]
    fn a_network_that_predicts_one_value_has_no_width_over_baseline() {
        let constant: Vec<_> =
            [-1.0, 0.0].iter().map(|&t| ensemble(t, true, &[-0.5, -0.5]).unwrap()).collect();
        let s = summary("constant", [-2.0, 0.0], &constant).unwrap();
        assert_eq!((s.slope, s.width_over_baseline), (0.0, None));
        close(s.rmse_over_baseline, 1.0);
        assert_eq!(serde_json::from_str::<Summary>(&serde_json::to_string(&s).unwrap()).unwrap(), s);
    }

    #[test]
    fn a_slope_needs_two_truths() {
        let one = ensemble(-1.0, true, &[-1.0]).unwrap();
        let twice = [one.clone(), EnsembleResult { trained: false, ..one }];
        assert_eq!(
            summary("short", [-2.0, 0.0], &twice),
            Err(InferError::TooFewEnsembles { low: -2.0, high: 0.0, got: 1 })
        );
        assert_eq!(line(&[]), None);
    }

    proptest! {
        #[test]
        fn widths_follow_a_shift_and_a_scale(
            sample in prop::collection::vec(-3.0_f64..3.0, 1..60), shift in -2.0_f64..2.0, scale in 0.1_f64..10.0
        ) {
            let a = ensemble(0.3, true, &sample).unwrap();
            let moved: Vec<f64> = sample.iter().map(|x| scale * x + shift).collect();
            let b = ensemble(scale * 0.3 + shift, true, &moved).unwrap();
            let close = |got: f64, want: f64| (got - want).abs() < 1e-10;
            prop_assert!(close(b.mean, scale * a.mean + shift));
            prop_assert!(close(b.bias, scale * a.bias));
            for (a, b) in [(a.sigma, b.sigma), (a.sigma_left, b.sigma_left), (a.sigma_right, b.sigma_right)] {
                prop_assert!(a.is_some() == b.is_some() && close(b.unwrap_or(0.0), scale * a.unwrap_or(0.0)));
            }
        }

        #[test]
        fn a_mirror_swaps_left_and_right(sample in prop::collection::vec(-3.0_f64..3.0, 1..60)) {
            let a = ensemble(0.0, true, &sample).unwrap();
            let b = ensemble(0.0, true, &sample.iter().map(|x| -x).collect::<Vec<_>>()).unwrap();
            prop_assert_eq!((a.sigma_left, a.sigma_right), (b.sigma_right, b.sigma_left));
        }

        #[test]
        fn rmse_is_that_of_the_single_predictions(
            samples in prop::collection::vec(prop::collection::vec(-3.0_f64..1.0, 1..9), 2..6)
        ) {
            let truth = |i: usize| -2.0 + 0.4 * i as f64;
            let ensembles: Vec<_> =
                samples.iter().enumerate().map(|(i, s)| ensemble(truth(i), true, s).unwrap()).collect();
            let errors: Vec<f64> =
                samples.iter().enumerate().flat_map(|(i, s)| s.iter().map(move |x| (x - truth(i)).powi(2))).collect();
            let s = summary("any", [-2.0, 0.0], &ensembles).unwrap();
            prop_assert!((s.rmse - errors.mean().sqrt()).abs() < 1e-10);
        }
    }
}
