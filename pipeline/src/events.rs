//! Events in memory.

use humboldt_physics::convention::DecayVariables;

use crate::voxels::EventSlices;

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
    /// Empty where only the angles were read.
    pub m_kpi: Vec<f32>,
}

impl EventBatch {
    /// An empty batch with room for some events.
    pub fn with_capacity(events: usize) -> Self {
        let column = || Vec::with_capacity(events);
        Self { q2: column(), cos_theta_l: column(), cos_theta_k: column(), chi: column(), m_kpi: column() }
    }

    /// Events of nothing but zeros, whose memory the system gives when it is first written to.
    pub(crate) fn zeroed(events: usize) -> Self {
        let column = || vec![0.0; events];
        Self { q2: column(), cos_theta_l: column(), cos_theta_k: column(), chi: column(), m_kpi: column() }
    }

    /// Number of events.
    pub const fn len(&self) -> usize {
        self.q2.len()
    }

    /// Whether there are none.
    pub const fn is_empty(&self) -> bool {
        self.q2.is_empty()
    }

    /// Forgets the events and keeps the memory.
    pub fn clear(&mut self) {
        self.columns_mut().into_iter().for_each(Vec::clear);
    }

    /// Binning that makes an image of these events.
    pub fn angles(&self) -> EventSlices<'_> {
        EventSlices {
            q2: &self.q2,
            cos_theta_l: &self.cos_theta_l,
            cos_theta_k: &self.cos_theta_k,
            chi: &self.chi,
        }
    }

    /// Adds the events of `other` at the end.
    pub fn append(&mut self, other: &Self) {
        for (column, more) in self.columns_mut().into_iter().zip(other.columns()) {
            column.extend_from_slice(more);
        }
    }

    pub(crate) fn push(&mut self, event: &DecayVariables) {
        let DecayVariables { q2, cos_theta_l, cos_theta_k, chi, m_kpi } = *event;
        for (column, x) in self.columns_mut().into_iter().zip([q2, cos_theta_l, cos_theta_k, chi, m_kpi]) {
            column.push(x as f32);
        }
    }

    /// The events whose entry of `keep` is true, in order.
    #[must_use]
    pub fn filtered(&self, keep: &[bool]) -> Self {
        let mut chosen = Self::default();
        for (column, all) in chosen.columns_mut().into_iter().zip(self.columns()) {
            column.extend(all.iter().zip(keep).filter_map(|(x, keep)| keep.then_some(*x)));
        }
        chosen
    }

    /// The events of some rows; a column that is empty stays empty.
    ///
    /// # Panics
    /// When there are not so many events.
    #[must_use]
    pub fn rows(&self, rows: std::ops::Range<usize>) -> Self {
        let mut chosen = Self::default();
        for (column, all) in chosen.columns_mut().into_iter().zip(self.columns()) {
            if !all.is_empty() {
                column.extend_from_slice(&all[rows.clone()]);
            }
        }
        chosen
    }

    /// The events of chosen rows, in the order of these; a column that is empty stays empty.
    ///
    /// # Panics
    /// When there are not so many events.
    #[must_use]
    pub fn gathered(&self, rows: &[usize]) -> Self {
        let mut chosen = Self::default();
        for (column, all) in chosen.columns_mut().into_iter().zip(self.columns()) {
            if !all.is_empty() {
                column.extend(rows.iter().map(|row| all[*row]));
            }
        }
        chosen
    }

    /// Removes the first `n` events.
    pub fn remove_first(&mut self, n: usize) {
        for column in self.columns_mut() {
            column.drain(..n.min(column.len()));
        }
    }

    /// The columns, in the order of [`humboldt_schemas::events::EVENT_COLUMNS`].
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
