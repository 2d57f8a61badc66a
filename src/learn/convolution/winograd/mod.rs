//! Convolutions of three taps along each axis by minimal filtering, Winograd's: Lavin and Gray, arXiv:1509.09308.
//!
//! Inputs of a tile of outputs and weights are brought to points where a convolution is a product for each of them, of rows of
//! channels and a matrix of weights; the products give the outputs. A tile has 3 or 4 outputs along an axis and two points more, [`transform`]:
//! 13 cells take 21 products in place of 37, in three axes a fifth. Results are off by less than 1e-5 of the largest.

mod scratch;
mod transform;

use std::ops::Range;

use super::Window;
use super::axis::Axis;
use super::gather::Weights;
use super::kernel::{Product, Shape};
use crate::parallel;
use scratch::Scratch;
use transform::{Cube, POINTS, Slab, ToOutputs, ToPoints};

/// Taps of a kernel.
const TAPS: usize = 27;
/// Products without filtering for each one with it from which on it is worth its transformations.
const WORTH: usize = 3;
/// Channels, and filters, come in vectors that these fill.
const CHANNELS: usize = 16;
/// Rows that are worked on together.
const ROWS: usize = 16;
/// Weights of a point that are brought there before they are used, if there are not more of them, nor fewer groups than [`FEW`].
const MANY: usize = 64 * 64;
const FEW: usize = 8;
/// Channels whose weights are brought to the points together, for few groups and for more.
const DEPTHS: [usize; 2] = [32, 64];
/// Numbers at the points that are there at a time.
const PORTION: usize = 4 << 20;
/// Numbers between those of two points, so that they do not drive each other out of the cache.
const SPARE: usize = 16;

/// Whether a convolution is computed here, whatever its images.
pub(super) fn suits(window: &Window) -> bool {
    let plain = window.axes.iter().all(|a| a.kernel == 3 && a.stride == 1 && a.padding <= 2);
    let filled = window.channels.is_multiple_of(CHANNELS) && window.filters.is_multiple_of(CHANNELS);
    let products = |axis: &Axis| (0..3).map(|tap| axis.outputs_of(tap).len()).sum::<usize>();
    let points = |n: usize| tiles(n).iter().map(|tile| tile.outputs + 2).sum::<usize>();
    let worth = |sizes: [usize; 3]| {
        let all: usize = window.axes.iter().map(products).product();
        all >= WORTH * sizes.map(points).iter().product::<usize>()
    };
    plain && filled && worth(window.axes.map(|a| a.output())) && worth(window.axes.map(|a| a.input))
}

/// y[n, f, o] = sum over c, t of w[f, c, t] x[n, c, o + t - p], of rows.
pub(super) fn forward(x: &[f32], weight: &[f32], window: &Window) -> Vec<f32> {
    let source = Cells { size: window.axes.map(|a| a.input), before: window.axes.map(|a| a.padding) };
    let result = window.axes.map(|a| a.output());
    convolve(x, &Weights::forward(weight, window), false, window.images, &source, result)
}

/// dx[n, c, i] = sum over f, o of w[f, c, i + p - o] dy[n, f, o], of rows.
pub(super) fn input_gradient(dy: &[f32], weight: &[f32], window: &Window) -> Vec<f32> {
    let source = Cells { size: window.axes.map(|a| a.output()), before: window.axes.map(|a| 2 - a.padding) };
    let result = window.axes.map(|a| a.input);
    convolve(dy, &Weights::backward(weight, window), true, window.images, &source, result)
}

/// Result of the weights and the rows of a source.
fn convolve(
    x: &[f32],
    weights: &Weights,
    backward: bool,
    images: usize,
    source: &Cells,
    result: [usize; 3],
) -> Vec<f32> {
    let (sources, results) = (weights.sources, weights.results);
    let shape = Shape::of(results);
    let width = shape.width;
    let blocks = results / width;
    let groups = groups(images, result);
    let mut y = vec![0.0; result.iter().product::<usize>() * images * results];
    let mut cells = cells(&groups, &mut y, images, result, results);
    let packed =
        parallel::each(blocks, |block| pack(weights, &(block * width..(block + 1) * width), backward));
    let spread = |group: &Group| group.spread(x, sources, images, source, shape);
    // Rows of a point from a slab of some channels.
    let step = |channels: usize| channels * width + SPARE;
    if sources * results <= MANY && groups.len() >= FEW {
        let size = POINTS * POINTS * step(sources);
        let slabs = parallel::each(blocks, |block| {
            let mut all = Scratch::of(POINTS * size);
            for (at, points) in all.chunks_exact_mut(size).enumerate() {
                shape.run(Slab { at, taps: &packed[block], width, points, step: step(sources) });
            }
            all
        });
        parallel::each_of(cells, |i, mut cells| {
            let group = &groups[i];
            let x = spread(group);
            let mut y = group.scratch(width);
            for (block, slabs) in slabs.iter().enumerate() {
                for (at, slab) in slabs.chunks_exact(size).enumerate() {
                    group.multiply((at, slab), &x, sources, &(0..sources), shape, &mut y);
                }
                group.gather(&y, block, shape, results, &mut cells);
            }
        });
        return y;
    }
    let depth = DEPTHS[usize::from(groups.len() >= FEW)];
    for some in portions(&groups, sources.max(results)) {
        let x = parallel::each(some.len(), |i| spread(&some[i]));
        let products = parallel::each(blocks, |block| {
            let mut products: Vec<_> = some.iter().map(|group| group.scratch(width)).collect();
            for first in (0..sources).step_by(depth) {
                let channels = first..sources.min(first + depth);
                let taps = &packed[block][TAPS * width * channels.start..TAPS * width * channels.end];
                let step = step(channels.len());
                let mut slab = Scratch::of(POINTS * POINTS * step);
                for at in 0..POINTS {
                    shape.run(Slab { at, taps, width, points: &mut slab, step });
                    for ((group, x), y) in some.iter().zip(&x).zip(&mut products) {
                        group.multiply((at, &slab[..]), x, sources, &channels, shape, y);
                    }
                }
            }
            products
        });
        parallel::each_of(cells.drain(..some.len()).collect(), |i, mut cells| {
            for (block, products) in products.iter().enumerate() {
                some[i].gather(&products[i], block, shape, results, &mut cells);
            }
        });
    }
    drop(cells);
    y
}

/// Taps of a block's columns, turned around if `backward`: [source, tap, column].
fn pack(weights: &Weights, results: &Range<usize>, backward: bool) -> Scratch {
    let width = results.len();
    let mut packed = Scratch::of(weights.sources * TAPS * width);
    for (source, rows) in packed.chunks_exact_mut(TAPS * width).enumerate() {
        weights.rows(source, results, width, rows);
        if backward {
            for tap in 0..TAPS / 2 {
                let (front, back) = rows.split_at_mut((TAPS - 1 - tap) * width);
                front[tap * width..][..width].swap_with_slice(&mut back[..width]);
            }
        }
    }
    packed
}

/// Outputs of a tile along an axis: the first, and how many a tile of its kind has.
#[derive(Debug, Clone, Copy)]
struct Tile {
    first: usize,
    outputs: usize,
}

/// Tiles of at least `n` outputs, those of 4 first, as few as there can be.
fn tiles(n: usize) -> Vec<Tile> {
    let count = n.div_ceil(4);
    let fours = n.saturating_sub(3 * count);
    (0..count).map(|i| Tile { first: 3 * i + i.min(fours), outputs: if i < fours { 4 } else { 3 } }).collect()
}

/// Cells of an image, and how many of its padding lie before the first.
struct Cells {
    size: [usize; 3],
    before: [usize; 3],
}

impl Cells {
    /// Number of a cell that is counted from the padding's edge, if the image has it.
    fn number(&self, at: [usize; 3]) -> Option<usize> {
        let mut number = 0;
        for ((at, size), before) in at.iter().zip(&self.size).zip(&self.before) {
            number = number * size + at.checked_sub(*before).filter(|at| at < size)?;
        }
        Some(number)
    }
}

/// Tiles of one kind that are worked on together, with some of the images.
struct Group {
    /// Outputs along each axis.
    outputs: [usize; 3],
    /// First output of each tile.
    tiles: Vec<[usize; 3]>,
    images: Range<usize>,
}

/// All tiles of all images.
fn groups(images: usize, result: [usize; 3]) -> Vec<Group> {
    let [l, k, c] = result.map(tiles);
    let mut kinds: Vec<([usize; 3], Vec<[usize; 3]>)> = Vec::new();
    for l in &l {
        for k in &k {
            for c in &c {
                let tile = [l, k, c];
                let (outputs, first) = (tile.map(|t| t.outputs), tile.map(|t| t.first));
                match kinds.iter_mut().find(|(kind, _)| *kind == outputs) {
                    Some((_, tiles)) => tiles.push(first),
                    None => kinds.push((outputs, vec![first])),
                }
            }
        }
    }
    let (parts, together) = (images.div_ceil(ROWS), (ROWS / images).max(1));
    let mut groups = Vec::new();
    for (outputs, tiles) in kinds {
        for tiles in tiles.chunks(together) {
            for part in 0..parts {
                let images = part * images / parts..(part + 1) * images / parts;
                groups.push(Group { outputs, tiles: tiles.to_vec(), images });
            }
        }
    }
    groups
}

/// Groups in parts that have about [`PORTION`] numbers at their points.
fn portions(groups: &[Group], channels: usize) -> Vec<&[Group]> {
    let mut numbers = 0;
    let mut portions = Vec::new();
    let mut rest = groups;
    for (i, group) in groups.iter().enumerate() {
        numbers += group.points() * group.step(channels);
        if numbers >= PORTION || i + 1 == groups.len() {
            let (portion, others) = rest.split_at(i + 1 + rest.len() - groups.len());
            portions.push(portion);
            (rest, numbers) = (others, 0);
        }
    }
    portions
}

/// Outputs of each group's tiles, cell by cell; none where a tile reaches beyond the image.
fn cells<'a>(
    groups: &[Group],
    y: &'a mut [f32],
    images: usize,
    size: [usize; 3],
    filters: usize,
) -> Vec<Vec<Option<&'a mut [f32]>>> {
    let image = Cells { size, before: [0; 3] };
    let mut rest: Vec<_> = y.chunks_mut(images * filters).collect();
    groups
        .iter()
        .map(|group| {
            let [l, k, c] = group.outputs;
            let outputs = (0..group.tiles.len() * l * k * c).map(|i| {
                let first = group.tiles[i / (l * k * c)];
                let cell =
                    image.number([first[0] + i / (k * c) % l, first[1] + i / c % k, first[2] + i % c])?;
                rest[cell].split_off_mut(..group.images.len() * filters)
            });
            outputs.collect()
        })
        .collect()
}

impl Group {
    fn rows(&self) -> usize {
        self.tiles.len() * self.images.len()
    }

    fn points(&self) -> usize {
        self.outputs.iter().map(|n| n + 2).product()
    }

    /// Which of the group's points one is, if it has it: tiles of 3 outputs do without the last but one along their axis.
    fn point(&self, at: [usize; 3]) -> Option<usize> {
        let mut point = 0;
        for (at, outputs) in at.into_iter().zip(self.outputs) {
            let at = match (outputs, at) {
                (3, 4) => return None,
                (3, 5) => 4,
                _ => at,
            };
            point = point * (outputs + 2) + at;
        }
        Some(point)
    }

    /// Numbers from one point to the next.
    fn step(&self, channels: usize) -> usize {
        self.rows() * channels + SPARE
    }

    /// Room for the rows at all points.
    fn scratch(&self, channels: usize) -> Scratch {
        Scratch::of(self.points() * self.step(channels))
    }

    /// Rows of the tiles' cells at the points.
    fn spread(&self, x: &[f32], channels: usize, images: usize, image: &Cells, shape: Shape) -> Scratch {
        let mut points = self.scratch(channels);
        let len = self.images.len() * channels;
        for (i, first) in self.tiles.iter().enumerate() {
            let mut cells = Cube::default();
            for (l, plane) in cells.iter_mut().enumerate() {
                for (k, row) in plane.iter_mut().enumerate() {
                    for (c, cell) in row.iter_mut().enumerate() {
                        let number = image.number([first[0] + l, first[1] + k, first[2] + c]);
                        *cell = number.map(|number| (number * images + self.images.start) * channels);
                    }
                }
            }
            let (outputs, step) = (self.outputs, self.step(channels));
            shape.run(ToPoints { outputs, cells, x, len, points: &mut points[i * len..], step });
        }
        points
    }

    /// Products of some channels and their weights at one place along the first axis, the first channels' in place of what was there.
    fn multiply(
        &self,
        (at, slab): (usize, &[f32]),
        x: &[f32],
        channels: usize,
        some: &Range<usize>,
        shape: Shape,
        y: &mut [f32],
    ) {
        let size = some.len() * shape.width;
        for (i, weights) in slab.chunks_exact(size + SPARE).enumerate() {
            let Some(point) = self.point([at, i / POINTS, i % POINTS]) else { continue };
            shape.run(Product {
                shape,
                left: &x[point * self.step(channels) + some.start..],
                left_row: channels,
                rows: self.rows(),
                right: &weights[..size],
                output: &mut y[point * self.step(shape.width)..],
                adds: some.start > 0,
            });
        }
    }

    /// Outputs of a block from the products.
    fn gather(
        &self,
        y: &[f32],
        block: usize,
        shape: Shape,
        filters: usize,
        cells: &mut [Option<&mut [f32]>],
    ) {
        let width = shape.width;
        for (i, cells) in cells.chunks_mut(self.outputs.iter().product()).enumerate() {
            shape.run(ToOutputs {
                outputs: self.outputs,
                points: &y[i * self.images.len() * width..],
                step: self.step(width),
                width,
                images: self.images.len(),
                cells,
                filters,
                first: block * width,
            });
        }
    }
}
