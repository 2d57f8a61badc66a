//! `humboldt global compare`: whether two sets of measurements say the same of the free parameters.

use anyhow::{Context, Result};
use clap::Args;
use humboldt_schemas::global::{CompareResult, FittedParameter, SetFit};

use super::setup::{Comparison, FreeParameters};
use crate::global::fit::minimum;
use crate::global::intervals::curvature;
use crate::global::statistic::p_value;
use crate::progress::{note, outln};

/// Fit two sets of measurements apart and together: the rise of chi-square says whether they agree
#[derive(Debug, Args)]
pub(super) struct CompareArguments {
    /// The second set or sets; --data has the first
    #[arg(long, value_name = "NAME|FILE,...", value_delimiter = ',', required = true)]
    with: Vec<String>,
    #[command(flatten)]
    free: FreeParameters,
    #[command(flatten)]
    comparison: Comparison,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

impl CompareArguments {
    pub(super) fn run(self) -> Result<()> {
        let first = self.comparison.data().to_vec();
        let both = [&first[..], &self.with].concat();
        let fits: Vec<SetFit> =
            [first, self.with.clone(), both].into_iter().map(|data| self.fit(data)).collect::<Result<_>>()?;
        let free = fits.last().map_or(0, |fit| fit.parameters.len());
        let rise = fits[2].chi2 - fits[0].chi2 - fits[1].chi2;
        let p_value = p_value(rise.max(0.0), free).context("no free parameters")?;
        let result = CompareResult { fits, rise, free, p_value };
        if self.json {
            outln!("{}", serde_json::to_string_pretty(&result)?);
            return Ok(());
        }
        for fit in &result.fits {
            let values = fit.parameters.iter().map(|p| {
                let sigma = p.sigma.map_or_else(String::new, |sigma| format!(" +- {sigma:.3}"));
                format!("{} {:.3}{sigma}", p.name, p.value)
            });
            let values = values.collect::<Vec<_>>().join(", ");
            outln!(
                "{}: {values}; chi2 {:.2} of {}, p-value {:.3}",
                fit.data.join(","),
                fit.chi2,
                fit.n,
                fit.p_value
            );
        }
        outln!("together chi2 is {rise:.2} higher with {free} free parameters, p-value {p_value:.3}");
        Ok(())
    }

    fn fit(&self, data: Vec<String>) -> Result<SetFit> {
        let setup = self.comparison.setup_of(&data)?;
        let statistic = self.free.statistic(&setup)?;
        for line in setup.data.notes() {
            note(format!("{}: {line}", data.join(",")));
        }
        let best = minimum(&statistic)?;
        let curvature = curvature(&statistic, &best)?;
        let (n, free) = (setup.data.len(), statistic.parameters().len());
        let parameters = statistic.parameters().iter().enumerate().map(|(i, parameter)| FittedParameter {
            name: parameter.to_string(),
            value: best.values[i],
            sigma: Some(curvature.sigma[i]).filter(|sigma| sigma.is_finite()),
            minus: None,
            plus: None,
        });
        let parameters = parameters.collect();
        let p_value = p_value(best.chi2, n - free).context("as many parameters as measurements")?;
        Ok(SetFit { data, n, chi2: best.chi2, p_value, parameters })
    }
}
