//! The part of a card that decides events and images.

use humboldt_physics::Axes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{DatasetCard, DatasetPoint, GeneratorCard, ImagesCard, Ranges, Split, hash_json, parameters};
use crate::error::Invalid;

/// The part of a card that decides events and images: a change of network keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataCard {
    /// Every random number follows from it.
    pub seed: u64,
    /// The decay, the model and the window.
    pub generator: GeneratorCard,
    /// Binning of events into an image.
    pub images: ImagesCard,
    /// Coefficients that are learned, each over a range.
    #[serde(default, skip_serializing_if = "Ranges::is_empty")]
    pub parameters: Ranges,
    /// Shifts of the images, and numbers of images of each.
    pub dataset: DatasetCard,
}

impl DataCard {
    /// BLAKE3 hash, 64 hexadecimal digits.
    pub fn hash(&self) -> String {
        hash_json(self)
    }

    /// Checks every value against its range.
    ///
    /// # Errors
    /// The first field outside its range.
    pub fn validate(&self) -> Result<(), Invalid> {
        self.generator.validate()?;
        self.images.validate()?;
        let first = if self.parameters.is_empty() || self.parameters.contains_key("c9") {
            Some(("c9", self.parameters.get("c9")))
        } else {
            self.parameters.first_key_value().map(|(name, range)| (name.as_str(), Some(range)))
        };
        let (first, range) = first.unwrap_or(("c9", None));
        self.dataset.validate(first, range.copied())?;
        for direction in self.axes()?.directions() {
            let name = direction.coefficient.name();
            let allowed = match (self.parameters.is_empty(), name) {
                (true, "c9") => "none: C9 is what dataset.groups.delta_c9 sets".to_owned(),
                _ => format!("none: {direction} is learned"),
            };
            let field = format!("generator.wilson.{name}");
            Invalid::unless(!self.generator.wilson.contains_key(name), &field, "a shift", allowed)?;
        }
        let files: usize = Split::ALL.iter().map(|split| self.count(*split) / self.images.per_file).sum();
        let images: usize = Split::ALL.iter().map(|split| self.count(*split)).sum();
        let allowed = format!("{} and more, for at most {MOST_FILES} files", images.div_ceil(MOST_FILES));
        Invalid::unless(files <= MOST_FILES, "images.per_file", self.images.per_file, allowed)
    }

    /// Number of images in a split.
    pub fn count(&self, split: Split) -> usize {
        self.dataset.count(split, !self.parameters.is_empty())
    }

    /// Parameters that are learned, in the order that all labels follow: C9 first where it is among them, the others by name.
    ///
    /// # Errors
    /// For an unknown name, a range that is none, no coefficient or too many.
    pub fn axes(&self) -> Result<Axes, Invalid> {
        parameters::axes(&self.parameters, &self.dataset)
    }

    /// Every point at which images lie, in rising order of the first coefficient.
    ///
    /// # Errors
    /// As [`DataCard::axes`].
    pub fn points(&self) -> Result<Vec<DatasetPoint>, Invalid> {
        Ok(parameters::points(&self.axes()?, &self.dataset))
    }
}

/// Files of a campaign, at most: more are no help to anyone.
const MOST_FILES: usize = 100_000;
