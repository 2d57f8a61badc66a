//! Wilson coefficients of measured events by learned ratios of densities: from one simulated sample, and one of background, to
//! calibrated intervals.
//!
//! - [`variables`]: what networks are told of an event
//! - [`table`]: files of events with their truth and a user's own columns
//! - [`source`]: simulated events, from files or from the card's own generator, in parts that share none
//! - [`model`]: trained and calibrated, in files; the fit of a sample
//! - [`evaluation`]: pseudo-experiments of known coefficients
//! - [`run`]: the stages of a run
//!
//! The mathematics is that of [`crate::infer::ratio`], the networks are those of [`crate::learn::ratio`].

pub mod evaluation;
pub mod model;
pub mod run;
pub mod source;
pub mod table;
pub mod variables;
