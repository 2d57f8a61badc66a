//! HEPData archives: what they hold comes out again, and wrong ones are refused in one line.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use humboldt_physics::{MeasurementSet, ValueConvention};
use humboldt_schemas::hepdata::{Choice, import};
use humboldt_schemas::measurements::{Measurement, MeasurementFile};

fn archive(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/reference/hepdata").join(name)
}

const LHCB: &str = "lhcb_2025_config_2.tar.gz";
const CMS: &str = "HEPData-ins2850101-v1-yaml.tar.gz";
const KSTAR_PLUS: &str = "HEPData-ins1838196-v1-yaml.tar.gz";

/// The text of a file of an archive, read without the importer.
fn inside(archive_name: &str, file: &str) -> String {
    let mut tar = tar::Archive::new(GzDecoder::new(fs::File::open(archive(archive_name)).unwrap()));
    let mut entries = tar.entries().unwrap();
    let mut entry = entries.find_map(|e| e.ok().filter(|e| e.path().unwrap().ends_with(file))).unwrap();
    let mut text = String::new();
    entry.read_to_string(&mut text).unwrap();
    text
}

/// Every matrix entry, value and error of LHCb's configuration 2 equals the archive's, read line by line.
#[test]
fn lhcb_2025_comes_out_as_it_went_in() {
    let file = import(&archive(LHCB), &Choice::default()).unwrap().file;
    let text = inside(LHCB, "config_2_results.yaml");
    let matrix = inside(LHCB, "config_2_correlation_total.yaml");
    let (labels, rows) = matrix.split_once("data:").unwrap();
    let labels: Vec<String> = labels
        .split_once('[')
        .unwrap()
        .1
        .split(',')
        .map(|label| label.trim().trim_end_matches(']').trim_end().to_owned())
        .collect();
    let entries: Vec<f64> = rows
        .split(|c: char| !(c.is_ascii_digit() || matches!(c, '.' | '-' | 'e')))
        .filter_map(|word| word.parse().ok())
        .collect();
    let [group] = &file.groups[..] else { panic!("{} groups", file.groups.len()) };
    assert_eq!((labels.len(), entries.len(), group.measurements.len()), (225, 225 * 225, 225));
    let rows = &group.correlation.as_ref().unwrap().0;
    let same = rows.iter().flatten().zip(&entries).all(|(a, b)| (a - b).abs() < 1e-15);
    assert!(same, "the matrix differs");

    // The columns of the results: name, unit, then value and total of each bin.
    let mut expected: BTreeMap<String, (f64, f64, f64)> = BTreeMap::new();
    for column in text.split("header: {name: ").skip(2) {
        let (name, rest) = column.split_once(',').unwrap();
        let unit = rest.split('"').nth(1).unwrap();
        for (bin, value) in rest.split("value: ").skip(1).enumerate() {
            let number = |text: &str| -> f64 {
                let end =
                    text.find(|c: char| !(c.is_ascii_digit() || "-+.e".contains(c))).unwrap_or(text.len());
                let power = if unit == "0.1" { "-1" } else { unit.trim_start_matches("10^") };
                format!("{}e{power}", &text[..end]).parse().unwrap()
            };
            if let Some(total) = value.split("asymerror: ").nth(3) {
                let plus = number(total.split("plus: ").nth(1).unwrap());
                let minus = number(total.split("minus: ").nth(1).unwrap());
                expected.insert(format!("{name}_bin{bin}"), (number(value), plus, -minus));
            }
        }
    }
    assert_eq!(expected.len(), 225);
    for (label, measurement) in labels.iter().zip(&group.measurements) {
        let (value, plus, minus) = expected[label];
        let [up, down] = measurement.total.unwrap();
        let got = (measurement.value.unwrap(), up, down);
        assert_eq!(got, (value, plus, minus), "{label}");
        assert_eq!(measurement.errors.len(), 2, "{label}: stat and syst");
    }
}

/// Data that the program ships are those that its importer makes.
#[test]
fn built_in_sets_are_the_archives() {
    for (name, tables, convention, set, massless) in [
        (LHCB, vec![], ValueConvention::Lhcb, MeasurementSet::Lhcb2025P, None),
        (CMS, vec!["Table 2".to_owned()], ValueConvention::Cms, MeasurementSet::Cms2024, Some(0.0)),
        (KSTAR_PLUS, vec!["Table 2".to_owned()], ValueConvention::Lhcb, MeasurementSet::KstarPlus, Some(0.0)),
        (
            KSTAR_PLUS,
            vec!["Table 1".to_owned()],
            ValueConvention::Lhcb,
            MeasurementSet::KstarPlusS,
            Some(0.0),
        ),
    ] {
        let choice = Choice { tables, convention, massless_from: massless, ..Choice::default() };
        let made = import(&archive(name), &choice).unwrap().file;
        let built_in = &MeasurementFile::built_in(set).unwrap()[0];
        assert_eq!(made.convention, built_in.convention);
        assert_eq!(made.sources, built_in.sources);
        assert_eq!(made.groups, built_in.groups, "{set}");
        let text = toml::to_string(&made).unwrap();
        assert_eq!(MeasurementFile::parse(&text, "made.toml").unwrap(), made);
    }
}

/// Tables of CMS's record hold the same numbers twice: alone or all together they are one file.
#[test]
fn cms_names_bins_and_matrices() {
    let all =
        import(&archive(CMS), &Choice { convention: ValueConvention::Cms, ..Choice::default() }).unwrap();
    assert_eq!(all.file.groups.len(), 6);
    assert!(all.file.groups.iter().all(|g| g.measurements.len() == 8 && g.correlation.is_some()));
    assert!(all.notes.iter().any(|note| note.contains("left out the predictions")), "{:?}", all.notes);
    let first = &all.file.groups[0];
    assert_eq!(
        (first.measurements[4].observable.as_str(), first.measurements[4].value),
        ("P4p", Some(-0.436))
    );
    assert!((first.correlation.as_ref().unwrap().0[0][2] + 0.53).abs() < 1e-15);
    assert_eq!(first.measurements[0].errors, [[0.073, 0.054], [0.021, 0.021]]);
}

/// HEPData's own JSON of a table, a folder, and a zip file.
#[test]
fn other_containers_hold_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let json = folder.path().join("table.json");
    fs::write(
        &json,
        r#"{"name": "Table 1", "headers": [{"name": "q2 [GEV^2]"}, {"name": "P5'"}],
        "qualifiers": {"RE": [{"value": "B0 --> K*(892)0 MU+ MU-"}]},
        "values": [{"x": [{"low": "4.0", "high": "6.0"}], "y": [{"value": "-0.4", "group": 0,
        "errors": [{"asymerror": {"plus": "0.1", "minus": "-0.2"}, "label": "stat"}, {"symerror": "0.05", "label": "sys"}]}]}]}"#,
    )
    .unwrap();
    let file = import(&json, &Choice::default()).unwrap().file;
    let one = &file.groups[0].measurements[0];
    let expected = Measurement {
        process: "B0->K*0mumu".to_owned(),
        observable: "P5p".to_owned(),
        q2_min: 4.0,
        q2_max: 6.0,
        value: Some(-0.4),
        errors: vec![[0.1, 0.2], [0.05, 0.05]],
        ..Measurement::default()
    };
    assert_eq!(*one, expected);

    let zip_path = folder.path().join("record.zip");
    let mut zip = zip::ZipWriter::new(fs::File::create(&zip_path).unwrap());
    for name in ["submission.yaml", "config_2_results.yaml", "config_2_correlation_total.yaml"] {
        let text = inside(LHCB, name);
        fs::create_dir_all(folder.path().join("unpacked")).unwrap();
        fs::write(folder.path().join("unpacked").join(name), &text).unwrap();
        zip.start_file(format!("inner/{name}"), zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap();
    let whole = import(&archive(LHCB), &Choice::default()).unwrap().file.groups;
    assert_eq!(import(&zip_path, &Choice::default()).unwrap().file.groups, whole);
    assert_eq!(import(&folder.path().join("unpacked"), &Choice::default()).unwrap().file.groups, whole);
}

const TABLE: &str = "independent_variables:
- header: {name: q2, units: GeV^2}
  values: [{low: 4.0, high: 6.0}]
dependent_variables:
- header: {name: P5p, units: ''}
  qualifiers: [{name: RE, value: B0 --> K*(892)0 MU+ MU-}]
  values:
  - value: -0.4
    errors: [{label: stat, symerror: 0.1}]
";

/// Archives and tables that are wrong: one line each, with what is wrong and what would be right.
#[test]
fn wrong_archives_are_refused_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let table = |name: &str, from: &str, to: &str| {
        let text = TABLE.replacen(from, to, 1);
        assert!(text != TABLE || from == to, "{name}: `{from}`");
        fs::write(path(name), text).unwrap();
        path(name)
    };
    import(&table("right.yaml", "x", "x"), &Choice::default()).unwrap();
    let whole = fs::read(archive(LHCB)).unwrap();
    fs::write(path("cut.tar.gz"), &whole[..whole.len() / 2]).unwrap();
    fs::write(path("empty.zip"), b"").unwrap();
    fs::write(path("cut.zip"), b"PK\x03\x04 and no more").unwrap();
    fs::write(path("other.root"), b"root file").unwrap();
    fs::create_dir(path("nothing")).unwrap();
    fs::create_dir(path("missing")).unwrap();
    fs::write(path("missing/submission.yaml"), "name: Table 1\ndata_file: gone.yaml\n").unwrap();
    fs::create_dir(path("long")).unwrap();
    let (list, names) = (vec!["0"; 2500].join(", "), vec!["*list"; 2000].join(", "));
    fs::write(path("long/submission.yaml"), format!("list: &list [{list}]\nall: [{names}]\n")).unwrap();
    let mut zeros = GzEncoder::new(fs::File::create(path("zeros.gz")).unwrap(), flate2::Compression::fast());
    for _ in 0..1100 {
        zeros.write_all(&vec![0; 1 << 20]).unwrap();
    }
    zeros.finish().unwrap();
    let twice =
        TABLE.to_owned() + &TABLE[TABLE.find("- header: {name: P5p").unwrap()..].replace("-0.4", "-0.5");
    fs::write(path("twice.yaml"), twice).unwrap();

    let cases: Vec<(PathBuf, &[&str])> = vec![
        (path("gone.zip"), &["gone.zip"]),
        (path("cut.tar.gz"), &["cut.tar.gz", "cannot be unpacked", "a whole archive"]),
        (path("empty.zip"), &["empty.zip = an empty file"]),
        (path("cut.zip"), &["cut.zip", "zip file that cannot be unpacked"]),
        (path("other.root"), &["other.root = neither an archive nor a table"]),
        (path("nothing"), &["nothing = no tables"]),
        (path("missing"), &["missing: Table 1 = gone.yaml, which is not in the archive"]),
        (path("long"), &["long: submission.yaml = more than"]),
        (path("zeros.gz"), &["zeros.gz = more than 1024 MiB unpacked"]),
        (path("twice.yaml"), &["P5p of B0->K*0mumu in [4, 6]", "each quantity once"]),
        (
            table("text.yaml", "value: -0.4", "value: about 3"),
            &["text.yaml: text: P5p = `about 3`", "a number"],
        ),
        (table("nan.yaml", "value: -0.4", "value: 'nan'"), &["nan.yaml: nan: P5p = nan", "finite"]),
        (table("bin.yaml", "high: 6.0", "high: 3.0"), &["bin.yaml: bin: q2 = [4, 3]"]),
        (
            table("units.yaml", "units: ''", "units: percent"),
            &["units: P5p: units = percent", "power of ten"],
        ),
        (table("mev.yaml", "units: GeV^2", "units: MeV^2"), &["mev.yaml: mev: q2 = in mev^2", "GeV^2"]),
        (
            table("bs.yaml", "B0 --> K*(892)0", "B/S0 --> PHI"),
            &["reaction = B/S0 --> PHI MU+ MU-", "--process"],
        ),
        (table("none.yaml", "errors: [{label: stat, symerror: 0.1}]", "note: 1"), &["-0.4 without errors"]),
        (table("minus.yaml", "symerror: 0.1", "symerror: -0.1"), &["P5p = errors -0.1 and -0.1"]),
        (
            table("rows.yaml", "{low: 4.0, high: 6.0}", "{low: 4.0, high: 6.0}, {low: 6, high: 8}"),
            &["1 values"],
        ),
        (table("what.yaml", "name: P5p", "name: Q17"), &["what.yaml = Q17", "has a prediction"]),
        (table("yaml.yaml", "[{low: 4.0", "[{low: 4.0}}"), &["yaml.yaml: yaml = no YAML"]),
        (
            table("table.yaml", "independent_variables", "variables"),
            &["table.yaml: table = neither values nor"],
        ),
    ];
    for (path, words) in cases {
        let error = import(&path, &Choice::default()).expect_err(&path.display().to_string()).to_string();
        for word in words {
            assert!(error.contains(word), "{}: `{word}` is not in: {error}", path.display());
        }
        assert!(!error.contains('\n'), "{error}");
    }
    for (choice, words) in [
        (Choice { tables: vec!["Table 9".to_owned()], ..Choice::default() }, "--table = Table 9"),
        (Choice { correlation: Some("stat".to_owned()), ..Choice::default() }, "--correlation = stat"),
        (Choice { process: Some("B0->K9mumu".to_owned()), ..Choice::default() }, "`B0->K9mumu`"),
    ] {
        let error = import(&archive(LHCB), &choice).unwrap_err().to_string();
        assert!(error.contains(words) && !error.contains('\n'), "{error}");
    }
    let clash = Choice { tables: vec!["Table 1".to_owned(), "Table 2".to_owned()], ..Choice::default() };
    let error = import(&archive(KSTAR_PLUS), &clash).unwrap_err().to_string();
    assert!(error.contains("both hold F_L of B+->K*+mumu in [1.1, 2.5]"), "{error}");
}
