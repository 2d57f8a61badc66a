//! Events as a sample has them: with an S-wave, an acceptance, a detector and background, one after another.
//!
//! Each block of events has a random stream of its own for what is drawn here, beside that of the sampler of the K*. An
//! event is first chosen to be signal or one of the backgrounds. Signal is drawn until it is accepted and measured.

mod background;
mod curve;
mod s_wave;
mod table;

use humboldt_physics::convention::DecayVariables;
use humboldt_physics::{Decay, Efficiency, LineShape};
use humboldt_schemas::card::{AcceptanceCard, DetectorCard, Effects};
use rayon::prelude::*;

use self::background::Background;
use self::s_wave::Mixture;
pub use self::table::measured_schema;
use crate::detector::{Detector, One};
use crate::generate::{EventSampler, GenerationReport, Signal};
use crate::rng::{BLOCK, Draws, StreamKey};
use crate::{EventBatch, PipelineError};

/// Effects of one card on the events of one decay.
#[derive(Debug, Clone)]
pub(crate) struct Stage {
    s_wave: Option<Mixture>,
    /// With the largest value that it has, and a margin.
    acceptance: Option<(Efficiency, f64)>,
    detector: Option<Detector>,
    background: Option<Background>,
    /// In q2 (GeV^2).
    windows: Vec<(f64, f64)>,
    /// Mass of the B in GeV.
    m_b: f64,
}

/// Events as a sample has them, with what they were. Without effects all but `events` is empty: they are what they were.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MeasuredEvents {
    /// As they are measured.
    pub events: EventBatch,
    /// As they were; background that has no such values has its measured ones.
    pub truth: EventBatch,
    /// Places in [`humboldt_schemas::events::COMPONENTS`].
    pub component: Vec<u8>,
    /// Mass of all four particles in GeV, where a detector measures it; else that of the B.
    pub m_b: Vec<f32>,
    /// Whether a detector took kaon and pion for each other.
    pub swapped: Vec<bool>,
}

/// One event of a sample.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Made {
    pub(crate) event: DecayVariables,
    pub(crate) truth: DecayVariables,
    pub(crate) component: u8,
    pub(crate) m_b: f64,
    pub(crate) swapped: bool,
}

/// Signal events that are tried before effects are used, and the fewest that must be left.
const TRIES: usize = 2 * BLOCK;
const FEWEST: usize = 8;

impl Stage {
    /// The effects of a card; `sampler` draws the events of the K* alone.
    ///
    /// # Errors
    /// For numbers that physics or detector refuse, and where hardly an event is left.
    pub(crate) fn new(
        effects: &Effects,
        sampler: &EventSampler,
        decay: &Decay,
        line_shape: LineShape,
    ) -> Result<Self, PipelineError> {
        let s_wave = effects.s_wave.as_ref().map(|card| card.of(decay, line_shape)).transpose()?;
        let mixture = |s_wave| Mixture::new(s_wave, sampler, decay, line_shape);
        let acceptance = effects.acceptance.as_ref().map(AcceptanceCard::efficiency);
        let filled = effects.detector.as_ref().map(DetectorCard::filled).transpose();
        let filled = filled.map_err(|e| PipelineError::out_of_range(&e.field, e.got, e.allowed))?;
        let selection = filled.and_then(|card| card.selection);
        let background = |card| Background::new(card, sampler.windows(), decay, line_shape, selection);
        let stage = Self {
            s_wave: s_wave.map(mixture).transpose()?,
            acceptance: acceptance.map(|e| (e.clone(), largest(&e, sampler.windows()))),
            detector: effects.detector.as_ref().map(|card| Detector::new(card, decay)).transpose()?,
            background: effects.background.as_ref().map(background).transpose()?,
            windows: sampler.windows().to_vec(),
            m_b: decay.m_b_meson(),
        };
        let kept = stage.kept(sampler);
        if kept < FEWEST {
            let got = format!("{kept} of {TRIES} events left");
            return Err(PipelineError::out_of_range(
                "acceptance and detector",
                got,
                format!("{FEWEST} and more"),
            ));
        }
        Ok(stage)
    }

    /// Number of some signal events that are accepted and measured.
    fn kept(&self, sampler: &EventSampler) -> usize {
        let stream = StreamKey::new(0);
        let mut signal = sampler.signal(stream.block(0));
        let mut draws = Draws::new(stream.block(1));
        let mut report = GenerationReport::default();
        (0..TRIES).filter(|_| self.signal(&mut signal, &mut draws, &mut report).is_some()).count()
    }

    /// The first events of block `index` of a stream, handed over one by one.
    pub(crate) fn fill(
        &self,
        sampler: &EventSampler,
        stream: StreamKey,
        index: u64,
        events: usize,
        mut take: impl FnMut(usize, &Made),
    ) -> GenerationReport {
        let mut signal = sampler.signal(stream.block(index));
        let mut draws = Draws::new(stream.child("effects", 0).block(index));
        let mut report = GenerationReport::default();
        for i in 0..events {
            let made = loop {
                let made = match &self.background {
                    None => self.signal(&mut signal, &mut draws, &mut report),
                    Some(background) => background.draw(&mut draws, &mut report, |draws, report| {
                        // A part of a sample is one of what is seen: the signal is drawn until it is.
                        loop {
                            if let Some(made) = self.signal(&mut signal, draws, report) {
                                return made;
                            }
                        }
                    }),
                };
                if let Some(made) = made {
                    break made;
                }
            };
            take(i, &made);
        }
        let mut report = report.merge(signal.report);
        report.events = events as u64;
        report
    }

    /// One event of the signal; `None` where it is lost.
    fn signal(
        &self,
        signal: &mut Signal<'_>,
        draws: &mut Draws,
        report: &mut GenerationReport,
    ) -> Option<Made> {
        let truth = match &self.s_wave {
            None => signal.next(),
            Some(mixture) => mixture.draw(signal, draws, report)?,
        };
        if let Some((efficiency, largest)) = &self.acceptance {
            let kept = efficiency.of(&truth);
            report.over_weights += u64::from(kept > *largest);
            if draws.uniform() * largest >= kept {
                return None;
            }
        }
        let made = |event, m_b, swapped| Made { event, truth, component: 0, m_b, swapped };
        match &self.detector {
            None => Some(made(truth, self.m_b, false)),
            Some(detector) => {
                let One { variables, m_b, swapped } = detector.one(&truth, draws).ok().flatten()?;
                // Windows are cuts on what is measured.
                let inside = self.windows.iter().any(|(low, high)| (*low..=*high).contains(&variables.q2));
                inside.then(|| made(variables, m_b, swapped))
            }
        }
    }
}

/// The largest value of an efficiency in windows of q2 (GeV^2), with a margin for what lies between the points.
fn largest(efficiency: &Efficiency, windows: &[(f64, f64)]) -> f64 {
    const STEPS: usize = 16;
    let part = |i: usize| i as f64 / STEPS as f64;
    let mut largest = 0.0_f64;
    for (low, high) in windows {
        for i in 0..(STEPS + 1).pow(4) {
            let [q, l, k, c] =
                std::array::from_fn(|axis| part(i / (STEPS + 1).pow(axis as u32) % (STEPS + 1)));
            let event = DecayVariables {
                q2: low + (high - low) * q,
                cos_theta_l: 2.0 * l - 1.0,
                cos_theta_k: 2.0 * k - 1.0,
                chi: std::f64::consts::PI * (2.0 * c - 1.0),
                m_kpi: 0.0,
            };
            largest = largest.max(efficiency.of(&event));
        }
    }
    1.05 * largest
}

impl EventSampler {
    /// Whether events are drawn with effects, so that their truth is not what is measured.
    pub const fn has_effects(&self) -> bool {
        self.stage.is_some()
    }

    /// The sampler with the effects of a card.
    ///
    /// # Errors
    /// For numbers that physics or detector refuse, and where hardly an event is left.
    pub fn with_effects(
        mut self,
        effects: &Effects,
        decay: &Decay,
        line_shape: LineShape,
    ) -> Result<Self, PipelineError> {
        if !effects.is_empty() {
            self.stage = Some(std::sync::Arc::new(Stage::new(effects, &self, decay, line_shape)?));
        }
        Ok(self)
    }

    /// The first `events` events of a stream over those of `out`, with what they were, on the calling thread.
    pub fn fill_measured(
        &self,
        stream: StreamKey,
        events: usize,
        out: &mut MeasuredEvents,
    ) -> GenerationReport {
        out.clear();
        let Some(stage) = &self.stage else { return self.fill(stream, events, &mut out.events) };
        let mut report = GenerationReport::default();
        for (index, start) in (0..events).step_by(BLOCK).enumerate() {
            let n = (events - start).min(BLOCK);
            report = report.merge(stage.fill(self, stream, index as u64, n, |_, made| out.push(made)));
        }
        report
    }

    /// `events` events of a stream from block `first` on, with what they were; the same that [`EventSampler::generate`] makes.
    pub fn measured(
        &self,
        stream: StreamKey,
        first: u64,
        events: usize,
    ) -> (MeasuredEvents, GenerationReport) {
        let starts: Vec<usize> = (0..events).step_by(BLOCK).collect();
        let block = |start: usize| {
            let (index, n) = (first + (start / BLOCK) as u64, (events - start).min(BLOCK));
            let Some(stage) = &self.stage else {
                let (events, report) = self.block(stream, index, n);
                return (MeasuredEvents { events, ..MeasuredEvents::default() }, report);
            };
            let mut measured = MeasuredEvents::default();
            let report = stage.fill(self, stream, index, n, |_, made| measured.push(made));
            (measured, report)
        };
        let parts: Vec<_> = starts.into_par_iter().map(block).collect();
        let mut all = (MeasuredEvents::default(), GenerationReport::default());
        for (measured, report) in parts {
            all.0.append(&measured);
            all.1 = all.1.merge(report);
        }
        all
    }
}

impl MeasuredEvents {
    /// Whether event `i` is signal; kaon and pion taken for each other make it signal that is wrongly measured.
    pub fn is_signal(&self, i: usize) -> bool {
        matches!(self.component.get(i), None | Some(0 | 2))
    }

    /// The events as they were.
    pub const fn origin(&self) -> &EventBatch {
        if self.component.is_empty() { &self.events } else { &self.truth }
    }

    /// Signal as it was.
    pub fn signal(&self) -> EventBatch {
        let keep: Vec<bool> = (0..self.events.len()).map(|i| self.is_signal(i)).collect();
        self.origin().filtered(&keep)
    }

    /// Forgets the events and keeps the memory.
    pub fn clear(&mut self) {
        self.events.clear();
        self.truth.clear();
        self.component.clear();
        self.m_b.clear();
        self.swapped.clear();
    }

    fn push(&mut self, made: &Made) {
        self.events.push(&made.event);
        self.truth.push(&made.truth);
        self.component.push(made.component);
        self.m_b.push(made.m_b as f32);
        self.swapped.push(made.swapped);
    }

    fn append(&mut self, other: &Self) {
        self.events.append(&other.events);
        self.truth.append(&other.truth);
        self.component.extend(&other.component);
        self.m_b.extend(&other.m_b);
        self.swapped.extend(&other.swapped);
    }
}

#[cfg(test)]
mod tests {
    use humboldt_physics::{Density, Flavour, Lepton, ModelName, WilsonShifts};
    use humboldt_schemas::card::{Polynomials, SWaveCard};

    use super::*;
    use crate::generate::Q2Windows;

    const WINDOW: (f64, f64) = (1.1, 6.0);

    fn decay() -> Decay {
        Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::delta_c9(-1.0)).unwrap()
    }

    fn sampler(effects: &Effects, line_shape: LineShape) -> EventSampler {
        let windows = Q2Windows::new(&[(Some(WINDOW.0), Some(WINDOW.1))], &[]).unwrap();
        let sampler = EventSampler::new(&decay(), line_shape, &windows).unwrap();
        sampler.with_effects(effects, &decay(), line_shape).unwrap()
    }

    fn effects() -> Effects {
        let formula =
            Polynomials { cos_theta_k: vec![1.0, -0.4, -0.3], q2: vec![0.5, 0.05], ..Polynomials::default() };
        Effects {
            s_wave: Some(SWaveCard { fraction: Some(0.25), ..SWaveCard::default() }),
            acceptance: Some(AcceptanceCard { formula, ..AcceptanceCard::default() }),
            ..Effects::default()
        }
    }

    /// Means over events against those of the same events of the K* alone, weighted by the ratio of both densities; the
    /// sampler's rejection knows nothing of [`Density`].
    #[test]
    fn events_follow_the_density_with_s_wave_and_acceptance() {
        for line_shape in LineShape::ALL {
            let card = effects();
            let density = |effects: &Effects| {
                let efficiency = effects.acceptance.as_ref().map(|card| card.formula.efficiency());
                let s_wave = effects.s_wave.as_ref().map(|card| card.of(&decay(), line_shape).unwrap());
                Density::with_effects(&decay(), line_shape, &[WINDOW], &[], efficiency, s_wave).unwrap()
            };
            let (from, to) = (density(&Effects::default()), density(&card));
            let (plain, _) = sampler(&Effects::default(), line_shape).generate(StreamKey::new(1), 120_000);
            let (full, report) = sampler(&card, line_shape).generate(StreamKey::new(2), 60_000);
            assert!(report.over_weights <= 2, "{report:?}");
            let event = |batch: &EventBatch, i: usize| {
                let [q2, cos_theta_l, cos_theta_k, chi, m_kpi] = batch.columns().map(|c| f64::from(c[i]));
                DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi }
            };
            let numbers = |e: &DecayVariables| {
                [
                    e.q2,
                    e.cos_theta_k,
                    e.cos_theta_k.powi(2),
                    e.cos_theta_l.powi(2),
                    e.chi.cos() * e.cos_theta_l,
                    e.m_kpi.min(1.1),
                ]
            };
            let mean = |batch: &EventBatch, weight: &dyn Fn(&DecayVariables) -> f64| {
                let mut sums = [[0.0; 2]; 6];
                let mut weights = [0.0; 2];
                // Far from the K* hardly one of its events stands for many of the S-wave.
                let near =
                    (0..batch.len()).map(|i| event(batch, i)).filter(|e| (0.84..0.95).contains(&e.m_kpi));
                for e in near {
                    let w = weight(&e);
                    weights[0] += w;
                    weights[1] += w * w;
                    for (sum, x) in sums.iter_mut().zip(numbers(&e)) {
                        sum[0] += w * x;
                        sum[1] += w * x * x;
                    }
                }
                let n = weights[0] * weights[0] / weights[1];
                sums.map(|[x, x2]| {
                    let (x, x2) = (x / weights[0], x2 / weights[0]);
                    (x, ((x2 - x * x).max(0.0) / n).sqrt())
                })
            };
            let ratio = |e: &DecayVariables| to.density(e) / from.density(e);
            let (expected, got) = (mean(&plain, &ratio), mean(&full, &|_| 1.0));
            for (k, ((a, sa), (b, sb))) in expected.iter().zip(got).enumerate() {
                let sigma = sa.hypot(sb);
                assert!((a - b).abs() < 4.5 * sigma + 1e-6, "{line_shape} {k}: {a} {b} +- {sigma}");
            }
            let moved =
                mean(&plain, &|_| 1.0).iter().zip(got).any(|((a, _), (b, sb))| (a - b).abs() > 10.0 * sb);
            assert!(moved, "{line_shape}: the test sees nothing");
        }
    }

    #[test]
    fn all_ways_to_the_events_give_the_same() {
        let sampler = sampler(&effects(), LineShape::BreitWigner);
        let n = BLOCK + 500;
        let (events, _) = sampler.generate(StreamKey::new(3), n);
        let mut filled = EventBatch::default();
        sampler.fill(StreamKey::new(3), n, &mut filled);
        assert_eq!(events, filled);
        let (measured, _) = sampler.measured(StreamKey::new(3), 0, n);
        assert_eq!(measured.events, events);
        assert_eq!(measured.truth, events);
        let (last, _) = sampler.measured(StreamKey::new(3), 1, 500);
        assert_eq!(last.events, events.rows(BLOCK..n));
    }

    #[test]
    fn effects_that_leave_nothing_are_refused() {
        let text = Effects {
            detector: Some(DetectorCard { base: Some("lhcb".into()), ..DetectorCard::default() }),
            ..Effects::default()
        };
        let mut card = text.detector.clone().unwrap();
        card.selection = Some(humboldt_schemas::card::Selection { m_kpi: [0.8, 1.0], m_b: [6.0, 6.1] });
        let windows = Q2Windows::new(&[(Some(1.1), Some(6.0))], &[]).unwrap();
        let plain = EventSampler::new(&decay(), LineShape::BreitWigner, &windows).unwrap();
        let effects = Effects { detector: Some(card), ..Effects::default() };
        let error = plain.with_effects(&effects, &decay(), LineShape::BreitWigner).unwrap_err().to_string();
        assert!(error.contains("events left"), "{error}");
    }
}
