//! Knowledge of measured events besides them: accepted simulated events, an S-wave, a sample of background.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use humboldt_physics::{Decay, LineShape, WilsonDirection};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::layout::B0BAR;
use humboldt_pipeline::phase_space::covers;
use humboldt_pipeline::store::{EventReader, More};
use humboldt_schemas::card::{Effects, GeneratorCard, SWaveCard};
use humboldt_schemas::complex::ComplexValue;
use humboldt_schemas::inference::{FittedSWave, SimulationUsed};
use nalgebra::DVector;

use super::MeasuredSample;
use super::table::{Columns, Table, column_of, within};
use crate::Error;
use crate::error::Place;
use crate::infer::Interval;
use crate::infer::accepted::AcceptedInformation;
use crate::infer::background::{Agreement, Background, Simulated};
use crate::infer::density::EventFamily;
use crate::infer::goodness::{Goodness, Measured, Signal, goodness_of_measured};
use crate::infer::likelihood::Likelihood;
use crate::infer::mixture::Fraction;
use crate::infer::simulation::{Simulation, score_of_resolution, weights_at};
use crate::infer::unbinned::Fitted;
use crate::infer::unfold::SimulatedTruth;
use crate::infer::weights::{Counted, Weights};
use crate::sampling::{self, in_words};

/// Simulated events for each of the data below which the fit is said to be widened.
const FEW: f64 = 10.0;

/// Part of a standard deviation by which the resolution may move a coefficient unsaid.
const UNSAID: f64 = 0.25;

/// Accepted simulated events, as they are given.
#[derive(Debug, Clone)]
pub struct GivenSimulation {
    /// The events; measured values in the usual columns, true ones in `true_q2`, ... where they differ.
    pub file: PathBuf,
    /// Shifts at which they were simulated; by default, where it is empty, as the file says.
    pub shifts: BTreeMap<String, ComplexValue>,
}

/// Knowledge of the S-wave's part of the rate.
#[derive(Debug, Clone, Copy)]
pub enum KnownSWave {
    /// As the card says.
    AsGiven,
    /// The fraction F_S of the Standard Model's rate.
    Fraction(Fraction),
}

/// An S-wave, as it is given.
#[derive(Debug, Clone)]
pub struct GivenSWave {
    /// Its dependence on q2 and the K pi mass, and its phase.
    pub card: SWaveCard,
    /// Its strength.
    pub known: KnownSWave,
}

/// A sample of background, as it is given.
#[derive(Debug, Clone)]
pub struct GivenBackground {
    /// The sample.
    pub file: PathBuf,
    /// Background's part of the measured events.
    pub fraction: Fraction,
    /// Highest order of the polynomials that smooth it, 1 to 6; by default what the sample bears, at most 3.
    pub order: Option<usize>,
    /// Way in which a fit takes it into account; by default its density where that is the sample's, or where the fraction is not
    /// known, else subtraction.
    pub method: Option<BackgroundMethod>,
}

/// Way in which a fit takes background into account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackgroundMethod {
    /// As a part of a mixture, by the smoothed density of its sample.
    Density,
    /// By its sample with negative weights, as many as there is background among the events: whatever its density is.
    Subtraction,
}

/// Background of a sample.
#[derive(Debug)]
pub struct KnownBackground {
    table: Table,
    /// The smoothed density of its sample.
    pub density: Background,
    /// Its part of the measured events.
    pub fraction: Fraction,
    /// Whether its sample is subtracted, and its density not part of the fit.
    pub subtracted: bool,
}

/// Knowledge of a sample besides its events.
#[derive(Debug, Clone, Default)]
pub struct Knowledge {
    /// Accepted simulated events that the density is normalised over, so that any acceptance is known.
    pub simulation: Option<GivenSimulation>,
    /// The S-wave under the K*.
    pub s_wave: Option<GivenSWave>,
    /// The background, whose smoothed density is part of the fit.
    pub background: Option<GivenBackground>,
}

/// Densities of a sample's signal, simulation and background, as they are known.
#[derive(Debug)]
pub struct Known {
    /// One for each flavour of the sample.
    pub families: Vec<EventFamily>,
    simulated: Vec<SimulatedSample>,
    s_wave: Option<GivenSWave>,
    background: Option<KnownBackground>,
}

/// Accepted simulated events of one flavour in the data's windows.
#[derive(Debug)]
pub struct SimulatedSample {
    table: Table,
    /// Density that is fitted, in the windows of the simulation.
    family: EventFamily,
    /// Density that they follow before acceptance.
    reference: EventFamily,
}

impl Knowledge {
    /// Reads what there is.
    ///
    /// # Errors
    /// When a file cannot be read, or is not one of the sample's decay and windows.
    pub fn read(&self, sample: &MeasuredSample, free: &[WilsonDirection]) -> Result<Known, Error> {
        let s_wave = self.s_wave.as_ref();
        let simulated = match &self.simulation {
            Some(simulation) => simulation.read(sample, &sample.windows, free, s_wave)?,
            None => Vec::new(),
        };
        let mut families = Vec::new();
        for (place, decay) in sample.decays.iter().enumerate() {
            let family = with_s_wave(s_wave, sample.family(decay, free)?, decay, sample.line_shape)?;
            families.push(match simulated.get(place) {
                Some(simulated) => family.with_simulation(simulated.sums()?),
                None => family,
            });
        }
        let background = match &self.background {
            Some(given) => Some(given.read(sample, &families[0], &simulated)?),
            None => None,
        };
        Ok(Known { families, simulated, s_wave: self.s_wave.clone(), background })
    }
}

impl GivenBackground {
    fn read(
        &self,
        sample: &MeasuredSample,
        family: &EventFamily,
        simulated: &[SimulatedSample],
    ) -> Result<KnownBackground, Error> {
        let table = selected(&self.file, sample, &sample.windows)?;
        let simulated: Vec<Simulated> = simulated.iter().map(SimulatedSample::measured).collect();
        let weights = table.weights.as_ref();
        let density = Background::new(family, &table.features, weights, &simulated, self.order)
            .place(|| self.file.display().to_string())?;
        let obstacle = if matches!(self.fraction, Fraction::Free) {
            Some("a number or X+-E as the fraction of background, which subtraction does not find")
        } else if matches!(self.fraction, Fraction::Constrained(value, _) if value <= 0.0) {
            Some("a fraction of background above 0, which scales the sample")
        } else if sample.decays.len() > 1 && table.flavours.is_none() {
            Some("a sample of background that says the flavour of each event")
        } else if sample.weights.as_ref().is_some_and(Weights::are_of_components) {
            Some("data without sWeights, which take background away themselves")
        } else {
            None
        };
        let subtracted = match (self.method, obstacle) {
            (Some(BackgroundMethod::Subtraction), Some(allowed)) => {
                return Err(Error::setting("background_method", "subtraction", allowed));
            }
            (Some(method), _) => method == BackgroundMethod::Subtraction,
            (None, obstacle) => obstacle.is_none() && !density.describes_its_sample(),
        };
        let table = if subtracted { table.filtered(&family.holds(&table.features))? } else { table };
        Ok(KnownBackground { table, density, fraction: self.fraction, subtracted })
    }
}

impl GivenSWave {
    fn with(&self, family: EventFamily, decay: &Decay, line_shape: LineShape) -> Result<EventFamily, Error> {
        let s_wave = self.card.of(decay, line_shape)?;
        let known = match self.known {
            KnownSWave::Fraction(known) => known,
            KnownSWave::AsGiven => {
                let ratio = s_wave.rate_ratio(decay, line_shape, family.windows(), self.card.m_kpi)?;
                Fraction::Fixed(ratio / (1.0 + ratio))
            }
        };
        Ok(family.with_s_wave(s_wave, self.card.m_kpi, known)?)
    }
}

/// A density with the S-wave, where there is one.
fn with_s_wave(
    s_wave: Option<&GivenSWave>,
    family: EventFamily,
    decay: &Decay,
    line_shape: LineShape,
) -> Result<EventFamily, Error> {
    match s_wave {
        Some(s_wave) => s_wave.with(family, decay, line_shape),
        None => Ok(family),
    }
}

impl GivenSimulation {
    /// The simulated events in windows of q2 (GeV^2) for each of a sample's decays.
    ///
    /// # Errors
    /// When the file cannot be read, or is not one of signal of the sample's decay and windows.
    pub fn read(
        &self,
        sample: &MeasuredSample,
        windows_of_data: &[(f64, f64)],
        free: &[WilsonDirection],
        s_wave: Option<&GivenSWave>,
    ) -> Result<Vec<SimulatedSample>, Error> {
        let made = EventReader::open_as(&self.file, sample.layout.as_ref(), More::EverythingThereIs)?
            .provenance()
            .map(|made| made.generator.clone());
        let card = self.card(made, sample)?;
        let windows = self.windows(&card, sample, windows_of_data)?;
        let table = selected(&self.file, sample, windows_of_data)?;
        let line_shape = sample.line_shape;
        let of = |own: &Decay| {
            let flavour = own.flavour();
            let table = match &table.flavours {
                Some(flavours) => {
                    let own = flavours.iter().map(|own| *own == column_of(flavour));
                    table.filtered(&own.collect::<Vec<_>>())?
                }
                None => table.filtered(&vec![true; table.features.len()])?,
            };
            let of_one = sample.decays.len() == 1 && card.flavour == flavour;
            if table.features.is_empty() || !(table.flavours.is_some() || of_one) {
                let got = if table.flavours.is_some() { "only the other one" } else { card.flavour.name() };
                return Err(self.refused(format!(
                    "flavour = {got} is not allowed; allowed: {}, as the data's, said event by event where they have both",
                    sample.assumed.flavour
                )));
            }
            let family = EventFamily::new(own, line_shape, &windows, free)?;
            let family = with_s_wave(s_wave, family, own, line_shape)?;
            let decay = card.of_flavour(flavour).own_decay()?;
            let reference = EventFamily::new(&decay, line_shape, &windows, free)?;
            let simulated = card.effects.s_wave.clone();
            let simulated = simulated.map(|card| GivenSWave { card, known: KnownSWave::AsGiven });
            let reference = with_s_wave(simulated.as_ref(), reference, &decay, line_shape)?;
            Ok(SimulatedSample { table, family, reference })
        };
        sample.decays.iter().map(of).collect()
    }

    /// The density that simulated events followed before acceptance.
    fn card(&self, made: Option<GeneratorCard>, sample: &MeasuredSample) -> Result<GeneratorCard, Error> {
        let mut card = match made {
            Some(made) => made,
            None if self.shifts.is_empty() => {
                let allowed = format!(
                    "the shifts at which {} was simulated (c9=0: none), which it does not say",
                    self.file.display()
                );
                return Err(Error::Missing { setting: "simulation_wc", allowed });
            }
            None => GeneratorCard { effects: Effects::default(), ..sample.card.clone() },
        };
        if !self.shifts.is_empty() {
            card.wilson.clone_from(&self.shifts);
        }
        for (what, own, other) in [
            ("lepton", card.lepton.name(), sample.card.lepton.name()),
            ("line_shape", card.line_shape.name(), sample.card.line_shape.name()),
        ] {
            if own != other {
                let refused = format!("{what} = {own} is not allowed; allowed: {other}, as the data's");
                return Err(self.refused(refused));
            }
        }
        let background = card.effects.background.as_ref();
        if background.is_some_and(|background| background.parts()[1..].iter().any(|part| *part > 0.0)) {
            return Err(
                self.refused("background among simulated events is not allowed; allowed: signal alone")
            );
        }
        Ok(card)
    }

    /// The windows of the simulation (GeV^2), which must cover those of the data.
    fn windows(
        &self,
        card: &GeneratorCard,
        sample: &MeasuredSample,
        of_data: &[(f64, f64)],
    ) -> Result<Vec<(f64, f64)>, Error> {
        let decay = card.own_decay()?;
        let windows = sampling::windows(card)?.of(&decay, sample.line_shape)?;
        if of_data.iter().all(|window| covers(&windows, *window)) {
            return Ok(windows);
        }
        Err(self.refused(format!(
            "q2 = {} is not allowed; allowed: windows that cover those of the data, {}",
            in_words(&windows),
            in_words(of_data)
        )))
    }

    fn refused(&self, what: impl Into<String>) -> Error {
        Error::file(&self.file, what)
    }
}

/// The events of a file in windows of q2 (GeV^2).
fn selected(file: &Path, sample: &MeasuredSample, windows: &[(f64, f64)]) -> Result<Table, Error> {
    let reader = EventReader::open_as(file, sample.layout.as_ref(), More::EverythingThereIs)?;
    let columns = Columns { weighted: reader.is_weighted(), truth: true };
    let table =
        Table::read(&mut reader.of_decay(&sample.decay), columns).place(|| file.display().to_string())?;
    let inside = within(&table.features, windows, sample.m_kpi);
    let kept = table.filtered(&inside)?;
    if kept.features.is_empty() {
        return Err(Error::file(file, format!("no event lies in q2 = {}", in_words(windows))));
    }
    Ok(kept)
}

impl Known {
    /// The likelihood of the rows of a sample from `start` on, of which these are the events with their weights.
    ///
    /// # Errors
    /// When one of them has no density; when weights cancel.
    pub fn likelihood(
        &self,
        sample: &MeasuredSample,
        events: &EventBatch,
        start: usize,
        weights: Option<&Weights>,
    ) -> Result<Likelihood<'_>, Error> {
        let families: Vec<&EventFamily> = self.families.iter().collect();
        let which = |row: usize| sample.which(start + row);
        let background = self.background.as_ref();
        if let Some(background) = background.filter(|background| background.subtracted) {
            return background.subtracted_from(&families, which, events, start, weights);
        }
        let mut likelihood = Likelihood::of_densities(&families, which, events, start as u64)?;
        if let Some(KnownBackground { density, fraction, .. }) = background {
            likelihood = likelihood.with_background(events, density, *fraction)?;
        }
        Ok(match weights {
            Some(weights) => likelihood.weighted(weights.clone())?,
            None => likelihood,
        })
    }

    /// The background.
    pub const fn background(&self) -> Option<&KnownBackground> {
        self.background.as_ref()
    }

    /// Whether nothing but K* is known of.
    pub const fn is_plain(&self) -> bool {
        self.simulated.is_empty() && self.background.is_none()
    }

    /// Agreement of events with a fit; `shares` are the parts of each density, `fraction` is the background's.
    ///
    /// # Errors
    /// When there are too few to compare.
    pub fn goodness(
        &self,
        events: &EventBatch,
        weights: Option<&Weights>,
        point: &[f64],
        shares: &[f64],
        fraction: f64,
    ) -> Result<Goodness, Error> {
        let own = self.simulated.iter().map(|simulated| simulated.weights_at(point));
        let own: Vec<Vec<f64>> = own.collect::<Result<_, Error>>()?;
        let signal = |(place, family): (usize, _)| Signal {
            family,
            part: shares[place],
            simulation: self.simulated.get(place).map(|one| (&one.table.features, own[place].as_slice())),
        };
        let signals: Vec<Signal> = self.families.iter().enumerate().map(signal).collect();
        let background = self.background.as_ref().map(|KnownBackground { table, .. }| {
            let features: &EventBatch = &table.features;
            (features, table.weights.as_ref(), fraction)
        });
        Ok(goodness_of_measured(&signals, events, point, &Measured { weights, background })?)
    }

    /// The S-wave after a fit of `n` shifts.
    pub fn fitted_s_wave(
        &self,
        fitted: &Fitted,
        n: usize,
        profile: Option<&[Interval]>,
    ) -> Option<FittedSWave> {
        let given = self.s_wave.as_ref()?;
        let strength = self.families[0].strength()?;
        let of = |fraction, fraction_sigma, Interval { minus, plus }, reversed| FittedSWave {
            fraction,
            fraction_sigma,
            minus,
            plus,
            reversed,
            m_kpi: given.card.m_kpi,
            phase: given.card.phase,
        };
        if let Fraction::Fixed(value) = strength.known() {
            return Some(of(value, None, Interval { minus: None, plus: None }, false));
        }
        let (g, sigma) = (fitted.values[n], fitted.sigma()[n]);
        let sigma = strength.slope(g).abs() * sigma;
        let interval =
            profile.map_or(Interval { minus: None, plus: None }, |all| strength.interval(g, all[n]));
        Some(of(strength.fraction(g), Some(sigma).filter(|sigma| sigma.is_finite()), interval, g < 0.0))
    }

    /// Information of one accepted event about the signal's parameters and the fraction of background, by a simulation of one decay.
    ///
    /// # Errors
    /// Without one; where the physics refuses the point.
    pub fn information(&self) -> Result<AcceptedInformation, Error> {
        let [simulated] = &self.simulated[..] else {
            return Err(Error::Missing { setting: "simulation", allowed: "one of one flavour".to_owned() });
        };
        // In the windows in which it was made: true values migrate out of those of the measured ones.
        let family = simulated.family.clone().with_simulation(simulated.sums()?);
        let truth = &simulated.table.truth;
        let mut likelihood = Likelihood::new(&family, truth, 0)?;
        if let Some(KnownBackground { density, fraction, .. }) = &self.background {
            likelihood = likelihood.with_background(truth, density, *fraction)?;
        }
        let point = likelihood.start();
        let weights = simulated.weights_at(&point[..likelihood.rate_parameters()])?;
        Ok(AcceptedInformation::new(likelihood, &point, &weights)?)
    }

    /// The simulation as it is printed, with warnings about a fit to effectively `events` of signal, of which each density has its
    /// share.
    ///
    /// # Errors
    /// Where the physics refuses the fitted point.
    pub fn simulation_used(
        &self,
        fitted: &Fitted,
        likelihood: &Likelihood,
        shares: &[f64],
        events: f64,
    ) -> Result<(Option<SimulationUsed>, Vec<String>), Error> {
        if self.simulated.is_empty() {
            return Ok((None, Vec::new()));
        }
        let names = likelihood.names();
        let n = likelihood.rate_parameters();
        let point = &fitted.values[..n];
        let (mut count, mut effective, mut moved) = (0, 0.0, DVector::zeros(n));
        let mut few: f64 = f64::INFINITY;
        for (simulated, share) in self.simulated.iter().zip(shares).filter(|(_, share)| **share > 0.0) {
            let own = simulated.counted();
            count += own.events;
            effective += own.effective;
            few = few.min(own.effective / (share * events));
            let score = score_of_resolution(
                &simulated.family,
                &simulated.table.features,
                &simulated.table.truth,
                &simulated.weights_at(point)?,
                point,
            )?;
            moved += fitted.curved.view((0, 0), (n, n)) * score * (share * events);
        }
        let mut warnings = Vec::new();
        if few < FEW {
            warnings.push(format!(
                "{effective:.0} effective simulated events for {events:.0} of data: they alone widen the errors by {:.0} %, which the errors hold",
                100.0 * ((1.0 + few.recip()).sqrt() - 1.0)
            ));
        }
        let sigma = fitted.sigma();
        for (i, name) in names.iter().enumerate() {
            if moved[i].abs() > UNSAID * sigma[i] {
                warnings.push(format!(
                    "the resolution, which the fit does not know of, moves {name} by about {:+.4} (simulated events, measured for true values)",
                    moved[i]
                ));
            }
        }
        let moved = &moved.as_slice()[..names.len()];
        let resolves = moved.iter().any(|x| *x != 0.0);
        let resolution_shifts = if resolves { moved.to_vec() } else { Vec::new() };
        Ok((Some(SimulationUsed { events: count, effective_events: effective, resolution_shifts }), warnings))
    }
}

/// The worst comparison of a density of background with its sample, where they do not agree.
pub(crate) fn disagreement(density: &Background) -> Option<&Agreement> {
    density.disagreement().max_by(|a, b| (a.chi2 / a.dof as f64).total_cmp(&(b.chi2 / b.dof as f64)))
}

impl KnownBackground {
    /// The likelihood of events, and of the sample of background with as much weight as background has among them, below zero.
    fn subtracted_from<'a>(
        &self,
        families: &[&'a EventFamily],
        which: impl Fn(usize) -> usize,
        events: &EventBatch,
        start: usize,
        weights: Option<&Weights>,
    ) -> Result<Likelihood<'a>, Error> {
        let n = events.len();
        let mut all = events.clone();
        all.append(&self.table.features);
        let flavours = self.table.flavours.as_ref().filter(|_| families.len() > 1);
        let which = |row: usize| match row.checked_sub(n) {
            None => which(row),
            Some(row) => flavours.map_or(0, |flavours| usize::from(flavours[row] != B0BAR)),
        };
        let (fraction, deviation) = match self.fraction {
            Fraction::Constrained(value, sigma) => (value, sigma / value),
            Fraction::Fixed(value) => (value, 0.0),
            Fraction::Free => (0.0, 0.0),
        };
        let other = (self.table.features.len(), self.table.weights.as_ref());
        let weights = Weights::subtracting((n, weights), other, fraction)?;
        let likelihood = Likelihood::of_densities(families, which, &all, start as u64)?;
        Ok(likelihood.weighted(weights)?.subtracting(n, deviation)?)
    }

    /// A warning where the density is not that of its sample.
    pub fn warning(&self) -> Option<String> {
        let Agreement { variables, chi2, dof, .. } = disagreement(&self.density)?;
        Some(format!(
            "the smoothed density of the background is not that of its sample, least of all in {variables} (chi2 {chi2:.1} for \
             {dof} degrees of freedom): values may be off by more than their errors. With a known fraction the sample can be \
             subtracted; networks with preset = \"ratio\" need no such density"
        ))
    }
}

impl SimulatedSample {
    fn counted(&self) -> Counted {
        let events = self.table.features.len();
        let weights = self.table.weights.as_ref();
        weights.map_or_else(|| Counted::of((0..events).map(|_| 1.0)), Weights::counted)
    }

    fn sums(&self) -> Result<Simulation, Error> {
        let Self { table, family, reference } = self;
        Ok(Simulation::new(family, reference, &table.truth, table.weights.as_ref())?)
    }

    /// True and measured events for an unfolding of moments.
    ///
    /// # Errors
    /// Where an S-wave was simulated.
    pub fn truth(&self) -> Result<SimulatedTruth<'_>, Error> {
        if self.reference.strength().is_some() {
            let allowed = "events of K* alone, of which the moments are";
            return Err(Error::setting("simulation", "events with an S-wave", allowed));
        }
        Ok(SimulatedTruth {
            reference: &self.reference,
            measured: &self.table.features,
            truth: &self.table.truth,
            weights: self.table.weights.as_ref(),
        })
    }

    fn measured(&self) -> Simulated<'_> {
        Simulated {
            reference: &self.reference,
            measured: &self.table.features,
            weights: self.table.weights.as_ref(),
        }
    }

    fn weights_at(&self, point: &[f64]) -> Result<Vec<f64>, Error> {
        let Self { table, family, reference } = self;
        Ok(weights_at(family, reference, &table.truth, table.weights.as_ref(), point)?)
    }
}
