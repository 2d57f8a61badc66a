//! Comparison, prediction, image viewer and report of a run on a tiny card, the report in a real browser.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

use crate::support::{files, humboldt, said_in_refusal, succeed, tiny_card};
use humboldt_physics::ModelName;
use humboldt_schemas::comparison::{Comparison, PredictedImage};

/// One run and its comparison, shared by the tests; none of them writes into it.
static RUN: LazyLock<(tempfile::TempDir, PathBuf)> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    succeed(&["run", tiny_card().to_str().unwrap(), "--out", run.to_str().unwrap()]);
    succeed(&["compare", run.to_str().unwrap(), "--images", "25", "--json"]);
    succeed(&["report", run.to_str().unwrap()]);
    (folder, run)
});

fn run() -> &'static str {
    RUN.1.to_str().unwrap()
}

/// A run's folder takes one process at a time: tests that work in it take turns.
static TURN: Mutex<()> = Mutex::new(());

fn turn() -> MutexGuard<'static, ()> {
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The one error of a refused command, among what else it says.
fn refusal(arguments: &[&str]) -> String {
    let said = said_in_refusal(&mut humboldt(arguments));
    let errors: Vec<&str> = said.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{arguments:?}: {said}");
    errors[0].to_owned()
}

#[test]
fn a_comparison_has_all_estimators_on_the_same_samples() {
    let folder = RUN.1.join("results/compare");
    let text = fs::read_to_string(folder.join("comparison.json")).unwrap();
    let comparison: Comparison = serde_json::from_str(&text).unwrap();
    let names: Vec<&str> = comparison.estimators.iter().map(|e| e.name.as_str()).collect();
    assert_eq!(names, ["network", "unbinned", "template", "moments"]);
    for e in &comparison.estimators {
        let truths: Vec<f64> = e.values.iter().map(|v| v.truth).collect();
        assert_eq!(truths, [-1.5, -0.5]);
        assert!(e.values.iter().all(|v| v.images + v.failed == 25 && v.bound > 0.0), "{}", e.name);
        assert!(e.milliseconds > 0.0);
    }
    let unbinned = &comparison.estimators[1];
    assert!(
        (unbinned.slope - 1.0).abs() < 0.4 && (0.6..1.6).contains(&unbinned.ratio_to_bound),
        "{unbinned:?}"
    );
    for name in ["width_over_bound", "coverage", "pulls"] {
        for ending in ["png", "svg", "csv"] {
            assert!(folder.join(format!("{name}.{ending}")).exists(), "{name}.{ending}");
        }
    }
}

#[test]
fn the_same_comparison_whatever_the_threads() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let made = |threads: &str| {
        let out = folder.path().join(threads);
        let arguments = ["compare", run(), "--images", "20", "--estimators", "template,moments", "--out"];
        succeed(&[&arguments[..], &[out.to_str().unwrap(), "--threads", threads]].concat());
        let mut files = files(&out);
        // The times of estimates stand in these two.
        assert!(files.remove(Path::new("comparison.json")).is_some());
        files
    };
    assert!(made("1") == made("2"));
}

/// Another model moves the estimates; the intervals then say so.
#[test]
fn samples_of_another_model_are_compared() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let arguments = ["compare", run(), "--images", "20", "--estimators", "moments", "--json", "--out"];
    let of = |extra: &[&str]| -> Comparison {
        let output = succeed(&[&arguments[..], &[out.to_str().unwrap()], extra].concat());
        serde_json::from_slice(&output.stdout).unwrap()
    };
    let other = of(&["--test-model", "nnlo"]);
    assert_eq!(other.test.as_ref().unwrap().generator.model, ModelName::Nnlo);
    let moved = of(&["--test-form-factors", "1"]);
    let test = moved.test.unwrap();
    assert!(test.expected_bias.unwrap() > 0.01 && test.generator.inputs.len() > 10, "{test:?}");
    assert!(refusal(&["compare", run(), "--test-model", "npr"]).contains("not trained on"));
}

#[test]
fn arguments_of_a_comparison_are_refused() {
    let _turn = turn();
    for (extra, words) in [
        (["--values", "0.5"], ["--values = 0.5", "-2 to 0"]),
        (["--estimators", "oracle"], ["oracle", "unbinned"]),
        (["--estimators", "moments,moments"], ["moments", "once"]),
        (["--images", "1"], ["--images", "2 to"]),
        (["--test-model", "qcdf"], ["qcdf", "npr"]),
        (["--test-inputs", "v_xy=1"], ["v_xy", "allowed"]),
    ] {
        let message = humboldt(&[&["compare", run()], &extra[..]].concat()).output().unwrap();
        let stderr = String::from_utf8(message.stderr).unwrap();
        assert_eq!(message.status.code(), Some(2), "{extra:?}: {stderr}");
        assert!(words.iter().all(|word| stderr.contains(word)), "{extra:?}: {stderr}");
    }
}

/// Events of a card's process as images, in a folder.
fn images(folder: &Path, name: &str, q2: &str, events: &str, bins: &str) -> String {
    let path = |ending: &str| folder.join(format!("{name}.{ending}")).to_str().unwrap().to_owned();
    let (table, out) = (path("parquet"), path("h5"));
    succeed(&["generate", "--delta-c9", "-0.5", "--events", "3200", "--q2", q2, "--out", &table]);
    succeed(&[
        "voxelize",
        &table,
        "--events-per-image",
        events,
        "--bins",
        bins,
        "--layout",
        "compact",
        "--out",
        &out,
    ]);
    out
}

#[test]
fn images_are_predicted_with_intervals_or_refused() {
    let _turn = turn();
    let folder = tempfile::tempdir().unwrap();
    let same = images(folder.path(), "same", "1:8", "800", "10");
    let output = succeed(&["predict", run(), &same, "--json"]);
    let predicted: Vec<PredictedImage> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(predicted.len(), 4);
    assert!(predicted.iter().all(|p| p.raw.is_finite() && p.label == Some(-0.5)));
    assert!(predicted.iter().all(|p| ["inside", "below", "above"].contains(&p.range.as_str())));

    let of =
        |name, q2, events, bins| refusal(&["predict", run(), &images(folder.path(), name, q2, events, bins)]);
    let bins = of("bins", "1:8", "800", "12");
    assert!(bins.contains("bins = 12") && bins.contains("10"), "{bins}");
    let events = of("events", "1:8", "400", "10");
    assert!(events.contains("events of an image = 400") && events.contains("800"), "{events}");
    let windows = of("windows", "0.1:8", "800", "10");
    assert!(windows.contains("windows in q2 = 0.1:8") && windows.contains("1:8"), "{windows}");
    let nothing = refusal(&["predict", run(), folder.path().join("none.h5").to_str().unwrap()]);
    assert!(nothing.contains("none.h5"), "{nothing}");
    let untrained = folder.path().join("untrained");
    fs::create_dir(&untrained).unwrap();
    fs::copy(tiny_card(), untrained.join("card.toml")).unwrap();
    assert!(refusal(&["predict", untrained.to_str().unwrap(), &same]).contains("20 test images"));
    assert!(refusal(&["report", untrained.to_str().unwrap()]).contains("no results yet"));
}

#[test]
fn an_image_is_shown_on_the_terminal_and_as_a_figure() {
    let folder = tempfile::tempdir().unwrap();
    let path = images(folder.path(), "view", "1:8", "800", "10");
    let png = folder.path().join("image.png");
    let output = succeed(&["view", &path, "--image", "1", "--out", png.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("image 1 of 4: delta C9 = -0.5, 800 events, "), "{text}");
    // No terminal: characters, ten rows of ten cells, two wide each.
    let rows: Vec<&str> = text.lines().skip(1).take(10).collect();
    assert!(rows.iter().all(|row| row.chars().count() == 20) && !text.contains('\u{1b}'), "{text}");
    assert!(fs::read(&png).unwrap().starts_with(b"\x89PNG"));
    for (arguments, words) in [
        (["--image", "4"], "0 to 3"),
        (["--layer", "10"], "0 to 9"),
        (["--along", "phi"], "cos_theta_l"),
        (["--out", "image.jpg"], ".png"),
    ] {
        let output = humboldt(&[&["view", &path], &arguments[..]].concat()).output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.code() == Some(2) && stderr.contains(words), "{arguments:?}: {stderr}");
    }
}

/// Hears of every error before the page's own scripts run.
const LISTEN: &str = "<script>window.errors = []; addEventListener('error', (e) => errors.push(e.message)); \
    console.error = (...all) => errors.push(all.join(' '));</script></head>";

/// Uses the page as a reader would, and leaves what happened in its last element.
const USE: &str = r##"<script>
addEventListener('load', async () => {
  const until = async (holds) => {
    for (let tries = 0; tries < 200 && !holds(); tries += 1) await new Promise((done) => setTimeout(done, 50));
    return holds();
  };
  const pixels = (canvas) => canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
  const inked = (canvas) => { let n = 0; const all = pixels(canvas); for (let i = 0; i < all.length; i += 4) if (all[i + 3] > 0 && all[i] + all[i + 1] + all[i + 2] < 600) n += 1; return n; };
  const sum = (canvas) => pixels(canvas).reduce((hash, value) => (hash * 31 + value) % 1000000007, 7);
  const result = {};
  try {
    result.ready = await until(() => document.documentElement.dataset.ready !== undefined);
    result.plots = [...document.querySelectorAll('.plot canvas')].map(inked);
    const cubes = [...document.querySelectorAll('.cube')], cuts = [...document.querySelectorAll('.cut')];
    result.cubes = cubes.map(inked);
    const before = cubes.map(sum);
    cubes[0].focus();
    result.focus = document.activeElement === cubes[0];
    cubes[0].dispatchEvent(new KeyboardEvent('keydown', { key: 'ArrowRight', bubbles: true, cancelable: true }));
    result.turned = await until(() => cubes.every((cube, i) => sum(cube) !== before[i]));
    const whole = cuts.map(sum);
    const slider = document.getElementById('cut-first');
    slider.value = slider.max;
    slider.dispatchEvent(new Event('input'));
    result.cut = await until(() => cuts.every((cut, i) => sum(cut) !== whole[i]));
    const blobs = [], names = [];
    const make = URL.createObjectURL;
    URL.createObjectURL = (blob) => { blobs.push(blob); return make.call(URL, blob); };
    document.addEventListener('click', (e) => { if (e.target.download) { names.push(e.target.download); e.preventDefault(); } }, true);
    HTMLAnchorElement.prototype.click = function () { names.push(this.download); };
    for (const button of document.querySelectorAll('#buttons button')) button.click();
    result.files = names;
    result.texts = await Promise.all(blobs.map((blob) => blob.text()));
    document.getElementById('show-bias').click();
    await until(() => inked(document.querySelector('#linearity-plot canvas')) > 500);
    result.biased = inked(document.querySelector('#linearity-plot canvas'));
    result.ticks = [0.02, 0.001, 5e-4, 2.5e-5, 1e-7, 0, -0.5, null].map(tick);
    result.radios = [...document.getElementsByName('cut-axis')].map((radio) => radio.parentElement.textContent.trim());
    document.body.style.width = '360px';
    const edge = document.body.getBoundingClientRect().right + 1;
    result.narrow = [...document.querySelectorAll('#provenance td')].every((cell) => cell.getBoundingClientRect().right <= edge);
  } catch (error) { errors.push(String(error)); }
  result.errors = errors;
  const place = document.createElement('pre');
  place.id = 'result';
  place.textContent = btoa(String.fromCharCode(...new TextEncoder().encode(JSON.stringify(result))));
  document.body.append(place);
});
</script>
</body>"##;

fn chromium() -> Option<&'static str> {
    ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"]
        .into_iter()
        .find(|path| Path::new(path).exists())
}

/// Skipped where there is no Chromium.
#[test]
fn the_report_works_in_a_browser() {
    let Some(chromium) = chromium() else {
        eprintln!("skipped: no Chromium here (apt-get install chromium)");
        return;
    };
    let html = fs::read_to_string(RUN.1.join("results/report.html")).unwrap();
    assert!(html.len() < 5_000_000, "{} bytes", html.len());
    assert!(html.contains("id=\"comparison\"") && html.contains("unbinned 4D fit"));
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("page.html");
    let (before, after) = html.rsplit_once("</body>").unwrap();
    fs::write(&page, format!("{}{USE}{after}", before.replacen("</head>", LISTEN, 1))).unwrap();
    let output = Command::new(chromium)
        .args([
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--dump-dom",
            "--virtual-time-budget=90000",
        ])
        .args([
            "--window-size=1100,900",
            &format!("--user-data-dir={}", folder.path().join("profile").display()),
        ])
        .arg(format!("file://{}", page.display()))
        .output()
        .unwrap();
    let dom = String::from_utf8_lossy(&output.stdout);
    let result = dom.split("<pre id=\"result\">").nth(1).and_then(|rest| rest.split("</pre>").next());
    let result = result.unwrap_or_else(|| panic!("no result: {}", String::from_utf8_lossy(&output.stderr)));
    let result: serde_json::Value = serde_json::from_slice(&decoded(result)).unwrap();
    assert_eq!(result["errors"], serde_json::json!([]), "{result}");
    for what in ["ready", "focus", "turned", "cut"] {
        assert_eq!(result[what], true, "{what}: {result}");
    }
    let counts = |what: &str| -> Vec<u64> {
        result[what].as_array().unwrap().iter().map(|n| n.as_u64().unwrap()).collect()
    };
    assert_eq!(counts("plots").len(), 3);
    assert!(counts("plots").iter().all(|n| *n > 500), "{:?}", counts("plots"));
    assert!(counts("cubes").len() == 2 && counts("cubes").iter().all(|n| *n > 1000), "{:?}", counts("cubes"));
    assert!(result["biased"].as_u64().unwrap() > 500);
    // Issue 13: rates below a thousandth had ticks of 0; hashes ran over the edge of a narrow window.
    let ticks = ["0.02", "0.001", "5·10⁻⁴", "2.5·10⁻⁵", "10⁻⁷", "0", "−0.5", ""];
    assert_eq!(result["ticks"], serde_json::json!(ticks));
    assert_eq!(result["radios"], serde_json::json!(["χ", "cos θℓ", "cos θK"]));
    assert_eq!(result["narrow"], true);
    let files: Vec<&str> = result["files"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    let texts: Vec<&str> = result["texts"].as_array().unwrap().iter().map(|f| f.as_str().unwrap()).collect();
    let text = |name: &str| {
        texts[files.iter().position(|f| *f == name).unwrap_or_else(|| panic!("{name}: {files:?}"))]
    };
    assert_eq!(text("card.toml"), fs::read_to_string(RUN.1.join("card.toml")).unwrap());
    assert_eq!(text("ensembles.csv").lines().count(), 5);
    assert_eq!(text("predictions.csv").lines().count(), 1 + 3 * 8 + 5);
    assert_eq!(text("comparison.csv").lines().count(), 1 + 4 * 2);
    assert!(text("summary.json").contains("slope") && text("training.csv").starts_with("epoch,"));
}

/// The page on paper: figures in place of the scripts' plots, the colour bar outside of what paper leaves out.
#[test]
fn issue_13_a_report_says_where_it_comes_from_and_prints() {
    let html = fs::read_to_string(RUN.1.join("results/report.html")).unwrap();
    assert!(html.contains("<p class=\"colours\"><canvas id=\"colours\""));
    assert_eq!(html.matches("<figure class=\"paper\">").count(), 3);
    assert_eq!(html.matches("<section id=\"predictions\">").count(), 1);
    assert!(
        html.contains("<i>B\u{304}</i><sup>0</sup> → <i>K\u{304}</i><sup>*0</sup>")
            && !html.contains("B0bar →")
    );
    let row = |name: &str| {
        let cell = html.split(&format!("<th scope=\"row\">{name}</th><td>")).nth(1);
        cell.and_then(|rest| rest.split("</td>").next()).unwrap_or_else(|| panic!("no row {name}")).to_owned()
    };
    for name in ["trained", "evaluated"] {
        assert!(row(name).contains(" UTC"), "{name}: {}", row(name));
    }
    assert!(row("trained").ends_with(", on cpu"), "{}", row("trained"));
    assert!(!row("commit of the program").is_empty());
}

#[test]
fn issue_13_every_figure_of_a_run_says_model_events_and_window() {
    let mut figures = 0;
    for folder in ["results", "results/compare"] {
        for entry in fs::read_dir(RUN.1.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|ending| ending == "svg") {
                let svg = fs::read_to_string(&path).unwrap();
                for words in ["model npr", " events ", " in [1, 8] GeV"] {
                    assert!(svg.contains(words), "{}: no `{words}`", path.display());
                }
                figures += 1;
            }
        }
    }
    assert!(figures >= 11, "{figures}");
}

/// Base64, as the page's result is passed on.
fn decoded(text: &str) -> Vec<u8> {
    let digit = |c: u8| match c {
        b'A'..=b'Z' => Some(c - b'A'),
        b'a'..=b'z' => Some(c - b'a' + 26),
        b'0'..=b'9' => Some(c - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    };
    let digits: Vec<u32> = text.bytes().filter_map(digit).map(u32::from).collect();
    let bytes = |four: &[u32]| {
        let word = four.iter().fold(0, |word, d| word << 6 | d) << (6 * (4 - four.len()));
        (0..four.len() - 1).map(move |i| (word >> (16 - 8 * i)) as u8).collect::<Vec<u8>>()
    };
    digits.chunks(4).filter(|four| four.len() > 1).flat_map(bytes).collect()
}

/// `cargo test --release --test integration report::coverage -- --ignored --nocapture`: intervals of the estimators that know the
/// density, between the training values, with more samples.
#[test]
#[ignore = "takes an hour of a core"]
fn coverage_of_many_samples() {
    let folder = tempfile::tempdir().unwrap();
    let card = "[generator]\nq2 = [\"0.1:19.2\"]\nline_shape = \"narrow\"\n[[dataset.groups]]\ndelta_c9 = [-2.0, -1.85, -1.7, \
                -1.55, -1.4, -1.25, -1.1, -0.95, -0.8, -0.65, -0.5, -0.35, -0.2, -0.05, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, \
                1.0, 1.1]\ntrain = 1\nvalidation = 1\ntest = 1\n";
    fs::write(folder.path().join("card.toml"), card).unwrap();
    let run = folder.path().to_str().unwrap();
    let arguments =
        ["compare", run, "--images", "2000", "--estimators", "unbinned,template,moments", "--json"];
    let output = succeed(&arguments);
    let comparison: Comparison = serde_json::from_slice(&output.stdout).unwrap();
    for e in &comparison.estimators {
        println!("{}: {:.4} {:.4} ratio {:.4}", e.name, e.coverage_68, e.coverage_95, e.ratio_to_bound);
        for v in &e.values {
            println!("  {:>7.3} {:.4} {:.4} {:.3}", v.truth, v.coverage_68, v.coverage_95, v.ratio_to_bound);
            assert!((v.coverage_68 - 0.683).abs() < 0.045, "{} at {}: {}", e.name, v.truth, v.coverage_68);
            assert!((v.coverage_95 - 0.95).abs() < 0.025, "{} at {}: {}", e.name, v.truth, v.coverage_95);
        }
        assert!((e.coverage_68 - 0.683).abs() < 0.015 && (e.coverage_95 - 0.95).abs() < 0.008);
    }
}
