//! Physical inputs by name, each with value, uncertainty, unit and source.
//!
//! The numbers live in `physics/data/*.toml`, one file for what all models share and one for each model and each set
//! of form factors. Names are unique over all files. A caller overrides an input with [`Parameters::with_value`];
//! nothing here reads from a disk.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::PhysicsError;

/// The built-in data files: name and contents.
const BUILT_IN: [(&str, &str); 7] = [
    ("parameters.toml", include_str!("../data/parameters.toml")),
    ("npr.toml", include_str!("../data/npr.toml")),
    ("standard_model.toml", include_str!("../data/standard_model.toml")),
    ("charmonium.toml", include_str!("../data/charmonium.toml")),
    ("subleading.toml", include_str!("../data/subleading.toml")),
    ("form_factors_bsz2015.toml", include_str!("../data/form_factors_bsz2015.toml")),
    ("form_factors_grvdv2023.toml", include_str!("../data/form_factors_grvdv2023.toml")),
];

/// Contents of a built-in data file.
///
/// # Panics
/// When the file is broken, which is a bug of this crate.
pub(crate) fn built_in_data<T: serde::de::DeserializeOwned>(file: &str, text: &str) -> T {
    toml::from_str(text).unwrap_or_else(|error| panic!("built-in data file {file}: {error}"))
}

/// One physical input.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parameter {
    /// Central value in `unit`.
    pub value: f64,
    /// Symmetric standard deviation in `unit`; 0 where the value is exact or fixed by definition.
    pub uncertainty: f64,
    /// Unit of value and uncertainty; "1" for a pure number.
    pub unit: String,
    /// Source of the numbers.
    pub source: String,
}

/// A complete set of physical inputs, in the order of their names.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters(BTreeMap<String, Parameter>);

static STANDARD: LazyLock<Parameters> = LazyLock::new(Parameters::built_in);

impl Parameters {
    /// The built-in inputs.
    ///
    /// # Panics
    /// When a built-in data file is broken, which is a bug of this crate.
    pub fn standard() -> &'static Self {
        &STANDARD
    }

    fn built_in() -> Self {
        let mut all = BTreeMap::new();
        for (file, text) in BUILT_IN {
            let entries: BTreeMap<String, Parameter> = built_in_data(file, text);
            for (name, entry) in entries {
                assert!(all.insert(name.clone(), entry).is_none(), "built-in data file {file}: {name} twice");
            }
        }
        Self(all)
    }

    /// The central value of one input, in the unit of its entry.
    ///
    /// # Errors
    /// When no input has this name.
    pub fn value(&self, name: &str) -> Result<f64, PhysicsError> {
        self.get(name).map(|parameter| parameter.value)
    }

    /// One input with its uncertainty, unit and source.
    ///
    /// # Errors
    /// When no input has this name.
    pub fn get(&self, name: &str) -> Result<&Parameter, PhysicsError> {
        self.0.get(name).ok_or_else(|| PhysicsError::Unknown {
            what: "parameter",
            got: name.to_owned(),
            allowed: format!(
                "{} (nearest), of those that `humboldt inputs` lists",
                self.nearest(name).join(", ")
            ),
        })
    }

    /// The names that a misspelt one is nearest to, those that it is a part of first.
    fn nearest(&self, name: &str) -> Vec<&str> {
        const MOST: usize = 4;
        let lower = name.to_lowercase();
        let distance = |known: &str| {
            let part = lower.len() > 2 && known.to_lowercase().contains(&lower);
            if part { 0 } else { strsim::damerau_levenshtein(&known.to_lowercase(), &lower) }
        };
        let least = self.0.keys().map(|known| distance(known)).min().unwrap_or_default();
        self.0.keys().map(String::as_str).filter(|known| distance(known) == least).take(MOST).collect()
    }

    /// Inputs with one central value replaced.
    ///
    /// # Errors
    /// When no input has this name, or the value is not a finite number.
    pub fn with_value(mut self, name: &str, value: f64) -> Result<Self, PhysicsError> {
        self.get(name)?;
        PhysicsError::unless(value.is_finite(), name, value, "a finite number")?;
        if let Some(entry) = self.0.get_mut(name) {
            entry.value = value;
        }
        Ok(self)
    }

    /// Moves one central value.
    pub(crate) fn shift(&mut self, name: &str, by: f64) -> Result<(), PhysicsError> {
        match self.0.get_mut(name) {
            Some(entry) => {
                entry.value += by;
                Ok(())
            }
            None => self.value(name).map(|_| ()),
        }
    }

    /// Name and entry of each input, in alphabetical order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Parameter)> {
        self.0.iter().map(|(name, entry)| (name.as_str(), entry))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_input_has_a_source_and_a_sensible_uncertainty() {
        for (name, entry) in Parameters::standard().iter() {
            assert!(entry.value.is_finite() && entry.uncertainty >= 0.0, "{name}");
            assert!(!entry.source.is_empty() && !entry.unit.is_empty(), "{name}");
        }
    }

    #[test]
    fn override_changes_one_value_and_refuses_unknown_names_and_non_numbers() {
        let changed = Parameters::standard().clone().with_value("m_muon", 0.2).unwrap();
        assert!((changed.value("m_muon").unwrap() - 0.2).abs() < f64::EPSILON);
        assert_eq!(changed.value("m_electron"), Parameters::standard().value("m_electron"));
        assert!(matches!(
            changed.clone().with_value("m_moun", 0.2),
            Err(PhysicsError::Unknown { what: "parameter", .. })
        ));
        assert!(matches!(changed.with_value("m_muon", f64::NAN), Err(PhysicsError::OutOfRange { .. })));
    }

    #[test]
    fn issue_13_an_unknown_input_suggests_the_nearest() {
        let message = |name: &str| Parameters::standard().value(name).unwrap_err().to_string();
        assert!(message("m_moun").contains("allowed: m_muon (nearest)"), "{}", message("m_moun"));
        assert!(message("vcb").contains("v_cb"), "{}", message("vcb"));
        assert!(message("V_cb").contains("v_cb"), "{}", message("V_cb"));
        assert!(message("m_c_pole").contains("sm_m_c_pole"), "{}", message("m_c_pole"));
    }
}
