//! `humboldt bound`: how well any method can measure Wilson coefficients with so many events, or how well a network can.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, bail, ensure};
use clap::Args;
use humboldt_physics::{
    Decay, Density, LineShape, ModelName, Parameters, WilsonCoefficient, WilsonDirection,
};
use humboldt_pipeline::generate::EventSampler;
use humboldt_pipeline::rng::StreamKey;
use humboldt_schemas::card::{Effects, GeneratorCard, RunCard};
use humboldt_schemas::inference::BoundResult;
use nalgebra::{DMatrix, DVector};

use super::arguments::{ProcessArguments, as_options, count, without_separators};
use super::layout::LayoutArguments;
use super::learned_bound::{self, rows};
use super::measured::MeasuredArguments;
use super::model::{ModelArgument, of_ratios_alone};
use super::sample::mass_window;
use crate::assumptions::note_idle_inputs;
use crate::infer::information::{Information, MassKnowledge, by_events, by_events_of, by_quadrature};
use crate::infer::nuisances::{Nuisance, Nuisances};
use crate::learn::Compute;
use crate::measured::{BackgroundMethod, KnownBackground, MeasuredSample};
use crate::progress::{note, outln};
use crate::sampling;

/// Generated events for the mean squared score, where no number is given.
const SAMPLE: u32 = 100_000;

/// Print the smallest error on C9 (and other coefficients) that any unbiased method can have, the information bound; of a network,
/// the error that its statistic leaves
#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "flags of a command line")]
pub(super) struct BoundArguments {
    #[command(flatten)]
    process: ProcessArguments,
    /// Amplitude model: npr, bare, nnlo, full; or a network of ratios or scores, a folder (RUN, RUN/model) or builtin:NAME, whose
    /// own width is printed, of all coefficients that it learned
    #[arg(long, value_name = "NAME|MODEL", default_value = ModelName::default().name(), value_parser = Subject::from_str)]
    model: Subject,
    /// Number of events; with --with-rate, that is expected at the point
    #[arg(long, value_name = "N", default_value_t = 24_613.0, allow_negative_numbers = true, value_parser = positive)]
    events: f64,
    /// Further coefficients that are measured with C9, as in c10,c7,c9_im
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = WilsonDirection::from_str)]
    also: Vec<WilsonDirection>,
    /// The number of events, Poisson with the predicted rate, counts as well
    #[arg(long)]
    with_rate: bool,
    /// K pi masses follow the line shape of the K*; all are at the pole otherwise
    #[arg(long)]
    line_shape: bool,
    /// Of the line shape, only q2 and the angles are looked at
    #[arg(long, requires = "line_shape")]
    ignore_m_kpi: bool,
    /// Run card whose S-wave and acceptance, [s_wave] and [acceptance], the events have
    #[arg(long, value_name = "CARD", conflicts_with_all = ["ignore_m_kpi", "nuisances"])]
    effects: Option<PathBuf>,
    #[command(flatten)]
    measured: MeasuredArguments,
    #[command(flatten)]
    layout: LayoutArguments,
    /// Window in the K pi mass [GeV] that the simulated events are selected in, as in 0.796:0.996
    #[arg(long, value_name = "MIN:MAX", value_parser = mass_window, requires_all = ["simulation", "line_shape"])]
    m_kpi: Option<(f64, f64)>,
    /// Parameters that are not known and profiled with their uncertainty: form-factors, charm
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = Nuisance::from_str)]
    nuisances: Vec<Nuisance>,
    /// Generated events for the mean squared score
    #[arg(long, value_name = "N", default_value_t = SAMPLE, allow_negative_numbers = true, value_parser = count::<u32>(2..=100_000_000))]
    sample: u32,
    /// Seed of the generated events
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = count::<u64>(0..=u64::MAX))]
    seed: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Subject of the bound.
#[derive(Debug, Clone)]
enum Subject {
    /// The density of events with these amplitudes.
    Amplitudes(ModelName),
    /// A network's statistic.
    Network(PathBuf),
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.starts_with("builtin") || Path::new(text).is_dir() {
            return Ok(Self::Network(text.into()));
        }
        let name =
            ModelName::from_str(text).map_err(|error| format!("{error}; or the folder of a network"))?;
        Ok(Self::Amplitudes(name))
    }
}

impl BoundArguments {
    pub(super) fn run(self) -> Result<()> {
        let amplitudes = match &self.model {
            Subject::Amplitudes(name) => *name,
            Subject::Network(folder) => return self.of_network(folder.clone()),
        };
        let result = self.result(amplitudes)?;
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&result)?);
        } else {
            print(&result);
        }
        Ok(())
    }

    /// By the statistic of a network.
    fn of_network(&self, folder: PathBuf) -> Result<()> {
        let own = [
            (!self.also.is_empty(), "--also"),
            (self.with_rate, "--with-rate"),
            (self.line_shape, "--line-shape"),
            (self.effects.is_some(), "--effects"),
            (self.sample != SAMPLE, "--sample"),
        ];
        for (given, option) in own.into_iter().chain(self.process.given()) {
            ensure!(
                !given,
                "{option} is not allowed with a network; allowed: its own card says what it learned from"
            );
        }
        let fraction = self.measured.fraction_alone()?;
        let (compute, shifts) = (Compute::cpu(), self.process.shifts()?);
        let network = ModelArgument { model: folder };
        let bound = if let Some(ratios) = network.ratios(&compute)? {
            learned_bound::of_ratios(&ratios, &shifts, self.events, fraction, &self.nuisances)?
        } else {
            of_ratios_alone(
                &[(fraction.is_some(), "--background-fraction"), (!self.nuisances.is_empty(), "--nuisances")],
                "this network",
            )?;
            learned_bound::of_scores(&network.open(&compute)?, &shifts, self.events)?
        };
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&bound)?);
        } else {
            learned_bound::print(&bound);
        }
        Ok(())
    }

    fn result(&self, amplitudes: ModelName) -> Result<BoundResult> {
        let line_shape = if self.line_shape { LineShape::BreitWigner } else { LineShape::Narrow };
        let mut card = self.process.card(amplitudes, line_shape)?;
        if let Some(file) = &self.effects {
            card.effects = effects(file)?;
        }
        let shifts = card.shifts()?;
        let decay = card.decay(&shifts)?;
        if !self.with_rate {
            note_idle_inputs(&card)?;
        }
        let windows = sampling::windows(&card)?.of(&decay, line_shape)?;
        let mut directions = vec![WilsonDirection::real(WilsonCoefficient::C9)];
        for direction in &self.also {
            ensure!(
                !directions.contains(direction),
                "--also {direction} is not allowed; allowed: each coefficient once, c9 is the first"
            );
            directions.push(*direction);
        }
        if self.measured.are_given() {
            return self.by_simulation(card, &directions);
        }
        if self.effects.is_some() {
            return self.with_effects(&card, &decay, &windows, &directions);
        }
        let parameters = card.parameters()?;
        let with_inputs =
            |parameters: &Parameters| -> Result<Decay> { Ok(card.decay_with(&shifts, parameters)?) };
        let nuisances = Nuisances::new(&self.nuisances, &parameters, decay.flavour(), with_inputs)?;
        let masses = match (self.line_shape, self.ignore_m_kpi) {
            (false, _) => MassKnowledge::Pole,
            (true, false) => MassKnowledge::Known,
            (true, true) => MassKnowledge::Ignored,
        };
        let information = by_quadrature(&decay, masses, &windows, &directions, &nuisances)?;
        let sigma = |information: &DMatrix<f64>| information[(0, 0)].sqrt().recip();
        let by_events = match masses {
            MassKnowledge::Ignored => None,
            _ => Some(self.by_events(&card, &decay, &windows, &information)?),
        };
        let profiled = (!nuisances.is_empty()).then(|| self.profiled(&information)).transpose()?;
        Ok(BoundResult {
            delta_c9: shifts.get(WilsonCoefficient::C9).re,
            events: self.events,
            q2_min: windows.first().map_or(f64::NAN, |window| window.0),
            q2_max: windows.last().map_or(f64::NAN, |window| window.1),
            sigma: sigma(&information.of_events(self.events, self.with_rate)),
            sigma_by_events: by_events.map(|(sigma, _)| sigma),
            sigma_by_events_error: by_events.map(|(_, error)| error),
            with_rate: self.with_rate,
            masses: match masses {
                MassKnowledge::Pole => "pole",
                MassKnowledge::Known => "known",
                MassKnowledge::Ignored => "ignored",
            }
            .to_owned(),
            coefficients: directions.iter().map(ToString::to_string).collect(),
            covariance: rows(&information.bound(self.events, self.with_rate)?),
            effects: Vec::new(),
            nuisances: Nuisance::names(&self.nuisances),
            sigma_profiled: profiled.as_ref().map(|(sigma, _)| *sigma),
            sigma_profiled_error: None,
            covariance_profiled: profiled.map(|(_, covariance)| rows(&covariance)),
        })
    }

    /// Of accepted events, by a simulation of them.
    fn by_simulation(&self, card: GeneratorCard, directions: &[WilsonDirection]) -> Result<BoundResult> {
        ensure!(
            self.measured.has_simulation(),
            "--s-wave and --background are not allowed alone; allowed: with --simulation, or an S-wave by --effects CARD"
        );
        for (given, option) in [
            (self.effects.is_some(), "--effects"),
            (self.with_rate, "--with-rate"),
            (self.ignore_m_kpi, "--ignore-m-kpi"),
            (!self.nuisances.is_empty(), "--nuisances"),
        ] {
            ensure!(
                !given,
                "{option} is not allowed with --simulation; allowed: the shape of the accepted events alone"
            );
        }
        let sample = MeasuredSample::expected(card, self.layout.read()?, self.m_kpi, directions)
            .map_err(as_options)?;
        // The most that a fit can know.
        let known = self.measured.read(&sample, directions, Some(BackgroundMethod::Density))?;
        if let Some(warning) = known.background().and_then(KnownBackground::warning) {
            note(format!("WARNING: {warning}"));
        }
        let information = known.information().map_err(as_options)?;
        let n = directions.len();
        let nuisances = self.measured.free();
        let shifts: Vec<usize> = (0..n).collect();
        let (mut first, mut all) = (vec![0], shifts.clone());
        for behind in [&mut first, &mut all] {
            behind.extend(n..n + nuisances.len());
        }
        let (sigma, error) = information.first(self.events, &[0])?;
        let profiled = (!nuisances.is_empty()).then(|| information.first(self.events, &first)).transpose()?;
        let covariance = information.bound(self.events, &shifts)?;
        let of_all = information.bound(self.events, &all)?.view((0, 0), (n, n)).into_owned();
        Ok(BoundResult {
            delta_c9: sample.decay.shifts().get(WilsonCoefficient::C9).re,
            events: self.events,
            q2_min: sample.windows.first().map_or(f64::NAN, |window| window.0),
            q2_max: sample.windows.last().map_or(f64::NAN, |window| window.1),
            sigma,
            sigma_by_events: Some(sigma),
            sigma_by_events_error: Some(error),
            with_rate: false,
            masses: if self.line_shape { "known" } else { "pole" }.to_owned(),
            coefficients: directions.iter().map(ToString::to_string).collect(),
            covariance: rows(&covariance),
            effects: self.measured.effects(),
            nuisances,
            sigma_profiled: profiled.map(|(sigma, _)| sigma),
            sigma_profiled_error: profiled.map(|(_, error)| error),
            covariance_profiled: profiled.map(|_| rows(&of_all)),
        })
    }

    /// By the mean squared score of generated events alone.
    fn with_effects(
        &self,
        card: &GeneratorCard,
        decay: &Decay,
        windows: &[(f64, f64)],
        directions: &[WilsonDirection],
    ) -> Result<BoundResult> {
        let (efficiency, s_wave) = sampling::effects_of_signal(card, decay)?;
        let density = Density::with_effects(decay, card.line_shape, windows, directions, efficiency, s_wave)?;
        let stream = StreamKey::new(self.seed).child("bound", 0);
        let events = sampling::accepted_signal(card, decay, stream, self.sample as usize)?;
        let (shape, error) = by_events_of(&density, &events)?;
        let (rate, none) = (density.rate(), vec![0.0; directions.len()]);
        let rate_slope = DVector::from_fn(directions.len(), |i, _| rate.log_slope(i, &none));
        let information = Information { shape, rate_slope, shifts: directions.len() };
        let of_one = information.of_events(1.0, self.with_rate)[(0, 0)];
        let sigma = (self.events * of_one).sqrt().recip();
        Ok(BoundResult {
            delta_c9: decay.shifts().get(WilsonCoefficient::C9).re,
            events: self.events,
            q2_min: windows.first().map_or(f64::NAN, |window| window.0),
            q2_max: windows.last().map_or(f64::NAN, |window| window.1),
            sigma,
            sigma_by_events: Some(sigma),
            sigma_by_events_error: Some(0.5 * sigma * error[(0, 0)] / of_one),
            with_rate: self.with_rate,
            masses: if self.line_shape { "known" } else { "pole" }.to_owned(),
            coefficients: directions.iter().map(ToString::to_string).collect(),
            covariance: rows(&information.bound(self.events, self.with_rate)?),
            effects: card.effects.names().into_iter().collect(),
            nuisances: Vec::new(),
            sigma_profiled: None,
            sigma_profiled_error: None,
            covariance_profiled: None,
        })
    }

    /// Of C9 alone, and of all coefficients.
    fn profiled(&self, information: &Information) -> Result<(f64, DMatrix<f64>)> {
        let covariance = information.profiled_bound(self.events, self.with_rate)?;
        // The other coefficients known: without their rows.
        let sigma = information.with_first_shift_only().profiled_bound(self.events, self.with_rate)?;
        Ok((sigma[(0, 0)].sqrt(), covariance))
    }

    /// Sigma of C9 and its statistical error, from the squared scores of a sample.
    fn by_events(
        &self,
        card: &GeneratorCard,
        decay: &Decay,
        windows: &[(f64, f64)],
        information: &Information,
    ) -> Result<(f64, f64)> {
        let line_shape = card.line_shape;
        let sampler = EventSampler::new(decay, line_shape, &sampling::windows(card)?)?;
        let stream = StreamKey::new(self.seed).child("bound", 0);
        let (events, report) = sampler.generate(stream, self.sample as usize);
        sampling::check(&report)?;
        let c9 = [WilsonDirection::real(WilsonCoefficient::C9)];
        let (shape, error) = by_events(decay, line_shape, windows, &c9, &events)?;
        let rate = if self.with_rate { information.rate_slope[0].powi(2) } else { 0.0 };
        let per_event = shape[(0, 0)] + rate;
        let sigma = (self.events * per_event).sqrt().recip();
        Ok((sigma, 0.5 * sigma * error[(0, 0)] / per_event))
    }
}

/// S-wave and acceptance of a card.
fn effects(file: &Path) -> Result<Effects> {
    let all = RunCard::read_for_events(file)?.effects;
    let rest = Effects { s_wave: None, acceptance: None, ..all.clone() };
    if let Some(rest) = rest.names() {
        bail!(
            "{}: {rest} is not allowed here; allowed: s_wave and acceptance, with which the density of events is known",
            file.display()
        );
    }
    ensure!(!all.is_empty(), "{}: [s_wave] or [acceptance] is missing", file.display());
    Ok(all)
}

fn positive(text: &str) -> Result<f64, String> {
    let number = without_separators(text).and_then(|text| text.parse::<f64>().ok());
    let number = number.filter(|x| x.is_finite() && *x > 0.0);
    number.ok_or_else(|| "allowed: a finite number above 0".to_owned())
}

fn print(result: &BoundResult) {
    let rate = if result.with_rate { "shape and rate" } else { "shape" };
    let effects = if result.effects.is_empty() {
        String::new()
    } else {
        format!(", with {}", result.effects.join(", "))
    };
    outln!(
        "{} events at delta C9 = {}, q2 from {:.4} to {:.4} GeV^2, {rate}, K pi mass: {}{}",
        result.events,
        result.delta_c9,
        result.q2_min,
        result.q2_max,
        result.masses,
        effects
    );
    outln!("sigma(c9), all else known           {:.5}", result.sigma);
    if let (Some(sigma), Some(error)) = (result.sigma_by_events, result.sigma_by_events_error) {
        outln!("  by the scores of generated events {sigma:.5} +- {error:.5}");
    }
    if let Some(sigma) = result.sigma_profiled {
        let error = result.sigma_profiled_error.map_or_else(String::new, |error| format!(" +- {error:.5}"));
        outln!("  profiled over {:<19} {sigma:.5}{error}", result.nuisances.join(", "));
    }
    if result.coefficients.len() > 1 {
        print_covariance("all coefficients free", &result.coefficients, &result.covariance);
        if let Some(covariance) = &result.covariance_profiled {
            let title = format!("and profiled over {}", result.nuisances.join(", "));
            print_covariance(&title, &result.coefficients, covariance);
        }
    }
}

fn print_covariance(title: &str, names: &[String], covariance: &[Vec<f64>]) {
    outln!("{title}:");
    for (i, name) in names.iter().enumerate() {
        let correlation = |j: usize| covariance[i][j] / (covariance[i][i] * covariance[j][j]).sqrt();
        let row: Vec<String> = (0..=i).map(|j| format!("{:7.3}", correlation(j))).collect();
        outln!("  {name:<14}{:.5}   correlation {}", covariance[i][i].sqrt(), row.join(""));
    }
}
