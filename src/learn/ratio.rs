//! Networks over single events that learn ratios of densities.
//!
//! By squared error they learn the mean of what is only known of simulated events, given what is measured of them: of the coefficients of
//! `p(z; x)/p(z; 0)`, z the truth, those of `p(y; x)/p(y; 0)`, y the measurement, for any acceptance and resolution. By cross-entropy
//! they learn to tell two samples apart, which is the ratio of their densities.
//!
//! Where a first guess of the coefficients is known, as of an event whose measured values are taken for true, networks learn what it leaves: all that
//! a detector does, and nothing of the amplitudes.
//!
//! # Source
//! Brehmer, Cranmer, Louppe, Pavez, arXiv:1805.00013: what simulations know of their truth, as targets of regression.

use std::fs;
use std::path::Path;

use burn::module::Module;
use burn::nn::Linear;
use burn::tensor::activation::relu;
use burn::tensor::{Device, Tensor, TensorData};
use humboldt_schemas::card::TrainingCard;
use serde::{Deserialize, Serialize};

use super::device::Compute;
use super::error::LearnError;
use super::layers::Init;
use super::model::{WEIGHTS_FILE, load_json, load_module, save_json, save_module};
use super::optimiser::{Gradient, Moments, Optimiser, gradient_of, sum};
use super::parallel;
use super::predict::on_device;
use super::schedule::learning_rate;
use super::scores::{Spread, SpreadSums};
use super::source::shuffled;

/// Name of the file that describes learned ratios.
pub const RATIO_FILE: &str = "ratio.json";

const VERSION: u32 = 1;

/// Events of a batch that one thread takes.
const PART: usize = 1024;

/// Events that go through a network at once.
const ROWS: usize = 4096;

/// Most examples by which it is told what is left.
const LOOKED_AT: usize = 1 << 16;

/// Deviations beyond which a feature is not followed.
const FAR: f32 = 6.0;

/// Dense layers with rectifiers.
#[derive(Module, Debug)]
pub struct EventNetwork {
    layers: Vec<Linear>,
    output: Linear,
}

impl EventNetwork {
    fn init(layers: &[usize], inputs: usize, outputs: usize, seed: u64, device: &Device) -> Self {
        let mut init = Init::new(seed, device);
        let mut width = inputs;
        let mut layer = |neurons: usize, gain: f64| {
            let layer = init.linear(width, neurons, gain);
            width = neurons;
            layer
        };
        let layers = layers.iter().map(|neurons| layer(*neurons, 6.0)).collect();
        Self { layers, output: layer(outputs, 0.03) }
    }

    /// # Shapes
    /// [event, feature] -> [event, output].
    fn forward(&self, mut x: Tensor<2>) -> Tensor<2> {
        for layer in &self.layers {
            x = relu(layer.forward(x));
        }
        self.output.forward(x)
    }
}

/// All networks of learned ratios.
#[derive(Module, Debug)]
struct Networks {
    ratios: Vec<EventNetwork>,
    classifiers: Vec<EventNetwork>,
    nuisances: Vec<EventNetwork>,
}

/// Description of learned ratios.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RatioInfo {
    /// Version of this format, 1.
    pub version: u32,
    /// Mean and deviation of each feature of an event.
    pub features: Vec<Spread>,
    /// Mean and deviation of each coefficient, less its part of the first guess, that is learned.
    pub terms: Vec<Spread>,
    /// Part of its first guess that each coefficient has for certain; empty where there are no guesses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub slopes: Vec<f32>,
    /// Mean and deviation of each nuisance parameter's change of the density that is learned.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub nuisances: Vec<Spread>,
    /// Neurons of the layers.
    pub layers: Vec<usize>,
    /// Networks that are averaged.
    pub members: usize,
    /// Whether signal and background are told apart as well.
    pub classifies: bool,
    /// Squared error of the coefficients over that of their means, of events of the training: what is left.
    pub loss: f64,
    /// Cross-entropy of signal and background at the end, where they are told apart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entropy: Option<f64>,
    /// Mean squared error of the coefficients of each epoch, in units of the spread that first guesses leave.
    ///
    /// # Shapes
    /// [network, epoch]
    #[serde(default)]
    pub losses: Vec<Vec<f64>>,
    /// Mean cross-entropy of each epoch.
    ///
    /// # Shapes
    /// [network, epoch]
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub entropies: Vec<Vec<f64>>,
    /// The whole card and whatever else the caller wants to be kept.
    pub provenance: serde_json::Value,
}

/// Events to learn from.
#[derive(Debug, Clone, Copy)]
pub struct Examples<'a> {
    /// # Shapes
    /// [event, feature]
    pub features: &'a [f32],
    /// Coefficients that are learned.
    ///
    /// # Shapes
    /// [event, coefficient]
    pub terms: &'a [f32],
    /// First guesses of these, which are known of any event; empty without.
    ///
    /// # Shapes
    /// [event, coefficient]
    pub guesses: &'a [f32],
    /// Changes of the density by nuisance parameters that are learned; empty without.
    ///
    /// # Shapes
    /// [event, parameter]
    pub nuisances: &'a [f32],
    /// Weights of the events.
    pub weights: &'a [f64],
    /// Features of events of background; none without.
    pub background: Option<&'a [f32]>,
}

/// Report of a training: the part that is done, and the loss of the last epoch.
pub type Report<'a> = &'a mut dyn FnMut(f64, f64);

/// Settings of a training.
#[derive(Debug, Clone, Copy)]
pub struct RatioTraining<'a> {
    /// Optimiser, learning rate, epochs; a batch counts events.
    pub card: &'a TrainingCard,
    /// Neurons of the layers.
    pub layers: &'a [usize],
    /// Networks that are averaged.
    pub members: usize,
    /// First weights and the order of events follow from it.
    pub seed: u64,
    /// Device that computes.
    pub compute: &'a Compute,
}

/// Quantity that is learned.
#[derive(Clone, Copy, PartialEq)]
enum Goal {
    Squares,
    Entropy,
}

impl RatioTraining<'_> {
    /// Trains all networks; the same for any number of threads.
    ///
    /// # Errors
    /// With fewer than two events, when the loss is no number any more, or the device fails.
    pub fn train(
        &self,
        examples: &Examples,
        inputs: usize,
        outputs: usize,
        report: Report,
    ) -> Result<LearnedRatios, LearnError> {
        let events = examples.weights.len();
        let fewest = examples.background.map_or(events, |b| events.min(b.len() / inputs.max(1)));
        if fewest < 2 {
            return Err(LearnError::TooFewImages { split: "training", got: fewest, least: 2 });
        }
        let weight = |x: f64| x as f32;
        let moments = |values: &[f32], columns: usize| {
            let mut moments = vec![SpreadSums::default(); columns];
            for (row, w) in values.chunks_exact(columns.max(1)).zip(examples.weights) {
                moments.iter_mut().zip(row).for_each(|(moments, x)| moments.add(*x, weight(*w)));
            }
            moments
        };
        let spreads = |values: &[f32], columns: usize| -> Vec<Spread> {
            moments(values, columns).into_iter().map(SpreadSums::spread).collect()
        };
        let slopes = slopes(examples, outputs);
        let left = without(examples.terms, examples.guesses, &slopes);
        let of_terms = moments(&left, outputs).into_iter().zip(moments(examples.terms, outputs));
        let of_terms = of_terms.map(|(left, all)| left.spread_left_of(all)).collect();
        let info = RatioInfo {
            version: VERSION,
            features: spreads(examples.features, inputs),
            terms: of_terms,
            slopes,
            nuisances: spreads(examples.nuisances, examples.nuisances.len() / events),
            layers: self.layers.to_vec(),
            members: self.members,
            classifies: examples.background.is_some(),
            loss: 0.0,
            entropy: None,
            losses: Vec::new(),
            entropies: Vec::new(),
            provenance: serde_json::Value::Null,
        };
        let features = info.standardised(examples.features);
        let mean = examples.weights.iter().sum::<f64>() / events as f64;
        let weights: Vec<f32> = examples.weights.iter().map(|w| weight(*w / mean)).collect();
        let standardised = |values: &[f32], spreads: &[Spread]| -> Vec<f32> {
            let columns = spreads.len().max(1);
            let of = |(i, x): (usize, &f32)| spreads[i % columns].applied(*x);
            values.iter().enumerate().map(of).collect()
        };
        let terms = standardised(&left, &info.terms);
        let nuisances = standardised(examples.nuisances, &info.nuisances);
        let kinds = [true, info.classifies, !info.nuisances.is_empty()];
        let stages = (self.members * kinds.iter().filter(|is| **is).count()) as f64;
        let mut done = 0.0;
        // Networks of a kind, whose random streams go on by a step from the first, and the losses of each.
        let mut members = |table: &Table, goal: Goal, [first, step]: [u64; 2]| {
            let (mut networks, mut losses) = (Vec::new(), Vec::new());
            for member in 0..self.members as u64 {
                let mut told = |part: f64, loss: f64| report((done + part) / stages, loss);
                let (network, own) = self.one(table, goal, first + step * member, &mut told)?;
                networks.push(network);
                losses.push(own);
                done += 1.0;
            }
            Ok::<_, LearnError>((networks, losses))
        };
        let table = Table { features: &features, targets: &terms, weights: &weights, inputs, outputs };
        let (ratios, losses) = members(&table, Goal::Squares, [0, 2])?;
        let (mut classifiers, mut entropies) = (Vec::new(), Vec::new());
        if let Some(background) = examples.background {
            let background = info.standardised(background);
            let others = background.len() / inputs;
            // Each kind has half of the weight, whatever the numbers of events.
            let (of_signal, of_background) = (
                (events + others) as f32 / (2.0 * events as f32),
                (events + others) as f32 / (2.0 * others as f32),
            );
            let all = [features.as_slice(), &background].concat();
            let targets = [vec![1.0; events], vec![0.0; others]].concat();
            let weights: Vec<f32> =
                weights.iter().map(|w| w * of_signal).chain((0..others).map(|_| of_background)).collect();
            let table = Table { features: &all, targets: &targets, weights: &weights, inputs, outputs: 1 };
            (classifiers, entropies) = members(&table, Goal::Entropy, [1, 2])?;
        }
        let mut of_nuisances = Vec::new();
        if !info.nuisances.is_empty() {
            let table = Table { targets: &nuisances, outputs: info.nuisances.len(), ..table };
            (of_nuisances, _) = members(&table, Goal::Squares, [2 * self.members as u64, 1])?;
        }
        let networks = Networks { ratios, classifiers, nuisances: of_nuisances };
        let last =
            |all: &[Vec<f64>]| all.iter().filter_map(|own| own.last()).sum::<f64>() / all.len().max(1) as f64;
        let entropy = info.classifies.then(|| last(&entropies));
        let info = RatioInfo { entropy, losses, entropies, ..info };
        let mut learned = LearnedRatios { info, networks, compute: self.compute.clone() };
        learned.info.loss = learned.left_of(examples)?;
        Ok(learned)
    }

    /// One network, and the mean loss of each of its epochs.
    fn one(
        &self,
        table: &Table,
        goal: Goal,
        stream: u64,
        report: Report,
    ) -> Result<(EventNetwork, Vec<f64>), LearnError> {
        let (card, name) = (self.card, self.compute.name().to_string());
        let device = self.compute.device().clone();
        let seed = self.seed.wrapping_add(stream.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut network =
            EventNetwork::init(self.layers, table.inputs, table.outputs, seed, &device.clone().autodiff());
        let mut optimiser = Optimiser::new(card, Moments::zeros(&network, card.optimiser, &device), 0);
        let events = table.weights.len();
        let batch = card.batch_size.min(events);
        // The last events of an epoch that fill no batch are left to the next.
        let batches = events / batch;
        let mut losses = Vec::with_capacity(card.epochs);
        for epoch in 1..=card.epochs {
            let order = shuffled(events, seed, epoch);
            let mut loss = 0.0;
            for (number, rows) in order.chunks_exact(batch).enumerate() {
                let parts: Vec<(EventNetwork, Batch)> =
                    rows.chunks(PART).map(|rows| (network.clone(), table.of(rows))).collect();
                let part =
                    |(network, part): (EventNetwork, Batch)| gradient(network, part, goal, batch, &device);
                let parts: Vec<(Gradient, f64)> = on_device(&name, || {
                    if self.compute.is_cpu() {
                        parallel::map(parts, part)
                    } else {
                        parts.into_iter().map(part).collect()
                    }
                })?;
                let (gradients, losses): (Vec<Gradient>, Vec<f64>) = parts.into_iter().unzip();
                let own: f64 = losses.iter().sum();
                if !own.is_finite() {
                    return Err(LearnError::Diverged {
                        epoch,
                        batch: number + 1,
                        loss: own as f32,
                        kept: String::new(),
                    });
                }
                loss += own / batches as f64;
                let rate = learning_rate(card, optimiser.steps + 1, batches as u64);
                network = on_device(&name, || optimiser.step(rate, network, sum(gradients)))?;
            }
            report(epoch as f64 / card.epochs as f64, loss);
            losses.push(loss);
        }
        Ok((network.valid(), losses))
    }
}

/// Part of each coefficient's first guess that fits it best, by weighted least squares; empty without guesses.
fn slopes(examples: &Examples, outputs: usize) -> Vec<f32> {
    if examples.guesses.is_empty() {
        return Vec::new();
    }
    // Of weights, guesses, coefficients, squares of guesses and products.
    let mut sums = vec![[0.0_f64; 5]; outputs];
    let rows = examples.terms.chunks_exact(outputs).zip(examples.guesses.chunks_exact(outputs));
    for ((terms, guesses), weight) in rows.zip(examples.weights) {
        for ((sums, term), guess) in sums.iter_mut().zip(terms).zip(guesses) {
            let (x, y) = (f64::from(*guess), f64::from(*term));
            let of = [1.0, x, y, x * x, x * y];
            sums.iter_mut().zip(of).for_each(|(sum, value)| *sum += weight * value);
        }
    }
    let slope = |[n, x, y, xx, xy]: [f64; 5]| {
        let variance = xx * n - x * x;
        if variance > 0.0 { ((xy * n - x * y) / variance) as f32 } else { 0.0 }
    };
    sums.into_iter().map(slope).collect()
}

/// Coefficients without their parts of first guesses.
fn without(terms: &[f32], guesses: &[f32], slopes: &[f32]) -> Vec<f32> {
    let mut left = terms.to_vec();
    add_guesses(&mut left, guesses, slopes, -1.0);
    left
}

/// Adds a multiple of the certain parts of first guesses.
fn add_guesses(terms: &mut [f32], guesses: &[f32], slopes: &[f32], times: f32) {
    let rows = terms.chunks_exact_mut(slopes.len().max(1)).zip(guesses.chunks_exact(slopes.len().max(1)));
    for (terms, guesses) in rows {
        for ((term, guess), slope) in terms.iter_mut().zip(guesses).zip(slopes) {
            *term += times * slope * guess;
        }
    }
}

/// Standardised events.
struct Table<'a> {
    features: &'a [f32],
    targets: &'a [f32],
    weights: &'a [f32],
    inputs: usize,
    outputs: usize,
}

struct Batch {
    features: TensorData,
    targets: TensorData,
    weights: TensorData,
}

impl Table<'_> {
    fn of(&self, rows: &[usize]) -> Batch {
        let gather = |from: &[f32], columns: usize| {
            let data: Vec<f32> = rows
                .iter()
                .flat_map(|row| from[row * columns..(row + 1) * columns].iter().copied())
                .collect();
            TensorData::new(data, [rows.len(), columns])
        };
        Batch {
            features: gather(self.features, self.inputs),
            targets: gather(self.targets, self.outputs),
            weights: gather(self.weights, 1),
        }
    }
}

/// A part's gradient of the mean loss of a batch, and its share of that.
fn gradient(
    network: EventNetwork,
    part: Batch,
    goal: Goal,
    batch: usize,
    device: &Device,
) -> (Gradient, f64) {
    // Parts that shared leaves of one graph would wait for each other.
    let network = Module::fork(network, &device.clone().autodiff());
    let tensor = |data: TensorData| Tensor::<2>::from_inner(Tensor::from_data(data, device));
    let (targets, weights) = (tensor(part.targets), tensor(part.weights));
    let outputs = targets.dims()[1];
    let output = network.forward(tensor(part.features));
    let loss = match goal {
        Goal::Squares => (output - targets).square().sum_dim(1) / outputs as f64,
        // -ln of the logistic function, without overflow on either side.
        Goal::Entropy => {
            relu(output.clone()) - output.clone() * targets + (output.abs().neg().exp() + 1.0).log()
        }
    };
    let loss = (loss * weights).sum() / batch as f64;
    let gradient = gradient_of(&network, &loss.backward());
    (gradient, loss.inner().into_scalar::<f64>())
}

impl RatioInfo {
    /// Features as the networks take them: without their means, in units of their deviations, cut where they are far out.
    ///
    /// # Shapes
    /// [event, feature]
    pub fn standardised(&self, features: &[f32]) -> Vec<f32> {
        let of = |(x, spread): (&f32, &Spread)| spread.applied(*x).clamp(-FAR, FAR);
        features
            .chunks_exact(self.features.len())
            .flat_map(|row| row.iter().zip(&self.features).map(of))
            .collect()
    }

    fn is_consistent(&self) -> bool {
        let sound =
            |all: &[Spread]| !all.is_empty() && all.iter().all(|s| s.mean.is_finite() && s.deviation > 0.0);
        let layers = !self.layers.is_empty() && self.layers.iter().all(|n| *n > 0);
        let nuisances = self.nuisances.is_empty() || sound(&self.nuisances);
        self.version == VERSION
            && self.members > 0
            && layers
            && nuisances
            && (self.slopes.is_empty() || self.slopes.len() == self.terms.len())
            && self.slopes.iter().all(|slope| slope.is_finite())
            && sound(&self.features)
            && sound(&self.terms)
    }
}

/// Trained networks of ratios.
#[derive(Debug, Clone)]
pub struct LearnedRatios {
    info: RatioInfo,
    networks: Networks,
    compute: Compute,
}

/// Ratios that networks give for events.
#[derive(Debug, Clone, PartialEq)]
pub struct RatiosOfEvents {
    /// # Shapes
    /// [event, coefficient]
    pub terms: Vec<f32>,
    /// Logarithm of the ratio of the densities of signal and background; empty where they are not told apart.
    pub log_signal: Vec<f32>,
    /// # Shapes
    /// [event, nuisance parameter]
    pub nuisances: Vec<f32>,
    /// Features as the networks take them.
    ///
    /// # Shapes
    /// [event, feature]
    pub features: Vec<f32>,
}

impl LearnedRatios {
    /// The description.
    pub const fn info(&self) -> &RatioInfo {
        &self.info
    }

    /// These networks with other provenance.
    #[must_use]
    pub fn with_provenance(mut self, provenance: serde_json::Value) -> Self {
        self.info.provenance = provenance;
        self
    }

    /// Ratios of events; the same for any number of threads.
    ///
    /// # Shapes
    /// `features` [event, feature] and `guesses` [event, coefficient], as they were given to the training.
    ///
    /// # Errors
    /// When guesses are missing, or the device fails.
    pub fn of(&self, features: &[f32], guesses: &[f32]) -> Result<RatiosOfEvents, LearnError> {
        let info = &self.info;
        let inputs = info.features.len();
        let events = features.len() / inputs;
        if guesses.len() != events * info.slopes.len() {
            return Err(LearnError::Guesses { got: guesses.len(), expected: events * info.slopes.len() });
        }
        let features = info.standardised(features);
        let device = self.compute.device();
        let chunks: Vec<(Networks, &[f32])> =
            features.chunks(ROWS * inputs).map(|rows| (self.networks.clone(), rows)).collect();
        let forward = |(networks, rows): (Networks, &[f32])| {
            let events = rows.len() / inputs;
            let data = TensorData::new(rows.to_vec(), [events, inputs]);
            let input = Tensor::<2>::from_data(data, device);
            let mean = |networks: &[EventNetwork], outputs: usize| {
                let mut sum = vec![0.0_f32; events * outputs];
                for network in networks {
                    let output = network.forward(input.clone()).into_data();
                    sum.iter_mut().zip(output.iter::<f32>()).for_each(|(sum, x)| *sum += x);
                }
                let count = networks.len().max(1) as f32;
                for x in &mut sum {
                    *x /= count;
                }
                sum
            };
            let rescaled = |networks: &[EventNetwork], spreads: &[Spread]| {
                let mut values = mean(networks, spreads.len());
                for row in values.chunks_exact_mut(spreads.len().max(1)) {
                    row.iter_mut()
                        .zip(spreads)
                        .for_each(|(x, spread)| *x = x.mul_add(spread.deviation, spread.mean));
                }
                values
            };
            let log_signal = if info.classifies { mean(&networks.classifiers, 1) } else { Vec::new() };
            [
                rescaled(&networks.ratios, &info.terms),
                log_signal,
                rescaled(&networks.nuisances, &info.nuisances),
            ]
        };
        let name = self.compute.name().to_string();
        let parts: Vec<[Vec<f32>; 3]> = on_device(&name, || {
            if self.compute.is_cpu() {
                parallel::map(chunks, forward)
            } else {
                chunks.into_iter().map(forward).collect()
            }
        })?;
        let [mut terms, log_signal, nuisances]: [Vec<f32>; 3] =
            [0, 1, 2].map(|kind| parts.iter().flat_map(|part| part[kind].iter().copied()).collect());
        add_guesses(&mut terms, guesses, &info.slopes, 1.0);
        Ok(RatiosOfEvents { terms, log_signal, nuisances, features })
    }

    /// Squared error of the coefficients over that of their means, on average over them, of the first examples.
    fn left_of(&self, examples: &Examples) -> Result<f64, LearnError> {
        let (inputs, outputs) = (self.info.features.len(), self.info.terms.len());
        let events = examples.weights.len().min(LOOKED_AT);
        let guesses = &examples.guesses[..events * self.info.slopes.len()];
        let found = self.of(&examples.features[..events * inputs], guesses)?;
        let mut sums = vec![[SpreadSums::default(); 2]; outputs];
        let rows = examples.terms.chunks_exact(outputs).zip(found.terms.chunks_exact(outputs));
        for ((terms, found), weight) in rows.zip(examples.weights) {
            for ((sums, term), found) in sums.iter_mut().zip(terms).zip(found) {
                sums[0].add(*term, *weight as f32);
                sums[1].add(term - found, *weight as f32);
            }
        }
        let left =
            |[all, error]: [SpreadSums; 2]| error.mean_square() / f64::from(all.spread().deviation).powi(2);
        Ok(sums.into_iter().map(left).sum::<f64>() / outputs as f64)
    }

    /// Writes the networks into `folder`, which is created where it is missing; the description last.
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn save(&self, folder: &Path) -> Result<(), LearnError> {
        fs::create_dir_all(folder).map_err(LearnError::io(folder))?;
        save_module(&self.networks, &folder.join(WEIGHTS_FILE))?;
        save_json(&self.info, &folder.join(RATIO_FILE))
    }

    /// Reads networks that [`LearnedRatios::save`] wrote.
    ///
    /// # Errors
    /// When a file is missing, damaged, of another version, or has other shapes than the description says.
    pub fn load(folder: &Path, compute: &Compute) -> Result<Self, LearnError> {
        let path = folder.join(RATIO_FILE);
        let info: RatioInfo = load_json(&path)?;
        if !info.is_consistent() {
            return Err(LearnError::corrupt(
                &path,
                format!("not learned ratios of version {VERSION} that humboldt can build"),
            ));
        }
        let device = compute.device();
        let of = |outputs: usize| EventNetwork::init(&info.layers, info.features.len(), outputs, 0, device);
        let mut networks = Networks {
            ratios: (0..info.members).map(|_| of(info.terms.len())).collect(),
            classifiers: (0..if info.classifies { info.members } else { 0 }).map(|_| of(1)).collect(),
            nuisances: (0..if info.nuisances.is_empty() { 0 } else { info.members })
                .map(|_| of(info.nuisances.len()))
                .collect(),
        };
        load_module(&mut networks, &folder.join(WEIGHTS_FILE))?;
        Ok(Self { info, networks, compute: compute.clone() })
    }
}

#[cfg(test)]
mod tests {
    use humboldt_schemas::card::TrainingCard;

    use super::*;

    /// Uniform numbers that need no generator: multiples of irrational numbers.
    fn place(i: usize, of: f64) -> f64 {
        (i as f64 * of).fract()
    }

    fn training(card: &TrainingCard) -> RatioTraining<'_> {
        static COMPUTE: std::sync::OnceLock<Compute> = std::sync::OnceLock::new();
        let compute = COMPUTE.get_or_init(Compute::cpu);
        RatioTraining { card, layers: &[32, 32], members: 1, seed: 1, compute }
    }

    fn variance(values: &[f32]) -> f64 {
        let mut sums = SpreadSums::default();
        for x in values {
            sums.add(*x, 1.0);
        }
        f64::from(sums.spread().deviation).powi(2)
    }

    /// Of a target that is noise around a function, the function; of two densities `1 + x/2` and `1 - x/2` in [-1, 1], the logarithm of their
    /// ratio.
    #[test]
    fn squares_give_means_and_classes_give_ratios() {
        const EVENTS: usize = 20_000;
        let card = TrainingCard { epochs: 12, batch_size: 512, ..TrainingCard::of_ratios() };
        let x = |i: usize| (2.0 * place(i, 0.754_877_666) - 1.0) as f32;
        let noise = |i: usize| (2.0 * place(i, 0.569_840_291) - 1.0) as f32;
        // By inversion: the integral of (1 + x/2)/2 from -1 on is (x + 1)/2 + (x^2 - 1)/8.
        let drawn =
            |i: usize, sign: f64| (sign * ((1.0 + 8.0 * place(i, 0.618_033_989)).sqrt() - 2.0)) as f32;
        let features: Vec<f32> = (0..EVENTS).map(|i| drawn(i, 1.0)).collect();
        let background: Vec<f32> = (0..EVENTS).map(|i| drawn(i, -1.0)).collect();
        let terms: Vec<f32> =
            features.iter().enumerate().map(|(i, x)| 3.0 * x * x + 2.0 * noise(i)).collect();
        let nuisances: Vec<f32> = features.iter().flat_map(|x| [2.0 * x, 1.0 - x * x]).collect();
        let weights = vec![1.0; EVENTS];
        let examples = Examples {
            features: &features,
            terms: &terms,
            guesses: &[],
            nuisances: &nuisances,
            weights: &weights,
            background: Some(&background),
        };
        let learned = training(&card).train(&examples, 1, 1, &mut |_, _| {}).unwrap();
        let at: Vec<f32> = (0..200).map(|i| 0.95 * x(i)).collect();
        let found = learned.of(&at, &[]).unwrap();
        let worst = |found: &[f32], exact: &dyn Fn(f32) -> f32| {
            let off = found.iter().zip(&at).map(|(y, x)| (y - exact(*x)).powi(2)).sum::<f32>();
            (off / at.len() as f32).sqrt()
        };
        let (squares, classes) = (
            worst(&found.terms, &|x| 3.0 * x * x),
            worst(&found.log_signal, &|x| ((1.0 + 0.5 * x) / (1.0 - 0.5 * x)).ln()),
        );
        assert!(squares < 0.08 && classes < 0.08, "{squares} {classes}");
        let column = |k: usize| found.nuisances.chunks_exact(2).map(|row| row[k]).collect::<Vec<f32>>();
        let further = (worst(&column(0), &|x| 2.0 * x), worst(&column(1), &|x| 1.0 - x * x));
        assert!(further.0 < 0.04 && further.1 < 0.04, "{further:?}");
        let info = learned.info();
        for curves in [&info.losses, &info.entropies] {
            assert!(curves.len() == 1 && curves[0].len() == 12 && curves[0][11] < curves[0][0], "{curves:?}");
        }
        assert_eq!(info.entropy, Some(info.entropies[0][11]));
        // The noise's part of the coefficients' variance is left.
        let (noise, all) = (4.0 / 3.0, variance(&terms));
        assert!((info.loss / (noise / all) - 1.0).abs() < 0.02, "{} {}", info.loss, noise / all);
        // In files, and by another number of threads, the same.
        let folder = tempfile::tempdir().unwrap();
        learned.save(folder.path()).unwrap();
        let again = LearnedRatios::load(folder.path(), &Compute::cpu()).unwrap();
        assert_eq!(again.of(&at, &[]).unwrap(), found);
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let alone = pool.install(|| training(&card).train(&examples, 1, 1, &mut |_, _| {}).unwrap());
        assert_eq!(alone.of(&at, &[]).unwrap(), found);
        // These networks were trained without first guesses.
        assert!(matches!(again.of(&at, &at), Err(LearnError::Guesses { got: 200, expected: 0 })));
        std::fs::write(folder.path().join(RATIO_FILE), "{}").unwrap();
        assert!(LearnedRatios::load(folder.path(), &Compute::cpu()).is_err());
    }

    /// A function that the networks cannot follow comes with the first guess, of which the coefficients have a part; they add what is smooth.
    #[test]
    fn first_guesses_carry_what_networks_would_not_learn() {
        const EVENTS: usize = 8000;
        let card = TrainingCard { epochs: 8, batch_size: 512, ..TrainingCard::of_ratios() };
        let features: Vec<f32> = (0..EVENTS).map(|i| (2.0 * place(i, 0.754_877_666) - 1.0) as f32).collect();
        let guesses: Vec<f32> = features.iter().map(|x| 3.0 * (500.0 * x).sin()).collect();
        let terms: Vec<f32> = features.iter().zip(&guesses).map(|(x, guess)| 0.7 * guess + x * x).collect();
        let weights = vec![1.0; EVENTS];
        let examples = Examples {
            features: &features,
            terms: &terms,
            guesses: &guesses,
            nuisances: &[],
            weights: &weights,
            background: None,
        };
        let learned = training(&card).train(&examples, 1, 1, &mut |_, _| {}).unwrap();
        assert!((learned.info().slopes[0] - 0.7).abs() < 0.01, "{:?}", learned.info().slopes);
        assert!(learned.info().loss < 2e-3, "{}", learned.info().loss);
        let found = learned.of(&features, &guesses).unwrap().terms;
        let off = found.iter().zip(&terms).map(|(a, b)| (a - b).powi(2)).sum::<f32>() / EVENTS as f32;
        assert!((f64::from(off) / variance(&terms) / learned.info().loss - 1.0).abs() < 1e-3);
        // Guesses that are right leave nothing, and nothing is added to them.
        let right =
            training(&card).train(&Examples { guesses: &terms, ..examples }, 1, 1, &mut |_, _| {}).unwrap();
        assert!(right.info().loss < 1e-10, "{}", right.info().loss);
        let alone =
            training(&card).train(&Examples { guesses: &[], ..examples }, 1, 1, &mut |_, _| {}).unwrap();
        assert!(alone.info().loss > 0.5, "{}", alone.info().loss);
        // Those of other events are of no use, and hardly anything is lost by them.
        let others: Vec<f32> = (0..EVENTS).map(|i| (600.0 * place(i, 0.569_840_291)).sin() as f32).collect();
        let useless =
            training(&card).train(&Examples { guesses: &others, ..examples }, 1, 1, &mut |_, _| {}).unwrap();
        let (slope, loss) = (useless.info().slopes[0], useless.info().loss);
        assert!(slope.abs() < 0.1 && loss < 1.02 * alone.info().loss, "{slope} {loss} {}", alone.info().loss);
    }
}
