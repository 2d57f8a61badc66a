//! Against burn's own layers over [batch, channels, l, k, c], and against differences.

use burn::tensor::activation::relu;
use burn::tensor::module::batch_norm_train;
use burn::tensor::{Device, TensorData};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::*;
use crate::convolution::Layout;
use crate::layers::MaxPool;

/// l, k, c, batch, channels: single rows, odd lines, several blocks, several parts.
const SHAPES: [[usize; 5]; 7] = [
    [1, 1, 1, 2, 1],
    [3, 2, 5, 3, 1],
    [2, 3, 4, 3, 7],
    [5, 4, 3, 2, 33],
    [1, 2, 3, 2, 130],
    [2, 2, 2, 5, 512],
    [13, 13, 13, 8, 16],
];

fn numbers<const D: usize>(shape: [usize; D], seed: u64) -> Tensor<D> {
    let mut random = Pcg64::seed_from_u64(seed);
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| random.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(data, shape), &Device::flex().autodiff())
}

fn values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Rows as burn's layers expect them.
fn images(rows: Tensor<5>) -> Tensor<5> {
    rows.permute([3, 4, 0, 1, 2])
}

/// And back.
fn rows(images: Tensor<5>) -> Tensor<5> {
    images.permute([2, 3, 4, 0, 1])
}

struct Layer {
    shape: [usize; 5],
    passed: bool,
    relu: bool,
}

type Outputs = (Tensor<5>, Option<[Tensor<1>; 2]>);

impl Layer {
    /// All kinds.
    fn all() -> impl Iterator<Item = Self> {
        SHAPES.into_iter().flat_map(|shape| {
            let kinds = [(false, false), (false, true), (true, false), (true, true)];
            kinds.map(|(passed, relu)| Self { shape, passed, relu })
        })
    }

    /// Outputs and the gradients of half x, the two tensors of channels, and what passes by. The layer's x and what passes by
    /// are nobody else's.
    fn results(
        &self,
        f: impl FnOnce(Tensor<5>, [Tensor<1>; 2], Option<Tensor<5>>, bool) -> Outputs,
    ) -> Vec<Vec<f32>> {
        let channels = self.shape[4];
        let x = numbers(self.shape, 1).require_grad();
        let of_channels = [2, 3].map(|seed| numbers([channels], seed).require_grad());
        let passed = self.passed.then(|| numbers(self.shape, 4).require_grad());
        let (y, statistics) = f(
            x.clone() * 2.0 + 3.0,
            of_channels.clone(),
            passed.clone().map(|passed| passed + 0.5),
            self.relu,
        );
        let mut gradients = (y.clone() * numbers(self.shape, 5)).sum().backward();
        let mut results = vec![values(y.inner())];
        results.extend(statistics.into_iter().flatten().map(values));
        results.push(values(x.grad_remove(&mut gradients).unwrap()));
        results.extend(of_channels.map(|t| values(t.grad_remove(&mut gradients).unwrap())));
        results.extend(passed.map(|t| values(t.grad_remove(&mut gradients).unwrap())));
        results
    }

    fn normalised(&self) -> Vec<Vec<f32>> {
        self.results(|x, [gamma, beta], passed, relu| {
            let (y, mean, variance) = normalise(x, gamma, beta, passed, relu);
            (y, Some([mean, variance]))
        })
    }

    fn scaled(&self) -> Vec<Vec<f32>> {
        self.results(|x, [factor, shift], passed, relu| (scale(x, factor, shift, passed, relu), None))
    }

    fn agree(&self, ours: &[Vec<f32>], burns: &[Vec<f32>]) {
        let what = format!("{:?}, passed {}, relu {}", self.shape, self.passed, self.relu);
        assert_eq!(ours.len(), burns.len(), "{what}");
        for (i, (ours, burns)) in ours.iter().zip(burns).enumerate() {
            assert_eq!(ours.len(), burns.len(), "{what}: result {i}");
            let size = burns.iter().fold(1.0_f32, |size, x| size.max(x.abs()));
            for (j, (ours, burns)) in ours.iter().zip(burns).enumerate() {
                assert!((ours - burns).abs() < 2e-5 * size, "{what}: {i}[{j}]: {ours} is not {burns}");
            }
        }
    }
}

fn after(y: Tensor<5>, passed: Option<Tensor<5>>, cut: bool) -> Tensor<5> {
    let y = match passed {
        Some(passed) => y + passed,
        None => y,
    };
    if cut { relu(y) } else { y }
}

#[test]
fn burn_agrees_on_batch_norms() {
    for layer in Layer::all() {
        let burns = layer.results(|x, [gamma, beta], passed, relu| {
            let result = batch_norm_train(images(x), gamma, beta, EPSILON);
            (after(rows(result.output), passed, relu), Some([result.mean, result.variance]))
        });
        layer.agree(&layer.normalised(), &burns);
    }
}

#[test]
fn burn_agrees_on_scales() {
    for layer in Layer::all() {
        let burns = layer.results(|x, of_channels, passed, relu| {
            let [factor, shift] = of_channels.map(|t| t.reshape([1, 1, 1, 1, layer.shape[4]]));
            (after(x * factor + shift, passed, relu), None)
        });
        layer.agree(&layer.scaled(), &burns);
    }
}

/// The loss of a layer of one channel, in double precision.
fn loss(x: &[f64], [gamma, beta]: [f64; 2], passed: &[f64], g: &[f64]) -> f64 {
    let n = x.len() as f64;
    let mean = x.iter().sum::<f64>() / n;
    let variance = x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let y = x
        .iter()
        .zip(passed)
        .map(|(x, passed)| (gamma * (x - mean) / (variance + EPSILON).sqrt() + beta + passed).max(0.0));
    y.zip(g).map(|(y, g)| y * g).sum()
}

#[test]
fn gradients_are_differences() {
    let layer = Layer { shape: [2, 3, 1, 2, 1], passed: true, relu: true };
    let results = layer.normalised();
    let [_, _, _, of_x, of_gamma, of_beta, of_passed] = results.as_slice() else { panic!("seven results") };
    let double = |t: Vec<f32>| -> Vec<f64> { t.into_iter().map(f64::from).collect() };
    let x = double(values(numbers(layer.shape, 1) * 2.0 + 3.0));
    let [gamma, beta] = [2, 3].map(|seed| double(values(numbers([1], seed)))[0]);
    let passed = double(values(numbers(layer.shape, 4) + 0.5));
    let g = double(values(numbers(layer.shape, 5)));
    let step = 1e-6;
    let slope = |f: &dyn Fn(f64) -> f64, expected: f32, what: &str| {
        let slope = (f(step) - f(-step)) / (2.0 * step);
        assert!((slope - f64::from(expected)).abs() < 1e-4, "{what}: {expected} is not {slope}");
    };
    let moved = |numbers: &[f64], i: usize, by: f64| {
        let mut numbers = numbers.to_vec();
        numbers[i] += by;
        numbers
    };
    for i in 0..x.len() {
        slope(&|by| loss(&moved(&x, i, by), [gamma, beta], &passed, &g), of_x[i] / 2.0, "x");
        slope(&|by| loss(&x, [gamma, beta], &moved(&passed, i, by), &g), of_passed[i], "passed");
    }
    slope(&|by| loss(&x, [gamma + by, beta], &passed, &g), of_gamma[0], "gamma");
    slope(&|by| loss(&x, [gamma, beta + by], &passed, &g), of_beta[0], "beta");
}

#[test]
fn statistics_are_exact_far_from_zero() {
    let data: Vec<f32> = (0..100_000).map(|i| 1000.0 + (i / 2 % 2) as f32).collect();
    let (mean, variance) = norm::statistics(&data, 2);
    for channel in 0..2 {
        assert!((mean[channel] - 1000.5).abs() < 1e-6 && (variance[channel] - 0.25).abs() < 1e-6);
    }
}

fn pooled(x: Tensor<5>, f: impl FnOnce(Tensor<5>) -> Tensor<5>) -> [Vec<f32>; 2] {
    let x = x.detach().require_grad();
    let y = f(x.clone());
    let mut gradients = (y.clone() * numbers(y.dims(), 6)).sum().backward();
    [values(y.inner()), values(x.grad_remove(&mut gradients).unwrap())]
}

#[test]
fn burn_agrees_on_maxima() {
    let shapes = [[5, 4, 7, 3, 1], [3, 3, 3, 2, 7], [1, 2, 3, 2, 5], [9, 8, 6, 5, 16], [3, 4, 2, 40, 64]];
    for shape in shapes {
        for (kernel, stride, circular_chi) in [
            (1, 1, false),
            (2, 2, false),
            (3, 1, false),
            (3, 2, true),
            (3, 2, false),
            (4, 3, true),
            (5, 1, true),
        ] {
            let what = format!("{shape:?}, {kernel}, {stride}, {circular_chi}");
            let burns = pooled(numbers(shape, 7), |x| {
                rows(MaxPool { kernel, stride, circular_chi }.forward(images(x), Layout::Channels))
            });
            let ours = pooled(numbers(shape, 7), |x| max_pool(x, kernel, stride, circular_chi));
            assert_eq!(ours[0], burns[0], "{what}");
            for (i, (ours, burns)) in ours[1].iter().zip(&burns[1]).enumerate() {
                assert!((ours - burns).abs() < 1e-5, "{what}: gradient[{i}]: {ours} is not {burns}");
            }
            let alone = values(max_pool(numbers(shape, 7).inner(), kernel, stride, circular_chi));
            assert_eq!(alone, ours[0], "{what}, without gradients");
        }
    }
}

#[test]
fn first_of_equal_cells_has_the_gradient() {
    let x = Tensor::<5>::ones([4, 4, 4, 1, 1], &Device::flex().autodiff()).require_grad();
    let y = max_pool(x.clone(), 3, 2, false);
    let gradient = values(x.grad(&y.sum().backward()).unwrap());
    // The one window begins before the image, the other at its second cell.
    let first = |i: usize| usize::from(i < 2);
    for (i, gradient) in gradient.iter().enumerate() {
        let expected = first(i / 16) * first(i / 4 % 4) * first(i % 4);
        assert!((gradient - expected as f32).abs() < 1e-6, "{i}: {gradient}");
    }
}

#[test]
fn tensors_that_others_hold_keep_their_numbers() {
    let shape = [3, 2, 5, 3, 7];
    for tracked in [false, true] {
        let begin = |seed| {
            let tensor = numbers(shape, seed);
            if tracked { tensor.require_grad() } else { tensor.inner() }
        };
        let [gamma, beta] = [3, 4].map(|seed| {
            let tensor = numbers([7], seed);
            if tracked { tensor } else { tensor.inner() }
        });
        let results = |x: Tensor<5>, passed: Option<Tensor<5>>| {
            let (gamma, beta) = (gamma.clone(), beta.clone());
            let (y, ..) = normalise(x.clone(), gamma.clone(), beta.clone(), passed.clone(), true);
            [y, scale(x, gamma, beta, passed, false)]
        };
        let (x, passed) = (begin(1), begin(2));
        let before = [x.clone(), passed.clone()].map(values);
        for by in [None, Some(passed.clone())] {
            let held = results(x.clone(), by.clone());
            let own = results(begin(1), by.map(|_| begin(2)));
            assert_eq!(held.clone().map(values), own.map(values));
            if tracked {
                let kept = held.clone().map(values);
                let [y, z] = held.clone();
                (y * z).sum().backward();
                assert_eq!(held.map(values), kept);
            }
        }
        assert_eq!([x, passed].map(values), before);
    }
}

#[test]
fn results_lie_where_nobody_else_does() {
    let place = |x: &Tensor<5>| x.clone().try_into_primitive::<Flex>().unwrap().bytes().as_ptr();
    let of_channels = || numbers([3], 1).inner();
    let (x, passed) = (numbers([2, 2, 2, 2, 3], 2).inner(), numbers([2, 2, 2, 2, 3], 3).inner());
    let (of_x, of_passed) = (place(&x), place(&passed));
    let (y, ..) = normalise(x, of_channels(), of_channels(), None, true);
    assert_eq!(place(&y), of_x);
    assert_eq!(place(&scale(y, of_channels(), of_channels(), Some(passed), true)), of_passed);
}

#[test]
fn what_is_no_number_stays_none() {
    let x = Tensor::<5>::from_data(TensorData::new(vec![f32::NAN, 1.0], [1, 1, 1, 2, 1]), &Device::flex());
    let of_channel = Tensor::<1>::ones([1], &Device::flex());
    let (y, ..) = normalise(x, of_channel.clone(), of_channel, None, true);
    assert!(values(y).iter().all(|y| y.is_nan()));
}

#[test]
fn number_of_threads_changes_no_bit() {
    let by = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let shape = [13, 13, 13, 8, 16];
            let mut results = Layer { shape, passed: true, relu: true }.normalised();
            results.extend(Layer { shape, passed: false, relu: false }.normalised());
            results.extend(Layer { shape, passed: false, relu: true }.scaled());
            results.extend(pooled(numbers(shape, 7), |x| max_pool(x, 3, 2, true)));
            results
        })
    };
    let one = by(1);
    assert_eq!(one, by(2));
    assert_eq!(one, by(5));
}
