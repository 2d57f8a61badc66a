//! Variables of an event as numbers that a network takes.

use humboldt_physics::LineShape;
use humboldt_pipeline::EventBatch;
use humboldt_schemas::card::RunCard;
use humboldt_schemas::events::EVENT_COLUMNS;

/// Names of the variables that a network is told, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Variables(Vec<String>);

impl Variables {
    /// Those of a card; by default q2, the angles, and the K pi mass where it is not that of the pole.
    pub fn of(card: &RunCard) -> Self {
        let narrow = card.generator.line_shape == LineShape::Narrow;
        let default =
            || EVENT_COLUMNS[..if narrow { 4 } else { 5 }].iter().map(|name| (*name).to_owned()).collect();
        Self(card.network.variables.clone().unwrap_or_else(default))
    }

    /// Names of those that are columns of a user's own.
    pub fn own(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str).filter(|name| !EVENT_COLUMNS.contains(name))
    }

    /// Whether the K pi mass is one.
    pub fn has_mass(&self) -> bool {
        self.0.iter().any(|name| name == EVENT_COLUMNS[4])
    }

    /// Numbers of an event.
    pub fn width(&self) -> usize {
        self.0.iter().map(|name| if name == "q2" || name == "chi" { 2 } else { 1 }).sum()
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
            for name in &self.0 {
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
