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

use humboldt_physics::{Decay, Flavour, Lepton, ModelName, WilsonShifts};
use humboldt_pipeline::store::{EventReader, EventWriter, ImageReader, ImageWriter, Layout};
use humboldt_pipeline::voxels::{CompactImage, Voxeliser};
use humboldt_pipeline::{EventBatch, PipelineError};
use humboldt_schemas::card::{GeneratorCard, ImageFormat, ImagesCard};
use humboldt_schemas::provenance::Provenance;
use serde_json::{Value, json};

use crate::support::environment::{environment, output};

type TestResult = Result<(), Box<dyn Error>>;

const AXES: [&str; 3] = ["cos_theta_l", "cos_theta_k", "chi"];

pub(crate) fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python")
}

/// The Python of the tests' own environment; made at the first use, and again when the requirements change.
pub(crate) fn python() -> &'static Path {
    static PYTHON: OnceLock<PathBuf> = OnceLock::new();
    PYTHON.get_or_init(|| match environment(&scripts().join("requirements.txt"), "python") {
        Ok(python) => python,
        Err(e) => panic!("these tests need python3 with venv, and PyPI for the first run: {e}"),
    })
}

/// Output of a script of `tests/python` about `path`.
pub(crate) fn run(script: &str, path: &Path) -> Result<Value, Box<dyn Error>> {
    run_with(python(), script, path)
}

/// Output of a script of `tests/python`, by the Python of an environment.
pub(crate) fn run_with(python: &Path, script: &str, path: &Path) -> Result<Value, Box<dyn Error>> {
    let mut command = Command::new(python);
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

/// Content of image 1 and the labels that every reader must find.
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

/// Reads all events or all images of a file; its first column, or all cells.
fn read(path: &Path) -> Result<Vec<f32>, PipelineError> {
    let ending = path.extension().and_then(|e| e.to_str());
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if ending == Some("h5") || name.contains("image") || name.contains("label") || name.contains("doubles") {
        let reader = ImageReader::open(path)?;
        let mut images = vec![0.0; reader.len() * reader.bins().pow(3)];
        reader.read_range(0, reader.len(), &mut images)?;
        Ok(images)
    } else {
        Ok(EventReader::open(path)?.read_all()?.q2)
    }
}

/// Words that must be said of each file of `write_habits.py` that is refused.
const REFUSED: &[(&str, &str)] = &[
    (
        "refused_degrees.parquet",
        "chi in row 0 = -154.69861 is not allowed; allowed: -pi to pi or 0 to 2 pi, in radians",
    ),
    ("refused_mev.parquet", "q2 in row 0 = 2100000 is not allowed; allowed: 0.000001 to 21."),
    ("refused_mass_mev.parquet", "m_kpi in row 0 = 900 is not allowed; allowed: 0.6332 to 5.27"),
    ("refused_angles.parquet", "cos_theta_l in row "),
    ("refused_beyond.parquet", "q2 in row 5 = 22.5 is not allowed; allowed: 0.000001 to 21."),
    (
        "refused_nan.parquet",
        "chi in row 11 = null is not allowed; allowed: a number in every row (pandas writes NaN as null)",
    ),
    ("refused_int.parquet", "column `chi` holds Int64; allowed: Float32 or Float64"),
    ("refused_bool.parquet", "column `chi` holds Boolean; allowed"),
    ("refused_dictionary.parquet", "column `chi` holds Dictionary(Int32, Float64); allowed"),
    ("refused_dictionary.arrow", "column `chi` holds Dictionary(Int32, Float64); allowed"),
    ("refused_half.parquet", "column `chi` holds Float16"),
    ("refused_half.arrow", "column `chi` holds Float16"),
    ("refused_decimal.parquet", "column `chi` holds Decimal128(30, 3)"),
    ("refused_decimal.arrow", "column `chi` holds Decimal128(30, 3)"),
    ("refused_list.parquet", "column `chi` holds LargeList"),
    ("refused_list.arrow", "column `chi` holds LargeList"),
    ("refused_text.parquet", "column `chi` holds LargeUtf8"),
    ("refused_text.arrow", "column `chi` holds LargeUtf8"),
    ("refused_twice.parquet", "two columns `q2`"),
    ("refused_twice.arrow", "two columns `q2`"),
    ("refused_weight_twice.parquet", "two columns `weight`"),
    ("refused_weight_twice.arrow", "two columns `weight`"),
    ("refused_name.parquet", "no column `q2`; the file has q^2, cos_theta_l, cos_theta_k, chi, m_kpi"),
    ("refused_attrs.parquet", "`angle_convention` = theory is not allowed; allowed: LHCb"),
    ("refused_convention.parquet", "`Angle convention` = EvtGen is not allowed; allowed: LHCb"),
    ("refused_convention.arrow", "`Angle convention` = EvtGen is not allowed; allowed: LHCb"),
    ("refused_unit.parquet", "`unit` of `chi` = deg is not allowed; allowed: rad"),
    ("refused_unit.arrow", "`unit` of `chi` = deg is not allowed; allowed: rad"),
    ("refused_csv.parquet", ": text, neither Parquet, Arrow IPC nor ROOT (pandas: read_csv"),
    ("refused_hdf.parquet", ": HDF5, neither Parquet, Arrow IPC nor ROOT"),
    ("refused_pickle.parquet", ": a Python pickle, neither"),
    ("refused_root.parquet", "never closed"),
    ("refused_numpy.npy", ": NumPy, neither"),
    ("refused_stream.arrow", ": an Arrow IPC stream, neither"),
    ("refused_convention_bytes.h5", "`angle_convention` = theory is not allowed; allowed: LHCb"),
    ("refused_convention_str.h5", "`angle_convention` = theory"),
    ("refused_convention_vlen_ascii.h5", "`angle_convention` = theory"),
    ("refused_convention_array.h5", "`angle_convention` = theory"),
    ("refused_convention_array_fixed.h5", "`angle_convention` = theory"),
    ("refused_convention_c_nullterm.h5", "`angle_convention` = theory"),
    ("refused_convention_c_nullpad.h5", "`angle_convention` = theory"),
    ("refused_convention_fortran.h5", "`angle_convention` = theory"),
    ("refused_convention_name.h5", "`AngleConvention` = theory"),
    ("refused_convention_on_images.h5", "`angle_convention` of `images` = theory"),
    ("refused_convention_on_labels.h5", "`convention` of `delta_c9` = theory"),
    ("refused_convention_pytables.h5", "`angle_convention` = theory"),
    ("refused_convention_number.h5", "`angle_convention` = int64 is not allowed; allowed: a text"),
    ("refused_axes.h5", "`axes` of `images` = [chi, cos_theta_k, cos_theta_l] is not allowed"),
    ("refused_axes_fixed.h5", "`axes` of `images` = [cos_theta_k, cos_theta_l, chi] is not allowed"),
    ("refused_axes_one_text.h5", "`axes` of `images` = cos_theta_k,cos_theta_l,chi is not allowed"),
    ("refused_dims.h5", "`DIMENSION_LABELS` of `images` = [image, chi, cos_theta_k, cos_theta_l] is not"),
    ("refused_unit.h5", "`unit` of `images` = MeV^2 is not allowed; allowed: GeV^2"),
    ("refused_lzf.h5", "`images` is compressed with lzf; allowed: gzip or none"),
    ("refused_blosc.h5", "`images` is compressed with blosc; allowed: gzip or none"),
    ("refused_zstd.h5", "`images` is compressed with zstd; allowed: gzip or none"),
    ("refused_user_block.h5", "HDF5 behind a user block of 512 bytes"),
    ("refused_infinite_label.h5", "delta_c9 of image 2 = inf is not allowed"),
    ("linked/refused_external.h5", "`images` is no dataset, or a link that leads to none"),
    ("linked/refused_external_convention.h5", "`angle_convention` of `images` = theory"),
    ("linked/refused_virtual.h5", "`images` is a virtual dataset"),
    ("refused_images_twice.arrow", "two columns `images`"),
    ("refused_labels_twice.arrow", "two columns `delta_c9`"),
    ("refused_doubles.arrow", "column `images`: FixedSizeList(27 x Float64"),
    ("refused_large_list_images.arrow", "column `images`: LargeList(Float32"),
    ("refused_image_convention.arrow", "`angle_convention` = theory"),
];

#[test]
fn issue_13_files_of_every_habit_are_read_right_or_refused_by_name() -> TestResult {
    let folder = tempfile::tempdir()?;
    run("write_habits.py", folder.path())?;
    let files = [folder.path().to_owned(), folder.path().join("linked")].map(fs::read_dir);
    let mut read_right = 0;
    for entry in files.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        let path = entry?.path();
        let name = path.strip_prefix(folder.path())?.to_string_lossy().into_owned();
        let expected = REFUSED.iter().find(|(refused, _)| *refused == name);
        match (read(&path), expected) {
            (Err(error), Some((_, message))) => {
                let said = error.to_string();
                assert!(matches!(error, PipelineError::Refused { .. }), "{name}: {error:?}");
                assert!(said.contains(message) && said.len() < 400 && !said.contains('\n'), "{name}: {said}");
            }
            (Ok(found), None) if name.contains("read_") => {
                read_right += 1;
                let wanted: Vec<f32> = if found.len() == 40 {
                    (0..40).map(|i| (3.0 + (-0.9 + 1.8 * f64::from(i) / 39.0)) as f32).collect()
                } else {
                    (0..108_u16).map(f32::from).collect()
                };
                assert!(found.iter().zip(&wanted).all(|(a, b)| (a - b).abs() < 1e-6), "{name}: {found:?}");
            }
            (result, _) if name.contains("ed_") => panic!("{name}: {result:?}"),
            _ => {}
        }
    }
    assert_eq!(read_right, 36);
    Ok(())
}

#[test]
fn issue_13_angles_of_either_range_and_rounded_ones_are_the_same_events() -> TestResult {
    let folder = tempfile::tempdir()?;
    run("write_habits.py", folder.path())?;
    let events = |name: &str| EventReader::open(&folder.path().join(name))?.read_all();
    let (plain, turned) = (events("read_nullable.parquet")?, events("read_chi_0_to_2pi.parquet")?);
    assert!(plain.chi.iter().zip(&turned.chi).all(|(a, b)| (a - b).abs() < 1e-6));
    let rounded = events("read_rounded.parquet")?;
    assert_eq!((rounded.cos_theta_k[0], rounded.chi[1]), (1.0, std::f32::consts::PI));
    let mut image = vec![0.0; 64];
    Voxeliser::new(4)?.voxelise(rounded.rows(0..2).angles(), &mut image)?;
    // cos_theta_l = 0.9 and 0.85, cos_theta_k = 1 and -0.85, chi = -2.7 and pi: the last cells.
    assert_eq!((image[3 * 16 + 3 * 4], image[3 * 16 + 3]), (rounded.q2[0], rounded.q2[1]));
    Ok(())
}

#[test]
fn issue_13_a_threshold_is_that_of_the_lepton() -> TestResult {
    let folder = tempfile::tempdir()?;
    run("write_habits.py", folder.path())?;
    let path = folder.path().join("of_electrons.parquet");
    EventReader::open(&path)?.read_all()?;
    let muons = Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::default())?;
    let refused = EventReader::open(&path)?.of_decay(&muons).read_all().unwrap_err().to_string();
    assert!(refused.contains("q2 in row 3 = 0.04 is not allowed; allowed: 0.04465"), "{refused}");
    Ok(())
}
