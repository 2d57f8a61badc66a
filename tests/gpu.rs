//! The GPU's code path against the CPU's: outputs, the whole gradient and a step of the optimiser, for a residual network
//! and the networks over sets; a short training.
//!
//! By name, on a machine with a Vulkan driver (a software one will do, see docs/learning.md):
//! `cargo test --features vulkan --test integration gpu:: -- --ignored --nocapture`

#![cfg(feature = "vulkan")]
#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use humboldt::learn::{
    Compute, DeviceName, Event, ImageSource, LearnError, Model, Progress, Trained, Training,
};
use humboldt_physics::Axes;
use humboldt_pipeline::EventBatch;
use humboldt_schemas::card::{
    AnyArchitecture, Channel, Elements, Loss, NetworkCard, Optimiser, Preset, Schedule, TrainingCard,
};

const BINS: usize = 16;
const IMAGES: usize = 12;
const EVENTS: usize = 200;

/// Images whose cells, and events whose q2, follow from their number.
struct Waves;

impl ImageSource for Waves {
    fn len(&self) -> usize {
        IMAGES
    }

    fn bins(&self) -> usize {
        BINS
    }

    fn labels(&self, index: usize) -> Vec<f64> {
        vec![(index / 3) as f64 / 2.0 - 1.0]
    }

    fn read(&self, index: usize, image: &mut [f32]) -> Result<(), LearnError> {
        for (cell, value) in image.iter_mut().enumerate() {
            let phase = (cell * (index + 3)) as f32;
            *value = if cell % 5 == 0 { 9.0 + 8.0 * (0.37 * phase).sin() } else { 0.0 };
        }
        Ok(())
    }

    fn events(&self, index: usize, most: usize, events: &mut EventBatch) -> Result<(), LearnError> {
        let wave = |step: f32| {
            (0..most.min(EVENTS)).map(|i| (step * (i * (index + 3)) as f32).sin()).collect::<Vec<_>>()
        };
        events.q2 = wave(0.31).iter().map(|x| 9.0 + 8.0 * x).collect();
        (events.cos_theta_l, events.cos_theta_k, events.chi) = (wave(0.7), wave(0.9), wave(1.3));
        Ok(())
    }
}

fn gpu() -> Compute {
    // lavapipe 22.3.6, which ends long loops early, is refused otherwise; the networks here are small.
    DeviceName::Vulkan(0).open_unchecked().expect("a Vulkan driver")
}

fn train(
    network: &NetworkCard,
    card: &TrainingCard,
    compute: &Compute,
    folder: &Path,
    progress: &dyn Progress,
) -> Option<Trained> {
    let architecture: AnyArchitecture = network.any_architecture();
    let training = Training {
        card,
        architecture: &architecture,
        scores: None,
        seed: 4,
        events: EVENTS,
        axes: Axes::of_c9([-2.0, 1.1]),
        provenance: serde_json::Value::Null,
        train: &Waves,
        validation: &Waves,
        compute,
        memory: u64::MAX,
    };
    training.run(folder, progress).unwrap()
}

/// All numbers of a file of tensors.
fn numbers(path: &Path) -> Vec<f32> {
    let bytes = fs::read(path).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].chunks_exact(4).map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect()
}

/// |x - y| / |y|.
fn relative(x: &[f32], y: &[f32]) -> f64 {
    assert_eq!(x.len(), y.len());
    let norm = |terms: &mut dyn Iterator<Item = f64>| terms.map(|t| t * t).sum::<f64>().sqrt();
    let difference = norm(&mut x.iter().zip(y).map(|(x, y)| f64::from(x - y)));
    difference / norm(&mut y.iter().map(|y| f64::from(*y)))
}

/// One step of plain gradient descent on both devices, whose first moment is the gradient itself.
fn compare(network: &NetworkCard, loss: Loss) {
    let (gpu, cpu) = (gpu(), Compute::cpu());
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let card = TrainingCard {
        batch_size: IMAGES,
        epochs: 1,
        loss,
        optimiser: Optimiser::Sgd,
        momentum: 0.0,
        learning_rate: 0.01,
        ..TrainingCard::default()
    };
    let name = format!("{} {}", network.preset.name(), loss.name());
    let on_gpu = train(network, &card, &gpu, a.path(), &()).unwrap();
    let on_cpu = train(network, &card, &cpu, b.path(), &()).unwrap();
    let of = |folder: &Path, file: &str| numbers(&folder.join("checkpoints/epoch-00001").join(file));
    let [gradient, weights] = ["moments.safetensors", "weights.safetensors"]
        .map(|file| relative(&of(a.path(), file), &of(b.path(), file)));
    let losses = [&on_gpu, &on_cpu].map(|trained| trained.history[0].train_loss);
    let loss = (losses[0] / losses[1] - 1.0).abs();
    println!("{name}: training loss {:.6}, differs by {loss:.1e}", losses[1]);
    println!("{name}: the gradient differs by {gradient:.1e}, weights after a step by {weights:.1e}");

    // The same weights on both.
    let (calibrated, set) = (network.preset == Preset::Event, tempfile::tempdir().unwrap());
    let model = if calibrated { on_gpu.model.calibrated(&Waves, &()).unwrap() } else { on_gpu.model.clone() };
    model.save(set.path()).unwrap();
    let same = Model::load(set.path(), &cpu).unwrap();
    let of = |model: &Model| model.predict(&Waves, &()).unwrap().unwrap();
    let (outputs, expected) = (of(&model), of(&same));
    let size = expected.iter().fold(0.0_f64, |m, y| m.max(y.abs()));
    let output = outputs.iter().zip(&expected).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
    println!("{name}: outputs up to {size:.3} differ by {output:.1e}");

    assert!(loss < 1e-4, "{name}: training losses {losses:?}");
    assert!(gradient < 1e-3, "{name}: the gradient differs by {gradient}");
    assert!(weights < 1e-3, "{name}: weights after a step differ by {weights}");
    assert!(output < 1e-3, "{name}: outputs differ by {output}");
}

fn set(preset: Preset, elements: Elements) -> NetworkCard {
    NetworkCard { preset, elements: Some(elements), layers: Some(vec![16, 16]), ..NetworkCard::default() }
}

#[test]
#[ignore = "needs a Vulkan driver; minutes on a software one"]
fn residual_network_is_the_same_on_vulkan() {
    let card = NetworkCard {
        preset: Preset::Resnet10,
        channels: Some(vec![Channel::MeanQ2, Channel::Coordinates]),
        filters: Some(vec![4, 8, 8, 8]),
        dense: Some(16),
        dropout: Some(0.25),
        ..NetworkCard::default()
    };
    compare(&card, Loss::Mse);
}

#[test]
#[ignore = "needs a Vulkan driver"]
fn networks_over_sets_are_the_same_on_vulkan() {
    compare(&set(Preset::Set, Elements::Events), Loss::Gaussian);
    compare(&set(Preset::Set, Elements::Cells), Loss::Quantile);
    compare(&set(Preset::Event, Elements::Events), Loss::Huber);
}

/// Micro-batches, second moments, a limit on the gradient; a training that is broken off and goes on ends with the same bits.
#[test]
#[ignore = "needs a Vulkan driver"]
fn training_goes_the_same_way_on_vulkan() {
    let network = set(Preset::Set, Elements::Events);
    let card = TrainingCard {
        batch_size: 4,
        micro_batch: Some(2),
        epochs: 4,
        loss: Loss::Mae,
        optimiser: Optimiser::AdamW,
        schedule: Schedule::Cosine,
        learning_rate: 0.003,
        clip_gradient: 1.0,
        ..TrainingCard::default()
    };
    let weights =
        |folder: &Path| numbers(&folder.join("checkpoints/epoch-00004").join("weights.safetensors"));
    let (gpu, cpu) = (gpu(), Compute::cpu());
    let [a, b, c] = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let on_gpu = train(&network, &card, &gpu, a.path(), &()).unwrap();
    let on_cpu = train(&network, &card, &cpu, b.path(), &()).unwrap();
    for (gpu, cpu) in on_gpu.history.iter().zip(&on_cpu.history) {
        println!("training loss {:.6} on the GPU, {:.6} on the CPU", gpu.train_loss, cpu.train_loss);
        assert!((gpu.train_loss / cpu.train_loss - 1.0).abs() < 1e-3);
        assert!((gpu.validation_loss / cpu.validation_loss - 1.0).abs() < 1e-3);
    }
    let difference = relative(&weights(a.path()), &weights(b.path()));
    println!("weights after twelve steps differ by {difference:.1e}");
    assert!(difference < 1e-3, "weights differ by {difference}");

    let stop = |event: Event| match event {
        Event::Epoch(metrics) if metrics.epoch == 2 => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    assert!(train(&network, &card, &gpu, c.path(), &stop).is_none());
    train(&network, &card, &gpu, c.path(), &()).unwrap();
    assert_eq!(weights(a.path()), weights(c.path()));
}

#[test]
#[ignore = "needs a Vulkan driver"]
fn a_number_without_a_device_says_how_many_there_are() {
    let error = DeviceName::Vulkan(99).open().unwrap_err().to_string();
    assert!(
        error.starts_with("device vulkan:99 does not work here: the Vulkan drivers here have "),
        "{error}"
    );
}
