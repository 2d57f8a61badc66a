//! Moments of accepted events: their efficiency as a sum of Legendre polynomials.

use humboldt_physics::convention::DecayVariables;
use humboldt_physics::{Decay, Density, LineShape};
use humboldt_schemas::acceptance::{LegendreAcceptance, legendre};
use rayon::prelude::*;

use crate::{EventBatch, PipelineError};

/// Events that one sum is made of.
const PIECE: usize = 8192;
/// Points of the table of K pi masses that q2 leaves.
const POINTS: usize = 256;

/// Sums over accepted events, each with a weight that makes generated events flat in q2 and the angles.
///
/// The weight is one over the density that the events were generated with: then `c_klmn` is the mean of the four
/// polynomials times `(2k+1)(2l+1)(2m+1)(2n+1)` over that of the weights.
#[derive(Debug, Clone)]
pub struct AcceptanceMoments {
    density: Density,
    q2: [f64; 2],
    orders: [usize; 4],
    /// Part of the line shape that each q2 (GeV^2) of the table allows.
    allowed: Vec<f64>,
    sums: Vec<f64>,
    events: f64,
    squares: f64,
}

impl AcceptanceMoments {
    /// For events generated from a decay with a line shape in one window of q2 (GeV^2); orders in `cos_theta_l`,
    /// `cos_theta_k`, chi and q2.
    ///
    /// # Errors
    /// For orders above [`humboldt_schemas::acceptance::HIGHEST_ORDER`], and without a density.
    pub fn new(
        decay: &Decay,
        line_shape: LineShape,
        window: (f64, f64),
        orders: [usize; 4],
    ) -> Result<Self, PipelineError> {
        let density = Density::new(decay, line_shape, &[window], &[])?;
        let q2 = [window.0, window.1];
        let number = orders.iter().map(|order| order + 1).product();
        let place = |i: usize| q2[0] + (q2[1] - q2[0]) * i as f64 / (POINTS - 1) as f64;
        let whole = decay.resonance().range(LineShape::BreitWigner).1;
        let line = |high: f64| decay.resonance().nodes(high).iter().map(|(_, weight)| weight).sum::<f64>();
        let part = |q2: f64| match line_shape {
            LineShape::Narrow => 1.0,
            LineShape::BreitWigner => line(whole.min(decay.m_b_meson() - q2.sqrt())) / line(whole),
        };
        let allowed = (0..POINTS).map(|i| part(place(i)).max(1e-6)).collect();
        let own = Self { density, q2, orders, allowed, sums: vec![0.0; number], events: 0.0, squares: 0.0 };
        own.file().check().map_err(|e| PipelineError::out_of_range(&e.field, e.got, e.allowed))?;
        Ok(own)
    }

    /// One over the density of a true event in q2, angles and line shape.
    fn weight(&self, event: &DecayVariables) -> f64 {
        let [low, high] = self.q2;
        let place = ((event.q2 - low) / (high - low)).clamp(0.0, 1.0) * (POINTS - 1) as f64;
        let i = (place as usize).min(POINTS - 2);
        let allowed = self.allowed[i] + (place - i as f64) * (self.allowed[i + 1] - self.allowed[i]);
        1.0 / (self.density.density(event) * allowed)
    }

    /// Adds accepted events as they were generated; gives their weights.
    pub fn add(&mut self, truth: &EventBatch) -> Vec<f64> {
        let starts: Vec<usize> = (0..truth.len()).step_by(PIECE).collect();
        let piece = |start: usize| {
            let mut sums = vec![0.0; self.sums.len()];
            let rows = start..truth.len().min(start + PIECE);
            let weights: Vec<f64> = rows
                .map(|i| {
                    let [q2, cos_theta_l, cos_theta_k, chi, m_kpi] = truth.columns().map(|c| f64::from(c[i]));
                    let event = DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi };
                    let weight = Some(self.weight(&event)).filter(|w| w.is_finite()).unwrap_or_default();
                    self.sum(&event, weight, &mut sums);
                    weight
                })
                .collect();
            (sums, weights)
        };
        // In the order of the pieces, so that the sum does not depend on threads.
        let pieces: Vec<_> = starts.into_par_iter().map(piece).collect();
        let mut all = Vec::with_capacity(truth.len());
        for (sums, weights) in pieces {
            self.sums.iter_mut().zip(sums).for_each(|(sum, more)| *sum += more);
            self.squares += weights.iter().map(|w| w * w).sum::<f64>();
            all.extend(weights);
        }
        self.events += truth.len() as f64;
        all
    }

    fn sum(&self, event: &DecayVariables, weight: f64, sums: &mut [f64]) {
        let places = LegendreAcceptance::places(self.q2, event);
        let [l, k, chi, q2] = std::array::from_fn(|axis| legendre(self.orders[axis], places[axis]));
        let mut rows = sums.chunks_exact_mut(q2.len());
        for p_l in &l {
            for p_k in &k {
                for (p_chi, row) in chi.iter().zip(&mut rows) {
                    let outer = weight * p_l * p_k * p_chi;
                    row.iter_mut().zip(&q2).for_each(|(sum, p)| *sum += outer * p);
                }
            }
        }
    }

    /// The efficiency, whose mean over phase space is 1.
    pub fn file(&self) -> LegendreAcceptance {
        let whole = self.sums[0];
        let [_, k, chi, q2] = self.orders.map(|order| order + 1);
        let factor = |i: usize| {
            let places = [i / (k * chi * q2), i / (chi * q2) % k, i / q2 % chi, i % q2];
            places.iter().map(|n| 2.0 * *n as f64 + 1.0).product::<f64>()
        };
        let coefficient = |(i, sum): (usize, &f64)| if whole > 0.0 { sum / whole * factor(i) } else { 0.0 };
        let effective = if self.squares > 0.0 { whole * whole / self.squares } else { 0.0 };
        LegendreAcceptance {
            q2: self.q2,
            orders: self.orders,
            coefficients: self.sums.iter().enumerate().map(coefficient).collect(),
            events: [self.events, effective],
        }
    }
}

#[cfg(test)]
mod tests {
    use humboldt_physics::{Flavour, Lepton, ModelName, WilsonShifts};
    use humboldt_schemas::card::{AcceptanceCard, Effects, Polynomials};

    use super::*;
    use crate::generate::{EventSampler, Q2Windows};
    use crate::rng::StreamKey;

    /// Events that a formula accepts give the formula back.
    #[test]
    fn a_formula_comes_back_from_its_events() {
        let decay = Decay::new(ModelName::Npr, Flavour::B0, Lepton::Muon, &WilsonShifts::default()).unwrap();
        let formula = Polynomials {
            q2: vec![1.0, 0.1],
            cos_theta_l: vec![1.0, 0.0, -0.3],
            cos_theta_k: vec![1.0, -0.5],
            ..Polynomials::default()
        };
        let card = AcceptanceCard { formula: formula.clone(), ..AcceptanceCard::default() };
        let windows = Q2Windows::new(&[(Some(1.1), Some(6.0))], &[]).unwrap();
        let effects = Effects { acceptance: Some(card), ..Effects::default() };
        let sampler = EventSampler::new(&decay, LineShape::BreitWigner, &windows).unwrap();
        let sampler = sampler.with_effects(&effects, &decay, LineShape::BreitWigner).unwrap();
        let (events, _) = sampler.generate(StreamKey::new(1), 200_000);
        let mut moments =
            AcceptanceMoments::new(&decay, LineShape::BreitWigner, (1.1, 6.0), [2, 1, 1, 1]).unwrap();
        moments.add(&events);
        let file = moments.file();
        file.check().unwrap();
        let formula = formula.efficiency();
        let mean = (1.0 + 0.1 * 3.55) * (1.0 - 0.1);
        for i in 0..81_i32 {
            let part = |k: u32| f64::from(i / 3_i32.pow(k) % 3 - 1) * 0.7;
            let event = DecayVariables {
                q2: 3.55 + 2.45 * part(0),
                cos_theta_l: part(1),
                cos_theta_k: part(2),
                chi: 3.0 * part(3),
                m_kpi: 0.9,
            };
            let (got, expected) = (file.sum(&event), formula.of(&event) / mean);
            assert!((got - expected).abs() < 0.15, "{event:?}: {got} {expected}");
        }
    }
}
