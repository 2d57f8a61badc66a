//! Background: particles that do not belong together, exchanged hadrons, B -> J/psi K* and B -> psi(2S) K*.

use std::f64::consts::PI;

use humboldt_physics::background::{CharmoniumPeak, crystal_ball};
use humboldt_physics::convention::{DecayVariables, lhcb_momenta, lhcb_variables};
use humboldt_physics::kinematics::FourMomentum;
use humboldt_physics::{AngularCoefficients, Decay, LineShape, Parameters};
use humboldt_schemas::background::{BackgroundDensity, Terms, sum};
use humboldt_schemas::card::{BackgroundCard, Selection, polynomial};
use humboldt_schemas::events::COMPONENTS;

use super::Made;
use super::curve::Curve;
use crate::PipelineError;
use crate::generate::GenerationReport;
use crate::phase_space::covers;
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
    /// Their K pi mass, where it is not flat.
    of_mass: Option<Curve>,
    /// Dependence of these variables on each other.
    together: Option<Together>,
    /// The K pi mass of K*.
    line: Option<Curve>,
    /// J/psi and psi(2S).
    peaks: Vec<Option<Peak>>,
    /// Range of the mass of all four particles (GeV), where a detector measures it, and its resolution.
    m_b: Option<([f64; 2], f64)>,
}

/// Products of functions of two and more variables, in the logarithm of a density.
#[derive(Debug, Clone)]
struct Together {
    terms: Terms,
    factors: Vec<([usize; 5], f64)>,
    largest: f64,
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
        let ranges = [windows, &[(-1.0, 1.0)], &[(-1.0, 1.0)], &[(-PI, PI)]];
        let curve = |axis: usize, density: &dyn Fn(f64) -> f64| {
            Curve::new(ranges[axis], density).ok_or_else(|| empty("shape"))
        };
        let (combinatorial, of_mass, together) = match &card.smoothed {
            None => {
                let factors = card.shape.factors();
                let of = |axis: usize| curve(axis, &|x| polynomial(factors[axis], x));
                ([of(0)?, of(1)?, of(2)?, of(3)?], None, None)
            }
            Some(density) => {
                check_windows(density, windows, masses, line_shape)?;
                let (terms, [one, more]) = (density.terms(), density.apart());
                // Terms of one variable alone; the others' functions have no part in them.
                let alone = |place: usize| {
                    let own: Vec<_> = one.iter().filter(|(product, _)| product[place] > 0).copied().collect();
                    let terms = &terms;
                    move |x: f64| {
                        let mut event = [density.q2[0], 0.0, 0.0, masses[0], 0.0];
                        event[place] = x;
                        sum(&own, &terms.functions(event)).exp()
                    }
                };
                let of = |axis: usize, place: usize| curve(axis, &alone(place));
                let combinatorial = [of(0, 0)?, of(1, 1)?, of(2, 2)?, of(3, 4)?];
                let power = 1.0 + density.factor_of_line_shape();
                let polynomials = alone(3);
                let mass = |m: f64| decay.resonance().density(m).powf(power) * polynomials(m);
                let of_mass = Curve::new(&[(masses[0], masses[1])], mass);
                let together = Together { terms: terms.clone(), factors: more, largest: density.largest };
                (combinatorial, of_mass, Some(together))
            }
        };
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
        Ok(Self { sums, decay: *decay, masses, combinatorial, of_mass, together, line, peaks, m_b })
    }

    /// One event, which is signal by a part of all; `None` where none was found, so that another is drawn.
    pub(super) fn draw(
        &self,
        draws: &mut Draws,
        report: &mut GenerationReport,
        mut signal: impl FnMut(&mut Draws, &mut GenerationReport) -> Made,
    ) -> Option<Made> {
        let part = draws.uniform();
        let component = self.sums.iter().zip(0_u8..).find(|(sum, _)| part < **sum).map_or(0, |(_, i)| i);
        let event = match component {
            0 => return Some(signal(draws, report)),
            1 => self.unrelated(draws, report),
            2 => (0..TRIES).find_map(|_| {
                let truth = signal(draws, report).truth;
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

    /// Particles that do not belong together: each variable by itself, the K pi mass flat as far as q2 leaves it; or as the density of a
    /// sample has it.
    fn unrelated(
        &self,
        draws: &mut Draws,
        report: &mut GenerationReport,
    ) -> Option<(DecayVariables, DecayVariables)> {
        let [low, high] = self.masses;
        (0..TRIES).find_map(|_| {
            let [q2, cos_theta_l, cos_theta_k, chi] =
                std::array::from_fn(|i| self.combinatorial[i].place(draws.uniform()));
            let part = draws.uniform();
            let m_kpi = self.of_mass.as_ref().map_or(low + (high - low) * part, |curve| curve.place(part));
            let event = DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi };
            if !self.holds(&event) {
                return None;
            }
            if let Some(Together { terms, factors, largest }) = &self.together {
                let variables = [q2, cos_theta_l, cos_theta_k, m_kpi, chi];
                let weight = (sum(factors, &terms.functions(variables)) - largest).exp();
                report.over_weights += u64::from(weight > 1.0);
                if draws.uniform() >= weight {
                    return None;
                }
            }
            Some((event, event))
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

/// Refuses windows of q2 and K pi masses (GeV) that a density knows nothing of.
fn check_windows(
    density: &BackgroundDensity,
    windows: &[(f64, f64)],
    [low, high]: [f64; 2],
    line_shape: LineShape,
) -> Result<(), PipelineError> {
    let text = |(low, high): (f64, f64)| format!("{low}:{high}");
    let inside = |window: (f64, f64), [least, most]: [f64; 2]| covers(&[(least, most)], window);
    let known: Vec<(f64, f64)> = density.windows.iter().map(|[low, high]| (*low, *high)).collect();
    if let Some(window) = windows.iter().find(|window| !covers(&known, **window)) {
        let known: Vec<String> = known.into_iter().map(text).collect();
        let allowed = format!("windows in q2 inside {}, of which background.density is", known.join(","));
        return Err(PipelineError::out_of_range("generator.q2", text(*window), allowed));
    }
    match density.m_kpi {
        Some(known) if line_shape == LineShape::BreitWigner && inside((low, high), known) => Ok(()),
        None if line_shape == LineShape::Narrow => Ok(()),
        Some([least, most]) if line_shape == LineShape::BreitWigner => {
            let allowed = format!(
                "masses inside {}, of which background.density is (detector.selection.m_kpi)",
                text((least, most))
            );
            Err(PipelineError::out_of_range("K pi masses", text((low, high)), allowed))
        }
        known => {
            let allowed = if known.is_some() { "breit-wigner" } else { "narrow" };
            let allowed = format!("{allowed}, as background.density");
            Err(PipelineError::out_of_range("generator.line_shape", line_shape, allowed))
        }
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

#[cfg(test)]
mod tests {
    use humboldt_physics::{Flavour, Lepton, ModelName, WilsonShifts};

    use super::*;
    use crate::rng::StreamKey;

    const WINDOWS: [(f64, f64); 2] = [(1.1, 8.0), (15.0, 19.0)];
    const MASSES: [f64; 2] = [0.796, 0.996];

    fn decay() -> Decay {
        Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::STANDARD_MODEL).unwrap()
    }

    /// Terms of all sizes; a background without the K*'s peak.
    fn density(line_shape: LineShape) -> BackgroundDensity {
        let m_kpi = (line_shape == LineShape::BreitWigner).then_some(MASSES);
        let mut own = BackgroundDensity {
            windows: WINDOWS.map(|(low, high)| [low, high]).to_vec(),
            q2: [1.1, 19.0],
            m_kpi,
            order: 2,
            factors: Vec::new(),
            largest: 0.0,
            events: [1e4; 2],
        };
        let terms = own.terms().products().len();
        own.factors = (0..terms).map(|i| 0.25 * (1.7 * i as f64).sin()).collect();
        own.factors.extend(m_kpi.map(|_| -0.9));
        own.largest = own.largest_of_several();
        own.check().unwrap();
        own
    }

    fn background(density: BackgroundDensity, line_shape: LineShape) -> Result<Background, PipelineError> {
        let card =
            BackgroundCard { combinatorial: 0.999_999, smoothed: Some(density), ..BackgroundCard::default() };
        let selection = Selection { m_kpi: MASSES, m_b: [5.2, 5.3] };
        Background::new(&card, &WINDOWS, &decay(), line_shape, Some(selection))
    }

    /// Means of all terms over drawn events against those of points that fill all variables evenly, weighted by the density.
    #[test]
    fn events_follow_the_density_of_a_sample() {
        const EVENTS: usize = 150_000;
        for line_shape in LineShape::ALL {
            let own = density(line_shape);
            let background = background(own.clone(), line_shape).unwrap();
            let (terms, decay) = (own.terms(), decay());
            let n = terms.products().len();
            let mut draws = Draws::new(StreamKey::new(5).block(0));
            let mut report = GenerationReport::default();
            let mut sums = vec![[0.0; 2]; n];
            for _ in 0..EVENTS {
                let (event, _) = background.unrelated(&mut draws, &mut report).unwrap();
                let at = [event.q2, event.cos_theta_l, event.cos_theta_k, event.m_kpi, event.chi];
                for (sum, x) in sums.iter_mut().zip(terms.at(at)) {
                    *sum = [sum[0] + x, sum[1] + x * x];
                }
            }
            assert_eq!(report.over_weights, 0);
            let (mut all, mut expected) = (0.0, vec![0.0; n]);
            let lengths = WINDOWS.map(|(low, high)| high - low);
            for i in 0..1_000_000_u32 {
                let part = |step: f64| (0.5 + f64::from(i) * step).fract();
                // Powers of the inverse root of x^6 = x + 1.
                let [a, b, c, d, e] =
                    [1, 2, 3, 4, 5].map(|power| part(1.134_724_138_401_519_5_f64.powi(-power)));
                let along = a * (lengths[0] + lengths[1]);
                let q2 =
                    if along < lengths[0] { WINDOWS[0].0 + along } else { WINDOWS[1].0 + along - lengths[0] };
                let [low, high] = background.masses;
                let m_kpi = low + e * (high - low);
                if q2 >= decay.q2_max(m_kpi) {
                    continue;
                }
                let at = [q2, 2.0 * b - 1.0, 2.0 * c - 1.0, m_kpi, PI * (2.0 * d - 1.0)];
                let values: Vec<f64> = terms.at(at).collect();
                let tilt: f64 = values.iter().zip(&own.factors).map(|(x, factor)| x * factor).sum();
                let line = decay.resonance().density(m_kpi);
                let weight = tilt.exp() * if own.m_kpi.is_some() { line.powf(1.0 - 0.9) } else { 1.0 };
                all += weight;
                expected.iter_mut().zip(&values).for_each(|(sum, x)| *sum += weight * x);
            }
            let events = EVENTS as f64;
            for ((sum, expected), product) in sums.iter().zip(&expected).zip(terms.products()) {
                let (mean, expected) = (sum[0] / events, expected / all);
                let sigma = ((sum[1] / events - mean * mean) / events).sqrt();
                assert!(
                    (mean - expected).abs() < 4.5 * sigma + 2e-4,
                    "{line_shape} {product:?}: {mean} {expected} +- {sigma}"
                );
            }
        }
    }

    #[test]
    fn a_density_of_other_events_is_refused() {
        let said = |edit: &dyn Fn(&mut BackgroundDensity), line_shape: LineShape, of: LineShape| {
            let mut own = density(of);
            edit(&mut own);
            background(own, line_shape).map(|_| ()).unwrap_err().to_string()
        };
        let (wide, narrow) = (LineShape::BreitWigner, LineShape::Narrow);
        let short = said(&|own| own.windows[0][1] = 6.0, wide, wide);
        assert!(
            short.contains("generator.q2 = 1.1:8 is not allowed; allowed: windows in q2 inside 1.1:6,15:19"),
            "{short}"
        );
        let light = said(&|own| own.m_kpi = Some([0.85, 0.95]), wide, wide);
        assert!(light.contains("0.796:0.996 is not allowed; allowed: masses inside 0.85:0.95"), "{light}");
        assert!(said(&|_| (), wide, narrow).contains("generator.line_shape"));
        assert!(said(&|_| (), narrow, wide).contains("generator.line_shape"));
    }
}
