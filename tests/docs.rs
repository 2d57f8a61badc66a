//! Every command of README.md and docs/*.md, in the order of its page and in a folder of its own: each must succeed, and
//! print what the page says it prints. `HUMBOLDT_WRITE_DOCS=1` writes into the pages what the commands print instead.
//!
//! Trainings run by cards that are shortened to seconds; what depends on them is run, and not compared. What would take
//! hours, or a cluster, stands in [`APART`] with its reason.

#![allow(clippy::pedantic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// (page, how a command begins, why it is not run).
const APART: &[(&str, &str, &str)] = &[
    ("README.md", "humboldt campaign run cards/paper.toml", "97,560 images: minutes, and 12 GB"),
    (
        "README.md",
        "humboldt global nn --experiment posterior",
        "81 s of CPU; tests/global_networks.rs runs a small one",
    ),
    (
        "docs/global-fit.md",
        "humboldt global import HEPData-ins3094698-v1.zip",
        "a record of 4 MB; schemas/tests/hepdata.rs imports a part of it",
    ),
    ("README.md", "pip wheel", "python/tests/run.sh builds, installs and tests the wheel"),
    ("README.md", "SUDO=", "installs what the machine lacks; .ci/run takes the test command from there"),
    (
        "docs/assumptions.md",
        "humboldt fit cut.parquet",
        "was cut in Python; tests/issue_13_fits.rs makes such files",
    ),
    (
        "docs/formats.md",
        "humboldt generate --events 100000 --quiet --out - --format arrow",
        "needs pyarrow; tests/systems.rs reads such a stream",
    ),
    (
        "docs/measured.md",
        "humboldt sweights events.parquet",
        "a user's file with a mass; tests/measured.rs makes one",
    ),
    ("docs/measured.md", "humboldt fit weighed.parquet", "of the same file"),
    ("docs/campaigns.md", "humboldt campaign submit", "needs Slurm; tests/slurm/run.sh has one"),
    ("docs/campaigns.md", "humboldt campaign status campaigns/cluster", "needs Slurm"),
    (
        "docs/campaigns.md",
        "humboldt campaign verify",
        "of a shard that was damaged by hand; tests/campaign.rs damages",
    ),
    (
        "docs/campaigns.md",
        "humboldt campaign run scan.toml --out campaigns/scan --task 1/20",
        "needs HTCondor",
    ),
    ("docs/campaigns.md", "condor_", "needs HTCondor"),
    ("docs/campaigns.md", "humboldt run CARD", "CARD stands for any"),
    (
        "docs/tutorial-detector.md",
        "sh examples/simulation/make.sh",
        "800,000 events; tests/ratio.rs makes fewer",
    ),
    (
        "docs/tutorial-detector.md",
        "humboldt run cards/simulation.toml",
        "minutes; tests/ratio.rs runs a small one",
    ),
    ("docs/tutorial-detector.md", "humboldt bound --model runs/simulation/model", "needs that run"),
    ("docs/tutorial-detector.md", "humboldt infer examples/simulation/data.root", "needs that run"),
    (
        "docs/tutorial-detector.md",
        "humboldt compare runs/simulation",
        "needs that run; tests/ratio_compare.rs has small ones",
    ),
];

/// (how a command begins, what is run in its place, why).
const SHORTENED: &[(&str, &str, &str)] = &[
    (
        "humboldt compare runs/quickstart --images 200",
        "humboldt compare runs/quickstart --images 20 --estimators network,unbinned,moments --values -1",
        "6,400 samples: minutes",
    ),
    (
        "humboldt campaign run scan.toml --out campaigns/scan",
        "humboldt campaign run scan.toml --out campaigns/scan --task 1/9",
        "is killed on the page",
    ),
];

/// Numbers of cards that make a training short.
const SHORT: &[(&str, &str)] = &[
    ("epochs", "2"),
    ("train", "8"),
    ("validation", "6"),
    ("test", "20"),
    ("calibration_images", "40"),
    ("freeze_norms_after", "1"),
];

/// A command, and what its page says that it prints.
struct Step {
    command: String,
    /// Lines of the page, by their number from 0.
    printed: std::ops::Range<usize>,
    /// Behind a `#` on the same line.
    remark: String,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The commands of a page, and files that it shows by `This is NAME`.
fn steps(page: &str) -> (Vec<Step>, Vec<(String, String)>) {
    let lines: Vec<&str> = page.lines().collect();
    let (mut steps, mut files) = (Vec::new(), Vec::new());
    let mut i = 0;
    while i < lines.len() {
        let kind = lines[i].strip_prefix("```").unwrap_or_default();
        if kind.is_empty() {
            i += 1;
            continue;
        }
        let end = (i + 1..lines.len()).find(|j| lines[*j] == "```").expect("a fence that is closed");
        match kind {
            "sh" => steps.extend((i + 1..end).filter_map(|j| step(lines[j], j + 1..j + 1))),
            "console" => {
                let begins: Vec<usize> = (i + 1..end).filter(|j| lines[*j].starts_with("$ ")).collect();
                for (k, &j) in begins.iter().enumerate() {
                    let next = begins.get(k + 1).copied().unwrap_or(end);
                    steps.extend(step(&lines[j][2..], j + 1..next));
                }
            }
            "toml" => {
                let told = lines[..i].iter().rev().take(4).find_map(|line| line.split_once("This is `"));
                if let Some((_, name)) = told {
                    let name = name.split('`').next().unwrap_or_default();
                    files.push((name.to_owned(), lines[i + 1..end].join("\n")));
                }
            }
            _ => {}
        }
        i = end + 1;
    }
    (steps, files)
}

fn step(line: &str, printed: std::ops::Range<usize>) -> Option<Step> {
    let (command, remark) = line.split_once(" #").unwrap_or((line, ""));
    let command = command.trim().to_owned();
    (!command.is_empty() && !command.starts_with('#')).then(|| Step {
        command,
        printed,
        remark: remark.trim().to_owned(),
    })
}

/// A card by which a training takes seconds.
fn shortened(card: &str) -> String {
    let over_events = ["\"score\"", "\"event\"", "\"set\""]
        .iter()
        .any(|preset| card.contains(&format!("preset = {preset}")));
    let line = |line: &str| {
        let Some((key, _)) = line.split_once(" = ") else { return line.to_owned() };
        let short = SHORT.iter().find(|(name, _)| *name == key).map(|(_, value)| *value);
        let short = short.or((over_events && key == "events").then_some("2000"));
        short.map_or_else(|| line.to_owned(), |value| format!("{key} = {value}"))
    };
    card.lines().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

/// A folder with the cards, shortened, and the files that a page shows.
fn workplace(files: &[(String, String)]) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("cards")).unwrap();
    for entry in fs::read_dir(root().join("cards")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|ending| ending == "toml") {
            let card = shortened(&fs::read_to_string(&path).unwrap());
            fs::write(folder.path().join("cards").join(path.file_name().unwrap()), card).unwrap();
        }
    }
    for (name, text) in files {
        fs::write(folder.path().join(name), shortened(text)).unwrap();
    }
    folder
}

/// Output of a command, both streams in their order.
fn run(command: &str, folder: &Path) -> (bool, String) {
    let program = Path::new(env!("CARGO_BIN_EXE_humboldt")).parent().unwrap();
    let known = std::env::var_os("PATH").unwrap_or_default();
    let paths = [program.to_owned()].into_iter().chain(std::env::split_paths(&known));
    let output = Command::new("sh")
        .args(["-c", &format!("set -e; {{ {command}\n}} 2>&1")])
        .current_dir(folder)
        .env("PATH", std::env::join_paths(paths).unwrap())
        .env("COLUMNS", "100")
        .output()
        .unwrap();
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Whether a command's output depends on a training that was shortened, or on the machine.
fn is_compared(command: &str) -> bool {
    !["runs/", "campaign", "--experiment"].iter().any(|word| command.contains(word))
}

/// A line with what depends on the machine's speed taken out: numbers before s, ms, min, h and rates.
fn timeless(line: &str) -> String {
    let words: Vec<&str> = line.split_whitespace().collect();
    let bare = |word: &str| word.trim_matches(|c: char| "(),;".contains(c)).to_owned();
    let unit =
        |word: &str| ["s", "ms", "min", "h"].contains(&bare(word).as_str()) || bare(word).ends_with("/s");
    let is_time = |i: usize| {
        words.get(i + 1).is_some_and(|next| unit(next))
            && bare(words[i]).starts_with(|c: char| c.is_ascii_digit())
    };
    (0..words.len()).map(|i| if is_time(i) { "*" } else { words[i] }).collect::<Vec<_>>().join(" ")
}

/// A line of progress, of which there are more or fewer.
fn is_progress(line: &str) -> bool {
    line.contains("/s, ") && line.ends_with(" left") || line.contains(" left, ")
}

/// Whether lines are those expected, of which `...` stands for any number.
fn agrees(expected: &[&str], got: &[&str]) -> bool {
    match expected {
        [] => got.is_empty(),
        ["...", rest @ ..] => (0..=got.len()).any(|i| agrees(rest, &got[i..])),
        [first, rest @ ..] => {
            got.first().is_some_and(|line| timeless(first) == timeless(line)) && agrees(rest, &got[1..])
        }
    }
}

/// As many lines from the beginning and the end as a page shows.
fn cut(expected: &[&str], got: &[&str]) -> Vec<String> {
    let own = |lines: &[&str]| lines.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>();
    let Some(place) = expected.iter().position(|line| *line == "...") else { return own(got) };
    let after = (expected.len() - place - 1).min(got.len() - place.min(got.len()));
    [own(&got[..place.min(got.len())]), vec!["...".to_owned()], own(&got[got.len() - after..])].concat()
}

/// Runs a page; gives it with what its commands print.
fn chain(name: &str) -> String {
    let page = fs::read_to_string(root().join(name)).unwrap();
    let lines: Vec<&str> = page.lines().collect();
    let (steps, files) = steps(&page);
    let folder = workplace(&files);
    let uses = |steps: &[Step], words: &str| steps.iter().position(|step| step.command.contains(words));
    let made = uses(&steps, "run cards/quickstart.toml --out runs/quickstart");
    if uses(&steps, "runs/quickstart").is_some_and(|used| made.is_none_or(|made| used < made)) {
        let (ok, printed) = run("humboldt run cards/quickstart.toml --out runs/quickstart", folder.path());
        assert!(ok, "{printed}");
    }
    let mut written: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
    for step in &steps {
        let expected = &lines[step.printed.clone()];
        let apart = |(page, begin, _): &&(&str, &str, &str)| *page == name && step.command.starts_with(begin);
        if APART.iter().any(|entry| apart(&entry)) {
            continue;
        }
        let short = SHORTENED.iter().find(|(begin, ..)| step.command.starts_with(begin));
        let command = short.map_or_else(
            || step.command.clone(),
            |(begin, instead, _)| step.command.replacen(begin, instead, 1),
        );
        let (ok, printed) = run(&command, folder.path());
        assert!(ok, "{name}: `{command}` fails: {printed}");
        if step.remark.starts_with("delta C9 = ") {
            assert!(printed.contains(&step.remark), "{name}: `{command}` prints {printed}");
        }
        if expected.is_empty() || !is_compared(&command) {
            continue;
        }
        let got: Vec<&str> = printed.lines().filter(|line| !is_progress(line)).collect();
        if std::env::var_os("HUMBOLDT_WRITE_DOCS").is_some() && !agrees(expected, &got) {
            // Lines keep their places until the end: all of a step's go to its first.
            for line in &mut written[step.printed.clone()] {
                *line = "\0".to_owned();
            }
            written[step.printed.start] = cut(expected, &got).join("\n");
            continue;
        }
        assert!(
            agrees(expected, &got),
            "{name}: `{command}` prints\n{}\nand not\n{}",
            got.join("\n"),
            expected.join("\n")
        );
    }
    written.into_iter().filter(|line| line != "\0").collect::<Vec<_>>().join("\n") + "\n"
}

fn check(name: &str) {
    let page = chain(name);
    if std::env::var_os("HUMBOLDT_WRITE_DOCS").is_some() {
        fs::write(root().join(name), page).unwrap();
    }
}

#[test]
fn issue_13_20_commands_of_the_readme() {
    check("README.md");
}

#[test]
fn issue_13_20_commands_of_the_guide() {
    check("docs/guide.md");
}

#[test]
fn issue_13_20_commands_of_campaigns() {
    check("docs/campaigns.md");
}

#[test]
fn issue_13_20_commands_of_inference() {
    check("docs/inference.md");
}

#[test]
fn issue_13_20_commands_of_learning() {
    check("docs/learning.md");
}

#[test]
fn issue_13_20_commands_of_assumptions() {
    check("docs/assumptions.md");
}

#[test]
fn issue_13_20_commands_of_formats() {
    check("docs/formats.md");
}

#[test]
fn commands_of_measured() {
    check("docs/measured.md");
}

#[test]
fn commands_of_ntuples() {
    check("docs/ntuples.md");
}

#[test]
fn issue_13_20_commands_of_global_fits() {
    check("docs/global-fit.md");
}

#[test]
fn commands_of_the_detector() {
    check("docs/detector.md");
}

#[test]
fn commands_of_the_tutorial_on_measured_events() {
    check("docs/tutorial-detector.md");
}

/// No page with commands is forgotten, and what is set apart is on its page.
#[test]
fn issue_13_20_every_page_is_run() {
    let own = fs::read_to_string(root().join("tests/docs.rs")).unwrap();
    let mut pages = vec![PathBuf::from("README.md")];
    pages.extend(
        fs::read_dir(root().join("docs"))
            .unwrap()
            .map(|entry| Path::new("docs").join(entry.unwrap().file_name())),
    );
    for page in pages.iter().filter(|page| page.extension().is_some_and(|ending| ending == "md")) {
        let name = page.to_str().unwrap();
        let (steps, _) = steps(&fs::read_to_string(root().join(page)).unwrap());
        assert!(steps.is_empty() || own.contains(&format!("check(\"{name}\")")), "{name} is run by no test");
        for (_, begin, _) in APART.iter().filter(|(page, ..)| *page == name) {
            assert!(
                steps.iter().any(|step| step.command.starts_with(begin)),
                "{name} has no command `{begin}`"
            );
        }
    }
}

#[test]
fn outputs_are_compared_line_by_line() {
    let got = ["a 1.5 s", "b", "c", "d (2.5M events/s)"];
    assert!(agrees(&["a 2.25 s", "...", "d (99 events/s)"], &got));
    assert!(agrees(&["a 0.1 s", "b", "c", "d (1 events/s)"], &got));
    assert!(!agrees(&["a 0.1 s", "b", "d (1 events/s)"], &got));
    assert!(!agrees(&["b", "..."], &got));
    assert_eq!(cut(&["x", "...", "y"], &got), ["a 1.5 s", "...", "d (2.5M events/s)"]);
}
