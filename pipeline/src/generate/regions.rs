//! Division of the windows into regions inside which the density is smooth.

use humboldt_physics::Decay;

/// A K pi mass range narrower than this (GeV), below what an f32 column tells apart, is no region.
const NARROWEST: f64 = 1e-7;

/// A part of the (`m_kpi`, `q2`) plane, cut off at the end point `(mB - m)^2`; GeV and GeV^2.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Region {
    pub(crate) m_low: f64,
    pub(crate) m_high: f64,
    pub(crate) q2_low: f64,
    pub(crate) q2_high: f64,
    /// Square-root behaviour at the lower edge in q2.
    pub(crate) root_low: bool,
    /// Square-root behaviour at the upper edge in q2.
    pub(crate) root_high: bool,
}

/// The regions of one window.
pub(crate) fn regions(decay: &Decay, m_range: (f64, f64), window: (f64, f64)) -> Vec<Region> {
    let thresholds = decay.q2_thresholds();
    let mut edges = vec![window.0, window.1];
    edges.extend(thresholds.iter().filter(|q2| **q2 > window.0 && **q2 < window.1));
    edges.sort_by(f64::total_cmp);
    let is_root = |q2: f64| thresholds.contains(&q2);
    edges
        .windows(2)
        .flat_map(|edge| {
            let region = Region {
                m_low: m_range.0,
                m_high: m_range.1,
                q2_low: edge[0],
                q2_high: edge[1],
                root_low: is_root(edge[0]) || edge[0] <= decay.q2_min(),
                root_high: is_root(edge[1]),
            };
            cut_at_end_point(decay, &region)
        })
        .flat_map(|region| {
            // No map straightens a root at either edge.
            if region.root_low && region.root_high { halves(decay, &region) } else { vec![region] }
        })
        .collect()
}

/// Divided at a q2 that all masses of the region allow, if there is one.
fn halves(decay: &Decay, region: &Region) -> Vec<Region> {
    let high = region.q2_high.min(decay.q2_max(region.m_high));
    // The photon pole spans decades.
    let pole = region.q2_low <= decay.q2_min();
    let q2 = if pole { (region.q2_low * high).sqrt() } else { 0.5 * (region.q2_low + high) };
    let lower = Region { q2_high: q2, root_high: false, ..*region };
    let upper = Region { q2_low: q2, root_low: false, ..*region };
    [lower, upper].iter().flat_map(|part| cut_at_end_point(decay, part)).collect()
}

/// The part below the end point: where the mass allows all of the range in q2, and where it allows some.
fn cut_at_end_point(decay: &Decay, region: &Region) -> Vec<Region> {
    let m_b = decay.m_b_meson();
    let all_allowed = m_b - region.q2_high.sqrt();
    let some_allowed = m_b - region.q2_low.sqrt();
    if region.m_low >= region.m_high {
        let part =
            Region { root_high: region.root_high || region.m_low > all_allowed - NARROWEST, ..*region };
        return if region.m_low < some_allowed { vec![part] } else { Vec::new() };
    }
    let whole = Region { m_high: region.m_high.min(all_allowed), ..*region };
    let cut = Region {
        m_low: region.m_low.max(all_allowed),
        m_high: region.m_high.min(some_allowed),
        root_high: true,
        ..*region
    };
    [whole, cut].into_iter().filter(|part| part.m_high - part.m_low > NARROWEST).collect()
}
