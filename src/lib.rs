//! humboldt
pub mod learn;
