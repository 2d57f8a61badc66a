//! Inference that the study's networks were missing: the posterior density, and samples of fits, beside the exact ones.

use humboldt_schemas::experiment::{
    CurveLine, CurvePanel, Figures, FlowCard, NumberRow, PosteriorCard, RegionRow, RegionsFigure, SpreadRow,
};
use rayon::prelude::*;

use super::Watch;
use super::exact::{Density, Grid, PosteriorMoments, Prior};
use super::experiment::{Experiment, Outcome, number, statistics, thinned};
use super::flow::{Fit, Flow};
use super::likelihood::Likelihood;
use super::posterior::{Mixture, Posterior, Pseudo, Ranks};
use crate::global::GlobalError;
use crate::global::statistic::ChiSquare;
use crate::learn::Compute;

/// Probability of one standard deviation.
const ONE_SIGMA: f64 = 0.682_689;
/// Probabilities of regions.
const REGIONS: [f64; 2] = [ONE_SIGMA, 0.954_500];
/// Pseudo-data on which learned and exact densities are compared.
const COMPARED: usize = 100;
/// Points of a sample in a figure.
const SHOWN: usize = 1000;
/// Points along each axis of the exact density that a flow is compared with.
const FLOW_GRID: usize = 401;

fn prior(experiment: &Experiment) -> Prior {
    [experiment.card.points.c9, experiment.card.points.c10]
}

fn data(statistic: &ChiSquare) -> Vec<f64> {
    statistic.data().measurements().iter().map(|datum| datum.value).collect()
}

/// The mixture density network.
pub(super) fn posterior(
    experiment: &Experiment,
    card: &PosteriorCard,
    compute: &Compute,
    watch: Watch,
) -> Result<Outcome, GlobalError> {
    let (statistic, seed, prior) = (&experiment.statistic, experiment.card.seed, prior(experiment));
    let grid = Grid::new(statistic, prior, card.grid)?;
    let network = Posterior::train(card, statistic, prior, seed, compute, watch)?;
    let data = data(statistic);
    let exact = grid.posterior(network.likelihood(), &data);
    let learned = density(&grid, &network.of(std::slice::from_ref(&data))[0]);
    let (expected, found) = (exact.moments(), learned.moments());

    let pseudo = network.pseudo_data(statistic, card.pseudo_data, seed)?;
    let ranks = Ranks::new(&network, &pseudo, seed);
    let [c9, c10, both] = ranks.coverage(ONE_SIGMA);
    let mut numbers = differences(&expected, &found);
    numbers.extend([
        number("pseudo-data", pseudo.len() as f64),
        number("coverage of 68.27 %, C9", c9),
        number("coverage of 68.27 %, C10", c10),
        number("coverage of 68.27 %, both", both),
    ]);
    let compared = &pseudo[..COMPARED.min(pseudo.len())];
    numbers.extend(comparisons(&grid, &network, compared));
    let mean = [0, 1].map(|i| found.shifts[i].mean);
    let points = vec![experiment.row("mean of the network's posterior", &mean, None)?];
    let line = |name: &str, which: usize| CurveLine {
        name: name.to_owned(),
        points: (0..=50).map(|i| f64::from(i) / 50.0).map(|p| (p, ranks.coverage(p)[which])).collect(),
    };
    let coverage = CurvePanel {
        x: "probability of the interval or region".to_owned(),
        y: "share of truths inside".to_owned(),
        logarithmic: false,
        lines: vec![line("C9", 0), line("C10", 1), line("both", 2)],
    };
    let regions = [("exact", &exact), ("network", &learned)];
    let figures = Figures {
        losses: vec![loss(&network.history)],
        observables: experiment.compared("mean of the network's posterior", &mean)?,
        regions: Some(frame(experiment, &expected, &regions, Vec::new())),
        coverage: Some(coverage),
        ..Figures::default()
    };
    let result = experiment.result(points, spreads(&expected, &found, ""), numbers, figures);
    Ok(Outcome { result, samples: Vec::new() })
}

fn density(grid: &Grid, mixture: &Mixture) -> Density {
    grid.of(|c9, c10| mixture.density(c9, c10))
}

fn spreads(expected: &PosteriorMoments, found: &PosteriorMoments, remark: &str) -> Vec<SpreadRow> {
    let row = |i: usize, name: &str| SpreadRow {
        name: format!("{name}{remark}"),
        expected: expected.shifts[i],
        found: found.shifts[i],
    };
    vec![row(0, "c9"), row(1, "c10")]
}

/// Distance between two densities.
fn differences(expected: &PosteriorMoments, found: &PosteriorMoments) -> Vec<NumberRow> {
    let mut numbers = Vec::new();
    for (i, name) in ["C9", "C10"].into_iter().enumerate() {
        let (a, b) = (expected.shifts[i], found.shifts[i]);
        numbers.push(number(&format!("(mean - exact)/exact width, {name}"), (b.mean - a.mean) / a.sigma));
        numbers.push(number(&format!("width/exact width, {name}"), b.sigma / a.sigma));
    }
    numbers.push(number("correlation, exact", expected.correlation));
    numbers.push(number("correlation, network", found.correlation));
    numbers
}

/// Root mean square differences on pseudo-data.
fn comparisons(grid: &Grid, network: &Posterior, pseudo: &[Pseudo]) -> Vec<NumberRow> {
    let data: Vec<Vec<f64>> = pseudo.iter().map(|p| p.data.clone()).collect();
    let mixtures = network.of(&data);
    let moments: Vec<(PosteriorMoments, PosteriorMoments)> = mixtures
        .par_iter()
        .zip(&data)
        .map(|(mixture, data)| {
            (grid.posterior(network.likelihood(), data).moments(), density(grid, mixture).moments())
        })
        .collect();
    let rms = |of: &dyn Fn(&(PosteriorMoments, PosteriorMoments)) -> f64| {
        (moments.iter().map(|m| of(m).powi(2)).sum::<f64>() / moments.len() as f64).sqrt()
    };
    let mut numbers = vec![number("pseudo-data compared with exact densities", moments.len() as f64)];
    for (i, name) in ["C9", "C10"].into_iter().enumerate() {
        let mean = rms(&|(a, b)| (b.shifts[i].mean - a.shifts[i].mean) / a.shifts[i].sigma);
        let width = rms(&|(a, b)| b.shifts[i].sigma / a.shifts[i].sigma - 1.0);
        numbers.push(number(&format!("rms of (mean - exact)/exact width, {name}"), mean));
        numbers.push(number(&format!("rms of width/exact width - 1, {name}"), width));
    }
    numbers
}

fn loss(history: &[(usize, f64)]) -> CurvePanel {
    let points = history.iter().map(|(step, loss)| (*step as f64, *loss)).collect();
    let line = CurveLine { name: "fresh batches".to_owned(), points };
    CurvePanel { x: "step".to_owned(), y: "−ln density".to_owned(), logarithmic: false, lines: vec![line] }
}

/// Regions and points around the exact posterior.
fn frame(
    experiment: &Experiment,
    moments: &PosteriorMoments,
    densities: &[(&str, &Density)],
    samples: Vec<(String, Vec<(f64, f64)>)>,
) -> RegionsFigure {
    let prior = prior(experiment);
    let around = |i: usize| {
        let [low, high] = prior[i];
        let (mean, reach) = (moments.shifts[i].mean, 4.0 * moments.shifts[i].sigma);
        [low.max(mean - reach), high.min(mean + reach)]
    };
    let region = |(name, density): &(&str, &Density), probability: f64| RegionRow {
        name: (*name).to_owned(),
        probability,
        lines: density.region(probability),
    };
    RegionsFigure {
        c9: around(0),
        c10: around(1),
        regions: densities.iter().flat_map(|d| REGIONS.map(|probability| region(d, probability))).collect(),
        samples,
        best: (experiment.exact().c9, experiment.exact().c10),
    }
}

/// The conditional flow.
pub(super) fn flow(
    experiment: &Experiment,
    card: &FlowCard,
    compute: &Compute,
    watch: Watch,
) -> Result<Outcome, GlobalError> {
    let (statistic, seed, prior) = (&experiment.statistic, experiment.card.seed, prior(experiment));
    let flow = Flow::train(card, statistic, prior, seed, compute, watch)?;
    let exact =
        Grid::new(statistic, prior, FLOW_GRID)?.posterior(&Likelihood::new(statistic)?, &data(statistic));
    let expected = exact.moments();

    let (mut points, mut numbers, mut tables) = (Vec::new(), Vec::new(), Vec::new());
    let (mut shown, mut chi2_figure, mut samples) = (Vec::new(), Vec::new(), Vec::new());
    for temperature in &card.show {
        let fits = flow.sample(*temperature, card.samples, seed);
        let chi2: Vec<f64> =
            fits.par_iter().map(|fit| statistic.value(&fit.shifts)).collect::<Result<_, _>>()?;
        let best = (0..chi2.len()).min_by(|a, b| chi2[*a].total_cmp(&chi2[*b])).unwrap_or(0);
        let at = format!("T = {temperature}");
        points.push(experiment.row(
            &format!("lowest generated, {at}"),
            &fits[best].shifts,
            experiment.card.study.best_generated,
        )?);
        numbers.extend(agreement(statistic, &fits, &chi2, best, experiment.exact().chi2, &at));
        let found = moments(&fits);
        if (temperature - 1.0).abs() < 1e-9 {
            numbers.extend(differences(&expected, &found));
            tables.extend(spreads(&expected, &found, ", T = 1"));
        }
        let dots = fits.iter().take(SHOWN).map(|fit| (fit.shifts[0], fit.shifts[1])).collect();
        shown.push((at.clone(), dots));
        let generated: Vec<f64> = fits.iter().map(|fit| fit.chi2).collect();
        for (name, values) in [("generated", &generated), ("recomputed", &chi2)] {
            chi2_figure.push((format!("{name}, {at}"), thinned(values)));
        }
        samples.push((*temperature, fits, chi2));
    }
    let best = points.iter().min_by(|a, b| a.chi2.total_cmp(&b.chi2)).map(|row| [row.c9, row.c10]);
    let best = best.unwrap_or_default();
    let figures = Figures {
        losses: vec![loss(&flow.history)],
        chi2: chi2_figure.into_iter().filter(|(_, values): &(String, Vec<f64>)| !values.is_empty()).collect(),
        observables: experiment.compared("lowest generated", &best)?,
        regions: Some(frame(experiment, &expected, &[("exact", &exact)], shown)),
        ..Figures::default()
    };
    let result = experiment.result(points, tables, numbers, figures);
    Ok(Outcome { result, samples: columns(statistic, &samples) })
}

/// Agreement of generated chi-squares with those of the generated points and observables.
fn agreement(
    statistic: &ChiSquare,
    fits: &[Fit],
    chi2: &[f64],
    best: usize,
    exact: f64,
    at: &str,
) -> Vec<NumberRow> {
    let n = fits.len() as f64;
    let rms =
        |differences: &mut dyn Iterator<Item = f64>| (differences.map(|d| d * d).sum::<f64>() / n).sqrt();
    let lowest = fits.iter().map(|fit| fit.chi2).fold(f64::INFINITY, f64::min);
    let of_observables: Vec<f64> =
        fits.par_iter().map(|fit| statistic.of_predictions(&fit.observables)).collect();
    vec![
        number(&format!("lowest chi2 of generated points - exact minimum, {at}"), chi2[best] - exact),
        number(&format!("lowest generated chi2 - exact minimum, {at}"), lowest - exact),
        number(
            &format!("rms of generated chi2 - chi2 of the point, {at}"),
            rms(&mut fits.iter().zip(chi2).map(|(fit, chi2)| fit.chi2 - chi2)),
        ),
        number(
            &format!("rms of chi2 of generated observables - chi2 of the point, {at}"),
            rms(&mut of_observables.iter().zip(chi2).map(|(a, b)| a - b)),
        ),
    ]
}

fn moments(fits: &[Fit]) -> PosteriorMoments {
    let column = |i: usize| fits.iter().map(|fit| fit.shifts[i]).collect::<Vec<f64>>();
    let shifts = [statistics(&column(0)), statistics(&column(1))];
    let products = fits.iter().map(|fit| (fit.shifts[0] - shifts[0].mean) * (fit.shifts[1] - shifts[1].mean));
    let covariance = products.sum::<f64>() / (fits.len().max(2) - 1) as f64;
    PosteriorMoments { shifts, correlation: covariance / (shifts[0].sigma * shifts[1].sigma) }
}

fn columns(statistic: &ChiSquare, samples: &[(f64, Vec<Fit>, Vec<f64>)]) -> Vec<(String, Vec<f64>)> {
    let column = |of: &dyn Fn(&Fit) -> f64| -> Vec<f64> {
        samples.iter().flat_map(|(_, fits, _)| fits.iter().map(of)).collect()
    };
    let mut columns: Vec<(String, Vec<f64>)> = statistic
        .data()
        .measurements()
        .iter()
        .enumerate()
        .map(|(i, datum)| {
            let (low, high) = (datum.quantity.q2_min, datum.quantity.q2_max);
            (format!("{}[{low},{high}]", datum.label()), column(&|fit| fit.observables[i]))
        })
        .collect();
    columns.push(("c9".to_owned(), column(&|fit| fit.shifts[0])));
    columns.push(("c10".to_owned(), column(&|fit| fit.shifts[1])));
    columns.push(("generated_chi2".to_owned(), column(&|fit| fit.chi2)));
    columns.push(("chi2".to_owned(), samples.iter().flat_map(|(.., chi2)| chi2.iter().copied()).collect()));
    let temperatures = samples.iter().flat_map(|(t, fits, _)| fits.iter().map(move |_| *t)).collect();
    columns.push(("temperature".to_owned(), temperatures));
    columns
}
