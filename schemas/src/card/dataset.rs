//! `[images]` and `[dataset]`: how an image is made, and how many of each delta C9.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ranges;
use crate::error::Invalid;

/// Binning and storage of the events of one image.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImagesCard {
    /// Events in one image (paper: 24,613).
    #[schemars(range(min = 1, max = 100_000_000))]
    pub events: usize,
    /// Bins of each of cos_theta_l, cos_theta_k and chi (paper: 50).
    #[schemars(range(min = 2, max = 256))]
    pub bins: usize,
    /// `hdf5` or `arrow`.
    pub format: ImageFormat,
    /// `compact` or `dense`.
    pub layout: ImageLayout,
    /// Gzip level of dense HDF5 images, 0 (none) to 9.
    #[schemars(range(max = 9))]
    pub gzip: u8,
    /// Images in one file.
    #[schemars(range(min = 1, max = 1_000_000))]
    pub per_file: usize,
}

impl Default for ImagesCard {
    fn default() -> Self {
        Self {
            events: 24_613,
            bins: 50,
            format: ImageFormat::Hdf5,
            layout: ImageLayout::Compact,
            gzip: 1,
            per_file: 1000,
        }
    }
}

/// File format of voxel images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImageFormat {
    /// HDF5, one chunk an image.
    Hdf5,
    /// Arrow IPC file with `arrow.fixed_shape_tensor` images.
    Arrow,
}

/// Storage of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ImageLayout {
    /// Occupied cells only, with sum and count: a quarter of the size without compression, read in less time than
    /// inflating takes; can be merged and binned more coarsely.
    Compact,
    /// The mean of every cell, for programs that want nothing but a tensor.
    Dense,
}

impl ImageLayout {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Compact, Self::Dense];

    /// The name used on the command line and in cards.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Compact => "compact",
            Self::Dense => "dense",
        }
    }
}

impl std::fmt::Display for ImageLayout {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}

impl std::str::FromStr for ImageLayout {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let known = Self::ALL.into_iter().find(|layout| layout.name() == text);
        known.ok_or_else(|| Invalid::new("layout", format!("`{text}`"), Self::ALL.map(Self::name).join(", ")))
    }
}

impl ImageFormat {
    /// The file name's ending, without the dot.
    pub const fn extension(self) -> &'static str {
        match self {
            Self::Hdf5 => "h5",
            Self::Arrow => "arrow",
        }
    }
}

impl ImagesCard {
    pub(super) fn validate(&self) -> Result<(), Invalid> {
        ranges::check(self, "images")
    }
}

/// Shifts of the images, and numbers of images of each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DatasetCard {
    /// Groups of shifts of the first coefficient that is learned (C9 where it is among them), with the same numbers of images.
    pub groups: Vec<GroupCard>,
    /// With `[parameters]` and without groups: points that fill the ranges evenly, at which images lie (default 22 for one
    /// coefficient, 55 for several).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<usize>,
    /// With `points`: training images of all of them (default 5280).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub train: Option<usize>,
    /// With `points`: validation images of all of them (default 220).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validation: Option<usize>,
    /// With `points`: test images of all of them (default 2200).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<usize>,
    /// Shorthand for `[parameters]` beside groups of delta C9: further coefficients that are learned (`c10`, `c7_prime`,
    /// `c10_im`, ..), and the range of the shift of each.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub also: BTreeMap<String, [f64; 2]>,
}

/// Shifts that share their numbers of images. A group without training images tests interpolation.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupCard {
    /// The shifts of C9.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delta_c9: Vec<f64>,
    /// The shifts of the first coefficient that is learned, by any name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f64>,
    /// Training images of each value.
    #[serde(default)]
    pub train: usize,
    /// Validation images of each value.
    #[serde(default)]
    pub validation: usize,
    /// Test images of each value: the ensemble.
    #[serde(default)]
    pub test: usize,
}

/// Use of a set of images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// Fitted by the network.
    Train,
    /// Decides when to stop and which epoch is the best.
    Validation,
    /// Never seen in training: the ensembles.
    Test,
}

impl Split {
    /// All splits, in the order in which their random streams are numbered.
    pub const ALL: [Self; 3] = [Self::Train, Self::Validation, Self::Test];

    /// Folder name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

impl DatasetCard {
    /// The shifts of the first coefficient that groups name, in rising order.
    fn values(&self) -> Vec<f64> {
        let mut values: Vec<f64> = self.groups.iter().flat_map(GroupCard::shifts).copied().collect();
        values.sort_by(f64::total_cmp);
        values
    }

    /// The smallest and the largest of those that are trained.
    pub(super) fn trained_range(&self) -> [f64; 2] {
        let trained = || self.groups.iter().filter(|g| g.train > 0).flat_map(GroupCard::shifts).copied();
        [trained().fold(f64::INFINITY, f64::min), trained().fold(f64::NEG_INFINITY, f64::max)]
    }

    /// Number of images in a split; without groups of the points that `[parameters]` have, if they are `given`.
    pub(super) fn count(&self, split: Split, given: bool) -> usize {
        if self.groups.is_empty() && given {
            return self.in_all(split);
        }
        // A card may say any number; it is refused only after it was counted.
        let of = |g: &GroupCard| g.shifts().len().saturating_mul(g.images()[split as usize]);
        self.groups.iter().fold(0, |sum, g| sum.saturating_add(of(g)))
    }

    /// Images of a split at all points that fill the ranges.
    pub(super) fn in_all(&self, split: Split) -> usize {
        let (given, default) = match split {
            Split::Train => (self.train, 5280),
            Split::Validation => (self.validation, 220),
            Split::Test => (self.test, 2200),
        };
        given.unwrap_or(default)
    }

    /// Sets the number of test images of every value.
    pub fn test_each(&mut self, images: usize) {
        for group in &mut self.groups {
            group.test = images;
        }
        if self.groups.is_empty() {
            self.test = Some(images.saturating_mul(self.points.unwrap_or(1)));
        }
    }

    /// Checks what groups say; their coefficient is called `first`, and its range is `given` if the card gives one.
    pub(super) fn validate(&self, first: &str, given: Option<[f64; 2]>) -> Result<(), Invalid> {
        let named = |group: &&GroupCard| group.delta_c9.is_empty() != group.values.is_empty();
        Invalid::unless(
            self.groups.iter().filter(named).count() == self.groups.len(),
            "dataset.groups",
            "a group with both or neither of delta_c9 and values",
            "one of the two: the shifts of the first coefficient that is learned",
        )?;
        let field = |group: &GroupCard| {
            if group.values.is_empty() { "dataset.groups.delta_c9" } else { "dataset.groups.values" }
        };
        for group in &self.groups {
            Invalid::unless(
                group.delta_c9.is_empty() || first == "c9",
                field(group),
                "shifts of C9",
                format!("values, the shifts of {first}, where C9 is not among the parameters"),
            )?;
            for value in group.shifts() {
                let sound = value.is_finite() && value.abs() <= 100.0;
                Invalid::unless(sound, field(group), value, "-100 to 100")?;
                if let Some([low, high]) = given.filter(|_| group.train > 0) {
                    let inside = (low - 1e-9..=high + 1e-9).contains(value);
                    let allowed = format!("{low} to {high}, the range of parameters.{first}, in training");
                    Invalid::unless(inside, field(group), value, allowed)?;
                }
            }
        }
        for pair in self.values().windows(2) {
            let (first, second) = (pair[0], pair[1]);
            let field = self.groups.first().map_or("dataset.groups", field);
            Invalid::unless(second - first > 1e-9, field, format!("{first} twice"), "each value once")?;
        }
        let ranges_only = [self.points, self.train, self.validation, self.test];
        Invalid::unless(
            (given.is_some() && self.groups.is_empty()) || ranges_only.iter().all(Option::is_none),
            "dataset",
            "numbers of points or images beside groups",
            "them only where [parameters] stand in place of groups",
        )?;
        let points = self.points.unwrap_or(2);
        Invalid::unless((2..=100_000).contains(&points), "dataset.points", points, "2 to 100000")?;
        let trained = self.groups.iter().filter(|g| g.train > 0).map(|g| g.shifts().len()).sum::<usize>();
        for split in Split::ALL {
            let count = self.count(split, given.is_some());
            let field = if self.groups.is_empty() && given.is_some() { "dataset" } else { "dataset.groups" };
            Invalid::unless(
                (1..=100_000_000).contains(&count),
                &format!("{field}.{}", split.name()),
                format!("{count} images in all"),
                "1 to 100000000 images in all",
            )?;
        }
        Invalid::unless(
            trained >= 2 || self.groups.is_empty(),
            "dataset.groups.train",
            format!("{trained} values with training images"),
            "at least 2",
        )
    }
}
