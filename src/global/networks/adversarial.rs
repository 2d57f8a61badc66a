//! The study's generative adversarial networks: vectors, training, and what their samples are worth.

use humboldt_schemas::experiment::{
    CurveLine, CurvePanel, Figures, GanArchitecture, GanCard, ImageRow, SpreadRow,
};
use rayon::prelude::*;

use super::Watch;
use super::dataset::{Dataset, from_study};
use super::experiment::{Experiment, Outcome, number, statistics, thinned};
use super::gan::{Balance, Gan};
use crate::global::GlobalError;
use crate::global::statistic::ChiSquare;
use crate::learn::Compute;

/// Images shown of each kind.
const IMAGES: usize = 10;

/// Trains, samples, and compares.
pub(super) fn run(
    experiment: &Experiment,
    card: &GanCard,
    compute: &Compute,
    watch: Watch,
) -> Result<Outcome, GlobalError> {
    let (statistic, seed) = (&experiment.statistic, experiment.card.seed);
    let set = experiment.dataset()?;
    let vectors = vectors(&set, card.chi2);
    let gan = Gan::train(card, &vectors, seed, compute, watch)?;
    let samples = Samples::new(statistic, gan.sample(card.samples, seed), card.chi2)?;
    let best = samples.best();
    let lowest = set.chi2[set.best()];
    let study = &experiment.card.study;
    let points = vec![
        experiment.row("lowest in training set", &set.parameters[set.best()], study.best_in_training)?,
        experiment.row("lowest generated", &samples.parameters[best], study.best_generated)?,
    ];
    let mut numbers = vec![
        number("points of the training set", set.chi2.len() as f64),
        number("generated vectors", card.samples as f64),
        number(
            "share of generated points below the lowest in training",
            samples.chi2.iter().filter(|chi2| **chi2 < lowest).count() as f64 / card.samples as f64,
        ),
        number("median chi2 of the training set", median(&set.chi2)),
        number("median chi2 of generated points", median(&samples.chi2)),
        number("chi2 of the observables generated with the lowest point", samples.chi2_of_observables[best]),
        number("lowest chi2 of generated observables", minimum(&samples.chi2_of_observables)),
    ];
    if card.chi2 {
        let differences: Vec<f64> =
            samples.generated_chi2.iter().zip(&samples.chi2).map(|(a, b)| (a - b).abs()).collect();
        numbers.push(number("chi2 generated with the lowest point", samples.generated_chi2[best]));
        numbers.push(number("lowest generated chi2", minimum(&samples.generated_chi2)));
        numbers.push(number("median |generated chi2 - chi2 of the point|", median(&differences)));
    }
    if let Some(last) = gan.history.last() {
        numbers.extend([
            number("discriminator's loss at the end", last.discriminator),
            number("generator's loss at the end", last.generator),
            number("discriminator's accuracy at the end", last.accuracy),
        ]);
    }
    let spread = |(i, parameter): (usize, &crate::global::statistic::Parameter)| {
        let of = |points: &[Vec<f64>]| statistics(&points.iter().map(|p| p[i]).collect::<Vec<_>>());
        SpreadRow {
            name: parameter.to_string(),
            expected: of(&set.parameters),
            found: of(&samples.parameters),
        }
    };
    let spreads = statistic.parameters().iter().enumerate().map(spread).collect();
    let images = if card.architecture == GanArchitecture::Convolutional {
        let row = |name: &str, vectors: &[Vec<f64>]| ImageRow {
            name: name.to_owned(),
            images: vectors
                .iter()
                .step_by((vectors.len() / IMAGES).max(1))
                .take(IMAGES)
                .map(|vector| gan.image(vector))
                .collect(),
        };
        vec![row("training set", &vectors), row("generated", &samples.vectors)]
    } else {
        Vec::new()
    };
    let figures = Figures {
        losses: curves(&gan.history),
        chi2: vec![
            ("training set".to_owned(), thinned(&set.chi2)),
            ("generated".to_owned(), thinned(&samples.chi2)),
        ],
        observables: experiment.compared("lowest generated", &samples.parameters[best])?,
        images,
        ..Figures::default()
    };
    let result = experiment.result(points, spreads, numbers, figures);
    Ok(Outcome { result, samples: samples.columns(statistic) })
}

/// Observables, parameters and, where wanted, chi-square of each point.
fn vectors(set: &Dataset, chi2: bool) -> Vec<Vec<f64>> {
    let points = set.observables.iter().zip(&set.parameters).zip(&set.chi2);
    points
        .map(|((observables, parameters), value)| {
            let mut vector = [observables.as_slice(), parameters].concat();
            vector.extend(chi2.then_some(*value));
            vector
        })
        .collect()
}

/// Generated vectors and what follows from their parts.
struct Samples {
    vectors: Vec<Vec<f64>>,
    parameters: Vec<Vec<f64>>,
    /// Of the prediction at the generated parameters.
    chi2: Vec<f64>,
    /// Of the generated observables.
    chi2_of_observables: Vec<f64>,
    /// As generated; empty where it is no part of the vector.
    generated_chi2: Vec<f64>,
}

impl Samples {
    fn new(statistic: &ChiSquare, vectors: Vec<Vec<f64>>, with_chi2: bool) -> Result<Self, GlobalError> {
        let (n, free) = (statistic.data().len(), statistic.parameters().len());
        let parameters: Vec<Vec<f64>> = vectors.iter().map(|v| v[n..n + free].to_vec()).collect();
        let chi2 = parameters.par_iter().map(|point| statistic.value(point)).collect::<Result<_, _>>()?;
        let of_observables = |v: &Vec<f64>| statistic.of_predictions(&from_study(statistic, &v[..n]));
        let chi2_of_observables = vectors.par_iter().map(of_observables).collect();
        let generated_chi2 =
            if with_chi2 { vectors.iter().map(|v| v[n + free]).collect() } else { Vec::new() };
        Ok(Self { vectors, parameters, chi2, chi2_of_observables, generated_chi2 })
    }

    fn best(&self) -> usize {
        (0..self.chi2.len()).min_by(|a, b| self.chi2[*a].total_cmp(&self.chi2[*b])).unwrap_or(0)
    }

    fn columns(&self, statistic: &ChiSquare) -> Vec<(String, Vec<f64>)> {
        let observables =
            statistic.data().measurements().iter().map(|datum| {
                format!("{}[{},{}]", datum.label(), datum.quantity.q2_min, datum.quantity.q2_max)
            });
        let names = observables.chain(statistic.parameters().iter().map(ToString::to_string));
        let column = |i: usize| self.vectors.iter().map(|v| v[i]).collect();
        let mut columns: Vec<(String, Vec<f64>)> =
            names.enumerate().map(|(i, name)| (name, column(i))).collect();
        if !self.generated_chi2.is_empty() {
            columns.push(("generated_chi2".to_owned(), self.generated_chi2.clone()));
        }
        columns.push(("chi2".to_owned(), self.chi2.clone()));
        columns
    }
}

fn minimum(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}

pub(super) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

fn curves(history: &[Balance]) -> Vec<CurvePanel> {
    let line = |name: &str, of: &dyn Fn(&Balance) -> f64| CurveLine {
        name: name.to_owned(),
        points: history.iter().map(|b| (b.step as f64, of(b))).collect(),
    };
    let panel = |y: &str, lines: Vec<CurveLine>| CurvePanel {
        x: "step".to_owned(),
        y: y.to_owned(),
        logarithmic: false,
        lines,
    };
    vec![
        panel("loss", vec![line("discriminator", &|b| b.discriminator), line("generator", &|b| b.generator)]),
        panel("accuracy of the discriminator", vec![line("accuracy", &|b| b.accuracy)]),
    ]
}
