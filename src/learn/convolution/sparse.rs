//! The convolution of images most of whose cells are empty, and its gradient with respect to the weights.
//!
//! Of a first layer's images of events, five cells in six are empty, and the cells' coordinates are those of all images. So a batch is taken
//! apart: a base that its images have in common, which is convolved once, and the numbers that differ from it, each of which meets the taps by
//! itself.

#![expect(clippy::inline_always, reason = "only inlined code is compiled for the wide vectors")]

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::Window;
use super::axis::{Axis, Line};
use super::kernel::{Buffer, Shape};
use super::{gather, weights};
use crate::parallel;

/// Most channels of images of events: later layers have more.
const CHANNELS: usize = 16;
/// Fewest taps of a first layer that it is worth while for.
const TAPS: usize = 100;
/// Part of an image's cells that may hold a number that differs from the base, for each channel and one more.
const SPARSE: usize = 8;
/// Cells by which it is told what most hold.
const ASKED: usize = 4096;

/// A number of an image that differs from the base.
#[derive(Debug, Clone, Copy)]
struct Number {
    /// Cell along the last axis.
    cell: u16,
    channel: u16,
    difference: f32,
}

/// Numbers of an image that differ from the base, in the order of their cells.
struct Image {
    numbers: Vec<Number>,
    /// Number of the first of each cell, and of all behind the last.
    first: Vec<u32>,
}

impl Image {
    /// Numbers of some cells of a line, whose first cell is given.
    fn line(&self, line: usize, cells: Range<usize>) -> &[Number] {
        let [begin, end] = [cells.start, cells.end].map(|cell| self.first[line + cell] as usize);
        &self.numbers[begin..end]
    }
}

/// A batch that is taken apart.
pub(super) struct Sparse<'a> {
    window: &'a Window,
    images: Vec<Image>,
    /// Channels whose base is not 0 everywhere.
    kept: Vec<usize>,
    /// # Shapes
    /// [cell, kept channel]
    base: Vec<f32>,
}

impl<'a> Sparse<'a> {
    /// Of rows of a batch; none unless each channel of an image is either nearly empty or that of all images.
    pub(super) fn of(x: &[f32], window: &'a Window) -> Option<Self> {
        let channels = window.channels;
        let cells: usize = window.axes.iter().map(|a| a.input).product();
        let few = channels <= CHANNELS && u16::try_from(window.axes[2].input).is_ok();
        if !few || window.taps() < TAPS {
            return None;
        }
        let row = channels * window.images;
        let asked = x.chunks_exact(row).step_by(cells.div_ceil(ASKED)).map(|row| &row[..channels]);
        let empty = held_by_most(&asked.collect::<Vec<_>>(), channels);
        // What is not empty must be that of the first image.
        let mut common = Vec::with_capacity(cells * channels);
        for row in x.chunks_exact(row) {
            common.extend(row.iter().zip(&empty).map(|(x, empty)| empty.unwrap_or(*x)));
        }
        let (most, width) = (cells * (channels + 1) / SPARSE, window.axes[2].input);
        let image = |image: usize| {
            let (mut numbers, mut first) = (Vec::new(), Vec::with_capacity(cells + 1));
            for (cell, (row, common)) in x.chunks_exact(row).zip(common.chunks_exact(channels)).enumerate() {
                first.push(numbers.len() as u32);
                let own = &row[image * channels..][..channels];
                if own.iter().zip(common).fold(0, |bits, (x, common)| bits | (x.to_bits() ^ common.to_bits()))
                    != 0
                {
                    for (channel, (x, common)) in own.iter().zip(common).enumerate() {
                        if x.to_bits() != common.to_bits() {
                            empty[channel]?;
                            let (cell, channel) = ((cell % width) as u16, channel as u16);
                            numbers.push(Number { cell, channel, difference: x - common });
                        }
                    }
                }
                if numbers.len() > most {
                    return None;
                }
            }
            first.push(numbers.len() as u32);
            Some(Image { numbers, first })
        };
        // Most batches that are not sparse are refused for their last image.
        let last = image(window.images - 1)?;
        let others = parallel::each(window.images - 1, image).into_iter().collect::<Option<Vec<Image>>>()?;
        let images = others.into_iter().chain([last]).collect();
        let kept: Vec<usize> = (0..channels).filter(|channel| empty[*channel] != Some(0.0)).collect();
        let base = common.chunks_exact(channels).flat_map(|common| kept.iter().map(|i| common[*i])).collect();
        Some(Self { window, images, kept, base })
    }

    /// The convolution of the base alone.
    fn of_base(&self) -> Window {
        Window { images: 1, channels: self.kept.len(), ..self.window.clone() }
    }

    /// Rows of the result.
    pub(super) fn forward(&self, weight: &[f32]) -> Vec<f32> {
        let Window { channels, filters, axes, .. } = self.window;
        let (taps, [l, k, c]) = (self.window.taps(), axes);
        let of_kept = |filter: usize| {
            let own = &weight[filter * channels * taps..][..channels * taps];
            self.kept.iter().flat_map(move |channel| own[channel * taps..][..taps].iter().copied())
        };
        let base: Vec<f32> = if self.kept.is_empty() {
            Vec::new()
        } else {
            let weight: Vec<f32> = (0..*filters).flat_map(of_kept).collect();
            gather::forward(&self.base, &weight, &self.of_base())
        };
        let shape = Shape::row(*filters);
        let width = shape.width;
        let rows = taps * channels * width;
        // [block, tap, channel, filter of the block]
        let mut panel = Buffer::zeros(filters.div_ceil(width) * rows);
        for (filter, own) in weight.chunks_exact(channels * taps).enumerate() {
            let panel = &mut panel[filter / width * rows..][..rows];
            for (i, number) in own.iter().enumerate() {
                panel[(i % taps * channels + i / taps) * width + filter % width] = *number;
            }
        }
        let (n, lines) = (self.images.len(), [l, k, c].map(Axis::forward));
        let of_plane = k.output() * c.output();
        let mut result = vec![0.0; l.output() * of_plane * n * filters];
        let planes: Vec<_> = result.chunks_mut(of_plane * n * filters).collect();
        parallel::each_of(planes, |plane, result| {
            let from_l = lines[0][plane];
            for (block, panel) in panel.chunks_exact(rows).enumerate() {
                let block = block * width..(*filters).min((block + 1) * width);
                for (number, image) in self.images.iter().enumerate() {
                    // [output of the plane, filter of the block]
                    let mut sums = Buffer::zeros(of_plane * width);
                    for (i, j) in (0..from_l.count).flat_map(|i| (0..k.kernel).map(move |j| (i, j))) {
                        let tap = ((from_l.slot + i) * k.kernel + j) * c.kernel;
                        let source = (from_l.source + i) * k.input;
                        let line =
                            |y: usize| ((source + y * k.stride + j - k.padding) * c.input, y * c.output());
                        shape.run(Forward {
                            shape,
                            image,
                            lines: k.outputs_of(j).map(line),
                            cells: &lines[2],
                            channels: *channels,
                            panel: &panel[tap * channels * width..],
                            sums: &mut sums,
                        });
                    }
                    for (cell, sums) in sums.chunks_exact(width).enumerate() {
                        let result = &mut result[(cell * n + number) * filters..][..*filters][block.clone()];
                        result.copy_from_slice(&sums[..block.len()]);
                        if !base.is_empty() {
                            let base =
                                &base[(plane * of_plane + cell) * filters..][..*filters][block.clone()];
                            result.iter_mut().zip(base).for_each(|(y, base)| *y += base);
                        }
                    }
                }
            }
        });
        result
    }

    /// dw of shape [filters, channels, taps].
    pub(super) fn weight_gradient(&self, dy: &[f32]) -> Vec<f32> {
        let Window { channels, filters, axes, .. } = self.window;
        let (taps, [l, k, c], n) = (self.window.taps(), axes, self.images.len());
        let mut met = vec![Vec::new(); c.input];
        for tap in 0..c.kernel {
            for output in c.outputs_of(tap) {
                met[output * c.stride + tap - c.padding].push((tap, output));
            }
        }
        let shape = Shape::row(*filters);
        let width = shape.width;
        let mut result = vec![0.0; filters * channels * taps];
        for begin in (0..*filters).step_by(width) {
            let block = begin..(*filters).min(begin + width);
            // For each plane: [image, output of the plane, filter of the block].
            let of_plane = k.output() * c.output();
            let planes = parallel::each(l.output(), |plane| {
                let mut rows = Buffer::zeros(n * of_plane * width);
                let dy = &dy[plane * of_plane * n * filters..][..of_plane * n * filters];
                for (i, dy) in dy.chunks_exact(*filters).enumerate() {
                    let own = &mut rows[(i % n * of_plane + i / n) * width..][..block.len()];
                    own.copy_from_slice(&dy[block.clone()]);
                }
                rows
            });
            // For each tap of the first axis: [other taps, channel, filter of the block].
            let size = c.kernel * channels * width;
            let of_taps = parallel::each(l.kernel, |i| {
                let mut sums = Buffer::zeros(k.kernel * size);
                for plane in l.outputs_of(i) {
                    let source = (plane * l.stride + i - l.padding) * k.input;
                    for (image, dy) in self.images.iter().zip(planes[plane].chunks_exact(of_plane * width)) {
                        for (j, sums) in sums.chunks_exact_mut(size).enumerate() {
                            let line = |y: usize| {
                                ((source + y * k.stride + j - k.padding) * c.input, y * c.output())
                            };
                            let lines = k.outputs_of(j).map(line);
                            let (met, channels) = (&met[..], *channels);
                            shape.run(Backward { shape, image, lines, met, channels, dy, sums });
                        }
                    }
                }
                sums
            });
            for (i, sums) in of_taps.iter().enumerate() {
                for (place, sums) in sums.chunks_exact(width).enumerate() {
                    let (tap, channel) = (i * k.kernel * c.kernel + place / channels, place % channels);
                    for (filter, sum) in block.clone().zip(sums) {
                        result[(filter * channels + channel) * taps + tap] = *sum;
                    }
                }
            }
        }
        if !self.kept.is_empty() {
            let mut of_all = vec![0.0; dy.len() / n];
            for (sum, rows) in of_all.chunks_exact_mut(*filters).zip(dy.chunks_exact(filters * n)) {
                for row in rows.chunks_exact(*filters) {
                    sum.iter_mut().zip(row).for_each(|(sum, dy)| *sum += dy);
                }
            }
            let of_base = weights::weight_gradient(&self.base, &of_all, &self.of_base());
            for (i, own) in of_base.chunks_exact(taps).enumerate() {
                let (filter, channel) = (i / self.kept.len(), self.kept[i % self.kept.len()]);
                let row = &mut result[(filter * channels + channel) * taps..][..taps];
                row.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
            }
        }
        result
    }
}

/// For each channel the number that most cells hold, where there is one.
fn held_by_most(cells: &[&[f32]], channels: usize) -> Vec<Option<f32>> {
    let of_channel = |channel: usize| {
        let numbers = || cells.iter().map(|cell| cell[channel]);
        let same = |a: f32, b: f32| a.to_bits() == b.to_bits();
        // Majority vote: each number votes for itself or against the one that leads.
        let (leader, _) = numbers().fold((0.0, 0_usize), |(leader, lead), x| match lead {
            0 => (x, 1),
            _ if same(leader, x) => (leader, lead + 1),
            _ => (leader, lead - 1),
        });
        (2 * numbers().filter(|x| same(*x, leader)).count() > cells.len()).then_some(leader)
    };
    (0..channels).map(of_channel).collect()
}

/// Calls `of` with as many vectors, a number that the compiler is to know.
macro_rules! with_vectors {
    ($self:ident, $simd:ident) => {
        with_vectors!($self, $simd, 1 2 3 4 5 6 7 8)
    };
    ($self:ident, $simd:ident, $($v:literal)*) => {
        match $self.shape.vectors {
            $($v => $self.of::<S, $v>($simd),)*
            _ => {}
        }
    };
}

/// Adds to the sums of a plane's outputs what numbers of an image give by the taps along lines.
struct Forward<'a, I> {
    shape: Shape,
    image: &'a Image,
    /// First cell of each line of numbers, and first of the line of outputs.
    lines: I,
    /// Cells that each output of a line meets.
    cells: &'a [Line],
    channels: usize,
    /// # Shapes
    /// [tap, channel, filter]
    panel: &'a [f32],
    /// # Shapes
    /// [output, filter]
    sums: &'a mut [f32],
}

impl<I: Iterator<Item = (usize, usize)>> WithSimd for Forward<'_, I> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        with_vectors!(self, simd);
    }
}

impl<I: Iterator<Item = (usize, usize)>> Forward<'_, I> {
    #[inline(always)]
    fn of<S: Simd, const V: usize>(self, simd: S) {
        let (stored, _) = S::as_mut_simd_f32s(self.sums);
        let (stored, _) = stored.as_chunks_mut::<V>();
        let (panel, _) = S::as_simd_f32s(self.panel);
        let (panel, _) = panel.as_chunks::<V>();
        for (line, first) in self.lines {
            for (from, stored) in self.cells.iter().zip(&mut stored[first..]) {
                let numbers = self.image.line(line, from.source..from.source + from.count);
                if numbers.is_empty() {
                    continue;
                }
                let mut sums = *stored;
                for number in numbers {
                    let tap = usize::from(number.cell) + from.slot - from.source;
                    let taps = &panel[tap * self.channels + usize::from(number.channel)];
                    let difference = simd.splat_f32s(number.difference);
                    for (sum, tap) in sums.iter_mut().zip(taps) {
                        *sum = simd.mul_add_f32s(difference, *tap, *sum);
                    }
                }
                *stored = sums;
            }
        }
    }
}

/// Adds to the sums of the taps along lines the products of an image's numbers and a plane's outputs that meet in them.
struct Backward<'a, I> {
    shape: Shape,
    image: &'a Image,
    /// First cell of each line of numbers, and first of the line of outputs.
    lines: I,
    /// For each cell of a line the taps along it, and the outputs that it meets by them.
    met: &'a [Vec<(usize, usize)>],
    channels: usize,
    /// # Shapes
    /// [output, filter]
    dy: &'a [f32],
    /// # Shapes
    /// [tap, channel, filter]
    sums: &'a mut [f32],
}

impl<I: Iterator<Item = (usize, usize)>> WithSimd for Backward<'_, I> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        with_vectors!(self, simd);
    }
}

impl<I: Iterator<Item = (usize, usize)>> Backward<'_, I> {
    #[inline(always)]
    fn of<S: Simd, const V: usize>(self, simd: S) {
        let (sums, _) = S::as_mut_simd_f32s(self.sums);
        let (sums, _) = sums.as_chunks_mut::<V>();
        let (dy, _) = S::as_simd_f32s(self.dy);
        let (dy, _) = dy.as_chunks::<V>();
        for (line, first) in self.lines {
            for number in self.image.line(line, 0..self.met.len()) {
                let difference = simd.splat_f32s(number.difference);
                for (tap, output) in &self.met[usize::from(number.cell)] {
                    let sums = &mut sums[tap * self.channels + usize::from(number.channel)];
                    for (sum, dy) in sums.iter_mut().zip(&dy[first + output]) {
                        *sum = simd.mul_add_f32s(difference, *dy, *sum);
                    }
                }
            }
        }
    }
}
