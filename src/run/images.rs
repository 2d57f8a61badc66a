//! The first stage of a run: images of every delta C9 and split, a file each.

use std::fs;

use anyhow::{Context, Result};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::{EventSampler, GenerationReport};
use humboldt_pipeline::rng::StreamKey;
use humboldt_pipeline::store::{ImageReader, ImageWriter};
use humboldt_pipeline::voxels::Voxeliser;
use humboldt_schemas::card::{DatasetPoint, RunCard, Split};
use humboldt_schemas::complex::ComplexValue;
use humboldt_schemas::provenance::Provenance;
use rayon::prelude::*;

use super::RunFolder;
use crate::progress::{Progress, note, number};
use crate::sampling;

/// Images are made in groups of at most this size [bytes].
const GROUP_BYTES: usize = 64 << 20;

/// Makes the images that the run's folder does not have yet.
///
/// # Errors
/// When an existing file is damaged or of another card, or a file cannot be written.
pub fn make(run: &RunFolder, splits: &[Split]) -> Result<()> {
    let card = run.card();
    let mut missing: Vec<(DatasetPoint, Split)> = Vec::new();
    for &split in splits {
        for point in card.dataset.points().into_iter().filter(|p| p.count(split) > 0) {
            if run.images(split, &point).exists() {
                open(run, split, &point)?;
            } else {
                missing.push((point, split));
            }
        }
    }
    if missing.is_empty() {
        return Ok(());
    }
    let images: usize = missing.iter().map(|(point, split)| point.count(*split)).sum();
    let progress = Progress::new("images", images as u64, "images");
    let mut report = GenerationReport::default();
    // One sampler serves all splits of a delta C9.
    missing.sort_by(|a, b| a.0.delta_c9.total_cmp(&b.0.delta_c9));
    for group in missing.chunk_by(|a, b| a.0 == b.0) {
        let sampler = sampling::sampler_at(&card.generator, group[0].0.delta_c9)?;
        for (point, split) in group {
            report = report.merge(make_file(run, &sampler, point, *split, &progress)?);
        }
    }
    progress.finish();
    note(format!("{} events", number(report.events as f64)));
    sampling::note_outside(&report);
    Ok(())
}

/// Opens an image file of the run and checks that it belongs to the run's card.
///
/// # Errors
/// When the file is damaged, or of another card.
pub fn open(run: &RunFolder, split: Split, point: &DatasetPoint) -> Result<ImageReader> {
    let path = run.images(split, point);
    let reader = ImageReader::open(&path)?;
    let same_card = reader.provenance().is_some_and(|p| p.card_hash == run.card().data_hash());
    anyhow::ensure!(
        same_card && reader.len() == point.count(split) && reader.bins() == run.card().images.bins,
        "{}: is of another card; remove it to have it made again",
        path.display()
    );
    Ok(reader)
}

fn make_file(
    run: &RunFolder,
    sampler: &EventSampler,
    point: &DatasetPoint,
    split: Split,
    progress: &Progress,
) -> Result<GenerationReport> {
    let card = run.card();
    let (bins, n_images) = (card.images.bins, point.count(split));
    let cells = bins.pow(3);
    let group = (GROUP_BYTES / (4 * cells)).clamp(1, n_images);
    let path = run.images(split, point);
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    }
    let mut writer = ImageWriter::create(&path, &card.images, n_images, &provenance(card, point))?;
    let mut images = vec![0.0; group * cells];
    let mut report = GenerationReport::default();
    for start in (0..n_images).step_by(group) {
        let n = group.min(n_images - start);
        let made = images[..n * cells]
            .par_chunks_exact_mut(cells)
            .enumerate()
            .map_init(
                || Voxeliser::new(bins).map(|v| (v, EventBatch::default())),
                |state, (i, image)| {
                    let (voxeliser, batch) = state.as_mut().map_err(|e| anyhow::anyhow!("{e}"))?;
                    make_image(
                        sampler,
                        image_stream(card, point, split, start + i),
                        card.images.events,
                        voxeliser,
                        batch,
                        image,
                    )
                },
            )
            .collect::<Result<Vec<_>>>()?;
        report = made.into_iter().fold(report, GenerationReport::merge);
        writer.push_many(&images[..n * cells], &vec![point.delta_c9; n])?;
        progress.advance(n as u64, "");
    }
    sampling::check(&report)?;
    writer.finish()?;
    Ok(report)
}

/// Generates the events of one image and bins them.
///
/// # Errors
/// When an event lies outside the image's axes: a bug of the generator.
pub fn make_image(
    sampler: &EventSampler,
    stream: StreamKey,
    events: usize,
    voxeliser: &mut Voxeliser,
    batch: &mut EventBatch,
    image: &mut [f32],
) -> Result<GenerationReport> {
    let report = sampler.fill(stream, events, batch);
    voxeliser.voxelise(batch.angles(), image)?;
    Ok(report)
}

/// The random stream of one image. It depends on the value of delta C9, not on its place in the card, so that a
/// card with one more value keeps the images of the others.
pub fn image_stream(card: &RunCard, point: &DatasetPoint, split: Split, image: usize) -> StreamKey {
    StreamKey::new(card.seed)
        .child(split.name(), 0)
        .child("delta_c9", point.delta_c9.to_bits())
        .child("image", image as u64)
}

fn provenance(card: &RunCard, point: &DatasetPoint) -> Provenance {
    let mut provenance = Provenance::new(card.data_hash(), card.seed, card.generator.clone());
    provenance.wilson.insert("c9".to_owned(), ComplexValue(point.delta_c9.into()));
    provenance.events_per_image = Some(card.images.events);
    provenance
}
