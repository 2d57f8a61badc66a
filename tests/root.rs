//! Events in ROOT files: written, read by ROOT and uproot, written by uproot and read; several files as one table.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::path::Path;

use humboldt_pipeline::EventBatch;
use humboldt_pipeline::store::EventReader;
use serde_json::{Value, json};

use crate::python_readers::{run, run_with, scripts};
use crate::support::environment::environment;
use crate::support::{self, humboldt, succeed};

/// Events of one seed, the same in any format.
fn generate(folder: &Path, name: &str, extra: &[&str]) -> String {
    let path = folder.join(name).to_str().unwrap().to_owned();
    let events = if extra.contains(&"--events") { &[][..] } else { &["--events", "2000"] };
    succeed(&[&["generate", "--seed", "3", "--out", &path], events, extra].concat());
    path
}

fn events(path: &str) -> EventBatch {
    EventReader::open(Path::new(path)).unwrap().read_all().unwrap()
}

fn maximum(column: &[f32]) -> f64 {
    f64::from(column.iter().copied().fold(f32::MIN, f32::max))
}

/// The line that a command is refused with.
fn refusal(arguments: &[&str]) -> String {
    support::refusal(&mut humboldt(arguments))
}

fn moments_refused(path: &str) -> String {
    refusal(&["moments", path, "--bins", "1.1:6"])
}

#[test]
fn issue_15_a_root_file_holds_what_a_parquet_file_holds() {
    let folder = tempfile::tempdir().unwrap();
    let [parquet, root] = ["events.parquet", "events.root"].map(|name| generate(folder.path(), name, &[]));
    assert_eq!(events(&root), events(&parquet));
    assert_eq!(events(&format!("{root}:events")), events(&parquet));
    let provenance = |path: &str| EventReader::open(Path::new(path)).unwrap().provenance().cloned();
    assert!(provenance(&root).is_some() && provenance(&root) == provenance(&parquet));
    let bytes = std::fs::read(&root).unwrap();
    succeed(&["generate", "--seed", "3", "--events", "2000", "--out", &root, "--force"]);
    assert_eq!(std::fs::read(&root).unwrap(), bytes, "the same seed, the same bytes");

    let moments = |path: &str| succeed(&["moments", path, "--bins", "1.1:6", "--json"]).stdout;
    assert_eq!(moments(&root), moments(&parquet));
    let weighted = folder.path().join("weighted.root").to_str().unwrap().to_owned();
    succeed(&["reweight", &root, "--delta-c9", "-1", "--out", &weighted]);
    let reader = EventReader::open(Path::new(&weighted)).unwrap();
    assert!(reader.is_weighted() && reader.provenance().is_some_and(|p| p.reweighted_from.is_some()));
}

#[test]
fn issue_15_several_files_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let a = generate(folder.path(), "a1.root", &["--delta-c9", "-1"]);
    let b = generate(folder.path(), "a2.root", &[]);
    let mut both = events(&a);
    both.append(&events(&b));
    for names in [path("a?.root"), path("a*.root:events"), format!("{a},{b}:events")] {
        assert_eq!(events(&names), both, "{names}");
        let reader = EventReader::open(Path::new(&names)).unwrap();
        assert_eq!(reader.len(), 4000);
        assert!(reader.provenance().is_none(), "of two kinds of events");
    }
    let alike = EventReader::open(Path::new(&format!("{b},{b}"))).unwrap();
    assert!(alike.provenance().is_some());

    let scored = generate(folder.path(), "b.parquet", &["--score", "c9"]);
    let error = moments_refused(&format!("{a},{scored}"));
    assert!(
        error.contains("b.parquet: column 6 is `score_c9` of Float64; allowed: missing, as in"),
        "{error}"
    );
    let error = refusal(&["reweight", &path("a?.root"), "--delta-c9", "-1", "--out", &a, "--force"]);
    assert!(error.contains("another file than the one that is read"), "{error}");
}

#[test]
fn issue_15_what_is_asked_for_and_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = generate(folder.path(), "a.root", &[]);
    let parquet = generate(folder.path(), "a.parquet", &[]);
    for (path, words) in [
        (format!("{root}:tuple"), "a.root: no tree `tuple`; allowed: events"),
        (
            format!("{parquet}:tuple"),
            "a.parquet: tree `tuple` of a file that is not ROOT; allowed: FILE.root:TREE",
        ),
        (folder.path().join("b*.root").to_str().unwrap().to_owned(), "no file matches"),
        (folder.path().join("b.root:events").to_str().unwrap().to_owned(), "cannot use"),
    ] {
        let error = moments_refused(&path);
        assert!(error.contains(words), "{error}");
    }
    let error = refusal(&["generate", "--events", "10", "--out", "-", "--format", "root"]);
    assert!(error.contains("a regular file"), "{error}");
    let bytes = std::fs::read(&root).unwrap();
    std::fs::write(&root, &bytes[..bytes.len() / 2]).unwrap();
    let error = moments_refused(&root);
    assert!(error.contains("a.root is damaged: truncated: "), "{error}");
}

#[test]
fn issue_15_uproot_reads_our_files_and_we_read_its() {
    let folder = tempfile::tempdir().unwrap();
    let root = generate(folder.path(), "events.root", &["--score", "c9"]);
    let found = run("use_uproot.py", folder.path()).unwrap();
    let ours = events(&root);
    assert_eq!(found["entries"], 2000);
    assert_eq!(found["types"]["chi"], "float");
    assert_eq!(found["types"]["score_c9"], "double");
    assert_eq!(found["maxima"]["m_kpi"], json!(maximum(&ours.m_kpi)));
    assert_eq!(found["convention"], "LHCb");
    assert_eq!(found["provenance"]["seed"], 3);
    for compression in ["none", "zlib", "lzma", "lz4", "zstd"] {
        let theirs = folder.path().join(format!("{compression}.root"));
        assert_eq!(events(theirs.to_str().unwrap()), ours, "{compression}");
    }
    let error = moments_refused(folder.path().join("rntuple.root").to_str().unwrap());
    assert!(error.contains("`tuple` is an RNTuple; allowed: a TTree. In Python: import uproot; "), "{error}");
    let error = moments_refused(folder.path().join("pairs.root").to_str().unwrap());
    assert!(error.contains("column `q2` holds an array, `q2[2]"), "{error}");
}

#[test]
#[ignore = "installs ROOT, 250 MB"]
fn issue_15_root_itself_reads_our_files() {
    let folder = tempfile::tempdir().unwrap();
    let root = generate(folder.path(), "events.root", &["--score", "c9", "--events", "200000"]);
    let python = environment(&scripts().join("requirements_root.txt"), "python_root").unwrap();
    let found = run_with(&python, "read_root.py", Path::new(&root)).unwrap();
    let ours = events(&root);
    assert_eq!(found["entries"], 200_000);
    assert_eq!(found["is_recovered"], false);
    assert_eq!(found["provenance"]["seed"], 3);
    let maximum = maximum(&ours.q2);
    for way in ["maxima", "drawn"] {
        assert_eq!(found[way]["q2"], json!(maximum), "{way} of {}", found["version"]);
        assert!(found[way].as_object().is_some_and(|columns| columns.values().all(Value::is_number)));
    }
    assert_eq!(found["types"]["q2"], "Float_t");
    assert_eq!(found["types"]["score_c9"], "Double_t");
}
