//! The normalisation of the density of events as a function of shifts: by integrals, or over accepted simulated events.
//!
//! With an acceptance e(z) of any form the density is `e(z) p(z; d)/N(d)`, and N a mean over simulated events that were
//! accepted: of `p(z; d)/p(z; X0)`, X0 the point at which they were made. The acceptance itself is not needed.

use humboldt_physics::quadratic::{count, place};
use humboldt_physics::{Density, Quadratic};

use super::form::{Form, Jet};
use super::simulation::Simulation;

/// Integral that the rates of events are divided by.
#[derive(Debug, Clone)]
pub struct Normalisation {
    /// Of the shifts.
    pub(super) names: Vec<String>,
    pub(super) form: Form,
    /// The rate by which shifts are called large.
    pub(super) rate: Quadratic<f64>,
    /// The rate over all of phase space at the interpolation's K pi masses, of the K* alone.
    pub(super) totals: Vec<Quadratic<f64>>,
    pub(super) accepted: Accepted,
}

/// Part of the events that windows and detector keep, in the form in which it is known.
#[derive(Debug, Clone)]
pub(super) enum Accepted {
    /// By integrals at K pi masses.
    Integrals(Vec<Slice>),
    /// By a sum over simulated events.
    Simulated(Simulation),
}

/// One K pi mass of the quadrature over the line shape.
#[derive(Debug, Clone)]
pub(super) struct Slice {
    /// The line shape's density times the quadrature's weight.
    pub(super) weight: f64,
    /// The rate over all of phase space, of the K* alone.
    pub(super) total: Quadratic<f64>,
    /// The coefficients of the rate in the windows, times the efficiency.
    pub(super) inside: Vec<f64>,
}

impl Normalisation {
    /// Of a density whose rate is quadratic in some parameters, and so its integral. Of each parameter its name, and the
    /// distance on which the density changes much.
    pub fn of_integral(parameters: &[(&str, f64)], integral: &Quadratic<f64>) -> Self {
        let n = parameters.len();
        let mut terms = vec![0.0; count(n)];
        terms[0] = 1.0;
        let total = Quadratic::new(n, terms.clone());
        parameters.iter().enumerate().for_each(|(i, (_, scale))| terms[place(n, i, i)] = scale.powi(-2));
        let rate = Quadratic::new(n, terms);
        let slice = Slice { weight: 1.0, total: total.clone(), inside: integral.terms().to_vec() };
        let names = parameters.iter().map(|(name, _)| (*name).to_owned()).collect();
        let accepted = Accepted::Integrals(vec![slice]);
        Self { names, form: Form::of(n), rate, totals: vec![total], accepted }
    }

    /// Of events, by integrals of their density.
    pub(super) fn of_density(density: &Density) -> Self {
        let slice = |slice: &humboldt_physics::density::Slice| Slice {
            weight: slice.weight,
            total: slice.total.clone(),
            inside: slice.inside.terms().to_vec(),
        };
        Self {
            names: density.directions().iter().map(ToString::to_string).collect(),
            form: Form::of(density.directions().len()),
            rate: density.rate(),
            totals: density.totals().to_vec(),
            accepted: Accepted::Integrals(density.slices().iter().map(slice).collect()),
        }
    }

    /// This normalisation over simulated events in place of the integral.
    #[must_use]
    pub fn with_simulation(self, simulation: Simulation) -> Self {
        Self { accepted: Accepted::Simulated(simulation), ..self }
    }

    /// The simulated events.
    pub const fn simulation(&self) -> Option<&Simulation> {
        match &self.accepted {
            Accepted::Simulated(simulation) => Some(simulation),
            Accepted::Integrals(_) => None,
        }
    }

    /// The logarithm of the normalisation of a sample: `sum over events of ln T(m) + N ln A`, with `by_mass` the sum of the
    /// events' shares of the totals; `point` holds the parameters of the form.
    pub(super) fn log(&self, by_mass: &[f64], events: f64, point: &[f64]) -> Jet {
        let mut sum = Jet::zero(point.len());
        for (total, count) in self.totals.iter().zip(by_mass) {
            sum.add(*count, &Jet::of(total, point).ln());
        }
        sum.add(events, &self.accepted(point).ln());
        sum
    }

    /// `A` at given parameters of the form, up to a constant.
    pub(super) fn accepted(&self, point: &[f64]) -> Jet {
        let mut accepted = Jet::zero(point.len());
        let monomials = self.form.at(point);
        match &self.accepted {
            Accepted::Integrals(slices) => {
                for slice in slices {
                    let inside = monomials.jet(&slice.inside);
                    if inside.value > 0.0 {
                        let mut ratio = inside.ln();
                        ratio.add(-1.0, &Jet::of(&slice.total, point).ln());
                        accepted.add(slice.weight, &ratio.exp());
                    }
                }
            }
            Accepted::Simulated(simulation) => {
                for (inside, total) in simulation.inside.iter().zip(&self.totals) {
                    accepted.add(1.0, &monomials.jet(inside).over(&Jet::of(total, point)));
                }
            }
        }
        accepted
    }
}
