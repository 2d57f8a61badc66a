//! pyhepmc, the HepMC3 library's Python face, reads the files and finds the columns in them.
//!
//! Needs `python3` with `venv`; the packages of `tests/python/requirements_hepmc.txt` are installed once, under
//! `target/python_hepmc`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use humboldt_physics::{Flavour, Lepton, LineShape};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::store::{BMomentum, HepMcWriter};
use humboldt_schemas::events::EVENT_COLUMNS;
use serde_json::{Map, Value, json};

use crate::environment::{environment, output};
use crate::hepmc::{TestResult, decay, events, provenance};

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/python")
}

fn columns(events: &EventBatch) -> Value {
    let column = |(name, column): (&&str, &[f32])| ((*name).to_owned(), json!(column));
    Value::Object(EVENT_COLUMNS.iter().zip(events.columns()).map(column).collect::<Map<_, _>>())
}

#[test]
fn pyhepmc_finds_particles_momenta_and_columns() -> TestResult {
    const EVENTS: usize = 500;
    let python = environment(&scripts().join("requirements_hepmc.txt"), "python_hepmc").unwrap_or_else(|e| {
        panic!("this test needs python3 with venv, and PyPI for the first run: {e}");
    });
    let folder = tempfile::tempdir()?;
    let (path, table) = (folder.path().join("events.hepmc"), folder.path().join("columns.json"));
    let cases = [
        (Flavour::B0bar, Lepton::Muon, [0.0; 3], [-511, -313, 13, -13, -321, 211]),
        (Flavour::B0, Lepton::Muon, [1.0, -2.0, 80.0], [511, 313, 13, -13, 321, -211]),
        (Flavour::BMinus, Lepton::Electron, [0.0; 3], [-521, -323, 11, -11, -311, -211]),
        (Flavour::BPlus, Lepton::Electron, [0.0, 0.0, -30.0], [521, 323, 11, -11, 311, 211]),
    ];
    for (flavour, lepton, momentum, numbers) in cases {
        let given = events(flavour, lepton, LineShape::BreitWigner, EVENTS)?;
        let provenance = provenance(flavour, lepton, 42);
        let weights: Vec<f64> = (0..EVENTS).map(|i| i as f64 / 64.0).collect();
        let (decay, b_momentum) = (decay(flavour, lepton)?, BMomentum::new(momentum)?);
        let mut writer = HepMcWriter::create(&path, &provenance, &decay, b_momentum, &["c9=-1"])?;
        writer.write_weighted(&given, &weights)?;
        writer.finish()?;
        fs::write(&table, columns(&given).to_string())?;

        let script = scripts().join("read_hepmc.py");
        let printed = output(Command::new(&python).arg(script).args([&path, &table]))?;
        let found: Value = serde_json::from_slice(&printed)?;
        assert_eq!(found["events"], EVENTS);
        assert_eq!(found["ids"], json!([numbers]));
        let b_meson = &found["b"][0];
        assert_eq!(json!([b_meson[1], b_meson[2], b_meson[3]]), json!(momentum));
        assert_eq!(found["b"].as_array().map(Vec::len), Some(1));
        let (program, version) = provenance.program.split_once(' ').ok_or("no version")?;
        assert_eq!(found["tools"], json!([[program, version]]));
        assert_eq!(found["weight_names"], json!(["Default", "c9=-1"]));
        assert_eq!(found["weights"], json!(weights.iter().map(|w| [1.0, *w]).collect::<Vec<_>>()));
        assert_eq!(found["attributes"]["angle_convention"], "LHCb");
        let json = found["attributes"]["humboldt"].as_str().ok_or("no provenance")?;
        assert_eq!(serde_json::from_str::<Value>(json)?, serde_json::to_value(&provenance)?);

        // The lepton angle loses digits where an electron pair is light and fast.
        let of_leptons = if lepton == Lepton::Muon { 1e-9 } else { 1e-6 };
        for (name, tolerance) in [
            ("conservation", 1e-13),
            ("mass", 1e-13),
            ("q2", 1e-9),
            ("m_kpi", 1e-9),
            ("cos_theta_k", 1e-9),
            ("cos_theta_l", of_leptons),
            ("chi", 1e-9),
        ] {
            let worst = found["worst"][name].as_f64().ok_or(name)?;
            assert!(worst < tolerance, "{flavour} {lepton} {name}: {worst:e}");
        }
    }
    Ok(())
}
