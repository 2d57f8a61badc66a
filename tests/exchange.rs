//! Networks to PyTorch and back: the same predictions to the bit, and a refusal where something would be lost.

#![allow(clippy::pedantic, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{humboldt, said_in_refusal, succeed, tiny_card};
use humboldt::learn::built_in::BUILT_IN;
use humboldt::learn::{Compute, ImageSource, LearnError, Model};
use humboldt_pipeline::store::EventReader;

/// A card of the tests whose network scales input and target.
fn scaled(folder: &Path, change: impl Fn(String) -> String) -> PathBuf {
    let text = fs::read_to_string(tiny_card()).unwrap();
    let text =
        text.replace("learning_rate", "standardise_input = true\nstandardise_target = true\nlearning_rate");
    let path = folder.join("card.toml");
    fs::write(&path, change(text)).unwrap();
    path
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn refused(arguments: &[&str]) -> String {
    said_in_refusal(&mut humboldt(arguments))
}

/// Predictions of fresh images, as text: to the bit.
fn predictions(model: &Path) -> String {
    let output = succeed(&["evaluate", "--model", text(model), "--images", "4", "--json"]);
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn issue_13_19_export_and_import_give_the_same_predictions() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let card = scaled(folder.path(), |text| text);
    let run = path("run");
    succeed(&["train", text(&card), "--out", text(&run)]);
    let (model, file) = (run.join("model"), path("weights.safetensors"));
    succeed(&["model", "export", text(&model), "--out", text(&file)]);
    let import = |card: &Path, weights: &Path, more: &[&str]| {
        let imported = path("imported");
        if imported.exists() {
            fs::remove_dir_all(&imported).unwrap();
        }
        let arguments = ["model", "import", text(card), text(weights), "--out", text(&imported)];
        succeed(&[&arguments[..], more].concat());
        imported
    };
    let expected = predictions(&model);
    assert_eq!(predictions(&import(&card, &file, &[])), expected);

    // The same weights without a word about them, as PyTorch writes them.
    let bytes = fs::read(&file).unwrap();
    let begin = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let mut header: serde_json::Value = serde_json::from_slice(&bytes[8..begin]).unwrap();
    header["__metadata__"] = serde_json::json!({ "format": "pt" });
    let header = header.to_string();
    let length = (header.len() as u64).to_le_bytes();
    let bare = path("bare.safetensors");
    fs::write(&bare, [&length[..], header.as_bytes(), &bytes[begin..]].concat()).unwrap();
    let out = path("never");
    let error = refused(&["model", "import", text(&card), text(&bare), "--out", text(&out)]);
    assert!(
        error.contains(
            "does not say what belongs to the card's training.standardise_input, training.standardise_target"
        ),
        "{error}"
    );
    assert!(error.contains("--scales MODEL") && !out.exists(), "{error}");
    for scales in [&model, &file] {
        assert_eq!(predictions(&import(&card, &bare, &["--scales", text(scales)])), expected);
    }
    let error =
        refused(&["model", "import", text(&card), text(&bare), "--out", text(&out), "--scales", text(&bare)]);
    assert!(error.contains("--scales = ") && error.contains("`humboldt model export`"), "{error}");

    // Another card than the file's.
    for (from, to, field) in [
        ("stem_kernel = 3", "stem_kernel = 5", "[network] differs"),
        ("learning_rate", "loss = \"mse\"\nlearning_rate", "training.loss differs"),
        ("events = 800", "events = 900", "images.events differs"),
        ("q2 = [\"1:8\"]", "q2 = [\"1:6\"]", "[generator] differs"),
    ] {
        let other = path("other.toml");
        let changed = fs::read_to_string(&card).unwrap();
        assert!(changed.contains(from));
        fs::write(&other, changed.replacen(from, to, 1)).unwrap();
        let error = refused(&["model", "import", text(&other), text(&file), "--out", text(&out)]);
        assert!(error.contains(field) && !out.exists(), "{error}");
    }
}

/// A training starts from the weights and scales of another: one that moves no weight leaves its predictions, and says where they come from.
#[test]
fn a_training_starts_from_another_network() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (first, second) = (path("first"), path("second"));
    let card = scaled(folder.path(), |text| text);
    succeed(&["train", text(&card), "--out", text(&first)]);
    // Fewer images, whose own scales are others; the folder's name is beside the card's.
    let still = "start = \"first\"\nfreeze_norms_after = 0\nlearning_rate = 1e-30 #";
    scaled(folder.path(), |text| text.replace("train = 16", "train = 12").replace("learning_rate =", still));
    succeed(&["train", text(&card), "--out", text(&second)]);
    let (first, second) = (first.join("model"), second.join("model"));
    assert_eq!(predictions(&second), predictions(&first));
    let info = |folder: &Path| Model::load(folder, &Compute::cpu()).unwrap().info().clone();
    let (first, second) = (info(&first), info(&second));
    assert_eq!((&second.input, &second.parameters), (&first.input, &first.parameters));
    assert_eq!(second.provenance["start"], first.provenance);
    assert_eq!(second.provenance["card"]["training"]["start"], text(&path("first")));

    let other = |from: &str, to: &str, field: &str| {
        scaled(folder.path(), |text| text.replace("learning_rate =", still).replace(from, to));
        let error = refused(&["train", text(&card), "--out", text(&path("never"))]);
        assert!(error.contains(&format!("first: is of another network than the card's: {field}")), "{error}");
        assert!(!path("never").exists());
    };
    other("stem_kernel = 3", "stem_kernel = 5", "[network] differs");
    other("bins = 10", "bins = 8", "images.bins differs");
}

/// A calibrated network over events: what `infer` says of a sample is the same, interval and p-value too.
#[test]
fn issue_13_19_calibrations_travel() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let (file, card, imported) = (path("w.safetensors"), path("card.toml"), path("imported"));
    succeed(&["model", "export", "builtin", "--out", text(&file)]);
    fs::write(&card, builtin_card()).unwrap();
    succeed(&["model", "import", text(&card), text(&file), "--out", text(&imported)]);
    let events = path("events.parquet");
    succeed(&["generate", "--events", "3000", "--q2", "0.1:19.2", "--seed", "8", "--out", text(&events)]);
    let infer = |more: &[&str]| succeed(&[&["infer", text(&events), "--json"], more].concat()).stdout;
    assert_eq!(infer(&["--model", text(&imported)]), infer(&[]));
}

/// The card of the network that comes with the program.
fn builtin_card() -> String {
    let shown = String::from_utf8(succeed(&["model", "show"]).stdout).unwrap();
    shown[shown.find("name = ").expect("a card")..].to_owned()
}

/// Events of a file as one image source.
struct Images {
    bins: usize,
    images: Vec<Vec<f32>>,
}

impl ImageSource for Images {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn bins(&self) -> usize {
        self.bins
    }

    fn labels(&self, _: usize) -> Vec<f64> {
        vec![f64::NAN]
    }

    fn read(&self, index: usize, image: &mut [f32]) -> Result<(), LearnError> {
        image.copy_from_slice(&self.images[index]);
        Ok(())
    }
}

/// A Python that has PyTorch.
fn pytorch() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/pytorch/bin/python");
    let known = [own, "/usr/bin/python3".into(), "python3".into()];
    let has = |python: &PathBuf| {
        Command::new(python).args(["-c", "import torch"]).output().is_ok_and(|output| output.status.success())
    };
    known.into_iter().find(has).expect("a python3 with PyTorch, as of Debian's python3-torch")
}

const SCRIPT: &str = "
import sys
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[1])
import humboldt_torch
folder, bins = Path(sys.argv[2]), int(sys.argv[3])
network = humboldt_torch.load(folder / 'weights.safetensors')
numbers = torch.frombuffer(bytearray((folder / 'inputs.bin').read_bytes()), dtype=torch.float32)
with torch.no_grad():
    if bins:
        outputs = network(numbers.reshape(-1, bins, bins, bins))
    else:
        outputs = network([humboldt_torch.of_events(*numbers.reshape(4, -1))])
try:
    outputs = network.estimate(outputs)
except ValueError as error:
    print(error, file=sys.stderr)
print(*outputs.flatten().tolist())
humboldt_torch.save(network, folder / 'again.safetensors')
";

/// Runs an exported network in PyTorch on some numbers.
fn in_pytorch(folder: &Path, bins: usize, inputs: &[f32]) -> Vec<f64> {
    let bytes: Vec<u8> = inputs.iter().flat_map(|x| x.to_le_bytes()).collect();
    fs::write(folder.join("inputs.bin"), bytes).unwrap();
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs");
    let output = Command::new(pytorch())
        .args(["-c", SCRIPT, text(&docs), text(folder), &bins.to_string()])
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(|x| x.parse().unwrap()).collect()
}

/// docs/humboldt_torch.py predicts what humboldt predicts, and what it saves is imported as it was.
#[test]
#[ignore = "needs PyTorch, as of Debian's python3-torch"]
fn issue_13_19_networks_in_pytorch_predict_the_same() {
    let every = "channels = [\"mean_q2\", \"coordinates\", \"occupancy\", \"q2_bands\"]\nq2_bands = [1.0, 3.0, 8.0]\n\
                 downsample = 2\ncircular_chi = true\nstem_kernel";
    let changes: [(&str, &str); 3] =
        [("stem_kernel", "stem_kernel"), ("stem_kernel", every), ("loss", "loss")];
    for (i, (from, to)) in changes.into_iter().enumerate() {
        let folder = tempfile::tempdir().unwrap();
        let card = scaled(folder.path(), |text| {
            let text = text.replacen(from, to, 1).replace("pool_kernel = 1", "pool_kernel = 3");
            if i == 2 { text.replace("learning_rate", "loss = \"quantile\"\nlearning_rate") } else { text }
        });
        let run = folder.path().join("run");
        succeed(&["train", text(&card), "--out", text(&run)]);
        let file = folder.path().join("weights.safetensors");
        succeed(&["model", "export", text(&run.join("model")), "--out", text(&file)]);
        let cell = |i: usize| {
            if i * 7919 % 100 < 40 { (1.0 + (i * 104_729 % 1009) as f32 / 145.0).min(8.0) } else { 0.0 }
        };
        let images: Vec<Vec<f32>> = (0..3).map(|k| (0..1000).map(|i| cell(i + 1009 * k)).collect()).collect();
        let theirs = in_pytorch(folder.path(), 10, &images.concat());
        let model = Model::load(&run.join("model"), &Compute::cpu()).unwrap();
        let ours = model.predict(&Images { bins: 10, images: images.clone() }, &()).unwrap().unwrap();
        assert_eq!(ours.len(), theirs.len());
        for (a, b) in ours.iter().zip(&theirs) {
            assert!((a - b).abs() < 1e-4, "{ours:?} {theirs:?}");
        }
        let imported = folder.path().join("imported");
        let again = folder.path().join("again.safetensors");
        succeed(&["model", "import", text(&card), text(&again), "--out", text(&imported)]);
        let imported = Model::load(&imported, &Compute::cpu()).unwrap();
        assert_eq!(imported.predict(&Images { bins: 10, images }, &()).unwrap().unwrap(), ours);
    }
    // Maps of scores behind the stem and each stage: the statistic of an image.
    let folder = tempfile::tempdir().unwrap();
    let card = scaled(folder.path(), |text| {
        let maps = "supervision = \"score_pyramid\"\nreferences = [-1.5, -0.5]\nstem_kernel";
        let text = text.replacen("stem_kernel", maps, 1).replace("pool_kernel = 1", "pool_kernel = 3");
        let text = text.replace("pool_stride = 1", "pool_stride = 2").replace("dense = 16\n", "");
        text.replace("batch_size = 8", "images = \"live\"\ncalibration_images = 20\nbatch_size = 8")
    });
    let run = folder.path().join("run");
    succeed(&["train", text(&card), "--out", text(&run)]);
    let weights = folder.path().join("weights.safetensors");
    succeed(&["model", "export", text(&run.join("model")), "--out", text(&weights)]);
    let images: Vec<f32> = (0..1000).map(|i| ((1.3 * i as f32).sin() * 12.0 - 4.0).max(0.0)).collect();
    let model = Model::load(&run.join("model"), &Compute::cpu()).unwrap();
    let calibration = model.info().calibration.as_ref().unwrap();
    let theirs = calibration.estimate(&in_pytorch(folder.path(), 10, &images), 800);
    let ours = model.predict(&Images { bins: 10, images: vec![images] }, &()).unwrap().unwrap();
    assert!((theirs.values[0].value - ours[0]).abs() < 1e-3, "{theirs:?} {ours:?}");
    // The network that comes with the program: its statistic of a sample of events.
    let folder = tempfile::tempdir().unwrap();
    let events = folder.path().join("events.parquet");
    succeed(&["generate", "--events", "500", "--q2", "0.1:19.2", "--out", text(&events)]);
    succeed(&["model", "export", "builtin", "--out", text(&folder.path().join("weights.safetensors"))]);
    let sample = EventReader::open(&events).unwrap().read_all().unwrap();
    let [q2, l, k, chi, _] = sample.columns();
    let statistic = in_pytorch(folder.path(), 0, &[q2, l, k, chi].concat());
    let model = BUILT_IN[0].open(&Compute::cpu()).unwrap();
    let calibration = model.info().calibration.as_ref().unwrap();
    let (theirs, ours) = (calibration.estimate(&statistic, 500), model.estimate_events(&sample).unwrap());
    assert!((theirs.values[0].value - ours.values[0].value).abs() < 1e-3, "{theirs:?} {ours:?}");
    assert!((theirs.p_value.unwrap() - ours.p_value.unwrap()).abs() < 1e-3);
}
