//! What a fit knows of measured events besides them: accepted simulated events, and a sample of background.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use humboldt_physics::WilsonDirection;
use humboldt_pipeline::store::{EventReader, More};
use humboldt_schemas::complex::ComplexValue;
use humboldt_schemas::inference::SimulationUsed;

use super::arguments::{Shift, count, shift};
use super::sample::{Rows, Sample, Table, within};
use crate::infer::background::{Background, Simulated};
use crate::infer::density::EventFamily;
use crate::infer::goodness::Measured;
use crate::infer::mixture::Fraction;
use crate::infer::simulation::{Simulation, score_of_resolution, weights_at};
use crate::infer::unbinned::Fitted;
use crate::infer::weights::{Counted, Weights};
use crate::progress::note;
use crate::sampling::{self, in_words};

/// Simulated events for each of the data below which the fit is said to be widened.
const FEW: f64 = 10.0;

/// Part of a standard deviation by which the resolution may move a coefficient unsaid.
const UNSAID: f64 = 0.25;

/// Acceptance and background of a fit.
#[derive(Debug, Args)]
pub(super) struct MeasuredArguments {
    /// Accepted simulated events that the density is normalised over, so that any acceptance is in the fit; measured
    /// values in the usual columns, true ones in true_q2, true_cos_theta_l ... where they differ
    #[arg(long, value_name = "FILE")]
    simulation: Option<PathBuf>,
    /// Shifts at which they were simulated; by default as the file says
    #[arg(long, value_name = "NAME=VALUE,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = shift, requires = "simulation")]
    simulation_wc: Vec<Shift>,
    /// A sample of background, whose smoothed density is part of the fit
    #[arg(long, value_name = "FILE", requires = "background_fraction")]
    background: Option<PathBuf>,
    /// Background's part of the events: a number, free, or as in 0.44+-0.02
    #[arg(long, value_name = "X|free|X+-E", value_parser = fraction, requires = "background", allow_negative_numbers = true)]
    background_fraction: Option<Fraction>,
    /// Highest order of the polynomials that smooth the background, 1 to 6; by default what the sample bears, at most 3
    #[arg(long, value_name = "N", value_parser = count::<u8>(1..=6), requires = "background", allow_negative_numbers = true)]
    background_order: Option<u8>,
}

fn fraction(text: &str) -> Result<Fraction, String> {
    let number = |text: &str| {
        f64::from_str(text.trim()).map_err(|_| "allowed: a number from 0 to 1, free, or X+-E".to_owned())
    };
    let fraction = match (text, text.split_once("+-")) {
        ("free", _) => Fraction::Free,
        (_, Some((value, error))) => Fraction::Constrained(number(value)?, number(error)?),
        (_, None) => Fraction::Fixed(number(text)?),
    };
    fraction.check().map(|()| fraction).map_err(|error| error.to_string())
}

/// Simulation and background, read.
pub(super) struct KnownOfMeasured {
    simulated: Option<SimulatedSample>,
    background: Option<(Table, Background, Fraction)>,
}

/// Accepted simulated events in the data's windows.
struct SimulatedSample {
    table: Table,
    /// What is fitted, in the windows of the simulation.
    family: EventFamily,
    /// What they follow before acceptance.
    reference: EventFamily,
    counted: Counted,
}

impl MeasuredArguments {
    /// Reads what there is; the family is then normalised over the simulation.
    pub(super) fn read(
        &self,
        sample: &Sample,
        free: &[WilsonDirection],
        family: EventFamily,
    ) -> Result<(EventFamily, KnownOfMeasured)> {
        let simulated =
            self.simulation.as_deref().map(|file| self.simulated(file, sample, free)).transpose()?;
        let family = match &simulated {
            Some(SimulatedSample { table, family: wide, reference, .. }) => family
                .with_simulation(Simulation::new(wide, reference, &table.truth, table.weights.as_ref())?),
            None => family,
        };
        let background = match (&self.background, self.background_fraction) {
            (Some(file), Some(fraction)) => {
                let table = selected(file, sample)?;
                let simulated = simulated.as_ref().map(|simulated| Simulated {
                    reference: &simulated.reference,
                    measured: &simulated.table.features,
                    weights: simulated.table.weights.as_ref(),
                });
                let order = self.background_order.map(usize::from);
                let density =
                    Background::new(&family, &table.features, table.weights.as_ref(), simulated, order)
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
        Ok((family, KnownOfMeasured { simulated, background }))
    }

    fn simulated(&self, file: &Path, sample: &Sample, free: &[WilsonDirection]) -> Result<SimulatedSample> {
        let made = EventReader::open_as(file, sample.layout.as_ref(), More::EverythingThereIs)?
            .provenance()
            .map(|made| made.generator.clone());
        let name = file.display();
        let mut card = match made {
            Some(made) => made,
            None if self.simulation_wc.is_empty() => bail!(
                "--simulation-wc is missing; allowed: the shifts at which {name} was simulated (c9=0: none), which it does not say"
            ),
            None => sample.card.clone(),
        };
        if !self.simulation_wc.is_empty() {
            let named = |(name, value): &Shift| (name.name().to_owned(), *value);
            card.wilson = self.simulation_wc.iter().map(named).collect::<BTreeMap<String, ComplexValue>>();
        }
        for (what, own, other) in [
            ("flavour", &card.flavour, &sample.card.flavour),
            ("lepton", &card.lepton, &sample.card.lepton),
            ("line_shape", &card.line_shape, &sample.card.line_shape),
        ] {
            ensure!(own == other, "{name}: {what} = {own} is not allowed; allowed: {other}, as the data's");
        }
        let decay = card.decay(&card.shifts()?)?;
        let windows = sampling::windows(&card)?.of(&decay, sample.line_shape)?;
        let covered = |(low, high): &(f64, f64)| {
            windows.iter().any(|(a, b)| *a <= low * (1.0 + 1e-6) && *b >= high * (1.0 - 1e-6))
        };
        ensure!(
            sample.windows.iter().all(covered),
            "{name}: q2 = {} is not allowed; allowed: windows that cover those of the data, {}",
            in_words(&windows),
            in_words(&sample.windows)
        );
        let table = selected(file, sample)?;
        let events = table.features.len();
        let counted =
            table.weights.as_ref().map_or_else(|| Counted::of((0..events).map(|_| 1.0)), Weights::counted);
        let family = EventFamily::new(&sample.decay, sample.line_shape, &windows, free)?;
        let reference = EventFamily::new(&decay, sample.line_shape, &windows, free)?;
        Ok(SimulatedSample { table, family, reference, counted })
    }
}

/// The events of a file in the data's windows.
fn selected(file: &Path, sample: &Sample) -> Result<Table> {
    let reader = EventReader::open_as(file, sample.layout.as_ref(), More::EverythingThereIs)?;
    let rows = Rows { weighted: reader.is_weighted(), truth: true };
    let table =
        Table::read(&mut reader.of_decay(&sample.decay), rows).with_context(|| file.display().to_string())?;
    let inside = within(&table.features, &sample.windows);
    let kept = table.filtered(&inside)?;
    ensure!(
        !kept.features.is_empty(),
        "{}: no event lies in q2 = {}",
        file.display(),
        in_words(&sample.windows)
    );
    Ok(kept)
}

impl KnownOfMeasured {
    /// The background and its fraction.
    pub(super) fn background(&self) -> Option<(&Background, Fraction)> {
        self.background.as_ref().map(|(_, density, fraction)| (density, *fraction))
    }

    /// Whether the density is normalised over simulated events.
    pub(super) const fn is_simulated(&self) -> bool {
        self.simulated.is_some()
    }

    /// Runs `with` with what the goodness of a fit needs; `fraction` is the background's.
    pub(super) fn measured<T>(
        &self,
        weights: Option<&Weights>,
        shifts: &[f64],
        fraction: f64,
        with: impl FnOnce(&Measured) -> T,
    ) -> Result<T> {
        let own = self.simulated.as_ref().map(|simulated| simulated.weights_at(shifts)).transpose()?;
        let simulation = self
            .simulated
            .as_ref()
            .zip(own.as_deref())
            .map(|(simulated, own)| (&simulated.table.features, own));
        let background =
            self.background.as_ref().map(|(table, ..)| (&table.features, table.weights.as_ref(), fraction));
        Ok(with(&Measured { weights, simulation, background }))
    }

    /// The simulation as it is printed, with warnings about a fit to effectively `events` of signal.
    pub(super) fn simulation_used(
        &self,
        fitted: &Fitted,
        names: &[String],
        events: f64,
    ) -> Result<(Option<SimulationUsed>, Vec<String>)> {
        let Some(simulated) = &self.simulated else { return Ok((None, Vec::new())) };
        let shifts = &fitted.values[..names.len()];
        let Counted { events: count, effective, .. } = simulated.counted;
        let mut warnings = Vec::new();
        if effective < FEW * events {
            warnings.push(format!(
                "{effective:.0} effective simulated events for {events:.0} of data: they alone widen the errors by {:.0} %, which the errors hold",
                100.0 * ((1.0 + events / effective).sqrt() - 1.0)
            ));
        }
        let score = score_of_resolution(
            &simulated.family,
            &simulated.table.features,
            &simulated.table.truth,
            &simulated.weights_at(shifts)?,
            shifts,
        )?;
        let n = names.len();
        let moved = fitted.curved.view((0, 0), (n, n)) * score * events;
        let sigma = fitted.sigma();
        for (i, name) in names.iter().enumerate() {
            if moved[i].abs() > UNSAID * sigma[i] {
                warnings.push(format!(
                    "the resolution, which the fit does not know of, moves {name} by about {:+.4} (simulated events, measured for true values)",
                    moved[i]
                ));
            }
        }
        let resolves = moved.iter().any(|x| *x != 0.0);
        let resolution_shifts = if resolves { moved.iter().copied().collect() } else { Vec::new() };
        Ok((Some(SimulationUsed { events: count, effective_events: effective, resolution_shifts }), warnings))
    }
}

impl SimulatedSample {
    fn weights_at(&self, shifts: &[f64]) -> Result<Vec<f64>> {
        let Self { table, family, reference, .. } = self;
        Ok(weights_at(family, reference, &table.truth, table.weights.as_ref(), shifts)?)
    }
}
