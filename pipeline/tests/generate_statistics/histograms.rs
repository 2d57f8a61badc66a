//! Histograms in one, two and four dimensions, and the chi-square of a sample.

use std::f64::consts::PI;

use humboldt_physics::AngularCoefficients;
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::{BLOCK, EventSampler, GenerationReport};
use humboldt_pipeline::rng::StreamKey;
use rayon::prelude::*;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::generate_statistics::expected::{BINS, Expected, angular_box};

/// Axes of the histograms: q2, cos_theta_l, cos_theta_k, chi, m_kpi.
const AXES: usize = 5;

/// Name and, for each axis, how many bins make one; 0 leaves the axis out.
const KINDS: [(&str, [usize; AXES]); 12] = [
    ("q2", [1, 0, 0, 0, 0]),
    ("cos_theta_l", [0, 1, 0, 0, 0]),
    ("cos_theta_k", [0, 0, 1, 0, 0]),
    ("chi", [0, 0, 0, 1, 0]),
    ("m_kpi", [0, 0, 0, 0, 1]),
    ("q2, cos_theta_l", [2, 2, 0, 0, 0]),
    ("q2, cos_theta_k", [2, 0, 2, 0, 0]),
    ("q2, chi", [2, 0, 0, 2, 0]),
    ("cos_theta_l, cos_theta_k", [0, 2, 2, 0, 0]),
    ("cos_theta_l, chi", [0, 2, 0, 2, 0]),
    ("cos_theta_k, chi", [0, 0, 2, 2, 0]),
    ("all four", [4, 4, 4, 4, 0]),
];

/// Bins of an axis that are one bin of the joint counts.
const JOINT: usize = 2;

struct Histogram {
    name: &'static str,
    groups: [usize; AXES],
    sizes: [usize; AXES],
    expected: Vec<f64>,
}

/// All histograms of one request.
pub(crate) struct Histograms {
    edges: [Vec<f64>; 2],
    fine: [usize; AXES],
    all: Vec<Histogram>,
}

impl Histograms {
    pub(crate) fn new(expected: &Expected) -> Self {
        let fine = [expected.q2.len(), BINS, BINS, BINS, expected.m_kpi.len()];
        let kinds = KINDS.into_iter().filter(|(_, groups)| groups[4] == 0 || fine[4] > 0);
        let all = kinds.map(|(name, groups)| {
            let sizes =
                std::array::from_fn(
                    |axis| if groups[axis] == 0 { 1 } else { fine[axis].div_ceil(groups[axis]) },
                );
            Histogram { name, groups, sizes, expected: contents(expected, groups, sizes) }
        });
        Self { edges: [expected.edges_q2.clone(), expected.edges_m.clone()], fine, all: all.collect() }
    }

    /// Counts of the first `events` events of a stream, made and binned block by block on all threads.
    pub(crate) fn of_sample(
        &self,
        sampler: &EventSampler,
        stream: StreamKey,
        events: u64,
    ) -> (Counts, GenerationReport) {
        let block = BLOCK as u64;
        let empty = || (self.empty(), GenerationReport::default());
        let add = |(mut counts, report): (Counts, GenerationReport), index: u64| {
            let wanted = (events - index * block).min(block) as usize;
            let (batch, more) = sampler.block(stream, index, wanted);
            self.count(&batch, &mut counts);
            (counts, report.merge(more))
        };
        let merge = |(mut a, report): (Counts, GenerationReport), (b, more): (Counts, GenerationReport)| {
            a.joint.iter_mut().zip(&b.joint).for_each(|(a, b)| *a += b);
            a.single.iter_mut().flatten().zip(b.single.iter().flatten()).for_each(|(a, b)| *a += b);
            (a, report.merge(more))
        };
        (0..events.div_ceil(block)).into_par_iter().fold(empty, add).reduce(empty, merge)
    }

    fn empty(&self) -> Counts {
        let single = self.fine.map(|bins| vec![0; bins.max(1)]);
        let joint = self.fine[..4].iter().map(|bins| bins.div_ceil(JOINT)).product();
        Counts { single, joint: vec![0; joint] }
    }

    fn count(&self, batch: &EventBatch, counts: &mut Counts) {
        let uniform =
            |x: f32, half: f64| (((f64::from(x) / half + 1.0) * 0.5 * BINS as f64) as usize).min(BINS - 1);
        let Counts { single, joint } = counts;
        for i in 0..batch.len() {
            let q2 = bin_of(batch.q2[i], &self.edges[0]);
            let l = uniform(batch.cos_theta_l[i], 1.0);
            let k = uniform(batch.cos_theta_k[i], 1.0);
            let chi = uniform(batch.chi[i], PI);
            let m_kpi = if self.fine[4] > 0 { bin_of(batch.m_kpi[i], &self.edges[1]) } else { 0 };
            for (counts, bin) in single.iter_mut().zip([q2, l, k, chi, m_kpi]) {
                counts[bin] += 1;
            }
            let side = BINS / JOINT;
            joint[((q2 / JOINT * side + l / JOINT) * side + k / JOINT) * side + chi / JOINT] += 1;
        }
    }

    /// The p-value of each histogram's chi-square.
    pub(crate) fn p_values(&self, counts: &Counts) -> Vec<(&'static str, f64)> {
        self.all.iter().map(|h| (h.name, p_value(&h.counts(counts), &h.expected))).collect()
    }
}

impl Histogram {
    fn counts(&self, counts: &Counts) -> Vec<u64> {
        if let Some(axis) = self.groups.iter().position(|group| *group == 1) {
            return counts.single[axis].clone();
        }
        let mut sums = vec![0; self.expected.len()];
        let side = BINS / JOINT;
        for (joint, count) in counts.joint.iter().enumerate() {
            let bins = [
                joint / (side * side * side),
                joint / (side * side) % side,
                joint / side % side,
                joint % side,
            ];
            let mut at = 0;
            for ((bin, group), size) in bins.iter().zip(self.groups).zip(self.sizes) {
                if let Some(bin) = (bin * JOINT).checked_div(group) {
                    at = at * size + bin;
                }
            }
            sums[at] += count;
        }
        sums
    }
}

/// Counted bins: each axis for itself, and the four of q2 and the angles together, [`JOINT`] bins as one.
pub(crate) struct Counts {
    single: [Vec<u64>; AXES],
    joint: Vec<u64>,
}

/// Expected contents up to a factor.
fn contents(expected: &Expected, groups: [usize; AXES], sizes: [usize; AXES]) -> Vec<f64> {
    if groups[4] > 0 {
        return expected.m_kpi.clone();
    }
    let range = |axis: usize, bin: usize, half: f64| {
        let edge = |bin: usize| half * (2.0 * (bin * groups[axis].max(1)) as f64 / BINS as f64 - 1.0);
        if groups[axis] == 0 { (-half, half) } else { (edge(bin), edge(bin + 1)) }
    };
    let mut contents = Vec::with_capacity(sizes.iter().product());
    for q2 in 0..sizes[0] {
        let j: AngularCoefficients = match groups[0] {
            0 => expected.total(),
            group => expected.q2.chunks(group).nth(q2).unwrap_or_default().iter().copied().sum(),
        };
        for l in 0..sizes[1] {
            for k in 0..sizes[2] {
                for chi in 0..sizes[3] {
                    let angles = (range(1, l, 1.0), range(2, k, 1.0), range(3, chi, PI));
                    contents.push(if groups[1..4] == [0; 3] {
                        j.rate()
                    } else {
                        angular_box(&j, angles.0, angles.1, angles.2)
                    });
                }
            }
        }
    }
    contents
}

/// Of the chi-square; bins with few events count as one.
fn p_value(counts: &[u64], expected: &[f64]) -> f64 {
    let scale = counts.iter().sum::<u64>() as f64 / expected.iter().sum::<f64>();
    let (mut chi2, mut bins) = (0.0, 0.0);
    let (mut rest, mut rest_expected) = (0.0, 0.0);
    for (count, e) in counts.iter().map(|c| *c as f64).zip(expected.iter().map(|e| e * scale)) {
        if e < 20.0 {
            rest += count;
            rest_expected += e;
        } else {
            chi2 += (count - e) * (count - e) / e;
            bins += 1.0;
        }
    }
    if rest_expected > 0.0 {
        chi2 += (rest - rest_expected).powi(2) / rest_expected.max(1.0);
        bins += if rest_expected > 1.0 { 1.0 } else { 0.0 };
    } else {
        assert!(rest == 0.0, "{rest} events where there is no rate");
    }
    ChiSquared::new(bins - 1.0).map_or(f64::NAN, |distribution| distribution.sf(chi2))
}

fn bin_of(value: f32, edges: &[f64]) -> usize {
    edges.partition_point(|edge| *edge <= f64::from(value)).clamp(1, edges.len() - 1) - 1
}
