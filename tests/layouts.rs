//! Files as experiments have them: moments of both flavours, guards, refusals.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Float64Array, Int64Array, ListArray, RecordBatch, StringArray};
use arrow::datatypes::{Field, Float64Type, Schema};
use parquet::arrow::ArrowWriter;
use serde_json::Value;

use crate::python_readers::{python, scripts};
use crate::support::environment::output;
use crate::support::{humboldt, refused, succeed};

const BINS: &str = "1.1:6,6:8";

/// Events of both flavours with S7, S8, S9 and CP asymmetries that are not small.
fn generate(folder: &Path, ending: &str) -> [String; 2] {
    [("b0bar", "B0bar", "6000"), ("b0", "B0", "9000")].map(|(name, flavour, events)| {
        let path = folder.join(format!("{name}.{ending}")).to_str().unwrap().to_owned();
        let shifts = "c7_prime=0.1+0.2i,c9=-1+1.5i,c10=0.5-1i";
        let momentum: &[&str] = if ending == "hepmc" { &["--b-momentum", "1,-2,30"] } else { &[] };
        let common = ["generate", "--seed", "3", "--q2", "0.1:8", "--wc", shifts, "--flavour", flavour];
        succeed(&[&common[..], &["--events", events, "--out", &path], momentum].concat());
        path
    })
}

fn moments(path: &str, extra: &[&str]) -> Value {
    let output = succeed(&[&["moments", path, "--bins", BINS, "--json"], extra].concat());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Value of an observable in a bin.
fn value(moments: &Value, bin: usize, name: &str) -> f64 {
    let all = moments["bins"][bin]["observables"].as_array().unwrap();
    let found = all.iter().find(|entry| entry[0] == name).unwrap_or_else(|| panic!("{name}"));
    found[1].as_f64().unwrap()
}

/// S_i and A_i of a mixture, by those of its parts.
fn check_mixture(mixed: &Value, [b0bar, b0]: &[Value; 2], what: &str) {
    for bin in 0..2 {
        let n = [b0bar, b0].map(|part| part["bins"][bin]["events"].as_f64().unwrap());
        let of = |name: &str, sign: f64| {
            (n[0] * value(b0bar, bin, name) + sign * n[1] * value(b0, bin, name)) / (n[0] + n[1])
        };
        for i in ["1s", "1c", "2s", "2c", "3", "4", "5", "6s", "6c", "7", "8", "9"] {
            let (s, a) = (format!("S{i}"), format!("A{i}"));
            for (found, expected) in
                [(value(mixed, bin, &s), of(&s, 1.0)), (value(mixed, bin, &a), of(&s, -1.0))]
            {
                assert!((found - expected).abs() < 1e-5, "{what}: {i} in bin {bin}: {found}, {expected}");
            }
        }
        let rate = (n[0] - n[1]) / (n[0] + n[1]);
        assert!((value(mixed, bin, "A_CP") - rate).abs() < 1e-5, "{what}");
    }
    assert!(mixed.get("warnings").is_none(), "{what}: {mixed}");
}

#[test]
fn moments_of_exported_files_are_the_direct_ones() {
    let folder = tempfile::tempdir().unwrap();
    let parts = generate(folder.path(), "parquet");
    let direct = parts.clone().map(|path| moments(&path, &[]));
    for layout in ["humboldt", "basf2", "lhcb", "cms"] {
        let out = folder.path().join(format!("{layout}.arrow")).to_str().unwrap().to_owned();
        succeed(&["export", &parts[0], &parts[1], "--layout", layout, "--out", &out]);
        check_mixture(&moments(&out, &["--layout", layout]), &direct, layout);
    }
    // Half of a sample by its flavour is that part alone.
    let mixed = folder.path().join("basf2.arrow").to_str().unwrap().to_owned();
    let b0 = moments(&mixed, &["--layout", "basf2", "--flavour", "B0"]);
    assert!((value(&b0, 0, "S8") - value(&direct[1], 0, "S8")).abs() < 1e-5);
    // Each event by the density of its own flavour, which see imaginary shifts with opposite signs.
    let fit = |extra: &[&str]| -> Value {
        let others = ["--q2", "0.1:8", "--wc", "c7_prime=0.1+0.2i,c10=0.5-1i", "--free", "c9,c9_im"];
        let common = ["fit", &mixed, "--layout", "basf2", "--no-intervals", "--json"];
        let output = succeed(&[&common[..], &others, extra].concat());
        serde_json::from_slice::<Value>(&output.stdout).unwrap()[0].clone()
    };
    let of =
        |fit: &Value, i: usize| ["value", "sigma"].map(|what| fit["coefficients"][i][what].as_f64().unwrap());
    let fitted = fit(&[]);
    assert_eq!(fitted["assumed"]["flavour"], "B0bar and B0");
    let halves = ["B0bar", "B0"].map(|flavour| fit(&["--flavour", flavour]));
    for (i, truth) in [-1.0, 1.5].into_iter().enumerate() {
        let [value, sigma] = of(&fitted, i);
        assert!((value - truth).abs() < 3.5 * sigma, "{fitted}");
        let [first, second] = [of(&halves[0], i)[1], of(&halves[1], i)[1]];
        assert!(sigma < first.min(second), "{sigma} {first} {second}");
    }
    assert!(fitted["goodness"]["p_value"].as_f64().unwrap() > 1e-3, "{fitted}");
    let of_moments = moments(
        &mixed,
        &["--layout", "basf2", "--q2", "0.1:8", "--wc", "c7_prime=0.1+0.2i,c10=0.5-1i", "--free", "c9,c9_im"],
    );
    let [value, sigma] = of(&of_moments["fit"], 1);
    assert!((value - 1.5).abs() < 3.5 * sigma, "{}", of_moments["fit"]);
}

/// Bar 1 of issue 15: four-momenta in the layouts of three experiments, written by others.
#[test]
fn moments_of_files_that_python_wrote_are_the_direct_ones() {
    let folder = tempfile::tempdir().unwrap();
    let direct = generate(folder.path(), "parquet").map(|path| moments(&path, &[]));
    generate(folder.path(), "hepmc");
    for ending in ["parquet", "root"] {
        let mut script = std::process::Command::new(python());
        script.arg(scripts().join("write_layouts.py")).arg(folder.path()).arg(ending);
        output(&mut script).unwrap();
        let path = |name: &str| folder.path().join(format!("{name}.{ending}")).to_str().unwrap().to_owned();
        for layout in ["basf2", "lhcb", "cms"] {
            check_mixture(&moments(&path(layout), &["--layout", layout]), &direct, layout);
        }
        let blind = moments(&path("blind"), &["--layout", "basf2"]);
        let warnings = blind["warnings"].to_string();
        assert!(warnings.contains("no column `K_p_charge` or `K_p_PDG` says the flavour"), "{warnings}");
        assert!(
            (value(&blind, 0, "S5") - 0.4 * value(&direct[0], 0, "S5") - 0.6 * value(&direct[1], 0, "S5"))
                .abs()
                < 0.01
        );
        let text = succeed(&["moments", &path("blind"), "--layout", "basf2", "--bins", BINS]);
        assert!(String::from_utf8(text.stdout).unwrap().contains("WARNING: no column `K_p_charge`"));
    }
}

/// Files of others, which say nothing of their events: by a card or by default, and with the same result as our own.
#[test]
fn events_of_others_are_smeared_reweighted_and_described() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (own, theirs) = (path("own.parquet"), path("theirs.root"));
    let made =
        ["generate", "--events", "4000", "--seed", "3", "--q2", "1:6", "--delta-c9", "-1", "--out", &own];
    succeed(&made);
    let columns =
        [("q2", "Q2"), ("cos_theta_l", "ctl"), ("cos_theta_k", "ctk"), ("chi", "phi"), ("m_kpi", "mKpi")];
    let layout = columns.map(|(ours, name)| format!("{ours} = \"{name}\"\n")).concat();
    let (card, layout_file) = (path("card.toml"), path("layout.toml"));
    fs::write(&layout_file, layout).unwrap();
    fs::write(&card, "[generator]\nq2 = [\"1:6\"]\nwilson = { c9 = -1.0 }\n").unwrap();
    succeed(&["export", &own, "--layout", &layout_file, "--out", &theirs]);
    let said = ["--layout", &layout_file, "--source", &card];

    let run = |arguments: &[&str], out: &str| {
        succeed(&[arguments, &["--out", &path(out)]].concat());
        path(out)
    };
    let column = |file: &str, name: &str| -> Vec<f64> {
        let batches = humboldt_pipeline::store::EventReader::open_as(
            Path::new(file),
            None,
            humboldt_pipeline::store::More::EverythingThereIs,
        );
        let mut reader = batches.unwrap();
        let mut values = Vec::new();
        while let Some(sample) = reader.next_sample() {
            values.extend(sample.unwrap().column(name, 0).unwrap());
        }
        values
    };
    let close = |a: &[f64], b: &[f64], what: &str| {
        assert_eq!(a.len(), b.len(), "{what}");
        let off = a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(off < 1e-5, "{what}: {off}");
    };
    let ours = run(&["smear", &own, "--detector", "lhcb"], "ours_smeared.parquet");
    let others = run(&[&["smear", &theirs, "--detector", "lhcb"], &said[..]].concat(), "smeared.parquet");
    for name in ["q2", "cos_theta_k", "true_q2", "true_chi"] {
        close(&column(&ours, name), &column(&others, name), name);
    }
    let ours = run(&["reweight", &own, "--delta-c9", "0.5"], "ours_weighted.parquet");
    let others = run(&[&["reweight", &theirs, "--delta-c9", "0.5"], &said[..]].concat(), "weighted.parquet");
    close(&column(&ours, "weight"), &column(&others, "weight"), "weight");
    let describe = |file: &str, extra: &[&str], out: &str| {
        run(&[&["acceptance", file, "--orders", "1,1,0,1"], extra].concat(), out)
    };
    let (a, b) = (describe(&own, &[], "a.json"), describe(&theirs, &said, "b.json"));
    let [a, b] = [a, b].map(|file| -> Value { serde_json::from_slice(&fs::read(file).unwrap()).unwrap() });
    let numbers = |value: &Value| -> Vec<f64> {
        value["coefficients"].as_array().unwrap().iter().map(|x| x.as_f64().unwrap()).collect()
    };
    close(&numbers(&a), &numbers(&b), "coefficients");

    // The Standard Model, said to be assumed; where windows matter they are asked for.
    let out = path("assumed.parquet");
    let layouts = ["--layout", &layout_file];
    let output = succeed(&[&["reweight", &theirs, "--delta-c9", "-1", "--out", &out], &layouts[..]].concat());
    let said_so = String::from_utf8(output.stderr).unwrap();
    assert!(
        said_so.contains("assumed: model npr, B0bar, mu") && said_so.contains("not said by the file"),
        "{said_so}"
    );
    let out = path("x.json");
    refused(&[&["acceptance", &theirs, "--out", &out], &layouts[..]].concat(), &["--q2 is missing", "1.0"]);
    let out = path("x.parquet");
    let both = ["reweight", &own, "--source", &card, "--delta-c9", "0", "--out", &out];
    refused(&both, &["--source", "own.parquet says itself"]);
}

fn floats(values: &[f64]) -> ArrayRef {
    Arc::new(Float64Array::from(values.to_vec()))
}

/// A table of eight events with some columns in place of others.
fn table(path: &Path, own: &[(&str, Option<ArrayRef>)]) {
    let spread = |low: f64, high: f64| {
        floats(&(0..8).map(|i| low + (high - low) * f64::from(i) / 8.0).collect::<Vec<_>>())
    };
    let standard = [
        ("q2", spread(1.0, 6.0)),
        ("cos_theta_l", spread(-1.0, 1.0)),
        ("cos_theta_k", spread(1.0, -1.0)),
        ("chi", spread(-3.0, 3.0)),
    ];
    let mut columns: Vec<(&str, ArrayRef)> =
        standard.into_iter().filter(|(name, _)| !own.iter().any(|(other, _)| other == name)).collect();
    columns.extend(own.iter().filter_map(|(name, array)| Some((*name, array.clone()?))));
    let fields: Vec<Field> =
        columns.iter().map(|(name, array)| Field::new(*name, array.data_type().clone(), true)).collect();
    let arrays = columns.into_iter().map(|(_, array)| array).collect();
    let rows = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let mut writer = ArrowWriter::try_new(fs::File::create(path).unwrap(), rows.schema(), None).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
}

type Columns = Vec<(&'static str, Option<ArrayRef>)>;

/// Bar 7 of issue 15: one line each, exit code 2, nothing written.
#[test]
fn bad_files_and_layouts_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let (file, layout) = (folder.path().join("x.parquet"), folder.path().join("x.toml"));
    let out = folder.path().join("images.h5");
    let eight = |x: f64| floats(&[x; 8]);
    let lists = || {
        let lists = (0..8).map(|i| Some(vec![Some(f64::from(i)); i as usize]));
        Some(Arc::new(ListArray::from_iter_primitive::<Float64Type, _, _>(lists)) as ArrayRef)
    };
    let texts = || Some(Arc::new(StringArray::from(vec!["1.0"; 8])) as ArrayRef);
    let nulls = || Some(Arc::new(Float64Array::from(vec![None; 8])) as ArrayRef);
    let bools = || Some(Arc::new(BooleanArray::from(vec![true; 8])) as ArrayRef);
    let tags = |x: i64| Some(Arc::new(Int64Array::from(vec![x; 8])) as ArrayRef);
    let with = |more: &str| {
        format!(
            "q2 = \"q2\"\ncos_theta_l = \"cos_theta_l\"\ncos_theta_k = \"cos_theta_k\"\nchi = \"chi\"\n{more}"
        )
    };
    let flavour = "[flavour]\ncolumn = \"tag\"\nb0 = [1]\nb0bar = [-1]\n";
    let momenta = "[momenta]\nl_plus = \"p_\"\nl_minus = \"m_\"\nkaon = \"K_\"\npion = \"pi_\"\n";
    let cases: Vec<(Columns, String, &str)> = vec![
        // Units.
        (vec![("q2", Some(eight(4e6)))], with(""), "q2 in row 0 = 4000000"),
        (vec![("q2", Some(eight(0.5)))], with("[units]\nq2 = \"MeV2\"\n"), "q2 in row 0 = 0.0000005"),
        (
            vec![("chi", Some(eight(170.0)))],
            with(""),
            "chi in row 0 = 170 is not allowed; allowed: -pi to pi or 0 to 2 pi, in radians",
        ),
        (vec![("chi", Some(eight(700.0)))], with("[units]\nchi = \"deg\"\n"), "in degrees"),
        (vec![("cos_theta_l", Some(eight(2.5)))], with(""), "cos_theta_l in row 0 = 2.5"),
        (vec![("m_kpi", Some(eight(892.0)))], with("m_kpi = \"m_kpi\"\n"), "m_kpi in row 0 = 892"),
        (vec![("chi", Some(eight(-0.5)))], with("chi_range = \"positive\"\n"), "0 to a turn"),
        // Columns that are missing, or no numbers.
        (vec![("chi", None)], with(""), "no column `chi`; the file has"),
        (vec![], momenta.to_owned(), "no column `p_E`; the file has"),
        (vec![], with("[keep]\nisSignal = [1]\n"), "no column `isSignal`"),
        (vec![("chi", lists())], with(""), "column `chi` holds List"),
        (vec![("chi", texts())], with(""), "column `chi` holds Utf8"),
        (vec![("chi", nulls())], with(""), "column `chi` in row 0 = null"),
        (vec![("chi", Some(eight(f64::NAN)))], with(""), "column `chi` in row 0 = NaN"),
        (vec![("q2", Some(eight(f64::INFINITY)))], with(""), "column `q2` in row 0 = inf"),
        (
            vec![("q2", bools()), ("chi", bools()), ("cos_theta_l", texts())],
            with(""),
            "column `cos_theta_l` holds Utf8",
        ),
        // Flavours.
        (
            vec![("tag", tags(0))],
            with(flavour),
            "column `tag` in row 0 = 0 is not allowed; allowed: 1 (B0) or -1 (B0bar)",
        ),
        (vec![("tag", Some(eight(0.5)))], with(flavour), "column `tag` in row 0 = 0.5"),
        (vec![("tag", texts())], with(flavour), "column `tag` holds Utf8"),
        (vec![("tag", tags(1))], with(&format!("{flavour}wrong_tags = \"only\"\n")), "[truth.flavour]"),
        // Weights.
        (vec![("w", Some(eight(1.0)))], with("weight = \"w\"\n"), "has a column `w` of weights"),
        // Layouts.
        (vec![], with("phi = \"phi\"\n"), "unknown key `phi` (did you mean `chi`?)"),
        (vec![], with("[units]\nq2 = \"TeV2\"\n"), "units.q2"),
        (vec![], "q2 = \"q2\"\n".to_owned(), "cos_theta_l = missing"),
        (vec![], with("weight = \"q2\"\n"), "another column than that of q2"),
        (vec![], with("[flavour]\ncolumn = \"tag\"\nb0 = [1]\nb0bar = [1]\n"), "flavour.b0bar = [1]"),
        (vec![], with("[momenta]\nl_plus = \"p_\"\n"), "missing field"),
        (vec![], "q2 = \n".to_owned(), "x.toml:1"),
    ];
    assert!(cases.len() >= 25);
    for (columns, text, message) in cases {
        table(&file, &columns);
        fs::write(&layout, text).unwrap();
        let [file, layout, out] = [&file, &layout, &out].map(|path| path.to_str().unwrap());
        let line = ["voxelize", file, "--quiet", "--events-per-image", "4", "--layout", layout, "--out", out];
        refused(&line, &[message]);
        assert!(!Path::new(out).exists());
    }
    table(&file, &[("m_kpi", Some(eight(0.9)))]);
    let file = file.to_str().unwrap();
    for (layout, message) in [("babar", "allowed: humboldt, basf2, lhcb, cms"), ("none.toml", "none.toml")] {
        refused(&["moments", file, "--bins", "1:6", "--layout", layout], &[message]);
    }
    refused(&["export", file, "--layout", "basf2", "--out", "x.arrow"], &["does not say which decay"]);
}

#[test]
fn guards_say_what_a_sample_shows() {
    let folder = tempfile::tempdir().unwrap();
    let [events, _] = generate(folder.path(), "parquet");
    let file = folder.path().join("x.parquet");
    let counts: ArrayRef = Arc::new(Int64Array::from(vec![1, 1, 2, 2, 1, 1, 1, 1]));
    table(
        &file,
        &[
            ("sigWeight", Some(floats(&[0.5; 8]))),
            ("__ncandidates__", Some(counts)),
            ("true_q2", Some(floats(&[2.0; 8]))),
            ("chi", Some(floats(&[-1.0, 4.0, 5.0, 1.0, 2.0, -2.0, -3.0, 0.0]))),
        ],
    );
    let out = folder.path().join("images.h5");
    let [file, out] = [&file, &out].map(|path| path.to_str().unwrap());
    let line = ["voxelize", file, "--events-per-image", "4", "--out", out];
    let said = humboldt(&line).output().unwrap();
    let said = String::from_utf8(said.stderr).unwrap();
    for words in [
        "columns that look like weights are not used: sigWeight",
        "2 of the first 8 rows belong to events with several candidates (`__ncandidates__`)",
        "are not the true ones",
        "chi lies below 0 and above pi",
    ] {
        assert_eq!(said.matches(words).count(), 1, "{words}: {said}");
    }
    // Truth-level samples of our own have none of it.
    assert!(moments(&events, &[]).get("warnings").is_none());
}

#[test]
fn storage_of_images_is_said_by_its_own_name_and_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let [events, _] = generate(folder.path(), "parquet");
    let voxelize = |name: &str, extra: &[&str]| {
        let out = folder.path().join(name).to_str().unwrap().to_owned();
        let line = ["voxelize", &events, "--events-per-image", "1000", "--bins", "5", "--out", &out];
        let output = succeed(&[&line[..], extra].concat());
        (fs::read(&out).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (new, said) = voxelize("new.h5", &["--storage", "compact"]);
    assert!(!said.contains("--layout"), "{said}");
    let (old, said) = voxelize("old.h5", &["--layout", "compact"]);
    assert!(old == new && said.contains("--layout compact is read as --storage compact"), "{said}");
    let (laid_out, _) = voxelize("laid_out.h5", &["--storage", "compact", "--layout", "humboldt"]);
    assert!(laid_out == new);
    let out = folder.path().join("x.h5").to_str().unwrap().to_owned();
    let line = ["voxelize", &events, "--events-per-image", "1000", "--out", &out];
    refused(&[&line[..], &["--layout", "dense", "--storage", "compact"]].concat(), &["--layout = dense"]);
}
