//! All rows of a file of events.

use humboldt_physics::Flavour;
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::layout::{B0, B0BAR};
use humboldt_pipeline::phase_space::ROUNDING;
use humboldt_pipeline::store::EventReader;
use humboldt_schemas::events::SWEIGHT_PREFIX;

use crate::Error;
use crate::infer::weights::Weights;

/// All rows of a table of events.
#[derive(Debug, Default)]
pub struct Table {
    /// As they were measured.
    pub features: EventBatch,
    /// As they were, where that was asked for; the same where the file has nothing else.
    pub truth: EventBatch,
    /// `None` where each counts as one.
    pub weights: Option<Weights>,
    /// +1 of a B0bar, -1 of a B0.
    pub flavours: Option<Vec<i8>>,
}

/// Columns that are read of each row besides its measured variables and flavour.
#[derive(Debug, Clone, Copy)]
pub(super) struct Columns {
    pub(super) weighted: bool,
    pub(super) truth: bool,
}

impl Table {
    /// Reads all rows; sWeights with those of other components, in columns `sweight_*`.
    pub(super) fn read(reader: &mut EventReader, columns: Columns) -> Result<Self, Error> {
        let names = reader.schema().fields().iter().map(|field| field.name().clone());
        let others: Vec<String> = names.filter(|name| name.starts_with(SWEIGHT_PREFIX)).collect();
        let mut table = Self::default();
        let (mut weights, mut of_others) = (Vec::new(), vec![Vec::new(); others.len()]);
        let mut first_row = 0;
        while let Some(sample) = reader.next_sample() {
            let sample = sample?;
            if columns.weighted {
                weights.extend(sample.weights().into_iter().flatten());
                for (name, column) in others.iter().zip(&mut of_others) {
                    column.extend(sample.column(name, first_row)?);
                }
            }
            if columns.truth {
                table.truth.append(sample.truth());
            }
            if let Some(flavours) = sample.flavours() {
                table.flavours.get_or_insert_default().extend(flavours);
            }
            first_row += sample.len();
            table.features.append(sample.features());
        }
        if columns.weighted {
            let weights = Weights::new(weights)?;
            table.weights = Some(if others.is_empty() { weights } else { weights.with_others(of_others)? });
        }
        Ok(table)
    }

    /// The flavour of all events; none where they have both, or the table does not say it.
    pub(super) fn flavour(&self) -> Option<Flavour> {
        let flavours = self.flavours.as_deref()?;
        let first = *flavours.first()?;
        let same = flavours.iter().all(|other| *other == first);
        same.then_some(of_column(first))
    }

    /// The rows whose entry of `keep` is true.
    ///
    /// # Errors
    /// When the weights that are left sum to nothing.
    pub fn filtered(&self, keep: &[bool]) -> Result<Self, Error> {
        let of = |events: &EventBatch| events.filtered(keep);
        let weights = self.weights.as_ref().map(|weights| weights.filtered(keep)).transpose()?;
        let kept = |flavours: &Vec<i8>| {
            flavours.iter().zip(keep).filter_map(|(own, keep)| keep.then_some(*own)).collect()
        };
        let flavours = self.flavours.as_ref().map(kept);
        Ok(Self { features: of(&self.features), truth: of(&self.truth), weights, flavours })
    }
}

/// Smallest and largest.
pub(super) fn range(values: &[f32]) -> (f32, f32) {
    values.iter().fold((f32::INFINITY, f32::NEG_INFINITY), |(low, high), x| (low.min(*x), high.max(*x)))
}

/// The meson of a value of the flavour's column.
pub(super) const fn of_column(flavour: i8) -> Flavour {
    if flavour == B0BAR { Flavour::B0bar } else { Flavour::B0 }
}

/// The value of the flavour's column that events of a meson have.
pub(super) const fn column_of(flavour: Flavour) -> i8 {
    if flavour.has_b_quark() { B0BAR } else { B0 }
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
