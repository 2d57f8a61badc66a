//! Which images each shard holds.

use std::ops::Range;
use std::str::FromStr;

use humboldt_schemas::card::{DataCard, DatasetPoint, Split};

/// Some images of one split.
#[derive(Debug, Clone, PartialEq)]
pub struct Shard {
    /// Their purpose.
    pub split: Split,
    /// Place among the shards of the split.
    pub number: usize,
    /// The points of their images, in the order of [`DataCard::points`], and which of its images they are.
    pub parts: Vec<(Vec<f64>, Range<usize>)>,
}

impl Shard {
    /// `train-00012`, the file's name without its ending.
    pub fn name(&self) -> String {
        format!("{}-{:05}", self.split.name(), self.number)
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|(_, images)| images.len()).sum()
    }

    /// Never: a shard has an image.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The shifts of each image.
    pub fn labels(&self) -> impl Iterator<Item = &[f64]> + '_ {
        self.parts.iter().flat_map(|(shifts, images)| images.clone().map(|_| shifts.as_slice()))
    }
}

/// The shards of a split: its images point by point, `images.per_file` at a time.
pub fn shards(data: &DataCard, points: &[DatasetPoint], split: Split) -> Vec<Shard> {
    let mut shards: Vec<Shard> = Vec::new();
    for point in points {
        let mut next = 0;
        while next < point.count(split) {
            let room = shards.last().map_or(0, |shard| data.images.per_file - shard.len());
            if room == 0 {
                shards.push(Shard { split, number: shards.len(), parts: Vec::new() });
                continue;
            }
            let end = point.count(split).min(next + room);
            if let Some(shard) = shards.last_mut() {
                shard.parts.push((point.shifts.clone(), next..end));
            }
            next = end;
        }
    }
    shards
}

/// One task of an array of tasks that share a campaign, written `3/5`: from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Task {
    index: usize,
    count: usize,
}

impl Task {
    /// One task that does everything.
    pub const ALL: Self = Self { index: 0, count: 1 };

    /// Number of tasks that share the campaign.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Whether it makes the shard at this place of the campaign.
    pub const fn has(&self, shard: usize) -> bool {
        shard % self.count == self.index
    }
}

impl FromStr for Task {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || "allowed: I/N with I from 1 to N, as in 3/5".to_owned();
        let (index, count) = text.split_once('/').ok_or_else(wrong)?;
        let number = |text: &str| text.trim().parse::<usize>().ok().filter(|x| *x >= 1).ok_or_else(wrong);
        let (index, count) = (number(index)?, number(count)?);
        if index <= count { Ok(Self { index: index - 1, count }) } else { Err(wrong()) }
    }
}

#[cfg(test)]
mod tests {
    use humboldt_schemas::card::RunCard;

    use super::*;

    #[test]
    fn shards_hold_every_image_once_and_tasks_every_shard_once() {
        let card = "[images]\nper_file = 7\n[[dataset.groups]]\ndelta_c9 = [-1.0, 0.0, 1.0]\ntrain = 5\nvalidation = 1\ntest = 2";
        let data = RunCard::parse(card, "card").unwrap().data();
        let shards = shards(&data, &data.points().unwrap(), Split::Train);
        assert_eq!(shards.iter().map(Shard::len).collect::<Vec<_>>(), [7, 7, 1]);
        assert_eq!(shards[1].parts, [(vec![0.0], 2..5), (vec![1.0], 0..4)]);
        assert_eq!(shards[2].name(), "train-00002");
        let mut images: Vec<_> = shards
            .iter()
            .flat_map(|s| &s.parts)
            .flat_map(|(d, r)| r.clone().map(|i| (d[0].to_bits(), i)))
            .collect();
        images.sort_unstable();
        images.dedup();
        assert_eq!(images.len(), 15);
        let tasks: Vec<Task> = ["1/3", "2/3", "3/3"].iter().map(|t| t.parse().unwrap()).collect();
        for shard in 0..20 {
            assert_eq!(tasks.iter().filter(|t| t.has(shard)).count(), 1);
        }
        for wrong in ["0/3", "4/3", "3", "a/b", "1/0", "-1/3"] {
            assert!(wrong.parse::<Task>().is_err(), "{wrong}");
        }
    }
}
