//! Tracks that are seen, and their measured momenta.

use humboldt_physics::kinematics::FourMomentum;
use humboldt_physics::points::between;
use humboldt_schemas::card::{DetectorCard, Tracks};

/// Steps of the table of resolutions.
const STEPS: usize = 512;

/// Kinds of tracks with conditions of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Hadron,
    Lepton,
}

/// Acceptance and resolution of tracks.
#[derive(Debug, Clone)]
pub(super) struct Measurement {
    /// The cosines of the least and the largest polar angle.
    cosines: [f64; 2],
    slopes: Option<[f64; 2]>,
    /// Least momentum and transverse momentum, squared, by kind.
    least: [[f64; 2]; 2],
    transverse: bool,
    first: f64,
    steps_per_gev: f64,
    resolution: Vec<f64>,
    direction: [f64; 2],
}

impl Measurement {
    /// Of a card; `None` where it does not say all.
    pub(super) fn new(card: &DetectorCard) -> Option<Self> {
        let (Tracks { theta, slopes, hadron, lepton }, momentum) = (card.tracks?, card.momentum.as_ref()?);
        let (first, last) = (momentum.points.first()?[0], momentum.points.last()?[0]);
        let step = (last - first) / STEPS as f64;
        Some(Self {
            cosines: theta.map(f64::cos),
            slopes,
            least: [hadron, lepton].map(|least| least.map(|p| p * p)),
            transverse: momentum.transverse,
            first,
            steps_per_gev: if step > 0.0 { 1.0 / step } else { 0.0 },
            resolution: (0..=STEPS)
                .map(|i| between(&momentum.points, step.mul_add(i as f64, first)))
                .collect(),
            direction: card.direction?,
        })
    }

    /// Whether a track is seen.
    pub(super) fn sees(&self, track: &FourMomentum, kind: Kind) -> bool {
        let [px, py, pz] = track.p;
        let pt2 = px * px + py * py;
        let p2 = pt2 + pz * pz;
        let [least, least_transverse] = self.least[kind as usize];
        let [most, fewest] = self.cosines;
        let along = p2.sqrt();
        let within = |[x, y]: [f64; 2]| px.abs() < x * pz && py.abs() < y * pz;
        p2 >= least
            && pt2 >= least_transverse
            && pz <= most * along
            && pz >= fewest * along
            && self.slopes.is_none_or(within)
    }

    /// A momentum as it is measured, by three normal numbers.
    pub(super) fn measured(&self, p: [f64; 3], [g, u, v]: [f64; 3]) -> [f64; 3] {
        let pt2 = p[0] * p[0] + p[1] * p[1];
        let size = (pt2 + p[2] * p[2]).sqrt();
        let sigma = self.resolution(if self.transverse { pt2.sqrt() } else { size });
        let [constant, over_p] = self.direction;
        let across = constant.hypot(over_p / size);
        turned(p, 1.0 + sigma * g, [across * u, across * v])
    }

    /// The relative resolution at a momentum (GeV), from the table.
    fn resolution(&self, p: f64) -> f64 {
        let place = ((p - self.first) * self.steps_per_gev).clamp(0.0, STEPS as f64);
        let i = (place as usize).min(STEPS - 1);
        let (low, high) = (self.resolution[i], self.resolution[i + 1]);
        low + (place - i as f64) * (high - low)
    }
}

/// A momentum times a factor, turned by small angles (rad) along its azimuth and its polar angle; its size is the
/// factor's.
pub(super) fn turned(p: [f64; 3], factor: f64, [u, v]: [f64; 2]) -> [f64; 3] {
    let pt = p[0].hypot(p[1]).max(1e-12);
    let size = pt.hypot(p[2]);
    let (cos_phi, sin_phi) = (p[0] / pt, p[1] / pt);
    let (cos, sin) = (p[2] / size, pt / size);
    let n = [
        sin * cos_phi - u * sin_phi + v * cos * cos_phi,
        sin * sin_phi + u * cos_phi + v * cos * sin_phi,
        cos - v * sin,
    ];
    let scale = factor * size / (1.0 + u * u + v * v).sqrt();
    n.map(|x| scale * x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str) -> Measurement {
        Measurement::new(&DetectorCard::named(name).unwrap().filled().unwrap()).unwrap()
    }

    #[test]
    fn resolution_is_that_of_the_points() {
        let lhcb = of("lhcb");
        for (p, expected) in [(2.0, 0.0050), (5.0, 0.0050), (50.0, 0.0066), (90.0, 0.0083), (1e4, 0.0112)] {
            assert!((lhcb.resolution(p) - expected).abs() < 2e-5, "{p}: {}", lhcb.resolution(p));
        }
    }

    #[test]
    fn tracks_outside_are_not_seen() {
        let (lhcb, belle2) = (of("lhcb"), of("belle2"));
        let track = |p| FourMomentum::on_shell(0.1396, p);
        assert!(lhcb.sees(&track([0.5, 0.5, 10.0]), Kind::Hadron));
        assert!(!lhcb.sees(&track([0.5, 0.5, 10.0]), Kind::Lepton), "too little transverse momentum");
        assert!(
            !lhcb.sees(&track([0.5, 2.6, 10.0]), Kind::Hadron)
                && !lhcb.sees(&track([0.0, 1.0, -10.0]), Kind::Hadron)
        );
        assert!(
            belle2.sees(&track([0.3, 0.0, -0.2]), Kind::Hadron)
                && !belle2.sees(&track([0.3, 0.0, -0.2]), Kind::Lepton)
        );
        assert!(
            !belle2.sees(&track([0.3, 0.0, -0.9]), Kind::Hadron)
                && !belle2.sees(&track([0.05, 0.0, 0.05]), Kind::Hadron)
        );
    }

    #[test]
    fn a_turned_momentum_has_its_size_and_angle() {
        let p = [1.0, -2.0, 3.0];
        let q = turned(p, 1.1, [3e-4, -4e-4]);
        let dot = |a: [f64; 3], b: [f64; 3]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f64>();
        assert!((dot(q, q).sqrt() / dot(p, p).sqrt() - 1.1).abs() < 1e-12);
        let cos = dot(p, q) / (dot(p, p) * dot(q, q)).sqrt();
        assert!(((1.0 - cos * cos).sqrt() - 5e-4).abs() < 1e-7);
    }
}
