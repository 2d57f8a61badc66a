//! Reads the images of a campaign.

use humboldt_pipeline::store::ImageReader;
use humboldt_schemas::card::Split;

use super::live::same;
use super::{Campaign, Shard};
use crate::error::{Error, with_reasons};
use crate::learn::{ImageSource, LearnError};

/// The images of one split, or those of one point of it, in the order of the campaign.
pub struct CampaignImages<'a> {
    shards: &'a [(Shard, ImageReader)],
    /// Images of the shards before each.
    starts: Vec<usize>,
    first: usize,
    len: usize,
    bins: usize,
}

impl Campaign {
    /// Opens all shards of a split.
    ///
    /// # Errors
    /// When one is missing, damaged, or of another card.
    pub fn open_shards(&self, split: Split) -> Result<Vec<(Shard, ImageReader)>, Error> {
        let open = |shard: Shard| {
            let path = self.path(&shard);
            if self.record(&shard)?.is_none() {
                return Err(Error::file(&path, "is not there yet; make it with `humboldt campaign run`"));
            }
            let reader = ImageReader::open(&path).map_err(Error::Shard)?;
            let same = reader.provenance().is_some_and(|p| p.card_hash == self.data_hash);
            if !same || reader.len() != shard.len() || reader.bins() != self.data.images.bins {
                return Err(Error::file(&path, "is of another card; remove it to have it made again"));
            }
            Ok((shard, reader))
        };
        self.shards(&[split]).into_iter().map(open).collect()
    }
}

impl<'a> CampaignImages<'a> {
    /// All images of some shards.
    pub fn new(shards: &'a [(Shard, ImageReader)]) -> Self {
        let mut len = 0;
        let starts = shards
            .iter()
            .map(|(shard, _)| {
                let start = len;
                len += shard.len();
                start
            })
            .collect();
        let bins = shards.first().map_or(0, |(_, reader)| reader.bins());
        Self { shards, starts, first: 0, len, bins }
    }

    /// Those of one point only.
    #[must_use]
    pub fn of(mut self, shifts: &[f64]) -> Self {
        let mut labels = self.shards.iter().flat_map(|(shard, _)| shard.labels());
        self.first = labels.position(|x| same(x, shifts)).unwrap_or(self.len);
        let labels = self.shards.iter().flat_map(|(shard, _)| shard.labels());
        self.len = labels.skip(self.first).take_while(|x| same(x, shifts)).count();
        self
    }

    fn find(&self, index: usize) -> (&ImageReader, usize) {
        let index = self.first + index;
        let shard = self.starts.partition_point(|&start| start <= index) - 1;
        (&self.shards[shard].1, index - self.starts[shard])
    }
}

impl ImageSource for CampaignImages<'_> {
    fn len(&self) -> usize {
        self.len
    }

    fn bins(&self) -> usize {
        self.bins
    }

    fn labels(&self, index: usize) -> Vec<f64> {
        let (reader, image) = self.find(index);
        reader.label(image).to_vec()
    }

    fn read(&self, index: usize, image: &mut [f32]) -> Result<(), LearnError> {
        let (reader, i) = self.find(index);
        reader.read(i, image).map_err(|e| LearnError::Image { index, reason: with_reasons(&e) })
    }
}
