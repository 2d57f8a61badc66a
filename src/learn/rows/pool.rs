//! The maximum over neighbouring cells.
//!
//! The numbers of a cell, of all images and channels, lie side by side: a maximum is one of whole cells.

use pulp::Arch;

use crate::flex::made;
use crate::parallel;

/// Numbers of a cell that stay in the first-level cache while all others meet them.
const PIECE: usize = 1 << 10;
/// Numbers that one thread computes.
const PART: usize = 64 << 10;

/// For each cell of an axis the taps that meet it, and the cells at their other end.
type Meetings = Vec<Vec<(usize, usize)>>;

/// Cells along an axis and the windows over them.
#[derive(Debug, Clone)]
struct Axis {
    /// By output.
    forward: Meetings,
    /// By input.
    backward: Meetings,
}

impl Axis {
    fn new(cells: usize, kernel: usize, stride: usize, circular: bool) -> Self {
        let padding = kernel / 2;
        let outputs = (cells + 2 * padding).saturating_sub(kernel) / stride + 1;
        let mut axis = Self { forward: vec![Vec::new(); outputs], backward: vec![Vec::new(); cells] };
        for output in 0..outputs {
            for tap in 0..kernel {
                let padded = output * stride + tap;
                // `padding` turns more keep a position from being negative.
                let turned = (padded + padding * cells - padding) % cells;
                let inside = (padding..padding + cells).contains(&padded);
                if inside || circular {
                    axis.forward[output].push((tap, turned));
                    axis.backward[turned].push((tap, output));
                }
            }
        }
        axis
    }
}

/// Sizes of a maximum over windows, and what each of them sees.
#[derive(Debug, Clone)]
pub(crate) struct Pool {
    kernel: usize,
    /// `cos_theta_l`, `cos_theta_k`, chi.
    axes: [Axis; 3],
    images: usize,
    channels: usize,
}

impl Pool {
    pub(super) fn new(
        [l, k, c, images, channels]: [usize; 5],
        kernel: usize,
        stride: usize,
        circular: bool,
    ) -> Self {
        let axis = |cells, circular| Axis::new(cells, kernel, stride, circular);
        Self { kernel, axes: [axis(l, false), axis(k, false), axis(c, circular)], images, channels }
    }

    pub(super) fn input(&self) -> [usize; 5] {
        let [l, k, c] = self.axes.each_ref().map(|axis| axis.backward.len());
        [l, k, c, self.images, self.channels]
    }

    pub(super) fn output(&self) -> [usize; 5] {
        let [l, k, c] = self.axes.each_ref().map(|axis| axis.forward.len());
        [l, k, c, self.images, self.channels]
    }

    /// Numbers of a cell.
    fn cell(&self) -> usize {
        (self.images * self.channels).max(1)
    }

    /// Numbers that one thread computes, whole cells.
    fn part(&self) -> usize {
        self.cell() * (PART / self.cell()).max(1)
    }

    /// Taps that an output meets, and the first numbers of their cells.
    fn window(&self, output: usize) -> Vec<(u16, usize)> {
        self.meetings(output, self.output(), self.input(), |axis| &axis.forward)
    }

    /// Taps that meet an input, and the first numbers of their outputs.
    fn windows_over(&self, input: usize) -> Vec<(u16, usize)> {
        self.meetings(input, self.input(), self.output(), |axis| &axis.backward)
    }

    fn meetings(
        &self,
        cell: usize,
        [_, k, c, ..]: [usize; 5],
        [_, other_k, other_c, ..]: [usize; 5],
        side: impl Fn(&Axis) -> &Meetings,
    ) -> Vec<(u16, usize)> {
        let [of_l, of_k, of_c] = self.axes.each_ref().map(side);
        let mut meetings = Vec::new();
        for (tap_l, l) in &of_l[cell / (k * c)] {
            for (tap_k, k) in &of_k[cell / c % k] {
                for (tap_c, c) in &of_c[cell % c] {
                    let tap = (tap_l * self.kernel + tap_k) * self.kernel + tap_c;
                    meetings.push((tap as u16, ((l * other_k + k) * other_c + c) * self.cell()));
                }
            }
        }
        meetings
    }

    pub(super) fn forward(&self, x: &[f32]) -> Vec<f32> {
        let part = self.part();
        made(self.output().iter().product(), part, |i, y| {
            for (j, y) in y.chunks_mut(self.cell()).enumerate() {
                maximum(y, x, &self.window(i * part / self.cell() + j));
            }
        })
    }

    /// The maxima, and the tap of each.
    pub(super) fn forward_with_taps(&self, x: &[f32]) -> (Vec<f32>, Vec<u16>) {
        let (n, part) = (self.output().iter().product(), self.part());
        let (mut y, mut taps) = (vec![0.0; n], vec![0; n]);
        let parts: Vec<_> = y.chunks_mut(part).zip(taps.chunks_mut(part)).collect();
        parallel::each_of(parts, |i, (y, taps)| {
            let cells = y.chunks_mut(self.cell()).zip(taps.chunks_mut(self.cell()));
            for (j, (y, taps)) in cells.enumerate() {
                maximum_with_taps(y, taps, x, &self.window(i * part / self.cell() + j));
            }
        });
        (y, taps)
    }

    /// The gradient of the input.
    pub(super) fn backward(&self, gradient: &[f32], taps: &[u16]) -> Vec<f32> {
        let part = self.part();
        made(self.input().iter().product(), part, |i, dx| {
            for (j, dx) in dx.chunks_mut(self.cell()).enumerate() {
                add_won(dx, gradient, taps, &self.windows_over(i * part / self.cell() + j));
            }
        })
    }
}

fn maximum(y: &mut [f32], x: &[f32], window: &[(u16, usize)]) {
    Arch::new().dispatch(|| {
        for (i, y) in y.chunks_mut(PIECE).enumerate() {
            y.fill(f32::NEG_INFINITY);
            for (_, cell) in window {
                for (y, x) in y.iter_mut().zip(&x[cell + i * PIECE..]) {
                    *y = if *y >= *x { *y } else { *x };
                }
            }
        }
    });
}

fn maximum_with_taps(y: &mut [f32], taps: &mut [u16], x: &[f32], window: &[(u16, usize)]) {
    let Some((first, others)) = window.split_first() else { return };
    // As wide as the numbers, the taps go through the same vectors.
    let mut won = [0_u32; PIECE];
    Arch::new().dispatch(|| {
        for (i, (y, taps)) in y.chunks_mut(PIECE).zip(taps.chunks_mut(PIECE)).enumerate() {
            y.copy_from_slice(&x[first.1 + i * PIECE..][..y.len()]);
            won.fill(u32::from(first.0));
            for (tap, cell) in others {
                let tap = u32::from(*tap);
                for ((y, won), x) in y.iter_mut().zip(&mut won).zip(&x[cell + i * PIECE..]) {
                    let (largest, of) = if *y >= *x { (*y, *won) } else { (*x, tap) };
                    (*y, *won) = (largest, of);
                }
            }
            for (tap, won) in taps.iter_mut().zip(&won) {
                *tap = *won as u16;
            }
        }
    });
}

/// Adds to an input's gradient those of the outputs that it is.
fn add_won(dx: &mut [f32], gradient: &[f32], taps: &[u16], windows: &[(u16, usize)]) {
    Arch::new().dispatch(|| {
        for (i, dx) in dx.chunks_mut(PIECE).enumerate() {
            for (tap, cell) in windows {
                let begin = cell + i * PIECE;
                for ((dx, gradient), won) in dx.iter_mut().zip(&gradient[begin..]).zip(&taps[begin..]) {
                    *dx += if won == tap { *gradient } else { 0.0 };
                }
            }
        }
    });
}
