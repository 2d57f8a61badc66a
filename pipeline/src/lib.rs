//! Makes, stores and streams the data: events and voxel images.
//!
//! Results depend on the seed and the request only, never on the number of threads. One line a module:
//!
//! - [`rng`]: independent random streams, one for each block of events
//! - [`generate`]: unweighted events of one decay

mod error;
pub mod generate;
pub mod rng;

pub use error::PipelineError;
