//! Pieces of the (m_kpi, q2) plane, each mapped from the unit square so that the density is smooth there.
//!
//! `m = pole + 2 w t/(1 - t^2)` with `t` linear in `x`: a Lorentzian of half width `w` becomes `2 dt/(1 + t^2)`.
//! `q2 = low + (high(m) - low) y (a + (1 - a) y)` with `high(m) = min(high, (mB - m)^2)`: `a = 0` turns a square root
//! at the lower edge (4 m_l^2, the c-cbar threshold) into a linear function, `a = 2` one at the upper edge (the end
//! point). A patch never contains the mass at which `high(m)` changes from one form to the other.

use humboldt_physics::LineShape;

/// One piece of the plane; masses in GeV, q2 in GeV^2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Patch {
    pub(crate) t_low: f64,
    pub(crate) t_span: f64,
    pub(crate) q2_low: f64,
    pub(crate) q2_high: f64,
    /// The `a` of the map in y, from 0 to 2.
    pub(crate) slope: f64,
    pub(crate) m_b_meson: f64,
}

/// A point of a patch with the density of its map.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct MappedPoint {
    pub(crate) m_kpi: f64,
    pub(crate) q2: f64,
    /// `dm dq2 / dx dy`; without the `dm/dx` if the patch is of a fixed mass.
    pub(crate) jacobian: f64,
}

impl Patch {
    /// Half width at half maximum of the map's Lorentzian in GeV; only speed depends on it.
    pub(crate) const HALF_WIDTH: f64 = 0.02365;

    /// `t` at a K pi mass.
    pub(crate) fn t_of(m_kpi: f64) -> f64 {
        let s = (m_kpi - LineShape::pole()) / Self::HALF_WIDTH;
        s / (1.0 + (1.0 + s * s).sqrt())
    }

    /// The K pi mass at `x`.
    pub(crate) fn mass(&self, x: f64) -> f64 {
        let t = self.t_low + self.t_span * x;
        LineShape::pole() + Self::HALF_WIDTH * 2.0 * t / (1.0 - t * t)
    }

    /// The upper edge in q2 at a K pi mass.
    pub(crate) fn q2_high_at(&self, m_kpi: f64) -> f64 {
        self.q2_high.min((self.m_b_meson - m_kpi).powi(2))
    }

    /// The image of a point of the unit square.
    pub(crate) fn map(&self, x: f64, y: f64) -> MappedPoint {
        let t = self.t_low + self.t_span * x;
        let m_kpi = self.mass(x);
        let dm_dx = if self.t_span > 0.0 {
            Self::HALF_WIDTH * 2.0 * (1.0 + t * t) / (1.0 - t * t).powi(2) * self.t_span
        } else {
            1.0
        };
        let height = (self.q2_high_at(m_kpi) - self.q2_low).max(0.0);
        let a = self.slope;
        MappedPoint {
            m_kpi,
            q2: self.q2_low + height * y * (a + (1.0 - a) * y),
            jacobian: dm_dx * height * (a + 2.0 * (1.0 - a) * y),
        }
    }
}
