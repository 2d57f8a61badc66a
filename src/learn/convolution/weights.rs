//! The gradient with respect to the weights.
//!
//! dw[f, c, t] = sum over n, o of dy[n, f, o] x[n, c, s o + t - p]: for each tap a product of two matrices whose rows
//! are cells. Images go last among the cells, so that rows are many even where an image has few cells.

use super::Window;
use super::gather::FEW;
use super::kernel::{Buffer, Reduce, Rows, Shape};
use crate::parallel;

/// Numbers of dy that stay in the cache while all taps meet them.
const BLOCK: usize = 24 << 10;
/// Cells that change places with their channels together.
const SIDE: usize = 32;

/// dw of shape [filters, channels, taps].
pub(super) fn weight_gradient(x: &[f32], dy: &[f32], window: &Window) -> Vec<f32> {
    let kernel = window.axes[2].kernel;
    if window.channels >= FEW || kernel == 1 {
        return reduce(x, dy, window);
    }
    let (x, lowered) = lower(x, window);
    let gradient = reduce(&x, dy, &lowered);
    // [filters, channels, taps of the last axis, taps of the others] -> [.., taps of the others, of the last]
    let others = lowered.taps();
    let mut result = vec![0.0; gradient.len()];
    for (result, gradient) in result.chunks_mut(kernel * others).zip(gradient.chunks(kernel * others)) {
        for (tap, gradient) in gradient.chunks(others).enumerate() {
            for (other, number) in gradient.iter().enumerate() {
                result[other * kernel + tap] = *number;
            }
        }
    }
    result
}

/// x and the window with the taps of the last axis among the channels.
fn lower(x: &[f32], window: &Window) -> (Vec<f32>, Window) {
    let axis = window.axes[2];
    let (output, rows) = (axis.output(), window.axes[0].input * window.axes[1].input);
    let mut lowered = vec![0.0; window.images * window.channels * axis.kernel * rows * output];
    let parts = lowered.chunks_mut(axis.kernel * rows * output);
    for (lowered, x) in parts.zip(x.chunks(rows * axis.input)) {
        for (tap, lowered) in lowered.chunks_mut(rows * output).enumerate() {
            let outputs = axis.outputs_of(tap);
            let begin = (outputs.start * axis.stride + tap).saturating_sub(axis.padding);
            for (lowered, x) in lowered.chunks_mut(output).zip(x.chunks(axis.input)) {
                let cells = x[begin.min(x.len())..].iter().step_by(axis.stride);
                for (number, &x) in lowered[outputs.clone()].iter_mut().zip(cells) {
                    *number = x;
                }
            }
        }
    }
    let mut window = window.clone();
    window.channels *= axis.kernel;
    window.axes[2] = super::axis::Axis { input: output, kernel: 1, stride: 1, padding: 0 };
    (lowered, window)
}

fn reduce(x: &[f32], dy: &[f32], window: &Window) -> Vec<f32> {
    let taps = window.taps();
    let shape = Shape::of(window.filters);
    let width = shape.width;
    let (channels, filters) = (window.channels, window.filters);
    let tiles: Vec<_> = shape.tiles(channels).collect();
    let left = parallel::each(tiles.len(), |i| {
        let tile = tiles[i].clone();
        cells_first(x, window.images, channels, window.inputs(), tile.clone(), tile.len())
    });
    let blocks = filters.div_ceil(width);
    let right = parallel::each(blocks, |i| {
        let block = i * width..filters.min((i + 1) * width);
        cells_first(dy, window.images, filters, window.outputs(), block, width)
    });
    let steps = steps(window, width);
    let mut result = vec![0.0; filters * channels * taps];
    // Each part of the result, by block of filters and tile of channels, goes to whoever computes it.
    let mut parts: Vec<Vec<&mut [f32]>> = (0..blocks * tiles.len()).map(|_| Vec::new()).collect();
    for (filter, mut row) in result.chunks_mut(channels * taps).enumerate() {
        for (i, tile) in tiles.iter().enumerate() {
            let part;
            (part, row) = row.split_at_mut(tile.len() * taps);
            parts[filter / width * tiles.len() + i].push(part);
        }
    }
    parallel::each_of(parts, |task, parts| {
        let (block, tile) = (task / tiles.len(), task % tiles.len());
        let m = tiles[tile].len();
        let mut sums = Buffer::zeros(taps * m * width);
        for (tap, rows) in &steps {
            let sums = &mut sums[tap * m * width..][..m * width];
            shape.run(Reduce { shape, left: &left[tile], m, right: &right[block], rows, sums });
        }
        for (filter, part) in parts.into_iter().enumerate() {
            for (i, row) in part.chunks_mut(taps).enumerate() {
                for (number, sums) in row.iter_mut().zip(sums.chunks_exact(m * width)) {
                    *number = sums[i * width + filter];
                }
            }
        }
    });
    result
}

/// Rows of x and dy that meet in a tap; a part of the image after the other, so that the cache holds it.
fn steps(window: &Window, columns: usize) -> Vec<(usize, Vec<Rows>)> {
    let [d, h, w] = window.axes;
    let (height, width, n) = (h.output(), w.output(), window.images);
    let planes = (BLOCK / (height * width * n * columns)).max(1);
    let mut steps = Vec::new();
    for begin in (0..d.output()).step_by(planes) {
        for i in 0..d.kernel {
            for j in 0..h.kernel {
                for k in 0..w.kernel {
                    let mut rows = Vec::new();
                    let line = w.outputs_of(k);
                    let depths = d.outputs_of(i);
                    for z in depths.start.max(begin)..depths.end.min(begin + planes) {
                        for y in h.outputs_of(j) {
                            let row = ((z * d.stride + i - d.padding) * h.input + y * h.stride + j
                                - h.padding)
                                * w.input;
                            let together = if w.stride == 1 { line.len() } else { 1 };
                            for x in line.clone().step_by(together.max(1)) {
                                rows.push(Rows {
                                    left: (row + x * w.stride + k - w.padding) * n,
                                    right: ((z * height + y) * width + x) * n,
                                    count: together * n,
                                });
                            }
                        }
                    }
                    if !rows.is_empty() {
                        steps.push(((i * h.kernel + j) * w.kernel + k, rows));
                    }
                }
            }
        }
    }
    steps
}

/// Some of the channels of [images, channels, cells] as rows [cells, images] of `columns`.
fn cells_first(
    source: &[f32],
    images: usize,
    channels: usize,
    cells: usize,
    taken: std::ops::Range<usize>,
    columns: usize,
) -> Buffer {
    let mut rows = Buffer::zeros(cells * images * columns);
    for (i, rows) in rows.chunks_mut(SIDE * images * columns).enumerate() {
        for image in 0..images {
            for (column, channel) in taken.clone().enumerate() {
                let source = &source[(image * channels + channel) * cells..][..cells];
                let rows = rows[image * columns + column..].iter_mut().step_by(images * columns);
                for (number, &x) in rows.zip(&source[i * SIDE..]) {
                    *number = x;
                }
            }
        }
    }
    rows
}
