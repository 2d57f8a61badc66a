//! Steps from gradients to weights: SGD with momentum, Adam (arXiv:1412.6980) and `AdamW` (arXiv:1711.05101).
//!
//! The moments are kept as one flat tensor for each trained parameter, in the order of the layers. Thus gradients add
//! up in a fixed order, the norm is that of the whole gradient, and the state is an ordinary `SafeTensors` file. (burn's optimisers
//! key their state by random ids and load it onto the first backend that was compiled in, whether it works or not.)

mod in_place;

use std::vec::IntoIter;

use burn::backend::Flex;
use burn::backend::flex::FlexTensor;
use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
use humboldt_schemas::card::{Optimiser as Kind, TrainingCard};

use super::flex::{is_flex, tensor_of};

const BETA_1: f64 = 0.9;
const BETA_2: f64 = 0.999;
const EPSILON: f64 = 1e-8;

/// The gradient of each trained parameter, flat, in the order of the layers.
pub(super) type Gradient = Vec<Tensor<1>>;

/// Running moments of the gradients.
#[derive(Module, Debug)]
pub(super) struct Moments {
    pub(super) first: Vec<Param<Tensor<1>>>,
    pub(super) second: Vec<Param<Tensor<1>>>,
}

impl Moments {
    /// Zero for every trained parameter of `network`; SGD has no second ones.
    pub(super) fn zeros<M: Module>(network: &M, kind: Kind, device: &Device) -> Self {
        struct Sizes(Vec<usize>);
        impl ModuleVisitor for Sizes {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                if param.is_require_grad() {
                    self.0.push(param.shape().num_elements());
                }
            }
        }
        let mut sizes = Sizes(Vec::new());
        network.visit(&mut sizes);
        let zeros = || {
            let zero = |&n: &usize| Param::from_tensor(Tensor::zeros([n], device)).set_require_grad(false);
            sizes.0.iter().map(zero).collect()
        };
        Self { first: zeros(), second: if kind == Kind::Sgd { Vec::new() } else { zeros() } }
    }
}

/// The optimiser with its state.
#[derive(Debug)]
pub(super) struct Optimiser {
    pub(super) kind: Kind,
    pub(super) momentum: f64,
    pub(super) weight_decay: f64,
    /// Largest norm of the whole gradient; 0 for no limit.
    pub(super) clip: f64,
    /// Steps taken.
    pub(super) steps: u64,
    pub(super) moments: Moments,
}

impl Optimiser {
    pub(super) fn new(card: &TrainingCard, moments: Moments, steps: u64) -> Self {
        Self {
            kind: card.optimiser,
            momentum: card.momentum,
            weight_decay: card.weight_decay,
            clip: card.clip_gradient,
            steps,
            moments,
        }
    }

    /// Moves the weights of `network` by one step at a learning rate of `rate`; on the CPU in place, if nobody else holds them.
    pub(super) fn step<M: Module>(&mut self, rate: f64, network: M, gradient: Gradient) -> M {
        let in_place = gradient.iter().all(is_flex);
        self.step_by(in_place, rate, network, gradient)
    }

    fn step_by<M: Module>(&mut self, in_place: bool, rate: f64, network: M, gradient: Gradient) -> M {
        self.steps += 1;
        let mut clip = 1.0;
        if self.clip > 0.0 {
            let norm = if in_place { in_place::squares(&gradient).sqrt() } else { norm(&gradient) };
            if norm > self.clip {
                clip = self.clip / norm;
            }
        }
        let n = self.steps as f64;
        let rule = Rule {
            kind: self.kind,
            rate,
            momentum: self.momentum,
            weight_decay: self.weight_decay,
            clip,
            bias: [1.0 - BETA_1.powf(n), 1.0 - BETA_2.powf(n)],
        };
        let [first, second] = [&mut self.moments.first, &mut self.moments.second].map(std::mem::take);
        let moved =
            Moments { first: Vec::with_capacity(first.len()), second: Vec::with_capacity(second.len()) };
        let (first, second) = (first.into_iter(), second.into_iter());
        let mut update = Update { rule, in_place, gradient: gradient.into_iter(), first, second, moved };
        let network = network.map(&mut update);
        self.moments = update.moved;
        network
    }
}

/// Change of each number by a step.
#[derive(Debug, Clone, Copy)]
struct Rule {
    kind: Kind,
    rate: f64,
    momentum: f64,
    weight_decay: f64,
    /// Factor of the gradient.
    clip: f64,
    /// Part of a constant gradient that each moment has by now.
    bias: [f64; 2],
}

impl Rule {
    /// Weights and velocity after a step.
    fn sgd(&self, [w, velocity]: [Tensor<1>; 2], g: Tensor<1>) -> [Tensor<1>; 2] {
        let g = self.clipped(g);
        let g = if self.weight_decay > 0.0 { g + w.clone() * self.weight_decay } else { g };
        let velocity = velocity * self.momentum + g;
        [w - velocity.clone() * self.rate, velocity]
    }

    /// Weights and both moments after a step.
    fn adam(&self, [w, first, second]: [Tensor<1>; 3], g: Tensor<1>) -> [Tensor<1>; 3] {
        let decoupled = self.kind == Kind::AdamW;
        let g = self.clipped(g);
        let g = if decoupled { g } else { g + w.clone() * self.weight_decay };
        let first = first * BETA_1 + g.clone() * (1.0 - BETA_1);
        let second = second * BETA_2 + g.clone() * g * (1.0 - BETA_2);
        let [c1, c2] = self.bias;
        let step = (first.clone() / c1) / ((second.clone() / c2).sqrt() + EPSILON);
        let kept = if decoupled { 1.0 - self.rate * self.weight_decay } else { 1.0 };
        [w * kept - step * self.rate, first, second]
    }

    fn clipped(&self, g: Tensor<1>) -> Tensor<1> {
        if self.clip < 1.0 { g * self.clip } else { g }
    }
}

/// The gradient of each trained parameter of `network`; zero where the loss does not depend on it.
pub(super) fn gradient_of<M: Module>(network: &M, gradients: &Gradients) -> Gradient {
    struct Collect<'a> {
        gradients: &'a Gradients,
        flat: Gradient,
    }
    impl ModuleVisitor for Collect<'_> {
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if param.is_require_grad() {
                let value = param.val();
                let n = param.shape().num_elements();
                let gradient = value.grad(self.gradients).unwrap_or_else(|| value.inner().zeros_like());
                self.flat.push(gradient.reshape([n]));
            }
        }
    }
    let mut collect = Collect { gradients, flat: Vec::new() };
    network.visit(&mut collect);
    collect.flat
}

/// The sum of gradients, added in the order given.
pub(super) fn sum(parts: impl IntoIterator<Item = Gradient>) -> Gradient {
    let add = |a: Gradient, b: Gradient| a.into_iter().zip(b).map(|(a, b)| a + b).collect();
    parts.into_iter().reduce(add).unwrap_or_default()
}

fn norm(gradient: &Gradient) -> f64 {
    // Flex adds up more than four million numbers by threads as they come; rows keep the order fixed.
    let square = |g: &Tensor<1>| {
        let n = g.dims()[0];
        let columns = if n.is_multiple_of(4096) { 4096 } else { n.min(1 << 20) };
        let rows = n / columns;
        let head = g.clone().narrow(0, 0, rows * columns).reshape([rows, columns]);
        let mut sums: Vec<f64> = (head.clone() * head).sum_dim(1).into_data().iter::<f64>().collect();
        if rows * columns < n {
            let tail = g.clone().narrow(0, rows * columns, n - rows * columns);
            sums.push((tail.clone() * tail).sum().into_scalar::<f64>());
        }
        sums.iter().sum::<f64>()
    };
    gradient.iter().map(square).sum::<f64>().sqrt()
}

/// Takes the moments in their order, and leaves those after the step.
struct Update {
    rule: Rule,
    in_place: bool,
    gradient: IntoIter<Tensor<1>>,
    first: IntoIter<Param<Tensor<1>>>,
    second: IntoIter<Param<Tensor<1>>>,
    moved: Moments,
}

impl Update {
    /// Weights and moments after a step.
    fn moved<const N: usize>(
        &self,
        of: [Tensor<1>; N],
        gradient: Tensor<1>,
        in_place: impl Fn(&Rule, [FlexTensor; N], FlexTensor) -> [FlexTensor; N],
        elsewhere: impl Fn(&Rule, [Tensor<1>; N], Tensor<1>) -> [Tensor<1>; N],
    ) -> [Tensor<1>; N] {
        if self.in_place {
            in_place(&self.rule, of.map(tensor_of), tensor_of(gradient)).map(Tensor::from_primitive::<Flex>)
        } else {
            elsewhere(&self.rule, of, gradient)
        }
    }
}

impl ModuleMapper for Update {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.is_require_grad() {
            return param;
        }
        let (Some(gradient), Some(first)) = (self.gradient.next(), self.first.next()) else { return param };
        let (id, tensor, mapper) = param.consume();
        let shape = tensor.dims();
        let w = tensor.inner().reshape([shape.iter().product::<usize>()]);
        let (first_id, first, first_mapper) = first.consume();
        let (w, first) = if let Some(second) = self.second.next() {
            let (second_id, second, second_mapper) = second.consume();
            let of = [w, first, second];
            let [w, first, second] = self.moved(of, gradient, Rule::adam_in_place, Rule::adam);
            self.moved.second.push(Param::from_mapped_value(second_id, second, second_mapper));
            (w, first)
        } else {
            let [w, first] = self.moved([w, first], gradient, Rule::sgd_in_place, Rule::sgd);
            (w, first)
        };
        self.moved.first.push(Param::from_mapped_value(first_id, first, first_mapper));
        Param::from_mapped_value(id, Tensor::from_inner(w.reshape(shape)).require_grad(), mapper)
    }
}

#[cfg(test)]
mod tests {
    use burn::optim::decay::WeightDecayConfig;
    use burn::optim::momentum::MomentumConfig;
    use burn::optim::{AdamConfig, AdamWConfig, GradientsParams, ModuleOptimizer, SgdConfig};
    use burn::tensor::TensorData;
    use humboldt_schemas::card::NetworkCard;

    use super::*;
    use crate::resnet::ResNet;

    fn network() -> ResNet {
        let card = NetworkCard {
            stem_filters: Some(2),
            stem_kernel: Some(3),
            blocks: Some(vec![1]),
            filters: Some(vec![3]),
            dense: Some(4),
            ..NetworkCard::default()
        };
        ResNet::init(&card.architecture(), 1, 5, &Device::flex().autodiff())
    }

    fn input() -> Tensor<5> {
        let data = (0..3 * 512).map(|i| ((i * 37 % 101) as f32 - 50.0) / 30.0).collect::<Vec<_>>();
        Tensor::from_inner(Tensor::from_data(TensorData::new(data, [3, 1, 8, 8, 8]), &Device::flex()))
    }

    fn flat(network: &ResNet) -> Vec<f32> {
        struct Values(Vec<f32>);
        impl ModuleVisitor for Values {
            fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
                self.0.extend(param.val().into_data().iter::<f32>());
            }
        }
        let mut values = Values(Vec::new());
        network.visit(&mut values);
        values.0
    }

    /// Five steps of both; the largest difference between weights.
    fn difference(card: &TrainingCard, mut theirs: ModuleOptimizer) -> f32 {
        let loss = |network: &ResNet| {
            let (output, _) = network.forward_train(input(), None, false);
            (output.clone() * output).sum()
        };
        let (mut a, mut b) = (network(), network());
        let moments = Moments::zeros(&a, card.optimiser, &Device::flex());
        let mut ours = Optimiser::new(card, moments, 0);
        for _ in 0..5 {
            let gradient = gradient_of(&a, &loss(&a).backward());
            a = ours.step(0.01, a, gradient);
            let gradients = GradientsParams::from_grads(loss(&b).backward(), &b);
            b = theirs.step(0.01, b, gradients);
        }
        assert!(flat(&a).iter().zip(flat(&network())).any(|(x, y)| (x - y).abs() > 0.01), "weights move");
        flat(&a).iter().zip(flat(&b)).map(|(x, y)| (x - y).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn burn_takes_the_same_steps() {
        let card = TrainingCard { weight_decay: 0.05, momentum: 0.8, ..TrainingCard::default() };
        let momentum = MomentumConfig::new().with_momentum(0.8).with_dampening(0.0);
        let sgd = SgdConfig::new()
            .with_weight_decay(Some(WeightDecayConfig::new(0.05)))
            .with_momentum(Some(momentum));
        let sgd_difference = difference(&card, sgd.init());
        assert!(sgd_difference < 1e-5, "sgd {sgd_difference}");
        let card = TrainingCard { optimiser: Kind::AdamW, ..card };
        let adamw = AdamWConfig::new().with_weight_decay(0.05).with_epsilon(1e-8);
        let adamw_difference = difference(&card, adamw.init());
        assert!(adamw_difference < 1e-5, "adamw {adamw_difference}");
        let card = TrainingCard { optimiser: Kind::Adam, ..card };
        let adam = AdamConfig::new().with_weight_decay(Some(WeightDecayConfig::new(0.05))).with_epsilon(1e-8);
        let adam_difference = difference(&card, adam.init());
        assert!(adam_difference < 1e-5, "adam {adam_difference}");
    }

    #[test]
    fn steps_in_place_are_those_of_other_devices() {
        let loss = |network: &ResNet| {
            let (output, _) = network.forward_train(input(), None, false);
            (output.clone() * output).sum()
        };
        for kind in [Kind::Sgd, Kind::Adam, Kind::AdamW] {
            let card = TrainingCard {
                optimiser: kind,
                weight_decay: 0.05,
                momentum: 0.8,
                clip_gradient: 0.5,
                ..TrainingCard::default()
            };
            let [here, elsewhere] = [true, false].map(|in_place| {
                let mut network = network();
                let mut optimiser = Optimiser::new(&card, Moments::zeros(&network, kind, &Device::flex()), 0);
                for _ in 0..5 {
                    let gradient = gradient_of(&network, &loss(&network).backward());
                    assert!(norm(&gradient) > card.clip_gradient, "it is clipped");
                    network = optimiser.step_by(in_place, 0.01, network, gradient);
                }
                let moments = optimiser.moments.first.iter().chain(&optimiser.moments.second);
                let moments = moments.flat_map(|m| m.val().into_data().iter::<f32>().collect::<Vec<_>>());
                flat(&network).into_iter().chain(moments).collect::<Vec<f32>>()
            });
            assert_eq!(here.len(), elsewhere.len());
            for (here, elsewhere) in here.iter().zip(&elsewhere) {
                assert!((here - elsewhere).abs() < 1e-5, "{kind:?}: {here} is not {elsewhere}");
            }
        }
    }

    #[test]
    fn a_network_that_others_hold_stays_as_it_is() {
        let held = network();
        let before = flat(&held);
        let card = TrainingCard::default();
        let mut optimiser = Optimiser::new(&card, Moments::zeros(&held, card.optimiser, &Device::flex()), 0);
        let (output, _) = held.forward_train(input(), None, false);
        let gradient = gradient_of(&held, &output.sum().backward());
        let moved = optimiser.step(0.01, held.clone(), gradient);
        assert_eq!(flat(&held), before);
        assert_ne!(flat(&moved), before);
    }

    #[test]
    fn gradient_is_clipped_by_its_whole_norm() {
        let tensor = |data: &[f32]| Tensor::<1>::from_data(data, &Device::flex());
        let gradient = vec![tensor(&[3.0, 0.0]), tensor(&[0.0, 4.0, 12.0])];
        let long = vec![tensor(&vec![1.0; 5_000]), tensor(&vec![2.0; 70_001])];
        for norm in [norm, |gradient: &Gradient| in_place::squares(gradient).sqrt()] {
            assert!((norm(&gradient) - 13.0).abs() < 1e-6);
            assert!((norm(&long) - 285_004.0_f64.sqrt()).abs() < 1e-4);
        }
    }
}
