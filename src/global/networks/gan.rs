//! Generative adversarial networks of vectors (observables, C9, C10, polynomials, chi-square), as the study's 4.2.
//!
//! Each component is scaled to the range that it has in the training set, 0 to 1: the study ends its generator with a
//! `ReLU`, which has no negative values. Losses are binary cross entropies, the generator's is -ln D(G(z)).

use burn::module::Module;
use burn::nn::conv::Conv2d;
use burn::tensor::Tensor;
use burn::tensor::activation::{leaky_relu, log_sigmoid, relu};
use humboldt_schemas::experiment::{GanArchitecture, GanCard};
use rand_pcg::Pcg64;

use super::Watch;
use super::dataset::Scaling;
use super::layers::{
    Dense, Purpose, adam, constant, convolution, descend, mask, matrix, permutation, stream, values,
};
use crate::global::GlobalError;
use crate::infer::variation::unit_normals;
use crate::learn::Compute;
use crate::learn::layers::Init;

/// Sides of an image.
pub const SIDE: usize = 8;
/// Slope of the leaky `ReLU` below 0: Keras's of the study's time.
const LEAK: f64 = 0.3;
/// Vectors that are generated at once.
const AT_ONCE: usize = 2000;
/// Points of the curves of a training.
const CURVE: usize = 200;

#[derive(Module, Debug)]
struct Generator {
    dense: Dense,
    convolutions: Vec<Conv2d>,
}

#[derive(Module, Debug)]
struct Discriminator {
    convolutions: Vec<Conv2d>,
    dense: Dense,
}

impl Generator {
    /// [batch, latent] -> [batch, width]
    fn forward(&self, latent: Tensor<2>) -> Tensor<2> {
        let x = relu(self.dense.forward(latent, relu, None));
        if self.convolutions.is_empty() {
            return x;
        }
        let n = x.dims()[0];
        let mut x = x.reshape([n, 1, SIDE, SIDE]);
        for (i, convolution) in self.convolutions.iter().enumerate() {
            x = convolution.forward(if i > 0 { relu(x) } else { x });
        }
        x.reshape([n, SIDE * SIDE])
    }
}

impl Discriminator {
    /// The logit of being real: [batch, width] -> [batch, 1]. With `rng` values are left out at random.
    fn forward(&self, input: Tensor<2>, dropout: Option<(f64, &mut Pcg64)>, compute: &Compute) -> Tensor<2> {
        let n = input.dims()[0];
        let (probability, mut rng) = dropout.map_or((0.0, None), |(p, rng)| (p, Some(rng)));
        let mut drop = |count: usize| match &mut rng {
            Some(rng) if probability > 0.0 => {
                Some(constant(mask(n * count, probability, rng), count, compute.device()))
            }
            _ => None,
        };
        if self.convolutions.is_empty() {
            let mask = drop(self.dense.last_hidden());
            return self.dense.forward(input, relu, mask);
        }
        let mut x = input.reshape([n, 1, SIDE, SIDE]);
        for convolution in &self.convolutions {
            x = leaky_relu(convolution.forward(x), LEAK);
            let [_, filters, height, width] = x.dims();
            if let Some(mask) = drop(filters * height * width) {
                x = x * mask.reshape([n, filters, height, width]);
            }
        }
        let [_, filters, height, width] = x.dims();
        self.dense.forward(x.reshape([n, filters * height * width]), relu, None)
    }
}

/// Losses and accuracy of the discriminator, means over some steps.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Balance {
    /// Steps so far.
    pub step: usize,
    /// The discriminator's loss, of real and generated vectors each with half the weight.
    pub discriminator: f64,
    /// The generator's loss.
    pub generator: f64,
    /// Share of vectors that the discriminator tells right.
    pub accuracy: f64,
}

/// A trained pair.
#[derive(Debug)]
pub struct Gan {
    generator: Generator,
    scaling: Scaling,
    latent: usize,
    compute: Compute,
    /// Course of the training.
    pub history: Vec<Balance>,
}

impl Gan {
    /// Trains on vectors of the same length.
    ///
    /// # Errors
    /// When a loss is no finite number any more.
    pub fn train(
        card: &GanCard,
        vectors: &[Vec<f64>],
        seed: u64,
        compute: &Compute,
        watch: Watch,
    ) -> Result<Self, GlobalError> {
        let width = vectors[0].len();
        let scaling = Scaling::unit(vectors.iter().map(Vec::as_slice), width);
        let device = compute.device();
        let learning = device.clone().autodiff();
        let mut init = Init::new(seed, &learning);
        let (mut generator, mut discriminator) = networks(card, width, &mut init, &learning);
        let mut optimisers = [adam(card.beta_1), adam(card.beta_1)];
        let mut dropout = stream(seed, Purpose::Dropout, 0);
        let mut latent = stream(seed, Purpose::Latent, 0);
        let mut noise = || {
            let normals = unit_normals(&mut latent, card.batch_size * card.latent);
            constant(normals.into_iter().map(|x| x as f32).collect(), card.latent, device)
        };
        let (mut order, mut epoch) = (Vec::new(), 0);
        let mut history = Vec::new();
        let every = card.steps.div_ceil(CURVE);
        let mut sum = Balance::default();
        for step in 0..card.steps {
            if order.len() < card.batch_size {
                order = permutation(vectors.len(), &mut stream(seed, Purpose::Shuffle, epoch));
                epoch += 1;
            }
            let batch = order.split_off(order.len() - card.batch_size);
            let real =
                constant(batch.iter().flat_map(|i| scaling.apply(&vectors[*i])).collect(), width, device);

            let fake = generator.forward(noise()).detach();
            let of_real = discriminator.forward(real, Some((card.dropout, &mut dropout)), compute);
            let of_fake = discriminator.forward(fake, Some((card.dropout, &mut dropout)), compute);
            sum.accuracy += accuracy(&of_real, &of_fake);
            let loss = (log_sigmoid(of_real).mean() + log_sigmoid(of_fake.neg()).mean()) * -0.5;
            let rate = card.learning_rate;
            let (moved, loss) = descend(&mut optimisers[0], rate, discriminator, &loss, step)?;
            discriminator = moved;
            sum.discriminator += loss;

            // Only the generator is to move.
            let judge = discriminator.clone().no_grad();
            let of_fake =
                judge.forward(generator.forward(noise()), Some((card.dropout, &mut dropout)), compute);
            let loss = log_sigmoid(of_fake).mean().neg();
            let (moved, loss) = descend(&mut optimisers[1], rate, generator, &loss, step)?;
            generator = moved;
            sum.generator += loss;

            let done = step + 1;
            if done.is_multiple_of(every) || done == card.steps {
                let n = (done - history.last().map_or(0, |last: &Balance| last.step)) as f64;
                history.push(Balance {
                    step: done,
                    discriminator: sum.discriminator / n,
                    generator: sum.generator / n,
                    accuracy: sum.accuracy / n,
                });
                sum = Balance::default();
            }
            watch(done, card.steps, loss);
        }
        Ok(Self {
            generator: generator.valid(),
            scaling,
            latent: card.latent,
            compute: compute.clone(),
            history,
        })
    }

    /// New vectors, the same for the same seed.
    pub fn sample(&self, count: usize, seed: u64) -> Vec<Vec<f64>> {
        let mut samples = Vec::with_capacity(count);
        let mut rng = stream(seed, Purpose::Samples, 0);
        while samples.len() < count {
            let n = AT_ONCE.min(count - samples.len());
            let noise = unit_normals(&mut rng, n * self.latent).into_iter().map(|x| x as f32).collect();
            let generated = self.generator.forward(matrix(noise, self.latent, self.compute.device()));
            let width = generated.dims()[1];
            samples.extend(values(generated).chunks(width).map(|vector| self.scaling.restore(vector)));
        }
        samples
    }

    /// A vector as the networks see it: from 0 to 1.
    pub fn image(&self, vector: &[f64]) -> Vec<f32> {
        self.scaling.apply(vector).collect()
    }
}

fn networks(
    card: &GanCard,
    width: usize,
    init: &mut Init,
    device: &burn::tensor::Device,
) -> (Generator, Discriminator) {
    let chain = |first: usize, hidden: &[usize], last: usize| -> Vec<usize> {
        [first].into_iter().chain(hidden.iter().copied()).chain([last]).collect()
    };
    match card.architecture {
        GanArchitecture::Dense => {
            let generator = Dense::init(init, &chain(card.latent, &card.generator, width));
            let discriminator = Dense::init(init, &chain(width, &card.discriminator, 1));
            (
                Generator { dense: generator, convolutions: Vec::new() },
                Discriminator { convolutions: Vec::new(), dense: discriminator },
            )
        }
        GanArchitecture::Convolutional => {
            let mut layers = |filters: &[usize], last: &[usize], stride: usize| -> Vec<Conv2d> {
                let widths = [&[1][..], filters, last].concat();
                widths.windows(2).map(|pair| convolution(init, device, pair[0], pair[1], stride)).collect()
            };
            let (up, down) = (layers(&card.generator, &[1], 1), layers(&card.discriminator, &[], 2));
            let side = (0..down.len()).fold(SIDE, |side, _| side.div_ceil(2));
            let flat = card.discriminator.last().map_or(1, |filters| filters * side * side);
            let dense = Dense::init(init, &[card.latent, SIDE * SIDE]);
            let last = Dense::init(init, &[flat, 1]);
            (Generator { dense, convolutions: up }, Discriminator { convolutions: down, dense: last })
        }
    }
}

fn accuracy(of_real: &Tensor<2>, of_fake: &Tensor<2>) -> f64 {
    let share = |logits: &Tensor<2>, real: bool| {
        let logits = values(logits.clone().inner());
        logits.iter().filter(|x| (**x > 0.0) == real).count() as f64 / logits.len() as f64
    };
    0.5 * (share(of_real, true) + share(of_fake, false))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors along a line, each component in its own range.
    fn line() -> Vec<Vec<f64>> {
        (0..400).map(|i| f64::from(i) / 400.0).map(|t| vec![-2.0 + t, 1.0 - 3.0 * t, 5.0]).collect()
    }

    fn card() -> GanCard {
        GanCard {
            latent: 4,
            generator: vec![16, 16],
            discriminator: vec![16, 16],
            batch_size: 50,
            steps: 600,
            learning_rate: 2e-3,
            ..GanCard::default()
        }
    }

    #[test]
    fn samples_come_to_lie_near_the_training_set_and_follow_from_the_seed() {
        let train = |seed| Gan::train(&card(), &line(), seed, &Compute::cpu(), &|_, _, _| ()).unwrap();
        let gan = train(1);
        let samples = gan.sample(500, 2);
        let mean = |i: usize| samples.iter().map(|v| v[i]).sum::<f64>() / 500.0;
        assert!((mean(0) + 1.5).abs() < 0.35 && (mean(1) + 0.5).abs() < 1.0, "{} {}", mean(0), mean(1));
        assert_eq!(gan.history.last().unwrap().step, 600);
        assert!(gan.history.iter().all(|b| (0.0..=1.0).contains(&b.accuracy) && b.generator > 0.0));
        assert_eq!(train(1).sample(500, 2), samples);
        assert_ne!(train(3).sample(500, 2), samples);
    }
}
