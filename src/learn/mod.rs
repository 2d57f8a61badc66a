//! learn
mod layers;
pub mod network;
