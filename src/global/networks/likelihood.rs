//! The density of data given a prediction that belongs to a chi-square: `exp(-chi2/2)` with errors by side.
//!
//! In each measurement pulls p are counted in the error on the side of the prediction, upward where the prediction is
//! above the value. Data are then `prediction + p sigma(sign of p)`, and the density of the pulls is
//! `exp(-p^T R^-1 p/2)` times the product of the errors that their signs choose, for data (not pulls) have the density
//! `exp(-chi2/2)`. Its normalisation does not depend on the prediction. Without correlations each value has two halves
//! of normal densities, the lower one with the upward error; with them normal pulls are accepted by their product.

use humboldt_schemas::Invalid;
use nalgebra::{DMatrix, DVector};
use rand::RngExt;
use rand_pcg::Pcg64;

use crate::global::GlobalError;
use crate::global::statistic::ChiSquare;
use crate::infer::variation::unit_normals;

/// The smallest share of accepted pulls that is worth the work.
const LEAST_ACCEPTANCE: f64 = 1e-3;

/// The errors of a chi-square, without its data.
#[derive(Debug, Clone)]
pub struct Likelihood {
    /// Upward and downward error of each measurement, theory errors included.
    errors: Vec<[f64; 2]>,
    /// Root of the correlation, and its inverse.
    roots: Option<(DMatrix<f64>, DMatrix<f64>)>,
}

impl Likelihood {
    /// Likelihood of a chi-square.
    ///
    /// # Errors
    /// When errors are correlated and so asymmetric that next to no pulls would be accepted.
    pub fn new(statistic: &ChiSquare) -> Result<Self, GlobalError> {
        let measurements = statistic.data().measurements().iter().zip(statistic.theory_errors());
        let errors: Vec<[f64; 2]> = measurements
            .map(|(datum, theory)| [datum.error_plus.hypot(*theory), datum.error_minus.hypot(*theory)])
            .collect();
        let roots = statistic.correlation_root().map(|root| {
            let identity = DMatrix::identity(root.nrows(), root.nrows());
            // A root has a positive diagonal: the inverse exists.
            let inverse = root.solve_lower_triangular(&identity).unwrap_or(identity);
            (root, inverse)
        });
        let acceptance: f64 = errors.iter().map(|[up, down]| 0.5 * (up + down) / up.max(*down)).product();
        Invalid::unless(
            roots.is_none() || acceptance > LEAST_ACCEPTANCE,
            "comparison.correlations",
            format!("true with errors so asymmetric that {acceptance:.1e} of pseudo-data would be kept"),
            "false, or less asymmetric errors",
        )?;
        Ok(Self { errors, roots })
    }

    /// Pseudo-data.
    pub fn draw(&self, prediction: &[f64], rng: &mut Pcg64) -> Vec<f64> {
        let chosen = |pull: f64, [up, down]: [f64; 2]| if pull < 0.0 { up } else { down };
        let pulls = match &self.roots {
            None => {
                let sizes = unit_normals(rng, self.errors.len());
                let below = |[up, down]: [f64; 2], rng: &mut Pcg64| rng.random::<f64>() * (up + down) < up;
                let signed = |(size, errors): (f64, &[f64; 2])| {
                    if below(*errors, rng) { -size.abs() } else { size.abs() }
                };
                sizes.into_iter().zip(&self.errors).map(signed).collect::<Vec<_>>()
            }
            Some((root, _)) => loop {
                let normals = DVector::from_vec(unit_normals(rng, self.errors.len()));
                let pulls = root * normals;
                let share = pulls.iter().zip(&self.errors);
                let share: f64 = share.map(|(p, e)| chosen(*p, *e) / e[0].max(e[1])).product();
                if rng.random::<f64>() < share {
                    break pulls.as_slice().to_vec();
                }
            },
        };
        let moved = prediction.iter().zip(pulls.iter().zip(&self.errors));
        moved.map(|(value, (pull, errors))| value + pull * chosen(*pull, *errors)).collect()
    }

    /// Chi-square of data against a prediction.
    pub fn chi2(&self, data: &[f64], prediction: &[f64]) -> f64 {
        let pulls = data.iter().zip(prediction).zip(&self.errors).map(|((value, prediction), [up, down])| {
            (value - prediction) / if prediction > value { up } else { down }
        });
        match &self.roots {
            None => pulls.map(|pull| pull * pull).sum(),
            Some((_, inverse)) => (inverse * DVector::from_iterator(data.len(), pulls)).norm_squared(),
        }
    }

    /// Differences in units of their mean errors, without their correlation.
    pub fn whitened(&self, values: &[f64], reference: &[f64]) -> Vec<f64> {
        let differences = values.iter().zip(reference).zip(&self.errors);
        let differences: Vec<f64> =
            differences.map(|((a, b), [up, down])| (a - b) / (0.5 * (up + down))).collect();
        match &self.roots {
            None => differences,
            Some((_, inverse)) => (inverse * DVector::from_vec(differences)).as_slice().to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use humboldt_physics::{ModelName, Parameters, Theory, WilsonCoefficient, WilsonDirection};
    use humboldt_schemas::measurements::MeasurementFile;

    use super::*;
    use crate::global::data::Data;
    use crate::global::networks::layers::{Purpose, stream};
    use crate::global::polynomials::Polynomials;
    use crate::global::statistic::Errors;

    fn statistic(correlations: bool) -> ChiSquare {
        let text = r#"source = "a paper"
[[groups]]
correlation = [[1.0, 0.6], [0.6, 1.0]]
measurements = [
  { process = "B0->K*0mumu", observable = "P4p", q2_min = 4.0, q2_max = 6.0, value = -0.4, errors = [[0.1, 0.2]] },
  { process = "B0->K*0mumu", observable = "P5p", q2_min = 4.0, q2_max = 6.0, value = 0.5, errors = [[0.3, 0.2]] },
]"#;
        let data = Data::new(&[MeasurementFile::parse(text, "file.toml").unwrap()]).unwrap();
        let theory = Theory::new(ModelName::Bare, Parameters::standard());
        let directions = [WilsonDirection::real(WilsonCoefficient::C9)];
        let errors = Errors { theory: None, correlations };
        ChiSquare::new(&theory, data, &directions, Polynomials::default(), &errors).unwrap()
    }

    #[test]
    fn chi_square_is_that_of_the_statistic() {
        for correlations in [false, true] {
            let statistic = statistic(correlations);
            let likelihood = Likelihood::new(&statistic).unwrap();
            let data: Vec<f64> = statistic.data().measurements().iter().map(|d| d.value).collect();
            for prediction in [[-0.3, 0.2], [-0.5, 0.9], [0.1, 0.6]] {
                let (a, b) = (likelihood.chi2(&data, &prediction), statistic.of_predictions(&prediction));
                assert!((a / b - 1.0).abs() < 1e-12, "{a} {b}");
            }
        }
    }

    /// The density of pseudo-data in cells of a plane is exp(-chi2/2) by its own sum.
    #[test]
    fn pseudo_data_have_the_density_of_chi_square() {
        const DRAWS: usize = 200_000;
        let prediction = [0.0, 0.0];
        for correlations in [false, true] {
            let likelihood = Likelihood::new(&statistic(correlations)).unwrap();
            let mut rng = stream(1, Purpose::Smearing, 0);
            let (cells, half) = (12_usize, [0.6, 0.9]);
            let place = |x: f64, half: f64| ((x / half + 1.0) * 0.5 * cells as f64).floor();
            let mut counts = vec![0.0; cells * cells];
            for _ in 0..DRAWS {
                let draw = likelihood.draw(&prediction, &mut rng);
                let (i, j) = (place(draw[0], half[0]), place(draw[1], half[1]));
                if (0.0..cells as f64).contains(&i) && (0.0..cells as f64).contains(&j) {
                    counts[i as usize * cells + j as usize] += 1.0;
                }
            }
            // Each cell by a grid of 20 x 20 points.
            let fine = 20;
            let at = |i: usize, half: f64| ((i as f64 + 0.5) / (cells * fine) as f64 * 2.0 - 1.0) * half;
            let mut expected = vec![0.0; cells * cells];
            for i in 0..cells * fine {
                for j in 0..cells * fine {
                    let data = [at(i, half[0]), at(j, half[1])];
                    expected[i / fine * cells + j / fine] +=
                        (-0.5 * likelihood.chi2(&data, &prediction)).exp();
                }
            }
            let (all, sum) = (counts.iter().sum::<f64>(), expected.iter().sum::<f64>());
            let (mut chi2, mut used) = (0.0, 0.0_f64);
            for (count, expected) in counts.iter().zip(&expected) {
                let expected = expected / sum * all;
                if expected > 20.0 {
                    chi2 += (count - expected).powi(2) / expected;
                    used += 1.0;
                }
            }
            assert!(used > 40.0 && chi2 < used + 4.0 * (2.0 * used).sqrt(), "{chi2} in {used} cells");
        }
    }
}
