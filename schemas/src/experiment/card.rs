//! The card of an experiment: what is compared, which points are learned, and one method.

use std::path::Path;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::methods::{FlowCard, GanCard, PosteriorCard, RegressionCard, within};
use crate::card::{hash_json, strict};
use crate::error::{Invalid, SchemaError};

/// An experiment with a network on a global fit. Every field has a default; exactly one of `regression`, `gan`,
/// `posterior` and `flow` is given.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExperimentCard {
    /// A name for tables.
    pub name: String,
    /// Every random number follows from it.
    pub seed: u64,
    /// Data and model that are compared.
    pub comparison: ComparisonCard,
    /// Points of parameter space.
    pub points: PointsCard,
    /// Numbers that the study reports, to stand beside.
    pub study: StudyCard,
    /// A network that gives parameters of observables.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regression: Option<RegressionCard>,
    /// A generative adversarial network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gan: Option<GanCard>,
    /// A network that gives the posterior density of the shifts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub posterior: Option<PosteriorCard>,
    /// A conditional flow that samples fits near the minimum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flow: Option<FlowCard>,
}

/// The method of a card.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method<'a> {
    /// A network that gives parameters of observables.
    Regression(&'a RegressionCard),
    /// A generative adversarial network.
    Gan(&'a GanCard),
    /// A network that gives the posterior density of the shifts.
    Posterior(&'a PosteriorCard),
    /// A conditional flow that samples fits near the minimum.
    Flow(&'a FlowCard),
}

/// Data, model and errors of chi-square.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ComparisonCard {
    /// Sets of measurements by name, or files.
    pub data: Vec<String>,
    /// The amplitude model.
    pub model: String,
    /// Whether theory errors are added, those at delta C9 = -1.
    pub theory_errors: bool,
    /// Draws of all inputs behind the theory errors.
    pub draws: u32,
    /// Whether correlations count: the measured ones, and with theory errors those of theory.
    pub correlations: bool,
}

impl Default for ComparisonCard {
    fn default() -> Self {
        Self {
            data: vec!["lhcb-2021".to_owned()],
            model: "full".to_owned(),
            theory_errors: true,
            draws: 2000,
            correlations: false,
        }
    }
}

/// Choice of the points of a training set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Arrangement {
    /// Evenly spaced values of each shift, all combinations.
    Grid,
    /// Random values of each shift, all combinations.
    #[default]
    Product,
    /// Random pairs.
    Uniform,
}

/// Points of parameter space: shifts, and coefficients of polynomials.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct PointsCard {
    /// Range of the shift of C9; of a posterior and a flow the flat prior.
    pub c9: [f64; 2],
    /// Range of the shift of C10.
    pub c10: [f64; 2],
    /// Choice of the points.
    pub arrangement: Arrangement,
    /// Values of each shift; random pairs are as many as their product.
    pub counts: [usize; 2],
    /// `none`, `independent` or `shared`: polynomials that are added to observables.
    pub polynomials: String,
    /// Sets of coefficients for each pair.
    pub polynomial_sets: usize,
    /// Half the width of the flat range of a0, a1, a2, around 0.
    pub polynomial_ranges: [f64; 3],
}

impl Default for PointsCard {
    fn default() -> Self {
        Self {
            c9: [-2.0, 0.0],
            c10: [-1.0, 1.0],
            arrangement: Arrangement::default(),
            counts: [50, 50],
            polynomials: "none".to_owned(),
            polynomial_sets: 1,
            polynomial_ranges: [0.01, 1e-4, 1e-5],
        }
    }
}

/// A point and its chi-square as the study prints them.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StudyPoint {
    /// Shift of C9.
    pub c9: f64,
    /// Shift of C10.
    pub c10: f64,
    /// Chi-square.
    pub chi2: f64,
}

/// Numbers of an experiment that the study reports.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StudyCard {
    /// The lowest chi-square of the training set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_in_training: Option<StudyPoint>,
    /// Answer of the network for the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prediction: Option<StudyPoint>,
    /// The lowest chi-square of the generated samples.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub best_generated: Option<StudyPoint>,
}

impl ExperimentCard {
    /// Reads and checks a card.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML, has an unknown key, or a value outside its range; the error
    /// names file, line, field, value and what is allowed.
    pub fn read(path: &Path) -> Result<Self, SchemaError> {
        strict::read(path, Self::validate)
    }

    /// Parses and checks a card; `file` is its name in error messages.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(text: &str, file: &str) -> Result<Self, SchemaError> {
        strict::checked(text, file, Self::validate)
    }

    /// The one method that the card gives.
    ///
    /// # Errors
    /// When it gives none, or several.
    pub fn method(&self) -> Result<Method<'_>, Invalid> {
        let given: Vec<(&str, Method)> = [
            self.regression.as_ref().map(|card| ("regression", Method::Regression(card))),
            self.gan.as_ref().map(|card| ("gan", Method::Gan(card))),
            self.posterior.as_ref().map(|card| ("posterior", Method::Posterior(card))),
            self.flow.as_ref().map(|card| ("flow", Method::Flow(card))),
        ]
        .into_iter()
        .flatten()
        .collect();
        let allowed = "exactly one of regression, gan, posterior, flow";
        match given[..] {
            [(_, method)] => Ok(method),
            [] => Err(Invalid::new("method", "none", allowed)),
            [_, (second, _), ..] => Err(Invalid::new(second, "a second method", allowed)),
        }
    }

    /// Checks every value against its range.
    ///
    /// # Errors
    /// The first field outside its range.
    pub fn validate(&self) -> Result<(), Invalid> {
        self.comparison.validate()?;
        self.points.validate()?;
        match self.method()? {
            Method::Regression(card) => {
                card.validate()?;
                // At least one of each.
                let (points, shares) = (self.points.total(), card.validation);
                let held_out = (points as f64 * shares).round() as usize;
                let got = format!("{shares} of {points} points");
                let allowed = "a share that leaves points for training and for validation";
                Invalid::unless((1..points).contains(&held_out), "regression.validation", got, allowed)
            }
            Method::Gan(card) => {
                card.validate()?;
                let pixels = card.architecture == super::GanArchitecture::Convolutional;
                let fits = !pixels || (self.points.polynomials == "independent" && card.chi2);
                let allowed = "dense, or independent polynomials and chi2 = true: 64 values, 8 x 8";
                Invalid::unless(fits, "gan.architecture", "convolutional", allowed)?;
                let batch = format!("1 to the {} points", self.points.total());
                Invalid::unless(
                    card.batch_size <= self.points.total(),
                    "gan.batch_size",
                    card.batch_size,
                    batch,
                )
            }
            Method::Posterior(card) => {
                card.validate()?;
                self.without_polynomials("posterior")
            }
            Method::Flow(card) => {
                card.validate()?;
                self.without_polynomials("flow")
            }
        }
    }

    fn without_polynomials(&self, method: &str) -> Result<(), Invalid> {
        let none = self.points.polynomials == "none";
        Invalid::unless(none, "points.polynomials", &self.points.polynomials, format!("none with [{method}]"))
    }

    /// The card as TOML, every default written out.
    ///
    /// # Errors
    /// When a value has no TOML form (an integer above 2^63).
    pub fn to_toml(&self) -> Result<String, Invalid> {
        toml::to_string_pretty(self).map_err(|e| Invalid::new("card", e, "values that TOML can hold"))
    }

    /// BLAKE3 hash of the whole card with its defaults, 64 hexadecimal digits.
    pub fn hash(&self) -> String {
        hash_json(self)
    }
}

impl ComparisonCard {
    fn validate(&self) -> Result<(), Invalid> {
        let names = "names of sets or files, at least one";
        Invalid::unless(!self.data.is_empty(), "comparison.data", "[]", names)?;
        within("comparison.draws", self.draws as usize, 2, 10_000_000)
    }
}

/// Points of a training set, at most.
const MOST_POINTS: usize = 10_000_000;

impl PointsCard {
    /// Points in all.
    pub fn total(&self) -> usize {
        self.counts.iter().product::<usize>() * self.polynomial_sets
    }

    fn validate(&self) -> Result<(), Invalid> {
        for (field, range) in [("points.c9", self.c9), ("points.c10", self.c10)] {
            let sensible = range.iter().all(|x| x.is_finite() && x.abs() <= 100.0) && range[0] < range[1];
            let allowed = "[low, high], low < high, both within -100 to 100";
            Invalid::unless(sensible, field, format!("{range:?}"), allowed)?;
        }
        for count in self.counts {
            within("points.counts", count, 1, MOST_POINTS)?;
        }
        within("points.polynomial_sets", self.polynomial_sets, 1, MOST_POINTS)?;
        let mut factors = self.counts.iter().copied().chain([self.polynomial_sets]);
        let total = factors.try_fold(1_usize, usize::checked_mul).filter(|total| *total <= MOST_POINTS);
        let got = format!("{:?} x {} sets", self.counts, self.polynomial_sets);
        let allowed = format!("at most {MOST_POINTS} points in all");
        Invalid::unless(total.is_some(), "points.counts", got, allowed)?;
        let known = ["none", "independent", "shared"].contains(&self.polynomials.as_str());
        Invalid::unless(
            known,
            "points.polynomials",
            format!("`{}`", self.polynomials),
            "none, independent, shared",
        )?;
        let sets = self.polynomials != "none" || self.polynomial_sets == 1;
        Invalid::unless(sets, "points.polynomial_sets", self.polynomial_sets, "1 without polynomials")?;
        let positive = self.polynomial_ranges.iter().all(|x| x.is_finite() && *x >= 0.0);
        let got = format!("{:?}", self.polynomial_ranges);
        Invalid::unless(positive, "points.polynomial_ranges", got, "three finite numbers, 0 or more")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CARD: &str = "seed = 3\n[comparison]\ntheory_errors = false\n[points]\ncounts = [5, 4]\n[regression]\nhidden = [2]\n";

    #[test]
    fn a_card_round_trips_with_its_defaults() {
        let card = ExperimentCard::parse(CARD, "card.toml").unwrap();
        assert_eq!(card.points.total(), 20);
        assert!(matches!(card.method(), Ok(Method::Regression(_))));
        let again = ExperimentCard::parse(&card.to_toml().unwrap(), "again.toml").unwrap();
        assert_eq!(card, again);
        assert_eq!(card.hash(), again.hash());
    }

    #[test]
    fn wrong_cards_name_line_field_value_and_range() {
        for (from, to, expected) in [
            ("hidden", "hiden", "card.toml:7: unknown key `regression.hiden` (did you mean `hidden`?)"),
            ("counts", "count", "card.toml:5: unknown key `points.count` (did you mean `counts`?)"),
            ("[5, 4]", "[5, 0]", "card.toml:5: points.counts = 0 is not allowed; allowed: 1 to"),
            ("[5, 4]", "[1, 1]", "card.toml:6: regression.validation = 0.1 of 1 points is not allowed"),
            ("[2]", "[0]", "card.toml:7: regression.hidden = 0 is not allowed; allowed: 1 to"),
            ("[regression]\nhidden = [2]\n", "", "card.toml:1: method = none is not allowed"),
            ("[regression]", "[gan]\n[regression]", "card.toml:6: gan = a second method is not allowed"),
            (
                "counts = [5, 4]",
                "polynomials = \"all\"",
                "card.toml:5: points.polynomials = `all` is not allowed",
            ),
            ("counts = [5, 4]", "c9 = [1.0, 0.0]", "card.toml:5: points.c9 = [1.0, 0.0] is not allowed"),
        ] {
            let text = CARD.replacen(from, to, 1);
            assert_ne!(text, CARD, "{from}");
            let error = ExperimentCard::parse(&text, "card.toml").unwrap_err().to_string();
            assert!(error.starts_with(expected), "{error} does not start with {expected}");
        }
    }
}
