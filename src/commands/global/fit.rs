//! `humboldt global fit`: the best fit.

use anyhow::{Context, Result};
use clap::Args;
use humboldt_schemas::global::{FitResult, FittedParameter};

use super::setup::{Comparison, FreeParameters, print_contributions};
use crate::assumptions::small_p_value;
use crate::global::intervals::{Fitted, fitted};
use crate::global::scan::sigmas;
use crate::global::statistic::{ChiSquare, p_value};
use crate::progress::outln;

/// Fit shifts of Wilson coefficients, and polynomials in q2, to measurements
#[derive(Debug, Args)]
pub(super) struct Fit {
    #[command(flatten)]
    free: FreeParameters,
    #[command(flatten)]
    comparison: Comparison,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Fit {
    pub(super) fn run(self) -> Result<()> {
        let setup = self.comparison.setup()?;
        let statistic = self.comparison.statistic(&setup, &self.free)?;
        let result = result(&statistic, &fitted(&statistic)?)?;
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&result)?);
        } else {
            print(&result);
        }
        Ok(())
    }
}

fn result(statistic: &ChiSquare, fit: &Fitted) -> Result<FitResult> {
    let (n, free) = (statistic.data().len(), statistic.parameters().len());
    let chi2_at_zero = statistic.value(&vec![0.0; free])?;
    let away = sigmas(chi2_at_zero - fit.best.chi2, free as u32);
    let parameters = statistic.parameters().iter().enumerate().map(|(i, parameter)| FittedParameter {
        name: parameter.to_string(),
        value: fit.best.values[i],
        sigma: Some(fit.curvature.sigma[i]).filter(|sigma| sigma.is_finite()),
        minus: fit.intervals[i].minus,
        plus: fit.intervals[i].plus,
    });
    let p_value = p_value(fit.best.chi2, n - free).context("as many parameters as measurements")?;
    let known = fit.curvature.sigma.iter().all(|sigma| sigma.is_finite());
    Ok(FitResult {
        chi2: fit.best.chi2,
        n,
        degrees_of_freedom: n - free,
        p_value,
        chi2_at_zero,
        sigmas_from_zero: away.is_finite().then_some(away),
        parameters: parameters.collect(),
        correlation: known.then(|| fit.curvature.correlation.clone()),
        warnings: warnings(statistic, fit, p_value),
        contributions: statistic.compared(&fit.best.values)?,
    })
}

/// What makes the numbers doubtful.
fn warnings(statistic: &ChiSquare, fit: &Fitted, p_value: f64) -> Vec<String> {
    let mut warnings = Vec::new();
    for (i, parameter) in statistic.parameters().iter().enumerate() {
        let interval = fit.intervals[i];
        match (fit.curvature.sigma[i].is_finite(), interval.minus.or(interval.plus)) {
            (false, None) => warnings.push(format!(
                "{parameter} is not determined: chi-square is flat along it, its value means nothing"
            )),
            (false, Some(_)) => warnings.push(format!(
                "{parameter} has no standard deviation: chi-square is not curved along it there; its profile is right"
            )),
            (true, _) => {}
        }
    }
    warnings.extend(small_p_value(p_value, 1));
    warnings
}

fn print(fit: &FitResult) {
    print_contributions(&fit.contributions);
    outln!(
        "chi2 {:.2} of {} degrees of freedom, p-value {:.3}",
        fit.chi2,
        fit.degrees_of_freedom,
        fit.p_value
    );
    let away =
        fit.sigmas_from_zero.map_or_else(|| "more than 38".to_owned(), |sigmas| format!("{sigmas:.1}"));
    outln!("all free parameters 0: chi2 {:.2}, {away} sigma away", fit.chi2_at_zero);
    let number = |x: Option<f64>| x.map_or_else(|| "none".to_owned(), |x| format!("{x:.4}"));
    outln!("{:<28}{:>10}{:>10}{:>16}", "parameter", "value", "sigma", "profile - +");
    for p in &fit.parameters {
        let profile = format!("{} {}", number(p.minus), number(p.plus));
        outln!("{:<28}{:>10.4}{:>10}{profile:>16}", p.name, p.value, number(p.sigma));
    }
    if let (Some(correlation), 2) = (&fit.correlation, fit.parameters.len()) {
        outln!("correlation {:.3}", correlation[0][1]);
    }
    for warning in &fit.warnings {
        outln!("WARNING: {warning}");
    }
}
