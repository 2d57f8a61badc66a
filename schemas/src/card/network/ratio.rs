//! Networks that learn ratios of densities of measured events.

use super::NetworkCard;
use super::set::check_layers;
use crate::error::Invalid;

/// Networks over measured events with every number filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RatioNetworks {
    /// Neurons of the layers that each event passes.
    pub layers: Vec<usize>,
    /// Networks that are averaged.
    pub members: usize,
}

impl RatioNetworks {
    /// Networks of a card.
    pub(super) fn of(card: &NetworkCard) -> Self {
        Self {
            layers: card.layers.clone().unwrap_or_else(|| vec![64; 3]),
            members: card.members.unwrap_or(1),
        }
    }

    /// Refuses numbers outside their ranges, and variables of which none or one twice is named.
    pub(super) fn validate(&self, variables: Option<&[String]>) -> Result<(), Invalid> {
        Invalid::unless((1..=64).contains(&self.members), "network.members", self.members, "1 to 64")?;
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
