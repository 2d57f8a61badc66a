//! Numbers that are known at some places only.

/// The number at a place by straight lines between points `[place, number]` in rising order, constant beyond them; 0 without a point.
pub fn between(points: &[[f64; 2]], place: f64) -> f64 {
    let next = points.partition_point(|[x, _]| *x <= place);
    match (next.checked_sub(1).map(|i| points[i]), points.get(next)) {
        (Some([a, low]), Some([b, high])) => low + (place - a) / (b - a) * (high - low),
        (Some([_, only]), None) | (None, Some(&[_, only])) => only,
        (None, None) => 0.0,
    }
}
