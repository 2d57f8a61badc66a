//! The efficiency of a detector as a function of q2 and the angles, and what it makes of a rate.

use std::f64::consts::PI;
use std::sync::Arc;

use super::masses::Chebyshev;
use crate::angular::{ANGULAR_FUNCTIONS, angular_functions};
use crate::convention::DecayVariables;
use crate::quadratic::Quadratic;
use crate::quadrature::nodes;
use crate::s_wave::{S_WAVE_FUNCTIONS, SWave, s_wave_functions};
use crate::{Decay, PhysicsError, WilsonDirection};

/// Points in q2 of each window that moments are interpolated from.
const POINTS: usize = 33;

/// Angular functions of the K*, and behind them those of an S-wave.
const FUNCTIONS: usize = ANGULAR_FUNCTIONS + S_WAVE_FUNCTIONS;

/// The efficiency as a function of q2 (GeV^2), cos_theta_l, cos_theta_k and chi: `(f64, f64, f64, f64) -> f64`.
type Function = dyn Fn(f64, f64, f64, f64) -> f64 + Send + Sync;

/// The probability that a detector keeps an event, up to a constant; smooth in q2 within each window.
#[derive(Clone)]
pub struct Efficiency(Arc<Function>);

impl Efficiency {
    /// The efficiency as a function of q2 (GeV^2), `cos_theta_l`, `cos_theta_k` and chi, LHCb convention.
    pub fn new(function: impl Fn(f64, f64, f64, f64) -> f64 + Send + Sync + 'static) -> Self {
        Self(Arc::new(function))
    }

    /// The efficiency at an event.
    pub fn of(&self, event: &DecayVariables) -> f64 {
        (self.0)(event.q2, event.cos_theta_l, event.cos_theta_k, event.chi)
    }

    /// Integrals over the angles, in windows of q2 (GeV^2) up to the end of phase space of the lightest K pi mass (GeV).
    ///
    /// # Errors
    /// When it is somewhere negative or not a number.
    pub(super) fn moments(
        &self,
        decay: &Decay,
        lightest: f64,
        windows: &[(f64, f64)],
    ) -> Result<Moments, PhysicsError> {
        let (first, last) = (decay.q2_min(), decay.q2_max(lightest));
        let mut pieces = Vec::new();
        for (low, high) in windows {
            let (low, high) = (low.max(first), high.min(last));
            if low < high {
                let points = Chebyshev::new((low, high), POINTS);
                let moments =
                    points.points().iter().map(|q2| self.moments_at(*q2)).collect::<Result<_, _>>()?;
                pieces.push(Piece { high, points, moments });
            }
        }
        pieces.sort_by(|a: &Piece, b| a.high.total_cmp(&b.high));
        Ok(Moments(pieces))
    }

    /// `integral e f_i` over the angles at a q2, f_i the angular functions.
    fn moments_at(&self, q2: f64) -> Result<[f64; FUNCTIONS], PhysicsError> {
        let (cosines, turn) = (nodes(-1.0, 1.0, []), nodes(-PI, PI, [0.0]));
        let mut moments = [0.0; FUNCTIONS];
        for (l, weight_l) in &cosines {
            for (k, weight_k) in &cosines {
                for (chi, weight_chi) in &turn {
                    let kept = (self.0)(q2, *l, *k, *chi);
                    if !(kept >= 0.0 && kept.is_finite()) {
                        return Err(PhysicsError::OutOfRange {
                            field: "efficiency".to_owned(),
                            got: format!(
                                "{kept} at q2 = {q2}, cos_theta_l = {l}, cos_theta_k = {k}, chi = {chi}"
                            ),
                            allowed: "finite numbers that are not negative".to_owned(),
                        });
                    }
                    let weight = weight_l * weight_k * weight_chi * kept;
                    let functions = angular_functions(*l, *k, *chi);
                    let functions = functions.into_iter().chain(s_wave_functions(*l, *k, *chi));
                    moments.iter_mut().zip(functions).for_each(|(moment, f)| *moment += weight * f);
                }
            }
        }
        Ok(moments)
    }
}

impl std::fmt::Debug for Efficiency {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Efficiency(..)")
    }
}

/// Integrals of the efficiency times the angular functions, as functions of q2.
pub(super) struct Moments(Vec<Piece>);

/// One window.
struct Piece {
    high: f64,
    points: Chebyshev,
    moments: Vec<[f64; FUNCTIONS]>,
}

impl Moments {
    /// The rate at a K pi mass (GeV) times the efficiency, integrated over windows in q2 (GeV^2), as a function of shifts.
    pub(super) fn rate_in(
        &self,
        decay: &Decay,
        m_kpi: f64,
        windows: &[(f64, f64)],
        directions: &[WilsonDirection],
        s_wave: Option<&SWave>,
    ) -> Quadratic<f64> {
        let mut sum = Quadratic::zero(directions.len());
        for (q2, weight) in decay.q2_nodes(m_kpi, windows) {
            let (own, added) = self.at(q2);
            if let Some(expansion) = decay.expansion(q2, m_kpi, directions) {
                sum.add(weight, &expansion.map(|j| j.dot(&own)));
            }
            if let Some(more) = s_wave.and_then(|s| s.sum(decay, q2, m_kpi, directions, &added)) {
                sum.add(weight, &more);
            }
        }
        sum
    }

    /// The moments of the K* and of an S-wave.
    fn at(&self, q2: f64) -> ([f64; ANGULAR_FUNCTIONS], [f64; S_WAVE_FUNCTIONS]) {
        let piece = self.0.iter().find(|piece| q2 <= piece.high);
        let mut moments = [0.0; FUNCTIONS];
        if let Some(piece) = piece {
            for (share, own) in piece.points.shares(q2).iter().zip(&piece.moments) {
                moments.iter_mut().zip(own).for_each(|(moment, own)| *moment += share * own);
            }
        }
        let part = |i: usize| moments[i];
        (std::array::from_fn(part), std::array::from_fn(|i| part(ANGULAR_FUNCTIONS + i)))
    }
}
