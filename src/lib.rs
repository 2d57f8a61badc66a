//! humboldt
