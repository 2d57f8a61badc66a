//! Flat TTrees of ROOT files as Arrow tables, read and written.
//!
//! The formats are those of ROOT 5 and 6, as in its own sources (`io/doc/TFile`, `TBufferFile`, `TBranch`, `TBasket`); a
//! file need not be trusted: every bound is checked.

mod column;
mod compression;
mod cursor;
mod directory;
mod encode;
mod error;
mod kind;
mod objects;
mod payload;
mod reader;
mod source;
mod tree_record;
mod writer;

pub use error::RootError;
pub use reader::{Batches, TreeReader};
pub use source::read_exact_at;
pub use writer::TreeWriter;
