//! `compare` of learned ratios: estimators on the same measured events, and on such that differ from the simulation.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{humboldt, refused, succeed};

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// A card's run; `effects` are its tables of effects.
fn run(folder: &Path, effects: &str) -> String {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let text = format!(
        "seed = 4\n[generator]\nq2 = [\"1.1:8\"]\n[parameters]\nc9 = [-2.5, 1.1]\n[dataset]\npoints = 3\ntest = 9\n\
         [images]\nevents = 3000\n[network]\npreset = \"ratio\"\nlayers = [32, 32]\n[simulation]\nevents = 60000\n\
         [simulation.reference]\nc9 = -0.5\n{effects}[training]\nepochs = 6\nbatch_size = 512\n"
    );
    fs::write(path("card.toml"), text).unwrap();
    succeed(&["run", &path("card.toml"), "--out", &path("run")]);
    path("run")
}

/// A comparison of a run with options that are written as on the command line.
fn compare<'a>(run: &'a str, options: &'a str) -> Vec<&'a str> {
    ["compare", run].into_iter().chain(options.split_whitespace()).collect()
}

/// Without what depends on the machine.
fn timeless(mut comparisons: Value) -> Value {
    for comparison in comparisons.as_array_mut().unwrap() {
        for estimator in comparison["estimators"].as_array_mut().unwrap() {
            assert!(number(&estimator["milliseconds"].take()) > 0.0);
        }
    }
    comparisons
}

/// Acceptance and background: three ways to the same coefficient, whose estimates of one sample are nearly the same.
#[test]
fn three_estimators_agree_on_the_same_measured_events() {
    const IMAGES: f64 = 16.0;
    let folder = tempfile::tempdir().unwrap();
    let effects = "[acceptance.formula]\ncos_theta_k = [1.0, -0.4]\n[background]\ncombinatorial = 0.3\n";
    let run = run(folder.path(), effects);
    let arguments = compare(&run, "--images 16 --values -1.5,-0.5 --json");
    let output = humboldt(&arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success() && said.contains("compare: 96 pseudo-experiments, about"), "{said}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let comparison = &found[0];
    assert_eq!(
        (&comparison["calibration_images"], &comparison["background"]),
        (&Value::from(0), &Value::from(0.3))
    );
    let estimators = comparison["estimators"].as_array().unwrap();
    let names: Vec<&str> = estimators.iter().map(|e| e["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["ratio", "unbinned", "moments"]);
    for place in 0..2 {
        let at = |i: usize| &estimators[i]["values"][place];
        for (i, name) in names.iter().enumerate() {
            let (value, sigma) = (at(i), number(&at(i)["sigma"]));
            assert_eq!(number(&value["truth"]), [-1.5, -0.5][place]);
            assert!(number(&value["bias"]).abs() < 4.0 * sigma / IMAGES.sqrt(), "{name} {value}");
            // Widths of 16 numbers are known to 18 %.
            let ratio = number(&value["ratio_to_bound"]);
            assert!(ratio > 0.5 && ratio < 2.0, "{name} {value}");
            assert!(number(&value["coverage_95"]) >= 12.0 / IMAGES, "{name} {value}");
            // The same events: means differ by less than those of others would.
            let apart = number(&value["mean"]) - number(&at(0)["mean"]);
            assert!(apart.abs() < 3.0 * sigma / IMAGES.sqrt(), "{name} {value}");
        }
    }
    let wrong = comparison["wrong"].as_array().unwrap();
    let what: Vec<&str> = wrong.iter().map(|wrong| wrong["what"].as_str().unwrap()).collect();
    assert_eq!(what, ["20 % more background than simulated", "an S-wave, not simulated"]);
    // Nobody was told of the S-wave, which moves all estimators the same way.
    for shift in wrong[1]["shifts"].as_array().unwrap() {
        let (moved, error) = (number(&shift["shift"]), number(&shift["error"]));
        assert!(
            moved < -2.0 * error && moved > -10.0 && shift["values"].as_array().unwrap().len() == 2,
            "{shift}"
        );
    }

    let at = |name: &str| folder.path().join(name);
    for name in
        ["comparison.csv", "coverage.svg", "pulls.png", "width_over_bound.svg", "wrong_simulation.svg"]
    {
        assert!(at("run/results/compare").join(name).exists(), "{name}");
    }
    assert!(!at("run/results/compare/parts").exists());
    let page = succeed(&["report", &run]).stdout;
    let page = fs::read_to_string(String::from_utf8(page).unwrap().trim()).unwrap();
    assert!(page.contains("<h3>A wrong simulation</h3>") && page.contains("an S-wave, not simulated"));

    // By one thread the same, elsewhere; and from parts that are there.
    let other = at("other").to_str().unwrap().to_owned();
    let again = succeed(&[&arguments[..], &["--out", &other, "--threads", "1"]].concat()).stdout;
    let again: Value = serde_json::from_slice(&again).unwrap();
    assert_eq!(timeless(again), timeless(found));

    for (options, words) in [
        ("--values 2", ["--values = 2 is not allowed", "-2.5 to 1.1"]),
        ("--estimators network", ["--estimators = network", "ratio, unbinned, moments"]),
        ("--calibration-images 50", ["--calibration-images", "learned ratios"]),
        ("--wrong resolution", ["--wrong = resolution", "is not allowed"]),
        ("--wrong weather", ["weather", "resolution, background, s_wave, none"]),
    ] {
        refused(&compare(&run, options), &words);
    }
}

/// A detector and an S-wave: all estimators know both, and what was simulated wrongly moves them.
#[test]
fn a_detector_and_an_s_wave_are_known_to_all_estimators() {
    let folder = tempfile::tempdir().unwrap();
    let run = run(folder.path(), "[s_wave]\n[detector]\nbase = \"belle2\"\n");
    let arguments = compare(&run, "--images 6 --values -1 --wrong resolution,s_wave --json");
    let output = humboldt(&arguments).output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let wrong = &found[0]["wrong"];
    let estimators = found[0]["estimators"].as_array().unwrap();
    assert_eq!(estimators.len(), 3);
    for estimator in [&estimators[0], &estimators[2]] {
        let value = &estimator["values"][0];
        assert!(number(&value["bias"]).abs() < 4.0 * number(&value["sigma"]) / 6.0_f64.sqrt(), "{value}");
    }
    assert_eq!(
        (&wrong[0]["what"], &wrong[1]["what"]),
        (
            &Value::from("resolution 20 % worse than simulated"),
            &Value::from("no S-wave, which was simulated")
        )
    );
    let none = compare(&run, "--images 3 --values -1 --wrong none --estimators ratio --json");
    let none: Value = serde_json::from_slice(&succeed(&none).stdout).unwrap();
    assert!(none[0].get("wrong").is_none(), "{none}");
    let text = succeed(&compare(&run, "--images 3 --values -1 --wrong s_wave --test-model nnlo")).stdout;
    let text = String::from_utf8(text).unwrap();
    assert!(
        text.contains("what was wrong") && text.lines().any(|line| line.starts_with("model nnlo")),
        "{text}"
    );
}

/// A network that learned scores from events of the same card takes the same pseudo-experiments; one of other events is refused.
#[test]
fn a_network_of_scores_is_compared_on_the_same_measured_events() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let effects = "[acceptance.formula]\ncos_theta_k = [1.0, -0.4]\n[background]\ncombinatorial = 0.3\n";
    let run = run(folder.path(), effects);
    let scores = |name: &str, effects: &str| {
        let text = format!(
            "name = \"{name}\"\nseed = 4\n[generator]\nq2 = [\"1.1:8\"]\n[parameters]\nc9 = [-2.5, 1.1]\n[images]\nevents = 3000\nbins = 20\n\
             [dataset]\npoints = 6\ntrain = 240\nvalidation = 48\ntest = 24\n[network]\npreset = \"score\"\nlayers = [32, 32]\nsample = 500\n\
             references = [-2.0, -1.0, 0.0, 1.0]\n{effects}[training]\nepochs = 3\nbatch_size = 8\nloss = \"mse\"\noptimiser = \"adamw\"\n\
             learning_rate = 0.003\ncalibration_images = 30\n"
        );
        fs::write(path("scores.toml"), text).unwrap();
        succeed(&["run", &path("scores.toml"), "--out", &path(name)]);
        path(name)
    };
    let own = scores("scores", effects);
    let options =
        format!("--images 12 --values -1.5,-0.5 --wrong none --estimators ratio --networks {own} --json");
    let found: Value = serde_json::from_slice(&succeed(&compare(&run, &options)).stdout).unwrap();
    let estimators = found[0]["estimators"].as_array().unwrap();
    assert_eq!(
        estimators.iter().map(|e| e["name"].as_str().unwrap()).collect::<Vec<_>>(),
        ["ratio", "scores"]
    );
    let values = |i: usize| estimators[i]["values"].as_array().unwrap();
    for (ratio, scores) in values(0).iter().zip(values(1)) {
        let sigma = number(&scores["sigma"]);
        assert!(number(&scores["bias"]).abs() < 4.0 * sigma / 12.0_f64.sqrt(), "{scores}");
        let ratio_to_bound = number(&scores["ratio_to_bound"]);
        assert!(ratio_to_bound > 0.5 && ratio_to_bound < 2.0, "{scores}");
        // The same events.
        assert!(
            (number(&scores["mean"]) - number(&ratio["mean"])).abs() < 3.0 * sigma / 12.0_f64.sqrt(),
            "{scores} {ratio}"
        );
    }
    let other = scores("other", "[acceptance.formula]\ncos_theta_k = [1.0, -0.4]\n");
    let twice = format!("{own},{own}/model");
    for (networks, words) in [
        (other.as_str(), ["networks = other with its card says effects", "learned from the same density"]),
        (twice.as_str(), ["networks = scores", "names of their own"]),
        (run.as_str(), ["network.json", ""]),
    ] {
        refused(&compare(&run, &format!("--images 3 --values -1 --networks {networks}")), &words);
    }
    refused(&compare(&own, &format!("--networks {own}")), &["--networks is not allowed with this run"]);
}
