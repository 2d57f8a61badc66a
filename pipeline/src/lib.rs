//! Makes, stores and streams the data: events and voxel images.
//!
//! Results depend on the seed and the request only, never on the number of threads. One line a module:
//!
//! - [`events`]: events in memory, by column
//! - [`phase_space`]: ranges of an event's variables
//! - [`rng`]: independent random streams, one for each block of events
//! - [`sample`]: rows of a user's table, by name and role
//! - [`acceptance`]: the efficiency of accepted events by moments
//! - [`detector`]: what a detector measures of events
//! - [`effects`]: S-wave, acceptance, detector and background on events that are drawn
//! - [`generate`]: unweighted events of one decay
//! - [`scores`]: what each event says about the Wilson coefficients, and weights
//! - [`voxels`]: images of events, the mean q2 in cells of the angles
//! - [`layout`]: columns of experiments' files in place of our own
//! - [`store`]: events and images on disk

pub mod acceptance;
mod columns;
pub mod detector;
pub mod effects;
mod error;
pub mod events;
pub mod generate;
pub mod layout;
pub mod phase_space;
pub mod rng;
pub mod sample;
pub mod scores;
pub mod store;
pub mod voxels;

pub use error::PipelineError;
pub use events::EventBatch;
