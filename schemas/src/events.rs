//! The event table: Parquet or Arrow IPC, one row an event.

/// Column names, in file order; q2 in GeV^2, chi in (-pi, pi], m_kpi in GeV.
pub const EVENT_COLUMNS: [&str; 5] = ["q2", "cos_theta_l", "cos_theta_k", "chi", "m_kpi"];

/// Before the name of one of [`EVENT_COLUMNS`]: its value at generation, where the column itself holds what was measured.
pub const TRUTH_PREFIX: &str = "true_";

/// Column of the weights of a reweighted sample, or of signal in one with background, f64.
pub const WEIGHT_COLUMN: &str = "weight";

/// Column of the flavour where both are in a file, i8: +1 of a B0bar, -1 of a B0.
pub const FLAVOUR_COLUMN: &str = "flavour";

/// Before the name of a component that is not signal: column of its sWeights, f64.
pub const SWEIGHT_PREFIX: &str = "sweight_";

/// Key of the file's metadata that holds the [`crate::provenance::Provenance`] as JSON.
pub const PROVENANCE_KEY: &str = "humboldt";

/// Key of the file's metadata that names the angle convention.
pub const CONVENTION_KEY: &str = "angle_convention";

/// The only convention that files are written in.
pub const CONVENTION: &str = "LHCb";

/// Column of the measured mass of all four particles, GeV, f32.
pub const M_B_COLUMN: &str = "m_b";

/// Column that says whether kaon and pion were taken for each other.
pub const SWAPPED_COLUMN: &str = "swapped";

/// Column that says what an event is, i32: the place of its name in [`COMPONENTS`].
pub const COMPONENT_COLUMN: &str = "component";

/// Names of what events may be.
pub const COMPONENTS: [&str; 5] = ["signal", "combinatorial", "swap", "j_psi", "psi_2s"];
