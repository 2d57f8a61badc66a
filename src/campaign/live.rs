//! Images that are made when they are due, and never stored: every epoch has others.

use std::cell::RefCell;
use std::sync::Arc;

use anyhow::Result;
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::EventSampler;
use humboldt_pipeline::rng::StreamKey;
use humboldt_schemas::card::{DataCard, Prior, Split, TrainingCard};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::make::ImageMaker;
use crate::learn::{ImageSource, LearnError};
use crate::sampling;

/// Values of delta C9 in an epoch of the uniform prior, one in each of as many equal parts of the range: the tables of
/// a sampler take as long as some tens of images.
const VALUES: usize = 64;

/// Name of images that differ from epoch to epoch.
const LIVE: &str = "live";

/// Values of delta C9 that a network is calibrated at.
const CALIBRATION_VALUES: usize = 33;

/// How far they reach beyond the values that are learned, of their range.
const MARGIN: f64 = 0.15;

/// Training images from the generator: as many in an epoch as `[dataset]` has, independent of each other, of those of
/// other epochs and of all stored ones.
pub struct LiveImages<'a> {
    data: &'a DataCard,
    /// What the images are for: those of another name are others.
    name: &'static str,
    /// With `uniform` the margin beyond the values that are learned.
    prior: Option<f64>,
    epoch: usize,
    /// delta C9 with its sampler, and the first of its images.
    values: Arc<[(f64, EventSampler, usize)]>,
    len: usize,
}

impl<'a> LiveImages<'a> {
    /// The images before the first epoch, from which the spread of inputs is measured.
    ///
    /// # Errors
    /// When the physics refuses the card.
    pub fn new(data: &'a DataCard, training: &TrainingCard) -> Result<Self> {
        Self::of_epoch(data, (training.prior == Prior::Uniform).then_some(training.margin), 0)
    }

    /// The same number of images at evenly spaced values, from which a network is calibrated. They reach beyond the values
    /// of the training, by 15 % of their range at each end: estimates there scatter to both sides.
    ///
    /// # Errors
    /// When the physics refuses the card.
    pub fn calibration(data: &'a DataCard, images: usize) -> Result<Self> {
        let (low, high) = widened(trained_range(data), MARGIN);
        let steps = CALIBRATION_VALUES - 1;
        let value = |i: usize| low + (high - low) * i as f64 / steps as f64;
        let counts = (0..=steps).map(|i| (value(i), images)).collect();
        Self::with(data, "calibration", None, 0, counts)
    }

    /// The images of a split as a campaign would store them, made anew: for networks that take their events, and where
    /// nothing is stored. Those of one delta C9 only, if one is given.
    ///
    /// # Errors
    /// When the physics refuses the card.
    pub fn of_split(data: &'a DataCard, split: Split, delta_c9: Option<f64>) -> Result<Self> {
        let points = data.dataset.points();
        let wanted = |x: f64| delta_c9.is_none_or(|value| value.to_bits() == x.to_bits());
        let chosen = points.iter().filter(|p| p.count(split) > 0 && wanted(p.delta_c9));
        let counts = chosen.map(|p| (p.delta_c9, p.count(split))).collect();
        Self::with(data, split.name(), None, 0, counts)
    }

    fn of_epoch(data: &'a DataCard, prior: Option<f64>, epoch: usize) -> Result<Self> {
        let points = data.dataset.points();
        let trained = points.iter().filter(|p| p.count(Split::Train) > 0);
        let grid: Vec<(f64, usize)> = trained.map(|p| (p.delta_c9, p.count(Split::Train))).collect();
        let len = grid.iter().map(|(_, n)| n).sum();
        let counts = match prior {
            None => grid,
            Some(margin) => uniform(data.seed, epoch, widened(trained_range(data), margin), len),
        };
        Self::with(data, LIVE, prior, epoch, counts)
    }

    /// So many images of each value.
    fn with(
        data: &'a DataCard,
        name: &'static str,
        prior: Option<f64>,
        epoch: usize,
        counts: Vec<(f64, usize)>,
    ) -> Result<Self> {
        let sampler = |&(delta_c9, _): &(f64, usize)| sampling::sampler_at(&data.generator, delta_c9);
        let samplers = counts.par_iter().map(sampler).collect::<Result<Vec<_>>>()?;
        let mut first = 0;
        let mut values = Vec::with_capacity(counts.len());
        for ((delta_c9, n), sampler) in counts.into_iter().zip(samplers) {
            values.push((delta_c9, sampler, first));
            first += n;
        }
        Ok(Self { data, name, prior, epoch, values: values.into(), len: first })
    }

    /// The random stream of an image; of a split, that of the campaign's image.
    fn stream(&self, index: usize) -> StreamKey {
        let (delta_c9, _, first) = self.find(index);
        StreamKey::new(self.data.seed)
            .child(self.name, self.epoch as u64)
            .child("delta_c9", delta_c9.to_bits())
            .child("image", (index - first) as u64)
    }

    fn find(&self, index: usize) -> &(f64, EventSampler, usize) {
        &self.values[self.values.partition_point(|(_, _, first)| *first <= index) - 1]
    }
}

/// The smallest and the largest delta C9 that is learned.
fn trained_range(data: &DataCard) -> (f64, f64) {
    let points = data.dataset.points();
    let trained = || points.iter().filter(|p| p.count(Split::Train) > 0).map(|p| p.delta_c9);
    (trained().fold(f64::INFINITY, f64::min), trained().fold(f64::NEG_INFINITY, f64::max))
}

/// A range with a margin at each end, of its length.
fn widened((low, high): (f64, f64), margin: f64) -> (f64, f64) {
    let margin = margin * (high - low);
    (low - margin, high + margin)
}

/// A value in each of [`VALUES`] equal parts of a range, with its number of images.
fn uniform(seed: u64, epoch: usize, (low, high): (f64, f64), images: usize) -> Vec<(f64, usize)> {
    let parts = VALUES.min(images);
    let state = Pcg64::seed_from_u64(seed).random::<u64>();
    let mut rng = Pcg64::new(state.into(), epoch as u128);
    let value = |part: usize| low + (high - low) * (part as f64 + rng.random::<f64>()) / parts as f64;
    let share = |part: usize| (part + 1) * images / parts - part * images / parts;
    (0..parts).map(value).zip((0..parts).map(share)).collect()
}

impl ImageSource for LiveImages<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn bins(&self) -> usize {
        self.data.images.bins
    }

    fn label(&self, index: usize) -> f64 {
        self.find(index).0
    }

    fn read(&self, index: usize, image: &mut [f32]) -> Result<(), LearnError> {
        thread_local! {
            static MAKER: RefCell<Option<(usize, ImageMaker)>> = const { RefCell::new(None) };
        }
        let failed = |e: anyhow::Error| LearnError::Image { index, reason: format!("{e:#}") };
        let ((_, sampler, _), stream) = (self.find(index), self.stream(index));
        let bins = self.data.images.bins;
        MAKER.with_borrow_mut(|maker| {
            if maker.as_ref().is_none_or(|(b, _)| *b != bins) {
                *maker = Some((bins, ImageMaker::new(bins).map_err(failed)?));
            }
            let Some((_, maker)) = maker else { return Ok(()) };
            let report = maker.dense(sampler, stream, self.data.images.events, image).map_err(failed)?;
            sampling::check(&report).map_err(failed)
        })
    }

    fn events(&self, index: usize, most: usize, events: &mut EventBatch) -> Result<(), LearnError> {
        let ((_, sampler, _), n) = (self.find(index), most.min(self.data.images.events));
        let report = sampler.fill(self.stream(index), n, events);
        sampling::check(&report).map_err(|e| LearnError::Image { index, reason: format!("{e:#}") })
    }

    fn is_live(&self) -> bool {
        self.name == LIVE
    }

    fn of_epoch(&self, epoch: usize) -> Result<Option<Box<dyn ImageSource + '_>>, LearnError> {
        if !self.is_live() {
            return Ok(None);
        }
        let fresh = match self.prior {
            // Other images of the same values.
            None => Ok(LiveImages { epoch, values: Arc::clone(&self.values), ..*self }),
            Some(_) => LiveImages::of_epoch(self.data, self.prior, epoch),
        };
        let fresh = fresh.map_err(|e| LearnError::Image { index: 0, reason: format!("{e:#}") })?;
        Ok(Some(Box::new(fresh)))
    }
}

#[cfg(test)]
mod tests {
    use humboldt_schemas::card::RunCard;

    use super::*;

    const CARD: &str = "[images]\nevents = 500\nbins = 5\n[[dataset.groups]]\ndelta_c9 = [-1.0, 1.0]\ntrain = 70\n\
                        validation = 1\ntest = 1";

    #[test]
    fn epochs_have_other_images_and_the_same_epoch_the_same() {
        let data = RunCard::parse(CARD, "card").unwrap().data();
        let live = LiveImages::new(&data, &TrainingCard::default()).unwrap();
        let image = |epoch: usize, index: usize| {
            let mut image = vec![0.0; 125];
            live.of_epoch(epoch).unwrap().unwrap().read(index, &mut image).unwrap();
            image
        };
        assert_eq!(live.len(), 140);
        assert_eq!(live.label(69).to_bits(), (-1.0_f64).to_bits());
        assert_eq!(image(1, 3), image(1, 3));
        assert_ne!(image(1, 3), image(2, 3));
        assert_ne!(image(1, 3), image(1, 4));
    }

    #[test]
    fn uniform_prior_fills_the_range_anew_in_each_epoch() {
        let (first, second) = (uniform(1, 1, (-2.0, 1.0), 1000), uniform(1, 2, (-2.0, 1.0), 1000));
        assert_eq!(first, uniform(1, 1, (-2.0, 1.0), 1000));
        assert_ne!(first, second);
        assert_eq!(first.iter().map(|(_, n)| n).sum::<usize>(), 1000);
        let mean: f64 = first.iter().map(|(x, n)| x * *n as f64).sum::<f64>() / 1000.0;
        assert!((mean + 0.5).abs() < 0.02, "{mean}");
        assert!(first.windows(2).all(|w| w[0].0 < w[1].0 && w[0].0 >= -2.0 && w[1].0 <= 1.0));
        assert_eq!(uniform(1, 1, (0.0, 1.0), 5).len(), 5);
    }
}
