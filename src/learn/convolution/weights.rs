//! The gradient with respect to the weights.
//!
//! dw[f, c, t] = sum over n, o of dy[n, f, o] x[n, c, s o + t - p]: for each tap a product of two matrices whose rows
//! are those of a convolution's input and output.

use std::ops::Range;

use super::Window;
use super::kernel::{Buffer, Reduce, Rows, Shape};
use super::lower::Lowered;
use crate::parallel;

/// Numbers of dy that stay in the cache while all taps meet them.
const BLOCK: usize = 24 << 10;

/// dw of shape [filters, channels, taps].
pub(super) fn weight_gradient(x: &[f32], dy: &[f32], window: &Window) -> Vec<f32> {
    match Lowered::of(window) {
        None => reduce(x, dy, window),
        Some(lowered) => lowered.raised(&reduce(&lowered.rows(x), dy, &lowered.window())),
    }
}

fn reduce(x: &[f32], dy: &[f32], window: &Window) -> Vec<f32> {
    let taps = window.taps();
    let shape = Shape::of(window.filters);
    let width = shape.width;
    let (channels, filters) = (window.channels, window.filters);
    let tiles: Vec<_> = shape.tiles(channels).collect();
    let left = parallel::each(tiles.len(), |i| {
        let tile = tiles[i].clone();
        columns(x, channels, tile.clone(), tile.len())
    });
    let blocks = filters.div_ceil(width);
    let right = parallel::each(blocks, |i| {
        let block = i * width..filters.min((i + 1) * width);
        columns(dy, filters, block, width)
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
    parallel::each_of(parts, |task, mut parts| {
        let (block, tile) = (task / tiles.len(), task % tiles.len());
        let m = tiles[tile].len();
        let mut sums = Buffer::zeros(taps * m * width);
        for (tap, rows) in &steps {
            let sums = &mut sums[tap * m * width..][..m * width];
            shape.run(Reduce { shape, left: &left[tile], m, right: &right[block], rows, sums });
        }
        // Channels first: the sums of one, at all taps, stay in the first-level cache while all filters take theirs.
        for i in 0..m {
            for (filter, part) in parts.iter_mut().enumerate() {
                let row = &mut part[i * taps..][..taps];
                for (number, sums) in row.iter_mut().zip(sums.chunks_exact(m * width)) {
                    *number = sums[i * width + filter];
                }
            }
        }
    });
    result
}

/// Rows of x and dy that meet in a tap; a part of the image after the other, so that the cache holds it.
fn steps(window: &Window, width_of_block: usize) -> Vec<(usize, Vec<Rows>)> {
    let [d, h, w] = window.axes;
    let (height, width, n) = (h.output(), w.output(), window.images);
    let planes = (BLOCK / (height * width * n * width_of_block)).max(1);
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

/// Some of the channels of rows, as rows of `width`.
fn columns(source: &[f32], channels: usize, taken: Range<usize>, width: usize) -> Buffer<f32> {
    let mut rows = Buffer::zeros(source.len() / channels * width);
    for (row, source) in rows.chunks_exact_mut(width).zip(source.chunks_exact(channels)) {
        row[..taken.len()].copy_from_slice(&source[taken.clone()]);
    }
    rows
}
