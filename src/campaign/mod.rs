//! Campaigns: the images of a card in a folder of shards.
//!
//! Each shard is a pure function of the card and its place; it appears under its name when it is whole, and its record
//! with the checksum appears after it. So any number of processes can make the shards in any order, a kill costs the
//! shards in flight, and the files are the same bytes in the end. See `humboldt_schemas::campaign` for the layout.
//!
//! - [`plan`]: which images each shard holds
//! - [`make`]: makes shards
//! - [`images`]: reads them
//! - [`live`]: images that are never stored
//! - [`check`]: verifies and closes a campaign
//! - [`slurm`]: job scripts for a cluster

pub mod check;
pub mod images;
pub mod live;
pub mod make;
pub mod plan;
pub mod slurm;

use std::fs;
use std::path::{Path, PathBuf};

use humboldt_physics::{Axes, Point};
use humboldt_pipeline::rng::StreamKey;
use humboldt_pipeline::store::atomic::{is_part, sweep};
use humboldt_pipeline::store::write_json;
use humboldt_schemas::campaign::{CampaignFile, ShardRecord};
use humboldt_schemas::card::{DataCard, DatasetPoint, Split};
use humboldt_schemas::provenance::{FORMAT_VERSION, program};
use humboldt_schemas::voxels::label;
use serde::de::{DeserializeOwned, Error as _};

pub use self::images::CampaignImages;
pub use self::plan::{Shard, Task};
use crate::error::{AtPath, Error, Place, Work, read_json};
use crate::lock::{Kind, Lock, busy, lock};

/// The random stream of images at a point: by names and values, not by places in a card, so that a card with one more point
/// keeps the images of the others.
pub fn of_point(stream: StreamKey, point: &Point) -> StreamKey {
    point.iter().fold(stream, |stream, (direction, shift)| stream.child(&label(direction), shift.to_bits()))
}

/// A campaign's folder.
pub struct Campaign {
    folder: PathBuf,
    data: DataCard,
    data_hash: String,
    axes: Axes,
    points: Vec<DatasetPoint>,
}

impl Campaign {
    /// The campaign of `data` in `folder`, made anew where there is none.
    ///
    /// # Errors
    /// When the folder holds another campaign or something else, or cannot be written.
    pub fn for_card(folder: &Path, data: &DataCard) -> Result<Self, Error> {
        if !folder.join(CAMPAIGN).exists() {
            Self::begin(folder, data)?;
        }
        let campaign = Self::open(folder)?;
        if campaign.data != *data {
            let differs = "seed, [generator], [images] or [dataset] differ".to_owned();
            return Err(Error::OtherCard { folder: folder.to_owned(), work: Work::Campaign, differs });
        }
        // What a process killed at `campaign.json` or the manifest left; a campaign behind a link is only read.
        if !folder.is_symlink() {
            sweep(folder);
        }
        Ok(campaign)
    }

    /// Writes the description of a new campaign, unless another process was faster.
    fn begin(folder: &Path, data: &DataCard) -> Result<(), Error> {
        let path = folder.join(CAMPAIGN);
        if folder.exists() {
            let mut entries = fs::read_dir(folder).at(folder)?;
            // What a process killed in its first moment leaves.
            let ours = |name: &Path| [LOCK, CAMPAIGN].iter().any(|n| name == Path::new(n)) || is_part(name);
            if !path.exists() && entries.any(|e| e.is_ok_and(|e| !ours(e.file_name().as_ref()))) {
                return Err(Error::NotEmpty { folder: folder.to_owned(), work: Work::Campaign });
            }
        }
        fs::create_dir_all(folder).at(folder)?;
        // Tasks that begin a campaign at the same time do so one after another.
        let _lock = lock(&folder.join(LOCK), Kind::Awaited, || busy(folder))?;
        if path.exists() {
            return Ok(());
        }
        let file = CampaignFile { format_version: FORMAT_VERSION, program: program(), data: data.clone() };
        Ok(write_json(&path, &file)?)
    }

    /// An existing campaign.
    ///
    /// # Errors
    /// When there is none in the folder, or its description is damaged or of a later version.
    pub fn open(folder: &Path) -> Result<Self, Error> {
        let path = folder.join(CAMPAIGN);
        if !path.exists() {
            return Err(Error::NoWork { folder: folder.to_owned(), work: Work::Campaign, missing: CAMPAIGN });
        }
        let file: CampaignFile = read_versioned(&path)?;
        file.data.validate().place(|| path.display().to_string())?;
        let (axes, points) = (file.data.axes()?, file.data.points()?);
        Ok(Self { folder: folder.to_owned(), data_hash: file.data.hash(), data: file.data, axes, points })
    }

    /// Its folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Settings that decide its images.
    pub const fn data(&self) -> &DataCard {
        &self.data
    }

    /// All shards of some splits, in order.
    pub fn shards(&self, splits: &[Split]) -> Vec<Shard> {
        splits.iter().flat_map(|split| plan::shards(&self.data, &self.points, *split)).collect()
    }

    /// Path of a shard.
    pub fn path(&self, shard: &Shard) -> PathBuf {
        self.folder.join(SHARDS).join(format!("{}.{}", shard.name(), self.data.images.format.extension()))
    }

    fn record_path(&self, shard: &Shard) -> PathBuf {
        self.folder.join(SHARDS).join(format!("{}.json", shard.name()))
    }

    fn lock_path(&self, shard: &Shard) -> PathBuf {
        self.folder.join(SHARDS).join(format!("{}.lock", shard.name()))
    }

    /// The record of a finished shard, `None` where it is still to be made: no record, no file, or one of another size.
    ///
    /// # Errors
    /// When the record is damaged, of a later version, or of another card.
    pub fn record(&self, shard: &Shard) -> Result<Option<ShardRecord>, Error> {
        let (path, file) = (self.record_path(shard), self.path(shard));
        if !path.exists() {
            return Ok(None);
        }
        let record: ShardRecord = read_versioned(&path)?;
        if record.data_hash != self.data_hash || record.images != shard.len() {
            let both = format!("remove it and {} to have the shard made again", file.display());
            return Err(Error::file(&path, format!("is of another card; {both}")));
        }
        let whole = fs::metadata(&file).is_ok_and(|m| m.len() == record.bytes);
        Ok(whole.then_some(record))
    }

    /// Keeps other processes from making shards here: all of them for `exclusive`, else those that want it all.
    ///
    /// # Errors
    /// When another process works here, or the folder cannot be written.
    pub fn lock(&self, exclusive: bool) -> Result<Lock, Error> {
        let kind = if exclusive { Kind::Exclusive } else { Kind::Shared };
        lock(&self.folder.join(LOCK), kind, || busy(&self.folder))
    }
}

const CAMPAIGN: &str = "campaign.json";
const MANIFEST: &str = "manifest.json";
const SHARDS: &str = "shards";
const LOCK: &str = ".lock";

/// Reads a file whose first concern is its version.
fn read_versioned<T: DeserializeOwned>(path: &Path) -> Result<T, Error> {
    let value: serde_json::Value = read_json(path)?;
    match value.get("format_version").and_then(serde_json::Value::as_u64) {
        Some(version) if (1..=FORMAT_VERSION.into()).contains(&version) => {
            serde_json::from_value(value).at(path)
        }
        Some(version) => Err(Error::file(
            path,
            format!(
                "has format version {version}, this program reads 1 to {FORMAT_VERSION}; use a newer humboldt"
            ),
        )),
        None => Err(serde_json::Error::custom("no format_version")).at(path),
    }
}
