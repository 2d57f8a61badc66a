//! Events that are fitted, and the density they are supposed to follow.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Result, ensure};
use clap::Args;
use humboldt_physics::wilson::Part;
use humboldt_physics::{Decay, Flavour, Lepton, LineShape, ModelName, WilsonDirection};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::store::EventReader;
use humboldt_schemas::card::{GeneratorCard, Q2Range};
use humboldt_schemas::events::WEIGHT_COLUMN;

use super::arguments::{InputArguments, ShiftArguments};
use crate::progress::note;
use crate::sampling;

/// A file of events and their density.
#[derive(Debug, Args)]
pub(super) struct SampleArguments {
    /// Events, .parquet or .arrow, with columns q2, cos_theta_l, cos_theta_k, chi and, for a line shape, m_kpi
    events: PathBuf,
    #[command(flatten)]
    shifts: ShiftArguments,
    #[command(flatten)]
    inputs: InputArguments,
    /// Amplitude model: npr, bare, nnlo, full; by default as the file says, else npr
    #[arg(long, value_parser = ModelName::from_str)]
    model: Option<ModelName>,
    /// Decaying meson: B0bar, B0, B-, B+; by default as the file says, else B0bar
    #[arg(long, value_parser = Flavour::from_str)]
    flavour: Option<Flavour>,
    /// Lepton: mu, e; by default as the file says, else mu
    #[arg(long, value_parser = Lepton::from_str)]
    lepton: Option<Lepton>,
    /// K pi mass: breit-wigner, or narrow for the pole; by default as the file says, else breit-wigner where there is a
    /// column m_kpi
    #[arg(long, value_parser = LineShape::from_str)]
    line_shape: Option<LineShape>,
    /// Window in q2 [GeV^2] that the events were selected in, as in 0.1:8; by default as the file says, else all of it
    #[arg(long, value_name = "MIN:MAX", value_parser = Q2Range::from_str, value_delimiter = ',')]
    q2: Vec<Q2Range>,
    /// Window in q2 [GeV^2] that was left out, as in 8:11
    #[arg(long, value_name = "MIN:MAX", value_parser = Q2Range::from_str, value_delimiter = ',')]
    veto: Vec<Q2Range>,
    /// Leave out events outside the windows; without it they are refused
    #[arg(long)]
    select: bool,
}

/// Events and what they are supposed to follow.
pub(super) struct Sample {
    pub(super) events: EventBatch,
    /// With all shifts but the free ones.
    pub(super) decay: Decay,
    pub(super) line_shape: LineShape,
    /// GeV^2.
    pub(super) windows: Vec<(f64, f64)>,
}

/// Opens a file of events, each of which counts as one.
pub(super) fn open_unweighted(path: &Path) -> Result<EventReader> {
    let reader = EventReader::open_with_any_mass(path)?;
    ensure!(
        !reader.is_weighted(),
        "{}: has a column `{WEIGHT_COLUMN}`; allowed: unweighted events (reweight --unweight makes them)",
        path.display()
    );
    Ok(reader)
}

impl SampleArguments {
    /// Reads the events; of the shifts that the file or the arguments name, the free ones count from zero.
    pub(super) fn read(&self, free: &[WilsonDirection]) -> Result<Sample> {
        let reader = open_unweighted(&self.events)?;
        let made = reader.provenance().map(|provenance| provenance.generator.clone());
        let events = reader.read_all()?;
        ensure!(
            !events.is_empty(),
            "{}: events = 0 is not allowed; allowed: at least one",
            self.events.display()
        );
        let card = self.card(made, events.m_kpi.is_empty())?;
        let line_shape = card.line_shape()?;
        ensure!(
            line_shape == LineShape::Narrow || !events.m_kpi.is_empty(),
            "--line-shape = {line_shape} is not allowed; allowed: narrow, for {} has no column `m_kpi`",
            self.events.display()
        );
        let mut shifts = card.shifts()?;
        for direction in free {
            let own = shifts.get(direction.coefficient);
            let step = if direction.part == Part::Real { own.re } else { own.im };
            shifts = shifts.moved(*direction, -step);
        }
        for (coefficient, value) in shifts.iter().filter(|(_, value)| value.norm() > 0.0) {
            note(format!("fixed: {coefficient} = {value}"));
        }
        let decay = card.decay(&shifts)?;
        let windows = sampling::windows(&card)?.of(&decay, line_shape)?;
        let events = if self.select { selected(&events, &windows) } else { events };
        ensure!(!events.is_empty(), "--select leaves events = 0; allowed: at least one in the windows in q2");
        Ok(Sample { events, decay, line_shape, windows })
    }

    /// What the file says it was made of, with what the arguments change.
    fn card(&self, made: Option<GeneratorCard>, massless: bool) -> Result<GeneratorCard> {
        let mut card = made.unwrap_or_else(|| GeneratorCard {
            line_shape: if massless { LineShape::Narrow } else { LineShape::BreitWigner }.name().to_owned(),
            ..GeneratorCard::default()
        });
        let change = |text: &mut String, name: Option<&str>| {
            if let Some(name) = name {
                name.clone_into(text);
            }
        };
        change(&mut card.model, self.model.map(ModelName::name));
        change(&mut card.flavour, self.flavour.map(Flavour::name));
        change(&mut card.lepton, self.lepton.map(Lepton::name));
        change(&mut card.line_shape, self.line_shape.map(LineShape::name));
        if !self.q2.is_empty() || !self.veto.is_empty() {
            card.q2.clone_from(&self.q2);
            card.veto.clone_from(&self.veto);
        }
        card.wilson.extend(self.shifts.by_name()?);
        self.inputs.change(&mut card);
        Ok(card)
    }
}

fn selected(events: &EventBatch, windows: &[(f64, f64)]) -> EventBatch {
    let inside = |q2: &f32| windows.iter().any(|(low, high)| (*low..=*high).contains(&f64::from(*q2)));
    events.filtered(&events.q2.iter().map(inside).collect::<Vec<_>>())
}
