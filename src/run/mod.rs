//! A run: its folder and its stages. Each stage skips what is there already, so that a killed run goes on where it
//! stopped and ends with the same files as one that was never killed.
//!
//! Images come from a [`crate::campaign`], in the run's folder or elsewhere.
//!
//! - [`folder`]: card, lock, and where everything lies
//! - [`training`]: the network, from its last checkpoint
//! - [`evaluation`]: test ensembles through the best network
//! - [`figures`]: everything that is drawn

pub mod evaluation;
pub mod figures;
pub mod folder;
pub mod training;

pub use folder::RunFolder;
