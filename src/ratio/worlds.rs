//! Data that differ from the simulation: what a wrong simulation costs.

use std::str::FromStr;

use humboldt_schemas::card::{BackgroundCard, DetectorCard, GeneratorCard, SWaveCard};
use humboldt_schemas::comparison::SystematicShift;

use super::experiments::World;
use super::source::Source;
use crate::error::Error;

/// Factor of the resolution of data, and of their background, over those of the simulation.
const MORE: f64 = 1.2;

/// Error that a simulation may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wrong {
    /// Resolution of momenta and directions.
    Resolution,
    /// Number of background events for each of signal.
    Background,
    /// S-wave: there where none was simulated, or the other way round.
    SWave,
}

impl Wrong {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Resolution, Self::Background, Self::SWave];

    /// Its name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolution => "resolution",
            Self::Background => "background",
            Self::SWave => "s_wave",
        }
    }

    /// Data that have it, and how they differ in words; none where the events of a card cannot have it.
    ///
    /// # Errors
    /// For an unknown detector.
    pub fn world(self, source: &Source) -> Result<Option<(String, World)>, Error> {
        let own = World::simulated(source);
        let effects = &own.generator.effects;
        Ok(match (self, source.has_files()) {
            (Self::Resolution, false) => match &effects.detector {
                Some(detector) => {
                    let detector = Some(with_worse_resolution(&detector.filled()?));
                    let words = "resolution 20 % worse than simulated".to_owned();
                    Some((words, with(&own, |generator| generator.effects.detector = detector)))
                }
                None => None,
            },
            (Self::Background, has_files) if own.fraction > 0.0 => {
                let words = "20 % more background than simulated".to_owned();
                let fraction = MORE * own.fraction / (1.0 + (MORE - 1.0) * own.fraction);
                let fresh = effects.background.as_ref().filter(|_| !has_files).map(with_more);
                let world = match fresh {
                    Some(card) => with(&own, |generator| generator.effects.background = Some(card)),
                    None => own,
                };
                Some((words, World { fraction, ..world }))
            }
            (Self::SWave, false) => {
                let simulated = effects.s_wave.is_some();
                let words =
                    if simulated { "no S-wave, which was simulated" } else { "an S-wave, not simulated" };
                let s_wave = (!simulated).then(SWaveCard::default);
                Some((words.to_owned(), with(&own, |generator| generator.effects.s_wave = s_wave)))
            }
            _ => None,
        })
    }
}

impl FromStr for Wrong {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|wrong| wrong.name() == text);
        found.ok_or_else(|| format!("allowed: {}, none", Self::ALL.map(Self::name).join(", ")))
    }
}

/// Data of another generator.
pub fn of_test(source: &Source, test: &SystematicShift) -> (String, World) {
    let own = World::simulated(source);
    (test.description.clone(), World { generator: test.generator.clone(), ..own })
}

fn with(world: &World, change: impl FnOnce(&mut GeneratorCard)) -> World {
    let mut changed = world.clone();
    change(&mut changed.generator);
    changed
}

/// Of a detector all of whose numbers are given.
fn with_worse_resolution(detector: &DetectorCard) -> DetectorCard {
    let mut worse = detector.clone();
    if let Some(momentum) = &mut worse.momentum {
        momentum.points.iter_mut().for_each(|[_, sigma]| *sigma *= MORE);
    }
    worse.direction.iter_mut().flatten().for_each(|sigma| *sigma *= MORE);
    worse
}

/// As many events of each kind of background for each of signal, times that.
fn with_more(card: &BackgroundCard) -> BackgroundCard {
    let BackgroundCard { combinatorial, swap, j_psi, psi_2s, .. } = card;
    let total = 1.0 + (MORE - 1.0) * (combinatorial + j_psi + psi_2s);
    BackgroundCard {
        combinatorial: MORE * combinatorial / total,
        swap: swap / total,
        j_psi: MORE * j_psi / total,
        psi_2s: MORE * psi_2s / total,
        ..card.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_background_stands_beside_the_same_signal() {
        let card = BackgroundCard { combinatorial: 0.4, swap: 0.1, ..BackgroundCard::default() };
        let more = with_more(&card);
        let signal = |card: &BackgroundCard| card.parts()[0];
        assert!((more.combinatorial / signal(&more) - 1.2 * 0.4 / 0.5).abs() < 1e-12);
        assert!((more.swap / signal(&more) - 0.1 / 0.5).abs() < 1e-12);
    }

    #[test]
    fn a_worse_resolution_is_worse_in_all_its_numbers() {
        let own = DetectorCard::named("belle2").unwrap().filled().unwrap();
        let worse = with_worse_resolution(&own);
        let [a, b] = [&own, &worse].map(|card| card.momentum.as_ref().unwrap().points[0]);
        assert!((b[1] / a[1] - 1.2).abs() < 1e-12 && b[0].to_bits() == a[0].to_bits());
        assert!((worse.direction.unwrap()[1] / own.direction.unwrap()[1] - 1.2).abs() < 1e-12);
    }
}
