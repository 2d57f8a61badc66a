//! Files of events, measured and as they were, with a user's own columns.

use std::path::Path;

use humboldt_pipeline::EventBatch;
use humboldt_pipeline::layout::{B0, B0BAR};
use humboldt_pipeline::sample::Role;
use humboldt_pipeline::store::EventReader;
use humboldt_schemas::card::{GeneratorCard, RunCard};

use super::variables::Variables;
use crate::Error;
use crate::error::Place;
use crate::sampling;

/// All rows of a file in the windows of a card.
#[derive(Debug, Default)]
pub struct Table {
    /// As they were measured.
    pub events: EventBatch,
    /// As they were; the same where the file has nothing else.
    pub truth: EventBatch,
    /// Variables of a user's own.
    ///
    /// # Shapes
    /// \[variable, event\]
    pub own: Vec<Vec<f64>>,
    /// 1 where the file has none.
    pub weights: Vec<f64>,
    /// Whether each is of the other flavour than the card's; where the file does not say it none is.
    pub other_flavour: Vec<bool>,
    /// Row of each in the file.
    pub rows: Vec<usize>,
    /// Rows of the file.
    pub all: usize,
    /// Whether the file has weights.
    pub weighted: bool,
    /// Whether the file has true values of its own.
    pub has_truth: bool,
    /// Card that the file says it was made with.
    pub made: Option<GeneratorCard>,
}

impl Table {
    /// Reads all rows of a file that was opened with all of its columns; those outside the card's windows in measured q2 are left out.
    ///
    /// # Errors
    /// When the file cannot be read, or lacks a variable.
    pub fn of(
        reader: EventReader,
        file: &Path,
        card: &RunCard,
        variables: &Variables,
    ) -> Result<Self, Error> {
        let generator = &card.generator;
        let made = reader.provenance().map(|made| made.generator.clone());
        let weighted = reader.is_weighted();
        let has_truth = reader.schema().column_with_name(&Role::Truth.column("q2")).is_some();
        let mut reader = reader.of_decay(&generator.own_decay()?);
        let windows = sampling::resolved_windows(generator)?;
        let own_flavour = if generator.flavour.has_b_quark() { B0BAR } else { B0 };
        let mut table = Self {
            own: vec![Vec::new(); variables.own().count()],
            weighted,
            has_truth,
            made,
            ..Self::default()
        };
        while let Some(sample) = reader.next_sample() {
            let sample = sample?;
            let first = table.all;
            table.all += sample.len();
            let events = sample.features();
            let keep: Vec<bool> = events.q2.iter().map(|q2| sampling::holds(&windows, *q2)).collect();
            table.events.append(&events.filtered(&keep));
            table.truth.append(&sample.truth().filtered(&keep));
            let kept = |values: &[f64]| -> Vec<f64> {
                values.iter().zip(&keep).filter_map(|(x, keep)| keep.then_some(*x)).collect()
            };
            for (column, name) in table.own.iter_mut().zip(variables.own()) {
                let values = sample.column(name, first).place(|| file.display().to_string())?;
                column.extend(kept(&values));
            }
            match sample.weights().filter(|_| weighted) {
                Some(weights) => table.weights.extend(kept(weights)),
                None => table.weights.resize(table.events.len(), 1.0),
            }
            match sample.flavours() {
                Some(flavours) => {
                    let others = flavours.iter().zip(&keep).filter(|(_, keep)| **keep);
                    table.other_flavour.extend(others.map(|(flavour, _)| *flavour != own_flavour));
                }
                None => table.other_flavour.resize(table.events.len(), false),
            }
            table.rows.extend(keep.iter().enumerate().filter_map(|(i, keep)| keep.then_some(first + i)));
        }
        if variables.has_mass() && table.events.m_kpi.len() != table.events.len() {
            let what = "has no column `m_kpi`; allowed: one, or network.variables without it";
            return Err(Error::file(file, what));
        }
        Ok(table)
    }

    /// Refuses events of the other flavour, which see imaginary parts with the opposite sign, where these matter.
    ///
    /// # Errors
    /// The first of them.
    pub fn of_one_flavour(&self, imaginary: bool, file: &Path, card: &RunCard) -> Result<(), Error> {
        let other = self.other_flavour.iter().position(|other| *other).filter(|_| imaginary);
        let Some(row) = other.map(|place| self.rows[place]) else { return Ok(()) };
        let what = format!(
            "row {row} is no {}; allowed: events of the card's flavour alone where coefficients have imaginary parts, which the other sees with the \
             opposite sign",
            card.generator.flavour
        );
        Err(Error::file(file, what))
    }

    /// Rows outside the windows.
    pub fn outside(&self) -> usize {
        self.all - self.events.len()
    }
}
