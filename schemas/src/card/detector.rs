//! `[detector]`: what stands between the decay and what is measured of it.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::strict;
use crate::error::{Invalid, SchemaError};

/// Detectors that come with the program, with their cards.
const BUILT_IN: [(&str, &str); 2] =
    [("lhcb", include_str!("detectors/lhcb.toml")), ("belle2", include_str!("detectors/belle2.toml"))];

/// A detector by its momentum spectrum of B mesons, resolutions, acceptance and efficiencies; what is left out is that of `base`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DetectorCard {
    /// `lhcb` or `belle2`: the detector whose numbers hold where none are given; `lhcb` where this is left out too.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// B mesons of e+ e- collisions at the Upsilon(4S); not together with `forward`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub beams: Option<Beams>,
    /// B mesons of proton collisions; not together with `beams`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forward: Option<Forward>,
    /// Resolution of momenta.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub momentum: Option<MomentumResolution>,
    /// Resolution of directions (rad) along either axis across the track: a constant, and a number that is divided by the
    /// momentum (GeV); they add in quadrature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub direction: Option<[f64; 2]>,
    /// Tracks that are seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracks: Option<Tracks>,
    /// Efficiencies for tracks that are seen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub efficiency: Option<Efficiencies>,
    /// Part of the events in which kaon and pion are taken for each other.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub swap: Option<f64>,
    /// Wrong candidates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wrong: Option<WrongCandidates>,
    /// Cuts on what is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selection: Option<Selection>,
}

/// Beams at the Upsilon(4S), whose energies set the boost; the z axis halves the angle between them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Beams {
    /// Energy of the electrons (GeV).
    pub electron: f64,
    /// Energy of the positrons (GeV).
    pub positron: f64,
    /// Angle at which the beams cross (rad).
    pub crossing: f64,
}

/// B mesons of proton collisions: `dN/dpt` as `pt (1 + pt^2/pt_0^2)^-3`, rapidities falling linearly.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Forward {
    /// `pt_0` (GeV); the mean transverse momentum is pi/4 of it.
    pub pt: f64,
    /// Range of the rapidity.
    pub rapidity: [f64; 2],
    /// Part by which the density falls from the lower to the upper end of the range.
    pub fall: f64,
}

/// Relative resolution between points, with straight lines, and constant beyond them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MomentumResolution {
    /// Whether it depends on the transverse momentum.
    pub transverse: bool,
    /// Momentum (GeV), in rising order, and the relative resolution there.
    pub points: Vec<[f64; 2]>,
}

/// Tracks that are seen.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Tracks {
    /// Range of the polar angle (rad).
    pub theta: [f64; 2],
    /// Largest absolute px/pz and py/pz.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slopes: Option<[f64; 2]>,
    /// Least momentum and transverse momentum (GeV) of kaon and pion.
    pub hadron: [f64; 2],
    /// Least momentum and transverse momentum (GeV) of either lepton.
    pub lepton: [f64; 2],
}

/// Efficiencies of a track that is seen, and of its identification.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the names are those of the particles")]
pub struct Efficiencies {
    /// To reconstruct any of the four tracks.
    pub track: f64,
    pub kaon: f64,
    pub pion: f64,
    pub lepton: f64,
}

/// Candidates whose pion is another than the decay's, near it: its momentum and direction are off by Gaussian numbers.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrongCandidates {
    /// Part of the events.
    pub fraction: f64,
    /// Spread of the logarithm of the momentum.
    pub momentum: f64,
    /// Spread of the direction along either axis across the track (rad).
    pub direction: f64,
}

/// Cuts on what is measured.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Selection {
    /// Range of the K pi mass (GeV).
    pub m_kpi: [f64; 2],
    /// Range of the mass of all four (GeV).
    pub m_b: [f64; 2],
}

impl DetectorCard {
    /// A detector that comes with the program, or one of a file.
    ///
    /// # Errors
    /// As [`super::RunCard::read`]; for a name that is neither.
    pub fn named(name: &str) -> Result<Self, SchemaError> {
        if BUILT_IN.iter().any(|(known, _)| *known == name) {
            return Ok(Self { base: Some(name.to_owned()), ..Self::default() });
        }
        if !Path::new(name).exists() && !name.contains(['.', '/']) {
            let allowed = format!("{}, or a file of such a card", Self::names());
            return Err(Invalid::new("detector", format!("`{name}`"), allowed).into());
        }
        strict::read(Path::new(name), |card: &Self| card.check(""))
    }

    fn names() -> String {
        BUILT_IN.map(|(name, _)| name).join(", ")
    }

    /// All numbers, those left out taken from the base.
    ///
    /// # Errors
    /// For an unknown base.
    pub fn filled(&self) -> Result<Self, Invalid> {
        let name = self.base.as_deref().unwrap_or(BUILT_IN[0].0);
        let unknown = || Invalid::new("detector.base", format!("`{name}`"), Self::names());
        let text = BUILT_IN.iter().find(|(known, _)| *known == name).ok_or_else(unknown)?.1;
        let base: Self = toml::from_str(text).map_err(|e| Invalid::new("detector.base", e, "a card"))?;
        let own = self.clone();
        let spectrum = own.beams.is_some() || own.forward.is_some();
        Ok(Self {
            base: Some(name.to_owned()),
            beams: if spectrum { own.beams } else { base.beams },
            forward: if spectrum { own.forward } else { base.forward },
            momentum: own.momentum.or(base.momentum),
            direction: own.direction.or(base.direction),
            tracks: own.tracks.or(base.tracks),
            efficiency: own.efficiency.or(base.efficiency),
            swap: own.swap.or(base.swap),
            wrong: own.wrong.or(base.wrong),
            selection: own.selection.or(base.selection),
        })
    }

    pub(super) fn validate(&self) -> Result<(), Invalid> {
        self.check("detector.")
    }

    /// Checks every value against its range; `table` stands before the names of fields.
    fn check(&self, table: &str) -> Result<(), Invalid> {
        self.filled()?;
        let within = |field: &str, x: f64, [low, high]: [f64; 2]| {
            let allowed = format!("{low} to {high}");
            Invalid::unless((low..=high).contains(&x), &format!("{table}{field}"), x, allowed)
        };
        let rising = |field: &str, [low, high]: [f64; 2], [least, most]: [f64; 2]| {
            let allowed = format!("two numbers in rising order between {least} and {most}");
            let fine = least <= low && low < high && high <= most;
            Invalid::unless(fine, &format!("{table}{field}"), format!("[{low}, {high}]"), allowed)
        };
        let spectra = usize::from(self.beams.is_some()) + usize::from(self.forward.is_some());
        Invalid::unless(spectra < 2, &format!("{table}forward"), "given beside beams", "one of the two")?;
        if let Some(beams) = self.beams {
            within("beams.electron", beams.electron, [0.1, 100.0])?;
            within("beams.positron", beams.positron, [0.1, 100.0])?;
            within("beams.crossing", beams.crossing, [0.0, 0.5])?;
            let energy = 2.0 * (beams.electron * beams.positron).sqrt() * (0.5 * beams.crossing).cos();
            let allowed =
                "10.57 to 10.65, of energies at the Upsilon(4S), 2 sqrt(E E') cos(crossing/2) in GeV";
            Invalid::unless((10.57..=10.65).contains(&energy), &format!("{table}beams"), energy, allowed)?;
        }
        if let Some(forward) = self.forward {
            within("forward.pt", forward.pt, [0.1, 100.0])?;
            rising("forward.rapidity", forward.rapidity, [-8.0, 8.0])?;
            within("forward.fall", forward.fall, [0.0, 1.0])?;
        }
        if let Some(momentum) = &self.momentum {
            let field = format!("{table}momentum.points");
            let points = &momentum.points;
            let sorted = points.windows(2).all(|pair| pair[0][0] < pair[1][0]);
            let fine = points.iter().all(|[p, sigma]| *p > 0.0 && (0.0..=0.5).contains(sigma));
            let allowed =
                "at least one pair of a positive momentum, in rising order, and a resolution of 0 to 0.5";
            Invalid::unless(sorted && fine && !points.is_empty(), &field, format!("{points:?}"), allowed)?;
        }
        if let Some([constant, over_p]) = self.direction {
            within("direction", constant, [0.0, 0.1])?;
            within("direction", over_p, [0.0, 0.1])?;
        }
        if let Some(tracks) = &self.tracks {
            rising("tracks.theta", tracks.theta, [0.0, std::f64::consts::PI])?;
            for x in tracks.slopes.iter().flatten() {
                within("tracks.slopes", *x, [1e-3, 1e3])?;
            }
            for (field, [p, pt]) in [("tracks.hadron", tracks.hadron), ("tracks.lepton", tracks.lepton)] {
                within(field, p, [0.0, 100.0])?;
                within(field, pt, [0.0, 100.0])?;
            }
        }
        if let Some(efficiency) = &self.efficiency {
            let Efficiencies { track, kaon, pion, lepton } = *efficiency;
            for (name, x) in [("track", track), ("kaon", kaon), ("pion", pion), ("lepton", lepton)] {
                within(&format!("efficiency.{name}"), x, [0.01, 1.0])?;
            }
        }
        within("swap", self.swap.unwrap_or_default(), [0.0, 1.0])?;
        if let Some(wrong) = &self.wrong {
            within("wrong.fraction", wrong.fraction, [0.0, 1.0])?;
            within("wrong.momentum", wrong.momentum, [0.0, 2.0])?;
            within("wrong.direction", wrong.direction, [0.0, 2.0])?;
        }
        if let Some(selection) = &self.selection {
            rising("selection.m_kpi", selection.m_kpi, [0.0, 5.0])?;
            rising("selection.m_b", selection.m_b, [0.0, 10.0])?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_detectors_say_all_numbers_and_pass_their_own_checks() {
        for (name, text) in BUILT_IN {
            let card = DetectorCard::named(name).unwrap().filled().unwrap();
            assert!(card.beams.is_some() != card.forward.is_some(), "{name}");
            let own = strict::checked(text, name, |card: &DetectorCard| card.check("")).unwrap();
            assert_eq!(DetectorCard { base: Some(name.to_owned()), ..own }, card);
            assert!(card.momentum.is_some() && card.direction.is_some() && card.tracks.is_some());
            assert!(card.efficiency.is_some() && card.swap.is_some() && card.wrong.is_some());
            assert!(card.selection.is_some());
        }
    }

    #[test]
    fn own_numbers_take_the_place_of_the_base() {
        let own: DetectorCard = toml::from_str(
            "base = \"belle2\"\nswap = 0.1\nforward = { pt = 5.0, rapidity = [2.0, 4.0], fall = 0.5 }",
        )
        .unwrap();
        let filled = own.filled().unwrap();
        assert_eq!((filled.swap, filled.beams), (Some(0.1), None));
        assert_eq!(filled.direction, DetectorCard::named("belle2").unwrap().filled().unwrap().direction);
    }

    #[test]
    fn wrong_numbers_are_named() {
        for (text, words) in [
            ("swap = 1.5", "swap = 1.5 is not allowed; allowed: 0 to 1"),
            ("base = \"atlas\"", "detector.base = `atlas` is not allowed; allowed: lhcb, belle2"),
            ("selection = { m_kpi = [1.0, 0.9], m_b = [5.0, 5.5] }", "selection.m_kpi = [1, 0.9]"),
            ("momentum = { transverse = false, points = [[5.0, 0.1], [4.0, 0.1]] }", "momentum.points"),
            ("beams = { electron = 7.0, positron = 7.0, crossing = 0.0 }", "beams = 14"),
            ("efficiency = { track = 0.9, kaon = 0.0, pion = 1.0, lepton = 1.0 }", "efficiency.kaon = 0"),
            ("sawp = 0.1", "unknown key `sawp` (did you mean `swap`?)"),
        ] {
            let error = strict::checked(text, "card.toml", |card: &DetectorCard| card.check("")).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        let error = DetectorCard::named("babar").unwrap_err().to_string();
        assert!(
            error.contains("detector = `babar` is not allowed; allowed: lhcb, belle2, or a file"),
            "{error}"
        );
    }
}
