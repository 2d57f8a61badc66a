//! Lists of quantities: what a fit or a table asks for in one go.
//!
//! Quantities that share a process and a bin share their integrals. [`QuadraticForm`] turns a list into an exact function
//! of a few shifts that costs a microsecond.

use crate::predictions::{Ingredients, PairOf, Theory};
use crate::{
    Flavour, Hadron, Lepton, Observable, PhysicsError, Predictions, Quadratic, WilsonDirection, WilsonShifts,
};

/// One number: an observable of a process in a bin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quantity {
    /// The meson or its antiparticle.
    pub flavour: Flavour,
    /// The strange meson of the final state.
    pub hadron: Hadron,
    /// The lepton; of no effect where leptons are compared.
    pub lepton: Lepton,
    /// What is asked for.
    pub observable: Observable,
    /// Lower end of the bin in GeV^2.
    pub q2_min: f64,
    /// Upper end of the bin in GeV^2.
    pub q2_max: f64,
}

/// An integral over a bin that at least one quantity needs.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Integral {
    channel: usize,
    lepton: Lepton,
    q2_min: f64,
    q2_max: f64,
}

/// Where a quantity finds its integrals.
#[derive(Debug, Clone, Copy)]
struct Use {
    channel: usize,
    own: usize,
    muon: usize,
    electron: usize,
}

/// A list of quantities and the distinct integrals behind them.
#[derive(Debug, Clone)]
pub struct Plan {
    quantities: Vec<Quantity>,
    channels: Vec<(Flavour, Hadron)>,
    integrals: Vec<Integral>,
    uses: Vec<Use>,
}

impl Plan {
    /// Of a list of quantities, in its order.
    pub fn new(quantities: &[Quantity]) -> Self {
        let (mut channels, mut integrals) = (Vec::new(), Vec::new());
        let uses = quantities.iter().map(|quantity| {
            let channel = position(&mut channels, (quantity.flavour.with_b_quark(), quantity.hadron));
            let mut of = |lepton| {
                let (q2_min, q2_max) = (quantity.q2_min, quantity.q2_max);
                position(&mut integrals, Integral { channel, lepton, q2_min, q2_max })
            };
            if quantity.observable.compares_leptons() {
                let (muon, electron) = (of(Lepton::Muon), of(Lepton::Electron));
                Use { channel, own: muon, muon, electron }
            } else {
                let own = of(quantity.lepton);
                Use { channel, own, muon: own, electron: own }
            }
        });
        let uses = uses.collect();
        Self { quantities: quantities.to_vec(), channels, integrals, uses }
    }

    /// The quantities, in order.
    pub fn quantities(&self) -> &[Quantity] {
        &self.quantities
    }

    /// Their values, in order.
    ///
    /// # Errors
    /// When a bin does not overlap phase space, a hadron does not have an observable, or the theory is refused.
    pub fn values(&self, theory: &Theory) -> Result<Vec<f64>, PhysicsError> {
        let predictions = self.predictions(theory)?;
        let lifetimes: Vec<f64> = predictions.iter().map(Predictions::lifetime).collect();
        Ok(self.combine(&self.integrate(&predictions)?, &lifetimes))
    }

    fn predictions(&self, theory: &Theory) -> Result<Vec<Predictions>, PhysicsError> {
        let predictions: Vec<Predictions> = self
            .channels
            .iter()
            .map(|(flavour, hadron)| theory.predictions(*flavour, *hadron))
            .collect::<Result<_, _>>()?;
        for (quantity, of) in self.quantities.iter().zip(&self.uses) {
            predictions[of.channel].check(quantity.observable)?;
        }
        Ok(predictions)
    }

    fn integrate(&self, predictions: &[Predictions]) -> Result<Vec<PairOf>, PhysicsError> {
        self.integrals
            .iter()
            .map(|integral| {
                predictions[integral.channel].integrated(integral.lepton, integral.q2_min, integral.q2_max)
            })
            .collect()
    }

    fn combine(&self, integrals: &[PairOf], lifetimes: &[f64]) -> Vec<f64> {
        self.quantities
            .iter()
            .zip(&self.uses)
            .map(|(quantity, of)| {
                let ingredients = Ingredients {
                    own: &integrals[of.own],
                    muon: &integrals[of.muon],
                    electron: &integrals[of.electron],
                    width: quantity.q2_max - quantity.q2_min,
                    lifetime: lifetimes[of.channel],
                };
                ingredients.value(quantity.observable)
            })
            .collect()
    }
}

/// The index of an item, which joins the list if it is new.
fn position<T: PartialEq>(list: &mut Vec<T>, item: T) -> usize {
    list.iter().position(|known| *known == item).unwrap_or_else(|| {
        list.push(item);
        list.len() - 1
    })
}

/// A list of quantities as an exact function of a few real shifts: fixed functions of integrals that are quadratic in them.
#[derive(Debug, Clone)]
pub struct QuadraticForm {
    plan: Plan,
    lifetimes: Vec<f64>,
    dimension: usize,
    integrals: Vec<Quadratic<PairOf>>,
}

impl QuadraticForm {
    /// About the shifts of `theory`, in the given directions: the lepton that sees the shift, and what is shifted.
    ///
    /// # Errors
    /// As for [`Plan::values`].
    pub fn new(
        theory: &Theory,
        plan: &Plan,
        directions: &[(Lepton, WilsonDirection)],
    ) -> Result<Self, PhysicsError> {
        let at = |steps: &[(usize, f64)]| {
            let mut moved = theory.clone();
            for (index, step) in steps {
                let (lepton, direction) = directions[*index];
                let shifts: &mut WilsonShifts = match lepton {
                    Lepton::Electron => &mut moved.electron_shifts,
                    Lepton::Muon => &mut moved.muon_shifts,
                };
                *shifts = shifts.moved(direction, *step);
            }
            plan.integrate(&plan.predictions(&moved)?)
        };
        let predictions = plan.predictions(theory)?;
        let constant = plan.integrate(&predictions)?;
        let n = directions.len();
        // Of each direction, the integrals one unit up and one down; of each pair, those with both up.
        let alone = (0..n).map(|i| Ok((at(&[(i, 1.0)])?, at(&[(i, -1.0)])?)));
        let alone: Vec<(Vec<PairOf>, Vec<PairOf>)> = alone.collect::<Result<_, PhysicsError>>()?;
        let pairs = (0..n).flat_map(|i| (i + 1..n).map(move |j| (i, j)));
        let both: Vec<Vec<PairOf>> =
            pairs.map(|(i, j)| at(&[(i, 1.0), (j, 1.0)])).collect::<Result<_, _>>()?;
        let integral = |k: usize| {
            let linear = |i: usize| (alone[i].0[k] - alone[i].1[k]) * 0.5;
            let square = |i: usize| (alone[i].0[k] + alone[i].1[k]) * 0.5 - constant[k];
            let mut both = both.iter().map(|both| both[k]);
            let mut terms = vec![constant[k]];
            terms.extend((0..n).map(linear));
            for i in 0..n {
                terms.push(square(i));
                terms.extend(
                    (i + 1..n)
                        .zip(&mut both)
                        .map(|(j, both)| both - constant[k] - linear(i) - linear(j) - square(i) - square(j)),
                );
            }
            Quadratic::new(n, terms)
        };
        let integrals = (0..constant.len()).map(integral).collect();
        let lifetimes = predictions.iter().map(Predictions::lifetime).collect();
        Ok(Self { plan: plan.clone(), lifetimes, dimension: n, integrals })
    }

    /// The quantities' values at given shifts along the directions, in the order of the list.
    ///
    /// # Errors
    /// When there are not as many shifts as directions.
    pub fn values(&self, shifts: &[f64]) -> Result<Vec<f64>, PhysicsError> {
        if shifts.len() != self.dimension {
            return Err(PhysicsError::OutOfRange {
                field: "shifts".to_owned(),
                got: format!("{} numbers", shifts.len()),
                allowed: format!("{} numbers", self.dimension),
            });
        }
        let integrals: Vec<PairOf> = self.integrals.iter().map(|integral| integral.at(shifts)).collect();
        Ok(self.plan.combine(&integrals, &self.lifetimes))
    }
}
