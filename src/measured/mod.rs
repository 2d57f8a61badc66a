//! Events that were measured: what they are supposed to follow, what is known of them besides, and fits of them.
//!
//! - [`Table`]: all rows of a file, measured and as they were
//! - [`MeasuredSample`]: events of a file in its windows, and their density without what is fitted
//! - [`Knowledge`], [`Known`]: accepted simulated events, an S-wave, a sample of background
//! - [`Source`]: the density of events that others made
//! - [`fits`]: unbinned fits of a sample, or of parts of it

mod fit;
mod known;
mod sample;
mod source;
mod table;

pub use fit::{Fits, fits};
pub(crate) use fit::{Rows, fit_result, sum_of_weights};
pub(crate) use known::disagreement;
pub use known::{
    BackgroundMethod, GivenBackground, GivenSWave, GivenSimulation, Knowledge, Known, KnownBackground,
    KnownSWave, SimulatedSample,
};
pub(crate) use sample::at_one_mass;
pub use sample::{LeftOut, MeasuredSample, Settings};
pub use source::{Said, Source};
pub use table::Table;
