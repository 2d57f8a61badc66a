//! Momenta of B mesons in the laboratory.

use humboldt_physics::kinematics::FourMomentum;
use humboldt_schemas::card::{Beams, DetectorCard, Forward};

use crate::rng::Draws;

/// The distribution of the momentum of a B meson.
#[derive(Debug, Clone, Copy)]
pub(super) enum Spectrum {
    /// One of two from the Upsilon(4S): their momentum in its rest frame (GeV), and the four-momentum of both.
    Pair { mass: f64, momentum: f64, both: FourMomentum },
    /// Of proton collisions.
    Forward { mass: f64, shape: Forward },
}

impl Spectrum {
    /// That of a card for a B of some mass (GeV); `None` where it says none.
    pub(super) fn new(card: &DetectorCard, mass: f64) -> Option<Self> {
        let pair = |beams: Beams| {
            let Beams { electron, positron, crossing } = beams;
            let (sin, cos) = (0.5 * crossing).sin_cos();
            let p = [(electron + positron) * sin, 0.0, (electron - positron) * cos];
            let both = FourMomentum { e: electron + positron, p };
            Self::Pair { mass, momentum: (0.25 * both.mass2() - mass * mass).max(0.0).sqrt(), both }
        };
        card.beams.map(pair).or(card.forward.map(|shape| Self::Forward { mass, shape }))
    }

    /// A momentum in GeV.
    pub(super) fn draw(&self, draws: &mut Draws) -> [f64; 3] {
        match *self {
            Self::Pair { mass, momentum, both } => {
                let cos = sine_squared(draws);
                let (sin_phi, cos_phi) = draws.angle().sin_cos();
                let sin = ((1.0 - cos) * (1.0 + cos)).sqrt();
                let at_rest = [sin * cos_phi, sin * sin_phi, cos].map(|x| momentum * x);
                // A frame in which something of the opposite momentum rests is the laboratory.
                let laboratory = FourMomentum { e: both.e, p: both.p.map(|x| -x) };
                FourMomentum::on_shell(mass, at_rest).boosted_to_rest_frame_of(&laboratory).p
            }
            Self::Forward { mass, shape: Forward { pt, rapidity: [low, high], fall } } => {
                // u is the part above pt: (1 + pt^2/pt_0^2)^-2.
                let pt = pt * (draws.uniform_above_zero().powf(-0.5) - 1.0).max(0.0).sqrt();
                let part = falling(draws.uniform(), fall);
                let rapidity = low + (high - low) * part;
                let (sin_phi, cos_phi) = draws.angle().sin_cos();
                [pt * cos_phi, pt * sin_phi, mass.hypot(pt) * rapidity.sinh()]
            }
        }
    }
}

/// The cosine of an angle to the beams that a spin-1 particle's two pseudoscalars have: density `1 - cos^2`.
fn sine_squared(draws: &mut Draws) -> f64 {
    // The integral (2 + 3 c - c^3)/4 = u is solved by c = 2 cos((theta + 4 pi)/3) with cos theta = 1 - 2 u.
    let theta = (1.0 - 2.0 * draws.uniform()).clamp(-1.0, 1.0).acos();
    (2.0 * ((theta + 4.0 * std::f64::consts::PI) / 3.0).cos()).clamp(-1.0, 1.0)
}

/// The place in [0, 1] below which a part `u` of a density lies that falls linearly by a part `fall`.
fn falling(u: f64, fall: f64) -> f64 {
    // x - fall x^2/2 = u (1 - fall/2), in the form that holds without a fall too.
    let area = u * (1.0 - 0.5 * fall);
    2.0 * area / (1.0 + (1.0 - 2.0 * fall * area).max(0.0).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::StreamKey;

    const MASS: f64 = 5.27964;

    fn sample(name: &str, n: usize) -> Vec<[f64; 3]> {
        let card = DetectorCard::named(name).unwrap().filled().unwrap();
        let spectrum = Spectrum::new(&card, MASS).unwrap();
        let mut draws = Draws::new(StreamKey::new(5).block(0));
        (0..n).map(|_| spectrum.draw(&mut draws)).collect()
    }

    fn mean(values: impl Iterator<Item = f64>) -> f64 {
        let (sum, n) = values.fold((0.0, 0.0), |(sum, n), x| (sum + x, n + 1.0));
        sum / n
    }

    /// The mean velocity is the boost of the Upsilon(4S): beta gamma 0.28 (arXiv:1808.10567); the transverse spread is that of
    /// the momentum 0.327 GeV, of which 2/5 of the square lie along either axis across the beams.
    #[test]
    fn mesons_of_the_upsilon_have_its_boost() {
        let momenta = sample("belle2", 50_000);
        let pz = mean(momenta.iter().map(|p| p[2]));
        assert!((pz / MASS - 0.284).abs() < 0.004, "{}", pz / MASS);
        let py2 = mean(momenta.iter().map(|p| p[1] * p[1]));
        let momentum = (py2 / 0.4).sqrt();
        assert!((momentum - 0.322).abs() < 0.006, "{momentum}");
    }

    #[test]
    fn forward_mesons_have_their_spectrum() {
        let momenta = sample("lhcb", 50_000);
        let pt = mean(momenta.iter().map(|p| p[0].hypot(p[1])));
        assert!((pt - 6.5 * std::f64::consts::FRAC_PI_4).abs() < 0.06, "{pt}");
        let rapidity = |p: &[f64; 3]| (p[2] / MASS.hypot(p[0].hypot(p[1]))).asinh();
        assert!(momenta.iter().all(|p| (1.9999..=4.5001).contains(&rapidity(p))));
        // 1/2 - fall/3 over 1 - fall/2 of the range.
        let expected = 2.0 + 2.5 * (0.5 - 0.65 / 3.0) / (1.0 - 0.65 / 2.0);
        assert!((mean(momenta.iter().map(rapidity)) - expected).abs() < 0.01);
    }
}
