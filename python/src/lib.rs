//! The part of the Python package that is Rust: what `python/humboldt` calls, and nothing that a user sees.
//!
//! Commands are called as on the command line, with tables in memory in the place of files, so that both answer alike
//! ([`calls`]). One line a module:
//!
//! - [`calls`]: work on threads of our own, without the GIL, that Ctrl-C stops
//! - [`table`]: events as Arrow, NumPy and files
//! - [`images`]: images of events, of files, and of the generator
//! - [`model`]: trained networks

#![allow(clippy::needless_pass_by_value, reason = "PyO3 hands arguments of Python over by value")]

mod calls;
mod images;
mod model;
mod table;

use pyo3::prelude::*;

/// Functions and classes behind the package `humboldt`.
#[pymodule]
mod _core {
    #[pymodule_export]
    use super::calls::{call, main, remove_unfinished_files, set_threads};
    #[pymodule_export]
    use super::images::{ImageFile, LiveSource, voxelize};
    #[pymodule_export]
    use super::model::Network;
    #[pymodule_export]
    use super::table::Table;
}
