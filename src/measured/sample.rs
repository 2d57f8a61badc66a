//! Events that are fitted, and the density they are supposed to follow.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;

use humboldt_physics::{Decay, Flavour, Lepton, LineShape, ModelName, WilsonDirection};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::layout::B0BAR;
use humboldt_pipeline::phase_space::{PhaseSpace, ROUNDING};
use humboldt_pipeline::sample::Role;
use humboldt_pipeline::store::{EventReader, More};
use humboldt_schemas::card::{GeneratorCard, Q2Range};
use humboldt_schemas::complex::ComplexValue;
use humboldt_schemas::inference::Assumed;
use humboldt_schemas::layout::Layout;

use super::table::{Columns, Table, column_of, range, within};
use crate::Error;
use crate::assumptions::{assumed, differences, ranges};
use crate::error::Place;
use crate::guards::doubts;
use crate::infer::density::EventFamily;
use crate::infer::weights::Weights;
use crate::sampling;

/// The flavours of a mixed sample.
const BOTH: [Flavour; 2] = [Flavour::B0bar, Flavour::B0];

/// Settings of a sample, in the place of what its file says of itself.
#[derive(Debug, Clone, Default)]
pub struct Settings {
    /// Layout of the file; none of humboldt's own columns.
    pub layout: Option<Layout>,
    /// Amplitude model; by default as the file says, else npr.
    pub model: Option<ModelName>,
    /// Decaying meson; by default as the file says, else B0bar. Of a file of both flavours only those are taken.
    pub flavour: Option<Flavour>,
    /// Lepton; by default as the file says, else mu.
    pub lepton: Option<Lepton>,
    /// K pi masses; by default as the file says, else of a line shape where there are masses that differ.
    pub line_shape: Option<LineShape>,
    /// Windows in q2 \[GeV^2\] that the events were selected in; by default as the file says.
    pub q2: Vec<Q2Range>,
    /// Windows in q2 \[GeV^2\] that were left out.
    pub veto: Vec<Q2Range>,
    /// Shifts of Wilson coefficients.
    pub shifts: BTreeMap<String, ComplexValue>,
    /// Physical inputs.
    pub inputs: BTreeMap<String, f64>,
    /// Scale and phase of charmonium resonances, where there are any.
    pub charmonium: Option<BTreeMap<String, [f64; 2]>>,
    /// Window in the K pi mass \[GeV\]; all masses of the line shape by default.
    pub m_kpi: Option<(f64, f64)>,
    /// Whether events outside the windows are left out; they are refused otherwise.
    pub select: bool,
    /// Whether each event counts once, although the file has weights.
    pub unweighted: bool,
}

impl Settings {
    /// Card that a file says it was made with, with these settings in its place.
    pub(crate) fn card(&self, made: Option<GeneratorCard>, at_pole: bool) -> GeneratorCard {
        let mut card = made.unwrap_or_else(|| GeneratorCard {
            line_shape: if at_pole { LineShape::Narrow } else { LineShape::BreitWigner },
            ..GeneratorCard::default()
        });
        card.model = self.model.unwrap_or(card.model);
        card.flavour = self.flavour.unwrap_or(card.flavour);
        card.lepton = self.lepton.unwrap_or(card.lepton);
        card.line_shape = self.line_shape.unwrap_or(card.line_shape);
        if !self.q2.is_empty() || !self.veto.is_empty() {
            card.q2.clone_from(&self.q2);
            card.veto.clone_from(&self.veto);
        }
        card.wilson.extend(self.shifts.clone());
        card.inputs.extend(self.inputs.clone());
        card.charmonium = self.charmonium.clone().or(card.charmonium);
        card
    }

    /// Names of what neither the settings nor the file say.
    pub(super) fn by_default(&self, flavour_is_said: bool) -> Vec<String> {
        let said = [
            ("model", self.model.is_some()),
            ("flavour", self.flavour.is_some() || flavour_is_said),
            ("lepton", self.lepton.is_some()),
            ("line_shape", self.line_shape.is_some()),
            ("q2", !self.q2.is_empty()),
        ];
        said.iter().filter(|(_, said)| !said).map(|(name, _)| (*name).to_owned()).collect()
    }
}

/// Rows of a file that are not in a sample.
#[derive(Debug, Clone, Copy, Default)]
pub struct LeftOut {
    /// Those of the other flavour.
    pub of_other_flavour: usize,
    /// Those outside the windows.
    pub outside: usize,
}

/// Events and what they are supposed to follow.
#[derive(Debug)]
pub struct MeasuredSample {
    /// The events.
    pub events: EventBatch,
    /// The events' weights; `None` where each counts as one.
    pub weights: Option<Weights>,
    /// +1 of a B0bar, -1 of a B0, where there are events of both.
    pub flavours: Option<Vec<i8>>,
    /// Layout of the file; none of humboldt's own columns.
    pub layout: Option<Layout>,
    /// Settings that the file says it was made with, with what was said in their place.
    pub card: GeneratorCard,
    /// With all shifts but the free ones.
    pub decay: Decay,
    /// Decay of each flavour that the events have: one, or B0bar and B0.
    pub decays: Vec<Decay>,
    /// K pi masses.
    pub line_shape: LineShape,
    /// GeV^2.
    pub windows: Vec<(f64, f64)>,
    /// K pi masses (GeV) that events may have.
    pub m_kpi: (f64, f64),
    /// Its value in words.
    pub assumed: Assumed,
    /// Differences from what the file says of itself, and doubts about the events.
    pub warnings: Vec<String>,
    /// Rows of the file that are not in it.
    pub left_out: LeftOut,
}

impl MeasuredSample {
    /// Reads the events of a file; of the shifts that the file or the settings name, the free ones count from zero. Where it matters, the
    /// window must be known.
    ///
    /// # Errors
    /// When the file cannot be read, has no events, or events that the density does not allow; when a setting does not fit it.
    pub fn read(
        file: &Path,
        settings: &Settings,
        free: &[WilsonDirection],
        window_matters: bool,
    ) -> Result<Self, Error> {
        let name = || file.display().to_string();
        let FileOfEvents { mut table, made, mut warnings, others } = FileOfEvents::read(file, settings)?;
        let said = table.flavour();
        if said.is_some() {
            table.flavours = None;
        }
        if table.features.is_empty() {
            return Err(Error::file(file, "events = 0 is not allowed; allowed: at least one"));
        }
        if made.is_none() && settings.q2.is_empty() && window_matters {
            let (low, high) = range(&table.features.q2);
            let allowed = format!(
                "the window in which the events were selected, which {} does not say; they lie in {low} to {high} GeV^2",
                name()
            );
            return Err(Error::Missing { setting: "q2", allowed });
        }
        let mut card = settings.card(made.clone(), at_one_mass(&table.features.m_kpi));
        if let (Some(said), None, None) = (said, &made, settings.flavour) {
            card.flavour = said;
        }
        let line_shape = card.line_shape;
        if line_shape != LineShape::Narrow && table.features.m_kpi.is_empty() {
            let allowed = format!("narrow, for {} has no column `m_kpi`", name());
            return Err(Error::setting("line_shape", line_shape, allowed));
        }
        let mut shifts = card.shifts()?;
        for direction in free {
            shifts = shifts.moved(*direction, -shifts.part(*direction));
        }
        let decay = card.decay(&shifts)?;
        // Known by now, and narrower than what the reader knew of a file that says nothing.
        PhaseSpace::of(&decay).admit(&mut table.features, Role::Feature, 0).place(name)?;
        let windows = sampling::windows(&card)?.of(&decay, line_shape)?;
        let m_kpi = masses(settings.m_kpi, &decay, line_shape)?;
        let mut assumed = assumed(&card, free)?;
        assumed.m_kpi = settings.m_kpi.map(|(low, high)| [low, high]);
        let decays = if table.flavours.is_some() {
            assumed.flavour = BOTH.map(Flavour::name).join(" and ");
            let decay = |flavour: Flavour| card.of_flavour(flavour).decay(&shifts);
            BOTH.into_iter().map(decay).collect::<Result<_, _>>()?
        } else {
            vec![decay]
        };
        if let Some(made) = &made {
            warnings.extend(differences(made, &card, free)?);
        } else {
            assumed.by_default = settings.by_default(said.is_some() || table.flavours.is_some());
        }
        let inside_or_not = table.features.len();
        if settings.select {
            table = table.filtered(&within(&table.features, &windows, m_kpi))?;
        }
        let Table { features: events, weights, flavours, .. } = table;
        if events.is_empty() {
            return Err(Error::file(file, "events = 0 in the windows is not allowed; allowed: at least one"));
        }
        let left_out = LeftOut { of_other_flavour: others, outside: inside_or_not - events.len() };
        Ok(Self {
            events,
            weights,
            flavours,
            layout: settings.layout.clone(),
            card,
            decay,
            decays,
            line_shape,
            windows,
            m_kpi,
            assumed,
            warnings,
            left_out,
        })
    }

    /// Sample of a card without events: at the card's own shifts, in a window of K pi masses (GeV).
    ///
    /// # Errors
    /// When the physics refuses the card, or the window lies outside the masses of the line shape.
    pub fn expected(
        card: GeneratorCard,
        layout: Option<Layout>,
        m_kpi: Option<(f64, f64)>,
        free: &[WilsonDirection],
    ) -> Result<Self, Error> {
        let (line_shape, decay) = (card.line_shape, card.own_decay()?);
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
            left_out: LeftOut::default(),
            card,
        })
    }

    /// Place among the decays of an event's.
    pub fn which(&self, row: usize) -> usize {
        self.flavours.as_ref().map_or(0, |flavours| usize::from(flavours[row] != B0BAR))
    }

    /// The density of one of the decays as a function of some shifts.
    ///
    /// # Errors
    /// When the physics refuses them.
    pub fn family(&self, decay: &Decay, free: &[WilsonDirection]) -> Result<EventFamily, Error> {
        Ok(EventFamily::in_masses(decay, self.line_shape, &self.windows, self.m_kpi, free)?)
    }

    /// Part of some rows, by weight, that each of the decays has.
    pub fn shares(&self, rows: Range<usize>) -> Vec<f64> {
        let mut sums = vec![0.0; self.decays.len()];
        for row in rows {
            sums[self.which(row)] += self.weights.as_ref().map_or(1.0, |weights| weights.values()[row]);
        }
        let all: f64 = sums.iter().sum();
        sums.into_iter().map(|sum| sum / all).collect()
    }

    /// A sentence about events outside the windows, where there are any.
    pub fn outside(&self) -> Option<String> {
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

/// Content of a file of events.
struct FileOfEvents {
    /// Rows of the flavour that is asked for, or of both.
    table: Table,
    /// Settings that it says it was made with.
    made: Option<GeneratorCard>,
    /// Doubts about the events.
    warnings: Vec<String>,
    /// Number of rows of the other flavour.
    others: usize,
}

impl FileOfEvents {
    fn read(file: &Path, settings: &Settings) -> Result<Self, Error> {
        let layout = settings.layout.as_ref();
        let open = |more| EventReader::open_as(file, layout, more);
        let mut reader = open(More::MassIfThere)?;
        let made = reader.provenance().map(|provenance| provenance.generator.clone());
        let weighted = reader.is_weighted() && !settings.unweighted;
        if weighted {
            // sWeights of other components lie in columns of their own.
            reader = open(More::EverythingThereIs)?;
        }
        let columns = Columns { weighted, truth: false };
        let mut table = Table::read(&mut reader, columns).place(|| file.display().to_string())?;
        let warnings = doubts(&reader, file, layout, &table.features.q2)?;
        let mut others = 0;
        if let (Some(flavour), Some(flavours)) = (settings.flavour, &table.flavours) {
            let keep: Vec<bool> = flavours.iter().map(|own| *own == column_of(flavour)).collect();
            others = keep.iter().filter(|keep| !**keep).count();
            if others > 0 {
                table = table.filtered(&keep)?;
            }
        }
        Ok(Self { table, made, warnings, others })
    }
}

/// K pi masses (GeV) that events may have.
fn masses(window: Option<(f64, f64)>, decay: &Decay, line_shape: LineShape) -> Result<(f64, f64), Error> {
    let (lightest, heaviest) = decay.resonance().range(line_shape);
    let Some((low, high)) = window else { return Ok((lightest, heaviest)) };
    if lightest <= low && high <= heaviest && lightest < heaviest {
        return Ok((low, high));
    }
    let allowed = if lightest < heaviest {
        format!("windows inside {lightest}:{heaviest}")
    } else {
        "a line shape, by which masses differ".to_owned()
    };
    Err(Error::setting("m_kpi", format!("{low}:{high}"), allowed))
}

/// Whether no K pi mass is known, or all are the same.
pub(crate) fn at_one_mass(m_kpi: &[f32]) -> bool {
    let (low, high) = range(m_kpi);
    m_kpi.is_empty() || high - low < 1e-5
}
