//! Speed of the physics on one core: the rate at a point, and the 37 quantities of a global fit in three ways.

use criterion::{Criterion, criterion_group, criterion_main};
use humboldt_physics::{
    Flavour, Hadron, Lepton, ModelName, Observable, Parameters, PhysicsError, Plan, QuadraticForm, Quantity,
    Theory, WilsonCoefficient, WilsonDirection,
};

/// The quantities of list A in `tests/reference/flavio_37_grid.json`.
fn quantities() -> Vec<Quantity> {
    let low = [(1.1, 2.5), (2.5, 4.0), (4.0, 6.0), (6.0, 8.0)];
    let mut list = Vec::new();
    let mut add = |flavour, hadron, observable, (q2_min, q2_max): (f64, f64)| {
        list.push(Quantity {
            flavour,
            hadron,
            lepton: Lepton::Muon,
            observable,
            q2_min,
            q2_max,
            massless: false,
        });
    };
    for observable in [Observable::P1, Observable::P2, Observable::P4p, Observable::P5p] {
        for bin in low.into_iter().chain([(15.0, 17.0), (17.0, 19.0)]) {
            add(Flavour::B0, Hadron::Kstar, observable, bin);
        }
    }
    for bin in [(0.1, 2.0), (2.0, 4.0), (4.0, 6.0), (6.0, 8.0), (15.0, 22.0)] {
        add(Flavour::B0, Hadron::Kaon, Observable::DBrDq2, bin);
    }
    for bin in [(0.1, 0.98)].into_iter().chain(low).chain([(15.0, 19.0)]) {
        add(Flavour::B0, Hadron::Kstar, Observable::DBrDq2, bin);
    }
    add(Flavour::BPlus, Hadron::Kaon, Observable::RK, (1.1, 6.0));
    add(Flavour::B0, Hadron::Kstar, Observable::RKstar, (1.1, 6.0));
    list
}

fn observables(criterion: &mut Criterion) {
    run(criterion).unwrap_or_else(|error| panic!("{error}"));
}

fn run(criterion: &mut Criterion) -> Result<(), PhysicsError> {
    let plan = Plan::new(&quantities());
    let directions = [WilsonCoefficient::C9, WilsonCoefficient::C10]
        .map(|coefficient| (Lepton::Muon, WilsonDirection::real(coefficient)));
    for model in [ModelName::Npr, ModelName::Full] {
        let theory = Theory::new(model, Parameters::standard());
        let decay = theory.decay(Flavour::B0, Lepton::Muon)?;
        let mut group = criterion.benchmark_group(model.name());
        group.sample_size(20);
        group.bench_function("angular coefficients", |bencher| {
            bencher.iter(|| decay.angular_coefficients(std::hint::black_box(3.3), 0.9));
        });
        group.bench_function("37 quantities", |bencher| bencher.iter(|| plan.values(&theory)));
        let form = QuadraticForm::new(&theory, &plan, &directions)?;
        group.bench_function("37 quantities, quadratic form", |bencher| {
            bencher.iter(|| form.values(std::hint::black_box(&[-0.9, 0.2])));
        });
        group.finish();
    }
    Ok(())
}

criterion_group!(benches, observables);
criterion_main!(benches);
