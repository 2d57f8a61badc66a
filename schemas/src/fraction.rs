//! Knowledge of a part of a sample's events.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Invalid;

/// Knowledge of background's part of the events, or of the S-wave's (F_S).
///
/// In words: a number, `free`, or value and standard deviation as in `0.44+-0.02`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "OnDisk", into = "OnDisk")]
#[schemars(with = "OnDisk")]
pub enum Fraction {
    /// Exactly.
    Fixed(f64),
    /// Nothing: it is fitted.
    Free,
    /// Value and standard deviation of another measurement; it is fitted.
    Constrained(f64, f64),
}

/// Start of a free fraction.
const START: f64 = 0.3;

impl Default for Fraction {
    /// Of a sample without background.
    fn default() -> Self {
        Self::Fixed(0.0)
    }
}

impl Fraction {
    /// Whether it is a parameter of the fit.
    pub const fn is_free(self) -> bool {
        !matches!(self, Self::Fixed(_))
    }

    /// The value that is known, or at which a free one is looked for first.
    pub const fn start(self) -> f64 {
        match self {
            Self::Fixed(value) | Self::Constrained(value, _) => value,
            Self::Free => START,
        }
    }

    /// The number that is not allowed, and what is; none of a fraction from 0 to below 1 with an error above 0.
    pub fn fault(self) -> Option<(f64, &'static str)> {
        let value = self.start();
        if !(0.0..1.0).contains(&value) {
            return Some((value, "0 to 1, 1 excluded"));
        }
        match self {
            Self::Constrained(_, sigma) if !(sigma > 0.0 && sigma.is_finite()) => {
                Some((sigma, "an error above 0"))
            }
            _ => None,
        }
    }

    /// The fraction of such words, whatever its numbers are.
    pub fn of_words(text: &str) -> Option<Self> {
        let number = |text: &str| f64::from_str(text.trim()).ok();
        match (text, text.split_once("+-")) {
            ("free", _) => Some(Self::Free),
            (_, Some((value, error))) => Some(Self::Constrained(number(value)?, number(error)?)),
            (_, None) => number(text).map(Self::Fixed),
        }
    }
}

/// The two ways to write one.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
enum OnDisk {
    /// A number.
    Number(f64),
    /// `free`, or as in `0.44+-0.02`.
    Text(String),
}

impl TryFrom<OnDisk> for Fraction {
    type Error = Invalid;

    fn try_from(value: OnDisk) -> Result<Self, Invalid> {
        let (text, fraction) = match value {
            OnDisk::Number(number) => (number.to_string(), Some(Self::Fixed(number))),
            OnDisk::Text(text) => {
                let fraction = Self::of_words(&text);
                (text, fraction)
            }
        };
        fraction.filter(|fraction| fraction.fault().is_none()).ok_or_else(|| {
            let allowed = "a number from 0 to below 1, free, or value and error as in 0.44+-0.02";
            Invalid::new("background.fraction", text, allowed)
        })
    }
}

impl From<Fraction> for OnDisk {
    fn from(fraction: Fraction) -> Self {
        match fraction {
            Fraction::Fixed(value) => Self::Number(value),
            Fraction::Free => Self::Text("free".to_owned()),
            Fraction::Constrained(value, sigma) => Self::Text(format!("{value}+-{sigma}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_read_and_written_and_faults_named() {
        for (text, fraction) in [
            ("0.44", Some(Fraction::Fixed(0.44))),
            ("free", Some(Fraction::Free)),
            ("0.44 +- 0.02", Some(Fraction::Constrained(0.44, 0.02))),
            ("half", None),
            ("0.4+-", None),
        ] {
            assert_eq!(Fraction::of_words(text), fraction, "{text}");
        }
        let written = serde_json::to_string(&Fraction::Constrained(0.44, 0.02)).unwrap();
        assert_eq!(written, "\"0.44+-0.02\"");
        assert_eq!(serde_json::from_str::<Fraction>(&written).unwrap(), Fraction::Constrained(0.44, 0.02));
        for (fraction, got) in [
            (Fraction::Fixed(1.0), Some(1.0)),
            (Fraction::Constrained(-0.1, 0.1), Some(-0.1)),
            (Fraction::Constrained(0.4, 0.0), Some(0.0)),
            (Fraction::Constrained(0.4, 0.1), None),
            (Fraction::Free, None),
        ] {
            assert_eq!(fraction.fault().map(|fault| fault.0), got, "{fraction:?}");
        }
        assert!(Fraction::Fixed(f64::NAN).fault().is_some());
        let error = serde_json::from_str::<Fraction>("\"some\"").unwrap_err().to_string();
        assert!(error.contains("background.fraction = some"), "{error}");
    }
}
