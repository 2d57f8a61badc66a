//! The convolution, and its gradient with respect to the input, which is another one.
//!
//! Channels go last, so that a row of taps meets numbers that lie side by side, and nothing is copied for each tap.
//! Results that share their taps, those in the middle of an image or at one of its faces, are computed together, across
//! images: no product with the padding is computed.

use std::ops::Range;

use super::Window;
use super::axis::{Axis, Class, Line, classes};
use super::kernel::{Buffer, Gather, Position, Run, Shape};
use crate::parallel;

/// Positions that share the taps in the cache, if the images are small.
const POSITIONS: usize = 512;
/// Numbers of taps that stay in the second-level cache.
const TAPS: usize = 32 << 10;

/// Cells that change places with their channels together.
const SIDE: usize = 32;
/// With fewer channels than this the taps of the last axis are taken for channels.
pub(super) const FEW: usize = 4;

/// From source to result: the tap and cell behind each product.
struct Plan {
    /// Taps of each axis in the order in which they are packed.
    orders: [Vec<usize>; 3],
    classes: [Vec<Class>; 3],
    source: [usize; 3],
    /// Cells of the result, and from one to the next of each axis.
    result: [usize; 3],
    steps: [usize; 3],
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
        let steps = [result[1] * result[2], result[2], 1];
        Self { orders, classes, source, result, steps }
    }
}

/// y[n, f, o] = sum over c, t of w[f, c, t] x[n, c, s o + t - p].
pub(super) fn forward(x: &[f32], weight: &[f32], window: &Window) -> Vec<f32> {
    let taps = window.taps();
    let kernel = window.axes[2].kernel;
    let [source, result] = [taps, taps * window.channels];
    if window.channels >= FEW || kernel == 1 {
        let plan = Plan::forward(&window.axes);
        let rows = rows(&plan.orders).into_iter().map(|row| row * window.channels).collect();
        let weights = Weights { weight, source, result, rows, row: 1 };
        let x = channels_last(x, window.images, window.channels, window.inputs());
        return convolve(&x, &weights, &plan, [window.images, window.channels, window.filters]);
    }
    // The taps of chi become channels, and cos_theta_k the last axis: more numbers lie side by side.
    let [l, k, c] = window.axes;
    let chi = Axis { input: c.output(), kernel: 1, stride: 1, padding: 0 };
    let mut plan = Plan::forward(&[l, chi, k]);
    plan.steps = [k.output() * c.output(), 1, c.output()];
    let channels = window.channels * kernel;
    let rows = rows(&plan.orders).into_iter().flat_map(|row| (0..kernel).map(move |t| row * channels + t));
    let weights = Weights { weight, source, result, rows: rows.collect(), row: kernel };
    convolve(&taps_last(x, window), &weights, &plan, [window.images, channels, window.filters])
}

/// dx[n, c, i] = sum over f, o of w[f, c, i + p - s o] dy[n, f, o].
pub(super) fn input_gradient(dy: &[f32], weight: &[f32], window: &Window) -> Vec<f32> {
    let plan = Plan::backward(&window.axes);
    let taps = window.taps();
    let rows = rows(&plan.orders).into_iter().map(|row| row * window.filters).collect();
    let weights = Weights { weight, source: taps * window.channels, result: taps, rows, row: 1 };
    let dy = channels_last(dy, window.images, window.filters, window.outputs());
    convolve(&dy, &weights, &plan, [window.images, window.filters, window.channels])
}

/// Place in the given order of each tap of the three axes, the last running fastest.
fn rows(orders: &[Vec<usize>; 3]) -> Vec<usize> {
    let [_, h, w] = orders.each_ref().map(Vec::len);
    let mut rows = vec![0; orders.iter().map(Vec::len).product()];
    let mut row = 0;
    for &i in &orders[0] {
        for &j in &orders[1] {
            for &k in &orders[2] {
                rows[(i * h + j) * w + k] = row;
                row += 1;
            }
        }
    }
    rows
}

/// Weights, taps side by side, and how they are packed.
struct Weights<'a> {
    weight: &'a [f32],
    /// From one channel of the source, or of the result, to the next.
    source: usize,
    result: usize,
    /// Row of each tap of the first source; those of the next are `row` further.
    rows: Vec<usize>,
    row: usize,
}

impl Weights<'_> {
    /// Rows [tap, source] of `width` columns, for some of the results.
    fn panel(&self, sources: usize, results: Range<usize>, width: usize) -> Buffer {
        let taps = self.rows.len();
        let sources = sources / self.row;
        let mut panel = Buffer::zeros(taps * sources * width);
        // Weights of one source first lie together: from far apart they would drive each other out of the cache.
        let mut together = vec![0.0; taps * results.len()];
        for source in 0..sources {
            for (together, result) in together.chunks_exact_mut(taps).zip(results.clone()) {
                together.copy_from_slice(&self.weight[result * self.result + source * self.source..][..taps]);
            }
            for (tap, row) in self.rows.iter().enumerate() {
                let row = &mut panel[(row + source * self.row) * width..][..results.len()];
                for (number, weights) in row.iter_mut().zip(together.chunks_exact(taps)) {
                    *number = weights[tap];
                }
            }
        }
        panel
    }
}

/// Cells of a class of each axis: what they gather, and from where.
struct Stencil {
    positions: Vec<Position>,
    /// Sets of runs whose taps stay in the cache.
    runs: Vec<Vec<Run>>,
    len: usize,
}

/// The result of a source whose channels lie side by side.
fn convolve(
    source: &[f32],
    weights: &Weights,
    plan: &Plan,
    [images, channels, results]: [usize; 3],
) -> Vec<f32> {
    let (cells, size) = (plan.result.iter().product::<usize>(), plan.source.iter().product::<usize>());
    let shape = Shape::of(results);
    let width = shape.width;
    let group = POSITIONS.div_ceil(cells).min(images);
    let mut result = vec![0.0; images * results * cells];
    let groups = images.div_ceil(group);
    let full = stencils(plan, group, channels, width);
    let rest = if images.is_multiple_of(group) {
        Vec::new()
    } else {
        stencils(plan, images % group, channels, width)
    };
    let blocks = results.div_ceil(width);
    // Each part of the result, by image and block of channels, goes to whoever computes it.
    let mut parts: Vec<Vec<&mut [f32]>> = (0..groups * blocks).map(|_| Vec::new()).collect();
    for (image, result) in result.chunks_mut(results * cells).enumerate() {
        for (block, part) in result.chunks_mut(width * cells).enumerate() {
            parts[image / group * blocks + block].push(part);
        }
    }
    parallel::each_of(parts, |task, parts| {
        let (first, block) = (task / blocks * group, task % blocks);
        // Packed where it is used, a panel is still in the cache.
        let panel = weights.panel(channels, block * width..results.min((block + 1) * width), width);
        let stencils = if parts.len() == group { &full } else { &rest };
        let mut output = Buffer::zeros(parts.len() * cells * width);
        let source = &source[first * size * channels..][..parts.len() * size * channels];
        for stencil in stencils {
            for runs in &stencil.runs {
                shape.run(Gather {
                    shape,
                    source,
                    panel: &panel,
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

fn stencils(plan: &Plan, images: usize, channels: usize, columns: usize) -> Vec<Stencil> {
    let [d, h, w] = plan.source;
    let [_, kernel_h, kernel_w] = plan.orders.each_ref().map(Vec::len);
    let cells: usize = plan.result.iter().product();
    let steps = plan.steps;
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
                                let output = image * cells + i * steps[0] + j * steps[1] + k * steps[2];
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
                let at_once = (TAPS / (len * columns).max(1)).max(1);
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

/// [images, channels, l, k, c] -> [images, l, c', k, (channel, tap)]: what the taps along the last axis see of each output.
fn taps_last(x: &[f32], window: &Window) -> Vec<f32> {
    let [l, k, c] = window.axes;
    let (output, channels) = (c.output(), window.channels);
    let row = channels * c.kernel;
    let lines = c.forward();
    let mut result = vec![0.0; window.images * l.input * output * k.input * row];
    let parts: Vec<_> = result.chunks_mut(output * k.input * row).collect();
    parallel::each_of(parts, |part, numbers| {
        let (image, l_cell) = (part / l.input, part % l.input);
        for channel in 0..channels {
            let plane = &x[((image * channels + channel) * l.input + l_cell) * k.input * c.input..];
            for (k_cell, cells) in plane.chunks(c.input).take(k.input).enumerate() {
                for (cell, line) in lines.iter().enumerate().filter(|(_, line)| line.count > 0) {
                    let begin = (cell * k.input + k_cell) * row + channel * c.kernel + line.slot;
                    numbers[begin..begin + line.count].copy_from_slice(&cells[line.source..][..line.count]);
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
