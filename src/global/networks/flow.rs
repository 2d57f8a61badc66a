//! A conditional flow that samples fits near the minimum: vectors (observables, C9, C10, chi-square) at a temperature T.
//!
//! At T the shifts follow exp(-chi2/2T): at 1 their posterior density, below it the neighbourhood of the minimum. They come
//! from two normal numbers by affine couplings (Dinh et al., arXiv:1605.08803) that know ln T; observables and chi-square
//! follow, as in an autoregressive flow, from normal densities whose means depend on the shifts. The density of the whole
//! vector is thus known, and its logarithm is what is learned. Observables are functions of the shifts: noise far below
//! the errors is added to what is learned, for without any width their density would have no logarithm.

use burn::module::{Module, Param};
use burn::nn::Linear;
use burn::tensor::Tensor;
use burn::tensor::activation::{silu, tanh};
use humboldt_schemas::experiment::FlowCard;
use rand::RngExt;
use rayon::prelude::*;

use super::Watch;
use super::exact::{Grid, Prior};
use super::layers::{Dense, Purpose, constant, matrix, stream, train, values};
use super::likelihood::Likelihood;
use crate::global::GlobalError;
use crate::global::statistic::ChiSquare;
use crate::infer::variation::unit_normals;
use crate::learn::Compute;
use crate::learn::layers::Init;

/// Noise that is added to observables, in units of their errors, and to chi-square.
const NOISE: (f64, f64) = (0.01, 0.02);
/// The unit in which chi-square is learned.
const CHI2_UNIT: f64 = 10.0;
/// Points along each axis of the grid that training points are drawn from.
const GRID: usize = 401;
/// Vectors that are generated at once.
const AT_ONCE: usize = 5000;

#[derive(Module, Debug)]
struct Network {
    couplings: Vec<Dense>,
    decoder: Dense,
    past: Linear,
    /// Logarithms of the decoder's widths.
    log_widths: Param<Tensor<1>>,
}

impl Network {
    /// Scale (its logarithm) and shift of one shift given the other and ln T, each [batch, 1].
    fn coupling(&self, index: usize, other: Tensor<2>, heat: Tensor<2>) -> (Tensor<2>, Tensor<2>) {
        let output = self.couplings[index].forward(Tensor::cat(vec![other, heat], 1), silu, None);
        (tanh(output.clone().narrow(1, 0, 1)) * 2.0, output.narrow(1, 1, 1))
    }

    /// Minus the logarithm of the density of shifts, without constants.
    ///
    /// # Shapes
    /// `shifts` [batch, 2] and `heat` [batch, 1], scaled.
    fn loss_of_shifts(&self, shifts: Tensor<2>, heat: &Tensor<2>) -> Tensor<1> {
        let mut parts = [shifts.clone().narrow(1, 0, 1), shifts.narrow(1, 1, 1)];
        let mut loss = heat.clone() * 0.0;
        for index in (0..self.couplings.len()).rev() {
            let moved = index % 2;
            let (scale, shift) = self.coupling(index, parts[1 - moved].clone(), heat.clone());
            parts[moved] = (parts[moved].clone() - shift) * scale.clone().neg().exp();
            loss = loss + scale;
        }
        let [a, b] = parts;
        (loss + (a.square() + b.square()) * 0.5).mean()
    }

    /// Shifts of normal numbers.
    fn shifts(&self, normals: Tensor<2>, heat: &Tensor<2>) -> Tensor<2> {
        let mut parts = [normals.clone().narrow(1, 0, 1), normals.narrow(1, 1, 1)];
        for index in 0..self.couplings.len() {
            let moved = index % 2;
            let (scale, shift) = self.coupling(index, parts[1 - moved].clone(), heat.clone());
            parts[moved] = parts[moved].clone() * scale.exp() + shift;
        }
        Tensor::cat(parts.to_vec(), 1)
    }

    /// Means of scaled observables and chi-square: [batch, 2] -> [batch, outputs].
    fn means(&self, shifts: Tensor<2>) -> Tensor<2> {
        let (a, b) = (shifts.clone().narrow(1, 0, 1), shifts.narrow(1, 1, 1));
        // Predictions are nearly quadratic.
        let squares = vec![a.clone(), b.clone(), a.clone().square(), a * b.clone(), b.square()];
        let input = Tensor::cat(squares, 1);
        self.decoder.forward(input.clone(), silu, None) + self.past.forward(input)
    }

    /// Minus the logarithm of the density of observables and chi-square given shifts, without constants.
    fn loss_of_rest(&self, shifts: Tensor<2>, rest: Tensor<2>) -> Tensor<1> {
        let log_widths = self.log_widths.val().clamp(-9.0, 5.0).unsqueeze::<2>(); // [1, outputs]
        let pulls = (rest - self.means(shifts)) * log_widths.clone().neg().exp();
        (pulls.square() * 0.5 + log_widths).sum_dim(1).mean()
    }
}

/// Meaning of a network's numbers.
#[derive(Debug, Clone)]
struct Frame {
    /// Point of the grid with the lowest chi-square, and its value there.
    best: [f64; 2],
    chi2: f64,
    /// Widths of the posterior density.
    widths: [f64; 2],
    /// Widest region in these widths: the highest temperature's.
    reach: f64,
    /// Observables at the best point and the errors they are counted in.
    observables: Vec<f64>,
    errors: Vec<f64>,
    /// Middle and half the range of ln T.
    heat: (f64, f64),
}

impl Frame {
    fn heat(&self, temperature: f64) -> f64 {
        (temperature.ln() - self.heat.0) / self.heat.1
    }

    /// In units in which the density would be the same at each temperature were chi-square a parabola.
    fn scaled(&self, shifts: [f64; 2], temperature: f64) -> [f64; 2] {
        [0, 1].map(|i| (shifts[i] - self.best[i]) / (self.widths[i] * temperature.sqrt()))
    }
}

/// A generated vector.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    /// C9 and C10.
    pub shifts: [f64; 2],
    /// Chi-square as it was generated.
    pub chi2: f64,
    /// Observables as they were generated, in the order and convention of the measurements.
    pub observables: Vec<f64>,
}

/// A trained flow.
#[derive(Debug)]
pub struct Flow {
    network: Network,
    frame: Frame,
    compute: Compute,
    /// Mean loss after so many steps.
    pub history: Vec<(usize, f64)>,
}

impl Flow {
    /// Trains for the measured data of a chi-square of C9 and C10.
    ///
    /// # Errors
    /// When a prediction cannot be made, or the loss is no finite number any more.
    pub fn train(
        card: &FlowCard,
        statistic: &ChiSquare,
        prior: Prior,
        seed: u64,
        compute: &Compute,
        watch: Watch,
    ) -> Result<Self, GlobalError> {
        let source = Source::new(card, statistic, prior)?;
        let frame = &source.frame;
        let outputs = statistic.data().len() + 1;
        let device = compute.device();
        let learning = device.clone().autodiff();
        let mut init = Init::new(seed, &learning);
        let h = card.hidden;
        let couplings = (0..card.couplings).map(|_| Dense::init(&mut init, &[2, h, h, 2])).collect();
        let decoder = Dense::init(&mut init, &[5, h, h, outputs]);
        let past = init.linear(5, outputs, 0.3);
        let log_widths = Param::from_tensor(Tensor::zeros([outputs], &learning));
        let network = Network { couplings, decoder, past, log_widths };
        let loss = |network: &Network, step: usize| {
            let points: Vec<Example> = (0..card.batch_size)
                .into_par_iter()
                .map(|i| source.example(statistic, seed, (step * card.batch_size + i) as u64))
                .collect::<Result<_, _>>()?;
            let column = |of: &dyn Fn(&Example) -> Vec<f64>, width: usize| {
                constant(points.iter().flat_map(of).map(|x| x as f32).collect(), width, device)
            };
            let heat = column(&|e| vec![frame.heat(e.temperature)], 1);
            let shifts = column(&|e| frame.scaled(e.shifts, e.temperature).to_vec(), 2);
            let hottest = column(&|e| frame.scaled(e.shifts, frame.reach).to_vec(), 2);
            let rest = column(&|e| e.rest.clone(), outputs);
            Ok(network.loss_of_shifts(shifts, &heat) + network.loss_of_rest(hottest, rest))
        };
        let (network, history) = train(network, (card.learning_rate, card.steps), watch, loss)?;
        let frame = source.frame.clone();
        Ok(Self { network: network.valid(), frame, compute: compute.clone(), history })
    }

    /// Fits at a temperature, the same for the same seed.
    pub fn sample(&self, temperature: f64, count: usize, seed: u64) -> Vec<Fit> {
        let device = self.compute.device();
        let mut rng = stream(seed, Purpose::Samples, temperature.to_bits() >> 1);
        let (frame, mut fits) = (&self.frame, Vec::with_capacity(count));
        let widths: Vec<f64> = values(self.network.log_widths.val()).iter().map(|w| w.exp()).collect();
        let stretch = (temperature / frame.reach).sqrt() as f32;
        while fits.len() < count {
            let n = AT_ONCE.min(count - fits.len());
            let normals: Vec<f32> = unit_normals(&mut rng, 2 * n).into_iter().map(|x| x as f32).collect();
            let heat = matrix(vec![frame.heat(temperature) as f32; n], 1, device);
            let shifts = self.network.shifts(matrix(normals, 2, device), &heat);
            let means = values(self.network.means(shifts.clone() * stretch));
            for (scaled, means) in values(shifts).chunks(2).zip(means.chunks(widths.len())) {
                let noise = unit_normals(&mut rng, widths.len());
                let rest: Vec<f64> =
                    means.iter().zip(widths.iter().zip(noise)).map(|(m, (w, z))| m + w * z).collect();
                let observables = frame.observables.iter().zip(&frame.errors).zip(&rest);
                fits.push(Fit {
                    shifts: [0, 1].map(|i| frame.best[i] + scaled[i] * frame.widths[i] * temperature.sqrt()),
                    chi2: frame.chi2 + CHI2_UNIT * rest[widths.len() - 1],
                    observables: observables.map(|((value, error), r)| value + error * r).collect(),
                });
            }
        }
        fits
    }
}

/// Source of training points.
struct Source {
    frame: Frame,
    prior: Prior,
    temperatures: Vec<f64>,
    /// Running sums of the weights of the grid's points at each temperature.
    sums: Vec<Vec<f64>>,
}

/// One training point.
struct Example {
    temperature: f64,
    shifts: [f64; 2],
    /// Observables and chi-square as the network sees them.
    rest: Vec<f64>,
}

impl Source {
    fn new(card: &FlowCard, statistic: &ChiSquare, prior: Prior) -> Result<Self, GlobalError> {
        let grid = Grid::new(statistic, prior, GRID)?;
        let likelihood = Likelihood::new(statistic)?;
        let data: Vec<f64> = statistic.data().measurements().iter().map(|datum| datum.value).collect();
        let chi2 = grid.chi2(&likelihood, &data);
        let place = (0..chi2.len()).min_by(|a, b| chi2[*a].total_cmp(&chi2[*b])).unwrap_or(0);
        let [low, high] = card.temperatures.map(f64::ln);
        let level = |i: usize| (low + (high - low) * i as f64 / (card.levels - 1) as f64).exp();
        let temperatures: Vec<f64> = (0..card.levels).map(level).collect();
        let sums = temperatures.iter().map(|temperature| {
            let mut sum = 0.0;
            let weights = chi2.iter().map(|x| {
                sum += (-0.5 * (x - chi2[place]) / temperature).exp();
                sum
            });
            weights.collect()
        });
        let best = [0, 1].map(|i| {
            let axis = grid.axes()[i].values();
            axis[if i == 0 { place % GRID } else { place / GRID }]
        });
        let moments = grid.posterior(&likelihood, &data).moments();
        let observables = statistic.predictions(&best)?;
        let frame = Frame {
            best,
            chi2: chi2[place],
            widths: moments.shifts.map(|shift| shift.sigma),
            reach: card.temperatures[1],
            errors: statistic.errors(&observables),
            observables,
            heat: (0.5 * (low + high), 0.5 * (high - low)),
        };
        Ok(Self { frame, prior, sums: sums.collect(), temperatures })
    }

    fn example(&self, statistic: &ChiSquare, seed: u64, index: u64) -> Result<Example, GlobalError> {
        let mut rng = stream(seed, Purpose::Jitter, index);
        let level = rng.random_range(0..self.temperatures.len());
        let sums = &self.sums[level];
        let wanted = rng.random::<f64>() * sums.last().copied().unwrap_or_default();
        let place = sums.partition_point(|sum| *sum < wanted).min(sums.len() - 1);
        let shifts = [place % GRID, place / GRID];
        let shifts = [0, 1].map(|i| {
            let [low, high] = self.prior[i];
            let cell = (high - low) / (GRID - 1) as f64;
            // Uniform in the point's cell, half of which is missing at the ends.
            (low + cell * (shifts[i] as f64 + rng.random::<f64>() - 0.5)).clamp(low, high)
        });
        let frame = &self.frame;
        let predictions = statistic.predictions(&shifts)?;
        let noise = unit_normals(&mut rng, predictions.len() + 1);
        let chi2 = statistic.of_predictions(&predictions);
        let mut rest: Vec<f64> = predictions
            .iter()
            .zip(frame.observables.iter().zip(&frame.errors))
            .zip(&noise)
            .map(|((value, (best, error)), z)| (value - best) / error + NOISE.0 * z)
            .collect();
        rest.push((chi2 - frame.chi2 + NOISE.1 * noise[predictions.len()]) / CHI2_UNIT);
        Ok(Example { temperature: self.temperatures[level], shifts, rest })
    }
}
