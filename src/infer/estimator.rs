//! Ways to estimate delta C9 from one sample of events and its image, behind one trait.
//!
//! Networks implement it where they are run; here are those that know the density.

use humboldt_pipeline::EventBatch;
use rayon::prelude::*;

use super::density::EventFamily;
use super::likelihood::Likelihood;
use super::moments::{self, MomentPredictions};
use super::template::Templates;
use super::{InferError, Interval, unbinned};

/// Edges of the bins in q2 (GeV^2) that moments are measured in, where they lie inside the windows.
const MOMENT_EDGES: [f64; 10] = [1.1, 2.5, 4.0, 6.0, 8.0, 11.0, 12.5, 15.0, 17.0, 19.0];

/// Narrowest bin at an end of a window [GeV^2].
const NARROWEST: f64 = 0.5;

/// Events that a bin of moments needs on average, so that its eleven observables have a covariance.
const EVENTS_PER_BIN: f64 = 60.0;

/// Events of one experiment, and the image that a network sees of them.
#[derive(Debug, Clone, Default)]
pub struct ImagedSample {
    /// The events.
    pub events: EventBatch,
    /// Their image: mean q2 (GeV^2) of each cell, 0 where empty.
    ///
    /// # Shapes
    /// `(cos_theta_l, cos_theta_k, chi)`.
    pub image: Vec<f32>,
}

/// Answer of an estimator for one sample.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// delta C9.
    pub value: f64,
    /// The estimator's own interval of one standard deviation, where it has one.
    pub interval: Option<Interval>,
}

impl Estimate {
    /// The own error on the side of a truth; `None` without one.
    pub fn sigma_towards(&self, truth: f64) -> Option<f64> {
        self.interval.and_then(|interval| if truth < self.value { interval.minus } else { interval.plus })
    }
}

/// A way to estimate delta C9.
pub trait Estimator: Sync {
    /// Its name on the command line and in files.
    fn name(&self) -> &str;

    /// delta C9 of each sample, in order; an error where a sample has none.
    fn estimates(&self, samples: &[ImagedSample]) -> Vec<Result<Estimate, InferError>>;
}

/// Unbinned maximum likelihood with the exact density, with its profile interval.
pub struct UnbinnedFit<'a> {
    /// The density; its one shift is that of C9.
    pub family: &'a EventFamily,
}

impl Estimator for UnbinnedFit<'_> {
    fn name(&self) -> &'static str {
        "unbinned"
    }

    fn estimates(&self, samples: &[ImagedSample]) -> Vec<Result<Estimate, InferError>> {
        let one = |sample: &ImagedSample| {
            let likelihood = Likelihood::new(self.family, &sample.events, 0)?;
            let mut fitted = unbinned::fit(&likelihood)?;
            let interval = unbinned::intervals(&likelihood, &mut fitted)?[0];
            Ok(Estimate { value: fitted.values[0], interval: Some(interval) })
        };
        samples.par_iter().map(one).collect()
    }
}

/// A fit of the expected image to the image.
pub struct TemplateEstimator {
    /// The expected image.
    pub templates: Templates,
}

impl Estimator for TemplateEstimator {
    fn name(&self) -> &'static str {
        "template"
    }

    fn estimates(&self, samples: &[ImagedSample]) -> Vec<Result<Estimate, InferError>> {
        let one = |sample: &ImagedSample| {
            let fit = self.templates.fit(&sample.image)?;
            Ok(Estimate { value: fit.value, interval: Some(fit.interval) })
        };
        samples.par_iter().map(one).collect()
    }
}

/// A chi-square fit to angular moments in bins of q2.
pub struct MomentsFit {
    bins: Vec<(f64, f64)>,
    predictions: MomentPredictions,
}

impl MomentsFit {
    /// In [`moment_bins`] of the family's windows.
    ///
    /// # Errors
    /// When a bin misses phase space.
    pub fn new(family: &EventFamily, events: usize) -> Result<Self, InferError> {
        let bins = moment_bins(family.windows(), events);
        let predictions = MomentPredictions::new(family, &bins)?;
        Ok(Self { bins, predictions })
    }

    /// Ends of the bins (GeV^2).
    pub fn bins(&self) -> &[(f64, f64)] {
        &self.bins
    }
}

impl Estimator for MomentsFit {
    fn name(&self) -> &'static str {
        "moments"
    }

    fn estimates(&self, samples: &[ImagedSample]) -> Vec<Result<Estimate, InferError>> {
        let one = |sample: &ImagedSample| {
            let measured = moments::moments(&sample.events, &self.bins)?;
            let (fitted, _) = moments::fit(&self.predictions, &measured)?;
            let sigma = fitted.sigma()[0];
            let interval = sigma.is_finite().then_some(Interval { minus: Some(sigma), plus: Some(sigma) });
            Ok(Estimate { value: fitted.values[0], interval })
        };
        samples.par_iter().map(one).collect()
    }
}

/// Bins in q2 (GeV^2) that fill windows, as experiments choose them, but no more than samples of so many events can bear.
pub fn moment_bins(windows: &[(f64, f64)], events: usize) -> Vec<(f64, f64)> {
    let of = |edges: &[f64]| -> Vec<(f64, f64)> {
        let window = |(low, high): &(f64, f64)| {
            let inside = edges.iter().copied().filter(|e| *e > low + NARROWEST && *e < high - NARROWEST);
            let all: Vec<f64> = [*low].into_iter().chain(inside).chain([*high]).collect();
            all.windows(2).map(|pair| (pair[0], pair[1])).collect::<Vec<_>>()
        };
        windows.iter().flat_map(window).collect()
    };
    let most = (events as f64 / EVENTS_PER_BIN) as usize;
    let mut every = 1;
    loop {
        let edges: Vec<f64> = MOMENT_EDGES.iter().copied().skip(every - 1).step_by(every).collect();
        let bins = of(&edges);
        if bins.len() <= most || edges.is_empty() {
            return bins;
        }
        every += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_fill_the_windows_and_hold_enough_events() {
        let bins = moment_bins(&[(0.1, 19.2)], 24_613);
        assert_eq!((bins[0], bins[bins.len() - 1]), ((0.1, 1.1), (17.0, 19.2)));
        assert!(bins.windows(2).all(|pair| pair[0].1.to_bits() == pair[1].0.to_bits()));
        assert_eq!(moment_bins(&[(1.0, 8.0)], 800), [(1.0, 2.5), (2.5, 4.0), (4.0, 6.0), (6.0, 8.0)]);
        let two = moment_bins(&[(0.1, 8.0), (11.0, 19.2)], 100_000);
        assert!(two.contains(&(6.0, 8.0)) && two.contains(&(11.0, 12.5)));
        assert_eq!(moment_bins(&[(1.0, 6.0)], 70), [(1.0, 6.0)]);
    }

    #[test]
    fn the_error_is_that_of_the_side() {
        let interval = Some(Interval { minus: Some(0.1), plus: None });
        let estimate = Estimate { value: 0.0, interval };
        assert_eq!((estimate.sigma_towards(-1.0), estimate.sigma_towards(1.0)), (Some(0.1), None));
    }
}
