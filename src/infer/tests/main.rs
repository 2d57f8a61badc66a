//! Fits of measured data: weights, simulations, background.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

mod acceptance;
mod background;
mod weights;
