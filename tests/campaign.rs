//! Campaigns: the same bytes whatever happens on the way.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::{assert_same, assert_words, files, humboldt, said_in_refusal, succeed, tiny_card};
use rand::{RngExt, SeedableRng};
use rand_pcg::Pcg64;

fn run(out: &Path, extra: &[&str]) {
    let card = tiny_card();
    succeed(&[&["campaign", "run", card.to_str().unwrap(), "--out", out.to_str().unwrap()], extra].concat());
}

/// All files, hidden ones as well: nothing may be left over.
fn everything(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut all = files(root);
    for hidden in fs::read_dir(root).unwrap().map(|e| e.unwrap().path()) {
        let name = hidden.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!name.starts_with('.') || name == ".lock", "{name} is left over");
    }
    all.remove(Path::new(".lock"));
    all
}

/// Notes may stand before the refusal.
fn refused(arguments: &[&str], words: &[&str]) {
    let said = said_in_refusal(&mut humboldt(arguments));
    let last = said.trim_end().lines().last().unwrap_or_default();
    assert!(last.starts_with("error: "), "{arguments:?}: {said}");
    assert_words(last, words);
}

#[test]
fn threads_and_tasks_do_not_change_a_byte() {
    let folder = tempfile::tempdir().unwrap();
    let (one, eight, tasks) =
        (folder.path().join("one"), folder.path().join("eight"), folder.path().join("tasks"));
    run(&one, &["--threads", "1"]);
    run(&eight, &["--threads", "8"]);
    for task in ["4/5", "1/5", "5/5", "2/5", "3/5"] {
        run(&tasks, &["--task", task]);
    }
    succeed(&["campaign", "merge", tasks.to_str().unwrap()]);
    let expected = everything(&one);
    assert!(expected.len() > 10, "{:?}", expected.keys());
    assert_same(&expected, &everything(&eight));
    assert_same(&expected, &everything(&tasks));
    // Again: nothing to do.
    run(&one, &[]);
    assert_same(&expected, &everything(&one));
    succeed(&["campaign", "verify", one.to_str().unwrap()]);
    let status = succeed(&["campaign", "status", "--json", one.to_str().unwrap()]);
    let status: serde_json::Value = serde_json::from_slice(&status.stdout).unwrap();
    assert_eq!(status["shards"], status["finished"]);
    assert_eq!(status["merged"], true);
}

/// Kills a campaign at `kills` random moments, and compares its end with an uninterrupted one.
fn kill(kills: u32) {
    let folder = tempfile::tempdir().unwrap();
    let whole = folder.path().join("whole");
    let start = Instant::now();
    run(&whole, &["--threads", "2"]);
    let duration = start.elapsed();
    let expected = everything(&whole);

    let mut rng = Pcg64::seed_from_u64(1);
    let (mut done, mut campaigns) = (0, 0);
    while done < kills {
        let out = folder.path().join(format!("killed{campaigns}"));
        campaigns += 1;
        // A campaign gets some kills, each within the time that a whole one takes.
        for _ in 0..6.min(kills - done) {
            let card = tiny_card();
            let arguments = ["campaign", "run", card.to_str().unwrap(), "--out", out.to_str().unwrap()];
            let mut child = humboldt(&arguments).stderr(Stdio::null()).spawn().unwrap();
            std::thread::sleep(duration.mul_f64(rng.random()).max(Duration::from_millis(1)));
            child.kill().unwrap();
            child.wait().unwrap();
            done += 1;
        }
        run(&out, &[]);
        assert_same(&expected, &everything(&out));
        fs::remove_dir_all(&out).unwrap();
    }
}

#[test]
fn kills_change_nothing() {
    kill(18);
}

#[test]
fn what_a_killed_process_left_is_swept() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("campaign");
    run(&out, &[]);
    let expected = everything(&out);
    for name in ["campaign.json", "manifest.json"] {
        let own = humboldt_pipeline::store::atomic::unique(&out.join(name)).unwrap();
        // No process has this number: the kernel's largest is 4,194,304.
        let process = format!("-{}-", std::process::id());
        fs::write(own.to_str().unwrap().replace(&process, "-4194305-"), "half").unwrap();
    }
    run(&out, &[]);
    assert_same(&expected, &everything(&out));
}

#[test]
#[ignore = "long: cargo test --release --test integration two_hundred -- --ignored"]
fn two_hundred_kills_change_nothing() {
    kill(200);
}

#[test]
fn damage_is_found_named_and_mended() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("campaign");
    run(&out, &[]);
    let expected = everything(&out);
    let campaign = out.to_str().unwrap();
    let shard = out.join("shards/train-00001.h5");
    let good = fs::read(&shard).unwrap();

    let mut flipped = good.clone();
    let middle = good.len() / 2;
    flipped[middle] ^= 0x10;
    fs::write(&shard, &flipped).unwrap();
    refused(&["campaign", "verify", campaign], &["train-00001.h5", "--remove"]);
    succeed(&["campaign", "verify", "--remove", campaign]);
    run(&out, &[]);
    assert_same(&expected, &everything(&out));

    // A truncated shard does not count as made.
    fs::write(&shard, &good[..good.len() - 7]).unwrap();
    refused(&["campaign", "merge", campaign], &["train-00001.h5", "not there"]);
    run(&out, &[]);
    assert_same(&expected, &everything(&out));

    let manifest = fs::read_to_string(out.join("campaign.json")).unwrap();
    fs::write(out.join("campaign.json"), manifest.replace("\"format_version\": 1", "\"format_version\": 9"))
        .unwrap();
    refused(&["campaign", "status", campaign], &["campaign.json", "version 9", "newer"]);
    fs::write(out.join("campaign.json"), &manifest[..manifest.len() / 2]).unwrap();
    refused(&["campaign", "status", campaign], &["campaign.json", "damaged"]);
    fs::write(out.join("campaign.json"), &manifest).unwrap();
    refused(&["campaign", "status", folder.path().to_str().unwrap()], &["campaign.json"]);

    // Another card, and another process.
    let other = folder.path().join("other.toml");
    fs::write(&other, fs::read_to_string(tiny_card()).unwrap().replace("seed = 5", "seed = 6")).unwrap();
    refused(&["campaign", "run", other.to_str().unwrap(), "--out", campaign], &["another card", "seed"]);
    fs::remove_file(&shard).unwrap();
    let lock = fs::File::options().append(true).open(out.join(".lock")).unwrap();
    lock.lock().unwrap();
    refused(&["campaign", "run", "--out", campaign], &[campaign, "another process"]);
    drop(lock);
    run(&out, &[]);
    assert_same(&expected, &everything(&out));
}

/// A disk that fills up, played by the shell's limit on the size of a file.
#[test]
fn a_full_disk_leaves_what_is_finished() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, out) = (folder.path().join("whole"), folder.path().join("full"));
    run(&whole, &[]);
    let output = std::process::Command::new("bash")
        .args(["-c", "trap '' XFSZ; ulimit -f 4; exec \"$0\" campaign run \"$1\" --out \"$2\""])
        .args([env!("CARGO_BIN_EXE_humboldt"), tiny_card().to_str().unwrap(), out.to_str().unwrap()])
        .output()
        .unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    let last = stderr.trim_end().lines().last().unwrap();
    assert!(last.starts_with("error: ") && last.contains("train-00000.h5"), "{stderr}");
    let left: Vec<_> = files(&out).into_keys().filter(|name| !name.ends_with("train-00000.lock")).collect();
    assert_eq!(left, [Path::new("campaign.json")]);
    run(&out, &[]);
    assert_same(&everything(&whole), &everything(&out));
}

#[test]
fn a_run_can_use_the_images_of_a_campaign() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let card = tiny_card();
    let card = card.to_str().unwrap();
    run(Path::new(&path("campaign")), &[]);
    succeed(&["run", card, "--out", &path("own")]);
    succeed(&["run", card, "--out", &path("shared"), "--images", &path("campaign")]);
    let weights = |run: &str| fs::read(Path::new(&path(run)).join("model/weights.safetensors")).unwrap();
    assert!(weights("own") == weights("shared"));
    succeed(&["campaign", "merge", &path("campaign"), "--split", "test", "--out", &path("test.h5")]);
    let reader = humboldt_pipeline::store::ImageReader::open(Path::new(&path("test.h5"))).unwrap();
    assert_eq!(reader.len(), 29);
    let other = path("other.toml");
    fs::write(&other, fs::read_to_string(tiny_card()).unwrap().replace("seed = 5", "seed = 6")).unwrap();
    refused(
        &["run", &other, "--out", &path("third"), "--images", &path("campaign")],
        &["--images", "campaign"],
    );
    assert!(!Path::new(&path("third")).exists());
}

#[test]
fn slurm_scripts_ask_for_what_was_asked() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("my campaign");
    let card = tiny_card();
    let arguments = [
        "campaign",
        "submit",
        card.to_str().unwrap(),
        "--out",
        out.to_str().unwrap(),
        "--slurm",
        "--tasks",
        "5",
        "--partition",
        "short",
        "--memory",
        "3G",
        "--modules",
        "hdf5,gcc",
        "--sbatch=--account=flavour",
        "--dry-run",
    ];
    succeed(&arguments);
    let array = fs::read_to_string(out.join("slurm/array.sh")).unwrap();
    for line in [
        "#SBATCH --array=1-5",
        "#SBATCH --partition=short",
        "#SBATCH --mem=3G",
        "#SBATCH --account=flavour",
        "#SBATCH --requeue",
        "module load hdf5",
        "module load gcc",
    ] {
        assert!(array.lines().any(|l| l == line), "{line} is not in {array}");
    }
    // The scripts run as they are, without Slurm and without environment modules.
    let bash = |script: &str, task: usize| {
        let output = std::process::Command::new("bash")
            .args(["-c", "module() { :; }; export -f module; bash \"$0\""])
            .arg(out.join("slurm").join(script))
            .env("SLURM_ARRAY_TASK_ID", task.to_string())
            .output()
            .unwrap();
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
    };
    (1..=5).for_each(|task| bash("array.sh", task));
    bash("merge.sh", 0);
    assert!(out.join("manifest.json").exists());
}
