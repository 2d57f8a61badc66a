//! Networks over events and cells on small cards, and delta C9 of a user's own events.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{assert_same, files, humboldt, reproducible, said_in_refusal};
use humboldt::learn::{Compute, LearnError, Model};
use humboldt_pipeline::EventBatch;
use humboldt_schemas::inference::{BoundResult, Inferred};
use humboldt_schemas::results::EnsembleResult;

const EVENTS: usize = 2000;

/// Output of a command.
fn succeed(arguments: &[&str]) -> String {
    String::from_utf8(crate::support::succeed(arguments).stdout).unwrap()
}

/// Message of a command that is refused.
fn refused(arguments: &[&str]) -> String {
    said_in_refusal(&mut humboldt(arguments))
}

/// Writes so many events of the tests' window.
fn generate(count: &str, path: &str) {
    succeed(&[
        "generate",
        "--events",
        count,
        "--q2",
        "1:8",
        "--line-shape",
        "narrow",
        "--force",
        "--out",
        path,
    ]);
}

fn card(folder: &Path, network: &str, training: &str) -> PathBuf {
    let text = format!(
        "name = \"sets\"\nseed = 3\n[generator]\nline_shape = \"narrow\"\nq2 = [\"1:8\"]\n\
         [images]\nevents = {EVENTS}\nbins = 20\n[[dataset.groups]]\ndelta_c9 = [-2.0, -1.0, 0.0]\n\
         train = 100\nvalidation = 4\ntest = 60\n[network]\n{network}\n\
         [training]\nimages = \"live\"\nprior = \"uniform\"\nbatch_size = 8\nmicro_batch = 4\nepochs = 4\n\
         loss = \"mse\"\noptimiser = \"adamw\"\nlearning_rate = 0.01\nschedule = \"one_cycle\"\n\
         standardise_target = true\ncalibration_images = 40\n{training}\n[figures]\nevents = 5000\n"
    );
    let path = folder.join("card.toml");
    fs::write(&path, text).unwrap();
    path
}

fn run(card: &Path, out: &Path, threads: &str) -> Vec<EnsembleResult> {
    succeed(&["run", card.to_str().unwrap(), "--out", out.to_str().unwrap(), "--threads", threads]);
    serde_json::from_str(&fs::read_to_string(out.join("results/ensembles.json")).unwrap()).unwrap()
}

fn bound(delta_c9: f64) -> f64 {
    let (x, n) = (delta_c9.to_string(), EVENTS.to_string());
    let output = succeed(&["bound", "--delta-c9", &x, "--events", &n, "--q2", "1:8", "--json"]);
    serde_json::from_str::<BoundResult>(&output).unwrap().sigma
}

/// At least as good as the bound times `most`, within the statistics of 60 images, and unbiased.
fn assert_near_the_bound(ensembles: &[EnsembleResult], most: f64) {
    let ratios: Vec<f64> = ensembles.iter().map(|e| e.sigma.unwrap() / bound(e.truth)).collect();
    let mean = ratios.iter().sum::<f64>() / ratios.len() as f64;
    // The mean over three ensembles has an error of 5 %.
    assert!((0.8..most).contains(&mean), "widths over bound {ratios:?}");
    for e in ensembles {
        let sigma = e.sigma.unwrap();
        assert!(e.bias.abs() < 0.6 * sigma, "bias {} of width {sigma} at {}", e.bias, e.truth);
    }
}

#[test]
fn scores_of_events_reach_the_bound_for_any_number_of_threads() {
    let folder = tempfile::tempdir().unwrap();
    let card = card(folder.path(), "preset = \"score\"\nlayers = [32, 32]\nsample = 500", "");
    let (two, one) = (folder.path().join("two"), folder.path().join("one"));
    assert_near_the_bound(&run(&card, &two, "2"), 1.3);
    assert!(!two.join("images/shards").exists(), "nothing is stored");
    run(&card, &one, "1");
    assert_same(&reproducible(files(&two)), &reproducible(files(&one)));

    // Its own events, ten times as many, by the network of the run: a third of the width.
    let events = folder.path().join("events.parquet");
    let events = events.to_str().unwrap();
    let draw = |more: &[&str]| {
        let mut arguments =
            vec!["generate", "--delta-c9", "-0.8", "--line-shape", "narrow", "--force", "--out", events];
        arguments.extend(more);
        succeed(&arguments);
    };
    draw(&["--events", "20000", "--q2", "1:8"]);
    let model = two.join("model");
    let infer = ["infer", events, "--model", model.to_str().unwrap(), "--json"];
    let inferred: Inferred = serde_json::from_str(&succeed(&infer)).unwrap();
    let (minus, plus) = (inferred.minus.unwrap(), inferred.plus.unwrap());
    assert!(inferred.events == 20_000 && inferred.warning.is_none(), "{inferred:?}");
    assert!((inferred.delta_c9.unwrap() + 0.8).abs() < 4.0 * minus.max(plus), "{inferred:?}");
    let expected = bound(-0.8) / 10.0_f64.sqrt();
    assert!(minus > 0.9 * expected && plus < 1.4 * expected, "{inferred:?}, bound {expected}");

    // Events of another window, and too few of them.
    draw(&["--events", "500", "--q2", "0.5:6"]);
    let error = refused(&infer);
    assert!(error.contains("lie outside q2 = 1:8"), "{error}");
    let selected = [&infer[..], &["--select"]].concat();
    let inferred: Inferred = serde_json::from_str(&succeed(&selected)).unwrap();
    assert!(inferred.events < 500);
    draw(&["--events", "50", "--q2", "1:8"]);
    let error = refused(&infer);
    assert!(error.contains("50 events are not allowed; allowed: at least 100"), "{error}");
}

#[test]
fn scores_of_cells_reach_the_bound_within_what_binning_costs() {
    let folder = tempfile::tempdir().unwrap();
    let card =
        card(folder.path(), "preset = \"score\"\nelements = \"cells\"\nlayers = [32, 32]\nsample = 500", "");
    let out = folder.path().join("run");
    assert_near_the_bound(&run(&card, &out, "2"), 1.35);

    // A network over cells knows one number of events.
    let events = folder.path().join("events.parquet");
    let events = events.to_str().unwrap();
    let infer =
        ["infer", events, "--model", out.join("model").to_str().unwrap(), "--json"].map(str::to_owned);
    let infer = infer.each_ref().map(String::as_str);
    generate("2000", events);
    let inferred: Inferred = serde_json::from_str(&succeed(&infer)).unwrap();
    assert!(inferred.delta_c9.unwrap().abs() < 0.8 && inferred.minus.is_some(), "{inferred:?}");
    generate("2001", events);
    let error = refused(&infer);
    assert!(error.contains("2001 events are not allowed; allowed: 2000"), "{error}");
}

/// The per-event label says little event by event; its mean over events, calibrated, says most of it.
#[test]
fn labels_of_single_events_work_once_calibrated() {
    let folder = tempfile::tempdir().unwrap();
    let card = card(folder.path(), "preset = \"event\"\nlayers = [32, 32]\nsample = 1000", "");
    let ensembles = run(&card, &folder.path().join("run"), "2");
    for e in &ensembles {
        let sigma = e.sigma.unwrap();
        assert!(sigma < 2.5 * bound(e.truth) && e.bias.abs() < 0.6 * sigma, "{e:?}");
    }
}

#[test]
fn deep_sets_with_a_predicted_width_learn_end_to_end() {
    let folder = tempfile::tempdir().unwrap();
    let training = "margin = 0.2";
    let path = card(folder.path(), "preset = \"set\"\nlayers = [16, 16]\npooled = 8\ndense = 16", training);
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("\"mse\"", "\"gaussian\"").replace("events = 2000", "events = 1000");
    fs::write(&path, text.replace("train = 100", "train = 240")).unwrap();
    let out = folder.path().join("run");
    let ensembles = run(&path, &out, "2");
    let (first, last) = (&ensembles[0], &ensembles[2]);
    assert!(last.mean - first.mean > 1.0, "{} to {}", first.mean, last.mean);

    // The predicted width of a sample is about the width of the ensemble.
    let events = folder.path().join("events.parquet");
    let events = events.to_str().unwrap();
    generate("1000", events);
    let output = succeed(&["infer", events, "--model", out.join("model").to_str().unwrap(), "--json"]);
    let inferred: Inferred = serde_json::from_str(&output).unwrap();
    let width = inferred.plus.unwrap();
    let sigma = last.sigma.unwrap();
    assert!(width > 0.3 * sigma && width < 3.0 * sigma, "{width} {sigma}");
    // It was never told of other numbers.
    generate("1001", events);
    let error = refused(&["infer", events, "--model", out.join("model").to_str().unwrap()]);
    assert!(error.contains("1001 events are not allowed; allowed: 1000"), "{error}");
}

/// Scores of an image, or of its merged cells, say so much more than its label that a small residual network comes close to
/// the bound.
#[test]
fn residual_networks_learn_scores_of_images() {
    let one = "blocks = [1]\nfilters = [16]";
    let two = "blocks = [1, 1]\nfilters = [16, 16]";
    for (supervision, stages, most) in
        [("score", one, 1.8), ("score_map", one, 1.4), ("score_pyramid", two, 1.4)]
    {
        let folder = tempfile::tempdir().unwrap();
        let network = format!(
            "preset = \"resnet10\"\nsupervision = \"{supervision}\"\nchannels = [\"q2_bands\", \"coordinates\"]\n\
             q2_bands = [1.0, 4.0, 8.0]\ndownsample = 4\nstem_filters = 16\nstem_kernel = 1\nstem_stride = 1\n\
             pool_kernel = 1\n{stages}\nreferences = [-1.5, -0.5]"
        );
        let card = card(folder.path(), &network, "standardise_input = true\nfreeze_norms_after = 2");
        let text = fs::read_to_string(&card).unwrap().replace("train = 100", "train = 200");
        fs::write(&card, text).unwrap();
        let out = folder.path().join("run");
        assert_near_the_bound(&run(&card, &out, "2"), most);
        let one = folder.path().join("one");
        run(&card, &one, "1");
        assert_same(&reproducible(files(&out)), &reproducible(files(&one)));
        let images = files(&out).into_keys().filter(|name| name.extension().is_some_and(|e| e == "h5"));
        let images: Vec<PathBuf> = images.collect();
        // Training and validation need the events: their images are not stored.
        assert!(
            !images.is_empty() && images.iter().all(|name| name.to_string_lossy().contains("test")),
            "{images:?}"
        );

        let events = folder.path().join("events.parquet");
        let events = events.to_str().unwrap();
        generate("2000", events);
        let output = succeed(&["infer", events, "--model", out.join("model").to_str().unwrap(), "--json"]);
        let inferred: Inferred = serde_json::from_str(&output).unwrap();
        assert!(inferred.delta_c9.unwrap().abs() < 1.0 && inferred.p_value.is_some(), "{inferred:?}");
    }
}

#[test]
fn two_coefficients_are_learned_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = card(
        folder.path(),
        "preset = \"score\"\nlayers = [32, 32]\nsample = 500\nreferences = [-1.5, 0.0]",
        "",
    );
    let text = fs::read_to_string(&path).unwrap();
    let text =
        text.replace("[[dataset.groups]]", "[dataset]\nalso = { c10 = [-1.0, 1.0] }\n[[dataset.groups]]");
    fs::write(&path, text.replace("validation = 4", "validation = 5")).unwrap();
    let out = folder.path().join("run");
    let ensembles = run(&path, &out, "2");
    let table = fs::read_to_string(out.join("results/ensembles_c10.csv")).unwrap();
    let rows: Vec<Vec<f64>> =
        table.lines().skip(1).map(|line| line.split(',').filter_map(|x| x.parse().ok()).collect()).collect();
    assert!(table.starts_with("c10,n_images,mean,sigma_left"), "{table}");
    let truths: Vec<f64> = rows.iter().map(|row| row[0]).collect();
    assert_eq!(truths, [-0.8, -0.4, 0.0, 0.4, 0.8]);
    for name in ["linearity_c10.png", "linearity_c10.csv", "predictions_c10.parquet"] {
        assert!(out.join("results").join(name).exists(), "{name}");
    }

    // Neither coefficient is known: the widths are those of both together.
    let bound = |c9: f64, c10: f64| {
        let (n, c9, shift) = (EVENTS.to_string(), c9.to_string(), format!("c10={c10}"));
        let arguments =
            ["bound", "--delta-c9", &c9, "--wc", &shift, "--also", "c10", "--events", &n, "--q2", "1:8"];
        let output = succeed(&[&arguments[..], &["--json"]].concat());
        let bound: BoundResult = serde_json::from_str(&output).unwrap();
        (bound.covariance[0][0].sqrt(), bound.covariance[1][1].sqrt())
    };
    let middle = &ensembles[1];
    let expected = bound(-1.0, 0.0);
    let sigma = middle.sigma.unwrap();
    assert!(sigma > 0.6 * expected.0 && sigma < 1.8 * expected.0, "{sigma} {}", expected.0);
    assert!(middle.bias.abs() < 0.7 * sigma, "{middle:?}");
    for row in &rows[1..4] {
        assert!((row[2] - row[0]).abs() < row[5], "mean {} of {}", row[2], row[0]);
    }
    assert!(rows[2][5] < 2.5 * expected.1, "{} {}", rows[2][5], expected.1);

    let events = folder.path().join("events.parquet");
    let events = events.to_str().unwrap();
    let generate = ["generate", "--events", "20000", "--delta-c9", "-1", "--wc", "c10=0.4", "--q2", "1:8"];
    succeed(&[&generate[..], &["--line-shape", "narrow", "--out", events]].concat());
    let model = out.join("model");
    let model = model.to_str().unwrap();
    let inferred: Inferred =
        serde_json::from_str(&succeed(&["infer", events, "--model", model, "--json"])).unwrap();
    let c10 = &inferred.parameters[1];
    let sigma = c10.plus.unwrap();
    assert!(c10.name == "c10" && (c10.value - 0.4).abs() < 4.0 * sigma, "{inferred:?}");
    assert!((inferred.delta_c9.unwrap() + 1.0).abs() < 4.0 * inferred.plus.unwrap(), "{inferred:?}");
    assert!(inferred.correlation[0][1].abs() <= 1.0 && sigma < 1.0, "{inferred:?}");
    let printed = succeed(&["infer", events, "--model", model]);
    assert!(printed.contains("delta c10 = ") && printed.contains("correlation of c9 and c10"), "{printed}");
}

/// A residual network for merged cells that is told the number of events.
const COARSE: &str = "preset = \"resnet10\"\nchannels = [\"q2_bands\", \"coordinates\", \"events\"]\n\
                   q2_bands = [1.0, 4.0, 8.0]\ndownsample = 5\nstem_filters = 16\nstem_kernel = 1\nstem_stride = 1\n\
                   pool_kernel = 1\nblocks = [1]\nfilters = [16]\ndense = 16\ndropout = 0.0";

/// Labels of two coefficients, each with its predicted width; a killed training goes on to the same bytes.
#[test]
fn a_residual_network_learns_two_labels_with_their_widths() {
    let folder = tempfile::tempdir().unwrap();
    let path = card(
        folder.path(),
        COARSE,
        "standardise_input = true\nevents = [700, 1500]\ncheckpoint_batches = 3\nfreeze_norms_after = 1",
    );
    let text = fs::read_to_string(&path).unwrap();
    let text =
        text.replace("[[dataset.groups]]", "[dataset]\nalso = { c10 = [-3.0, 3.0] }\n[[dataset.groups]]");
    let text = text.replace("\"mse\"", "\"gaussian\"").replace("events = 2000", "events = 1000");
    fs::write(&path, text.replace("validation = 4", "validation = 10").replace("train = 100", "train = 300"))
        .unwrap();
    let out = folder.path().join("run");
    run(&path, &out, "2");
    let table = fs::read_to_string(out.join("results/ensembles_c10.csv")).unwrap();
    let means: Vec<f64> =
        table.lines().skip(1).map(|line| line.split(',').nth(2).unwrap().parse().unwrap()).collect();
    // From a shift of -2.4 to one of +2.4.
    assert!(means[4] - means[0] > 1.0, "{table}");
    let events = folder.path().join("events.parquet");
    let events = events.to_str().unwrap();
    generate("1200", events);
    let output = succeed(&["infer", events, "--model", out.join("model").to_str().unwrap(), "--json"]);
    let inferred: Inferred = serde_json::from_str(&output).unwrap();
    let (c9, c10) = (inferred.plus.unwrap(), inferred.parameters[1].plus.unwrap());
    assert!(
        c9 > 0.05 && c9 < 2.0 && c10 > 0.05 && c10 < 3.0 && inferred.parameters[1].value.abs() < 3.0,
        "{inferred:?}"
    );

    let killed = folder.path().join("killed");
    let arguments = ["run", path.to_str().unwrap(), "--out", killed.to_str().unwrap(), "--threads", "1"];
    let mut child = humboldt(&arguments).spawn().unwrap();
    let checkpoints = killed.join("training/checkpoints");
    while !checkpoints.exists() && child.try_wait().unwrap().is_none() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    run(&path, &killed, "1");
    assert_same(&reproducible(files(&out)), &reproducible(files(&killed)));
}

/// One network for samples of 500 to 4,000 events, told how many there are; its predicted width follows the number.
#[test]
fn one_network_serves_several_numbers_of_events() {
    let folder = tempfile::tempdir().unwrap();
    let path =
        card(folder.path(), COARSE, "standardise_input = true\nevents = [500, 4000]\nfreeze_norms_after = 1");
    let text = fs::read_to_string(&path).unwrap();
    let text = text.replace("train = 100", "train = 300").replace("\"mse\"", "\"gaussian\"");
    // Slowly: faster, some first weights learn nothing, which rounding decides.
    let text =
        text.replace("learning_rate = 0.01", "learning_rate = 0.003").replace("epochs = 4", "epochs = 6");
    fs::write(&path, text).unwrap();
    let out = folder.path().join("run");
    let ensembles = run(&path, &out, "2");
    assert!(ensembles[2].mean - ensembles[0].mean > 1.0, "{ensembles:?}");
    let model = out.join("model");
    let infer = |events: &str| {
        let file = folder.path().join("events.parquet");
        let file = file.to_str().unwrap().to_owned();
        let generate =
            ["generate", "--events", events, "--delta-c9", "-1", "--q2", "1:8", "--line-shape", "narrow"];
        succeed(&[&generate[..], &["--force", "--out", &file]].concat());
        [file, model.to_str().unwrap().to_owned()]
    };
    let width = |events: &str| {
        let [file, model] = infer(events);
        let output = succeed(&["infer", &file, "--model", &model, "--json"]);
        serde_json::from_str::<Inferred>(&output).unwrap().plus.unwrap()
    };
    let (few, many) = (width("600"), width("3500"));
    assert!(few > 1.2 * many, "predicted widths {few} and {many}");
    let [file, model] = infer("5000");
    let error = refused(&["infer", &file, "--model", &model]);
    assert!(error.contains("5000 events are not allowed; allowed: 500 to 4000"), "{error}");
}

#[test]
fn the_builtin_network_knows_standard_model_events() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events.parquet");
    let events = events.to_str().unwrap();
    succeed(&["generate", "--events", "24613", "--q2", "0.1:19.2", "--seed", "8", "--out", events]);
    let inferred: Inferred = serde_json::from_str(&succeed(&["infer", events, "--json"])).unwrap();
    let (minus, plus) = (inferred.minus.unwrap(), inferred.plus.unwrap());
    assert!(inferred.delta_c9.unwrap().abs() < 4.0 * minus.max(plus), "{inferred:?}");
    assert!(inferred.p_value.unwrap() > 1e-4 && inferred.warning.is_none(), "{inferred:?}");
    // Other physics is seen as such.
    succeed(&[
        "generate", "--events", "24613", "--q2", "0.1:19.2", "--wc", "c10=3", "--force", "--out", events,
    ]);
    let inferred: Inferred = serde_json::from_str(&succeed(&["infer", events, "--json"])).unwrap();
    assert!(inferred.warning.unwrap().contains("do not follow the density"));
}

#[test]
fn all_builtin_networks_find_what_events_were_made_with() {
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events.parquet");
    let events = events.to_str().unwrap();
    let listed: serde_json::Value = serde_json::from_str(&succeed(&["model", "list", "--json"])).unwrap();
    let names: Vec<&str> =
        listed.as_array().unwrap().iter().map(|own| own["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["builtin:npr", "builtin:full", "builtin:six"]);
    assert!(succeed(&["model", "list"]).contains("full, q2 = 0.1:8,11:12.5,15:19.2 GeV^2"));
    let six = ["--wc", "c9=-0.8,c7_prime=0.05,c10_prime=-0.5"];
    let cases = [
        (
            "builtin:full",
            vec!["--model", "full", "--veto", "8:11,12.5:15", "--wc", "c9=-0.8"],
            vec![("c9", -0.8)],
        ),
        (
            "builtin:six",
            six.to_vec(),
            vec![("c9", -0.8), ("c10", 0.0), ("c7_prime", 0.05), ("c10_prime", -0.5)],
        ),
    ];
    for (name, made, expected) in cases {
        let generate =
            ["generate", "--events", "24613", "--q2", "0.1:19.2", "--seed", "3", "--force", "--out", events];
        succeed(&[&generate[..], &made].concat());
        let found: Inferred =
            serde_json::from_str(&succeed(&["infer", events, "--model", name, "--json"])).unwrap();
        assert!(found.p_value.unwrap() > 1e-4, "{found:?}");
        for (coefficient, truth) in expected {
            let own = found.parameters.iter().find(|own| own.name == coefficient).unwrap();
            let sigma = own.minus.into_iter().chain(own.plus).fold(0.0, f64::max);
            assert!(sigma > 0.0 && (own.value - truth).abs() < 4.0 * sigma, "{name}: {own:?}");
        }
    }
    let error = refused(&["infer", events, "--model", "builtin:none"]);
    assert!(
        error.contains("allowed: builtin, builtin:npr, builtin:full, builtin:six, a run's folder"),
        "{error}"
    );
}

#[test]
fn weights_travel_to_pytorch_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    succeed(&["model", "export", "builtin", "--out", &path("weights.safetensors")]);
    let card = folder.path().join("card.toml");
    let shown = succeed(&["model", "show", "builtin"]);
    let (_, text) = shown.split_once("\n\n").unwrap();
    fs::write(&card, text).unwrap();
    succeed(&[
        "model",
        "import",
        card.to_str().unwrap(),
        &path("weights.safetensors"),
        "--out",
        &path("model"),
    ]);
    assert!(succeed(&["model", "show", &path("model")]).contains("Score"));
    let error = refused(&["model", "export", "builtin", "--out", &path("weights.bin")]);
    assert!(error.contains("a name that ends in .safetensors"), "{error}");
}

#[test]
fn fields_of_another_kind_of_network_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (network, expected) in [
        ("preset = \"score\"\nfilters = [4]", "network.filters = a value with preset `score` is not allowed"),
        (
            "preset = \"resnet10\"\nlayers = [4]",
            "network.layers = a value with preset `resnet10` is not allowed",
        ),
        ("preset = \"set\"\nreferences = [0.0]", "network.references = a value with preset `set`"),
        ("preset = \"score\"\nreferences = [1.0, 0.0]", "network.references"),
        ("preset = \"event\"\nsample = 1", "network.sample = 1 is not allowed"),
        (
            "preset = \"score\"\nsupervision = \"score\"",
            "network.supervision = a value with preset `score` is not allowed",
        ),
        ("preset = \"resnet10\"\nreferences = [0.0]", "network.references = a value with preset `resnet10`"),
        ("preset = \"resnet10\"\nchannels = [\"events\"]", "network.channels = [Events] alone"),
        (
            "preset = \"score\"\nreferences = [-2.0, -1.9, -1.8, -1.7, -1.6, -1.5, -1.4, -1.3, -1.2, -1.1, -1.0, -0.9, \
          -0.8, -0.7, -0.6, -0.5, -0.4, -0.3, -0.2, -0.1, 0.0]",
            "training.calibration_images = 40 is not allowed",
        ),
        (
            "preset = \"resnet10\"\nstem_stride = 4\npool_kernel = 15\ncircular_chi = true",
            "network.circular_chi = true is not allowed",
        ),
    ] {
        let card = card(folder.path(), network, "");
        let out = folder.path().join("out");
        let error = refused(&["run", card.to_str().unwrap(), "--out", out.to_str().unwrap()]);
        assert!(error.contains(expected), "{error}");
    }
    for (network, training, also, expected) in [
        ("preset = \"score\"", "events = [500, 4000]", "", "training.events = a range is not allowed"),
        ("preset = \"set\"", "events = [3000, 4000]", "", "training.events = [3000, 4000] is not allowed"),
        (
            "preset = \"score\"\nreferences = [-1.0]",
            "",
            "c10 = [0.0, 1.0]",
            "dataset.groups.validation = 4 is not allowed",
        ),
        ("preset = \"set\"", "events = [500, 400]", "", "training.events = [500, 400] is not allowed"),
        (
            "preset = \"score\"",
            "",
            "c11 = [0.0, 1.0]",
            "dataset.also = `c11` is not allowed; allowed: c7, c9",
        ),
        ("preset = \"score\"", "", "c9 = [0.0, 1.0]", "dataset.also = `c9` is not allowed"),
        ("preset = \"score\"", "", "c10 = [1.0, 0.0]", "dataset.also.c10 = [1.0, 0.0] is not allowed"),
        (
            "preset = \"event\"",
            "",
            "c10 = [0.0, 1.0]",
            "dataset.also = further coefficients with this network",
        ),
    ] {
        let path = card(folder.path(), network, training);
        let text = fs::read_to_string(&path).unwrap();
        let enough = if expected.contains("validation") { "validation = 4" } else { "validation = 5" };
        let text = text.replace("validation = 4", enough);
        let also = format!("[dataset]\nalso = {{ {also} }}\n[[dataset.groups]]");
        fs::write(&path, text.replace("[[dataset.groups]]", &also)).unwrap();
        let out = folder.path().join("out");
        let error = refused(&["run", path.to_str().unwrap(), "--out", out.to_str().unwrap()]);
        assert!(error.contains(expected) && !out.exists(), "{error}");
    }
    let card = card(folder.path(), "preset = \"score\"", "huber_delta = 0.0");
    let out = folder.path().join("out");
    let error = refused(&["run", card.to_str().unwrap(), "--out", out.to_str().unwrap()]);
    assert!(error.contains("training.huber_delta = 0 is not allowed"), "{error}");
}

/// Everything at once, in measured variables, by each network that learns scores: near the width that labels of the truth allow.
#[test]
fn scores_of_measured_events_give_calibrated_estimates() {
    let effects = "[s_wave]\n[acceptance.formula]\ncos_theta_k = [1.0, -0.4, -0.3]\n[detector]\nbase = \"belle2\"\n\
                   [background]\ncombinatorial = 0.3\nswap = 0.01\nj_psi = 0.005\n";
    let networks = [
        "preset = \"score\"\nlayers = [32, 32]\nsample = 500\nvariables = [\"q2\", \"cos_theta_l\", \"cos_theta_k\", \"chi\", \"m_kpi\"]",
        "preset = \"score\"\nelements = \"cells\"\nlayers = [32, 32]\nsample = 500",
        "preset = \"resnet10\"\nsupervision = \"score_map\"\nchannels = [\"q2_bands\", \"coordinates\"]\nq2_bands = [1.0, 4.0, 8.0]\n\
         downsample = 4\nstem_filters = 16\nstem_kernel = 1\nstem_stride = 1\npool_kernel = 1\nblocks = [1]\nfilters = [16]",
    ];
    let training = ["", "", "standardise_input = true\nfreeze_norms_after = 2"];
    for (number, network) in networks.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let path = card(folder.path(), network, training[number]);
        let text =
            fs::read_to_string(&path).unwrap().replace("q2 = [\"1:8\"]", "q2 = [\"1:8\"]\nmodel = \"npr\"");
        let text =
            text.replace("line_shape = \"narrow\"\n", "").replace("[-2.0, -1.0, 0.0]", "[-2.0, -1.5, -1.0]");
        let text = text
            .replace("calibration_images = 40", "calibration_images = 20")
            .replace("train = 100", "train = 200");
        fs::write(&path, format!("{text}{effects}")).unwrap();
        let out = folder.path().join("run");
        let ensembles = run(&path, &out, "2");
        for e in &ensembles {
            let sigma = e.sigma.unwrap();
            // Of the true signal alone; background and the detector cost a fifth more.
            let bound = bound(e.truth) / 0.685_f64.sqrt();
            assert!(sigma < [1.8, 2.0, 2.2][number] * bound, "width {sigma} at {}, bound {bound}", e.truth);
            assert!(e.bias.abs() < 0.6 * sigma, "bias {} of width {sigma} at {}", e.bias, e.truth);
        }
        if number > 0 {
            continue;
        }
        // Networks that are told the K pi mass want one, of data and in the card.
        let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
        let refusal = at("refused.toml");
        let model = Model::load(&out.join("model"), &Compute::cpu()).unwrap();
        let zeros = vec![0.0; 3000];
        let events = EventBatch {
            q2: vec![3.0; 3000],
            cos_theta_l: zeros.clone(),
            cos_theta_k: zeros.clone(),
            chi: zeros,
            m_kpi: Vec::new(),
        };
        assert!(matches!(model.estimate_events(&events), Err(LearnError::NoMass)));
        let events = EventBatch { m_kpi: vec![0.9; 3000], ..events };
        assert!(model.estimate_events(&events).is_ok());
        let card = fs::read_to_string(&path).unwrap();
        for (from, to, words) in [
            ("[images]", "line_shape = \"narrow\"\n[images]", "network.variables = m_kpi is not allowed"),
            (
                "\"chi\", \"m_kpi\"",
                "\"chi\", \"m_b\"",
                "network.variables = q2, cos_theta_l, cos_theta_k, chi, m_b",
            ),
            ("sample = 500", "sample = 500\nelements = \"cells\"", "of elements that are events"),
        ] {
            fs::write(&refusal, card.replacen(from, to, 1)).unwrap();
            let said = refused(&["run", &refusal, "--out", &at("other")]);
            assert!(said.contains(words), "{said}");
        }
    }
}
