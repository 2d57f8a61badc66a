//! Taps taken for channels where there are few channels: what the taps along the last axes see of each output lies side by side.

use super::Window;
use super::axis::Axis;
use crate::parallel;

/// Most channels that two axes' taps may make, of one channel, and one axis's.
const MOST: [usize; 2] = [64, 32];

/// Places of numbers where lines overlap: what an output sees begins a step behind what the one before it along k sees.
pub(super) struct Overlap {
    /// Numbers of a line, what the outputs along k of one column see.
    pub(super) line: usize,
    /// Numbers from what an output sees to what the next along k sees.
    pub(super) step: usize,
    /// Numbers of a plane of x.
    pub(super) plane: usize,
    /// Outputs along k.
    pub(super) height: usize,
    /// Outputs along c, of all images.
    pub(super) columns: usize,
}

impl Overlap {
    /// First number that an output sees, and the output's place in its plane.
    pub(super) const fn places(&self, y: usize, column: usize) -> [usize; 2] {
        [column * self.line + y * self.step, y * self.columns + column]
    }

    /// Outputs of a plane.
    pub(super) const fn outputs(&self) -> usize {
        self.height * self.columns
    }
}

/// A convolution and how many of its last axes have their taps taken for channels.
pub(super) struct Lowered<'a> {
    window: &'a Window,
    axes: usize,
}

impl<'a> Lowered<'a> {
    /// For few channels and more than one tap.
    pub(super) fn of(window: &'a Window) -> Option<Self> {
        let [_, k, c] = window.axes.map(|a| a.kernel);
        let axes = if k > 1 && window.channels == 1 && k * c <= MOST[0] {
            2
        } else if c > 1 && window.channels * c <= MOST[1] {
            1
        } else {
            return None;
        };
        Some(Self { window, axes })
    }

    /// The convolution over the channels that [`Lowered::plane`] makes.
    pub(super) fn window(&self) -> Window {
        let mut window = self.window.clone();
        for axis in &mut window.axes[3 - self.axes..] {
            window.channels *= axis.kernel;
            *axis = Axis { input: axis.output(), kernel: 1, stride: 1, padding: 0 };
        }
        window
    }

    /// Taps that are taken for channels.
    fn taken(&self) -> usize {
        self.window.axes[3 - self.axes..].iter().map(|a| a.kernel).product()
    }

    /// [filters, channels, taps] -> [filters, (channel, taken), others].
    pub(super) fn weights(&self, weight: &[f32]) -> Vec<f32> {
        let (taken, others) = (self.taken(), self.window.taps() / self.taken());
        let mut result = vec![0.0; weight.len()];
        for (result, weight) in result.chunks_mut(taken * others).zip(weight.chunks(taken * others)) {
            for (i, number) in weight.iter().enumerate() {
                result[i % taken * others + i / taken] = *number;
            }
        }
        result
    }

    /// The way back of [`Lowered::weights`].
    pub(super) fn raised(&self, gradient: &[f32]) -> Vec<f32> {
        let (taken, others) = (self.taken(), self.window.taps() / self.taken());
        let mut result = vec![0.0; gradient.len()];
        for (result, gradient) in result.chunks_mut(taken * others).zip(gradient.chunks(taken * others)) {
            for (i, number) in result.iter_mut().enumerate() {
                *number = gradient[i % taken * others + i / taken];
            }
        }
        result
    }

    /// Whether two axes are lowered, for which [`Lowered::lines`] and [`Lowered::turned`] hold most numbers once.
    pub(super) const fn overlaps(&self) -> bool {
        self.axes == 2
    }

    /// Places of numbers in [`Lowered::lines`] of all planes, and of what follows from them.
    pub(super) fn overlap(&self) -> Overlap {
        let [_, k, c] = &self.window.axes;
        let (line, columns) = (self.padded() * self.seen(), c.output() * self.window.images);
        Overlap { line, step: k.stride * self.seen(), plane: columns * line, height: k.output(), columns }
    }

    /// Cells of a line of [`Lowered::lines`], with their padding.
    pub(super) const fn padded(&self) -> usize {
        self.window.axes[1].input + 2 * self.window.axes[1].padding
    }

    /// Numbers of a cell there: what the taps along the last axis see.
    pub(super) const fn seen(&self) -> usize {
        self.window.axes[2].kernel
    }

    /// Calls `each` for the cells of one plane of x that the taps along the last axis meet: cell of k, cell of c', tap, images.
    fn met(&self, x: &[f32], mut each: impl FnMut(usize, usize, usize, &[f32])) {
        let images = self.window.images;
        let [_, _, c] = self.window.axes;
        let lines = c.forward();
        for (cell, x) in x.chunks_exact(c.input * images).enumerate() {
            for (output, line) in lines.iter().enumerate() {
                for (i, x) in x.chunks_exact(images).skip(line.source).take(line.count).enumerate() {
                    each(cell, output, line.slot + i, x);
                }
            }
        }
    }

    /// One plane of x of one channel, [k, c, images], as [c', images, padded k, tap of c]: what an output sees along k and c lies side
    /// by side there, and overlaps with what its neighbour along k sees.
    pub(super) fn lines(&self, x: &[f32]) -> Vec<f32> {
        let (seen, padding, images) = (self.seen(), self.window.axes[1].padding, self.window.images);
        let Overlap { line, plane, .. } = self.overlap();
        let mut lines = vec![0.0; plane];
        self.met(x, |cell, output, tap, x| {
            let begin = output * images * line + (cell + padding) * seen + tap;
            for (number, x) in lines[begin..].iter_mut().step_by(line).zip(x) {
                *number = *x;
            }
        });
        lines
    }

    /// Numbers of [`Lowered::lines`] as [padded k, tap of c, `line`], a line holding [c', `images`].
    pub(super) fn turned(&self, x: &[f32], images: usize, line: usize) -> Vec<f32> {
        let (seen, padding) = (self.seen(), self.window.axes[1].padding);
        let mut turned = vec![0.0; self.padded() * seen * line];
        self.met(x, |cell, output, tap, x| {
            let begin = ((cell + padding) * seen + tap) * line + output * images;
            turned[begin..][..x.len()].copy_from_slice(x);
        });
        turned
    }

    /// The planes of x after each other, see [`Lowered::plane`].
    pub(super) fn rows(&self, x: &[f32]) -> Vec<f32> {
        let planes = self.window.axes[0].input;
        let plane = x.len() / planes;
        parallel::each(planes, |i| self.plane(&x[i * plane..][..plane])).concat()
    }

    /// Rows of one plane of x, [k, c, images, channels], with taps among the channels: [k', c', images, (channel, taken)].
    pub(super) fn plane(&self, x: &[f32]) -> Vec<f32> {
        let (images, channels) = (self.window.images, self.window.channels);
        let [_, k, c] = self.window.axes;
        let lines = c.forward();
        let (height, of_k) = if self.axes == 2 { (k.output(), k.kernel) } else { (k.input, 1) };
        let all = channels * self.taken();
        let mut rows = vec![0.0; height * c.output() * images * all];
        for (y, rows) in rows.chunks_exact_mut(c.output() * images * all).enumerate() {
            for tap in 0..of_k {
                let place = if self.axes == 2 { y * k.stride + tap } else { y + k.padding };
                let Some(from) = place.checked_sub(k.padding).filter(|&from| from < k.input) else {
                    continue;
                };
                let x = &x[from * c.input * images * channels..][..c.input * images * channels];
                let cells = lines.iter().zip(rows.chunks_exact_mut(images * all));
                for (line, rows) in cells.filter(|(line, _)| line.count > 0) {
                    let x = &x[line.source * images * channels..][..line.count * images * channels];
                    for (i, x) in x.chunks_exact(images * channels).enumerate() {
                        for channel in 0..channels {
                            let begin = (channel * of_k + tap) * c.kernel + line.slot + i;
                            let column = rows[begin..].iter_mut().step_by(all);
                            for (number, x) in column.zip(x[channel..].iter().step_by(channels)) {
                                *number = *x;
                            }
                        }
                    }
                }
            }
        }
        rows
    }
}
