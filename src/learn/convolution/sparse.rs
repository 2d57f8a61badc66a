//! The convolution of images most of whose cells are empty, and its gradient with respect to the weights.
//!
//! Of a first layer's images of events, five cells in six are empty, and the cells' coordinates are those of all images. So a batch is taken apart: a base that its images
//! have in common, which is convolved once, and the numbers that differ from it, each of which meets the taps by itself.

use std::ops::Range;

use pulp::{Simd, WithSimd};

use super::Window;
use super::axis::Axis;
use super::gather;
use super::kernel::{Buffer, Vectors, wide};
use super::weights;
use crate::parallel;

/// Most channels of images of events: later layers have more.
const CHANNELS: usize = 16;
/// Fewest taps that make it worth while.
const TAPS: usize = 27;
/// Least numbers of an image for each that differs from the base.
const SPARSE: usize = 8;

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
    /// Of rows of a batch; none where it has too many channels, or too many numbers differ from what its images have in common.
    pub(super) fn of(x: &[f32], window: &'a Window) -> Option<Self> {
        let channels = window.channels;
        let cells: usize = window.axes.iter().map(|a| a.input).product();
        let few = channels <= CHANNELS && window.axes[2].input <= usize::from(u16::MAX);
        if !few || window.taps() < TAPS || cells < SPARSE {
            return None;
        }
        let row = channels * window.images;
        let whole = parallel::each(channels, |channel| base(x, channel, row));
        let base_of = |cell: usize, channel: usize| match &whole[channel] {
            Base::Number(number) => *number,
            Base::Image => x[cell * row + channel],
        };
        let most = cells * channels / SPARSE;
        let width = window.axes[2].input;
        let image = |image: usize| {
            let (mut numbers, mut first) = (Vec::new(), Vec::with_capacity(cells + 1));
            for (cell, of_cell) in x.chunks_exact(row).enumerate() {
                first.push(numbers.len() as u32);
                for (channel, x) in of_cell[image * channels..][..channels].iter().enumerate() {
                    let difference = x - base_of(cell, channel);
                    if difference != 0.0 {
                        numbers.push(Number {
                            cell: (cell % width) as u16,
                            channel: channel as u16,
                            difference,
                        });
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
        let kept: Vec<usize> = (0..channels).filter(|i| !matches!(whole[*i], Base::Number(0.0))).collect();
        let base = (0..cells).flat_map(|cell| kept.iter().map(move |channel| (cell, *channel)));
        let base = base.map(|(cell, channel)| base_of(cell, channel)).collect();
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
        let vectors = Vectors::of(*filters);
        let width = vectors.width();
        let blocks = filters.div_ceil(width);
        // [block, tap, channel, filter of the block]
        let mut panel = Buffer::zeros(blocks * taps * channels * width);
        for (filter, own) in weight.chunks_exact(channels * taps).enumerate() {
            let rows = &mut panel[filter / width * taps * channels * width..];
            for (i, number) in own.iter().enumerate() {
                rows[(i % taps * channels + i / taps) * width + filter % width] = *number;
            }
        }
        let lines = [l, k, c].map(Axis::forward);
        let of_line = c.output() * self.images.len() * filters;
        let mut result = vec![0.0; l.output() * k.output() * of_line];
        let parts: Vec<_> = result.chunks_mut(of_line).collect();
        parallel::each_of(parts, |line, rows| {
            let (from_l, from_k) = (lines[0][line / k.output()], lines[1][line % k.output()]);
            let mut sums = Buffer::zeros(width);
            for (row, rows) in rows.chunks_exact_mut(*filters).enumerate() {
                let (cell, image) = (row / self.images.len(), &self.images[row % self.images.len()]);
                let from_c = lines[2][cell];
                let cells = from_c.source..from_c.source + from_c.count;
                let runs =
                    (0..from_l.count).flat_map(|i| (0..from_k.count).map(move |j| (i, j))).map(|(i, j)| {
                        let line = ((from_l.source + i) * k.input + from_k.source + j) * c.input;
                        let tap = ((from_l.slot + i) * k.kernel + from_k.slot + j) * c.kernel + from_c.slot;
                        (image.line(line, cells.clone()), tap * channels)
                    });
                for block in 0..blocks {
                    let filters = block * width..(*filters).min((block + 1) * width);
                    sums.fill(0.0);
                    if !base.is_empty() {
                        let own = &base[(line * c.output() + cell) * self.window.filters..];
                        sums[..filters.len()].copy_from_slice(&own[filters.clone()]);
                    }
                    let panel = &panel[block * taps * channels * width..][..taps * channels * width];
                    let (runs, begin) = (runs.clone(), from_c.source);
                    vectors.run(Met { vectors, runs, begin, channels: *channels, panel, sums: &mut sums });
                    rows[filters.clone()].copy_from_slice(&sums[..filters.len()]);
                }
            }
        });
        result
    }

    /// dw of shape [filters, channels, taps].
    pub(super) fn weight_gradient(&self, dy: &[f32]) -> Vec<f32> {
        let Window { channels, filters, axes, .. } = self.window;
        let (taps, [l, k, c], n) = (self.window.taps(), axes, self.images.len());
        let outputs: Vec<Range<usize>> = (0..c.kernel).map(|tap| c.outputs_of(tap)).collect();
        // For each pair of taps of the first axes: [tap of the last, channel, filter].
        let pairs = parallel::each(l.kernel * k.kernel, |pair| {
            let (i, j) = (pair / k.kernel, pair % k.kernel);
            let mut sums = vec![0.0; c.kernel * channels * filters];
            for (y, x) in l.outputs_of(i).flat_map(|y| k.outputs_of(j).map(move |x| (y, x))) {
                let line = (y * l.stride + i - l.padding) * k.input + x * k.stride + j - k.padding;
                let rows = &dy[(y * k.output() + x) * c.output() * n * filters..][..c.output() * n * filters];
                for (number, image) in self.images.iter().enumerate() {
                    for own in image.line(line * c.input, 0..c.input) {
                        let place = usize::from(own.cell) + c.padding;
                        for tap in (place % c.stride..c.kernel.min(place + 1)).step_by(c.stride) {
                            let output = (place - tap) / c.stride;
                            if !outputs[tap].contains(&output) {
                                continue;
                            }
                            let row = &rows[(output * n + number) * filters..][..*filters];
                            let sums = &mut sums[(tap * channels + usize::from(own.channel)) * filters..]
                                [..*filters];
                            let difference = own.difference;
                            wide(
                                #[inline(always)]
                                || {
                                    for (sum, dy) in sums.iter_mut().zip(row) {
                                        *sum = difference.mul_add(*dy, *sum);
                                    }
                                },
                            );
                        }
                    }
                }
            }
            sums
        });
        let mut result = vec![0.0; filters * channels * taps];
        for (pair, sums) in pairs.iter().enumerate() {
            for (place, sums) in sums.chunks_exact(*filters).enumerate() {
                let (tap, channel) = (pair * c.kernel + place / channels, place % channels);
                for (filter, sum) in sums.iter().enumerate() {
                    result[(filter * channels + channel) * taps + tap] = *sum;
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

/// What a channel's images have in common.
enum Base {
    /// One number, in most cells.
    Number(f32),
    /// The first image.
    Image,
}

/// Of the rows of a channel: the number that most cells of the first image hold, where there is one.
fn base(x: &[f32], channel: usize, row: usize) -> Base {
    let cells = || x[channel..].iter().step_by(row);
    // Majority vote: each number votes for itself or against the one that leads.
    let (mut leader, mut lead) = (0.0_f32, 0_usize);
    for x in cells() {
        if lead == 0 {
            leader = *x;
        }
        lead = if leader == *x { lead + 1 } else { lead - 1 };
    }
    let (held, all) = (cells().filter(|x| **x == leader).count(), cells().count());
    if 2 * held > all { Base::Number(leader) } else { Base::Image }
}

/// Adds to sums what numbers of an image give by the taps that they meet.
struct Met<'a, I> {
    vectors: Vectors,
    /// Numbers of a line, and the row of the panel that a number of the first channel meets in cell `begin`.
    runs: I,
    begin: usize,
    channels: usize,
    panel: &'a [f32],
    sums: &'a mut [f32],
}

impl<'n, I: Iterator<Item = (&'n [Number], usize)>> WithSimd for Met<'_, I> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.vectors.count {
            1 => self.add::<S, 1>(simd),
            2 => self.add::<S, 2>(simd),
            3 => self.add::<S, 3>(simd),
            4 => self.add::<S, 4>(simd),
            5 => self.add::<S, 5>(simd),
            6 => self.add::<S, 6>(simd),
            7 => self.add::<S, 7>(simd),
            _ => self.add::<S, 8>(simd),
        }
    }
}

impl<'n, I: Iterator<Item = (&'n [Number], usize)>> Met<'_, I> {
    #[inline(always)]
    fn add<S: Simd, const V: usize>(self, simd: S) {
        let (stored, _) = S::as_mut_simd_f32s(self.sums);
        let (panel, _) = S::as_simd_f32s(self.panel);
        let (panel, _) = panel.as_chunks::<V>();
        let mut sums = [simd.splat_f32s(0.0); V];
        sums.copy_from_slice(&stored[..V]);
        for (numbers, row) in self.runs {
            for number in numbers {
                let place = (usize::from(number.cell) - self.begin) * self.channels;
                let taps = &panel[row + place + usize::from(number.channel)];
                let difference = simd.splat_f32s(number.difference);
                for (sum, tap) in sums.iter_mut().zip(taps) {
                    *sum = simd.mul_add_f32s(difference, *tap, *sum);
                }
            }
        }
        stored[..V].copy_from_slice(&sums);
    }
}
