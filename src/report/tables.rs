//! Numbers of a run for other programs: ensembles and single predictions.

use std::path::Path;

use humboldt_schemas::results::EnsembleResult;

use super::{ReportError, files};

/// Name of C9's shift in files.
pub const DELTA_C9: &str = "delta_c9";

/// Name in files of the shifts of a coefficient.
pub fn shift_label(coefficient: &str) -> &str {
    if coefficient == "c9" { DELTA_C9 } else { coefficient }
}

/// Predictions of the images of one ensemble.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    /// True shift of the coefficient.
    pub truth: f64,
    /// One prediction an image, in the order of the images.
    pub values: Vec<f64>,
}

/// CSV with the fields of [`EnsembleResult`] as columns, the first by the coefficient's name; one that is not known is empty.
///
/// # Errors
/// When the file cannot be written.
pub fn write_ensembles_csv(
    path: &Path,
    coefficient: &str,
    ensembles: &[EnsembleResult],
) -> Result<(), ReportError> {
    let header = format!("{coefficient},n_images,mean,sigma_left,sigma_right,sigma,bias,trained");
    let text = |x: Option<f64>| x.map_or_else(String::new, |x| x.to_string());
    let rows = ensembles.iter().map(|e| {
        format!(
            "{},{},{},{},{},{},{},{}",
            e.truth,
            e.n_images,
            e.mean,
            text(e.sigma_left),
            text(e.sigma_right),
            text(e.sigma),
            e.bias,
            e.trained
        )
    });
    files::write_csv(path, &header, rows)
}

/// Parquet with the coefficient (`delta_c9`) and `prediction` as columns, f64, a row an image.
///
/// # Errors
/// When the file cannot be written.
pub fn write_predictions_parquet(
    path: &Path,
    coefficient: &str,
    ensembles: &[Predictions],
) -> Result<(), ReportError> {
    let truth = ensembles.iter().flat_map(|e| e.values.iter().map(|_| e.truth)).collect();
    let prediction = ensembles.iter().flat_map(|e| e.values.iter().copied()).collect();
    files::write_parquet(path, vec![(coefficient, truth), ("prediction", prediction)])
}

/// Reads what [`write_predictions_parquet`] wrote, in its order.
///
/// # Errors
/// When the file cannot be read, is damaged, or has other columns.
pub fn read_predictions_parquet(path: &Path, coefficient: &str) -> Result<Vec<Predictions>, ReportError> {
    let mut columns = files::read_parquet(path, &[coefficient, "prediction"])?.into_iter();
    let (truth, prediction) = (columns.next().unwrap_or_default(), columns.next().unwrap_or_default());
    let mut ensembles: Vec<Predictions> = Vec::new();
    for (truth, value) in truth.into_iter().zip(prediction) {
        match ensembles.last_mut() {
            Some(last) if last.truth.to_bits() == truth.to_bits() => last.values.push(value),
            _ => ensembles.push(Predictions { truth, values: vec![value] }),
        }
    }
    Ok(ensembles)
}

/// Parquet with one f64 column for each name.
///
/// # Errors
/// When the columns differ in length, or the file cannot be written.
pub fn write_columns_parquet(path: &Path, columns: Vec<(&str, Vec<f64>)>) -> Result<(), ReportError> {
    files::write_parquet(path, columns)
}

/// The columns of some names, in their order, of what [`write_columns_parquet`] wrote.
///
/// # Errors
/// When the file cannot be read, is damaged, or lacks a column.
pub fn read_columns_parquet(path: &Path, names: &[&str]) -> Result<Vec<Vec<f64>>, ReportError> {
    files::read_parquet(path, names)
}

/// CSV with columns `x_name`, `y_name` and `chi2`, a row a point of the grid.
///
/// # Shapes
/// `chi2`: [y, x]
///
/// # Errors
/// When the file cannot be written.
pub fn write_grid_csv(
    path: &Path,
    (x_name, x): (&str, &[f64]),
    (y_name, y): (&str, &[f64]),
    chi2: &[Vec<f64>],
) -> Result<(), ReportError> {
    let rows = y
        .iter()
        .zip(chi2)
        .flat_map(|(y, row)| x.iter().zip(row).map(move |(x, chi2)| format!("{x},{y},{chi2}")));
    files::write_csv(path, &format!("{x_name},{y_name},chi2"), rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use humboldt_infer::ensembles::ensemble;

    #[test]
    fn ensembles_csv_holds_every_field() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ensembles.csv");
        let of = |predictions: &[f64]| ensemble(-0.5, false, predictions).unwrap();
        write_ensembles_csv(&path, DELTA_C9, &[of(&[-1.0, 0.5]), of(&[-0.25])]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "delta_c9,n_images,mean,sigma_left,sigma_right,sigma,bias,trained\n\
             -0.5,2,-0.25,0.75,0.75,1.0606601717798212,0.25,false\n\
             -0.5,1,-0.25,,,,0.25,false\n"
        );
    }

    #[test]
    fn a_grid_is_written_row_by_row() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("scan.csv");
        write_grid_csv(&path, ("c9", &[0.0, 0.5]), ("c10", &[-1.0]), &[vec![3.5, 4.0]]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "c9,c10,chi2\n0,-1,3.5\n0.5,-1,4\n");
    }

    #[test]
    fn predictions_come_back_from_parquet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.parquet");
        let both = [
            Predictions { truth: -0.5, values: vec![-0.4, -0.6, 0.1] },
            Predictions { truth: 0.0, values: vec![0.25] },
        ];
        write_predictions_parquet(&path, "c10", &both).unwrap();
        assert_eq!(read_predictions_parquet(&path, "c10").unwrap(), both);
        std::fs::write(&path, b"PAR1").unwrap();
        assert!(
            read_predictions_parquet(&path, "c10").unwrap_err().to_string().contains("predictions.parquet")
        );
    }
}
