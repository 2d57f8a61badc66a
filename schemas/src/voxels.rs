//! The voxel dataset: images of mean q2 with labels.

use std::f64::consts::PI;

use humboldt_physics::{WilsonCoefficient, WilsonDirection};

/// HDF5 dataset and Arrow column of the images, shape (n, cos_theta_l, cos_theta_k, chi), f32, mean q2 [GeV^2].
pub const IMAGES: &str = "images";

/// HDF5 group of the labels.
pub const LABELS: &str = "labels";

/// Label: the shift of C9 of each image.
pub const DELTA_C9: &str = "delta_c9";

/// The name of the label of a coefficient in files: [`DELTA_C9`] for the real part of C9, as it always was, else its own name.
pub fn label(direction: WilsonDirection) -> String {
    if direction == WilsonDirection::real(WilsonCoefficient::C9) {
        DELTA_C9.to_owned()
    } else {
        direction.to_string()
    }
}

/// The coefficient whose label has this name in files; none for another name.
pub fn direction(label: &str) -> Option<WilsonDirection> {
    let found = if label == DELTA_C9 { "c9" } else { label }.parse().ok()?;
    // One name each: a column `C10` is a user's own.
    (self::label(found) == label).then_some(found)
}

/// Arrays (HDF5 datasets, Arrow columns) of compact images: which cells are occupied, a bit each.
pub const BITMAP: &str = "bitmap";

/// Compact images: sum of q2 [GeV^2] of each occupied cell, f32.
pub const SUMS: &str = "sums";

/// Compact images: number of events of each occupied cell, u8; [`COUNT_IN_OVERFLOW`] stands for a larger one.
pub const COUNTS: &str = "counts";

/// Compact images: place and number of the counts that a byte does not hold.
pub const OVERFLOW: &str = "overflow";

/// Compact images in HDF5: where the cells of each image begin in `sums` and `counts`.
pub const OFFSETS: &str = "offsets";

/// Compact images: number of events of each image.
pub const EVENTS: &str = "events";

/// Compact images: BLAKE3 of the bitmap, sums and counts of each image as they are in the file.
pub const DIGESTS: &str = "digests";

/// Attribute or metadata: BLAKE3 of everything else in a file of compact images.
pub const CHECKSUM_KEY: &str = "blake3";

/// Attribute or metadata: bins of each axis of compact images.
pub const BINS_KEY: &str = "bins";

/// In `counts`: the number, 255 or more, is in `overflow`.
pub const COUNT_IN_OVERFLOW: u8 = u8::MAX;

/// Axes of an image, in memory order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Axis {
    /// Cosine of the lepton helicity angle, -1 to 1.
    CosThetaL,
    /// Cosine of the K* helicity angle, -1 to 1.
    CosThetaK,
    /// Decay-plane angle, -pi to pi.
    Chi,
}

impl Axis {
    /// The axes in memory order, slowest first.
    pub const ALL: [Self; 3] = [Self::CosThetaL, Self::CosThetaK, Self::Chi];

    /// The name in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::CosThetaL => "cos_theta_l",
            Self::CosThetaK => "cos_theta_k",
            Self::Chi => "chi",
        }
    }

    /// Lower and upper edge.
    pub const fn range(self) -> (f64, f64) {
        match self {
            Self::CosThetaL | Self::CosThetaK => (-1.0, 1.0),
            Self::Chi => (-PI, PI),
        }
    }
}
