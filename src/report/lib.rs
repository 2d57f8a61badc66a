//! Figures and tables of a run: SVG and PNG, and their numbers as CSV, Parquet and JSON.
//!
//! A figure function takes plain numbers and a [`Sheet`], writes `stem.svg`, `stem.png` (300 dpi) and `stem.csv`, and
//! gives their paths. The same numbers give the same bytes: fonts are embedded, nothing depends on the machine. Files
//! appear whole or not at all; the folder must exist.
//!
//! - [`histograms()`], [`linearity()`], [`width()`]: what a network predicts (the paper's Figs. 5 to 7)
//! - [`distributions()`], [`voxel_views()`]: what it sees (Figs. 2 and 3)
//! - [`network()`], [`information()`]: the network itself (Fig. 4), and where in phase space the information sits
//! - [`width_over_bound()`], [`coverage()`], [`estimator_pulls()`]: estimators side by side
//! - [`wrong_simulation()`]: how far what they were not told moves them
//! - [`page`]: a run in one HTML file
//! - [`Projected`]: an image in a terminal
//! - [`contours()`], [`observables()`], [`pulls()`]: a global fit
//! - [`chi2_distribution()`], [`image_rows()`], [`regions()`], [`curves()`]: networks on it
//! - [`training_curves()`]: how it learned
//! - [`p_values()`]: how well samples fit
//! - [`write_ensembles_csv`], [`write_predictions_parquet`], [`write_json`]: numbers alone
//!
//! Colours, sizes and labels stand in `style`, text with sub- and superscripts in `markup`, drawing in `canvas` and
//! `panel`.

mod canvas;
#[cfg(test)]
mod checks;
mod chi2_distribution;
mod colour_map;
mod comparison;
mod contours;
mod curves;
mod distributions;
mod error;
mod files;
mod histograms;
mod image_rows;
mod information;
mod legend;
mod linearity;
mod markup;
mod network;
mod observables;
mod p_values;
pub mod page;
mod panel;
mod projection;
mod pulls;
mod raster;
mod regions;
mod sheet;
mod small_print;
mod style;
mod tables;
mod terminal;
mod ticks;
mod training;
mod training_values;
mod voxel_views;
mod width;
mod wrong_simulation;

pub use chi2_distribution::chi2_distribution;
pub use comparison::{
    Pulls, coverage, estimator_pulls, estimator_words, width_over_bound, write_comparison_csv,
};
pub use contours::{Contours, Region, contours, parameter_title};
pub use curves::curves;
pub use distributions::{EventSample, distributions};
pub use error::ReportError;
pub use files::{write, write_json};
pub use histograms::histograms;
pub use image_rows::image_rows;
pub use information::{ScoredSample, information};
pub use linearity::{ErrorBars, linearity};
pub use markup::literal;
pub use network::network;
pub use observables::{ObservableBin, ObservablePanel, observables};
pub use p_values::p_values;
pub use pulls::{PullRow, pulls};
pub use regions::regions;
pub use sheet::Sheet;
pub use small_print::{process_title, small_print, window};
pub use style::shift_symbol;
pub use tables::{
    DELTA_C9, Predictions, read_columns_parquet, read_predictions_parquet, shift_label,
    write_columns_parquet, write_ensembles_csv, write_grid_csv, write_predictions_parquet,
};
pub use terminal::Projected;
pub use ticks::{Scale, Ticks, count, number, short};
pub use training::training_curves;
pub use training_values::TrainingValues;
pub use voxel_views::{VoxelImage, mean_image, voxel_views};
pub use width::{WidthReferences, width};
pub use wrong_simulation::wrong_simulation;
