//! The resonances of the dispersive charm loop.

use crate::support::kstar;
use humboldt_physics::channel::KSTAR_892;
use humboldt_physics::charmonium::Charmonium;
use humboldt_physics::quadrature::integrate;
use humboldt_physics::{AngularCoefficients, Decay, Flavour, Lepton, ModelName, Parameters, WilsonShifts};

fn decay(model: ModelName) -> Decay {
    Decay::new(model, Flavour::B0bar, Lepton::Muon, &WilsonShifts::STANDARD_MODEL).expect("no shifts")
}

fn charmonium() -> Charmonium {
    Charmonium::new(Parameters::standard()).expect("built-in inputs")
}

/// Rate between two q2 at a K pi mass.
fn rate(decay: &Decay, m_kpi: f64, q2_min: f64, q2_max: f64) -> f64 {
    let (low, high) = (q2_min.max(decay.q2_min()), q2_max.min(decay.q2_max(m_kpi)));
    if low >= high {
        return 0.0;
    }
    let mut sum = AngularCoefficients::ZERO;
    let growing = (0..5).map(|i| 0.1 * 4.0_f64.powi(i));
    sum += integrate(low, high, growing.chain(decay.q2_thresholds()), |q2| {
        decay.angular_coefficients(q2, m_kpi)
    });
    sum.rate()
}

/// Regions of EvtGen's events with its resonances on: 90.6 % within 0.3 GeV^2 of the J/psi, 7.9 % of the psi(2S).
#[test]
fn evtgen_fractions_at_the_resonances() {
    let decay = decay(ModelName::Npr).with_charmonium(&charmonium()).expect("npr has a charm loop");
    let fraction = |low: f64, high: f64| {
        let slice = |m_kpi: f64| {
            kstar().density(m_kpi) * rate(&decay, m_kpi, low, high) / rate(&decay, m_kpi, 0.0, 30.0)
        };
        let over_masses =
            |f: &dyn Fn(f64) -> f64| integrate(KSTAR_892.range.0, KSTAR_892.range.1, [kstar().pole()], f);
        over_masses(&slice) / over_masses(&|m_kpi| kstar().density(m_kpi))
    };
    let around = |mass: f64| fraction(mass * mass - 0.3, mass * mass + 0.3);
    let (j_psi, psi_2s) = (around(3.0969), around(3.6861));
    assert!((j_psi - 0.906).abs() < 0.001, "{j_psi}");
    assert!((psi_2s - 0.079).abs() < 0.001, "{psi_2s}");
}

/// Far below the resonances the dispersion relation gives what the quark loop gives, up to their tails.
#[test]
fn resonances_leave_low_q2_almost_alone() {
    for model in [ModelName::Npr, ModelName::Nnlo, ModelName::Full] {
        let (plain, with) =
            (decay(model), decay(model).with_charmonium(&charmonium()).expect("a charm loop"));
        let ratio = rate(&with, 0.89555, 1.1, 4.0) / rate(&plain, 0.89555, 1.1, 4.0);
        assert!((ratio - 1.0).abs() < 0.1, "{model}: {ratio}");
        // A peak of eight decades above the rest.
        let peak = |decay: &Decay| decay.angular_coefficients(3.0969 * 3.0969, 0.89555).rate();
        assert!(peak(&with) > 1e4 * peak(&plain), "{model}");
    }
    assert!(decay(ModelName::Bare).with_charmonium(&charmonium()).is_err());
}
