//! A training in a terminal: `tests/python/dashboard.py` (plain `python3`) is the terminal.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{assert_same, files, humboldt, succeed, tiny_card};

const ENTER: &str = "\u{1b}[?1049h";
const LEAVE: &str = "\u{1b}[?1049l";

/// Exit code and output of the program in a terminal, where `keys` are typed once the dashboard is seen.
fn in_terminal(size: (u16, u16), keys: &str, arguments: &[&str]) -> (i32, String) {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/python/dashboard.py");
    let output = Command::new("python3")
        .arg(script)
        .args([size.0.to_string(), size.1.to_string(), keys.to_owned()])
        .arg(env!("CARGO_BIN_EXE_humboldt"))
        .args(arguments)
        .env("TERM", "xterm-256color")
        .output()
        .expect("python3");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let code = output.status.code().expect("the terminal ends by itself");
    assert!(code != 99 && !text.is_empty(), "{text}\n{}", String::from_utf8_lossy(&output.stderr));
    (code, text)
}

fn train<'a>(card: &'a Path, out: &'a Path) -> [&'a str; 4] {
    ["train", card.to_str().unwrap(), "--out", out.to_str().unwrap()]
}

/// The tiny card with so many epochs.
fn card(folder: &Path, epochs: usize) -> PathBuf {
    let text = fs::read_to_string(tiny_card()).unwrap();
    let path = folder.join("card.toml");
    fs::write(&path, text.replace("epochs = 3", &format!("epochs = {epochs}"))).unwrap();
    path
}

/// Lines that stay on the ordinary screen.
fn scrollback(text: &str) -> Vec<&str> {
    let after = text.rsplit_once(LEAVE).map_or(text, |(_, after)| after);
    after.lines().collect()
}

#[test]
fn a_training_is_the_same_with_dashboard_and_with_lines() {
    let folder = tempfile::tempdir().unwrap();
    let (shown, plain) = (folder.path().join("shown"), folder.path().join("plain"));
    let card = tiny_card();
    let lines = String::from_utf8(succeed(&train(&card, &plain)).stderr).unwrap();
    let (code, text) = in_terminal((100, 30), "", &train(&card, &shown));
    assert_eq!(code, 0, "{text}");
    assert_eq!((text.matches(ENTER).count(), text.matches(LEAVE).count()), (1, 1), "{text}");
    let (before, rest) = text.split_once(ENTER).unwrap();
    assert!(before.contains("at most 3 epochs"), "{text}");
    for part in ["humboldt train", "tiny", "learning rate", "Ctrl-C"] {
        assert!(rest.contains(part), "{part} is not in {text}");
    }
    // The epochs and the last line are left, as lines of a run without a terminal.
    let epochs = |lines: &[&str]| -> Vec<String> {
        lines.iter().filter(|l| l.starts_with("train: epoch")).map(|l| l.trim_end().to_owned()).collect()
    };
    let (kept, expected) = (scrollback(&text), lines.lines().collect::<Vec<_>>());
    assert_eq!(epochs(&kept).len(), 3, "{text}");
    assert_eq!(epochs(&kept), epochs(&expected));
    assert_eq!(kept.last().map(|l| l.trim_end()), expected.last().copied());
    let model = |run: &Path| files(&run.join("model"));
    assert_same(&model(&shown), &model(&plain));
    assert_same(&files(&shown.join("training")), &files(&plain.join("training")));
}

#[test]
fn a_stopped_training_goes_on_to_the_same_weights() {
    let folder = tempfile::tempdir().unwrap();
    let card = card(folder.path(), 12);
    let (stopped, whole) = (folder.path().join("stopped"), folder.path().join("whole"));
    let (code, text) = in_terminal((80, 24), "q", &train(&card, &stopped));
    assert_eq!(code, 1, "{text}");
    let last = scrollback(&text).pop().unwrap();
    assert!(last.starts_with("train: stopped with a checkpoint; the same command goes on"), "{text}");
    assert!(!stopped.join("model").exists());
    let rerun = String::from_utf8(succeed(&train(&card, &stopped)).stderr).unwrap();
    assert!(rerun.contains("train: goes on after epoch"), "{rerun}");
    succeed(&train(&card, &whole));
    assert_same(&files(&stopped.join("model")), &files(&whole.join("model")));
}

/// Ctrl-C is a key while the dashboard is shown; it must end the program as it does elsewhere.
#[test]
fn control_c_ends_the_program_and_gives_the_terminal_back() {
    let folder = tempfile::tempdir().unwrap();
    let card = card(folder.path(), 4000);
    let (code, text) = in_terminal((80, 24), "\u{3}", &train(&card, &folder.path().join("run")));
    assert_eq!(code, 128 + 2, "{text}");
    assert_eq!((text.matches(ENTER).count(), text.matches(LEAVE).count()), (1, 1), "{text}");
}

#[test]
fn a_failed_training_says_why_on_the_ordinary_screen() {
    let folder = tempfile::tempdir().unwrap();
    let card = card(folder.path(), 3);
    let diverging =
        fs::read_to_string(&card).unwrap().replace("learning_rate = 0.01", "learning_rate = 1e30");
    fs::write(&card, diverging).unwrap();
    let (code, text) = in_terminal((80, 24), "", &train(&card, &folder.path().join("run")));
    assert_eq!(code, 1, "{text}");
    assert!(text.contains(ENTER) && scrollback(&text).pop().unwrap().starts_with("error: "), "{text}");
}

#[test]
fn small_terminals_and_other_styles_have_no_dashboard() {
    let folder = tempfile::tempdir().unwrap();
    let (card, out) = (tiny_card(), folder.path().join("run"));
    let arguments = train(&card, &out);
    let again = || fs::remove_dir_all(&out).unwrap();
    let (code, small) = in_terminal((60, 24), "", &arguments);
    assert!(code == 0 && !small.contains(ENTER) && small.contains("train: epoch   3"), "{small}");
    again();
    let (code, bar) = in_terminal((80, 24), "", &[&arguments[..], &["--progress", "bar"]].concat());
    assert!(code == 0 && !bar.contains(ENTER) && bar.contains("images"), "{bar}");
    again();
    let (code, plain) = in_terminal((80, 24), "", &[&arguments[..], &["--progress", "plain"]].concat());
    assert!(code == 0 && !plain.contains('\u{1b}'), "{plain}");
    let refused = humboldt(&["train", "--progress", "none"]).output().unwrap();
    let message = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.status.code() == Some(2) && message.contains("auto, bar, plain"), "{message}");
}
