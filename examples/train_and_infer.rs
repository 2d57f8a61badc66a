//! A small network that learns the scores of C9, and the shift that it finds in events it has not seen.
//!
//! `cargo run --release --example train_and_infer`

use std::path::Path;

use anyhow::{Context, Result};
use humboldt::learn::calibration::Value;
use humboldt::learn::{Compute, Model};
use humboldt::run::{RunFolder, training};
use humboldt::sampling;
use humboldt_pipeline::rng::StreamKey;
use humboldt_schemas::card::RunCard;

const CARD: &str = r#"
name = "example"
seed = 1
[generator]
line_shape = "narrow"
q2 = ["1:8"]
[images]
events = 2000
bins = 20
[parameters]
c9 = [-2.0, 1.0]
[dataset]
points = 4
train = 200
validation = 8
test = 8
[network]
preset = "score"
layers = [32, 32]
sample = 500
[training]
images = "live"
prior = "uniform"
batch_size = 8
epochs = 4
loss = "mse"
optimiser = "adamw"
learning_rate = 0.01
schedule = "one_cycle"
calibration_images = 40
"#;

/// The estimate of a network, trained in `folder`, for 20,000 events of a shift of C9.
///
/// # Errors
/// When the folder cannot be written, or the physics refuses the shift.
pub fn train_and_infer(folder: &Path, delta_c9: f64) -> Result<Value> {
    let card = RunCard::parse(CARD, "card")?;
    let compute = Compute::cpu();
    let run = RunFolder::for_card(folder, card.clone())?;
    training::train(&run, &compute)?;

    let point = card.axes()?.point(&[delta_c9])?;
    let (events, _) = sampling::sampler_at(&card.generator, &point)?.generate(StreamKey::new(2), 20_000);
    let estimate = Model::load(&run.model(), &compute)?.estimate_events(&events)?;
    estimate.values.first().copied().context("a network of one coefficient")
}

#[cfg_attr(test, allow(dead_code, reason = "the test calls the function"))]
fn main() -> Result<()> {
    let folder = std::env::temp_dir().join("humboldt-example");
    let found = train_and_infer(&folder, -0.5)?;
    println!("delta C9 = {:.3} -{:.3?} +{:.3?} (generated with -0.5)", found.value, found.minus, found.plus);
    Ok(())
}
