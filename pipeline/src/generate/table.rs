//! The envelope from which candidates are drawn: a mixture over the nodes of all patches.
//!
//! Bilinear interpolation is a mixture: `sum_n hat_n(x, y) J_n(angles)` is sampled by choosing a node `n` with its
//! weight, then (x, y) from its hat function (a triangular distribution along each axis) and the angles from the node's
//! own coefficients. No interpolated number is ever computed for an accepted event. Each node's density is raised
//! by its error bound, so that the exact density lies below; and lowered by it, so that a candidate under that
//! lower one needs no further test. Between the two, some candidates in a thousand, the exact density decides.

use std::fmt;

use humboldt_physics::density::MassWeight;
use humboldt_physics::{Decay, LineShape};
use rayon::prelude::*;

use super::angles::{AngularTerms, Direction};
use super::grid::{Exact, Grid, ISOTROPIC_FLOOR, NODES, rise};
use super::patch::Patch;
use super::regions::{Region, regions};
use crate::PipelineError;

/// Patches are divided until at most this part of the candidates needs the exact density, ...
const TARGET_DOUBT: f64 = 4e-3;

/// ... or until there are this many: 72 bytes for each of the 81 nodes of a patch. Charmonium takes half of them, a
/// smooth rate some 150.
const MOST_PATCHES: usize = 2048;

/// `delta = doubt * (even part + DOUBT_FLOOR * weight)` in terms of the raised coefficients; see [`rise`].
pub(crate) const DOUBT_FLOOR: f64 = ISOTROPIC_FLOOR / 9.0;

/// Numbers to draw from one node; one cache line.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(crate) struct Node {
    /// `t0 t1 t2 l0 l1 l2` raised by the bound; the bound, see [`DOUBT_FLOOR`]; x.
    pub(crate) even: [f32; 8],
    /// `J3 J4 J5 J7 J8 J9`; y; the number of the patch, as bits.
    pub(crate) harmonics: [f32; 8],
}

/// A patch in the precision of the columns, limits rounded inwards: `t_low t_span q2_low q2_high`, the curve, 0.
#[derive(Debug, Clone, Copy)]
#[repr(align(32))]
pub(crate) struct PatchMap(pub(crate) [f32; 8]);

/// One column of Walker's alias table: below `threshold` (of 2^32) the column's own node, else the other.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AliasColumn {
    pub(crate) threshold: u32,
    pub(crate) other: u32,
}

/// Everything that drawing an event needs.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    pub(crate) exact: Exact,
    pub(crate) patches: Vec<Patch>,
    pub(crate) maps: Vec<PatchMap>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) alias: Vec<AliasColumn>,
    pub(crate) nodes_x: usize,
    /// Expected part of the candidates that needs the exact density.
    pub(crate) doubt: f64,
    /// Part of all events that lies in the windows.
    pub(crate) fraction: f64,
}

impl Table {
    /// `envelope` multiplies what is drawn from; 1 but in tests of what happens when it is too low.
    pub(crate) fn new(
        decay: &Decay,
        shape: LineShape,
        windows: &[(f64, f64)],
        envelope: f64,
    ) -> Result<Self, PipelineError> {
        let exact = Exact { decay: *decay, masses: MassWeight::new(decay, shape) };
        let regions: Vec<Region> =
            windows.iter().flat_map(|window| regions(decay, exact.masses.range(), *window)).collect();
        let whole = |region| Grid::new(&exact, Patch::new(region, decay));
        let grids = refine(&exact, regions.par_iter().map(whole).collect());

        let total: f64 = grids.iter().map(|grid| grid.weight).sum();
        if !(total.is_finite() && total > 0.0) {
            let allowed = "windows in which the decay has a rate";
            return Err(PipelineError::out_of_range("q2", Intervals(windows), allowed));
        }
        let nodes_x = grids.first().map_or(1, |grid| grid.nodes_x);
        let mut nodes = Vec::with_capacity(grids.len() * nodes_x * NODES);
        let mut weights = Vec::with_capacity(nodes.capacity());
        for (patch, grid) in (0_u32..).zip(&grids) {
            for at in 0..grid.terms.len() {
                let terms = grid.terms[at] * envelope;
                let (node, weight) = raised(&terms, grid.bounds[at]);
                let x = if nodes_x == 1 { 0.0 } else { (at / NODES) as f32 / (NODES - 1) as f32 };
                let y = (at % NODES) as f32 / (NODES - 1) as f32;
                nodes.push(node.placed(x, y, patch));
                weights.push(weight * grid.share(at));
            }
        }
        Ok(Self {
            exact,
            patches: grids.iter().map(|grid| grid.patch).collect(),
            maps: grids.iter().map(|grid| PatchMap::from(&grid.patch)).collect(),
            alias: alias_table(&weights),
            nodes,
            nodes_x,
            doubt: grids.iter().map(|grid| grid.doubt).sum::<f64>() / total,
            fraction: grids.iter().map(|grid| grid.integral).sum(),
        })
    }

    /// The densities at a point of a patch: exact, raised (what candidates follow) and lowered (what is accepted
    /// untested), in the same units. The point is that of the patch: a column of f32 holds 300 values of q2 within the
    /// half width of the J/psi, too few to tell the rate to the precision of the bounds.
    pub(crate) fn densities(&self, at: &CandidatePoint) -> Densities {
        let direction = Direction::new(at.cos_theta_l, at.cos_theta_k, at.chi);
        let point = self.patches[at.patch].map(at.x, at.y);
        let of_mass = self.exact.masses.at(point.m_kpi);
        let exact = self.exact.terms(point.q2, point.m_kpi, of_mass).at(&direction) * point.jacobian;

        let (mut raised, mut lowered) = (0.0, 0.0);
        for (i, weight_x) in hats(at.x, self.nodes_x) {
            for (j, weight_y) in hats(at.y, NODES) {
                let node = &self.nodes[(at.patch * self.nodes_x + i) * NODES + j];
                let terms = node.terms();
                let high = terms.at(&direction);
                let bound =
                    f64::from(node.even[6]) * (terms.even_at(&direction) + DOUBT_FLOOR * terms.weight());
                raised += weight_x * weight_y * high;
                lowered += weight_x * weight_y * (high - 2.0 * bound).max(0.0);
            }
        }
        Densities { exact, raised, lowered }
    }
}

/// A candidate event and where in which patch it lies.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CandidatePoint {
    pub(crate) patch: usize,
    pub(crate) x: f64,
    pub(crate) y: f64,
    pub(crate) cos_theta_l: f64,
    pub(crate) cos_theta_k: f64,
    pub(crate) chi: f64,
}

/// See [`Table::densities`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Densities {
    pub(crate) exact: f64,
    pub(crate) raised: f64,
    pub(crate) lowered: f64,
}

impl Node {
    /// Node at a place in a patch.
    fn placed(mut self, x: f32, y: f32, patch: u32) -> Self {
        self.even[7] = x;
        self.harmonics[6] = y;
        self.harmonics[7] = f32::from_bits(patch);
        self
    }

    /// The number of its patch.
    #[inline]
    pub(crate) const fn patch(&self) -> usize {
        self.harmonics[7].to_bits() as usize
    }

    fn terms(&self) -> AngularTerms {
        let [even, harmonics] = [self.even, self.harmonics];
        AngularTerms(std::array::from_fn(|i| f64::from(if i < 6 { even[i] } else { harmonics[i - 6] })))
    }
}

impl From<&Patch> for PatchMap {
    fn from(patch: &Patch) -> Self {
        let (low, high) = (patch.q2_low as f32, patch.q2_high as f32);
        let low = if f64::from(low) < patch.q2_low { low.next_up() } else { low };
        let high = if f64::from(high) > patch.q2_high { high.next_down() } else { high };
        let [c0, c1, c2] = patch.curve.map(|c| c as f32);
        Self([patch.t_low as f32, patch.t_span as f32, low, high, c0, c1, c2, 0.0])
    }
}

/// A node (still without a place) whose density exceeds that of `terms` by the bound, and its weight.
fn raised(terms: &AngularTerms, bound: f64) -> (Node, f64) {
    let doubt = bound / (1.0 + bound);
    let weight = terms.weight() * (1.0 + rise(bound));
    let even = |i: usize| ((terms.0[i] + doubt * DOUBT_FLOOR * weight) / (1.0 - doubt)) as f32;
    let [t0, t1, t2, l0, l1, l2] = std::array::from_fn(even);
    let [j3, j4, j5, j7, j8, j9] = std::array::from_fn(|i| terms.0[6 + i] as f32);
    let node = Node {
        even: [t0, t1, t2, l0, l1, l2, doubt as f32, 0.0],
        harmonics: [j3, j4, j5, j7, j8, j9, 0.0, 0.0],
    };
    (node, weight)
}

/// The two nodes around a coordinate in [0, 1] with their hat functions there.
fn hats(x: f64, nodes: usize) -> [(usize, f64); 2] {
    if nodes == 1 {
        return [(0, 1.0), (0, 0.0)];
    }
    let position = x * (nodes - 1) as f64;
    let low = (position as usize).min(nodes - 2);
    let part = position - low as f64;
    [(low, 1.0 - part), (low + 1, part)]
}

/// Divides the patches with most doubt, on all threads, until the target is met.
fn refine(exact: &Exact, mut grids: Vec<Grid>) -> Vec<Grid> {
    loop {
        let weight: f64 = grids.iter().map(|grid| grid.weight).sum();
        let mut excess = grids.iter().map(|grid| grid.doubt).sum::<f64>() - TARGET_DOUBT * weight;
        let room = MOST_PATCHES.saturating_sub(grids.len());
        // Which ones does not depend on the number of threads; a half has at most half of the doubt.
        grids.sort_by(|a, b| b.doubt.total_cmp(&a.doubt));
        let largest = grids.first().map_or(0.0, |grid| grid.doubt);
        let worst = grids.iter().take(room).take_while(|grid| {
            let divide = excess > 0.0 && grid.doubt > 0.5 * largest;
            excess -= 0.5 * grid.doubt;
            divide
        });
        let count = worst.count();
        if count == 0 {
            return grids;
        }
        let halves: Vec<[Grid; 2]> = grids[..count].par_iter().map(|grid| grid.halves(exact)).collect();
        grids.drain(..count);
        grids.extend(halves.into_iter().flatten());
    }
}

/// Walker's alias table by Vose's method.
fn alias_table(weights: &[f64]) -> Vec<AliasColumn> {
    const ONE: f64 = 4_294_967_296.0;
    let total: f64 = weights.iter().sum();
    let mut shares: Vec<f64> = weights.iter().map(|w| w * weights.len() as f64 / total).collect();
    let mut columns: Vec<AliasColumn> =
        (0..weights.len() as u32).map(|own| AliasColumn { threshold: u32::MAX, other: own }).collect();
    let (mut small, mut large): (Vec<usize>, Vec<usize>) = (0..shares.len()).partition(|i| shares[*i] < 1.0);
    while let (Some(poor), Some(rich)) = (small.pop(), large.pop()) {
        columns[poor] = AliasColumn { threshold: (shares[poor] * ONE) as u32, other: rich as u32 };
        shares[rich] -= 1.0 - shares[poor];
        if shares[rich] < 1.0 { small.push(rich) } else { large.push(rich) }
    }
    columns
}

/// Windows as text.
struct Intervals<'a>(&'a [(f64, f64)]);

impl fmt::Display for Intervals<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text: Vec<String> = self.0.iter().map(|(low, high)| format!("{low}:{high}")).collect();
        f.write_str(&text.join(","))
    }
}
