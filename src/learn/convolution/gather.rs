//! The convolution, and its gradient with respect to the input, which is another one.
//!
//! Channels go last, so that a row of taps meets numbers that lie side by side, and nothing is copied for each tap.
//! Results that share their taps, those in the middle of an image or at one of its faces, are computed together, across
//! images: no product with the padding is computed.

use pulp::Arch;

use super::Window;
use super::axis::{Axis, Class, Line, classes};
use super::kernel::{Buffer, Gather, Position, Run, width};
use crate::parallel;

/// Positions that share the taps in the cache, if the images are small.
const POSITIONS: usize = 512;
/// Numbers of taps that stay in the second-level cache.
const TAPS: usize = 32 << 10;

/// Cells that change places with their channels together.
const SIDE: usize = 32;
/// Channels whose taps are packed together.
const SOURCES: usize = 4;

/// From source to result: the tap and cell behind each product.
struct Plan {
    /// Taps of each axis in the order in which they are packed.
    orders: [Vec<usize>; 3],
    classes: [Vec<Class>; 3],
    source: [usize; 3],
    result: [usize; 3],
}

impl Plan {
    fn forward(axes: &[Axis; 3]) -> Self {
        let orders = axes.map(|a| (0..a.kernel).collect());
        Self::new(orders, &axes.each_ref().map(Axis::forward), axes.map(|a| a.input))
    }

    fn backward(axes: &[Axis; 3]) -> Self {
        let orders = axes.each_ref().map(Axis::backward_order);
        Self::new(orders, &axes.each_ref().map(Axis::backward), axes.each_ref().map(Axis::output))
    }

    fn new(orders: [Vec<usize>; 3], lines: &[Vec<Line>; 3], source: [usize; 3]) -> Self {
        let (classes, result) = (lines.each_ref().map(|l| classes(l)), lines.each_ref().map(Vec::len));
        Self { orders, classes, source, result }
    }
}

/// y[n, f, o] = sum over c, t of w[f, c, t] x[n, c, s o + t - p].
pub(super) fn forward(x: &[f32], weight: &[f32], window: &Window) -> Vec<f32> {
    let plan = Plan::forward(&window.axes);
    let panels = pack(weight, window, &plan.orders, true);
    convolve(x, &panels, &plan, [window.images, window.channels, window.filters])
}

/// dx[n, c, i] = sum over f, o of w[f, c, i + p - s o] dy[n, f, o].
pub(super) fn input_gradient(dy: &[f32], weight: &[f32], window: &Window) -> Vec<f32> {
    let plan = Plan::backward(&window.axes);
    let panels = pack(weight, window, &plan.orders, false);
    convolve(dy, &panels, &plan, [window.images, window.filters, window.channels])
}

/// A panel for each [`width`] results: rows [tap, source channel] of as many columns.
fn pack(weight: &[f32], window: &Window, orders: &[Vec<usize>; 3], forward: bool) -> Vec<Buffer> {
    let (taps, width) = (window.taps(), width());
    let (sources, results) =
        if forward { (window.channels, window.filters) } else { (window.filters, window.channels) };
    let (source_step, result_step) =
        if forward { (taps, taps * window.channels) } else { (taps * window.channels, taps) };
    let [_, h, w] = window.axes.map(|a| a.kernel);
    // Row of each tap in the order of the weights.
    let mut rows = vec![0; taps];
    let mut row = 0;
    for &i in &orders[0] {
        for &j in &orders[1] {
            for &k in &orders[2] {
                rows[(i * h + j) * w + k] = row;
                row += sources;
            }
        }
    }
    parallel::each(results.div_ceil(width), |block| {
        let mut panel = Buffer::zeros(taps * sources * width);
        // A few sources at a time: what they fill stays in the cache.
        for begin in (0..sources).step_by(SOURCES) {
            for (column, result) in (block * width..results.min((block + 1) * width)).enumerate() {
                for source in begin..sources.min(begin + SOURCES) {
                    let weight = &weight[result * result_step + source * source_step..][..taps];
                    for (row, weight) in rows.iter().zip(weight) {
                        panel[(row + source) * width + column] = *weight;
                    }
                }
            }
        }
        panel
    })
}

/// Cells of a class of each axis: what they gather, and from where.
struct Stencil {
    positions: Vec<Position>,
    /// Sets of runs whose taps stay in the cache.
    runs: Vec<Vec<Run>>,
    len: usize,
}

fn convolve(
    source: &[f32],
    panels: &[Buffer],
    plan: &Plan,
    [images, channels, results]: [usize; 3],
) -> Vec<f32> {
    let (cells, size) = (plan.result.iter().product::<usize>(), plan.source.iter().product::<usize>());
    let width = width();
    let group = POSITIONS.div_ceil(cells).min(images);
    let last = channels_last(source, images, channels, size);
    let mut result = vec![0.0; images * results * cells];
    let groups = images.div_ceil(group);
    let full = stencils(plan, group, channels);
    let rest =
        if images.is_multiple_of(group) { Vec::new() } else { stencils(plan, images % group, channels) };
    let blocks = panels.len();
    // Each part of the result, by image and block of channels, goes to whoever computes it.
    let mut parts: Vec<Vec<&mut [f32]>> = (0..groups * blocks).map(|_| Vec::new()).collect();
    for (image, result) in result.chunks_mut(results * cells).enumerate() {
        for (block, part) in result.chunks_mut(width * cells).enumerate() {
            parts[image / group * blocks + block].push(part);
        }
    }
    parallel::each_of(parts, |task, parts| {
        let (first, block) = (task / blocks * group, task % blocks);
        let stencils = if parts.len() == group { &full } else { &rest };
        let mut output = Buffer::zeros(parts.len() * cells * width);
        let source = &last[first * size * channels..][..parts.len() * size * channels];
        for stencil in stencils {
            for runs in &stencil.runs {
                Arch::new().dispatch(Gather {
                    source,
                    panel: &panels[block],
                    positions: &stencil.positions,
                    runs,
                    len: stencil.len,
                    output: &mut output,
                });
            }
        }
        for (part, output) in parts.into_iter().zip(output.chunks(cells * width)) {
            channels_first(output, width, part, cells);
        }
    });
    result
}

fn stencils(plan: &Plan, images: usize, channels: usize) -> Vec<Stencil> {
    let [d, h, w] = plan.source;
    let [_, kernel_h, kernel_w] = plan.orders.each_ref().map(Vec::len);
    let [depth, height, width] = plan.result;
    let mut stencils = Vec::new();
    for class_d in &plan.classes[0] {
        for class_h in &plan.classes[1] {
            for class_w in &plan.classes[2] {
                let mut positions = Vec::new();
                for image in 0..images {
                    for (i, from_i) in &class_d.cells {
                        for (j, from_j) in &class_h.cells {
                            for (k, from_k) in &class_w.cells {
                                let source = ((image * d + from_i) * h + from_j) * w + from_k;
                                let output = ((image * depth + i) * height + j) * width + k;
                                positions.push(Position { source: source * channels, output });
                            }
                        }
                    }
                }
                let mut runs = Vec::new();
                for i in 0..class_d.count {
                    for j in 0..class_h.count {
                        let tap =
                            ((class_d.slot + i) * kernel_h + class_h.slot + j) * kernel_w + class_w.slot;
                        runs.push(Run { offset: (i * h + j) * w * channels, row: tap * channels });
                    }
                }
                let len = class_w.count * channels;
                let at_once = (TAPS / (len * self::width()).max(1)).max(1);
                let runs = runs.chunks(at_once).map(<[Run]>::to_vec).collect();
                stencils.push(Stencil { positions, runs, len });
            }
        }
    }
    stencils
}

/// [images, channels, cells] -> [images, cells, channels].
fn channels_last(source: &[f32], images: usize, channels: usize, cells: usize) -> Vec<f32> {
    let mut result = vec![0.0; images * channels * cells];
    let parts: Vec<_> = result.chunks_mut((channels * cells).max(1)).collect();
    parallel::each_of(parts, |image, part| {
        let source = &source[image * channels * cells..][..channels * cells];
        for (i, part) in part.chunks_mut(SIDE * channels).enumerate() {
            for (channel, source) in source.chunks_exact(cells).enumerate() {
                let cells = &source[i * SIDE..];
                for (number, &x) in part[channel..].iter_mut().step_by(channels).zip(cells) {
                    *number = x;
                }
            }
        }
    });
    result
}

/// Rows [cell] of `width` channels -> [channel, cell], for as many channels as `result` has.
fn channels_first(rows: &[f32], width: usize, result: &mut [f32], cells: usize) {
    for (i, rows) in rows.chunks(SIDE * width).enumerate() {
        for (channel, result) in result.chunks_exact_mut(cells).enumerate() {
            for (number, row) in result[i * SIDE..].iter_mut().zip(rows.chunks_exact(width)) {
                *number = row[channel];
            }
        }
    }
}
