//! Against burn's own convolution and its gradients, and against differences.

use burn::module::Param;
use burn::tensor::{Distribution, TensorData};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

use super::*;

#[derive(Debug, Clone, Copy)]
struct Case {
    images: usize,
    channels: usize,
    filters: usize,
    size: [usize; 3],
    kernel: [usize; 3],
    stride: [usize; 3],
    padding: [usize; 3],
}

impl Case {
    const fn cube(
        images: usize,
        channels: usize,
        filters: usize,
        size: usize,
        kernel: usize,
        stride: usize,
    ) -> Self {
        let padding = [kernel / 2; 3];
        Self { images, channels, filters, size: [size; 3], kernel: [kernel; 3], stride: [stride; 3], padding }
    }

    fn random(random: &mut Pcg64) -> Self {
        let mut axes = |low: usize, high: usize| std::array::from_fn(|_| random.random_range(low..=high));
        let (kernel, stride, padding) = (axes(1, 5), axes(1, 3), axes(0, 3));
        let extra: [usize; 3] = axes(0, 6);
        let size = std::array::from_fn(|i| (kernel[i] + extra[i]).saturating_sub(2 * padding[i]).max(1));
        let images = random.random_range(1..6);
        let (channels, filters) = (random.random_range(1..15), random.random_range(1..36));
        Self { images, channels, filters, size, kernel, stride, padding }
    }

    fn conv(&self) -> Conv3d {
        let [l, k, c] = self.kernel;
        let weight = numbers([self.filters, self.channels, l, k, c], 1);
        let [pl, pk, pc] = self.padding;
        Conv3d {
            weight: Param::from_tensor(weight),
            bias: None,
            stride: self.stride,
            kernel_size: self.kernel,
            dilation: [1; 3],
            groups: 1,
            padding: PaddingConfig3d::Explicit(pl, pk, pc),
        }
    }

    fn input(&self) -> Tensor<5> {
        let [l, k, c] = self.size;
        numbers([self.images, self.channels, l, k, c], 2)
    }
}

fn numbers(shape: [usize; 5], seed: u64) -> Tensor<5> {
    let mut random = Pcg64::seed_from_u64(seed);
    let data: Vec<f32> = (0..shape.iter().product()).map(|_| random.random_range(-1.0..1.0)).collect();
    Tensor::from_data(TensorData::new(data, shape), &Device::flex().autodiff())
}

fn values(tensor: Tensor<5>) -> Vec<f32> {
    tensor.into_data().iter::<f32>().collect()
}

/// Output, gradient of the input, gradient of the weights, for random gradients of the output.
fn results(case: &Case, convolve: impl Fn(&Conv3d, Tensor<5>) -> Tensor<5>) -> [Vec<f32>; 3] {
    let (conv, x) = (case.conv(), case.input().require_grad());
    let y = convolve(&conv, x.clone());
    let mut gradients = (y.clone() * numbers(y.dims(), 3)).sum().backward();
    let of_x = x.grad_remove(&mut gradients).map(values);
    let of_weight = conv.weight.val().grad_remove(&mut gradients).map(values);
    [values(y.inner()), of_x.unwrap(), of_weight.unwrap()]
}

/// Ours on rows, by one arithmetic.
fn by(arithmetic: Arithmetic) -> impl Fn(&Conv3d, Tensor<5>) -> Tensor<5> {
    move |conv, x| {
        let x = to_rows(x);
        let window = Window::of(conv, x.dims(), arithmetic).unwrap();
        let weight = conv.weight.val().into_dispatch();
        from_rows(Tensor::from_dispatch(Dispatch::convolution(x.into_dispatch(), weight, window)))
    }
}

/// Each that this processor has, and how far from exact it may be.
fn arithmetics() -> Vec<(Arithmetic, f32)> {
    let tiles = Unit::get().into_iter();
    let tiles = tiles.flat_map(|unit| {
        [(Arithmetic::Tiles(unit, Halves::Both), 1e-5), (Arithmetic::Tiles(unit, Halves::High), 1e-2)]
    });
    [(Arithmetic::Vectors, 1e-5), (Arithmetic::Rounded, 1e-2)].into_iter().chain(tiles).collect()
}

fn agree(case: &Case) {
    let burns = results(case, Conv3d::forward);
    let names = ["output", "input gradient", "weight gradient"];
    let compare = |what: &str, ours: [Vec<f32>; 3], within: f32| {
        for ((ours, burns), name) in ours.iter().zip(&burns).zip(names) {
            assert_eq!(ours.len(), burns.len(), "{case:?}: {name} by {what}");
            let scale = burns.iter().fold(1.0_f32, |scale, x| scale.max(x.abs()));
            for (i, (ours, burns)) in ours.iter().zip(burns).enumerate() {
                let near = (ours - burns).abs() < within * scale;
                assert!(near, "{case:?}: {name}[{i}] by {what}: {ours} is not {burns}");
            }
        }
    };
    for (arithmetic, within) in arithmetics() {
        compare(&format!("{arithmetic:?}"), results(case, by(arithmetic)), within);
    }
    // What GPUs are given must be the same convolution, too.
    compare("burn elsewhere", results(case, elsewhere), 1e-5);
}

#[test]
fn burn_agrees_on_kernels_strides_paddings_and_odd_sizes() {
    let mut random = Pcg64::seed_from_u64(5);
    for _ in 0..200 {
        agree(&Case::random(&mut random));
    }
}

#[test]
fn burn_agrees_on_the_layers_of_the_networks() {
    for case in [
        Case::cube(2, 1, 16, 25, 7, 2),
        Case::cube(2, 3, 8, 13, 7, 2),
        Case::cube(3, 16, 16, 7, 3, 1),
        Case::cube(3, 16, 32, 7, 3, 2),
        Case::cube(3, 16, 32, 7, 1, 2),
        Case::cube(9, 64, 48, 2, 3, 1),
        Case::cube(5, 33, 64, 4, 3, 2),
        Case::cube(4, 64, 32, 1, 3, 1),
    ] {
        agree(&case);
    }
}

/// The sum of outputs times fixed numbers is linear in the input and in the weights: differences are exact but for rounding.
#[test]
fn gradients_are_differences() {
    for case in [Case::cube(2, 2, 3, 5, 3, 2), Case::cube(1, 1, 2, 7, 5, 1)] {
        for (arithmetic, within) in arithmetics().into_iter().filter(|(_, within)| *within < 1e-4) {
            let convolve = by(arithmetic);
            let [_, of_x, of_weight] = results(&case, &convolve);
            let within =
                |all: &[f32]| 10.0 * f64::from(within * all.iter().fold(1.0, |scale, x| x.abs().max(scale)));
            let (conv, x) = (case.conv(), case.input().inner());
            let loss = |x: Tensor<5>, weight: Tensor<5>| {
                let conv = Conv3d { weight: Param::from_tensor(weight), ..conv.clone() };
                let y = convolve(&conv, x);
                let g = numbers(y.dims(), 3).inner();
                (y * g).into_data().iter::<f64>().sum::<f64>()
            };
            let weight = conv.weight.val().inner();
            let moved = |tensor: &Tensor<5>, i: usize, by: f32| {
                let mut data = values(tensor.clone());
                data[i] += by;
                Tensor::from_data(TensorData::new(data, tensor.dims()), &Device::flex())
            };
            for (i, expected) in of_x.iter().enumerate() {
                let [above, below] = [0.5, -0.5].map(|by| loss(moved(&x, i, by), weight.clone()));
                let near = (above - below - f64::from(*expected)).abs() < within(&of_x);
                assert!(near, "{case:?}, {arithmetic:?}, input {i}");
            }
            for (i, expected) in of_weight.iter().enumerate() {
                let [above, below] = [0.5, -0.5].map(|by| loss(x.clone(), moved(&weight, i, by)));
                let near = (above - below - f64::from(*expected)).abs() < within(&of_weight);
                assert!(near, "{case:?}, {arithmetic:?}, weight {i}");
            }
        }
    }
}

#[test]
fn number_of_threads_changes_no_bit() {
    for case in
        [Case::cube(5, 12, 40, 9, 3, 1), Case::cube(4, 1, 20, 15, 7, 2), Case::cube(7, 40, 70, 2, 3, 1)]
    {
        for (arithmetic, _) in arithmetics() {
            let with = |threads: usize| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| results(&case, by(arithmetic)))
            };
            assert_eq!(with(1), with(2), "{case:?}, {arithmetic:?}");
            assert_eq!(with(1), with(5), "{case:?}, {arithmetic:?}");
        }
    }
}

#[test]
fn other_convolutions_are_left_to_burn() {
    let case = Case::cube(2, 4, 4, 5, 3, 1);
    let biased = Conv3d {
        bias: Some(Param::from_tensor(Tensor::random([4], Distribution::Default, &Device::flex()))),
        ..case.conv()
    };
    let dilated = Conv3d { dilation: [2; 3], ..case.conv() };
    let same = Conv3d { padding: PaddingConfig3d::Same, ..case.conv() };
    for conv in [biased, dilated, same] {
        let rows = to_rows(case.input());
        assert!(Window::of(&conv, rows.dims(), Arithmetic::Vectors).is_none());
        let burns = values(conv.forward(case.input()));
        let ours = from_rows(convolve(&conv, rows, Layout::Rows { half: false }));
        assert_eq!(values(ours), burns);
    }
    assert!(Window::of(&case.conv(), to_rows(case.input()).dims(), Arithmetic::Vectors).is_some());
}
