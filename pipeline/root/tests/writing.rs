//! Trees that are written come back; ROOT itself and uproot read them in the tests of the program.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringArray};
use humboldt_root::{RootError, TreeReader, TreeWriter};

use crate::support::{Outcome, columns, read_all};

fn written(batches: &[RecordBatch], texts: &[(String, String)]) -> Result<Vec<u8>, RootError> {
    let mut writer = TreeWriter::new(Cursor::new(Vec::new()), "events", &batches[0].schema(), texts)?;
    batches.iter().try_for_each(|batch| writer.write(batch))?;
    Ok(writer.finish()?.into_inner())
}

#[test]
fn what_is_written_comes_back() -> Outcome {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("a.root");
    let texts = ["short".to_owned(), "long".repeat(100)].map(|text| (format!("note {}", text.len()), text));
    // None, some of a basket, more than two.
    for rows in [0, 1, 1000, 140_000] {
        let all = columns(rows)?;
        std::fs::write(&path, written(std::slice::from_ref(&all), &texts)?)?;
        let tree = TreeReader::open(&path, None)?;
        assert_eq!((tree.name(), tree.rows()), ("events", rows as u64));
        assert_eq!(tree.texts(), texts);
        assert_eq!(read_all(&tree, 33_333)?, all);
    }
    Ok(())
}

#[test]
fn the_bytes_follow_from_the_rows_alone() -> Outcome {
    let all = columns(100_000)?;
    let pieces: Vec<_> = (0..10).map(|i| all.slice(i * 10_000, 10_000)).collect();
    let one_thread = rayon_of(1, || written(std::slice::from_ref(&all), &[]))?;
    assert_eq!(one_thread, rayon_of(3, || written(&pieces, &[]))?);
    Ok(())
}

fn rayon_of<T: Send>(threads: usize, work: impl FnOnce() -> T + Send) -> T {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_or_else(|e| panic!("{e}"), |pool| pool.install(work))
}

#[test]
fn texts_and_nulls_are_refused_by_the_names_of_their_columns() -> Outcome {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let refusal = written(&[RecordBatch::try_from_iter([("word", text)])?], &[]).map_err(|e| e.to_string());
    assert!(refusal.is_err_and(|e| e.starts_with("column `word` holds Utf8; allowed: ")));
    let null: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
    let refusal = written(&[RecordBatch::try_from_iter([("n", null)])?], &[]).map_err(|e| e.to_string());
    assert!(refusal.is_err_and(|e| e == "column `n` holds Int32 with 1 nulls; allowed: Int32 without"));
    Ok(())
}
