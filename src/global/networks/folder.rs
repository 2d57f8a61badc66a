//! The folder of an experiment: its card, `result.json`, tables, samples, figures.

use std::fs;
use std::path::{Path, PathBuf};

use humboldt_schemas::experiment::{ExperimentCard, ExperimentResult, Figures};

use super::experiment::Outcome;
use super::tables::{numbers_csv, points_csv};
use crate::error::{AtPath, Error, Work, read_json};
use crate::global::figures::{observable_panels, pull_rows, small_print};
use crate::report::{self, Sheet, write, write_columns_parquet, write_json};

const CARD: &str = "card.toml";
const RESULT: &str = "result.json";

/// Checks that a folder is new, empty, or of the same card; makes nothing.
///
/// # Errors
/// When it holds anything else.
pub fn check(root: &Path, card: &ExperimentCard) -> Result<(), Error> {
    let card_file = root.join(CARD);
    if card_file.exists() {
        let same = ExperimentCard::read(&card_file).is_ok_and(|existing| existing.hash() == card.hash());
        if !same {
            let (folder, differs) = (root.to_owned(), String::new());
            return Err(Error::OtherCard { folder, work: Work::Experiment, differs });
        }
        return Ok(());
    }
    if root.exists() && fs::read_dir(root).at(root)?.next().is_some() {
        return Err(Error::NotEmpty { folder: root.to_owned(), work: Work::Experiment });
    }
    Ok(())
}

/// Writes all of it, the figures too.
///
/// # Errors
/// When a file cannot be written.
pub fn save(root: &Path, card: &ExperimentCard, outcome: &Outcome) -> Result<(), Error> {
    fs::create_dir_all(root).at(root)?;
    write(&root.join(CARD), card.to_toml()?.as_bytes())?;
    write_json(&root.join(RESULT), &outcome.result)?;
    write(&root.join("points.csv"), points_csv(&outcome.result).as_bytes())?;
    write(&root.join("numbers.csv"), numbers_csv(&outcome.result).as_bytes())?;
    if !outcome.samples.is_empty() {
        let columns = outcome.samples.iter().map(|(name, values)| (name.as_str(), values.clone())).collect();
        write_columns_parquet(&root.join("samples.parquet"), columns)?;
    }
    draw(root, card, &outcome.result.figures).map(drop)
}

/// Reads card and result of an experiment.
///
/// # Errors
/// When the folder has none, or it is damaged.
pub fn read(root: &Path) -> Result<(ExperimentCard, ExperimentResult), Error> {
    let path = root.join(RESULT);
    if !path.exists() {
        return Err(Error::NoWork { folder: root.to_owned(), work: Work::Experiment, missing: RESULT });
    }
    let result = read_json(&path)?;
    Ok((ExperimentCard::read(&root.join(CARD))?, result))
}

/// Draws every figure that there are numbers for.
///
/// # Errors
/// When a file cannot be written.
pub fn draw(root: &Path, card: &ExperimentCard, figures: &Figures) -> Result<Vec<PathBuf>, Error> {
    let mut paths = Vec::new();
    let c = &card.comparison;
    let measurements = figures.observables.first().map(|point| point.contributions.len());
    let print = small_print(&c.model, &c.data, measurements, [c.theory_errors, c.correlations]);
    let sheet = |name: &str| Sheet::new(root.join(name), &print);
    if !figures.losses.is_empty() {
        paths.extend(report::curves(&sheet("losses"), &figures.losses, false)?);
    }
    if !figures.chi2.is_empty() {
        paths.extend(report::chi2_distribution(&sheet("chi2"), &figures.chi2)?);
    }
    if !figures.observables.is_empty() {
        let names: Vec<&str> = figures.observables.iter().map(|point| point.name.as_str()).collect();
        let points: Vec<_> = figures.observables.iter().map(|p| p.contributions.as_slice()).collect();
        paths.extend(report::observables(&sheet("observables"), &observable_panels(&points, &[]), &names)?);
        paths.extend(report::pulls(&sheet("pulls"), &pull_rows(&points), &names)?);
    }
    if !figures.images.is_empty() {
        paths.extend(report::image_rows(&sheet("images"), &figures.images)?);
    }
    if let Some(regions) = &figures.regions {
        paths.extend(report::regions(&sheet("regions"), regions)?);
    }
    if let Some(coverage) = &figures.coverage {
        paths.extend(report::curves(&sheet("coverage"), std::slice::from_ref(coverage), true)?);
    }
    Ok(paths)
}
