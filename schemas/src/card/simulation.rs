//! `[simulation]`: where simulated events come from that ratios of densities are learned from.

use std::collections::BTreeMap;
use std::path::{Path, absolute};

use humboldt_physics::{WilsonCoefficient, WilsonShifts};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::generator::parse;
use crate::complex::ComplexValue;
use crate::error::Invalid;

/// Accepted simulated events with their truth, made at one point of the coefficients: a user's own, or the card's own generator
/// with its effects.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SimulationCard {
    /// Files of them beside the card, `FILE` or `FILE.root:TREE`; without any they are simulated by the card's generator.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
    /// Layout of these files, and of those of background unless that has its own: a name, or a file, .toml, beside the card; humboldt's own columns by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// Coefficients at which they were simulated, `c9 = -0.5`; by default what the files say, and the middle of all ranges where there are no files.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reference: BTreeMap<String, ComplexValue>,
    /// Without files: accepted signal events that are simulated, a quarter for the training and the rest for the calibration; 3,200,000 by default.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<usize>,
}

impl SimulationCard {
    /// The coefficients of `reference`.
    ///
    /// # Errors
    /// When one is unknown or not finite.
    pub fn shifts(&self) -> Result<WilsonShifts, Invalid> {
        let mut shifts = WilsonShifts::STANDARD_MODEL;
        for (name, value) in &self.reference {
            let names = WilsonCoefficient::ALL.map(WilsonCoefficient::name);
            let coefficient = parse::<WilsonCoefficient>("simulation.reference", name, &names)?;
            let field = format!("simulation.reference.{name}");
            Invalid::unless(value.0.is_finite(), &field, value, "a finite number")?;
            shifts = shifts.with(coefficient, value.0);
        }
        Ok(shifts)
    }

    /// Files by names that hold from any folder.
    pub(super) fn load(&mut self, folder: &Path) {
        load_files(&mut self.files, folder);
        load_layout(&mut self.layout, folder);
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        self.shifts()?;
        Invalid::unless(
            self.files.iter().all(|file| !file.is_empty()),
            "simulation.files",
            "an empty name",
            "names of files",
        )?;
        let Some(events) = self.events else { return Ok(()) };
        let live = self.files.is_empty();
        Invalid::unless(
            live,
            "simulation.events",
            events,
            "without simulation.files, which have their own number",
        )?;
        let allowed = "5000 to 1000000000";
        Invalid::unless((5_000..=1_000_000_000).contains(&events), "simulation.events", events, allowed)
    }
}

/// Names of files beside a card.
pub(super) fn load_files(files: &mut [String], folder: &Path) {
    for file in files {
        *file = beside(file, folder);
    }
}

/// The name of a layout that is a file beside a card.
pub(super) fn load_layout(layout: &mut Option<String>, folder: &Path) {
    if let Some(layout) = layout.as_mut().filter(|name| Path::new(name.as_str()).extension().is_some()) {
        *layout = beside(layout, folder);
    }
}

/// The name of a file or folder beside a card that holds from any folder.
pub(super) fn beside(file: &str, folder: &Path) -> String {
    let path = folder.join(file);
    absolute(&path).unwrap_or(path).display().to_string()
}
