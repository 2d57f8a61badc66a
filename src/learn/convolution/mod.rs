//! 3D convolutions on the CPU, where burn's take several times as long.
//!
//! An extension of burn for tensors of its `flex` backend, with gradients. Their numbers come in rows: cells first, images next,
//! channels last, so that what is multiplied lies side by side and nothing is copied for each tap. Each sum has one fixed order, so
//! results do not depend on the number of threads. No dilation, no groups and no bias: the networks here have none.

mod axis;
mod gather;
mod kernel;
mod lower;
mod plan;
mod sparse;
#[cfg(test)]
mod tests;
mod tiles;
mod weights;
mod winograd;

use burn::backend::autodiff::NodeId;
use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, Backend, Dispatch, Flex, backend_extension};
use burn::nn::PaddingConfig3d;
use burn::nn::conv::Conv3d;
use burn::tensor::module::conv3d;
use burn::tensor::ops::ConvOptions;
use burn::tensor::{DType, Device, Tensor, bf16, s};

use super::flex;
use axis::Axis;
use sparse::Sparse;
use tiles::{Halves, Unit};

/// Sizes of a convolution.
#[derive(Debug, Clone)]
pub(super) struct Window {
    images: usize,
    channels: usize,
    filters: usize,
    /// `cos_theta_l`, `cos_theta_k`, chi.
    axes: [Axis; 3],
    arithmetic: Arithmetic,
}

/// Unit of the processor that multiplies.
#[derive(Debug, Clone, Copy)]
enum Arithmetic {
    /// Vectors, in single precision.
    Vectors,
    /// Vectors, after the factors are rounded to bfloat16.
    Rounded,
    /// The matrix unit.
    Tiles(Unit, Halves),
}

impl Arithmetic {
    /// For factors in single precision or, if `half`, rounded to bfloat16.
    fn of(half: bool) -> Self {
        match Unit::get() {
            Some(unit) => Self::Tiles(unit, if half { Halves::High } else { Halves::Both }),
            None if half => Self::Rounded,
            None => Self::Vectors,
        }
    }
}

impl Window {
    /// The window of `conv` for rows, if it is one of those that are computed here.
    fn of(conv: &Conv3d, [sizes @ .., images, channels]: [usize; 5], arithmetic: Arithmetic) -> Option<Self> {
        let PaddingConfig3d::Explicit(l, k, c) = conv.padding else { return None };
        let padding = [l, k, c];
        let axes = std::array::from_fn(|i| Axis {
            input: sizes[i],
            kernel: conv.kernel_size[i],
            stride: conv.stride[i],
            padding: padding[i],
        });
        let [filters, expected, ..] = conv.weight.dims();
        let plain = conv.bias.is_none() && conv.groups == 1 && conv.dilation == [1; 3];
        let fits = axes.iter().all(|a| a.input > 0 && a.kernel > 0 && a.input + 2 * a.padding >= a.kernel);
        (plain && fits && images > 0 && channels == expected).then_some(Self {
            images,
            channels,
            filters,
            axes,
            arithmetic,
        })
    }

    /// Taps of a kernel.
    fn taps(&self) -> usize {
        self.axes.iter().map(|a| a.kernel).product()
    }

    fn input(&self) -> [usize; 5] {
        let [l, k, c] = self.axes.map(|a| a.input);
        [l, k, c, self.images, self.channels]
    }

    fn output(&self) -> [usize; 5] {
        let [l, k, c] = self.axes.each_ref().map(Axis::output);
        [l, k, c, self.images, self.filters]
    }

    fn weight(&self) -> [usize; 5] {
        let [l, k, c] = self.axes.map(|a| a.kernel);
        [self.filters, self.channels, l, k, c]
    }
}

/// Layout of the numbers of a layer's images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layout {
    /// [batch, channels, `cos_theta_l`, `cos_theta_k`, chi], burn's own.
    Channels,
    /// [`cos_theta_l`, `cos_theta_k`, chi, batch, channels] in single precision; factors of convolutions are rounded to bfloat16 if
    /// `half`.
    Rows { half: bool },
}

impl Layout {
    /// The layout for a device, and for images of a precision.
    pub(super) fn of(device: &Device, precision: DType) -> Self {
        if *device == Device::flex() { Self::Rows { half: precision != DType::F32 } } else { Self::Channels }
    }
}

/// The convolution of `conv`: here on rows, by burn otherwise.
///
/// # Shapes
/// `input` in `layout` -> the same with filters for channels.
pub(super) fn convolve(conv: &Conv3d, input: Tensor<5>, layout: Layout) -> Tensor<5> {
    let Layout::Rows { half } = layout else { return elsewhere(conv, input) };
    match Window::of(conv, input.dims(), Arithmetic::of(half)) {
        Some(window) => {
            let weight = conv.weight.val().into_dispatch();
            Tensor::from_dispatch(Dispatch::convolution(input.into_dispatch(), weight, window))
        }
        None => to_rows(elsewhere(conv, from_rows(input))),
    }
}

/// [batch, channels, ..] -> [.., batch, channels].
pub(super) fn to_rows(x: Tensor<5>) -> Tensor<5> {
    x.permute([2, 3, 4, 0, 1])
}

/// [.., batch, channels] -> [batch, channels, ..].
pub(super) fn from_rows(x: Tensor<5>) -> Tensor<5> {
    x.permute([3, 4, 0, 1, 2])
}

/// The convolution of `conv` by burn.
///
/// Its gradient of the input (burn 0.22, on every GPU) is zero where a stride exceeds the kernel. So the cells that a kernel
/// of one cell sees are taken out first.
///
/// Weights follow the input's precision.
fn elsewhere(conv: &Conv3d, input: Tensor<5>) -> Tensor<5> {
    let PaddingConfig3d::Explicit(l, k, c) = conv.padding else { return conv.forward(input) };
    let (kernel, padding) = (conv.kernel_size, [l, k, c]);
    let weight = cast(conv.weight.val(), input.dtype());
    let one_cell = kernel == [1; 3] && padding == [0; 3];
    let (input, stride) = if one_cell && conv.stride != [1; 3] {
        let [l, k, c] = conv.stride;
        (input.slice(s![.., .., 0..;l, 0..;k, 0..;c]), [1; 3]) // [batch, channels, l', k', c']
    } else {
        (input, conv.stride)
    };
    let bias = conv.bias.as_ref().map(|bias| cast(bias.val(), input.dtype()));
    conv3d(input, weight, bias, ConvOptions::new(stride, padding, conv.dilation, conv.groups))
}

/// Name of the units that compute convolutions on this processor: `AMX`, Intel's matrix unit, beside its vectors, `AVX-512` or `AVX2`, or these
/// alone, or `vectors of N bits` elsewhere.
pub fn vectors() -> String {
    let vectors = kernel::vectors();
    Unit::get().map_or_else(|| vectors.clone(), |_| format!("AMX, {vectors}"))
}

/// A tensor in another precision, if it is not in that already.
pub(super) fn cast<const D: usize>(x: Tensor<D>, precision: DType) -> Tensor<D> {
    if x.dtype() == precision { x } else { x.cast(precision) }
}

/// The convolution as burn's dispatch sees it.
#[backend_extension(Flex, Autodiff)]
pub(super) trait Convolution: Backend {
    /// `x` [.., images, channels], `weight` [filters, channels, ..] -> [.., images, filters].
    fn convolution(x: FloatTensor<Self>, weight: FloatTensor<Self>, window: Window) -> FloatTensor<Self>;
}

/// Tensors that the way back needs of a backend.
pub(super) trait ConvolutionGradients: Convolution {
    /// Of the shape of the input, from that of the output.
    fn input_gradient(
        gradient: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        window: &Window,
    ) -> FloatTensor<Self>;

    /// Of the shape of the weights, from that of the output.
    fn weight_gradient(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        window: &Window,
    ) -> FloatTensor<Self>;
}

/// `f` of the numbers of two tensors in the order of their indices.
fn compute(
    a: &FlexTensor,
    b: &FlexTensor,
    shape: [usize; 5],
    f: impl FnOnce(&[f32], &[f32]) -> Vec<f32>,
) -> FlexTensor {
    let (a, b) = (a.to_contiguous(), b.to_contiguous());
    let numbers = |t: &FlexTensor| t.as_slice::<f32>().map(<[f32]>::len);
    debug_assert!(numbers(&a).is_some() && numbers(&b).is_some(), "networks are of f32");
    let result = f(a.as_slice().unwrap_or_default(), b.as_slice().unwrap_or_default());
    flex::tensor(result, shape)
}

/// Numbers rounded to bfloat16.
fn rounded(x: &[f32]) -> Vec<f32> {
    x.iter().map(|&x| bf16::from_f32(x).to_f32()).collect()
}

fn by_vectors(x: &[f32], weight: &[f32], window: &Window) -> Vec<f32> {
    Sparse::of(x, window).map_or_else(|| gather::forward(x, weight, window), |sparse| sparse.forward(weight))
}

fn weights_by_vectors(x: &[f32], dy: &[f32], window: &Window) -> Vec<f32> {
    Sparse::of(x, window)
        .map_or_else(|| weights::weight_gradient(x, dy, window), |sparse| sparse.weight_gradient(dy))
}

impl Convolution for Flex {
    fn convolution(x: FlexTensor, weight: FlexTensor, window: Window) -> FlexTensor {
        compute(&x, &weight, window.output(), |x, weight| match window.arithmetic {
            Arithmetic::Vectors if winograd::suits(&window) => winograd::forward(x, weight, &window),
            Arithmetic::Vectors => by_vectors(x, weight, &window),
            Arithmetic::Rounded => by_vectors(&rounded(x), &rounded(weight), &window),
            Arithmetic::Tiles(unit, halves) => tiles::forward(unit, halves, x, weight, &window),
        })
    }
}

impl ConvolutionGradients for Flex {
    fn input_gradient(gradient: FlexTensor, weight: FlexTensor, window: &Window) -> FlexTensor {
        compute(&gradient, &weight, window.input(), |dy, weight| match window.arithmetic {
            Arithmetic::Vectors if winograd::suits(window) => winograd::input_gradient(dy, weight, window),
            Arithmetic::Vectors => gather::input_gradient(dy, weight, window),
            Arithmetic::Rounded => gather::input_gradient(&rounded(dy), &rounded(weight), window),
            Arithmetic::Tiles(unit, halves) => tiles::input_gradient(unit, halves, dy, weight, window),
        })
    }

    fn weight_gradient(x: FlexTensor, gradient: FlexTensor, window: &Window) -> FlexTensor {
        compute(&x, &gradient, window.weight(), |x, dy| match window.arithmetic {
            Arithmetic::Vectors => weights_by_vectors(x, dy, window),
            Arithmetic::Rounded => weights_by_vectors(&rounded(x), &rounded(dy), window),
            Arithmetic::Tiles(unit, halves) => tiles::weight_gradient(unit, halves, x, dy, window),
        })
    }
}

#[derive(Debug)]
struct Back;

impl<B: ConvolutionGradients> Backward<B, 2> for Back {
    type State = (NodeId, NodeId, Window);

    fn backward(self, ops: Ops<Self::State, 2>, gradients: &mut Gradients, checkpointer: &mut Checkpointer) {
        let [of_x, of_weight] = ops.parents;
        let gradient = gradients.consume::<B>(&ops.node);
        let (x, weight, window) = ops.state;
        let x: FloatTensor<B> = checkpointer.retrieve_node_output(x);
        let weight: FloatTensor<B> = checkpointer.retrieve_node_output(weight);
        if let Some(node) = of_x {
            gradients.register::<B>(node.id, B::input_gradient(gradient.clone(), weight, &window));
        }
        if let Some(node) = of_weight {
            gradients.register::<B>(node.id, B::weight_gradient(x, gradient, &window));
        }
    }
}

impl<B: ConvolutionGradients, C: CheckpointStrategy> Convolution for Autodiff<B, C> {
    fn convolution(x: FloatTensor<Self>, weight: FloatTensor<Self>, window: Window) -> FloatTensor<Self> {
        match Back.prepare::<C>([x.node(), weight.node()]).compute_bound().stateful() {
            OpsKind::Tracked(mut prepared) => {
                let state = (prepared.checkpoint(&x), prepared.checkpoint(&weight), window.clone());
                prepared.finish(state, B::convolution(x.into_primitive(), weight.into_primitive(), window))
            }
            OpsKind::UnTracked(prepared) => {
                prepared.finish(B::convolution(x.into_primitive(), weight.into_primitive(), window))
            }
        }
    }
}
