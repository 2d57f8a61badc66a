//! From labelled images to a network that predicts delta C9.
//!
//! - [`device`]: where to compute
//! - [`network`]: of either kind: the 3D residual network ([`resnet`]), and networks over events
//!   or cells
//! - [`input`]: from an image to the channels of a residual network
//! - [`calibration`]: from a learned statistic, such as the mean score of an image's events, to delta C9
//! - [`source`]: where images come from
//! - [`training`]: the loop, its [`progress`]; checkpoints, optimiser and learning rate behind it
//! - [`model`]: a trained network in files
//! - [`ratio`]: networks over single events that learn ratios of densities
//! - [`predict`]: delta C9 of images

pub mod built_in;
pub mod calibration;
mod checkpoint;
mod convolution;
pub mod device;
mod elements;
mod epoch;
mod error;
mod flex;
pub mod input;
mod inputs;
mod interchange;
pub mod layers;
mod loss;
mod metrics;
pub mod model;
pub mod network;
mod optimiser;
mod parallel;
pub mod predict;
pub mod progress;
pub mod ratio;
pub mod resnet;
mod rows;
mod schedule;
mod scores;
mod set;
pub mod source;
mod state_dict;
pub mod training;

pub use calibration::ImageEstimate;
pub use convolution::vectors;
pub use device::{Compute, DeviceName};
pub use error::LearnError;
pub use interchange::Imported;
pub use model::Model;
pub use progress::{Event, Progress};
pub use source::ImageSource;
pub use training::{Trained, Training};
