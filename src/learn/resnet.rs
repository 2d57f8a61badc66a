//! The 3D residual network: from the input tensor of an image to one number, or a few.
//!
//! Stem (convolution, batch norm, `ReLU`, max pool), stages of basic blocks, global average pool, dense layer with
//! `ReLU`, dropout, and one linear output. He et al., arXiv:1512.03385, in three dimensions as in the voxel study,
//! section 4. The study does not say whether its dense layer has an activation; we take `ReLU`, without which two
//! linear layers in a row would be one.
//!
//! Windows are padded symmetrically by k/2 as in `PyTorch`. `TensorFlow`'s SAME padding, which the study used, puts the
//! odd cell of a stride-2 window behind: the sizes are equal, the windows of those layers lie half a cell apart.

use std::iter;

use burn::module::Module;
use burn::nn::Linear;
use burn::nn::conv::Conv3d;
use burn::tensor::activation::relu;
use burn::tensor::{DType, Device, Tensor};
use humboldt_schemas::card::Architecture;

use super::convolution::{Layout, cast, to_rows};
use super::layers::{BatchNorm, BatchStatistics, Init, MaxPool, Phase, convolution};

/// The network's weights.
#[derive(Module, Debug)]
pub struct ResNet {
    stem: Conv3d,
    stem_norm: BatchNorm,
    pool: MaxPool,
    blocks: Vec<BasicBlock>,
    dense: Option<Linear>,
    output: Linear,
    /// Of each map of scores before the last, the finest first.
    maps: Vec<Linear>,
}

/// Two 3^3 convolutions and the connection that passes them by.
#[derive(Module, Debug)]
struct BasicBlock {
    conv1: Conv3d,
    norm1: BatchNorm,
    conv2: Conv3d,
    norm2: BatchNorm,
    shortcut: Option<Shortcut>,
}

/// A 1^3 convolution where a block changes the stride or the number of filters.
#[derive(Module, Debug)]
struct Shortcut {
    conv: Conv3d,
    norm: BatchNorm,
}

impl ResNet {
    /// A network with Kaiming-uniform weights, the same for the same seed on every device; `outputs` numbers come out.
    pub fn init(architecture: &Architecture, outputs: usize, seed: u64, device: &Device) -> Self {
        let a = architecture;
        let mut init = Init::new(seed, device).with_circular_chi(a.circular_chi);
        let stem = init.conv(a.input_channels(), a.stem_filters, a.stem_kernel, a.stem_stride);
        let stem_norm = init.norm(a.stem_filters);
        let mut width = a.stem_filters;
        let mut blocks = Vec::with_capacity(a.blocks.iter().sum());
        for (stage, (&count, &filters)) in a.blocks.iter().zip(&a.filters).enumerate() {
            for block in 0..count {
                let stride = if stage > 0 && block == 0 { 2 } else { 1 };
                blocks.push(BasicBlock::init(&mut init, width, filters, stride));
                width = filters;
            }
        }
        let dense = (a.dense > 0).then(|| init.linear(width, a.dense, 6.0));
        let output = init.linear(if a.dense > 0 { a.dense } else { width }, outputs, 3.0);
        let widths = iter::once(a.stem_filters).chain(a.filters[..a.filters.len() - 1].iter().copied());
        let mut maps = Vec::new();
        if a.score_pyramid {
            // From 0 on: what a fine map says adds up over many cells.
            maps.extend(widths.map(|width| init.linear(width, outputs, 0.0)));
        }
        Self {
            stem,
            stem_norm,
            pool: MaxPool { kernel: a.pool_kernel, stride: a.pool_stride, circular_chi: a.circular_chi },
            blocks,
            dense,
            output,
            maps,
        }
    }

    /// Predictions with the running statistics of the batch norms and without dropout.
    ///
    /// # Shapes
    /// `input` [batch, channels, `cos_theta_l`, `cos_theta_k`, chi] -> [batch, outputs].
    pub fn forward(&self, input: Tensor<5>) -> Tensor<2> {
        self.run(input, None, &mut Phase::Evaluation)
    }

    /// Predictions while learning: with the statistics of the batch, which are handed out, or the running ones if
    /// `frozen`, and with the dense layer's output multiplied by `dropout`.
    ///
    /// # Shapes
    /// `input` as in [`ResNet::forward`], `dropout` [batch, dense] -> [batch, outputs].
    pub fn forward_train(
        &self,
        input: Tensor<5>,
        dropout: Option<Tensor<2>>,
        frozen: bool,
    ) -> (Tensor<2>, BatchStatistics) {
        let mut statistics = Vec::new();
        let mut phase = if frozen { Phase::Evaluation } else { Phase::Training(&mut statistics) };
        let output = self.run(input, dropout, &mut phase);
        (output, statistics)
    }

    /// The outputs of each cell that the last stage leaves, in place of those of their mean: without a dense layer, the mean of
    /// the one is the other. Those of a pyramid's finer maps stand before them; each map is what the one before says of
    /// its cells, as it stands, and its own outputs.
    ///
    /// # Shapes
    /// `input` as in [`ResNet::forward`] -> [batch, outputs * cells].
    pub fn forward_train_maps(&self, input: Tensor<5>, frozen: bool) -> (Tensor<2>, BatchStatistics) {
        let mut statistics = Vec::new();
        let mut phase = if frozen { Phase::Evaluation } else { Phase::Training(&mut statistics) };
        let (x, mut maps) = self.trunk(input, &mut phase);
        maps.push(mapped(&self.output, x));
        let mut before: Option<Tensor<5>> = None;
        let mut all = Vec::new();
        for own in maps {
            let map = match before {
                Some(before) => own.clone() + merged(before.detach(), own.dims()),
                None => own,
            };
            let [l, k, c, batch, outputs] = map.dims();
            let columns = map.clone().reshape([l * k * c, batch, outputs]).permute([1, 2, 0]); // [batch, outputs, cells]
            all.push(columns.reshape([batch, outputs * l * k * c]));
            before = Some(map);
        }
        (Tensor::cat(all, 1), statistics)
    }

    /// Moves the running statistics of every batch norm towards those of a batch; none leave them as they are.
    #[must_use]
    pub fn with_statistics(mut self, statistics: BatchStatistics) -> Self {
        for (norm, (mean, variance)) in self.norms().into_iter().zip(statistics) {
            norm.update(mean, variance);
        }
        self
    }

    /// The batch norms in the order in which an input passes them.
    fn norms(&mut self) -> Vec<&mut BatchNorm> {
        let mut norms = vec![&mut self.stem_norm];
        for block in &mut self.blocks {
            norms.push(&mut block.norm1);
            norms.push(&mut block.norm2);
            norms.extend(block.shortcut.as_mut().map(|s| &mut s.norm));
        }
        norms
    }

    /// Output of the last stage in single precision (before, the input's decides), and a pyramid's outputs behind the stem and the
    /// stages before.
    ///
    /// # Shapes
    /// [`cos_theta_l`, `cos_theta_k`, chi, batch, filters or outputs]
    fn trunk(&self, input: Tensor<5>, phase: &mut Phase) -> (Tensor<5>, Vec<Tensor<5>>) {
        let layout = Layout::of(&input.device(), input.dtype());
        let input = match layout {
            Layout::Channels => input,
            Layout::Rows { .. } => to_rows(cast(input, DType::F32)),
        };
        let x = convolution(&self.stem, input, layout); // stem_filters for channels, axes halved for stride 2
        let x = self.stem_norm.forward(x, None, true, layout, phase); // the same
        let in_rows = |x: Tensor<5>| match layout {
            Layout::Channels => to_rows(cast(x, DType::F32)),
            Layout::Rows { .. } => x,
        };
        let mut maps = Vec::new();
        let mut heads = self.maps.iter();
        maps.extend(heads.next().map(|head| mapped(head, in_rows(x.clone()))));
        let mut x = self.pool.forward(x, layout); // halved again
        for block in &self.blocks {
            if block.conv1.stride != [1; 3] {
                maps.extend(heads.next().map(|head| mapped(head, in_rows(x.clone()))));
            }
            x = block.forward(x, layout, phase); // filters of its stage; halved where one begins
        }
        (in_rows(x), maps)
    }

    fn run(&self, input: Tensor<5>, dropout: Option<Tensor<2>>, phase: &mut Phase) -> Tensor<2> {
        let (x, maps) = self.trunk(input, phase);
        let last = x.dims()[..3].iter().product::<usize>() as f64;
        let mut x = mean(x); // [batch, filters]
        if let Some(dense) = &self.dense {
            x = relu(dense.forward(x)); // [batch, dense]
        }
        if let Some(mask) = dropout {
            x = x * mask; // the same
        }
        let output = self.output.forward(x); // [batch, outputs]
        maps.into_iter().fold(output, |output, map| {
            let cells = map.dims()[..3].iter().product::<usize>() as f64;
            output + mean(map) * (cells / last).sqrt() // the same
        })
    }
}

/// Mean over cells.
///
/// # Shapes
/// [`cos_theta_l`, `cos_theta_k`, chi, batch, channels] -> [batch, channels].
fn mean(x: Tensor<5>) -> Tensor<2> {
    let [l, k, c, batch, channels] = x.dims();
    x.reshape([l * k * c, batch, channels]).mean_dim(0).squeeze_dim::<2>(0)
}

/// A linear layer for each cell of each image.
///
/// # Shapes
/// [`cos_theta_l`, `cos_theta_k`, chi, batch, filters] -> the same with outputs for filters.
fn mapped(head: &Linear, x: Tensor<5>) -> Tensor<5> {
    let [l, k, c, batch, filters] = x.dims();
    let x = head.forward(x.reshape([l * k * c * batch, filters])); // [cells * batch, outputs]
    let outputs = x.dims()[1];
    x.reshape([l, k, c, batch, outputs])
}

/// A map in the cells of a coarser one: sums over them, in units in which independent cells leave the spread as it is.
///
/// # Shapes
/// [`cos_theta_l`, `cos_theta_k`, chi, batch, outputs] -> `sizes`.
fn merged(mut map: Tensor<5>, sizes: [usize; 5]) -> Tensor<5> {
    let cells = |dims: [usize; 5]| dims[..3].iter().product::<usize>() as f64;
    let unit = (cells(sizes) / cells(map.dims())).sqrt();
    for axis in 0..3 {
        let dims = map.dims();
        let (before, after) = (dims[axis], sizes[axis]);
        let each = before.div_ceil(after);
        if each > 1 {
            let (outer, inner) = (dims[..axis].iter().product(), dims[axis + 1..].iter().product());
            let rows = map.reshape([outer, before, inner]);
            let rows = match each * after - before {
                0 => rows,
                missing => {
                    let empty = Tensor::zeros([outer, missing, inner], &rows.device());
                    Tensor::cat(vec![rows, empty], 1)
                }
            };
            let mut dims = dims;
            dims[axis] = after;
            map = rows.reshape([outer, after, each, inner]).sum_dim(2).reshape(dims);
        }
    }
    map * unit
}

impl BasicBlock {
    fn init(init: &mut Init, channels: usize, filters: usize, stride: usize) -> Self {
        let conv1 = init.conv(channels, filters, 3, stride);
        let conv2 = init.conv(filters, filters, 3, 1);
        let shortcut = (stride != 1 || channels != filters)
            .then(|| Shortcut { conv: init.conv(channels, filters, 1, stride), norm: init.norm(filters) });
        Self { conv1, norm1: init.norm(filters), conv2, norm2: init.norm(filters), shortcut }
    }

    fn forward(&self, input: Tensor<5>, layout: Layout, phase: &mut Phase) -> Tensor<5> {
        let x = convolution(&self.conv1, input.clone(), layout); // filters for channels, axes / stride
        let x = self.norm1.forward(x, None, true, layout, phase); // the same
        let x = convolution(&self.conv2, x, layout); // the same
        let Some(shortcut) = &self.shortcut else {
            return self.norm2.forward(x, Some(input), true, layout, phase); // the same
        };
        // Statistics come in the order of the layers: the block's own first.
        let own = self.norm2.forward(x, None, false, layout, phase); // the same
        let passed = convolution(&shortcut.conv, input, layout); // the same
        shortcut.norm.forward(passed, Some(own), true, layout, phase) // the same
    }
}

#[cfg(test)]
mod tests {
    use burn::module::{ModuleMapper, ModuleVisitor, Param};
    use burn::tensor::TensorData;
    use humboldt_schemas::card::{ImageSupervision, NetworkCard};

    use super::*;

    fn architecture() -> Architecture {
        NetworkCard {
            stem_filters: Some(2),
            stem_kernel: Some(3),
            blocks: Some(vec![1, 1]),
            filters: Some(vec![2, 3]),
            dense: Some(4),
            ..NetworkCard::default()
        }
        .architecture()
    }

    /// The weights of `tests/reference/make_resnet.py`.
    #[derive(Default)]
    struct Reference {
        tensor: usize,
        names: Vec<String>,
    }

    impl ModuleMapper for Reference {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.names.push(name.to_owned());
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.names.pop();
        }

        fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
            let name = self.names.last().map_or("", String::as_str);
            let base = if matches!(name, "gamma" | "running_variance") { 1.0 } else { 0.0 };
            let (t, n) = (self.tensor as f64, param.shape().num_elements());
            let data = (0..n).map(|j| (base + 0.3 * (1.7 * j as f64 + 0.5 * t + 0.1).sin()) as f32);
            let data = TensorData::new(data.collect::<Vec<_>>(), param.shape());
            self.tensor += 1;
            let (id, tensor, mapper) = param.consume();
            let value = Tensor::from_data(data, &Device::flex());
            let value = Tensor::from_inner(value).set_require_grad(tensor.is_require_grad());
            Param::from_mapped_value(id, value, mapper)
        }
    }

    struct Gradients(Vec<Vec<f64>>, burn::tensor::Gradients);
    impl ModuleVisitor for Gradients {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            let gradient = param.val().grad(&self.1);
            self.0.push(gradient.map_or(Vec::new(), |g| g.into_data().iter::<f64>().collect()));
        }
    }

    #[test]
    fn numpy_forward_and_gradients() {
        let text = include_str!("../../tests/reference/resnet.json");
        let reference: serde_json::Value = serde_json::from_str(text).unwrap();
        let list = |key: &str| -> Vec<f64> {
            reference[key].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
        };
        let network = ResNet::init(&architecture(), 1, 1, &Device::flex().autodiff());
        let network = network.map(&mut Reference::default());
        let data: Vec<f32> =
            (0..3 * 729).map(|i| (2.0 * (0.9 * f64::from(i).powf(1.1)).cos()) as f32).collect();
        let input = || {
            let data = TensorData::new(data.clone(), [3, 1, 9, 9, 9]);
            Tensor::from_inner(Tensor::<5>::from_data(data, &Device::flex()))
        };
        // Single precision through ten layers, against double.
        let close = |got: Tensor<2>, expected: Vec<f64>| {
            for (got, expected) in got.into_data().iter::<f64>().zip(expected) {
                assert!((got - expected).abs() < 1e-5, "{got} is not {expected}");
            }
        };
        close(network.forward(input()), list("evaluation"));
        let (output, statistics) = network.forward_train(input(), None, false);
        assert_eq!(statistics.len(), 6);
        close(output.clone(), list("training"));

        let mut gradients = Gradients(Vec::new(), (output.clone() * output).sum().backward());
        network.visit(&mut gradients);
        let mut compared = 0;
        for expected in reference["gradients"].as_array().unwrap() {
            let index = |key: &str| usize::try_from(expected[key].as_u64().unwrap()).unwrap();
            let (tensor, element) = (index("tensor"), index("element"));
            if let Some(got) = gradients.0[tensor].get(element) {
                let value = expected["value"].as_f64().unwrap();
                assert!((got - value).abs() < 1e-4, "tensor {tensor}[{element}]: {got} is not {value}");
                compared += 1;
            }
        }
        assert!(compared > 30, "{compared} gradients compared");
    }

    /// Convolutions in half precision, norms and head in single: outputs and gradients within what eight bits leave.
    #[test]
    fn half_precision_changes_little() {
        let network = ResNet::init(&architecture(), 1, 1, &Device::flex().autodiff());
        let data: Vec<f32> = (0..4 * 729).map(|i| (0.3 * (i as f32).powf(1.2)).sin()).collect();
        let run = |precision: DType| {
            let input =
                Tensor::<5>::from_data(TensorData::new(data.clone(), [4, 1, 9, 9, 9]), &Device::flex());
            let input = Tensor::from_inner(input).cast(precision);
            let (output, statistics) = network.forward_train(input, None, false);
            assert!(output.dtype() == DType::F32 && statistics.iter().all(|(m, _)| m.dtype() == DType::F32));
            let mut gradients = Gradients(Vec::new(), (output.clone() * output.clone()).sum().backward());
            network.visit(&mut gradients);
            (output.into_data().iter::<f64>().collect::<Vec<f64>>(), gradients.0.concat())
        };
        let (single, half) = (run(DType::F32), run(DType::BF16));
        let distance = |a: &[f64], b: &[f64]| {
            let square = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x * x).sum::<f64>().sqrt();
            square(&mut a.iter().zip(b).map(|(a, b)| a - b)) / square(&mut b.iter().copied())
        };
        let (outputs, gradients) = (distance(&half.0, &single.0), distance(&half.1, &single.1));
        assert!(outputs > 0.0 && outputs < 0.05 && gradients < 0.1, "{outputs} {gradients}");
    }

    /// Turned in chi, an image is the same to a network that knows chi as an angle.
    #[test]
    fn chi_goes_on_at_its_other_end() {
        let network = |circular| {
            let card = NetworkCard {
                circular_chi: Some(circular),
                stem_filters: Some(3),
                stem_kernel: Some(5),
                stem_stride: Some(1),
                pool_kernel: Some(3),
                pool_stride: Some(1),
                blocks: Some(vec![1]),
                filters: Some(vec![3]),
                dense: Some(0),
                ..NetworkCard::default()
            };
            ResNet::init(&card.architecture(), 2, 1, &Device::flex())
        };
        let image = |turned: usize| {
            let cell = |i: usize| i / 8 * 8 + (i % 8 + turned) % 8;
            let data: Vec<f32> = (0..512).map(|i| (1.3 * cell(i) as f32).sin()).collect();
            Tensor::<5>::from_data(TensorData::new(data, [1, 1, 8, 8, 8]), &Device::flex())
        };
        let change = |circular| {
            let network = network(circular);
            let outputs = [0, 3].map(|turned| network.forward(image(turned)));
            let [a, b] = outputs;
            (a - b).abs().max().into_scalar::<f32>()
        };
        assert!(change(true) < 1e-5 && change(false) > 1e-4, "{} {}", change(true), change(false));
    }

    #[test]
    fn the_mean_over_cells_is_the_output() {
        let a = NetworkCard {
            dense: Some(0),
            stem_filters: Some(2),
            blocks: Some(vec![1, 1]),
            filters: Some(vec![2, 3]),
            ..NetworkCard::default()
        };
        let network = ResNet::init(&a.architecture(), 2, 1, &Device::flex());
        let data: Vec<f32> = (0..2 * 4096).map(|i| (0.3 * i as f32).sin()).collect();
        let input = Tensor::<5>::from_data(TensorData::new(data, [2, 1, 16, 16, 16]), &Device::flex());
        let (map, _) = network.forward_train_maps(input.clone(), true);
        let map_of = NetworkCard { supervision: Some(ImageSupervision::ScoreMap), ..a.clone() };
        let cells = map_of.architecture().maps(16)[0].count();
        assert_eq!(map.dims(), [2, 2 * cells]);
        let mean = map.reshape([4, cells]).mean_dim(1).reshape([2, 2]);
        assert!((mean - network.forward(input)).abs().max().into_scalar::<f32>() < 1e-5);
    }

    /// Of a pyramid the mean over the last map; finer maps are summed in the cells of the coarser ones.
    #[test]
    fn the_mean_over_the_last_map_of_a_pyramid_is_the_output() {
        let a = NetworkCard {
            supervision: Some(ImageSupervision::ScorePyramid),
            references: Some(vec![-1.0, 0.5]),
            stem_filters: Some(2),
            blocks: Some(vec![1, 1, 1]),
            filters: Some(vec![2, 3, 4]),
            ..NetworkCard::default()
        };
        let a = a.architecture();
        let maps = a.maps(18);
        assert_eq!(maps.iter().map(|map| map.size).collect::<Vec<_>>(), [9, 5, 3, 2]);
        let network = ResNet::init(&a, 2, 1, &Device::flex());
        let data: Vec<f32> = (0..2 * 5832).map(|i| (0.3 * i as f32).sin()).collect();
        let input = Tensor::<5>::from_data(TensorData::new(data, [2, 1, 18, 18, 18]), &Device::flex());
        let (all, _) = network.forward_train_maps(input.clone(), true);
        assert_eq!(all.dims(), [2, 2 * maps.iter().map(|map| map.count()).sum::<usize>()]);
        let last = all.clone().narrow(1, all.dims()[1] - 16, 16).reshape([4, 8]).mean_dim(1).reshape([2, 2]);
        let output = network.forward(input.clone());
        assert!(
            (last - output.clone()).abs().max().into_scalar::<f32>()
                < 1e-4 * output.abs().max().into_scalar::<f32>()
        );

        // Without outputs of its own the second map has the sums of the first, ends of odd axes too.
        let mut network = network;
        for head in &mut network.maps[1..] {
            head.weight = head.weight.clone().map(|w| w * 0.0);
        }
        let (all, _) = network.forward_train_maps(input, true);
        let all: Vec<f32> = all.into_data().iter::<f32>().collect();
        let mut sums = vec![0.0_f32; 125];
        for (i, x) in all[..729].iter().enumerate() {
            sums[(i / 162 * 5 + i / 9 % 9 / 2) * 5 + i % 9 / 2] += x;
        }
        let unit = (125.0_f32 / 729.0).sqrt();
        for (got, sum) in all[2 * 729..].iter().zip(sums) {
            assert!((got - sum * unit).abs() < 1e-4 * sum.abs().max(1.0), "{got} {sum}");
        }
    }

    #[test]
    fn max_pool_is_a_maximum_over_cubes() {
        let data: Vec<f32> = (0..125).map(|i| (i * 71 % 125) as f32).collect();
        let x = Tensor::<5>::from_data(TensorData::new(data.clone(), [1, 1, 5, 5, 5]), &Device::flex());
        let got: Vec<f32> = MaxPool { kernel: 3, stride: 2, circular_chi: false }
            .forward(x, Layout::Channels)
            .into_data()
            .iter::<f32>()
            .collect();
        let window = |i: usize| (2 * i).saturating_sub(1)..(2 * i + 2).min(5);
        for (index, got) in got.iter().enumerate() {
            let mut largest = f32::MIN;
            for l in window(index / 9) {
                for k in window(index / 3 % 3) {
                    largest = window(index % 3).map(|c| data[(l * 5 + k) * 5 + c]).fold(largest, f32::max);
                }
            }
            assert!((got - largest).abs() < f32::EPSILON);
        }
    }

    #[test]
    fn same_seed_gives_the_same_first_weights() {
        let first = |seed| {
            let network = ResNet::init(&architecture(), 1, seed, &Device::flex());
            network.stem.weight.val().into_data().iter::<f32>().collect::<Vec<_>>()
        };
        assert_eq!(first(3), first(3));
        assert_ne!(first(3), first(4));
    }
}
