//! Events of pseudo-experiments at known coefficients.

use std::ops::Range;

use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::EventSampler;
use humboldt_pipeline::rng::StreamKey;
use humboldt_schemas::card::GeneratorCard;

use super::model::FEWEST;
use super::source::{Events, SimulatedSample, Source};
use super::variables::{Told, Variables};
use crate::campaign::of_point;
use crate::error::Error;
use crate::sampling;

/// Pseudo-experiments of a point that events of files are shared among, at least.
const EXPERIMENTS: usize = 20;

/// Simulation that pseudo-experiments are drawn by.
#[derive(Debug, Clone, PartialEq)]
pub struct World {
    /// Generator of events that are made for them alone.
    pub generator: GeneratorCard,
    /// Fraction of background among events of files.
    pub fraction: f64,
}

impl World {
    /// As it was simulated.
    pub fn simulated(source: &Source) -> Self {
        Self { generator: source.card().generator.clone(), fraction: source.nominal }
    }
}

/// One pseudo-experiment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Experiment {
    /// As they were measured.
    pub events: EventBatch,
    /// Variables of a user's own.
    ///
    /// # Shapes
    /// [variable, event]
    pub own: Vec<Vec<f64>>,
}

impl Experiment {
    /// What networks are told of its events.
    pub fn told(&self, variables: &Variables) -> Told {
        variables.told(&self.events, &self.own)
    }
}

/// Pseudo-experiments at one point: the same numbers for the same random streams, whatever the world.
pub struct Experiments<'a> {
    source: &'a Source,
    stream: StreamKey,
    /// Events of each.
    pub events: usize,
    kind: Kind<'a>,
}

enum Kind<'a> {
    Fresh(Box<EventSampler>),
    Drawn {
        signal: &'a Events,
        rows: Vec<usize>,
        background: Option<&'a Events>,
        shares: Vec<[Range<usize>; 2]>,
    },
}

impl<'a> Experiments<'a> {
    /// At a point, of at most so many events; where events come from files, of those in `part`.
    ///
    /// # Errors
    /// When the point is refused, or events of negative weight would have to be drawn.
    pub fn new(
        source: &'a Source,
        part: &'a SimulatedSample,
        point: &[f64],
        events: usize,
        world: &World,
    ) -> Result<Self, Error> {
        let at = source.point(point)?;
        let seed = StreamKey::new(source.card().seed);
        if !source.has_files() {
            let kind = Kind::Fresh(Box::new(sampling::sampler_at(&world.generator, &at)?));
            let stream = of_point(seed.child("ratio pseudo-experiment", 0), &at);
            return Ok(Self { source, stream, events, kind });
        }
        let stream = of_point(seed.child("ratio background", 0), &at);
        let rows = source.drawn_at(&part.signal, point)?;
        let background = part.background.as_ref();
        let fraction = world.fraction;
        // As many as each kind has for so many experiments.
        let of_signal = (rows.len() / EXPERIMENTS) as f64 / (1.0 - fraction);
        let of_background = background.map_or(f64::INFINITY, |b| (b.len() / EXPERIMENTS) as f64 / fraction);
        let events = (of_signal.min(of_background) as usize).min(events);
        let mut shares = Vec::new();
        if events >= FEWEST {
            let mut begin = [0, 0];
            for number in 0.. {
                let of_background = of_background_among(stream, number, events, fraction);
                let counts = [events - of_background, of_background];
                let share = [0, 1].map(|kind| begin[kind]..begin[kind] + counts[kind]);
                let there = [rows.len(), background.map_or(0, Events::len)];
                if share.iter().zip(there).any(|(range, there)| range.end > there) {
                    break;
                }
                begin = share.each_ref().map(|range| range.end);
                shares.push(share);
            }
        }
        let kind = Kind::Drawn { signal: &part.signal, rows, background, shares };
        Ok(Self { source, stream, events, kind })
    }

    /// Most that there can be without a common event.
    pub fn most(&self) -> usize {
        match &self.kind {
            Kind::Fresh(_) => usize::MAX,
            Kind::Drawn { shares, .. } => shares.len(),
        }
    }

    /// One of them, by its number.
    ///
    /// # Errors
    /// When its events do not follow their density.
    pub fn get(&self, number: usize) -> Result<Experiment, Error> {
        match &self.kind {
            Kind::Fresh(sampler) => {
                let stream = self.stream.child("image", number as u64);
                let (made, own) = self.source.drawn(sampler, stream, self.events)?;
                Ok(Experiment { events: made.events, own })
            }
            Kind::Drawn { signal, rows, background, shares } => {
                let [of_signal, of_background] = shares[number].clone();
                let rows = &rows[of_signal];
                let mut events = signal.measured.gathered(rows);
                let gather = |column: &Vec<f64>| rows.iter().map(|row| column[*row]).collect();
                let mut own: Vec<Vec<f64>> = signal.own.iter().map(gather).collect();
                if let Some(background) = background {
                    events.append(&background.measured.rows(of_background.clone()));
                    for (column, more) in own.iter_mut().zip(&background.own) {
                        column.extend_from_slice(&more[of_background.clone()]);
                    }
                }
                Ok(Experiment { events, own })
            }
        }
    }
}

/// Events of background among those of a pseudo-experiment from files, as random as each event's own kind.
fn of_background_among(stream: StreamKey, number: usize, events: usize, fraction: f64) -> usize {
    if fraction <= 0.0 {
        return 0;
    }
    let mut random = stream.block(number as u64);
    (0..events).filter(|_| random.uniform() < fraction).count()
}
