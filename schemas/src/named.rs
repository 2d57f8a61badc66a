//! Closed choices of the physics by their names, as `#[serde(with = "named")]`.

use std::fmt::Display;

use humboldt_physics::{Flavour, Lepton, LineShape, ModelName};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

/// A choice of a few names.
pub(crate) trait Named: Copy + Display + 'static {
    /// All of them.
    const CHOICES: &'static [Self];
}

impl Named for ModelName {
    const CHOICES: &'static [Self] = &Self::ALL;
}

impl Named for Flavour {
    const CHOICES: &'static [Self] = &Self::ALL;
}

impl Named for Lepton {
    const CHOICES: &'static [Self] = &Self::ALL;
}

impl Named for LineShape {
    const CHOICES: &'static [Self] = &Self::ALL;
}

fn names<T: Named>() -> Vec<String> {
    T::CHOICES.iter().map(T::to_string).collect()
}

pub(crate) fn serialize<T: Named, S: Serializer>(choice: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(choice)
}

pub(crate) fn deserialize<'de, T: Named, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    let name = String::deserialize(deserializer)?;
    let choice = T::CHOICES.iter().copied().find(|choice| choice.to_string() == name);
    choice.ok_or_else(|| {
        D::Error::custom(format!("`{name}` is not allowed; allowed: {}", names::<T>().join(", ")))
    })
}

pub(crate) fn schema<T: Named>(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "string", "enum": names::<T>() })
}
