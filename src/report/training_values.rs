//! Values of a coefficient that a network was trained at, and how the ensembles at them and beside them look.

use humboldt_schemas::results::EnsembleResult;

use super::panel::Marker;
use super::style::{BLUE, Colour, VERMILION};
use super::ticks::short;

/// Values of a coefficient that a network was trained at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum TrainingValues {
    /// The values of a list: those of the ensembles that are marked as trained.
    Listed,
    /// All values between two ends, each as often as any other.
    Uniform([f64; 2]),
}

/// Ensembles of one kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kind {
    pub(super) trained: bool,
    pub(super) marker: Marker,
    pub(super) colour: Colour,
    /// As in `values in between`.
    pub(super) words: String,
}

impl TrainingValues {
    /// The kinds that there are among ensembles.
    pub(super) fn kinds(self, ensembles: &[EnsembleResult]) -> Vec<Kind> {
        [true, false]
            .into_iter()
            .filter(|trained| ensembles.iter().any(|e| e.trained == *trained))
            .map(|trained| {
                let (marker, colour) = look(trained);
                Kind { trained, marker, colour, words: self.words(trained, ensembles) }
            })
            .collect()
    }

    fn words(self, trained: bool, ensembles: &[EnsembleResult]) -> String {
        match (self, trained) {
            (Self::Listed, true) => "values trained on".to_owned(),
            (Self::Listed, false) => {
                let marked =
                    |trained| ensembles.iter().filter(move |e| e.trained == trained).map(|e| e.truth);
                let inside = |x: f64| marked(true).any(|y| y < x) && marked(true).any(|y| y > x);
                if marked(false).all(inside) { "values in between" } else { "values not trained on" }
                    .to_owned()
            }
            (Self::Uniform([low, high]), true) => {
                format!("inside the training’s range, {} to {}", short(low, 3), short(high, 3))
            }
            (Self::Uniform(_), false) => "outside the training’s range".to_owned(),
        }
    }
}

/// Marker and colour of an ensemble.
pub(super) fn look(trained: bool) -> (Marker, Colour) {
    if trained { (Marker::Disc, BLUE) } else { (Marker::OpenDiamond, VERMILION) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checks;

    #[test]
    fn issue_13_a_uniform_prior_has_no_values_in_between() {
        let (mut ensembles, _) = checks::ensembles(5);
        let words = |training: TrainingValues, ensembles: &[EnsembleResult]| -> Vec<String> {
            training.kinds(ensembles).into_iter().map(|kind| kind.words).collect()
        };
        assert_eq!(words(TrainingValues::Listed, &ensembles), ["values trained on", "values in between"]);
        // The last one is trained on; without it the one before it lies beyond all that are.
        assert_eq!(
            words(TrainingValues::Listed, &ensembles[..4]),
            ["values trained on", "values not trained on"]
        );
        for e in &mut ensembles {
            e.trained = true;
        }
        let uniform = TrainingValues::Uniform([-2.1, 1.0]);
        assert_eq!(words(uniform, &ensembles), ["inside the training’s range, −2.1 to 1"]);
    }
}
