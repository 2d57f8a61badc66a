//! Content of a file, and on what it does not depend.

use std::fs;

use humboldt_physics::convention::lhcb_variables;
use humboldt_physics::kinematics::FourMomentum;
use humboldt_physics::{Decay, Flavour, Lepton, LineShape, ModelName, Parameters, WilsonShifts};
use humboldt_pipeline::store::{BMomentum, HepMcWriter};
use humboldt_pipeline::{EventBatch, PipelineError};

use crate::hepmc::reader::{Event, read};
use crate::hepmc::{TestResult, decay, events, part, provenance, write};

/// Conservation at both vertices and the masses, relative to the energy of the B.
fn check_closure(event: &Event) {
    let at = |i: usize| event.particles[i].momentum;
    let energy = at(0).e;
    for (mother, sum) in [(at(0), at(1) + at(2) + at(3)), (at(1), at(4) + at(5))] {
        let worst = [0, 1, 2].map(|i| (mother.p[i] - sum.p[i]).abs()).into_iter().fold(0.0, f64::max);
        assert!(worst.max((mother.e - sum.e).abs()) < 1e-13 * energy, "{event:?}");
    }
    for particle in &event.particles {
        let off_shell = particle.momentum.mass2() - particle.mass * particle.mass;
        assert!(off_shell.abs() < 1e-13 * energy * energy, "{particle:?}");
    }
}

#[test]
fn particles_momenta_and_angles_of_every_decay() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.hepmc");
    let hadrons = [
        (Flavour::B0bar, [-511, -313, -321, 211]),
        (Flavour::B0, [511, 313, 321, -211]),
        (Flavour::BMinus, [-521, -323, -311, -211]),
        (Flavour::BPlus, [521, 323, 311, 211]),
    ];
    for (flavour, [b_meson, kstar, kaon, pion]) in hadrons {
        for (lepton, l_minus, momentum) in
            [(Lepton::Muon, 13, [0.0; 3]), (Lepton::Electron, 11, [3.0, -4.0, 80.0])]
        {
            let given = events(flavour, lepton, LineShape::BreitWigner, 1000)?;
            write(&path, (flavour, lepton, 3), BMomentum::new(momentum)?, &given)?;
            let found = read(&path)?.events;
            assert_eq!(found.len(), 1000);
            let masses = decay(flavour, lepton)?.masses();
            let b_momentum = FourMomentum::on_shell(masses.b_meson, momentum);
            for (i, event) in found.iter().enumerate() {
                let list = |f: fn(&crate::hepmc::reader::Particle) -> i32| {
                    event.particles.iter().map(f).collect::<Vec<_>>()
                };
                assert_eq!(list(|p| p.number), [b_meson, kstar, l_minus, -l_minus, kaon, pion]);
                assert_eq!(list(|p| p.status), [2, 2, 1, 1, 1, 1]);
                assert_eq!(list(|p| p.mother), [0, 1, 1, 1, 2, 2]);
                let of_each: Vec<f64> = event.particles.iter().map(|p| p.mass).collect();
                let m_kpi = f64::from(given.m_kpi[i]);
                let (l, k, pi) = (masses.lepton, masses.kaon, masses.pion);
                assert_eq!(of_each, [masses.b_meson, m_kpi, l, l, k, pi]);
                assert_eq!(event.particles[0].momentum, b_momentum);
                assert_eq!(event.weights, [1.0]);
                check_closure(event);

                let p = event.momenta();
                let angles = lhcb_variables(flavour, p.l_minus, p.l_plus, p.kaon, p.pion);
                let near = |name: &str, got: f64, expected: f32, tolerance: f64| {
                    let difference = (got - f64::from(expected)).abs();
                    assert!(difference < tolerance, "{flavour} {lepton} {name} of {i}: {got}, {expected}");
                };
                near("q2", angles.q2, given.q2[i], 1e-9);
                near("m_kpi", angles.m_kpi, given.m_kpi[i], 1e-9);
                near("cos_theta_k", angles.cos_theta_k, given.cos_theta_k[i], 1e-9);
                if angles.q2 > 0.01 {
                    near("cos_theta_l", angles.cos_theta_l, given.cos_theta_l[i], 1e-8);
                    near("chi", angles.chi, given.chi[i], 1e-8);
                }
            }
        }
    }
    Ok(())
}

#[test]
fn head_tells_program_provenance_and_weights() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.hepmc");
    let mut provenance = provenance(Flavour::B0, Lepton::Muon, 3);
    provenance.card_hash = "a\\b\nc".to_owned();
    let given = events(Flavour::B0, Lepton::Muon, LineShape::Narrow, 700)?;
    let weights: Vec<f64> = (0..1400).map(|i| f64::from(i) / 7.0 - 100.0).collect();
    let mut writer = HepMcWriter::create(
        &path,
        &provenance,
        &decay(Flavour::B0, Lepton::Muon)?,
        BMomentum::default(),
        &["c9=-1", "c10"],
    )?;
    writer.write_weighted(&part(&given, 0..300), &weights[..600])?;
    writer.write_weighted(&part(&given, 300..700), &weights[600..])?;
    writer.finish()?;

    let found = read(&path)?;
    assert_eq!(found.head[0], "W Default\\|c9=-1\\|c10");
    let (program, version) = provenance.program.split_once(' ').ok_or("no version")?;
    assert_eq!(found.head[1], format!("T {program}\\|{version}\\|B -> K* l l events"));
    assert_eq!(found.head[3], "A angle_convention LHCb");
    assert_eq!(found.head.len(), 4);
    let json = found.head[2].strip_prefix("A humboldt ").ok_or("no provenance")?;
    let unescaped = json.replace("\\\\", "\\");
    assert_eq!(serde_json::from_str::<humboldt_schemas::provenance::Provenance>(&unescaped)?, provenance);
    for (event, weights) in found.events.iter().zip(weights.chunks(2)) {
        assert_eq!(event.weights, [1.0, weights[0], weights[1]]);
    }
    Ok(())
}

#[test]
fn masses_are_those_of_the_decay() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.hepmc");
    let (flavour, lepton) = (Flavour::B0, Lepton::Muon);
    let given = events(flavour, lepton, LineShape::Narrow, 3)?;
    let inputs = Parameters::standard().clone().with_value("m_muon", 0.1)?;
    let shifts = WilsonShifts::STANDARD_MODEL;
    let decay = Decay::with_parameters(ModelName::Npr, flavour, lepton, &shifts, &inputs)?;
    let mut writer =
        HepMcWriter::create(&path, &provenance(flavour, lepton, 3), &decay, BMomentum::default(), &[])?;
    writer.write(&given)?;
    writer.finish()?;
    for event in read(&path)?.events {
        assert_eq!((event.particles[2].mass, event.particles[3].mass), (0.1, 0.1));
        check_closure(&event);
    }
    Ok(())
}

#[test]
fn batches_and_threads_do_not_change_a_byte() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.hepmc");
    // More than one group of blocks, and no whole number of them.
    let n = 40_000;
    let given = events(Flavour::B0bar, Lepton::Muon, LineShape::BreitWigner, n)?;
    let (flavour, lepton) = (Flavour::B0bar, Lepton::Muon);
    let decay = decay(flavour, lepton)?;
    write(&path, (flavour, lepton, 3), BMomentum::default(), &given)?;
    let whole = fs::read(&path)?;
    for (threads, step) in [(1, n), (3, n), (2, 1), (2, 511), (2, 10_007)] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build()?;
        pool.install(|| -> Result<(), PipelineError> {
            let mut writer = HepMcWriter::create(
                &path,
                &provenance(flavour, lepton, 3),
                &decay,
                BMomentum::default(),
                &[],
            )?;
            for start in (0..n).step_by(step) {
                writer.write(&part(&given, start..n.min(start + step)))?;
            }
            writer.finish()
        })?;
        assert!(fs::read(&path)? == whole, "{threads} threads, batches of {step}");
    }
    write(&path, (flavour, lepton, 4), BMomentum::default(), &given)?;
    let other = read(&path)?.events;
    fs::write(&path, &whole)?;
    let same = read(&path)?.events.iter().zip(&other).filter(|(a, b)| a.momenta() == b.momenta()).count();
    assert_eq!(same, 0, "orientations do not follow the seed");
    Ok(())
}

/// Means of `a_i` (0) and `a_i b_j` (given) for unit vectors, within five standard deviations of `n` events.
fn check_moments(vectors: &[[[f64; 3]; 2]]) {
    let n = vectors.len() as f64;
    let mean = |f: &dyn Fn(&[[f64; 3]; 2]) -> f64| vectors.iter().map(f).sum::<f64>() / n;
    for i in 0..3 {
        for which in 0..2 {
            // Variance 1/3 of a component, 4/45 of its square, 1/15 of a product of two.
            assert!(mean(&|v| v[which][i]).abs() < 5.0 * (1.0 / 3.0 / n).sqrt(), "mean of {which} {i}");
            for j in 0..3 {
                let expected = if i == j { 1.0 / 3.0 } else { 0.0 };
                let moment = mean(&|v| v[which][i] * v[which][j]);
                assert!(
                    (moment - expected).abs() < 5.0 * (4.0 / 45.0 / n).sqrt(),
                    "{which} {i} {j}: {moment}"
                );
            }
        }
        for j in 0..3 {
            // Two orthogonal axes of one rotation: no mean product, variance 1/9 at most 2/15.
            assert!(mean(&|v| v[0][i] * v[1][j]).abs() < 5.0 * (2.0 / 15.0 / n).sqrt(), "product {i} {j}");
        }
    }
}

#[test]
fn orientations_are_uniform_and_do_not_know_the_decay() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.hepmc");
    let n = 50_000;
    let one = |value: f32| vec![value; n];
    // One decay in n orientations.
    let given = EventBatch {
        q2: one(6.0),
        cos_theta_l: one(0.3),
        cos_theta_k: one(-0.4),
        chi: one(1.0),
        m_kpi: one(0.9),
    };
    write(&path, (Flavour::B0bar, Lepton::Muon, 3), BMomentum::default(), &given)?;
    let dot = |a: [f64; 3], b: [f64; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let unit = |v: [f64; 3]| v.map(|x| x / dot(v, v).sqrt());
    let axes = |path| -> Result<Vec<_>, Box<dyn std::error::Error>> {
        let axes = |event: &Event| {
            let [flight, kaon] = [1, 4].map(|i| event.particles[i].momentum.p);
            let flight = unit(flight);
            let along = dot(kaon, flight);
            [flight, unit([0, 1, 2].map(|i| kaon[i] - along * flight[i]))]
        };
        Ok(read(path)?.events.iter().map(axes).collect())
    };
    let found = axes(&path)?;
    check_moments(&found);

    // Another decay with the same seed: the same orientations, event by event.
    let other = EventBatch { q2: one(1.0), chi: one(-2.0), cos_theta_k: one(0.9), ..given };
    write(&path, (Flavour::B0, Lepton::Electron, 3), BMomentum::default(), &other)?;
    for (a, b) in found.as_flattened().iter().zip(axes(&path)?.as_flattened()) {
        assert!(dot(*a, *b) > 1.0 - 1e-9, "{a:?} {b:?}");
    }
    Ok(())
}

/// Runs must be repeatable with later versions: a change here is a change of every orientation ever made.
#[test]
fn regress_first_orientations() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.hepmc");
    let one = |value: f32| vec![value; 513];
    let given = EventBatch {
        q2: one(6.0),
        cos_theta_l: one(0.5),
        cos_theta_k: one(0.5),
        chi: one(1.0),
        m_kpi: one(0.9),
    };
    write(&path, (Flavour::B0bar, Lepton::Muon, 1), BMomentum::default(), &given)?;
    let found = read(&path)?.events;
    for (event, expected) in [
        (0, [-1.063_215_977_703_974_2, 0.605_000_255_943_276_3, 1.519_466_677_659_287_8]),
        (512, [-0.349_002_919_101_382_9, -1.822_357_561_015_618_6, -0.602_031_885_967_282]),
    ] {
        let p = found[event].particles[1].momentum.p;
        assert!(p.iter().zip(expected).all(|(p, e)| (p - e).abs() < 1e-12), "{event}: {p:?}");
    }
    Ok(())
}

/// Columns are f32, so that events at the ends of phase space may lie outside of it by their rounding.
#[test]
fn every_generated_event_is_accepted() -> TestResult {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("events.hepmc");
    for flavour in Flavour::ALL {
        for (lepton, shape) in Lepton::ALL.into_iter().flat_map(|l| LineShape::ALL.map(|s| (l, s))) {
            let given = events(flavour, lepton, shape, 50_000)?;
            write(&path, (flavour, lepton, 3), BMomentum::default(), &given)?;
        }
    }
    Ok(())
}
