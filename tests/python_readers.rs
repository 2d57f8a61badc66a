//! h5py, pyarrow and pandas read humboldt's files without humboldt's code, and humboldt reads theirs.
//!
//! Needs `python3` with `venv`; the packages of `tests/python/requirements.txt` are installed once, under
//! `target/python`.

#![allow(clippy::float_cmp, reason = "what is written must be read back exactly")]

use std::error::Error;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use humboldt_pipeline::EventBatch;
use humboldt_pipeline::store::{EventReader, EventWriter, ImageReader, ImageWriter, Layout};
use humboldt_pipeline::voxels::CompactImage;
use humboldt_schemas::card::{GeneratorCard, ImageFormat, ImagesCard};
use humboldt_schemas::provenance::Provenance;
use serde_json::{Value, json};

type TestResult = Result<(), Box<dyn Error>>;

const AXES: [&str; 3] = ["cos_theta_l", "cos_theta_k", "chi"];

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python")
}

/// The Python of the test's own environment; made at the first use, and again when the requirements change.
fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| match environment() {
        Ok(python) => python,
        Err(e) => panic!("these tests need python3 with venv, and PyPI for the first run: {e}"),
    })
}

fn environment() -> Result<PathBuf, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("../python");
    let (python, installed) = (folder.join("bin/python"), folder.join("requirements.txt"));
    let wanted = fs::read_to_string(scripts().join("requirements.txt"))?;
    if fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
        return Ok(python);
    }
    output(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&folder))?;
    let requirements = scripts().join("requirements.txt");
    output(Command::new(&python).args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements))?;
    fs::write(installed, wanted)?;
    Ok(python)
}

fn output(command: &mut Command) -> Result<Vec<u8>, Box<dyn Error>> {
    let output = command.output().map_err(|e| format!("{}: {e}", command.get_program().display()))?;
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(format!("{command:?}: {}{}", output.status, String::from_utf8_lossy(&output.stderr)).into())
    }
}

/// What a script of `tests/python` prints about `path`.
fn run(script: &str, path: &Path) -> Result<Value, Box<dyn Error>> {
    let mut command = Command::new(python());
    // A script that another test starts while this file is written inherits its lock.
    command.arg(scripts().join(script)).arg(path).env("HDF5_USE_FILE_LOCKING", "FALSE");
    let printed = output(&mut command)?;
    Ok(serde_json::from_slice(if printed.is_empty() { b"null" } else { &printed })?)
}

fn provenance() -> Provenance {
    Provenance::new("c0ffee".to_owned(), 42, GeneratorCard::default())
}

/// Twenty images of 4^3 cells; every value is exact in f32 and in JSON.
fn write_images(path: &Path, format: ImageFormat, gzip: u8) -> TestResult {
    let card =
        ImagesCard { events: 100, bins: 4, format, gzip, layout: Layout::Dense, ..ImagesCard::default() };
    let mut writer = ImageWriter::create(path, &card, 20, &provenance())?;
    for i in 0..20_u16 {
        let image: Vec<f32> = (0..64_u16).map(|cell| f32::from(i) + f32::from(cell) / 64.0).collect();
        writer.push(&image, f64::from(i) / 8.0 - 2.0)?;
    }
    Ok(writer.finish()?)
}

/// What every reader must find in image 1 and the labels.
fn check_images(found: &Value) {
    assert_eq!(found["shape"], json!([20, 4, 4, 4]));
    assert_eq!(found["axes"], json!(AXES));
    assert_eq!(found["dtype"], "float32");
    assert_eq!(found["convention"], "LHCb");
    assert_eq!(found["seed"], 42);
    let labels: Vec<f64> = (0..20).map(|i| f64::from(i) / 8.0 - 2.0).collect();
    assert_eq!(found["delta_c9"], json!(labels));
    for (l, k, c) in [(0, 0, 0), (3, 1, 2), (1, 2, 3), (3, 3, 3)] {
        let cell = (l * 4 + k) * 4 + c;
        assert_eq!(found["image_1"][l][k][c], json!(1.0 + cell as f64 / 64.0), "{l} {k} {c}");
    }
}

#[test]
fn h5py_reads_images_labels_and_attributes() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images.h5");
    for (gzip, chunks) in [(0, Value::Null), (1, json!([1, 4, 4, 4]))] {
        write_images(&path, ImageFormat::Hdf5, gzip)?;
        let found = run("read_hdf5.py", &path)?;
        check_images(&found);
        assert_eq!(found["chunks"], chunks);
        assert_eq!(found["unit"], "GeV^2");
        assert_eq!(found["model"], "npr");
    }
    Ok(())
}

#[test]
fn pyarrow_reads_images_as_tensors_with_named_axes() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("images.arrow");
    write_images(&path, ImageFormat::Arrow, 0)?;
    let found = run("read_arrow.py", &path)?;
    check_images(&found);
    assert_eq!(found["type"], "arrow.fixed_shape_tensor");
    Ok(())
}

/// Three images of 3^3 cells: some events, none, and more in a cell than a byte counts.
fn compact_images() -> Result<Vec<CompactImage>, Box<dyn Error>> {
    let image = |bitmap: [u8; 4], sums: &[f32], counts: &[u32]| {
        CompactImage::from_parts(3, bitmap.to_vec(), sums.to_vec(), counts.to_vec())
    };
    Ok(vec![
        image([0b1000_0001, 0, 0, 0b100], &[1.5, 7.0, 9.0], &[1, 2, 3])?,
        image([0; 4], &[], &[])?,
        image([0, 0b10, 0b11, 0], &[508.0, 255.0, 140_000.0], &[254, 255, 70_000])?,
    ])
}

#[test]
fn h5py_and_pyarrow_read_compact_images() -> TestResult {
    let folder = tempfile::tempdir()?;
    let images = compact_images()?;
    for format in [ImageFormat::Hdf5, ImageFormat::Arrow] {
        let path = folder.path().join(format!("images.{}", format.extension()));
        let card = ImagesCard { events: 100, bins: 3, format, ..ImagesCard::default() };
        let mut writer = ImageWriter::create(&path, &card, 3, &provenance())?;
        writer.push_compact(&images, &[-1.0, 0.25, 0.5])?;
        writer.finish()?;
        let found = run("read_compact.py", &path)?;
        assert_eq!((&found["bins"], &found["axes"], &found["seed"]), (&json!(3), &json!(AXES), &json!(42)));
        assert_eq!(
            (&found["delta_c9"], &found["events"]),
            (&json!([-1.0, 0.25, 0.5]), &json!([6, 0, 70_509]))
        );
        let (mut means, mut counts) = ([0.0_f32; 27], [0.0_f32; 27]);
        for (i, image) in images.iter().enumerate() {
            image.to_dense(&mut means)?;
            image.counts_to_dense(&mut counts)?;
            assert_eq!(found["means"][i], json!(means.to_vec()), "{format:?} {i}");
            assert_eq!(found["counts"][i], json!(counts.to_vec()), "{format:?} {i}");
        }
    }
    Ok(())
}

#[test]
fn pandas_reads_events() -> TestResult {
    let folder = tempfile::tempdir()?;
    let column = |shift: f32| (0..200_u16).map(|i| shift + f32::from(i) / 256.0).collect::<Vec<_>>();
    let events = EventBatch {
        q2: column(1.0),
        cos_theta_l: column(-0.75),
        cos_theta_k: column(-0.5),
        chi: column(2.0),
        m_kpi: column(0.75),
    };
    for name in ["events.parquet", "events.arrow"] {
        let path = folder.path().join(name);
        let mut writer = EventWriter::create(&path, &provenance())?;
        writer.write(&events)?;
        writer.finish()?;
        let found = run("read_events.py", &path)?;
        assert_eq!(found["columns"], json!(["q2", "cos_theta_l", "cos_theta_k", "chi", "m_kpi"]));
        assert_eq!(found["dtypes"], json!(["float32"]));
        assert_eq!(found["rows"], 200);
        assert_eq!((&found["seed"], &found["convention"]), (&json!(42), &json!("LHCb")));
        for (name, column) in
            ["q2", "cos_theta_l", "cos_theta_k", "chi", "m_kpi"].iter().zip(events.columns())
        {
            assert_eq!(found["values"][name], json!(column), "{name}");
        }
    }
    Ok(())
}

#[test]
fn files_of_h5py_pyarrow_and_pandas_are_read() -> TestResult {
    let folder = tempfile::tempdir()?;
    run("write_files.py", folder.path())?;
    for name in ["events.parquet", "events.arrow"] {
        let events = EventReader::open(&folder.path().join(name))?.read_all()?;
        assert_eq!(events.len(), 30);
        assert!(events.m_kpi.iter().all(|&m| m == 0.9));
        for i in 0..30 {
            let angle = events.cos_theta_k[i];
            assert!((angle - (-0.9 + 1.8 * i as f32 / 29.0)).abs() < 1e-6, "{name} {i}");
            assert_eq!(events.cos_theta_l[i], -angle);
            assert!((events.chi[i] - 3.0 * angle).abs() < 1e-6 && (events.q2[i] - 10.0 - angle).abs() < 1e-6);
        }
    }
    let wanted: Vec<f32> = (0..4 * 27_u16).map(f32::from).collect();
    for name in ["images.h5", "images.arrow"] {
        let reader = ImageReader::open(&folder.path().join(name))?;
        assert_eq!((reader.bins(), reader.labels()), (3, &[-1.0, -0.5, 0.0, 0.5][..]));
        let mut images = vec![0.0; 4 * 27];
        reader.read_range(0, 4, &mut images)?;
        assert_eq!(images, wanted, "{name}");
    }
    Ok(())
}
