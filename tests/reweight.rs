//! Scores, reweighting and physical inputs through the program.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs::{self, File};
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int8Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type, Int64Type};
use humboldt_pipeline::store::EventReader;
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use parquet::file::properties::WriterProperties;

use crate::support::{humboldt, refused, succeed};

fn column(path: &Path, name: &str) -> Vec<f64> {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let batches = reader.map(|batch| {
        let batch = batch.unwrap();
        let numbers = cast(batch.column_by_name(name).unwrap(), &DataType::Float64).unwrap();
        numbers.as_primitive::<Float64Type>().values().to_vec()
    });
    batches.flatten().collect()
}

fn generate(folder: &Path, name: &str, extra: &[&str]) -> String {
    let path = folder.join(name).to_str().unwrap().to_owned();
    let events = if extra.contains(&"--events") { &[][..] } else { &["--events", "300000"] };
    succeed(&[&["generate", "--seed", "3", "--out", &path], events, extra].concat());
    path
}

/// Forward-backward asymmetry of a sample below the charm resonances.
fn asymmetry(path: &str) -> (f64, f64) {
    let events = EventReader::open(Path::new(path)).unwrap().read_all().unwrap();
    let low = events.q2.iter().zip(&events.cos_theta_l).filter(|(q2, _)| **q2 < 6.0);
    let signs: Vec<f64> = low.map(|(_, c)| f64::from(c.signum())).collect();
    let n = signs.len() as f64;
    (signs.iter().sum::<f64>() / n, n.sqrt().recip())
}

#[test]
fn weights_are_the_ratio_of_parabolas_and_unweighting_follows_them() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let source = generate(folder.path(), "sm.parquet", &["--score", "c9", "--line-shape", "narrow"]);
    succeed(&["reweight", &source, "--delta-c9", "-1.5", "--out", &path("weighted.parquet")]);
    succeed(&["reweight", &source, "--delta-c9", "-1.5", "--with-rate", "--out", &path("rate.parquet")]);
    succeed(&["reweight", &source, "--delta-c9", "-1.5", "--unweight", "--out", &path("kept.parquet")]);
    let direct = generate(folder.path(), "direct.parquet", &["--delta-c9", "-1.5", "--line-shape", "narrow"]);

    let weights = column(Path::new(&path("weighted.parquet")), "weight");
    let [a, b, c] = ["a_c9", "b_c9", "c_c9"].map(|name| column(Path::new(&source), name));
    // At one K pi mass the weight is the ratio of |A|^2 up to one constant, that of the rates.
    let ratios: Vec<f64> =
        (0..weights.len()).map(|i| weights[i] * a[i] / (a[i] - 1.5 * b[i] + 2.25 * c[i])).collect();
    assert!(ratios.iter().all(|r| (r / ratios[0] - 1.0).abs() < 1e-9));
    // Weights with the rate have no such constant.
    let with_rate = column(Path::new(&path("rate.parquet")), "weight");
    let rates: Vec<f64> = with_rate.iter().zip(&weights).map(|(r, w)| r / w).collect();
    assert!(rates.iter().all(|r| (r * ratios[0] - 1.0).abs() < 1e-9), "{} {}", rates[0], ratios[0]);
    let ((kept, error), (direct, sigma)) = (asymmetry(&path("kept.parquet")), asymmetry(&direct));
    let tolerance = 4.0 * error.hypot(sigma);
    assert!((kept - direct).abs() < tolerance, "{kept} +- {error} against {direct} +- {sigma}");
    let (source, _) = asymmetry(&source);
    assert!((source - direct).abs() > 1.5 * tolerance, "{source} against {direct}: the test sees nothing");
}

#[test]
fn models_and_inputs_change_events() {
    let folder = tempfile::tempdir().unwrap();
    let plain = generate(folder.path(), "full.parquet", &["--model", "full"]);
    let moved = generate(folder.path(), "moved.parquet", &["--model", "full", "--inputs", "sm_m_c_pole=1.2"]);
    let other = generate(folder.path(), "nnlo.parquet", &["--model", "nnlo"]);
    let read = |path: &str| EventReader::open(Path::new(path)).unwrap();
    let provenance = read(&moved).provenance().cloned().unwrap();
    assert_eq!(provenance.generator.inputs.get("sm_m_c_pole"), Some(&1.2));
    let events = [&plain, &moved, &other].map(|path| read(path).read_all().unwrap());
    assert!(events[0] != events[1] && events[0] != events[2]);
}

/// The table `source` with further columns, and with its metadata.
fn with_columns(source: &str, to: &Path, change: impl Fn(&RecordBatch) -> Vec<(&'static str, ArrayRef)>) {
    let builder = ParquetRecordBatchReaderBuilder::try_new(File::open(source).unwrap()).unwrap();
    let metadata = builder.metadata().file_metadata().key_value_metadata().cloned();
    let batches: Vec<RecordBatch> = builder.build().unwrap().collect::<Result<_, _>>().unwrap();
    let table = arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap();
    let own = table.schema_ref().fields().iter().map(|f| f.name().clone()).zip(table.columns().to_vec());
    let more = change(&table).into_iter().map(|(name, array)| (name.to_owned(), array));
    // A name that is there already is replaced.
    let mut columns: Vec<(String, ArrayRef)> = own.collect();
    for (name, array) in more {
        match columns.iter_mut().find(|(other, _)| *other == name) {
            Some(column) => column.1 = array,
            None => columns.push((name, array)),
        }
    }
    let table = RecordBatch::try_from_iter(columns).unwrap();
    let properties = WriterProperties::builder().set_key_value_metadata(metadata).build();
    let mut writer =
        ArrowWriter::try_new(File::create(to).unwrap(), table.schema(), Some(properties)).unwrap();
    writer.write(&table).unwrap();
    writer.close().unwrap();
}

fn table(path: &Path) -> RecordBatch {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let batches: Vec<RecordBatch> = reader.collect::<Result<_, _>>().unwrap();
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

#[test]
fn issue_14_reweight_keeps_the_columns_of_a_user_and_refuses_to_overwrite_weights() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let source = generate(folder.path(), "sm.parquet", &["--events", "2000", "--score", "c9"]);
    with_columns(&source, &path("own.parquet"), |table| {
        let rows = table.num_rows();
        let run = Int64Array::from_iter_values(0..rows as i64);
        let tag = StringArray::from_iter((0..rows).map(|i| (i % 7 > 0).then(|| format!("tag {i}"))));
        vec![("run", Arc::new(run) as ArrayRef), ("tag", Arc::new(tag))]
    });
    succeed(&["reweight", &text("own.parquet"), "--delta-c9", "-1", "--out", &text("w.parquet")]);
    let (own, weighted) = (table(&path("own.parquet")), table(&path("w.parquet")));
    assert_eq!(weighted.num_columns(), own.num_columns() + 1);
    for (field, column) in own.schema().fields().iter().zip(own.columns()) {
        assert_eq!(weighted.column_by_name(field.name()), Some(column), "{}", field.name());
    }
    succeed(&[
        "reweight",
        &text("own.parquet"),
        "--delta-c9",
        "-1",
        "--unweight",
        "--out",
        &text("u.parquet"),
    ]);
    let kept = table(&path("u.parquet"));
    let (run, q2) = (kept.column_by_name("run").unwrap(), kept.column_by_name("q2").unwrap());
    let rows = run.as_primitive::<Int64Type>();
    assert!(rows.len() > 200 && rows.len() < 2000);
    let of_source = own.column_by_name("q2").unwrap();
    for (row, q2) in rows.values().iter().zip(q2.as_primitive::<Float32Type>().values()) {
        assert_eq!(of_source.as_primitive::<Float32Type>().value(*row as usize), *q2);
    }
    // Through Arrow as well, and a second weight is refused.
    succeed(&["reweight", &text("own.parquet"), "--delta-c9", "-1", "--out", &text("w.arrow")]);
    let again = ["reweight", &text("w.arrow"), "--delta-c9", "-2", "--out", &text("w2.arrow")];
    let refused = humboldt(&again).output().unwrap();
    let stderr = String::from_utf8(refused.stderr).unwrap();
    assert!(refused.status.code() == Some(2) && stderr.contains("column `weight`"), "{stderr}");
    assert!(!path("w2.arrow").exists());
}

#[test]
fn issue_14_weights_come_from_the_truth_where_there_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let text = |name: &str| path(name).to_str().unwrap().to_owned();
    let source = generate(folder.path(), "sm.parquet", &["--events", "2000", "--q2", "1:6"]);
    // A detector that measures every q2 and cosine a little wrong.
    with_columns(&source, &path("seen.parquet"), |table| {
        let column = |name: &str| table.column_by_name(name).unwrap().as_primitive::<Float32Type>().clone();
        let smeared = |name: &str| Arc::new(column(name).unary::<_, Float32Type>(|x| 0.97 * x)) as ArrayRef;
        vec![
            ("true_q2", Arc::new(column("q2")) as ArrayRef),
            ("true_cos_theta_l", Arc::new(column("cos_theta_l"))),
            ("q2", smeared("q2")),
            ("cos_theta_l", smeared("cos_theta_l")),
        ]
    });
    let weights = |from: &str, to: &str| {
        succeed(&["reweight", &text(from), "--delta-c9", "-1", "--out", &text(to)]);
        column(&path(to), "weight")
    };
    let (of_truth, of_source) = (weights("seen.parquet", "a.parquet"), weights("sm.parquet", "b.parquet"));
    assert_eq!(of_truth, of_source);
    let read = |name: &str| EventReader::open(&path(name)).unwrap().read_all().unwrap();
    assert!(read("seen.parquet").q2.iter().zip(&read("sm.parquet").q2).all(|(a, b)| *a == 0.97 * b));
}

/// In a file of both flavours each event has the weight of its own: imaginary shifts move them by opposite signs, so that a B0
/// weighs what a B0bar does for the conjugate shifts.
#[test]
fn issue_15_each_event_has_the_weight_of_its_flavour() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let source = generate(folder.path(), "own.parquet", &["--q2", "1:8", "--events", "20000"]);
    let mixed = path("mixed.parquet");
    let flavour = |row: usize| if row.is_multiple_of(3) { -1 } else { 1 };
    with_columns(&source, Path::new(&mixed), |table| {
        let flavours = Int8Array::from_iter_values((0..table.num_rows()).map(flavour));
        vec![("flavour", Arc::new(flavours) as ArrayRef)]
    });
    let weights = |source: &str, shifts: &str| {
        let out = path("weighted.parquet");
        succeed(&["reweight", source, "--wc", shifts, "--force", "--out", &out]);
        column(Path::new(&out), "weight")
    };
    let found = weights(&mixed, "c9=-0.5+1.5i,c7_prime=0.2i");
    let b0bar = weights(&source, "c9=-0.5+1.5i,c7_prime=0.2i");
    let b0 = weights(&source, "c9=-0.5-1.5i,c7_prime=-0.2i");
    let differ = b0bar.iter().zip(&b0).filter(|(a, b)| (*a / *b - 1.0).abs() > 0.05).count();
    assert!(differ > found.len() / 2, "{differ} of {}", found.len());
    for (row, found) in found.iter().enumerate() {
        let expected = if flavour(row) > 0 { b0bar[row] } else { b0[row] };
        assert!((found / expected - 1.0).abs() < 1e-6, "{row}: {found} {expected}");
    }
}

/// An S-wave and an acceptance belong to the density of both points; background does not change.
#[test]
fn issue_15_effects_of_a_card_are_part_of_both_densities() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let card = path("card.toml");
    let effects = "[s_wave]\nfraction = 0.15\n[acceptance.formula]\ncos_theta_k = [1.0, -0.4]\n[background]\ncombinatorial = 0.3\n";
    fs::write(&card, format!("[generator]\nq2 = [\"1.1:6\"]\n{effects}")).unwrap();
    let generate = |shift: &str, seed: &str, out: &str| {
        let common = ["generate", "--card", &card, "--events", "200000", "--delta-c9", shift];
        succeed(&[&common[..], &["--seed", seed, "--out", &path(out)]].concat());
    };
    generate("0", "1", "source.parquet");
    generate("-1.5", "2", "direct.parquet");
    succeed(&["reweight", &path("source.parquet"), "--delta-c9", "-1.5", "--out", &path("weighted.parquet")]);
    let of = |file: &str, name: &str| column(Path::new(&path(file)), name);
    let (weights, components) = (of("weighted.parquet", "weight"), of("weighted.parquet", "component"));
    let signal: Vec<f64> =
        weights.iter().zip(&components).filter(|(_, c)| **c == 0.0).map(|(w, _)| *w).collect();
    assert!(weights.iter().zip(&components).all(|(w, c)| *c == 0.0 || *w == 1.0));
    let mean = signal.iter().sum::<f64>() / signal.len() as f64;
    assert!((mean - 1.0).abs() < 0.01, "{mean}");
    // The interference of the S-wave is odd in cos_theta_k; l and q2 see the shift.
    for name in ["cos_theta_k", "cos_theta_l", "q2"] {
        let (own, direct) = (of("weighted.parquet", name), of("direct.parquet", name));
        let sum: f64 = weights.iter().sum();
        let weighted = own.iter().zip(&weights).map(|(x, w)| x * w).sum::<f64>() / sum;
        let n = direct.len() as f64;
        let there = direct.iter().sum::<f64>() / n;
        let spread = (direct.iter().map(|x| (x - there).powi(2)).sum::<f64>() / n).sqrt();
        let pull = (weighted - there) / (spread * (2.5 / n).sqrt());
        assert!(pull.abs() < 4.0, "{name}: {weighted}, {there}, {pull}");
    }

    let said = succeed(&["moments", &path("source.parquet"), "--bins", "1.1:6"]);
    let said = String::from_utf8(said.stdout).unwrap();
    for what in ["an S-wave", "an acceptance", "background"] {
        let warning = format!("the file says that its events have {what}, the moments know of none");
        assert!(said.contains(&warning), "{said}");
    }

    fs::write(&card, "[background]\nfiles = [\"sideband.parquet\"]\nfraction = 0.4\n").unwrap();
    let arguments = ["generate", "--card", &card, "--events", "10", "--out", &path("x.parquet")];
    refused(&arguments, &["background.files", "polynomials"]);
}
