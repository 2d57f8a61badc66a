//! Images that are made when they are due, and never stored: every epoch has others.

use std::borrow::Cow;
use std::cell::RefCell;
use std::sync::Arc;

use humboldt_physics::{Axes, Point};
use humboldt_pipeline::effects::MeasuredEvents;
use humboldt_pipeline::generate::EventSampler;
use humboldt_pipeline::rng::{StreamKey, numbered};
use humboldt_schemas::card::parameters::{filling, share};
use humboldt_schemas::card::{DataCard, Prior, Split, TrainingCard};
use rand::RngExt;
use rayon::prelude::*;

use super::make::ImageMaker;
use crate::error::{Error, with_reasons};
use crate::learn::source::permutation;
use crate::learn::{ImageSource, LearnError};
use crate::sampling;

/// Points in an epoch of the uniform prior, one in each of as many equal parts of every range: the tables of a sampler
/// take as long as some tens of images.
const VALUES: usize = 64;

/// Name of images that differ from epoch to epoch.
const LIVE: &str = "live";

/// Points that a network of one, two, .. coefficients is calibrated at.
const CALIBRATION_POINTS: [usize; Axes::MOST] = [33, 165, 330, 660, 660, 660];

/// Reach beyond the values that are learned, of their range.
const MARGIN: f64 = 0.15;

/// Training images from the generator: as many in an epoch as `[dataset]` has, independent of each other, of those of
/// other epochs and of all stored ones.
#[derive(Clone)]
pub struct LiveImages<'a> {
    data: Cow<'a, DataCard>,
    /// Purpose of the images: those of another name are others.
    name: &'static str,
    /// With `uniform` the margin beyond the values that are learned.
    prior: Option<f64>,
    /// Least and largest number of events of an image.
    events: [usize; 2],
    epoch: usize,
    places: Arc<[Place]>,
    len: usize,
}

/// Folder of images.
struct Place {
    point: Point,
    sampler: EventSampler,
    /// Number of its first image.
    first: usize,
}

impl<'a> LiveImages<'a> {
    /// The images before the first epoch, from which the spread of inputs is measured.
    ///
    /// # Errors
    /// When the physics refuses the card.
    pub fn new(data: &'a DataCard, training: &TrainingCard) -> Result<Self, Error> {
        Self::of_training(data, training, 0)
    }

    /// The images of an epoch, from 1.
    ///
    /// # Errors
    /// When the physics refuses the card.
    pub fn of_training(data: &'a DataCard, training: &TrainingCard, epoch: usize) -> Result<Self, Error> {
        let prior = (training.prior == Prior::Uniform).then_some(training.margin);
        Self::at_epoch(Cow::Borrowed(data), prior, training.events.unwrap_or([data.images.events; 2]), epoch)
    }

    /// Images of each of some evenly spaced values, from which a network is calibrated. They reach beyond the values
    /// of the training, by 15 % of their range at each end: estimates there scatter to both sides. With several coefficients
    /// the points fill the ranges of all evenly.
    ///
    /// # Errors
    /// When the physics refuses the card.
    pub fn calibration(data: &'a DataCard, images: usize) -> Result<Self, Error> {
        let axes = data.axes()?;
        let ranges = widened(&axes, MARGIN);
        let n = axes.len();
        let points = CALIBRATION_POINTS[n - 1];
        let value = |i: usize, (axis, [low, high]): (usize, &[f64; 2])| {
            let part = if n == 1 { i as f64 / (points - 1) as f64 } else { filling(i, axis, n) };
            low + (high - low) * part
        };
        let shifts = |i: usize| ranges.iter().enumerate().map(|range| value(i, range)).collect();
        Self::with(
            Cow::Borrowed(data),
            "calibration",
            None,
            0,
            (0..points).map(|i| (shifts(i), images)).collect(),
        )
    }

    /// The images of a split as a campaign would store them, made anew: for networks that take their events, and where
    /// nothing is stored. Those of one point only, if its shifts are given.
    ///
    /// # Errors
    /// When the physics refuses the card.
    pub fn of_split(data: &'a DataCard, split: Split, of: Option<&[f64]>) -> Result<Self, Error> {
        let wanted = |shifts: &[f64]| of.is_none_or(|of| same(of, shifts));
        let chosen = data.points()?.into_iter().filter(|p| p.count(split) > 0 && wanted(&p.shifts));
        let counts = chosen.map(|p| (p.shifts.clone(), p.count(split))).collect();
        Self::with(Cow::Borrowed(data), split.name(), None, 0, counts)
    }

    /// Images that hold their card themselves.
    pub fn into_owned(self) -> LiveImages<'static> {
        let data = Cow::Owned(self.data.into_owned());
        let Self { name, prior, events, epoch, places, len, .. } = self;
        LiveImages { data, name, prior, events, epoch, places, len }
    }

    /// Those of another epoch, from 1; of images that are not live the same.
    ///
    /// # Errors
    /// When the physics refuses one of its points.
    pub fn epoch(&self, epoch: usize) -> Result<Self, Error> {
        match self.prior {
            // Other images of the same values.
            None => Ok(Self { epoch, ..self.clone() }),
            Some(_) => Self::at_epoch(self.data.clone(), self.prior, self.events, epoch),
        }
    }

    fn at_epoch(
        data: Cow<'a, DataCard>,
        prior: Option<f64>,
        events: [usize; 2],
        epoch: usize,
    ) -> Result<Self, Error> {
        let counts = match prior {
            None => {
                let trained = data.points()?.into_iter().filter(|p| p.count(Split::Train) > 0);
                trained.map(|p| (p.shifts.clone(), p.count(Split::Train))).collect()
            }
            Some(margin) => {
                uniform(data.seed, epoch, &widened(&data.axes()?, margin), data.count(Split::Train))
            }
        };
        Ok(Self { events, ..Self::with(data, LIVE, prior, epoch, counts)? })
    }

    /// So many images of each shifts.
    fn with(
        data: Cow<'a, DataCard>,
        name: &'static str,
        prior: Option<f64>,
        epoch: usize,
        counts: Vec<(Vec<f64>, usize)>,
    ) -> Result<Self, Error> {
        let axes = data.axes()?;
        let made = |(shifts, n): (Vec<f64>, usize)| {
            let point = axes.point(&shifts)?;
            Ok((sampling::sampler_at(&data.generator, &point)?, point, n))
        };
        let made = counts.into_par_iter().map(made).collect::<Result<Vec<_>, Error>>()?;
        let mut len = 0;
        let mut places = Vec::with_capacity(made.len());
        for (sampler, point, n) in made {
            places.push(Place { point, sampler, first: len });
            len += n;
        }
        let events = [data.images.events; 2];
        Ok(Self { data, name, prior, events, epoch, places: places.into(), len })
    }

    /// The random stream of an image; of a split, that of the campaign's image.
    fn stream(&self, index: usize) -> StreamKey {
        let Place { point, first, .. } = self.find(index);
        let stream = StreamKey::new(self.data.seed).child(self.name, self.epoch as u64);
        super::of_point(stream, point).child("image", (index - first) as u64)
    }

    /// Number of events of an image.
    fn events_of(&self, index: usize) -> usize {
        let [least, most] = self.events;
        if least == most {
            return least;
        }
        let part = self.stream(index).child("events", 0).block(0).uniform();
        let (low, high) = ((least as f64).ln(), (most as f64).ln());
        (low + part * (high - low)).exp().round() as usize
    }

    fn find(&self, index: usize) -> &Place {
        &self.places[self.places.partition_point(|place| place.first <= index) - 1]
    }
}

/// Whether two points are the same to the bit.
pub(super) fn same(a: &[f64], b: &[f64]) -> bool {
    a.iter().map(|x| x.to_bits()).eq(b.iter().map(|x| x.to_bits()))
}

/// The ranges with a margin at each end, in parts of their length.
pub fn widened(axes: &Axes, margin: f64) -> Vec<[f64; 2]> {
    let wider = |[low, high]: [f64; 2]| [low - margin * (high - low), high + margin * (high - low)];
    axes.iter().map(|axis| wider(axis.range)).collect()
}

/// A value in each of [`VALUES`] equal parts of the first range, with its number of images; the others in random order of theirs.
fn uniform(seed: u64, epoch: usize, ranges: &[[f64; 2]], images: usize) -> Vec<(Vec<f64>, usize)> {
    let parts = VALUES.min(images);
    let mut rng = numbered(seed, epoch as u128);
    let mut columns = Vec::new();
    for (axis, [low, high]) in ranges.iter().enumerate() {
        let inside: Vec<f64> = (0..parts).map(|_| rng.random::<f64>()).collect();
        let order = if axis == 0 { (0..parts).collect() } else { permutation(parts, &mut rng) };
        let value = |part: usize| low + (high - low) * (order[part] as f64 + inside[part]) / parts as f64;
        columns.push((0..parts).map(value).collect::<Vec<f64>>());
    }
    let shifts = |part: usize| columns.iter().map(|column| column[part]).collect();
    (0..parts).map(|part| (shifts(part), share(part, parts, images))).collect()
}

impl ImageSource for LiveImages<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn bins(&self) -> usize {
        self.data.images.bins
    }

    fn labels(&self, index: usize) -> Vec<f64> {
        self.find(index).point.values()
    }

    fn size(&self, index: usize) -> Option<usize> {
        Some(self.events_of(index))
    }

    fn read(&self, index: usize, image: &mut [f32]) -> Result<(), LearnError> {
        thread_local! {
            static MAKER: RefCell<Option<(usize, ImageMaker)>> = const { RefCell::new(None) };
        }
        let failed = |e: Error| LearnError::Image { index, reason: with_reasons(&e) };
        let (Place { sampler, .. }, stream) = (self.find(index), self.stream(index));
        let bins = self.data.images.bins;
        MAKER.with_borrow_mut(|maker| {
            if maker.as_ref().is_none_or(|(b, _)| *b != bins) {
                *maker = Some((bins, ImageMaker::new(bins).map_err(failed)?));
            }
            let Some((_, maker)) = maker else { return Ok(()) };
            let report = maker.dense(sampler, stream, self.events_of(index), image).map_err(failed)?;
            sampling::check(&report).map_err(failed)
        })
    }

    fn events(&self, index: usize, most: usize, events: &mut MeasuredEvents) -> Result<(), LearnError> {
        let Place { sampler, .. } = self.find(index);
        let n = most.min(self.events_of(index));
        let report = sampler.fill_measured(self.stream(index), n, events);
        sampling::check(&report).map_err(|e| LearnError::Image { index, reason: format!("{e:#}") })
    }

    fn is_live(&self) -> bool {
        self.name == LIVE
    }

    fn of_epoch(&self, epoch: usize) -> Result<Option<Box<dyn ImageSource + '_>>, LearnError> {
        if !self.is_live() {
            return Ok(None);
        }
        let fresh =
            self.epoch(epoch).map_err(|e| LearnError::Image { index: 0, reason: format!("{e:#}") })?;
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
        assert_eq!(live.labels(69)[0].to_bits(), (-1.0_f64).to_bits());
        assert_eq!(image(1, 3), image(1, 3));
        assert_ne!(image(1, 3), image(2, 3));
        assert_ne!(image(1, 3), image(1, 4));
    }

    #[test]
    fn images_that_hold_their_card_are_the_same_in_every_epoch() {
        let uniform = format!("{CARD}\n[training]\nimages = \"live\"\nprior = \"uniform\"");
        for card in [CARD, &uniform] {
            let card = RunCard::parse(card, "card").unwrap();
            let data = card.data();
            let borrowed = LiveImages::new(&data, &card.training).unwrap();
            let owned = LiveImages::of_training(&card.data(), &card.training, 1).unwrap().into_owned();
            for (epoch, owned) in [(1, owned.epoch(1).unwrap()), (3, owned.epoch(3).unwrap()), (1, owned)] {
                let borrowed = borrowed.of_epoch(epoch).unwrap().unwrap();
                let (mut one, mut other) = (vec![0.0; 125], vec![0.0; 125]);
                borrowed.read(7, &mut one).unwrap();
                owned.read(7, &mut other).unwrap();
                assert_eq!((one, borrowed.labels(7)), (other, owned.labels(7)), "epoch {epoch}");
            }
        }
    }

    #[test]
    fn uniform_prior_fills_the_ranges_anew_in_each_epoch() {
        let ranges = [[-2.0, 1.0], [0.0, 3.0]];
        let (first, second) = (uniform(1, 1, &ranges, 1000), uniform(1, 2, &ranges, 1000));
        assert_eq!(first, uniform(1, 1, &ranges, 1000));
        assert_ne!(first, second);
        assert_eq!(first.iter().map(|(_, n)| n).sum::<usize>(), 1000);
        let mean = |axis: usize| first.iter().map(|(x, n)| x[axis] * *n as f64).sum::<f64>() / 1000.0;
        assert!((mean(0) + 0.5).abs() < 0.02 && (mean(1) - 1.5).abs() < 0.05, "{} {}", mean(0), mean(1));
        assert!(first.windows(2).all(|w| w[0].0[0] < w[1].0[0]));
        assert!(
            first.iter().all(|(x, _)| ranges.iter().zip(x).all(|([low, high], x)| low <= x && x <= high))
        );
        // The second is no function of the first.
        let pairs = first.iter().map(|(x, _)| (x[0] + 0.5) * (x[1] - 1.5)).sum::<f64>() / first.len() as f64;
        assert!(pairs.abs() < 0.25, "{pairs}");
        assert_eq!(uniform(1, 1, &ranges[..1], 5).len(), 5);
    }

    #[test]
    fn further_coefficients_and_numbers_of_events_vary() {
        let card = CARD
            .replace("validation = 1", "validation = 5")
            .replace("test = 1", "test = 10")
            .replace("[[dataset", "[dataset]\nalso = { c10 = [-1.0, 1.0] }\n[[dataset");
        let card = format!(
            "{card}\n[network]\npreset = \"set\"\n[training]\nimages = \"live\"\nprior = \"uniform\"\nevents = [100, 900]"
        );
        let card = RunCard::parse(&card, "card").unwrap();
        let data = card.data();
        let live = LiveImages::new(&data, &card.training).unwrap();
        let sizes: Vec<usize> = (0..live.len()).map(|i| live.size(i).unwrap()).collect();
        assert!(
            sizes.iter().all(|n| (100..=900).contains(n)) && sizes.iter().any(|n| *n != sizes[0]),
            "{sizes:?}"
        );
        let mut events = MeasuredEvents::default();
        live.events(3, usize::MAX, &mut events).unwrap();
        assert_eq!(events.events.len(), sizes[3]);
        assert!(live.labels(0)[1].to_bits() != live.labels(139)[1].to_bits());
        let test = LiveImages::of_split(&data, Split::Test, Some(&[1.0, -0.8])).unwrap();
        let of = |i: usize| (test.labels(i), test.size(i));
        assert_eq!((test.len(), of(1)), (2, (vec![1.0, -0.8], Some(500))));
        let calibration = LiveImages::calibration(&data, 2).unwrap();
        assert_eq!(calibration.len(), 2 * 165);
        let mean = (0..330).map(|i| calibration.labels(i)[1]).sum::<f64>() / 330.0;
        assert!(mean.abs() < 0.02, "{mean}");
    }
}
