//! The account of how events were made.

/// Account of how a sample came about.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct GenerationReport {
    /// Events delivered.
    pub events: u64,
    /// Candidates drawn: in whole chunks, so some more than were needed.
    pub trials: u64,
    /// Candidates that became events, whether delivered or beyond the number asked for.
    pub accepted: u64,
    /// Candidates for which the exact density was computed; all others are events by the bounds.
    pub exact_evaluations: u64,
    /// Candidates whose exact density exceeds the envelope that they were drawn from: too few events lie there.
    pub over_weights: u64,
    /// The largest ratio of exact density to envelope that was met; above 1 if there are over-weights.
    pub max_over_weight: f64,
    /// Candidates whose exact density falls short of the bound under which events are accepted untested: too many
    /// events lie there.
    pub under_weights: u64,
}

impl GenerationReport {
    /// Part of the candidates that became events.
    pub fn acceptance(&self) -> f64 {
        if self.trials == 0 { 1.0 } else { self.accepted as f64 / self.trials as f64 }
    }

    /// The account of both samples together; the order does not matter.
    #[must_use]
    pub fn merge(self, other: Self) -> Self {
        Self {
            events: self.events + other.events,
            trials: self.trials + other.trials,
            accepted: self.accepted + other.accepted,
            exact_evaluations: self.exact_evaluations + other.exact_evaluations,
            over_weights: self.over_weights + other.over_weights,
            max_over_weight: self.max_over_weight.max(other.max_over_weight),
            under_weights: self.under_weights + other.under_weights,
        }
    }
}
