//! Batch norm, what passes it by, and `ReLU`.
//!
//! Rows of few channels are worked on several at a time, as lines in which the numbers of the channels repeat. A line is wide
//! enough for the processor's vectors, and blocks of lines stay in the cache.

use pulp::Arch;

use crate::parallel;

/// Least numbers of a line.
const LINE: usize = 128;
/// Numbers of a block. Sums over its lines are exact enough in single precision.
const BLOCK: usize = 16 << 10;
/// Blocks whose sums one thread adds up.
const BLOCKS: usize = 16;

/// Lines of several rows of channels.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lines {
    channels: usize,
    /// Numbers of a line, whole rows.
    len: usize,
}

impl Lines {
    pub(super) fn of(channels: usize) -> Self {
        let channels = channels.max(1);
        Self { channels, len: channels * LINE.div_ceil(channels) }
    }

    /// Numbers of a block, whole lines.
    pub(super) fn block(self) -> usize {
        self.len * (BLOCK / self.len).max(1)
    }

    /// Numbers whose sums one thread adds up, whole blocks.
    pub(super) fn part(self) -> usize {
        self.block() * BLOCKS
    }

    /// Numbers of the channels along a line.
    fn repeat(self, numbers: &[f64]) -> Vec<f32> {
        let numbers: Vec<f32> = numbers.iter().map(|&x| x as f32).collect();
        numbers.repeat(self.len / self.channels)
    }

    /// Adds sums along a line to those of the channels.
    fn fold(self, line: &[f32], sums: &mut [f64]) {
        for row in line.chunks_exact(self.channels) {
            for (sum, x) in sums.iter_mut().zip(row) {
                *sum += f64::from(*x);
            }
        }
    }
}

/// Mean and mean squared deviation of each channel.
pub(super) fn statistics(x: &[f32], channels: usize) -> (Vec<f64>, Vec<f64>) {
    let lines = Lines::of(channels);
    let parts: Vec<_> = x.chunks(lines.part()).collect();
    let parts = parallel::each(parts.len(), |i| {
        let blocks = parts[i].chunks(lines.block()).map(|block| Moments::of(block, lines));
        blocks.fold(Moments::none(channels), |sum, block| sum.and(&block))
    });
    let all = parts.iter().fold(Moments::none(channels), Moments::and);
    let variance = all.squares.iter().map(|squares| squares / all.rows).collect();
    (all.mean, variance)
}

/// Mean and sum of squared deviations of each channel over some rows.
struct Moments {
    rows: f64,
    mean: Vec<f64>,
    squares: Vec<f64>,
}

impl Moments {
    fn none(channels: usize) -> Self {
        Self { rows: 0.0, mean: vec![0.0; channels], squares: vec![0.0; channels] }
    }

    /// Those of a block: its sums first, then, while it is in the cache, those of the squares.
    fn of(block: &[f32], lines: Lines) -> Self {
        let mut moments = Self::none(lines.channels);
        moments.rows = (block.len() / lines.channels) as f64;
        let mut sums = vec![0.0; lines.len];
        Arch::new().dispatch(|| {
            for line in block.chunks(lines.len) {
                for (sum, x) in sums.iter_mut().zip(line) {
                    *sum += x;
                }
            }
        });
        lines.fold(&sums, &mut moments.mean);
        for mean in &mut moments.mean {
            *mean /= moments.rows;
        }
        let mean = lines.repeat(&moments.mean);
        sums.fill(0.0);
        Arch::new().dispatch(|| {
            for line in block.chunks(lines.len) {
                for ((sum, x), mean) in sums.iter_mut().zip(line).zip(&mean) {
                    *sum += (x - mean) * (x - mean);
                }
            }
        });
        lines.fold(&sums, &mut moments.squares);
        moments
    }

    /// Those of both sets of rows: Chan, Golub and `LeVeque`, Am. Stat. 37 (1983) 242.
    fn and(mut self, other: &Self) -> Self {
        let rows = self.rows + other.rows;
        let (share, weight) = (other.rows / rows, self.rows * other.rows / rows);
        let ours = self.mean.iter_mut().zip(&mut self.squares);
        for ((mean, squares), (other_mean, other_squares)) in ours.zip(other.mean.iter().zip(&other.squares))
        {
            let difference = other_mean - *mean;
            *mean += share * difference;
            *squares += other_squares + weight * difference * difference;
        }
        self.rows = rows;
        self
    }
}

/// Map of the numbers of each channel: factor (x - mean) + shift + passed, cut off below `floor`.
pub(super) struct Forward {
    lines: Lines,
    mean: Vec<f32>,
    factor: Vec<f32>,
    shift: Vec<f32>,
    floor: f32,
}

impl Forward {
    pub(super) fn new(mean: &[f64], factor: &[f64], shift: &[f64], relu: bool) -> Self {
        let lines = Lines::of(mean.len());
        let [mean, factor, shift] = [mean, factor, shift].map(|numbers| lines.repeat(numbers));
        Self { lines, mean, factor, shift, floor: if relu { 0.0 } else { f32::NEG_INFINITY } }
    }

    /// No number is not cut off: a loss that is none shows.
    #[inline]
    fn value(&self, x: f32, (mean, factor): (&f32, &f32), shift: f32) -> f32 {
        let y = (x - mean) * factor + shift;
        if y < self.floor { self.floor } else { y }
    }

    /// Of rows that nothing passes by, in place.
    pub(super) fn alone(&self, x: &mut [f32]) {
        Arch::new().dispatch(|| {
            for line in x.chunks_mut(self.lines.len) {
                let columns = self.mean.iter().zip(&self.factor).zip(&self.shift);
                for (x, (scale, shift)) in line.iter_mut().zip(columns) {
                    *x = self.value(*x, scale, *shift);
                }
            }
        });
    }

    /// Of rows, in place.
    pub(super) fn with(&self, x: &mut [f32], passed: &[f32]) {
        Arch::new().dispatch(|| {
            for (line, passed) in x.chunks_mut(self.lines.len).zip(passed.chunks(self.lines.len)) {
                let columns = self.mean.iter().zip(&self.factor).zip(&self.shift);
                for ((x, passed), (scale, shift)) in line.iter_mut().zip(passed).zip(columns) {
                    *x = self.value(*x, scale, shift + passed);
                }
            }
        });
    }

    /// Of rows, in the place of what passes them by.
    pub(super) fn onto(&self, passed: &mut [f32], x: &[f32]) {
        Arch::new().dispatch(|| {
            for (line, x) in passed.chunks_mut(self.lines.len).zip(x.chunks(self.lines.len)) {
                let columns = self.mean.iter().zip(&self.factor).zip(&self.shift);
                for ((passed, x), (scale, shift)) in line.iter_mut().zip(x).zip(columns) {
                    *passed = self.value(*x, scale, shift + *passed);
                }
            }
        });
    }
}

/// Sums over rows, for each channel.
#[derive(Debug)]
pub(super) struct Sums {
    /// Of the gradient.
    pub(super) gradient: Vec<f64>,
    /// Of its product with x - mean.
    pub(super) product: Vec<f64>,
}

impl Sums {
    pub(super) fn none(channels: usize) -> Self {
        Self { gradient: vec![0.0; channels], product: vec![0.0; channels] }
    }

    pub(super) fn and(mut self, other: &Self) -> Self {
        let ours = self.gradient.iter_mut().chain(&mut self.product);
        for (sum, other) in ours.zip(other.gradient.iter().chain(&other.product)) {
            *sum += other;
        }
        self
    }
}

/// Sums of the way back over rows.
pub(super) struct Summed {
    lines: Lines,
    mean: Vec<f32>,
}

impl Summed {
    pub(super) fn new(mean: &[f64]) -> Self {
        let lines = Lines::of(mean.len());
        Self { lines, mean: lines.repeat(mean) }
    }

    /// Sums over some rows.
    pub(super) fn of(&self, gradient: &[f32], x: &[f32]) -> Sums {
        let size = self.lines.block();
        let mut sums = Sums::none(self.lines.channels);
        for (gradient, x) in gradient.chunks(size).zip(x.chunks(size)) {
            let [mut of_gradient, mut of_product] = [(); 2].map(|()| vec![0.0; self.lines.len]);
            Arch::new().dispatch(|| {
                for (gradient, x) in gradient.chunks(self.lines.len).zip(x.chunks(self.lines.len)) {
                    let rows = gradient.iter().zip(x).zip(&self.mean);
                    let sums = of_gradient.iter_mut().zip(&mut of_product);
                    for (((gradient, x), mean), (sum, product)) in rows.zip(sums) {
                        *sum += gradient;
                        *product += gradient * (x - mean);
                    }
                }
            });
            self.lines.fold(&of_gradient, &mut sums.gradient);
            self.lines.fold(&of_product, &mut sums.product);
        }
        sums
    }

    /// Sums over some rows of a gradient, which becomes 0 where y is.
    pub(super) fn cut(&self, gradient: &mut [f32], x: &[f32], y: &[f32]) -> Sums {
        let size = self.lines.block();
        let mut sums = Sums::none(self.lines.channels);
        for ((gradient, x), y) in gradient.chunks_mut(size).zip(x.chunks(size)).zip(y.chunks(size)) {
            Arch::new().dispatch(|| {
                for (gradient, y) in gradient.iter_mut().zip(y) {
                    *gradient = if *y > 0.0 { *gradient } else { 0.0 };
                }
            });
            sums = sums.and(&self.of(gradient, x));
        }
        sums
    }
}

/// The gradient of x: factor g - shift - slope (x - mean).
pub(super) struct Back {
    lines: Lines,
    mean: Vec<f32>,
    factor: Vec<f32>,
    shift: Vec<f32>,
    slope: Vec<f32>,
}

impl Back {
    pub(super) fn new(mean: &[f64], factor: &[f64], shift: &[f64], slope: &[f64]) -> Self {
        let lines = Lines::of(mean.len());
        let [mean, factor, shift, slope] = [mean, factor, shift, slope].map(|numbers| lines.repeat(numbers));
        Self { lines, mean, factor, shift, slope }
    }

    /// For some rows, in the place of x.
    pub(super) fn onto(&self, x: &mut [f32], gradient: &[f32]) {
        Arch::new().dispatch(|| {
            for (line, gradient) in x.chunks_mut(self.lines.len).zip(gradient.chunks(self.lines.len)) {
                let columns = self.mean.iter().zip(&self.factor).zip(&self.shift).zip(&self.slope);
                for ((x, gradient), (((mean, factor), shift), slope)) in
                    line.iter_mut().zip(gradient).zip(columns)
                {
                    *x = factor * gradient - shift - slope * (*x - mean);
                }
            }
        });
    }
}
