//! The training loop on toy images: it learns, it goes on exactly where it stopped, threads change nothing, and
//! damaged files say what they are.

use std::fs;
use std::ops::ControlFlow;
use std::path::Path;

use humboldt::learn::training::{Trained, Training};
use humboldt::learn::{Compute, DeviceName, Event, ImageSource, LearnError, Model, Progress};
use humboldt_physics::Axes;
use humboldt_schemas::card::{
    Architecture, Channel, Loss, NetworkCard, Optimiser, Preset, Schedule, TrainingCard,
};
use rand::RngExt;
use rand_pcg::Pcg64;

const BINS: usize = 8;

/// Images whose mean q2 in one half of `cos_theta_l` follows the label.
struct Toy {
    images: usize,
    seed: u64,
}

impl ImageSource for Toy {
    fn len(&self) -> usize {
        self.images
    }

    fn bins(&self) -> usize {
        BINS
    }

    fn labels(&self, index: usize) -> Vec<f64> {
        vec![(index % 9) as f64 / 4.0 - 2.0]
    }

    fn read(&self, index: usize, image: &mut [f32]) -> Result<(), LearnError> {
        let mut rng = Pcg64::new(u128::from(self.seed), index as u128);
        let label = self.labels(index)[0] as f32;
        for (cell, q2) in image.iter_mut().enumerate() {
            let signal = if cell < BINS.pow(3) / 2 { 2.0 * label } else { 0.0 };
            let occupied = rng.random::<f32>() < 0.5;
            *q2 = if occupied { 8.0 + signal + 2.0 * rng.random::<f32>() } else { 0.0 };
        }
        Ok(())
    }
}

fn architecture() -> Architecture {
    NetworkCard {
        preset: Preset::Resnet10,
        channels: Some(vec![Channel::MeanQ2, Channel::Occupancy, Channel::Coordinates]),
        stem_filters: Some(4),
        stem_kernel: Some(3),
        stem_stride: Some(1),
        blocks: Some(vec![1, 1]),
        filters: Some(vec![4, 8]),
        dense: Some(16),
        dropout: Some(0.1),
        ..NetworkCard::default()
    }
    .architecture()
}

fn card(epochs: usize) -> TrainingCard {
    TrainingCard {
        batch_size: 16,
        micro_batch: Some(8),
        epochs,
        loss: Loss::Mse,
        optimiser: Optimiser::AdamW,
        learning_rate: 0.01,
        schedule: Schedule::Cosine,
        clip_gradient: 5.0,
        standardise_target: true,
        standardise_input: true,
        ..TrainingCard::default()
    }
}

/// Trains on toy images; small sources keep a test short.
fn train(
    card: &TrainingCard,
    folder: &Path,
    progress: &dyn Progress,
    memory: u64,
) -> Result<Option<Trained>, LearnError> {
    train_on(card, folder, progress, memory, &Compute::cpu())
}

fn train_on(
    card: &TrainingCard,
    folder: &Path,
    progress: &dyn Progress,
    memory: u64,
    compute: &Compute,
) -> Result<Option<Trained>, LearnError> {
    let training = Training {
        card,
        architecture: &architecture().into(),
        scores: None,
        seed: 11,
        events: 100,
        axes: Axes::of_c9([-2.0, 1.1]),
        provenance: serde_json::Value::Null,
        train: &Toy { images: 72, seed: 1 },
        validation: &Toy { images: 18, seed: 2 },
        compute,
        memory,
    };
    training.run(folder, progress)
}

const KEEP_ALL: u64 = u64::MAX;

fn weights(folder: &Path, epoch: usize) -> Vec<u8> {
    fs::read(folder.join(format!("checkpoints/epoch-{epoch:05}/weights.safetensors"))).unwrap()
}

#[test]
fn toy_label_is_learned_and_predicted_on_new_images() {
    let folder = tempfile::tempdir().unwrap();
    let trained = train(&card(12), folder.path(), &(), KEEP_ALL).unwrap().unwrap();
    let test = Toy { images: 45, seed: 3 };
    let predictions = trained.model.predict(&test, &()).unwrap().unwrap();
    let errors = predictions.iter().enumerate().map(|(i, p)| (p - test.labels(i)[0]).abs());
    let mae = errors.sum::<f64>() / 45.0;
    // Labels spread over [-2, 2]: guessing their mean is off by 1.1.
    assert!(mae < 0.25, "mean absolute error {mae}");

    let csv = fs::read_to_string(folder.path().join("metrics.csv")).unwrap();
    assert_eq!(csv.lines().count(), 13);
    let jsonl = fs::read_to_string(folder.path().join("metrics.jsonl")).unwrap();
    assert_eq!(jsonl.lines().count(), 12);
    let kept = fs::read_dir(folder.path().join("checkpoints")).unwrap().count();
    assert!((2..=3).contains(&kept), "the last two and the best, not {kept}");
}

#[test]
fn stopped_training_goes_on_bit_for_bit() {
    let (whole, parts) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let card = card(4);
    let uninterrupted = train(&card, whole.path(), &(), KEEP_ALL).unwrap().unwrap();

    let after_epoch = |n: usize| {
        move |event: Event| match event {
            Event::Epoch(m) if m.epoch == n => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    let amid_epoch = |n: usize| {
        move |event: Event| match event {
            Event::Batch { epoch, batch: 3, .. } if epoch == n => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    };
    assert!(train(&card, parts.path(), &after_epoch(1), KEEP_ALL).unwrap().is_none());
    // Without room to keep inputs they are read anew: that too must change nothing.
    assert!(train(&card, parts.path(), &amid_epoch(3), 0).unwrap().is_none());
    // After the last batch of an epoch, before its validation.
    let last = |event: Event| match event {
        Event::Batch { epoch: 3, batch, batches, .. } if batch == batches => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    };
    assert!(train(&card, parts.path(), &last, 0).unwrap().is_none());
    // What a kill in the middle of a checkpoint leaves behind is in nobody's way.
    fs::create_dir(parts.path().join("checkpoints/epoch-00003.part")).unwrap();
    let resumed = train(&card, parts.path(), &(), 0).unwrap().unwrap();

    assert_eq!(resumed.history, uninterrupted.history);
    assert_eq!(weights(parts.path(), 4), weights(whole.path(), 4));
    let read = |folder: &Path| fs::read(folder.join("metrics.csv")).unwrap();
    assert_eq!(read(parts.path()), read(whole.path()));

    // A finished training returns at once, with the same network.
    let again = train(&card, parts.path(), &amid_epoch(1), KEEP_ALL).unwrap().unwrap();
    assert_eq!(again.history, uninterrupted.history);
}

#[test]
fn number_of_threads_changes_no_bit() {
    let run = |threads: usize| {
        let folder = tempfile::tempdir().unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let trained = pool.install(|| train(&card(2), folder.path(), &(), KEEP_ALL)).unwrap().unwrap();
        let predictions = pool.install(|| trained.model.predict(&Toy { images: 20, seed: 5 }, &())).unwrap();
        (trained.history, weights(folder.path(), 2), predictions)
    };
    assert_eq!(run(1), run(2));
}

/// Two devices share the micro-batches of a batch; here both are the CPU.
#[test]
fn number_of_devices_changes_no_bit() {
    let run = |devices: usize| {
        let folder = tempfile::tempdir().unwrap();
        let compute = Compute::open(&vec![DeviceName::Cpu; devices]).unwrap();
        let trained = train_on(&card(2), folder.path(), &(), KEEP_ALL, &compute).unwrap().unwrap();
        (trained.history, weights(folder.path(), 2))
    };
    assert_eq!(run(1), run(2));
    let mixed = Compute::open(&[DeviceName::Cpu, DeviceName::Cuda(0)]);
    assert!(mixed.unwrap_err().to_string().contains("cuda"));
}

#[test]
fn sgd_with_step_schedule_and_frozen_norms_learns_too() {
    let folder = tempfile::tempdir().unwrap();
    let card = TrainingCard {
        optimiser: Optimiser::Sgd,
        schedule: Schedule::Step,
        loss: Loss::Mae,
        learning_rate: 0.02,
        standardise_target: false,
        freeze_norms_after: Some(2),
        ..card(6)
    };
    let trained = train(&card, folder.path(), &(), KEEP_ALL).unwrap().unwrap();
    let last = trained.history.last().unwrap();
    // Guessing the mean label is off by 1.1.
    assert!(last.validation_mae < 0.7, "mean absolute error {}", last.validation_mae);
    assert!((last.learning_rate - 0.01).abs() < 1e-12, "one cut by 2 after five epochs");
}

#[test]
fn patience_ends_a_training_that_gets_no_better() {
    let folder = tempfile::tempdir().unwrap();
    // Weights that do not move predict the same in each epoch, but for the norms' statistics, which are frozen.
    let card = TrainingCard {
        learning_rate: 1e-30,
        schedule: Schedule::Constant,
        early_stopping: 2,
        freeze_norms_after: Some(0),
        ..card(9)
    };
    let trained = train(&card, folder.path(), &(), KEEP_ALL).unwrap().unwrap();
    assert!(trained.stopped_early);
    assert_eq!((trained.best_epoch, trained.history.len()), (1, 3));
}

#[test]
fn divergence_is_said_and_keeps_the_last_good_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let card = TrainingCard {
        optimiser: Optimiser::Sgd,
        learning_rate: 1e30,
        warmup_epochs: 0.0,
        clip_gradient: 0.0,
        ..card(3)
    };
    let error = train(&card, folder.path(), &(), KEEP_ALL).unwrap_err().to_string();
    assert!(error.starts_with("training diverged in epoch 1, batch "), "{error}");
    assert!(error.contains("lower training.learning_rate"), "{error}");
    assert!(!error.contains('\n'));
}

#[test]
fn another_card_is_refused_and_leaves_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    train(&card(1), folder.path(), &(), KEEP_ALL).unwrap();
    let before = weights(folder.path(), 1);
    let error = train(&card(2), folder.path(), &(), KEEP_ALL).unwrap_err();
    assert!(matches!(error, LearnError::OtherTraining { .. }), "{error}");
    assert_eq!(weights(folder.path(), 1), before);
}

#[test]
fn damaged_networks_say_in_one_line_what_they_are() {
    let folder = tempfile::tempdir().unwrap();
    let trained = train(&card(1), folder.path(), &(), KEEP_ALL).unwrap().unwrap();
    let saved = folder.path().join("network");
    trained.model.save(&saved).unwrap();
    let test = Toy { images: 5, seed: 4 };
    let load = || Model::load(&saved, &Compute::cpu());
    assert_eq!(load().unwrap().predict(&test, &()).unwrap(), trained.model.predict(&test, &()).unwrap());
    assert_eq!(load().unwrap().info(), trained.model.info());

    let weights = saved.join("weights.safetensors");
    let whole = fs::read(&weights).unwrap();
    let network = saved.join("network.json");
    let text = fs::read_to_string(&network).unwrap();
    let mut messages = Vec::new();
    let mut refused = || {
        let error = load().unwrap_err().to_string();
        assert!(!error.contains('\n') && error.contains(saved.to_str().unwrap()), "{error}");
        messages.push(error);
    };
    for damaged in [&whole[..whole.len() / 2], &whole[..4], &[], b"not a network at all"] {
        fs::write(&weights, damaged).unwrap();
        refused();
    }
    fs::write(&weights, &whole).unwrap();
    for (from, to) in
        [("\"stem_filters\": 4", "\"stem_filters\": 5"), ("{", "["), ("\"version\": 3", "\"version\": 9")]
    {
        assert!(text.contains(from));
        fs::write(&network, text.replacen(from, to, 1)).unwrap();
        refused();
    }
    // One more stage: its weights are missing.
    fs::remove_file(&network).unwrap();
    refused();
    assert!(messages[0].contains("weights.safetensors: not the weights of this network"), "{}", messages[0]);
}
