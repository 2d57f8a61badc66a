//! The K pi mass distribution of the K*(892).

/// How the K pi mass of an event is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum LineShape {
    /// Relativistic P-wave Breit-Wigner, 0.66555 to 1.60505 GeV.
    #[default]
    BreitWigner,
    /// Fixed at the pole.
    Narrow,
}
