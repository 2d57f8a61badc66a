//! Phase space of B -> (K pi) l l and four-momenta; natural units, GeV.

/// Two-body function `(a - b - c)^2 - 4 b c` of squared masses, in GeV^4; symmetric in its arguments.
pub fn kallen(a: f64, b: f64, c: f64) -> f64 {
    (a - b - c).powi(2) - 4.0 * b * c
}

/// Momentum of either particle in the rest frame of a pair of mass `m`, in GeV; 0 at and below threshold.
pub fn two_body_momentum(m: f64, m_1: f64, m_2: f64) -> f64 {
    // Factored, so that nothing cancels near threshold.
    let product = (m - m_1 - m_2) * (m + m_1 + m_2) * (m - m_1 + m_2) * (m + m_1 - m_2);
    if m > m_1 + m_2 { product.sqrt() / (2.0 * m) } else { 0.0 }
}

/// One point of phase space before the angles.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PhaseSpacePoint {
    /// Mass of the B meson in GeV.
    pub m_b_meson: f64,
    /// Mass of the K pi pair in GeV.
    pub m_kpi: f64,
    /// Mass of the lepton in GeV.
    pub m_lepton: f64,
    /// Squared mass of the lepton pair in GeV^2.
    pub q2: f64,
    /// `lambda(mB^2, mKpi^2, q2)` in GeV^4.
    pub lambda: f64,
    /// `beta_l = sqrt(1 - 4 m_l^2/q2)`.
    pub beta_l: f64,
}

impl PhaseSpacePoint {
    /// The point at `q2` (GeV^2) for masses in GeV; `None` on and outside the boundary `4 m_l^2 < q2 < (mB - mKpi)^2`
    /// and for anything that is not a number.
    pub fn new(m_b_meson: f64, m_kpi: f64, m_lepton: f64, q2: f64) -> Option<Self> {
        let (sum, difference) = (m_b_meson + m_kpi, m_b_meson - m_kpi);
        let below_end_point = difference * difference - q2;
        let above_threshold = q2 - 4.0 * m_lepton * m_lepton;
        let inside = m_kpi > 0.0 && difference > 0.0 && below_end_point > 0.0 && above_threshold > 0.0;
        inside.then(|| Self {
            m_b_meson,
            m_kpi,
            m_lepton,
            q2,
            lambda: (sum * sum - q2) * below_end_point,
            beta_l: (above_threshold / q2).sqrt(),
        })
    }
}

/// A four-momentum in GeV.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct FourMomentum {
    /// Energy.
    pub e: f64,
    /// Three-momentum, axes x, y, z.
    pub p: [f64; 3],
}

impl FourMomentum {
    /// Invariant mass squared in GeV^2.
    pub fn mass2(&self) -> f64 {
        self.e * self.e - dot(self.p, self.p)
    }

    /// This momentum as seen in the rest frame of `frame`, by a pure boost.
    #[must_use]
    pub fn boosted_to_rest_frame_of(&self, frame: &Self) -> Self {
        let mass = frame.mass2().sqrt();
        let e = (self.e * frame.e - dot(self.p, frame.p)) / mass;
        let along = (self.e + e) / (frame.e + mass);
        Self { e, p: [0, 1, 2].map(|i| self.p[i] - along * frame.p[i]) }
    }

    /// A particle of mass `mass` (GeV) with three-momentum `p`: the energy follows.
    pub fn on_shell(mass: f64, p: [f64; 3]) -> Self {
        Self { e: (mass * mass + dot(p, p)).sqrt(), p }
    }
}

impl std::ops::Add for FourMomentum {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { e: self.e + other.e, p: [0, 1, 2].map(|i| self.p[i] + other.p[i]) }
    }
}

/// Masses of a B -> (K pi) l l decay in GeV; that of the K pi pair belongs to the event.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DecayMasses {
    /// B meson.
    pub b_meson: f64,
    /// Kaon.
    pub kaon: f64,
    /// Pion.
    pub pion: f64,
    /// Either lepton.
    pub lepton: f64,
}

/// Four-momenta of the final state of B -> (K pi) l l, GeV, all in one frame.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
#[allow(missing_docs, reason = "the names are those of the particles")]
pub struct DecayMomenta {
    pub l_minus: FourMomentum,
    pub l_plus: FourMomentum,
    pub kaon: FourMomentum,
    pub pion: FourMomentum,
}

impl DecayMomenta {
    /// The decay turned as a whole, in the B frame, then seen from where the B (mass `masses.b_meson`) has the
    /// three-momentum `b_momentum` (GeV).
    ///
    /// Every particle is put back on its mass shell after that: a rotation and a boost in f64 leave it by some 1e-16
    /// of its energy, which is a large part of an electron's mass.
    #[must_use]
    pub fn placed(&self, masses: &DecayMasses, orientation: &Rotation, b_momentum: [f64; 3]) -> Self {
        let b_meson = FourMomentum::on_shell(masses.b_meson, b_momentum);
        let place = |momentum: &FourMomentum, mass| {
            let p = orientation.turned(momentum.p);
            let e = (b_meson.e * momentum.e + dot(b_momentum, p)) / masses.b_meson;
            let along = (momentum.e + e) / (b_meson.e + masses.b_meson);
            FourMomentum::on_shell(mass, [0, 1, 2].map(|i| p[i] + along * b_momentum[i]))
        };
        Self {
            l_minus: place(&self.l_minus, masses.lepton),
            l_plus: place(&self.l_plus, masses.lepton),
            kaon: place(&self.kaon, masses.kaon),
            pion: place(&self.pion, masses.pion),
        }
    }
}

/// Daughters of masses `m_1` and `m_2` of a pair of mass `m` (all GeV) that flies along z with momentum `p_z` (GeV);
/// the first goes into `direction` (a unit vector) in the pair's frame.
pub(crate) fn daughters_along_z(
    m: f64,
    p_z: f64,
    [m_1, m_2]: [f64; 2],
    direction: [f64; 3],
) -> [FourMomentum; 2] {
    let p = two_body_momentum(m, m_1, m_2);
    let e = m.hypot(p_z);
    [(m_1, p), (m_2, -p)].map(|(mass, p)| {
        let along = p * direction[2];
        let p_z = (e * along + p_z * mass.hypot(p)) / m;
        FourMomentum::on_shell(mass, [p * direction[0], p * direction[1], p_z])
    })
}

/// A rotation of space.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rotation([[f64; 3]; 3]);

impl Rotation {
    /// No rotation.
    pub const IDENTITY: Self = Self([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]);

    /// Every orientation equally probable for three independent numbers uniform in [0, 1].
    ///
    /// # Source
    /// K. Shoemake, "Uniform random rotations", Graphics Gems III (1992): a point on the unit sphere of quaternions.
    pub fn from_uniform(uniform: [f64; 3]) -> Self {
        let [u, v, w] = uniform;
        let (first, second) = ((1.0 - u).sqrt(), u.sqrt());
        let ((sin_v, cos_v), (sin_w, cos_w)) =
            ((std::f64::consts::TAU * v).sin_cos(), (std::f64::consts::TAU * w).sin_cos());
        let [x, y, z, s] = [first * sin_v, first * cos_v, second * sin_w, second * cos_w];
        Self([
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * s), 2.0 * (x * z + y * s)],
            [2.0 * (x * y + z * s), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * s)],
            [2.0 * (x * z - y * s), 2.0 * (y * z + x * s), 1.0 - 2.0 * (x * x + y * y)],
        ])
    }

    /// A vector turned.
    pub fn turned(&self, v: [f64; 3]) -> [f64; 3] {
        self.0.map(|row| dot(row, v))
    }
}

/// Scalar product of two three-vectors.
pub(crate) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

/// Vector product of two three-vectors.
pub(crate) fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lambda_is_the_kallen_function() {
        let point = PhaseSpacePoint::new(5.27964, 0.89555, 0.105_658_37, 6.0).unwrap();
        let expected = kallen(5.27964_f64.powi(2), 0.89555_f64.powi(2), 6.0);
        assert!((point.lambda / expected - 1.0).abs() < 1e-13);
    }

    #[test]
    fn boundary_and_non_numbers_are_outside() {
        let (m_b, m_kpi, m_l) = (5.27964_f64, 0.89555_f64, 0.105_658_37_f64);
        for q2 in [4.0 * m_l * m_l, (m_b - m_kpi) * (m_b - m_kpi), 0.0, -1.0, 30.0, f64::NAN, f64::INFINITY] {
            assert_eq!(PhaseSpacePoint::new(m_b, m_kpi, m_l, q2), None, "q2 = {q2}");
        }
        for m_kpi in [f64::NAN, 0.0, -1.0, 5.3, 6.0] {
            assert_eq!(PhaseSpacePoint::new(m_b, m_kpi, m_l, 1.0), None, "m_kpi = {m_kpi}");
        }
    }

    #[test]
    fn boost_keeps_masses_and_brings_the_frame_to_rest() {
        let frame = FourMomentum { e: 7.0, p: [1.0, -2.0, 3.0] };
        let other = FourMomentum { e: 2.0, p: [0.3, 0.4, -1.2] };
        let at_rest = frame.boosted_to_rest_frame_of(&frame);
        assert!(
            at_rest.p.iter().all(|p| p.abs() < 1e-12) && (at_rest.e - frame.mass2().sqrt()).abs() < 1e-12
        );
        assert!((other.boosted_to_rest_frame_of(&frame).mass2() - other.mass2()).abs() < 1e-12);
    }
}
