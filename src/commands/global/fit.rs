//! `humboldt global fit`: the best fit.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use humboldt_schemas::global::{FitResult, FittedParameter, OneValue};

use super::setup::{Comparison, FreeParameters, print_contributions};
use crate::assumptions::small_p_value;
use crate::global::fit::minimum;
use crate::global::intervals::{Fitted, fitted};
use crate::global::scan::sigmas;
use crate::global::shift::Shift;
use crate::global::statistic::{ChiSquare, p_value};
use crate::progress::{note, outln};
use crate::report::{ObservableBin, ObservablePanel, Sheet, observables};

/// Fit shifts of Wilson coefficients, and polynomials in q2, to measurements
#[derive(Debug, Args)]
pub(super) struct Fit {
    #[command(flatten)]
    free: FreeParameters,
    #[command(flatten)]
    comparison: Comparison,
    /// Folder for a figure of the values of --by-bin, made if it does not exist: by_bin.svg, .png, .csv
    #[arg(long, value_name = "FOLDER", requires = "by_bin")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl Fit {
    pub(super) fn run(self) -> Result<()> {
        let setup = self.comparison.setup()?;
        let errors = setup.errors()?;
        let of = |shifts: Vec<Shift>| setup.statistic(&self.free.with_shifts(shifts), &errors);
        let statistic = of(self.free.shifts(&setup.data))?;
        self.comparison.say(&setup)?;
        let mut result = result(&statistic, &fitted(&statistic)?)?;
        if let Some(by_bin) = &self.free.by_bin {
            let one = minimum(&of(vec![by_bin.shift])?)?;
            let more = statistic.parameters().len() - 1;
            result.one_value = Some(OneValue {
                value: one.values[0],
                chi2: one.chi2,
                p_value: p_value((one.chi2 - result.chi2).max(0.0), more).unwrap_or(1.0),
            });
        }
        if let (Some(folder), Some(by_bin), Some(one)) = (&self.out, &self.free.by_bin, result.one_value) {
            let print = self.comparison.small_print(&setup);
            draw((folder, &print), &by_bin.shift, &self.free.shifts(&setup.data), &result, one.value)?;
        }
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&result)?);
        } else {
            print(&result);
        }
        Ok(())
    }
}

/// The value in each range of q2 beside the one of all.
fn draw(
    (folder, print): (&Path, &[String]),
    shift: &Shift,
    shifts: &[Shift],
    fit: &FitResult,
    one: f64,
) -> Result<()> {
    std::fs::create_dir_all(folder).with_context(|| format!("--out {}", folder.display()))?;
    let bins = shifts.iter().zip(&fit.parameters).filter_map(|(shift, p)| {
        let (range, sigma) = (shift.bin?, p.sigma?);
        Some(ObservableBin {
            q2_min: range.low,
            q2_max: range.high,
            measured: p.value,
            error_plus: p.plus.unwrap_or(sigma),
            error_minus: p.minus.unwrap_or(sigma),
            predictions: vec![(one, 0.0)],
        })
    });
    let bins: Vec<ObservableBin> = bins.collect();
    let (letter, index) =
        ("*C*", shift.direction.coefficient.name().trim_start_matches('c').replace("_prime", "′"));
    let panel = ObservablePanel { title: format!("δ{letter}_{{{index}}}"), name: shift.to_string(), bins };
    observables(&Sheet::new(folder.join("by_bin"), print), &[panel], &["one value"])?;
    note(format!("wrote {}", folder.display()));
    Ok(())
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
        left_out: statistic.data().left_out().to_vec(),
        one_value: None,
    })
}

/// Reasons that make the numbers doubtful.
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
    if let Some(OneValue { value, chi2, p_value }) = fit.one_value {
        outln!("one value in all ranges: {value:.4}, chi2 {chi2:.2}, p-value of the difference {p_value:.3}");
    }
    if let (Some(correlation), 2) = (&fit.correlation, fit.parameters.len()) {
        outln!("correlation {:.3}", correlation[0][1]);
    }
    for warning in &fit.warnings {
        outln!("WARNING: {warning}");
    }
}
