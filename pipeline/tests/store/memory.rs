//! Tables in memory: readers and writers take their paths for files.

use std::path::PathBuf;

use humboldt_pipeline::store::{EventFormat, EventReader, EventWriter, MemoryPath};

use crate::store::{TestResult, provenance, some_events};

#[test]
fn what_is_written_to_memory_is_read_from_it_and_leaves_with_its_path() -> TestResult {
    let events = some_events(700_000);
    let target = MemoryPath::to_write();
    let mut writer = EventWriter::create_as(EventFormat::Arrow, target.path(), &provenance(), &[])?;
    writer.write(&events.rows(0..1000))?;
    writer.take(events.rows(1000..700_000))?;
    assert!(writer.is_in_memory() && target.take().is_none());
    writer.finish()?;
    let table = target.take().ok_or("a table")?;
    assert_eq!((table.rows(), table.provenance()?), (700_000, Some(provenance())));

    let held = MemoryPath::of(table.clone());
    for _ in 0..2 {
        let reader = EventReader::open(held.path())?;
        assert_eq!(reader.provenance(), Some(&provenance()));
        assert!(reader.read_all()? == events);
    }
    let angles = EventReader::open_for_images(held.path())?.read_all()?;
    assert!(angles.chi == events.chi && angles.m_kpi.is_empty());
    assert_ne!(held.path(), target.path());

    let path: PathBuf = held.path().to_owned();
    drop(held);
    assert!(EventReader::open(&path).is_err() && !path.exists());
    Ok(())
}
