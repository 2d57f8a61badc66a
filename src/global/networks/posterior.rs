//! A mixture density network (Bishop, NCRG/94/004): from observables to the posterior density of (C9, C10).
//!
//! It learns from pseudo-data that are made fresh for each batch: shifts from a flat prior, observables smeared by
//! [`Likelihood`]. Minus the mean logarithm of its density is lowest where it is the posterior density (and nowhere else), so
//! that for any data, not only the measured ones, it stands for the exact one with the same errors.

use burn::module::Module;
use humboldt_schemas::experiment::PosteriorCard;
use rand::RngExt;
use rayon::prelude::*;

use super::Watch;
use super::dataset::Scaling;
use super::exact::Prior;
use super::layers::{Purpose, constant, matrix, stream, train, values};
use super::likelihood::Likelihood;
pub use super::mixture::Mixture;
use super::mixture::{MixtureNetwork, to_line};
use crate::global::GlobalError;
use crate::global::statistic::ChiSquare;
use crate::learn::Compute;
use crate::learn::layers::Init;

/// Pseudo-data by which inputs are scaled.
const SCALED_BY: usize = 4096;
/// Draws that tell how much probability lies at higher density than a point.
const DRAWS: usize = 400;

/// A trained network.
#[derive(Debug)]
pub struct Posterior {
    network: MixtureNetwork,
    scaling: Scaling,
    likelihood: Likelihood,
    reference: Vec<f64>,
    prior: Prior,
    compute: Compute,
    /// Mean loss after so many steps.
    pub history: Vec<(usize, f64)>,
}

/// Shifts from the prior and data that they lead to.
#[derive(Debug, Clone, PartialEq)]
pub struct Pseudo {
    /// C9 and C10.
    pub shifts: [f64; 2],
    /// Smeared observables, in the order and convention of the measurements.
    pub data: Vec<f64>,
}

/// Draws pseudo-data number `index` of a purpose.
fn pseudo(
    statistic: &ChiSquare,
    likelihood: &Likelihood,
    prior: Prior,
    (seed, purpose, index): (u64, Purpose, u64),
) -> Result<Pseudo, GlobalError> {
    let mut rng = stream(seed, purpose, index);
    // The ends themselves have no place on the whole line.
    let shifts = prior.map(|[low, high]| low + (high - low) * (rng.random::<f64>() * 0.999_999 + 5e-7));
    let data = likelihood.draw(&statistic.predictions(&shifts)?, &mut rng);
    Ok(Pseudo { shifts, data })
}

impl Posterior {
    /// Trains for a chi-square of C9 and C10.
    ///
    /// # Errors
    /// When a prediction cannot be made, or the loss is no finite number any more.
    pub fn train(
        card: &PosteriorCard,
        statistic: &ChiSquare,
        prior: Prior,
        seed: u64,
        compute: &Compute,
        watch: Watch,
    ) -> Result<Self, GlobalError> {
        let likelihood = Likelihood::new(statistic)?;
        let reference = statistic.predictions(&prior.map(|[low, high]| 0.5 * (low + high)))?;
        let inputs = reference.len();
        let draw = |purpose: Purpose, first: usize, count: usize| -> Result<Vec<Pseudo>, GlobalError> {
            let of = |i: usize| pseudo(statistic, &likelihood, prior, (seed, purpose, (first + i) as u64));
            (0..count).into_par_iter().map(of).collect()
        };
        let white = |pseudo: &Pseudo| likelihood.whitened(&pseudo.data, &reference);
        let scaled_by: Vec<Vec<f64>> = draw(Purpose::Prior, 0, SCALED_BY)?.iter().map(white).collect();
        let scaling = Scaling::standard(scaled_by.iter().map(Vec::as_slice), inputs);

        let device = compute.device();
        let learning = device.clone().autodiff();
        let mut init = Init::new(seed, &learning);
        let network = MixtureNetwork::init(&mut init, inputs, &card.hidden, card.components);
        let loss = |network: &MixtureNetwork, step: usize| {
            let batch = draw(Purpose::Smearing, step * card.batch_size, card.batch_size)?;
            let x: Vec<Vec<f32>> =
                batch.par_iter().map(|pseudo| scaling.apply(&white(pseudo)).collect()).collect();
            let u =
                batch.iter().flat_map(|p| [0, 1].map(|i| to_line(p.shifts[i], prior[i]) as f32)).collect();
            Ok(network.loss(constant(x.concat(), inputs, device), constant(u, 2, device)))
        };
        let (network, history) = train(network, (card.learning_rate, card.steps), watch, loss)?;
        let network = network.valid();
        Ok(Self { network, scaling, likelihood, reference, prior, compute: compute.clone(), history })
    }

    /// The densities of (C9, C10) given each of some data.
    pub fn of(&self, data: &[Vec<f64>]) -> Vec<Mixture> {
        let inputs = self.reference.len();
        let x = data.iter().flat_map(|data| {
            self.scaling.apply(&self.likelihood.whitened(data, &self.reference)).collect::<Vec<_>>()
        });
        let output = self.network.forward(matrix(x.collect(), inputs, self.compute.device()));
        let width = output.dims()[1];
        values(output).chunks(width).map(|numbers| Mixture::new(numbers, self.prior)).collect()
    }

    /// The errors that it learned with.
    pub fn likelihood(&self) -> &Likelihood {
        &self.likelihood
    }

    /// New pseudo-data, which it has not seen.
    ///
    /// # Errors
    /// When a prediction cannot be made.
    pub fn pseudo_data(
        &self,
        statistic: &ChiSquare,
        count: usize,
        seed: u64,
    ) -> Result<Vec<Pseudo>, GlobalError> {
        let of =
            |i: usize| pseudo(statistic, &self.likelihood, self.prior, (seed, Purpose::Pseudo, i as u64));
        (0..count).into_par_iter().map(of).collect()
    }
}

/// Quantiles of truths in learned densities: uniform between 0 and 1 where these are right.
#[derive(Debug, Clone, PartialEq)]
pub struct Ranks {
    /// Probability below the true C9, and C10, of each pseudo-data.
    pub below: [Vec<f64>; 2],
    /// Probability at higher density than the truth's.
    pub denser: Vec<f64>,
}

impl Ranks {
    /// Of a network on pseudo-data.
    pub fn new(posterior: &Posterior, pseudo: &[Pseudo], seed: u64) -> Self {
        let data: Vec<Vec<f64>> = pseudo.iter().map(|p| p.data.clone()).collect();
        let mixtures: Vec<Mixture> = data.chunks(1000).flat_map(|part| posterior.of(part)).collect();
        let of = |(i, (mixture, truth)): (usize, (&Mixture, &Pseudo))| {
            let mut rng = stream(seed, Purpose::Samples, i as u64);
            let at_truth = mixture.density(truth.shifts[0], truth.shifts[1]);
            let denser = (0..DRAWS).filter(|_| {
                let (c9, c10) = mixture.draw(&mut rng);
                mixture.density(c9, c10) > at_truth
            });
            let denser = denser.count() as f64 / DRAWS as f64;
            ([mixture.below(0, truth.shifts[0]), mixture.below(1, truth.shifts[1])], denser)
        };
        let ranks: Vec<([f64; 2], f64)> = mixtures.par_iter().zip(pseudo).enumerate().map(of).collect();
        Self {
            below: [0, 1].map(|i| ranks.iter().map(|r| r.0[i]).collect()),
            denser: ranks.iter().map(|r| r.1).collect(),
        }
    }

    /// Share of truths inside the central interval of a probability, of C9 and of C10, and inside the region of highest
    /// density of both.
    pub fn coverage(&self, probability: f64) -> [f64; 3] {
        let share = |ranks: &[f64], inside: &dyn Fn(f64) -> bool| {
            ranks.iter().filter(|rank| inside(**rank)).count() as f64 / ranks.len() as f64
        };
        let central = |rank: f64| (rank - 0.5).abs() < 0.5 * probability;
        [
            share(&self.below[0], &central),
            share(&self.below[1], &central),
            share(&self.denser, &|rank| rank < probability),
        ]
    }
}
