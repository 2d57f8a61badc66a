//! Files of events and images: round trips, other programs' files, damage, and files of version 1.

mod compact;
mod compact_damage;
mod damage;
mod events;
mod full_disk;
mod images;
mod kept;
mod memory;

use std::path::Path;

use humboldt_pipeline::EventBatch;
use humboldt_pipeline::PipelineError;
use humboldt_pipeline::store::{EventWriter, ImageWriter};
use humboldt_schemas::card::{GeneratorCard, ImageFormat, ImageLayout, ImagesCard};
use humboldt_schemas::provenance::Provenance;

type TestResult = Result<(), Box<dyn std::error::Error>>;

fn provenance() -> Provenance {
    Provenance {
        events_per_image: Some(100),
        ..Provenance::new("c0ffee".to_owned(), 7, GeneratorCard::default())
    }
}

/// `n` images of `bins`^3 cells, most of them empty, every value different.
fn some_images(n: usize, bins: usize) -> Vec<f32> {
    (0..n * bins.pow(3)).map(|i| if i % 5 == 0 { 0.1 + i as f32 / 1024.0 } else { 0.0 }).collect()
}

fn some_labels(n: usize) -> Vec<f64> {
    (0..n).map(|i| -2.0 + 0.1 * i as f64).collect()
}

fn some_events(n: usize) -> EventBatch {
    let column = |scale: f32, shift: f32| {
        (0..n).map(|i| shift + scale * ((i * 7919 % 1009) as f32 / 1009.0)).collect()
    };
    EventBatch {
        q2: column(19.0, 0.1),
        cos_theta_l: column(2.0, -1.0),
        cos_theta_k: column(-2.0, 1.0),
        chi: column(6.0, -3.0),
        m_kpi: column(0.2, 0.8),
    }
}

/// The four kinds of image files.
fn cards(bins: usize) -> Vec<ImagesCard> {
    let card = |format, gzip| ImagesCard {
        bins,
        format,
        gzip,
        events: 100,
        layout: ImageLayout::Dense,
        ..ImagesCard::default()
    };
    let (hdf5, arrow) = (ImageFormat::Hdf5, ImageFormat::Arrow);
    vec![card(hdf5, 0), card(hdf5, 1), card(hdf5, 9), card(arrow, 0)]
}

fn write_images(path: &Path, card: &ImagesCard, n: usize) -> Result<(), PipelineError> {
    let mut writer = ImageWriter::create(path, card, n, &provenance())?;
    writer.push_many(&some_images(n, card.bins), &some_labels(n))?;
    writer.finish()
}

fn write_events(path: &Path, events: &EventBatch) -> Result<(), PipelineError> {
    let mut writer = EventWriter::create(path, &provenance())?;
    writer.write(events)?;
    writer.finish()
}

/// The message of an error that must come, must name the file, and must have one line.
fn refusal<T>(result: Result<T, PipelineError>, path: &Path) -> String {
    let Err(error) = result else { panic!("{} was accepted", path.display()) };
    let message = error.to_string();
    assert!(message.contains(&path.display().to_string()), "{message}");
    assert!(!message.contains(['\n', '\t']) && message.len() < 300, "{message}");
    message
}

fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}
