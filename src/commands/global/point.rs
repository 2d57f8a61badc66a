//! `humboldt global predict` and `humboldt global chi2`: one point in the space of Wilson coefficients.

use std::str::FromStr;

use anyhow::{Context, Result, bail};
use clap::Args;
use humboldt_physics::Plan;
use humboldt_schemas::global::ChiSquareResult;
use humboldt_schemas::results::ObservableValue;

use super::setup::{Comparison, FixedShifts, print_contributions};
use crate::assumptions::small_p_value;
use crate::commands::arguments::finite;
use crate::global::data::Data;
use crate::global::polynomials::{Polynomials, Sharing, labels};
use crate::global::shift::Shift;
use crate::global::statistic::{ChiSquare, p_value};
use crate::progress::outln;

/// Print the predictions of all measured observables, LHCb convention, rates in GeV^-2
#[derive(Debug, Args)]
pub(super) struct Predict {
    #[command(flatten)]
    point: PointArguments,
}

/// Print chi-square, p-value, and each measurement's pull and contribution
#[derive(Debug, Args)]
pub(super) struct Chi2 {
    #[command(flatten)]
    point: PointArguments,
}

#[derive(Debug, Args)]
struct PointArguments {
    #[command(flatten)]
    shifts: FixedShifts,
    /// Add a0 + a1 q2 + a2 q2^2 to all observables, or to one, as in -0.09:0.001:0 or P5p=0.02:0:0
    #[arg(long = "polynomial", value_name = "[NAME=]A0:A1:A2,...", value_delimiter = ',', allow_hyphen_values = true, value_parser = OnePolynomial::from_str)]
    polynomials: Vec<OnePolynomial>,
    #[command(flatten)]
    comparison: Comparison,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A polynomial as typed.
#[derive(Debug, Clone)]
struct OnePolynomial {
    observable: Option<String>,
    coefficients: [f64; 3],
}

impl FromStr for OnePolynomial {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (observable, numbers) =
            text.split_once('=').map_or((None, text), |(name, rest)| (Some(name.trim().to_owned()), rest));
        let numbers: Vec<f64> = numbers.split(':').map(|x| finite(x.trim())).collect::<Result<_, _>>()?;
        let coefficients = numbers
            .try_into()
            .map_err(|_| "allowed: three numbers, as in -0.09:0.001:0 or P5p=0.02:0:0".to_owned())?;
        Ok(Self { observable, coefficients })
    }
}

/// The coefficients of all observables' polynomials, in the order of [`Polynomials::new`] with [`Sharing::Independent`].
fn coefficients(polynomials: &[OnePolynomial], data: &Data) -> Result<Vec<f64>> {
    let labels = labels(data);
    let mut values = vec![0.0; 3 * labels.len()];
    for polynomial in polynomials {
        let own = |label: &String| polynomial.observable.as_ref().is_none_or(|name| name == label);
        if !labels.iter().any(own) {
            let name = polynomial.observable.as_deref().unwrap_or_default();
            bail!("--polynomial = {name} is not allowed; allowed: {}", labels.join(", "));
        }
        for (place, _) in labels.iter().enumerate().filter(|(_, label)| own(label)) {
            for (value, coefficient) in values[3 * place..].iter_mut().zip(polynomial.coefficients) {
                *value += coefficient;
            }
        }
    }
    Ok(values)
}

impl Predict {
    pub(super) fn run(self) -> Result<()> {
        let PointArguments { shifts, polynomials, comparison, json } = self.point;
        let setup = comparison.setup()?;
        let theory = setup.theory(&shifts.all())?;
        let additions = coefficients(&polynomials, &setup.data)?;
        let mut values = Plan::new(&setup.data.quantities()).values(&theory)?;
        Polynomials::new(Sharing::Independent, &setup.data).add_to(&mut values, &additions)?;
        let spread = setup.spread(&theory)?;
        comparison.say(&setup)?;
        let predictions: Vec<ObservableValue> = setup
            .data
            .measurements()
            .iter()
            .zip(values)
            .enumerate()
            .map(|(i, (datum, value))| ObservableValue {
                process: datum.process(),
                observable: datum.quantity.observable.name().to_owned(),
                q2_min: datum.quantity.q2_min,
                q2_max: datum.quantity.q2_max,
                value,
                uncertainty: spread.as_ref().map(|spread| spread.sigma[i]),
                correlation: spread.as_ref().map(|spread| spread.correlation[i].clone()),
                caution: setup.caution(&datum.quantity),
            })
            .collect();
        if json {
            outln!("{}", serde_json::to_string_pretty(&predictions)?);
            return Ok(());
        }
        for p in predictions {
            let small = p.observable.starts_with("dBR");
            let number = |x: f64| if small { format!("{x:.5e}") } else { format!("{x:.5}") };
            let error = p.uncertainty.map_or_else(String::new, |sigma| format!(" +- {}", number(sigma)));
            let bin = format!("[{}, {}]", p.q2_min, p.q2_max);
            outln!("{:<14}{:<10}{bin:>13}{:>14}{error}", p.process, p.observable, number(p.value));
        }
        Ok(())
    }
}

impl Chi2 {
    pub(super) fn run(self) -> Result<()> {
        let PointArguments { shifts, polynomials, comparison, json } = self.point;
        let setup = comparison.setup()?;
        let theory = setup.theory(&shifts.all())?;
        let values = coefficients(&polynomials, &setup.data)?;
        let added = Polynomials::new(Sharing::Independent, &setup.data);
        let statistic =
            ChiSquare::new(&theory, setup.data.clone(), &[] as &[Shift], added, &setup.errors()?)?;
        let chi2 = statistic.value(&values)?;
        comparison.say(&setup)?;
        let n = setup.data.len();
        let result = ChiSquareResult {
            chi2,
            n,
            p_value: p_value(chi2, n).context("no measurements")?,
            contributions: statistic.compared(&values)?,
            warnings: p_value(chi2, n).and_then(|p| small_p_value(p, 1)).into_iter().collect(),
            left_out: setup.data.left_out().to_vec(),
        };
        if json {
            outln!("{}", serde_json::to_string_pretty(&result)?);
        } else {
            print_contributions(&result.contributions);
            outln!("chi2 {chi2:.2} of {n} measurements, p-value {:.2e}", result.p_value);
            for warning in &result.warnings {
                outln!("WARNING: {warning}");
            }
        }
        Ok(())
    }
}
