//! Which rows of a source meet which taps for each row of a result.
//!
//! A row is a cell of one image, with its channels side by side; the rows of a cell's images follow each other, and so do cells along
//! chi. Cells of a line along chi that share their taps make a run of rows that takes a run of rows of the source for each tap:
//! no product with the padding is computed.

use std::ops::Range;

use super::axis::{Axis, Class, Line, classes};

/// From source to result: the tap and the cell behind each product.
pub(super) struct Plan {
    pub(super) images: usize,
    /// Taps of each axis in the order in which lines name them.
    orders: [Vec<usize>; 3],
    classes: [Vec<Class>; 3],
    source: [usize; 3],
    /// Cells of the result.
    result: [usize; 3],
    /// Cells of the source's last axis from one cell of a run to the next.
    stride: usize,
    /// Turns in which the source's last axis comes: each takes every so-many-th cell.
    turns: usize,
}

/// Rows that share their taps.
pub(super) struct Stencil {
    pub(super) taps: Vec<Tap>,
    pub(super) runs: Vec<Run>,
}

/// A tap, and how many rows behind the first of a run's line the first row lies that it meets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tap {
    pub(super) tap: usize,
    pub(super) behind: usize,
}

/// Neighbouring cells of a line, with all their images.
#[derive(Debug, Clone, Copy)]
pub(super) struct Run {
    /// First row of the source's line.
    pub(super) source: usize,
    /// First cell of the result, counted from the first of all lines asked for, and cells from one to the next.
    result: usize,
    step: usize,
    pub(super) cells: usize,
}

impl Run {
    /// Row of the result of one of the run's rows, which count from 0.
    pub(super) const fn row(&self, row: usize, images: usize) -> usize {
        (self.result + row / images * self.step) * images + row % images
    }
}

impl Plan {
    /// y(o) = sum over t of w(t) x(s o + t - p).
    pub(super) fn forward(images: usize, axes: &[Axis; 3]) -> Self {
        let orders = axes.map(|a| (0..a.kernel).collect());
        let lines = axes.each_ref().map(Axis::forward);
        Self::new(images, orders, &lines, axes.map(|a| a.input), axes[2].stride)
    }

    /// dx(i) = sum over o of w(i + p - s o) dy(o).
    pub(super) fn backward(images: usize, axes: &[Axis; 3]) -> Self {
        let orders = axes.each_ref().map(Axis::backward_order);
        let lines = axes.each_ref().map(Axis::backward);
        Self::new(images, orders, &lines, axes.each_ref().map(Axis::output), 1)
    }

    fn new(
        images: usize,
        orders: [Vec<usize>; 3],
        lines: &[Vec<Line>; 3],
        source: [usize; 3],
        stride: usize,
    ) -> Self {
        let (classes, result) = (lines.each_ref().map(|l| classes(l)), lines.each_ref().map(Vec::len));
        Self { images, orders, classes, source, result, stride, turns: 1 }
    }

    /// Plan from a source whose last axis comes in turns, so that a run's cells are neighbours there, see [`Plan::place`].
    pub(super) fn in_turns(self) -> Self {
        Self { turns: self.stride, ..self }
    }

    /// Cells of the source's last axis; in turns that do not divide it, some more than there are.
    pub(super) const fn width(&self) -> usize {
        self.turns * self.source[2].div_ceil(self.turns)
    }

    /// Place of a cell of the source's last axis.
    pub(super) const fn place(&self, cell: usize) -> usize {
        cell % self.turns * self.source[2].div_ceil(self.turns) + cell / self.turns
    }

    /// Rows of the source from one cell of a run to the next.
    pub(super) const fn advance(&self) -> usize {
        self.stride / self.turns * self.images
    }

    /// Planes, lines and cells of the source.
    pub(super) const fn source(&self) -> [usize; 3] {
        self.source
    }

    /// Lines of the result, and rows of each.
    pub(super) const fn lines(&self) -> [usize; 2] {
        [self.result[0] * self.result[1], self.result[2] * self.images]
    }

    /// Stencils of some lines of the result.
    pub(super) fn stencils(&self, lines: &Range<usize>) -> Vec<Stencil> {
        let (height, width) = (self.source[1], self.width());
        let mut stencils = Vec::new();
        for class_d in &self.classes[0] {
            for class_h in &self.classes[1] {
                let mut within = Vec::new();
                for (i, from_i) in &class_d.cells {
                    for (j, from_j) in &class_h.cells {
                        let line = i * self.result[1] + j;
                        if lines.contains(&line) {
                            let source = (from_i * height + from_j) * width * self.images;
                            within.push((source, (line - lines.start) * self.result[2]));
                        }
                    }
                }
                for class_w in self.classes[2].iter().filter(|_| !within.is_empty()) {
                    let Some(&(first, from)) = class_w.cells.first() else { continue };
                    let step = class_w.cells.get(1).map_or(1, |(second, _)| second - first);
                    let run = |&(source, begin): &(usize, usize)| Run {
                        source,
                        result: begin + first,
                        step,
                        cells: class_w.cells.len(),
                    };
                    let mut taps = Vec::new();
                    for i in 0..class_d.count {
                        for j in 0..class_h.count {
                            for k in 0..class_w.count {
                                let cells = (i * height + j) * width + self.place(from + k);
                                let slots = [class_d.slot + i, class_h.slot + j, class_w.slot + k];
                                taps.push(Tap { tap: self.tap(slots), behind: cells * self.images });
                            }
                        }
                    }
                    stencils.push(Stencil { taps, runs: within.iter().map(run).collect() });
                }
            }
        }
        stencils
    }

    /// Number of a tap by its place in the order of each axis.
    fn tap(&self, slots: [usize; 3]) -> usize {
        let axes = self.orders.iter().zip(slots);
        axes.fold(0, |tap, (order, slot)| tap * order.len() + order[slot])
    }
}
