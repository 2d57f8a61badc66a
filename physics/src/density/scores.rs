//! Scores of one event at several points of shifts.

use super::{Acceptance, Density};
use crate::convention::DecayVariables;

/// Scores `d ln p / d d_i` of an event at several points d.
#[derive(Debug, Clone)]
pub struct ScoresAt {
    density: Density,
    points: Vec<Acceptance>,
}

impl ScoresAt {
    pub(super) fn new(density: Density, points: &[Vec<f64>]) -> Self {
        let points = points.iter().map(|shifts| density.acceptance(shifts)).collect();
        Self { density, points }
    }

    /// Number of scores: directions at each point.
    pub fn len(&self) -> usize {
        self.points.len() * self.density.directions().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The density that they are of.
    pub const fn density(&self) -> &Density {
        &self.density
    }

    /// The scores of an event, handed over point by point, those of all directions at each.
    pub fn of(&self, event: &DecayVariables, mut take: impl FnMut(f64)) {
        let (rate, total) = (self.density.rate_at(event), self.density.total(self.density.mass(event)));
        self.points.iter().for_each(|point| point.scores(&rate, &total).for_each(&mut take));
    }

    /// Scores with the density of the event at each point, for each direction, up to a constant of the point.
    pub fn with_densities(&self, event: &DecayVariables, mut take: impl FnMut(f64, f64)) {
        let (rate, total) = (self.density.rate_at(event), self.density.total(self.density.mass(event)));
        for point in &self.points {
            let density = rate.at(&point.shifts) / total.at(&point.shifts);
            point.scores(&rate, &total).for_each(|score| take(density, score));
        }
    }
}
