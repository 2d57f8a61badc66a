//! `humboldt generate`: events of one decay to a file.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, ensure};
use clap::Args;
use humboldt_physics::WilsonDirection;
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::rng::StreamKey;
use humboldt_pipeline::scores::ScoreColumns;
use humboldt_pipeline::store::{BMomentum, EventWriter, HepMcWriter};
use humboldt_schemas::card::hash_json;
use humboldt_schemas::provenance::Provenance;

use super::arguments::DecayArguments;
use crate::progress::{Progress, note};
use crate::sampling;

/// Draw unweighted B -> K* l l events and write them as a table or as four-momenta
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
    /// Momentum of the B in GeV, for .hepmc; at rest by default
    #[arg(long, value_name = "PX,PY,PZ", allow_hyphen_values = true, value_parser = BMomentum::from_str)]
    b_momentum: Option<BMomentum>,
    /// File to write: .parquet or .arrow (a table), or .hepmc (four-momenta, HepMC3 ASCII)
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// Where the events go.
enum Output {
    Table { writer: Box<EventWriter>, scores: ScoreColumns, written: u64 },
    Momenta(Box<HepMcWriter>),
}

impl GenerateArguments {
    pub(super) fn run(self) -> Result<()> {
        let momenta = self.out.extension().is_some_and(|ending| ending == HEPMC);
        if !momenta {
            ensure!(
                self.b_momentum.is_none(),
                "--b-momentum is for files that end in .{HEPMC}; tables have no momenta"
            );
            events_file(&self.out, &format!(", .{HEPMC}"))?;
        }
        ensure!(
            !momenta || self.score.is_empty(),
            "--score is for tables, .parquet or .arrow; .{HEPMC} has no columns"
        );
        let card = self.decay.card()?;
        let sampler = sampling::sampler(&card)?;
        let decay = card.decay(&card.shifts()?)?;
        let hash = hash_json(&(&card, self.seed, self.events));
        let provenance = Provenance::new(hash, self.seed, card.clone());
        let mut output = if momenta {
            let momentum = self.b_momentum.unwrap_or_default();
            Output::Momenta(Box::new(HepMcWriter::create(&self.out, &provenance, &decay, momentum, &[])?))
        } else {
            let mut directions = self.score;
            let mut seen = HashSet::new();
            directions.retain(|direction| seen.insert(*direction));
            let scores = ScoreColumns::new(&decay, card.line_shape()?, sampler.windows(), &directions)?;
            let writer = EventWriter::create_with(&self.out, &provenance, &scores.names())?;
            Output::Table { writer: Box::new(writer), scores, written: 0 }
        };
        let progress = Progress::new("generate", self.events, "events");
        let stream = StreamKey::new(self.seed).child("events", 0);
        let report = sampler.stream(stream, self.events, |batch| {
            output.write(batch)?;
            progress.advance(batch.len() as u64, "");
            anyhow::Ok(())
        })?;
        sampling::check(&report)?;
        match output {
            Output::Table { writer, .. } => writer.finish()?,
            Output::Momenta(writer) => writer.finish()?,
        }
        progress.finish();
        sampling::note_outside(&report);
        note(format!("wrote {}", self.out.display()));
        Ok(())
    }
}

impl Output {
    fn write(&mut self, batch: &EventBatch) -> Result<()> {
        match self {
            Self::Table { writer, scores, written } => {
                writer.write_with(batch, &scores.of(batch, *written)?)?;
                *written += batch.len() as u64;
            }
            Self::Momenta(writer) => writer.write(batch)?,
        }
        Ok(())
    }
}

/// Ending of files of four-momenta.
const HEPMC: &str = "hepmc";

/// # Errors
/// When a file's name does not end as an event table's; `others` are further endings to name.
pub(super) fn events_file(path: &Path, others: &str) -> Result<()> {
    ensure!(
        path.extension().is_some_and(|ending| ending == "parquet" || ending == "arrow"),
        "--out = {} is not allowed; allowed: a name ending in .parquet, .arrow{others}",
        path.display()
    );
    Ok(())
}
