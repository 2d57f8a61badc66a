//! Fits of B0bar and B0 in one sample, each event by the density of its own flavour.

use humboldt_infer::background::Background;
use humboldt_infer::density::EventFamily;
use humboldt_infer::likelihood::Likelihood;
use humboldt_infer::mixture::Fraction;
use humboldt_infer::simulation::Simulation;
use humboldt_infer::unbinned::fit;
use humboldt_infer::weights::Weights;
use humboldt_physics::wilson::Part;
use humboldt_physics::{
    Decay, Flavour, Lepton, LineShape, ModelName, WilsonCoefficient, WilsonDirection, WilsonShifts,
};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::generate::{EventSampler, Q2Windows};
use humboldt_pipeline::rng::StreamKey;

const WINDOW: [(f64, f64); 1] = [(1.1, 8.0)];
const C9: WilsonDirection = WilsonDirection::real(WilsonCoefficient::C9);
const C9_IM: WilsonDirection = WilsonDirection { coefficient: WilsonCoefficient::C9, part: Part::Imaginary };
const BOTH: [Flavour; 2] = [Flavour::B0bar, Flavour::B0];

fn decay(flavour: Flavour, c9: f64, c9_im: f64) -> Decay {
    let shifts = WilsonShifts::delta_c9(c9).moved(C9_IM, c9_im);
    Decay::new(ModelName::Npr, flavour, Lepton::Muon, &shifts).unwrap()
}

fn events(flavour: Flavour, line_shape: LineShape, seed: u64, n: usize) -> EventBatch {
    let windows = Q2Windows::new(&[(Some(WINDOW[0].0), Some(WINDOW[0].1))], &[]).unwrap();
    let sampler = EventSampler::new(&decay(flavour, -0.9, 1.3), line_shape, &windows).unwrap();
    sampler.generate(StreamKey::new(seed), n).0
}

fn families(line_shape: LineShape) -> [EventFamily; 2] {
    BOTH.map(|flavour| {
        EventFamily::new(&decay(flavour, 0.0, 0.0), line_shape, &WINDOW, &[C9, C9_IM]).unwrap()
    })
}

/// Events of both in turns, three B0bar for two B0; which is which.
fn mixed(line_shape: LineShape, n: usize) -> (EventBatch, [EventBatch; 2], Vec<usize>) {
    let parts = [events(BOTH[0], line_shape, 1, 3 * n), events(BOTH[1], line_shape, 2, 2 * n)];
    let mut all = EventBatch::default();
    let mut which = Vec::new();
    for i in 0..n {
        for (k, (of, parts)) in [3, 2].into_iter().zip(&parts).enumerate() {
            all.append(&parts.rows(of * i..of * (i + 1)));
            which.extend(vec![k; of]);
        }
    }
    (all, parts, which)
}

/// A mixed sample is the joint fit of both halves, and finds an imaginary shift that both see with opposite signs.
#[test]
fn a_mixed_sample_is_the_joint_fit_of_both_halves() {
    for line_shape in LineShape::ALL {
        let families = families(line_shape);
        let (all, parts, which) = mixed(line_shape, 1500);
        let both: Vec<&EventFamily> = families.iter().collect();
        let joint = Likelihood::of_densities(&both, |row| which[row], &all, 0).unwrap();
        let halves = [0, 1].map(|k| Likelihood::new(&families[k], &parts[k], 0).unwrap());
        for point in [[0.0, 0.0], [-1.0, 0.7], [0.4, -1.2]] {
            let [first, second] = [0, 1].map(|k| halves[k].jet(&point));
            let jet = joint.jet(&point);
            assert!((jet.value - first.value - second.value).abs() < 1e-8 * jet.value.abs().max(1.0));
            assert!((&jet.gradient - &first.gradient - &second.gradient).amax() < 1e-7);
            assert!((&jet.hessian - &first.hessian - &second.hessian).amax() < 1e-7);
            assert!((joint.value(&point) - jet.value).abs() < 1e-8);
        }
        let fitted = fit(&joint).unwrap();
        let sigma = fitted.sigma();
        println!("{line_shape}: {:?} +- {sigma:?}", fitted.values);
        assert!((fitted.values[0] + 0.9).abs() < 3.5 * sigma[0]);
        assert!((fitted.values[1] - 1.3).abs() < 3.5 * sigma[1]);
        // Errors of both together: informations add.
        let information = [0, 1].map(|k| halves[k].jet(&fitted.values).hessian);
        let expected = (&information[0] + &information[1]).try_inverse().unwrap();
        assert!((&expected - &fitted.covariance).amax() < 1e-9);
    }
}

/// With weights of 1, a simulation of both and a background it is the sum of both halves again, and so are the variances that
/// the simulations add.
#[test]
fn halves_have_their_own_simulation_and_one_background() {
    let shape = LineShape::Narrow;
    let own = families(shape);
    let simulated = [events(BOTH[0], shape, 11, 30_000), events(BOTH[1], shape, 12, 20_000)];
    let references = BOTH
        .map(|flavour| EventFamily::new(&decay(flavour, -0.9, 1.3), shape, &WINDOW, &[C9, C9_IM]).unwrap());
    let families = [0, 1].map(|k| {
        let simulation = Simulation::new(&own[k], &references[k], &simulated[k], None).unwrap();
        own[k].clone().with_simulation(simulation)
    });
    let (all, parts, which) = mixed(shape, 600);
    let sample = events(BOTH[0], shape, 21, 4000);
    let background = Background::new(&families[0], &sample, None, &[], Some(2)).unwrap();
    let known = Fraction::Fixed(0.2);
    let both: Vec<&EventFamily> = families.iter().collect();
    let joint = Likelihood::of_densities(&both, |row| which[row], &all, 0).unwrap();
    let joint = joint.weighted(Weights::new(vec![1.0; all.len()]).unwrap()).unwrap();
    let joint = joint.with_background(&all, &background, known).unwrap();
    let point = [-0.7, 0.9];
    let halves = [0, 1].map(|k| {
        let half = Likelihood::new(&families[k], &parts[k], 0).unwrap();
        let weights = Weights::new(vec![1.0; parts[k].len()]).unwrap();
        half.weighted(weights).unwrap().with_background(&parts[k], &background, known).unwrap()
    });
    let [first, second] = [0, 1].map(|k| halves[k].jet(&point));
    let jet = joint.jet(&point);
    assert!((jet.value - first.value - second.value).abs() < 1e-7);
    assert!((&jet.hessian - &first.hessian - &second.hessian).amax() < 1e-7);
    // Both simulations are of finite size.
    let plain = Likelihood::of_densities(&both, |row| which[row], &all, 0).unwrap();
    let fitted = fit(&plain.with_background(&all, &background, known).unwrap()).unwrap();
    assert!(fitted.covariance[(0, 0)] > 1.02 * fitted.curved[(0, 0)]);
}

/// A sample of one flavour that is said to be mixed is fitted as that flavour.
#[test]
fn a_flavour_without_events_does_not_count() {
    let families = families(LineShape::Narrow);
    let all = events(BOTH[1], LineShape::Narrow, 5, 3000);
    let both: Vec<&EventFamily> = families.iter().collect();
    let joint = fit(&Likelihood::of_densities(&both, |_| 1, &all, 0).unwrap()).unwrap();
    assert_eq!(joint, fit(&Likelihood::new(&families[1], &all, 0).unwrap()).unwrap());
}
