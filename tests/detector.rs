//! `smear`, and effects of a card through the program.

#![allow(missing_docs, clippy::pedantic, reason = "tests")]

use std::fs;
use std::path::Path;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Float32Type, Int32Type};
use humboldt_pipeline::store::EventReader;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

use crate::support::{humboldt, refused, succeed};

fn table(path: &str) -> RecordBatch {
    let file = fs::File::open(path).unwrap();
    let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().with_batch_size(1 << 20);
    let batches: Vec<_> = reader.build().unwrap().map(Result::unwrap).collect();
    arrow::compute::concat_batches(&batches[0].schema(), &batches).unwrap()
}

fn column(table: &RecordBatch, name: &str) -> Vec<f32> {
    table.column_by_name(name).unwrap().as_primitive::<Float32Type>().values().to_vec()
}

#[test]
fn a_measured_sample_keeps_truth_columns_and_says_its_detector() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (source, measured) = (path("events.parquet"), path("measured.parquet"));
    succeed(&["generate", "--events", "30000", "--q2", "1:8", "--score", "c9", "--out", &source]);
    let figures = path("figures");
    let smear = ["smear", &source, "--detector", "belle2", "--seed", "5", "--out", &measured];
    let said = succeed(&[&smear[..], &["--figures", &figures]].concat());
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("kept 2") || said.contains("kept 3"), "{said}");
    for name in
        ["resolution", "efficiency"].iter().flat_map(|f| ["svg", "png", "csv"].map(|e| format!("{f}.{e}")))
    {
        assert!(Path::new(&figures).join(&name).exists(), "{name}");
    }

    let (all, kept) = (table(&source), table(&measured));
    let names: Vec<&str> = kept.schema_ref().fields().iter().map(|f| f.name().as_str()).collect();
    assert_eq!(&names[..5], ["q2", "cos_theta_l", "cos_theta_k", "chi", "m_kpi"]);
    assert!(names.contains(&"score_c9") && names.contains(&"m_b") && names.contains(&"swapped"), "{names:?}");
    // Rows of the source in its order.
    let (truth, mut rest) = (column(&kept, "true_q2"), column(&all, "q2").into_iter());
    assert!(truth.iter().all(|q2| rest.any(|other| other.to_bits() == q2.to_bits())));
    let off: Vec<f32> = column(&kept, "q2").iter().zip(&truth).map(|(a, b)| (a - b).abs()).collect();
    assert!(off.iter().all(|x| *x < 1.0) && off.iter().any(|x| *x > 0.01));

    let provenance = EventReader::open(Path::new(&measured)).unwrap().provenance().cloned().unwrap();
    let by = provenance.measured_by.unwrap();
    assert_eq!((by.seed, by.detector.base.as_deref()), (5, Some("belle2")));

    let again = path("again.parquet");
    succeed(&["smear", &source, "--detector", "belle2", "--seed", "5", "--out", &again, "--threads", "1"]);
    assert!(fs::read(&measured).unwrap() == fs::read(&again).unwrap());
    let other = path("other.parquet");
    refused(&["smear", &measured, "--detector", "belle2", "--out", &other], &["true_q2", "measured before"]);
    refused(&["smear", &source, "--detector", "babar", "--out", &other], &["`babar`", "lhcb, belle2"]);
    let card = path("detector.toml");
    fs::write(&card, "base = \"lhcb\"\nswap = 2.0\n").unwrap();
    refused(
        &["smear", &source, "--detector", &card, "--out", &other],
        &["detector.toml:2: swap = 2", "0 to 1"],
    );
    assert!(!Path::new(&other).exists());
}

#[test]
fn effects_of_a_card_make_labelled_events() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let card = path("card.toml");
    let text = "[generator]\nq2 = [\"1.1:8\"]\n[s_wave]\n[acceptance.formula]\ncos_theta_k = [1.0, -0.3, -0.5]\n\
                [detector]\nbase = \"belle2\"\n[background]\ncombinatorial = 0.4\nj_psi = 0.02\nswap = 0.01\n\
                shape = { q2 = [1.0, -0.04], cos_theta_l = [1.0, 0.0, 0.5] }\n";
    fs::write(&card, text).unwrap();
    let out = path("events.parquet");
    let generate = ["generate", "--card", &card, "--events", "20000", "--delta-c9", "-1", "--out", &out];
    let said = String::from_utf8(succeed(&generate).stderr).unwrap();
    assert!(said.contains("combinatorial"), "{said}");
    let table = table(&out);
    let component = table.column_by_name("component").unwrap().as_primitive::<Int32Type>().values().to_vec();
    let part = |k: i32| component.iter().filter(|c| **c == k).count() as f64 / 20_000.0;
    for (k, expected) in [(0, 0.57), (1, 0.4), (2, 0.01), (3, 0.02), (4, 0.0)] {
        assert!((part(k) - expected).abs() < 0.015, "{k}: {}", part(k));
    }
    let (q2, truth) = (column(&table, "q2"), column(&table, "true_q2"));
    for (i, component) in component.iter().enumerate() {
        match component {
            0 => assert!((q2[i] - truth[i]).abs() < 2.0),
            _ => assert!(q2[i].to_bits() == truth[i].to_bits() && (1.1..=8.0).contains(&q2[i])),
        }
    }
    let provenance = EventReader::open(Path::new(&out)).unwrap().provenance().cloned().unwrap();
    assert!(
        provenance.generator.effects.background.is_some() && provenance.generator.effects.s_wave.is_some()
    );

    let again = path("again.parquet");
    let mut same = humboldt(&generate);
    let same = same.args(["--threads", "1", "--force"]).output().unwrap();
    assert!(same.status.success());
    let first = fs::read(&out).unwrap();
    succeed(&["generate", "--card", &card, "--events", "20000", "--delta-c9", "-1", "--out", &again]);
    assert!(first == fs::read(&again).unwrap());

    let wrong = |from: &str, to: &str, words: &[&str]| {
        fs::write(&card, text.replace(from, to)).unwrap();
        refused(&["generate", "--card", &card, "--events", "10", "--out", &path("no.parquet")], words);
    };
    wrong("combinatorial = 0.4", "combinatorial = 0.98", &["background", "leave some to the signal"]);
    wrong("-0.3, -0.5", "-1.3, -0.5", &["acceptance.formula.cos_theta_k", "positive"]);
    wrong("[s_wave]", "[s_wave]\nfraction = 0.95", &["s_wave.fraction", "0 to 0.9"]);
    fs::write(&card, text).unwrap();
    let no = path("no.parquet");
    refused(&["generate", "--card", &card, "--events", "9", "--score", "c9", "--out", &no], &["--score"]);
    refused(&["generate", "--card", &card, "--events", "9", "--q2", "1:6", "--out", &no], &["--q2"]);
}

/// A sideband whose variables depend on each other, described and drawn from: events of the description are described by the same numbers.
#[test]
fn a_sideband_becomes_the_background_of_a_card() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (sideband, density) = (path("sideband.parquet"), path("density.json"));
    // Signal of a polarised decay stands for it: no product of functions of one variable each, with the K*'s peak.
    let generate = ["generate", "--q2", "1.1:8", "--delta-c9", "-3", "--events", "30000", "--seed", "7"];
    succeed(&[&generate[..], &["--out", &sideband]].concat());
    let describe = ["background", &sideband, "--m-kpi", "0.796:0.996", "--select", "--order", "3"];
    let figures = path("figures");
    let printed =
        succeed(&[&describe[..], &["--out", &density, "--figures", &figures, "--json"]].concat()).stdout;
    let described: serde_json::Value = serde_json::from_slice(&printed).unwrap();
    assert_eq!(described["density"]["order"], 3);
    assert_eq!(described["agreement"].as_array().unwrap().len(), 15);
    let file: serde_json::Value = serde_json::from_str(&fs::read_to_string(&density).unwrap()).unwrap();
    assert_eq!(file, described["density"]);
    for end in ["svg", "png", "csv"] {
        assert!(Path::new(&figures).join(format!("background.{end}")).exists());
    }
    let words = succeed(&[&describe[..], &["--out", &density, "--force"]].concat()).stdout;
    let words = String::from_utf8(words).unwrap();
    assert!(words.contains("smoothed to order 3") && words.contains("cos_theta_k and chi"), "{words}");

    let (card, out) = (path("card.toml"), path("events.parquet"));
    let text = "[generator]\nq2 = [\"1.1:8\"]\n[detector]\nbase = \"belle2\"\nselection = { m_kpi = [0.8, 0.99], m_b = [5.2, 5.36] }\n\
                [background]\ncombinatorial = 0.9\ndensity = \"density.json\"\n";
    fs::write(&card, text).unwrap();
    let generate = ["generate", "--card", &card, "--events", "40000", "--seed", "3", "--out", &out];
    succeed(&generate);
    let drawn = table(&out);
    let component = drawn.column_by_name("component").unwrap().as_primitive::<Int32Type>().values().to_vec();
    let own = table(&sideband);
    let numbers = |table: &RecordBatch, kept: &dyn Fn(usize) -> bool| {
        let [q2, l, k, chi, m] =
            ["q2", "cos_theta_l", "cos_theta_k", "chi", "m_kpi"].map(|name| column(table, name));
        let rows: Vec<usize> = (0..q2.len()).filter(|i| kept(*i) && (0.8..=0.99).contains(&m[*i])).collect();
        let mean = |of: &dyn Fn(usize) -> f32| {
            let values: Vec<f64> = rows.iter().map(|i| f64::from(of(*i))).collect();
            let n = values.len() as f64;
            let mean = values.iter().sum::<f64>() / n;
            (mean, (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (n * n)).sqrt())
        };
        [
            mean(&|i| q2[i]),
            mean(&|i| m[i]),
            mean(&|i| k[i] * k[i]),
            mean(&|i| l[i] * l[i]),
            mean(&|i| l[i] * q2[i]),
            mean(&|i| k[i] * k[i] * l[i]),
            mean(&|i| k[i] * k[i] * q2[i]),
            mean(&|i| k[i] * chi[i].cos()),
        ]
    };
    let found = numbers(&drawn, &|i| component[i] == 1);
    for (i, ((a, sa), (b, sb))) in found.into_iter().zip(numbers(&own, &|_| true)).enumerate() {
        assert!((a - b).abs() < 4.5 * sa.hypot(sb), "{i}: {a} +- {sa}, {b} +- {sb}");
    }
    // The card in the file has the density itself, so that it may go.
    let provenance = EventReader::open(Path::new(&out)).unwrap().provenance().cloned().unwrap();
    assert_eq!(provenance.generator.effects.background.unwrap().smoothed.unwrap().order, 3);
    let first = fs::read(&out).unwrap();
    succeed(&[&generate[..], &["--force", "--threads", "1"]].concat());
    assert!(first == fs::read(&out).unwrap());

    let no = path("no.parquet");
    let wrong = |from: &str, to: &str, words: &[&str]| {
        fs::write(&card, text.replace(from, to)).unwrap();
        refused(&["generate", "--card", &card, "--events", "10", "--out", &no], words);
    };
    wrong("1.1:8", "1.1:9", &["generator.q2 = 1.1:9", "1.1:8", "background.density"]);
    wrong("[0.8, 0.99]", "[0.7, 0.99]", &["K pi masses = 0.7:0.99", "0.796:0.996"]);
    wrong("[\"1.1:8\"]", "[\"1.1:8\"]\nline_shape = \"narrow\"", &["line_shape", "breit-wigner"]);
    wrong(
        "combinatorial = 0.9",
        "combinatorial = 0.9\nshape = { q2 = [1.0, 0.1] }",
        &["background.shape", "one of the two"],
    );
    wrong(
        "combinatorial = 0.9",
        "j_psi = 0.1",
        &["background.combinatorial = 0", "above 0 beside a density"],
    );
    wrong("density.json", "nothing.json", &["nothing.json"]);
    fs::write(&density, fs::read_to_string(&density).unwrap().replace("\"order\": 3", "\"order\": 2"))
        .unwrap();
    wrong("x", "x", &["background.density: factors"]);
    fs::write(&density, "{}").unwrap();
    wrong("x", "x", &["density.json", "missing field"]);
    let bad = |extra: &[&str], words: &[&str]| {
        refused(&[&["background", &sideband, "--out", &no], extra].concat(), words);
    };
    bad(&["--order", "7"], &["--order", "1 to 6"]);
    bad(&["--m-kpi", "0.9:0.8"], &["--m-kpi", "MIN < MAX"]);
    bad(&["--q2", "1.1:2"], &["outside the windows, q2 = 1.1:2", "--select"]);
    assert!(!Path::new(&no).exists());
}
