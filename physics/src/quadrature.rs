//! Gauss-Legendre quadrature on an interval with known points of non-analyticity.

use std::f64::consts::PI;
use std::ops::{AddAssign, Mul};
use std::sync::LazyLock;

/// Nodes on each piece of an interval.
const NODES: usize = 32;

static RULE: LazyLock<[(f64, f64); NODES]> = LazyLock::new(legendre_rule);

/// Nodes on each piece where 1e-4 is enough: the change of an integral with its inputs.
const FEW_NODES: usize = 6;

static FEW: LazyLock<[(f64, f64); FEW_NODES]> = LazyLock::new(legendre_rule);

/// Precision of an integral.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Precision {
    /// 1e-8 and better.
    Full,
    /// 1e-4, at a fifth of the time.
    Coarse,
}

/// Integral of `f` over `[low, high]`, split at those `breaks` that lie inside: the sum over [`nodes`].
pub fn integrate<T>(
    low: f64,
    high: f64,
    breaks: impl IntoIterator<Item = f64>,
    mut f: impl FnMut(f64) -> T,
) -> T
where
    T: Default + AddAssign + Mul<f64, Output = T>,
{
    let mut sum = T::default();
    for (x, weight) in nodes(low, high, breaks) {
        sum += f(x) * weight;
    }
    sum
}

/// Integral with fewer nodes where less precision is asked for.
pub fn integrate_to<T>(
    precision: Precision,
    (low, high): (f64, f64),
    breaks: impl IntoIterator<Item = f64>,
    mut f: impl FnMut(f64) -> T,
) -> T
where
    T: Default + AddAssign + Mul<f64, Output = T>,
{
    match precision {
        Precision::Full => integrate(low, high, breaks, f),
        Precision::Coarse => {
            let mut sum = T::default();
            for (x, weight) in nodes_of(FEW.as_slice(), low, high, breaks) {
                sum += f(x) * weight;
            }
            sum
        }
    }
}

/// Nodes and weights on `[low, high]`, split at those `breaks` that lie inside.
///
/// Within each piece the variable is substituted by `x = a + (b - a) t^2 (3 - 2 t)`: square-root behaviour at either
/// end of a piece (a threshold, an end of phase space) becomes smooth.
pub fn nodes(low: f64, high: f64, breaks: impl IntoIterator<Item = f64>) -> Vec<(f64, f64)> {
    nodes_of(RULE.as_slice(), low, high, breaks)
}

fn nodes_of(
    rule: &[(f64, f64)],
    low: f64,
    high: f64,
    breaks: impl IntoIterator<Item = f64>,
) -> Vec<(f64, f64)> {
    let mut edges: Vec<f64> = breaks.into_iter().filter(|x| *x > low && *x < high).collect();
    edges.extend([low, high]);
    edges.sort_by(f64::total_cmp);

    let mut nodes = Vec::with_capacity((edges.len() - 1) * rule.len());
    for piece in edges.windows(2) {
        let (a, width) = (piece[0], piece[1] - piece[0]);
        nodes.extend(
            rule.iter().map(|&(t, weight)| {
                (a + width * t * t * (3.0 - 2.0 * t), weight * width * 6.0 * t * (1.0 - t))
            }),
        );
    }
    nodes
}

/// Points between `low` and `high`, each four times the one before: where the photon's pole makes a rate change within its
/// own size, at low q2, an integral is split there.
pub fn fourfold_steps(low: f64, high: f64) -> impl Iterator<Item = f64> {
    std::iter::successors(Some(4.0 * low), |edge| Some(4.0 * edge)).take_while(move |edge| *edge < high)
}

/// Nodes and weights on [0, 1], by Newton's method on the Legendre polynomial.
fn legendre_rule<const N: usize>() -> [(f64, f64); N] {
    let n = N as f64;
    std::array::from_fn(|i| {
        let mut x = (PI * (i as f64 + 0.75) / (n + 0.5)).cos();
        let mut derivative = 1.0;
        for _ in 0..50 {
            let (mut previous, mut current) = (1.0, x);
            for k in 2..=N {
                let k = k as f64;
                (previous, current) = (current, ((2.0 * k - 1.0) * x * current - (k - 1.0) * previous) / k);
            }
            derivative = n * (x * current - previous) / (x * x - 1.0);
            let step = current / derivative;
            x -= step;
            if step.abs() < 1e-16 {
                break;
            }
        }
        (0.5 * (1.0 - x), 1.0 / ((1.0 - x * x) * derivative * derivative))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integrates_polynomials_and_square_roots_at_the_ends() {
        assert!((integrate(-1.0, 2.0, [], |x| x.powi(7)) - (256.0 - 1.0) / 8.0).abs() < 1e-12);
        let half_circle = integrate(-1.0, 1.0, [], |x: f64| (1.0 - x * x).sqrt());
        assert!((half_circle - PI / 2.0).abs() < 1e-12);
        let kink = integrate(0.0, 3.0, [1.0, 7.0], |x: f64| (x - 1.0).abs().sqrt());
        assert!((kink - 2.0 / 3.0 * (1.0 + 2.0_f64.powf(1.5))).abs() < 1e-12);
    }

    #[test]
    fn weights_sum_to_one() {
        assert!((RULE.iter().map(|(_, weight)| weight).sum::<f64>() - 1.0).abs() < 1e-14);
    }
}
