//! Cards that name what is learned: any coefficient alone, several in either order, six at once.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs;
use std::path::Path;

use crate::support::{assert_same, files, refused, succeed};
use humboldt_schemas::comparison::{Comparison, PredictedImage};
use humboldt_schemas::inference::{BoundResult, Inferred};
use humboldt_schemas::results::{EnsembleResult, Summary};

const EVENTS: usize = 2000;

fn card(folder: &Path, name: &str, parameters: &str, images: &str, calibration: usize) -> String {
    let text = format!(
        "name = \"parameters\"\nseed = 3\n[generator]\nline_shape = \"narrow\"\nq2 = [\"1:8\"]\n\
         [images]\nevents = {EVENTS}\nbins = 20\n[parameters]\n{parameters}\n[dataset]\n{images}\n\
         [network]\npreset = \"score\"\nlayers = [32, 32]\nsample = 500\n\
         [training]\nimages = \"live\"\nprior = \"uniform\"\nbatch_size = 8\nmicro_batch = 4\nepochs = 4\n\
         loss = \"mse\"\noptimiser = \"adamw\"\nlearning_rate = 0.01\nschedule = \"one_cycle\"\n\
         calibration_images = {calibration}\n[figures]\nevents = 5000\n"
    );
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn json<T: serde::de::DeserializeOwned>(path: &Path) -> T {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn bound(arguments: &[&str]) -> BoundResult {
    let (first, n) = (["bound", "--json", "--q2", "1:8", "--events"], EVENTS.to_string());
    let output = succeed(&[&first[..], &[&n], arguments].concat());
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn c10_alone_is_learned_and_inferred() {
    let folder = tempfile::tempdir().unwrap();
    let images = "points = 3\ntrain = 900\nvalidation = 12\ntest = 300";
    let card = card(folder.path(), "card.toml", "c10 = [-1.0, 1.0]", images, 40);
    let out = folder.path().join("run");
    succeed(&["run", &card, "--out", out.to_str().unwrap()]);
    let ensembles: Vec<EnsembleResult> = json(&out.join("results/ensembles.json"));
    let truths: Vec<f64> = ensembles.iter().map(|e| e.truth).collect();
    assert_eq!(truths, [-1.0, 0.0, 1.0]);
    let table = fs::read_to_string(out.join("results/ensembles.csv")).unwrap();
    assert!(table.starts_with("c10,n_images,mean"), "{table}");
    // C9 is known: the width is that of C10 alone.
    for e in &ensembles {
        let shift = format!("c10={}", e.truth);
        let known = bound(&["--wc", &shift, "--also", "c10"]);
        let (a, b, d) = (known.covariance[0][0], known.covariance[0][1], known.covariance[1][1]);
        let sigma = ((a * d - b * b) / a).sqrt();
        let own = e.sigma.unwrap();
        assert!((0.8..1.45).contains(&(own / sigma)), "{own} of {sigma} at {}", e.truth);
        assert!(e.bias.abs() < 0.6 * own, "{e:?}");
    }
    let summary: Summary = json(&out.join("results/summary.json"));
    assert!((summary.slope - 1.0).abs() < 0.1, "{summary:?}");

    let (events, model) = (folder.path().join("events.parquet"), out.join("model"));
    let generate =
        ["generate", "--events", "20000", "--wc", "c10=0.4", "--q2", "1:8", "--line-shape", "narrow"];
    succeed(&[&generate[..], &["--out", events.to_str().unwrap()]].concat());
    let output = succeed(&["infer", events.to_str().unwrap(), "--model", model.to_str().unwrap(), "--json"]);
    let inferred: Inferred = serde_json::from_slice(&output.stdout).unwrap();
    let c10 = &inferred.parameters[0];
    assert_eq!((inferred.parameters.len(), c10.name.as_str(), inferred.delta_c9), (1, "c10", None));
    assert!((c10.value - 0.4).abs() < 4.0 * c10.plus.unwrap(), "{inferred:?}");
}

#[test]
fn the_order_of_parameters_in_a_card_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let images = "points = 4\ntrain = 64\nvalidation = 8\ntest = 40";
    let outputs =
        ["c9 = [-2.0, 1.0]\nc10 = [-1.0, 1.0]", "c10 = [-1.0, 1.0]\nc9 = [-2.0, 1.0]"].map(|order| {
            let card = card(folder.path(), "card.toml", order, images, 50);
            let out = folder.path().join(&order[..3]);
            succeed(&["run", &card, "--out", out.to_str().unwrap()]);
            (files(&out.join("model")), out)
        });
    assert_same(&outputs[0].0, &outputs[1].0);
    for name in ["ensembles.json", "ensembles_c10.json", "summary_c10.json"] {
        let [a, b] = [0, 1].map(|i| fs::read(outputs[i].1.join("results").join(name)).unwrap());
        assert!(a == b, "{name}");
    }
}

#[test]
fn images_of_any_coefficients_are_stored_trained_on_and_predicted() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for (name, parameters, header) in [
        ("one", "c10 = [-1.0, 1.0]", "c10 = -1"),
        ("two", "c9 = [-2.0, 1.0]\nc10 = [-1.0, 1.0]", "delta C9 = -1.9"),
    ] {
        let text = format!(
            "name = \"stored\"\nseed = 4\n[generator]\nline_shape = \"narrow\"\nq2 = [\"1:8\"]\n\
             [images]\nevents = 500\nbins = 6\nper_file = 50\n[parameters]\n{parameters}\n\
             [dataset]\npoints = 5\ntrain = 40\nvalidation = 10\ntest = 100\n\
             [network]\npreset = \"resnet10\"\nblocks = [1, 1]\nfilters = [2, 4]\n\
             [training]\nimages = \"stored\"\nbatch_size = 8\nepochs = 1\nlearning_rate = 0.01\n\
             [figures]\nevents = 5000\n"
        );
        let (card, campaign, run) = (path("card.toml"), path(&format!("{name}-c")), path(name));
        fs::write(&card, text).unwrap();
        succeed(&["campaign", "run", &card, "--out", &campaign]);
        succeed(&["campaign", "verify", &campaign]);
        let file = path(&format!("{name}.h5"));
        succeed(&["campaign", "merge", &campaign, "--split", "test", "--out", &file]);
        let seen = String::from_utf8(succeed(&["view", &file, "--plain"]).stdout).unwrap();
        assert!(seen.contains(header), "{seen}");
        succeed(&["run", &card, "--out", &run, "--images", &campaign]);
        let output = succeed(&["predict", &run, &file, "--json"]);
        let predicted: Vec<PredictedImage> = serde_json::from_slice(&output.stdout).unwrap();
        let names: Vec<&str> = predicted.iter().take(2).map(|p| p.coefficient.as_str()).collect();
        assert_eq!(names, if name == "one" { ["c10", "c10"] } else { ["c9", "c10"] });
        let of_c10: Vec<&PredictedImage> = predicted.iter().filter(|p| p.coefficient == "c10").collect();
        assert_eq!(of_c10.len(), 100);
        assert!(of_c10.iter().all(|p| p.label.is_some_and(|x| x.abs() <= 1.0) && p.delta_c9.is_none()));
    }
    // One coefficient other than C9 is compared like C9.
    succeed(&[
        "compare",
        &path("one"),
        "--images",
        "40",
        "--calibration-images",
        "40",
        "--estimators",
        "unbinned,template",
    ]);
    let comparison: Comparison = json(&folder.path().join("one/results/compare/comparison.json"));
    assert_eq!((comparison.coefficient.as_str(), comparison.estimators.len()), ("c10", 2));
    let unbinned = &comparison.estimators[0];
    assert!((unbinned.slope - 1.0).abs() < 0.3 && unbinned.ratio_to_bound < 2.0, "{unbinned:?}");
    let table = fs::read_to_string(folder.path().join("one/results/compare/comparison.csv")).unwrap();
    assert!(table.starts_with("estimator,c10,images"), "{table}");
}

#[test]
fn six_coefficients_are_learned_calibrated_and_evaluated() {
    let folder = tempfile::tempdir().unwrap();
    let ranges = "c7 = [-0.3, 0.3]\nc9 = [-2.0, 1.0]\nc10 = [-2.0, 2.0]\nc7_prime = [-0.3, 0.3]\n\
                  c9_prime = [-2.0, 2.0]\nc10_prime = [-2.0, 2.0]";
    let card =
        card(folder.path(), "six.toml", ranges, "points = 12\ntrain = 200\nvalidation = 12\ntest = 48", 36);
    let out = folder.path().join("run");
    succeed(&["run", &card, "--out", out.to_str().unwrap()]);
    let names = ["", "_c10", "_c10_prime", "_c7", "_c7_prime", "_c9_prime"];
    for name in names {
        let summary: Summary = json(&out.join(format!("results/summary{name}.json")));
        assert!(summary.rmse.is_finite() && summary.slope.is_finite(), "{name}: {summary:?}");
        assert!(out.join(format!("results/linearity{name}.png")).exists(), "{name}");
    }
}

#[test]
fn parameters_that_cannot_be_learned_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    for (parameters, images, expected) in [
        ("c11 = [0.0, 1.0]", "", "parameters = `c11` is not allowed; allowed: c7, c9"),
        ("c10 = [1.0, 0.0]", "", "parameters.c10 = [1.0, 0.0] is not allowed"),
        ("c10 = [0.0, 1.0]", "also = { c7 = [0.0, 1.0] }", "dataset.also = coefficients beside [parameters]"),
        ("c10 = [0.0, 1.0]", "points = 1", "dataset.points = 1 is not allowed; allowed: 2 to"),
        (
            "c10 = [0.0, 1.0]",
            "[[dataset.groups]]\ndelta_c9 = [0.0, 1.0]\ntrain = 1",
            "dataset.groups.delta_c9 = shifts of C9 is not allowed; allowed: values, the shifts of c10",
        ),
        (
            "c7 = [0.0, 1.0]\nc9 = [0.0, 1.0]\nc10 = [0.0, 1.0]\nc_s = [0.0, 1.0]\nc_p = [0.0, 1.0]\n\
             c9_im = [0.0, 1.0]\nc10_im = [0.0, 1.0]",
            "",
            "parameters = 7 coefficients in all is not allowed; allowed: at most 6",
        ),
    ] {
        let card = card(folder.path(), "card.toml", parameters, images, 200);
        refused(&["run", &card, "--out", out.to_str().unwrap()], &[expected]);
        assert!(!out.exists());
    }
}
