//! Ways to find the coefficients of measured events by the same simulated ones: learned ratios, and what an analysis has without a network.

use humboldt_physics::{Decay, LineShape, WilsonDirection, WilsonShifts};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::Q2Windows;
use humboldt_schemas::card::SWaveCard;
use rayon::prelude::*;

use super::experiments::Experiment;
use super::model::RatioModel;
use super::source::{SimulatedSample, Source};
use crate::error::Error;
use crate::infer::background::{Background, Simulated};
use crate::infer::density::EventFamily;
use crate::infer::estimator::moment_bins;
use crate::infer::likelihood::Likelihood;
use crate::infer::mixture::Fraction;
use crate::infer::ratio::{EventStatistic, Fit, Moments, RatioCalibration, SamplePart, Truth};
use crate::infer::simulation::Simulation;
use crate::infer::unbinned::{fit, pull};
use crate::infer::weights::Weights;
use crate::sampling;

/// Names of all estimators, in the order of tables.
pub const NAMES: [&str; 3] = ["ratio", "unbinned", "moments"];

/// Most events of background that densities and moments are taken from.
const BACKGROUND: usize = 1 << 17;

/// A coefficient by an estimator.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CoefficientEstimate {
    /// Its shift.
    pub value: f64,
    /// Standard deviation that the estimator states.
    pub sigma: f64,
    /// Distance from the truth in standard deviations, by the profile of the likelihood where there is one.
    pub pull: f64,
}

/// Answer of an estimator for one sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimated {
    /// By coefficient.
    pub coefficients: Vec<CoefficientEstimate>,
    /// Probability of a sample that looks less like the simulation, where the estimator tells.
    pub p_value: Option<f64>,
}

/// A way to find coefficients.
pub trait Estimator: Sync {
    /// Its name, of [`NAMES`], or of the card of a network.
    fn name(&self) -> &str;

    /// The coefficients of a sample whose true shifts are known; an error where it has no answer.
    ///
    /// # Errors
    /// When the sample cannot be fitted.
    fn one(&self, sample: &Experiment, truth: &[f64]) -> Result<Estimated, Error>;

    /// Those of each of some samples.
    fn estimates(&self, samples: &[Experiment], truth: &[f64]) -> Vec<Result<Estimated, Error>> {
        samples.par_iter().map(|sample| self.one(sample, truth)).collect()
    }
}

/// Learned ratios.
pub struct Learned<'a>(pub &'a RatioModel);

impl Estimator for Learned<'_> {
    fn name(&self) -> &str {
        NAMES[0]
    }

    fn one(&self, sample: &Experiment, truth: &[f64]) -> Result<Estimated, Error> {
        let Self(model) = self;
        let sample = model.sample(&sample.told(&model.variables))?;
        fitted(&model.fit(&sample, None, &[])?, &model.origin, truth)
    }
}

/// Simulated events and background as the unbinned fit takes them: those that no pseudo-experiment is drawn from.
#[derive(Debug)]
pub struct Known {
    /// Density that is fitted, before it is normalised over accepted events.
    family: EventFamily,
    /// Density that the simulated events follow before acceptance.
    reference: EventFamily,
    measured: EventBatch,
    truth: EventBatch,
    weights: Option<Weights>,
    background: Option<(EventBatch, Fraction)>,
    /// Fraction of background of pseudo-experiments.
    fraction: f64,
}

impl Known {
    /// Of the parts for training and calibration.
    ///
    /// # Errors
    /// When physics refuses the card.
    pub fn new(source: &Source, parts: &[SimulatedSample; 3]) -> Result<Self, Error> {
        let card = &source.card().generator;
        let line_shape = card.line_shape;
        let axes = source.card().axes()?;
        let directions = axes.directions();
        let family = |decay: &Decay| -> Result<EventFamily, Error> {
            // Acceptance and windows are in the simulation.
            let everywhere = Q2Windows::new(&[], &[])?.of(decay, line_shape)?;
            let family = EventFamily::new(decay, line_shape, &everywhere, &directions)?;
            card.effects
                .s_wave
                .as_ref()
                .map_or(Ok(family.clone()), |s_wave| with_s_wave(&family, s_wave, decay, line_shape))
        };
        let without = |shifts: WilsonShifts, direction: &WilsonDirection| {
            shifts.moved(*direction, -shifts.part(*direction))
        };
        let none = directions.iter().fold(card.shifts()?, without);
        let at_origin = source.point(&source.origin)?.on(card.shifts()?);
        let reference = family(&card.decay(&at_origin)?)?;
        let (mut measured, mut truth, mut weights) =
            (EventBatch::default(), EventBatch::default(), Vec::new());
        let mut background = EventBatch::default();
        for part in &parts[..2] {
            measured.append(&part.signal.measured);
            truth.append(&part.signal.truth);
            weights.extend_from_slice(&part.signal.weights);
            if let Some(own) = &part.background {
                let room = own.len().min(BACKGROUND - background.len());
                background.append(&own.measured.rows(0..room));
            }
        }
        let keep: Vec<bool> = reference
            .holds(&measured)
            .into_iter()
            .zip(reference.holds(&truth))
            .map(|(a, b)| a && b)
            .collect();
        weights = weights.iter().zip(&keep).filter_map(|(w, keep)| keep.then_some(*w)).collect();
        let background = background.filtered(&reference.holds(&background));
        Ok(Self {
            family: family(&card.decay(&none)?)?,
            measured: measured.filtered(&keep),
            truth: truth.filtered(&keep),
            weights: weights
                .iter()
                .any(|w| (w - 1.0).abs() > 0.0)
                .then(|| Weights::new(weights))
                .transpose()?,
            background: source.fraction.map(|fraction| (background, fraction)),
            fraction: source.nominal,
            reference,
        })
    }

    /// The events of a sample that have a density.
    fn of(&self, sample: &Experiment) -> EventBatch {
        sample.events.filtered(&self.family.holds(&sample.events))
    }

    /// The events of a sample that have a density, and behind them background with the weights that subtract it, where there is any.
    fn subtracted(&self, sample: &Experiment) -> Result<(EventBatch, Option<Weights>), Error> {
        let mut events = self.of(sample);
        let Some((background, _)) = &self.background else { return Ok((events, None)) };
        let weights = Weights::subtracting((events.len(), None), (background.len(), None), self.fraction)?;
        events.append(background);
        Ok((events, Some(weights)))
    }
}

fn with_s_wave(
    family: &EventFamily,
    card: &SWaveCard,
    decay: &Decay,
    line_shape: LineShape,
) -> Result<EventFamily, Error> {
    let s_wave = card.of(decay, line_shape)?;
    let ratio = s_wave.rate_ratio(decay, line_shape, family.windows(), card.m_kpi)?;
    Ok(family.clone().with_s_wave(s_wave, card.m_kpi, Fraction::Fixed(ratio / (1.0 + ratio)))?)
}

/// Unbinned maximum likelihood with the true density, normalised over accepted simulated events; background by its smoothed density where that is
/// its sample's, else subtracted, its fraction taken as known. It takes measured values for true ones.
pub struct Unbinned<'a> {
    known: &'a Known,
    family: EventFamily,
    background: Option<(Background, Fraction)>,
}

impl<'a> Unbinned<'a> {
    /// By what is known.
    ///
    /// # Errors
    /// When the simulation has too few events for it.
    pub fn new(known: &'a Known) -> Result<Self, Error> {
        let Known { family, reference, measured, truth, weights, background, .. } = known;
        let weights = weights.as_ref();
        let family = family.clone().with_simulation(Simulation::new(family, reference, truth, weights)?);
        let simulated = Simulated { reference, measured, weights };
        let background = background.as_ref().map(|(events, fraction)| {
            Ok::<_, Error>((Background::new(&family, events, None, &[simulated], None)?, *fraction))
        });
        Ok(Self { known, background: background.transpose()?, family })
    }
}

impl Estimator for Unbinned<'_> {
    fn name(&self) -> &str {
        NAMES[1]
    }

    fn one(&self, sample: &Experiment, truth: &[f64]) -> Result<Estimated, Error> {
        let (events, weights) = match &self.background {
            Some((density, _)) if !density.describes_its_sample() => self.known.subtracted(sample)?,
            _ => (self.known.of(sample), None),
        };
        let mut likelihood = Likelihood::new(&self.family, &events, 0)?;
        likelihood = match (&self.background, weights) {
            (_, Some(weights)) => likelihood.weighted(weights)?,
            (Some((density, fraction)), None) => likelihood.with_background(&events, density, *fraction)?,
            (None, None) => likelihood,
        };
        let fitted = fit(&likelihood)?;
        let sigma = fitted.sigma();
        let mut coefficients = Vec::new();
        for (i, truth) in truth.iter().enumerate() {
            let pull = pull(&likelihood, &fitted, i, *truth)?;
            coefficients.push(CoefficientEstimate { value: fitted.values[i], sigma: sigma[i], pull });
        }
        Ok(Estimated { coefficients, p_value: None })
    }
}

/// Angular moments of measured events in bins of q2, compared with those of weighted simulated events at any coefficients, as the ratios' own statistic is: detector,
/// S-wave and background are in them. It knows nothing of the K pi mass and of a user's own variables.
pub struct AngularMoments<'a> {
    model: &'a RatioModel,
    ranges: Vec<[f64; 2]>,
    calibration: RatioCalibration<Moments>,
}

impl<'a> AngularMoments<'a> {
    /// For samples of so many events, by the simulated events that the ratios are calibrated with.
    ///
    /// # Errors
    /// When no simulated event lies in a bin.
    pub fn new(
        model: &'a RatioModel,
        source: &Source,
        calibration: &SimulatedSample,
        events: usize,
    ) -> Result<Self, Error> {
        let SimulatedSample { signal, background } = calibration;
        let windows = sampling::resolved_windows(&source.card().generator)?;
        let bins = moment_bins(&windows, (events as f64 * (1.0 - source.nominal)) as usize);
        let background = background.as_ref().map(|events| &events.measured);
        let ranges = model.ranges()?;
        let middle = ranges.iter().map(|[low, high]| 0.5 * (low + high)).collect();
        let moments = Moments::new(
            &bins,
            (&signal.measured, &signal.weights),
            background.map(|events| (events, source.nominal)),
            vec![middle],
        )?;
        let truth = Truth { terms: &signal.terms, weights: &signal.weights };
        let calibration = RatioCalibration::new(moments, &signal.measured, truth, background);
        Ok(Self { model, ranges, calibration })
    }
}

/// The answer that a fit of shifts from an origin gives.
fn fitted<S: EventStatistic>(fit: &Fit<S>, origin: &[f64], truth: &[f64]) -> Result<Estimated, Error> {
    let (values, covariance) = (fit.values(), fit.covariance());
    let mut coefficients = Vec::new();
    for (i, (truth, origin)) in truth.iter().zip(origin).enumerate() {
        let pull = fit.pull(i, truth - origin)?;
        let sigma = covariance[(i, i)].sqrt();
        coefficients.push(CoefficientEstimate { value: origin + values[i], sigma, pull });
    }
    Ok(Estimated { coefficients, p_value: Some(fit.p_value()) })
}

impl Estimator for AngularMoments<'_> {
    fn name(&self) -> &str {
        NAMES[2]
    }

    fn one(&self, sample: &Experiment, truth: &[f64]) -> Result<Estimated, Error> {
        let mean = self.calibration.statistic.mean(&sample.events);
        let part = SamplePart::new(mean, truth.len());
        let fraction = self.model.fraction.unwrap_or_default();
        fitted(&self.calibration.fit(&[part], fraction, &self.ranges, &[])?, &self.model.origin, truth)
    }
}
