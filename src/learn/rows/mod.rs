//! Layers of the residual network on the CPU over rows of channels: one row for each cell of each image.
//!
//! Activations of shape [l, k, c, batch, channels] go through each of these in one or two passes. They are extensions of burn for
//! its `flex` backend, with gradients. Each sum has one fixed order, so results do not depend on the number of threads. Where
//! nobody else holds a tensor, its memory takes the result.

mod norm;
mod pool;
#[cfg(test)]
mod tests;

use std::sync::OnceLock;

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, NodeGuard, Ops, OpsKind};
use burn::backend::flex::FlexTensor;
use burn::backend::tensor::FloatTensor;
use burn::backend::{Autodiff, AutodiffBackend, Backend, Dispatch, ExtensionType, Flex, backend_extension};
use burn::tensor::Tensor;

use norm::{Back, Forward, Lines, Summed, Sums};
use pool::Pool;

use super::flex::{changed, tensor, whole};
use super::parallel;

/// Added to a variance before its root.
pub(super) const EPSILON: f64 = 1e-5;

/// Batch norm over the rows, then what passes the block by, then `ReLU`:
/// relu(gamma (x - mean) / sqrt(variance + 1e-5) + beta + passed).
///
/// The second and third results are mean and (biased) variance of the rows, without gradients.
///
/// # Shapes
/// `x`, `passed` [l, k, c, batch, channels], `gamma`, `beta` [channels] -> the shape of `x`, [channels], [channels].
pub(super) fn normalise(
    x: Tensor<5>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    passed: Option<Tensor<5>>,
    relu: bool,
) -> (Tensor<5>, Tensor<1>, Tensor<1>) {
    let (gamma, beta) = (gamma.into_dispatch(), beta.into_dispatch());
    let (y, mean, variance) = Dispatch::normalise(x.into_dispatch(), gamma, beta, Passed::of(passed), relu);
    (Tensor::from_dispatch(y), Tensor::from_dispatch(mean), Tensor::from_dispatch(variance))
}

/// relu(factor x + shift + passed), with gradients of all four.
///
/// # Shapes
/// `x`, `passed` [l, k, c, batch, channels], `factor`, `shift` [channels] -> the shape of `x`.
pub(super) fn scale(
    x: Tensor<5>,
    factor: Tensor<1>,
    shift: Tensor<1>,
    passed: Option<Tensor<5>>,
    relu: bool,
) -> Tensor<5> {
    let (factor, shift) = (factor.into_dispatch(), shift.into_dispatch());
    Tensor::from_dispatch(Dispatch::scale(x.into_dispatch(), factor, shift, Passed::of(passed), relu))
}

/// Maximum over `kernel`^3 cells, padded by `kernel` / 2; in chi the image goes on at its other end if `circular`.
///
/// The gradient goes to the first of equal cells.
///
/// # Shapes
/// [l, k, c, batch, channels] -> [l', k', c', batch, channels].
pub(super) fn max_pool(x: Tensor<5>, kernel: usize, stride: usize, circular: bool) -> Tensor<5> {
    if kernel == 1 {
        return x;
    }
    let pool = Pool::new(x.dims(), kernel, stride, circular);
    Tensor::from_dispatch(Dispatch::max_pool(x.into_dispatch(), pool))
}

/// Tensor that passes a block by.
#[derive(Debug, ExtensionType)]
pub(super) enum Passed<B: Backend> {
    Nothing,
    By(FloatTensor<B>),
}

impl Passed<Dispatch> {
    fn of(tensor: Option<Tensor<5>>) -> Self {
        tensor.map_or(Self::Nothing, |tensor| Self::By(tensor.into_dispatch()))
    }
}

impl<B: Backend> Passed<B> {
    fn into_option(self) -> Option<FloatTensor<B>> {
        match self {
            Self::Nothing => None,
            Self::By(tensor) => Some(tensor),
        }
    }
}

/// The layers as burn's dispatch sees them.
#[backend_extension(Flex, Autodiff)]
pub(super) trait Rows: Backend {
    /// y, mean, variance.
    fn normalise(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        #[extension_type] passed: Passed<Self>,
        relu: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>);

    fn scale(
        x: FloatTensor<Self>,
        factor: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        #[extension_type] passed: Passed<Self>,
        relu: bool,
    ) -> FloatTensor<Self>;

    fn max_pool(x: FloatTensor<Self>, pool: Pool) -> FloatTensor<Self>;
}

/// Mean and 1 / sqrt(variance + epsilon) of the rows that a layer normalises by.
#[derive(Debug, Clone)]
pub(super) struct Batch<B: Backend> {
    mean: FloatTensor<B>,
    unit: FloatTensor<B>,
}

/// State that y = relu(weight unit (x - mean) + shift + passed) needs on its way back; without `batch` the mean is 0, the unit 1.
#[derive(Debug, Clone)]
pub(super) struct State<B: Backend> {
    x: FloatTensor<B>,
    /// Output of the `ReLU`, which shows where it has cut, if there is one.
    y: Option<FloatTensor<B>>,
    weight: FloatTensor<B>,
    batch: Option<Batch<B>>,
}

/// Gradients of x, weight, shift and what passed by.
pub(super) struct AffineGradients<B: Backend> {
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    shift: FloatTensor<B>,
    passed: FloatTensor<B>,
}

/// Operations that a backend has for both ways.
pub(super) trait RowsGradients: Rows {
    /// The statistics of rows, and their variance.
    fn statistics(x: &FloatTensor<Self>) -> (Batch<Self>, FloatTensor<Self>);

    /// relu(weight unit (x - mean) + shift + passed).
    fn affine(
        x: FloatTensor<Self>,
        weight: &FloatTensor<Self>,
        shift: &FloatTensor<Self>,
        passed: Option<FloatTensor<Self>>,
        batch: Option<&Batch<Self>>,
        relu: bool,
    ) -> FloatTensor<Self>;

    fn affine_gradients(gradient: FloatTensor<Self>, state: State<Self>) -> AffineGradients<Self>;

    /// The maxima, and which tap of the window each is.
    fn max_pool_taps(x: &FloatTensor<Self>, pool: &Pool) -> (FloatTensor<Self>, Vec<u16>);

    fn max_pool_gradient(gradient: &FloatTensor<Self>, taps: &[u16], pool: &Pool) -> FloatTensor<Self>;
}

fn channels(x: &FlexTensor) -> usize {
    x.layout().shape().last().copied().unwrap_or(1)
}

impl Rows for Flex {
    fn normalise(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        passed: Passed<Self>,
        relu: bool,
    ) -> (FlexTensor, FlexTensor, FlexTensor) {
        let (batch, variance) = Self::statistics(&x);
        let y = Self::affine(x, &gamma, &beta, passed.into_option(), Some(&batch), relu);
        (y, batch.mean, variance)
    }

    fn scale(
        x: FlexTensor,
        factor: FlexTensor,
        shift: FlexTensor,
        passed: Passed<Self>,
        relu: bool,
    ) -> FlexTensor {
        Self::affine(x, &factor, &shift, passed.into_option(), None, relu)
    }

    fn max_pool(x: FlexTensor, pool: Pool) -> FlexTensor {
        tensor(pool.forward(whole(x).storage()), pool.output())
    }
}

fn numbers(tensor: &FlexTensor) -> Vec<f64> {
    whole(tensor.clone()).storage::<f32>().iter().copied().map(f64::from).collect()
}

fn single(numbers: &[f64]) -> FlexTensor {
    tensor(numbers.iter().map(|&x| x as f32).collect(), [numbers.len()])
}

/// Mean, unit and weight of each channel.
fn columns(weight: &FlexTensor, batch: Option<&Batch<Flex>>) -> [Vec<f64>; 3] {
    let weight = numbers(weight);
    let (mean, unit) = match batch {
        Some(batch) => (numbers(&batch.mean), numbers(&batch.unit)),
        None => (vec![0.0; weight.len()], vec![1.0; weight.len()]),
    };
    [mean, unit, weight]
}

/// Products of numbers, one by one.
fn times(a: &[f64], b: &[f64]) -> Vec<f64> {
    a.iter().zip(b).map(|(a, b)| a * b).collect()
}

impl RowsGradients for Flex {
    fn statistics(x: &FlexTensor) -> (Batch<Self>, FlexTensor) {
        let x = whole(x.clone());
        let (mean, variance) = norm::statistics(x.storage(), channels(&x));
        let unit: Vec<f64> = variance.iter().map(|v| 1.0 / (v + EPSILON).sqrt()).collect();
        (Batch { mean: single(&mean), unit: single(&unit) }, single(&variance))
    }

    fn affine(
        x: FlexTensor,
        weight: &FlexTensor,
        shift: &FlexTensor,
        passed: Option<FlexTensor>,
        batch: Option<&Batch<Self>>,
        relu: bool,
    ) -> FlexTensor {
        let [mean, unit, weight] = columns(weight, batch);
        let forward = Forward::new(&mean, &times(&weight, &unit), &numbers(shift), relu);
        let block = Lines::of(mean.len()).block();
        match passed.map(whole) {
            None => changed(x, block, |_, x| forward.alone(x)),
            Some(passed) if passed.is_unique() => {
                let x = whole(x);
                let x = x.storage::<f32>();
                changed(passed, block, |i, passed| forward.onto(passed, &x[i * block..]))
            }
            Some(passed) => {
                let passed = passed.storage::<f32>();
                changed(x, block, |i, x| forward.with(x, &passed[i * block..]))
            }
        }
    }

    fn affine_gradients(gradient: FlexTensor, state: State<Self>) -> AffineGradients<Self> {
        let State { x, y, weight, batch } = state;
        let x = whole(x);
        let [mean, unit, weight] = columns(&weight, batch.as_ref());
        let lines = Lines::of(mean.len());
        let (gradient, sums) = sums(whole(gradient), x.storage(), y, &mean);
        let factor = times(&weight, &unit);
        let of_weight = times(&sums.product, &unit);
        // Mean and variance move with x, too.
        let rows = (x.layout().num_elements() / mean.len()) as f64;
        let through = |sums: Vec<f64>| -> Vec<f64> {
            let share = if batch.is_some() { 1.0 / rows } else { 0.0 };
            sums.iter().map(|sum| share * sum).collect()
        };
        let shift = through(times(&factor, &sums.gradient));
        let slope = through(times(&times(&factor, &unit), &of_weight));
        let back = Back::new(&mean, &factor, &shift, &slope);
        let numbers = gradient.storage::<f32>();
        let of_x = changed(x, lines.block(), |i, x| back.onto(x, &numbers[i * lines.block()..]));
        let (weight, shift) = (single(&of_weight), single(&sums.gradient));
        AffineGradients { x: of_x, weight, shift, passed: gradient }
    }

    fn max_pool_taps(x: &FlexTensor, pool: &Pool) -> (FlexTensor, Vec<u16>) {
        let (y, taps) = pool.forward_with_taps(whole(x.clone()).storage());
        (tensor(y, pool.output()), taps)
    }

    fn max_pool_gradient(gradient: &FlexTensor, taps: &[u16], pool: &Pool) -> FlexTensor {
        tensor(pool.backward(whole(gradient.clone()).storage(), taps), pool.input())
    }
}

/// The gradient before a `ReLU` from that behind it, and sums over its rows.
fn sums(gradient: FlexTensor, x: &[f32], y: Option<FlexTensor>, mean: &[f64]) -> (FlexTensor, Sums) {
    let part = Lines::of(mean.len()).part();
    let summed = Summed::new(mean);
    let none = Sums::none(mean.len());
    let Some(y) = y.map(whole) else {
        let numbers: Vec<_> = gradient.storage::<f32>().chunks(part).collect();
        let sums = parallel::each(numbers.len(), |i| summed.of(numbers[i], &x[i * part..]));
        let sums = sums.iter().fold(none, Sums::and);
        return (gradient, sums);
    };
    let y = y.storage::<f32>();
    let sums: Vec<_> = (0..y.len().div_ceil(part)).map(|_| OnceLock::new()).collect();
    let gradient = changed(gradient, part, |i, gradient| {
        let of_part = summed.cut(gradient, &x[i * part..], &y[i * part..]);
        // Each part is summed up once.
        let _ = sums[i].set(of_part);
    });
    (gradient, sums.iter().filter_map(OnceLock::get).fold(none, Sums::and))
}

#[derive(Debug)]
struct AffineBack;

impl<B: RowsGradients, const N: usize> Backward<B, N> for AffineBack {
    type State = State<B>;

    fn backward(self, ops: Ops<State<B>, N>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let of = B::affine_gradients(gradient, ops.state);
        let each = [of.x, of.weight, of.shift, of.passed];
        for (node, gradient) in ops.parents.into_iter().zip(each) {
            if let Some(node) = node {
                gradients.register::<B>(node.id, gradient);
            }
        }
    }
}

/// The layer with gradients of `nodes`: x, weight, shift, and what passes by if something does.
fn tracked<B: RowsGradients, C: CheckpointStrategy, const N: usize>(
    nodes: [NodeGuard; N],
    [x, weight, shift]: [FloatTensor<B>; 3],
    passed: Option<FloatTensor<B>>,
    batch: Option<Batch<B>>,
    relu: bool,
) -> FloatTensor<Autodiff<B, C>> {
    match AffineBack.prepare::<C>(nodes).compute_bound().stateful() {
        OpsKind::Tracked(prepared) => {
            let y = B::affine(x.clone(), &weight, &shift, passed, batch.as_ref(), relu);
            let state = State { x, y: relu.then(|| y.clone()), weight, batch };
            prepared.finish(state, y)
        }
        OpsKind::UnTracked(prepared) => {
            prepared.finish(B::affine(x, &weight, &shift, passed, batch.as_ref(), relu))
        }
    }
}

fn affine<B: RowsGradients, C: CheckpointStrategy>(
    of: [FloatTensor<Autodiff<B, C>>; 3],
    passed: Passed<Autodiff<B, C>>,
    batch: Option<Batch<B>>,
    relu: bool,
) -> FloatTensor<Autodiff<B, C>> {
    let [x, weight, shift] = of;
    let ((x, of_x), (weight, of_weight)) = (x.into_parts(), weight.into_parts());
    let (shift, of_shift) = shift.into_parts();
    let of = [x, weight, shift];
    match passed {
        Passed::Nothing => tracked::<B, C, 3>([of_x, of_weight, of_shift], of, None, batch, relu),
        Passed::By(passed) => {
            let (passed, of_passed) = passed.into_parts();
            let nodes = [of_x, of_weight, of_shift, of_passed];
            tracked::<B, C, 4>(nodes, of, Some(passed), batch, relu)
        }
    }
}

#[derive(Debug)]
struct PoolBack;

impl<B: RowsGradients> Backward<B, 1> for PoolBack {
    type State = (Vec<u16>, Pool);

    fn backward(self, ops: Ops<Self::State, 1>, gradients: &mut Gradients, _: &mut Checkpointer) {
        let gradient = gradients.consume::<B>(&ops.node);
        let (taps, pool) = ops.state;
        if let [Some(node)] = ops.parents {
            gradients.register::<B>(node.id, B::max_pool_gradient(&gradient, &taps, &pool));
        }
    }
}

impl<B: RowsGradients, C: CheckpointStrategy> Rows for Autodiff<B, C> {
    fn normalise(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        passed: Passed<Self>,
        relu: bool,
    ) -> (FloatTensor<Self>, FloatTensor<Self>, FloatTensor<Self>) {
        let (batch, variance) = B::statistics(x.primitive());
        let mean = Self::from_inner(batch.mean.clone());
        (affine([x, gamma, beta], passed, Some(batch), relu), mean, Self::from_inner(variance))
    }

    fn scale(
        x: FloatTensor<Self>,
        factor: FloatTensor<Self>,
        shift: FloatTensor<Self>,
        passed: Passed<Self>,
        relu: bool,
    ) -> FloatTensor<Self> {
        affine([x, factor, shift], passed, None, relu)
    }

    fn max_pool(x: FloatTensor<Self>, pool: Pool) -> FloatTensor<Self> {
        match PoolBack.prepare::<C>([x.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let (y, taps) = B::max_pool_taps(x.primitive(), &pool);
                prepared.finish((taps, pool), y)
            }
            OpsKind::UnTracked(prepared) => prepared.finish(B::max_pool(x.into_primitive(), pool)),
        }
    }
}
