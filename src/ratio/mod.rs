//! Wilson coefficients of measured events by learned ratios of densities: from one simulated sample, and one of background, to
//! calibrated intervals.
//!
//! - [`variables`]: what networks are told of an event
//! - [`table`]: files of events with their truth and a user's own columns
//! - [`source`]: simulated events, from files or from the card's own generator, in parts that share none
//! - [`model`]: trained and calibrated, in files; the fit of a sample
//! - [`experiments`]: the events of pseudo-experiments
//! - [`estimators`]: ways to find coefficients of measured events, learned ratios among them
//! - [`judged`]: estimates as numbers of tables and figures
//! - [`information`]: the smallest errors that the accepted truth leaves
//! - [`work`]: their answers for pseudo-experiments, which stopped work goes on from
//! - [`evaluation`]: pseudo-experiments of known coefficients
//! - [`figures`], [`page`]: everything that is drawn of a run, and its report
//! - [`compare`], [`worlds`]: estimators on the same pseudo-experiments, and on data that differ from the simulation
//! - [`run`]: the stages of a run
//!
//! The mathematics is that of [`crate::infer::ratio`], the networks are those of [`crate::learn::ratio`].

pub mod compare;
pub mod estimators;
pub mod evaluation;
pub mod experiments;
pub mod figures;
pub mod information;
pub mod judged;
pub mod model;
mod networks;
mod nuisances;
pub mod page;
pub mod run;
pub mod source;
pub mod table;
pub mod variables;
pub mod work;
pub mod worlds;
