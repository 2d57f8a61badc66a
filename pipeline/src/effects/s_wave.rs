//! K* and S-wave together: events of the K* and of a table of the S-wave, of which as many are kept as their rates say.
//!
//! The rate of both with their interference is at most twice the sum of the rates alone, whatever the phases.

use std::f64::consts::PI;

use humboldt_physics::convention::DecayVariables;
use humboldt_physics::density::MassWeight;
use humboldt_physics::{Decay, LineShape, SWave};

use crate::PipelineError;
use crate::generate::{EventSampler, GenerationReport, Signal};
use crate::rng::Draws;

/// Cells of the table in each window of q2, and in the K pi mass.
const CELLS: usize = 48;
/// By how much the bound of a cell lies above its corners and its middle.
const MARGIN: f64 = 1.15;
/// Largest density in the lepton's cosine against that of a flat one: `3/4 sin^2 theta_l`.
const PEAK: f64 = 1.5;

/// K* and S-wave.
#[derive(Debug, Clone)]
pub(super) struct Mixture {
    s_wave: SWave,
    decay: Decay,
    weight: MassWeight,
    windows: Vec<(f64, f64)>,
    /// Cells in the K pi mass.
    masses: usize,
    /// By window, q2 and K pi mass.
    cells: Vec<Cell>,
    /// Sums of the cells' integrals up to each.
    sums: Vec<f64>,
    /// Part of the candidates that come from the cells.
    part: f64,
}

/// A cell with a bound on the S-wave's rate.
#[derive(Debug, Clone, Copy)]
struct Cell {
    q2: [f64; 2],
    m_kpi: [f64; 2],
    bound: f64,
}

impl Mixture {
    /// Of a decay's K*, that a sampler draws.
    ///
    /// # Errors
    /// Where the windows hold no S-wave.
    pub(super) fn new(
        s_wave: SWave,
        sampler: &EventSampler,
        decay: &Decay,
        line_shape: LineShape,
    ) -> Result<Self, PipelineError> {
        let weight = MassWeight::new(decay, line_shape);
        let (lightest, heaviest) = weight.range();
        let masses = if lightest < heaviest { CELLS } else { 1 };
        let rate = |q2: f64, m_kpi: f64| {
            let event = DecayVariables { q2, cos_theta_l: 0.0, cos_theta_k: 0.0, chi: 0.0, m_kpi };
            // Where the cosine is 0 the density is `3/4` of the rate's, over 4 pi.
            let [_, s, _] = s_wave.rates(decay, &event);
            weight.at(m_kpi) * s * 4.0 * PI / 0.75
        };
        let at = |low: f64, high: f64, i: usize, n: usize| low + (high - low) * i as f64 / n as f64;
        let mut cells = Vec::new();
        let mut sums = Vec::new();
        let mut sum = 0.0;
        for (low, high) in sampler.windows() {
            for (i, j) in (0..CELLS).flat_map(|i| (0..masses).map(move |j| (i, j))) {
                let q2 = [at(*low, *high, i, CELLS), at(*low, *high, i + 1, CELLS)];
                let m_kpi = [at(lightest, heaviest, j, masses), at(lightest, heaviest, j + 1, masses)];
                let middle = |[a, b]: [f64; 2]| 0.5 * (a + b);
                let corners = q2.into_iter().flat_map(|q2| m_kpi.map(|m| (q2, m)));
                let places = corners.chain([(middle(q2), middle(m_kpi))]);
                let bound = MARGIN * places.map(|(q2, m)| rate(q2, m)).fold(0.0, f64::max);
                let width = if masses == 1 { 1.0 } else { m_kpi[1] - m_kpi[0] };
                sum += PEAK * bound * (q2[1] - q2[0]) * width;
                sums.push(sum);
                cells.push(Cell { q2, m_kpi, bound });
            }
        }
        let whole = sampler.fraction_in_window();
        if sum <= 0.0 || !sum.is_finite() {
            return Err(PipelineError::out_of_range("s_wave", sum, "a rate in the windows of q2"));
        }
        let windows = sampler.windows().to_vec();
        Ok(Self { s_wave, decay: *decay, weight, windows, masses, cells, part: sum / (sum + whole), sums })
    }

    /// One candidate; `None` where it is rejected.
    pub(super) fn draw(
        &self,
        signal: &mut Signal<'_>,
        draws: &mut Draws,
        report: &mut GenerationReport,
    ) -> Option<DecayVariables> {
        let event = if draws.uniform() < self.part { self.candidate(draws) } else { signal.next() };
        let weight = self.weight.at(event.m_kpi);
        let [p, s, both] = self.s_wave.rates(&self.decay, &event).map(|rate| rate * weight);
        let bound = self.bound(&event) * PEAK / (8.0 * PI);
        report.over_weights += u64::from(s > bound * (1.0 + 1e-9));
        (draws.uniform() * 2.0 * (p + bound) < both).then_some(event)
    }

    fn candidate(&self, draws: &mut Draws) -> DecayVariables {
        let whole = self.sums[self.sums.len() - 1];
        let wanted = draws.uniform() * whole;
        let cell = self.cells[self.sums.partition_point(|sum| *sum <= wanted).min(self.cells.len() - 1)];
        let mut between = |[low, high]: [f64; 2]| low + (high - low) * draws.uniform();
        DecayVariables {
            q2: between(cell.q2),
            cos_theta_l: between([-1.0, 1.0]),
            cos_theta_k: between([-1.0, 1.0]),
            chi: between([-PI, PI]),
            m_kpi: between(cell.m_kpi),
        }
    }

    /// The bound on the S-wave's rate in the cell of an event.
    fn bound(&self, event: &DecayVariables) -> f64 {
        let place = |x: f64, low: f64, high: f64, n: usize| {
            let part = if high > low { (x - low) / (high - low) } else { 0.0 };
            ((part * n as f64) as usize).min(n - 1)
        };
        let (q2, (lightest, heaviest)) = (event.q2, self.weight.range());
        let window = self.windows.partition_point(|(_, high)| *high < q2).min(self.windows.len() - 1);
        let (low, high) = self.windows[window];
        let (i, j) = (place(q2, low, high, CELLS), place(event.m_kpi, lightest, heaviest, self.masses));
        self.cells[(window * CELLS + i) * self.masses + j].bound
    }
}
