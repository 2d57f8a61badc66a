//! `humboldt generate`: events of one decay to a file.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use clap::{Args, ValueEnum};
use humboldt_physics::WilsonDirection;
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::effects::measured_schema;
use humboldt_pipeline::generate::{BLOCK, EventSampler, GenerationReport};
use humboldt_pipeline::rng::StreamKey;
use humboldt_pipeline::scores::ScoreColumns;
use humboldt_pipeline::store::atomic::is_stream;
use humboldt_pipeline::store::{BMomentum, EventFormat, EventWriter, HepMcWriter};
use humboldt_schemas::Invalid;
use humboldt_schemas::card::{GeneratorCard, RunCard, hash_json};
use humboldt_schemas::events::COMPONENTS;
use humboldt_schemas::provenance::Provenance;

use super::arguments::{DecayArguments, ForceArgument, count};
use crate::assumptions::note_idle_inputs;
use crate::progress::{Progress, note};
use crate::sampling;

/// Draw unweighted B -> K* l l events and write them as a table or as four-momenta
#[derive(Debug, Args)]
pub(super) struct GenerateArguments {
    #[command(flatten)]
    decay: DecayArguments,
    /// Run card that says decay, model and window, with its [s_wave], [acceptance], [detector] and [background]; shifts of the
    /// command line take the place of its own
    #[arg(long, value_name = "FILE", conflicts_with_all = ["model", "flavour", "lepton", "q2", "veto", "line_shape", "values", "charmonium"])]
    card: Option<PathBuf>,
    /// Number of events
    #[arg(long, value_name = "N", allow_negative_numbers = true, value_parser = count::<u64>(1..=1_000_000_000_000))]
    events: u64,
    /// Seed: the same seed and arguments give the same events
    #[arg(long, default_value_t = 1, allow_negative_numbers = true, value_parser = count::<u64>(0..=u64::MAX))]
    seed: u64,
    /// Columns score_X, a_X, b_X, c_X for shifts X, as in c9,c10,c9_im: the exact score d ln p/dX of each event and its
    /// |A|^2 = a + b X + c X^2, X counted from the sample's own
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', value_parser = WilsonDirection::from_str)]
    score: Vec<WilsonDirection>,
    /// Momentum of the B in GeV, for .hepmc; at rest by default
    #[arg(long, value_name = "PX,PY,PZ", allow_hyphen_values = true, value_parser = BMomentum::from_str)]
    b_momentum: Option<BMomentum>,
    /// File to write: .parquet, .arrow or .root (a table), or .hepmc (four-momenta, HepMC3 ASCII); - for standard output
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Format to write, where the name does not say it; hepmc by default to standard output and pipes, which take arrow too
    #[arg(long, value_name = "NAME", value_enum)]
    format: Option<Format>,
    #[command(flatten)]
    force: ForceArgument,
}

/// Content of a file of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// A table, Parquet
    Parquet,
    /// A table, Arrow IPC; its streaming format where no file is written
    Arrow,
    /// A table, ROOT: the TTree `events`
    Root,
    /// Four-momenta, HepMC3 ASCII
    Hepmc,
}

/// Destination of the events.
enum Output {
    Table { writer: Box<EventWriter>, scores: Box<ScoreColumns>, written: u64 },
    Momenta(Box<HepMcWriter>),
}

impl GenerateArguments {
    pub(super) fn run(self) -> Result<()> {
        let allowed = [Format::Hepmc, Format::Root, Format::Parquet, Format::Arrow];
        let format = Format::of(&self.out, self.format, &allowed)?;
        let momenta = format.table().is_none();
        ensure!(
            momenta || self.b_momentum.is_none(),
            "--b-momentum is for files that end in .hepmc; tables have no momenta"
        );
        ensure!(
            !momenta || self.score.is_empty(),
            "--score is for tables, .parquet, .arrow or .root; .hepmc has no columns"
        );
        self.force.allow(&self.out, &[])?;
        let card = match &self.card {
            Some(path) => self.decay.shift(RunCard::read_for_events(path)?)?,
            None => self.decay.card()?,
        };
        if let Some(file) = card.effects.background.as_ref().and_then(|background| background.files.first()) {
            let allowed = "polynomials, background.shape: events of files are not generated";
            return Err(Invalid::new("background.files", file, allowed).into());
        }
        if let Some(effect) = card.effects.first() {
            ensure!(!momenta, "--out: with [{effect}] a table is written, .parquet, .arrow or .root");
            ensure!(self.score.is_empty(), "--score is of events of K* alone; allowed: without [{effect}]");
        }
        let sampler = sampling::sampler(&card)?;
        note_idle_inputs(&card)?;
        let decay = card.own_decay()?;
        let hash = hash_json(&(&card, self.seed, self.events));
        let provenance = Provenance::new(hash, self.seed, card.clone());
        if let Some(format) = format.table().filter(|_| sampler.has_effects()) {
            return self.write_measured(&sampler, &card, &provenance, format);
        }
        let mut output = if let Some(format) = format.table() {
            let mut directions = self.score;
            let mut seen = HashSet::new();
            directions.retain(|direction| seen.insert(*direction));
            let scores = ScoreColumns::new(&decay, card.line_shape, sampler.windows(), &directions)?;
            let writer = EventWriter::create_as(format, &self.out, &provenance, &scores.names())?;
            Output::Table { writer: Box::new(writer), scores: Box::new(scores), written: 0 }
        } else {
            let momentum = self.b_momentum.unwrap_or_default();
            Output::Momenta(Box::new(HepMcWriter::create(&self.out, &provenance, &decay, momentum, &[])?))
        };
        let progress = Progress::new("generate", self.events, "events");
        let stream = StreamKey::new(self.seed).child("events", 0);
        let report = if output.takes_columns() {
            let told = |events: usize| progress.advance(events as u64, "");
            let (events, report) = sampler.generate_telling(stream, self.events as usize, told);
            output.take(events)?;
            report
        } else {
            sampler.stream(stream, self.events, |batch| {
                output.write(batch)?;
                progress.advance(batch.len() as u64, "");
                anyhow::Ok(())
            })?
        };
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

impl GenerateArguments {
    /// Writes events with effects, and what they were.
    fn write_measured(
        &self,
        sampler: &EventSampler,
        card: &GeneratorCard,
        provenance: &Provenance,
        format: EventFormat,
    ) -> Result<()> {
        /// Blocks in memory at a time.
        const BLOCKS: u64 = 64;
        let schema = measured_schema(&card.effects);
        let mut writer = EventWriter::create_table(format, &self.out, provenance, schema.clone())?;
        let progress = Progress::new("generate", self.events, "events");
        let stream = StreamKey::new(self.seed).child("events", 0);
        let mut report = GenerationReport::default();
        let mut counts = [0_u64; COMPONENTS.len()];
        for first in (0..self.events.div_ceil(BLOCK as u64)).step_by(BLOCKS as usize) {
            let events = (self.events - first * BLOCK as u64).min(BLOCKS * BLOCK as u64) as usize;
            let (made, drawn) = sampler.measured(stream, first, events);
            made.component.iter().for_each(|component| counts[usize::from(*component)] += 1);
            report = report.merge(drawn);
            writer.write_table(&made.table(&schema)?)?;
            progress.advance(events as u64, "");
        }
        sampling::check(&report)?;
        writer.finish()?;
        progress.finish();
        sampling::note_outside(&report);
        note(format!("wrote {}", self.out.display()));
        if card.effects.background.is_some() {
            let parts = COMPONENTS.iter().zip(counts).map(|(name, n)| format!("{n} {name}"));
            note(format!("components: {}", parts.collect::<Vec<_>>().join(", ")));
        }
        Ok(())
    }
}

impl Output {
    /// Whether it is a table in memory without scores, whose columns need not be copied.
    fn takes_columns(&self) -> bool {
        matches!(self, Self::Table { writer, scores, .. } if writer.is_in_memory() && scores.is_empty())
    }

    fn take(&mut self, events: EventBatch) -> Result<()> {
        match self {
            Self::Table { writer, .. } => writer.take(events)?,
            Self::Momenta(writer) => writer.write(&events)?,
        }
        Ok(())
    }

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

impl Format {
    /// Format to write to `out`: what was asked for, else what the name ends in, else the first of those allowed, if it
    /// goes to a stream.
    ///
    /// # Errors
    /// When that is none of those allowed.
    pub(super) fn of(out: &Path, asked: Option<Self>, allowed: &[Self]) -> Result<Self> {
        let ending = out.extension().and_then(|ending| ending.to_str());
        let named = || allowed.iter().copied().find(|format| Some(format.name()) == ending);
        let streamed = || is_stream(out).then_some(allowed[0]);
        let format = asked.or_else(named).or_else(streamed).filter(|format| allowed.contains(format));
        let names = || allowed.iter().rev().map(|format| format!(".{}", format.name())).collect::<Vec<_>>();
        format.with_context(|| {
            format!(
                "--out = {} is not allowed; allowed: a name ending in {}, or one of these as --format",
                out.display(),
                names().join(", ")
            )
        })
    }

    /// The format of a table; none of momenta.
    pub(super) const fn table(self) -> Option<EventFormat> {
        match self {
            Self::Parquet => Some(EventFormat::Parquet),
            Self::Arrow => Some(EventFormat::Arrow),
            Self::Root => Some(EventFormat::Root),
            Self::Hepmc => None,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
            Self::Root => "root",
            Self::Hepmc => "hepmc",
        }
    }
}
