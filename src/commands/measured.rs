//! Accepted simulated events, an S-wave and a sample of background, as typed.

use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use humboldt_physics::WilsonDirection;
use humboldt_schemas::background::HIGHEST_ORDER;
use humboldt_schemas::card::RunCard;

use super::arguments::{Shift, as_options, count, shift};
use crate::infer::mixture::{Fraction, check};
use crate::measured::{
    BackgroundMethod, GivenBackground, GivenSWave, GivenSimulation, Knowledge, Known, KnownSWave,
    MeasuredSample,
};
use crate::progress::note;

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
    #[arg(long, value_name = "N", value_parser = count::<u8>(1..=HIGHEST_ORDER as u64), requires = "background", allow_negative_numbers = true)]
    background_order: Option<u8>,
}

/// Way in which a fit takes background into account.
#[derive(Debug, Args)]
pub(super) struct MethodArguments {
    /// Way in which the background is taken into account: its density, or its sample with negative weights, which needs a known
    /// fraction; by default the density unless that is not the sample's and the fraction is known
    #[arg(long, requires = "background")]
    background_method: Option<Method>,
}

/// [`BackgroundMethod`], as typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Method {
    Density,
    Subtraction,
}

impl MethodArguments {
    /// The way that is asked for.
    pub(super) const fn given(&self) -> Option<BackgroundMethod> {
        match self.background_method {
            Some(Method::Density) => Some(BackgroundMethod::Density),
            Some(Method::Subtraction) => Some(BackgroundMethod::Subtraction),
            None => None,
        }
    }
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

impl MeasuredArguments {
    /// Whether any of the options is given.
    pub(super) const fn are_given(&self) -> bool {
        self.simulation.are_given()
            || self.s_wave.is_some()
            || self.background.is_some()
            || self.background_fraction.is_some()
    }

    /// Knowledge of the fraction of background, where that alone is given.
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
    pub(super) fn read(
        &self,
        sample: &MeasuredSample,
        free: &[WilsonDirection],
        method: Option<BackgroundMethod>,
    ) -> Result<Known> {
        ensure!(
            self.background.is_some() || self.background_fraction.is_none(),
            "--background is missing; allowed: a sample of background beside --background-fraction"
        );
        let background = self.background.clone().zip(self.background_fraction);
        let order = self.background_order.map(usize::from);
        let knowledge = Knowledge {
            simulation: self.simulation.given(),
            s_wave: self.s_wave(sample)?,
            background: background.map(|(file, fraction)| GivenBackground { file, fraction, order, method }),
        };
        let known = knowledge.read(sample, free).map_err(as_options)?;
        if let (Some(file), Some(background)) = (&self.background, known.background()) {
            let density = &background.density;
            let way = if background.subtracted {
                "subtracted".to_owned()
            } else {
                format!("smoothed to order {}", density.order())
            };
            note(format!("background: {} events of {}, {way}", density.events(), file.display()));
        }
        Ok(known)
    }

    fn s_wave(&self, sample: &MeasuredSample) -> Result<Option<GivenSWave>> {
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
    pub(super) fn unsaid(&self, sample: &MeasuredSample) -> Vec<String> {
        let told = [
            (self.s_wave.is_some(), "--s-wave"),
            (self.simulation.are_given(), "--simulation"),
            (self.background.is_some(), "--background"),
        ];
        unsaid(sample, "the fit knows", told)
    }
}

/// Effects that a file says its events have and `who` is not told of: an S-wave, an acceptance, background; each with whether it is told,
/// and by which option.
pub(super) fn unsaid(sample: &MeasuredSample, who: &str, told: [(bool, &str); 3]) -> Vec<String> {
    let effects = &sample.card.effects;
    let there = [
        (effects.s_wave.is_some(), "an S-wave"),
        (effects.acceptance.is_some() || effects.detector.is_some(), "an acceptance"),
        (effects.background.is_some(), "background"),
    ];
    let unsaid = there.into_iter().zip(told).filter(|((is, _), (told, _))| *is && !told);
    unsaid
        .map(|((_, what), (_, option))| {
            format!("the file says that its events have {what}, {who} of none ({option})")
        })
        .collect()
}

impl SimulationArguments {
    /// Whether there are any.
    pub(super) const fn are_given(&self) -> bool {
        self.simulation.is_some()
    }

    /// The simulation, where there is one.
    pub(super) fn given(&self) -> Option<GivenSimulation> {
        let named = |(name, value): &Shift| (name.name().to_owned(), *value);
        let shifts = self.simulation_wc.iter().map(named).collect();
        self.simulation.clone().map(|file| GivenSimulation { file, shifts })
    }
}
