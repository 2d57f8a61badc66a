//! `humboldt generate`: events of one decay to a file.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, ensure};
use clap::Args;
use humboldt_physics::WilsonDirection;
use humboldt_pipeline::rng::StreamKey;
use humboldt_pipeline::scores::ScoreColumns;
use humboldt_pipeline::store::EventWriter;
use humboldt_schemas::card::hash_json;
use humboldt_schemas::provenance::Provenance;

use super::arguments::DecayArguments;
use crate::progress::{Progress, note};
use crate::sampling;

/// Draw unweighted B -> K* l l events and write them to Parquet or Arrow
#[derive(Debug, Args)]
pub(super) struct GenerateArguments {
    #[command(flatten)]
    decay: DecayArguments,
    /// Number of events
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1_000_000_000_000))]
    events: u64,
    /// Seed: the same seed and arguments give the same events
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Columns score_X, a_X, b_X, c_X for shifts X, as in c9,c10,c9_im: the exact score d ln p/dX of each event and its
    /// |A|^2 = a + b X + c X^2, X counted from the sample's own
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = WilsonDirection::from_str)]
    score: Vec<WilsonDirection>,
    /// File to write, .parquet or .arrow
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl GenerateArguments {
    pub(super) fn run(self) -> Result<()> {
        events_file(&self.out)?;
        let card = self.decay.card()?;
        let sampler = sampling::sampler(&card)?;
        let provenance =
            Provenance::new(hash_json(&(&card, self.seed, self.events)), self.seed, card.clone());
        let mut directions = self.score;
        let mut seen = HashSet::new();
        directions.retain(|direction| seen.insert(*direction));
        let scores = ScoreColumns::new(
            &card.decay(&card.shifts()?)?,
            card.line_shape()?,
            sampler.windows(),
            &directions,
        )?;
        let mut writer = EventWriter::create_with(&self.out, &provenance, &scores.names())?;
        let mut written = 0;
        let progress = Progress::new("generate", self.events, "events");
        let stream = StreamKey::new(self.seed).child("events", 0);
        let report = sampler.stream(stream, self.events, |batch| {
            writer.write_with(batch, &scores.of(batch, written)?)?;
            written += batch.len() as u64;
            progress.advance(batch.len() as u64, "");
            anyhow::Ok(())
        })?;
        sampling::check(&report)?;
        writer.finish()?;
        progress.finish();
        sampling::note_outside(&report);
        note(format!("wrote {}", self.out.display()));
        Ok(())
    }
}

/// # Errors
/// When a file's name does not end as an event table's.
pub(super) fn events_file(path: &Path) -> Result<()> {
    ensure!(
        path.extension().is_some_and(|ending| ending == "parquet" || ending == "arrow"),
        "--out = {} is not allowed; allowed: a name ending in .parquet or .arrow",
        path.display()
    );
    Ok(())
}
