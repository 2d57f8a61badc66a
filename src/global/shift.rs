//! Parameters that may move in a fit: shifts of Wilson coefficients, by lepton and bin, and charm loops as a polynomial in q2.

use std::str::FromStr;

use humboldt_physics::wilson::Part;
use humboldt_physics::{Lepton, Leptons, Theory, WilsonCoefficient, WilsonDirection};
use humboldt_schemas::Invalid;
use humboldt_schemas::complex::ComplexValue;
use num_complex::Complex64;

use super::data::Data;
use super::selection::Bin;

/// A shift of the real or imaginary part of a coefficient.
///
/// `c9` is seen by muons, `c9_e` by electrons, `c9_u` by both; `c9_im`, `c9_u_im` are imaginary parts; `c9@1.1:6` acts from
/// 1.1 to 6 GeV^2 alone, and by its share in bins that reach beyond. `charm_k` is what charm loops of unknown size add to C9 of both leptons:
/// charm_k (q2/6 GeV^2)^k at the centre of each bin; `charm_0` would be `c9_u`. It has no weak phase and no strong one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// Who sees it.
    pub leptons: Leptons,
    /// Direction that is shifted.
    pub direction: WilsonDirection,
    /// Range of q2 in which it acts; everywhere without.
    pub bin: Option<Bin>,
    /// The k of `charm_k`; 0 of all others.
    pub power: i32,
}

/// The q2 [GeV^2] in units of which charm loops are expanded.
const CHARM_SCALE: f64 = 6.0;

/// Highest k of `charm_k`.
const HIGHEST: i32 = 4;

impl From<WilsonDirection> for Shift {
    fn from(direction: WilsonDirection) -> Self {
        Self { leptons: Leptons::Muons, direction, bin: None, power: 0 }
    }
}

impl std::fmt::Display for Shift {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.power > 0 {
            write!(f, "charm_{}", self.power)?;
        } else {
            let end = if self.direction.part == Part::Imaginary { "_im" } else { "" };
            write!(f, "{}{}{end}", self.direction.coefficient, self.leptons.suffix())?;
        }
        self.bin.map_or(Ok(()), |bin| write!(f, "@{}:{}", bin.low, bin.high))
    }
}

impl FromStr for Shift {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (name, bin) = match text.trim().split_once('@') {
            Some((name, bin)) => (name, Some(bin.parse()?)),
            None => (text.trim(), None),
        };
        if let Some(power) = name.strip_prefix("charm_") {
            let known = power.parse().ok().filter(|power| (1..=HIGHEST).contains(power));
            let power =
                known.ok_or_else(|| format!("allowed: charm_1 to charm_{HIGHEST}; charm_0 is c9_u"))?;
            let direction = WilsonDirection::real(WilsonCoefficient::C9);
            return Ok(Self { leptons: Leptons::Universal, direction, bin, power });
        }
        let (stem, part) = match name.strip_suffix("_im") {
            Some(stem) => (stem, Part::Imaginary),
            None => (name, Part::Real),
        };
        let ends = [Leptons::Electrons, Leptons::Universal].map(|l| (l, stem.strip_suffix(l.suffix())));
        let (leptons, stem) = ends
            .into_iter()
            .find_map(|(leptons, stem)| Some((leptons, stem?)))
            .unwrap_or((Leptons::Muons, stem));
        let coefficient = stem.parse().map_err(|e: humboldt_physics::PhysicsError| e.to_string())?;
        Ok(Self { leptons, direction: WilsonDirection { coefficient, part }, bin, power: 0 })
    }
}

/// The shift of one coefficient that one lepton sees, which does not move.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FixedShift {
    /// The lepton.
    pub lepton: Lepton,
    /// The coefficient.
    pub coefficient: WilsonCoefficient,
    /// The shift.
    pub value: Complex64,
}

impl FromStr for FixedShift {
    type Err = String;

    /// As in `c10=0.5+0.1i`, or `c9_e=-1` of electrons.
    fn from_str(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("allowed: NAME=VALUE, as in c10=0.5+0.1i")?;
        let name = name.trim();
        let (lepton, coefficient) =
            name.strip_suffix("_e").map_or((Lepton::Muon, name), |name| (Lepton::Electron, name));
        let coefficient = coefficient.parse().map_err(|e: humboldt_physics::PhysicsError| e.to_string())?;
        let value: ComplexValue = value.parse().map_err(|e: Invalid| e.to_string())?;
        Ok(Self { lepton, coefficient, value: value.0 })
    }
}

impl FixedShift {
    /// Sets shifts of a theory.
    ///
    /// # Errors
    /// When a coefficient is shifted twice.
    pub fn apply(theory: &mut Theory, shifts: &[Self]) -> Result<(), Invalid> {
        for (i, Self { lepton, coefficient, value }) in shifts.iter().enumerate() {
            let same = |other: &Self| (other.lepton, other.coefficient) == (*lepton, *coefficient);
            let new = !shifts[..i].iter().any(same);
            Invalid::unless(new, coefficient.name(), ComplexValue(*value), "each coefficient once")?;
            let shifts = match lepton {
                Lepton::Electron => &mut theory.electron_shifts,
                Lepton::Muon => &mut theory.muon_shifts,
            };
            *shifts = shifts.with(*coefficient, *value);
        }
        Ok(())
    }
}

impl Shift {
    /// A shift for each range between rising ends of q2 (GeV^2); without those of ranges in which nothing was measured.
    pub fn in_ranges(self, ends: &[f64], data: &Data) -> Vec<Self> {
        let measured = |bin: &Bin| {
            let mut quantities = data.measurements().iter().map(|datum| &datum.quantity);
            quantities.any(|quantity| quantity.q2_min < bin.high && quantity.q2_max > bin.low)
        };
        let ranges = ends.windows(2).map(|w| Bin { low: w[0], high: w[1] });
        ranges.filter(measured).map(|bin| Self { bin: Some(bin), ..self }).collect()
    }

    /// Its factor in a bin: the share of the bin in which it acts, times its power of q2.
    pub(super) fn weight(&self, q2_min: f64, q2_max: f64) -> f64 {
        let share = self
            .bin
            .map_or(1.0, |bin| (q2_max.min(bin.high) - q2_min.max(bin.low)).max(0.0) / (q2_max - q2_min));
        share * (0.5 * (q2_min + q2_max) / CHARM_SCALE).powi(self.power)
    }

    /// Whether it acts alike in all bins.
    pub(super) fn everywhere(&self) -> bool {
        self.bin.is_none() && self.power == 0
    }

    /// Leptons and part: shifts that share them share their integrals.
    pub(super) const fn key(&self) -> (Leptons, WilsonDirection) {
        (self.leptons, self.direction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shifts_are_read_as_they_are_written() {
        for name in
            ["c9", "c9_e", "c9_u", "c9_im", "c9_u_im", "c9_prime", "c10_prime_e", "c9@1.1:6", "charm_2"]
        {
            assert_eq!(name.parse::<Shift>().unwrap().to_string(), name);
        }
        for (name, said) in
            [("c11", "c9"), ("charm_0", "c9_u"), ("c9@6:1", "MIN:MAX"), ("charm_x", "charm_1")]
        {
            let error = name.parse::<Shift>().unwrap_err();
            assert!(error.contains(said), "{name}: {error}");
        }
        let charm: Shift = "charm_2".parse().unwrap();
        assert!((charm.weight(2.0, 4.0) - 0.25).abs() < 1e-15);
        let one: Shift = "c9@1.1:6".parse().unwrap();
        assert!((one.weight(1.1, 2.5) - 1.0).abs() < 1e-15 && one.weight(15.0, 17.0).abs() < 1e-15);
    }
}
