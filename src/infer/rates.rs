//! Rates as exact quadratic functions of shifts, at points of phase space and integrated.

use std::f64::consts::PI;

use humboldt_physics::amplitudes::TransversityAmplitudes;
use humboldt_physics::convention::exchange_lhcb_and_theory;
use humboldt_physics::kinematics::PhaseSpacePoint;
use humboldt_physics::quadrature::{fourfold_steps, nodes};
use humboldt_physics::{AngularCoefficients, Decay, WilsonDirection};

/// `J_1s..J_9` (LHCb convention) in [`AngularCoefficients::ORDER`].
pub(super) type Angular = [f64; 12];

/// `1, cos chi, sin chi, cos 2 chi, sin 2 chi`: which of them is the chi of each coefficient's function.
pub(super) const HARMONIC: [usize; 12] = [0, 0, 0, 0, 3, 1, 1, 0, 0, 2, 2, 4];

/// The functions of the angles that belong to `J_1s..J_9`, with the factor 9/(32 pi): the rate is the sum of products.
pub(super) fn angular_functions(cos_theta_l: f64, cos_theta_k: f64, chi: f64) -> Angular {
    let (sin, cos) = chi.sin_cos();
    let harmonics = [1.0, cos, sin, (cos - sin) * (cos + sin), 2.0 * sin * cos];
    let polar = polar_functions(cos_theta_l, cos_theta_k);
    std::array::from_fn(|i| polar[i] * harmonics[HARMONIC[i]])
}

/// [`angular_functions`] without their harmonics of chi.
pub(super) fn polar_functions(cos_theta_l: f64, cos_theta_k: f64) -> Angular {
    let (l, k) = (cos_theta_l, cos_theta_k);
    let (sin2_l, sin2_k, cos2_k) = ((1.0 - l) * (1.0 + l), (1.0 - k) * (1.0 + k), k * k);
    let cos_2l = 2.0 * l * l - 1.0;
    let double = sin2_k * sin2_l;
    let single = 2.0 * k * double.sqrt();
    let functions = [
        sin2_k,
        cos2_k,
        sin2_k * cos_2l,
        cos2_k * cos_2l,
        double,
        2.0 * single * l,
        single,
        sin2_k * l,
        cos2_k * l,
        single,
        2.0 * single * l,
        double,
    ];
    functions.map(|f| 9.0 / (32.0 * PI) * f)
}

/// The integral over the angles.
pub(super) fn rate(j: &Angular) -> f64 {
    AngularCoefficients::from_array(*j).rate()
}

/// The coefficients that amplitudes give.
pub(super) fn angular(point: &PhaseSpacePoint, amplitudes: &TransversityAmplitudes) -> AngularCoefficients {
    exchange_lhcb_and_theory(AngularCoefficients::from_amplitudes(point, amplitudes))
}

/// The coefficients as quadratic functions of shifts away from the decay's own, one entry a monomial of [`super::form`];
/// `None` outside phase space (q2 in GeV^2, K pi mass in GeV).
pub(super) fn expansion(
    decay: &Decay,
    directions: &[WilsonDirection],
    q2: f64,
    m_kpi: f64,
) -> Option<Vec<Angular>> {
    let (point, own) = decay.amplitudes(q2, m_kpi)?;
    let units: Vec<TransversityAmplitudes> =
        directions.iter().map(|direction| decay.derivative(q2, m_kpi, *direction)).collect::<Option<_>>()?;
    let of = |amplitudes| angular(&point, &amplitudes);
    let constant = of(own);
    let squares: Vec<AngularCoefficients> = units.iter().map(|unit| of(*unit)).collect();
    let mut terms = vec![constant];
    // J is a quadratic form: J(A + B) = J(A) + what is linear in both + J(B).
    terms.extend(units.iter().zip(&squares).map(|(unit, square)| of(own + *unit) - constant - *square));
    for (i, unit) in units.iter().enumerate() {
        terms.push(squares[i]);
        terms.extend((i + 1..units.len()).map(|j| of(*unit + units[j]) - squares[i] - squares[j]));
    }
    Some(terms.iter().map(AngularCoefficients::as_array).collect())
}

/// Nodes and weights in q2 (GeV^2) at a K pi mass (GeV) over windows.
pub(super) fn q2_nodes(decay: &Decay, m_kpi: f64, windows: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let mut all = Vec::new();
    for (q2_min, q2_max) in windows {
        let (low, high) = (q2_min.max(decay.q2_min()), q2_max.min(decay.q2_max(m_kpi)));
        if low < high {
            all.extend(nodes(low, high, q2_breaks(decay, low, high)));
        }
    }
    all
}

/// Where a rate changes its behaviour in an interval of q2 (GeV^2), sorted.
pub(super) fn q2_breaks(decay: &Decay, low: f64, high: f64) -> Vec<f64> {
    let steps = fourfold_steps(low, high).chain(decay.q2_thresholds());
    let mut breaks: Vec<f64> = steps.filter(|q2| *q2 > low && *q2 < high).collect();
    breaks.sort_by(f64::total_cmp);
    breaks
}

/// The rate at a K pi mass (GeV), integrated over the angles and windows in q2 (GeV^2): coefficients of the monomials.
pub(super) fn integrated(
    decay: &Decay,
    directions: &[WilsonDirection],
    m_kpi: f64,
    windows: &[(f64, f64)],
) -> Vec<f64> {
    let mut sum = vec![0.0; super::form::count(directions.len())];
    for (q2, weight) in q2_nodes(decay, m_kpi, windows) {
        if let Some(terms) = expansion(decay, directions, q2, m_kpi) {
            sum.iter_mut().zip(&terms).for_each(|(sum, j)| *sum += weight * rate(j));
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use humboldt_physics::{Flavour, Lepton, ModelName, WilsonCoefficient, WilsonShifts};

    use super::super::form::monomials;
    use super::*;

    /// Three shifts at once, one of them imaginary, against a decay that has them.
    #[test]
    fn expansion_is_that_of_a_shifted_decay() {
        let directions = [
            WilsonDirection::real(WilsonCoefficient::C9),
            WilsonDirection::imaginary(WilsonCoefficient::C10),
            WilsonDirection::real(WilsonCoefficient::C7Prime),
        ];
        let shifts = [-1.2, 0.7, 0.15];
        for (model, flavour) in [(ModelName::Npr, Flavour::B0bar), (ModelName::Full, Flavour::B0)] {
            let of = |shifts| Decay::new(model, flavour, Lepton::Muon, &shifts).unwrap();
            let moved = directions
                .iter()
                .zip(shifts)
                .fold(WilsonShifts::default(), |sum, (direction, step)| sum.moved(*direction, step));
            let terms = expansion(&of(WilsonShifts::default()), &directions, 3.3, 0.91).unwrap();
            let expected = of(moved).angular_coefficients(3.3, 0.91);
            let values = monomials(&shifts);
            let (l, k, chi) = (0.31, -0.62, 2.1);
            let f = angular_functions(l, k, chi);
            let got: f64 = terms
                .iter()
                .zip(&values)
                .map(|(j, v)| v * j.iter().zip(&f).map(|(j, f)| j * f).sum::<f64>())
                .sum();
            let want = expected.density(l, k, chi);
            assert!((got / want - 1.0).abs() < 1e-12, "{got} {want}");
            let got: f64 = terms.iter().zip(&values).map(|(j, v)| v * rate(j)).sum();
            assert!((got / expected.rate() - 1.0).abs() < 1e-12);
        }
        let decay = Decay::new(ModelName::Npr, Flavour::B0, Lepton::Muon, &WilsonShifts::default()).unwrap();
        assert_eq!(expansion(&decay, &directions, 25.0, 0.9), None);
    }
}
