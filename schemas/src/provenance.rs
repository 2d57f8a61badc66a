//! Provenance of a file.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::card::{DetectorCard, GeneratorCard};
use crate::complex::ComplexValue;

/// Version of the file formats; a reader refuses a newer one.
pub const FORMAT_VERSION: u32 = 1;

/// Written into every file that humboldt makes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Provenance {
    /// Version of the format, [`FORMAT_VERSION`].
    pub format_version: u32,
    /// `humboldt` and its version.
    pub program: String,
    /// BLAKE3 hash of what decided the file's content: the card, or the arguments as a card.
    pub card_hash: String,
    /// The seed.
    pub seed: u64,
    /// Decay, model, window, common shifts.
    pub generator: GeneratorCard,
    /// The shifts of this file's events, by coefficient; empty where labels differ from row to row.
    pub wilson: BTreeMap<String, ComplexValue>,
    /// Events of an image, in voxel files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events_per_image: Option<usize>,
    /// Source of a reweighted sample; `generator` is then what its weights make of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reweighted_from: Option<GeneratorCard>,
    /// The detector that measured the events, with the seed of its random numbers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured_by: Option<MeasuredBy>,
}

/// A detector, and the seed of its random numbers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct MeasuredBy {
    /// All numbers of the detector.
    pub detector: DetectorCard,
    /// The seed.
    pub seed: u64,
}

/// `humboldt` and its version.
pub fn program() -> String {
    concat!("humboldt ", env!("CARGO_PKG_VERSION")).to_owned()
}

impl Provenance {
    /// Provenance of this version of the program.
    pub fn new(card_hash: String, seed: u64, generator: GeneratorCard) -> Self {
        let wilson = generator.wilson.clone();
        Self {
            format_version: FORMAT_VERSION,
            program: program(),
            card_hash,
            seed,
            generator,
            wilson,
            events_per_image: None,
            reweighted_from: None,
            measured_by: None,
        }
    }
}
