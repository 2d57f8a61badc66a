//! Effects of form factors and charm on simulated events, by their truth.

use std::ops::Range;

use humboldt_physics::{Decay, Density, Parameters};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::rng::numbered;
use humboldt_pipeline::scores::{relative_changes, relative_rates_of};

use super::source::Source;
use crate::error::Error;
use crate::infer::nuisances::{Nuisance, NuisanceSpace};
use crate::infer::variation::unit_normals;

/// Events that are looked at together.
const BLOCK: usize = 1 << 14;

/// Number of their random stream, which no other has.
const STREAM: u128 = u128::MAX;

/// Draws of all parameters of some groups at once.
const DRAWS: usize = 128;

/// Densities of signal with each nuisance parameter one unit up and one down, around the simulation's point.
#[derive(Debug)]
pub(super) struct VariedDensities<'a> {
    source: &'a Source,
    /// Group of each parameter.
    pub(super) groups: Vec<Nuisance>,
    varied: Vec<[Density; 2]>,
}

/// Densities of signal with draws of all nuisance parameters of some groups, beside those with each one unit up and one down.
#[derive(Debug)]
pub(super) struct DrawnDensities<'a> {
    own: &'a Density,
    varied: Vec<[Density; 2]>,
    /// Values of the parameters at each draw.
    pub(super) values: Vec<Vec<f64>>,
    drawn: Vec<Density>,
}

/// The density of signal of a decay in the place of the simulated one.
fn density(source: &Source, decay: &Decay) -> Result<Density, Error> {
    let own = source.density();
    let line_shape = source.card().generator.line_shape;
    Ok(Density::with_effects(decay, line_shape, &[], own.directions(), None, own.s_wave().cloned())?)
}

impl<'a> VariedDensities<'a> {
    /// Of all parameters of some groups that the decay has.
    ///
    /// # Errors
    /// When the physics refuses a varied input.
    pub(super) fn new(source: &'a Source, groups: &[Nuisance]) -> Result<Self, Error> {
        let parameters = source.card().generator.parameters()?;
        let pairs = space(source, &parameters, groups)?.pairs()?;
        let mut varied = Vec::with_capacity(pairs.len());
        for (_, [up, down]) in pairs.iter() {
            varied.push([density(source, up)?, density(source, down)?]);
        }
        Ok(Self { source, groups: pairs.iter().map(|(group, _)| group).collect(), varied })
    }

    /// Draws of all parameters of some of the groups at once.
    ///
    /// # Errors
    /// As [`VariedDensities::new`].
    pub(super) fn drawn(&self, groups: &[Nuisance]) -> Result<DrawnDensities<'a>, Error> {
        let card = self.source.card();
        let parameters = card.generator.parameters()?;
        let space = space(self.source, &parameters, groups)?;
        let own = self.groups.iter().zip(&self.varied).filter(|(group, _)| groups.contains(group));
        let varied: Vec<[Density; 2]> = own.map(|(_, pair)| pair.clone()).collect();
        let mut random = numbered(card.seed, STREAM);
        let values: Vec<Vec<f64>> = (0..DRAWS).map(|_| unit_normals(&mut random, varied.len())).collect();
        let drawn =
            values.iter().map(|values| density(self.source, &space.at(values)?)).collect::<Result<_, _>>()?;
        Ok(DrawnDensities { own: self.source.density(), varied, values, drawn })
    }

    /// Of some rows of true events the change by each parameter of the coefficients of all monomials.
    ///
    /// # Shapes
    /// [event, parameter, monomial]
    ///
    /// # Errors
    /// When an event lies outside phase space.
    pub(super) fn changes(&self, truth: &EventBatch, rows: Range<usize>) -> Result<Vec<f32>, Error> {
        Ok(relative_changes(self.source.density(), &self.varied, &truth.rows(rows))?)
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
            all.extend(changes.iter().step_by(self.source.terms() + 1));
        }
        Ok(all)
    }
}

impl DrawnDensities<'_> {
    /// Of some rows of true events the coefficients of all monomials at 0 of all parameters, their changes by each, and at each draw.
    ///
    /// # Shapes
    /// [event, 1 + parameter + draw, monomial]
    ///
    /// # Errors
    /// When an event lies outside phase space.
    pub(super) fn coefficients(&self, truth: &EventBatch, rows: Range<usize>) -> Result<Vec<f32>, Error> {
        let (truth, events) = (truth.rows(rows.clone()), rows.len());
        let own = relative_rates_of(self.own, std::slice::from_ref(self.own), &truth)?;
        let changes = relative_changes(self.own, &self.varied, &truth)?;
        let drawn = relative_rates_of(self.own, &self.drawn, &truth)?;
        let mut all = Vec::with_capacity(own.len() + changes.len() + drawn.len());
        for row in 0..events {
            for part in [&own, &changes, &drawn] {
                let width = part.len() / events;
                all.extend_from_slice(&part[row * width..(row + 1) * width]);
            }
        }
        Ok(all)
    }
}

/// The parameters of some groups of the decay at the simulation's point.
fn space<'a>(
    source: &Source,
    parameters: &'a Parameters,
    groups: &[Nuisance],
) -> Result<NuisanceSpace<'a, impl Fn(&Parameters) -> Result<Decay, Error>>, Error> {
    let card = &source.card().generator;
    let shifts = source.point(&source.origin)?.on(card.shifts()?);
    let with_inputs = move |parameters: &Parameters| Ok(card.decay_with(&shifts, parameters)?);
    NuisanceSpace::new(groups, parameters, card.flavour, with_inputs)
}
