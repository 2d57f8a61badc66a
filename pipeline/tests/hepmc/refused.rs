//! Requests that are refused, by name, without a file.

use std::path::Path;

use humboldt_physics::{Flavour, Lepton};
use humboldt_pipeline::store::{BMomentum, HepMcWriter};
use humboldt_pipeline::{EventBatch, PipelineError};

use crate::hepmc::{TestResult, decay, provenance};

fn batch(events: usize) -> EventBatch {
    let column = |value: f32| vec![value; events];
    EventBatch {
        q2: column(6.0),
        cos_theta_l: column(0.1),
        cos_theta_k: column(0.2),
        chi: column(0.3),
        m_kpi: column(0.9),
    }
}

fn field<T>(result: Result<T, PipelineError>) -> String {
    match result {
        Err(PipelineError::OutOfRange { field, .. }) => field,
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("accepted"),
    }
}

#[test]
fn momenta_of_the_b_are_read_strictly() -> TestResult {
    assert_eq!("0, -2.5,8e1".parse::<BMomentum>()?.components(), [0.0, -2.5, 80.0]);
    assert_eq!(BMomentum::default().components(), [0.0; 3]);
    for text in ["", "80", "1,2", "1,2,3,4", "1,2,x", "1,2,nan", "inf,0,0", "0,0,1e6", "1;2;3"] {
        assert_eq!(field(text.parse::<BMomentum>()), "b_momentum", "{text}");
    }
    let message = "1,2".parse::<BMomentum>().expect_err("two numbers").to_string();
    assert_eq!(message, "b_momentum = 1,2 is not allowed; allowed: px,py,pz in GeV, such as 0,0,80");
    Ok(())
}

#[test]
fn names_of_weights_and_missing_folders() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.hepmc");
    let create = |path: &Path, names| {
        let (flavour, lepton) = (Flavour::B0, Lepton::Muon);
        let provenance = provenance(flavour, lepton, 1);
        HepMcWriter::create(path, &provenance, &decay(flavour, lepton)?, BMomentum::default(), names)
    };
    for names in [&[""][..], &["a", "a"], &["Default"], &["a|b"], &["a\\b"], &["a\nb"], &["a b"]] {
        assert_eq!(field(create(&path, names)), "name of a weight");
    }
    let missing = folder.path().join("none/events.hepmc");
    let error = create(&missing, &[]).expect_err("no folder");
    assert!(matches!(error, PipelineError::Io { path, .. } if path == missing));
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0);
    Ok(())
}

#[test]
fn columns_weights_and_events_outside_phase_space() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.hepmc");
    let (flavour, lepton) = (Flavour::B0, Lepton::Muon);
    let (provenance, decay) = (provenance(flavour, lepton, 1), decay(flavour, lepton)?);
    let start =
        |weights: &[&str]| HepMcWriter::create(&path, &provenance, &decay, BMomentum::default(), weights);
    let no_mass = EventBatch { m_kpi: Vec::new(), ..batch(2) };
    assert_eq!(field(start(&[])?.write(&no_mass)), "length of m_kpi");
    assert_eq!(field(start(&["a", "b"])?.write(&batch(2))), "length of weights");
    assert_eq!(field(start(&["a"])?.write_weighted(&batch(2), &[1.0])), "length of weights");
    assert_eq!(field(start(&[])?.write_weighted(&batch(2), &[1.0, 1.0])), "length of weights");
    assert_eq!(field(start(&["a"])?.write_weighted(&batch(2), &[1.0, f64::NAN])), "weight");

    // Two wrong events: the first is named, whichever thread meets which.
    let mut events = batch(40_000);
    (events.q2[30_000], events.cos_theta_k[35_000]) = (20.0, 1.5);
    let mut writer = start(&[])?;
    writer.write(&batch(10))?;
    assert_eq!(field(writer.write(&events)), "q2 of event 30010");
    let mut events = batch(3);
    events.chi[1] = f32::NAN;
    assert_eq!(field(start(&[])?.write(&events)), "chi of event 1");

    drop(writer);
    assert_eq!(std::fs::read_dir(folder.path())?.count(), 0, "an unfinished file stayed");
    Ok(())
}
