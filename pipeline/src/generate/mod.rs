//! Unweighted events of B -> K*(-> K pi) l l.
//!
//! The K pi mass is drawn from the line shape, independently of the matrix element; q2 and the angles follow the exact
//! four-fold rate at that mass, normalised over the whole of q2; windows in q2 are cut after that. [`EventSampler`]
//! tabulates an envelope once, then draws from it in blocks of [`BLOCK`] events, each with a random stream of its own.
//!
//! Sampling is exact: tables only decide how often the exact rate has to be computed, four times in a thousand events.
//! Candidates whose exact rate lies outside the tables' error bounds are counted in the [`GenerationReport`]. What is
//! left are the steps of random numbers (2^-16 of a table cell in the masses, 2^-20 in the cosines) and of the f32
//! columns, to which a point is rounded after it is accepted: for q2 at the J/psi 1/300 of its half width.

mod angles;
mod gather;
mod grid;
mod kernel;
mod patch;
mod regions;
mod report;
mod table;
mod windows;

use std::sync::Arc;

use humboldt_physics::convention::DecayVariables;
use humboldt_physics::{Decay, LineShape};
use rayon::prelude::*;

use self::gather::CHUNK;
use self::kernel::Chunk;
pub use self::report::GenerationReport;
use self::table::Table;
pub use self::windows::{Q2Range, Q2Windows};
use crate::effects::Stage;
pub use crate::rng::BLOCK;
use crate::rng::{BlockRng, StreamKey};
use crate::{EventBatch, PipelineError};

/// Blocks of one batch of [`EventSampler::stream`].
const BATCH_BLOCKS: usize = 64;

/// Draws the events of one decay in given windows.
#[derive(Debug, Clone)]
pub struct EventSampler {
    table: Table,
    windows: Vec<(f64, f64)>,
    /// Stage behind the sampler that makes events differ from those of the K* alone.
    pub(crate) stage: Option<Arc<Stage>>,
}

impl EventSampler {
    /// Tabulates the envelope on all threads of the current pool, in some tens of milliseconds; with charmonium in half a
    /// second.
    ///
    /// # Errors
    /// When a window reaches outside phase space or the windows hold no rate; the error names `q2` or `q2_veto`.
    pub fn new(decay: &Decay, shape: LineShape, windows: &Q2Windows) -> Result<Self, PipelineError> {
        Self::with_envelope(decay, shape, windows, 1.0)
    }

    fn with_envelope(
        decay: &Decay,
        shape: LineShape,
        windows: &Q2Windows,
        envelope: f64,
    ) -> Result<Self, PipelineError> {
        let windows = windows.of(decay, shape)?;
        let table = Table::new(decay, shape, &windows, envelope)?;
        Ok(Self { table, windows, stage: None })
    }

    /// The windows in q2, closed, sorted and disjoint, in GeV^2.
    pub fn windows(&self) -> &[(f64, f64)] {
        &self.windows
    }

    /// Part of all events that lies in the windows.
    pub fn fraction_in_window(&self) -> f64 {
        self.table.fraction
    }

    /// Expected part of the candidates for which the exact rate is computed: twice the bound on the relative error of
    /// the tables, averaged over events.
    pub fn expected_doubt(&self) -> f64 {
        self.table.doubt
    }

    /// Memory that the tables take, in bytes; generation is fastest while they fit into the second-level cache.
    pub fn table_bytes(&self) -> usize {
        size_of_val(&*self.table.nodes) + size_of_val(&*self.table.alias)
    }

    /// Replaces the content of `out` by the first `events` events of a stream, on this thread.
    pub fn fill(&self, stream: StreamKey, events: usize, out: &mut EventBatch) -> GenerationReport {
        out.resize(events);
        self.fill_blocks(stream, 0, Columns::of(out), false)
    }

    /// The first `events` events of a stream, on all threads of the current pool: the same bits as [`Self::fill`].
    pub fn generate(&self, stream: StreamKey, events: usize) -> (EventBatch, GenerationReport) {
        self.generate_telling(stream, events, |_| ())
    }

    /// [`Self::generate`], which calls `told` now and then with the number of events that have come since.
    pub fn generate_telling(
        &self,
        stream: StreamKey,
        events: usize,
        told: impl Fn(usize) + Sync,
    ) -> (EventBatch, GenerationReport) {
        /// Blocks between two calls.
        const PART: usize = 4 * BATCH_BLOCKS;
        let mut batch = EventBatch::zeroed(events);
        let columns = batch.columns_mut().map(|column| column.chunks_mut(PART * BLOCK));
        let [q2, cos_theta_l, cos_theta_k, chi, m_kpi] = columns;
        let parts = (0..).step_by(PART).zip(q2.zip(cos_theta_l).zip(cos_theta_k).zip(chi).zip(m_kpi));
        let mut report = GenerationReport::default();
        for (first, ((((q2, cos_theta_l), cos_theta_k), chi), m_kpi)) in parts {
            let made = q2.len();
            let columns = Columns { q2, cos_theta_l, cos_theta_k, chi, m_kpi };
            report = report.merge(self.fill_blocks(stream, first, columns, true));
            told(made);
        }
        (batch, report)
    }

    /// Hands the first `events` events of a stream to `consume` in order, in batches of 64 blocks: memory does not
    /// grow with their number. While one batch is consumed, the next is made.
    ///
    /// # Errors
    /// The first error of `consume`, after which it is not called again.
    pub fn stream<E: Send>(
        &self,
        stream: StreamKey,
        events: u64,
        mut consume: impl FnMut(&EventBatch) -> Result<(), E> + Send,
    ) -> Result<GenerationReport, E> {
        const BATCH: u64 = (BATCH_BLOCKS * BLOCK) as u64;
        let make = |index: u64, batch: &mut EventBatch| {
            batch.resize(events.saturating_sub(index * BATCH).min(BATCH) as usize);
            self.fill_blocks(stream, index * BATCH_BLOCKS as u64, Columns::of(batch), true)
        };
        let (mut ready, mut next) = (EventBatch::default(), EventBatch::default());
        let mut report = make(0, &mut ready);
        let mut index = 0;
        while !ready.is_empty() {
            index += 1;
            let (consumed, made) = rayon::join(|| consume(&ready), || make(index, &mut next));
            consumed?;
            report = report.merge(made);
            std::mem::swap(&mut ready, &mut next);
        }
        Ok(report)
    }

    /// Events of block `index` of a stream, at most [`BLOCK`], without the blocks before it.
    pub fn block(&self, stream: StreamKey, index: u64, events: usize) -> (EventBatch, GenerationReport) {
        let mut batch = EventBatch::default();
        batch.resize(events.min(BLOCK));
        let report = self.fill_blocks(stream, index, Columns::of(&mut batch), false);
        (batch, report)
    }

    /// Fills all of `out`, the first event being the first of block `first`.
    fn fill_blocks(
        &self,
        stream: StreamKey,
        first: u64,
        out: Columns<'_>,
        parallel: bool,
    ) -> GenerationReport {
        let Columns { q2, cos_theta_l, cos_theta_k, chi, m_kpi } = out;
        let [q2, cos_theta_l, cos_theta_k, chi, m_kpi] =
            [q2, cos_theta_l, cos_theta_k, chi, m_kpi].map(|column| column.chunks_mut(BLOCK));
        let blocks = (first..).zip(q2.zip(cos_theta_l).zip(cos_theta_k).zip(chi).zip(m_kpi));
        let fill = |(index, ((((q2, cos_theta_l), cos_theta_k), chi), m_kpi))| {
            let mut columns = Columns { q2, cos_theta_l, cos_theta_k, chi, m_kpi };
            match &self.stage {
                None => self.fill_block(stream.block(index), &mut columns),
                Some(stage) => {
                    let events = columns.q2.len();
                    stage.fill(self, stream, index, events, |i, made| columns.set(i, &made.event))
                }
            }
        };
        if parallel {
            let blocks: Vec<_> = blocks.collect();
            blocks.into_par_iter().map(fill).reduce(GenerationReport::default, GenerationReport::merge)
        } else {
            blocks.map(fill).fold(GenerationReport::default(), GenerationReport::merge)
        }
    }

    /// The events of the K* alone of one block, one by one and without end.
    pub(crate) fn signal(&self, rng: BlockRng) -> Signal<'_> {
        let report = GenerationReport::default();
        Signal { sampler: self, chunk: Chunk::new(), rng, next: 0, events: 0, report }
    }

    fn fill_block(&self, mut rng: BlockRng, out: &mut Columns<'_>) -> GenerationReport {
        let mut chunk = Chunk::new();
        let mut report = GenerationReport { events: out.q2.len() as u64, ..GenerationReport::default() };
        let mut done = 0;
        while done < out.q2.len() {
            chunk.draw(&self.table, &mut rng);
            let events = self.settle(&mut chunk, &mut rng, &mut report);
            let taken = events.min(out.q2.len() - done);
            let place = done..done + taken;
            out.q2[place.clone()].copy_from_slice(&chunk.q2[..taken]);
            out.cos_theta_l[place.clone()].copy_from_slice(&chunk.cos_theta_l[..taken]);
            out.cos_theta_k[place.clone()].copy_from_slice(&chunk.cos_theta_k[..taken]);
            out.chi[place.clone()].copy_from_slice(&chunk.chi[..taken]);
            out.m_kpi[place].copy_from_slice(&chunk.m_kpi[..taken]);
            done += taken;
        }
        report
    }

    /// Lets the exact density decide where the bounds do not, and moves the events of the chunk to its front.
    fn settle(&self, chunk: &mut Chunk, rng: &mut BlockRng, report: &mut GenerationReport) -> usize {
        let mut open = [0; CHUNK];
        let mut count = 0;
        for (group, flags) in chunk.open.as_chunks::<16>().0.iter().enumerate() {
            // Most groups hold none.
            if flags.iter().fold(0, |any, flag| any | flag) == 0 {
                continue;
            }
            for (i, flag) in flags.iter().enumerate() {
                open[count] = 16 * group + i;
                count += *flag as usize;
            }
        }
        let mut events = CHUNK;
        for &i in open[..count].iter().rev() {
            let density = self.table.densities(&chunk.point(&self.table, i));
            report.over_weights += u64::from(density.exact > density.raised);
            report.under_weights += u64::from(density.exact < density.lowered);
            report.max_over_weight = report.max_over_weight.max(density.exact / density.raised);
            let wanted = density.exact - density.lowered;
            if rng.uniform() * (density.raised - density.lowered) >= wanted {
                // Candidates behind `i` are all settled: the last of them can take its place.
                events -= 1;
                chunk.replace(i, events);
            }
        }
        report.trials += CHUNK as u64;
        report.accepted += events as u64;
        report.exact_evaluations += count as u64;
        events
    }
}

/// Destination of events.
struct Columns<'a> {
    q2: &'a mut [f32],
    cos_theta_l: &'a mut [f32],
    cos_theta_k: &'a mut [f32],
    chi: &'a mut [f32],
    m_kpi: &'a mut [f32],
}

impl<'a> Columns<'a> {
    fn of(batch: &'a mut EventBatch) -> Self {
        let [q2, cos_theta_l, cos_theta_k, chi, m_kpi] = batch.columns_mut().map(Vec::as_mut_slice);
        Self { q2, cos_theta_l, cos_theta_k, chi, m_kpi }
    }

    fn set(&mut self, i: usize, event: &DecayVariables) {
        self.q2[i] = event.q2 as f32;
        self.cos_theta_l[i] = event.cos_theta_l as f32;
        self.cos_theta_k[i] = event.cos_theta_k as f32;
        self.chi[i] = event.chi as f32;
        self.m_kpi[i] = event.m_kpi as f32;
    }
}

/// Events of the K* alone, one by one.
pub(crate) struct Signal<'a> {
    sampler: &'a EventSampler,
    chunk: Chunk,
    rng: BlockRng,
    next: usize,
    events: usize,
    pub(crate) report: GenerationReport,
}

impl Signal<'_> {
    pub(crate) fn next(&mut self) -> DecayVariables {
        while self.next == self.events {
            self.chunk.draw(&self.sampler.table, &mut self.rng);
            self.events = self.sampler.settle(&mut self.chunk, &mut self.rng, &mut self.report);
            self.next = 0;
        }
        let (i, chunk) = (self.next, &self.chunk);
        self.next += 1;
        DecayVariables {
            q2: chunk.q2[i].into(),
            cos_theta_l: chunk.cos_theta_l[i].into(),
            cos_theta_k: chunk.cos_theta_k[i].into(),
            chi: chunk.chi[i].into(),
            m_kpi: chunk.m_kpi[i].into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use humboldt_physics::charmonium::Charmonium;
    use humboldt_physics::{Flavour, Lepton, ModelName, Parameters, WilsonShifts};

    use super::*;

    fn decay(lepton: Lepton) -> Decay {
        Decay::new(ModelName::Npr, Flavour::B0bar, lepton, &WilsonShifts::default()).unwrap()
    }

    #[test]
    fn an_envelope_that_is_too_low_is_counted_and_reported() {
        let (stream, events) = (StreamKey::new(5), 200_000);
        let report = |envelope: f64| {
            let windows = Q2Windows::new(&[(Some(1.0), Some(6.0))], &[]).unwrap();
            let sampler =
                EventSampler::with_envelope(&decay(Lepton::Muon), LineShape::Narrow, &windows, envelope)
                    .unwrap();
            sampler.fill(stream, events, &mut EventBatch::default())
        };
        let (right, low, high) = (report(1.0), report(0.9), report(1.1));
        assert!(right.over_weights == 0 && right.under_weights == 0 && right.max_over_weight < 1.0);
        assert!(low.over_weights > low.exact_evaluations / 2, "{low:?}");
        assert!((1.08..1.15).contains(&low.max_over_weight), "{low:?}");
        assert!(high.over_weights == 0 && high.under_weights > high.exact_evaluations / 2, "{high:?}");
    }

    /// The bound that the documentation states, checked where events are, not only where it was derived.
    #[test]
    fn exact_density_lies_between_the_bounds() {
        for (lepton, shape) in [
            (Lepton::Muon, LineShape::BreitWigner),
            (Lepton::Electron, LineShape::BreitWigner),
            (Lepton::Muon, LineShape::Narrow),
        ] {
            let sampler = EventSampler::new(&decay(lepton), shape, &Q2Windows::full()).unwrap();
            assert!(sampler.expected_doubt() < 5e-3, "{}", sampler.expected_doubt());
            let mut rng = StreamKey::new(8).block(0);
            let mut chunk = Chunk::new();
            let (mut outside, mut width, mut checked) = (0, 0.0, 0);
            for _ in 0..400 {
                chunk.draw(&sampler.table, &mut rng);
                for i in 0..CHUNK {
                    let density = sampler.table.densities(&chunk.point(&sampler.table, i));
                    checked += 1;
                    outside += u32::from(density.exact > density.raised || density.exact < density.lowered);
                    width += (density.raised - density.lowered) / density.raised;
                }
            }
            assert!(outside <= checked / 10_000, "{lepton} {shape}: {outside} of {checked} outside");
            let expected = sampler.expected_doubt();
            assert!(
                (width / f64::from(checked) / expected - 1.0).abs() < 0.3,
                "{width} of {checked}, {expected}"
            );
        }
    }

    /// The J/psi is 93 keV wide: 6e-4 GeV^2 of the 20 GeV^2 of phase space.
    #[test]
    fn narrow_resonances_stay_within_the_bounds() {
        let factorised = Charmonium::new(Parameters::standard()).unwrap();
        let turned = factorised.with("j_psi", 1.3, 1.2).unwrap().with("psi_2s", 0.7, -2.0).unwrap();
        for (shape, charmonium) in [(LineShape::Narrow, factorised), (LineShape::BreitWigner, turned)] {
            let decay = decay(Lepton::Muon).with_charmonium(&charmonium).unwrap();
            let sampler = EventSampler::new(&decay, shape, &Q2Windows::full()).unwrap();
            assert!((sampler.fraction_in_window() - 1.0).abs() < 1e-4, "{shape}");
            assert!(sampler.expected_doubt() < 5e-3, "{shape}: {}", sampler.expected_doubt());
            let (batch, report) = sampler.generate(StreamKey::new(11), 2_000_000);
            assert!(report.over_weights <= 1 && report.under_weights <= 1, "{shape}: {report:?}");
            let peak = batch.q2.iter().filter(|q2| (**q2 - 9.5908_f32).abs() < 0.01).count();
            assert!(peak > 1_000_000, "{shape}: {peak} events at the J/psi");
        }
    }

    #[test]
    fn the_whole_phase_space_holds_all_events() {
        for lepton in Lepton::ALL {
            for shape in LineShape::ALL {
                let fraction = |windows: &Q2Windows| {
                    EventSampler::new(&decay(lepton), shape, windows).unwrap().fraction_in_window()
                };
                let whole = fraction(&Q2Windows::full());
                assert!((whole - 1.0).abs() < 1e-4, "{lepton} {shape}: {whole}");
                let veto = [(Some(8.0), Some(11.0))];
                let parts = fraction(&Q2Windows::new(&veto, &[]).unwrap())
                    + fraction(&Q2Windows::new(&[], &veto).unwrap());
                assert!((parts - 1.0).abs() < 1e-4, "{lepton} {shape}: {parts}");
            }
        }
    }
}
