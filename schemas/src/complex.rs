//! Complex numbers as users write them: `-0.5`, `"0.5+0.1i"`, `[0.5, 0.1]`.

use std::fmt;
use std::str::FromStr;

use num_complex::Complex64;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Invalid;

/// A complex number in a card or on the command line; written back as `re+imi` only where it has an imaginary part.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "ComplexOnDisk", into = "ComplexOnDisk")]
#[schemars(with = "ComplexOnDisk")]
pub struct ComplexValue(pub Complex64);

/// The three ways to write a complex number.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum ComplexOnDisk {
    /// A real number.
    Real(f64),
    /// Real and imaginary part.
    Pair([f64; 2]),
    /// As in `0.5+0.1i`.
    Text(String),
}

impl TryFrom<ComplexOnDisk> for ComplexValue {
    type Error = Invalid;

    fn try_from(value: ComplexOnDisk) -> Result<Self, Invalid> {
        match value {
            ComplexOnDisk::Real(re) => Ok(Self(re.into())),
            ComplexOnDisk::Pair([re, im]) => Ok(Self(Complex64::new(re, im))),
            ComplexOnDisk::Text(text) => text.parse(),
        }
    }
}

impl From<ComplexValue> for ComplexOnDisk {
    fn from(value: ComplexValue) -> Self {
        if value.0.im == 0.0 { Self::Real(value.0.re) } else { Self::Text(value.to_string()) }
    }
}

impl FromStr for ComplexValue {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Complex64::from_str(text.trim())
            .ok()
            .filter(|c| c.is_finite())
            .map(Self)
            .ok_or_else(|| Invalid::new("complex number", text, "finite, such as -0.5 or 0.5+0.1i"))
    }
}

impl fmt::Display for ComplexValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.im == 0.0 { write!(f, "{}", self.0.re) } else { write!(f, "{}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_forms_round_trip() {
        for (text, re, im) in
            [("-0.5", -0.5, 0.0), ("0.5+0.1i", 0.5, 0.1), ("-2i", 0.0, -2.0), ("1e-3", 1e-3, 0.0)]
        {
            let value: ComplexValue = text.parse().unwrap();
            assert_eq!(value.0, Complex64::new(re, im), "{text}");
            assert_eq!(value.to_string().parse::<ComplexValue>().unwrap(), value);
        }
        for text in ["", "x", "nan", "inf", "1+", "1+2"] {
            assert!(text.parse::<ComplexValue>().is_err(), "{text}");
        }
    }
}
