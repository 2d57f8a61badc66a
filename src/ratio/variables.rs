//! Variables of an event as numbers that a network takes.

use humboldt_physics::{Density, LineShape};
use humboldt_pipeline::EventBatch;
use humboldt_pipeline::scores::relative_rates_as_measured;
use humboldt_schemas::card::RunCard;
use humboldt_schemas::events::EVENT_COLUMNS;

/// Variables that a network is told.
#[derive(Debug, Clone)]
pub struct Variables {
    /// Names, in order.
    names: Vec<String>,
    /// Density of signal around the simulation's point, where q2 and all angles are among them.
    density: Option<Density>,
}

/// What networks are told of events.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Told {
    /// # Shapes
    /// [event, number]
    pub numbers: Vec<f32>,
    /// Coefficients that the true density would have at measured values, of all monomials but the first; empty where these are not all known.
    ///
    /// # Shapes
    /// [event, monomial - 1]
    pub as_measured: Vec<f32>,
}

impl Told {
    /// Of those events of which it is said.
    #[must_use]
    pub fn of(&self, said: &[bool], wanted: bool) -> Self {
        let of = |numbers: &[f32]| {
            let rows = numbers.chunks_exact((numbers.len() / said.len()).max(1)).zip(said);
            rows.filter(|(_, said)| **said == wanted).flat_map(|(row, _)| row.iter().copied()).collect()
        };
        Self { numbers: of(&self.numbers), as_measured: of(&self.as_measured) }
    }
}

impl Variables {
    /// Those of a card; by default q2, the angles, and the K pi mass where it is not that of the pole.
    pub fn of(card: &RunCard) -> Self {
        let narrow = card.generator.line_shape == LineShape::Narrow;
        let default =
            || EVENT_COLUMNS[..if narrow { 4 } else { 5 }].iter().map(|name| (*name).to_owned()).collect();
        Self { names: card.network.variables.clone().unwrap_or_else(default), density: None }
    }

    /// The same variables, and the density that events have without a detector.
    #[must_use]
    pub fn with_density(mut self, density: &Density) -> Self {
        let known = |name: &&str| self.names.iter().any(|own| own == name);
        self.density = EVENT_COLUMNS[..4].iter().all(known).then(|| density.clone());
        self
    }

    /// Names of those that are columns of a user's own.
    pub fn own(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str).filter(|name| !EVENT_COLUMNS.contains(name))
    }

    /// Whether the K pi mass is one.
    pub fn has_mass(&self) -> bool {
        self.names.iter().any(|name| name == EVENT_COLUMNS[4])
    }

    /// Numbers of an event.
    pub fn width(&self) -> usize {
        self.names.iter().map(|name| if name == "q2" || name == "chi" { 2 } else { 1 }).sum()
    }

    /// What networks are told of all events.
    ///
    /// # Shapes
    /// `own` \[variable of a user's own, event\]
    pub fn told(&self, events: &EventBatch, own: &[Vec<f64>]) -> Told {
        let as_measured = |density| relative_rates_as_measured(density, events, self.has_mass());
        let as_measured = self.density.as_ref().map_or_else(Vec::new, as_measured);
        Told { numbers: self.numbers(events, own), as_measured }
    }

    /// The numbers of all events: q2 and its logarithm, as the rate changes by the one near the photon's pole and by the other
    /// elsewhere; cosine and sine of chi; all others as they are.
    ///
    /// # Shapes
    /// `own` \[variable of a user's own, event\]; \[event, number\]
    pub fn numbers(&self, events: &EventBatch, own: &[Vec<f64>]) -> Vec<f32> {
        let mut numbers = Vec::with_capacity(events.len() * self.width());
        for row in 0..events.len() {
            let mut own = own.iter();
            for name in &self.names {
                match name.as_str() {
                    "q2" => numbers.extend([events.q2[row], events.q2[row].max(1e-6).ln()]),
                    "cos_theta_l" => numbers.push(events.cos_theta_l[row]),
                    "cos_theta_k" => numbers.push(events.cos_theta_k[row]),
                    "chi" => {
                        let (sine, cosine) = events.chi[row].sin_cos();
                        numbers.extend([cosine, sine]);
                    }
                    "m_kpi" => numbers.push(events.m_kpi[row]),
                    _ => numbers.extend(own.next().map(|column| column[row] as f32)),
                }
            }
        }
        numbers
    }
}
