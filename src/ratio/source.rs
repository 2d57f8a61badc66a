//! Simulated events in parts that share none: for training, for calibration, for pseudo-experiments.

use std::path::Path;

use humboldt_physics::quadratic::{count, monomials};
use humboldt_physics::wilson::Part as PartOf;
use humboldt_physics::{Density, Point, WilsonDirection};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::effects::MeasuredEvents;
use humboldt_pipeline::generate::EventSampler;
use humboldt_pipeline::rng::StreamKey;
use humboldt_pipeline::scores::relative_rates;
use humboldt_pipeline::store::{EventReader, More};
use humboldt_schemas::Invalid;
use humboldt_schemas::card::{BackgroundCard, GeneratorCard, RunCard};
use humboldt_schemas::complex::ComplexValue;
use humboldt_schemas::events::M_B_COLUMN;
use humboldt_schemas::inference::{Closure, Deviation};
use humboldt_schemas::layout::Layout;

use super::table::Table;
use super::variables::{Told, Variables};
use crate::assumptions::{assumed, differences};
use crate::campaign::of_point;
use crate::error::{Error, Place};
use crate::infer::closure::{Suspicion, suspicion};
use crate::infer::mixture::{Fraction, check};
use crate::infer::ratio::{UNKNOWN_FRACTION, along};
use crate::infer::weights::Counted;
use crate::progress::{Progress, note};
use crate::sampling;

/// Simulated signal events where a card has none of its own and names no number.
pub const SIMULATED: usize = 3_200_000;

/// Rows of a file that stay together: candidates of one event stand in a row.
const TOGETHER: usize = 64;

/// Events that are generated at once.
const CHUNK: usize = 1 << 18;

/// Part of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The networks learn from it.
    Training,
    /// The statistic is calibrated by it.
    Calibration,
    /// Pseudo-experiments are drawn from it.
    Test,
}

impl Part {
    /// Of a row of a file: five blocks of ten, three and two.
    pub const fn of(row: usize) -> Self {
        match row / TOGETHER % 10 {
            0 | 2 | 4 | 6 | 8 => Self::Training,
            1 | 5 | 9 => Self::Calibration,
            _ => Self::Test,
        }
    }
}

/// Events with what networks and fits take of them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Events {
    /// As they were measured.
    pub measured: EventBatch,
    /// As they were; empty of background.
    pub truth: EventBatch,
    /// Variables of a user's own.
    ///
    /// # Shapes
    /// [variable, event]
    pub own: Vec<Vec<f64>>,
    /// Coefficients of the true density over that at the simulation's point, of all monomials but the first; empty of background.
    ///
    /// # Shapes
    /// [event, monomial - 1]
    pub terms: Vec<f32>,
    /// Weights.
    pub weights: Vec<f64>,
}

impl Events {
    /// Number of events.
    pub const fn len(&self) -> usize {
        self.weights.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// What networks are told of all events.
    pub fn told(&self, variables: &Variables) -> Told {
        variables.told(&self.measured, &self.own)
    }

    fn append(&mut self, other: &Self) {
        self.measured.append(&other.measured);
        self.truth.append(&other.truth);
        self.own.resize(other.own.len(), Vec::new());
        self.own.iter_mut().zip(&other.own).for_each(|(own, other)| own.extend_from_slice(other));
        self.terms.extend_from_slice(&other.terms);
        self.weights.extend_from_slice(&other.weights);
    }

    /// Some rows.
    fn rows(&self, rows: &[usize]) -> Self {
        let terms = if self.is_empty() { 0 } else { self.terms.len() / self.len() };
        Self {
            measured: self.measured.gathered(rows),
            truth: self.truth.gathered(rows),
            own: self.own.iter().map(|column| rows.iter().map(|row| column[*row]).collect()).collect(),
            terms: rows
                .iter()
                .flat_map(|row| self.terms[row * terms..(row + 1) * terms].iter().copied())
                .collect(),
            weights: rows.iter().map(|row| self.weights[*row]).collect(),
        }
    }
}

/// Signal, and background where there is one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SimulatedSample {
    /// Accepted simulated signal.
    pub signal: Events,
    /// Background.
    pub background: Option<Events>,
}

/// Simulated events in parts that share none.
#[derive(Debug)]
pub struct Parts {
    /// For training and calibration, and for pseudo-experiments where these are not made fresh.
    pub samples: [SimulatedSample; 3],
    /// Whether the truth of files follows the density that it is said to.
    pub closure: Option<Closure>,
}

/// Simulation and background of a card, checked.
#[derive(Debug)]
pub struct Source {
    card: RunCard,
    /// Variables that networks are told.
    pub variables: Variables,
    /// The simulation's point, of the learned coefficients.
    pub origin: Vec<f64>,
    /// Density of signal around that point.
    density: Density,
    /// Of files of simulation and of background.
    layouts: [Option<Layout>; 2],
    /// Knowledge of the fraction of background; none without background.
    pub fraction: Option<Fraction>,
    /// Fraction of background of pseudo-experiments; 0 without.
    pub nominal: f64,
}

/// A doubt in what is learned of simulated events whose truth deviates from its density.
pub fn doubt(deviation: &str) -> String {
    format!(
        "the truth of simulation.files does not follow the density of [generator] at [simulation.reference]; coefficients will be wrong \
         unless the acceptance is that odd in the angles. {deviation}"
    )
}

impl Source {
    /// Of a card.
    ///
    /// # Errors
    /// When physics refuses it, or a file is missing; where the simulation's point is known neither from the card nor from its files.
    pub fn new(card: &RunCard) -> Result<Self, Error> {
        let variables = Variables::of(card);
        let simulation = card.simulation.clone().unwrap_or_default();
        let generator = &card.generator;
        let of_background = generator.effects.background.as_ref().and_then(|card| card.layout.as_ref());
        let find = |name: Option<&String>| name.map(|name| Layout::find(name)).transpose();
        let layouts =
            [find(simulation.layout.as_ref())?, find(of_background.or(simulation.layout.as_ref()))?];
        let directions = card.axes()?.directions();
        if simulation.files.is_empty() {
            let known = |name: &str| name == M_B_COLUMN && generator.effects.detector.is_some();
            if let Some(name) = variables.own().find(|name| !known(name)) {
                let allowed = format!(
                    "q2, cos_theta_l, cos_theta_k, chi, m_kpi, {M_B_COLUMN} with a [detector], and columns of simulation.files"
                );
                return Err(Invalid::new("network.variables", name, allowed).into());
            }
        }
        let origin = origin(card, layouts[0].as_ref(), &directions)?;
        let density = density(card, &origin)?;
        let variables = variables.with_density(&density);
        let (fraction, nominal) = fraction(generator.effects.background.as_ref())?;
        Ok(Self { card: card.clone(), variables, origin, density, layouts, fraction, nominal })
    }

    /// The card.
    pub const fn card(&self) -> &RunCard {
        &self.card
    }

    /// The density of signal around the simulation's point.
    pub const fn density(&self) -> &Density {
        &self.density
    }

    /// Number of true coefficients of an event.
    pub fn terms(&self) -> usize {
        count(self.origin.len()) - 1
    }

    /// Whether events come from files.
    pub fn has_files(&self) -> bool {
        self.card.simulation.as_ref().is_some_and(|simulation| !simulation.files.is_empty())
    }

    /// All events.
    ///
    /// # Errors
    /// When a file cannot be used, or events do not follow their density.
    pub fn read(&self) -> Result<Parts, Error> {
        if self.has_files() { self.of_files() } else { self.simulated() }
    }

    /// Says it where the truth of simulated events is not as it is said to be. An acceptance that is odd in an angle may look like one of
    /// these mistakes, so that it is a warning and no refusal.
    fn closure(&self, truth: &EventBatch, weights: &[f64]) -> Result<Closure, Error> {
        let found = suspicion(&self.density, truth, weights);
        let deviations = found.iter().map(|Suspicion { mistake, part: (part, sigma), gain }| {
            let words = format!(
                "{part:.2} +- {sigma:.2} of the events are likelier so (ln L gains {gain:.0}): {}",
                mistake.words()
            );
            note(format!("WARNING: {}", doubt(&words)));
            Deviation { kind: mistake.name().to_owned(), words, q2: Vec::new(), coefficients: Vec::new() }
        });
        let deviations: Vec<Deviation> = deviations.collect();
        let events = truth.len();
        let p_value = found.map_or(1.0, |found| (-found.gain).exp());
        let assumed = assumed(&self.simulated_as()?, &[])?;
        Ok(Closure { follows: deviations.is_empty(), p_value, events, assumed, deviations })
    }

    fn of_files(&self) -> Result<Parts, Error> {
        let simulation = self.card.simulation.clone().unwrap_or_default();
        let (mut parts, mut outside, mut all) = (<[SimulatedSample; 3]>::default(), 0, 0);
        let (mut truth, mut weights) = (EventBatch::default(), Vec::new());
        for (table, name) in self.tables(&simulation.files, false)? {
            self.check_origin(&table, &name)?;
            outside += table.outside();
            let events = self.events(table.events, Some(table.truth), table.own, table.weights);
            let events = events.place(|| name.clone())?;
            truth.append(&events.truth);
            weights.extend(&events.weights);
            for (part, sample) in [Part::Training, Part::Calibration, Part::Test].into_iter().zip(&mut parts)
            {
                let rows = (0..events.len()).filter(|i| Part::of(all + table.rows[*i]) == part);
                sample.signal.append(&events.rows(&rows.collect::<Vec<_>>()));
            }
            all += table.all;
        }
        let counted = |sample: &SimulatedSample| Counted::of(sample.signal.weights.iter().copied()).effective;
        note(format!(
            "simulation: {all} events, {outside} outside q2 = {} left out; effectively {:.0} for training, {:.0} for calibration, {:.0} for pseudo-experiments",
            sampling::in_words(&sampling::resolved_windows(&self.card.generator)?),
            counted(&parts[0]),
            counted(&parts[1]),
            counted(&parts[2])
        ));
        let closure = self.closure(&truth, &weights)?;
        let background = self.card.generator.effects.background.as_ref();
        if let Some(background) = background.filter(|background| !background.files.is_empty()) {
            for part in &mut parts {
                part.background = Some(Events::default());
            }
            let mut before = 0;
            for (table, name) in self.tables(&background.files, true)? {
                if table.weighted {
                    let what = "has weights; allowed: a sample of background whose events each count once";
                    return Err(Error::file(Path::new(&name), what));
                }
                let events = self.events(table.events, None, table.own, table.weights)?;
                for (part, sample) in
                    [Part::Training, Part::Calibration, Part::Test].into_iter().zip(&mut parts)
                {
                    let rows = (0..events.len()).filter(|i| Part::of(before + table.rows[*i]) == part);
                    if let Some(own) = &mut sample.background {
                        own.append(&events.rows(&rows.collect::<Vec<_>>()));
                    }
                }
                before += table.all;
            }
            let numbers = parts.each_ref().map(|part| part.background.as_ref().map_or(0, Events::len));
            note(format!(
                "background: {before} events; {} for training, {} for calibration, {} for pseudo-experiments",
                numbers[0], numbers[1], numbers[2]
            ));
        }
        for part in &parts {
            let few = |events: &Events| events.len() < FEWEST;
            if few(&part.signal) || part.background.as_ref().is_some_and(few) {
                let background = part.background.as_ref().map(Events::len);
                return Err(Error::FewSimulated { signal: part.signal.len(), background, least: FEWEST });
            }
        }
        Ok(Parts { samples: parts, closure: Some(closure) })
    }

    fn tables(&self, files: &[String], background: bool) -> Result<Vec<(Table, String)>, Error> {
        let (more, layout) = if background {
            (More::EverythingMeasured, &self.layouts[1])
        } else {
            (More::EverythingThereIs, &self.layouts[0])
        };
        let fixed = has_imaginary_shifts(&self.card.generator)?;
        let imaginary = fixed || self.card.axes()?.directions().into_iter().any(is_imaginary);
        let read = |file: &String| {
            let reader = EventReader::open_as(Path::new(file), layout.as_ref(), more)?;
            let table = Table::of(reader, Path::new(file), &self.card, &self.variables)?;
            table.of_one_flavour(imaginary && !background, Path::new(file), &self.card)?;
            Ok((table, file.clone()))
        };
        files.iter().map(read).collect()
    }

    /// The card's generator at the simulation's point.
    fn simulated_as(&self) -> Result<GeneratorCard, Error> {
        let mut here = self.card.generator.clone();
        let shifts = self.point(&self.origin)?.on(here.shifts()?);
        here.wilson = shifts.iter().map(|(of, value)| (of.name().to_owned(), ComplexValue(value))).collect();
        Ok(here)
    }

    /// Refuses a file that says that it was simulated otherwise.
    fn check_origin(&self, table: &Table, name: &str) -> Result<(), Error> {
        let Some(made) = &table.made else {
            if table.has_truth {
                return Ok(());
            }
            let what = "has no true values; allowed: simulated events with their truth, by [truth] of a layout or columns true_q2 and so on";
            return Err(Error::file(Path::new(name), what));
        };
        let here = self.simulated_as()?;
        // What detector and selection did is what is learned.
        let own = GeneratorCard { effects: here.effects.clone(), ..made.clone() };
        let mut different = differences(&own, &here, &[])?;
        if made.effects.s_wave != here.effects.s_wave {
            different.push("the file and the card differ in [s_wave]".to_owned());
        }
        match different.first() {
            Some(first) => {
                let allowed = "a simulation of the card's [generator] and [s_wave] at [simulation.reference]";
                Err(Error::file(Path::new(name), format!("{first}; allowed: {allowed}")))
            }
            None => Ok(()),
        }
    }

    /// Events with their true coefficients where they are signal.
    fn events(
        &self,
        measured: EventBatch,
        truth: Option<EventBatch>,
        own: Vec<Vec<f64>>,
        weights: Vec<f64>,
    ) -> Result<Events, Error> {
        let truth = truth.unwrap_or_default();
        let terms = relative_rates(&self.density, &truth)?;
        Ok(Events { measured, truth, own, terms, weights })
    }

    /// Parts from the card's own generator.
    fn simulated(&self) -> Result<Parts, Error> {
        let simulation = self.card.simulation.clone().unwrap_or_default();
        let signal = simulation.events.unwrap_or(SIMULATED);
        // The error of a calibration is common to all samples that it serves, and events are cheaper than their training.
        let training = signal / 4;
        let sizes = [training, signal - training];
        let sizes = sizes.map(|signal| (signal as f64 / (1.0 - self.nominal)).ceil() as usize);
        let progress = Progress::new("simulate", sizes.iter().sum::<usize>() as u64, "events");
        let sampler = self.sampler(&self.origin)?;
        let key = StreamKey::new(self.card.seed).child("ratio", 0);
        let make = |name: &str, size: usize| {
            let mut sample = SimulatedSample::default();
            for (chunk, start) in (0..size).step_by(CHUNK).enumerate() {
                let events = CHUNK.min(size - start);
                let more = self.generated(&sampler, key.child(name, chunk as u64), events)?;
                sample.signal.append(&more.signal);
                if let Some(more) = &more.background {
                    sample.background.get_or_insert_default().append(more);
                }
                progress.advance(events as u64, name);
            }
            Ok::<_, Error>(sample)
        };
        let samples =
            [make("training", sizes[0])?, make("calibration", sizes[1])?, SimulatedSample::default()];
        progress.finish();
        Ok(Parts { samples, closure: None })
    }

    /// A sampler of the card's events at a point of the learned coefficients.
    ///
    /// # Errors
    /// When the point is refused.
    pub fn sampler(&self, point: &[f64]) -> Result<EventSampler, Error> {
        sampling::sampler_at(&self.card.generator, &self.point(point)?)
    }

    /// A point of the learned coefficients.
    ///
    /// # Errors
    /// When a coefficient is not finite.
    pub fn point(&self, point: &[f64]) -> Result<Point, Error> {
        Ok(self.card.axes()?.point(point)?)
    }

    /// Events of the card by what they are.
    fn generated(
        &self,
        sampler: &EventSampler,
        key: StreamKey,
        events: usize,
    ) -> Result<SimulatedSample, Error> {
        let (made, own) = self.drawn(sampler, key, events)?;
        let is_signal: Vec<bool> = (0..events).map(|i| made.is_signal(i)).collect();
        let of = |keep: &[bool], truth: Option<EventBatch>| {
            let own = own.iter().map(|column| chosen(column, keep)).collect();
            let kept = made.events.filtered(keep);
            let weights = vec![1.0; kept.len()];
            self.events(kept, truth, own, weights)
        };
        let signal = of(&is_signal, Some(made.signal()))?;
        let background: Vec<bool> = is_signal.iter().map(|signal| !signal).collect();
        let background = self.fraction.is_some().then(|| of(&background, None)).transpose()?;
        Ok(SimulatedSample { signal, background })
    }

    /// Events of a sampler of the card's measurements, and a user's own variables of each.
    ///
    /// # Errors
    /// When they do not follow their density.
    pub fn drawn(
        &self,
        sampler: &EventSampler,
        key: StreamKey,
        events: usize,
    ) -> Result<(MeasuredEvents, Vec<Vec<f64>>), Error> {
        let (made, report) = sampler.measured(key, 0, events);
        sampling::check(&report)?;
        let m_b: Vec<f64> = made.m_b.iter().map(|x| f64::from(*x)).collect();
        let own = self.variables.own().map(|_| m_b.clone()).collect();
        Ok((made, own))
    }

    /// Rows of simulated signal that follow the density at a point, in random order: each is kept with a probability that
    /// is proportional to its weight there, and none is there twice.
    ///
    /// # Errors
    /// For negative weights, which nothing can be drawn by.
    pub fn drawn_at(&self, signal: &Events, point: &[f64]) -> Result<Vec<usize>, Error> {
        let shifts: Vec<f64> = point.iter().zip(&self.origin).map(|(x, origin)| x - origin).collect();
        let values = monomials(&shifts);
        let terms = self.terms();
        let weight = |row: usize| {
            signal.weights[row] * (1.0 + along(&signal.terms[row * terms..(row + 1) * terms], &values))
        };
        let weights: Vec<f64> = (0..signal.len()).map(weight).collect();
        if !weights.iter().all(|w| *w >= -1e-6) {
            return Err(Error::NegativeWeights);
        }
        let most = weights.iter().copied().fold(0.0, f64::max);
        let key = of_point(StreamKey::new(self.card.seed).child("ratio draw", 0), &self.point(point)?);
        let mut random = key.block(0);
        let mut rows: Vec<usize> =
            (0..signal.len()).filter(|row| random.uniform() * most < weights[*row]).collect();
        for i in (1..rows.len()).rev() {
            rows.swap(i, ((random.uniform() * (i + 1) as f64) as usize).min(i));
        }
        Ok(rows)
    }
}

/// The density of signal around a point of the learned coefficients, as it is without a detector.
///
/// # Errors
/// When physics refuses the card.
pub(super) fn density(card: &RunCard, point: &[f64]) -> Result<Density, Error> {
    let (axes, generator) = (card.axes()?, &card.generator);
    let decay = generator.decay(&axes.point(point)?.on(generator.shifts()?))?;
    let line_shape = generator.line_shape;
    let s_wave = generator.effects.s_wave.as_ref().map(|card| card.of(&decay, line_shape)).transpose()?;
    Ok(Density::with_effects(&decay, line_shape, &[], &axes.directions(), None, s_wave)?)
}

/// Whether a direction is that of an imaginary part.
pub(super) fn is_imaginary(direction: WilsonDirection) -> bool {
    direction.part == PartOf::Imaginary
}

/// Whether a card fixes imaginary parts of coefficients, which the other flavour sees with the opposite sign.
///
/// # Errors
/// When physics refuses the card.
pub(crate) fn has_imaginary_shifts(card: &GeneratorCard) -> Result<bool, Error> {
    Ok(card.shifts()?.iter().any(|(_, shift)| shift.im != 0.0))
}

/// Fewest events of a part.
const FEWEST: usize = 500;

fn chosen<T: Copy>(values: &[T], keep: &[bool]) -> Vec<T> {
    values.iter().zip(keep).filter_map(|(x, keep)| keep.then_some(*x)).collect()
}

/// The learned coefficients at the simulation's point.
fn origin(
    card: &RunCard,
    layout: Option<&Layout>,
    directions: &[WilsonDirection],
) -> Result<Vec<f64>, Error> {
    let simulation = card.simulation.clone().unwrap_or_default();
    if simulation.reference.is_empty() {
        if simulation.files.is_empty() {
            return Ok(card.axes()?.centre().values());
        }
        let file = Path::new(&simulation.files[0]);
        let reader = EventReader::open_as(file, layout, More::EverythingThereIs)?;
        let Some(made) = reader.provenance() else {
            let allowed = format!(
                "the coefficients at which {} was simulated (c9 = 0: none), which it does not say",
                file.display()
            );
            return Err(Error::Missing { setting: "simulation.reference", allowed });
        };
        let shifts = made.generator.shifts()?;
        return Ok(directions.iter().map(|direction| shifts.part(*direction)).collect());
    }
    let reference = simulation.shifts()?;
    let fixed = card.generator.shifts()?;
    for direction in WilsonDirection::all().filter(|direction| !directions.contains(direction)) {
        let (own, other) = (reference.part(direction), fixed.part(direction));
        let named = simulation.reference.contains_key(direction.coefficient.name());
        let allowed = format!("{other}, as [generator] has it, or {direction} among [parameters]");
        let field = format!("simulation.reference: {direction}");
        Invalid::unless(!named || (own - other).abs() < 1e-9, &field, own, allowed)?;
    }
    Ok(directions.iter().map(|direction| reference.part(*direction)).collect())
}

/// Knowledge of the fraction of background, and that of pseudo-experiments.
fn fraction(background: Option<&BackgroundCard>) -> Result<(Option<Fraction>, f64), Error> {
    let Some(card) = background else { return Ok((None, 0.0)) };
    let parts = card.parts();
    // Exchanged hadrons are signal.
    let live = parts[1] + parts[3] + parts[4];
    if card.files.is_empty() && live <= 0.0 {
        return Ok((None, 0.0));
    }
    let fraction = match (card.fraction, card.files.is_empty()) {
        (None, true) => Fraction::Fixed(live),
        (None, false) => {
            let allowed = "a number, \"free\", or as in \"0.44+-0.02\"".to_owned();
            return Err(Error::Missing { setting: "background.fraction", allowed });
        }
        (Some(known), _) => known,
    };
    check(fraction, "background.fraction")?;
    let nominal = match fraction {
        _ if card.files.is_empty() => live,
        Fraction::Fixed(value) | Fraction::Constrained(value, _) => value,
        Fraction::Free => UNKNOWN_FRACTION,
    };
    Ok((Some(fraction), nominal))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_share_no_row_and_keep_candidates_together() {
        let rows = 64 * 1000;
        let count = |part: Part| (0..rows).filter(|row| Part::of(*row) == part).count();
        assert_eq!(
            [Part::Training, Part::Calibration, Part::Test].map(count),
            [rows / 2, rows * 3 / 10, rows / 5]
        );
        for block in 0..1000 {
            let first = Part::of(64 * block);
            assert!((0..64).all(|i| Part::of(64 * block + i) == first));
        }
    }
}
