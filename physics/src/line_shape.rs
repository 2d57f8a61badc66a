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

impl LineShape {
    /// All line shapes.
    pub const ALL: [Self; 2] = [Self::BreitWigner, Self::Narrow];

    /// The name used on the command line, in cards and in files.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BreitWigner => "breit-wigner",
            Self::Narrow => "narrow",
        }
    }
}

impl std::str::FromStr for LineShape {
    type Err = crate::PhysicsError;

    fn from_str(name: &str) -> Result<Self, crate::PhysicsError> {
        Self::ALL
            .into_iter()
            .find(|c| c.name() == name)
            .ok_or_else(|| crate::PhysicsError::unknown("line shape", name, &Self::ALL.map(Self::name)))
    }
}
