//! Learned ratios through the program: from a card to intervals, by the card's own generator and by files.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Float32Array, Int8Array, RecordBatch};
use arrow::datatypes::Float32Type;
use humboldt::infer::nuisances::Nuisance;
use humboldt::learn::Compute;
use humboldt::ratio::model::RatioModel;
use humboldt_physics::subleading::KstarSubleading;
use humboldt_physics::uncertainty::Variation;
use humboldt_physics::{Channel, Hadron, WilsonShifts};
use humboldt_pipeline::generate::EventSampler;
use humboldt_pipeline::rng::{BlockRng, StreamKey};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use serde_json::Value;

use crate::support::{assert_same, files, humboldt, refused, reproducible, succeed};

const TRAINING: &str = "[training]\nepochs = 3\nbatch_size = 512\n";

fn json(arguments: &[&str]) -> Value {
    serde_json::from_slice(&succeed(arguments).stdout).unwrap()
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap()
}

/// The first parameter agrees with what the events were made with.
fn agrees(inferred: &Value, truth: f64) {
    let c9 = &inferred["parameters"][0];
    let (value, minus, plus) = (number(&c9["value"]), number(&c9["minus"]), number(&c9["plus"]));
    let side = if value > truth { minus } else { plus };
    assert_eq!(c9["name"], "c9");
    assert!((value - truth).abs() < 3.5 * side && minus > 0.01 && plus < 1.0, "{inferred}");
    assert!(number(&inferred["p_value"]) > 1e-3, "{inferred}");
    assert_eq!(inferred["delta_c9"], c9["value"]);
}

#[test]
fn a_card_alone_learns_ratios_of_its_own_events() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (card, run, data, other) = (path("card.toml"), path("run"), path("data.parquet"), path("other"));
    let text = format!(
        "name = \"tiny\"\nseed = 4\n[generator]\nq2 = [\"1.1:8\"]\nline_shape = \"narrow\"\n[parameters]\nc9 = [-2.5, 1.1]\n\
         [dataset]\npoints = 3\ntest = 9\n[images]\nevents = 3000\n[network]\npreset = \"ratio\"\nlayers = [32, 32]\n\
         [simulation]\nevents = 120000\n[simulation.reference]\nc9 = -0.5\n[acceptance.formula]\ncos_theta_k = [1.0, -0.4]\n\
         [background]\ncombinatorial = 0.3\n{TRAINING}"
    );
    fs::write(&card, &text).unwrap();
    let said = succeed(&["run", &card, "--out", &run]);
    let table = String::from_utf8(said.stdout).unwrap();
    assert!(table.contains("-2.5000") && table.contains("simulated"), "{table}");
    for name in [
        "results/ratio.json",
        "results/ensembles.csv",
        "results/linearity.svg",
        "results/width_over_bound.svg",
        "results/coverage.svg",
        "results/pulls.svg",
        "results/p_values.svg",
        "results/training.svg",
        "results/estimates.parquet",
        "results/report.html",
        "model/ratio.json",
        "card.toml",
    ] {
        assert!(folder.path().join("run").join(name).exists(), "{name}");
    }
    let evaluation: Value =
        serde_json::from_str(&fs::read_to_string(folder.path().join("run/results/ratio.json")).unwrap())
            .unwrap();
    let middle = &evaluation["points"][1];
    assert_eq!((&middle["experiments"], &middle["events"]), (&Value::from(3), &Value::from(3000)));
    let (expected, bound) =
        (number(&middle["coefficients"][0]["expected"]), number(&middle["coefficients"][0]["bound"]));
    assert!(expected > 0.95 * bound && expected < 1.5 * bound, "{expected} {bound}");
    // 90000 events at their own point count fully, at the end of the range for less.
    assert!(number(&evaluation["points"][0]["effective_events"]) < 0.95 * 90_000.0, "{evaluation}");
    // Without resolution the coefficients of the amplitudes at measured values are all there is.
    assert!(number(&evaluation["loss"]) < 1e-6, "{evaluation}");

    succeed(&[
        "generate",
        "--card",
        &card,
        "--delta-c9",
        "-1.2",
        "--events",
        "8000",
        "--seed",
        "9",
        "--out",
        &data,
    ]);
    let model = path("run/model");
    let fixed = json(&["infer", &data, "--model", &model, "--json"]);
    agrees(&fixed, -1.2);
    assert!(
        (number(&fixed["background"]["fraction"]) - 0.3).abs() < 1e-12
            && fixed["background"]["sigma"].is_null()
    );
    let free = json(&["infer", &data, "--model", &model, "--background-fraction", "free", "--json"]);
    agrees(&free, -1.2);
    assert!(
        (number(&free["background"]["fraction"]) - 0.3).abs() < 4.0 * number(&free["background"]["sigma"])
    );
    let words = succeed(&["infer", &data, "--model", &model]).stdout;
    let words = String::from_utf8(words).unwrap();
    assert!(
        words.contains("delta C9 = ")
            && words.contains("p-value")
            && words.contains("background 0.3000 (fixed)"),
        "{words}"
    );

    // Once more, elsewhere, with one thread and broken off in between: the same files.
    succeed(&["run", &card, "--out", &other, "--threads", "1"]);
    let whole = reproducible(files(folder.path().join("run").as_path()));
    let same = || assert_same(&whole, &reproducible(files(folder.path().join("other").as_path())));
    same();
    fs::remove_dir_all(folder.path().join("other/results")).unwrap();
    fs::remove_file(folder.path().join("other/model/calibration.json")).unwrap();
    succeed(&["run", &card, "--out", &other]);
    same();
    // Killed once a point is evaluated.
    fs::remove_dir_all(folder.path().join("other/results")).unwrap();
    let mut command = humboldt(&["run", &card, "--out", &other]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let first = folder.path().join("other/results/parts/0.parquet");
    while !first.exists() && child.try_wait().unwrap().is_none() {
        thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    succeed(&["run", &card, "--out", &other]);
    same();
    // Figures and report are those of the results that are there.
    for name in ["coverage.svg", "p_values.png", "report.html"] {
        fs::remove_file(folder.path().join("other/results").join(name)).unwrap();
    }
    succeed(&["plot", &other]);
    succeed(&["report", &other]);
    same();
    let page = fs::read_to_string(folder.path().join("other/results/report.html")).unwrap();
    for words in [
        "Asked of learned ratios of densities",
        "<h2>Pseudo-experiments</h2>",
        "one pseudo-experiment measures",
        "30 % of them background",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(page.matches("data:image/svg+xml").count() >= 6 && !page.contains("id=\"viewers\""));

    let shown = String::from_utf8(succeed(&["model", "show", &model]).stdout).unwrap();
    assert!(shown.contains("simulated at -0.5"), "{shown}");
    refused(&["evaluate", &run], &["network.preset = ratio is not allowed here"]);
    refused(&["predict", &run, &data], &["network.preset = ratio is not allowed here"]);
    refused(&["campaign", "plan", &card], &["network.preset = ratio"]);
    refused(&["infer", &data, "--background-fraction", "free"], &["--background-fraction", "learned ratios"]);
    let wide = path("wide.parquet");
    succeed(&["generate", "--events", "3000", "--q2", "0.5:12", "--line-shape", "narrow", "--out", &wide]);
    refused(&["infer", &wide, "--model", &model], &["events lie outside q2", "--select"]);
}

/// The width that a calibration expects is that of the run's table; without the simulation's size it is smaller, and has an error.
#[test]
fn the_bound_of_learned_ratios_is_what_their_calibration_knows() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (card, run) = (path("card.toml"), path("run"));
    let text = format!(
        "seed = 5\n[generator]\nq2 = [\"1.1:8\"]\nline_shape = \"narrow\"\n[parameters]\nc9 = [-2.0, 1.0]\nc10 = [-1.0, 1.0]\n\
         [dataset]\npoints = 4\ntest = 8\n[images]\nevents = 2000\n[network]\npreset = \"ratio\"\nlayers = [32, 32]\n\
         nuisances = [\"form-factors\", \"charm\"]\n[simulation]\nevents = 40000\n[background]\ncombinatorial = 0.2\nfraction = \"0.2+-0.02\"\n{TRAINING}"
    );
    fs::write(&card, &text).unwrap();
    succeed(&["run", &card, "--out", &run]);
    let evaluation = fs::read_to_string(folder.path().join("run/results/ratio.json")).unwrap();
    let evaluation: Value = serde_json::from_str(&evaluation).unwrap();
    let bound = |shifts: &str, events: &str, extra: &[&str]| {
        let common = ["bound", "--model", &run, "--wc", shifts, "--events", events, "--json"];
        json(&[&common[..], extra].concat())
    };
    let point = &evaluation["points"][1];
    let [c9, c10] = [0, 1].map(|i| point["coefficients"][i]["truth"].to_string());
    let shifts = format!("c9={c9},c10={c10}");
    let known = bound(&shifts, "2000", &["--background-fraction", "0.2"]);
    assert_eq!(known["background"], serde_json::json!({ "fraction": 0.2, "fitted": false }));
    for i in 0..2 {
        let (own, other) = (&known["coefficients"][i], &point["coefficients"][i]);
        assert_eq!(own["name"], other["name"]);
        let (expected, fitted) = (number(&own["expected"]), number(&own["sigma_fitted"]));
        assert!((expected / number(&other["expected"]) - 1.0).abs() < 1e-9, "{own} {other}");
        assert!(fitted < expected && number(&own["sigma"]) < fitted, "{own}");
        let error = number(&own["sigma_fitted_error"]) / fitted;
        assert!(error > 1e-3 && error < 0.1, "{own}");
        assert!((number(&known["covariance"][i][i]).sqrt() / fitted - 1.0).abs() < 1e-9);
    }
    assert!((number(&known["simulated_events"]) / number(&point["effective_events"]) - 1.0).abs() < 1e-9);
    let more = bound(&shifts, "8000", &["--background-fraction", "0.2"]);
    let ratio = number(&known["coefficients"][0]["sigma"]) / number(&more["coefficients"][0]["sigma"]);
    assert!((ratio - 2.0).abs() < 1e-9, "{ratio}");
    // By the card the fraction is fitted, with an error; that costs less than to know nothing of it.
    let [by_card, free] =
        [bound(&shifts, "2000", &[]), bound(&shifts, "2000", &["--background-fraction", "0.2+-10"])];
    let of = |bound: &Value| number(&bound["coefficients"][0]["sigma_fitted"]);
    assert_eq!(by_card["background"]["fitted"], true);
    assert!(of(&known) < of(&by_card) && of(&by_card) < of(&free), "{by_card}");
    // What is not known of form factors and charm widens all of them.
    let varied = bound(&shifts, "20000", &["--nuisances", "form-factors,charm"]);
    let form_factors = bound(&shifts, "20000", &["--nuisances", "form-factors"]);
    let certain = bound(&shifts, "20000", &[]);
    assert_eq!(varied["nuisances"], serde_json::json!(["form-factors", "charm"]));
    assert!(of(&varied) > 1.02 * of(&form_factors) && of(&form_factors) > 1.02 * of(&certain), "{varied}");
    let data = path("data.parquet");
    let generate =
        ["generate", "--q2", "1.1:8", "--line-shape", "narrow", "--events", "20000", "--seed", "9"];
    succeed(&[&generate[..], &["--out", &data]].concat());
    let infer = |extra: &[&str]| {
        json(
            &[
                &[
                    "infer",
                    &data,
                    "--model",
                    &format!("{run}/model"),
                    "--background-fraction",
                    "0.0",
                    "--json",
                ],
                extra,
            ]
            .concat(),
        )
    };
    let width = |inferred: &Value| number(&inferred["parameters"][0]["minus"]);
    let (plain, profiled) = (infer(&[]), infer(&["--nuisances", "form-factors,charm"]));
    assert!(width(&profiled) > 1.02 * width(&plain), "{plain} {profiled}");
    assert_eq!(profiled["nuisances"], varied["nuisances"]);
    refused(&["infer", &data, "--nuisances", "form-factors"], &["--nuisances", "learned ratios"]);
    refused(&["infer", &data, "--nuisances", "weather"], &["weather", "form-factors"]);

    let words = succeed(&["bound", "--model", &run, "--events", "2000"]).stdout;
    let words = String::from_utf8(words).unwrap();
    assert!(
        words.contains("2000 measured events at c9 = 0, c10 = 0")
            && words.contains("correlation of c9 and c10"),
        "{words}"
    );

    let of = |extra: &[&str], words: &[&str]| refused(&[&["bound", "--model", &run], extra].concat(), words);
    of(&["--delta-c9", "1.5"], &["c9 = 1.5", "c9 in [-2, 1]"]);
    of(&["--wc", "c7=0.1"], &["c7 = 0.1", "c10 in [-1, 1]"]);
    of(&["--wc", "c9=0.1+0.2i"], &["c9 = 0.1+0.2i"]);
    of(&["--flavour", "B0"], &["--flavour is not allowed with a network"]);
    of(&["--with-rate"], &["--with-rate is not allowed with a network"]);
    of(&["--simulation", &card], &["--simulation is not allowed with a network"]);
    refused(&["bound", "--model", "npr2"], &["npr2", "or the folder of a network"]);
    refused(&["bound", "--background-fraction", "0.2"], &["--background"]);

    // Of scores the calibration says it: near the bound of the density that they are of.
    let scores = json(&["bound", "--model", "builtin", "--delta-c9", "-0.7", "--json"]);
    let density =
        ["bound", "--line-shape", "--q2", "0.1:19.2", "--delta-c9", "-0.7", "--sample", "10", "--json"];
    let ratio = number(&scores["coefficients"][0]["sigma"]) / number(&json(&density)["sigma"]);
    assert!(ratio > 0.97 && ratio < 1.1, "{ratio}");
    refused(&["bound", "--model", "builtin", "--background-fraction", "0.2"], &["learned ratios"]);
}

#[test]
fn files_of_a_user_with_a_layout_give_intervals() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    // A user's files: ROOT, columns of their own, truth beside measurement; background in a file of its own.
    let made = path("made.toml");
    let effects =
        "[generator]\nq2 = [\"1.1:8\"]\n[detector]\nbase = \"lhcb\"\n[background]\ncombinatorial = 0.3\n";
    fs::write(&made, effects).unwrap();
    let (all, data) = (path("mc.root"), path("data.root"));
    let generate = |shift: &str, events: &str, seed: &str, out: &str| {
        succeed(&[
            "generate",
            "--card",
            &made,
            "--delta-c9",
            shift,
            "--events",
            events,
            "--seed",
            seed,
            "--out",
            out,
        ]);
    };
    generate("-0.5", "60000", "1", &all);
    generate("-1", "4000", "2", &data);
    let columns = "q2 = \"q2\"\ncos_theta_l = \"cos_theta_l\"\ncos_theta_k = \"cos_theta_k\"\nchi = \"chi\"\nm_kpi = \"m_kpi\"\n";
    let truth = "[truth]\nq2 = \"true_q2\"\ncos_theta_l = \"true_cos_theta_l\"\ncos_theta_k = \"true_cos_theta_k\"\n\
                 chi = \"true_chi\"\nm_kpi = \"true_m_kpi\"\n";
    fs::write(path("layout.toml"), format!("{columns}{truth}")).unwrap();
    fs::write(path("signal.toml"), format!("{columns}{truth}[keep]\ncomponent = [0]\n")).unwrap();
    fs::write(path("sideband.toml"), format!("{columns}[keep]\ncomponent = [1]\n")).unwrap();
    let (card, run) = (path("card.toml"), path("run"));
    let text = format!(
        "seed = 4\n[generator]\nq2 = [\"1.1:8\"]\n[parameters]\nc9 = [-2.5, 1.1]\n[dataset]\npoints = 3\n\
         [network]\npreset = \"ratio\"\nvariables = [\"q2\", \"cos_theta_l\", \"cos_theta_k\", \"chi\", \"m_kpi\", \"m_b\"]\n\
         [simulation]\nfiles = [\"mc.root:events\"]\nlayout = \"signal.toml\"\n[simulation.reference]\nc9 = -0.5\n\
         [background]\nfiles = [\"mc.root:events\"]\nlayout = \"sideband.toml\"\nfraction = 0.3\n{TRAINING}"
    );
    fs::write(&card, &text).unwrap();
    let said = succeed(&["run", &card, "--out", &run]);
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("for pseudo-experiments"), "{said}");
    let (model, layout) = (path("run/model"), path("layout.toml"));
    agrees(&json(&["infer", &data, "--model", &model, "--layout", &layout, "--json", "--select"]), -1.0);

    let closure = |run: &str| -> Value {
        let file = folder.path().join(run).join("results/truth.json");
        serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap()
    };
    assert!(!said.contains("WARNING: the truth") && closure("run")["follows"] == true, "{said}");

    // On the pseudo-experiments of the files' test part: the same numbers as the run's, and of data that are not in files nothing.
    let compare = ["compare", &run, "--estimators", "ratio,unbinned", "--json"];
    let compared = json(&compare);
    let comparison = &compared[0];
    let evaluation = fs::read_to_string(folder.path().join("run/results/ratio.json")).unwrap();
    let evaluation: Value = serde_json::from_str(&evaluation).unwrap();
    let points = evaluation["points"].as_array().unwrap();
    let values = comparison["estimators"][0]["values"].as_array().unwrap();
    for value in values {
        let same = |point: &&Value| point["coefficients"][0]["truth"] == value["truth"];
        let of_run = points.iter().find(same).unwrap();
        assert_eq!(value["images"], of_run["experiments"]);
        let of_run = &of_run["coefficients"][0];
        assert!((number(&value["mean"]) - number(&of_run["mean"])).abs() < 1e-9, "{value} {of_run}");
        assert!((number(&value["bound"]) / number(&of_run["bound"]) - 1.0).abs() < 1e-9);
    }
    assert!(!values.is_empty(), "{comparison}");
    let wrong = comparison["wrong"].as_array().unwrap();
    assert!(wrong.len() == 1 && wrong[0]["what"] == "20 % more background than simulated", "{comparison}");
    refused(&["compare", &run, "--wrong", "resolution"], &["--wrong = resolution is not allowed"]);
    refused(&["compare", &run, "--test-model", "nnlo"], &["--test-model", "simulation.files"]);

    // What would give a wrong answer is refused.
    let other = path("other");
    let wrong = |from: &str, to: &str, words: &[&str]| {
        assert!(text.contains(from), "{from}");
        fs::write(&card, text.replace(from, to)).unwrap();
        refused(&["run", &card, "--out", &other], words);
    };
    wrong("c9 = -0.5", "c9 = 0.3", &["mc.root:events", "the file says c9 -0.5, 0.3 is assumed"]);
    wrong("c9 = -0.5", "c10 = 1.0", &["simulation.reference: c10 = 1"]);
    wrong("\"m_b\"", "\"mass\"", &["mass", "allowed: one of"]);
    wrong("fraction = 0.3", "", &["background.fraction is missing"]);
    wrong("fraction = 0.3", "fraction = 1.3", &["card.toml:19: background.fraction"]);
    wrong(
        "fraction = 0.3",
        "fraction = 0.3\ncombinatorial = 0.3",
        &["background = parts of generated events beside files"],
    );
    wrong("epochs = 3", "epochs = 3\nprior = \"uniform\"", &["training.prior"]);
    wrong(
        "preset = \"ratio\"\n",
        "preset = \"score\"\n",
        &["network.variables = q2, cos_theta_l, cos_theta_k, chi, m_kpi, m_b is not allowed"],
    );
    wrong("c9 = [-2.5, 1.1]\n", "", &["[parameters]"]);
    assert!(!folder.path().join("other").exists());
}

/// As EvtGen's model for new physics: a file that says nothing of how it was made, with chi mirrored in truth and measurement alike.
#[test]
fn a_mirrored_simulation_is_named_before_the_training() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (card, made, out) = (path("card.toml"), path("made.parquet"), path("run"));
    let generator = "[generator]\nq2 = [\"1.1:8\"]\nwilson = { c10 = \"0+1.5i\" }\n";
    fs::write(&card, format!("{generator}[detector]\nbase = \"belle2\"\n")).unwrap();
    succeed(&["generate", "--card", &card, "--delta-c9", "-0.5", "--events", "20000", "--out", &made]);
    for sign in [1.0_f32, -1.0] {
        let name = if sign > 0.0 { "right" } else { "mirrored" };
        let mut writer: Option<ArrowWriter<fs::File>> = None;
        let file = fs::File::open(&made).unwrap();
        for batch in ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap() {
            let batch = batch.unwrap();
            let columns = ["q2", "cos_theta_l", "cos_theta_k", "chi", "m_kpi"];
            let names: Vec<String> = columns
                .iter()
                .map(|c| (*c).to_owned())
                .chain(columns.iter().map(|c| format!("true_{c}")))
                .collect();
            let column = |name: &String| {
                let values = batch.column_by_name(name).unwrap().as_primitive::<Float32Type>();
                let factor = if name.ends_with("chi") { sign } else { 1.0 };
                let values = Float32Array::from_iter_values(values.values().iter().map(|x| factor * x));
                (name.clone(), Arc::new(values) as ArrayRef)
            };
            let batch = RecordBatch::try_from_iter(names.iter().map(column)).unwrap();
            let writer = writer.get_or_insert_with(|| {
                let file = fs::File::create(path(&format!("{name}.parquet"))).unwrap();
                ArrowWriter::try_new(file, batch.schema(), None).unwrap()
            });
            writer.write(&batch).unwrap();
        }
        writer.unwrap().close().unwrap();
        let text = format!(
            "seed = 4\n{generator}[parameters]\nc9 = [-2.5, 1.1]\n[dataset]\npoints = 3\n[network]\npreset = \"ratio\"\n\
             layers = [16]\n[simulation]\nfiles = [\"{name}.parquet\"]\n[simulation.reference]\nc9 = -0.5\n{TRAINING}"
        );
        fs::write(&card, text).unwrap();
        let out = format!("{out}-{name}");
        let said = String::from_utf8(succeed(&["run", &card, "--out", &out]).stderr).unwrap();
        let truth = fs::read_to_string(Path::new(&out).join("results/truth.json")).unwrap();
        let truth: Value = serde_json::from_str(&truth).unwrap();
        if sign > 0.0 {
            assert!(!said.contains("WARNING: the truth") && truth["follows"] == true, "{said}");
        } else {
            let warning = said.find("WARNING: the truth of simulation.files").unwrap();
            assert!(
                warning < said.find("trained with").unwrap() && said.contains("mirror it in truth"),
                "{said}"
            );
            assert_eq!(truth["deviations"][0]["kind"], Value::from("mirrored_chi"));
        }
        // What is learned of it is as doubtful.
        let data = path(&format!("{name}.parquet"));
        let output = succeed(&["infer", &data, "--model", &format!("{out}/model"), "--json"]);
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(found["warning"].to_string().contains("mirror it in truth"), sign < 0.0, "{found}");
    }
}

/// Data of B0bar and B0 by a network that saw B0bar alone: an imaginary part, which they see with opposite signs, is found from both together, and from
/// the B0 alone; taken all for B0bar they would say that there is none.
#[test]
fn a_network_of_one_flavour_fits_data_of_both() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (card, run) = (path("card.toml"), path("run"));
    let text = format!(
        "seed = 4\n[generator]\nq2 = [\"0.3:6\"]\nline_shape = \"narrow\"\n[parameters]\nc9 = [-2.0, 1.0]\nc7_prime_im = [-0.4, 0.2]\n\
         [dataset]\npoints = 3\n[images]\nevents = 3000\n[network]\npreset = \"ratio\"\nlayers = [32, 32]\n\
         [simulation]\nevents = 60000\n{TRAINING}"
    );
    fs::write(&card, &text).unwrap();
    succeed(&["run", &card, "--out", &run]);
    let model = path("run/model");
    let generate = |flavour: &str, out: &str| {
        let shifts = ["--wc", "c9=-0.6,c7_prime=0.15i", "--q2", "0.3:6", "--line-shape", "narrow"];
        succeed(
            &[&["generate", "--flavour", flavour, "--events", "10000", "--out", out][..], &shifts].concat(),
        );
    };
    let mut batches = Vec::new();
    for (flavour, tag) in [("B0bar", 1_i8), ("B0", -1)] {
        let name = path(&format!("{flavour}.parquet"));
        generate(flavour, &name);
        let reader = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(&name).unwrap()).unwrap();
        for batch in reader.build().unwrap() {
            let batch = batch.unwrap();
            let own = ["q2", "cos_theta_l", "cos_theta_k", "chi"]
                .map(|name| (name, batch.column_by_name(name).unwrap().clone(), false));
            let tags = Arc::new(Int8Array::from_value(tag, batch.num_rows())) as ArrayRef;
            batches.push(
                RecordBatch::try_from_iter_with_nullable(own.into_iter().chain([("flavour", tags, false)]))
                    .unwrap(),
            );
        }
    }
    let write = |name: &str, chosen: &[RecordBatch]| {
        write_only(&path(name), chosen);
        json(&["infer", &path(name), "--model", &model, "--json"])
    };
    let half = batches.len() / 2;
    let (both, other) = (write("both.parquet", &batches), write("other.parquet", &batches[half..]));
    let of = |inferred: &Value, place: usize| {
        let found = &inferred["parameters"][place];
        let [value, minus, plus] = ["value", "minus", "plus"].map(|key| number(&found[key]));
        (value, 0.5 * (minus + plus))
    };
    let imaginary = usize::from(both["parameters"][0]["name"] == "c9");
    for inferred in [&both, &other] {
        let (value, sigma) = of(inferred, imaginary);
        assert!((value - 0.15).abs() < 3.5 * sigma && value > 4.0 * sigma, "{inferred}");
        let (c9, sigma) = of(inferred, 1 - imaginary);
        assert!((c9 + 0.6).abs() < 3.5 * sigma, "{inferred}");
        assert!(number(&inferred["p_value"]) > 1e-3, "{inferred}");
    }
    assert!(of(&both, imaginary).1 < 0.85 * of(&other, imaginary).1, "{both} {other}");
    let few = [batches[0].clone(), batches[half].slice(0, 20)];
    write_only(&path("few.parquet"), &few);
    refused(
        &["infer", &path("few.parquet"), "--model", &model],
        &["20 events of one of two flavours", "100 of each"],
    );
    // A simulation of both has no density here, and fixed imaginary parts have no opposite.
    let text = text.replace(
        "[simulation]\nevents = 60000",
        "[simulation]\nfiles = [\"both.parquet\"]\nreference = { c9 = 0.0 }",
    );
    fs::write(&card, text).unwrap();
    refused(&["run", &card, "--out", &path("no")], &["both.parquet", "is no B0bar"]);
}

fn write_only(path: &str, batches: &[RecordBatch]) {
    let mut writer =
        ArrowWriter::try_new(fs::File::create(path).unwrap(), batches[0].schema(), None).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.close().unwrap();
}

/// Samples whose form factors and charm are drawn anew for each: profiled over, the pulls are those of a normal distribution; not profiled over, far from it.
#[test]
#[ignore = "minutes"]
fn pulls_with_random_form_factors_and_charm() {
    const EVENTS: usize = 24_613;
    let experiments: u64 = std::env::var("EXPERIMENTS").map_or(100, |n| n.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let text = format!(
        "seed = 5\n[generator]\nq2 = [\"0.1:19.2\"]\nline_shape = \"narrow\"\n[parameters]\nc9 = [-2.0, 1.1]\n[images]\nevents = {EVENTS}\n\
         [dataset]\npoints = 3\ntest = 3\n[simulation]\nevents = 800000\n[simulation.reference]\nc9 = -0.5\n\
         [network]\npreset = \"ratio\"\nnuisances = [\"form-factors\", \"charm\"]\n"
    );
    fs::write(path("card.toml"), text).unwrap();
    succeed(&["run", &path("card.toml"), "--out", &path("run")]);
    let model = RatioModel::load(Path::new(&path("run/model")), &Compute::cpu()).unwrap();
    let card = &model.card.generator;
    let standard = card.parameters().unwrap();
    let variation = Variation::new(&standard).unwrap();
    let names: Vec<String> = variation.names().map(str::to_owned).collect();
    let form_factors = Channel::of(card.flavour, Hadron::Kstar).unwrap().form_factors;
    let windows = humboldt::sampling::windows(card).unwrap();
    let groups = [Nuisance::FormFactors, Nuisance::Charm];
    for truth in [-1.0, 0.3] {
        let mut pulls = [Vec::new(), Vec::new()];
        let mut widths = Vec::new();
        for number in 0..experiments {
            let mut normals = Normals::new(number);
            let of = |name: &String| {
                if name.starts_with(&format!("{form_factors}_")) { normals.next() } else { 0.0 }
            };
            let drawn: Vec<f64> = names.iter().map(of).collect();
            let decay =
                card.decay_with(&WilsonShifts::delta_c9(truth), &variation.varied(&drawn).unwrap()).unwrap();
            let mut charm = standard.clone();
            for (name, entry) in
                standard.iter().filter(|(name, _)| name.starts_with("subleading_neutral_kstar_"))
            {
                charm = charm.with_value(name, normals.next() * entry.uncertainty).unwrap();
            }
            let decay = decay.with_corrections(KstarSubleading::new(card.flavour, &charm).unwrap());
            let sampler = EventSampler::new(&decay, card.line_shape, &windows).unwrap();
            let (events, _) = sampler.generate(StreamKey::new(900 + number), EVENTS);
            let sample = model.sample(&model.variables.told(&events, &[])).unwrap();
            for (pulls, groups) in pulls.iter_mut().zip([&groups[..], &[]]) {
                let fit = model.fit(&sample, None, groups).unwrap();
                pulls.push(fit.pull(0, truth - model.origin[0]).unwrap());
                if !groups.is_empty() {
                    widths.push(fit.covariance()[(0, 0)].sqrt());
                }
            }
        }
        let moments = |values: &[f64]| {
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n - 1.0)).sqrt())
        };
        let [with, without] = pulls.each_ref().map(|pulls| moments(pulls));
        let covered = pulls[0].iter().filter(|pull| pull.abs() < 1.0).count() as f64 / experiments as f64;
        println!(
            "{truth}: profiled {:.3} +- {:.3}, covers {covered:.3}, width {:.4}; not {:.3} +- {:.3}",
            with.0,
            with.1,
            moments(&widths).0,
            without.0,
            without.1
        );
        let error = (experiments as f64).sqrt().recip();
        assert!(with.0.abs() < 0.3 + 3.0 * error && (with.1 - 1.0).abs() < 0.15 + 3.0 * error, "{with:?}");
        assert!(without.1 > 1.5, "{without:?}");
    }
}

/// Standard normal numbers of a stream.
struct Normals(BlockRng);

impl Normals {
    fn new(number: u64) -> Self {
        Self(StreamKey::new(77).block(number))
    }

    fn next(&mut self) -> f64 {
        let [a, b] = [self.0.uniform().max(1e-300), self.0.uniform()];
        (-2.0 * a.ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }
}
