//! Monte Carlo uncertainties against flavio's; see `tests/reference/README.md`.

use crate::support::{number, numbers, quantity};
use humboldt_physics::uncertainty::{Spread, Variation};
use humboldt_physics::{ModelName, Parameters, Plan, Quantity, Theory, WilsonShifts};
use serde_json::Value;

const REFERENCE: &str = include_str!("../../tests/reference/theory_uncertainties.json");

/// Unit normals by the polar method from a multiplicative congruential generator with a fixed seed.
struct Normals(u64);

impl Normals {
    fn uniform(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn next(&mut self) -> f64 {
        loop {
            let (u, v) = (2.0 * self.uniform() - 1.0, 2.0 * self.uniform() - 1.0);
            let square = u * u + v * v;
            if square > 0.0 && square < 1.0 {
                return u * (-2.0 * square.ln() / square).sqrt();
            }
        }
    }
}

fn samples(plan: &Plan, muon_shifts: WilsonShifts, count: usize) -> Vec<Vec<f64>> {
    let variation = Variation::new(Parameters::standard()).expect("built-in inputs");
    let mut normals = Normals(7);
    (0..count)
        .map(|_| {
            let draw: Vec<f64> = (0..variation.dimension()).map(|_| normals.next()).collect();
            let parameters = variation.varied(&draw).expect("finite normals");
            let theory = Theory { muon_shifts, ..Theory::new(ModelName::Full, &parameters) };
            plan.values(&theory).expect("a valid theory")
        })
        .collect()
}

#[test]
fn flavio_theory_uncertainties() {
    let file: Value = serde_json::from_str(REFERENCE).expect("valid JSON");
    let list: Vec<Quantity> = file["observables"]
        .as_array()
        .expect("observables")
        .iter()
        .map(|o| quantity(o["name"].as_str().expect("a name"), number(&o["q2min"]), number(&o["q2max"])))
        .collect();
    let plan = Plan::new(&list);
    for (name, shifts) in [("SM", WilsonShifts::STANDARD_MODEL), ("C9=-1", WilsonShifts::delta_c9(-1.0))] {
        let spread = Spread::of(&samples(&plan, shifts, 1000)).expect("samples");
        let expected = numbers(&file[name]["std"]);
        let (mut squares, mut close) = (0.0, 0);
        for (quantity, (got, expected)) in list.iter().zip(spread.sigma.iter().zip(&expected)) {
            let ratio = got / expected;
            assert!((ratio - 1.0).abs() < 0.25, "{name}, {quantity:?}: {got:e} against {expected:e}");
            squares += ratio.ln().powi(2);
            close += usize::from((ratio - 1.0).abs() < 0.2);
        }
        assert!(close + 3 >= list.len(), "{name}: {close} of {} sigmas within 20 %", list.len());
        // The 100 draws leave 7 % on each of the reference's sigmas, 0.1 on each of its correlations.
        let rms = (squares / list.len() as f64).sqrt();
        assert!(rms < 0.09, "{name}: sigmas differ by {rms} on average");
        let mut differences = Vec::new();
        for i in 0..list.len() {
            for j in 0..i {
                differences.push(spread.correlation[i][j] - number(&file[name]["corr"][i][j]));
            }
        }
        let rms = (differences.iter().map(|d| d * d).sum::<f64>() / differences.len() as f64).sqrt();
        assert!(rms < 0.11, "{name}: correlations differ by {rms} on average");
    }
}
