//! Scores as what a network learns, and what is taken out of them.

use humboldt_pipeline::EventBatch;
use humboldt_pipeline::scores::EventScores;
use serde::{Deserialize, Serialize};

use super::error::LearnError;

/// Mean and standard deviation of one channel or one score, which are taken out of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Subtracted from every number.
    pub mean: f32,
    /// Divides what is left.
    pub deviation: f32,
}

impl Spread {
    /// A number without its mean, in units of the deviation.
    pub fn applied(self, x: f32) -> f32 {
        (x - self.mean) / self.deviation
    }
}

/// Sums from which a [`Spread`] follows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    weight: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    /// Counts a number.
    pub(super) fn add(&mut self, x: f32, weight: f32) {
        self.weight += f64::from(weight);
        self.sum += f64::from(weight * x);
        self.squares += f64::from(weight) * f64::from(x).powi(2);
    }

    /// Mean and deviation. A channel without any spread carries nothing; dividing by 1 keeps it finite.
    pub(super) fn spread(self) -> Spread {
        let mean = self.sum / self.weight;
        let deviation = (self.squares / self.weight - mean * mean).max(0.0).sqrt();
        Spread { mean: mean as f32, deviation: if deviation > 1e-12 { deviation as f32 } else { 1.0 } }
    }
}

/// The mean score of events, over `target`.
///
/// # Errors
/// When an event lies outside phase space.
pub(super) fn mean_of(scores: &EventScores, events: &EventBatch, target: &mut [f32]) -> Result<(), LearnError> {
    target.fill(0.0);
    let mut sums = vec![0.0_f64; target.len()];
    for i in 0..events.len() {
        target.fill(0.0);
        scores.add(events, i, target)?;
        for (sum, x) in sums.iter_mut().zip(&*target) {
            *sum += f64::from(*x);
        }
    }
    for (x, sum) in target.iter_mut().zip(sums) {
        *x = (sum / events.len().max(1) as f64) as f32;
    }
    Ok(())
}
