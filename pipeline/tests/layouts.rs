//! Layouts: what is written under one is what is read under it; what a file lacks is said or refused.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int8Array, Int64Array, RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema};
use humboldt_physics::{Decay, Flavour, Lepton, ModelName, WilsonShifts};
use humboldt_pipeline::layout::{ExportColumns, ExportRows, Signs, signs};
use humboldt_pipeline::store::{EventFormat, EventReader, EventWriter, More};
use humboldt_pipeline::{EventBatch, PipelineError};
use humboldt_schemas::layout::Layout;

type TestResult = Result<(), Box<dyn std::error::Error>>;

const PI: f64 = std::f64::consts::PI;

/// Events all over phase space, of both flavours.
fn some_events(n: usize) -> (EventBatch, Vec<i8>) {
    let column = |prime: usize, low: f32, high: f32| -> Vec<f32> {
        (0..n).map(|i| low + (high - low) * ((i * prime % 10_007) as f32 + 0.5) / 10_007.0).collect()
    };
    let events = EventBatch {
        q2: column(7919, 0.1, 18.5),
        cos_theta_l: column(6007, -0.999, 0.999),
        cos_theta_k: column(5003, 0.999, -0.999),
        chi: column(4001, -3.1, 3.1),
        m_kpi: column(3001, 0.8, 0.95),
    };
    (events, (0..n).map(|i| if i % 3 == 0 { 1 } else { -1 }).collect())
}

fn muons() -> Decay {
    Decay::new(ModelName::Npr, Flavour::B0bar, Lepton::Muon, &WilsonShifts::default()).unwrap()
}

/// Writes events in a layout.
fn export(path: &Path, layout: &Layout, events: &EventBatch, flavours: &[i8]) -> TestResult {
    let columns = ExportColumns::new(layout, &muons(), false, 3.0, 1)?;
    let mut writer =
        EventWriter::create_silent(EventFormat::of(path).unwrap(), path, columns.schema().clone())?;
    let rows = ExportRows { events, truth: events, flavours, weights: None };
    writer.write_table(&columns.rows(rows, 0)?)?;
    Ok(writer.finish()?)
}

/// Reads all that a layout makes.
fn read(path: &Path, layout: &Layout) -> Result<RecordBatch, PipelineError> {
    let mut reader = EventReader::open_as(path, Some(layout), More::Everything)?;
    let sample = reader.next_sample().unwrap()?;
    sample.filtered(vec![true; sample.len()])
}

fn numbers<'a>(table: &'a RecordBatch, name: &str) -> &'a [f64] {
    table
        .column_by_name(name)
        .unwrap_or_else(|| panic!("{name}"))
        .as_primitive::<arrow::datatypes::Float64Type>()
        .values()
}

/// Largest difference from f32 columns; chi up to whole turns.
fn difference(values: &[f64], expected: &[f32]) -> f64 {
    let turn = |x: f64| x - (x / (2.0 * PI)).round() * 2.0 * PI;
    values.iter().zip(expected).map(|(a, b)| turn(a - f64::from(*b)).abs()).fold(0.0, f64::max)
}

const CUSTOM: &str = r#"
q2 = "Q2"
cos_theta_l = "ctl"
cos_theta_k = "ctk"
chi = "angle"
m_kpi = "mass"
convention = "theory"
theta_l_of = "l_plus"
chi_range = "positive"
mirrored = ["b0bar"]
[units]
q2 = "MeV2"
chi = "deg"
m_kpi = "MeV"
[flavour]
column = "tag"
b0 = [511]
b0bar = [-511]
"#;

#[test]
fn what_is_written_in_a_layout_comes_back() -> TestResult {
    let folder = tempfile::tempdir()?;
    let (events, flavours) = some_events(3000);
    for name in ["humboldt", "basf2", "lhcb", "cms", "custom"] {
        let layout = if name == "custom" { Layout::parse(CUSTOM, name)? } else { Layout::find(name)? };
        let path = folder.path().join(format!("{name}.parquet"));
        export(&path, &layout, &events, &flavours)?;
        let table = read(&path, &layout)?;
        for (column, expected) in
            ["q2", "cos_theta_l", "cos_theta_k", "chi", "m_kpi"].iter().zip(events.columns())
        {
            let of = |prefix: &str| difference(numbers(&table, &format!("{prefix}{column}")), expected);
            assert!(of("") < 2e-7, "{name}: {column} off by {}", of(""));
            if name != "custom" && *column != "m_kpi" {
                assert!(of("true_") < 2e-7, "{name}: true {column} off by {}", of("true_"));
            }
        }
        let read: &Int8Array = table.column_by_name("flavour").unwrap().as_primitive();
        assert_eq!(read.values(), &flavours[..], "{name}");
    }
    Ok(())
}

/// Momenta of both leptons exchanged where the meson is the conjugate of the listed one, as basf2 fills its slots.
#[test]
fn without_its_flavour_column_chi_of_half_a_sample_flips_and_that_is_said() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("basf2.parquet");
    let (events, flavours) = some_events(300);
    let layout = Layout::find("basf2")?;
    export(&path, &layout, &events, &flavours)?;
    let mut blind = layout.clone();
    blind.flavour.as_mut().unwrap().column = "no_charge|no_PDG".to_owned();
    blind.truth.as_mut().unwrap().flavour = None;
    let reader = EventReader::open_as(&path, Some(&blind), More::Mass)?;
    let [note] = reader.notes() else { panic!("{:?}", reader.notes()) };
    assert!(note.starts_with("no column `no_charge` or `no_PDG` says the flavour: all events are taken for B0: chi of each B0bar"), "{note}");
    let blind = reader.read_all()?;
    for (i, flavour) in flavours.iter().enumerate() {
        let sign = f32::from(-flavour);
        assert!((blind.chi[i] - sign * events.chi[i]).abs() < 1e-5, "{i}");
        assert!((blind.cos_theta_l[i] - events.cos_theta_l[i]).abs() < 1e-5, "{i}");
    }
    assert!(EventReader::open_as(&path, Some(&layout), More::Mass)?.notes().is_empty());
    Ok(())
}

/// A table of ready columns with some of them replaced.
fn table(path: &Path, columns: &[(&str, ArrayRef)]) -> TestResult {
    let four: [(&str, ArrayRef); 4] = [
        ("Q", Arc::new(Float64Array::from(vec![1.0, 2.0, 3.0]))),
        ("L", Arc::new(Float64Array::from(vec![0.1, 0.2, 0.3]))),
        ("K", Arc::new(Float64Array::from(vec![0.4, 0.5, 0.6]))),
        ("C", Arc::new(Float64Array::from(vec![-1.0, 1.0, 2.0]))),
    ];
    let own = |name: &str| columns.iter().any(|(other, _)| *other == name);
    let all: Vec<(&str, ArrayRef)> =
        four.into_iter().filter(|(name, _)| !own(name)).chain(columns.iter().cloned()).collect();
    let all = all.into_iter().filter(|(_, array)| *array.data_type() != DataType::Null);
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) =
        all.map(|(name, array)| (Field::new(name, array.data_type().clone(), true), array)).unzip();
    let schema = Arc::new(Schema::new(fields));
    let mut writer = EventWriter::create_silent(EventFormat::Parquet, path, schema.clone())?;
    writer.write_table(&RecordBatch::try_new(schema, arrays)?)?;
    Ok(writer.finish()?)
}

const FOUR: &str = "q2 = \"Q\"\ncos_theta_l = \"L\"\ncos_theta_k = \"K\"\nchi = \"C\"\n";

fn with(more: &str) -> Layout {
    Layout::parse(&format!("{FOUR}{more}"), "x.toml").unwrap()
}

#[test]
fn columns_of_whole_numbers_and_booleans_are_read_and_bad_ones_refused() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("x.parquet");
    let tag = "[flavour]\ncolumn = \"tag\"\nb0 = [1]\nb0bar = [0]\n";
    let floats = |x: [f64; 3]| Arc::new(Float64Array::from(x.to_vec())) as ArrayRef;
    let ints = |x: [i64; 3]| Arc::new(Int64Array::from(x.to_vec())) as ArrayRef;
    let bools: ArrayRef = Arc::new(arrow::array::BooleanArray::from(vec![true, false, true]));
    for tags in [bools, ints([1, 0, 1]), floats([1.0, 0.0, 1.0])] {
        table(&path, &[("tag", tags), ("Q", ints([1, 2, 3]))])?;
        let read = EventReader::open_as(&path, Some(&with(tag)), More::Nothing)?.next_sample().unwrap()?;
        assert_eq!(read.flavours(), Some(&[-1, 1, -1][..]));
    }
    let none: ArrayRef = Arc::new(arrow::array::NullArray::new(3));
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a", "b", "c"]));
    let null: ArrayRef = Arc::new(Float64Array::from(vec![Some(0.1), None, Some(0.2)]));
    for (columns, layout, message) in [
        (vec![("C", none.clone())], "", "no column `C`; the file has Q, L, K"),
        (vec![("C", text)], "", "column `C` holds Utf8; allowed: numbers"),
        (vec![("C", null)], "", "column `C` in row 1 = null is not allowed"),
        (vec![("L", floats([0.0, 0.1, f64::NAN]))], "", "column `L` in row 2 = NaN is not allowed"),
        (
            vec![("C", floats([0.0, 217.0, 3.0]))],
            "",
            "chi in row 1 = 217 is not allowed; allowed: -pi to pi or 0 to 2 pi",
        ),
        (vec![("C", floats([0.0, 400.0, 3.0]))], "[units]\nchi = \"deg\"\n", "in degrees"),
        (
            vec![("C", floats([0.0, -1.0, 3.0]))],
            "chi_range = \"positive\"\n",
            "0.0000 to 6.2832 (0 to a turn)",
        ),
        (vec![("C", floats([0.0, 4.0, 3.0]))], "chi_range = \"symmetric\"\n", "row 1 = 4 "),
        (vec![("Q", floats([1e6, 2e6, 3e6]))], "", "q2 in row 0 = 1000000"),
        (vec![("Q", floats([1.0, 2.0, 3.0]))], "[units]\nq2 = \"MeV2\"\n", "q2 in row 0 = 0.000001"),
        (vec![("L", floats([0.0, 0.1, 1.2]))], "", "cos_theta_l in row 2 = 1.2"),
        (
            vec![("tag", ints([1, 2, 0]))],
            tag,
            "column `tag` in row 1 = 2 is not allowed; allowed: 1 (B0) or 0 (B0bar)",
        ),
        (vec![("tag", floats([1.0, 0.5, 0.0]))], tag, "column `tag` in row 1 = 0.5"),
        (vec![], "[keep]\nisSignal = [1]\n", "no column `isSignal`"),
        (
            vec![("tag", ints([1, 1, 0]))],
            "[flavour]\ncolumn = \"tag\"\nb0 = [1]\nb0bar = [0]\nwrong_tags = \"drop\"\n",
            "needs the columns of",
        ),
        (vec![], "[momenta]\nl_plus = \"p\"\nl_minus = \"m\"\nkaon = \"K\"\npion = \"pi\"\n", ""),
    ] {
        table(&path, &columns)?;
        let opened = EventReader::open_as(&path, Some(&with(layout)), More::Nothing);
        let read = opened.and_then(EventReader::read_all);
        if message.is_empty() {
            assert!(read.is_ok(), "{layout}");
        } else {
            let error = read.unwrap_err().to_string();
            assert!(error.contains(message) && !error.contains('\n'), "{error}\n{message}");
        }
    }
    let momenta = Layout::parse(
        "[momenta]\nl_plus = \"p\"\nl_minus = \"m\"\nkaon = [\"a\", \"b\", \"c\", \"d\"]\npion = \"pi\"\n",
        "x.toml",
    )?;
    table(&path, &[])?;
    let error = EventReader::open_as(&path, Some(&momenta), More::Nothing).unwrap_err().to_string();
    assert!(error.contains("no column `pE`; the file has"), "{error}");
    Ok(())
}

#[test]
fn rows_are_kept_by_their_labels_and_tags() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("x.parquet");
    let ints = |x: [i64; 3]| Arc::new(Int64Array::from(x.to_vec())) as ArrayRef;
    table(&path, &[("isSignal", ints([1, 0, 1])), ("tag", ints([1, 1, 0])), ("gen", ints([1, 2, 1]))])?;
    let reader = EventReader::open_as(&path, Some(&with("[keep]\nisSignal = [1]\n")), More::Nothing)?;
    assert!(reader.selects());
    assert_eq!(reader.read_all()?.q2, [1.0, 3.0]);
    for (wrong_tags, expected) in
        [("drop", vec![1.0]), ("only", vec![2.0, 3.0]), ("keep", vec![1.0, 2.0, 3.0])]
    {
        let layout = with(&format!(
            "[flavour]\ncolumn = \"tag\"\nb0 = [1]\nb0bar = [0]\nwrong_tags = \"{wrong_tags}\"\n\
             [truth.flavour]\ncolumn = \"gen\"\nb0 = [1]\nb0bar = [2]\n"
        ));
        let read = EventReader::open_as(&path, Some(&layout), More::Nothing)?.read_all()?;
        assert_eq!(read.q2, expected, "{wrong_tags}");
        let mixed = if wrong_tags == "keep" { 2 } else { 0 };
        assert_eq!(signs(&path, Some(&layout))?.wrong_tags, mixed);
    }
    Ok(())
}

#[test]
fn signs_of_a_detector_are_found() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("x.parquet");
    let floats = |x: [f64; 3]| Arc::new(Float64Array::from(x.to_vec())) as ArrayRef;
    let found = |columns: &[(&str, ArrayRef)], layout: &str| -> Result<Signs, Box<dyn std::error::Error>> {
        table(&path, columns)?;
        Ok(signs(&path, Some(&with(layout)))?)
    };
    let none = Signs { rows: 3, ..Signs::default() };
    assert_eq!(found(&[("chi2", floats([9.0; 3]))], "")?, none);
    assert_eq!(found(&[("__weight__", floats([1.0; 3]))], "")?, none);
    let weights = [("evt_weight", floats([1.0, 0.5, -0.1])), ("nsig_sw", floats([0.1; 3]))];
    assert_eq!(found(&weights, "")?.unused_weights, ["evt_weight", "nsig_sw"]);
    assert_eq!(found(&weights, "weight = \"nsig_sw\"\n")?.unused_weights, ["evt_weight"]);
    let several = found(&[("__ncandidates__", floats([1.0, 2.0, 2.0]))], "")?.candidates;
    assert_eq!(several, Some((2, "__ncandidates__".to_owned())));
    let numbered = "[candidates]\ncolumn = \"n\"\n";
    assert_eq!(found(&[("n", floats([0.0, 0.0, 1.0]))], numbered)?.candidates, Some((1, "n".to_owned())));
    let truth = "[truth]\nq2 = \"Qt\"\ncos_theta_l = \"Lt\"\ncos_theta_k = \"Kt\"\nchi = \"Ct\"\n";
    assert_eq!(found(&[("Qt", floats([1.0, 2.1, 3.0]))], truth)?.smeared, 1);
    assert_eq!(found(&[("Qt", floats([1.0, 2.0, 3.0]))], truth)?.smeared, 0);
    assert!(found(&[("C", floats([-1.0, 4.0, 3.0]))], "")?.chi_of_two_ranges);
    assert!(!found(&[("C", floats([1.0, 4.0, 3.0]))], "")?.chi_of_two_ranges);
    assert!(found(&[], "[units]\nchi = \"deg\"\n")?.chi_in_radians);
    assert!(!found(&[("C", floats([-100.0, 40.0, 3.0]))], "[units]\nchi = \"deg\"\n")?.chi_in_radians);
    Ok(())
}

/// 15 million rows in well under 20 s on two cores.
#[test]
#[ignore = "timing"]
fn momenta_are_read_at_speed() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("basf2.arrow");
    let (events, flavours) = some_events(1_000_000);
    let layout = Layout::find("basf2")?;
    export(&path, &layout, &events, &flavours)?;
    let start = std::time::Instant::now();
    let read = EventReader::open_as(&path, Some(&layout), More::Mass)?.read_all()?;
    println!("{} rows: {:.3} s", read.len(), start.elapsed().as_secs_f64());
    Ok(())
}
