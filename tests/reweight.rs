//! Scores, reweighting and physical inputs through the program.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs::File;
use std::path::Path;

use crate::support::succeed;
use arrow::array::AsArray;
use arrow::datatypes::Float64Type;
use humboldt_pipeline::store::EventReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

fn column(path: &Path, name: &str) -> Vec<f64> {
    let reader =
        ParquetRecordBatchReaderBuilder::try_new(File::open(path).unwrap()).unwrap().build().unwrap();
    let batches = reader.map(|batch| {
        let batch = batch.unwrap();
        batch.column_by_name(name).unwrap().as_primitive::<Float64Type>().values().to_vec()
    });
    batches.flatten().collect()
}

fn generate(folder: &Path, name: &str, extra: &[&str]) -> String {
    let path = folder.join(name).to_str().unwrap().to_owned();
    succeed(&[&["generate", "--events", "300000", "--seed", "3", "--out", &path], extra].concat());
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
