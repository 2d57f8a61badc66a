//! The rate's expansion in shifts at one K pi mass, tabulated in q2: fifteen times faster than the amplitudes.
//!
//! Between the points where the amplitudes are not smooth they behave as a square root at most. Each such interval is
//! halved, and each half interpolated by cubics in the square root of the distance from its end. Steps are halved until
//! the error in the middle of all of them is below [`AngularTable::TOLERANCE`] of the rate.

use humboldt_physics::quadratic::{count, place};
use humboldt_physics::{AngularCoefficients, Decay, WilsonDirection};

/// `J_1s..J_9` (LHCb convention) in [`AngularCoefficients::ORDER`].
pub(super) type Angular = [f64; 12];

/// Fewest and most steps of a half interval.
const STEPS: (usize, usize) = (8, 1 << 13);

/// Expansions of `J_1s..J_9` on a grid in q2.
#[derive(Debug, Clone)]
pub(super) struct AngularTable {
    halves: Vec<Half>,
    shifts: usize,
    monomials: usize,
    error: f64,
}

/// From `low` to `high` (GeV^2), with the nodes at `low + width (k/steps)^2`, or at `high - width (k/steps)^2`.
#[derive(Debug, Clone)]
struct Half {
    low: f64,
    high: f64,
    at_low: bool,
    width: f64,
    steps: usize,
    /// Node by node, monomial by monomial.
    nodes: Vec<Angular>,
}

impl AngularTable {
    /// Largest error of any coefficient, relative to the rate that goes with its monomial.
    pub(super) const TOLERANCE: f64 = 1e-6;

    /// Of a decay at a K pi mass (GeV) in windows of q2 (GeV^2).
    pub(super) fn new(
        decay: &Decay,
        directions: &[WilsonDirection],
        m_kpi: f64,
        windows: &[(f64, f64)],
    ) -> Self {
        let monomials = count(directions.len());
        let mut table = Self { halves: Vec::new(), shifts: directions.len(), monomials, error: 0.0 };
        for (q2_min, q2_max) in windows {
            let (low, high) = (q2_min.max(decay.q2_min()), q2_max.min(decay.q2_max(m_kpi)));
            if low >= high {
                continue;
            }
            let mut edges = decay.q2_breaks(low, high);
            edges.insert(0, low);
            edges.push(high);
            for piece in edges.windows(2) {
                let middle = 0.5 * (piece[0] + piece[1]);
                for (low, high, at_low) in [(piece[0], middle, true), (middle, piece[1], false)] {
                    let half = Half { low, high, at_low, width: high - low, steps: 0, nodes: Vec::new() };
                    let end = half.end();
                    let phase_space = [decay.q2_min(), decay.q2_max(m_kpi)];
                    table.add(half, |q2, at_end| {
                        // The rate vanishes at the ends of phase space, and may jump at all others.
                        let vanishes = at_end && phase_space.contains(&end);
                        let terms = if vanishes { None } else { decay.expansion(q2, m_kpi, directions) };
                        terms.map_or_else(
                            || vec![[0.0; 12]; monomials],
                            |terms| terms.terms().iter().map(AngularCoefficients::as_array).collect(),
                        )
                    });
                }
            }
        }
        table
    }

    /// The largest error that was found, relative to the rate.
    pub(super) const fn error(&self) -> f64 {
        self.error
    }

    fn add(&mut self, mut half: Half, at: impl Fn(f64, bool) -> Vec<Angular>) {
        let n = self.monomials;
        half.steps = STEPS.0;
        half.nodes = (0..=half.steps).flat_map(|k| at(half.q2(k as f64), k == 0)).collect();
        loop {
            let middles: Vec<Vec<Angular>> =
                (0..half.steps).map(|k| at(half.q2(k as f64 + 0.5), false)).collect();
            let error = (middles.iter().enumerate())
                .map(|(k, exact)| relative_error(self.shifts, exact, &half.interpolated(k as f64 + 0.5, n)))
                .fold(0.0, f64::max);
            // The middles are known now: with them the error is a sixteenth.
            let nodes = std::mem::take(&mut half.nodes);
            let mut all = Vec::with_capacity(2 * nodes.len());
            for (k, node) in nodes.chunks(n).enumerate() {
                all.extend_from_slice(node);
                all.extend(middles.get(k).into_iter().flatten());
            }
            half.nodes = all;
            half.steps *= 2;
            if error < Self::TOLERANCE || half.steps >= STEPS.1 {
                self.error = self.error.max(error);
                break;
            }
        }
        self.halves.push(half);
    }

    /// The four-fold rate at `q2` (GeV^2) for given functions of the angles: coefficients of the monomials, into `out`;
    /// whether `q2` lies in the table.
    pub(super) fn density(&self, q2: f64, functions: &Angular, out: &mut [f64]) -> bool {
        let half = self.halves.partition_point(|half| half.high < q2);
        let Some(half) = self.halves.get(half).filter(|half| q2 >= half.low) else { return false };
        let (first, weights) = half.stencil(half.position(q2));
        let n = self.monomials;
        let nodes = &half.nodes[first * n..(first + 4) * n];
        for (m, out) in out.iter_mut().enumerate() {
            let mut sum = [0.0; 12];
            for (weight, j) in weights.iter().zip(nodes.iter().skip(m).step_by(n)) {
                sum.iter_mut().zip(j).for_each(|(sum, j)| *sum += weight * j);
            }
            *out = sum.iter().zip(functions).map(|(j, f)| j * f).sum();
        }
        true
    }
}

impl Half {
    const fn end(&self) -> f64 {
        if self.at_low { self.low } else { self.high }
    }

    /// The point `position` steps from the end, a few roundings inside.
    fn q2(&self, position: f64) -> f64 {
        let fraction = position / self.steps as f64;
        let inside = 8.0 * f64::EPSILON * self.end();
        let distance = (self.width * fraction * fraction).max(inside);
        if self.at_low { self.low + distance } else { self.high - distance }
    }

    fn position(&self, q2: f64) -> f64 {
        ((q2 - self.end()).abs() / self.width).sqrt() * self.steps as f64
    }

    /// The first of four nodes and their weights.
    fn stencil(&self, position: f64) -> (usize, [f64; 4]) {
        let first = (position as usize).clamp(1, self.steps - 2) - 1;
        let x = position - (first + 1) as f64;
        let (a, b, c) = (x + 1.0, x - 1.0, x - 2.0);
        (first, [-x * b * c / 6.0, a * b * c / 2.0, -a * x * c / 2.0, a * x * b / 6.0])
    }

    fn interpolated(&self, position: f64, n: usize) -> Vec<Angular> {
        let (first, weights) = self.stencil(position);
        let at = |m: usize| {
            std::array::from_fn(|i| (0..4).map(|k| weights[k] * self.nodes[(first + k) * n + m][i]).sum())
        };
        (0..n).map(at).collect()
    }
}

/// The largest difference of coefficients, in units of the rate: of a product of two amplitudes the root of their rates.
fn relative_error(n: usize, exact: &[Angular], got: &[Angular]) -> f64 {
    let rate = |j: &Angular| AngularCoefficients::from_array(*j).rate();
    let own = rate(&exact[0]);
    let square = |i: usize| rate(&exact[place(n, i, i)]);
    let mut scales = vec![own];
    scales.extend((0..n).map(|i| (own * square(i)).sqrt()));
    for i in 0..n {
        scales.extend((i..n).map(|j| (square(i) * square(j)).sqrt()));
    }
    let difference =
        |(a, b): (&Angular, &Angular)| a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
    (exact.iter().zip(got).map(difference).zip(scales))
        .filter(|(_, scale)| *scale > 0.0)
        .map(|(difference, scale)| difference / scale)
        .fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use humboldt_physics::angular::angular_functions;
    use humboldt_physics::charmonium::Charmonium;
    use humboldt_physics::{Flavour, Lepton, ModelName, Parameters, WilsonCoefficient, WilsonShifts};

    use super::*;

    #[test]
    fn table_agrees_with_the_amplitudes_to_the_stated_error() {
        let directions = [WilsonCoefficient::C9, WilsonCoefficient::C10].map(WilsonDirection::real);
        for (model, lepton, window) in [
            (ModelName::Npr, Lepton::Muon, (0.1, 19.2)),
            (ModelName::Npr, Lepton::Electron, (0.0, 30.0)),
            (ModelName::Full, Lepton::Muon, (1.1, 19.0)),
            (ModelName::Nnlo, Lepton::Muon, (1.1, 19.0)),
        ] {
            let mut decay = Decay::new(model, Flavour::B0bar, lepton, &WilsonShifts::default()).unwrap();
            if model == ModelName::Nnlo {
                let charmonium = Charmonium::new(Parameters::standard()).unwrap();
                decay = decay.with_charmonium(&charmonium).unwrap();
            }
            let table = AngularTable::new(&decay, &directions, 0.89555, &[window]);
            assert!(table.error() < AngularTable::TOLERANCE, "{model} {lepton}: {}", table.error());
            let (low, high) = (decay.q2_min().max(window.0), decay.q2_max(0.89555).min(window.1));
            let f = angular_functions(0.3, -0.4, 1.9);
            for k in 1..2000 {
                let q2 = low * (high / low).powf(f64::from(k) / 2000.0);
                let mut got = [0.0; 6];
                assert!(table.density(q2, &f, &mut got));
                let exact = decay.expansion(q2, 0.89555, &directions).unwrap();
                let want: Vec<f64> = exact.terms().iter().map(|j| j.dot(&f)).collect();
                let error = got.iter().zip(&want).map(|(a, b)| (a - b).abs() / want[0]).fold(0.0, f64::max);
                assert!(error < AngularTable::TOLERANCE, "{model} {lepton} q2 = {q2}: {error:e}");
            }
            assert!(
                !table.density(high + 0.1, &f, &mut [0.0; 6]) && !table.density(0.5 * low, &f, &mut [0.0; 6])
            );
        }
    }
}
