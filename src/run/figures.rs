//! The last stage of a run: everything that is drawn, always anew from the results.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use humboldt_pipeline::rng::StreamKey;
use humboldt_schemas::results::EpochMetrics;

use super::RunFolder;
use super::evaluation::Evaluation;
use crate::campaign::make::ImageMaker;
use crate::progress::note;
use crate::report::{self, ErrorBars, EventSample, VoxelImage, WidthReferences};
use crate::sampling;

/// Draws the figures of a run.
///
/// # Errors
/// When a result is missing or damaged, or a figure cannot be written.
pub fn draw(run: &RunFolder, evaluation: &Evaluation) -> Result<()> {
    let results = run.results();
    let Evaluation { ensembles, predictions, summary } = evaluation;
    let stem = |name: &str| results.join(name);
    report::linearity(&stem("linearity"), ensembles, Some(summary), ErrorBars::Unscaled, None)?;
    report::linearity(&stem("linearity_scaled"), ensembles, Some(summary), ErrorBars::OfTheMean, None)?;
    report::histograms(&stem("predictions"), ensembles, predictions)?;
    if summary.slope != 0.0 && ensembles.iter().any(|e| e.sigma > 0.0) {
        let references = WidthReferences { baseline: Some(summary.baseline_rmse), bound: &[] };
        report::width(&stem("widths"), ensembles, summary.slope, references)?;
    }
    report::training_curves(&stem("training"), &metrics(&run.training().join("metrics.jsonl"))?)?;
    compare(run)?;
    note(format!("figures in {}", results.display()));
    Ok(())
}

fn metrics(path: &Path) -> Result<Vec<EpochMetrics>> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    text.lines()
        .map(|line| {
            serde_json::from_str(line).with_context(|| format!("{}: not a line of metrics", path.display()))
        })
        .collect()
}

/// Distributions and images at the card's two delta C9 (the paper's Figs. 2 and 3).
fn compare(run: &RunFolder) -> Result<()> {
    let card = run.card();
    let bins = card.images.bins;
    let mut maker = ImageMaker::new(bins)?;
    let mut batches = Vec::new();
    let mut voxels = Vec::new();
    for delta_c9 in card.figures.compare_delta_c9 {
        let sampler = sampling::sampler_at(&card.generator, delta_c9)?;
        let stream = StreamKey::new(card.seed).child("figures", 0).child("delta_c9", delta_c9.to_bits());
        let (events, report) = sampler.generate(stream, card.figures.events);
        sampling::check(&report)?;
        let mut image = vec![0.0; bins.pow(3)];
        maker.dense(&sampler, stream.child("image", 0), card.images.events, &mut image)?;
        batches.push((delta_c9, events));
        voxels.push((delta_c9, image));
    }
    let samples: Vec<EventSample> = batches
        .iter()
        .map(|(delta_c9, b)| EventSample {
            delta_c9: *delta_c9,
            q2: &b.q2,
            cos_theta_l: &b.cos_theta_l,
            cos_theta_k: &b.cos_theta_k,
            chi: &b.chi,
        })
        .collect();
    report::distributions(&run.results().join("distributions"), &samples)?;
    let views: Vec<VoxelImage> = voxels
        .iter()
        .map(|(delta_c9, values)| VoxelImage { delta_c9: *delta_c9, images: 1, bins, values })
        .collect();
    report::voxel_views(&run.results().join("images"), &views)?;
    Ok(())
}
