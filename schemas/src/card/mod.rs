//! The run card: everything that decides a result, in TOML.

mod dataset;
mod generator;
mod network;
mod set;
pub(crate) mod strict;
mod training;

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use dataset::{DatasetCard, DatasetPoint, GroupCard, ImageFormat, ImageLayout, ImagesCard, Split};
pub use generator::{GeneratorCard, Q2Range};
pub use network::{AnyArchitecture, Architecture, Channel, NetworkCard, Preset};
pub use set::{Elements, SetArchitecture, Supervision};
pub use training::{FiguresCard, Loss, Optimiser, Prior, Schedule, TrainingCard, TrainingImages};

use crate::error::{Invalid, SchemaError};

/// A whole run: events, images, network, training and figures. Every field has a default but the dataset's groups.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunCard {
    /// A name for figures and tables.
    pub name: String,
    /// Every random number of the run follows from it.
    pub seed: u64,
    /// The decay, the model and the window.
    pub generator: GeneratorCard,
    /// How events become an image.
    pub images: ImagesCard,
    /// Which delta C9, and how many images of each.
    pub dataset: DatasetCard,
    /// The network.
    pub network: NetworkCard,
    /// How it is fitted.
    pub training: TrainingCard,
    /// What is drawn.
    pub figures: FiguresCard,
}

/// The part of a card that decides events and images: a change of network keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataCard {
    /// Every random number follows from it.
    pub seed: u64,
    /// The decay, the model and the window.
    pub generator: GeneratorCard,
    /// How events become an image.
    pub images: ImagesCard,
    /// Which delta C9, and how many images of each.
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
        Invalid::unless(
            !self.generator.wilson.contains_key("c9"),
            "generator.wilson.c9",
            "a shift",
            "none: C9 is what dataset.groups.delta_c9 sets",
        )?;
        self.images.validate()?;
        self.dataset.validate()?;
        let files: usize =
            Split::ALL.iter().map(|split| self.dataset.count(*split) / self.images.per_file).sum();
        let images: usize = Split::ALL.iter().map(|split| self.dataset.count(*split)).sum();
        let allowed = format!("{} and more, for at most {MOST_FILES} files", images.div_ceil(MOST_FILES));
        Invalid::unless(files <= MOST_FILES, "images.per_file", self.images.per_file, allowed)
    }
}

/// Files of a campaign, at most: more are no help to anyone.
const MOST_FILES: usize = 100_000;

impl RunCard {
    /// Reads and checks a card.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, has an unknown key, or a value outside its range; the error
    /// names file, line, field, value and what is allowed.
    pub fn read(path: &Path) -> Result<Self, SchemaError> {
        strict::read(path, Self::validate)
    }

    /// Parses and checks a card; `file` is its name in error messages.
    ///
    /// # Errors
    /// As [`RunCard::read`].
    pub fn parse(text: &str, file: &str) -> Result<Self, SchemaError> {
        strict::checked(text, file, Self::validate)
    }

    /// Checks every value against its range.
    ///
    /// # Errors
    /// The first field outside its range.
    pub fn validate(&self) -> Result<(), Invalid> {
        self.data().validate()?;
        self.network.validate(self.images.bins)?;
        self.training.validate()?;
        self.check_supervision()?;
        self.figures.validate()
    }

    /// What a network over elements needs of the training.
    fn check_supervision(&self) -> Result<(), Invalid> {
        let AnyArchitecture::Set(set) = self.network.any_architecture() else { return Ok(()) };
        if set.is_calibrated() {
            let (loss, outputs) = (self.training.loss, self.training.loss.outputs());
            Invalid::unless(
                outputs == 1,
                "training.loss",
                loss.name(),
                "mae, mse or huber where single elements are learned",
            )?;
        }
        Ok(())
    }

    /// The card as TOML, every default written out.
    ///
    /// # Errors
    /// When a value has no TOML form (an integer above 2^63).
    pub fn to_toml(&self) -> Result<String, Invalid> {
        toml::to_string_pretty(self).map_err(|e| Invalid::new("card", e, "values that TOML can hold"))
    }

    /// BLAKE3 hash of the whole card with its defaults, 64 hexadecimal digits.
    pub fn hash(&self) -> String {
        hash_json(self)
    }

    /// What decides events and images.
    pub fn data(&self) -> DataCard {
        DataCard {
            seed: self.seed,
            generator: self.generator.clone(),
            images: self.images.clone(),
            dataset: self.dataset.clone(),
        }
    }
}

/// BLAKE3 of a value's JSON form; field order is the declaration's, maps are sorted.
pub fn hash_json(value: &impl Serialize) -> String {
    // Writing to memory a type that has only string keys cannot fail; an empty text would only make the hash useless.
    let json = serde_json::to_vec(value).unwrap_or_default();
    blake3::hash(&json).to_hex().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = "seed = 3\n\n[generator]\nq2 = [\"0.1:19.2\"]\nwilson = { c10 = \"0.5+0.1i\", c7 = -0.05 }\n\n\
                        [[dataset.groups]]\ndelta_c9 = [-1.0, 0.0]\ntrain = 4\nvalidation = 2\ntest = 3\n";

    fn message(text: &str) -> String {
        let error = RunCard::parse(text, "card.toml").unwrap_err().to_string();
        assert!(!error.contains('\n'), "one line: {error}");
        error
    }

    #[test]
    fn card_round_trips_with_its_defaults() {
        let card = RunCard::parse(CARD, "card.toml").unwrap();
        assert_eq!(card.images.events, 24_613);
        let again = RunCard::parse(&card.to_toml().unwrap(), "again.toml").unwrap();
        assert_eq!(card, again);
        assert_eq!(card.hash(), again.hash());
    }

    #[test]
    fn unknown_key_names_the_nearest_and_the_line() {
        let error = message(&format!("{CARD}\n[training]\nbatch_sise = 3\n"));
        assert!(
            error.starts_with("card.toml:14: unknown key `training.batch_sise` (did you mean `batch_size`?)"),
            "{error}"
        );
        let error = message(&format!("sede = 3\n{CARD}"));
        assert!(error.starts_with("card.toml:1: unknown key `sede` (did you mean `seed`?)"), "{error}");
        let error = message(&CARD.replace("train =", "trian ="));
        assert!(error.contains("`dataset.groups.trian` (did you mean `train`?)"), "{error}");
    }

    #[test]
    fn wrong_values_name_field_value_range_and_line() {
        for (text, expected) in [
            (CARD.replace("train = 4", "train = 'x'"), "card.toml:9: dataset.groups.train: "),
            (CARD.replace("train = 4", "train = -4"), "card.toml:9: dataset.groups.train: "),
            (CARD.replace("0.1:19.2", "5:1"), "card.toml:4: generator.q2: "),
            (
                CARD.replace("c7 = -0.05", "c11 = 1"),
                "card.toml:5: generator.wilson = `c11` is not allowed; allowed: c7, c9",
            ),
            (CARD.replace("c7 = -0.05", "c7 = nan"), "card.toml:5: generator.wilson.c7 = NaN is not allowed"),
            (
                CARD.replace("[-1.0, 0.0]", "[0.0, 0.0]"),
                "card.toml:8: dataset.groups.delta_c9 = 0 twice is not allowed",
            ),
            (
                format!("{CARD}[images]\nevents = 0\n"),
                "card.toml:13: images.events = 0 is not allowed; allowed: 1 to",
            ),
            (format!("{CARD}[network]\npreset = 'resnet99'\n"), "card.toml:13: network.preset: "),
            (
                // Four times this is 4 to who counts without a carry.
                CARD.replace("[-1.0, 0.0]", "[-1.0, 0.0, 1.0, 2.0]")
                    .replace("train = 4", "train = 4611686018427387905"),
                "card.toml:9: dataset.groups.train = 18446744073709551615 images in all is not allowed",
            ),
            ("seed = ".to_owned(), "card.toml:1: "),
            (String::new(), "card.toml:1: dataset.groups.train = 0 images in all is not allowed"),
        ] {
            let error = message(&text);
            assert!(error.starts_with(expected), "{error} does not start with {expected}");
        }
    }

    #[test]
    fn paper_card_counts() {
        let card =
            RunCard::read(Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../cards/paper.toml"))).unwrap();
        let points = card.dataset.points();
        let trained: Vec<_> = points.iter().filter(|p| p.count(Split::Train) > 0).collect();
        assert_eq!(trained.len(), 22);
        assert_eq!(trained.iter().map(|p| p.images.iter().sum::<usize>()).sum::<usize>(), 97_560);
        assert_eq!(points.len(), 22 + 21);
        assert_eq!(card.network.architecture().blocks, [3, 4, 6, 3]);
    }
}
