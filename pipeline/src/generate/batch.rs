//! Events in memory and the account of how they were made.

/// Events as columns of equal length: q2 in GeV^2, cosines and chi (radians, -pi to pi) in the LHCb convention, the
/// K pi mass in GeV.
///
/// Columns are f32: steps of 2e-6 GeV^2, 6e-8 and 2e-7 are four orders of magnitude below any bin or detector, and
/// twice as many events fit into memory, cache and vector registers as with f64.
#[derive(Debug, Clone, Default, PartialEq)]
#[allow(missing_docs, reason = "the type's documentation defines the columns")]
pub struct EventBatch {
    pub q2: Vec<f32>,
    pub cos_theta_l: Vec<f32>,
    pub cos_theta_k: Vec<f32>,
    pub chi: Vec<f32>,
    pub m_kpi: Vec<f32>,
}

impl EventBatch {
    /// The names of [`Self::columns`].
    pub const NAMES: [&'static str; 5] = ["q2", "cos_theta_l", "cos_theta_k", "chi", "m_kpi"];

    /// An empty batch with room for some events.
    pub fn with_capacity(events: usize) -> Self {
        let column = || Vec::with_capacity(events);
        Self { q2: column(), cos_theta_l: column(), cos_theta_k: column(), chi: column(), m_kpi: column() }
    }

    /// Number of events.
    pub fn len(&self) -> usize {
        self.q2.len()
    }

    /// Whether there is no event.
    pub fn is_empty(&self) -> bool {
        self.q2.is_empty()
    }

    /// Forgets the events and keeps the memory.
    pub fn clear(&mut self) {
        self.columns_mut().into_iter().for_each(Vec::clear);
    }

    /// The columns in the order of [`Self::NAMES`].
    pub fn columns(&self) -> [&[f32]; 5] {
        [&self.q2, &self.cos_theta_l, &self.cos_theta_k, &self.chi, &self.m_kpi]
    }

    pub(crate) fn columns_mut(&mut self) -> [&mut Vec<f32>; 5] {
        [&mut self.q2, &mut self.cos_theta_l, &mut self.cos_theta_k, &mut self.chi, &mut self.m_kpi]
    }

    pub(crate) fn resize(&mut self, events: usize) {
        self.columns_mut().into_iter().for_each(|column| column.resize(events, 0.0));
    }
}

/// How a sample came about.
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
