//! Which parts of the q2 range are generated.

use humboldt_physics::{Decay, LineShape};

use crate::PipelineError;

/// One range of q2 in GeV^2; `None` is an open end.
pub type Q2Range = (Option<f64>, Option<f64>);

/// A set of q2 intervals (GeV^2): the union of ranges less the union of vetoes, sorted and disjoint.
#[derive(Debug, Clone, PartialEq)]
pub struct Q2Windows {
    ranges: Vec<Q2Range>,
    vetoes: Vec<Q2Range>,
}

impl Default for Q2Windows {
    fn default() -> Self {
        Self::full()
    }
}

impl Q2Windows {
    /// From `4 m_l^2` to the end point.
    pub fn full() -> Self {
        Self { ranges: vec![(None, None)], vetoes: Vec::new() }
    }

    /// The union of `ranges` less the union of `vetoes`; no ranges mean the full one.
    ///
    /// # Errors
    /// When a limit is not a finite number or a range is empty; the error names `q2` or `q2_veto`. Whether a
    /// limit lies inside phase space is checked where the decay is known, in [`super::EventSampler::new`].
    pub fn new(ranges: &[Q2Range], vetoes: &[Q2Range]) -> Result<Self, PipelineError> {
        for (field, list) in [("q2", ranges), ("q2_veto", vetoes)] {
            for range in list {
                check(field, *range)?;
            }
        }
        let ranges = if ranges.is_empty() { vec![(None, None)] } else { ranges.to_vec() };
        Ok(Self { ranges, vetoes: vetoes.to_vec() })
    }

    /// The intervals inside the phase space of a decay with a line shape, as [`Q2Windows::resolve`].
    ///
    /// # Errors
    /// As [`Q2Windows::resolve`].
    pub fn of(&self, decay: &Decay, shape: LineShape) -> Result<Vec<(f64, f64)>, PipelineError> {
        self.resolve(decay.q2_min(), decay.q2_max(decay.resonance().range(shape).0))
    }

    /// The intervals inside the phase space `[q2_min, q2_max]` (GeV^2): sorted, disjoint, none empty.
    ///
    /// # Errors
    /// When a given limit lies outside phase space or the vetoes leave nothing.
    pub fn resolve(&self, q2_min: f64, q2_max: f64) -> Result<Vec<(f64, f64)>, PipelineError> {
        let close = |field: &str, &(low, high): &Q2Range| {
            for limit in [low, high].into_iter().flatten() {
                // A caller who computes 4 m_l^2 or (mB - m)^2 himself may round differently.
                if !(q2_min * (1.0 - 1e-9)..=q2_max * (1.0 + 1e-9)).contains(&limit) {
                    let allowed = format!("{q2_min:.6} to {q2_max:.6} GeV^2, or an open end");
                    return Err(PipelineError::out_of_range(field, limit, allowed));
                }
            }
            Ok((low.unwrap_or(q2_min).max(q2_min), high.unwrap_or(q2_max).min(q2_max)))
        };
        let union = |field: &str, list: &[Q2Range]| {
            list.iter().map(|range| close(field, range)).collect::<Result<Vec<_>, _>>().map(merged)
        };
        let mut kept = union("q2", &self.ranges)?;
        for (low, high) in union("q2_veto", &self.vetoes)? {
            kept = kept.into_iter().flat_map(|(a, b)| [(a, b.min(low)), (a.max(high), b)]).collect();
        }
        // The columns are f32: a sliver that holds hardly one of their values is no window.
        kept.retain(|(a, b)| b - a > 1e-6 * b);
        if kept.is_empty() {
            let allowed = "ranges wider than 1e-6 of their upper end that the vetoes leave open";
            return Err(PipelineError::out_of_range("q2", self, allowed));
        }
        Ok(kept)
    }
}

impl std::fmt::Display for Q2Windows {
    /// `low:high`, comma-separated, as on the command line.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text = |list: &[Q2Range]| list.iter().map(range_text).collect::<Vec<_>>().join(",");
        f.write_str(&text(&self.ranges))?;
        if self.vetoes.is_empty() { Ok(()) } else { write!(f, " without {}", text(&self.vetoes)) }
    }
}

fn range_text(&(low, high): &Q2Range) -> String {
    let end = |limit: Option<f64>| limit.map_or_else(String::new, |x| x.to_string());
    format!("{}:{}", end(low), end(high))
}

fn check(field: &str, range: Q2Range) -> Result<(), PipelineError> {
    let finite = [range.0, range.1].into_iter().flatten().all(f64::is_finite);
    let ordered = !matches!(range, (Some(low), Some(high)) if low >= high);
    if finite && ordered {
        return Ok(());
    }
    Err(PipelineError::out_of_range(field, range_text(&range), "finite limits, the lower one first"))
}

/// Sorted and joined where they touch or overlap.
fn merged(mut intervals: Vec<(f64, f64)>) -> Vec<(f64, f64)> {
    intervals.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut joined: Vec<(f64, f64)> = Vec::with_capacity(intervals.len());
    for (low, high) in intervals {
        match joined.last_mut() {
            Some(last) if low <= last.1 => last.1 = last.1.max(high),
            _ => joined.push((low, high)),
        }
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASE_SPACE: (f64, f64) = (0.04, 20.0);

    fn resolve(ranges: &[Q2Range], vetoes: &[Q2Range]) -> Result<Vec<(f64, f64)>, PipelineError> {
        Q2Windows::new(ranges, vetoes)?.resolve(PHASE_SPACE.0, PHASE_SPACE.1)
    }

    #[test]
    fn open_ends_reach_the_limits_of_phase_space() {
        assert_eq!(resolve(&[], &[]).unwrap(), [PHASE_SPACE]);
        assert_eq!(resolve(&[(Some(1.0), None)], &[]).unwrap(), [(1.0, 20.0)]);
        assert_eq!(resolve(&[(None, Some(1.0))], &[]).unwrap(), [(0.04, 1.0)]);
    }

    #[test]
    fn unions_and_vetoes_make_disjoint_intervals() {
        let ranges = [(Some(6.0), Some(12.0)), (Some(1.0), Some(3.0)), (Some(2.0), Some(4.0))];
        let vetoes = [(Some(8.0), Some(9.0)), (Some(3.5), Some(7.0)), (Some(11.0), None)];
        assert_eq!(resolve(&ranges, &vetoes).unwrap(), [(1.0, 3.5), (7.0, 8.0), (9.0, 11.0)]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let message =
            |ranges: &[Q2Range], vetoes: &[Q2Range]| resolve(ranges, vetoes).unwrap_err().to_string();
        assert!(message(&[(Some(8.0), Some(1.0))], &[]).starts_with("q2 = 8:1 is not allowed"));
        assert!(message(&[(Some(f64::NAN), None)], &[]).starts_with("q2 = NaN:"));
        assert!(message(&[(Some(1.0), Some(20.5))], &[]).contains("q2 = 20.5"));
        assert!(message(&[(Some(0.01), Some(1.0))], &[]).contains("0.040000 to 20.000000 GeV^2"));
        assert!(message(&[], &[(Some(8.0), Some(30.0))]).starts_with("q2_veto = 30"));
        assert!(message(&[(Some(8.0), Some(9.0))], &[(None, Some(10.0))]).contains("without :10"));
    }
}
