//! Speed of the event generator on one core: building a sampler, and events per second in memory.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use humboldt_physics::{Decay, Flavour, Lepton, LineShape, ModelName, WilsonShifts};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::{EventSampler, Q2Range, Q2Windows};
use humboldt_pipeline::rng::StreamKey;

/// Events of one image of the voxel study.
const EVENTS: usize = 24_613;

#[expect(clippy::type_complexity, reason = "a list for one place")]
fn requests() -> Result<Vec<(&'static str, Decay, Q2Windows)>, Box<dyn std::error::Error>> {
    let decay = |lepton| Decay::new(ModelName::Npr, Flavour::B0bar, lepton, &WilsonShifts::default());
    let window: Q2Range = (Some(1.0), Some(8.0));
    Ok(vec![
        ("muons", decay(Lepton::Muon)?, Q2Windows::full()),
        ("muons, q2 in [1, 8]", decay(Lepton::Muon)?, Q2Windows::new(&[window], &[])?),
        ("electrons", decay(Lepton::Electron)?, Q2Windows::full()),
    ])
}

fn generate(criterion: &mut Criterion) {
    let requests = requests().unwrap_or_else(|error| panic!("{error}"));
    for (name, decay, windows) in requests {
        let sampler = || EventSampler::new(&decay, LineShape::BreitWigner, &windows);
        let mut group = criterion.benchmark_group(name);
        group.sample_size(20);
        group.bench_function("sampler", |bencher| bencher.iter(sampler));

        let sampler = sampler().unwrap_or_else(|error| panic!("{error}"));
        let mut batch = EventBatch::with_capacity(EVENTS);
        let mut image = 0;
        group.throughput(Throughput::Elements(EVENTS as u64));
        group.bench_function("events", |bencher| {
            bencher.iter(|| {
                image += 1;
                sampler.fill(StreamKey::new(1).child("image", image), EVENTS, &mut batch)
            });
        });
        group.finish();
    }
}

criterion_group!(benches, generate);
criterion_main!(benches);
