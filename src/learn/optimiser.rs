//! Steps from gradients to weights: SGD with momentum, Adam (arXiv:1412.6980) and `AdamW` (arXiv:1711.05101).
//!
//! The moments are kept as one flat tensor for each trained parameter, in the order of the layers. Thus gradients add
//! up in a fixed order, the norm is that of the whole gradient, and the state is an ordinary `SafeTensors` file. (burn's optimisers
//! key their state by random ids and load it onto the first backend that was compiled in, whether it works or not.)

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::{Device, Gradients, Tensor};
use humboldt_schemas::card::{Optimiser as Kind, TrainingCard};

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

    /// Moves the weights of `network` by one step at a learning rate of `rate`.
    pub(super) fn step<M: Module>(&mut self, rate: f64, network: M, mut gradient: Gradient) -> M {
        self.steps += 1;
        if self.clip > 0.0 {
            let norm = norm(&gradient);
            if norm > self.clip {
                gradient = gradient.into_iter().map(|g| g * (self.clip / norm)).collect();
            }
        }
        network.map(&mut Update { optimiser: self, rate, gradient: gradient.into_iter(), index: 0 })
    }

    fn update(&mut self, i: usize, rate: f64, w: Tensor<1>, g: Tensor<1>) -> Tensor<1> {
        let replace = |moment: &mut Param<Tensor<1>>, value: Tensor<1>| {
            *moment = moment.clone().map(|_| value);
        };
        match self.kind {
            Kind::Sgd => {
                let g = if self.weight_decay > 0.0 { g + w.clone() * self.weight_decay } else { g };
                let velocity = self.moments.first[i].val() * self.momentum + g;
                replace(&mut self.moments.first[i], velocity.clone());
                w - velocity * rate
            }
            Kind::Adam | Kind::AdamW => {
                let decoupled = self.kind == Kind::AdamW;
                let g = if decoupled { g } else { g + w.clone() * self.weight_decay };
                let first = self.moments.first[i].val() * BETA_1 + g.clone() * (1.0 - BETA_1);
                let second = self.moments.second[i].val() * BETA_2 + g.clone() * g * (1.0 - BETA_2);
                replace(&mut self.moments.first[i], first.clone());
                replace(&mut self.moments.second[i], second.clone());
                let n = self.steps as f64;
                let (c1, c2) = (1.0 - BETA_1.powf(n), 1.0 - BETA_2.powf(n));
                let step = (first / c1) / ((second / c2).sqrt() + EPSILON);
                let kept = if decoupled { 1.0 - rate * self.weight_decay } else { 1.0 };
                w * kept - step * rate
            }
        }
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

struct Update<'a> {
    optimiser: &'a mut Optimiser,
    rate: f64,
    gradient: std::vec::IntoIter<Tensor<1>>,
    index: usize,
}

impl ModuleMapper for Update<'_> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        if !param.is_require_grad() {
            return param;
        }
        let Some(gradient) = self.gradient.next() else { return param };
        let (id, tensor, mapper) = param.consume();
        let shape = tensor.dims();
        let flat = tensor.inner().reshape([shape.iter().product::<usize>()]);
        let moved = self.optimiser.update(self.index, self.rate, flat, gradient);
        self.index += 1;
        Param::from_mapped_value(id, Tensor::from_inner(moved.reshape(shape)).require_grad(), mapper)
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
    fn gradient_is_clipped_by_its_whole_norm() {
        let tensor = |data: &[f32]| Tensor::<1>::from_data(data, &Device::flex());
        let gradient = vec![tensor(&[3.0, 0.0]), tensor(&[0.0, 4.0, 12.0])];
        assert!((norm(&gradient) - 13.0).abs() < 1e-6);
        let long = vec![tensor(&vec![1.0; 5_000])];
        assert!((norm(&long) - 5_000.0_f64.sqrt()).abs() < 1e-6);
    }
}
