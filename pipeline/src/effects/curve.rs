//! Numbers of a density of one variable that is tabulated.

/// A density by its integral at equal steps, inverted by straight lines.
#[derive(Debug, Clone)]
pub(super) struct Curve {
    ranges: Vec<(f64, f64)>,
    /// The integral up to each step, 1 at the end; steps of all ranges in a row.
    integral: Vec<f64>,
}

/// Steps of each range.
const STEPS: usize = 1024;

impl Curve {
    /// Of a density over ranges of its variable; `None` where it has no integral.
    pub(super) fn new(ranges: &[(f64, f64)], density: impl Fn(f64) -> f64) -> Option<Self> {
        let mut integral = vec![0.0];
        let mut sum = 0.0;
        for (low, high) in ranges {
            let step = (high - low) / STEPS as f64;
            for i in 0..STEPS {
                sum += step * density(step.mul_add(i as f64 + 0.5, *low));
                integral.push(sum);
            }
        }
        for x in &mut integral {
            *x /= sum;
        }
        (sum > 0.0 && sum.is_finite()).then(|| Self { ranges: ranges.to_vec(), integral })
    }

    /// The place up to which a part of the density lies.
    pub(super) fn place(&self, part: f64) -> f64 {
        let i = self.integral.partition_point(|x| *x <= part).clamp(1, self.integral.len() - 1) - 1;
        let (below, above) = (self.integral[i], self.integral[i + 1]);
        let inside = if above > below { ((part - below) / (above - below)).clamp(0.0, 1.0) } else { 0.5 };
        let (low, high) = self.ranges[i / STEPS];
        low + (high - low) * ((i % STEPS) as f64 + inside) / STEPS as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_have_their_density() {
        let curve = Curve::new(&[(0.0, 1.0), (2.0, 3.0)], |x| x).unwrap();
        // 1/2 and 5/2 are the integrals of the ranges.
        for (part, place) in [(0.0, 0.0), (1.0 / 24.0, 0.5), (1.0 / 6.0 - 1e-9, 1.0), (1.0, 3.0)] {
            assert!((curve.place(part) - place).abs() < 1e-3, "{part}: {}", curve.place(part));
        }
        let expected = (4.0_f64 + 2.0 * 1.25).sqrt();
        assert!((curve.place(1.0 / 6.0 + 5.0 / 12.0) - expected).abs() < 1e-3);
        assert!(Curve::new(&[(0.0, 1.0)], |_| 0.0).is_none());
    }
}
