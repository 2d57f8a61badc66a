//! Tools of the whole-program tests: running the program, and comparing folders.

#![allow(dead_code, reason = "no test uses all of it")]

pub(crate) mod damage;
pub(crate) mod environment;
pub(crate) mod fuzz;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The program with its arguments, not yet started.
pub(crate) fn humboldt(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_humboldt"));
    command.args(arguments);
    command
}

/// Runs the program and expects success.
pub(crate) fn succeed(arguments: &[&str]) -> Output {
    let output = humboldt(arguments).output().expect("the program starts");
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "humboldt {arguments:?} failed: {stderr}");
    output
}

/// All that a refused command says, on standard error.
pub(crate) fn said_in_refusal(command: &mut Command) -> String {
    let output = command.output().expect("the program starts");
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{command:?}: {said}");
    assert!(output.stdout.is_empty(), "{command:?} printed a result");
    said
}

/// The one line that a refused command says.
pub(crate) fn refusal(command: &mut Command) -> String {
    let said = said_in_refusal(command);
    assert!(said.starts_with("error: ") && said.trim_end().lines().count() == 1, "{command:?}: {said}");
    said
}

/// Runs the program and expects a refusal: one line that holds all of `words`, and no result.
pub(crate) fn refused(arguments: &[&str], words: &[&str]) {
    assert_words(&refusal(&mut humboldt(arguments)), words);
}

/// As [`refused`], in a folder which stays as it is.
pub(crate) fn refused_in(folder: &Path, arguments: &[&str], words: &[&str]) {
    let before = files(folder);
    assert_words(&refusal(humboldt(arguments).current_dir(folder)), words);
    assert_same(&before, &files(folder));
}

/// A message that holds all of `words`.
pub(crate) fn assert_words(message: &str, words: &[&str]) {
    for word in words {
        assert!(message.contains(word), "`{word}` is not in: {message}");
    }
}

/// Content of every file below a folder, by relative path; lock files and other hidden files left out.
pub(crate) fn files(root: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a readable folder") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.file_name().is_some_and(|n| n.to_string_lossy().starts_with('.')) {
                let relative = path.strip_prefix(root).expect("below the root").to_owned();
                found.insert(relative, fs::read(&path).expect("a readable file"));
            }
        }
    }
    found
}

/// Equality of files and bytes.
pub(crate) fn assert_same(a: &BTreeMap<PathBuf, Vec<u8>>, b: &BTreeMap<PathBuf, Vec<u8>>) {
    assert_eq!(a.keys().collect::<Vec<_>>(), b.keys().collect::<Vec<_>>());
    for (name, bytes) in a {
        assert!(bytes == &b[name], "{} differs", name.display());
    }
}

/// All files but the report, which says how long the stages took.
pub(crate) fn reproducible(mut files: BTreeMap<PathBuf, Vec<u8>>) -> BTreeMap<PathBuf, Vec<u8>> {
    files.remove(Path::new("results/report.html")).expect("a report");
    files
}

/// The card of the tests' runs.
pub(crate) fn tiny_card() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cards/tiny.toml")
}
