//! `humboldt generate`: events of one decay to a file.

use std::path::PathBuf;

use anyhow::{Result, ensure};
use clap::Args;
use humboldt_pipeline::rng::StreamKey;
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
    /// File to write, .parquet or .arrow
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

impl GenerateArguments {
    pub(super) fn run(self) -> Result<()> {
        ensure!(
            self.out.extension().is_some_and(|ending| ending == "parquet" || ending == "arrow"),
            "--out = {} is not allowed; allowed: a name ending in .parquet or .arrow",
            self.out.display()
        );
        let card = self.decay.card()?;
        let sampler = sampling::sampler(&card)?;
        let provenance = Provenance::new(hash_json(&(&card, self.seed, self.events)), self.seed, card);
        let mut writer = EventWriter::create(&self.out, &provenance)?;
        let progress = Progress::new("generate", self.events, "events");
        let stream = StreamKey::new(self.seed).child("events", 0);
        let report = sampler.stream(stream, self.events, |batch| {
            writer.write(batch)?;
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
