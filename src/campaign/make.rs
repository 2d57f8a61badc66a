//! Makes the shards of a campaign.

use std::fs;
use std::ops::{AddAssign, Range};
use std::time::Instant;

use humboldt_physics::Point;
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::{EventSampler, GenerationReport};
use humboldt_pipeline::rng::StreamKey;
use humboldt_pipeline::store::atomic::sweep;
use humboldt_pipeline::store::{ImageWriter, write_json};
use humboldt_pipeline::voxels::{CompactImage, Voxeliser};
use humboldt_schemas::campaign::ShardRecord;
use humboldt_schemas::card::{DataCard, Split};
use humboldt_schemas::provenance::{FORMAT_VERSION, Provenance};
use rayon::prelude::*;

use super::{Campaign, SHARDS, Shard, Task};
use crate::error::{AtPath, Error};
use crate::lock::{Kind, lock};
use crate::progress::{Progress, note, number};
use crate::sampling;

/// Images are made in groups of at most this size [bytes].
const GROUP_BYTES: usize = 32 << 20;

/// Files that were made.
#[derive(Debug, Default, Clone, Copy)]
pub struct Made {
    /// New shards.
    pub shards: usize,
    /// Images in them.
    pub images: usize,
    /// Their size.
    pub bytes: u64,
    /// Account of how their events were drawn.
    pub report: GenerationReport,
}

impl Made {
    /// Says that all images of these splits were there, where there are any.
    pub fn note_finished(&self, campaign: &Campaign, splits: &[Split]) {
        let shards = campaign.shards(splits);
        if self.shards == 0 && !shards.is_empty() {
            let images: usize = shards.iter().map(Shard::len).sum();
            note(format!("images: finished before; {images} images in {} shards", shards.len()));
        }
    }
}

impl AddAssign for Made {
    fn add_assign(&mut self, other: Self) {
        self.shards += other.shards;
        self.images += other.images;
        self.bytes += other.bytes;
        self.report = self.report.merge(other.report);
    }
}

impl Campaign {
    /// Makes the shards of a task that are not there yet, one after another, each on all threads.
    ///
    /// # Errors
    /// When another process works in the folder or makes the same shard, or a file cannot be written.
    pub fn make(&self, splits: &[Split], task: Task) -> Result<Made, Error> {
        let shards = self.shards(splits);
        let own: Vec<&Shard> =
            shards.iter().enumerate().filter(|(i, _)| task.has(*i)).map(|(_, s)| s).collect();
        let mut missing = Vec::new();
        for shard in &own {
            match self.record(shard)? {
                // A campaign behind a link, as that of `--images`, is only read.
                Some(_) if self.folder.is_symlink() => {}
                Some(_) => self.tidy(shard),
                None => missing.push(*shard),
            }
        }
        let mut made = Made::default();
        if missing.is_empty() {
            return Ok(made);
        }
        let _lock = self.lock(task == Task::ALL)?;
        let folder = self.folder.join(SHARDS);
        fs::create_dir_all(&folder).at(&folder)?;
        sweep(&folder);
        let total: usize = own.iter().map(|shard| shard.len()).sum();
        let left: usize = missing.iter().map(|shard| shard.len()).sum();
        let progress = Progress::new("images", total as u64, "images");
        progress.skip((total - left) as u64);
        // Neighbouring shards share a point, and so a sampler.
        let mut sampler = None;
        let start = Instant::now();
        for shard in missing {
            let before = made;
            let advance = |images: usize, in_shard: usize| {
                let events = ((before.images + in_shard) * self.data.images.events) as f64;
                let rate = number(events / start.elapsed().as_secs_f64());
                let detail =
                    format!("{rate} events/s, {}B in {} shards", number(before.bytes as f64), before.shards);
                progress.advance(images as u64, &detail);
            };
            made += self.make_shard(shard, &mut sampler, &advance)?;
        }
        progress.finish();
        note(format!(
            "{} events, {}B in {} shards",
            number(made.report.events as f64),
            number(made.bytes as f64),
            made.shards
        ));
        sampling::note_outside(&made.report);
        Ok(made)
    }

    /// Removes what a kill right after a shard's last write left; in a folder that is only read it stays, of no harm.
    fn tidy(&self, shard: &Shard) {
        let path = self.lock_path(shard);
        if path.exists() {
            let _ = fs::remove_file(&path);
        }
    }

    fn make_shard(
        &self,
        shard: &Shard,
        sampler: &mut Option<(Point, EventSampler)>,
        advance: &(impl Fn(usize, usize) + Sync),
    ) -> Result<Made, Error> {
        let path = self.path(shard);
        let busy = || Error::file(&path, "another process makes this shard");
        let lock = lock(&self.lock_path(shard), Kind::Exclusive, busy)?;
        let record_path = self.record_path(shard);
        if record_path.exists() {
            fs::remove_file(&record_path).at(&record_path)?;
        }
        let report = self.write_shard(shard, sampler, advance)?;
        let (bytes, blake3) = super::check::hash(&path)?;
        let record = ShardRecord {
            format_version: FORMAT_VERSION,
            data_hash: self.data_hash.clone(),
            file: path.file_name().unwrap_or_default().to_string_lossy().into_owned(),
            images: shard.len(),
            bytes,
            blake3,
        };
        write_json(&record_path, &record)?;
        drop(lock);
        self.tidy(shard);
        Ok(Made { shards: 1, images: shard.len(), bytes, report })
    }

    fn write_shard(
        &self,
        shard: &Shard,
        sampler: &mut Option<(Point, EventSampler)>,
        advance: &(impl Fn(usize, usize) + Sync),
    ) -> Result<GenerationReport, Error> {
        let card = &self.data.images;
        let group = (GROUP_BYTES / (4 * card.bins.pow(3))).max(1);
        let mut provenance =
            Provenance::new(self.data_hash.clone(), self.data.seed, self.data.generator.clone());
        provenance.events_per_image = Some(card.events);
        let directions = self.axes.directions();
        let mut writer =
            ImageWriter::create_labelled(&self.path(shard), card, shard.len(), &directions, &provenance)?;
        let mut report = GenerationReport::default();
        // While one group is written, the next is made.
        let mut written = 0;
        let mut write = |(images, shifts): (Vec<CompactImage>, Vec<f64>)| {
            writer.push_compact(&images, &shifts.repeat(images.len()))?;
            written += images.len();
            advance(images.len(), written);
            Ok(())
        };
        let mut waiting = (Vec::new(), Vec::new());
        for (shifts, images) in &shard.parts {
            let point = self.axes.point(shifts)?;
            if sampler.as_ref().is_none_or(|(made, _)| *made != point) {
                *sampler = Some((point.clone(), sampling::sampler_at(&self.data.generator, &point)?));
            }
            let Some((_, sampler)) = sampler.as_ref() else { continue };
            for start in images.clone().step_by(group) {
                let range = start..images.end.min(start + group);
                let stream = |i| image_stream(&self.data, &point, shard.split, i);
                let (written, made) = rayon::join(
                    || write(std::mem::take(&mut waiting)),
                    || make_images(sampler, card.events, card.bins, range, stream),
                );
                written.and_then(|()| {
                    let (images, drawn) = made?;
                    report = report.merge(drawn);
                    waiting = (images, shifts.clone());
                    Ok::<_, Error>(())
                })?;
            }
        }
        write(waiting)?;
        sampling::check(&report)?;
        writer.finish()?;
        Ok(report)
    }
}

/// Makes some images on all threads.
fn make_images(
    sampler: &EventSampler,
    events: usize,
    bins: usize,
    images: Range<usize>,
    stream: impl Fn(usize) -> StreamKey + Sync,
) -> Result<(Vec<CompactImage>, GenerationReport), Error> {
    let maker = ImageMaker::new(bins)?;
    let made = images
        .into_par_iter()
        .map_init(
            || maker.clone(),
            |maker, i| {
                let mut image = CompactImage::new(bins)?;
                let report = maker.compact(sampler, stream(i), events, &mut image)?;
                Ok((image, report))
            },
        )
        .collect::<Result<Vec<_>, Error>>()?;
    let report = made.iter().fold(GenerationReport::default(), |sum, (_, report)| sum.merge(*report));
    Ok((made.into_iter().map(|(image, _)| image).collect(), report))
}

/// Generates and bins one image after another; holds the memory for it.
#[derive(Debug, Clone)]
pub struct ImageMaker {
    voxeliser: Voxeliser,
    events: EventBatch,
}

impl ImageMaker {
    /// For images of `bins`^3 cells.
    ///
    /// # Errors
    /// `bins` outside 2 to 256.
    pub fn new(bins: usize) -> Result<Self, Error> {
        Ok(Self { voxeliser: Voxeliser::new(bins)?, events: EventBatch::default() })
    }

    /// Generates the events of one image and bins them.
    ///
    /// # Errors
    /// When an event lies outside the image's axes: a bug of the generator.
    pub fn compact(
        &mut self,
        sampler: &EventSampler,
        stream: StreamKey,
        events: usize,
        image: &mut CompactImage,
    ) -> Result<GenerationReport, Error> {
        let report = sampler.fill(stream, events, &mut self.events);
        self.voxeliser.voxelise_compact(self.events.angles(), image)?;
        Ok(report)
    }

    /// Image with the mean q2 of every cell.
    ///
    /// # Shapes
    /// `image`: `(cos_theta_l, cos_theta_k, chi)`.
    ///
    /// # Errors
    /// As [`ImageMaker::compact`]; `image` of another length.
    pub fn dense(
        &mut self,
        sampler: &EventSampler,
        stream: StreamKey,
        events: usize,
        image: &mut [f32],
    ) -> Result<GenerationReport, Error> {
        let report = sampler.fill(stream, events, &mut self.events);
        self.voxeliser.voxelise(self.events.angles(), image)?;
        Ok(report)
    }
}

/// The random stream of one image.
fn image_stream(data: &DataCard, point: &Point, split: Split, image: usize) -> StreamKey {
    super::of_point(StreamKey::new(data.seed).child(split.name(), 0), point).child("image", image as u64)
}
