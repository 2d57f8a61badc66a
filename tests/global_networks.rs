//! Networks on global fits through the program: small ones by default, those of the cards in `cards/global` by name.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::support::{assert_same, files, succeed};
use humboldt::global::data::Data;
use humboldt::global::fit::minimum;
use humboldt::global::polynomials::Polynomials;
use humboldt::global::scan::{Axis, Scan, rise};
use humboldt::global::selection::Selection;
use humboldt::global::statistic::{ChiSquare, Errors};
use humboldt_physics::{ModelName, Parameters, Theory, WilsonCoefficient, WilsonDirection};
use serde_json::Value;

fn card(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cards/global").join(name);
    path.to_str().unwrap().to_owned()
}

/// Runs a card into a new folder; the folder and its result.
fn run(command: &str, arguments: &[&str], folder: &Path, out: &str) -> (PathBuf, Value) {
    let out = folder.join(out);
    let all = [&["global", command, "--quiet", "--out", out.to_str().unwrap()], arguments].concat();
    succeed(&all);
    let text = fs::read_to_string(out.join("result.json")).unwrap();
    (out, serde_json::from_str(&text).unwrap())
}

fn number(result: &Value, what: &str) -> f64 {
    let rows = result["numbers"].as_array().unwrap();
    let row = rows.iter().find(|row| row["what"] == what).unwrap_or_else(|| panic!("no {what}: {rows:?}"));
    row["value"].as_f64().unwrap()
}

fn point<'a>(result: &'a Value, what: &str) -> &'a Value {
    let rows = result["points"].as_array().unwrap();
    rows.iter().find(|row| row["what"] == what).unwrap_or_else(|| panic!("no {what}: {rows:?}"))
}

/// One card gives one set of bytes for any number of threads, and `plot` the same figures.
fn repeats(command: &str, card: &str, figures: &[&str]) -> Value {
    let folder = tempfile::tempdir().unwrap();
    let (one, result) = run(command, &[card, "--threads", "1"], folder.path(), "one");
    let (two, _) = run(command, &[card, "--threads", "2"], folder.path(), "two");
    let before = files(&one);
    assert_same(&before, &files(&two));
    for figure in figures {
        for suffix in ["svg", "png", "csv"] {
            let path = one.join(format!("{figure}.{suffix}"));
            assert!(fs::metadata(&path).unwrap().len() > 100, "{}", path.display());
            fs::remove_file(path).unwrap();
        }
    }
    succeed(&["global", "plot", one.to_str().unwrap()]);
    assert_same(&before, &files(&one));
    // The same card may be run again into its folder.
    succeed(&["global", command, card, "--out", two.to_str().unwrap()]);
    assert_same(&before, &files(&two));
    result
}

#[test]
fn a_regression_leaves_tables_and_figures() {
    let result = repeats("nn", &card("regression.toml"), &["losses", "chi2", "observables", "pulls"]);
    assert_eq!(number(&result, "points of the training set"), 120.0);
    let predicted = point(&result, "network, given the data");
    assert_eq!(predicted["coefficients"].as_array().unwrap().len(), 24);
    assert_eq!(predicted["study"]["chi2"], 29.5);
    // Chi-square of the table is that of the predictions at the point.
    let contributions = result["figures"]["observables"][1]["contributions"].as_array().unwrap();
    let sum: f64 = contributions.iter().map(|c| c["contribution"].as_f64().unwrap()).sum();
    assert!((sum / predicted["chi2"].as_f64().unwrap() - 1.0).abs() < 1e-9);
    let lowest = point(&result, "lowest in training set")["chi2"].as_f64().unwrap();
    let exact = point(&result, "exact minimum")["chi2"].as_f64().unwrap();
    assert!(exact < lowest, "{exact} {lowest}");
    let losses = result["figures"]["losses"][0]["lines"][0]["points"].as_array().unwrap();
    let loss = |i: usize| losses[i][1].as_f64().unwrap();
    assert!(loss(losses.len() - 1) < loss(0), "nothing was learned: {losses:?}");
}

#[test]
fn adversarial_networks_leave_samples_and_figures() {
    let result = repeats("gan", &card("gan.toml"), &["losses", "chi2", "observables", "pulls"]);
    assert_eq!(number(&result, "generated vectors"), 500.0);
    assert!((0.0..=1.0).contains(&number(&result, "discriminator's accuracy at the end")));
    let generated = point(&result, "lowest generated")["chi2"].as_f64().unwrap();
    assert!(generated >= point(&result, "exact minimum")["chi2"].as_f64().unwrap() - 1e-6);
    let result = repeats("gan", &card("images.toml"), &["losses", "chi2", "images"]);
    let images = result["figures"]["images"].as_array().unwrap();
    assert!(images.iter().all(|row| row["images"][0].as_array().unwrap().len() == 64));
    assert_eq!(result["spreads"].as_array().unwrap().len(), 26);
}

#[test]
fn a_small_network_learns_the_posterior() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(card("posterior.toml")).unwrap();
    let short = folder.path().join("short.toml");
    fs::write(&short, text.replace("steps = 2000", "steps = 15").replace("1500", "50")).unwrap();
    repeats("nn", short.to_str().unwrap(), &["losses", "regions", "coverage"]);
    let (_, result) = run("nn", &[&card("posterior.toml")], folder.path(), "out");
    for name in ["C9", "C10"] {
        assert!(number(&result, &format!("(mean - exact)/exact width, {name}")).abs() < 0.5, "{result}");
        let width = number(&result, &format!("width/exact width, {name}"));
        assert!((0.8..1.3).contains(&width), "{name}: {width}");
    }
    for name in ["C9", "C10", "both"] {
        let coverage = number(&result, &format!("coverage of 68.27 %, {name}"));
        assert!((coverage - 0.683).abs() < 0.05, "{name}: {coverage}");
    }
}

#[test]
fn a_small_flow_samples_near_the_minimum() {
    let result = repeats("gan", &card("flow.toml"), &["losses", "chi2", "regions", "pulls"]);
    for t in ["0.1", "1"] {
        let above = number(&result, &format!("lowest chi2 of generated points - exact minimum, T = {t}"));
        assert!((-1e-6..0.5).contains(&above), "T = {t}: {above}");
    }
    let width = number(&result, "width/exact width, C9");
    assert!((0.8..1.25).contains(&width), "{width}");
}

/// The bars of `cards/global/posterior.toml`: minutes.
#[test]
#[ignore = "trains for minutes"]
fn bars_of_the_posterior() {
    let folder = tempfile::tempdir().unwrap();
    let start = Instant::now();
    let (_, result) = run("nn", &["--experiment", "posterior"], folder.path(), "out");
    println!("{:.0} s, {}", start.elapsed().as_secs_f64(), result["numbers"]);
    for name in ["C9", "C10"] {
        assert!(number(&result, &format!("(mean - exact)/exact width, {name}")).abs() < 0.1);
        assert!((number(&result, &format!("width/exact width, {name}")) - 1.0).abs() < 0.1);
    }
    for name in ["C9", "C10", "both"] {
        let coverage = number(&result, &format!("coverage of 68.27 %, {name}"));
        assert!((coverage - 0.6827).abs() < 0.02, "{name}: {coverage}");
    }
    assert!(start.elapsed().as_secs() < 300, "{:?}", start.elapsed());
}

/// The bars of `cards/global/flow.toml`: minutes.
#[test]
#[ignore = "trains for minutes"]
fn bars_of_the_flow() {
    let folder = tempfile::tempdir().unwrap();
    let (_, result) = run("gan", &["--experiment", "flow"], folder.path(), "out");
    println!("{}", result["numbers"]);
    for t in ["0.1", "1"] {
        for which in ["lowest chi2 of generated points", "lowest generated chi2"] {
            let above = number(&result, &format!("{which} - exact minimum, T = {t}"));
            assert!(above.abs() < 1.0, "{which}, T = {t}: {above}");
        }
        let difference = number(&result, &format!("rms of generated chi2 - chi2 of the point, T = {t}"));
        assert!(difference < 0.3, "T = {t}: {difference}");
    }
    for name in ["C9", "C10"] {
        assert!(number(&result, &format!("(mean - exact)/exact width, {name}")).abs() < 0.1);
        assert!((number(&result, &format!("width/exact width, {name}")) - 1.0).abs() < 0.1);
    }
}

/// 2,500 points of 37 observables in 10 ms, a fit with its contours in 1 s: the shortest of some rounds, for the machine may
/// be shared.
#[test]
#[ignore = "measures time"]
fn bars_of_speed() {
    let data = Data::named(&["lhcb-2021".to_owned()], "data", &Selection::default()).unwrap();
    let theory = Theory::new(ModelName::Full, Parameters::standard());
    let directions = [WilsonCoefficient::C9, WilsonCoefficient::C10].map(WilsonDirection::real);
    let make = || {
        ChiSquare::new(&theory, data.clone(), &directions, Polynomials::default(), &Errors::default())
            .unwrap()
    };
    let statistic = make();
    let shortest = |work: &dyn Fn() -> f64, rounds: usize| {
        let time = |_| {
            let start = Instant::now();
            assert!(std::hint::black_box(work()).is_finite());
            start.elapsed().as_secs_f64()
        };
        (0..rounds).map(time).fold(f64::INFINITY, f64::min)
    };
    let grid = || {
        let values = (0..2500).map(|i| [f64::from(i % 50) / 25.0 - 2.0, f64::from(i / 50) / 25.0 - 1.0]);
        values.map(|point| statistic.predictions(&point).unwrap()[7]).sum()
    };
    let fit = || {
        let statistic = make();
        let best = minimum(&statistic).unwrap();
        let axis = |parameter, low, high| Axis { parameter, low, high, points: 101 };
        let scan = Scan::new(&statistic, &best, axis(0, -2.0, 0.5), axis(1, -1.0, 1.0)).unwrap();
        let lines = [1.0, 2.0, 3.0].map(|sigmas| scan.contour(best.chi2 + rise(sigmas, 2)).len());
        best.chi2 + lines.iter().sum::<usize>() as f64
    };
    let (grid, fit) = (shortest(&grid, 50), shortest(&fit, 10));
    println!(
        "2,500 points: {:.2} ms on one core; a fit with contours, set-up included: {fit:.3} s",
        1e3 * grid
    );
    assert!(grid < 0.01 && fit < 1.0, "{grid} s, {fit} s");
}
