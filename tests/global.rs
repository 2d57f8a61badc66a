//! Global fits through the program, against flavio and against themselves; see `tests/reference/README.md`.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::{humboldt, refusal, succeed};
use humboldt_physics::Observable;
use humboldt_physics::convention::cms_factor;
use serde_json::Value;

const GRID: &str = include_str!("reference/flavio_37_grid.json");
const CHI2: &str = include_str!("reference/global_chi2.json");

fn json(arguments: &[&str]) -> Value {
    let output = succeed(&[&["global"], arguments, &["--json"]].concat());
    serde_json::from_slice(&output.stdout).unwrap()
}

fn fail(arguments: &[&str]) -> String {
    refusal(&mut humboldt(arguments))
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
        let predictions = by_name(&json(&["predict", "--data", "lhcb-2021", &a, &b, &c, &d]));
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
    fs::write(&path, measured_at(&json(&["predict", "--data", "lhcb-2021", "--wc", &shifts]))).unwrap();
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
    let predicted = json(&["predict", "--data", "lhcb-2021", "--c9", "-0.5", "--polynomial", polynomial]);
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
    let chi2 = |extra: &[&str]| number(&json(&[&["fit", "--data", "lhcb-2021"], extra].concat())["chi2"]);
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
    succeed(&["global", "scan", "--data", "lhcb-2021", "--points", "61", "--out", path]);
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
    let [c9, c10] = [row[0].to_string(), row[1].to_string()];
    let direct = json(&["chi2", "--data", "lhcb-2021", "--c9", &c9, "--c10", &c10]);
    assert!((number(&direct["chi2"]) / row[2] - 1.0).abs() < 1e-9);

    // The projection of a region of two parameters is wider than an interval by the root of its rise.
    let fit = json(&["fit", "--data", "lhcb-2021"]);
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
        let rest = ["--data", "lhcb-2021", "--threads", threads, "--seed", seed, "--out", out, "--json"];
        succeed(&[&arguments[..], &rest[..]].concat()).stdout
    };
    let [a, b, c] = ["a.parquet", "b.parquet", "c.parquet"].map(file);
    let (one, two, other) = (sample("1", "5", &a), sample("2", "5", &b), sample("2", "6", &c));
    assert!(one == two && one != other);
    assert!(fs::read(a).unwrap() == fs::read(b).unwrap());
    let posterior: Value = serde_json::from_slice(&one).unwrap();
    let fit = json(&["fit", "--data", "lhcb-2021", "--theory-errors", "--draws", "50", "--seed", "5"]);
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

const FLAVIO_2025: &str = include_str!("reference/flavio_lhcb_2025_p.json");
const SIX_BINS: &str = "1.1:2.5,2.5:4,4:6,6:8,15:17,17:19";
const EIGHT: &str = "S2c,P1,P2,P3,P4p,P5p,P6p,P8p";

/// LHCb 2025 in the basis of optimised observables against flavio's predictions and the archive's errors and correlations.
#[test]
fn issue_19_flavio_chi_square_of_lhcb_2025() {
    let reference: Value = serde_json::from_str(FLAVIO_2025).unwrap();
    for point in reference["points"].as_array().unwrap() {
        let [a, b, c, d] = at(point);
        let filters = ["--data", "lhcb-2025-p", "--only", EIGHT, "--bins", SIX_BINS, "--symmetric-errors"];
        for (options, name) in [(&["--correlations"][..], "chi2"), (&[], "chi2_uncorrelated")] {
            let got = json(&[&["chi2", &a, &b, &c, &d], &filters[..], options].concat());
            let (chi2, expected) = (number(&got["chi2"]), number(&point[name]));
            println!("{} {}: {chi2} against {expected}", point["C9"], point["C10"]);
            assert_eq!(got["n"], 48);
            assert!(
                (chi2 / expected - 1.0).abs() < 0.002,
                "{name} at {}, {}: {chi2}",
                point["C9"],
                point["C10"]
            );
        }
    }
}

/// The Standard Model columns of CMS's own record, in CMS's convention, are what `full` predicts turned by the convention.
#[test]
fn issue_19_cms_convention_is_that_of_its_record() {
    let flavio = [
        ("F_L", [0.737, 0.793, 0.703]),
        ("P1", [0.042, -0.106, -0.18]),
        ("P2", [-0.462, -0.092, 0.308]),
        ("P3", [0.004, 0.004, 0.002]),
        ("P4p", [0.005, -0.735, -1.018]),
        ("P5p", [0.261, -0.45, -0.77]),
        ("P6p", [0.07, 0.053, 0.029]),
        ("P8p", [0.033, 0.034, 0.022]),
    ];
    let predicted = json(&["predict", "--data", "cms-2024", "--bins", "1.1:2,2:4.3,4.3:6"]);
    for (name, columns) in flavio {
        let observable: Observable = name.parse().unwrap();
        let own: Vec<f64> = predicted
            .as_array()
            .unwrap()
            .iter()
            .filter(|p| p["observable"] == name)
            .map(|p| number(&p["value"]) * cms_factor(observable))
            .collect();
        assert_eq!(own.len(), 3);
        for (own, theirs) in own.iter().zip(columns) {
            // flavio has -S2c where the fit finds (3 S1c - S2c)/4: 4 % more of F_L.
            assert!((own - theirs).abs() < 0.04, "{name}: {own} against {theirs}");
            assert!(theirs.abs() < 0.01 || own * theirs > 0.0, "{name}: {own} against {theirs}");
        }
    }
    // A value of CMS's in LHCb's convention: half of -0.431, minus 0.108, minus half of 0.727.
    let got = json(&["chi2", "--data", "cms-2024", "--bins", "2:4.3"]);
    for (name, value) in [("P4p", -0.2155), ("P6p", -0.108), ("P8p", -0.3635)] {
        let contributions = got["contributions"].as_array().unwrap();
        let own = contributions.iter().find(|c| c["observable"] == name).unwrap();
        assert!((number(&own["measured"]) - value).abs() < 1e-12, "{own}");
    }
}

/// Recommended data are the default, with all errors; what is left out is said.
#[test]
fn issue_13_case_21_default_set() {
    let draws = ["--draws", "100", "--c9", "-0.5"];
    let plain = json(&[&["chi2"], &draws[..]].concat());
    let named =
        json(&[&["chi2", "--data", "default", "--theory-errors", "--correlations"], &draws[..]].concat());
    assert_eq!(plain, named);
    let without = json(&["chi2", "--no-theory-errors", "--no-correlations", "--c9", "-0.5"]);
    assert!(number(&without["chi2"]) > number(&plain["chi2"]));
    let left_out = plain["left_out"].as_array().unwrap();
    assert!(left_out.iter().any(|l| l["reason"].as_str().unwrap().contains("charmonia")));
    assert!(left_out.iter().any(|l| l["reason"].as_str().unwrap().contains("narrower")));
    let says = |arguments: &[&str]| String::from_utf8(succeed(arguments).stderr).unwrap();
    let said = says(&["global", "chi2", "--data", "lhcb-2025-p"]);
    assert!(said.contains("theory errors are left out: --theory-errors adds them"), "{said}");
    assert!(said.contains("near the charmonia") && said.contains("[11, 12.5]"), "{said}");
}

/// Nothing counts twice: refused where the experiment is known, said where it is not.
#[test]
fn issue_13_case_21_counted_twice() {
    for (data, words) in [
        ("lhcb-2025-p,lhcb-2025-s", "both of the events LHCb B0->K*0mumu angles"),
        ("lhcb-2025-s-massive,lhcb-2025-half-bins", "both of the events"),
        ("lhcb-2021,lhcb-modern", "both of the events LHCb B0->K*0mumu angles"),
        ("lhcb-2021,lhcb-2025-p", "both of the events"),
        ("lhcb-modern,ratios", "R_K of B+->K+mumu in [1.1, 6]"),
        ("default,cms-2024", "both of the events"),
        ("cms-2024,cms-2024", "cms-2024 twice"),
    ] {
        let error = fail(&["global", "chi2", "--data", data]);
        assert!(error.contains(words) && error.trim_end().lines().count() == 1, "{data}: {error}");
    }
    // Without what they share they go together.
    let apart = ["chi2", "--data", "lhcb-modern,ratios", "--exclude", "R_K@1.1:6,R_Kstar@1.1:6"];
    assert_eq!(json(&apart)["n"], 35 + 2 + 2);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    fs::write(
        &path,
        r#"source = "a paper"
[[groups]]
measurements = [{ process = "B0->K*0mumu", observable = "P5p", q2_min = 4, q2_max = 6, value = -0.4, errors = [[0.1, 0.2]] }]
"#,
    )
    .unwrap();
    let data = format!("lhcb-2025-p,{}", path.display());
    let said = String::from_utf8(succeed(&["global", "chi2", "--data", &data]).stderr).unwrap();
    assert!(said.contains("P5p of B0->K*0mumu in [4, 6] counts twice"), "{said}");
}

#[test]
fn issue_19_selections_are_checked() {
    let p = ["global", "chi2", "--data", "lhcb-2025-p"];
    for (rest, words) in [
        (["--only", "R_K"], "--only = R_K is not allowed; allowed: what the data hold"),
        (["--exclude", "F_H"], "--exclude = F_H"),
        (["--only", "P9"], "P9"),
        (["--bins", "1:6"], "--bins = 1:6 is not allowed; allowed: 0.06:0.98"),
        (["--bins", "6:1"], "MIN:MAX"),
        (["--bins", "1.1:6,4:6"], "no events in common"),
    ] {
        let error = fail(&[&p[..], &rest].concat());
        assert!(error.contains(words), "{rest:?}: {error}");
    }
    let n = |rest: &[&str]| json(&[&["chi2", "--data", "lhcb-2025-p"], rest].concat())["n"].clone();
    assert_eq!(n(&["--only", "P5p"]), 7);
    assert_eq!(n(&["--only", "P5p", "--bins", "1.1:6"]), 1);
    assert_eq!(n(&["--only", "P5p", "--exclude", "P5p@4:6"]), 6);
    assert_eq!(n(&["--only", "P5p@11:12.5"]), 1);
}

/// S-wave and all else without a prediction are free numbers of the fit: leaving them out of the covariance is the same as
/// minimising over their true values.
#[test]
fn issue_19_nuisances_are_free() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let text = |nuisance: &str, rho: f64| {
        format!(
            r#"source = "a paper"
[[groups]]
correlation = [[1.0, {rho}], [{rho}, 1.0]]
measurements = [
  {{ process = "B0->K*0mumu", observable = "P5p", q2_min = 4, q2_max = 6, value = -0.4, errors = [[0.1, 0.1]] }},
  {{ process = "B0->K*0mumu", {nuisance}, q2_min = 4, q2_max = 6, value = 0.1, errors = [[0.05, 0.05]] }},
]
"#
        )
    };
    let chi2 = |nuisance: &str, rho: f64| {
        fs::write(&path, text(nuisance, rho)).unwrap();
        let got = json(&["chi2", "--correlations", "--data", path.to_str().unwrap()]);
        (got["n"].clone(), number(&got["chi2"]))
    };
    let (one, free) = chi2("nuisance = true, observable = \"FS\"", 0.8);
    assert_eq!(one, 1);
    let (one, other) = chi2("nuisance = true, observable = \"FS\"", -0.3);
    assert_eq!(one, 1);
    assert!((free - other).abs() < 1e-12);
    // The lowest of a scan over the true value of the second.
    let prediction = number(&json(&["predict", "--data", path.to_str().unwrap()])[0]["value"]);
    let pull = (-0.4 - prediction) / 0.1;
    let lowest = (-4000..4000)
        .map(|k| f64::from(k) * 0.005)
        .map(|other| (pull * pull - 1.6 * pull * other + other * other) / (1.0 - 0.64))
        .fold(f64::INFINITY, f64::min);
    assert!((lowest - free).abs() < 1e-3, "{lowest} against {free}");
}

/// Likelihood tables and limits are entries like any other.
#[test]
fn issue_19_likelihoods_and_limits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mine.toml");
    let chi2 = |entry: &str| {
        fs::write(
            &path,
            format!(
                "source = \"a paper\"\n[[groups]]\nmeasurements = [{{ process = \"B+->K+mumu\", observable = \"R_K\", \
                 q2_min = 1.1, q2_max = 6, {entry} }}]\n"
            ),
        )
        .unwrap();
        number(&json(&["chi2", "--data", path.to_str().unwrap()])["chi2"])
    };
    let prediction = number(&json(&["predict", "--data", "lhcb-modern", "--only", "R_K"])[0]["value"]);
    // A parabola as a table is the parabola.
    let table = |x: f64| format!("[{x}, {}]", 0.5 * ((x - 0.9) / 0.05).powi(2));
    let gauss = chi2("value = 0.9, errors = [[0.05, 0.05]]");
    let points: Vec<String> = [0.7, 0.8, 0.9, 1.0, 1.1].map(table).to_vec();
    let tabulated = chi2(&format!("likelihood = [{}]", points.join(", ")));
    assert!((gauss / tabulated - 1.0).abs() < 1e-9, "{gauss} {tabulated}");
    assert!((gauss - ((prediction - 0.9) / 0.05).powi(2)).abs() < 1e-9);
    // 95 % of half a normal density lie below 1.96 of its widths.
    let limit = chi2("limit = [2.0, 0.95]");
    assert!((limit - (prediction * 1.959_964 / 2.0).powi(2)).abs() < 1e-5);
    for (entry, words) in [
        ("likelihood = [[0.8, 1.0], [0.9, 0.0]]", "likelihood = 2 pairs"),
        ("likelihood = [[0.8, 1.0], [0.9, 0.0], [1.0, -1.0]]", "likelihood = 3 pairs"),
        ("limit = [2.0, 95]", "limit = [2, 95]"),
        ("limit = [2.0, 0.95], value = 1.0", "more than one kind"),
        ("q2 = 1", "unknown key"),
    ] {
        fs::write(
            &path,
            format!(
                "source = \"a paper\"\n[[groups]]\nmeasurements = [{{ process = \"B+->K+mumu\", observable = \"R_K\", \
                 q2_min = 1.1, q2_max = 6, {entry} }}]\n"
            ),
        )
        .unwrap();
        let error = fail(&["global", "chi2", "--data", path.to_str().unwrap()]);
        assert!(error.contains(words), "{entry}: {error}");
    }
}

/// An error that two files share is one error.
#[test]
fn issue_19_common_errors_cross_files() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, process: &str, common: &str| {
        let path = folder.path().join(name);
        fs::write(
            &path,
            format!(
                "source = \"{name}\"\nsources = [\"stat\", \"norm\"]\ncommon = [{common}]\n[[groups]]\nmeasurements = \
                 [{{ process = \"{process}\", observable = \"dBR_dq2\", q2_min = 15, q2_max = 22, value = 2e-8, \
                 errors = [[3e-9, 3e-9], [4e-9, 4e-9]] }}]\n"
            ),
        )
        .unwrap();
        path.to_str().unwrap().to_owned()
    };
    let chi2 = |common: &str| {
        let data = [file("a.toml", "B+->K+mumu", common), file("b.toml", "B0->K0mumu", common)].join(",");
        json(&["chi2", "--correlations", "--data", &data])
    };
    let (apart, together) = (chi2(""), chi2("\"norm\""));
    let pulls: Vec<f64> =
        together["contributions"].as_array().unwrap().iter().map(|c| number(&c["pull"])).collect();
    let [a, b] = pulls[..] else { panic!("{} pulls", pulls.len()) };
    assert!((number(&apart["chi2"]) - (a * a + b * b)).abs() < 1e-9);
    let rho = 16.0 / 25.0;
    let expected = (a * a - 2.0 * rho * a * b + b * b) / (1.0 - rho * rho);
    assert!((number(&together["chi2"]) - expected).abs() < 1e-9);
}

/// Muons alone, both leptons, imaginary parts, ranges of q2 and charm loops are told apart.
#[test]
fn issue_19_kinds_of_shifts() {
    let made = tempfile::tempdir().unwrap();
    let path = made.path().join("made.toml");
    let set = |shifts: &str| {
        let data = ["--data", "lhcb-modern"];
        fs::write(&path, measured_at(&json(&[&["predict", "--wc", shifts], &data[..]].concat()))).unwrap();
    };
    let fit = |free: &str| json(&["fit", "--data", path.to_str().unwrap(), "--free", free]);
    let values = |fit: &Value| -> Vec<f64> {
        fit["parameters"].as_array().unwrap().iter().map(|p| number(&p["value"])).collect()
    };
    // Universal: ratios stay at 1.
    set("c9=-0.8,c9_e=-0.8");
    let both = fit("c9_u,c9");
    assert!((values(&both)[0] + 0.8).abs() < 1e-3 && values(&both)[1].abs() < 1e-3, "{:?}", values(&both));
    assert!(number(&fit("c9")["chi2"]) > 1.0);
    set("c9=-0.8");
    let both = fit("c9_u,c9");
    assert!(values(&both)[0].abs() < 1e-3 && (values(&both)[1] + 0.8).abs() < 1e-3, "{:?}", values(&both));
    // A shift by ranges: the same everywhere, so that one value does as well.
    let path_text = path.to_str().unwrap();
    let by_bin = json(&["fit", "--data", path_text, "--by-bin", "c9=0:6:8:23"]);
    assert!(values(&by_bin).iter().all(|x| (x + 0.8).abs() < 0.05), "{:?}", values(&by_bin));
    assert!(number(&by_bin["one_value"]["p_value"]) > 0.99, "{}", by_bin["one_value"]);
    // Charm loops: nothing is needed of them.
    let charm = fit("c9,charm_1,charm_2");
    assert!(values(&charm)[1].abs() < 0.05 && values(&charm)[2].abs() < 0.05, "{:?}", values(&charm));
}
