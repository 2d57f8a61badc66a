//! Lists of quantities: what a fit or a table asks for in one go.
//!
//! Quantities that share a process and a bin share their integrals. [`QuadraticForm`] turns a list into an exact function
//! of a few shifts that costs a microsecond.

use crate::predictions::{Ingredients, PairOf, Theory};
use crate::quadrature::Precision;
use crate::{
    Flavour, Hadron, Lepton, Leptons, Observable, PhysicsError, Predictions, Quadratic, WilsonDirection,
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
    /// The observable.
    pub observable: Observable,
    /// Lower end of the bin in GeV^2.
    pub q2_min: f64,
    /// Upper end of the bin in GeV^2.
    pub q2_max: f64,
    /// Whether it is what a fit without the lepton's mass finds ([`crate::AngularCoefficients::without_lepton_mass`]).
    pub massless: bool,
}

/// An integral over a bin that at least one quantity needs.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Integral {
    channel: usize,
    lepton: Lepton,
    q2_min: f64,
    q2_max: f64,
}

/// Place of a quantity's integrals.
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
        self.values_to(theory, Precision::Full)
    }

    /// Their values, in order, as exact as is asked for.
    ///
    /// # Errors
    /// As for [`Self::values`].
    pub fn values_to(&self, theory: &Theory, precision: Precision) -> Result<Vec<f64>, PhysicsError> {
        let predictions = self.predictions(theory)?;
        let lifetimes: Vec<f64> = predictions.iter().map(Predictions::lifetime).collect();
        Ok(self.combine(&self.integrate(&predictions, precision)?, &lifetimes))
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

    fn integrate(
        &self,
        predictions: &[Predictions],
        precision: Precision,
    ) -> Result<Vec<PairOf>, PhysicsError> {
        self.integrals
            .iter()
            .map(|integral| {
                let Integral { channel, lepton, q2_min, q2_max } = *integral;
                predictions[channel].integrated(lepton, q2_min, q2_max, precision)
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
                    massless: quantity.massless,
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
    /// About the shifts of `theory`, in the given directions: the leptons that see the shift, and what is shifted.
    ///
    /// # Errors
    /// As for [`Plan::values`].
    pub fn new<L: Copy + Into<Leptons>>(
        theory: &Theory,
        plan: &Plan,
        directions: &[(L, WilsonDirection)],
    ) -> Result<Self, PhysicsError> {
        let at = |steps: &[(usize, f64)]| {
            let mut moved = theory.clone();
            for (index, step) in steps {
                let (leptons, direction) = directions[*index];
                for (lepton, shifts) in
                    [(Lepton::Electron, &mut moved.electron_shifts), (Lepton::Muon, &mut moved.muon_shifts)]
                {
                    if leptons.into().include(lepton) {
                        *shifts = shifts.moved(direction, *step);
                    }
                }
            }
            plan.integrate(&plan.predictions(&moved)?, Precision::Full)
        };
        let predictions = plan.predictions(theory)?;
        let constant = plan.integrate(&predictions, Precision::Full)?;
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
        self.check(shifts)?;
        let integrals: Vec<PairOf> = self.integrals.iter().map(|integral| integral.at(shifts)).collect();
        Ok(self.plan.combine(&integrals, &self.lifetimes))
    }

    /// Values with shifts that may differ from bin to bin: `shifts` gives them of the ends of a bin in GeV^2.
    ///
    /// # Errors
    /// When there are not as many shifts as directions.
    pub fn values_by_bin(&self, shifts: impl Fn(f64, f64) -> Vec<f64>) -> Result<Vec<f64>, PhysicsError> {
        let of = self.plan.integrals.iter().zip(&self.integrals).map(|(bin, integral)| {
            let shifts = shifts(bin.q2_min, bin.q2_max);
            self.check(&shifts)?;
            Ok(integral.at(&shifts))
        });
        let integrals: Vec<PairOf> = of.collect::<Result<_, PhysicsError>>()?;
        Ok(self.plan.combine(&integrals, &self.lifetimes))
    }

    fn check(&self, shifts: &[f64]) -> Result<(), PhysicsError> {
        if shifts.len() == self.dimension {
            return Ok(());
        }
        Err(PhysicsError::OutOfRange {
            field: "shifts".to_owned(),
            got: format!("{} numbers", shifts.len()),
            allowed: format!("{} numbers", self.dimension),
        })
    }
}
