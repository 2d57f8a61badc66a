//! Files that are there whole or not at all, and tables as CSV, Parquet and JSON.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray as _, Float64Array, RecordBatch, RecordBatchReader as _};
use arrow::datatypes::Float64Type;
use humboldt_pipeline::PipelineError;
use humboldt_pipeline::store::{self, write_atomically};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;
use serde::Serialize;

use super::ReportError;

/// `stem` with a suffix behind it; unlike an extension it replaces nothing, so that `delta_c9_-0.87` survives.
pub(super) fn with_suffix(stem: &Path, suffix: &str) -> PathBuf {
    let mut path = OsString::from(stem);
    path.push(suffix);
    path.into()
}

/// Writes a file whole or not at all.
///
/// # Errors
/// When the folder is not there or cannot be written.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), ReportError> {
    Ok(write_atomically(path, bytes)?)
}

/// JSON, indented, with a line feed at the end.
///
/// # Errors
/// When a value has no JSON form, or the file cannot be written.
pub fn write_json<T: Serialize + ?Sized>(path: &Path, value: &T) -> Result<(), ReportError> {
    Ok(store::write_json(path, value)?)
}

/// CSV of numbers and words without commas: a header, then a row a line.
///
/// # Errors
/// When the file cannot be written.
pub(super) fn write_csv(
    path: &Path,
    header: &str,
    rows: impl IntoIterator<Item = String>,
) -> Result<(), ReportError> {
    let mut text = format!("{header}\n");
    for row in rows {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "{row}");
    }
    write(path, text.as_bytes())
}

/// Parquet of f64 columns, compressed by zstd.
///
/// # Errors
/// When the columns differ in length, or the file cannot be written.
pub(super) fn write_parquet(path: &Path, columns: Vec<(&str, Vec<f64>)>) -> Result<(), ReportError> {
    let encoding = |message: String| ReportError::Encoding { path: path.to_owned(), message };
    let columns =
        columns.into_iter().map(|(name, values)| (name, Arc::new(Float64Array::from(values)) as ArrayRef));
    let batch = RecordBatch::try_from_iter(columns).map_err(|e| encoding(e.to_string()))?;
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(parquet::basic::ZstdLevel::default()))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties))
        .map_err(|e| encoding(e.to_string()))?;
    writer.write(&batch).and_then(|()| writer.close()).map_err(|e| encoding(e.to_string()))?;
    write(path, &bytes)
}

/// f64 columns of a Parquet file, in the order of `names`.
///
/// # Errors
/// When the file cannot be read, is damaged, lacks a column, or has it twice.
pub(super) fn read_parquet(path: &Path, names: &[&str]) -> Result<Vec<Vec<f64>>, ReportError> {
    let encoding = |message: String| ReportError::Encoding { path: path.to_owned(), message };
    let file = std::fs::File::open(path).map_err(PipelineError::io(path))?;
    let reader = ParquetRecordBatchReaderBuilder::try_new(file)
        .and_then(ParquetRecordBatchReaderBuilder::build)
        .map_err(|e| encoding(e.to_string()))?;
    let schema = reader.schema();
    let twice = |name: &&&str| schema.fields().iter().filter(|field| field.name() == **name).count() > 1;
    if let Some(name) = names.iter().find(twice) {
        return Err(encoding(format!("has two columns `{name}`")));
    }
    let mut columns = vec![Vec::new(); names.len()];
    for batch in reader {
        let batch = batch.map_err(|e| encoding(e.to_string()))?;
        for (column, name) in columns.iter_mut().zip(names) {
            let values = batch.column_by_name(name).and_then(|c| c.as_primitive_opt::<Float64Type>());
            let values = values.ok_or_else(|| encoding(format!("has no f64 column `{name}`")))?;
            column.extend_from_slice(values.values());
        }
    }
    Ok(columns)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_replaces_the_old_one_and_leaves_no_part() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("delta_c9_-0.87.csv");
        write(&path, b"old").unwrap();
        write_csv(&path, "a,b", ["1,2".to_owned(), "3,4".to_owned()]).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a,b\n1,2\n3,4\n");
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_missing_folder_is_one_clear_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none").join("a.json");
        let message = write_json(&path, &[1.5]).unwrap_err().to_string();
        assert!(message.contains(path.to_str().unwrap()) && !message.contains('\n'), "{message}");
    }

    #[test]
    fn a_suffix_keeps_a_decimal_point() {
        assert_eq!(with_suffix(Path::new("a/delta_c9_-0.87"), ".svg"), Path::new("a/delta_c9_-0.87.svg"));
    }
}
