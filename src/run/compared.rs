//! Folder of a comparison: tables, single estimates, calibrations, figures.

use std::fs;
use std::path::{Path, PathBuf};

use humboldt_schemas::card::GeneratorCard;
use humboldt_schemas::comparison::Comparison;

use super::compare::{Compared, Judged, pull};
use super::figures::small_print;
use crate::error::{AtPath, Error, read_json};
use crate::infer::neyman::{NeymanCalibration, Span};
use crate::report::{self, Predictions, Pulls, Sheet};

/// Name of the file with all numbers.
pub const COMPARISON: &str = "comparison.json";

/// Path of the predictions that an estimator's intervals are calibrated with.
pub fn calibration_file(folder: &Path, estimator: &str) -> PathBuf {
    folder.join(format!("calibration_{estimator}.parquet"))
}

/// Writes everything into a folder, which is made where it is missing; the numbers of all last. `generator` is what the
/// estimators know.
///
/// # Errors
/// When a file cannot be written.
pub fn write(folder: &Path, compared: &Compared, generator: &GeneratorCard) -> Result<(), Error> {
    fs::create_dir_all(folder).at(folder)?;
    let comparison = &compared.comparison;
    let mut print = small_print(generator, comparison.events, "a sample");
    if let Some(test) = &comparison.test {
        print.push(report::literal(&format!("samples of {}", test.description)));
    }
    let sheet = |name: &str| Sheet::new(folder.join(name), &print).of(&comparison.coefficient);
    let label = report::shift_label(&comparison.coefficient);
    let mut pulls = Vec::new();
    for (result, judged) in comparison.estimators.iter().zip(&compared.estimates) {
        let known = judged.calibration.iter();
        let known: Vec<Predictions> =
            known.map(|(truth, values)| Predictions { truth: *truth, values: values.clone() }).collect();
        report::write_predictions_parquet(&calibration_file(folder, &result.name), label, &known)?;
        write_estimates(&folder.join(format!("estimates_{}.parquet", result.name)), label, judged)?;
        let calibration = NeymanCalibration::new(&judged.calibration)?;
        let of = |(truth, all): &(f64, Vec<_>)| -> Vec<f64> {
            all.iter().filter_map(|e| pull(e, *truth, &calibration, &judged.belts[0])).collect()
        };
        pulls.push(judged.values.iter().flat_map(of).collect::<Vec<f64>>());
    }
    // Of samples of another world the bound is another.
    if comparison.test.is_none() {
        report::width_over_bound(&sheet("width_over_bound"), comparison)?;
    }
    report::coverage(&sheet("coverage"), comparison)?;
    let shown = comparison.estimators.iter().zip(&pulls);
    let shown: Vec<Pulls> =
        shown.map(|(e, pulls)| Pulls { name: &e.name, own_errors: e.own_errors, pulls }).collect();
    if pulls.iter().any(|all| all.len() > 1) {
        report::estimator_pulls(&sheet("pulls"), &shown)?;
    }
    report::write_comparison_csv(&folder.join("comparison.csv"), comparison)?;
    Ok(report::write_json(&folder.join(COMPARISON), comparison)?)
}

/// Reads the numbers of a comparison; `None` where there is none.
///
/// # Errors
/// When the file is damaged.
pub fn read(folder: &Path) -> Result<Option<Comparison>, Error> {
    let path = folder.join(COMPARISON);
    if !path.exists() {
        return Ok(None);
    }
    read_json(&path).map(Some)
}

/// A row a sample; what is not known is NaN.
fn write_estimates(path: &Path, label: &str, judged: &Judged) -> Result<(), Error> {
    let names = [label, "estimate", "own_minus", "own_plus", "low_68", "high_68", "low_95", "high_95"];
    let mut columns: Vec<Vec<f64>> = vec![Vec::new(); names.len()];
    for (truth, estimates) in &judged.values {
        for estimate in estimates {
            let [one, two] = [0, 1]
                .map(|i| judged.belts[i].interval(estimate.value).unwrap_or(Span { low: None, high: None }));
            let own = estimate.interval.map(|i| [i.minus, i.plus]).unwrap_or_default();
            let known = [own[0], own[1], one.low, one.high, two.low, two.high];
            let row = [Some(*truth), Some(estimate.value)].into_iter().chain(known);
            columns.iter_mut().zip(row).for_each(|(column, x)| column.push(x.unwrap_or(f64::NAN)));
        }
    }
    Ok(report::write_columns_parquet(path, names.into_iter().zip(columns).collect())?)
}
