//! Theory uncertainties: from unit normal numbers to varied inputs, and from varied predictions to their spread.
//!
//! This crate draws no random numbers: a caller draws [`Variation::dimension`] independent unit normals for each
//! variation. Coefficients of form factors are varied with their covariance and keep their exact relations; hadronic
//! corrections of neutral and charged mesons are 99 % correlated; all other inputs with an uncertainty are independent.
//! Not varied: `alpha_s`, the Higgs mass, and what the tabulated two-loop and spectator functions were made with.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::channel::Channel;
use crate::parameters::built_in_data;
use crate::{Parameters, PhysicsError};

/// Correlation of the hadronic corrections of neutral and charged mesons (flavio 2.7.1, arXiv:1810.08132).
const CHARGE_CORRELATION: f64 = 0.99;

/// The entries of `form_factor_covariance.toml`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Covariance {
    #[expect(dead_code, reason = "for the reader of the file")]
    source: String,
    parameters: Vec<String>,
    #[serde(rename = "covariance")]
    matrix: Vec<Vec<f64>>,
}

/// Inputs that vary together: a lower-triangular matrix on independent unit normals.
#[derive(Debug, Clone)]
struct Group {
    names: Vec<String>,
    root: Vec<Vec<f64>>,
}

/// Variation of a set of inputs.
#[derive(Debug, Clone)]
pub struct Variation<'a> {
    parameters: &'a Parameters,
    groups: Vec<Group>,
}

impl<'a> Variation<'a> {
    /// Of all inputs with an uncertainty.
    ///
    /// # Errors
    /// When an input of a covariance is missing from the parameters.
    ///
    /// # Panics
    /// When the built-in covariances are broken, which is a bug of this crate.
    pub fn new(parameters: &'a Parameters) -> Result<Self, PhysicsError> {
        let file = "form_factor_covariance.toml";
        let covariances: BTreeMap<String, Covariance> =
            built_in_data(file, include_str!("../data/form_factor_covariance.toml"));
        let mut groups = Vec::new();
        for (name, entry) in covariances {
            let n = entry.parameters.len();
            let square = entry.matrix.len() == n && entry.matrix.iter().all(|row| row.len() == n);
            assert!(square, "built-in data file {file}: {name} is not square");
            entry.parameters.iter().try_for_each(|name| parameters.value(name).map(|_| ()))?;
            groups.push(Group { root: root(&entry.matrix), names: entry.parameters });
        }
        // What follows from other coefficients by the relations at q2 = 0.
        let follow = |set: &str| [format!("{set}_a12_alpha0"), format!("{set}_t2_alpha0")];
        let mut taken: Vec<String> = Channel::vector_sets().into_iter().flat_map(follow).collect();
        taken.extend(groups.iter().flat_map(|group| group.names.iter().cloned()));
        for (name, entry) in parameters.iter() {
            if entry.uncertainty == 0.0 || taken.iter().any(|other| other == name) {
                continue;
            }
            let Some(rest) = name.strip_prefix("subleading_neutral_") else {
                if !name.starts_with("subleading_charged_") {
                    groups.push(Group { names: vec![name.to_owned()], root: vec![vec![entry.uncertainty]] });
                }
                continue;
            };
            let charged = format!("subleading_charged_{rest}");
            let sigma = parameters.get(&charged)?.uncertainty;
            let own = (1.0 - CHARGE_CORRELATION * CHARGE_CORRELATION).sqrt();
            groups.push(Group {
                names: vec![name.to_owned(), charged],
                root: vec![vec![entry.uncertainty], vec![sigma * CHARGE_CORRELATION, sigma * own]],
            });
        }
        Ok(Self { parameters, groups })
    }

    /// Number of unit normals that one variation takes.
    pub fn dimension(&self) -> usize {
        self.groups.iter().map(|group| group.names.len()).sum()
    }

    /// The input that each unit normal is named after: of a covariance, the first one that it moves.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.groups.iter().flat_map(|group| group.names.iter().map(String::as_str))
    }

    /// The inputs that independent unit normals lead to; all zero gives the central values.
    ///
    /// # Errors
    /// When there are not [`Self::dimension`] finite normals.
    pub fn varied(&self, normals: &[f64]) -> Result<Parameters, PhysicsError> {
        if normals.len() != self.dimension() || !normals.iter().all(|x| x.is_finite()) {
            return Err(PhysicsError::OutOfRange {
                field: "normals".to_owned(),
                got: format!("{} numbers", normals.len()),
                allowed: format!("{} finite numbers", self.dimension()),
            });
        }
        let mut varied = self.parameters.clone();
        let mut first = 0;
        for group in &self.groups {
            for (name, row) in group.names.iter().zip(&group.root) {
                let shift: f64 = row.iter().zip(&normals[first..]).map(|(a, b)| a * b).sum();
                varied.shift(name, shift)?;
            }
            first += group.names.len();
        }
        let (m_b_meson, m_kstar) =
            (self.parameters.value("m_b_meson_neutral")?, self.parameters.value("m_kstar")?);
        let relation = (m_b_meson * m_b_meson - m_kstar * m_kstar) / (8.0 * m_b_meson * m_kstar);
        for set in Channel::vector_sets() {
            let moved = |name: &str| {
                let name = format!("{set}_{name}");
                Ok::<f64, PhysicsError>(varied.value(&name)? - self.parameters.value(&name)?)
            };
            let (a0, t1) = (moved("a0_alpha0")?, moved("t1_alpha0")?);
            varied.shift(&format!("{set}_a12_alpha0"), relation * a0)?;
            varied.shift(&format!("{set}_t2_alpha0"), t1)?;
        }
        Ok(varied)
    }
}

/// The lower-triangular root of a covariance (Cholesky); rounding below zero counts as zero.
fn root(covariance: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let mut root: Vec<Vec<f64>> = Vec::new();
    for (i, row) in covariance.iter().enumerate() {
        let mut new = vec![0.0; i + 1];
        for j in 0..=i {
            let above: &[f64] = if j < i { &root[j] } else { &new };
            let rest = row[j] - (0..j).map(|k| new[k] * above[k]).sum::<f64>();
            new[j] = if j == i {
                rest.max(0.0).sqrt()
            } else if root[j][j] > 0.0 {
                rest / root[j][j]
            } else {
                0.0
            };
        }
        root.push(new);
    }
    root
}

/// Mean, standard deviation and correlation of varied predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Spread {
    /// Mean of each quantity.
    pub mean: Vec<f64>,
    /// Standard deviation of each quantity (n - 1 in the denominator).
    pub sigma: Vec<f64>,
    /// Correlation of each pair; 0 where a quantity does not vary.
    ///
    /// # Shapes
    /// [quantity, quantity]
    pub correlation: Vec<Vec<f64>>,
}

impl Spread {
    /// Of samples, each a list of the same quantities; `None` for fewer than two samples or lists of unequal length.
    pub fn of(samples: &[Vec<f64>]) -> Option<Self> {
        let n = samples.first()?.len();
        if samples.len() < 2 || samples.iter().any(|sample| sample.len() != n) {
            return None;
        }
        let count = samples.len() as f64;
        let mean: Vec<f64> = (0..n).map(|i| samples.iter().map(|s| s[i]).sum::<f64>() / count).collect();
        let covariance = |i: usize, j: usize| {
            samples.iter().map(|s| (s[i] - mean[i]) * (s[j] - mean[j])).sum::<f64>() / (count - 1.0)
        };
        Some(Self::of_covariance(mean.clone(), covariance))
    }

    /// Of quantities that follow their inputs in straight lines: `moved` holds them with each unit normal at +1 and at -1,
    /// all others at 0; `None` without any, or for lists of unequal length.
    pub fn linear(moved: &[[Vec<f64>; 2]]) -> Option<Self> {
        let n = moved.first()?[0].len();
        if moved.iter().flatten().any(|list| list.len() != n) {
            return None;
        }
        let slope = |[up, down]: &[Vec<f64>; 2]| -> Vec<f64> {
            up.iter().zip(down).map(|(up, down)| 0.5 * (up - down)).collect()
        };
        let slopes: Vec<Vec<f64>> = moved.iter().map(slope).collect();
        let count = 2.0 * moved.len() as f64;
        let mean = (0..n).map(|i| moved.iter().flatten().map(|list| list[i]).sum::<f64>() / count).collect();
        Some(Self::of_covariance(mean, |i, j| slopes.iter().map(|slope| slope[i] * slope[j]).sum()))
    }

    fn of_covariance(mean: Vec<f64>, covariance: impl Fn(usize, usize) -> f64) -> Self {
        let n = mean.len();
        let sigma: Vec<f64> = (0..n).map(|i| covariance(i, i).sqrt()).collect();
        let correlation = (0..n)
            .map(|i| {
                let with = |j: usize| {
                    let product = sigma[i] * sigma[j];
                    if product > 0.0 { covariance(i, j) / product } else { 0.0 }
                };
                (0..n).map(with).collect()
            })
            .collect();
        Self { mean, sigma, correlation }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_squares_to_the_covariance() {
        let covariance = vec![vec![4.0, 2.0, 0.6], vec![2.0, 2.0, 0.5], vec![0.6, 0.5, 3.0]];
        let root = root(&covariance);
        for i in 0..3 {
            for j in 0..=i {
                let product: f64 = (0..=j).map(|k| root[i][k] * root[j][k]).sum();
                assert!((product - covariance[i][j]).abs() < 1e-14);
            }
        }
    }

    #[test]
    fn no_normals_give_the_central_values_and_one_moves_its_own() {
        let parameters = Parameters::standard();
        let variation = Variation::new(parameters).unwrap();
        let mut normals = vec![0.0; variation.dimension()];
        assert_eq!(&variation.varied(&normals).unwrap(), parameters);
        // Those of covariances come first.
        let sizes = variation.groups.iter().map(|group| group.names.len());
        let first_independent: usize = sizes.filter(|size| *size > 1).sum();
        normals[first_independent] = 1.0;
        let varied = variation.varied(&normals).unwrap();
        let changed: Vec<&str> = parameters
            .iter()
            .zip(varied.iter())
            .filter(|(a, b)| a.1.value.to_bits() != b.1.value.to_bits())
            .map(|(a, _)| a.0)
            .collect();
        assert_eq!(changed.len(), 1, "{changed:?}");
        assert!(variation.varied(&[0.0]).is_err());
    }

    /// The built-in diagonal uncertainties are the square roots of the covariances' diagonals.
    #[test]
    fn covariances_agree_with_the_uncertainties_of_the_inputs() {
        let variation = Variation::new(Parameters::standard()).unwrap();
        for group in &variation.groups {
            for (name, row) in group.names.iter().zip(&group.root) {
                let sigma = row.iter().map(|x| x * x).sum::<f64>().sqrt();
                let entry = Parameters::standard().get(name).unwrap();
                assert!((sigma / entry.uncertainty - 1.0).abs() < 1e-4, "{name}: {sigma}");
            }
        }
    }

    #[test]
    fn spread_of_two_correlated_numbers() {
        let samples: Vec<Vec<f64>> =
            [(1.0, 2.0), (2.0, 4.0), (3.0, 6.0)].map(|(a, b)| vec![a, b, 7.0]).to_vec();
        let spread = Spread::of(&samples).unwrap();
        assert!((spread.sigma[1] - 2.0).abs() < 1e-15 && (spread.correlation[0][1] - 1.0).abs() < 1e-15);
        assert!(spread.sigma[2] == 0.0 && spread.correlation[0][2] == 0.0);
        assert_eq!(Spread::of(&samples[..1]), None);
    }
}
