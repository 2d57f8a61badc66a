//! Angular moments in bins of q2 as numbers of an event: not unfolded, but compared with those of simulated events.
//!
//! # Source
//! Beaujean, Chrzaszcz, Serra, van Dyk, arXiv:1503.04100: the method of moments.

use std::ops::Range;

use humboldt_pipeline::EventBatch;

use super::super::InferError;
use super::super::moments::functions;
use super::statistic::{EventStatistic, combine, independent, mean_and_second, mixed};

/// Angular functions of an event.
const FUNCTIONS: usize = 12;

/// The angular functions of events in bins of q2, as they are measured, in combinations that vary independently. The part of all events in each bin is among
/// them, for the functions have the rate in them.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    bins: Vec<(f64, f64)>,
    starts: Vec<Vec<f64>>,
    has_background: bool,
    centre: Vec<f64>,
    /// # Shapes
    /// [component, moment]
    combinations: Vec<Vec<f64>>,
}

impl Moments {
    /// In bins of q2 (GeV^2), made with simulated events and their weights, and events of background of which a sample has a fraction. A fit starts from one of
    /// `starts`, shifts of the coefficients from the simulation's point.
    ///
    /// # Errors
    /// When no event lies in a bin.
    pub fn new(
        bins: &[(f64, f64)],
        (signal, weights): (&EventBatch, &[f64]),
        background: Option<(&EventBatch, f64)>,
        starts: Vec<Vec<f64>>,
    ) -> Result<Self, InferError> {
        let has_background = background.is_some();
        let mut own = Self {
            bins: bins.to_vec(),
            starts,
            has_background,
            centre: Vec::new(),
            combinations: Vec::new(),
        };
        let moments = |events: &EventBatch, weights| {
            mean_and_second(own.moments(), events.len(), weights, |row, out| own.moments_of(events, row, out))
        };
        let part = background.map_or(0.0, |(_, fraction)| fraction);
        let background = background.map(|(events, _)| moments(events, None));
        let (mean, second) = mixed(moments(signal, Some(weights)), background, part);
        own.combinations = independent(&mean, &second).ok_or_else(|| {
            InferError::out_of_range("bins of the moments", "no simulated event in them", "bins with events")
        })?;
        own.centre = mean.iter().copied().collect();
        Ok(own)
    }

    /// Number of moments.
    fn moments(&self) -> usize {
        FUNCTIONS * self.bins.len()
    }

    /// The bin of an event among all moments.
    fn bin_of(&self, events: &EventBatch, row: usize) -> Option<Range<usize>> {
        let q2 = f64::from(events.q2[row]);
        let bin = self.bins.iter().position(|(low, high)| (*low..*high).contains(&q2));
        bin.map(|bin| FUNCTIONS * bin..FUNCTIONS * (bin + 1))
    }

    fn moments_of(&self, events: &EventBatch, row: usize, out: &mut [f64]) {
        out.fill(0.0);
        if let Some(bin) = self.bin_of(events, row) {
            out[bin].copy_from_slice(functions(events, row).as_slice());
        }
    }
}

impl EventStatistic for Moments {
    type Events = EventBatch;

    fn events_of(&self, events: &EventBatch) -> usize {
        events.len()
    }

    fn shifts(&self) -> usize {
        self.starts.first().map_or(0, Vec::len)
    }

    fn has_background(&self) -> bool {
        self.has_background
    }

    fn fitted(&self) -> usize {
        self.combinations.len()
    }

    fn components(&self) -> usize {
        self.fitted()
    }

    fn starts(&self) -> &[Vec<f64>] {
        &self.starts
    }

    fn at(&self, events: &EventBatch) -> impl Fn(usize, &mut [f64]) + Sync {
        // An event has moments in one bin alone.
        let mut without = vec![0.0; self.fitted()];
        combine(&self.combinations, &self.centre, &mut without);
        move |row, out| {
            let bin = self.bin_of(events, row);
            let own = bin.map(|bin| (bin, functions(events, row)));
            for ((out, combination), without) in out.iter_mut().zip(&self.combinations).zip(&without) {
                *out = -without;
                if let Some((bin, functions)) = &own {
                    let pairs = combination[bin.clone()].iter().zip(functions.as_slice());
                    *out += pairs.map(|(a, b)| a * b).sum::<f64>();
                }
            }
        }
    }
}
