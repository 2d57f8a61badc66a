//! Events, images and their files, in one binary; a file or a folder a subject.

#![allow(missing_docs, reason = "tests")]

#[path = "../../tests/support/damage.rs"]
mod damage;
#[path = "../../tests/support/environment.rs"]
mod environment;
#[path = "../../tests/support/fuzz.rs"]
mod fuzzing;

mod compact_images;
mod fuzz;
mod generate_reference;
mod generate_statistics;
mod generate_streams;
mod hepmc;
mod layouts;
mod scores;
mod store;
mod voxels;
