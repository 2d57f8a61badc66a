//! One step of the training: CPU time an image and peak memory, beside `benches/peers/pytorch_step.py`.
//!
//! `cargo bench --bench step -- resnet34 50 16 8 4 bf16` takes a preset, bins, images a batch and a micro-batch, the number of
//! steps if it is not 4, and `bf16` for convolutions that multiply it. One configuration a process, so that the peak of memory is its own. The first step warms up.

use std::fs;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::Instant;

use anyhow::{Context, Result, bail};
use humboldt::learn::source::Noise;
use humboldt::learn::{Compute, Event, Training};
use humboldt_physics::Axes;
use humboldt_schemas::card::{NetworkCard, Precision, Preset, TrainingCard};

/// As in the program, where it keeps what is freed: here by `MIMALLOC_PURGE_DELAY=-1`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<()> {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with("--")).collect();
    let number = |i: usize, default: &str| -> Result<usize> {
        let word = words.get(i).map_or(default, String::as_str);
        word.parse().with_context(|| format!("argument {i}: {word} is not a number"))
    };
    let name = words.first().map_or("resnet10", String::as_str);
    let preset = match name {
        "resnet10" => Preset::Resnet10,
        "resnet34" => Preset::Resnet34,
        _ => bail!("preset {name} is neither resnet10 nor resnet34"),
    };
    let (bins, batch, micro, steps) = (
        number(1, "50")?,
        number(2, "4")?,
        number(3, words.get(2).map_or("4", String::as_str))?,
        number(4, "4")?,
    );
    let precision = match words.get(5).map(String::as_str) {
        None | Some("single") => Precision::Single,
        Some("bf16") => Precision::Bf16,
        Some(other) => bail!("precision {other} is neither single nor bf16"),
    };
    let architecture = NetworkCard { preset, ..NetworkCard::default() }.architecture();
    let card = TrainingCard {
        batch_size: batch,
        micro_batch: Some(micro),
        precision,
        epochs: 1,
        ..TrainingCard::default()
    };
    let folder = tempfile::tempdir()?;
    let compute = Compute::cpu();
    let training = Training {
        card: &card,
        architecture: &architecture.into(),
        scores: None,
        seed: 1,
        events: 1,
        axes: Axes::of_c9([-2.0, 1.1]),
        provenance: serde_json::Value::Null,
        train: &Noise { bins, images: (steps + 2) * batch },
        validation: &Noise { bins, images: 1 },
        compute: &compute,
        memory: u64::MAX,
    };
    let marks = Mutex::new(Vec::new());
    training.run(folder.path(), &|event: Event| {
        let Event::Batch { batch, .. } = event else { return ControlFlow::Continue(()) };
        if let Ok(mut marks) = marks.lock() {
            marks.push((cpu_seconds(), Instant::now()));
        }
        if batch > steps { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let marks = marks.into_inner().unwrap_or_default();
    let [(cpu0, clock0), .., (cpu1, clock1)] = marks[..] else { bail!("steps = {steps} is less than 1") };
    let images = ((marks.len() - 1) * batch) as f64;
    println!(
        "humboldt {name} {bins}^3 {} batch {batch} in parts of {micro}, {} threads: {:.1} CPU-ms/image, {:.1} ms/image by the clock, peak {} MB",
        precision.name(),
        rayon::current_num_threads(),
        1e3 * (cpu1 - cpu0) / images,
        1e3 * (clock1 - clock0).as_secs_f64() / images,
        peak_megabytes(),
    );
    Ok(())
}

/// User and system time of all threads so far; NaN where there is no `/proc`.
fn cpu_seconds() -> f64 {
    let ticks = || {
        let stat = fs::read_to_string("/proc/self/stat").ok()?;
        // After the name, which ends with the last bracket, come the fields from the third on.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        Some(fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?)
    };
    ticks().map_or(f64::NAN, |ticks| ticks / 100.0)
}

fn peak_megabytes() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes = line.and_then(|line| line.split_whitespace().next()?.parse::<f64>().ok());
    kilobytes.map_or_else(|| "?".to_owned(), |kb| format!("{:.0}", kb / 1024.0))
}
