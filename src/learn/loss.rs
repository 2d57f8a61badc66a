//! Losses: as tensors, to learn from, and as numbers, to compare epochs by.

use burn::tensor::Tensor;
use humboldt_schemas::card::Loss;

/// Quantiles of the loss `quantile`: the median, and one standard deviation of a Gaussian on each side.
const QUANTILES: [f64; 3] = [0.158_655_253_931_457, 0.5, 0.841_344_746_068_543];

/// The loss of each number that is learned, not averaged.
///
/// # Shapes
/// `truth` [rows, labels], `output` [rows, labels * columns], columns as of [`Loss::outputs`] -> [rows, labels].
pub(super) fn losses(loss: Loss, delta: f64, output: Tensor<2>, truth: Tensor<2>) -> Tensor<2> {
    let ([rows, labels], columns) = (truth.dims(), loss.outputs());
    if columns > 1 && labels > 1 {
        let output = output.reshape([rows * labels, columns]);
        return losses(loss, delta, output, truth.reshape([rows * labels, 1])).reshape([rows, labels]);
    }
    match loss {
        Loss::Mae => (output - truth).abs(),
        Loss::Mse => (output - truth).square(),
        Loss::Huber => {
            let error = (output - truth).abs();
            // With c = min(|e|, delta): c (|e| - c/2) is e^2/2 within, and delta (|e| - delta/2) beyond.
            let near = error.clone().clamp_max(delta);
            near.clone() * (error - near * 0.5)
        }
        Loss::Gaussian => {
            let log_width = output.clone().narrow(1, 1, 1);
            let pull = (output.narrow(1, 0, 1) - truth) / log_width.clone().exp();
            pull.square() * 0.5 + log_width
        }
        Loss::Quantile => {
            let pinball = |i: usize| {
                let error = truth.clone() - output.clone().narrow(1, i, 1);
                // q e above, (q - 1) e below.
                error.clone() * QUANTILES[i] + (-error).clamp_min(0.0)
            };
            pinball(0) + pinball(1) + pinball(2)
        }
    }
}

/// The loss of one row whose truth is one number.
pub(super) fn loss_of(loss: Loss, delta: f64, output: &[f64], truth: f64) -> f64 {
    let error = output[0] - truth;
    match loss {
        Loss::Mae => error.abs(),
        Loss::Mse => error * error,
        Loss::Huber => {
            let near = error.abs().min(delta);
            near * (error.abs() - 0.5 * near)
        }
        Loss::Gaussian => 0.5 * (error / output[1].exp()).powi(2) + output[1],
        Loss::Quantile => {
            output.iter().zip(QUANTILES).map(|(x, q)| q * (truth - x) + (x - truth).max(0.0)).sum()
        }
    }
}

/// Meaning of an output in its own units: a value, and how far its interval of 68 % reaches down and up where the loss
/// teaches that.
pub(super) fn meaning(loss: Loss, output: &[f64]) -> (f64, Option<(f64, f64)>) {
    match loss {
        Loss::Mae | Loss::Mse | Loss::Huber => (output[0], None),
        Loss::Gaussian => (output[0], Some((output[1].exp(), output[1].exp()))),
        // Quantiles may cross where little was learned.
        Loss::Quantile => {
            (output[1], Some(((output[1] - output[0]).max(0.0), (output[2] - output[1]).max(0.0))))
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, TensorData};

    use super::*;

    const ALL: [Loss; 5] = [Loss::Mae, Loss::Mse, Loss::Huber, Loss::Gaussian, Loss::Quantile];

    fn tensor(rows: &[Vec<f64>]) -> Tensor<2> {
        let data: Vec<f32> = rows.iter().flatten().map(|x| *x as f32).collect();
        Tensor::from_data(TensorData::new(data, [rows.len(), rows[0].len()]), &Device::flex())
    }

    #[test]
    fn tensors_and_numbers_agree() {
        for loss in ALL {
            let rows: Vec<Vec<f64>> = (0..7)
                .map(|i| (0..loss.outputs()).map(|j| (f64::from(i) * 3.0 + j as f64).sin()).collect())
                .collect();
            let truths: Vec<f64> = (0..7).map(|i| (f64::from(i) * 1.7).cos() * 2.0).collect();
            let truth: Vec<Vec<f64>> = truths.iter().map(|x| vec![*x]).collect();
            let got = losses(loss, 0.7, tensor(&rows), tensor(&truth));
            for ((got, row), truth) in got.into_data().iter::<f64>().zip(&rows).zip(truths) {
                let expected = loss_of(loss, 0.7, row, truth);
                assert!((got - expected).abs() < 1e-5, "{loss:?}: {got} is not {expected}");
            }
        }
    }

    #[test]
    fn several_labels_are_learned_side_by_side() {
        for loss in ALL {
            let n = loss.outputs();
            let row: Vec<f64> = (0..2 * n).map(|i| (f64::from(i as u32) * 1.3).sin()).collect();
            let got = losses(loss, 0.7, tensor(std::slice::from_ref(&row)), tensor(&[vec![0.3, -0.4]]));
            assert_eq!(got.dims(), [1, 2]);
            for ((got, part), truth) in got.into_data().iter::<f64>().zip(row.chunks(n)).zip([0.3, -0.4]) {
                assert!((got - loss_of(loss, 0.7, part, truth)).abs() < 1e-6, "{loss:?}");
            }
        }
    }

    /// Of many truths from a Gaussian, the output that costs least is its mean and width, or its quantiles.
    #[test]
    fn least_loss_is_at_the_true_mean_and_width() {
        let normal = statrs::distribution::Normal::new(0.3, 0.2).unwrap();
        let truths: Vec<f64> = (0..2000)
            .map(|i| statrs::distribution::ContinuousCDF::inverse_cdf(&normal, (f64::from(i) + 0.5) / 2000.0))
            .collect();
        let mean = |loss, output: &[f64]| {
            truths.iter().map(|t| loss_of(loss, 1.0, output, *t)).sum::<f64>() / 2000.0
        };
        for (loss, best) in [(Loss::Gaussian, vec![0.3, 0.2_f64.ln()]), (Loss::Quantile, vec![0.1, 0.3, 0.5])]
        {
            let least = mean(loss, &best);
            for i in 0..best.len() {
                for step in [-0.05, 0.05] {
                    let mut other = best.clone();
                    other[i] += step;
                    assert!(mean(loss, &other) > least, "{loss:?} {i} {step}");
                }
            }
            let (value, interval) = meaning(loss, &best);
            let (minus, plus) = interval.unwrap();
            assert!((value - 0.3).abs() + (minus - 0.2).abs() + (plus - 0.2).abs() < 1e-9);
        }
    }
}
