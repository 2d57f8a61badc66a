//! A detector to try things on: decays in the laboratory, tracks that are seen or not, and what is measured of them.
//!
//! The B has the momentum of a collider's B mesons and decays in any orientation; each of its four tracks is seen, measured
//! and identified with what the card says. q2, angles and masses are those of the measured four-momenta. Where kaon
//! and pion are taken for each other, their masses are exchanged and the B is taken for its antiparticle, so that all angles
//! are the antiparticle's.

mod laboratory;
mod performance;
mod table;
mod tracks;

use humboldt_physics::convention::{DecayVariables, lhcb_momenta, lhcb_variables};
use humboldt_physics::kinematics::{DecayMasses, DecayMomenta, FourMomentum};
use humboldt_physics::{Decay, Flavour};
use humboldt_schemas::card::{DetectorCard, Efficiencies, Selection, WrongCandidates};
use rayon::prelude::*;

use self::laboratory::Spectrum;
pub use self::performance::Performance;
pub use self::table::measured_schema;
use self::tracks::{Kind, Measurement};
use crate::rng::{BLOCK, Draws, StreamKey};
use crate::{EventBatch, PipelineError};

/// A detector for the decays of one meson.
#[derive(Debug, Clone)]
pub struct Detector {
    flavour: Flavour,
    masses: DecayMasses,
    q2_min: f64,
    spectrum: Spectrum,
    measurement: Measurement,
    /// The part of events, all of whose tracks are seen, that is reconstructed and identified.
    efficiency: f64,
    swap: f64,
    wrong: WrongCandidates,
    selection: Selection,
}

/// Events that a detector has kept, as it measures them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Measured {
    /// The rows of those that it was given.
    pub rows: Vec<usize>,
    /// q2, angles and K pi mass.
    pub events: EventBatch,
    /// Mass of all four particles in GeV.
    pub m_b: Vec<f32>,
    /// Whether kaon and pion were taken for each other.
    pub swapped: Vec<bool>,
}

impl Measured {
    fn push(&mut self, row: usize, one: &One) {
        self.rows.push(row);
        self.events.push(&one.variables);
        self.m_b.push(one.m_b as f32);
        self.swapped.push(one.swapped);
    }

    fn append(&mut self, other: &Self) {
        self.rows.extend(&other.rows);
        self.events.append(&other.events);
        self.m_b.extend(&other.m_b);
        self.swapped.extend(&other.swapped);
    }
}

/// One event as it is measured.
pub(crate) struct One {
    pub(crate) variables: DecayVariables,
    pub(crate) m_b: f64,
    pub(crate) swapped: bool,
}

impl Detector {
    /// The detector of a card for a decay.
    ///
    /// # Errors
    /// For a decay with a neutral kaon, which is no track; for numbers that the card refuses.
    pub fn new(card: &DetectorCard, decay: &Decay) -> Result<Self, PipelineError> {
        if decay.flavour().is_charged() {
            let allowed = "B0, B0bar: four tracks; a neutral kaon is none";
            return Err(PipelineError::out_of_range("flavour for a detector", decay.flavour(), allowed));
        }
        let card = card.filled().map_err(|e| PipelineError::out_of_range(&e.field, e.got, e.allowed))?;
        let missing =
            |what: &str| PipelineError::out_of_range(&format!("detector.{what}"), "nothing", "given");
        let Efficiencies { track, kaon, pion, lepton } =
            card.efficiency.ok_or_else(|| missing("efficiency"))?;
        Ok(Self {
            flavour: decay.flavour(),
            masses: decay.masses(),
            q2_min: decay.q2_min(),
            spectrum: Spectrum::new(&card, decay.m_b_meson()).ok_or_else(|| missing("beams"))?,
            measurement: Measurement::new(&card).ok_or_else(|| missing("tracks"))?,
            efficiency: track.powi(4) * kaon * pion * lepton.powi(2),
            swap: card.swap.unwrap_or_default(),
            wrong: card.wrong.ok_or_else(|| missing("wrong"))?,
            selection: card.selection.ok_or_else(|| missing("selection"))?,
        })
    }

    /// Measures events, of which the first is row `first_row` of its table, on all threads of the current pool.
    ///
    /// Every block of events has a random stream of its own, so that the result depends on neither threads nor other blocks.
    ///
    /// # Errors
    /// For an event outside phase space, with its row.
    pub fn measure(
        &self,
        truth: &EventBatch,
        stream: StreamKey,
        first_row: u64,
    ) -> Result<Measured, PipelineError> {
        let starts: Vec<usize> = (0..truth.len()).step_by(BLOCK).collect();
        let parts: Vec<Measured> = starts
            .into_par_iter()
            .map(|start| {
                let rows = start..truth.len().min(start + BLOCK);
                self.block(truth, rows, stream, first_row)
            })
            .collect::<Result<_, _>>()?;
        let mut all = Measured::default();
        for part in &parts {
            all.append(part);
        }
        Ok(all)
    }

    fn block(
        &self,
        truth: &EventBatch,
        rows: std::ops::Range<usize>,
        stream: StreamKey,
        first_row: u64,
    ) -> Result<Measured, PipelineError> {
        let mut draws = Draws::new(stream.block(first_row + rows.start as u64));
        let mut measured = Measured::default();
        for row in rows {
            let [q2, cos_theta_l, cos_theta_k, chi, m_kpi] =
                truth.columns().map(|column| f64::from(column[row]));
            let event = DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi };
            let one = self.one(&event, &mut draws).map_err(|e| {
                PipelineError::out_of_range(
                    &format!("row {}", first_row + row as u64),
                    e,
                    "events inside phase space",
                )
            })?;
            if let Some(one) = one {
                measured.push(row, &one);
            }
        }
        Ok(measured)
    }

    /// One event; `None` where it is lost.
    pub(crate) fn one(
        &self,
        event: &DecayVariables,
        draws: &mut Draws,
    ) -> Result<Option<One>, PipelineError> {
        // The cheapest of all that can lose an event comes first.
        if draws.uniform() >= self.efficiency {
            return Ok(None);
        }
        let momenta = lhcb_momenta(self.flavour, &self.masses, event)?;
        let b_meson = self.spectrum.draw(draws);
        let truth = momenta.placed(&self.masses, &draws.rotation(), b_meson);
        let seen = self.measurement.sees(&truth.kaon, Kind::Hadron)
            && self.measurement.sees(&truth.pion, Kind::Hadron)
            && self.measurement.sees(&truth.l_minus, Kind::Lepton)
            && self.measurement.sees(&truth.l_plus, Kind::Lepton);
        if !seen {
            return Ok(None);
        }
        let swapped = draws.uniform() < self.swap;
        let tracks = self.tracks(&truth, draws);
        Ok(self.selected(&tracks, swapped))
    }

    /// The measured three-momenta of kaon, pion, l- and l+.
    fn tracks(&self, truth: &DecayMomenta, draws: &mut Draws) -> [[f64; 3]; 4] {
        let mut pion = truth.pion.p;
        if draws.uniform() < self.wrong.fraction {
            let [g, u, v] = draws.normals();
            let across = self.wrong.direction;
            pion = tracks::turned(pion, (self.wrong.momentum * g).exp(), [across * u, across * v]);
        }
        [truth.kaon.p, pion, truth.l_minus.p, truth.l_plus.p]
            .map(|p| self.measurement.measured(p, draws.normals()))
    }

    /// Event of measured momenta; `None` where the selection rejects it.
    fn selected(&self, &[kaon, pion, l_minus, l_plus]: &[[f64; 3]; 4], swapped: bool) -> Option<One> {
        let masses = &self.masses;
        let (kaon, pion) = if swapped { (pion, kaon) } else { (kaon, pion) };
        let flavour = if swapped { self.flavour.conjugate() } else { self.flavour };
        let kaon = FourMomentum::on_shell(masses.kaon, kaon);
        let pion = FourMomentum::on_shell(masses.pion, pion);
        let [l_minus, l_plus] = [l_minus, l_plus].map(|p| FourMomentum::on_shell(masses.lepton, p));
        let Selection { m_kpi: [low, high], m_b: [lightest, heaviest] } = self.selection;
        let m_kpi = (kaon + pion).mass2().sqrt();
        let m_b = (l_minus + l_plus + kaon + pion).mass2().sqrt();
        if !(low..=high).contains(&m_kpi) || !(lightest..=heaviest).contains(&m_b) {
            return None;
        }
        let variables = lhcb_variables(flavour, l_minus, l_plus, kaon, pion);
        let end = (masses.b_meson - m_kpi).powi(2);
        let inside = variables.q2 > self.q2_min && variables.q2 < end && variables.chi.is_finite();
        inside.then_some(One { variables, m_b, swapped })
    }
}

#[cfg(test)]
mod tests {
    use std::f64::consts::PI;

    use humboldt_physics::{Lepton, LineShape, ModelName, WilsonShifts};
    use humboldt_schemas::card::{MomentumResolution, Tracks};

    use super::*;
    use crate::generate::{EventSampler, Q2Windows};

    fn decay(flavour: Flavour) -> Decay {
        Decay::new(ModelName::Npr, flavour, Lepton::Muon, &WilsonShifts::default()).unwrap()
    }

    fn events(n: usize) -> EventBatch {
        let windows = Q2Windows::new(&[(Some(0.1), Some(19.2))], &[]).unwrap();
        let sampler = EventSampler::new(&decay(Flavour::B0bar), LineShape::BreitWigner, &windows).unwrap();
        sampler.generate(StreamKey::new(1), n).0
    }

    fn measured(card: &DetectorCard, truth: &EventBatch) -> Measured {
        let detector = Detector::new(card, &decay(Flavour::B0bar)).unwrap();
        detector.measure(truth, StreamKey::new(2), 0).unwrap()
    }

    /// A detector that measures exactly and sees all.
    fn perfect(swap: f64) -> DetectorCard {
        let all = [0.0, 0.0];
        DetectorCard {
            base: Some("belle2".to_owned()),
            swap: Some(swap),
            direction: Some([0.0, 0.0]),
            momentum: Some(MomentumResolution { transverse: false, points: vec![[1.0, 0.0]] }),
            tracks: Some(Tracks { theta: [0.0, PI], slopes: None, hadron: all, lepton: all }),
            efficiency: Some(Efficiencies { track: 1.0, kaon: 1.0, pion: 1.0, lepton: 1.0 }),
            wrong: Some(WrongCandidates { fraction: 0.0, momentum: 0.0, direction: 0.0 }),
            selection: Some(Selection { m_kpi: [0.0, 5.0], m_b: [0.0, 10.0] }),
            ..DetectorCard::default()
        }
    }

    #[test]
    fn a_perfect_detector_changes_nothing() {
        let truth = events(10_000);
        let Measured { rows, events, m_b, swapped } = measured(&perfect(0.0), &truth);
        // Rounding may put an event at the very end of phase space outside.
        assert!(rows.len() >= 9_999, "{}", rows.len());
        for (i, row) in rows.iter().enumerate() {
            for (k, (a, b)) in truth.columns().iter().zip(events.columns()).enumerate() {
                let difference = (a[*row] - b[i]).abs();
                // chi of 0 and of 2 pi are the same; it is loose where the planes are.
                let sin = (1.0 - f64::from(events.cos_theta_l[i]).powi(2))
                    * (1.0 - f64::from(events.cos_theta_k[i]).powi(2));
                let turn = 2.0 * std::f32::consts::PI;
                let difference = if k == 3 { difference.min((turn - difference).abs()) } else { difference };
                let close = if k == 3 { 1e-6 / sin.sqrt() } else { 4e-6 };
                assert!(f64::from(difference) < close.max(4e-6), "{row} {k}: {} {}", a[*row], b[i]);
            }
            assert!((m_b[i] - 5.2797).abs() < 1e-3 && !swapped[i]);
        }
    }

    /// Exchanged masses do not change q2, and move the frame of the B a little: all else are the antiparticle's angles.
    #[test]
    fn a_swap_makes_the_antiparticle_of_exchanged_hadrons() {
        let truth = events(4_000);
        let Measured { rows, events, swapped, .. } = measured(&perfect(1.0), &truth);
        assert!(swapped.iter().all(|swapped| *swapped) && rows.len() > 3_900);
        let mut moved = [0.0; 3];
        for (i, row) in rows.iter().enumerate() {
            assert!((events.q2[i] - truth.q2[*row]).abs() < 1e-4);
            moved[0] += f64::from((events.cos_theta_l[i] + truth.cos_theta_l[*row]).abs());
            // n(pi, K) is opposite to n(K, pi), and so is n(l+, l-): cos chi stays.
            moved[1] += f64::from((events.chi[i].cos() - truth.chi[*row].cos()).abs());
            moved[2] += f64::from((events.chi[i].sin() + truth.chi[*row].sin()).abs());
        }
        let mean = moved.map(|sum| sum / rows.len() as f64);
        assert!(mean[0] < 0.02 && mean[1] < 0.15 && mean[2] < 0.15, "{mean:?}");
    }

    #[test]
    fn results_do_not_depend_on_threads_and_batches_begin_at_blocks() {
        let truth = events(3 * BLOCK + 100);
        let detector =
            Detector::new(&DetectorCard::named("belle2").unwrap(), &decay(Flavour::B0bar)).unwrap();
        let all = detector.measure(&truth, StreamKey::new(2), 0).unwrap();
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        assert_eq!(all, pool.install(|| detector.measure(&truth, StreamKey::new(2), 0)).unwrap());
        let second =
            detector.measure(&truth.rows(BLOCK..2 * BLOCK), StreamKey::new(2), BLOCK as u64).unwrap();
        let of_second: Vec<usize> =
            all.rows.iter().filter(|row| (BLOCK..2 * BLOCK).contains(*row)).map(|row| row - BLOCK).collect();
        assert_eq!(second.rows, of_second);
    }

    /// Belle II's own study keeps 0.29 to 0.37, and draws resolutions up to 0.15 GeV^2, 0.015, 0.06 and 0.04 rad.
    #[test]
    fn resolutions_and_efficiencies_are_those_of_the_page() {
        let truth = events(60_000);
        for (name, efficiency, widths) in [
            ("belle2", 0.27..0.37, [0.05, 0.004, 0.006, 0.015]),
            ("lhcb", 0.05..0.60, [0.08, 0.003, 0.006, 0.01]),
        ] {
            let Measured { rows, events, .. } = measured(&DetectorCard::named(name).unwrap(), &truth);
            let kept = rows.len() as f64 / truth.len() as f64;
            let spread = [0, 1, 2, 3].map(|k| {
                let mut off: Vec<f32> = rows
                    .iter()
                    .enumerate()
                    .map(|(i, row)| (events.columns()[k][i] - truth.columns()[k][*row]).abs())
                    .collect();
                off.sort_by(f32::total_cmp);
                // 68.3 % of a Gaussian.
                f64::from(off[off.len() * 683 / 1000])
            });
            println!("{name}: efficiency {kept:.3}, half widths {spread:.4?}");
            assert!(efficiency.contains(&kept), "{name}: {kept}");
            for (got, expected) in spread.iter().zip(widths) {
                assert!((0.4 * expected..2.0 * expected).contains(got), "{name}: {spread:?}");
            }
        }
    }

    #[test]
    fn charged_mesons_are_refused() {
        let error = Detector::new(&DetectorCard::default(), &decay(Flavour::BMinus)).unwrap_err().to_string();
        assert!(error.contains("flavour for a detector = B-"), "{error}");
    }
}
