//! From an image to the elements of a set: its events, or its occupied cells.

use std::f64::consts::PI;

use humboldt_pipeline::EventBatch;
use humboldt_pipeline::effects::MeasuredEvents;
use humboldt_pipeline::rng::of_state;
use humboldt_pipeline::scores::EventScores;
use humboldt_pipeline::voxels;
use humboldt_schemas::card::{Elements, SetArchitecture, Supervision};
use rand::RngExt;

use super::error::LearnError;
use super::inputs::scaled_labels;
use super::model::{ModelInfo, Target};
use super::scores::{Spread, SpreadSums};
use super::source::{ImageSource, evenly_spaced};

const FEATURES: usize = SetArchitecture::FEATURES;

/// Images that are looked at to learn the spread of scores.
const IMAGES_FOR_SPREAD: usize = 256;

/// Conversion of images to sets; the same numbers for training and for prediction.
#[derive(Debug, Clone)]
pub(super) struct ElementInput {
    architecture: SetArchitecture,
    bins: usize,
    /// Events of an image.
    events: usize,
    /// Events of the largest image.
    most: usize,
    /// Labels of an image.
    labels: usize,
    scores: Option<Box<EventScores>>,
    spread: Vec<Spread>,
}

/// All elements of one set.
#[derive(Debug, Clone, PartialEq, Default)]
pub(super) struct Set {
    /// Features of each element.
    ///
    /// # Shapes
    /// [element, feature]
    pub(super) features: Vec<f32>,
    /// Number of elements.
    pub(super) len: usize,
}

impl ElementInput {
    /// For the images that a network was made for.
    pub(super) fn new(architecture: &SetArchitecture, info: &ModelInfo) -> Self {
        Self {
            architecture: architecture.clone(),
            bins: info.bins,
            events: info.events,
            most: info.event_range.map_or(info.events, |[_, most]| most),
            labels: info.labels(),
            scores: None,
            spread: info.scores.clone(),
        }
    }

    /// Input with the scores that are learned, each brought to mean 0 and deviation 1 over `source` unless their spread
    /// is known already.
    ///
    /// # Errors
    /// When an image cannot be read.
    pub(super) fn learning(
        mut self,
        scores: Option<EventScores>,
        source: &dyn ImageSource,
    ) -> Result<Self, LearnError> {
        self.scores = scores.map(Box::new);
        if self.architecture.supervision == Supervision::Score && self.spread.is_empty() {
            self.spread = self.measured(source)?;
        }
        Ok(self)
    }

    fn measured(&self, source: &dyn ImageSource) -> Result<Vec<Spread>, LearnError> {
        let (n, outputs) = (self.length(), self.architecture.pooled);
        let (mut inputs, mut targets, mut weights) =
            (vec![0.0; n * self.architecture.features()], vec![0.0; n * outputs], vec![0.0; n]);
        let mut moments = vec![SpreadSums::default(); outputs];
        for index in evenly_spaced(source.len(), IMAGES_FOR_SPREAD) {
            self.sample(source, index, &[], &mut inputs, &mut targets, &mut weights)?;
            for (row, &weight) in targets.chunks_exact(outputs).zip(&weights) {
                moments.iter_mut().zip(row).for_each(|(moments, &x)| moments.add(x, weight));
            }
        }
        Ok(moments.into_iter().map(SpreadSums::spread).collect())
    }

    /// Means and deviations taken out of each score; empty where none are learned.
    pub(super) fn spread(&self) -> &[Spread] {
        &self.spread
    }

    /// The layers.
    pub(super) const fn architecture(&self) -> &SetArchitecture {
        &self.architecture
    }

    /// Events of an image.
    pub(super) const fn events(&self) -> usize {
        self.events
    }

    /// Elements that a set has room for in training.
    pub(super) fn length(&self) -> usize {
        let most = match self.architecture.elements {
            Elements::Events => self.most,
            Elements::Cells => self.most.min(self.bins.pow(3)),
        };
        if self.architecture.sample == 0 { most } else { self.architecture.sample.min(most) }
    }

    /// Numbers that one image leaves: features, targets, weights.
    pub(super) fn sizes(&self) -> [usize; 3] {
        let n = self.length();
        let targets =
            if self.architecture.is_calibrated() { n * self.architecture.pooled } else { self.labels };
        [n * self.architecture.features(), targets, n]
    }

    /// Elements to learn from, with what is to be learned: for each of them, or the labels of the set.
    ///
    /// # Shapes
    /// `inputs` [element, feature], `targets` [element, pooled] or [label], `weights` [element]: 0 where there is none.
    ///
    /// # Errors
    /// When the image cannot be read.
    pub(super) fn sample(
        &self,
        source: &dyn ImageSource,
        index: usize,
        labels: &[Target],
        inputs: &mut [f32],
        targets: &mut [f32],
        weights: &mut [f32],
    ) -> Result<(), LearnError> {
        let set = match self.architecture.elements {
            Elements::Events => self.sample_events(source, index, targets)?,
            Elements::Cells => self.sample_cells(source, index, targets)?,
        };
        inputs.fill(0.0);
        inputs[..set.features.len()].copy_from_slice(&set.features);
        weights.fill(0.0);
        weights[..set.len].fill(1.0);
        match self.architecture.supervision {
            Supervision::Score => {
                for row in targets.chunks_exact_mut(self.architecture.pooled) {
                    row.iter_mut().zip(&self.spread).for_each(|(x, spread)| *x = spread.applied(*x));
                }
            }
            Supervision::Set => scaled_labels(source, index, labels, targets),
            Supervision::Event => targets.fill(labels[0].scaled(source.labels(index)[0]) as f32),
        }
        Ok(())
    }

    /// Every element of an image, to predict from.
    ///
    /// # Errors
    /// When the image cannot be read.
    pub(super) fn whole(&self, source: &dyn ImageSource, index: usize) -> Result<Set, LearnError> {
        match self.architecture.elements {
            Elements::Events => {
                let mut events = MeasuredEvents::default();
                source.events(index, usize::MAX, &mut events)?;
                Ok(of_events(&events.events, self.architecture.m_kpi))
            }
            Elements::Cells => {
                let mut image = vec![0.0; self.bins.pow(3)];
                source.read(index, &mut image)?;
                let occupied: Vec<u32> =
                    (0..image.len() as u32).filter(|&cell| image[cell as usize] > 0.0).collect();
                Ok(self.of_cells(&image, &occupied))
            }
        }
    }

    fn sample_events(
        &self,
        source: &dyn ImageSource,
        index: usize,
        targets: &mut [f32],
    ) -> Result<Set, LearnError> {
        let mut events = MeasuredEvents::default();
        source.events(index, self.length(), &mut events)?;
        if let Some(scores) = &self.scores {
            targets.fill(0.0);
            for (i, row) in targets.chunks_exact_mut(scores.len()).take(events.events.len()).enumerate() {
                scores.add(&events, i, row)?;
            }
        }
        Ok(of_events(&events.events, self.architecture.m_kpi))
    }

    fn sample_cells(
        &self,
        source: &dyn ImageSource,
        index: usize,
        targets: &mut [f32],
    ) -> Result<Set, LearnError> {
        let Some(scores) = &self.scores else {
            let mut image = vec![0.0; self.bins.pow(3)];
            source.read(index, &mut image)?;
            let occupied = (0..image.len() as u32).filter(|&cell| image[cell as usize] > 0.0).collect();
            return Ok(self.of_cells(&image, &self.chosen(occupied, index)));
        };
        let mut events = MeasuredEvents::default();
        source.events(index, usize::MAX, &mut events)?;
        let cells = voxels::cells(events.events.angles(), self.bins)?;
        let mut sums = vec![(0.0_f32, 0_u32); self.bins.pow(3)];
        for (&cell, &q2) in cells.iter().zip(&events.events.q2) {
            let (sum, count) = &mut sums[cell as usize];
            *sum += q2;
            *count += 1;
        }
        let occupied = (0..sums.len() as u32).filter(|&cell| sums[cell as usize].1 > 0).collect();
        let chosen = self.chosen(occupied, index);
        let image: Vec<f32> = sums.iter().map(|&(sum, count)| sum / count.max(1) as f32).collect();
        // The score of a cell is the sum of those of its events: the sum over cells is then that over events.
        let mut place = vec![u32::MAX; image.len()];
        for (i, &cell) in chosen.iter().enumerate() {
            place[cell as usize] = i as u32;
        }
        targets.fill(0.0);
        for (i, &cell) in cells.iter().enumerate() {
            let row = place[cell as usize] as usize;
            if row < chosen.len() {
                scores.add(&events, i, &mut targets[row * scores.len()..(row + 1) * scores.len()])?;
            }
        }
        Ok(self.of_cells(&image, &chosen))
    }

    /// As many cells as a set has room for, the same for the same image.
    fn chosen(&self, mut occupied: Vec<u32>, index: usize) -> Vec<u32> {
        let n = self.length();
        if occupied.len() > n {
            let mut rng = of_state(index as u64, 0);
            for i in 0..n {
                let j = rng.random_range(i..occupied.len());
                occupied.swap(i, j);
            }
            occupied.truncate(n);
        }
        occupied
    }

    /// Cells of an image as elements.
    fn of_cells(&self, image: &[f32], cells: &[u32]) -> Set {
        let n = self.bins;
        let centre = |i: usize| ((2 * i + 1) as f64 / n as f64 - 1.0) as f32;
        let angle: Vec<(f32, f32)> = (0..n)
            .map(|i| {
                let (sine, cosine) = (PI * f64::from(centre(i))).sin_cos();
                (cosine as f32, sine as f32)
            })
            .collect();
        let mut features = Vec::with_capacity(cells.len() * FEATURES);
        for &cell in cells {
            let cell = cell as usize;
            let (l, k, c) = (cell / (n * n), cell / n % n, cell % n);
            features.extend(describe(image[cell], centre(l), centre(k), angle[c]));
        }
        Set { features, len: cells.len() }
    }
}

/// Events as elements, with their K pi masses where these are told.
pub(super) fn of_events(events: &EventBatch, m_kpi: bool) -> Set {
    let mut features = Vec::with_capacity(events.len() * (FEATURES + usize::from(m_kpi)));
    for i in 0..events.len() {
        let (sine, cosine) = events.chi[i].sin_cos();
        features.extend(describe(events.q2[i], events.cos_theta_l[i], events.cos_theta_k[i], (cosine, sine)));
        features.extend(events.m_kpi.get(i).filter(|_| m_kpi).map(|m| 10.0 * (m - 0.9)));
    }
    Set { features, len: events.len() }
}

/// The rate changes by the logarithm of q2 near the photon's pole and by q2 elsewhere: both are told.
fn describe(q2: f32, cos_theta_l: f32, cos_theta_k: f32, (cos_chi, sin_chi): (f32, f32)) -> [f32; FEATURES] {
    [0.1 * q2 - 1.0, 0.5 * q2.max(1e-6).ln(), cos_theta_l, cos_theta_k, cos_chi, sin_chi]
}
