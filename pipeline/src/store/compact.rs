//! The compact layout of images, whatever the format: tables that say where each image is, and parts of images in the
//! file as they are, read without a library.
//!
//! An image is its bitmap, and for each occupied cell its sum of q2 (f32) and its count (u8). Counts of 255 and more
//! stand in a table of their own. Each image has a BLAKE3 digest, checked when a reader reads it for the first time;
//! the tables, the digests among them, have a checksum, checked before anything relies on them.

use std::fs::File;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use humboldt_schemas::voxels::COUNT_IN_OVERFLOW;

use super::bytes::{read_at, with_scratch};
use super::labels::Labels;
use crate::PipelineError;
use crate::voxels::{CompactImage, bitmap_bytes};

/// A BLAKE3 digest.
pub(super) type Digest = [u8; blake3::OUT_LEN];

/// Tag that makes the checksum of this layout differ from that of any other.
const CONTEXT: &[u8] = b"humboldt compact images 1";

/// Parts of an image that are not stored as they are in memory.
pub(super) struct Encoded {
    pub(super) counts: Vec<u8>,
    /// Place in `counts`, and the count.
    pub(super) overflow: Vec<[u32; 2]>,
    pub(super) events: u64,
    pub(super) digest: Digest,
}

impl Encoded {
    pub(super) fn of(image: &CompactImage) -> Self {
        let full = u32::from(COUNT_IN_OVERFLOW);
        let counts: Vec<u8> = image.counts().iter().map(|&count| count.min(full) as u8).collect();
        let large = image.counts().iter().enumerate().filter(|(_, count)| **count >= full);
        let overflow = large.map(|(i, &count)| [i as u32, count]).collect();
        let digest = digest(image.bitmap(), image.sums(), &counts);
        Self { counts, overflow, events: image.events(), digest }
    }
}

fn digest(bitmap: &[u8], sums: &[f32], counts: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(bitmap).update(bytemuck::cast_slice(sums)).update(counts);
    hasher.finalize().into()
}

/// Numbers of all images of a file.
#[derive(Debug)]
pub(super) struct Tables {
    /// Start of each image's cells among those of all, and their number at the end.
    pub(super) offsets: Vec<u64>,
    /// Place among the cells of all images, and the count.
    pub(super) overflow: Vec<[u64; 2]>,
    pub(super) events: Vec<u64>,
    pub(super) labels: Labels,
    pub(super) digests: Vec<Digest>,
}

impl Tables {
    pub(super) fn new(labels: Labels) -> Self {
        Self { offsets: vec![0], overflow: Vec::new(), events: Vec::new(), labels, digests: Vec::new() }
    }

    /// Occupied cells of all images.
    pub(super) fn cells(&self) -> u64 {
        self.offsets.last().copied().unwrap_or_default()
    }

    pub(super) fn push(&mut self, image: &Encoded, labels: &[f64]) {
        let start = self.cells();
        self.overflow.extend(image.overflow.iter().map(|&[at, count]| [start + u64::from(at), count.into()]));
        self.offsets.push(start + image.counts.len() as u64);
        self.events.push(image.events);
        self.labels.extend(labels);
        self.digests.push(image.digest);
    }

    /// BLAKE3 of the tables and of `texts`, the metadata that say what the images are.
    pub(super) fn checksum(&self, bins: usize, texts: &[String]) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(CONTEXT);
        let numbers = [bytemuck::cast_slice(&self.offsets), self.overflow.as_flattened(), &self.events];
        let numbers = numbers.map(bytemuck::cast_slice::<u64, u8>);
        let [offsets, overflow, events] = numbers;
        let tables = [
            offsets,
            overflow,
            events,
            bytemuck::cast_slice(self.labels.values()),
            self.digests.as_flattened(),
        ];
        let bins = (bins as u64).to_le_bytes();
        let names = self.labels.words();
        let texts = texts.iter().chain(&names).map(String::as_bytes);
        for part in texts.chain([&bins[..]]).chain(tables) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
        }
        hasher.finalize().into()
    }

    /// Refuses what no writer makes. Allocates nothing.
    fn check(&self, bins: usize) -> Result<(), String> {
        let (n, cells) = (self.labels.len(), bins.pow(3) as u64);
        if [self.offsets.len(), self.events.len() + 1, self.digests.len() + 1] != [n + 1; 3] {
            return Err("tables of different lengths".to_owned());
        }
        let sizes = self.offsets.windows(2).map(|pair| pair[1].checked_sub(pair[0]));
        if self.offsets[0] != 0 || sizes.into_iter().any(|size| size.is_none_or(|size| size > cells)) {
            return Err("offsets that no image can have".to_owned());
        }
        let places = self.overflow.iter().map(|entry| entry[0]);
        if !places.is_sorted_by(|a, b| a < b) || self.overflow.last().is_some_and(|e| e[0] >= self.cells()) {
            return Err("overflow: places out of order or range".to_owned());
        }
        let counts = u64::from(COUNT_IN_OVERFLOW)..=u32::MAX.into();
        match self.overflow.iter().find(|entry| !counts.contains(&entry[1])) {
            Some([_, count]) => Err(format!("overflow: a count of {count}")),
            None => Ok(()),
        }
    }
}

/// Starts of the parts of an image in the file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) bitmap: u64,
    pub(super) sums: u64,
    pub(super) counts: u64,
}

/// Compact images of a file, whose tables are whole.
#[derive(Debug)]
pub(super) struct Compact {
    bins: usize,
    offsets: Vec<u64>,
    overflow: Vec<[u64; 2]>,
    events: Vec<u64>,
    digests: Vec<Digest>,
    places: Vec<Place>,
    /// Images that agreed with their digest.
    verified: Vec<AtomicBool>,
}

impl Compact {
    /// The images of these `tables`, and their labels.
    pub(super) fn new(
        path: &Path,
        len: u64,
        bins: usize,
        tables: Tables,
        places: Vec<Place>,
        checksum: &Digest,
        texts: &[String],
    ) -> Result<(Self, Labels), PipelineError> {
        let corrupt = |what: String| PipelineError::corrupt(path, format!("compact images: {what}"));
        tables.check(bins).map_err(corrupt)?;
        if tables.checksum(bins, texts) != *checksum {
            return Err(corrupt("the checksum of tables and metadata is wrong".to_owned()));
        }
        let sizes = tables.offsets.windows(2).map(|pair| pair[1] - pair[0]);
        let outside = places.iter().zip(sizes).position(|(place, cells)| {
            let parts =
                [(place.bitmap, bitmap_bytes(bins) as u64), (place.sums, 4 * cells), (place.counts, cells)];
            parts.iter().any(|&(at, size)| at.checked_add(size).is_none_or(|end| end > len))
        });
        if let Some(i) = outside {
            return Err(PipelineError::corrupt(path, format!("image {i} is not where the file says")));
        }
        let verified = places.iter().map(|_| AtomicBool::new(false)).collect();
        let Tables { offsets, overflow, events, labels, digests } = tables;
        Ok((Self { bins, offsets, overflow, events, digests, places, verified }, labels))
    }

    /// Number of events of each image.
    pub(super) fn events(&self) -> &[u64] {
        &self.events
    }

    /// Reads image `i` (checked) over `image`.
    pub(super) fn read(
        &self,
        path: &Path,
        file: &File,
        i: usize,
        image: &mut CompactImage,
    ) -> Result<(), PipelineError> {
        let corrupt =
            |what: &dyn std::fmt::Display| PipelineError::corrupt(path, format!("image {i}: {what}"));
        let (place, first, end) = (self.places[i], self.offsets[i], self.offsets[i + 1]);
        let cells = (end - first) as usize;
        let (bitmap, sums, counts) = image.parts_mut(self.bins);
        bitmap.resize(bitmap_bytes(self.bins), 0);
        sums.resize(cells, 0.0);
        read_at(path, file, place.bitmap, bitmap)?;
        read_at(path, file, place.sums, bytemuck::cast_slice_mut(sums))?;
        let unread = !self.verified[i].load(Ordering::Relaxed);
        with_scratch(|bytes, _| {
            bytes.resize(cells, 0);
            read_at(path, file, place.counts, bytes)?;
            if unread && digest(bitmap, sums, bytes) != self.digests[i] {
                return Err(corrupt(&"its checksum is wrong"));
            }
            counts.clear();
            counts.extend(bytes.iter().copied().map(u32::from));
            Ok(())
        })?;
        let from = self.overflow.partition_point(|entry| entry[0] < first);
        let large = self.overflow[from..].iter().take_while(|entry| entry[0] < end);
        for &[at, count] in large {
            counts[(at - first) as usize] = count as u32;
        }
        if unread {
            image.check().map_err(|e| corrupt(&e))?;
            if image.events() != self.events[i] {
                return Err(corrupt(&format!("{} events, not {}", image.events(), self.events[i])));
            }
            self.verified[i].store(true, Ordering::Relaxed);
        }
        Ok(())
    }
}
