//! Histograms in one, two and four dimensions, and the chi-square of a sample.

use std::f64::consts::PI;

use humboldt_physics::AngularCoefficients;
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::{BLOCK, EventSampler, GenerationReport};
use humboldt_pipeline::rng::StreamKey;
use rayon::prelude::*;
use statrs::distribution::{ChiSquared, ContinuousCDF};

use crate::expected::{BINS, Expected, angular_box};

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

struct Histogram {
    name: &'static str,
    groups: [usize; AXES],
    sizes: [usize; AXES],
    expected: Vec<f64>,
}

/// All histograms of one request.
pub(crate) struct Histograms {
    edges: [Vec<f64>; 2],
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
        Self { edges: [expected.edges_q2.clone(), expected.edges_m.clone()], all: all.collect() }
    }

    /// Counts of the first `events` events of a stream, made and binned block by block on all threads.
    pub(crate) fn of_sample(
        &self,
        sampler: &EventSampler,
        stream: StreamKey,
        events: u64,
    ) -> (Vec<Vec<u64>>, GenerationReport) {
        let empty = || -> Vec<Vec<u64>> { self.all.iter().map(|h| vec![0; h.expected.len()]).collect() };
        let block = BLOCK as u64;
        (0..events.div_ceil(block))
            .into_par_iter()
            .fold(
                || (empty(), GenerationReport::default()),
                |(mut counts, report), index| {
                    let wanted = (events - index * block).min(block) as usize;
                    let (batch, more) = sampler.block(stream, index, wanted);
                    self.count(&batch, &mut counts);
                    (counts, report.merge(more))
                },
            )
            .reduce(
                || (empty(), GenerationReport::default()),
                |(mut a, report), (b, more)| {
                    a.iter_mut().flatten().zip(b.iter().flatten()).for_each(|(a, b)| *a += b);
                    (a, report.merge(more))
                },
            )
    }

    fn count(&self, batch: &EventBatch, counts: &mut [Vec<u64>]) {
        let uniform =
            |x: f32, half: f64| (((f64::from(x) / half + 1.0) * 0.5 * BINS as f64) as usize).min(BINS - 1);
        for i in 0..batch.len() {
            let fine = [
                bin_of(batch.q2[i], &self.edges[0]),
                uniform(batch.cos_theta_l[i], 1.0),
                uniform(batch.cos_theta_k[i], 1.0),
                uniform(batch.chi[i], PI),
                bin_of(batch.m_kpi[i], &self.edges[1]),
            ];
            for (histogram, counts) in self.all.iter().zip(counts.iter_mut()) {
                let mut at = 0;
                for ((fine, group), size) in fine.iter().zip(histogram.groups).zip(histogram.sizes) {
                    if let Some(bin) = fine.checked_div(group) {
                        at = at * size + bin;
                    }
                }
                counts[at] += 1;
            }
        }
    }

    /// The p-value of each histogram's chi-square.
    pub(crate) fn p_values(&self, counts: &[Vec<u64>]) -> Vec<(&'static str, f64)> {
        self.all.iter().zip(counts).map(|(h, counts)| (h.name, p_value(counts, &h.expected))).collect()
    }
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
