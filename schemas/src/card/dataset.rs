//! `[images]` and `[dataset]`: how an image is made, and how many of each delta C9.

use std::collections::BTreeMap;

use humboldt_physics::{WilsonCoefficient, WilsonDirection};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::generator::parse;
use crate::error::Invalid;

/// How the events of one image are binned and stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ImagesCard {
    /// Events in one image (paper: 24,613).
    pub events: usize,
    /// Bins of each of cos_theta_l, cos_theta_k and chi (paper: 50).
    pub bins: usize,
    /// `hdf5` or `arrow`.
    pub format: ImageFormat,
    /// `compact` or `dense`.
    pub layout: ImageLayout,
    /// Gzip level of dense HDF5 images, 0 (none) to 9.
    pub gzip: u8,
    /// Images in one file.
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

/// How images are stored.
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
        Invalid::unless(
            (1..=100_000_000).contains(&self.events),
            "images.events",
            self.events,
            "1 to 100000000",
        )?;
        Invalid::unless((2..=256).contains(&self.bins), "images.bins", self.bins, "2 to 256")?;
        Invalid::unless(self.gzip <= 9, "images.gzip", self.gzip, "0 to 9")?;
        Invalid::unless(
            (1..=1_000_000).contains(&self.per_file),
            "images.per_file",
            self.per_file,
            "1 to 1000000",
        )
    }
}

/// Which delta C9 the images have, and how many there are of each.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DatasetCard {
    /// Groups of delta C9 values with the same numbers of images.
    pub groups: Vec<GroupCard>,
    /// Further coefficients that are learned beside C9 (`c10`, `c7_prime`, `c10_im`, ..): the range of the shift of each, which
    /// images have independently of delta C9. Live images with the uniform prior only.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub also: BTreeMap<String, [f64; 2]>,
}

/// Delta C9 values that share their numbers of images. A group without training images tests interpolation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupCard {
    /// The shifts of C9.
    pub delta_c9: Vec<f64>,
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

/// What a set of images is used for.
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

/// One value of delta C9 with its numbers of images.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DatasetPoint {
    /// The shift of C9.
    pub delta_c9: f64,
    /// Images of each [`Split`], in the order of [`Split::ALL`].
    pub images: [usize; 3],
}

impl DatasetPoint {
    /// Number of images in a split.
    pub const fn count(&self, split: Split) -> usize {
        self.images[split as usize]
    }
}

impl DatasetCard {
    /// Every delta C9 in rising order.
    pub fn points(&self) -> Vec<DatasetPoint> {
        let mut points: Vec<DatasetPoint> = self
            .groups
            .iter()
            .flat_map(|g| {
                g.delta_c9
                    .iter()
                    .map(|&delta_c9| DatasetPoint { delta_c9, images: [g.train, g.validation, g.test] })
            })
            .collect();
        points.sort_by(|a, b| a.delta_c9.total_cmp(&b.delta_c9));
        points
    }

    /// Sets the number of test images of every value.
    pub fn test_each(&mut self, images: usize) {
        for group in &mut self.groups {
            group.test = images;
        }
    }

    /// Number of images in a split.
    pub fn count(&self, split: Split) -> usize {
        // A card may say any number; it is refused only after it was counted.
        self.points().iter().fold(0, |sum, p| sum.saturating_add(p.count(split)))
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        let points = self.points();
        for point in &points {
            let value = point.delta_c9;
            Invalid::unless(
                value.is_finite() && value.abs() <= 100.0,
                "dataset.groups.delta_c9",
                value,
                "-100 to 100",
            )?;
        }
        for pair in points.windows(2) {
            let (first, second) = (pair[0].delta_c9, pair[1].delta_c9);
            Invalid::unless(
                second - first > 1e-9,
                "dataset.groups.delta_c9",
                format!("{first} twice"),
                "each value once",
            )?;
        }
        for split in Split::ALL {
            let count = self.count(split);
            let field = format!("dataset.groups.{}", split.name());
            Invalid::unless(
                (1..=100_000_000).contains(&count),
                &field,
                format!("{count} images in all"),
                "1 to 100000000 images in all",
            )?;
        }
        let trained = points.iter().filter(|p| p.count(Split::Train) > 0).count();
        Invalid::unless(
            trained >= 2,
            "dataset.groups.train",
            format!("{trained} values with training images"),
            "at least 2",
        )?;
        self.also().map(drop)
    }

    /// The further coefficients that are learned, with the range of the shift of each.
    ///
    /// # Errors
    /// For an unknown name, C9 itself, a range that is none, or more than three coefficients.
    pub fn also(&self) -> Result<Vec<(WilsonDirection, [f64; 2])>, Invalid> {
        const FIELD: &str = "dataset.also";
        let n = self.also.len();
        Invalid::unless(n <= 3, FIELD, format!("{n} coefficients"), "at most 3")?;
        let one = |(name, range): (&String, &[f64; 2])| {
            let names = WilsonCoefficient::ALL.map(WilsonCoefficient::name);
            let direction: WilsonDirection = parse(FIELD, name, &names)?;
            Invalid::unless(
                direction != WilsonDirection::real(WilsonCoefficient::C9),
                FIELD,
                "`c9`",
                "other coefficients: the real part of C9 is what dataset.groups.delta_c9 sets",
            )?;
            let [low, high] = *range;
            Invalid::unless(
                low.is_finite()
                    && high.is_finite()
                    && low.abs().max(high.abs()) <= 100.0
                    && high - low > 1e-6,
                &format!("{FIELD}.{name}"),
                format!("{range:?}"),
                "two ascending numbers between -100 and 100",
            )?;
            Ok((direction, *range))
        };
        self.also.iter().map(one).collect()
    }
}
