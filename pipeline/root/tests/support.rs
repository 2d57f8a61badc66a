//! Content of the files, as the scripts that made them say.

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use humboldt_root::{RootError, TreeReader};

pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

pub(crate) fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/files").join(name)
}

/// Rows of all columns in one batch.
pub(crate) fn read_all(
    tree: &TreeReader,
    rows_per_batch: usize,
) -> Result<RecordBatch, Box<dyn std::error::Error>> {
    let columns: Vec<usize> = (0..tree.schema().fields().len()).collect();
    let batches = tree.batches(&columns, rows_per_batch).collect::<Result<Vec<_>, RootError>>()?;
    Ok(arrow::compute::concat_batches(tree.schema(), &batches)?)
}

/// Value of a branch of a file of the scripts in row `row`, as bits.
fn value(name: &str, row: usize) -> u64 {
    let number = (row as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    match name {
        "f32" => u64::from(((row as f64 * 0.37 - 50.0) as f32).to_bits()),
        "f64" => (row as f64 * 0.37 - 50.0).to_bits(),
        "flag" => u64::from(row.is_multiple_of(3)),
        _ => number,
    }
}

/// Whether a column holds what the scripts wrote, to the last bit.
pub(crate) fn check(name: &str, column: &dyn Array) {
    for row in 0..column.len() {
        let wanted = value(name, row);
        let is_same = match column.data_type() {
            DataType::Float32 => {
                u64::from(column.as_primitive::<Float32Type>().value(row).to_bits()) == wanted
            }
            DataType::Float64 => column.as_primitive::<Float64Type>().value(row).to_bits() == wanted,
            DataType::Boolean => u64::from(column.as_boolean().value(row)) == wanted,
            DataType::Int8 => column.as_primitive::<Int8Type>().value(row) == wanted as i8,
            DataType::UInt8 => column.as_primitive::<UInt8Type>().value(row) == wanted as u8,
            DataType::Int16 => column.as_primitive::<Int16Type>().value(row) == wanted as i16,
            DataType::UInt16 => column.as_primitive::<UInt16Type>().value(row) == wanted as u16,
            DataType::Int32 => column.as_primitive::<Int32Type>().value(row) == wanted as i32,
            DataType::UInt32 => column.as_primitive::<UInt32Type>().value(row) == wanted as u32,
            DataType::Int64 => column.as_primitive::<Int64Type>().value(row) == wanted.cast_signed(),
            DataType::UInt64 => column.as_primitive::<UInt64Type>().value(row) == wanted,
            other => panic!("{name} is {other}"),
        };
        assert!(is_same, "row {row} of {name}: {column:?}");
    }
}

/// Columns of every type that is written, of `rows` rows.
pub(crate) fn columns(rows: usize) -> Result<RecordBatch, Box<dyn std::error::Error>> {
    use DataType::{Float32, Float64, Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    let numbers = Arc::new(arrow::array::Float64Array::from_iter_values(
        (0..rows).map(|row| ((row * 2_654_435_761) % 100_003) as f64 / 1000.0),
    ));
    let mut named: Vec<(String, ArrayRef)> = vec![(
        "flag".to_owned(),
        Arc::new((0..rows).map(|row| Some(row % 3 == 0)).collect::<BooleanArray>()),
    )];
    for data_type in [Int8, UInt8, Int16, UInt16, Int32, UInt32, Int64, UInt64, Float32, Float64] {
        named.push((format!("of {data_type}"), cast(numbers.as_ref(), &data_type)?));
    }
    Ok(RecordBatch::try_from_iter(named)?)
}
