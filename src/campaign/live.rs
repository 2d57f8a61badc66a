//! Images that are made when they are due, and never stored: every epoch has others.

use std::cell::RefCell;
use std::sync::Arc;

use anyhow::Result;
use humboldt_physics::WilsonDirection;
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::EventSampler;
use humboldt_pipeline::rng::StreamKey;
use humboldt_schemas::card::{ALSO_VALUES, DataCard, DatasetPoint, Prior, Split, TrainingCard};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::make::ImageMaker;
use crate::learn::calibration::filling;
use crate::learn::source::permutation;
use crate::learn::{ImageSource, LearnError};
use crate::sampling;

/// Values of delta C9 in an epoch of the uniform prior, one in each of as many equal parts of the range: the tables of
/// a sampler take as long as some tens of images.
const VALUES: usize = 64;

/// Name of images that differ from epoch to epoch.
const LIVE: &str = "live";

/// Values of delta C9 that a network is calibrated at.
const CALIBRATION_VALUES: usize = 33;

/// How many times more points it takes with so many further coefficients.
const CALIBRATION_FACTOR: [usize; 4] = [1, 5, 10, 20];

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
    /// Least and largest number of events of an image.
    events: [usize; 2],
    epoch: usize,
    points: Arc<[Point]>,
    len: usize,
}

/// Where images lie.
struct Point {
    /// delta C9 and the shifts of the further coefficients.
    shifts: Vec<f64>,
    sampler: EventSampler,
    /// Number of its first image.
    first: usize,
}

impl<'a> LiveImages<'a> {
    /// The images before the first epoch, from which the spread of inputs is measured.
    ///
    /// # Errors
    /// When the physics refuses the card.
    pub fn new(data: &'a DataCard, training: &TrainingCard) -> Result<Self> {
        let prior = (training.prior == Prior::Uniform).then_some(training.margin);
        Self::of_epoch(data, prior, training.events.unwrap_or([data.images.events; 2]), 0)
    }

    /// The same number of images at evenly spaced values, from which a network is calibrated. They reach beyond the values
    /// of the training, by 15 % of their range at each end: estimates there scatter to both sides. With further coefficients
    /// the points fill the ranges of all evenly.
    ///
    /// # Errors
    /// When the physics refuses the card.
    pub fn calibration(data: &'a DataCard, images: usize) -> Result<Self> {
        let ranges: Vec<(f64, f64)> = ranges(data)?.into_iter().map(|range| widened(range, MARGIN)).collect();
        let further = ranges.len() - 1;
        let points = CALIBRATION_VALUES * CALIBRATION_FACTOR[further];
        let value = |i: usize, (axis, &(low, high)): (usize, &(f64, f64))| {
            let part =
                if further == 0 { i as f64 / (points - 1) as f64 } else { filling(i, axis, ranges.len()) };
            low + (high - low) * part
        };
        let shifts = |i: usize| ranges.iter().enumerate().map(|range| value(i, range)).collect();
        Self::with(data, "calibration", None, 0, (0..points).map(|i| (shifts(i), images)).collect())
    }

    /// The images of a split as a campaign would store them, made anew: for networks that take their events, and where
    /// nothing is stored. Those of one delta C9 only, if one is given. Their further coefficients have five values each.
    ///
    /// # Errors
    /// When the physics refuses the card.
    pub fn of_split(data: &'a DataCard, split: Split, delta_c9: Option<f64>) -> Result<Self> {
        let points = data.dataset.points();
        let further = &ranges(data)?[1..];
        let wanted = |x: f64| delta_c9.is_none_or(|value| value.to_bits() == x.to_bits());
        let chosen = points.iter().filter(|p| p.count(split) > 0 && wanted(p.delta_c9));
        let each = |p: &DatasetPoint| {
            let (delta_c9, images) = (p.delta_c9, p.count(split));
            let parts = if further.is_empty() { 1 } else { ALSO_VALUES.min(images) };
            let shifts = move |part: usize| {
                // Multiples of the number of the axis, modulo a prime: every value of each coefficient comes once.
                let also = further.iter().enumerate().map(move |(axis, (low, high))| {
                    let place = (part * (axis + 1)) % ALSO_VALUES;
                    let shift = low + (high - low) * (place as f64 + 0.5) / ALSO_VALUES as f64;
                    // Nine decimals: values are named in tables.
                    (shift * 1e9).round() / 1e9
                });
                [delta_c9].into_iter().chain(also).collect::<Vec<f64>>()
            };
            (0..parts).map(move |part| (shifts(part), share(part, parts, images))).collect::<Vec<_>>()
        };
        Self::with(data, split.name(), None, 0, chosen.flat_map(each).collect())
    }

    fn of_epoch(data: &'a DataCard, prior: Option<f64>, events: [usize; 2], epoch: usize) -> Result<Self> {
        let points = data.dataset.points();
        let trained = points.iter().filter(|p| p.count(Split::Train) > 0);
        let grid: Vec<(Vec<f64>, usize)> =
            trained.map(|p| (vec![p.delta_c9], p.count(Split::Train))).collect();
        let len = grid.iter().map(|(_, n)| n).sum();
        let counts = match prior {
            None => grid,
            Some(margin) => {
                let ranges: Vec<(f64, f64)> = ranges(data)?.into_iter().map(|r| widened(r, margin)).collect();
                uniform(data.seed, epoch, &ranges, len)
            }
        };
        Ok(Self { events, ..Self::with(data, LIVE, prior, epoch, counts)? })
    }

    /// So many images of each shifts.
    fn with(
        data: &'a DataCard,
        name: &'static str,
        prior: Option<f64>,
        epoch: usize,
        counts: Vec<(Vec<f64>, usize)>,
    ) -> Result<Self> {
        let directions: Vec<WilsonDirection> = data.dataset.also()?.into_iter().map(|(d, _)| d).collect();
        let sampler = |(shifts, _): &(Vec<f64>, usize)| {
            let also = directions.iter().copied().zip(shifts[1..].iter().copied());
            sampling::sampler_with(&data.generator, shifts[0], also)
        };
        let samplers = counts.par_iter().map(sampler).collect::<Result<Vec<_>>>()?;
        let mut len = 0;
        let mut points = Vec::with_capacity(counts.len());
        for ((shifts, n), sampler) in counts.into_iter().zip(samplers) {
            points.push(Point { shifts, sampler, first: len });
            len += n;
        }
        let events = [data.images.events; 2];
        Ok(Self { data, name, prior, events, epoch, points: points.into(), len })
    }

    /// The random stream of an image; of a split, that of the campaign's image.
    fn stream(&self, index: usize) -> StreamKey {
        let Point { shifts, first, .. } = self.find(index);
        let names = ["delta_c9"].into_iter().chain(self.data.dataset.also.keys().map(String::as_str));
        let stream = StreamKey::new(self.data.seed).child(self.name, self.epoch as u64);
        let stream =
            names.zip(shifts).fold(stream, |stream, (name, shift)| stream.child(name, shift.to_bits()));
        stream.child("image", (index - first) as u64)
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

    fn find(&self, index: usize) -> &Point {
        &self.points[self.points.partition_point(|point| point.first <= index) - 1]
    }
}

/// The range of delta C9 that is learned, and that of each further coefficient.
fn ranges(data: &DataCard) -> Result<Vec<(f64, f64)>> {
    let also = data.dataset.also()?.into_iter().map(|(_, [low, high])| (low, high));
    Ok([trained_range(data)].into_iter().chain(also).collect())
}

/// How many of `images` the `part`-th of so many equal parts has.
const fn share(part: usize, parts: usize, images: usize) -> usize {
    (part + 1) * images / parts - part * images / parts
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

/// A value in each of [`VALUES`] equal parts of the first range, with its number of images; the others in random order of theirs.
fn uniform(seed: u64, epoch: usize, ranges: &[(f64, f64)], images: usize) -> Vec<(Vec<f64>, usize)> {
    let parts = VALUES.min(images);
    let state = Pcg64::seed_from_u64(seed).random::<u64>();
    let mut rng = Pcg64::new(state.into(), epoch as u128);
    let mut columns = Vec::new();
    for (axis, (low, high)) in ranges.iter().enumerate() {
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

    fn label(&self, index: usize) -> f64 {
        self.find(index).shifts[0]
    }

    fn labels(&self, index: usize) -> Vec<f64> {
        self.find(index).shifts.clone()
    }

    fn size(&self, index: usize) -> Option<usize> {
        Some(self.events_of(index))
    }

    fn read(&self, index: usize, image: &mut [f32]) -> Result<(), LearnError> {
        thread_local! {
            static MAKER: RefCell<Option<(usize, ImageMaker)>> = const { RefCell::new(None) };
        }
        let failed = |e: anyhow::Error| LearnError::Image { index, reason: format!("{e:#}") };
        let (Point { sampler, .. }, stream) = (self.find(index), self.stream(index));
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

    fn events(&self, index: usize, most: usize, events: &mut EventBatch) -> Result<(), LearnError> {
        let Point { sampler, .. } = self.find(index);
        let n = most.min(self.events_of(index));
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
            None => Ok(LiveImages { epoch, points: Arc::clone(&self.points), ..*self }),
            Some(_) => LiveImages::of_epoch(self.data, self.prior, self.events, epoch),
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
    fn uniform_prior_fills_the_ranges_anew_in_each_epoch() {
        let ranges = [(-2.0, 1.0), (0.0, 3.0)];
        let (first, second) = (uniform(1, 1, &ranges, 1000), uniform(1, 2, &ranges, 1000));
        assert_eq!(first, uniform(1, 1, &ranges, 1000));
        assert_ne!(first, second);
        assert_eq!(first.iter().map(|(_, n)| n).sum::<usize>(), 1000);
        let mean = |axis: usize| first.iter().map(|(x, n)| x[axis] * *n as f64).sum::<f64>() / 1000.0;
        assert!((mean(0) + 0.5).abs() < 0.02 && (mean(1) - 1.5).abs() < 0.05, "{} {}", mean(0), mean(1));
        assert!(first.windows(2).all(|w| w[0].0[0] < w[1].0[0]));
        assert!(
            first.iter().all(|(x, _)| ranges.iter().zip(x).all(|((low, high), x)| low <= x && x <= high))
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
        let mut events = EventBatch::default();
        live.events(3, usize::MAX, &mut events).unwrap();
        assert_eq!(events.len(), sizes[3]);
        assert!(live.labels(0)[1].to_bits() != live.labels(139)[1].to_bits());
        let test = LiveImages::of_split(&data, Split::Test, Some(1.0)).unwrap();
        let of = |i: usize| (test.labels(i), test.size(i));
        assert_eq!((of(0), of(9)), ((vec![1.0, -0.8], Some(500)), (vec![1.0, 0.8], Some(500))));
        let calibration = LiveImages::calibration(&data, 2).unwrap();
        assert_eq!(calibration.len(), 2 * 165);
        let mean = (0..330).map(|i| calibration.labels(i)[1]).sum::<f64>() / 330.0;
        assert!(mean.abs() < 0.02, "{mean}");
    }
}
