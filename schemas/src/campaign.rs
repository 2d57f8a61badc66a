//! A campaign's folder: images in shards, each a pure function of the card and its place.
//!
//! ```text
//! CAMPAIGN/campaign.json                  what decides the images: CampaignFile
//!          shards/train-00000.h5          images
//!          shards/train-00000.json        written after it: ShardRecord; a shard without one is not finished
//!          manifest.json                  written when all shards are there: Manifest
//! ```

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::card::DataCard;

/// Settings that decide the images of a campaign.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CampaignFile {
    /// Version of the format, [`crate::provenance::FORMAT_VERSION`].
    pub format_version: u32,
    /// `humboldt` and its version.
    pub program: String,
    /// Seed, decay, images and numbers of them.
    pub data: DataCard,
}

/// A finished shard.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ShardRecord {
    /// Version of the format, [`crate::provenance::FORMAT_VERSION`].
    pub format_version: u32,
    /// Hash of the campaign's [`DataCard`].
    pub data_hash: String,
    /// File name, below `shards/`.
    pub file: String,
    /// Images in it.
    pub images: usize,
    /// Its size.
    pub bytes: u64,
    /// BLAKE3 of the whole file, 64 hexadecimal digits.
    pub blake3: String,
}

/// A finished campaign: all of its shards.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format, [`crate::provenance::FORMAT_VERSION`].
    pub format_version: u32,
    /// `humboldt` and its version.
    pub program: String,
    /// Hash of the campaign's [`DataCard`].
    pub data_hash: String,
    /// Images of all shards.
    pub images: usize,
    /// Events of all images.
    pub events: u64,
    /// Size of all shards.
    pub bytes: u64,
    /// All shards, in order.
    pub shards: Vec<ShardRecord>,
}
