//! A run: its folder and its stages. Each stage skips what is there already, so that a killed run goes on where it
//! stopped and ends with the same files as one that was never killed.
//!
//! Images come from a [`crate::campaign`], in the run's folder or elsewhere.
//!
//! - [`folder`]: card, lock, and where everything lies
//! - [`training`]: the network, from its last checkpoint
//! - [`evaluation`]: test ensembles through the best network
//! - [`figures`]: everything that is drawn
//! - [`estimators`]: its network and the classical ways to estimate delta C9
//! - [`compare`]: all of them on the same samples
//! - [`compared`]: what a comparison leaves
//! - [`parts`]: of a comparison that was broken off
//! - [`limits`]: what a card cannot give
//! - [`predict`]: delta C9 of other images, with intervals
//! - [`systematics`]: samples of another model than the estimators assume
//! - [`page`]: the report in one HTML file
//! - [`timing`]: how long the stages took

pub mod compare;
pub mod compared;
pub mod estimators;
pub mod evaluation;
pub mod figures;
pub mod folder;
pub mod limits;
pub mod page;
pub mod parts;
pub mod predict;
pub mod systematics;
pub mod timing;
pub mod training;

pub use folder::{RunFolder, refuse_ratio};
