//! `humboldt bound --model RUN/model`: what the statistic of a network knows of the coefficients.

use std::collections::BTreeMap;

use anyhow::{Result, bail, ensure};
use humboldt_physics::wilson::Part;
use humboldt_physics::{Axes, WilsonCoefficient, WilsonDirection};
use humboldt_schemas::card::RunCard;
use humboldt_schemas::complex::ComplexValue;
use humboldt_schemas::inference::{LearnedBackground, LearnedBound, LearnedWidth};
use nalgebra::DMatrix;

use super::model::card_of;
use crate::assumptions::{assumed, sentence};
use crate::infer::mixture::Fraction;
use crate::infer::nuisances::Nuisance;
use crate::learn::Model;
use crate::progress::outln;
use crate::ratio::model::RatioModel;

/// The statistic of learned ratios at a point of shifts. `fraction` is what is known of background in place of what the card knows.
///
/// # Errors
/// When a shift is none that was learned, or a fraction is given without background.
pub(super) fn of_ratios(
    model: &RatioModel,
    shifts: &BTreeMap<String, ComplexValue>,
    events: f64,
    fraction: Option<Fraction>,
    nuisances: &[Nuisance],
) -> Result<LearnedBound> {
    let point = point(&model.card, shifts)?;
    let (calibration, n) = (&model.calibration, point.len());
    ensure!(
        calibration.has_background() || fraction.is_none(),
        "--background-fraction is not allowed with this network; allowed: with one that learned background"
    );
    let known = fraction.or(model.fraction).unwrap_or_default();
    let value = if known == Fraction::Free { calibration.statistic.fraction() } else { known.start() };
    let of_fraction = if let Fraction::Constrained(_, sigma) = known { sigma.powi(-2) } else { 0.0 };
    let mut free: Vec<usize> = (0..n).collect();
    free.extend(known.is_free().then_some(n));
    let relative: Vec<f64> = point.iter().zip(&model.origin).map(|(x, origin)| x - origin).collect();
    calibration.check_nuisances(nuisances)?;
    let statistic = calibration.known(&relative, value, nuisances)?;
    let expected = calibration.expected(&relative, value, events, &free, of_fraction, nuisances)?;
    let mut coefficients = Vec::new();
    for (i, (name, value)) in model.card.axes()?.names().into_iter().zip(&point).enumerate() {
        let (sigma, error) = statistic.first(events, &[i], of_fraction)?;
        // The coefficient itself first.
        let together: Vec<usize> = [i].into_iter().chain(free.iter().copied().filter(|j| *j != i)).collect();
        let (fitted, fitted_error) = statistic.first(events, &together, of_fraction)?;
        coefficients.push(LearnedWidth {
            name,
            value: *value,
            sigma,
            sigma_error: Some(error),
            sigma_fitted: fitted,
            sigma_fitted_error: Some(fitted_error),
            expected: Some(expected[(i, i)].sqrt()),
        });
    }
    let covariance = statistic.bound(events, &free, of_fraction)?;
    let fitted = known.is_free();
    Ok(LearnedBound {
        events,
        background: calibration.has_background().then_some(LearnedBackground { fraction: value, fitted }),
        coefficients,
        covariance: rows(&covariance.view((0, 0), (n, n)).into_owned()),
        simulated_events: Some(calibration.effective_events(&relative)),
        nuisances: Nuisance::names(nuisances),
        assumed: assumed(&model.card.generator, &model.card.axes()?.directions())?,
    })
}

/// The statistic of a network of scores at a point of shifts, by its calibration.
///
/// # Errors
/// For a network without calibration; when a shift is none that was learned.
pub(super) fn of_scores(
    model: &Model,
    shifts: &BTreeMap<String, ComplexValue>,
    events: f64,
) -> Result<LearnedBound> {
    let card = card_of(model.info())?;
    let Some(calibration) = &model.info().calibration else {
        bail!(
            "--model: this network is not allowed here; allowed: learned ratios, or one whose statistic is calibrated, as of scores; \
             `humboldt compare` measures the width of any other"
        );
    };
    model.info().check_events(events as usize)?;
    let point = point(&card, shifts)?;
    let nothing =
        || anyhow::anyhow!("the statistic of this network does not tell its coefficients apart there");
    let information = calibration.information(&point, events).ok_or_else(nothing)?;
    let covariance = information.clone().try_inverse().ok_or_else(nothing)?;
    ensure!(covariance.diagonal().iter().all(|variance| *variance > 0.0), nothing());
    let width = |(i, (name, value)): (usize, (String, &f64))| LearnedWidth {
        name,
        value: *value,
        sigma: information[(i, i)].sqrt().recip(),
        sigma_error: None,
        sigma_fitted: covariance[(i, i)].sqrt(),
        sigma_fitted_error: None,
        expected: None,
    };
    let axes = card.axes()?;
    Ok(LearnedBound {
        events,
        background: None,
        coefficients: axes.names().into_iter().zip(&point).enumerate().map(width).collect(),
        covariance: rows(&covariance),
        simulated_events: None,
        nuisances: Vec::new(),
        assumed: assumed(&card.generator, &axes.directions())?,
    })
}

/// The shifts of the coefficients that a card learned, 0 where none is named.
fn point(card: &RunCard, shifts: &BTreeMap<String, ComplexValue>) -> Result<Vec<f64>> {
    let axes = card.axes()?;
    let mut point = vec![0.0; axes.len()];
    for (name, value) in shifts {
        let coefficient: WilsonCoefficient = name.parse()?;
        let parts = [(Part::Real, value.0.re), (Part::Imaginary, value.0.im)]
            .map(|(part, x)| (axes.index_of(WilsonDirection { coefficient, part }), x));
        let learned = parts.iter().any(|(place, _)| place.is_some());
        ensure!(
            learned && parts.iter().all(|(place, x)| place.is_some() || *x == 0.0),
            "{name} = {value} is not allowed; allowed: shifts of what the network learned, {}",
            ranges(&axes)
        );
        for (place, x) in parts {
            if let Some(place) = place {
                point[place] = x;
            }
        }
    }
    for (axis, x) in axes.iter().zip(&point) {
        ensure!(
            axis.contains(*x),
            "{} = {x} is not allowed; allowed: inside of what the network learned, {}",
            axis.direction,
            ranges(&axes)
        );
    }
    Ok(point)
}

/// As `c9 in [-2, 1.1]`.
pub(super) fn ranges(axes: &Axes) -> String {
    let one = axes.iter().map(|axis| format!("{} in [{}, {}]", axis.direction, axis.range[0], axis.range[1]));
    one.collect::<Vec<_>>().join(", ")
}

pub(super) fn rows(matrix: &DMatrix<f64>) -> Vec<Vec<f64>> {
    matrix.row_iter().map(|row| row.iter().copied().collect()).collect()
}

/// A bound in lines.
pub(super) fn print(bound: &LearnedBound) {
    outln!("network of {}", sentence(&bound.assumed));
    let at = bound.coefficients.iter().map(|c| format!("{} = {}", c.name, c.value));
    let background = bound.background.map_or_else(String::new, |background| {
        let fitted = if background.fitted { ", fitted" } else { "" };
        format!(", background {} of them{fitted}", background.fraction)
    });
    outln!("{} measured events at {}{background}", bound.events, at.collect::<Vec<_>>().join(", "));
    let with_error = |sigma: f64, error: Option<f64>| {
        error.map_or_else(|| format!("{sigma:.5}"), |error| format!("{sigma:.5} +- {error:.5}"))
    };
    if !bound.nuisances.is_empty() {
        outln!("profiled over {}, in all of the widths", bound.nuisances.join(", "));
    }
    let simulated = bound.simulated_events.is_some();
    let line = |[name, sigma, fitted, expected]: [&str; 4]| {
        outln!("{}", format!("{name:<12} {sigma:<22} {fitted:<22} {expected}").trim_end());
    };
    let last = if simulated { "with the simulation's size" } else { "" };
    line(["sigma", "all else known", "fitted together", last]);
    for c in &bound.coefficients {
        line([
            &format!("  {}", c.name),
            &with_error(c.sigma, c.sigma_error),
            &with_error(c.sigma_fitted, c.sigma_fitted_error),
            &c.expected.map_or_else(String::new, |x| format!("{x:.5}")),
        ]);
    }
    for (i, row) in bound.covariance.iter().enumerate() {
        for (j, covariance) in row.iter().enumerate().take(i) {
            let correlation = covariance / (row[i] * bound.covariance[j][j]).sqrt();
            let [a, b] = [j, i].map(|k| &bound.coefficients[k].name);
            outln!("correlation of {a} and {b}: {correlation:.3}");
        }
    }
    if let Some(simulated) = bound.simulated_events {
        outln!("calibrated by effectively {simulated:.0} simulated events there");
    }
}
