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
        Case::cube(3, 16, 32, 13, 3, 1),
        Case::cube(2, 64, 48, 7, 3, 1),
        Case::cube(17, 80, 32, 4, 3, 1),
    ] {
        agree(&case);
    }
}

/// Convolutions by minimal filtering, of small and odd sizes and of paddings on one side too, against sums in double precision.
#[test]
fn minimal_filtering_leaves_a_part_in_50_000() {
    let mut random = Pcg64::seed_from_u64(6);
    for size in 1..=9 {
        for _ in 0..3 {
            let padding: [usize; 3] = std::array::from_fn(|_| random.random_range(usize::from(size < 3)..=2));
            let sizes = [size, random.random_range(1..=9), 3];
            let axes = std::array::from_fn(|i| Axis {
                input: sizes[i],
                kernel: 3,
                stride: 1,
                padding: padding[i].max(usize::from(sizes[i] < 3)),
            });
            let (images, channels) = (random.random_range(1..20), 16 * random.random_range(1..4));
            let filters = 16 * random.random_range(1..4);
            filtered(&Window { images, channels, filters, axes, arithmetic: Arithmetic::Vectors });
        }
    }
    // More rows than are at the points at a time.
    let axes = [Axis { input: 7, kernel: 3, stride: 1, padding: 1 }; 3];
    filtered(&Window { images: 51, channels: 80, filters: 16, axes, arithmetic: Arithmetic::Vectors });
}

fn filtered(window: &Window) {
    let numbers = |shape, seed| values(numbers(shape, seed));
    let (x, dy) = (numbers(window.input(), 1), numbers(window.output(), 2));
    let weight = numbers(window.weight(), 3);
    let (mut y, mut dx) = (vec![0.0; dy.len()], vec![0.0; x.len()]);
    let row = |[_, k, c, images, channels]: [usize; 5], at: [usize; 3], image: usize| {
        (((at[0] * k + at[1]) * c + at[2]) * images + image) * channels
    };
    let [l, k, c, ..] = window.output();
    for (output, image) in (0..l * k * c).flat_map(|o| (0..window.images).map(move |image| (o, image))) {
        let output = [output / (k * c), output / c % k, output % c];
        let to = row(window.output(), output, image);
        for tap in 0..27 {
            let at: [usize; 3] = std::array::from_fn(|i| output[i] + [tap / 9, tap / 3 % 3, tap % 3][i]);
            let place = |i: usize| {
                at[i].checked_sub(window.axes[i].padding).filter(|cell| *cell < window.axes[i].input)
            };
            let [Some(l), Some(k), Some(c)] = [0, 1, 2].map(place) else { continue };
            let from = row(window.input(), [l, k, c], image);
            for filter in 0..window.filters {
                for channel in 0..window.channels {
                    let w = f64::from(weight[(filter * window.channels + channel) * 27 + tap]);
                    y[to + filter] += w * f64::from(x[from + channel]);
                    dx[from + channel] += w * f64::from(dy[to + filter]);
                }
            }
        }
    }
    let near = |ours: Vec<f32>, exact: &[f64]| {
        assert_eq!(ours.len(), exact.len(), "{window:?}");
        let scale = exact.iter().fold(1.0_f64, |scale, x| scale.max(x.abs()));
        for (ours, exact) in ours.iter().zip(exact) {
            assert!((f64::from(*ours) - exact).abs() < 2e-5 * scale, "{window:?}: {ours} is not {exact}");
        }
    };
    near(winograd::forward(&x, &weight, window), &y);
    near(winograd::input_gradient(&dy, &weight, window), &dx);
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
    for case in [
        Case::cube(5, 12, 40, 9, 3, 1),
        Case::cube(4, 1, 20, 15, 7, 2),
        Case::cube(7, 40, 70, 2, 3, 1),
        Case::cube(5, 16, 48, 13, 3, 1),
        Case::cube(18, 96, 64, 4, 3, 1),
    ] {
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

/// Batches of which few numbers differ from what all images have in common: empty cells that hold 0 or another number, and coordinates. Output and
/// gradient of the weights against the dense ones.
#[test]
fn sparse_batches_are_taken_apart() {
    let mut random = Pcg64::seed_from_u64(9);
    let cases = [
        Case::cube(3, 7, 16, 12, 7, 2),
        Case::cube(1, 2, 70, 9, 5, 1),
        Case::cube(4, 9, 5, 11, 5, 3),
        Case {
            size: [5, 9, 14],
            kernel: [4, 3, 9],
            stride: [1, 3, 2],
            padding: [2, 0, 4],
            ..Case::cube(2, 3, 33, 1, 1, 1)
        },
        Case::cube(2, 1, 64, 10, 7, 2),
    ];
    for case in cases {
        let [l, k, c] = case.size;
        let shape = [l, k, c, case.images, case.channels];
        let window = Window::of(&case.conv(), shape, Arithmetic::Vectors).unwrap();
        let row = case.images * case.channels;
        let empty: Vec<f32> = (0..case.channels).map(|i| [0.0, -0.7][i % 2]).collect();
        let mut x = Vec::new();
        for cell in 0..l * k * c {
            for i in 0..row {
                let channel = i % case.channels;
                let coordinate = channel > 0 && channel + 1 == case.channels;
                let own = random.random_range(-1.0..1.0);
                x.push(match channel {
                    _ if coordinate => (cell as f32 * 0.3).sin(),
                    _ if random.random_bool(0.06) => own,
                    _ => empty[channel],
                });
            }
        }
        let sparse = Sparse::of(&x, &window).unwrap();
        let weight = values(case.conv().weight.val());
        let dy: Vec<f32> =
            (0..window.output().iter().product()).map(|_| random.random_range(-1.0..1.0)).collect();
        let near = |ours: &[f32], dense: &[f32], what: &str| {
            assert_eq!(ours.len(), dense.len());
            let scale = dense.iter().fold(1.0_f32, |scale, x| scale.max(x.abs()));
            for (i, (ours, dense)) in ours.iter().zip(dense).enumerate() {
                assert!((ours - dense).abs() < 1e-5 * scale, "{case:?}: {what}[{i}]: {ours} is not {dense}");
            }
        };
        near(&sparse.forward(&weight), &gather::forward(&x, &weight, &window), "output");
        let dense = weights::weight_gradient(&x, &dy, &window);
        near(&sparse.weight_gradient(&dy), &dense, "weight gradient");
        // A single image has itself in common.
        let full: Vec<f32> = x.iter().map(|x| x + random.random_range(0.1..0.2)).collect();
        assert_eq!(Sparse::of(&full, &window).is_none(), case.images > 1);
    }
}
