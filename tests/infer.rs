//! `bound`, `fit` and `moments` through the program.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use crate::support::{refused, succeed};
use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::store::EventReader;
use parquet::arrow::ArrowWriter;
use serde_json::Value;

fn json(arguments: &[&str]) -> Value {
    serde_json::from_slice(&succeed(arguments).stdout).unwrap()
}

fn number(x: &Value) -> f64 {
    x.as_f64().unwrap()
}

fn generate(folder: &Path, name: &str, extra: &[&str]) -> String {
    let path = folder.join(name).to_str().unwrap().to_owned();
    succeed(&[&["generate", "--seed", "4", "--out", &path], extra].concat());
    path
}

/// A user's own table: f64 columns in another order, no K pi mass, no provenance.
fn foreign(path: &Path, events: &EventBatch) {
    let column =
        |x: &[f32]| Arc::new(Float64Array::from_iter_values(x.iter().map(|x| f64::from(*x)))) as ArrayRef;
    let batch = RecordBatch::try_from_iter([
        ("chi", column(&events.chi)),
        ("q2", column(&events.q2)),
        ("cos_theta_k", column(&events.cos_theta_k)),
        ("cos_theta_l", column(&events.cos_theta_l)),
    ])
    .unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn bound_prints_one_over_the_root_of_the_information() {
    let bound = |extra: &[&str]| {
        let common = ["bound", "--events", "24613", "--q2", "0.1:19.2", "--delta-c9", "-0.87", "--json"];
        json(&[&common, extra].concat())
    };
    let plain = bound(&[]);
    let sigma = number(&plain["sigma"]);
    // An independent program has 0.0488.
    assert!((sigma / 0.0488 - 1.0).abs() < 0.01, "{sigma}");
    let keys = ["delta_c9", "events", "q2_min", "q2_max"].map(|key| number(&plain[key]));
    assert_eq!(keys, [-0.87, 24_613.0, 0.1, 19.2]);
    let pull = (number(&plain["sigma_by_events"]) - sigma) / number(&plain["sigma_by_events_error"]);
    assert!(pull.abs() < 4.0, "{pull}");
    assert_eq!(plain, bound(&["--threads", "1"]));

    let rich = bound(&["--also", "c10", "--with-rate", "--nuisances", "form-factors"]);
    assert!(number(&rich["sigma"]) < sigma, "the rate adds information");
    let marginal = number(&rich["covariance"][0][0]).sqrt();
    assert!(marginal > number(&rich["sigma"]), "another free coefficient costs some");
    assert!(number(&rich["sigma_profiled"]) > number(&rich["sigma"]), "so do form factors");
    assert!(number(&rich["covariance_profiled"][0][0]).sqrt() > marginal);
}

#[test]
fn fit_finds_the_shifts_of_a_sample_and_of_its_parts() {
    let folder = tempfile::tempdir().unwrap();
    let extra = ["--delta-c9", "-0.87", "--wc", "c10=0.4", "--events", "30000", "--q2", "1:8"];
    let path = generate(folder.path(), "e.parquet", &extra);
    let fits = json(&["fit", &path, "--free", "c9,c10", "--json"]);
    let fit = &fits[0];
    for (c, (name, truth)) in
        fit["coefficients"].as_array().unwrap().iter().zip([("c9", -0.87), ("c10", 0.4)])
    {
        assert_eq!(c["name"], name);
        let pull = (number(&c["value"]) - truth) / number(&c["sigma"]);
        assert!(pull.abs() < 4.0, "{name}: {pull}");
        assert!((number(&c["minus"]) / number(&c["plus"]) - 1.0).abs() < 0.3);
    }
    assert!(number(&fit["goodness"]["p_value"]) > 1e-3);
    assert_eq!(fits, json(&["fit", &path, "--free", "c9,c10", "--json", "--threads", "1"]));

    // What is not free stays as the file says: C10 here.
    let parts = json(&["fit", &path, "--events", "9000", "--json"]);
    let parts = parts.as_array().unwrap();
    assert_eq!(parts.len(), 3);
    assert_eq!(parts[2]["first_row"], 18_000);
    let mean = parts.iter().map(|fit| number(&fit["coefficients"][0]["value"])).sum::<f64>() / 3.0;
    assert!((mean + 0.87).abs() < 0.25, "{mean}");
    let text = succeed(&["fit", &path]).stdout;
    assert!(String::from_utf8(text).unwrap().contains("profile"));

    let moments = json(&["moments", &path, "--bins", "1:4,4:8", "--free", "c9", "--json"]);
    assert_eq!(moments["bins"].as_array().unwrap().len(), 2);
    let events = EventReader::open(Path::new(&path)).unwrap().read_all().unwrap();
    let low = events.q2.iter().zip(&events.cos_theta_l).filter(|(q2, _)| **q2 < 4.0);
    let (n, forward) = low.fold((0.0, 0.0), |(n, sum), (_, c)| (n + 1.0, sum + f64::from(c.signum())));
    let a_fb = &moments["bins"][0]["observables"][1];
    assert_eq!(a_fb[0], "A_FB");
    assert!((number(&a_fb[1]) - forward / n).abs() < 4.0 / f64::sqrt(n), "{a_fb} {}", forward / n);
    let c9 = &moments["fit"]["coefficients"][0];
    assert!(((number(&c9["value"]) + 0.87) / number(&c9["sigma"])).abs() < 4.0, "{c9}");
}

#[test]
fn tables_without_a_mass_are_fitted_at_the_pole() {
    let folder = tempfile::tempdir().unwrap();
    let extra = ["--delta-c9", "-1.2", "--events", "20000", "--line-shape", "narrow", "--q2", "1:8"];
    let path = generate(folder.path(), "e.parquet", &extra);
    let own = folder.path().join("own.parquet");
    foreign(&own, &EventReader::open(Path::new(&path)).unwrap().read_all().unwrap());
    let own = own.to_str().unwrap();
    let value = |fits: &Value| number(&fits[0]["coefficients"][0]["value"]);
    let [with, without] = [json(&["fit", &path, "--json"]), json(&["fit", own, "--q2", "1:8", "--json"])];
    assert!((value(&with) - value(&without)).abs() < 1e-9);
    let selected = json(&["fit", own, "--q2", "2:6", "--select", "--json"]);
    assert!(number(&selected[0]["events"]) < 20_000.0 && (value(&selected) + 1.2).abs() < 0.4);
    refused(&["fit", own, "--q2", "2:6"], &["q2 in row", "2.0", ":6.0"]);
    refused(&["fit", own, "--q2", "1:8", "--line-shape", "breit-wigner"], &["line-shape", "m_kpi", "narrow"]);
}

#[test]
fn bad_input_is_refused_by_field_and_value() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    let text = |name: &str| at(name).to_str().unwrap().to_owned();
    let path = generate(folder.path(), "few.parquet", &["--events", "15"]);
    refused(&["fit", &path], &["events = 15", "20"]);
    refused(&["fit", &path, "--events", "16"], &["--events = 16", "15"]);
    refused(&["fit", &path, "--free", "c9,c9"], &["free = c9", "once"]);
    refused(&["fit", &path, "--free", "c11"], &["c11", "c10_prime"]);
    refused(&["moments", &path, "--bins", "1:6"], &["events in the bin 1:6", "24"]);
    refused(&["moments", &path, "--bins", "1:6,5:8"], &["--bins = 5:8", "overlap"]);
    refused(&["fit", "nowhere.parquet"], &["nowhere.parquet"]);

    let mut events = EventReader::open(Path::new(&path)).unwrap().read_all().unwrap();
    foreign(&at("empty.parquet"), &EventBatch::default());
    refused(&["fit", &text("empty.parquet"), "--q2", ":"], &["empty.parquet", "events = 0"]);
    events.cos_theta_k[3] = 1.5;
    foreign(&at("cosine.parquet"), &events);
    refused(&["fit", &text("cosine.parquet"), "--q2", ":"], &["cos_theta_k in row 3 = 1.5", "-1 to 1"]);
    events.cos_theta_k[3] = f32::NAN;
    foreign(&at("nan.parquet"), &events);
    refused(&["fit", &text("nan.parquet"), "--q2", ":"], &["cos_theta_k", "NaN", "row 3"]);

    refused(&["bound", "--events", "0"], &["--events", "0"]);
    refused(&["bound", "--events", "nan"], &["--events", "nan"]);
    refused(&["bound", "--q2", "30:40"], &["q2", "30"]);
    refused(&["bound", "--also", "c9"], &["--also c9", "once"]);
    refused(&["bound", "--nuisances", "weather"], &["weather", "form-factors"]);
    refused(&["bound", "--ignore-m-kpi"], &["--line-shape"]);
}
