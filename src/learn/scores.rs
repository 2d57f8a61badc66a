//! Scores as what a network learns, and what is taken out of them.

use humboldt_pipeline::effects::MeasuredEvents;
use humboldt_pipeline::scores::EventScores;
use humboldt_pipeline::voxels;
use humboldt_schemas::card::Architecture;
use serde::{Deserialize, Serialize};

use super::error::LearnError;

/// Mean and standard deviation of one channel or one score, which are taken out of it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// Subtracted from every number.
    pub mean: f32,
    /// Divides what is left.
    pub deviation: f32,
}

impl Spread {
    /// Takes it out of each of some numbers.
    pub(super) fn take_out(self, numbers: &mut [f32]) {
        for x in numbers {
            *x = self.applied(*x);
        }
    }

    /// A number without its mean, in units of the deviation.
    pub fn applied(self, x: f32) -> f32 {
        (x - self.mean) / self.deviation
    }
}

/// Sums from which a [`Spread`] follows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Moments {
    weight: f64,
    sum: f64,
    squares: f64,
}

impl Moments {
    /// Counts a number.
    pub(super) fn add(&mut self, x: f32, weight: f32) {
        self.weight += f64::from(weight);
        self.sum += f64::from(weight * x);
        self.squares += f64::from(weight) * f64::from(x).powi(2);
    }

    /// Mean and deviation. A channel without any spread carries nothing; dividing by 1 keeps it finite.
    pub(super) fn spread(self) -> Spread {
        let mean = self.sum / self.weight;
        let deviation = (self.squares / self.weight - mean * mean).max(0.0).sqrt();
        Spread { mean: mean as f32, deviation: if deviation > 1e-12 { deviation as f32 } else { 1.0 } }
    }
}

/// The scores of an image's events in `size`^3 cells, each a sum over the events over their number, times the number of cells:
/// the mean over the cells is the mean over the events.
#[derive(Debug, Clone)]
pub(super) struct ScoreMap {
    scores: EventScores,
    bins: usize,
    merged: usize,
    input: usize,
    size: usize,
}

impl ScoreMap {
    /// For the cells of a network's last stage; one cell where the mean is learned.
    pub(super) fn new(scores: EventScores, architecture: &Architecture, bins: usize) -> Self {
        let size = if architecture.score_map { architecture.output_size(bins) } else { 1 };
        let (merged, input) = (architecture.downsample, architecture.input_size(bins));
        Self { scores, bins, merged, input, size }
    }

    /// Fills the map.
    ///
    /// # Shapes
    /// `target` [reference, `cos_theta_l`, `cos_theta_k`, chi].
    ///
    /// # Errors
    /// When an event lies outside phase space.
    pub(super) fn fill(&self, events: &MeasuredEvents, target: &mut [f32]) -> Result<(), LearnError> {
        let n = self.size.pow(3);
        let mut sums = vec![0.0_f64; target.len()];
        let mut own = vec![0.0_f32; self.scores.len()];
        // The cell of the map that a cell of the image belongs to, along one axis.
        let place = |i: usize| i / self.merged * self.size / self.input;
        for (i, cell) in voxels::cells(events.events.angles(), self.bins)?.into_iter().enumerate() {
            let (cell, bins) = (cell as usize, self.bins);
            let [l, k, c] = [cell / (bins * bins), cell / bins % bins, cell % bins].map(place);
            let cell = (l * self.size + k) * self.size + c;
            own.fill(0.0);
            self.scores.add(events, i, &mut own)?;
            for (reference, x) in own.iter().enumerate() {
                sums[reference * n + cell] += f64::from(*x);
            }
        }
        let each = n as f64 / events.events.len().max(1) as f64;
        target.iter_mut().zip(sums).for_each(|(x, sum)| *x = (sum * each) as f32);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use humboldt_physics::WilsonShifts;
    use humboldt_physics::{
        Decay, Flavour, Lepton, LineShape, ModelName, WilsonCoefficient, WilsonDirection,
    };
    use humboldt_pipeline::EventBatch;
    use humboldt_pipeline::scores::ScoreLine;
    use humboldt_schemas::card::{ImageSupervision, NetworkCard, Preset};

    use super::*;

    #[test]
    fn a_map_of_scores_has_the_mean_score_as_its_mean() {
        let shifts = WilsonShifts::default();
        let decay = Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &shifts).unwrap();
        let line = ScoreLine {
            decay,
            s_wave: None,
            direction: WilsonDirection::real(WilsonCoefficient::C9),
            shifts: vec![-1.0, 0.5],
        };
        let scores = EventScores::new(&[line], LineShape::Narrow, &[(1.0, 8.0)]).unwrap();
        let columns = |step: f32| (0..40).map(|i| (step * i as f32).sin()).collect::<Vec<f32>>();
        let events = EventBatch {
            q2: columns(0.3).iter().map(|x| 4.5 + 3.0 * x).collect(),
            cos_theta_l: columns(0.7),
            cos_theta_k: columns(1.1),
            chi: columns(1.9).iter().map(|x| 3.0 * x).collect(),
            m_kpi: vec![decay.m_kstar() as f32; 40],
        };
        let events = MeasuredEvents { events, ..MeasuredEvents::default() };
        let map = |supervision| {
            let card = NetworkCard {
                preset: Preset::Resnet10,
                supervision: Some(supervision),
                downsample: Some(2),
                stem_stride: Some(1),
                pool_kernel: Some(1),
                blocks: Some(vec![1, 1]),
                filters: Some(vec![4, 4]),
                ..NetworkCard::default()
            };
            let map = ScoreMap::new(scores.clone(), &card.architecture(), 11);
            let mut target = vec![0.0; 2 * map.size.pow(3)];
            map.fill(&events, &mut target).unwrap();
            (map.size, target)
        };
        let ((one, mean), (size, cells)) = (map(ImageSupervision::Score), map(ImageSupervision::ScoreMap));
        assert_eq!((one, size), (1, 3));
        for (mean, cells) in mean.iter().zip(cells.chunks(27)) {
            assert!((mean - cells.iter().sum::<f32>() / 27.0).abs() < 1e-5, "{mean} {cells:?}");
            assert!(cells.iter().filter(|x| **x != 0.0).count() > 5);
        }
    }
}
