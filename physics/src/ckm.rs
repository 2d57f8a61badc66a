//! The elements of the quark mixing matrix that b -> s l l depends on, from four measured numbers.
//!
//! Standard parametrisation; `gamma = arg(-V_ud V_ub* / V_cd V_cb*)` fixes its phase exactly. The products are those of
//! the amplitude of a b quark; the antiquark sees complex conjugates: these are the weak phases of the Standard Model.

use num_complex::Complex64;

use crate::{Parameters, PhysicsError};

/// Products `xi_q = V_qb V_qs*`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ckm {
    /// `V_tb V_ts*`.
    pub xi_t: Complex64,
    /// `V_ub V_us*`.
    pub xi_u: Complex64,
}

impl Ckm {
    /// From `v_us`, `v_ub`, `v_cb` and `gamma_ckm`.
    ///
    /// # Errors
    /// When an input is missing from the parameters, or a modulus is not between 0 and 1.
    pub fn new(parameters: &Parameters) -> Result<Self, PhysicsError> {
        let modulus = |name: &str| {
            let value = parameters.value(name)?;
            PhysicsError::unless(value > 0.0 && value < 1.0, name, value, "between 0 and 1")?;
            Ok::<f64, PhysicsError>(value)
        };
        let (v_us, v_ub, v_cb) = (modulus("v_us")?, modulus("v_ub")?, modulus("v_cb")?);
        let gamma = parameters.value("gamma_ckm")?;

        let s13 = v_ub;
        let c13 = (1.0 - s13 * s13).sqrt();
        let (s12, s23) = ((v_us / c13).min(1.0), (v_cb / c13).min(1.0));
        let (c12, c23) = ((1.0 - s12 * s12).sqrt(), (1.0 - s23 * s23).sqrt());
        // gamma = delta - arg(-V_cd V_cb*): a fixed point, each step gains a factor |V_ub V_cb / V_us|.
        let minus_v_cd = |delta: f64| s12 * c23 + c12 * s23 * s13 * Complex64::cis(delta);
        let delta = (0..8).fold(gamma, |delta, _| gamma + minus_v_cd(delta).arg());

        let v_ts = -c12 * s23 - s12 * c23 * s13 * Complex64::cis(delta);
        Ok(Self { xi_t: c23 * c13 * v_ts.conj(), xi_u: s13 * Complex64::cis(-delta) * v_us })
    }

    /// `V_ub V_us* / V_tb V_ts*`.
    pub fn xi_u_over_xi_t(&self) -> Complex64 {
        self.xi_u / self.xi_t
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// flavio 2.7.1 from the same four numbers, to its sixteen digits.
    #[test]
    fn flavio_products_of_the_mixing_matrix() {
        let ckm = Ckm::new(Parameters::standard()).unwrap();
        let xi_u = Complex64::new(0.000_333_801_938_046_618_6, -0.000_747_091_247_532_937_9);
        let xi_t = Complex64::new(-0.041_192_939_369_087_05, 0.000_745_775_243_133_319_6);
        assert!((ckm.xi_u - xi_u).norm() < 1e-15, "{}", ckm.xi_u);
        assert!((ckm.xi_t - xi_t).norm() < 1e-15, "{}", ckm.xi_t);
    }

    #[test]
    fn moduli_outside_the_unit_circle_are_refused_by_name() {
        let wrong = Parameters::standard().clone().with_value("v_cb", 1.5).unwrap();
        assert!(matches!(Ckm::new(&wrong), Err(PhysicsError::OutOfRange { field, .. }) if field == "v_cb"));
    }
}
