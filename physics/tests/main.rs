//! The physics against its references, in one binary; a file a subject.

#![allow(missing_docs, reason = "tests")]

mod charmonium;
mod cp;
mod density;
mod evtgen;
mod flavio;
mod flavio_grid;
mod flavio_models;
mod momenta;
mod observables;
mod properties;
mod support;
mod uncertainty;
