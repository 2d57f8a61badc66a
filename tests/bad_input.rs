//! Bad input: one clear line, exit code 2, and the folder as it was.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

mod support;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use support::{files, humboldt, succeed, tiny_card};

/// Runs the program in `folder`, expects a refusal in one line that holds all of `words`, and the folder unchanged.
fn refused(folder: &Path, arguments: &[&str], words: &[&str]) {
    let before = files(folder);
    let output = humboldt(arguments).current_dir(folder).output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {stderr}");
    assert_eq!(stderr.trim_end().lines().count(), 1, "{arguments:?}: not one line: {stderr}");
    assert!(stderr.starts_with("error: "), "{arguments:?}: {stderr}");
    for word in words {
        assert!(stderr.contains(word), "{arguments:?}: `{word}` is not in: {stderr}");
    }
    assert!(output.stdout.is_empty(), "{arguments:?} printed a result");
    let after = files(folder);
    assert_eq!(
        before.keys().collect::<Vec<_>>(),
        after.keys().collect::<Vec<_>>(),
        "{arguments:?} changed the folder"
    );
    assert!(before == after, "{arguments:?} changed a file");
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn arguments_are_refused_by_name_value_and_range() {
    let folder = folder();
    let generate = |extra: &[&'static str]| {
        [&["generate", "--out", "events.parquet", "--events", "100"], extra].concat()
    };
    let cases: Vec<(Vec<&str>, Vec<&str>)> = vec![
        (generate(&["--q2", "30:40"]), vec!["q2", "30", "21.28"]),
        (generate(&["--q2", "5:1"]), vec!["q2", "5:1"]),
        (generate(&["--q2", "one:two"]), vec!["q2", "one:two"]),
        (generate(&["--q2", "1:8", "--veto", "0.5:9"]), vec!["q2"]),
        (generate(&["--delta-c9", "nan"]), vec!["--delta-c9", "nan", "finite"]),
        (generate(&["--wc", "c11=1"]), vec!["c11", "c10_prime"]),
        (generate(&["--wc", "c10=abc"]), vec!["c10", "abc"]),
        (generate(&["--wc", "c9=1", "--delta-c9", "1"]), vec!["c9", "once"]),
        (generate(&["--flavour", "Bs"]), vec!["Bs", "B0bar"]),
        (generate(&["--lepton", "tau"]), vec!["tau", "mu"]),
        (generate(&["--model", "qcdf"]), vec!["qcdf", "npr"]),
        (generate(&["--evnts", "3"]), vec!["--evnts", "--events"]),
        (vec!["generate", "--out", "e.parquet", "--events", "0"], vec!["--events", "0", "1"]),
        (vec!["generate", "--out", "e.parquet", "--events", "-5"], vec!["-5"]),
        (vec!["generate", "--out", "e.parquet", "--events", "many"], vec!["--events", "many"]),
        (vec!["generate", "--out", "e.csv", "--events", "10"], vec!["e.csv", ".parquet", ".arrow"]),
        (vec!["generate", "--out", "missing/e.parquet", "--events", "10"], vec!["missing"]),
        (vec!["generate", "--events", "10"], vec!["--out"]),
        (generate(&["--score", "c11"]), vec!["--score", "c11", "c10_prime"]),
        (generate(&["--inputs", "v_xb=1"]), vec!["inputs", "v_xb", "v_cb"]),
        (generate(&["--inputs", "v_cb=much"]), vec!["--inputs", "much", "finite"]),
        (generate(&["--model", "bare", "--charmonium"]), vec!["charmonium", "bare", "npr"]),
        (generate(&["--model", "full", "--charmonium", "eta_c=1:0"]), vec!["charmonium", "eta_c", "j_psi"]),
        (vec!["reweight", "nowhere.parquet", "--out", "w.parquet"], vec!["nowhere.parquet"]),
        (vec!["reweight", "e.parquet", "--out", "w.csv"], vec!["w.csv", ".parquet"]),
        (vec!["reweight", "e.parquet", "--out", "w.parquet", "--seed", "3"], vec!["--unweight"]),
        (vec!["observe", "--bins", "1:2", "--inputs", "v_xb=1"], vec!["v_xb", "v_cb"]),
        (vec!["observe", "--bins", "1:2", "--charmonium", "j_psi=1"], vec!["j_psi=1", "SCALE:PHASE"]),
        (vec!["observe", "--bins", "1:2", "--uncertainty", "1"], vec!["--uncertainty", "1", "2"]),
        (vec!["observe", "--bins", "25:30"], vec!["25", "30"]),
        (vec!["observe", "--bins", "1:2", "--observables", "F_M"], vec!["F_M", "F_L"]),
        (vec!["observe", "--bins", "1:2", "--wc", "c7=1e400"], vec!["c7"]),
        (vec!["global", "chi2", "--data", "lhcb-2030"], vec!["--data", "lhcb-2030", "lhcb-2021", ".toml"]),
        (vec!["global", "chi2", "--data", "nowhere.toml"], vec!["nowhere.toml"]),
        (
            vec!["global", "chi2", "--data", "lhcb-2021,lhcb-2021"],
            vec!["P1 of B0->K*0mumu", "twice", "each once"],
        ),
        (vec!["global", "chi2", "--c9", "nan"], vec!["--c9", "nan", "finite"]),
        (vec!["global", "chi2", "--c9", "1", "--wc", "c9=2"], vec!["c9 = 2", "once"]),
        (vec!["global", "chi2", "--c9", "1e10"], vec!["c9", "10000000000", "1e9"]),
        (vec!["global", "chi2", "--polynomial", "P9=1:0:0"], vec!["--polynomial", "P9", "P5p"]),
        (vec!["global", "chi2", "--polynomial", "1:0"], vec!["--polynomial", "1:0", "three"]),
        (vec!["global", "fit", "--free", "c11"], vec!["--free", "c11", "c10_prime"]),
        (vec!["global", "fit", "--free", "c9,c9"], vec!["free", "c9 twice"]),
        (vec!["global", "fit", "--c9", "-1"], vec!["c9 = -1", "--free"]),
        (vec!["global", "fit", "--polynomials", "some"], vec!["--polynomials", "some", "shared"]),
        (vec!["global", "fit", "--draws", "1"], vec!["--draws", "1", "2"]),
        (vec!["global", "scan", "--x", "c9=1:0", "--out", "scan"], vec!["--x", "c9=1:0", "MIN"]),
        (vec!["global", "scan", "--x", "c10=0:1", "--out", "scan"], vec!["--y", "c10", "another"]),
        (vec!["global", "scan"], vec!["--out"]),
        (vec!["global", "sample", "--out", "points.csv"], vec!["--out", "points.csv", ".parquet"]),
        (vec!["schema", "cards"], vec!["cards", "card"]),
        (vec!["train", "nowhere.toml", "--out", "run"], vec!["nowhere.toml"]),
        (vec!["evaluate", "nowhere"], vec!["nowhere", "card.toml"]),
        (vec!["nothing"], vec!["nothing"]),
        (vec!["--threads", "0", "schema"], vec!["--threads", "0"]),
    ];
    for (arguments, words) in cases {
        refused(folder.path(), &arguments, &words);
    }
}

#[test]
fn cards_are_refused_by_line_field_value_and_range() {
    let folder = folder();
    let tiny = fs::read_to_string(tiny_card()).unwrap();
    let cases: Vec<(String, Vec<&str>)> = vec![
        (tiny.replace("epochs", "epoch"), vec!["card.toml:", "training.epoch", "did you mean `epochs`"]),
        (tiny.replace("seed = 5", "seed = 'five'"), vec!["card.toml:3", "seed", "five"]),
        (tiny.replace("seed = 5", "seed = -5"), vec!["card.toml:3", "seed", "-5"]),
        (tiny.replace("batch_size = 8", "batch_size = 0"), vec!["training.batch_size = 0", "2 to"]),
        (tiny.replace("events = 800", "events = 0"), vec!["images.events = 0", "1 to"]),
        (tiny.replace("1:8", "50:60"), vec!["q2", "50"]),
        (tiny.replace("[4, 8]", "[4, 8, 16]"), vec!["network.blocks", "3"]),
        (
            tiny.replace("learning_rate = 0.01", "learning_rate = nan"),
            vec!["training.learning_rate", "positive"],
        ),
        (tiny.replace("resnet10", "vgg"), vec!["network.preset", "vgg", "resnet34"]),
        (tiny.replace("train = 16", ""), vec!["dataset.groups.train", "0 images"]),
        (tiny.replace("[[dataset.groups]]", "[dataset.groups]"), vec!["card.toml:"]),
        ("\u{0}".to_owned(), vec!["card.toml:1"]),
        (tiny.replace("[generator]", "[generator"), vec!["card.toml:5", "unclosed"]),
    ];
    for (card, words) in cases {
        assert_ne!(card, tiny, "{words:?}: the case changes nothing");
        fs::write(folder.path().join("card.toml"), &card).unwrap();
        refused(folder.path(), &["run", "card.toml", "--out", "run"], &words);
        assert!(!folder.path().join("run").exists(), "{words:?}");
    }
}

#[test]
fn damaged_files_are_refused() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name);
    let events = path("events.parquet");
    succeed(&["generate", "--events", "3000", "--out", events.to_str().unwrap()]);
    let whole = fs::read(&events).unwrap();
    let voxelize = ["voxelize", "damaged.parquet", "--events-per-image", "1000", "--out", "images.h5"];
    for length in [0, 3, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(path("damaged.parquet"), &whole[..length]).unwrap();
        refused(folder.path(), &voxelize, &["damaged.parquet"]);
    }
    fs::write(path("damaged.parquet"), b"q2,cos_theta_l\n1,2\n").unwrap();
    refused(folder.path(), &voxelize, &["damaged.parquet"]);
    refused(
        folder.path(),
        &["voxelize", "none.parquet", "--events-per-image", "10", "--out", "images.h5"],
        &["none.parquet"],
    );
    let many = ["voxelize", "events.parquet", "--events-per-image", "5000", "--out", "images.h5"];
    refused(folder.path(), &many, &["5000", "3000"]);
    let wrong_name = ["voxelize", "events.parquet", "--events-per-image", "1000", "--out", "images.png"];
    refused(folder.path(), &wrong_name, &["images.png", ".h5", ".arrow"]);
}

#[test]
fn an_existing_run_is_safe_from_another_card_and_from_damage() {
    let folder = folder();
    let tiny = fs::read_to_string(tiny_card()).unwrap();
    fs::write(folder.path().join("card.toml"), &tiny).unwrap();
    fs::write(folder.path().join("other.toml"), tiny.replace("seed = 5", "seed = 6")).unwrap();
    let run = folder.path().join("run");
    succeed(&["run", tiny_card().to_str().unwrap(), "--out", run.to_str().unwrap()]);
    refused(folder.path(), &["run", "other.toml", "--out", "run"], &["run", "another card", "seed"]);

    // A folder that is no run.
    fs::create_dir(folder.path().join("photos")).unwrap();
    fs::write(folder.path().join("photos/cat.png"), b"cat").unwrap();
    refused(folder.path(), &["run", "card.toml", "--out", "photos"], &["photos", "not empty"]);

    // A truncated image file and a truncated network.
    for (name, command) in
        [("images/test/delta_c9_-1.000000.h5", "evaluate"), ("model/weights.safetensors", "evaluate")]
    {
        let file = run.join(name);
        let whole = fs::read(&file).unwrap_or_else(|e| panic!("{name}: {e}"));
        fs::write(&file, &whole[..whole.len() / 2]).unwrap();
        let short = Path::new(name).file_name().unwrap().to_str().unwrap();
        refused(folder.path(), &[command, "run"], &[short]);
        fs::write(&file, whole).unwrap();
    }
}

#[test]
fn an_unwritable_folder_is_refused() {
    let folder = folder();
    // Root may write anywhere but into what is no folder.
    fs::write(folder.path().join("file"), b"").unwrap();
    refused(folder.path(), &["generate", "--events", "10", "--out", "file/events.parquet"], &["file"]);
    let card = tiny_card();
    refused(folder.path(), &["run", card.to_str().unwrap(), "--out", "file/run"], &["file/run"]);
    refused(folder.path(), &["run", card.to_str().unwrap(), "--out", "/proc/run"], &["/proc/run"]);

    let locked = folder.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(locked.join("probe"), b"").is_err() {
        refused(folder.path(), &["generate", "--events", "10", "--out", "locked/e.parquet"], &["locked"]);
    }
}
