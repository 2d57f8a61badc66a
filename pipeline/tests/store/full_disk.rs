//! A disk that fills up, played by the shell's limit on the size of a file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use humboldt_pipeline::PipelineError;
use humboldt_pipeline::store::{EventWriter, ImageWriter};
use humboldt_pipeline::voxels::CompactImage;

use crate::store::compact::{self, FORMATS};
use crate::store::{TestResult, cards, names, provenance, some_events};

const FOLDER: &str = "HUMBOLDT_TEST_FOLDER";

#[test]
#[cfg(unix)]
fn a_full_disk_is_named_and_leaves_nothing() -> TestResult {
    let folder = tempfile::tempdir()?;
    let script =
        "trap '' XFSZ; ulimit -f 64; exec \"$0\" --exact store::full_disk::child --ignored --nocapture";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe()?)
        .env(FOLDER, folder.path())
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    assert!(!text.contains("HDF5-DIAG"), "the library's own messages: {text}");
    assert_eq!(names(folder.path()), [""; 0]);
    Ok(())
}

#[test]
#[ignore = "runs under a file size limit, by the test above"]
fn child() -> TestResult {
    let folder = PathBuf::from(std::env::var_os(FOLDER).ok_or("only by the test above")?);
    let refused = |result: Result<(), PipelineError>, path: &Path| match result {
        Err(PipelineError::Io { path: named, source }) => {
            assert_eq!(named, path);
            assert_eq!(source.kind(), std::io::ErrorKind::FileTooLarge, "{source:?}");
        }
        other => panic!("{other:?}"),
    };
    // Noise does not compress.
    let noise: Vec<f32> = (1..=100 * 1000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32).collect();
    for card in cards(10) {
        let path = folder.join(format!("images.{}", card.format.extension()));
        let write = || {
            let mut writer = ImageWriter::create(&path, &card, 100, &provenance())?;
            noise.chunks(1000).try_for_each(|image| writer.push(image, 0.5))?;
            writer.finish()
        };
        refused(write(), &path);
        assert_eq!(names(&folder), [""; 0]);
    }
    for format in FORMATS {
        let path = folder.join("compact");
        let bitmap = || vec![255; 125];
        let image = |sums: &[f32]| CompactImage::from_parts(10, bitmap(), sums.to_vec(), vec![1; 1000]);
        let images = noise.chunks(1000).map(image).collect::<Result<Vec<_>, _>>()?;
        refused(compact::write(&path, format, &images), &path);
        assert_eq!(names(&folder), [""; 0]);
    }
    for name in ["events.parquet", "events.arrow"] {
        let path = folder.join(name);
        let write = || {
            let mut writer = EventWriter::create(&path, &provenance())?;
            let mut events = some_events(100_000);
            events.q2.copy_from_slice(&noise);
            writer.write(&events)?;
            writer.finish()
        };
        refused(write(), &path);
        assert_eq!(names(&folder), [""; 0]);
    }
    fs::write(folder.join("small"), "room for this")?;
    fs::remove_file(folder.join("small"))?;
    Ok(())
}
