//! A run: its folder and its stages. Each stage skips what is there already, so that a killed run goes on where it
//! stopped and ends with the same files as one that was never killed.
//!
//! - [`folder`]: card, lock, and where everything lies
//! - [`images`]: events to images, a file a delta C9 and split
//! - [`training`]: the network, from its last checkpoint
//! - [`evaluation`]: test ensembles through the best network
//! - [`figures`]: everything that is drawn

pub mod evaluation;
pub mod figures;
pub mod folder;
pub mod images;
pub mod training;

pub use folder::RunFolder;
