//! Fits of measured data: weights, simulations, flavours, S-wave, background.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

mod acceptance;
mod background;
mod flavours;
mod ratio;
mod s_wave;
mod weights;
