//! File formats of humboldt: cards, events, images and results. Reads cards; the data formats are read and
//! written in the pipeline.
//!
//! - [`campaign`]: the folder of a campaign of images
//! - [`card`]: the run card (TOML), strictly read
//! - [`comparison`]: estimators on the same samples
//! - [`complex`]: complex numbers as users write them
//! - [`global`]: what global fits print
//! - [`experiment`]: experiments with networks on global fits, their card (TOML) and result
//! - [`correlation`]: matrices in files of measurements
//! - [`hepdata`]: HEPData submissions to files of measurements
//! - [`Fraction`]: what is known of a part of a sample's events
//! - [`measurements`]: files of measurements (TOML), strictly read
//! - [`acceptance`]: an efficiency by Legendre polynomials
//! - [`background`]: the smoothed density of a background
//! - [`events`]: column names of event tables
//! - [`layout`]: columns of experiments' files (TOML), strictly read
//! - [`voxels`]: axes and names of voxel datasets
//! - [`results`]: ensembles, summary, observables, training metrics
//! - [`inference`]: bounds, fits and moments of events
//! - [`provenance`]: where a file comes from
//! - [`json_schema`]: JSON schemas of all of it, generated from the types

pub mod acceptance;
pub mod background;
pub mod campaign;
pub mod card;
pub mod comparison;
pub mod complex;
pub mod correlation;
mod error;
pub mod events;
pub mod experiment;
mod fraction;
pub mod global;
pub mod hepdata;
pub mod inference;
pub mod json_schema;
pub mod layout;
pub mod measurements;
mod named;
pub mod provenance;
pub mod results;
pub mod voxels;

pub use error::{Invalid, SchemaError};
pub use fraction::Fraction;

/// Content of a JSON file.
fn read_json<T: serde::de::DeserializeOwned>(path: &std::path::Path) -> Result<T, SchemaError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| SchemaError::Io { path: path.to_owned(), source })?;
    serde_json::from_str(&text)
        .map_err(|error| SchemaError::Corrupt { path: path.to_owned(), what: error.to_string() })
}
