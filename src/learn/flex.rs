//! The numbers of burn's CPU tensors, changed in place where nobody else holds them.

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::tensor::{DType, Device, Tensor, TensorData};

use super::parallel;

/// Whether a tensor is one of the CPU's, in single precision and without gradients.
pub(super) fn is_flex<const D: usize>(tensor: &Tensor<D>) -> bool {
    tensor.device() == Device::flex() && tensor.dtype() == DType::F32
}

/// Tensor of the CPU's backend behind one that [`is_flex`].
pub(super) fn tensor_of<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    match tensor.try_into_primitive::<Flex>() {
        Ok(tensor) => tensor,
        Err(error) => unreachable!("a tensor of the CPU: {error:?}"),
    }
}

/// The tensor with its numbers in the order of their indices, and no others beside them.
pub(super) fn whole(tensor: FlexTensor) -> FlexTensor {
    let n = tensor.layout().num_elements();
    let in_order = tensor.layout().contiguous_offsets() == Some((0, n));
    if in_order && tensor.storage::<f32>().len() == n { tensor } else { tensor.to_contiguous() }
}

/// A tensor of some numbers.
pub(super) fn tensor<const D: usize>(numbers: Vec<f32>, shape: [usize; D]) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(numbers, shape))
}

/// `n` numbers, 0 at first, that `f` writes block by block, while they are in the cache.
pub(super) fn made(n: usize, block: usize, f: impl Fn(usize, &mut [f32]) + Send + Sync) -> Vec<f32> {
    if !parallel::alone(n.div_ceil(block)) {
        let mut numbers = vec![0.0; n];
        parallel::each_of(numbers.chunks_mut(block).collect(), f);
        return numbers;
    }
    let mut numbers = Vec::with_capacity(n);
    for i in 0..n.div_ceil(block) {
        numbers.resize(n.min((i + 1) * block), 0.0);
        f(i, &mut numbers[i * block..]);
    }
    numbers
}

/// The tensor with its numbers changed by `f`, block by block: in place if nobody else holds them.
pub(super) fn changed(
    tensor: FlexTensor,
    block: usize,
    f: impl Fn(usize, &mut [f32]) + Send + Sync,
) -> FlexTensor {
    let mut tensor = whole(tensor);
    if let Some(numbers) = tensor.try_storage_mut::<f32>() {
        parallel::each_of(numbers.chunks_mut(block).collect(), f);
        return tensor;
    }
    let old = tensor.storage::<f32>();
    let numbers = made(old.len(), block, |i, numbers| {
        numbers.copy_from_slice(&old[i * block..][..numbers.len()]);
        f(i, numbers);
    });
    FlexTensor::from_data(TensorData::new(numbers, tensor.layout().shape().clone()))
}
