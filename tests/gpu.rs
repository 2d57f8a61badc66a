//! The GPU's code path against the CPU's: outputs, gradients by way of one step of the optimiser, and networks over sets.
//!
//! By name, on a machine with a Vulkan driver (a software one will do, see docs/learning.md):
//! `cargo test --features vulkan --test gpu -- --ignored`

#![cfg(feature = "vulkan")]
#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs;
use std::path::Path;

use humboldt::learn::{Compute, DeviceName, ImageSource, LearnError, Model, Training};
use humboldt_pipeline::EventBatch;
use humboldt_schemas::card::{AnyArchitecture, Channel, Loss, NetworkCard, Optimiser, Preset, TrainingCard};

const BINS: usize = 16;

/// Images whose cells, and events whose q2, follow from their number.
struct Waves;

impl ImageSource for Waves {
    fn len(&self) -> usize {
        8
    }

    fn bins(&self) -> usize {
        BINS
    }

    fn label(&self, index: usize) -> f64 {
        index as f64 / 4.0 - 1.0
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
            (0..most.min(200)).map(|i| (step * (i * (index + 3)) as f32).sin()).collect::<Vec<_>>()
        };
        events.q2 = wave(0.31).iter().map(|x| 9.0 + 8.0 * x).collect();
        (events.cos_theta_l, events.cos_theta_k, events.chi) = (wave(0.7), wave(0.9), wave(1.3));
        Ok(())
    }
}

/// One step of plain gradient descent: weights differ by the gradient times the rate.
fn one_step(architecture: &AnyArchitecture, compute: &Compute, folder: &Path) -> Model {
    let card = TrainingCard {
        batch_size: 8,
        epochs: 1,
        loss: Loss::Mse,
        optimiser: Optimiser::Sgd,
        momentum: 0.0,
        learning_rate: 1.0,
        ..TrainingCard::default()
    };
    let training = Training {
        card: &card,
        architecture,
        scores: None,
        seed: 4,
        events: 200,
        also: Vec::new(),
        provenance: serde_json::Value::Null,
        train: &Waves,
        validation: &Waves,
        compute,
        memory: u64::MAX,
    };
    training.run(folder, &()).unwrap().unwrap().model
}

/// All numbers of a file of weights.
fn weights(folder: &Path) -> Vec<f32> {
    let bytes = fs::read(folder.join("checkpoints/epoch-00001/weights.safetensors")).unwrap();
    let header = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[8 + header..].chunks_exact(4).map(|x| f32::from_le_bytes(x.try_into().unwrap())).collect()
}

fn compare(architecture: &AnyArchitecture) {
    let gpu = DeviceName::Vulkan(0).open().expect("a Vulkan driver");
    let cpu = Compute::cpu();
    let (a, b) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let on_gpu = one_step(architecture, &gpu, a.path());
    one_step(architecture, &cpu, b.path());
    let (gpu_weights, cpu_weights) = (weights(a.path()), weights(b.path()));
    assert_eq!(gpu_weights.len(), cpu_weights.len());
    // What the step moved: the first weights are the same on both.
    let (mut difference, mut moved) = (0.0, 0.0);
    for (x, y) in gpu_weights.iter().zip(&cpu_weights) {
        difference += f64::from(x - y).powi(2);
        moved += f64::from(*y).powi(2);
    }
    let relative = (difference / moved).sqrt();
    println!("weights after a step of rate 1 differ by {relative:.2e}");
    assert!(relative < 1e-3, "weights after a step differ by {relative}");

    // The same weights on both.
    let folder = tempfile::tempdir().unwrap();
    on_gpu.save(folder.path()).unwrap();
    let same = Model::load(folder.path(), &cpu).unwrap();
    let of = |model: &Model| model.predict(&Waves, &()).unwrap().unwrap();
    let largest = of(&on_gpu).iter().zip(of(&same)).map(|(x, y)| (x - y).abs()).fold(0.0, f64::max);
    println!("outputs differ by {largest:.2e}");
    assert!(largest < 1e-3, "outputs differ by {largest}");
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
    compare(&card.any_architecture());
}

#[test]
#[ignore = "needs a Vulkan driver"]
fn set_network_is_the_same_on_vulkan() {
    let card = NetworkCard { preset: Preset::Set, layers: Some(vec![16, 16]), ..NetworkCard::default() };
    compare(&card.any_architecture());
}
