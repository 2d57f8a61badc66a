//! The cards that come with the program: the study's experiments by their section, and what goes beyond them.

use humboldt_schemas::SchemaError;
use humboldt_schemas::experiment::ExperimentCard;

/// A card by its name.
type BuiltIn = (&'static str, &'static str);

/// Networks from observables to parameters: `humboldt global nn`.
pub const NN: [BuiltIn; 5] = [
    ("4.1.1", include_str!("../../../cards/global/nn-4.1.1.toml")),
    ("4.1.2", include_str!("../../../cards/global/nn-4.1.2.toml")),
    ("posterior", include_str!("../../../cards/global/posterior.toml")),
    ("nn-default", include_str!("../../../cards/global/nn-default.toml")),
    ("posterior-default", include_str!("../../../cards/global/posterior-default.toml")),
];

/// Generative networks: `humboldt global gan`.
pub const GAN: [BuiltIn; 6] = [
    ("4.2.2", include_str!("../../../cards/global/gan-4.2.2.toml")),
    ("4.2.3", include_str!("../../../cards/global/gan-4.2.3.toml")),
    ("4.2.4", include_str!("../../../cards/global/gan-4.2.4.toml")),
    ("4.2.5", include_str!("../../../cards/global/gan-4.2.5.toml")),
    ("flow", include_str!("../../../cards/global/flow.toml")),
    ("gan-default", include_str!("../../../cards/global/gan-default.toml")),
];

/// The names of some cards.
pub fn names(cards: &[BuiltIn]) -> Vec<&'static str> {
    cards.iter().map(|(name, _)| *name).collect()
}

/// A card of a list; `None` where it has no such name.
///
/// # Errors
/// When a card is broken, which is a bug.
pub fn card(cards: &[BuiltIn], name: &str) -> Result<Option<ExperimentCard>, SchemaError> {
    let found = cards.iter().find(|(known, _)| *known == name);
    found.map(|(name, text)| ExperimentCard::parse(text, &format!("experiment {name}"))).transpose()
}

#[cfg(test)]
mod tests {
    use humboldt_schemas::experiment::Method;

    use super::*;

    #[test]
    fn every_card_is_right_and_in_its_list() {
        for (name, _) in NN {
            let card = card(&NN, name).unwrap().unwrap();
            assert!(matches!(card.method().unwrap(), Method::Regression(_) | Method::Posterior(_)), "{name}");
        }
        for (name, _) in GAN {
            let card = card(&GAN, name).unwrap().unwrap();
            assert!(matches!(card.method().unwrap(), Method::Gan(_) | Method::Flow(_)), "{name}");
        }
        assert!(card(&NN, "4.2.2").unwrap().is_none());
    }
}
