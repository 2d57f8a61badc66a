//! Event tables: what was written is what is read; tables of other programs.

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float32Array, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow::ipc::CompressionType;
use arrow::ipc::writer::{FileWriter, IpcWriteOptions};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::PipelineError;
use humboldt_pipeline::store::{EventReader, EventWriter};
use humboldt_schemas::events::EVENT_COLUMNS;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use crate::store::{TestResult, names, provenance, refusal, some_events, write_events};

#[test]
fn events_and_provenance_come_back() -> TestResult {
    let folder = tempfile::tempdir()?;
    // More than one row group.
    let events = some_events(1_200_000);
    for name in ["events.parquet", "events.arrow"] {
        let path = folder.path().join(name);
        write_events(&path, &events)?;
        let reader = EventReader::open(&path)?;
        assert_eq!((reader.len(), reader.provenance()), (1_200_000, Some(&provenance())));
        assert!(reader.read_all()? == events, "{name}");
        let angles = EventReader::open_for_images(&path)?.read_all()?;
        assert!(angles.m_kpi.is_empty() && angles.chi == events.chi && angles.q2 == events.q2);
    }
    assert_eq!(names(folder.path()), ["events.arrow", "events.parquet"]);
    Ok(())
}

#[test]
fn batches_of_any_size_make_the_same_table() -> TestResult {
    let folder = tempfile::tempdir()?;
    let events = some_events(5000);
    for name in ["events.parquet", "events.arrow"] {
        let path = folder.path().join(name);
        let mut writer = EventWriter::create(&path, &provenance())?;
        let mut rest = events.clone();
        for n in [1, 0, 999, 4000] {
            let mut part = rest.clone();
            part.q2.truncate(n);
            part.cos_theta_l.truncate(n);
            part.cos_theta_k.truncate(n);
            part.chi.truncate(n);
            part.m_kpi.truncate(n);
            writer.write(&part)?;
            rest.remove_first(n);
        }
        writer.finish()?;
        assert!(EventReader::open(&path)?.read_all()? == events, "{name}");
    }
    Ok(())
}

#[test]
fn the_same_events_make_the_same_file() -> TestResult {
    let folder = tempfile::tempdir()?;
    for name in ["events.parquet", "events.arrow"] {
        let path = folder.path().join(name);
        write_events(&path, &some_events(5000))?;
        let first = fs::read(&path)?;
        write_events(&path, &some_events(5000))?;
        assert!(fs::read(&path)? == first, "{name}");
    }
    Ok(())
}

#[test]
fn an_unfinished_table_leaves_nothing() -> TestResult {
    let folder = tempfile::tempdir()?;
    for name in ["events.parquet", "events.arrow"] {
        let mut writer = EventWriter::create(&folder.path().join(name), &provenance())?;
        writer.write(&some_events(100))?;
        let mut bad = some_events(10);
        bad.chi.pop();
        assert!(matches!(writer.write(&bad), Err(PipelineError::OutOfRange { .. })));
        drop(writer);
        assert_eq!(names(folder.path()), [""; 0]);
    }
    assert!(matches!(
        EventWriter::create(&folder.path().join("events.csv"), &provenance()),
        Err(PipelineError::OutOfRange { .. })
    ));
    assert_eq!(names(folder.path()), [""; 0]);
    Ok(())
}

fn parquet_file(path: &Path, columns: Vec<(&str, ArrayRef)>, compression: Compression) -> TestResult {
    let batch = RecordBatch::try_from_iter(columns)?;
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = ArrowWriter::try_new(fs::File::create(path)?, batch.schema(), Some(properties))?;
    writer.write(&batch)?;
    writer.close()?;
    Ok(())
}

fn doubles(values: &[f32]) -> ArrayRef {
    Arc::new(Float64Array::from_iter_values(values.iter().map(|&x| x.into())))
}

#[test]
fn tables_of_other_programs_are_read() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("from pandas");
    let events = some_events(50);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("__index_level_0__", Arc::new(Int64Array::from_iter_values(0..50))),
        ("chi", doubles(&events.chi)),
        ("comment", Arc::new(StringArray::from(vec!["x"; 50]))),
        ("cos_theta_k", Arc::new(Float32Array::from(events.cos_theta_k.clone()))),
        ("cos_theta_l", doubles(&events.cos_theta_l)),
        ("q2", doubles(&events.q2)),
        ("m_kpi", doubles(&events.m_kpi)),
    ];
    let (snappy, gzip) = (Compression::SNAPPY, Compression::GZIP(parquet::basic::GzipLevel::default()));
    for compression in [Compression::UNCOMPRESSED, snappy, gzip, Compression::LZ4_RAW] {
        parquet_file(&path, columns.clone(), compression)?;
        let reader = EventReader::open(&path)?;
        assert!(reader.provenance().is_none());
        assert_eq!(reader.read_all()?, events);
    }
    let without_mass = columns[..6].to_vec();
    parquet_file(&path, without_mass, snappy)?;
    let angles = EventReader::open_for_images(&path)?.read_all()?;
    assert_eq!((angles.q2, angles.m_kpi), (events.q2, Vec::new()));
    assert!(refusal(EventReader::open(&path), &path).contains("no column `m_kpi`; the file has"));
    Ok(())
}

#[test]
fn bad_columns_are_refused_by_name_and_row() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events");
    let EventBatch { q2, cos_theta_l, cos_theta_k, chi, m_kpi } = some_events(20);
    let good: Vec<(&str, ArrayRef)> = vec![
        ("q2", doubles(&q2)),
        ("cos_theta_l", doubles(&cos_theta_l)),
        ("cos_theta_k", doubles(&cos_theta_k)),
        ("chi", doubles(&chi)),
        ("m_kpi", doubles(&m_kpi)),
    ];
    let with_null = (0..20).map(|i| (i != 13).then_some(0.5)).collect::<Float64Array>();
    let with_nan = Float64Array::from_iter_values((0..20).map(|i| if i == 11 { f64::NAN } else { 0.5 }));
    let too_large = Float64Array::from_iter_values((0..20).map(|i| if i == 3 { 1e300 } else { 0.5 }));
    let text = StringArray::from(vec!["0.5"; 20]);
    let cases: [(&str, ArrayRef, &str); 4] = [
        ("q2", Arc::new(with_null), "q2 in row 13 = null is not allowed"),
        ("chi", Arc::new(with_nan), "chi in row 11 = NaN is not allowed"),
        ("m_kpi", Arc::new(too_large), "m_kpi in row 3 = 1e300 is not allowed"),
        ("cos_theta_k", Arc::new(text), "column `cos_theta_k` holds Utf8; allowed: Float32 or Float64"),
    ];
    for (name, array, message) in cases {
        let mut columns = good.clone();
        columns.retain(|(other, _)| *other != name);
        parquet_file(&path, columns.clone(), Compression::SNAPPY)?;
        assert!(
            refusal(EventReader::open(&path), &path).contains(&format!("no column `{name}`; the file has"))
        );
        columns.push((name, array));
        parquet_file(&path, columns, Compression::SNAPPY)?;
        let refused = refusal(EventReader::open(&path).and_then(EventReader::read_all), &path);
        assert!(refused.contains(message), "{refused}");
    }
    Ok(())
}

#[test]
fn a_compressed_column_that_claims_too_much_is_refused() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.arrow");
    let options = IpcWriteOptions::default().try_with_compression(Some(CompressionType::ZSTD))?;
    let zeros = doubles(&[0.8; 50]);
    let table = RecordBatch::try_from_iter(EVENT_COLUMNS.map(|name| (name, Arc::clone(&zeros))))?;
    let mut writer = FileWriter::try_new_with_options(File::create(&path)?, &table.schema(), options)?;
    writer.write(&table)?;
    writer.finish()?;
    assert_eq!(EventReader::open(&path)?.read_all()?.len(), 50);
    // Before each column stands its size, 400 bytes, and then zstd's first bytes.
    let good = fs::read(&path)?;
    let start = [&400_u64.to_le_bytes()[..], &[0x28, 0xb5, 0x2f, 0xfd]].concat();
    let at = good.windows(start.len()).position(|bytes| bytes == start).ok_or("no compressed column")?;
    for claim in [1_i64 << 20, 1 << 45, i64::MAX, i64::MIN] {
        let mut damaged = good.clone();
        damaged[at..at + 8].copy_from_slice(&claim.to_le_bytes());
        fs::write(&path, damaged)?;
        let refused = refusal(EventReader::open(&path)?.read_all(), &path);
        assert!(refused.ends_with(&format!("bytes for {claim}")), "{refused}");
    }
    Ok(())
}
