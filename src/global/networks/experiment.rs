//! From a card to a result: the training set, the network, what it gives for the data, beside the study and the exact answer.

use std::str::FromStr;

use humboldt_physics::{ModelName, Parameters, Theory, WilsonCoefficient, WilsonDirection};
use humboldt_schemas::Invalid;
use humboldt_schemas::experiment::{
    ComparedPoint, CurveLine, CurvePanel, ExperimentCard, ExperimentResult, Figures, NumberRow, PointRow,
    RegressionCard, SpreadRow, Statistics, StudyPoint,
};
use statrs::statistics::Statistics as _;

use super::Watch;
use super::dataset::{Dataset, measured};
use super::regression::Regression;
use crate::global::GlobalError;
use crate::global::data::Data;
use crate::global::fit::minimum;
use crate::global::polynomials::{Polynomials, Sharing};
use crate::global::selection::Selection;
use crate::global::statistic::{ChiSquare, Errors, TheoryErrors};
use crate::learn::Compute;

/// Values of a distribution that a figure keeps.
const SHOWN: usize = 20_000;

/// A result and the vectors that were generated, by column.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Tables and figures.
    pub result: ExperimentResult,
    /// Names and values; empty where nothing is generated.
    pub samples: Vec<(String, Vec<f64>)>,
}

/// A card and the chi-square that it describes.
#[derive(Debug)]
pub struct Experiment<'a> {
    /// The card.
    pub card: &'a ExperimentCard,
    /// Chi-square of C9, C10 and, where there are polynomials, three coefficients for each observable.
    pub statistic: ChiSquare,
    /// The lowest chi-square of all parameters that the data can tell.
    exact: PointRow,
}

impl<'a> Experiment<'a> {
    /// Reads the data and takes the errors.
    ///
    /// # Errors
    /// When data, model or polynomials are refused, or a prediction cannot be made.
    pub fn new(card: &'a ExperimentCard) -> Result<Self, GlobalError> {
        let comparison = &card.comparison;
        let data = Data::named(&comparison.data, "comparison.data", &Selection::default())?;
        let model = ModelName::from_str(&comparison.model).map_err(|_| {
            let allowed = ModelName::ALL.map(ModelName::name).join(", ");
            Invalid::new("comparison.model", format!("`{}`", comparison.model), allowed)
        })?;
        let theory = Theory::new(model, Parameters::standard());
        let draws = if comparison.theory_errors {
            TheoryErrors::Draws(comparison.draws, card.seed)
        } else {
            TheoryErrors::None
        };
        let errors = Errors::of(&theory, &data, draws, comparison.correlations)?;
        let directions = [WilsonCoefficient::C9, WilsonCoefficient::C10].map(WilsonDirection::real);
        let sharing = Sharing::from_str(&card.points.polynomials).ok();
        let told =
            sharing.map_or_else(Polynomials::default, |sharing| Polynomials::determined(sharing, &data));
        let parameters = 2 + told.coefficients().len();
        let got = format!("{} with {parameters} free parameters", card.points.polynomials);
        let allowed = format!("fewer parameters than the {} measurements", data.len());
        Invalid::unless(parameters < data.len(), "points.polynomials", got, allowed)?;
        let all = match sharing {
            Some(_) => Polynomials::new(Sharing::Independent, &data),
            None => Polynomials::default(),
        };
        let exact = ChiSquare::new(&theory, data.clone(), &directions, told, &errors)?;
        let exact = row("exact minimum", &exact, &minimum(&exact)?.values, None)?;
        let statistic = ChiSquare::new(&theory, data, &directions, all, &errors)?;
        Ok(Self { card, statistic, exact })
    }

    /// The training set.
    pub(super) fn dataset(&self) -> Result<Dataset, GlobalError> {
        Dataset::draw(&self.card.points, &self.statistic, self.card.seed)
    }

    /// A result with the exact minimum as its last point.
    pub(super) fn result(
        &self,
        mut points: Vec<PointRow>,
        spreads: Vec<SpreadRow>,
        numbers: Vec<NumberRow>,
        figures: Figures,
    ) -> ExperimentResult {
        points.push(self.exact.clone());
        let (name, card) = (self.card.name.clone(), self.card.hash());
        ExperimentResult { name, card, points, spreads, numbers, figures }
    }

    /// The exact minimum.
    pub(super) fn exact(&self) -> &PointRow {
        &self.exact
    }

    /// A row of the table of points.
    pub(super) fn row(
        &self,
        what: &str,
        values: &[f64],
        study: Option<StudyPoint>,
    ) -> Result<PointRow, GlobalError> {
        row(what, &self.statistic, values, study)
    }

    /// The Standard Model and another point with all their predictions.
    pub(super) fn compared(&self, name: &str, values: &[f64]) -> Result<Vec<ComparedPoint>, GlobalError> {
        let point = |name: &str, values: &[f64]| -> Result<ComparedPoint, GlobalError> {
            Ok(ComparedPoint { name: name.to_owned(), contributions: self.statistic.compared(values)? })
        };
        Ok(vec![point("Standard Model", &vec![0.0; values.len()])?, point(name, values)?])
    }

    pub(super) fn regression(
        &self,
        card: &RegressionCard,
        compute: &Compute,
        watch: Watch,
    ) -> Result<Outcome, GlobalError> {
        let set = self.dataset()?;
        let network = Regression::train(card, &set, self.card.seed, compute, watch)?;
        let found = network.predict(&measured(&self.statistic));
        let study = &self.card.study;
        let points = vec![
            self.row("lowest in training set", &set.parameters[set.best()], study.best_in_training)?,
            self.row("network, given the data", &found, study.prediction)?,
        ];
        let of_best = network.history[network.best_epoch - 1];
        let numbers = vec![
            number("points of the training set", set.chi2.len() as f64),
            number("epochs", network.history.len() as f64),
            number("epoch that is kept", network.best_epoch as f64),
            number("mean square error, training", of_best.0),
            number("mean square error, validation", of_best.1),
        ];
        let line = |name: &str, of: &dyn Fn(&(f64, f64)) -> f64| CurveLine {
            name: name.to_owned(),
            points: network.history.iter().zip(1..).map(|(h, epoch)| (f64::from(epoch), of(h))).collect(),
        };
        let losses = CurvePanel {
            x: "epoch".to_owned(),
            y: "mean square error".to_owned(),
            logarithmic: true,
            lines: vec![line("training", &|h| h.0), line("validation", &|h| h.1)],
        };
        let figures = Figures {
            losses: vec![losses],
            chi2: vec![("training set".to_owned(), thinned(&set.chi2))],
            observables: self.compared("network", &found)?,
            ..Figures::default()
        };
        Ok(Outcome { result: self.result(points, Vec::new(), numbers, figures), samples: Vec::new() })
    }
}

fn row(
    what: &str,
    statistic: &ChiSquare,
    values: &[f64],
    study: Option<StudyPoint>,
) -> Result<PointRow, GlobalError> {
    let names = statistic.parameters().iter().map(ToString::to_string);
    Ok(PointRow {
        what: what.to_owned(),
        c9: values[0],
        c10: values[1],
        chi2: statistic.value(values)?,
        coefficients: names.zip(values.iter().copied()).skip(2).collect(),
        study,
    })
}

/// A row of the table of numbers.
pub(super) fn number(what: &str, value: f64) -> NumberRow {
    NumberRow { what: what.to_owned(), value }
}

/// Mean and standard deviation.
pub(super) fn statistics(values: &[f64]) -> Statistics {
    Statistics { mean: values.mean(), sigma: values.std_dev() }
}

/// Positive values for a figure with a logarithmic axis: sorted, every n-th where there are too many.
pub(super) fn thinned(values: &[f64]) -> Vec<f64> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|x| x.is_finite() && *x > 0.0).collect();
    sorted.sort_by(f64::total_cmp);
    let step = sorted.len().div_ceil(SHOWN).max(1);
    sorted.into_iter().step_by(step).collect()
}
