//! Angular moments of accepted events, unfolded with accepted simulated ones.
//!
//! In a bin the data are taken to follow the simulation's density with all `S_i` moved by a constant: `p ~ G(q2) sum_i (S_i(q2) +
//! d_i) f_i`, G the rate. A mean over accepted data is then `M = (M_0 + U d)/(1 + n.d)` with `U_ai = <D_a G f_i/p>` and `n_i = <G f_i/p>`,
//! means over accepted simulated events, D the dual functions of measured angles and f of true ones: acceptance and
//! resolution are in them. One linear equation gives d; the constant is exact where data and simulation have the same density.
//!
//! # Source
//! Beaujean, Chrzaszcz, Serra, van Dyk, arXiv:1503.04100, section 4: the unfolding matrix.

use humboldt_physics::angular::angular_functions;
use humboldt_physics::{AngularCoefficients, Decay};
use humboldt_pipeline::EventBatch;
use nalgebra::{SMatrix, SVector};
use rayon::prelude::*;

use super::InferError;
use super::density::EventFamily;
use super::moments::{BinMoments, MomentPredictions, dual};
use super::weights::Weights;

type Vector = SVector<f64, 12>;
type Matrix = SMatrix<f64, 12, 12>;

/// Events of one sum: sums of sums do not depend on the number of threads.
const BLOCK: usize = 4096;

/// Accepted simulated events with their truth.
#[derive(Debug, Clone, Copy)]
pub struct SimulatedTruth<'a> {
    /// Density that they follow before acceptance.
    pub reference: &'a EventFamily,
    /// As they were measured.
    pub measured: &'a EventBatch,
    /// As they were generated.
    pub truth: &'a EventBatch,
    /// Their weights.
    pub weights: Option<&'a Weights>,
}

/// The moments before acceptance. Their covariance holds that of the simulation.
///
/// # Errors
/// For a bin without simulated events enough, or in which they do not tell all moments apart.
pub fn unfolded(measured: &[BinMoments], simulated: &SimulatedTruth) -> Result<Vec<BinMoments>, InferError> {
    let bins: Vec<(f64, f64)> = measured.iter().map(|bin| bin.q2).collect();
    let none = vec![0.0; simulated.reference.directions().len()];
    let expected = MomentPredictions::new(simulated.reference, &bins)?.values(&none);
    let one = |(bin, own): (&BinMoments, Vector)| Bin::new(bin.q2, own, simulated)?.unfolded(bin);
    measured.iter().zip(expected).map(one).collect()
}

#[derive(Debug)]
struct Bin {
    q2: (f64, f64),
    /// The simulation's own moments before acceptance.
    own: Vector,
    events: Vec<Event>,
    sums: Sums,
}

impl Bin {
    fn new((low, high): (f64, f64), own: Vector, simulated: &SimulatedTruth) -> Result<Self, InferError> {
        let rows: Vec<usize> = (0..simulated.measured.len())
            .filter(|row| (low..high).contains(&f64::from(simulated.measured.q2[*row])))
            .collect();
        let decay = simulated.reference.density.decay();
        let event = |row: &usize| -> Result<Event, InferError> {
            let weight = simulated.weights.map_or(1.0, |weights| weights.values()[*row]);
            let functions =
                functions(decay, simulated.truth, *row, simulated.reference.mass(simulated.truth, *row));
            let functions = functions.ok_or_else(|| {
                let field = format!("true q2 of simulated event {row}");
                InferError::out_of_range(&field, simulated.truth.q2[*row], "events inside phase space")
            })?;
            Ok(Event { weight, dual: dual(simulated.measured, *row), functions })
        };
        let events: Vec<Event> = rows.par_iter().map(event).collect::<Result<_, _>>()?;
        let sums = Sums::of(&events);
        let bin = Self { q2: (low, high), own, events, sums };
        if bin.sums.weight <= 0.0 || bin.events.len() < super::moments::FEWEST_EVENTS {
            return Err(bin.too_few(bin.events.len().to_string()));
        }
        Ok(bin)
    }

    fn too_few(&self, got: String) -> InferError {
        let field = format!("simulated events in the bin {}:{}", self.q2.0, self.q2.1);
        InferError::out_of_range(&field, got, "enough that all moments can be told apart")
    }

    fn unfolded(&self, bin: &BinMoments) -> Result<BinMoments, InferError> {
        let Self { own, events, sums, .. } = self;
        let (mean, matrix) = (sums.dual / sums.weight, sums.matrix / sums.weight);
        let norm = sums.functions / sums.weight;
        // The rate is 1 before and after: of twelve equations eleven are independent, and the twelfth keeps it so.
        let rate = rates();
        let equations = matrix - bin.s * norm.transpose() + bin.s * rate.transpose();
        let inverse =
            equations.try_inverse().ok_or_else(|| self.too_few("of a singular matrix".to_owned()))?;
        let moved = inverse * (bin.s - mean);
        // What the simulation's own spread adds to M, at the solution.
        let squares = events.par_chunks(BLOCK).map(|events| {
            let square = |event: &Event| {
                let off = event.dual - bin.s;
                let weight = event.weight * (1.0 + event.functions.dot(&moved));
                off * off.transpose() * (weight * weight)
            };
            events.iter().map(square).sum::<Matrix>()
        });
        let squares: Vec<Matrix> = squares.collect();
        let spread = squares.iter().sum::<Matrix>() / (sums.weight * sums.weight);
        let known = 1.0 + norm.dot(&moved);
        let covariance = inverse * (bin.covariance * (known * known) + spread) * inverse.transpose();
        Ok(BinMoments { s: own + moved, covariance, ..bin.clone() })
    }
}

/// An accepted simulated event: its dual functions, and the rate times the angular functions over the density.
#[derive(Debug)]
struct Event {
    weight: f64,
    dual: Vector,
    functions: Vector,
}

#[derive(Debug)]
struct Sums {
    weight: f64,
    dual: Vector,
    functions: Vector,
    matrix: Matrix,
}

impl Sums {
    fn of(events: &[Event]) -> Self {
        let zero = || Self {
            weight: 0.0,
            dual: Vector::zeros(),
            functions: Vector::zeros(),
            matrix: Matrix::zeros(),
        };
        let block = |events: &[Event]| {
            events.iter().fold(zero(), |mut sums, event| {
                sums.weight += event.weight;
                sums.dual += event.dual * event.weight;
                sums.functions += event.functions * event.weight;
                sums.matrix += event.dual * event.functions.transpose() * event.weight;
                sums
            })
        };
        let blocks: Vec<Self> = events.par_chunks(BLOCK).map(block).collect();
        blocks.into_iter().fold(zero(), |mut sums, part| {
            sums.weight += part.weight;
            sums.dual += part.dual;
            sums.functions += part.functions;
            sums.matrix += part.matrix;
            sums
        })
    }
}

/// `G f_i/p` of an event; `None` outside of phase space.
fn functions(decay: &Decay, events: &EventBatch, row: usize, m_kpi: f64) -> Option<Vector> {
    let [q2, l, k, chi] = [&events.q2, &events.cos_theta_l, &events.cos_theta_k, &events.chi]
        .map(|column| f64::from(column[row]));
    let j = decay.expansion(q2, m_kpi, &[])?.constant();
    let f = Vector::from(angular_functions(l.clamp(-1.0, 1.0), k.clamp(-1.0, 1.0), chi));
    let density = Vector::from(j.as_array()).dot(&f);
    (density > 0.0).then(|| f * (j.rate() / density))
}

/// The rate of each coefficient.
fn rates() -> Vector {
    Vector::from_fn(|i, _| {
        let mut one = [0.0; 12];
        one[i] = 1.0;
        AngularCoefficients::from_array(one).rate()
    })
}
