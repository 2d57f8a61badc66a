//! From labelled images to a network that predicts delta C9.
//!
//! - [`device`]: where to compute
//! - [`network`]: the 3D residual network; [`summary`] lists its layers
//! - [`input`]: from an image to the channels of its input
//! - [`source`]: where images come from, read ahead
//! - [`training`]: the loop, its [`progress`]; checkpoints, optimiser and learning rate behind it
//! - [`model`]: a trained network in files
//! - [`predict`]: delta C9 of images

mod checkpoint;
mod convolution;
pub mod device;
mod error;
pub mod input;
pub(crate) mod layers;
mod metrics;
pub mod model;
pub mod network;
mod optimiser;
mod parallel;
pub mod predict;
pub mod progress;
mod schedule;
pub mod source;
pub mod summary;
pub mod training;

pub use device::{Compute, DeviceName};
pub use error::LearnError;
pub use model::Model;
pub use progress::{Event, Progress};
pub use source::ImageSource;
pub use training::{Trained, Training};
