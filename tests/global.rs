//! Global fits through the program, against flavio and against themselves; see `tests/reference/README.md`.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::succeed;
use serde_json::Value;

const GRID: &str = include_str!("reference/flavio_37_grid.json");
const CHI2: &str = include_str!("reference/global_chi2.json");

fn json(arguments: &[&str]) -> Value {
    let output = succeed(&[&["global"], arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn at(point: &Value) -> [String; 4] {
    ["--c9".to_owned(), point["C9"].to_string(), "--c10".to_owned(), point["C10"].to_string()]
}

/// Value by observable, hadron and bin, as flavio's list has them.
fn by_name(predictions: &Value) -> BTreeMap<(String, String), f64> {
    let entries = predictions.as_array().unwrap().iter().map(|p| {
        let observable = match (p["observable"].as_str().unwrap(), p["process"].as_str().unwrap()) {
            ("dBR_dq2", "B0->K*0mumu") => "<dBR/dq2>(B0->K*mumu)".to_owned(),
            ("dBR_dq2", "B0->K0mumu") => "<dBR/dq2>(B0->Kmumu)".to_owned(),
            ("R_K", _) => "<Rmue>(B+->Kll)".to_owned(),
            ("R_Kstar", _) => "<Rmue>(B0->K*ll)".to_owned(),
            (name, _) => format!("<{name}>(B0->K*mumu)"),
        };
        let bin = format!("{:.4}-{:.4}", number(&p["q2_min"]), number(&p["q2_max"]));
        ((observable, bin), number(&p["value"]))
    });
    entries.collect()
}

#[test]
fn flavio_predictions_of_the_37_measurements() {
    let grid: Value = serde_json::from_str(GRID).unwrap();
    let list = &grid["A_primary"];
    for point in list["points"].as_array().unwrap().iter().step_by(9) {
        let [a, b, c, d] = at(point);
        let predictions = by_name(&json(&["predict", &a, &b, &c, &d]));
        assert_eq!(predictions.len(), 37);
        let observables = list["observables"].as_array().unwrap().iter();
        for (name, expected) in observables.zip(point["values"].as_array().unwrap()) {
            let bin = format!("{:.4}-{:.4}", number(&name[1]), number(&name[2]));
            let observable = name[0].as_str().unwrap().to_owned();
            let (got, expected) = (predictions[&(observable.clone(), bin)], number(expected));
            let allowed = match observable.as_str() {
                o if o.contains("dBR") => 0.003 * expected,
                o if o.contains("Rmue") => 0.001,
                _ => 0.002,
            };
            assert!((got - expected).abs() < allowed, "{name} at {point}: {got}");
        }
    }
}

/// Options, the reference's name for them, and by how much chi-square may differ: relative, and absolute.
const KINDS: [(&[&str], &str, f64, f64); 4] = [
    (&[], "experimental", 0.002, 0.0),
    (&["--correlations"], "experimental_correlated", 0.002, 0.0),
    (&["--theory-errors"], "theory", 0.06, 0.3),
    (&["--theory-errors", "--correlations"], "theory_correlated", 0.12, 1.0),
];

#[test]
fn flavio_chi_squares_on_a_grid() {
    let reference: Value = serde_json::from_str(CHI2).unwrap();
    for data in ["lhcb-2021", "lhcb-modern"] {
        for point in reference[data]["points"].as_array().unwrap().iter().step_by(18) {
            for (options, name, relative, absolute) in KINDS {
                let [a, b, c, d] = at(point);
                let got = json(&[&["chi2", "--data", data, &a, &b, &c, &d], options].concat());
                let (chi2, expected) = (number(&got["chi2"]), number(&point[name]));
                println!("{data} {name} {}: {chi2} against {expected}", point["C9"]);
                assert!(
                    (chi2 - expected).abs() < relative * expected + absolute,
                    "{data}, {name}, {point}: {chi2}"
                );
                assert_eq!(got["n"], 37);
                let contributions = got["contributions"].as_array().unwrap();
                let sum: f64 = contributions.iter().map(|c| number(&c["contribution"])).sum();
                assert!((sum / chi2 - 1.0).abs() < 1e-9);
            }
        }
    }
}

/// The bars of the study's data: 37.5 +- 2 near (-1.02, 0.20) without theory errors, 29.6 +- 2 near (-0.96, 0.17) with them,
/// and the Standard Model at 104 +- 8; here far closer.
#[test]
fn flavio_best_fits() {
    let reference: Value = serde_json::from_str(CHI2).unwrap();
    for data in ["lhcb-2021", "lhcb-modern"] {
        for (options, name, ..) in KINDS {
            let expected = &reference[data]["minimum"][name];
            let fit = json(&[&["fit", "--data", data], options].concat());
            let theory = options.contains(&"--theory-errors");
            let chi2 = number(&fit["chi2"]);
            println!("{data} {name}: {chi2}, {}", fit["parameters"]);
            assert!(
                (chi2 - number(&expected["chi2"])).abs() < if theory { 1.0 } else { 0.05 },
                "{data}, {name}: {chi2}"
            );
            for (parameter, coefficient) in fit["parameters"].as_array().unwrap().iter().zip(["C9", "C10"]) {
                let difference = number(&parameter["value"]) - number(&expected[coefficient]);
                assert!(difference.abs() < if theory { 0.03 } else { 0.002 }, "{data}, {name}: {parameter}");
                for side in ["minus", "plus"] {
                    let ratio = number(&parameter[side]) / number(&parameter["sigma"]);
                    assert!((ratio - 1.0).abs() < 0.1, "{data}, {name}: {parameter}");
                }
            }
            assert_eq!(fit["degrees_of_freedom"], 35);
            let zero = number(&fit["chi2_at_zero"]);
            let standard_model = number(&reference[data]["points"][0][name]);
            assert!((zero / standard_model - 1.0).abs() < if theory { 0.05 } else { 0.001 });
        }
    }
}

/// A file of measurements made of predictions, each with an error of 5 % of its own or of 0.05.
fn measured_at(predictions: &Value) -> String {
    let mut text = "source = \"predictions\"\n".to_owned();
    for p in predictions.as_array().unwrap() {
        let value = number(&p["value"]);
        let error = if p["observable"] == "dBR_dq2" { 0.05 * value } else { 0.05 };
        text += &format!(
            "[[groups]]\nmeasurements = [{{ process = {}, observable = {}, q2_min = {}, q2_max = {}, value = {value:e}, \
             errors = [[{error:e}, {error:e}]] }}]\n",
            p["process"], p["observable"], p["q2_min"], p["q2_max"]
        );
    }
    text
}

#[test]
fn what_a_fit_is_given_it_finds_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("made.toml");
    let truth = [("c9", -0.8), ("c10", 0.4), ("c7_prime", 0.03), ("c9_prime", 0.5), ("c10_prime", -0.2)];
    let shifts = truth.map(|(name, value)| format!("{name}={value}")).join(",");
    fs::write(&path, measured_at(&json(&["predict", "--wc", &shifts]))).unwrap();
    let path = path.to_str().unwrap();
    let fit = json(&["fit", "--data", path, "--free", "c9,c10,c7_prime,c9_prime,c10_prime"]);
    assert!(number(&fit["chi2"]) < 1e-6, "{}", fit["chi2"]);
    for (parameter, (name, value)) in fit["parameters"].as_array().unwrap().iter().zip(truth) {
        assert_eq!(parameter["name"], name);
        assert!((number(&parameter["value"]) - value).abs() < 1e-4, "{parameter}");
    }
    // What stays fixed elsewhere is felt.
    let other = json(&["fit", "--data", path, "--wc", "c9_prime=0.5,c10_prime=-0.2"]);
    assert!(number(&other["chi2"]) > 0.1 && number(&other["chi2"]) < 20.0);
    // Both: the made measurements join those of LHCb.
    assert_eq!(json(&["chi2", "--data", &format!("lhcb-2021,{path}")])["n"], 74);

    // Coefficients of polynomials, in the convention of the study.
    let polynomial = "P2=0.05:-0.004:0.0002";
    let predicted = json(&["predict", "--c9", "-0.5", "--polynomial", polynomial]);
    fs::write(path, measured_at(&predicted)).unwrap();
    let fit = json(&["fit", "--data", path, "--free", "c9", "--polynomials", "independent"]);
    assert!(number(&fit["chi2"]) < 1e-6);
    let value = |name: &str| {
        let parameters = fit["parameters"].as_array().unwrap();
        number(&parameters.iter().find(|p| p["name"] == name).unwrap()["value"])
    };
    assert!((value("a0[P2]") - 0.05).abs() < 1e-3 && (value("a1[P2]") + 0.004).abs() < 1e-3);
    assert!(value("a0[P1]").abs() < 1e-3 && (value("c9") + 0.5).abs() < 1e-2);
    let exact = json(&["chi2", "--data", path, "--c9", "-0.5", "--polynomial", polynomial]);
    assert!(number(&exact["chi2"]) < 1e-12);
    assert!(number(&json(&["chi2", "--data", path, "--c9", "-0.5"])["chi2"]) > 0.1);
}

#[test]
fn polynomials_and_more_coefficients_lower_chi_square() {
    let chi2 = |extra: &[&str]| number(&json(&[&["fit"], extra].concat())["chi2"]);
    let plain = chi2(&[]);
    let shared = chi2(&["--polynomials", "shared"]);
    let independent = chi2(&["--polynomials", "independent"]);
    let six = chi2(&["--free", "c7,c9,c10,c7_prime,c9_prime,c10_prime"]);
    assert!(
        shared < plain - 1.0 && independent < shared - 1.0 && six < plain - 1.0,
        "{plain} {shared} {independent} {six}"
    );
}

fn rows(path: &Path) -> Vec<Vec<f64>> {
    let text = fs::read_to_string(path).unwrap();
    text.lines().skip(1).map(|line| line.split(',').map(|x| x.parse().unwrap()).collect()).collect()
}

#[test]
fn a_scan_leaves_a_grid_contours_and_figures() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("scan");
    let path = out.to_str().unwrap();
    succeed(&["global", "scan", "--points", "61", "--out", path]);
    for name in [
        "scan.csv",
        "contours.csv",
        "observables.csv",
        "contours.svg",
        "contours.png",
        "observables.svg",
        "observables.png",
        "pulls.csv",
        "pulls.svg",
        "pulls.png",
    ] {
        assert!(fs::metadata(out.join(name)).unwrap().len() > 500, "{name}");
    }
    let grid = rows(&out.join("scan.csv"));
    assert_eq!(grid.len(), 61 * 61);
    let row = &grid[61 * 20 + 31];
    let direct = json(&["chi2", "--c9", &row[0].to_string(), "--c10", &row[1].to_string()]);
    assert!((number(&direct["chi2"]) / row[2] - 1.0).abs() < 1e-9);

    // The projection of a region of two parameters is wider than an interval by the root of its rise.
    let fit = json(&["fit"]);
    let lines = rows(&out.join("contours.csv"));
    for (sigmas, rise) in [(1.0, 2.2957_f64), (2.0, 6.1801), (3.0, 11.8292)] {
        for axis in 0..2 {
            let along = || lines.iter().filter(|line| line[0] == sigmas).map(|line| line[2 + axis]);
            let width = along().fold(f64::MIN, f64::max) - along().fold(f64::MAX, f64::min);
            let expected = 2.0 * rise.sqrt() * number(&fit["parameters"][axis]["sigma"]);
            assert!(
                (width / expected - 1.0).abs() < 0.05,
                "{sigmas} sigma, axis {axis}: {width} against {expected}"
            );
        }
    }
    assert_eq!(fs::read_to_string(out.join("observables.csv")).unwrap().lines().count(), 1 + 2 * 37);
}

#[test]
fn results_depend_on_the_seed_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let sample = |threads: &str, seed: &str, out: &str| {
        let arguments =
            ["global", "sample", "--theory-errors", "--draws", "50", "--steps", "300", "--burn-in", "50"];
        let rest = ["--threads", threads, "--seed", seed, "--out", out, "--json"];
        succeed(&[&arguments[..], &rest[..]].concat()).stdout
    };
    let [a, b, c] = ["a.parquet", "b.parquet", "c.parquet"].map(file);
    let (one, two, other) = (sample("1", "5", &a), sample("2", "5", &b), sample("2", "6", &c));
    assert!(one == two && one != other);
    assert!(fs::read(a).unwrap() == fs::read(b).unwrap());
    let posterior: Value = serde_json::from_slice(&one).unwrap();
    let fit = json(&["fit", "--theory-errors", "--draws", "50", "--seed", "5"]);
    for (sampled, fitted) in
        posterior["parameters"].as_array().unwrap().iter().zip(fit["parameters"].as_array().unwrap())
    {
        let sigma = number(&fitted["sigma"]);
        assert!(
            (number(&sampled["median"]) - number(&fitted["value"])).abs() < 0.3 * sigma,
            "{sampled} {fitted}"
        );
        assert!((number(&sampled["sigma"]) / sigma - 1.0).abs() < 0.2, "{sampled} {fitted}");
    }
}
