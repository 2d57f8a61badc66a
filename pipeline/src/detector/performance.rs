//! Performance of a detector on a sample: the part that it keeps and the spread of what it measures, by variable.

use std::f64::consts::PI;

use super::Measured;
use crate::EventBatch;

/// Variables that are looked at: q2, both cosines and chi.
const VARIABLES: usize = 4;
/// Ranges (GeV^2, 1, 1, rad) and bins of the true values.
const RANGES: [(f64, f64); VARIABLES] = [(0.0, 20.0), (-1.0, 1.0), (-1.0, 1.0), (-PI, PI)];
const BINS: usize = 40;
/// Largest distances between measured and true values that are told apart, and the bins up to them on either side.
const REACH: [f64; VARIABLES] = [1.0, 0.1, 0.2, 0.3];
const STEPS: usize = 1000;

/// Counts of true values and of distances between measured and true ones; events with exchanged hadrons are left out of
/// the latter.
#[derive(Debug, Clone)]
pub struct Performance {
    made: [Vec<u64>; VARIABLES],
    kept: [Vec<u64>; VARIABLES],
    /// Measured less true; beyond the reach in the last bins.
    off: [Vec<u64>; VARIABLES],
    swapped: u64,
}

impl Default for Performance {
    fn default() -> Self {
        let zeros = |n: usize| std::array::from_fn(|_| vec![0; n]);
        Self { made: zeros(BINS), kept: zeros(BINS), off: zeros(2 * STEPS), swapped: 0 }
    }
}

impl Performance {
    /// Counts events and what was measured of them.
    pub fn add(&mut self, truth: &EventBatch, measured: &Measured) {
        for (k, (low, high)) in RANGES.into_iter().enumerate() {
            let (all, seen) = (truth.columns()[k], measured.events.columns()[k]);
            let bin = |x: f32| place((f64::from(x) - low) / (high - low), BINS);
            for x in all {
                self.made[k][bin(*x)] += 1;
            }
            for ((row, x), swapped) in measured.rows.iter().zip(seen).zip(&measured.swapped) {
                self.kept[k][bin(all[*row])] += 1;
                let off = f64::from(*x) - f64::from(all[*row]);
                let off = if k + 1 == VARIABLES { off - 2.0 * PI * (off / (2.0 * PI)).round() } else { off };
                if !swapped {
                    self.off[k][place(0.5 + 0.5 * off / REACH[k], 2 * STEPS)] += 1;
                }
            }
        }
        self.swapped += measured.swapped.iter().map(|swapped| u64::from(*swapped)).sum::<u64>();
    }

    /// The part of all events that is kept.
    pub fn efficiency(&self) -> f64 {
        ratio(self.kept[0].iter().sum(), self.made[0].iter().sum())
    }

    /// The part of the kept events in which kaon and pion were taken for each other.
    pub fn swapped(&self) -> f64 {
        ratio(self.swapped, self.kept[0].iter().sum())
    }

    /// Half the width of q2 (GeV^2), cosines and chi (rad) that holds a part of the kept events.
    pub fn half_widths(&self, part: f64) -> [f64; VARIABLES] {
        std::array::from_fn(|k| {
            let off = &self.off[k];
            let wanted = part * off.iter().sum::<u64>() as f64;
            let mut inside = 0.0;
            for step in 0..STEPS {
                let next = (off[STEPS + step] + off[STEPS - 1 - step]) as f64;
                if inside + next >= wanted && next > 0.0 {
                    return (step as f64 + (wanted - inside) / next) * REACH[k] / STEPS as f64;
                }
                inside += next;
            }
            REACH[k]
        })
    }

    /// The part that is kept by true values, as (value, part); bins without events are left out.
    pub fn efficiencies(&self) -> [Vec<(f64, f64)>; VARIABLES] {
        std::array::from_fn(|k| {
            let (low, high) = RANGES[k];
            let bins = self.made[k].iter().zip(&self.kept[k]).enumerate().filter(|(_, (made, _))| **made > 0);
            let middle = |i: usize| low + (high - low) * (i as f64 + 0.5) / BINS as f64;
            bins.map(|(i, (made, kept))| (middle(i), ratio(*kept, *made))).collect()
        })
    }

    /// The density of distances between measured and true values, in `bins` bins that reach as far as 2.5 times the half
    /// width of 95 % of the events, or as far as is told apart.
    pub fn resolutions(&self, bins: usize) -> [Vec<(f64, f64)>; VARIABLES] {
        let widths = self.half_widths(0.95);
        std::array::from_fn(|k| {
            let step = REACH[k] / STEPS as f64;
            let group =
                ((2.0 * 2.5 * widths[k] / step / bins as f64).ceil() as usize).clamp(1, 2 * STEPS / bins);
            let first = STEPS - group * bins / 2;
            let all = self.off[k].iter().sum::<u64>().max(1) as f64 * group as f64 * step;
            let point = |i: usize| {
                let from = first + i * group;
                let middle = (from as f64 + 0.5 * group as f64 - STEPS as f64) * step;
                (middle, self.off[k][from..from + group].iter().sum::<u64>() as f64 / all)
            };
            (0..bins).map(point).collect()
        })
    }
}

fn place(part: f64, bins: usize) -> usize {
    ((part * bins as f64) as usize).min(bins - 1)
}

fn ratio(a: u64, b: u64) -> f64 {
    if b == 0 { 0.0 } else { a as f64 / b as f64 }
}
