//! A sum of normal densities on a rectangle, and the network that gives one.
//!
//! Each shift in (low, high) is mapped to the whole line by u = ln((x - low)/(high - x)), where the densities are
//! normal: none of the probability lies outside the prior, and quantiles of x are those of u.

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::{log_softmax, silu};
use rand::RngExt;
use rand_pcg::Pcg64;
use statrs::distribution::{ContinuousCDF, Normal};

use super::exact::Prior;
use super::layers::Dense;
use crate::infer::variation::unit_normals;
use crate::learn::layers::Init;

/// Numbers of a component: weight, two means, two logarithms of a diagonal, one off-diagonal entry.
const NUMBERS: usize = 6;
/// Limits of the logarithms of the diagonal: widths in u between 3e-4 and 20.
const LOG_DIAGONAL: (f64, f64) = (-3.0, 8.0);

/// Hidden layers with `SiLU`, and a linear way past them: a posterior's mean is nearly linear in the data.
#[derive(Module, Debug)]
pub(super) struct MixtureNetwork {
    hidden: Dense,
    past: Linear,
}

impl MixtureNetwork {
    pub(super) fn init(init: &mut Init, inputs: usize, hidden: &[usize], components: usize) -> Self {
        let outputs = NUMBERS * components;
        let widths: Vec<usize> =
            [inputs].into_iter().chain(hidden.iter().copied()).chain([outputs]).collect();
        Self { hidden: Dense::init(init, &widths), past: init.linear(inputs, outputs, 0.03) }
    }

    /// [batch, inputs] -> [batch, 6 components]
    pub(super) fn forward(&self, input: Tensor<2>) -> Tensor<2> {
        self.hidden.forward(input.clone(), silu, None) + self.past.forward(input)
    }

    /// Mean of minus the logarithm of the density of u, without its 2 pi.
    ///
    /// # Shapes
    /// `input` [batch, inputs], `u` [batch, 2]
    pub(super) fn loss(&self, input: Tensor<2>, u: Tensor<2>) -> Tensor<1> {
        let output = self.forward(input);
        let k = output.dims()[1] / NUMBERS;
        let part = |i: usize| output.clone().narrow(1, i * k, k); // [batch, component]
        let diagonal = |i: usize| part(i).clamp(LOG_DIAGONAL.0, LOG_DIAGONAL.1);
        let (first, second) = (diagonal(3), diagonal(4));
        let z1 = (u.clone().narrow(1, 0, 1) - part(1)) * first.clone().exp();
        let z2 = (u.narrow(1, 1, 1) - part(2)) * second.clone().exp() + part(5) * z1.clone();
        let log = log_softmax(part(0), 1) + first + second - (z1.square() + z2.square()) * 0.5;
        let highest = log.clone().max_dim(1).detach();
        let sum = (log - highest.clone()).exp().sum_dim(1).log() + highest;
        sum.mean().neg()
    }
}

/// One normal density in u.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Component {
    weight: f64,
    mean: [f64; 2],
    /// Standard deviations are 1/a and sqrt(1 + c^2)/b: z1 = a (u1 - m1), z2 = b (u2 - m2) + c z1 are independent.
    a: f64,
    b: f64,
    c: f64,
}

/// A density of (C9, C10) inside a prior.
#[derive(Debug, Clone, PartialEq)]
pub struct Mixture {
    prior: Prior,
    components: Vec<Component>,
}

/// A shift on the whole line.
pub(super) fn to_line(x: f64, [low, high]: [f64; 2]) -> f64 {
    ((x - low) / (high - x)).ln()
}

fn from_line(u: f64, [low, high]: [f64; 2]) -> f64 {
    low + (high - low) / (1.0 + (-u).exp())
}

impl Mixture {
    /// From a network's output.
    pub(super) fn new(output: &[f64], prior: Prior) -> Self {
        let k = output.len() / NUMBERS;
        let highest = output[..k].iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let sum: f64 = output[..k].iter().map(|x| (x - highest).exp()).sum();
        let component = |i: usize| Component {
            weight: (output[i] - highest).exp() / sum,
            mean: [output[k + i], output[2 * k + i]],
            a: output[3 * k + i].clamp(LOG_DIAGONAL.0, LOG_DIAGONAL.1).exp(),
            b: output[4 * k + i].clamp(LOG_DIAGONAL.0, LOG_DIAGONAL.1).exp(),
            c: output[5 * k + i],
        };
        Self { prior, components: (0..k).map(component).collect() }
    }

    /// The density at a point; 0 outside the prior.
    pub fn density(&self, c9: f64, c10: f64) -> f64 {
        let shifts = [c9, c10];
        let inside = |i: usize| self.prior[i][0] < shifts[i] && shifts[i] < self.prior[i][1];
        if !inside(0) || !inside(1) {
            return 0.0;
        }
        let u = [0, 1].map(|i| to_line(shifts[i], self.prior[i]));
        let slope = |i: usize| {
            let [low, high] = self.prior[i];
            (high - low) / ((shifts[i] - low) * (high - shifts[i]))
        };
        let normal = |k: &Component| {
            let z1 = (u[0] - k.mean[0]) * k.a;
            let z2 = (u[1] - k.mean[1]) * k.b + k.c * z1;
            k.weight * k.a * k.b * (-0.5 * (z1 * z1 + z2 * z2)).exp() / std::f64::consts::TAU
        };
        self.components.iter().map(normal).sum::<f64>() * slope(0) * slope(1)
    }

    /// Probability that a shift (0 for C9, 1 for C10) lies below a value inside the prior.
    pub fn below(&self, shift: usize, value: f64) -> f64 {
        let u = to_line(value, self.prior[shift]);
        let normal = Normal::standard();
        let share = |k: &Component| {
            let inverse_width = if shift == 0 { k.a } else { k.b / (1.0 + k.c * k.c).sqrt() };
            k.weight * normal.cdf((u - k.mean[shift]) * inverse_width)
        };
        self.components.iter().map(share).sum()
    }

    /// A point of the density.
    pub fn draw(&self, rng: &mut Pcg64) -> (f64, f64) {
        let mut left: f64 = rng.random();
        let chosen = self.components.iter().find(|k| {
            left -= k.weight;
            left < 0.0
        });
        // Rounding may leave nothing after the last one.
        let Some(k) = chosen.or(self.components.last()) else { return (f64::NAN, f64::NAN) };
        let z = unit_normals(rng, 2);
        let u = [k.mean[0] + z[0] / k.a, k.mean[1] + (z[1] - k.c * z[0]) / k.b];
        (from_line(u[0], self.prior[0]), from_line(u[1], self.prior[1]))
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::global::networks::layers::{Purpose, matrix, stream};

    const PRIOR: Prior = [[-3.0, 1.0], [-2.0, 2.0]];

    fn mixture() -> Mixture {
        // Logits, first means, second means, logarithms of the diagonals, off-diagonals of two components.
        Mixture::new(&[0.4, -0.2, 0.3, 1.5, -0.2, -1.0, 0.8, 0.3, 0.5, 1.0, -0.7, 0.4], PRIOR)
    }

    #[test]
    fn a_density_has_integral_one_and_its_draws_follow_it() {
        let mixture = mixture();
        let n = 400;
        let at =
            |i: usize, [low, high]: [f64; 2]| low + (high - low) * (i as f64 + 0.5) / f64::from(n as u32);
        let cell = 16.0 / f64::from(n as u32).powi(2);
        let (mut sum, mut lower) = (0.0, [0.0; 2]);
        for i in 0..n {
            for j in 0..n {
                let (x, y) = (at(i, PRIOR[0]), at(j, PRIOR[1]));
                let p = mixture.density(x, y) * cell;
                sum += p;
                lower[0] += if x < -0.5 { p } else { 0.0 };
                lower[1] += if y < -0.5 { p } else { 0.0 };
            }
        }
        assert!((sum - 1.0).abs() < 1e-3, "{sum}");
        let mut rng = stream(1, Purpose::Samples, 0);
        let draws: Vec<(f64, f64)> = (0..40_000).map(|_| mixture.draw(&mut rng)).collect();
        let shares = [
            draws.iter().filter(|p| p.0 < -0.5).count() as f64 / 40_000.0,
            draws.iter().filter(|p| p.1 < -0.5).count() as f64 / 40_000.0,
        ];
        for shift in 0..2 {
            let below = mixture.below(shift, -0.5);
            assert!((below - lower[shift]).abs() < 2e-3, "{below} {}", lower[shift]);
            assert!((below - shares[shift]).abs() < 0.012, "{below} {}", shares[shift]);
        }
        assert!(mixture.density(1.5, 0.0) == 0.0);
    }

    /// The loss of a network is minus the logarithm of the density of its mixture, in u.
    #[test]
    fn the_loss_is_that_of_the_density() {
        let device = Device::flex();
        let network = MixtureNetwork::init(&mut Init::new(3, &device), 2, &[5], 3);
        let input = [0.4_f32, -0.9];
        let output: Vec<f64> =
            network.forward(matrix(input.to_vec(), 2, &device)).into_data().iter::<f64>().collect();
        let mixture = Mixture::new(&output, PRIOR);
        let shifts = [-0.7, 0.9];
        let u = [0, 1].map(|i| to_line(shifts[i], PRIOR[i]));
        let target = matrix(u.iter().map(|x| *x as f32).collect(), 2, &device);
        let loss: f64 = network.loss(matrix(input.to_vec(), 2, &device), target).into_scalar();
        let slope = |i: usize| {
            let [low, high] = PRIOR[i];
            (high - low) / ((shifts[i] - low) * (high - shifts[i]))
        };
        let expected =
            -(mixture.density(shifts[0], shifts[1]) / slope(0) / slope(1) * std::f64::consts::TAU).ln();
        assert!((loss - expected).abs() < 1e-4, "{loss} {expected}");
    }
}
