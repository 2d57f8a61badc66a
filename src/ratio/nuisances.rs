//! Effects of form factors and charm on simulated events, by their truth.

use std::ops::Range;

use humboldt_physics::quadratic::count;
use humboldt_physics::{Density, Parameters};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::scores::relative_changes;

use super::source::Source;
use crate::error::Error;
use crate::infer::nuisances::{Nuisance, Nuisances};

/// Events that are looked at together.
const BLOCK: usize = 1 << 14;

/// Densities of signal with each nuisance parameter one unit up and one down, around the simulation's point.
#[derive(Debug)]
pub(super) struct VariedDensities<'a> {
    own: &'a Density,
    /// Group of each.
    pub(super) groups: Vec<Nuisance>,
    varied: Vec<[Density; 2]>,
}

impl<'a> VariedDensities<'a> {
    /// Of all parameters of some groups that the decay has.
    ///
    /// # Errors
    /// When the physics refuses a varied input.
    pub(super) fn new(source: &'a Source, groups: &[Nuisance]) -> Result<Self, Error> {
        let card = &source.card().generator;
        let shifts = source.point(&source.origin)?.on(card.shifts()?);
        let with_inputs =
            |parameters: &Parameters| -> Result<_, Error> { Ok(card.decay_with(&shifts, parameters)?) };
        let nuisances = Nuisances::new(groups, &card.parameters()?, card.flavour, with_inputs)?;
        let own = source.density();
        let (mut groups, mut varied) = (Vec::new(), Vec::new());
        for (group, pair) in nuisances.iter() {
            let [up, down] = pair.map(|decay| {
                let s_wave = own.s_wave().cloned();
                Density::with_effects(&decay, card.line_shape, &[], own.directions(), None, s_wave)
            });
            groups.push(group);
            varied.push([up?, down?]);
        }
        Ok(Self { own, groups, varied })
    }

    /// Of some rows of true events the change by each parameter of the coefficients of all monomials.
    ///
    /// # Shapes
    /// [event, parameter, monomial]
    ///
    /// # Errors
    /// When an event lies outside phase space.
    pub(super) fn changes(&self, truth: &EventBatch, rows: Range<usize>) -> Result<Vec<f32>, Error> {
        Ok(relative_changes(self.own, &self.varied, &truth.rows(rows))?)
    }

    /// Of true events the change by each parameter of the density at the simulation's point.
    ///
    /// # Shapes
    /// [event, parameter]
    ///
    /// # Errors
    /// As [`VariedDensities::changes`].
    pub(super) fn at_origin(&self, truth: &EventBatch) -> Result<Vec<f32>, Error> {
        let mut all = Vec::with_capacity(truth.len() * self.varied.len());
        for start in (0..truth.len()).step_by(BLOCK) {
            let rows = start..truth.len().min(start + BLOCK);
            let changes = self.changes(truth, rows)?;
            all.extend(changes.iter().step_by(count(self.own.directions().len())));
        }
        Ok(all)
    }
}
