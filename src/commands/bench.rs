//! `humboldt bench`: how fast this machine is, each figure as a ratio to a named peer or limit of the same run.

use std::hint::black_box;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::Result;
use burn::tensor::{DType, Distribution, Tensor};
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use humboldt_physics::{
    AngularCoefficients, Axes, Decay, Flavour, Lepton, LineShape, ModelName, WilsonShifts,
};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::{EventSampler, Q2Windows};
use humboldt_pipeline::rng::{StreamKey, seeded};
use humboldt_pipeline::voxels::Voxeliser;
use humboldt_schemas::card::{
    Architecture, DatasetCard, GroupCard, NetworkCard, Precision, Preset, RunCard, TrainingCard,
};
use rand::RngExt;
use rand_pcg::Pcg64;
use serde::Serialize;

use super::arguments::DeviceArgument;
use crate::campaign::live::LiveImages;
use crate::learn::source::{Noise, waiting};
use crate::learn::{Compute, DeviceName, Event, ImageSource as _, Training, vectors};
use crate::progress::{number, outln};

/// Measure generation, binning and training on this machine, on one core unless said otherwise
#[derive(Debug, Args)]
pub(super) struct BenchArguments {
    /// Rows to measure; all by default
    #[arg(value_name = "ROW", value_parser = ROWS)]
    rows: Vec<String>,
    #[command(flatten)]
    device: DeviceArgument,
    /// Network of the row `train`: resnet10, resnet18 or resnet34
    #[arg(long, value_name = "PRESET", default_value = "resnet10", value_parser = name(&[Preset::Resnet10, Preset::Resnet18, Preset::Resnet34], Preset::name))]
    network: Preset,
    /// Cells of each axis of its images
    #[arg(long, default_value_t = 25, value_parser = clap::value_parser!(u16).range(2..=100))]
    bins: u16,
    /// Images of its batches; the CPU takes them in two parts
    #[arg(long, value_name = "IMAGES", default_value_t = 16, value_parser = clap::value_parser!(u16).range(4..=1024))]
    batch: u16,
    /// Numbers that its convolutions multiply: single or bf16, or f16 on a GPU that has it
    #[arg(long, default_value = "single", value_parser = name(&[Precision::Single, Precision::Bf16, Precision::F16], Precision::name))]
    precision: Precision,
    /// Print a JSON array of {name, value, unit, peer, peer_value, ratio}
    #[arg(long)]
    json: bool,
}

/// Reads one of some words as what it stands for.
fn name<T: Copy + Send + Sync + 'static>(
    allowed: &'static [T],
    name: fn(T) -> &'static str,
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(allowed.iter().map(|x| name(*x)))
        .map(move |word| allowed.iter().copied().find(|x| name(*x) == word).unwrap_or(allowed[0]))
}

/// One measurement.
#[derive(Debug, Serialize)]
struct Row {
    name: &'static str,
    value: f64,
    unit: String,
    peer: String,
    peer_value: f64,
    /// Speed in units of the peer's.
    ratio: f64,
}

/// Names of the measurements.
const ROWS: [&str; 5] = ["generate", "voxelize", "stream", "live", "train"];
/// Events of an image of the paper.
const EVENTS: usize = 24_613;
/// Batches of a training that is measured.
const BATCHES: usize = 10;
/// Time that each measurement takes at least.
const SPAN: Duration = Duration::from_secs(1);

impl BenchArguments {
    pub(super) fn run(self) -> Result<()> {
        let decay = Decay::new(
            ModelName::default(),
            Flavour::default(),
            Lepton::default(),
            &WilsonShifts::delta_c9(-0.87),
        )?;
        let compute = self.device.open()?;
        let mut rows = Vec::new();
        for name in ROWS {
            if self.rows.is_empty() || self.rows.iter().any(|row| row == name) {
                rows.push(match name {
                    "generate" => generation(&decay)?,
                    "voxelize" => binning(&decay)?,
                    "stream" => streaming()?,
                    "live" => flowing()?,
                    _ => self.training(&compute)?,
                });
            }
        }
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&rows)?);
            return Ok(());
        }
        outln!("{:<12} {:>8} in convolutions on the CPU", "vectors", vectors());
        for row in rows {
            outln!("{:<12} {:>8} {}", row.name, number(row.value), row.unit);
            outln!("{:<12} {:>8} {} ({:.2} x)", "", number(row.peer_value), row.peer, row.ratio);
        }
        Ok(())
    }

    fn training(&self, compute: &Compute) -> Result<Row> {
        compute.check(self.precision)?;
        let (bins, batch) = (usize::from(self.bins), usize::from(self.batch));
        let architecture = NetworkCard { preset: self.network, ..NetworkCard::default() }.architecture();
        let card = TrainingCard {
            batch_size: batch,
            micro_batch: is_cpu(compute).then_some(batch / 2),
            epochs: 1,
            precision: self.precision,
            ..TrainingCard::default()
        };
        let (train, validation) = (Noise { bins, images: BATCHES * batch }, Noise { bins, images: 2 });
        let folder = tempfile::tempdir()?;
        let training = Training {
            card: &card,
            architecture: &architecture.clone().into(),
            scores: None,
            seed: 1,
            events: EVENTS,
            axes: Axes::of_c9([-2.0, 1.1]),
            provenance: serde_json::Value::Null,
            train: &train,
            validation: &validation,
            compute,
            memory: 1 << 30,
        };
        let ends = Mutex::new(Vec::new());
        training.run(folder.path(), &|event: Event| {
            if let (Event::Batch { .. }, Ok(mut ends)) = (event, ends.lock()) {
                ends.push(Instant::now());
            }
            ControlFlow::Continue(())
        })?;
        // The first batch warms up: kernels of a GPU are compiled and chosen in it.
        let value = match ends.into_inner().unwrap_or_default()[..] {
            [first, .., last] => {
                (BATCHES - 1) as f64 * batch as f64 / last.duration_since(first).as_secs_f64()
            }
            _ => f64::NAN,
        };
        // Forward, gradient of the data and of the weights: three times the multiplications of a prediction.
        let peer_value =
            products_per_second(compute, self.precision) / (3.0 * multiplications(&architecture, bins));
        let place = match compute.name() {
            DeviceName::Cpu => "all cores".to_owned(),
            gpu => gpu.to_string(),
        };
        Ok(Row {
            name: "train",
            value,
            unit: format!(
                "images/s learned, {} on {bins}^3 cells, {}, {place}",
                self.network.name(),
                self.precision.name()
            ),
            peer: format!("images/s at the speed of burn's {}^3 matrix products, {place}", side(compute)),
            peer_value,
            ratio: value / peer_value,
        })
    }
}

/// Units of work a second, repeated for [`SPAN`] after one warm-up.
fn rate(units: usize, mut work: impl FnMut()) -> f64 {
    work();
    let start = Instant::now();
    let mut rounds = 0;
    while start.elapsed() < SPAN {
        work();
        rounds += 1;
    }
    (rounds * units) as f64 / start.elapsed().as_secs_f64()
}

fn generation(decay: &Decay) -> Result<Row> {
    let sampler = EventSampler::new(decay, LineShape::BreitWigner, &Q2Windows::full())?;
    let mut batch = EventBatch::default();
    let mut image = 0;
    let value = rate(EVENTS, || {
        image += 1;
        black_box(sampler.fill(StreamKey::new(1).child("bench", image), EVENTS, &mut batch));
    });
    let peer_value = rejection_rate(decay);
    Ok(Row {
        name: "generate",
        value,
        unit: "events/s with the K pi line shape".to_owned(),
        peer: "events/s by rejection from the exact rate, K* at its pole".to_owned(),
        peer_value,
        ratio: value / peer_value,
    })
}

/// First sampler that one writes: flat candidates, accepted by the exact rate under a constant envelope.
fn rejection_rate(decay: &Decay) -> f64 {
    let m_kpi = decay.resonance().pole();
    let (low, high) = (1.0, decay.q2_max(m_kpi));
    let mut random = seeded(1);
    let candidate = |random: &mut Pcg64| {
        let q2 = random.random_range(low..high);
        let j: AngularCoefficients = decay.angular_coefficients(q2, m_kpi);
        let chi = random.random_range(-std::f64::consts::PI..std::f64::consts::PI);
        j.density(random.random_range(-1.0..1.0), random.random_range(-1.0..1.0), chi)
    };
    let envelope = 1.1 * (0..20_000).map(|_| candidate(&mut random)).fold(0.0, f64::max);
    let (mut accepted, start) = (0_u64, Instant::now());
    while start.elapsed() < SPAN {
        for _ in 0..1000 {
            let density = candidate(&mut random);
            accepted += u64::from(random.random_range(0.0..envelope) < density);
        }
    }
    accepted as f64 / start.elapsed().as_secs_f64()
}

fn binning(decay: &Decay) -> Result<Row> {
    let sampler = EventSampler::new(decay, LineShape::BreitWigner, &Q2Windows::full())?;
    let mut batch = EventBatch::default();
    sampler.fill(StreamKey::new(2), EVENTS, &mut batch);
    let mut voxeliser = Voxeliser::new(50)?;
    let mut image = vec![0.0_f32; 50 * 50 * 50];
    let mut failed = None;
    let value = rate(1, || failed = voxeliser.voxelise(batch.angles(), &mut image).err());
    if let Some(error) = failed {
        return Err(error.into());
    }
    // The least that any binning must do: read the four columns and write the image.
    let mut copies: Vec<Vec<f32>> = vec![vec![0.0; EVENTS]; 4];
    let source = image.clone();
    let peer_value = rate(1, || {
        for (copy, column) in copies.iter_mut().zip(batch.columns()) {
            copy.copy_from_slice(column);
        }
        image.copy_from_slice(&source);
        black_box((&copies, &image));
    });
    Ok(Row {
        name: "voxelize",
        value,
        unit: "images/s of 24,613 events in 50^3 cells".to_owned(),
        peer: "images/s if they were only copied".to_owned(),
        peer_value,
        ratio: value / peer_value,
    })
}

/// Images of a batch of live ones.
const LIVE_BATCH: usize = 128;

/// Live images in so many batches.
fn live(batches: usize) -> Result<LiveImages<'static>> {
    let group = GroupCard {
        delta_c9: vec![-1.0, 0.0],
        train: batches * LIVE_BATCH / 2,
        validation: 1,
        test: 1,
        ..GroupCard::default()
    };
    let dataset = DatasetCard { groups: vec![group], ..DatasetCard::default() };
    let data = RunCard { dataset, ..RunCard::default() }.data();
    Ok(LiveImages::new(&data, &TrainingCard::default())?.into_owned())
}

/// Live images for a network that takes 2 ms for each, as on a GPU.
fn streaming() -> Result<Row> {
    const WORK: Duration = Duration::from_millis(2);
    let (waited, worked) = waiting(&live(5)?, LIVE_BATCH, WORK)?;
    let (peer_value, ratio) =
        (WORK.as_secs_f64().recip(), worked.as_secs_f64() / (waited + worked).as_secs_f64());
    Ok(Row {
        name: "stream",
        value: peer_value * ratio,
        unit: "live images/s into batches of 128, 50^3, all cores".to_owned(),
        peer: "images/s of a network that takes 2 ms for each".to_owned(),
        peer_value,
        ratio,
    })
}

/// Live images for a network that takes no time: as many as can be made.
fn flowing() -> Result<Row> {
    const BATCHES: usize = 17;
    let images = live(BATCHES)?;
    let mut image = vec![0.0_f32; images.bins().pow(3)];
    let (mut number, mut failed) = (0, None);
    let peer_value = rate(1, || {
        failed = images.read(number, &mut image).err();
        number = (number + 1) % images.len();
    });
    if let Some(error) = failed {
        return Err(error.into());
    }
    let (waited, _) = waiting(&images, LIVE_BATCH, Duration::ZERO)?;
    let value = ((BATCHES - 1) * LIVE_BATCH) as f64 / waited.as_secs_f64();
    Ok(Row {
        name: "live",
        value,
        unit: "live images/s into batches of 128, 50^3, all cores, as many as can be made".to_owned(),
        peer: "images/s made on one core".to_owned(),
        peer_value,
        ratio: value / peer_value,
    })
}

/// Multiplications of one prediction, those of the convolutions.
fn multiplications(architecture: &Architecture, bins: usize) -> f64 {
    let layers = architecture.layers(bins, 1);
    let convolutions = layers.iter().filter(|layer| layer.kind.starts_with("conv"));
    convolutions.map(|layer| layer.parameters as f64 * layer.size.pow(3) as f64).sum()
}

fn is_cpu(compute: &Compute) -> bool {
    matches!(compute.name(), DeviceName::Cpu)
}

/// Rows and columns of the matrices that the network is compared with.
fn side(compute: &Compute) -> usize {
    if is_cpu(compute) { 1024 } else { 4096 }
}

/// Multiplications a second of a large matrix product.
fn products_per_second(compute: &Compute, precision: Precision) -> f64 {
    let size = side(compute);
    // burn multiplies no bfloat16 on a CPU in what a processor has for it.
    let precision = match precision {
        Precision::Bf16 if is_cpu(compute) => DType::F32,
        Precision::Single => DType::F32,
        Precision::Bf16 => DType::BF16,
        Precision::F16 => DType::F16,
    };
    let a = Tensor::<2>::random([size, size], Distribution::Default, compute.device()).cast(precision);
    rate(size.pow(3), || {
        black_box(a.clone().matmul(a.clone()).slice([0..1, 0..1]).into_data());
    })
}
