//! Events that are fitted, and the density they are supposed to follow.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, ensure};
use clap::Args;
use humboldt_physics::{Decay, Flavour, Lepton, LineShape, ModelName, WilsonDirection};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::layout::{B0, B0BAR};
use humboldt_pipeline::phase_space::{PhaseSpace, ROUNDING};
use humboldt_pipeline::sample::Role;
use humboldt_pipeline::store::{EventReader, More};
use humboldt_schemas::card::{GeneratorCard, Q2Range};
use humboldt_schemas::events::{SWEIGHT_PREFIX, WEIGHT_COLUMN};
use humboldt_schemas::inference::Assumed;
use humboldt_schemas::layout::Layout;
use humboldt_schemas::provenance::Provenance;

use super::arguments::{InputArguments, ShiftArguments};
use super::layout::{LayoutArguments, doubts};
use crate::assumptions::{assumed, differences, note_idle_inputs, ranges};
use crate::infer::density::EventFamily;
use crate::infer::weights::Weights;
use crate::progress::note;
use crate::sampling;

/// A file of events and their density.
#[derive(Debug, Args)]
pub(super) struct SampleArguments {
    /// Events, .parquet, .arrow or .root (FILE.root:TREE), with columns q2, cos_theta_l, cos_theta_k, chi and, for a line shape, m_kpi
    pub(super) events: PathBuf,
    #[command(flatten)]
    pub(super) layout: LayoutArguments,
    #[command(flatten)]
    shifts: ShiftArguments,
    #[command(flatten)]
    inputs: InputArguments,
    /// Amplitude model: npr, bare, nnlo, full; by default as the file says, else npr
    #[arg(long, value_parser = ModelName::from_str)]
    model: Option<ModelName>,
    /// Decaying meson: B0bar, B0, B-, B+; by default as the file says, else B0bar. Of a file of both flavours only those are
    /// taken
    #[arg(long, value_parser = Flavour::from_str)]
    flavour: Option<Flavour>,
    /// Lepton: mu, e; by default as the file says, else mu
    #[arg(long, value_parser = Lepton::from_str)]
    lepton: Option<Lepton>,
    /// K pi mass: breit-wigner, or narrow for the pole; by default as the file says, else breit-wigner where there is a
    /// column m_kpi whose values differ
    #[arg(long, value_parser = LineShape::from_str)]
    line_shape: Option<LineShape>,
    /// Window in q2 [GeV^2] that the events were selected in, as in 0.1:8; by default as the file says, required where it
    /// does not
    #[arg(long, value_name = "MIN:MAX", value_parser = Q2Range::from_str, value_delimiter = ',')]
    q2: Vec<Q2Range>,
    /// Window in q2 [GeV^2] that was left out, as in 8:11
    #[arg(long, value_name = "MIN:MAX", value_parser = Q2Range::from_str, value_delimiter = ',')]
    veto: Vec<Q2Range>,
    /// Window in the K pi mass [GeV] that the events were selected in, as in 0.796:0.996; all masses of the line shape by default
    #[arg(long, value_name = "MIN:MAX", value_parser = mass_window)]
    m_kpi: Option<(f64, f64)>,
    /// Leave out events outside the windows; without it they are refused
    #[arg(long)]
    select: bool,
    /// Count each event once, although the file has a column `weight`
    #[arg(long)]
    pub(super) unweighted: bool,
}

/// As in 0.796:0.996.
pub(super) fn mass_window(text: &str) -> Result<(f64, f64), String> {
    let ends = text
        .split_once(':')
        .and_then(|(low, high)| Some((low.trim().parse().ok()?, high.trim().parse().ok()?)));
    let window = ends.filter(|(low, high): &(f64, f64)| *low > 0.0 && low < high && high.is_finite());
    window.ok_or_else(|| "allowed: MIN:MAX with 0 < MIN < MAX, in GeV".to_owned())
}

/// K pi masses (GeV) that events may have.
fn masses(window: Option<(f64, f64)>, decay: &Decay, line_shape: LineShape) -> Result<(f64, f64)> {
    let (lightest, heaviest) = decay.resonance().range(line_shape);
    let Some((low, high)) = window else { return Ok((lightest, heaviest)) };
    ensure!(
        lightest <= low && high <= heaviest && lightest < heaviest,
        "--m-kpi = {low}:{high} is not allowed; allowed: {}",
        if lightest < heaviest {
            format!("windows inside {lightest}:{heaviest}")
        } else {
            "a line shape, by which masses differ".to_owned()
        }
    );
    Ok((low, high))
}

/// The flavours of a mixed sample.
const BOTH: [Flavour; 2] = [Flavour::B0bar, Flavour::B0];

/// Events and what they are supposed to follow.
pub(super) struct Sample {
    pub(super) events: EventBatch,
    /// The events' weights; `None` where each counts as one.
    pub(super) weights: Option<Weights>,
    /// +1 of a B0bar, -1 of a B0, where there are events of both.
    pub(super) flavours: Option<Vec<i8>>,
    /// Layout of the file; none of humboldt's own columns.
    pub(super) layout: Option<Layout>,
    /// Settings that the file says it was made with, with what the arguments change.
    pub(super) card: GeneratorCard,
    /// With all shifts but the free ones.
    pub(super) decay: Decay,
    /// The same of each flavour that the events have: one, or B0bar and B0.
    pub(super) decays: Vec<Decay>,
    pub(super) line_shape: LineShape,
    /// GeV^2.
    pub(super) windows: Vec<(f64, f64)>,
    /// K pi masses (GeV) that events may have.
    pub(super) m_kpi: (f64, f64),
    /// Its value in words.
    pub(super) assumed: Assumed,
    /// Difference from what the file says of itself.
    pub(super) warnings: Vec<String>,
}

impl Sample {
    /// What a card describes, without events: at the card's own shifts, in a window of K pi masses (GeV).
    pub(super) fn expected(
        card: GeneratorCard,
        layout: Option<Layout>,
        m_kpi: Option<(f64, f64)>,
        free: &[WilsonDirection],
    ) -> Result<Self> {
        let (line_shape, decay) = (card.line_shape()?, card.decay(&card.shifts()?)?);
        Ok(Self {
            events: EventBatch::default(),
            weights: None,
            flavours: None,
            layout,
            decay,
            decays: vec![decay],
            line_shape,
            windows: sampling::windows(&card)?.of(&decay, line_shape)?,
            m_kpi: masses(m_kpi, &decay, line_shape)?,
            assumed: assumed(&card, free)?,
            warnings: Vec::new(),
            card,
        })
    }

    /// Which of the decays an event is of.
    pub(super) fn which(&self, row: usize) -> usize {
        self.flavours.as_ref().map_or(0, |flavours| usize::from(flavours[row] != B0BAR))
    }

    /// The density of one of the decays as a function of some shifts.
    pub(super) fn family(&self, decay: &Decay, free: &[WilsonDirection]) -> Result<EventFamily> {
        Ok(EventFamily::in_masses(decay, self.line_shape, &self.windows, self.m_kpi, free)?)
    }

    /// Part of some rows, by weight, that each of the decays has.
    pub(super) fn shares(&self, rows: std::ops::Range<usize>) -> Vec<f64> {
        let mut sums = vec![0.0; self.decays.len()];
        for row in rows {
            sums[self.which(row)] += self.weights.as_ref().map_or(1.0, |weights| weights.values()[row]);
        }
        let all: f64 = sums.iter().sum();
        sums.into_iter().map(|sum| sum / all).collect()
    }

    /// That some events lie outside the windows, where they do.
    pub(super) fn outside(&self) -> Option<String> {
        let inside = |q2: f64| {
            self.windows.iter().any(|(a, b)| q2 >= a * (1.0 - ROUNDING) && q2 <= b * (1.0 + ROUNDING))
        };
        let outside = self.events.q2.iter().filter(|q2| !inside(f64::from(**q2))).count();
        (outside > 0).then(|| {
            let (all, ranges) = (self.events.len(), ranges(&self.assumed.q2));
            format!("{outside} of {all} events lie outside q2 = {ranges}, where none is expected")
        })
    }
}

/// What a file of events says of how it was made, and their decay.
pub(super) fn known_decay(reader: &EventReader, file: &Path) -> Result<(Provenance, Decay)> {
    let source = reader.provenance().cloned().with_context(|| {
        format!("{}: does not say which decay its events are of; humboldt's own files do", file.display())
    })?;
    let decay = source.generator.decay(&source.generator.shifts()?)?;
    Ok((source, decay))
}

impl SampleArguments {
    /// Reads the events; of the shifts that the file or the arguments name, the free ones count from zero. Where it matters,
    /// the window must be known.
    pub(super) fn read(&self, free: &[WilsonDirection], window_matters: bool) -> Result<Sample> {
        let file = self.events.display();
        let layout = self.layout.read()?;
        let open = |more| EventReader::open_as(&self.events, layout.as_ref(), more);
        let mut reader = open(More::MassIfThere)?;
        let made = reader.provenance().map(|provenance| provenance.generator.clone());
        let weighted = reader.is_weighted() && !self.unweighted;
        if weighted {
            // sWeights of other components lie in columns of their own.
            reader = open(More::EverythingThereIs)?;
        }
        let mut table =
            Table::read(&mut reader, Rows { weighted, truth: false }).with_context(|| file.to_string())?;
        let mut warnings = doubts(&reader, &self.events, layout.as_ref(), &table.features.q2)?;
        if let (Some(flavour), Some(flavours)) = (self.flavour, &table.flavours) {
            let wanted = if flavour.has_b_quark() { B0BAR } else { B0 };
            let keep: Vec<bool> = flavours.iter().map(|own| *own == wanted).collect();
            let others = keep.iter().filter(|keep| !**keep).count();
            if others > 0 {
                note(format!("{others} of {} events left out, which are no {}", keep.len(), flavour.name()));
                table = table.filtered(&keep)?;
            }
        }
        let said = table.flavour();
        let Table { features: mut events, weights, flavours, .. } = table;
        let flavours = flavours.filter(|_| said.is_none());
        ensure!(!events.is_empty(), "{file}: events = 0 is not allowed; allowed: at least one");
        ensure!(
            made.is_some() || !self.q2.is_empty() || !window_matters,
            "--q2 is missing; allowed: the window in which the events were selected, which {file} does not say; they lie in {} GeV^2",
            in_words_of_range(&events.q2)
        );
        let mut card = self.card(made.clone(), at_one_mass(&events))?;
        if let (Some(said), None, None) = (said, &made, self.flavour) {
            said.name().clone_into(&mut card.flavour);
        }
        let line_shape = card.line_shape()?;
        ensure!(
            line_shape == LineShape::Narrow || !events.m_kpi.is_empty(),
            "--line-shape = {line_shape} is not allowed; allowed: narrow, for {file} has no column `m_kpi`"
        );
        let mut shifts = card.shifts()?;
        for direction in free {
            shifts = shifts.moved(*direction, -shifts.part(*direction));
        }
        let decay = card.decay(&shifts)?;
        // Known by now, and narrower than what the reader knew of a file that says nothing.
        let space = PhaseSpace::of(&decay);
        space.admit(&mut events, Role::Feature, 0).with_context(|| file.to_string())?;
        note_idle_inputs(&card)?;
        let windows = sampling::windows(&card)?.of(&decay, line_shape)?;
        let m_kpi = masses(self.m_kpi, &decay, line_shape)?;
        let mut assumed = assumed(&card, free)?;
        assumed.m_kpi = self.m_kpi.map(|(low, high)| [low, high]);
        let decays = if flavours.is_some() {
            assumed.flavour = BOTH.map(Flavour::name).join(" and ");
            let decay = |flavour: Flavour| card.of_flavour(flavour).decay(&shifts);
            BOTH.into_iter().map(decay).collect::<Result<_, _>>()?
        } else {
            vec![decay]
        };
        if let Some(made) = &made {
            warnings.extend(differences(made, &card, free)?);
        } else {
            assumed.by_default = self.by_default(said.is_some() || flavours.is_some());
        }
        let all = events.len();
        let table = Table { features: events, weights, flavours, truth: EventBatch::default() };
        let table =
            if self.select { table.filtered(&within(&table.features, &windows, m_kpi))? } else { table };
        let Table { features: events, weights, flavours, .. } = table;
        ensure!(!events.is_empty(), "--select leaves events = 0; allowed: at least one in the windows");
        if let Some(weights) = &weights {
            note(format!(
                "events count by their column `{WEIGHT_COLUMN}` (--unweighted: once): {}",
                in_words(weights)
            ));
        }
        if events.len() < all {
            let left_out = all - events.len();
            let masses = self.m_kpi.map(|(low, high)| format!(" or m_kpi = {low}:{high}"));
            let outside = ranges(&assumed.q2) + &masses.unwrap_or_default();
            note(format!("{left_out} of {all} events left out, outside q2 = {outside}"));
        }
        Ok(Sample {
            events,
            weights,
            flavours,
            layout,
            card,
            decay,
            decays,
            line_shape,
            windows,
            m_kpi,
            assumed,
            warnings,
        })
    }

    /// Settings that no option gives.
    fn by_default(&self, flavour_is_said: bool) -> Vec<String> {
        let said = [
            ("model", self.model.is_some()),
            ("flavour", self.flavour.is_some() || flavour_is_said),
            ("lepton", self.lepton.is_some()),
            ("line_shape", self.line_shape.is_some()),
            ("q2", !self.q2.is_empty()),
        ];
        said.iter().filter(|(_, said)| !said).map(|(name, _)| (*name).to_owned()).collect()
    }

    /// Settings that the file says it was made with, with what the arguments change.
    pub(super) fn card(&self, made: Option<GeneratorCard>, at_pole: bool) -> Result<GeneratorCard> {
        let mut card = made.unwrap_or_else(|| GeneratorCard {
            line_shape: if at_pole { LineShape::Narrow } else { LineShape::BreitWigner }.name().to_owned(),
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

/// Whether no K pi mass is known, or all are the same.
pub(super) fn at_one_mass(events: &EventBatch) -> bool {
    let (low, high) = range(&events.m_kpi);
    events.m_kpi.is_empty() || high - low < 1e-5
}

/// As `1 to 8`.
fn in_words_of_range(values: &[f32]) -> String {
    let (low, high) = range(values);
    format!("{low} to {high}")
}

/// Smallest and largest.
fn range(values: &[f32]) -> (f32, f32) {
    values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)))
}

/// Which events lie in windows of q2 (GeV^2) and, where they have any, of K pi masses (GeV).
pub(super) fn within(events: &EventBatch, windows: &[(f64, f64)], (least, most): (f64, f64)) -> Vec<bool> {
    let inside = |q2: &f32| windows.iter().any(|(low, high)| (*low..=*high).contains(&f64::from(*q2)));
    let of_mass = |row: usize| {
        let m_kpi = events.m_kpi.get(row).map_or(least, |m| f64::from(*m));
        least >= most || (least * (1.0 - ROUNDING)..=most * (1.0 + ROUNDING)).contains(&m_kpi)
    };
    events.q2.iter().enumerate().map(|(row, q2)| inside(q2) && of_mass(row)).collect()
}

/// The statistics of weights.
fn in_words(weights: &Weights) -> String {
    let counted = weights.counted();
    let own = if weights.are_of_components() { ", sWeights with those of all components" } else { "" };
    format!(
        "{} events, sum of weights {:.1}, as good as {:.1} without weights{own}",
        counted.events, counted.sum, counted.effective
    )
}

/// All rows of a table of events.
#[derive(Default)]
pub(super) struct Table {
    pub(super) features: EventBatch,
    pub(super) truth: EventBatch,
    pub(super) weights: Option<Weights>,
    /// +1 of a B0bar, -1 of a B0.
    pub(super) flavours: Option<Vec<i8>>,
}

/// What is read of each row besides its measured variables and flavour.
#[derive(Clone, Copy)]
pub(super) struct Rows {
    pub(super) weighted: bool,
    pub(super) truth: bool,
}

impl Table {
    /// Reads all rows; sWeights with those of other components, in columns `sweight_*`.
    pub(super) fn read(reader: &mut EventReader, rows: Rows) -> Result<Self> {
        let names = reader.schema().fields().iter().map(|field| field.name().clone());
        let others: Vec<String> = names.filter(|name| name.starts_with(SWEIGHT_PREFIX)).collect();
        let mut table = Self::default();
        let (mut weights, mut of_others) = (Vec::new(), vec![Vec::new(); others.len()]);
        let mut first_row = 0;
        while let Some(sample) = reader.next_sample() {
            let sample = sample?;
            if rows.weighted {
                weights.extend(sample.weights().into_iter().flatten());
                for (name, column) in others.iter().zip(&mut of_others) {
                    column.extend(sample.column(name, first_row)?);
                }
            }
            if rows.truth {
                table.truth.append(sample.truth());
            }
            if let Some(flavours) = sample.flavours() {
                table.flavours.get_or_insert_default().extend(flavours);
            }
            first_row += sample.len();
            table.features.append(sample.features());
        }
        if rows.weighted {
            let weights = Weights::new(weights)?;
            table.weights = Some(if others.is_empty() { weights } else { weights.with_others(of_others)? });
        }
        Ok(table)
    }

    /// The flavour of all events; none where they have both, or the table does not say it.
    fn flavour(&self) -> Option<Flavour> {
        let flavours = self.flavours.as_deref()?;
        let first = *flavours.first()?;
        let same = flavours.iter().all(|other| *other == first);
        same.then_some(if first == B0BAR { Flavour::B0bar } else { Flavour::B0 })
    }

    /// The rows whose entry of `keep` is true.
    pub(super) fn filtered(&self, keep: &[bool]) -> Result<Self> {
        let of = |events: &EventBatch| events.filtered(keep);
        let weights = self.weights.as_ref().map(|weights| weights.filtered(keep)).transpose()?;
        let kept = |flavours: &Vec<i8>| {
            flavours.iter().zip(keep).filter_map(|(own, keep)| keep.then_some(*own)).collect()
        };
        let flavours = self.flavours.as_ref().map(kept);
        Ok(Self { features: of(&self.features), truth: of(&self.truth), weights, flavours })
    }
}
