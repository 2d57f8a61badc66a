//! What a fit knows of measured events besides them: accepted simulated events, an S-wave, a sample of background.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use humboldt_physics::{Decay, LineShape, WilsonDirection};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::layout::{B0, B0BAR};
use humboldt_pipeline::store::{EventReader, More};
use humboldt_schemas::card::{Effects, GeneratorCard, RunCard, SWaveCard};
use humboldt_schemas::complex::ComplexValue;
use humboldt_schemas::inference::{FittedSWave, SimulationUsed};
use nalgebra::DVector;

use super::arguments::{Shift, count, shift};
use super::sample::{Rows, Sample, Table, within};
use crate::infer::Interval;
use crate::infer::accepted::AcceptedInformation;
use crate::infer::background::{Background, Simulated};
use crate::infer::density::EventFamily;
use crate::infer::goodness::{Goodness, Measured, Signal, goodness_of_measured};
use crate::infer::likelihood::Likelihood;
use crate::infer::mixture::{Fraction, check};
use crate::infer::simulation::{Simulation, score_of_resolution, weights_at};
use crate::infer::unbinned::Fitted;
use crate::infer::unfold::SimulatedTruth;
use crate::infer::weights::{Counted, Weights};
use crate::progress::note;
use crate::sampling::{self, in_words};

/// Simulated events for each of the data below which the fit is said to be widened.
const FEW: f64 = 10.0;

/// Part of a standard deviation by which the resolution may move a coefficient unsaid.
const UNSAID: f64 = 0.25;

/// Accepted simulated events.
#[derive(Debug, Args)]
pub(super) struct SimulationArguments {
    /// Accepted simulated events that the density is normalised over, so that any acceptance is known; measured
    /// values in the usual columns, true ones in true_q2, true_cos_theta_l ... where they differ
    #[arg(long, value_name = "FILE")]
    simulation: Option<PathBuf>,
    /// Shifts at which they were simulated; by default as the file says
    #[arg(long, value_name = "NAME=VALUE,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = shift, requires = "simulation")]
    simulation_wc: Vec<Shift>,
}

/// Acceptance, S-wave and background of a fit.
#[derive(Debug, Args)]
pub(super) struct MeasuredArguments {
    #[command(flatten)]
    simulation: SimulationArguments,
    /// S-wave under the K*: its part F_S of the Standard Model's rate (a number, free, or as in 0.10+-0.03), or card, as the card says
    #[arg(long, value_name = "F_S|free|F_S+-E|card", value_parser = s_wave, allow_negative_numbers = true)]
    s_wave: Option<KnownSWave>,
    /// Run card whose table [s_wave] says how F_S goes with q2, its K pi masses and its phase; by default the card that the file
    /// was made with, else the fractions of LHCb
    #[arg(long, value_name = "CARD", requires = "s_wave")]
    s_wave_card: Option<PathBuf>,
    /// A sample of background, whose smoothed density is part of the fit
    #[arg(long, value_name = "FILE", requires = "background_fraction")]
    background: Option<PathBuf>,
    /// Background's part of the events: a number, free, or as in 0.44+-0.02
    #[arg(long, value_name = "X|free|X+-E", value_parser = background_fraction, allow_negative_numbers = true)]
    background_fraction: Option<Fraction>,
    /// Highest order of the polynomials that smooth the background, 1 to 6; by default what the sample bears, at most 3
    #[arg(long, value_name = "N", value_parser = count::<u8>(1..=6), requires = "background", allow_negative_numbers = true)]
    background_order: Option<u8>,
}

/// Knowledge of F_S.
#[derive(Debug, Clone, Copy)]
enum KnownSWave {
    /// As the card says.
    AsGiven,
    Fraction(Fraction),
}

fn s_wave(text: &str) -> Result<KnownSWave, String> {
    if text == "card" {
        return Ok(KnownSWave::AsGiven);
    }
    fraction(text, "F_S", "a number from 0 to 0.9, free, F_S+-E, or card").map(KnownSWave::Fraction)
}

pub(super) fn background_fraction(text: &str) -> Result<Fraction, String> {
    fraction(text, "background fraction", "a number from 0 to 1, free, or X+-E")
}

fn fraction(text: &str, name: &str, allowed: &str) -> Result<Fraction, String> {
    let fraction = Fraction::of_words(text).ok_or_else(|| format!("allowed: {allowed}"))?;
    check(fraction, name).map(|()| fraction).map_err(|error| error.to_string())
}

/// The S-wave of a fit, as it is given.
pub(super) struct GivenSWave {
    card: SWaveCard,
    known: KnownSWave,
}

impl GivenSWave {
    fn with(&self, family: EventFamily, decay: &Decay, line_shape: LineShape) -> Result<EventFamily> {
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

/// What is known of a sample: densities of its signal, simulation, background.
pub(super) struct KnownOfMeasured {
    /// One for each flavour of the sample.
    pub(super) families: Vec<EventFamily>,
    simulated: Vec<SimulatedSample>,
    s_wave: Option<GivenSWave>,
    background: Option<(Table, Background, Fraction)>,
}

/// Accepted simulated events of one flavour in the data's windows.
pub(super) struct SimulatedSample {
    pub(super) table: Table,
    /// What is fitted, in the windows of the simulation.
    family: EventFamily,
    /// What they follow before acceptance.
    reference: EventFamily,
}

impl MeasuredArguments {
    /// Whether any of the options is given.
    pub(super) const fn are_given(&self) -> bool {
        self.simulation.are_given()
            || self.s_wave.is_some()
            || self.background.is_some()
            || self.background_fraction.is_some()
    }

    /// What is known of the fraction of background, where that alone is given.
    ///
    /// # Errors
    /// With any of the other options.
    pub(super) fn fraction_alone(&self) -> Result<Option<Fraction>> {
        for (given, option) in [
            (self.simulation.are_given(), "--simulation"),
            (self.s_wave.is_some(), "--s-wave"),
            (self.background.is_some(), "--background"),
        ] {
            ensure!(
                !given,
                "{option} is not allowed with a network; allowed: its own card says what it learned from"
            );
        }
        Ok(self.background_fraction)
    }

    /// Whether there is a simulation.
    pub(super) const fn has_simulation(&self) -> bool {
        self.simulation.are_given()
    }

    /// The effects that the events have by these options, as a card names them.
    pub(super) fn effects(&self) -> Vec<String> {
        let all = [
            (self.s_wave.is_some(), "s_wave"),
            (self.simulation.are_given(), "acceptance"),
            (self.background.is_some(), "background"),
        ];
        all.into_iter().filter(|(is, _)| *is).map(|(_, name)| name.to_owned()).collect()
    }

    /// The parameters behind the coefficients that a fit would have, by name.
    pub(super) fn free(&self) -> Vec<String> {
        let s_wave = matches!(self.s_wave, Some(KnownSWave::Fraction(known)) if known.is_free());
        let background = self.background_fraction.is_some_and(Fraction::is_free);
        let all = [(s_wave, "s_wave"), (background, "background")];
        all.into_iter().filter(|(is, _)| *is).map(|(_, name)| name.to_owned()).collect()
    }

    /// Reads what there is.
    pub(super) fn read(&self, sample: &Sample, free: &[WilsonDirection]) -> Result<KnownOfMeasured> {
        ensure!(
            self.background.is_some() || self.background_fraction.is_none(),
            "--background is missing; allowed: a sample of background beside --background-fraction"
        );
        let s_wave = self.s_wave(sample)?;
        let simulated = self.simulation.read(sample, &sample.windows, free, s_wave.as_ref())?;
        let mut families = Vec::new();
        for (place, decay) in sample.decays.iter().enumerate() {
            let family = sample.family(decay, free)?;
            let family = match &s_wave {
                Some(s_wave) => s_wave.with(family, decay, sample.line_shape)?,
                None => family,
            };
            families.push(match simulated.get(place) {
                Some(simulated) => family.with_simulation(simulated.sums()?),
                None => family,
            });
        }
        let background = match (&self.background, self.background_fraction) {
            (Some(file), Some(fraction)) => {
                let table = selected(file, sample, &sample.windows)?;
                let simulated: Vec<Simulated> = simulated.iter().map(SimulatedSample::measured).collect();
                let order = self.background_order.map(usize::from);
                let weights = table.weights.as_ref();
                let density = Background::new(&families[0], &table.features, weights, &simulated, order)
                    .with_context(|| file.display().to_string())?;
                note(format!(
                    "background: {} events of {}, smoothed to order {}",
                    density.events(),
                    file.display(),
                    density.order()
                ));
                Some((table, density, fraction))
            }
            _ => None,
        };
        Ok(KnownOfMeasured { families, simulated, s_wave, background })
    }

    fn s_wave(&self, sample: &Sample) -> Result<Option<GivenSWave>> {
        let Some(known) = self.s_wave else { return Ok(None) };
        let card = match &self.s_wave_card {
            Some(file) => {
                let card = RunCard::read(file)?.generator.effects.s_wave;
                card.with_context(|| format!("{}: [s_wave] is missing", file.display()))?
            }
            None => sample.card.effects.s_wave.clone().unwrap_or_default(),
        };
        Ok(Some(GivenSWave { card, known }))
    }

    /// Effects that the file says its events have and the fit is not told of.
    pub(super) fn unsaid(&self, sample: &Sample) -> Vec<String> {
        let effects = &sample.card.effects;
        let all = [
            (effects.s_wave.is_some() && self.s_wave.is_none(), "an S-wave", "--s-wave"),
            (
                (effects.acceptance.is_some() || effects.detector.is_some()) && !self.simulation.are_given(),
                "an acceptance",
                "--simulation",
            ),
            (effects.background.is_some() && self.background.is_none(), "background", "--background"),
        ];
        let said = all.into_iter().filter(|(is, ..)| *is);
        said.map(|(_, what, option)| {
            format!("the file says that its events have {what}, the fit knows of none ({option})")
        })
        .collect()
    }
}

impl SimulationArguments {
    /// Whether there are any.
    pub(super) const fn are_given(&self) -> bool {
        self.simulation.is_some()
    }

    /// Simulated events in windows of q2 (GeV^2) for each of a sample's decays; none where there is no file.
    pub(super) fn read(
        &self,
        sample: &Sample,
        windows_of_data: &[(f64, f64)],
        free: &[WilsonDirection],
        s_wave: Option<&GivenSWave>,
    ) -> Result<Vec<SimulatedSample>> {
        let Some(file) = &self.simulation else { return Ok(Vec::new()) };
        let made = EventReader::open_as(file, sample.layout.as_ref(), More::EverythingThereIs)?
            .provenance()
            .map(|made| made.generator.clone());
        let name = file.display();
        let card = self.card(made.clone(), sample, file)?;
        for (what, own, other) in [
            ("lepton", &card.lepton, &sample.card.lepton),
            ("line_shape", &card.line_shape, &sample.card.line_shape),
        ] {
            ensure!(own == other, "{name}: {what} = {own} is not allowed; allowed: {other}, as the data's");
        }
        ensure!(
            card.effects.background.is_none(),
            "{name}: background among simulated events is not allowed; allowed: signal alone"
        );
        let decay = card.decay(&card.shifts()?)?;
        let windows = sampling::windows(&card)?.of(&decay, sample.line_shape)?;
        let covered = |(low, high): &(f64, f64)| {
            windows.iter().any(|(a, b)| *a <= low * (1.0 + 1e-6) && *b >= high * (1.0 - 1e-6))
        };
        ensure!(
            windows_of_data.iter().all(covered),
            "{name}: q2 = {} is not allowed; allowed: windows that cover those of the data, {}",
            in_words(&windows),
            in_words(windows_of_data)
        );
        let table = selected(file, sample, windows_of_data)?;
        let of = |own: &Decay| {
            let flavour = own.flavour();
            let table = match &table.flavours {
                Some(flavours) => {
                    let wanted = if flavour.has_b_quark() { B0BAR } else { B0 };
                    table.filtered(&flavours.iter().map(|own| *own == wanted).collect::<Vec<_>>())?
                }
                None => table.filtered(&vec![true; table.features.len()])?,
            };
            ensure!(
                !table.features.is_empty()
                    && (table.flavours.is_some()
                        || sample.decays.len() == 1 && card.flavour == flavour.name()),
                "{name}: flavour = {} is not allowed; allowed: {}, as the data's, said event by event where they have both",
                if table.flavours.is_some() { "only the other one" } else { &card.flavour },
                sample.assumed.flavour
            );
            let family = EventFamily::new(own, sample.line_shape, &windows, free)?;
            let family = match s_wave {
                Some(s_wave) => s_wave.with(family, own, sample.line_shape)?,
                None => family,
            };
            let decay = card.of_flavour(flavour).decay(&card.shifts()?)?;
            let reference = EventFamily::new(&decay, sample.line_shape, &windows, free)?;
            let reference = match card.effects.s_wave.clone() {
                Some(card) => GivenSWave { card, known: KnownSWave::AsGiven }.with(
                    reference,
                    &decay,
                    sample.line_shape,
                )?,
                None => reference,
            };
            Ok(SimulatedSample { table, family, reference })
        };
        sample.decays.iter().map(of).collect()
    }

    /// The density that simulated events followed before acceptance.
    fn card(&self, made: Option<GeneratorCard>, sample: &Sample, file: &Path) -> Result<GeneratorCard> {
        let mut card = match made {
            Some(made) => made,
            None if self.simulation_wc.is_empty() => bail!(
                "--simulation-wc is missing; allowed: the shifts at which {} was simulated (c9=0: none), which it does not say",
                file.display()
            ),
            None => GeneratorCard { effects: Effects::default(), ..sample.card.clone() },
        };
        if !self.simulation_wc.is_empty() {
            let named = |(name, value): &Shift| (name.name().to_owned(), *value);
            card.wilson = self.simulation_wc.iter().map(named).collect::<BTreeMap<String, ComplexValue>>();
        }
        Ok(card)
    }
}

/// The events of a file in windows of q2 (GeV^2).
fn selected(file: &Path, sample: &Sample, windows: &[(f64, f64)]) -> Result<Table> {
    let reader = EventReader::open_as(file, sample.layout.as_ref(), More::EverythingThereIs)?;
    let rows = Rows { weighted: reader.is_weighted(), truth: true };
    let table =
        Table::read(&mut reader.of_decay(&sample.decay), rows).with_context(|| file.display().to_string())?;
    let inside = within(&table.features, windows, sample.m_kpi);
    let kept = table.filtered(&inside)?;
    ensure!(!kept.features.is_empty(), "{}: no event lies in q2 = {}", file.display(), in_words(windows));
    Ok(kept)
}

impl KnownOfMeasured {
    /// The likelihood of the rows of a sample from `start` on, of which these are the events.
    pub(super) fn likelihood(
        &self,
        sample: &Sample,
        events: &EventBatch,
        start: usize,
    ) -> Result<Likelihood<'_>> {
        let families: Vec<&EventFamily> = self.families.iter().collect();
        let which = |row: usize| sample.which(start + row);
        let likelihood = Likelihood::of_densities(&families, which, events, start as u64)?;
        Ok(match &self.background {
            Some((_, background, fraction)) => likelihood.with_background(events, background, *fraction)?,
            None => likelihood,
        })
    }

    /// The background and its fraction.
    pub(super) fn background(&self) -> Option<(&Background, Fraction)> {
        self.background.as_ref().map(|(_, density, fraction)| (density, *fraction))
    }

    /// Whether nothing but K* is known of.
    pub(super) const fn is_plain(&self) -> bool {
        self.simulated.is_empty() && self.background.is_none()
    }

    /// Agreement of events with a fit; `shares` are the parts of each density, `fraction` is the background's.
    pub(super) fn goodness(
        &self,
        events: &EventBatch,
        weights: Option<&Weights>,
        point: &[f64],
        shares: &[f64],
        fraction: f64,
    ) -> Result<Goodness> {
        let own = self.simulated.iter().map(|simulated| simulated.weights_at(point));
        let own: Vec<Vec<f64>> = own.collect::<Result<_>>()?;
        let signal = |(place, family): (usize, _)| Signal {
            family,
            part: shares[place],
            simulation: self.simulated.get(place).map(|one| (&one.table.features, own[place].as_slice())),
        };
        let signals: Vec<Signal> = self.families.iter().enumerate().map(signal).collect();
        let background =
            self.background.as_ref().map(|(table, ..)| (&table.features, table.weights.as_ref(), fraction));
        Ok(goodness_of_measured(&signals, events, point, &Measured { weights, background })?)
    }

    /// The S-wave after a fit of `n` shifts.
    pub(super) fn fitted_s_wave(
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

    /// What one accepted event says of the signal's parameters and the fraction of background, by a simulation of one decay.
    pub(super) fn information(&self) -> Result<AcceptedInformation> {
        let [simulated] = &self.simulated[..] else {
            bail!("--simulation is missing; allowed: one of one flavour")
        };
        // In the windows in which it was made: true values migrate out of those of the measured ones.
        let family = simulated.family.clone().with_simulation(simulated.sums()?);
        let truth = &simulated.table.truth;
        let mut likelihood = Likelihood::new(&family, truth, 0)?;
        if let Some((_, background, fraction)) = &self.background {
            likelihood = likelihood.with_background(truth, background, *fraction)?;
        }
        let point = likelihood.start();
        let weights = simulated.weights_at(&point[..likelihood.rate_parameters()])?;
        Ok(AcceptedInformation::new(likelihood, &point, &weights)?)
    }

    /// The simulation as it is printed, with warnings about a fit to effectively `events` of signal, of which each density has its
    /// share.
    pub(super) fn simulation_used(
        &self,
        fitted: &Fitted,
        likelihood: &Likelihood,
        shares: &[f64],
        events: f64,
    ) -> Result<(Option<SimulationUsed>, Vec<String>)> {
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

impl SimulatedSample {
    fn counted(&self) -> Counted {
        let events = self.table.features.len();
        let weights = self.table.weights.as_ref();
        weights.map_or_else(|| Counted::of((0..events).map(|_| 1.0)), Weights::counted)
    }

    fn sums(&self) -> Result<Simulation> {
        let Self { table, family, reference } = self;
        Ok(Simulation::new(family, reference, &table.truth, table.weights.as_ref())?)
    }

    /// What an unfolding of moments needs.
    ///
    /// # Errors
    /// Where an S-wave was simulated.
    pub(super) fn truth(&self) -> Result<SimulatedTruth<'_>> {
        ensure!(
            self.reference.strength().is_none(),
            "--simulation with an S-wave is not allowed; allowed: events of K* alone, of which the moments are"
        );
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

    fn weights_at(&self, point: &[f64]) -> Result<Vec<f64>> {
        let Self { table, family, reference } = self;
        Ok(weights_at(family, reference, &table.truth, table.weights.as_ref(), point)?)
    }
}
