//! Ranges of an event's variables: the one check of units and ranges, for every command that reads events.

use std::f64::consts::PI;

use humboldt_physics::{Decay, Flavour, Lepton, ModelName, WilsonShifts};
use humboldt_schemas::events::EVENT_COLUMNS;

use crate::columns::Role;
use crate::{EventBatch, PipelineError};

/// Relative distance that a value may lie beyond its range: columns are f32, and programs that made them may have computed in
/// f32 as well.
pub const ROUNDING: f64 = 2e-6;

/// Whether one of some windows holds another, up to rounding.
pub fn covers(windows: &[(f64, f64)], (low, high): (f64, f64)) -> bool {
    windows.iter().any(|(least, most)| *least <= low * (1.0 + ROUNDING) && *most >= high * (1.0 - ROUNDING))
}

/// The largest chi that an f32 holds: the nearest number to pi, which lies above it.
const PI_F32: f32 = std::f32::consts::PI;

/// Ranges of q2 (GeV^2), of the K pi mass (GeV), of both cosines and of chi (radians).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhaseSpace {
    q2: (f64, f64),
    m_kpi: (f64, f64),
    chi: (f64, f64),
}

/// chi of either range.
const CHI: (f64, f64) = (-PI, 2.0 * PI);

impl PhaseSpace {
    /// Phase space of a decay, at any K pi mass.
    pub fn of(decay: &Decay) -> Self {
        let m_kpi = decay.m_kpi_range();
        Self { q2: (decay.q2_min(), decay.q2_max(m_kpi.0)), m_kpi, chi: CHI }
    }

    /// All that any of the decays can reach: of electrons, of either charge.
    ///
    /// # Errors
    /// None with the built-in inputs.
    pub fn any() -> Result<Self, PipelineError> {
        let of = |flavour| {
            Decay::new(ModelName::Npr, flavour, Lepton::Electron, &WilsonShifts::default())
                .map(|d| Self::of(&d))
        };
        let (a, b) = (of(Flavour::B0bar)?, of(Flavour::BMinus)?);
        let both = |a: (f64, f64), b: (f64, f64)| (a.0.min(b.0), a.1.max(b.1));
        Ok(Self { q2: both(a.q2, b.q2), m_kpi: both(a.m_kpi, b.m_kpi), chi: CHI })
    }

    /// Any number, in whatever unit; cosines of -1 to 1.
    pub const fn unbounded() -> Self {
        let all = (f64::NEG_INFINITY, f64::INFINITY);
        Self { q2: all, m_kpi: all, chi: all }
    }

    /// Checks events, moves what rounding has put outside to the limit, and takes chi of 0 to 2 pi to -pi to pi.
    ///
    /// # Errors
    /// When a value is NaN or outside by more than [`ROUNDING`]: column, row (the first is `first_row`), value, range.
    pub fn admit(&self, events: &mut EventBatch, role: Role, first_row: usize) -> Result<(), PipelineError> {
        let (q2, m_kpi) = (self.q2, self.m_kpi);
        let ranges = [
            (q2, format!("{:.6} to {:.4}, in GeV^2", q2.0, q2.1)),
            ((-1.0, 1.0), "-1 to 1".to_owned()),
            ((-1.0, 1.0), "-1 to 1".to_owned()),
            (self.chi, "-pi to pi or 0 to 2 pi, in radians".to_owned()),
            (m_kpi, format!("{:.4} to {:.4}, in GeV", m_kpi.0, m_kpi.1)),
        ];
        for ((name, column), ((low, high), allowed)) in EVENT_COLUMNS.iter().zip(events.columns()).zip(ranges)
        {
            let range = low - ROUNDING * low.abs()..=high + ROUNDING * high.abs();
            if let Some(row) = column.iter().position(|&x| !range.contains(&x.into())) {
                return Err(outside(&role.column(name), first_row + row, column[row], allowed));
            }
        }
        for x in events.cos_theta_l.iter_mut().chain(&mut events.cos_theta_k) {
            *x = x.clamp(-1.0, 1.0);
        }
        if self.chi != CHI {
            return Ok(());
        }
        for x in &mut events.chi {
            let turned = f64::from(*x) > PI * (1.0 + ROUNDING);
            let chi = if turned { (f64::from(*x) - 2.0 * PI) as f32 } else { *x };
            *x = chi.clamp(-PI_F32, PI_F32);
        }
        Ok(())
    }
}

/// The sentence about a value outside its range.
pub(crate) fn outside(name: &str, row: usize, value: f32, allowed: impl Into<String>) -> PipelineError {
    PipelineError::out_of_range(&format!("{name} in row {row}"), value, allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(q2: f32, cos_theta_l: f32, cos_theta_k: f32, chi: f32, m_kpi: f32) -> EventBatch {
        EventBatch {
            q2: vec![q2],
            cos_theta_l: vec![cos_theta_l],
            cos_theta_k: vec![cos_theta_k],
            chi: vec![chi],
            m_kpi: vec![m_kpi],
        }
    }

    #[test]
    fn what_rounding_puts_outside_goes_to_the_limit() {
        let space = PhaseSpace::any().unwrap();
        let mut events = event(1.0, 1.000_000_1, -1.000_001, 3.141_595, 0.9);
        space.admit(&mut events, Role::Feature, 0).unwrap();
        assert_eq!(events, event(1.0, 1.0, -1.0, PI_F32, 0.9));
        for events in [
            event(1.0, 1.000_01, 0.0, 0.0, 0.9),
            event(1.0, 0.0, f32::NAN, 0.0, 0.9),
            event(1.0, 0.0, 0.0, -3.1417, 0.9),
            event(1.0, 0.0, 0.0, 6.2833, 0.9),
            event(1.0, 0.0, 0.0, 0.0, 0.63),
            event(1.0, 0.0, 0.0, 0.0, 892.0),
            event(21.7, 0.0, 0.0, 0.0, 0.9),
            event(0.0, 0.0, 0.0, 0.0, 0.9),
            event(f32::INFINITY, 0.0, 0.0, 0.0, 0.9),
        ] {
            assert!(space.admit(&mut events.clone(), Role::Feature, 0).is_err(), "{events:?}");
        }
    }

    #[test]
    fn chi_of_either_range_is_the_same_angle() {
        let space = PhaseSpace::any().unwrap();
        for i in 0..1000 {
            let chi = -PI + 2.0 * PI * (f64::from(i) + 0.5) / 1000.0;
            let mut events = event(1.0, 0.0, 0.0, chi.rem_euclid(2.0 * PI) as f32, 0.9);
            space.admit(&mut events, Role::Feature, 0).unwrap();
            assert!((f64::from(events.chi[0]) - chi).abs() < 1e-6, "{chi}");
        }
    }

    #[test]
    fn a_lepton_has_its_own_threshold() {
        let shifts = WilsonShifts::default();
        let muons = Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &shifts).unwrap();
        let mut events = event(0.04, 0.0, 0.0, 0.0, 0.9);
        PhaseSpace::any().unwrap().admit(&mut events, Role::Feature, 0).unwrap();
        let refused = PhaseSpace::of(&muons).admit(&mut events, Role::Truth, 7).unwrap_err().to_string();
        assert!(
            refused.starts_with("true_q2 in row 7 = 0.04 is not allowed; allowed: 0.044655 to "),
            "{refused}"
        );
    }
}
