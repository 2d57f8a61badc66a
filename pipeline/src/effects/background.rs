//! Background: particles that do not belong together, exchanged hadrons, B -> J/psi K* and B -> psi(2S) K*.

use std::f64::consts::PI;

use humboldt_physics::background::{CharmoniumPeak, crystal_ball};
use humboldt_physics::convention::{DecayVariables, lhcb_momenta, lhcb_variables};
use humboldt_physics::kinematics::FourMomentum;
use humboldt_physics::{AngularCoefficients, Decay, LineShape, Parameters};
use humboldt_schemas::card::{BackgroundCard, Selection, polynomial};
use humboldt_schemas::events::COMPONENTS;

use super::Made;
use super::curve::Curve;
use crate::PipelineError;
use crate::rng::Draws;

/// Candidates of one event, at most.
const TRIES: usize = 10_000;

/// Backgrounds of a card.
#[derive(Debug, Clone)]
pub(super) struct Background {
    /// Sums of the parts of all events, in the order of [`COMPONENTS`].
    sums: [f64; COMPONENTS.len()],
    decay: Decay,
    /// K pi masses (GeV) that events may have.
    masses: [f64; 2],
    /// q2, cosines and chi of particles that do not belong together.
    combinatorial: [Curve; 4],
    /// The K pi mass of K*.
    line: Option<Curve>,
    /// J/psi and psi(2S).
    peaks: Vec<Option<Peak>>,
    /// Range of the mass of all four particles (GeV), where a detector measures it, and its resolution.
    m_b: Option<([f64; 2], f64)>,
}

/// Events of a narrow vector in windows of q2.
#[derive(Debug, Clone)]
struct Peak {
    q2: Curve,
    angles: AngularCoefficients,
    /// Largest density in the angles.
    largest: f64,
}

impl Background {
    /// The background of a card in windows of q2 (GeV^2), of what a selection keeps, else of all masses that the line shape
    /// has.
    ///
    /// # Errors
    /// Where a window has no part of what is asked for.
    pub(super) fn new(
        card: &BackgroundCard,
        windows: &[(f64, f64)],
        decay: &Decay,
        line_shape: LineShape,
        selection: Option<Selection>,
    ) -> Result<Self, PipelineError> {
        let (low, high) = decay.resonance().range(line_shape);
        let masses = match selection.map(|selection| selection.m_kpi) {
            Some([least, most]) if line_shape == LineShape::BreitWigner => [least.max(low), most.min(high)],
            _ => [low, high],
        };
        let empty = |name: &str| {
            PipelineError::out_of_range(
                &format!("background.{name}"),
                "nothing",
                "events in the windows of q2",
            )
        };
        let [q2, l, k, chi] = card.shape.factors();
        let curve = |ranges: &[(f64, f64)], factor: &[f64]| {
            Curve::new(ranges, |x| polynomial(factor, x)).ok_or_else(|| empty("shape"))
        };
        let cosine = [(-1.0, 1.0)];
        let combinatorial =
            [curve(windows, q2)?, curve(&cosine, l)?, curve(&cosine, k)?, curve(&[(-PI, PI)], chi)?];
        let line = Curve::new(&[(masses[0], masses[1])], |m| decay.resonance().density(m));
        let peak = |(kind, part, name): (CharmoniumPeak, f64, &str)| {
            if part <= 0.0 {
                return Ok(None);
            }
            let mass = kind.mass(Parameters::standard())?;
            let shape = |q2: f64| {
                let m = q2.sqrt();
                crystal_ball((m - mass) / card.width, card.tail) / (2.0 * m)
            };
            let angles = kind.angles(decay, Parameters::standard())?;
            let q2 = Curve::new(windows, shape).ok_or_else(|| empty(name))?;
            Ok(Some(Peak { q2, angles, largest: largest(&angles) }))
        };
        let kinds =
            [(CharmoniumPeak::JPsi, card.j_psi, "j_psi"), (CharmoniumPeak::Psi2S, card.psi_2s, "psi_2s")];
        let peaks = kinds.into_iter().map(peak).collect::<Result<_, PipelineError>>()?;
        let mut sum = 0.0;
        let sums = card.parts().map(|part| {
            sum += part;
            sum
        });
        let m_b = selection.map(|selection| (selection.m_b, card.width));
        Ok(Self { sums, decay: *decay, masses, combinatorial, line, peaks, m_b })
    }

    /// One event, which is signal by a part of all; `None` where none was found, so that another is drawn.
    pub(super) fn draw(&self, draws: &mut Draws, mut signal: impl FnMut(&mut Draws) -> Made) -> Option<Made> {
        let part = draws.uniform();
        let component = self.sums.iter().zip(0_u8..).find(|(sum, _)| part < **sum).map_or(0, |(_, i)| i);
        let event = match component {
            0 => return Some(signal(draws)),
            1 => self.unrelated(draws),
            2 => (0..TRIES).find_map(|_| {
                let truth = signal(draws).truth;
                Some((self.exchanged(&truth)?, truth))
            }),
            _ => self.peaks[usize::from(component - 3)].as_ref().and_then(|peak| self.peaking(peak, draws)),
        };
        let (event, truth) = event?;
        Some(Made { event, truth, component, m_b: self.m_b(component, draws), swapped: component == 2 })
    }

    /// The mass of all four particles: flat where they do not belong together, else a Gaussian.
    fn m_b(&self, component: u8, draws: &mut Draws) -> f64 {
        let pole = self.decay.m_b_meson();
        match self.m_b {
            None => pole,
            Some(([low, high], _)) if component == 1 => low + (high - low) * draws.uniform(),
            Some(([low, high], width)) => (pole + width * draws.normals()[0]).clamp(low, high),
        }
    }

    /// Particles that do not belong together: each variable by itself, the K pi mass flat as far as q2 leaves it.
    fn unrelated(&self, draws: &mut Draws) -> Option<(DecayVariables, DecayVariables)> {
        let [low, high] = self.masses;
        (0..TRIES).find_map(|_| {
            let [q2, cos_theta_l, cos_theta_k, chi] =
                std::array::from_fn(|i| self.combinatorial[i].place(draws.uniform()));
            let m_kpi = low + (high - low) * draws.uniform();
            let event = DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi };
            self.holds(&event).then_some((event, event))
        })
    }

    /// A decay whose kaon is taken for a pion, and its pion for a kaon.
    fn exchanged(&self, truth: &DecayVariables) -> Option<DecayVariables> {
        let masses = self.decay.masses();
        let momenta = lhcb_momenta(self.decay.flavour(), &masses, truth).ok()?;
        let kaon = FourMomentum::on_shell(masses.kaon, momenta.pion.p);
        let pion = FourMomentum::on_shell(masses.pion, momenta.kaon.p);
        let flavour = self.decay.flavour().conjugate();
        let event = lhcb_variables(flavour, momenta.l_minus, momenta.l_plus, kaon, pion);
        self.holds(&event).then_some(event)
    }

    fn peaking(&self, peak: &Peak, draws: &mut Draws) -> Option<(DecayVariables, DecayVariables)> {
        (0..TRIES).find_map(|_| {
            let q2 = peak.q2.place(draws.uniform());
            let mut cosine = || 2.0 * draws.uniform() - 1.0;
            let (cos_theta_l, cos_theta_k, chi) = (cosine(), cosine(), PI * cosine());
            let kept = draws.uniform() * peak.largest < peak.angles.density(cos_theta_l, cos_theta_k, chi);
            let m_kpi = self.line.as_ref().map_or(self.masses[0], |line| line.place(draws.uniform()));
            let event = DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi };
            (kept && self.holds(&event)).then_some((event, event))
        })
    }

    /// Whether an event has an allowed K pi mass and lies inside phase space.
    fn holds(&self, event: &DecayVariables) -> bool {
        let [low, high] = self.masses;
        // A narrow K* has one mass, and exchanged hadrons have others.
        let (low, high) =
            if low < high { (low, high) } else { self.decay.resonance().range(LineShape::BreitWigner) };
        (low..=high).contains(&event.m_kpi)
            && event.q2 > self.decay.q2_min()
            && event.q2 < self.decay.q2_max(event.m_kpi)
            && event.chi.is_finite()
    }
}

/// The largest density in the angles, with a margin for what lies between the points.
fn largest(angles: &AngularCoefficients) -> f64 {
    const STEPS: u32 = 40;
    let place = |i: u32| 2.0 * f64::from(i % (STEPS + 1)) / f64::from(STEPS) - 1.0;
    let n = STEPS + 1;
    let at = |i: u32| angles.density(place(i), place(i / n), PI * place(i / n / n));
    1.02 * (0..n.pow(3)).map(at).fold(0.0, f64::max)
}
