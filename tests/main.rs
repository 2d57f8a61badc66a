//! Whole-program tests, in one binary; a file a subject.

#![allow(missing_docs, reason = "tests")]

mod bad_input;
mod campaign;
mod check;
mod dashboard;
mod detector;
mod docs;
mod examples;
mod exchange;
mod fuzz;
mod generate_bytes;
mod global;
mod global_networks;
mod gpu;
mod infer;
mod inference;
mod issue_13_fits;
mod layouts;
mod learn;
mod measured;
mod parameters;
mod python_readers;
mod ratio;
mod ratio_compare;
mod report;
mod reweight;
mod root;
mod run;
mod said;
mod sets;
mod support;
mod systems;
