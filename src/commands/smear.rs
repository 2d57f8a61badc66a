//! `humboldt smear`: what a detector measures of a sample.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use humboldt_pipeline::detector::{Detector, Performance, measured_schema};
use humboldt_pipeline::rng::StreamKey;
use humboldt_pipeline::store::EventWriter;
use humboldt_schemas::card::{DetectorCard, hash_json};
use humboldt_schemas::experiment::{CurveLine, CurvePanel};
use humboldt_schemas::provenance::{MeasuredBy, Provenance};

use super::arguments::{ForceArgument, count};
use super::generate::Format;
use super::sample::SourceArguments;
use crate::progress::{Progress, note};
use crate::report::{Sheet, curves, literal};

/// Points of a figure of resolutions.
const POINTS: usize = 50;

/// Titles of q2, both cosines and chi.
pub(super) const TITLES: [&str; 4] = ["*q*^{2} [GeV^{2}]", "cos *θ*_{*ℓ*}", "cos *θ*_{*K*}", "*χ* [rad]"];

/// Measure the events of a sample with a detector: acceptance, resolution, identification; the truth stays beside it
#[derive(Debug, Args)]
pub(super) struct SmearArguments {
    /// True events, .parquet, .arrow or .root (FILE.root:TREE)
    events: PathBuf,
    #[command(flatten)]
    source: SourceArguments,
    /// Detector: lhcb, belle2, or a file with the keys of a card's [detector]
    #[arg(long, value_name = "NAME|FILE")]
    detector: String,
    /// Seed: the same seed and detector measure the same
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = count::<u64>(0..=u64::MAX))]
    seed: u64,
    /// File to write, .parquet, .arrow or .root; - for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Format to write, parquet, arrow or root, where the name does not say it; arrow by default to standard output and pipes
    #[arg(long, value_name = "NAME", value_enum)]
    format: Option<Format>,
    /// Folder for figures of resolution and efficiency
    #[arg(long, value_name = "FOLDER")]
    figures: Option<PathBuf>,
    #[command(flatten)]
    force: ForceArgument,
}

impl SmearArguments {
    pub(super) fn run(self) -> Result<()> {
        let format = Format::of(&self.out, self.format, &[Format::Arrow, Format::Root, Format::Parquet])?;
        let format = format.table().context("an event table")?;
        self.force.allow(&self.out, std::slice::from_ref(&self.events))?;
        let card = DetectorCard::named(&self.detector)?;
        let (open, source) = self.source.read(&self.events, false)?;
        let (mut reader, file) = (open()?, self.events.display());
        let decay = source.generator.own_decay()?;
        let detector = Detector::new(&card, &decay)?;
        let schema = measured_schema(reader.schema()).with_context(|| file.to_string())?;
        let measured_by = MeasuredBy { detector: card.filled()?, seed: self.seed };
        let card_hash = hash_json(&(&source.card_hash, &measured_by));
        let provenance = Provenance { card_hash, measured_by: Some(measured_by), ..source };
        let mut writer = EventWriter::create_table(format, &self.out, &provenance, schema.clone())?;

        let progress = Progress::new("smear", reader.len() as u64, "events");
        let stream = StreamKey::new(self.seed).child("detector", 0);
        let mut performance = Performance::default();
        let mut row = 0;
        while let Some(sample) = reader.next_sample() {
            let sample = sample?;
            let measured = detector.measure(sample.truth(), stream, row).with_context(|| file.to_string())?;
            performance.add(sample.truth(), &measured);
            writer.write_table(&measured.table(&sample, &schema)?)?;
            row += sample.len() as u64;
            progress.advance(sample.len() as u64, "");
        }
        writer.finish()?;
        progress.finish();
        note(format!("wrote {}", self.out.display()));
        let [q2, cos_l, cos_k, chi] = performance.half_widths(0.683);
        note(format!(
            "kept {:.1} % of {row} events, {:.2} % of them with kaon and pion exchanged; 68 % of the others within {q2:.3} GeV^2 of \
             q2, {cos_l:.4} of cos_theta_l, {cos_k:.4} of cos_theta_k, {chi:.4} rad of chi",
            100.0 * performance.efficiency(),
            100.0 * performance.swapped(),
        ));
        match &self.figures {
            Some(folder) => draw(folder, &performance, &self.detector),
            None => Ok(()),
        }
    }
}

/// Draws resolutions and efficiencies.
fn draw(folder: &Path, performance: &Performance, detector: &str) -> Result<()> {
    let panels = |y: &str, before: &str, points: [Vec<(f64, f64)>; 4]| -> Vec<CurvePanel> {
        let panel = |(title, points): (&str, Vec<(f64, f64)>)| CurvePanel {
            x: format!("{before}{title}"),
            y: y.to_owned(),
            logarithmic: false,
            lines: vec![CurveLine { name: detector.to_owned(), points }],
        };
        TITLES.into_iter().zip(points).map(panel).collect()
    };
    let print = || literal(&format!("detector {detector}"));
    let resolutions = panels("density", "measured − true ", performance.resolutions(POINTS));
    draw_curves(folder, "resolution", print(), &resolutions)?;
    let efficiencies = panels("efficiency", "true ", performance.efficiencies());
    draw_curves(folder, "efficiency", print(), &efficiencies)
}

/// Draws panels of curves into a folder, which is made where it is missing, and says which picture.
pub(super) fn draw_curves(folder: &Path, name: &str, print: String, panels: &[CurvePanel]) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| folder.display().to_string())?;
    for path in curves(&Sheet::new(folder.join(name), &[print]), panels, false)? {
        if path.extension().is_some_and(|end| end == "png") {
            note(format!("wrote {}", path.display()));
        }
    }
    Ok(())
}
