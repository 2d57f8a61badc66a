//! Images on one core: binning, encoding and decoding, beside a copy of the bytes that each must touch.

use std::f32::consts::PI;
use std::hint::black_box;

use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::store::{ImageReader, ImageWriter, Layout};
use humboldt_pipeline::voxels::{CompactImage, Voxeliser};
use humboldt_schemas::card::{GeneratorCard, ImageFormat, ImagesCard};
use humboldt_schemas::provenance::Provenance;
use rand_pcg::Pcg64;
use rand_pcg::rand_core::{Rng, SeedableRng};

type Failed = Box<dyn std::error::Error>;

const BINS: usize = 50;
const CELLS: usize = BINS * BINS * BINS;

/// Events of one image of the voxel study.
const EVENTS: usize = 24_613;

/// Images in a file: their dense form is larger than the caches.
const IMAGES: usize = 64;

/// Events with about the occupancy of an image of B -> K* mu mu.
fn events() -> EventBatch {
    let mut random = Pcg64::seed_from_u64(1);
    let mut uniform = || (random.next_u32() >> 8) as f32 / 16_777_216.0;
    let mut batch = EventBatch::with_capacity(EVENTS);
    for _ in 0..EVENTS {
        batch.q2.push(0.1 + 18.0 * uniform());
        batch.cos_theta_l.push(2.0 * uniform() - 1.0);
        batch.cos_theta_k.push((2.0 * uniform() - 1.0).cbrt());
        batch.chi.push(PI * (2.0 * uniform() - 1.0));
    }
    batch
}

fn binning(criterion: &mut Criterion) -> Result<(), Failed> {
    let batch = events();
    let mut voxeliser = Voxeliser::new(BINS)?;
    let (mut dense, mut compact) = (vec![0.0; CELLS], CompactImage::new(BINS)?);
    let mut group = criterion.benchmark_group("binning");
    group.sample_size(50);
    group.bench_function("dense", |b| b.iter(|| voxeliser.voxelise(batch.angles(), &mut dense)));
    group.bench_function("compact", |b| b.iter(|| voxeliser.voxelise_compact(batch.angles(), &mut compact)));
    group.bench_function("compact to dense", |b| b.iter(|| compact.to_dense(&mut dense)));
    let mut copy = vec![vec![0.0; EVENTS]; 4];
    let (source, mut image) = (dense.clone(), vec![0.0; CELLS]);
    group.bench_function("copy of columns and image", |b| {
        b.iter(|| {
            for (copy, column) in copy.iter_mut().zip(batch.columns()) {
                copy.copy_from_slice(black_box(column));
            }
            image.copy_from_slice(black_box(&source));
        });
    });
    group.finish();
    Ok(())
}

fn storage(criterion: &mut Criterion) -> Result<(), Failed> {
    let folder = tempfile::tempdir()?;
    let image = CompactImage::of(events().angles(), BINS)?;
    let (images, labels) = (vec![image; IMAGES], vec![0.0; IMAGES]);
    let (mut dense, mut copy) = (vec![0.0; CELLS], vec![0.0_f32; CELLS]);
    let mut group = criterion.benchmark_group("storage");
    group.sample_size(50);
    let forms = [
        ("compact HDF5", ImageFormat::Hdf5, Layout::Compact),
        ("compact Arrow", ImageFormat::Arrow, Layout::Compact),
        ("dense Arrow", ImageFormat::Arrow, Layout::Dense),
        ("dense HDF5, gzip 1", ImageFormat::Hdf5, Layout::Dense),
    ];
    for (name, format, layout) in forms {
        let path = folder.path().join("images");
        let card =
            ImagesCard { events: EVENTS, bins: BINS, format, layout, gzip: 1, ..ImagesCard::default() };
        let provenance = Provenance::new(String::new(), 1, GeneratorCard::default());
        let write = || {
            let mut writer = ImageWriter::create(&path, &card, IMAGES, &provenance)?;
            writer.push_compact(&images, &labels)?;
            writer.finish()
        };
        // Syncing to the disk among it.
        group.bench_function(format!("write {IMAGES}: {name}"), |b| b.iter(write));
        write()?;
        println!("{name}: {} bytes an image", std::fs::metadata(&path)?.len() / IMAGES as u64);
        let (reader, mut i) = (ImageReader::open(&path)?, 0);
        group.bench_function(format!("read: {name}"), |b| {
            b.iter(|| {
                i = (i + 7) % IMAGES;
                reader.read(i, &mut dense)
            });
        });
        // Every image is checked when it is read for the first time.
        group.bench_function(format!("first read: {name}"), |b| {
            b.iter_batched(|| ImageReader::open(&path), |r| r?.read(1, &mut dense), BatchSize::PerIteration);
        });
    }
    group.bench_function("copy of an image", |b| b.iter(|| copy.copy_from_slice(black_box(&dense))));
    group.finish();
    Ok(())
}

fn images(criterion: &mut Criterion) {
    binning(criterion).and_then(|()| storage(criterion)).unwrap_or_else(|error| panic!("{error}"));
}

criterion_group!(benches, images);
criterion_main!(benches);
