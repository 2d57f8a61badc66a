//! Predictions with varied inputs: the draws behind theory uncertainties.

use humboldt_physics::uncertainty::Variation;
use humboldt_physics::{PhysicsError, Theory};
use humboldt_pipeline::rng::seeded;
use rand::Rng;
use rayon::prelude::*;
use statrs::distribution::{ContinuousCDF, Normal};

/// Values of `of` for a theory with varied inputs, draw by draw.
///
/// Draw k takes words k d to (k + 1) d of one stream, d the number of inputs: it does not depend on threads, and more
/// draws hold the fewer.
///
/// # Errors
/// When the theory's inputs are incomplete, or `of` refuses a draw.
pub fn varied<T: Send>(
    theory: &Theory,
    draws: u32,
    seed: u64,
    of: impl Fn(&Theory) -> Result<T, PhysicsError> + Sync,
) -> Result<Vec<T>, PhysicsError> {
    let variation = Variation::new(theory.parameters)?;
    let stream = seeded(seed);
    let draw = |k: u32| {
        let mut rng = stream.clone();
        rng.advance(u128::from(k) * variation.dimension() as u128);
        let parameters = variation.varied(&unit_normals(&mut rng, variation.dimension()))?;
        of(&Theory { parameters: &parameters, ..theory.clone() })
    };
    (0..draws).into_par_iter().map(draw).collect()
}

/// Values of `of` for a theory with each unit normal of its inputs at +1 and at -1, all others at 0.
///
/// # Errors
/// When the theory's inputs are incomplete, or `of` refuses one.
pub fn moved<T: Send>(
    theory: &Theory,
    of: impl Fn(&Theory) -> Result<T, PhysicsError> + Sync,
) -> Result<Vec<[T; 2]>, PhysicsError> {
    let variation = Variation::new(theory.parameters)?;
    let at = |k: usize, value: f64| {
        let mut normals = vec![0.0; variation.dimension()];
        normals[k] = value;
        of(&Theory { parameters: &variation.varied(&normals)?, ..theory.clone() })
    };
    (0..variation.dimension()).into_par_iter().map(|k| Ok([at(k, 1.0)?, at(k, -1.0)?])).collect()
}

/// Independent unit normals, one word of the stream each.
pub fn unit_normals(rng: &mut impl Rng, count: usize) -> Vec<f64> {
    let normal = Normal::standard();
    // The middle of one of 2^52 intervals of equal probability.
    (0..count)
        .map(|_| normal.inverse_cdf(((rng.next_u64() >> 12) as f64 + 0.5) / (1_u64 << 52) as f64))
        .collect()
}
