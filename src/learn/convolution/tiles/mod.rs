//! Convolutions by the processor's matrix unit, which multiplies 16-bit numbers and adds up in single precision.
//!
//! A number in single precision is the sum of two such numbers to a part in 2^17: a high one and, of what is left, a low one.
//! Three products, high by high, high by low and low by high, are that of the numbers to about as much.

#![expect(clippy::inline_always, reason = "only inlined code is compiled for the wide vectors")]

mod unit;

use std::ops::Range;

use super::Window;
use super::axis::Axis;
use super::gather::{Lines, Weights};
use super::kernel::{Buffer, wide};
use super::lower::Lowered;
use super::plan::{Plan, Stencil};
use crate::parallel;
pub(super) use unit::Unit;
use unit::{BLOCK, DEPTH, Factors, ROWS, Steps, WIDTH};

/// Numbers of both factors of a weight gradient that stay in the second-level cache.
const CACHED: usize = 256 << 10;
/// From the sums of one tap to those of the next: a cache line more than they are, so that they do not drive each other out.
const SUMS: usize = BLOCK + 16;

/// Halves by which numbers are multiplied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Halves {
    /// By their high halves alone: bfloat16.
    High,
    /// By both.
    Both,
}

/// Numbers as 16-bit ones: the high halves, then, if there are any, the low ones.
struct Packed<T> {
    numbers: Buffer<T>,
    /// From a high half to its low one.
    low: Option<usize>,
}

impl<T: Copy + Default + Send> Packed<T> {
    /// Zeros, `spare` more of them than can be filled.
    fn zeros(len: usize, halves: Halves, spare: usize) -> Self {
        match halves {
            Halves::High => Self { numbers: Buffer::zeros(len + spare), low: None },
            Halves::Both => Self { numbers: Buffer::zeros(2 * len + spare), low: Some(len) },
        }
    }

    /// Parts of so many numbers of the high halves, each with its low ones, or with none.
    fn parts(&mut self, len: usize, size: usize) -> Vec<(&mut [T], &mut [T])> {
        match self.low {
            None => self.numbers[..len].chunks_mut(size).map(|high| (high, [].as_mut_slice())).collect(),
            Some(low) => {
                let (high, low) = self.numbers[..low + len].split_at_mut(low);
                high.chunks_mut(size).zip(low.chunks_mut(size)).collect()
            }
        }
    }
}

/// bfloat16 nearest to a number, ties to even.
#[inline(always)]
fn high(x: f32) -> u32 {
    let bits = x.to_bits();
    let rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
    if x.is_nan() { 0x7fc0 } else { rounded }
}

/// bfloat16 nearest to what the high half leaves.
#[inline(always)]
fn low(x: f32, high_half: u32) -> u32 {
    high(x - f32::from_bits(high_half << 16))
}

/// Some of the halves, or none if there are none.
#[inline(always)]
fn part<T>(halves: &mut [T], begin: usize, len: usize) -> &mut [T] {
    if halves.is_empty() { halves } else { &mut halves[begin..][..len] }
}

/// Halves of numbers; `low_halves` may be empty.
#[inline(always)]
fn split(x: &[f32], high_halves: &mut [u16], low_halves: &mut [u16]) {
    if low_halves.is_empty() {
        for (x, h) in x.iter().zip(high_halves) {
            *h = high(*x) as u16;
        }
    } else {
        for ((x, h), l) in x.iter().zip(high_halves).zip(low_halves) {
            let half = high(*x);
            *h = half as u16;
            *l = low(*x, half) as u16;
        }
    }
}

/// Halves of two numbers that are summed together; `low_halves` may be empty.
#[inline(always)]
fn split_pairs(x: &[f32], y: &[f32], high_halves: &mut [u32], low_halves: &mut [u32]) {
    if low_halves.is_empty() {
        for ((x, y), h) in x.iter().zip(y).zip(high_halves) {
            *h = high(*x) | high(*y) << 16;
        }
    } else {
        for (((x, y), h), l) in x.iter().zip(y).zip(high_halves).zip(low_halves) {
            let halves = [high(*x), high(*y)];
            *h = halves[0] | halves[1] << 16;
            *l = low(*x, halves[0]) | low(*y, halves[1]) << 16;
        }
    }
}

/// y[n, f, o] = sum over c, t of w[f, c, t] x[n, c, s o + t - p], of rows.
pub(super) fn forward(unit: Unit, halves: Halves, x: &[f32], weight: &[f32], window: &Window) -> Vec<f32> {
    let Some(lowered) = Lowered::of(window) else {
        let plan = Plan::forward(window.images, &window.axes).in_turns();
        let x = rows(x, None, window.channels, &plan, halves);
        return convolve(unit, &x, &Weights::forward(weight, window), &plan);
    };
    if lowered.overlaps() {
        return overlapping(unit, halves, x, weight, &lowered);
    }
    let window = lowered.window();
    let plan = Plan::forward(window.images, &window.axes).in_turns();
    let x = rows(x, Some(&lowered), window.channels, &plan, halves);
    convolve(unit, &x, &Weights::forward(&lowered.weights(weight), &window), &plan)
}

/// The forward convolution of one channel whose lowered lines overlap: a row of a tile is what an output sees.
fn overlapping(unit: Unit, halves: Halves, x: &[f32], weight: &[f32], lowered: &Lowered) -> Vec<f32> {
    let window = lowered.window();
    let (l, filters, overlap) = (&window.axes[0], window.filters, lowered.overlap());
    let (plane, row) = (overlap.plane, overlap.step);
    // Tiles read on behind the last row.
    let mut packed = Packed::zeros(l.input * plane, halves, 2 * ROWS * row + deep(window.channels));
    let size = x.len() / l.input;
    parallel::each_of(packed.parts(l.input * plane, plane), |i, (high, low)| {
        let lines = lowered.lines(&x[i * size..][..size]);
        wide(|| split(&lines, high, low));
    });
    let weight = lowered.weights(weight);
    let weights = Weights::forward(&weight, &window);
    let panels: Vec<_> = (0..filters)
        .step_by(WIDTH)
        .map(|first| (first, panel(&weights, &(first..filters.min(first + WIDTH)), halves)))
        .collect();
    let mut result = vec![0.0; l.output() * overlap.outputs() * filters];
    let parts: Vec<_> = result.chunks_mut(overlap.outputs() * filters).collect();
    let lines = l.forward();
    parallel::each_of(parts, |i, part| {
        let from = lines[i];
        let mut sums = Buffer::zeros(BLOCK);
        for (first, panel) in &panels {
            let factors = Factors {
                left: &packed.numbers,
                left_row: row,
                right: &panel.numbers,
                right_row: weights.taps * WIDTH,
            };
            let mut steps = Steps::default();
            for tap in 0..from.count {
                for begin in (0..deep(window.channels)).step_by(DEPTH) {
                    let left = (from.source + tap) * plane + begin;
                    let right = (begin / 2 * weights.taps + from.slot + tap) * WIDTH;
                    add(&mut steps, left, right, packed.low, panel.low);
                }
            }
            let some = WIDTH.min(filters - first);
            for column in 0..overlap.columns {
                for top in (0..overlap.height).step_by(2 * ROWS) {
                    let [begin, _] = overlap.places(top, column);
                    let second = if overlap.height - top > ROWS { begin + ROWS * row } else { begin };
                    sums.fill(0.0);
                    unit.add(&mut sums, &factors, [begin, second], 0, &steps);
                    for (y, sums) in (top..overlap.height).zip(sums.chunks_exact(WIDTH)) {
                        let begin = overlap.places(y, column)[1] * filters + first;
                        part[begin..][..some].copy_from_slice(&sums[..some]);
                    }
                }
            }
        }
    });
    result
}

/// dx[n, c, i] = sum over f, o of w[f, c, i + p - s o] dy[n, f, o], of rows.
pub(super) fn input_gradient(
    unit: Unit,
    halves: Halves,
    dy: &[f32],
    weight: &[f32],
    window: &Window,
) -> Vec<f32> {
    let plan = Plan::backward(window.images, &window.axes);
    let dy = rows(dy, None, window.filters, &plan, halves);
    convolve(unit, &dy, &Weights::backward(weight, window), &plan)
}

/// Channels of a packed row: whole steps.
const fn deep(channels: usize) -> usize {
    channels.next_multiple_of(DEPTH)
}

/// Rows [cells, images, channels] in the plan's order, as 16-bit numbers of whole steps.
fn rows(x: &[f32], lowered: Option<&Lowered>, channels: usize, plan: &Plan, halves: Halves) -> Packed<u16> {
    let [planes, height, width] = plan.source();
    let (deep, images) = (deep(channels), plan.images);
    let plane = height * plan.width() * images * deep;
    // Tiles read on behind the last row.
    let mut packed = Packed::zeros(planes * plane, halves, ROWS * deep);
    let size = x.len() / planes;
    parallel::each_of(packed.parts(planes * plane, plane), |i, (high, low)| {
        let x = &x[i * size..][..size];
        let lowered = lowered.map(|lowered| lowered.plane(x));
        let x = lowered.as_deref().unwrap_or(x);
        // Rows without room between them go together.
        let whole = if channels == deep { images * channels } else { channels };
        wide(|| {
            for (line, x) in x.chunks_exact(width * images * channels).enumerate() {
                for (cell, x) in x.chunks_exact(images * channels).enumerate() {
                    let begin = (line * plan.width() + plan.place(cell)) * images * deep;
                    for (i, x) in x.chunks_exact(whole).enumerate() {
                        let begin = begin + i * deep;
                        split(x, &mut high[begin..], part(low, begin, whole));
                    }
                }
            }
        });
    });
    packed
}

/// Pairs [source / 2, tap] of `WIDTH` results.
fn panel(weights: &Weights, results: &Range<usize>, halves: Halves) -> Packed<u32> {
    let (taps, pairs) = (weights.taps, deep(weights.sources) / 2);
    let mut packed = Packed::zeros(taps * pairs * WIDTH, halves, 0);
    let len = taps * pairs * WIDTH;
    let mut scratch = [vec![0.0; taps * WIDTH], vec![0.0; taps * WIDTH]];
    let (high, low) = match packed.low {
        None => (&mut packed.numbers[..], [].as_mut_slice()),
        Some(_) => packed.numbers.split_at_mut(len),
    };
    for pair in 0..weights.sources.div_ceil(2) {
        for (source, scratch) in (2 * pair..2 * pair + 2).zip(&mut scratch) {
            if source >= weights.sources {
                scratch.fill(0.0);
                continue;
            }
            for (i, result) in results.clone().enumerate() {
                let weights = weights.taps_of(source, result);
                for (number, weight) in scratch[i..].iter_mut().step_by(WIDTH).zip(weights) {
                    *number = *weight;
                }
            }
        }
        let [first, second] = &scratch;
        wide(|| {
            let (begin, len) = (pair * taps * WIDTH, taps * WIDTH);
            split_pairs(first, second, &mut high[begin..][..len], part(low, begin, len));
        });
    }
    packed
}

/// Rows of the result.
fn convolve(unit: Unit, source: &Packed<u16>, weights: &Weights, plan: &Plan) -> Vec<f32> {
    let deep = deep(weights.sources);
    let halves = if source.low.is_some() { Halves::Both } else { Halves::High };
    let lines = Lines { plan, weights, width: WIDTH };
    lines.compute(
        |results| panel(weights, results, halves),
        |stencils, panel, out| {
            let factors = Factors {
                left: &source.numbers,
                left_row: deep,
                right: &panel.numbers,
                right_row: weights.taps * WIDTH,
            };
            let mut sums = Buffer::zeros(BLOCK);
            for stencil in stencils {
                let steps = steps(stencil, [deep, weights.taps], source.low, panel.low);
                let tiles: Vec<_> = stencil
                    .runs
                    .iter()
                    .flat_map(|run| (0..run.cells * plan.images).step_by(ROWS).map(move |row| (run, row)))
                    .collect();
                for tiles in tiles.chunks(2) {
                    sums.fill(0.0);
                    let begin = [0, 1].map(|i| {
                        let (run, row) = tiles[i.min(tiles.len() - 1)];
                        (run.source + row) * deep
                    });
                    unit.add(&mut sums, &factors, begin, 0, &steps);
                    for ((run, row), sums) in tiles.iter().zip(sums.chunks_exact(ROWS * WIDTH)) {
                        let rows = *row..(run.cells * plan.images).min(row + ROWS);
                        for (row, sums) in rows.zip(sums.chunks_exact(WIDTH)) {
                            out[run.row(row, plan.images) * WIDTH..][..WIDTH].copy_from_slice(sums);
                        }
                    }
                }
            }
        },
    )
}

/// Steps of a stencil's taps: of the high halves alone, or of all but the product of the low ones.
fn steps(
    stencil: &Stencil,
    [deep, taps]: [usize; 2],
    left_low: Option<usize>,
    right_low: Option<usize>,
) -> Steps {
    let mut steps = Steps::default();
    for tap in &stencil.taps {
        for begin in (0..deep).step_by(DEPTH) {
            let (left, right) = (tap.behind * deep + begin, (begin / 2 * taps + tap.tap) * WIDTH);
            add(&mut steps, left, right, left_low, right_low);
        }
    }
    steps
}

fn add(steps: &mut Steps, left: usize, right: usize, left_low: Option<usize>, right_low: Option<usize>) {
    steps.push(left, right);
    if let (Some(left_low), Some(right_low)) = (left_low, right_low) {
        steps.push(left, right + right_low);
        steps.push(left + left_low, right);
    }
}

/// dw[f, c, t] = sum over n, o of dy[n, f, o] x[n, c, s o + t - p], of shape [filters, channels, taps].
pub(super) fn weight_gradient(
    unit: Unit,
    halves: Halves,
    x: &[f32],
    dy: &[f32],
    window: &Window,
) -> Vec<f32> {
    match Lowered::of(window) {
        None => reduce(unit, halves, x, None, dy, window),
        Some(lowered) => {
            let mut lines = lowered.window();
            if lowered.overlaps() {
                // From one line of dy to the next x goes on by the stride.
                let Axis { stride, .. } = window.axes[1];
                let input = stride * (window.axes[1].output() - 1) + 1;
                lines.axes[1] = Axis { input, kernel: 1, stride, padding: 0 };
            }
            let gradient = reduce(unit, halves, x, Some(&lowered), dy, &lines);
            lowered.raised(&gradient)
        }
    }
}

/// Columns and lines of both factors of a weight gradient.
struct Columns {
    /// Images, made even: pairs of them are multiplied together.
    images: usize,
    /// Numbers of a channel along a line of x with its padding, in turns, and from one turn to the next.
    line: usize,
    turn: usize,
    /// Steps along a line of dy.
    steps: usize,
    channels: usize,
    filters: usize,
    /// Lines of a plane of x, and channels that they begin with.
    lines: usize,
    begun: usize,
}

impl Columns {
    fn of(window: &Window, lowered: Option<&Lowered>) -> Self {
        let axis = window.axes[2];
        let images = window.images.next_multiple_of(2);
        let turn = (axis.input + 2 * axis.padding).div_ceil(axis.stride) * images;
        let steps = (axis.output() * images).div_ceil(DEPTH);
        // The last step of a line may read on.
        let line = (axis.stride * turn).next_multiple_of(DEPTH) + DEPTH;
        let (channels, filters) =
            (window.channels.next_multiple_of(2 * ROWS), window.filters.next_multiple_of(WIDTH));
        let (lines, begun) = match lowered.filter(|lowered| lowered.overlaps()) {
            Some(lowered) => (lowered.padded(), lowered.seen()),
            None => (window.axes[1].input, channels),
        };
        Self { images, line, turn, steps, channels, filters, lines, begun }
    }

    /// Place of a padded cell of x along its line.
    const fn place(&self, cell: usize, axis: Axis) -> usize {
        cell % axis.stride * self.turn + cell / axis.stride * self.images
    }

    /// Lines [channels, cells, images] of x; of an overlapping one just those channels that the next line does not have.
    fn left(&self, x: &[f32], lowered: Option<&Lowered>, window: &Window, halves: Halves) -> Packed<u16> {
        let axis = window.axes[2];
        let planes = window.axes[0].input;
        let (channels, images) = (window.channels, window.images);
        let plane = self.lines * self.begun * self.line;
        let mut packed = Packed::zeros(planes * plane, halves, self.channels * self.line);
        let size = x.len() / planes;
        if let Some(lowered) = lowered.filter(|lowered| lowered.overlaps()) {
            parallel::each_of(packed.parts(planes * plane, plane), |i, (high, low)| {
                let turned = lowered.turned(&x[i * size..][..size], self.images, self.line);
                wide(|| split(&turned, high, low));
            });
            return packed;
        }
        parallel::each_of(packed.parts(planes * plane, plane), |i, (high, low)| {
            let x = &x[i * size..][..size];
            let lowered = lowered.map(|lowered| lowered.plane(x));
            let x = lowered.as_deref().unwrap_or(x);
            let mut turned = vec![0.0; ROWS * self.line];
            for (line, x) in x.chunks_exact(axis.input * images * channels).enumerate() {
                for first in (0..channels).step_by(ROWS) {
                    let some = ROWS.min(channels - first);
                    for (cell, x) in x.chunks_exact(images * channels).enumerate() {
                        let begin = self.place(cell + axis.padding, axis);
                        for (image, x) in x.chunks_exact(channels).enumerate() {
                            let column = turned[begin + image..].iter_mut().step_by(self.line);
                            for (number, x) in column.zip(&x[first..][..some]) {
                                *number = *x;
                            }
                        }
                    }
                    let begin = (line * self.channels + first) * self.line;
                    let turned = &turned[..some * self.line];
                    let low = part(low, begin, turned.len());
                    wide(|| split(turned, &mut high[begin..], low));
                }
            }
        });
        packed
    }

    /// Lines [cells and images / 2, filters] of pairs of dy.
    fn right(&self, dy: &[f32], window: &Window, halves: Halves) -> Packed<u32> {
        let [planes, height, axis] = window.axes.each_ref().map(Axis::output);
        let (filters, images) = (window.filters, window.images);
        let line = self.steps * DEPTH / 2 * self.filters;
        let plane = height * line;
        let mut packed = Packed::zeros(planes * plane, halves, 0);
        let nothing = vec![0.0; filters];
        parallel::each_of(packed.parts(planes * plane, plane), |i, (high, low)| {
            let dy = &dy[i * height * axis * images * filters..][..height * axis * images * filters];
            wide(|| {
                for (j, dy) in dy.chunks_exact(images * filters).enumerate() {
                    let cell = j / axis * line + j % axis * self.images / 2 * self.filters;
                    for (pair, two) in dy.chunks(2 * filters).enumerate() {
                        let (x, y) = two.split_at(filters);
                        let y = if y.is_empty() { &nothing } else { y };
                        let begin = cell + pair * self.filters;
                        split_pairs(x, y, &mut high[begin..][..filters], part(low, begin, filters));
                    }
                }
            });
        });
        packed
    }
}

fn reduce(
    unit: Unit,
    halves: Halves,
    x: &[f32],
    lowered: Option<&Lowered>,
    dy: &[f32],
    window: &Window,
) -> Vec<f32> {
    let columns = Columns::of(window, lowered);
    let (left, right) = (columns.left(x, lowered, window, halves), columns.right(dy, window, halves));
    let factors = Factors {
        left: &left.numbers,
        left_row: columns.line,
        right: &right.numbers,
        right_row: columns.filters,
    };
    let (channels, filters, taps) = (window.channels, window.filters, window.taps());
    let steps = reductions(window, &columns, left.low, right.low);
    let [over, across] = [channels.div_ceil(2 * ROWS), filters.div_ceil(WIDTH)];
    let mut result = vec![0.0; filters * channels * taps];
    // Each part of the result, by block of filters and of channels, goes to whoever computes it.
    let mut parts: Vec<Vec<&mut [f32]>> = (0..over * across).map(|_| Vec::new()).collect();
    for (filter, row) in result.chunks_mut(channels * taps).enumerate() {
        for (i, part) in row.chunks_mut(2 * ROWS * taps).enumerate() {
            parts[filter / WIDTH * over + i].push(part);
        }
    }
    parallel::each_of(parts, |task, parts| {
        let (filter, channel) = (task / over * WIDTH, task % over * 2 * ROWS);
        let begin = channel * columns.line;
        let second = if channels - channel > ROWS { begin + ROWS * columns.line } else { begin };
        let mut sums = Buffer::zeros(taps * SUMS);
        for (tap, steps) in &steps {
            let sums = &mut sums[tap * SUMS..][..BLOCK];
            unit.add(sums, &factors, [begin, second], filter, steps);
        }
        let mut rows = vec![0.0; taps * WIDTH];
        let mut parts: Vec<_> = parts.into_iter().map(|part| part.chunks_exact_mut(taps)).collect();
        for row in 0..2 * ROWS {
            for (row_of_tap, sums) in rows.chunks_exact_mut(WIDTH).zip(sums.chunks_exact(SUMS)) {
                row_of_tap.copy_from_slice(&sums[row * WIDTH..][..WIDTH]);
            }
            for (column, part) in parts.iter_mut().enumerate() {
                let Some(numbers) = part.next() else { break };
                for (number, sum) in numbers.iter_mut().zip(rows[column..].iter().step_by(WIDTH)) {
                    *number = *sum;
                }
            }
        }
    });
    result
}

/// Steps of each tap, some planes of dy after the others, so that the cache holds them while all taps meet them.
fn reductions(
    window: &Window,
    columns: &Columns,
    left_low: Option<usize>,
    right_low: Option<usize>,
) -> Vec<(usize, Steps)> {
    let [d, h, w] = window.axes;
    let of_line = columns.steps * DEPTH * (2 * ROWS + columns.filters);
    let planes = (CACHED / (h.output() * of_line)).max(1);
    let mut reductions = Vec::new();
    for begin in (0..d.output()).step_by(planes) {
        for i in 0..d.kernel {
            let outputs = d.outputs_of(i);
            for j in 0..h.kernel {
                for k in 0..w.kernel {
                    let mut steps = Steps::default();
                    for z in outputs.start.max(begin)..outputs.end.min(begin + planes) {
                        for y in h.outputs_of(j) {
                            let line =
                                (z * d.stride + i - d.padding) * columns.lines + y * h.stride + j - h.padding;
                            let left = line * columns.begun * columns.line + columns.place(k, w);
                            let right = (z * h.output() + y) * columns.steps;
                            for step in 0..columns.steps {
                                let right = (right + step) * DEPTH / 2 * columns.filters;
                                add(&mut steps, left + step * DEPTH, right, left_low, right_low);
                            }
                        }
                    }
                    reductions.push(((i * h.kernel + j) * w.kernel + k, steps));
                }
            }
        }
    }
    reductions
}
