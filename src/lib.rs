//! humboldt: from Wilson coefficients to B -> K* l l events, to voxel images, and back by a neural network.
//!
//! The physics, the file formats and the data pipeline are crates of their own; here is what learns, infers and talks
//! to the user. One line a module:
//!
//! - [`campaign`]: images of a card in shards, on one machine or many
//! - `assumptions`: what commands take for granted of a sample, and what makes their answers doubtful
//! - [`binning`]: which events of a file become images
//! - `guards`: signs that a sample is not at truth level
//! - [`sampling`]: from a card's words to a sampler of events
//! - [`learn`]: the 3D residual network, its training and its predictions
//! - [`infer`]: what ensembles of predictions say, and predictions with varied inputs
//! - [`global`]: fits of Wilson coefficients to measured observables
//! - [`inference`]: coefficients of measured events, by a trained network or by learned ratios
//! - [`measured`]: samples of measured events, what is known of them besides, and fits
//! - [`report`]: figures and tables
//! - [`ratio`]: coefficients of measured events by learned ratios of densities
//! - [`run`]: a run's folder and its stages
//! - [`progress`]: what the user sees while it works
//! - [`dashboard`]: a training on a terminal of its own
//! - [`commands`]: the command line, and reasons that it did not do what it was called for

mod assumptions;
pub mod binning;
pub mod campaign;
pub mod commands;
pub mod dashboard;
mod error;
pub mod global;
mod guards;
pub mod inference;
mod lock;
pub mod measured;
pub mod progress;
pub mod ratio;
pub mod run;
pub mod sampling;
mod signals;

pub use error::Error;
pub use humboldt_infer as infer;
pub use humboldt_learn as learn;
pub use humboldt_report as report;
