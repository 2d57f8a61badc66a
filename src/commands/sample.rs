//! Events that are fitted, and the density they are supposed to follow, as typed.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::Result;
use clap::Args;
use humboldt_physics::{Flavour, Lepton, LineShape, ModelName, WilsonDirection};
use humboldt_pipeline::PipelineError;
use humboldt_pipeline::store::{EventReader, More};
use humboldt_schemas::card::{Q2Range, RunCard};
use humboldt_schemas::events::WEIGHT_COLUMN;
use humboldt_schemas::layout::Layout;
use humboldt_schemas::provenance::Provenance;

use super::arguments::{InputArguments, ShiftArguments, as_options};
use super::layout::LayoutArguments;
use crate::assumptions::{note_idle_inputs, ranges, sentence};
use crate::infer::weights::Weights;
use crate::measured::{LeftOut, MeasuredSample, Said, Settings, Source};
use crate::progress::note;

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
    #[command(flatten)]
    selection: SelectionArguments,
}

/// Selection of the events of a file, and the decay that they are taken for.
#[derive(Debug, Args)]
pub(super) struct SelectionArguments {
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
    unweighted: bool,
}

impl SelectionArguments {
    /// Settings that they give, with the layout of the file.
    pub(super) fn settings(&self, layout: Option<Layout>) -> Settings {
        Settings {
            layout,
            flavour: self.flavour,
            lepton: self.lepton,
            line_shape: self.line_shape,
            q2: self.q2.clone(),
            veto: self.veto.clone(),
            m_kpi: self.m_kpi,
            select: self.select,
            unweighted: self.unweighted,
            ..Settings::default()
        }
    }

    /// Says how many events of a file they leave out, and why.
    pub(super) fn note_left_out(&self, sample: &MeasuredSample) {
        let LeftOut { of_other_flavour, outside } = sample.left_out;
        let inside_or_not = sample.events.len() + outside;
        if let (Some(flavour), 1..) = (self.flavour, of_other_flavour) {
            let all = inside_or_not + of_other_flavour;
            note(format!("{of_other_flavour} of {all} events left out, which are no {}", flavour.name()));
        }
        if outside > 0 {
            let masses = self.m_kpi.map(|(low, high)| format!(" or m_kpi = {low}:{high}"));
            let windows = ranges(&sample.assumed.q2) + &masses.unwrap_or_default();
            note(format!("{outside} of {inside_or_not} events left out, outside q2 = {windows}"));
        }
    }
}

/// As in 0.796:0.996.
pub(super) fn mass_window(text: &str) -> Result<(f64, f64), String> {
    let ends = text
        .split_once(':')
        .and_then(|(low, high)| Some((low.trim().parse().ok()?, high.trim().parse().ok()?)));
    let window = ends.filter(|(low, high): &(f64, f64)| *low > 0.0 && low < high && high.is_finite());
    window.ok_or_else(|| "allowed: MIN:MAX with 0 < MIN < MAX, in GeV".to_owned())
}

/// The density of events whose file does not say it.
#[derive(Debug, Args)]
pub(super) struct SourceArguments {
    #[command(flatten)]
    layout: LayoutArguments,
    /// Card whose [generator] the events of another program follow; humboldt's own files say it themselves. By default the Standard
    /// Model's events of model npr
    #[arg(long, value_name = "CARD")]
    source: Option<PathBuf>,
    /// Window in q2 [GeV^2] that the events of another program were selected in, as in 1.1:6; in place of the card's
    #[arg(long, value_name = "MIN:MAX", value_parser = Q2Range::from_str, value_delimiter = ',')]
    q2: Vec<Q2Range>,
}

impl SourceArguments {
    /// A file with the columns of the layout, and what density its events follow.
    pub(super) fn read(
        &self,
        file: &Path,
        windows_matter: bool,
    ) -> Result<(impl Fn() -> Result<EventReader, PipelineError>, Provenance)> {
        let layout = self.layout.read()?;
        let card = self.source.as_deref().map(RunCard::read_for_events).transpose()?;
        let said = Said { card, q2: self.q2.clone() };
        let source = Source::of(file, layout.as_ref(), &said, windows_matter).map_err(as_options)?;
        if let Some(assumed) = &source.assumed {
            note(format!("assumed: {}", sentence(assumed)));
        }
        let file = file.to_owned();
        let open = move || EventReader::open_as(&file, layout.as_ref(), More::Everything);
        Ok((open, source.provenance))
    }
}

impl SampleArguments {
    /// Reads the events; of the shifts that the file or the arguments name, the free ones count from zero. Where it matters,
    /// the window must be known.
    pub(super) fn read(&self, free: &[WilsonDirection], window_matters: bool) -> Result<MeasuredSample> {
        let settings = self.settings()?;
        let sample =
            MeasuredSample::read(&self.events, &settings, free, window_matters).map_err(as_options)?;
        self.selection.note_left_out(&sample);
        note_idle_inputs(&sample.card)?;
        if let Some(weights) = &sample.weights {
            note(format!(
                "events count by their column `{WEIGHT_COLUMN}` (--unweighted: once): {}",
                in_words(weights)
            ));
        }
        Ok(sample)
    }

    /// Whether each event counts once, although the file has a column `weight`.
    pub(super) const fn unweighted(&self) -> bool {
        self.selection.unweighted
    }

    /// Settings that the arguments give.
    pub(super) fn settings(&self) -> Result<Settings> {
        Ok(Settings {
            model: self.model,
            shifts: self.shifts.by_name()?,
            inputs: self.inputs.values.iter().cloned().collect(),
            charmonium: self.inputs.resonances(),
            ..self.selection.settings(self.layout.read()?)
        })
    }
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
