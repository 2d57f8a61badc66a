//! Taps taken for channels where there are few channels: what the taps along the last axes see of each output lies side by side.

use super::Window;
use super::axis::Axis;
use super::kernel::zeros;
use crate::parallel;

/// Most channels that two axes' taps may make, and one's.
const MOST: [usize; 2] = [64, 32];

/// A convolution and how many of its last axes have their taps taken for channels.
pub(super) struct Lowered<'a> {
    window: &'a Window,
    axes: usize,
}

impl<'a> Lowered<'a> {
    /// For few channels and more than one tap.
    pub(super) fn of(window: &'a Window) -> Option<Self> {
        let [_, k, c] = window.axes.map(|a| a.kernel);
        let axes = if k * c > 1 && window.channels * k * c <= MOST[0] {
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
        let mut rows = zeros(height * c.output() * images * all);
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
