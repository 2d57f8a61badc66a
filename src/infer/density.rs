//! The density of events as a function of shifts, with what fits need of it many times: tables and a cheap line shape.

use humboldt_physics::density::MassRule;
use humboldt_physics::s_wave::SWaveTerms;
use humboldt_physics::{
    Decay, Density, Efficiency, Expansion, LineShape, PhysicsError, Quadratic, SWave, WilsonDirection,
};
use humboldt_pipeline::EventBatch;
use rayon::prelude::*;

use super::InferError;
use super::form::Form;
use super::functions::Coefficients;
use super::mixture::Fraction;
use super::normalisation::{Accepted, Normalisation};
use super::s_wave::{OfFamily, Strength};
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
    pub(super) s_wave: Option<OfFamily>,
    pub(super) efficiency: Option<Efficiency>,
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
        let masses = decay.resonance().range(line_shape);
        Self::in_masses(decay, line_shape, windows, masses, directions)
    }

    /// Density of events that are selected in a window of K pi masses (GeV) as well.
    ///
    /// # Errors
    /// As [`EventFamily::new`]; for a window that is not inside the masses of the line shape.
    pub fn in_masses(
        decay: &Decay,
        line_shape: LineShape,
        windows: &[(f64, f64)],
        m_kpi: (f64, f64),
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
        let density = Density::in_masses(decay, line_shape, windows, m_kpi, directions, None, None);
        let density = density.map_err(|error| match error {
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
        Ok(Self { density, normalisation, masses, table, s_wave: None, efficiency: None })
    }

    /// This density with an S-wave, before it is normalised over simulated events. F_S is the S-wave's part of the Standard
    /// Model's rate in the windows for K pi masses (GeV) in a range; where it is not fixed, the strength that makes it stands behind
    /// the shifts.
    ///
    /// # Errors
    /// As [`Strength::new`].
    pub fn with_s_wave(
        mut self,
        s_wave: SWave,
        masses: [f64; 2],
        known: Fraction,
    ) -> Result<Self, InferError> {
        let density = &self.density;
        let ratio = s_wave.rate_ratio(density.decay(), density.line_shape(), density.windows(), masses)?;
        let own = OfFamily::new(s_wave, Strength::new(ratio, known)?);
        if let Accepted::Integrals(slices) = &mut self.normalisation.accepted {
            own.add_to(density, slices);
        }
        if own.fixed.is_none() {
            self.normalisation.form = Form::with_strength(self.directions().len());
        }
        self.s_wave = Some(own);
        Ok(self)
    }

    /// The density of events with an S-wave as it is given, that a detector keeps with an efficiency.
    ///
    /// # Errors
    /// As [`EventFamily::new`]; when the efficiency is somewhere negative or not a number, or zero everywhere.
    pub fn with_effects(
        decay: &Decay,
        line_shape: LineShape,
        windows: &[(f64, f64)],
        directions: &[WilsonDirection],
        efficiency: Option<Efficiency>,
        s_wave: Option<SWave>,
    ) -> Result<Self, InferError> {
        let mut family = Self::new(decay, line_shape, windows, directions)?;
        let density = Density::with_effects(
            decay,
            line_shape,
            windows,
            directions,
            efficiency.clone(),
            s_wave.clone(),
        )?;
        family.normalisation = Normalisation::of_density(&density);
        family.efficiency = efficiency;
        family.s_wave = s_wave.map(OfFamily::as_given);
        Ok(family)
    }

    /// Coefficients of [`all_functions`](super::functions::all_functions) at a q2 (GeV^2) and K pi mass (GeV), as functions of the
    /// shifts; `None` outside phase space.
    ///
    /// # Errors
    /// Where the strength of the S-wave is no number.
    pub(super) fn expansion(
        &self,
        q2: f64,
        m_kpi: f64,
    ) -> Result<Option<Quadratic<Coefficients>>, InferError> {
        let Some((own, added)) = self.signal(q2, m_kpi) else { return Ok(None) };
        let fixed = self.s_wave.as_ref().map_or(Some(1.0), |s_wave| s_wave.fixed).ok_or_else(|| {
            InferError::out_of_range("F_S", "free", "a number, where events are not fitted one by one")
        })?;
        let added = added.map(|added| added.map(|terms| terms.stronger(fixed)));
        let pairs = own.terms().iter().enumerate();
        let terms = pairs.map(|(i, j)| Coefficients::of(j, added.as_ref().map(|added| &added.terms()[i])));
        Ok(Some(Quadratic::new(self.directions().len(), terms.collect())))
    }

    /// Coefficients of the K* at a q2 (GeV^2) and K pi mass (GeV), and those that an S-wave adds before its strength; `None` outside
    /// phase space.
    pub(super) fn signal(&self, q2: f64, m_kpi: f64) -> Option<(Expansion, Option<Quadratic<SWaveTerms>>)> {
        let (decay, directions) = (self.density.decay(), self.directions());
        let own = decay.expansion(q2, m_kpi, directions)?;
        let s_wave = self.s_wave.as_ref();
        Some((own, s_wave.and_then(|s_wave| s_wave.s_wave.terms(decay, q2, m_kpi, directions))))
    }

    /// The strength of the S-wave.
    pub fn strength(&self) -> Option<&Strength> {
        self.s_wave.as_ref().and_then(|own| own.strength.as_ref())
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

    /// K pi masses (GeV) of a quadrature, and the part of the line shape that belongs to each.
    pub(super) fn line(&self) -> Vec<(f64, f64)> {
        let decay = self.density.decay();
        let (line_shape, range) = (self.density.line_shape(), self.density.m_kpi_range());
        // The S-wave's ratio to the K* changes within its width.
        let fine = self.s_wave.is_some() || range != decay.resonance().range(line_shape);
        match line_shape {
            LineShape::BreitWigner if fine => decay.resonance().nodes_in(range),
            LineShape::BreitWigner | LineShape::Narrow => self.masses.points(),
        }
    }

    /// K pi masses (GeV) of [`EventFamily::line`], and the part of each over the rate of its slice at given shifts.
    pub(super) fn parts(&self, point: &[f64]) -> Vec<(f64, f64)> {
        let shifts = &point[..self.directions().len()];
        let over_total = |(m_kpi, part)| (m_kpi, part / self.density.total(m_kpi).at(shifts));
        self.line().into_iter().map(over_total).collect()
    }

    /// Intersections of the windows with an interval of q2 (GeV^2).
    pub(super) fn windows_in(&self, low: f64, high: f64) -> Vec<(f64, f64)> {
        let parts = self.windows().iter().map(|(a, b)| (a.max(low), b.min(high)));
        parts.filter(|(a, b)| a < b).collect()
    }

    /// This density of events that a detector keeps, normalised over simulated events that it kept.
    #[must_use]
    pub fn with_simulation(mut self, simulation: Simulation) -> Self {
        self.normalisation = self.normalisation.with_simulation(simulation);
        self
    }

    /// Normalisation of the density, as a function of the shifts.
    pub const fn normalisation(&self) -> &Normalisation {
        &self.normalisation
    }

    /// The factor by which [`EventFamily::terms`] scales an event.
    pub(super) fn scale(&self, events: &EventBatch, row: usize) -> Result<f64, InferError> {
        self.terms(events, row, 0, &mut vec![0.0; self.normalisation.form.terms()])
    }

    /// An event's rate over the total one of its K pi mass, at the decay's own shifts, without an S-wave whose strength is not
    /// fixed.
    pub(super) fn rate(&self, events: &EventBatch, row: usize) -> Result<f64, InferError> {
        let mut terms = vec![0.0; self.normalisation.form.terms()];
        let scale = self.terms(events, row, 0, &mut terms)?;
        Ok(terms[0] * scale / self.density.total(self.mass(events, row)).constant())
    }

    /// Whether each event lies inside windows and phase space, where there is a density: measured ones may not.
    pub fn holds(&self, events: &EventBatch) -> Vec<bool> {
        let inside = |row: usize| self.scale(events, row).is_ok();
        (0..events.len()).into_par_iter().map(inside).collect()
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
