//! State of a training as the dashboard knows it.

use std::time::Instant;

use humboldt_schemas::results::EpochMetrics;

use crate::learn::Event;
use crate::progress::Speed;

/// Points of a curve at most: more than a terminal has columns.
const POINTS: usize = 2048;
/// Weight of the batches before in the smoothed loss.
const MEMORY: f64 = 0.9;

/// A training so far.
#[derive(Debug)]
pub(super) struct History {
    /// The card's name.
    pub(super) name: String,
    pub(super) device: String,
    /// Images of an epoch.
    pub(super) images: usize,
    pub(super) start: Instant,
    /// Images read into memory, and in all.
    pub(super) loaded: Option<(usize, usize)>,
    pub(super) batch: Option<Step>,
    speed: Option<Speed>,
    /// Loss of each batch against epochs, and smoothed.
    pub(super) losses: Thinned,
    pub(super) smoothed: Thinned,
    /// Learning rate against epochs.
    pub(super) rates: Thinned,
    pub(super) epochs: Vec<EpochMetrics>,
    /// Weighted sum of losses and sum of weights.
    smoothing: (f64, f64),
    /// The user wants a linear scale of the losses.
    pub(super) linear: bool,
    /// The user wants to stop at the next checkpoint.
    pub(super) stopping: bool,
}

/// The last batch.
#[derive(Debug, Clone, Copy)]
pub(super) struct Step {
    pub(super) epoch: usize,
    pub(super) epochs: usize,
    pub(super) batch: usize,
    pub(super) batches: usize,
    pub(super) learning_rate: f64,
    /// Not known at the first batch.
    pub(super) images_per_second: Option<f64>,
    /// Images until the last epoch, and since when.
    left: f64,
    at: Instant,
}

impl Step {
    /// Seconds until the last epoch.
    pub(super) fn remaining(&self, now: Instant) -> Option<f64> {
        let since = now.saturating_duration_since(self.at).as_secs_f64();
        self.images_per_second.map(|speed| (self.left / speed - since).max(0.0))
    }

    /// Done of the epoch.
    pub(super) fn of_epoch(&self) -> f64 {
        self.batch as f64 / self.batches.max(1) as f64
    }

    /// Epochs done, with the part of the present one.
    pub(super) fn epochs_done(&self) -> f64 {
        self.epoch.saturating_sub(1) as f64 + self.of_epoch()
    }
}

impl History {
    pub(super) fn new(name: &str, device: &str, images: usize) -> Self {
        Self {
            name: name.to_owned(),
            device: device.to_owned(),
            images,
            start: Instant::now(),
            loaded: None,
            batch: None,
            speed: None,
            losses: Thinned::default(),
            smoothed: Thinned::default(),
            rates: Thinned::default(),
            epochs: Vec::new(),
            smoothing: (0.0, 0.0),
            linear: false,
            stopping: false,
        }
    }

    /// Takes in what happened.
    pub(super) fn record(&mut self, event: &Event, now: Instant) {
        match *event {
            Event::Resumed { history, .. } => {
                self.epochs = history.to_vec();
                for m in history {
                    self.rates.push(m.epoch as f64, m.learning_rate);
                }
            }
            Event::Loaded { done, total } => self.loaded = Some((done, total)),
            Event::Batch { epoch, epochs, batch, batches, loss, learning_rate } => {
                let images_per_second = None;
                let mut last = Step {
                    epoch,
                    epochs,
                    batch,
                    batches,
                    learning_rate,
                    images_per_second,
                    left: 0.0,
                    at: now,
                };
                let of_epoch = self.images as f64;
                let done = last.epochs_done() * of_epoch;
                last.left = epochs as f64 * of_epoch - done;
                let done = done.round() as u64;
                match &mut self.speed {
                    Some(speed) => last.images_per_second = Some(speed.at(now, done)),
                    None => self.speed = Some(Speed::new(now, done)),
                }
                let (sum, weights) = self.smoothing;
                self.smoothing = (MEMORY * sum + loss, MEMORY * weights + 1.0);
                let at = last.epochs_done();
                self.losses.push(at, loss);
                self.smoothed.push(at, self.smoothing.0 / self.smoothing.1);
                self.rates.push(at, learning_rate);
                self.batch = Some(last);
            }
            Event::Epoch(m) => self.epochs.push(m.clone()),
            Event::Calibrated { .. } | Event::Predicted { .. } => {}
        }
    }

    /// Mean of the last batches' losses, the newest weighing most.
    pub(super) fn loss(&self) -> Option<f64> {
        let (sum, weights) = self.smoothing;
        (weights > 0.0).then(|| sum / weights)
    }

    /// Epochs done, with the part of the present one.
    pub(super) fn epochs_done(&self) -> f64 {
        let whole = self.epochs.last().map_or(0.0, |m| m.epoch as f64);
        self.batch.map_or(whole, |b| b.epochs_done().max(whole))
    }

    /// The epoch with the lowest validation loss.
    pub(super) fn best(&self) -> Option<&EpochMetrics> {
        self.epochs.iter().rfind(|m| m.best)
    }
}

/// A curve of bounded length: where it would get longer, neighbouring points become their mean.
#[derive(Debug, Default)]
pub(super) struct Thinned {
    points: Vec<(f64, f64)>,
    /// Sums over values that are no point yet, and their number.
    open: (f64, f64, usize),
    /// Each point stands for `1 << halvings` values.
    halvings: u32,
}

impl Thinned {
    pub(super) fn push(&mut self, x: f64, y: f64) {
        let (sum_x, sum_y, n) = self.open;
        self.open = (sum_x + x, sum_y + y, n + 1);
        if self.open.2 < 1 << self.halvings {
            return;
        }
        let (sum_x, sum_y, n) = std::mem::take(&mut self.open);
        self.points.push((sum_x / n as f64, sum_y / n as f64));
        if self.points.len() == POINTS {
            let mean = |pair: &[(f64, f64)]| {
                let n = pair.len() as f64;
                (pair.iter().map(|p| p.0).sum::<f64>() / n, pair.iter().map(|p| p.1).sum::<f64>() / n)
            };
            self.points = self.points.chunks(2).map(mean).collect();
            self.halvings += 1;
        }
    }

    /// The points so far.
    pub(super) fn points(&self) -> &[(f64, f64)] {
        &self.points
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_long_curve_is_thinned_to_means() {
        let mut curve = Thinned::default();
        let n = 10 * POINTS;
        for i in 0..n {
            curve.push(i as f64, 2.0 * i as f64);
        }
        let points = curve.points();
        assert!((POINTS / 2..POINTS).contains(&points.len()));
        assert!(points.windows(2).all(|p| p[0].0 < p[1].0));
        assert!(points.iter().all(|(x, y)| (y - 2.0 * x).abs() < 1e-6));
        assert!(points[points.len() - 1].0 > 0.95 * n as f64);
    }

    #[test]
    fn the_smoothed_loss_starts_at_the_first_batch() {
        let mut history = History::new("tiny", "cpu", 8);
        assert_eq!(history.loss(), None);
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        for (batch, loss) in [(1, 3.0), (2, 1.0)] {
            let event = Event::Batch { epoch: 1, epochs: 2, batch, batches: 4, loss, learning_rate: 0.1 };
            history.record(&event, at(batch as u64));
            assert_eq!(history.batch.unwrap().images_per_second, (batch == 2).then_some(2.0));
            let expected = if batch == 1 { 3.0 } else { (MEMORY * 3.0 + 1.0) / (MEMORY + 1.0) };
            assert!((history.loss().unwrap() - expected).abs() < 1e-12);
        }
        let batch = history.batch.unwrap();
        assert!((history.epochs_done() - 0.5).abs() < 1e-12);
        // Twelve images are left, at two a second.
        assert_eq!(batch.remaining(at(6)), Some(2.0));
        assert_eq!(batch.remaining(at(42)), Some(0.0));
    }
}
