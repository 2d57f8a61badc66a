//! Numbers of a run for other programs: ensembles and single predictions.

use std::path::Path;

use humboldt_schemas::results::EnsembleResult;

use super::{ReportError, files};

/// Predictions of the images of one ensemble.
#[derive(Debug, Clone, Copy)]
pub struct Predictions<'a> {
    /// True shift of C9.
    pub delta_c9: f64,
    /// One prediction an image, in the order of the images.
    pub values: &'a [f64],
}

/// CSV with the fields of [`EnsembleResult`] as columns.
///
/// # Errors
/// When the file cannot be written.
pub fn write_ensembles_csv(path: &Path, ensembles: &[EnsembleResult]) -> Result<(), ReportError> {
    let header = "delta_c9,n_images,mean,sigma_left,sigma_right,sigma,bias,trained";
    let rows = ensembles.iter().map(|e| {
        format!(
            "{},{},{},{},{},{},{},{}",
            e.delta_c9, e.n_images, e.mean, e.sigma_left, e.sigma_right, e.sigma, e.bias, e.trained
        )
    });
    files::write_csv(path, header, rows).map(drop)
}

/// Parquet with columns `delta_c9` and `prediction`, f64, a row an image.
///
/// # Errors
/// When the file cannot be written.
pub fn write_predictions_parquet(path: &Path, ensembles: &[Predictions]) -> Result<(), ReportError> {
    let truth = ensembles.iter().flat_map(|e| e.values.iter().map(|_| e.delta_c9)).collect();
    let prediction = ensembles.iter().flat_map(|e| e.values.iter().copied()).collect();
    files::write_parquet(path, vec![("delta_c9", truth), ("prediction", prediction)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infer::ensembles::ensemble;
    use arrow::array::{Array as _, AsArray as _};
    use arrow::datatypes::Float64Type;
    use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

    #[test]
    fn ensembles_csv_holds_every_field() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ensembles.csv");
        write_ensembles_csv(&path, &[ensemble(-0.5, false, &[-1.0, 0.5]).unwrap()]).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(
            text,
            "delta_c9,n_images,mean,sigma_left,sigma_right,sigma,bias,trained\n\
             -0.5,2,-0.25,0.75,0.75,1.0606601717798212,0.25,false\n"
        );
    }

    #[test]
    fn predictions_come_back_from_parquet() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.parquet");
        let (a, b) = ([-0.4, -0.6, 0.1], [0.25]);
        let both = [Predictions { delta_c9: -0.5, values: &a }, Predictions { delta_c9: 0.0, values: &b }];
        write_predictions_parquet(&path, &both).unwrap();
        let file = std::fs::File::open(&path).unwrap();
        let batches = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        let batch = batches.map(Result::unwrap).next().unwrap();
        let column =
            |name| batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().values().to_vec();
        assert_eq!(column("delta_c9"), [-0.5, -0.5, -0.5, 0.0]);
        assert_eq!(column("prediction"), [-0.4, -0.6, 0.1, 0.25]);
        assert_eq!(batch.column(0).null_count(), 0);
    }
}
