//! Bad input: one clear line, exit code 2, and the folder as it was.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use crate::support::{files, refused_in, succeed, tiny_card};

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
        (generate(&["--b-momentum", "0,0,5"]), vec!["--b-momentum", ".hepmc"]),
        (
            vec!["generate", "--events", "9", "--out", "e.hepmc", "--b-momentum", "0,5"],
            vec!["--b-momentum", "0,5"],
        ),
        (vec!["generate", "--events", "9", "--out", "e.hepmc", "--score", "c9"], vec!["--score", ".parquet"]),
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
            vec!["--data", "lhcb-2021 twice", "each once"],
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
        (vec!["global", "nn", "--out", "o"], vec!["CARD"]),
        (vec!["global", "nn", "--experiment", "4.2.2", "--out", "o"], vec!["--experiment", "4.2.2", "4.1.1"]),
        (vec!["global", "gan", "--experiment", "4.2.2"], vec!["--out"]),
        (vec!["global", "gan", "nowhere.toml", "--out", "o"], vec!["nowhere.toml"]),
        (vec!["global", "plot", "nowhere"], vec!["nowhere", "result.json", "global nn"]),
        (vec!["schema", "cards"], vec!["cards", "card"]),
        (vec!["train", "nowhere.toml", "--out", "run"], vec!["nowhere.toml"]),
        (vec!["evaluate", "nowhere"], vec!["nowhere", "card.toml"]),
        (vec!["nothing"], vec!["nothing"]),
        (vec!["--threads", "0", "schema"], vec!["--threads", "0"]),
    ];
    for (arguments, words) in cases {
        refused_in(folder.path(), &arguments, &words);
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
        (
            tiny.replace("learning_rate", "precision = \"f16\"\nlearning_rate"),
            vec!["training.precision", "f16", "cpu", "single"],
        ),
        (
            tiny.replace("learning_rate", "start = \"nowhere\"\nlearning_rate"),
            vec!["training.start = ", "nowhere is not allowed", "builtin:npr", "RUN/model"],
        ),
        (
            tiny.replace("learning_rate", "start = \"builtin\"\nlearning_rate"),
            vec!["builtin: is of another network than the card's: [network] differs"],
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
        refused_in(folder.path(), &["run", "card.toml", "--out", "run"], &words);
        assert!(!folder.path().join("run").exists(), "{words:?}");
    }
}

#[test]
fn cards_of_experiments_are_refused() {
    let folder = folder();
    let card = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cards/global").join(name);
        fs::read_to_string(path).unwrap()
    };
    let (nn, gan) = (card("regression.toml"), card("gan.toml"));
    let cases: Vec<(&str, String, Vec<&str>)> = vec![
        (
            "nn",
            nn.replace("epochs", "epoch"),
            vec!["card.toml:18", "regression.epoch", "did you mean `epochs`"],
        ),
        ("nn", nn.replace("[6, 5]", "[6, 0]"), vec!["card.toml:9", "points.counts = 0", "1 to"]),
        ("nn", nn.replace("[regression]", "[regresion]"), vec!["regresion", "did you mean `regression`"]),
        (
            "nn",
            nn.replace("draws = 20", "data = [\"lhcb-2030\"]"),
            vec!["comparison.data", "lhcb-2030", "lhcb-2021"],
        ),
        ("nn", nn.replace("draws = 20", "model = \"qcdf\""), vec!["comparison.model", "qcdf", "npr"]),
        ("nn", gan.clone(), vec!["[gan]", "[regression]", "global gan"]),
        ("gan", nn.clone(), vec!["[regression]", "[flow]", "global nn"]),
        (
            "gan",
            gan.replace("steps = 40", "learning_rate = -1.0"),
            vec!["gan.learning_rate = -1", "positive"],
        ),
        (
            "gan",
            gan.replace("latent = 6", "architecture = \"convolutional\""),
            vec!["gan.architecture", "8 x 8"],
        ),
    ];
    for (command, text, words) in cases {
        fs::write(folder.path().join("card.toml"), &text).unwrap();
        refused_in(folder.path(), &["global", command, "card.toml", "--out", "out"], &words);
        assert!(!folder.path().join("out").exists(), "{words:?}");
    }
    // Folders of others.
    fs::write(folder.path().join("card.toml"), &gan).unwrap();
    fs::create_dir(folder.path().join("photos")).unwrap();
    fs::write(folder.path().join("photos/cat.png"), b"cat").unwrap();
    refused_in(folder.path(), &["global", "gan", "card.toml", "--out", "photos"], &["photos", "not empty"]);
    fs::remove_file(folder.path().join("photos/cat.png")).unwrap();
    fs::write(folder.path().join("photos/card.toml"), &nn).unwrap();
    refused_in(
        folder.path(),
        &["global", "gan", "card.toml", "--out", "photos"],
        &["photos", "another card"],
    );
}

#[test]
fn files_of_measurements_are_refused() {
    let folder = folder();
    let good = r#"source = "a paper"
[[groups]]
correlation = [[1.0, 0.9, 0.9], [0.9, 1.0, 0.7], [0.9, 0.7, 1.0]]
measurements = [
  { process = "B0->K*0mumu", observable = "P5p", q2_min = 1.1, q2_max = 2.5, value = -0.4, errors = [[0.1, 0.1]] },
  { process = "B0->K*0mumu", observable = "P5p", q2_min = 2.5, q2_max = 4.0, value = -0.4, errors = [[0.1, 0.1]] },
  { process = "B0->K*0mumu", observable = "P5p", q2_min = 4.0, q2_max = 6.0, value = -0.4, errors = [[0.1, 0.1]] },
]
"#;
    let path = folder.path().join("mine.toml");
    fs::write(&path, good).unwrap();
    succeed(&["global", "chi2", "--correlations", "--data", path.to_str().unwrap()]);
    for (from, to, words) in [
        (", errors = [[0.1, 0.1]]", "", vec!["mine.toml:", "groups", "errors"]),
        ("\"P5p\"", "\"P9\"", vec!["mine.toml:5", "groups[1].measurements[1].observable", "`P9`", "P5p"]),
        (
            "q2_min = 2.5, q2_max = 4.0",
            "q2_min = 1.1, q2_max = 2.5",
            vec!["mine.toml:6", "twice", "measurements[1]"],
        ),
        ("0.7", "0.5", vec!["mine.toml:3", "groups[1].correlation", "positive definite"]),
    ] {
        let text = if from == "0.7" { good.replace(from, to) } else { good.replacen(from, to, 1) };
        fs::write(&path, text).unwrap();
        refused_in(folder.path(), &["global", "chi2", "--data", "mine.toml"], &words);
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
        refused_in(folder.path(), &voxelize, &["damaged.parquet"]);
    }
    fs::write(path("damaged.parquet"), b"q2,cos_theta_l\n1,2\n").unwrap();
    refused_in(folder.path(), &voxelize, &["damaged.parquet"]);
    refused_in(
        folder.path(),
        &["voxelize", "none.parquet", "--events-per-image", "10", "--out", "images.h5"],
        &["none.parquet"],
    );
    let many = ["voxelize", "events.parquet", "--events-per-image", "5000", "--out", "images.h5"];
    refused_in(folder.path(), &many, &["5000", "3000"]);
    let wrong_name = ["voxelize", "events.parquet", "--events-per-image", "1000", "--out", "images.png"];
    refused_in(folder.path(), &wrong_name, &["images.png", ".h5", ".arrow"]);
}

#[test]
fn an_existing_run_is_safe_from_another_card_and_from_damage() {
    let folder = folder();
    let tiny = fs::read_to_string(tiny_card()).unwrap();
    fs::write(folder.path().join("card.toml"), &tiny).unwrap();
    fs::write(folder.path().join("other.toml"), tiny.replace("seed = 5", "seed = 6")).unwrap();
    let run = folder.path().join("run");
    succeed(&["run", tiny_card().to_str().unwrap(), "--out", run.to_str().unwrap()]);
    refused_in(folder.path(), &["run", "other.toml", "--out", "run"], &["run", "another card", "seed"]);

    // A folder that is no run.
    fs::create_dir(folder.path().join("photos")).unwrap();
    fs::write(folder.path().join("photos/cat.png"), b"cat").unwrap();
    refused_in(folder.path(), &["run", "card.toml", "--out", "photos"], &["photos", "not empty"]);

    // A flipped byte in an image file, and a truncated network.
    let damage = |name: &str, change: &dyn Fn(&mut Vec<u8>)| {
        let file = run.join(name);
        let whole = fs::read(&file).unwrap_or_else(|e| panic!("{name}: {e}"));
        let mut damaged = whole.clone();
        change(&mut damaged);
        fs::write(&file, damaged).unwrap();
        refused_in(
            folder.path(),
            &["evaluate", "run"],
            &[Path::new(name).file_name().unwrap().to_str().unwrap()],
        );
        fs::write(&file, whole).unwrap();
    };
    // Results that are there already need no images.
    fs::remove_file(run.join("results/origin.json")).unwrap();
    damage("images/shards/test-00001.h5", &|bytes| bytes.iter_mut().skip(3000).for_each(|b| *b ^= 0x40));
    damage("model/weights.safetensors", &|bytes| bytes.truncate(bytes.len() / 2));

    // A truncated image file is made again.
    succeed(&["evaluate", run.to_str().unwrap()]);
    let before = files(&run);
    let shard = run.join("images/shards/test-00001.h5");
    fs::write(&shard, &fs::read(&shard).unwrap()[..1000]).unwrap();
    succeed(&["evaluate", run.to_str().unwrap()]);
    assert!(before == files(&run));
}

#[test]
fn an_unwritable_folder_is_refused() {
    let folder = folder();
    // Root may write anywhere but into what is no folder.
    fs::write(folder.path().join("file"), b"").unwrap();
    refused_in(folder.path(), &["generate", "--events", "10", "--out", "file/events.parquet"], &["file"]);
    let card = tiny_card();
    refused_in(folder.path(), &["run", card.to_str().unwrap(), "--out", "file/run"], &["file/run"]);
    refused_in(folder.path(), &["run", card.to_str().unwrap(), "--out", "/proc/run"], &["/proc/run"]);

    let locked = folder.path().join("locked");
    fs::create_dir(&locked).unwrap();
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o555)).unwrap();
    if fs::write(locked.join("probe"), b"").is_err() {
        refused_in(folder.path(), &["generate", "--events", "10", "--out", "locked/e.parquet"], &["locked"]);
    }
}
