//! Pieces of the (`m_kpi`, `q2`) plane, each mapped from the unit square so that the density is smooth there.
//!
//! `m = pole + 2 w t/(1 - t^2)` with `t` linear in `x`: a Lorentzian of the resonance's half width `w` becomes `2 dt/(1 + t^2)`.
//! `q2 = low + (high(m) - low) z(y)` with `high(m) = min(high, (mB - m)^2)` and `z` quadratic: over a whole region
//! `z = y^2` turns a square root at the lower edge (`4 m_l^2`, the c-cbar threshold) into a linear function,
//! `z = 2 y - y^2` one at the upper edge (the end point). A patch is a rectangle in (t, y) of its region, and a region
//! never contains the mass at which `high(m)` changes from one form to the other.

use humboldt_physics::Decay;

use super::regions::Region;

/// One piece of the plane; masses in GeV, q2 in GeV^2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Patch {
    pub(crate) t_low: f64,
    pub(crate) t_span: f64,
    pub(crate) q2_low: f64,
    pub(crate) q2_high: f64,
    /// `z = curve[0] + curve[1] y + curve[2] y^2`.
    pub(crate) curve: [f64; 3],
    pub(crate) m_b_meson: f64,
    pole: f64,
    half_width: f64,
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
    /// The whole of a region.
    pub(crate) fn new(region: &Region, decay: &Decay) -> Self {
        let (pole, half_width) = (decay.resonance().pole(), decay.resonance().half_width());
        let [t_low, t_high] = [region.m_low, region.m_high].map(|m_kpi| {
            let s = (m_kpi - pole) / half_width;
            s / (1.0 + (1.0 + s * s).sqrt())
        });
        let curve = match (region.root_low, region.root_high) {
            (true, false) => [0.0, 0.0, 1.0],
            (false, true) => [0.0, 2.0, -1.0],
            _ => [0.0, 1.0, 0.0],
        };
        let (q2_low, q2_high) = (region.q2_low, region.q2_high);
        let (t_span, m_b_meson) = (t_high - t_low, decay.m_b_meson());
        Self { t_low, t_span, q2_low, q2_high, curve, m_b_meson, pole, half_width }
    }

    /// Its halves along x.
    pub(crate) fn halves_along_x(&self) -> [Self; 2] {
        let t_span = 0.5 * self.t_span;
        [self.t_low, self.t_low + t_span].map(|t_low| Self { t_low, t_span, ..*self })
    }

    /// Its halves along y.
    pub(crate) fn halves_along_y(&self) -> [Self; 2] {
        let [c0, c1, c2] = self.curve;
        let lower = [c0, 0.5 * c1, 0.25 * c2];
        let upper = [c0 + 0.5 * c1 + 0.25 * c2, 0.5 * c1 + 0.5 * c2, 0.25 * c2];
        [lower, upper].map(|curve| Self { curve, ..*self })
    }

    /// The image of a point of the unit square.
    pub(crate) fn map(&self, x: f64, y: f64) -> MappedPoint {
        let t = self.t_low + self.t_span * x;
        let one_minus = (1.0 - t) * (1.0 + t);
        let m_kpi = self.pole + self.half_width * 2.0 * t / one_minus;
        let dm_dx = if self.t_span > 0.0 {
            self.half_width * 2.0 * (1.0 + t * t) / (one_minus * one_minus) * self.t_span
        } else {
            1.0
        };
        let q2_high = self.q2_high.min((self.m_b_meson - m_kpi).powi(2));
        let height = (q2_high - self.q2_low).max(0.0);
        let [c0, c1, c2] = self.curve;
        MappedPoint {
            m_kpi,
            q2: self.q2_low + height * (c0 + y * (c1 + y * c2)),
            jacobian: dm_dx * height * (c1 + 2.0 * y * c2),
        }
    }
}
