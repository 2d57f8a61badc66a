//! Fits of measured data by the program: weights, sWeights, acceptance by simulated events, background.

use std::f64::consts::PI;
use std::fs::File;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, Float64Array, RecordBatch};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::store::{EventReader, More};
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use crate::support::{refused, succeed, tiny_card};

fn json(arguments: &[&str]) -> Value {
    serde_json::from_slice(&succeed(arguments).stdout).unwrap()
}

fn number(x: &Value) -> f64 {
    x.as_f64().unwrap_or_else(|| panic!("{x} is no number"))
}

fn generate(folder: &Path, name: &str, seed: &str, delta_c9: &str, events: &str) -> String {
    let path = folder.join(name).to_str().unwrap().to_owned();
    let made =
        ["--line-shape", "narrow", "--q2", "1:8", "--delta-c9", delta_c9, "--events", events, "--seed", seed];
    succeed(&[&["generate", "--quiet", "--out", &path], made.as_slice()].concat());
    path
}

fn events(path: &str) -> EventBatch {
    EventReader::open_with_any_mass(Path::new(path)).unwrap().read_all().unwrap()
}

/// A table without provenance, with columns behind the events'.
fn table(path: &Path, events: &EventBatch, more: &[(&str, Vec<Option<f64>>)]) -> String {
    let column =
        |x: &[f32]| Arc::new(Float64Array::from_iter_values(x.iter().map(|x| f64::from(*x)))) as ArrayRef;
    let mut columns = vec![
        ("q2", column(&events.q2)),
        ("cos_theta_l", column(&events.cos_theta_l)),
        ("cos_theta_k", column(&events.cos_theta_k)),
        ("chi", column(&events.chi)),
    ];
    columns.extend(more.iter().map(|(name, x)| (*name, Arc::new(Float64Array::from(x.clone())) as ArrayRef)));
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(path).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    path.to_str().unwrap().to_owned()
}

/// Weights are used, said, and of no consequence by a common factor; `--unweighted` leaves them out.
#[test]
fn issue_15_weights_of_a_file_count() {
    let folder = tempfile::tempdir().unwrap();
    let plain = generate(folder.path(), "plain.parquet", "1", "0", "4000");
    let all = events(&plain);
    let weights = |factor: f64| {
        (0..4000).map(|i| Some(factor * if i % 5 == 0 { -0.4 } else { 1.1 })).collect::<Vec<_>>()
    };
    let of = |name: &str, weights: Vec<Option<f64>>| {
        table(&folder.path().join(name), &all, &[("weight", weights)])
    };
    let (one, other) = (of("one.parquet", weights(1.0)), of("other.parquet", weights(1e-4)));
    let fit = |path: &str, more: &[&str]| {
        json(&[&["fit", path, "--q2", "1:8", "--line-shape", "narrow", "--json"], more].concat())[0].clone()
    };
    let (first, second, without) = (fit(&one, &[]), fit(&other, &[]), fit(&one, &["--unweighted"]));
    let of_c9 = |fit: &Value, what: &str| number(&fit["coefficients"][0][what]);
    for what in ["value", "sigma", "minus", "plus"] {
        let (a, b) = (of_c9(&first, what), of_c9(&second, what));
        assert!((a - b).abs() < 1e-4 * of_c9(&first, "sigma"), "{what}: {a} {b}");
    }
    let sums = &first["weights"];
    assert!((number(&sums["sum"]) - 3200.0).abs() < 1e-6, "{sums}");
    assert!(
        (number(&sums["effective_events"]) - 3200.0 * 3200.0 / (3200.0 * 1.21 + 800.0 * 0.16)).abs() < 1e-6
    );
    assert!(number(&second["goodness"]["p_value"]) > 1e-4);
    assert!(of_c9(&first, "sigma") > of_c9(&without, "sigma") && without["weights"].is_null());
    assert_eq!(without["coefficients"], fit(&plain, &[])["coefficients"]);

    let moments = json(&["moments", &one, "--bins", "1:6", "--json"]);
    let error = |moments: &Value| number(&moments["bins"][0]["observables"][0][2]);
    assert!(error(&moments) > error(&json(&["moments", &plain, "--bins", "1:6", "--json"])));
    assert!(number(&moments["bins"][0]["weights"]["sum"]) < number(&moments["bins"][0]["events"]));
}

#[test]
fn issue_15_weights_that_mean_nothing_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let all = events(&generate(folder.path(), "plain.parquet", "2", "0", "300"));
    let fit = |name: &str, weights: Vec<Option<f64>>, words: &[&str]| {
        let path = table(&folder.path().join(name), &all, &[("weight", weights)]);
        refused(&["fit", &path, "--q2", "1:8"], words);
        refused(&["moments", &path, "--bins", "1:8"], words);
        refused(&["infer", &path], &["weight"]);
    };
    let balanced = (0..300).map(|i| Some(if i % 2 == 0 { 1.0 } else { -1.0 })).collect();
    fit("zero.parquet", balanced, &["sum of the weights = 0"]);
    fit("negative.parquet", vec![Some(-1.0); 300], &["sum of the weights = -300"]);
    fit("null.parquet", (0..300).map(|i| (i != 7).then_some(1.0)).collect(), &["weight in row 7", "null"]);
    fit(
        "nan.parquet",
        (0..300).map(|i| Some(if i == 9 { f64::NAN } else { 1.0 })).collect(),
        &["weight in row 9", "NaN"],
    );
}

#[test]
fn issue_15_simulated_events_normalise_a_fit() {
    let folder = tempfile::tempdir().unwrap();
    let simulation = generate(folder.path(), "simulation.parquet", "3", "-0.5", "120000");
    let data = generate(folder.path(), "data.parquet", "4", "0.6", "6000");
    // A detector that loses events with cos_theta_k near 1.
    let accepted = |path: &str, name: &str| {
        let all = events(path);
        let kept = all.filtered(&all.cos_theta_k.iter().map(|k| *k < 0.6).collect::<Vec<_>>());
        table(&folder.path().join(name), &kept, &[])
    };
    let (cut, cut_simulation) =
        (accepted(&data, "cut.parquet"), accepted(&simulation, "cut-simulation.parquet"));
    let fit = |more: &[&str]| {
        json(&[&["fit", &cut, "--q2", "1:8", "--line-shape", "narrow", "--json"], more].concat())[0].clone()
    };
    let with = fit(&["--simulation", &cut_simulation, "--simulation-wc", "c9=-0.5"]);
    let c9 =
        |fit: &Value| (number(&fit["coefficients"][0]["value"]), number(&fit["coefficients"][0]["sigma"]));
    let (value, sigma) = c9(&with);
    assert!((value - 0.6).abs() < 3.5 * sigma && number(&with["goodness"]["p_value"]) > 1e-4, "{with}");
    assert_eq!(with["simulation"]["events"], with["simulation"]["effective_events"].as_f64().unwrap() as u64);
    let without = fit(&[]);
    assert!(number(&without["goodness"]["p_value"]) < 1e-6, "{without}");

    // Few simulated events are said, and widen the errors.
    let few = table(&folder.path().join("few.parquet"), &events(&cut_simulation).rows(0..3000), &[]);
    let of_few = fit(&["--simulation", &few, "--simulation-wc", "c9=-0.5"]);
    assert!(
        c9(&of_few).1 > 1.3 * sigma && of_few["warnings"].to_string().contains("simulated events"),
        "{of_few}"
    );

    let fit = |more: &[&str], words: &[&str]| refused(&[&["fit", &data], more].concat(), words);
    fit(&["--simulation", &cut_simulation], &["--simulation-wc is missing"]);
    let narrow = folder.path().join("narrow.parquet").to_str().unwrap().to_owned();
    succeed(&["generate", "--line-shape", "narrow", "--q2", "2:6", "--events", "1000", "--out", &narrow]);
    fit(&["--simulation", &narrow], &["narrow.parquet: q2 = 2:6", "cover those of the data, 1:8"]);
    fit(&["--background-fraction", "0.2"], &["--background"]);
    fit(&["--background", &data, "--background-fraction", "1.2"], &["background fraction = 1.2"]);
}

/// Signal and background of one mass each; the fit of the mixture, and the fit with sWeights.
#[test]
fn issue_15_background_is_told_from_signal() {
    let folder = tempfile::tempdir().unwrap();
    let signal = events(&generate(folder.path(), "signal.parquet", "5", "-0.87", "9000"));
    // Background: even in all angles, falling in q2, from numbers that are evenly spread.
    let background = |n: usize, start: usize| {
        let spread = |i: usize, step: f64| ((start + i) as f64 * step).fract();
        let mut events = EventBatch::default();
        for i in 0..n {
            events.q2.push((1.0 + 7.0 * spread(i, 0.618_033_988_75).powf(1.5)) as f32);
            events.cos_theta_l.push((2.0 * spread(i, 0.754_877_666_25) - 1.0) as f32);
            events.cos_theta_k.push((2.0 * spread(i, 0.569_840_290_99) - 1.0) as f32);
            events.chi.push((PI * (2.0 * spread(i, 0.819_172_513_4) - 1.0)) as f32);
        }
        events
    };
    let mut both = signal;
    both.append(&background(6000, 17));
    let mass = |i: usize| {
        // Both shapes by their quantiles, in an order that knows nothing of the angles.
        let u = (i as f64 * 0.414_213_562_37).fract();
        if i < 9000 {
            5.28 + 0.02 * quantile(u)
        } else {
            5.1 - (1.0 - u * (1.0 - (-2.0_f64 * 0.4).exp())).ln() / 2.0
        }
    };
    let masses: Vec<Option<f64>> = (0..both.len()).map(|i| Some(mass(i))).collect();
    let path = table(&folder.path().join("both.parquet"), &both, &[("m_b", masses)]);
    let sample = table(&folder.path().join("sideband.parquet"), &background(20_000, 100_003), &[]);
    let fit = |path: &str, more: &[&str]| {
        json(&[&["fit", path, "--q2", "1:8", "--line-shape", "narrow", "--json"], more].concat())[0].clone()
    };
    let c9 =
        |fit: &Value| (number(&fit["coefficients"][0]["value"]), number(&fit["coefficients"][0]["sigma"]));
    for (fraction, told) in [("free", true), ("0.4", false), ("0.4+-0.02", true)] {
        let density = ["--background", &sample, "--background-method", "density", "--background-fraction"];
        let found = fit(&path, &[density.as_slice(), &[fraction]].concat());
        let (value, sigma) = c9(&found);
        assert!((value + 0.87).abs() < 3.5 * sigma, "{found}");
        let background = &found["background"];
        assert_eq!(background["fraction_sigma"].is_number(), told, "{background}");
        assert!((number(&background["fraction"]) - 0.4).abs() < 0.05, "{background}");
        assert!(number(&found["goodness"]["p_value"]) > 1e-5, "{found}");
        assert!(background["order"].is_number(), "{background}");
    }
    let subtraction =
        ["--background", &sample, "--background-method", "subtraction", "--background-fraction"];
    let subtracted = |fraction: &str| fit(&path, &[subtraction.as_slice(), &[fraction]].concat());
    let (exact, wider) = (subtracted("0.4"), subtracted("0.4+-0.02"));
    let ((value, sigma), (same, larger)) = (c9(&exact), c9(&wider));
    assert!((value + 0.87).abs() < 3.5 * sigma && exact["background"]["order"].is_null(), "{exact}");
    assert!((value - same).abs() < 1e-9 && larger > sigma, "{exact} {wider}");
    for (fraction, allowed) in [("free", "a number or X+-E"), ("0+-0.02", "a fraction of background above 0")]
    {
        let common = ["fit", &path, "--q2", "1:8", "--line-shape", "narrow"];
        refused(
            &[&common, subtraction.as_slice(), &[fraction]].concat(),
            &["background-method = subtraction", allowed],
        );
    }
    let out = folder.path().join("weighed.parquet").to_str().unwrap().to_owned();
    let shapes = [
        "--range",
        "5.1:5.5",
        "--signal",
        "gaussian:mean=5.28,width=0.02",
        "--background",
        "exponential:slope=2",
    ];
    let found =
        json(&[&["sweights", &path, "--mass", "m_b", "--out", &out, "--json"], shapes.as_slice()].concat());
    assert!((number(&found["yields"][0]["value"]) - 9000.0).abs() < 300.0, "{found}");
    let mut reader = EventReader::open_as(Path::new(&out), None, More::EverythingThereIs).unwrap();
    let rows = reader.next_sample().unwrap().unwrap();
    let other = rows.column("sweight_background", 0).unwrap();
    // Of each event both weights make one.
    assert!(rows.weights().unwrap().iter().zip(&other).all(|(a, b)| (a + b - 1.0).abs() < 1e-3));
    let weighed = fit(&out, &[]);
    let (value, sigma) = c9(&weighed);
    assert!((value + 0.87).abs() < 3.5 * sigma && weighed["weights"].is_object(), "{weighed}");
    let wrong = c9(&fit(&path, &[]));
    assert!((wrong.0 + 0.87).abs() > 5.0 * wrong.1, "{wrong:?}");
    refused(
        &[&["sweights", &path, "--mass", "m_d", "--out", "x.parquet"], shapes.as_slice()].concat(),
        &["column = m_d"],
    );
    refused(
        &[&["sweights", &out, "--mass", "m_b", "--out", "x.parquet"], shapes.as_slice()].concat(),
        &["has a column `weight`"],
    );
}

/// F_S beside C9, by the fractions of LHCb that the file's card has; what the file says and the fit is not told of is said.
#[test]
fn issue_15_an_s_wave_is_fitted() {
    let folder = tempfile::tempdir().unwrap();
    let card = folder.path().join("card.toml").to_str().unwrap().to_owned();
    std::fs::write(&card, "[generator]\nq2 = [\"1.1:8\"]\n[s_wave]\nphase = 0.2\n").unwrap();
    let data = folder.path().join("data.parquet").to_str().unwrap().to_owned();
    succeed(&[
        "generate",
        "--card",
        &card,
        "--events",
        "9000",
        "--delta-c9",
        "-0.87",
        "--seed",
        "3",
        "--out",
        &data,
    ]);
    let fit = |more: &[&str]| json(&[&["fit", &data, "--json"], more].concat())[0].clone();
    let c9 =
        |fit: &Value| (number(&fit["coefficients"][0]["value"]), number(&fit["coefficients"][0]["sigma"]));
    let without = fit(&[]);
    assert!(
        without["warnings"].to_string().contains("an S-wave, the fit knows of none (--s-wave)"),
        "{without}"
    );
    assert!(number(&without["goodness"]["p_value"]) < 1e-6 && without["s_wave"].is_null());
    let fixed = fit(&["--s-wave", "card"]);
    let given = number(&fixed["s_wave"]["fraction"]);
    assert!((0.07..0.15).contains(&given) && fixed["s_wave"]["fraction_sigma"].is_null(), "{fixed}");
    assert!((number(&fixed["s_wave"]["phase"]) - 0.2).abs() < 1e-12);
    for known in ["free", "0.1+-0.02"] {
        let found = fit(&["--s-wave", known]);
        let (value, sigma) = c9(&found);
        assert!(
            (value + 0.87).abs() < 3.5 * sigma && number(&found["goodness"]["p_value"]) > 1e-4,
            "{found}"
        );
        let s_wave = &found["s_wave"];
        let error = number(&s_wave["fraction_sigma"]);
        assert!((number(&s_wave["fraction"]) - given).abs() < 3.5 * error, "{found}");
        assert!((number(&s_wave["minus"]) / error - 1.0).abs() < 0.3, "{found}");
        assert!(found.get("warnings").is_none(), "{found}");
    }
    // A number is that of the window, whatever the card says.
    let other = fit(&["--s-wave", &format!("{given}")]);
    assert!((c9(&other).0 - c9(&fixed).0).abs() < 1e-6);
    let text = String::from_utf8(succeed(&["fit", &data, "--s-wave", "free"]).stdout).unwrap();
    assert!(text.contains("  S-wave F_S 0.1") && text.contains("K pi mass in 0.796:0.996 GeV"), "{text}");
    refused(&["fit", &data, "--s-wave", "0.95"], &["F_S = 0.95", "0 to 0.9"]);
    refused(
        &["fit", &data, "--s-wave", "much"],
        &["--s-wave", "a number from 0 to 0.9, free, F_S+-E, or card"],
    );
    refused(&["fit", &data, "--s-wave", "0.1+-0"], &["F_S = 0", "an error above 0"]);
}

/// Moments of accepted events come back with accepted simulated ones.
#[test]
fn issue_15_moments_are_unfolded() {
    let folder = tempfile::tempdir().unwrap();
    let simulation = generate(folder.path(), "simulation.parquet", "3", "-0.5", "150000");
    let data = generate(folder.path(), "data.parquet", "4", "0", "30000");
    let accepted = |path: &str, name: &str| {
        let all = events(path);
        // An even part, without which F_L would stay as it is.
        let kept = |k: &f32| (1.0 - 0.6 * f64::from(*k).powi(2)) > (f64::from(*k) * 1e4).rem_euclid(1.0);
        let kept = all.filtered(&all.cos_theta_k.iter().map(kept).collect::<Vec<_>>());
        table(&folder.path().join(name), &kept, &[])
    };
    let (cut, cut_simulation) =
        (accepted(&data, "cut.parquet"), accepted(&simulation, "cut-simulation.parquet"));
    let moments = |path: &str, more: &[&str]| {
        let common = ["moments", path, "--bins", "1.1:6", "--line-shape", "narrow", "--q2", "1:8", "--json"];
        json(&[&common[..], more].concat())
    };
    let f_l = |moments: &Value| {
        let found = &moments["bins"][0]["observables"][0];
        (number(&found[1]), number(&found[2]))
    };
    let with = ["--simulation", &cut_simulation, "--simulation-wc", "c9=-0.5", "--free", "c9"];
    let (all, raw, unfolded) = (moments(&data, &[]), moments(&cut, &["--free", "c9"]), moments(&cut, &with));
    let ((expected, _), (wrong, error), (found, sigma)) = (f_l(&all), f_l(&raw), f_l(&unfolded));
    assert!((found - expected).abs() < 4.0 * sigma, "{found} +- {sigma}, {expected}");
    assert!((wrong - expected).abs() > 6.0 * error, "{wrong} +- {error}, {expected}");
    let fit = &unfolded["fit"];
    let c9 = &fit["coefficients"][0];
    assert!(number(&c9["value"]).abs() < 3.5 * number(&c9["sigma"]), "{fit}");
    assert!(number(&fit["goodness"]["p_value"]) > 1e-3 && number(&raw["fit"]["goodness"]["p_value"]) < 1e-6);
    refused(
        &["moments", &cut, "--bins", "1.1:6", "--simulation", &cut_simulation],
        &["--simulation-wc is missing"],
    );
}

/// Of the normal distribution, by bisection of its integral.
fn quantile(u: f64) -> f64 {
    let (mut low, mut high) = (-6.0, 6.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if 0.5 * statrs::function::erf::erfc(-middle / 2.0_f64.sqrt()) < u {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

/// A constant efficiency changes no bound; one that forgets the middle of cos_theta_k and an S-wave do.
#[test]
fn issue_15_a_bound_knows_the_effects_of_a_card() {
    let folder = tempfile::tempdir().unwrap();
    let bound = |name: &str, effects: &str| {
        let card = folder.path().join(name);
        std::fs::write(&card, effects).unwrap();
        let common =
            ["bound", "--q2", "1.1:8", "--events", "10000", "--sample", "100000", "--line-shape", "--json"];
        json(&[&common[..], &["--effects", card.to_str().unwrap()]].concat())
    };
    let plain = json(&["bound", "--q2", "1.1:8", "--events", "10000", "--line-shape", "--json"]);
    let constant = bound("constant.toml", "[acceptance.formula]\nq2 = [0.3]\n");
    let (expected, error) = (number(&plain["sigma"]), number(&constant["sigma_by_events_error"]));
    assert!((number(&constant["sigma"]) - expected).abs() < 4.0 * error, "{constant}, {expected}");
    assert!(error < 0.02 * expected, "{constant}");
    for (name, effects) in [
        ("edges.toml", "[acceptance.formula]\ncos_theta_l = [0.02, 0.0, 1.0]\n"),
        ("wave.toml", "[s_wave]\n"),
    ] {
        let other = number(&bound(name, effects)["sigma"]);
        assert!((other - expected).abs() > 6.0 * error, "{name}: {other}, {expected} +- {error}");
    }
    std::fs::write(folder.path().join("detector.toml"), "[detector]\nname = \"belle2\"\n").unwrap();
    let detector = folder.path().join("detector.toml");
    refused(&["bound", "--events", "1000", "--effects", detector.to_str().unwrap()], &["detector"]);
}

/// A whole run with an S-wave and an acceptance, which every estimator that knows the density takes into account.
#[test]
fn issue_15_a_run_with_effects_is_compared() {
    let folder = tempfile::tempdir().unwrap();
    let (card, run) = (folder.path().join("card.toml"), folder.path().join("run"));
    let tiny = std::fs::read_to_string(tiny_card()).unwrap();
    let effects = "[s_wave]\n\n[acceptance.formula]\ncos_theta_k = [1.0, 0.0, -0.6]\n";
    std::fs::write(&card, format!("{tiny}\n{effects}")).unwrap();
    let (card, run) = (card.to_str().unwrap(), run.to_str().unwrap());
    succeed(&["run", card, "--out", run]);
    let names = "unbinned,template,moments";
    let compared =
        json(&["compare", run, "--images", "40", "--estimators", names, "--values", "-1", "--json"]);
    for (place, name) in names.split(',').enumerate() {
        let estimator = &compared["estimators"][place];
        let value = &estimator["values"][0];
        let (bias, sigma) = (number(&value["bias"]), number(&value["sigma"]));
        assert!(bias.abs() < 4.0 * sigma / 40.0_f64.sqrt(), "{name}: {value}");
        assert!((0.6..1.9).contains(&(sigma / number(&value["bound"]))), "{name}: {value}");
    }
    let background = format!("{tiny}\n[background]\ncombinatorial = 0.2\n");
    let (card, run) = (folder.path().join("other.toml"), folder.path().join("other"));
    std::fs::write(&card, background).unwrap();
    let (card, run) = (card.to_str().unwrap(), run.to_str().unwrap());
    succeed(&["run", card, "--out", run]);
    for name in ["unbinned", "template", "moments"] {
        refused(&["compare", run, "--images", "5", "--estimators", name], &[name, "background", "network"]);
    }
}

/// Without an acceptance the bound by a simulation, of any point, is that by quadrature; background costs what a fit loses by it.
#[test]
fn issue_15_bound_of_accepted_events_by_a_simulation() {
    let folder = tempfile::tempdir().unwrap();
    let simulated = generate(folder.path(), "simulated.parquet", "3", "-0.5", "60000");
    let common =
        ["bound", "--q2", "1:8", "--delta-c9", "-0.87", "--events", "10000", "--also", "c10", "--json"];
    let bound = |extra: &[&str]| json(&[&common, extra].concat());
    let (exact, found) = (bound(&[]), bound(&["--simulation", &simulated]));
    let [sigma, error] = ["sigma", "sigma_by_events_error"].map(|key| number(&found[key]));
    assert!((sigma - number(&exact["sigma"])).abs() < 4.0 * error && error < 0.01 * sigma, "{found} {exact}");
    for (i, j) in [(0, 0), (0, 1), (1, 1)] {
        let [found, exact] = [&found, &exact].map(|bound| number(&bound["covariance"][i][j]));
        assert!((found / exact - 1.0).abs() < 0.05, "{i} {j}: {found} {exact}");
    }
    assert_eq!(found, bound(&["--simulation", &simulated, "--threads", "1"]));

    let sideband = generate(folder.path(), "sideband.parquet", "4", "3", "16000");
    let background = ["--simulation", &simulated, "--background", &sideband, "--background-fraction"];
    let of = |fraction: &str| bound(&[&background[..], &[fraction]].concat());
    let (fixed, constrained) = (of("0.3"), of("0.3+-0.01"));
    assert!(number(&fixed["sigma"]) > 1.2 * sigma && fixed["sigma_profiled"].is_null(), "{fixed}");
    assert!((number(&constrained["sigma"]) / number(&fixed["sigma"]) - 1.0).abs() < 1e-9);
    assert!(number(&constrained["sigma_profiled"]) > number(&constrained["sigma"]));
    assert_eq!(constrained["nuisances"][0], "background");
    refused(&[&common[..], &["--s-wave", "free"]].concat(), &["--s-wave", "--simulation"]);
    let with = ["--simulation", &simulated];
    refused(&[&common[..], &with, &["--with-rate"]].concat(), &["--with-rate", "--simulation"]);
    refused(&[&["bound", "--q2", "0.5:8"], &with[..]].concat(), &["windows that cover"]);
}
