//! The convolution, and its gradient with respect to the input, which is another one.
//!
//! Results that share their taps, those in the middle of an image or at one of its faces, are computed together: no product with the
//! padding is computed.

use std::ops::Range;

use super::Window;
use super::kernel::{Buffer, Gather, Position, Run, Shape};
use super::lower::Lowered;
use super::plan::{Plan, Stencil};
use crate::parallel;

/// Rows of a result that share weights in the cache.
const ROWS: usize = 1024;
/// More weights than this do not stay in the cache: all rows meet a part of them before the next.
const MANY: usize = 512 << 10;
/// Numbers of taps that stay in the second-level cache.
const TAPS: usize = 32 << 10;

/// y[n, f, o] = sum over c, t of w[f, c, t] x[n, c, s o + t - p], of rows.
pub(super) fn forward(x: &[f32], weight: &[f32], window: &Window) -> Vec<f32> {
    let Some(lowered) = Lowered::of(window) else {
        return convolve(x, &Weights::forward(weight, window), &Plan::forward(window.images, &window.axes));
    };
    if lowered.overlaps() {
        return overlapping(x, weight, &lowered);
    }
    let (x, window) = (lowered.rows(x), lowered.window());
    let plan = Plan::forward(window.images, &window.axes);
    convolve(&x, &Weights::forward(&lowered.weights(weight), &window), &plan)
}

/// The forward convolution of one channel whose lowered lines overlap.
fn overlapping(x: &[f32], weight: &[f32], lowered: &Lowered) -> Vec<f32> {
    let window = lowered.window();
    let (l, filters, overlap) = (&window.axes[0], window.filters, lowered.overlap());
    let size = x.len() / l.input;
    let source = parallel::each(l.input, |i| lowered.lines(&x[i * size..][..size])).concat();
    let weight = lowered.weights(weight);
    let weights = Weights::forward(&weight, &window);
    let shape = Shape::of(filters);
    let blocks: Vec<_> = (0..filters)
        .step_by(shape.width)
        .map(|first| first..filters.min(first + shape.width))
        .map(|block| (weights.panel(&block, shape.width), block))
        .collect();
    let positions: Vec<_> = (0..overlap.height)
        .flat_map(|y| (0..overlap.columns).map(move |column| (y, column)))
        .map(|(y, column)| overlap.places(y, column))
        .map(|[source, output]| Position { source, output })
        .collect();
    let mut result = vec![0.0; l.output() * positions.len() * filters];
    let parts: Vec<_> = result.chunks_mut(positions.len() * filters).collect();
    let lines = l.forward();
    parallel::each_of(parts, |i, part| {
        let from = lines[i];
        let runs: Vec<_> = (0..from.count)
            .map(|tap| Run {
                offset: (from.source + tap) * overlap.plane,
                row: (from.slot + tap) * window.channels,
            })
            .collect();
        for (panel, block) in &blocks {
            let mut output = Buffer::zeros(positions.len() * shape.width);
            shape.run(Gather {
                shape,
                source: &source,
                panel,
                positions: &positions,
                runs: &runs,
                len: window.channels,
                output: &mut output,
            });
            spread(&output, shape.width, block, part, filters);
        }
    });
    result
}

/// dx[n, c, i] = sum over f, o of w[f, c, i + p - s o] dy[n, f, o], of rows.
pub(super) fn input_gradient(dy: &[f32], weight: &[f32], window: &Window) -> Vec<f32> {
    convolve(dy, &Weights::backward(weight, window), &Plan::backward(window.images, &window.axes))
}

/// Weights, taps side by side, seen from sources to results.
pub(super) struct Weights<'a> {
    weight: &'a [f32],
    /// Channels on either side, and from one to the next.
    pub(super) sources: usize,
    source: usize,
    pub(super) results: usize,
    result: usize,
    pub(super) taps: usize,
}

impl<'a> Weights<'a> {
    pub(super) fn forward(weight: &'a [f32], window: &Window) -> Self {
        let taps = window.taps();
        let (sources, results) = (window.channels, window.filters);
        Self { weight, sources, source: taps, results, result: taps * sources, taps }
    }

    pub(super) fn backward(weight: &'a [f32], window: &Window) -> Self {
        let taps = window.taps();
        let (sources, results) = (window.filters, window.channels);
        Self { weight, sources, source: taps * results, results, result: taps, taps }
    }

    /// Those between a source and a result.
    pub(super) fn taps_of(&self, source: usize, result: usize) -> &[f32] {
        &self.weight[source * self.source + result * self.result..][..self.taps]
    }

    /// Taps of a source as rows [tap] of `width` columns, for some of the results.
    pub(super) fn rows(&self, source: usize, results: &Range<usize>, width: usize, rows: &mut [f32]) {
        for (column, result) in results.clone().enumerate() {
            let numbers = rows[column..].iter_mut().step_by(width);
            for (number, weight) in numbers.zip(self.taps_of(source, result)) {
                *number = *weight;
            }
        }
    }

    /// Rows [tap, source] of `width` columns, for some of the results.
    fn panel(&self, results: &Range<usize>, width: usize) -> Buffer<f32> {
        let mut panel = Buffer::zeros(self.taps * self.sources * width);
        // Rows that lie far apart are written whole: by columns, each number would wait for its cache line.
        let mut rows = vec![0.0; self.taps * width];
        for source in 0..self.sources {
            self.rows(source, results, width, &mut rows);
            for (tap, row) in rows.chunks_exact(width).enumerate() {
                panel[(tap * self.sources + source) * width..][..width].copy_from_slice(row);
            }
        }
        panel
    }
}

/// The lines of a result, computed by blocks of `width` channels.
pub(super) struct Lines<'a> {
    pub(super) plan: &'a Plan,
    pub(super) weights: &'a Weights<'a>,
    pub(super) width: usize,
}

impl Lines<'_> {
    /// Rows of the result, from the packed weights of a block and from what these give for some lines.
    pub(super) fn compute<P: Send + Sync>(
        &self,
        pack: impl Fn(&Range<usize>) -> P + Send + Sync,
        rows_of: impl Fn(&[Stencil], &P, &mut Buffer<f32>) + Send + Sync,
    ) -> Vec<f32> {
        let ([lines, rows], results) = (self.plan.lines(), self.weights.results);
        let blocks = results.div_ceil(self.width);
        let of = |block: usize| block * self.width..results.min((block + 1) * self.width);
        let mut all = vec![0.0; lines * rows * results];
        if self.weights.taps * self.weights.sources * results > MANY {
            let stencils = self.plan.stencils(&(0..lines));
            let parts = parallel::each(blocks, |block| {
                let mut part = Buffer::zeros(lines * rows * self.width);
                // Packed where they are used, weights are still in the cache.
                rows_of(&stencils, &pack(&of(block)), &mut part);
                part
            });
            for (block, part) in parts.into_iter().enumerate() {
                spread(&part, self.width, &of(block), &mut all, results);
            }
            return all;
        }
        let packed = parallel::each(blocks, |block| pack(&of(block)));
        let some = ROWS.div_ceil(rows);
        let parts: Vec<_> = all.chunks_mut(some * rows * results).collect();
        parallel::each_of(parts, |i, all| {
            let stencils = self.plan.stencils(&(i * some..lines.min((i + 1) * some)));
            for (block, packed) in packed.iter().enumerate() {
                let mut part = Buffer::zeros(all.len() / results * self.width);
                rows_of(&stencils, packed, &mut part);
                spread(&part, self.width, &of(block), all, results);
            }
        });
        all
    }
}

/// Rows of a block's columns, `width` of them, among rows of all `results`.
fn spread(part: &[f32], width: usize, block: &Range<usize>, all: &mut [f32], results: usize) {
    for (part, row) in part.chunks_exact(width).zip(all.chunks_exact_mut(results)) {
        row[block.clone()].copy_from_slice(&part[..block.len()]);
    }
}

fn convolve(source: &[f32], weights: &Weights, plan: &Plan) -> Vec<f32> {
    let channels = weights.sources;
    let shape = Shape::of(weights.results);
    let width = shape.width;
    let lines = Lines { plan, weights, width };
    lines.compute(
        |results| weights.panel(results, width),
        |stencils, panel, output| {
            for stencil in stencils {
                let positions: Vec<_> = stencil
                    .runs
                    .iter()
                    .flat_map(|run| (0..run.cells * plan.images).map(move |row| (run, row)))
                    .map(|(run, row)| Position {
                        source: (run.source + row / plan.images * plan.advance() + row % plan.images)
                            * channels,
                        output: run.row(row, plan.images),
                    })
                    .collect();
                let runs: Vec<_> = stencil
                    .taps
                    .iter()
                    .map(|tap| Run { offset: tap.behind * channels, row: tap.tap * channels })
                    .collect();
                let at_once = (TAPS / (channels * width)).max(1);
                for runs in runs.chunks(at_once) {
                    shape.run(Gather {
                        shape,
                        source,
                        panel,
                        positions: &positions,
                        runs,
                        len: channels,
                        output,
                    });
                }
            }
        },
    )
}
