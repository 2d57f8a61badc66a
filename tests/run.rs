//! The main job on a tiny card: all stages, threads, kills.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{assert_same, files, humboldt, reproducible, succeed, tiny_card};
use humboldt_schemas::results::{EnsembleResult, Summary};

fn run(out: &Path, threads: &str) {
    succeed(&["run", tiny_card().to_str().unwrap(), "--out", out.to_str().unwrap(), "--threads", threads]);
}

#[test]
fn a_run_leaves_what_it_promises() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("run");
    run(&out, "2");
    let json = |name: &str| fs::read_to_string(out.join("results").join(name)).unwrap();
    let ensembles: Vec<EnsembleResult> = serde_json::from_str(&json("ensembles.json")).unwrap();
    let truths: Vec<_> = ensembles.iter().map(|e| (e.truth, e.n_images, e.trained)).collect();
    assert_eq!(truths, [(-2.0, 8, true), (-1.0, 8, true), (-0.5, 5, false), (0.0, 8, true)]);
    let summary: Summary = serde_json::from_str(&json("summary.json")).unwrap();
    assert!(summary.baseline_rmse > 0.0 && summary.rmse.is_finite());
    for figure in [
        "linearity",
        "linearity_scaled",
        "predictions",
        "distributions",
        "images",
        "training",
        "widths",
        "network",
        "information",
    ] {
        for (ending, magic) in [("png", &b"\x89PNG"[..]), ("svg", &b"<svg"[..])] {
            let path = out.join(format!("results/{figure}.{ending}"));
            let bytes = fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            assert!(
                bytes.starts_with(magic) || bytes.windows(4).take(200).any(|w| w == magic),
                "{}",
                path.display()
            );
        }
    }

    let report = fs::read_to_string(out.join("results/report.html")).unwrap();
    assert!(report.contains("time for training") && report.ends_with("</html>\n"));

    // Again: nothing to do, nothing changed.
    let before = files(&out);
    run(&out, "1");
    assert_same(&before, &files(&out));
}

#[test]
fn threads_do_not_change_events_or_images() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    for threads in ["1", "2"] {
        let events = path(&format!("events{threads}.parquet"));
        succeed(&[
            "generate",
            "--events",
            "30000",
            "--seed",
            "3",
            "--threads",
            threads,
            "--delta-c9",
            "-0.5",
            "--out",
            &events,
        ]);
        for kind in ["h5", "arrow"] {
            let images = path(&format!("images{threads}.{kind}"));
            succeed(&[
                "voxelize",
                &events,
                "--events-per-image",
                "4000",
                "--threads",
                threads,
                "--out",
                &images,
            ]);
        }
    }
    for name in ["events%.parquet", "images%.h5", "images%.arrow"] {
        let read = |threads: &str| fs::read(path(&name.replace('%', threads))).unwrap();
        assert!(read("1") == read("2"), "{name}");
    }
}

#[test]
fn a_killed_run_ends_like_an_uninterrupted_one() {
    kill(&tiny_card(), 6);
}

/// Live images are made anew after a kill, and are the same.
#[test]
fn a_killed_live_run_ends_like_an_uninterrupted_one() {
    let folder = tempfile::tempdir().unwrap();
    let card = folder.path().join("live.toml");
    let live = "[training]\nimages = \"live\"\nprior = \"uniform\"";
    fs::write(&card, fs::read_to_string(tiny_card()).unwrap().replace("[training]", live)).unwrap();
    kill(&card, 4);
}

/// Kills runs of a card at moments spread over their duration.
fn kill(card: &Path, moments: u32) {
    let card = card.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let arguments = |out: &Path, threads| {
        ["run", card, "--out", out.to_str().unwrap(), "--threads", threads].map(str::to_owned)
    };
    let run = |out: &Path, threads| {
        let arguments = arguments(out, threads);
        succeed(&arguments.each_ref().map(String::as_str));
    };
    let whole = folder.path().join("whole");
    let start = Instant::now();
    run(&whole, "1");
    let duration = start.elapsed();
    let expected = reproducible(files(&whole));
    let live = fs::read_to_string(whole.join("card.toml")).unwrap().contains("images = \"live\"");
    let stored = expected.keys().any(|name| name.to_string_lossy().contains("shards/train-"));
    assert!(stored != live, "{:?}", expected.keys());

    for part in 1..=moments {
        let out = folder.path().join(format!("killed{part}"));
        let kill_after = duration.mul_f64(f64::from(part) / f64::from(moments + 1));
        for attempt in 0..2 {
            let arguments = arguments(&out, "2");
            let mut child =
                humboldt(&arguments.each_ref().map(String::as_str)).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(if attempt == 0 { kill_after } else { Duration::from_millis(400) });
            child.kill().unwrap();
            child.wait().unwrap();
        }
        run(&out, "2");
        assert_same(&expected, &reproducible(files(&out)));
    }
}
