//! The density of events as a function of shifts, with what fits need of it many times: tables and a cheap line shape.

use humboldt_physics::density::MassRule;
use humboldt_physics::quadratic::count;
use humboldt_physics::{Decay, Density, LineShape, PhysicsError, WilsonDirection};
use humboldt_pipeline::EventBatch;

use super::InferError;
use super::normalisation::Normalisation;
use super::simulation::Simulation;
use super::tabulated::AngularTable;

/// Points in the K pi mass between two masses at which an end of a window meets the end of phase space.
const MASSES: usize = 14;

/// The density of events in given windows as a function of given shifts, counted from those of a decay.
#[derive(Debug, Clone)]
pub struct EventFamily {
    pub(super) density: Density,
    pub(super) normalisation: Normalisation,
    pub(super) masses: MassRule,
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
        let density = Density::new(decay, line_shape, windows, directions).map_err(|error| match error {
            PhysicsError::OutOfRange { field, .. } if field == "q2 windows" => {
                let text: Vec<String> = windows.iter().map(|(low, high)| format!("{low}:{high}")).collect();
                InferError::out_of_range("q2", text.join(","), "windows that overlap phase space")
            }
            other => other.into(),
        })?;
        let masses = MassRule::new(decay, line_shape, windows, MASSES);
        let table = (line_shape == LineShape::Narrow)
            .then(|| AngularTable::new(decay, directions, density.m_kpi_range().0, windows));
        let normalisation = Normalisation::of_density(&density);
        Ok(Self { density, normalisation, masses, table })
    }

    /// Directions of the shifts, in order.
    pub fn directions(&self) -> &[WilsonDirection] {
        self.density.directions()
    }

    /// The windows in q2 (GeV^2), sorted and disjoint.
    pub fn windows(&self) -> &[(f64, f64)] {
        self.density.windows()
    }

    /// The largest interpolation error of a tabulated rate, relative to the rate; 0 where none is tabulated.
    pub fn interpolation_error(&self) -> f64 {
        self.table.as_ref().map_or(0.0, AngularTable::error)
    }

    /// K pi masses (GeV), and at given shifts the part of the line shape that belongs to each over the rate of its slice.
    pub(super) fn parts(&self, shifts: &[f64]) -> Vec<(f64, f64)> {
        let over_total = |(m_kpi, part)| (m_kpi, part / self.density.total(m_kpi).at(shifts));
        self.masses.points().into_iter().map(over_total).collect()
    }

    /// Intersections of the windows with an interval of q2 (GeV^2).
    pub(super) fn windows_in(&self, low: f64, high: f64) -> Vec<(f64, f64)> {
        let parts = self.windows().iter().map(|(a, b)| (a.max(low), b.min(high)));
        parts.filter(|(a, b)| a < b).collect()
    }

    /// The same density of events that a detector keeps, normalised over simulated events that it kept.
    #[must_use]
    pub fn with_simulation(mut self, simulation: Simulation) -> Self {
        self.normalisation = self.normalisation.with_simulation(simulation);
        self
    }

    /// What normalises the density, as a function of the shifts.
    pub const fn normalisation(&self) -> &Normalisation {
        &self.normalisation
    }

    /// The factor by which [`EventFamily::terms`] scales an event.
    pub(super) fn scale(&self, events: &EventBatch, row: usize) -> Result<f64, InferError> {
        self.terms(events, row, 0, &mut vec![0.0; count(self.directions().len())])
    }

    /// An event's rate over the total one of its K pi mass, at the decay's own shifts.
    pub(super) fn rate(&self, events: &EventBatch, row: usize) -> Result<f64, InferError> {
        let mut terms = vec![0.0; count(self.directions().len())];
        let scale = self.terms(events, row, 0, &mut terms)?;
        Ok(terms[0] * scale / self.density.total(self.mass(events, row)).constant())
    }

    /// K pi mass (GeV) of an event, the pole where all have it.
    pub(super) fn mass(&self, events: &EventBatch, row: usize) -> f64 {
        match self.density.line_shape() {
            LineShape::Narrow => self.density.m_kpi_range().0,
            LineShape::BreitWigner => f64::from(events.m_kpi[row]),
        }
    }
}

#[cfg(test)]
mod tests {
    use humboldt_physics::convention::DecayVariables;
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
            let by_mass = family.density.shares(m_kpi);
            for d in [-1.5, 0.0, 0.8] {
                let density = Density::new(&decay(d), line_shape, &windows, &[direction]).unwrap();
                let event = DecayVariables { q2: 3.0, cos_theta_l: 0.1, cos_theta_k: 0.2, chi: 0.3, m_kpi };
                let (scores, rate) = density.scores_and_rate(&event);
                let expected = rate.log_slope(0, &[0.0]) - scores[0];
                let got = family.normalisation.log(&by_mass, 1.0, &[d]).gradient[0];
                assert!((got - expected).abs() < 1e-8, "{line_shape} {d}: {got} {expected}");
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
