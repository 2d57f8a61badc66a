//! Rates of K* and S-wave between nodes in q2 and the K pi mass: near enough to decide most candidates, whose amplitudes are then not needed.
//!
//! How far they may be off is measured in each cell at a few places and angles, and doubled. A candidate whose fate is not clear by more than
//! that is left to the exact rates, so that events are those that exact rates alone would choose.

use std::f64::consts::PI;

use humboldt_physics::convention::DecayVariables;
use humboldt_physics::s_wave::RatesAt;
use humboldt_physics::{Decay, SWave};
use rayon::prelude::*;

/// Cells in each window of q2, denser at its lower end, and in the K pi mass.
const CELLS: [usize; 2] = [48, 64];

/// Directions at which a cell is looked at, and places in it.
const DIRECTIONS: usize = 16;
const PLACES: [[f64; 2]; 3] = [[0.5, 0.5], [0.25, 0.75], [0.75, 0.25]];

/// Error of a probability that is taken for granted everywhere.
const LEAST: f64 = 1e-3;

/// Error from which on a cell is of no use.
const MOST: f64 = 0.2;

/// Rates between nodes.
#[derive(Debug, Clone)]
pub(super) struct Interpolated {
    windows: Vec<(f64, f64)>,
    masses: (f64, f64),
    /// Cells in the mass; 1 where it is fixed.
    columns: usize,
    /// By window, q2 and mass; none outside phase space.
    nodes: Vec<Option<RatesAt>>,
    /// Largest error of the probability in each cell; infinite where the cell is of no use.
    errors: Vec<f64>,
}

/// Place of an event in a cell.
struct Place {
    window: usize,
    cell: [usize; 2],
    part: [f64; 2],
}

impl Interpolated {
    /// Of K* and S-wave of a decay in windows of q2 (GeV^2) for a range of K pi masses (GeV). `probability` has of an event with its three rates what
    /// a candidate is decided by, between 0 and 1.
    pub(super) fn new(
        s_wave: &SWave,
        decay: &Decay,
        windows: &[(f64, f64)],
        masses: (f64, f64),
        probability: impl Fn(&DecayVariables, [f64; 3]) -> [f64; 2] + Sync,
    ) -> Self {
        let columns = if masses.0 < masses.1 { CELLS[1] } else { 1 };
        let mut own =
            Self { windows: windows.to_vec(), masses, columns, nodes: Vec::new(), errors: Vec::new() };
        let (rows, width) = (CELLS[0] + 1, columns + 1);
        own.nodes = (0..windows.len() * rows * width)
            .into_par_iter()
            .map(|at| {
                let place = Place {
                    window: at / (rows * width),
                    cell: [at / width % rows, at % width],
                    part: [0.0; 2],
                };
                let [q2, m_kpi] = own.point(&place);
                s_wave.rates_at(decay, q2, m_kpi)
            })
            .collect();
        let error = |window: usize, cell: [usize; 2]| {
            let mut most = 0.0_f64;
            for part in PLACES {
                let place = Place { window, cell, part };
                let [q2, m_kpi] = own.point(&place);
                let (Some(near), Some(exact)) = (own.between(&place), s_wave.rates_at(decay, q2, m_kpi))
                else {
                    return f64::INFINITY;
                };
                for i in 0..DIRECTIONS {
                    // Multiples of irrational numbers fill a cube evenly.
                    let along = |step: f64| 2.0 * ((i as f64 + 0.5) * step).fract() - 1.0;
                    let event = DecayVariables {
                        q2,
                        cos_theta_l: along(0.819_172_513),
                        cos_theta_k: along(0.671_043_607),
                        chi: PI * along(0.549_700_478),
                        m_kpi,
                    };
                    let [near, exact] = [near, exact].map(|of| probability(&event, of.rates(&event)));
                    most = near.iter().zip(exact).fold(most, |most, (a, b)| most.max((a - b).abs()));
                }
            }
            let error = 2.0 * most + LEAST;
            if error < MOST { error } else { f64::INFINITY }
        };
        own.errors = (0..windows.len() * CELLS[0] * columns)
            .into_par_iter()
            .map(|at| error(at / (CELLS[0] * columns), [at / columns % CELLS[0], at % columns]))
            .collect();
        own
    }

    /// The rates at an event, and the error of what follows from them; `None` where they cannot be told.
    pub(super) fn at(&self, event: &DecayVariables) -> Option<(RatesAt, f64)> {
        let place = self.place(event.q2, event.m_kpi)?;
        let error = self.errors[(place.window * CELLS[0] + place.cell[0]) * self.columns + place.cell[1]];
        if error.is_infinite() {
            return None;
        }
        Some((self.between(&place)?, error))
    }

    fn place(&self, q2: f64, m_kpi: f64) -> Option<Place> {
        let window = self.windows.iter().position(|(low, high)| (*low..=*high).contains(&q2))?;
        let (low, high) = self.windows[window];
        let split = |place: f64, cells: usize| {
            let cell = (place as usize).min(cells - 1);
            (cell, place - cell as f64)
        };
        let (row, along) = split(((q2 - low) / (high - low)).sqrt() * CELLS[0] as f64, CELLS[0]);
        let (lightest, heaviest) = self.masses;
        let (column, across) = if self.columns == 1 {
            (0, 0.0)
        } else {
            split((m_kpi - lightest) / (heaviest - lightest) * self.columns as f64, self.columns)
        };
        Some(Place { window, cell: [row, column], part: [along, across] })
    }

    /// q2 (GeV^2) and K pi mass (GeV) of a place.
    fn point(&self, place: &Place) -> [f64; 2] {
        let (low, high) = self.windows[place.window];
        let (lightest, heaviest) = self.masses;
        let [row, column] = [0, 1].map(|axis| place.cell[axis] as f64 + place.part[axis]);
        [
            (high - low).mul_add((row / CELLS[0] as f64).powi(2), low),
            (heaviest - lightest).mul_add(column / self.columns as f64, lightest),
        ]
    }

    fn between(&self, place: &Place) -> Option<RatesAt> {
        let [row, column] = place.cell;
        let [along, across] = place.part;
        let node = |i: usize, j: usize| {
            self.nodes[(place.window * (CELLS[0] + 1) + row + i) * (self.columns + 1) + column + j]
        };
        let at = |j: usize| Some(node(0, j)? * (1.0 - along) + node(1, j)? * along);
        if self.columns == 1 { at(0) } else { Some(at(0)? * (1.0 - across) + at(1)? * across) }
    }
}
