//! Trees of ROOT and of uproot read, trees written, damaged files.

#![allow(clippy::float_cmp, reason = "what is written must be read back exactly")]

mod damage;
mod reading;
mod support;
mod writing;
