//! Scores as what a network learns, and what is taken out of them.

use humboldt_pipeline::effects::MeasuredEvents;
use humboldt_pipeline::scores::EventScores;
use humboldt_pipeline::voxels;
use humboldt_schemas::card::{Architecture, MapCells};
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
    /// Of a mean and a variance. What has no spread at all carries nothing; dividing by 1 keeps it finite.
    pub(super) fn new(mean: f64, variance: f64) -> Self {
        let deviation = variance.max(0.0).sqrt();
        Self { mean: mean as f32, deviation: if deviation > 1e-12 { deviation as f32 } else { 1.0 } }
    }

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
pub(super) struct SpreadSums {
    weight: f64,
    sum: f64,
    squares: f64,
}

impl SpreadSums {
    /// Counts a number.
    pub(super) fn add(&mut self, x: f32, weight: f32) {
        self.weight += f64::from(weight);
        self.sum += f64::from(weight * x);
        self.squares += f64::from(weight) * f64::from(x).powi(2);
    }

    /// Mean of the squares.
    pub(super) fn mean_square(self) -> f64 {
        self.squares / self.weight
    }

    fn mean(self) -> f64 {
        self.sum / self.weight
    }

    fn variance(self) -> f64 {
        self.squares / self.weight - self.mean() * self.mean()
    }

    /// Mean and deviation.
    pub(super) fn spread(self) -> Spread {
        Spread::new(self.mean(), self.variance())
    }

    /// Mean and deviation of what is left of other numbers: not below the rounding of those, where nothing is left.
    pub(super) fn spread_left_of(self, all: Self) -> Spread {
        Spread::new(self.mean(), self.variance().max(1e-12 * all.variance()))
    }
}

/// The scores of an image's events in the cells of each map that is learned, the finest first. In the last map each cell has
/// the sum over its events over their number, times the number of cells: its mean over the cells is the mean over the events. Those
/// of the maps before are in units in which independent events make cells of every map scatter alike.
#[derive(Debug, Clone)]
pub(super) struct ScoreMaps {
    scores: EventScores,
    bins: usize,
    merged: usize,
    maps: Vec<MapCells>,
}

impl ScoreMaps {
    /// For the maps of a network; one cell where the mean is learned.
    pub(super) fn new(scores: EventScores, architecture: &Architecture, bins: usize) -> Self {
        Self { scores, bins, merged: architecture.downsample, maps: maps_of(architecture, bins) }
    }

    /// Fills the maps.
    ///
    /// # Shapes
    /// `target` [map, reference, `cos_theta_l`, `cos_theta_k`, chi].
    ///
    /// # Errors
    /// When an event lies outside phase space.
    pub(super) fn fill(&self, events: &MeasuredEvents, target: &mut [f32]) -> Result<(), LearnError> {
        let mut sums = vec![0.0_f64; target.len()];
        let mut own = vec![0.0_f32; self.scores.len()];
        for (i, cell) in voxels::cells(events.events.angles(), self.bins)?.into_iter().enumerate() {
            let (cell, bins) = (cell as usize, self.bins);
            let merged = [cell / (bins * bins), cell / bins % bins, cell % bins].map(|i| i / self.merged);
            own.fill(0.0);
            self.scores.add(events, i, &mut own)?;
            let mut begin = 0;
            for map in &self.maps {
                // The end of an odd axis has no cell of its own where the image is one.
                let [l, k, c] = merged.map(|i| (i / map.stride).min(map.size - 1));
                let cell = (l * map.size + k) * map.size + c;
                for (reference, x) in own.iter().enumerate() {
                    sums[begin + reference * map.count() + cell] += f64::from(*x);
                }
                begin += own.len() * map.count();
            }
        }
        let last = self.maps.last().map_or(1, |map| map.count()) as f64;
        let mut rest = target.iter_mut().zip(sums);
        for map in &self.maps {
            let each = (last * map.count() as f64).sqrt() / events.events.len().max(1) as f64;
            rest.by_ref().take(own.len() * map.count()).for_each(|(x, sum)| *x = (sum * each) as f32);
        }
        Ok(())
    }
}

/// The cells of the maps that are learned; one that holds all where the mean is.
pub(super) fn maps_of(architecture: &Architecture, bins: usize) -> Vec<MapCells> {
    let maps = architecture.maps(bins);
    if maps.is_empty() { vec![MapCells { size: 1, stride: bins }] } else { maps }
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
            let maps = ScoreMaps::new(scores.clone(), &card.architecture(), 11);
            let mut target = vec![0.0; 2 * maps.maps.iter().map(|map| map.count()).sum::<usize>()];
            maps.fill(&events, &mut target).unwrap();
            (maps.maps.iter().map(|map| map.size).collect::<Vec<_>>(), target)
        };
        let ((one, mean), (size, cells)) = (map(ImageSupervision::Score), map(ImageSupervision::ScoreMap));
        assert_eq!((one, size), (vec![1], vec![3]));
        for (mean, cells) in mean.iter().zip(cells.chunks(27)) {
            assert!((mean - cells.iter().sum::<f32>() / 27.0).abs() < 1e-5, "{mean} {cells:?}");
            assert!(cells.iter().filter(|x| **x != 0.0).count() > 5);
        }
        let (sizes, pyramid) = map(ImageSupervision::ScorePyramid);
        assert_eq!(sizes, [6, 6, 3]);
        assert_eq!(pyramid[2 * 2 * 216..], cells);
        // Cells of the finer maps are parts of the coarser ones.
        for (fine, coarse) in pyramid[2 * 216..2 * 2 * 216].chunks(216).zip(cells.chunks(27)) {
            for (place, expected) in coarse.iter().enumerate() {
                let inside = (0..216).filter(|i| (i / 72 * 3 + i / 12 % 3) * 3 + i / 2 % 3 == place);
                let sum: f32 = inside.map(|i| fine[i]).sum();
                assert!((sum / 8.0_f32.sqrt() - expected).abs() < 1e-5, "{sum} {expected}");
            }
        }
    }
}
