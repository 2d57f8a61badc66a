//! Networks that learn ratios of densities of measured events.

use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::NetworkCard;
use super::set::check_layers;
use crate::error::Invalid;

/// A group of nuisance parameters of the density of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Nuisance {
    /// The coefficients of the form factors, with their covariance.
    FormFactors,
    /// Polynomials in q2 added to the amplitudes `A_0`, `H_+` and `H_-`, of the size that flavio assumes for what no
    /// calculation of the charm loop gives; see [`humboldt_physics::subleading`].
    Charm,
}

impl Nuisance {
    /// Name and group.
    pub const ALL: [(&'static str, Self); 2] = [("form-factors", Self::FormFactors), ("charm", Self::Charm)];

    /// Names of some groups, in the order of [`Nuisance::ALL`].
    pub fn names(groups: &[Self]) -> Vec<String> {
        let own = Self::ALL.iter().filter(|(_, group)| groups.contains(group));
        own.map(|(name, _)| (*name).to_owned()).collect()
    }
}

impl FromStr for Nuisance {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        let known = Self::ALL.iter().find(|(name, _)| *name == text).map(|(_, nuisance)| *nuisance);
        known.ok_or_else(|| Invalid::new("nuisances", text, Self::ALL.map(|(name, _)| name).join(", ")))
    }
}

/// Networks over measured events with every number filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatioNetworks {
    /// Neurons of the layers that each event passes.
    pub layers: Vec<usize>,
    /// Networks that are averaged.
    pub members: usize,
    /// Groups of nuisance parameters whose effects are learned too.
    pub nuisances: Vec<Nuisance>,
}

impl RatioNetworks {
    /// Networks of a card.
    pub(super) fn of(card: &NetworkCard) -> Self {
        Self {
            layers: card.layers.clone().unwrap_or_else(|| vec![64; 3]),
            members: card.members.unwrap_or(1),
            nuisances: card.nuisances.clone(),
        }
    }

    /// Refuses numbers outside their ranges, and variables of which none or one twice is named.
    pub(super) fn validate(&self, variables: Option<&[String]>) -> Result<(), Invalid> {
        Invalid::unless((1..=64).contains(&self.members), "network.members", self.members, "1 to 64")?;
        let twice = Nuisance::ALL
            .iter()
            .find(|(_, group)| self.nuisances.iter().filter(|own| *own == group).count() > 1);
        let got = twice.map_or("", |(name, _)| name);
        Invalid::unless(twice.is_none(), "network.nuisances", format!("{got} twice"), "each once")?;
        if let Some(variables) = variables {
            let twice = variables.iter().enumerate().find(|(i, name)| variables[..*i].contains(name));
            let got = twice.map_or_else(|| format!("{variables:?}"), |(_, name)| format!("`{name}` twice"));
            let sound = twice.is_none()
                && (1..=64).contains(&variables.len())
                && variables.iter().all(|v| !v.is_empty());
            Invalid::unless(sound, "network.variables", got, "1 to 64 names, each once")?;
        }
        check_layers(&self.layers)
    }
}
