//! A dense network from observables to parameters, by the mean square error, with early stopping (the study's 4.1).

use burn::module::Module;
use burn::tensor::Tensor;
use burn::tensor::activation::relu;
use humboldt_schemas::experiment::RegressionCard;

use super::Watch;
use super::dataset::{Dataset, Scaling};
use super::layers::{Dense, Purpose, adam, constant, descend, matrix, permutation, stream, values};
use crate::global::GlobalError;
use crate::learn::Compute;
use crate::learn::layers::Init;

/// A trained network.
#[derive(Debug)]
pub struct Regression {
    network: Dense,
    scaling: Scaling,
    compute: Compute,
    /// Mean square errors of each epoch: training, validation.
    pub history: Vec<(f64, f64)>,
    /// The epoch whose weights are kept, from 1.
    pub best_epoch: usize,
}

impl Regression {
    /// Trains on a set; the weights of the epoch with the lowest validation error are kept.
    ///
    /// # Errors
    /// When the loss is no finite number any more.
    pub fn train(
        card: &RegressionCard,
        set: &Dataset,
        seed: u64,
        compute: &Compute,
        watch: Watch,
    ) -> Result<Self, GlobalError> {
        let (inputs, outputs) = (set.observables[0].len(), set.parameters[0].len());
        let order = permutation(set.chi2.len(), &mut stream(seed, Purpose::Split, 0));
        let held_out = (order.len() as f64 * card.validation).round() as usize;
        let (validation, train) = order.split_at(held_out);
        let scaling = if card.standardise {
            Scaling::standard(train.iter().map(|i| set.observables[*i].as_slice()), inputs)
        } else {
            Scaling::identity(inputs)
        };
        let device = compute.device();
        let batch = |points: &[usize]| {
            let x = points.iter().flat_map(|i| scaling.apply(&set.observables[*i])).collect();
            let y = points.iter().flat_map(|i| set.parameters[*i].iter().map(|y| *y as f32)).collect();
            (constant(x, inputs, device), constant(y, outputs, device))
        };
        let error = |network: &Dense, (x, y): (Tensor<2>, Tensor<2>)| {
            (network.forward(x, relu, None) - y).square().mean()
        };

        let widths: Vec<usize> =
            [inputs].into_iter().chain(card.hidden.iter().copied()).chain([outputs]).collect();
        let learning = device.clone().autodiff();
        let mut network = Dense::init(&mut Init::new(seed, &learning), &widths);
        let mut optimiser = adam(0.9);
        let mut history: Vec<(f64, f64)> = Vec::new();
        let (mut best, mut best_epoch) = (network.clone(), 0);
        while history.len() < card.epochs
            && history.len() - best_epoch.min(history.len()) < card.early_stopping
        {
            let epoch = history.len() as u64;
            let order = permutation(train.len(), &mut stream(seed, Purpose::Shuffle, epoch));
            let mut total = 0.0;
            for part in order.chunks(card.batch_size) {
                let points: Vec<usize> = part.iter().map(|i| train[*i]).collect();
                let loss = error(&network, batch(&points));
                let step = history.len();
                let (moved, loss) = descend(&mut optimiser, card.learning_rate, network, &loss, step)?;
                network = moved;
                total += loss * part.len() as f64;
            }
            let validated: f64 = error(&network, batch(validation)).into_scalar();
            if !validated.is_finite() {
                return Err(GlobalError::Diverged { step: history.len(), loss: validated });
            }
            history.push((total / train.len() as f64, validated));
            let lowest = history[..history.len() - 1].iter().map(|h| h.1).fold(f64::INFINITY, f64::min);
            if validated < lowest {
                (best, best_epoch) = (network.clone(), history.len());
            }
            watch(history.len(), card.epochs, validated);
        }
        Ok(Self { network: best.valid(), scaling, compute: compute.clone(), history, best_epoch })
    }

    /// Parameters of observables in the study's units.
    pub fn predict(&self, observables: &[f64]) -> Vec<f64> {
        let input =
            matrix(self.scaling.apply(observables).collect(), observables.len(), self.compute.device());
        values(self.network.forward(input, relu, None))
    }
}
