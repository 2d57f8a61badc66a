//! humboldt

pub mod infer;
pub mod report;
