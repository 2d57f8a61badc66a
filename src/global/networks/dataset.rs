//! Points of parameter space with the observables and the chi-square that belong to them.
//!
//! Observables are in the study's units: signs and factors of theory (DHMV), rates in 1e-7 GeV^-2. All are then of order 1.

use humboldt_schemas::experiment::{Arrangement, PointsCard};
use rand::RngExt;
use rand_pcg::Pcg64;
use rayon::prelude::*;

use super::layers::{Purpose, stream};
use crate::global::GlobalError;
use crate::global::polynomials::unit;
use crate::global::statistic::ChiSquare;

/// Points with their predictions.
#[derive(Debug, Clone, PartialEq)]
pub struct Dataset {
    /// Parameters of each point, in the order of [`ChiSquare::parameters`].
    pub parameters: Vec<Vec<f64>>,
    /// Predicted observables of each point, in the study's units.
    pub observables: Vec<Vec<f64>>,
    /// Chi-square of each point.
    pub chi2: Vec<f64>,
}

impl Dataset {
    /// Points as a card says; `statistic` has C9, C10 and either no polynomials or three coefficients for each observable.
    /// Shared coefficients are the same for all observables.
    ///
    /// # Errors
    /// When a prediction cannot be made.
    pub fn draw(card: &PointsCard, statistic: &ChiSquare, seed: u64) -> Result<Self, GlobalError> {
        let mut rng = stream(seed, Purpose::Points, 0);
        let coefficients = statistic.parameters().len() - 2;
        let mut parameters = Vec::with_capacity(card.total());
        for (c9, c10) in pairs(card, &mut rng) {
            for _ in 0..card.polynomial_sets {
                let mut point = vec![c9, c10];
                point.extend(polynomial(card, coefficients, &mut rng));
                parameters.push(point);
            }
        }
        Self::at(parameters, statistic)
    }

    /// Points of given parameters.
    ///
    /// # Errors
    /// When a prediction cannot be made.
    pub fn at(parameters: Vec<Vec<f64>>, statistic: &ChiSquare) -> Result<Self, GlobalError> {
        let predictions: Vec<Vec<f64>> =
            parameters.par_iter().map(|point| statistic.predictions(point)).collect::<Result<_, _>>()?;
        let chi2 = predictions.par_iter().map(|prediction| statistic.of_predictions(prediction)).collect();
        let observables = predictions.par_iter().map(|prediction| to_study(statistic, prediction)).collect();
        Ok(Self { parameters, observables, chi2 })
    }

    /// Index of the lowest chi-square.
    pub fn best(&self) -> usize {
        (0..self.chi2.len()).min_by(|a, b| self.chi2[*a].total_cmp(&self.chi2[*b])).unwrap_or(0)
    }
}

/// Observables of the LHCb convention and in GeV^-2 in the study's units.
pub fn to_study(statistic: &ChiSquare, values: &[f64]) -> Vec<f64> {
    statistic.data().measurements().iter().zip(values).map(|(datum, value)| value / unit(datum)).collect()
}

/// The inverse of [`to_study`].
pub fn from_study(statistic: &ChiSquare, values: &[f64]) -> Vec<f64> {
    statistic.data().measurements().iter().zip(values).map(|(datum, value)| value * unit(datum)).collect()
}

/// The measured values in the study's units.
pub fn measured(statistic: &ChiSquare) -> Vec<f64> {
    let values: Vec<f64> = statistic.data().measurements().iter().map(|datum| datum.value).collect();
    to_study(statistic, &values)
}

fn pairs(card: &PointsCard, rng: &mut Pcg64) -> Vec<(f64, f64)> {
    let mut uniform = |[low, high]: [f64; 2]| low + (high - low) * rng.random::<f64>();
    let [n, m] = card.counts;
    if card.arrangement == Arrangement::Uniform {
        return (0..n * m).map(|_| (uniform(card.c9), uniform(card.c10))).collect();
    }
    let mut values = |range: [f64; 2], count: usize| -> Vec<f64> {
        let even = |i: usize| range[0] + (range[1] - range[0]) * i as f64 / (count.max(2) - 1) as f64;
        match card.arrangement {
            Arrangement::Grid => (0..count).map(even).collect(),
            _ => (0..count).map(|_| uniform(range)).collect(),
        }
    };
    let (c9, c10) = (values(card.c9, n), values(card.c10, m));
    c9.iter().flat_map(|x| c10.iter().map(move |y| (*x, *y))).collect()
}

fn polynomial(card: &PointsCard, coefficients: usize, rng: &mut Pcg64) -> Vec<f64> {
    let mut one = || card.polynomial_ranges.map(|half| half * (2.0 * rng.random::<f64>() - 1.0));
    if card.polynomials == "shared" {
        let same = one();
        (0..coefficients).map(|i| same[i % 3]).collect()
    } else {
        (0..coefficients.div_ceil(3)).flat_map(|_| one()).take(coefficients).collect()
    }
}

/// A linear map of each component of some vectors, and back.
#[derive(Debug, Clone, PartialEq)]
pub struct Scaling {
    shift: Vec<f64>,
    scale: Vec<f64>,
}

impl Scaling {
    /// None at all.
    pub fn identity(width: usize) -> Self {
        Self { shift: vec![0.0; width], scale: vec![1.0; width] }
    }

    /// To mean 0 and standard deviation 1; what does not vary is only shifted.
    pub fn standard<'a>(vectors: impl Iterator<Item = &'a [f64]> + Clone, width: usize) -> Self {
        let n = vectors.clone().count().max(1) as f64;
        let mut shift = vec![0.0; width];
        vectors.clone().for_each(|v| shift.iter_mut().zip(v).for_each(|(s, x)| *s += x / n));
        let mut scale = vec![0.0; width];
        vectors.for_each(|v| {
            scale
                .iter_mut()
                .zip(v.iter().zip(&shift))
                .for_each(|(s, (x, mean))| *s += (x - mean).powi(2) / n);
        });
        let scale = scale.into_iter().map(|s: f64| if s > 0.0 { s.sqrt() } else { 1.0 }).collect();
        Self { shift, scale }
    }

    /// To the range 0 to 1.
    pub fn unit<'a>(vectors: impl Iterator<Item = &'a [f64]>, width: usize) -> Self {
        let (mut low, mut high) = (vec![f64::INFINITY; width], vec![f64::NEG_INFINITY; width]);
        for vector in vectors {
            for (i, x) in vector.iter().enumerate() {
                (low[i], high[i]) = (low[i].min(*x), high[i].max(*x));
            }
        }
        let scale = low.iter().zip(&high).map(|(a, b)| if b > a { b - a } else { 1.0 }).collect();
        Self { shift: low, scale }
    }

    /// Forth.
    pub fn apply<'a>(&'a self, vector: &'a [f64]) -> impl Iterator<Item = f32> + 'a {
        vector.iter().zip(self.shift.iter().zip(&self.scale)).map(|(x, (a, b))| ((x - a) / b) as f32)
    }

    /// Back.
    pub fn restore(&self, vector: &[f64]) -> Vec<f64> {
        vector.iter().zip(self.shift.iter().zip(&self.scale)).map(|(x, (a, b))| a + b * x).collect()
    }
}

#[cfg(test)]
mod tests {
    use humboldt_physics::{
        MeasurementSet, ModelName, Parameters, Theory, WilsonCoefficient, WilsonDirection,
    };
    use humboldt_schemas::measurements::MeasurementFile;

    use super::*;
    use crate::global::data::Data;
    use crate::global::polynomials::{Polynomials, Sharing};
    use crate::global::statistic::Errors;

    fn statistic() -> ChiSquare {
        let data = Data::new(&MeasurementFile::built_in(MeasurementSet::Lhcb2021).unwrap()).unwrap();
        let directions = [WilsonCoefficient::C9, WilsonCoefficient::C10].map(WilsonDirection::real);
        let theory = Theory::new(ModelName::Bare, Parameters::standard());
        let polynomials = Polynomials::new(Sharing::Independent, &data);
        ChiSquare::new(&theory, data, &directions, polynomials, &Errors::default()).unwrap()
    }

    #[test]
    fn points_lie_where_the_card_says_and_their_chi_square_is_right() {
        let statistic = statistic();
        for (arrangement, polynomials) in [
            (Arrangement::Grid, "shared"),
            (Arrangement::Product, "independent"),
            (Arrangement::Uniform, "shared"),
        ] {
            let card = PointsCard {
                arrangement,
                counts: [4, 3],
                polynomials: polynomials.to_owned(),
                polynomial_sets: 2,
                ..PointsCard::default()
            };
            let set = Dataset::draw(&card, &statistic, 5).unwrap();
            assert_eq!(set.parameters.len(), 24);
            for (point, chi2) in set.parameters.iter().zip(&set.chi2) {
                assert!((-2.0..=0.0).contains(&point[0]) && (-1.0..=1.0).contains(&point[1]));
                assert!(point[2].abs() <= 0.01 && point[4].abs() <= 1e-5 && point[2] != 0.0);
                let equal = (5..26).all(|i| point[i].to_bits() == point[i - 3].to_bits());
                assert_eq!(equal, polynomials == "shared");
                assert!((statistic.value(point).unwrap() / chi2 - 1.0).abs() < 1e-12);
            }
            let mut c9: Vec<f64> = set.parameters.iter().map(|p| p[0]).collect();
            c9.dedup();
            assert_eq!(c9.len(), if arrangement == Arrangement::Uniform { 12 } else { 4 });
            assert!(set.chi2.iter().all(|chi2| *chi2 >= set.chi2[set.best()]));
            let again = from_study(&statistic, &set.observables[3]);
            let direct = statistic.predictions(&set.parameters[3]).unwrap();
            assert!(again.iter().zip(&direct).all(|(a, b)| (a / b - 1.0).abs() < 1e-12));
            assert_eq!(set, Dataset::draw(&card, &statistic, 5).unwrap());
        }
        // In the study's units all are of order 1.
        assert!(measured(&statistic).iter().all(|x| (0.01..3.0).contains(&x.abs())));
    }

    #[test]
    fn scalings_are_inverted_by_restore() {
        let vectors = [vec![1.0, 5.0, 2.0], vec![3.0, 5.0, -1.0], vec![2.0, 5.0, 0.5]];
        let all = || vectors.iter().map(Vec::as_slice);
        for scaling in [Scaling::standard(all(), 3), Scaling::unit(all(), 3)] {
            for vector in &vectors {
                let scaled: Vec<f64> = scaling.apply(vector).map(f64::from).collect();
                assert!(scaling.restore(&scaled).iter().zip(vector).all(|(a, b)| (a - b).abs() < 1e-6));
            }
        }
        let unit = Scaling::unit(all(), 3);
        assert_eq!(unit.apply(&vectors[1]).collect::<Vec<_>>(), [1.0, 0.0, 0.0]);
    }
}
