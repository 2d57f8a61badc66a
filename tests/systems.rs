//! Files and systems as they are: no locks, read-only folders, pipes, links, terminals, batch systems, signals, closed
//! outputs, many threads (issue 13).

#![allow(clippy::pedantic, reason = "tests")]
#![cfg(unix)]

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, PermissionsExt, symlink};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::support::{files, humboldt, refused_in, succeed, tiny_card};
use humboldt_pipeline::store::{EventReader, ImageReader};

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

/// Runs the program in a folder.
fn run_in(folder: &Path, arguments: &[&str]) -> Output {
    humboldt(arguments).current_dir(folder).output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Runs the program in a folder and expects success; what it said.
fn well(folder: &Path, arguments: &[&str]) -> String {
    let output = run_in(folder, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stderr(&output)
}

/// All names in a folder, hidden ones too.
fn names(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
}

fn wait_for(what: &str, mut there: impl FnMut() -> bool) {
    let start = Instant::now();
    while !there() {
        assert!(start.elapsed() < Duration::from_secs(60), "no {what} within a minute");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A library that plays another file system, built in `folder`.
fn shim(folder: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/shims/file_system.c");
    let library = folder.join("file_system.so");
    let built =
        Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).arg("-ldl").status();
    assert!(built.unwrap().success(), "{} does not compile", source.display());
    library
}

/// The tiny card with enough test images for intervals.
fn card_of_intervals(folder: &Path) -> PathBuf {
    let card = folder.join("card.toml");
    fs::write(&card, fs::read_to_string(tiny_card()).unwrap().replace("test = 8", "test = 20")).unwrap();
    card
}

/// A run of that card.
fn tiny_run(folder: &Path) -> PathBuf {
    let run = folder.join("run");
    succeed(&["run", card_of_intervals(folder).to_str().unwrap(), "--out", run.to_str().unwrap()]);
    run
}

#[test]
fn issue_13_two_processes_with_one_out_leave_one_whole_file() {
    let folder = folder();
    let path = folder.path();
    let arguments = |seed: &'static str, out: &'static str| {
        ["generate", "--events", "100000", "--seed", seed, "--out", out, "--quiet"]
    };
    for (name, references) in
        [("out.parquet", ["1.parquet", "2.parquet"]), ("out.hepmc", ["1.hepmc", "2.hepmc"])]
    {
        for (seed, reference) in ["1", "2"].into_iter().zip(references) {
            well(path, &arguments(seed, reference));
        }
        let reference = references.map(|name| fs::read(path.join(name)).unwrap());
        for _ in 0..3 {
            let start = |seed| humboldt(&arguments(seed, name)).current_dir(path).spawn().unwrap();
            for mut child in [start("1"), start("2")] {
                assert!(child.wait().unwrap().success());
            }
            let left = fs::read(path.join(name)).unwrap();
            assert!(reference.contains(&left), "{name} is neither file");
            fs::remove_file(path.join(name)).unwrap();
        }
    }
    // Siblings: images, and networks, whose temporary name was that of a neighbour.
    let voxelize = |events: &'static str| {
        ["voxelize", events, "--events-per-image", "1000", "--out", "out.h5", "--quiet"]
    };
    let references = ["1.parquet", "2.parquet"].map(|events| {
        well(path, &voxelize(events));
        let bytes = fs::read(path.join("out.h5")).unwrap();
        fs::remove_file(path.join("out.h5")).unwrap();
        bytes
    });
    let start = |events| humboldt(&voxelize(events)).current_dir(path).spawn().unwrap();
    for mut child in [start("1.parquet"), start("2.parquet")] {
        assert!(child.wait().unwrap().success());
    }
    assert!(references.contains(&fs::read(path.join("out.h5")).unwrap()));
    fs::write(path.join("net.part"), "a neighbour").unwrap();
    let export = || {
        let arguments = ["model", "export", "builtin", "--out", "net.safetensors", "--force"];
        humboldt(&arguments).current_dir(path).spawn().unwrap()
    };
    for mut child in [export(), export()] {
        assert!(child.wait().unwrap().success());
    }
    assert_eq!(fs::read(path.join("net.part")).unwrap(), b"a neighbour");
    assert!(fs::metadata(path.join("net.safetensors")).unwrap().len() > 10_000);
    assert!(names(path).iter().all(|name| !name.starts_with('.')), "{:?}", names(path));
}

#[test]
fn issue_13_work_goes_on_where_a_file_system_has_no_locks() {
    let folder = folder();
    let path = folder.path();
    let library = shim(path);
    let card = card_of_intervals(path);
    let card = card.to_str().unwrap();
    well(path, &["campaign", "run", card, "--out", "reference", "--quiet"]);
    // ENOSYS, EOPNOTSUPP, ENOLCK.
    for number in ["38", "95", "37"] {
        let unlocked = |arguments: &[&str]| {
            let command = &mut humboldt(arguments);
            let output =
                command.current_dir(path).env("LD_PRELOAD", &library).env("FLOCK_ERRNO", number).output();
            let output = output.unwrap();
            assert!(output.status.success(), "errno {number}, {arguments:?}: {}", stderr(&output));
            stderr(&output)
        };
        let out = format!("campaign{number}");
        let said = unlocked(&["campaign", "run", card, "--out", &out]);
        assert_eq!(said.matches("no locks").count(), 1, "{said}");
        for shard in ["train-00000.h5", "test-00000.h5"] {
            let bytes = |campaign: &str| fs::read(path.join(campaign).join("shards").join(shard)).unwrap();
            assert!(bytes(&out) == bytes("reference"), "{shard}");
        }
        // Reading needs no locks, and so says nothing of them.
        for arguments in [["campaign", "verify", &out], ["campaign", "merge", &out], ["view", "--plain", ""]]
        {
            let shard = format!("{out}/shards/train-00000.h5");
            let arguments = arguments.map(|word| if word.is_empty() { shard.as_str() } else { word });
            assert!(!unlocked(&arguments).contains("no locks"));
        }
    }
    let unlocked = |arguments: &[&str]| {
        let mut command = humboldt(arguments);
        let output =
            command.current_dir(path).env("LD_PRELOAD", &library).env("FLOCK_ERRNO", "37").output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    };
    for arguments in [["run", card, "--out", "run"], ["train", card, "--out", "run"]] {
        unlocked(&arguments);
    }
    unlocked(&["evaluate", "run"]);
    unlocked(&["predict", "run", "reference/shards/test-00000.h5"]);
}

#[test]
fn issue_13_a_lock_of_another_is_said_as_such_and_reading_needs_none() {
    let folder = folder();
    let path = folder.path();
    let run = tiny_run(path);
    let held = File::open(run.join(".lock")).unwrap();
    held.lock().unwrap();
    refused_in(path, &["evaluate", "run"], &["run", "another process works in this folder"]);
    well(path, &["predict", "run", "run/images/shards/test-00000.h5"]);
    well(path, &["report", "run", "--out", "report.html"]);
    // As h5py holds a file that it writes.
    fs::copy(run.join("images/shards/test-00000.h5"), path.join("images.h5")).unwrap();
    let images = File::open(path.join("images.h5")).unwrap();
    images.lock().unwrap();
    well(path, &["view", "--plain", "images.h5"]);
    well(path, &["export", "images.h5", "--layout", "compact", "--out", "copy.h5"]);
    // The user's own wish for locks.
    let mut wished = humboldt(&["view", "--plain", "images.h5"]);
    let output = wished.current_dir(path).env("HDF5_USE_FILE_LOCKING", "TRUE").output().unwrap();
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("images.h5 is in use") && !text.contains("damaged"), "{text}");
}

#[test]
fn issue_13_reading_commands_write_nothing() {
    let folder = folder();
    let path = folder.path();
    let library = shim(path);
    let run = tiny_run(path);
    let theirs = path.join("theirs");
    fs::create_dir(&theirs).unwrap();
    fs::rename(&run, theirs.join("run")).unwrap();
    let card = path.join("card.toml");
    let card = card.to_str().unwrap();
    well(path, &["campaign", "run", card, "--out", "theirs/campaign", "--quiet"]);
    fs::remove_file(theirs.join("run/results/bound.json")).unwrap();
    for left in ["theirs/run/.lock", "theirs/campaign/.lock"] {
        let _ = fs::remove_file(path.join(left));
    }
    fs::write(theirs.join("campaign/shards/test-00000.lock"), "").unwrap();
    let before = (files(&theirs), names(&theirs.join("run")), names(&theirs.join("campaign")));
    let shard = "theirs/campaign/shards/test-00000.h5";
    for arguments in [
        vec!["predict", "theirs/run", shard],
        vec!["report", "theirs/run", "--out", "report.html"],
        vec!["evaluate", "theirs/run"],
        vec!["infer", "events.parquet", "--model", "builtin"],
        vec!["model", "show", "theirs/run/model"],
        vec!["model", "export", "theirs/run/model", "--out", "net.safetensors"],
        vec!["campaign", "status", "theirs/campaign"],
        vec!["campaign", "verify", "theirs/campaign"],
        vec!["campaign", "merge", "theirs/campaign"],
        vec!["campaign", "merge", "theirs/campaign", "--split", "test", "--out", "test.h5"],
        vec!["campaign", "run", card, "--out", "theirs/campaign"],
        vec!["run", card, "--out", "own", "--images", "theirs/campaign"],
        vec!["view", "--plain", shard],
    ] {
        if arguments[0] == "infer" {
            well(path, &["generate", "--events", "24613", "--q2", "0.1:19.2", "--out", "events.parquet"]);
        }
        let words: Vec<String> = arguments
            .iter()
            .map(|word| {
                if word.starts_with("theirs") {
                    path.join(word).display().to_string()
                } else {
                    (*word).to_owned()
                }
            })
            .collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = humboldt(&words);
        let output =
            command.current_dir(path).env("LD_PRELOAD", &library).env("READ_ONLY", &theirs).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    }
    let after = (files(&theirs), names(&theirs.join("run")), names(&theirs.join("campaign")));
    assert!(before == after, "a reading command wrote: {:?}, {:?}", after.1, after.2);
}

/// A named pipe, and what is read from it by the end.
fn pipe(path: &Path) -> std::thread::JoinHandle<Vec<u8>> {
    assert!(Command::new("mkfifo").arg(path).status().unwrap().success());
    let path = path.to_owned();
    std::thread::spawn(move || fs::read(path).unwrap())
}

#[test]
fn issue_13_momenta_and_arrow_streams_go_to_what_is_no_file() {
    let folder = folder();
    let path = folder.path();
    let generate = |out: &str, more: &[&str]| {
        let arguments = [&["generate", "--events", "500", "--quiet", "--out", out], more].concat();
        let output = run_in(path, &arguments);
        assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
        output.stdout
    };
    generate("file.hepmc", &[]);
    generate("file.arrow", &[]);
    let momenta = fs::read(path.join("file.hepmc")).unwrap();
    let (hepmc, arrow) = (path.join("pipe.hepmc"), path.join("pipe.arrow"));
    let (got_hepmc, got_arrow) = (pipe(&hepmc), pipe(&arrow));
    generate("pipe.hepmc", &[]);
    generate("pipe.arrow", &[]);
    assert!(got_hepmc.join().unwrap() == momenta);
    assert!(fs::metadata(&hepmc).unwrap().file_type().is_fifo(), "the pipe is replaced");
    let stream = got_arrow.join().unwrap();
    let rows = |bytes: &[u8]| {
        let reader = arrow::ipc::reader::StreamReader::try_new(bytes, None).unwrap();
        reader.map(|batch| batch.unwrap().num_rows()).sum::<usize>()
    };
    assert_eq!(rows(&stream), 500);
    for stdout in ["-", "/dev/stdout", "/dev/fd/1"] {
        assert!(generate(stdout, &[]) == momenta, "{stdout}");
        assert!(generate(stdout, &["--format", "arrow"]) == stream, "{stdout}");
    }
    // Siblings: a link to standard output, weights, a file that standard output goes to and its end.
    symlink("/dev/stdout", path.join("link.hepmc")).unwrap();
    assert!(generate("link.hepmc", &[]) == momenta);
    fs::remove_file(path.join("link.hepmc")).unwrap();
    let weights =
        run_in(path, &["reweight", "file.arrow", "--delta-c9", "-1", "--out", "-", "--quiet"]).stdout;
    assert_eq!(rows(&weights), 500);
    let script = "{ echo first; \"$0\" generate --events 500 --quiet --out /dev/stdout; } > both.txt";
    let program = env!("CARGO_BIN_EXE_humboldt");
    assert!(Command::new("sh").args(["-c", script, program]).current_dir(path).status().unwrap().success());
    assert!(fs::read(path.join("both.txt")).unwrap() == [b"first\n".as_slice(), &momenta].concat());
    // Others say so, at once, and leave the pipe.
    for name in ["p.parquet", "p.h5", "p.safetensors"] {
        assert!(Command::new("mkfifo").arg(path.join(name)).status().unwrap().success());
    }
    for arguments in [
        vec!["generate", "--events", "100", "--out", "p.parquet"],
        vec!["voxelize", "file.arrow", "--events-per-image", "100", "--out", "p.h5"],
        vec!["model", "export", "builtin", "--out", "p.safetensors"],
    ] {
        let output = run_in(path, &arguments);
        let (text, out) = (stderr(&output), arguments[arguments.len() - 1]);
        assert_eq!(output.status.code(), Some(2), "{text}");
        assert!(text.contains(out) && text.contains("regular file"), "{text}");
        assert!(fs::metadata(path.join(out)).unwrap().file_type().is_fifo());
    }
    for name in names(path).iter().filter(|name| name.starts_with("p.") || name.starts_with("pipe.")) {
        fs::remove_file(path.join(name)).unwrap();
    }
    refused_in(
        path,
        &["voxelize", "file.arrow", "--events-per-image", "9", "--out", "-"],
        &["--out = -", ".h5"],
    );
    refused_in(
        path,
        &["reweight", "file.arrow", "--out", "-", "--format", "hepmc"],
        &["--out = -", ".parquet"],
    );
}

#[test]
fn issue_13_a_link_as_out_stays_and_its_target_is_written() {
    let folder = folder();
    let path = folder.path();
    fs::create_dir(path.join("disk")).unwrap();
    for (out, arguments) in [
        ("events.parquet", vec!["generate", "--events", "2000"]),
        ("events.hepmc", vec!["generate", "--events", "100"]),
        ("images.h5", vec!["voxelize", "events.parquet", "--events-per-image", "1000"]),
        ("images.arrow", vec!["export", "images.h5"]),
        ("net.safetensors", vec!["model", "export", "builtin"]),
    ] {
        symlink(Path::new("disk").join(out), path.join(out)).unwrap();
        // A target that is not there yet; one that is, with --force only.
        well(path, &[&arguments[..], &["--out", out]].concat());
        refused_in(path, &[&arguments[..], &["--out", out]].concat(), &[out, "--force"]);
        well(path, &[&arguments[..], &["--out", out, "--force"]].concat());
        assert!(path.join(out).is_symlink(), "{out} is no link any more");
        assert!(!path.join("disk").join(out).is_symlink());
    }
    assert_eq!(names(&path.join("disk")).len(), 5);
    assert_eq!(EventReader::open(&path.join("disk/events.parquet")).unwrap().len(), 2000);
    assert_eq!(ImageReader::open(&path.join("disk/images.arrow")).unwrap().len(), 2);
}

/// Output of the program in a terminal of 100 x 40.
fn in_terminal(folder: &Path, arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/dashboard.py");
    let mut command = Command::new("python3");
    command.arg(script).args(["100", "40", "", env!("CARGO_BIN_EXE_humboldt")]).args(arguments);
    command.env_remove("NO_COLOR").env("TERM", "xterm-256color").envs(variables.iter().copied());
    let output = command.current_dir(folder).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", stderr(&output));
    text
}

/// Whether a text sets a colour: ESC [ ... m with a number of 30 to 49 or 90 to 107.
fn is_coloured(text: &str) -> bool {
    text.split("\u{1b}[").skip(1).any(|part| {
        let end = part.find(|c: char| !c.is_ascii_digit() && c != ';').unwrap_or(part.len());
        let colour = |n: &str| n.parse().is_ok_and(|n: u8| matches!(n, 30..=38 | 40..=48 | 90..=107));
        part[end..].starts_with('m') && part[..end].split(';').any(colour)
    })
}

#[test]
fn issue_13_no_color_and_dumb_terminals_get_what_they_ask_for() {
    let folder = folder();
    let path = folder.path();
    well(path, &["generate", "--events", "2000", "--out", "events.parquet"]);
    well(path, &["voxelize", "events.parquet", "--events-per-image", "2000", "--out", "images.h5"]);
    assert!(is_coloured(&in_terminal(path, &["view", "images.h5"], &[])));
    assert!(is_coloured(&in_terminal(path, &["view", "images.h5"], &[("NO_COLOR", "")])));
    for variables in [[("NO_COLOR", "1")], [("TERM", "dumb")], [("TERM", "")]] {
        let text = in_terminal(path, &["view", "images.h5"], &variables);
        assert!(
            !text.contains('\u{1b}') && text.contains("cos_theta_l to the right"),
            "{variables:?}: {text}"
        );
    }
    assert!(in_terminal(path, &["--help"], &[]).contains('\u{1b}'));
    assert!(!in_terminal(path, &["--help"], &[("NO_COLOR", "1")]).contains('\u{1b}'));
    let card = tiny_card();
    let train = |out: &'static str, variables: &[(&str, &str)]| {
        in_terminal(path, &["train", card.to_str().unwrap(), "--out", out], variables)
    };
    assert!(is_coloured(&train("colours", &[])));
    let text = train("plain", &[("NO_COLOR", "1")]);
    assert!(!is_coloured(&text) && text.contains("\u{1b}[?1049h"), "a dashboard without colours: {text}");
    let text = train("dumb", &[("TERM", "dumb")]);
    assert!(!text.contains('\u{1b}') && text.contains("train: epoch"), "{text}");
    let bars = ["generate", "--events", "3000000", "--out", "many.arrow"];
    assert!(in_terminal(path, &bars, &[]).contains('\u{1b}'));
    let text = in_terminal(path, &[&bars[..], &["--force"]].concat(), &[("TERM", "dumb")]);
    assert!(!text.contains('\u{1b}') && text.contains("wrote many.arrow"), "{text}");
}

/// A folder with programs that answer as a batch system does.
fn programs(folder: &Path, scripts: &[(&str, &str)]) -> String {
    let bin = folder.join("bin");
    fs::create_dir_all(&bin).unwrap();
    for (name, script) in scripts {
        fs::write(bin.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        fs::set_permissions(bin.join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    format!("{}:{}", bin.display(), std::env::var("PATH").unwrap())
}

#[test]
fn issue_13_batch_systems_as_sites_set_them_up() {
    let folder = folder();
    let path = folder.path();
    let card = tiny_card();
    let submit = |variable: &str, more: &[&str]| {
        let arguments = ["campaign", "submit", card.to_str().unwrap(), "--out", "campaign", "--slurm"];
        let output = humboldt(&[&arguments[..], more].concat())
            .current_dir(path)
            .env("PATH", variable)
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned(), stderr(&output))
    };
    let site = "echo Welcome to cluster 9; case \"$*\" in *afterok*) echo '4712;alpha';; *) echo '4711;alpha';; esac";
    let variable =
        programs(path, &[("sbatch", site), ("squeue", "true"), ("scontrol", "echo 'MaxArraySize  = 6'")]);
    // More than there are shards, and than the site takes, are refused before anything is written.
    for (tasks, words) in
        [("50", ["--tasks = 50", "shards"]), ("6", ["1 to 5", "MaxArraySize"]), ("0", ["'0'", "1 to"])]
    {
        let (code, _, text) = submit(&variable, &["--tasks", tasks]);
        assert_eq!(code, Some(2), "{text}");
        assert!(words.iter().all(|word| text.contains(word)), "{text}");
        assert!(!path.join("campaign").exists());
    }
    let (code, stdout, text) = submit(&variable, &["--tasks", "5"]);
    assert_eq!((code, stdout.as_str()), (Some(0), "array 4711, merge 4712\n"), "{text}");
    // A second one while the first waits.
    let variable =
        programs(path, &[("squeue", "echo 4711_1 PENDING 0:00 '(Priority)'; echo 4712 PENDING 0:00")]);
    let (code, _, text) = submit(&variable, &["--tasks", "5"]);
    assert_eq!(code, Some(2), "{text}");
    assert!(text.contains("4711_1 PENDING") && text.contains("4712") && text.contains("scancel"), "{text}");
    // A merge that is refused when the array is in the queue.
    let refusing = "case \"$*\" in *afterok*) echo 'sbatch: error: QOSMaxSubmitJobPerUserLimit' >&2; exit 1;; *) echo 4711;; esac";
    let variable = programs(path, &[("squeue", "true"), ("sbatch", refusing)]);
    let (code, stdout, text) = submit(&variable, &["--tasks", "5"]);
    assert!(code == Some(2) && stdout.is_empty(), "{text}");
    for word in ["array 4711 is in the queue", "scancel 4711", "afterok:4711", "QOSMaxSubmitJobPerUserLimit"]
    {
        assert!(text.contains(word), "{word} is not in: {text}");
    }
    let variable = programs(path, &[("sbatch", "echo held for review")]);
    let (code, _, text) = submit(&variable, &["--tasks", "5"]);
    assert!(code == Some(2) && text.contains("held for review"), "{text}");
    // A task of more tasks than shards.
    let text = well(path, &["campaign", "run", card.to_str().unwrap(), "--out", "tasks", "--task", "99/100"]);
    assert!(text.contains("100 tasks share") && !text.contains("is there already"), "{text}");
}

/// Threads of a process.
fn threads(child: &Child) -> usize {
    fs::read_dir(format!("/proc/{}/task", child.id())).map_or(0, Iterator::count)
}

#[test]
#[cfg(target_os = "linux")]
fn issue_13_threads_beyond_all_use_are_not_started() {
    let folder = folder();
    let path = folder.path();
    for (variable, asked) in [(None, "5000"), (None, "100000"), (None, "1e5"), (Some("20000"), "")] {
        let words: &[&str] = if asked.is_empty() { &[] } else { &["--threads", asked] };
        let arguments =
            [words, &["generate", "--events", "1000000", "--force", "--out", "events.arrow"]].concat();
        let mut command = humboldt(&arguments);
        if let Some(variable) = variable {
            command.env("RAYON_NUM_THREADS", variable);
        }
        let mut child = command.current_dir(path).stderr(Stdio::piped()).spawn().unwrap();
        let mut most = 0;
        while child.try_wait().unwrap().is_none() {
            most = most.max(threads(&child));
            std::thread::sleep(Duration::from_millis(2));
        }
        let mut text = String::new();
        child.stderr.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(child.wait().unwrap().success(), "{text}");
        assert!(most > 2 && most < 500, "{most} threads");
        assert!(text.contains("gain nothing"), "{text}");
    }
    for wrong in ["0", "-3", "two", "1.5"] {
        refused_in(path, &["--threads", wrong, "schema"], &["--threads", wrong, "a whole number, 1 or more"]);
    }
    assert!(!well(path, &["--threads", "7", "schema", "card"]).contains("gain nothing"));
}

#[test]
fn issue_13_an_existing_file_is_replaced_by_force_only() {
    let folder = folder();
    let path = folder.path();
    let run = tiny_run(path);
    well(path, &["campaign", "run", tiny_card().to_str().unwrap(), "--out", "campaign", "--quiet"]);
    well(path, &["generate", "--events", "3000", "--out", "in.parquet"]);
    well(path, &["voxelize", "in.parquet", "--events-per-image", "1000", "--out", "in.h5"]);
    assert!(run.exists());
    for (out, arguments) in [
        ("out.parquet", vec!["generate", "--events", "10"]),
        ("out.hepmc", vec!["generate", "--events", "10"]),
        ("weights.arrow", vec!["reweight", "in.parquet", "--delta-c9", "-1"]),
        ("images.h5", vec!["voxelize", "in.parquet", "--events-per-image", "1000"]),
        ("copy.arrow", vec!["export", "in.h5"]),
        ("net.safetensors", vec!["model", "export", "builtin"]),
        ("view.png", vec!["view", "--plain", "in.h5"]),
        ("report.html", vec!["report", "run"]),
        ("test.h5", vec!["campaign", "merge", "campaign", "--split", "test"]),
        ("points.parquet", vec!["global", "sample", "--steps", "5", "--burn-in", "0"]),
    ] {
        let arguments = [&arguments[..], &["--out", out]].concat();
        fs::write(path.join(out), "years of work").unwrap();
        refused_in(path, &arguments, &["--out = ", out, "is there already", "--force"]);
        assert_eq!(fs::read(path.join(out)).unwrap(), b"years of work");
        well(path, &[&arguments[..], &["--force"]].concat());
        assert_ne!(fs::read(path.join(out)).unwrap(), b"years of work", "{out}");
    }
    // Siblings: what is written beside it, a folder of figures, and a file that is read.
    fs::write(path.join("other.csv"), "years of work").unwrap();
    refused_in(path, &["view", "in.h5", "--out", "other.png"], &["other.csv", "--force"]);
    fs::create_dir(path.join("scan")).unwrap();
    fs::write(path.join("scan/contours.csv"), "years of work").unwrap();
    refused_in(path, &["global", "scan", "--points", "2", "--out", "scan"], &["contours.csv", "--force"]);
    for arguments in [
        vec!["reweight", "in.parquet", "--out", "in.parquet"],
        vec!["export", "in.h5", "--out", "in.h5"],
        vec!["campaign", "merge", "campaign", "--split", "test", "--out", "campaign/shards/test-00000.h5"],
    ] {
        refused_in(
            path,
            &[&arguments[..], &["--force"]].concat(),
            &["another file than the one that is read"],
        );
    }
}

#[test]
fn issue_13_output_files_follow_the_umask() {
    let folder = folder();
    let path = folder.path();
    let script = "umask 027; for c in 'generate --events 1000 --out e.parquet' 'generate --events 9 --out e.hepmc' \
                  'voxelize e.parquet --events-per-image 500 --out i.h5' 'export i.h5 --out i.arrow' \
                  'model export builtin --out n.safetensors' 'view i.h5 --plain --out v.png'; do \"$0\" $c || exit 1; done; \
                  \"$0\" train \"$1\" --out run";
    let card = tiny_card();
    let output = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_humboldt")])
        .arg(card)
        .current_dir(path)
        .output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", stderr(&output));
    for name in files(path).into_keys() {
        let mode = fs::metadata(path.join(&name)).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640, "{}", name.display());
    }
}

#[test]
fn issue_13_a_signal_leaves_no_unfinished_file() {
    let folder = folder();
    let path = folder.path();
    for (signal, number) in [("INT", 2), ("TERM", 15), ("HUP", 1)] {
        for out in ["out.parquet", "out.hepmc"] {
            let arguments = ["generate", "--events", "1000000000", "--quiet", "--out", out];
            let mut child = humboldt(&arguments).current_dir(path).spawn().unwrap();
            wait_for("unfinished file", || names(path).iter().any(|name| name.contains(out)));
            assert!(
                Command::new("kill")
                    .args(["-s", signal, &child.id().to_string()])
                    .status()
                    .unwrap()
                    .success()
            );
            assert_eq!(child.wait().unwrap().signal(), Some(number), "{signal}");
            assert_eq!(names(path), BTreeSet::new(), "{signal} {out}");
        }
    }
    // Of one that was killed, the next takes it away; and `nohup` stays what it is.
    let mut child = humboldt(&["generate", "--events", "1e9", "--quiet", "--out", "out.arrow"])
        .current_dir(path)
        .spawn()
        .unwrap();
    wait_for("unfinished file", || !names(path).is_empty());
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(names(path).len(), 1);
    let script = "trap '' HUP; exec \"$0\" generate --events 4000000 --quiet --out out.arrow";
    let mut child = Command::new("sh")
        .args(["-c", script, env!("CARGO_BIN_EXE_humboldt")])
        .current_dir(path)
        .spawn()
        .unwrap();
    wait_for("file of its own", || names(path).iter().any(|name| name.contains(&child.id().to_string())));
    assert!(Command::new("kill").args(["-s", "HUP", &child.id().to_string()]).status().unwrap().success());
    assert!(child.wait().unwrap().success());
    assert_eq!(names(path), BTreeSet::from(["out.arrow".to_owned()]));
}

#[test]
fn issue_13_a_closed_output_is_no_crash() {
    let folder = folder();
    let path = folder.path();
    /// Runs the program with nobody at the other end of its outputs.
    fn unread(folder: &Path, arguments: &[&str]) -> std::process::ExitStatus {
        let script = "\"$@\" 2>&1 | true; exit ${PIPESTATUS[0]}";
        let mut command = Command::new("bash");
        command.args(["-c", script, "bash", env!("CARGO_BIN_EXE_humboldt")]).args(arguments);
        command.current_dir(folder).status().unwrap()
    }
    let card = tiny_card();
    let card = card.to_str().unwrap();
    assert_eq!(unread(path, &["run", card, "--out", "run"]).code(), Some(0));
    assert!(path.join("run/results/report.html").exists());
    for arguments in [
        vec!["train", card, "--out", "trained"],
        vec!["campaign", "run", card, "--out", "campaign"],
        vec!["evaluate", "run"],
        vec!["observe", "--bins", "1.1:6"],
        vec!["schema"],
        vec!["--help"],
        vec!["generate", "--events", "300000", "--out", "-"],
        vec!["view", "run/images/shards/test-00000.h5", "--out", "view.png"],
        vec!["report", "run", "--out", "report.html"],
    ] {
        assert_eq!(unread(path, &arguments).code(), Some(0), "{arguments:?}");
    }
    assert!(path.join("campaign/manifest.json").exists());
    assert!(path.join("view.png").exists() && path.join("report.html").exists());
    assert_eq!(unread(path, &["evaluate", "nowhere"]).code(), Some(2));
    // A reader that goes away in the middle.
    let script = "\"$0\" generate --events 1000000 --out - 2>err | head -n 3 >out; exit ${PIPESTATUS[0]}";
    let mut command = Command::new("bash");
    let status =
        command.args(["-c", script, env!("CARGO_BIN_EXE_humboldt")]).current_dir(path).status().unwrap();
    assert_eq!(status.code(), Some(0), "{}", fs::read_to_string(path.join("err")).unwrap());
    assert!(!fs::read_to_string(path.join("err")).unwrap().contains("error"));
    assert!(fs::read_to_string(path.join("out")).unwrap().starts_with("HepMC::Version"));
    let script = "\"$0\" observe --bins 1.1:6 >&- 2>&-";
    let status = Command::new("sh").args(["-c", script, env!("CARGO_BIN_EXE_humboldt")]).status().unwrap();
    assert_eq!(status.code(), Some(0));
}

#[test]
fn issue_13_counts_are_taken_as_people_write_them() {
    let folder = folder();
    let path = folder.path();
    for (out, events) in [("a.parquet", "2000"), ("b.parquet", "2e3"), ("c.parquet", "2_000")] {
        well(path, &["generate", "--events", events, "--seed", "1_0", "--out", out]);
    }
    let bytes = ["a.parquet", "b.parquet", "c.parquet"].map(|name| fs::read(path.join(name)).unwrap());
    assert!(bytes[0] == bytes[1] && bytes[0] == bytes[2]);
    well(path, &["voxelize", "a.parquet", "--events-per-image", "1e3", "--bins", "1e1", "--out", "i.h5"]);
    well(path, &["fit", "a.parquet", "--events", "2e3", "--no-intervals"]);
    well(path, &["bound", "--events", "100_000", "--sample", "1e3"]);
    well(path, &["evaluate", "--model", "builtin", "--images", "2e0"]);
    for (arguments, words) in [
        (vec!["generate", "--out", "n.parquet", "--events", "-5"], ["--events", "-5", "1 to 1000000000000"]),
        (vec!["generate", "--out", "n.parquet", "--events", "-1e5"], ["--events", "-1e5", "a whole number"]),
        (vec!["generate", "--out", "n.parquet", "--events", "1.5"], ["--events", "1.5", "a whole number"]),
        (
            vec!["generate", "--out", "n.parquet", "--events", "9", "--seed", "-1"],
            ["--seed", "-1", "0 or more"],
        ),
        (
            vec!["voxelize", "a.parquet", "--out", "n.h5", "--events-per-image", "-1"],
            ["--events-per-image", "-1", "1 to"],
        ),
        (vec!["view", "i.h5", "--image", "-1"], ["--image", "-1", "0 or more"]),
        (vec!["bound", "--events", "-100"], ["--events", "-100", "above 0"]),
        (vec!["fit", "a.parquet", "--events", "0"], ["--events", "0", "1 to"]),
        (vec!["observe", "--bins", "1:2", "--uncertainty", "-3"], ["--uncertainty", "-3", "2 to"]),
        (vec!["global", "sample", "--steps", "-3"], ["--steps", "-3", "1 to"]),
        (
            vec!["generate", "--out", "n.parquet", "--events", "9", "--threads", "-2"],
            ["--threads", "-2", "1 or more"],
        ),
    ] {
        refused_in(path, &arguments, &words);
    }
}
