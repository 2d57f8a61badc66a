//! The normalised density of events as a function of shifts, for a K* at its pole or with its line shape.
//!
//! K pi masses follow the line shape, each mass slice is normalised over its full phase space, and windows in q2 are cut
//! after that: `p = L(m) R(x, m; d)/T(m; d) / A(d)` with `A = integral L(m) R_windows(m; d)/T(m; d)`. At the pole only
//! `R/R_windows` is left. R is quadratic in the shifts d, exactly.

use std::f64::consts::PI;

use humboldt_physics::quadrature::nodes;
use humboldt_physics::{Decay, LineShape, WilsonDirection};
use rayon::prelude::*;

use super::InferError;
use super::form::Jet;
use super::rates::integrated;
use super::tabulated::AngularTable;

/// Interpolation points in the K pi mass between two masses at which an end of a window meets the end of phase space.
pub(super) const MASSES: usize = 14;

/// The K pi mass distribution by points: piecewise polynomials through them.
#[derive(Debug, Clone)]
pub(super) struct MassGrid {
    edges: Vec<f64>,
    /// Masses (GeV) and the part of the line shape that belongs to each; the parts sum to 1.
    pub(super) points: Vec<(f64, f64)>,
    per_piece: usize,
}

impl MassGrid {
    /// For windows in q2 (GeV^2), with `per_piece` points between kinks.
    pub(super) fn new(
        decay: &Decay,
        line_shape: LineShape,
        windows: &[(f64, f64)],
        per_piece: usize,
    ) -> Self {
        if line_shape == LineShape::Narrow {
            let pole = decay.m_kstar();
            return Self { edges: vec![pole, pole], points: vec![(pole, 1.0)], per_piece: 1 };
        }
        let (low, high) = (LineShape::M_KPI_MIN, LineShape::M_KPI_MAX);
        let ends =
            windows.iter().flat_map(|(a, b)| [*a, *b]).map(|q2| decay.m_b_meson() - q2.max(0.0).sqrt());
        let mut edges: Vec<f64> = ends.filter(|m| *m > low + 0.01 && *m < high - 0.01).collect();
        edges.extend([low, high]);
        edges.sort_by(f64::total_cmp);
        edges.dedup_by(|a, b| *a - *b < 0.01);
        let mut grid = Self { edges, points: Vec::new(), per_piece };
        for piece in grid.edges.clone().windows(2) {
            let angle = |k: usize| PI * (k as f64 + 0.5) / per_piece as f64;
            let mass = |k| 0.5 * (piece[0] + piece[1]) + 0.5 * (piece[1] - piece[0]) * f64::cos(angle(k));
            grid.points.extend((0..per_piece).map(|k| (mass(k), 0.0)));
        }
        let mut breaks = vec![0.8, LineShape::pole(), 1.0];
        breaks.extend(&grid.edges);
        for (m_kpi, weight) in nodes(low, high, breaks) {
            let part = weight * line_shape.density(m_kpi);
            grid.spread(m_kpi, |point, share| point.1 += part * share);
        }
        let whole: f64 = grid.points.iter().map(|(_, part)| part).sum();
        grid.points.iter_mut().for_each(|(_, part)| *part /= whole);
        grid
    }

    /// The points that a function at a mass is interpolated from, with their shares.
    pub(super) fn shares(&self, m_kpi: f64) -> (usize, Vec<f64>) {
        let last = self.edges.len() - 2;
        let piece = self.edges[1..=last].partition_point(|edge| *edge < m_kpi);
        let first = piece * self.per_piece;
        let points = &self.points[first..first + self.per_piece];
        if let Some(exact) = points.iter().position(|(mass, _)| (mass - m_kpi).abs() < 1e-14) {
            return (first, (0..points.len()).map(|k| f64::from(u8::from(k == exact))).collect());
        }
        let barycentric = |(k, (mass, _)): (usize, &(f64, f64))| {
            let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
            sign * (PI * (k as f64 + 0.5) / self.per_piece as f64).sin() / (m_kpi - mass)
        };
        let mut shares: Vec<f64> = points.iter().enumerate().map(barycentric).collect();
        let norm: f64 = shares.iter().sum();
        for share in &mut shares {
            *share /= norm;
        }
        (first, shares)
    }

    fn spread(&mut self, m_kpi: f64, mut add: impl FnMut(&mut (f64, f64), f64)) {
        let (first, shares) = self.shares(m_kpi);
        self.points[first..].iter_mut().zip(shares).for_each(|(point, share)| add(point, share));
    }
}

/// Rates at one K pi mass as coefficients of the monomials.
#[derive(Debug, Clone)]
pub(super) struct MassSlice {
    /// Over all of phase space.
    pub(super) total: Vec<f64>,
    /// In the windows.
    pub(super) inside: Vec<f64>,
}

/// The density of events in given windows as a function of given shifts, counted from those of a decay.
#[derive(Debug, Clone)]
pub struct EventFamily {
    pub(super) decay: Decay,
    pub(super) directions: Vec<WilsonDirection>,
    pub(super) line_shape: LineShape,
    pub(super) windows: Vec<(f64, f64)>,
    pub(super) masses: MassGrid,
    /// For each mass.
    pub(super) slices: Vec<MassSlice>,
    /// At the pole only.
    pub(super) table: Option<AngularTable>,
}

impl EventFamily {
    /// Of `decay` with K pi masses of `line_shape`, in windows of q2 (GeV^2) as of
    /// [`humboldt_pipeline::generate::Q2Windows::of`]; shifts along `directions`.
    ///
    /// # Errors
    /// Without directions, with one of them twice, or when no window overlaps phase space.
    pub fn new(
        decay: &Decay,
        line_shape: LineShape,
        windows: &[(f64, f64)],
        directions: &[WilsonDirection],
    ) -> Result<Self, InferError> {
        for (i, direction) in directions.iter().enumerate() {
            if directions[..i].contains(direction) {
                return Err(InferError::out_of_range("free", direction, "each coefficient once"));
            }
        }
        if directions.is_empty() {
            return Err(InferError::out_of_range("free", "no coefficient", "at least one"));
        }
        let masses = MassGrid::new(decay, line_shape, windows, MASSES);
        let everything = [(0.0, f64::INFINITY)];
        let slices: Vec<MassSlice> = masses
            .points
            .par_iter()
            .map(|(m_kpi, _)| {
                let inside = integrated(decay, directions, *m_kpi, windows);
                let total = match line_shape {
                    LineShape::BreitWigner => integrated(decay, directions, *m_kpi, &everything),
                    // It cancels: any will do.
                    LineShape::Narrow => {
                        (0..inside.len()).map(|m| f64::from(u8::from(m == 0)) * inside[0]).collect()
                    }
                };
                MassSlice { total, inside }
            })
            .collect();
        if !slices.iter().any(|slice| slice.inside[0] > 0.0) {
            let text: Vec<String> = windows.iter().map(|(low, high)| format!("{low}:{high}")).collect();
            return Err(InferError::out_of_range("q2", text.join(","), "windows that overlap phase space"));
        }
        let table = (line_shape == LineShape::Narrow)
            .then(|| AngularTable::new(decay, directions, decay.m_kstar(), windows));
        let (decay, directions, windows) = (*decay, directions.to_vec(), windows.to_vec());
        Ok(Self { decay, directions, line_shape, windows, masses, slices, table })
    }

    /// What the shifts are of, in order.
    pub fn directions(&self) -> &[WilsonDirection] {
        &self.directions
    }

    /// The largest interpolation error of a tabulated rate, relative to the rate; 0 where none is tabulated.
    pub fn interpolation_error(&self) -> f64 {
        self.table.as_ref().map_or(0.0, AngularTable::error)
    }

    /// The logarithm of the normalisation of a sample: `sum over events of ln T(m) + N ln A`, with `by_mass` the events'
    /// shares of the mass points.
    pub(super) fn log_normalisation(&self, by_mass: &[f64], events: f64, shifts: &[f64]) -> Jet {
        let mut sum = Jet::zero(shifts.len());
        let mut accepted = Jet::zero(shifts.len());
        for ((slice, (_, part)), count) in self.slices.iter().zip(&self.masses.points).zip(by_mass) {
            let total = Jet::of(&slice.total, shifts).ln();
            sum.add(*count, &total);
            let inside = Jet::of(&slice.inside, shifts);
            if inside.value > 0.0 {
                let mut ratio = inside.ln();
                ratio.add(-1.0, &total);
                accepted.add(*part, &ratio.exp());
            }
        }
        sum.add(events, &accepted.ln());
        sum
    }
}

#[cfg(test)]
mod tests {
    use humboldt_physics::score::EventDensity;
    use humboldt_physics::{Flavour, Lepton, ModelName, WilsonCoefficient, WilsonShifts};

    use super::*;

    /// The derivative of the normalisation of one event against the score less its own term.
    #[test]
    fn normalisation_agrees_with_the_score() {
        let direction = WilsonDirection::real(WilsonCoefficient::C9);
        for line_shape in LineShape::ALL {
            let decay = |d| {
                Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::delta_c9(d)).unwrap()
            };
            let windows = [(0.1, 8.0), (11.0, 19.2)];
            let family = EventFamily::new(&decay(0.0), line_shape, &windows, &[direction]).unwrap();
            let m_kpi = if line_shape == LineShape::Narrow { 0.89555 } else { 0.97 };
            let (first, shares) = family.masses.shares(m_kpi);
            let mut by_mass = vec![0.0; family.masses.points.len()];
            by_mass[first..].iter_mut().zip(shares).for_each(|(sum, share)| *sum += share);
            for d in [-1.5, 0.0, 0.8] {
                let density = EventDensity::new(&decay(d), line_shape, &windows, direction).unwrap();
                let event = humboldt_physics::convention::DecayVariables {
                    q2: 3.0,
                    cos_theta_l: 0.1,
                    cos_theta_k: 0.2,
                    chi: 0.3,
                    m_kpi,
                };
                let expected = density.parabola(&event).log_derivative() - density.score(&event);
                let got = family.log_normalisation(&by_mass, 1.0, &[d]).gradient[0];
                assert!((got - expected).abs() < 2e-6, "{line_shape} {d}: {got} {expected}");
            }
        }
    }

    #[test]
    fn directions_are_asked_for_once() {
        let decay = Decay::new(ModelName::Npr, Flavour::B0, Lepton::Muon, &WilsonShifts::default()).unwrap();
        let c9 = WilsonDirection::real(WilsonCoefficient::C9);
        let of = |windows: &[(f64, f64)], free: &[WilsonDirection]| {
            EventFamily::new(&decay, LineShape::Narrow, windows, free).map(|_| ()).unwrap_err().to_string()
        };
        assert!(of(&[(1.0, 6.0)], &[c9, c9]).contains("free = c9"));
        assert!(of(&[(1.0, 6.0)], &[]).contains("at least one"));
        assert!(of(&[(20.0, 21.0)], &[c9]).contains("20:21"));
    }
}
