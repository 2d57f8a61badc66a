//! Columns of a sample: their roles, and the labels of flavours.

use humboldt_schemas::events::TRUTH_PREFIX;

/// Label of a B0bar in a column of flavours.
pub const B0BAR: i8 = 1;
/// Label of a B0.
pub const B0: i8 = -1;

/// The role of an event's column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// As it was measured.
    Feature,
    /// As it was generated.
    Truth,
}

impl Role {
    /// The column of this role for one of [`EVENT_COLUMNS`](humboldt_schemas::events::EVENT_COLUMNS).
    pub fn column(self, name: &str) -> String {
        match self {
            Self::Feature => name.to_owned(),
            Self::Truth => format!("{TRUTH_PREFIX}{name}"),
        }
    }
}
