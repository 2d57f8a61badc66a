//! Names of closed choices: one spelling for the command line, cards and files.

/// `Display` and `FromStr` of an enum that has `ALL` and `name()`; an unknown name is refused with the allowed ones.
macro_rules! named {
    ($type:ty, $what:literal) => {
        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        }

        impl std::str::FromStr for $type {
            type Err = $crate::PhysicsError;

            fn from_str(name: &str) -> Result<Self, $crate::PhysicsError> {
                Self::ALL
                    .into_iter()
                    .find(|choice| choice.name() == name)
                    .ok_or_else(|| $crate::PhysicsError::unknown($what, name, &Self::ALL.map(Self::name)))
            }
        }
    };
}

pub(crate) use named;
