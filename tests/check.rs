//! `check`: what is off in a sample is named.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::support::{humboldt, succeed};
use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::store::{EventReader, EventWriter};
use humboldt_schemas::inference::Closure;
use parquet::arrow::ArrowWriter;

/// Events with S7, S8 and S9 that can be seen.
const GENERATE: [&str; 9] =
    ["generate", "--events", "40000", "--wc", "c9=-0.5,c10=2i", "--q2", "1:8", "--line-shape", "narrow"];

fn changed(from: &Path, to: &Path, change: impl Fn(&mut EventBatch)) {
    let reader = EventReader::open(from).unwrap();
    let mut writer = EventWriter::create(to, &reader.provenance().unwrap().clone()).unwrap();
    let mut events = reader.read_all().unwrap();
    change(&mut events);
    writer.write(&events).unwrap();
    writer.finish().unwrap();
}

fn check(path: &Path, arguments: &[&str]) -> (Closure, Vec<String>) {
    let output = succeed(&[&["check", path.to_str().unwrap(), "--truth", "--json"], arguments].concat());
    let closure: Closure = serde_json::from_slice(&output.stdout).unwrap();
    let kinds = closure.deviations.iter().map(|d| d.kind.clone()).collect();
    (closure, kinds)
}

#[test]
fn what_is_off_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let events = path("events.parquet");
    succeed(&[&GENERATE[..], &["--seed", "4", "--out", events.to_str().unwrap()]].concat());
    let (closure, kinds) = check(&events, &[]);
    assert!(closure.follows && kinds.is_empty() && closure.p_value > 1e-3, "{closure:?}");
    assert_eq!(closure.events, 40_000);

    let mirrored = path("mirrored.parquet");
    changed(&events, &mirrored, |events| events.chi.iter_mut().for_each(|chi| *chi = -*chi));
    let (closure, kinds) = check(&mirrored, &[]);
    assert!(!closure.follows && closure.p_value < 1e-3, "{closure:?}");
    assert_eq!(kinds, ["mirrored_chi"]);

    let (closure, kinds) = check(&events, &["--delta-c9", "0.4", "--wc", "c10=2i"]);
    assert_eq!(kinds, ["coefficients"]);
    let c9 = &closure.deviations[0].coefficients[0];
    assert!(c9.name == "c9" && (c9.value + 0.5).abs() < 5.0 * c9.sigma.unwrap(), "{c9:?}");

    let (closure, kinds) = check(&events, &["--q2", "1:12"]);
    assert_eq!(kinds, ["window"]);
    let [low, high] = closure.deviations[0].q2[0];
    assert!((low - 1.0).abs() < 0.01 && (high - 8.0).abs() < 0.01, "{low} {high}");

    let exchanged = path("exchanged.parquet");
    changed(&events, &exchanged, |events| events.cos_theta_l.iter_mut().for_each(|x| *x = -*x));
    assert_eq!(check(&exchanged, &[]).1, ["leptons"]);

    // Without --truth and in words.
    let output = succeed(&["check", mirrored.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("do not follow this density") && text.contains("mirror it in truth"), "{text}");
}

#[test]
fn other_units_of_the_truth_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("events.parquet");
    succeed(&[&GENERATE[..], &["--out", path.to_str().unwrap()]].concat());
    let events = EventReader::open(&path).unwrap().read_all().unwrap();
    let of = |column: &[f32], factor: f64| -> ArrayRef {
        Arc::new(Float64Array::from_iter_values(column.iter().map(|x| f64::from(*x) * factor)))
    };
    // A program's own table: MeV and degrees, the truth beside what was measured, of which nothing is right.
    let degrees = 1.0_f64.to_degrees();
    let zero = vec![0.5_f32; events.len()];
    let columns = [
        ("q2", of(&zero, 1.0)),
        ("cos_theta_l", of(&zero, 1.0)),
        ("cos_theta_k", of(&zero, 1.0)),
        ("chi", of(&zero, 1.0)),
        ("true_q2", of(&events.q2, 1e6)),
        ("true_cos_theta_l", of(&events.cos_theta_l, 1.0)),
        ("true_cos_theta_k", of(&events.cos_theta_k, 1.0)),
        ("true_chi", of(&events.chi, degrees)),
    ];
    let table = RecordBatch::try_from_iter(columns).unwrap();
    let own = folder.path().join("own.parquet");
    let mut writer = ArrowWriter::try_new(File::create(&own).unwrap(), table.schema(), None).unwrap();
    writer.write(&table).unwrap();
    writer.close().unwrap();
    let claim = ["--model", "npr", "--wc", "c9=-0.5,c10=2i", "--q2", "1:8"];
    let (closure, kinds) = check(&own, &claim);
    assert_eq!(kinds, ["units"], "{closure:?}");
    assert!(closure.deviations[0].words.starts_with("q2 in MeV^2, chi in degrees"), "{closure:?}");
}

#[test]
fn samples_that_tell_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events.parquet");
    succeed(&["generate", "--events", "400", "--q2", "1:8", "--out", events.to_str().unwrap()]);
    let output = humboldt(&["check", events.to_str().unwrap(), "--truth"]).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.code() == Some(2) && error.contains("events = 400"), "{error}");
}
