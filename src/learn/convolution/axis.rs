//! Which cells of a source meet which taps of a kernel, along one axis.

/// One axis of a convolution; sizes in cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Axis {
    pub(super) input: usize,
    pub(super) kernel: usize,
    pub(super) stride: usize,
    pub(super) padding: usize,
}

/// Recipe of one cell of a result: `count` cells from `source` on, by as many packed taps from `slot` on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) slot: usize,
    pub(super) source: usize,
    pub(super) count: usize,
}

impl Axis {
    /// Cells of the output; the kernel must fit into the padded input.
    pub(super) const fn output(&self) -> usize {
        (self.input + 2 * self.padding - self.kernel) / self.stride + 1
    }

    /// The line of each cell of the output: y(o) = sum over t of w(t) x(s o + t - p).
    pub(super) fn forward(&self) -> Vec<Line> {
        let line = |output: usize| {
            let begin = output * self.stride; // all counted from the padding's edge
            let source = begin.max(self.padding);
            let end = (begin + self.kernel).min(self.input + self.padding);
            Line { slot: source - begin, source: source - self.padding, count: end.saturating_sub(source) }
        };
        (0..self.output()).map(line).collect()
    }

    /// The line of each cell of the input: dx(i) = sum over o of w(i + p - s o) dy(o).
    ///
    /// From one o to the next the tap falls by the stride; [`Axis::backward_order`] packs such taps side by side.
    pub(super) fn backward(&self) -> Vec<Line> {
        let mut slots = vec![0; self.kernel];
        for (slot, tap) in self.backward_order().into_iter().enumerate() {
            slots[tap] = slot;
        }
        let line = |input: usize| {
            let place = input + self.padding;
            let source = (place + 1).saturating_sub(self.kernel).div_ceil(self.stride);
            let end = (place / self.stride + 1).min(self.output());
            let count = end.saturating_sub(source);
            let slot = if count > 0 { slots[place - self.stride * source] } else { 0 };
            Line { slot, source, count }
        };
        (0..self.input).map(line).collect()
    }

    /// Taps as [`Axis::backward`] wants them.
    pub(super) fn backward_order(&self) -> Vec<usize> {
        (0..self.stride)
            .flat_map(|rest| (0..self.kernel).rev().filter(move |t| t % self.stride == rest))
            .collect()
    }

    /// Cells of the output that a tap links to a cell of the input.
    pub(super) fn outputs_of(&self, tap: usize) -> std::ops::Range<usize> {
        let begin = self.padding.saturating_sub(tap).div_ceil(self.stride);
        let cells = (self.input + self.padding).saturating_sub(tap);
        begin..cells.div_ceil(self.stride).min(self.output())
    }
}

/// Cells that share their taps, and may be computed side by side.
pub(super) struct Class {
    pub(super) slot: usize,
    pub(super) count: usize,
    /// (cell, first cell of the source)
    pub(super) cells: Vec<(usize, usize)>,
}

/// Sorts cells by their taps, in the order in which these come first; cells without any are left out.
pub(super) fn classes(lines: &[Line]) -> Vec<Class> {
    let mut classes: Vec<Class> = Vec::new();
    for (cell, line) in lines.iter().enumerate().filter(|(_, line)| line.count > 0) {
        let same = |c: &&mut Class| (c.slot, c.count) == (line.slot, line.count);
        match classes.iter_mut().find(same) {
            Some(class) => class.cells.push((cell, line.source)),
            None => {
                classes.push(Class { slot: line.slot, count: line.count, cells: vec![(cell, line.source)] });
            }
        }
    }
    classes
}

#[cfg(test)]
mod tests {
    use super::*;

    /// (output, tap, input) of each product, from the definition.
    fn products(axis: &Axis) -> Vec<(usize, usize, usize)> {
        let mut all = Vec::new();
        for output in 0..axis.output() {
            for tap in 0..axis.kernel {
                let place = output * axis.stride + tap;
                if (axis.padding..axis.padding + axis.input).contains(&place) {
                    all.push((output, tap, place - axis.padding));
                }
            }
        }
        all
    }

    #[test]
    fn lines_hold_each_product_once() {
        for (input, kernel, stride, padding) in (1..8).flat_map(|i| {
            (1..8).flat_map(move |k| (1..4).flat_map(move |s| (0..4).map(move |p| (i, k, s, p))))
        }) {
            if input + 2 * padding < kernel {
                continue;
            }
            let axis = Axis { input, kernel, stride, padding };
            let expected = products(&axis);
            let mut forward = Vec::new();
            for (output, line) in axis.forward().into_iter().enumerate() {
                forward.extend((0..line.count).map(|i| (output, line.slot + i, line.source + i)));
            }
            assert_eq!(forward, expected, "{axis:?}");
            let order = axis.backward_order();
            let mut backward = Vec::new();
            for (cell, line) in axis.backward().into_iter().enumerate() {
                backward.extend((0..line.count).map(|i| (line.source + i, order[line.slot + i], cell)));
            }
            backward.sort_unstable();
            assert_eq!(backward, expected, "{axis:?}");
            for tap in 0..kernel {
                let of_tap: Vec<usize> = expected.iter().filter(|p| p.1 == tap).map(|p| p.0).collect();
                assert_eq!(axis.outputs_of(tap).collect::<Vec<_>>(), of_tap, "{axis:?}, tap {tap}");
            }
        }
    }
}
