//! A step on the CPU: one pass over the numbers of a parameter, in place where nobody else holds them.

use burn::backend::flex::FlexTensor;
use burn::tensor::Tensor;
use humboldt_schemas::card::Optimiser as Kind;
use pulp::Arch;

use super::{BETA_1, BETA_2, EPSILON, Gradient, Rule};
use crate::flex::{tensor_of, whole};
use crate::parallel;

/// Numbers that one thread takes at once.
const BLOCK: usize = 64 << 10;
/// Numbers whose squares are added up in single precision.
const SQUARES: usize = 4096;
/// Sums that they are added up in, side by side.
const SUMS: usize = 64;

impl Rule {
    /// Weights and velocity after a step.
    pub(super) fn sgd_in_place(&self, of: [FlexTensor; 2], gradient: FlexTensor) -> [FlexTensor; 2] {
        let [clip, decay, momentum, rate] =
            [self.clip, self.weight_decay, self.momentum, self.rate].map(|x| x as f32);
        changed(of, gradient, |[weights, velocities], gradient| {
            for ((w, velocity), g) in weights.iter_mut().zip(velocities).zip(gradient) {
                *velocity = momentum * *velocity + (clip * g + decay * *w);
                *w -= rate * *velocity;
            }
        })
    }

    /// Weights and both moments after a step.
    pub(super) fn adam_in_place(&self, of: [FlexTensor; 3], gradient: FlexTensor) -> [FlexTensor; 3] {
        let (decay, kept) = match self.kind {
            Kind::AdamW => (0.0, 1.0 - self.rate * self.weight_decay),
            Kind::Adam | Kind::Sgd => (self.weight_decay, 1.0),
        };
        let [clip, decay, kept, rate, scale, epsilon] =
            [self.clip, decay, kept, self.rate / self.bias[0], 1.0 / self.bias[1], EPSILON].map(|x| x as f32);
        let [old_1, new_1, old_2, new_2] = [BETA_1, 1.0 - BETA_1, BETA_2, 1.0 - BETA_2].map(|x| x as f32);
        changed(of, gradient, |[weights, firsts, seconds], gradient| {
            for (((w, first), second), g) in weights.iter_mut().zip(firsts).zip(seconds).zip(gradient) {
                let g = clip * g + decay * *w;
                *first = old_1 * *first + new_1 * g;
                *second = old_2 * *second + new_2 * g * g;
                *w = kept * *w - rate * *first / ((scale * *second).sqrt() + epsilon);
            }
        })
    }
}

/// Tensors of the same size, changed block by block.
fn changed<const N: usize>(
    tensors: [FlexTensor; N],
    gradient: FlexTensor,
    f: impl Fn([&mut [f32]; N], &[f32]) + Send + Sync,
) -> [FlexTensor; N] {
    let (mut tensors, gradient) = (tensors.map(whole), whole(gradient));
    let mut numbers = tensors.each_mut().map(|tensor| tensor.storage_mut::<f32>().chunks_mut(BLOCK));
    let blocks = gradient.storage::<f32>().chunks(BLOCK);
    let blocks = blocks.map(|gradient| (numbers.each_mut().map(|n| n.next().unwrap_or_default()), gradient));
    parallel::each_of(blocks.collect(), |_, (numbers, gradient)| {
        Arch::new().dispatch(|| f(numbers, gradient));
    });
    tensors
}

/// Sum of the squares of all numbers.
pub(super) fn squares(gradient: &Gradient) -> f64 {
    let of_tensor = |gradient: &Tensor<1>| {
        let gradient = whole(tensor_of(gradient.clone()));
        let blocks: Vec<&[f32]> = gradient.storage().chunks(BLOCK).collect();
        let sums = parallel::each(blocks.len(), |i| blocks[i].chunks(SQUARES).map(squares_of).sum::<f64>());
        sums.iter().sum::<f64>()
    };
    gradient.iter().map(of_tensor).sum()
}

fn squares_of(numbers: &[f32]) -> f64 {
    let mut sums = [0.0_f32; SUMS];
    Arch::new().dispatch(|| {
        for numbers in numbers.chunks(SUMS) {
            for (sum, x) in sums.iter_mut().zip(numbers) {
                *sum += x * x;
            }
        }
    });
    sums.into_iter().map(f64::from).sum()
}
