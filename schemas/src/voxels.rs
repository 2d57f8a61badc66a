//! The voxel dataset: images of mean q2 with labels.

use std::f64::consts::PI;

/// HDF5 dataset and Arrow column of the images, shape (n, cos_theta_l, cos_theta_k, chi), f32, mean q2 [GeV^2].
pub const IMAGES: &str = "images";

/// HDF5 group of the labels.
pub const LABELS: &str = "labels";

/// Label: the shift of C9 of each image.
pub const DELTA_C9: &str = "delta_c9";

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
