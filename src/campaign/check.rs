//! Verifies the shards of a campaign, and closes it with a manifest.

use std::fs::{self, File};
use std::path::Path;

use humboldt_pipeline::store::{ImageReader, ImageWriter, Layout, write_json};
use humboldt_pipeline::voxels::CompactImage;
use humboldt_schemas::campaign::{Manifest, ShardRecord};
use humboldt_schemas::card::Split;
use humboldt_schemas::provenance::{FORMAT_VERSION, Provenance, program};
use rayon::prelude::*;
use serde::Serialize;

use super::{Campaign, MANIFEST, Shard, read_versioned};
use crate::error::{AtPath, Error, with_reasons};
use crate::progress::Progress;

/// Progress of a campaign.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// Shards of the whole campaign.
    pub shards: usize,
    /// Finished ones.
    pub finished: usize,
    /// Names of those that a process works on now, or was killed at.
    pub in_flight: Vec<String>,
    /// Images of the whole campaign.
    pub images: usize,
    /// Images in finished shards.
    pub images_finished: usize,
    /// Size of finished shards.
    pub bytes: u64,
    /// Whether it is closed by a manifest.
    pub merged: bool,
}

impl Campaign {
    /// Its progress.
    ///
    /// # Errors
    /// When a record is damaged or of another card.
    pub fn status(&self) -> Result<Status, Error> {
        let shards = self.shards(&Split::ALL);
        let mut status = Status {
            shards: shards.len(),
            finished: 0,
            in_flight: Vec::new(),
            images: shards.iter().map(Shard::len).sum(),
            images_finished: 0,
            bytes: 0,
            merged: self.manifest()?.is_some(),
        };
        for shard in &shards {
            if let Some(record) = self.record(shard)? {
                status.finished += 1;
                status.images_finished += record.images;
                status.bytes += record.bytes;
            } else if self.lock_path(shard).exists() {
                status.in_flight.push(shard.name());
            }
        }
        // A shard may have been removed since.
        status.merged &= status.finished == status.shards;
        Ok(status)
    }

    /// The manifest, where the campaign is closed.
    ///
    /// # Errors
    /// When it is damaged, of a later version, or of another card.
    pub fn manifest(&self) -> Result<Option<Manifest>, Error> {
        let path = self.folder.join(MANIFEST);
        if !path.exists() {
            return Ok(None);
        }
        let manifest: Manifest = read_versioned(&path)?;
        if manifest.data_hash != self.data_hash {
            return Err(Error::file(&path, "is of another card; remove it"));
        }
        Ok(Some(manifest))
    }

    /// Reads every byte of every finished shard; what is wrong with those that are damaged, by shard.
    ///
    /// # Errors
    /// When a record is damaged or of another card.
    pub fn verify(&self) -> Result<Vec<(Shard, String)>, Error> {
        let shards = self.shards(&Split::ALL);
        let finished: Vec<(Shard, ShardRecord)> = shards
            .into_iter()
            .filter_map(|shard| self.record(&shard).map(|r| r.map(|r| (shard, r))).transpose())
            .collect::<Result<_, Error>>()?;
        let manifest = self.manifest()?;
        let progress = Progress::new("verify", finished.len() as u64, "shards");
        let wrong = |(shard, record): (Shard, ShardRecord)| {
            let outcome = self.verify_shard(&shard, &record, manifest.as_ref());
            progress.advance(1, "");
            outcome.err().map(|e| (shard, with_reasons(&e)))
        };
        let damaged = finished.into_par_iter().filter_map(wrong).collect();
        progress.finish();
        Ok(damaged)
    }

    fn verify_shard(
        &self,
        shard: &Shard,
        record: &ShardRecord,
        manifest: Option<&Manifest>,
    ) -> Result<(), Error> {
        let path = self.path(shard);
        let (_, blake3) = hash(&path)?;
        if blake3 != record.blake3 {
            return Err(Error::file(&path, "is damaged: its checksum is not the recorded one"));
        }
        if manifest.is_some_and(|manifest| !manifest.shards.contains(record)) {
            return Err(Error::file(&path, format!("is not the shard that {MANIFEST} names")));
        }
        let reader = ImageReader::open(&path)?;
        let labels = shard.labels().flatten().map(|shift| shift.to_bits());
        if reader.labels().iter().map(|x| x.to_bits()).eq(labels) {
            return Ok(());
        }
        Err(Error::file(&path, "has other labels than the card"))
    }

    /// Removes a shard, so that it is made again.
    ///
    /// # Errors
    /// When it cannot be removed.
    pub fn remove(&self, shard: &Shard) -> Result<(), Error> {
        for path in [self.record_path(shard), self.path(shard)] {
            fs::remove_file(&path).at(&path)?;
        }
        Ok(())
    }

    /// Closes a campaign of which all shards are there by a manifest, unless that is done.
    ///
    /// # Errors
    /// When a shard is missing, or the manifest cannot be written.
    pub fn merge(&self) -> Result<Manifest, Error> {
        let manifest = self.complete()?;
        match self.manifest() {
            Ok(Some(there)) if there.shards == manifest.shards => Ok(there),
            _ => {
                write_json(&self.folder.join(MANIFEST), &manifest)?;
                Ok(manifest)
            }
        }
    }

    /// The manifest of a campaign of which all shards are there; writes nothing.
    ///
    /// # Errors
    /// When a shard is missing.
    pub fn complete(&self) -> Result<Manifest, Error> {
        let shards = self.shards(&Split::ALL);
        let mut records = Vec::with_capacity(shards.len());
        for shard in &shards {
            let Some(record) = self.record(shard)? else {
                let what = "is not there yet; `humboldt campaign run` makes what is missing";
                return Err(Error::file(&self.path(shard), what));
            };
            records.push(record);
        }
        let images = records.iter().map(|r| r.images).sum();
        Ok(Manifest {
            format_version: FORMAT_VERSION,
            program: program(),
            data_hash: self.data_hash.clone(),
            images,
            events: (images * self.data.images.events) as u64,
            bytes: records.iter().map(|r| r.bytes).sum(),
            shards: records,
        })
    }

    /// Writes the images of one split into one file.
    ///
    /// # Errors
    /// When a shard is missing or damaged, or the file cannot be written.
    pub fn write_split(&self, split: Split, out: &Path) -> Result<(), Error> {
        let shards = self.open_shards(split)?;
        let mut provenance =
            Provenance::new(self.data_hash.clone(), self.data.seed, self.data.generator.clone());
        provenance.events_per_image = Some(self.data.images.events);
        let total: usize = shards.iter().map(|(shard, _)| shard.len()).sum();
        let mut writer = ImageWriter::create_labelled(
            out,
            &self.data.images,
            total,
            &self.axes.directions(),
            &provenance,
        )?;
        let progress = Progress::new("merge", total as u64, "images");
        for (shard, reader) in &shards {
            let bins = self.data.images.bins;
            let (mut dense, mut compact) = (vec![0.0; bins.pow(3)], CompactImage::new(bins)?);
            for (i, shifts) in shard.labels().enumerate() {
                if reader.layout() == Layout::Compact {
                    reader.read_compact(i, &mut compact)?;
                    writer.push_compact(std::slice::from_ref(&compact), shifts)?;
                } else {
                    reader.read(i, &mut dense)?;
                    writer.push_many(&dense, shifts)?;
                }
                progress.advance(1, "");
            }
        }
        writer.finish()?;
        progress.finish();
        Ok(())
    }
}

/// Size and BLAKE3 of a file.
///
/// # Errors
/// When it cannot be read.
pub(super) fn hash(path: &Path) -> Result<(u64, String), Error> {
    let file = File::open(path).at(path)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_reader(file).at(path)?;
    Ok((hasher.count(), hasher.finalize().to_hex().to_string()))
}
