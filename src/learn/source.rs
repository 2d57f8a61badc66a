//! Sources of images while a network learns or predicts.

use std::ops::ControlFlow;
use std::thread;
use std::time::{Duration, Instant};

use humboldt_pipeline::effects::MeasuredEvents;
use humboldt_pipeline::rng::{numbered, of_state, seeded};
use humboldt_schemas::card::NetworkCard;
use rand::RngExt;
use rand_pcg::Pcg64;

use super::error::LearnError;
use super::inputs::{Input, Inputs, VoxelInput};
use super::model::Target;

/// MeasuredEvents images that can be read in any order, by several threads.
pub trait ImageSource: Sync {
    /// Number of images.
    fn len(&self) -> usize;

    /// Whether there are none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Cells of an axis.
    fn bins(&self) -> usize;

    /// Shifts of image `index`: those of the coefficients that are learned, in their order.
    fn labels(&self, index: usize) -> Vec<f64>;

    /// Number of events of image `index`; `None` where all have as many as the network was trained for.
    fn size(&self, _index: usize) -> Option<usize> {
        None
    }

    /// Reads image `index`, below [`ImageSource::len`].
    ///
    /// # Shapes
    /// `image` [`cos_theta_l`, `cos_theta_k`, chi]: mean q2 [GeV^2] of each cell, 0 if empty.
    ///
    /// # Errors
    /// When the file behind it cannot be read.
    fn read(&self, index: usize, image: &mut [f32]) -> Result<(), LearnError>;

    /// The first events of image `index` as they are measured and as they were, at most `most` of them, over `events`.
    ///
    /// # Errors
    /// When the source holds images only, or the events cannot be made.
    fn events(&self, index: usize, most: usize, events: &mut MeasuredEvents) -> Result<(), LearnError> {
        let _ = (most, events);
        Err(LearnError::Image { index, reason: "its events are not known, only its cells".to_owned() })
    }

    /// Whether each epoch has images of its own, which [`ImageSource::of_epoch`] then gives.
    fn is_live(&self) -> bool {
        false
    }

    /// The images of one epoch, from 1; `None` where they are the same in all.
    ///
    /// # Errors
    /// When they cannot be made.
    fn of_epoch(&self, _epoch: usize) -> Result<Option<Box<dyn ImageSource + '_>>, LearnError> {
        Ok(None)
    }
}

/// Random images to measure speed with: their content does not change the time.
#[derive(Debug)]
pub struct Noise {
    /// Cells of an axis.
    pub bins: usize,
    /// Number of images.
    pub images: usize,
}

impl ImageSource for Noise {
    fn len(&self) -> usize {
        self.images
    }

    fn bins(&self) -> usize {
        self.bins
    }

    fn labels(&self, index: usize) -> Vec<f64> {
        vec![index as f64 / self.images as f64]
    }

    fn read(&self, index: usize, image: &mut [f32]) -> Result<(), LearnError> {
        let mut random = seeded(index as u64);
        image.fill_with(|| {
            if random.random_range(0.0..1.0) < 0.17 { random.random_range(0.0..19.0) } else { 0.0 }
        });
        Ok(())
    }
}

/// Time in which a network that takes `work` for each image waits for its inputs, the first batch left out, and time in which it
/// works.
///
/// # Errors
/// When an image cannot be read.
pub fn waiting(
    source: &dyn ImageSource,
    batch_size: usize,
    work: Duration,
) -> Result<(Duration, Duration), LearnError> {
    let input =
        Input::Voxels(Box::new(VoxelInput::plain(&NetworkCard::default().architecture(), source.bins())));
    let inputs = Inputs::new(source, &input, &[Target::PLAIN], 0, &|_| ())?;
    let all: Vec<usize> = (0..source.len()).collect();
    let batches: Vec<&[usize]> = all.chunks(batch_size).collect();
    let (mut waited, mut worked, mut last) = (Duration::ZERO, Duration::ZERO, Instant::now());
    inputs.for_each_batch(&batches, |number, batch| {
        // Every training waits for its first batch once.
        if number > 0 {
            waited += last.elapsed();
        }
        let busy = work * batches[number].len() as u32;
        thread::sleep(busy);
        worked += busy;
        // To give back the memory is not to wait.
        drop(batch);
        last = Instant::now();
        Ok(ControlFlow::Continue(()))
    })?;
    Ok((waited, worked))
}

/// At most `most` of `n` images, evenly spaced.
pub(super) fn evenly_spaced(n: usize, most: usize) -> impl Iterator<Item = usize> {
    let count = n.min(most);
    (0..count).map(move |i| i * n / count)
}

/// The order of `n` images in an epoch; the same for the same seed and epoch.
pub fn shuffled(n: usize, seed: u64, epoch: usize) -> Vec<usize> {
    permutation(n, &mut of_state(seed, epoch as u128))
}

/// The numbers below n in random order.
pub fn permutation(n: usize, rng: &mut Pcg64) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    for i in (1..n).rev() {
        order.swap(i, rng.random_range(0..=i));
    }
    order
}

/// The mask of a dropout layer in one step; the same for the same seed, epoch and step.
pub(super) fn dropout_mask(n: usize, probability: f64, seed: u64, epoch: usize, step: usize) -> Vec<f32> {
    // A step's mask does not depend on how many numbers others drew.
    mask(n, probability, &mut numbered(seed, ((epoch as u128) << 64) | step as u128))
}

/// A mask of dropout: 0 with its probability, else 1/(1 - p).
pub fn mask(n: usize, probability: f64, rng: &mut Pcg64) -> Vec<f32> {
    let kept = (1.0 / (1.0 - probability)) as f32;
    (0..n).map(|_| if rng.random_bool(probability) { 0.0 } else { kept }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evenly_spaced_images_are_all_or_as_many_as_asked_for() {
        assert_eq!(evenly_spaced(3, 5).collect::<Vec<_>>(), [0, 1, 2]);
        assert_eq!(evenly_spaced(10, 4).collect::<Vec<_>>(), [0, 2, 5, 7]);
    }

    #[test]
    fn shuffle_is_a_permutation_that_differs_by_epoch() {
        let mut order = shuffled(100, 3, 1);
        assert_eq!(order, shuffled(100, 3, 1));
        assert_ne!(order, shuffled(100, 3, 2));
        assert_ne!(order, shuffled(100, 4, 1));
        order.sort_unstable();
        assert_eq!(order, (0..100).collect::<Vec<_>>());
    }

    #[test]
    fn regress_orders_of_epochs() {
        assert_eq!(shuffled(10, 3, 1), [0, 8, 5, 3, 4, 2, 1, 7, 6, 9]);
        assert_eq!(shuffled(10, u64::MAX, 40), [6, 5, 8, 3, 0, 2, 4, 9, 7, 1]);
    }

    #[test]
    fn dropout_keeps_the_mean() {
        let mask = dropout_mask(20_000, 0.5, 1, 2, 3);
        assert!(mask.iter().all(|x| [0.0_f32, 2.0].iter().any(|y| x.to_bits() == y.to_bits())));
        let mean = mask.iter().sum::<f32>() / 20_000.0;
        assert!((mean - 1.0).abs() < 0.05, "{mean}");
        assert_ne!(mask, dropout_mask(20_000, 0.5, 1, 2, 4));
    }
}
