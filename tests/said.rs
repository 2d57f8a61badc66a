//! Words of commands before anything is made, on facts that are not known, and on work that is done already.

#![allow(clippy::pedantic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{assert_same, files, humboldt, said_in_refusal, succeed, tiny_card};

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Standard output and standard error of a command that succeeds.
fn both(arguments: &[&str]) -> (String, String) {
    let output = succeed(arguments);
    let own = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (own(output.stdout), own(output.stderr))
}

fn refused(arguments: &[&str]) -> String {
    said_in_refusal(&mut humboldt(arguments))
}

/// The tests' card with one change.
fn card(folder: &Path, changes: &[(&str, &str)]) -> PathBuf {
    let mut card = fs::read_to_string(tiny_card()).unwrap();
    for (from, to) in changes {
        assert!(card.contains(from), "{from}");
        card = card.replace(from, to);
    }
    let path = folder.join("card.toml");
    fs::write(&path, card).unwrap();
    path
}

#[test]
fn issue_13_6_a_run_that_cannot_be_evaluated_makes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let card = card(folder.path(), &[("test = 8\n", "")]);
    for command in ["run", "train"] {
        let error = refused(&[command, text(&card), "--out", text(&out)]);
        assert!(error.contains("dataset.groups.test = test images at 1 value is not allowed"), "{error}");
        assert!(!out.exists());
    }
}

/// Two training values: no intervals, which is said at the beginning, and again before `compare` draws a sample.
#[test]
fn issue_13_6_two_training_values_have_no_intervals() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let card = card(folder.path(), &[("[-2.0, -1.0, 0.0]", "[-2.0, 0.0]"), ("test = 5", "test = 1")]);
    let (printed, said) = both(&["run", text(&card), "--out", text(&out)]);
    let words = "need 3 values with training images for their intervals, this card has 2";
    let first = said.lines().next().unwrap();
    assert!(first.contains(words), "{said}");
    assert!(said.contains("one test image at a shift of -0.5: its width stays unknown"), "{said}");
    assert!(printed.contains("mean sigma of an image"), "{printed}");
    let (table, _) = both(&["evaluate", text(&out)]);
    let row = table.lines().find(|line| line.contains("-0.5000")).unwrap();
    assert!(row.contains("unknown   unknown"), "{table}");
    let csv = fs::read_to_string(out.join("results/ensembles.csv")).unwrap();
    assert!(csv.lines().any(|line| line.starts_with("-0.5,1,") && line.contains(",,,,")), "{csv}");
    let images = folder.path().join("images.h5");
    succeed(&["export", text(&out.join("images/shards/test-00000.h5")), "--out", text(&images)]);
    for arguments in
        [["compare", text(&out), "--images", "20"], ["predict", text(&out), text(&images), "--json"]]
    {
        let error = refused(&arguments);
        assert!(error.contains(words), "{error}");
    }
    assert!(!out.join("results/compare").exists());
}

#[test]
fn issue_13_25_finished_stages_say_so() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    let train = ["train", text(&tiny_card()), "--out", text(&out)].map(str::to_owned);
    let train = train.each_ref().map(String::as_str);
    both(&train);
    let before = files(&out);
    let (_, said) = both(&train);
    assert!(
        said.contains("train: finished before; the network of epoch ") && said.contains("/model\n"),
        "{said}"
    );
    assert!(said.contains("images: finished before"), "{said}");
    assert_same(&before, &files(&out));
    both(&["evaluate", text(&out)]);
    let (_, said) = both(&["evaluate", text(&out)]);
    assert!(said.contains("evaluate: finished before"), "{said}");
}

/// Events of all q2, cut to the window of a run: the chain of the README.
#[test]
fn issue_13_20_images_of_a_window_are_predicted() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (run, events, images) = (path("run"), path("events.parquet"), path("images.h5"));
    let card = card(folder.path(), &[("test = 8", "test = 40")]);
    succeed(&["run", text(&card), "--out", text(&run)]);
    succeed(&["generate", "--events", "9000", "--seed", "3", "--out", text(&events)]);
    let voxelize = |more: &[&str]| {
        let bins =
            ["voxelize", text(&events), "--events-per-image", "800", "--bins", "10", "--out", text(&images)];
        humboldt(&[&bins[..], more].concat()).output().unwrap()
    };
    let said = |more: &[&str]| String::from_utf8(voxelize(more).stderr).unwrap();
    assert!(voxelize(&[]).status.success());
    let error = refused(&["predict", text(&run), text(&images)]);
    assert!(
        error.contains(
            "allowed: 1:8, of which the network's images were (`humboldt voxelize --q2` selects them)"
        ),
        "{error}"
    );
    fs::remove_file(&images).unwrap();
    let told = said(&["--q2", "1:8"]);
    assert!(told.contains(" of 9000 events left out, outside q2 = 1:8"), "{told}");
    succeed(&["predict", text(&run), text(&images)]);
    fs::remove_file(&images).unwrap();
    // The same window in two pieces, and as what a veto leaves of a wider one.
    for window in [&["--q2", "1:3,3:8"][..], &["--q2", "0.5:8", "--veto", "0.5:1"]] {
        assert!(voxelize(window).status.success());
        succeed(&["predict", text(&run), text(&images)]);
        fs::remove_file(&images).unwrap();
    }
    // No wider than the events.
    fs::remove_file(&events).unwrap();
    succeed(&["generate", "--events", "3000", "--q2", "1.1:6", "--out", text(&events)]);
    let error = said(&["--q2", "1:8"]);
    assert!(
        error.contains("--q2 = 1:8 is not allowed; allowed: windows inside 1.1:6, from which the events of"),
        "{error}"
    );
    let error = said(&["--q2", "5.9:6"]);
    assert!(
        error.contains("--events-per-image = 800 is not allowed; allowed: 1 to ")
            && error.contains("in the windows in q2 of"),
        "{error}"
    );
    assert!(!images.exists());
}

#[test]
fn issue_13_26_a_comparison_says_its_time_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let (run, whole, broken) =
        (folder.path().join("run"), folder.path().join("whole"), folder.path().join("broken"));
    succeed(&["run", text(&tiny_card()), "--out", text(&run)]);
    let arguments = |images: &'static str, out: &Path| {
        let out = text(out).to_owned();
        let fixed =
            ["compare", text(&run), "--images", images, "--estimators", "network,moments", "--json", "--out"];
        fixed.iter().map(|word| (*word).to_owned()).chain([out]).collect::<Vec<_>>()
    };
    let compare = |images: &'static str, out: &Path| {
        both(&arguments(images, out).iter().map(String::as_str).collect::<Vec<_>>())
    };
    let (_, said) = compare("10", &whole);
    assert!(said.contains("compare: 80 samples, about "), "{said}");
    assert!(
        said.contains("WARNING: 20 samples at each training value are too few for 95 % intervals, which cover 90.5 % at most; 39 or more (--calibration-images) will do"),
        "{said}"
    );
    assert!(!whole.join("parts").exists(), "what is done needs no parts");

    let (expected, said) = compare("400", &whole);
    assert!(!said.contains("WARNING"), "{said}");
    // Killed once a value is done.
    let killed = arguments("400", &broken);
    let mut child = humboldt(&killed.iter().map(String::as_str).collect::<Vec<_>>())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let tables = || {
        let names = fs::read_dir(broken.join("parts")).into_iter().flatten().flatten();
        names.filter(|entry| entry.path().extension().is_some_and(|ending| ending == "parquet")).count()
    };
    let start = Instant::now();
    while tables() == 0 && start.elapsed() < Duration::from_secs(120) {
        std::thread::sleep(Duration::from_millis(1));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (resumed, said) = compare("400", &broken);
    assert!(said.contains("compare: goes on with ") && said.contains(" of 2000 samples"), "{said}");
    // All but how long an estimate takes.
    let without_times = |json: &str| {
        json.lines().filter(|line| !line.contains("\"milliseconds\"")).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(without_times(&resumed), without_times(&expected));
    for name in ["estimates_network.parquet", "calibration_moments.parquet"] {
        assert!(fs::read(broken.join(name)).unwrap() == fs::read(whole.join(name)).unwrap(), "{name}");
    }
}
