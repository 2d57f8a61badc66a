//! Tabulated angular terms on one patch, with a bound on how far the exact ones lie from their interpolation.

use humboldt_physics::Decay;
use humboldt_physics::density::MassWeight;

use super::angles::AngularTerms;
use super::patch::Patch;

/// Nodes along y (q2), and along x (the K pi mass) unless that is fixed.
pub(crate) const NODES: usize = 9;

/// Bounds are this much larger than the largest error seen at twice the resolution of the nodes; more where that error
/// is large, for then it also varies more between the points.
const SAFETY: f64 = 1.3;

/// A larger error is not that of a smooth function, and its size between the points is unknown: the bound is then the
/// density itself.
const ROUGH: f64 = 0.03;

/// No bound is smaller: at least this part of the events is compared with the exact density everywhere.
const SMALLEST_BOUND: f64 = 2e-4;

/// No bound is larger, since the envelope grows with it; what should exceed it is counted as over-weight.
const LARGEST_BOUND: f64 = 2.0;

/// Errors are measured against the chi-even density plus this part of its mean over the angles, since the density
/// has zeros and their place is interpolated as well.
pub(crate) const ISOTROPIC_FLOOR: f64 = 0.2;

/// The exact density of events in (`m_kpi`, `q2`, angles), which the tables only enclose.
#[derive(Debug, Clone)]
pub(crate) struct Exact {
    pub(crate) decay: Decay,
    pub(crate) masses: MassWeight,
}

impl Exact {
    /// Terms whose `weight()/4` is the density in (`q2`, `m_kpi`), GeV^-3 (GeV^-2 for a narrow K*, in q2 alone), with the
    /// factor of the mass given.
    pub(crate) fn terms(&self, q2: f64, m_kpi: f64, of_mass: f64) -> AngularTerms {
        AngularTerms::from(self.decay.angular_coefficients(q2, m_kpi)) * of_mass
    }
}

/// Terms at the nodes, times the Jacobian of the patch, and their error bounds; node (i, j) at `i * NODES + j`.
#[derive(Debug)]
pub(crate) struct Grid {
    pub(crate) patch: Patch,
    pub(crate) nodes_x: usize,
    pub(crate) terms: Vec<AngularTerms>,
    /// `|exact - interpolated| <= interpolated bound * (even part + ISOTROPIC_FLOOR * its mean)`.
    pub(crate) bounds: Vec<f64>,
    /// Rate in this patch, in units of the nodes' weight.
    pub(crate) weight: f64,
    /// Part of that rate in which the bounds leave the outcome open.
    pub(crate) doubt: f64,
    /// The exact rate in this patch as a part of all, by Simpson's rule.
    pub(crate) integral: f64,
    fine: Fine,
}

impl Grid {
    pub(crate) fn new(exact: &Exact, patch: Patch) -> Self {
        let nodes_x = if patch.t_span > 0.0 { NODES } else { 1 };
        Self::from_fine(patch, nodes_x, Fine::new(exact, &patch, nodes_x, |_, _| None))
    }

    fn from_fine(patch: Patch, nodes_x: usize, fine: Fine) -> Self {
        let terms = fine.fitted();
        let bounds = fine.bounds(&terms);
        let mut grid =
            Self { patch, nodes_x, terms, bounds, weight: 0.0, doubt: 0.0, integral: fine.integral(), fine };
        for node in 0..grid.terms.len() {
            let weight = grid.terms[node].weight() * grid.share(node);
            grid.weight += weight;
            grid.doubt += 2.0 * weight * rise(grid.bounds[node]);
        }
        grid
    }

    /// Its halves along the axis along which the terms are farther from straight.
    pub(crate) fn halves(&self, exact: &Exact) -> [Self; 2] {
        let fine = &self.fine;
        let along_x = self.nodes_x > 1 && fine.curvature(true) > fine.curvature(false);
        let patches = if along_x { self.patch.halves_along_x() } else { self.patch.halves_along_y() };
        let starts = if along_x { [(0, 0), (fine.size_x / 2, 0)] } else { [(0, 0), (0, fine.size_y / 2)] };
        std::array::from_fn(|half| {
            // Every other point is known already; its Jacobian is half of what it was.
            let known = |i: usize, j: usize| {
                let (i, j) = if along_x { (i, 2 * j) } else { (2 * i, j) };
                (i % 2 == 0 && j % 2 == 0)
                    .then(|| fine.at(starts[half].0 + i / 2, starts[half].1 + j / 2) * 0.5)
            };
            let fine = Fine::new(exact, &patches[half], self.nodes_x, known);
            Self::from_fine(patches[half], self.nodes_x, fine)
        })
    }

    /// The part of a full cell's area that a node's hat function covers: half at edges, a quarter at corners.
    pub(crate) fn share(&self, node: usize) -> f64 {
        let half = |at_edge: bool| if at_edge { 0.5 } else { 1.0 };
        let (i, j) = (node / NODES, node % NODES);
        let along_x =
            if self.nodes_x == 1 { 1.0 } else { half(i == 0 || i + 1 == NODES) / (NODES - 1) as f64 };
        along_x * half(j == 0 || j + 1 == NODES) / (NODES - 1) as f64
    }
}

/// By which part of its weight a node is raised for a bound `b`. With `k = b/(1 + b)` the raised even part is
/// `A^ = A + delta`, `delta = k (A^ + floor * mean of A^)`, of weight `W^ = W/(1 - k - k floor)`.
pub(crate) fn rise(bound: f64) -> f64 {
    bound * (1.0 + ISOTROPIC_FLOOR) / (1.0 - bound * ISOTROPIC_FLOOR)
}

/// Exact terms at twice the resolution of the nodes.
#[derive(Debug)]
struct Fine {
    terms: Vec<AngularTerms>,
    size_x: usize,
    size_y: usize,
}

impl Fine {
    /// `known` gives the terms of points that need no evaluation.
    fn new(
        exact: &Exact,
        patch: &Patch,
        nodes_x: usize,
        known: impl Fn(usize, usize) -> Option<AngularTerms>,
    ) -> Self {
        let (size_x, size_y) = (2 * nodes_x - 1, 2 * NODES - 1);
        let mut terms = Vec::with_capacity(size_x * size_y);
        for i in 0..size_x {
            let x = if size_x > 1 { i as f64 / (size_x - 1) as f64 } else { 0.0 };
            let of_mass = exact.masses.at(patch.map(x, 0.0).m_kpi);
            terms.extend((0..size_y).map(|j| {
                known(i, j).unwrap_or_else(|| {
                    let point = patch.map(x, j as f64 / (size_y - 1) as f64);
                    exact.terms(point.q2, point.m_kpi, of_mass) * point.jacobian
                })
            }));
        }
        Self { terms, size_x, size_y }
    }

    fn at(&self, i: usize, j: usize) -> AngularTerms {
        self.terms[i * self.size_y + j]
    }

    fn integral(&self) -> f64 {
        let simpson = |at: usize, size: usize| match at {
            _ if size == 1 => 1.0,
            _ if at == 0 || at + 1 == size => 1.0 / (3 * (size - 1)) as f64,
            _ if at % 2 == 1 => 4.0 / (3 * (size - 1)) as f64,
            _ => 2.0 / (3 * (size - 1)) as f64,
        };
        let weighed = self.terms.iter().enumerate().map(|(at, terms)| {
            let (i, j) = (at / self.size_y, at % self.size_y);
            simpson(i, self.size_x) * simpson(j, self.size_y) * terms.weight()
        });
        0.25 * weighed.sum::<f64>()
    }

    /// Error of interpolation half way to the next node, in one of the four directions; `None` at the edges.
    fn missed(&self, i: usize, j: usize, along_x: bool, up: bool) -> Option<AngularTerms> {
        let step = |distance: usize| {
            let moved = |at: usize| if up { at.checked_add(distance) } else { at.checked_sub(distance) };
            let (i, j) = if along_x { (moved(i)?, j) } else { (i, moved(j)?) };
            (i < self.size_x && j < self.size_y).then(|| self.at(i, j))
        };
        Some(step(1)? - (self.at(i, j) + step(2)?) * 0.5)
    }

    fn nodes(&self) -> impl Iterator<Item = (usize, usize)> + '_ {
        (0..self.size_x).step_by(2).flat_map(|i| (0..self.size_y).step_by(2).map(move |j| (i, j)))
    }

    /// The sum of what interpolation misses along one axis, in absolute size.
    fn curvature(&self, along_x: bool) -> f64 {
        self.nodes().filter_map(|(i, j)| self.missed(i, j, along_x, true)).map(|missed| missed.size()).sum()
    }

    /// Terms at the nodes, shifted by half of what interpolation misses around: that halves the largest error.
    fn fitted(&self) -> Vec<AngularTerms> {
        self.nodes()
            .map(|(i, j)| {
                let mut node = self.at(i, j);
                for along_x in [true, false] {
                    let sides = [true, false].map(|up| self.missed(i, j, along_x, up));
                    let count = sides.iter().flatten().count().max(1) as f64;
                    node = sides.into_iter().flatten().fold(node, |sum, missed| sum + missed * (0.5 / count));
                }
                // Where the density vanishes it must stay one.
                if node.0[..6].iter().any(|even| *even < 0.0) { self.at(i, j) } else { node }
            })
            .collect()
    }

    /// For each node the bound that encloses all fine points to whose interpolation it contributes.
    fn bounds(&self, nodes: &[AngularTerms]) -> Vec<f64> {
        let mut bounds = vec![SMALLEST_BOUND; nodes.len()];
        for i in 0..self.size_x {
            for j in 0..self.size_y {
                let (i0, i1, j0, j1) = (i / 2, i.div_ceil(2), j / 2, j.div_ceil(2));
                let around = [i0 * NODES + j0, i0 * NODES + j1, i1 * NODES + j0, i1 * NODES + j1];
                let interpolated =
                    around.iter().fold(AngularTerms::default(), |sum, at| sum + nodes[*at] * 0.25);
                let difference = self.at(i, j) - interpolated;
                let seen = AngularTerms::relative_distance(&interpolated, &difference, ISOTROPIC_FLOOR);
                let bound = if seen > ROUGH { seen.max(1.0) } else { SAFETY * seen * (1.0 + 25.0 * seen) };
                let bound = bound.min(LARGEST_BOUND);
                for at in around {
                    bounds[at] = bounds[at].max(bound);
                }
            }
        }
        bounds
    }
}
