//! Trained and calibrated ratios in files, and the fit of a sample.

use std::fs;
use std::path::{Path, PathBuf};

use humboldt_pipeline::PipelineError;
use humboldt_pipeline::store::write_json;
use humboldt_schemas::card::RunCard;
use humboldt_schemas::inference::InferredCoefficient;
use serde::{Deserialize, Serialize};

use super::source::{density, is_imaginary};
use super::variables::{Told, Variables};
use crate::Error;
use crate::infer::mixture::Fraction;
use crate::infer::nuisances::Nuisance;
use crate::infer::ratio::{EventStatistic, Fit, RatioCalibration, Ratios, SamplePart};
use crate::learn::Compute;
use crate::learn::ratio::{LearnedRatios, RATIO_FILE};

/// Name of the file of the calibration.
const CALIBRATION_FILE: &str = "calibration.json";

const VERSION: u32 = 4;

/// Fewest events of a sample: the mean of a statistic of fewer is not Gaussian.
pub const FEWEST: usize = 100;

/// Content of `calibration.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    version: u32,
    /// The simulation's point, in the order of the card's parameters.
    origin: Vec<f64>,
    /// Value, or value and error, or nothing that is known of the fraction of background.
    fraction: Option<[Option<f64>; 2]>,
    /// Doubts in the simulation.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    doubts: Vec<String>,
    calibration: RatioCalibration,
}

/// Learned ratios that are ready to fit samples.
#[derive(Debug)]
pub struct RatioModel {
    /// The card that they were trained by.
    pub card: RunCard,
    /// Variables that networks are told.
    pub variables: Variables,
    /// The networks.
    pub learned: LearnedRatios,
    /// The calibration of their statistic.
    pub calibration: RatioCalibration,
    /// The simulation's point.
    pub origin: Vec<f64>,
    /// Knowledge of the fraction of background that the card has.
    pub fraction: Option<Fraction>,
    /// Doubts in the simulation.
    pub doubts: Vec<String>,
}

/// The fit of a sample in shifts.
#[derive(Debug, Clone)]
pub struct FittedSample {
    /// The coefficients with their profile intervals.
    pub parameters: Vec<InferredCoefficient>,
    /// Correlations of their errors.
    pub correlation: Vec<Vec<f64>>,
    /// Fraction of background, and its standard deviation where it is fitted.
    pub fraction: Option<(f64, Option<f64>)>,
    /// Probability of a sample that looks less like the simulation.
    pub p_value: f64,
    /// Effective number of simulated events of the calibration there.
    pub effective_events: f64,
}

impl RatioModel {
    /// Whether a folder holds learned ratios.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(RATIO_FILE).exists()
    }

    /// Whether a folder holds ratios with their calibration, which is written last.
    pub fn is_whole(folder: &Path) -> bool {
        Self::is_in(folder) && folder.join(CALIBRATION_FILE).exists()
    }

    /// Reads a folder.
    ///
    /// # Errors
    /// When a file is missing, damaged or of another version.
    pub fn load(folder: &Path, compute: &Compute) -> Result<Self, Error> {
        let learned = LearnedRatios::load(folder, compute)?;
        let card = RunCard::of_provenance(&learned.info().provenance).map_err(Error::NoCard)?;
        let path = calibration_file(folder);
        if !path.exists() {
            return Err(Error::file(folder, "these ratios were not calibrated: their run did not end"));
        }
        let text = fs::read_to_string(&path).map_err(PipelineError::io(&path))?;
        let saved: Saved =
            serde_json::from_str(&text).map_err(|error| Error::file(&path, error.to_string()))?;
        let outputs = learned.info().terms.len();
        let fits = saved.version == VERSION
            && saved.origin.len() == card.axes()?.len()
            && saved.calibration.is_consistent(
                outputs,
                learned.info().features.len(),
                learned.info().nuisances.len(),
            );
        if !fits {
            let what = format!(
                "not a calibration of version {VERSION} of these networks; remove it and run the card again"
            );
            return Err(Error::file(&path, what));
        }
        let fraction = saved.fraction.map(|fraction| match fraction {
            [Some(value), Some(sigma)] => Fraction::Constrained(value, sigma),
            [Some(value), None] => Fraction::Fixed(value),
            _ => Fraction::Free,
        });
        let Saved { calibration, origin, doubts, .. } = saved;
        let variables = variables_of(&learned, &card, &origin)?;
        Ok(Self { card, variables, learned, calibration, origin, fraction, doubts })
    }

    /// Writes the calibration beside the networks.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_calibration(&self, folder: &Path) -> Result<(), Error> {
        let fraction = self.fraction.map(|fraction| match fraction {
            Fraction::Fixed(value) => [Some(value), None],
            Fraction::Free => [None, None],
            Fraction::Constrained(value, sigma) => [Some(value), Some(sigma)],
        });
        let saved = Saved {
            version: VERSION,
            origin: self.origin.clone(),
            fraction,
            doubts: self.doubts.clone(),
            calibration: self.calibration.clone(),
        };
        Ok(write_json(&calibration_file(folder), &saved)?)
    }

    /// The ranges of the learned coefficients from the simulation's point.
    ///
    /// # Errors
    /// When the card is refused.
    pub fn ranges(&self) -> Result<Vec<[f64; 2]>, Error> {
        let ranges = self.card.axes()?.iter().map(|axis| axis.range).collect::<Vec<_>>();
        Ok(ranges.iter().zip(&self.origin).map(|([low, high], x)| [low - x, high - x]).collect())
    }

    /// A sample of the simulation's flavour.
    ///
    /// # Errors
    /// When the device fails.
    pub fn sample(&self, told: &Told) -> Result<Vec<SamplePart>, Error> {
        self.sample_of_both(told, &[])
    }

    /// A sample, of which some events are of the other flavour: they see imaginary parts with the opposite sign, and all else alike, as where
    /// the detector tells the flavours without a difference and the Standard Model's own weak phases are small. Without imaginary parts they need
    /// not be told apart.
    ///
    /// # Shapes
    /// `others` `[event]`, or empty for none.
    ///
    /// # Errors
    /// When the device fails.
    pub fn sample_of_both(&self, told: &Told, others: &[bool]) -> Result<Vec<SamplePart>, Error> {
        let axes = self.card.axes()?;
        let imaginary = axes.directions().into_iter().map(is_imaginary).collect::<Vec<_>>();
        let mirrored = imaginary.contains(&true) && others.contains(&true);
        let mut parts = Vec::new();
        for other in if mirrored { &[false, true][..] } else { &[false] } {
            let own = if mirrored { &told.of(others, *other) } else { told };
            if own.numbers.is_empty() {
                continue;
            }
            let seen = imaginary.iter().zip(&self.origin);
            let seen = seen.map(
                |(imaginary, origin)| {
                    if *imaginary && *other { [-2.0 * origin, -1.0] } else { [0.0, 1.0] }
                },
            );
            let mean = self.calibration.statistic.mean(&ratios(&self.learned, own)?);
            parts.push(SamplePart { mean, seen: seen.collect() });
        }
        Ok(parts)
    }

    /// The likelihood's maximum for a sample's statistic; with what is known of the fraction of background, by default what the card says, and
    /// groups of nuisance parameters that are profiled.
    ///
    /// # Errors
    /// When it has none, a fraction is given where there is no background, or nothing is known of a group.
    pub fn fit(
        &self,
        sample: &[SamplePart],
        fraction: Option<Fraction>,
        nuisances: &[Nuisance],
    ) -> Result<Fit<'_>, Error> {
        let fraction = fraction.or(self.fraction).unwrap_or_default();
        Ok(self.calibration.fit(sample, fraction, &self.ranges()?, nuisances)?)
    }

    /// Fits a sample, with profile intervals.
    ///
    /// # Errors
    /// As [`RatioModel::fit`].
    pub fn fitted(
        &self,
        sample: &[SamplePart],
        fraction: Option<Fraction>,
        nuisances: &[Nuisance],
    ) -> Result<FittedSample, Error> {
        let fit = self.fit(sample, fraction, nuisances)?;
        let names = self.card.axes()?.names();
        let (values, covariance) = (fit.values(), fit.covariance());
        let mut parameters = Vec::new();
        for (i, (name, origin)) in names.into_iter().zip(&self.origin).enumerate() {
            let interval = fit.interval(i)?;
            parameters.push(InferredCoefficient {
                name,
                value: origin + values[i],
                minus: interval.minus,
                plus: interval.plus,
            });
        }
        let n = parameters.len();
        let correlation =
            |i: usize, j: usize| covariance[(i, j)] / (covariance[(i, i)] * covariance[(j, j)]).sqrt();
        let known = n > 1 && (0..n).all(|i| covariance[(i, i)] > 0.0);
        let correlation = if known {
            (0..n).map(|i| (0..n).map(|j| correlation(i, j)).collect()).collect()
        } else {
            Vec::new()
        };
        let used = fraction.or(self.fraction);
        let fraction = used.map(|used| match (values.get(n), used) {
            (Some(value), _) => (*value, Some(covariance[(n, n)].sqrt()).filter(|x| x.is_finite())),
            (None, fixed) => (fixed.start(), None),
        });
        Ok(FittedSample {
            parameters,
            correlation,
            fraction,
            p_value: fit.p_value(),
            effective_events: fit.effective_events(),
        })
    }
}

fn calibration_file(folder: &Path) -> PathBuf {
    folder.join(CALIBRATION_FILE)
}

/// Variables that networks are told; those of an earlier program had no first guesses.
///
/// # Errors
/// When the density at the simulation's point is refused.
pub fn variables_of(learned: &LearnedRatios, card: &RunCard, origin: &[f64]) -> Result<Variables, Error> {
    let variables = Variables::of(card);
    let guessed = !learned.info().slopes.is_empty();
    Ok(if guessed { variables.with_density(&density(card, origin)?) } else { variables })
}

/// Answers of networks about events, as a statistic takes them.
///
/// # Errors
/// When the networks are told something else, or the device fails.
pub fn ratios(learned: &LearnedRatios, told: &Told) -> Result<Ratios, Error> {
    let of = learned.of(&told.numbers, &told.as_measured)?;
    Ok(Ratios { terms: of.terms, log_signal: of.log_signal, nuisances: of.nuisances, features: of.features })
}
